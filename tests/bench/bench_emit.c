// Time of a training step of emitted C with --simd beside machine code of the same model, in float:
//   bench_emit [rounds=N] [widths=53,64,…] [batches=1,32] [rule=adam] [floor=X] [MODEL…]
// Without models: GLE networks of three populations, the first two of each width, which learn all weights by the rule.
// Each is built by gcc and clang, those that there are, with the flags that docs/emit.md names. Machine code and all
// builds take turns; a row of the table has the medians over the rounds, in microseconds of processor time, and how
// many times the speed of machine code each build has. Exit status 1 when one is below the floor.
#include "runtime/lequel.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MOST_ROUNDS = 1000, BUILDS = 2, CONTESTANTS = BUILDS + 1, LIST = 16 };

static const char *const compilers[BUILDS] = {"gcc", "clang"};
static const char flags[] = "-std=c99 -O3 -march=native -ffp-contract=fast -fno-math-errno -shared -fPIC -DMODEL_TABLE";
static const double TURN = 0.004; // seconds

static const char network[] =
    "network Wide(n = 8) {\n  dt = 0.2\n  input x[n]\n  target y[10]\n"
    "  population first  = Leaky[n](tau_m = 1.2, tau_r = 0.6, phi = tanh)\n"
    "  population second = Leaky[n](tau_m = 2, tau_r = 1, phi = tanh)\n"
    "  population out    = Leaky[10](tau_m = 1, tau_r = 1)\n"
    "  connect w0: x -> first by Dense()\n  connect w1: first -> second by Dense()\n"
    "  connect w2: second -> out by Dense()\n  cost 0.1 * mse(out.r, y)\n  dynamics gle(gamma = 1)\n"
    "  learn all by %s(rate = 1e-5)\n}\n";

typedef struct ModelArray { // as the emitted header declares it
    const char *name;
    size_t place;
    int label, bytes, fraction, batched, rank, extent[4], stride[4];
} ModelArray;

typedef struct Build { // of emitted C
    void *library, *state;
    void (*step)(void *);
} Build;

typedef struct Contest {
    LequelModel *model;
    LequelProgram *program;
    LequelInstance *instance;
    Build build[BUILDS]; // library NULL: the compiler is not there
    int64_t batch;
    int rounds;
    double seconds[CONTESTANTS][MOST_ROUNDS]; // of a step; machine code first
} Contest;

static _Noreturn void fail(const char *what, const char *why) {
    fprintf(stderr, "bench_emit: %s: %s\n", what, why ? why : "");
    exit(1);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

// ---- Builds ---------------------------------------------------------------------------------------------------------

static void *find(void *library, const char *name) {
    void *symbol = dlsym(library, name);
    if (!symbol) fail("the library has no", name);
    return symbol;
}

static bool has(const char *compiler) {
    char command[256];
    snprintf(command, sizeof command, "command -v %s >/dev/null 2>&1", compiler);
    return system(command) == 0;
}

static Build build_with(const char *compiler, const char *folder) {
    Build build = {0};
    char command[2048], path[512];
    if (!has(compiler)) return build;
    snprintf(path, sizeof path, "%s/%s.so", folder, compiler);
    snprintf(command, sizeof command, "%s %s %s/model.c -o %s -lm", compiler, flags, folder, path);
    if (system(command) != 0) fail("this failed", command);
    build.library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!build.library) fail(path, dlerror());
    remove(path);
    void (*init)(void *, uint64_t);
    *(void **)&init = find(build.library, "model_init");
    *(void **)&build.step = find(build.library, "model_step");
    size_t size = *(const size_t *)find(build.library, "model_size");
    build.state = aligned_alloc(64, (size + 63) / 64 * 64);
    if (!build.state) fail("out of memory", path);
    init(build.state, 0);
    return build;
}

static void build_all(Contest *c) {
    char folder[] = "/tmp/bench_emit.XXXXXX", path[64], *error;
    if (!mkdtemp(folder)) fail("no folder can be made", folder);
    LequelEmitOptions options = {.single = true, .simd = true, .batch = c->batch};
    if (!lequel_emit_c(c->model, &options, folder, NULL, &error))
        fail(error, lequel_model_diagnostics(c->model, LEQUEL_PLAIN));
    for (int i = 0; i < BUILDS; i++) c->build[i] = build_with(compilers[i], folder);
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/model.%c", folder, "ch"[i]);
        remove(path);
    }
    rmdir(folder);
}

// ---- The contest ----------------------------------------------------------------------------------------------------

static void set_in_build(const Build *build, const ModelArray *array, const double *values, int64_t batch) {
    for (int64_t i = 0, size = array->extent[0]; i < size * batch; i++) {
        int64_t place = i % size * array->stride[0] + i / size;
        ((float *)(void *)((char *)build->state + array->place))[place] = (float)values[i];
    }
}

// The same numbers for all: inputs of rank 1, all samples different.
static void set_inputs(Contest *c, const Build *build) {
    const ModelArray *arrays = find(build->library, "model_arrays");
    int count = *(const int *)find(build->library, "model_array_count");
    for (int a = 0; a < count; a++) {
        uint32_t number = (uint32_t)lequel_program_find(c->program, arrays[a].name);
        if (strcmp(lequel_program_array(c->program, number).role, "input") != 0 || arrays[a].rank != 1) continue;
        int64_t length = arrays[a].extent[0] * c->batch;
        double *values = malloc((size_t)length * sizeof *values);
        for (int64_t i = 0; i < length; i++) values[i] = (double)(i * 37 % 101) / 50 - 1;
        set_in_build(build, &arrays[a], values, c->batch);
        lequel_instance_set(c->instance, number, values);
        free(values);
    }
}

static void run_steps(Contest *c, int contestant, int steps) {
    for (int i = 0; i < steps; i++)
        if (contestant)
            c->build[contestant - 1].step(c->build[contestant - 1].state);
        else
            lequel_instance_step(c->instance, true);
}

static void measure(Contest *c) {
    int steps = 0;
    for (double start = now(); now() - start < TURN || steps < 2; steps++) run_steps(c, 0, 1);
    for (int round = -1; round < c->rounds; round++) // one to warm up
        for (int who = 0; who < CONTESTANTS; who++) {
            if (who && !c->build[who - 1].library) continue;
            double start = now();
            run_steps(c, who, steps);
            if (round >= 0) c->seconds[who][round] = (now() - start) / steps;
        }
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int count) {
    qsort(values, (size_t)count, sizeof *values, ascending);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

// A row of the table; the least ratio to machine code.
static double report(Contest *c, const char *name) {
    double machine = median(c->seconds[0], c->rounds), least = 1e9;
    printf("%-24s %5lld %10.2f", name, (long long)c->batch, 1e6 * machine);
    for (int i = 0; i < BUILDS; i++) {
        double seconds = c->build[i].library ? median(c->seconds[i + 1], c->rounds) : 0;
        if (seconds == 0) {
            printf(" %10s %6s", "-", "-");
            continue;
        }
        printf(" %10.2f %6.2f", 1e6 * seconds, machine / seconds);
        if (machine / seconds < least) least = machine / seconds;
    }
    printf("\n");
    fflush(stdout);
    return least;
}

static double contest(const char *name, const LequelModelOptions *open, int64_t batch, int rounds) {
    char *error;
    Contest *c = calloc(1, sizeof *c);
    c->batch = batch;
    c->rounds = rounds;
    c->model = lequel_model_open(name, open);
    if (!lequel_model_good(c->model)) fail(name, lequel_model_diagnostics(c->model, LEQUEL_PLAIN));
    LequelProgramOptions options = {.single = true};
    c->program = lequel_program_new(c->model, &options, &error);
    if (!c->program) fail(name, error);
    c->instance = lequel_instance_new(c->program, batch, 0, NULL, &error);
    if (!c->instance) fail(name, error);
    build_all(c);
    for (int i = 0; i < BUILDS; i++)
        if (c->build[i].library) set_inputs(c, &c->build[i]);
    measure(c);
    double least = report(c, name);
    for (int i = 0; i < BUILDS; i++) {
        free(c->build[i].state);
        if (c->build[i].library) dlclose(c->build[i].library);
    }
    lequel_instance_free(c->instance);
    lequel_program_free(c->program);
    lequel_model_free(c->model);
    free(c);
    return least;
}

// ---- The command line -----------------------------------------------------------------------------------------------

static const char *option(const char *argument, const char *name) {
    size_t length = strlen(name);
    return strncmp(argument, name, length) == 0 && argument[length] == '=' ? argument + length + 1 : NULL;
}

static int read_list(const char *text, int64_t list[LIST]) {
    int count = 0;
    for (char *end; count < LIST && *text; text = *end ? end + 1 : end) list[count++] = strtoll(text, &end, 10);
    return count;
}

int main(int argc, char **argv) {
    int64_t widths[LIST] = {53, 64, 256, 1024}, batches[LIST] = {1, 32};
    int width_count = 4, batch_count = 2, rounds = 41, models = 0;
    double floor = 0, least = 1e9;
    const char *rule = "adam";
    char text[sizeof network + 64];
    for (int i = 1; i < argc; i++) {
        const char *value;
        if ((value = option(argv[i], "widths")))
            width_count = read_list(value, widths);
        else if ((value = option(argv[i], "batches")))
            batch_count = read_list(value, batches);
        else if ((value = option(argv[i], "rounds")))
            rounds = atoi(value);
        else if ((value = option(argv[i], "rule")))
            rule = value;
        else if ((value = option(argv[i], "floor")))
            floor = atof(value);
        else
            argv[models++] = argv[i];
    }
    if (rounds < 1 || rounds > MOST_ROUNDS) fail("rounds", "expected 1 to 1000");
    snprintf(text, sizeof text, network, rule);
    printf("%-24s %5s %10s %10s %6s %10s %6s\n", "us/step", "batch", "jit", compilers[0], "ratio", compilers[1],
           "ratio");
    for (int i = 0; i < (models ? models : width_count); i++)
        for (int b = 0; b < batch_count; b++) {
            char define[32], name[32];
            snprintf(define, sizeof define, "n=%lld", (long long)widths[i]);
            snprintf(name, sizeof name, "width %lld", (long long)widths[i]);
            const char *defines[] = {define};
            LequelModelOptions wide = {.defines = defines, .define_count = 1, .text = text};
            double ratio =
                models ? contest(argv[i], NULL, batches[b], rounds) : contest(name, &wide, batches[b], rounds);
            if (ratio < least) least = ratio;
        }
    if (least >= floor) return 0;
    fprintf(stderr, "bench_emit: %.2f times the speed of machine code, less than %.2f\n", least, floor);
    return 1;
}
