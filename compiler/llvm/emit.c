// Building blocks of the emitters: thin layers over the LLVM builder that fold the constants it does not.
#include "emit.h"
#include <stddef.h>
#include <string.h>

unsigned emit_alignment(LoopReal real) { return real == LOOP_F32 ? 4 : 8; }

unsigned emit_lanes(const Emitter *e, LoopReal real) { return e->target->vector_bytes / emit_alignment(real); }

LLVMTypeRef emit_real_type(const Emitter *e, LoopReal real, unsigned lanes) {
    LLVMTypeRef type = real == LOOP_F32 ? LLVMFloatTypeInContext(e->context) : LLVMDoubleTypeInContext(e->context);
    return lanes > 1 ? LLVMVectorType(type, lanes) : type;
}

LLVMTypeRef emit_int_type(const Emitter *e, LoopReal real, unsigned lanes) {
    LLVMTypeRef type = real == LOOP_F32 ? e->int32 : e->int64;
    return lanes > 1 ? LLVMVectorType(type, lanes) : type;
}

LLVMValueRef emit_int(const Emitter *e, int64_t value) { return LLVMConstInt(e->int64, (unsigned long long)value, 1); }

bool emit_is_constant(LLVMValueRef value, int64_t number) {
    return LLVMIsAConstantInt(value) && LLVMConstIntGetSExtValue(value) == number;
}

LLVMValueRef emit_add(const Emitter *e, LLVMValueRef a, LLVMValueRef b) {
    if (emit_is_constant(a, 0)) return b;
    if (emit_is_constant(b, 0)) return a;
    return LLVMBuildNSWAdd(e->builder, a, b, "");
}

LLVMValueRef emit_mul(const Emitter *e, LLVMValueRef a, LLVMValueRef b) {
    if (emit_is_constant(a, 0) || emit_is_constant(b, 1)) return a;
    if (emit_is_constant(b, 0) || emit_is_constant(a, 1)) return b;
    return LLVMBuildNSWMul(e->builder, a, b, "");
}

LLVMValueRef emit_min(const Emitter *e, LLVMValueRef a, LLVMValueRef b) {
    LLVMValueRef less = LLVMBuildICmp(e->builder, LLVMIntSLT, a, b, "");
    return LLVMBuildSelect(e->builder, less, a, b, "");
}

static void add_attribute(const Emitter *e, LLVMValueRef function, const char *name) {
    unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
    LLVMAddAttributeAtIndex(function, (LLVMAttributeIndex)LLVMAttributeFunctionIndex,
                            LLVMCreateEnumAttribute(e->context, kind, 0));
}

void emit_without_optimisation(const Emitter *e, LLVMValueRef function) {
    add_attribute(e, function, "optnone");
    add_attribute(e, function, "noinline"); // the one demands the other
}

void emit_without_library(const Emitter *e, LLVMValueRef function) {
    const char key[] = "no-builtins";
    LLVMAddAttributeAtIndex(function, (LLVMAttributeIndex)LLVMAttributeFunctionIndex,
                            LLVMCreateStringAttribute(e->context, key, sizeof key - 1, "", 0));
}

LLVMValueRef emit_round_up(const Emitter *e, LLVMValueRef value, unsigned lanes) {
    LLVMValueRef sum = emit_add(e, value, emit_int(e, (int64_t)lanes - 1));
    return LLVMBuildAnd(e->builder, sum, emit_int(e, -(int64_t)lanes), "");
}

LLVMValueRef emit_function(Emitter *e, const char *name, LLVMTypeRef type, bool internal) {
    LLVMValueRef function = LLVMAddFunction(e->module, name, type);
    add_attribute(e, function, "nounwind");
    if (internal) {
        LLVMSetLinkage(function, LLVMInternalLinkage);
        add_attribute(e, function, "noinline");
    }
    if (e->target->x86 && e->target->vector_bytes == 64) { // many CPUs would rather be given 256 bits
        const char key[] = "prefer-vector-width", value[] = "512";
        LLVMAddAttributeAtIndex(function, (LLVMAttributeIndex)LLVMAttributeFunctionIndex,
                                LLVMCreateStringAttribute(e->context, key, sizeof key - 1, value, sizeof value - 1));
    }
    e->function = function;
    LLVMPositionBuilderAtEnd(e->builder, emit_block(e, "entry"));
    return function;
}

LLVMBasicBlockRef emit_block(const Emitter *e, const char *name) {
    return LLVMAppendBasicBlockInContext(e->context, e->function, name);
}

LLVMValueRef emit_argument(const Emitter *e, unsigned number) { return LLVMGetParam(e->function, number); }

LLVMValueRef emit_intrinsic(const Emitter *e, const char *name, LLVMTypeRef type, LLVMValueRef *arguments,
                            unsigned count) {
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name)), overloads = type ? 1 : 0;
    LLVMValueRef function = LLVMGetIntrinsicDeclaration(e->module, id, &type, overloads);
    LLVMTypeRef signature = LLVMIntrinsicGetType(e->context, id, &type, overloads);
    return LLVMBuildCall2(e->builder, signature, function, arguments, count, "");
}

LLVMValueRef emit_address(const Emitter *e, LLVMTypeRef type, LLVMValueRef base, LLVMValueRef index) {
    if (emit_is_constant(index, 0)) return base;
    return LLVMBuildInBoundsGEP2(e->builder, type, base, &index, 1, "");
}

LLVMValueRef emit_load(const Emitter *e, LLVMTypeRef type, LLVMValueRef address, unsigned alignment) {
    LLVMValueRef load = LLVMBuildLoad2(e->builder, type, address, "");
    LLVMSetAlignment(load, alignment);
    return load;
}

void emit_store(const Emitter *e, LLVMValueRef value, LLVMValueRef address, unsigned alignment) {
    LLVMSetAlignment(LLVMBuildStore(e->builder, value, address), alignment);
}

LLVMValueRef emit_splat(const Emitter *e, LLVMValueRef scalar, unsigned lanes) {
    if (lanes == 1) return scalar;
    LLVMTypeRef type = LLVMVectorType(LLVMTypeOf(scalar), lanes);
    LLVMValueRef first = LLVMBuildInsertElement(e->builder, LLVMGetPoison(type), scalar, emit_int(e, 0), "");
    LLVMValueRef zeros = LLVMConstNull(LLVMVectorType(e->int32, lanes));
    return LLVMBuildShuffleVector(e->builder, first, LLVMGetPoison(type), zeros, "");
}

LLVMValueRef emit_shuffle(const Emitter *e, LLVMValueRef a, LLVMValueRef b, const unsigned *lane, unsigned lanes) {
    LLVMValueRef mask[64];
    for (unsigned i = 0; i < lanes; i++) mask[i] = LLVMConstInt(e->int32, lane[i], 0);
    return LLVMBuildShuffleVector(e->builder, a, b, LLVMConstVector(mask, lanes), "");
}

LLVMValueRef emit_lanes_below(const Emitter *e, LoopReal real, LLVMValueRef count, unsigned lanes) {
    LLVMTypeRef type = emit_int_type(e, real, 1);
    LLVMValueRef number[64];
    for (unsigned i = 0; i < lanes; i++) number[i] = LLVMConstInt(type, i, 0);
    // At most the lane count is of interest, which fits any width.
    LLVMValueRef clamped = emit_min(e, count, emit_int(e, lanes));
    if (real == LOOP_F32) clamped = LLVMBuildTrunc(e->builder, clamped, type, "");
    return LLVMBuildICmp(e->builder, LLVMIntSLT, LLVMConstVector(number, lanes), emit_splat(e, clamped, lanes), "");
}

LLVMValueRef emit_fma(const Emitter *e, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c) {
    if (e->target->fma) return emit_intrinsic(e, "llvm.fma", LLVMTypeOf(a), (LLVMValueRef[]){a, b, c}, 3);
    return LLVMBuildFAdd(e->builder, LLVMBuildFMul(e->builder, a, b, ""), c, "");
}

// The test stands at the bottom, with one before the first round where that is not known to happen: no rotation pass
// is needed, and what is emitted before emit_for is outside the loop for good.
ForLoop emit_for(Emitter *e, LLVMValueRef end, int64_t step, LLVMValueRef *carried, unsigned count) {
    ForLoop loop = {.end = end, .step = step, .carried = count};
    loop.before = LLVMGetInsertBlock(e->builder);
    loop.body = emit_block(e, "body");
    loop.after = emit_block(e, "after");
    if (LLVMIsAConstantInt(end) && LLVMConstIntGetSExtValue(end) > 0) {
        LLVMBuildBr(e->builder, loop.body);
    } else {
        LLVMValueRef any = LLVMBuildICmp(e->builder, LLVMIntSGT, end, emit_int(e, 0), "");
        LLVMBuildCondBr(e->builder, any, loop.body, loop.after);
    }
    LLVMPositionBuilderAtEnd(e->builder, loop.body);
    loop.index = LLVMBuildPhi(e->builder, e->int64, "i");
    LLVMAddIncoming(loop.index, &(LLVMValueRef){emit_int(e, 0)}, &loop.before, 1);
    for (unsigned i = 0; i < count; i++) {
        loop.initial[i] = carried[i];
        carried[i] = loop.phis[i] = LLVMBuildPhi(e->builder, LLVMTypeOf(carried[i]), "");
        LLVMAddIncoming(loop.phis[i], &loop.initial[i], &loop.before, 1);
    }
    return loop;
}

void emit_end(Emitter *e, ForLoop *loop, LLVMValueRef *carried) {
    LLVMBasicBlockRef last = LLVMGetInsertBlock(e->builder);
    LLVMValueRef next = LLVMBuildNSWAdd(e->builder, loop->index, emit_int(e, loop->step), "");
    LLVMAddIncoming(loop->index, &next, &last, 1);
    for (unsigned i = 0; i < loop->carried; i++) LLVMAddIncoming(loop->phis[i], &carried[i], &last, 1);
    LLVMValueRef more = LLVMBuildICmp(e->builder, LLVMIntSLT, next, loop->end, "");
    LLVMBuildCondBr(e->builder, more, loop->body, loop->after);
    LLVMMoveBasicBlockAfter(loop->after, last); // keeps the text in reading order
    LLVMPositionBuilderAtEnd(e->builder, loop->after);
    bool guarded = !(LLVMIsAConstantInt(loop->end) && LLVMConstIntGetSExtValue(loop->end) > 0);
    for (unsigned i = 0; i < loop->carried; i++) {
        LLVMValueRef phi = LLVMBuildPhi(e->builder, LLVMTypeOf(carried[i]), "");
        if (guarded) LLVMAddIncoming(phi, &loop->initial[i], &loop->before, 1);
        LLVMAddIncoming(phi, &carried[i], &last, 1);
        carried[i] = phi;
    }
}

LLVMValueRef emit_parameter(Emitter *e, const int64_t *values) {
    uint32_t calls = e->code->calls.count, columns = e->code->columns.count / calls, c = 1;
    while (c < calls && values[c] == values[0]) c++;
    if (c == calls) return emit_int(e, values[0]);
    uint32_t column = 0; // calls often disagree in several numbers in the same way, such as all extents
    while (column < columns && memcmp(&e->code->columns.items[column * calls], values, calls * sizeof *values) != 0)
        column++;
    if (column == columns)
        for (c = 0; c < calls; c++) vec_push(&e->code->columns, values[c]);
    return emit_load(e, e->int64, emit_address(e, e->int64, e->table, emit_int(e, column)), 8);
}

LLVMValueRef emit_call_number(Emitter *e, CallNumber *number, uint32_t which) {
    int64_t *values = memory_resize(NULL, e->code->calls.count, sizeof *values);
    for (uint32_t c = 0; c < e->code->calls.count; c++) values[c] = number(e->code->calls.items[c], which);
    LLVMValueRef value = emit_parameter(e, values);
    free(values);
    return value;
}

static int64_t stride_fixed(const LoopCall *call, uint32_t which) { return call->stride[which].fixed; }
static int64_t stride_padded(const LoopCall *call, uint32_t which) { return call->stride[which].padded; }
static int64_t offset_fixed(const LoopCall *call, uint32_t which) { return call->offset[which].fixed; }
static int64_t offset_padded(const LoopCall *call, uint32_t which) { return call->offset[which].padded; }
static int64_t array_number(const LoopCall *call, uint32_t which) { return call->array[which]; }
static int64_t axis_extent(const LoopCall *call, uint32_t which) {
    return call->axis[which].batch ? -1 : call->axis[which].extent;
}

static LLVMValueRef size_value(Emitter *e, CallNumber *fixed, CallNumber *padded, uint32_t which) {
    LLVMValueRef batches = emit_mul(e, emit_call_number(e, padded, which), e->batch_padded);
    return emit_add(e, emit_call_number(e, fixed, which), batches);
}

LLVMValueRef emit_stride(Emitter *e, uint32_t which) { return size_value(e, stride_fixed, stride_padded, which); }

LLVMValueRef emit_offset(Emitter *e, uint32_t which) { return size_value(e, offset_fixed, offset_padded, which); }

LLVMValueRef emit_extent(Emitter *e, uint32_t axis) {
    LLVMValueRef extent = emit_call_number(e, axis_extent, axis);
    if (LLVMIsAConstantInt(extent)) return emit_is_constant(extent, -1) ? e->batch : extent;
    LLVMValueRef batch = LLVMBuildICmp(e->builder, LLVMIntSLT, extent, emit_int(e, 0), "");
    return LLVMBuildSelect(e->builder, batch, e->batch, extent, "");
}

LLVMValueRef emit_array(Emitter *e, uint32_t argument) {
    LLVMValueRef number = emit_call_number(e, array_number, argument);
    return emit_load(e, e->pointer, emit_address(e, e->pointer, e->arrays, number), 8);
}
