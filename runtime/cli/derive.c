// lequel derive: prints the equations that follow from the energy.
#include "cli.h"
#include <string.h>

static int write_text(const char *path, const char *text) {
    char *error;
    if (!path) return fputs(text, stdout) < 0 ? CLI_MISTAKE : CLI_DONE;
    if (lequel_file_replace(path, text, strlen(text), &error)) return CLI_DONE;
    cli_error("%s", error);
    lequel_text_free(error);
    return CLI_MISTAKE;
}

static int run_derive(const CliArguments *arguments) {
    bool latex = cli_has(arguments, "latex"), unicode = cli_has(arguments, "unicode");
    if (latex && unicode) return cli_usage(arguments, "`--latex` and `--unicode` exclude each other");
    LequelModel *model = cli_open_model(arguments, arguments->plain[0]);
    if (!model) return CLI_MISTAKE;
    char *text = lequel_model_derive(model, latex ? LEQUEL_LATEX : unicode ? LEQUEL_UNICODE : LEQUEL_TEXT);
    int status = text ? write_text(cli_value(arguments, "output"), text) : cli_failed(model, NULL);
    lequel_text_free(text);
    lequel_model_free(model);
    return status;
}

static const CliOption options[] = {
    {"latex", 0, NULL, "as LaTeX"},
    {"unicode", 0, NULL, "with mathematical signs"},
    {"output", 'o', "FILE", "into a file"},
    {"define", 'D', "NAME=VALUE", "another value for a parameter of the network"},
    {"network", 0, "NAME", "this network; otherwise the last one of the file"},
    {"dynamics", 0, "PRINCIPLE", "another principle than the file's, as in \"vle(gain = power, average = 9)\""},
    {0},
};

const CliCommand cli_derive = {"derive",
                               "FILE",
                               "print the equations that follow from a model's energy",
                               "lequel derive models/lagline.leq --unicode",
                               1,
                               1,
                               options,
                               run_derive};
