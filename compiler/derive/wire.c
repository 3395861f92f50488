// Equations between populations: those of an array of populations or connections that differ by its number only are
// printed once, as h[k] with the range of k.
#include "wire.h"
#include <string.h>

static void render(const Derivation *d, const Wire *wire, PageItem *item) {
    const char *left = derivation_show(d, wire->left);
    if (wire->is_gradient)
        left = arena_format(d->page.arena, "%s%s%s",
                            derivation_choose(d, "dE/d", "∂E/∂", "\\frac{\\partial E}{\\partial ", MATHML_PARTIAL),
                            left, derivation_choose(d, "", "", "}", MATHML_PARTIAL_END));
    *item = (PageItem){PAGE_EQUATION, left, "=", derivation_show(d, wire->right), "", wire->place};
}

static bool same(const PageItem *a, const PageItem *b) {
    return a->text == b->text && a->right == b->right && a->place == b->place;
}

const char *wire_range(const Derivation *d, int64_t first, int64_t last) {
    const char *dots = derivation_choose(d, " .. ", " … ", ",\\ldots,", " … ");
    return arena_format(d->page.arena, "k = %lld%s%lld", (long long)first, dots, (long long)last);
}

// Takes the wires that continue number `i` of an array of owners; returns the last number.
static int64_t take_run(Derivation *d, const Wires *wires, uint32_t i, bool *done, PageItem *item) {
    size_t length, other;
    const char *member, *own;
    int64_t last = name_number(d->names.documented[wires->items[i].owner], &length, &member);
    if (last < 0) return -1;
    names_relative(&d->names, last);
    render(d, &wires->items[i], item);
    for (uint32_t k = i + 1; k < wires->count; k++) {
        Atom name = d->names.documented[wires->items[k].owner];
        PageItem next;
        if (done[k] || name_number(name, &other, &own) != last + 1 || other != length) continue;
        if (strncmp(name, d->names.documented[wires->items[i].owner], length) != 0 || strcmp(own, member) != 0)
            continue;
        names_relative(&d->names, last + 1);
        render(d, &wires->items[k], &next);
        if (!same(item, &next)) break;
        done[k] = true;
        last++;
    }
    return last;
}

void wires_put(Derivation *d, Wires *wires) {
    bool *done = arena_new_array(d->page.arena, bool, wires->count ? wires->count : 1);
    for (uint32_t i = 0; i < wires->count; i++) {
        size_t length;
        const char *member;
        PageItem item;
        if (done[i]) continue;
        int64_t first = name_number(d->names.documented[wires->items[i].owner], &length, &member),
                last = take_run(d, wires, i, done, &item);
        if (last > first) {
            item.range = wire_range(d, first, last);
        } else {
            names_relative(&d->names, -1);
            render(d, &wires->items[i], &item);
        }
        vec_push(&d->page.items, item);
    }
    vec_free(wires);
}

void wires_put_in_turn(Derivation *d, Wires *wires, int64_t first, int64_t last) {
    names_relative(&d->names, first);
    for (uint32_t i = 0; i < wires->count; i++) {
        PageItem item;
        render(d, &wires->items[i], &item);
        item.range = wire_range(d, first, last);
        vec_push(&d->page.items, item);
    }
    vec_free(wires);
}

// ---- What there is to print -----------------------------------------------------------------------------------------

static Expr element(const Derivation *d, Symbol symbol) { return model_element(d->store, symbol, VERSION_OLD); }

static void add_place(const Derivation *d, Span span, Text *places) {
    const char *place = derivation_place(d, span);
    if (!*place || (places->length && strstr(text_z(places), place))) return;
    text_addf(places, "%s%s", places->length ? ", " : "", place);
}

// Both sides get the axes i, j, … of their own, so that each letter means the same on the left and on the right.
Wire wire_with_own_axes(const Derivation *d, Wire wire) {
    ExprNode node = expr_node(d->store, wire.left);
    for (uint32_t k = 0; k < node.count; k++) {
        ExprNode axis = expr_node(d->store, node.argument[k]);
        if (axis.kind != EXPR_INDEX) continue; // a slot
        Atom letter = arena_format(d->page.arena, "%c", "ijkl"[k % 4]);
        Index fresh = index_new(d->store, letter, index_info(d->store, axis.index)->extent);
        wire.left = expr_substitute_index(d->store, wire.left, node.argument[k], expr_index(d->store, fresh));
        wire.right = expr_substitute_index(d->store, wire.right, node.argument[k], expr_index(d->store, fresh));
    }
    return wire;
}

static void push(Derivation *d, Wires *wires, Symbol owner, Expr right, Text *places) {
    Wire wire = {owner, element(d, owner), right, false, arena_atom_z(d->page.arena, text_z(places))};
    derivation_came_from(d, owner, wire.place);
    vec_push(wires, wire_with_own_axes(d, wire));
    text_free(places);
}

void wires_of_inputs(Derivation *d) {
    Wires wires = {0};
    const Model *m = d->model;
    for (uint32_t i = 0; i < d->equations->neurons.count; i++) {
        const Population *p = &m->populations.items[d->equations->neurons.items[i].population];
        for (uint32_t port = 0; port < p->ports.count; port++) {
            Expr total = expr_const(d->store, 0);
            Text places = {0};
            for (uint32_t c = 0; c < m->connections.count; c++) {
                const Connection *connection = &m->connections.items[c];
                if (connection->target != d->equations->neurons.items[i].population || connection->port != port)
                    continue;
                total = expr_add(d->store, total, connection->current);
                add_place(d, connection->span, &places);
            }
            push(d, &wires, p->ports.items[port].symbol, total, &places);
        }
    }
    wires_put(d, &wires);
}

// The `cost` statements that read an output, where each is a term of its own in the file of the cost, in their order.
static void add_cost_places(const Derivation *d, Symbol output, Text *places) {
    Span all = d->model->cost_span, next = {0};
    ExprNode node = expr_node(d->store, d->model->cost);
    for (uint32_t after = 0; node.kind == EXPR_ADD; after = next.begin + 1) {
        next = (Span){0};
        for (uint32_t i = 0; i < node.count; i++) {
            Span own = expr_span(d->store, node.argument[i]);
            bool reads = own.source == all.source && expr_reads(d->store, node.argument[i], output);
            if (reads && own.begin >= after && (!next.source || own.begin < next.begin)) next = own;
        }
        if (!next.source) break;
        add_place(d, next, places);
    }
    if (!places->length) add_place(d, all, places);
}

// delta of an output: the downward errors of the connections that read it, and -dC/d(output).
static void output_error(Derivation *d, const NeuronEquations *n, const OutputError *error, Wires *wires) {
    const Population *p = &d->model->populations.items[n->population];
    Expr total = error->cost ? expr_neg(d->store, error->cost) : expr_const(d->store, 0);
    Text places = {0};
    if (error->cost) add_cost_places(d, p->outputs.items[error->output].symbol, &places);
    for (uint32_t i = 0; i < d->equations->connections.count; i++) {
        const ConnectionEquations *ce = &d->equations->connections.items[i];
        const Connection *c = &d->model->connections.items[ce->connection];
        for (uint32_t k = 0; k < ce->downward.count; k++) {
            if (c->messages.items[k] != p->outputs.items[error->output].symbol) continue;
            total = expr_add(d->store, total, element(d, ce->downward.items[k]));
            add_place(d, c->span, &places);
        }
    }
    push(d, wires, error->symbol, total, &places);
}

// "In recordings h.delta_r is `h.r_error`, …": one example of each.
static void say_recorded(Derivation *d, Symbol delta, Symbol lambda) {
    Text text = {0};
    names_relative(&d->names, -1);
    for (int i = 0; i < 2; i++) {
        Symbol symbol = i ? lambda : delta;
        if (!symbol) continue;
        const char *shown = derivation_show(d, expr_access(d->store, symbol, VERSION_OLD, NULL, 0));
        text_addf(&text, "%s%s%s%s is %s", text.length ? ", " : "In recordings ",
                  derivation_choose(d, "", "", "$", "<math>"), shown, derivation_choose(d, "", "", "$", "</math>"),
                  derivation_code(d, d->names.documented[symbol]));
    }
    text_add(&text, ".");
    if (delta || lambda) derivation_put(d, PAGE_SAY, arena_atom_z(d->page.arena, text_z(&text)));
    text_free(&text);
}

void wires_of_errors(Derivation *d) {
    Wires deltas = {0}, lambdas = {0};
    for (uint32_t i = 0; i < d->equations->neurons.count; i++) {
        const NeuronEquations *n = &d->equations->neurons.items[i];
        for (uint32_t k = 0; n->has_error && k < n->output_errors.count; k++)
            output_error(d, n, &n->output_errors.items[k], &deltas);
    }
    for (uint32_t i = 0; i < d->equations->connections.count; i++) {
        const ConnectionEquations *ce = &d->equations->connections.items[i];
        for (uint32_t k = 0; k < ce->downward.count; k++) {
            Text places = {0};
            add_place(d, d->model->connections.items[ce->connection].span, &places);
            push(d, &lambdas, ce->downward.items[k], ce->downward_value.items[k], &places);
        }
    }
    if (deltas.count) vec_push(&d->page.items, (PageItem){PAGE_HEAD, "Between populations", "", "", "", ""});
    Symbol delta = deltas.count ? deltas.items[0].owner : 0, lambda = lambdas.count ? lambdas.items[0].owner : 0;
    wires_put(d, &deltas);
    wires_put(d, &lambdas);
    say_recorded(d, delta, lambda);
}

// The rate of the membrane prints as the derivative that it is.
static Expr with_rates(const Derivation *d, Expr value) {
    for (uint32_t i = 0; i < d->equations->neurons.count; i++) {
        const NeuronEquations *n = &d->equations->neurons.items[i];
        if (expr_reads(d->store, value, n->rate))
            value = expr_replace(d->store, value, element(d, n->rate),
                                 expr_make1(d->store, EXPR_RATE, element(d, n->state)));
    }
    return value;
}

void wires_of_gradients(Derivation *d) {
    Wires wires = {0};
    for (uint32_t i = 0; i < d->equations->gradients.count; i++) {
        const Gradient *g = &d->equations->gradients.items[i];
        Wire wire = {g->parameter, element(d, g->parameter), with_rates(d, g->value), true,
                     derivation_place(d, g->span)};
        vec_push(&wires, wire_with_own_axes(d, wire));
    }
    wires_put(d, &wires);
}
