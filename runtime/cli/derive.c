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

// `--format`, or `--latex` and `--unicode`, which say the same.
static bool read_notation(const CliArguments *arguments, LequelNotation *notation) {
    static const char *const formats[] = {"text", "unicode", "latex", "html", NULL};
    static const LequelNotation notations[] = {LEQUEL_TEXT, LEQUEL_UNICODE, LEQUEL_LATEX, LEQUEL_HTML};
    bool latex = cli_has(arguments, "latex"), unicode = cli_has(arguments, "unicode");
    const char *format;
    if (latex && unicode) return cli_usage(arguments, "`--latex` and `--unicode` exclude each other"), false;
    if (!cli_one_of(arguments, "format", formats, &format)) return false;
    *notation = latex ? LEQUEL_LATEX : unicode ? LEQUEL_UNICODE : LEQUEL_TEXT;
    for (int i = 0; format && formats[i]; i++)
        if (strcmp(formats[i], format) == 0) {
            if ((latex || unicode) && notations[i] != *notation)
                return cli_usage(arguments, "`--format %s` and `--%s` exclude each other", format,
                                 latex ? "latex" : "unicode"),
                       false;
            *notation = notations[i];
        }
    return true;
}

static int run_derive(const CliArguments *arguments) {
    LequelNotation notation;
    if (!read_notation(arguments, &notation)) return CLI_USAGE;
    bool locality = cli_has(arguments, "locality"), json = cli_has(arguments, "json"),
         principles = cli_has(arguments, "principles");
    if (locality && notation != LEQUEL_TEXT && notation != LEQUEL_UNICODE)
        return cli_usage(arguments, "`--locality` is a table: `--format text`, `--format unicode` or `--json`");
    if (locality && principles) return cli_usage(arguments, "`--locality` and `--principles` exclude each other");
    if (json && !locality) return cli_usage(arguments, "`--json` belongs to `--locality`");
    LequelModel *model = cli_open_model(arguments, arguments->plain[0]);
    if (!model) return CLI_MISTAKE;
    char *text = locality     ? lequel_model_locality(model, notation, json)
                 : principles ? lequel_model_principles(model, notation)
                              : lequel_model_derive(model, notation);
    int status = text ? write_text(cli_value(arguments, "output"), text) : cli_failed(model, NULL);
    lequel_text_free(text);
    lequel_model_free(model);
    return status;
}

static const CliOption options[] = {
    {"format", 0, "FORMAT", "text, unicode, latex, or html: a page with the model beside the equations (text)"},
    {"latex", 0, NULL, "the same as --format latex"},
    {"unicode", 0, NULL, "the same as --format unicode"},
    {"principles", 0, NULL, "the same energy under every principle: what is common, then what differs"},
    {"locality", 0, NULL, "which signals each update and each error uses, and where these are"},
    {"json", 0, NULL, "with --locality: as JSON"},
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
