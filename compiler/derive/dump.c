// `--dump=energy` and `--dump=equations`: the Equations structure line by line, under the documented names of its
// arrays.
#include "equations.h"
#include <string.h>

typedef struct Printer {
    const Equations *equations;
    const ExprStore *store;
    Text *out;
} Printer;

static void expression(const Printer *p, Expr expr) {
    if (!expr)
        text_add(p->out, "0");
    else
        expr_print(p->store, expr, EXPR_TEXT, p->out);
}

static void line_of(const Printer *p, Span span) {
    const char *file;
    uint32_t line, column;
    if (!span.source) return;
    diag_position(p->equations->model->diags, span, &file, &line, &column);
    const char *slash = strrchr(file, '/');
    text_addf(p->out, "    # %s:%u", slash ? slash + 1 : file, line);
}

static void equation(const Printer *p, const char *left, Expr right, Span span) {
    text_addf(p->out, "  %-28s = ", left);
    expression(p, right);
    line_of(p, span);
    text_add(p->out, "\n");
}

static void symbol_equation(const Printer *p, Symbol left, Expr right, Span span) {
    Text text = {0};
    expr_print(p->store, model_element(p->equations->model->store, left, VERSION_OLD), EXPR_TEXT, &text);
    equation(p, text_z(&text), right, span);
    text_free(&text);
}

void energy_dump(const Equations *equations, Text *out) {
    Printer p = {equations, equations->model->store, out};
    text_add(out, "E =\n");
    for (uint32_t i = 0; i < equations->neurons.count; i++) {
        const Population *population = &equations->model->populations.items[equations->neurons.items[i].population];
        text_addf(out, "  %ssum over neurons of %s: ", i ? "+ " : "", population->name);
        expression(&p, equations->neurons.items[i].energy);
        line_of(&p, population->energy_span);
        text_add(out, "\n");
    }
    if (equations->model->cost) {
        text_add(out, "  + ");
        expression(&p, equations->model->cost);
        line_of(&p, equations->model->cost_span);
        text_add(out, "\n");
    }
}

static void dump_forward(const Printer *p, const NeuronEquations *n, const Population *population) {
    const Model *m = p->equations->model;
    for (uint32_t k = 0; k < n->leaves.count; k++)
        symbol_equation(p, n->leaves.items[k].symbol, n->leaves.items[k].node,
                        expr_span(p->store, n->leaves.items[k].node));
    for (uint32_t o = 0; o < population->outputs.count; o++)
        symbol_equation(p, population->outputs.items[o].symbol, n->value[o], population->outputs.items[o].span);
    for (uint32_t c = 0; c < m->connections.count; c++) {
        const Connection *connection = &m->connections.items[c];
        if (connection->target == n->population)
            symbol_equation(p, population->ports.items[connection->port].symbol, connection->current, connection->span);
    }
    Text label = {0};
    text_addf(&label, "dE/d%s", symbol_info(p->store, n->leaves.items[n->solved].symbol)->name);
    equation(p, text_z(&label), n->mismatch, population->energy_span);
    text_free(&label);
    symbol_equation(p, n->leaves.items[n->solved].symbol, n->membrane, population->energy_span);
}

static void dump_errors(const Printer *p, const NeuronEquations *n, const Population *population) {
    for (uint32_t g = 0; g < n->gates.count; g++)
        if (n->gates.items[g].symbol)
            symbol_equation(p, n->gates.items[g].symbol, n->gates.items[g].value,
                            gate_place(population, &n->gates.items[g]));
    for (uint32_t k = 0; k < n->output_errors.count; k++)
        if (n->output_errors.items[k].cost)
            symbol_equation(p, n->output_errors.items[k].symbol,
                            expr_neg(p->equations->model->store, n->output_errors.items[k].cost),
                            p->equations->model->cost_span);
    for (uint32_t e = 0; e < n->errors.count; e++) {
        const Leaf *leaf = &n->leaves.items[n->errors.items[e].leaf];
        symbol_equation(p, leaf->kind == LEAF_AHEAD ? n->error : leaf->back, n->errors.items[e].filtered,
                        population->energy_span);
    }
}

// Several lines with one left side add up.
void equations_dump(const Equations *equations, Text *out) {
    const Model *m = equations->model;
    Printer p = {equations, m->store, out};
    const Principle *principle = principle_find(m->dynamics.principle);
    text_addf(out, "network %s, dynamics %s: %s\n", m->name, principle->name, principle->condition);
    for (uint32_t i = 0; i < equations->neurons.count; i++) {
        const NeuronEquations *n = &equations->neurons.items[i];
        const Population *population = &m->populations.items[n->population];
        text_addf(out, "\npopulation %s (%u neurons)\n", population->name, population->size);
        dump_forward(&p, n, population);
        if (n->has_error) dump_errors(&p, n, population);
    }
    for (uint32_t i = 0; i < equations->connections.count; i++) {
        const ConnectionEquations *ce = &equations->connections.items[i];
        if (!ce->downward.count) continue;
        text_addf(out, "\nconnection %s\n", m->connections.items[ce->connection].name);
        for (uint32_t k = 0; k < ce->downward.count; k++)
            symbol_equation(&p, ce->downward.items[k], ce->downward_value.items[k],
                            m->connections.items[ce->connection].span);
    }
    if (equations->gradients.count) text_add(out, "\ngradients\n");
    for (uint32_t i = 0; i < equations->gradients.count; i++) {
        const Gradient *g = &equations->gradients.items[i];
        symbol_equation(&p, g->symbol ? g->symbol : g->parameter, g->value, g->span);
    }
}
