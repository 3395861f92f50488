// Data made by rule: the MNIST-1D digits, and signals over time for a batch of samples. A seed fixes every number.
#ifndef LEQUEL_GENERATE_H
#define LEQUEL_GENERATE_H

#include "random.h"
#include "table.h"

// --- MNIST-1D ------------------------------------------------------------------------------------------------------

enum { MNIST1D_SAMPLES = 5000, MNIST1D_TRAIN = 4000, MNIST1D_TEST = 1000, MNIST1D_CLASSES = 10 };

typedef struct Mnist1d {
    Table train_x, test_x; // [4000, length] and [1000, length]
    Table train_y, test_y; // [4000] and [1000], classes 0 .. 9
} Mnist1d;

// S. Greydanus, "Scaling down deep learning" (2020; MNIST-1D), written from its description: ten templates of 12
// points, each sample padded, stretched, scaled, shifted, sheared and covered with white and correlated noise. 500
// samples of each class in one random order; the values have mean 0 and deviation 1 over all samples and points. The
// published set has length 40. Same distribution as the published generator's output, not the same numbers. False, with
// a sentence in error and nothing to free, for a length below 2 or above 1000000.
bool generate_mnist1d(int length, uint64_t seed, Mnist1d *data, Text *error);
void mnist1d_free(Mnist1d *data);

// --- signals -------------------------------------------------------------------------------------------------------
// Each fills out[steps * batch], time-major: out[n * batch + b] is sample b at time t = n * dt, n from 0. Times,
// periods and time constants have the unit of dt; angular frequencies are radians per that unit. Amplitudes have any
// unit. Each sample draws from a stream of its own below `stream`, so more steps or a larger batch never change the
// numbers already there. On bad parameters: false, one sentence appended to error, out unchanged. `stream` may be NULL
// where nothing is random. The caller owns everything.

typedef struct SignalGrid {
    int64_t steps, batch; // both >= 0
    double dt;            // > 0
} SignalGrid;

// offset + sum over k of amplitude[k] * sin(angular_frequency[k] * t + phase[k]).
typedef struct SineMixture {
    int count;
    const double *angular_frequency;
    const double *amplitude; // NULL: all 1
    const double *phase;     // radians; NULL: all 0
    bool random_phase;       // adds to each phase a uniform one in [0, 2 pi), for each sample and component
    double offset;
} SineMixture;
bool generate_sine_mixture(const SignalGrid *grid, const SineMixture *sines, const RandomStream *stream, double *out,
                           Text *error);

// A periodic signal's place in its period: frac((t + shift) / period). An edge that rounding puts up to 1e-9 periods
// off a step is put on it.
typedef struct PeriodicShift {
    double period;     // > 0
    double shift;      // in time
    bool random_shift; // adds a uniform shift in [0, period) for each sample
} PeriodicShift;

// `high` in the first half of a period, `low` in the second.
typedef struct SquareWave {
    PeriodicShift time;
    double low, high;
} SquareWave;
bool generate_square_wave(const SignalGrid *grid, const SquareWave *wave, const RandomStream *stream, double *out,
                          Text *error);

// Rises in a straight line from `low` at the start of a period towards `high` at its end (falls when high < low).
typedef struct Sawtooth {
    PeriodicShift time;
    double low, high;
} Sawtooth;
bool generate_sawtooth(const SignalGrid *grid, const Sawtooth *wave, const RandomStream *stream, double *out,
                       Text *error);

// Levels that each hold for `hold`: those of the list, again and again, or fresh uniform ones in [low, high).
typedef struct StepTrain {
    double hold;          // > 0; edges as in PeriodicShift
    int count;            // levels in the list; 0: random levels
    const double *levels; // [count]
    double low, high;     // of random levels
} StepTrain;
bool generate_step_train(const SignalGrid *grid, const StepTrain *train, const RandomStream *stream, double *out,
                         Text *error);

// Gaussian filter along time, in place, each sample by itself: weights exp(-k^2 / (2 sigma^2)) for |k| <= the integer
// nearest to 4 sigma, normalised to sum 1; edges reflected with the edge value repeated (c b a | a b c | c b a), the
// usual definition of a 1-D Gaussian filter. sigma is in steps; 0 changes nothing.
bool smooth_in_time(const SignalGrid *grid, double sigma, double *data, Text *error);

// Ornstein-Uhlenbeck process tau dx = -(x - mean) dt + sigma sqrt(2 tau) dW of stationary deviation sigma, sampled
// exactly: x[n+1] = mean + a (x[n] - mean) + sigma sqrt(1 - a^2) N, a = exp(-dt / tau).
typedef struct OrnsteinUhlenbeck {
    double tau;           // > 0
    double mean, sigma;   // sigma >= 0
    bool start_from_mean; // x[0] = mean; otherwise x[0] is drawn from the stationary distribution
} OrnsteinUhlenbeck;
bool generate_ornstein_uhlenbeck(const SignalGrid *grid, const OrnsteinUhlenbeck *process, const RandomStream *stream,
                                 double *out, Text *error);

// Mackey and Glass (1977): dx/dt = growth x(t - delay) / (1 + x(t - delay)^power) - decay x, by Euler steps of `step`,
// from a random history x(t <= 0) = history_mean + history_deviation N (one draw a step). out takes every
// (dt / step)-th value after `discard` time units.
typedef struct MackeyGlass {
    double growth, decay, delay, step; // delay a multiple of step, dt a multiple of step (both >= step)
    int power;                         // >= 1
    double history_mean, history_deviation;
    double discard;   // >= 0
    bool standardise; // subtract the mean, divide by the deviation, of all of out together
} MackeyGlass;
MackeyGlass mackey_glass_default(void); // the chaotic standard: 0.2, 0.1, 17, 0.2; 10; 1.2, 0.2; 500; standardised
bool generate_mackey_glass(const SignalGrid *grid, const MackeyGlass *system, const RandomStream *stream, double *out,
                           Text *error);

#endif
