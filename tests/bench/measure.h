// What the programs of this folder share: processor time, quartiles, and the limits of the machine.
#ifndef LEQUEL_BENCH_MEASURE_H
#define LEQUEL_BENCH_MEASURE_H

#include <stddef.h>
#include <stdint.h>

double bench_now(void); // processor time of this process, seconds

typedef struct Quartiles {
    double low, median, high;
} Quartiles;
Quartiles bench_quartiles(double *values, int count); // sorts the values

// The most multiply-adds in single precision that one core does, by twelve independent chains in registers:
// operations in a second, a multiply-add being two. 0 where it isn't known. Takes about a millisecond.
double bench_peak(void);

// Multiplies all values in place: the least a learning step can do to its matrices, which are all read and written.
void bench_in_place(float *values, size_t count, float factor);

// The network that all contestants run starts from these numbers, the same in peer_torch.py and peer_brian.py.
double bench_random(uint32_t i, uint32_t j, uint32_t stream); // in [-0.5, 0.5)
double bench_weight(uint32_t i, uint32_t j, uint32_t connection, uint32_t fan_in);
double bench_input(uint32_t sample, uint32_t i, uint32_t size);
double bench_target(uint32_t sample, uint32_t i, uint32_t size);
enum { BENCH_PROBE = 100, BENCH_RATES = 999 }; // streams of the probes: of connection 0, 1, …, and of the output

#endif
