// Built-in functions of the language, in models that compute with them: constants as first values of parameters,
// functions of signals as outputs of a neuron.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "assert_close.h"
#include "runtime/lequel.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static LequelModel *open_text(const char *text) {
    LequelModelOptions options = {.text = text};
    LequelModel *model = lequel_model_open("builtins.leq", &options);
    char *said = lequel_model_diagnostics(model, LEQUEL_PLAIN);
    if (!lequel_model_good(model)) fail_msg("%s", said);
    lequel_text_free(said);
    return model;
}

static uint32_t array(const LequelProgram *program, const char *name) {
    int64_t number = lequel_program_find(program, name);
    if (number < 0) fail_msg("no array %s", name);
    return (uint32_t)number;
}

// One step with these inputs; then the arrays are asked for by name.
typedef struct Case {
    const char *name;
    double expected[6];
    int count;
} Case;

static void check(const char *text, const double *inputs, const char *records, const Case *cases, int count) {
    LequelModel *model = open_text(text);
    LequelProgramOptions options = {.backend = "loops", .records = &records, .record_count = records ? 1 : 0};
    char *error = NULL;
    LequelProgram *program = lequel_program_new(model, &options, &error);
    if (!program) fail_msg("%s", error);
    LequelInstance *instance = lequel_instance_new(program, 1, 0, NULL, NULL);
    if (inputs) lequel_instance_set(instance, array(program, "x"), inputs);
    lequel_instance_step(instance, false);
    for (int i = 0; i < count; i++) {
        double got[6] = {0};
        uint32_t number = array(program, cases[i].name);
        assert_int_equal(lequel_instance_length(instance, number), cases[i].count);
        lequel_instance_get(instance, number, got);
        for (int k = 0; k < cases[i].count; k++)
            if (fabs(got[k] - cases[i].expected[k]) > 1e-12)
                fail_msg("%s[%d] is %g, expected %g", cases[i].name, k, got[k], cases[i].expected[k]);
    }
    lequel_instance_free(instance);
    lequel_program_free(program);
    lequel_model_free(model);
}

static void test_constants(void **state) {
    (void)state;
    static const char text[] = "neuron P(a, b, c, d, e, f, g, h) {\n  state u = 0\n  input I\n  u <- I\n"
                               "  output r = u + a + b + c + d + e + f + g + h\n}\n"
                               "network N {\n  dt = 0.1\n  input x[3]\n"
                               "  population p = P[3](a = floor(2.7), b = round(2.7), c = sum([1, 2, 4.5]),\n"
                               "    d = mean([1, 2, 6]), e = max([1, -7, 3]), f = fill(2, 3), g = linspace(1, 2, 3),\n"
                               "    h = floor(-0.5) * min(3, 4) + max(1, 5))\n"
                               "  connect w: x -> p by Identity()\n}\n";
    static const Case cases[] = {{"p.a", {2, 2, 2}, 3},   {"p.b", {3, 3, 3}, 3}, {"p.c", {7.5, 7.5, 7.5}, 3},
                                 {"p.d", {3, 3, 3}, 3},   {"p.e", {3, 3, 3}, 3}, {"p.f", {2, 2, 2}, 3},
                                 {"p.g", {1, 1.5, 2}, 3}, {"p.h", {2, 2, 2}, 3}};
    check(text, NULL, NULL, cases, sizeof cases / sizeof *cases);
}

static void test_signals(void **state) {
    (void)state;
    static const char text[] =
        "neuron P() {\n  state u = 0\n  input I\n  u <- I\n  output a = clamp(u, -1, 1/2)\n  output b = sign(u)\n"
        "  output c = abs(u)\n  output e = min(u, 0.25)\n  output f = where(u > 0 and not (u > 1), 1, 0)\n}\n"
        "network N {\n  dt = 0.1\n  input x[4]\n  population p = P[4]()\n  connect w: x -> p by Identity()\n}\n";
    static const double inputs[] = {-2, -0.5, 0.3, 3};
    static const Case cases[] = {{"p.a", {-1, -0.5, 0.3, 0.5}, 4},
                                 {"p.b", {-1, -1, 1, 1}, 4},
                                 {"p.c", {2, 0.5, 0.3, 3}, 4},
                                 {"p.e", {-2, -0.5, 0.25, 0.25}, 4},
                                 {"p.f", {0, 0, 1, 0}, 4}};
    check(text, inputs, "p.a,p.b,p.c,p.e,p.f", cases, sizeof cases / sizeof *cases);
}

// grad in an equation: what a state slides down.
static void test_grad(void **state) {
    (void)state;
    static const char text[] = "neuron P() {\n  state u = 1\n  input I\n  let potential = 1/4 * u^4 - I * u\n"
                               "  d(u) = -grad(potential, u)\n  output r = u\n}\n"
                               "network N {\n  dt = 0.1\n  input x[2]\n  population p = P[2]()\n"
                               "  connect w: x -> p by Identity()\n}\n";
    static const double inputs[] = {0, 3};
    static const Case cases[] = {{"p.u", {0.9, 1.2}, 2}};
    check(text, inputs, NULL, cases, 1);
}

static void test_transpose(void **state) {
    (void)state;
    static const char text[] = "synapse Back(v) {\n  weight W[pre, post] = v\n  current transpose(W) @ pre.r\n}\n"
                               "neuron P() {\n  state u = 0\n  input I\n  u <- I\n  output r = u\n}\n"
                               "network N {\n  dt = 0.1\n  input x[2]\n  population p = P[3]()\n"
                               "  connect w: x -> p by Back(v = [1, 2, 3, 4, 5, 6])\n}\n";
    static const double inputs[] = {1, 10};
    static const Case cases[] = {{"p.u", {41, 52, 63}, 3}};
    check(text, inputs, NULL, cases, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_constants), cmocka_unit_test(test_signals),
                                       cmocka_unit_test(test_grad), cmocka_unit_test(test_transpose)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
