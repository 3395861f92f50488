// One operation of a kernel's body as IR. No fast-math flags: what is computed is what loops.h says.
#include "emit.h"

static LLVMValueRef unary(const Emitter *e, const char *name, LLVMValueRef a) {
    return emit_intrinsic(e, name, LLVMTypeOf(a), &a, 1);
}

static LLVMValueRef compare(const Emitter *e, LLVMRealPredicate predicate, const LLVMValueRef *v) {
    return LLVMBuildFCmp(e->builder, predicate, v[0], v[1], "");
}

static LLVMValueRef shift_distance(const Emitter *e, const LoopOp *op, unsigned lanes) {
    LLVMValueRef distance = LLVMConstInt(emit_int_type(e, e->real, 1), op->bits, 0), all[64];
    for (unsigned i = 0; i < lanes; i++) all[i] = distance;
    return lanes > 1 ? LLVMConstVector(all, lanes) : distance;
}

static LLVMValueRef arithmetic(const Emitter *e, const LoopOp *op, const LLVMValueRef *v) {
    LLVMBuilderRef builder = e->builder;
    switch (op->kind) {
    case LOOP_ADD: return LLVMBuildFAdd(builder, v[0], v[1], "");
    case LOOP_SUB: return LLVMBuildFSub(builder, v[0], v[1], "");
    case LOOP_MUL: return LLVMBuildFMul(builder, v[0], v[1], "");
    case LOOP_DIV: return LLVMBuildFDiv(builder, v[0], v[1], "");
    case LOOP_FMA: return emit_fma(e, v[0], v[1], v[2]);
    case LOOP_NEG: return LLVMBuildFNeg(builder, v[0], "");
    case LOOP_ABS: return unary(e, "llvm.fabs", v[0]);
    case LOOP_SQRT: return unary(e, "llvm.sqrt", v[0]);
    case LOOP_RINT: return unary(e, "llvm.rint", v[0]);
    // A comparison and a choice become the one instruction with just this treatment of NaN.
    case LOOP_MIN: return LLVMBuildSelect(builder, compare(e, LLVMRealOLT, v), v[0], v[1], "");
    case LOOP_MAX: return LLVMBuildSelect(builder, compare(e, LLVMRealOGT, v), v[0], v[1], "");
    case LOOP_COPYSIGN: return emit_intrinsic(e, "llvm.copysign", LLVMTypeOf(v[0]), (LLVMValueRef[]){v[0], v[1]}, 2);
    default: return NULL;
    }
}

static LLVMValueRef logic(const Emitter *e, const LoopOp *op, const LLVMValueRef *v, unsigned lanes) {
    LLVMBuilderRef builder = e->builder;
    switch (op->kind) {
    case LOOP_LT: return compare(e, LLVMRealOLT, v);
    case LOOP_LE: return compare(e, LLVMRealOLE, v);
    case LOOP_EQ: return compare(e, LLVMRealOEQ, v);
    case LOOP_AND:
    case LOOP_IAND: return LLVMBuildAnd(builder, v[0], v[1], "");
    case LOOP_OR:
    case LOOP_IOR: return LLVMBuildOr(builder, v[0], v[1], "");
    case LOOP_NOT: return LLVMBuildNot(builder, v[0], "");
    case LOOP_SELECT: return LLVMBuildSelect(builder, v[0], v[1], v[2], "");
    case LOOP_TO_BITS: return LLVMBuildBitCast(builder, v[0], emit_int_type(e, e->real, lanes), "");
    case LOOP_FROM_BITS: return LLVMBuildBitCast(builder, v[0], emit_real_type(e, e->real, lanes), "");
    case LOOP_TO_REAL: return LLVMBuildSIToFP(builder, v[0], emit_real_type(e, e->real, lanes), "");
    // Where the value does not fit the lane is padding or NaN: frozen, it is some number and poisons nothing.
    case LOOP_TO_INT:
        return LLVMBuildFreeze(builder, LLVMBuildFPToSI(builder, v[0], emit_int_type(e, e->real, lanes), ""), "");
    case LOOP_IADD: return LLVMBuildAdd(builder, v[0], v[1], "");
    case LOOP_ISUB: return LLVMBuildSub(builder, v[0], v[1], "");
    case LOOP_IXOR: return LLVMBuildXor(builder, v[0], v[1], "");
    case LOOP_ISHL: return LLVMBuildShl(builder, v[0], shift_distance(e, op, lanes), "");
    case LOOP_ISHR: return LLVMBuildLShr(builder, v[0], shift_distance(e, op, lanes), "");
    case LOOP_IASR: return LLVMBuildAShr(builder, v[0], shift_distance(e, op, lanes), "");
    default: return NULL;
    }
}

LLVMValueRef emit_op(const Emitter *e, const LoopOp *op, const LLVMValueRef *operands, unsigned lanes) {
    LLVMValueRef value = arithmetic(e, op, operands);
    return value ? value : logic(e, op, operands, lanes);
}
