// A model from text, run step by step on any back end, with its arrays by name. Include after cmocka.h.
#ifndef LEQUEL_SIMULATION_H
#define LEQUEL_SIMULATION_H

#include "runtime/lequel.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct Simulation {
    char path[40]; // of the model, which some read again
    LequelModel *model;
    LequelProgram *program;
    LequelInstance *instance;
} Simulation;

static const char *const backends[] = {"reference", "loops", "jit"};
enum { BACKENDS = 3 };

// Into a new file, whose name takes the place of the Xs in `path`.
static inline void write_file(char *path, const char *text) {
    int file = mkstemp(path);
    assert_true(file >= 0 && write(file, text, strlen(text)) == (ssize_t)strlen(text));
    close(file);
}

// Without an instance when there is no code generator for `jit`.
static inline Simulation open_simulation(const char *text, const char *backend, const char *records, int64_t batch) {
    Simulation s = {.path = "/tmp/lequel-simulation-XXXXXX"};
    write_file(s.path, text);
    s.model = lequel_model_open(s.path, NULL);
    if (!lequel_model_good(s.model)) {
        char *said = lequel_model_diagnostics(s.model, LEQUEL_PLAIN);
        print_error("%s", said);
        lequel_text_free(said);
        fail();
    }
    char *error = NULL;
    s.program = lequel_program_new(
        s.model, &(LequelProgramOptions){.backend = backend, .records = &records, .record_count = 1}, &error);
    if (!s.program && strcmp(backend, "jit") != 0) fail_msg("%s", error ? error : "no program");
    if (!s.program) {
        lequel_text_free(error);
        return s;
    }
    s.instance = lequel_instance_new(s.program, batch, 1, NULL, &error);
    assert_non_null(s.instance);
    return s;
}

static inline void close_simulation(Simulation *s) {
    lequel_instance_free(s->instance);
    lequel_program_free(s->program);
    lequel_model_free(s->model);
    unlink(s->path);
}

static inline uint32_t array(const Simulation *s, const char *name) {
    int64_t number = lequel_program_find(s->program, name);
    if (number < 0) print_error("no array %s\n", name);
    assert_true(number >= 0);
    return (uint32_t)number;
}

static inline void get(const Simulation *s, const char *name, double *values) {
    lequel_instance_get(s->instance, array(s, name), values);
}

static inline double get_one(const Simulation *s, const char *name) {
    double values[64];
    get(s, name, values);
    return values[0];
}

static inline void put(const Simulation *s, const char *name, const double *values) {
    lequel_instance_set(s->instance, array(s, name), values);
}

#endif
