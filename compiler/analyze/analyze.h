// What a model's neurons and errors do to signals of each frequency, how far Euler's step can be trusted, and what
// is known to go wrong (docs/analyze.md). Everything is computed from the derived equations (continuous time) and from
// the step that the program runs (discrete time), at the parameters' initial values; nothing asks for a name.
#ifndef LEQUEL_ANALYZE_H
#define LEQUEL_ANALYZE_H

#include "../step/step.h"
#include "linear.h"

enum { ANALYZE_MOST_OMEGAS = 8 };

// A value of an array without a batch (parameter, weight, scalar) at the start; NaN when there is none.
typedef double AnalyzeValue(void *context, Symbol symbol, const int64_t *index, uint32_t count);

typedef struct AnalyzeOptions {
    const char *neuron;   // a population, a family of populations, a kind of neuron, each with [unit] behind it, or a
                          // number alone for a unit of all populations; NULL: everything
    const double *omegas; // frequencies of the tables, in radians per unit of time; count 0: by decades
    uint32_t omega_count;
} AnalyzeOptions;

typedef struct AnalyzeTime { // a time constant that acts in a neuron
    Atom label;              // tau_m
    Expr tau;
} AnalyzeTime;

// From the summed input to a lookahead, or from an unfiltered error to the error.
typedef struct AnalyzePath {
    bool is_error;
    uint32_t port, leaf;
    Symbol from, to;
    Atom name;        // I -> u_ahead.tau_r
    Atom read_by;     // outputs that are functions of the lookahead: "r"; "" for none
    uint32_t partner; // of an error: the path from the first input to its lookahead
} AnalyzePath;

typedef struct AnalyzeTransfer {
    bool backward; // time runs from the end to the beginning, which conjugates the responses of what follows
    Filter continuous;
    bool has_step; // false: the step is not linear here, or too long
    Linear step;
    double credit; // of an error: what a unit of it is at the drive, -dE/d(drive) per error; 1 for 1/2 (X - I)^2
} AnalyzeTransfer;

typedef struct AnalyzeKind { // units of equal time constants
    uint32_t count;
    const uint32_t *units;
    const double *taus;               // one per time
    const AnalyzeTransfer *transfers; // one per path
    double noise, edge;               // of the error: for white noise, for the first value of a step; 1 without filter
    double trusted; // frequency up to which errors are within 2 and 45 degrees of the exact adjoint's; may be infinite
} AnalyzeKind;

typedef struct AnalyzePopulation {
    uint32_t number; // in the model
    Atom name;
    uint32_t size;
    bool selected, has_error;
    double gamma;
    AnalyzeTime *times;
    AnalyzePath *paths;
    AnalyzeKind *kinds;
    uint32_t time_count, path_count, kind_count;
    double noise, noise_rms, edge; // of its kinds: the largest, the root mean square over units, the largest
} AnalyzePopulation;

typedef struct AnalyzeWarning {
    const char *name; // P12: see docs/analyze.md
    Atom text;
} AnalyzeWarning;

typedef enum AnalyzeKnown { ANALYZE_ABSENT, ANALYZE_UNKNOWN, ANALYZE_KNOWN } AnalyzeKnown;

typedef struct AnalyzeFeedback { // beta * sum over layers of gamma_l * lambda_max(J_l J_l^T)
    AnalyzeKnown known;
    double strength, beta;
    Atom why; // it is absent or unknown
} AnalyzeFeedback;

typedef struct AnalyzeLoop { // populations that reach each other
    Vec(uint32_t) members;   // numbers in `populations`
    AnalyzeKnown known;
    double bound; // norm of one turn of it: below 1 a message that waits one step converges
    Atom why;
} AnalyzeLoop;

// What the neurons of a population integrate by equations of their own, inputs held.
typedef struct AnalyzeExplicit {
    uint32_t number; // of the population, in the model
    Atom states;     // "dend.v, u"
    uint32_t count;  // of them
    bool linear;     // false: `why` says why nothing more is known
    Atom why;
    uint32_t unit;                          // of the rest: the unit that is closest to its limit
    double complex eigenvalue[LINEAR_MOST]; // of the equations, the largest modulus first
    double growth;                          // the largest real part where it is positive, else 0
    double bound;                           // time steps below it let nothing grow that decays; NaN: growth
    double radius;                          // by which a step multiplies at most, at the model's dt
} AnalyzeExplicit;

typedef struct Analysis {
    Arena *arena;
    const Equations *equations;
    const Model *model;
    Vec(AnalyzePopulation) populations;
    Vec(AnalyzeExplicit) equations_given;
    int64_t unit;   // the one that was asked for, or -1
    double fastest; // frequency that a step shows: pi/dt
    double omegas[ANALYZE_MOST_OMEGAS];
    uint32_t omega_count;
    Vec(uint32_t) deepest; // populations that the error passes on its longest way, from the cost down
    double deepest_noise, deepest_noise_rms;
    uint32_t waits_up, waits_down; // steps that messages spend in registers along it, from its last population and back
    AnalyzeFeedback feedback;
    Vec(AnalyzeLoop) loops;
    Vec(AnalyzeWarning) warnings;
} Analysis;

// `step` is the whole step (STEP_TRAIN) of these equations. NULL with a sentence in `error` when options name something
// that is not there. `equations` must outlive the analysis.
Analysis *analyze(const Equations *equations, const Step *step, const AnalyzeOptions *options, AnalyzeValue *value,
                  void *context, Text *error);
void analysis_free(Analysis *analysis);

void analysis_print(const Analysis *analysis, Text *out); // for readers, at most 100 columns, ASCII
void analysis_json(const Analysis *analysis, Text *out);  // one object
// The selected populations whose tables are those of number `first`, by their names in `names` (room for all); none
// when an earlier population speaks for it.
uint32_t analysis_group(const Analysis *analysis, uint32_t first, Atom *names);
// The error at a frequency over what the exact adjoint, conj(H), would make of the same input: the modulus is the ratio
// of gains, the argument the error in phase. NaN where it is not known.
double complex analysis_credit_ratio(const AnalyzePopulation *p, const AnalyzeKind *kind, uint32_t path, double omega);
typedef struct AnalyzePoint {     // of one path at one frequency; phases in degrees, NaN for what is not known
    double gain, phase;           // in continuous time
    double step_gain, step_phase; // of the step, up to the fastest frequency
    double over_gain, over_phase; // of an error: analysis_credit_ratio
} AnalyzePoint;

AnalyzePoint analysis_point(const Analysis *analysis, const AnalyzePopulation *p, const AnalyzeKind *kind,
                            uint32_t path, double omega);
bool analysis_shows(const Analysis *analysis, const AnalyzeKind *kind); // it has the unit that was asked for, if any
const char *analysis_dynamics(const Analysis *analysis);                // the principle's name
// A number with few digits, never by the locale: "0.667".
const char *analysis_short(char buffer[32], double value, int digits);
// "h[0] .. h[4]" for a run of numbered names, else "a, b".
Atom analysis_names(Arena *arena, const Atom *names, uint32_t count);

#endif
