// lequel emit: a compiled model as code for elsewhere.
#include "cli.h"
#include <string.h>

static const char *const precisions[] = {"float", "double", NULL};

static int emit_source(const CliArguments *arguments, LequelModel *model, const LequelEmitOptions *options,
                       const char *folder) {
    char *error;
    int64_t bytes = 0;
    if (!lequel_emit_c(model, options, folder, &bytes, &error)) return cli_failed(model, error);
    if (cli_has(arguments, "quiet")) return CLI_DONE;
    const char *prefix = options->prefix ? options->prefix : "model";
    printf("%s/%s.h and %s.c%s; arrays take %lld bytes\n", folder, prefix, prefix,
           options->driver ? ", with a driver, a Makefile, a CMakeLists.txt and a README.md" : "", (long long)bytes);
    return CLI_DONE;
}

static int run_emit(const CliArguments *arguments) {
    const char *what = arguments->plain[0], *precision, *folder = cli_value(arguments, "output");
    const char *inits[CLI_MOST], *records[CLI_MOST];
    int64_t batch;
    if (strcmp(what, "c") != 0) return cli_usage(arguments, "`lequel emit %s`: expected c", what);
    if (!cli_one_of(arguments, "precision", precisions, &precision)) return CLI_USAGE;
    if (!cli_whole(arguments, "batch", 1, 1, &batch)) return CLI_USAGE;
    if (!folder) return cli_usage(arguments, "`lequel emit c` needs a folder: `-o FOLDER`");
    LequelEmitOptions options = {.prefix = cli_value(arguments, "name"),
                                 .single = precision && strcmp(precision, "float") == 0,
                                 .deterministic = cli_has(arguments, "deterministic"),
                                 .inference = cli_has(arguments, "inference"),
                                 .driver = cli_has(arguments, "main"),
                                 .batch = batch,
                                 .weights = cli_value(arguments, "weights"),
                                 .inits = inits,
                                 .records = records};
    options.init_count = (uint32_t)cli_values(arguments, "init", inits);
    options.record_count = (uint32_t)cli_values(arguments, "record", records);
    LequelModel *model = cli_open_model(arguments, arguments->plain[1]);
    if (!model) return CLI_MISTAKE;
    int status = emit_source(arguments, model, &options, folder);
    lequel_model_free(model);
    return status;
}

static const CliOption options[] = {
    {"output", 'o', "FOLDER", "for the files"},
    {"main", 0, NULL, "a driver, Makefile, CMakeLists.txt and README.md as well"},
    {"name", 0, "NAME", "of files, functions and types (model)"},
    {"precision", 0, "float|double", "of the numbers (double)"},
    {"batch", 0, "N", "samples that are computed together (1)"},
    {"inference", 0, NULL, "without errors and learning"},
    {"weights", 0, "RUN", "write the final weights of the run in this folder as constants"},
    {"init", 0, "NAME=FILE", "write first values of an array from a data file as constants"},
    {"record", 0, "NAMES", "keep these signals, too; `lequel inspect` lists the names"},
    {"deterministic", 0, NULL, "the same bits as `lequel run --deterministic`, on every machine"},
    {"define", 'D', "NAME=VALUE", "another value for a parameter of the network"},
    {"network", 0, "NAME", "this network; otherwise the last one of the file"},
    {"experiment", 0, "NAME", "keep what this experiment records; otherwise the last one"},
    {"dynamics", 0, "PRINCIPLE", "another principle than the file's: instant, le, gle"},
    {"quiet", 'q', NULL, "say nothing but errors"},
    {0},
};

const CliCommand cli_emit = {"emit",
                             "c FILE",
                             "write a model as C for any compiler and any machine",
                             "lequel emit c models/lagline.leq -o lagline --main",
                             2,
                             2,
                             options,
                             run_emit};
