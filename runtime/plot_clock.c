// Steps of recordings in ms or s, as far as run.json knows of a unit of time.
#include "plot_clock.h"
#include "files.h"
#include "json.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static double step_in_ms(const Json *root) {
    const char *unit = root->kind == JSON_OBJECT ? json_string(root, "unit_of_time") : NULL;
    const Json *dt = unit ? json_member(root, "dt") : NULL;
    if (!dt || strcmp(unit, "ms") != 0 || dt->kind != JSON_NUMBER) return 0;
    double value = strtod(dt->text, NULL);
    return isfinite(value) && value > 0 ? value : 0;
}

// A folder without run.json has no unit of time; one that can't be read is no reason to draw something else.
static bool read_step(Arena *arena, const char *dir, double *dt, Text *error) {
    Text bytes = {0};
    const char *path = arena_format(arena, "%s/run.json", dir);
    *dt = 0;
    if (!file_exists(path)) return true;
    if (!file_read(path, &bytes, error)) return false;
    Text sentence = {0};
    const Json *root = json_parse(arena, text_z(&bytes), bytes.length, &sentence);
    if (root)
        *dt = step_in_ms(root);
    else
        text_addf(error, "%s: %s", path, text_z(&sentence));
    text_free(&sentence);
    text_free(&bytes);
    return root != NULL;
}

// Half a step more, so that a time that was rounded belongs to its step.
static double in_steps(const PlotClock *clock, double value, bool in_ms, double half) {
    return in_ms ? value / clock->dt + half : value;
}

bool plot_clock_open(PlotClock *clock, Arena *arena, const char *dir, const PlotPart *part, Text *error) {
    *clock = (PlotClock){.low = -INFINITY, .high = INFINITY};
    if (!read_step(arena, dir, &clock->dt, error)) return false;
    if (!part) return true;
    if ((part->from_ms || part->to_ms) && clock->dt == 0) {
        text_addf(error, "%s/run.json names no unit of time: what is to be drawn can only be given in steps", dir);
        return false;
    }
    clock->low = in_steps(clock, part->from, part->from_ms, -0.5);
    clock->high = in_steps(clock, part->to, part->to_ms, 0.5);
    if (clock->low < clock->high) return true;
    text_add(error, "nothing is to be drawn: the part ends before it begins");
    return false;
}

const double *plot_clock_axis(const PlotClock *clock, Arena *arena, const double *steps, int64_t count,
                              const char **label) {
    enum { LONG = 10000 }; // ms, from which on seconds are read more easily
    *label = "step";
    if (clock->dt == 0 || count == 0) return steps;
    bool seconds = steps[count - 1] * clock->dt >= LONG;
    double scale = seconds ? clock->dt / 1000 : clock->dt;
    double *times = arena_new_array(arena, double, count);
    for (int64_t i = 0; i < count; i++) times[i] = steps[i] * scale;
    *label = seconds ? "time (s)" : "time (ms)";
    return times;
}
