// The course of an experiment: opens data, trains epoch by epoch or runs along a signal, evaluates, anneals, saves.
#define _POSIX_C_SOURCE 200809L
#include "experiment.h"
#include "anneal.h"
#include "interrupt.h"
#include "keeper.h"
#include "manifest.h"
#include "memory.h"
#include "outcome.h"
#include "track.h"
#include "trap.h"
#include <math.h>
#include <string.h>
#include <time.h>

typedef struct Run {
    Program *program;
    const Model *model;
    const Experiment *experiment;
    const RunOptions *options;
    RunReport *report;
    SourceCache cache;
    SampleSet train_samples, test_samples;
    Track train, test;
    bool tests;                   // there is something to evaluate on, or a time to evaluate for
    int64_t epochs, epoch, steps; // planned, done; of a presentation or of a continuous run
    bool testing, midway;         // the part of the epoch under way; that part was restored in the middle
    int64_t batch;                // of that part, the batch under way
    int64_t stage;                // of a continuous run
    Identity identity;
    Keeper keeper;
    Trap *trap;            // NULL: nothing is looked for
    bool saved_states;     // into final/
    bool trapped;          // a number was not finite
    const char *reason;    // of a failure
    double seconds_before; // of the run before it was resumed
    Recorder *recorder;
    Progress progress;
    Plateau plateau;
    ScoreTable table;
    double began, first_rate; // of the parameter that is annealed
    double cost_sum;          // of a continuous run, since the last line
    int64_t cost_steps;
} Run;

static int64_t bounded_product(int64_t a, int64_t b) { return b && a > INT64_MAX / 4 / b ? INT64_MAX / 4 : a * b; }

double clock_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

// ---- What a program must keep readable ------------------------------------------------------------------------------

typedef struct NameVisit {
    const Model *model;
    NameList *names;
} NameVisit;

static void add_name(void *context, const char *name) {
    NameVisit *visit = context;
    Atom atom = arena_atom_z(visit->model->arena, name);
    for (uint32_t i = 0; i < visit->names->count; i++)
        if (visit->names->items[i] == atom) return;
    vec_push(visit->names, atom);
}

// x[0] is an element: no array has such a name.
static void add_score_name(void *context, const char *name) {
    if (name[strlen(name) - 1] != ']') add_name(context, name);
}

static bool is_array_name(const Model *model, const char *name) {
    if (strcmp(name, "cost") == 0 || strcmp(name, "loss") == 0) return false;
    for (uint32_t i = 0; model->experiment && i < model->experiment->scores.count; i++)
        if (strcmp(model->experiment->scores.items[i].name, name) == 0) return false;
    return true;
}

void experiment_recorded(const Model *model, const char *const *records, uint32_t record_count, NameList *names) {
    NameVisit visit = {model, names};
    const Experiment *experiment = model->experiment;
    for (uint32_t i = 0; experiment && i < experiment->recordings.count; i++)
        for (uint32_t k = 0; k < experiment->recordings.items[i].names.count; k++)
            if (is_array_name(model, experiment->recordings.items[i].names.items[k]))
                add_name(&visit, experiment->recordings.items[i].names.items[k]);
    for (uint32_t i = 0; experiment && i < experiment->scores.count; i++)
        score_names(experiment->scores.items[i].value, add_score_name, &visit);
    for (uint32_t i = 0; experiment && i < experiment->settings.count; i++)
        add_name(&visit, symbol_info(model->store, experiment->settings.items[i].symbol)->name);
    for (uint32_t i = 0; i < record_count; i++)
        for (const char *rest = records[i], *name; (name = record_next_name(model->arena, &rest));)
            if (is_array_name(model, name)) add_name(&visit, name);
}

// ---- Opening --------------------------------------------------------------------------------------------------------

static bool open_samples(Run *run, int64_t data, SampleSet *samples, int64_t batch, Text *error) {
    const DataSet *set = &run->experiment->data.items[data];
    double start = clock_seconds();
    bool opened = samples_open(run->model, set->source, &run->cache, samples, error);
    run->report->data += clock_seconds() - start;
    if (!opened) return false;
    if (samples->count >= batch && samples->count <= UINT32_MAX) return true;
    text_addf(error, "a batch has %lld samples, but `%s` has only %lld", (long long)batch, set->name,
              (long long)samples->count);
    return false;
}

static bool open_test(Run *run, Text *error) {
    const Experiment *experiment = run->experiment;
    bool continuous = experiment->present_steps == 0;
    run->tests = continuous ? experiment->afterwards > 0 : experiment->test_data >= 0 && experiment->evaluate_every > 0;
    if (!run->tests) return true;
    if (continuous) return track_continue(&run->test, &run->train, experiment->afterwards, error);
    if (!open_samples(run, experiment->test_data, &run->test_samples, 1, error)) return false;
    int64_t wanted = experiment->evaluate_batch ? experiment->evaluate_batch : experiment->batch;
    TrackPlan plan = {.program = run->program,
                      .samples = &run->test_samples,
                      .steps = run->steps,
                      .settle = experiment->settle_steps,
                      .seed = run->options->seed,
                      .entry = ENTRY_EVALUATE,
                      .batch = feeder_even_batch(run->test_samples.count, wanted),
                      .weights = run->train.instance};
    return track_open(&run->test, &plan, error);
}

// ---- Stages ---------------------------------------------------------------------------------------------------------

// Stages follow each other in the order of the experiment; without any, the run is one. Everything about them is a
// function of the place in the run, so that a run can go on from anywhere.
typedef struct Part {
    int stage;                       // -1: the experiment has none
    int64_t first_epoch, epochs;     // of samples: the last epoch may be shorter
    int64_t first_step, steps, last; // last: presentations of the last epoch
} Part;

static uint32_t part_count(const Run *run) {
    uint32_t stages = run->experiment->stages.count;
    return stages ? stages : 1;
}

static int64_t presentations_of(const Run *run, uint32_t number) {
    int64_t each = feeder_batches(run->train.feeder);
    if (!run->experiment->stages.count) return bounded_product(run->epochs, each);
    const Moment *length = &run->experiment->stages.items[number].length;
    return length->kind == COUNT_EPOCHS ? bounded_product(length->count, each) : length->count;
}

static Part part_of(const Run *run, uint32_t number) {
    const Experiment *experiment = run->experiment;
    Part part = {.stage = experiment->stages.count ? (int)number : -1};
    bool continuous = experiment->present_steps == 0;
    int64_t each = continuous ? 1 : feeder_batches(run->train.feeder);
    for (uint32_t i = 0; i <= number; i++) {
        part.first_epoch += part.epochs;
        part.first_step += part.steps;
        if (continuous) {
            part.steps = part.stage < 0 ? run->steps : experiment->stages.items[i].length.count;
            continue;
        }
        int64_t presentations = presentations_of(run, i);
        part.epochs = presentations / each + (presentations % each != 0);
        part.last = presentations - (part.epochs - 1) * each;
        part.steps = bounded_product(presentations, run->steps);
    }
    return part;
}

static uint32_t part_of_epoch(const Run *run, int64_t epoch) {
    for (uint32_t i = 0; i + 1 < part_count(run); i++) {
        Part part = part_of(run, i);
        if (epoch < part.first_epoch + part.epochs) return i;
    }
    return part_count(run) - 1;
}

static bool ends_stage(const Run *run, int64_t epoch) {
    Part part = part_of(run, part_of_epoch(run, epoch));
    return epoch + 1 == part.first_epoch + part.epochs;
}

// Epochs are evaluated in every so many, and at the end of each stage.
static bool is_tested(const Run *run, int64_t epoch) {
    int64_t every = run->tests ? run->experiment->evaluate_every : 0;
    return every && ((epoch + 1) % every == 0 || ends_stage(run, epoch));
}

static int64_t tested_epochs(const Run *run) {
    int64_t every = run->experiment->evaluate_every, count = 0;
    for (uint32_t i = 0; i < part_count(run); i++) {
        Part part = part_of(run, i);
        int64_t end = part.first_epoch + part.epochs;
        if (part.epochs) count += end / every - part.first_epoch / every + (end % every != 0);
    }
    return count;
}

static void enter_part(Track *track, const Part *part) {
    track_enter_stage(track, part->stage, part->first_step, part->steps);
}

static bool open_settings(const Run *run, Track *track, int64_t run_steps, bool evaluates, Text *error) {
    int64_t each = run->experiment->present_steps;
    SettingsPlan plan = {.program = run->program,
                         .seed = run->options->seed,
                         .presentation = each,
                         .epoch = each ? bounded_product(feeder_batches(run->train.feeder), each) : 0,
                         .run = run_steps,
                         .evaluates = evaluates};
    Settings *settings = settings_new(&plan, error);
    if (settings) track_set(track, settings);
    return settings != NULL;
}

// What an offline principle may keep of a window.
static bool limit_window(Run *run, Text *error) {
    const double standard = 1 << 30;
    double limit = run->options->memory_limit > 0 ? run->options->memory_limit : standard;
    int64_t window = run->model->dynamics.window ? run->model->dynamics.window : run->steps;
    return instance_limit_memory(run->train.instance, limit < 9e18 ? (int64_t)limit : INT64_MAX, window, error);
}

static bool open_train(Run *run, Text *error) {
    const Experiment *experiment = run->experiment;
    bool continuous = experiment->present_steps == 0;
    run->steps = continuous ? experiment->duration : experiment->present_steps;
    if (continuous && run->options->steps >= 0) run->steps = run->options->steps;
    run->epochs = run->options->epochs >= 0 ? run->options->epochs : experiment->epochs; // stages: when they are open
    if (continuous && run->steps > 0 && run->steps <= experiment->settle_steps) {
        text_addf(error, "a run of %lld steps is over before it has settled, after %lld", (long long)run->steps,
                  (long long)experiment->settle_steps);
        return false;
    }
    if (!continuous && experiment->train_data < 0) {
        text_add(error, "the experiment has samples to present but no data to take them from");
        return false;
    }
    if (!continuous && !open_samples(run, experiment->train_data, &run->train_samples, experiment->batch, error))
        return false;
    TrackPlan plan = {.program = run->program,
                      .samples = continuous ? NULL : &run->train_samples,
                      .steps = run->steps,
                      .more_steps = continuous ? experiment->afterwards : 0,
                      .settle = experiment->settle_steps,
                      .batch = experiment->batch,
                      .seed = run->options->seed,
                      .entry = ENTRY_TRAIN};
    return track_open(&run->train, &plan, error) && limit_window(run, error);
}

// Steps that learn: of all epochs, or of a continuous run.
static int64_t training_steps(const Run *run) {
    Part last = part_of(run, part_count(run) - 1);
    return last.first_step + last.steps;
}

static double rate_now(const Run *run) {
    return run->experiment->anneal ? instance_scalar(run->train.instance, run->experiment->anneal) : NAN;
}

// The rate for the next step, where the experiment gives it as a schedule. It depends on the number of steps only.
static void follow_schedule(Run *run) {
    const Experiment *experiment = run->experiment;
    if (!experiment->anneal || experiment->anneal_rule != ANNEAL_STEPS) return;
    int64_t step = instance_steps(run->train.instance);
    double factor = schedule_factor(experiment->schedule.items, experiment->schedule.count, step, training_steps(run));
    instance_set_scalar(run->train.instance, experiment->anneal, factor * run->first_rate);
}

// What presentations and schedules return to.
static void keep_first_values(Run *run) {
    if (run->experiment->reset) {
        track_reset_before_each(&run->train);
        if (run->tests) track_reset_before_each(&run->test);
    }
    run->first_rate = rate_now(run);
    follow_schedule(run);
}

static bool options_fit(const Run *run, Text *error) {
    const Experiment *experiment = run->experiment;
    bool continuous = experiment && experiment->present_steps == 0;
    bool staged = experiment && experiment->stages.count, given = run->options->epochs >= 0 || run->options->steps >= 0;
    const char *wrong = !experiment ? "the model has no experiment to run"
                        : staged && given
                            ? "the experiment is as long as its stages: give these other lengths in the model"
                        : continuous && run->options->epochs >= 0
                            ? "the experiment is one continuous run and has no epochs; `--duration` makes it longer"
                        : !continuous && run->options->steps >= 0 ? "the experiment runs in epochs and has no duration"
                        : run->options->record_count && !run->options->out ? "recordings need a folder to be written to"
                                                                           : NULL;
    if (wrong) text_add(error, wrong);
    return !wrong;
}

// ---- Checkpoints ----------------------------------------------------------------------------------------------------

// A file with right checksums may still have been made up.
static bool is_place(const Run *run, const int64_t place[5]) {
    bool continuous = run->experiment->present_steps == 0;
    if (place[4] < 0 || place[4] >= (continuous ? part_count(run) : 1)) return false;
    if (place[0] < 0 || place[0] > run->epochs || place[1] < 0 || place[1] > run->tests || place[3] < 0) return false;
    const Track *track = place[1] ? &run->test : &run->train;
    int64_t batches = run->experiment->present_steps ? feeder_batches(track->feeder) : 1;
    return place[2] >= 0 && place[2] < batches;
}

// Puts the tracks where they were, before what they hold is restored.
static void go_to(Run *run, const int64_t place[5]) {
    bool continuous = run->experiment->present_steps == 0;
    if (!continuous && place[0] == run->epochs) return;
    Part part = part_of(run, continuous ? (uint32_t)place[4] : part_of_epoch(run, place[0]));
    if (run->train.settings) enter_part(&run->train, &part);
    if (continuous) track_move(&run->train, part.first_step, part.steps);
}

// Everything that a run needs to go on. Recordings come last: restoring them cuts files.
static void keep_run(Run *run, Checkpoint *checkpoint) {
    int64_t place[] = {run->epoch, run->testing, run->batch, run->progress.done, run->stage};
    double plateau[] = {run->plateau.best, run->seconds_before};
    checkpoint_counts(checkpoint, "place", place, 5);
    if (checkpoint_restores(checkpoint) && !checkpoint_failed(checkpoint) && is_place(run, place)) go_to(run, place);
    checkpoint_reals(checkpoint, "plateau", plateau, 2);
    checkpoint_counts(checkpoint, "plateau bad", &run->plateau.bad, 1);
    score_table_keep(&run->table, checkpoint);
    track_keep(&run->train, "train", checkpoint);
    if (run->tests) track_keep(&run->test, "test", checkpoint);
    if (checkpoint_restores(checkpoint) && !checkpoint_failed(checkpoint) && !is_place(run, place))
        checkpoint_fail(checkpoint, "is at a place that this run does not have");
    if (checkpoint_restores(checkpoint) && !checkpoint_failed(checkpoint)) {
        run->epoch = place[0];
        run->testing = place[1];
        run->batch = place[2];
        run->progress.done = place[3];
        run->stage = place[4];
        run->midway = true;
        run->plateau.best = plateau[0];
        run->seconds_before = plateau[1];
        run->report->resumed = run->report->steps = instance_steps(run->train.instance);
    }
    recorder_keep(run->recorder, checkpoint);
}

// `now`: whatever the interval.
static bool look_for_wrong_numbers(Run *run, bool now, Text *error) {
    if (!run->trap || trap_look(run->trap, run->train.instance, now, error)) return true;
    run->trapped = true;
    return false;
}

static bool save_checkpoint(Run *run, Text *error) {
    double began = clock_seconds(), before = run->seconds_before;
    if (!look_for_wrong_numbers(run, true, error)) return false; // the last good state is worth more
    Checkpoint *checkpoint = keeper_begin(&run->keeper, error);
    if (!checkpoint) return false;
    run->seconds_before = began - run->began;
    keep_run(run, checkpoint);
    run->seconds_before = before;
    if (!checkpoint_close(checkpoint, error)) return false;
    keeper_done(&run->keeper, run->progress.done, began);
    return true;
}

static bool between(void *context, Text *error) {
    Run *run = context;
    if (!run->testing && !look_for_wrong_numbers(run, false, error)) return false;
    if (instance_is_in_window(run->train.instance)) return true; // what an offline principle has yet to go back through
    return !run->options->out || !keeper_due(&run->keeper, run->progress.done) || save_checkpoint(run, error);
}

// Steps that may be made before `between` is asked again and the schedule followed.
static int64_t calm(void *context) {
    const Run *run = context;
    const Experiment *experiment = run->experiment;
    int64_t done = instance_steps(run->train.instance), steps = INT64_MAX;
    if (run->options->trap == 1) return 1; // in evaluations, too: then all steps are single ones
    if (run->options->out) steps = keeper_calm(&run->keeper, run->progress.done);
    if (run->testing) return steps;
    int64_t trap = run->trap ? trap_calm(run->trap, run->train.instance) : INT64_MAX;
    if (trap < steps) steps = trap;
    if (!experiment->anneal || experiment->anneal_rule != ANNEAL_STEPS) return steps;
    int64_t turn = schedule_calm(experiment->schedule.items, experiment->schedule.count, done, training_steps(run));
    return turn < steps ? turn : steps;
}

static bool open_folder(Run *run, Text *error) {
    const RunOptions *options = run->options;
    run->recorder = recorder_new(run->program, options, run->train.batch, error);
    if (!run->recorder || !identity_open(&run->identity, run->program, options, error)) return false;
    if (!keeper_open(&run->keeper, options, &run->identity, error)) return false;
    size_t said = error->length;
    Checkpoint *checkpoint = options->resume ? keeper_find(&run->keeper, error) : NULL;
    if (error->length > said) return false;
    if (!checkpoint && options->resume) run->report->was_complete = manifest_complete(options, run->identity.sha256);
    if (run->report->was_complete) return true;
    if (!checkpoint) return keeper_clear(&run->keeper, error) && recorder_open(run->recorder, error);
    keep_run(run, checkpoint);
    return checkpoint_close(checkpoint, error);
}

// ---- Opening all ----------------------------------------------------------------------------------------------------

// Before anything large is allocated.
static bool memory_suffices(const Run *run, Text *error) {
    const Experiment *experiment = run->experiment;
    MemoryNeed need = {.batch = experiment->batch, .evaluation_batch = experiment->evaluate_batch};
    if (!need.evaluation_batch) need.evaluation_batch = need.batch;
    need.training = instance_bytes(run->program, need.batch, false);
    if (run->options->trap == 1) need.training *= 2; // the step before, too
    if (experiment->test_data >= 0 && experiment->evaluate_every > 0)
        need.evaluation = instance_bytes(run->program, need.evaluation_batch, true);
    return memory_allows(&need, run->options->memory_limit, error);
}

static bool open_run(Run *run, Text *error) {
    const RunOptions *options = run->options;
    if (!options_fit(run, error) || !memory_suffices(run, error) || !open_train(run, error)) return false;
    if (!initialise_arrays(run->program, run->train.instance, options, error) || !open_test(run, error)) return false;
    if (run->experiment->stages.count && run->experiment->present_steps) {
        Part last = part_of(run, part_count(run) - 1);
        run->epochs = last.first_epoch + last.epochs;
    }
    if (run->experiment->settings.count || run->experiment->stages.count) {
        int64_t steps = training_steps(run);
        if (!open_settings(run, &run->train, steps, false, error)) return false;
        if (run->tests && !open_settings(run, &run->test, steps, true, error)) return false;
    }
    keep_first_values(run);
    run->plateau = plateau_new(run->experiment->patience, run->experiment->factor, run->experiment->lower_is_better);
    score_table_open(&run->table, run->experiment, run->model, run->tests);
    if (options->out && !open_folder(run, error)) return false;
    enum { SELDOM = 1000 };
    if (options->trap >= 0) run->trap = trap_new(run->train.instance, options->trap ? options->trap : SELDOM);
    return true;
}

static void close_run(Run *run) {
    trap_free(run->trap);
    recorder_abandon(run->recorder);
    track_close(&run->test); // before the instance whose weights it shares
    track_close(&run->train);
    samples_close(&run->train_samples);
    samples_close(&run->test_samples);
    source_cache_free(&run->cache);
    score_table_free(&run->table);
    identity_close(&run->identity);
    keeper_close(&run->keeper);
}

// ---- Running --------------------------------------------------------------------------------------------------------

static void stepped(void *context, double cost) {
    Run *run = context;
    if (run->report->first_step == 0) run->report->first_step = clock_seconds() - run->options->started;
    run->report->steps = instance_steps(run->train.instance);
    follow_schedule(run);
    run->cost_sum += cost;
    run->cost_steps++;
    if (run->epochs || !progress_tenth(&run->progress)) return;
    Text line = {0};
    text_addf(&line, "%3lld %%   step %10lld   ", (long long)run->progress.done * 100 / run->progress.steps,
              (long long)run->report->steps);
    if (run->model->cost) {
        double mean = run->cost_sum / (double)run->cost_steps;
        snprintf(run->progress.note, sizeof run->progress.note, "cost %.4g", mean);
        text_addf(&line, "cost %-11.4g ", mean);
    }
    text_addf(&line, "%8.1f s", clock_seconds() - run->began);
    progress_line(&run->progress, text_z(&line));
    text_free(&line);
    run->cost_sum = 0;
    run->cost_steps = 0;
}

static PresentResult present_all(Run *run, Track *track, Text *error) {
    bool training = track == &run->train;
    TrackWatch watch = {.recorder = training ? run->recorder : NULL,
                        .progress = &run->progress,
                        .stop = run->options->catch_signals ? interrupt_pending : NULL,
                        .between = between,
                        .calm = calm,
                        .stepped = training ? stepped : NULL,
                        .context = run};
    feeder_order(track->feeder, run->epoch, training && run->experiment->shuffle);
    Part part = part_of(run, part_of_epoch(run, run->epoch));
    int64_t batches = feeder_batches(track->feeder);
    if (training && ends_stage(run, run->epoch)) batches = part.last;
    if (track->settings) enter_part(track, &part);
    if (!training) track->trained = instance_steps(run->train.instance) - 1;
    bool midway = run->midway; // its samples were chosen before
    if (!run->midway) {
        run->testing = !training;
        run->batch = 0;
        track_begin(track);
    }
    run->midway = false;
    for (; run->batch < batches; run->batch++) {
        if (!midway) feeder_choose(track->feeder, run->batch);
        midway = false;
        track->ends_epoch = run->batch + 1 == batches;
        track->ends_stage = track->ends_epoch && part.stage >= 0 && ends_stage(run, run->epoch);
        PresentResult result = track_present(track, &watch, error);
        if (result != PRESENT_DONE) return result;
    }
    return PRESENT_DONE;
}

static void anneal(Run *run) {
    double score;
    if (!run->experiment->anneal || run->experiment->anneal_rule != ANNEAL_PLATEAU) return;
    if (!score_table_find(&run->table, run->experiment->anneal_score, &score)) return;
    double rate = instance_scalar(run->train.instance, run->experiment->anneal);
    instance_set_scalar(run->train.instance, run->experiment->anneal, plateau_next(&run->plateau, score, rate));
}

// The row of an epoch: printed, and saved at once, so that a long run can be watched.
static bool end_epoch(Run *run, bool tested, Text *error) {
    score_table_add(&run->table, run->epoch, run->train.stage, &run->train, tested ? &run->test : NULL, rate_now(run),
                    clock_seconds() - run->began);
    if (tested || strncmp(run->experiment->anneal_score ? run->experiment->anneal_score : "", "test.", 5) != 0)
        anneal(run);
    score_table_note(&run->table, run->progress.note, sizeof run->progress.note);
    Text line = {0};
    score_table_line(&run->table, run->epochs, &line);
    progress_line(&run->progress, text_z(&line));
    text_free(&line);
    return !run->options->out || score_table_save(&run->table, run->options->out, error);
}

static PresentResult run_epochs(Run *run, Text *error) {
    while (run->epoch < run->epochs) {
        bool trained = run->midway && run->testing;
        PresentResult result = trained ? PRESENT_DONE : present_all(run, &run->train, error);
        bool tested = is_tested(run, run->epoch);
        if (result == PRESENT_DONE && tested) result = present_all(run, &run->test, error);
        if (result != PRESENT_DONE) return result;
        run->epoch++;
        if (!end_epoch(run, tested, error)) return PRESENT_FAILED;
    }
    return PRESENT_DONE;
}

// Those of a continuous run; epochs have a line each.
static void print_scores(const Run *run) {
    if (run->experiment->present_steps || !run->table.rows || !run->options->progress) return;
    Text line = {0};
    score_table_scores(&run->table, &line);
    fprintf(run->options->progress, "scores: %s\n", text_z(&line));
    text_free(&line);
}

// One stage of a continuous run, or the whole of it.
static PresentResult present_part(Run *run, const Part *part, const TrackWatch *watch, Text *error) {
    if (run->train.settings) enter_part(&run->train, part);
    track_move(&run->train, part->first_step, part->steps);
    run->train.ends_epoch = true;
    run->train.ends_stage = part->stage >= 0;
    if (!run->midway) track_begin(&run->train);
    return track_present(&run->train, watch, error);
}

static PresentResult run_continuous(Run *run, Text *error) {
    TrackWatch watch = {.recorder = run->recorder,
                        .progress = &run->progress,
                        .stop = run->options->catch_signals ? interrupt_pending : NULL,
                        .between = between,
                        .calm = calm,
                        .stepped = stepped,
                        .context = run};
    PresentResult result = PRESENT_DONE;
    for (; run->stage < part_count(run); run->stage++) {
        Part part = part_of(run, (uint32_t)run->stage);
        bool last = run->stage + 1 == part_count(run), trained = run->midway && run->testing; // before it was resumed
        result = trained ? PRESENT_DONE : present_part(run, &part, &watch, error);
        run->midway = false;
        run->testing = last && result == PRESENT_DONE;
        double rate = rate_now(run); // of the last step that learned
        if (run->testing && run->tests) {
            run->train.stage = -1;
            instance_enter_stage(run->train.instance, -1);
            feeder_enter_stage(run->train.feeder, -1);
            result = track_present(&run->test, &watch, error);
        }
        if (result != PRESENT_DONE) return result;
        score_table_add(&run->table, run->report->steps, part.stage, &run->train,
                        run->tests && last ? &run->test : NULL, rate, clock_seconds() - run->began);
        if (run->options->out && !score_table_save(&run->table, run->options->out, error)) return PRESENT_FAILED;
        if (!last) print_scores(run);
    }
    run->stage--; // the last one
    return PRESENT_DONE;
}

static int64_t planned_steps(const Run *run) {
    int64_t steps = training_steps(run);
    if (run->experiment->present_steps == 0) return steps + run->experiment->afterwards;
    if (!run->tests) return steps;
    int64_t evaluations = tested_epochs(run);
    return steps + bounded_product(evaluations, bounded_product(feeder_batches(run->test.feeder), run->steps));
}

// ---- Saving ---------------------------------------------------------------------------------------------------------

static bool save_manifest(const Run *run, const char *status, Text *error) {
    if (!run->options->out) return true;
    ManifestScore scores[64];
    Manifest manifest = {.program = run->program,
                         .options = run->options,
                         .report = run->report,
                         .status = status,
                         .reason = run->reason,
                         .identity = &run->identity,
                         .batch = run->train.batch,
                         .epochs_done = run->epoch,
                         .steps_planned = planned_steps(run),
                         .state_steps = run->saved_states ? instance_steps(run->train.instance) : -1,
                         .scores = scores,
                         .score_count = score_table_last(&run->table, scores, 64)};
    return manifest_write(&manifest, error);
}

// Everything that is done is worth keeping, also after an interruption.
static bool save_results(Run *run, const char *status, Text *error) {
    if (!run->options->out) return true;
    Recorder *recorder = run->recorder;
    run->recorder = NULL;
    bool fine = recorder_close(recorder, &run->report->files, error);
    if (fine) fine = save_learned(run->program, run->train.instance, run->options->out, &run->report->files, error);
    if (fine && run->options->save_states)
        fine = run->saved_states =
            save_states(run->program, run->train.instance, run->options->out, &run->report->files, error);
    if (fine && run->table.rows) run->report->files += 2; // scores and times stand since the last epoch or the end
    if (fine) fine = save_manifest(run, status, error);
    if (fine) run->report->files++;
    if (fine && strcmp(status, "complete") == 0) fine = keeper_finish(&run->keeper, error);
    return fine;
}

static bool save_interrupted(Run *run, Text *error) {
    bool keeps = run->options->out && run->keeper.seconds >= 0 && !instance_is_in_window(run->train.instance);
    if (keeps && !save_checkpoint(run, error)) return false;
    return save_results(run, "interrupted", error);
}

// What went wrong is what is told; that it could not be noted either is only its consequence. Results of an earlier run
// stay; what this one recorded stays beside them, up to its last checkpoint.
// When numbers went wrong, what led there is worth looking at.
static void save_failed(Run *run, const char *reason) {
    Text nowhere = {0};
    run->reason = reason;
    if (run->trapped) {
        save_results(run, "failed", &nowhere);
    } else {
        recorder_abandon(run->recorder);
        run->recorder = NULL;
        save_manifest(run, "failed", &nowhere);
    }
    text_free(&nowhere);
}

static void print_learned(const Run *run) {
    Text line = {0};
    learned_line(run->program, run->train.instance, &line);
    if (run->options->progress && line.length) fprintf(run->options->progress, "learned: %s\n", text_z(&line));
    text_free(&line);
}

static bool carry_out(Run *run, Text *error) {
    if (run->report->was_complete) return true;
    if (!save_manifest(run, "running", error)) return false;
    if (run->options->catch_signals) interrupt_catch();
    run->began = clock_seconds() - run->seconds_before;
    int64_t done = run->progress.done;
    progress_begin(&run->progress, run->options->progress, run->options->terminal, planned_steps(run));
    progress_resume(&run->progress, done, run->seconds_before);
    run->report->ready = clock_seconds() - run->options->started;
    PresentResult result = run->experiment->present_steps ? run_epochs(run, error) : run_continuous(run, error);
    if (result != PRESENT_FAILED && !look_for_wrong_numbers(run, true, error)) result = PRESENT_FAILED;
    run->report->seconds = clock_seconds() - run->began;
    run->report->interrupted = result == PRESENT_STOPPED;
    progress_end(&run->progress);
    print_scores(run);
    print_learned(run);
    bool saved = false;
    if (result == PRESENT_FAILED)
        save_failed(run, text_z(error));
    else
        saved = result == PRESENT_DONE ? save_results(run, "complete", error) : save_interrupted(run, error);
    if (run->options->catch_signals) interrupt_release();
    return saved;
}

bool experiment_run(Program *program, const RunOptions *options, RunReport *report, Text *error) {
    const Model *model = program_model(program);
    RunOptions own = *options;
    if (own.started == 0) own.started = clock_seconds();
    *report = (RunReport){0};
    Run run = {.program = program, .model = model, .experiment = model->experiment, .options = &own, .report = report};
    bool fine = open_run(&run, error) && carry_out(&run, error);
    close_run(&run);
    return fine;
}
