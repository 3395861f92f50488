// Evaluates scores: the formula becomes a tree of operations on [batch][length] blocks, walked once a step for what is
// combined over time and once at the end of a presentation for the rest. A reduction over all steps and samples goes on
// from presentation to presentation; where its body holds one over a presentation, it takes that one's result.
#include "score.h"
#include "../compiler/support/vec.h"
#include "../compiler/units.h"
#include "replay.h"
#include <math.h>
#include <string.h>

typedef enum NodeKind {
    NODE_NUMBER,
    NODE_ARRAY,
    NODE_ELEMENT,
    NODE_ADD,
    NODE_SUBTRACT,
    NODE_MULTIPLY,
    NODE_DIVIDE,
    NODE_POWER,
    NODE_EQUAL,
    NODE_UNEQUAL,
    NODE_LESS,
    NODE_LESS_EQUAL,
    NODE_MORE,
    NODE_MORE_EQUAL,
    NODE_AND,
    NODE_OR,
    NODE_NEGATIVE,
    NODE_NOT,
    NODE_ABS,
    NODE_SQRT,
    NODE_EXP,
    NODE_LOG,
    NODE_SUM,
    NODE_MEAN,
    NODE_VARIANCE, // the mean squared distance from the mean
    NODE_MAX,
    NODE_MIN,
    NODE_ARGMAX,      // over the elements of a vector
    NODE_OVER,        // over the steps of a presentation, or over all, combined as `over` says
    NODE_CORRELATION, // of two courses over a presentation, a beside b
    NODE_DISTANCE,
    NODE_EDITS,
} NodeKind;

typedef struct Node {
    NodeKind kind;
    struct Node *a, *b;
    NodeKind over;
    double number;
    ScoreArray array;
    int64_t element, length;
    double *values; // [batch][length]
    const Ast *ast; // for messages; of arrays and OVER
    // OVER: what was combined so far, [batch][length], or [length] when samples are combined as well
    bool all;
    bool late;         // all: at the end of each presentation, not in each step
    int64_t count;     // how many values
    double *total;     // their sum, mean (of a variance), maximum or minimum
    double *deviation; // of a variance: the sum of squared distances from the mean
    // Two courses: `count` steps of each, [step][batch][length of a], in room for so many
    double *course[2];
    int64_t room, lag; // lag: of steps, -1: all
    int64_t behind;    // shifts that do not go around, `late`; -1: they do
    double threshold;
} Node;

struct Scorer {
    ScoreSource source;
    Arena *arena;
    Node *root;
    Vec(Node *) courses;
    Vec(Node *) over, all, late;  // reductions over a presentation, over all; the arrays read in the last step only
    double *row;                  // an array without samples, before it is repeated
    bool within_over, within_all; // while the tree is built
    Span *place;
    Text *error;
};

// ---- Building -------------------------------------------------------------------------------------------------------

static Node *build(Scorer *scorer, const Ast *ast);

static Node *refuse(Scorer *scorer, const Ast *ast) {
    *scorer->place = ast->span;
    return NULL;
}

static Node *node_new(Scorer *scorer, NodeKind kind, Node *a, Node *b, int64_t length) {
    Node *node = arena_new_object(scorer->arena, Node);
    *node = (Node){.kind = kind, .a = a, .b = b, .length = length};
    node->values = arena_new_array(scorer->arena, double, length * scorer->source.batch);
    return node;
}

// A whole number written as such; populations of an array and elements of a vector are chosen by it.
static bool literal_index(const Ast *ast, int64_t *value) {
    if (ast->kind != AST_NUMBER || ast->text || ast->number != floor(ast->number) || fabs(ast->number) > 1e9)
        return false;
    *value = (int64_t)ast->number;
    return true;
}

// The documented name that a NAME, MEMBER or INDEX spells: h[2].r. False when it is no name.
static bool spell(const Ast *ast, Text *name) {
    int64_t index;
    switch (ast->kind) {
    case AST_NAME: text_add(name, ast->name); return true;
    case AST_MEMBER:
        if (!spell(ast->child[0], name)) return false;
        text_addf(name, ".%s", ast->name);
        return true;
    case AST_INDEX:
        if (ast->count != 2 || !literal_index(ast->child[1], &index) || !spell(ast->child[0], name)) return false;
        text_addf(name, "[%lld]", (long long)index);
        return true;
    default: return false;
    }
}

static Node *array_node(Scorer *scorer, const ScoreArray *array, const Ast *ast) {
    Node *node = node_new(scorer, NODE_ARRAY, NULL, NULL, array->length);
    node->array = *array;
    node->ast = ast;
    if (!scorer->within_over && !scorer->within_all) vec_push(&scorer->late, node);
    return node;
}

static Node *build_element(Scorer *scorer, const Ast *ast) {
    int64_t element;
    Node *vector = build(scorer, ast->child[0]);
    if (!vector) return NULL;
    if (ast->count != 2 || !literal_index(ast->child[1], &element) || element < 0 || element >= vector->length) {
        text_addf(scorer->error, "an element is chosen by one whole number from 0 to %lld here",
                  (long long)vector->length - 1);
        return refuse(scorer, ast);
    }
    Node *node = node_new(scorer, NODE_ELEMENT, vector, NULL, 1);
    node->element = element;
    return node;
}

static Node *build_name(Scorer *scorer, const Ast *ast) {
    Text name = {0};
    ScoreArray array = {0};
    bool spelled = spell(ast, &name),
         found = spelled && scorer->source.find(scorer->source.context, text_z(&name), &array);
    Node *node = NULL;
    if (found) {
        node = array_node(scorer, &array, ast);
    } else if (ast->kind == AST_INDEX) {
        node = build_element(scorer, ast);
    } else {
        text_addf(scorer->error, "there is no array `%s`", spelled ? text_z(&name) : "of that name");
        if (spelled && scorer->source.suggest)
            scorer->source.suggest(scorer->source.context, text_z(&name), scorer->error);
        node = refuse(scorer, ast);
    }
    text_free(&name);
    return node;
}

static bool is_course(const Node *node) { return node->kind >= NODE_CORRELATION; }

static bool is_label(const Node *node) { return node->kind == NODE_ARRAY && node->array.label && node->length > 1; }

typedef struct OperatorWord {
    const char *word;
    NodeKind kind;
} OperatorWord;

static const OperatorWord operators[] = {
    {"+", NODE_ADD},    {"-", NODE_SUBTRACT},    {"*", NODE_MULTIPLY}, {"/", NODE_DIVIDE},      {"^", NODE_POWER},
    {"==", NODE_EQUAL}, {"!=", NODE_UNEQUAL},    {"<", NODE_LESS},     {"<=", NODE_LESS_EQUAL}, {">", NODE_MORE},
    {"and", NODE_AND},  {">=", NODE_MORE_EQUAL}, {"or", NODE_OR},      {NULL, NODE_NUMBER},
};
static const OperatorWord functions[] = {
    {"sum", NODE_SUM}, {"mean", NODE_MEAN},     {"variance", NODE_VARIANCE}, {"max", NODE_MAX},
    {"min", NODE_MIN}, {"argmax", NODE_ARGMAX}, {"abs", NODE_ABS},           {"sqrt", NODE_SQRT},
    {"exp", NODE_EXP}, {"log", NODE_LOG},       {NULL, NODE_NUMBER},
};

static bool find_word(const OperatorWord *words, const char *word, NodeKind *kind) {
    for (; words->word; words++)
        if (strcmp(words->word, word) == 0) return *kind = words->kind, true;
    return false;
}

// A label beside one number is its class; otherwise a number goes with every element of a vector.
static Node *build_binary(Scorer *scorer, const Ast *ast) {
    NodeKind kind;
    if (!find_word(operators, ast->name, &kind)) {
        text_addf(scorer->error, "a score has no operator `%s`", ast->name);
        return refuse(scorer, ast);
    }
    Node *a = build(scorer, ast->child[0]), *b = a ? build(scorer, ast->child[1]) : NULL;
    if (!b) return NULL;
    if (is_label(a) && b->length == 1) a = node_new(scorer, NODE_ARGMAX, a, NULL, 1);
    if (is_label(b) && a->length == 1) b = node_new(scorer, NODE_ARGMAX, b, NULL, 1);
    if (a->length != b->length && a->length != 1 && b->length != 1) {
        text_addf(scorer->error, "%lld values on the left of `%s`, %lld on the right", (long long)a->length, ast->name,
                  (long long)b->length);
        return refuse(scorer, ast);
    }
    return node_new(scorer, kind, a, b, a->length > b->length ? a->length : b->length);
}

static bool holds_presentation(const Node *node) {
    return node && (is_course(node) || (node->kind == NODE_OVER && !node->all) || holds_presentation(node->a) ||
                    holds_presentation(node->b));
}

// The arrays beside reductions over a presentation are read in its last step.
static void read_late(Scorer *scorer, Node *node) {
    if (!node || node->kind == NODE_OVER || is_course(node)) return;
    if (node->kind == NODE_ARRAY) vec_push(&scorer->late, node);
    read_late(scorer, node->a);
    read_late(scorer, node->b);
}

static Node *over_node(Scorer *scorer, const Ast *ast, Node *body, NodeKind reduction, bool all) {
    Node *node = node_new(scorer, NODE_OVER, body, NULL, body->length);
    int64_t slots = body->length * (all ? 1 : scorer->source.batch);
    node->ast = ast;
    node->over = reduction;
    node->all = all;
    node->late = all && holds_presentation(body);
    node->total = arena_new_array(scorer->arena, double, slots);
    node->deviation = reduction == NODE_VARIANCE ? arena_new_array(scorer->arena, double, slots) : NULL;
    if (node->late) read_late(scorer, body);
    if (all)
        vec_push(&scorer->all, node);
    else
        vec_push(&scorer->over, node);
    return node;
}

static Node *build_over(Scorer *scorer, const Ast *ast, NodeKind reduction) {
    bool all = ast->name && strcmp(ast->name, "all") == 0;
    bool known = all || (ast->name && strcmp(ast->name, "presentation") == 0);
    bool nested = scorer->within_over || (all && scorer->within_all);
    if (!known || nested || reduction < NODE_SUM || reduction > NODE_MIN) {
        if (!known)
            text_add(scorer->error, "a score goes over a presentation, or over all");
        else if (nested)
            text_addf(scorer->error, "`over %s` inside of %s", ast->name,
                      all && scorer->within_over ? "`over presentation`" : "another one");
        else
            text_addf(scorer->error, "`over %s` belongs into sum, mean, variance, max or min", ast->name);
        return refuse(scorer, ast);
    }
    bool *within = all ? &scorer->within_all : &scorer->within_over;
    *within = true;
    Node *body = build(scorer, ast->child[0]);
    *within = false;
    return body ? over_node(scorer, ast, body, reduction, all) : NULL;
}

// ---- Two courses: correlation(h.r, y over presentation, lag = 10 ms)

static const OperatorWord course_functions[] = {
    {"correlation", NODE_CORRELATION}, {"distance", NODE_DISTANCE}, {"edits", NODE_EDITS}, {NULL, NODE_NUMBER}};

// A time of the model, or a number of steps.
static bool lag_steps(const Scorer *scorer, const Ast *ast, int64_t *lag) {
    Unit unit = UNIT_NONE;
    double factor = 1, divisor = 1;
    if (ast->kind != AST_NUMBER || (ast->text && !unit_parse(ast->text, &unit, &factor, &divisor, NULL))) return false;
    double steps = ast->number * factor / divisor;
    if (!unit_equal(unit, UNIT_STEPS)) steps /= scorer->source.dt;
    if (!(steps >= 0 && steps < 1e12)) return false;
    *lag = (int64_t)(steps + 0.5);
    return true;
}

static bool take_course_option(const Scorer *scorer, Node *node, const char *name, const Ast *value) {
    bool edits = node->kind == NODE_EDITS;
    if (value->kind != AST_NUMBER) return false;
    if (edits && strcmp(name, "threshold") == 0) {
        node->threshold = value->number;
        return true;
    }
    if (!edits && strcmp(name, "lag") == 0) return lag_steps(scorer, value, &node->lag);
    return !edits && strcmp(name, "late") == 0 && lag_steps(scorer, value, &node->behind);
}

static bool course_option(Scorer *scorer, Node *node, const Ast *option) {
    bool good = option->kind == AST_ARGUMENT && take_course_option(scorer, node, option->name, option->child[0]);
    if (good && (node->lag < 0 || node->behind < 0)) return true;
    const char *expected =
        "expected `lag = 10 ms` or `lag = 10 steps`, the largest shift, or `late = 10 ms`, which does "
        "not go around";
    if (node->kind == NODE_EDITS) expected = "expected `threshold = 0.5`, a number above which an element sounds";
    text_add(scorer->error,
             good ? "shifts go around with `lag` and do not with `late`: only one can be meant" : expected);
    refuse(scorer, option);
    return false;
}

static Node *build_courses(Scorer *scorer, const Ast *call, NodeKind kind) {
    const Ast *a = call->count > 2 ? call->child[1] : NULL, *b = a ? call->child[2] : NULL;
    bool fits = b && a->kind != AST_OVER && b->kind == AST_OVER && strcmp(b->name, "presentation") == 0;
    if (!fits || scorer->within_over) {
        text_addf(scorer->error, "expected two courses, as in `%s(h.r, y over presentation)`", call->child[0]->name);
        return refuse(scorer, call);
    }
    bool within_all = scorer->within_all;
    scorer->within_over = true;
    Node *left = build(scorer, a), *right = left ? build(scorer, b->child[0]) : NULL;
    scorer->within_over = false;
    scorer->within_all = within_all;
    if (!right) return NULL;
    if (left->length != right->length) {
        text_addf(scorer->error, "%lld values beside %lld", (long long)left->length, (long long)right->length);
        return refuse(scorer, call);
    }
    Node *node = node_new(scorer, kind, left, right, 1);
    node->ast = call;
    node->lag = node->behind = -1;
    node->threshold = NAN;
    for (uint32_t i = 3; i < call->count; i++)
        if (!course_option(scorer, node, call->child[i])) return NULL;
    vec_push(&scorer->courses, node);
    return node;
}

static Node *build_function(Scorer *scorer, const Ast *ast, const char *name, const Ast *argument) {
    NodeKind kind;
    if (!name || !argument || !find_word(functions, name, &kind)) {
        text_addf(scorer->error,
                  "a score has no function `%s` of one argument; it has sum, mean, variance, max, min, argmax, "
                  "abs, sqrt, exp, log, and correlation, distance, edits of two",
                  name ? name : "?");
        return refuse(scorer, ast);
    }
    if (argument->kind == AST_OVER) return build_over(scorer, argument, kind);
    Node *a = build(scorer, argument);
    if (!a) return NULL;
    return node_new(scorer, kind, a, NULL, kind >= NODE_SUM ? 1 : a->length);
}

// The only argument of a call or a reduction, or NULL.
static const Ast *only_argument(const Ast *ast) {
    uint32_t first = ast->kind == AST_CALL ? 1 : 0;
    if (ast->count != first + 1) return NULL;
    const Ast *argument = ast->child[first];
    return argument && argument->kind == AST_ARGUMENT ? (argument->name ? NULL : argument->child[0]) : argument;
}

static Node *build_unary(Scorer *scorer, const Ast *ast) {
    Node *a = build(scorer, ast->child[0]);
    return a ? node_new(scorer, strcmp(ast->name, "not") == 0 ? NODE_NOT : NODE_NEGATIVE, a, NULL, a->length) : NULL;
}

static Node *build(Scorer *scorer, const Ast *ast) {
    Node *node;
    switch (ast->kind) {
    case AST_NUMBER:
        node = node_new(scorer, NODE_NUMBER, NULL, NULL, 1);
        node->number = ast->number;
        return node;
    case AST_NAME:
    case AST_MEMBER:
    case AST_INDEX: return build_name(scorer, ast);
    case AST_UNARY: return build_unary(scorer, ast);
    case AST_BINARY: return build_binary(scorer, ast);
    case AST_REDUCE: return build_function(scorer, ast, ast->name, only_argument(ast));
    case AST_CALL: {
        NodeKind courses;
        if (ast->child[0]->kind == AST_NAME && find_word(course_functions, ast->child[0]->name, &courses))
            return build_courses(scorer, ast, courses);
    }
        return build_function(scorer, ast, ast->child[0]->kind == AST_NAME ? ast->child[0]->name : NULL,
                              only_argument(ast));
    case AST_OVER: return build_over(scorer, ast, NODE_NUMBER);
    default:
        text_addf(scorer->error, "a score cannot contain a %s", ast_kind_name(ast->kind));
        return refuse(scorer, ast);
    }
}

// A score with `over all` is one number: nothing that each sample has its own of may stand outside of it.
static bool stands_for_all(Scorer *scorer, const Node *node) {
    if (!node || (node->kind == NODE_OVER && node->all)) return true;
    if (node->kind != NODE_OVER && !is_course(node) && (node->kind != NODE_ARRAY || !node->array.batched))
        return stands_for_all(scorer, node->a) && stands_for_all(scorer, node->b);
    text_add(scorer->error, "this has a value for each sample, but beside `over all` there is one number for all of "
                            "them: put it inside of a reduction `over all`");
    refuse(scorer, node->ast);
    return false;
}

Scorer *scorer_new(const Ast *value, const ScoreSource *source, Span *place, Text *error) {
    Scorer *scorer = memory_resize(NULL, 1, sizeof *scorer);
    *scorer = (Scorer){.source = *source, .arena = arena_new(), .place = place, .error = error};
    scorer->root = build(scorer, value);
    if (scorer->root && scorer->root->length != 1) {
        text_addf(error, "a score is one number per sample and this has %lld: take its sum, mean, max, min or argmax",
                  (long long)scorer->root->length);
        scorer->root = refuse(scorer, value);
    }
    if (scorer->root && scorer->all.count && !stands_for_all(scorer, scorer->root)) scorer->root = NULL;
    if (scorer->root) return scorer_begin_all(scorer), scorer;
    scorer_free(scorer);
    return NULL;
}

void scorer_free(Scorer *scorer) {
    if (!scorer) return;
    for (uint32_t i = 0; i < scorer->courses.count; i++)
        for (int k = 0; k < 2; k++) free(scorer->courses.items[i]->course[k]);
    vec_free(&scorer->courses);
    vec_free(&scorer->over);
    vec_free(&scorer->all);
    vec_free(&scorer->late);
    free(scorer->row);
    arena_free(scorer->arena);
    free(scorer);
}

void score_names(const Ast *value, ScoreVisit *visit, void *context) {
    if (!value) return;
    Text name = {0};
    bool spelled = spell(value, &name);
    if (spelled) visit(context, text_z(&name));
    text_free(&name);
    if (spelled && value->kind != AST_INDEX) return; // an index may choose an element: its object is a name as well
    for (uint32_t i = value->kind == AST_CALL ? 1 : 0; i < value->count; i++)
        score_names(value->child[i], visit, context);
}

// ---- Evaluating -----------------------------------------------------------------------------------------------------

static double combine(NodeKind kind, double a, double b) {
    switch (kind) {
    case NODE_ADD: return a + b;
    case NODE_SUBTRACT: return a - b;
    case NODE_MULTIPLY: return a * b;
    case NODE_DIVIDE: return a / b;
    case NODE_POWER: return b == 2 ? a * a : pow(a, b);
    case NODE_EQUAL: return a == b;
    case NODE_UNEQUAL: return a != b;
    case NODE_LESS: return a < b;
    case NODE_LESS_EQUAL: return a <= b;
    case NODE_MORE: return a > b;
    case NODE_MORE_EQUAL: return a >= b;
    case NODE_AND: return a != 0 && b != 0;
    case NODE_OR: return a != 0 || b != 0;
    default: return NAN;
    }
}

static double apply(NodeKind kind, double a) {
    switch (kind) {
    case NODE_NEGATIVE: return -a;
    case NODE_NOT: return a == 0;
    case NODE_ABS: return fabs(a);
    case NODE_SQRT: return sqrt(a);
    case NODE_EXP: return exp(a);
    case NODE_LOG: return log(a);
    default: return NAN;
    }
}

static double reduce(NodeKind kind, const double *a, int64_t length) {
    int64_t best = 0;
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < length; i++) {
        sum += a[i];
        if (kind == NODE_MIN ? a[i] < a[best] : a[i] > a[best]) best = i; // of equal ones the first
    }
    double mean = sum / (double)length;
    for (int64_t i = 0; i < length && kind == NODE_VARIANCE; i++) squares += (a[i] - mean) * (a[i] - mean);
    switch (kind) {
    case NODE_SUM: return sum;
    case NODE_MEAN: return mean;
    case NODE_VARIANCE: return squares / (double)length;
    case NODE_ARGMAX: return (double)best;
    default: return length ? a[best] : NAN;
    }
}

static void read_array(Scorer *scorer, Node *node) {
    const ScoreSource *source = &scorer->source;
    if (node->array.batched) {
        source->read(source->context, node->array.number, node->values);
        return;
    }
    scorer->row = memory_resize(scorer->row, (size_t)node->length, sizeof(double));
    source->read(source->context, node->array.number, scorer->row);
    for (int64_t b = 0; b < source->batch; b++)
        memcpy(node->values + b * node->length, scorer->row, (size_t)node->length * sizeof(double));
}

static void evaluate(Scorer *scorer, Node *node, bool reading) {
    int64_t batch = scorer->source.batch, length = node->length;
    if (node->kind == NODE_OVER || is_course(node)) return; // holds what was combined so far
    if (node->kind == NODE_ARRAY) {
        if (reading) read_array(scorer, node);
        return;
    }
    if (node->a) evaluate(scorer, node->a, reading);
    if (node->b) evaluate(scorer, node->b, reading);
    for (int64_t s = 0; s < batch; s++) {
        const double *a = node->a ? node->a->values + s * node->a->length : NULL;
        const double *b = node->b ? node->b->values + s * node->b->length : NULL;
        for (int64_t i = 0; i < length; i++) {
            double *value = &node->values[s * length + i];
            if (node->kind == NODE_NUMBER)
                *value = node->number;
            else if (node->kind == NODE_ELEMENT)
                *value = a[node->element];
            else if (node->kind >= NODE_SUM)
                *value = reduce(node->kind, a, node->a->length);
            else if (node->b)
                *value = combine(node->kind, a[node->a->length == 1 ? 0 : i], b[node->b->length == 1 ? 0 : i]);
            else
                *value = apply(node->kind, a[i]);
        }
    }
}

void scorer_begin(Scorer *scorer) {
    for (uint32_t i = 0; i < scorer->over.count; i++) scorer->over.items[i]->count = 0;
    for (uint32_t i = 0; i < scorer->courses.count; i++) scorer->courses.items[i]->count = 0;
}

void scorer_begin_all(Scorer *scorer) {
    for (uint32_t i = 0; i < scorer->all.count; i++) scorer->all.items[i]->count = 0;
}

bool scorer_goes_over_all(const Scorer *scorer) { return scorer->all.count > 0; }

// The count-th value of a slot. Variances by Welford's recurrence, which does not cancel.
static void take_value(Node *over, int64_t slot, int64_t count, double value) {
    double *total = &over->total[slot];
    if (count == 1) {
        *total = value;
        if (over->deviation) over->deviation[slot] = 0;
    } else if (over->over == NODE_VARIANCE) {
        double distance = value - *total;
        *total += distance / (double)count;
        over->deviation[slot] += distance * (value - *total);
    } else if (over->over == NODE_MAX) {
        *total = fmax(*total, value);
    } else if (over->over == NODE_MIN) {
        *total = fmin(*total, value);
    } else {
        *total += value;
    }
}

static void accumulate(Node *over, int64_t batch) {
    const double *body = over->a->values;
    if (!over->all) over->count++;
    for (int64_t b = 0; b < batch; b++) {
        if (over->all) over->count++;
        for (int64_t i = 0; i < over->length; i++)
            take_value(over, (over->all ? 0 : b * over->length) + i, over->count, body[b * over->length + i]);
    }
}

static void conclude(Node *over, int64_t batch) {
    for (int64_t b = 0; b < batch; b++)
        for (int64_t i = 0; i < over->length; i++) {
            int64_t slot = (over->all ? 0 : b * over->length) + i;
            double total = over->over == NODE_VARIANCE ? over->deviation[slot] : over->total[slot];
            bool divided = over->over == NODE_MEAN || over->over == NODE_VARIANCE;
            over->values[b * over->length + i] = !over->count ? NAN : divided ? total / (double)over->count : total;
        }
}

static void grow_courses(Node *node, int64_t steps, int64_t row) {
    if (steps <= node->room) return;
    node->room = steps > 2 * node->room ? steps : 2 * node->room;
    for (int k = 0; k < 2; k++)
        node->course[k] = memory_resize(node->course[k], (size_t)(node->room * row), sizeof(double));
}

static void note_courses(Scorer *scorer, Node *node) {
    int64_t row = scorer->source.batch * node->a->length;
    grow_courses(node, node->count + 1, row);
    const Node *const bodies[] = {node->a, node->b};
    evaluate(scorer, node->a, true);
    evaluate(scorer, node->b, true);
    for (int k = 0; k < 2; k++)
        memcpy(node->course[k] + node->count * row, bodies[k]->values, (size_t)row * sizeof(double));
    node->count++;
}

static double compare_courses(const Node *node, const double *a, const double *b) {
    if (!node->count) return NAN;
    int64_t length = node->a->length, late = node->behind;
    if (late >= 0 && node->kind == NODE_CORRELATION) return replay_late_correlation(a, b, node->count, length, late);
    if (late >= 0) return replay_late_error(a, b, node->count, length, late);
    switch (node->kind) {
    case NODE_CORRELATION: return replay_correlation(a, b, node->count, length, node->lag);
    case NODE_DISTANCE: return replay_error(a, b, node->count, length, node->lag);
    default: return replay_edits(a, b, node->count, length, node->threshold);
    }
}

static void conclude_courses(Scorer *scorer, Node *node) {
    int64_t batch = scorer->source.batch, length = node->a->length;
    double *one[2];
    for (int k = 0; k < 2; k++) one[k] = memory_resize(NULL, (size_t)(node->count * length) + 1, sizeof(double));
    for (int64_t s = 0; s < batch; s++) {
        for (int k = 0; k < 2; k++)
            for (int64_t t = 0; t < node->count; t++)
                memcpy(one[k] + t * length, node->course[k] + (t * batch + s) * length,
                       (size_t)length * sizeof(double));
        node->values[s] = compare_courses(node, one[0], one[1]);
    }
    free(one[0]);
    free(one[1]);
}

void scorer_observe(Scorer *scorer, bool last) {
    for (uint32_t i = 0; i < scorer->courses.count; i++) note_courses(scorer, scorer->courses.items[i]);
    for (uint32_t i = 0; i < scorer->over.count + scorer->all.count; i++) {
        bool all = i >= scorer->over.count;
        Node *over = all ? scorer->all.items[i - scorer->over.count] : scorer->over.items[i];
        if (over->late) continue;
        evaluate(scorer, over->a, true);
        accumulate(over, scorer->source.batch);
    }
    if (last)
        for (uint32_t i = 0; i < scorer->late.count; i++) read_array(scorer, scorer->late.items[i]);
}

static void visit_reads(const Node *node, void (*visit)(void *context, uint32_t number), void *context) {
    if (!node || node->kind == NODE_OVER || is_course(node)) return;
    if (node->kind == NODE_ARRAY) visit(context, node->array.number);
    visit_reads(node->a, visit, context);
    visit_reads(node->b, visit, context);
}

void scorer_reads(const Scorer *scorer, void (*visit)(void *context, uint32_t number), void *context) {
    for (uint32_t i = 0; i < scorer->courses.count; i++) {
        visit_reads(scorer->courses.items[i]->a, visit, context);
        visit_reads(scorer->courses.items[i]->b, visit, context);
    }
    for (uint32_t i = 0; i < scorer->over.count; i++)
        if (!scorer->over.items[i]->late) visit_reads(scorer->over.items[i]->a, visit, context);
    for (uint32_t i = 0; i < scorer->all.count; i++)
        if (!scorer->all.items[i]->late) visit_reads(scorer->all.items[i]->a, visit, context);
}

double scorer_finish(Scorer *scorer, double *per_sample) {
    int64_t batch = scorer->source.batch;
    for (uint32_t i = 0; i < scorer->over.count; i++) conclude(scorer->over.items[i], batch);
    for (uint32_t i = 0; i < scorer->courses.count; i++) conclude_courses(scorer, scorer->courses.items[i]);
    for (uint32_t i = 0; i < scorer->all.count; i++) {
        Node *all = scorer->all.items[i];
        if (all->late) {
            evaluate(scorer, all->a, false);
            accumulate(all, batch);
        }
        conclude(all, batch);
    }
    evaluate(scorer, scorer->root, false);
    double sum = 0;
    for (int64_t b = 0; b < batch; b++) sum += scorer->root->values[b];
    if (per_sample) memcpy(per_sample, scorer->root->values, (size_t)batch * sizeof(double));
    return scorer->all.count ? scorer->root->values[0] : sum / (double)batch;
}

// The courses of the presentation under way, as far as it has come.
static void keep_courses(Scorer *scorer, const char *name, Checkpoint *checkpoint) {
    Text section = {0};
    for (uint32_t i = 0; i < scorer->courses.count; i++) {
        Node *node = scorer->courses.items[i];
        int64_t row = scorer->source.batch * node->a->length;
        section.length = 0;
        text_addf(&section, "%s course %u", name, i);
        checkpoint_counts(checkpoint, text_z(&section), &node->count, 1);
        text_add(&section, " a");
        int64_t have = checkpoint_count(checkpoint, text_z(&section));
        if (checkpoint_restores(checkpoint) && !checkpoint_failed(checkpoint) &&
            (node->count < 0 || node->count > INT64_MAX / 16 / row || have != node->count * row))
            checkpoint_fail(checkpoint, "has another length of courses than it says");
        if (checkpoint_failed(checkpoint)) break;
        grow_courses(node, node->count, row);
        for (int k = 0; k < 2; k++) {
            section.bytes[section.length - 1] = (char)('a' + k);
            checkpoint_reals(checkpoint, text_z(&section), node->course[k], node->count * row);
        }
    }
    text_free(&section);
}

void scorer_keep(Scorer *scorer, const char *name, Checkpoint *checkpoint) {
    Text section = {0};
    keep_courses(scorer, name, checkpoint);
    for (uint32_t i = 0; i < scorer->over.count + scorer->all.count; i++) {
        bool all = i >= scorer->over.count;
        Node *over = all ? scorer->all.items[i - scorer->over.count] : scorer->over.items[i];
        int64_t slots = over->length * (all ? 1 : scorer->source.batch);
        section.length = 0;
        text_addf(&section, "%s count %u", name, i);
        checkpoint_counts(checkpoint, text_z(&section), &over->count, 1);
        section.length = 0;
        text_addf(&section, "%s total %u", name, i);
        checkpoint_reals(checkpoint, text_z(&section), over->total, slots);
        section.length = 0;
        text_addf(&section, "%s deviation %u", name, i);
        if (over->deviation) checkpoint_reals(checkpoint, text_z(&section), over->deviation, slots);
    }
    text_free(&section);
}
