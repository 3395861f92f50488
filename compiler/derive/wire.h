// What neurons, connections and parameters have to do with each other, as equations of a page. Only print.c and wire.c
// include this.
#ifndef LEQUEL_WIRE_H
#define LEQUEL_WIRE_H

#include "page.h"

typedef struct Derivation {
    const Equations *equations;
    Model *model;
    ExprStore *store;
    const Principle *principle;
    Page page;
    Names names;
} Derivation;

const char *derivation_show(const Derivation *d, Expr expr); // in the style of the page, under the names lent now
const char *derivation_place(const Derivation *d, Span span);

void wires_of_inputs(Derivation *d);    // I = sum of currents
void wires_of_errors(Derivation *d);    // delta and lambda
void wires_of_gradients(Derivation *d); // dE/dtheta

#endif
