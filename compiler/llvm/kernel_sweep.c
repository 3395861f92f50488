// SWEEP: one pass over matrices, a block of rows at a time. What depends on the row alone is computed before a block's
// columns, what depends on the column alone once for all its rows. Sums along rows stay in registers; a vector of sums
// down columns is loaded and stored once per block.
#include "emit.h"
#include <string.h>

enum { MOST_ROWS = 8 };
enum { MOVES_DOWN = 1, MOVES_ALONG = 2 }; // with the row, with the column; a set

typedef struct SweepAccess {
    LoopReal real;
    uint8_t moves;
    LLVMValueRef base, row_stride, pointer[MOST_ROWS]; // pointer: of the rows of the block at work; one if it stays
} SweepAccess;

typedef struct SweepValue { // of an operation, as vectors: of each row of the block, or one for all
    uint8_t moves;
    LLVMValueRef vector[MOST_ROWS];
} SweepValue;

typedef struct Sweep {
    Emitter *e;
    const LoopKernel *kernel;
    unsigned lanes, rows; // rows of the block at work
    SweepAccess *accesses;
    SweepValue *values;
    LLVMValueRef column; // first of the vector at work
} Sweep;

static LLVMTypeRef vector_type(const Sweep *s) { return emit_real_type(s->e, s->kernel->real, s->lanes); }
static LLVMValueRef zero(const Sweep *s) { return LLVMConstNull(vector_type(s)); }

// Of a value or access that moves so: which of the rows' vectors holds row `row`.
static unsigned of_row(uint8_t moves, unsigned row) { return moves & MOVES_DOWN ? row : 0; }
static unsigned copies(const Sweep *s, uint8_t moves) { return moves & MOVES_DOWN ? s->rows : 1; }

// --- The plan -------------------------------------------------------------------------------------------------------

static void plan_access(Sweep *s, uint32_t number) {
    Emitter *e = s->e;
    const LoopAccess *access = &s->kernel->accesses.items[number];
    SweepAccess *plan = &s->accesses[number];
    plan->real = access->scalar_f64 ? LOOP_F64 : s->kernel->real;
    plan->base =
        emit_address(e, emit_real_type(e, plan->real, 1), emit_array(e, access->argument), emit_offset(e, number));
    plan->row_stride = emit_stride(e, number * LOOP_MAX_AXES);
    plan->moves = (uint8_t)((emit_is_constant(plan->row_stride, 0) ? 0 : MOVES_DOWN) |
                            (access->vector == LOOP_UNIT ? MOVES_ALONG : 0));
}

static void plan_value(Sweep *s, uint32_t number) {
    const LoopOp *op = &s->kernel->ops.items[number];
    uint32_t operands[3], count = loop_op_operands(op, operands);
    SweepValue *plan = &s->values[number];
    if (op->kind == LOOP_LOAD) plan->moves = s->accesses[op->a].moves;
    for (uint32_t i = 0; i < count; i++) plan->moves |= s->values[operands[i]].moves;
}

// A block's sums along rows stay in registers, beside one row's worth of other values.
static unsigned rows_of_block(const Sweep *s) {
    unsigned rows = s->e->target->registers >= 32 ? MOST_ROWS : MOST_ROWS / 2, along = 0;
    for (uint32_t i = 0; i < s->kernel->sums.count; i++) along += !s->kernel->sums.items[i].down;
    while (rows > s->lanes || (rows > 1 && rows * along > TILE_MAX)) rows /= 2; // one lane for each row's sum at last
    return rows;
}

// --- Values ---------------------------------------------------------------------------------------------------------

static LLVMValueRef load_access(const Sweep *s, const SweepAccess *access, unsigned row) {
    const Emitter *e = s->e;
    LLVMTypeRef element = emit_real_type(e, access->real, 1);
    LLVMValueRef pointer = access->pointer[of_row(access->moves, row)];
    if (access->moves & MOVES_ALONG) {
        pointer = emit_address(e, element, pointer, s->column);
        return emit_load(e, vector_type(s), pointer, emit_alignment(access->real));
    }
    LLVMValueRef value = emit_load(e, element, pointer, emit_alignment(access->real));
    if (access->real != s->kernel->real)
        value = LLVMBuildFPTrunc(e->builder, value, emit_real_type(e, s->kernel->real, 1), "");
    return emit_splat(e, value, s->lanes);
}

static LLVMValueRef constant(const Sweep *s, const LoopOp *op) {
    LoopReal real = s->kernel->real;
    double rounded = real == LOOP_F32 ? (double)(float)op->value : op->value;
    LLVMValueRef all[64], one = op->kind == LOOP_ICONST ? LLVMConstInt(emit_int_type(s->e, real, 1), op->bits, 0)
                                                        : LLVMConstReal(emit_real_type(s->e, real, 1), rounded);
    for (unsigned i = 0; i < s->lanes; i++) all[i] = one;
    return LLVMConstVector(all, s->lanes);
}

static LLVMValueRef value_of_row(Sweep *s, const LoopOp *op, unsigned row) {
    if (op->kind == LOOP_CONST || op->kind == LOOP_ICONST) return constant(s, op);
    if (op->kind == LOOP_LOAD) return load_access(s, &s->accesses[op->a], row);
    uint32_t numbers[3], count = loop_op_operands(op, numbers);
    LLVMValueRef operands[3];
    for (uint32_t i = 0; i < count; i++) {
        const SweepValue *operand = &s->values[numbers[i]];
        operands[i] = operand->vector[of_row(operand->moves, row)];
    }
    return emit_op(s->e, op, operands, s->lanes);
}

// Everything that moves so, operation by operation: row after row would do, too, but neighbours that do not wait for
// each other are better.
static void emit_values(Sweep *s, uint8_t moves) {
    for (uint32_t i = 0; i < s->kernel->ops.count; i++)
        for (unsigned row = 0; s->values[i].moves == moves && row < copies(s, moves); row++)
            s->values[i].vector[row] = value_of_row(s, &s->kernel->ops.items[i], row);
}

// sum + value; in one operation when the value is a product.
static LLVMValueRef add_value(const Sweep *s, LLVMValueRef sum, uint32_t number, unsigned row) {
    const LoopOp *op = &s->kernel->ops.items[number];
    const SweepValue *value = &s->values[number], *a = &s->values[op->a], *b = &s->values[op->b];
    if (op->kind == LOOP_MUL && !s->e->program->deterministic)
        return emit_fma(s->e, a->vector[of_row(a->moves, row)], b->vector[of_row(b->moves, row)], sum);
    return LLVMBuildFAdd(s->e->builder, sum, value->vector[of_row(value->moves, row)], "");
}

// --- Columns --------------------------------------------------------------------------------------------------------

static void add_down(const Sweep *s, const LoopSum *sum) {
    const Emitter *e = s->e;
    const SweepAccess *access = &s->accesses[sum->access];
    LLVMValueRef address = emit_address(e, emit_real_type(e, access->real, 1), access->base, s->column);
    LLVMValueRef total = emit_load(e, vector_type(s), address, emit_alignment(access->real));
    for (unsigned row = 0; row < s->rows; row++) total = add_value(s, total, sum->value, row);
    emit_store(e, total, address, emit_alignment(access->real));
}

// One vector of columns. `mask`: the lanes that sums along rows take part in; NULL: all.
static void emit_columns(Sweep *s, LLVMValueRef column, LLVMValueRef mask, LLVMValueRef *along) {
    const Emitter *e = s->e;
    s->column = column;
    emit_values(s, MOVES_ALONG);
    emit_values(s, MOVES_ALONG | MOVES_DOWN);
    unsigned next = 0;
    for (uint32_t i = 0; i < s->kernel->sums.count; i++) {
        const LoopSum *sum = &s->kernel->sums.items[i];
        if (sum->down) add_down(s, sum);
        for (unsigned row = 0; !sum->down && row < s->rows; row++, next++) {
            LLVMValueRef total = add_value(s, along[next], sum->value, row);
            along[next] = mask ? LLVMBuildSelect(e->builder, mask, total, along[next], "") : total;
        }
    }
    for (uint32_t i = 0; i < s->kernel->stores.count; i++) {
        LoopStore store = s->kernel->stores.items[i];
        const SweepAccess *access = &s->accesses[store.access];
        const SweepValue *value = &s->values[store.value];
        for (unsigned row = 0; row < copies(s, access->moves); row++) {
            LLVMTypeRef element = emit_real_type(e, access->real, 1);
            LLVMValueRef address = emit_address(e, element, access->pointer[row], column);
            emit_store(e, value->vector[of_row(value->moves, row)], address, emit_alignment(access->real));
        }
    }
}

// Adds up the lanes of the block's rows together: in each round the halves of every vector, as a single one would be;
// two vectors become one until one is left, whose lanes at last are the sums of the rows in order.
static LLVMValueRef combine_rows(const Sweep *s, LLVMValueRef *vectors) {
    const Emitter *e = s->e;
    unsigned count = s->rows, groups = 1, lanes = s->lanes;
    for (; lanes > 1; lanes /= 2) {
        unsigned pairs = count > 1 ? count / 2 : 1, from = count > 1 ? 2 : 1, low[128], high[128];
        for (unsigned g = 0; g < from * groups; g++)
            for (unsigned l = 0; l < lanes / 2; l++) {
                low[g * (lanes / 2) + l] = g * lanes + l;
                high[g * (lanes / 2) + l] = g * lanes + lanes / 2 + l;
            }
        unsigned width = from * groups * (lanes / 2);
        for (unsigned p = 0; p < pairs; p++) {
            LLVMValueRef a = vectors[from * p], b = count > 1 ? vectors[2 * p + 1] : LLVMGetPoison(LLVMTypeOf(a));
            vectors[p] =
                LLVMBuildFAdd(e->builder, emit_shuffle(e, a, b, low, width), emit_shuffle(e, a, b, high, width), "");
        }
        groups *= from;
        count = pairs;
    }
    return vectors[0];
}

static void store_along(const Sweep *s, const LoopSum *sum, LLVMValueRef first_row, LLVMValueRef *along) {
    const Emitter *e = s->e;
    const SweepAccess *access = &s->accesses[sum->access];
    LLVMValueRef address = emit_address(e, emit_real_type(e, access->real, 1), access->base, first_row);
    emit_store(e, combine_rows(s, along), address, emit_alignment(access->real));
}

// --- Blocks ---------------------------------------------------------------------------------------------------------

static void start_block(Sweep *s, LLVMValueRef first_row) {
    const Emitter *e = s->e;
    for (uint32_t a = 0; a < s->kernel->accesses.count; a++) {
        SweepAccess *access = &s->accesses[a];
        LLVMTypeRef element = emit_real_type(e, access->real, 1);
        for (unsigned row = 0; row < copies(s, access->moves); row++) {
            LLVMValueRef number =
                access->moves & MOVES_DOWN ? emit_add(e, first_row, emit_int(e, row)) : emit_int(e, 0);
            access->pointer[row] = emit_address(e, element, access->base, emit_mul(e, number, access->row_stride));
        }
    }
    emit_values(s, MOVES_DOWN);
}

// All columns of `rows` rows. With sums along rows the last vector, part of which may be padding, stands apart.
static void emit_row_block(Sweep *s, unsigned rows, LLVMValueRef first_row, LLVMValueRef columns) {
    Emitter *e = s->e;
    LLVMValueRef along[TILE_MAX];
    unsigned count = 0, lanes = s->lanes;
    s->rows = rows;
    for (uint32_t i = 0; i < s->kernel->sums.count; i++)
        for (unsigned row = 0; !s->kernel->sums.items[i].down && row < rows; row++) along[count++] = zero(s);
    start_block(s, first_row);
    LLVMValueRef end = columns, last = LLVMBuildSub(e->builder, columns, emit_int(e, 1), "");
    if (count) end = last = LLVMBuildAnd(e->builder, last, emit_int(e, -(int64_t)lanes), "");
    ForLoop loop = emit_for(e, end, lanes, along, count);
    emit_columns(s, loop.index, NULL, along);
    emit_end(e, &loop, along);
    if (!count) return;
    LLVMValueRef left = LLVMBuildSub(e->builder, columns, last, "");
    emit_columns(s, last, emit_lanes_below(e, s->kernel->real, left, lanes), along);
    unsigned next = 0;
    for (uint32_t i = 0; i < s->kernel->sums.count; i++) {
        if (s->kernel->sums.items[i].down) continue;
        store_along(s, &s->kernel->sums.items[i], first_row, along + next);
        next += rows;
    }
}

static void clear_sums(Sweep *s, LLVMValueRef columns) {
    Emitter *e = s->e;
    for (uint32_t i = 0; i < s->kernel->sums.count; i++) {
        const SweepAccess *access = &s->accesses[s->kernel->sums.items[i].access];
        if (!s->kernel->sums.items[i].down) continue;
        ForLoop loop = emit_for(e, columns, s->lanes, NULL, 0);
        LLVMValueRef address = emit_address(e, emit_real_type(e, access->real, 1), access->base, loop.index);
        emit_store(e, zero(s), address, emit_alignment(access->real));
        emit_end(e, &loop, NULL);
    }
}

void emit_sweep_kernel(Emitter *e, const LoopKernel *kernel) {
    Sweep s = {.e = e, .kernel = kernel};
    s.lanes = e->program->deterministic ? LOOP_LANES : emit_lanes(e, kernel->real);
    s.accesses = memory_resize(NULL, kernel->accesses.count + 1, sizeof *s.accesses);
    s.values = memory_resize(NULL, kernel->ops.count + 1, sizeof *s.values);
    memset(s.accesses, 0, (kernel->accesses.count + 1) * sizeof *s.accesses);
    memset(s.values, 0, (kernel->ops.count + 1) * sizeof *s.values);
    for (uint32_t a = 0; a < kernel->accesses.count; a++) plan_access(&s, a);
    for (uint32_t i = 0; i < kernel->ops.count; i++) plan_value(&s, i);
    LLVMValueRef rows = emit_extent(e, 0), columns = emit_extent(e, 1);
    clear_sums(&s, columns);
    s.rows = 1;
    for (uint32_t a = 0; a < kernel->accesses.count; a++) s.accesses[a].pointer[0] = s.accesses[a].base;
    emit_values(&s, 0);
    unsigned block = rows_of_block(&s);
    LLVMValueRef whole = LLVMBuildAnd(e->builder, rows, emit_int(e, -(int64_t)block), "");
    ForLoop blocks = emit_for(e, whole, block, NULL, 0);
    emit_row_block(&s, block, blocks.index, columns);
    emit_end(e, &blocks, NULL);
    if (block > 1) {
        ForLoop rest = emit_for(e, LLVMBuildSub(e->builder, rows, whole, ""), 1, NULL, 0);
        emit_row_block(&s, 1, emit_add(e, whole, rest.index), columns);
        emit_end(e, &rest, NULL);
    }
    free(s.accesses);
    free(s.values);
}
