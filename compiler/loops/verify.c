// Checks that a loops program keeps the promises of loops.h: types, numbers in range, every element inside its array.
// What it finds is a bug of the compiler, never of the user.
#include "maths.h"
#include <inttypes.h>
#include <stdio.h>

typedef struct Check {
    const LoopProgram *program;
    Text problem; // empty as long as all is well; only the first problem is kept
    char place[64];
} Check;

#define complain(check, ...)                                                                                           \
    do {                                                                                                               \
        if (!(check)->problem.length) {                                                                                \
            text_addf(&(check)->problem, "%s: ", (check)->place);                                                      \
            text_addf(&(check)->problem, __VA_ARGS__);                                                                 \
        }                                                                                                              \
    } while (0)
#define place(check, ...) ((void)snprintf((check)->place, sizeof(check)->place, __VA_ARGS__))

// Types of an operation's operands, as letters: R real, I integer, B truth value, T any type equal to the other T,
// @ the number of an access, # a shift distance in `bits`.
static const char *operand_types(LoopOpKind kind) {
    static const char *const types[LOOP_OP_COUNT] = {
        [LOOP_CONST] = "",   [LOOP_ICONST] = "",    [LOOP_LOAD] = "@",      [LOOP_ADD] = "RR",
        [LOOP_SUB] = "RR",   [LOOP_MUL] = "RR",     [LOOP_DIV] = "RR",      [LOOP_FMA] = "RRR",
        [LOOP_NEG] = "R",    [LOOP_ABS] = "R",      [LOOP_SQRT] = "R",      [LOOP_MIN] = "RR",
        [LOOP_MAX] = "RR",   [LOOP_RINT] = "R",     [LOOP_COPYSIGN] = "RR", [LOOP_LT] = "RR",
        [LOOP_LE] = "RR",    [LOOP_EQ] = "RR",      [LOOP_AND] = "BB",      [LOOP_OR] = "BB",
        [LOOP_NOT] = "B",    [LOOP_SELECT] = "BTT", [LOOP_TO_BITS] = "R",   [LOOP_FROM_BITS] = "I",
        [LOOP_TO_INT] = "R", [LOOP_TO_REAL] = "I",  [LOOP_IADD] = "II",     [LOOP_ISUB] = "II",
        [LOOP_IAND] = "II",  [LOOP_IOR] = "II",     [LOOP_IXOR] = "II",     [LOOP_ISHL] = "I#",
        [LOOP_ISHR] = "I#",  [LOOP_IASR] = "I#",    [LOOP_CALL] = "R"};
    return types[kind];
}

static bool type_fits(const LoopOp *ops, uint32_t operand, char wanted, LoopValueType other) {
    LoopValueType type = loop_op_type(ops, operand);
    switch (wanted) {
    case 'R': return type == LOOP_REAL;
    case 'I': return type == LOOP_INT;
    case 'B': return type == LOOP_BOOL;
    default: return type == other;
    }
}

static void check_op(Check *check, const LoopKernel *kernel, uint32_t number) {
    const LoopOp *ops = kernel->ops.items, *op = &ops[number];
    if ((unsigned)op->kind >= LOOP_OP_COUNT) {
        complain(check, "operation %" PRIu32 " has no such kind", number);
        return;
    }
    const uint32_t operands[] = {op->a, op->b, op->c};
    const char *types = operand_types(op->kind);
    if (op->kind == LOOP_CALL && (!check->program->calls || op->bits > MATH_POWER))
        complain(check, "v%" PRIu32 " is a call", number);
    if (op->kind == LOOP_CALL && op->bits == MATH_POWER) types = "RR";
    for (uint32_t i = 0; types[i]; i++) {
        if (types[i] == '@') {
            if (op->a >= kernel->accesses.count) complain(check, "v%" PRIu32 " loads from no access", number);
        } else if (types[i] == '#') {
            if (op->bits >= (kernel->real == LOOP_F32 ? 32u : 64u))
                complain(check, "v%" PRIu32 " shifts by more than the width", number);
        } else if (operands[i] >= number) {
            complain(check, "operand %" PRIu32 " of v%" PRIu32 " is not an earlier operation", i, number);
        } else if (!type_fits(ops, operands[i], types[i], types[i] == 'T' ? loop_op_type(ops, op->b) : LOOP_REAL)) {
            complain(check, "operand %" PRIu32 " of v%" PRIu32 " has the wrong type", i, number);
        }
        if (check->problem.length) return; // later checks rely on this operation
    }
}

static void check_nest_kernel(Check *check, const LoopKernel *kernel) {
    if (kernel->axes > LOOP_MAX_AXES) complain(check, "too many axes");
    for (uint32_t i = 0; i < kernel->ops.count && !check->problem.length; i++) check_op(check, kernel, i);
    for (uint32_t i = 0; i < kernel->stores.count && !check->problem.length; i++) {
        LoopStore store = kernel->stores.items[i];
        if (store.access >= kernel->accesses.count)
            complain(check, "store %" PRIu32 " has no access", i);
        else if (store.value >= kernel->ops.count || loop_op_type(kernel->ops.items, store.value) != LOOP_REAL)
            complain(check, "store %" PRIu32 " of something that is not a real value", i);
        else if (kernel->kind != LOOP_REDUCE && kernel->axes &&
                 kernel->accesses.items[store.access].vector == LOOP_SPLAT)
            complain(check, "store %" PRIu32 " does not move along the vector axis", i);
    }
    for (uint32_t i = 0; i < kernel->sums.count && !check->problem.length; i++) {
        LoopSum sum = kernel->sums.items[i];
        if (sum.access >= kernel->accesses.count || sum.value >= kernel->ops.count ||
            loop_op_type(kernel->ops.items, sum.value) != LOOP_REAL)
            complain(check, "sum %" PRIu32 " has no access or no real value", i);
        else if ((kernel->accesses.items[sum.access].vector == LOOP_UNIT) != sum.down)
            complain(check, "the result of sum %" PRIu32 " moves along the wrong axis", i);
    }
    if (kernel->kind == LOOP_SWEEP) {
        if (kernel->axes != 2) complain(check, "a sweep has two axes");
        for (uint32_t a = 0; a < kernel->accesses.count; a++)
            if (kernel->accesses.items[a].vector == LOOP_STRIDED) complain(check, "a sweep's access is strided");
    }
    if (kernel->kind != LOOP_REDUCE) return;
    if (kernel->outer > kernel->axes) complain(check, "more axes kept than there are");
    if (kernel->stores.count != 1) complain(check, "a reduction has one result");
}

// Smallest and largest element number an access reaches when a padded batch has `padded` elements.
static void check_bounds(Check *check, const LoopCall *call, uint32_t array, LoopSize offset, const LoopSize *stride,
                         uint32_t axes, int64_t padded) {
    LoopSize size = loop_array_size(&check->program->arrays.items[array]);
    int64_t low = offset.fixed + offset.padded * padded, high = low;
    for (uint32_t axis = 0; axis < axes; axis++) {
        int64_t extent = call->axis[axis].batch ? padded : call->axis[axis].extent;
        if (extent <= 0) return; // nothing is touched
        int64_t reach = (extent - 1) * (stride[axis].fixed + stride[axis].padded * padded);
        if (reach < 0)
            low += reach;
        else
            high += reach;
    }
    if (low < 0 || high >= size.fixed + size.padded * padded)
        complain(check,
                 "elements %" PRId64 " to %" PRId64 " of `%s`, which has %" PRId64 " (padded batch of %" PRId64 ")",
                 low, high, check->program->arrays.items[array].name, size.fixed + size.padded * padded, padded);
}

static void check_bounds_twice(Check *check, const LoopCall *call, uint32_t array, LoopSize offset,
                               const LoopSize *stride, uint32_t axes) {
    check_bounds(check, call, array, offset, stride, axes, LOOP_PAD); // linear in the batch, so two sizes are enough
    check_bounds(check, call, array, offset, stride, axes, 64 * LOOP_PAD);
}

static bool is_scalar_f64(const LoopArray *array) {
    return array->rank == 0 && !array->batched && array->real == LOOP_F64;
}

static bool is_operation(const LoopOp *ops, uint32_t op, uint32_t before, LoopOpKind kind) {
    return op < before && ops[op].kind == kind;
}

// min(max(x, 0), n) + 1/2, n below the number of slots: whatever x is, no element outside is reached.
static void check_slot(Check *check, const LoopKernel *kernel, const LoopArray *array, uint32_t slot) {
    const LoopOp *ops = kernel->ops.items, *add = slot <= kernel->ops.count ? &ops[slot - 1] : NULL;
    if (array->rank != 2 || !array->per_sample || kernel->kind == LOOP_SWEEP)
        complain(check, "`%s` has no slots", array->name);
    bool good = add && add->kind == LOOP_ADD;
    for (int side = 0; good && side < 2; side++) {
        uint32_t least = side ? add->a : add->b, half = side ? add->b : add->a;
        if (!is_operation(ops, least, slot, LOOP_MIN) || !is_operation(ops, half, slot, LOOP_CONST)) continue;
        const LoopOp *min = &ops[least], *max = is_operation(ops, min->a, slot, LOOP_MAX) ? &ops[min->a] : NULL;
        if (max && is_operation(ops, max->b, slot, LOOP_CONST) && is_operation(ops, min->b, slot, LOOP_CONST) &&
            ops[half].value == 0.5 && ops[max->b].value == 0 && ops[min->b].value < (double)array->extent[1])
            return;
    }
    complain(check, "the slot of `%s` may lie outside", array->name);
}

static void check_access(Check *check, const LoopKernel *kernel, const LoopCall *call, uint32_t number) {
    const LoopAccess *access = &kernel->accesses.items[number];
    if (access->argument >= call->array_count) {
        complain(check, "access %" PRIu32 " of an argument that is not passed", number);
        return;
    }
    uint32_t array = call->array[access->argument];
    const LoopArray *target = &check->program->arrays.items[array];
    if (access->scalar_f64 ? !is_scalar_f64(target) : target->real != kernel->real)
        complain(check, "`%s` has another element type than access %" PRIu32, target->name, number);
    if (access->slot) check_slot(check, kernel, target, access->slot);
    const LoopSize *stride = &call->stride[number * LOOP_MAX_AXES];
    if (kernel->axes) {
        LoopSize along = stride[kernel->axes - 1];
        if (access->vector == LOOP_SPLAT && (along.fixed || along.padded))
            complain(check, "splat access %" PRIu32 " moves along the vector axis", number);
        if (access->vector == LOOP_UNIT && (along.fixed != 1 || along.padded))
            complain(check, "unit access %" PRIu32 " has another stride along the vector axis", number);
    }
    check_bounds_twice(check, call, array, call->offset[number], stride, kernel->axes);
}

static void check_nest_call(Check *check, const LoopKernel *kernel, const LoopCall *call) {
    for (uint32_t a = 0; a < kernel->accesses.count && !check->problem.length; a++)
        check_access(check, kernel, call, a);
    for (uint32_t i = 0; i < kernel->sums.count && !check->problem.length; i++) {
        LoopSum sum = kernel->sums.items[i];
        LoopSize along = call->stride[sum.access * LOOP_MAX_AXES + (sum.down ? 0 : 1)];
        LoopSize own = call->stride[sum.access * LOOP_MAX_AXES + (sum.down ? 1 : 0)];
        if (along.fixed || along.padded || own.fixed != 1 || own.padded) complain(check, "a sum's result is no vector");
    }
    for (uint32_t axis = 0; kernel->kind == LOOP_SWEEP && axis < 2; axis++)
        if (call->axis[axis].batch || call->axis[axis].extent < 1) complain(check, "a sweep over nothing");
    if (kernel->kind != LOOP_REDUCE || check->problem.length) return;
    const LoopSize *stride = &call->stride[kernel->stores.items[0].access * LOOP_MAX_AXES];
    for (uint32_t axis = kernel->outer; axis < kernel->axes; axis++)
        if (stride[axis].fixed || stride[axis].padded) complain(check, "the result moves along a summed axis");
}

static void check_contraction_call(Check *check, const LoopKernel *kernel, const LoopCall *call) {
    if (call->array_count != 3) {
        complain(check, "a contraction has three arrays");
        return;
    }
    for (uint32_t i = 0; i < 3; i++) {
        const LoopArray *array = &check->program->arrays.items[call->array[i]];
        bool batched = kernel->kind == LOOP_PRODUCT ? i != 1 : i != 0;
        if (array->real != kernel->real) complain(check, "`%s` has another element type", array->name);
        if (array->batched != batched) complain(check, "`%s` is %s", array->name, batched ? "not batched" : "batched");
    }
    if (call->axis[0].batch || call->axis[1].batch) complain(check, "the batch is no axis of a contraction's result");
    if (check->problem.length) return;
    // Rows of batched operands are one padded batch apart; only their first elements are checked.
    const LoopSize row = {.padded = 1}, none = {0}, one = {.fixed = 1};
    bool product = kernel->kind == LOOP_PRODUCT;
    const LoopSize out[] = {product ? row : call->stride[0], product ? none : one};
    const LoopSize left[] = {product ? call->stride[0] : row, product ? call->stride[1] : none};
    const LoopSize right[] = {none, row};
    check_bounds_twice(check, call, call->array[0], call->offset[0], out, 2);
    check_bounds_twice(check, call, call->array[1], call->offset[1], left, 2);
    check_bounds_twice(check, call, call->array[2], none, right, 2);
}

static void check_call(Check *check, const LoopCall *call) {
    const LoopProgram *program = check->program;
    if (call->kernel >= program->kernels.count) {
        complain(check, "no kernel %" PRIu32, call->kernel);
        return;
    }
    if (call->guard > 64) complain(check, "guard %" PRIu32 " of 64", call->guard);
    for (uint32_t i = 0; i < call->array_count; i++)
        if (call->array[i] >= program->arrays.count) {
            complain(check, "no array %" PRIu32, call->array[i]);
            return;
        }
    const LoopKernel *kernel = &program->kernels.items[call->kernel];
    if (loop_kernel_is_nest(kernel))
        check_nest_call(check, kernel, call);
    else
        check_contraction_call(check, kernel, call);
}

static void check_array(Check *check, const LoopArray *array) {
    if (array->rank > LOOP_MAX_AXES)
        complain(check, "`%s` has too many axes", array->name);
    else if (!array->rank && !array->batched && array->real != LOOP_F64)
        complain(check, "scalar `%s` is not f64", array->name);
}

char *loop_program_verify(const LoopProgram *program) {
    Check check = {.program = program};
    place(&check, "arrays");
    for (uint32_t i = 0; i < program->arrays.count; i++) check_array(&check, &program->arrays.items[i]);
    for (uint32_t k = 0; k < program->kernels.count && !check.problem.length; k++) {
        const LoopKernel *kernel = &program->kernels.items[k];
        place(&check, "kernel %" PRIu32, k);
        if (loop_kernel_is_nest(kernel)) check_nest_kernel(&check, kernel);
    }
    for (uint32_t e = 0; e < program->entries.count; e++) {
        const LoopEntry *entry = &program->entries.items[e];
        for (uint32_t c = 0; c < entry->calls.count && !check.problem.length; c++) {
            place(&check, "entry %.40s, call %" PRIu32, entry->name, c);
            check_call(&check, &entry->calls.items[c]);
        }
    }
    return check.problem.bytes; // NULL as long as nothing was added
}
