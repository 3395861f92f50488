// MNIST-1D: ten templates, and the eight steps that make a sample of one.
#include "../../compiler/support/arena.h"
#include "generate.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TEMPLATE = 12, PADDED_MAX = TEMPLATE + 60, POINTS = 72 };

static const double TEMPLATES[MNIST1D_CLASSES][TEMPLATE] = {
    {5, 6, 6.5, 6.75, 7, 7, 7, 7, 6.75, 6.5, 6, 5},     {5, 3, 3, 3.4, 3.8, 4.2, 4.6, 5, 5.4, 5.8, 5, 5},
    {5, 6, 6.5, 6.5, 6, 5.25, 4.75, 4, 3.5, 3.5, 4, 5}, {5, 6, 6.5, 6.5, 6, 5, 5, 6, 6.5, 6.5, 6, 5},
    {5, 4.4, 3.8, 3.2, 2.6, 2.6, 5, 5, 5, 5, 5, 5},     {5, 3, 3, 3, 3, 5, 6, 6.5, 6.5, 6, 4.5, 5},
    {5, 4, 3.5, 3.25, 3, 3, 3, 3, 3.25, 3.5, 4, 5},     {5, 7, 7, 6.6, 6.2, 5.8, 5.4, 5, 4.6, 4.2, 5, 5},
    {5, 4, 3.5, 3.5, 4, 5, 5, 4, 3.5, 3.5, 4, 5},       {5, 4, 3.5, 3.5, 4, 5, 5, 5, 5, 4.7, 4.3, 5},
};

static void moments(const double *x, int64_t count, double *mean, double *deviation) {
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < count; i++) sum += x[i];
    *mean = sum / (double)count;
    for (int64_t i = 0; i < count; i++) squares += (x[i] - *mean) * (x[i] - *mean);
    *deviation = sqrt(squares / (double)count);
}

// Deviation 1, start at 0, then a sixth of it.
static void normalised_template(int digit, double out[TEMPLATE]) {
    double mean, deviation;
    moments(TEMPLATES[digit], TEMPLATE, &mean, &deviation);
    double first = (TEMPLATES[digit][0] - mean) / deviation;
    for (int i = 0; i < TEMPLATE; i++) out[i] = ((TEMPLATES[digit][i] - mean) / deviation - first) / 6;
}

// Linear interpolation of `from` equally spaced points at `to` equally spaced ones with the same ends.
static void resample(const double *x, int from, double *out, int to) {
    for (int i = 0; i < to; i++) {
        double place = (double)i * (from - 1) / (to - 1);
        int left = (int)place < from - 2 ? (int)place : from - 2;
        double part = place - left;
        out[i] = x[left] + part * (x[left + 1] - x[left]); // exactly 0 between zeros
    }
}

// The draws of one sample, in order.
typedef struct Draws {
    RandomStream uniform, normal;
    uint64_t uniforms, normals;
    double pair[2]; // the normal numbers that are drawn together
} Draws;

static double next_uniform(Draws *draws) { return random_uniform(&draws->uniform, draws->uniforms++); }
static double next_normal(Draws *draws) {
    uint64_t index = draws->normals++;
    if (index % 2 == 0) random_normal_pair(&draws->normal, index / 2, draws->pair);
    return draws->pair[index % 2];
}

static void pad_and_stretch(const double template[TEMPLATE], Draws *draws, double out[POINTS]) {
    double padded[PADDED_MAX] = {0};
    int padding = 36 + (int)(25 * next_uniform(draws));
    for (int i = 0; i < TEMPLATE; i++) padded[i] = template[i] + 1e-8; // so that only the padding is exactly 0
    resample(padded, TEMPLATE + padding, out, POINTS);
}

static void scale_and_rotate(Draws *draws, double x[POINTS]) {
    double scaled[POINTS], factor = 1 + 0.4 * (next_uniform(draws) - 0.5);
    int shift = (int)(48 * next_uniform(draws));
    for (int i = 0; i < POINTS; i++) scaled[(i + shift) % POINTS] = x[i] * factor;
    memcpy(x, scaled, sizeof scaled);
}

static void add_noise(Draws *draws, double x[POINTS], Text *error) {
    double noise[POINTS];
    for (int i = 0; i < POINTS; i++) noise[i] = 0.25 * next_normal(draws);
    smooth_in_time(&(SignalGrid){POINTS, 1, 1}, 2, noise, error); // cannot fail with these numbers
    for (int i = 0; i < POINTS; i++)
        if (x[i] == 0) x[i] = noise[i];
    for (int i = 0; i < POINTS; i++) x[i] += 0.02 * next_normal(draws);
}

static void shear(Draws *draws, double x[POINTS]) {
    double slope = 0.75 * (next_uniform(draws) - 0.5);
    for (int i = 0; i < POINTS; i++) x[i] -= slope * ((double)i / (POINTS - 1) - 0.5);
}

static void make_sample(uint64_t number, int digit, uint64_t seed, double *out, int length, Text *error) {
    RandomStream uniform = random_stream(seed, "mnist1d uniform"), normal = random_stream(seed, "mnist1d normal");
    Draws draws = {random_child(&uniform, number), random_child(&normal, number), 0, 0, {0, 0}};
    double template[TEMPLATE], x[POINTS];
    normalised_template(digit, template);
    pad_and_stretch(template, &draws, x);
    scale_and_rotate(&draws, x);
    add_noise(&draws, x, error);
    shear(&draws, x);
    resample(x, POINTS, out, length);
}

static void standardise(Mnist1d *data, int length) {
    int64_t train = (int64_t)MNIST1D_TRAIN * length, test = (int64_t)MNIST1D_TEST * length;
    double *all = memory_resize(NULL, (size_t)(train + test), sizeof *all), mean, deviation;
    memcpy(all, data->train_x.data, (size_t)train * sizeof *all);
    memcpy(all + train, data->test_x.data, (size_t)test * sizeof *all);
    moments(all, train + test, &mean, &deviation);
    free(all);
    for (int64_t i = 0; i < train; i++) data->train_x.data[i] = (data->train_x.data[i] - mean) / deviation;
    for (int64_t i = 0; i < test; i++) data->test_x.data[i] = (data->test_x.data[i] - mean) / deviation;
}

bool generate_mnist1d(int length, uint64_t seed, Mnist1d *data, Text *error) {
    *data = (Mnist1d){0};
    if (length < 2 || length > 1000000) {
        text_addf(error, "mnist1d: a sample has %d points; expected 2 to 1000000", length);
        return false;
    }
    data->train_x = table_new(2, (int64_t[]){MNIST1D_TRAIN, length});
    data->train_y = table_new(1, (int64_t[]){MNIST1D_TRAIN});
    data->test_x = table_new(2, (int64_t[]){MNIST1D_TEST, length});
    data->test_y = table_new(1, (int64_t[]){MNIST1D_TEST});
    uint32_t *order = memory_resize(NULL, MNIST1D_SAMPLES, sizeof *order);
    RandomStream shuffle = random_stream(seed, "mnist1d order");
    random_permutation(&shuffle, 0, MNIST1D_SAMPLES, order);
    for (int i = 0; i < MNIST1D_SAMPLES; i++) {
        bool train = i < MNIST1D_TRAIN;
        int row = train ? i : i - MNIST1D_TRAIN, digit = (int)order[i] / (MNIST1D_SAMPLES / MNIST1D_CLASSES);
        double *x = (train ? data->train_x : data->test_x).data + (int64_t)row * length;
        make_sample(order[i], digit, seed, x, length, error);
        (train ? data->train_y : data->test_y).data[row] = digit;
    }
    free(order);
    standardise(data, length);
    return true;
}

void mnist1d_free(Mnist1d *data) {
    table_free(&data->train_x);
    table_free(&data->train_y);
    table_free(&data->test_x);
    table_free(&data->test_y);
}
