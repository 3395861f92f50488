// The syntax tree: what was written, with byte ranges. Nothing is resolved, checked or computed here.
//
// One node type serves all kinds. `name` is an atom, `child` the ordered children; a child may be NULL where the table
// says "or none". The parser builds nodes only; resolve (compiler/model) gives them meaning; format.c prints them back.
#ifndef LEQUEL_AST_H
#define LEQUEL_AST_H

#include "../compiler/diagnostics.h"

// clang-format off
// kind          name / number / text                      children
// ------------  ----------------------------------------  -------------------------------------------------------------
// Expressions
// NUMBER        number; text = unit as written or NULL     -            5 ms, 0.3 /mV, 5 steps: one literal
// STRING        text                                       -
// NAME          name                                       -
// MEMBER        name = member                              object       a.b
// INDEX         -                                          object, index…            W[i, j], h[2], Leaky[53]
// CALL          -                                          callee, argument…         argument: expression or ARGUMENT
// ARGUMENT      name; flag DRAW when written with ~        value                     tau_m = 1, tau_m ~ uniform(0, 1)
// REDUCE        name = sum | mean | max | min              NAME…, body               sum(j: W[i, j] * r[j])
// UNARY         name = - | not                             operand
// BINARY        name = + - * / @ ^ == != < <= > >= and or  left, right
// RANGE         -                                          low, high                 a .. b, both ends included
// LIST          -                                          element…                  [a, b]
// OVER          name = presentation | epoch | all          body                      out.r over presentation
//
// Top level
// FILE          -                                          declaration…
// IMPORT        text = path                                -
// FUNCTION      name                                       PARAMETERS, body
// NEURON        name                                       PARAMETERS, item…
// SYNAPSE       name                                       PARAMETERS, item…
// NETWORK       name                                       PARAMETERS, item…
// OPTIMISER     name                                       PARAMETERS, item…
// EXPERIMENT    name                                       item…
// PARAMETERS    -                                          PARAMETER…
// PARAMETER     name; flag DRAW                            default or none           also `param x ~ …` as an item
//
// Items of neurons, synapses, optimisers
// STATE         name; flag DRAW                            initial, LIST of dims (only if written)   one node per name: state m = 0, q = 0
// INPUT         name                                       size or none              input I; input x[1]; several sizes: a LIST
// OUTPUT        name                                       value, initially or none
// LET           name                                       value
// ENERGY        -                                          value
// COMPARTMENT   name                                       item…
// EQUATION      name = integrator option or NULL           left, right               d(u) = …, exponential
// ASSIGN        -                                          left, right               m <- …
// COUPLE        -                                          from, to, conductance     couple a -> b : g
// NOISE         -                                          value                     noise(sigma) as an item
// WEIGHT        name; flags DRAW, FIXED (`param T[…]`)     INDEX-like LIST of dims, initial or none, option…
// OPTION        name                                       call or none              zero diagonal -> name "zero diagonal"; sparse(p = 0.2)
// CURRENT       -                                          value
// PLASTICITY    -                                          EQUATION or ASSIGN, FROM/UNTIL/CLAMP option…
// COUNT         name                                       -                         count k
//
// Items of networks
// SETTING       name                                       value                     dt = 0.01
// TARGET        name                                       size                      target y[2]
// LABEL         name                                       size                      label y[10]
// POPULATION    name                                       count or none, type, gamma or none   type: NAME, INDEX or CALL of INDEX
// CONNECT       name                                       index or none, from, to, synapse, FOR or none
// FOR           name = variable                            range                     for k in 0..4
// COST          -                                          value
// DYNAMICS      name                                       ARGUMENT…                 dynamics gle(gamma = 1)
// LEARN         flag ALL for `learn all`                   LIST of targets, optimiser call, FROM/UNTIL/CLAMP option…
// FROM, UNTIL   flag STEP when written `from step 51`      value
// CLAMP         -                                          low, high
// ORDER         name                                       -
// PHASE         name                                       item…
// ON            name = presentation | epoch                ASSIGN…                   on end of presentation { … }
//               no name                                    condition, ASSIGN…        on u > theta { u <- reset }
//
// Items of experiments
// DATA          name                                       value
// PRESENT       flag RESET                                 ARGUMENT…, DURATION or none (last)   present x = …, y = … for 360 steps
// BATCH         flag SHUFFLE                               size
// EPOCHS        -                                          number
// DURATION      flag STEP when written with `steps`        value
// SETTLE        flag STEP                                  value                     settle 100 steps: presented, not scored
// SCORE         name                                       value
// EVALUATE      name = data set                            every-epochs, batch or none   evaluate test every 1 epoch, batch 1000
// AFTERWARDS    flag STEP when written with `steps`        value                     evaluate for 600
// ANNEAL        name = parameter                           rule                      anneal rate by plateau(test.loss, …)
// RECORD        flag STEP when `every N steps`             LIST of what, every or none
// SET           -                                          target, value             beta = linear(0.1, 0)
// STAGE         name                                       DURATION, item…           stage replay for 5 epochs { … }
// DISTURB       -                                          LIST of FROM/UNTIL/DURATION (every), item…
//                                                          disturb from 100 until 200 every 1000 { … }
// LEARN         flag ALL for `learn all`                   LIST of targets           of a stage; `learn nothing` names nothing
// Amounts (DURATION, FROM, UNTIL) have flag STEP, EPOCH_COUNT or PRESENTATION_COUNT when they count these.
#define AST_KINDS(X)                                                                                                   \
    X(NUMBER) X(STRING) X(NAME) X(MEMBER) X(INDEX) X(CALL) X(ARGUMENT) X(REDUCE) X(UNARY) X(BINARY) X(RANGE) X(LIST)   \
    X(OVER) X(FILE) X(IMPORT) X(FUNCTION) X(NEURON) X(SYNAPSE) X(NETWORK) X(OPTIMISER) X(EXPERIMENT) X(PARAMETERS)     \
    X(PARAMETER) X(STATE) X(INPUT) X(OUTPUT) X(LET) X(ENERGY) X(COMPARTMENT) X(EQUATION) X(ASSIGN) X(COUPLE) X(NOISE)  \
    X(WEIGHT) X(OPTION) X(CURRENT) X(PLASTICITY) X(COUNT) X(SETTING) X(TARGET) X(LABEL) X(POPULATION) X(CONNECT)       \
    X(FOR) X(COST) X(DYNAMICS) X(LEARN) X(FROM) X(UNTIL) X(CLAMP) X(ORDER) X(PHASE) X(ON) X(DATA) X(PRESENT) X(BATCH)  \
    X(EPOCHS) X(DURATION) X(SETTLE) X(SCORE) X(EVALUATE) X(AFTERWARDS) X(ANNEAL) X(RECORD)   \
    X(SET) X(STAGE) X(DISTURB)

// clang-format on

#define X(kind) AST_##kind,
typedef enum AstKind { AST_KINDS(X) AST_KIND_COUNT } AstKind;
#undef X

enum { // flags
    AST_DRAW = 1,
    AST_STEP = 2,
    AST_SHUFFLE = 4,
    AST_ALL = 8,
    AST_RESET = 16,
    AST_EPOCH_COUNT = 32,
    AST_PRESENTATION_COUNT = 64,
    AST_FIXED = 128
};

typedef struct Ast {
    AstKind kind;
    uint32_t flags;
    Span span;      // of the whole construct
    Span name_span; // of the name alone, where there is one
    Atom name;
    Atom text;
    double number;
    uint32_t count;
    struct Ast **child;
} Ast;

const char *ast_kind_name(AstKind kind); // "population"

// The flag of what a literal such as `5 steps` or `3 epochs` counts; 0 for any other expression.
uint32_t ast_counted(const Ast *ast);

// Parses one source registered in `diags`. Always returns an AST_FILE holding every declaration that could be read
// (error productions resume at the next statement), so that several independent errors are found in one run; the
// caller looks at diag_error_count. Syntax errors name the tokens that would have been right, in the user's words.
Ast *ast_parse(Arena *arena, Diagnostics *diags, uint32_t source, const char *text, size_t length);

// The canonical form of a file, comments kept: what `lequel fmt` writes. Formatting is idempotent.
void ast_format(const Ast *file, const char *source, size_t length, Text *out);

// An indented dump of the tree, one node a line with its byte range: `--dump=ast`.
void ast_dump(const Ast *node, Text *out);

#endif
