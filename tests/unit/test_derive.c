// Derivation by small models whose gradients are known: by finite differences of the energy of a settled network, or by
// hand from the signals of a single step. Also what lookaheads are called.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "assert_close.h"
#include "runtime/program.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST = 16 }; // elements of an array here

static char model_path[] = "/tmp/lequel-derive-XXXXXX";

typedef struct Machine {
    Arena *arena;
    Diagnostics *diags;
    Model *model;
    Program *program;
    Instance *instance;
} Machine;

static Machine load(const char *text) {
    FILE *file = fopen(model_path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    Machine m = {.arena = arena_new()};
    m.diags = diag_new(m.arena);
    m.model = model_load(m.arena, m.diags, &(ModelOptions){.path = model_path}, NULL);
    if (!m.model) {
        Text problem = {0};
        diag_print(m.diags, DIAG_PLAIN, &problem);
        fail_msg("%s%s", text, text_z(&problem));
    }
    return m;
}

// All of `names` can be read after a step.
static Machine open_machine(const char *text, const char *const *names, uint32_t count) {
    Machine m = load(text);
    Text problem = {0};
    Atom *recorded = arena_new_array(m.arena, Atom, count + 1);
    for (uint32_t i = 0; i < count; i++) recorded[i] = arena_atom_z(m.arena, names[i]);
    ProgramOptions options = {
        .real = LOOP_F64, .backend = PROGRAM_LOOPS, .recorded = recorded, .recorded_count = count};
    m.program = program_new(m.model, &options, NULL, &problem);
    if (m.program) m.instance = instance_new(m.program, 1, 7, NULL, &problem);
    if (!m.instance) {
        diag_print(m.diags, DIAG_PLAIN, &problem);
        fail_msg("%s%s", text, text_z(&problem));
    }
    text_free(&problem);
    return m;
}

static void close_machine(Machine *m) {
    if (m->instance) instance_free(m->instance);
    if (m->program) program_free(m->program);
    model_free(m->model);
    arena_free(m->arena);
}

static uint32_t find(const Machine *m, const char *name) {
    int64_t array = program_find(m->program, name);
    if (array < 0) fail_msg("there is no `%s`", name);
    return (uint32_t)array;
}

static int64_t get(const Machine *m, const char *name, double *values) {
    int64_t length = instance_length(m->instance, find(m, name));
    assert_in_range(length, 1, MOST);
    instance_get(m->instance, find(m, name), values);
    return length;
}

static void set(const Machine *m, const char *name, const double *values) {
    instance_set(m->instance, find(m, name), values);
}

static double first(const Machine *m, const char *name) {
    double values[MOST];
    get(m, name, values);
    return values[0];
}

// ---- Finite differences ---------------------------------------------------------------------------------------------

// h.f and o.f are the neurons' own energies, so that they can be added to the cost. %s: what else the cost has.
#define SETTLING                                                                                                       \
    "neuron S(tau = 1, gain = 1, kappa = 0.1) {\n"                                                                     \
    "  state u = 0\n  input I\n"                                                                                       \
    "  output r = gain * tanh(ahead(u, tau))\n"                                                                        \
    "  output f = kappa * ahead(u, tau)^2 * gain\n"                                                                    \
    "  energy 1/2 * (ahead(u, tau) - I)^2 + kappa * ahead(u, tau)^2 * gain\n}\n"                                       \
    "synapse G(W0) {\n  weight W[post, pre] = W0\n  current post.kappa * (W @ (pre.gain * pre.r))\n}\n"                \
    "network N {\n  dt = 0.1\n  input x[2]\n  target y[2]\n"                                                           \
    "  population h = S[2](gain = [0.7, 1.3], kappa = [0.2, 0.1])\n"                                                   \
    "  population o = S[2](gain = [0.9, 1.1], kappa = [0.4, 0.3])\n"                                                   \
    "  connect w1: x -> h by Linear(w0 = [[0.4, -0.3], [0.7, 0.2]])\n"                                                 \
    "  connect w2: h -> o by G(W0 = [[0.5, -0.6], [0.3, 0.9]])\n"                                                      \
    "  cost 0.5*sum((o.r - y)^2)%s\n  dynamics %s(gamma = 0)\n  order %s\n"                                            \
    "  learn w1.W, w2.W, h.gain, o.gain, h.kappa, o.kappa by sgd(rate = 0)\n}\n"

// The cost and the neurons' own energies after the messages have passed all populations, up and down.
static double settled_energy(Machine *m) {
    static const double x[] = {0.8, -0.5}, y[] = {0.3, -0.2};
    double values[MOST];
    set(m, "x", x);
    set(m, "y", y);
    for (int n = 0; n < 12; n++) instance_step(m->instance, ENTRY_TRAIN, false);
    double total = instance_mean_cost(m->instance);
    for (int k = 0; k < 2; k++) {
        int64_t count = get(m, k ? "o.f" : "h.f", values);
        for (int64_t i = 0; i < count; i++) total += values[i];
    }
    return total;
}

static void check_gradient(Machine *m, const char *name, const char *gradient_name) {
    double values[MOST], gradient[MOST];
    int64_t count = get(m, name, values);
    settled_energy(m);
    get(m, gradient_name, gradient);
    for (int64_t i = 0; i < count; i++) {
        double before = values[i], step = 1e-5, moved[2];
        for (int side = 0; side < 2; side++) {
            values[i] = side ? before - step : before + step;
            set(m, name, values);
            moved[side] = settled_energy(m);
        }
        values[i] = before;
        set(m, name, values);
        assert_close(gradient[i], (moved[0] - moved[1]) / (2 * step), 1e-8);
    }
}

static void gradients_are_those_of_the_energy(void **state) {
    (void)state;
    static const char *const costs[] = {"", " + 0.3*sum(w2.W^2) + 0.2*sum(h.gain^2*o.kappa) + sum(exp(w1.W))"};
    static const char *const principles[] = {"instant", "gle"}, *const orders[] = {"parallel", "sequential"};
    static const char *const names[] = {"w1.W",         "w1.grad_W", "w2.W",         "w2.grad_W",   "h.gain",
                                        "h.grad_gain",  "h.f",       "o.gain",       "o.grad_gain", "h.kappa",
                                        "h.grad_kappa", "o.kappa",   "o.grad_kappa", "o.f"};
    for (int variant = 0; variant < 8; variant++) {
        Text text = {0};
        text_addf(&text, SETTLING, costs[variant % 2], principles[variant / 2 % 2], orders[variant / 4]);
        Machine m = open_machine(text_z(&text), names, sizeof names / sizeof *names);
        check_gradient(&m, "w1.W", "w1.grad_W");
        check_gradient(&m, "w2.W", "w2.grad_W");
        check_gradient(&m, "h.gain", "h.grad_gain");
        check_gradient(&m, "o.gain", "o.grad_gain");
        check_gradient(&m, "h.kappa", "h.grad_kappa");
        check_gradient(&m, "o.kappa", "o.grad_kappa");
        close_machine(&m);
        text_free(&text);
    }
}

// A weight that nothing but the cost reads, where no error arrives anywhere.
static void cost_alone_is_enough(void **state) {
    (void)state;
    static const char *const names[] = {"w.grad_W", "h.grad_tau_m"};
    Machine m = open_machine("network N {\n  dt = 0.1\n  input x[1]\n  population h = Leaky[1](tau_m = 2, tau_r = 1)\n"
                             "  connect w: x -> h by Dense()\n  cost sum(w.W^2)*3 + sum(h.tau_m^3)\n"
                             "  dynamics gle(gamma = 0)\n  learn w.W, h.tau_m by sgd(rate = 0)\n}\n",
                             names, 2);
    instance_step(m.instance, ENTRY_TRAIN, true);
    assert_close(first(&m, "w.grad_W"), 6 * first(&m, "w.W"), 1e-14);
    assert_close(first(&m, "h.grad_tau_m"), 12, 1e-14);
    close_machine(&m);
}

// ---- Single steps ---------------------------------------------------------------------------------------------------

#define MOVING                                                                                                         \
    "neuron S(tau = 1, gain = 0.8, kappa = 0.3) {\n"                                                                   \
    "  state u = 0\n  input I\n  output r = gain * tanh(ahead(u, tau))\n"                                              \
    "  energy 1/2 * (ahead(u, tau) - I)^2 + kappa * ahead(u, tau)^4\n}\n"                                              \
    "network N {\n  dt = 0.1\n  input x[1]\n  target y[1]\n  population h = S[1]()\n"                                  \
    "  connect w: x -> h by Identity()\n  cost 0.5*sum((h.r - y)^2)\n  dynamics gle(gamma = 0.1)\n  order %s\n"        \
    "  learn h.tau, h.gain, h.kappa by sgd(rate = 0)\n}\n"

// The error judges the rate of the step before under orders that hold it; so do all gradients but that of the mismatch.
static void gradients_are_of_the_step_judged(void **state) {
    (void)state;
    static const char *const names[] = {"h.error",   "h.error_in", "h.u_rate",    "h.u_ahead.tau",
                                        "h.r_error", "h.grad_tau", "h.grad_gain", "h.grad_kappa"};
    for (int le = 0; le < 2; le++) {
        Text text = {0};
        text_addf(&text, MOVING, le ? "le" : "parallel");
        Machine m = open_machine(text_z(&text), names, sizeof names / sizeof *names);
        double rate = 0, ahead = 0;
        for (int n = 0; n < 20; n++) {
            double x = sin(n), y = cos(2 * n);
            set(&m, "x", &x);
            set(&m, "y", &y);
            instance_step(m.instance, ENTRY_TRAIN, true);
            assert_close(first(&m, "h.grad_tau"),
                         first(&m, "h.error") * first(&m, "h.u_rate") - first(&m, "h.error_in") * rate, 1e-13);
            assert_close(first(&m, "h.grad_gain"), -first(&m, "h.r_error") * tanh(ahead), 1e-13);
            assert_close(first(&m, "h.grad_kappa"), pow(ahead, 4), 1e-13);
            rate = first(&m, "h.u_rate");
            ahead = first(&m, "h.u_ahead.tau");
        }
        close_machine(&m);
        text_free(&text);
    }
}

// ---- Names ----------------------------------------------------------------------------------------------------------

static bool known(const Machine *m, const char *name) {
    return symbol_find(m->model->store, arena_atom_z(m->arena, name)) != 0;
}

static void lookaheads_have_names_of_their_own(void **state) {
    (void)state;
    Machine m = load("neuron S(tau, t2) {\n  state u = 0\n  input I\n  output r = tanh(ahead(u, 0.5*tau))\n"
                     "  output s = ahead(u, t2) + u + ahead(u, 3*tau)\n  energy 1/2 * (ahead(u, 2) - I)^2\n}\n"
                     "network N {\n  dt = 0.1\n  input x[2]\n  population h = S[2](tau = 4, t2 = 1)\n"
                     "  connect w: x -> h by Dense()\n  dynamics gle(gamma = 0)\n}\n");
    Equations *equations = equations_derive(m.model);
    assert_non_null(equations);
    static const char *const names[] = {"h.u_ahead.2", "h.u_ahead.t2", "h.u_ahead.t3", "h.u_ahead.t4", "h.u_ahead.dt"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) assert_true(known(&m, names[i]));
    assert_int_equal(equations->neurons.items[0].leaves.count, 5);
    // Deriving again makes no second array of any name.
    uint32_t symbols = symbol_count(m.model->store);
    Equations *again = equations_derive(m.model);
    assert_non_null(again);
    assert_int_equal(symbol_count(m.model->store), symbols);
    equations_free(again);
    equations_free(equations);
    close_machine(&m);
}

static void too_many_lookaheads_are_refused(void **state) {
    (void)state;
    Text text = {0}, report = {0};
    text_add(&text, "neuron S() {\n  state u = 0\n  input I\n  output r = tanh(0");
    for (int i = 0; i < 65; i++) text_addf(&text, " + ahead(u, %d)", i + 3);
    text_add(&text, ")\n  energy 1/2 * (ahead(u, 2) - I)^2\n}\n"
                    "network N {\n  dt = 0.1\n  input x[1]\n  population h = S[1]()\n"
                    "  connect w: x -> h by Dense()\n  dynamics gle(gamma = 0)\n}\n");
    Machine m = load(text_z(&text));
    assert_null(equations_derive(m.model));
    diag_print(m.diags, DIAG_PLAIN, &report);
    assert_non_null(strstr(text_z(&report), "[E0212]"));
    close_machine(&m);
    text_free(&report);
    text_free(&text);
}

// A walk that visits shared parts again and again would take 2^40 steps.
static void shared_parts_are_visited_once(void **state) {
    (void)state;
    Text text = {0};
    text_add(&text, "neuron S() {\n  state u = 0\n  input I\n  let a0 = ahead(u, 2)\n");
    for (int i = 1; i <= 40; i++) text_addf(&text, "  let a%d = sin(a%d) + cos(a%d)\n", i, i - 1, i - 1);
    text_add(&text, "  output r = a40\n  energy 1/2 * (ahead(u, 2) - I)^2\n}\n"
                    "network N {\n  dt = 0.1\n  input x[1]\n  population h = S[1]()\n"
                    "  connect w: x -> h by Dense()\n  dynamics gle(gamma = 0)\n}\n");
    Machine m = load(text_z(&text));
    Equations *equations = equations_derive(m.model);
    assert_non_null(equations);
    Step *step = step_discretise(equations, STEP_TRAIN);
    assert_non_null(step);
    step_free(step);
    equations_free(equations);
    close_machine(&m);
    text_free(&text);
}

// ---- Units ----------------------------------------------------------------------------------------------------------

static const char measured_text[] =
    "neuron Slow(tau_m = 20 ms, tau_r = 10 ms, E = -70 mV, s = 5 mV) {\n"
    "  state u = E\n  input I\n"
    "  output r = tanh((ahead(u, tau_r) - E) / s)\n"
    "  energy 1/2 * (ahead(u, tau_m) - E - I)^2 + 0.7 mV^2 * lowpass((ahead(u, tau_r) - E) / s, 5 ms)^2\n}\n"
    "synapse Late() {\n  weight W[post, pre] ~ normal(0 mV, 2 mV)\n"
    "  current sum(j: W[i, j] * delay(pre.r[j], 2 ms, ahead))\n}\n"
    "network N {\n  dt = 0.1 ms\n  input x[2]\n  target y[2]\n"
    "  population a = Slow[3]()\n  population b = Slow[2]()\n"
    "  connect in: x -> a by Late()\n  connect w: a -> b by Late()\n"
    "  cost 3 mV^2 * sum((b.r - y)^2)\n  dynamics vle(gamma = 1, gain = power, average = 5 ms)\n"
    "  learn all by sgd(rate = 1)\n  learn a.tau_m, a.tau_r by sgd(rate = 1), clamp 1 ms .. 50 ms\n"
    "  learn a.s by sgd(rate = 1), clamp 1 mV .. 9 mV\n}\n";

static Symbol symbol_named(const Machine *m, const char *name) {
    Symbol symbol = symbol_find(m->model->store, arena_atom_z(m->arena, name));
    if (!symbol) fail_msg("no array %s", name);
    return symbol;
}

// A derivative of the energy by x has the unit of the energy over that of x; what is derived agrees with that, and an
// array of another unit does not go unseen.
static void derived_lines_agree_in_unit(void **state) {
    (void)state;
    static const char *const expected[][2] = {
        {"a.error", "mV"},
        {"a.error_in.tau_r", "mV"},
        {"a.error_in.lowpass.5", "mV^2"},
        {"a.error_back.lowpass.5", "mV^2"},
        {"a.r_gate", "mV^-1"},
        {"a.r_error", "mV^2"},
        {"a.u_ahead.tau_r", "mV"},
        {"a.error_raw_power.tau_r", "mV^2"},
        {"w.error_down", "mV^2"},
        {"w.grad_W", "mV"},
        {"a.grad_tau_m", "mV^2 ms^-1"},
        {"a.grad_tau_r", "mV^2 ms^-1"},
        {"a.grad_s", "mV"},
    };
    Machine m = load(measured_text);
    Equations *equations = equations_derive(m.model);
    assert_non_null(equations);
    char *problem = equations_verify(equations);
    if (problem) fail_msg("%s", problem);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        Text unit = {0};
        Symbol symbol = symbol_named(&m, expected[i][0]);
        Unit own = symbol_info(m.model->store, symbol)->unit;
        unit_print(own, &unit);
        if (strcmp(text_z(&unit), expected[i][1]) != 0) fail_msg("%s is in %s", expected[i][0], text_z(&unit));
        text_free(&unit);
        symbol_edit(m.model->store, symbol)->unit = (Unit){.current = 6};
        problem = equations_verify(equations);
        if (!problem) fail_msg("%s may have any unit", expected[i][0]);
        free(problem);
        symbol_edit(m.model->store, symbol)->unit = own;
    }
    assert_null(equations_verify(equations));
    equations_free(equations);
    close_machine(&m);
}

static int make_file(void **state) {
    (void)state;
    int file = mkstemp(model_path);
    return file < 0 ? -1 : close(file);
}

static int remove_file(void **state) {
    (void)state;
    return remove(model_path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_those_of_the_energy), cmocka_unit_test(cost_alone_is_enough),
        cmocka_unit_test(gradients_are_of_the_step_judged),  cmocka_unit_test(lookaheads_have_names_of_their_own),
        cmocka_unit_test(too_many_lookaheads_are_refused),   cmocka_unit_test(shared_parts_are_visited_once),
        cmocka_unit_test(derived_lines_agree_in_unit),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
