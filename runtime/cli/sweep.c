// lequel sweep: the same experiment for many parameters and seeds, side by side, with one table of the results.
#define _XOPEN_SOURCE 700
#include "cli.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_AXES = 16, MOST_RUNS = 100000, MOST_JOBS = 256, MOST_NAME = 250 };

typedef enum { PARAMETER, PRINCIPLE, SEED } AxisKind;

// One thing that varies. A parameter may be called `seed`.
typedef struct Axis {
    AxisKind kind;
    char name[64];
    char *values[CLI_MOST];
    int count;
} Axis;

typedef struct Sweep {
    const CliArguments *arguments;
    Axis axes[MOST_AXES];
    int axis_count, runs, jobs;
    const char *out;
    int *states;  // per run
    char *header; // of the score columns; NULL until a run has some
} Sweep;

enum { WAITING, RUNNING, COMPLETE, FAILED, INTERRUPTED };
static const char *const state_names[] = {"waiting", "running", "complete", "failed", "interrupted"};

static volatile sig_atomic_t stopped;
static void stop(int signal) {
    (void)signal;
    stopped = 1;
}

// ---- Axes -----------------------------------------------------------------------------------------------------------

// In the name of a folder.
static char plain_letter(char c) { return isalnum((unsigned char)c) || strchr("=,.+-_()", c) ? c : '_'; }

static Axis *new_axis(Sweep *sweep, AxisKind kind, const char *name, size_t length) {
    if (sweep->axis_count == MOST_AXES || length >= sizeof sweep->axes->name)
        return cli_usage(sweep->arguments, "more than %d things that vary, or too long a name", MOST_AXES), NULL;
    Axis *axis = &sweep->axes[sweep->axis_count++];
    axis->kind = kind;
    memcpy(axis->name, name, length);
    for (Axis *other = sweep->axes; other < axis; other++)
        if (other->kind == kind && strcmp(other->name, axis->name) == 0)
            return cli_usage(sweep->arguments, "`%s` is given values twice", axis->name), NULL;
    return axis;
}

// Would the values name the same folder?
static bool same_folder(const char *a, const char *b) {
    while (*a && plain_letter(*a) == plain_letter(*b)) a++, b++;
    return !*a && !*b;
}

static bool add_value(const Sweep *sweep, Axis *axis, const char *value, size_t length) {
    if (!length || axis->count == CLI_MOST)
        return cli_usage(sweep->arguments, "`%s`: expected 1 to %d values, as in `0.5,1,2`", axis->name, CLI_MOST),
               false;
    char *copy = axis->values[axis->count++] = strndup(value, length);
    for (int i = 0; copy && i < axis->count - 1; i++)
        if (same_folder(axis->values[i], copy))
            return cli_usage(sweep->arguments, "`%s`: the value `%s` stands there twice", axis->name, copy), false;
    return copy != NULL;
}

// "tau=0.5,1,2"
static bool add_parameter(Sweep *sweep, const char *define) {
    const char *equals = strchr(define, '=');
    if (!equals || equals == define)
        return cli_usage(sweep->arguments, "`-D %s`: expected a name, `=` and values, as in `-D tau=0.5,1,2`", define),
               false;
    Axis *axis = new_axis(sweep, PARAMETER, define, (size_t)(equals - define));
    for (const char *c = equals + 1; axis; c++) {
        size_t length = strcspn(c, ",");
        if (!add_value(sweep, axis, c, length)) return false;
        c += length;
        if (!*c) return true;
    }
    return false;
}

// "0..9", "3" or "1,5,8"
static bool add_seeds(Sweep *sweep, const char *text) {
    Axis *axis = new_axis(sweep, SEED, "seed", 4);
    char *end;
    if (!axis) return false;
    for (const char *c = text;; c = end + 1) {
        errno = 0;
        long first = strtol(c, &end, 10), last = first;
        bool good = end > c && isdigit((unsigned char)*c);
        if (good && strncmp(end, "..", 2) == 0) {
            const char *after = end + 2;
            last = strtol(after, &end, 10);
            good = end > after && isdigit((unsigned char)*after);
        }
        if (!good || errno || last < first || last - first >= CLI_MOST || (*end && *end != ','))
            return cli_usage(sweep->arguments, "`--seeds %s`: expected `0..9` or `1,5,8`", text), false;
        for (long after = 0; after <= last - first; after++) {
            char number[24];
            snprintf(number, sizeof number, "%ld", first + after);
            if (!add_value(sweep, axis, number, strlen(number))) return false;
        }
        if (!*end) return true;
    }
}

static bool add_principles(Sweep *sweep) {
    const char *principles[CLI_MOST];
    int count = cli_values(sweep->arguments, "dynamics", principles);
    Axis *axis = count ? new_axis(sweep, PRINCIPLE, "dynamics", 8) : NULL;
    for (int i = 0; axis && i < count; i++)
        if (!add_value(sweep, axis, principles[i], strlen(principles[i]))) return false;
    return !count || axis;
}

// The name of each run, with its messages behind it, is one of a file.
static bool names_fit(const Sweep *sweep) {
    size_t longest = 0;
    for (int i = 0; i < sweep->axis_count; i++) {
        const Axis *axis = &sweep->axes[i];
        size_t most = 0;
        for (int k = 0; k < axis->count; k++) most = strlen(axis->values[k]) > most ? strlen(axis->values[k]) : most;
        longest += strlen(axis->name) + most + 2;
    }
    if (longest <= MOST_NAME) return true;
    return cli_usage(sweep->arguments, "a run's folder would have a name of %zu letters; expected at most %d", longest,
                     MOST_NAME),
           false;
}

static bool read_axes(Sweep *sweep) {
    const char *defines[CLI_MOST], *seeds = cli_value(sweep->arguments, "seeds");
    int count = cli_values(sweep->arguments, "define", defines);
    for (int i = 0; i < count; i++)
        if (!add_parameter(sweep, defines[i])) return false;
    if (!add_principles(sweep) || !add_seeds(sweep, seeds ? seeds : "0")) return false;
    sweep->runs = 1;
    for (int i = 0; i < sweep->axis_count; i++)
        if ((sweep->runs *= sweep->axes[i].count) > MOST_RUNS)
            return cli_usage(sweep->arguments, "more than %d runs", MOST_RUNS), false;
    return names_fit(sweep);
}

static const char *value_of(const Sweep *sweep, int run, int axis) {
    for (int i = sweep->axis_count - 1; i > axis; i--) run /= sweep->axes[i].count;
    return sweep->axes[axis].values[run % sweep->axes[axis].count];
}

// "tau=0.5,seed=3": what tells a run from the others, also as a folder.
static void name_of(const Sweep *sweep, int run, char *name, size_t size) {
    size_t used = 0;
    name[0] = 0;
    for (int i = 0; i < sweep->axis_count && used < size; i++)
        used += (size_t)snprintf(name + used, size - used, "%s%s=%s", used ? "," : "", sweep->axes[i].name,
                                 value_of(sweep, run, i));
    for (char *c = name; *c; c++) *c = plain_letter(*c);
}

// ---- One run --------------------------------------------------------------------------------------------------------

// Options that `lequel run` shares with a sweep are handed on as they are.
static void hand_on(const CliArguments *arguments, CliWords *words) {
    static const char *const names[] = {"epochs",       "duration",      "record",  "every",      "init",
                                        "precision",    "backend",       "network", "experiment", "trap",
                                        "memory-limit", "deterministic", "cache",   "no-cache"};
    for (int i = 0; i < arguments->given_count; i++) {
        const CliOption *option = arguments->given[i].option;
        char name[64];
        for (size_t k = 0; k < sizeof names / sizeof *names; k++)
            if (strcmp(names[k], option->name) == 0) {
                snprintf(name, sizeof name, "--%s%s", option->name, option->value ? "=" : "");
                cli_add_word(words, name, option->value ? arguments->given[i].value : "", "");
            }
    }
}

static int run_one(const Sweep *sweep, int run, const char *folder) {
    CliWords words = {0};
    cli_add_word(&words, "", "lequel", "");
    cli_add_word(&words, "", "run", "");
    for (int i = 0; i < sweep->axis_count; i++) {
        const char *axis = sweep->axes[i].name, *value = value_of(sweep, run, i);
        bool seed = sweep->axes[i].kind == SEED, principle = sweep->axes[i].kind == PRINCIPLE;
        cli_add_word(&words,
                     seed        ? "--seed"
                     : principle ? "--dynamics"
                                 : "--define=",
                     seed || principle ? "=" : axis, seed || principle ? value : "=");
        if (!seed && !principle) {
            char *define = words.items[--words.count];
            cli_add_word(&words, define, value, "");
            free(define);
        }
    }
    hand_on(sweep->arguments, &words);
    cli_add_word(&words, "--out=", folder, "");
    cli_add_word(&words, "", "--resume", "");
    cli_add_word(&words, "", "--quiet", "");
    cli_add_word(&words, "", "--", "");
    cli_add_word(&words, "", sweep->arguments->plain[0], "");
    CliArguments line = {.command = &cli_run, .started = lequel_seconds(), .argc = words.count, .argv = words.items};
    int status = cli_parse(&line) ? cli_run.run(&line) : CLI_USAGE;
    cli_free_words(&words);
    return status;
}

// A process of its own, whose messages go into a file beside its folder. Its number, or -1.
static pid_t start(const Sweep *sweep, int run) {
    char name[512], folder[1024], log[1040];
    name_of(sweep, run, name, sizeof name);
    snprintf(folder, sizeof folder, "%s/%s", sweep->out, name);
    snprintf(log, sizeof log, "%s.log", folder);
    fflush(NULL);
    pid_t child = fork();
    if (child) return child;
    int messages = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (messages >= 0) dup2(messages, STDERR_FILENO), dup2(messages, STDOUT_FILENO);
    int status = run_one(sweep, run, folder);
    fflush(NULL);
    _exit(status);
}

// ---- The table ------------------------------------------------------------------------------------------------------

// Field `column` of a row; NULL behind the last one.
static const char *field_of(const char *row, int column, size_t *length) {
    for (; column > 0; column--) {
        row += strcspn(row, ",\n");
        if (*row++ != ',') return NULL;
    }
    *length = strcspn(row, ",\n");
    return row;
}

// The last row, with the last number that there was where it has none: a score of an earlier stage.
static char *last_numbers(const char *rows) {
    char *bytes = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&bytes, &length);
    if (!out) return NULL;
    for (int column = 0;; column++) {
        const char *best = NULL;
        size_t own, best_length = 0;
        for (const char *row = rows; row; row = strchr(row, '\n') ? strchr(row, '\n') + 1 : NULL) {
            const char *field = field_of(row, column, &own);
            bool nan = field && own == 3 && memcmp(field, "nan", 3) == 0;
            if (field && (!best || !nan)) best = field, best_length = own;
        }
        if (!best) break;
        fprintf(out, "%s%.*s", column ? "," : "", (int)best_length, best);
    }
    fclose(out);
    return bytes;
}

// The header of a run's scores, and the last of each as a row; false when it has none. Both are to be freed.
static bool read_scores(const Sweep *sweep, int run, char **text, char **last) {
    char name[512], path[1040];
    size_t length;
    name_of(sweep, run, name, sizeof name);
    snprintf(path, sizeof path, "%s/%s/scores.csv", sweep->out, name);
    *last = NULL;
    *text = lequel_file_read(path, &length, NULL);
    if (!*text) return false;
    while (length && (*text)[length - 1] == '\n') (*text)[--length] = 0;
    char *end = strchr(*text, '\n');
    if (!end) return false;
    *end = 0;
    *last = last_numbers(end + 1);
    return *last != NULL;
}

static void add_quoted(FILE *out, const char *value) {
    bool plain = !strpbrk(value, ",\"\n");
    if (!plain) fputc('"', out);
    for (; *value; value++) {
        if (*value == '"') fputc('"', out);
        fputc(*value, out);
    }
    if (!plain) fputc('"', out);
}

static void write_rows(Sweep *sweep, FILE *out) {
    for (int run = 0; run < sweep->runs; run++) {
        char *text = NULL, *last = NULL;
        for (int i = 0; i < sweep->axis_count; i++) {
            add_quoted(out, value_of(sweep, run, i));
            fputc(',', out);
        }
        fputs(state_names[sweep->states[run]], out);
        if (sweep->states[run] == COMPLETE && read_scores(sweep, run, &text, &last)) fprintf(out, ",%s", last);
        fputc('\n', out);
        lequel_text_free(text);
        free(last);
    }
}

// sweep.csv: a row per run, with the last row of its scores. Written anew after each run.
static bool write_table(Sweep *sweep) {
    char path[1040], *bytes = NULL, *error = NULL;
    size_t length = 0;
    for (int run = 0; run < sweep->runs && !sweep->header; run++) {
        char *text = NULL, *last = NULL;
        if (sweep->states[run] == COMPLETE && read_scores(sweep, run, &text, &last)) sweep->header = strdup(text);
        lequel_text_free(text);
        free(last);
    }
    FILE *out = open_memstream(&bytes, &length);
    if (!out) return false;
    for (int i = 0; i < sweep->axis_count; i++) fprintf(out, "%s,", sweep->axes[i].name);
    fprintf(out, "status%s%s\n", sweep->header ? "," : "", sweep->header ? sweep->header : "");
    write_rows(sweep, out);
    fclose(out);
    snprintf(path, sizeof path, "%s/sweep.csv", sweep->out);
    bool good = lequel_file_replace(path, bytes, length, &error);
    if (!good) cli_error("%s", error);
    lequel_text_free(error);
    free(bytes);
    return good;
}

// ---- All runs -------------------------------------------------------------------------------------------------------

static void tell(const Sweep *sweep, int run, int done) {
    char name[512], log[1040];
    name_of(sweep, run, name, sizeof name);
    snprintf(log, sizeof log, "%s/%s.log", sweep->out, name);
    struct stat about;
    bool said = stat(log, &about) == 0 && about.st_size > 0;
    if (!said) unlink(log);
    if (cli_has(sweep->arguments, "quiet") && sweep->states[run] == COMPLETE) return;
    FILE *to = sweep->states[run] == COMPLETE ? stdout : stderr;
    fprintf(to, "[%d/%d] %s: %s%s%s\n", done, sweep->runs, name, state_names[sweep->states[run]], said ? ", see " : "",
            said ? log : "");
    fflush(to);
}

// Waits for a run to end; false when there is none.
static bool reap(Sweep *sweep, pid_t *children, int *running, int *done) {
    int status;
    pid_t child = waitpid(-1, &status, 0);
    if (child < 0) return errno == EINTR;
    for (int run = 0; run < sweep->runs; run++) {
        if (children[run] != child) continue;
        int code = WIFEXITED(status) ? WEXITSTATUS(status) : CLI_MISTAKE;
        sweep->states[run] = code == CLI_DONE ? COMPLETE : code == CLI_INTERRUPTED ? INTERRUPTED : FAILED;
        children[run] = 0;
        --*running;
        tell(sweep, run, ++*done);
        write_table(sweep);
    }
    return true;
}

static bool run_all(Sweep *sweep) {
    pid_t *children = calloc((size_t)sweep->runs, sizeof *children);
    int next = 0, running = 0, done = 0;
    bool good = children != NULL;
    while (good && (running || (next < sweep->runs && !stopped))) {
        if (next < sweep->runs && running < sweep->jobs && !stopped) {
            children[next] = start(sweep, next);
            good = children[next] > 0;
            sweep->states[next++] = RUNNING;
            running++;
        } else {
            good = reap(sweep, children, &running, &done);
        }
    }
    free(children);
    if (!good) cli_error("a run cannot be started or waited for");
    return good;
}

static bool make_folder(const char *folder) {
    struct stat about;
    if (mkdir(folder, 0777) == 0) return true;
    bool there = errno == EEXIST && stat(folder, &about) == 0;
    if (there && S_ISDIR(about.st_mode)) return true;
    if (there)
        cli_error("%s: is no folder [E0003]", folder);
    else
        cli_error("%s: cannot be made: %s [E0003]", folder, strerror(errno));
    return false;
}

static int finish(Sweep *sweep) {
    int complete = 0;
    for (int run = 0; run < sweep->runs; run++) complete += sweep->states[run] == COMPLETE;
    if (!cli_has(sweep->arguments, "quiet"))
        printf("%d of %d runs are complete; the table is %s/sweep.csv\n", complete, sweep->runs, sweep->out);
    return stopped ? CLI_INTERRUPTED : complete == sweep->runs ? CLI_DONE : CLI_MISTAKE;
}

static int run_sweep(const CliArguments *arguments) {
    Sweep sweep = {.arguments = arguments, .out = cli_value(arguments, "out")};
    int64_t jobs;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (!sweep.out) return cli_usage(arguments, "a sweep needs a folder: `--out FOLDER`");
    if (strlen(sweep.out) > 400) return cli_usage(arguments, "the folder's name is too long");
    if (!cli_whole(arguments, "jobs", 1, cores > 0 ? cores : 1, &jobs)) return CLI_USAGE;
    sweep.jobs = jobs < MOST_JOBS ? (int)jobs : MOST_JOBS;
    int status = CLI_USAGE;
    if (read_axes(&sweep)) {
        status = CLI_MISTAKE;
        sweep.states = calloc((size_t)sweep.runs, sizeof *sweep.states);
        struct sigaction action = {.sa_handler = stop};
        sigaction(SIGINT, &action, NULL);
        sigaction(SIGTERM, &action, NULL);
        if (sweep.states && make_folder(sweep.out) && run_all(&sweep) && write_table(&sweep)) status = finish(&sweep);
    }
    for (int i = 0; i < sweep.axis_count; i++)
        for (int k = 0; k < sweep.axes[i].count; k++) free(sweep.axes[i].values[k]);
    free(sweep.states);
    free(sweep.header);
    return status;
}

static const CliOption options[] = {
    {"define", 'D', "NAME=VALUES", "values of a parameter, as in tau=0.5,1,2; may be repeated"},
    {"seeds", 0, "SEEDS", "0..9 or 1,5,8 (0)"},
    {"dynamics", 0, "PRINCIPLE", "may be repeated: each is compared with the others"},
    {"jobs", 'j', "N", "runs side by side (the number of processors)"},
    {"out", 'o', "FOLDER", "for sweep.csv and a folder per run; complete runs there are not repeated"},
    {"epochs", 0, "N", "instead of the experiment's"},
    {"duration", 0, "TIME", "of a continuous run"},
    {"record", 0, "NAMES", "record these too"},
    {"every", 0, "N", "steps between these records"},
    {"init", 0, "NAME=FILE", "first values of an array from a data file"},
    {"precision", 0, "float|double", "of the numbers (float)"},
    {"backend", 0, "NAME", "jit, reference or loops"},
    {"network", 0, "NAME", "this network; otherwise the last one of the file"},
    {"experiment", 0, "NAME", "this experiment; otherwise the last one"},
    {"trap", 0, "N", "look for NaN and infinity every N steps"},
    {"memory-limit", 0, "SIZE", "of each run"},
    {"deterministic", 0, NULL, "the same bits on every machine"},
    {"cache", 0, "FOLDER", "of compiled code, which runs that differ in seeds share"},
    {"no-cache", 0, NULL, "each run compiles for itself"},
    {"quiet", 'q', NULL, "say nothing but errors"},
    {0},
};

const CliCommand cli_sweep = {"sweep",
                              "FILE",
                              "run an experiment for many parameters and seeds",
                              "lequel sweep models/mackey_glass.leq -D hidden=0,1 --seeds 0..4 --jobs 2 --out sweep",
                              1,
                              1,
                              options,
                              run_sweep};
