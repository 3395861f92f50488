// Items become kernels and calls of the loops form.
#include "body.h"
#include <stdlib.h>
#include <string.h>

// ---- Arrays ---------------------------------------------------------------------------------------------------------

uint32_t plan_array(Plan *plan, Symbol symbol) {
    Fused *fused = plan->fused;
    while (fused->array_of.count <= symbol) vec_push(&fused->array_of, 0);
    if (fused->array_of.items[symbol]) return fused->array_of.items[symbol] - 1;
    const SymbolInfo *info = symbol_info(plan->store, symbol);
    LoopArray array = {.name = info->name, .rank = info->rank, .per_sample = info->batched};
    array.batched = info->batched && !plan->options->one_sample;
    array.real = info->rank || array.batched ? plan->options->real : LOOP_F64;
    for (uint32_t i = 0; i < info->rank; i++) array.extent[i] = info->extent[i];
    vec_push(&fused->program.arrays, array);
    fused->array_of.items[symbol] = fused->program.arrays.count;
    return fused->program.arrays.count - 1;
}

uint32_t plan_axes(const Plan *plan, Symbol symbol, Index *axes) {
    uint32_t rank = symbol_info(plan->store, symbol)->rank;
    model_axes(plan->store, symbol, axes);
    if (symbol_info(plan->store, symbol)->batched && !plan->options->one_sample) axes[rank++] = INDEX_BATCH;
    return rank;
}

uint32_t plan_access_rank(const Plan *plan, ExprNode access) {
    bool sample = plan->options->one_sample && symbol_info(plan->store, access.symbol)->batched;
    return access.count - sample;
}

Expr plan_own_access(const Plan *plan, const Item *item, ExprVersion version) {
    Expr at[EXPR_MAX_RANK + 2];
    uint32_t count = 0;
    for (uint32_t i = 0; i < item->rank; i++) {
        at[count++] = expr_index(plan->store, item->axis[i]);
        if (item->slot && i == 0) at[count++] = item->slot;
    }
    if (plan->options->one_sample && symbol_info(plan->store, item->symbol)->batched)
        at[count++] = expr_index(plan->store, INDEX_BATCH);
    return expr_access(plan->store, item->symbol, version, at, count);
}

// ---- Kernels and calls ----------------------------------------------------------------------------------------------

static void add_key(LoopKernel *kernel) {
    Text text = {0};
    text_addf(&text, "%d %d %u %u %d\n", kernel->kind, kernel->real, kernel->axes, kernel->outer, kernel->maximum);
    for (uint32_t i = 0; i < kernel->ops.count; i++) {
        const LoopOp *op = &kernel->ops.items[i];
        uint64_t value;
        memcpy(&value, &op->value, sizeof value);
        text_addf(&text, "%d %u %u %u %llx %llx\n", op->kind, op->a, op->b, op->c, (unsigned long long)value,
                  (unsigned long long)op->bits);
    }
    for (uint32_t i = 0; i < kernel->accesses.count; i++)
        text_addf(&text, "a %u %d %d %u\n", kernel->accesses.items[i].argument, kernel->accesses.items[i].scalar_f64,
                  kernel->accesses.items[i].vector, kernel->accesses.items[i].slot);
    for (uint32_t i = 0; i < kernel->stores.count; i++)
        text_addf(&text, "s %u %u\n", kernel->stores.items[i].access, kernel->stores.items[i].value);
    for (uint32_t i = 0; i < kernel->sums.count; i++)
        text_addf(&text, "+ %u %u %d\n", kernel->sums.items[i].access, kernel->sums.items[i].value,
                  kernel->sums.items[i].down);
    kernel->key = text.bytes;
}

// The number of an equal kernel that exists already, or of this one, now added.
static uint32_t intern_kernel(LoopProgram *program, LoopKernel kernel) {
    add_key(&kernel);
    for (uint32_t i = 0; i < program->kernels.count; i++) {
        if (strcmp(program->kernels.items[i].key, kernel.key) != 0) continue;
        vec_free(&kernel.ops);
        vec_free(&kernel.accesses);
        vec_free(&kernel.stores);
        vec_free(&kernel.sums);
        free(kernel.key);
        return i;
    }
    vec_push(&program->kernels, kernel);
    return program->kernels.count - 1;
}

static LoopAxis loop_axis(const Plan *plan, Index index) {
    return index == INDEX_BATCH ? (LoopAxis){.batch = true}
                                : (LoopAxis){.extent = index_info(plan->store, index)->extent};
}

static LoopCall begin_call(const Item *item) { return (LoopCall){.guard = item->guard, .span = item->span}; }

void nest_finish(Emission *e, LoopEntry *entry, LoopKernel kernel) {
    LoopCall call = begin_call(e->group[0]);
    LoopProgram *program = &e->plan->fused->program;
    for (uint32_t i = 0; i < e->places.count; i++) {
        const LoopArray *array = &program->arrays.items[e->arrays.items[e->places.items[i].argument]];
        bool scalar = !array->rank && !array->batched;
        const Place *place = &e->places.items[i];
        vec_push(&kernel.accesses, (LoopAccess){place->argument, scalar, place->vector, place->slot});
    }
    kernel.real = e->body.real;
    kernel.axes = e->axes;
    for (uint32_t i = 0; i < e->body.ops.count; i++) vec_push(&kernel.ops, e->body.ops.items[i]);
    for (uint32_t k = 0; k < e->axes; k++) call.axis[k] = loop_axis(e->plan, e->axis[k]);
    call.array_count = e->arrays.count;
    call.array = memory_resize(NULL, e->arrays.count, sizeof *call.array);
    memcpy(call.array, e->arrays.items, e->arrays.count * sizeof *call.array);
    call.stride = memory_resize(NULL, (size_t)e->places.count * LOOP_MAX_AXES, sizeof *call.stride);
    call.offset = memory_resize(NULL, e->places.count, sizeof *call.offset);
    for (uint32_t i = 0; i < e->places.count; i++) {
        memcpy(call.stride + (size_t)i * LOOP_MAX_AXES, e->places.items[i].stride, sizeof e->places.items[i].stride);
        call.offset[i] = e->places.items[i].offset;
    }
    call.kernel = intern_kernel(program, kernel);
    vec_push(&entry->calls, call);
    loop_body_free(&e->body);
    vec_free(&e->places);
    vec_free(&e->arrays);
    expr_memo_free(&e->memo);
    expr_memo_free(&e->truths);
    free(e->stored);
}

Emission nest_begin(Plan *plan, Item *const *group, uint32_t count) {
    Emission e = {.plan = plan, .group = group, .group_count = count, .axes = group[0]->rank};
    memcpy(e.axis, group[0]->axis, sizeof group[0]->axis);
    e.body.deterministic = plan->options->deterministic;
    e.body.calls = plan->options->calls;
    e.body.real = group[0]->rank ? plan->options->real : LOOP_F64; // single numbers are always computed in double
    e.stored = memory_resize(NULL, count, sizeof *e.stored);
    return e;
}

// The value of an item with its sums, as it stood before it was taken apart.
static Expr noted_value(Plan *plan, const Item *item) {
    ExprStore *s = plan->store;
    Expr value = item->value;
    if (item->kind == ITEM_PRODUCT || item->kind == ITEM_OUTER) value = expr_mul(s, item->left, item->right);
    for (uint32_t i = item->kind == ITEM_MAP ? 0 : item->reduced; i-- > 0;)
        value = item->maximum ? expr_maximum(s, item->over[i], value) : expr_sum(s, item->over[i], value);
    return value;
}

// Of the call that is about to be added to the entry, which in turn is about to be added to the program.
void nest_note(Plan *plan, const LoopEntry *entry, const Item *item, uint32_t op) {
    if (!plan->options->calls) return;
    vec_push(&plan->fused->notes, (FusedNote){.entry = plan->fused->program.entries.count,
                                              .call = entry->calls.count,
                                              .symbol = item->symbol,
                                              .target = plan_own_access(plan, item, VERSION_NEW),
                                              .value = noted_value(plan, item),
                                              .op = op,
                                              .span = item->span});
}

static void emit_map(Plan *plan, LoopEntry *entry, Item *const *group, uint32_t count) {
    Emission e = nest_begin(plan, group, count);
    LoopKernel kernel = {.kind = LOOP_MAP};
    e.group_count = 0;
    for (uint32_t i = 0; i < count; i++) { // in order: a value may use those before it
        e.stored[i] = body_emit(&e, group[i]->value);
        e.group_count = i + 1;
        nest_note(plan, entry, group[i], e.stored[i]);
    }
    for (uint32_t i = 0; i < count; i++)
        if (plan_needs_store(plan, group[i], group, count))
            vec_push(&kernel.stores,
                     (LoopStore){body_place(&e, expr_node(plan->store, plan_own_access(plan, group[i], VERSION_NEW))),
                                 e.stored[i]});
    nest_finish(&e, entry, kernel);
}

void nest_reduce(Plan *plan, LoopEntry *entry, Item *const *group) {
    const Item *item = group[0];
    Emission e = nest_begin(plan, group, 0);
    e.group_count = 0;
    e.body.real = plan->options->real;
    for (uint32_t i = 0; i < item->reduced; i++) e.axis[e.axes++] = item->over[i];
    LoopKernel kernel = {.kind = LOOP_REDUCE, .outer = item->rank, .maximum = item->maximum};
    nest_note(plan, entry, item, UINT32_MAX);
    uint32_t value = body_emit(&e, item->value);
    vec_push(&kernel.stores,
             (LoopStore){body_place(&e, expr_node(plan->store, plan_own_access(plan, item, VERSION_NEW))), value});
    nest_finish(&e, entry, kernel);
}

static void emit_contraction(Plan *plan, LoopEntry *entry, const Item *item) {
    nest_note(plan, entry, item, UINT32_MAX);
    LoopCall call = begin_call(item);
    ExprNode left = expr_node(plan->store, item->left), right = expr_node(plan->store, item->right);
    call.array_count = 3;
    call.array = memory_resize(NULL, 3, sizeof *call.array);
    call.array[0] = plan_array(plan, item->symbol);
    call.array[1] = plan_array(plan, left.symbol);
    call.array[2] = plan_array(plan, right.symbol);
    call.stride = memory_resize(NULL, LOOP_MAX_AXES, sizeof *call.stride);
    memset(call.stride, 0, LOOP_MAX_AXES * sizeof *call.stride);
    call.offset = memory_resize(NULL, 3, sizeof *call.offset);
    memset(call.offset, 0, 3 * sizeof *call.offset);
    LoopKernel kernel = {.kind = item->kind == ITEM_PRODUCT ? LOOP_PRODUCT : LOOP_OUTER, .real = plan->options->real};
    const LoopArray *arrays = plan->fused->program.arrays.items;
    call.axis[0] = loop_axis(plan, item->axis[0]);
    if (item->kind == ITEM_PRODUCT) {
        call.axis[1] = loop_axis(plan, item->over[0]);
        bool straight = expr_node(plan->store, left.argument[0]).index == item->axis[0];
        call.stride[0] = loop_array_stride(&arrays[call.array[1]], straight ? 0 : 1);
        call.stride[1] = loop_array_stride(&arrays[call.array[1]], straight ? 1 : 0);
    } else {
        call.axis[1] = loop_axis(plan, item->axis[1]);
        call.stride[0] = loop_array_stride(&arrays[call.array[0]], 0);
    }
    call.kernel = intern_kernel(&plan->fused->program, kernel);
    vec_push(&entry->calls, call);
}

// Rows and columns are called otherwise in each item: what was said of one expression says nothing of the next item's.

void plan_emit(Plan *plan, LoopEntry *entry, Item *const *group, uint32_t count) {
    bool sweep = false; // more than one nest would do
    for (uint32_t i = 0; i < count; i++)
        sweep |= group[i]->sweeps && (group[i]->kind == ITEM_REDUCE || group[i]->guard != group[0]->guard);
    if (sweep) {
        plan_emit_sweep(plan, entry, group, count);
        return;
    }
    switch (group[0]->kind) {
    case ITEM_MAP: emit_map(plan, entry, group, count); break;
    case ITEM_REDUCE: nest_reduce(plan, entry, group); break;
    case ITEM_PRODUCT:
    case ITEM_OUTER: emit_contraction(plan, entry, group[0]); break;
    }
}
