// lequel plot: draws what a run recorded.
#include "cli.h"

static int run_plot(const CliArguments *arguments) {
    char *report, *error;
    bool good = lequel_plot(arguments->plain[0], &report, &error);
    fputs(report, stdout);
    if (!good) cli_error("%s", error);
    lequel_text_free(report);
    lequel_text_free(error);
    return good ? CLI_DONE : CLI_MISTAKE;
}

static const CliOption options[] = {{0}};

const CliCommand cli_plot = {
    "plot",  "FOLDER", "draw the recordings and scores of a run as SVG", "lequel plot lequel-out/lagline", 1, 1,
    options, run_plot};
