// An offline principle with little memory: the window's states are computed again instead of kept.
//   same_bits      gradients of 500 steps, and of a second window of 137, are bit-identical with 3, 5, 17 snapshots and
//                  with all; so are the states after each window, and those of a run that only goes forward
//   few_steps_again  with all snapshots nothing is computed again. With s snapshots, for any length, the number of
//   steps
//                  done again stays below the binomial bound of Griewank and Walther (2000, ACM TOMS 26:19): r*n -
//                  C(s+r, r-1) forward steps reverse n of them, where C(s+r, s) >= n with the smallest such r. Theirs
//                  knows n beforehand and includes the first run; ours does not know n, and the first run comes on top
//   says_too_little  a limit below what the inputs of a window take is refused, with the numbers
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "compiled.h"
#include "runtime/tape.h"

enum { BATCH = 2, FIRST = 500, SECOND = 137 };

static const char text[] = "neuron Two(tau_m, tau_r) {\n  state u ~ uniform(-1, 1)\n  input I\n"
                           "  output r = tanh(ahead(u, tau_r))\n  output s = u\n"
                           "  energy 1/2 * (ahead(u, tau_m) - I)^2\n}\n"
                           "synapse Both() {\n  weight W[post, pre] ~ uniform(-1, 1)\n"
                           "  weight C[post, pre] ~ uniform(-1, 1)\n  current W @ pre.r + C @ pre.s\n}\n"
                           "network Long {\n  dt = 0.1\n  input x[2]\n  target y[2]\n"
                           "  population h = Two[5](tau_m = [1, 2, 4, 8, 16], tau_r = 0.3)\n"
                           "  population o = Leaky[2](tau_m = 1, tau_r = 1, phi = sigmoid)\n"
                           "  connect w1: x -> h by Dense()\n  connect back: h -> h by Linear(w0 ~ normal(0, 0.3))\n"
                           "  connect w2: h -> o by Both()\n  cost mse(o.r, y)\n  dynamics bptt\n"
                           "  learn all by sgd(0.01)\n  learn h.tau_m by sgd(0.01), clamp dt .. 20\n}\n";

static int64_t snapshot_bytes(Instance *instance) {
    Tape *tape = tape_new(instance);
    int64_t bytes = tape_snapshot_bytes(tape);
    tape_free(tape);
    return bytes;
}

// Room for `snapshots`; 0: for all.
static void limit(Instance *instance, int snapshots) {
    Text problem = {0};
    int64_t bytes = snapshots ? snapshots * snapshot_bytes(instance) : INT64_C(1) << 30;
    if (!instance_limit_memory(instance, bytes, 0, &problem)) fail_msg("%s", text_z(&problem));
}

static void run(Instance *instance, const WindowData *data, ProgramEntry entry, int from, int steps) {
    for (int n = from; n < from + steps; n++) {
        window_feed(data, instance, n);
        instance_step(instance, entry, false);
    }
}

// What outlasts a step and nothing learns from: states and messages.
static bool moves(const ProgramArray *array) {
    return array->stored && array->batched && (array->role == ROLE_STATE || array->role == ROLE_REGISTER);
}

static int compare(const Compiled *c, const Instance *a, const Instance *b, bool gradients) {
    int compared = 0;
    for (uint32_t i = 0; i < program_array_count(c->program); i++) {
        const ProgramArray *array = program_array(c->program, i);
        bool is_gradient = strstr(array->name, ".grad_") != NULL;
        if (!(gradients ? is_gradient : moves(array) && !is_gradient)) continue;
        int64_t count = instance_length(a, i);
        double x[256], y[256], size = 0;
        assert_true(count <= 256);
        instance_get(a, i, x);
        instance_get(b, i, y);
        for (int64_t k = 0; k < count; k++) size = fmax(size, fabs(x[k]));
        assert_true(isfinite(size));
        if (memcmp(x, y, (size_t)count * sizeof *x) != 0) fail_msg("`%s` is not the same", array->name);
        compared += size > 0; // errors are silent between windows
    }
    return compared;
}

static void check_bits(const char *dynamics, ProgramBackend backend) {
    Compiled c = compile_text(text, dynamics, backend, NULL);
    WindowData data = data_of(&c, (WindowPlan){.steps = FIRST + SECOND, .batch = BATCH, .seed = 4});
    Instance *all = instance_of(&c, BATCH, 4), *forward = instance_of(&c, BATCH, 4);
    limit(all, 0);
    static const int snapshots[] = {3, 5, 17};
    Instance *few[3];
    for (int i = 0; i < 3; i++) limit(few[i] = instance_of(&c, BATCH, 4), snapshots[i]);
    for (int window = 0; window < 2; window++) {
        int from = window ? FIRST : 0, steps = window ? SECOND : FIRST;
        run(forward, &data, ENTRY_EVALUATE, from, steps);
        run(all, &data, ENTRY_TRAIN, from, steps);
        instance_end_window(all, false);
        assert_true(compare(&c, all, forward, false) >= 4);
        for (int i = 0; i < 3; i++) {
            run(few[i], &data, ENTRY_TRAIN, from, steps);
            instance_end_window(few[i], false);
            assert_int_equal(compare(&c, few[i], all, true), 6);
            assert_true(compare(&c, few[i], all, false) >= 4);
            assert_true(instance_recomputed(few[i]) > 0);
        }
    }
    assert_int_equal(instance_recomputed(all), 0);
    for (int i = 0; i < 3; i++) instance_free(few[i]);
    instance_free(all);
    instance_free(forward);
    window_data_close(&data);
    compiled_close(&c);
}

static void same_bits(void **state) {
    (void)state;
    check_bits("bptt", generated_backend());
    check_bits("bptt", PROGRAM_REFERENCE);
    check_bits("adjoint", generated_backend());
}

// (n choose k), at most 1e15.
static double choose(int n, int k) {
    double value = 1;
    for (int i = 1; i <= k; i++) value = fmin(1e15, value * (n - k + i) / i);
    return floor(value + 0.5);
}

// Forward steps that reversing n steps with s snapshots takes at best, the first run included.
static double binomial_bound(int n, int s) {
    int r = 0;
    while (choose(s + r, s) < n) r++;
    return r * (double)n - (r ? choose(s + r, r - 1) : 0);
}

static void few_steps_again(void **state) {
    (void)state;
    static const int lengths[] = {1, 2, 3, 4, 7, 10, 31, 64, 65, 100, 129, 257, 500};
    Compiled c = compile_text(text, NULL, generated_backend(), NULL);
    WindowData data = data_of(&c, (WindowPlan){.steps = FIRST, .batch = BATCH, .seed = 4});
    for (int snapshots = 3; snapshots <= 17; snapshots += 2) {
        Instance *instance = instance_of(&c, BATCH, 4);
        limit(instance, snapshots);
        int64_t before = 0, total = 0;
        for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
            run(instance, &data, ENTRY_TRAIN, 0, lengths[k]);
            instance_end_window(instance, false);
            int64_t again = instance_recomputed(instance) - before;
            before = instance_recomputed(instance);
            double bound = binomial_bound(lengths[k], snapshots);
            if (lengths[k] == FIRST)
                print_message("%d steps, %d snapshots: %lld steps done again, bound %.0f\n", lengths[k], snapshots,
                              (long long)again, bound);
            total += again;
            if ((double)again > bound)
                fail_msg("%d steps with %d snapshots: %lld done again, more than %.0f", lengths[k], snapshots,
                         (long long)again, bound);
            assert_true(lengths[k] > snapshots || again == 0);
        }
        assert_true(total > 0);
        instance_free(instance);
    }
    window_data_close(&data);
    compiled_close(&c);
}

static void says_too_little(void **state) {
    (void)state;
    Compiled c = compile_text(text, NULL, generated_backend(), NULL);
    Instance *instance = instance_of(&c, BATCH, 4);
    Text problem = {0};
    assert_false(instance_limit_memory(instance, 4000, 500, &problem));
    assert_non_null(strstr(text_z(&problem), "500 steps"));
    assert_non_null(strstr(text_z(&problem), "--memory-limit"));
    assert_true(instance_limit_memory(instance, 4000000, 500, &problem));
    text_free(&problem);
    instance_free(instance);
    compiled_close(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_bits),
        cmocka_unit_test(few_steps_again),
        cmocka_unit_test(says_too_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
