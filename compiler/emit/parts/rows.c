#define LEQUEL_ROWS (LEQUEL_WIDE ? 8 : 4) /* that a pass over matrices takes together */

/* The first `left` lanes of x, zeros behind them. */
LEQUEL_INLINE lequel_v$f lequel_first$f(int left, lequel_v$f x)
{
    static const $S lane[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    lequel_m$f number;
    if (left >= lequel_lanes$f) return x;
    memcpy(&number, lane, sizeof number);
    return (lequel_v$f)((number < left) & (lequel_m$f)x);
}
