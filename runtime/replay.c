// Courses of values, compared at all shifts or as sequences of notes.
#include "replay.h"
#include "../compiler/support/arena.h"
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

// ---- Shifts ---------------------------------------------------------------------------------------------------------

typedef struct Shifts {
    int64_t first, count;
} Shifts;

static Shifts shifts_of(int64_t steps, int64_t lag) {
    if (lag < 0 || 2 * lag + 1 >= steps) return (Shifts){0, steps};
    return (Shifts){steps - lag, 2 * lag + 1};
}

// One element of all steps, `copies` times over, less its mean.
static double *element_of(const double *course, int64_t steps, int64_t length, int64_t element, int copies, bool centre,
                          double *norm) {
    double *values = memory_resize(NULL, (size_t)(steps * copies), sizeof *values);
    double mean = 0;
    for (int64_t t = 0; t < steps && centre; t++) mean += course[t * length + element] / (double)steps;
    *norm = 0;
    for (int64_t t = 0; t < steps; t++) {
        values[t] = course[t * length + element] - mean;
        *norm += values[t] * values[t];
    }
    for (int k = 1; k < copies; k++) memcpy(values + k * steps, values, (size_t)steps * sizeof *values);
    return values;
}

static double product(const double *a, const double *b, int64_t steps) {
    double sum[4] = {0};
    int64_t t = 0;
    for (; t + 4 <= steps; t += 4)
        for (int k = 0; k < 4; k++) sum[k] += a[t + k] * b[t + k];
    for (; t < steps; t++) sum[0] += a[t] * b[t];
    return sum[0] + sum[1] + (sum[2] + sum[3]);
}

static double squares(const double *a, const double *b, int64_t steps) {
    double sum[4] = {0};
    int64_t t = 0;
    for (; t + 4 <= steps; t += 4)
        for (int k = 0; k < 4; k++) sum[k] += (a[t + k] - b[t + k]) * (a[t + k] - b[t + k]);
    for (; t < steps; t++) sum[0] += (a[t] - b[t]) * (a[t] - b[t]);
    return sum[0] + sum[1] + (sum[2] + sum[3]);
}

// Whether squared distances from a mean are beyond its rounding.
static bool is_more_than_rounding(double norm, double largest, int64_t steps) {
    return norm > 1e-24 * largest * largest * (double)steps;
}

static bool varies(double norm, const double *course, int64_t steps, int64_t length, int64_t element) {
    double largest = 0;
    for (int64_t t = 0; t < steps; t++) largest = fmax(largest, fabs(course[t * length + element]));
    return is_more_than_rounding(norm, largest, steps);
}

double replay_correlation(const double *a, const double *b, int64_t steps, int64_t length, int64_t lag) {
    Shifts shifts = shifts_of(steps, lag);
    double *mean = memory_resize(NULL, (size_t)shifts.count + 1, sizeof *mean), best = NAN;
    for (int64_t s = 0; s < shifts.count; s++) mean[s] = 0;
    for (int64_t e = 0; e < length; e++) {
        double norm_a, norm_b;
        double *x = element_of(a, steps, length, e, 1, true, &norm_a);
        double *y = element_of(b, steps, length, e, 2, true, &norm_b);
        double norm = sqrt(norm_a) * sqrt(norm_b);
        if (varies(norm_a, a, steps, length, e) && varies(norm_b, b, steps, length, e))
            for (int64_t s = 0; s < shifts.count; s++)
                mean[s] += product(x, y + (shifts.first + s) % steps, steps) / norm / (double)length;
        free(x);
        free(y);
    }
    for (int64_t s = 0; s < shifts.count; s++) best = fmax(best, mean[s]);
    free(mean);
    return best;
}

double replay_error(const double *a, const double *b, int64_t steps, int64_t length, int64_t lag) {
    Shifts shifts = shifts_of(steps, lag);
    double *total = memory_resize(NULL, (size_t)shifts.count + 1, sizeof *total), best = NAN, norm;
    for (int64_t s = 0; s < shifts.count; s++) total[s] = 0;
    for (int64_t e = 0; e < length; e++) {
        double *x = element_of(a, steps, length, e, 1, false, &norm);
        double *y = element_of(b, steps, length, e, 2, false, &norm);
        for (int64_t s = 0; s < shifts.count; s++) total[s] += squares(x, y + (shifts.first + s) % steps, steps);
        free(x);
        free(y);
    }
    for (int64_t s = 0; s < shifts.count; s++) best = fmin(best, total[s] / (double)(steps * length));
    free(total);
    return best;
}

// Pearson's correlation of a window with values that have the mean 0; 0 when the window does not vary.
static double window_correlation(const double *x, const double *y, double norm_y, int64_t window) {
    double mean = 0, largest = 0, norm = 0;
    for (int64_t t = 0; t < window; t++) mean += x[t] / (double)window, largest = fmax(largest, fabs(x[t]));
    for (int64_t t = 0; t < window; t++) norm += (x[t] - mean) * (x[t] - mean);
    if (!is_more_than_rounding(norm, largest, window)) return 0;
    return product(x, y, window) / (sqrt(norm) * sqrt(norm_y));
}

double replay_late_correlation(const double *a, const double *b, int64_t steps, int64_t length, int64_t late) {
    int64_t window = steps - late;
    if (window <= 0) return NAN;
    double *mean = memory_resize(NULL, (size_t)late + 1, sizeof *mean), best = NAN;
    for (int64_t s = 0; s <= late; s++) mean[s] = 0;
    for (int64_t e = 0; e < length; e++) {
        double norm_a, norm_b;
        double *x = element_of(a, steps, length, e, 1, false, &norm_a);
        double *y = element_of(b, window, length, e, 1, true, &norm_b);
        for (int64_t s = 0; s <= late && varies(norm_b, b, window, length, e); s++)
            mean[s] += window_correlation(x + s, y, norm_b, window) / (double)length;
        free(x);
        free(y);
    }
    for (int64_t s = 0; s <= late; s++) best = fmax(best, mean[s]);
    free(mean);
    return best;
}

double replay_late_error(const double *a, const double *b, int64_t steps, int64_t length, int64_t late) {
    int64_t window = steps - late;
    double best = NAN;
    for (int64_t s = 0; s <= late && window > 0; s++)
        best = fmin(best, squares(a + s * length, b, window * length) / (double)(window * length));
    return best;
}

// ---- Notes ----------------------------------------------------------------------------------------------------------

// A number for what sounds at a step; 0: a pause. Sets of elements are told apart by a hash of 64 bits.
static uint64_t note_at(const double *row, int64_t length, double threshold) {
    if (isnan(threshold)) {
        int64_t best = 0;
        for (int64_t i = 1; i < length; i++)
            if (row[i] > row[best]) best = i;
        return (uint64_t)best + 1;
    }
    uint64_t hash = 0;
    for (int64_t i = 0; i < length; i++)
        if (row[i] > threshold) hash = (hash ^ (uint64_t)(i + 1)) * UINT64_C(0x9e3779b97f4a7c15) + 1;
    return hash;
}

static uint64_t *notes_of(const double *course, int64_t steps, int64_t length, double threshold, int64_t *count) {
    uint64_t *notes = memory_resize(NULL, (size_t)steps + 1, sizeof *notes), last = 0;
    *count = 0;
    for (int64_t t = 0; t < steps; t++) {
        uint64_t note = note_at(course + t * length, length, threshold);
        if (note && note != last) notes[(*count)++] = note;
        last = note;
    }
    return notes;
}

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

double replay_edits(const double *a, const double *b, int64_t steps, int64_t length, double threshold) {
    int64_t rows, columns;
    uint64_t *x = notes_of(a, steps, length, threshold, &rows), *y = notes_of(b, steps, length, threshold, &columns);
    int64_t *distance = memory_resize(NULL, (size_t)columns + 1, sizeof *distance);
    for (int64_t k = 0; k <= columns; k++) distance[k] = k;
    for (int64_t i = 0; i < rows; i++) {
        int64_t diagonal = distance[0];
        distance[0] = i + 1;
        for (int64_t k = 0; k < columns; k++) {
            int64_t replaced = diagonal + (x[i] != y[k]);
            diagonal = distance[k + 1];
            distance[k + 1] = least(replaced, 1 + least(distance[k], diagonal));
        }
    }
    int64_t longer = rows > columns ? rows : columns;
    double edits = longer ? (double)distance[columns] / (double)longer : 0;
    free(x);
    free(y);
    free(distance);
    return edits;
}
