// Equations: for each state, error and learned parameter its continuous-time equation in operator form, derived from
// the energy by the rule of science.md section 4 under one row of the operator table (principles.c).
#ifndef LEQUEL_EQUATIONS_H
#define LEQUEL_EQUATIONS_H

#include "../model/model.h"

// A signal with memory in a neuron's energy or outputs: an independent variable X while the energy is differentiated.
typedef enum LeafKind {
    LEAF_AHEAD,    // ahead(u, tau) of a state; a plain `u` is ahead(u, dt), its value after the step
    LEAF_LOWPASS,  // lowpass(x, tau) of an expression over other leaves and inputs; its value after the step
    LEAF_PREVIOUS, // previous(x): x one step before
    LEAF_DELAY,    // delay(x, T): x a time T before, in whole steps
} LeafKind;

typedef struct Leaf {
    LeafKind kind;
    Expr node;         // as the expressions contain it
    Expr node_inside;  // the same with the leaves inside x as variables, which is how rewriting meets it
    Symbol symbol;     // h.u_ahead.tau_r: the leaf as a variable, and as a recordable signal
    Symbol state;      // AHEAD: h.u, else 0
    Expr tau;          // 0 (the handle) for PREVIOUS
    Symbol tau_symbol; // the parameter array when tau is one (its gradient can be learned), else 0
    Atom label;        // tau_r; distinguishes leaves in names
    // Of all but AHEAD:
    Expr input;         // x, over leaf symbols and drives
    Symbol memory;      // PREVIOUS: x of this step, for the next one. DELAY: the last values of x, [neuron, slot]
    Symbol position;    // DELAY: the slot of this step, one number per sample
    Symbol slots;       // DELAY: the numbers of the slots
    bool across;        // DELAY: read over a connection, where the step between neurons counts
    DelayCredit credit; // DELAY
    Symbol rate;        // LOWPASS: dX/dt
    Symbol back;        // the error that x receives: the stand-in for the adjoint applied to that of X; 0 for none
    Symbol back_memory; // what the stand-in remembers; 0 for none. Of a delay's adjoint: [neuron, slot]
} Leaf;

enum { EXPR_MAX_OUTPUTS = 8, EXPR_MAX_LEAVES = 64 }; // of one neuron

// How one output, or the x of another leaf, answers to one leaf: its gate is d output / d leaf.
typedef struct Gate {
    bool inside; // of the x of leaf number `output`
    uint32_t output, leaf;
    Expr value;    // phi'(X), over leaf symbols
    bool trivial;  // the output is the lookahead itself: no gate, no register
    Symbol symbol; // h.r_gate
} Gate;

// Where the formula of a gate stands.
Span gate_place(const Population *population, const Gate *gate);

// What reaches an output from all its readers: the sum of their downward errors and of -dC/d(output), before the gate.
typedef struct OutputError {
    uint32_t output;
    Symbol symbol; // h.r_error
    Expr cost;     // dC/d(output) at the population's own index, over messages; 0 (the handle) when no cost reads it
} OutputError;

// A running average over time and batch, with the time constant of `dynamics vle(average = …)`.
typedef struct Average {
    Symbol symbol; // h.error_power
    Symbol sample; // of this step: the mean over the batch
    Expr of;       // what is averaged, per sample
} Average;

// The factor that brings a causally filtered error to the amplitude of the exact adjoint (science.md 5.5).
typedef struct Gain {
    Symbol symbol;     // h.error_gain
    Expr value;        // over time constants and running averages (before the step)
    bool absorbed;     // by learned feedback weights: only what a cost sends is multiplied here
    Symbol raw;        // h.error_raw: the filtered contribution without gain; 0 when nothing is measured
    Symbol companion;  // power: the error filtered as the exact adjoint would, but forward in time; else 0
    Expr companion_of; // in operator form: ahead(lowpass(g, tau_m), tau_k)
    Symbol companion_state;
    uint32_t averages;  // how many of the two below are in use
    Average average[2]; // of the numerator, of the denominator
} Gain;

// What flows into the error of one leaf from outside the neuron's own mismatch: g = -dE/dX.
typedef struct ErrorInput {
    uint32_t leaf;
    Symbol symbol; // h.error_in, the gated, unfiltered error
    Expr own; // -dE/dX from the neuron's own energy terms other than the solved mismatch (rate costs, …); may be 0
    // Its contribution to the error, in operator form: ahead(lowpass(g, tau_k), tau_m) under gle. Of a leaf with
    // memory: what its x receives, Leaf.back.
    Expr filtered;
    Symbol state; // h.error_state, for a filtered contribution; 0 when the filter is the identity
    Gain gain;    // of the filtered contribution; all 0 for none
} ErrorInput;

typedef struct NeuronEquations {
    uint32_t population;
    Symbol state;          // the state that is solved for: h.u
    uint32_t state_number; // among the population's states
    Vec(Leaf) leaves;
    uint32_t solved;              // the leaf that carries the input
    Expr value[EXPR_MAX_OUTPUTS]; // per output: its value over leaf symbols
    Expr energy;                  // over leaf symbols and drives
    Expr mismatch;                // A = dE/dX of the solved leaf, over leaf symbols and drives
    Expr membrane;          // p, the solution of A = gamma * error: the membrane relaxes to it with the solved tau
    Expr judged;            // p with A = error: what gradients are taken at (gamma enters the membrane only)
    Vec(Expr) drive_errors; // per port: -dE/d(drive) at `judged`, what a current sees; `error` for 1/2*(X - I)^2
    Vec(Gate) gates;
    Vec(OutputError) output_errors;
    Vec(ErrorInput) errors;
    Symbol error;   // h.error
    Symbol rate;    // h.u_rate, du/dt
    bool has_error; // false when nothing downstream reaches a cost: the error is zero and not computed
} NeuronEquations;

typedef struct ConnectionEquations {
    uint32_t connection;
    bool carries_error;   // its target has an error and its source is a population that wants one
    Vec(Symbol) downward; // per message: w.error_down, (d current / d message)^T error, at the source's own index
    Vec(Expr) downward_value;
    // Of errors that go back through delays of this connection: whether some look ahead, and what the target's error
    // was in the step before; whether, backward in time, some come from later, and the errors of later steps [post,
    // slot], at the places of late message number `late`.
    bool looks_ahead, comes_back;
    Symbol error_before, error_line;
    uint32_t late;
} ConnectionEquations;

typedef struct Gradient {     // of one learned parameter
    Symbol parameter, symbol; // w1.W, w1.grad_W
    Expr value; // dE/d(parameter) of one sample, over messages, errors, leaf symbols; 0 (the number) where the
                // principle leaves it to the reversed step
    Span span;
} Gradient;

typedef struct Equations {
    Model *model;
    Vec(NeuronEquations) neurons; // one per population that has an energy, in the model's order
    Vec(ConnectionEquations) connections;
    Vec(Gradient) gradients;
} Equations;

// When errors are computed: beside the network, in the same step; backward through the steps of a window, from these
// equations; or not from these equations at all, but by reversing the discretised step.
typedef enum PrincipleCourse { COURSE_ONLINE, COURSE_BACKWARD, COURSE_REVERSED_STEP } PrincipleCourse;

// One row per principle: what it asks of a neuron and how an error passes a lookahead.
typedef struct Principle {
    PrincipleKind kind;
    const char *name;
    const char *condition; // the stationarity condition, as printed by derive
    bool equal_times;      // refused unless all time constants of a neuron are equal
    // The stand-in for the adjoint of ahead(·, tau), applied to G = dE/dX: science.md section 4. EXPR_LOWPASS is causal
    // and has the adjoint's phase; EXPR_AHEAD, on a course backward in time, is the adjoint 1 - tau d/dt itself;
    // EXPR_STOP stands for the identity. The error is its inverse at the solved tau of the sum over leaves.
    ExprKind adjoint_of_ahead;
    // The same for lowpass(·, tau): EXPR_AHEAD, its causal inverse; EXPR_LOWPASS, on a course backward in time;
    // EXPR_STOP. previous(·) is passed through a register whatever the principle.
    ExprKind adjoint_of_lowpass;
    PrincipleCourse course;
} Principle;

const Principle *principle_find(PrincipleKind kind);

// NULL when the energy admits no causal local solution; the reports name the term.
Equations *equations_derive(Model *model);
void equations_free(Equations *equations);
// NULL when the units of both sides of every derived equation agree, as far as they are known; else what does not (a
// compiler bug). The caller frees it.
char *equations_verify(const Equations *equations);
void equations_dump(const Equations *equations, Text *out);
// The total energy as one scalar, over lookaheads, drives and parameters: `--dump=energy`.
void gradient_report_none(const Model *model, Symbol parameter, Span span); // E0306: no cost depends on it
void energy_dump(const Equations *equations, Text *out);

#endif
