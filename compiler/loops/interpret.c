// The loops form executed directly: slow and plain, what back ends are tested against. Operations are rounded to the
// kernel's element type one by one; sums run in index order and in double, rounded once at the end. In deterministic
// programs every sum has the shape and the roundings that loops.h describes, so the results are those of a back end.
#include "loops.h"
#include <math.h>
#include <string.h>

typedef struct Value { // of one operation; which member counts depends on its type
    double real;
    uint64_t bits;
    bool truth;
} Value;

typedef struct Nest { // one MAP or REDUCE call in execution
    const LoopProgram *program;
    const LoopKernel *kernel;
    const LoopCall *call;
    void *const *arrays;
    const LoopArguments *arguments;
    bool deterministic;
    bool in_lanes; // deterministic: the innermost reduced axis has a sum per lane
    Value *values;
    int64_t index[LOOP_MAX_AXES];
} Nest;

static int64_t size_of(LoopSize size, const LoopArguments *arguments) {
    return size.fixed + size.padded * arguments->batch_padded;
}

static int64_t extent_of(LoopAxis axis, const LoopArguments *arguments) {
    return axis.batch ? arguments->batch : axis.extent;
}

static double rounded(LoopReal real, double x) { return real == LOOP_F32 ? (double)(float)x : x; }

static double read_element(LoopReal real, const void *array, int64_t element) {
    return real == LOOP_F32 ? (double)((const float *)array)[element] : ((const double *)array)[element];
}

static void write_element(LoopReal real, void *array, int64_t element, double value) {
    if (real == LOOP_F32)
        ((float *)array)[element] = (float)value;
    else
        ((double *)array)[element] = value;
}

static uint64_t to_bits(LoopReal real, double x) {
    uint64_t wide = 0;
    if (real == LOOP_F32) {
        float narrow = (float)x;
        uint32_t bits;
        memcpy(&bits, &narrow, sizeof bits);
        return bits;
    }
    memcpy(&wide, &x, sizeof wide);
    return wide;
}

static double from_bits(LoopReal real, uint64_t bits) {
    double wide;
    if (real == LOOP_F32) {
        uint32_t half = (uint32_t)bits;
        float narrow;
        memcpy(&narrow, &half, sizeof narrow);
        return (double)narrow;
    }
    memcpy(&wide, &bits, sizeof wide);
    return wide;
}

// Integers are kept in 64 bits, those of an f32 kernel without the upper half.
static uint64_t narrowed(LoopReal real, uint64_t bits) { return real == LOOP_F32 ? bits & UINT32_MAX : bits; }

static int64_t as_signed(LoopReal real, uint64_t bits) {
    return real == LOOP_F32 ? (int64_t)(int32_t)(uint32_t)bits : (int64_t)bits;
}

static uint64_t to_int(LoopReal real, double x) { // a value that does not fit gives what x86 gives
    double limit = real == LOOP_F32 ? 0x1p31 : 0x1p63;
    if (!(x >= -limit && x < limit)) return real == LOOP_F32 ? UINT64_C(1) << 31 : UINT64_C(1) << 63;
    return narrowed(real, (uint64_t)(int64_t)x);
}

static LoopSize slot_stride(const Nest *nest, uint32_t access) {
    uint32_t array = nest->call->array[nest->kernel->accesses.items[access].argument];
    return loop_array_stride(&nest->program->arrays.items[array], 1);
}

static int64_t element_of(const Nest *nest, uint32_t access) {
    int64_t element = size_of(nest->call->offset[access], nest->arguments);
    for (uint32_t axis = 0; axis < nest->kernel->axes; axis++)
        element += nest->index[axis] * size_of(nest->call->stride[access * LOOP_MAX_AXES + axis], nest->arguments);
    uint32_t slot = nest->kernel->accesses.items[access].slot;
    if (slot) element += (int64_t)nest->values[slot - 1].real * size_of(slot_stride(nest, access), nest->arguments);
    return element;
}

static LoopReal access_real(const Nest *nest, uint32_t access) {
    return nest->kernel->accesses.items[access].scalar_f64 ? LOOP_F64 : nest->kernel->real;
}

static void *access_array(const Nest *nest, uint32_t access) {
    return nest->arrays[nest->call->array[nest->kernel->accesses.items[access].argument]];
}

static double load(const Nest *nest, uint32_t access) {
    return rounded(nest->kernel->real,
                   read_element(access_real(nest, access), access_array(nest, access), element_of(nest, access)));
}

static void store(const Nest *nest, uint32_t access, double value) {
    write_element(access_real(nest, access), access_array(nest, access), element_of(nest, access), value);
}

// Value of an operand; zero where the operation does not have it.
static Value operand(const Nest *nest, uint32_t number) {
    return number < nest->kernel->ops.count ? nest->values[number] : (Value){0};
}

static double real_result(const Nest *nest, const LoopOp *op) {
    double a = operand(nest, op->a).real, b = operand(nest, op->b).real, c = operand(nest, op->c).real;
    switch (op->kind) {
    case LOOP_CONST: return op->value;
    case LOOP_LOAD: return load(nest, op->a);
    case LOOP_ADD: return a + b; // of floats in double, rounded to float after: the same as in float
    case LOOP_SUB: return a - b;
    case LOOP_MUL: return a * b;
    case LOOP_DIV: return a / b;
    case LOOP_FMA:
        if (nest->deterministic) return rounded(nest->kernel->real, a * b) + c;
        return nest->kernel->real == LOOP_F32 ? (double)fmaf((float)a, (float)b, (float)c) : fma(a, b, c);
    case LOOP_NEG: return -a;
    case LOOP_ABS: return fabs(a);
    case LOOP_SQRT: return sqrt(a);
    case LOOP_MIN: return a < b ? a : b;
    case LOOP_MAX: return a > b ? a : b;
    case LOOP_RINT: return nearbyint(a);
    case LOOP_COPYSIGN: return copysign(a, b);
    case LOOP_SELECT: return operand(nest, op->a).truth ? b : c;
    case LOOP_FROM_BITS: return from_bits(nest->kernel->real, operand(nest, op->a).bits);
    case LOOP_TO_REAL: return (double)as_signed(nest->kernel->real, operand(nest, op->a).bits);
    default: return 0;
    }
}

static uint64_t int_result(const Nest *nest, const LoopOp *op) {
    LoopReal real = nest->kernel->real;
    uint64_t a = operand(nest, op->a).bits, b = operand(nest, op->b).bits;
    switch (op->kind) {
    case LOOP_ICONST: return op->bits;
    case LOOP_TO_BITS: return to_bits(real, operand(nest, op->a).real);
    case LOOP_TO_INT: return to_int(real, operand(nest, op->a).real);
    case LOOP_IADD: return a + b;
    case LOOP_ISUB: return a - b;
    case LOOP_IAND: return a & b;
    case LOOP_IOR: return a | b;
    case LOOP_IXOR: return a ^ b;
    case LOOP_ISHL: return a << op->bits;
    case LOOP_ISHR: return a >> op->bits;
    case LOOP_IASR: return (uint64_t)(as_signed(real, a) >> op->bits);
    case LOOP_SELECT: return operand(nest, op->a).truth ? b : operand(nest, op->c).bits;
    default: return 0;
    }
}

static bool bool_result(const Nest *nest, const LoopOp *op) {
    Value a = operand(nest, op->a), b = operand(nest, op->b);
    switch (op->kind) {
    case LOOP_LT: return a.real < b.real;
    case LOOP_LE: return a.real <= b.real;
    case LOOP_EQ: return a.real == b.real;
    case LOOP_AND: return a.truth && b.truth;
    case LOOP_OR: return a.truth || b.truth;
    case LOOP_NOT: return !a.truth;
    case LOOP_SELECT: return a.truth ? b.truth : operand(nest, op->c).truth;
    default: return false;
    }
}

static void evaluate_body(Nest *nest) {
    const LoopKernel *kernel = nest->kernel;
    for (uint32_t i = 0; i < kernel->ops.count; i++) {
        const LoopOp *op = &kernel->ops.items[i];
        switch (loop_op_type(kernel->ops.items, i)) {
        case LOOP_REAL: nest->values[i].real = rounded(kernel->real, real_result(nest, op)); break;
        case LOOP_INT: nest->values[i].bits = narrowed(kernel->real, int_result(nest, op)); break;
        case LOOP_BOOL: nest->values[i].truth = bool_result(nest, op); break;
        }
    }
}

static void map_elements(Nest *nest, uint32_t axis) {
    if (axis < nest->kernel->axes) {
        int64_t extent = extent_of(nest->call->axis[axis], nest->arguments);
        for (nest->index[axis] = 0; nest->index[axis] < extent; nest->index[axis]++) map_elements(nest, axis + 1);
        return;
    }
    evaluate_body(nest);
    for (uint32_t s = 0; s < nest->kernel->stores.count; s++) {
        LoopStore to = nest->kernel->stores.items[s];
        store(nest, to.access, nest->values[to.value].real);
    }
}

// A maximum keeps a NaN once it has met one, so that the order does not matter.
static double larger(double a, double b) { return a > b || isnan(a) ? a : b; }

static double reduce_inner(Nest *nest, uint32_t axis, double sum) {
    if (axis < nest->kernel->axes) {
        int64_t extent = extent_of(nest->call->axis[axis], nest->arguments);
        for (nest->index[axis] = 0; nest->index[axis] < extent; nest->index[axis]++)
            sum = reduce_inner(nest, axis + 1, sum);
        nest->index[axis] = 0;
        return sum;
    }
    evaluate_body(nest);
    double value = nest->values[nest->kernel->stores.items[0].value].real;
    return nest->kernel->maximum ? larger(sum, value) : sum + value;
}

static double combined(const Nest *nest, double sum, double value) {
    return nest->kernel->maximum ? larger(sum, value) : rounded(nest->kernel->real, sum + value);
}

static void reduce_lanes(Nest *nest, uint32_t axis, double *sums) {
    if (axis < nest->kernel->axes) {
        int64_t extent = extent_of(nest->call->axis[axis], nest->arguments);
        for (nest->index[axis] = 0; nest->index[axis] < extent; nest->index[axis]++) reduce_lanes(nest, axis + 1, sums);
        nest->index[axis] = 0;
        return;
    }
    evaluate_body(nest);
    double *sum = &sums[nest->in_lanes ? nest->index[nest->kernel->axes - 1] % LOOP_LANES : 0];
    *sum = combined(nest, *sum, nest->values[nest->kernel->stores.items[0].value].real);
}

static double reduce_in_order(Nest *nest, uint32_t axis) {
    double sums[LOOP_LANES];
    for (int lane = 0; lane < LOOP_LANES; lane++) sums[lane] = nest->kernel->maximum ? -INFINITY : 0;
    reduce_lanes(nest, axis, sums);
    for (int lanes = LOOP_LANES / 2; nest->in_lanes && lanes; lanes /= 2)
        for (int lane = 0; lane < lanes; lane++) sums[lane] = combined(nest, sums[lane], sums[lane + lanes]);
    return sums[0];
}

static void reduce_outer(Nest *nest, uint32_t axis) {
    if (axis < nest->kernel->outer) {
        int64_t extent = extent_of(nest->call->axis[axis], nest->arguments);
        for (nest->index[axis] = 0; nest->index[axis] < extent; nest->index[axis]++) reduce_outer(nest, axis + 1);
        return;
    }
    double result = nest->deterministic ? reduce_in_order(nest, axis)
                                        : reduce_inner(nest, axis, nest->kernel->maximum ? -INFINITY : 0);
    store(nest, nest->kernel->stores.items[0].access, rounded(nest->kernel->real, result));
}

// The sums of a sweep in the making: those along the row at work in lanes, those down columns one per column.
typedef struct SweepSums {
    double (*along)[LOOP_LANES];
    double **down;
} SweepSums;

static void sweep_element(Nest *nest, SweepSums *sums) {
    const LoopKernel *kernel = nest->kernel;
    evaluate_body(nest);
    for (uint32_t s = 0; s < kernel->sums.count; s++) {
        double value = nest->values[kernel->sums.items[s].value].real;
        double *sum = kernel->sums.items[s].down
                          ? &sums->down[s][nest->index[1]]
                          : &sums->along[s][nest->deterministic ? nest->index[1] % LOOP_LANES : 0];
        *sum = nest->deterministic ? combined(nest, *sum, value) : *sum + value;
    }
    for (uint32_t s = 0; s < kernel->stores.count; s++)
        store(nest, kernel->stores.items[s].access, nest->values[kernel->stores.items[s].value].real);
}

static void sweep_row(Nest *nest, SweepSums *sums) {
    const LoopKernel *kernel = nest->kernel;
    int64_t columns = extent_of(nest->call->axis[1], nest->arguments);
    memset(sums->along, 0, kernel->sums.count * sizeof *sums->along);
    for (nest->index[1] = 0; nest->index[1] < columns; nest->index[1]++) sweep_element(nest, sums);
    nest->index[1] = 0;
    for (uint32_t s = 0; s < kernel->sums.count; s++) {
        if (kernel->sums.items[s].down) continue;
        double *lane = sums->along[s];
        for (int lanes = LOOP_LANES / 2; nest->deterministic && lanes; lanes /= 2)
            for (int l = 0; l < lanes; l++) lane[l] = combined(nest, lane[l], lane[l + lanes]);
        store(nest, kernel->sums.items[s].access, rounded(kernel->real, lane[0]));
    }
}

static void sweep(Nest *nest) {
    const LoopKernel *kernel = nest->kernel;
    int64_t rows = extent_of(nest->call->axis[0], nest->arguments);
    int64_t columns = extent_of(nest->call->axis[1], nest->arguments);
    SweepSums sums = {.along = memory_resize(NULL, kernel->sums.count + 1, sizeof *sums.along),
                      .down = memory_resize(NULL, kernel->sums.count + 1, sizeof *sums.down)};
    for (uint32_t s = 0; s < kernel->sums.count; s++) {
        sums.down[s] = memory_resize(NULL, (size_t)columns + 1, sizeof(double));
        memset(sums.down[s], 0, (size_t)columns * sizeof(double));
    }
    for (nest->index[0] = 0; nest->index[0] < rows; nest->index[0]++) sweep_row(nest, &sums);
    nest->index[0] = 0;
    for (uint32_t s = 0; s < kernel->sums.count; s++) {
        for (nest->index[1] = 0; kernel->sums.items[s].down && nest->index[1] < columns; nest->index[1]++)
            store(nest, kernel->sums.items[s].access, rounded(kernel->real, sums.down[s][nest->index[1]]));
        free(sums.down[s]);
    }
    free(sums.down);
    free(sums.along);
}

static void interpret_nest(const LoopProgram *program, const LoopCall *call, void *const *arrays,
                           const LoopArguments *arguments) {
    const LoopKernel *kernel = &program->kernels.items[call->kernel];
    Nest nest = {.program = program, .kernel = kernel, .call = call, .arrays = arrays, .arguments = arguments};
    nest.deterministic = program->deterministic;
    if (kernel->kind == LOOP_REDUCE && kernel->axes > kernel->outer)
        nest.in_lanes = loop_vector_axis(program, call->kernel) >= kernel->outer;
    nest.values = memory_resize(NULL, kernel->ops.count + 1, sizeof(Value));
    memset(nest.values, 0, (kernel->ops.count + 1) * sizeof(Value));
    if (kernel->kind == LOOP_MAP)
        map_elements(&nest, 0);
    else if (kernel->kind == LOOP_SWEEP)
        sweep(&nest);
    else
        reduce_outer(&nest, 0);
    free(nest.values);
}

// One more term of a contraction: kept in double, or rounded where the order of roundings is promised.
static double add_product(const LoopProgram *program, LoopReal real, double sum, double a, double b) {
    return program->deterministic ? rounded(real, sum + rounded(real, a * b)) : sum + a * b;
}

static void interpret_product(const LoopProgram *program, const LoopCall *call, void *const *arrays,
                              const LoopArguments *arguments) {
    LoopReal real = program->kernels.items[call->kernel].real;
    int64_t n = call->axis[0].extent, m = call->axis[1].extent, row = arguments->batch_padded;
    int64_t sa = size_of(call->stride[0], arguments), sk = size_of(call->stride[1], arguments);
    int64_t out = size_of(call->offset[0], arguments), a = size_of(call->offset[1], arguments);
    for (int64_t i = 0; i < n; i++)
        for (int64_t b = 0; b < arguments->batch; b++) {
            double sum = 0;
            for (int64_t k = 0; k < m; k++)
                sum = add_product(program, real, sum, read_element(real, arrays[call->array[1]], a + i * sa + k * sk),
                                  read_element(real, arrays[call->array[2]], k * row + b));
            write_element(real, arrays[call->array[0]], out + i * row + b, sum);
        }
}

static void interpret_outer(const LoopProgram *program, const LoopCall *call, void *const *arrays,
                            const LoopArguments *arguments) {
    LoopReal real = program->kernels.items[call->kernel].real;
    int64_t n = call->axis[0].extent, m = call->axis[1].extent, row = arguments->batch_padded;
    int64_t stride = size_of(call->stride[0], arguments);
    int64_t out = size_of(call->offset[0], arguments), e = size_of(call->offset[1], arguments);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < m; j++) {
            double sum = 0;
            for (int64_t b = 0; b < arguments->batch; b++)
                sum = add_product(program, real, sum, read_element(real, arrays[call->array[1]], e + i * row + b),
                                  read_element(real, arrays[call->array[2]], j * row + b));
            write_element(real, arrays[call->array[0]], out + i * stride + j, sum);
        }
}

static void interpret_step(const LoopProgram *program, uint32_t entry, void *const *arrays,
                           const LoopArguments *arguments) {
    for (uint32_t c = 0; c < program->entries.items[entry].calls.count; c++) {
        const LoopCall *call = &program->entries.items[entry].calls.items[c];
        if (call->guard && (arguments->active >> (call->guard - 1) & 1) == call->unless) continue;
        const LoopKernel *kernel = &program->kernels.items[call->kernel];
        if (kernel->kind == LOOP_PRODUCT)
            interpret_product(program, call, arrays, arguments);
        else if (kernel->kind == LOOP_OUTER)
            interpret_outer(program, call, arrays, arguments);
        else
            interpret_nest(program, call, arrays, arguments);
    }
}

void loop_program_interpret(const LoopProgram *program, uint32_t entry, void *const *arrays,
                            const LoopArguments *arguments) {
    for (int64_t step = 0; step == 0 || step < arguments->steps; step++) {
        loop_move(arguments->before, arguments->before_count);
        interpret_step(program, entry, arrays, arguments);
        loop_move(arguments->after, arguments->after_count);
    }
}
