// Debug information of a module, added when all of its code stands: nothing that emits code needs to know of it.
// What it relies on: an entry calls its kernels in the order of LoopEntry.calls, and nothing else that has a body.
#define _GNU_SOURCE // dladdr
#include "debug.h"
#include <dlfcn.h>
#include <limits.h>
#include <llvm-c/DebugInfo.h>
#include <llvm-c/LLJITUtils.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DWARF_VERSION = 4, ENCODING_FLOAT = 4, OP_DEREF = 0x06, OP_PLUS_UCONST = 0x23 };

typedef struct Place { // a line of a file; no file: not known
    LLVMMetadataRef file;
    uint32_t line, column;
} Place;

typedef struct Describer {
    LLVMModuleRef module;
    LLVMContextRef context;
    LLVMDIBuilderRef builder;
    const LoopProgram *program;
    const BackendOptions *options;
    LLVMMetadataRef unit, function_type, real[2];
    Place start; // of what has no place of its own
} Describer;

// ---- Places ---------------------------------------------------------------------------------------------------------

static LLVMMetadataRef file_of(Describer *d, const char *path) {
    char full[PATH_MAX];
    if (!realpath(path, full)) snprintf(full, sizeof full, "%s", path);
    const char *slash = strrchr(full, '/'), *name = slash ? slash + 1 : full;
    size_t folder = slash ? (size_t)(slash - full) : 0;
    return LLVMDIBuilderCreateFile(d->builder, name, strlen(name), full, folder); // equal ones are one
}

static Place place_of(Describer *d, Span span) {
    const char *path;
    uint32_t line, column;
    if (!d->options->locate(d->options->locate_context, span, &path, &line, &column)) return d->start;
    return (Place){file_of(d, path), line, column};
}

static LLVMMetadataRef location(Describer *d, LLVMMetadataRef function, const Place *place) {
    LLVMMetadataRef scope = function;
    if (LLVMDIScopeGetFile(function) != place->file)
        scope = LLVMDIBuilderCreateLexicalBlockFile(d->builder, function, place->file, 0);
    return LLVMDIBuilderCreateDebugLocation(d->context, place->line, place->column, scope, NULL);
}

// ---- Arrays ---------------------------------------------------------------------------------------------------------

static LLVMMetadataRef real_type(Describer *d, LoopReal real) {
    const char *name = real == LOOP_F32 ? "float" : "double";
    LLVMMetadataRef *type = &d->real[real == LOOP_F64];
    if (!*type)
        *type = LLVMDIBuilderCreateBasicType(d->builder, name, strlen(name), real == LOOP_F32 ? 32 : 64, ENCODING_FLOAT,
                                             LLVMDIFlagZero);
    return *type;
}

// A pointer to a number, or to rows with their padding.
static LLVMMetadataRef array_type(Describer *d, const LoopArray *array) {
    LLVMMetadataRef type = real_type(d, array->real), ranges[LOOP_MAX_AXES];
    if (array->rank && !array->batched) {
        int64_t inner = 1;
        for (uint32_t k = array->rank; k-- > 0;) {
            int64_t stride = k ? loop_array_stride(array, k - 1).fixed : loop_array_size(array).fixed;
            ranges[k] = LLVMDIBuilderGetOrCreateSubrange(d->builder, 0, stride / inner);
            inner = stride;
        }
        uint64_t bits = (uint64_t)loop_array_size(array).fixed * (array->real == LOOP_F32 ? 32 : 64);
        type = LLVMDIBuilderCreateArrayType(d->builder, bits, 0, type, ranges, array->rank);
    }
    return LLVMDIBuilderCreatePointerType(d->builder, type, 64, 0, 0, "", 0);
}

// The address of all arrays is kept in a variable of the function, where a debugger finds it until the end.
static LLVMValueRef keep_arrays(Describer *d, LLVMValueRef function) {
    LLVMBuilderRef builder = LLVMCreateBuilderInContext(d->context);
    LLVMPositionBuilderBefore(builder, LLVMGetFirstInstruction(LLVMGetEntryBasicBlock(function)));
    LLVMValueRef arrays = LLVMGetParam(function, 0);
    LLVMValueRef slot = LLVMBuildAlloca(builder, LLVMTypeOf(arrays), "arrays");
    LLVMSetVolatile(LLVMBuildStore(builder, arrays, slot), 1);
    LLVMDisposeBuilder(builder);
    return slot;
}

static void declare_arrays(Describer *d, LLVMValueRef function, LLVMMetadataRef subprogram, const bool *wanted) {
    LLVMValueRef slot = keep_arrays(d, function), before = LLVMGetNextInstruction(LLVMGetNextInstruction(slot));
    unsigned line = LLVMDISubprogramGetLine(subprogram);
    LLVMMetadataRef file = LLVMDIScopeGetFile(subprogram);
    LLVMMetadataRef at = LLVMDIBuilderCreateDebugLocation(d->context, line, 0, subprogram, NULL);
    for (uint32_t i = 0; i < d->program->arrays.count; i++) {
        const LoopArray *array = &d->program->arrays.items[i];
        if (!wanted[i]) continue;
        uint64_t way[] = {OP_DEREF, OP_PLUS_UCONST, sizeof(void *) * i};
        LLVMMetadataRef variable =
            LLVMDIBuilderCreateAutoVariable(d->builder, subprogram, array->name, strlen(array->name), file, line,
                                            array_type(d, array), 1, LLVMDIFlagZero, 0);
        LLVMDIBuilderInsertDeclareRecordBefore(d->builder, slot, variable,
                                               LLVMDIBuilderCreateExpression(d->builder, way, 3), at, before);
    }
}

static void want(bool *wanted, const LoopCall *call) {
    for (uint32_t i = 0; i < call->array_count; i++) wanted[call->array[i]] = true;
}

static bool *want_none(const Describer *d) {
    bool *wanted = memory_resize(NULL, d->program->arrays.count, sizeof *wanted);
    memset(wanted, 0, d->program->arrays.count * sizeof *wanted);
    return wanted;
}

// ---- Functions ------------------------------------------------------------------------------------------------------

static LLVMMetadataRef describe_function(Describer *d, LLVMValueRef function, const char *name, const Place *place) {
    LLVMMetadataRef subprogram =
        LLVMDIBuilderCreateFunction(d->builder, place->file, name, strlen(name), name, strlen(name), place->file,
                                    place->line, d->function_type, 0, 1, place->line, LLVMDIFlagZero, 0);
    LLVMSetSubprogram(function, subprogram);
    return subprogram;
}

// Every instruction that has none gets this place.
static void place_all(LLVMValueRef function, LLVMMetadataRef where) {
    for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(function); b; b = LLVMGetNextBasicBlock(b))
        for (LLVMValueRef i = LLVMGetFirstInstruction(b); i; i = LLVMGetNextInstruction(i))
            if (!LLVMInstructionGetDebugLoc(i)) LLVMInstructionSetDebugLoc(i, where);
}

static bool calls_kernel(LLVMValueRef instruction) {
    if (!LLVMIsACallInst(instruction)) return false;
    LLVMValueRef called = LLVMIsAFunction(LLVMGetCalledValue(instruction));
    return called && !LLVMIsDeclaration(called);
}

static uint32_t count_calls(const LoopProgram *program, uint32_t kernel) {
    uint32_t count = 0;
    for (uint32_t e = 0; e < program->entries.count; e++)
        for (uint32_t c = 0; c < program->entries.items[e].calls.count; c++)
            count += program->entries.items[e].calls.items[c].kernel == kernel;
    return count;
}

static void describe_kernel(Describer *d, LLVMValueRef kernel, const LoopCall *call, const Place *place) {
    size_t length;
    if (LLVMGetSubprogram(kernel)) return;
    LLVMMetadataRef subprogram = describe_function(d, kernel, LLVMGetValueName2(kernel, &length), place);
    bool *wanted = want_none(d);
    want(wanted, call);
    if (count_calls(d->program, call->kernel) == 1) declare_arrays(d, kernel, subprogram, wanted);
    place_all(kernel, location(d, subprogram, place));
    free(wanted);
}

static void describe_entry(Describer *d, LLVMValueRef function, const LoopEntry *entry) {
    LLVMMetadataRef subprogram = describe_function(d, function, entry->name, &d->start);
    bool *wanted = want_none(d);
    uint32_t next = 0;
    for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(function); b; b = LLVMGetNextBasicBlock(b))
        for (LLVMValueRef i = LLVMGetFirstInstruction(b); i; i = LLVMGetNextInstruction(i)) {
            if (!calls_kernel(i) || next == entry->calls.count) continue;
            const LoopCall *call = &entry->calls.items[next++];
            Place place = place_of(d, call->span);
            want(wanted, call);
            describe_kernel(d, LLVMGetCalledValue(i), call, &place);
            LLVMInstructionSetDebugLoc(i, location(d, subprogram, &place));
        }
    declare_arrays(d, function, subprogram, wanted);
    place_all(function, location(d, subprogram, &d->start));
    free(wanted);
}

// ---- The module -----------------------------------------------------------------------------------------------------

static void set_flag(Describer *d, const char *name, unsigned value) {
    LLVMValueRef number = LLVMConstInt(LLVMInt32TypeInContext(d->context), value, 0);
    LLVMAddModuleFlag(d->module, LLVMModuleFlagBehaviorWarning, name, strlen(name), LLVMValueAsMetadata(number));
}

void debug_describe(LLVMModuleRef module, const LoopProgram *program, const BackendOptions *options) {
    static const char producer[] = "lequel";
    Describer d = {.module = module, .program = program, .options = options};
    d.context = LLVMGetModuleContext(module);
    LLVMSetIsNewDbgInfoFormat(module, 1);
    d.builder = LLVMCreateDIBuilder(module);
    d.start = (Place){.file = file_of(&d, options->source_name ? options->source_name : "model"), .line = 1};
    d.start = place_of(&d, (Span){0});
    d.unit = LLVMDIBuilderCreateCompileUnit(d.builder, LLVMDWARFSourceLanguageC99, d.start.file, producer,
                                            sizeof producer - 1, 0, "", 0, 0, "", 0, LLVMDWARFEmissionFull, 0, 0, 0, "",
                                            0, "", 0);
    d.function_type = LLVMDIBuilderCreateSubroutineType(d.builder, d.start.file, NULL, 0, LLVMDIFlagZero);
    set_flag(&d, "Debug Info Version", LLVMDebugMetadataVersion());
    set_flag(&d, "Dwarf Version", DWARF_VERSION);
    for (uint32_t i = 0; i < program->entries.count; i++) {
        char name[32];
        snprintf(name, sizeof name, "lequel_entry_%u", (unsigned)i);
        LLVMValueRef function = LLVMGetNamedFunction(module, name);
        if (function) describe_entry(&d, function, &program->entries.items[i]);
    }
    LLVMDIBuilderFinalize(d.builder);
    LLVMDisposeDIBuilder(d.builder);
}

// The linker looks for LLVM's own function among those that the whole process knows. This module was opened for itself
// alone, so LLVM is made known first.
LLVMErrorRef debug_announce(LLVMOrcLLJITRef jit) {
    Dl_info info;
    if (dladdr((void *)(uintptr_t)LLVMContextCreate, &info))
        dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_GLOBAL);
    return LLVMOrcLLJITEnableDebugSupport(jit);
}
