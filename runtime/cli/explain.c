// lequel explain: what a diagnostic means.
#include "cli.h"

static int run_explain(const CliArguments *arguments) {
    char *error, *text = lequel_explain(arguments->plain[0], &error);
    if (text)
        fputs(text, stdout);
    else
        cli_error("%s", error);
    lequel_text_free(error);
    int status = text ? CLI_DONE : CLI_MISTAKE;
    lequel_text_free(text);
    return status;
}

static const CliOption options[] = {{0}};

const CliCommand cli_explain = {"explain", "CODE", "explain a diagnostic", "lequel explain E0102", 1, 1, options, run_explain};
