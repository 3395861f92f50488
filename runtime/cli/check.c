// lequel check: reports what is wrong with model files.
#include "cli.h"

// Checking includes the derivation: a model whose energy admits no causal solution is wrong as well.
static bool check_file(const CliArguments *arguments, const char *path, bool json) {
    const char *defines[CLI_MOST];
    LequelModelOptions options = {.network = cli_value(arguments, "network"),
                                  .experiment = cli_value(arguments, "experiment"),
                                  .defines = defines,
                                  .define_count = (uint32_t)cli_values(arguments, "define", defines)};
    LequelModel *model = lequel_model_open(path, &options);
    bool good = lequel_model_check(model);
    char *text = lequel_model_diagnostics(model, json ? LEQUEL_JSON : cli_style());
    fputs(text, json ? stdout : stderr);
    if (good && !json) printf("%s: no errors\n", path);
    lequel_text_free(text);
    lequel_model_free(model);
    return good;
}

static int run_check(const CliArguments *arguments) {
    bool good = true;
    for (int i = 0; i < arguments->plain_count; i++)
        good = check_file(arguments, arguments->plain[i], cli_has(arguments, "json")) && good;
    return good ? CLI_DONE : CLI_MISTAKE;
}

static const CliOption options[] = {
    {"define", 'D', "NAME=VALUE", "another value for a parameter of the network"},
    {"network", 0, "NAME", "check this network; otherwise the last one of the file"},
    {"experiment", 0, "NAME", "check this experiment; otherwise the last one"},
    {"json", 0, NULL, "reports as JSON on standard output, for editors"},
    {0},
};

const CliCommand cli_check = {
    "check", "FILE…", "report errors in models", "lequel check models/lagline.leq", 1, CLI_MOST, options, run_check};
