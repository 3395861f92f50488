// What neurons remember: low-passes, values of the step before, delays. bptt beside numerical derivatives, adjoint
// beside bptt, and what a delay delivers, step by step.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "compiled.h"

static const char neurons[] =
    "neuron Synaptic(tau_m, tau_r, tau_s) {\n"
    "  state u = 0\n  input I\n"
    "  output r = lowpass(tanh(ahead(u, tau_r)), tau_s)\n"
    "  energy 1/2 * (ahead(u, tau_m) - I)^2 + 0.1 * lowpass(tanh(ahead(u, tau_r)), tau_s)^2\n}\n"
    "neuron Filtered(tau_m, tau_r, tau_s) {\n"
    "  state u = 0\n  input I\n"
    "  output r = tanh(ahead(u, tau_r))\n"
    "  energy 1/2 * (ahead(u, tau_m) - lowpass(I, tau_s))^2\n}\n"
    "neuron Adapting(tau_m, tau_r, tau_s) {\n"
    "  state u = 0\n  input I\n"
    "  output r = tanh(ahead(u, tau_r))\n"
    "  energy 1/2 * (ahead(u, tau_m) - I + 0.3 * previous(lowpass(r, tau_s)))^2\n}\n"
    "neuron Late(tau_m, tau_r, tau_s) {\n"
    "  state u = 0\n  input I\n  param T = [0.1, 0.5, 0.3]\n"
    "  output r = delay(tanh(ahead(u, tau_r)), T, ahead)\n"
    "  energy 1/2 * (ahead(u, tau_m) - lowpass(delay(I, 0.4, linear), tau_s))^2\n}\n";

// Two layers of three neurons of a kind, read at their outputs and voltages.
static const char *model_of(const char *kind, const char *order, Text *text) {
    text_addf(text,
              "%snetwork N {\n  dt = 0.1\n  input x[2]\n  target y[1]\n"
              "  population h = %s[3](tau_m = [1, 0.5, 2], tau_r = [0.1, 0.5, 0.3], tau_s = [0.2, 0.7, 0.4])\n"
              "  population g = %s[3](tau_m = 0.8, tau_r = [0.8, 0.2, 1.2], tau_s = 0.5)\n"
              "  population o = Leaky[1](tau_m = 1, tau_r = 0.4)\n"
              "  connect w0: x -> h by Dense()\n  connect w1: h -> g by Dense()\n  connect w2: g -> o by Dense()\n"
              "  cost mse(o.r, y) + 0.1 * sum(g.u^2)\n  dynamics instant(gamma = 0)\n  order %s\n"
              "  learn all by sgd(0.01)\n  learn h.tau_m, h.tau_r, h.tau_s, g.tau_m by sgd(0.01), clamp 0.1 .. 9\n}\n",
              neurons, kind, kind, order);
    return text->bytes;
}

static void gradients_are_exact(void **state) {
    (void)state;
    static const char *const kinds[] = {"Synaptic", "Filtered", "Adapting", "Late"};
    static const char *const orders[] = {"parallel", "le", "sequential"};
    for (int k = 0; k < 4; k++)
        for (int o = 0; o < 3; o++) {
            Text text = {0};
            const char *model = model_of(kinds[k], orders[o], &text);
            Compiled exact = compile_text(model, "bptt", PROGRAM_LOOPS, NULL);
            Compiled adjoint = compile_text(model, "adjoint", PROGRAM_LOOPS, NULL);
            WindowData data = data_of(&exact, (WindowPlan){5, 40, 2, 3});
            Gradients a = gradients_of(&exact, &data), b = gradients_of(&adjoint, &data);
            check_gradients(&exact, &data, &a);
            for (uint32_t i = 0; i < a.count; i++) {
                assert_true(norm(a.values[i], a.lengths[i]) > 0);
                assert_true(deviation(b.values[i], a.values[i], a.lengths[i]) < 1e-12);
            }
            gradients_free(&a);
            gradients_free(&b);
            window_data_close(&data);
            compiled_close(&exact);
            compiled_close(&adjoint);
            text_free(&text);
        }
}

// delay(x, T) is x[n - T/dt], for a reader across a connection with the step between neurons included.
static void delays_count_steps(void **state) {
    (void)state;
    static const char model[] =
        "neuron Now(T) {\n  state u = 0\n  input I\n  output r = delay(ahead(u, 0.1), T, linear)\n"
        "  energy 1/2 * (ahead(u, 0.1) - I)^2\n}\n"
        "neuron Later() {\n  state u = 0\n  input I\n  output r = ahead(u, 0.1)\n"
        "  energy 1/2 * (ahead(u, 0.1) - delay(I, 0.2, linear))^2\n}\n"
        "network N {\n  dt = 0.1\n  input x[1]\n"
        "  population a = Now[3](T = [0.1, 0.3, 0.7])\n  population b = Later[3]()\n"
        "  connect w: x -> a by Linear(w0 = 1)\n  connect v: a -> b by Identity()\n"
        "  dynamics instant(gamma = 0)\n}\n";
    static const int steps[] = {1, 3, 7};
    Compiled c = compile_text(model, NULL, PROGRAM_LOOPS, "b.r,a.r");
    Instance *instance = instance_of(&c, 1, 0);
    for (int n = 0; n < 40; n++) {
        double x = n + 1, r[3], b[3];
        set_values(&c, instance, "x", &x);
        instance_step(instance, ENTRY_EVALUATE, false);
        get_values(&c, instance, "a.r", r);
        get_values(&c, instance, "b.r", b);
        for (int i = 0; i < 3; i++) { // a holds now what b reads in the next step; b waits two steps more
            int sent = n + 1 - steps[i], used = n - steps[i] - 2;
            assert_true(r[i] == (sent >= 0 ? sent + 1 : 0));
            assert_true(b[i] == (used >= 0 ? used + 1 : 0));
        }
    }
    instance_free(instance);
    compiled_close(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(gradients_are_exact), cmocka_unit_test(delays_count_steps)};
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
