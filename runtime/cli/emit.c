// lequel emit: a compiled model as code for elsewhere.
#include "cli.h"
#include <string.h>

static const char *const precisions[] = {"float", "double", NULL};

static int emit_source(const CliArguments *arguments, LequelModel *model, const LequelEmitOptions *options,
                       const char *folder) {
    char *error;
    LequelEmitSizes sizes;
    if (!lequel_emit_c(model, options, folder, &sizes, &error)) return cli_failed(model, error);
    const char *prefix = options->prefix ? options->prefix : "model", *compiler = cli_value(arguments, "measure");
    int64_t flash = 0;
    if (compiler && !lequel_emit_measure(compiler, folder, prefix, &flash, &error)) return cli_failed(model, error);
    if (cli_has(arguments, "quiet")) return CLI_DONE;
    printf("%s/%s.h and %s.c%s\nmemory: %lld bytes; constants: %lld bytes\n", folder, prefix, prefix,
           options->driver ? ", with a driver, a Makefile, a CMakeLists.txt and a README.md" : "",
           (long long)sizes.state, (long long)sizes.constants);
    if (compiler)
        printf("flash: %lld bytes of code and constants; memory: %lld bytes of struct\n", (long long)flash,
               (long long)sizes.state);
    return CLI_DONE;
}

static int emit_c(const CliArguments *arguments, LequelModel *model, const char *precision, int64_t batch) {
    const char *inits[CLI_MOST], *records[CLI_MOST];
    LequelEmitOptions options = {.prefix = cli_value(arguments, "name"),
                                 .single = precision && strcmp(precision, "float") == 0,
                                 .deterministic = cli_has(arguments, "deterministic"),
                                 .inference = cli_has(arguments, "inference"),
                                 .simd = cli_has(arguments, "simd"),
                                 .fixed = cli_value(arguments, "fixed"),
                                 .driver = cli_has(arguments, "main"),
                                 .batch = batch,
                                 .weights = cli_value(arguments, "weights"),
                                 .states = cli_has(arguments, "states"),
                                 .inits = inits,
                                 .records = records};
    options.init_count = (uint32_t)cli_values(arguments, "init", inits);
    options.record_count = (uint32_t)cli_values(arguments, "record", records);
    return emit_source(arguments, model, &options, cli_value(arguments, "output"));
}

static int emit_other(const CliArguments *arguments, LequelModel *model, const char *what, const char *precision) {
    const char *records[CLI_MOST], *output = cli_value(arguments, "output");
    LequelProgramOptions options = {.single = precision && strcmp(precision, "float") == 0,
                                    .deterministic = cli_has(arguments, "deterministic"),
                                    .backend = "loops", // nothing is to run here
                                    .records = records};
    options.record_count = (uint32_t)cli_values(arguments, "record", records);
    char *error;
    LequelProgram *program = lequel_program_new(model, &options, &error);
    if (!program) return cli_failed(model, error);
    size_t length;
    char *code = lequel_program_code(program, what, cli_value(arguments, "cpu"), &length, &error);
    bool good = code != NULL;
    if (good && output)
        good = lequel_file_replace(output, code, length, &error);
    else if (good)
        fwrite(code, 1, length, stdout);
    int status = good ? CLI_DONE : cli_failed(model, error);
    lequel_text_free(code);
    lequel_program_free(program);
    return status;
}

// Options that only one of the forms has.
static bool options_fit(const CliArguments *arguments, const char *what) {
    static const char *const of_c[] = {"main",  "name",    "batch", "inference", "simd",
                                       "fixed", "weights", "init",  "measure",   "states"};
    bool is_c = strcmp(what, "c") == 0;
    for (size_t i = 0; !is_c && i < sizeof of_c / sizeof *of_c; i++)
        if (cli_has(arguments, of_c[i]))
            return cli_usage(arguments, "`--%s` goes with `lequel emit c`", of_c[i]), false;
    if (cli_has(arguments, "fixed") && (cli_has(arguments, "simd") || cli_has(arguments, "precision")))
        return cli_usage(arguments, "`--fixed` goes with neither `--simd` nor `--precision`"), false;
    if (cli_has(arguments, "states") && !cli_has(arguments, "weights"))
        return cli_usage(arguments, "`--states` goes with `--weights RUN`"), false;
    if (is_c && cli_has(arguments, "cpu"))
        return cli_usage(arguments, "`--cpu` goes with `lequel emit llvm`, `asm` and `obj`"), false;
    if (!cli_has(arguments, "output") && (is_c || strcmp(what, "obj") == 0))
        return cli_usage(arguments, "`lequel emit %s` needs %s", what,
                         is_c ? "a folder: `-o FOLDER`" : "a file: `-o FILE`"),
               false;
    return true;
}

static int run_emit(const CliArguments *arguments) {
    static const char *const forms[] = {"c", "llvm", "asm", "obj", "header", NULL};
    const char *what = arguments->plain[0], *precision;
    int64_t batch;
    int form = 0;
    while (forms[form] && strcmp(forms[form], what) != 0) form++;
    if (!forms[form]) return cli_usage(arguments, "`lequel emit %s`: expected c, llvm, asm, obj or header", what);
    if (!options_fit(arguments, what)) return CLI_USAGE;
    if (!cli_one_of(arguments, "precision", precisions, &precision)) return CLI_USAGE;
    if (!cli_whole(arguments, "batch", 1, 1, &batch)) return CLI_USAGE;
    LequelModel *model = cli_open_model(arguments, arguments->plain[1]);
    if (!model) return CLI_MISTAKE;
    int status = form == 0 ? emit_c(arguments, model, precision, batch) : emit_other(arguments, model, what, precision);
    lequel_model_free(model);
    return status;
}

static const CliOption options[] = {
    {"output", 'o', "PATH", "a folder for C, a file for the others (standard output)"},
    {"main", 0, NULL, "a driver, Makefile, CMakeLists.txt and README.md as well"},
    {"name", 0, "NAME", "of files, functions and types (model)"},
    {"precision", 0, "float|double", "of the numbers (double)"},
    {"batch", 0, "N", "samples that are computed together (1)"},
    {"inference", 0, NULL, "without errors and learning"},
    {"simd", 0, NULL, "with the vector extensions of GNU C"},
    {"fixed", 0, "Qm.n", "fixed-point numbers of 32 bits, n of them behind the point"},
    {"weights", 0, "RUN", "write the final weights of the run in this folder as constants"},
    {"states", 0, NULL, "and its states, so that the model goes on from there; the run needs --save-states"},
    {"init", 0, "NAME=FILE", "write first values of an array from a data file as constants"},
    {"record", 0, "NAMES", "keep these signals, too; `lequel inspect` lists the names"},
    {"deterministic", 0, NULL, "the same bits as `lequel run --deterministic`, on every machine"},
    {"measure", 0, "COMPILER", "compile the C with this command and say how much flash and memory it takes"},
    {"cpu", 0, "NAME", "of llvm, asm and obj: a processor as LLVM calls it (native: this one)"},
    {"define", 'D', "NAME=VALUE", "another value for a parameter of the network"},
    {"network", 0, "NAME", "this network; otherwise the last one of the file"},
    {"experiment", 0, "NAME", "keep what this experiment records; otherwise the last one"},
    {"dynamics", 0, "PRINCIPLE", "another principle than the file's, as in \"vle(gain = power, average = 9)\""},
    {"quiet", 'q', NULL, "say nothing but errors"},
    {0},
};

const CliCommand cli_emit = {"emit",
                             "c|llvm|asm|obj|header FILE",
                             "write a model as C that can be read, or as code for elsewhere",
                             "lequel emit c models/lagline.leq -o lagline --main",
                             2,
                             2,
                             options,
                             run_emit};
