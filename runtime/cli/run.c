// lequel run: compiles a model and runs its experiment.
#define _POSIX_C_SOURCE 200809L
#include "cli.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const precisions[] = {"float", "double", NULL};
static const char *const backends[] = {"jit", "reference", "loops", NULL};
static const char *const dumps[] = {"ast", "model", "energy", "equations", "step", "loops", "llvm", "asm", NULL};

enum { MOST_THREADS = 256 };

typedef struct RunLine { // what the command line says
    const char *precision, *backend, *dump, *duration, *out, *cache;
    int64_t seed, epochs, every, threads;
    const char *records[CLI_MOST], *inits[CLI_MOST];
    int record_count, init_count;
    double checkpoint_seconds, memory_limit;
    int64_t checkpoint_steps, trap;
    char folder[512];
    bool deterministic, debug;
} RunLine;

// lequel-out/NAME for models/NAME.leq.
static void default_folder(const char *path, char *folder, size_t size) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *dot = strrchr(name, '.');
    int length = dot && dot > name ? (int)(dot - name) : (int)strlen(name);
    snprintf(folder, size, "lequel-out/%.*s", length, name);
}

// "30 s", "5 min", "2 h", "1000 steps", "never".
static bool read_interval(const CliArguments *arguments, RunLine *line) {
    static const struct {
        const char *unit;
        double seconds; // 0: steps
    } units[] = {{"s", 1}, {"min", 60}, {"h", 3600}, {"steps", 0}};
    const char *text = cli_value(arguments, "checkpoint-every");
    if (!text) return true;
    if (strcmp(text, "never") == 0) return line->checkpoint_seconds = -1, true;
    char *end;
    double number = strtod(text, &end);
    while (*end == ' ') end++;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(end, units[i].unit) != 0 || !(number > 0 && number < 1e9)) continue;
        line->checkpoint_seconds = units[i].seconds * number;
        if (units[i].seconds == 0) line->checkpoint_steps = (int64_t)number;
        if (units[i].seconds > 0 || line->checkpoint_steps >= 1) return true;
    }
    cli_usage(arguments, "`--checkpoint-every %s`: expected `30 s`, `5 min`, `2 h`, `1000 steps` or `never`", text);
    return false;
}

static bool read_trap(const CliArguments *arguments, RunLine *line) {
    const char *text = cli_value(arguments, "trap");
    if (text && strcmp(text, "never") == 0) return line->trap = -1, true;
    return cli_whole(arguments, "trap", 1, 0, &line->trap);
}

// "8G", "500 MB", "2 GiB": K, M, G, T are powers of 1024 unless `B` follows.
static bool read_memory(const CliArguments *arguments, RunLine *line) {
    static const char letters[] = "kKmMgGtT";
    const char *text = cli_value(arguments, "memory-limit");
    if (!text) return true;
    char *end;
    double bytes = strtod(text, &end);
    while (*end == ' ') end++;
    const char *letter = *end ? strchr(letters, *end) : NULL;
    if (letter) {
        double base = strcmp(end + 1, "B") == 0 ? 1000 : 1024;
        bool known = !end[1] || strcmp(end + 1, "B") == 0 || strcmp(end + 1, "iB") == 0;
        for (int i = 0; i <= (letter - letters) / 2; i++) bytes *= base;
        end += known ? strlen(end) : 0;
    }
    if (!*end && bytes >= 1 && bytes < 1e18) return line->memory_limit = bytes, true;
    cli_usage(arguments, "`--memory-limit %s`: expected an amount like `8G` or `500 MB`", text);
    return false;
}

static bool read_line(const CliArguments *arguments, RunLine *line) {
    if (!cli_one_of(arguments, "precision", precisions, &line->precision)) return false;
    if (!cli_one_of(arguments, "backend", backends, &line->backend)) return false;
    if (!cli_one_of(arguments, "dump", dumps, &line->dump)) return false;
    if (!cli_whole(arguments, "seed", 0, 0, &line->seed)) return false;
    if (!cli_whole(arguments, "epochs", 0, -1, &line->epochs)) return false;
    if (!cli_whole(arguments, "every", 1, 0, &line->every)) return false;
    if (!cli_whole(arguments, "threads", 1, 1, &line->threads)) return false;
    if (line->threads > MOST_THREADS) return cli_usage(arguments, "`--threads` takes at most 256"), false;
    line->record_count = cli_values(arguments, "record", line->records);
    line->init_count = cli_values(arguments, "init", line->inits);
    line->duration = cli_value(arguments, "duration");
    line->deterministic = cli_has(arguments, "deterministic");
    line->debug = cli_has(arguments, "debug-info");
    line->cache = cli_cache(arguments);
    if (cli_has(arguments, "json") && !cli_has(arguments, "time-passes"))
        return cli_usage(arguments, "`--json` goes with `--time-passes`"), false;
    if (!read_interval(arguments, line) || !read_trap(arguments, line) || !read_memory(arguments, line)) return false;
    if (line->every && !line->record_count) return cli_usage(arguments, "`--every` goes with `--record`"), false;
    line->out = cli_value(arguments, "out");
    default_folder(arguments->plain[0], line->folder, sizeof line->folder);
    if (!line->out) line->out = line->folder;
    return true;
}

// The command line as it could be typed again.
static char *join_command(const CliArguments *arguments) {
    size_t size = 1;
    for (int i = 0; i < arguments->argc; i++) size += 4 * strlen(arguments->argv[i]) + 3;
    char *joined = malloc(size), *c = joined;
    if (!joined) return NULL;
    for (int i = 0; i < arguments->argc; i++) {
        const char *word = i ? arguments->argv[i] : "lequel"; // where it was installed is of no interest
        bool plain =
            *word && !word[strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=.,:/@%")];
        if (i) *c++ = ' ';
        if (!plain) *c++ = '\'';
        for (; *word; word++) {
            if (*word == '\'') {
                memcpy(c, "'\\'", 3);
                c += 3;
            }
            *c++ = *word;
        }
        if (!plain) *c++ = '\'';
    }
    *c = 0;
    return joined;
}

static LequelProgram *compile(LequelModel *model, const RunLine *line, char **error) {
    bool generates = !line->dump || strcmp(line->dump, "llvm") == 0 || strcmp(line->dump, "asm") == 0;
    bool reference = line->backend && strcmp(line->backend, "reference") == 0; // knows double only
    LequelProgramOptions options = {.single = line->precision ? strcmp(line->precision, "float") == 0 : !reference,
                                    .backend = generates ? line->backend : "loops",
                                    .deterministic = line->deterministic,
                                    .debug = line->debug,
                                    .records = line->records,
                                    .record_count = (uint32_t)line->record_count,
                                    .dump = line->dump,
                                    .cache = line->cache,
                                    .background = true,
                                    .threads = (uint32_t)line->threads};
    return lequel_program_new(model, &options, error);
}

static int report_run(const RunLine *line, const LequelRunReport *report, bool quiet) {
    double speed = report->seconds > 0 ? (double)report->steps / report->seconds : 0;
    if (report->was_complete) {
        if (!quiet) printf("%s holds the complete results of this run; nothing is left to do\n", line->out);
        return CLI_DONE;
    }
    if (report->interrupted)
        fprintf(stderr, "interrupted after %lld steps; what was done is in %s, and %s\n", (long long)report->steps,
                line->out, line->checkpoint_seconds < 0 ? "no checkpoint" : "`--resume` goes on from there");
    else if (!quiet)
        printf("%lld steps in %.2f s (%.3g steps/s); %u files in %s\n", (long long)report->steps, report->seconds,
               speed, report->files, line->out);
    return report->interrupted ? CLI_INTERRUPTED : CLI_DONE;
}

static int run_once(const CliArguments *arguments, const LequelModel *model, LequelProgram *program,
                    const RunLine *line) {
    bool quiet = cli_has(arguments, "quiet");
    LequelRunOptions options = LEQUEL_RUN_INIT;
    char *error = NULL, *command = join_command(arguments);
    options.seed = (uint64_t)line->seed;
    options.epochs = line->epochs;
    options.out = line->out;
    options.records = line->records;
    options.record_count = (uint32_t)line->record_count;
    options.every = line->every;
    options.inits = line->inits;
    options.init_count = (uint32_t)line->init_count;
    options.progress = quiet ? NULL : stdout;
    options.terminal = isatty(STDOUT_FILENO);
    options.catch_signals = true;
    options.started = arguments->started;
    options.command = command;
    options.arguments = (const char *const *)arguments->argv + 1;
    options.argument_count = (uint32_t)arguments->argc - 1;
    options.save_states = cli_has(arguments, "save-states");
    options.resume = cli_has(arguments, "resume");
    options.checkpoint_seconds = line->checkpoint_seconds;
    options.checkpoint_steps = line->checkpoint_steps;
    options.trap = line->trap;
    options.memory_limit = line->memory_limit;
    LequelRunReport report;
    bool good = true;
    if (line->duration) good = (options.steps = lequel_model_steps(model, line->duration, &error)) >= 0;
    if (good) good = lequel_run(program, &options, &report, &error);
    free(command);
    if (!good) return cli_failed(model, error);
    int status = report_run(line, &report, quiet);
    if (cli_has(arguments, "time-passes")) cli_print_times(program, &report, cli_has(arguments, "json"));
    return status;
}

// The same once more, into a folder that only stays when something differs.
static int run_again(const CliArguments *arguments, const LequelModel *model, LequelProgram *program,
                     const RunLine *line) {
    RunLine again = *line;
    char folder[4096];
    snprintf(folder, sizeof folder, "%s.again", line->out);
    if (access(folder, F_OK) == 0) {
        cli_error("--deterministic-check needs the folder `%s`, which exists already", folder);
        return CLI_MISTAKE;
    }
    again.out = folder;
    int status = run_once(arguments, model, program, &again);
    if (status == CLI_DONE) status = cli_compare(line->out, folder, cli_has(arguments, "quiet"));
    if (status == CLI_DONE) lequel_results_remove(folder);
    return status;
}

static int run_program(const CliArguments *arguments, const LequelModel *model, LequelProgram *program,
                       const RunLine *line) {
    int status = run_once(arguments, model, program, line);
    bool twice = status == CLI_DONE && cli_has(arguments, "deterministic-check");
    return twice ? run_again(arguments, model, program, line) : status;
}

static int dump_model(const LequelModel *model, const char *what) {
    char *text = lequel_model_dump(model, what);
    if (text) fputs(text, stdout);
    lequel_text_free(text);
    return text ? CLI_DONE : CLI_MISTAKE;
}

static int run_model(const CliArguments *arguments, LequelModel *model, const RunLine *line) {
    if (line->dump && (strcmp(line->dump, "ast") == 0 || strcmp(line->dump, "model") == 0))
        return dump_model(model, line->dump);
    if (!line->dump && !lequel_model_has_experiment(model)) {
        cli_error("%s has no experiment to run", arguments->plain[0]);
        return CLI_MISTAKE;
    }
    char *error;
    uint32_t reports = lequel_model_report_count(model);
    LequelProgram *program = compile(model, line, &error);
    if (!program) return cli_failed(model, error);
    if (lequel_model_report_count(model) > reports) cli_print_diagnostics(model); // the derivation has warned
    int status = CLI_DONE;
    if (line->dump)
        fputs(lequel_program_dump(program), stdout);
    else
        status = run_program(arguments, model, program, line);
    lequel_program_free(program);
    return status;
}

static int run_run(const CliArguments *arguments) {
    RunLine line = {0};
    if (!read_line(arguments, &line)) return CLI_USAGE;
    LequelModel *model = cli_open_model(arguments, arguments->plain[0]);
    if (!model) return CLI_MISTAKE;
    int status = run_model(arguments, model, &line);
    lequel_model_free(model);
    return status;
}

static const CliOption options[] = {
    {"define", 'D', "NAME=VALUE", "another value for a parameter of the network"},
    {"seed", 0, "N", "of all random numbers (0)"},
    {"epochs", 0, "N", "instead of the experiment's"},
    {"duration", 0, "TIME", "of a continuous run: 4050, \"4 ms\" or \"100 steps\""},
    {"out", 'o', "FOLDER", "for results (lequel-out/MODEL)"},
    {"record", 0, "NAMES", "record these too; `lequel inspect` lists the names"},
    {"every", 0, "N", "steps between these records (each presentation or step)"},
    {"init", 0, "NAME=FILE", "first values of an array from a data file"},
    {"save-states", 0, NULL, "leave states as well as weights in final/, for `lequel emit c --states`"},
    {"checkpoint-every", 0, "TIME",
     "what a killed run loses at most: \"30 s\", \"5 min\", \"500 steps\", never (60 s)"},
    {"resume", 0, NULL, "go on from the checkpoint in the folder; begin anew when there is none"},
    {"trap", 0, "N", "look for NaN and infinity every N steps (1000); 1 tells where the first arose; never"},
    {"memory-limit", 0, "SIZE", "refuse a run that needs more: 8G, \"500 MB\" (what the machine has)"},
    {"deterministic-check", 0, NULL, "run twice and compare all files, bit for bit"},
    {"precision", 0, "float|double", "of the numbers (float; the reference back end: double)"},
    {"backend", 0, "NAME", "jit, or reference or loops, which are slow"},
    {"deterministic", 0, NULL, "the same bits on every machine, and from emitted C"},
    {"debug-info", 0, NULL, "let gdb see lines of the model and arrays by name"},
    {"network", 0, "NAME", "this network; otherwise the last one of the file"},
    {"experiment", 0, "NAME", "this experiment; otherwise the last one"},
    {"dynamics", 0, "PRINCIPLE", "another principle than the file's, as in \"vle(gain = power, average = 9)\""},
    {"dump", 0, "WHAT", "print ast, model, energy, equations, step, loops, llvm or asm, and stop"},
    {"threads", 0, "N", "that long steps may use together: the same results sooner (1)"},
    {"cache", 0, "FOLDER", "of compiled code (LEQUEL_CACHE, or lequel in the user's cache)"},
    {"no-cache", 0, NULL, "compile anew and keep no code"},
    {"time-passes", 0, NULL, "say on standard error how long each part took up to the first step"},
    {"json", 0, NULL, "that as JSON"},
    {"quiet", 'q', NULL, "say nothing but errors"},
    {0},
};

const CliCommand cli_run = {"run",
                            "FILE",
                            "compile a model and run its experiment",
                            "lequel run models/mnist1d.leq -D slow=60 --epochs 5 --out results",
                            1,
                            1,
                            options,
                            run_run};
