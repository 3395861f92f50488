#ifndef LEQUEL_VECTOR_BYTES /* of the processor's vectors */
#if defined(__AVX512F__)
#define LEQUEL_VECTOR_BYTES 64
#elif defined(__AVX__)
#define LEQUEL_VECTOR_BYTES 32
#else
#define LEQUEL_VECTOR_BYTES 16
#endif
#endif
#if defined(__AVX512F__) || defined(__aarch64__)
#define LEQUEL_WIDE 1 /* 32 registers for vectors */
#else
#define LEQUEL_WIDE 0
#endif
#define LEQUEL_STRIP 48    /* most columns of a strip: three vectors of 16 numbers */
#define LEQUEL_DEPTH 256   /* terms of a sum per pass, so that they stay in the cache */
#define LEQUEL_SAMPLES 128 /* that are turned at a time */
#if defined(__SSE__)       /* a value that is read once and then stays in its register */
#define LEQUEL_KEEP(x) __asm__("" : "+x"(x))
#else
#define LEQUEL_KEEP(x) ((void)0)
#endif
#define LEQUEL_UNUSED __attribute__((unused))
#define LEQUEL_APART static __attribute__((noinline, unused)) /* where it is, registers are enough */
#define LEQUEL_INLINE static inline __attribute__((always_inline, unused))

/* Subnormal numbers cost hundreds of cycles on some processors: inside a step they count as zero. */
#if defined(__SSE__)
#define LEQUEL_FLUSH_BEGIN                                                                                             \
    const unsigned int control = __builtin_ia32_stmxcsr();                                                             \
    __builtin_ia32_ldmxcsr(control | 0x8040);
#define LEQUEL_FLUSH_END __builtin_ia32_ldmxcsr(control);
#else
#define LEQUEL_FLUSH_BEGIN
#define LEQUEL_FLUSH_END
#endif
