// The progress line.
#define _DEFAULT_SOURCE
#include "progress.h"
#include "experiment.h"
#include <string.h>
#include <sys/ioctl.h>

enum { BAR = 24 };
static const double redraw_seconds = 0.1;

void progress_begin(Progress *progress, FILE *file, bool terminal, int64_t steps) {
    *progress = (Progress){
        .file = file, .terminal = terminal, .steps = steps > 0 ? steps : 1, .began = clock_seconds(), .next_tenth = 1};
}

void progress_resume(Progress *progress, int64_t done, double seconds) {
    progress->done = done;
    progress->began -= seconds;
    progress->next_tenth = done * 10 / progress->steps + 1;
}

void duration_format(char buffer[32], double seconds) {
    if (!(seconds >= 0 && seconds < 1e9)) seconds = 0;
    long whole = (long)(seconds + 0.5);
    if (seconds < 10)
        snprintf(buffer, 32, "%.1f s", seconds);
    else if (whole < 3600)
        snprintf(buffer, 32, "%ld:%02ld", whole / 60, whole % 60);
    else
        snprintf(buffer, 32, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
}

// A line that wrapped could not be drawn over.
static int columns_of(FILE *file) {
    struct winsize size;
    return ioctl(fileno(file), TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col : 80;
}

static void draw(Progress *progress, double now) {
    double part = (double)progress->done / (double)progress->steps, passed = now - progress->began;
    double speed = passed > 0 ? (double)progress->done / passed : 0;
    if (part > 1) part = 1;
    char bar[BAR + 1], left[32], line[512];
    for (int i = 0; i < BAR; i++) bar[i] = (double)i < part * BAR ? '=' : ' ';
    bar[BAR] = 0;
    duration_format(left, part > 0 ? passed / part - passed : 0);
    snprintf(line, sizeof line, "[%s] %3.0f %%  %.3g steps/s  %s left%s%s", bar, 100 * part, speed, left,
             progress->note[0] ? "  " : "", progress->note);
    fprintf(progress->file, "\r%.*s\033[K", columns_of(progress->file) - 1, line);
    fflush(progress->file);
    progress->drawn = now;
}

void progress_step(Progress *progress) { progress->done++; }

void progress_show(Progress *progress) {
    if (!progress->file || !progress->terminal) return;
    double now = clock_seconds();
    if (now - progress->drawn >= redraw_seconds) draw(progress, now);
}

bool progress_tenth(Progress *progress) {
    if (progress->done * 10 < progress->next_tenth * progress->steps) return false;
    progress->next_tenth = progress->done * 10 / progress->steps + 1;
    return true;
}

void progress_line(Progress *progress, const char *line) {
    if (!progress->file || progress->terminal) return;
    fprintf(progress->file, "%s\n", line);
    fflush(progress->file);
}

void progress_end(Progress *progress) {
    if (!progress->file || !progress->terminal) return;
    fputs("\r\033[K", progress->file);
    if (progress->note[0]) fprintf(progress->file, "%s\n", progress->note);
    fflush(progress->file);
}
