// The LLVM back end against the interpreter of the loops form: random programs of every kind of kernel, odd sizes and
// batches, several instruction sets. Padding holds NaN and blocks are fenced, so that what must not be read into a
// result or written at all is noticed. The module is the file named by LEQUEL_LLVM_MODULE.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../compiler/loops/backend.h"
#include "../../runtime/team.h"
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const Backend *backend;

static int open_module(void **state) {
    (void)state;
    const char *file = getenv("LEQUEL_LLVM_MODULE");
    void *module = file ? dlopen(file, RTLD_NOW | RTLD_LOCAL) : NULL;
    if (!module) {
        fprintf(stderr, "LEQUEL_LLVM_MODULE does not name the module: %s\n", file ? dlerror() : "it is not set");
        return -1;
    }
    BackendGetter *getter = (BackendGetter *)(uintptr_t)dlsym(module, LEQUEL_BACKEND_SYMBOL);
    backend = getter ? getter() : NULL;
    return backend ? 0 : -1;
}

// --- Random numbers -------------------------------------------------------------------------------------------------

static uint64_t random_state;

static uint64_t random_bits(void) { // xorshift64*
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * UINT64_C(2685821657736338717);
}

static uint32_t random_below(uint32_t limit) { return (uint32_t)((random_bits() >> 32) * limit >> 32); }
static bool chance(uint32_t one_in) { return random_below(one_in) == 0; }
static double random_real(double low, double high) {
    return low + (high - low) * ((double)(random_bits() >> 11) * 0x1p-53);
}

// --- Programs -------------------------------------------------------------------------------------------------------

static uint32_t add_array(LoopProgram *program, LoopReal real, uint32_t rank, const int64_t *extents, bool batched) {
    LoopArray array = {.name = "array", .real = real, .rank = rank, .batched = batched};
    if (!rank && !batched) array.real = LOOP_F64;
    for (uint32_t i = 0; i < rank; i++) array.extent[i] = extents[i];
    vec_push(&program->arrays, array);
    return program->arrays.count - 1;
}

static LoopCall new_call(uint32_t kernel, uint32_t arrays, uint32_t accesses) {
    LoopCall call = {.kernel = kernel, .array_count = arrays};
    call.array = calloc(arrays + 1, sizeof *call.array);
    call.stride = calloc((accesses + 1) * LOOP_MAX_AXES, sizeof *call.stride);
    call.offset = calloc(accesses + 1, sizeof *call.offset);
    return call;
}

static LoopEntry *only_entry(LoopProgram *program) {
    if (!program->entries.count) vec_push(&program->entries, (LoopEntry){.name = "step"});
    return &program->entries.items[0];
}

static uint32_t add_op(LoopKernel *kernel, LoopOpKind kind, uint32_t a, uint32_t b, uint32_t c) {
    vec_push(&kernel->ops, (LoopOp){.kind = kind, .a = a, .b = b, .c = c});
    return kernel->ops.count - 1;
}

static uint32_t add_const(LoopKernel *kernel, double value) {
    vec_push(&kernel->ops, (LoopOp){.kind = LOOP_CONST, .value = value});
    return kernel->ops.count - 1;
}

static uint32_t add_iconst(LoopKernel *kernel, uint64_t bits) {
    vec_push(&kernel->ops, (LoopOp){.kind = LOOP_ICONST, .bits = bits});
    return kernel->ops.count - 1;
}

static uint32_t add_shift(LoopKernel *kernel, LoopOpKind kind, uint32_t a, uint64_t by) {
    vec_push(&kernel->ops, (LoopOp){.kind = kind, .a = a, .bits = by});
    return kernel->ops.count - 1;
}

// --- Memory ---------------------------------------------------------------------------------------------------------

enum { FENCE = 256 }; // bytes before and after each block

typedef struct Memory {
    const LoopProgram *program;
    LoopArguments arguments;
    unsigned char **blocks; // with fences
    void **arrays;
} Memory;

static size_t array_bytes(const Memory *memory, uint32_t array) {
    LoopSize size = loop_array_size(&memory->program->arrays.items[array]);
    int64_t elements = size.fixed + size.padded * memory->arguments.batch_padded;
    return (size_t)elements * (memory->program->arrays.items[array].real == LOOP_F32 ? 4 : 8);
}

// Calls `visit` with the number of every real element of an array.
typedef void Visitor(void *context, int64_t element);

static void visit_axis(const Memory *memory, uint32_t array, uint32_t axis, int64_t element, Visitor *visit,
                       void *context) {
    const LoopArray *a = &memory->program->arrays.items[array];
    if (axis == a->rank + (a->batched ? 1 : 0)) {
        visit(context, element);
        return;
    }
    int64_t extent = axis == a->rank ? memory->arguments.batch : a->extent[axis];
    LoopSize stride = loop_array_stride(a, axis);
    for (int64_t i = 0; i < extent; i++)
        visit_axis(memory, array, axis + 1,
                   element + i * (stride.fixed + stride.padded * memory->arguments.batch_padded), visit, context);
}

typedef struct Filling {
    void *array;
    LoopReal real;
} Filling;

static void fill_element(void *context, int64_t element) {
    const Filling *filling = context;
    double value = random_real(-2, 2);
    if (filling->real == LOOP_F32)
        ((float *)filling->array)[element] = (float)value;
    else
        ((double *)filling->array)[element] = value;
}

static Memory memory_new(const LoopProgram *program, int64_t batch, uint64_t active) {
    Memory memory = {.program = program,
                     .arguments = {.batch = batch, .batch_padded = loop_pad(batch, LOOP_PAD), .active = active}};
    memory.blocks = calloc(program->arrays.count + 1, sizeof *memory.blocks);
    memory.arrays = calloc(program->arrays.count + 1, sizeof *memory.arrays);
    for (uint32_t i = 0; i < program->arrays.count; i++) {
        size_t bytes = array_bytes(&memory, i), room = (bytes + 63) / 64 * 64 + 2 * FENCE;
        memory.blocks[i] = aligned_alloc(64, room);
        memset(memory.blocks[i], 0xff, room); // all NaN
        memory.arrays[i] = memory.blocks[i] + FENCE;
        Filling filling = {memory.arrays[i], program->arrays.items[i].real};
        visit_axis(&memory, i, 0, 0, fill_element, &filling);
    }
    return memory;
}

static Memory memory_copy(const Memory *other) {
    Memory memory = memory_new(other->program, other->arguments.batch, other->arguments.active);
    for (uint32_t i = 0; i < other->program->arrays.count; i++)
        memcpy(memory.arrays[i], other->arrays[i], array_bytes(other, i));
    return memory;
}

static void memory_free(Memory *memory) {
    for (uint32_t i = 0; i < memory->program->arrays.count; i++) free(memory->blocks[i]);
    free(memory->blocks);
    free(memory->arrays);
}

// --- Comparison -----------------------------------------------------------------------------------------------------

typedef struct Tolerance {
    double f32, f64; // relative to the larger of the expected value and `scale`; 0: the same bits, or NaN and NaN
    double scale;
} Tolerance;
static const Tolerance exact = {0, 0, 0};

typedef struct Comparison {
    const void *expected, *got;
    LoopReal real;
    double relative, scale;
    uint32_t array;
    uint32_t wrong;
} Comparison;

static void compare_element(void *context, int64_t element) {
    Comparison *c = context;
    bool narrow = c->real == LOOP_F32;
    double expected = narrow ? (double)((const float *)c->expected)[element] : ((const double *)c->expected)[element];
    double got = narrow ? (double)((const float *)c->got)[element] : ((const double *)c->got)[element];
    double allowed = c->relative * fmax(fabs(expected), c->scale);
    bool right = isnan(expected) ? isnan(got) : got == expected || fabs(got - expected) <= allowed;
    if (!right && !c->wrong++)
        fprintf(stderr, "array %u, element %lld: %.17g instead of %.17g\n", (unsigned)c->array, (long long)element, got,
                expected);
}

static bool fences_hold(const Memory *memory, uint32_t array) {
    size_t bytes = array_bytes(memory, array);
    const unsigned char *before = memory->blocks[array], *after = before + FENCE + bytes;
    for (size_t i = 0; i < FENCE; i++)
        if (before[i] != 0xff || after[i] != 0xff) return false;
    return true;
}

static uint32_t memories_differ(const Memory *expected, const Memory *got, Tolerance tolerance) {
    uint32_t wrong = 0;
    const LoopProgram *program = expected->program; // its kernels' type counts: they round what they put in scalars
    double relative = program->real == LOOP_F32 ? tolerance.f32 : tolerance.f64;
    for (uint32_t i = 0; i < program->arrays.count; i++) {
        LoopReal real = program->arrays.items[i].real;
        Comparison c = {expected->arrays[i], got->arrays[i], real, relative, tolerance.scale, i, 0};
        visit_axis(expected, i, 0, 0, compare_element, &c);
        if (!fences_hold(got, i)) c.wrong++, fprintf(stderr, "array %u: written beyond its end\n", (unsigned)i);
        wrong += c.wrong;
    }
    return wrong;
}

// --- Running --------------------------------------------------------------------------------------------------------

static const int64_t batches[] = {1, 2, 15, 16, 17, 100};

static BackendCode *compile(const LoopProgram *program, const char *cpu, int level) {
    Text error = {0};
    BackendCode *code = backend->compile(program, &(BackendOptions){.cpu = cpu, .level = level}, &error);
    if (!code) fail_msg("%s", text_z(&error));
    assert_int_equal(error.length, 0);
    return code;
}

static void assert_well_formed(const LoopProgram *program) {
    char *problem = loop_program_verify(program);
    if (problem) {
        Text text = {0};
        loop_program_dump(program, &text);
        fprintf(stderr, "%s\n%s\n", problem, text_z(&text));
        fail();
    }
}

static void check_batch(const LoopProgram *program, const BackendCode *code, int64_t batch, Tolerance tolerance) {
    Memory expected = memory_new(program, batch, random_bits());
    Memory got = memory_copy(&expected);
    loop_program_interpret(program, 0, expected.arrays, &expected.arguments);
    backend->entry(code, 0)(got.arrays, &got.arguments);
    uint32_t wrong = memories_differ(&expected, &got, tolerance);
    memory_free(&expected);
    memory_free(&got);
    if (wrong) {
        Text text = {0};
        loop_program_dump(program, &text);
        fprintf(stderr, "%u differences at batch %lld\n%.20000s", (unsigned)wrong, (long long)batch, text_z(&text));
        text_free(&text);
        fail();
    }
}

// Instruction sets of this machine, NULL being all it has.
static const char *const *instruction_sets(void) {
    static const char *sets[5] = {NULL};
#ifdef __x86_64__
    uint32_t count = 1;
    sets[count++] = "x86-64";
    if (__builtin_cpu_supports("sse4.2")) sets[count++] = "x86-64-v2";
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) sets[count++] = "x86-64-v3";
#endif
    return sets;
}

// Optimisation levels in turn, the usual one most often; their number has no divisor in common with that of the
// instruction sets and of the element types.
static const int levels[] = {1, 0, 1, 2, 1, 3, 1};

static bool fuses(const char *cpu) { return !cpu || strcmp(cpu, "x86-64-v3") == 0; }

static void check_program(const LoopProgram *program, const char *cpu, int level, Tolerance tolerance) {
    assert_well_formed(program);
    BackendCode *code = compile(program, cpu, level);
    for (size_t i = 0; i < COUNT(batches); i++) check_batch(program, code, batches[i], tolerance);
    backend->dispose(code);
}

// --- Random MAP and REDUCE kernels ----------------------------------------------------------------------------------

// The axes an access moves with, in the order of its array.
typedef struct Shape {
    uint32_t count, axis[LOOP_MAX_AXES];
    bool scalar_f64;
} Shape;

typedef struct Pattern { // what a kernel's calls have in common
    LoopKernel *kernel;
    Shape shapes[16];
    uint32_t batch_axis; // axis that calls may give to the batch; LOOP_MAX_AXES: none
} Pattern;

static void shuffle_axes(Shape *shape) {
    for (uint32_t i = shape->count; i > 1; i--) {
        uint32_t j = random_below(i), axis = shape->axis[i - 1];
        shape->axis[i - 1] = shape->axis[j];
        shape->axis[j] = axis;
    }
}

// The batch is always the last axis of an array.
static void batch_last(const Pattern *pattern, Shape *shape) {
    for (uint32_t i = 0; i + 1 < shape->count; i++)
        if (shape->axis[i] == pattern->batch_axis) {
            shape->axis[i] = shape->axis[shape->count - 1];
            shape->axis[shape->count - 1] = pattern->batch_axis;
        }
}

// An access to an array with the first `axes` axes, or some of them.
static uint32_t add_access(Pattern *pattern, uint32_t axes, bool all) {
    LoopKernel *kernel = pattern->kernel;
    uint32_t number = kernel->accesses.count;
    Shape shape = {0};
    for (uint32_t axis = 0; axis < axes; axis++)
        if (all || !chance(4)) shape.axis[shape.count++] = axis;
    if (chance(3)) shuffle_axes(&shape);
    batch_last(pattern, &shape);
    shape.scalar_f64 = shape.count == 0;
    LoopAccess access = {.argument = number, .scalar_f64 = shape.scalar_f64, .vector = LOOP_SPLAT};
    for (uint32_t i = 0; i < shape.count; i++)
        if (shape.axis[i] == kernel->axes - 1) access.vector = i + 1 == shape.count ? LOOP_UNIT : LOOP_STRIDED;
    pattern->shapes[number] = shape;
    vec_push(&kernel->accesses, access);
    return number;
}

static uint32_t pick(const LoopKernel *kernel, LoopValueType type) {
    for (;;) {
        uint32_t op = random_below(kernel->ops.count);
        if (loop_op_type(kernel->ops.items, op) == type) return op;
    }
}

static uint32_t pick_real(const LoopKernel *kernel) { return pick(kernel, LOOP_REAL); }

// Integers come from values that fit, and bits become numbers of ordinary size, so that the results are the same on
// every machine; divisors and square roots stay away from infinity and NaN, whose sign is nobody's promise.
static uint32_t add_safe_op(LoopKernel *k, LoopOpKind kind) {
    uint32_t width = k->real == LOOP_F32 ? 32 : 64, one;
    switch (kind) {
    case LOOP_CONST: return add_const(k, random_real(-3, 3));
    case LOOP_ICONST: return add_iconst(k, random_bits() >> (64 - width));
    case LOOP_LOAD: return add_op(k, LOOP_LOAD, random_below(k->accesses.count), 0, 0);
    case LOOP_DIV:
        one = add_op(k, LOOP_ADD, add_op(k, LOOP_ABS, pick_real(k), 0, 0), add_const(k, 1), 0);
        return add_op(k, LOOP_DIV, pick_real(k), one, 0);
    case LOOP_SQRT: return add_op(k, LOOP_SQRT, add_op(k, LOOP_ABS, pick_real(k), 0, 0), 0, 0);
    case LOOP_TO_INT:
        one = add_op(k, LOOP_MAX, pick_real(k), add_const(k, -1e6), 0);
        return add_op(k, LOOP_TO_INT, add_op(k, LOOP_MIN, one, add_const(k, 1e6), 0), 0, 0);
    case LOOP_FROM_BITS:
        one = add_iconst(k, width == 32 ? 0x807fffff : UINT64_C(0x800fffffffffffff)); // sign and fraction
        one = add_op(k, LOOP_IAND, pick(k, LOOP_INT), one, 0);
        one = add_op(k, LOOP_IOR, one, add_iconst(k, width == 32 ? 0x3f800000 : UINT64_C(0x3ff0000000000000)), 0);
        return add_op(k, LOOP_FROM_BITS, one, 0, 0);
    case LOOP_LT:
    case LOOP_LE:
    case LOOP_EQ: return add_op(k, kind, pick_real(k), pick_real(k), 0);
    case LOOP_AND:
    case LOOP_OR: return add_op(k, kind, pick(k, LOOP_BOOL), pick(k, LOOP_BOOL), 0);
    case LOOP_NOT: return add_op(k, kind, pick(k, LOOP_BOOL), 0, 0);
    case LOOP_SELECT:
        one = random_below(k->ops.count);
        return add_op(k, kind, pick(k, LOOP_BOOL), one, pick(k, loop_op_type(k->ops.items, one)));
    case LOOP_TO_REAL: return add_op(k, kind, pick(k, LOOP_INT), 0, 0);
    case LOOP_IADD:
    case LOOP_ISUB:
    case LOOP_IAND:
    case LOOP_IOR:
    case LOOP_IXOR: return add_op(k, kind, pick(k, LOOP_INT), pick(k, LOOP_INT), 0);
    case LOOP_ISHL:
    case LOOP_ISHR:
    case LOOP_IASR: return add_shift(k, kind, pick(k, LOOP_INT), random_below(width));
    default: return add_op(k, kind, pick_real(k), pick_real(k), pick_real(k));
    }
}

static void add_body(LoopKernel *kernel, uint32_t length, bool fuse) {
    for (uint32_t a = 0; a < kernel->accesses.count; a++) add_op(kernel, LOOP_LOAD, a, 0, 0);
    if (!kernel->ops.count) add_const(kernel, 0.75);
    add_safe_op(kernel, LOOP_TO_INT); // one of each type to pick from
    add_safe_op(kernel, LOOP_LT);
    while (kernel->ops.count < length) {
        LoopOpKind kind = (LoopOpKind)random_below(LOOP_CALL);
        if (kind == LOOP_LOAD || (kind == LOOP_FMA && !fuse)) continue;
        add_safe_op(kernel, kind);
    }
}

// A value that depends on much of the body and is of ordinary size.
static uint32_t add_result(LoopKernel *kernel) {
    uint32_t value = pick_real(kernel);
    for (uint32_t i = 0; i < 3; i++) value = add_op(kernel, LOOP_ADD, value, pick_real(kernel), 0);
    value = add_op(kernel, LOOP_MAX, value, add_const(kernel, -50), 0);
    return add_op(kernel, LOOP_MIN, value, add_const(kernel, 50), 0);
}

static uint32_t array_for(LoopProgram *program, const Pattern *pattern, uint32_t access, LoopCall *call) {
    const Shape *shape = &pattern->shapes[access];
    int64_t extents[LOOP_MAX_AXES], slack[LOOP_MAX_AXES] = {0};
    uint32_t rank = 0;
    bool batched = false, slice = chance(5);
    for (uint32_t i = 0; i < shape->count; i++) {
        const LoopAxis *axis = &call->axis[shape->axis[i]];
        if (axis->batch) {
            batched = true;
            continue;
        }
        slack[i] = slice ? random_below(4) : 0;
        extents[rank++] = axis->extent + slack[i];
    }
    uint32_t array = add_array(program, pattern->kernel->real, rank, extents, batched);
    for (uint32_t i = 0; i < shape->count; i++) {
        LoopSize stride = loop_array_stride(&program->arrays.items[array], i);
        call->stride[access * LOOP_MAX_AXES + shape->axis[i]] = stride;
        int64_t skip = slack[i] ? random_below((uint32_t)slack[i] + 1) : 0;
        call->offset[access].fixed += skip * stride.fixed;
        call->offset[access].padded += skip * stride.padded;
    }
    return array;
}

static void add_nest_call(LoopProgram *program, const Pattern *pattern, uint32_t kernel, bool guarded) {
    const LoopKernel *k = pattern->kernel;
    LoopCall call = new_call(kernel, k->accesses.count, k->accesses.count);
    int64_t left = 1000; // elements in all, times the batch
    for (uint32_t axis = 0; axis < k->axes; axis++) {
        int64_t most = left < 70 ? left : 70;
        call.axis[axis].extent = 1 + random_below((uint32_t)most);
        if (axis == pattern->batch_axis && !chance(3))
            call.axis[axis] = (LoopAxis){.batch = true};
        else
            left = left / call.axis[axis].extent;
        if (left < 1) left = 1;
    }
    for (uint32_t a = 0; a < k->accesses.count; a++) call.array[a] = array_for(program, pattern, a, &call);
    if (guarded && chance(3)) call.guard = 1 + random_below(64);
    vec_push(&only_entry(program)->calls, call);
}

static void add_kernel_and_calls(LoopProgram *program, Pattern *pattern, LoopKernel *kernel) {
    vec_push(&program->kernels, *kernel);
    uint32_t calls = 1 + random_below(3);
    for (uint32_t c = 0; c < calls; c++) add_nest_call(program, pattern, program->kernels.count - 1, true);
}

static Pattern new_pattern(LoopKernel *kernel) {
    Pattern pattern = {.kernel = kernel, .batch_axis = LOOP_MAX_AXES};
    if (kernel->axes && !chance(3)) pattern.batch_axis = chance(2) ? kernel->axes - 1 : random_below(kernel->axes);
    return pattern;
}

static void add_random_map(LoopProgram *program, LoopReal real, bool fuse) {
    LoopKernel kernel = {.kind = LOOP_MAP, .real = real, .axes = random_below(5)};
    Pattern pattern = new_pattern(&kernel);
    uint32_t loads = random_below(5), stores = 1 + random_below(3);
    for (uint32_t i = 0; i < loads; i++) add_access(&pattern, kernel.axes, chance(2));
    add_body(&kernel, 4 + random_below(20), fuse);
    for (uint32_t i = 0; i < stores; i++) {
        bool in_place = loads && chance(3) && pattern.shapes[0].count == kernel.axes && !i;
        uint32_t access = in_place ? 0 : add_access(&pattern, kernel.axes, true);
        vec_push(&kernel.stores, (LoopStore){access, add_result(&kernel)});
    }
    add_kernel_and_calls(program, &pattern, &kernel);
}

static void add_random_reduce(LoopProgram *program, LoopReal real, bool fuse) {
    LoopKernel kernel = {.kind = LOOP_REDUCE, .real = real, .axes = random_below(4), .maximum = chance(3)};
    kernel.outer = random_below(kernel.axes + 1);
    Pattern pattern = new_pattern(&kernel);
    uint32_t loads = 1 + random_below(3);
    for (uint32_t i = 0; i < loads; i++) add_access(&pattern, kernel.axes, chance(2));
    add_body(&kernel, 4 + random_below(8), fuse);
    uint32_t value = add_result(&kernel), access = add_access(&pattern, kernel.outer, true);
    vec_push(&kernel.stores, (LoopStore){access, value});
    add_kernel_and_calls(program, &pattern, &kernel);
}

// Which of a sweep's two axes an access moves along, as a set.
enum { ALONG_ROWS = 1, ALONG_COLUMNS = 2, MATRIX = 3 };

static void add_sweep_call(LoopProgram *program, const LoopKernel *kernel, const uint8_t *moves) {
    LoopCall call = new_call(program->kernels.count - 1, kernel->accesses.count, kernel->accesses.count);
    int64_t extents[] = {1 + random_below(chance(4) ? 70 : 12), 1 + random_below(chance(3) ? 70 : 20)};
    for (uint32_t axis = 0; axis < 2; axis++) call.axis[axis].extent = extents[axis];
    for (uint32_t a = 0; a < kernel->accesses.count; a++) {
        uint32_t rank = moves[a] == MATRIX ? 2 : moves[a] ? 1 : 0;
        call.array[a] =
            add_array(program, kernel->real, rank, moves[a] == ALONG_COLUMNS ? extents + 1 : extents, false);
        const LoopArray *array = &program->arrays.items[call.array[a]];
        if (moves[a] & ALONG_ROWS) call.stride[a * LOOP_MAX_AXES] = loop_array_stride(array, 0);
        if (moves[a] & ALONG_COLUMNS) call.stride[a * LOOP_MAX_AXES + 1].fixed = 1;
    }
    if (chance(3)) call.guard = 1 + random_below(64);
    call.unless = call.guard && chance(2);
    vec_push(&only_entry(program)->calls, call);
}

static uint32_t add_sweep_access(LoopKernel *kernel, uint8_t *moves, uint8_t along) {
    LoopAccess access = {.argument = kernel->accesses.count, .scalar_f64 = !along};
    access.vector = along & ALONG_COLUMNS ? LOOP_UNIT : LOOP_SPLAT;
    moves[access.argument] = along;
    vec_push(&kernel->accesses, access);
    return access.argument;
}

static void add_random_sweep(LoopProgram *program, LoopReal real, bool fuse) {
    LoopKernel kernel = {.kind = LOOP_SWEEP, .real = real, .axes = 2};
    uint8_t moves[16];
    uint32_t loads = 1 + random_below(4), stores = random_below(3), sums = random_below(5) + !stores;
    for (uint32_t i = 0; i < loads; i++) add_sweep_access(&kernel, moves, i ? (uint8_t)random_below(4) : MATRIX);
    add_body(&kernel, 4 + random_below(12), fuse);
    for (uint32_t i = 0; i < stores; i++) {
        uint32_t access = !i && chance(2) ? 0 : add_sweep_access(&kernel, moves, MATRIX);
        vec_push(&kernel.stores, (LoopStore){access, add_result(&kernel)});
    }
    for (uint32_t i = 0; i < sums; i++) {
        bool down = chance(2);
        uint32_t value = add_result(&kernel);
        if (chance(2)) value = add_op(&kernel, LOOP_MUL, value, add_result(&kernel), 0);
        uint32_t access = add_sweep_access(&kernel, moves, down ? ALONG_COLUMNS : ALONG_ROWS);
        vec_push(&kernel.sums, (LoopSum){access, value, down});
    }
    vec_push(&program->kernels, kernel);
    for (uint32_t c = 1 + random_below(3); c-- > 0;) add_sweep_call(program, &kernel, moves);
}

typedef void KernelMaker(LoopProgram *program, LoopReal real, bool fuse);

static void check_random_programs(KernelMaker *make, uint64_t seed, uint32_t programs, Tolerance tolerance) {
    const char *const *sets = instruction_sets();
    for (uint32_t i = 0; i < programs; i++) {
        random_state = seed + i;
        const char *cpu = sets[i % 5];
        LoopProgram program = {.real = i & 1 ? LOOP_F64 : LOOP_F32};
        for (uint32_t k = 0; k < 8; k++) make(&program, program.real, fuses(cpu));
        check_program(&program, cpu, levels[i % COUNT(levels)], tolerance);
        loop_program_free(&program);
    }
}

static void maps_agree(void **state) {
    (void)state;
    check_random_programs(add_random_map, 1000, 40, exact);
}

static void reductions_agree(void **state) {
    (void)state;
    check_random_programs(add_random_reduce, 2000, 30, (Tolerance){1e-5, 1e-13, 2000});
}

static void sweeps_agree(void **state) {
    (void)state;
    check_random_programs(add_random_sweep, 3000, 40, (Tolerance){1e-5, 1e-13, 2000});
}

// The shape of every sum is promised.
static void deterministic_sweeps_are_the_same(void **state) {
    (void)state;
    const char *const *sets = instruction_sets();
    for (uint32_t i = 0; i < 30; i++) {
        random_state = 4000 + i;
        LoopProgram program = {.real = i & 1 ? LOOP_F64 : LOOP_F32, .deterministic = true};
        for (uint32_t k = 0; k < 6; k++) add_random_sweep(&program, program.real, true);
        check_program(&program, sets[i % 5], levels[i % COUNT(levels)], exact);
        loop_program_free(&program);
    }
}

// --- Every operation on its own -------------------------------------------------------------------------------------

// Ordinary and extraordinary numbers.
static void fill_specials(const Memory *memory, uint32_t array) {
    static const double specials[] = {0, -0.0, 1, -1, 0.5, -0.5, 1.5, 2.5, -2.5, INFINITY, -INFINITY, NAN, 1e30, -1e30};
    const LoopArray *a = &memory->program->arrays.items[array];
    for (int64_t i = 0; i < a->extent[0]; i++) {
        double value = i < 28 ? specials[random_below(COUNT(specials))] : random_real(-1e3, 1e3);
        if (a->real == LOOP_F32)
            ((float *)memory->arrays[array])[i] = (float)value;
        else
            ((double *)memory->arrays[array])[i] = value;
    }
}

// The loaded values as operands of the operation's types; results that are not real become real.
static void add_op_kernel(LoopProgram *program, LoopReal real, LoopOpKind kind) {
    LoopKernel k = {.kind = LOOP_MAP, .real = real, .axes = 1};
    const int64_t extent = 61;
    LoopCall call = new_call(program->kernels.count, 4, 4);
    call.axis[0].extent = extent;
    for (uint32_t a = 0; a < 4; a++) {
        vec_push(&k.accesses, (LoopAccess){.argument = a, .vector = LOOP_UNIT});
        call.array[a] = add_array(program, real, 1, &extent, false);
        call.stride[a * LOOP_MAX_AXES].fixed = 1;
    }
    uint32_t v[3], small[3], ints[3], bools[2], result, type;
    for (uint32_t a = 0; a < 3; a++) v[a] = add_op(&k, LOOP_LOAD, a, 0, 0);
    for (uint32_t a = 0; a < 3; a++) {
        small[a] = add_op(&k, LOOP_MIN, v[a], add_const(&k, 2e9), 0);
        small[a] = add_op(&k, LOOP_MAX, small[a], add_const(&k, -2e9), 0);
        small[a] = add_op(&k, LOOP_SELECT, add_op(&k, LOOP_EQ, v[a], v[a], 0), small[a], add_const(&k, 7.75));
        ints[a] = add_op(&k, LOOP_TO_INT, small[a], 0, 0);
    }
    for (uint32_t a = 0; a < 2; a++) bools[a] = add_op(&k, LOOP_LT, v[a], v[a + 1], 0);
    switch (kind) {
    case LOOP_CONST: result = add_const(&k, 0.1); break;
    case LOOP_ICONST: result = add_iconst(&k, 123456789); break;
    case LOOP_LOAD: result = v[1]; break;
    case LOOP_TO_BITS: // a NaN's bits may differ
    case LOOP_TO_INT: result = add_op(&k, kind, small[0], 0, 0); break;
    case LOOP_COPYSIGN: result = add_op(&k, kind, v[0], small[1], 0); break;
    case LOOP_FROM_BITS: result = add_op(&k, kind, add_op(&k, LOOP_TO_BITS, small[0], 0, 0), 0, 0); break;
    case LOOP_AND:
    case LOOP_OR: result = add_op(&k, kind, bools[0], bools[1], 0); break;
    case LOOP_NOT: result = add_op(&k, kind, bools[0], 0, 0); break;
    case LOOP_SELECT: result = add_op(&k, kind, bools[0], v[0], v[2]); break;
    case LOOP_TO_REAL: result = add_op(&k, kind, ints[0], 0, 0); break;
    case LOOP_IADD:
    case LOOP_ISUB:
    case LOOP_IAND:
    case LOOP_IOR:
    case LOOP_IXOR: result = add_op(&k, kind, ints[0], ints[1], 0); break;
    case LOOP_ISHL:
    case LOOP_ISHR:
    case LOOP_IASR: result = add_shift(&k, kind, ints[0], 5); break;
    default: result = add_op(&k, kind, v[0], v[1], v[2]);
    }
    type = loop_op_type(k.ops.items, result);
    if (type == LOOP_INT) result = add_op(&k, LOOP_TO_REAL, result, 0, 0);
    if (type == LOOP_BOOL) result = add_op(&k, LOOP_SELECT, result, add_const(&k, 1), add_const(&k, 2));
    vec_push(&k.stores, (LoopStore){3, result});
    vec_push(&program->kernels, k);
    vec_push(&only_entry(program)->calls, call);
}

static void operations_agree(void **state) {
    (void)state;
    const char *const *sets = instruction_sets();
    for (uint32_t i = 0; i < 10; i++) {
        const char *cpu = sets[i / 2];
        LoopProgram program = {.real = i & 1 ? LOOP_F64 : LOOP_F32};
        for (uint32_t kind = 0; kind < LOOP_CALL; kind++)
            if (kind != LOOP_FMA || fuses(cpu)) add_op_kernel(&program, program.real, (LoopOpKind)kind);
        assert_well_formed(&program);
        BackendCode *code = compile(&program, cpu, 1);
        random_state = 77;
        for (uint32_t round = 0; round < 20; round++) {
            Memory expected = memory_new(&program, 1, 0);
            for (uint32_t a = 0; a < program.arrays.count; a++) fill_specials(&expected, a);
            Memory got = memory_copy(&expected);
            loop_program_interpret(&program, 0, expected.arrays, &expected.arguments);
            backend->entry(code, 0)(got.arrays, &got.arguments);
            assert_int_equal(memories_differ(&expected, &got, exact), 0);
            memory_free(&expected);
            memory_free(&got);
        }
        backend->dispose(code);
        loop_program_free(&program);
    }
}

// --- Contractions ---------------------------------------------------------------------------------------------------

static void add_product(LoopProgram *program, LoopReal real, uint32_t kernel, int64_t n, int64_t k, bool transposed) {
    LoopCall call = new_call(kernel, 3, 3);
    call.axis[0].extent = n;
    call.axis[1].extent = k;
    call.array[0] = add_array(program, real, n == 1 && chance(2) ? 0 : 1, &n, true);
    call.array[1] = add_array(program, real, 2, transposed ? (int64_t[]){k, n} : (int64_t[]){n, k}, false);
    call.array[2] = add_array(program, real, k == 1 && chance(2) ? 0 : 1, &k, true);
    const LoopArray *matrix = &program->arrays.items[call.array[1]];
    call.stride[0] = loop_array_stride(matrix, transposed ? 1 : 0);
    call.stride[1] = loop_array_stride(matrix, transposed ? 0 : 1);
    vec_push(&only_entry(program)->calls, call);
}

static void add_outer(LoopProgram *program, LoopReal real, uint32_t kernel, int64_t n, int64_t m) {
    LoopCall call = new_call(kernel, 3, 3);
    call.axis[0].extent = n;
    call.axis[1].extent = m;
    call.array[0] = add_array(program, real, 2, (int64_t[]){n, m}, false);
    call.array[1] = add_array(program, real, n == 1 && chance(2) ? 0 : 1, &n, true);
    call.array[2] = add_array(program, real, m == 1 && chance(2) ? 0 : 1, &m, true);
    call.stride[0] = loop_array_stride(&program->arrays.items[call.array[0]], 0);
    vec_push(&only_entry(program)->calls, call);
}

static void add_contractions(LoopProgram *program, LoopReal real, uint32_t calls) {
    uint32_t kernel = program->kernels.count;
    vec_push(&program->kernels, (LoopKernel){.kind = LOOP_PRODUCT, .real = real});
    vec_push(&program->kernels, (LoopKernel){.kind = LOOP_OUTER, .real = real});
    for (uint32_t c = 0; c < calls; c++) {
        int64_t n = 1 + random_below(70), k = 1 + random_below(70);
        if (c % 5 == 1) n = 1 + random_below(9);
        if (c % 5 == 2) k = 1 + random_below(3);
        if (c == 6) n = 3, k = 600; // more than one pass over the inner index
        add_product(program, real, kernel, n, k, chance(2));
        add_outer(program, real, kernel + 1, n, k);
    }
}

static const Tolerance contraction = {1e-5, 1e-13, 20};

static void contractions_agree(void **state) {
    (void)state;
    const char *const *sets = instruction_sets();
    for (uint32_t i = 0; i < 30; i++) {
        random_state = 3000 + i;
        LoopProgram program = {.real = i & 1 ? LOOP_F64 : LOOP_F32};
        add_contractions(&program, program.real, i % 4 == 3 ? 1 : 12);
        check_program(&program, sets[i / 2 % 5], levels[i % COUNT(levels)], contraction);
        loop_program_free(&program);
    }
}

// --- Several threads ------------------------------------------------------------------------------------------------

static bool same_shape(const LoopArray *a, const LoopArray *b) {
    return a->real == b->real && a->rank == b->rank && a->batched == b->batched &&
           memcmp(a->extent, b->extent, a->rank * sizeof *a->extent) == 0;
}

static bool is_used(const LoopCall *call, uint32_t array) {
    for (uint32_t i = 0; i < call->array_count; i++)
        if (call->array[i] == array) return true;
    return false;
}

// Calls read what others write, and write what others read.
static void share_arrays(LoopProgram *program) {
    for (uint32_t c = 0; c < only_entry(program)->calls.count; c++) {
        LoopCall *call = &only_entry(program)->calls.items[c];
        for (uint32_t i = 0; i < call->array_count; i++) {
            uint32_t other = random_below(program->arrays.count);
            bool fits = same_shape(&program->arrays.items[call->array[i]], &program->arrays.items[other]);
            if (fits && !is_used(call, other)) call->array[i] = other;
        }
    }
}

// out = left*right + left over [n, batch].
static void add_elementwise(LoopProgram *program, LoopReal real, int64_t n) {
    LoopKernel kernel = {.kind = LOOP_MAP, .real = real, .axes = 2};
    LoopCall call = new_call(program->kernels.count, 3, 3);
    call.axis[0].extent = n;
    call.axis[1].batch = true;
    for (uint32_t a = 0; a < 3; a++) {
        vec_push(&kernel.accesses, (LoopAccess){.argument = a, .vector = LOOP_UNIT});
        call.array[a] = add_array(program, real, 1, &n, true);
        call.stride[a * LOOP_MAX_AXES].padded = 1;
        call.stride[a * LOOP_MAX_AXES + 1].fixed = 1;
    }
    uint32_t left = add_op(&kernel, LOOP_LOAD, 0, 0, 0), right = add_op(&kernel, LOOP_LOAD, 1, 0, 0);
    uint32_t product = add_op(&kernel, LOOP_MUL, left, add_op(&kernel, LOOP_MIN, right, add_const(&kernel, 0.5), 0), 0);
    vec_push(&kernel.stores, (LoopStore){2, add_op(&kernel, LOOP_ADD, product, left, 0)});
    vec_push(&program->kernels, kernel);
    vec_push(&only_entry(program)->calls, call);
}

// Moves beside 20 steps: every third step, from the second on, a row into the first array; each step the last array
// into a row.
enum { IN_A_ROW = 20, FED = 7 };

typedef struct Beside {
    LoopMove before, after;
    char *fed, *seen;
} Beside;

static char *new_rows(int64_t rows, int64_t bytes) {
    char *block = aligned_alloc(LOOP_MOVE_UNIT, (size_t)(rows * bytes + LOOP_MOVE_UNIT));
    memset(block, 0, (size_t)(rows * bytes + LOOP_MOVE_UNIT));
    return block;
}

static Beside beside_new(const Memory *memory) {
    uint32_t last = memory->program->arrays.count - 1;
    int64_t fed = (int64_t)array_bytes(memory, 0) / LOOP_MOVE_UNIT * LOOP_MOVE_UNIT;
    int64_t seen = (int64_t)array_bytes(memory, last) / LOOP_MOVE_UNIT * LOOP_MOVE_UNIT;
    Beside beside = {.fed = new_rows(FED, fed), .seen = new_rows(IN_A_ROW, seen)};
    bool single = memory->program->arrays.items[0].real == LOOP_F32;
    for (int64_t i = 0; i < FED * fed / (single ? 4 : 8); i++) {
        double value = (double)(i * 37 % 101) / 50 - 1;
        if (single)
            ((float *)(void *)beside.fed)[i] = (float)value;
        else
            ((double *)(void *)beside.fed)[i] = value;
    }
    beside.before = (LoopMove){beside.fed, memory->arrays[0], fed, fed, 0, 1, 3};
    beside.after = (LoopMove){memory->arrays[last], beside.seen, seen, 0, seen, 0, 1};
    return beside;
}

static LoopArguments with_moves(const Memory *memory, Beside *beside, int64_t steps) {
    LoopArguments arguments = memory->arguments;
    arguments.steps = steps;
    arguments.before = &beside->before;
    arguments.after = &beside->after;
    arguments.before_count = arguments.after_count = 1;
    return arguments;
}

static void beside_free(Beside *beside) {
    free(beside->fed);
    free(beside->seen);
}

// In one call, and in four of several threads; as the host moves and steps.
static void check_steps_in_a_row(const LoopProgram *program, const BackendCode *code, Team *team, int64_t batch) {
    Memory host = memory_new(program, batch, random_bits()), row = memory_copy(&host), together = memory_copy(&host);
    Beside by_host = beside_new(&host), by_row = beside_new(&row), by_team = beside_new(&together);
    for (int step = 0; step < IN_A_ROW; step++) {
        loop_move(&by_host.before, 1);
        backend->entry(code, 0)(host.arrays, &host.arguments);
        loop_move(&by_host.after, 1);
    }
    LoopArguments arguments = with_moves(&row, &by_row, IN_A_ROW);
    backend->entry(code, 0)(row.arrays, &arguments);
    for (int part = 0; part < 4; part++) {
        arguments = with_moves(&together, &by_team, IN_A_ROW / 4);
        team_run(team, backend->entry(code, 1), together.arrays, &arguments);
    }
    assert_true(by_host.before.from == by_host.fed + FED * by_host.before.bytes);
    assert_int_equal(memories_differ(&host, &row, exact), 0);
    assert_int_equal(memories_differ(&host, &together, exact), 0);
    assert_memory_equal(by_host.seen, by_row.seen, (size_t)(IN_A_ROW * by_host.after.bytes));
    assert_memory_equal(by_host.seen, by_team.seen, (size_t)(IN_A_ROW * by_host.after.bytes));
    beside_free(&by_host);
    beside_free(&by_row);
    beside_free(&by_team);
    memory_free(&host);
    memory_free(&row);
    memory_free(&together);
}

static void check_division(LoopProgram *program, uint32_t threads, int64_t batch) {
    loop_program_divide(program, threads, batch);
    assert_well_formed(program);
    BackendCode *code = compile(program, NULL, 1);
    Team *team = team_new(threads);
    assert_non_null(team);
    Memory alone = memory_new(program, batch, random_bits()), together = memory_copy(&alone);
    for (int step = 0; step < 20; step++) {
        backend->entry(code, 0)(alone.arrays, &alone.arguments);
        team_run(team, backend->entry(code, 1), together.arrays, &together.arguments);
    }
    assert_int_equal(memories_differ(&alone, &together, exact), 0);
    memory_free(&alone);
    memory_free(&together);
    check_steps_in_a_row(program, code, team, batch);
    team_free(team);
    backend->dispose(code);
}

static void threads_do_the_same(void **state) {
    (void)state;
    static const int64_t sizes[] = {80, 100, 272};
    for (uint32_t i = 0; i < 24; i++) {
        random_state = 6000 + i;
        LoopProgram program = {.real = i & 1 ? LOOP_F64 : LOOP_F32};
        int64_t n = sizes[i % 3], batch = i % 4 ? 40 : 1;
        vec_push(&program.kernels, (LoopKernel){.kind = LOOP_PRODUCT, .real = program.real});
        vec_push(&program.kernels, (LoopKernel){.kind = LOOP_OUTER, .real = program.real});
        for (uint32_t k = 0; k < 4; k++) {
            add_product(&program, program.real, 0, n, n, chance(2));
            add_elementwise(&program, program.real, n);
            add_outer(&program, program.real, 1, n, n);
            add_random_sweep(&program, program.real, true);
        }
        share_arrays(&program);
        check_division(&program, 2 + i % 3, batch);
        loop_program_free(&program);
    }
}

static void contractions_agree_over_many_samples(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 4; i++) {
        random_state = 4000 + i;
        LoopProgram program = {.real = i & 1 ? LOOP_F64 : LOOP_F32};
        add_contractions(&program, program.real, 2);
        BackendCode *code = compile(&program, NULL, 1);
        check_batch(&program, code, 300 + (int64_t)random_below(10), (Tolerance){1e-5, 1e-13, 40});
        backend->dispose(code);
        loop_program_free(&program);
    }
}

// --- The rest -------------------------------------------------------------------------------------------------------

// counter := counter + x, both scalars.
static void add_scalar_sum(LoopProgram *program, double x, uint32_t guard) {
    LoopKernel k = {.kind = LOOP_MAP, .real = LOOP_F32};
    vec_push(&k.accesses, (LoopAccess){.argument = 0, .scalar_f64 = true});
    uint32_t sum = add_op(&k, LOOP_ADD, add_op(&k, LOOP_LOAD, 0, 0, 0), add_const(&k, x), 0);
    vec_push(&k.stores, (LoopStore){0, sum});
    LoopCall call = new_call(program->kernels.count, 1, 1);
    call.guard = guard;
    vec_push(&program->kernels, k);
    vec_push(&only_entry(program)->calls, call);
}

static void guards_decide(void **state) {
    (void)state;
    LoopProgram program = {.real = LOOP_F32};
    add_array(&program, LOOP_F64, 0, NULL, false);
    add_scalar_sum(&program, 1, 0);
    add_scalar_sum(&program, 2, 1);
    add_scalar_sum(&program, 4, 64);
    BackendCode *code = compile(&program, NULL, 1);
    static const uint64_t active[] = {0, 1, UINT64_C(1) << 63, UINT64_MAX};
    static const double sums[] = {1, 3, 5, 7};
    for (size_t i = 0; i < 4; i++) {
        double counter = 0;
        backend->entry(code, 0)((void *[]){&counter},
                                &(LoopArguments){.batch = 1, .batch_padded = 16, .active = active[i]});
        assert_true(counter == sums[i]);
    }
    backend->dispose(code);
    loop_program_free(&program);
}

static void denormals_are_flushed_inside_only(void **state) {
    (void)state;
#ifdef __x86_64__
    LoopProgram program = {.real = LOOP_F64};
    add_array(&program, LOOP_F64, 0, NULL, false);
    add_scalar_sum(&program, 0, 0);
    program.kernels.items[0].real = LOOP_F64;
    BackendCode *code = compile(&program, NULL, 1);
    double counter = 1e-310;
    backend->entry(code, 0)((void *[]){&counter}, &(LoopArguments){.batch = 1, .batch_padded = 16});
    assert_true(counter == 0);
    volatile double small = 1e-300, smaller = small * 1e-10;
    assert_true(smaller > 0);
    backend->dispose(code);
    loop_program_free(&program);
#endif
}

static void texts_and_times_are_kept(void **state) {
    (void)state;
    LoopProgram program = {.real = LOOP_F32};
    add_array(&program, LOOP_F64, 0, NULL, false);
    add_scalar_sum(&program, 1, 0);
    Text error = {0};
    BackendOptions options = {.level = 1, .source_name = "counter.leq", .want_ir = true, .want_assembly = true};
    BackendCode *code = backend->compile(&program, &options, &error);
    assert_non_null(code);
    assert_non_null(strstr(backend->text(code, false), "define void @lequel_entry_0"));
    assert_non_null(strstr(backend->text(code, true), "lequel_entry_0:"));
    assert_true(backend->times(code).codegen > 0);
    assert_null(backend->entry(code, 1));
    backend->dispose(code);
    loop_program_free(&program);
}

static void layouts_are_padded(void **state) {
    (void)state;
    LoopArray weights = {.real = LOOP_F32, .rank = 2, .extent = {53, 10}};
    LoopSize size = loop_array_size(&weights), row = loop_array_stride(&weights, 0);
    assert_true(size.fixed == 56 * 16 && size.padded == 0 && row.fixed == 16);
    LoopArray rates = {.real = LOOP_F32, .rank = 2, .extent = {3, 53}, .batched = true};
    size = loop_array_size(&rates);
    row = loop_array_stride(&rates, 0);
    assert_true(size.fixed == 0 && size.padded == 3 * 56 && row.padded == 56 && row.fixed == 0);
    assert_true(loop_array_stride(&rates, 1).padded == 1 && loop_array_stride(&rates, 2).fixed == 1);
    LoopArray scalar = {.real = LOOP_F64}, loss = {.real = LOOP_F32, .batched = true};
    assert_true(loop_array_size(&scalar).fixed == 1 && loop_array_size(&loss).padded == 1);
}

static void malformed_programs_are_found(void **state) {
    (void)state;
    for (uint32_t fault = 0; fault < 7; fault++) {
        random_state = 5;
        LoopProgram program = {.real = LOOP_F32};
        add_op_kernel(&program, LOOP_F32, LOOP_ADD);
        LoopKernel *kernel = &program.kernels.items[0];
        LoopCall *call = &program.entries.items[0].calls.items[0];
        switch (fault) {
        case 0: break;
        case 1: kernel->ops.items[4].a = 100; break;
        case 2: kernel->stores.items[0].access = 9; break;
        case 3: call->axis[0].extent = 1000; break;
        case 4: call->array[1] = 77; break;
        case 5: call->stride[0].fixed = 2; break;
        case 6: kernel->accesses.items[0].scalar_f64 = true; break;
        }
        char *problem = loop_program_verify(&program);
        if (fault)
            assert_non_null(problem);
        else
            assert_null(problem);
        free(problem);
        loop_program_free(&program);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(layouts_are_padded),
                                       cmocka_unit_test(malformed_programs_are_found),
                                       cmocka_unit_test(guards_decide),
                                       cmocka_unit_test(denormals_are_flushed_inside_only),
                                       cmocka_unit_test(texts_and_times_are_kept),
                                       cmocka_unit_test(operations_agree),
                                       cmocka_unit_test(maps_agree),
                                       cmocka_unit_test(reductions_agree),
                                       cmocka_unit_test(sweeps_agree),
                                       cmocka_unit_test(deterministic_sweeps_are_the_same),
                                       cmocka_unit_test(contractions_agree),
                                       cmocka_unit_test(contractions_agree_over_many_samples),
                                       cmocka_unit_test(threads_do_the_same)};
    return cmocka_run_group_tests_name("backend", tests, open_module, NULL);
}
