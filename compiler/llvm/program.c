// A whole program as one LLVM module: a function per kernel, and per entry a function that calls them in order.
#include "emit.h"
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

static void collect_calls(Emitter *e) {
    for (uint32_t i = 0; i < e->program->entries.count; i++) {
        const LoopEntry *entry = &e->program->entries.items[i];
        for (uint32_t c = 0; c < entry->calls.count; c++)
            vec_push(&e->kernels[entry->calls.items[c].kernel].calls, &entry->calls.items[c]);
    }
}

static LLVMValueRef byte_address(const Emitter *e, LLVMValueRef base, LLVMValueRef bytes) {
    return emit_address(e, LLVMInt8TypeInContext(e->context), base, bytes);
}

static LLVMValueRef load_member(const Emitter *e, LLVMValueRef arguments, size_t offset) {
    return emit_load(e, e->int64, byte_address(e, arguments, emit_int(e, (int64_t)offset)), 8);
}

static LLVMValueRef load_pointer(const Emitter *e, LLVMValueRef arguments, size_t offset) {
    return emit_load(e, e->pointer, byte_address(e, arguments, emit_int(e, (int64_t)offset)), 8);
}

static void emit_kernel(Emitter *e, uint32_t number) {
    static const char *const names[] = {"map", "reduce", "sweep", "product", "outer"};
    const LoopKernel *kernel = &e->program->kernels.items[number];
    char name[32];
    snprintf(name, sizeof name, "%s_%" PRIu32, names[kernel->kind], number);
    e->code = &e->kernels[number];
    e->real = kernel->real;
    e->code->function = emit_function(e, name, e->kernel_type, true);
    // A single number (an optimiser's bias correction) is computed once a step: not worth the optimiser's time.
    if (kernel->kind == LOOP_MAP && kernel->axes == 0) emit_without_optimisation(e, e->code->function);
    e->arrays = emit_argument(e, 0);
    e->table = emit_argument(e, 2);
    e->batch = load_member(e, emit_argument(e, 1), offsetof(LoopArguments, batch));
    e->batch_padded = load_member(e, emit_argument(e, 1), offsetof(LoopArguments, batch_padded));
    LLVMValueRef function = e->function; // the emitters may add helper functions before they come back here
    switch (kernel->kind) {
    case LOOP_MAP:
    case LOOP_REDUCE: emit_nest_kernel(e, kernel); break;
    case LOOP_SWEEP: emit_sweep_kernel(e, kernel); break;
    case LOOP_PRODUCT: emit_product_kernel(e); break;
    case LOOP_OUTER: emit_outer_kernel(e); break;
    }
    e->function = function;
    LLVMBuildRetVoid(e->builder);
}

// The call's row of the kernel's table as a constant; null when all calls agree on everything.
static LLVMValueRef table_of(const Emitter *e, const KernelCode *code, const LoopCall *call) {
    uint32_t calls = code->calls.count, columns = code->columns.count / calls, c = 0;
    if (!columns) return LLVMConstNull(e->pointer);
    while (code->calls.items[c] != call) c++;
    LLVMValueRef *numbers = memory_resize(NULL, columns, sizeof *numbers);
    for (uint32_t i = 0; i < columns; i++) numbers[i] = emit_int(e, code->columns.items[i * calls + c]);
    LLVMValueRef row = LLVMConstArray2(e->int64, numbers, columns);
    free(numbers);
    LLVMValueRef global = LLVMAddGlobal(e->module, LLVMTypeOf(row), "numbers");
    LLVMSetLinkage(global, LLVMPrivateLinkage);
    LLVMSetGlobalConstant(global, 1);
    LLVMSetInitializer(global, row);
    return global;
}

static void emit_call(Emitter *e, const LoopCall *call, LLVMValueRef active) {
    const KernelCode *code = &e->kernels[call->kernel];
    LLVMBasicBlockRef after = NULL;
    if (call->guard) {
        LLVMBasicBlockRef then = emit_block(e, "guarded");
        after = emit_block(e, "after");
        LLVMValueRef bit = emit_int(e, (int64_t)(UINT64_C(1) << (call->guard - 1)));
        bit = LLVMBuildAnd(e->builder, active, bit, "");
        LLVMIntPredicate holds = call->unless ? LLVMIntEQ : LLVMIntNE;
        LLVMValueRef set = LLVMBuildICmp(e->builder, holds, bit, emit_int(e, 0), "");
        LLVMBuildCondBr(e->builder, set, then, after);
        LLVMPositionBuilderAtEnd(e->builder, then);
    }
    LLVMValueRef arguments[] = {emit_argument(e, 0), emit_argument(e, 1), table_of(e, code, call)};
    LLVMBuildCall2(e->builder, e->kernel_type, code->function, arguments, 3, "");
    if (!after) return;
    LLVMBuildBr(e->builder, after);
    LLVMPositionBuilderAtEnd(e->builder, after);
}

// Subnormal numbers cost hundreds of cycles on some processors: inside an entry they count as zero.
static LLVMValueRef flush_denormals(Emitter *e) {
    enum { FLUSH_TO_ZERO = 0x8000, DENORMALS_ARE_ZERO = 0x40 };
    LLVMValueRef saved = LLVMBuildAlloca(e->builder, e->int32, "mxcsr"), here;
    here = LLVMBuildAlloca(e->builder, e->int32, "flushing");
    emit_intrinsic(e, "llvm.x86.sse.stmxcsr", NULL, &saved, 1);
    LLVMValueRef bits = LLVMConstInt(e->int32, FLUSH_TO_ZERO | DENORMALS_ARE_ZERO, 0);
    emit_store(e, LLVMBuildOr(e->builder, emit_load(e, e->int32, saved, 4), bits, ""), here, 4);
    emit_intrinsic(e, "llvm.x86.sse.ldmxcsr", NULL, &here, 1);
    return saved;
}

// Lets the thread of number `part` through to the block that is returned, where the others arrive, too.
static LLVMBasicBlockRef only_for(Emitter *e, LLVMValueRef own, uint32_t part) {
    LLVMBasicBlockRef then = emit_block(e, "part"), after = emit_block(e, "after");
    LLVMValueRef mine = LLVMBuildICmp(e->builder, LLVMIntEQ, own, emit_int(e, part), "");
    LLVMBuildCondBr(e->builder, mine, then, after);
    LLVMPositionBuilderAtEnd(e->builder, then);
    return after;
}

static void emit_wait(Emitter *e) {
    LLVMTypeRef type = LLVMFunctionType(e->no_value, &e->pointer, 1, 0);
    LLVMValueRef wait = load_pointer(e, emit_argument(e, 1), offsetof(LoopArguments, wait));
    LLVMValueRef team = load_pointer(e, emit_argument(e, 1), offsetof(LoopArguments, team));
    LLVMBuildCall2(e->builder, type, wait, &team, 1, "");
}

// Calls stand in order of their levels, and within a level in order of their parts.
static void emit_levels(Emitter *e, const LoopEntry *entry, LLVMValueRef active) {
    LLVMValueRef own = load_member(e, emit_argument(e, 1), offsetof(LoopArguments, part));
    for (uint32_t c = 0, level = 0; c < entry->calls.count;) {
        uint32_t part = entry->calls.items[c].part;
        if (entry->calls.items[c].level != level) emit_wait(e);
        level = entry->calls.items[c].level;
        LLVMBasicBlockRef after = only_for(e, own, part);
        for (; c < entry->calls.count && entry->calls.items[c].level == level && entry->calls.items[c].part == part;
             c++)
            emit_call(e, &entry->calls.items[c], active);
        LLVMBuildBr(e->builder, after);
        LLVMPositionBuilderAtEnd(e->builder, after);
    }
}

// ---- Several steps in a row -----------------------------------------------------------------------------------------

// What a move that is due does: copies, goes on, and waits anew.
static void emit_copy(Emitter *e, LLVMValueRef move) {
    LLVMTypeRef unit = LLVMVectorType(e->int32, LOOP_MOVE_UNIT / 4);
    const size_t ends[] = {offsetof(LoopMove, from), offsetof(LoopMove, to)};
    const size_t steps[] = {offsetof(LoopMove, from_step), offsetof(LoopMove, to_step)};
    LLVMValueRef place[2];
    for (int i = 0; i < 2; i++) place[i] = load_pointer(e, move, ends[i]);
    ForLoop loop = emit_for(e, load_member(e, move, offsetof(LoopMove, bytes)), LOOP_MOVE_UNIT, NULL, 0);
    LLVMValueRef value = emit_load(e, unit, byte_address(e, place[0], loop.index), LOOP_MOVE_UNIT);
    emit_store(e, value, byte_address(e, place[1], loop.index), LOOP_MOVE_UNIT);
    emit_end(e, &loop, NULL);
    for (int i = 0; i < 2; i++) {
        LLVMValueRef next = byte_address(e, place[i], load_member(e, move, steps[i]));
        emit_store(e, next, byte_address(e, move, emit_int(e, (int64_t)ends[i])), 8);
    }
}

// loop_move of loops.h. Its loop must not become a call of a library's memcpy.
static void emit_move_function(Emitter *e) {
    e->move_type = LLVMFunctionType(e->no_value, (LLVMTypeRef[]){e->pointer, e->int64}, 2, 0);
    e->move = emit_function(e, "move", e->move_type, true);
    emit_without_library(e, e->move);
    ForLoop loop = emit_for(e, emit_argument(e, 1), 1, NULL, 0);
    LLVMValueRef bytes = emit_mul(e, loop.index, emit_int(e, (int64_t)sizeof(LoopMove)));
    LLVMValueRef move = byte_address(e, emit_argument(e, 0), bytes);
    LLVMValueRef wait = load_member(e, move, offsetof(LoopMove, wait));
    LLVMBasicBlockRef here = LLVMGetInsertBlock(e->builder), due = emit_block(e, "due"), after = emit_block(e, "after");
    LLVMBuildCondBr(e->builder, LLVMBuildICmp(e->builder, LLVMIntEQ, wait, emit_int(e, 0), ""), due, after);
    LLVMPositionBuilderAtEnd(e->builder, due);
    emit_copy(e, move);
    LLVMValueRef every = load_member(e, move, offsetof(LoopMove, every));
    LLVMBasicBlockRef from[] = {here, LLVMGetInsertBlock(e->builder)};
    LLVMBuildBr(e->builder, after);
    LLVMPositionBuilderAtEnd(e->builder, after);
    LLVMValueRef left = LLVMBuildPhi(e->builder, e->int64, "");
    LLVMAddIncoming(left, (LLVMValueRef[]){wait, every}, from, 2);
    left = LLVMBuildNSWSub(e->builder, left, emit_int(e, 1), "");
    emit_store(e, left, byte_address(e, move, emit_int(e, (int64_t)offsetof(LoopMove, wait))), 8);
    emit_end(e, &loop, NULL);
    LLVMBuildRetVoid(e->builder);
}

static void emit_moves(Emitter *e, size_t list, size_t count) {
    LLVMValueRef moves[] = {load_pointer(e, emit_argument(e, 1), list), load_member(e, emit_argument(e, 1), count)};
    LLVMBuildCall2(e->builder, e->move_type, e->move, moves, 2, "");
}

static void emit_moves_before(Emitter *e) {
    emit_moves(e, offsetof(LoopArguments, before), offsetof(LoopArguments, before_count));
}

static void emit_moves_after(Emitter *e) {
    emit_moves(e, offsetof(LoopArguments, after), offsetof(LoopArguments, after_count));
}

// By several threads: the first one makes the moves while the others wait. All come to the same answer on whether there
// is anything to wait for.
static void emit_divided_step(Emitter *e, const LoopEntry *entry, LLVMValueRef active, LLVMValueRef alone) {
    LLVMValueRef own = load_member(e, emit_argument(e, 1), offsetof(LoopArguments, part));
    for (int behind = 0; behind < 2; behind++) {
        if (behind) emit_levels(e, entry, active);
        LLVMBasicBlockRef among = emit_block(e, "among"), on = emit_block(e, "on");
        LLVMBuildCondBr(e->builder, alone, on, among);
        LLVMPositionBuilderAtEnd(e->builder, among);
        if (behind) emit_wait(e);
        LLVMBasicBlockRef after = only_for(e, own, 0);
        (behind ? emit_moves_after : emit_moves_before)(e);
        LLVMBuildBr(e->builder, after);
        LLVMPositionBuilderAtEnd(e->builder, after);
        if (!behind) emit_wait(e);
        LLVMBuildBr(e->builder, on);
        LLVMPositionBuilderAtEnd(e->builder, on);
    }
}

static void emit_step(Emitter *e, const LoopEntry *entry, LLVMValueRef active) {
    emit_moves_before(e);
    for (uint32_t c = 0; c < entry->calls.count; c++) emit_call(e, &entry->calls.items[c], active);
    emit_moves_after(e);
}

// One step, and nothing to be moved.
static LLVMValueRef is_alone(Emitter *e, LLVMValueRef steps) {
    LLVMValueRef moves =
        LLVMBuildOr(e->builder, load_member(e, emit_argument(e, 1), offsetof(LoopArguments, before_count)),
                    load_member(e, emit_argument(e, 1), offsetof(LoopArguments, after_count)), "");
    LLVMValueRef one = LLVMBuildICmp(e->builder, LLVMIntSLE, steps, emit_int(e, 1), "");
    return LLVMBuildAnd(e->builder, one, LLVMBuildICmp(e->builder, LLVMIntEQ, moves, emit_int(e, 0), ""), "");
}

static void emit_entry(Emitter *e, uint32_t number) {
    const LoopEntry *entry = &e->program->entries.items[number];
    char name[32];
    snprintf(name, sizeof name, "lequel_entry_%" PRIu32, number); // module.c looks it up
    LLVMTypeRef type = LLVMFunctionType(e->no_value, (LLVMTypeRef[]){e->pointer, e->pointer}, 2, 0);
    LLVMValueRef function = emit_function(e, name, type, false);
    if (e->quick) emit_without_optimisation(e, function); // little is to be gained in a list of calls
    LLVMValueRef saved = e->target->x86 && !e->program->deterministic ? flush_denormals(e) : NULL;
    LLVMValueRef active = load_member(e, emit_argument(e, 1), offsetof(LoopArguments, active));
    LLVMValueRef steps = load_member(e, emit_argument(e, 1), offsetof(LoopArguments, steps));
    LLVMValueRef none = LLVMBuildICmp(e->builder, LLVMIntSLT, steps, emit_int(e, 1), "");
    LLVMValueRef alone = entry->parts ? is_alone(e, steps) : NULL;
    ForLoop loop = emit_for(e, LLVMBuildSelect(e->builder, none, emit_int(e, 1), steps, ""), 1, NULL, 0);
    if (entry->parts)
        emit_divided_step(e, entry, active, alone);
    else
        emit_step(e, entry, active);
    emit_end(e, &loop, NULL);
    if (saved) emit_intrinsic(e, "llvm.x86.sse.ldmxcsr", NULL, &saved, 1);
    LLVMBuildRetVoid(e->builder);
}

void emit_program(Emitter *e) {
    uint32_t count = e->program->kernels.count;
    e->kernels = memory_resize(NULL, count + 1, sizeof *e->kernels);
    for (uint32_t k = 0; k < count; k++) e->kernels[k] = (KernelCode){0};
    e->int32 = LLVMInt32TypeInContext(e->context);
    e->int64 = LLVMInt64TypeInContext(e->context);
    e->pointer = LLVMPointerTypeInContext(e->context, 0);
    e->no_value = LLVMVoidTypeInContext(e->context);
    e->kernel_type = LLVMFunctionType(e->no_value, (LLVMTypeRef[]){e->pointer, e->pointer, e->pointer}, 3, 0);
    collect_calls(e);
    for (uint32_t k = 0; k < count; k++)
        if (e->kernels[k].calls.count) emit_kernel(e, k);
    emit_move_function(e);
    for (uint32_t i = 0; i < e->program->entries.count; i++) emit_entry(e, i);
    for (uint32_t k = 0; k < count; k++) {
        vec_free(&e->kernels[k].calls);
        vec_free(&e->kernels[k].columns);
    }
    free(e->kernels);
    e->kernels = NULL;
}
