// Speed of the contractions in f32 against the multiply-add peak of the same run, and the time a typical module takes
// to compile. Run it with LEQUEL_LLVM_MODULE naming the module. Medians and best of many rounds: the best is the
// kernel's, the median tells how busy the machine was.
#include "../../compiler/loops/backend.h"
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

enum { ROUNDS = 41, MAPS = 15 };

static const Backend *backend;

static double now(void) {
    struct timespec time;
    timespec_get(&time, TIME_UTC);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static uint32_t add_array(LoopProgram *program, uint32_t rank, int64_t e0, int64_t e1, bool batched) {
    LoopArray array = {.name = "array", .real = LOOP_F32, .rank = rank, .extent = {e0, e1}, .batched = batched};
    vec_push(&program->arrays, array);
    return program->arrays.count - 1;
}

static LoopCall new_call(uint32_t kernel, uint32_t arrays) {
    LoopCall call = {.kernel = kernel, .array_count = arrays};
    call.array = calloc(arrays, sizeof *call.array);
    call.stride = calloc((size_t)arrays * LOOP_MAX_AXES, sizeof *call.stride);
    call.offset = calloc(arrays, sizeof *call.offset);
    return call;
}

static void add_call(LoopProgram *program, LoopCall call) {
    if (!program->entries.count) vec_push(&program->entries, (LoopEntry){.name = "step"});
    vec_push(&program->entries.items[0].calls, call);
}

static uint32_t add_op(LoopKernel *kernel, LoopOpKind kind, uint32_t a, uint32_t b, uint32_t c) {
    vec_push(&kernel->ops, (LoopOp){.kind = kind, .a = a, .b = b, .c = c});
    return kernel->ops.count - 1;
}

static uint32_t add_const(LoopKernel *kernel, double value) {
    vec_push(&kernel->ops, (LoopOp){.kind = LOOP_CONST, .value = value});
    return kernel->ops.count - 1;
}

// --- Programs -------------------------------------------------------------------------------------------------------

static void add_product(LoopProgram *program, int64_t n, int64_t k, bool transposed) {
    LoopCall call = new_call(program->kernels.count, 3);
    vec_push(&program->kernels, (LoopKernel){.kind = LOOP_PRODUCT, .real = LOOP_F32});
    call.axis[0].extent = n;
    call.axis[1].extent = k;
    call.array[0] = add_array(program, 1, n, 0, true);
    call.array[1] = transposed ? add_array(program, 2, k, n, false) : add_array(program, 2, n, k, false);
    call.array[2] = add_array(program, 1, k, 0, true);
    const LoopArray *matrix = &program->arrays.items[call.array[1]];
    call.stride[0] = loop_array_stride(matrix, transposed ? 1 : 0);
    call.stride[1] = loop_array_stride(matrix, transposed ? 0 : 1);
    add_call(program, call);
}

static void add_outer(LoopProgram *program, int64_t n, int64_t m) {
    LoopCall call = new_call(program->kernels.count, 3);
    vec_push(&program->kernels, (LoopKernel){.kind = LOOP_OUTER, .real = LOOP_F32});
    call.axis[0].extent = n;
    call.axis[1].extent = m;
    call.array[0] = add_array(program, 2, n, m, false);
    call.array[1] = add_array(program, 1, n, 0, true);
    call.array[2] = add_array(program, 1, m, 0, true);
    call.stride[0] = loop_array_stride(&program->arrays.items[call.array[0]], 0);
    add_call(program, call);
}

// Elementwise work over [n, batch]: loads of `loads` arrays, one store, `body` between.
typedef uint32_t BodyMaker(LoopKernel *kernel, const uint32_t *loaded, uint32_t number);

static void add_map(LoopProgram *program, int64_t n, uint32_t loads, BodyMaker *body, uint32_t number) {
    LoopKernel kernel = {.kind = LOOP_MAP, .real = LOOP_F32, .axes = 2};
    LoopCall call = new_call(program->kernels.count, loads + 1);
    call.axis[0].extent = n;
    call.axis[1].batch = true;
    uint32_t loaded[16];
    for (uint32_t a = 0; a <= loads; a++) {
        vec_push(&kernel.accesses, (LoopAccess){.argument = a, .vector = LOOP_UNIT});
        call.array[a] = add_array(program, 1, n, 0, true);
        call.stride[a * LOOP_MAX_AXES] = (LoopSize){.padded = 1};
        call.stride[a * LOOP_MAX_AXES + 1] = (LoopSize){.fixed = 1};
        if (a < loads) loaded[a] = add_op(&kernel, LOOP_LOAD, a, 0, 0);
    }
    vec_push(&kernel.stores, (LoopStore){loads, body(&kernel, loaded, number)});
    vec_push(&program->kernels, kernel);
    add_call(program, call);
}

// A neuron's state update with an exponential of about the usual size; every number gives another kernel.
static uint32_t state_body(LoopKernel *kernel, const uint32_t *loaded, uint32_t number) {
    uint32_t x = add_op(kernel, LOOP_MUL, loaded[0], add_const(kernel, 1 + number), 0);
    uint32_t n = add_op(kernel, LOOP_RINT, x, 0, 0), r = add_op(kernel, LOOP_SUB, x, n, 0), p = add_const(kernel, 1e-3);
    for (uint32_t i = 0; i < 7; i++) p = add_op(kernel, LOOP_FMA, p, r, add_const(kernel, 1.0 / (1 + i)));
    uint32_t rate = add_op(kernel, LOOP_DIV, p, add_op(kernel, LOOP_ADD, p, add_const(kernel, 2), 0), 0);
    uint32_t error = add_op(kernel, LOOP_SUB, loaded[1], rate, 0);
    for (uint32_t i = 0; i < number % 4; i++) error = add_op(kernel, LOOP_FMA, error, loaded[2], rate);
    return add_op(kernel, LOOP_FMA, error, add_const(kernel, 0.1), loaded[2]);
}

// --- Measuring ------------------------------------------------------------------------------------------------------

static void **new_arrays(const LoopProgram *program, int64_t batch_padded) {
    void **arrays = calloc(program->arrays.count, sizeof *arrays);
    for (uint32_t i = 0; i < program->arrays.count; i++) {
        LoopSize size = loop_array_size(&program->arrays.items[i]);
        size_t bytes = (size_t)(size.fixed + size.padded * batch_padded) * sizeof(float);
        arrays[i] = aligned_alloc(64, (bytes + 63) / 64 * 64);
        for (size_t e = 0; e < bytes / sizeof(float); e++) ((float *)arrays[i])[e] = (float)(e % 7) * 0.125f;
    }
    return arrays;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

typedef struct Speed { // seconds per call
    double best, median;
} Speed;

static Speed measure(LoopFunction *step, void **arrays, const LoopArguments *arguments) {
    double seconds[ROUNDS];
    long repeats = 1;
    for (;;) { // rounds of at least a millisecond
        double start = now();
        for (long i = 0; i < repeats; i++) step(arrays, arguments);
        if (now() - start > 1e-3) break;
        repeats *= 2;
    }
    for (int round = 0; round < ROUNDS; round++) {
        double start = now();
        for (long i = 0; i < repeats; i++) step(arrays, arguments);
        seconds[round] = (now() - start) / (double)repeats;
    }
    qsort(seconds, ROUNDS, sizeof *seconds, by_size);
    return (Speed){seconds[0], seconds[ROUNDS / 2]};
}

// Compiles the program, measures it and frees it. GFLOP/s of the best and the median round.
static Speed run(LoopProgram *program, int64_t batch, double operations) {
    Text error = {0};
    BackendCode *code = backend->compile(program, &(BackendOptions){.level = 1}, &error);
    if (!code) {
        fprintf(stderr, "%s\n", text_z(&error));
        exit(1);
    }
    LoopArguments arguments = {.batch = batch, .batch_padded = loop_pad(batch, LOOP_PAD)};
    void **arrays = new_arrays(program, arguments.batch_padded);
    Speed speed = measure(backend->entry(code, 0), arrays, &arguments);
    for (uint32_t i = 0; i < program->arrays.count; i++) free(arrays[i]);
    free(arrays);
    backend->dispose(code);
    loop_program_free(program);
    return (Speed){operations / speed.best * 1e-9, operations / speed.median * 1e-9};
}

// Twelve independent chains of multiply-adds in registers: as fast as the machine can. Returns operations done.
#ifdef __x86_64__
#define CHAINS(op) op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) op(8) op(9) op(10) op(11)
#define PEAK_FUNCTION(name, features, type, lanes, set, store)                                                         \
    __attribute__((target(features), noinline)) static double name(long rounds, float *result) {                       \
        type a = set(0.5f), b = set(0.25f);                                                                            \
        CHAINS(PEAK_START_##lanes)                                                                                     \
        for (long i = 0; i < rounds; i++) {                                                                            \
            CHAINS(PEAK_STEP_##lanes)                                                                                  \
        }                                                                                                              \
        CHAINS(PEAK_SUM_##lanes)                                                                                       \
        store(result, a);                                                                                              \
        return 2.0 * 12 * lanes * (double)rounds;                                                                      \
    }
#define PEAK_START_8(i) __m256 v##i = _mm256_set1_ps((float)i);
#define PEAK_STEP_8(i) v##i = _mm256_fmadd_ps(v##i, a, b);
#define PEAK_SUM_8(i) a = _mm256_add_ps(a, v##i);
#define PEAK_START_16(i) __m512 v##i = _mm512_set1_ps((float)i);
#define PEAK_STEP_16(i) v##i = _mm512_fmadd_ps(v##i, a, b);
#define PEAK_SUM_16(i) a = _mm512_add_ps(a, v##i);
PEAK_FUNCTION(peak_avx2, "avx2,fma", __m256, 8, _mm256_set1_ps, _mm256_storeu_ps)
PEAK_FUNCTION(peak_avx512, "avx512f", __m512, 16, _mm512_set1_ps, _mm512_storeu_ps)

static double measure_peak(void) {
    float result[16];
    double best = 0;
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return 0;
    for (int round = 0; round < ROUNDS; round++) {
        double start = now();
        double operations = __builtin_cpu_supports("avx512f") ? peak_avx512(200000, result) : peak_avx2(200000, result);
        double speed = operations / (now() - start) * 1e-9;
        if (speed > best) best = speed;
    }
    printf("multiply-add peak %.1f GFLOP/s\n", best);
    return best;
}
#else
static double measure_peak(void) { return 0; } // unknown: percentages are infinite
#endif

static void measure_contractions(int64_t n, int64_t k, int64_t batch, double peak) {
    static const char *const names[] = {"product", "transposed", "outer"};
    for (int which = 0; which < 3; which++) {
        LoopProgram program = {.real = LOOP_F32};
        if (which < 2)
            add_product(&program, n, k, which == 1);
        else
            add_outer(&program, n, k);
        Speed speed = run(&program, batch, 2.0 * (double)n * (double)k * (double)batch);
        printf("%-10s %4d x %4d, batch %4d: %6.1f GFLOP/s = %3.0f %% of peak (median %6.1f)\n", names[which], (int)n,
               (int)k, (int)batch, speed.best, 100 * speed.best / peak, speed.median);
    }
}

static void measure_compilation(int level) {
    BackendTimes best = {0};
    double least = 1e9;
    for (int round = 0; round < 9; round++) {
        LoopProgram program = {.real = LOOP_F32};
        for (uint32_t i = 0; i < MAPS; i++) add_map(&program, 53, 3, state_body, i);
        add_product(&program, 53, 53, false);
        add_outer(&program, 53, 53);
        Text error = {0};
        BackendCode *code = backend->compile(&program, &(BackendOptions){.level = level}, &error);
        BackendTimes t = backend->times(code);
        double sum = t.setup + t.build + t.passes + t.codegen + t.link;
        if (sum < least) least = sum, best = t;
        backend->dispose(code);
        loop_program_free(&program);
    }
    printf("compilation of %d maps, a product and an outer product at level %d: %.1f ms = set-up %.1f, build %.1f, "
           "passes %.1f, code %.1f, link %.1f\n",
           MAPS, level, 1e3 * least, 1e3 * best.setup, 1e3 * best.build, 1e3 * best.passes, 1e3 * best.codegen,
           1e3 * best.link);
}

int main(void) {
    const char *file = getenv("LEQUEL_LLVM_MODULE");
    void *module = file ? dlopen(file, RTLD_NOW | RTLD_LOCAL) : NULL;
    BackendGetter *getter = module ? (BackendGetter *)(uintptr_t)dlsym(module, LEQUEL_BACKEND_SYMBOL) : NULL;
    if (!getter) {
        fprintf(stderr, "LEQUEL_LLVM_MODULE must name the LLVM module\n");
        return 1;
    }
    backend = getter();
    double peak = measure_peak();
    static const int64_t sizes[][3] = {{53, 53, 100}, {64, 64, 32}, {256, 256, 32}, {10, 53, 100}, {256, 256, 100}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        measure_contractions(sizes[i][0], sizes[i][1], sizes[i][2], peak);
    for (int level = 0; level <= 3; level++) measure_compilation(level);
    return 0;
}
