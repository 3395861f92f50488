// Short names for the reader: p and q for lookaheads, e, g, v for errors, lambda for what a connection sends down.
#include "page.h"
#include <stdio.h>
#include <string.h>

// ---- Names and their parts ------------------------------------------------------------------------------------------

static const char *end_of_owner(Atom name) {
    int depth = 0;
    for (const char *c = name; *c; c++) {
        depth += (*c == '[') - (*c == ']');
        if (*c == '.' && depth == 0) return c;
    }
    return NULL;
}

int64_t name_number(Atom name, size_t *base_length, const char **member) {
    const char *dot = end_of_owner(name), *end = dot ? dot : name + strlen(name),
               *open = memchr(name, '[', (size_t)(end - name));
    *member = dot ? dot + 1 : "";
    *base_length = (size_t)((open ? open : end) - name);
    return open ? strtoll(open + 1, NULL, 10) : -1;
}

const char *names_list(Arena *arena, ExprStyle style, const Atom *list, uint32_t count) {
    Text text = {0};
    bool *done = arena_new_array(arena, bool, count ? count : 1);
    for (uint32_t i = 0; i < count; i++) {
        if (done[i]) continue;
        size_t length, other;
        const char *member, *own;
        int64_t last = name_number(list[i], &length, &member);
        uint32_t run = 0, end = i;
        for (uint32_t k = i + 1; k < count && last >= 0; k++)
            if (name_number(list[k], &other, &own) == last + 1 && other == length &&
                memcmp(list[i], list[k], length) == 0 && strcmp(member, own) == 0) {
                done[k] = true;
                end = k;
                last++;
                run++;
            }
        text_addf(&text, "%s%s", text.length ? ", " : "", list[i]);
        if (run) text_addf(&text, "%s%s", run == 1 ? ", " : style == EXPR_TEXT ? " .. " : " … ", list[end]);
    }
    const char *result = arena_atom_z(arena, text_z(&text));
    text_free(&text);
    return result;
}

// ---- Short names of members -----------------------------------------------------------------------------------------

static bool is_member(const Population *p, const ExprStore *store, const char *word) {
    for (uint32_t i = 0; i < p->states.count; i++)
        if (strcmp(p->states.items[i].member, word) == 0) return true;
    for (uint32_t i = 0; i < p->outputs.count; i++)
        if (strcmp(p->outputs.items[i].member, word) == 0) return true;
    for (uint32_t i = 0; i < p->ports.count; i++)
        if (strcmp(p->ports.items[i].member, word) == 0) return true;
    for (uint32_t i = 0; i < p->parameters.count; i++)
        if (strcmp(symbol_info(store, p->parameters.items[i])->name + strlen(p->name) + 1, word) == 0) return true;
    return false;
}

// A short name is taken only when the neuron does not use it for something of its own.
static void shorten(Names *names, const Population *p, Symbol symbol, const char *word) {
    if (symbol && !is_member(p, names->model->store, word))
        names->member[symbol] = arena_atom_z(names->model->arena, word);
}

static void shorten_neuron(Names *names, const NeuronEquations *n) {
    const Population *p = &names->model->populations.items[n->population];
    Arena *arena = names->model->arena;
    uint32_t ahead = 0, filters = 0;
    for (uint32_t k = 0; k < n->leaves.count; k++) ahead += n->leaves.items[k].kind == LEAF_AHEAD;
    for (uint32_t k = 0; k < n->leaves.count; k++) {
        bool looks = n->leaves.items[k].kind == LEAF_AHEAD;
        const char *word = k == n->solved        ? "p"
                           : looks && ahead == 2 ? "q"
                           : looks               ? arena_format(arena, "q_%u", k < n->solved ? k + 1 : k)
                           : ++filters == 1      ? "z"
                                                 : arena_format(arena, "z_%u", filters);
        shorten(names, p, n->leaves.items[k].symbol, word);
        if (n->leaves.items[k].back) shorten(names, p, n->leaves.items[k].back, arena_format(arena, "h_%s", word));
    }
    shorten(names, p, n->error, "e");
    for (uint32_t i = 0; i < n->errors.count; i++) {
        const char *of =
            n->errors.count == 1
                ? ""
                : arena_format(arena, "_%s", names->member[n->leaves.items[n->errors.items[i].leaf].symbol]);
        shorten(names, p, n->errors.items[i].symbol, arena_format(arena, "g%s", of));
        shorten(names, p, n->errors.items[i].state, arena_format(arena, "v%s", of));
    }
    for (uint32_t o = 0; o < n->output_errors.count; o++)
        shorten(names, p, n->output_errors.items[o].symbol,
                arena_format(arena, "delta_%s", p->outputs.items[n->output_errors.items[o].output].member));
}

void names_open(Names *names, const Equations *equations, ExprStyle style) {
    Model *m = equations->model;
    Symbol count = symbol_count(m->store);
    *names = (Names){m, style, count, arena_new_array(m->arena, Atom, count + 1),
                     arena_new_array(m->arena, Atom, count + 1)};
    for (Symbol s = 1; s <= count; s++) {
        names->documented[s] = symbol_info(m->store, s)->name;
    }
    names_keep_documented(names);
    for (uint32_t i = 0; i < equations->neurons.count; i++) shorten_neuron(names, &equations->neurons.items[i]);
    for (uint32_t i = 0; i < equations->connections.count; i++) {
        const ConnectionEquations *ce = &equations->connections.items[i];
        for (uint32_t k = 0; k < ce->downward.count; k++) {
            const char *of = ce->downward.count == 1 ? "" : strrchr(names->member[ce->downward.items[k]], '.');
            names->member[ce->downward.items[k]] =
                arena_format(m->arena, "lambda%s%s", *of ? "_" : "", *of ? of + 1 : "");
        }
    }
}

void names_keep_documented(Names *names) {
    for (Symbol s = 1; s <= names->count; s++) {
        const char *dot = end_of_owner(names->documented[s]);
        names->member[s] = dot ? arena_atom_z(names->model->arena, dot + 1) : names->documented[s];
    }
}

// ---- Lending --------------------------------------------------------------------------------------------------------

static void lend(Names *names, Symbol symbol, Atom name) { symbol_edit(names->model->store, symbol)->name = name; }

Symbol names_helper(Names *names, Atom name, uint32_t extent) {
    for (Symbol s = names->count + 1; s <= symbol_count(names->model->store); s++) {
        const SymbolInfo *info = symbol_info(names->model->store, s);
        if (info->name == name && info->extent[0] == extent) return s;
    }
    return symbol_new(names->model->store,
                      (SymbolInfo){.name = name, .role = ROLE_SIGNAL, .rank = 1, .extent = {extent}});
}

// A helper is nothing that a model has: its name says so from now on.
void names_close(Names *names) {
    for (Symbol s = 1; s <= names->count; s++) lend(names, s, names->documented[s]);
    for (Symbol s = names->count + 1; s <= symbol_count(names->model->store); s++)
        lend(names, s, arena_atom_z(names->model->arena, "derive.temporary."));
}

static void owned(Names *names, Symbol symbol, int64_t here) {
    Atom name = names->documented[symbol];
    const char *member, *dot = end_of_owner(name);
    size_t base;
    int64_t number = name_number(name, &base, &member);
    Arena *arena = names->model->arena;
    if (!dot) {
        lend(names, symbol, name);
    } else if (here < 0 || number < 0) {
        lend(names, symbol, arena_format(arena, "%.*s.%s", (int)(dot - name), name, names->member[symbol]));
    } else {
        char offset[32] = "";
        if (number != here) snprintf(offset, sizeof offset, "%+lld", (long long)(number - here));
        lend(names, symbol, arena_format(arena, "%.*s[k%s].%s", (int)base, name, offset, names->member[symbol]));
    }
}

void names_relative(Names *names, int64_t here) {
    for (Symbol s = 1; s <= names->count; s++) owned(names, s, here);
}

void names_of_population(Names *names, const Population *population) {
    size_t length = strlen(population->name);
    names_relative(names, -1);
    for (Symbol s = 1; s <= names->count; s++) {
        const char *dot = end_of_owner(names->documented[s]);
        bool own = dot && (size_t)(dot - names->documented[s]) == length &&
                   memcmp(names->documented[s], population->name, length) == 0;
        if (own) lend(names, s, names->member[s]);
    }
}

void names_of_rule(Names *names, const LearnRule *rule, uint32_t target) {
    Arena *arena = names->model->arena;
    names_relative(names, -1);
    Atom prefix = arena_format(arena, "%s.%s.", names->documented[rule->targets.items[target]], rule->optimiser);
    for (Symbol s = 1; s <= names->count; s++)
        if (strncmp(names->documented[s], prefix, strlen(prefix)) == 0)
            lend(names, s, arena_atom_z(arena, names->documented[s] + strlen(prefix)));
    lend(names, rule->targets.items[target], arena_atom_z(arena, "theta"));
    lend(names, rule->gradients.items[target], arena_atom_z(arena, "G"));
    if (rule->count) lend(names, rule->count, names->member[rule->count]);
}
