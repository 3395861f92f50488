// The processor code is made for.
#ifndef LEQUEL_LLVM_TARGET_H
#define LEQUEL_LLVM_TARGET_H

#include "emit.h"

// Fills `target` for the host (cpu NULL or "native") or a processor of the host's architecture by its LLVM name, and
// makes the target machine. NULL with a sentence in `error` on failure. Free the target in either case.
LLVMTargetMachineRef target_open(Target *target, const char *cpu, int level, Text *error);
void target_free(Target *target);

#endif
