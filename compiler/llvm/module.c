// The door of the LLVM back end and its pipeline: build, verify, passes, object file in memory, link, look up.
#define _GNU_SOURCE
#include "target.h"
#include <dlfcn.h>
#include <llvm-c/Analysis.h>
#include <llvm-c/Error.h>
#include <llvm-c/LLJIT.h>
#include <llvm-c/Orc.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include <llvm/Config/llvm-config.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

__attribute__((visibility("default"))) const Backend *lequel_backend(void);

struct BackendCode {
    LLVMOrcLLJITRef jit;
    uint32_t entry_count;
    Vec(LoopFunction *) entries;
    BackendTimes times;
    Text ir, assembly, object;
    Text reports; // what the linker's session reports, here since it may report as long as it lives
};

// One compilation under way. Whatever it still owns at its end is disposed of there.
typedef struct Compilation {
    const LoopProgram *program;
    const BackendOptions *options;
    BackendCode *code;
    Text *error;
    Text diagnostics;
    Target target;
    LLVMContextRef context;
    LLVMModuleRef module;
    LLVMTargetMachineRef machine;
    LLVMMemoryBufferRef object;
} Compilation;

static double now(void) {
    struct timespec time;
    timespec_get(&time, TIME_UTC);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

// Turns an error to text and frees it. True when there was one.
static bool failed(Text *error, const char *what, LLVMErrorRef problem) {
    if (!problem) return false;
    char *message = LLVMGetErrorMessage(problem); // takes the error
    problem = NULL;
    text_addf(error, "%s: %s", what, message);
    LLVMDisposeErrorMessage(message);
    return true;
}

static void collect_report(void *context, LLVMErrorRef problem) {
    Text *reports = context;
    if (reports->length) text_add(reports, "; ");
    failed(reports, "linking", problem); // takes the error
}

static void collect_diagnostic(LLVMDiagnosticInfoRef info, void *context) {
    Text *diagnostics = context;
    if (LLVMGetDiagInfoSeverity(info) != LLVMDSError) return;
    char *description = LLVMGetDiagInfoDescription(info);
    text_addf(diagnostics, "%s%s", diagnostics->length ? "; " : "", description);
    LLVMDisposeMessage(description);
}

static bool set_up(Compilation *c) {
    c->machine = target_open(&c->target, c->options->cpu, c->options->level, c->error);
    if (!c->machine) return false;
    c->context = LLVMContextCreate();
    LLVMContextSetDiagnosticHandler(c->context, collect_diagnostic, &c->diagnostics);
    return true;
}

static bool build(Compilation *c) {
    const char *name = c->options->source_name ? c->options->source_name : "model";
    c->module = LLVMModuleCreateWithNameInContext(name, c->context);
    LLVMSetTarget(c->module, c->target.triple);
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(c->machine);
    LLVMSetModuleDataLayout(c->module, layout);
    LLVMDisposeTargetData(layout);
    if (c->program->deterministic) c->target.fma = false; // a multiplication and an addition, everywhere
    Emitter emitter = {.context = c->context, .module = c->module, .program = c->program, .target = &c->target};
    emitter.quick = c->options->level <= 1;
    emitter.builder = LLVMCreateBuilderInContext(c->context);
    emit_program(&emitter);
    LLVMDisposeBuilder(emitter.builder);
    char *message = NULL;
    bool wrong = LLVMVerifyModule(c->module, LLVMReturnStatusAction, &message);
    if (wrong) text_addf(c->error, "the generated code is malformed: %s", message);
    LLVMDisposeMessage(message);
    return !wrong;
}

static bool run_passes(Compilation *c) {
    static const char *const passes[] = {NULL, "function(early-cse,loop-mssa(licm))", "default<O2>", "default<O3>"};
    int level = c->options->level < 0 ? 0 : c->options->level > 3 ? 3 : c->options->level;
    if (!passes[level]) return true;
    LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
    LLVMErrorRef problem = LLVMRunPasses(c->module, passes[level], c->machine, options);
    LLVMDisposePassBuilderOptions(options);
    return !failed(c->error, "a pass failed", problem);
}

static bool emit_file(Compilation *c, LLVMModuleRef module, LLVMCodeGenFileType type, LLVMMemoryBufferRef *file) {
    char *message = NULL;
    if (LLVMTargetMachineEmitToMemoryBuffer(c->machine, module, type, &message, file)) {
        text_addf(c->error, "code generation failed: %s", message);
        LLVMDisposeMessage(message);
        return false;
    }
    if (!c->diagnostics.length) return true;
    text_addf(c->error, "code generation failed: %s", text_z(&c->diagnostics));
    return false;
}

static bool keep_texts(Compilation *c) {
    if (c->options->want_ir) {
        char *text = LLVMPrintModuleToString(c->module);
        text_add(&c->code->ir, text);
        LLVMDisposeMessage(text);
    }
    if (!c->options->want_assembly) return true;
    LLVMModuleRef copy = LLVMCloneModule(c->module); // code generation changes what it is given
    LLVMMemoryBufferRef assembly = NULL;
    bool right = emit_file(c, copy, LLVMAssemblyFile, &assembly);
    if (right) text_add_bytes(&c->code->assembly, LLVMGetBufferStart(assembly), LLVMGetBufferSize(assembly));
    if (assembly) LLVMDisposeMemoryBuffer(assembly);
    LLVMDisposeModule(copy);
    return right;
}

static bool start_linker(BackendCode *code, Text *error) {
    if (failed(error, "cannot start the linker", LLVMOrcCreateLLJIT(&code->jit, NULL))) return false;
    LLVMOrcExecutionSessionRef session = LLVMOrcLLJITGetExecutionSession(code->jit);
    LLVMOrcExecutionSessionSetErrorReporter(session, collect_report, &code->reports);
    return true;
}

static bool link_object(BackendCode *code, LLVMMemoryBufferRef object, Text *error) {
    if (!start_linker(code, error)) return LLVMDisposeMemoryBuffer(object), false;
    LLVMOrcLLJITRef jit = code->jit;
    LLVMErrorRef problem = LLVMOrcLLJITAddObjectFile(jit, LLVMOrcLLJITGetMainJITDylib(jit), object);
    object = NULL; // taken, on failure too
    bool right = !failed(error, "cannot link", problem);
    for (uint32_t i = 0; right && i < code->entry_count; i++) {
        LLVMOrcExecutorAddress address = 0;
        char name[32];
        snprintf(name, sizeof name, "lequel_entry_%u", (unsigned)i);
        right = !failed(error, "cannot link", LLVMOrcLLJITLookup(jit, &address, name));
        vec_push(&code->entries, (LoopFunction *)(uintptr_t)address);
    }
    if (!right && code->reports.length) text_addf(error, " (%s)", text_z(&code->reports));
    return right;
}

static bool link_compiled(Compilation *c) {
    LLVMMemoryBufferRef object = c->object;
    c->object = NULL; // taken
    return link_object(c->code, object, c->error);
}

static bool run_pipeline(Compilation *c) {
    BackendTimes *times = &c->code->times;
    double start = now(), end;
#define PHASE(member, call)                                                                                            \
    do {                                                                                                               \
        bool right = call;                                                                                             \
        end = now();                                                                                                   \
        times->member = end - start;                                                                                   \
        start = end;                                                                                                   \
        if (!right) return false;                                                                                      \
    } while (0)
    PHASE(setup, set_up(c));
    PHASE(build, build(c));
    PHASE(passes, run_passes(c));
    if (!keep_texts(c)) return false;
    start = now();
    PHASE(codegen, emit_file(c, c->module, LLVMObjectFile, &c->object));
    if (c->options->want_object)
        text_add_bytes(&c->code->object, LLVMGetBufferStart(c->object), LLVMGetBufferSize(c->object));
    else
        PHASE(link, link_compiled(c));
#undef PHASE
    return true;
}

static void backend_dispose(BackendCode *code) {
    if (!code) return;
    if (code->jit) {
        Text ignored = {0};
        failed(&ignored, "closing the linker", LLVMOrcDisposeLLJIT(code->jit));
        text_free(&ignored);
    }
    vec_free(&code->entries);
    text_free(&code->ir);
    text_free(&code->assembly);
    text_free(&code->object);
    text_free(&code->reports);
    free(code);
}

static BackendCode *backend_compile(const LoopProgram *program, const BackendOptions *options, Text *error) {
    Compilation c = {.program = program, .options = options, .error = error};
    c.code = memory_resize(NULL, 1, sizeof *c.code);
    *c.code = (BackendCode){.entry_count = program->entries.count};
    bool right = run_pipeline(&c);
    if (c.object) LLVMDisposeMemoryBuffer(c.object);
    if (c.module) LLVMDisposeModule(c.module);
    if (c.context) LLVMContextDispose(c.context);
    if (c.machine) LLVMDisposeTargetMachine(c.machine);
    target_free(&c.target);
    text_free(&c.diagnostics);
    if (right) return c.code;
    backend_dispose(c.code);
    return NULL;
}

static LoopFunction *backend_entry(const BackendCode *code, uint32_t entry) {
    return entry < code->entries.count ? code->entries.items[entry] : NULL;
}

static const char *backend_text(const BackendCode *code, bool assembly) {
    return text_z(assembly ? &code->assembly : &code->ir);
}

static const char *backend_object(const BackendCode *code, size_t *length) {
    *length = code->object.length;
    return code->object.bytes;
}

static bool backend_link(BackendCode *code, Text *error) {
    double start = now();
    LLVMMemoryBufferRef copy =
        LLVMCreateMemoryBufferWithMemoryRangeCopy(code->object.bytes, code->object.length, "object");
    bool right = link_object(code, copy, error);
    code->times.link = now() - start;
    return right;
}

static const char *backend_library(void) {
    Dl_info info;
    LLVMContextRef (*function)(void) = LLVMContextCreate; // some function of it
    void *address;
    memcpy(&address, &function, sizeof address); // ISO C has no cast from function to object pointers
    return dladdr(address, &info) ? info.dli_fname : NULL;
}

static BackendTimes backend_times(const BackendCode *code) { return code->times; }

const Backend *lequel_backend(void) {
    static const Backend backend = {.name = "LLVM " LLVM_VERSION_STRING,
                                    .compile = backend_compile,
                                    .entry = backend_entry,
                                    .text = backend_text,
                                    .object = backend_object,
                                    .link = backend_link,
                                    .library = backend_library,
                                    .times = backend_times,
                                    .dispose = backend_dispose};
    return &backend;
}
