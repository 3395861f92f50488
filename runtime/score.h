// Scores: small formulas over the arrays of a running instance, such as argmax(sum(out.r over presentation)) == y.
// A score gives one number per sample and presentation; what is reported is the mean over samples. A score with
// reductions `over all` gives one number for all samples and presentations since scorer_begin_all.
#ifndef LEQUEL_SCORE_H
#define LEQUEL_SCORE_H

#include "../grammar/ast.h"
#include "checkpoint.h"

typedef struct ScoreArray { // an array as a score sees it: [batch][length], or [length] when it has no samples
    uint32_t number;
    int64_t length;
    bool label; // one-hot: compared with one number it stands for its class
    bool batched;
} ScoreArray;

// Where a score finds its arrays. The context must outlive the scorer.
typedef struct ScoreSource {
    void *context;
    int64_t batch;
    double dt;                                                        // for options that are times
    bool (*find)(void *context, const char *name, ScoreArray *array); // by its documented name
    void (*read)(void *context, uint32_t number, double *values);
    // Adds names that resemble one that was not found, for messages; may be NULL.
    void (*suggest)(void *context, const char *name, Text *out);
} ScoreSource;

typedef struct Scorer Scorer;

// Understands: names of arrays and elements of them; numbers; + - * / ^; == != < <= > >=; and, or, not;
// sum, mean, variance, max, min, argmax of a vector; the same but argmax of (x over presentation) and (x over all);
// abs, sqrt, exp, log; correlation, distance and edits of (a, b over presentation), which compare two courses
// (replay.h). NULL with a sentence in `error`; `place` is set to the part of the formula that is to blame.
Scorer *scorer_new(const Ast *value, const ScoreSource *source, Span *place, Text *error);
void scorer_free(Scorer *scorer);

// Calls visit(context, name) with every name of an array in a formula, found or not, without duplicates removed.
typedef void ScoreVisit(void *context, const char *name);
void score_names(const Ast *value, ScoreVisit *visit, void *context);

void scorer_begin_all(Scorer *scorer); // of what is `over all`; done by scorer_new, too
bool scorer_goes_over_all(const Scorer *scorer);
void scorer_begin(Scorer *scorer);              // of a presentation
void scorer_observe(Scorer *scorer, bool last); // one step; what is not `over presentation` is read in the last one
// Calls visit(context, number) with the arrays that are read in each step, perhaps several times.
void scorer_reads(const Scorer *scorer, void (*visit)(void *context, uint32_t number), void *context);
double scorer_finish(Scorer *scorer, double *per_sample); // the mean; per_sample [batch] may be NULL
// What was combined so far over the presentation under way. Sections are called NAME and NAME.K.
void scorer_keep(Scorer *scorer, const char *name, Checkpoint *checkpoint);

#endif
