/* ---- Lanes of $R: as many samples as one vector of the processor holds -------------------------------------- */

enum { lequel_lanes$f = LEQUEL_VECTOR_BYTES / (int)sizeof($R) };
typedef $R lequel_v$f __attribute__((vector_size(LEQUEL_VECTOR_BYTES), aligned(sizeof($R)), may_alias));
typedef $U lequel_b$f __attribute__((vector_size(LEQUEL_VECTOR_BYTES)));
typedef $S lequel_m$f __attribute__((vector_size(LEQUEL_VECTOR_BYTES))); /* a lane is all ones or all zeros */

LEQUEL_INLINE lequel_v$f lequel_load$f(const $R *p) { return *(const lequel_v$f *)p; }
LEQUEL_INLINE void lequel_store$f($R *p, lequel_v$f x) { *(lequel_v$f *)p = x; }

LEQUEL_INLINE lequel_v$f lequel_splat$f($R x)
{
    const lequel_v$f zero = {0};
    return x - zero; /* which leaves -0 as it is */
}

LEQUEL_INLINE lequel_m$f lequel_mask$f(int holds)
{
    const lequel_m$f zero = {0};
    return zero - ($S)holds;
}

LEQUEL_INLINE lequel_b$f lequel_to_bits$f_v(lequel_v$f x) { return (lequel_b$f)x; }
LEQUEL_INLINE lequel_v$f lequel_from_bits$f_v(lequel_b$f x) { return (lequel_v$f)x; }

LEQUEL_INLINE lequel_v$f lequel_select$f(lequel_m$f where, lequel_v$f a, lequel_v$f b)
{
    return (lequel_v$f)((where & (lequel_m$f)a) | (~where & (lequel_m$f)b));
}

LEQUEL_INLINE lequel_v$f lequel_min$f_v(lequel_v$f a, lequel_v$f b)
{
    return lequel_select$f((lequel_m$f)(a < b), a, b);
}
LEQUEL_INLINE lequel_v$f lequel_max$f_v(lequel_v$f a, lequel_v$f b)
{
    return lequel_select$f((lequel_m$f)(a > b), a, b);
}

LEQUEL_INLINE lequel_v$f lequel_larger$f_v(lequel_v$f a, lequel_v$f b)
{
    return lequel_select$f((lequel_m$f)(a > b) | (lequel_m$f)(a != a), a, b);
}

LEQUEL_INLINE lequel_v$f lequel_abs$f_v(lequel_v$f x) { return (lequel_v$f)((lequel_b$f)x & $M); }

LEQUEL_INLINE lequel_v$f lequel_copysign$f_v(lequel_v$f x, lequel_v$f y)
{
    return (lequel_v$f)(((lequel_b$f)x & $M) | ((lequel_b$f)y & ~$M));
}

LEQUEL_INLINE lequel_v$f lequel_sqrt$f_v(lequel_v$f x)
{
    for (int i = 0; i < lequel_lanes$f; i++) x[i] = lequel_sqrt$f(x[i]);
    return x;
}
