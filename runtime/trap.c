// Looks for NaN and infinity. A look multiplies all numbers by zero and adds them up, which only keeps 0 when all are
// finite; what to say is worked out only when one is not.
#include "trap.h"
#include "program_internal.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct Trap {
    const Instance *instance;
    int64_t every, last; // the step of the last look
    bool *left_out;      // by number of the array
    double **before;     // with every == 1: all arrays before the step, dense, sample last
};

// ---- Reading --------------------------------------------------------------------------------------------------------

static const LoopArray *array_of(const Instance *in, uint32_t number) {
    return &in->form->fused->program.arrays.items[number];
}

// Contiguous runs of real elements: the samples of an element, or the last axis of an array without samples.
static int64_t run_length(const Instance *in, const LoopArray *array) {
    if (in->current) return loop_array_count(array, in->batch);
    return array->batched ? in->batch : array->rank ? array->extent[array->rank - 1] : 1;
}

static double run_sum(const Instance *in, uint32_t number, int64_t run, int64_t length) {
    const LoopArray *array = array_of(in, number);
    double sum = 0;
    if (in->current) {
        for (int64_t i = 0; i < length; i++) sum += 0 * in->current[number][i];
        return sum;
    }
    int64_t first = loop_array_position(array, in->padded, array->batched ? run : run * length);
    if (array->real == LOOP_F64) {
        const double *values = (const double *)in->arrays[number] + first;
        for (int64_t i = 0; i < length; i++) sum += 0 * values[i];
        return sum;
    }
    const float *values = (const float *)in->arrays[number] + first;
    float single = 0;
    for (int64_t i = 0; i < length; i++) single += 0 * values[i];
    return (double)single;
}

static bool all_finite(const Instance *in, uint32_t number) {
    const LoopArray *array = array_of(in, number);
    int64_t length = run_length(in, array), runs = length ? loop_array_count(array, in->batch) / length : 0;
    for (int64_t run = 0; run < runs; run++)
        if (run_sum(in, number, run, length) != 0) return false;
    return true;
}

// An array as the reference walks it: dense, sample last.
static void read_dense(const Instance *in, uint32_t number, double *values) {
    const LoopArray *array = array_of(in, number);
    int64_t elements = loop_array_count(array, 1), samples = array->batched ? in->batch : 1;
    if (in->current) {
        memcpy(values, in->current[number], (size_t)(elements * samples) * sizeof *values);
        return;
    }
    for (int64_t e = 0; e < elements; e++) {
        int64_t at = loop_array_position(array, in->padded, e);
        for (int64_t b = 0; b < samples; b++)
            values[e * samples + b] = array->real == LOOP_F64 ? ((const double *)in->arrays[number])[at + b]
                                                              : (double)((const float *)in->arrays[number])[at + b];
    }
}

// ---- Opening --------------------------------------------------------------------------------------------------------

static uint32_t array_count(const Instance *in) { return in->form->fused->program.arrays.count; }

// One block for all arrays; the addresses stand before it, by number of the array.
static double **new_arrays(const Instance *in) {
    uint32_t count = array_count(in);
    int64_t total = 0;
    for (uint32_t i = 0; i < count; i++) total += loop_array_count(array_of(in, i), in->batch);
    double **arrays = memory_resize(NULL, count + 1, sizeof *arrays);
    double *at = memory_resize(NULL, (size_t)total, sizeof *at);
    for (uint32_t i = 0; i < count; i++) {
        arrays[i] = at;
        at += loop_array_count(array_of(in, i), in->batch);
    }
    arrays[count] = at - total; // what is to be freed
    return arrays;
}

static void read_arrays(const Instance *in, double **arrays) {
    for (uint32_t i = 0; i < array_count(in); i++) read_dense(in, i, arrays[i]);
}

static void free_arrays(const Instance *in, double **arrays) {
    if (arrays) free(arrays[array_count(in)]);
    free(arrays);
}

Trap *trap_new(const Instance *in, int64_t every) {
    Trap *trap = memory_resize(NULL, 1, sizeof *trap);
    *trap = (Trap){.instance = in, .every = every, .last = in->steps};
    trap->left_out = memory_resize(NULL, array_count(in), sizeof *trap->left_out);
    for (uint32_t i = 0; i < array_count(in); i++) trap->left_out[i] = !all_finite(in, i);
    if (every == 1) trap->before = new_arrays(in);
    return trap;
}

void trap_free(Trap *trap) {
    if (!trap) return;
    free(trap->left_out);
    free_arrays(trap->instance, trap->before);
    free(trap);
}

// ---- The step once more, by the reference ---------------------------------------------------------------------------

// Values of all symbols before and after a step, dense, sample last; those that no array keeps only after it.
typedef struct Replay {
    const Instance *in;
    const Step *step;
    double **old, **now; // by symbol
    Vec(double *) owned;
} Replay;

static uint32_t array_of_symbol(const Instance *in, Symbol symbol) {
    const Fused *fused = in->form->fused;
    return symbol < fused->array_of.count ? fused->array_of.items[symbol] : 0;
}

static int64_t symbol_length(const Instance *in, const SymbolInfo *info) {
    int64_t count = info->batched ? in->batch : 1;
    for (uint32_t k = 0; k < info->rank; k++) count *= info->extent[k];
    return count;
}

// `before` NULL: only the values after the step are known, and stand for those before it as well.
static void replay_open(Replay *replay, const Instance *in, double **before) {
    const ExprStore *store = in->program->model->store;
    uint32_t symbols = symbol_count(store) + 1;
    *replay = (Replay){.in = in, .step = in->program->step[ENTRY_TRAIN]};
    replay->old = memory_resize(NULL, symbols, sizeof(double *));
    replay->now = memory_resize(NULL, symbols, sizeof(double *));
    replay->old[0] = replay->now[0] = NULL;
    for (Symbol s = 1; s < symbols; s++) {
        const SymbolInfo *info = symbol_info(store, s);
        int64_t length = symbol_length(in, info);
        uint32_t array = array_of_symbol(in, s);
        double *old = memory_resize(NULL, (size_t)length, sizeof *old);
        double *now = memory_resize(NULL, (size_t)length, sizeof *now);
        for (int64_t i = 0; i < length; i++) old[i] = now[i] = 0;
        if (array) {
            bool given = info->role == ROLE_INPUT; // set for this very step
            read_dense(in, array - 1, now);
            memcpy(old, before && !given ? before[array - 1] : now, (size_t)length * sizeof *old);
            if (before) memcpy(now, old, (size_t)length * sizeof *now);
        }
        vec_push(&replay->owned, old);
        vec_push(&replay->owned, now);
        replay->old[s] = old;
        replay->now[s] = now;
    }
    uint64_t active = 0;
    for (uint32_t i = 0; i < in->program->model->learn.count; i++) {
        const LearnRule *rule = &in->program->model->learn.items[i];
        if (rule->from < in->steps && in->steps <= rule->until) active |= (uint64_t)1 << i;
    }
    if (before) step_reference(replay->step, replay->old, replay->now, in->batch, active);
}

static void replay_close(Replay *replay) {
    for (uint32_t i = 0; i < replay->owned.count; i++) free(replay->owned.items[i]);
    vec_free(&replay->owned);
    free(replay->old);
    free(replay->now);
}

// The first assignment, in the order of the step, whose result is not finite somewhere; in double, or as computed.
static const StepAssign *first_assignment(const Replay *replay, bool as_computed, int64_t *place) {
    const ExprStore *store = replay->in->program->model->store;
    for (uint32_t i = 0; i < replay->step->assigns.count; i++) {
        const StepAssign *assign = &replay->step->assigns.items[i];
        int64_t length = symbol_length(replay->in, symbol_info(store, assign->symbol));
        uint32_t array = array_of_symbol(replay->in, assign->symbol);
        if (as_computed && !array) continue;
        double *own = as_computed ? memory_resize(NULL, (size_t)length, sizeof *own) : NULL;
        if (own) read_dense(replay->in, array - 1, own);
        const double *values = own ? own : replay->now[assign->symbol];
        int64_t k = 0;
        while (k < length && isfinite(values[k])) k++;
        free(own);
        *place = k;
        if (k < length) return assign;
    }
    return NULL;
}

// ---- The report -----------------------------------------------------------------------------------------------------

static void add_unit(const Instance *in, const SymbolInfo *info, int64_t place, Text *out) {
    int64_t sample = info->batched ? place % in->batch : -1, element = info->batched ? place / in->batch : place;
    int64_t inner = 1;
    for (uint32_t k = 0; k < info->rank; k++) inner *= info->extent[k];
    text_add(out, info->name);
    for (uint32_t k = 0; k < info->rank; k++) {
        inner /= info->extent[k];
        text_addf(out, k ? ", %lld" : "[%lld", (long long)(element / inner % info->extent[k]));
    }
    if (info->rank) text_add(out, "]");
    if (sample >= 0) text_addf(out, " of sample %lld", (long long)sample);
}

static void add_value(double value, Text *out) {
    if (isnan(value))
        text_add(out, "NaN");
    else if (isinf(value))
        text_add(out, value > 0 ? "infinite" : "-infinite");
    else
        text_addf(out, "%.6g", value);
}

// The values of an array that an equation reads: its own element where it is elementwise, otherwise their range.
static void add_operand(const Replay *replay, Symbol symbol, ExprVersion version, const SymbolInfo *result,
                        int64_t place, Text *out) {
    const ExprStore *store = replay->in->program->model->store;
    const SymbolInfo *info = symbol_info(store, symbol);
    const double *values = version == VERSION_OLD ? replay->old[symbol] : replay->now[symbol];
    int64_t length = symbol_length(replay->in, info), wrong = 0;
    bool alike = info->rank == result->rank && info->batched == result->batched;
    for (uint32_t k = 0; alike && k < info->rank; k++) alike = info->extent[k] == result->extent[k];
    text_addf(out, "\n  %s%s = ", info->name, version == VERSION_NEW ? "'" : "");
    if (alike || length == 1) {
        add_value(values[alike ? place : 0], out);
        return;
    }
    double low = INFINITY, high = -INFINITY;
    for (int64_t i = 0; i < length; i++) {
        wrong += !isfinite(values[i]);
        if (values[i] < low) low = values[i];
        if (values[i] > high) high = values[i];
    }
    text_addf(out, "%.6g .. %.6g", low, high);
    if (wrong) text_addf(out, ", %lld of %lld not finite", (long long)wrong, (long long)length);
}

typedef struct Operands {
    const Replay *replay;
    const SymbolInfo *result;
    int64_t place;
    Vec(uint64_t) seen; // symbol and version
    Text *out;
} Operands;

static bool visit_operand(const ExprStore *store, Expr expr, void *context) {
    Operands *operands = context;
    ExprNode node = expr_node(store, expr);
    if (node.kind != EXPR_ACCESS) return true;
    uint64_t key = (uint64_t)node.symbol << 1 | (node.version == VERSION_NEW);
    for (uint32_t i = 0; i < operands->seen.count; i++)
        if (operands->seen.items[i] == key) return false;
    vec_push(&operands->seen, key);
    add_operand(operands->replay, node.symbol, node.version, operands->result, operands->place, operands->out);
    return false;
}

static void add_equation(const Replay *replay, const StepAssign *assign, int64_t place, bool operands, Text *out) {
    ExprStore *store = replay->in->program->model->store;
    SymbolInfo result = *symbol_info(store, assign->symbol);
    text_add(out, "\n  by ");
    step_print_assign(store, assign, out);
    const char *file;
    uint32_t line, column;
    if (assign->span.source) {
        diag_position(replay->in->program->model->diags, assign->span, &file, &line, &column);
        text_addf(out, "\n  from %s:%u:%u", file, line, column);
    }
    Operands visit = {.replay = replay, .result = &result, .place = place, .out = out};
    if (operands) expr_visit(store, assign->value, visit_operand, &visit);
    vec_free(&visit.seen);
}

static void report(const Trap *trap, const Instance *in, uint32_t found, Text *out) {
    Replay replay;
    int64_t place = 0, computed_place = 0;
    const ExprStore *store = in->program->model->store;
    replay_open(&replay, in, trap->before);
    const StepAssign *assign = trap->before ? first_assignment(&replay, false, &place) : NULL;
    const StepAssign *computed = first_assignment(&replay, true, &computed_place);
    bool exact = assign && (!computed || assign <= computed); // otherwise it only happens in the precision of the run
    if (!exact) {
        assign = computed;
        place = computed_place;
    }
    if (assign) {
        const SymbolInfo *info = symbol_info(store, assign->symbol);
        uint32_t array = array_of_symbol(in, assign->symbol);
        double *values = exact ? NULL : memory_resize(NULL, (size_t)symbol_length(in, info), sizeof *values);
        if (values) read_dense(in, array - 1, values);
        add_unit(in, info, place, out);
        text_add(out, " became ");
        add_value(values ? values[place] : replay.now[assign->symbol][place], out);
        free(values);
    } else {
        text_addf(out, "%s became NaN or infinite", array_of(in, found)->name);
    }
    if (trap->before)
        text_addf(out, " in step %lld", (long long)in->steps - 1);
    else
        text_addf(out, " between the steps %lld and %lld; `--trap 1` finds the first one, with its operands",
                  (long long)trap->last, (long long)in->steps - 1);
    if (assign) add_equation(&replay, assign, place, trap->before != NULL, out);
    replay_close(&replay);
}

bool trap_look(Trap *trap, const Instance *in, bool now, Text *error) {
    if (in->steps > trap->last && (now || in->steps - trap->last >= trap->every)) {
        for (uint32_t i = 0; i < array_count(in); i++) {
            if (trap->left_out[i] || all_finite(in, i)) continue;
            report(trap, in, i, error);
            return false;
        }
        trap->last = in->steps;
    }
    if (trap->before) read_arrays(in, trap->before);
    return true;
}

int64_t trap_calm(const Trap *trap, const Instance *in) { return trap->last + trap->every - in->steps; }
