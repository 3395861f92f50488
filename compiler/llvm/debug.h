// Debug information: which line of the model a call comes from, and the arrays by their names.
#ifndef LEQUEL_LLVM_DEBUG_H
#define LEQUEL_LLVM_DEBUG_H

#include "../loops/backend.h"
#include <llvm-c/Core.h>
#include <llvm-c/LLJIT.h>

// Describes a finished module. Each entry is a function in the model's file; its calls stand on the lines they come
// from. A kernel stands on the line of its first call. Arrays are local variables of the entries and of kernels that
// are called once: pointers to elements, or to an array of the padded extents where these do not hang on the batch.
void debug_describe(LLVMModuleRef module, const LoopProgram *program, const BackendOptions *options);

// Lets a debugger know what the linker makes.
LLVMErrorRef debug_announce(LLVMOrcLLJITRef jit);

#endif
