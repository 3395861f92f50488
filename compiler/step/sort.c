// The order of execution of a step's assignments.
#include "discretise.h"
#include <stdlib.h>
#include <string.h>

// What an assignment waits for: the symbols of which its value reads this step's, from `first` to `end` in one list.
typedef struct Reads {
    Vec(Symbol) symbols;
    uint8_t *listed; // per symbol: already in the list of this assignment
    uint32_t *first; // per assignment, and one more
} Reads;

static bool new_read(const ExprStore *store, Expr expr, void *context) {
    Reads *reads = context;
    ExprNode node = expr_node(store, expr);
    if (node.kind != EXPR_ACCESS || node.version != VERSION_NEW || reads->listed[node.symbol]) return true;
    reads->listed[node.symbol] = 1;
    vec_push(&reads->symbols, node.symbol);
    return true;
}

static Reads find_reads(const Step *step) {
    const ExprStore *store = step->model->store;
    uint32_t count = step->assigns.count, symbols = symbol_count(store) + 1;
    Reads reads = {.listed = memory_resize(NULL, symbols, 1),
                   .first = memory_resize(NULL, count + 1, sizeof(uint32_t))};
    memset(reads.listed, 0, symbols);
    for (uint32_t i = 0; i < count; i++) {
        reads.first[i] = reads.symbols.count;
        expr_visit(store, step->assigns.items[i].value, new_read, &reads);
        for (uint32_t k = reads.first[i]; k < reads.symbols.count; k++) reads.listed[reads.symbols.items[k]] = 0;
    }
    reads.first[count] = reads.symbols.count;
    return reads;
}

static bool is_ready(const Reads *reads, uint32_t assign, const uint8_t *waiting) {
    for (uint32_t k = reads->first[assign]; k < reads->first[assign + 1]; k++)
        if (waiting[reads->symbols.items[k]]) return false;
    return true;
}

static void report_loop(const Model *model, const StepAssign *a) {
    Span at = model->dynamics.span.source ? model->dynamics.span : a->span;
    diag_report(model->diags, DIAG_E0305, at, "`%s` depends on itself within one step under `order %s`",
                symbol_info(model->store, a->symbol)->name, order_name(model->order));
    diag_expected(model->diags, "values that can be computed one after the other");
    if (model->order == ORDER_PARALLEL)
        diag_help(model->diags, "read a state, which is known before the step, instead of what follows from it");
    else
        diag_help(model->diags, "use `order parallel`, in which a message waits one step in a register%s",
                  model->order == ORDER_SEQUENTIAL ? ", or set gamma to 0" : "");
    diag_note(model->diags, a->span, "the circle passes here");
}

// Otherwise in the order in which they were made.
bool step_sort(Step *step) {
    uint32_t count = step->assigns.count, symbols = symbol_count(step->model->store) + 1, placed = 0, stuck = count;
    StepAssign *items = step->assigns.items, *sorted = memory_resize(NULL, count + 1, sizeof *sorted);
    uint8_t *waiting = memory_resize(NULL, symbols, 1), *done = memory_resize(NULL, count + 1, 1);
    Reads reads = find_reads(step);
    memset(waiting, 0, symbols);
    memset(done, 0, count + 1);
    for (uint32_t i = 0; i < count; i++) waiting[items[i].symbol] = 1;
    for (bool progress = true; progress && placed < count;) {
        progress = false;
        for (uint32_t i = 0; i < count; i++) {
            if (done[i] || !is_ready(&reads, i, waiting)) continue;
            sorted[placed++] = items[i];
            waiting[items[i].symbol] = 0;
            done[i] = progress = true;
        }
    }
    for (uint32_t i = count; i-- > 0;)
        if (!done[i]) stuck = i;
    if (stuck < count) report_loop(step->model, &items[stuck]);
    if (placed == count && count) memcpy(items, sorted, count * sizeof *items);
    free(sorted);
    vec_free(&reads.symbols);
    free(reads.listed);
    free(reads.first);
    free(waiting);
    free(done);
    return placed == count;
}
