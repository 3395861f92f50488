// The loops form: layout of arrays, types of operations, and the text that `--dump` shows. verify.c checks it,
// interpret.c runs it.
#include "maths.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void loop_move(LoopMove *moves, int64_t count) {
    for (int64_t i = 0; i < count; i++) {
        LoopMove *move = &moves[i];
        if (move->wait == 0) {
            memcpy(move->to, move->from, (size_t)move->bytes);
            move->from += move->from_step;
            move->to += move->to_step;
            move->wait = move->every;
        }
        move->wait--;
    }
}

int64_t loop_pad(int64_t count, int64_t multiple) { return (count + multiple - 1) / multiple * multiple; }

// Rows that begin a power of two apart share few places of a cache: they are moved apart.
static int64_t apart(int64_t count, int64_t power) {
    int64_t padded = loop_pad(count, LOOP_PAD);
    return padded % power ? padded : padded + LOOP_PAD;
}

int64_t loop_pad_samples(int64_t samples) { return apart(samples, 128); }

// Extent with padding of one axis; the batch axis (number `rank`) is one padded batch.
static LoopSize padded_extent(const LoopArray *array, uint32_t axis) {
    uint32_t last = array->rank + (array->batched ? 1 : 0) - 1;
    if (axis == array->rank) return (LoopSize){.padded = 1};
    int64_t extent = array->extent[axis];
    if (axis == last) return (LoopSize){.fixed = array->rank > 1 ? apart(extent, 256) : loop_pad(extent, LOOP_PAD)};
    return (LoopSize){.fixed = axis + 1 == last ? loop_pad(extent, LOOP_ROW_PAD) : extent};
}

// Elements in the axes from `first` on. Only the batch depends on the instance, so the product stays linear in it.
static LoopSize elements_from(const LoopArray *array, uint32_t first) {
    LoopSize size = {.fixed = 1};
    for (uint32_t axis = first; axis < array->rank; axis++) size.fixed *= padded_extent(array, axis).fixed;
    return array->batched && first <= array->rank ? (LoopSize){.padded = size.fixed} : size;
}

LoopSize loop_array_size(const LoopArray *array) { return elements_from(array, 0); }

LoopSize loop_array_stride(const LoopArray *array, uint32_t axis) {
    if (axis >= array->rank) return (LoopSize){.fixed = 1};
    return elements_from(array, axis + 1);
}

// ---- Movement -------------------------------------------------------------------------------------------------------

LoopStride loop_movement(const LoopProgram *program, uint32_t kernel, uint32_t access, uint32_t axis) {
    bool still = true, unit = true;
    for (uint32_t i = 0; i < program->entries.count; i++)
        for (uint32_t c = 0; c < program->entries.items[i].calls.count; c++) {
            const LoopCall *call = &program->entries.items[i].calls.items[c];
            if (call->kernel != kernel) continue;
            LoopSize stride = call->stride[access * LOOP_MAX_AXES + axis];
            still = still && !stride.fixed && !stride.padded;
            unit = unit && stride.fixed == 1 && !stride.padded;
        }
    return still ? LOOP_SPLAT : unit ? LOOP_UNIT : LOOP_STRIDED;
}

static bool suits_vectors(const LoopProgram *program, uint32_t number, uint32_t axis) {
    const LoopKernel *kernel = &program->kernels.items[number];
    for (uint32_t a = 0; a < kernel->accesses.count; a++)
        if (loop_movement(program, number, a, axis) == LOOP_STRIDED) return false;
    for (uint32_t s = 0; s < kernel->stores.count; s++)
        if (loop_movement(program, number, kernel->stores.items[s].access, axis) != LOOP_UNIT) return false;
    return true;
}

// Maxima and sums over a population, say, have their samples side by side.
uint32_t loop_vector_axis(const LoopProgram *program, uint32_t number) {
    const LoopKernel *kernel = &program->kernels.items[number];
    bool strided = false;
    for (uint32_t a = 0; a < kernel->accesses.count; a++)
        strided = strided || loop_movement(program, number, a, kernel->axes - 1) == LOOP_STRIDED;
    uint32_t candidates = kernel->kind == LOOP_REDUCE ? kernel->outer : kernel->axes;
    for (uint32_t axis = candidates; strided && axis-- > 0;)
        if (suits_vectors(program, number, axis)) return axis;
    return kernel->axes - 1;
}

bool loop_kernel_is_nest(const LoopKernel *kernel) { return kernel->kind <= LOOP_SWEEP; }

LoopValueType loop_op_type(const LoopOp *ops, uint32_t op) {
    while (ops[op].kind == LOOP_SELECT) op = ops[op].b;
    switch (ops[op].kind) {
    case LOOP_ICONST:
    case LOOP_TO_BITS:
    case LOOP_TO_INT:
    case LOOP_IADD:
    case LOOP_ISUB:
    case LOOP_IAND:
    case LOOP_IOR:
    case LOOP_IXOR:
    case LOOP_ISHL:
    case LOOP_ISHR:
    case LOOP_IASR: return LOOP_INT;
    case LOOP_LT:
    case LOOP_LE:
    case LOOP_EQ:
    case LOOP_AND:
    case LOOP_OR:
    case LOOP_NOT: return LOOP_BOOL;
    default: return LOOP_REAL;
    }
}

static bool is_shift(LoopOpKind kind) { return kind == LOOP_ISHL || kind == LOOP_ISHR || kind == LOOP_IASR; }

uint32_t loop_op_operands(const LoopOp *op, uint32_t numbers[3]) {
    numbers[0] = op->a;
    numbers[1] = op->b;
    numbers[2] = op->c;
    switch (op->kind) {
    case LOOP_CONST:
    case LOOP_ICONST:
    case LOOP_LOAD: return 0;
    case LOOP_FMA:
    case LOOP_SELECT: return 3;
    case LOOP_CALL: return op->bits == MATH_POWER ? 2 : 1;
    case LOOP_NEG:
    case LOOP_ABS:
    case LOOP_SQRT:
    case LOOP_RINT:
    case LOOP_NOT:
    case LOOP_TO_BITS:
    case LOOP_FROM_BITS:
    case LOOP_TO_INT:
    case LOOP_TO_REAL: return 1;
    default: return is_shift(op->kind) ? 1 : 2;
    }
}

static void kernel_free(LoopKernel *kernel) {
    vec_free(&kernel->ops);
    vec_free(&kernel->accesses);
    vec_free(&kernel->stores);
    vec_free(&kernel->sums);
    free(kernel->key);
}

void loop_call_free(LoopCall *call) {
    free(call->array);
    free(call->stride);
    free(call->offset);
}

LoopCall loop_call_copy(const LoopProgram *program, const LoopCall *call) {
    const LoopKernel *kernel = &program->kernels.items[call->kernel];
    bool nest = loop_kernel_is_nest(kernel);
    size_t offsets = nest ? kernel->accesses.count : 3, strides = nest ? offsets * LOOP_MAX_AXES : LOOP_MAX_AXES;
    LoopCall copy = *call;
    copy.array = memory_resize(NULL, call->array_count, sizeof *copy.array);
    copy.stride = memory_resize(NULL, strides, sizeof *copy.stride);
    copy.offset = memory_resize(NULL, offsets, sizeof *copy.offset);
    memcpy(copy.array, call->array, call->array_count * sizeof *copy.array);
    memcpy(copy.stride, call->stride, strides * sizeof *copy.stride);
    memcpy(copy.offset, call->offset, offsets * sizeof *copy.offset);
    return copy;
}

void loop_program_free(LoopProgram *program) {
    if (!program) return;
    for (uint32_t k = 0; k < program->kernels.count; k++) kernel_free(&program->kernels.items[k]);
    for (uint32_t e = 0; e < program->entries.count; e++) {
        LoopEntry *entry = &program->entries.items[e];
        for (uint32_t c = 0; c < entry->calls.count; c++) loop_call_free(&entry->calls.items[c]);
        vec_free(&entry->calls);
    }
    vec_free(&program->entries);
    vec_free(&program->kernels);
    vec_free(&program->arrays);
}

static const char *const op_names[LOOP_OP_COUNT] = {
    [LOOP_CONST] = "const",   [LOOP_ICONST] = "iconst",   [LOOP_LOAD] = "load",         [LOOP_ADD] = "add",
    [LOOP_SUB] = "sub",       [LOOP_MUL] = "mul",         [LOOP_DIV] = "div",           [LOOP_FMA] = "fma",
    [LOOP_NEG] = "neg",       [LOOP_ABS] = "abs",         [LOOP_SQRT] = "sqrt",         [LOOP_MIN] = "min",
    [LOOP_MAX] = "max",       [LOOP_RINT] = "rint",       [LOOP_COPYSIGN] = "copysign", [LOOP_LT] = "lt",
    [LOOP_LE] = "le",         [LOOP_EQ] = "eq",           [LOOP_AND] = "and",           [LOOP_OR] = "or",
    [LOOP_NOT] = "not",       [LOOP_SELECT] = "select",   [LOOP_TO_BITS] = "to_bits",   [LOOP_FROM_BITS] = "from_bits",
    [LOOP_TO_INT] = "to_int", [LOOP_TO_REAL] = "to_real", [LOOP_IADD] = "iadd",         [LOOP_ISUB] = "isub",
    [LOOP_IAND] = "iand",     [LOOP_IOR] = "ior",         [LOOP_IXOR] = "ixor",         [LOOP_ISHL] = "ishl",
    [LOOP_ISHR] = "ishr",     [LOOP_IASR] = "iasr",       [LOOP_CALL] = "call"};

static const char *const kernel_names[] = {"map", "reduce", "sweep", "product", "outer"};
static const char *const stride_names[] = {"splat", "unit", "strided"};
static const char *real_name(LoopReal real) { return real == LOOP_F32 ? "f32" : "f64"; }

static void dump_size(LoopSize size, Text *out) {
    if (size.fixed || !size.padded) text_addf(out, "%" PRId64, size.fixed);
    if (size.fixed && size.padded) text_add(out, "+");
    if (size.padded == 1)
        text_add(out, "B");
    else if (size.padded)
        text_addf(out, "%" PRId64 "B", size.padded);
}

static void dump_op(const LoopOp *op, uint32_t number, Text *out) {
    text_addf(out, "    v%" PRIu32 " = %s", number, op_names[op->kind]);
    if (op->kind == LOOP_CONST) text_add(out, " "), text_add_number(out, op->value);
    if (op->kind == LOOP_ICONST) text_addf(out, " 0x%" PRIx64, op->bits);
    if (op->kind == LOOP_LOAD) text_addf(out, " @%" PRIu32, op->a);
    if (op->kind == LOOP_CALL) text_addf(out, " %s", maths_name((MathFunction)op->bits));
    uint32_t operands[3], count = loop_op_operands(op, operands);
    for (uint32_t i = 0; i < count; i++) text_addf(out, " v%" PRIu32, operands[i]);
    if (is_shift(op->kind)) text_addf(out, " by %" PRIu64, op->bits);
    text_add(out, "\n");
}

static void dump_kernel(const LoopKernel *kernel, uint32_t number, Text *out) {
    text_addf(out, "kernel %" PRIu32 ": %s %s", number, kernel_names[kernel->kind], real_name(kernel->real));
    if (loop_kernel_is_nest(kernel)) text_addf(out, ", %" PRIu32 " axes", kernel->axes);
    if (kernel->kind == LOOP_REDUCE)
        text_addf(out, ", %" PRIu32 " kept, %s", kernel->outer, kernel->maximum ? "maximum" : "sum");
    text_add(out, "\n");
    for (uint32_t a = 0; a < kernel->accesses.count; a++) {
        const LoopAccess *access = &kernel->accesses.items[a];
        text_addf(out, "    @%" PRIu32 ": argument %" PRIu32 " %s%s", a, access->argument, stride_names[access->vector],
                  access->scalar_f64 ? " f64" : "");
        if (access->slot) text_addf(out, " slot v%" PRIu32, access->slot - 1);
        text_add(out, "\n");
    }
    for (uint32_t i = 0; i < kernel->ops.count; i++) dump_op(&kernel->ops.items[i], i, out);
    for (uint32_t s = 0; s < kernel->stores.count; s++)
        text_addf(out, "    @%" PRIu32 " := v%" PRIu32 "\n", kernel->stores.items[s].access,
                  kernel->stores.items[s].value);
    for (uint32_t s = 0; s < kernel->sums.count; s++)
        text_addf(out, "    @%" PRIu32 " := sum %s of v%" PRIu32 "\n", kernel->sums.items[s].access,
                  kernel->sums.items[s].down ? "down columns" : "along rows", kernel->sums.items[s].value);
}

static void dump_accesses(const LoopKernel *kernel, const LoopCall *call, Text *out) {
    for (uint32_t a = 0; a < kernel->accesses.count; a++) {
        text_addf(out, "      @%" PRIu32 ": ", a);
        dump_size(call->offset[a], out);
        for (uint32_t axis = 0; axis < kernel->axes; axis++) {
            text_addf(out, " + %c*", (int)('i' + axis));
            dump_size(call->stride[a * LOOP_MAX_AXES + axis], out);
        }
        text_add(out, "\n");
    }
}

static void dump_call(const LoopProgram *program, const LoopCall *call, uint32_t parts, Text *out) {
    const LoopKernel *kernel = &program->kernels.items[call->kernel];
    bool nest = loop_kernel_is_nest(kernel);
    uint32_t axes = nest ? kernel->axes : 2;
    text_addf(out, "    kernel %" PRIu32 " [", call->kernel);
    for (uint32_t axis = 0; axis < axes; axis++) {
        if (axis) text_add(out, ", ");
        if (call->axis[axis].batch)
            text_add(out, "batch");
        else
            text_addf(out, "%" PRId64, call->axis[axis].extent);
    }
    text_add(out, "] (");
    for (uint32_t i = 0; i < call->array_count; i++)
        text_addf(out, "%s%s", i ? ", " : "", program->arrays.items[call->array[i]].name);
    text_add(out, ")");
    for (uint32_t i = 0; !nest && i < (kernel->kind == LOOP_PRODUCT ? 2u : 1u); i++) {
        text_add(out, i ? ", " : " stride ");
        dump_size(call->stride[i], out);
    }
    for (uint32_t i = 0; !nest && i < 2 && (call->offset[i].fixed || call->offset[i].padded); i++) {
        text_add(out, i ? ", " : " from ");
        dump_size(call->offset[i], out);
    }
    if (call->guard) text_addf(out, " %s guard %" PRIu32, call->unless ? "unless" : "if", call->guard - 1);
    if (parts) text_addf(out, " level %" PRIu32 " part %" PRIu32, call->level, call->part);
    text_add(out, "\n");
    if (nest) dump_accesses(kernel, call, out);
}

static void dump_array(const LoopArray *array, Text *out) {
    text_addf(out, "array %s %s[", array->name, real_name(array->real));
    for (uint32_t axis = 0; axis < array->rank; axis++)
        text_addf(out, "%s%" PRId64, axis ? ", " : "", array->extent[axis]);
    if (array->batched) text_add(out, array->rank ? ", batch" : "batch");
    text_add(out, "], ");
    dump_size(loop_array_size(array), out);
    text_add(out, " elements\n");
}

void loop_program_dump(const LoopProgram *program, Text *out) {
    for (uint32_t i = 0; i < program->arrays.count; i++) dump_array(&program->arrays.items[i], out);
    for (uint32_t i = 0; i < program->kernels.count; i++) dump_kernel(&program->kernels.items[i], i, out);
    for (uint32_t i = 0; i < program->entries.count; i++) {
        const LoopEntry *entry = &program->entries.items[i];
        text_addf(out, "entry %s", entry->name);
        if (entry->parts) text_addf(out, " for %" PRIu32 " threads", entry->parts);
        text_add(out, "\n");
        for (uint32_t c = 0; c < entry->calls.count; c++) dump_call(program, &entry->calls.items[c], entry->parts, out);
    }
}
