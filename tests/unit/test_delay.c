// Delays of neurons that equations move, and weights that are sparse, listed or shared: each beside the same steps
// written as plain loops, on every back end. The golden values of the ELiSe model as it is shipped.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "assert_close.h"
#include "simulation.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// ---- Delays ---------------------------------------------------------------------------------------------------------

enum { CELLS = 3, SAMPLES = 3, STEPS = 60, LATEST = 9 };

static const char line_text[] = "neuron Line(T, tau = 2) {\n"
                                "  input I\n"
                                "  state u = 0.25\n"
                                "  d(u) = (I - delay(u, 0.4, linear) - u) / tau\n"
                                "  output q = delay(tanh(u), T) initially 0.5\n"
                                "  output far = delay(q, T + 0.1) + I\n"
                                "}\n"
                                "synapse Sent() {\n"
                                "  weight W[post, pre] = [[0.3, -0.2, 0.1], [0.5, 0.1, -0.4], [0.2, 0.2, 0.7]]\n"
                                "  current W @ pre.q + pre.far\n"
                                "}\n"
                                "network Lines {\n"
                                "  dt = 0.1\n"
                                "  input x[3]\n"
                                "  population a = Line[3](T = [0.1, 0.3, 0.8])\n"
                                "  connect in: x -> a by Linear(w0 = 1)\n"
                                "  connect w: a -> a by Sent()\n"
                                "}\n";

static double before(const double *values, int n, int steps, double start) {
    return n - steps < 0 ? start : values[n - steps];
}

// One sample of the same: x is constant.
static void plain_lines(const double x[CELLS], double u[CELLS][STEPS]) {
    static const double W[CELLS][CELLS] = {{0.3, -0.2, 0.1}, {0.5, 0.1, -0.4}, {0.2, 0.2, 0.7}};
    static const int T[CELLS] = {1, 3, 8};
    double r[CELLS][STEPS], I[CELLS][STEPS], q[CELLS][STEPS], old[CELLS][STEPS];
    double sum = x[0] + x[1] + x[2];
    for (int n = 0; n < STEPS; n++) {
        double now[CELLS], far[CELLS];
        for (int i = 0; i < CELLS; i++) {
            q[i][n] = before(r[i], n, T[i], 0.5);
            now[i] = n ? u[i][n - 1] : 0.25;
            old[i][n] = now[i];
            far[i] = before(q[i], n, T[i] + 1, 0);
            if (n) far[i] += I[i][n - 1]; // what is no delay comes a step late
        }
        for (int i = 0; i < CELLS; i++) {
            I[i][n] = sum + far[i];
            for (int j = 0; j < CELLS; j++) I[i][n] += W[i][j] * q[j][n];
            u[i][n] = now[i] + 0.1 * (I[i][n] - before(old[i], n, 4, 0) - now[i]) / 2;
        }
        for (int i = 0; i < CELLS; i++) r[i][n] = tanh(u[i][n]);
    }
}

static void lines(void **state) {
    (void)state;
    for (int k = 0; k < BACKENDS; k++)
        for (int batch = 1; batch <= SAMPLES; batch += 2) {
            Simulation s = open_simulation(line_text, backends[k], "a.u", batch);
            if (s.instance) {
                double x[SAMPLES][CELLS], u[SAMPLES][CELLS][STEPS], values[SAMPLES * CELLS];
                for (int b = 0; b < batch; b++) {
                    for (int i = 0; i < CELLS; i++) x[b][i] = 0.3 * sin(1 + 2 * b + i);
                    plain_lines(x[b], u[b]);
                }
                put(&s, "x", x[0]);
                for (int n = 0; n < STEPS; n++) {
                    lequel_instance_step(s.instance, n % 2);
                    get(&s, "a.u", values);
                    for (int b = 0; b < batch; b++)
                        for (int i = 0; i < CELLS; i++) assert_close(values[b * CELLS + i], u[b][i][n], 1e-12);
                }
            }
            close_simulation(&s);
        }
}

// ---- Which elements there are ---------------------------------------------------------------------------------------

static void sparse(void **state) {
    (void)state;
    static const char text[] =
        "synapse S(p) {\n"
        "  weight W[post, pre] = 1, sparse(p = p)\n"
        "  weight B[post, pre] = 1, zero diagonal, sparse(p = where(i < 20 and j >= 20, 1, 0.25))\n"
        "  current (W + B) @ pre.r\n"
        "  plasticity W <- W - 1 + outer(post.r, pre.r), clamp 0.5 .. 2\n"
        "}\n"
        "network N { dt = 0.1; input x[40]; population a = Leaky[40](1, 1); connect w: a -> a by S(p = 0.3);\n"
        "  dynamics gle(gamma = 0) }\n";
    double first[3][1600];
    for (int k = 0; k < BACKENDS; k++) {
        Simulation s = open_simulation(text, backends[k], "w.W,w.B,w.W_mask", 1);
        if (s.instance) {
            double W[1600], B[1600], mask[1600], there = 0, block = 0, rest = 0;
            get(&s, "w.W_mask", mask);
            for (int n = 0; n < 5; n++) lequel_instance_step(s.instance, true);
            get(&s, "w.W", W);
            get(&s, "w.B", B);
            for (int i = 0; i < 40; i++)
                for (int j = 0; j < 40; j++) {
                    int at = 40 * i + j;
                    assert_true(mask[at] == 0 || mask[at] == 1);
                    assert_close(W[at], mask[at] == 0 ? 0 : 0.5, 0);
                    if (i == j) assert_close(B[at], 0, 0);
                    there += mask[at];
                    *(i < 20 && j >= 20 ? &block : &rest) += B[at];
                }
            assert_close(there / 1600, 0.3, 0.04);
            assert_close(block, 400, 0);
            assert_close(rest / 1160, 0.25, 0.05);
            memcpy(first[k], mask, sizeof mask);
            if (k) assert_memory_equal(first[0], first[k], sizeof mask);
        }
        close_simulation(&s);
    }
}

// First values that depend on the place: kernels of distance, with what is not there left out.
static void kernels(void **state) {
    (void)state;
    static const char text[] =
        "neuron A(x) { input I; output r = I }\n"
        "synapse K() {\n"
        "  weight W[post, pre] = 2 nS * exp(-abs(post.x[i] - pre.x[j]) / 3), zero diagonal\n"
        "  param T[post, pre] = 1 ms + i * 2 ms + j * 3 ms, sparse(p = where(i < j, 1, 0))\n"
        "  current sum(j: W[i, j] * T[i, j] * pre.r[j])\n}\n"
        "network N { dt = 0.1 ms; population a = A[3](x = [0, 1.5, 4]); connect w: a -> a by K() }\n";
    Simulation s = open_simulation(text, "loops", "w.W,w.T", 1);
    double W[9], T[9], x[] = {0, 1.5, 4};
    get(&s, "w.W", W);
    get(&s, "w.T", T);
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            assert_close(W[3 * i + j], i == j ? 0 : 2 * exp(-fabs(x[i] - x[j]) / 3), 1e-15);
            assert_close(T[3 * i + j], i < j ? 1 + 2 * i + 3 * j : 0, 1e-15);
        }
    close_simulation(&s);
}

static void edges(void **state) {
    (void)state;
    char list[] = "/tmp/lequel-edges-XXXXXX", text[512];
    write_file(list, "# from, to, weight\n0, 1, 0.5\n\n 2 , 0 , -2  # negative\r\n1,1,1e-1");
    snprintf(text, sizeof text,
             "synapse E() { weight W[post, pre], edges(\"%s\", scale = 2 nS); current W @ pre.r }\n"
             "neuron A() { input I; output r = I }\n"
             "network N { dt = 0.1 ms; input x[3]; population a = A[2](); connect w: x -> a by E() }\n",
             list);
    Simulation s = open_simulation(text, "loops", "w.W", 1);
    static const double expected[] = {0, 0, -4, 1, 0.2, 0};
    double W[6];
    get(&s, "w.W", W);
    for (int i = 0; i < 6; i++) assert_close(W[i], expected[i], 1e-15);
    close_simulation(&s);
    unlink(list);
}

// The gradient of a weight that two connections share is that of both, one of them transposed.
static void shared(void **state) {
    (void)state;
    static const char text[] = "synapse Back(W) { current transpose(W) @ pre.r }\n"
                               "network N { dt = 0.1; input x[2]; target y[2];\n"
                               "  population a = Leaky[3](0.1, 0.1); population b = Leaky[2](0.1, 0.1)\n"
                               "  connect up: x -> a by Linear(w0 ~ normal(0, 1))\n"
                               "  connect down: a -> b by Back(W = up.W)\n"
                               "  cost mse(b.r, y); dynamics instant(gamma = 0); learn up.W by sgd(rate = 0) }\n";
    Simulation s = open_simulation(text, "loops", "up.grad_W", 1);
    double x[] = {0.4, -0.7}, y[] = {0.1, 0.9}, W[6], grad[6], a[3], b[2] = {0}, e[3] = {0};
    put(&s, "x", x);
    put(&s, "y", y);
    for (int n = 0; n < 20; n++) lequel_instance_step(s.instance, true);
    get(&s, "up.W", W);
    get(&s, "up.grad_W", grad);
    for (int i = 0; i < 3; i++) a[i] = W[2 * i] * x[0] + W[2 * i + 1] * x[1];
    for (int j = 0; j < 2; j++)
        for (int i = 0; i < 3; i++) b[j] += W[2 * i + j] * a[i];
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 2; j++) e[i] += W[2 * i + j] * (b[j] - y[j]);
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 2; j++) assert_close(grad[2 * i + j], e[i] * x[j] + a[i] * (b[j] - y[j]), 1e-12);
    close_simulation(&s);
}

// ---- ELiSe ----------------------------------------------------------------------------------------------------------

// One neuron with a source at rest, one with a teacher at -50 mV beside one at rest, of the shipped model.
static const char golden_text[] = "import \"%s/models/elise_fuer_elise.leq\"\n"
                                  "neuron Fixed() { input I; output U = I * 1 mV initially -70 mV }\n"
                                  "synapse Single(g) { current g * pre.excites }\n"
                                  "synapse SingleLate(g) { current g * pre.inhibits }\n"
                                  "network Golden {\n"
                                  "  dt = 0.1 ms\n"
                                  "  input target[1]\n"
                                  "  population fixed = Fixed[1]()\n"
                                  "  population source = Cell[1]()\n"
                                  "  population wired = Cell[1]()\n"
                                  "  population taught = Cell[1]()\n"
                                  "  connect t: target -> fixed by Element()\n"
                                  "  connect e: source -> wired.ge by Single(g = 0.3 nS)\n"
                                  "  connect i: source -> wired.gi by SingleLate(g = 6 nS)\n"
                                  "  connect up: fixed -> taught.ge by NudgeUp(lambda = 0.6, on = 1)\n"
                                  "  connect down: fixed -> taught.gi by NudgeDown(lambda = 0.6, on = 1)\n"
                                  "  connect w: source -> taught.dend by Dendritic(eta = 1e-4 mV, sigma = 0 mV)\n"
                                  "}\n"
                                  "experiment still { present target = 0; duration 1 ms }\n";

static double relative(double expected) { return 1e-6 * fabs(expected); }

static void golden(void **state) {
    (void)state;
    char text[4096];
    snprintf(text, sizeof text, golden_text, LEQUEL_SOURCE_DIR);
    int simulated = 0;
    for (int k = 0; k < BACKENDS; k++) {
        Simulation s = open_simulation(text, backends[k], "taught.ge,taught.gi,taught.u,wired.u,w.W,w.trace", 1);
        if (s.instance) {
            simulated++;
            const double rest = 1 / (1 + exp(3.6)), zero = 0, target = -50;
            assert_close(get_one(&s, "source.r"), rest, relative(0.02659699));
            put(&s, "target", &target);
            double u0, u1, u2;
            lequel_instance_step(s.instance, false); // until the teacher's message has come
            u0 = get_one(&s, "taught.u");
            lequel_instance_step(s.instance, false);
            u1 = get_one(&s, "taught.u");
            assert_close(get_one(&s, "taught.ge"), 1.05, relative(1.05));
            assert_close(get_one(&s, "taught.gi"), 2.10, relative(2.10));
            lequel_instance_step(s.instance, false);
            u2 = get_one(&s, "taught.u");
            assert_close((u1 + 58) / (u0 + 58), exp(-0.1 / 0.19047619), 1e-6);
            assert_close((u2 + 58) / (u1 + 58), exp(-0.1 / 0.19047619), 1e-6);
            for (int n = 0; n < 3000; n++) lequel_instance_step(s.instance, false);
            double ge = 0.3 * rest, gi = 6 * rest, pulled = (2.1 * -70 - 75 * gi) / (2.1 + ge + gi);
            assert_close(pulled, -70.1056, 0.0001);
            assert_close(get_one(&s, "wired.u"), pulled, relative(pulled));
            assert_close(get_one(&s, "taught.u"), -58, relative(58));
            assert_close(get_one(&s, "taught.r"), 0.5, relative(0.5));
            assert_close(get_one(&s, "w.trace"), 2 / 2.1 * rest, relative(0.0253));
            assert_close(get_one(&s, "w.W"), 0, 0);
            put(&s, "w.W", &zero);
            lequel_instance_step(s.instance, true);
            assert_close(get_one(&s, "w.W"), 1e-4 * (0.5 - rest) * 2 / 2.1 * rest, 1e-6 * 1.2e-6);
            // Without the teacher the soma follows its dendrite, at the pace of the free membrane.
            const double high = -58;
            put(&s, "taught.u", &high);
            put(&s, "taught.dend.v", &(double){-70});
            put(&s, "source.u", &high);
            put(&s, "source.dend.v", &(double){-70});
            lequel_instance_step(s.instance, false);
            assert_close((get_one(&s, "source.u") + 70) / 12, exp(-0.1 * 2.1), 1e-6);
        }
        close_simulation(&s);
    }
    assert_true(simulated >= 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(lines), cmocka_unit_test(sparse), cmocka_unit_test(kernels),
                                       cmocka_unit_test(edges), cmocka_unit_test(shared), cmocka_unit_test(golden)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
