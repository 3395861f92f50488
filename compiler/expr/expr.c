// The store of expressions: hash-consing, the constructors with their local rules, rewriting and substitution.
#include "expr.h"
#include "../support/vec.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Facts {
    uint32_t kinds;    // bit by kind: those that occur inside
    uint32_t shape;    // equal for expressions that differ only in which index variables stand in them
    const Index *free; // the index variables that occur free, in order
    uint32_t free_count;
    Span span;
} Facts;
_Static_assert(EXPR_KIND_COUNT <= 32, "a bit per kind");

typedef struct NodeTable { // each different node once
    Vec(ExprNode) nodes;   // nodes.items[0] is unused
    uint32_t *table;       // hash table of their numbers
    uint32_t slots;
} NodeTable;

struct ExprStore {
    Arena *arena;
    NodeTable expressions; // numbers are handles
    NodeTable shapes;      // arguments are shapes too, and all index variables are 0
    Vec(Facts) facts;      // by handle
    Vec(SymbolInfo) symbols;
    Vec(IndexInfo) indices;
    Vec(Index) shared; // index_shared: keyed by (n, extent), found by a linear scan of few
};

typedef Vec(Expr) ExprList;

ExprStore *expr_store_new(Arena *arena) {
    ExprStore *store = memory_resize(NULL, 1, sizeof *store);
    *store = (ExprStore){.arena = arena};
    vec_push(&store->expressions.nodes, (ExprNode){0});
    vec_push(&store->shapes.nodes, (ExprNode){0});
    vec_push(&store->facts, (Facts){0});
    vec_push(&store->symbols, (SymbolInfo){0});
    vec_push(&store->indices, (IndexInfo){0});
    Index batch = index_new(store, arena_atom_z(arena, "b"), 0);
    assert(batch == INDEX_BATCH);
    (void)batch;
    return store;
}

static void node_table_free(NodeTable *table) {
    vec_free(&table->nodes);
    free(table->table);
}

void expr_store_free(ExprStore *store) {
    if (!store) return;
    node_table_free(&store->expressions);
    node_table_free(&store->shapes);
    vec_free(&store->facts);
    vec_free(&store->symbols);
    vec_free(&store->indices);
    vec_free(&store->shared);
    free(store);
}

// ---- Symbols and indices --------------------------------------------------------------------------------------------

Symbol symbol_new(ExprStore *store, SymbolInfo info) {
    assert(info.rank <= EXPR_MAX_RANK);
    vec_push(&store->symbols, info);
    return store->symbols.count - 1;
}

const SymbolInfo *symbol_info(const ExprStore *store, Symbol symbol) { return &store->symbols.items[symbol]; }
SymbolInfo *symbol_edit(ExprStore *store, Symbol symbol) { return &store->symbols.items[symbol]; }
uint32_t symbol_count(const ExprStore *store) { return store->symbols.count - 1; }

Symbol symbol_find(const ExprStore *store, Atom name) {
    for (Symbol s = 1; s < store->symbols.count; s++)
        if (store->symbols.items[s].name == name) return s;
    return 0;
}

Index index_new(ExprStore *store, Atom name, uint32_t extent) {
    vec_push(&store->indices, (IndexInfo){name, extent});
    return store->indices.count - 1;
}

Index index_shared(ExprStore *store, uint32_t n, uint32_t extent) {
    uint32_t seen = 0;
    for (uint32_t i = 0; i < store->shared.count; i++)
        if (store->indices.items[store->shared.items[i]].extent == extent && seen++ == n) return store->shared.items[i];
    Index index = 0;
    for (; seen <= n; seen++) {
        Atom name =
            seen < 8 ? arena_format(store->arena, "%c", "ijklmnpq"[seen]) : arena_format(store->arena, "i%u", seen);
        index = index_new(store, name, extent);
        vec_push(&store->shared, index);
    }
    return index;
}

const IndexInfo *index_info(const ExprStore *store, Index index) { return &store->indices.items[index]; }

void index_set_extent(ExprStore *store, Index index, uint32_t extent) { store->indices.items[index].extent = extent; }

// ---- Hash-consing ---------------------------------------------------------------------------------------------------

ExprNode expr_node(const ExprStore *store, Expr expr) {
    assert(expr && expr < store->expressions.nodes.count);
    return store->expressions.nodes.items[expr];
}

uint32_t expr_count(const ExprStore *store) { return store->expressions.nodes.count - 1; }

static uint64_t payload_bits(const ExprNode *node) {
    uint64_t bits = 0;
    switch (node->kind) {
    case EXPR_CONST: memcpy(&bits, &node->value, sizeof bits); break;
    case EXPR_INDEX:
    case EXPR_SUM:
    case EXPR_MAXIMUM: bits = node->index; break;
    case EXPR_CALL: bits = node->function; break;
    case EXPR_ACCESS: bits = (uint64_t)node->symbol << 8 | node->version; break;
    default: break;
    }
    return bits;
}

static uint64_t node_hash(const ExprNode *node) {
    uint64_t hash = (payload_bits(node) + 0x9e3779b97f4a7c15u * (uint64_t)(node->kind + 1)) * 0xff51afd7ed558ccdu;
    for (uint32_t i = 0; i < node->count; i++) hash = (hash ^ node->argument[i]) * 0x100000001b3u + (hash >> 29);
    return hash ^ hash >> 32;
}

static bool node_equal(const ExprNode *a, const ExprNode *b) {
    return a->kind == b->kind && a->count == b->count && payload_bits(a) == payload_bits(b) &&
           (!a->count || memcmp(a->argument, b->argument, a->count * sizeof(Expr)) == 0);
}

static void grow_table(NodeTable *t) {
    uint32_t slots = t->slots ? 2 * t->slots : 1024;
    uint32_t *table = memory_resize(NULL, slots, sizeof *table);
    memset(table, 0, slots * sizeof *table);
    for (uint32_t n = 1; n < t->nodes.count; n++) {
        uint64_t slot = node_hash(&t->nodes.items[n]) & (slots - 1);
        while (table[slot]) slot = (slot + 1) & (slots - 1);
        table[slot] = n;
    }
    free(t->table);
    t->table = table;
    t->slots = slots;
}

static uint32_t table_intern(NodeTable *t, Arena *arena, ExprNode node) {
    if (2 * t->nodes.count >= t->slots) grow_table(t);
    uint64_t slot = node_hash(&node) & (t->slots - 1);
    for (; t->table[slot]; slot = (slot + 1) & (t->slots - 1))
        if (node_equal(&t->nodes.items[t->table[slot]], &node)) return t->table[slot];
    Expr *arguments = node.count ? arena_new_array(arena, Expr, node.count) : NULL;
    if (node.count) memcpy(arguments, node.argument, node.count * sizeof(Expr));
    node.argument = arguments;
    vec_push(&t->nodes, node);
    return t->table[slot] = t->nodes.count - 1;
}

static bool names_index(ExprKind kind) { return kind == EXPR_INDEX || kind == EXPR_SUM || kind == EXPR_MAXIMUM; }

static uint32_t shape_of(ExprStore *store, ExprNode node) {
    Expr small[8], *arguments = node.count <= 8 ? small : memory_resize(NULL, node.count, sizeof(Expr));
    for (uint32_t i = 0; i < node.count; i++) arguments[i] = store->facts.items[node.argument[i]].shape;
    node.argument = arguments;
    if (names_index(node.kind)) node.index = 0;
    uint32_t shape = table_intern(&store->shapes, store->arena, node);
    if (arguments != small) free(arguments);
    return shape;
}

typedef struct IndexSet {
    const Index *items; // in order
    uint32_t count;
} IndexSet;

static IndexSet index_set_union(Arena *arena, IndexSet a, IndexSet b) {
    if (!b.count || (a.count == b.count && a.items == b.items)) return a;
    if (!a.count) return b;
    Index *all = arena_new_array(arena, Index, (size_t)a.count + b.count);
    uint32_t count = 0;
    for (uint32_t i = 0, k = 0; i < a.count || k < b.count;) {
        bool from_a = k == b.count || (i < a.count && a.items[i] <= b.items[k]);
        Index index = from_a ? a.items[i++] : b.items[k++];
        if (!count || all[count - 1] != index) all[count++] = index;
    }
    // One set, one array, as far as that is cheap: then equal sets are mostly seen to be equal.
    if (count == a.count) return a;
    return count == b.count ? b : (IndexSet){all, count};
}

static IndexSet index_set_without(Arena *arena, IndexSet set, Index index) {
    uint32_t at = 0;
    while (at < set.count && set.items[at] != index) at++;
    if (at == set.count) return set;
    Index *rest = arena_new_array(arena, Index, set.count);
    memcpy(rest, set.items, at * sizeof(Index));
    memcpy(rest + at, set.items + at + 1, (set.count - at - 1) * sizeof(Index));
    return (IndexSet){rest, set.count - 1};
}

static IndexSet free_indices(ExprStore *store, const ExprNode *node) {
    IndexSet set = {0};
    if (node->kind == EXPR_INDEX) {
        Index *own = arena_new_object(store->arena, Index);
        *own = node->index;
        return (IndexSet){own, 1};
    }
    for (uint32_t i = 0; i < node->count; i++) {
        const Facts *f = &store->facts.items[node->argument[i]];
        set = index_set_union(store->arena, set, (IndexSet){f->free, f->free_count});
    }
    return names_index(node->kind) ? index_set_without(store->arena, set, node->index) : set;
}

static Expr intern(ExprStore *store, ExprNode node) {
    Expr expr = table_intern(&store->expressions, store->arena, node);
    if (expr < store->facts.count) return expr;
    Facts facts = {.kinds = 1u << node.kind, .shape = shape_of(store, node)};
    for (uint32_t i = 0; i < node.count; i++) facts.kinds |= store->facts.items[node.argument[i]].kinds;
    IndexSet set = free_indices(store, &node);
    facts.free = set.items;
    facts.free_count = set.count;
    vec_push(&store->facts, facts);
    return expr;
}

static Expr intern_kind(ExprStore *store, ExprKind kind, const Expr *arguments, uint32_t count) {
    return intern(store, (ExprNode){.kind = kind, .count = count, .argument = arguments});
}

void expr_set_span(ExprStore *store, Expr expr, Span span) {
    if (expr && !store->facts.items[expr].span.source) store->facts.items[expr].span = span;
}

Span expr_span(const ExprStore *store, Expr expr) { return store->facts.items[expr].span; }

bool expr_get_const(const ExprStore *store, Expr expr, double *value) {
    const ExprNode *node = &store->expressions.nodes.items[expr];
    if (node->kind != EXPR_CONST) return false;
    *value = node->value;
    return true;
}

bool expr_is_const(const ExprStore *store, Expr expr, double value) {
    double have;
    return expr_get_const(store, expr, &have) && have == value;
}

// ---- Leaves ---------------------------------------------------------------------------------------------------------

Expr expr_const(ExprStore *store, double value) {
    return intern(store, (ExprNode){.kind = EXPR_CONST, .value = value == 0 ? 0 : value}); // one zero only
}

Expr expr_index(ExprStore *store, Index index) { return intern(store, (ExprNode){.kind = EXPR_INDEX, .index = index}); }

Expr expr_access(ExprStore *store, Symbol symbol, ExprVersion version, const Expr *index, uint32_t count) {
    return intern(
        store,
        (ExprNode){.kind = EXPR_ACCESS, .count = count, .argument = index, .symbol = symbol, .version = version});
}

// ---- Sums of terms --------------------------------------------------------------------------------------------------

typedef struct Part { // of a sum: coefficient * what; of a product: what ^ coefficient
    Expr what;
    double coefficient;
} Part;
typedef Vec(Part) PartList;

// A total order of expressions by content: kind, payload, then arguments. Serial numbers would not do, since C leaves
// open in which order nested calls create nodes, and the order of terms would then depend on the compiler of Lequel.
// Index variables count last, so that renaming one does not reorder terms and change their rounding.
// Arguments known to be equal are passed over, so the way leads straight to the first difference.
static int compare_content(const ExprStore *store, Expr a, Expr b, bool indices) {
    const Facts *facts = store->facts.items;
    if (a == b || (!indices && facts[a].shape == facts[b].shape)) return 0;
    const ExprNode *x = &store->expressions.nodes.items[a], *y = &store->expressions.nodes.items[b];
    if (x->kind != y->kind) return x->kind < y->kind ? -1 : 1;
    if (x->kind == EXPR_CONST) return x->value < y->value ? -1 : 1;
    uint64_t p = payload_bits(x), q = payload_bits(y);
    if (p != q && (!names_index(x->kind) || indices)) return p < q ? -1 : 1;
    if (x->count != y->count) return x->count < y->count ? -1 : 1;
    for (uint32_t i = 0; i < x->count; i++) {
        int order = compare_content(store, x->argument[i], y->argument[i], indices);
        if (order) return order;
    }
    return 0;
}

static bool expr_before(const ExprStore *store, Expr a, Expr b) {
    int order = compare_content(store, a, b, false);
    return (order ? order : compare_content(store, a, b, true)) < 0;
}

static void part_sort(const ExprStore *store, PartList *parts) { // insertion: lists are short and nearly sorted
    for (uint32_t i = 1; i < parts->count; i++) {
        Part part = parts->items[i];
        uint32_t k = i;
        for (; k > 0 && expr_before(store, part.what, parts->items[k - 1].what); k--)
            parts->items[k] = parts->items[k - 1];
        parts->items[k] = part;
    }
}

// Sorts by content and merges equal entries; entries whose coefficient becomes zero vanish.
static void part_merge(const ExprStore *store, PartList *parts) {
    if (!parts->count) return;
    part_sort(store, parts);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < parts->count;) {
        Part part = parts->items[i++];
        for (; i < parts->count && parts->items[i].what == part.what; i++)
            part.coefficient += parts->items[i].coefficient;
        if (part.coefficient != 0) parts->items[kept++] = part;
    }
    parts->count = kept;
}

static void gather_terms(ExprStore *store, PartList *parts, double *constant, Expr term) {
    ExprNode node = expr_node(store, term);
    double factor;
    if (node.kind == EXPR_CONST) {
        *constant += node.value;
    } else if (node.kind == EXPR_ADD) {
        for (uint32_t i = 0; i < node.count; i++) gather_terms(store, parts, constant, node.argument[i]);
    } else if (node.kind == EXPR_MUL && expr_get_const(store, node.argument[0], &factor)) {
        Expr rest =
            node.count == 2 ? node.argument[1] : intern_kind(store, EXPR_MUL, node.argument + 1, node.count - 1);
        vec_push(parts, (Part){rest, factor});
    } else {
        vec_push(parts, (Part){term, 1});
    }
}

static Expr scale(ExprStore *store, double factor, Expr rest) { // rest has no constant factor and is no constant
    if (factor == 1) return rest;
    ExprNode node = expr_node(store, rest);
    ExprList list = {0};
    vec_push(&list, expr_const(store, factor));
    if (node.kind == EXPR_MUL)
        for (uint32_t i = 0; i < node.count; i++) vec_push(&list, node.argument[i]);
    else
        vec_push(&list, rest);
    Expr result = intern_kind(store, EXPR_MUL, list.items, list.count);
    vec_free(&list);
    return result;
}

// -(a + b) becomes -a - b, exactly; other constants stay outside so that rounding is the user's.
static Expr negate_sum(ExprStore *store, Expr sum) {
    ExprNode node = expr_node(store, sum);
    ExprList list = {0};
    for (uint32_t i = 0; i < node.count; i++) vec_push(&list, expr_neg(store, node.argument[i]));
    Expr result = expr_add_n(store, list.items, list.count);
    vec_free(&list);
    return result;
}

Expr expr_add_n(ExprStore *store, const Expr *terms, uint32_t count) {
    PartList parts = {0};
    double constant = 0;
    for (uint32_t i = 0; i < count; i++) gather_terms(store, &parts, &constant, terms[i]);
    part_merge(store, &parts);
    ExprList list = {0};
    bool nested = false; // 3*(a + b) - 2*(a + b) leaves a sum, whose terms belong among the others
    if (constant != 0 || !parts.count) vec_push(&list, expr_const(store, constant));
    for (uint32_t i = 0; i < parts.count; i++) {
        Part part = parts.items[i];
        bool is_sum = expr_node(store, part.what).kind == EXPR_ADD && fabs(part.coefficient) == 1;
        nested |= is_sum;
        vec_push(&list, is_sum && part.coefficient < 0 ? negate_sum(store, part.what)
                                                       : scale(store, part.coefficient, part.what));
    }
    Expr result = list.count == 1 ? list.items[0]
                  : nested        ? expr_add_n(store, list.items, list.count)
                                  : intern_kind(store, EXPR_ADD, list.items, list.count);
    vec_free(&list);
    vec_free(&parts);
    return result;
}

Expr expr_add(ExprStore *store, Expr a, Expr b) { return expr_add_n(store, (Expr[]){a, b}, 2); }
Expr expr_neg(ExprStore *store, Expr a) { return expr_mul(store, expr_const(store, -1), a); }
Expr expr_sub(ExprStore *store, Expr a, Expr b) { return expr_add(store, a, expr_neg(store, b)); }

// ---- Products -------------------------------------------------------------------------------------------------------

static void gather_factors(ExprStore *store, PartList *parts, double *constant, Expr factor) {
    ExprNode node = expr_node(store, factor);
    double exponent;
    if (node.kind == EXPR_CONST) {
        *constant *= node.value;
    } else if (node.kind == EXPR_MUL) {
        for (uint32_t i = 0; i < node.count; i++) gather_factors(store, parts, constant, node.argument[i]);
    } else if (node.kind == EXPR_POWER && expr_get_const(store, node.argument[1], &exponent)) {
        vec_push(parts, (Part){node.argument[0], exponent});
    } else {
        vec_push(parts, (Part){factor, 1});
    }
}

// (a*b)^0.5 * (a*b)^0.5 is a*b, whose factors belong among the others: then `again` is set.
static Expr raise(ExprStore *store, Part part, bool *again) {
    Expr result = expr_power(store, part.what, expr_const(store, part.coefficient));
    ExprNode node = expr_node(store, result);
    bool plain = part.coefficient != 1 && node.kind == EXPR_POWER && node.argument[0] == part.what;
    double exponent;
    if (part.coefficient == 1)
        plain =
            node.kind != EXPR_MUL && !(node.kind == EXPR_POWER && expr_get_const(store, node.argument[1], &exponent));
    *again |= !plain;
    return result;
}

Expr expr_mul_n(ExprStore *store, const Expr *factors, uint32_t count) {
    PartList parts = {0};
    double constant = 1;
    for (uint32_t i = 0; i < count; i++) gather_factors(store, &parts, &constant, factors[i]);
    part_merge(store, &parts);
    Expr result;
    if (constant == 0 || !parts.count) {
        result = expr_const(store, constant);
    } else {
        ExprList list = {0};
        bool again = false;
        for (uint32_t i = 0; i < parts.count; i++) vec_push(&list, raise(store, parts.items[i], &again));
        if (again) vec_push(&list, expr_const(store, constant));
        Expr rest = list.count == 1 ? list.items[0]
                    : again         ? expr_mul_n(store, list.items, list.count)
                                    : intern_kind(store, EXPR_MUL, list.items, list.count);
        vec_free(&list);
        if (again)
            result = rest;
        else if (constant == -1 && expr_node(store, rest).kind == EXPR_ADD)
            result = negate_sum(store, rest);
        else
            result = scale(store, constant, rest);
    }
    vec_free(&parts);
    return result;
}

Expr expr_mul(ExprStore *store, Expr a, Expr b) { return expr_mul_n(store, (Expr[]){a, b}, 2); }

Expr expr_div(ExprStore *store, Expr a, Expr b) {
    double divisor, dividend;
    if (expr_get_const(store, b, &divisor) && expr_get_const(store, a, &dividend))
        return expr_const(store, dividend / divisor);
    return expr_mul(store, a, expr_power(store, b, expr_const(store, -1)));
}

static Expr power_of_product(ExprStore *store, ExprNode product, Expr exponent) {
    ExprList list = {0};
    for (uint32_t i = 0; i < product.count; i++) vec_push(&list, expr_power(store, product.argument[i], exponent));
    Expr result = expr_mul_n(store, list.items, list.count);
    vec_free(&list);
    return result;
}

Expr expr_power(ExprStore *store, Expr base, Expr exponent) {
    double n, value, inner;
    ExprNode node = expr_node(store, base);
    if (expr_get_const(store, exponent, &n)) {
        if (n == 0) return expr_const(store, 1);
        if (n == 1) return base;
        if (node.kind == EXPR_CONST) {
            value = n == -1 ? 1 / node.value : pow(node.value, n);
            return expr_const(store, value);
        }
        if (n == floor(n) && node.kind == EXPR_POWER && expr_get_const(store, node.argument[1], &inner))
            return expr_power(store, node.argument[0], expr_const(store, n * inner));
        if (n == floor(n) && node.kind == EXPR_MUL) return power_of_product(store, node, exponent);
    } else if (expr_is_const(store, base, 1)) {
        return base;
    }
    return intern_kind(store, EXPR_POWER, (Expr[]){base, exponent}, 2);
}

// ---- Functions ------------------------------------------------------------------------------------------------------

static double function_value(ExprFunction function, double x) {
    switch (function) {
    case FUNCTION_EXP: return exp(x);
    case FUNCTION_EXPM1: return expm1(x);
    case FUNCTION_LOG: return log(x);
    case FUNCTION_LOG1P: return log1p(x);
    case FUNCTION_TANH: return tanh(x);
    case FUNCTION_SIN: return sin(x);
    case FUNCTION_COS: return cos(x);
    case FUNCTION_LOGISTIC: return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
    case FUNCTION_LOG1PEXP: return fmax(x, 0) + log1p(exp(-fabs(x)));
    case FUNCTION_SQRT: return sqrt(x);
    case FUNCTION_ABS: return fabs(x);
    case FUNCTION_SIGN: return (x > 0) - (x < 0);
    case FUNCTION_COUNT: break;
    }
    return NAN;
}

Expr expr_call(ExprStore *store, ExprFunction function, Expr x) {
    double value;
    if (expr_get_const(store, x, &value)) return expr_const(store, function_value(function, value));
    if (function == FUNCTION_SQRT) return expr_power(store, x, expr_const(store, 0.5));
    return intern(store, (ExprNode){.kind = EXPR_CALL, .count = 1, .argument = &x, .function = function});
}

// ---- Reductions and deltas ------------------------------------------------------------------------------------------

Expr expr_delta(ExprStore *store, Expr a, Expr b) {
    double x, y;
    if (a == b) return expr_const(store, 1);
    if (expr_get_const(store, a, &x) && expr_get_const(store, b, &y)) return expr_const(store, x == y);
    return intern_kind(store, EXPR_DELTA, expr_before(store, a, b) ? (Expr[]){a, b} : (Expr[]){b, a}, 2);
}

// A delta that fixes `index` to something free of it: its other side, else 0.
static Expr delta_fixes(const ExprStore *store, Expr factor, Index index) {
    ExprNode node = expr_node(store, factor);
    if (node.kind != EXPR_DELTA) return 0;
    for (uint32_t side = 0; side < 2; side++) {
        ExprNode own = expr_node(store, node.argument[side]);
        Expr other = node.argument[1 - side];
        if (own.kind == EXPR_INDEX && own.index == index && !expr_has_index(store, other, index)) return other;
    }
    return 0;
}

// True when `term` is a product with a delta that fixes `index`, or such a delta itself.
static bool has_fixing_delta(const ExprStore *store, Expr term, Index index) {
    ExprNode node = expr_node(store, term);
    if (node.kind == EXPR_MUL)
        for (uint32_t i = 0; i < node.count; i++)
            if (delta_fixes(store, node.argument[i], index)) return true;
    return delta_fixes(store, term, index) != 0;
}

typedef struct DeltaSearch {
    Index index;
    bool found;
} DeltaSearch;

static bool search_delta(const ExprStore *store, Expr expr, void *context) {
    DeltaSearch *search = context;
    if (search->found || !expr_has_kind(store, expr, EXPR_DELTA) || !expr_has_index(store, expr, search->index))
        return false;
    search->found = has_fixing_delta(store, expr, search->index);
    ExprKind kind = expr_node(store, expr).kind;
    return kind == EXPR_ADD || kind == EXPR_MUL || kind == EXPR_SELECT || kind == EXPR_SUM;
}

// True when multiplying out would bring a delta that fixes `index` to the front: (u - s)*(delta(i, k) - a). The
// condition of a selection stays where it is, but is no sum or product, so that nothing in it is found.
static bool hides_delta(const ExprStore *store, Expr expr, Index index) {
    DeltaSearch search = {.index = index};
    expr_visit(store, expr, search_delta, &search);
    return search.found;
}

static void multiply_out(ExprStore *store, Expr expr, Index index, ExprList *terms, ExprList *rest);

// One factor is a sum with hidden deltas: the others multiply each of its delta terms, and what remains as a whole.
static void multiply_out_product(ExprStore *store, ExprNode node, Index index, ExprList *terms, ExprList *rest) {
    uint32_t at = 0;
    while (!hides_delta(store, node.argument[at], index)) at++;
    ExprList others = {0}, inner_terms = {0}, inner_rest = {0};
    for (uint32_t i = 0; i < node.count; i++)
        if (i != at) vec_push(&others, node.argument[i]);
    Expr outside = expr_mul_n(store, others.items, others.count);
    multiply_out(store, node.argument[at], index, &inner_terms, &inner_rest);
    for (uint32_t i = 0; i < inner_terms.count; i++) vec_push(terms, expr_mul(store, outside, inner_terms.items[i]));
    Expr remains = expr_mul(store, outside, expr_add_n(store, inner_rest.items, inner_rest.count));
    if (inner_terms.count)
        multiply_out(store, remains, index, terms, rest); // another factor may hide deltas too
    else
        vec_push(rest, remains); // a delta under a sum over the other side's index stays there
    vec_free(&others);
    vec_free(&inner_terms);
    vec_free(&inner_rest);
}

// select(c, a, b) = select(c, a, 0) + select(c, 0, b), and so on for the terms of a and b that have deltas.
static void multiply_out_branch(ExprStore *store, ExprNode node, uint32_t branch, Index index, ExprList *terms,
                                ExprList *rest) {
    ExprList inner_terms = {0}, inner_rest = {0};
    Expr zero = expr_const(store, 0), condition = node.argument[0];
    multiply_out(store, node.argument[branch], index, &inner_terms, &inner_rest);
    vec_push(&inner_terms, expr_add_n(store, inner_rest.items, inner_rest.count));
    for (uint32_t i = 0; i < inner_terms.count; i++) {
        Expr term = inner_terms.items[i];
        Expr chosen =
            branch == 1 ? expr_select(store, condition, term, zero) : expr_select(store, condition, zero, term);
        if (has_fixing_delta(store, chosen, index))
            vec_push(terms, chosen);
        else
            vec_push(rest, chosen);
    }
    vec_free(&inner_terms);
    vec_free(&inner_rest);
}

static void multiply_out_sum(ExprStore *store, ExprNode node, Index index, ExprList *terms, ExprList *rest) {
    ExprList inner_terms = {0}, inner_rest = {0};
    multiply_out(store, node.argument[0], index, &inner_terms, &inner_rest);
    vec_push(&inner_terms, expr_add_n(store, inner_rest.items, inner_rest.count));
    for (uint32_t i = 0; i < inner_terms.count; i++) {
        Expr sum = expr_sum(store, node.index, inner_terms.items[i]);
        if (has_fixing_delta(store, sum, index))
            vec_push(terms, sum);
        else
            vec_push(rest, sum);
    }
    vec_free(&inner_terms);
    vec_free(&inner_rest);
}

// Splits `expr` into terms with a delta that fixes `index` as a factor, and the rest; their sum is `expr`.
static void multiply_out(ExprStore *store, Expr expr, Index index, ExprList *terms, ExprList *rest) {
    ExprNode node = expr_node(store, expr);
    if (has_fixing_delta(store, expr, index)) {
        vec_push(terms, expr);
    } else if (!hides_delta(store, expr, index)) {
        vec_push(rest, expr);
    } else if (node.kind == EXPR_ADD) {
        for (uint32_t i = 0; i < node.count; i++) multiply_out(store, node.argument[i], index, terms, rest);
    } else if (node.kind == EXPR_MUL) {
        multiply_out_product(store, node, index, terms, rest);
    } else if (node.kind == EXPR_SELECT) {
        multiply_out_branch(store, node, 1, index, terms, rest);
        multiply_out_branch(store, node, 2, index, terms, rest);
    } else {
        multiply_out_sum(store, node, index, terms, rest);
    }
}

// sum(index: product): factors free of the index come out, a delta picks one term.
static Expr sum_of_product(ExprStore *store, Index index, const Expr *factors, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        Expr value = delta_fixes(store, factors[i], index);
        if (!value) continue;
        ExprList rest = {0};
        for (uint32_t k = 0; k < count; k++)
            if (k != i) vec_push(&rest, expr_substitute_index(store, factors[k], expr_index(store, index), value));
        Expr result = expr_mul_n(store, rest.items, rest.count);
        vec_free(&rest);
        return result;
    }
    ExprList inside = {0}, outside = {0};
    for (uint32_t i = 0; i < count; i++) {
        if (expr_has_index(store, factors[i], index))
            vec_push(&inside, factors[i]);
        else
            vec_push(&outside, factors[i]);
    }
    Expr result;
    if (!inside.count && index != INDEX_BATCH) {
        vec_push(&outside, expr_const(store, index_info(store, index)->extent));
        result = expr_mul_n(store, outside.items, outside.count);
    } else {
        Expr body = expr_mul_n(store, inside.items, inside.count); // 1 when empty
        Expr sum = intern(store, (ExprNode){.kind = EXPR_SUM, .count = 1, .argument = &body, .index = index});
        vec_push(&outside, sum);
        result = expr_mul_n(store, outside.items, outside.count);
    }
    vec_free(&inside);
    vec_free(&outside);
    return result;
}

static Expr sum_of_terms(ExprStore *store, Index index, ExprNode body) {
    ExprList terms = {0}, rest = {0}; // terms that can be summed on their own, and those that stay together
    for (uint32_t i = 0; i < body.count; i++) {
        Expr term = body.argument[i];
        bool alone = has_fixing_delta(store, term, index) || !expr_has_index(store, term, index);
        if (alone)
            vec_push(&terms, expr_sum(store, index, term));
        else
            vec_push(&rest, term);
    }
    if (rest.count) {
        Expr together = expr_add_n(store, rest.items, rest.count);
        ExprNode node = expr_node(store, together);
        vec_push(&terms,
                 node.kind == EXPR_ADD ? sum_of_product(store, index, &together, 1) : expr_sum(store, index, together));
    }
    Expr result = expr_add_n(store, terms.items, terms.count);
    vec_free(&terms);
    vec_free(&rest);
    return result;
}

static Expr sum_multiplied_out(ExprStore *store, Index index, Expr body) {
    ExprList terms = {0}, rest = {0};
    multiply_out(store, body, index, &terms, &rest);
    Expr remains = expr_add_n(store, rest.items, rest.count), result = 0;
    if (terms.count && !hides_delta(store, remains, index)) { // else a delta stays within
        for (uint32_t i = 0; i < terms.count; i++) terms.items[i] = expr_sum(store, index, terms.items[i]);
        vec_push(&terms, expr_sum(store, index, remains));
        result = expr_add_n(store, terms.items, terms.count);
    }
    vec_free(&terms);
    vec_free(&rest);
    return result;
}

Expr expr_sum(ExprStore *store, Index index, Expr body) {
    if (!has_fixing_delta(store, body, index) && hides_delta(store, body, index)) {
        Expr result = sum_multiplied_out(store, index, body);
        if (result) return result;
    }
    ExprNode node = expr_node(store, body);
    if (node.kind == EXPR_MUL) return sum_of_product(store, index, node.argument, node.count);
    if (node.kind == EXPR_ADD) return sum_of_terms(store, index, node);
    return sum_of_product(store, index, &body, 1);
}

Expr expr_maximum(ExprStore *store, Index index, Expr body) {
    if (!expr_has_index(store, body, index) && index_info(store, index)->extent > 0) return body;
    return intern(store, (ExprNode){.kind = EXPR_MAXIMUM, .count = 1, .argument = &body, .index = index});
}

// ---- Selection, comparison, operators on signals --------------------------------------------------------------------

static void split_deltas(const ExprStore *store, Expr expr, ExprList *deltas, ExprList *rest) {
    ExprNode node = expr_node(store, expr);
    const Expr *factors = node.kind == EXPR_MUL ? node.argument : &expr;
    uint32_t count = node.kind == EXPR_MUL ? node.count : 1;
    for (uint32_t i = 0; i < count; i++) {
        if (expr_node(store, factors[i]).kind == EXPR_DELTA)
            vec_push(deltas, factors[i]);
        else
            vec_push(rest, factors[i]);
    }
}

// Deltas common to both branches come out of a selection, so that sums around it can eliminate them.
static Expr select_without_deltas(ExprStore *store, Expr condition, Expr a, Expr b) {
    ExprList da = {0}, ra = {0}, db = {0}, rb = {0};
    split_deltas(store, a, &da, &ra);
    split_deltas(store, b, &db, &rb);
    bool a_zero = expr_is_const(store, a, 0), b_zero = expr_is_const(store, b, 0);
    ExprList *deltas = a_zero ? &db : &da;
    bool same = a_zero || b_zero ||
                (da.count == db.count && da.count && memcmp(da.items, db.items, da.count * sizeof(Expr)) == 0);
    Expr result = 0;
    if (deltas->count && same) {
        Expr inner = expr_select(store, condition, a_zero ? a : expr_mul_n(store, ra.items, ra.count),
                                 b_zero ? b : expr_mul_n(store, rb.items, rb.count));
        vec_push(deltas, inner);
        result = expr_mul_n(store, deltas->items, deltas->count);
    }
    vec_free(&da);
    vec_free(&ra);
    vec_free(&db);
    vec_free(&rb);
    return result;
}

Expr expr_select(ExprStore *store, Expr condition, Expr a, Expr b) {
    double known;
    if (expr_get_const(store, condition, &known)) return known != 0 ? a : b;
    if (a == b) return a;
    Expr result = select_without_deltas(store, condition, a, b);
    return result ? result : intern_kind(store, EXPR_SELECT, (Expr[]){condition, a, b}, 3);
}

static Expr fold_two(ExprStore *store, ExprKind kind, double a, double b) {
    switch (kind) {
    case EXPR_MIN: return expr_const(store, a < b ? a : b);
    case EXPR_MAX: return expr_const(store, a > b ? a : b);
    case EXPR_LESS: return expr_const(store, a < b);
    case EXPR_LESS_EQUAL: return expr_const(store, a <= b);
    case EXPR_EQUAL: return expr_const(store, a == b);
    case EXPR_AND: return expr_const(store, a != 0 && b != 0);
    case EXPR_OR: return expr_const(store, a != 0 || b != 0);
    default: return 0;
    }
}

// d/dt is linear; constants don't change.
static Expr make_rate(ExprStore *store, Expr x) {
    ExprNode node = expr_node(store, x);
    if (node.kind == EXPR_CONST) return expr_const(store, 0);
    if (node.kind == EXPR_ADD) {
        ExprList list = {0};
        for (uint32_t i = 0; i < node.count; i++) vec_push(&list, make_rate(store, node.argument[i]));
        Expr result = expr_add_n(store, list.items, list.count);
        vec_free(&list);
        return result;
    }
    if (node.kind == EXPR_MUL && expr_node(store, node.argument[0]).kind == EXPR_CONST)
        return expr_mul(store, node.argument[0],
                        make_rate(store, expr_mul_n(store, node.argument + 1, node.count - 1)));
    return intern_kind(store, EXPR_RATE, &x, 1);
}

// The operator algebra (science.md section 1): a lookahead and a low-pass of one time constant cancel.
static Expr make_filter(ExprStore *store, ExprKind kind, const Expr *arguments) {
    ExprNode node = expr_node(store, arguments[0]);
    ExprKind inverse = kind == EXPR_AHEAD ? EXPR_LOWPASS : EXPR_AHEAD;
    if (node.kind == EXPR_CONST) return arguments[0];
    if (kind != EXPR_DELAY && node.kind == inverse && node.argument[1] == arguments[1]) return node.argument[0];
    if (kind != EXPR_DELAY && expr_is_const(store, arguments[1], 0)) return arguments[0];
    return intern_kind(store, kind, arguments, 2);
}

Expr expr_make(ExprStore *store, ExprKind kind, const Expr *arguments, uint32_t count) {
    double a, b;
    switch (kind) {
    case EXPR_ADD: return expr_add_n(store, arguments, count);
    case EXPR_MUL: return expr_mul_n(store, arguments, count);
    case EXPR_POWER: return expr_power(store, arguments[0], arguments[1]);
    case EXPR_SELECT: return expr_select(store, arguments[0], arguments[1], arguments[2]);
    case EXPR_DELTA: return expr_delta(store, arguments[0], arguments[1]);
    case EXPR_RATE: return make_rate(store, arguments[0]);
    case EXPR_AHEAD:
    case EXPR_LOWPASS:
    case EXPR_DELAY: return make_filter(store, kind, arguments);
    case EXPR_STOP:
    case EXPR_PREVIOUS:
        if (expr_get_const(store, arguments[0], &a) || expr_node(store, arguments[0]).kind == kind) return arguments[0];
        break;
    case EXPR_NOT:
        if (expr_get_const(store, arguments[0], &a)) return expr_const(store, a == 0);
        break;
    default:
        assert(count == 2);
        if (expr_get_const(store, arguments[0], &a) && expr_get_const(store, arguments[1], &b))
            return fold_two(store, kind, a, b);
        if ((kind == EXPR_MIN || kind == EXPR_MAX) && arguments[0] == arguments[1]) return arguments[0];
    }
    return intern_kind(store, kind, arguments, count);
}

// ---- Questions ------------------------------------------------------------------------------------------------------

typedef struct Visit {
    const ExprStore *store;
    ExprVisitor *visitor;
    void *context;
    uint64_t *seen; // a bit per handle
} Visit;

static void visit(const Visit *v, Expr expr) {
    uint64_t *word = &v->seen[expr / 64], bit = (uint64_t)1 << expr % 64;
    if (*word & bit) return;
    *word |= bit;
    if (!v->visitor(v->store, expr, v->context)) return;
    ExprNode node = expr_node(v->store, expr);
    for (uint32_t i = 0; i < node.count; i++) visit(v, node.argument[i]);
}

void expr_visit(const ExprStore *store, Expr expr, ExprVisitor *visitor, void *context) {
    uint64_t small[64], *seen = small;
    size_t words = (size_t)expr / 64 + 1; // arguments have smaller handles
    if (words > sizeof small / sizeof *small) seen = memory_resize(NULL, words, sizeof *seen);
    memset(seen, 0, words * sizeof *seen);
    visit(&(Visit){store, visitor, context, seen}, expr);
    if (seen != small) free(seen);
}

typedef struct Search {
    uint32_t wanted; // an expression or a symbol
    bool found;
} Search;

static bool search_part(const ExprStore *store, Expr expr, void *context) {
    (void)store;
    Search *search = context;
    search->found |= expr == search->wanted;
    return !search->found && expr > search->wanted; // arguments have smaller handles
}

bool expr_contains(const ExprStore *store, Expr expr, Expr part) {
    Search search = {.wanted = part};
    if (part <= expr) expr_visit(store, expr, search_part, &search);
    return search.found;
}

const Index *expr_free_indices(const ExprStore *store, Expr expr, uint32_t *count) {
    *count = store->facts.items[expr].free_count;
    return store->facts.items[expr].free;
}

bool expr_has_index(const ExprStore *store, Expr expr, Index index) {
    const Facts *facts = &store->facts.items[expr];
    for (uint32_t i = 0; i < facts->free_count; i++)
        if (facts->free[i] == index) return true;
    return false;
}

bool expr_has_kind(const ExprStore *store, Expr expr, ExprKind kind) {
    return store->facts.items[expr].kinds >> kind & 1;
}

static bool search_access(const ExprStore *store, Expr expr, void *context) {
    Search *search = context;
    ExprNode node = expr_node(store, expr);
    search->found |= node.kind == EXPR_ACCESS && node.symbol == search->wanted;
    return !search->found && expr_has_kind(store, expr, EXPR_ACCESS);
}

bool expr_reads(const ExprStore *store, Expr expr, Symbol symbol) {
    Search search = {.wanted = symbol};
    expr_visit(store, expr, search_access, &search);
    return search.found;
}

// ---- Rewriting ------------------------------------------------------------------------------------------------------

// Rebuilds a node of the same kind and payload over new arguments, through its constructor.
static Expr rebuild(ExprStore *store, ExprNode node, const Expr *arguments) {
    switch (node.kind) {
    case EXPR_CONST:
    case EXPR_INDEX: return intern(store, node);
    case EXPR_ACCESS: return expr_access(store, node.symbol, node.version, arguments, node.count);
    case EXPR_CALL: return expr_call(store, node.function, arguments[0]);
    case EXPR_SUM: return expr_sum(store, node.index, arguments[0]);
    case EXPR_MAXIMUM: return expr_maximum(store, node.index, arguments[0]);
    default: return expr_make(store, node.kind, arguments, node.count);
    }
}

typedef struct Rewrite {
    ExprStore *store;
    ExprRule *rule;
    void *context;
    uint32_t known; // memo size: handles that existed at the start
    Expr *memo;
} Rewrite;

static Expr rewrite(Rewrite *rw, Expr expr) {
    if (expr <= rw->known && rw->memo[expr]) return rw->memo[expr];
    ExprNode node = expr_node(rw->store, expr);
    Expr small[8], *arguments = node.count <= 8 ? small : memory_resize(NULL, node.count, sizeof(Expr));
    bool changed = false;
    for (uint32_t i = 0; i < node.count; i++) {
        arguments[i] = rewrite(rw, node.argument[i]);
        changed |= arguments[i] != node.argument[i];
    }
    Expr built = changed ? rebuild(rw->store, node, arguments) : expr;
    if (arguments != small) free(arguments);
    if (changed) expr_set_span(rw->store, built, expr_span(rw->store, expr));
    Expr result = rw->rule(rw->store, built, rw->context);
    if (expr <= rw->known) rw->memo[expr] = result;
    return result;
}

Expr expr_rewrite(ExprStore *store, Expr expr, ExprRule *rule, void *context) {
    Rewrite rw = {store, rule, context, expr, NULL};
    rw.memo = memory_resize(NULL, (size_t)expr + 1, sizeof(Expr));
    memset(rw.memo, 0, ((size_t)expr + 1) * sizeof(Expr));
    Expr result = rewrite(&rw, expr);
    free(rw.memo);
    return result;
}

typedef struct Replacement {
    Expr from, to;
} Replacement;

static Expr replace_rule(ExprStore *store, Expr node, void *context) {
    (void)store;
    const Replacement *r = context;
    return node == r->from ? r->to : node;
}

Expr expr_replace(ExprStore *store, Expr expr, Expr from, Expr to) {
    return from == to ? expr : expr_rewrite(store, expr, replace_rule, &(Replacement){from, to});
}

// An index of the same extent that occurs free in neither expression.
static Index fresh_index(ExprStore *store, uint32_t extent, Expr a, Expr b) {
    for (uint32_t n = 0;; n++) {
        Index index = index_shared(store, n, extent);
        if (!expr_has_index(store, a, index) && !expr_has_index(store, b, index)) return index;
    }
}

typedef struct Substitution {
    ExprStore *store;
    Index from;
    Expr to;
    Expr *memo; // by handle: the result, since what is shared stays shared
} Substitution;

static Expr substitute(const Substitution *sub, Expr expr);

static Expr substitute_bound(const Substitution *sub, ExprNode node) {
    ExprStore *store = sub->store;
    Index index = node.index;
    Expr body = node.argument[0];
    if (expr_has_index(store, sub->to, index)) { // it would be captured: rename the bound index first
        index = fresh_index(store, index_info(store, index)->extent, body, sub->to);
        body = expr_substitute_index(store, body, expr_index(store, node.index), expr_index(store, index));
        body = expr_substitute_index(store, body, expr_index(store, sub->from), sub->to);
    } else {
        body = substitute(sub, body);
    }
    return node.kind == EXPR_SUM ? expr_sum(store, index, body) : expr_maximum(store, index, body);
}

static Expr substitute_arguments(const Substitution *sub, Expr expr, ExprNode node) {
    ExprList list = {0};
    for (uint32_t i = 0; i < node.count; i++) vec_push(&list, substitute(sub, node.argument[i]));
    Expr result = rebuild(sub->store, node, list.items);
    vec_free(&list);
    expr_set_span(sub->store, result, expr_span(sub->store, expr));
    return result;
}

static Expr substitute(const Substitution *sub, Expr expr) {
    if (!expr_has_index(sub->store, expr, sub->from)) return expr;
    ExprNode node = expr_node(sub->store, expr);
    if (node.kind == EXPR_INDEX) return sub->to;
    if (sub->memo[expr]) return sub->memo[expr];
    bool binds = node.kind == EXPR_SUM || node.kind == EXPR_MAXIMUM;
    return sub->memo[expr] = binds ? substitute_bound(sub, node) : substitute_arguments(sub, expr, node);
}

Expr expr_substitute_index(ExprStore *store, Expr expr, Expr from, Expr to) {
    Substitution sub = {store, expr_node(store, from).index, to, NULL};
    if (from == to || !expr_has_index(store, expr, sub.from)) return expr;
    sub.memo = memory_resize(NULL, (size_t)expr + 1, sizeof(Expr));
    memset(sub.memo, 0, ((size_t)expr + 1) * sizeof(Expr));
    Expr result = substitute(&sub, expr);
    free(sub.memo);
    return result;
}

typedef struct Renaming {
    Symbol from, to;
    ExprVersion from_version, to_version;
} Renaming;

static Expr rename_rule(ExprStore *store, Expr node, void *context) {
    const Renaming *r = context;
    ExprNode n = expr_node(store, node);
    if (n.kind != EXPR_ACCESS || n.symbol != r->from || n.version != r->from_version) return node;
    return expr_access(store, r->to, r->to_version, n.argument, n.count);
}

Expr expr_rename(ExprStore *store, Expr expr, Symbol from, ExprVersion from_version, Symbol to,
                 ExprVersion to_version) {
    return expr_rewrite(store, expr, rename_rule, &(Renaming){from, to, from_version, to_version});
}
