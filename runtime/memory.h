// How much memory a run takes, said before it is taken.
#ifndef LEQUEL_MEMORY_H
#define LEQUEL_MEMORY_H

#include "program.h"

// Bytes of an instance; with `borrows`, of one that shares another's weights. As a double: a batch may be absurd.
double instance_bytes(const Program *program, int64_t batch, bool borrows);
double memory_of_machine(void); // bytes; 0: not known

typedef struct MemoryNeed {
    double training, evaluation, data; // bytes
    int64_t batch, evaluation_batch;
} MemoryNeed;

// False with a sentence in `error` when a run needs more than `limit` bytes; 0: what the machine has.
bool memory_allows(const MemoryNeed *need, double limit, Text *error);
void memory_print(double bytes, Text *out); // "12.3 GiB"

#endif
