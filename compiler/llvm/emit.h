// Building blocks shared by the kernel emitters: the state of one compilation, types, loops, loads and stores.
// All IR is explicit-vector: the emitters choose lanes and tiles, LLVM only selects instructions and registers.
#ifndef LEQUEL_LLVM_EMIT_H
#define LEQUEL_LLVM_EMIT_H

#include "../loops/backend.h"
#include <llvm-c/Core.h>
#include <llvm-c/TargetMachine.h>

// What the emitters need to know of the processor.
typedef struct Target {
    char *triple, *cpu, *features; // LLVM messages, owned
    unsigned vector_bytes, registers;
    bool fma, x86;
} Target;

// One row of numbers per kernel that its calls do not agree on; see emit_parameter.
typedef struct KernelCode {
    LLVMValueRef function;
    Vec(const LoopCall *) calls; // all calls of the kernel, in program order
    Vec(int64_t) columns;        // column after column, each one number per call
} KernelCode;

enum { PANEL_MAX = 3, TILE_MAX = 16 };

typedef struct Emitter {
    LLVMContextRef context;
    LLVMModuleRef module;
    LLVMBuilderRef builder;
    const LoopProgram *program;
    const Target *target;
    bool quick; // compiling fast matters more than the last bit of speed
    LLVMTypeRef int32, int64, pointer, no_value;
    LLVMTypeRef kernel_type; // void (ptr arrays, ptr arguments, ptr table)
    KernelCode *kernels;
    LLVMTypeRef move_type; // void (ptr moves, i64 count)
    LLVMValueRef move;     // the function loop_move of loops.h
    // Shared by all contractions of an element type, made when first wanted (kernel_product.c).
    LLVMValueRef panels[2][PANEL_MAX + 1], turns[2], zeros[2];
    // The kernel being built.
    KernelCode *code;
    LLVMValueRef function, arrays, table, batch, batch_padded;
    LoopReal real;
} Emitter;

// Types. `lanes` 1 is the scalar.
unsigned emit_lanes(const Emitter *e, LoopReal real);
LLVMTypeRef emit_real_type(const Emitter *e, LoopReal real, unsigned lanes);
LLVMTypeRef emit_int_type(const Emitter *e, LoopReal real, unsigned lanes); // as wide as the reals

// Constants and scalar arithmetic on 64-bit numbers; products and sums with constant 0 and 1 vanish.
LLVMValueRef emit_int(const Emitter *e, int64_t value);
bool emit_is_constant(LLVMValueRef value, int64_t number);
LLVMValueRef emit_add(const Emitter *e, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef emit_mul(const Emitter *e, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef emit_min(const Emitter *e, LLVMValueRef a, LLVMValueRef b); // signed
LLVMValueRef emit_round_up(const Emitter *e, LLVMValueRef value, unsigned lanes);

// Functions. emit_function starts a function with an entry block and leaves the builder there.
LLVMValueRef emit_function(Emitter *e, const char *name, LLVMTypeRef type, bool internal);
void emit_without_optimisation(const Emitter *e, LLVMValueRef function); // compiled in a third of the time
void emit_without_library(const Emitter *e, LLVMValueRef function);      // no loop becomes a call of memcpy
LLVMBasicBlockRef emit_block(const Emitter *e, const char *name);
LLVMValueRef emit_argument(const Emitter *e, unsigned number);
LLVMValueRef emit_intrinsic(const Emitter *e, const char *name, LLVMTypeRef type, LLVMValueRef *arguments,
                            unsigned count);

// Memory: element `index` of an array of `type`, accesses aligned to an element.
LLVMValueRef emit_address(const Emitter *e, LLVMTypeRef type, LLVMValueRef base, LLVMValueRef index);
LLVMValueRef emit_load(const Emitter *e, LLVMTypeRef type, LLVMValueRef address, unsigned alignment);
void emit_store(const Emitter *e, LLVMValueRef value, LLVMValueRef address, unsigned alignment);
unsigned emit_alignment(LoopReal real);

// Vectors.
LLVMValueRef emit_splat(const Emitter *e, LLVMValueRef scalar, unsigned lanes);
LLVMValueRef emit_shuffle(const Emitter *e, LLVMValueRef a, LLVMValueRef b, const unsigned *lane, unsigned lanes);
LLVMValueRef emit_lanes_below(const Emitter *e, LoopReal real, LLVMValueRef count, unsigned lanes); // lane < count
LLVMValueRef emit_fma(const Emitter *e, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c);

// A counted loop `for (index = 0; index < end; index += step)`; bodies may open further blocks. Up to TILE_MAX values
// are carried round: `carried` holds their initial values before emit_for, the body's values after it, and after
// emit_end, which takes the updated ones, the values behind the loop.
typedef struct ForLoop {
    LLVMBasicBlockRef before, body, after;
    LLVMValueRef index, end, phis[TILE_MAX], initial[TILE_MAX];
    int64_t step;
    unsigned carried;
} ForLoop;
ForLoop emit_for(Emitter *e, LLVMValueRef end, int64_t step, LLVMValueRef *carried, unsigned count);
void emit_end(Emitter *e, ForLoop *loop, LLVMValueRef *carried);

// What differs between the calls of a kernel comes from a table that each call passes; what all calls agree on is a
// constant of the kernel. `values` holds one number per call.
LLVMValueRef emit_parameter(Emitter *e, const int64_t *values);
typedef int64_t CallNumber(const LoopCall *call, uint32_t which);
LLVMValueRef emit_call_number(Emitter *e, CallNumber *number, uint32_t which);
LLVMValueRef emit_stride(Emitter *e, uint32_t which); // LoopCall.stride[which], in elements
LLVMValueRef emit_offset(Emitter *e, uint32_t which);
LLVMValueRef emit_extent(Emitter *e, uint32_t axis);    // real elements
LLVMValueRef emit_array(Emitter *e, uint32_t argument); // address

// The emitters: each builds the body of e->code->function.
void emit_nest_kernel(Emitter *e, const LoopKernel *kernel);  // kernel_nest.c: MAP, REDUCE
void emit_sweep_kernel(Emitter *e, const LoopKernel *kernel); // kernel_sweep.c
void emit_product_kernel(Emitter *e);                         // kernel_product.c
void emit_outer_kernel(Emitter *e);
LLVMValueRef emit_op(const Emitter *e, const LoopOp *op, const LLVMValueRef *operands, unsigned lanes); // operation.c

void emit_program(Emitter *e); // program.c

#endif
