// Delays of connections: per connection, presynaptic neuron, postsynaptic neuron and synapse, beside the same steps
// written as plain loops, on every back end; and what goes back through them as error.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "assert_close.h"
#include "simulation.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CELLS = 3, HEARD = 4, SAMPLES = 3, STEPS = 80, BEFORE = 32 };

// ---- Forward --------------------------------------------------------------------------------------------------------

#define CELL                                                                                                           \
    "neuron Cell(tau) {\n"                                                                                             \
    "  state u = 0.25\n"                                                                                               \
    "  input I\n"                                                                                                      \
    "  d(u) = (I - u) / tau\n"                                                                                         \
    "  output r = tanh(u) initially 0.1\n"                                                                             \
    "}\n"

static const char forward_text[] =
    CELL "synapse Each() {\n"
         "  weight W[post, pre] = [[0.3, -0.2, 0.1], [0.5, 0.1, -0.4], [0.2, 0.2, 0.7]]\n"
         "  param T[post, pre] ~ uniform(0.1, 2)\n"
         "  current sum(j: W[i, j] * delay(pre.r[j], T[i, j]))\n"
         "  plasticity d(W) = 0.2 * post.r[i] * delay(pre.r[j], T[i, j])\n"
         "}\n"
         "synapse Axon(T) {\n"
         "  weight W[post, pre] = 0.4\n"
         "  current W @ delay(pre.r, T) + 0.1 * delay(pre.r[0], 0.3)\n"
         "}\n"
         "synapse Dendrite() {\n"
         "  param T[post] = [0.3, 0.84, 0.1, 1.2]\n"
         "  current sum(j: delay(pre.u[j], T[i])^2) + tanh(delay(pre.r[1], 3))\n"
         "}\n"
         "network N {\n"
         "  dt = 0.1\n"
         "  input x[3]\n"
         "  order %s\n"
         "  population a = Cell[3](tau = 1)\n"
         "  population b = Cell[4](tau = 2)\n"
         "  connect in: x -> a by Axon(T = [0.1, 0.35, 0.5])\n"
         "  connect w: a -> a by Each()\n"
         "  connect v: a -> b by Dendrite()\n"
         "}\n";

// Row n + BEFORE is after step n; what was before the first step is there too.
typedef struct Course {
    double x[STEPS + BEFORE][CELLS], u[STEPS + BEFORE][CELLS], r[STEPS + BEFORE][CELLS], b[STEPS + BEFORE][HEARD];
} Course;

static int steps_of(double time) { return (int)floor(time / 0.1 * (1 + 1e-9) + 0.5); }

// One step of one sample, `now` the row of it; W as it was before.
static void plain_step(Course *c, int now, const double W[CELLS][CELLS], const double T[CELLS][CELLS]) {
    static const double axon[CELLS] = {0.1, 0.35, 0.5}, dendrite[HEARD] = {0.3, 0.84, 0.1, 1.2};
    for (int i = 0; i < CELLS; i++) {
        double I = 0.1 * c->x[now - 3][0];
        for (int j = 0; j < CELLS; j++)
            I += 0.4 * c->x[now - steps_of(axon[j])][j] + W[i][j] * c->r[now - steps_of(T[i][j])][j];
        c->u[now][i] = c->u[now - 1][i] + 0.1 * (I - c->u[now - 1][i]);
        c->r[now][i] = tanh(c->u[now][i]);
    }
    for (int i = 0; i < HEARD; i++) {
        double I = tanh(c->r[now - 30][1]);
        for (int j = 0; j < CELLS; j++) I += pow(c->u[now - steps_of(dendrite[i])][j], 2);
        c->b[now][i] = c->b[now - 1][i] + 0.1 * (I - c->b[now - 1][i]) / 2;
    }
}

static void start(Course *c) {
    memset(c, 0, sizeof *c);
    for (int n = 0; n < BEFORE; n++) {
        for (int i = 0; i < CELLS; i++) c->u[n][i] = 0.25, c->r[n][i] = 0.1;
        for (int i = 0; i < HEARD; i++) c->b[n][i] = 0.25;
    }
}

static void compare(const Simulation *s, const Course *c, int batch, int now) {
    double u[SAMPLES * CELLS], b[SAMPLES * HEARD];
    get(s, "a.u", u);
    get(s, "b.u", b);
    for (int k = 0; k < batch; k++) {
        for (int i = 0; i < CELLS; i++) assert_close(u[k * CELLS + i], c[k].u[now][i], 1e-12);
        for (int i = 0; i < HEARD; i++) assert_close(b[k * HEARD + i], c[k].b[now][i], 1e-12);
    }
}

// What neurons have sent is lost on the way: to those who read it late as well.
static void silence(const Simulation *s, Course *c, int batch, int now) {
    static const double nothing[SAMPLES * CELLS];
    put(s, "a.r", nothing);
    for (int k = 0; k < batch; k++) memset(c[k].r[now - 1], 0, sizeof c[k].r[now - 1]);
}

static void simulate(const char *text, const char *backend, int batch) {
    static Course course[SAMPLES];
    Simulation s = open_simulation(text, backend, "a.u,b.u,w.W,w.T", batch);
    double W[CELLS][CELLS], T[CELLS][CELLS], x[SAMPLES][CELLS];
    for (int k = 0; k < SAMPLES; k++) start(&course[k]);
    if (s.instance) {
        get(&s, "w.W", W[0]);
        get(&s, "w.T", T[0]);
        for (int n = 0; n < STEPS; n++) {
            int now = n + BEFORE;
            bool learns = n % 3 == 0;
            for (int k = 0; k < batch; k++)
                for (int i = 0; i < CELLS; i++) course[k].x[now][i] = x[k][i] = sin(0.3 * n + 2 * k + i);
            put(&s, "x", x[0]);
            if (n == 20 && !strstr(text, "order sequential")) silence(&s, course, batch, now);
            lequel_instance_step(s.instance, learns);
            for (int k = 0; k < batch; k++) plain_step(&course[k], now, W, T);
            for (int i = 0; i < CELLS && learns; i++)
                for (int j = 0; j < CELLS; j++)
                    for (int k = 0; k < batch; k++)
                        W[i][j] += 0.1 * 0.2 * course[k].r[now][i] * course[k].r[now - steps_of(T[i][j])][j] / batch;
            compare(&s, course, batch, now);
        }
        double learned[CELLS][CELLS];
        get(&s, "w.W", learned[0]);
        for (int i = 0; i < CELLS * CELLS; i++)
            assert_close(learned[i / CELLS][i % CELLS], W[i / CELLS][i % CELLS], 1e-12);
    }
    close_simulation(&s);
}

static void forward(void **state) {
    (void)state;
    static const char *const orders[] = {"parallel", "le", "sequential"}; // a delay counts the step between neurons
    for (int order = 0; order < 3; order++) {
        char text[4096];
        snprintf(text, sizeof text, forward_text, orders[order]);
        for (int k = 0; k < BACKENDS; k++)
            for (int batch = 1; batch <= SAMPLES; batch += 2) simulate(text, backends[k], batch);
    }
}

// ---- Errors -------------------------------------------------------------------------------------------------------

static const char errors_text[] = "synapse Each() {\n"
                                  "  weight W[post, pre] ~ normal(0, 1)\n"
                                  "  param T[post, pre] ~ uniform(0.1, 0.5)\n"
                                  "  current sum(j: W[i, j] * delay(pre.r[j], T[i, j], %s)) + 0.5 * pre.r[0]\n"
                                  "}\n"
                                  "network N {\n"
                                  "  dt = 0.1\n"
                                  "  input x[3]\n"
                                  "  target y[4]\n"
                                  "  population a = Leaky[3](tau_m = 1, tau_r = 0.5, phi = tanh)\n"
                                  "  population o = Leaky[4](tau_m = 0.8, tau_r = 0.3)\n"
                                  "  connect in: x -> a by Linear(w0 = 1)\n"
                                  "  connect w: a -> o by Each()\n"
                                  "  cost mse(o.r, y)\n"
                                  "  order %s\n"
                                  "  dynamics gle(gamma = 0)\n"
                                  "  learn w.W by sgd(rate = 0.01)\n"
                                  "}\n";

// What goes down is made of the target's error as it is (linear), looked ahead of (ahead), or not at all (constant); a
// weight learns from the very message that it passed on.
static void stand_in(const char *credit, const char *order, double late, double ahead, const char *backend, int batch) {
    char text[4096];
    snprintf(text, sizeof text, errors_text, credit, order);
    Simulation s = open_simulation(text, backend, "w.W,w.T,a.r,o.error,w.error_down,w.grad_W", batch);
    static double r[STEPS + BEFORE][SAMPLES][CELLS], e[STEPS + BEFORE][SAMPLES][HEARD];
    double T[HEARD][CELLS], W[HEARD][CELLS], down[SAMPLES][CELLS], grad[HEARD][CELLS], x[SAMPLES][CELLS];
    bool held = strcmp(order, "le") == 0; // which sends down the error of the step before
    if (s.instance) {
        get(&s, "w.T", T[0]);
        for (int n = 0; n < STEPS; n++) {
            int now = n + BEFORE, sent = held ? now - 1 : now;
            double y[SAMPLES][HEARD];
            for (int k = 0; k < batch; k++) {
                for (int i = 0; i < CELLS; i++) x[k][i] = sin(0.3 * n + k + i);
                for (int i = 0; i < HEARD; i++) y[k][i] = cos(0.2 * n + i);
            }
            get(&s, "w.W", W[0]);
            put(&s, "x", x[0]);
            put(&s, "y", y[0]);
            lequel_instance_step(s.instance, true);
            get(&s, "a.r", r[now][0]);
            get(&s, "o.error", e[now][0]);
            get(&s, "w.error_down", down[0]);
            get(&s, "w.grad_W", grad[0]);
            for (int j = 0; j < CELLS; j++)
                for (int k = 0; k < batch; k++) {
                    double expected = 0;
                    for (int i = 0; i < HEARD; i++) {
                        double change = e[sent][k][i] - e[sent - 1][k][i];
                        expected += W[i][j] * (late * e[sent][k][i] + ahead * T[i][j] / 0.1 * change);
                        if (j == 0) expected += 0.5 * e[sent][k][i];
                    }
                    assert_close(down[k][j], expected, 1e-12);
                }
            for (int i = 0; i < HEARD; i++)
                for (int j = 0; j < CELLS; j++) {
                    double expected = 0;
                    for (int k = 0; k < batch; k++) expected -= e[now][k][i] * r[now - steps_of(T[i][j])][k][j] / batch;
                    assert_close(grad[i][j], expected, 1e-12);
                }
        }
        assert_true(fabs(e[STEPS + BEFORE - 1][0][0]) > 1e-3);
    }
    close_simulation(&s);
}

static void errors(void **state) {
    (void)state;
    for (int k = 0; k < BACKENDS; k++)
        for (int batch = 1; batch <= SAMPLES; batch += 2) {
            stand_in("linear", "parallel", 1, 0, backends[k], batch);
            stand_in("ahead", "parallel", 1, 1, backends[k], batch);
            stand_in("ahead", "le", 1, 1, backends[k], batch);
            stand_in("constant", "parallel", 0, 0, backends[k], batch);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(forward), cmocka_unit_test(errors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
