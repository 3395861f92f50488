// Internals of resolve: elaborated values, scopes and the resolver's state. Only compiler/model includes this.
#ifndef LEQUEL_RESOLVE_H
#define LEQUEL_RESOLVE_H

#include "model.h"

typedef enum ValueKind {
    VALUE_ERROR,    // already reported: whatever uses it stays silent
    VALUE_NUMBER,   // a symbolic expression, possibly a constant, of rank 0 or more
    VALUE_LIST,     // constant numbers
    VALUE_INITIAL,  // a random draw or a file: only good to initialise arrays
    VALUE_FUNCTION, // declared in the language, or a builtin
    VALUE_TEXT,
    VALUE_OBJECT, // a population, connection, external, or the pre/post end of a connection
} ValueKind;

typedef enum ObjectKind { OBJECT_POPULATION, OBJECT_CONNECTION, OBJECT_EXTERNAL, OBJECT_COMPARTMENT } ObjectKind;

struct Builtin;

typedef struct Value {
    ValueKind kind;
    Span span;
    Span origin; // of a parameter: where its argument was written
    // NUMBER
    Expr expr;
    uint32_t rank;
    Index axis[EXPR_MAX_RANK];
    Unit unit;
    bool any_unit;  // the literal 0 fits every unit
    bool open_unit; // hangs on an input whose unit is not known yet: nothing is checked
    bool moves;     // a bound state under an equation of its own: `after` says which of its values is meant
    // LIST
    const double *list;
    uint32_t list_count;
    // INITIAL
    Initial initial;
    // FUNCTION
    const Ast *function;
    const struct Builtin *builtin;
    // TEXT
    Atom text;
    // OBJECT: one object by number, or an array of objects by base name
    ObjectKind object;
    uint32_t number;
    Atom array_base;  // not NULL: `h` of h[0], h[1], …
    Atom compartment; // of the population, or of the neuron that is being worked out
    bool after;       // the postsynaptic end of a plasticity: its values are those of this step
} Value;

typedef struct Binding {
    Atom name;
    Value value;
} Binding;

typedef struct Scope {
    const struct Scope *parent;
    Vec(Binding) bindings;
    const char *description; // "neuron `Slow`", for messages
} Scope;

typedef struct Definition { // -D name=value
    Atom name;
    double value;
    Unit unit;
    bool used;
} Definition;

// A function that is being expanded; the chain shows recursion.
typedef struct Frame {
    const struct Frame *parent;
    const Ast *function;
} Frame;

// A synapse whose rules are worked out after all connections.
typedef struct SynapseSource {
    Scope *scope; // its parent binds the two ends
    const Ast *synapse;
    uint32_t connection;
    Span use; // the `connect` statement
} SynapseSource;

typedef struct Resolver {
    Arena *arena;
    Diagnostics *diags;
    ExprStore *store;
    Model *model;
    Scope global; // functions, neurons, synapses, optimisers of all files
    Vec(const Ast *) declarations;
    Vec(Definition) defines;
    Vec(Atom) annealed;        // network parameters that must stay numbers at run time
    struct NeuronBuild *build; // the neuron that is being worked out, or NULL
    const Connection *synapse; // the connection whose synapse is being worked out, or NULL
    Vec(Span) rounded;         // times of delays that were warned of
    bool after;                // a plain state under an equation of its own means its value after the step
    const Frame *frames;       // functions that are being expanded, the innermost first
    uint32_t expanded;         // how many were, in all
    Span use;                  // the call, population or connection of the user that is being worked out
    uint32_t unique;           // for the names of fresh axes
    bool has_dt;
    void *deferred; // network.c: energies to elaborate after all connections
    Vec(SynapseSource) synapses;
    const Ast *network; // the one that is resolved, and its scope
    const struct Scope *network_scope;
    const Ast *dynamics_override; // NULL, or the `dynamics` statement from the command line
    bool beside;                  // gamma is 0 everywhere
    uint32_t prelude;             // the number of its source text
    const Ast *experiment;
} Resolver;

// load.c: the text of a file, in the arena; false after a report, with `code` at `where`.
bool source_read(Resolver *r, Atom path, Span where, DiagCode code, char **text, size_t *length);

// scope.c
void scope_bind(Scope *scope, Atom name, Value value);
const Value *scope_find(const Scope *scope, Atom name);
void scope_free(Scope *scope);
Value value_error(void);
Value value_number(Resolver *r, double number, Span span);
Value value_expr(Expr expr, Unit unit, Span span);
Span value_place(const Value *value); // where the user wrote it: the argument, if it came through a parameter
Value value_symbol(Resolver *r, Symbol symbol, Span span); // the whole array, with fresh axes
bool value_const(const Resolver *r, const Value *value, double *number);
const char *value_describe(const Resolver *r, const Value *value); // "a list of 53 numbers", in the arena
Atom shape_text(const Resolver *r, const Value *value);            // "[53]", "a single number"
Expr value_at_axes(Resolver *r, const Value *value, const Index *axes);

// report.c
// Reports a mistake at `span`, or, where that lies in the prelude, at the line of the user's that led there.
void report(Resolver *r, DiagCode code, Span span, const char *format, ...) __attribute__((format(printf, 4, 5)));
Span enter_use(Resolver *r, Span use); // returns the one before, for leave_use
void leave_use(Resolver *r, Span before);
bool suggest(Resolver *r, Atom name, const Atom *names, uint32_t count); // "did you mean …?", if another one is near
void report_twice(Resolver *r, Atom name, Span span, Span first, const char *where);

// names.c: names in declarations that nothing uses, and parameters of one name
void check_unused_declarations(Resolver *r);
void check_parameters(Resolver *r, const Ast *declaration);

// elaborate.c
Value elaborate(Resolver *r, const Scope *scope, const Ast *ast);
Value list_to_array(Resolver *r, Value list); // a constant list among arrays: one without a name
Value state_value(Resolver *r, Value value);  // of a bound state: what it means here
Value elaborate_call(Resolver *r, const Scope *scope, const Ast *call, const Value *callee, const Value *args,
                     uint32_t count);
bool constant_number(Resolver *r, const Scope *scope, const Ast *ast, const char *what, double *number, Unit *unit);
bool constant_size(Resolver *r, const Scope *scope, const Ast *ast, const char *what, uint32_t *size);
bool constant_steps(Resolver *r, const Scope *scope, const Ast *ast, bool in_steps, const char *what, int64_t *steps);
bool same_unit(Resolver *r, const Value *a, const Value *b, Span span, const char *doing);
Value combine(Resolver *r, ExprKind kind, Value a, Value b, Span span);
Expr sum_canonical(Resolver *r, Index index, Expr body, bool maximum);
// Costs and energies are one sum: the first says its unit. `what` it is, for a report.
bool join_energy(Resolver *r, const Value *value, Span span, const char *what);
bool is_time(Resolver *r, const Value *value, const char *what);
void report_unknown(Resolver *r, const Scope *scope, Atom name, Span span, const char *expected);
bool require_number(Resolver *r, const Value *value, const char *what);

// builtins.c
typedef Value BuiltinMake(Resolver *r, const struct Builtin *self, Value *args, uint32_t count, Span span);
typedef struct Builtin {
    const char *name;
    uint32_t least, most; // arguments
    BuiltinMake *make;
    int detail; // which function, for makers that serve several
} Builtin;
const Builtin *builtin_find(Atom name);
const char *const *builtin_names(void); // NULL-terminated

// declarations.c: parameters and arguments of neurons, synapses, optimisers
bool bind_arguments(Resolver *r, Scope *inner, const Scope *outer, const Ast *declaration, const Ast *call,
                    uint32_t skip);
Initial initial_from(Resolver *r, const Value *value, uint64_t elements, const char *what);
Symbol declare_array(Resolver *r, SymbolInfo info, Initial initial);
Initial initial_constant(Resolver *r, double value);

// dynamics.c: the principle, its options, and the weights through which errors travel back
typedef struct DynamicsItem {
    const Ast *item; // NULL: the network has none
    double gamma;
    bool has_gamma;
} DynamicsItem;
void resolve_dynamics(Resolver *r, const Scope *scope, const Ast *item, DynamicsItem *d);
void override_dynamics(Resolver *r, const Scope *scope, DynamicsItem *d);
const Ast *parse_dynamics(Resolver *r, const char *text); // "vle(gain = power)"; NULL after an error
void resolve_feedback(Resolver *r);

// stage.c: notes at the experiment's statement that makes a parameter change between steps, if that is what `value`
// reads
void note_what_sets(Resolver *r, const Value *value);
// network.c, connection.c, learning.c, experiment.c
Value elaborate_member(Resolver *r, const Value *object, Atom member, Span span);
// explicit.c: names of compartments, and operators on states that have equations of their own
Value compartment_member(Resolver *r, const Value *object, Atom member, Span span);
bool explicit_operator(Resolver *r, ExprKind kind, const Value *x, const Value *time, Span span, Value *result);
// delay.c: delay(x, T) of what equations move; false when the energy does
bool delay_line(Resolver *r, const Value *x, const Value *time, Span span, Value *result);
// arrival.c: delay(pre.r, T) in a synapse; `time` gets the axes of x
Value synapse_delay(Resolver *r, const Value *x, Value *time, Span span);
bool is_time_of_delay(const Resolver *r, Symbol symbol); // of a neuron or synapse: what is kept has room for that
Value make_noise(Resolver *r, const struct Builtin *self, Value *args, uint32_t count, Span span);
void resolve_population(Resolver *r, Scope *scope, const Ast *item);
void resolve_connect(Resolver *r, Scope *scope, const Ast *item);
void resolve_learn(Resolver *r, Scope *scope, const Ast *item);
void resolve_network(Resolver *r, const Ast *network);
void resolve_experiment(Resolver *r, Scope *scope, const Ast *experiment);
const Ast *find_declaration(const Resolver *r, AstKind kind, Atom name);

#endif
