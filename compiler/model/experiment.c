// Experiments: data sources, what is presented for how long, scores, recordings; checked, but run by the runtime.
#include "network.h"
#include <math.h>
#include <string.h>

enum { // what an argument of a generator may be
    TAKES_NUMBER = 1,
    TAKES_TIME = 2,
    TAKES_RATE = 4,
    TAKES_LIST = 8,
    TAKES_TEXT = 16,
    TAKES_SIGNAL = 32,
    TAKES_RANDOM = 64,
    TAKES_SPLIT = 128, // words
    REQUIRED = 256,
};

typedef struct GeneratorParameter {
    const char *name;
    unsigned takes;
} GeneratorParameter;

typedef struct Generator {
    const char *name;
    DataKind kind;
    bool is_signal;
    GeneratorParameter parameters[8]; // in positional order
} Generator;

static const Generator generators[] = {
    {"mnist1d",
     DATA_MNIST1D,
     false,
     {{"split", TAKES_SPLIT | REQUIRED}, {"length", TAKES_NUMBER}, {"seed", TAKES_NUMBER}}},
    {"load", DATA_FILE, true, {{"path", TAKES_TEXT | REQUIRED}, {"columns", TAKES_TEXT}}},
    {"samples", DATA_IDX, false, {{"values", TAKES_TEXT | REQUIRED}, {"labels", TAKES_TEXT}, {"scale", TAKES_NUMBER}}},
    {"sines",
     DATA_SINES,
     true,
     {{"frequencies", TAKES_RATE | TAKES_LIST | REQUIRED},
      {"amplitudes", TAKES_NUMBER | TAKES_LIST},
      {"phases", TAKES_NUMBER | TAKES_LIST | TAKES_RANDOM}}},
    {"square",
     DATA_SQUARE,
     true,
     {{"period", TAKES_TIME | REQUIRED},
      {"low", TAKES_NUMBER},
      {"high", TAKES_NUMBER},
      {"shift", TAKES_TIME | TAKES_RANDOM}}},
    {"smooth", DATA_SMOOTH, true, {{"source", TAKES_SIGNAL | REQUIRED}, {"sigma", TAKES_TIME | REQUIRED}}},
    {"ou", DATA_OU, true, {{"tau", TAKES_TIME | REQUIRED}, {"sigma", TAKES_NUMBER}, {"mean", TAKES_NUMBER}}},
    {"steps", DATA_STEPS, true, {{"hold", TAKES_TIME | REQUIRED}, {"low", TAKES_NUMBER}, {"high", TAKES_NUMBER}}},
    {"sawtooth",
     DATA_SAWTOOTH,
     true,
     {{"period", TAKES_TIME | REQUIRED}, {"low", TAKES_NUMBER}, {"high", TAKES_NUMBER}}},
    {"pattern",
     DATA_PATTERN,
     true,
     {{"values", TAKES_LIST | TAKES_NUMBER | TAKES_TEXT | REQUIRED}, {"hold", TAKES_TIME}, {"columns", TAKES_TEXT}}},
    {"cycle", DATA_CYCLE, true, {{"source", TAKES_SIGNAL | REQUIRED}, {"period", TAKES_TIME | REQUIRED}}},
    {"mackey_glass", DATA_MACKEY_GLASS, true, {{"tau", TAKES_TIME}, {"discard", TAKES_TIME}}},
};

static const Generator *find_generator(Atom name) {
    for (size_t i = 0; i < sizeof generators / sizeof *generators; i++)
        if (strcmp(generators[i].name, name) == 0) return &generators[i];
    return NULL;
}

// A count from the model; false after a mistake. Beyond 1e15, counts would not be exact.
static bool whole_count(Resolver *r, const Scope *scope, const Ast *ast, const char *what, int64_t least,
                        int64_t *count) {
    double number;
    if (!constant_number(r, scope, ast, what, &number, NULL)) return false;
    if (number != floor(number)) {
        diag_report(r->diags, DIAG_E0209, ast->span, "%s is no whole number", what);
        diag_expected(r->diags, "a whole number from %lld on", (long long)least);
        return false;
    }
    if (number < (double)least || number > 1e15) {
        diag_report(r->diags, DIAG_E0216, ast->span, "%s is out of range", what);
        diag_expected(r->diags, "a whole number from %lld to 1e15", (long long)least);
        return false;
    }
    *count = (int64_t)number;
    return true;
}

static int64_t find_data(const Experiment *e, Atom name) {
    for (uint32_t i = 0; i < e->data.count; i++)
        if (e->data.items[i].name == name) return i;
    return -1;
}

// ---- Data -----------------------------------------------------------------------------------------------------------

static DataSource *data_source(Resolver *r, const Scope *scope, Experiment *e, const Ast *ast);

// "a time or `random`"
static void describe_takes(unsigned takes, Text *out) {
    static const struct {
        unsigned takes;
        const char *words;
    } phrases[] = {{TAKES_NUMBER, "a number without a unit"},
                   {TAKES_TIME, "a time"},
                   {TAKES_RATE, "a number per time"},
                   {TAKES_LIST, "a list of them"},
                   {TAKES_TEXT, "a text in quotes"},
                   {TAKES_SIGNAL, "a signal"},
                   {TAKES_RANDOM, "`random`"},
                   {TAKES_SPLIT, "`train` or `test`"}};
    bool first = true;
    for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++) {
        if (!(takes & phrases[i].takes)) continue;
        text_addf(out, "%s%s", first ? "" : " or ", phrases[i].words);
        first = false;
    }
}

static bool refuse_argument(Resolver *r, const GeneratorParameter *p, const Ast *ast, const char *found) {
    Text takes = {0};
    describe_takes(p->takes, &takes);
    diag_report(r->diags, DIAG_E0202, ast->span, "`%s` is %s", p->name, found);
    diag_expected(r->diags, "%s", text_z(&takes));
    text_free(&takes);
    return false;
}

static bool is_word(unsigned takes, const char *word) {
    if (takes & TAKES_RANDOM && strcmp(word, "random") == 0) return true;
    return takes & TAKES_SPLIT && (strcmp(word, "train") == 0 || strcmp(word, "test") == 0);
}

static bool unknown_word(Resolver *r, const GeneratorParameter *p, const Ast *ast) {
    static const char *const words[] = {"random", "train", "test"};
    Atom names[3];
    uint32_t count = 0;
    for (int i = 0; i < 3; i++)
        if (is_word(p->takes, words[i])) names[count++] = arena_atom_z(r->arena, words[i]);
    Text takes = {0};
    describe_takes(p->takes, &takes);
    diag_report(r->diags, DIAG_E0201, ast->span, "unknown name `%s`", ast->name);
    diag_expected(r->diags, "%s", text_z(&takes));
    suggest(r, ast->name, names, count);
    text_free(&takes);
    return false;
}

static bool unit_fits(Resolver *r, const GeneratorParameter *p, const Argument *argument) {
    Value value = value_number(r, argument->list ? 1 : argument->number, argument->span);
    value.unit = argument->unit;
    if (value.any_unit || (p->takes & TAKES_TIME && unit_equal(value.unit, UNIT_STEPS))) return true;
    if (p->takes & TAKES_TIME) return is_time(r, &value, arena_format(r->arena, "`%s`", p->name));
    bool bare_rate = p->takes & TAKES_RATE && unit_is_none(value.unit) && !unit_is_none(r->model->time_unit);
    if (bare_rate) {
        diag_report(r->diags, DIAG_E0207, argument->span, "`%s` has no unit", p->name);
        diag_expected(r->diags, "a number per time, since `dt` of this network carries a unit of time");
        diag_help(r->diags, "write the unit after the number, as in `8 Hz`");
        return false;
    }
    if (unit_is_none(value.unit)) return true;
    if (p->takes & TAKES_RATE && unit_equal(value.unit, unit_power(r->model->time_unit, -1))) return true;
    Text have = {0}, takes = {0};
    unit_print(value.unit, &have);
    describe_takes(p->takes, &takes);
    diag_report(r->diags, DIAG_E0206, argument->span, "`%s` is in `%s`", p->name, text_z(&have));
    diag_expected(r->diags, "%s", text_z(&takes));
    text_free(&have);
    text_free(&takes);
    return false;
}

static bool number_argument(Resolver *r, const Scope *scope, const GeneratorParameter *p, const Ast *ast,
                            Argument *argument) {
    Value value = elaborate(r, scope, ast);
    if (value.kind == VALUE_ERROR) return false;
    if (!(p->takes & (TAKES_NUMBER | TAKES_TIME | TAKES_RATE)))
        return refuse_argument(r, p, ast, value_describe(r, &value));
    if (value.kind == VALUE_LIST) {
        argument->list = value.list;
        argument->list_count = value.list_count;
        argument->unit = value.unit;
        return p->takes & TAKES_LIST ? unit_fits(r, p, argument)
                                     : refuse_argument(r, p, ast, value_describe(r, &value));
    }
    return constant_number(r, scope, ast, arena_format(r->arena, "`%s`", p->name), &argument->number,
                           &argument->unit) &&
           unit_fits(r, p, argument);
}

static bool data_argument(Resolver *r, const Scope *scope, Experiment *e, const GeneratorParameter *p, const Ast *ast,
                          Argument *argument) {
    argument->span = ast->span;
    if (ast->kind == AST_STRING) {
        argument->word = ast->text;
        return p->takes & TAKES_TEXT ? true : refuse_argument(r, p, ast, "a text");
    }
    if (ast->kind == AST_NAME && is_word(p->takes, ast->name)) {
        argument->word = ast->name;
        return true;
    }
    int64_t data = ast->kind == AST_NAME ? find_data(e, ast->name) : -1;
    if (data >= 0) argument->source = e->data.items[data].source;
    if (data >= 0 && !argument->source) return false; // its own mistake is reported
    bool generator = ast->kind == AST_CALL && ast->child[0]->kind == AST_NAME && find_generator(ast->child[0]->name);
    if (generator || (ast->kind == AST_CALL && p->takes & TAKES_SIGNAL)) {
        argument->source = data_source(r, scope, e, ast);
        if (!argument->source) return false;
    }
    if (argument->source) {
        if (p->takes & TAKES_SIGNAL && argument->source->is_signal) return true;
        return refuse_argument(r, p, ast, argument->source->is_signal ? "a signal" : "a set of samples");
    }
    if (ast->kind == AST_NAME && !scope_find(scope, ast->name)) return unknown_word(r, p, ast);
    return number_argument(r, scope, p, ast, argument);
}

static const GeneratorParameter *known_parameter(Resolver *r, const Generator *g, const Ast *arg) {
    Vec(Atom) names = {0};
    Text list = {0};
    const GeneratorParameter *found = NULL;
    for (int i = 0; i < 8 && g->parameters[i].name; i++) {
        vec_push(&names, arena_atom_z(r->arena, g->parameters[i].name));
        text_addf(&list, "%s`%s`", i ? ", " : "", g->parameters[i].name);
        if (strcmp(g->parameters[i].name, arg->name) == 0) found = &g->parameters[i];
    }
    if (!found) {
        diag_report(r->diags, DIAG_E0204, arg->name_span, "`%s` has no parameter `%s`", g->name, arg->name);
        diag_expected(r->diags, "%s", text_z(&list));
        suggest(r, arg->name, names.items, names.count);
    }
    vec_free(&names);
    text_free(&list);
    return found;
}

static bool has_required(Resolver *r, const Generator *g, const DataSource *source) {
    for (int i = 0; i < 8 && g->parameters[i].name; i++) {
        bool given = !(g->parameters[i].takes & REQUIRED);
        for (uint32_t k = 0; k < source->arguments.count; k++)
            given |= strcmp(source->arguments.items[k].name, g->parameters[i].name) == 0;
        if (given) continue;
        Text takes = {0};
        describe_takes(g->parameters[i].takes, &takes);
        diag_report(r->diags, DIAG_E0204, source->span, "`%s` needs `%s`", g->name, g->parameters[i].name);
        diag_expected(r->diags, "`%s = …`, %s", g->parameters[i].name, text_z(&takes));
        text_free(&takes);
        return false;
    }
    return true;
}

static bool source_arguments(Resolver *r, const Scope *scope, Experiment *e, const Generator *g, const Ast *call,
                             DataSource *source) {
    bool good = true;
    uint32_t position = 0;
    for (uint32_t i = 1; call->kind == AST_CALL && i < call->count; i++) {
        const Ast *arg = call->child[i];
        const GeneratorParameter *p = NULL;
        if (arg->kind == AST_ARGUMENT)
            p = known_parameter(r, g, arg);
        else if (position < 8 && g->parameters[position].name)
            p = &g->parameters[position++];
        else
            diag_report(r->diags, DIAG_E0204, arg->span, "too many arguments for `%s`", g->name),
                diag_expected(r->diags, "at most %u argument%s", position, position == 1 ? "" : "s");
        if (!p) {
            good = false;
            continue;
        }
        Argument argument = {.name = arena_atom_z(r->arena, p->name)};
        for (uint32_t k = 0; k < source->arguments.count; k++)
            if (source->arguments.items[k].name == argument.name) {
                diag_report(r->diags, DIAG_E0203, arg->span, "`%s` is given twice", p->name);
                good = false;
            }
        good &= data_argument(r, scope, e, p, arg->kind == AST_ARGUMENT ? arg->child[0] : arg, &argument);
        vec_push(&source->arguments, argument);
    }
    return good && has_required(r, g, source);
}

static DataSource *data_source(Resolver *r, const Scope *scope, Experiment *e, const Ast *ast) {
    const Ast *named = ast->kind == AST_CALL ? ast->child[0] : ast;
    const Generator *g = named->kind == AST_NAME ? find_generator(named->name) : NULL;
    if (!g) {
        diag_report(r->diags, DIAG_E0201, named->span, "unknown data source%s%s%s", named->kind == AST_NAME ? " `" : "",
                    named->kind == AST_NAME ? named->name : "", named->kind == AST_NAME ? "`" : "");
        Vec(Atom) names = {0};
        Text list = {0};
        for (size_t i = 0; i < sizeof generators / sizeof *generators; i++) {
            vec_push(&names, arena_atom_z(r->arena, generators[i].name));
            text_addf(&list, "%s`%s`", i ? ", " : "", generators[i].name);
        }
        diag_expected(r->diags, "one of %s", text_z(&list));
        if (named->kind == AST_NAME) suggest(r, named->name, names.items, names.count);
        vec_free(&names);
        text_free(&list);
        return NULL;
    }
    DataSource *source = arena_new_object(r->arena, DataSource);
    *source = (DataSource){
        .name = arena_atom_z(r->arena, g->name), .kind = g->kind, .is_signal = g->is_signal, .span = ast->span};
    vec_push(&e->sources, source);
    return source_arguments(r, scope, e, g, ast, source) ? source : NULL;
}

static void add_data(Resolver *r, const Scope *scope, Experiment *e, const Ast *item) {
    if (find_data(e, item->name) >= 0) {
        report_twice(r, item->name, item->name_span, e->data.items[find_data(e, item->name)].span,
                     arena_format(r->arena, "experiment `%s`", e->name));
        return;
    }
    DataSource *source = data_source(r, scope, e, item->child[0]); // NULL after a mistake
    vec_push(&e->data, (DataSet){item->name, source, item->span});
}

// ---- Presentation ---------------------------------------------------------------------------------------------------

// A number, or a list of them, without a unit.
static bool plain_numbers(Resolver *r, const Scope *scope, const Ast *ast, const char *what, const double **numbers,
                          uint32_t *count) {
    Value value = elaborate(r, scope, ast);
    if (value.kind == VALUE_ERROR) return false;
    if (value.kind == VALUE_LIST && unit_is_none(value.unit)) {
        *numbers = value.list;
        *count = value.list_count;
        return true;
    }
    double *one = arena_new_array(r->arena, double, 1);
    Unit unit;
    *numbers = one;
    *count = 1;
    if (value.kind != VALUE_LIST) {
        if (!constant_number(r, scope, ast, what, one, &unit)) return false;
        if (unit_is_none(unit)) return true;
    }
    diag_report(r->diags, DIAG_E0206, ast->span, "%s has a unit", what);
    diag_expected(r->diags, "a number without a unit, such as `60 %%`, or a list of them");
    return false;
}

static bool is_t(const Ast *ast) { return ast->kind == AST_NAME && strcmp(ast->name, "t") == 0; }

static bool is_operator(const Ast *ast, char operator) {
    return ast->kind == AST_BINARY && ast->name[0] == operator&& !ast->name[1];
}

// t, or t - 3: what is presented comes late.
static bool late_time(Resolver *r, const Scope *scope, const Ast *time, int64_t *delay) {
    if (is_t(time)) return true;
    return is_operator(time, '-') && is_t(time->child[0]) &&
           constant_steps(r, scope, time->child[1], false, "a delay", delay);
}

// sample[t], sample[t / 10 ms], sample[(t - 3) / 10]
static bool is_time_index(Resolver *r, const Scope *scope, const Ast *sample, Feed *feed) {
    const Ast *index = sample->child[1], *time = index;
    uint32_t before = diag_error_count(r->diags);
    feed->hold = 1;
    if (is_operator(index, '/') &&
        constant_steps(r, scope, index->child[1], false, "how long an element stands", &feed->hold))
        time = index->child[0];
    if (sample->count == 2 && feed->hold > 0 && late_time(r, scope, time, &feed->delay)) return true;
    if (diag_error_count(r->diags) != before) return false;
    diag_report(r->diags, DIAG_E0202, index->span, "a sample is presented element by element over time");
    diag_expected(r->diags, "`sample[t]`, where `t` counts the steps of the presentation, `sample[t / 10 steps]` for "
                            "elements that stand for 10 steps each, `sample[t - 3 steps]` for a sample that comes "
                            "late, or `sample` for all elements at once");
    return false;
}

// sample(t - 3), class(t - 3)
static bool is_late(Resolver *r, const Scope *scope, const Ast *call, Feed *feed) {
    uint32_t before = diag_error_count(r->diags);
    if (call->count == 2 && late_time(r, scope, call->child[1], &feed->delay)) return true;
    if (diag_error_count(r->diags) != before) return false;
    Atom name = call->child[0]->name;
    diag_report(r->diags, DIAG_E0202, call->span, "`%s` is no function of this", name);
    diag_expected(r->diags, "`%s`, or `%s(t - 3 steps)` for what was presented 3 steps before", name, name);
    return false;
}

static void refuse_feed(Resolver *r, const Experiment *e, const Ast *value, bool samples) {
    const Ast *named = value->kind == AST_INDEX || value->kind == AST_CALL ? value->child[0] : value;
    Atom name = named->kind == AST_NAME ? named->name : NULL;
    if (samples)
        diag_report(r->diags, DIAG_E0202, value->span, "`%s` is a set of samples", name);
    else if (name)
        diag_report(r->diags, DIAG_E0201, named->span, "`%s` is nothing that can be presented", name);
    else
        diag_report(r->diags, DIAG_E0202, value->span, "this can't be presented");
    diag_expected(r->diags, "the name of a signal declared by `data`, `sample`, `sample[t]`, `class` or a number");
    Vec(Atom) names = {0};
    vec_push(&names, arena_atom_z(r->arena, "sample"));
    vec_push(&names, arena_atom_z(r->arena, "class"));
    for (uint32_t i = 0; i < e->data.count; i++) vec_push(&names, e->data.items[i].name);
    if (samples)
        diag_help(
            r->diags,
            "write `sample[t]` for its samples element by element, `sample` for whole ones, `class` for their classes");
    else if (name)
        suggest(r, name, names.items, names.count);
    vec_free(&names);
}

// series(t + 6): the value that the signal will have 6 units of time later.
static bool lead_of(Resolver *r, const Scope *scope, const Ast *call, int64_t *lead) {
    const Ast *time = call->count == 2 ? call->child[1] : NULL;
    bool sum = time && time->kind == AST_BINARY && strcmp(time->name, "+") == 0;
    bool back = time && time->kind == AST_BINARY && strcmp(time->name, "-") == 0;
    const Ast *now = sum || back ? time->child[0] : time;
    if (now && now->kind == AST_NAME && strcmp(now->name, "t") == 0 && !back)
        return !sum || constant_steps(r, scope, time->child[1], false, "how far a signal is ahead", lead);
    Atom name = call->child[0]->name;
    diag_report(r->diags, DIAG_E0202, time ? time->span : call->span,
                back ? "a signal has no values before the run" : "a signal is presented as a function of the time");
    diag_expected(r->diags, "`%s`, or `%s(t + 6)` for its value 6 units of time later", name, name);
    if (back) diag_help(r->diags, "present the other inputs ahead of this one: `x = %s(t + 6), y = %s`", name, name);
    return false;
}

// A number, or one for each element.
static bool constant_feed(Resolver *r, const Scope *scope, const Ast *value, Feed *feed) {
    const External *external = &r->model->externals.items[feed->external];
    feed->kind = FEED_CONSTANT;
    if (!plain_numbers(r, scope, value, "what is presented", &feed->values, &feed->value_count)) return false;
    if (feed->value_count == 1 || feed->value_count == external->size) return true;
    diag_report(r->diags, DIAG_E0205, value->span, "%u numbers for `%s[%u]`", feed->value_count, external->name,
                external->size);
    diag_expected(r->diags, "one number, or one for each element");
    return false;
}

static bool is_constant(const Scope *scope, const Ast *value) {
    if (value->kind == AST_NAME) {
        const Value *found = scope_find(scope, value->name);
        return found && (found->kind == VALUE_NUMBER || found->kind == VALUE_LIST);
    }
    return value->kind == AST_NUMBER || value->kind == AST_LIST || value->kind == AST_UNARY ||
           value->kind == AST_BINARY;
}

static bool feed_kind(Resolver *r, const Scope *scope, const Experiment *e, const Ast *value, Feed *feed) {
    const Ast *named = value->kind == AST_CALL || value->kind == AST_INDEX ? value->child[0] : value;
    bool sample = named->kind == AST_NAME && strcmp(named->name, "sample") == 0;
    bool class = named->kind == AST_NAME && strcmp(named->name, "class") == 0;
    if (sample && value->kind == AST_INDEX) {
        feed->kind = FEED_SAMPLE_AT;
        return is_time_index(r, scope, value, feed);
    }
    if ((sample || class) && value->kind != AST_INDEX) {
        feed->kind = sample ? FEED_SAMPLE : FEED_CLASS;
        return value == named || is_late(r, scope, value, feed);
    }
    named = value->kind == AST_CALL ? value->child[0] : value;
    int64_t data = named->kind == AST_NAME ? find_data(e, named->name) : -1;
    if (data >= 0 && !e->data.items[data].source) return false; // its own mistake is reported
    if (data >= 0 && e->data.items[data].source->is_signal) {
        feed->kind = FEED_SIGNAL;
        feed->data = (uint32_t)data;
        return value == named || lead_of(r, scope, value, &feed->lead);
    }
    if (data < 0 && is_constant(scope, value)) return constant_feed(r, scope, value, feed);
    refuse_feed(r, e, value, data >= 0);
    return false;
}

static void add_present(Resolver *r, const Scope *scope, Experiment *e, const Ast *item, int stage) {
    e->reset |= (item->flags & AST_RESET) != 0;
    bool timed = item->count && item->child[item->count - 1] && item->child[item->count - 1]->kind != AST_ARGUMENT;
    if (stage >= 0 && (timed || item->flags & AST_RESET)) {
        diag_report(r->diags, DIAG_E0202, item->span, "a stage with presentations of its own length or beginning");
        diag_expected(r->diags, "what is presented: how long, and whether states are reset, is said once, beside the "
                                "stages");
        return;
    }
    for (uint32_t i = 0; i < item->count; i++) {
        const Ast *child = item->child[i];
        if (!child) continue;
        if (child->kind != AST_ARGUMENT) {
            constant_steps(r, scope, child->kind == AST_DURATION ? child->child[0] : child, child->flags & AST_STEP,
                           "the length of a presentation", &e->present_steps);
            continue;
        }
        const Value *target = scope_find(scope, child->name);
        if (!target || target->kind != VALUE_OBJECT || target->object != OBJECT_EXTERNAL) {
            diag_report(r->diags, DIAG_E0201, child->name_span, "`%s` is no input, target or label of the network",
                        child->name);
            Vec(Atom) names = {0};
            Text list = {0};
            for (uint32_t k = 0; k < r->model->externals.count; k++) {
                vec_push(&names, r->model->externals.items[k].name);
                text_addf(&list, "%s`%s`", k ? ", " : "", r->model->externals.items[k].name);
            }
            if (names.count) diag_expected(r->diags, "%s", text_z(&list));
            suggest(r, child->name, names.items, names.count);
            vec_free(&names);
            text_free(&list);
            continue;
        }
        for (uint32_t k = 0; k < e->feeds.count; k++) {
            if (e->feeds.items[k].external != target->number || e->feeds.items[k].stage != stage) continue;
            diag_report(r->diags, DIAG_E0203, child->name_span, "`%s` is presented twice", child->name);
            diag_note(r->diags, e->feeds.items[k].span, "the first time is here");
        }
        Feed feed = {.external = target->number, .hold = 1, .stage = stage, .span = child->span};
        if (feed_kind(r, scope, e, child->child[0], &feed)) vec_push(&e->feeds, feed);
    }
}

static bool feeds_samples(const Experiment *e) {
    for (uint32_t i = 0; i < e->feeds.count; i++)
        if (e->feeds.items[i].kind != FEED_SIGNAL && e->feeds.items[i].kind != FEED_CONSTANT) return true;
    return false;
}

// ---- Scores ---------------------------------------------------------------------------------------------------------

static void refuse_score_function(Resolver *r, const Ast *function) {
    Vec(Atom) names = {0};
    for (const char *const *b = builtin_names(); *b; b++) vec_push(&names, arena_atom_z(r->arena, *b));
    static const char *const courses[] = {"correlation", "distance", "edits"};
    for (int i = 0; i < 3; i++) vec_push(&names, arena_atom_z(r->arena, courses[i]));
    diag_report(r->diags, DIAG_E0202, function->span, "this function can't be used in a score");
    diag_expected(r->diags, "`argmax`, `sum`, `mean`, `max`, `abs`, …");
    if (function->kind == AST_NAME) suggest(r, function->name, names.items, names.count);
    vec_free(&names);
}

static bool compares_courses(const Ast *call) {
    static const char *const names[] = {"correlation", "distance", "edits"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (call->child[0]->kind == AST_NAME && strcmp(call->child[0]->name, names[i]) == 0) return true;
    return false;
}

// correlation(h.r, y over presentation, lag = 10 ms): the options are numbers, which the runtime reads.
static void check_course_option(Resolver *r, const Scope *scope, const Ast *call, const Ast *option) {
    static const char *const shifts[] = {"lag", "late"}, *const notes[] = {"threshold"};
    bool edits = strcmp(call->child[0]->name, "edits") == 0;
    Vec(Atom) names = {0};
    for (int i = 0; i < (edits ? 1 : 2); i++) vec_push(&names, arena_atom_z(r->arena, edits ? notes[i] : shifts[i]));
    bool known = false;
    for (uint32_t i = 0; i < names.count; i++) known |= strcmp(names.items[i], option->name) == 0;
    if (!known) {
        diag_report(r->diags, DIAG_E0204, option->span, "`%s` has no option `%s`", call->child[0]->name, option->name);
        diag_expected(r->diags, edits
                                    ? "`threshold = 0.5`, a number above which an element sounds"
                                    : "`lag = 10 ms`, the largest shift, or `late = 10 ms`, which does not go around");
        suggest(r, option->name, names.items, names.count);
    } else if (!edits) {
        int64_t steps;
        constant_steps(r, scope, option->child[0], false, arena_format(r->arena, "`%s`", option->name), &steps);
    }
    vec_free(&names);
}

static void check_score(Resolver *r, const Scope *scope, const Ast *ast) {
    switch (ast->kind) {
    case AST_NUMBER: break;
    case AST_NAME: {
        const Value *value = scope_find(scope, ast->name);
        bool good =
            value && (value->kind == VALUE_NUMBER || (value->kind == VALUE_OBJECT && value->object == OBJECT_EXTERNAL));
        if (!good && value)
            diag_report(r->diags, DIAG_E0202, ast->span, "`%s` is %s", ast->name, value_describe(r, value));
        if (!good && !value)
            report_unknown(r, scope, ast->name, ast->span, "an input, target, label or array of the network");
        break;
    }
    case AST_MEMBER: elaborate(r, scope, ast); break;
    case AST_INDEX: check_score(r, scope, ast->child[0]); break; // the element is chosen by the runtime
    case AST_CALL:
        if (!compares_courses(ast) && (ast->child[0]->kind != AST_NAME || !builtin_find(ast->child[0]->name)))
            refuse_score_function(r, ast->child[0]);
        for (uint32_t i = 1; i < ast->count; i++) {
            bool option = compares_courses(ast) && ast->child[i]->kind == AST_ARGUMENT;
            if (option)
                check_course_option(r, scope, ast, ast->child[i]);
            else
                check_score(r, scope, ast->child[i]);
        }
        break;
    case AST_OVER:
        if (strcmp(ast->name, "epoch") == 0) {
            diag_report(r->diags, DIAG_E0202, ast->span, "a score can't go over an epoch");
            diag_expected(r->diags, "`over presentation`, or `over all` for all steps and samples of an epoch");
        }
        check_score(r, scope, ast->child[0]);
        break;
    case AST_BINARY:
    case AST_UNARY:
        for (uint32_t i = 0; i < ast->count; i++) check_score(r, scope, ast->child[i]);
        break;
    default: diag_report(r->diags, DIAG_E0202, ast->span, "this can't stand in a score");
    }
}

// One recording per name, so that each is reported at its own place.
static void add_record(Resolver *r, const Scope *scope, Experiment *e, const Ast *item, int stage) {
    int64_t every = 0;
    const Ast *interval = item->count > 1 ? item->child[1] : NULL;
    if (interval && constant_steps(r, scope, interval, item->flags & AST_STEP, "the interval of a recording", &every) &&
        !every) {
        diag_report(r->diags, DIAG_E0216, interval->span, "a recording every 0 steps");
        diag_expected(r->diags, "at least one step");
    }
    for (uint32_t i = 0; i < item->child[0]->count; i++) {
        Recording recording = {.every = every, .stage = stage, .span = item->child[0]->child[i]->span};
        Atom name = path_text(r, scope, item->child[0]->child[i]);
        if (!name) continue;
        vec_push(&recording.names, name);
        vec_push(&e->recordings, recording);
    }
}

// plateau(test.loss, patience = 2, factor = 0.5)
static void anneal_by_plateau(Resolver *r, const Scope *scope, Experiment *e, const Ast *rule) {
    e->anneal_rule = ANNEAL_PLATEAU;
    e->patience = 10;
    e->factor = 0.1;
    for (uint32_t i = 1; i < rule->count; i++) {
        const Ast *arg = rule->child[i];
        if (arg->kind != AST_ARGUMENT) {
            e->anneal_score = path_text(r, scope, arg);
        } else if (strcmp(arg->name, "patience") == 0) {
            whole_count(r, scope, arg->child[0], "the patience", 0, &e->patience);
        } else if (strcmp(arg->name, "factor") == 0) {
            constant_number(r, scope, arg->child[0], "the factor", &e->factor, NULL);
        } else {
            diag_report(r->diags, DIAG_E0204, arg->name_span, "`plateau` has no parameter `%s`", arg->name);
            diag_expected(r->diags, "`patience`, `factor`");
            Atom names[2] = {arena_atom_z(r->arena, "patience"), arena_atom_z(r->arena, "factor")};
            suggest(r, arg->name, names, 2);
        }
    }
    if (!e->anneal_score) {
        diag_report(r->diags, DIAG_E0204, rule->span, "`plateau` needs the score that it watches");
        diag_help(r->diags, "write `plateau(test.loss, …)`");
        return;
    }
    size_t length = strlen(e->anneal_score);
    e->lower_is_better = length >= 4 && strcmp(e->anneal_score + length - 4, "loss") == 0;
}

static bool parts_in_order(Resolver *r, const Ast *ast, const double *parts, uint32_t count) {
    bool good = true;
    for (uint32_t i = 0; i < count; i++) good &= parts[i] >= (i ? parts[i - 1] : 0) && parts[i] <= 1;
    if (good) return true;
    diag_report(r->diags, DIAG_E0216, ast->span, "parts of the training out of order or range");
    diag_expected(r->diags, "parts from 0 to 100 %%, the earliest first, as in `after = [60 %%, 85 %%]`");
    return false;
}

// steps(after = [60 %, 85 %], factor = [0.3, 0.1])
static void anneal_by_steps(Resolver *r, const Scope *scope, Experiment *e, const Ast *rule) {
    static const char *const parameters[] = {"after", "factor"};
    const double *numbers[2] = {0};
    uint32_t count[2] = {0}, position = 0;
    const Ast *given[2] = {0};
    e->anneal_rule = ANNEAL_STEPS;
    for (uint32_t i = 1; i < rule->count; i++) {
        const Ast *arg = rule->child[i];
        bool named = arg->kind == AST_ARGUMENT;
        uint32_t which = named ? strcmp(arg->name, "factor") == 0 ? 1 : 0 : position++;
        if (which > 1 || (named && strcmp(arg->name, parameters[which]) != 0)) {
            diag_report(r->diags, DIAG_E0204, named ? arg->name_span : arg->span,
                        named ? "`steps` has no parameter `%s`" : "too many arguments for `steps`", arg->name);
            diag_expected(r->diags, "`after`, `factor`");
            Atom names[2] = {arena_atom_z(r->arena, "after"), arena_atom_z(r->arena, "factor")};
            if (named) suggest(r, arg->name, names, 2);
            return;
        }
        given[which] = named ? arg->child[0] : arg;
        const char *what = which ? "the factor" : "a part of the training";
        if (!plain_numbers(r, scope, given[which], what, &numbers[which], &count[which])) return;
    }
    if (!given[0] || !given[1] || count[0] != count[1]) {
        diag_report(r->diags, DIAG_E0204, rule->span, "`steps` needs one factor for each step");
        diag_expected(r->diags, "`steps(after = [60 %%, 85 %%], factor = [0.3, 0.1])`");
        return;
    }
    if (!parts_in_order(r, given[0], numbers[0], count[0])) return;
    for (uint32_t i = 0; i < count[0]; i++) vec_push(&e->schedule, (AnnealStep){numbers[0][i], numbers[1][i]});
}

// anneal rate by plateau(…), anneal rate by steps(…)
static void add_anneal(Resolver *r, const Scope *scope, Experiment *e, const Ast *item) {
    const Value *value = scope_find(scope, item->name);
    if (!value) {
        report_unknown(r, scope, item->name, item->name_span, "a parameter of the network");
        return;
    }
    ExprNode node = value->kind == VALUE_NUMBER ? expr_node(r->store, value->expr) : (ExprNode){0};
    if (node.kind != EXPR_ACCESS) {
        diag_report(r->diags, DIAG_E0202, item->name_span, "`%s` can't be annealed", item->name);
        diag_expected(r->diags, "a parameter of the network that is a single number");
        return;
    }
    e->anneal = node.symbol;
    const Ast *rule = item->child[0], *named = rule->kind == AST_CALL ? rule->child[0] : rule;
    const char *name = named->kind == AST_NAME && rule->kind == AST_CALL ? named->name : "";
    if (strcmp(name, "plateau") == 0) {
        anneal_by_plateau(r, scope, e, rule);
    } else if (strcmp(name, "steps") == 0) {
        anneal_by_steps(r, scope, e, rule);
    } else {
        diag_report(r->diags, DIAG_E0202, rule->span, "unknown way to anneal");
        diag_expected(r->diags, "`plateau(test.loss, patience = 2, factor = 0.5)` or "
                                "`steps(after = [60 %%, 85 %%], factor = [0.3, 0.1])`");
        Atom rules[2] = {arena_atom_z(r->arena, "plateau"), arena_atom_z(r->arena, "steps")};
        if (named->kind == AST_NAME) suggest(r, named->name, rules, 2);
    }
}

// ---- The whole ------------------------------------------------------------------------------------------------------

static void add_evaluate(Resolver *r, const Scope *scope, Experiment *e, const Ast *item) {
    e->test_data = find_data(e, item->name);
    if (e->test_data < 0) {
        diag_report(r->diags, DIAG_E0201, item->name_span.source ? item->name_span : item->span,
                    "there is no data `%s`", item->name);
        diag_expected(r->diags, "the name of a set of samples declared by `data`");
        Vec(Atom) names = {0};
        for (uint32_t i = 0; i < e->data.count; i++) vec_push(&names, e->data.items[i].name);
        suggest(r, item->name, names.items, names.count);
        vec_free(&names);
    }
    if (item->child[0]) whole_count(r, scope, item->child[0], "the interval of evaluation", 1, &e->evaluate_every);
    if (item->count > 1 && item->child[1])
        constant_size(r, scope, item->child[1], "the batch of an evaluation", &e->evaluate_batch);
}

static void add_score(Resolver *r, const Scope *scope, Experiment *e, const Ast *item, int stage) {
    for (uint32_t i = 0; i < e->scores.count; i++) {
        if (e->scores.items[i].name != item->name) continue;
        diag_report(r->diags, DIAG_E0203, item->span, "a second `score` called %s", item->name);
        diag_note(r->diags, e->scores.items[i].span, "the first one is here");
        return;
    }
    check_score(r, scope, item->child[0]);
    vec_push(&e->scores, (Score){item->name, item->child[0], stage, item->span});
}

void experiment_item(Resolver *r, const Scope *scope, Experiment *e, const Ast *item, int stage) {
    switch (item->kind) {
    case AST_DATA: add_data(r, scope, e, item); break;
    case AST_PRESENT: add_present(r, scope, e, item, stage); break;
    case AST_BATCH:
        if (constant_size(r, scope, item->child[0], "the batch size", &e->batch) && !e->batch)
            diag_report(r->diags, DIAG_E0209, item->child[0]->span, "a batch without samples"),
                diag_expected(r->diags, "a size of at least 1");
        e->shuffle = item->flags & AST_SHUFFLE;
        break;
    case AST_EPOCHS: whole_count(r, scope, item->child[0], "the number of epochs", 0, &e->epochs); break;
    case AST_DURATION:
        constant_steps(r, scope, item->child[0], item->flags & AST_STEP, "the duration", &e->duration);
        break;
    case AST_SETTLE:
        constant_steps(r, scope, item->child[0], item->flags & AST_STEP, "the settling time", &e->settle_steps);
        break;
    case AST_SCORE: add_score(r, scope, e, item, stage); break;
    case AST_EVALUATE: add_evaluate(r, scope, e, item); break;
    case AST_AFTERWARDS:
        constant_steps(r, scope, item->child[0], item->flags & AST_STEP, "the time of evaluation", &e->afterwards);
        break;
    case AST_ANNEAL: add_anneal(r, scope, e, item); break;
    case AST_RECORD: add_record(r, scope, e, item, stage); break;
    case AST_SET: add_setting(r, scope, e, item, stage); break;
    case AST_STAGE: add_stage(r, scope, e, item); break;
    case AST_DISTURB: add_disturbance(r, scope, e, item, stage); break;
    case AST_LEARN:
        diag_report(r->diags, DIAG_E0202, item->span, "`learn` outside of a stage");
        diag_expected(r->diags, "`stage NAME for 10 epochs { learn … }`; how something learns is said in the network");
        break;
    default:
        diag_report(r->diags, DIAG_E0212, item->span, "`%s` in an experiment", ast_kind_name(item->kind));
        diag_expected(r->diags, "an experiment without it: this version doesn't run it");
    }
}

static void check_experiment(Resolver *r, Experiment *e) {
    bool samples = feeds_samples(e);
    if (diag_error_count(r->diags)) return;
    check_stages(r, e, samples);
    if (diag_error_count(r->diags)) return;
    for (uint32_t i = 0; samples && i < e->data.count; i++)
        if (!e->data.items[i].source->is_signal && i != e->test_data && e->train_data < 0) e->train_data = i;
    if (samples && e->train_data < 0) {
        diag_report(r->diags, DIAG_E0401, e->span, "`sample` is presented, but there is no set of samples to train on");
        diag_expected(r->diags, "a line such as `data train = mnist1d(split = train, length = 360)`");
    } else if (samples && !e->present_steps) {
        diag_report(r->diags, DIAG_E0401, e->span, "nothing says how long a sample is presented");
        diag_help(r->diags, "write `present … for 360 steps`");
    } else if (samples && e->settle_steps >= e->present_steps) {
        diag_report(r->diags, DIAG_E0216, e->span, "a presentation is over before it has settled");
    } else if (!samples && e->present_steps) {
        diag_report(r->diags, DIAG_E0202, e->span, "signals and numbers are presented along a run, not for some steps");
        diag_help(r->diags, "leave out `for …` and write `duration …`, or present samples: `x = sample[t]`");
    } else if (!samples && !e->duration) {
        diag_report(r->diags, DIAG_E0401, e->span, "nothing says how long the experiment runs");
        diag_help(r->diags, "write `duration 100` (a time) or `duration 500 steps`");
    } else if (!samples && e->reset) {
        diag_report(r->diags, DIAG_E0202, e->span, "`reset` belongs to samples, but this run goes along signals");
        diag_help(r->diags, "leave it out: all states begin at their first values");
    } else if (samples && e->afterwards) {
        diag_report(r->diags, DIAG_E0202, e->span, "`evaluate for` goes on along signals, but samples are presented");
        diag_expected(r->diags, "`evaluate test every 1 epoch`, with a set of samples `test`");
    } else if (!samples && e->settle_steps >= e->duration) {
        diag_report(r->diags, DIAG_E0216, e->span, "the experiment is over before it has settled");
    }
    for (uint32_t k = 0; k < r->model->externals.count && !diag_error_count(r->diags); k++) {
        bool fed = false;
        for (uint32_t i = 0; i < e->feeds.count; i++) fed |= e->feeds.items[i].external == k;
        if (fed) continue;
        diag_report(r->diags, DIAG_W0402, e->span, "`%s` is not presented: it stays 0",
                    r->model->externals.items[k].name);
    }
}

// Whether what may stand once in an experiment, or under one name, stood before.
static bool is_repeated(Resolver *r, const Ast *experiment, uint32_t number) {
    const Ast *item = experiment->child[number];
    bool once = item->kind == AST_BATCH || item->kind == AST_EPOCHS || item->kind == AST_DURATION ||
                item->kind == AST_SETTLE || item->kind == AST_EVALUATE || item->kind == AST_AFTERWARDS ||
                item->kind == AST_ANNEAL;
    for (uint32_t i = 0; i < number; i++) {
        const Ast *other = experiment->child[i];
        bool same =
            other && other->kind == item->kind && (once || (item->kind == AST_SCORE && other->name == item->name));
        if (!same) continue;
        diag_report(r->diags, DIAG_E0203, item->span, "a second `%s`%s%s", ast_kind_name(item->kind),
                    once ? "" : " called ", once ? "" : item->name);
        diag_note(r->diags, other->span, "the first one is here");
        return true;
    }
    return false;
}

void resolve_experiment(Resolver *r, Scope *scope, const Ast *experiment) {
    Experiment *e = arena_new_object(r->arena, Experiment);
    *e = (Experiment){.name = experiment->name,
                      .batch = 1,
                      .train_data = -1,
                      .test_data = -1,
                      .evaluate_every = 1,
                      .evaluate_batch = 0,
                      .span = experiment->name_span};
    for (uint32_t i = 0; i < experiment->count; i++)
        if (experiment->child[i] && experiment->child[i]->kind == AST_DATA)
            experiment_item(r, scope, e, experiment->child[i], -1);
    for (uint32_t i = 0; i < experiment->count; i++)
        if (experiment->child[i] && experiment->child[i]->kind != AST_DATA && !is_repeated(r, experiment, i))
            experiment_item(r, scope, e, experiment->child[i], -1);
    check_experiment(r, e);
    r->model->experiment = e;
}
