// The analysis against what the step does: a sine is driven through a running model and its gain and phase measured,
// impulses are compared, noise gains and inverse filters are those of the published equations.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "assert_close.h"
#include "runtime/analysis.h"
#include "runtime/program.h"
#include <stdlib.h>
#include <unistd.h>

static const double PI = 3.14159265358979323846;
static char model_path[] = "/tmp/lequel-analyze-XXXXXX";

typedef struct Bench {
    Arena *arena;
    Diagnostics *diags;
    Model *model;
    Equations *equations;
    Analysis *analysis;
    Program *program;
    Instance *instance;
} Bench;

static void refuse(const Bench *b, const char *text) {
    Text problem = {0};
    diag_print(b->diags, DIAG_PLAIN, &problem);
    fail_msg("%s%s", text, text_z(&problem));
}

static Bench open_path(const char *path, const char *text, const AnalyzeOptions *options) {
    Bench b = {.arena = arena_new()};
    b.diags = diag_new(b.arena);
    b.model = model_load(b.arena, b.diags, &(ModelOptions){.path = path}, NULL);
    if (!b.model) refuse(&b, text);
    b.equations = equations_derive(b.model);
    if (!b.equations) refuse(&b, text);
    Text error = {0};
    b.analysis = analysis_of_model(b.equations, options, 1, &error);
    if (!b.analysis) fail_msg("%s%s", text, text_z(&error));
    return b;
}

static Bench open_text(const char *text) {
    FILE *file = fopen(model_path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    return open_path(model_path, text, &(AnalyzeOptions){0});
}

// A running instance in which `names` can be read.
static void start(Bench *b, const char *const *names, uint32_t count) {
    Text problem = {0};
    Atom *recorded = arena_new_array(b->arena, Atom, count);
    for (uint32_t i = 0; i < count; i++) recorded[i] = arena_atom_z(b->arena, names[i]);
    ProgramOptions options = {
        .real = LOOP_F64, .backend = PROGRAM_LOOPS, .recorded = recorded, .recorded_count = count};
    b->program = program_new(b->model, &options, NULL, &problem);
    if (b->program) b->instance = instance_new(b->program, 1, 1, NULL, &problem);
    if (!b->instance) fail_msg("%s", text_z(&problem));
}

static void close_bench(Bench *b) {
    if (b->instance) instance_free(b->instance);
    if (b->program) program_free(b->program);
    analysis_free(b->analysis);
    equations_free(b->equations);
    model_free(b->model);
    arena_free(b->arena);
}

static uint32_t find(const Bench *b, const char *name) {
    int64_t array = program_find(b->program, name);
    if (array < 0) fail_msg("there is no `%s`", name);
    return (uint32_t)array;
}

static double get(const Bench *b, const char *name) {
    double values[16];
    assert_true(instance_length(b->instance, find(b, name)) <= 16);
    instance_get(b->instance, find(b, name), values);
    return values[0];
}

// One step with both external signals set.
static void step(const Bench *b, double x, double y) {
    instance_set(b->instance, find(b, "x"), &x);
    instance_set(b->instance, find(b, "y"), &y);
    instance_step(b->instance, ENTRY_TRAIN, true);
}

static const AnalyzePopulation *population(const Bench *b, const char *name) {
    for (uint32_t i = 0; i < b->analysis->populations.count; i++)
        if (strcmp(b->analysis->populations.items[i].name, name) == 0) return &b->analysis->populations.items[i];
    fail_msg("there is no population `%s`", name);
    return NULL;
}

static const AnalyzeTransfer *transfer(const AnalyzePopulation *p, uint32_t kind, bool is_error) {
    for (uint32_t i = 0; i < p->path_count; i++)
        if (p->paths[i].is_error == is_error) return &p->kinds[kind].transfers[i];
    fail_msg("no such path");
    return NULL;
}

static bool warns(const Bench *b, const char *name, const char *part) {
    for (uint32_t i = 0; i < b->analysis->warnings.count; i++)
        if (strcmp(b->analysis->warnings.items[i].name, name) == 0 && strstr(b->analysis->warnings.items[i].text, part))
            return true;
    return false;
}

// One neuron whose drive is x and whose unfiltered error is y minus its output of the step before.
static Bench open_neuron(const char *times, double dt, const char *dynamics) {
    Text text = {0};
    text_addf(&text,
              "network N {\n  dt = %g\n  input x[1]\n  target y[1]\n  population p = Leaky[1](%s)\n"
              "  connect w: x -> p by Linear(w0 = 1)\n  cost mse(p.r, y)\n  dynamics %s(gamma = 0)\n}\n",
              dt, times, dynamics);
    Bench b = open_text(text_z(&text));
    text_free(&text);
    return b;
}

static const char *const signals[] = {"p.I", "p.u_ahead.tau_r", "p.error_in", "p.error"};

// ---- Responses of the running step ----------------------------------------------------------------------------------

typedef struct Wave {
    double complex drive, ahead, error_in, error;
} Wave;

// Complex amplitudes over whole periods, after the transient: `period` steps make one turn.
static Wave measure(const Bench *b, int period, bool drive) {
    Wave wave = {0};
    for (int n = 0; n < 4000 + period; n++) {
        double s = sin(2 * PI * n / period);
        step(b, drive ? s : 0, drive ? 0 : s);
        if (n < 4000) continue;
        double complex turn = cexp(-_Complex_I * (2 * PI * n / period));
        wave.drive += turn * get(b, "p.I");
        wave.ahead += turn * get(b, "p.u_ahead.tau_r");
        wave.error_in += turn * get(b, "p.error_in");
        wave.error += turn * get(b, "p.error");
    }
    return wave;
}

static void assert_complex(double complex value, double complex expected, double tolerance) {
    assert_close(creal(value), creal(expected), tolerance);
    assert_close(cimag(value), cimag(expected), tolerance);
}

static void check_response(const char *times, double dt, int period) {
    Bench b = open_neuron(times, dt, "gle");
    start(&b, signals, 4);
    const AnalyzePopulation *p = population(&b, "p");
    const AnalyzeTransfer *forth = transfer(p, 0, false), *back = transfer(p, 0, true);
    assert_true(forth->has_step && back->has_step);
    Wave driven = measure(&b, period, true);
    assert_complex(linear_response(&forth->step, 2 * PI / period), driven.ahead / driven.drive, 1e-9);
    Wave pulled = measure(&b, period, false);
    assert_complex(linear_response(&back->step, 2 * PI / period), pulled.error / pulled.error_in, 1e-9);
    close_bench(&b);
}

static void test_sine_through_the_step(void **state) {
    (void)state;
    check_response("tau_m = 1.2, tau_r = 0.2", 0.2, 40);
    check_response("tau_m = 1.2, tau_r = 0.2", 0.2, 5);
    check_response("tau_m = 2.4, tau_r = 0.1", 0.05, 100);
    check_response("tau_m = 0.5, tau_r = 2", 0.1, 30);
    check_response("tau_m = 0.7, tau_r = 0.7", 0.1, 12);
    check_response("tau_m = 0.15, tau_r = 0.12", 0.1, 7); // both filters nearly dead beat
}

static void test_impulse_through_the_error(void **state) {
    (void)state;
    enum { COUNT = 60 };
    double expected[COUNT];
    Bench b = open_neuron("tau_m = 1, tau_r = 0.3", 0.1, "gle");
    start(&b, signals, 4);
    linear_impulse(&transfer(population(&b, "p"), 0, true)->step, expected, COUNT);
    step(&b, 0, 0); // gates are silent in the first step
    for (int n = 0; n < COUNT; n++) {
        step(&b, 0, n == 0);
        assert_close(get(&b, "p.error"), expected[n], 1e-13);
    }
    assert_close(expected[0], 1 / 0.3, 1e-12);
    close_bench(&b);
}

// Continuous time by the formulas of the paper, and the step's limit for small dt.
static void test_continuous_time(void **state) {
    (void)state;
    const double omegas[] = {0.05, 0.7, 3};
    double deviation[2] = {0};
    for (int coarse = 0; coarse < 2; coarse++) {
        double dt = coarse ? 0.002 : 0.001;
        Bench b = open_neuron("tau_m = 1.5, tau_r = 0.4", dt, "gle");
        const AnalyzePopulation *p = population(&b, "p");
        for (size_t i = 0; i < 3; i++) {
            double complex h = (1 + _Complex_I * omegas[i] * 0.4) / (1 + _Complex_I * omegas[i] * 1.5);
            const AnalyzeTransfer *forth = transfer(p, 0, false), *back = transfer(p, 0, true);
            assert_complex(filter_response(&forth->continuous, omegas[i]), h, 1e-15);
            assert_complex(filter_response(&back->continuous, omegas[i]), 1 / h, 1e-14);
            deviation[coarse] += cabs(linear_response(&forth->step, omegas[i] * dt) - h);
            assert_complex(analysis_credit_ratio(p, &p->kinds[0], 1, omegas[i]), 1 / (cabs(h) * cabs(h)), 1e-13);
        }
        close_bench(&b);
    }
    assert_close(deviation[1] / deviation[0], 2, 0.02); // first order in dt
}

static void test_inverse_filters(void **state) {
    (void)state;
    const char *const times[] = {"tau_m = 1.2, tau_r = 0.2", "tau_m = 2.4, tau_r = 0.1", "tau_m = 0.3, tau_r = 5",
                                 "tau_m = 1, tau_r = 1"};
    for (size_t k = 0; k < sizeof times / sizeof *times; k++) {
        Bench b = open_neuron(times[k], 0.05, "gle");
        const AnalyzePopulation *p = population(&b, "p");
        for (int i = 0; i <= 50; i++) {
            double angle = PI * i / 50;
            double complex product = linear_response(&transfer(p, 0, false)->step, angle) *
                                     linear_response(&transfer(p, 0, true)->step, angle);
            assert_complex(product, 1, 1e-12);
        }
        close_bench(&b);
    }
}

// Without filters an error is what it is, and differs from the exact adjoint in gain and phase.
static void test_other_principles(void **state) {
    (void)state;
    Bench b = open_neuron("tau_m = 2, tau_r = 0.5", 0.1, "instant");
    const AnalyzePopulation *p = population(&b, "p");
    double complex h = (1 + _Complex_I * 0.5) / (1 + _Complex_I * 2.0);
    assert_complex(filter_response(&transfer(p, 0, true)->continuous, 1), 1, 0);
    assert_complex(linear_response(&transfer(p, 0, true)->step, 1), 1, 0);
    assert_complex(analysis_credit_ratio(p, &p->kinds[0], 1, 1), 1 / conj(h), 1e-13);
    close_bench(&b);
    b = open_neuron("tau_m = 2, tau_r = 2", 0.1, "le");
    p = population(&b, "p");
    assert_complex(analysis_credit_ratio(p, &p->kinds[0], 1, 7), 1, 1e-14);
    assert_true(isinf(p->kinds[0].trusted));
    close_bench(&b);
}

// ---- Noise ----------------------------------------------------------------------------------------------------------

static void check_noise(double tau_m, double tau_r, double dt, double published) {
    char times[64];
    snprintf(times, sizeof times, "tau_m = %g, tau_r = %g", tau_m, tau_r);
    Bench b = open_neuron(times, dt, "gle");
    const AnalyzePopulation *p = population(&b, "p");
    double rho = tau_r / tau_m, share = dt / tau_r, other = 1 / rho - 1;
    double variance = 1 / (rho * rho) + other * other * share / (2 - share);
    assert_close(linear_noise_gain(&transfer(p, 0, true)->step), sqrt(variance), 1e-12 * sqrt(variance));
    assert_close(p->noise, published, 0.05);
    assert_close(p->edge, 1 / rho, 1e-12 / rho);
    close_bench(&b);
}

static void test_noise_gain(void **state) {
    (void)state;
    check_noise(1.2, 0.2, 0.2, 7.8);
    check_noise(2.4, 0.1, 0.05, 27.4);
    check_noise(1, 1, 0.1, 1);
}

// ---- Filters by themselves ------------------------------------------------------------------------------------------

static void test_linear_filters(void **state) {
    (void)state;
    enum { COUNT = 4000 };
    static double response[COUNT];
    // A rotation by 0.3 that shrinks by 0.9, and a third state behind it.
    Linear f = {.order = 3,
                .a = {{0.9 * cos(0.3), -0.9 * sin(0.3), 0}, {0.9 * sin(0.3), 0.9 * cos(0.3), 0.2}, {0.1, 0, -0.5}},
                .b = {1, 0, 0.5},
                .c = {0.3, 1, -2},
                .d = 0.7};
    linear_impulse(&f, response, COUNT);
    double variance = 0;
    double complex by_sum = 0;
    for (int n = 0; n < COUNT; n++) {
        variance += response[n] * response[n];
        by_sum += response[n] * cexp(-_Complex_I * 0.8 * n);
    }
    assert_close(linear_noise_gain(&f), sqrt(variance), 1e-12);
    assert_complex(linear_response(&f, 0.8), by_sum, 1e-12);
    double complex poles[LINEAR_MOST], trace = 0, product = 1;
    linear_poles(&f, poles);
    for (int i = 0; i < 3; i++) {
        trace += poles[i];
        product *= poles[i];
        assert_true(i == 0 || cabs(poles[i]) <= cabs(poles[i - 1]) + 1e-12);
    }
    double determinant = -0.5 * 0.81 + 0.1 * (-0.9 * sin(0.3) * 0.2);
    assert_complex(trace, 1.8 * cos(0.3) - 0.5, 1e-12);
    assert_complex(product, determinant, 1e-12);
    f.a[2][2] = -1.5;
    assert_true(isinf(linear_noise_gain(&f)));
}

static void test_continuous_filters(void **state) {
    (void)state;
    Filter f = filter_gain(2), g = filter_gain(4);
    filter_add_zero(&f, 3);
    filter_add_pole(&f, 0.5);
    filter_add_zero(&f, 0.5); // hides the pole, not its memory
    assert_int_equal(f.pole_count, 0);
    assert_int_equal(f.memory_count, 1);
    filter_add_zero(&g, 3);
    filter_add_zero(&g, 7);
    Filter ratio = filter_over(f, &g);
    assert_complex(filter_response(&ratio, 2), 0.5 / (1 + _Complex_I * 14), 1e-15);
    assert_int_equal(ratio.memory_count, 3);
}

// ---- Populations ----------------------------------------------------------------------------------------------------

static void test_kinds(void **state) {
    (void)state;
    Bench b = open_path(LEQUEL_SOURCE_DIR "/models/mnist1d.leq", "mnist1d", &(AnalyzeOptions){0});
    const AnalyzePopulation *p = population(&b, "h[2]");
    const uint32_t counts[] = {18, 18, 17};
    assert_int_equal(p->kind_count, 3);
    for (int k = 0; k < 3; k++) assert_int_equal(p->kinds[k].count, counts[k]);
    assert_int_equal(p->kinds[1].units[0], 18);
    assert_close(p->kinds[1].taus[0], 1.2, 1e-15);
    assert_close(p->kinds[1].taus[1], 0.2, 1e-15);
    assert_int_equal(b.analysis->deepest.count, 7);
    assert_string_equal(b.analysis->populations.items[b.analysis->deepest.items[0]].name, "out");
    assert_close(b.analysis->deepest_noise, pow(sqrt(61), 6), 1e-6);
    assert_int_equal(b.analysis->waits_up, 7); // six connections, and the cost
    assert_int_equal(b.analysis->waits_down, 6);
    assert_close(p->noise_rms * p->noise_rms, (18 * 13.0 + 18 * 61 + 17) / 53, 1e-12);
    // |H|^2 = 1/2 where omega^2 (tau_m^2 - 2 tau_r^2) = 1
    assert_close(p->kinds[1].trusted, 1 / sqrt(1.44 - 0.08), 1e-9);
    assert_true(warns(&b, "P12", "7 populations"));
    assert_true(warns(&b, "P13", "first, h[0] .. h[4]: above omega = 0.857"));
    assert_true(warns(&b, "P20", "from 6"));
    assert_int_equal(b.analysis->feedback.known, ANALYZE_ABSENT);
    close_bench(&b);
}

// Three lookaheads, an input with a factor, a precision: nothing depends on names.
static void test_many_lookaheads(void **state) {
    (void)state;
    Bench b = open_text("neuron Many(slow, quick, late) {\n  state v = 0\n  input A, B\n"
                        "  output r = tanh(ahead(v, quick))\n  output s = ahead(v, late)\n"
                        "  energy 3/2 * (ahead(v, slow) - A - 2*B)^2\n}\n"
                        "network N {\n  dt = 0.1\n  input x[1]\n  target y[1]\n"
                        "  population p = Many[2](slow = [3, 4], quick = 0.5, late = 6)\n"
                        "  population o = Leaky[1](tau_m = 1, tau_r = 1)\n"
                        "  connect a: x -> p.A by Linear(w0 = 1)\n  connect b: p -> o by Both()\n"
                        "  cost mse(o.r, y)\n  dynamics gle(gamma = 0)\n}\n"
                        "synapse Both() {\n  weight W[post, pre] = 1\n  current W @ (pre.r + pre.s)\n}\n");
    const AnalyzePopulation *p = population(&b, "p");
    assert_int_equal(p->kind_count, 2);
    assert_int_equal(p->path_count, 6); // two inputs to two lookaheads, and two errors
    for (uint32_t k = 0; k < 2; k++)
        for (uint32_t i = 0; i < p->path_count; i++) {
            const AnalyzePath *path = &p->paths[i];
            bool quick = strstr(path->name, "quick") != NULL;
            double tau_k = quick ? 0.5 : 6, tau_m = k ? 4 : 3, omega = 0.7, gain = path->port ? 2 : 1;
            double complex h = (1 + _Complex_I * omega * tau_k) / (1 + _Complex_I * omega * tau_m);
            const AnalyzeTransfer *t = &p->kinds[k].transfers[i];
            assert_complex(filter_response(&t->continuous, omega), path->is_error ? 1 / h : gain * h, 1e-14);
            assert_complex(linear_response(&t->step, 0.07), path->is_error ? 1 / h : gain * h, 0.06 * cabs(1 / h));
            double complex ratio = analysis_credit_ratio(p, &p->kinds[k], i, omega);
            if (path->is_error) assert_complex(ratio, 1 / (cabs(h) * cabs(h)), 1e-12);
        }
    close_bench(&b);
}

// ---- Loops ----------------------------------------------------------------------------------------------------------

static Bench open_recurrent(double weight) {
    Text text = {0};
    text_addf(&text,
              "synapse Ring() {\n  weight W[post, pre] = [[0, %g], [0, 0]]\n  current W @ pre.r\n}\n"
              "network N {\n  dt = 0.1\n  input x[2]\n  target y[2]\n"
              "  population h = Leaky[2](tau_m = 2, tau_r = 1, phi = tanh)\n  connect w: x -> h by Linear(w0 = 1)\n"
              "  connect v: h -> h by Ring()\n  cost mse(h.r, y)\n  dynamics gle(gamma = 1)\n}\n",
              weight);
    Bench b = open_text(text_z(&text));
    text_free(&text);
    return b;
}

static void test_recurrent_loop(void **state) {
    (void)state;
    Bench b = open_recurrent(3); // rho * |W| * Lip(phi) = 1/2 * 3 * 1
    assert_int_equal(b.analysis->loops.count, 1);
    assert_close(b.analysis->loops.items[0].bound, 1.5, 1e-9);
    assert_true(warns(&b, "P16", "1.5"));
    assert_int_equal(b.analysis->feedback.known, ANALYZE_UNKNOWN);
    close_bench(&b);
    b = open_recurrent(-0.5);
    assert_close(b.analysis->loops.items[0].bound, 0.25, 1e-9);
    assert_false(warns(&b, "P16", ""));
    close_bench(&b);
}

// Two linear layers and an output: beta * gamma * (1 + |W2|^2 + |W2 W1|^2), and whether it does explode.
static Bench open_nudged(double beta) {
    Text text = {0};
    text_addf(&text,
              "network N {\n  dt = 0.1\n  input x[1]\n  target y[1]\n"
              "  population h[2] = Leaky[1](tau_m = 1, tau_r = 1)\n  population o = Leaky[1](tau_m = 1, tau_r = 1)\n"
              "  connect w0: x -> h[0] by Linear(w0 = 1)\n  connect w1: h[0] -> h[1] by Linear(w0 = 1.5)\n"
              "  connect w2: h[1] -> o by Linear(w0 = 2)\n  cost %g * mse(o.r, y)\n  dynamics gle(gamma = 1)\n}\n",
              beta);
    Bench b = open_text(text_z(&text));
    text_free(&text);
    return b;
}

// An impulse of the target reaches the deepest error after as many steps as errors wait, a step of the input with the
// first output that the cost sees after as many as rates wait.
static void test_waits(void **state) {
    (void)state;
    Bench b = open_nudged(0.05);
    start(&b, (const char *const[]){"h[0].error", "h[0].I", "o.error"}, 3);
    assert_int_equal(b.analysis->deepest.count, 3);
    int up = -1, down = -1;
    for (int n = 0; n < 10; n++) step(&b, 0, 0);
    for (int n = 0; n < 10 && down < 0; n++) {
        step(&b, 0, n == 0);
        if (get(&b, "h[0].error") != 0) down = n;
    }
    for (int n = 0; n < 2000; n++) step(&b, 0, 0); // all is silent again
    assert_close(get(&b, "o.error"), 0, 1e-12);
    for (int n = 0; n < 10 && up < 0; n++) {
        step(&b, 1, 0);
        if (fabs(get(&b, "o.error")) > 1e-6) up = n;
    }
    assert_int_equal(down, b.analysis->waits_down);
    assert_int_equal(up, b.analysis->waits_up);
    close_bench(&b);
}

static void test_feedback(void **state) {
    (void)state;
    for (int wild = 0; wild < 2; wild++) {
        double beta = wild ? 0.5 : 0.05;
        Bench b = open_nudged(beta);
        assert_int_equal(b.analysis->feedback.known, ANALYZE_KNOWN);
        assert_close(b.analysis->feedback.strength, beta * (1 + 4 + 9), 1e-9);
        assert_close(b.analysis->feedback.beta, beta, 1e-12);
        assert_int_equal(warns(&b, "P22", "may diverge"), wild);
        start(&b, (const char *const[]){"o.r"}, 1);
        for (int n = 0; n < 3000; n++) step(&b, 1, 0);
        assert_int_equal(!(fabs(get(&b, "o.r")) < 10), wild);
        close_bench(&b);
    }
}

// ---- Warnings about time --------------------------------------------------------------------------------------------

static void test_warnings_of_time(void **state) {
    (void)state;
    Bench b = open_text("network N {\n  dt = 0.2\n  input x[1]\n  target y[40]\n"
                        "  population p = Leaky[40](tau_m ~ normal(0.3, 0.1), tau_r = 0.2)\n"
                        "  connect w: x -> p by Linear(w0 = 1)\n  cost mse(p.r, y)\n  dynamics gle(gamma = 0)\n"
                        "  learn p.tau_m by sgd(0.1) from 100\n  learn w.W by sgd(0.1) from 200\n}\n");
    assert_true(warns(&b, "P2", "below dt = 0.2"));
    assert_true(warns(&b, "P17", "p: tau_m is learned without a clamp"));
    assert_false(warns(&b, "P20", ""));
    assert_false(warns(&b, "P2", "tau_r"));
    assert_int_equal(population(&b, "p")->kind_count, 40);
    close_bench(&b);
}

static int make_place(void **state) {
    (void)state;
    int file = mkstemp(model_path);
    return file < 0 ? -1 : close(file);
}

static int remove_place(void **state) {
    (void)state;
    return unlink(model_path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sine_through_the_step),
        cmocka_unit_test(test_impulse_through_the_error),
        cmocka_unit_test(test_continuous_time),
        cmocka_unit_test(test_inverse_filters),
        cmocka_unit_test(test_other_principles),
        cmocka_unit_test(test_noise_gain),
        cmocka_unit_test(test_linear_filters),
        cmocka_unit_test(test_continuous_filters),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_many_lookaheads),
        cmocka_unit_test(test_waits),
        cmocka_unit_test(test_recurrent_loop),
        cmocka_unit_test(test_feedback),
        cmocka_unit_test(test_warnings_of_time),
    };
    return cmocka_run_group_tests(tests, make_place, remove_place);
}
