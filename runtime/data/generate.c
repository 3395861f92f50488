// Signals over time: sines, square waves, sawteeth, step trains, filtered and chaotic series.
#include "generate.h"
#include "../../compiler/support/arena.h"
#include "elementary.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

// --- checks --------------------------------------------------------------------------------------------------------

static bool generate_fails(const char *what, const char *wanted, Text *error) {
    text_addf(error, "%s: %s", what, wanted);
    return false;
}

static bool positive(double x) { return x > 0 && isfinite(x); }

static bool grid_fits(const SignalGrid *grid, const char *what, bool random, const RandomStream *stream, Text *error) {
    int64_t count;
    if (!table_count_of(2, (int64_t[]){grid->steps, grid->batch}, &count))
        return generate_fails(what, "the number of steps or the batch size is out of range", error);
    if (!positive(grid->dt)) return generate_fails(what, "expected a time step dt above 0", error);
    if (random && !stream) return generate_fails(what, "needs a random stream", error);
    return true;
}

static RandomStream sample_stream(const RandomStream *stream, int64_t sample) {
    return stream ? random_child(stream, (uint64_t)sample) : (RandomStream){0};
}

// --- periodic signals ----------------------------------------------------------------------------------------------

static bool sines_fit(const SineMixture *sines, Text *error) {
    if (sines->count < 0) return generate_fails("sine mixture", "expected a count of at least 0", error);
    for (int k = 0; k < sines->count; k++)
        if (!isfinite(sines->angular_frequency[k]) || (sines->amplitude && !isfinite(sines->amplitude[k])) ||
            (sines->phase && !isfinite(sines->phase[k])))
            return generate_fails("sine mixture", "expected finite frequencies, amplitudes and phases", error);
    return true;
}

bool generate_sine_mixture(const SignalGrid *grid, const SineMixture *sines, const RandomStream *stream, double *out,
                           Text *error) {
    if (!grid_fits(grid, "sine mixture", sines->random_phase, stream, error) || !sines_fit(sines, error)) return false;
    const double two_pi = 6.283185307179586;
    for (int64_t i = 0; i < grid->steps * grid->batch; i++) out[i] = sines->offset;
    for (int64_t b = 0; b < grid->batch; b++) {
        RandomStream draws = sample_stream(stream, b);
        for (int k = 0; k < sines->count; k++) {
            double phase = sines->phase ? sines->phase[k] : 0, amplitude = sines->amplitude ? sines->amplitude[k] : 1;
            if (sines->random_phase) phase += two_pi * random_uniform(&draws, (uint64_t)k);
            for (int64_t n = 0; n < grid->steps; n++)
                out[n * grid->batch + b] +=
                    amplitude * elementary_sin(sines->angular_frequency[k] * ((double)n * grid->dt) + phase);
        }
    }
    return true;
}

// Whole part of a number of periods, edges snapped as PeriodicShift says; *part is the rest, in [0, 1).
static double whole_periods(double periods, double *part) {
    double whole = floor(periods + 1e-9);
    *part = periods > whole ? periods - whole : 0;
    return whole;
}

// Fills out with each sample's place in its period.
static bool fill_places(const SignalGrid *grid, const PeriodicShift *time, const char *what, const RandomStream *stream,
                        double *out, Text *error) {
    if (!grid_fits(grid, what, time->random_shift, stream, error)) return false;
    if (!positive(time->period)) return generate_fails(what, "expected a period above 0", error);
    if (!isfinite(time->shift)) return generate_fails(what, "expected a finite shift", error);
    for (int64_t b = 0; b < grid->batch; b++) {
        RandomStream draws = sample_stream(stream, b);
        double start = time->shift / time->period;
        if (time->random_shift) start += random_uniform(&draws, 0);
        for (int64_t n = 0; n < grid->steps; n++)
            whole_periods((double)n * grid->dt / time->period + start, &out[n * grid->batch + b]);
    }
    return true;
}

bool generate_square_wave(const SignalGrid *grid, const SquareWave *wave, const RandomStream *stream, double *out,
                          Text *error) {
    if (!fill_places(grid, &wave->time, "square wave", stream, out, error)) return false;
    for (int64_t i = 0; i < grid->steps * grid->batch; i++) out[i] = out[i] < 0.5 - 1e-9 ? wave->high : wave->low;
    return true;
}

bool generate_sawtooth(const SignalGrid *grid, const Sawtooth *wave, const RandomStream *stream, double *out,
                       Text *error) {
    if (!fill_places(grid, &wave->time, "sawtooth", stream, out, error)) return false;
    for (int64_t i = 0; i < grid->steps * grid->batch; i++) out[i] = wave->low + (wave->high - wave->low) * out[i];
    return true;
}

bool generate_step_train(const SignalGrid *grid, const StepTrain *train, const RandomStream *stream, double *out,
                         Text *error) {
    if (!grid_fits(grid, "step train", train->count == 0, stream, error)) return false;
    if (!positive(train->hold)) return generate_fails("step train", "expected a holding time above 0", error);
    if (train->count < 0) return generate_fails("step train", "expected a count of at least 0", error);
    for (int64_t b = 0; b < grid->batch; b++) {
        RandomStream draws = sample_stream(stream, b);
        double value = 0, held = -1; // the level that the value is of
        for (int64_t n = 0; n < grid->steps; n++) {
            double part, level = whole_periods((double)n * grid->dt / train->hold, &part);
            if (level != held)
                value = train->count
                            ? train->levels[(int64_t)fmod(level, train->count)]
                            : train->low + (train->high - train->low) * random_uniform(&draws, (uint64_t)level);
            held = level;
            out[n * grid->batch + b] = value;
        }
    }
    return true;
}

// --- filtered noise ------------------------------------------------------------------------------------------------

// Weights for distances 0 .. radius.
static double *gaussian_weights(double sigma, int64_t radius) {
    double *weights = memory_resize(NULL, (size_t)radius + 1, sizeof *weights), sum = 1;
    weights[0] = 1;
    for (int64_t k = 1; k <= radius; k++) {
        weights[k] = elementary_exp(-0.5 * ((double)k / sigma) * ((double)k / sigma));
        sum += 2 * weights[k];
    }
    for (int64_t k = 0; k <= radius; k++) weights[k] /= sum;
    return weights;
}

// The place in 0 .. count-1 that mirrors at both ends make of i, the edge value repeated.
static int64_t reflected(int64_t i, int64_t count) {
    int64_t period = 2 * count, place = i % period;
    if (place < 0) place += period;
    return place < count ? place : period - 1 - place;
}

enum { TOGETHER = 8 }; // samples smoothed side by side: sums that need not wait for each other

// Of up to TOGETHER samples from `first` on. `extended` holds all steps and the mirrored ends, sample by sample.
static void smooth_samples(const SignalGrid *grid, int64_t first, const double *weights, int64_t radius,
                           double (*extended)[TOGETHER], double *data) {
    int64_t left = grid->batch - first, samples = left < TOGETHER ? left : TOGETHER;
    for (int64_t i = 0; i < grid->steps + 2 * radius; i++) {
        const double *step = data + reflected(i - radius, grid->steps) * grid->batch + first;
        for (int s = 0; s < TOGETHER; s++) extended[i][s] = step[s < samples ? s : 0];
    }
    for (int64_t n = 0; n < grid->steps; n++) {
        double sum[TOGETHER];
        for (int s = 0; s < TOGETHER; s++) sum[s] = weights[0] * extended[n + radius][s];
        for (int64_t k = 1; k <= radius; k++)
            for (int s = 0; s < TOGETHER; s++)
                sum[s] += weights[k] * (extended[n + radius - k][s] + extended[n + radius + k][s]);
        memcpy(data + n * grid->batch + first, sum, (size_t)samples * sizeof *sum);
    }
}

bool smooth_in_time(const SignalGrid *grid, double sigma, double *data, Text *error) {
    if (!grid_fits(grid, "smoothing", false, NULL, error)) return false;
    if (!(sigma >= 0 && sigma <= 1e6))
        return generate_fails("smoothing", "expected a sigma of 0 to 1000000 steps", error);
    if (sigma == 0 || !grid->steps || !grid->batch) return true;
    int64_t radius = (int64_t)(4 * sigma + 0.5);
    double *weights = gaussian_weights(sigma, radius);
    double(*extended)[TOGETHER] = memory_resize(NULL, (size_t)(grid->steps + 2 * radius), sizeof *extended);
    for (int64_t b = 0; b < grid->batch; b += TOGETHER) smooth_samples(grid, b, weights, radius, extended, data);
    free(extended);
    free(weights);
    return true;
}

bool generate_ornstein_uhlenbeck(const SignalGrid *grid, const OrnsteinUhlenbeck *process, const RandomStream *stream,
                                 double *out, Text *error) {
    if (!grid_fits(grid, "Ornstein-Uhlenbeck process", true, stream, error)) return false;
    if (!positive(process->tau))
        return generate_fails("Ornstein-Uhlenbeck process", "expected a time constant tau above 0", error);
    if (!(process->sigma >= 0 && isfinite(process->sigma) && isfinite(process->mean)))
        return generate_fails("Ornstein-Uhlenbeck process", "expected a finite mean and a sigma of at least 0", error);
    double keep = elementary_exp(-grid->dt / process->tau), kick = process->sigma * sqrt(1 - keep * keep);
    for (int64_t b = 0; b < grid->batch; b++) {
        RandomStream draws = sample_stream(stream, b);
        double distance = process->start_from_mean ? 0 : process->sigma * random_normal(&draws, 0); // x - mean
        for (int64_t n = 0; n < grid->steps; n++) {
            if (n) distance = keep * distance + kick * random_normal(&draws, (uint64_t)n);
            out[n * grid->batch + b] = process->mean + distance;
        }
    }
    return true;
}

// --- Mackey-Glass --------------------------------------------------------------------------------------------------

MackeyGlass mackey_glass_default(void) {
    return (MackeyGlass){.growth = 0.2,
                         .decay = 0.1,
                         .delay = 17,
                         .step = 0.2,
                         .power = 10,
                         .history_mean = 1.2,
                         .history_deviation = 0.2,
                         .discard = 500,
                         .standardise = true};
}

// How many steps make up a time; 0 when that is no whole number or out of range.
static int64_t whole_steps(double time, double step) {
    double steps = floor(time / step + 0.5);
    return fabs(time / step - steps) <= 1e-6 && steps >= 1 && steps <= 1e9 ? (int64_t)steps : 0;
}

static bool mackey_glass_fits(const SignalGrid *grid, const MackeyGlass *system, const RandomStream *stream,
                              Text *error) {
    const char *what = "Mackey-Glass";
    if (!grid_fits(grid, what, true, stream, error)) return false;
    if (!positive(system->step)) return generate_fails(what, "expected an integration step above 0", error);
    if (!whole_steps(system->delay, system->step))
        return generate_fails(what, "expected a delay of whole integration steps", error);
    if (!whole_steps(grid->dt, system->step))
        return generate_fails(what, "expected a dt of whole integration steps", error);
    if (system->power < 1 || system->power > 1000) return generate_fails(what, "expected a power of 1 to 1000", error);
    if (!(system->discard >= 0 && system->discard / system->step <= 1e9))
        return generate_fails(what, "expected a time to discard of at least 0", error);
    if (!isfinite(system->growth) || !isfinite(system->decay) || !isfinite(system->history_mean) ||
        !isfinite(system->history_deviation))
        return generate_fails(what, "expected finite parameters", error);
    return true;
}

// `history` is a ring of the last `delay` values; the oldest, at `place`, is the delayed one and gives way to the
// newest.
static double mackey_glass_step(const MackeyGlass *system, double *history, int64_t place, double x) {
    double delayed = history[place], power = 1;
    for (int i = 0; i < system->power; i++) power *= delayed;
    history[place] = x;
    return x + system->step * (system->growth * delayed / (1 + power) - system->decay * x);
}

static void standardise(double *x, int64_t count) {
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < count; i++) sum += x[i];
    double mean = sum / (double)count;
    for (int64_t i = 0; i < count; i++) squares += (x[i] - mean) * (x[i] - mean);
    double deviation = sqrt(squares / (double)count);
    for (int64_t i = 0; i < count; i++) x[i] = deviation > 0 ? (x[i] - mean) / deviation : 0;
}

bool generate_mackey_glass(const SignalGrid *grid, const MackeyGlass *system, const RandomStream *stream, double *out,
                           Text *error) {
    if (!mackey_glass_fits(grid, system, stream, error)) return false;
    int64_t delay = whole_steps(system->delay, system->step), every = whole_steps(grid->dt, system->step);
    int64_t discard = (int64_t)floor(system->discard / system->step + 0.5);
    double *history = memory_resize(NULL, (size_t)delay, sizeof *history);
    for (int64_t b = 0; b < grid->batch; b++) {
        RandomStream draws = sample_stream(stream, b);
        for (int64_t i = 0; i < delay; i++)
            history[i] = system->history_mean + system->history_deviation * random_normal(&draws, (uint64_t)i);
        double x = system->history_mean + system->history_deviation * random_normal(&draws, (uint64_t)delay);
        int64_t now = 0;
        for (int64_t n = 0; n < grid->steps; n++) {
            for (int64_t until = discard + n * every; now < until; now++)
                x = mackey_glass_step(system, history, now % delay, x);
            out[n * grid->batch + b] = x;
        }
    }
    free(history);
    if (system->standardise) standardise(out, grid->steps * grid->batch);
    return true;
}
