// The store of expressions: every different node once, what is known about each, the order of their content.
#include "store.h"
#include "memo.h"
#include <assert.h>
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

Expr expr_intern(ExprStore *store, ExprNode node) {
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

Expr expr_intern_kind(ExprStore *store, ExprKind kind, const Expr *arguments, uint32_t count) {
    return expr_intern(store, (ExprNode){.kind = kind, .count = count, .argument = arguments});
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
    return expr_intern(store, (ExprNode){.kind = EXPR_CONST, .value = value == 0 ? 0 : value}); // one zero only
}

Expr expr_index(ExprStore *store, Index index) {
    return expr_intern(store, (ExprNode){.kind = EXPR_INDEX, .index = index});
}

Expr expr_access(ExprStore *store, Symbol symbol, ExprVersion version, const Expr *index, uint32_t count) {
    return expr_intern(
        store,
        (ExprNode){.kind = EXPR_ACCESS, .count = count, .argument = index, .symbol = symbol, .version = version});
}

// ---- Order ----------------------------------------------------------------------------------------------------------

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

bool expr_before(const ExprStore *store, Expr a, Expr b) {
    int order = compare_content(store, a, b, false);
    return (order ? order : compare_content(store, a, b, true)) < 0;
}

// ---- Questions ------------------------------------------------------------------------------------------------------

typedef struct Visit {
    const ExprStore *store;
    ExprVisitor *visitor;
    void *context;
    ExprMemo seen;
} Visit;

static void visit(Visit *v, Expr expr) {
    if (expr_memo_get(&v->seen, expr)) return;
    expr_memo_set(&v->seen, expr, 1);
    if (!v->visitor(v->store, expr, v->context)) return;
    ExprNode node = expr_node(v->store, expr);
    for (uint32_t i = 0; i < node.count; i++) visit(v, node.argument[i]);
}

void expr_visit(const ExprStore *store, Expr expr, ExprVisitor *visitor, void *context) {
    Visit v = {.store = store, .visitor = visitor, .context = context};
    visit(&v, expr);
    expr_memo_free(&v.seen);
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
