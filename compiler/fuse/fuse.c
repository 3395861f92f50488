// The pass: items are cut out of each step, dead ones dropped, and the rest put into an order (order.c).
#include "plan.h"
#include <stdlib.h>
#include <string.h>

// ---- Who reads what -------------------------------------------------------------------------------------------------

// Elementwise in place is safe when the element read is the one written: the same axes, in order.
static bool at_own_axes(const Plan *plan, const Item *item, ExprNode access) {
    if (item->sweeps) return plan_access_rank(plan, access) == 2; // suits() has seen to the rest
    if (item->kind != ITEM_MAP || plan_access_rank(plan, access) != item->rank) return false;
    for (uint32_t i = 0; i < item->rank; i++) {
        ExprNode at = expr_node(plan->store, access.argument[i]);
        if (at.kind != EXPR_INDEX || at.index != item->axis[i]) return false;
    }
    return true;
}

SymbolUse *plan_use_of(Plan *plan, Symbol symbol) {
    while (plan->uses.count <= symbol) vec_push(&plan->uses, (SymbolUse){0});
    return &plan->uses.items[symbol];
}

typedef struct ReadSearch {
    const Plan *plan;
    Item *item;
    uint32_t number;
} ReadSearch;

static bool note_read(const ExprStore *store, Expr expr, void *context) {
    const ReadSearch *search = context;
    ExprNode node = expr_node(store, expr);
    if (node.kind != EXPR_ACCESS) return true;
    ReadList *reads = &search->item->reads;
    uint32_t i = 0;
    while (i < reads->count && (reads->items[i].symbol != node.symbol || reads->items[i].version != node.version)) i++;
    if (i == reads->count)
        vec_push(reads, (Read){.item = search->number, .symbol = node.symbol, .version = node.version});
    reads->items[i].where |= at_own_axes(search->plan, search->item, node) ? READ_OWN : READ_ELSEWHERE;
    return true;
}

void plan_find_reads_of(Plan *plan, uint32_t number) {
    Item *item = &plan->items.items[number];
    ReadSearch search = {plan, item, number};
    bool two = item->kind == ITEM_PRODUCT || item->kind == ITEM_OUTER;
    expr_visit(plan->store, two ? item->left : item->value, note_read, &search);
    if (two) expr_visit(plan->store, item->right, note_read, &search);
    if (item->slot) expr_visit(plan->store, item->slot, note_read, &search);
    for (uint32_t i = 0; i < item->reads.count; i++)
        vec_push(&plan_use_of(plan, item->reads.items[i].symbol)->readers, item->reads.items[i]);
}

void plan_forget_reads_of(Plan *plan, uint32_t number) {
    Item *item = &plan->items.items[number];
    for (uint32_t i = 0; i < item->reads.count; i++) {
        ReadList *readers = &plan_use_of(plan, item->reads.items[i].symbol)->readers;
        uint32_t kept = 0;
        for (uint32_t k = 0; k < readers->count; k++)
            if (readers->items[k].item != number) readers->items[kept++] = readers->items[k];
        readers->count = kept;
    }
    item->reads.count = 0;
}

static void find_reads(Plan *plan) {
    for (uint32_t i = 0; i < plan->items.count; i++) {
        vec_push(&plan_use_of(plan, plan->items.items[i].symbol)->writers, i);
        plan_find_reads_of(plan, i);
    }
}

static void forget_reads(Plan *plan) {
    for (uint32_t i = 0; i < plan->items.count; i++) vec_free(&plan->items.items[i].reads);
    for (uint32_t i = 0; i < plan->uses.count; i++) {
        vec_free(&plan->uses.items[i].writers);
        vec_free(&plan->uses.items[i].readers);
    }
    plan->uses.count = 0;
}

// ---- What is needed -------------------------------------------------------------------------------------------------

// Persistent symbols: somebody reads their old value in the next step, or the caller wants to see them.
static bool *find_persistent(const Plan *plan, Step *const *steps, uint32_t count) {
    uint32_t symbols = symbol_count(plan->store) + 1;
    bool *persistent = memory_resize(NULL, symbols, sizeof *persistent);
    memset(persistent, 0, symbols * sizeof *persistent);
    for (uint32_t s = 0; s < count; s++) {
        step_mark_old(steps[s], persistent);
        if (steps[s]->cost) persistent[steps[s]->cost] = true;
        if (steps[s]->objective) persistent[steps[s]->objective] = true;
        for (uint32_t i = 0; i < steps[s]->assigns.count; i++) { // the user's states are always readable
            const SymbolInfo *info = symbol_info(plan->store, steps[s]->assigns.items[i].symbol);
            if (info->role == ROLE_STATE && !info->hidden) persistent[steps[s]->assigns.items[i].symbol] = true;
        }
    }
    for (uint32_t i = 0; i < plan->options->kept_count; i++) persistent[plan->options->kept[i]] = true;
    return persistent;
}

static void mark_live(Plan *plan, const bool *persistent) {
    ItemNumbers waiting = {0};
    for (uint32_t i = 0; i < plan->items.count; i++) {
        Item *item = &plan->items.items[i];
        item->live = persistent[item->symbol];
        item->idle = !item->live && symbol_info(plan->store, item->symbol)->role == ROLE_OPTIMISER;
        if (item->live) vec_push(&waiting, i);
    }
    while (waiting.count) {
        const Item *item = &plan->items.items[waiting.items[--waiting.count]];
        for (uint32_t i = 0; i < item->reads.count; i++) {
            if (item->reads.items[i].version != VERSION_NEW) continue;
            const ItemNumbers *writers = &plan_use_of(plan, item->reads.items[i].symbol)->writers;
            for (uint32_t k = 0; k < writers->count; k++) {
                Item *writer = &plan->items.items[writers->items[k]];
                if (!writer->live) vec_push(&waiting, writers->items[k]);
                writer->live = true;
            }
        }
    }
    vec_free(&waiting);
}

// The guard that all readers of the new value share, else 0.
static uint32_t readers_guard(Plan *plan, Symbol symbol) {
    const ReadList *readers = &plan_use_of(plan, symbol)->readers;
    uint32_t guard = 0;
    for (uint32_t i = 0; i < readers->count; i++) {
        const Item *reader = &plan->items.items[readers->items[i].item];
        if (readers->items[i].version != VERSION_NEW || !reader->live) continue;
        if (!reader->guard || (guard && reader->guard != guard)) return 0;
        guard = reader->guard;
    }
    return guard;
}

// What only one learn rule reads is computed only when that rule acts.
static void spread_guards(Plan *plan, const bool *persistent) {
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t i = plan->items.count; i-- > 0;) { // readers mostly come last
            Item *item = &plan->items.items[i];
            if (!item->live || item->guard || persistent[item->symbol]) continue;
            item->guard = readers_guard(plan, item->symbol);
            changed |= item->guard != 0;
        }
    }
}

bool plan_needs_store(const Plan *plan, const Item *item, Item *const *group, uint32_t count) {
    if (item->live && !item->idle && plan->fused->array_of.count > item->symbol &&
        plan->fused->array_of.items[item->symbol])
        return true;
    const ReadList *readers = &plan->uses.items[item->symbol].readers;
    for (uint32_t i = 0; i < readers->count; i++) {
        const Item *reader = &plan->items.items[readers->items[i].item];
        bool inside = false;
        for (uint32_t k = 0; k < count; k++) inside |= group[k] == reader;
        if (reader->live && !inside && readers->items[i].version == VERSION_NEW) return true;
    }
    return false;
}

// ---- The pass -------------------------------------------------------------------------------------------------------

static void fuse_step(Plan *plan, Step *const *steps, uint32_t count, uint32_t which, LoopEntry *entry) {
    plan->items.count = plan->temporaries.count = 0;
    for (uint32_t i = 0; i < steps[which]->assigns.count; i++) plan_add(plan, &steps[which]->assigns.items[i]);
    plan_find_sweeps(plan);
    find_reads(plan);
    bool *persistent = find_persistent(plan, steps, count);
    mark_live(plan, persistent);
    spread_guards(plan, persistent);
    for (uint32_t i = 0; i < plan->items.count; i++) {
        if (persistent[plan->items.items[i].symbol]) plan_array(plan, plan->items.items[i].symbol);
        if (plan->items.items[i].idle) vec_push(&plan->fused->idle, plan->items.items[i].symbol);
    }
    free(persistent);
    plan_order(plan, entry);
    forget_reads(plan);
}

// Whatever the model declares with a value of its own has storage, even when nothing reads it.
static void plan_declared(Plan *plan, const Model *model) {
    for (uint32_t i = 0; i < model->arrays.count; i++) plan_array(plan, model->arrays.items[i].symbol);
    for (uint32_t i = 0; i < model->scalars.count; i++) plan_array(plan, model->scalars.items[i].symbol);
}

Fused *fuse_steps(Step *const *steps, const char *const *names, uint32_t count, const FuseOptions *options) {
    Fused *fused = memory_resize(NULL, 1, sizeof *fused);
    *fused =
        (Fused){.program = {.real = options->real, .deterministic = options->deterministic, .calls = options->calls}};
    Model *model = steps[0]->model;
    Plan plan = {.store = model->store, .arena = model->arena, .fused = fused, .options = options};
    plan_declared(&plan, model);
    plan.batch_size = steps[0]->batch_size;
    plan_array(&plan, plan.batch_size);
    for (uint32_t s = 0; s < count; s++) {
        LoopEntry entry = {.name = names[s]};
        fuse_step(&plan, steps, count, s, &entry);
        vec_push(&fused->program.entries, entry);
    }
    vec_free(&plan.items);
    vec_free(&plan.temporaries);
    vec_free(&plan.extracted);
    vec_free(&plan.hoisted);
    vec_free(&plan.uses);
    for (uint32_t i = 0; i < plan.nests.count; i++) vec_free(&plan.nests.items[i]);
    vec_free(&plan.nests);
    return fused;
}

void fused_free(Fused *fused) {
    if (!fused) return;
    loop_program_free(&fused->program);
    vec_free(&fused->array_of);
    vec_free(&fused->notes);
    vec_free(&fused->idle);
    free(fused);
}
