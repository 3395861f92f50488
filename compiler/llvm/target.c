// Finds out what the processor can do: from its feature list for the host, else by compiling a multiply-add and
// looking at the registers and instructions that come out, so that no table of processors is kept.
#include "target.h"
#include <errno.h>
#include <llvm-c/Target.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static bool has_feature(const char *features, const char *name) {
    size_t length = strlen(name);
    for (const char *at = features; (at = strstr(at, name)); at += length)
        if ((at == features || at[-1] == ',') && (at[length] == ',' || !at[length])) return true;
    return false;
}

static void describe(Target *target, bool wide, bool medium, bool fma) {
    target->vector_bytes = wide ? 64 : medium ? 32 : 16;
    target->registers = wide ? 32 : 16;
    target->fma = fma;
}

// A function with a 512-bit multiply-add.
static LLVMModuleRef probe_module(LLVMContextRef context, const Target *target) {
    Emitter e = {.context = context, .target = &(Target){.vector_bytes = 64, .fma = true, .x86 = target->x86}};
    e.module = LLVMModuleCreateWithNameInContext("probe", context);
    e.builder = LLVMCreateBuilderInContext(context);
    LLVMSetTarget(e.module, target->triple);
    e.int32 = LLVMInt32TypeInContext(context);
    e.int64 = LLVMInt64TypeInContext(context);
    LLVMTypeRef pointer = LLVMPointerTypeInContext(context, 0), vector = emit_real_type(&e, LOOP_F32, 16);
    emit_function(&e, "probe", LLVMFunctionType(LLVMVoidTypeInContext(context), &pointer, 1, 0), false);
    LLVMValueRef value = emit_load(&e, vector, emit_argument(&e, 0), 4);
    emit_store(&e, emit_fma(&e, value, value, value), emit_argument(&e, 0), 4);
    LLVMBuildRetVoid(e.builder);
    LLVMDisposeBuilder(e.builder);
    return e.module;
}

static bool probe(Target *target, LLVMTargetMachineRef machine, Text *error) {
    LLVMContextRef context = LLVMContextCreate();
    LLVMModuleRef module = probe_module(context, target);
    LLVMMemoryBufferRef assembly = NULL;
    char *message = NULL;
    bool failed = LLVMTargetMachineEmitToMemoryBuffer(machine, module, LLVMAssemblyFile, &message, &assembly);
    if (failed) {
        text_addf(error, "cannot generate code for this processor: %s", message);
        LLVMDisposeMessage(message);
    } else {
        Text text = {0};
        text_add_bytes(&text, LLVMGetBufferStart(assembly), LLVMGetBufferSize(assembly));
        describe(target, strstr(text_z(&text), "%zmm"), strstr(text_z(&text), "%ymm"), strstr(text_z(&text), "vfm"));
        text_free(&text);
        LLVMDisposeMemoryBuffer(assembly);
    }
    LLVMDisposeModule(module);
    LLVMContextDispose(context);
    return !failed;
}

static LLVMTargetMachineRef make_machine(const Target *target, int level, Text *error) {
    LLVMTargetRef reference = NULL;
    char *message = NULL;
    if (LLVMGetTargetFromTriple(target->triple, &reference, &message)) {
        text_addf(error, "LLVM knows no target %s: %s", target->triple, message);
        LLVMDisposeMessage(message);
        return NULL;
    }
    LLVMCodeGenOptLevel effort = level > 0 ? LLVMCodeGenLevelDefault : LLVMCodeGenLevelNone;
    LLVMTargetMachineRef machine = LLVMCreateTargetMachine(reference, target->triple, target->cpu, target->features,
                                                           effort, LLVMRelocPIC, LLVMCodeModelDefault);
    if (!machine) text_addf(error, "LLVM cannot make code for %s", target->triple);
    return machine;
}

static LLVMTargetMachineRef open_known(Target *target, const char *cpu, int level, Text *error) {
    if (LLVMInitializeNativeTarget() || LLVMInitializeNativeAsmPrinter()) {
        text_add(error, "LLVM was built without this machine's target");
        return NULL;
    }
    target->triple = LLVMGetDefaultTargetTriple();
    target->cpu = cpu ? LLVMCreateMessage(cpu) : LLVMGetHostCPUName();
    target->features = cpu ? LLVMCreateMessage("") : LLVMGetHostCPUFeatures();
    target->x86 = strncmp(target->triple, "x86_64", 6) == 0;
    LLVMTargetMachineRef machine = make_machine(target, level, error);
    if (!machine) return NULL;
    if (!target->x86) { // 128-bit vectors of a machine with 32 registers
        *target = (Target){target->triple, target->cpu, target->features, 16, 32, false, false};
        target->fma = strncmp(target->triple, "aarch64", 7) == 0 || strncmp(target->triple, "arm64", 5) == 0;
    } else if (!cpu) {
        const char *features = target->features;
        describe(target, has_feature(features, "+avx512f"), has_feature(features, "+avx"),
                 has_feature(features, "+fma"));
    } else if (!probe(target, machine, error)) {
        LLVMDisposeTargetMachine(machine);
        return NULL;
    }
    return machine;
}

// What it says goes to `end`; nothing of it is kept.
_Noreturn static void try_processor(const char *cpu, int end) {
    Target target = {0};
    Text nowhere = {0};
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    dup2(end, STDERR_FILENO);
    _exit(open_known(&target, cpu, 0, &nowhere) == NULL);
}

static void read_all(int file, Text *text) {
    char bytes[512];
    ssize_t count;
    while ((count = read(file, bytes, sizeof bytes)) > 0 || (count < 0 && errno == EINTR))
        if (count > 0) text_add_bytes(text, bytes, (size_t)count);
}

// LLVM only complains about a name that it does not know, and ends the process where a processor has no code of 64
// bits. So it is asked in a process of its own.
static bool is_possible(const char *cpu, Text *error) {
    int ends[2], status = -1;
    Text said = {0};
    if (pipe(ends) != 0) return text_addf(error, "no process can be made: %s", strerror(errno)), false;
    pid_t child = fork();
    if (child == 0) try_processor(cpu, ends[1]);
    close(ends[1]);
    if (child > 0) {
        read_all(ends[0], &said);
        while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    }
    close(ends[0]);
    bool known = !strstr(text_z(&said), "is not a recognized processor"), good = known && status == 0;
    if (!known)
        text_addf(error, "LLVM knows no processor `%s` for this kind of machine", cpu);
    else if (!good)
        text_addf(error, "LLVM makes no code of 64 bits for the processor `%s`", cpu);
    text_free(&said);
    return good;
}

LLVMTargetMachineRef target_open(Target *target, const char *cpu, int level, Text *error) {
    if (cpu && strcmp(cpu, "native") == 0) cpu = NULL;
    return cpu && !is_possible(cpu, error) ? NULL : open_known(target, cpu, level, error);
}

void target_free(Target *target) {
    LLVMDisposeMessage(target->triple);
    LLVMDisposeMessage(target->cpu);
    LLVMDisposeMessage(target->features);
    *target = (Target){0};
}
