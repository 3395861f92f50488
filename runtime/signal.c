// Signals over time, delivered window by window, so that a long run needs no long array.
//
// Waves are functions of the time and are made for any window. Random processes are made once for the whole run. A
// filter makes its source's window wider by its reach; edges are reflected only where the run begins and ends.
#include "memory.h"
#include "source.h"
#include "source_arguments.h"
#include <math.h>
#include <string.h>

typedef bool SignalMake(const Signal *signal, const SignalGrid *grid, double from, const RandomStream *stream,
                        double *out, Text *error);

struct Signal {
    const DataSource *source;
    SignalPlan plan;
    SignalMake *make;
    double *whole;   // [channels][steps][batch], where windows cannot be made one by one
    double *channel; // scratch
    int64_t channel_room;
    Signal *inner;  // what a filter filters
    double sigma;   // of a filter, in steps
    int64_t period; // of a cycle, or for how long each row of a pattern stands, in steps
    Table table;    // of a file
    Vec(int64_t) columns;
    int64_t channels;
};

// ---- Waves and processes --------------------------------------------------------------------------------------------

// The generators know no models: what they refuse gets its place here.
static bool placed(const Signal *signal, bool good, Text *why, Text *error) {
    const char *own = strstr(text_z(why), ": "); // their name for it is not the model's
    if (!good) source_fails(signal->plan.model, signal->source, error, own ? own + 2 : text_z(why));
    text_free(why);
    return good;
}

static PeriodicShift periodic(const Signal *signal, double from) {
    const Model *model = signal->plan.model;
    PeriodicShift time = {.period = argument_time(model, signal->source, "period", 1), .shift = from};
    if (argument_word_is(argument_find(signal->source, "shift"), "random"))
        time.random_shift = true;
    else
        time.shift += argument_time(model, signal->source, "shift", 0);
    return time;
}

static bool make_square(const Signal *signal, const SignalGrid *grid, double from, const RandomStream *stream,
                        double *out, Text *error) {
    SquareWave wave = {periodic(signal, from), argument_number(signal->source, "low", -1),
                       argument_number(signal->source, "high", 1)};
    Text why = {0};
    return placed(signal, generate_square_wave(grid, &wave, stream, out, &why), &why, error);
}

static bool make_sawtooth(const Signal *signal, const SignalGrid *grid, double from, const RandomStream *stream,
                          double *out, Text *error) {
    Sawtooth wave = {periodic(signal, from), argument_number(signal->source, "low", -1),
                     argument_number(signal->source, "high", 1)};
    Text why = {0};
    return placed(signal, generate_sawtooth(grid, &wave, stream, out, &why), &why, error);
}

// Element k of an argument that is a list, or one number for all.
static double element_of(const Argument *argument, uint32_t k, double otherwise) {
    if (!argument) return otherwise;
    return argument->list ? (k < argument->list_count ? argument->list[k] : otherwise) : argument->number;
}

// Frequencies count periods per unit of time; phases are in radians, or `random`.
static bool make_sines(const Signal *signal, const SignalGrid *grid, double from, const RandomStream *stream,
                       double *out, Text *error) {
    enum { MOST = 256 };
    double frequency[MOST], amplitude[MOST], phase[MOST];
    const DataSource *source = signal->source;
    const Argument *rates = argument_find(source, "frequencies"), *phases = argument_find(source, "phases");
    if (!rates) return source_fails(signal->plan.model, source, error, "expected frequencies = …");
    uint32_t count = rates->list ? rates->list_count : 1;
    if (count > MOST) return source_fails(signal->plan.model, source, error, "more than 256 components");
    const double two_pi = 6.283185307179586;
    bool random = argument_word_is(phases, "random");
    for (uint32_t k = 0; k < count; k++) {
        double rate = element_of(rates, k, 1), turns = rate * from;
        frequency[k] = two_pi * rate;
        amplitude[k] = element_of(argument_find(source, "amplitudes"), k, 1);
        phase[k] = two_pi * (turns - floor(turns)) + (random ? 0 : element_of(phases, k, 0)); // whole turns cost digits
    }
    SineMixture sines = {(int)count, frequency, amplitude, phase, random, 0};
    Text why = {0};
    return placed(signal, generate_sine_mixture(grid, &sines, stream, out, &why), &why, error);
}

static bool make_steps(const Signal *signal, const SignalGrid *grid, double from, const RandomStream *stream,
                       double *out, Text *error) {
    (void)from;
    const DataSource *source = signal->source;
    StepTrain train = {.hold = argument_time(signal->plan.model, source, "hold", 1),
                       .low = argument_number(source, "low", 0),
                       .high = argument_number(source, "high", 1)};
    Text why = {0};
    return placed(signal, generate_step_train(grid, &train, stream, out, &why), &why, error);
}

static bool make_ou(const Signal *signal, const SignalGrid *grid, double from, const RandomStream *stream, double *out,
                    Text *error) {
    (void)from;
    const DataSource *source = signal->source;
    OrnsteinUhlenbeck process = {.tau = argument_time(signal->plan.model, source, "tau", 1),
                                 .mean = argument_number(source, "mean", 0),
                                 .sigma = argument_number(source, "sigma", 1)};
    Text why = {0};
    return placed(signal, generate_ornstein_uhlenbeck(grid, &process, stream, out, &why), &why, error);
}

static bool make_mackey_glass(const Signal *signal, const SignalGrid *grid, double from, const RandomStream *stream,
                              double *out, Text *error) {
    (void)from;
    const DataSource *source = signal->source;
    MackeyGlass system = mackey_glass_default();
    system.delay = argument_time(signal->plan.model, source, "tau", system.delay);
    system.discard = argument_time(signal->plan.model, source, "discard", system.discard);
    Text why = {0};
    return placed(signal, generate_mackey_glass(grid, &system, stream, out, &why), &why, error);
}

// ---- Files ----------------------------------------------------------------------------------------------------------

// columns = "x" takes the columns x and x.…; without it all are taken.
static void choose_columns(Signal *signal, const char *name) {
    size_t length = name ? strlen(name) : 0;
    int64_t count = signal->table.shape[1];
    for (int64_t i = 0; i < count; i++) {
        const char *column = signal->table.columns ? signal->table.columns[i] : "";
        if (!name || (strncmp(column, name, length) == 0 && (column[length] == 0 || column[length] == '.')))
            vec_push(&signal->columns, i);
    }
}

static bool file_fits(Signal *signal, const char *path, Text *error) {
    const SignalPlan *plan = &signal->plan;
    int64_t rows = signal->table.shape[0], width = signal->columns.count, wanted = plan->batch * plan->channels;
    Text sentence = {0};
    if (rows < plan->steps && signal->source->kind == DATA_FILE)
        text_addf(&sentence, "`%s` has %lld rows, one for each step, but the run has %lld steps", path, (long long)rows,
                  (long long)plan->steps);
    else if (width == wanted || width == plan->channels)
        signal->channels = plan->channels;
    else if (plan->classes_allowed && (width == plan->batch || width == 1))
        signal->channels = 1;
    else
        text_addf(&sentence, "`%s` has %lld values in a row, but %lld samples of %lld values need %lld", path,
                  (long long)width, (long long)plan->batch, (long long)plan->channels, (long long)wanted);
    bool fine = !sentence.length || source_fails(plan->model, signal->source, error, text_z(&sentence));
    text_free(&sentence);
    return fine;
}

static bool open_file(Signal *signal, const char *argument, Text *error) {
    const Argument *path = argument_find(signal->source, argument);
    const Argument *columns = argument_find(signal->source, "columns");
    const Model *model = signal->plan.model;
    if (!path || !path->word)
        return source_fails(model, signal->source, error, "expected the name of a file in quotes");
    Table *table = &signal->table;
    if (!source_load(model, signal->source, path->word, table, error)) return false;
    if (table->rank == 0) return source_fails(model, signal->source, error, "the file holds one number and no steps");
    if (columns && !table->columns)
        return source_fails(model, signal->source, error, "`columns` needs a file whose first line names them");
    int64_t width = 1; // all axes but the first together
    for (int i = 1; i < table->rank; i++) width *= table->shape[i];
    table->rank = 2;
    table->shape[1] = width;
    choose_columns(signal, columns ? columns->word : NULL);
    return file_fits(signal, path->word, error);
}

// Values of a row are sample after sample; a row of one sample serves all.
static void window_of_file(const Signal *signal, int64_t first, int64_t count, double *out) {
    int64_t width = signal->columns.count, wanted = signal->plan.batch * signal->channels;
    for (int64_t n = 0; n < count; n++) {
        const double *row = signal->table.data + (first + n) * signal->table.shape[1];
        for (int64_t i = 0; i < wanted; i++) out[n * wanted + i] = row[signal->columns.items[i % width]];
    }
}

// ---- Patterns and cycles --------------------------------------------------------------------------------------------

static bool steps_argument(Signal *signal, const char *name, Text *error) {
    const Model *model = signal->plan.model;
    double steps = argument_time(model, signal->source, name, model->dt) / model->dt;
    if (steps >= 0.5 && steps <= 1e9) return signal->period = (int64_t)(steps + 0.5), true;
    Text sentence = {0};
    text_addf(&sentence, "expected %s of 1 to 1000000000 steps, got %g", name, steps);
    source_fails(model, signal->source, error, text_z(&sentence));
    text_free(&sentence);
    return false;
}

// Rows in the model itself: one after another, or a class each for a label.
static bool inline_pattern(Signal *signal, const Argument *values, Text *error) {
    int64_t count = values->list ? values->list_count : 1;
    if (signal->plan.classes_allowed) signal->channels = 1;
    if (!count || count % signal->channels) {
        Text sentence = {0};
        text_addf(&sentence, "%lld numbers are no rows of %lld", (long long)count, (long long)signal->channels);
        source_fails(signal->plan.model, signal->source, error, text_z(&sentence));
        text_free(&sentence);
        return false;
    }
    int64_t shape[] = {count / signal->channels, signal->channels};
    signal->table = table_new(2, shape);
    for (int64_t i = 0; i < count; i++) signal->table.data[i] = values->list ? values->list[i] : values->number;
    for (int64_t i = 0; i < signal->channels; i++) vec_push(&signal->columns, i);
    return true;
}

static bool open_pattern(Signal *signal, Text *error) {
    const Argument *values = argument_find(signal->source, "values");
    if (!steps_argument(signal, "hold", error)) return false;
    if (!values) return source_fails(signal->plan.model, signal->source, error, "expected rows of values");
    if (!values->word) return inline_pattern(signal, values, error);
    if (!open_file(signal, "values", error)) return false;
    return signal->table.shape[0] > 0 ||
           source_fails(signal->plan.model, signal->source, error, "the file has no rows");
}

// Its first period, made once.
static bool open_cycle(Signal *signal, Text *error) {
    const Argument *inner = argument_find(signal->source, "source");
    if (!steps_argument(signal, "period", error)) return false;
    if (!inner || !inner->source)
        return source_fails(signal->plan.model, signal->source, error, "expected a signal and period = …");
    SignalPlan plan = signal->plan;
    plan.steps = signal->period;
    plan.lead = 0;
    signal->inner = signal_new(inner->source, &plan, error);
    if (!signal->inner) return false;
    signal->channels = signal_channels(signal->inner);
    signal->table = table_new(2, (int64_t[]){signal->period, plan.batch * signal->channels});
    return signal_window(signal->inner, 0, signal->period, signal->table.data, error);
}

static void window_of_pattern(const Signal *signal, int64_t first, int64_t count, double *out) {
    int64_t width = signal->columns.count, wanted = signal->plan.batch * signal->channels;
    for (int64_t n = 0; n < count; n++) {
        int64_t at = (first + n) / signal->period % signal->table.shape[0];
        const double *row = signal->table.data + at * signal->table.shape[1];
        for (int64_t i = 0; i < wanted; i++) out[n * wanted + i] = row[signal->columns.items[i % width]];
    }
}

static void window_of_cycle(const Signal *signal, int64_t first, int64_t count, double *out) {
    int64_t row = signal->plan.batch * signal->channels;
    for (int64_t n = 0; n < count; n++)
        memcpy(out + n * row, signal->table.data + (first + n) % signal->period * row, (size_t)row * sizeof *out);
}

// ---- Windows --------------------------------------------------------------------------------------------------------

static RandomStream stream_of(const Signal *signal, int64_t channel) {
    Text name = {0};
    text_addf(&name, "data %s", signal->plan.name);
    RandomStream stream = random_stream(signal->plan.seed, text_z(&name));
    text_free(&name);
    return channel ? random_child(&stream, (1ull << 32) + (uint64_t)channel)
                   : stream; // samples are children below 2^32
}

static double *channel_scratch(Signal *signal, int64_t count) {
    if (count > signal->channel_room)
        signal->channel = memory_resize(signal->channel, (size_t)(signal->channel_room = count), sizeof(double));
    return signal->channel;
}

static bool window_of_wave(Signal *signal, int64_t first, int64_t count, double *out, Text *error) {
    const SignalPlan *plan = &signal->plan;
    SignalGrid grid = {count, plan->batch, plan->model->dt};
    int64_t values = count * plan->batch;
    for (int64_t c = 0; c < plan->channels; c++) {
        RandomStream stream = stream_of(signal, c);
        double *channel = plan->channels == 1 ? out : channel_scratch(signal, values);
        if (!signal->make(signal, &grid, (double)first * grid.dt, &stream, channel, error)) return false;
        if (plan->channels > 1)
            for (int64_t i = 0; i < values; i++) out[i * plan->channels + c] = channel[i];
    }
    return true;
}

static void window_of_whole(const Signal *signal, int64_t first, int64_t count, double *out) {
    const SignalPlan *plan = &signal->plan;
    for (int64_t c = 0; c < plan->channels; c++) {
        const double *from = signal->whole + (c * plan->steps + first) * plan->batch;
        for (int64_t i = 0; i < count * plan->batch; i++) out[i * plan->channels + c] = from[i];
    }
}

static bool window_of_filter(Signal *signal, int64_t first, int64_t count, double *out, Text *error) {
    const SignalPlan *plan = &signal->plan;
    int64_t reach = (int64_t)(4 * signal->sigma + 0.5), row = plan->batch * signal->channels;
    int64_t begin = first > reach ? first - reach : 0;
    int64_t end = first + count + reach < plan->steps ? first + count + reach : plan->steps;
    double *wide = channel_scratch(signal, (end - begin) * row);
    if (!signal_window(signal->inner, begin, end - begin, wide, error)) return false;
    SignalGrid grid = {end - begin, row, plan->model->dt};
    if (!smooth_in_time(&grid, signal->sigma, wide, error)) return false;
    memcpy(out, wide + (first - begin) * row, (size_t)(count * row) * sizeof(double));
    return true;
}

bool signal_window(Signal *signal, int64_t first, int64_t count, double *out, Text *error) {
    first += signal->plan.lead;
    if (signal->source->kind == DATA_PATTERN) return window_of_pattern(signal, first, count, out), true;
    if (signal->source->kind == DATA_CYCLE) return window_of_cycle(signal, first, count, out), true;
    if (signal->inner) return window_of_filter(signal, first, count, out, error);
    if (signal->whole) return window_of_whole(signal, first, count, out), true;
    if (signal->make) return window_of_wave(signal, first, count, out, error);
    return window_of_file(signal, first, count, out), true;
}

// ---- Opening --------------------------------------------------------------------------------------------------------

static bool whole_fits(const Signal *signal, Text *error) {
    const SignalPlan *plan = &signal->plan;
    double bytes = (double)plan->steps * (double)plan->batch * (double)plan->channels * sizeof(double);
    double machine = memory_of_machine();
    if (machine <= 0 || bytes <= machine) return true;
    Text sentence = {0};
    text_addf(&sentence, "%lld steps of %lld samples are made before the run and need ", (long long)plan->steps,
              (long long)plan->batch);
    memory_print(bytes, &sentence);
    text_add(&sentence, " of memory; this machine has ");
    memory_print(machine, &sentence);
    source_fails(plan->model, signal->source, error, text_z(&sentence));
    text_free(&sentence);
    return false;
}

static bool make_whole(Signal *signal, Text *error) {
    const SignalPlan *plan = &signal->plan;
    if (!whole_fits(signal, error)) return false;
    SignalGrid grid = {plan->steps, plan->batch, plan->model->dt};
    int64_t size = plan->steps * plan->batch;
    signal->whole = memory_resize(NULL, (size_t)(size * plan->channels), sizeof(double));
    for (int64_t c = 0; c < plan->channels; c++) {
        RandomStream stream = stream_of(signal, c);
        if (!signal->make(signal, &grid, 0, &stream, signal->whole + c * size, error)) return false;
    }
    return true;
}

static bool open_filter(Signal *signal, Text *error) {
    const DataSource *source = signal->source;
    const Argument *inner = argument_find(source, "source"), *sigma = argument_find(source, "sigma");
    const Model *model = signal->plan.model;
    if (!inner || !inner->source || !sigma)
        return source_fails(model, source, error, "expected a signal and sigma = …");
    signal->sigma = sigma->unit.steps ? sigma->number : sigma->number / model->dt;
    if (!(signal->sigma >= 0 && signal->sigma <= 1e6))
        return source_fails(model, source, error, "expected a sigma of 0 to 1000000 steps");
    SignalPlan plan = signal->plan;
    plan.classes_allowed = false;
    plan.lead = 0;
    signal->inner = signal_new(inner->source, &plan, error);
    return signal->inner != NULL;
}

static bool open_signal(Signal *signal, Text *error) {
    switch (signal->source->kind) {
    case DATA_SQUARE: signal->make = make_square; return true;
    case DATA_SAWTOOTH: signal->make = make_sawtooth; return true;
    case DATA_SINES: signal->make = make_sines; return true;
    case DATA_STEPS: signal->make = make_steps; return make_whole(signal, error);
    case DATA_OU: signal->make = make_ou; return make_whole(signal, error);
    case DATA_MACKEY_GLASS: signal->make = make_mackey_glass; return make_whole(signal, error);
    case DATA_SMOOTH: return open_filter(signal, error);
    case DATA_FILE: return open_file(signal, "path", error);
    case DATA_PATTERN: return open_pattern(signal, error);
    case DATA_CYCLE: return open_cycle(signal, error);
    case DATA_MNIST1D:
    case DATA_IDX: break;
    }
    return source_fails(signal->plan.model, signal->source, error,
                        "a set of samples where a signal over time is needed");
}

Signal *signal_new(const DataSource *source, const SignalPlan *plan, Text *error) {
    Signal *signal = memory_resize(NULL, 1, sizeof *signal);
    *signal = (Signal){.source = source, .plan = *plan, .channels = plan->channels};
    const Experiment *experiment = plan->model->experiment; // a data set inside of another is the same one everywhere
    for (uint32_t i = 0; i < experiment->data.count; i++)
        if (experiment->data.items[i].source == source) signal->plan.name = experiment->data.items[i].name;
    if (open_signal(signal, error)) return signal;
    signal_free(signal);
    return NULL;
}

void signal_free(Signal *signal) {
    if (!signal) return;
    signal_free(signal->inner);
    vec_free(&signal->columns);
    table_free(&signal->table);
    free(signal->whole);
    free(signal->channel);
    free(signal);
}

int64_t signal_channels(const Signal *signal) { return signal->channels; }
