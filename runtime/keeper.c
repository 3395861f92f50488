// The policy of checkpoints.
#include "keeper.h"
#include "files.h"
#include <string.h>
#include <unistd.h>

static const double default_seconds = 60;
static const double most_of_time =
    20; // a checkpoint that takes a second is made every 20 seconds at most, unless told otherwise

// What a killed run left half written.
static void sweep(const Keeper *keeper, bool recordings) {
    static const char *const folders[] = {"", "/final"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        Text folder = {0};
        text_add_bytes(&folder, keeper->path.bytes, keeper->path.length - strlen("/checkpoint"));
        text_add(&folder, folders[i]);
        folder_sweep(text_z(&folder), recordings);
        text_free(&folder);
    }
}

bool keeper_open(Keeper *keeper, const RunOptions *options, const Identity *identity, Text *error) {
    *keeper = (Keeper){
        .identity = identity, .seconds = options->checkpoint_seconds, .steps = options->checkpoint_steps, .lock = -1};
    keeper->modest = keeper->seconds == 0;
    if (keeper->modest) keeper->seconds = default_seconds;
    keeper->due = clock_seconds() + keeper->seconds;
    if (!folder_make(options->out, error) || (keeper->lock = folder_lock(options->out, error)) < 0) return false;
    text_addf(&keeper->path, "%s/checkpoint", options->out);
    sweep(keeper, false);
    return true;
}

void keeper_close(Keeper *keeper) {
    if (keeper->path.length && keeper->lock >= 0) close(keeper->lock);
    text_free(&keeper->path);
}

static bool same_identity(Checkpoint *checkpoint, const Identity *identity, const char *path, Text *error) {
    Text was = {0};
    checkpoint_text(checkpoint, "identity", &was);
    bool same = !checkpoint_failed(checkpoint) && was.length == identity->text.length;
    for (size_t i = 0; same && i < was.length; i++) same = was.bytes[i] == identity->text.bytes[i];
    if (!same && !checkpoint_failed(checkpoint)) {
        text_addf(error, "%s: is of another run than this one: ", path);
        identity_difference(text_z(&was), text_z(&identity->text), error);
    }
    text_free(&was);
    return same || checkpoint_failed(checkpoint); // the failure is told when it is closed
}

Checkpoint *keeper_find(Keeper *keeper, Text *error) {
    const char *path = text_z(&keeper->path);
    if (!file_exists(path)) return NULL;
    Checkpoint *checkpoint = checkpoint_open(path, error);
    if (!checkpoint) return NULL;
    if (same_identity(checkpoint, keeper->identity, path, error)) {
        keeper->stands = true;
        return checkpoint;
    }
    checkpoint_abandon(checkpoint);
    return NULL;
}

bool keeper_clear(Keeper *keeper, Text *error) {
    if (!file_remove(text_z(&keeper->path), error)) return false;
    sweep(keeper, true);
    return true;
}

bool keeper_due(Keeper *keeper, int64_t step) {
    enum { SELDOM = 8 }; // a look at the clock takes longer than a small step
    if (keeper->seconds < 0) return false;
    if (keeper->steps) return step >= keeper->due_step + keeper->steps;
    if (step >= keeper->asked && step < keeper->asked + SELDOM) return false;
    keeper->asked = step;
    return clock_seconds() >= keeper->due;
}

int64_t keeper_calm(const Keeper *keeper, int64_t step) {
    return keeper->seconds >= 0 && keeper->steps ? keeper->due_step + keeper->steps - step : INT64_MAX;
}

Checkpoint *keeper_begin(Keeper *keeper, Text *error) {
    Checkpoint *checkpoint = checkpoint_new(text_z(&keeper->path), error);
    Text text = {0};
    text_add(&text, text_z(&keeper->identity->text));
    if (checkpoint) checkpoint_text(checkpoint, "identity", &text);
    text_free(&text);
    return checkpoint;
}

void keeper_done(Keeper *keeper, int64_t step, double began) {
    double now = clock_seconds(), pause = keeper->modest ? most_of_time * (now - began) : 0;
    keeper->due = now + (pause > keeper->seconds ? pause : keeper->seconds);
    keeper->due_step = step;
    keeper->stands = true;
}

bool keeper_finish(Keeper *keeper, Text *error) {
    keeper->stands = false;
    return file_remove(text_z(&keeper->path), error);
}
