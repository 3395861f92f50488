// The symbolic core: an immutable, hash-consed expression DAG in index notation.
//
// An expression is a 32-bit handle; equal expressions have equal handles. Constructors apply cheap local rules only
// (constants, neutral and absorbing elements, flattening and sorting of sums and products by content, collecting
// of equal terms and factors, elimination of Kronecker deltas by sums); there is no general simplifier.
// A weight current is sum(j: W[i,j] * r[j]); a derivative makes Kronecker deltas, which the sums eliminate.
#ifndef LEQUEL_EXPR_H
#define LEQUEL_EXPR_H

#include "../diagnostics.h"
#include "../units.h"
#include <complex.h>
#undef I // <complex.h> defines it; nothing here wants it

typedef uint32_t Expr;   // 0: none
typedef uint32_t Symbol; // an array; 0: none
typedef uint32_t Index;  // an index variable; 0: none

// clang-format off
typedef enum ExprKind {
    EXPR_CONST,  // a number
    EXPR_INDEX,  // an index variable as a value (inside accesses and deltas)
    EXPR_ACCESS, // an element of an array: symbol, version, one index expression per axis
    EXPR_ADD, EXPR_MUL, // n-ary, sorted by content
    EXPR_POWER,  // base, exponent
    EXPR_CALL,   // a mathematical function of one argument
    EXPR_MIN, EXPR_MAX, // of two
    EXPR_SELECT, // condition ? a : b
    EXPR_LESS, EXPR_LESS_EQUAL, EXPR_EQUAL, EXPR_AND, EXPR_OR, EXPR_NOT, // truth values
    EXPR_SUM, EXPR_MAXIMUM, // over one index: body. Sum over an empty range 0, maximum -inf
    EXPR_DELTA,  // 1 where both index expressions are equal, else 0
    // Operators on signals in time, symbolic until discretisation (science.md section 1)
    EXPR_AHEAD,   // x + tau dx/dt: x, tau
    EXPR_LOWPASS, // (1 + tau d/dt)^-1 x: x, tau
    EXPR_DELAY,   // x(t - T): x, T and, if declared, a number for how an error returns (DelayCredit)
    EXPR_RATE,    // dx/dt: x
    EXPR_PREVIOUS, // x before this step
    EXPR_STOP,    // constant(x): no gradient flows through
    EXPR_KIND_COUNT
} ExprKind;
// clang-format on

// clang-format off
typedef enum ExprFunction {
    FUNCTION_EXP, FUNCTION_EXPM1, FUNCTION_LOG, FUNCTION_LOG1P, FUNCTION_TANH, FUNCTION_SIN, FUNCTION_COS,
    FUNCTION_LOGISTIC,  // 1/(1 + exp(-x))
    FUNCTION_LOG1PEXP,  // log(1 + exp(x))
    FUNCTION_SQRT, FUNCTION_ABS, FUNCTION_SIGN,
    FUNCTION_COUNT
} ExprFunction;
// clang-format on

// Which value of an array an access means, within one step.
typedef enum ExprVersion {
    VERSION_OLD, // before the step; parameters and inputs have no other
    VERSION_NEW, // after, or of, this step
} ExprVersion;

typedef enum SymbolRole {
    ROLE_INPUT,     // external input or target, set by the caller before each step
    ROLE_PARAMETER, // of a neuron: tau_m, …
    ROLE_WEIGHT,
    ROLE_STATE,     // with memory, per sample: u, error_state
    ROLE_REGISTER,  // a message held for one step: rate, gate, downward error
    ROLE_SIGNAL,    // defined anew in every step
    ROLE_LEAF,      // a lookahead treated as an independent variable while differentiating
    ROLE_DRIVE,     // the summed input of a neuron while its energy is looked at alone
    ROLE_OPTIMISER, // state of an optimiser, one element per element of its parameter
    ROLE_SCALAR,    // a number of the model that may change between steps: a learning rate, a counter
} SymbolRole;

// How an error returns from a delay when it cannot wait for it: looked ahead by the delay, late as it comes, not at
// all.
typedef enum DelayCredit { CREDIT_NONE_DECLARED, CREDIT_AHEAD, CREDIT_LATE, CREDIT_STOPPED } DelayCredit;

enum { EXPR_MAX_RANK = 4 };

typedef struct SymbolInfo {
    Atom name; // as in semantics.md 6: "h[2].tau_m"
    SymbolRole role;
    bool batched;  // one value per sample of a batch
    uint32_t rank; // without the batch
    uint32_t extent[EXPR_MAX_RANK];
    Unit unit;
    Span span;    // where the user declared it
    bool hidden;  // made for the compiler's own use: not listed, recorded or saved
    bool derived; // made by derive or discretise: deriving again finds it by name, a user's array of that name is
                  // refused
} SymbolInfo;

typedef struct IndexInfo {
    Atom name;       // as printed: i, j, k; i2 …
    uint32_t extent; // 0 for the batch, whose size belongs to the instance
} IndexInfo;

typedef struct ExprNode {
    ExprKind kind;
    uint32_t count; // of arguments
    union {
        double value;          // CONST
        Index index;           // INDEX, SUM, MAXIMUM
        ExprFunction function; // CALL
        struct {
            Symbol symbol;
            ExprVersion version;
        }; // ACCESS
    };
    const Expr *argument;
} ExprNode;

typedef struct ExprStore ExprStore;

ExprStore *expr_store_new(Arena *arena);
void expr_store_free(ExprStore *store);

Symbol symbol_new(ExprStore *store, SymbolInfo info);
const SymbolInfo *symbol_info(const ExprStore *store, Symbol symbol); // valid until the next symbol_new
SymbolInfo *symbol_edit(ExprStore *store, Symbol symbol);
uint32_t symbol_count(const ExprStore *store);         // symbols are 1 .. count
Symbol symbol_find(const ExprStore *store, Atom name); // 0 if there is none

Index index_new(ExprStore *store, Atom name, uint32_t extent);
// The n-th index variable shared by all expressions over the same extent: i, j, k, … One set per extent makes equal
// expressions meet in one handle.
Index index_shared(ExprStore *store, uint32_t n, uint32_t extent);
const IndexInfo *index_info(const ExprStore *store, Index index);
void index_set_extent(ExprStore *store, Index index, uint32_t extent); // of one made with extent 0: not known yet
#define INDEX_BATCH ((Index)1)                                         // the sample index, made with the store

ExprNode expr_node(const ExprStore *store, Expr expr); // a copy: `argument` stays valid for the store's life
uint32_t expr_count(const ExprStore *store);           // handles are 1 .. count; arguments have smaller handles
bool expr_is_const(const ExprStore *store, Expr expr, double value);
bool expr_get_const(const ExprStore *store, Expr expr, double *value);

Expr expr_const(ExprStore *store, double value);
Expr expr_index(ExprStore *store, Index index);
Expr expr_access(ExprStore *store, Symbol symbol, ExprVersion version, const Expr *index, uint32_t count);
Expr expr_add(ExprStore *store, Expr a, Expr b);
Expr expr_add_n(ExprStore *store, const Expr *terms, uint32_t count);
Expr expr_sub(ExprStore *store, Expr a, Expr b);
Expr expr_neg(ExprStore *store, Expr a);
Expr expr_mul(ExprStore *store, Expr a, Expr b);
Expr expr_mul_n(ExprStore *store, const Expr *factors, uint32_t count);
Expr expr_div(ExprStore *store, Expr a, Expr b);
Expr expr_power(ExprStore *store, Expr base, Expr exponent);
Expr expr_call(ExprStore *store, ExprFunction function, Expr x);
Expr expr_sum(ExprStore *store, Index index, Expr body);
Expr expr_maximum(ExprStore *store, Index index, Expr body);
Expr expr_delta(ExprStore *store, Expr a, Expr b);
Expr expr_select(ExprStore *store, Expr condition, Expr a, Expr b);
// The other kinds: MIN, MAX, comparisons, logic, operators on signals. Applies the operator algebra:
// ahead(lowpass(x, t), t) = lowpass(ahead(x, t), t) = x, linearity of d/dt, operators of a constant.
Expr expr_make(ExprStore *store, ExprKind kind, const Expr *arguments, uint32_t count);
static inline Expr expr_make1(ExprStore *s, ExprKind kind, Expr a) { return expr_make(s, kind, &a, 1); }
static inline Expr expr_make2(ExprStore *s, ExprKind kind, Expr a, Expr b) {
    return expr_make(s, kind, (Expr[]){a, b}, 2);
}

// The origin of a term, for messages and derivations: the first span given to an expression is kept.
void expr_set_span(ExprStore *store, Expr expr, Span span);
Span expr_span(const ExprStore *store, Expr expr);

// Shows the visitor each node of `expr` once, however often it is shared, and before its arguments; the visitor returns
// whether to go on to these. Walks that don't use this take a time exponential in the depth of `let a = f(b) + g(b)`.
typedef bool ExprVisitor(const ExprStore *store, Expr expr, void *context);
void expr_visit(const ExprStore *store, Expr expr, ExprVisitor *visitor, void *context);

// True when `part` (an expression, compared by handle) occurs in `expr`.
bool expr_contains(const ExprStore *store, Expr expr, Expr part);
bool expr_has_index(const ExprStore *store, Expr expr, Index index);                // free in expr
const Index *expr_free_indices(const ExprStore *store, Expr expr, uint32_t *count); // in order of their numbers
bool expr_has_kind(const ExprStore *store, Expr expr, ExprKind kind);
bool expr_reads(const ExprStore *store, Expr expr, Symbol symbol); // any version

// Rebuilds `expr` bottom-up, offering every rebuilt node to `rule`, which returns a replacement or the node itself.
typedef Expr ExprRule(ExprStore *store, Expr node, void *context);
Expr expr_rewrite(ExprStore *store, Expr expr, ExprRule *rule, void *context);
Expr expr_replace(ExprStore *store, Expr expr, Expr from, Expr to);
// Replaces every access of one array's version by the same access of another's.
Expr expr_rename(ExprStore *store, Expr expr, Symbol from, ExprVersion from_version, Symbol to, ExprVersion to_version);
// Replaces a free index variable; bound variables are renamed where they would capture.
Expr expr_substitute_index(ExprStore *store, Expr expr, Expr from, Expr to); // from: an EXPR_INDEX

// d expr / d symbol[at…] (any version of the symbol), by the chain rule; deltas are eliminated where sums allow it.
// Kinks: max(a, b) follows a only where a > b; min(a, b) follows a only where a < b; abs' = sign, sign(0) = 0;
// clamp-like selects follow the chosen branch.
Expr expr_derivative(ExprStore *store, Expr expr, Symbol symbol, const Expr *at, uint32_t count);
// d expr / d leaf for one particular node, everything else held fixed (lookaheads included).
Expr expr_partial(ExprStore *store, Expr expr, Expr leaf);

// The unit of an expression, from those of its symbols. False when its parts don't agree (a compiler bug in a derived
// line, since users' expressions were checked before).
bool expr_unit(const ExprStore *store, Expr expr, Unit *unit);
// Whether it may be of this unit: false when that is ruled out, or its parts don't agree.
bool expr_has_unit(const ExprStore *store, Expr expr, Unit unit);

// Printing. `names` of symbols are their names; versions print as x and x' (old and new) in step notation. MathML is a
// sequence of elements in UTF-8, to be put into a <math>.
typedef enum ExprStyle { EXPR_TEXT, EXPR_UNICODE, EXPR_LATEX, EXPR_MATHML } ExprStyle;
void expr_print(const ExprStore *store, Expr expr, ExprStyle style, Text *out);
const char *expr_function_name(ExprFunction function); // "log1p"
double expr_function_value(ExprFunction function, double x);

// Evaluation, the slow and obvious way: element(context, symbol, version, indices) delivers array elements; `values`
// of free index variables are given by index number. Used by tests, initial values, scores and the reference back end.
typedef double ExprElement(void *context, Symbol symbol, ExprVersion version, const int64_t *index, uint32_t count);
typedef double complex ExprComplexElement(void *context, Symbol symbol, ExprVersion version, const int64_t *index,
                                          uint32_t count);
double expr_evaluate(const ExprStore *store, Expr expr, ExprElement *element, void *context,
                     const int64_t *index_values, int64_t batch);
double complex expr_evaluate_complex(const ExprStore *store, Expr expr, ExprComplexElement *element, void *context,
                                     const int64_t *index_values, int64_t batch);

#endif
