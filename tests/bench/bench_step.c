// Time of one learning step of a model, in processor time: bench_step MODEL BATCH float|double [NAME=VALUE…]
#include "runtime/lequel.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 41 };

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static _Noreturn void fail(const char *what, const char *why) {
    fprintf(stderr, "bench_step: %s: %s\n", what, why ? why : "");
    exit(1);
}

static void set_inputs(const LequelProgram *program, LequelInstance *instance) {
    for (uint32_t a = 0; a < lequel_program_array_count(program); a++) {
        if (strcmp(lequel_program_array(program, a).role, "input") != 0) continue;
        int64_t length = lequel_instance_length(instance, a);
        double *values = malloc((size_t)length * sizeof *values);
        for (int64_t i = 0; i < length; i++) values[i] = (double)(i * 37 % 101) / 50 - 1;
        lequel_instance_set(instance, a, values);
        free(values);
    }
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    if (argc < 4) fail("expected", "MODEL BATCH PRECISION [NAME=VALUE…]");
    char *error;
    LequelModelOptions model_options = {.defines = (const char *const *)argv + 4, .define_count = (uint32_t)argc - 4};
    LequelModel *model = lequel_model_open(argv[1], &model_options);
    if (!lequel_model_good(model)) fail(argv[1], lequel_model_diagnostics(model, 0));
    LequelProgramOptions options = {.single = strcmp(argv[3], "float") == 0};
    LequelProgram *program = lequel_program_new(model, &options, &error);
    if (!program) fail(argv[1], error);
    LequelInstance *instance = lequel_instance_new(program, atol(argv[2]), 0, NULL, &error);
    if (!instance) fail(argv[1], error);
    set_inputs(program, instance);
    int steps = 0;
    for (double start = now(); now() - start < 0.01; steps++) lequel_instance_step(instance, true);
    double times[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        double start = now();
        for (int i = 0; i < steps; i++) lequel_instance_step(instance, true);
        times[round] = 1e6 * (now() - start) / steps;
    }
    qsort(times, ROUNDS, sizeof *times, by_size);
    printf("%s batch %s %s: best %.3f us, median %.3f us a step\n", argv[1], argv[2], argv[3], times[0],
           times[ROUNDS / 2]);
    lequel_instance_free(instance);
    lequel_program_free(program);
    lequel_model_free(model);
    return 0;
}
