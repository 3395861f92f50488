// The gain of `vle`: the causal stand-in of an adjoint has its phase, but the inverse amplitude. With H the neuron's
// transfer function from drive to lookahead, the exact adjoint has |H|, the stand-in 1/|H|, so the right factor is
// |H|^2: known at one frequency, or measured by running averages inside the error neuron (science.md 5.5, 5.7).
#include "derive.h"

static Expr squared(Derive *d, Expr x) { return expr_power(d->store, x, expr_const(d->store, 2)); }

// (1 + omega^2 tau_k^2) / (1 + omega^2 tau_m^2)
static Expr analytic(Derive *d, Expr tau_k, Expr tau_m) {
    ExprStore *s = d->store;
    double omega = d->model->dynamics.omega;
    Expr one = expr_const(s, 1), weight = expr_const(s, omega * omega);
    return expr_div(s, expr_add(s, one, expr_mul(s, weight, squared(d, tau_k))),
                    expr_add(s, one, expr_mul(s, weight, squared(d, tau_m))));
}

// Between rho^2 and 1, the range of |H|^2.
static Expr clipped(Derive *d, Expr gain, Expr tau_k, Expr tau_m) {
    ExprStore *s = d->store;
    Expr one = expr_const(s, 1), rho = squared(d, expr_div(s, tau_k, tau_m));
    Expr low = expr_make2(s, EXPR_MIN, rho, one), high = expr_make2(s, EXPR_MAX, rho, one);
    return expr_make2(s, EXPR_MAX, low, expr_make2(s, EXPR_MIN, high, gain));
}

static Symbol per_neuron(Derive *d, const Population *p, SymbolRole role, Unit unit, const char *base,
                         const char *label, const char *what) {
    Symbol symbol = derive_signal(d, p, role, unit, base, label, what);
    symbol_edit(d->store, symbol)->batched = false;
    return symbol;
}

static Average average(Derive *d, const Population *p, const char *base, const char *label, Expr of) {
    Unit unit = UNIT_NONE;
    expr_unit(d->store, of, &unit);
    const char *sample = arena_format(d->model->arena, "%s_now", base);
    return (Average){.symbol = per_neuron(d, p, ROLE_STATE, unit, base, label, "a running average"),
                     .sample = per_neuron(d, p, ROLE_SIGNAL, unit, sample, label, "a mean over the batch"),
                     .of = of};
}

// Numerator over denominator, or 1 as long as nothing was measured.
static Expr quotient(Derive *d, const Gain *gain) {
    ExprStore *s = d->store;
    Expr over = derive_element(d, gain->average[0].symbol), under = derive_element(d, gain->average[1].symbol);
    Expr something = expr_make2(s, EXPR_LESS, expr_const(s, 0), under);
    return expr_select(s, something, expr_div(s, over, expr_select(s, something, under, expr_const(s, 1))),
                       expr_const(s, 1));
}

static void measure(Derive *d, const NeuronEquations *n, const ErrorInput *in, const char *label, Gain *gain) {
    ExprStore *s = d->store;
    const Population *p = &d->model->populations.items[n->population];
    Unit unit = symbol_info(s, n->state)->unit;
    Expr tau_k = n->leaves.items[in->leaf].tau, tau_m = n->leaves.items[n->solved].tau;
    Expr g = derive_element(d, in->symbol), over = squared(d, g);
    const char *name = "error_in_power";
    gain->raw = derive_signal(d, p, ROLE_SIGNAL, unit, "error_raw", label, "an error before its gain");
    if (d->model->dynamics.gain == GAIN_POWER) {
        gain->companion = derive_signal(d, p, ROLE_SIGNAL, unit, "error_companion", label, "the companion of an error");
        gain->companion_state =
            derive_signal(d, p, ROLE_STATE, unit, "error_companion_state", label, "the state of an error's companion");
        gain->companion_of = expr_make2(s, EXPR_AHEAD, expr_make2(s, EXPR_LOWPASS, g, tau_m), tau_k);
        over = squared(d, derive_element(d, gain->companion));
        name = "error_companion_power";
    }
    gain->averages = 2;
    gain->average[0] = average(d, p, name, label, over);
    gain->average[1] = average(d, p, "error_raw_power", label, squared(d, derive_element(d, gain->raw)));
    Expr value = quotient(d, gain);
    if (d->model->dynamics.gain == GAIN_POWER) value = expr_call(s, FUNCTION_SQRT, value);
    gain->value = clipped(d, value, tau_k, tau_m);
}

Gain derive_gain(Derive *d, const NeuronEquations *n, const ErrorInput *in, const char *label) {
    Gain gain = {0};
    const Dynamics *dynamics = &d->model->dynamics;
    if (dynamics->gain == GAIN_NONE) return gain;
    const Population *p = &d->model->populations.items[n->population];
    gain.symbol = per_neuron(d, p, ROLE_SIGNAL, UNIT_NONE, "error_gain", label, "the gain of an error");
    gain.absorbed = dynamics->feedback == FEEDBACK_LEARNED;
    if (dynamics->gain == GAIN_ANALYTIC)
        gain.value = analytic(d, n->leaves.items[in->leaf].tau, n->leaves.items[n->solved].tau);
    else
        measure(d, n, in, label, &gain);
    return gain;
}
