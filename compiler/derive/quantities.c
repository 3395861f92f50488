// The section of a derivation's page that says in which units everything is: what the model declares, and what was
// derived. A model without units has no such section.
#include "wire.h"
#include <string.h>

enum { SYMBOLS_IN_A_LINE = 6 };

typedef struct Quantity {
    const char *shown;
    Unit unit;
} Quantity;

typedef Vec(Quantity) Quantities;

// ---- A unit on the page ---------------------------------------------------------------------------------------------

static void add_power(const Derivation *d, const char *word, size_t length, const char *power, size_t power_length,
                      Text *out) {
    int w = (int)length, p = (int)power_length;
    if (d->page.style == EXPR_MATHML)
        text_addf(out, p ? "<msup><mtext>%.*s</mtext><mn>%.*s</mn></msup>" : "<mtext>%.*s</mtext>%.*s", w, word, p,
                  power);
    else
        text_addf(out, p ? "\\mathrm{%.*s}^{%.*s}" : "\\mathrm{%.*s}%.*s", w, word, p, power);
}

// "mV^2 ms^-1"
static const char *unit_shown(const Derivation *d, Unit unit) {
    Text plain = {0}, set = {0};
    unit_print(unit, &plain);
    const char *text = arena_atom_z(d->page.arena, text_z(&plain));
    text_free(&plain);
    if (d->page.style == EXPR_TEXT || d->page.style == EXPR_UNICODE) return text;
    for (const char *word = text; *word;) {
        size_t length = strcspn(word, " "), base = strcspn(word, "^ ");
        if (set.length) text_add(&set, derivation_choose(d, "", "", "\\,", "<mspace width=\"0.2em\"/>"));
        add_power(d, word, base, word + base + (base < length), base < length ? length - base - 1 : 0, &set);
        word += length + (word[length] == ' ');
    }
    text = arena_atom_z(d->page.arena, text_z(&set));
    text_free(&set);
    return text;
}

static void put_line(Derivation *d, const char *shown, Unit unit) {
    const char *open = derivation_choose(d, "[", "[", "[", "<mo>[</mo>");
    const char *close = derivation_choose(d, "]", "]", "]", "<mo>]</mo>");
    const char *left = arena_format(d->page.arena, "%s%s%s", open, shown, close);
    vec_push(&d->page.items, (PageItem){PAGE_EQUATION, left, "=", unit_shown(d, unit), "", ""});
}

// What has the same unit shares a line.
static void put_quantities(Derivation *d, Quantities *list) {
    const char *comma = derivation_choose(d, ", ", ", ", ",\\ ", "<mo>,</mo>");
    for (uint32_t i = 0; i < list->count; i++) {
        Text line = {0};
        uint32_t count = 0;
        if (!list->items[i].shown) continue;
        for (uint32_t k = i; k < list->count && count < SYMBOLS_IN_A_LINE; k++) {
            if (!list->items[k].shown || !unit_equal(list->items[k].unit, list->items[i].unit)) continue;
            text_addf(&line, "%s%s", count++ ? comma : "", list->items[k].shown);
            if (k > i) list->items[k].shown = NULL;
        }
        put_line(d, arena_atom_z(d->page.arena, text_z(&line)), list->items[i].unit);
        text_free(&line);
    }
    vec_free(list);
}

// ---- What there is --------------------------------------------------------------------------------------------------

static void add(const Derivation *d, Quantities *list, Symbol symbol) {
    if (!symbol || symbol_info(d->store, symbol)->hidden) return;
    const char *shown = derivation_show(d, expr_access(d->store, symbol, VERSION_OLD, NULL, 0));
    for (uint32_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i].shown, shown) == 0) return;
    vec_push(list, (Quantity){shown, symbol_info(d->store, symbol)->unit});
}

// dE/d(parameter), of what is learned.
static void add_gradient(const Derivation *d, Quantities *list, Symbol parameter) {
    const char *before =
        derivation_choose(d, "dE/d", "∂E/∂", "\\partial E/\\partial ", "<mo>∂</mo><mi>E</mi><mo>/</mo><mo>∂</mo>");
    for (uint32_t i = 0; i < d->equations->gradients.count; i++) {
        const Gradient *g = &d->equations->gradients.items[i];
        if (g->parameter != parameter) continue;
        const char *shown = derivation_show(d, expr_access(d->store, parameter, VERSION_OLD, NULL, 0));
        Unit unit = unit_multiply(d->model->energy_unit, unit_power(symbol_info(d->store, parameter)->unit, -1));
        vec_push(list, (Quantity){arena_format(d->page.arena, "%s%s", before, shown), unit});
    }
}

static void add_errors(const Derivation *d, const NeuronEquations *n, Quantities *list) {
    add(d, list, n->error);
    for (uint32_t k = 0; k < n->errors.count; k++) {
        add(d, list, n->errors.items[k].symbol);
        add(d, list, n->errors.items[k].state);
        add(d, list, n->errors.items[k].gain.symbol);
        add(d, list, n->leaves.items[n->errors.items[k].leaf].back);
    }
    for (uint32_t k = 0; k < n->output_errors.count; k++) add(d, list, n->output_errors.items[k].symbol);
}

static void population_quantities(Derivation *d, uint32_t number) {
    const Population *p = &d->model->populations.items[number];
    Quantities list = {0};
    names_of_population(&d->names, p);
    for (uint32_t k = 0; k < p->states.count; k++) add(d, &list, p->states.items[k].symbol);
    for (uint32_t k = 0; k < p->ports.count; k++) add(d, &list, p->ports.items[k].symbol);
    for (uint32_t k = 0; k < p->parameters.count; k++) add(d, &list, p->parameters.items[k]);
    for (uint32_t k = 0; k < p->outputs.count; k++)
        if (!p->outputs.items[k].of_state) add(d, &list, p->outputs.items[k].symbol);
    for (uint32_t i = 0; i < d->equations->neurons.count; i++) {
        const NeuronEquations *n = &d->equations->neurons.items[i];
        if (n->population != number) continue;
        for (uint32_t k = 0; k < n->leaves.count; k++) add(d, &list, n->leaves.items[k].symbol);
        if (n->has_error) add_errors(d, n, &list);
    }
    for (uint32_t k = 0; k < p->parameters.count; k++) add_gradient(d, &list, p->parameters.items[k]);
    put_quantities(d, &list);
}

static void connection_quantities(Derivation *d, uint32_t number) {
    const Connection *c = &d->model->connections.items[number];
    Quantities list = {0};
    names_of_population(&d->names, &(Population){.name = c->name});
    for (uint32_t k = 0; k < c->weights.count; k++) add(d, &list, c->weights.items[k]);
    for (uint32_t k = 0; k < c->parameters.count; k++) add(d, &list, c->parameters.items[k]);
    for (uint32_t k = 0; k < c->states.count; k++) add(d, &list, c->states.items[k]);
    for (uint32_t i = 0; i < d->equations->connections.count; i++) {
        const ConnectionEquations *ce = &d->equations->connections.items[i];
        for (uint32_t k = 0; k < ce->downward.count && ce->connection == number; k++)
            add(d, &list, ce->downward.items[k]);
    }
    for (uint32_t k = 0; k < c->weights.count; k++) add_gradient(d, &list, c->weights.items[k]);
    put_quantities(d, &list);
}

// ---- Owners with the same lines have one head -----------------------------------------------------------------------

typedef void Part(Derivation *d, uint32_t number);

static const char *key_of(Derivation *d, Part *part, uint32_t number) {
    uint32_t before = d->page.items.count;
    Text text = {0};
    part(d, number);
    for (uint32_t i = before; i < d->page.items.count; i++)
        text_addf(&text, "%s=%s\n", d->page.items.items[i].text, d->page.items.items[i].right);
    d->page.items.count = before;
    const char *key = arena_atom_z(d->page.arena, text_z(&text));
    text_free(&text);
    return key;
}

static Atom owner_name(const Derivation *d, bool population, uint32_t number) {
    return population ? d->model->populations.items[number].name : d->model->connections.items[number].name;
}

static void each_kind(Derivation *d, bool populations, Part *part) {
    uint32_t count = populations ? d->model->populations.count : d->model->connections.count;
    const char **keys = arena_new_array(d->page.arena, const char *, count + 1);
    for (uint32_t i = 0; i < count; i++) keys[i] = key_of(d, part, i);
    for (uint32_t i = 0; i < count; i++) {
        Vec(Atom) names = {0};
        if (!keys[i] || !*keys[i]) continue;
        for (uint32_t k = count; k-- > i;)
            if (keys[k] == keys[i]) {
                vec_push(&names, owner_name(d, populations, k));
                if (k > i) keys[k] = NULL;
            }
        for (uint32_t k = 0; k < names.count / 2; k++) {
            Atom other = names.items[k];
            names.items[k] = names.items[names.count - 1 - k];
            names.items[names.count - 1 - k] = other;
        }
        const char *list = names_list(d->page.arena, d->page.style, names.items, names.count);
        const char *what = populations ? "Neurons of" : names.count > 1 ? "Connections" : "Connection";
        vec_free(&names);
        derivation_put(d, PAGE_HEAD, arena_format(d->page.arena, "%s %s", what, list));
        part(d, i);
    }
    names_relative(&d->names, -1);
}

static bool has_units(const Derivation *d) {
    for (Symbol symbol = 1; symbol <= d->names.count; symbol++)
        if (!unit_is_none(symbol_info(d->store, symbol)->unit)) return true;
    return false;
}

void derivation_units(Derivation *d) {
    if (!has_units(d)) return;
    derivation_put(d, PAGE_STEP, "Units");
    derivation_say(
        d, "Brackets stand for the unit of what is in them, 1 for none. Everything is computed in ms, mV, pA and "
           "their products; optimisers take gradients as plain numbers in these.");
    if (d->equations->neurons.count || d->model->cost)
        put_line(d, derivation_choose(d, "E", "E", "E", "<mi>E</mi>"), d->model->energy_unit);
    each_kind(d, true, population_quantities);
    each_kind(d, false, connection_quantities);
}
