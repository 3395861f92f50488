// lequel plot: draws what a run recorded.
#include "cli.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

// A number of steps, or a time.
static bool take_end(const CliArguments *arguments, const char *option, double *value, bool *in_ms) {
    static const struct {
        const char *name;
        double ms;
    } units[] = {{"us", 1e-3}, {"ms", 1}, {"s", 1e3}, {"min", 6e4}};
    const char *text = cli_value(arguments, option);
    if (!text) return true;
    char *end;
    *value = strtod(text, &end);
    bool number = end != text && isfinite(*value) && *value >= 0;
    end += strspn(end, " ");
    if (number && (!*end || strcmp(end, "steps") == 0)) return true;
    for (size_t i = 0; i < sizeof units / sizeof *units && number; i++) {
        if (strcmp(end, units[i].name) != 0) continue;
        *value *= units[i].ms;
        return *in_ms = true;
    }
    return cli_usage(arguments, "`--%s %s`: expected a time or steps, as in `20 s`, `500 ms` or `4000`", option, text),
           false;
}

static int run_plot(const CliArguments *arguments) {
    char *report, *error;
    LequelPlotPart part = {-INFINITY, INFINITY, false, false};
    if (!take_end(arguments, "from", &part.from, &part.from_ms)) return CLI_USAGE;
    if (!take_end(arguments, "to", &part.to, &part.to_ms)) return CLI_USAGE;
    bool good = lequel_plot(arguments->plain[0], &part, &report, &error);
    fputs(report, stdout);
    if (!good) cli_error("%s", error);
    lequel_text_free(report);
    lequel_text_free(error);
    return good ? CLI_DONE : CLI_MISTAKE;
}

static const CliOption options[] = {
    {"from", 0, "TIME", "leave out what was recorded before: `20 s`, `500 ms`, or a step"},
    {"to", 0, "TIME", "leave out what was recorded later"},
    {0},
};

const CliCommand cli_plot = {"plot",
                             "FOLDER",
                             "draw the recordings and scores of a run as SVG",
                             "lequel plot lequel-out/lagline --from 400000",
                             1,
                             1,
                             options,
                             run_plot};
