// `lequel derive`: the derivation for readers, from the energy to plasticity; discretised.c has the step that follows.
// Every formula is an expression of the Equations, or is made from them by the operations that its line names.
#include "derivation.h"
#include "page.h"
#include "wire.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

typedef Derivation D;

// ---- Sentences, steps, equations ------------------------------------------------------------------------------------

const char *derivation_choose(const D *d, const char *text, const char *unicode, const char *latex,
                              const char *mathml) {
    const char *const spelling[] = {
        [EXPR_TEXT] = text, [EXPR_UNICODE] = unicode, [EXPR_LATEX] = latex, [EXPR_MATHML] = mathml};
    return spelling[d->page.style];
}

const char *derivation_code(const D *d, const char *name) {
    Text text = {0};
    text_add(&text, derivation_choose(d, "`", "`", "\\texttt{", "<code>"));
    for (const char *c = name; *c; c++) {
        bool latex = d->page.style == EXPR_LATEX;
        if (latex && strncmp(c, "…", 3) == 0) {
            text_add(&text, "\\ldots{}");
            c += 2;
            continue;
        }
        if (latex && strchr("_#$%&{}", *c)) text_add(&text, "\\");
        text_add_bytes(&text, c, 1);
    }
    text_add(&text, derivation_choose(d, "`", "`", "}", "</code>"));
    const char *code = arena_atom_z(d->page.arena, text_z(&text));
    text_free(&text);
    return code;
}

void derivation_put(D *d, PageKind kind, const char *text) {
    vec_push(&d->page.items, (PageItem){.kind = kind, .text = text, .sign = "", .right = "", .range = "", .place = ""});
}

#define MI(x) "<mi>" x "</mi>"
#define MO(x) "<mo>" x "</mo>"
#define TIME_OPERATOR                                                                                                  \
    "<mrow><mo>(</mo><mn>1</mn><mo>+</mo><mi>τ</mi><mfrac><mi mathvariant=\"normal\">d</mi><mrow><mi "                \
    "mathvariant=\"normal\">d</mi><mi>t</mi></mrow></mfrac><mo>)</mo></mrow>"

// Formulas stand in braces in a sentence, as text; these look different in the other styles.
static const char *const formulas[][4] = {
    {"A", "A", "A", MI("A")},
    {"B", "B", "B", MI("B")},
    {"e", "e", "e", MI("e")},
    {"p", "p", "p", MI("p")},
    {"u", "u", "u", MI("u")},
    {"x", "x", "x", MI("x")},
    {"b", "b", "b", MI("b")},
    {"x'", "x′", "x^{\\prime}", "<msup><mi>x</mi><mo>′</mo></msup>"},
    {"G", "G", "G", MI("G")},
    {"N_batch", "N_batch", "N_{\\mathrm{batch}}", "<msub><mi>N</mi><mi>batch</mi></msub>"},
    {"gamma*e", "γ e", "\\gamma\\,e", MI("γ") MO("&#x2062;") MI("e")},
    {"A = gamma*e", "A = γ e", "A = \\gamma\\,e", MI("A") MO("=") MI("γ") MO("&#x2062;") MI("e")},
    {"theta", "θ", "\\theta", MI("θ")},
    {"delta", "δ", "\\delta", MI("δ")},
    {"lambda", "λ", "\\lambda", MI("λ")},
    {"G = dE/dtheta", "G = ∂E/∂θ", "G = \\partial E/\\partial\\theta",
     MI("G") MO("=") MO("∂") MI("E") MO("/") MO("∂") MI("θ")},
    {"-dE/d(output)", "−∂E/∂(output)", "-\\partial E/\\partial(\\mathrm{output})",
     MO("−") MO("∂") MI("E") MO("/") MO("∂") MO("(") MI("output") MO(")")},
    {"ahead(x, tau)", "ahead(x, τ)", "\\left(1 + \\tau\\,\\mathrm{d}/\\mathrm{d}t\\right) x", TIME_OPERATOR MI("x")},
    {"x + tau*dx/dt", "x + τ ẋ", "x + \\tau\\,\\dot{x}",
     MI("x") MO("+") MI("τ") MO("&#x2062;") "<mover accent=\"true\"><mi>x</mi><mo>˙</mo></mover>"},
    {"lowpass(x, tau)", "lowpass(x, τ)", "\\left(1 + \\tau\\,\\mathrm{d}/\\mathrm{d}t\\right)^{-1} x",
     "<msup>" TIME_OPERATOR "<mrow><mo>−</mo><mn>1</mn></mrow></msup>" MI("x")},
    {"d(x)", "ẋ", "\\dot{x}", "<mover accent=\"true\"><mi>x</mi><mo>˙</mo></mover>"},
};

static void add_formula(const D *d, const char *begin, size_t length, Text *out) {
    const char *shown = arena_atom(d->page.arena, begin, length);
    for (size_t i = 0; i < sizeof formulas / sizeof *formulas; i++)
        if (strcmp(formulas[i][0], shown) == 0) shown = formulas[i][d->page.style];
    text_addf(out, "%s%s%s", derivation_choose(d, "", "", "$", "<math>"), shown,
              derivation_choose(d, "", "", "$", "</math>"));
}

void derivation_say(D *d, const char *sentence) {
    Text text = {0};
    for (const char *c = sentence; *c;) {
        size_t plain = strcspn(c, "{");
        text_add_bytes(&text, c, plain);
        c += plain;
        if (!*c) break;
        size_t length = strcspn(c, "}");
        add_formula(d, c + 1, length - 1, &text);
        c += length + 1;
    }
    derivation_put(d, PAGE_SAY, arena_atom_z(d->page.arena, text_z(&text)));
    text_free(&text);
}

const char *derivation_show(const D *d, Expr expr) {
    Text text = {0};
    expr_print(d->store, expr, d->page.style, &text);
    const char *shown = arena_atom_z(d->page.arena, text_z(&text));
    text_free(&text);
    return shown;
}

const char *derivation_place(const D *d, Span span) {
    const char *file;
    uint32_t line, column;
    if (!span.source) return "";
    diag_position(d->model->diags, span, &file, &line, &column);
    return arena_format(d->page.arena, "%s:%u", page_source_name(d->model->diags, span.source), line);
}

static void equation(D *d, const char *left, const char *right, Span span) {
    vec_push(&d->page.items, (PageItem){PAGE_EQUATION, left, "=", right, "", derivation_place(d, span)});
}

void derivation_came_from(D *d, Symbol symbol, const char *place) {
    if (symbol && symbol <= d->names.count && *place) d->place_of[symbol] = place;
}

void derivation_equate(D *d, Expr left, Expr right, Span span) {
    ExprNode node = expr_node(d->store, left);
    if (node.kind == EXPR_ACCESS) derivation_came_from(d, node.symbol, derivation_place(d, span));
    equation(d, derivation_show(d, left), derivation_show(d, right), span);
}

static Expr element(const D *d, Symbol symbol) { return model_element(d->store, symbol, VERSION_OLD); }
static Expr rate_of(const D *d, Expr x) { return expr_make1(d->store, EXPR_RATE, x); }

const Population *derivation_population(const D *d, const NeuronEquations *n) {
    return &d->model->populations.items[n->population];
}

// ---- What one neuron knows of itself --------------------------------------------------------------------------------

static Expr plus_output_errors(const D *d, const NeuronEquations *n, const Gate *gate, Expr total) {
    Symbol back = gate->inside ? n->leaves.items[gate->output].back : 0;
    if (back) total = expr_add(d->store, total, expr_mul(d->store, gate->value, element(d, back)));
    if (gate->inside) return total;
    for (uint32_t k = 0; k < n->output_errors.count; k++)
        if (n->output_errors.items[k].output == gate->output)
            total = expr_add(d->store, total,
                             expr_mul(d->store, gate->value, element(d, n->output_errors.items[k].symbol)));
    return total;
}

// g = -dE/dX: what arrives through the gates of X, and the neuron's own forces.
static Expr unfiltered(const D *d, const NeuronEquations *n, const ErrorInput *in) {
    Expr total = expr_const(d->store, 0);
    for (uint32_t g = 0; g < n->gates.count; g++)
        if (n->gates.items[g].leaf == in->leaf) total = plus_output_errors(d, n, &n->gates.items[g], total);
    return in->own ? expr_sub(d->store, total, in->own) : total;
}

static Span gate_span(const D *d, const NeuronEquations *n, uint32_t leaf) {
    for (uint32_t g = 0; g < n->gates.count; g++)
        if (n->gates.items[g].leaf == leaf) return gate_place(derivation_population(d, n), &n->gates.items[g]);
    return derivation_population(d, n)->energy_span;
}

// A and B_k as symbols of their own, to write the condition with.
static Expr derivative_named(D *d, const NeuronEquations *n, const char *letter, const char *of) {
    return element(d, names_helper(&d->names, arena_format(d->page.arena, "%s%s%s", letter, *of ? "_" : "", of),
                                   derivation_population(d, n)->size));
}

static Expr derivative_of_rest(D *d, const NeuronEquations *n, const ErrorInput *in) {
    return derivative_named(d, n, "B", n->errors.count > 1 ? d->names.member[n->leaves.items[in->leaf].symbol] : "");
}

// A = dE/dp; where p occurs beside the mismatch too, B = dE/dp - A is the rest.
static void partial(D *d, Expr name, Expr but, Symbol leaf, Expr value, Span span) {
    const char *before = derivation_choose(d, "dE/d", "∂E/∂", "\\frac{\\partial E}{\\partial ", MATHML_PARTIAL);
    const char *after = derivation_choose(d, "", "", "}", MATHML_PARTIAL_END);
    const char *less = but ? derivation_choose(d, " - ", " − ", " - ", MO("−")) : "";
    const char *left = arena_format(
        d->page.arena, "%s%s%s%s%s%s%s", derivation_show(d, name), derivation_choose(d, " = ", " = ", " = ", MO("=")),
        before, derivation_show(d, element(d, leaf)), after, less, but ? derivation_show(d, but) : "");
    equation(d, left, derivation_show(d, value), span);
}

static void variables(D *d, const NeuronEquations *n) {
    const Population *p = derivation_population(d, n);
    for (uint32_t k = 0; k < n->leaves.count; k++) {
        const Leaf *leaf = &n->leaves.items[k];
        Span span = expr_span(d->store, leaf->node);
        derivation_equate(d, element(d, leaf->symbol), leaf->kind == LEAF_AHEAD ? leaf->node : leaf->node_inside,
                          span.source ? span : p->energy_span);
    }
    equation(
        d, derivation_choose(d, "energy of neuron i", "energy of neuron i", "E_i", "<msub><mi>E</mi><mi>i</mi></msub>"),
        derivation_show(d, n->energy), p->energy_span);
    for (uint32_t o = 0; o < p->outputs.count; o++)
        derivation_equate(d, element(d, p->outputs.items[o].symbol), n->value[o], p->outputs.items[o].span);
}

static void partials(D *d, const NeuronEquations *n, const void *context) {
    (void)context;
    Expr a = derivative_named(d, n, "A", "");
    partial(d, a, 0, n->leaves.items[n->solved].symbol, n->mismatch, derivation_population(d, n)->energy_span);
    for (uint32_t e = 0; n->has_error && e < n->errors.count; e++) {
        const ErrorInput *in = &n->errors.items[e];
        partial(d, derivative_of_rest(d, n, in), in->leaf == n->solved ? a : 0, n->leaves.items[in->leaf].symbol,
                expr_neg(d->store, unfiltered(d, n, in)), gate_span(d, n, in->leaf));
    }
}

static Expr adjoint(const D *d, const NeuronEquations *n, uint32_t leaf, Expr x) {
    ExprKind kind = d->principle->adjoint_of_ahead;
    return kind == EXPR_STOP ? x : expr_make2(d->store, kind, x, n->leaves.items[leaf].tau);
}

static void condition(D *d, const NeuronEquations *n) {
    Expr total = adjoint(d, n, n->solved, derivative_named(d, n, "A", ""));
    for (uint32_t e = 0; n->has_error && e < n->errors.count; e++)
        if (n->leaves.items[n->errors.items[e].leaf].kind == LEAF_AHEAD)
            total = expr_add(d->store, total,
                             adjoint(d, n, n->errors.items[e].leaf, derivative_of_rest(d, n, &n->errors.items[e])));
    equation(d, derivation_choose(d, "0", "0", "0", "<mn>0</mn>"), derivation_show(d, total), d->model->dynamics.span);
}

// ahead(lowpass(g, tau_k), tau_m) = v + tau_m dv/dt with tau_k dv/dt = g - v. Prints the second, returns the first.
static Expr explicit_filter(D *d, const ErrorInput *in, Span span) {
    ExprNode outer = expr_node(d->store, in->filtered),
             inner = expr_node(d->store, outer.count ? outer.argument[0] : in->filtered);
    if (!in->state || outer.kind != EXPR_AHEAD || inner.kind != EXPR_LOWPASS) return in->filtered;
    Expr v = element(d, in->state);
    derivation_came_from(d, in->state, derivation_place(d, span));
    derivation_equate(d, expr_mul(d->store, inner.argument[1], rate_of(d, v)), expr_sub(d->store, inner.argument[0], v),
                      span);
    return expr_add(d->store, v, expr_mul(d->store, outer.argument[1], rate_of(d, v)));
}

// The factor that vle puts on a filtered error; where the way back has learned it, only costs are multiplied.
static Expr with_gain(const D *d, const ErrorInput *in, Expr filtered) {
    if (!in->gain.symbol || in->gain.absorbed) return filtered;
    return expr_mul(d->store, element(d, in->gain.symbol), filtered);
}

// What is measured for a gain, and the gain.
static void gains(D *d, const ErrorInput *in, Span span) {
    const Gain *gain = &in->gain;
    if (!gain->symbol) return;
    if (gain->raw) derivation_equate(d, element(d, gain->raw), in->filtered, span);
    if (gain->companion) derivation_equate(d, element(d, gain->companion), gain->companion_of, span);
    for (uint32_t k = 0; k < gain->averages; k++) {
        Expr average = element(d, gain->average[k].symbol), window = expr_const(d->store, d->model->dynamics.average);
        derivation_came_from(d, gain->average[k].symbol, derivation_place(d, span));
        derivation_equate(d, expr_mul(d->store, window, rate_of(d, average)),
                          expr_sub(d->store, gain->average[k].of, average), span);
    }
    derivation_equate(d, element(d, gain->symbol), gain->value, span);
}

static void errors(D *d, const NeuronEquations *n) {
    Span span = d->model->dynamics.span;
    Expr operators = expr_const(d->store, 0), filters = operators;
    for (uint32_t e = 0; e < n->errors.count; e++) {
        const ErrorInput *in = &n->errors.items[e];
        derivation_equate(d, element(d, in->symbol), unfiltered(d, n, in), gate_span(d, n, in->leaf));
        const Leaf *leaf = &n->leaves.items[in->leaf];
        if (leaf->kind == LEAF_AHEAD)
            operators = expr_add(d->store, operators, with_gain(d, in, in->filtered));
        else
            derivation_equate(d, element(d, leaf->back), in->filtered, expr_span(d->store, leaf->node));
    }
    for (uint32_t e = 0; e < n->errors.count; e++) gains(d, &n->errors.items[e], span);
    derivation_equate(d, element(d, n->error), operators, span);
    for (uint32_t e = 0; e < n->errors.count; e++)
        if (n->leaves.items[n->errors.items[e].leaf].kind == LEAF_AHEAD)
            filters = expr_add(d->store, filters,
                               with_gain(d, &n->errors.items[e], explicit_filter(d, &n->errors.items[e], span)));
    if (filters != operators) derivation_equate(d, element(d, n->error), filters, span);
}

static void solved(D *d, const NeuronEquations *n) {
    const Population *p = derivation_population(d, n);
    Expr u = element(d, n->state), membrane = n->membrane;
    const Leaf *leaf = &n->leaves.items[n->solved];
    condition(d, n);
    if (n->has_error)
        errors(d, n);
    else
        membrane = expr_replace(d->store, membrane, element(d, n->error), expr_const(d->store, 0));
    derivation_equate(d, element(d, leaf->symbol), membrane, p->energy_span);
    derivation_equate(d, expr_mul(d->store, leaf->tau, rate_of(d, u)), expr_sub(d->store, membrane, u), p->energy_span);
    for (uint32_t k = 0; k < n->leaves.count; k++) {
        const Leaf *other = &n->leaves.items[k];
        Expr x = element(d, other->symbol);
        Span span = expr_span(d->store, other->node);
        if (other->kind == LEAF_LOWPASS)
            derivation_equate(d, expr_mul(d->store, other->tau, rate_of(d, x)), expr_sub(d->store, other->input, x),
                              span);
        else if (other->kind != LEAF_AHEAD)
            derivation_equate(d, x, other->node_inside, span);
        else if (k != n->solved)
            derivation_equate(d, x, expr_add(d->store, u, expr_mul(d->store, other->tau, rate_of(d, u))), span);
    }
    for (uint32_t o = 0; o < p->outputs.count; o++)
        derivation_equate(d, element(d, p->outputs.items[o].symbol), n->value[o], p->outputs.items[o].span);
}

// "p is `u_ahead.tau_m`": the documented name of what has a short one on the page.
static void recorded_as(const D *d, const NeuronEquations *n, Symbol symbol, Text *text) {
    if (!symbol) return;
    const char *own = d->names.documented[symbol] + strlen(derivation_population(d, n)->name) + 1;
    const char *shown = derivation_show(d, expr_access(d->store, symbol, VERSION_OLD, NULL, 0));
    if (strcmp(own, d->names.member[symbol]) == 0) return;
    text_addf(text, "%s%s%s%s is %s", text->length ? ", " : "", derivation_choose(d, "", "", "$", "<math>"), shown,
              derivation_choose(d, "", "", "$", "</math>"), derivation_code(d, own));
}

static void say_recorded(D *d, Text *text) {
    if (text->length) derivation_put(d, PAGE_SAY, arena_format(d->page.arena, "In recordings %s.", text_z(text)));
    text_free(text);
}

static void lookaheads(D *d, const NeuronEquations *n, const void *context) {
    (void)context;
    Text text = {0};
    for (uint32_t k = 0; k < n->leaves.count; k++) recorded_as(d, n, n->leaves.items[k].symbol, &text);
    variables(d, n);
    say_recorded(d, &text);
}

static void solution(D *d, const NeuronEquations *n, const void *context) {
    (void)context;
    Text text = {0};
    solved(d, n);
    if (n->has_error) recorded_as(d, n, n->error, &text);
    for (uint32_t k = 0; n->has_error && k < n->errors.count; k++) {
        recorded_as(d, n, n->errors.items[k].symbol, &text);
        recorded_as(d, n, n->errors.items[k].state, &text);
    }
    say_recorded(d, &text);
}

// ---- Neurons with the same equations are printed once ---------------------------------------------------------------

// What a part prints for a neuron under its own names.
static const char *key_of(D *d, const NeuronEquations *n, const DerivationClasses *classes) {
    uint32_t before = d->page.items.count;
    char number[32];
    Text text = {0};
    names_of_population(&d->names, derivation_population(d, n));
    classes->part(d, n, classes->context);
    bool with_gamma = n->has_error && classes->with_gamma;
    text_addf(&text, "%u %s", derivation_population(d, n)->size,
              with_gamma ? number_format(number, derivation_population(d, n)->gamma) : "");
    for (uint32_t i = before; i < d->page.items.count; i++) {
        const PageItem *item = &d->page.items.items[i];
        text_addf(&text, "\n%s=%s %s", item->text, item->right, item->place);
    }
    d->page.items.count = before;
    const char *key = arena_atom_z(d->page.arena, text_z(&text));
    text_free(&text);
    return key;
}

void derivation_find_classes(D *d, DerivationClasses *classes) {
    uint32_t count = d->equations->neurons.count;
    const char **keys = arena_new_array(d->page.arena, const char *, count + 1);
    uint32_t *class_of = arena_new_array(d->page.arena, uint32_t, count + 1);
    for (uint32_t i = 0; i < count; i++) {
        class_of[i] = i;
        if (classes->member && !classes->member[i]) continue;
        keys[i] = key_of(d, &d->equations->neurons.items[i], classes);
        for (uint32_t k = i; k-- > 0;)
            if (keys[k] == keys[i]) class_of[i] = k;
    }
    classes->class_of = class_of;
}

const char *derivation_class_names(const D *d, const DerivationClasses *classes, uint32_t class) {
    Vec(Atom) names = {0};
    for (uint32_t i = class; i < d->equations->neurons.count; i++)
        if (classes->class_of[i] == class)
            vec_push(&names, derivation_population(d, &d->equations->neurons.items[i])->name);
    const char *list = names_list(d->page.arena, d->page.style, names.items, names.count);
    vec_free(&names);
    return list;
}

void derivation_each_class(D *d, DerivationPart *part, const void *context, const bool *member, bool with_gamma) {
    DerivationClasses classes = {part, context, member, NULL, with_gamma};
    derivation_find_classes(d, &classes);
    for (uint32_t i = 0; i < d->equations->neurons.count; i++) {
        const NeuronEquations *n = &d->equations->neurons.items[i];
        const Population *p = derivation_population(d, n);
        char gamma[48] = "", number[32];
        if (classes.class_of[i] != i || (member && !member[i])) continue;
        const char *names = derivation_class_names(d, &classes, i);
        if (with_gamma && n->has_error) snprintf(gamma, sizeof gamma, ", gamma = %s", number_format(number, p->gamma));
        derivation_put(d, PAGE_HEAD,
                       arena_format(d->page.arena, "Neurons of %s (%u%s)%s", names, p->size,
                                    strcmp(names, p->name) == 0 ? "" : " each", gamma));
        names_of_population(&d->names, p);
        part(d, n, context);
    }
}

// ---- Step 1: the energy ---------------------------------------------------------------------------------------------

static void add_term(D *d, const char *before, Expr term, Span span, bool first) {
    const char *right = arena_format(d->page.arena, "%s%s", before, derivation_show(d, term));
    vec_push(&d->page.items, (PageItem){PAGE_EQUATION, first ? derivation_choose(d, "E", "E", "E", MI("E")) : "",
                                        first ? "=" : "+", right, "", derivation_place(d, span)});
}

static uint32_t terms_of(const D *d, const Expr *expr, const Expr **terms) {
    ExprNode node = expr_node(d->store, *expr);
    *terms = node.kind == EXPR_ADD ? node.argument : expr;
    return node.kind == EXPR_ADD ? node.count : 1;
}

// Term by term where every term is a `cost` statement of its own.
static void cost_terms(D *d) {
    const Expr *terms;
    uint32_t count = terms_of(d, &d->model->cost, &terms);
    bool apart = !expr_span(d->store, d->model->cost).source;
    for (uint32_t i = 0; i < count; i++) apart &= expr_span(d->store, terms[i]).source != 0;
    names_relative(&d->names, -1);
    if (!apart) add_term(d, "", d->model->cost, d->model->cost_span, false);
    for (uint32_t i = 0; apart && i < count; i++) add_term(d, "", terms[i], expr_span(d->store, terms[i]), false);
}

static const char *sum_over(D *d, const char *names) {
    Arena *arena = d->page.arena;
    switch (d->page.style) {
    case EXPR_TEXT: return arena_format(arena, "sum over i in %s: ", names);
    case EXPR_UNICODE: return arena_format(arena, "Σ(i ∈ %s) ", names);
    case EXPR_MATHML:
        return arena_format(arena, "<munder><mo>∑</mo><mrow><mi>i</mi><mo>∈</mo><mtext>%s</mtext></mrow></munder>",
                            names);
    case EXPR_LATEX: break;
    }
    Text text = {0};
    for (const char *c = names; *c; c++) {
        if (strncmp(c, "…", 3) == 0)
            text_add(&text, "\\ldots{}"), c += 2;
        else if (*c == '_')
            text_add(&text, "\\_");
        else
            text_add_bytes(&text, c, 1);
    }
    const char *sum = arena_format(arena, "\\sum_{i\\in\\text{\\texttt{%s}}} ", text_z(&text));
    text_free(&text);
    return sum;
}

static void own_energy(D *d, const NeuronEquations *n, const void *context) {
    (void)context;
    const Population *p = derivation_population(d, n);
    equation(d, "", derivation_show(d, p->energy), p->energy_span);
}

static void energy(D *d) {
    DerivationClasses classes = {.part = own_energy};
    bool first = true;
    derivation_find_classes(d, &classes);
    derivation_put(d, PAGE_STEP, "1. The energy");
    derivation_say(d,
                   "The energy of the network is the sum of the neurons' energies and of the cost. {ahead(x, tau)} is "
                   "{x + tau*dx/dt}, {lowpass(x, tau)} its inverse, {d(x)} the derivative in time.");
    for (uint32_t i = 0; i < d->equations->neurons.count; i++) {
        const Population *p = derivation_population(d, &d->equations->neurons.items[i]);
        const Expr *terms;
        if (classes.class_of[i] != i) continue;
        names_of_population(&d->names, p);
        for (uint32_t k = 0, count = terms_of(d, &p->energy, &terms); k < count; k++, first = false) {
            Span own = expr_span(d->store, terms[k]);
            add_term(d, sum_over(d, derivation_class_names(d, &classes, i)), terms[k],
                     own.source ? own : p->energy_span, first);
        }
    }
    if (d->model->cost) cost_terms(d);
    derivation_say(d, "Inputs:");
    wires_of_inputs(d);
}

// ---- Steps 2 to 4 ---------------------------------------------------------------------------------------------------

static void principle(D *d) {
    const char *head = arena_format(d->page.arena, "4. The principle: %s", d->principle->name);
    derivation_put(d, PAGE_STEP, head);
    if (d->principle->course == COURSE_REVERSED_STEP)
        derivation_say(d,
                       "Errors come from no condition on the energy, but from the step itself, reversed: section 7.");
    else if (d->principle->adjoint_of_ahead == EXPR_LOWPASS)
        derivation_say(d, "The derivatives, each low-passed with the time constant of its own lookahead, add up to "
                          "zero. {A} is {e}: the rest of the sum, through the inverse filter.");
    else if (d->principle->adjoint_of_ahead == EXPR_AHEAD)
        derivation_say(d, "Read backward in time, the derivatives, each through the adjoint of its own lookahead, add "
                          "up to zero. {A} is {e}: the rest of the sum, through the inverse filter.");
    else
        derivation_say(d, "The derivatives add up to zero at every instant. {A} is {e}: minus the others.");
    derivation_say(d, "{p} solves {A = gamma*e}; the membrane {u} relaxes to it.");
    derivation_each_class(d, solution, NULL, NULL, true);
}

// ---- Step 5: plasticity ---------------------------------------------------------------------------------------------

static void rule_head(D *d, const LearnRule *rule) {
    Vec(Atom) names = {0};
    Text text = {0};
    for (uint32_t i = 0; i < rule->targets.count; i++) vec_push(&names, d->names.documented[rule->targets.items[i]]);
    text_addf(&text, "%s by %s", names_list(d->page.arena, d->page.style, names.items, names.count),
              rule->optimiser ? rule->optimiser : "?");
    if (rule->from) text_addf(&text, ", from step %lld", (long long)rule->from);
    if (rule->until != INT64_MAX) text_addf(&text, ", until step %lld", (long long)rule->until);
    const Array *array = rule->targets.count ? model_array(d->model, rule->targets.items[0]) : NULL;
    if (array && array->clamped) {
        text_add(&text, ", within ");
        text_add_number(&text, array->low);
        text_add(&text, " .. ");
        text_add_number(&text, array->high);
    }
    derivation_put(d, PAGE_HEAD, arena_atom_z(d->page.arena, text_z(&text)));
    text_free(&text);
    vec_free(&names);
}

static bool concerns(const D *d, const LearnRule *rule, uint32_t target, Symbol symbol) {
    Atom name = d->names.documented[rule->targets.items[target]], own = d->names.documented[symbol];
    size_t length = strlen(name);
    return symbol == rule->count || (strncmp(own, name, length) == 0 && (own[length] == 0 || own[length] == '.'));
}

// 1 - 0.9 is 0.09999999999999998 to the computer and 0.1 to the reader: numbers of an update print with 15 digits.
static Expr rounded(ExprStore *store, Expr node, void *context) {
    double value;
    (void)context;
    if (!expr_get_const(store, node, &value) || value == 0 || !isfinite(value)) return node;
    char text[40];
    double shorter;
    snprintf(text, sizeof text, "%.14e", value);
    return number_parse(text, text + strlen(text), &shorter) ? expr_const(store, shorter) : node;
}

static void update(D *d, const LearnRule *rule) {
    rule_head(d, rule);
    names_of_rule(&d->names, rule, 0);
    for (uint32_t k = 0; k < rule->assignments.count; k++) {
        const Assignment *a = &rule->assignments.items[k];
        if (!concerns(d, rule, 0, a->symbol)) continue;
        Expr value = expr_rename(d->store, a->value, rule->gradients.items[0], VERSION_NEW, rule->gradients.items[0],
                                 VERSION_OLD);
        derivation_equate(d, model_element(d->store, a->symbol, VERSION_NEW),
                          expr_rewrite(d->store, value, rounded, NULL), a->span);
    }
}

static void plasticity(D *d) {
    derivation_put(d, PAGE_STEP, "5. Plasticity");
    if (!d->equations->gradients.count) {
        derivation_say(d, "Nothing is learned.");
        return;
    }
    derivation_say(
        d, "Each learned parameter {theta} follows its gradient {G = dE/dtheta}, with {e} for {A}, averaged over the "
           "batch. "
           "A prime marks the value after a step.");
    wires_of_gradients(d);
    bool past = false;
    for (uint32_t i = 0; i < d->equations->gradients.count; i++)
        past |= expr_has_kind(d->store, d->equations->gradients.items[i].value, EXPR_PREVIOUS);
    if (past)
        derivation_say(
            d, "Here previous({x}) is {x} of the step before, in which the rate was made that the error judges.");
    for (uint32_t r = 0; r < d->model->learn.count; r++)
        if (d->model->learn.items[r].targets.count && d->model->learn.items[r].gradients.count)
            update(d, &d->model->learn.items[r]);
}

// ---- The whole ------------------------------------------------------------------------------------------------------

// Of a model that has an energy or a cost.
static void derived(D *d) {
    energy(d);
    derivation_put(d, PAGE_STEP, "2. Lookaheads become variables of their own");
    derivation_each_class(d, lookaheads, NULL, NULL, false);
    derivation_put(d, PAGE_STEP, "3. Partial derivatives");
    derivation_say(d, "All lookaheads are held independent. {A} is of the mismatch with the input, {B} of all else; "
                      "{delta} is {-dE/d(output)}, {lambda} what a connection adds to it, with {e} for the {A} of its "
                      "target.");
    derivation_each_class(d, partials, NULL, NULL, false);
    wires_of_errors(d);
    principle(d);
    plasticity(d);
}

static void write_page(D *d, const Step *step, const Step *backward) {
    derivation_put(d, PAGE_TITLE, arena_format(d->page.arena, "%s: from the energy to equations", d->model->name));
    derivation_given(d);
    if (d->equations->neurons.count || d->model->cost) derived(d);
    derivation_units(d);
    derivation_step(d, step, false);
    if (backward) derivation_step(d, backward, true);
}

Page derivation_page(const Equations *equations, const Step *step, const Step *backward, ExprStyle style) {
    Model *m = equations->model;
    D d = {.equations = equations,
           .model = m,
           .store = m->store,
           .principle = principle_find(m->dynamics.principle),
           .page = {.style = style, .arena = m->arena, .diags = m->diags}};
    names_open(&d.names, equations, style);
    d.place_of = arena_new_array(m->arena, const char *, d.names.count + 1);
    write_page(&d, step, backward);
    names_close(&d.names);
    return d.page;
}

void derivation_print(const Equations *equations, const Step *step, const Step *backward, ExprStyle style, Text *out) {
    Page page = derivation_page(equations, step, backward, style);
    page_set(&page, out);
    vec_free(&page.items);
}
