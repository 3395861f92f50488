// A compiled model is an immutable program (arrays' table, entry points); an instance is one aligned block of memory.
// The batch size belongs to the instance, not to the program. A second instance may share the weights of a first.
#ifndef LEQUEL_PROGRAM_H
#define LEQUEL_PROGRAM_H

#include "../compiler/loops/backend.h"
#include "../compiler/step/step.h"
#include "checkpoint.h"
#include "code.h"

typedef enum ProgramBackend {
    PROGRAM_JIT,       // LLVM
    PROGRAM_REFERENCE, // step_reference: the oracle, in double
    PROGRAM_LOOPS,     // loop_program_interpret: the loops form, interpreted
} ProgramBackend;

typedef struct ProgramOptions {
    LoopReal real;
    ProgramBackend backend;
    int level;            // of optimisation, 0..3; the default is 1
    bool deterministic;   // the same bits on every machine and from emitted C
    bool debug;           // with debug information, for gdb
    bool calls;           // for lequel emit: the loops form keeps mathematical functions as calls; no step can be taken
    const Atom *recorded; // arrays that must be readable after a step although nothing else keeps them
    uint32_t recorded_count;
    const char *dump;  // NULL or a representation to print: energy, equations, step, loops, llvm, asm
    const char *cache; // folder of compiled code; NULL or "": code is made anew and not kept
    // Code is compiled while the caller goes on, by another thread. The first to ask for it, with a new instance or a
    // question about the code, waits for it, and an instance is told what went wrong.
    bool background;
    uint32_t threads; // that steps may use together, where they are long enough to gain; 0 and 1: one
} ProgramOptions;

typedef struct ProgramArray { // what `lequel inspect` shows
    Atom name;
    Symbol symbol;
    SymbolRole role;
    uint32_t rank;
    int64_t extent[EXPR_MAX_RANK];
    bool batched;
    Unit unit;
    bool stored; // false: a signal that no instance of this program keeps, since nothing asked for it
} ProgramArray;

typedef struct ProgramTimes { // seconds
    double derive, discretise, fuse;
    CodeTimes code;
} ProgramTimes;

typedef enum ProgramEntry {
    ENTRY_TRAIN,
    ENTRY_EVALUATE,
    ENTRY_BACKWARD, // offline principles: one step backward in time; tape.c calls it
    ENTRY_LEARN,    // offline principles: the learning rules, at the end of a window
    ENTRY_COUNT
} ProgramEntry;

typedef struct Program Program;
typedef struct Instance Instance;

// Derives, discretises, fuses, compiles. NULL on failure: either the model's diags hold errors or `error` says why.
Program *program_new(Model *model, const ProgramOptions *options, Text *dump_out, Text *error);
void program_free(Program *program);
// Warns where a step is too long for what it integrates, or amplifies rounding of this relative size (stability.h).
void program_check_stability(const Program *program, double relative);
Model *program_model(const Program *program);
bool program_is_deterministic(const Program *program);
bool program_is_offline(const Program *program); // errors travel backward in time, window by window
uint32_t program_array_count(const Program *program);
const ProgramArray *program_array(const Program *program, uint32_t array);
int64_t program_find(const Program *program, const char *name); // array number or -1
ProgramTimes program_times(const Program *program);
bool program_was_cached(const Program *program);              // its code was compiled by an earlier program
const char *program_generator(const Program *program);        // "LLVM 19.1.7"; NULL without a code generator
int64_t program_bytes(const Program *program, int64_t batch); // of an instance's block

// Where the file of an array's first values is: relative to the model file that names it.
void initial_path(const Model *model, const Initial *initial, Text *full);

// Fresh state: initial values drawn from `seed` (one random stream per array name), registers silent. With `weights`,
// parameters, weights and scalars are those of that instance (which must live longer), and nothing is drawn.
Instance *instance_new(const Program *program, int64_t batch, uint64_t seed, Instance *weights, Text *error);
void instance_free(Instance *instance);
const Program *instance_program(const Instance *instance);
int64_t instance_batch(const Instance *instance);
int64_t instance_steps(const Instance *instance); // steps done: n of the next step

// One step. ENTRY_TRAIN with `learning` false computes errors and gradients but changes no parameter. Under an offline
// principle it goes forward only, and ends a window where the principle has one.
void instance_step(Instance *instance, ProgramEntry entry, bool learning);
// Offline principles: goes back through the steps since the last window, adds up gradients, and with `learning` lets
// the rules act on them, after which they start from zero. Nothing happens under online ones.
void instance_end_window(Instance *instance, bool learning);
void instance_end_presentation(Instance *instance, bool learning); // ends a window unless the principle has its own
// How many bytes of states an offline principle may keep; less memory takes more time. False when a window of so many
// steps needs more than that for its inputs alone.
bool instance_limit_memory(Instance *instance, int64_t bytes, int64_t window, Text *error);
bool instance_is_in_window(const Instance *instance);  // steps wait for the end of an offline principle's window
int64_t instance_recomputed(const Instance *instance); // forward steps that were done again for want of memory

// All that an instance holds, bit by bit: saved into a new checkpoint, or set from one that was opened. Arrays that are
// another instance's are left to that one. Sections are called PREFIX.NAME.
void instance_keep(Instance *instance, const char *prefix, Checkpoint *checkpoint);

// Which rules act: those of a stage of the experiment (from 0; -1: those of all stages).
void instance_enter_stage(Instance *instance, int stage);
// What ends with the next step, a bit 1 << EndKind each: for rules and events `on end of …`. Stays until it is set
// anew.
void instance_set_ends(Instance *instance, unsigned ends);

// Values in logical order without padding: [extent…] for parameters; for batched arrays [batch][extent…], sample first.
int64_t instance_length(const Instance *instance, uint32_t array); // elements
void instance_get(const Instance *instance, uint32_t array, double *values);
void instance_set(Instance *instance, uint32_t array, const double *values);
// What each sample has of its own (states, registers, inputs), to be put back later. The caller frees it.
typedef struct InstanceMemory InstanceMemory;
InstanceMemory *instance_remember(const Instance *instance);
void instance_recall(Instance *instance, const InstanceMemory *memory); // of the same program and batch
void instance_memory_free(InstanceMemory *memory);
double instance_mean_cost(const Instance *instance); // over the samples, of the last step; NaN without a cost
double instance_scalar(const Instance *instance, Symbol scalar);
void instance_set_scalar(Instance *instance, Symbol scalar, double value);

#endif
