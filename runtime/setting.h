// What an experiment sets for a time: numbers that follow a schedule, inputs, states and parameters that are disturbed.
// Everything depends on the number of the step alone, so a run can go on from anywhere.
#ifndef LEQUEL_SETTING_H
#define LEQUEL_SETTING_H

#include "program.h"

typedef struct SettingsPlan {
    const Program *program;
    uint64_t seed;
    int64_t presentation, epoch, run; // their lengths in steps; 0 where there are none
    bool evaluates;                   // disturbances are left out
} SettingsPlan;

typedef struct Settings Settings;

int64_t moment_steps(const SettingsPlan *plan, const Moment *moment);
// The value of a schedule at step `t` of the `length` steps over which it goes.
double schedule_value(const SettingsPlan *plan, const Schedule *schedule, int64_t t, int64_t length);

// NULL with a sentence in `error`: something is set that this program does not store.
Settings *settings_new(const SettingsPlan *plan, Text *error);
void settings_free(Settings *settings);
// A stage that began at step `begins` of the training and lasts `steps`; -1: none, only what is set for the whole run.
void settings_enter(Settings *settings, int stage, int64_t begins, int64_t steps);
// Before and after step `n` of the training, whose inputs are there. States go on from what they were set to, outputs
// are made anew; all else gets back what it had, with what was learned in the step added.
void settings_apply(Settings *settings, Instance *instance, int64_t n);
void settings_undo(Settings *settings, Instance *instance);
// How many steps from `n` on, at most `most`, nothing is set in.
int64_t settings_calm(const Settings *settings, int64_t n, int64_t most);

#endif
