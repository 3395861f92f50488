// lequel explain: what a diagnostic means.
#include "cli.h"

static int run_explain(const CliArguments *arguments) {
    bool all = cli_has(arguments, "all");
    if (!all && !arguments->plain_count) return cli_usage(arguments, "`lequel explain` needs CODE or `--all`");
    char *error = NULL, *text = all ? lequel_explain_all() : lequel_explain(arguments->plain[0], &error);
    if (text)
        fputs(text, stdout);
    else
        cli_error("%s", error);
    lequel_text_free(error);
    int status = text ? CLI_DONE : CLI_MISTAKE;
    lequel_text_free(text);
    return status;
}

static const CliOption options[] = {
    {"all", 0, NULL, "all diagnostics, as a page in Markdown"},
    {0},
};

const CliCommand cli_explain = {"explain", "CODE",     "explain a diagnostic", "lequel explain E0102", 0, 1,
                                options,   run_explain};
