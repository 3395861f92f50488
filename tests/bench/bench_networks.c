// Time of a learning step of GLE networks beside other ways to compute the same, as rows of a table in Markdown:
//   bench_networks [NAME=VALUE…]
//     network=square|mnist1d   six layers of tests/bench/gle.leq, or models/mnist1d.leq
//     widths=53,64,… batches=1,32,…   all combinations; a width that is not square's is the model's own
//     optimiser=sgd|adam precision=float|double
//     peers=blas,product,outer,brian   which to compare with: peer_blas.c, peer_torch.py (two forms), peer_brian.py
//     rounds=21 seconds=20     rounds of a row, fewer (but 3) when they take longer than this
//     floor=PEER:RATIO         exit status 1 when a peer's step takes less than this many times as long; several may be
//     given peak=PERCENT             the same when a step reaches less than this part of the multiply-add peak
// All contestants start from the same numbers, and before anything is measured, must come to the same weights: changes
// of all matrices and the last rates are compared by random projections. Then they take turns, a turn being 20 ms or
// one step; times are processor time of one thread, medians over the rounds with their quartiles. In the same rounds:
// the time to multiply the same matrices in place, and the multiply-add peak. Peers that are not installed are left
// out.
#include "../../runtime/lequel.h"
#include "measure.h"
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_ROUNDS = 1000, MOST_PEERS = 8, CONNECTIONS = 8, LIST = 16 };

static const double TURN = 0.02, RATE = 1e-9; // a rate so small that the network stays as it is

typedef struct Row {
    const char *network, *optimiser, *precision, *peers;
    int width, batch, rounds;
    double seconds;
} Row;

// At least what an error needs to travel through all layers, several times; else as many as don't take long.
static int check_steps(const Row *row) {
    double steps = 1e9 / ((double)row->width * row->width * row->batch);
    return steps > 200 ? 200 : steps < 16 ? 16 : (int)steps;
}

// Of the comparison: what wider layers learn in a step adds up over more inputs, and few steps
// must learn as much as many for rounding not to show.
static double check_rate(const Row *row) {
    if (strcmp(row->optimiser, "adam") == 0) return 1e-5; // which divides by small numbers and so enlarges rounding
    return (row->width > 64 ? 0.128 / row->width : 2e-3) * 200 / check_steps(row);
}

typedef struct Floor {
    char peer[16];
    double ratio;
} Floor;

typedef struct Subject { // Lequel itself
    LequelModel *model;
    LequelProgram *program;
    LequelInstance *instance;
    int connections;
    uint32_t matrix[CONNECTIONS];
    double before[CONNECTIONS], scale[CONNECTIONS + 1]; // probes at the start; how large a projection is typically
} Subject;

typedef struct Peer { // another process
    char name[16], label[128];
    pid_t process;
    FILE *to, *from;
} Peer;

typedef struct Contest {
    Row row;
    Subject subject;
    Peer peers[MOST_PEERS];
    int peer_count;
    float *matrices; // what is multiplied in place
    size_t matrix_count;
    int steps[MOST_PEERS + 2];       // of a turn: Lequel, in place, peers
    double estimate[MOST_PEERS + 2]; // seconds of a step
    double times[MOST_PEERS + 2][MOST_ROUNDS], peak[MOST_ROUNDS];
} Contest;

static _Noreturn void fail(const char *what, const char *why) {
    fprintf(stderr, "bench_networks: %s: %s\n", what, why ? why : "");
    exit(1);
}

// ---- Lequel ---------------------------------------------------------------------------------------------------------

// The text of a model, with another optimiser where the file has Adam.
static char *model_text(const char *path, const char *optimiser) {
    size_t length;
    char *error, *text = lequel_file_read(path, &length, &error);
    if (!text) fail(path, error);
    char *adam = strstr(text, "adam(rate)");
    char *changed = malloc(length + 8);
    if (!adam || strcmp(optimiser, "adam") == 0)
        strcpy(changed, text);
    else
        sprintf(changed, "%.*s%s%s", (int)(adam - text), text, "sgd(rate)", adam + strlen("adam(rate)"));
    lequel_text_free(text);
    return changed;
}

static void open_subject(Subject *s, const Row *row, double learning_rate) {
    char width[32], rate[32], path[1024], *error;
    bool square = strcmp(row->network, "square") == 0;
    snprintf(width, sizeof width, "n=%d", row->width);
    snprintf(rate, sizeof rate, "rate=%.17g", learning_rate);
    snprintf(path, sizeof path, "%s/%s", LEQUEL_SOURCE_DIR, square ? "tests/bench/gle.leq" : "models/mnist1d.leq");
    char *text = model_text(path, row->optimiser);
    const char *const defines[] = {rate, width, "depth=6"};
    LequelModelOptions model_options = {.defines = defines, .define_count = square ? 3 : 1, .text = text};
    s->model = lequel_model_open(path, &model_options);
    if (!lequel_model_good(s->model)) fail(path, lequel_model_diagnostics(s->model, LEQUEL_PLAIN));
    free(text);
    LequelProgramOptions options = {.single = strcmp(row->precision, "float") == 0};
    s->program = lequel_program_new(s->model, &options, &error);
    if (!s->program) fail(path, error);
    for (uint32_t a = 0; a < lequel_program_array_count(s->program); a++) {
        LequelArray array = lequel_program_array(s->program, a);
        if (strcmp(array.role, "weight") == 0 && array.rank == 2) s->matrix[s->connections++] = a;
    }
}

static void close_subject(Subject *s) {
    lequel_instance_free(s->instance);
    lequel_program_free(s->program);
    lequel_model_free(s->model);
    *s = (Subject){0};
}

static double *new_values(int64_t count) {
    double *values = calloc((size_t)count, sizeof *values);
    if (!values) fail("out of memory", NULL);
    return values;
}

static void set_input(Subject *s, uint32_t number, bool target, int batch) {
    LequelArray array = lequel_program_array(s->program, number);
    int64_t size = array.extent[0];
    double *values = new_values(size * batch);
    bool classes = target && size == 10;
    for (int64_t i = 0; i < size * batch; i++) {
        uint32_t sample = (uint32_t)(i / size), unit = (uint32_t)(i % size);
        values[i] = classes  ? (uint32_t)(10 * bench_random(sample, 0, 700) + 5) == unit
                    : target ? bench_target(sample, unit, (uint32_t)size)
                             : bench_input(sample, unit, (uint32_t)size);
    }
    lequel_instance_set(s->instance, number, values);
    free(values);
}

static void start_subject(Subject *s, int batch) {
    char *error;
    lequel_instance_free(s->instance);
    s->instance = lequel_instance_new(s->program, batch, 0, NULL, &error);
    if (!s->instance) fail("no instance", error);
    for (uint32_t a = 0; a < lequel_program_array_count(s->program); a++) {
        LequelArray array = lequel_program_array(s->program, a);
        if (strcmp(array.role, "input") == 0) set_input(s, a, strcmp(array.name, "y") == 0, batch);
        if (strcmp(array.role, "weight") != 0 || array.rank != 1) continue;
        double *zeros = new_values(array.extent[0]);
        lequel_instance_set(s->instance, a, zeros);
        free(zeros);
    }
    for (int k = 0; k < s->connections; k++) {
        LequelArray array = lequel_program_array(s->program, s->matrix[k]);
        int64_t m = array.extent[1], count = array.extent[0] * m;
        double *values = new_values(count);
        for (int64_t i = 0; i < count; i++)
            values[i] = bench_weight((uint32_t)(i / m), (uint32_t)(i % m), (uint32_t)k, (uint32_t)m);
        lequel_instance_set(s->instance, s->matrix[k], values);
        free(values);
    }
}

// A random projection of an array less its values at the start, and the size that such a projection has on average.
static double project(const Subject *s, uint32_t number, uint32_t stream, int connection, double *scale) {
    int64_t count = lequel_instance_length(s->instance, number);
    LequelArray array = lequel_program_array(s->program, number);
    int64_t m = connection >= 0 ? array.extent[1] : array.extent[0];
    double *values = new_values(count), sum = 0, square = 0;
    lequel_instance_get(s->instance, number, values);
    for (int64_t i = 0; i < count; i++) {
        uint32_t row = (uint32_t)(i / m), column = (uint32_t)(i % m);
        double value = values[i] - (connection >= 0 ? bench_weight(row, column, (uint32_t)connection, (uint32_t)m) : 0);
        sum += value * bench_random(row, column, stream);
        square += value * value;
    }
    *scale = sqrt(square / 12);
    free(values);
    return sum;
}

static void check_subject(Subject *s, const Row *row, double *probes) {
    start_subject(s, row->batch);
    for (int i = 0; i < check_steps(row); i++) lequel_instance_step(s->instance, true);
    for (int k = 0; k < s->connections; k++)
        probes[k] = project(s, s->matrix[k], (uint32_t)(BENCH_PROBE + k), k, &s->scale[k]);
    int64_t rates = lequel_program_find(s->program, "out.r");
    if (rates < 0) rates = lequel_program_find(s->program, "h[5].r");
    probes[s->connections] = project(s, (uint32_t)rates, BENCH_RATES, -1, &s->scale[s->connections]);
}

// ---- Peers ----------------------------------------------------------------------------------------------------------

static const char *python(void) { return access("/usr/bin/python3", X_OK) == 0 ? "/usr/bin/python3" : "python3"; }

static _Noreturn void become_peer(const char *name, const Row *row) {
    char width[16], batch[16], steps[16], rate[32], path[1024];
    snprintf(width, sizeof width, "%d", row->width);
    snprintf(batch, sizeof batch, "%d", row->batch);
    snprintf(steps, sizeof steps, "%d", check_steps(row));
    snprintf(rate, sizeof rate, "%.17g", check_rate(row));
    setenv("OMP_NUM_THREADS", "1", 1);
    setenv("OPENBLAS_NUM_THREADS", "1", 1);
    unsetenv("OPENBLAS_CORETYPE"), unsetenv("OPENBLAS_L2_SIZE");
    if (strncmp(name, "blas", 4) == 0) {
        if (strcmp(name, "blas512") == 0) setenv("OPENBLAS_CORETYPE", "SkylakeX", 1);
        execl(LEQUEL_BENCH_PEERS "/peer_blas", "peer_blas", width, batch, (char *)NULL);
    } else if (strcmp(name, "brian") == 0) {
        snprintf(path, sizeof path, "%s/tests/bench/peer_brian.py", LEQUEL_SOURCE_DIR);
        execlp(python(), "python3", path, row->network, width, steps, rate, (char *)NULL);
    } else {
        snprintf(path, sizeof path, "%s/tests/bench/peer_torch.py", LEQUEL_SOURCE_DIR);
        execlp(python(), "python3", path, name, row->network, width, batch, row->optimiser, row->precision,
               (char *)NULL);
    }
    _exit(77);
}

static void end_peer(Peer *peer) {
    fclose(peer->to);
    fclose(peer->from);
    waitpid(peer->process, NULL, 0);
}

// False when it is not installed.
static bool start_peer(Peer *peer, const char *name, const Row *row) {
    int to[2], from[2];
    *peer = (Peer){0};
    snprintf(peer->name, sizeof peer->name, "%s", name);
    if (pipe(to) || pipe(from)) fail("no pipe", name);
    fflush(stdout);
    peer->process = fork();
    if (peer->process < 0) fail("no process", name);
    if (peer->process == 0) {
        dup2(to[0], 0), dup2(from[1], 1);
        close(to[0]), close(to[1]), close(from[0]), close(from[1]);
        become_peer(name, row);
    }
    close(to[0]), close(from[1]);
    peer->to = fdopen(to[1], "w"), peer->from = fdopen(from[0], "r");
    fcntl(to[1], F_SETFD, FD_CLOEXEC), fcntl(from[0], F_SETFD, FD_CLOEXEC);
    if (fgets(peer->label, sizeof peer->label, peer->from)) {
        peer->label[strcspn(peer->label, "\n")] = 0;
        return true;
    }
    end_peer(peer);
    return false;
}

static double ask_peer(Peer *peer, const char *what, int steps, double rate, double *answers, int count) {
    fprintf(peer->to, "%s %d %.17g\n", what, steps, rate);
    fflush(peer->to);
    for (int i = 0; i < count; i++)
        if (fscanf(peer->from, "%lf", &answers[i]) != 1) fail(peer->name, "gave no answer");
    return answers[0];
}

// Whether a peer makes sense in a row: OpenBLAS has this network only, Brian2 no batches, no Adam and no float, and
// outer products of every sample need memory.
static bool peer_fits(const char *name, const Row *row) {
    bool square = strcmp(row->network, "square") == 0, sgd = strcmp(row->optimiser, "sgd") == 0;
    bool single = strcmp(row->precision, "float") == 0;
    double n = square ? row->width : 53;
    if (strcmp(name, "blas") == 0) return square && sgd && single;
    if (strcmp(name, "brian") == 0) return row->batch == 1 && sgd && n <= 256;
    if (strcmp(name, "outer") == 0) return n * n * row->batch < 1.5e7;
    return true;
}

static bool wide_vectors(void) {
#ifdef __x86_64__
    return __builtin_cpu_supports("avx512f");
#else
    return false;
#endif
}

static void start_peers(Contest *c) {
    char list[128];
    snprintf(list, sizeof list, "%s", c->row.peers);
    for (char *name = strtok(list, ","); name; name = strtok(NULL, ",")) {
        if (!peer_fits(name, &c->row) || c->peer_count + 2 > MOST_PEERS) continue;
        c->peer_count += start_peer(&c->peers[c->peer_count], name, &c->row);
        if (strcmp(name, "blas") == 0 && c->peer_count && wide_vectors())
            c->peer_count += start_peer(&c->peers[c->peer_count], "blas512", &c->row);
    }
}

// ---- The contest ----------------------------------------------------------------------------------------------------

static void check_equal(Contest *c) {
    double own[CONNECTIONS + 1], other[CONNECTIONS + 1];
    int count = c->subject.connections + 1;
    bool single = strcmp(c->row.precision, "float") == 0;
    check_subject(&c->subject, &c->row, own);
    for (int p = 0; p < c->peer_count; p++) {
        ask_peer(&c->peers[p], "check", check_steps(&c->row), check_rate(&c->row), other, count);
        for (int i = 0; i < count; i++) {
            double off = fabs(own[i] - other[i]) / c->subject.scale[i];
            if (getenv("BENCH_VERBOSE")) fprintf(stderr, "%s, matrix %d: %.3g off\n", c->peers[p].name, i, off);
            if (off <= (single ? 1e-4 : 1e-9)) continue;
            fprintf(stderr, "%s computes something else: projection %d is %.9g, not %.9g (%.3g of its size)\n",
                    c->peers[p].name, i, other[i], own[i], off);
            exit(1);
        }
    }
}

static double run_turn(Contest *c, int who, int steps) {
    double answer, start = bench_now();
    if (who >= 2) return ask_peer(&c->peers[who - 2], "run", steps, RATE, &answer, 1);
    for (int i = 0; i < steps; i++)
        if (who == 0)
            lequel_instance_step(c->subject.instance, true);
        else
            bench_in_place(c->matrices, c->matrix_count, 1.0f);
    return bench_now() - start;
}

static void calibrate(Contest *c) {
    double total = 0;
    for (int who = 0; who < c->peer_count + 2; who++) {
        int steps = 1;
        double seconds = run_turn(c, who, 1);
        while ((seconds = run_turn(c, who, steps)) < TURN / 4) steps *= 2;
        c->estimate[who] = seconds / steps;
        c->steps[who] = c->estimate[who] < TURN ? (int)ceil(TURN / c->estimate[who]) : 1;
        total += c->estimate[who] * (c->steps[who] + 1);
    }
    if (c->row.rounds * total > c->row.seconds) c->row.rounds = (int)(c->row.seconds / total);
    if (c->row.rounds < 3) c->row.rounds = 3;
}

static void measure(Contest *c) {
    calibrate(c);
    for (int round = 0; round < c->row.rounds; round++) {
        for (int who = 0; who < c->peer_count + 2; who++) {
            if (c->estimate[who] < TURN) run_turn(c, who, 1); // brings the matrices back into the caches
            c->times[who][round] = run_turn(c, who, c->steps[who]) / c->steps[who];
        }
        c->peak[round] = bench_peak();
    }
}

static void allocate_matrices(Contest *c) {
    for (int k = 0; k < c->subject.connections; k++) {
        LequelArray array = lequel_program_array(c->subject.program, c->subject.matrix[k]);
        c->matrix_count += (size_t)(array.extent[0] * array.extent[1]);
    }
    c->matrices = aligned_alloc(64, (c->matrix_count * sizeof(float) + 63) / 64 * 64);
    if (!c->matrices) fail("out of memory", NULL);
    for (size_t i = 0; i < c->matrix_count; i++) c->matrices[i] = 1;
}

// Multiply-adds of all products of a step, two operations each: forward, backward but for the inputs, and the update.
static double operations(const Contest *c) {
    double sum = 0;
    for (int k = 0; k < c->subject.connections; k++) {
        LequelArray array = lequel_program_array(c->subject.program, c->subject.matrix[k]);
        sum += (k ? 6.0 : 4.0) * (double)(array.extent[0] * array.extent[1]);
    }
    return sum * c->row.batch;
}

// ---- The table ------------------------------------------------------------------------------------------------------

static const char *const columns[][2] = {{"blas", "OpenBLAS"},
                                         {"blas512", "OpenBLAS, SkylakeX"},
                                         {"product", "PyTorch"},
                                         {"outer", "PyTorch, outer products"},
                                         {"brian", "Brian2, double"}};
enum { COLUMNS = sizeof columns / sizeof *columns };

static const char *digits(char *text, size_t room, double us) {
    snprintf(text, room, us < 10 ? "%.2f" : us < 100 ? "%.1f" : "%.0f", us);
    return text;
}

static void print_time(double *times, int rounds) {
    char low[32], median[32], high[32];
    Quartiles q = bench_quartiles(times, rounds);
    printf(" %s (%s–%s)", digits(median, sizeof median, 1e6 * q.median), digits(low, sizeof low, 1e6 * q.low),
           digits(high, sizeof high, 1e6 * q.high));
}

static bool column_wanted(const char *peers, int column) {
    if (strcmp(columns[column][0], "blas512") == 0) return strstr(peers, "blas") && wide_vectors();
    return strstr(peers, columns[column][0]) != NULL;
}

static void print_header(const Row *row) {
    printf("| network | batch | Lequel, us a step | in place | peak |");
    for (int i = 0; i < COLUMNS; i++)
        if (column_wanted(row->peers, i)) printf(" %s |", columns[i][1]);
    printf("\n| --- | --- | --- | --- | --- |");
    for (int i = 0; i < COLUMNS; i++)
        if (column_wanted(row->peers, i)) printf(" --- |");
    printf("\n");
}

static bool below(const Contest *c, const char *peer, double reached, const Floor *floors, int floor_count) {
    bool failed = false;
    for (int i = 0; i < floor_count; i++) {
        if (strcmp(floors[i].peer, peer) != 0 || reached >= floors[i].ratio) continue;
        fprintf(stderr, "BELOW: %s, n = %d, batch %d: %s %.3g, asserted is %g\n", c->row.network, c->row.width,
                c->row.batch, peer, reached, floors[i].ratio);
        failed = true;
    }
    return failed;
}

static bool print_row(Contest *c, const Floor *floors, int floor_count) {
    bool square = strcmp(c->row.network, "square") == 0, failed = false;
    int rounds = c->row.rounds;
    if (square)
        printf("| n = %d | %d |", c->row.width, c->row.batch);
    else
        printf("| MNIST-1D, %s, %s | %d |", c->row.optimiser, c->row.precision, c->row.batch);
    print_time(c->times[0], rounds);
    double own = bench_quartiles(c->times[0], rounds).median, limit = bench_quartiles(c->times[1], rounds).median;
    double peak = bench_quartiles(c->peak, rounds).median;
    if (strcmp(c->row.precision, "double") == 0) peak /= 2, limit *= 2;
    double part = peak > 0 ? 100 * operations(c) / own / peak : 0;
    if (c->row.batch == 1)
        printf(" | %.0f %% |", 100 * limit / own);
    else
        printf(" | |");
    printf(" %.0f %% |", part);
    if (peak > 0) failed |= below(c, "peak", part, floors, floor_count);
    for (int i = 0; i < COLUMNS; i++) {
        if (!column_wanted(c->row.peers, i)) continue;
        for (int p = 0; p < c->peer_count; p++) {
            if (strcmp(c->peers[p].name, columns[i][0]) != 0) continue;
            print_time(c->times[p + 2], rounds);
            double ratio = bench_quartiles(c->times[p + 2], rounds).median / own;
            printf(ratio < 100 ? " **%.2fx**" : " **%.0fx**", ratio);
            failed |= below(c, strcmp(c->peers[p].name, "blas512") == 0 ? "blas" : c->peers[p].name, ratio, floors,
                            floor_count);
        }
        printf(" |");
    }
    printf("\n");
    fflush(stdout);
    return failed;
}

// What ran, once each; what was wanted and isn't there.
static void remember_labels(const Contest *c, char *labels, size_t room) {
    for (int p = 0; p < c->peer_count; p++) {
        if (strstr(labels, c->peers[p].label)) continue;
        size_t used = strlen(labels);
        snprintf(labels + used, room - used, "%s%s", used ? "; " : "", c->peers[p].label);
    }
}

static bool run_row(const Row *row, const Floor *floors, int floor_count, char *labels, size_t room) {
    Contest *c = calloc(1, sizeof *c);
    if (!c) fail("out of memory", NULL);
    c->row = *row;
    start_peers(c);
    open_subject(&c->subject, row, check_rate(row));
    check_equal(c);
    close_subject(&c->subject);
    open_subject(&c->subject, row, RATE);
    start_subject(&c->subject, row->batch);
    allocate_matrices(c);
    measure(c);
    bool failed = print_row(c, floors, floor_count);
    remember_labels(c, labels, room);
    for (int p = 0; p < c->peer_count; p++) end_peer(&c->peers[p]);
    close_subject(&c->subject);
    free(c->matrices);
    free(c);
    return failed;
}

static void tell_missing(const char *peers, const char *labels) {
    if (*labels) printf("\nRan beside Lequel, with equal results: %s.\n", labels);
    if (strstr(peers, "blas") && !strstr(labels, "OpenBLAS")) printf("\nOpenBLAS is not installed: left out.\n");
    if ((strstr(peers, "product") || strstr(peers, "outer")) && !strstr(labels, "PyTorch"))
        printf("\nPyTorch is not installed: left out.\n");
    if (strstr(peers, "brian") && !strstr(labels, "Brian"))
        printf("\nBrian2 is not installed or did not fit: left out.\n");
}

// ---- Command line ---------------------------------------------------------------------------------------------------

static int read_list(const char *text, int *numbers) {
    int count = 0;
    for (char *end; *text && count < LIST; text = *end ? end + 1 : end) {
        numbers[count++] = (int)strtol(text, &end, 10);
        if (end == text || numbers[count - 1] < 1) fail("expected a list of numbers, not", text);
    }
    return count;
}

int main(int argc, char **argv) {
    Row row = {"square", "sgd", "float", "blas,product,outer,brian", 0, 0, 21, 20};
    int widths[LIST] = {53, 64, 256}, batches[LIST] = {1, 32}, width_count = 3, batch_count = 2, floor_count = 0;
    Floor floors[LIST];
    for (int i = 1; i < argc; i++) {
        const char *value = strchr(argv[i], '=');
        if (!value++ || floor_count == LIST) fail("expected NAME=VALUE, not", argv[i]);
        size_t length = (size_t)(value - argv[i]);
        if (strncmp(argv[i], "network=", length) == 0)
            row.network = value;
        else if (strncmp(argv[i], "optimiser=", length) == 0)
            row.optimiser = value;
        else if (strncmp(argv[i], "precision=", length) == 0)
            row.precision = value;
        else if (strncmp(argv[i], "peers=", length) == 0)
            row.peers = value;
        else if (strncmp(argv[i], "widths=", length) == 0)
            width_count = read_list(value, widths);
        else if (strncmp(argv[i], "batches=", length) == 0)
            batch_count = read_list(value, batches);
        else if (strncmp(argv[i], "rounds=", length) == 0)
            row.rounds = atoi(value);
        else if (strncmp(argv[i], "seconds=", length) == 0)
            row.seconds = atof(value);
        else if (strncmp(argv[i], "floor=", length) == 0) {
            if (sscanf(value, "%15[a-z]:%lf", floors[floor_count].peer, &floors[floor_count].ratio) != 2)
                fail("expected floor=PEER:RATIO, not", argv[i]);
            floor_count++;
        } else if (strncmp(argv[i], "peak=", length) == 0)
            floors[floor_count++] = (Floor){"peak", atof(value)};
        else
            fail("unknown", argv[i]);
    }
    if (row.rounds < 3 || row.rounds > MOST_ROUNDS) fail("expected 3 to 1000", "rounds");
    signal(SIGPIPE, SIG_IGN);
    char labels[1024] = "";
    bool failed = false;
    print_header(&row);
    for (int w = 0; w < width_count; w++)
        for (int b = 0; b < batch_count; b++) {
            row.width = widths[w], row.batch = batches[b];
            if ((double)row.width * row.width * row.batch > 1e9) continue; // minutes
            failed |= run_row(&row, floors, floor_count, labels, sizeof labels);
        }
    tell_missing(row.peers, labels);
    return failed;
}
