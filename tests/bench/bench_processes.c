// What whole processes take, as tables in Markdown, medians with quartiles over rounds in which all take turns:
//   bench_processes PATH-OF-LEQUEL [ROUNDS]
// Sequences: `lequel run` of tests/bench/sequence.leq under gle and bptt, whose time and peak memory are told above
// those of a run of one step. Compilation: from the text to machine code, in a process that has done nothing yet.
// Start: each command of `lequel` on a small model. All times are processor time, of user and system together.
#include "../../runtime/lequel.h"
#include "measure.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_ROUNDS = 101, WORDS = 16, LENGTHS = 5, DEPTHS = 3, LEAST_STEPS = 20000 };

static const char bench_folder[] = LEQUEL_SOURCE_DIR "/tests/bench";
static const char *lequel;
static int rounds = 7;
static char work[] = "/tmp/bench_processes.XXXXXX";

typedef struct Cost {
    double seconds, mebibytes;
} Cost;

static _Noreturn void fail(const char *what, const char *why) {
    fprintf(stderr, "bench_processes: %s: %s\n", what, why ? why : "");
    exit(1);
}

static Cost wait_for(pid_t process, const char *what) {
    struct rusage used;
    int status;
    if (process < 0 || wait4(process, &status, 0, &used) < 0 || status != 0) fail("this failed", what);
    double seconds = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                     1e-6 * (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
    return (Cost){seconds, (double)used.ru_maxrss / 1024};
}

// Runs `lequel` with these words in the folder of work.
static Cost run_lequel(const char *const *words) {
    fflush(stdout);
    pid_t process = fork();
    if (process == 0) {
        const char *line[WORDS] = {lequel};
        for (int i = 0; words[i] && i + 2 < WORDS; i++) line[i + 1] = words[i];
        int nowhere = open("/dev/null", O_WRONLY);
        dup2(nowhere, 1);
        if (chdir(work) == 0) execv(lequel, (char *const *)line);
        _exit(127);
    }
    return wait_for(process, words[0]);
}

static void remove_work(const char *part) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s%s'", work, part);
    if (system(command) != 0) fail("this failed", command);
}

static void print_milliseconds(double *seconds) {
    Quartiles q = bench_quartiles(seconds, rounds);
    printf(" %.1f (%.1f–%.1f) |", 1e3 * q.median, 1e3 * q.low, 1e3 * q.high);
}

// ---- Sequences ------------------------------------------------------------------------------------------------------

static const int lengths[LENGTHS] = {1, 100, 1000, 10000, 100000}; // a run of one step is taken off the others

// Sequences of so many steps, one after the other where they are short. GLE knows nothing of where one ends.
static Cost run_sequences(bool bptt, int steps) {
    char duration[32], principle[64], path[1024];
    int all = steps == 1 || steps > LEAST_STEPS ? steps : LEAST_STEPS;
    snprintf(duration, sizeof duration, "%d steps", all);
    snprintf(principle, sizeof principle, bptt ? "bptt(window = %.1f)" : "gle(gamma = 0)", 0.2 * steps);
    snprintf(path, sizeof path, "%s/sequence.leq", bench_folder);
    const char *const words[] = {"run", "--dynamics", principle, "--duration", duration, "-q", "-o", "out", path, NULL};
    Cost cost = run_lequel(words);
    return (Cost){cost.seconds / all, cost.mebibytes};
}

static void measure_sequences(void) {
    static double seconds[2][LENGTHS][MOST_ROUNDS], memory[2][LENGTHS][MOST_ROUNDS];
    for (int round = 0; round < rounds; round++)
        for (int t = 0; t < LENGTHS; t++)
            for (int bptt = 0; bptt < 2; bptt++) {
                Cost cost = run_sequences(bptt, lengths[t]);
                seconds[bptt][t][round] = cost.seconds, memory[bptt][t][round] = cost.mebibytes;
            }
    printf("| steps | gle, us a step | gle, MiB | bptt, us a step | bptt, MiB |\n| --- | --- | --- | --- | --- |\n");
    Quartiles start[2], empty[2];
    for (int t = 0; t < LENGTHS; t++) {
        if (t) printf("| %d |", lengths[t]);
        for (int p = 0; p < 2; p++) {
            Quartiles time = bench_quartiles(seconds[p][t], rounds), space = bench_quartiles(memory[p][t], rounds);
            if (t == 0) start[p] = time, empty[p] = space;
            if (t == 0) continue;
            double off = start[p].median / (lengths[t] > LEAST_STEPS ? lengths[t] : LEAST_STEPS);
            printf(" %.2f (%.2f–%.2f) | %.1f |", 1e6 * (time.median - off), 1e6 * (time.low - off),
                   1e6 * (time.high - off), space.median - empty[p].median);
        }
        if (t) printf("\n");
    }
    printf("\n");
}

// ---- Compilation ----------------------------------------------------------------------------------------------------

static double compile(int depth) {
    char define[32], path[1024], *error;
    snprintf(define, sizeof define, "depth=%d", depth);
    snprintf(path, sizeof path, "%s/gle.leq", bench_folder);
    const char *const defines[] = {define};
    double start = bench_now();
    LequelModel *model = lequel_model_open(path, &(LequelModelOptions){.defines = defines, .define_count = 1});
    if (!lequel_model_good(model)) fail(path, lequel_model_diagnostics(model, LEQUEL_PLAIN));
    LequelProgram *program = lequel_program_new(model, &(LequelProgramOptions){.single = true}, &error);
    if (!program) fail(path, error);
    return bench_now() - start;
}

static double compile_elsewhere(int depth) {
    int ends[2];
    double seconds;
    if (pipe(ends)) fail("no pipe", NULL);
    fflush(stdout);
    pid_t process = fork();
    if (process == 0) {
        seconds = compile(depth);
        _exit(write(ends[1], &seconds, sizeof seconds) != sizeof seconds);
    }
    close(ends[1]);
    if (read(ends[0], &seconds, sizeof seconds) != sizeof seconds) fail("no answer", "compilation");
    close(ends[0]);
    wait_for(process, "compilation");
    return seconds;
}

static void measure_compilation(void) {
    static const int depths[DEPTHS] = {3, 10, 50};
    static double seconds[DEPTHS][MOST_ROUNDS];
    for (int round = 0; round < rounds; round++)
        for (int d = 0; d < DEPTHS; d++) seconds[d][round] = compile_elsewhere(depths[d]);
    printf("| layers | from the text to machine code, ms |\n| --- | --- |\n");
    for (int d = 0; d < DEPTHS; d++) {
        printf("| %d |", depths[d]);
        print_milliseconds(seconds[d]);
        printf("\n");
    }
    printf("\n");
}

// ---- Commands -------------------------------------------------------------------------------------------------------

static void measure_commands(void) {
    static char model[1024];
    snprintf(model, sizeof model, "%s/sequence.leq", bench_folder);
    const char *const commands[][WORDS] = {
        {"--version"},
        {"explain", "E0201"},
        {"check", model},
        {"fmt", "--check", model},
        {"derive", model},
        {"inspect", model},
        {"analyze", "-D", "n=4", model},
        {"emit", "c", model, "-o", "emitted"},
        {"run", "--duration", "1 steps", "-q", "-o", "out", model},
        {"gradcheck", "-D", "n=4", "--window", "4", model},
        {"plot", "out"},
        {"rerun", "out"},
        {"sweep", "-j", "1", "-D", "rate=1e-5,1e-6", "--duration", "1 steps", "-o", "swept", model},
    };
    enum { COMMANDS = sizeof commands / sizeof *commands };
    static double seconds[COMMANDS][MOST_ROUNDS];
    for (int round = 0; round < rounds; round++)
        for (int i = 0; i < COMMANDS; i++) {
            if (strcmp(commands[i][0], "sweep") == 0) remove_work("/swept"); // it would find everything done
            seconds[i][round] = run_lequel(commands[i]).seconds;
        }
    printf("| command | ms |\n| --- | --- |\n");
    for (int i = 0; i < COMMANDS; i++) {
        printf("| `lequel");
        for (const char *const *word = commands[i]; *word; word++) {
            const char *name = strrchr(*word, '/');
            printf(strchr(*word, ' ') ? " \"%s\"" : " %s", name ? name + 1 : *word);
        }
        printf("` |");
        print_milliseconds(seconds[i]);
        printf("\n");
    }
}

int main(int argc, char **argv) {
    if (argc < 2) fail("expected", "PATH-OF-LEQUEL [ROUNDS]");
    lequel = argv[1];
    if (argc > 2) rounds = atoi(argv[2]);
    if (rounds < 1 || rounds > MOST_ROUNDS) fail("expected 1 to 101 rounds, not", argv[2]);
    if (!mkdtemp(work)) fail("no folder can be made", work);
    measure_sequences();
    measure_compilation();
    measure_commands();
    remove_work("");
    return 0;
}
