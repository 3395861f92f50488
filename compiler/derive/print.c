// `lequel derive`: the derivation for readers, in five steps from the energy to plasticity. Every formula is an
// expression of the Equations, or is made from them by the operations that its line names.
#include "page.h"
#include "wire.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

typedef Derivation D;

// ---- Sentences, steps, equations ------------------------------------------------------------------------------------

static const char *choose(const D *d, const char *text, const char *unicode, const char *latex) {
    return d->page.style == EXPR_TEXT ? text : d->page.style == EXPR_UNICODE ? unicode : latex;
}

static void put(D *d, PageKind kind, const char *text) {
    vec_push(&d->page.items, (PageItem){.kind = kind, .text = text, .sign = "", .right = "", .range = "", .place = ""});
}

// Formulas stand in braces in a sentence, as text; these look different in the other styles.
static const char *const formulas[][3] = {
    {"gamma*e", "γ e", "\\gamma\\,e"},
    {"A = gamma*e", "A = γ e", "A = \\gamma\\,e"},
    {"theta", "θ", "\\theta"},
    {"delta", "δ", "\\delta"},
    {"lambda", "λ", "\\lambda"},
    {"G = dE/dtheta", "G = ∂E/∂θ", "G = \\partial E/\\partial\\theta"},
    {"-dE/d(output)", "−∂E/∂(output)", "-\\partial E/\\partial(\\mathrm{output})"},
    {"ahead(x, tau)", "ahead(x, τ)", "\\left(1 + \\tau\\,\\mathrm{d}/\\mathrm{d}t\\right) x"},
    {"x + tau*dx/dt", "x + τ ẋ", "x + \\tau\\,\\dot{x}"},
    {"lowpass(x, tau)", "lowpass(x, τ)", "\\left(1 + \\tau\\,\\mathrm{d}/\\mathrm{d}t\\right)^{-1} x"},
    {"d(x)", "ẋ", "\\dot{x}"},
};

static void add_formula(const D *d, const char *begin, size_t length, Text *out) {
    const char *shown = arena_atom(d->page.arena, begin, length);
    for (size_t i = 0; i < sizeof formulas / sizeof *formulas; i++)
        if (strcmp(formulas[i][0], shown) == 0) shown = choose(d, formulas[i][0], formulas[i][1], formulas[i][2]);
    text_addf(out, choose(d, "", "", "$")[0] ? "$%s$" : "%s", shown);
}

static void say(D *d, const char *sentence) {
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
    put(d, PAGE_SAY, arena_atom_z(d->page.arena, text_z(&text)));
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
    const char *slash = strrchr(file, '/');
    return arena_format(d->page.arena, "%s:%u", slash ? slash + 1 : file, line);
}

static void equation(D *d, const char *left, const char *right, Span span) {
    vec_push(&d->page.items, (PageItem){PAGE_EQUATION, left, "=", right, "", derivation_place(d, span)});
}

static void equate(D *d, Expr left, Expr right, Span span) {
    equation(d, derivation_show(d, left), derivation_show(d, right), span);
}

static Expr element(const D *d, Symbol symbol) { return model_element(d->store, symbol, VERSION_OLD); }
static Expr rate_of(const D *d, Expr x) { return expr_make1(d->store, EXPR_RATE, x); }

static const Population *population_of(const D *d, const NeuronEquations *n) {
    return &d->model->populations.items[n->population];
}

// ---- What one neuron knows of itself --------------------------------------------------------------------------------

static Expr plus_output_errors(const D *d, const NeuronEquations *n, const Gate *gate, Expr total) {
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
        if (n->gates.items[g].leaf == leaf) return population_of(d, n)->outputs.items[n->gates.items[g].output].span;
    return population_of(d, n)->energy_span;
}

// A and B_k as symbols of their own, to write the condition with.
static Expr derivative_named(D *d, const NeuronEquations *n, const char *letter, const char *of) {
    return element(d, names_helper(&d->names, arena_format(d->page.arena, "%s%s%s", letter, *of ? "_" : "", of),
                                   population_of(d, n)->size));
}

static Expr derivative_of_rest(D *d, const NeuronEquations *n, const ErrorInput *in) {
    return derivative_named(d, n, "B", n->errors.count > 1 ? d->names.member[n->leaves.items[in->leaf].symbol] : "");
}

// A = dE/dp; where p occurs beside the mismatch too, B = dE/dp - A is the rest.
static void partial(D *d, Expr name, Expr but, Symbol leaf, Expr value, Span span) {
    const char *before = choose(d, "dE/d", "∂E/∂", "\\frac{\\partial E}{\\partial "), *after = choose(d, "", "", "}");
    const char *less =
        but ? arena_format(d->page.arena, "%s%s", choose(d, " - ", " − ", " - "), derivation_show(d, but)) : "";
    const char *left = arena_format(d->page.arena, "%s = %s%s%s%s", derivation_show(d, name), before,
                                    derivation_show(d, element(d, leaf)), after, less);
    equation(d, left, derivation_show(d, value), span);
}

static void variables(D *d, const NeuronEquations *n) {
    const Population *p = population_of(d, n);
    for (uint32_t k = 0; k < n->leaves.count; k++) {
        const Leaf *leaf = &n->leaves.items[k];
        Span span = expr_span(d->store, leaf->node);
        equate(d, element(d, leaf->symbol), leaf->node, span.source ? span : p->energy_span);
    }
    equation(d, choose(d, "energy of neuron i", "energy of neuron i", "E_i"), derivation_show(d, n->energy),
             p->energy_span);
    for (uint32_t o = 0; o < p->outputs.count; o++)
        equate(d, element(d, p->outputs.items[o].symbol), n->value[o], p->outputs.items[o].span);
}

static void partials(D *d, const NeuronEquations *n) {
    Expr a = derivative_named(d, n, "A", "");
    partial(d, a, 0, n->leaves.items[n->solved].symbol, n->mismatch, population_of(d, n)->energy_span);
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
        total = expr_add(d->store, total,
                         adjoint(d, n, n->errors.items[e].leaf, derivative_of_rest(d, n, &n->errors.items[e])));
    equation(d, "0", derivation_show(d, total), d->model->dynamics.span);
}

// ahead(lowpass(g, tau_k), tau_m) = v + tau_m dv/dt with tau_k dv/dt = g - v. Prints the second, returns the first.
static Expr explicit_filter(D *d, const ErrorInput *in, Span span) {
    ExprNode outer = expr_node(d->store, in->filtered),
             inner = expr_node(d->store, outer.count ? outer.argument[0] : in->filtered);
    if (!in->state || outer.kind != EXPR_AHEAD || inner.kind != EXPR_LOWPASS) return in->filtered;
    Expr v = element(d, in->state);
    equate(d, expr_mul(d->store, inner.argument[1], rate_of(d, v)), expr_sub(d->store, inner.argument[0], v), span);
    return expr_add(d->store, v, expr_mul(d->store, outer.argument[1], rate_of(d, v)));
}

static void errors(D *d, const NeuronEquations *n) {
    Span span = d->model->dynamics.span;
    Expr operators = expr_const(d->store, 0), filters = operators;
    for (uint32_t e = 0; e < n->errors.count; e++) {
        const ErrorInput *in = &n->errors.items[e];
        equate(d, element(d, in->symbol), unfiltered(d, n, in), gate_span(d, n, in->leaf));
        operators = expr_add(d->store, operators, in->filtered);
    }
    equate(d, element(d, n->error), operators, span);
    for (uint32_t e = 0; e < n->errors.count; e++)
        filters = expr_add(d->store, filters, explicit_filter(d, &n->errors.items[e], span));
    if (filters != operators) equate(d, element(d, n->error), filters, span);
}

static void solved(D *d, const NeuronEquations *n) {
    const Population *p = population_of(d, n);
    Expr u = element(d, n->state), membrane = n->membrane;
    const Leaf *leaf = &n->leaves.items[n->solved];
    condition(d, n);
    if (n->has_error)
        errors(d, n);
    else
        membrane = expr_replace(d->store, membrane, element(d, n->error), expr_const(d->store, 0));
    equate(d, element(d, leaf->symbol), membrane, p->energy_span);
    equate(d, expr_mul(d->store, leaf->tau, rate_of(d, u)), expr_sub(d->store, membrane, u), p->energy_span);
    for (uint32_t k = 0; k < n->leaves.count; k++)
        if (k != n->solved)
            equate(d, element(d, n->leaves.items[k].symbol),
                   expr_add(d->store, u, expr_mul(d->store, n->leaves.items[k].tau, rate_of(d, u))),
                   expr_span(d->store, n->leaves.items[k].node));
    for (uint32_t o = 0; o < p->outputs.count; o++)
        equate(d, element(d, p->outputs.items[o].symbol), n->value[o], p->outputs.items[o].span);
}

// "p is `u_ahead.tau_m`": the documented name of what has a short one on the page.
static void recorded_as(const D *d, const NeuronEquations *n, Symbol symbol, Text *text) {
    if (!symbol) return;
    const char *own = d->names.documented[symbol] + strlen(population_of(d, n)->name) + 1;
    const char *shown = derivation_show(d, expr_access(d->store, symbol, VERSION_OLD, NULL, 0));
    bool latex = d->page.style == EXPR_LATEX;
    if (strcmp(own, d->names.member[symbol]) == 0) return;
    text_addf(text, latex ? "%s$%s$ is \\texttt{" : "%s%s is `", text->length ? ", " : "", shown);
    for (const char *c = own; *c; c++) text_addf(text, "%s%c", latex && *c == '_' ? "\\" : "", *c);
    text_add(text, latex ? "}" : "`");
}

static void say_recorded(D *d, Text *text) {
    if (text->length) put(d, PAGE_SAY, arena_format(d->page.arena, "In recordings %s.", text_z(text)));
    text_free(text);
}

static void lookaheads(D *d, const NeuronEquations *n) {
    Text text = {0};
    for (uint32_t k = 0; k < n->leaves.count; k++) recorded_as(d, n, n->leaves.items[k].symbol, &text);
    variables(d, n);
    say_recorded(d, &text);
}

static void solution(D *d, const NeuronEquations *n) {
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

typedef void Part(D *d, const NeuronEquations *n);

// What a part prints for a neuron under its own names.
static const char *key_of(D *d, const NeuronEquations *n, Part *part) {
    uint32_t before = d->page.items.count;
    char number[32];
    Text text = {0};
    names_of_population(&d->names, population_of(d, n));
    part(d, n);
    text_addf(&text, "%u %s", population_of(d, n)->size,
              n->has_error && part == solution ? number_format(number, population_of(d, n)->gamma) : "");
    for (uint32_t i = before; i < d->page.items.count; i++) {
        const PageItem *item = &d->page.items.items[i];
        text_addf(&text, "\n%s=%s %s", item->text, item->right, item->place);
    }
    d->page.items.count = before;
    const char *key = arena_atom_z(d->page.arena, text_z(&text));
    text_free(&text);
    return key;
}

// By number of neuron equations: the first one for which the part prints the same.
static uint32_t *find_classes(D *d, Part *part) {
    uint32_t count = d->equations->neurons.count;
    const char **keys = arena_new_array(d->page.arena, const char *, count + 1);
    uint32_t *class_of = arena_new_array(d->page.arena, uint32_t, count + 1);
    for (uint32_t i = 0; i < count; i++) {
        keys[i] = key_of(d, &d->equations->neurons.items[i], part);
        class_of[i] = i;
        for (uint32_t k = i; k-- > 0;)
            if (keys[k] == keys[i]) class_of[i] = k;
    }
    return class_of;
}

static const char *class_names(const D *d, const uint32_t *class_of, uint32_t class) {
    Vec(Atom) names = {0};
    for (uint32_t i = class; i < d->equations->neurons.count; i++)
        if (class_of[i] == class) vec_push(&names, population_of(d, &d->equations->neurons.items[i])->name);
    const char *list = names_list(d->page.arena, d->page.style, names.items, names.count);
    vec_free(&names);
    return list;
}

static void each_class(D *d, Part *part) {
    const uint32_t *class_of = find_classes(d, part);
    for (uint32_t i = 0; i < d->equations->neurons.count; i++) {
        const NeuronEquations *n = &d->equations->neurons.items[i];
        const Population *p = population_of(d, n);
        char gamma[48] = "", number[32];
        if (class_of[i] != i) continue;
        const char *names = class_names(d, class_of, i);
        if (part == solution && n->has_error)
            snprintf(gamma, sizeof gamma, ", gamma = %s", number_format(number, p->gamma));
        put(d, PAGE_HEAD,
            arena_format(d->page.arena, "Neurons of %s (%u%s)%s", names, p->size,
                         strcmp(names, p->name) == 0 ? "" : " each", gamma));
        names_of_population(&d->names, p);
        part(d, n);
    }
}

// ---- Step 1: the energy ---------------------------------------------------------------------------------------------

static void add_term(D *d, const char *before, Expr term, Span span, bool first) {
    const char *right = arena_format(d->page.arena, "%s%s", before, derivation_show(d, term));
    vec_push(&d->page.items,
             (PageItem){PAGE_EQUATION, first ? "E" : "", first ? "=" : "+", right, "", derivation_place(d, span)});
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
    if (d->page.style == EXPR_TEXT) return arena_format(d->page.arena, "sum over i in %s: ", names);
    if (d->page.style == EXPR_UNICODE) return arena_format(d->page.arena, "Σ(i ∈ %s) ", names);
    Text text = {0};
    for (const char *c = names; *c; c++) {
        if (strncmp(c, "…", 3) == 0)
            text_add(&text, "\\ldots{}"), c += 2;
        else if (*c == '_')
            text_add(&text, "\\_");
        else
            text_add_bytes(&text, c, 1);
    }
    const char *sum = arena_format(d->page.arena, "\\sum_{i\\in\\text{\\texttt{%s}}} ", text_z(&text));
    text_free(&text);
    return sum;
}

static void own_energy(D *d, const NeuronEquations *n) {
    const Population *p = population_of(d, n);
    equation(d, "", derivation_show(d, p->energy), p->energy_span);
}

static void energy(D *d) {
    const uint32_t *class_of = find_classes(d, own_energy);
    bool first = true;
    put(d, PAGE_STEP, "1. The energy");
    say(d, "The energy of the network is the sum of the neurons' energies and of the cost. {ahead(x, tau)} is "
           "{x + tau*dx/dt}, {lowpass(x, tau)} its inverse, {d(x)} the derivative in time.");
    for (uint32_t i = 0; i < d->equations->neurons.count; i++) {
        const Population *p = population_of(d, &d->equations->neurons.items[i]);
        const Expr *terms;
        if (class_of[i] != i) continue;
        names_of_population(&d->names, p);
        for (uint32_t k = 0, count = terms_of(d, &p->energy, &terms); k < count; k++, first = false) {
            Span own = expr_span(d->store, terms[k]);
            add_term(d, sum_over(d, class_names(d, class_of, i)), terms[k], own.source ? own : p->energy_span, first);
        }
    }
    if (d->model->cost) cost_terms(d);
    say(d, "Inputs:");
    wires_of_inputs(d);
}

// ---- Steps 2 to 4 ---------------------------------------------------------------------------------------------------

static void principle(D *d) {
    const char *head = arena_format(d->page.arena, "4. The principle: %s", d->principle->name);
    put(d, PAGE_STEP, head);
    if (d->principle->adjoint_of_ahead == EXPR_LOWPASS)
        say(d,
            "The derivatives, each low-passed with the time constant of its own lookahead, add up to zero. {A} is {e}: "
            "the rest of the sum, through the inverse filter.");
    else
        say(d, "The derivatives add up to zero at every instant. {A} is {e}: minus the others.");
    say(d, "{p} solves {A = gamma*e}; the membrane {u} relaxes to it.");
    each_class(d, solution);
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
    put(d, PAGE_HEAD, arena_atom_z(d->page.arena, text_z(&text)));
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
        equate(d, model_element(d->store, a->symbol, VERSION_NEW), expr_rewrite(d->store, value, rounded, NULL),
               a->span);
    }
}

static void plasticity(D *d) {
    put(d, PAGE_STEP, "5. Plasticity");
    if (!d->equations->gradients.count) {
        say(d, "Nothing is learned.");
        return;
    }
    say(d, "Each learned parameter {theta} follows its gradient {G = dE/dtheta}, with {e} for {A}, averaged over the "
           "batch. "
           "A prime marks the value after a step.");
    wires_of_gradients(d);
    bool past = false;
    for (uint32_t i = 0; i < d->equations->gradients.count; i++)
        past |= expr_has_kind(d->store, d->equations->gradients.items[i].value, EXPR_PREVIOUS);
    if (past) say(d, "Here previous({x}) is {x} of the step before, in which the rate was made that the error judges.");
    for (uint32_t r = 0; r < d->model->learn.count; r++)
        if (d->model->learn.items[r].targets.count && d->model->learn.items[r].gradients.count)
            update(d, &d->model->learn.items[r]);
}

// ---- The whole ------------------------------------------------------------------------------------------------------

void equations_print(const Equations *equations, ExprStyle style, Text *out) {
    D d = {.equations = equations,
           .model = equations->model,
           .store = equations->model->store,
           .principle = principle_find(equations->model->dynamics.principle),
           .page = {.style = style, .arena = equations->model->arena}};
    names_open(&d.names, equations, style);
    put(&d, PAGE_TITLE, arena_format(d.page.arena, "%s: from the energy to equations", d.model->name));
    energy(&d);
    put(&d, PAGE_STEP, "2. Lookaheads become variables of their own");
    each_class(&d, lookaheads);
    put(&d, PAGE_STEP, "3. Partial derivatives");
    say(&d, "All lookaheads are held independent. {A} is of the mismatch with the input, {B} of all else; {delta} is "
            "{-dE/d(output)}, {lambda} what a connection adds to it, with {e} for the {A} of its target.");
    each_class(&d, partials);
    wires_of_errors(&d);
    principle(&d);
    plasticity(&d);
    if (style == EXPR_LATEX)
        page_set_latex(&d.page, out);
    else
        page_set_text(&d.page, out);
    names_close(&d.names);
    vec_free(&d.page.items);
}
