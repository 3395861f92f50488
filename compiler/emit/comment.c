// What comments say: the equations of the step that a call computes, the derived equations behind them, and where in
// the model file they come from.
#include "writer.h"
#include <string.h>

// ---- Text of the model in comments ----------------------------------------------------------------------------------

// Neither the end nor the beginning of a comment, no line end, no trigraph, no line continuation, printable ASCII only.
void emit_comment(Text *out, const char *text) {
    char before = 0;
    for (const char *c = text; *c; c++) {
        bool joins = (before == '*' && *c == '/') || (before == '/' && *c == '*') || (before == '?' && *c == '?');
        if (joins) text_add(out, " ");
        char shown = (*c < ' ' || *c > '~' || *c == '\\') ? '_' : *c;
        text_add_bytes(out, &shown, 1);
        before = shown;
    }
}

static const char *safe(const Writer *w, const char *text) {
    Text out = {0};
    emit_comment(&out, text);
    const char *kept = arena_atom_z(w->arena, text_z(&out));
    text_free(&out);
    return kept;
}

const char *emit_place(const Writer *w, Span span) {
    const char *file;
    uint32_t line, column;
    if (!span.source) return "";
    diag_position(w->source->model->diags, span, &file, &line, &column);
    const char *slash = strrchr(file, '/');
    return safe(w, arena_format(w->arena, "%s:%u", slash ? slash + 1 : file, line));
}

const char *emit_printed(const Writer *w, Expr expr) {
    Text out = {0};
    expr_print(w->store, expr, EXPR_TEXT, &out);
    const char *kept = safe(w, text_z(&out));
    text_free(&out);
    return kept;
}

void emit_wrapped(Text *out, const char *indent, const char *text) {
    enum { WIDTH = 104 };
    size_t column = 0;
    for (const char *word = text; *word;) {
        size_t length = strcspn(word, " ");
        while (word[length] && length && word[length - 1] == ',')
            length += 1 + strcspn(word + length + 1, " "); // [i, j] is one
        if (!column || column + 1 + length > WIDTH) {
            text_addf(out, "%s%s%s", column ? "\n" : "", indent, column ? "    " : "");
            column = strlen(indent) + (column ? 4 : 0);
        } else {
            text_add(out, " ");
            column++;
        }
        text_add_bytes(out, word, length);
        column += length;
        word += length;
        while (*word == ' ') word++;
    }
    text_add(out, "\n");
}

// ---- Derived equations ----------------------------------------------------------------------------------------------

static Expr element(const Writer *w, Symbol symbol) { return model_element(w->store, symbol, VERSION_OLD); }

static void equate(const Writer *w, const char *left, const char *right, Text *out) {
    emit_wrapped(out, " *   ", arena_format(w->arena, "%s = %s", left, right));
}

static bool derived_of_errors(const Writer *w, const NeuronEquations *n, Symbol symbol, Text *out) {
    Expr total = expr_const(w->store, 0);
    for (uint32_t k = 0; k < n->errors.count; k++) {
        const ErrorInput *in = &n->errors.items[k];
        total = expr_add(w->store, total, in->filtered);
        if (!in->state || in->state != symbol) continue;
        Expr rate =
            expr_mul(w->store, n->leaves.items[in->leaf].tau, expr_make1(w->store, EXPR_RATE, element(w, in->state)));
        equate(w, emit_printed(w, rate),
               emit_printed(w, expr_sub(w->store, element(w, in->symbol), element(w, in->state))), out);
        return true;
    }
    if (!n->has_error || symbol != n->error) return false;
    equate(w, emit_printed(w, element(w, symbol)), emit_printed(w, total), out);
    return true;
}

static bool derived_of_neuron(const Writer *w, const NeuronEquations *n, Symbol symbol, Text *out) {
    const Population *p = &w->source->model->populations.items[n->population];
    if (symbol == n->state) {
        Expr membrane = n->membrane;
        if (n->error && !n->has_error)
            membrane = expr_replace(w->store, membrane, element(w, n->error), expr_const(w->store, 0));
        Expr rate =
            expr_mul(w->store, n->leaves.items[n->solved].tau, expr_make1(w->store, EXPR_RATE, element(w, n->state)));
        equate(w, emit_printed(w, rate), emit_printed(w, expr_sub(w->store, membrane, element(w, n->state))), out);
        return true;
    }
    for (uint32_t k = 0; k < n->leaves.count; k++)
        if (n->leaves.items[k].symbol == symbol && k != n->solved) {
            equate(w, emit_printed(w, element(w, symbol)), emit_printed(w, n->leaves.items[k].node), out);
            return true;
        }
    for (uint32_t k = 0; k < n->gates.count; k++)
        if (n->gates.items[k].symbol == symbol) {
            const char *left =
                arena_format(w->arena, "%s = d %s / d %s", emit_printed(w, element(w, symbol)),
                             emit_printed(w, element(w, p->outputs.items[n->gates.items[k].output].symbol)),
                             emit_printed(w, element(w, n->leaves.items[n->gates.items[k].leaf].symbol)));
            equate(w, left, emit_printed(w, n->gates.items[k].value), out);
            return true;
        }
    for (uint32_t k = 0; k < p->outputs.count; k++)
        if (p->outputs.items[k].symbol == symbol) {
            equate(w, emit_printed(w, element(w, symbol)), emit_printed(w, n->value[k]), out);
            return true;
        }
    return derived_of_errors(w, n, symbol, out);
}

// The continuous-time equation of an array, as `lequel derive` has it.
static bool derived(const Writer *w, Symbol symbol, Text *out) {
    const Equations *equations = w->source->equations;
    for (uint32_t i = 0; i < equations->neurons.count; i++)
        if (derived_of_neuron(w, &equations->neurons.items[i], symbol, out)) return true;
    for (uint32_t i = 0; i < equations->connections.count; i++)
        for (uint32_t k = 0; k < equations->connections.items[i].downward.count; k++)
            if (equations->connections.items[i].downward.items[k] == symbol) {
                equate(w, emit_printed(w, element(w, symbol)),
                       emit_printed(w, equations->connections.items[i].downward_value.items[k]), out);
                return true;
            }
    for (uint32_t i = 0; i < equations->gradients.count; i++)
        if (equations->gradients.items[i].symbol == symbol) {
            const Gradient *gradient = &equations->gradients.items[i];
            const char *left = arena_format(w->arena, "%s = dE/d(%s)", emit_printed(w, element(w, symbol)),
                                            emit_printed(w, element(w, gradient->parameter)));
            equate(w, left, emit_printed(w, gradient->value), out);
            return true;
        }
    return false;
}

// ---- The comment of a call ------------------------------------------------------------------------------------------

static void assignment(const Writer *w, const FusedNote *note, Text *out) {
    equate(w, emit_printed(w, note->target), emit_printed(w, note->value), out);
}

void emit_equations(const Writer *w, uint32_t entry, uint32_t call, Text *out) {
    const Fused *fused = w->source->fused;
    Text shown = {0}, behind = {0};
    const char *place = "";
    for (uint32_t i = 0; i < fused->notes.count; i++) {
        const FusedNote *note = &fused->notes.items[i];
        if (note->entry != entry || note->call != call) continue;
        assignment(w, note, &shown);
        derived(w, note->symbol, &behind);
        if (!*place) place = emit_place(w, note->span);
    }
    text_addf(out, "/* From %s:\n%s", *place ? place : "the compiler", text_z(&shown));
    if (behind.length) text_addf(out, " * derived from the energy as\n%s", text_z(&behind));
    text_add(out, " */\n");
    text_free(&shown);
    text_free(&behind);
}
