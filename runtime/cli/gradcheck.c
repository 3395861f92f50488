// lequel gradcheck: how close each principle's gradients come to the exact ones.
#include "cli.h"
#include <math.h>
#include <stdlib.h>

static bool steps_of(const CliArguments *arguments, const LequelModel *model, const char *option, int64_t *steps) {
    const char *text = cli_value(arguments, option);
    char *error;
    if (!text) return true;
    if ((*steps = lequel_model_steps(model, text, &error)) >= 0) return true;
    cli_error("%s", error);
    lequel_text_free(error);
    return false;
}

static int check_model(const CliArguments *arguments, LequelModel *model, LequelGradcheckOptions *options) {
    if (!steps_of(arguments, model, "window", &options->steps)) return CLI_USAGE;
    if (cli_value(arguments, "window") && options->steps == 0)
        return cli_usage(arguments, "`--window %s`: expected at least one step", cli_value(arguments, "window"));
    if (!steps_of(arguments, model, "settle", &options->settle)) return CLI_USAGE;
    bool agrees = false;
    char *error, *text = lequel_model_gradcheck(model, options, &agrees, &error);
    if (!text) return cli_failed(model, error);
    int status = fputs(text, stdout) < 0 || !agrees ? CLI_MISTAKE : CLI_DONE;
    lequel_text_free(text);
    return status;
}

static bool tolerance_of(const CliArguments *arguments, double *tolerance) {
    const char *text = cli_value(arguments, "tolerance");
    char *end;
    if (!text) return true;
    *tolerance = strtod(text, &end);
    if (end != text && !*end && *tolerance > 0 && isfinite(*tolerance)) return true;
    return cli_usage(arguments, "`--tolerance %s`: expected a number above 0, such as 1e-9", text), false;
}

static int run_gradcheck(const CliArguments *arguments) {
    const char *principles[CLI_MOST];
    LequelGradcheckOptions options = {.json = cli_has(arguments, "json")};
    int64_t seed;
    options.principle_count = (uint32_t)cli_values(arguments, "principle", principles);
    options.principles = options.principle_count ? principles : NULL;
    if (!cli_whole(arguments, "batch", 1, 0, &options.batch)) return CLI_USAGE;
    if (!cli_whole(arguments, "seed", 0, 0, &seed)) return CLI_USAGE;
    if (!cli_whole(arguments, "elements", 0, 6, &options.elements)) return CLI_USAGE;
    if (!tolerance_of(arguments, &options.tolerance)) return CLI_USAGE;
    options.seed = (uint64_t)seed;
    LequelModel *model = cli_open_model(arguments, arguments->plain[0]);
    if (!model) return CLI_MISTAKE;
    int status = check_model(arguments, model, &options);
    lequel_model_free(model);
    return status;
}

static const CliOption options[] = {
    {"principle", 'p', "PRINCIPLE", "compare this one, as in \"vle(gain = power, average = 9)\"; may be repeated"},
    {"window", 0, "TIME", "over which gradients are summed (one presentation, or 400 steps)"},
    {"settle", 0, "TIME", "before the window (0)"},
    {"batch", 0, "N", "samples (the experiment's, at most 8)"},
    {"seed", 0, "N", "of weights and data (0)"},
    {"elements", 0, "N", "of each parameter that are computed numerically, beside one direction through all (6)"},
    {"tolerance", 0, "X",
     "deviation of bptt that is taken for agreement (1e-9; 1e-5 where only differences can be had)"},
    {"json", 0, NULL, "for programs"},
    {"define", 'D', "NAME=VALUE", "another value for a parameter of the network"},
    {"network", 0, "NAME", "this network; otherwise the last one of the file"},
    {"experiment", 0, "NAME", "this experiment; otherwise the last one"},
    {0},
};

const CliCommand cli_gradcheck = {"gradcheck",
                                  "FILE",
                                  "compare the gradients of principles with exact ones",
                                  "lequel gradcheck models/lagline.leq --window 4 --settle 10 -p gle -p instant",
                                  1,
                                  1,
                                  options,
                                  run_gradcheck};
