// MAP and REDUCE: loops over the axes with one of them in vectors. Everything is emitted at the outermost loop it
// depends on: addresses step by step as loops open, splat loads and what follows from them alone as scalars outside.
#include "emit.h"
#include <math.h>
#include <string.h>

enum { SUMS = 4 }; // that the terms of a reduction go round; 1 where the shape of sums is promised

typedef struct NestAccess {
    LoopReal real;
    LoopStride vector;    // along the chosen vector axis
    LLVMValueRef pointer; // moves on with every loop that opens
    LLVMValueRef stride[LOOP_MAX_AXES];
    uint32_t level; // number of the innermost loop it moves with; 0: none
    uint32_t slot;  // as in LoopAccess
} NestAccess;

typedef struct NestValue { // of an operation, as scalar or vector or both
    LLVMValueRef scalar, vector;
    uint32_t level;
    bool in_lanes;    // differs between the lanes
    bool want_vector; // some user works in lanes
} NestValue;

typedef struct Nest {
    Emitter *e;
    const LoopKernel *kernel;
    unsigned lanes;                // 1 without axes
    unsigned sums;                 // that a reduction's terms go round
    uint32_t order[LOOP_MAX_AXES]; // axis of each loop, outermost first
    uint32_t vector_axis, kept;    // loops of kept axes come first
    LLVMValueRef extent[LOOP_MAX_AXES], vector_last, vector_index;
    ForLoop loops[LOOP_MAX_AXES];
    NestAccess *accesses;
    NestValue *values;
} Nest;

// --- The plan -------------------------------------------------------------------------------------------------------

static LoopStride movement(const Emitter *e, uint32_t access, uint32_t axis) {
    return loop_movement(e->program, (uint32_t)(e->code - e->kernels), access, axis);
}

static bool is_stored(const LoopKernel *kernel, uint32_t access) {
    for (uint32_t s = 0; s < kernel->stores.count; s++)
        if (kernel->stores.items[s].access == access) return true;
    return false;
}

// What follows the vector axis' elements in a row is padding, not elements outside a slice.
static bool ends_in_padding(const LoopArray *array, LoopAxis axis, LoopSize offset) {
    if (axis.batch || array->batched) return axis.batch && array->batched;
    if (axis.extent % LOOP_PAD == 0 || !array->rank) return axis.extent % LOOP_PAD == 0;
    int64_t row = array->rank > 1 ? loop_array_stride(array, array->rank - 2).fixed : INT64_MAX;
    return offset.fixed % row + axis.extent >= array->extent[array->rank - 1];
}

// Contiguous accesses go by whole vectors, the last of a row into its padding. That needs rows that begin on whole
// vectors and, where something is written, end in padding. Slices of other kinds go lane by lane.
static bool fits_whole_vectors(const Emitter *e, const LoopKernel *kernel, uint32_t access, uint32_t vector_axis) {
    bool stored = is_stored(kernel, access);
    for (uint32_t c = 0; c < e->code->calls.count; c++) {
        const LoopCall *call = e->code->calls.items[c];
        const LoopArray *array = &e->program->arrays.items[call->array[kernel->accesses.items[access].argument]];
        if (stored && !ends_in_padding(array, call->axis[vector_axis], call->offset[access])) return false;
        if (call->offset[access].fixed % LOOP_PAD) return false;
        for (uint32_t axis = 0; axis < kernel->axes; axis++)
            if (axis != vector_axis && call->stride[access * LOOP_MAX_AXES + axis].fixed % LOOP_PAD) return false;
    }
    return true;
}

static void plan_loops(Nest *nest) {
    const LoopKernel *kernel = nest->kernel;
    nest->kept = kernel->kind == LOOP_REDUCE ? kernel->outer : kernel->axes;
    nest->lanes = 1;
    if (!kernel->axes) return;
    nest->lanes = emit_lanes(nest->e, kernel->real);
    nest->vector_axis = loop_vector_axis(nest->e->program, (uint32_t)(nest->e->code - nest->e->kernels));
    if (nest->e->program->deterministic && nest->vector_axis >= nest->kept) nest->lanes = LOOP_LANES;
    // The vector axis goes innermost among its own kind, kept or reduced; the others stay in order.
    uint32_t loops = 0;
    for (uint32_t axis = 0; axis < nest->kept; axis++)
        if (axis != nest->vector_axis) nest->order[loops++] = axis;
    if (nest->vector_axis < nest->kept) nest->order[loops++] = nest->vector_axis;
    for (uint32_t axis = nest->kept; axis < kernel->axes; axis++) nest->order[loops++] = axis;
    for (uint32_t axis = 0; axis < kernel->axes; axis++) nest->extent[axis] = emit_extent(nest->e, axis);
    nest->vector_last = LLVMBuildSub(nest->e->builder, nest->extent[nest->vector_axis], emit_int(nest->e, 1), "");
}

static void plan_access(Nest *nest, uint32_t number) {
    Emitter *e = nest->e;
    const LoopAccess *access = &nest->kernel->accesses.items[number];
    NestAccess *plan = &nest->accesses[number];
    plan->real = access->scalar_f64 ? LOOP_F64 : nest->kernel->real;
    plan->slot = access->slot;
    plan->pointer =
        emit_address(e, emit_real_type(e, plan->real, 1), emit_array(e, access->argument), emit_offset(e, number));
    plan->vector = LOOP_SPLAT;
    if (!nest->kernel->axes) return;
    plan->vector = movement(e, number, nest->vector_axis);
    if (plan->vector == LOOP_UNIT && !fits_whole_vectors(e, nest->kernel, number, nest->vector_axis))
        plan->vector = LOOP_STRIDED;
    for (uint32_t loop = 0; loop < nest->kernel->axes; loop++) {
        uint32_t axis = nest->order[loop];
        plan->stride[axis] = emit_stride(e, number * LOOP_MAX_AXES + axis);
        if (!emit_is_constant(plan->stride[axis], 0)) plan->level = loop + 1;
    }
}

static void plan_value(Nest *nest, uint32_t number) {
    const LoopOp *op = &nest->kernel->ops.items[number];
    NestValue *plan = &nest->values[number];
    if (op->kind == LOOP_LOAD) {
        uint32_t slot = nest->accesses[op->a].slot, slot_level = slot ? nest->values[slot - 1].level : 0;
        if (slot && nest->values[slot - 1].in_lanes)
            nest->accesses[op->a].vector = LOOP_STRIDED; // a slot for each lane
        plan->level = nest->accesses[op->a].level > slot_level ? nest->accesses[op->a].level : slot_level;
        plan->in_lanes = nest->accesses[op->a].vector != LOOP_SPLAT;
    }
    uint32_t operands[3], count = loop_op_operands(op, operands);
    for (uint32_t i = 0; i < count; i++) {
        const NestValue *operand = &nest->values[operands[i]];
        if (operand->level > plan->level) plan->level = operand->level;
        plan->in_lanes = plan->in_lanes || operand->in_lanes;
    }
    for (uint32_t i = 0; plan->in_lanes && i < count; i++) nest->values[operands[i]].want_vector = true;
}

// --- Values ---------------------------------------------------------------------------------------------------------

// How far the slots of an access are apart.
static LLVMValueRef slot_stride(const Nest *nest, uint32_t number) {
    const Emitter *e = nest->e;
    uint32_t array = e->code->calls.items[0]->array[nest->kernel->accesses.items[number].argument];
    return e->program->arrays.items[array].batched ? e->batch_padded : emit_int(e, 1);
}

// Where an access begins, in a lane: at the slot that it means.
static LLVMValueRef base_address(const Nest *nest, const NestAccess *access, unsigned lane) {
    const Emitter *e = nest->e;
    if (!access->slot) return access->pointer;
    const NestValue *value = &nest->values[access->slot - 1];
    LLVMValueRef slot;
    if (value->in_lanes) { // all lanes at once: the builder's equal conversions are one
        LLVMTypeRef numbers = LLVMVectorType(e->int32, nest->lanes);
        slot = LLVMBuildFPToSI(e->builder, value->vector, numbers, "");
        slot =
            LLVMBuildSExt(e->builder, LLVMBuildExtractElement(e->builder, slot, emit_int(e, lane), ""), e->int64, "");
    } else {
        slot = LLVMBuildFPToSI(e->builder, value->scalar, e->int64, "");
    }
    return emit_address(e, emit_real_type(e, access->real, 1), access->pointer,
                        emit_mul(e, slot, slot_stride(nest, (uint32_t)(access - nest->accesses))));
}

// Address of one lane of a strided access. Lanes beyond the axis stay at its last element.
static LLVMValueRef lane_address(const Nest *nest, const NestAccess *access, unsigned lane) {
    const Emitter *e = nest->e;
    LLVMValueRef index = nest->vector_index;
    if (lane) index = emit_min(e, emit_add(e, index, emit_int(e, lane)), nest->vector_last);
    return emit_address(e, emit_real_type(e, access->real, 1), base_address(nest, access, lane),
                        emit_mul(e, index, access->stride[nest->vector_axis]));
}

static LLVMValueRef load_lanes(const Nest *nest, const NestAccess *access) {
    const Emitter *e = nest->e;
    LLVMTypeRef element = emit_real_type(e, access->real, 1);
    LLVMValueRef value = LLVMGetPoison(emit_real_type(e, access->real, nest->lanes));
    for (unsigned lane = 0; lane < nest->lanes; lane++) {
        LLVMValueRef part = emit_load(e, element, lane_address(nest, access, lane), emit_alignment(access->real));
        value = LLVMBuildInsertElement(e->builder, value, part, emit_int(e, lane), "");
    }
    return value;
}

// From the last lane to the first: lanes beyond the axis write to its last element, which gets its own value last.
static void store_lanes(const Nest *nest, const NestAccess *access, LLVMValueRef value) {
    const Emitter *e = nest->e;
    for (unsigned lane = nest->lanes; lane-- > 0;)
        emit_store(e, LLVMBuildExtractElement(e->builder, value, emit_int(e, lane), ""),
                   lane_address(nest, access, lane), emit_alignment(access->real));
}

static LLVMValueRef load_access(const Nest *nest, const NestAccess *access) {
    const Emitter *e = nest->e;
    if (access->vector == LOOP_STRIDED) return load_lanes(nest, access);
    LLVMTypeRef type = emit_real_type(e, access->real, access->vector == LOOP_UNIT ? nest->lanes : 1);
    LLVMValueRef value = emit_load(e, type, base_address(nest, access, 0), emit_alignment(access->real));
    if (access->real == nest->kernel->real) return value;
    return LLVMBuildFPTrunc(e->builder, value, emit_real_type(e, nest->kernel->real, 1), "");
}

static void store_scalar(const Nest *nest, const NestAccess *access, LLVMValueRef value) {
    const Emitter *e = nest->e;
    if (access->real != nest->kernel->real)
        value = LLVMBuildFPExt(e->builder, value, emit_real_type(e, access->real, 1), "");
    emit_store(e, value, base_address(nest, access, 0), emit_alignment(access->real));
}

static void store_access(const Nest *nest, const NestAccess *access, const NestValue *value) {
    if (access->vector == LOOP_SPLAT)
        store_scalar(nest, access, value->scalar);
    else if (access->vector == LOOP_STRIDED)
        store_lanes(nest, access, value->vector);
    else
        emit_store(nest->e, value->vector, base_address(nest, access, 0), emit_alignment(access->real));
}

static void emit_constant(Nest *nest, const LoopOp *op, NestValue *value) {
    LoopReal real = nest->kernel->real;
    if (op->kind == LOOP_ICONST) {
        value->scalar = LLVMConstInt(emit_int_type(nest->e, real, 1), op->bits, 0);
    } else {
        double rounded = real == LOOP_F32 ? (double)(float)op->value : op->value;
        value->scalar = LLVMConstReal(emit_real_type(nest->e, real, 1), rounded);
    }
    LLVMValueRef all[64];
    for (unsigned i = 0; i < nest->lanes; i++) all[i] = value->scalar;
    value->vector = nest->lanes > 1 ? LLVMConstVector(all, nest->lanes) : value->scalar;
}

static void emit_value(Nest *nest, uint32_t number) {
    const LoopOp *op = &nest->kernel->ops.items[number];
    NestValue *value = &nest->values[number];
    if (op->kind == LOOP_CONST || op->kind == LOOP_ICONST) {
        emit_constant(nest, op, value);
        return;
    }
    LLVMValueRef operands[3], result;
    uint32_t numbers[3], count = loop_op_operands(op, numbers);
    for (uint32_t i = 0; i < count; i++) {
        const NestValue *operand = &nest->values[numbers[i]];
        operands[i] = value->in_lanes ? operand->vector : operand->scalar;
    }
    if (op->kind == LOOP_LOAD)
        result = load_access(nest, &nest->accesses[op->a]);
    else
        result = emit_op(nest->e, op, operands, value->in_lanes ? nest->lanes : 1);
    if (value->in_lanes)
        value->vector = result;
    else
        value->scalar = result;
    if (!value->in_lanes && value->want_vector) value->vector = emit_splat(nest->e, result, nest->lanes);
}

static void emit_values_of_level(Nest *nest, uint32_t level) {
    for (uint32_t i = 0; i < nest->kernel->ops.count; i++)
        if (nest->values[i].level == level) emit_value(nest, i);
}

// --- Loops ----------------------------------------------------------------------------------------------------------

// Opens loop number `loop` over `count` elements of its axis from `first` on.
static void open_part(Nest *nest, uint32_t loop, LLVMValueRef first, LLVMValueRef count, LLVMValueRef *carried,
                      unsigned carried_count) {
    Emitter *e = nest->e;
    uint32_t axis = nest->order[loop];
    bool vector = axis == nest->vector_axis;
    nest->loops[loop] = emit_for(e, count, vector ? nest->lanes : 1, carried, carried_count);
    LLVMValueRef index = emit_add(e, first, nest->loops[loop].index);
    if (vector) nest->vector_index = index;
    for (uint32_t a = 0; a < nest->kernel->accesses.count; a++) {
        NestAccess *access = &nest->accesses[a];
        if (emit_is_constant(access->stride[axis], 0) || (vector && access->vector == LOOP_STRIDED)) continue;
        access->pointer = emit_address(e, emit_real_type(e, access->real, 1), access->pointer,
                                       emit_mul(e, index, access->stride[axis]));
    }
    emit_values_of_level(nest, loop + 1);
}

static void open_loop(Nest *nest, uint32_t loop, LLVMValueRef *carried, unsigned count) {
    open_part(nest, loop, emit_int(nest->e, 0), nest->extent[nest->order[loop]], carried, count);
}

static void emit_map(Nest *nest) {
    const LoopKernel *kernel = nest->kernel;
    for (uint32_t loop = 0; loop < kernel->axes; loop++) open_loop(nest, loop, NULL, 0);
    for (uint32_t s = 0; s < kernel->stores.count; s++)
        store_access(nest, &nest->accesses[kernel->stores.items[s].access],
                     &nest->values[kernel->stores.items[s].value]);
    for (uint32_t loop = kernel->axes; loop-- > 0;) emit_end(nest->e, &nest->loops[loop], NULL);
}

static LLVMValueRef identity(const Nest *nest, unsigned lanes) {
    LLVMValueRef scalar =
        LLVMConstReal(emit_real_type(nest->e, nest->kernel->real, 1), nest->kernel->maximum ? -INFINITY : 0);
    LLVMValueRef all[64];
    for (unsigned i = 0; i < lanes; i++) all[i] = scalar;
    return lanes > 1 ? LLVMConstVector(all, lanes) : scalar;
}

// A maximum keeps a NaN once it has met one, so that the order does not matter.
static LLVMValueRef combine(const Nest *nest, LLVMValueRef a, LLVMValueRef b) {
    LLVMBuilderRef builder = nest->e->builder;
    if (!nest->kernel->maximum) return LLVMBuildFAdd(builder, a, b, "");
    LLVMValueRef larger = LLVMBuildFCmp(builder, LLVMRealOGT, a, b, "");
    LLVMValueRef nan = LLVMBuildFCmp(builder, LLVMRealUNO, a, a, "");
    return LLVMBuildSelect(builder, LLVMBuildOr(builder, larger, nan, ""), a, b, "");
}

// Lanes are combined in halves: the shape of the sum depends on nothing but their number.
static LLVMValueRef combine_lanes(const Nest *nest, LLVMValueRef vector) {
    const Emitter *e = nest->e;
    for (unsigned lanes = nest->lanes / 2; lanes; lanes /= 2) {
        unsigned low[64], high[64];
        for (unsigned i = 0; i < lanes; i++) low[i] = i, high[i] = i + lanes;
        LLVMValueRef poison = LLVMGetPoison(LLVMTypeOf(vector));
        LLVMValueRef halves[] = {emit_shuffle(e, vector, poison, low, lanes),
                                 emit_shuffle(e, vector, poison, high, lanes)};
        vector = combine(nest, halves[0], halves[1]);
    }
    return LLVMBuildExtractElement(e->builder, vector, emit_int(e, 0), "");
}

// Terms go round several sums, so that one addition need not wait for the last: the oldest sum takes the new term and
// becomes the youngest.
static void add_term(const Nest *nest, LLVMValueRef *sums, LLVMValueRef term) {
    LLVMValueRef youngest = combine(nest, sums[0], term);
    for (unsigned i = 0; i + 1 < nest->sums; i++) sums[i] = sums[i + 1];
    sums[nest->sums - 1] = youngest;
}

// The body's value with the vector axis' padding replaced by the identity.
static LLVMValueRef masked_value(const Nest *nest, LLVMValueRef value) {
    const Emitter *e = nest->e;
    LLVMValueRef left = LLVMBuildSub(e->builder, nest->extent[nest->vector_axis], nest->vector_index, "");
    LLVMValueRef real = emit_lanes_below(e, nest->kernel->real, left, nest->lanes);
    return LLVMBuildSelect(e->builder, real, value, identity(nest, nest->lanes), "");
}

// The innermost loop when it goes over a reduced vector axis: whole vectors, then what is left, masked.
static void reduce_vectors(Nest *nest, LLVMValueRef *sums) {
    const Emitter *e = nest->e;
    uint32_t loop = nest->kernel->axes - 1, accesses = nest->kernel->accesses.count;
    const NestValue *value = &nest->values[nest->kernel->stores.items[0].value];
    LLVMValueRef extent = nest->extent[nest->vector_axis];
    LLVMValueRef whole = LLVMBuildAnd(e->builder, extent, emit_int(e, -(int64_t)nest->lanes), "");
    LLVMValueRef rest = LLVMBuildSub(e->builder, extent, whole, "");
    LLVMValueRef *pointers = memory_resize(NULL, accesses, sizeof *pointers); // where both parts begin
    for (uint32_t a = 0; a < accesses; a++) pointers[a] = nest->accesses[a].pointer;
    if (!emit_is_constant(whole, 0)) {
        open_part(nest, loop, emit_int(e, 0), whole, sums, nest->sums);
        add_term(nest, sums, value->vector);
        emit_end(nest->e, &nest->loops[loop], sums);
    }
    for (uint32_t a = 0; a < accesses; a++) nest->accesses[a].pointer = pointers[a];
    free(pointers);
    if (emit_is_constant(rest, 0)) return;
    open_part(nest, loop, whole, rest, sums, nest->sums);
    add_term(nest, sums, masked_value(nest, value->vector));
    emit_end(nest->e, &nest->loops[loop], sums);
}

static void emit_reduce(Nest *nest) {
    const LoopKernel *kernel = nest->kernel;
    LoopStore store = kernel->stores.items[0];
    for (uint32_t loop = 0; loop < nest->kept; loop++) open_loop(nest, loop, NULL, 0);
    bool lanes_reduced = kernel->axes && nest->vector_axis >= nest->kept;
    LLVMValueRef sums[SUMS];
    for (unsigned i = 0; i < nest->sums; i++) sums[i] = identity(nest, nest->lanes);
    uint32_t loops = lanes_reduced ? kernel->axes - 1 : kernel->axes;
    for (uint32_t loop = nest->kept; loop < loops; loop++) open_loop(nest, loop, sums, nest->sums);
    const NestValue *value = &nest->values[store.value];
    if (lanes_reduced)
        reduce_vectors(nest, sums);
    else
        add_term(nest, sums, kernel->axes ? value->vector : value->scalar);
    for (uint32_t loop = loops; loop-- > nest->kept;) emit_end(nest->e, &nest->loops[loop], sums);
    LLVMValueRef result = sums[nest->sums - 1];
    if (nest->kept < kernel->axes && nest->sums == SUMS)
        result = combine(nest, combine(nest, sums[0], sums[1]), combine(nest, sums[2], result));
    if (lanes_reduced) result = combine_lanes(nest, result);
    store_access(nest, &nest->accesses[store.access], &(NestValue){.scalar = result, .vector = result});
    for (uint32_t loop = nest->kept; loop-- > 0;) emit_end(nest->e, &nest->loops[loop], NULL);
}

void emit_nest_kernel(Emitter *e, const LoopKernel *kernel) {
    Nest nest = {.e = e, .kernel = kernel, .sums = e->program->deterministic ? 1 : SUMS};
    nest.accesses = memory_resize(NULL, kernel->accesses.count + 1, sizeof *nest.accesses);
    nest.values = memory_resize(NULL, kernel->ops.count + 1, sizeof *nest.values);
    memset(nest.accesses, 0, (kernel->accesses.count + 1) * sizeof *nest.accesses);
    memset(nest.values, 0, (kernel->ops.count + 1) * sizeof *nest.values);
    plan_loops(&nest);
    for (uint32_t a = 0; a < kernel->accesses.count; a++) plan_access(&nest, a);
    for (uint32_t i = 0; i < kernel->ops.count; i++) plan_value(&nest, i);
    for (uint32_t s = 0; s < kernel->stores.count; s++) nest.values[kernel->stores.items[s].value].want_vector = true;
    emit_values_of_level(&nest, 0);
    if (kernel->kind == LOOP_MAP)
        emit_map(&nest);
    else
        emit_reduce(&nest);
    free(nest.accesses);
    free(nest.values);
}
