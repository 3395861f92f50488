// Warnings about long steps, beside what steps really do to a deviation: a warning exactly where it grows or turns.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/lequel.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Runs `steps` steps of the model from its initial values and returns p.u after the first and the last.
static void run(LequelModel *model, int steps, double *first, double *last) {
    LequelProgramOptions options = {.backend = "loops"};
    char *error = NULL;
    LequelProgram *program = lequel_program_new(model, &options, &error);
    assert_null(error);
    LequelInstance *instance = lequel_instance_new(program, 1, 0, NULL, &error);
    assert_null(error);
    for (int n = 0; n < steps; n++) {
        lequel_instance_step(instance, false);
        lequel_instance_get(instance, (uint32_t)lequel_program_find(program, "p.u"), n == 0 ? first : last);
    }
    lequel_instance_free(instance);
    lequel_program_free(program);
}

static bool warns(LequelModel *model, const char *code) {
    assert_true(lequel_model_check(model));
    char *said = lequel_model_diagnostics(model, LEQUEL_PLAIN);
    bool found = strstr(said, code) != NULL;
    lequel_text_free(said);
    return found;
}

static LequelModel *open_text(const char *text) {
    LequelModelOptions options = {.text = text};
    LequelModel *model = lequel_model_open("stability.leq", &options);
    assert_true(lequel_model_good(model));
    return model;
}

static void check_leak(const char *integrator, double tau) {
    char text[1024];
    snprintf(text, sizeof text,
             "neuron P(tau) {\n  state u = 1\n  input I\n  d(u) = (I - u) / tau\n  output r = u\n}\n"
             "network N {\n  dt = 0.1\n  integrator = %s\n  input x[1]\n  population p = P[1](tau = %.4f)\n"
             "  connect w: x -> p by Identity()\n}\n",
             integrator, tau);
    LequelModel *model = open_text(text);
    double first, last;
    run(model, 2, &first, &last);
    bool bad = first < 0 || fabs(first) > 1;
    if (warns(model, "W0311") != bad)
        fail_msg("tau = %g, %s: a deviation becomes %g, and the warning is %s", tau, integrator, first,
                 bad ? "missing" : "wrong");
    lequel_model_free(model);
}

static void test_leaks(void **state) {
    (void)state;
    static const char *const integrators[] = {"euler", "rk4", "exponential"};
    for (size_t i = 0; i < sizeof integrators / sizeof *integrators; i++)
        for (double tau = 0.0207; tau < 0.4; tau *= 1.13) check_leak(integrators[i], tau);
}

// Two equations that depend on each other; the largest eigenvalue decides what is left after many steps.
static void test_circles(void **state) {
    (void)state;
    int warned = 0, silent = 0;
    for (int i = 0; i < 12; i++)
        for (int rk4 = 0; rk4 < 2; rk4++) {
            char text[1024];
            snprintf(text, sizeof text,
                     "neuron P(a, b) {\n  state u = 1, v = 0.5\n  input I\n  d(u) = I - b * v - a * u\n"
                     "  d(v) = b * u - a * v\n  output r = u\n}\n"
                     "network N {\n  dt = 0.1\n  integrator = %s\n  input x[1]\n  population p = P[1](a = %d, b = %g)\n"
                     "  connect w: x -> p by Identity()\n}\n",
                     rk4 ? "rk4" : "euler", i % 4, 2 + 1.5 * (i / 4.0));
            LequelModel *model = open_text(text);
            double first, last, largest = 0;
            for (int steps = 400; steps < 410; steps++) { // it oscillates
                run(model, steps, &first, &last);
                largest = fmax(largest, fabs(last));
            }
            bool grows = largest > 1.5, warning = warns(model, "W0311");
            if (warning != grows) fail_msg("after 400 steps %g, warning %d, of\n%s", largest, warning, text);
            warned += warning;
            silent += !warning;
            lequel_model_free(model);
        }
    assert_true(warned > 3 && silent > 3);
}

// Rounding of an input in float, seen through a lookahead, is as large as the warning says.
static void test_rounding(void **state) {
    (void)state;
    static const double taus[] = {1e2, 1e4, 1e6, 1e7};
    for (size_t i = 0; i < sizeof taus / sizeof *taus; i++) {
        char text[1024];
        snprintf(text, sizeof text,
                 "network N {\n  dt = 0.01\n  input x[1]\n  population p = Leaky[1](tau_m = 1, tau_r = %.0f)\n"
                 "  connect w: x -> p by Identity()\n  dynamics gle(gamma = 0)\n}\n",
                 taus[i]);
        LequelModel *model = open_text(text);
        // An input of 1 that is off by half the distance of floats moves the rate by tau_r/tau_m times as much.
        assert_int_equal(warns(model, "W0313"), taus[i] * ldexp(1, -24) > 0.01);
        lequel_model_free(model);
    }
}

// In double the same lookahead is none to warn of.
static void test_precision(void **state) {
    (void)state;
    static const char text[] = "network N {\n  dt = 0.01\n  input x[1]\n"
                               "  population p = Leaky[1](tau_m = 1, tau_r = 10000000)\n"
                               "  connect w: x -> p by Identity()\n  dynamics gle(gamma = 0)\n}\n";
    for (int single = 0; single < 2; single++) {
        LequelModel *model = open_text(text);
        LequelProgramOptions options = {.backend = "loops", .single = single};
        lequel_program_free(lequel_program_new(model, &options, NULL));
        assert_int_equal(lequel_model_report_count(model), single);
        lequel_model_free(model);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_leaks), cmocka_unit_test(test_circles),
                                       cmocka_unit_test(test_rounding), cmocka_unit_test(test_precision)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
