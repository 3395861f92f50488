// What the parts of resolve that build a network share. Only compiler/model includes this.
#ifndef LEQUEL_NETWORK_H
#define LEQUEL_NETWORK_H

#include "resolve.h"

// A compartment of the neuron that is being worked out.
typedef struct Compartment {
    Atom name;
    const Ast *item;
    Scope *scope;
} Compartment;

// A `let`, worked out where it stands or, in a compartment, when another compartment asks for it.
typedef struct LateLet {
    const Ast *item;
    Scope *scope;
    Atom member; // basal.v
    enum { LET_WAITING, LET_WORKING, LET_DONE } stage;
} LateLet;

typedef struct Mover { // an equation or assignment, and the state that it moves
    const Ast *item;
    const Compartment *compartment; // in which it stands; NULL for none
    Atom member;                    // NULL: its left side names nothing
    Scope *scope;
} Mover;

typedef struct NoiseSource { // one for each `noise(…)` that is written
    Span span;
    Symbol symbol;
} NoiseSource;

typedef struct Happening { // one assignment of an `on condition { … }`
    const Ast *on, *assignment;
    Atom member;
} Happening;

// A neuron declaration on its way to a population.
typedef struct NeuronBuild {
    Population *population; // moves into the model when it is complete
    const Ast *neuron;
    Scope *scope;
    Vec(Compartment) compartments;
    bool opened; // the compartments' names are bound
    Vec(LateLet) lets;
    Vec(uint32_t) order; // of the lets, as they were worked out
    Vec(Mover) movers;
    Vec(Happening) happenings;
    Vec(NoiseSource) noises;
    Expr line_start;          // what the delay that is an output of its own starts with; 0 for zeros
    Vec(Scope *) port_scopes; // per port: where its name is bound
} NeuronBuild;

// explicit.c
void explicit_scan(Resolver *r, NeuronBuild *b);                 // finds what moves which state
const Mover *explicit_mover(const NeuronBuild *b, Atom member);  // NULL: nothing but an energy
bool explicit_moves(const NeuronBuild *b, Atom member);          // an equation, assignment or event
void explicit_open(Resolver *r, NeuronBuild *b);                 // declares what is in compartments
void explicit_let(Resolver *r, NeuronBuild *b, uint32_t number); // works it out, unless that is done
void explicit_finish(Resolver *r, NeuronBuild *b);               // equations and couplings, units known
bool explicit_is_written(const Ast *neuron);                     // has equations, assignments, events or compartments
void explicit_free(NeuronBuild *b);
bool is_explicit(const NeuronBuild *b);
// delay.c
bool delay_by_energy(const NeuronBuild *b); // the neuron has an energy, with which operators on signals are worked out
// What delay(x, T) starts with when it is the whole of an output with `initially`; 0 for zeros.
Expr delay_start(Resolver *r, const Scope *scope, const Ast *output);
// population.c
void neuron_declaration(Resolver *r, NeuronBuild *b, Scope *scope, Atom compartment, const Ast *item);
Atom neuron_member_name(Resolver *r, Atom compartment, Atom name);
void neuron_outputs_again(Resolver *r, NeuronBuild *b);
// sparse.c: which elements of a weight there are
typedef struct Structure {
    const Ast *option;    // NULL: all
    const double *chance; // of each element, row by row, or one for all: 1 where it is there for certain
    uint32_t count;
    const double *values; // first values that come with it, in `unit`; NULL for none
    bool weighted;        // they are written in the list; else each edge is 1, unless the model says otherwise
    Unit unit;
} Structure;
bool is_structure(const Ast *option);
bool read_structure(Resolver *r, const SymbolInfo *info, const Scope *scope, const Ast *option, Structure *structure);
Symbol structure_mask(Resolver *r, const SymbolInfo *weight, const Structure *structure);
// plasticity.c
void plasticity_finish(Resolver *r);
bool synapse_has_rules(const Ast *synapse);                           // equations, assignments, plasticity
void synapse_plasticity(Resolver *r, Connection *c, const Ast *item); // notes which weight has a rule of its own
void synapse_state(Resolver *r, Connection *c, Scope *scope, const Ast *item);

// stage.c
enum { MOST_STAGES = 64 }; // a bit each in what a rule is told
// The stages of the experiment in which the parameter or weight of this name learns.
uint64_t stages_that_learn(Resolver *r, Atom name);
Expr end_of(Resolver *r, const Ast *on); // of `on end of …`: 1 in that step, else 0
EndKind end_kind(const Ast *on);
void find_set_parameters(Resolver *r); // network parameters that the experiment sets must stay variable
void add_setting(Resolver *r, const Scope *scope, Experiment *e, const Ast *item, int stage);
void add_stage(Resolver *r, const Scope *scope, Experiment *e, const Ast *item);
void add_disturbance(Resolver *r, const Scope *scope, Experiment *e, const Ast *item, int stage);
void check_stages(Resolver *r, Experiment *e, bool samples);
// experiment.c: an item of the experiment, or of one of its stages
void experiment_item(Resolver *r, const Scope *scope, Experiment *e, const Ast *item, int stage);

// A neuron's energy is elaborated after all connections, when the units of its inputs are known.
typedef struct NeuronSource {
    Scope *scope;
    NeuronBuild *build;
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
