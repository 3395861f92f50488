// Compartments, explicit equations, events and explicit plasticity: each beside the same steps written as plain loops,
// on every back end; integrators beside exact solutions.
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

// ---- A circuit with everything in it --------------------------------------------------------------------------------

static const char circuit_text[] = "neuron Cell(g = 0.3, tau = 4) {\n"
                                   "  compartment dend { state v = 0.1; input I; d(v) = (I - v) / 3 }\n"
                                   "  compartment tuft { input I; let v = 0.5 * I + 0.1 * sum2.v }\n"
                                   "  compartment sum2 { input I; let w = 2 * I; let v = w - 0.1 * dend.v }\n"
                                   "  couple tuft -> dend : g\n"
                                   "  state u = 0.2, k = 0\n"
                                   "  d(u) = (dend.v + 0.4 * tuft.v - u - 0.2 * k) / tau\n"
                                   "  k <- 0.9 * k + u\n"
                                   "  output U = ahead(u, tau) initially -0.5\n"
                                   "  output r = tanh(u) + 0.1 * d(u)\n"
                                   "  output was = previous(u + dend.v)\n"
                                   "}\n"
                                   "synapse Traced(eta) {\n"
                                   "  weight W[post, pre] = [[0.3, -0.2], [0.5, 0.1]]\n"
                                   "  state e[post, pre] = 0\n"
                                   "  d(e) = (outer(post.tuft.v, pre.r) - e) / 2\n"
                                   "  current W @ pre.r\n"
                                   "  plasticity d(W) = eta * (e + outer(post.u, pre.u)), clamp -1 .. 0.52\n"
                                   "}\n"
                                   "synapse Into() {\n"
                                   "  weight W[post, pre] = [[0.7, -0.3], [0.2, 0.4]]\n"
                                   "  current W @ pre.x\n"
                                   "  plasticity W <- 0.99 * W + 0.01 * post.dend.I[i] * pre.x[j] until step 6\n"
                                   "}\n"
                                   "network Circuit {\n"
                                   "  dt = 0.25\n"
                                   "  input x[2]\n"
                                   "  population p = Cell[2](tau = [4, 5])\n"
                                   "  connect a: x -> p.dend by Into()\n"
                                   "  connect b: x -> p.tuft.I by Linear(w0 = 0.6)\n"
                                   "  connect c: p -> p.sum2 by Traced(eta = 0.2)\n"
                                   "}\n";

enum { CELLS = 2, SAMPLES = 2 };

typedef struct Circuit {
    double v[SAMPLES][CELLS], u[SAMPLES][CELLS], k[SAMPLES][CELLS], U[SAMPLES][CELLS], r[SAMPLES][CELLS],
        was[SAMPLES][CELLS], e[SAMPLES][CELLS][CELLS], W[CELLS][CELLS], A[CELLS][CELLS];
} Circuit;

static Circuit circuit_start(void) {
    Circuit c = {.W = {{0.3, -0.2}, {0.5, 0.1}}, .A = {{0.7, -0.3}, {0.2, 0.4}}};
    for (int b = 0; b < SAMPLES; b++)
        for (int i = 0; i < CELLS; i++) {
            c.v[b][i] = 0.1;
            c.u[b][i] = 0.2;
            c.U[b][i] = -0.5;
        }
    return c;
}

static void circuit_step(Circuit *c, double x[SAMPLES][CELLS], int n) {
    const double dt = 0.25, tau[CELLS] = {4, 5};
    Circuit old = *c;
    double dend[SAMPLES][CELLS];
    for (int b = 0; b < SAMPLES; b++)
        for (int i = 0; i < CELLS; i++) {
            double from_x = 0, tuft_in = 0, sum_in = 0;
            for (int j = 0; j < CELLS; j++) {
                from_x += old.A[i][j] * x[b][j];
                tuft_in += 0.6 * x[b][j];
                sum_in += old.W[i][j] * old.r[b][j];
            }
            double sum = 2 * sum_in - 0.1 * old.v[b][i], tuft = 0.5 * tuft_in + 0.1 * sum;
            dend[b][i] = from_x + 0.3 * (tuft - old.v[b][i]);
            c->v[b][i] = old.v[b][i] + dt * (dend[b][i] - old.v[b][i]) / 3;
            double du = (old.v[b][i] + 0.4 * tuft - old.u[b][i] - 0.2 * old.k[b][i]) / tau[i];
            c->u[b][i] = old.u[b][i] + dt * du;
            c->k[b][i] = 0.9 * old.k[b][i] + old.u[b][i];
            c->U[b][i] = old.u[b][i] + tau[i] * du;
            c->r[b][i] = tanh(c->u[b][i]) + 0.1 * du;
            c->was[b][i] = old.u[b][i] + old.v[b][i];
            for (int j = 0; j < CELLS; j++)
                c->e[b][i][j] = old.e[b][i][j] + dt * (tuft * old.r[b][j] - old.e[b][i][j]) / 2;
        }
    for (int i = 0; i < CELLS; i++)
        for (int j = 0; j < CELLS; j++) {
            double rate = 0, change = 0;
            for (int b = 0; b < SAMPLES; b++) {
                rate += 0.2 * (c->e[b][i][j] + c->u[b][i] * old.u[b][j]) / SAMPLES;
                change += 0.01 * dend[b][i] * x[b][j] / SAMPLES;
            }
            c->W[i][j] = fmin(0.52, fmax(-1, old.W[i][j] + dt * rate));
            if (n < 6) c->A[i][j] = 0.99 * old.A[i][j] + change;
        }
}

static void compare(const Simulation *s, const char *name, const double *expected, int count) {
    double values[64];
    get(s, name, values);
    for (int i = 0; i < count; i++) assert_close(values[i], expected[i], 1e-13);
}

static void circuits(void **state) {
    (void)state;
    int simulated = 0;
    for (int k = 0; k < BACKENDS; k++) {
        Simulation s = open_simulation(circuit_text, backends[k], "p.U,p.r,p.was,p.k", SAMPLES);
        if (!s.program) { // without the LLVM module
            close_simulation(&s);
            continue;
        }
        simulated++;
        Circuit c = circuit_start();
        bool clamped = false;
        for (int n = 0; n < 40; n++) {
            double x[SAMPLES][CELLS];
            for (int b = 0; b < SAMPLES; b++)
                for (int i = 0; i < CELLS; i++) x[b][i] = sin(0.3 * n + b + 2 * i);
            put(&s, "x", x[0]);
            lequel_instance_step(s.instance, true);
            circuit_step(&c, x, n);
            clamped |= c.W[1][0] == 0.52;
            compare(&s, "p.dend.v", c.v[0], SAMPLES * CELLS);
            compare(&s, "p.u", c.u[0], SAMPLES * CELLS);
            compare(&s, "p.k", c.k[0], SAMPLES * CELLS);
            compare(&s, "p.r", c.r[0], SAMPLES * CELLS);
            compare(&s, "p.U", c.U[0], SAMPLES * CELLS);
            compare(&s, "p.was", c.was[0], SAMPLES * CELLS);
            compare(&s, "c.e", c.e[0][0], SAMPLES * CELLS * CELLS);
            compare(&s, "c.W", c.W[0], CELLS * CELLS);
            compare(&s, "a.W", c.A[0], CELLS * CELLS);
        }
        assert_true(clamped);
        close_simulation(&s);
    }
    assert_true(simulated >= 2);
}

// ---- Integrators ----------------------------------------------------------------------------------------------------

// The error after one unit of time of d(u) = 3*u*(1 - u) from 0.1, whose solution is a logistic curve.
static double growth_error(const char *integrator, const char *dt, int steps) {
    char text[512];
    snprintf(text, sizeof text,
             "neuron G() { state u = 0.1; input I; d(u) = 3*u*(1 - u) + I; output r = u }\n"
             "network N { dt = %s; integrator = %s; population p = G[1]() }\n",
             dt, integrator);
    Simulation s = open_simulation(text, "reference", "p.u", 1);
    for (int n = 0; n < steps; n++) lequel_instance_step(s.instance, true);
    double u = get_one(&s, "p.u");
    close_simulation(&s);
    return fabs(u - 1 / (1 + 9 * exp(-3)));
}

static void orders(void **state) {
    (void)state;
    static const struct {
        const char *name;
        double ratio; // of the errors when the step is halved: 2^order
    } known[] = {{"euler", 2}, {"exponential", 2}, {"rk4", 16}};
    for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
        double coarse = growth_error(known[k].name, "0.015625", 64),
               fine = growth_error(known[k].name, "0.0078125", 128);
        assert_true(fine > 0);
        assert_close(coarse / fine, known[k].ratio, 0.08 * known[k].ratio);
    }
    assert_true(growth_error("rk4", "0.015625", 64) < 1e-7);
}

static void exponential(void **state) {
    (void)state;
    static const char text[] = "neuron L(tau = 0.7, g = 0) {\n"
                               "  state u = 1, w = 0.3, z = 0.2\n"
                               "  d(u) = (2 - u) / tau - 0.5 * (u - 4 * g), exponential\n"
                               "  d(w) = g * w + 3, exponential\n"
                               "  d(z) = 2*(1 - z) + z^2, exponential\n"
                               "  output r = u\n"
                               "}\n"
                               "network N { dt = 0.5; population p = L[1]() }\n";
    for (int k = 0; k < BACKENDS; k++) {
        Simulation s = open_simulation(text, backends[k], "p.u,p.w,p.z", 1);
        if (!s.program) {
            close_simulation(&s);
            continue;
        }
        double z = 0.2, a = 1 / 0.7 + 0.5, rest = 2 / 0.7 / a;
        for (int n = 1; n <= 6; n++) {
            lequel_instance_step(s.instance, true);
            z += (2 * (1 - z) + z * z) * expm1(-2 * 0.5) / -2; // the square is held over the step
            assert_close(get_one(&s, "p.u"), rest + (1 - rest) * exp(-a * 0.5 * n), 1e-13);
            assert_close(get_one(&s, "p.w"), 0.3 + 3 * 0.5 * n, 1e-13); // a coefficient that is 0
            assert_close(get_one(&s, "p.z"), z, 1e-13);
        }
        close_simulation(&s);
    }
}

// ---- Events ---------------------------------------------------------------------------------------------------------

static void spikes(void **state) {
    (void)state;
    static const char text[] =
        "neuron LIF(tau = 10, theta = 1) {\n"
        "  state u = 0, s = 0, since = 100, count = 0\n"
        "  input I\n"
        "  d(u) = where(since < 2, 0, (I - u) / tau), exponential\n"
        "  d(since) = 1\n"
        "  s <- 0\n"
        "  on u >= theta { u <- 0; s <- 1; since <- 0; count <- count + 1 }\n"
        "  on count >= 3 { count <- -5 }\n"
        "  output spike = s\n"
        "}\n"
        "network N { dt = 0.01; input x[1]; population p = LIF[1](); connect w: x -> p by Identity() }\n";
    for (int k = 0; k < BACKENDS; k++) {
        Simulation s = open_simulation(text, backends[k], "p.u,p.s,p.count,p.spike", 1);
        if (!s.program) {
            close_simulation(&s);
            continue;
        }
        const double interval = 10 * log(1.5 / 0.5), x = 1.5; // from 0 to the threshold, under a drive of 1.5
        put(&s, "x", &x);
        double last = 0;
        int found = 0;
        for (int n = 0; n < 4000; n++) {
            lequel_instance_step(s.instance, true);
            double now = (n + 1) * 0.01;
            if (get_one(&s, "p.s") != 1) continue;
            assert_close(now - last, interval + (found ? 2 : 0), 0.0201); // on the grid of steps
            assert_true(get_one(&s, "p.u") == 0 && get_one(&s, "p.spike") == 1);
            // An event reads what motions have left, so the second one sees 3 a step after the first has counted it.
            assert_true(get_one(&s, "p.count") == found + 1);
            last = now;
            found++;
        }
        assert_int_equal(found, 3);
        assert_true(get_one(&s, "p.count") == -5);
        close_simulation(&s);
    }
}

// ---- Teachers -------------------------------------------------------------------------------------------------------

static void teachers(void **state) {
    (void)state;
    static const char text[] = "neuron C() { input I, J; output r = I + 10 * J }\n"
                               "network N { dt = 1; input x[1]; target y[1]; population p = C[1]()\n"
                               "  connect a: x -> p.I by Identity(); connect b: y -> p.J by Identity() }\n";
    Simulation s = open_simulation(text, "loops", "p.r", 1);
    const double x = 2, y = 3;
    put(&s, "x", &x);
    put(&s, "y", &y);
    lequel_instance_step(s.instance, true);
    assert_close(get_one(&s, "p.r"), 32, 0);
    lequel_instance_step(s.instance, false);
    assert_close(get_one(&s, "p.r"), 2, 0);
    close_simulation(&s);
}

// ---- Noise ----------------------------------------------------------------------------------------------------------

enum { NOISY = 40, DRAWS = 50 };

// The variance of d(u) = -u/tau + noise(sigma) long after its start is sigma^2 tau/2, whatever the step; here over all
// neurons and samples, which are independent, and some instants far apart.
static double noise_variance(const char *backend, const char *dt, int apart, double *first) {
    char text[512];
    snprintf(text, sizeof text,
             "neuron OU(tau = 2, sigma = 0.5) { state u = 0; d(u) = -u/tau + noise(sigma); output r = u }\n"
             "network N { dt = %s; integrator = exponential; population p = OU[%d]() }\n",
             dt, NOISY);
    Simulation s = open_simulation(text, backend, "p.u", DRAWS);
    if (!s.program) {
        close_simulation(&s);
        return NAN;
    }
    static double u[NOISY * DRAWS];
    double sum = 0;
    for (int k = 0; k < 6; k++) {
        for (int n = 0; n < apart; n++) lequel_instance_step(s.instance, true);
        get(&s, "p.u", u);
        for (int i = 0; i < NOISY * DRAWS; i++) sum += u[i] * u[i] * (k > 0);
        if (k == 0) *first = u[7];
    }
    close_simulation(&s);
    return sum / (5.0 * NOISY * DRAWS);
}

static void noises(void **state) {
    (void)state;
    double loops, other;
    noise_variance("loops", "0.1", 1, &loops);
    noise_variance("reference", "0.1", 1, &other);
    assert_close(other, loops, 1e-15); // the same numbers on every back end
    for (int k = 1; k < BACKENDS; k++) {
        double variance = noise_variance(backends[k], "0.1", 80, &other);
        if (!isnan(variance)) assert_close(variance, 0.25, 0.01); // its own deviation is 0.0035
    }
    assert_close(noise_variance("loops", "0.05", 160, &other), 0.25, 0.01);
}

// Weights that start as those of another connection do.
static void copies(void **state) {
    (void)state;
    static const char text[] = "synapse S(W0) { weight W[post, pre] = W0; current W @ pre.r }\n"
                               "synapse R() { weight W[post, pre] ~ uniform(1, 2); current W @ pre.r }\n"
                               "neuron C() { input I; output r = I }\n"
                               "network N { dt = 1; input x[2]; population p = C[3]()\n"
                               "  connect a: x -> p by R(); connect b: x -> p by S(W0 = -2*a.W) }\n";
    Simulation s = open_simulation(text, "loops", "p.r", 1);
    double a[6], b[6];
    get(&s, "a.W", a);
    get(&s, "b.W", b);
    for (int i = 0; i < 6; i++) {
        assert_true(a[i] >= 1 && a[i] < 2);
        assert_close(b[i], -2 * a[i], 0);
    }
    close_simulation(&s);
}

// A matrix without self-connections keeps its diagonal at 0 under a rule that would change all of it.
static void diagonals(void **state) {
    (void)state;
    static const char text[] = "synapse S() { weight W[post, pre] ~ uniform(1, 2), zero diagonal; current W @ pre.r\n"
                               "  plasticity W <- W + 0.5 }\n"
                               "neuron C() { state u = 1; input I; d(u) = I - u; output r = u }\n"
                               "network N { dt = 0.1; population p = C[3](); connect a: p -> p by S() }\n";
    for (int k = 0; k < BACKENDS; k++) {
        Simulation s = open_simulation(text, backends[k], "p.u", 1);
        if (!s.program) {
            close_simulation(&s);
            continue;
        }
        double start[9], W[9];
        get(&s, "a.W", start);
        lequel_instance_step(s.instance, true);
        lequel_instance_step(s.instance, true);
        get(&s, "a.W", W);
        for (int i = 0; i < 9; i++) {
            bool diagonal = i % 4 == 0;
            assert_true(diagonal ? start[i] == 0 : start[i] >= 1);
            assert_close(W[i], diagonal ? 0 : start[i] + 1, 1e-15);
        }
        close_simulation(&s);
    }
}

// ---- Units ----------------------------------------------------------------------------------------------------------

// The text with its units, or without: they stand between marks.
static void mark_units(const char *text, bool kept, char *out) {
    bool unit = false;
    for (const char *c = text; *c; c++)
        if (*c == '$')
            unit = !unit;
        else if (kept || !unit)
            *out++ = *c;
    *out = 0;
}

// An output that reads an input, whose unit only the connections tell.
static void units(void **state) {
    (void)state;
    static const char text[] =
        "neuron P(gl = 0.03$ nS$, gb = 0.1$ nS$, C = 1$ pF$, E = 2$ mV$) {\n"
        "  compartment basal { input I; let v = I / gb }\n"
        "  state u = 0$ mV$\n"
        "  let G = gl + gb\n"
        "  d(u) = (gb*basal.v - G*u) / C, exponential\n"
        "  output U = ahead(u, 0.5*C/G)\n"
        "  output r = tanh(U / E)\n"
        "  output expected = tanh(gb/G * basal.v / E)\n"
        "}\n"
        "synapse S(eta) {\n"
        "  weight W[post, pre] ~ uniform(-1$ pA$, 1$ pA$)\n"
        "  current W @ pre.r\n"
        "  plasticity d(W) = eta * outer(post.r - post.expected, pre.r), clamp -4$ pA$ .. 4$ pA$\n"
        "}\n"
        "network N {\n"
        "  dt = 0.1$ ms$\n"
        "  input x[3]\n"
        "  population h = P[4]()\n"
        "  population o = P[2]()\n"
        "  connect a: x -> h.basal by S(eta = 0.1$ pA/ms$)\n"
        "  connect b: h -> o.basal by S(eta = 0.1$ pA/ms$)\n"
        "}\n";
    char first[sizeof text], second[sizeof text];
    mark_units(text, true, first);
    mark_units(text, false, second);
    Simulation s = open_simulation(first, "loops", "o.U", 1), t = open_simulation(second, "loops", "o.U", 1);
    double a[8], b[8];
    get(&s, "b.W", b);
    for (int n = 0; n < 200; n++) {
        double x[3] = {sin(0.1 * n), cos(0.07 * n), 0.4};
        put(&s, "x", x);
        put(&t, "x", x);
        lequel_instance_step(s.instance, true);
        lequel_instance_step(t.instance, true);
    }
    double start = b[0];
    get(&s, "b.W", a);
    get(&t, "b.W", b);
    assert_true(a[0] != start);
    for (int i = 0; i < 8; i++) assert_close(a[i], b[i], 0);
    assert_string_equal(lequel_program_array(s.program, array(&s, "o.U")).unit, "mV");
    close_simulation(&s);
    close_simulation(&t);
}

// ---- Gradients ------------------------------------------------------------------------------------------------------

// The reversed step passes through compartments, couplings, events, noise and every integrator.
static void gradients(void **state) {
    (void)state;
    static const char *const integrators[] = {"euler", "exponential", "rk4"};
    for (int k = 0; k < 3; k++) {
        char text[2048];
        snprintf(text, sizeof text,
                 "neuron Cell(tau = 2, g = 0.5) {\n"
                 "  compartment dend { state v = 0; input I; d(v) = (I - v) / 3 }\n"
                 "  compartment tuft { input I; let v = tanh(I) }\n"
                 "  state u = 0, w = 0.1\n"
                 "  input I\n"
                 "  d(u) = (I + g*(dend.v - u) + 0.3*tuft.v - w - u - 0.1*u^2) / tau\n"
                 "  d(w) = (0.4*u - w) / 5 + noise(0.2)\n"
                 "  on u > 0.6 { u <- 0.3*u; w <- w + 0.1*u }\n"
                 "  couple tuft -> dend : 0.2\n"
                 "  output r = tanh(ahead(u, 1))\n"
                 "  output s = previous(u)*u\n"
                 "}\n"
                 "synapse S() { weight W[post, pre] ~ normal(0, 1); current W @ pre.r + 0.1*(W @ pre.s) }\n"
                 "network N {\n"
                 "  dt = 0.1\n"
                 "  integrator = %s\n"
                 "  input x[3]\n"
                 "  target y[2]\n"
                 "  population h = Cell[4](tau ~ uniform(1, 3))\n"
                 "  population o = Cell[2]()\n"
                 "  connect a: x -> h.dend by Dense()\n"
                 "  connect a2: x -> h.tuft by Dense()\n"
                 "  connect b: h -> o.I by S()\n"
                 "  connect rec: h -> h.I by S()\n"
                 "  cost mse(o.r, y) + 0.1*sum(o.u^2)\n"
                 "  dynamics bptt\n"
                 "  learn a.W, a2.W, b.W, rec.W, h.tau, h.g by sgd(0.001)\n"
                 "}\n",
                 integrators[k]);
        Simulation s = open_simulation(text, "loops", "o.r", 2);
        bool agrees = false;
        char *error = NULL;
        LequelGradcheckOptions options = {.steps = 60, .batch = 2, .elements = 3, .principles = NULL};
        char *report = lequel_model_gradcheck(s.model, &options, &agrees, &error);
        bool exact = report && agrees && strstr(report, "beside complex steps: agrees");
        if (!exact) print_error("%s", report ? report : error);
        assert_true(exact);
        lequel_text_free(report);
        close_simulation(&s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(circuits),    cmocka_unit_test(orders),
                                       cmocka_unit_test(exponential), cmocka_unit_test(spikes),
                                       cmocka_unit_test(teachers),    cmocka_unit_test(noises),
                                       cmocka_unit_test(copies),      cmocka_unit_test(diagonals),
                                       cmocka_unit_test(units),       cmocka_unit_test(gradients)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
