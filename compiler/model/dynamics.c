// The `dynamics` statement: which principle assigns credit, and its options; the same from the command line.
#include "resolve.h"
#include <string.h>

static const char *const principles[PRINCIPLE_COUNT] = {"instant", "le", "gle", "vle", "adjoint", "bptt", "tbptt"};
static const char *const gains[GAIN_COUNT] = {"none", "analytic", "power", "least_squares"};
static const char *const feedbacks[FEEDBACK_COUNT] = {"symmetric", "random", "learned"};

const char *principle_name(PrincipleKind kind) { return principles[kind]; }

void dynamics_print(const Model *model, Text *out) {
    const Dynamics *d = &model->dynamics;
    const char *between = "(";
    text_add(out, principles[d->principle]);
    if (d->gain) text_addf(out, "%sgain = %s", between, gains[d->gain]), between = ", ";
    if (d->gain == GAIN_ANALYTIC) text_add(out, "(omega = "), text_add_number(out, d->omega), text_add(out, ")");
    if (d->average > 0) text_addf(out, "%saverage = ", between), text_add_number(out, d->average), between = ", ";
    if (d->feedback) text_addf(out, "%sfeedback = %s", between, feedbacks[d->feedback]), between = ", ";
    if (d->feedback == FEEDBACK_LEARNED) text_add(out, "(decay = "), text_add_number(out, d->decay), text_add(out, ")");
    if (d->window) text_addf(out, "%swindow = %lld steps", between, (long long)d->window), between = ", ";
    if (*between == ',') text_add(out, ")");
}

static void suggest_among(Resolver *r, Atom name, const char *const *words, int count) {
    Atom names[16];
    for (int i = 0; i < count; i++) names[i] = arena_atom_z(r->arena, words[i]);
    suggest(r, name, names, (uint32_t)count);
}

// The number of a word, -1 after an error.
static int word_of(Resolver *r, Atom word, Span span, const char *what, const char *const *words, int count) {
    for (int i = 0; i < count; i++)
        if (strcmp(word, words[i]) == 0) return i;
    Text list = {0};
    for (int i = 0; i < count; i++) text_addf(&list, "%s`%s`", i == 0 ? "" : i == count - 1 ? " or " : ", ", words[i]);
    diag_report(r->diags, DIAG_E0201, span, "unknown %s `%s`", what, word);
    diag_expected(r->diags, "%s", text_z(&list));
    text_free(&list);
    suggest_among(r, word, words, count);
    return -1;
}

// ---- Options --------------------------------------------------------------------------------------------------------

enum {
    ONLINE = 1 << PRINCIPLE_INSTANT | 1 << PRINCIPLE_LE | 1 << PRINCIPLE_GLE | 1 << PRINCIPLE_VLE,
    OFFLINE = 1 << PRINCIPLE_ADJOINT | 1 << PRINCIPLE_BPTT | 1 << PRINCIPLE_TBPTT,
    VARIATIONAL = 1 << PRINCIPLE_VLE,
};

typedef struct Reading {
    Resolver *r;
    const Scope *scope;
    DynamicsItem *item;
    Dynamics *dynamics;
    uint32_t given; // bit per row of the table below
} Reading;

static void read_gamma(Reading *g, const Ast *value) {
    g->item->has_gamma = constant_number(g->r, g->scope, value, "gamma", &g->item->gamma, NULL);
}

// `word` or `word(argument)`.
static int word_option(Reading *g, const Ast *value, const char *what, const char *const *words, int count,
                       const Ast **argument) {
    const Ast *word = value->kind == AST_CALL ? value->child[0] : value;
    *argument = value->kind == AST_CALL && value->count == 2 ? value->child[1] : NULL;
    if (*argument && (*argument)->kind == AST_ARGUMENT) *argument = (*argument)->child[0];
    if (word->kind == AST_NAME && (value->kind != AST_CALL || value->count == 2))
        return word_of(g->r, word->name, word->span, what, words, count);
    diag_report(g->r->diags, DIAG_E0217, value->span, "this is no %s", what);
    diag_expected(g->r->diags, "a word such as `%s`", words[0]);
    return -1;
}

static void unwanted_argument(Reading *g, const Ast *argument, const char *word) {
    if (!argument) return;
    diag_report(g->r->diags, DIAG_E0217, argument->span, "`%s` takes no argument", word);
    diag_expected(g->r->diags, "`%s`", word);
}

static void read_gain(Reading *g, const Ast *value) {
    const Ast *omega;
    int gain = word_option(g, value, "gain", gains, GAIN_COUNT, &omega);
    if (gain < 0) return;
    g->dynamics->gain = (GainKind)gain;
    if (gain != GAIN_ANALYTIC) {
        unwanted_argument(g, omega, gains[gain]);
        return;
    }
    if (!omega) {
        diag_report(g->r->diags, DIAG_E0217, value->span, "`analytic` needs a frequency");
        diag_expected(g->r->diags, "the angular frequency at which the gain is to be exact: `analytic(omega = 2)`");
        return;
    }
    Unit unit, wanted = unit_power(g->r->model->time_unit, -1);
    if (!constant_number(g->r, g->scope, omega, "omega", &g->dynamics->omega, &unit)) return;
    if (g->dynamics->omega != 0 && !unit_equal(unit, wanted)) {
        diag_report(g->r->diags, DIAG_E0217, omega->span, "an angular frequency has the unit 1/time");
        diag_expected(g->r->diags, "a number in the inverse of the unit of `dt`");
    } else if (!(g->dynamics->omega >= 0)) {
        diag_report(g->r->diags, DIAG_E0217, omega->span, "a negative frequency");
        diag_expected(g->r->diags, "an angular frequency of at least 0");
    }
}

static void read_average(Reading *g, const Ast *value) {
    int64_t steps = 0;
    if (!constant_steps(g->r, g->scope, value, false, "the averaging time", &steps)) return;
    g->dynamics->average = (double)steps * g->r->model->dt;
    if (steps > 0) return;
    diag_report(g->r->diags, DIAG_E0217, value->span, "an averaging time of %lld steps", (long long)steps);
    diag_expected(g->r->diags, "some periods of the signals, at least one time step");
}

static void read_feedback(Reading *g, const Ast *value) {
    const Ast *decay;
    int feedback = word_option(g, value, "feedback", feedbacks, FEEDBACK_COUNT, &decay);
    if (feedback < 0) return;
    g->dynamics->feedback = (FeedbackKind)feedback;
    g->dynamics->decay = 1e-4;
    if (feedback != FEEDBACK_LEARNED)
        unwanted_argument(g, decay, feedbacks[feedback]);
    else if (decay && constant_number(g->r, g->scope, decay, "decay", &g->dynamics->decay, NULL) &&
             !(g->dynamics->decay >= 0 && g->dynamics->decay < 1)) {
        diag_report(g->r->diags, DIAG_E0217, decay->span, "a decay outside of 0 to 1");
        diag_expected(g->r->diags, "the part of a weight that is lost in a learning step, such as 1e-4");
    }
}

static void read_window(Reading *g, const Ast *value) {
    int64_t steps = 0;
    if (!constant_steps(g->r, g->scope, value, false, "the window", &steps)) return;
    g->dynamics->window = steps;
    if (steps > 0) return;
    diag_report(g->r->diags, DIAG_E0217, value->span, "a window of %lld steps", (long long)steps);
    diag_expected(g->r->diags, "at least one time step");
}

typedef struct OptionRow {
    const char *name, *meaning;
    uint32_t principles; // that have it, a bit each
    void (*read)(Reading *g, const Ast *value);
} OptionRow;

static const OptionRow options[] = {
    {"gamma", "`gamma = …`, the strength of the error on the membrane", ONLINE | OFFLINE, read_gamma},
    {"gain", "`gain = none | analytic(omega) | power | least_squares`", VARIATIONAL, read_gain},
    {"average", "`average = …`, the time of the running averages of a gain", VARIATIONAL, read_average},
    {"feedback", "`feedback = symmetric | random | learned`", ONLINE, read_feedback},
    {"window", "`window = …`, the time after which it learns", OFFLINE, read_window},
};
enum { OPTION_COUNT = sizeof options / sizeof *options };

static void unknown_option(Reading *g, const Ast *option) {
    Resolver *r = g->r;
    PrincipleKind principle = g->dynamics->principle;
    bool named = option->kind == AST_ARGUMENT;
    Text list = {0};
    const char *words[OPTION_COUNT];
    int count = 0;
    for (int i = 0; i < OPTION_COUNT; i++) {
        if (!(options[i].principles >> principle & 1)) continue;
        text_addf(&list, "%s%s", count ? "; " : "", options[i].meaning);
        words[count++] = options[i].name;
    }
    if (named)
        diag_report(r->diags, DIAG_E0217, option->name_span, "`%s` has no option `%s`", principles[principle],
                    option->name);
    else
        diag_report(r->diags, DIAG_E0217, option->span, "an option of `%s` without a name", principles[principle]);
    diag_expected(r->diags, "%s", text_z(&list));
    text_free(&list);
    if (named) suggest_among(r, option->name, words, count);
}

static void read_option(Reading *g, const Ast *option) {
    bool named = option->kind == AST_ARGUMENT;
    const char *name = named ? option->name : g->dynamics->principle == PRINCIPLE_TBPTT ? "window" : "";
    for (int i = 0; i < OPTION_COUNT; i++) {
        if (strcmp(name, options[i].name) != 0 || !(options[i].principles >> g->dynamics->principle & 1)) continue;
        if (g->given >> i & 1) diag_report(g->r->diags, DIAG_E0203, option->span, "`%s` is given twice", name);
        g->given |= 1u << i;
        options[i].read(g, named ? option->child[0] : option);
        return;
    }
    unknown_option(g, option);
}

static void check_needed(Resolver *r, const Dynamics *d, const Ast *item) {
    if (d->principle == PRINCIPLE_TBPTT && !d->window && !diag_error_count(r->diags)) {
        diag_report(r->diags, DIAG_E0217, item->span, "`tbptt` needs a window");
        diag_expected(r->diags, "the time after which the past is cut off, as in `tbptt(window = 100 steps)`");
    }
    bool running = d->gain == GAIN_POWER || d->gain == GAIN_LEAST_SQUARES;
    if (running && d->average == 0 && !diag_error_count(r->diags)) {
        diag_report(r->diags, DIAG_E0217, item->span, "the gain `%s` needs an averaging time", gains[d->gain]);
        diag_expected(r->diags, "some periods of the signals, as in `gain = %s, average = 100`", gains[d->gain]);
    }
}

static void read_dynamics(Resolver *r, const Scope *scope, const Ast *item, DynamicsItem *d) {
    Span span = item->name_span.source ? item->name_span : item->span;
    int principle = word_of(r, item->name, span, "principle", principles, PRINCIPLE_COUNT);
    if (principle < 0) return;
    r->model->dynamics = (Dynamics){.principle = (PrincipleKind)principle, .span = span};
    Reading reading = {r, scope, d, &r->model->dynamics, 0};
    for (uint32_t i = 0; i < item->count; i++) read_option(&reading, item->child[i]);
    check_needed(r, &r->model->dynamics, item);
    if (OFFLINE >> principle & 1) { // the errors of the past cannot act on it
        d->gamma = 0;
        d->has_gamma = true;
    }
}

void resolve_dynamics(Resolver *r, const Scope *scope, const Ast *item, DynamicsItem *d) {
    if (d->item) {
        diag_report(r->diags, DIAG_E0203, item->span, "a second `dynamics`");
        diag_note(r->diags, d->item->span, "the first one is here");
        return;
    }
    d->item = item;
    read_dynamics(r, scope, item, d);
}

// ---- From the command line ------------------------------------------------------------------------------------------

const Ast *parse_dynamics(Resolver *r, const char *text) {
    Text line = {0};
    text_addf(&line, "network command_line {\n  dynamics %s\n}\n", text);
    size_t length = line.length;
    char *copy = arena_alloc(r->arena, length + 1);
    memcpy(copy, text_z(&line), length + 1);
    text_free(&line);
    uint32_t source = diag_add_source(r->diags, "--dynamics", copy, length);
    const Ast *file = ast_parse(r->arena, r->diags, source, copy, length);
    if (!file || diag_error_count(r->diags)) return NULL;
    const Ast *network = file->count == 1 && file->child[0]->kind == AST_NETWORK ? file->child[0] : NULL;
    if (network && network->count == 2 && network->child[1]->kind == AST_DYNAMICS) return network->child[1];
    diag_report(r->diags, DIAG_E0217, file->span, "`--dynamics` names one principle");
    diag_expected(r->diags, "a principle, if wanted with options: `--dynamics='vle(gain = power, average = 100)'`");
    return NULL;
}

void override_dynamics(Resolver *r, const Scope *scope, DynamicsItem *d) {
    if (r->dynamics_override) read_dynamics(r, scope, r->dynamics_override, d);
}

// ---- Feedback weights -----------------------------------------------------------------------------------------------

static Symbol feedback_of(Resolver *r, const Connection *c, Symbol weight) {
    const Array *array = model_array(r->model, weight);
    SymbolInfo info = *symbol_info(r->store, weight);
    if (!array || array->initial.kind == INITIAL_CONSTANT || array->initial.kind == INITIAL_FILE ||
        array->initial.kind == INITIAL_COPY) {
        diag_report(r->diags, DIAG_E0230, c->span, "`%s` is given, not drawn, so nothing says how a feedback weight is",
                    info.name);
        diag_expected(r->diags, "a weight that starts at random, or `feedback = symmetric`");
        return 0;
    }
    Array own = *array; // before declare_array, which may move the arrays
    info.name = arena_format(r->arena, "%s.feedback_%s", c->name, info.name + strlen(c->name) + 1);
    Symbol symbol = declare_array(r, info, own.initial);
    Array *feedback = &r->model->arrays.items[r->model->arrays.count - 1];
    feedback->mask = own.mask; // what is not there carries nothing back
    feedback->zero_diagonal = own.zero_diagonal;
    return symbol;
}

// Whether an error may travel back through this weight: a message is read beside it.
static bool carries_back(const Resolver *r, const Connection *c, Symbol weight) {
    return !c->from_external && c->messages.count && expr_reads(r->store, c->current, weight) &&
           symbol_info(r->store, weight)->rank > 1;
}

void resolve_feedback(Resolver *r) {
    if (r->model->dynamics.feedback == FEEDBACK_SYMMETRIC || diag_error_count(r->diags)) return;
    for (uint32_t i = 0; i < r->model->connections.count; i++) {
        Connection *c = &r->model->connections.items[i];
        for (uint32_t w = 0; w < c->weights.count; w++) {
            Symbol weight = c->weights.items[w];
            vec_push(&c->feedback, carries_back(r, c, weight) ? feedback_of(r, c, weight) : 0);
        }
    }
}
