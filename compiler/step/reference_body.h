// The walk of reference.c, included once for each kind of number, with NUMBER, NAME, EVALUATE and REFERENCE defined. No
// include guard: it is meant to be read more than once.

typedef struct NAME(Arrays) {
    const ExprStore *store;
    NUMBER *const *old, *const *now;
    int64_t batch;
} NAME(Arrays);

static NUMBER NAME(element)(void *context, Symbol symbol, ExprVersion version, const int64_t *index, uint32_t count) {
    const NAME(Arrays) *arrays = context;
    const NUMBER *values = (version == VERSION_OLD ? arrays->old : arrays->now)[symbol];
    assert(values && "a symbol without storage is read");
    return values[place_of(symbol_info(arrays->store, symbol), index, count, arrays->batch)];
}

typedef struct NAME(Walk) {
    NAME(Arrays) arrays;
    const StepAssign *assign;
    const SymbolInfo *info;
    Index axes[EXPR_MAX_RANK];
    int64_t *values; // of index variables, by number
} NAME(Walk);

static void NAME(assign_element)(NAME(Walk) * walk, int64_t *index) {
    const SymbolInfo *info = walk->info;
    NUMBER *out = walk->arrays.now[walk->assign->symbol];
    int64_t samples = info->batched ? walk->arrays.batch : 1;
    for (int64_t b = 0; b < samples; b++) {
        index[info->rank] = walk->values[INDEX_BATCH] = b;
        out[place_of(info, index, info->rank + info->batched, walk->arrays.batch)] = EVALUATE(
            walk->arrays.store, walk->assign->value, NAME(element), &walk->arrays, walk->values, walk->arrays.batch);
    }
}

static void NAME(assign_axis)(NAME(Walk) * walk, uint32_t axis, int64_t *index) {
    if (axis == walk->info->rank) {
        NAME(assign_element)(walk, index);
        return;
    }
    if (axis == 1 && walk->assign->slot) {
        const NAME(Arrays) *arrays = &walk->arrays;
        index[axis] = (int64_t)llround(creal(
            EVALUATE(arrays->store, walk->assign->slot, NAME(element), &walk->arrays, walk->values, arrays->batch)));
        NAME(assign_axis)(walk, axis + 1, index);
        return;
    }
    for (int64_t i = 0; i < walk->info->extent[axis]; i++) {
        index[axis] = walk->values[walk->axes[axis]] = i;
        NAME(assign_axis)(walk, axis + 1, index);
    }
}

// Room for the value of every index variable that is free in an assignment: its axes and the batch.
static int64_t *NAME(index_values)(const NAME(Walk) * walk) {
    Index last = INDEX_BATCH;
    for (uint32_t axis = 0; axis < walk->info->rank; axis++)
        if (walk->axes[axis] > last) last = walk->axes[axis];
    int64_t *values = memory_resize(NULL, (size_t)last + 1, sizeof *values);
    for (Index i = 0; i <= last; i++) values[i] = 0;
    return values;
}

void REFERENCE(const Step *step, NUMBER *const *old, NUMBER *const *now, int64_t batch, uint64_t active) {
    ExprStore *store = step->model->store;
    for (uint32_t i = 0; i < step->assigns.count; i++) {
        const StepAssign *assign = &step->assigns.items[i];
        if (assign->guard && !(active >> (assign->guard - 1) & 1)) continue;
        NAME(Walk)
        walk = {.arrays = {store, old, now, batch}, .assign = assign, .info = symbol_info(store, assign->symbol)};
        model_axes(store, assign->symbol, walk.axes);
        walk.info = symbol_info(store, assign->symbol); // model_axes may have added to the store
        walk.values = NAME(index_values)(&walk);
        int64_t index[EXPR_MAX_RANK + 1] = {0};
        NAME(assign_axis)(&walk, 0, index);
        free(walk.values);
    }
}

#undef NUMBER
#undef NAME
#undef EVALUATE
#undef REFERENCE
