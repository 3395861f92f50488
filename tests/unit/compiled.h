// Models from text, compiled: what tests of gradients share. Include after cmocka.h.
#ifndef LEQUEL_COMPILED_H
#define LEQUEL_COMPILED_H

#include "compiler/support/text.h"
#include "runtime/window.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct Compiled {
    Arena *arena;
    Diagnostics *diags;
    Model *model;
    Program *program; // in double
} Compiled;

// The code generator, or the interpreter of the loops form in a build without one.
static inline ProgramBackend generated_backend(void) {
    const char *module = getenv("LEQUEL_LLVM_MODULE");
    return module && access(module, R_OK) == 0 ? PROGRAM_JIT : PROGRAM_LOOPS;
}

static inline void compiled_close(Compiled *c) {
    program_free(c->program);
    if (c->model) model_free(c->model);
    if (c->arena) arena_free(c->arena);
    *c = (Compiled){0};
}

// Reads a model text under `dynamics` (NULL: its own) with gamma 0, errors beside the network. NULL program when it is
// refused; then `problem` says why. Gradients and `recorded` (names with a comma between) can be read.
static inline Compiled compile_or_not(const char *text, const char *dynamics, ProgramBackend backend,
                                      const char *recorded, Text *problem) {
    char path[] = "/tmp/lequel-compiled-XXXXXX";
    int file = mkstemp(path);
    size_t length = strlen(text);
    assert_true(file >= 0 && write(file, text, length) == (ssize_t)length && close(file) == 0);
    Compiled c = {.arena = arena_new()};
    c.diags = diag_new(c.arena);
    ModelOptions model_options = {.path = path, .dynamics = dynamics, .beside = true};
    c.model = model_load(c.arena, c.diags, &model_options, NULL);
    assert_int_equal(remove(path), 0);
    Vec(Atom) names = {0};
    for (uint32_t r = 0; c.model && r < c.model->learn.count; r++)
        for (uint32_t t = 0; t < c.model->learn.items[r].gradients.count; t++)
            vec_push(&names, symbol_info(c.model->store, c.model->learn.items[r].gradients.items[t])->name);
    while (recorded && *recorded) {
        size_t name = strcspn(recorded, ",");
        vec_push(&names, arena_format(c.arena, "%.*s", (int)name, recorded));
        recorded += name + (recorded[name] == ',');
    }
    for (uint32_t i = 0; i < names.count; i++) names.items[i] = arena_atom_z(c.arena, names.items[i]);
    ProgramOptions options = {
        .real = LOOP_F64, .backend = backend, .level = 1, .recorded = names.items, .recorded_count = names.count};
    if (c.model) c.program = program_new(c.model, &options, NULL, problem);
    if (!c.program) diag_print(c.diags, DIAG_PLAIN, problem);
    vec_free(&names);
    return c;
}

static inline Compiled compile_text(const char *text, const char *dynamics, ProgramBackend backend,
                                    const char *recorded) {
    Text problem = {0};
    Compiled c = compile_or_not(text, dynamics, backend, recorded, &problem);
    if (!c.program) {
        fprintf(stderr, "%s\nunder %s: %s\n", text, dynamics ? dynamics : "its own dynamics", text_z(&problem));
        fail(); // cmocka cuts long messages
    }
    text_free(&problem);
    return c;
}

static inline WindowData data_of(const Compiled *c, WindowPlan plan) {
    WindowData data;
    Text problem = {0};
    if (!window_data_open(c->program, &plan, &data, &problem)) fail_msg("%s", text_z(&problem));
    return data;
}

static inline Gradients gradients_of(const Compiled *c, const WindowData *data) {
    Gradients gradients;
    Text problem = {0};
    if (!window_gradients(c->program, data, &gradients, &problem)) fail_msg("%s", text_z(&problem));
    return gradients;
}

static inline Instance *instance_of(const Compiled *c, int64_t batch, uint64_t seed) {
    Text problem = {0};
    Instance *instance = instance_new(c->program, batch, seed, NULL, &problem);
    if (!instance) fail_msg("%s", text_z(&problem));
    return instance;
}

static inline uint32_t array_of(const Compiled *c, const char *name) {
    int64_t array = program_find(c->program, name);
    if (array < 0 || !program_array(c->program, (uint32_t)array)->stored) fail_msg("the program holds no `%s`", name);
    return (uint32_t)array;
}

static inline void get_values(const Compiled *c, const Instance *instance, const char *name, double *values) {
    instance_get(instance, array_of(c, name), values);
}

static inline void set_values(const Compiled *c, Instance *instance, const char *name, const double *values) {
    instance_set(instance, array_of(c, name), values);
}

static inline double dot(const double *a, const double *b, int64_t count) {
    double total = 0;
    for (int64_t i = 0; i < count; i++) total += a[i] * b[i];
    return total;
}

static inline double norm(const double *a, int64_t count) { return sqrt(dot(a, a, count)); }

// The largest |a - b| over the largest |b|; NaN counts as infinite.
static inline double deviation(const double *a, const double *b, int64_t count) {
    double worst = 0, largest = 0;
    for (int64_t i = 0; i < count; i++) {
        double apart = fabs(a[i] - b[i]);
        worst = isnan(apart) ? INFINITY : fmax(worst, apart);
        largest = fmax(largest, fabs(b[i]));
    }
    return worst == 0 ? 0 : worst / fmax(largest, 1e-300);
}

// Gradients beside complex steps through the window, to 1e-12: each element of arrays of at most 16.
static inline void check_gradients(const Compiled *exact, const WindowData *data, const Gradients *gradients) {
    Text problem = {0};
    Slopes *slopes = slopes_new(exact->program, data, 1e12, &problem);
    if (!slopes) fail_msg("%s", text_z(&problem));
    assert_true(slopes_are_complex(slopes));
    for (uint32_t i = 0; i < gradients->count; i++) {
        double direction[16] = {0}, found[16];
        assert_true(gradients->lengths[i] <= 16);
        for (int64_t k = 0; k < gradients->lengths[i]; k++) {
            direction[k] = 1;
            found[k] = slopes_along(slopes, gradients->names[i], direction);
            direction[k] = 0;
        }
        assert_true(deviation(gradients->values[i], found, gradients->lengths[i]) < 1e-12);
    }
    slopes_free(slopes);
}

#endif
