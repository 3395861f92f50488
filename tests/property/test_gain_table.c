// How far the gradients of causal principles are from exact ones, over frequency: GLE has the phase of the exact
// adjoint but the wrong amplitude, by 1 + (omega tau)^2 for each low-pass on the way, and `vle` corrects the amplitude.
//
// Protocol. A student 1-8-8-1 follows a teacher of the same shape with other weights. tanh in the hidden layers, linear
// output, no bias. In each hidden layer four neurons are instantaneous (tau_r = tau_m = tau), four are low-passes
// (tau_m = tau, tau_r = dt); the output is instantaneous. Weights of both are uniform within 1/sqrt(fan-in). The input
// is a sum of three sines of amplitude 1/3 and random phases, at 0.75, 1, 1.25 times omega (narrow) or 0.3, 1, 3 times
// (broad). dt = 0.05, order sequential (no delays between layers), gamma 0, batch 1. Gradients of half the squared
// distance are summed over one period of the whole signal, or several until it is 40 tau long, after as long a run to
// settle. Compared is the cosine with bptt's gradient, for the weights of layer 1 and for its tau_m; means over 4
// seeds, which draw weights and phases. Running averages of measured gains take two periods of the slowest sine.
//
// Expected is the shape of the table of an independent re-implementation (dt, weight scale and length unknown): GLE
// .999, .896, .664 at omega tau = .2, 1, 2, .072 at 8; with analytic gain .998 and more; broad-band at omega = .5, 1,
// 2: GLE .94, .75, .55, power-matching gain .98, .97, .99, least squares .96, .94, .96. Ours is printed. It differs in
// the last broad row, where GLE does worse here, and the measured gains, one number per neuron for three frequencies a
// decade apart, stay below .99.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "compiled.h"
#include "random_numbers.h"

enum { SEEDS = 4 };

typedef struct Protocol {
    double tau, omega;    // of the lagging neurons; of the middle sine
    double factors[3];    // of omega: the frequencies
    double amplitude, dt; // of the sum of all sines
} Protocol;

static const double narrow[3] = {0.75, 1, 1.25}, broad[3] = {0.3, 1, 3};

// Half of each hidden layer passes its input on at once, the other half is a low-pass; a teacher with other weights.
static Text write_model(const Protocol *p) {
    Text text = {0};
    text_addf(&text,
              "network Gains(tau = %.17g) {\n  dt = %.17g\n  input x[1]\n"
              "  population t1 = Leaky[8](tau_m = tau, tau_r = [fill(tau, 4), fill(dt, 4)], phi = tanh)\n"
              "  population t2 = Leaky[8](tau_m = tau, tau_r = [fill(tau, 4), fill(dt, 4)], phi = tanh)\n"
              "  population to = Leaky[1](tau_m = tau, tau_r = tau)\n"
              "  population s1 = Leaky[8](tau_m = tau, tau_r = [fill(tau, 4), fill(dt, 4)], phi = tanh)\n"
              "  population s2 = Leaky[8](tau_m = tau, tau_r = [fill(tau, 4), fill(dt, 4)], phi = tanh)\n"
              "  population so = Leaky[1](tau_m = tau, tau_r = tau)\n",
              p->tau, p->dt);
    for (int student = 0; student < 2; student++) {
        char a = student ? 's' : 't', w = student ? 'w' : 'v';
        text_addf(&text, "  connect %c1: x -> %c1 by Linear(w0 ~ uniform(-1, 1))\n", w, a);
        text_addf(&text, "  connect %c2: %c1 -> %c2 by Linear(w0 ~ uniform(-1/sqrt(8), 1/sqrt(8)))\n", w, a, a);
        text_addf(&text, "  connect %c3: %c2 -> %co by Linear(w0 ~ uniform(-1/sqrt(8), 1/sqrt(8)))\n", w, a, a);
    }
    text_add(&text, "  cost mse(so.r, constant(to.r))\n  dynamics bptt\n  order sequential\n"
                    "  learn w1.W by sgd(1)\n  learn s1.tau_m by sgd(1), clamp dt .. 100\n}\n");
    return text;
}

// Sines with random phases, over a whole number of periods of their sum, after as many for the filters to settle.
static WindowData make_data(const Compiled *c, const Protocol *p, uint64_t seed) {
    double unit = p->factors[0] == 0.75 ? 0.25 : 0.1; // all frequencies are multiples of this one
    int64_t steps = llround(2 * 3.14159265358979323846 / (unit * p->omega) / p->dt);
    while ((double)steps * p->dt < 40 * p->tau) steps *= 2;
    WindowData data = data_of(c, (WindowPlan){.settle = steps, .steps = steps, .batch = 1, .seed = seed});
    random_state = mix(seed);
    double phase[3];
    for (int k = 0; k < 3; k++) phase[k] = between(0, 6.283185307179586);
    for (int64_t n = 0; n < 2 * steps; n++) {
        data.values[n] = 0;
        for (int k = 0; k < 3; k++)
            data.values[n] += p->amplitude / 3 * sin(p->factors[k] * p->omega * p->dt * (double)n + phase[k]);
    }
    return data;
}

typedef struct Outcome {
    double weight, time, ratio; // cosines of dJ/dW1 and dJ/dtau_m; the quotient of the norms of dJ/dW1
} Outcome;

static double cosine(const double *a, const double *b, int64_t n) { return dot(a, b, n) / (norm(a, n) * norm(b, n)); }

enum { MOST = 3 };

// Each principle beside bptt, averaged over seeds.
static void compare(const Protocol *p, const char *const *principles, int count, Outcome *means) {
    Text text = write_model(p);
    Compiled exact = compile_text(text_z(&text), "bptt", generated_backend(), NULL), c[MOST];
    for (int k = 0; k < count; k++) {
        c[k] = compile_text(text_z(&text), principles[k], generated_backend(), NULL);
        means[k] = (Outcome){0};
    }
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        WindowData data = make_data(&exact, p, seed);
        Gradients h = gradients_of(&exact, &data);
        assert_string_equal(h.names[0], "w1.W");
        for (int k = 0; k < count; k++) {
            Gradients g = gradients_of(&c[k], &data);
            means[k].weight += cosine(g.values[0], h.values[0], 8) / SEEDS;
            means[k].time += cosine(g.values[1], h.values[1], 8) / SEEDS;
            means[k].ratio += norm(g.values[0], 8) / norm(h.values[0], 8) / SEEDS;
            gradients_free(&g);
        }
        gradients_free(&h);
        window_data_close(&data);
    }
    for (int k = 0; k < count; k++) compiled_close(&c[k]);
    compiled_close(&exact);
    text_free(&text);
}

static void show(const Protocol *p, const char *principle, const Outcome *o) {
    print_message("tau %g, omega %-3g  %-52s cosine of dW %6.3f (norm x%.2f), of dtau_m %6.3f\n", p->tau, p->omega,
                  principle, o->weight, o->ratio, o->time);
}

static void narrow_band(void **state) {
    (void)state;
    static const double times[][2] = {{1, 0.2}, {1, 1}, {1, 2}, {2, 1}, {2, 4}};
    static const double range[][2] = {{0.99, 1}, {0.8, 0.95}, {0.5, 0.8}, {0.5, 0.8}, {-0.3, 0.3}}; // of GLE's cosine
    double before = 1;
    for (int row = 0; row < 5; row++) {
        Protocol p = {.tau = times[row][0], .omega = times[row][1], .amplitude = 1, .dt = 0.05};
        char analytic[64];
        Outcome o[2];
        memcpy(p.factors, narrow, sizeof p.factors);
        snprintf(analytic, sizeof analytic, "vle(gamma = 0, gain = analytic(%g))", p.omega);
        const char *const principles[] = {"gle(gamma = 0)", analytic};
        compare(&p, principles, 2, o);
        for (int k = 0; k < 2; k++) show(&p, principles[k], &o[k]);
        assert_true(o[0].weight >= range[row][0] && o[0].weight <= range[row][1]);
        assert_true(o[0].weight < before || p.tau * p.omega == 2); // the rows of omega tau = 2 stand side by side
        assert_true(o[1].weight >= 0.99 && o[1].time >= 0.99);
        assert_true(o[1].ratio > 0.9 && o[1].ratio < 1.1);
        before = o[0].weight;
    }
}

static void broad_band(void **state) {
    (void)state;
    static const double omegas[] = {0.5, 1, 2};
    double before = 1;
    for (int row = 0; row < 3; row++) {
        Protocol p = {.tau = 1, .omega = omegas[row], .amplitude = 1, .dt = 0.05};
        char power[80], squares[80];
        Outcome o[3];
        memcpy(p.factors, broad, sizeof p.factors);
        int average = (int)(2 * 6.2832 / (p.omega * p.factors[0]) / p.dt);
        snprintf(power, sizeof power, "vle(gamma = 0, gain = power, average = %d steps)", average);
        snprintf(squares, sizeof squares, "vle(gamma = 0, gain = least_squares, average = %d steps)", average);
        const char *const principles[] = {"gle(gamma = 0)", power, squares};
        compare(&p, principles, 3, o);
        for (int k = 0; k < 3; k++) show(&p, principles[k], &o[k]);
        assert_true(o[0].weight < before);
        assert_true(o[1].weight > 0.9 && o[1].weight > o[0].weight);
        assert_true(o[2].weight > 0.85 && o[2].weight > o[0].weight);
        before = o[0].weight;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(narrow_band),
        cmocka_unit_test(broad_band),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
