// Scores: formulas over presentations, classes of labels, and what is said about formulas that make no sense.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "assert_close.h"
#include "runtime/score.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { BATCH = 2, STEPS = 3 };

// An instance of two samples: an output of three neurons, a one-hot label, a target, a weight without samples.
typedef struct World {
    int step;
} World;

static const double rates[STEPS][BATCH][3] = {
    {{1, 0, 0}, {0, 1, 5}}, {{0, 2, 0}, {3, 1, 0}}, {{0, 1, 1}, {3, 1, 0}}, // sums: (1, 3, 1) and (6, 3, 5)
};
static const double label[BATCH][3] = {{0, 1, 0}, {0, 0, 1}};
static const double target[BATCH] = {2, -1};
static const double weight[3] = {10, 20, 30};

static bool find(void *context, const char *name, ScoreArray *array) {
    (void)context;
    const char *const names[] = {"out.r", "y", "h[1].goal", "w.W"};
    for (uint32_t i = 0; i < 4; i++)
        if (strcmp(names[i], name) == 0)
            return *array = (ScoreArray){.number = i, .length = i == 2 ? 1 : 3, .label = i == 1, .batched = i != 3},
                   true;
    return false;
}

static void read(void *context, uint32_t number, double *values) {
    const World *world = context;
    const void *const from[] = {rates[world->step], label, target, weight};
    const size_t size[] = {sizeof rates[0], sizeof label, sizeof target, sizeof weight};
    memcpy(values, from[number], size[number]);
}

static void suggest(void *context, const char *name, Text *out) {
    (void)context;
    text_addf(out, " (instead of %s)", name);
}

typedef struct Formula {
    Arena *arena;
    const Ast *value;
} Formula;

static Formula parse(const char *formula) {
    char text[256];
    Formula result = {.arena = arena_new()};
    snprintf(text, sizeof text, "experiment e {\n  score s = %s\n}\n", formula);
    Diagnostics *diags = diag_new(result.arena);
    Atom kept = arena_atom_z(result.arena, text);
    const Ast *file =
        ast_parse(result.arena, diags, diag_add_source(diags, "test.leq", kept, strlen(kept)), kept, strlen(kept));
    assert_int_equal(diag_error_count(diags), 0);
    const Ast *score = file->child[0]->child[0];
    assert_int_equal(score->kind, AST_SCORE);
    result.value = score->child[0];
    return result;
}

static void expect(const char *text, double first, double second) {
    World world = {0};
    ScoreSource source = {&world, BATCH, 1, find, read, suggest};
    Formula formula = parse(text);
    Span place;
    Text error = {0};
    Scorer *scorer = scorer_new(formula.value, &source, &place, &error);
    if (!scorer) fail_msg("%s: %s", text, text_z(&error));
    for (int presentation = 0; presentation < 2; presentation++) { // the second one begins anew
        scorer_begin(scorer);
        for (world.step = 0; world.step < STEPS; world.step++) scorer_observe(scorer, world.step == STEPS - 1);
        double each[BATCH], mean = scorer_finish(scorer, each);
        assert_close(each[0], first, 1e-14);
        assert_close(each[1], second, 1e-14);
        assert_close(mean, (first + second) / 2, 1e-14);
    }
    scorer_free(scorer);
    arena_free(formula.arena);
}

static void expect_refusal(const char *text, const char *sentence) {
    World world = {0};
    ScoreSource source = {&world, BATCH, 1, find, read, suggest};
    Formula formula = parse(text);
    Span place = {0};
    Text error = {0};
    Scorer *scorer = scorer_new(formula.value, &source, &place, &error);
    assert_null(scorer);
    if (!strstr(text_z(&error), sentence)) fail_msg("%s: %s", text, text_z(&error));
    assert_int_equal(place.source, 1);
    assert_true(place.end > place.begin);
    text_free(&error);
    arena_free(formula.arena);
}

static void classifies(void **state) {
    (void)state;
    expect("argmax(sum(out.r over presentation)) == y", 1, 0);
    expect("argmax(sum(out.r over presentation)) != y", 0, 1);
    expect("argmax(out.r) == y", 1, 0); // the last step's; of equal values the first
    expect("y == argmax(max(out.r over presentation))", 1, 1);
    expect("argmax(y) - 1", 0, 1);
}

static void reduces_over_time(void **state) {
    (void)state;
    expect("sum(sum(out.r over presentation))", 5, 14);
    expect("max(mean(out.r over presentation))", 1, 2);
    expect("mean(sum(out.r) over presentation)", 5.0 / 3, 14.0 / 3);
    expect("max(max(out.r over presentation))", 2, 5);
    expect("sum(min(out.r over presentation))", 0, 1);
    expect("mean(sum((out.r - y)^2) over presentation)", (2.0 + 1 + 1) / 3, (17.0 + 11 + 11) / 3);
}

// What a score is after one presentation, after a second one, and when it begins anew.
static void expect_of_all(const char *text, double first, double second) {
    World world = {0};
    ScoreSource source = {&world, BATCH, 1, find, read, suggest};
    Formula formula = parse(text);
    Span place;
    Text error = {0};
    Scorer *scorer = scorer_new(formula.value, &source, &place, &error);
    if (!scorer) fail_msg("%s: %s", text, text_z(&error));
    assert_true(scorer_goes_over_all(scorer));
    for (int round = 0; round < 2; round++) {
        scorer_begin_all(scorer);
        for (int presentation = 0; presentation < 2; presentation++) {
            scorer_begin(scorer);
            for (world.step = 0; world.step < STEPS; world.step++) scorer_observe(scorer, world.step == STEPS - 1);
            double each[BATCH], value = scorer_finish(scorer, each);
            assert_close(value, presentation ? second : first, 1e-14);
            assert_close(each[1], value, 0);
        }
    }
    scorer_free(scorer);
    arena_free(formula.arena);
}

static void reduces_over_all(void **state) {
    (void)state;
    expect_of_all("sum(sum(out.r) over all)", 19, 38); // 1, 2, 2 of one sample, 6, 4, 4 of the other
    expect_of_all("mean(sum(out.r) over all)", 19.0 / 6, 19.0 / 6);
    expect_of_all("variance(sum(out.r) over all)", 101.0 / 36, 101.0 / 36);
    expect_of_all("max(sum(out.r) over all) - min(sum(out.r) over all)", 5, 5);
    expect_of_all("sqrt(mean((h[1].goal)^2 over all) / variance(h[1].goal over all))", sqrt(2.5 / 2.25),
                  sqrt(2.5 / 2.25));
    expect_of_all("max(mean(out.r over all))", 7.0 / 6, 7.0 / 6); // of the three neurons: 7, 6 and 6 in six values
    expect_of_all("mean((argmax(sum(out.r over presentation)) == y) over all)", 0.5, 0.5);
    expect_of_all("sum(sum(sum(out.r over presentation)) over all)", 19, 38);
    expect_of_all("sum(h[1].goal over all) + sum(w.W)", 63, 66);
    expect("variance(sum(out.r) over presentation)", 2.0 / 9, 8.0 / 9);
    expect("variance(w.W)", 200.0 / 3, 200.0 / 3);
}

static void computes(void **state) {
    (void)state;
    expect("h[1].goal", 2, -1);
    expect("-h[1].goal * 3 + 1", -5, 4);
    expect("abs(h[1].goal) / 2", 1, 0.5);
    expect("h[1].goal > 0 and not (h[1].goal >= 3)", 1, 0);
    expect("h[1].goal < 0 or h[1].goal <= -1", 0, 1);
    expect("sum(w.W * y)", 20, 30);
    expect("sum(w.W)", 60, 60);
    expect("out.r[1] + w.W[2]", 31, 31);
    expect("sqrt(exp(log(h[1].goal^2)))", 2, 1);
}

static void refuses(void **state) {
    (void)state;
    expect_refusal("out.q == y", "no array `out.q` (instead of out.q)");
    expect_refusal("out.r", "this has 3");
    expect_refusal("out.r[3]", "from 0 to 2");
    expect_refusal("argmax(out.r over presentation)", "belongs into sum, mean, variance, max or min");
    expect_refusal("sum(out.r over epoch)", "over a presentation, or over all");
    expect_refusal("mean(h[1].goal over all) + h[1].goal", "a value for each sample");
    expect_refusal("mean(h[1].goal over all) + sum(h[1].goal over presentation)", "a value for each sample");
    expect_refusal("mean(sum(h[1].goal over all) over presentation)", "`over all` inside of `over presentation`");
    expect_refusal("mean(sum(h[1].goal over all) over all)", "inside of another one");
    expect_refusal("argmax(out.r over all)", "`over all` belongs into");
    expect_refusal("mean(out.r over all)", "this has 3");
    expect_refusal("sinh(h[1].goal)", "no function `sinh`");
}

static void remember(void *context, const char *name) { text_addf(context, "%s ", name); }

static void lists_names(void **state) {
    (void)state;
    Formula formula = parse("argmax(sum(out.r over presentation)) == y + h[1].goal");
    Text names = {0};
    score_names(formula.value, remember, &names);
    assert_string_equal(text_z(&names), "out.r y h[1].goal ");
    text_free(&names);
    arena_free(formula.arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classifies), cmocka_unit_test(reduces_over_time), cmocka_unit_test(reduces_over_all),
        cmocka_unit_test(computes),   cmocka_unit_test(refuses),           cmocka_unit_test(lists_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
