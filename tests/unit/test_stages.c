// Experiments in stages: what is set and put back, what is presented, what learns, and scores of replayed courses.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "assert_close.h"
#include "runtime/data/table.h"
#include "runtime/lequel.h"
#include "runtime/replay.h"
#include "runtime/setting.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// A neuron that counts its input, a weight that grows by its rate in each step, and one that grows at the end only.
static const char model_text[] =
    "neuron Sum() {\n  input I\n  state n = 0, ends = 0\n  n <- n + I\n  output r = n\n"
    "  on end of presentation { ends <- ends + 1 }\n}\n"
    "synapse Grows(eta) {\n  weight W[post, pre] = 0\n  weight E[post, pre] = 0\n  weight F[post] = 0\n"
    "  current pre.x\n  plasticity W <- W + eta\n"
    "  on end of presentation { E <- E + 1 }\n  on end of epoch { F <- F + 1 }\n}\n"
    "synapse Passes() { current pre.x }\n"
    "network Counts(eta = 1) {\n  dt = 0.5\n  input x[1], z[1]\n  population h = Sum[1]()\n"
    "  connect w: x -> h by Grows(eta)\n  connect v: z -> h by Passes()\n}\n"
    "experiment along {\n  present x = 1\n"
    "  stage a for 4 steps { eta = linear(1, 4); record w.W, w.E, h.n, h.ends }\n"
    "  stage b for 2 { learn w.E; present x = 3, z = 10; record w.W, w.E, h.n, z }\n"
    "  stage c for 6 steps {\n    present x = 2\n    disturb from 1 until 1.5 every 2 steps { x = 2 * x + 1 }\n"
    "    disturb from 2 { h.n = 5 }\n    eta = 0\n    w.W = -1\n    record x, h.n, w.W, w.F }\n}\n"
    "experiment pieces {\n  data train = samples(\"x.csv\", \"y.csv\")\n"
    "  present x = sample[(t - 1 step) / 2 steps], z = class(t - 2 steps) for 4 steps\n"
    "  stage a for 3 presentations { record x, z, w.E, w.F every 1 step }\n"
    "  stage b for 2 epochs { eta = periodic(5, 0, period = 3 presentations, length = 1 presentation)\n"
    "    record x, z, eta every 4 steps }\n}\n";

typedef struct Place {
    char folder[32];
    char path[64];
} Place;

static void write_file(const Place *place, const char *name, const char *text) {
    char path[96], *error;
    snprintf(path, sizeof path, "%s/%s", place->folder, name);
    if (!lequel_file_replace(path, text, strlen(text), &error)) fail_msg("%s", error);
}

static int make_place(void **state) {
    Place *place = calloc(1, sizeof *place);
    strcpy(place->folder, "/tmp/lequel-test-XXXXXX");
    if (!mkdtemp(place->folder)) return -1;
    snprintf(place->path, sizeof place->path, "%s/model.leq", place->folder);
    write_file(place, "model.leq", model_text);
    write_file(place, "x.csv", "1,2\n3,4\n"); // two samples of two values
    write_file(place, "y.csv", "7\n8\n");
    *state = place;
    return 0;
}

static int remove_place(void **state) {
    Place *place = *state;
    char command[64];
    snprintf(command, sizeof command, "rm -rf '%s'", place->folder);
    int status = system(command);
    free(place);
    return status;
}

static void run(const Place *place, const char *experiment, const char *backend) {
    LequelModelOptions options = {.experiment = experiment};
    LequelModel *model = lequel_model_open(place->path, &options);
    char *diagnostics = lequel_model_diagnostics(model, LEQUEL_PLAIN), *error, path[64];
    if (!lequel_model_good(model)) fail_msg("%s", diagnostics);
    LequelProgramOptions how = {.backend = backend};
    LequelProgram *program = lequel_program_new(model, &how, &error);
    if (!program) fail_msg("%s", error);
    LequelRunOptions run_options = LEQUEL_RUN_INIT;
    snprintf(path, sizeof path, "%s/out", place->folder);
    run_options.out = path;
    LequelRunReport report;
    if (!lequel_run(program, &run_options, &report, &error)) fail_msg("%s", error);
    lequel_text_free(diagnostics);
    lequel_program_free(program);
    lequel_model_free(model);
}

static void assert_recorded(const Place *place, const char *name, const double *expected, int64_t count) {
    char path[128];
    Table table;
    Text error = {0};
    snprintf(path, sizeof path, "%s/out/%s.npy", place->folder, name);
    if (!table_load(path, &table, &error)) fail_msg("%s", text_z(&error));
    if (table_count(&table) != count) fail_msg("%s has %lld numbers", name, (long long)table_count(&table));
    for (int64_t i = 0; i < count; i++)
        if (fabs(table.data[i] - expected[i]) > 1e-6)
            fail_msg("%s, number %lld: %g instead of %g", name, (long long)i, table.data[i], expected[i]);
    table_free(&table);
}

#define RECORDED(place, name, ...)                                                                                     \
    assert_recorded((place), (name), (const double[]){__VA_ARGS__},                                                    \
                    sizeof((const double[]){__VA_ARGS__}) / sizeof(double))

static void check_along(const Place *place) {
    RECORDED(place, "a.w.W", 1, 3, 6, 10); // the rate goes from 1 to 4
    RECORDED(place, "a.w.E", 0, 0, 0, 1);
    RECORDED(place, "a.h.n", 1, 2, 3, 4);
    RECORDED(place, "a.h.ends", 0, 0, 0, 1);
    RECORDED(place, "b.z", 10, 10, 10, 10);
    RECORDED(place, "b.h.n", 17, 30, 43, 56);
    RECORDED(place, "b.w.W", 10, 10, 10, 10); // W does not learn here
    RECORDED(place, "b.w.E", 1, 1, 1, 2);
    RECORDED(place, "c.x", 2, 2, 5, 2, 5, 2); // from 2 until 3 steps after each 2
    RECORDED(place, "c.h.n", 58, 60, 65, 67, 10, 7);
    RECORDED(place, "c.w.W", -1, -1, -1, -1, -1, -1);
    RECORDED(place, "c.w.F", 1, 1, 1, 1, 1, 2); // not in b
    RECORDED(place, "final/w.W", 10);           // put back
    RECORDED(place, "a.steps", 0, 1, 2, 3);
    RECORDED(place, "c.steps", 8, 9, 10, 11, 12, 13);
}

static void sets_and_puts_back(void **state) {
    run(*state, "along", "loops");
    check_along(*state);
}

static void sets_in_the_reference(void **state) {
    run(*state, "along", "reference");
    check_along(*state);
}

static void presents_pieces(void **state) {
    const Place *place = *state;
    run(place, "pieces", "loops");
    // a: samples 0, 1, 0; elements of two steps, one step late, so that the end of the one before is seen at first
    RECORDED(place, "a.x", 0, 1, 1, 2, 2, 3, 3, 4, 4, 1, 1, 2);
    RECORDED(place, "a.z", 0, 0, 7, 7, 7, 7, 8, 8, 8, 8, 7, 7);
    RECORDED(place, "a.w.E", 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3);
    RECORDED(place, "a.w.F", 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2); // the stage ends in its second epoch
    // b: every fourth step of all, which is the first one of a presentation
    RECORDED(place, "b.x", 2, 2, 4, 2);
    RECORDED(place, "b.z", 7, 7, 8, 7);
    RECORDED(place, "b.eta", 5, 0, 0, 5);
}

static void follows_schedules(void **state) {
    (void)state;
    SettingsPlan plan = {.presentation = 10, .epoch = 100, .run = 1000};
    Schedule line = {.kind = SCHEDULE_LINEAR, .from = 1, .to = 3};
    assert_close(schedule_value(&plan, &line, 0, 5), 1, 0);
    assert_close(schedule_value(&plan, &line, 2, 5), 2, 0);
    assert_close(schedule_value(&plan, &line, 4, 5), 3, 0);
    assert_close(schedule_value(&plan, &line, 0, 1), 3, 0);
    Schedule power = {.kind = SCHEDULE_EXPONENTIAL, .from = 1e-2, .to = 1e-4};
    assert_close(schedule_value(&plan, &power, 0, 3), 1e-2, 0);
    assert_close(schedule_value(&plan, &power, 1, 3), 1e-3, 1e-17);
    assert_close(schedule_value(&plan, &power, 2, 3), 1e-4, 0);
    const double values[] = {3, 2, 1}, after[] = {0.25, 0.5};
    Schedule steps = {.kind = SCHEDULE_STEPS, .values = values, .after = after, .count = 3};
    const double expected[] = {3, 3, 2, 2, 1, 1, 1, 1};
    for (int t = 0; t < 8; t++) assert_close(schedule_value(&plan, &steps, t, 8), expected[t], 0);
    Schedule teacher = {
        .kind = SCHEDULE_PERIODIC, .from = 1, .to = 0, .period = {2, COUNT_PRESENTATIONS}, .length = {3, COUNT_STEPS}};
    for (int t = 0; t < 60; t++) assert_close(schedule_value(&plan, &teacher, t, 60), t % 20 < 3, 0);
}

// Two voices; the second course is the first one, some steps later, the end first.
static void finds_the_shift(void **state) {
    (void)state;
    enum { STEPS = 24, VOICES = 2 };
    double a[STEPS * VOICES], b[STEPS * VOICES];
    for (int t = 0; t < STEPS; t++)
        for (int v = 0; v < VOICES; v++) {
            a[t * VOICES + v] = sin(0.7 * t + v) + (t == 3 * v) * 2;
            b[(t + 5) % STEPS * VOICES + v] = a[t * VOICES + v];
        }
    assert_close(replay_correlation(a, b, STEPS, VOICES, -1), 1, 1e-14);
    assert_close(replay_correlation(a, b, STEPS, VOICES, 5), 1, 1e-14);
    assert_close(replay_correlation(b, a, STEPS, VOICES, 5), 1, 1e-14);
    assert_true(replay_correlation(a, b, STEPS, VOICES, 4) < 0.9);
    assert_close(replay_error(a, b, STEPS, VOICES, 5), 0, 0);
    assert_true(replay_error(a, b, STEPS, VOICES, 4) > 0.1);
    for (int t = 0; t < STEPS; t++) b[t * VOICES + 1] = 0.1; // a voice that does not sing
    assert_close(replay_correlation(a, b, STEPS, VOICES, -1), 0.5, 1e-14);
    double mean = 0;
    for (int t = 0; t < STEPS; t++)
        for (int v = 0; v < VOICES; v++) {
            double d = a[t * VOICES + v] - b[t * VOICES + v];
            mean += d * d / (STEPS * VOICES);
        }
    assert_close(replay_error(a, b, STEPS, VOICES, 0), mean, 1e-14);
}

// A course that sets in late is found there; a remainder that dies away is not moved to where it would fit.
static void finds_what_is_late(void **state) {
    (void)state;
    enum { STEPS = 48, LATE = 16, WINDOW = STEPS - LATE, SHIFT = 4 };
    double a[STEPS], b[STEPS];
    for (int t = 0; t < STEPS; t++) {
        b[t] = sin(0.03 * t * t);
        a[t] = t < SHIFT ? 0 : 1 + 2 * sin(0.03 * (t - SHIFT) * (t - SHIFT));
    }
    assert_close(replay_late_correlation(a, b, STEPS, 1, LATE), 1, 1e-14);
    assert_true(replay_late_correlation(a, b, STEPS, 1, SHIFT - 1) < 0.9);
    assert_true(replay_late_correlation(b, a, STEPS, 1, LATE) < 0.9); // early is not late
    double best = 1e9;
    for (int s = 0; s <= LATE; s++) {
        double error = 0;
        for (int t = 0; t < WINDOW; t++) error += (a[t + s] - b[t]) * (a[t + s] - b[t]) / WINDOW;
        best = fmin(best, error);
    }
    assert_close(replay_late_error(a, b, STEPS, 1, LATE), best, 1e-12);
    assert_true(isnan(replay_late_correlation(a, b, STEPS, 1, STEPS)));
    assert_true(isnan(replay_late_error(a, b, STEPS, 1, STEPS)));

    for (int t = 0; t < STEPS; t++) a[t] = t < 4, b[t] = t % WINDOW >= 20 && t % WINDOW < 24;
    assert_true(replay_late_correlation(a, b, STEPS, 1, LATE) <= 0); // before what it should repeat, then silent
    assert_close(replay_correlation(a, b, WINDOW, 1, -1), 1, 1e-14);
    for (int t = 0; t < STEPS; t++) a[t] = 0.3;
    assert_close(replay_late_correlation(a, b, STEPS, 1, LATE), 0, 0);
}

static void counts_edits(void **state) {
    (void)state;
    // Notes 1 1 2 - 2 3 and 1 2 3 3 3 3 of three voices, in pairs of steps or alone.
    const int first[] = {1, 1, 2, 0, 2, 3}, second[] = {1, 2, 3, 3, 3, 3};
    double a[18] = {0}, b[18] = {0};
    for (int t = 0; t < 6; t++) {
        if (first[t]) a[3 * t + first[t] - 1] = 1;
        b[3 * t + second[t] - 1] = 1;
    }
    assert_close(replay_edits(a, b, 6, 3, 0.5), 0.25, 0); // 1 2 2 3 and 1 2 3: the pause parts the twos
    assert_close(replay_edits(b, a, 6, 3, 0.5), 0.25, 0);
    assert_close(replay_edits(a, a, 6, 3, 0.5), 0, 0);
    assert_close(replay_edits(a, b, 6, 3, 2), 0, 0);         // nothing sounds in either
    assert_close(replay_edits(a, b, 6, 3, NAN), 2.0 / 5, 0); // 1 2 1 2 3 and 1 2 3
    double none[18] = {0};
    assert_close(replay_edits(a, none, 6, 3, 0.5), 1, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sets_and_puts_back, make_place, remove_place),
        cmocka_unit_test_setup_teardown(sets_in_the_reference, make_place, remove_place),
        cmocka_unit_test_setup_teardown(presents_pieces, make_place, remove_place),
        cmocka_unit_test(follows_schedules),
        cmocka_unit_test(finds_the_shift),
        cmocka_unit_test(finds_what_is_late),
        cmocka_unit_test(counts_edits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
