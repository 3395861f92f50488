// What the parts of resolve that build a network share. Only compiler/model includes this.
#ifndef LEQUEL_NETWORK_H
#define LEQUEL_NETWORK_H

#include "resolve.h"

// A neuron's energy is elaborated after all connections, when the units of its inputs are known.
typedef struct NeuronSource {
    Scope *scope;
    const Ast *energy;
    uint32_t population;
    Span use; // the population's declaration
} NeuronSource;

void network_defer_energy(Resolver *r, NeuronSource source);
// The declaration that a name stands for, or NULL with a report that names the nearest one.
const Ast *network_declaration(Resolver *r, AstKind kind, const Ast *name, const char *what);
Atom path_text(Resolver *r, const Scope *scope,
               const Ast *ast); // "h[2].tau_m" as written, indices evaluated; NULL if none

#endif
