// The checked model: every name bound, every shape, unit and default known, every expression in index notation.
// Made by resolve from the syntax tree; read by derive, discretise, the runtime and `lequel inspect`.
#ifndef LEQUEL_MODEL_H
#define LEQUEL_MODEL_H

#include "../../grammar/ast.h"
#include "../expr/expr.h"
#include "../support/vec.h"

// How an array gets its first values.
typedef enum InitialKind {
    INITIAL_CONSTANT,    // `values`: one for all elements, or one per element
    INITIAL_UNIFORM,     // in [a, b)
    INITIAL_NORMAL,      // mean a, standard deviation b
    INITIAL_UNIFORM_INT, // whole numbers a..b, both ends included, times `scale`
    INITIAL_FILE,        // from a data file, `path`
    INITIAL_CHANCE,      // 1 with the probability in `values`, one for all elements or one per element, else 0
    INITIAL_COPY,        // `scale` times those of the array `source`, declared before; one sample's serve all
} InitialKind;

typedef struct Initial {
    InitialKind kind;
    double a, b, scale;
    const double *values;
    uint32_t count;
    Atom path;
    Symbol source;
    Span span;
} Initial;

typedef struct Array { // everything with storage that the model declares
    Symbol symbol;
    Initial initial;
    bool clamped; // projected into [low, high] at the start and after every step
    double low, high;
    Symbol mask;        // not 0: the array of the same shape, declared before; where that is 0 this is 0 and stays so
    bool zero_diagonal; // a square matrix without self-connections: its diagonal is 0 and stays so
} Array;

typedef struct Population Population;

typedef struct Output {
    Atom member;     // r
    Symbol symbol;   // h.r
    Expr value;      // of one neuron (index own), over states, ahead(…), parameters
    bool gated;      // written as a function of a lookahead; false when it is the lookahead itself
    Initial initial; // of the register before the first step; 0 unless `initially` says otherwise
    bool has_initial;
    Symbol of_state; // not 0: made by the compiler for others that read this state
    bool open_unit;  // hangs on an input whose unit is not known yet
    Span span;
} Output;

typedef struct Port { // an input of a neuron
    Atom member;
    Symbol symbol; // h.I, ROLE_DRIVE
    bool unit_known;
    Span span;
} Port;

typedef struct State {
    Atom member; // u, or apical.v of a compartment
    Symbol symbol;
    Symbol rate; // h.u_rate when an equation of its own moves it
    bool moved;  // by an equation or assignment of its own, not by the energy
    Span span;
} State;

// How the step integrates an equation.
typedef enum IntegratorKind { INTEGRATOR_EULER, INTEGRATOR_EXPONENTIAL, INTEGRATOR_RK4 } IntegratorKind;

// What moves a state of a neuron or synapse that no energy governs. In its value, VERSION_OLD of such a state is what
// it was before the step, VERSION_NEW what it is after; all other accesses are placed by discretise.
typedef struct Motion {
    Symbol state;
    Symbol rate; // d(state), at its own axes, as a signal; 0: `value` is the state itself after the step (`<-`)
    Expr value;
    IntegratorKind integrator;
    Span span;
} Motion;

// One assignment of `on condition { … }`: acts after all motions of the step, on what these have left (VERSION_NEW).
typedef struct Event {
    Symbol state;
    Expr condition, value; // of one neuron
    Span span;
} Event;

// delay(x, T) in a neuron that equations move: the last values of x, of which a step reads that of T/dt steps ago.
typedef struct DelayLine {
    Expr key;                       // delay(x, T), by which it is found again
    Expr input;                     // x of this step, of one neuron, as it stands there
    Expr time;                      // T
    Symbol value;                   // h.delay.T: x a time T before this step
    Symbol sent;                    // the same for those across a connection, who get it one step later
    Expr start;                     // what the line holds before the first step; 0 (the handle) for zeros
    Symbol memory, position, slots; // made by derive: the values [neuron, slot], the slot of this step, slots' numbers
    Span span, time_span;
} DelayLine;

typedef struct Local { // a `let` of a neuron, for those who read it from outside
    Atom member;       // G, or basal.v
    Expr value;        // of one neuron
    Unit unit;
    bool open_unit; // not known: it hangs on an input that nothing feeds
} Local;

typedef struct Coupling { // `couple a -> b : g`: what it adds to the input of b
    uint32_t port;
    Expr value; // of one neuron
    Span span;
} Coupling;

struct Population {
    Atom name; // h[2]
    const Ast *neuron;
    uint32_t size;
    Index own;   // the index of a neuron in all of its expressions
    Expr energy; // of one neuron; 0 when the neuron has none
    Span energy_span;
    double gamma; // strength of the error on the membrane
    bool has_gamma;
    Vec(State) states;
    Vec(Port) ports;
    Vec(Output) outputs;
    Vec(Symbol) parameters;
    Vec(Atom) compartments;
    Vec(Motion) motions; // of states that the energy does not govern
    Vec(Event) events;   // in the order of writing: a later one has the last word
    Vec(Coupling) couplings;
    Vec(DelayLine) delays;
    Vec(Local) locals;
    Span span;
};

typedef enum ExternalKind { EXTERNAL_INPUT, EXTERNAL_TARGET, EXTERNAL_LABEL } ExternalKind;

typedef struct External {
    Atom name;
    ExternalKind kind; // a label is held as one-hot values
    Symbol symbol;
    uint32_t size;
    Span span;
} External;

// A message that some synapse reads late, delay(pre.r, T): its last values, kept once for all who do.
typedef struct LateMessage {
    Symbol message;                 // h.r, a state with an equation of its own, or an external input
    uint32_t length;                // the longest delay, in steps
    Symbol memory, position, slots; // made by derive: the values [neuron, slot], the slot of this step, slots' numbers
    Span span;                      // where it is first delayed
} LateMessage;

typedef struct Connection {
    Atom name;       // w[3]
    uint32_t source; // population number, or external number when from_external
    bool from_external;
    uint32_t target, port; // population, and which of its ports
    Vec(Symbol) weights;
    Vec(Symbol) parameters; // of its synapses, which nothing changes: their delays
    Vec(Symbol) feedback;   // per weight: what stands for it where an error travels back; empty: the weights themselves
    Vec(Symbol) messages;   // the source's outputs that the current reads
    Vec(Symbol) states;     // of the synapse, per sample: eligibility traces
    Vec(Motion) motions;    // of these
    Vec(Symbol) plastic;    // weights with a `plasticity` of their own
    Expr current;           // into neuron own of the target; messages may stand in EXPR_DELAY
    Span span;
} Connection;

// clang-format off
typedef enum PrincipleKind {
    PRINCIPLE_INSTANT, PRINCIPLE_LE, PRINCIPLE_GLE, PRINCIPLE_VLE, // errors beside the network, step by step
    PRINCIPLE_ADJOINT, PRINCIPLE_BPTT, PRINCIPLE_TBPTT,            // errors backward in time, window by window
    PRINCIPLE_COUNT
} PrincipleKind;
// clang-format on

// How `vle` corrects the amplitude of an error that was filtered by the causal stand-in (science.md 5.5).
typedef enum GainKind { GAIN_NONE, GAIN_ANALYTIC, GAIN_POWER, GAIN_LEAST_SQUARES, GAIN_COUNT } GainKind;

// Through which weights errors travel back.
typedef enum FeedbackKind { FEEDBACK_SYMMETRIC, FEEDBACK_RANDOM, FEEDBACK_LEARNED, FEEDBACK_COUNT } FeedbackKind;

typedef struct Dynamics { // the `dynamics` statement
    PrincipleKind principle;
    GainKind gain;
    double omega;   // GAIN_ANALYTIC: the angular frequency at which the gain is exact, in 1/(unit of time)
    double average; // GAIN_POWER, GAIN_LEAST_SQUARES: time constant of the running averages
    FeedbackKind feedback;
    double decay;   // FEEDBACK_LEARNED: of forward and backward weights, per learning step
    int64_t window; // steps after which an offline principle learns; 0: at the end of each presentation or of the run
    Span span;      // of the principle's name
} Dynamics;

typedef enum OrderKind { ORDER_PARALLEL, ORDER_LE, ORDER_SEQUENTIAL, ORDER_COUNT } OrderKind;

typedef struct Assignment { // array <- value, elementwise
    Symbol symbol;
    Expr value;
    Span span;
} Assignment;

typedef enum EndKind { END_PRESENTATION, END_EPOCH, END_COUNT } EndKind; // what may come to its end

typedef struct LearnRule {
    Vec(Symbol) targets;
    Atom optimiser;              // adam
    int64_t from, until;         // acts in steps from <= n < until
    uint64_t stages;             // a bit for each stage of the experiment in which it acts; without stages: bit 0
    int end;                     // -1: in every step; else an EndKind: in the last step of one only
    Vec(Assignment) assignments; // of all targets in turn; read the gradient symbols and the optimiser's own states
    Vec(Symbol) gradients;       // one per target: w1.grad_W
    Symbol count;                // the optimiser's step counter, or 0
    bool written_out;            // a `plasticity`: reads messages and neurons, no gradient
    Span span;
} LearnRule;

// ---- Experiments ----------------------------------------------------------------------------------------------------

typedef enum DataKind {
    DATA_MNIST1D,
    DATA_FILE,
    DATA_IDX, // sets of samples
    DATA_SINES,
    DATA_SQUARE,
    DATA_SMOOTH,
    DATA_OU,
    DATA_STEPS,
    DATA_SAWTOOTH,
    DATA_MACKEY_GLASS,
    DATA_PATTERN,
    DATA_CYCLE, // signals over time
} DataKind;

typedef struct Argument { // a named, constant argument of a generator: a number, a word, a list or another generator
    Atom name;            // NULL for a positional one
    double number;
    Unit unit;
    Atom word; // also the text of a string
    const double *list;
    uint32_t list_count;
    struct DataSource *source;
    Span span;
} Argument;

typedef struct DataSource {
    Atom name; // of the generator: "smooth"
    DataKind kind;
    bool is_signal; // [steps][batch][n], else samples with classes
    Vec(Argument) arguments;
    Span span;
} DataSource;

typedef struct DataSet {
    Atom name; // train
    DataSource *source;
    Span span;
} DataSet;

typedef enum FeedKind {
    FEED_SIGNAL,    // a signal's value at step n
    FEED_SAMPLE_AT, // sample[t]: element t of the sample, t the step within the presentation
    FEED_SAMPLE,    // sample: the whole sample, held
    FEED_CLASS,     // class: the sample's class
    FEED_CONSTANT,  // the same values in all steps
} FeedKind;

typedef struct Feed {
    uint32_t external; // which input, target or label is fed
    FeedKind kind;
    uint32_t data;        // FEED_SIGNAL: which data set
    int64_t lead;         // FEED_SIGNAL: by how many steps it is ahead, as in series(t + 6)
    int64_t delay;        // of samples and classes: by how many steps it is behind, as in class(t - 3)
    int64_t hold;         // FEED_SAMPLE_AT: for how many steps each element stands, as in sample[t / 10]; at least 1
    const double *values; // FEED_CONSTANT: one, or one per element
    uint32_t value_count;
    int stage; // that it belongs to, in which it stands for the experiment's own; -1: to all
    Span span;
} Feed;

// ---- Stages and what is set for a time

typedef enum CountKind { COUNT_STEPS, COUNT_PRESENTATIONS, COUNT_EPOCHS } CountKind;

typedef struct Moment { // an amount of training; how many steps it is may depend on the data
    int64_t count;
    CountKind kind;
} Moment;

typedef enum ScheduleKind {
    SCHEDULE_CONSTANT,
    SCHEDULE_LINEAR,
    SCHEDULE_EXPONENTIAL, // by equal factors
    SCHEDULE_STEPS,       // one value after another
    SCHEDULE_PERIODIC,    // `from` for `length`, then `to`, again after each `period`
} ScheduleKind;

typedef struct Schedule { // of a number, over the time for which it is set
    ScheduleKind kind;
    double from, to;              // CONSTANT: from alone
    const double *values, *after; // STEPS: count values; values[i + 1] after the part after[i], 0 .. 1, of the time
    uint32_t count;
    Moment period, length;
} Schedule;

// For a time an array is `scale` times what it would be, plus a schedule, plus noise. A state goes on from what it was
// set to; everything else is afterwards what it would have been without it.
typedef struct Setting {
    Symbol symbol;
    uint32_t first, count; // its elements along its only axis; count 0: all of an array
    double scale, sigma;   // sigma: deviation of normal numbers, new in each step
    Schedule value;
    bool disturbs;             // a disturbance: left out of evaluations
    int stage;                 // in which it acts; -1: in all
    Moment from, until, every; // from the beginning of the stage, or of the run; until.count -1: to the end of it;
                               // every.count 0: once
    Span span;
} Setting;

typedef struct Stage {
    Atom name;
    Moment length;
    Span span, length_span;
} Stage;

typedef struct Score {
    Atom name;
    const Ast *value; // checked by resolve; evaluated per presentation by the runtime
    int stage;        // in which it is computed; -1: in all
    Span span;
} Score;

typedef struct Recording {
    Vec(Atom) names; // as written; arrays by their documented names, or cost, loss, a score
    int64_t every;   // steps; 0: once per presentation or epoch (scores)
    int stage;       // -1: all
    Span span;
} Recording;

typedef enum AnnealRule { ANNEAL_PLATEAU, ANNEAL_STEPS } AnnealRule;

typedef struct AnnealStep { // after this part of the training, 0 .. 1, this many times the first value
    double after, factor;
} AnnealStep;

typedef struct Experiment {
    Atom name;
    Vec(DataSet) data;
    Vec(DataSource *) sources; // all of them, nested ones too
    Vec(Feed) feeds;
    Vec(Stage) stages; // in their order; empty: one, as long as `epochs` or `duration` says
    Vec(Setting) settings;
    int64_t present_steps; // of one sample; 0 for a continuous signal
    int64_t settle_steps;  // of these, the first that are not scored
    bool reset;            // states return to their first values before each presentation
    int64_t duration;      // steps of a continuous run; 0 when epochs rule
    int64_t afterwards;    // steps that follow them without learning
    int64_t epochs;
    uint32_t batch;
    bool shuffle;
    int64_t train_data, test_data; // data set numbers, -1 for none
    int64_t evaluate_every;        // epochs
    uint32_t evaluate_batch;
    Vec(Score) scores;
    Vec(Recording) recordings;
    Symbol anneal; // the scalar that is annealed, or 0
    AnnealRule anneal_rule;
    Vec(AnnealStep) schedule; // ANNEAL_STEPS, in order
    Atom anneal_score;        // ANNEAL_PLATEAU watches it: "test.loss"
    int64_t patience;
    double factor;
    bool lower_is_better;
    Span span;
} Experiment;

// ---- The model ------------------------------------------------------------------------------------------------------

typedef struct Scalar { // a number that may change between steps
    Symbol symbol;
    double value;
} Scalar;

typedef struct Model {
    Arena *arena;
    Diagnostics *diags;
    ExprStore *store;
    Atom name;
    double dt;      // in ms when time has a unit
    Unit time_unit; // of dt: UNIT_TIME or none
    Dynamics dynamics;
    OrderKind order;
    IntegratorKind integrator; // of equations that name none
    Expr cost;                 // summed over all `cost` statements; per sample
    Unit energy_unit;          // of the cost and of all neurons' energies
    Span energy_unit_from;     // the first of these whose unit is known; no source: nothing says it
    bool unit_in_one;          // a factor such as `1 mV` was multiplied with: expressions have lost its unit
    Span cost_span;
    Vec(External) externals;
    Vec(Population) populations;
    Vec(Connection) connections;
    Vec(LateMessage) late;
    Vec(LearnRule) learn;
    Vec(Scalar) scalars;
    Symbol ends[END_COUNT]; // 1 in the last step of a presentation or epoch, else 0; 0: nobody asks
    Vec(Symbol) noises;     // standard normal numbers, drawn anew before each step
    Vec(Array) arrays;      // initial values of all symbols with storage declared by the model
    Experiment *experiment; // NULL when the file has none
    double parse_seconds;   // of reading and parsing the file, its imports and the prelude
} Model;

typedef struct ModelOptions {
    const char *path;
    const char *text;       // of the file, when it is in memory already; NULL: `path` is read
    const char *network;    // NULL: the last network of the file
    const char *experiment; // NULL: the last experiment
    uint32_t define_count;
    const char *const *defines; // "tau=1.2"
    bool beside;                // errors run beside the network: gamma is 0 everywhere
    const char *dynamics;       // NULL, or stands for the file's principle and its options: "vle(gain = power)"
} ModelOptions;

// Reads, parses, resolves. NULL when there were errors; they are in `diags`. `file` (may be NULL) receives the tree.
Model *model_load(Arena *arena, Diagnostics *diags, const ModelOptions *options, Ast **file);
void model_free(Model *model); // what is not in the arena
void model_dump(const Model *model, Text *out);

const char *principle_name(PrincipleKind kind);
const char *order_name(OrderKind kind);
void dynamics_print(const Model *model, Text *out); // "vle(gain = power, average = 150)", without gamma
// The factor of the part of d(state) = value that is linear in the state itself: 0 where there is none.
Expr model_linear_part(ExprStore *store, Expr value, Symbol state);
// The state of a population with this symbol that the energy does not govern; NULL for any other.
const State *model_moved_state(const Population *population, Symbol symbol);
const Array *model_array(const Model *model, Symbol symbol); // NULL for signals
// known.c: the values of an expression over given parameters at all elements of `axes`, row by row; false when it reads
// what is drawn, loaded or moves.
bool model_known_values(const Model *model, Expr expr, const Index *axes, uint32_t rank, double *values);
typedef struct Bounds {
    double low, high; // infinite where nothing is known
} Bounds;
Bounds model_bounds(const Model *model, Expr expr); // of an expression over parameters, before the run
// The index variables of an array's own axes: i, j, … (those of equal extent are numbered).
void model_axes(ExprStore *store, Symbol symbol, Index *axes);
// Kronecker deltas that no sum could eliminate become elements of hidden constant arrays: unit vectors and identities.
Expr model_lower_deltas(Model *model, Expr expr);
// The access of an array at its own axes (and nothing for the batch, which is added when discretising).
Expr model_element(ExprStore *store, Symbol symbol, ExprVersion version);

#endif
