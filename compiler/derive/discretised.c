// The last section of a derivation: one step of time, as the Step has it, in the order of execution. What arrives at
// neurons is put before what happens inside of them; neurons and connections that do the same are put once. A line that
// needs what the neurons of a round have computed opens the next round.
#include "derivation.h"
#include "page.h"
#include "wire.h"
#include <math.h>
#include <string.h>

typedef Derivation D;

typedef struct Line {
    const StepAssign *assign;
    int32_t neuron; // number of the equations of the neuron that it stays inside of; -1: it reaches further
    uint32_t round; // from 1
} Line;

typedef struct Program {
    D *d;
    const Step *step;
    Vec(Line) lines;
    uint32_t rounds, round; // how many; the one that is looked at
    uint32_t *made;         // per symbol: the round in which it is assigned; 0: in none
    bool *within;           // per symbol: assigned inside of a neuron
    int32_t *owner;         // per symbol: number of neuron equations, or -1
    uint32_t *reached;      // by number of neuron equations: the round of its last line so far
    uint32_t symbols;
    Symbol batch; // N_batch, on the page only
} Program;

// ---- Rounds ---------------------------------------------------------------------------------------------------------

static int32_t owner_of(const D *d, Symbol symbol) {
    Atom name = d->names.documented[symbol];
    for (uint32_t i = 0; i < d->equations->neurons.count; i++) {
        const char *population = derivation_population(d, &d->equations->neurons.items[i])->name;
        size_t length = strlen(population);
        if (strncmp(name, population, length) == 0 && name[length] == '.') return (int32_t)i;
    }
    return -1;
}

typedef struct Reading {
    const Program *program;
    int32_t owner;
    bool stays;               // reads nothing but the owner's arrays
    uint32_t outside, inside; // the latest rounds of what it reads of this step
} Reading;

static bool read_access(const ExprStore *store, Expr expr, void *context) {
    Reading *reading = context;
    const Program *p = reading->program;
    ExprNode node = expr_node(store, expr);
    if (node.kind != EXPR_ACCESS || node.symbol >= p->symbols) return true;
    reading->stays &= p->owner[node.symbol] == reading->owner;
    uint32_t *latest = p->within[node.symbol] ? &reading->inside : &reading->outside;
    if (node.version == VERSION_NEW && p->made[node.symbol] > *latest) *latest = p->made[node.symbol];
    return true;
}

static void add_line(Program *p, const StepAssign *assign) {
    Reading reading = {p, p->owner[assign->symbol], p->owner[assign->symbol] >= 0, 1, 0};
    expr_visit(p->d->store, assign->value, read_access, &reading);
    uint32_t after = reading.inside + !reading.stays, round = after > reading.outside ? after : reading.outside;
    uint32_t *reached = reading.stays ? &p->reached[reading.owner] : &round;
    if (*reached > round) round = *reached;
    *reached = round;
    p->made[assign->symbol] = round;
    p->within[assign->symbol] = reading.stays;
    if (round > p->rounds) p->rounds = round;
    vec_push(&p->lines, (Line){assign, reading.stays ? reading.owner : -1, round});
}

// ---- As a reader writes it ------------------------------------------------------------------------------------------

static bool is_batch(const ExprStore *store, Expr expr) {
    ExprNode node = expr_node(store, expr);
    return node.kind == EXPR_INDEX && node.index == INDEX_BATCH;
}

// The index of the sample is left out where everything is of one sample.
static Expr of_one_sample(ExprStore *store, Expr node, void *context) {
    ExprNode n = expr_node(store, node);
    (void)context;
    if (n.kind != EXPR_ACCESS || !n.count || !is_batch(store, n.argument[n.count - 1])) return node;
    return expr_access(store, n.symbol, n.version, n.argument, n.count - 1);
}

// What memory.c and arrival.c of the step put around the slot of a line that holds the past, so that it is one whatever
// its delay has become: min(max(x, low), high), and a turn where it lies before the first.
static Expr without_bounds(const ExprStore *store, Expr expr) {
    ExprNode least = expr_node(store, expr), most = {0};
    if (least.kind == EXPR_MIN)
        for (int i = 0; i < 2; i++) {
            most = expr_node(store, least.argument[i]);
            if (most.kind != EXPR_MAX) continue;
            double bound;
            return most.argument[expr_get_const(store, most.argument[0], &bound)];
        }
    return expr;
}

// Numbers of steps are a millionth more, so that halves are rounded up.
static Expr plain_steps(ExprStore *store, Expr node, void *context) {
    const double *dt = context;
    double value, whole;
    Expr inside = without_bounds(store, node);
    if (!expr_get_const(store, inside, &value)) return inside;
    if (value == (1 + 1e-6) / *dt) return expr_const(store, 1 / *dt);
    whole = rint(value);
    return fabs(value - whole) <= 2e-6 * fmax(1, fabs(whole)) ? expr_const(store, whole) : inside;
}

static Expr shown_slot(const D *d, Expr slot) {
    ExprNode node = expr_node(d->store, without_bounds(d->store, slot));
    Expr at = node.kind == EXPR_SELECT ? node.argument[2] : without_bounds(d->store, slot);
    double dt = d->model->dt;
    return expr_rewrite(d->store, at, plain_steps, &dt);
}

static Expr plain_slot(ExprStore *store, Expr node, void *context) {
    ExprNode n = expr_node(store, node);
    if (n.kind != EXPR_ACCESS || n.count < 2 || expr_node(store, n.argument[1]).kind != EXPR_MIN) return node;
    Expr at[EXPR_MAX_RANK + 1];
    for (uint32_t k = 0; k < n.count; k++) at[k] = k == 1 ? shown_slot(context, n.argument[1]) : n.argument[k];
    return expr_access(store, n.symbol, n.version, at, n.count);
}

// What is assigned: all of an array, or one slot of it.
static Expr shown_left(const D *d, const StepAssign *assign) {
    Expr left = model_element(d->store, assign->symbol, VERSION_NEW);
    ExprNode node = expr_node(d->store, left);
    if (!assign->slot) return left;
    return expr_access(d->store, assign->symbol, VERSION_NEW, (Expr[]){node.argument[0], shown_slot(d, assign->slot)},
                       2);
}

static Expr shown_value(const Program *p, Expr value) {
    ExprStore *s = p->d->store;
    value = expr_rewrite(s, value, plain_slot, p->d);
    Expr size = model_element(s, p->step->batch_size, VERSION_OLD);
    if (expr_has_index(s, value, INDEX_BATCH)) return expr_rewrite(s, value, of_one_sample, NULL);
    return expr_replace(s, value, size, expr_access(s, p->batch, VERSION_OLD, NULL, 0));
}

// The term that the equation came from, where an equation of this array stands further up.
static const char *place_of(const D *d, const Line *line) {
    const char *known = d->place_of[line->assign->symbol];
    return known ? known : derivation_place(d, line->assign->span);
}

static void own_lines(D *d, const NeuronEquations *n, const void *context) {
    const Program *p = context;
    int32_t number = (int32_t)(n - d->equations->neurons.items);
    for (uint32_t i = 0; i < p->lines.count; i++) {
        const Line *line = &p->lines.items[i];
        if (line->neuron != number || line->round != p->round) continue;
        Expr left = shown_left(d, line->assign);
        Expr right = shown_value(p, line->assign->value);
        PageItem item = {PAGE_EQUATION,    derivation_show(d, left), "=", derivation_show(d, right), "",
                         place_of(d, line)};
        vec_push(&d->page.items, item);
    }
}

static Wires crossing_lines(const Program *p) {
    D *d = p->d;
    Wires wires = {0};
    for (uint32_t i = 0; i < p->lines.count; i++) {
        const Line *line = &p->lines.items[i];
        if (line->neuron >= 0 || line->round != p->round) continue;
        Symbol symbol = line->assign->symbol;
        Wire wire = {.owner = symbol,
                     .left = shown_left(d, line->assign),
                     .right = shown_value(p, line->assign->value),
                     .place = place_of(d, line)};
        vec_push(&wires, wire_with_own_axes(d, wire));
    }
    return wires;
}

static const bool *members(const Program *p) {
    bool *member = arena_new_array(p->d->page.arena, bool, p->d->equations->neurons.count + 1);
    for (uint32_t i = 0; i < p->lines.count; i++)
        if (p->lines.items[i].neuron >= 0 && p->lines.items[i].round == p->round)
            member[p->lines.items[i].neuron] = true;
    return member;
}

static void put_round(const Program *p) {
    D *d = p->d;
    Wires wires = crossing_lines(p);
    if (p->round > 1 && wires.count) derivation_put(d, PAGE_HEAD, "Then, between populations");
    wires_put(d, &wires);
    derivation_each_class(d, own_lines, p, members(p), false);
}

// ---- Rounds that do the same for one population of an array after the other
// ------------------------------------------

// The only population of a round when it is one of an array: its number in the array, else -1.
static int64_t only_member(const Program *p, const NeuronEquations **neuron) {
    const bool *member = members(p);
    size_t length;
    const char *rest;
    *neuron = NULL;
    for (uint32_t i = 0; i < p->d->equations->neurons.count; i++) {
        if (!member[i]) continue;
        if (*neuron) return -1;
        *neuron = &p->d->equations->neurons.items[i];
    }
    return *neuron ? name_number(derivation_population(p->d, *neuron)->name, &length, &rest) : -1;
}

static void put_turn(const Program *p, const NeuronEquations *n, int64_t first, int64_t last) {
    D *d = p->d;
    Wires wires = crossing_lines(p);
    const Population *population = derivation_population(d, n);
    const char *bracket = strchr(population->name, '[');
    if (p->round > 1 && wires.count) derivation_put(d, PAGE_HEAD, "Then, between populations");
    wires_put_in_turn(d, &wires, first, last);
    derivation_put(d, PAGE_HEAD,
                   arena_format(d->page.arena, "Neurons of %.*s[k] (%u), before the next k",
                                (int)(bracket - population->name), population->name, population->size));
    names_of_population(&d->names, population);
    own_lines(d, n, p);
}

// What a round prints relative to the number of its only population.
static const char *key_of_turn(const Program *p, const NeuronEquations *n, int64_t number) {
    D *d = p->d;
    uint32_t before = d->page.items.count;
    Text text = {0};
    put_turn(p, n, number, number);
    for (uint32_t i = before; i < d->page.items.count; i++) {
        const PageItem *item = &d->page.items.items[i];
        text_addf(&text, "%s=%s %s\n", item->text, item->right, item->place);
    }
    d->page.items.count = before;
    const char *key = arena_atom_z(d->page.arena, text_z(&text));
    text_free(&text);
    return key;
}

// Puts the round that is looked at and those that repeat it for the numbers that follow; moves on to the next one.
static void put_rounds(Program *p) {
    const NeuronEquations *n, *next;
    uint32_t begin = p->round, end = begin + 1;
    int64_t first = only_member(p, &n), last = first, step = 0;
    for (; first >= 0 && end <= p->rounds; end++) {
        p->round = begin;
        const char *key = key_of_turn(p, n, first);
        p->round = end;
        int64_t number = only_member(p, &next);
        if (number < 0 || (number != last + 1 && number != last - 1) || (step && number != last + step)) break;
        if (key != key_of_turn(p, next, number)) break;
        step = number - last;
        last = number;
    }
    p->round = begin;
    if (step)
        put_turn(p, n, first, last);
    else
        put_round(p);
    p->round = step ? end : begin + 1;
}

// ---- What waits -----------------------------------------------------------------------------------------------------

typedef struct Waiting {
    const Program *program;
    bool *assigned, *waits; // per symbol
} Waiting;

static bool note_old(const ExprStore *store, Expr expr, void *context) {
    Waiting *waiting = context;
    ExprNode node = expr_node(store, expr);
    if (node.kind != EXPR_ACCESS || node.version != VERSION_OLD || node.symbol >= waiting->program->symbols)
        return true;
    bool is_state = symbol_info(store, node.symbol)->role == ROLE_STATE;
    waiting->waits[node.symbol] |= waiting->assigned[node.symbol] && !is_state;
    return true;
}

// What each step makes anew, and is read as the step before left it. Documented names, since these can be recorded.
static const bool *find_waiting(const Program *p) {
    Arena *arena = p->d->page.arena;
    Waiting waiting = {p, arena_new_array(arena, bool, p->symbols), arena_new_array(arena, bool, p->symbols)};
    for (uint32_t i = 0; i < p->lines.count; i++) waiting.assigned[p->lines.items[i].assign->symbol] = true;
    for (uint32_t i = 0; i < p->lines.count; i++)
        expr_visit(p->d->store, p->lines.items[i].assign->value, note_old, &waiting);
    return waiting.waits;
}

static const char *each_as_code(const D *d, const char *list) {
    Text text = {0};
    while (*list) {
        const char *end = strstr(list, ", ");
        size_t length = end ? (size_t)(end - list) : strlen(list);
        text_addf(&text, "%s%s", derivation_code(d, arena_atom(d->page.arena, list, length)), end ? ", " : "");
        list += length + (end ? 2 : 0);
    }
    const char *result = arena_atom_z(d->page.arena, text_z(&text));
    text_free(&text);
    return result;
}

static void say_what_waits(const Program *p) {
    D *d = p->d;
    const bool *waits = find_waiting(p);
    Vec(Atom) names = {0};
    for (Symbol s = 1; s < p->symbols; s++)
        if (waits[s]) vec_push(&names, d->names.documented[s]);
    const char *list = names_list(d->page.arena, d->page.style, names.items, names.count);
    if (names.count)
        derivation_put(
            d, PAGE_SAY,
            arena_format(d->page.arena, "These messages wait in a register for one step: %s.", each_as_code(d, list)));
    else
        derivation_say(d, "No message waits: all are of this step.");
    vec_free(&names);
}

// ---- The section ----------------------------------------------------------------------------------------------------

static void put_head(const Program *p, bool backward) {
    D *d = p->d;
    char number[32];
    if (backward) {
        derivation_put(d, PAGE_STEP, "7. The same step backward in time");
        derivation_say(d, "After a window of forward steps, line by line for the last of them first: {x} is what the "
                          "forward step has found, or what the step after has left; {x'} is left to the step before.");
        return;
    }
    derivation_put(d, PAGE_STEP,
                   arena_format(d->page.arena, "6. One step: dt = %s%s, order %s", number_format(number, d->model->dt),
                                unit_is_none(d->model->time_unit) ? "" : " ms", order_name(d->model->order)));
    derivation_say(d, "Line by line as it is executed, for every sample of the batch at once: {x} is the value before "
                      "the step, {x'} the one after, or of, the step.");
    say_what_waits(p);
    bool slots = false;
    for (uint32_t i = 0; i < p->step->assigns.count; i++) slots |= p->step->assigns.items[i].slot != 0;
    if (slots)
        derivation_say(d, "What is delayed stands in lines of slots, a new value in each in turn; their numbers are "
                          "rounded, and go around.");
}

static void say_learning(const Program *p) {
    const Model *model = p->d->model;
    bool any = false, derived = false; // rules that are written out need no gradient
    for (uint32_t i = 0; i < p->step->assigns.count; i++) any |= p->step->assigns.items[i].guard != 0;
    for (uint32_t i = 0; i < model->learn.count; i++) derived |= !model->learn.items[i].written_out;
    if (any && derived)
        derivation_say(p->d, "Here {b} counts the {N_batch} samples of the batch. Last, in the steps in which its rule "
                             "acts, each learned parameter changes as section 5 says, with these means for {G}.");
}

void derivation_step(D *d, const Step *step, bool backward) {
    Program p = {.d = d, .step = step, .rounds = 1};
    p.symbols = d->names.count + 1;
    p.made = arena_new_array(d->page.arena, uint32_t, p.symbols);
    p.within = arena_new_array(d->page.arena, bool, p.symbols);
    p.reached = arena_new_array(d->page.arena, uint32_t, d->equations->neurons.count + 1);
    p.owner = arena_new_array(d->page.arena, int32_t, p.symbols);
    for (Symbol s = 1; s < p.symbols; s++) p.owner[s] = owner_of(d, s);
    for (uint32_t i = 0; i < step->assigns.count; i++)
        if (!step->assigns.items[i].guard) add_line(&p, &step->assigns.items[i]);
    p.batch = names_helper(&d->names, arena_atom_z(d->page.arena, "N_batch"), 0);
    put_head(&p, backward);
    for (p.round = 1; p.round <= p.rounds;) put_rounds(&p);
    say_learning(&p);
    vec_free(&p.lines);
}
