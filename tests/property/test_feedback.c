// Errors that travel back through weights of their own: fixed ones stay, learned ones become the forward weights, and
// with a gain the gain times these (Kolen and Pollack 1994; science of vle: a backward weight can absorb the gain).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "compiled.h"

static const char model[] = "network Feedback {\n  dt = 0.1\n  input x[3]\n  target y[2]\n"
                            "  population h = Leaky[6](tau_m = 1, tau_r = [fill(1, 3), fill(0.5, 3)], phi = tanh)\n"
                            "  population out = Leaky[2](tau_m = 1, tau_r = 1)\n"
                            "  connect w1: x -> h by Dense()\n  connect w2: h -> out by Dense()\n"
                            "  cost mse(out.r, y)\n  dynamics gle(gamma = 0)\n  learn all by sgd(0.02)\n}\n";
enum { HIDDEN = 6, OUT = 2, STEPS = 20000 };

static void train(const Compiled *c, Instance *instance, int steps) {
    double phase = 0;
    for (int n = 0; n < steps; n++, phase += 0.1) {
        double x[3] = {sin(phase), sin(0.7 * phase + 1), cos(1.3 * phase)}, y[2] = {x[0] * x[1], x[2] - x[0]};
        set_values(c, instance, "x", x);
        set_values(c, instance, "y", y);
        instance_step(instance, ENTRY_TRAIN, true);
    }
}

static void read_pair(const Compiled *c, const Instance *instance, double *forward, double *backward) {
    get_values(c, instance, "w2.W", forward);
    get_values(c, instance, "w2.feedback_W", backward);
}

static void random_feedback_stays(void **state) {
    (void)state;
    Compiled c = compile_text(model, "gle(gamma = 0, feedback = random)", PROGRAM_LOOPS, "w2.feedback_W");
    Instance *instance = instance_of(&c, 1, 1);
    double forward[OUT * HIDDEN], first[OUT * HIDDEN], last[OUT * HIDDEN];
    read_pair(&c, instance, forward, first);
    assert_true(deviation(first, forward, OUT * HIDDEN) > 0.1); // a draw of its own
    train(&c, instance, 500);
    read_pair(&c, instance, forward, last);
    assert_memory_equal(first, last, sizeof first);
    instance_free(instance);
    compiled_close(&c);
}

static void errors_use_it(void **state) {
    (void)state;
    Compiled c = compile_text(model, "gle(gamma = 0, feedback = random)", PROGRAM_LOOPS,
                              "w2.feedback_W,w2.error_down,out.error");
    Instance *instance = instance_of(&c, 1, 1);
    train(&c, instance, 50);
    double backward[OUT * HIDDEN], error[OUT], down[HIDDEN], expected[HIDDEN] = {0};
    get_values(&c, instance, "w2.feedback_W", backward);
    get_values(&c, instance, "out.error", error);
    get_values(&c, instance, "w2.error_down", down);
    for (int i = 0; i < OUT; i++)
        for (int j = 0; j < HIDDEN; j++) expected[j] += backward[i * HIDDEN + j] * error[i];
    assert_true(norm(expected, HIDDEN) > 0 && deviation(down, expected, HIDDEN) < 1e-13);
    instance_free(instance);
    compiled_close(&c);
}

static void learned_feedback_becomes_the_weight(void **state) {
    (void)state;
    Compiled c =
        compile_text(model, "gle(gamma = 0, feedback = learned(decay = 1e-3))", PROGRAM_LOOPS, "w2.feedback_W");
    Instance *instance = instance_of(&c, 1, 1);
    double forward[OUT * HIDDEN], backward[OUT * HIDDEN];
    read_pair(&c, instance, forward, backward);
    double before = deviation(backward, forward, OUT * HIDDEN);
    train(&c, instance, STEPS);
    read_pair(&c, instance, forward, backward);
    assert_true(before > 0.1 && norm(forward, OUT * HIDDEN) > 0.1);
    assert_true(deviation(backward, forward, OUT * HIDDEN) < 1e-6);
    instance_free(instance);
    compiled_close(&c);
}

static void learned_feedback_absorbs_the_gain(void **state) {
    (void)state;
    const double omega = 2;
    Compiled c = compile_text(model, "vle(gamma = 0, gain = analytic(omega = 2), feedback = learned(decay = 1e-3))",
                              PROGRAM_LOOPS, "w2.feedback_W");
    Instance *instance = instance_of(&c, 1, 1);
    double forward[OUT * HIDDEN], backward[OUT * HIDDEN];
    train(&c, instance, STEPS);
    read_pair(&c, instance, forward, backward);
    for (int j = 0; j < HIDDEN; j++) {
        double tau_r = j < 3 ? 1 : 0.5, gain = (1 + omega * omega * tau_r * tau_r) / (1 + omega * omega);
        for (int i = 0; i < OUT; i++) {
            double wanted = gain * forward[i * HIDDEN + j];
            assert_true(fabs(backward[i * HIDDEN + j] - wanted) < 1e-6);
        }
    }
    instance_free(instance);
    compiled_close(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_feedback_stays),
        cmocka_unit_test(errors_use_it),
        cmocka_unit_test(learned_feedback_becomes_the_weight),
        cmocka_unit_test(learned_feedback_absorbs_the_gain),
    };
    return cmocka_run_group_tests_name("feedback", tests, NULL, NULL);
}
