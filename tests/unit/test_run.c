// Experiments from end to end through the public interface: small models, the interpreter as back end, files read back.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "assert_close.h"
#include "runtime/anneal.h"
#include "runtime/data/table.h"
#include "runtime/lequel.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

// Two inputs are copied to two leaky neurons, which make the class with the larger input win.
static const char model_text[] = "network Small(rate = 0.01) {\n"
                                 "  dt = 0.5\n"
                                 "  input x[2]\n"
                                 "  label y[2]\n"
                                 "  population out = Leaky[2](tau_m = 1, tau_r = 1)\n"
                                 "  connect w: x -> out by Dense()\n"
                                 "  cost cross_entropy(out.r, y)\n"
                                 "  dynamics gle(gamma = 0)\n"
                                 "  learn all by adam(rate)\n"
                                 "}\n"
                                 "experiment classes {\n"
                                 "  data train = samples(\"x.npy\", \"y.npy\")\n"
                                 "  data test = samples(\"tx.npy\", \"ty.npy\")\n"
                                 "  present x = sample, y = class for 4 steps\n"
                                 "  settle 1 steps\n"
                                 "  batch 3, shuffle\n"
                                 "  epochs 4\n"
                                 "  score right = argmax(sum(out.r over presentation)) == y\n"
                                 "  evaluate test every 2 epochs, batch 4\n"
                                 "  anneal rate by plateau(test.loss, patience = 0, factor = 0.5)\n"
                                 "  record loss, right\n"
                                 "  record out.u, cost every 2 steps\n"
                                 "}\n"
                                 "experiment wave {\n"
                                 "  data s = sines(frequencies = [0.1, 0.3], phases = random)\n"
                                 "  present x = s\n"
                                 "  batch 5\n"
                                 "  duration 10\n"
                                 "  record out.u, cost every 5 steps\n"
                                 "}\n"
                                 "experiment later {\n"
                                 "  data s = sines(frequencies = [0.1, 0.3], phases = random)\n"
                                 "  present x = s(t + 1.5)\n"
                                 "  batch 5\n"
                                 "  duration 6\n"
                                 "  evaluate for 4 steps\n"
                                 "  score level = mean(mean(out.r) over all)\n"
                                 "  anneal rate by steps(after = [25 %, 50 %], factor = [0.5, 0.1])\n"
                                 "  record x, w.W, out.r, rate every 1 step\n"
                                 "}\n"
                                 "experiment fresh {\n"
                                 "  data train = samples(\"x.npy\", \"y.npy\")\n"
                                 "  present x = sample, y = class for 4 steps, reset\n"
                                 "  batch 3\n"
                                 "  epochs 2\n"
                                 "  anneal rate by steps(0 %, 0)\n"
                                 "  record out.u every 1 step\n"
                                 "}\n";

enum { TRAIN = 11, TEST = 8 };

typedef struct Place {
    char folder[32];
    char path[64];
} Place;

static void save(const Place *place, const char *name, const double *values, int rank, int64_t rows, int64_t columns) {
    char path[96];
    Text error = {0};
    snprintf(path, sizeof path, "%s/%s.npy", place->folder, name);
    assert_true(table_save_npy(path, NUMBER_DOUBLE, values, rank, (int64_t[]){rows, columns}, &error));
}

static void save_samples(const Place *place, const char *x_name, const char *y_name, int count) {
    double x[2 * TRAIN], y[TRAIN];
    for (int i = 0; i < count; i++) {
        y[i] = i % 2;
        x[2 * i] = 1 - y[i] + 0.01 * i;
        x[2 * i + 1] = y[i];
    }
    save(place, x_name, x, 2, count, 2);
    save(place, y_name, y, 1, count, 0);
}

static int make_place(void **state) {
    Place *place = calloc(1, sizeof *place);
    strcpy(place->folder, "/tmp/lequel-test-XXXXXX");
    if (!mkdtemp(place->folder)) return -1;
    snprintf(place->path, sizeof place->path, "%s/small.leq", place->folder);
    char *error;
    if (!lequel_file_replace(place->path, model_text, strlen(model_text), &error)) return -1;
    save_samples(place, "x", "y", TRAIN);
    save_samples(place, "tx", "ty", TEST);
    *state = place;
    return 0;
}

static int remove_place(void **state) {
    Place *place = *state;
    char command[64];
    snprintf(command, sizeof command, "rm -rf '%s'", place->folder);
    int status = system(command);
    free(place);
    return status;
}

static LequelModel *open_model(const Place *place, const char *experiment) {
    LequelModelOptions options = {.experiment = experiment};
    LequelModel *model = lequel_model_open(place->path, &options);
    char *diagnostics = lequel_model_diagnostics(model, LEQUEL_PLAIN);
    if (!lequel_model_good(model)) fail_msg("%s", diagnostics);
    lequel_text_free(diagnostics);
    return model;
}

static LequelProgram *compile(LequelModel *model, const char *const *records, uint32_t count) {
    LequelProgramOptions options = {.backend = "loops", .records = records, .record_count = count};
    char *error;
    LequelProgram *program = lequel_program_new(model, &options, &error);
    if (!program) fail_msg("%s", error);
    return program;
}

// Runs into the subfolder `out`.
static LequelRunReport run(const Place *place, const char *experiment, const char *out, LequelRunOptions options) {
    LequelModel *model = open_model(place, experiment);
    LequelProgram *program = compile(model, options.records, options.record_count);
    char path[64], *error;
    snprintf(path, sizeof path, "%s/%s", place->folder, out);
    options.out = path;
    LequelRunReport report;
    if (!lequel_run(program, &options, &report, &error)) fail_msg("%s", error);
    lequel_program_free(program);
    lequel_model_free(model);
    return report;
}

static Table load(const Place *place, const char *out, const char *name) {
    char path[128];
    Table table;
    Text error = {0};
    snprintf(path, sizeof path, "%s/%s/%s", place->folder, out, name);
    if (!table_load_with(path, (TableOptions){.allow_nonfinite = true}, &table, &error)) fail_msg("%s", text_z(&error));
    return table;
}

static void assert_shape(const Table *table, int rank, const int64_t *shape) {
    assert_int_equal(table->rank, rank);
    for (int i = 0; i < rank; i++) assert_int_equal(table->shape[i], shape[i]);
}

static void trains_by_epochs(void **state) {
    const Place *place = *state;
    LequelRunReport report = run(place, "classes", "a", (LequelRunOptions)LEQUEL_RUN_INIT);
    assert_int_equal(report.steps, 4 * 3 * 4); // 11 samples are 3 whole batches
    assert_false(report.interrupted);
    Table scores = load(place, "a", "scores.csv");
    assert_shape(&scores, 2, (int64_t[]){4, 6});
    const char *const names[] = {"epoch", "train.loss", "train.right", "test.loss", "test.right", "rate"};
    for (int i = 0; i < 6; i++) assert_string_equal(scores.columns[i], names[i]);
    assert_true(isnan(scores.data[3]) && !isnan(scores.data[6 + 3])); // evaluated every second epoch
    Table loss = load(place, "a", "loss.npy"), right = load(place, "a", "right.npy");
    assert_shape(&loss, 1, (int64_t[]){12});
    for (int epoch = 0; epoch < 4; epoch++) {
        const double *l = loss.data + 3 * epoch, *r = right.data + 3 * epoch;
        assert_close(scores.data[6 * epoch + 1], (l[0] + l[1] + l[2]) / 3, 1e-15);
        assert_close(scores.data[6 * epoch + 2], (r[0] + r[1] + r[2]) / 3, 1e-15);
    }
    assert_true(scores.data[6 * 3 + 1] < scores.data[1]); // it learns
    Table u = load(place, "a", "out.u.npy"), steps = load(place, "a", "steps-2.npy"),
          cost = load(place, "a", "cost.npy");
    assert_shape(&u, 3, (int64_t[]){24, 3, 2});
    assert_shape(&cost, 1, (int64_t[]){24});
    for (int i = 0; i < 24; i++) assert_close(steps.data[i], 2 * i, 0);
    Table ends = load(place, "a", "steps.npy"), w = load(place, "a", "final/w.W.npy");
    for (int i = 0; i < 12; i++) assert_close(ends.data[i], 4 * i + 3, 0);
    assert_shape(&w, 2, (int64_t[]){2, 2});
    Table *const all[] = {&scores, &loss, &right, &u, &steps, &cost, &ends, &w};
    for (int i = 0; i < 8; i++) table_free(all[i]);
}

// The loss of a presentation is the mean cost of its steps after settling.
static void averages_the_cost(void **state) {
    const Place *place = *state;
    const char *const records[] = {"cost"};
    LequelRunOptions options = LEQUEL_RUN_INIT;
    options.records = records;
    options.record_count = 1;
    options.every = 1; // instead of the experiment's 2
    options.epochs = 1;
    run(place, "classes", "h", options);
    Table cost = load(place, "h", "cost.npy"), loss = load(place, "h", "loss.npy");
    assert_shape(&cost, 1, (int64_t[]){12});
    for (int k = 0; k < 3; k++) {
        const double *c = cost.data + 4 * k;
        assert_close(loss.data[k], (c[1] + c[2] + c[3]) / 3, 1e-15);
    }
    table_free(&cost);
    table_free(&loss);
}

static void assert_same(const Place *place, const char *a, const char *b, const char *name, bool same) {
    Table left = load(place, a, name), right = load(place, b, name);
    assert_int_equal(table_count(&left), table_count(&right));
    bool equal = memcmp(left.data, right.data, (size_t)table_count(&left) * sizeof(double)) == 0;
    assert_int_equal(equal, same);
    table_free(&left);
    table_free(&right);
}

static void repeats_itself(void **state) {
    const Place *place = *state;
    LequelRunOptions options = LEQUEL_RUN_INIT;
    run(place, "classes", "b", options);
    run(place, "classes", "c", options);
    options.seed = 1;
    run(place, "classes", "d", options);
    assert_same(place, "b", "c", "out.u.npy", true);
    assert_same(place, "b", "c", "final/w.W.npy", true);
    assert_same(place, "b", "d", "final/w.W.npy", false);
}

static void runs_along_a_signal(void **state) {
    const Place *place = *state;
    const char *const records[] = {"x, w.W"};
    LequelRunOptions options = LEQUEL_RUN_INIT;
    options.records = records;
    options.record_count = 1;
    options.every = 4;
    LequelRunReport report = run(place, "wave", "e", options);
    assert_int_equal(report.steps, 20);
    Table x = load(place, "e", "x.npy"), w = load(place, "e", "w.W.npy"), u = load(place, "e", "out.u.npy");
    Table steps = load(place, "e", "steps-4.npy");
    assert_shape(&x, 3, (int64_t[]){5, 5, 2});
    assert_shape(&w, 3, (int64_t[]){5, 2, 2});
    assert_shape(&u, 3, (int64_t[]){4, 5, 2});
    assert_close(steps.data[4], 16, 0);
    table_free(&x);
    table_free(&w);
    table_free(&u);
    table_free(&steps);
    options.steps = 7;
    assert_int_equal(run(place, "wave", "f", options).steps, 7);
}

static double mean_of(const double *values, int count) {
    double sum = 0;
    for (int i = 0; i < count; i++) sum += values[i];
    return sum / count;
}

// A signal ahead of its time, a rate by schedule, and then some steps in which nothing is learned.
static void goes_on_without_learning(void **state) {
    const Place *place = *state;
    const char *const records[] = {"x"};
    LequelRunOptions options = LEQUEL_RUN_INIT;
    assert_int_equal(run(place, "later", "i", options).steps, 16);
    options.records = records;
    options.record_count = 1;
    options.every = 1;
    run(place, "wave", "j", options);
    Table x = load(place, "i", "x.npy"), now = load(place, "j", "x.npy"), w = load(place, "i", "w.W.npy");
    Table rate = load(place, "i", "rate.npy"), r = load(place, "i", "out.r.npy"),
          scores = load(place, "i", "scores.csv");
    assert_shape(&x, 3, (int64_t[]){16, 5, 2});
    for (int i = 0; i < 160; i++) assert_close(x.data[i], now.data[3 * 10 + i], 1e-6); // 1.5 are 3 steps
    for (int n = 1; n < 16; n++) {
        bool changed = memcmp(w.data + 4 * n, w.data + 4 * (n - 1), 4 * sizeof(double)) != 0;
        assert_int_equal(changed, n < 12);
    }
    for (int n = 0; n < 12; n++) assert_close(rate.data[n], n < 3 ? 0.01 : n < 6 ? 0.005 : 0.001, 1e-12);
    const char *const names[] = {"step", "train.loss", "train.level", "test.loss", "test.level", "rate"};
    assert_shape(&scores, 2, (int64_t[]){1, 6});
    for (int i = 0; i < 6; i++) assert_string_equal(scores.columns[i], names[i]);
    assert_close(scores.data[0], 16, 0);
    assert_close(scores.data[2], mean_of(r.data, 11 * 10) * 11 / 12, 1e-6); // a score sees the step before; 0 at first
    assert_close(scores.data[4], mean_of(r.data + 11 * 10, 4 * 10), 1e-6);
    assert_close(scores.data[5], 0.001, 1e-12);
    Table *const all[] = {&x, &now, &w, &rate, &r, &scores};
    for (int i = 0; i < 6; i++) table_free(all[i]);
}

// With dt/tau = 1/2 a neuron reaches 1/2, 3/4, … of its input, if it begins at 0.
static void begins_each_presentation_anew(void **state) {
    const Place *place = *state;
    run(place, "fresh", "k", (LequelRunOptions)LEQUEL_RUN_INIT);
    Table u = load(place, "k", "out.u.npy");
    assert_shape(&u, 3, (int64_t[]){24, 3, 2});
    for (int k = 0; k < 6; k++)
        for (int i = 0; i < 6; i++) {
            const double *first = u.data + 24 * k;
            assert_true(fabs(first[i]) > 1e-3);
            assert_close(first[6 + i], 1.5 * first[i], 1e-6);
        }
    table_free(&u);
}

static void follows_a_schedule(void **state) {
    (void)state;
    const AnnealStep stages[] = {{0.6, 0.3}, {0.85, 0.1}};
    const int64_t steps[] = {0, 59, 60, 84, 85, 100, 1000};
    const double factors[] = {1, 1, 0.3, 0.3, 0.1, 0.1, 0.1};
    for (int i = 0; i < 7; i++) assert_close(schedule_factor(stages, 2, steps[i], 100), factors[i], 0);
    assert_close(schedule_factor(stages, 0, 5, 10), 1, 0);
}

static void starts_from_files(void **state) {
    const Place *place = *state;
    const double w[] = {1, 2, 3, 4};
    char init[96];
    save(place, "w", w, 2, 2, 2);
    snprintf(init, sizeof init, "w.W=%s/w.npy", place->folder);
    const char *inits[] = {init};
    LequelRunOptions options = LEQUEL_RUN_INIT;
    options.inits = inits;
    options.init_count = 1;
    options.epochs = 0;
    run(place, "classes", "g", options);
    Table final = load(place, "g", "final/w.W.npy");
    for (int i = 0; i < 4; i++) assert_close(final.data[i], w[i], 0);
    table_free(&final);
}

static void refuses(const Place *place, const char *experiment, LequelRunOptions options, const char *sentence) {
    LequelModel *model = open_model(place, experiment);
    LequelProgram *program = compile(model, NULL, 0);
    char *error;
    assert_false(lequel_run(program, &options, NULL, &error));
    if (!strstr(error, sentence)) fail_msg("%s", error);
    lequel_text_free(error);
    lequel_program_free(program);
    lequel_model_free(model);
}

static void refuses_what_does_not_fit(void **state) {
    const Place *place = *state;
    LequelRunOptions options = LEQUEL_RUN_INIT;
    options.steps = 5;
    refuses(place, "classes", options, "runs in epochs and has no duration");
    options = (LequelRunOptions)LEQUEL_RUN_INIT;
    options.epochs = 5;
    refuses(place, "wave", options, "has no epochs");
    options = (LequelRunOptions)LEQUEL_RUN_INIT;
    const char *inits[] = {"w.V=x.npy"};
    options.inits = inits;
    options.init_count = 1;
    refuses(place, "wave", options, "did you mean `w.W`?");
    options = (LequelRunOptions)LEQUEL_RUN_INIT;
    const double wide[12] = {0}, classes[4] = {0, 1, 2, 1};
    save(place, "x", wide, 2, 4, 3);
    save(place, "y", classes, 1, 4, 0);
    refuses(place, "classes", options, "a sample has 3 values, but the input `x[2]` takes 2");
    save(place, "x", wide, 2, 4, 2);
    refuses(place, "classes", options, "sample 2 has the class 2, but `y[2]` takes 0 to 1");
    save(place, "x", wide, 2, 2, 2);
    refuses(place, "classes", options, "2 samples in `x.npy`, but 4 classes in `y.npy`");
    save(place, "y", classes, 1, 2, 0);
    refuses(place, "classes", options, "a batch has 3 samples, but `train` has only 2");
    save_samples(place, "x", "y", TRAIN);
}

static void steps_by_hand(void **state) {
    const Place *place = *state;
    LequelModel *model = open_model(place, "wave");
    LequelProgram *program = compile(model, NULL, 0);
    char *error;
    LequelInstance *instance = lequel_instance_new(program, 2, 0, NULL, &error);
    uint32_t x = (uint32_t)lequel_program_find(program, "x"), w = (uint32_t)lequel_program_find(program, "w.W");
    uint32_t b = (uint32_t)lequel_program_find(program, "w.b"), u = (uint32_t)lequel_program_find(program, "out.u");
    assert_int_equal(lequel_program_find(program, "nothing"), -1);
    assert_int_equal(lequel_instance_length(instance, u), 4);
    assert_true(lequel_program_array(program, w).learned);
    assert_string_equal(lequel_program_array(program, u).role, "state");
    lequel_instance_set(instance, x, (double[]){1, 0, 0, 2});
    lequel_instance_set(instance, w, (double[]){1, 2, 3, 4});
    lequel_instance_set(instance, b, (double[]){0, 0});
    lequel_instance_step(instance, false);
    double values[4];
    lequel_instance_get(instance, u, values); // u = dt/tau * W x
    const double expected[] = {0.5, 1.5, 2, 4};
    for (int i = 0; i < 4; i++) assert_close(values[i], expected[i], 1e-15);
    assert_int_equal(lequel_instance_steps(instance), 1);
    LequelInstance *other = lequel_instance_new(program, 1, 0, instance, &error);
    lequel_instance_get(other, w, values);
    assert_close(values[3], 4, 0);
    lequel_instance_free(other);
    lequel_instance_free(instance);
    lequel_program_free(program);
    lequel_model_free(model);
}

// All arrays of an instance after 60 steps with constant inputs: one by one, or by a few calls.
static double *values_after(const LequelProgram *program, int64_t batch, bool by_calls, int64_t *count) {
    static const int parts[] = {1, 2, 37, 0, 20};
    char *error;
    LequelInstance *instance = lequel_instance_new(program, batch, 7, NULL, &error);
    double *all = NULL;
    *count = 0;
    if (!instance) fail_msg("%s", error);
    lequel_instance_set(instance, (uint32_t)lequel_program_find(program, "x"), (double[]){1, -1, 2, 0.5, 3, 1});
    for (int i = 0; by_calls && i < 5; i++) lequel_instance_advance(instance, parts[i], true);
    for (int step = 0; !by_calls && step < 60; step++) lequel_instance_step(instance, true);
    assert_int_equal(lequel_instance_steps(instance), 60);
    for (uint32_t a = 0; a < lequel_program_array_count(program); a++) {
        if (!lequel_program_array(program, a).stored) continue;
        int64_t length = lequel_instance_length(instance, a);
        all = realloc(all, (size_t)(*count + length) * sizeof *all);
        lequel_instance_get(instance, a, all + *count);
        *count += length;
    }
    lequel_instance_free(instance);
    return all;
}

static void many_steps_are_single_steps(void **state) {
    (void)state;
    static const char text[] = "neuron Noisy(tau) {\n  state u = 0, heard = 0\n  input I\n"
                               "  d(u) = (I - u) / tau + noise(0.1)\n  d(heard) = (delay(u, 0.3) - heard) / tau\n"
                               "  output r = tanh(u + heard)\n}\nnetwork N {\n  dt = 0.1\n  input x[2]\n"
                               "  population around = Noisy[3](tau = 1)\n"
                               "  population h = Leaky[2](tau_m = 1, tau_r = 0.5)\n"
                               "  connect w: x -> h by Dense()\n  connect v: around -> h by Dense()\n"
                               "  cost 1/2 * sum((x - h.r)^2)\n  dynamics gle(gamma = 0)\n"
                               "  learn w.W by adam(0.01) from step 5 until step 33\n  learn v.W by sgd(0.01)\n}\n";
    static const char *const backends[] = {"jit", "jit", "loops", "reference"};
    for (int i = 0; i < 4; i++) {
        LequelModel *model = lequel_model_open("many.leq", &(LequelModelOptions){.text = text});
        LequelProgramOptions options = {
            .single = i == 0, .backend = backends[i], .level = i == 1 ? 3 : 0, .background = i == 0, .cache = ""};
        char *error;
        LequelProgram *program = lequel_program_new(model, &options, &error);
        if (!program) fail_msg("%s", error);
        for (int64_t batch = 1; batch <= 3; batch += 2) {
            int64_t count, other;
            double *single = values_after(program, batch, false, &count);
            double *many = values_after(program, batch, true, &other);
            assert_int_equal(count, other);
            assert_memory_equal(single, many, (size_t)count * sizeof *single);
            free(single);
            free(many);
        }
        lequel_program_free(program);
        lequel_model_free(model);
    }
}

static long peak_kilobytes(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

static void a_million_steps_take_no_memory(void **state) {
    (void)state;
    static const char text[] = "network N {\n  dt = 0.1\n  input x[2]\n"
                               "  population h = Leaky[3](tau_m = 1, tau_r = 0.5, phi = tanh)\n"
                               "  connect w: x -> h by Dense()\n  cost 1/2 * sum((0.5 - h.r)^2)\n"
                               "  dynamics gle(gamma = 0)\n  learn all by adam(1e-6)\n}\n";
    LequelModel *model = lequel_model_open("long.leq", &(LequelModelOptions){.text = text});
    LequelProgramOptions options = {.single = true, .cache = ""};
    char *error;
    LequelProgram *program = lequel_program_new(model, &options, &error);
    LequelInstance *instance = program ? lequel_instance_new(program, 1, 0, NULL, &error) : NULL;
    if (!instance) fail_msg("%s", error);
    double first = INFINITY, last = INFINITY;
    lequel_instance_advance(instance, 1000, true);
    long before = peak_kilobytes();
    for (int part = 0; part < 100; part++) { // the fastest of ten at each end: others may use the processor, too
        clock_t began = clock();
        lequel_instance_advance(instance, 10000, true);
        double took = (double)(clock() - began);
        if (part < 10 && took < first) first = took;
        if (part >= 90 && took < last) last = took;
    }
    assert_in_range(peak_kilobytes() - before, 0, 256);
    assert_true(last < 2 * first);
    assert_int_equal(lequel_instance_steps(instance), 1001000);
    lequel_instance_free(instance);
    lequel_program_free(program);
    lequel_model_free(model);
}

// The weights after some steps, computed by so many threads.
static double *learn_by(uint32_t threads, int64_t batch, int64_t *count) {
    static const char text[] = "network N(n = 160) {\n  dt = 0.1\n  input x[n]\n  input y[n]\n"
                               "  population h[2] = Leaky[n](tau_m = 1, tau_r = 0.5, phi = tanh)\n"
                               "  connect w0: x -> h[0] by Dense()\n  connect w1: h[0] -> h[1] by Dense()\n"
                               "  cost 1/2 * sum((y - h[1].r)^2)\n  dynamics gle(gamma = 0)\n"
                               "  learn all by adam(0.001)\n}\n";
    LequelModel *model = lequel_model_open("threads.leq", &(LequelModelOptions){.text = text});
    LequelProgramOptions options = {.single = true, .threads = threads, .cache = ""};
    char *error;
    LequelProgram *program = lequel_program_new(model, &options, &error);
    LequelInstance *instance = program ? lequel_instance_new(program, batch, 0, NULL, &error) : NULL;
    if (!instance) fail_msg("%s", error);
    for (uint32_t a = 0; a < lequel_program_array_count(program); a++) {
        if (strcmp(lequel_program_array(program, a).role, "input") != 0) continue;
        *count = lequel_instance_length(instance, a);
        double *values = malloc((size_t)*count * sizeof *values);
        for (int64_t i = 0; i < *count; i++) values[i] = (double)(i * (37 + a) % 101) / 50 - 1;
        lequel_instance_set(instance, a, values);
        free(values);
    }
    for (int step = 0; step < 60; step++) lequel_instance_step(instance, true);
    uint32_t w = (uint32_t)lequel_program_find(program, "w1.W");
    *count = lequel_instance_length(instance, w);
    double *weights = malloc((size_t)*count * sizeof *weights);
    lequel_instance_get(instance, w, weights);
    lequel_instance_free(instance);
    lequel_program_free(program);
    lequel_model_free(model);
    return weights;
}

static void threads_change_nothing(void **state) {
    (void)state;
    static const int64_t batches[] = {1, 30};
    for (int b = 0; b < 2; b++) {
        int64_t count, other_count;
        double *alone = learn_by(1, batches[b], &count);
        for (uint32_t threads = 2; threads <= 5; threads += 3) {
            double *together = learn_by(threads, batches[b], &other_count);
            assert_int_equal(count, other_count);
            assert_memory_equal(alone, together, (size_t)count * sizeof *alone);
            free(together);
        }
        free(alone);
    }
}

static void repeats_lists(void **state) {
    const Place *place = *state;
    static const char text[] = "network Lists {\n"
                               "  dt = 0.5\n"
                               "  input x[1]\n"
                               "  population h = Leaky[6](tau_m = [fill([2, 3], 2), fill(dt, 2)], tau_r = 0.5)\n"
                               "  connect w: x -> h by Dense()\n"
                               "  dynamics gle(gamma = 0)\n"
                               "}\n";
    char path[64], *error;
    snprintf(path, sizeof path, "%s/lists.leq", place->folder);
    assert_true(lequel_file_replace(path, text, strlen(text), &error));
    LequelModel *model = lequel_model_open(path, NULL);
    assert_true(lequel_model_good(model));
    LequelProgram *program = compile(model, NULL, 0);
    LequelInstance *instance = lequel_instance_new(program, 1, 0, NULL, &error);
    double tau[6];
    const double expected[] = {2, 3, 2, 3, 0.5, 0.5};
    lequel_instance_get(instance, (uint32_t)lequel_program_find(program, "h.tau_m"), tau);
    for (int i = 0; i < 6; i++) assert_close(tau[i], expected[i], 1e-6);
    lequel_instance_free(instance);
    lequel_program_free(program);
    lequel_model_free(model);
}

static void says_what_is_wrong(void **state) {
    const Place *place = *state;
    LequelModel *model = open_model(place, "wave");
    char *error;
    assert_int_equal(lequel_model_steps(model, "10", &error), 20);
    assert_int_equal(lequel_model_steps(model, "13 steps", &error), 13);
    assert_int_equal(lequel_model_steps(model, "1e1", &error), 20);
    assert_null(error);
    const char *const wrong[] = {"0.3", "5 ms", "soon", "-1", "", NULL};
    for (int i = 0; wrong[i]; i++) {
        assert_int_equal(lequel_model_steps(model, wrong[i], &error), -1);
        assert_non_null(error);
        lequel_text_free(error);
    }
    lequel_model_free(model);
    model = lequel_model_open("/no/such/file.leq", NULL);
    assert_false(lequel_model_good(model));
    char *json = lequel_model_diagnostics(model, LEQUEL_JSON);
    assert_non_null(strstr(json, "E0001"));
    assert_null(lequel_model_derive(model, LEQUEL_TEXT));
    assert_null(lequel_program_new(model, &(LequelProgramOptions){0}, NULL));
    lequel_text_free(json);
    lequel_model_free(model);
    assert_null(lequel_format("broken.leq", "network {", 9, LEQUEL_PLAIN, &error));
    assert_non_null(strstr(error, "broken.leq:1:"));
    lequel_text_free(error);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trains_by_epochs),
        cmocka_unit_test(averages_the_cost),
        cmocka_unit_test(repeats_itself),
        cmocka_unit_test(runs_along_a_signal),
        cmocka_unit_test(goes_on_without_learning),
        cmocka_unit_test(begins_each_presentation_anew),
        cmocka_unit_test(follows_a_schedule),
        cmocka_unit_test(starts_from_files),
        cmocka_unit_test(steps_by_hand),
        cmocka_unit_test(repeats_lists),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(many_steps_are_single_steps),
        cmocka_unit_test(a_million_steps_take_no_memory),
        cmocka_unit_test(refuses_what_does_not_fit),
        cmocka_unit_test(says_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, make_place, remove_place);
}
