// What a motion's equation looks like in its own state: the part that is linear in it.
#include "model.h"
#include <string.h>

enum { MOST_TERMS = 256 };

static Expr distribute_rule(ExprStore *store, Expr node, void *context) {
    (void)context;
    ExprNode n = expr_node(store, node);
    for (uint32_t i = 0; n.kind == EXPR_MUL && i < n.count; i++) {
        ExprNode sum = expr_node(store, n.argument[i]);
        if (sum.kind != EXPR_ADD || sum.count > MOST_TERMS) continue;
        Expr others = expr_const(store, 1), total = expr_const(store, 0);
        for (uint32_t k = 0; k < n.count; k++)
            if (k != i) others = expr_mul(store, others, n.argument[k]);
        for (uint32_t k = 0; k < sum.count; k++)
            total = expr_add(store, total, distribute_rule(store, expr_mul(store, others, sum.argument[k]), NULL));
        return total;
    }
    return node;
}

Expr model_linear_part(ExprStore *store, Expr value, Symbol state) {
    Expr own = model_element(store, state, VERSION_OLD);
    Expr slope = expr_rewrite(store, expr_partial(store, value, own), distribute_rule, NULL);
    ExprNode node = expr_node(store, slope);
    const Expr *terms = node.kind == EXPR_ADD ? node.argument : &slope;
    uint32_t count = node.kind == EXPR_ADD ? node.count : 1;
    Expr linear = expr_const(store, 0);
    for (uint32_t i = 0; i < count; i++)
        if (!expr_reads(store, terms[i], state)) linear = expr_add(store, linear, terms[i]);
    return linear;
}
