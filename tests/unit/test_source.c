// Data sources of experiments: windows of signals agree with the whole, files fit or are refused with both sizes, and
// rates are annealed on a plateau.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "assert_close.h"
#include "runtime/anneal.h"
#include "runtime/source.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STEPS = 1000, BATCH = 3 };

typedef struct World {
    Model model;
    Experiment experiment;
} World;

static World *world_new(void) {
    World *world = calloc(1, sizeof *world);
    world->model = (Model){.arena = arena_new(), .dt = 0.01, .experiment = &world->experiment};
    world->model.diags = diag_new(world->model.arena);
    return world;
}

static void world_free(World *world) {
    arena_free(world->model.arena);
    free(world);
}

static DataSource source_new(DataKind kind, const Argument *arguments, uint32_t count) {
    DataSource source = {.name = "generator", .kind = kind, .is_signal = true};
    for (uint32_t i = 0; i < count; i++) vec_push(&source.arguments, arguments[i]);
    return source;
}

static SignalPlan plan_of(const World *world, int64_t channels) {
    return (SignalPlan){
        .model = &world->model, .name = "signal", .seed = 7, .steps = STEPS, .batch = BATCH, .channels = channels};
}

// However a run is cut into windows, the values are the same.
static void check_windows(const World *world, const DataSource *source, int64_t channels) {
    SignalPlan plan = plan_of(world, channels);
    Text error = {0};
    Signal *signal = signal_new(source, &plan, &error);
    if (!signal) fail_msg("%s", text_z(&error));
    int64_t row = BATCH * channels;
    double *whole = calloc((size_t)(STEPS * row), sizeof(double)),
           *part = calloc((size_t)(STEPS * row), sizeof(double));
    assert_true(signal_window(signal, 0, STEPS, whole, &error));
    for (int64_t first = 0, count; first < STEPS; first += count) {
        count = first + 77 <= STEPS ? 77 : STEPS - first;
        assert_true(signal_window(signal, first, count, part, &error));
        for (int64_t i = 0; i < count * row; i++) assert_close(part[i], whole[first * row + i], 1e-10);
    }
    double distance = 0; // samples differ
    for (int64_t n = 0; n < STEPS; n++) distance += fabs(whole[n * row] - whole[n * row + channels]);
    assert_true(distance > 1);
    if (channels > 1) { // and so do channels
        distance = 0;
        for (int64_t n = 0; n < STEPS; n++) distance += fabs(whole[n * row] - whole[n * row + 1]);
        assert_true(distance > 1);
    }
    free(whole);
    free(part);
    signal_free(signal);
    text_free(&error);
}

static void windows_agree(void **state) {
    (void)state;
    World *world = world_new();
    const Argument shifted[] = {{.name = "period", .number = 4}, {.name = "shift", .word = "random"}};
    DataSource square = source_new(DATA_SQUARE, shifted, 2), sawtooth = source_new(DATA_SAWTOOTH, shifted, 2);
    const Argument smoothing[] = {{.name = "source", .source = &square},
                                  {.name = "sigma", .number = 5, .unit = UNIT_STEPS}};
    DataSource smooth = source_new(DATA_SMOOTH, smoothing, 2);
    const double rates[] = {0.5, 1.7};
    const Argument waves[] = {{.name = "frequencies", .list = rates, .list_count = 2},
                              {.name = "phases", .word = "random"}};
    DataSource sines = source_new(DATA_SINES, waves, 2);
    const Argument process[] = {{.name = "tau", .number = 0.1}};
    DataSource ou = source_new(DATA_OU, process, 1);
    const Argument holding[] = {{.name = "hold", .number = 30, .unit = UNIT_STEPS}};
    DataSource steps = source_new(DATA_STEPS, holding, 1);
    DataSource *const all[] = {&square, &sawtooth, &smooth, &sines, &ou, &steps};
    for (int i = 0; i < 6; i++) {
        check_windows(world, all[i], 1);
        check_windows(world, all[i], 2);
    }
    for (int i = 0; i < 6; i++) vec_free(&all[i]->arguments);
    world_free(world);
}

static void levels_and_periods(void **state) {
    (void)state;
    World *world = world_new();
    const Argument arguments[] = {
        {.name = "period", .number = 1}, {.name = "low", .number = -2}, {.name = "high", .number = 3}};
    DataSource square = source_new(DATA_SQUARE, arguments, 3);
    SignalPlan plan = plan_of(world, 1);
    Text error = {0};
    Signal *signal = signal_new(&square, &plan, &error);
    double values[BATCH];
    for (int64_t n = 0; n < STEPS; n++) {
        assert_true(signal_window(signal, n, 1, values, &error));
        assert_close(values[1], n % 100 < 50 ? 3 : -2, 0);
    }
    signal_free(signal);
    vec_free(&square.arguments);
    world_free(world);
}

// ---- Files ----------------------------------------------------------------------------------------------------------

static char folder[] = "/tmp/lequel-test-XXXXXX";

static int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    return rmdir(folder);
}

// step, x.0.0, x.0.1, x.1.0, …, y.0, … ; the value of x.B.I in row n is 100 n + 10 B + I, that of y.B is B.
static void write_rows(const char *path, int64_t rows) {
    enum { COLUMNS = 1 + 2 * BATCH + BATCH };
    static const char *const names[COLUMNS] = {"step",  "x.0.0", "x.0.1", "x.1.0", "x.1.1",
                                               "x.2.0", "x.2.1", "y.0",   "y.1",   "y.2"};
    double *data = calloc((size_t)(rows * COLUMNS), sizeof *data);
    for (int64_t n = 0; n < rows; n++)
        for (int b = 0; b < BATCH; b++) {
            data[n * COLUMNS] = (double)n;
            for (int i = 0; i < 2; i++) data[n * COLUMNS + 1 + 2 * b + i] = (double)(100 * n + 10 * b + i);
            data[n * COLUMNS + 1 + 2 * BATCH + b] = b;
        }
    Text error = {0};
    assert_true(table_save_csv(path, data, rows, COLUMNS, names, &error));
    free(data);
}

static Signal *open_file(const World *world, const char *path, const char *columns, int64_t channels, bool classes,
                         Text *error) {
    const Argument arguments[] = {{.name = "path", .word = path}, {.name = "columns", .word = columns}};
    static DataSource source;
    vec_free(&source.arguments);
    source = source_new(DATA_FILE, arguments, 2);
    SignalPlan plan = plan_of(world, channels);
    plan.classes_allowed = classes;
    Signal *signal = signal_new(&source, &plan, error);
    vec_free(&source.arguments);
    return signal;
}

static void reads_files(void **state) {
    (void)state;
    World *world = world_new();
    Text error = {0}, path = {0};
    text_addf(&path, "%s/rows.csv", folder);
    write_rows(text_z(&path), STEPS);
    Signal *signal = open_file(world, text_z(&path), "x", 2, false, &error);
    if (!signal) fail_msg("%s", text_z(&error));
    double values[2 * BATCH * 2];
    assert_true(signal_window(signal, 41, 2, values, &error));
    for (int n = 0; n < 2; n++)
        for (int b = 0; b < BATCH; b++)
            for (int i = 0; i < 2; i++) assert_close(values[(n * BATCH + b) * 2 + i], 100 * (41 + n) + 10 * b + i, 0);
    signal_free(signal);
    signal = open_file(world, text_z(&path), "y", 10, true, &error); // classes of a label of ten
    assert_non_null(signal);
    assert_int_equal(signal_channels(signal), 1);
    assert_true(signal_window(signal, 5, 1, values, &error));
    for (int b = 0; b < BATCH; b++) assert_close(values[b], b, 0);
    signal_free(signal);

    assert_null(open_file(world, text_z(&path), "x", 5, false, &error));
    assert_non_null(strstr(text_z(&error), "6 values in a row, but 3 samples of 5 values need 15"));
    text_free(&error);
    write_rows(text_z(&path), 20);
    assert_null(open_file(world, text_z(&path), "x", 2, false, &error));
    assert_non_null(strstr(text_z(&error), "20 rows, one for each step, but the run has 1000 steps"));
    unlink(text_z(&path));
    text_free(&path);
    text_free(&error);
    world_free(world);
}

static void shares_digits(void **state) {
    (void)state;
    World *world = world_new();
    const Argument train[] = {{.name = "split", .word = "train"}, {.name = "length", .number = 12}};
    const Argument test[] = {{.name = "split", .word = "test"}, {.name = "length", .number = 12}};
    DataSource sources[2] = {source_new(DATA_MNIST1D, train, 2), source_new(DATA_MNIST1D, test, 2)};
    SourceCache cache = {0};
    SampleSet sets[2];
    Text error = {0};
    for (int i = 0; i < 2; i++) {
        assert_true(samples_open(&world->model, &sources[i], &cache, &sets[i], &error));
        assert_int_equal(sets[i].count, i ? 1000 : 4000);
        assert_int_equal(sets[i].width, 12);
        for (int64_t k = 0; k < sets[i].count; k++) assert_true(sets[i].classes[k] >= 0 && sets[i].classes[k] <= 9);
        samples_close(&sets[i]);
        vec_free(&sources[i].arguments);
    }
    source_cache_free(&cache);
    world_free(world);
}

// ---- Annealing ------------------------------------------------------------------------------------------------------

static void anneals(void **state) {
    (void)state;
    const double losses[] = {1, 0.9, 0.90001, 0.95, 0.9, 0.91, 0.5, 0.6, 0.6, 0.6, NAN};
    const double rates[] = {1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25};
    Plateau low = plateau_new(2, 0.5, true), high = plateau_new(2, 0.5, false);
    double low_rate = 1, high_rate = 1;
    for (size_t i = 0; i < sizeof losses / sizeof *losses; i++) {
        low_rate = plateau_next(&low, losses[i], low_rate);
        high_rate = plateau_next(&high, 1 / losses[i], high_rate);
        assert_close(low_rate, rates[i], 0);
        assert_close(high_rate, rates[i], 0);
    }
    Plateau floor = plateau_new(0, 0.5, true);
    plateau_next(&floor, 1, 1e-8);
    assert_close(plateau_next(&floor, 1, 1e-8), 1e-8, 0); // too small a change
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_agree),
        cmocka_unit_test(levels_and_periods),
        cmocka_unit_test_setup_teardown(reads_files, make_folder, remove_folder),
        cmocka_unit_test(shares_digits),
        cmocka_unit_test(anneals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
