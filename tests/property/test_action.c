// The variational principle itself: minimising the action of a nudged network gives the adjoint variables.
//
// S[u] = sum over steps of dt*E, E = 1/2 sum_i (p_i - s_i)^2 + beta*C, with p = u + tau_m du/dt and q = u + tau_r du/dt
// of the explicit Euler step, du/dt = (u[n+1] - u[n])/dt. The first state is given, the last one is free: a two-point
// problem with errors that run backward in time. Its minimum is found by Gauss-Newton over the whole trajectory, with
// no derivation of ours. For small beta the mismatches are -beta times the adjoint variables of the un-nudged
// trajectory (science: Euler-Lagrange equations of a prospective energy), so that
//   sum_n eps_i[n]*r_j[n] / (-beta)  ->  dJ/dW_ij,   J = sum_n C[n],
// which the compiled model finds by `adjoint` and by `bptt`. The deviation has to fall linearly in beta.
//   converges   a nonlinear chain of two neurons, both low-passes with a lookahead of their own: weights, biases and
//   time
//               constants, for beta = 0.1, 0.01, 0.001
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "compiled.h"

enum { STEPS = 120, UNKNOWNS = 2 * STEPS, RESIDUALS = 3 * STEPS, BAND = 5 };

static const double dt = 0.1, tau_m[2] = {1, 2}, tau_r[2] = {0.3, 0.5}, W[2] = {1.4, -1.1}, b[2] = {0.3, 0.2};

static const char text[] = "network Chain {\n  dt = 0.1\n  input x[1]\n  target y[1]\n"
                           "  population h = Leaky[1](tau_m = 1, tau_r = 0.3, phi = tanh)\n"
                           "  population o = Leaky[1](tau_m = 2, tau_r = 0.5)\n"
                           "  connect w1: x -> h by Given(1.4, 0.3)\n  connect w2: h -> o by Given(-1.1, 0.2)\n"
                           "  cost mse(o.r, y)\n  dynamics bptt\n  order sequential\n"
                           "  learn w1.W, w1.b, w2.W, w2.b by sgd(1)\n"
                           "  learn h.tau_m, o.tau_m by sgd(1), clamp dt .. 9\n}\n"
                           "synapse Given(w0, b0) {\n  weight W[post, pre] = w0\n  weight b[post] = b0\n"
                           "  current W @ pre.r + b\n}\n";

static double x_at(int n) { return 1.2 * sin(0.9 * dt * n) + 0.4 * sin(2.3 * dt * n); }
static double y_at(int n) { return 0.8 * cos(0.7 * dt * n); }

// ---- The action -----------------------------------------------------------------------------------------------------

// u[2*n + i]: state i before step n; those of step 0 are 0 and no unknowns.
typedef struct Path {
    double u[2 * STEPS + 2];
} Path;

typedef struct Instant { // of one step
    double rate[2], p[2], q[2], r, eps[2];
} Instant;

static Instant look(const Path *path, int n) {
    Instant now;
    for (int i = 0; i < 2; i++) {
        double u = path->u[2 * n + i];
        now.rate[i] = (path->u[2 * n + 2 + i] - u) / dt;
        now.p[i] = u + tau_m[i] * now.rate[i];
        now.q[i] = u + tau_r[i] * now.rate[i];
    }
    now.r = tanh(now.q[0]);
    now.eps[0] = now.p[0] - W[0] * x_at(n) - b[0];
    now.eps[1] = now.p[1] - W[1] * now.r - b[1];
    return now;
}

// Least squares with banded normal equations: residual row k reads the unknowns of steps n and n + 1 only.
typedef struct Normal {
    double matrix[UNKNOWNS][BAND], right[UNKNOWNS]; // the lower band: matrix[k][d] = A[k][k - d]
} Normal;

// One residual with its derivatives by u[n] and u[n+1] of both neurons.
static void add_residual(Normal *normal, int n, double value, const double by[4]) {
    for (int a = 0; a < 4; a++) {
        int k = 2 * (n - 1) + a; // unknown 0 is the state before step 1
        if (k < 0) continue;
        normal->right[k] -= by[a] * value;
        for (int c = 0; c <= a; c++)
            if (k - (a - c) >= 0) normal->matrix[k][a - c] += by[a] * by[c];
    }
}

static void add_step(Normal *normal, const Path *path, int n, double beta) {
    Instant now = look(path, n);
    double slope = 1 - now.r * now.r;
    double by_p[2][2], by_q[2][2]; // [neuron][before, after]
    for (int i = 0; i < 2; i++) {
        by_p[i][0] = 1 - tau_m[i] / dt, by_p[i][1] = tau_m[i] / dt;
        by_q[i][0] = 1 - tau_r[i] / dt, by_q[i][1] = tau_r[i] / dt;
    }
    add_residual(normal, n, now.eps[0], (double[]){by_p[0][0], 0, by_p[0][1], 0});
    add_residual(normal, n, now.eps[1],
                 (double[]){-W[1] * slope * by_q[0][0], by_p[1][0], -W[1] * slope * by_q[0][1], by_p[1][1]});
    double root = sqrt(beta);
    add_residual(normal, n, root * (now.q[1] - y_at(n)), (double[]){0, root * by_q[1][0], 0, root * by_q[1][1]});
}

// Cholesky within the band, then both substitutions; the solution replaces the right side.
static void solve(Normal *normal) {
    for (int k = 0; k < UNKNOWNS; k++) {
        for (int d = BAND - 1; d >= 0; d--) {
            int c = k - d;
            if (c < 0) continue;
            double sum = normal->matrix[k][d];
            for (int e = d + 1; e < BAND && k - e >= 0; e++)
                if (c - (k - e) < BAND) sum -= normal->matrix[k][e] * normal->matrix[c][c - (k - e)];
            normal->matrix[k][d] = d ? sum / normal->matrix[c][0] : sqrt(sum);
        }
        for (int d = 1; d < BAND && k - d >= 0; d++) normal->right[k] -= normal->matrix[k][d] * normal->right[k - d];
        normal->right[k] /= normal->matrix[k][0];
    }
    for (int k = UNKNOWNS - 1; k >= 0; k--) {
        for (int d = 1; d < BAND && k + d < UNKNOWNS; d++)
            normal->right[k] -= normal->matrix[k + d][d] * normal->right[k + d];
        normal->right[k] /= normal->matrix[k][0];
    }
}

// Gauss-Newton; returns the size of the last change.
static double minimise(Path *path, double beta) {
    static Normal normal;
    double change = 0;
    memset(path, 0, sizeof *path);
    for (int round = 0; round < 200; round++) {
        memset(&normal, 0, sizeof normal);
        for (int n = 0; n < STEPS; n++) add_step(&normal, path, n, beta);
        solve(&normal);
        change = 0;
        for (int k = 0; k < UNKNOWNS; k++) {
            path->u[2 + k] += normal.right[k];
            change = fmax(change, fabs(normal.right[k]));
        }
        if (change < 1e-14) break;
    }
    return change;
}

// -1/beta times dS/d(parameter) at the minimum, in the order of the model's learn rules.
static void gradients_of_action(double beta, double gradient[6]) {
    Path path;
    double change = minimise(&path, beta);
    if (!(change < 1e-12)) fail_msg("Gauss-Newton still moves by %g at beta = %g", change, beta);
    memset(gradient, 0, 6 * sizeof *gradient);
    for (int n = 0; n < STEPS; n++) {
        Instant now = look(&path, n);
        gradient[0] -= now.eps[0] * x_at(n) / beta;
        gradient[1] -= now.eps[0] / beta;
        gradient[2] -= now.eps[1] * now.r / beta;
        gradient[3] -= now.eps[1] / beta;
        gradient[4] += now.eps[0] * now.rate[0] / beta;
        gradient[5] += now.eps[1] * now.rate[1] / beta;
    }
}

// ---- The model ------------------------------------------------------------------------------------------------------

static void gradients_of_model(const char *principle, double gradient[6]) {
    static const char *const names[] = {"w1.W", "w1.b", "w2.W", "w2.b", "h.tau_m", "o.tau_m"};
    Compiled c = compile_text(text, principle, generated_backend(), NULL);
    WindowData data = data_of(&c, (WindowPlan){.steps = STEPS, .batch = 1});
    for (int n = 0; n < STEPS; n++) {
        data.values[2 * n] = x_at(n);
        data.values[2 * n + 1] = y_at(n);
    }
    Gradients g = gradients_of(&c, &data);
    assert_int_equal(g.count, 6);
    for (int k = 0; k < 6; k++) {
        assert_string_equal(g.names[k], names[k]);
        gradient[k] = g.values[k][0];
    }
    gradients_free(&g);
    window_data_close(&data);
    compiled_close(&c);
}

static void converges(void **state) {
    (void)state;
    static const char *const principles[] = {"adjoint", "bptt"};
    static const double betas[] = {0.1, 0.01, 0.001};
    for (int i = 0; i < 2; i++) {
        double model[6], action[6], before = 0;
        gradients_of_model(principles[i], model);
        for (int k = 0; k < 3; k++) {
            gradients_of_action(betas[k], action);
            double far = deviation(action, model, 6);
            print_message("%s: -eps/beta at beta = %g deviates by %.3g\n", principles[i], betas[k], far);
            assert_true(far < betas[k] * 20 && far > betas[k] / 100);
            if (k) assert_true(before / far > (k == 1 ? 5 : 9) && before / far < 11); // ten times smaller each time
            before = far;
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(converges)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
