// Presents samples, or a signal, to an instance and keeps its scores.
#include "track.h"
#include <math.h>
#include <string.h>

// ---- The arrays of an instance, as scores see them ------------------------------------------------------------------

static bool find_array(void *context, const char *name, ScoreArray *array) {
    const Track *track = context;
    int64_t number = program_find(track->program, name);
    if (number < 0 || !program_array(track->program, (uint32_t)number)->stored) return false;
    const ProgramArray *found = program_array(track->program, (uint32_t)number);
    *array = (ScoreArray){.number = (uint32_t)number, .length = 1, .batched = found->batched};
    for (uint32_t i = 0; i < found->rank; i++) array->length *= found->extent[i];
    const Model *model = program_model(track->program);
    for (uint32_t i = 0; i < model->externals.count; i++)
        if (model->externals.items[i].symbol == found->symbol)
            array->label = model->externals.items[i].kind == EXTERNAL_LABEL;
    return true;
}

static void read_array(void *context, uint32_t number, double *values) {
    instance_get(((const Track *)context)->instance, number, values);
}

static void suggest(void *context, const char *name, Text *out) {
    suggest_array(((const Track *)context)->program, name, out);
}

static bool open_scorer(Track *track, const Score *score, Text *error) {
    ScoreSource source = {.context = track,
                          .batch = track->batch,
                          .dt = program_model(track->program)->dt,
                          .find = find_array,
                          .read = read_array,
                          .suggest = suggest};
    Span place = score->span;
    Text sentence = {0};
    Scorer *scorer = scorer_new(score->value, &source, &place, &sentence);
    if (scorer) {
        vec_push(&track->scorers, scorer);
    } else {
        const char *file;
        uint32_t line, column;
        if (place.source) {
            diag_position(program_model(track->program)->diags, place, &file, &line, &column);
            text_addf(error, "%s:%u:%u: ", file, line, column);
        }
        text_addf(error, "score `%s`: %s", score->name, text_z(&sentence));
    }
    text_free(&sentence);
    return scorer != NULL;
}

// ---- Opening --------------------------------------------------------------------------------------------------------

static bool open_scorers(Track *track, Text *error) {
    track->stretch = stretch_new(track->instance);
    track->longest = 1;
    uint32_t scores = track->experiment->scores.count;
    track->scores = memory_resize(NULL, scores, sizeof(double));
    track->score_sums = memory_resize(NULL, scores, sizeof(double));
    for (uint32_t i = 0; i < scores; i++) {
        if (!open_scorer(track, &track->experiment->scores.items[i], error)) return false;
        track->scores[i] = NAN;
    }
    track_begin(track);
    return true;
}

bool track_open(Track *track, const TrackPlan *plan, Text *error) {
    const Model *model = program_model(plan->program);
    *track = (Track){.program = plan->program,
                     .experiment = model->experiment,
                     .entry = plan->entry,
                     .batch = plan->batch,
                     .steps = plan->steps,
                     .settle = plan->settle,
                     .trained = -1,
                     .stage = -1,
                     .observe_after = model->order == ORDER_SEQUENTIAL};
    // The larger part first: it can say how much memory is missing.
    track->instance = instance_new(plan->program, plan->batch, plan->seed, plan->weights, error);
    if (!track->instance) return false;
    FeederPlan feeder = {plan->program, plan->seed, plan->batch, plan->steps + plan->more_steps, plan->samples};
    track->feeder = feeder_new(&feeder, error);
    return track->feeder && open_scorers(track, error);
}

bool track_continue(Track *track, const Track *before, int64_t steps, Text *error) {
    *track = (Track){.program = before->program,
                     .experiment = before->experiment,
                     .instance = before->instance,
                     .feeder = before->feeder,
                     .continues = true,
                     .stage = -1,
                     .trained = before->first + before->steps,
                     .entry = ENTRY_EVALUATE,
                     .batch = before->batch,
                     .steps = steps,
                     .first = before->first + before->steps,
                     .observe_after = before->observe_after};
    return open_scorers(track, error);
}

void track_set(Track *track, Settings *settings) { track->settings = settings; }

void track_enter_stage(Track *track, int stage, int64_t begins, int64_t steps) {
    track->stage = stage;
    if (track->settings) settings_enter(track->settings, stage, begins, steps);
    feeder_enter_stage(track->feeder, stage);
    instance_enter_stage(track->instance, stage);
}

void track_move(Track *track, int64_t first, int64_t steps) {
    track->first = first;
    track->steps = steps;
}

void track_reset_before_each(Track *track) { track->silence = instance_remember(track->instance); }

void track_close(Track *track) {
    for (uint32_t i = 0; i < track->scorers.count; i++) scorer_free(track->scorers.items[i]);
    vec_free(&track->scorers);
    instance_memory_free(track->silence);
    settings_free(track->settings);
    stretch_free(track->stretch);
    if (!track->continues) {
        instance_free(track->instance);
        feeder_free(track->feeder);
    }
    free(track->scores);
    free(track->score_sums);
    *track = (Track){0};
}

// ---- Presenting -----------------------------------------------------------------------------------------------------

void track_begin(Track *track) {
    track->loss_sum = 0;
    track->presentations = 0;
    for (uint32_t i = 0; i < track->scorers.count; i++) {
        track->score_sums[i] = 0;
        scorer_begin_all(track->scorers.items[i]);
    }
}

static bool is_scored(const Track *track, uint32_t score) {
    int stage = track->experiment->scores.items[score].stage;
    return stage < 0 || stage == track->stage;
}

static void observe(Track *track, int64_t t) {
    for (uint32_t i = 0; i < track->scorers.count; i++)
        if (is_scored(track, i)) scorer_observe(track->scorers.items[i], t == track->steps - 1);
}

static void finish(Track *track) {
    track->loss = track->cost_sum / (double)(track->steps - track->settle);
    track->loss_sum += track->loss;
    for (uint32_t i = 0; i < track->scorers.count; i++) {
        track->scores[i] = is_scored(track, i) ? scorer_finish(track->scorers.items[i], NULL) : NAN;
        track->score_sums[i] += track->scores[i];
    }
    track->presentations++;
}

// One step of a presentation; the cost and the scores read what lies in the registers before it.
static bool present_step(Track *track, int64_t t, double *cost, Text *error) {
    if (t == 0 && track->silence) instance_recall(track->instance, track->silence);
    if (!feeder_step(track->feeder, track->instance, track->first + t, error)) return false;
    int64_t n = track->trained < 0 ? instance_steps(track->instance) : track->trained;
    if (track->settings) settings_apply(track->settings, track->instance, n);
    unsigned ends = t == track->steps - 1 ? 1u << END_PRESENTATION | (unsigned)track->ends_epoch << END_EPOCH : 0;
    instance_set_ends(track->instance, ends);
    bool scored = t >= track->settle;
    if (scored && !track->observe_after) observe(track, t);
    instance_step(track->instance, track->entry, track->entry == ENTRY_TRAIN);
    if (scored && track->observe_after) observe(track, t);
    *cost = instance_mean_cost(track->instance);
    return true;
}

static bool record(Track *track, Recorder *recorder, double cost, bool presented, Text *error) {
    RecordNumbers numbers = {.cost = cost, .loss = track->loss, .scores = track->scores, .stage = track->stage};
    return recorder_step(recorder, track->instance, instance_steps(track->instance) - 1, presented, &numbers, error);
}

static void begin_presentation(Track *track) {
    for (uint32_t i = 0; i < track->scorers.count; i++) scorer_begin(track->scorers.items[i]);
    track->cost_sum = 0;
}

// Adds a step that was made to the averages and recordings.
static bool count_step(Track *track, const TrackWatch *watch, double cost, bool last, Text *error) {
    if (track->t >= track->settle) track->cost_sum += cost;
    if (last) finish(track);
    track->t++;
    return !watch->recorder || record(track, watch->recorder, cost, last, error);
}

static void tell_step(const TrackWatch *watch, double cost) {
    progress_step(watch->progress);
    if (watch->stepped) watch->stepped(watch->context, cost);
}

static bool present_one(Track *track, const TrackWatch *watch, Text *error) {
    double cost;
    bool last = track->t == track->steps - 1;
    if (!present_step(track, track->t, &cost, error)) return false;
    if (last) instance_end_presentation(track->instance, track->entry == ENTRY_TRAIN);
    if (last && track->ends_stage) instance_end_window(track->instance, track->entry == ENTRY_TRAIN);
    if (!count_step(track, watch, cost, last, error)) return false;
    if (track->settings) settings_undo(track->settings, track->instance);
    tell_step(watch, cost);
    return true;
}

// ---- Stretches ------------------------------------------------------------------------------------------------------

enum { LONGEST = 256 };                  // steps; more of them save nothing worth having
static const double most_seconds = 0.01; // for which a signal may have to wait

// How many steps nobody has anything to do in between. The last one of a presentation, where much happens, is none of
// them.
static int64_t calm_steps(const Track *track, const TrackWatch *watch) {
    int64_t calm = track->steps - 1 - track->t;
    if (!track->stretch) return 1;
    if (calm > track->longest) calm = track->longest;
    int64_t asked = watch->calm(watch->context);
    if (calm > asked) calm = asked;
    asked = stretch_calm(track->stretch, track->entry, track->entry == ENTRY_TRAIN);
    if (calm > asked) calm = asked;
    bool moves = track->trained < 0; // settings follow the steps of the training
    int64_t n = moves ? instance_steps(track->instance) : track->trained;
    if (track->settings && calm > 1) {
        int64_t unset = settings_calm(track->settings, n, moves ? calm : 1);
        if (moves || !unset) calm = unset;
    }
    return calm;
}

typedef struct ScoreWatch {
    const Track *track;
    StretchMoment moment;
    int64_t wait;
} ScoreWatch;

static void watch_scored(void *context, uint32_t number) {
    const ScoreWatch *visit = context;
    stretch_watch(visit->track->stretch, number, visit->moment, visit->wait, 1);
}

static void watch_all(const Track *track, const TrackWatch *watch) {
    ScoreWatch visit = {.track = track, .moment = track->observe_after ? STRETCH_AFTER : STRETCH_BEFORE};
    if (track->t < track->settle) visit.wait = track->settle - track->t;
    for (uint32_t i = 0; i < track->scorers.count; i++)
        if (is_scored(track, i)) scorer_reads(track->scorers.items[i], watch_scored, &visit);
    if (watch->recorder) recorder_watch(watch->recorder, track->stretch, instance_steps(track->instance), track->stage);
}

// After a stretch: what is otherwise done beside each step.
static bool count_stretch(Track *track, const TrackWatch *watch, int64_t steps, Text *error) {
    for (int64_t k = 0; k < steps; k++) {
        if (track->t >= track->settle) {
            stretch_show(track->stretch, k, track->observe_after ? STRETCH_AFTER : STRETCH_BEFORE);
            observe(track, track->t);
        }
        stretch_show(track->stretch, k, STRETCH_AFTER);
        double cost = instance_mean_cost(track->instance);
        if (!count_step(track, watch, cost, false, error)) return false;
        tell_step(watch, cost);
    }
    return true;
}

// As present_one does `steps` times, or fewer times. False when it fails.
static bool present_stretch(Track *track, const TrackWatch *watch, int64_t steps, Text *error) {
    Stretch *stretch = track->stretch;
    if (track->t == 0 && track->silence) instance_recall(track->instance, track->silence);
    stretch_begin(stretch, track->entry, track->entry == ENTRY_TRAIN);
    int64_t fed = feeder_plan(track->feeder, stretch, track->first + track->t);
    watch_all(track, watch);
    steps = stretch_room(stretch, steps < fed ? steps : fed);
    steps = feeder_fill(track->feeder, stretch, track->instance, track->first + track->t, steps, error);
    if (steps < 1) return false;
    instance_set_ends(track->instance, 0);
    stretch_run(stretch, steps);
    bool fine = count_stretch(track, watch, steps, error);
    stretch_end(stretch);
    return fine;
}

// A stretch takes at most twice as many steps as the one before, and about `most_seconds`.
static void pace(Track *track, int64_t steps, double seconds) {
    double most = most_seconds * (double)steps / seconds;
    track->longest = 2 * steps;
    if (track->longest > LONGEST) track->longest = LONGEST;
    if (most < (double)track->longest) track->longest = most < 1 ? 1 : (int64_t)most;
}

static bool present_some(Track *track, const TrackWatch *watch, Text *error) {
    int64_t steps = calm_steps(track, watch), before = track->t;
    if (steps < 2 && track->longest > 1) return present_one(track, watch, error);
    double began = clock_seconds();
    if (!(steps < 2 ? present_one(track, watch, error) : present_stretch(track, watch, steps, error))) return false;
    pace(track, track->t - before, clock_seconds() - began);
    return true;
}

PresentResult track_present(Track *track, const TrackWatch *watch, Text *error) {
    if (track->t == 0) begin_presentation(track);
    while (track->t < track->steps) {
        if (watch->stop && watch->stop()) return PRESENT_STOPPED;
        if (watch->between && !watch->between(watch->context, error)) return PRESENT_FAILED;
        if (!present_some(track, watch, error)) return PRESENT_FAILED;
        progress_show(watch->progress);
    }
    track->t = 0;
    return PRESENT_DONE;
}

void track_keep(Track *track, const char *prefix, Checkpoint *checkpoint) {
    uint32_t scores = track->scorers.count;
    double sums[] = {track->loss, track->loss_sum, track->cost_sum};
    int64_t counts[] = {track->t, track->presentations};
    Text name = {0};
    text_addf(&name, "%s track", prefix);
    checkpoint_reals(checkpoint, text_z(&name), sums, 3);
    text_add(&name, " place");
    checkpoint_counts(checkpoint, text_z(&name), counts, 2);
    text_add(&name, " scores");
    checkpoint_reals(checkpoint, text_z(&name), track->scores, scores);
    text_add(&name, " sums");
    checkpoint_reals(checkpoint, text_z(&name), track->score_sums, scores);
    for (uint32_t i = 0; i < scores; i++) {
        name.length = 0;
        text_addf(&name, "%s score %u", prefix, i);
        scorer_keep(track->scorers.items[i], text_z(&name), checkpoint);
    }
    text_free(&name);
    instance_keep(track->instance, prefix, checkpoint);
    if (!track->continues) feeder_keep(track->feeder, prefix, checkpoint);
    if (counts[0] < 0 || counts[0] >= (track->steps ? track->steps : 1))
        checkpoint_fail(checkpoint, "step %lld of a presentation of %lld steps", (long long)counts[0],
                        (long long)track->steps);
    if (!checkpoint_restores(checkpoint) || checkpoint_failed(checkpoint)) return;
    track->loss = sums[0];
    track->loss_sum = sums[1];
    track->cost_sum = sums[2];
    track->t = counts[0];
    track->presentations = counts[1];
}

double track_loss(const Track *track) { return track->loss_sum / (double)track->presentations; }
double track_score(const Track *track, uint32_t score) {
    bool over_all = scorer_goes_over_all(track->scorers.items[score]);
    return over_all ? track->scores[score] : track->score_sums[score] / (double)track->presentations;
}
