// The inside of programs and instances, shared by program.c, instance.c and instance_keep.c only.
#ifndef LEQUEL_PROGRAM_INTERNAL_H
#define LEQUEL_PROGRAM_INTERNAL_H

#include "../compiler/fuse/fuse.h"
#include "code.h"
#include "data/random.h"
#include "program.h"
#include "tape.h"
#include "team.h"

// The loops form and its code for batches of any size, or for a single sample, whose arrays have no axis for the batch.
typedef struct Form {
    Fused *fused;
    Code code;
    bool coded; // `code` is there, or being made
    Text wrong; // with code that was to be made in the background
    bool
        divided; // its steps are long enough for the program's team: behind the entries stand those for several threads
} Form;

// Which of the two ways through a form's steps is the faster one now: both are timed from time to time.
typedef struct Tempo {
    int64_t steps;     // since the last decision
    double seconds[2]; // of the steps tried, by one thread and by the team
    bool together;
} Tempo;
enum { FORM_BATCH, FORM_SAMPLE, FORM_COUNT };

struct Program {
    Model *model;
    ProgramBackend kind;
    LoopReal real;
    Equations *equations;
    uint32_t entries; // in use: those of offline principles come last
    Step *step[ENTRY_COUNT];
    Form *form;     // each made when first wanted
    uint32_t first; // the one that the model's experiment trains
    FuseOptions fuse;
    Symbol *kept; // of `fuse`
    CodeOptions code;
    Team *team; // NULL: one thread
    Vec(ProgramArray) arrays;
    ProgramTimes times;
};

struct Instance {
    const Program *program;
    const Form *form;
    int64_t batch, padded, steps;
    int stage;     // of the experiment, whose rules act; -1: those of all
    unsigned ends; // a bit for each EndKind that ends with the next step
    uint64_t seed;
    void *block;                      // all arrays of this instance; those shared with another are not in it
    void **arrays;                    // one address per array of the loops form
    bool borrows;                     // the arrays that all samples share are another instance's
    double *mirror, **old, **current; // reference back end: dense copies of all stored symbols, before and now
    Tempo tempo[ENTRY_COUNT];
    Tape *tape; // of an offline principle; made with the first step of training
    // NULL, or what is read instead of the arrays, by number: what they were in the step that a stretch shows.
    const void *const *shown;
};

// The form for a batch; without code where the program has no code generator. NULL and `error` on failure.
const Form *program_form(const Program *program, int64_t batch, Text *error);
const Form *program_sample_form(const Program *program, Text *error); // even where `program_form` has that for batches

// Runs one entry; nothing else.
void instance_run_entry(Instance *instance, ProgramEntry entry, uint64_t active);
// Steps in a row, with what moves along with them; `arguments` are completed. Noise must move with them. At most as
// many as instance_calm says: while the same rules act and one way through the step is taken.
void instance_make_steps(Instance *instance, ProgramEntry entry, bool learning, LoopArguments *arguments);
int64_t instance_calm(const Instance *instance, ProgramEntry entry, bool learning);
// Writes values in logical order, or what a noise draws in a step, to the array (`block` NULL) or to a block that is
// laid out as the array is, whose padding stays as it is.
void instance_lay_out(const Instance *instance, uint32_t number, const double *values, void *block);
void instance_draw(const Instance *instance, Symbol noise, int64_t step, void *block);

// Where elements of an array lie, for instance.c and instance_keep.c.
int64_t loop_array_count(const LoopArray *array, int64_t batch);                // real elements
int64_t loop_array_position(const LoopArray *array, int64_t padded, int64_t i); // of element i of sample 0
bool instance_shares(const Instance *instance, uint32_t number);                // with the owner of the weights
// Offline principles: what they minimise, of the last step, over the samples; the cost and the neurons' own energies.
double instance_mean_objective(const Instance *instance);
// The numbers that a noise draws in a step: a function of the seed, the source and the step; sample b's of neuron e of
// n is number b*n + e.
RandomStream instance_noise(const Model *model, Symbol noise, uint64_t seed, int64_t step);

int64_t program_array_bytes(const LoopArray *array, int64_t batch_padded);

#endif
