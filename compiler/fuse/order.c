// The order of a step's items: old values are read before they are overwritten, as many elementwise items as possible
// share one nest, and what uses the same arrays stands together, so that they are still in a cache.
#include "plan.h"
#include <stdlib.h>
#include <string.h>

// ---- Nests ----------------------------------------------------------------------------------------------------------

static bool same_nest(const Plan *plan, const Item *a, const Item *b) {
    if (a->sweeps || b->sweeps) return a->sweeps && b->sweeps && plan_same_sweep(plan, a, b);
    return a->kind == ITEM_MAP && b->kind == ITEM_MAP && a->guard == b->guard && a->owner == b->owner &&
           a->rank == b->rank && memcmp(a->axis, b->axis, a->rank * sizeof *a->axis) == 0;
}

// The items that may share a nest, in lists; every other item is a list of its own.
static void find_nests(Plan *plan) {
    for (uint32_t i = 0; i < plan->nests.count; i++) vec_free(&plan->nests.items[i]);
    plan->nests.count = 0;
    for (uint32_t i = 0; i < plan->items.count; i++) {
        Item *item = &plan->items.items[i];
        if (!item->live) continue;
        uint32_t nest = 0;
        while (nest < plan->nests.count && !same_nest(plan, &plan->items.items[plan->nests.items[nest].items[0]], item))
            nest++;
        if (nest == plan->nests.count) vec_push(&plan->nests, (ItemNumbers){0});
        vec_push(&plan->nests.items[nest], i);
        item->nest = nest;
    }
}

// Whether another item is in the way of one that has to do with it as `where` says: it has yet to run, elsewhere.
static bool is_before(const Item *item, const Item *other, uint8_t where) {
    return other != item && other->live && !other->done && (!other->chosen || where & READ_ELSEWHERE);
}

// Whether `item` may run when all done and all chosen items run before or with it.
static bool may_run(const Plan *plan, const Item *item) {
    for (uint32_t i = 0; i < item->reads.count; i++) { // values of this step that it needs
        const Read *read = &item->reads.items[i];
        const ItemNumbers *writers = &plan->uses.items[read->symbol].writers;
        for (uint32_t k = 0; read->version == VERSION_NEW && k < writers->count; k++)
            if (is_before(item, &plan->items.items[writers->items[k]], read->where)) return false;
    }
    const ReadList *readers = &plan->uses.items[item->symbol].readers;
    for (uint32_t i = 0; i < readers->count; i++) { // others still want the old value
        const Read *read = &readers->items[i];
        const Item *reader = &plan->items.items[read->item];
        if (read->version != VERSION_OLD) continue;
        if (is_before(item, reader, read->where)) return false;
        // Reading elsewhere in what it overwrites itself: only a value that no other element depends on.
        if (reader == item && read->where & READ_ELSEWHERE && item->kind == ITEM_MAP) return false;
    }
    return true;
}

// Whether all values that it needs of this nest are computed before.
static bool is_ready(const Plan *plan, const Item *item) {
    for (uint32_t i = 0; i < item->reads.count; i++) {
        if (item->reads.items[i].version != VERSION_NEW) continue;
        const ItemNumbers *writers = &plan->uses.items[item->reads.items[i].symbol].writers;
        for (uint32_t k = 0; k < writers->count; k++) {
            const Item *other = &plan->items.items[writers->items[k]];
            if (other != item && other->chosen && !other->placed) return false;
        }
    }
    return true;
}

// ---- What can run together
// -------------------------------------------------------------------------------------------

// The largest set of items that can share one nest: all candidates, less those that must wait, until stable.
static void choose(Plan *plan, const ItemNumbers *candidates) {
    for (uint32_t i = 0; i < candidates->count; i++) {
        Item *item = &plan->items.items[candidates->items[i]];
        item->chosen = !item->done;
        item->placed = false;
    }
    for (bool changed = true; changed;) {
        changed = false;
        if (plan->items.items[candidates->items[0]].sweeps) plan_limit_sweep(plan, candidates);
        for (uint32_t i = 0; i < candidates->count; i++) {
            Item *item = &plan->items.items[candidates->items[i]];
            if (!item->chosen || may_run(plan, item)) continue;
            item->chosen = false;
            changed = true;
        }
    }
}

// Puts the chosen items into an order in which values come before their use.
static uint32_t arrange(Plan *plan, const ItemNumbers *candidates, Item **group) {
    uint32_t count = 0;
    for (bool progress = true; progress;) {
        progress = false;
        for (uint32_t i = 0; i < candidates->count; i++) {
            Item *item = &plan->items.items[candidates->items[i]];
            if (!item->chosen || item->placed || !is_ready(plan, item)) continue;
            group[count++] = item;
            item->placed = progress = true;
        }
    }
    return count;
}

static void forget_choice(Plan *plan, const ItemNumbers *candidates) {
    for (uint32_t i = 0; i < candidates->count; i++) plan->items.items[candidates->items[i]].chosen = false;
}

// ---- Circles --------------------------------------------------------------------------------------------------------

// An item that keeps the old value of `overwritten` in a new array.
static Item save_before(Plan *plan, const Item *overwritten) {
    SymbolInfo info = *symbol_info(plan->store, overwritten->symbol);
    info.name = arena_format(plan->arena, "%s#before%u", info.name, ++plan->unique);
    info.role = ROLE_SIGNAL;
    info.hidden = true;
    Item save = {.kind = ITEM_MAP,
                 .symbol = symbol_new(plan->store, info),
                 .span = overwritten->span,
                 .owner = overwritten->owner,
                 .live = true};
    save.rank = plan_axes(plan, overwritten->symbol, save.axis);
    Item old = save;
    old.symbol = overwritten->symbol;
    save.value = plan_own_access(plan, &old, VERSION_OLD);
    return save;
}

static void read_instead(Plan *plan, uint32_t number, Symbol symbol, Symbol copy) {
    Item *reader = &plan->items.items[number];
    plan_forget_reads_of(plan, number);
    Expr *places[] = {&reader->value, &reader->left, &reader->right};
    for (int p = 0; p < 3; p++)
        if (*places[p]) *places[p] = expr_rename(plan->store, *places[p], symbol, VERSION_OLD, copy, VERSION_NEW);
    plan_find_reads_of(plan, number);
}

static bool is_wanted(const Plan *plan, const Item *item) { // its old value
    const ReadList *readers = &plan->uses.items[item->symbol].readers;
    for (uint32_t i = 0; i < readers->count; i++) {
        const Item *reader = &plan->items.items[readers->items[i].item];
        if (readers->items[i].version == VERSION_OLD && reader->live && !reader->done) return true;
    }
    return false;
}

// A circle of overwriting: the first waiting item's old value is kept in a copy, and everybody reads that instead.
static bool break_circle(Plan *plan) {
    for (uint32_t i = 0; i < plan->items.count; i++) {
        const Item *item = &plan->items.items[i];
        if (!item->live || item->done || !is_wanted(plan, item)) continue;
        Symbol symbol = item->symbol;
        Item save = save_before(plan, item);
        ItemNumbers readers = {0};
        for (uint32_t k = 0; k < plan->uses.items[symbol].readers.count; k++) {
            const Read *read = &plan->uses.items[symbol].readers.items[k];
            if (read->version == VERSION_OLD && !plan->items.items[read->item].done) vec_push(&readers, read->item);
        }
        for (uint32_t k = 0; k < readers.count; k++) read_instead(plan, readers.items[k], symbol, save.symbol);
        vec_free(&readers);
        vec_push(&plan_use_of(plan, save.symbol)->writers, plan->items.count);
        vec_push(&plan->items, save);
        plan_find_reads_of(plan, plan->items.count - 1);
        find_nests(plan);
        return true;
    }
    return false;
}

// ---- Running --------------------------------------------------------------------------------------------------------

// Whether all items that have still to run are chosen.
static bool is_complete(const Plan *plan, const ItemNumbers *candidates) {
    for (uint32_t i = 0; i < candidates->count; i++) {
        const Item *item = &plan->items.items[candidates->items[i]];
        if (!item->done && !item->chosen) return false;
    }
    return true;
}

// Emits what can run together with the seed; false when that is nothing yet or, where all must go together, not all.
static bool run_seed(Plan *plan, LoopEntry *entry, const Item *seed, bool together, Item **group) {
    const ItemNumbers *candidates = &plan->nests.items[seed->nest];
    choose(plan, candidates);
    uint32_t count = together && !is_complete(plan, candidates) ? 0 : arrange(plan, candidates, group);
    forget_choice(plan, candidates);
    if (!count) return false;
    plan_emit(plan, entry, group, count);
    for (uint32_t k = 0; k < count; k++) group[k]->done = true;
    return true;
}

static bool run_all(Plan *plan, LoopEntry *entry, Item **group) {
    bool progress = false;
    for (uint32_t i = 0; i < plan->items.count; i++) {
        const Item *seed = &plan->items.items[i];
        if (seed->live && !seed->done && !seed->sweeps && run_seed(plan, entry, seed, false, group)) progress = true;
    }
    return progress;
}

// A sweep waits until nothing else can run. One that is complete goes first; at last, one that is not.
static bool run_sweep(Plan *plan, LoopEntry *entry, Item **group) {
    for (int partly = 0; partly < 2; partly++)
        for (uint32_t i = 0; i < plan->items.count; i++) {
            const Item *seed = &plan->items.items[i];
            if (seed->live && !seed->done && seed->sweeps && run_seed(plan, entry, seed, !partly, group)) return true;
        }
    return false;
}

// ---- Whole nests ----------------------------------------------------------------------------------------------------

// A nest of which all items run at once loads and stores each array once, and computes once what they share. So whole
// nests go first, each after those that it waits for: of a network in which all layers read rates of the step before,
// the last layer is then done with before the one below it begins. What a nest waits for and what can run at once is
// made just before it; a result that nobody in this step waits for, as soon as it can be.
typedef enum NestState { NEST_UNTRIED, NEST_UNDER_WAY, NEST_PREPARED, NEST_FAILED } NestState;

typedef struct Wholes {
    Plan *plan;
    LoopEntry *entry;
    Item **group; // room for all items
    NestState *state;
    ItemNumbers order; // of nests: prepared, to be run one after the other
    bool light;        // only contractions, sums and single numbers may go before a nest
} Wholes;

static const Item *first_undone(const Plan *plan, uint32_t nest) {
    const ItemNumbers *items = &plan->nests.items[nest];
    for (uint32_t i = 0; i < items->count; i++)
        if (!plan->items.items[items->items[i]].done) return &plan->items.items[items->items[i]];
    return NULL;
}

// Notes the nest that must go before; false when that is this very one.
static bool add_wait(const Wholes *w, const Item *item, const Item *other, uint8_t where, ItemNumbers *waits) {
    if (other == item || !other->live || other->done) return true;
    if (other->nest == item->nest) return !(where & READ_ELSEWHERE);
    if (w->state[other->nest] == NEST_PREPARED) return true;
    for (uint32_t i = 0; i < waits->count; i++)
        if (waits->items[i] == other->nest) return true;
    vec_push(waits, other->nest);
    return true;
}

// What one item waits for when its nest runs as a whole; false when it never can. See may_run.
static bool find_waits_of(const Wholes *w, const Item *item, ItemNumbers *waits) {
    const Plan *plan = w->plan;
    bool good = true;
    for (uint32_t i = 0; i < item->reads.count; i++) {
        const Read *read = &item->reads.items[i];
        const ItemNumbers *writers = &plan->uses.items[read->symbol].writers;
        for (uint32_t k = 0; read->version == VERSION_NEW && k < writers->count; k++)
            good = good && add_wait(w, item, &plan->items.items[writers->items[k]], read->where, waits);
    }
    const ReadList *readers = &plan->uses.items[item->symbol].readers;
    for (uint32_t i = 0; i < readers->count; i++) {
        const Read *read = &readers->items[i];
        const Item *reader = &plan->items.items[read->item];
        if (read->version != VERSION_OLD) continue;
        good = good && add_wait(w, item, reader, read->where, waits);
        if (reader == item && read->where & READ_ELSEWHERE && item->kind == ITEM_MAP) return false;
    }
    return good;
}

static bool find_waits(const Wholes *w, uint32_t nest, ItemNumbers *waits) {
    const ItemNumbers *items = &w->plan->nests.items[nest];
    for (uint32_t i = 0; i < items->count; i++) {
        const Item *item = &w->plan->items.items[items->items[i]];
        if (!item->done && !find_waits_of(w, item, waits)) return false;
    }
    return true;
}

static bool can_run_at_once(const Wholes *w, uint32_t nest) {
    ItemNumbers waits = {0};
    bool can = find_waits(w, nest, &waits) && !waits.count;
    vec_free(&waits);
    return can;
}

static bool may_go_before(const Wholes *w, uint32_t nest) {
    const Item *item = first_undone(w->plan, nest);
    return !item->sweeps && (!w->light || item->kind != ITEM_MAP || !item->rank);
}

// Puts the nest in order behind all that it waits for; false when that is a circle.
static bool prepare(Wholes *w, uint32_t nest) {
    ItemNumbers waits = {0};
    w->state[nest] = NEST_UNDER_WAY;
    bool good = find_waits(w, nest, &waits);
    for (int at_once = 0; good && at_once < 2; at_once++)
        for (uint32_t i = 0; good && i < waits.count; i++) {
            uint32_t other = waits.items[i];
            if (w->state[other] == NEST_PREPARED || (!at_once && can_run_at_once(w, other))) continue;
            good = w->state[other] == NEST_UNTRIED && may_go_before(w, other) && prepare(w, other);
        }
    vec_free(&waits);
    w->state[nest] = good ? NEST_PREPARED : NEST_FAILED;
    if (good) vec_push(&w->order, nest);
    return good;
}

static bool run_nest(Wholes *w, uint32_t nest) {
    const Item *seed = first_undone(w->plan, nest);
    return seed && run_seed(w->plan, w->entry, seed, true, w->group);
}

static void forget_order(Wholes *w) {
    for (uint32_t i = 0; i < w->order.count; i++) w->state[w->order.items[i]] = NEST_UNTRIED;
    w->order.count = 0;
}

static bool is_awaited(const Plan *plan, uint32_t nest) { // by another nest
    const ItemNumbers *items = &plan->nests.items[nest];
    for (uint32_t i = 0; i < items->count; i++) {
        const ReadList *readers = &plan->uses.items[plan->items.items[items->items[i]].symbol].readers;
        for (uint32_t k = 0; k < readers->count; k++) {
            const Item *reader = &plan->items.items[readers->items[k].item];
            if (readers->items[k].version == VERSION_NEW && reader->live && !reader->done && reader->nest != nest)
                return true;
        }
    }
    return false;
}

// Results that nobody waits for, as far as little else has to run before.
static void run_ends(Wholes *outer) {
    Wholes w = {outer->plan, outer->entry, outer->group, .light = true};
    w.state = memory_resize(NULL, w.plan->nests.count + 1, sizeof *w.state);
    for (uint32_t nest = 0; nest < w.plan->nests.count; nest++) {
        const Item *seed = first_undone(w.plan, nest);
        if (!seed || seed->sweeps || is_awaited(w.plan, nest)) continue;
        for (uint32_t i = 0; i < w.plan->nests.count; i++) w.state[i] = NEST_UNTRIED;
        if (prepare(&w, nest))
            for (uint32_t i = 0; i < w.order.count; i++) run_nest(&w, w.order.items[i]);
        w.order.count = 0;
    }
    vec_free(&w.order);
    free(w.state);
}

static bool run_wholes(Plan *plan, LoopEntry *entry, Item **group) {
    Wholes w = {plan, entry, group, .light = false};
    bool progress = false;
    w.state = memory_resize(NULL, plan->nests.count + 1, sizeof *w.state);
    for (uint32_t nest = 0; nest < plan->nests.count; nest++) w.state[nest] = NEST_UNTRIED;
    for (uint32_t nest = 0; nest < plan->nests.count; nest++) {
        const Item *seed = first_undone(plan, nest);
        if (!seed || seed->sweeps || w.state[nest] == NEST_FAILED) continue;
        if (prepare(&w, nest))
            for (uint32_t i = 0; i < w.order.count; i++) {
                seed = first_undone(plan, w.order.items[i]);
                if (!run_nest(&w, w.order.items[i])) continue;
                progress = true;
                if (seed->kind == ITEM_MAP && seed->rank) run_ends(&w);
            }
        forget_order(&w);
    }
    vec_free(&w.order);
    free(w.state);
    return progress;
}

void plan_order(Plan *plan, LoopEntry *entry) {
    Item **group = NULL;
    find_nests(plan);
    for (bool progress = true; progress;) {
        group = memory_resize(group, plan->items.count + 1, sizeof(Item *));
        progress = run_wholes(plan, entry, group) || run_all(plan, entry, group) || run_sweep(plan, entry, group) ||
                   break_circle(plan);
    }
    free(group);
}
