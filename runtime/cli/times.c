// The table of --time-passes.
#include "cli.h"

enum { MOST_ROWS = 32 };

// Phases that were left out take no time and no line.
static uint32_t collect(const LequelProgram *program, const LequelRunReport *report, LequelPhase rows[MOST_ROWS]) {
    uint32_t all = lequel_program_phases(program, rows, MOST_ROWS - 3), count = 0;
    double known = report->data;
    for (uint32_t i = 0; i < all && i < MOST_ROWS - 3; i++) {
        if (!rows[i].beside) known += rows[i].seconds;
        if (rows[i].seconds > 0) rows[count++] = rows[i];
    }
    if (report->data > 0) rows[count++] = (LequelPhase){"data", report->data, false};
    rows[count++] = (LequelPhase){"memory, files, rest", report->ready > known ? report->ready - known : 0, false};
    if (report->first_step > 0) rows[count++] = (LequelPhase){"first step", report->first_step - report->ready, false};
    return count;
}

static void print_json(const LequelPhase *rows, uint32_t count, double whole, bool cached) {
    fprintf(stderr, "{\"cached\": %s, \"phases\": [", cached ? "true" : "false");
    for (uint32_t i = 0; i < count; i++)
        fprintf(stderr, "%s\n  {\"name\": \"%s\", \"ms\": %.3f%s}", i ? "," : "", rows[i].name, 1e3 * rows[i].seconds,
                rows[i].beside ? ", \"beside\": true" : "");
    fprintf(stderr, "],\n \"ms\": %.3f}\n", 1e3 * whole);
}

void cli_print_times(const LequelProgram *program, const LequelRunReport *report, bool json) {
    LequelPhase rows[MOST_ROWS];
    uint32_t count = collect(program, report, rows);
    double whole = report->first_step > 0 ? report->first_step : report->ready;
    bool cached = lequel_program_cached(program);
    if (json) {
        print_json(rows, count, whole, cached);
        return;
    }
    fprintf(stderr, "%-20s %10s %8s\n", "", "ms", "share");
    for (uint32_t i = 0; i < count; i++)
        if (rows[i].beside) // by another thread: no part of the whole
            fprintf(stderr, "%-20s %10.3f   beside\n", rows[i].name, 1e3 * rows[i].seconds);
        else
            fprintf(stderr, "%-20s %10.3f %6.1f %%\n", rows[i].name, 1e3 * rows[i].seconds,
                    whole > 0 ? 100 * rows[i].seconds / whole : 0);
    fprintf(stderr, "%-20s %10.3f\ncompiled code: %s\n",
            report->first_step > 0 ? "start to first step" : "start to end", 1e3 * whole,
            cached ? "from the cache" : "made now");
}
