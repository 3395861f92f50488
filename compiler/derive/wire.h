// What the files that write the page of a derivation share; equations between populations.
#ifndef LEQUEL_WIRE_H
#define LEQUEL_WIRE_H

#include "../step/step.h"
#include "page.h"

typedef struct Derivation {
    const Equations *equations;
    Model *model;
    ExprStore *store;
    const Principle *principle;
    Page page;
    Names names;
    const char **place_of; // by symbol: where its equation came from, as far as one has been put
} Derivation;

const char *derivation_show(const Derivation *d, Expr expr); // in the style of the page, under the names lent now
const char *derivation_place(const Derivation *d, Span span);
void derivation_came_from(Derivation *d, Symbol symbol, const char *place); // the last place counts
// The spelling of the page's style.
const char *derivation_choose(const Derivation *d, const char *text, const char *unicode, const char *latex,
                              const char *mathml);
const char *derivation_code(const Derivation *d, const char *name); // a name as it stands in the model, in a sentence
void derivation_put(Derivation *d, PageKind kind, const char *text);
void derivation_say(Derivation *d, const char *sentence); // {formulas} stand in braces, as in text
void derivation_equate(Derivation *d, Expr left, Expr right, Span span);
const Population *derivation_population(const Derivation *d, const NeuronEquations *n);

// What prints the same for several neurons is printed once.
typedef void DerivationPart(Derivation *d, const NeuronEquations *n, const void *context);
typedef struct DerivationClasses {
    DerivationPart *part;
    const void *context;
    const bool *member;       // by number of neuron equations: takes part; NULL: all do
    const uint32_t *class_of; // the first one for which the part prints the same
    bool with_gamma;          // neurons with different gammas are different, and the head says it
} DerivationClasses;
void derivation_find_classes(Derivation *d, DerivationClasses *classes);
// With a head for each class: "Neurons of h[0] .. h[2] (4 each)".
void derivation_each_class(Derivation *d, DerivationPart *part, const void *context, const bool *member,
                           bool with_gamma);
const char *derivation_class_names(const Derivation *d, const DerivationClasses *classes, uint32_t class);

// The whole page; its items are on the heap, their texts in the model's arena.
Page derivation_page(const Equations *equations, const Step *step, const Step *backward, ExprStyle style);

void derivation_given(Derivation *d); // equations, events and rules that are not derived

void derivation_units(Derivation *d); // in which units everything is, where the model has any

void wires_of_inputs(Derivation *d);    // I = sum of currents
void wires_of_errors(Derivation *d);    // delta and lambda
void wires_of_gradients(Derivation *d); // dE/dtheta

// Equations of which the left side is an element of the owner's array. Alike ones of an array of owners are put once.
typedef struct Wire {
    Symbol owner; // its documented name says which array of owners, and which one of it
    Expr left, right;
    bool is_gradient; // left is the parameter, the equation is of dE/d(left)
    const char *place;
} Wire;
typedef Vec(Wire) Wires;
Wire wire_with_own_axes(const Derivation *d, Wire wire); // i, j, … mean the same on both sides
void wires_put(Derivation *d, Wires *wires);             // and frees them

// All of them relative to number `first` of an array of owners, as h[k], with the range of k; and frees them.
void wires_put_in_turn(Derivation *d, Wires *wires, int64_t first, int64_t last);
const char *wire_range(const Derivation *d, int64_t first, int64_t last); // "k = 0 .. 4"

void derivation_step(Derivation *d, const Step *step, bool backward); // the last sections: one step of time

#endif
