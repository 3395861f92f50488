// The pass: items are cut out of each step, dead ones dropped, and the rest put into an order in which old values are
// read before they are overwritten, with as many elementwise items as possible in one nest.
#include "plan.h"
#include <stdlib.h>
#include <string.h>

enum { READ_OWN = 1, READ_ELSEWHERE = 2 };

// ---- Who reads what -------------------------------------------------------------------------------------------------

static bool at_own_axes(const ExprStore *store, const Item *item, ExprNode access) {
    if (item->kind != ITEM_MAP || access.count > item->rank) return false;
    // Elementwise in place is safe when the element read is the one written: the same axes, in order.
    if (access.count != item->rank) return false;
    for (uint32_t i = 0; i < access.count; i++) {
        ExprNode at = expr_node(store, access.argument[i]);
        if (at.kind != EXPR_INDEX || at.index != item->axis[i]) return false;
    }
    return true;
}

static void note_reads(const Plan *plan, Item *item, Expr expr) {
    ExprNode node = expr_node(plan->store, expr);
    if (node.kind == EXPR_ACCESS) {
        uint8_t *reads = node.version == VERSION_NEW ? item->reads_new : item->reads_old;
        reads[node.symbol] |= at_own_axes(plan->store, item, node) ? READ_OWN : READ_ELSEWHERE;
    }
    for (uint32_t i = 0; i < node.count; i++) note_reads(plan, item, node.argument[i]);
}

static void find_reads(Plan *plan) {
    plan->symbols = symbol_count(plan->store) + 1;
    for (uint32_t i = 0; i < plan->items.count; i++) {
        Item *item = &plan->items.items[i];
        item->reads_new = memory_resize(NULL, plan->symbols, 2);
        memset(item->reads_new, 0, (size_t)plan->symbols * 2);
        item->reads_old = item->reads_new + plan->symbols;
        if (item->kind == ITEM_PRODUCT || item->kind == ITEM_OUTER) {
            note_reads(plan, item, item->left);
            note_reads(plan, item, item->right);
        } else {
            note_reads(plan, item, item->value);
        }
    }
}

// ---- What is needed -------------------------------------------------------------------------------------------------

// Persistent symbols: somebody reads their old value in the next step, or the caller wants to see them.
static uint8_t *find_persistent(Plan *plan, Step *const *steps, uint32_t count) {
    uint8_t *reads = memory_resize(NULL, plan->symbols, 2);
    memset(reads, 0, (size_t)plan->symbols * 2);
    Item all = {.kind = ITEM_REDUCE, .reads_new = reads + plan->symbols, .reads_old = reads};
    for (uint32_t s = 0; s < count; s++) {
        for (uint32_t i = 0; i < steps[s]->assigns.count; i++) note_reads(plan, &all, steps[s]->assigns.items[i].value);
        if (steps[s]->cost) reads[steps[s]->cost] = 1;
    }
    for (uint32_t i = 0; i < plan->options->kept_count; i++) reads[plan->options->kept[i]] = 1;
    return reads; // the first half; whoever frees it frees both
}

static void mark_live(Plan *plan, const uint8_t *persistent) {
    for (uint32_t i = 0; i < plan->items.count; i++)
        plan->items.items[i].live = persistent[plan->items.items[i].symbol];
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t i = 0; i < plan->items.count; i++) {
            Item *item = &plan->items.items[i];
            if (!item->live) continue;
            for (uint32_t k = 0; k < plan->items.count; k++)
                if (!plan->items.items[k].live && item->reads_new[plan->items.items[k].symbol])
                    plan->items.items[k].live = changed = true;
        }
    }
}

// What only one learn rule reads is computed only when that rule acts.
static void spread_guards(Plan *plan, const uint8_t *persistent) {
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t i = 0; i < plan->items.count; i++) {
            Item *item = &plan->items.items[i];
            if (!item->live || item->guard || persistent[item->symbol]) continue;
            uint32_t guard = 0;
            bool single = true;
            for (uint32_t k = 0; k < plan->items.count; k++) {
                const Item *reader = &plan->items.items[k];
                if (!reader->live || !reader->reads_new[item->symbol]) continue;
                if (guard && reader->guard != guard) single = false;
                if (!reader->guard) single = false;
                guard = reader->guard;
            }
            if (single && guard) {
                item->guard = guard;
                changed = true;
            }
        }
    }
}

bool plan_needs_store(const Plan *plan, const Item *item, Item *const *group, uint32_t count) {
    if (item->live && plan->fused->array_of.count > item->symbol && plan->fused->array_of.items[item->symbol])
        return true;
    for (uint32_t i = 0; i < plan->items.count; i++) {
        const Item *reader = &plan->items.items[i];
        bool inside = false;
        for (uint32_t k = 0; k < count; k++) inside |= group[k] == reader;
        if (reader->live && !inside && reader->reads_new[item->symbol]) return true;
    }
    return false;
}

// ---- Order ----------------------------------------------------------------------------------------------------------

static bool same_nest(const Item *a, const Item *b) {
    return a->kind == ITEM_MAP && b->kind == ITEM_MAP && a->guard == b->guard && a->owner == b->owner &&
           a->rank == b->rank && memcmp(a->axis, b->axis, a->rank * sizeof *a->axis) == 0;
}

// Whether `item` may run when all done and all chosen items run before or with it.
static bool may_run(const Plan *plan, const Item *item) {
    for (uint32_t k = 0; k < plan->items.count; k++) {
        const Item *other = &plan->items.items[k];
        if (!other->live || other->done || other == item) continue;
        uint8_t needs = item->reads_new[other->symbol]; // its value of this step
        if (needs && (!other->chosen || needs & READ_ELSEWHERE)) return false;
        uint8_t overwritten = other->reads_old[item->symbol]; // others still want the old one
        if (overwritten && (!other->chosen || overwritten & READ_ELSEWHERE)) return false;
    }
    // Reading elsewhere in what it overwrites itself: only a value that no other element depends on.
    return !(item->reads_old[item->symbol] & READ_ELSEWHERE) || item->kind != ITEM_MAP;
}

// The largest set of items that can share one nest with `seed`: all candidates, less those that must wait, until
// stable.
static uint32_t choose(Plan *plan, Item *seed, Item **group) {
    for (uint32_t i = 0; i < plan->items.count; i++) {
        Item *item = &plan->items.items[i];
        item->chosen = item->live && !item->done && (item == seed || same_nest(seed, item));
    }
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t i = 0; i < plan->items.count; i++) {
            Item *item = &plan->items.items[i];
            if (item->chosen && !may_run(plan, item)) {
                item->chosen = false;
                changed = true;
            }
        }
    }
    uint32_t count = 0;
    for (bool progress = true; progress;) { // in an order in which values come before their use
        progress = false;
        for (uint32_t i = 0; i < plan->items.count; i++) {
            Item *item = &plan->items.items[i];
            bool placed = false, ready = item->chosen;
            for (uint32_t k = 0; k < count; k++) placed |= group[k] == item;
            if (!ready || placed) continue;
            for (uint32_t k = 0; ready && k < plan->items.count; k++) {
                const Item *other = &plan->items.items[k];
                if (!other->chosen || other == item || !item->reads_new[other->symbol]) continue;
                bool before = false;
                for (uint32_t g = 0; g < count; g++) before |= group[g] == other;
                ready = before;
            }
            if (!ready) continue;
            group[count++] = item;
            progress = true;
        }
    }
    return count;
}

// A circle of overwriting: the first waiting item's old value is kept in a copy, and everybody reads that instead.
static bool break_circle(Plan *plan) {
    for (uint32_t i = 0; i < plan->items.count; i++) {
        Item *item = &plan->items.items[i];
        if (!item->live || item->done) continue;
        bool wanted = false;
        for (uint32_t k = 0; k < plan->items.count; k++)
            wanted |=
                plan->items.items[k].live && !plan->items.items[k].done && plan->items.items[k].reads_old[item->symbol];
        if (!wanted) continue;
        SymbolInfo info = *symbol_info(plan->store, item->symbol);
        info.name = arena_format(plan->arena, "%s.before.%u", info.name, ++plan->unique);
        info.role = ROLE_SIGNAL;
        Symbol symbol = item->symbol, copy = symbol_new(plan->store, info);
        Item save = {.kind = ITEM_MAP,
                     .symbol = copy,
                     .span = item->span,
                     .owner = item->owner,
                     .live = true,
                     .rank = info.rank};
        model_axes(plan->store, symbol, save.axis);
        if (info.batched) save.axis[save.rank++] = INDEX_BATCH;
        Expr at[EXPR_MAX_RANK + 1];
        for (uint32_t k = 0; k < save.rank; k++) at[k] = expr_index(plan->store, save.axis[k]);
        for (uint32_t k = 0; k < plan->items.count; k++) {
            Item *reader = &plan->items.items[k];
            if (reader->done) continue;
            Expr *places[] = {&reader->value, &reader->left, &reader->right};
            for (int p = 0; p < 3; p++)
                if (*places[p])
                    *places[p] = expr_rename(plan->store, *places[p], symbol, VERSION_OLD, copy, VERSION_NEW);
        }
        save.value = expr_access(plan->store, symbol, VERSION_OLD, at, save.rank);
        vec_push(&plan->items, save);
        for (uint32_t k = 0; k < plan->items.count; k++) {
            free(plan->items.items[k].reads_new);
            plan->items.items[k].reads_new = NULL;
        }
        find_reads(plan);
        return true;
    }
    return false;
}

static void order_items(Plan *plan, LoopEntry *entry) {
    Item **group = NULL;
    for (bool progress = true; progress;) {
        progress = false;
        group = memory_resize(group, plan->items.count + 1, sizeof(Item *));
        for (uint32_t i = 0; i < plan->items.count; i++) {
            Item *seed = &plan->items.items[i];
            if (!seed->live || seed->done) continue;
            uint32_t count = choose(plan, seed, group);
            bool has_seed = false;
            for (uint32_t k = 0; k < count; k++) has_seed |= group[k] == seed;
            if (!count || (seed->kind != ITEM_MAP && !has_seed)) continue;
            plan_emit(plan, entry, group, count);
            for (uint32_t k = 0; k < count; k++) group[k]->done = true;
            progress = true;
        }
        if (!progress) progress = break_circle(plan);
    }
    free(group);
}

// ---- The pass -------------------------------------------------------------------------------------------------------

static void fuse_step(Plan *plan, Step *const *steps, uint32_t count, uint32_t which, LoopEntry *entry) {
    plan->items.count = plan->temporaries.count = 0;
    for (uint32_t i = 0; i < steps[which]->assigns.count; i++) plan_add(plan, &steps[which]->assigns.items[i]);
    find_reads(plan);
    uint8_t *persistent = find_persistent(plan, steps, count);
    mark_live(plan, persistent);
    spread_guards(plan, persistent);
    for (uint32_t i = 0; i < plan->items.count; i++)
        if (persistent[plan->items.items[i].symbol]) plan_array(plan, plan->items.items[i].symbol);
    free(persistent);
    order_items(plan, entry);
    for (uint32_t i = 0; i < plan->items.count; i++) free(plan->items.items[i].reads_new);
}

// Whatever the model declares with a value of its own has storage, even when nothing reads it.
static void plan_declared(Plan *plan, const Model *model) {
    for (uint32_t i = 0; i < model->arrays.count; i++) plan_array(plan, model->arrays.items[i].symbol);
    for (uint32_t i = 0; i < model->scalars.count; i++) plan_array(plan, model->scalars.items[i].symbol);
}

Fused *fuse_steps(Step *const *steps, const char *const *names, uint32_t count, const FuseOptions *options) {
    Fused *fused = memory_resize(NULL, 1, sizeof *fused);
    *fused = (Fused){.program = {.real = options->real}};
    Model *model = steps[0]->model;
    Plan plan = {.store = model->store, .arena = model->arena, .fused = fused, .options = options};
    plan_declared(&plan, model);
    plan_array(&plan, steps[0]->batch_size);
    for (uint32_t s = 0; s < count; s++) {
        LoopEntry entry = {.name = names[s]};
        fuse_step(&plan, steps, count, s, &entry);
        vec_push(&fused->program.entries, entry);
    }
    vec_free(&plan.items);
    vec_free(&plan.temporaries);
    return fused;
}

void fused_free(Fused *fused) {
    if (!fused) return;
    loop_program_free(&fused->program);
    vec_free(&fused->array_of);
    free(fused);
}
