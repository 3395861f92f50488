// Rewriting: expressions rebuilt with parts replaced, index variables substituted, accesses renamed.
#include "memo.h"
#include "store.h"
#include <stdlib.h>
#include <string.h>

// Rebuilds a node of the same kind and payload over new arguments, through its constructor.
static Expr rebuild(ExprStore *store, ExprNode node, const Expr *arguments) {
    switch (node.kind) {
    case EXPR_CONST:
    case EXPR_INDEX: return expr_intern(store, node);
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
    ExprMemo memo;
} Rewrite;

static Expr rewrite(Rewrite *rw, Expr expr) {
    Expr known = expr_memo_get(&rw->memo, expr);
    if (known) return known;
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
    expr_memo_set(&rw->memo, expr, result);
    return result;
}

Expr expr_rewrite(ExprStore *store, Expr expr, ExprRule *rule, void *context) {
    Rewrite rw = {.store = store, .rule = rule, .context = context};
    Expr result = rewrite(&rw, expr);
    expr_memo_free(&rw.memo);
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
    ExprMemo memo; // the results, since what is shared stays shared
} Substitution;

static Expr substitute(Substitution *sub, Expr expr);

static Expr substitute_bound(Substitution *sub, ExprNode node) {
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

static Expr substitute_arguments(Substitution *sub, Expr expr, ExprNode node) {
    ExprList list = {0};
    for (uint32_t i = 0; i < node.count; i++) vec_push(&list, substitute(sub, node.argument[i]));
    Expr result = rebuild(sub->store, node, list.items);
    vec_free(&list);
    expr_set_span(sub->store, result, expr_span(sub->store, expr));
    return result;
}

static Expr substitute(Substitution *sub, Expr expr) {
    if (!expr_has_index(sub->store, expr, sub->from)) return expr;
    ExprNode node = expr_node(sub->store, expr);
    if (node.kind == EXPR_INDEX) return sub->to;
    Expr result = expr_memo_get(&sub->memo, expr);
    if (result) return result;
    bool binds = node.kind == EXPR_SUM || node.kind == EXPR_MAXIMUM;
    result = binds ? substitute_bound(sub, node) : substitute_arguments(sub, expr, node);
    expr_memo_set(&sub->memo, expr, result);
    return result;
}

Expr expr_substitute_index(ExprStore *store, Expr expr, Expr from, Expr to) {
    Substitution sub = {.store = store, .from = expr_node(store, from).index, .to = to};
    if (from == to || !expr_has_index(store, expr, sub.from)) return expr;
    Expr result = substitute(&sub, expr);
    expr_memo_free(&sub.memo);
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
