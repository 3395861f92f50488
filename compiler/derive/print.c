// The derived system for readers: energy, lookaheads, partial derivatives, solved equations, plasticity.
#include "equations.h"
#include <string.h>

typedef struct Printer {
    const Equations *equations;
    const ExprStore *store;
    ExprStyle style;
    Text *out;
} Printer;

static void expression(const Printer *p, Expr expr) {
    if (!expr) text_add(p->out, "0");
    else expr_print(p->store, expr, p->style, p->out);
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
    expr_print(p->store, model_element(p->equations->model->store, left, VERSION_OLD), p->style, &text);
    equation(p, text_z(&text), right, span);
    text_free(&text);
}

void energy_dump(const Equations *equations, Text *out) {
    Printer p = {equations, equations->model->store, EXPR_TEXT, out};
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

static void print_neuron(const Printer *p, const NeuronEquations *n) {
    const Model *m = p->equations->model;
    const Population *population = &m->populations.items[n->population];
    text_addf(p->out, "\npopulation %s (%u neurons)\n", population->name, population->size);
    for (uint32_t k = 0; k < n->leaves.count; k++)
        symbol_equation(p, n->leaves.items[k].symbol, n->leaves.items[k].node, expr_span(p->store, n->leaves.items[k].node));
    for (uint32_t o = 0; o < population->outputs.count; o++)
        symbol_equation(p, population->outputs.items[o].symbol, n->value[o], population->outputs.items[o].span);
    for (uint32_t i = 0; i < population->ports.count; i++) {
        Expr total = expr_const(m->store, 0);
        Span span = population->ports.items[i].span;
        for (uint32_t c = 0; c < m->connections.count; c++)
            if (m->connections.items[c].target == n->population && m->connections.items[c].port == i) {
                total = expr_add(m->store, total, m->connections.items[c].current);
                span = m->connections.items[c].span;
            }
        symbol_equation(p, population->ports.items[i].symbol, total, span);
    }
    Text label = {0};
    text_addf(&label, "dE/d%s", symbol_info(p->store, n->leaves.items[n->solved].symbol)->name);
    equation(p, text_z(&label), n->mismatch, population->energy_span);
    text_free(&label);
    symbol_equation(p, n->leaves.items[n->solved].symbol, n->membrane, population->energy_span);
    for (uint32_t e = 0; n->has_error && e < n->errors.count; e++) {
        const ErrorInput *in = &n->errors.items[e];
        Expr total = expr_const(m->store, 0);
        for (uint32_t g = 0; g < n->gates.count; g++)
            for (uint32_t k = 0; n->gates.items[g].leaf == in->leaf && k < n->output_errors.count; k++)
                if (n->output_errors.items[k].output == n->gates.items[g].output) {
                    Expr error = model_element(m->store, n->output_errors.items[k].symbol, VERSION_OLD);
                    total = expr_add(m->store, total, expr_mul(m->store, n->gates.items[g].value, error));
                }
        if (in->own) total = expr_sub(m->store, total, in->own);
        symbol_equation(p, in->symbol, total, population->span);
    }
    for (uint32_t k = 0; n->has_error && k < n->output_errors.count; k++) {
        const OutputError *error = &n->output_errors.items[k];
        Expr total = error->cost ? expr_neg(m->store, error->cost) : expr_const(m->store, 0);
        Span span = error->cost ? m->cost_span : population->span;
        for (uint32_t c = 0; c < p->equations->connections.count; c++) {
            const ConnectionEquations *ce = &p->equations->connections.items[c];
            for (uint32_t q = 0; q < ce->downward.count; q++)
                if (m->connections.items[ce->connection].messages.items[q] == population->outputs.items[error->output].symbol)
                    total = expr_add(m->store, total, model_element(m->store, ce->downward.items[q], VERSION_OLD));
        }
        symbol_equation(p, error->symbol, total, span);
    }
    if (n->has_error) {
        Expr total = expr_const(m->store, 0);
        for (uint32_t e = 0; e < n->errors.count; e++) total = expr_add(m->store, total, n->errors.items[e].filtered);
        symbol_equation(p, n->error, total, population->energy_span);
    }
}

void equations_print(const Equations *equations, ExprStyle style, Text *out) {
    Printer p = {equations, equations->model->store, style, out};
    const Model *m = equations->model;
    const Principle *principle = principle_find(m->principle);
    text_addf(out, "network %s, dynamics %s: %s\n", m->name, principle->name, principle->condition);
    for (uint32_t i = 0; i < equations->neurons.count; i++) print_neuron(&p, &equations->neurons.items[i]);
    for (uint32_t i = 0; i < equations->connections.count; i++) {
        const ConnectionEquations *ce = &equations->connections.items[i];
        if (!ce->downward.count) continue;
        text_addf(out, "\nconnection %s\n", m->connections.items[ce->connection].name);
        for (uint32_t k = 0; k < ce->downward.count; k++)
            symbol_equation(&p, ce->downward.items[k], ce->downward_value.items[k], m->connections.items[ce->connection].span);
    }
    if (equations->gradients.count) text_add(out, "\nplasticity (gradients; each parameter descends its own)\n");
    for (uint32_t i = 0; i < equations->gradients.count; i++) {
        const Gradient *g = &equations->gradients.items[i];
        symbol_equation(&p, g->symbol ? g->symbol : g->parameter, g->value, g->span);
    }
}

void equations_dump(const Equations *equations, Text *out) { equations_print(equations, EXPR_TEXT, out); }
