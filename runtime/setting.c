// Sets arrays before a step and puts them back after it.
#include "setting.h"
#include "data/random.h"
#include <math.h>
#include <string.h>

typedef struct Target { // a setting, and what the array had in the step under way
    const Setting *setting;
    uint32_t array;
    bool goes_on;            // a state or an output: nothing is put back
    bool batched;            // its values are [sample][element]
    int64_t elements;        // of one sample
    bool active;             // in the step under way
    RandomStream noise;      // a child for each step
    double *had, *set, *now; // room for its values before, as they were set, after
    int64_t room;
} Target;

struct Settings {
    SettingsPlan plan;
    Vec(Target)
        targets; // what is set for the whole run, then for stages, then disturbances: later ones see earlier ones
    int stage;
    int64_t begins, steps; // of the stage
};

// ---- Time -----------------------------------------------------------------------------------------------------------

static int64_t bounded(int64_t count, int64_t steps) {
    return steps && count > INT64_MAX / 4 / steps ? INT64_MAX / 4 : count * steps;
}

int64_t moment_steps(const SettingsPlan *plan, const Moment *moment) {
    switch (moment->kind) {
    case COUNT_STEPS: return moment->count;
    case COUNT_PRESENTATIONS: return bounded(moment->count, plan->presentation);
    case COUNT_EPOCHS: return bounded(moment->count, plan->epoch);
    }
    return 0;
}

static double part_of_steps(const Schedule *schedule, int64_t t, int64_t length) {
    double value = schedule->values[0];
    for (uint32_t i = 0; i + 1 < schedule->count; i++) // a part begins at the step nearest to it
        if (t >= (int64_t)floor(schedule->after[i] * (double)length + 0.5)) value = schedule->values[i + 1];
    return value;
}

double schedule_value(const SettingsPlan *plan, const Schedule *schedule, int64_t t, int64_t length) {
    double part = length > 1 ? (double)t / (double)(length - 1) : 1;
    double from = schedule->from, to = schedule->to;
    switch (schedule->kind) {
    case SCHEDULE_CONSTANT: return from;
    case SCHEDULE_LINEAR: return part >= 1 ? to : from + part * (to - from);
    case SCHEDULE_EXPONENTIAL: return part >= 1 ? to : from * exp(part * log(to / from));
    case SCHEDULE_STEPS: return part_of_steps(schedule, t, length);
    case SCHEDULE_PERIODIC: break;
    }
    int64_t period = moment_steps(plan, &schedule->period);
    return t % (period ? period : 1) < moment_steps(plan, &schedule->length) ? from : to;
}

// Whether a setting holds in step n; then since when, and for how long.
static bool holds(const Settings *s, const Setting *setting, int64_t n, int64_t *since, int64_t *length) {
    bool staged = setting->stage >= 0;
    if ((staged && setting->stage != s->stage) || (setting->disturbs && s->plan.evaluates)) return false;
    int64_t t = n - (staged ? s->begins : 0), whole = staged ? s->steps : s->plan.run;
    int64_t from = moment_steps(&s->plan, &setting->from), every = moment_steps(&s->plan, &setting->every);
    int64_t until = setting->until.count < 0 ? whole : moment_steps(&s->plan, &setting->until);
    if (t < from || until <= from) return setting->until.count < 0 && t >= from; // beyond what was planned
    *length = until - from;
    *since = every ? (t - from) % every : t - from;
    return *since < *length || setting->until.count < 0;
}

// ---- Opening --------------------------------------------------------------------------------------------------------

static bool add_target(Settings *s, uint32_t number, Text *error) {
    const Model *model = program_model(s->plan.program);
    const Setting *setting = &model->experiment->settings.items[number];
    const SymbolInfo *info = symbol_info(model->store, setting->symbol);
    int64_t array = program_find(s->plan.program, info->name);
    bool scalar = info->role == ROLE_SCALAR || info->role == ROLE_INPUT;
    if (array < 0 || !program_array(s->plan.program, (uint32_t)array)->stored) {
        if (scalar) return true; // nothing in the model reads it
        const char *file;
        uint32_t line, column;
        diag_position(model->diags, setting->span, &file, &line, &column);
        text_addf(error, "%s:%u:%u: `%s` can't be set: no step keeps it for the next one", file, line, column,
                  info->name);
        return false;
    }
    Target target = {.setting = setting,
                     .array = (uint32_t)array,
                     .batched = info->batched,
                     .goes_on = info->role == ROLE_STATE || info->role == ROLE_REGISTER,
                     .elements = 1};
    for (uint32_t i = 0; i < info->rank; i++) target.elements *= info->extent[i];
    Text name = {0};
    text_addf(&name, "setting %u of %s", number, info->name);
    target.noise = random_stream(s->plan.seed, text_z(&name));
    text_free(&name);
    vec_push(&s->targets, target);
    return true;
}

Settings *settings_new(const SettingsPlan *plan, Text *error) {
    Settings *s = memory_resize(NULL, 1, sizeof *s);
    *s = (Settings){.plan = *plan, .stage = -1};
    const Experiment *experiment = program_model(plan->program)->experiment;
    for (int rank = 0; rank < 3; rank++)
        for (uint32_t i = 0; i < experiment->settings.count; i++) {
            const Setting *setting = &experiment->settings.items[i];
            if (rank != (setting->disturbs ? 2 : setting->stage >= 0) || add_target(s, i, error)) continue;
            settings_free(s);
            return NULL;
        }
    return s;
}

void settings_free(Settings *s) {
    if (!s) return;
    for (uint32_t i = 0; i < s->targets.count; i++) {
        free(s->targets.items[i].had);
        free(s->targets.items[i].set);
        free(s->targets.items[i].now);
    }
    vec_free(&s->targets);
    free(s);
}

void settings_enter(Settings *s, int stage, int64_t begins, int64_t steps) {
    s->stage = stage;
    s->begins = begins;
    s->steps = steps;
}

// ---- Steps ----------------------------------------------------------------------------------------------------------

static void set(Target *target, Instance *instance, double value, int64_t n) {
    const Setting *setting = target->setting;
    int64_t length = instance_length(instance, target->array);
    if (length > target->room) {
        target->had = memory_resize(target->had, (size_t)length, sizeof(double));
        target->set = memory_resize(target->set, (size_t)length, sizeof(double));
        target->now = memory_resize(target->now, (size_t)length, sizeof(double));
        target->room = length;
    }
    instance_get(instance, target->array, target->had);
    memcpy(target->set, target->had, (size_t)length * sizeof(double));
    RandomStream noise = setting->sigma > 0 ? random_child(&target->noise, (uint64_t)n) : target->noise;
    int64_t first = setting->count ? setting->first : 0, count = setting->count ? setting->count : target->elements;
    for (int64_t at = 0; at < length; at += target->elements)
        for (int64_t e = first; e < first + count; e++) {
            double *x = &target->set[at + e];
            *x = setting->scale == 0 ? value : setting->scale * *x + value;
            if (setting->sigma > 0) *x += setting->sigma * random_normal(&noise, (uint64_t)(at + e));
        }
    instance_set(instance, target->array, target->set);
    instance_get(instance, target->array, target->set); // as it was rounded
}

void settings_apply(Settings *s, Instance *instance, int64_t n) {
    for (uint32_t i = 0; i < s->targets.count; i++) {
        Target *target = &s->targets.items[i];
        int64_t since = 0, length = 1;
        target->active = holds(s, target->setting, n, &since, &length);
        if (!target->active) continue;
        set(target, instance, schedule_value(&s->plan, &target->setting->value, since, length), n);
    }
}

void settings_undo(Settings *s, Instance *instance) {
    for (uint32_t i = s->targets.count; i-- > 0;) {
        Target *target = &s->targets.items[i];
        if (!target->active || target->goes_on) continue;
        int64_t length = instance_length(instance, target->array);
        instance_get(instance, target->array, target->now);
        for (int64_t k = 0; k < length; k++) target->now[k] = target->had[k] + (target->now[k] - target->set[k]);
        instance_set(instance, target->array, target->now);
    }
}

int64_t settings_calm(const Settings *s, int64_t n, int64_t most) {
    for (uint32_t i = 0; i < s->targets.count; i++)
        for (int64_t k = 0, since, length; k < most; k++)
            if (holds(s, s->targets.items[i].setting, n + k, &since, &length)) most = k;
    return most;
}
