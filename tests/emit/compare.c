// emit-compare MODEL LIBRARY [option=value…]: steps emitted C, built as a shared library with its table of arrays,
// beside a program of the same model, and compares every array after every step.
//   batch=N steps=N seed=N precision=float|double backend=jit|loops|reference define=NAME=VALUE
//   bound=X        largest deviation |a - b| / max(1, |b|); 0: the same bits
//   deterministic  of the program
// Inputs and targets are random and change in every step; every eleventh step evaluates instead of learning.
// Prints the largest deviation of all. Exit status 1 when one exceeds the bound, or when nothing could be compared.
#include "runtime/lequel.h"
#include <dlfcn.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct ModelArray { // as the emitted header declares it
    const char *name;
    size_t place;
    int label, bytes, fraction, batched, rank, extent[4], stride[4];
} ModelArray;

typedef struct Emitted {
    void *handle, *state;
    const ModelArray *arrays;
    int count;
    void (*init)(void *, uint64_t);
    void (*step)(void *);
    void (*evaluate)(void *);
    size_t (*save)(const void *, unsigned char *);
    int (*load)(void *, const unsigned char *, size_t);
} Emitted;

typedef struct Comparison {
    LequelModel *model;
    LequelProgram *program;
    LequelInstance *instance;
    Emitted emitted;
    int64_t batch, steps, step;
    double bound, largest;
    int64_t compared;
    bool inference;
    uint64_t seed, random;
} Comparison;

static _Noreturn __attribute__((format(printf, 1, 2))) void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("emit-compare: ", stderr);
    vfprintf(stderr, format, arguments);
    fputs("\n", stderr);
    va_end(arguments);
    exit(1);
}

static void *find(const Emitted *emitted, const char *name, bool needed) {
    void *symbol = dlsym(emitted->handle, name);
    if (!symbol && needed) fail("the library has no %s", name);
    return symbol;
}

static Emitted open_emitted(const char *path) {
    Emitted e = {.handle = dlopen(path, RTLD_NOW | RTLD_LOCAL)};
    if (!e.handle) fail("%s", dlerror());
    e.arrays = find(&e, "model_arrays", true);
    e.count = *(const int *)find(&e, "model_array_count", true);
    *(void **)&e.init = find(&e, "model_init", true);
    *(void **)&e.step = find(&e, "model_step", false);
    *(void **)&e.evaluate = find(&e, "model_evaluate", true);
    *(void **)&e.save = find(&e, "model_save", true);
    *(void **)&e.load = find(&e, "model_load", true);
    size_t size = *(const size_t *)find(&e, "model_size", true);
    if (posix_memalign(&e.state, 64, size ? (size + 63) / 64 * 64 : 64) != 0) fail("out of memory");
    memset(e.state, 0x5a, size); // init must not rely on zeros
    return e;
}

// ---- Elements -------------------------------------------------------------------------------------------------------

static int64_t elements_of(const ModelArray *array) {
    int64_t count = 1;
    for (int k = 0; k < array->rank; k++) count *= array->extent[k];
    return count;
}

static void *place_of(const Comparison *c, const ModelArray *array, int64_t element, int64_t sample) {
    int64_t place = sample;
    for (int k = array->rank; k-- > 0; element /= array->extent[k])
        place += element % array->extent[k] * array->stride[k];
    return (char *)c->emitted.state + array->place + (size_t)(place * array->bytes);
}

static double get(const Comparison *c, const ModelArray *array, int64_t element, int64_t sample) {
    const void *place = place_of(c, array, element, sample);
    return array->bytes == 4 ? (double)*(const float *)place : *(const double *)place;
}

static void set(const Comparison *c, const ModelArray *array, int64_t element, int64_t sample, double value) {
    void *place = place_of(c, array, element, sample);
    if (array->bytes == 4)
        *(float *)place = (float)value;
    else
        *(double *)place = value;
}

static double uniform(Comparison *c) { // splitmix64
    uint64_t z = c->random += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

// ---- Feeding and comparing ------------------------------------------------------------------------------------------

static void feed(Comparison *c, uint32_t number, const ModelArray *array) {
    int64_t elements = elements_of(array), samples = array->batched ? c->batch : 1;
    double *values = calloc((size_t)(elements * samples), sizeof *values);
    for (int64_t b = 0; b < samples; b++) {
        int64_t chosen = (int64_t)(uniform(c) * (double)elements);
        for (int64_t e = 0; e < elements; e++) {
            double value = array->label ? e == chosen : (double)(float)(2 * uniform(c) - 1);
            values[b * elements + e] = value;
            set(c, array, e, b, value);
        }
    }
    lequel_instance_set(c->instance, number, values);
    free(values);
}

static void feed_all(Comparison *c) {
    for (int i = 0; i < c->emitted.count; i++) {
        int64_t number = lequel_program_find(c->program, c->emitted.arrays[i].name);
        if (number < 0) fail("the program has no array %s", c->emitted.arrays[i].name);
        if (strcmp(lequel_program_array(c->program, (uint32_t)number).role, "input") == 0)
            feed(c, (uint32_t)number, &c->emitted.arrays[i]);
    }
}

static bool same(double a, double b) { return (isnan(a) && isnan(b)) || memcmp(&a, &b, sizeof a) == 0; }

static void compare_array(Comparison *c, uint32_t number, const ModelArray *array) {
    int64_t elements = elements_of(array), samples = array->batched ? c->batch : 1;
    if (lequel_instance_length(c->instance, number) != elements * samples) fail("%s has another shape", array->name);
    double *values = malloc((size_t)(elements * samples) * sizeof *values);
    lequel_instance_get(c->instance, number, values);
    for (int64_t i = 0; i < elements * samples; i++, c->compared++) {
        double ours = get(c, array, i % elements, i / elements), theirs = values[i];
        double deviation = same(ours, theirs) ? 0 : fabs(ours - theirs) / fmax(1, fabs(theirs));
        if (deviation > c->largest) c->largest = deviation;
        if (!(deviation <= c->bound) || (c->bound == 0 && !same(ours, theirs)))
            fail("step %lld: %s, number %lld is %.17g, but %.17g in the program", (long long)c->step, array->name,
                 (long long)i, ours, theirs);
    }
    free(values);
}

static void compare_all(Comparison *c) {
    for (int i = 0; i < c->emitted.count; i++) {
        const ModelArray *array = &c->emitted.arrays[i];
        int64_t found = lequel_program_find(c->program, array->name);
        if (found < 0) fail("the program has no array %s", array->name);
        uint32_t number = (uint32_t)found;
        LequelArray info = lequel_program_array(c->program, number);
        // Written in full only by steps that learn: a step without leaves it as it was here, and the evaluator too.
        if (info.stored) compare_array(c, number, array);
    }
}

// A state that is saved, spoiled and loaded is the state that it was.
static void save_and_load(Comparison *c) {
    static unsigned char bytes[1 << 24];
    size_t length = c->emitted.save(c->emitted.state, bytes);
    if (length > sizeof bytes) fail("a large state");
    if (c->emitted.load(c->emitted.state, bytes, length - 1) == 0) fail("a state that is too short is loaded");
    bytes[9] ^= 1;
    if (c->emitted.load(c->emitted.state, bytes, length) == 0) fail("another model's state is loaded");
    bytes[9] ^= 1;
    c->emitted.init(c->emitted.state, c->seed + 1);
    if (c->emitted.load(c->emitted.state, bytes, length) != 0) fail("a saved state is refused");
}

static void run(Comparison *c) {
    c->emitted.init(c->emitted.state, c->seed);
    c->step = -1;
    compare_all(c);
    for (c->step = 0; c->step < c->steps; c->step++) {
        bool train = c->emitted.step && c->step % 11 != 10;
        feed_all(c);
        lequel_instance_step(c->instance, train);
        if (train)
            c->emitted.step(c->emitted.state);
        else
            c->emitted.evaluate(c->emitted.state);
        if (c->step == c->steps / 2) save_and_load(c);
        compare_all(c);
    }
}

// ---- The command line -----------------------------------------------------------------------------------------------

static const char *value_of(int argc, char **argv, const char *name, const char *otherwise) {
    size_t length = strlen(name);
    for (int i = 3; i < argc; i++)
        if (strncmp(argv[i], name, length) == 0 && argv[i][length] == '=') return argv[i] + length + 1;
    for (int i = 3; i < argc; i++)
        if (strcmp(argv[i], name) == 0) return "";
    return otherwise;
}

static void open_program(Comparison *c, int argc, char **argv) {
    const char *defines[16], *record = value_of(argc, argv, "record", NULL);
    LequelModelOptions open = {.defines = defines};
    for (int i = 3; i < argc && open.define_count < 16; i++)
        if (strncmp(argv[i], "define=", 7) == 0) defines[open.define_count++] = argv[i] + 7;
    c->model = lequel_model_open(argv[1], &open);
    LequelProgramOptions options = {.single = strcmp(value_of(argc, argv, "precision", "double"), "float") == 0,
                                    .backend = value_of(argc, argv, "backend", "jit"),
                                    .deterministic = value_of(argc, argv, "deterministic", NULL) != NULL,
                                    .records = &record,
                                    .record_count = record != NULL};
    char *error;
    c->program = lequel_program_new(c->model, &options, &error);
    if (!c->program) fail("%s: %s\n%s", argv[1], error, lequel_model_diagnostics(c->model, LEQUEL_PLAIN));
    c->instance = lequel_instance_new(c->program, c->batch, c->seed, NULL, &error);
    if (!c->instance) fail("%s", error);
}

int main(int argc, char **argv) {
    if (argc < 3) fail("expected a model and a library");
    Comparison c = {.batch = atol(value_of(argc, argv, "batch", "1")),
                    .steps = atol(value_of(argc, argv, "steps", "200")),
                    .seed = strtoull(value_of(argc, argv, "seed", "0"), NULL, 10),
                    .bound = atof(value_of(argc, argv, "bound", "0"))};
    c.random = c.seed;
    open_program(&c, argc, argv);
    c.emitted = open_emitted(argv[2]);
    run(&c);
    if (!c.compared) fail("nothing was compared");
    printf("%lld numbers, largest deviation %.3g\n", (long long)c.compared, c.largest);
    lequel_instance_free(c.instance);
    lequel_program_free(c.program);
    lequel_model_free(c.model);
    free(c.emitted.state);
    return dlclose(c.emitted.handle);
}
