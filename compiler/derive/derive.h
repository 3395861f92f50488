// What the files of the derivation share. Only compiler/derive includes this.
#ifndef LEQUEL_DERIVE_H
#define LEQUEL_DERIVE_H

#include "equations.h"

typedef struct Derive {
    Model *model;
    ExprStore *store;
    Equations *equations;
    const Principle *principle;
} Derive;

// Differentiates at fresh indices first, since an index of the expression, or the one that it is summed over, may be
// the very one of the axes.
typedef struct FreshAxes {
    uint32_t rank;
    Expr own[EXPR_MAX_RANK], fresh[EXPR_MAX_RANK];
} FreshAxes;

// The equations of a population, or NULL.
NeuronEquations *derive_neuron_of(Equations *equations, uint32_t population);
// An expression as text, for messages.
Atom derive_printed(Derive *d, Expr expr);
// The symbol of an array per neuron that the compiler names; `what` it is, for a clash with the user's own.
Symbol derive_signal(Derive *d, const Population *p, SymbolRole role, Unit unit, const char *base, const char *suffix,
                     const char *what);
// An array at its own axes.
Expr derive_element(Derive *d, Symbol symbol);
// The symbol of this name: deriving a model twice makes no second one. An array of the user's own would be taken for
// the compiler's: reported, with `what` it is.
Symbol derive_symbol(Derive *d, SymbolInfo info, const char *what);
// The terms of an energy that carry the input, and the rest.
void derive_split_energy(Derive *d, const NeuronEquations *n, const Population *p, Expr energy, Expr *driven,
                         Expr *rest);
bool derive_is_zero(Derive *d, Expr expr);
bool derive_neuron(Derive *d, uint32_t number);
// An expression with the solved lookahead where gradients are taken: where the mismatch is the error.
Expr derive_at_judged(Derive *d, const NeuronEquations *n, Expr expr);
// Index variables of their own to differentiate at, and the way back to the canonical ones.
FreshAxes derive_fresh_axes(Derive *d, Symbol symbol);
Expr derive_at_own_axes(Derive *d, const FreshAxes *axes, Expr expr);
// sum over the target's neurons of (what the current sees of the error) * d current / d symbol, at its own axes.
Expr derive_pull_back(Derive *d, const Connection *c, Symbol symbol);
// The name of an array without its owner.
const char *derive_member(Derive *d, const Population *p, Symbol symbol);
// Names of leaves: by the parameter or number that is the time constant, NULL when it is composed; t2, t3, … instead.
Atom derive_leaf_label(Derive *d, const Population *p, Expr tau, Symbol *tau_symbol);
bool derive_label_taken(const NeuronEquations *n, Symbol state, Atom label);
Atom derive_free_label(Derive *d, const NeuronEquations *n, const Population *p);
// An expression with the leaves found so far as variables; delays are those that are read `across` a connection, or
// not.
Expr derive_over_leaves(Derive *d, const NeuronEquations *n, Expr expr, bool across);
// The leaf of lowpass(x, tau), previous(x) or delay(x, T), read by others (`across`) or inside; those inside x are
// known.
bool derive_add_memory(Derive *d, NeuronEquations *n, const Population *p, Expr node, bool across);
// The arrays of the delays of neurons that equations move; a delay shorter than dt, or of unknown length, is refused.
void derive_delay_lines(Derive *d, Population *p);
Symbol derive_slot_numbers(Derive *d, uint32_t count); // 0, 1, … as an array
// What stands for the adjoint of a delay where nothing else is declared; reported where nothing can.
DelayCredit derive_delay_credit(Derive *d, DelayCredit declared, Span span);
// arrival.c: the arrays of messages that synapses read late
void derive_late_messages(Derive *d);
// derive_pull_back of a message that may be delayed; and then what that needs of the error.
Expr derive_late_pull_back(Derive *d, const Connection *c, Symbol message, ConnectionEquations *ce);
void derive_warn_of_loops(Derive *d); // once all connections are derived
void derive_late_error_memory(Derive *d, const Connection *c, ConnectionEquations *ce);
// The largest value that a time constant starts with; negative when nothing bounds it.
double derive_longest(Derive *d, const Leaf *leaf);
// What x receives of an error g, in operator form.
Expr derive_through_memory(Derive *d, const Leaf *leaf, Expr g);
// The symbol of the error that the x of a leaf with memory receives.
Symbol derive_back(Derive *d, NeuronEquations *n, uint32_t leaf);
// How an error that comes through leaf k is brought to the exact adjoint's amplitude.
Gain derive_gain(Derive *d, const NeuronEquations *n, const ErrorInput *in, const char *label);
void derive_gradients(Derive *d);
void derive_units(const Equations *equations); // of all that is derived, from that of the energy
// A neuron without an energy, given by equations alone; and what such neurons rule out.
bool derive_is_explicit(const Population *p);
void derive_check_explicit(Derive *d);
void derive_check_times(Derive *d, const NeuronEquations *n);
bool derive_check_signals(Derive *d);

#endif
