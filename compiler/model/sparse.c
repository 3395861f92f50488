// Which elements of a weight there are: `sparse(p = …)`, each with a probability, and `edges("file.csv")`, those of a
// list. What is not there is 0 and stays so.
#include "network.h"
#include <math.h>
#include <string.h>

// ---- sparse(p) ------------------------------------------------------------------------------------------------------

static const Ast *option_argument(const Ast *option, const char *name, uint32_t position) {
    const Ast *call = option->count ? option->child[0] : NULL;
    for (uint32_t i = 1; call && i < call->count; i++) {
        const Ast *argument = call->child[i];
        if (argument->kind == AST_ARGUMENT && strcmp(argument->name, name) == 0) return argument->child[0];
        if (argument->kind != AST_ARGUMENT && i == position) return argument;
    }
    return NULL;
}

// An argument that the option does not have. NULL-terminated names.
static bool unknown_argument(Resolver *r, const Ast *option, const char *const *names) {
    const Ast *call = option->count ? option->child[0] : NULL;
    uint32_t known = 0;
    while (names[known]) known++;
    for (uint32_t i = 1; call && i < call->count; i++) {
        const Ast *argument = call->child[i];
        bool good = argument->kind != AST_ARGUMENT && i <= known;
        for (uint32_t k = 0; k < known && argument->kind == AST_ARGUMENT; k++)
            good |= strcmp(argument->name, names[k]) == 0;
        if (good) continue;
        report(r, DIAG_E0204, argument->span, "`%s` does not take this argument", option->name);
        diag_expected(r->diags, strcmp(option->name, "sparse") == 0
                                    ? "a probability, which may depend on `i` and `j`: `sparse(p = 0.2)`"
                                    : "a file and, if wanted, a factor and the column of the values: "
                                      "`edges(\"edges.csv\", scale = 1 mV, column = 4)`");
        return true;
    }
    return false;
}

static bool report_probability(Resolver *r, Span span, const Structure *s, const SymbolInfo *info, uint64_t at) {
    char text[32];
    number_format(text, s->chance[at]);
    if (s->count == 1)
        report(r, DIAG_E0241, span, "a probability of %s", text);
    else
        report(r, DIAG_E0241, span, "a probability of %s, for the element [%llu, %llu] of `%s`", text,
               (unsigned long long)(at / info->extent[1]), (unsigned long long)(at % info->extent[1]), info->name);
    diag_expected(r->diags, "a number from 0 to 1");
    return false;
}

// The probability of each element, or one for all. In it, i and j are the axes of the weight.
static bool find_chances(Resolver *r, const SymbolInfo *info, const Scope *scope, const Ast *p, Structure *s) {
    static const char *const names[] = {"i", "j"};
    Scope inner = {.parent = scope, .description = scope->description};
    Index axes[EXPR_MAX_RANK];
    uint64_t elements = 1;
    for (uint32_t k = 0; k < info->rank; k++) {
        axes[k] = index_new(r->store, arena_atom_z(r->arena, k < 2 ? names[k] : "k"), info->extent[k]);
        elements *= info->extent[k];
        if (k < 2)
            scope_bind(&inner, arena_atom_z(r->arena, names[k]),
                       value_expr(expr_index(r->store, axes[k]), UNIT_NONE, p->span));
    }
    Value value = elaborate(r, &inner, p);
    scope_free(&inner);
    if (!require_number(r, &value, "a probability")) return false;
    double one;
    s->count = value_const(r, &value, &one) ? 1 : (uint32_t)elements;
    double *chance = arena_new_array(r->arena, double, s->count ? s->count : 1);
    s->chance = chance;
    bool known = !value.rank && (value.any_unit || unit_is_none(value.unit));
    if (known && s->count == 1 && value_const(r, &value, &one))
        chance[0] = one;
    else
        known = known && model_known_values(r->model, value.expr, axes, info->rank, chance);
    if (!known) {
        report(r, DIAG_E0208, p->span, "a probability must be known before the run, but this is %s",
               value_describe(r, &value));
        diag_expected(r->diags, "a number, or an expression over `i`, `j` and parameters that are given, as in "
                                "`exp(-abs(i - j)/5)`");
        return false;
    }
    for (uint32_t k = 0; k < s->count; k++)
        if (!(chance[k] >= 0 && chance[k] <= 1)) return report_probability(r, p->span, s, info, k);
    return true;
}

static bool read_sparse(Resolver *r, const SymbolInfo *info, const Scope *scope, const Ast *option, Structure *s) {
    static const char *const names[] = {"p", NULL};
    const Ast *p = option_argument(option, "p", 1);
    if (unknown_argument(r, option, names)) return false;
    if (p) return find_chances(r, info, scope, p, s);
    report(r, DIAG_E0204, option->span, "`sparse` without a probability");
    diag_expected(r->diags, "`sparse(p = 0.2)`");
    return false;
}

// ---- edges("file") --------------------------------------------------------------------------------------------------

typedef struct EdgeFile {
    Resolver *r;
    const SymbolInfo *info;
    const Ast *option;
    uint32_t source; // of diagnostics
    const char *text, *at, *end;
    Structure *structure;
    double *there, *values, scale;
    Span *lines;     // per element: where it was first
    uint32_t fields; // of each line; 0 before the first
    uint32_t column; // of the values, counted from 1; 0: the third, if there is one, and no more than three
    Span first;
} EdgeFile;

static Span file_span(const EdgeFile *f, const char *begin, const char *end) {
    return (Span){f->source, (uint32_t)(begin - f->text), (uint32_t)(end - f->text)};
}

static bool wrong(const EdgeFile *f, const char *begin, const char *end, const char *what, const char *expected) {
    if (begin == end && end < f->end) end++;
    diag_report(f->r->diags, DIAG_E0240, file_span(f, begin, end), "%s", what);
    diag_expected(f->r->diags, "%s", expected);
    diag_note(f->r->diags, f->option->span, "the list is read here");
    return false;
}

static const char *skip(const char *at, const char *end) {
    while (at < end && (*at == ' ' || *at == '\t')) at++;
    return at;
}

// A field up to the next comma, without the blanks around it.
static void next_field(const char **at, const char *end, const char **begin, const char **field_end) {
    *begin = skip(*at, end);
    const char *comma = *begin;
    while (comma < end && *comma != ',') comma++;
    *at = comma;
    *field_end = comma;
    while (*field_end > *begin && ((*field_end)[-1] == ' ' || (*field_end)[-1] == '\t')) (*field_end)--;
}

static bool neuron_number(const EdgeFile *f, const char *begin, const char *end, uint32_t count, const char *side,
                          uint32_t *number) {
    double value;
    const char *copy = arena_format(f->r->arena, "%.*s", (int)(end - begin), begin);
    if (begin == end || !number_parse(copy, copy + (end - begin), &value) || value != floor(value) || value < 0)
        return wrong(f, begin, end, "this is no number of a neuron", "a whole number from 0 on");
    if (value < count) {
        *number = (uint32_t)value;
        return true;
    }
    char text[32];
    return wrong(f, begin, end, arena_format(f->r->arena, "there is no %s neuron %s", side, number_format(text, value)),
                 count ? arena_format(f->r->arena, "a number from 0 to %u", count - 1) : "no edge at all");
}

static bool add_edge(EdgeFile *f, uint32_t from, uint32_t to, double value, Span line) {
    uint64_t place = (uint64_t)to * f->info->extent[1] + from;
    if (f->there[place] != 0) {
        diag_report(f->r->diags, DIAG_E0240, line, "the edge from %u to %u is there twice", from, to);
        diag_note(f->r->diags, f->lines[place], "the first one is here");
        diag_note(f->r->diags, f->option->span, "the list is read here");
        return false;
    }
    f->there[place] = 1;
    f->values[place] = value;
    f->lines[place] = line;
    return true;
}

enum { MOST_FIELDS = 16 };

typedef struct EdgeFields {
    const char *begin[MOST_FIELDS], *end[MOST_FIELDS];
    uint32_t count;
} EdgeFields;

// Between commas; false when there are more than `most`.
static bool split_fields(const char *begin, const char *end, uint32_t most, EdgeFields *fields) {
    for (const char *at = begin; fields->count < most; at++) {
        next_field(&at, end, &fields->begin[fields->count], &fields->end[fields->count]);
        fields->count++;
        if (at == end) return true;
    }
    return false;
}

// from, to[, value], or more where one of the columns is asked for.
static bool read_edge(EdgeFile *f, const char *begin, const char *end) {
    EdgeFields fields = {.count = 0};
    uint32_t from, to, value_at = f->column ? f->column : 3;
    bool split = split_fields(begin, end, f->column ? MOST_FIELDS : 3, &fields);
    if (fields.count < 2 || !split) {
        wrong(f, begin, end, "this is no edge",
              f->column ? "`from, to` and further columns of numbers" : "`from, to` or `from, to, weight`");
        if (!split) diag_help(f->r->diags, "say which column holds the values: `edges(…, column = 4)`");
        return false;
    }
    if (f->column > fields.count)
        return wrong(f, begin, end, arena_format(f->r->arena, "this edge has no column %u", f->column),
                     arena_format(f->r->arena, "%u columns: from, to and values", f->column));
    Span line = file_span(f, begin, end);
    if (f->fields && f->fields != fields.count) {
        wrong(f, begin, end,
              f->column        ? "another number of columns than the first edge has"
              : f->fields == 2 ? "a weight, which the first edge has not"
                               : "an edge without a weight",
              f->column ? "the same columns for all edges" : "all edges with a weight, or all without");
        diag_note(f->r->diags, f->first, "the first edge is here");
        return false;
    }
    if (!f->fields) f->first = line;
    f->fields = fields.count;
    if (!neuron_number(f, fields.begin[0], fields.end[0], f->info->extent[1], "presynaptic", &from) ||
        !neuron_number(f, fields.begin[1], fields.end[1], f->info->extent[0], "postsynaptic", &to))
        return false;
    double value = 1;
    if (fields.count >= value_at) {
        const char *first = fields.begin[value_at - 1], *last = fields.end[value_at - 1];
        const char *copy = arena_format(f->r->arena, "%.*s", (int)(last - first), first);
        if (!number_parse(copy, copy + (last - first), &value) || !isfinite(value))
            return wrong(f, first, last, "this is no weight", "a number");
    }
    return add_edge(f, from, to, value * f->scale, line);
}

static bool read_lines(EdgeFile *f) {
    bool marked = f->end - f->text >= 3 && memcmp(f->text, "\xEF\xBB\xBF", 3) == 0; // by some editors
    for (f->at = f->text + (marked ? 3 : 0); f->at < f->end;) {
        const char *line = skip(f->at, f->end), *end = line;
        while (end < f->end && *end != '\n') end++;
        f->at = end + (end < f->end);
        const char *content = line;
        while (content < end && *content != '#' && *content != '\r') content++;
        while (content > line && (content[-1] == ' ' || content[-1] == '\t')) content--;
        if (content > line && !read_edge(f, line, content)) return false;
    }
    return true;
}

// `{n}` in the name of a file stands for the whole number n, of the synapse or the network.
static bool fill_in(Resolver *r, const Scope *scope, const Value *path, Text *name) {
    for (const char *c = path->text; *c;) {
        const char *close = *c == '{' ? strchr(c, '}') : NULL;
        if (!close) {
            text_add_bytes(name, c++, 1);
            continue;
        }
        Atom inside = arena_atom(r->arena, c + 1, (size_t)(close - c - 1));
        const Value *value = scope_find(scope, inside);
        if (!value) value = scope_find(r->network_scope, inside);
        double number;
        if (!value || !value_const(r, value, &number) || number != floor(number)) {
            report(r, DIAG_E0208, path->span, "`{%s}` in the name of a file is no whole number", inside);
            diag_expected(r->diags,
                          "in braces the name of a parameter of the synapse or network, known before the run");
            return false;
        }
        text_addf(name, "%.0f", number);
        c = close + 1;
    }
    return true;
}

// Relative to the file in which the name stands.
static Atom edge_path(Resolver *r, const Scope *scope, const Value *path) {
    size_t length;
    const char *text, *model = diag_source(r->diags, path->span.source, &text, &length), *slash = strrchr(model, '/');
    Text name = {0};
    bool good = fill_in(r, scope, path, &name);
    Atom full = NULL;
    if (good && slash && *text_z(&name) != '/')
        full = arena_format(r->arena, "%.*s%s", (int)(slash - model + 1), model, text_z(&name));
    else if (good)
        full = arena_atom_z(r->arena, text_z(&name));
    text_free(&name);
    return full;
}

static bool edge_column(Resolver *r, const Scope *scope, const Ast *option, uint32_t *column) {
    const Ast *written = option_argument(option, "column", 3);
    double number;
    if (!written) return true;
    if (!constant_number(r, scope, written, "the column of the values", &number, NULL)) return false;
    if (number == floor(number) && number >= 3 && number <= MOST_FIELDS) return *column = (uint32_t)number, true;
    report(r, DIAG_E0209, written->span, "the values of a list of edges cannot be in this column");
    diag_expected(r->diags, "a whole number from 3 to %d: the first two columns say from where and to where",
                  MOST_FIELDS);
    return false;
}

static bool read_list(Resolver *r, const SymbolInfo *info, const Scope *scope, const Ast *option, const Value *path,
                      Structure *s) {
    Atom name = edge_path(r, scope, path);
    uint64_t elements = (uint64_t)info->extent[0] * info->extent[1];
    EdgeFile f = {.r = r, .info = info, .option = option, .structure = s, .scale = 1};
    char *text;
    size_t length;
    if (!name || !source_read(r, name, path->span, DIAG_E0001, &text, &length)) return false;
    f.source = diag_add_source(r->diags, name, text, length);
    f.text = text;
    f.end = text + length;
    f.there = arena_new_array(r->arena, double, elements ? elements : 1);
    f.values = arena_new_array(r->arena, double, elements ? elements : 1);
    f.lines = arena_new_array(r->arena, Span, elements ? elements : 1);
    const Ast *scale = option_argument(option, "scale", 2);
    if (scale && !constant_number(r, scope, scale, "the factor of a list of edges", &f.scale, &s->unit)) return false;
    if (!edge_column(r, scope, option, &f.column) || !read_lines(&f)) return false;
    s->chance = f.there;
    s->count = (uint32_t)elements;
    s->values = f.values;
    s->weighted = f.fields >= 3;
    return true;
}

static bool read_edges(Resolver *r, const SymbolInfo *info, const Scope *scope, const Ast *option, Structure *s) {
    static const char *const names[] = {"file", "scale", "column", NULL};
    const Ast *path = option_argument(option, "file", 1);
    if (unknown_argument(r, option, names)) return false;
    if (info->rank != 2) {
        report(r, DIAG_E0205, option->span, "a list of edges for a weight with %u axes", info->rank);
        diag_expected(r->diags, "a matrix: `weight W[post, pre], edges(\"edges.csv\")`");
        return false;
    }
    Value text = path ? elaborate(r, scope, path) : (Value){.kind = VALUE_NUMBER};
    if (text.kind == VALUE_ERROR) return false;
    if (text.kind == VALUE_TEXT) return read_list(r, info, scope, option, &text, s);
    report(r, DIAG_E0202, path ? path->span : option->span, "`edges` without the name of a file");
    diag_expected(r->diags, "a file with one edge per line, as in `edges(\"edges.csv\")`");
    return false;
}

// ---- Both -----------------------------------------------------------------------------------------------------------

bool is_structure(const Ast *option) {
    return strcmp(option->name, "sparse") == 0 || strcmp(option->name, "edges") == 0;
}

bool read_structure(Resolver *r, const SymbolInfo *info, const Scope *scope, const Ast *option, Structure *s) {
    if (s->option) {
        report(r, DIAG_E0203, option->span, "the elements of a weight are given twice");
        diag_note(r->diags, s->option->span, "they are given here, too");
        return false;
    }
    s->option = option;
    s->unit = UNIT_NONE;
    return strcmp(option->name, "sparse") == 0 ? read_sparse(r, info, scope, option, s)
                                               : read_edges(r, info, scope, option, s);
}

// The array beside a weight that is 1 where the weight is and 0 where it is not.
Symbol structure_mask(Resolver *r, const SymbolInfo *weight, const Structure *s) {
    SymbolInfo info = *weight;
    info.name = arena_format(r->arena, "%s_mask", weight->name);
    info.role = ROLE_PARAMETER;
    info.unit = UNIT_NONE;
    Initial initial = {
        .kind = INITIAL_CONSTANT, .values = s->chance, .count = s->count, .scale = 1, .span = s->option->span};
    for (uint32_t i = 0; i < s->count; i++)
        if (s->chance[i] > 0 && s->chance[i] < 1) initial.kind = INITIAL_CHANCE;
    return declare_array(r, info, initial);
}
