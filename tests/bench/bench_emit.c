// Steps a second of emitted C, built as a shared library with its table, against machine code of the same model:
//   lequel emit c models/mnist1d.leq --simd --batch 100 --precision float -o out
//   gcc -std=c99 -O3 -march=native -ffp-contract=fast -fno-math-errno -shared -fPIC -DMODEL_TABLE out/model.c -o
//   out/model.so -lm bench_emit models/mnist1d.leq out/model.so 100 float
// Both take turns; the best of many rounds is given, in processor time.
#include "runtime/lequel.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 60 };

typedef struct ModelArray { // as the emitted header declares it
    const char *name;
    size_t place;
    int label, bytes, fraction, batched, rank, extent[4], stride[4];
} ModelArray;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static _Noreturn void fail(const char *what, const char *why) {
    fprintf(stderr, "bench_emit: %s: %s\n", what, why ? why : "");
    exit(1);
}

static void *find(void *library, const char *name) {
    void *symbol = dlsym(library, name);
    if (!symbol) fail("the library has no", name);
    return symbol;
}

// The same numbers for both: inputs of rank 1, all samples different.
static void set_inputs(const LequelProgram *program, LequelInstance *instance, void *library, char *state,
                       int64_t batch) {
    const ModelArray *arrays = find(library, "model_arrays");
    int count = *(const int *)find(library, "model_array_count");
    for (int a = 0; a < count; a++) {
        uint32_t number = (uint32_t)lequel_program_find(program, arrays[a].name);
        if (strcmp(lequel_program_array(program, number).role, "input") != 0 || arrays[a].rank != 1) continue;
        int64_t size = arrays[a].extent[0];
        double *values = malloc((size_t)(size * batch) * sizeof *values);
        for (int64_t i = 0; i < size * batch; i++) {
            values[i] = (double)(i * 37 % 101) / 50 - 1;
            char *at =
                state + arrays[a].place + (size_t)((i % size * arrays[a].stride[0] + i / size) * arrays[a].bytes);
            if (arrays[a].bytes == 4)
                *(float *)(void *)at = (float)values[i];
            else
                *(double *)(void *)at = values[i];
        }
        lequel_instance_set(instance, number, values);
        free(values);
    }
}

int main(int argc, char **argv) {
    if (argc != 5) fail("expected", "MODEL LIBRARY BATCH PRECISION");
    char *error;
    int64_t batch = atol(argv[3]);
    LequelModel *model = lequel_model_open(argv[1], NULL);
    LequelProgramOptions options = {.single = strcmp(argv[4], "float") == 0};
    LequelProgram *program = lequel_program_new(model, &options, &error);
    if (!program) fail(argv[1], error);
    LequelInstance *instance = lequel_instance_new(program, batch, 0, NULL, &error);
    if (!instance) fail(argv[1], error);
    void *library = dlopen(argv[2], RTLD_NOW | RTLD_LOCAL);
    if (!library) fail(argv[2], dlerror());
    void (*init)(void *, uint64_t), (*step)(void *);
    *(void **)&init = find(library, "model_init");
    *(void **)&step = find(library, "model_step");
    size_t size = *(const size_t *)find(library, "model_size");
    char *state = aligned_alloc(64, (size + 63) / 64 * 64);
    init(state, 0);
    set_inputs(program, instance, library, state, batch);

    double best[2] = {0};
    int steps = 1;
    for (double start = now(); now() - start < 0.005; steps++) lequel_instance_step(instance, true);
    for (int round = 0; round < ROUNDS; round++)
        for (int which = 0; which < 2; which++) {
            double start = now();
            for (int i = 0; i < steps; i++) {
                if (which)
                    step(state);
                else
                    lequel_instance_step(instance, true);
            }
            double speed = steps / (now() - start);
            if (speed > best[which]) best[which] = speed;
        }
    printf("machine code %.0f steps/s, emitted %.0f steps/s: %.3f\n", best[0], best[1], best[1] / best[0]);
    free(state);
    lequel_instance_free(instance);
    lequel_program_free(program);
    lequel_model_free(model);
    return 0;
}
