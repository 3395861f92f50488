// Lequel: neural models described by an energy, compiled. The whole public interface.
//
// Course of things: open a model (lequel_model_open), look at its diagnostics, and either print what was derived from
// it (lequel_model_derive), or compile it to a program and run the model's experiment (lequel_run) or step an instance
// by hand (lequel_instance_step).
//
// Ownership: what lequel_…_new and lequel_…_open return is freed by lequel_…_free; every free function takes NULL. A
// program needs its model, an instance its program, an instance with shared weights the instance that has them: free
// them in the opposite order. `char *` results and errors are the caller's, to be freed by lequel_text_free;
// `const char *` results belong to the handle that they came from and live as long.
// Errors: functions with a last argument `char **error` set it to a sentence when they fail and to NULL when they
// don't; `error` itself may be NULL. Handles may be used by one thread at a time; different models are independent.
#ifndef LEQUEL_H
#define LEQUEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define LEQUEL_API __attribute__((visibility("default")))
#else
#define LEQUEL_API
#endif

LEQUEL_API const char *lequel_version(void); // "0.1.0"
LEQUEL_API void lequel_text_free(char *text);
LEQUEL_API double lequel_seconds(void); // a monotonic clock, for `started` below

// ---- Models ---------------------------------------------------------------------------------------------------------

typedef struct LequelModel LequelModel;

typedef struct LequelModelOptions { // all may be NULL or 0
    const char *network;            // by name; otherwise the last one of the file
    const char *experiment;         // the same
    const char *const *defines;     // "tau=1.2": parameters of the network
    uint32_t define_count;
    const char *dynamics; // another principle than the file's, if wanted with options: "vle(gain = power, average = 9)"
    const char *text;     // the model itself; then the path only names it in messages and says where its imports are
} LequelModelOptions;

// Reads, parses and checks a model file. Never NULL: with errors in it, lequel_model_good is false and the diagnostics
// say why. `options` may be NULL.
LEQUEL_API LequelModel *lequel_model_open(const char *path, const LequelModelOptions *options);
LEQUEL_API void lequel_model_free(LequelModel *model);
LEQUEL_API bool lequel_model_good(const LequelModel *model);
LEQUEL_API uint32_t lequel_model_error_count(const LequelModel *model);
LEQUEL_API uint32_t lequel_model_report_count(const LequelModel *model); // errors and warnings so far
LEQUEL_API const char *lequel_model_name(const LequelModel *model);      // of the network; "" when not good
LEQUEL_API bool lequel_model_has_experiment(const LequelModel *model);
// A number of steps from "4050", "4 ms" or "100 steps", by the model's dt; -1 with an error when it is none.
LEQUEL_API int64_t lequel_model_steps(const LequelModel *model, const char *duration, char **error);

typedef enum LequelStyle { LEQUEL_PLAIN, LEQUEL_COLOUR, LEQUEL_JSON } LequelStyle;

// All errors and warnings so far, in source order; "" when there are none. LEQUEL_JSON: one object a line.
LEQUEL_API char *lequel_model_diagnostics(const LequelModel *model, LequelStyle style);

// Checks what lequel_model_open does not: that equations can be derived, and the names that the experiment uses.
LEQUEL_API bool lequel_model_check(LequelModel *model);

typedef enum LequelNotation { LEQUEL_TEXT, LEQUEL_UNICODE, LEQUEL_LATEX, LEQUEL_HTML } LequelNotation;

// The derived equations of neurons, errors and plasticity, and the step that they become. LEQUEL_HTML is a whole page
// with the model's text. NULL when the energy admits none: see the diagnostics.
LEQUEL_API char *lequel_model_derive(LequelModel *model, LequelNotation notation);
// The same under every principle, one after the other: what they have in common, then what each has of its own.
LEQUEL_API char *lequel_model_principles(LequelModel *model, LequelNotation notation);
// Which signals each update and each error uses, and where these are. LEQUEL_TEXT, LEQUEL_UNICODE, or one JSON object.
LEQUEL_API char *lequel_model_locality(LequelModel *model, LequelNotation notation, bool json);

typedef struct LequelGradcheckOptions {
    const char *const *principles; // "gle", "vle(gain = power, average = 9)"; NULL: those that need no options
    uint32_t principle_count;
    int64_t steps, settle; // of the window, and before it; steps 0: one presentation, or 400
    int64_t batch;         // 0: the experiment's, at most 8
    uint64_t seed;
    int64_t elements; // of each parameter, whose derivatives are computed numerically
    double tolerance; // 0: what the numerical method allows
    bool json;
} LequelGradcheckOptions;

// Gradients of all learned parameters over a window of the model's own data, under each principle beside bptt, and bptt
// beside numerical derivatives (*agrees). The file is read again. NULL when that fails: either the model has
// diagnostics now, or the error says why.
LEQUEL_API char *lequel_model_gradcheck(LequelModel *model, const LequelGradcheckOptions *options, bool *agrees,
                                        char **error);

typedef struct LequelAnalysis LequelAnalysis;

typedef struct LequelAnalysisOptions {
    const char *neuron;   // a population, family or kind of neuron, with [unit] behind it or a unit alone; NULL: all
    const double *omegas; // frequencies of the tables, at most 8; count 0: by decades
    uint32_t omega_count;
    uint64_t seed; // of initial values that are drawn
} LequelAnalysisOptions;

// Frequency responses, stability and warnings at the initial values. NULL when it cannot be made: either the model has
// diagnostics now, or the error says why. It needs the model. `options` may be NULL.
LEQUEL_API LequelAnalysis *lequel_analysis_new(LequelModel *model, const LequelAnalysisOptions *options, char **error);
LEQUEL_API void lequel_analysis_free(LequelAnalysis *analysis);

typedef enum LequelAnalysisForm { LEQUEL_ANALYSIS_TEXT, LEQUEL_ANALYSIS_JSON, LEQUEL_ANALYSIS_SVG } LequelAnalysisForm;
LEQUEL_API char *lequel_analysis_print(const LequelAnalysis *analysis, LequelAnalysisForm form);

// "ast" or "model", for a look inside; NULL when there is nothing to show.
LEQUEL_API char *lequel_model_dump(const LequelModel *model, const char *what);

// The canonical form of a model text, comments kept. NULL with the diagnostics (in plain style) as error when it cannot
// be parsed. `name` stands for the file in messages.
LEQUEL_API char *lequel_format(const char *name, const char *text, size_t length, LequelStyle style, char **error);

// What a diagnostic means, from its code ("E0201"); NULL for an unknown code, with the nearest one in the error.
LEQUEL_API char *lequel_explain(const char *code, char **error);
LEQUEL_API char *lequel_explain_all(void); // all codes, as a page in Markdown

// ---- Programs -------------------------------------------------------------------------------------------------------

typedef struct LequelProgram LequelProgram;

typedef struct LequelProgramOptions {
    bool single;         // float instead of double
    const char *backend; // NULL or "jit"; "reference", a slow oracle; "loops", an interpreter
    int level;           // of optimisation, 1 to 3; 0: the default
    bool debug;          // gdb knows lines of the model and names of arrays (docs/trust.md)
    bool deterministic;  // the same bits on every machine and as emitted C; up to several times slower
    // Names of signals to keep readable, besides states, weights and what the experiment records; several names may
    // stand in one string, with commas between.
    const char *const *records;
    uint32_t record_count;
    const char *dump; // NULL, or energy, equations, step, loops, llvm, asm: see lequel_program_dump
    // Folder in which compiled code is kept and looked for; NULL: the user's, as lequel_cache_folder says; "": none.
    const char *cache;
    // Compile by another thread, while the caller goes on: what was not compiled before. The first instance (or
    // question about the code) waits for it, and is told what went wrong.
    bool background;
    // That steps may use together, where they are long enough to gain from it; 0: one. The results are the same.
    uint32_t threads;
} LequelProgramOptions;

// Derives and compiles. NULL when that fails: either the model has diagnostics now, or the error says why.
LEQUEL_API LequelProgram *lequel_program_new(LequelModel *model, const LequelProgramOptions *options, char **error);
LEQUEL_API void lequel_program_free(LequelProgram *program);
LEQUEL_API const char *lequel_program_dump(const LequelProgram *program); // the text of options->dump; "" without one

typedef struct LequelPhase {
    const char *name; // parse, check, derive, step, fuse, …
    double seconds;
    bool beside; // by another thread, while others went on
} LequelPhase;
// What the way from the file to code took, in its order; what was not done takes 0. Returns how many there are.
LEQUEL_API uint32_t lequel_program_phases(const LequelProgram *program, LequelPhase *phases, uint32_t room);

// Where compiled code is kept unless another folder is named: LEQUEL_CACHE, else `lequel` in XDG_CACHE_HOME or
// ~/.cache;
// "" when LEQUEL_CACHE is "never". A program that is compiled again is then loaded from there; docs/cache.md.
LEQUEL_API char *lequel_cache_folder(void);
LEQUEL_API bool lequel_program_cached(const LequelProgram *program); // its code was compiled by an earlier process

typedef struct LequelCacheSize {
    int64_t files, bytes, limit;
} LequelCacheSize;
// What a folder of compiled code holds or, with `clear`, what was removed from it. False with an error when the folder
// is not one that would be used.
LEQUEL_API bool lequel_cache_size(const char *folder, bool clear, LequelCacheSize *size, char **error);

typedef struct LequelArray {
    const char *name; // h[2].u
    const char *role; // input, parameter, weight, state, register, signal, optimiser, scalar
    const char *unit; // "1" for none
    uint32_t rank;
    int64_t extent[4];
    bool batched; // one value per sample: values are [batch][extent…]
    bool stored;  // false: computed on the way and not kept by this program
    bool learned;
} LequelArray;

LEQUEL_API uint32_t lequel_program_array_count(const LequelProgram *program);
LEQUEL_API LequelArray lequel_program_array(const LequelProgram *program, uint32_t array);
LEQUEL_API int64_t lequel_program_find(const LequelProgram *program, const char *name); // -1 when there is none
LEQUEL_API int64_t lequel_program_bytes(const LequelProgram *program, int64_t batch);   // memory of an instance

// ---- Instances ------------------------------------------------------------------------------------------------------

typedef struct LequelInstance LequelInstance;

// A network in its initial state, drawn from `seed`. With `weights`, its parameters are those of that instance.
LEQUEL_API LequelInstance *lequel_instance_new(const LequelProgram *program, int64_t batch, uint64_t seed,
                                               LequelInstance *weights, char **error);
LEQUEL_API void lequel_instance_free(LequelInstance *instance);
LEQUEL_API int64_t lequel_instance_steps(const LequelInstance *instance); // done so far

// One time step: `train` computes errors and learns; without it only states, rates and the cost are computed. What a
// model does `on end of …` a presentation, and the stages and settings of an experiment, belong to lequel_run.
LEQUEL_API void lequel_instance_step(LequelInstance *instance, bool train);
// So many of them, with inputs as they stand, to the same bits: one call of compiled code makes many steps in a row.
LEQUEL_API void lequel_instance_advance(LequelInstance *instance, int64_t steps, bool train);

// Values in logical order: [extent…], or [batch][extent…] for batched arrays; `length` counts all of them. The array
// must be stored.
LEQUEL_API int64_t lequel_instance_length(const LequelInstance *instance, uint32_t array);
LEQUEL_API void lequel_instance_get(const LequelInstance *instance, uint32_t array, double *values);
LEQUEL_API void lequel_instance_set(LequelInstance *instance, uint32_t array, const double *values);
LEQUEL_API double lequel_instance_cost(const LequelInstance *instance); // of the last step, mean over samples; or NaN

// ---- Experiments ----------------------------------------------------------------------------------------------------

typedef struct LequelRunOptions {
    uint64_t seed;
    int64_t epochs;  // -1: what the experiment says
    int64_t steps;   // of a continuous run; -1: what the experiment says
    const char *out; // folder for recordings, scores, final weights and run.json; NULL: nothing is written
    // Recorded in addition to what the experiment names, every so many steps. The same names must have been given to
    // lequel_program_new.
    const char *const *records;
    uint32_t record_count;
    int64_t every;            // 0: at the end of each presentation, or every step of a continuous run
    const char *const *inits; // "w0.W=weights.npy"
    uint32_t init_count;
    FILE *progress;               // NULL: silent
    bool terminal;                // progress as one line, drawn again and again
    bool catch_signals;           // SIGINT and SIGTERM end the run between two steps; what is done is saved
    double started;               // lequel_seconds() when the process began; 0: when the run began
    bool save_states;             // at the end into out/final, beside what was learned: for LequelEmitOptions.states
    bool resume;                  // goes on from the checkpoint in `out`; begins anew when there is none
    double checkpoint_seconds;    // between checkpoints (out/checkpoint); 0: 60; negative: none are made
    int64_t checkpoint_steps;     // the same in steps, if not 0
    int64_t trap;                 // steps between looks for NaN and infinity, which end a run; 0: 1000; negative: none
    double memory_limit;          // bytes; a run that needs more is refused before it begins; 0: what the machine has
    const char *command;          // for run.json; may be NULL
    const char *const *arguments; // the same word by word, from `run` on, for lequel_rerun; may be NULL
    uint32_t argument_count;
} LequelRunOptions;

typedef struct LequelRunReport {
    bool interrupted;
    bool was_complete; // `resume` found the complete results of this very run and left them
    int64_t resumed;   // steps that were done before it went on; 0: it began anew
    int64_t steps;
    double seconds;    // of the steps
    double first_step; // seconds from `started` to the end of the first step
    uint32_t files;    // written
    double ready;      // seconds from `started` to the beginning of the first step
    double data;       // seconds that making or reading data took; part of `ready`
} LequelRunReport;

// LEQUEL_RUN_INIT holds the options of a run as the experiment describes it, without output.
#define LEQUEL_RUN_INIT                                                                                                \
    { .epochs = -1, .steps = -1 }

// Runs the model's experiment. An interrupted run is no failure.
LEQUEL_API bool lequel_run(LequelProgram *program, const LequelRunOptions *options, LequelRunReport *report,
                           char **error);

// What run.json in a folder says about the run that made it. NULL with an error when it cannot be read.
typedef struct LequelManifest LequelManifest;
LEQUEL_API LequelManifest *lequel_manifest_open(const char *folder, char **error);
LEQUEL_API void lequel_manifest_free(LequelManifest *manifest);
LEQUEL_API const char *lequel_manifest_status(const LequelManifest *manifest); // complete, interrupted, …
LEQUEL_API const char *lequel_manifest_folder(const LequelManifest *manifest); // where the run was started; or NULL
LEQUEL_API uint32_t lequel_manifest_argument_count(const LequelManifest *manifest);
LEQUEL_API const char *lequel_manifest_argument(const LequelManifest *manifest, uint32_t argument);
// "" when all model and data files are as they were; otherwise a sentence that names one that is not.
LEQUEL_API char *lequel_manifest_changed(const LequelManifest *manifest);
// "" on the same machine with the same version; otherwise lines about what differs.
LEQUEL_API const char *lequel_manifest_elsewhere(const LequelManifest *manifest);

// Compares the recordings, scores and weights in two folders, bit for bit. The report has a line per difference.
LEQUEL_API bool lequel_compare(const char *left, const char *right, char **report, uint32_t *files, uint32_t *different,
                               char **error);
LEQUEL_API void lequel_results_remove(const char *folder); // what a run left there, and the folder if it is empty then

typedef struct LequelPlotPart { // of the recordings, both ends included; infinite ends leave it open
    double from, to;            // steps, or ms
    bool from_ms, to_ms;
} LequelPlotPart;

// Draws what a run left in a folder to traces.svg and scores.svg in it. The report has a line per file, also for those
// that could not be read: then the others are drawn, and false is returned. `part` NULL: everything.
LEQUEL_API bool lequel_plot(const char *folder, const LequelPlotPart *part, char **report, char **error);

// ---- Code for elsewhere ---------------------------------------------------------------------------------------------

typedef struct LequelEmitOptions { // all may be NULL, 0 or false
    const char *prefix;            // of files, functions and types; "model"
    bool single;                   // float instead of double
    bool deterministic;            // the same bits as a program with that option
    bool inference;                // without errors and learning
    bool simd;                     // with the vector extensions of GNU C
    const char *fixed;             // "Q16.16": fixed-point numbers of 32 bits, 16 of them behind the point
    bool driver;                   // a main program, ways to build it and a description as well
    int64_t batch;                 // samples that are computed together; 0: one
    const char *weights;           // folder of a run: its final weights are written as constants
    bool states;                   // and its states, where it was told to save them: the model goes on from there
    const char *const *inits;      // "w0.W=weights.npy": first values, written as constants
    uint32_t init_count;
    const char *const *records; // names of signals to keep readable, as for lequel_program_new
    uint32_t record_count;
} LequelEmitOptions;

typedef struct LequelEmitSizes {
    int64_t state;     // bytes of the struct: writable memory
    int64_t constants; // bytes of first values written as constants; the code comes on top
} LequelEmitSizes;

// Writes the model as C99 into a folder: prefix.h and prefix.c, and with `driver` main.c, Makefile, CMakeLists.txt and
// README.md. `sizes` (may be NULL) receives what it takes. False when that fails: either the model has diagnostics now,
// or the error says why; then nothing was written.
LEQUEL_API bool lequel_emit_c(LequelModel *model, const LequelEmitOptions *options, const char *folder,
                              LequelEmitSizes *sizes, char **error);

// Compiles FOLDER/PREFIX.c with a compiler and its options as a shell reads them ("arm-none-eabi-gcc -mcpu=cortex-m3
// -mthumb -Os"; -std=c99, -ffp-contract=off and -c are added) and counts the bytes of its code and constants, from the
// ELF object, which does not stay. False when the compiler fails or the object cannot be read.
LEQUEL_API bool lequel_emit_measure(const char *compiler, const char *folder, const char *prefix, int64_t *flash,
                                    char **error);

// The program itself, for its host or another processor of the same architecture. "llvm" and "asm": text; "obj": an
// object file whose functions and arrays the header describes ("header": C). NULL on failure. *length counts the bytes.
LEQUEL_API char *lequel_program_code(const LequelProgram *program, const char *what, const char *cpu, size_t *length,
                                     char **error);

// ---- Small things the command line needs ----------------------------------------------------------------------------

// Reads a file ("-": standard input); NULL on failure. The text is NUL-terminated; *length counts its bytes.
LEQUEL_API char *lequel_file_read(const char *path, size_t *length, char **error);
// Replaces a file at once or, on failure, not at all.
LEQUEL_API bool lequel_file_replace(const char *path, const char *bytes, size_t length, char **error);
LEQUEL_API bool lequel_folder_make(const char *path, char **error); // with its parents; one that exists is fine
// The word of a NULL-terminated list that is nearest to `word`; NULL when none is near.
LEQUEL_API const char *lequel_nearest(const char *word, const char *const *words);

#ifdef __cplusplus
}
#endif

#endif
