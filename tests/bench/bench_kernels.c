// Speed of the contractions in f32 against the multiply-add peak of the same run, and the time a typical module takes
// to compile. Run it with LEQUEL_LLVM_MODULE naming the module. Medians and best of many rounds: the best is the
// kernel's, the median tells how busy the machine was.
#include "../../compiler/loops/backend.h"
#include "measure.h"
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

enum { ROUNDS = 41, MAPS = 15 };

static const Backend *backend;

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
        double start = bench_now();
        for (long i = 0; i < repeats; i++) step(arrays, arguments);
        if (bench_now() - start > 1e-3) break;
        repeats *= 2;
    }
    for (int round = 0; round < ROUNDS; round++) {
        double start = bench_now();
        for (long i = 0; i < repeats; i++) step(arrays, arguments);
        seconds[round] = (bench_now() - start) / (double)repeats;
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

static double measure_peak(void) {
    double best = 0;
    for (int round = 0; round < ROUNDS; round++) {
        double speed = bench_peak() * 1e-9;
        if (speed > best) best = speed;
    }
    return best;
}

static const char *const names[] = {"product", "transposed", "outer"};

static Speed measure_contraction(int which, int64_t n, int64_t k, int64_t batch) {
    LoopProgram program = {.real = LOOP_F32};
    if (which < 2)
        add_product(&program, n, k, which == 1);
    else
        add_outer(&program, n, k);
    return run(&program, batch, 2.0 * (double)n * (double)k * (double)batch);
}

static void measure_contractions(int64_t n, int64_t k, int64_t batch, double peak) {
    for (int which = 0; which < 3; which++) {
        Speed speed = measure_contraction(which, n, k, batch);
        printf("%-10s %4d x %4d, batch %4d: %6.1f GFLOP/s = %3.0f %% of peak (median %6.1f)\n", names[which], (int)n,
               (int)k, (int)batch, speed.best, 100 * speed.best / peak, speed.median);
    }
}

// Square matrices WIDTHxBATCH as rows in Markdown; false when one is below a part of the peak, in percent.
static bool tabulate(int count, char **sizes, double peak, double floor) {
    bool good = true;
    printf("Parts of the multiply-add peak, %.0f GFLOP/s:\n\n| n x n, batch | product | transposed | outer |\n"
           "| --- | --- | --- | --- |\n",
           peak);
    for (int i = 0; i < count; i++) {
        int n, batch;
        if (sscanf(sizes[i], "%dx%d", &n, &batch) != 2) continue;
        printf("| %d, %d |", n, batch);
        for (int which = 0; which < 3; which++) {
            Speed speed = measure_contraction(which, n, n, batch);
            printf(" %.0f %% (best %.0f %%) |", 100 * speed.median / peak, 100 * speed.best / peak);
            if (100 * speed.best / peak < floor) {
                fprintf(stderr, "BELOW: %s of n = %d, batch %d: %.0f %% of the peak, asserted are %.0f %%\n",
                        names[which], n, batch, 100 * speed.best / peak, floor);
                good = false;
            }
        }
        printf("\n");
    }
    return good;
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

int main(int argc, char **argv) { // [table WIDTHxBATCH…], or [PERCENT WIDTHxBATCH…] as an assertion
    const char *file = getenv("LEQUEL_LLVM_MODULE");
    void *module = file ? dlopen(file, RTLD_NOW | RTLD_LOCAL) : NULL;
    BackendGetter *getter = module ? (BackendGetter *)(uintptr_t)dlsym(module, LEQUEL_BACKEND_SYMBOL) : NULL;
    if (!getter) {
        fprintf(stderr, "LEQUEL_LLVM_MODULE must name the LLVM module\n");
        return 1;
    }
    backend = getter();
    double peak = measure_peak();
    if (argc > 2) return !tabulate(argc - 2, argv + 2, peak, atof(argv[1]));
    printf("multiply-add peak %.1f GFLOP/s\n", peak);
    static const int64_t sizes[][3] = {{53, 53, 100}, {64, 64, 32}, {256, 256, 32}, {10, 53, 100}, {256, 256, 100}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        measure_contractions(sizes[i][0], sizes[i][1], sizes[i][2], peak);
    for (int level = 0; level <= 3; level++) measure_compilation(level);
    return 0;
}
