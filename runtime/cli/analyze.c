// lequel analyze: frequency responses, stability and what is known to go wrong.
#include "cli.h"
#include <stdlib.h>
#include <string.h>

enum { MOST_OMEGAS = 8 };

// The locale is that of C, so strtod reads a point.
static bool read_omegas(const CliArguments *arguments, double *omegas, int *count) {
    const char *values[CLI_MOST];
    *count = cli_values(arguments, "omega", values);
    if (*count > MOST_OMEGAS) return cli_usage(arguments, "at most %d times `--omega`", MOST_OMEGAS), false;
    for (int i = 0; i < *count; i++) {
        char *end;
        omegas[i] = strtod(values[i], &end);
        if (end == values[i] || *end || !(omegas[i] > 0 && omegas[i] < 1e300))
            return cli_usage(arguments, "`--omega %s`: expected a positive number, in radians per unit of time",
                             values[i]),
                   false;
    }
    return true;
}

static bool write_figure(const LequelAnalysis *analysis, const char *folder) {
    size_t length = strlen(folder) + sizeof "/analysis.svg";
    char *path = malloc(length), *svg = NULL, *error = NULL;
    bool good = path && lequel_folder_make(folder, &error);
    if (good) {
        snprintf(path, length, "%s/analysis.svg", folder);
        svg = lequel_analysis_print(analysis, LEQUEL_ANALYSIS_SVG);
        good = lequel_file_replace(path, svg, strlen(svg), &error);
    }
    if (!good) cli_error("%s", error ? error : "not enough memory");
    lequel_text_free(svg);
    lequel_text_free(error);
    free(path);
    return good;
}

static int report(LequelModel *model, const CliArguments *arguments, const LequelAnalysisOptions *options) {
    char *error;
    LequelAnalysis *analysis = lequel_analysis_new(model, options, &error);
    if (!analysis) return cli_failed(model, error);
    const char *folder = cli_value(arguments, "output");
    bool good = !folder || write_figure(analysis, folder);
    char *text = NULL;
    if (good)
        text =
            lequel_analysis_print(analysis, cli_has(arguments, "json") ? LEQUEL_ANALYSIS_JSON : LEQUEL_ANALYSIS_TEXT);
    if (text) fputs(text, stdout);
    lequel_text_free(text);
    lequel_analysis_free(analysis);
    return good ? CLI_DONE : CLI_MISTAKE;
}

static int run_analyze(const CliArguments *arguments) {
    double omegas[MOST_OMEGAS];
    int count;
    int64_t seed;
    if (!read_omegas(arguments, omegas, &count) || !cli_whole(arguments, "seed", 0, 0, &seed)) return CLI_USAGE;
    LequelModel *model = cli_open_model(arguments, arguments->plain[0]);
    if (!model) return CLI_MISTAKE;
    LequelAnalysisOptions options = {.neuron = cli_value(arguments, "neuron"),
                                     .omegas = omegas,
                                     .omega_count = (uint32_t)count,
                                     .seed = (uint64_t)seed};
    int status = report(model, arguments, &options);
    lequel_model_free(model);
    return status;
}

static const CliOption options[] = {
    {"neuron", 0, "NAME", "a population, a family or a kind of neuron only; NAME[3] or 3: one unit"},
    {"omega", 0, "W", "a frequency of the tables, up to eight times; otherwise by decades"},
    {"json", 0, NULL, "as one JSON object"},
    {"output", 'o', "FOLDER", "also draws FOLDER/analysis.svg"},
    {"seed", 0, "N", "of initial values that are drawn (0)"},
    {"define", 'D', "NAME=VALUE", "another value for a parameter of the network"},
    {"network", 0, "NAME", "this network; otherwise the last one of the file"},
    {"dynamics", 0, "PRINCIPLE", "another principle than the file's, as in \"vle(gain = power, average = 9)\""},
    {0},
};

const CliCommand cli_analyze = {"analyze",
                                "FILE",
                                "show frequency responses, stability and likely trouble",
                                "lequel analyze models/mnist1d.leq --neuron out",
                                1,
                                1,
                                options,
                                run_analyze};
