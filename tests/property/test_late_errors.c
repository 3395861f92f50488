// Errors that go back through delays of connections: bptt beside complex steps, adjoint beside bptt, and the stand-ins
// of principles whose errors run beside the network, beside plain loops.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "compiled.h"

static const char synapses[] =
    "synapse Each() {\n"
    "  weight W[post, pre] ~ normal(0, 0.7)\n  weight b[post]\n  param T[post, pre] ~ uniform(0.1, 0.6)\n"
    "  current sum(j: W[i, j] * delay(pre.r[j], T[i, j])) + b\n}\n"
    "synapse Axon() {\n"
    "  weight W[post, pre] ~ normal(0, 0.7)\n  weight V[post, pre] ~ normal(0, 0.7)\n"
    "  current W @ delay(pre.r, linspace(0.1, 0.5, 3)) + V @ pre.r\n}\n"
    "synapse Both() {\n"
    "  weight W[post, pre] ~ normal(0, 0.7)\n  weight V[post, pre] ~ normal(0, 0.7)\n  param T[post] ~ uniform(0.1, "
    "0.9)\n"
    "  current sum(j: W[i, j] * delay(pre.r[j], T[i])) + V @ delay(pre.r, 0.7) + 0.1 * delay(pre.r[1], 0.3)\n}\n"
    "synapse Bent() {\n"
    "  weight W[post, pre] ~ normal(0, 0.7)\n  param T[post, pre] ~ uniform(0.1, 0.6)\n"
    "  current tanh(sum(j: W[i, j] * delay(pre.r[j], T[i, j])^2)) + W @ tanh(delay(pre.r, 0.2))\n}\n";

// Two layers, the first of which knows itself; delays on the way in, around and up.
static const char *model_of(const char *kind, const char *order, bool around, Text *text) {
    text_addf(text,
              "neuron Cell(tau_m, tau_r) {\n  state u = 0\n  input I\n  output r = tanh(ahead(u, tau_r))\n"
              "  energy 1/2 * (ahead(u, tau_m) - I)^2\n}\n"
              "%snetwork N {\n  dt = 0.1\n  input x[3]\n  target y[1]\n"
              "  population h = Cell[3](tau_m = [1, 0.5, 2], tau_r = [0.1, 0.5, 0.3])\n"
              "  population g = Cell[3](tau_m = 0.8, tau_r = [0.8, 0.2, 1.2])\n"
              "  population o = Leaky[1](tau_m = 1, tau_r = 0.4)\n"
              "  connect w0: x -> h by %s()\n  %s connect w1: h -> h by %s()\n  connect w2: h -> g by %s()\n"
              "  connect w3: g -> o by Dense()\n"
              "  cost mse(o.r, y) + 0.1 * sum(g.r^2)\n  dynamics instant(gamma = 0)\n  order %s\n"
              "  learn all by sgd(0.01)\n  learn h.tau_m, h.tau_r, g.tau_m by sgd(0.01), clamp 0.1 .. 9\n}\n",
              synapses, kind, around ? "" : "#", kind, kind, order);
    return text->bytes;
}

static void compare_exact(const char *kind, const char *order, bool has_adjoint) {
    Text text = {0};
    const char *model = model_of(kind, order, strcmp(order, "sequential") != 0 || strcmp(kind, "Each") == 0, &text);
    Compiled exact = compile_text(model, "bptt", PROGRAM_LOOPS, NULL);
    WindowData data = data_of(&exact, (WindowPlan){5, 16, 2, 3});
    Gradients a = gradients_of(&exact, &data);
    check_gradients(&exact, &data, &a);
    for (uint32_t i = 0; i < a.count; i++) assert_true(norm(a.values[i], a.lengths[i]) > 0);
    if (has_adjoint) {
        Compiled adjoint = compile_text(model, "adjoint", PROGRAM_LOOPS, NULL);
        Gradients b = gradients_of(&adjoint, &data);
        for (uint32_t i = 0; i < a.count; i++) assert_true(deviation(b.values[i], a.values[i], a.lengths[i]) < 1e-12);
        gradients_free(&b);
        compiled_close(&adjoint);
    }
    gradients_free(&a);
    window_data_close(&data);
    compiled_close(&exact);
    text_free(&text);
}

static void gradients_are_exact(void **state) {
    (void)state;
    static const char *const kinds[] = {"Each", "Axon", "Both", "Bent"};
    static const char *const orders[] = {"parallel", "le", "sequential"};
    for (int k = 0; k < 4; k++)
        for (int o = 0; o < 3; o++) compare_exact(kinds[k], orders[o], k < 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(gradients_are_exact)};
    return cmocka_run_group_tests_name("late errors", tests, NULL, NULL);
}
