// From data to the input arrays of an instance.
#include "feed.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOW = 256 }; // steps of a signal that are made at a time

typedef struct Channel { // one feed
    Feed feed;
    bool active; // in the stage under way
    const External *external;
    uint32_t array;
    Signal *signal;
    double *window; // [WINDOW][batch][channels] of a signal
    int64_t window_first, window_count;
    double *values; // [batch][size], as the instance takes them
    uint32_t rows;  // of the stretch under way
} Channel;

struct Feeder {
    FeederPlan plan;
    const Model *model;
    const Experiment *experiment;
    Vec(Channel) channels;
    uint32_t *order;
    int64_t *chosen, *before; // [batch] samples of this presentation and of the one before; -1: none
};

// ---- Opening --------------------------------------------------------------------------------------------------------

static bool feed_fails(const Feeder *feeder, const Feed *feed, Text *error, const char *sentence) {
    const char *file;
    uint32_t line, column;
    if (feed->span.source) {
        diag_position(feeder->model->diags, feed->span, &file, &line, &column);
        text_addf(error, "%s:%u:%u: ", file, line, column);
    }
    text_add(error, sentence);
    return false;
}

// Everything that is fed from one data set reads one signal, which reaches as far as the one that is furthest ahead.
static int64_t furthest_lead(const Feeder *feeder, uint32_t data) {
    int64_t furthest = 0;
    for (uint32_t i = 0; i < feeder->experiment->feeds.count; i++) {
        const Feed *feed = &feeder->experiment->feeds.items[i];
        if (feed->kind == FEED_SIGNAL && feed->data == data && feed->lead > furthest) furthest = feed->lead;
    }
    return furthest;
}

static bool open_signal(Feeder *feeder, Channel *channel, Text *error) {
    const DataSet *data = &feeder->experiment->data.items[channel->feed.data];
    SignalPlan plan = {.model = feeder->model,
                       .name = data->name,
                       .seed = feeder->plan.seed,
                       .steps = feeder->plan.steps + furthest_lead(feeder, channel->feed.data),
                       .lead = channel->feed.lead,
                       .batch = feeder->plan.batch,
                       .channels = channel->external->size,
                       .classes_allowed = channel->external->kind == EXTERNAL_LABEL};
    channel->signal = signal_new(data->source, &plan, error);
    if (!channel->signal) return false;
    int64_t row = plan.batch * signal_channels(channel->signal);
    channel->window = memory_resize(NULL, (size_t)(WINDOW * row), sizeof(double));
    return true;
}

static bool whole_number_below(double value, int64_t limit) {
    return value >= 0 && value < (double)limit && value == floor(value);
}

static bool classes_fit(const Feeder *feeder, const Channel *channel, Text *sentence) {
    const SampleSet *samples = feeder->plan.samples;
    const External *external = channel->external;
    if (!samples->classes) {
        text_addf(sentence, "the samples have no classes to present as `%s`", external->name);
        return false;
    }
    int64_t limit = external->kind == EXTERNAL_LABEL ? external->size : INT64_MAX;
    for (int64_t i = 0; i < samples->count; i++)
        if (!whole_number_below(samples->classes[i], limit)) {
            text_addf(sentence, "sample %lld has the class %g, but `%s[%u]` takes 0 to %u", (long long)i,
                      samples->classes[i], external->name, external->size, external->size - 1);
            return false;
        }
    return true;
}

// Steps from which on a whole presentation would see nothing but the one before.
static bool delay_fits(const Feeder *feeder, const Channel *channel, Text *sentence) {
    if (channel->feed.delay < feeder->plan.steps) return true;
    text_addf(sentence, "`%s` is %lld steps late, but a presentation has only %lld", channel->external->name,
              (long long)channel->feed.delay, (long long)feeder->plan.steps);
    return false;
}

static bool samples_fit(const Feeder *feeder, const Channel *channel, Text *sentence) {
    const SampleSet *samples = feeder->plan.samples;
    const External *external = channel->external;
    long long width = samples->width, size = external->size, hold = channel->feed.hold;
    long long steps = (feeder->plan.steps + hold - 1) / hold;
    if (!delay_fits(feeder, channel, sentence)) return false;
    switch (channel->feed.kind) {
    case FEED_CLASS: return classes_fit(feeder, channel, sentence);
    case FEED_SAMPLE:
        if (width == size) return true;
        text_addf(sentence, "a sample has %lld values, but the input `%s[%lld]` takes %lld", width, external->name,
                  size, size);
        return false;
    case FEED_SAMPLE_AT:
        if (width % size == 0 && width / size >= steps) return true;
        text_addf(sentence, "a sample has %lld values, but %lld steps of the input `%s[%lld]` need %lld", width,
                  (long long)feeder->plan.steps, external->name, size, steps * size);
        return false;
    case FEED_CONSTANT: return true;
    case FEED_SIGNAL: break;
    }
    text_addf(sentence, "`%s` is fed by a signal, which does not go with samples", external->name);
    return false;
}

static void fill_constant(const Feeder *feeder, Channel *channel) {
    const Feed *feed = &channel->feed;
    int64_t size = channel->external->size;
    for (int64_t i = 0; i < feeder->plan.batch * size; i++)
        channel->values[i] = feed->values[feed->value_count > 1 ? i % size : 0];
}

static bool open_channel(Feeder *feeder, const Feed *feed, Text *error) {
    Channel channel = {.feed = *feed, .external = &feeder->model->externals.items[feed->external]};
    int64_t array =
        program_find(feeder->plan.program, symbol_info(feeder->model->store, channel.external->symbol)->name);
    if (array < 0) return true; // nothing in the model reads it
    channel.array = (uint32_t)array;
    channel.values = memory_resize(NULL, (size_t)(feeder->plan.batch * channel.external->size), sizeof(double));
    vec_push(&feeder->channels, channel);
    Channel *kept = &feeder->channels.items[feeder->channels.count - 1];
    if (feed->kind == FEED_CONSTANT) return fill_constant(feeder, kept), true;
    if (!feeder->plan.samples) {
        if (feed->kind == FEED_SIGNAL) return open_signal(feeder, kept, error);
        return feed_fails(feeder, feed, error,
                          "samples are presented in epochs; a run of some duration needs a signal");
    }
    Text sentence = {0};
    bool fine = samples_fit(feeder, kept, &sentence) || feed_fails(feeder, feed, error, text_z(&sentence));
    text_free(&sentence);
    return fine;
}

static bool is_fed(const Feeder *feeder, uint32_t external, int stage) {
    for (uint32_t i = 0; i < feeder->channels.count; i++)
        if (feeder->channels.items[i].feed.external == external && feeder->channels.items[i].feed.stage == stage)
            return true;
    return false;
}

// What only some stages feed is 0 in the others.
static bool silence_others(Feeder *feeder, Text *error) {
    static const double zero = 0;
    bool fine = true;
    for (uint32_t e = 0; e < feeder->model->externals.count && fine; e++) {
        bool staged = false;
        for (uint32_t i = 0; i < feeder->channels.count; i++) staged |= feeder->channels.items[i].feed.external == e;
        Feed nothing = {
            .external = e, .kind = FEED_CONSTANT, .hold = 1, .values = &zero, .value_count = 1, .stage = -1};
        if (staged && !is_fed(feeder, e, -1)) fine = open_channel(feeder, &nothing, error);
    }
    return fine;
}

void feeder_enter_stage(Feeder *feeder, int stage) {
    for (uint32_t i = 0; i < feeder->channels.count; i++) {
        Channel *channel = &feeder->channels.items[i];
        int own = channel->feed.stage;
        channel->active = own < 0 ? stage < 0 || !is_fed(feeder, channel->feed.external, stage) : own == stage;
    }
}

Feeder *feeder_new(const FeederPlan *plan, Text *error) {
    Feeder *feeder = memory_resize(NULL, 1, sizeof *feeder);
    const Model *model = program_model(plan->program);
    *feeder = (Feeder){.plan = *plan, .model = model, .experiment = model->experiment};
    bool fine = true;
    for (uint32_t i = 0; i < feeder->experiment->feeds.count && fine; i++)
        fine = open_channel(feeder, &feeder->experiment->feeds.items[i], error);
    fine = fine && silence_others(feeder, error);
    feeder_enter_stage(feeder, -1);
    if (fine && plan->samples) {
        feeder->chosen = memory_resize(NULL, (size_t)plan->batch, sizeof *feeder->chosen);
        feeder->before = memory_resize(NULL, (size_t)plan->batch, sizeof *feeder->before);
        for (int64_t b = 0; b < plan->batch; b++) feeder->chosen[b] = feeder->before[b] = -1;
        feeder->order = memory_resize(NULL, (size_t)plan->samples->count, sizeof *feeder->order);
        feeder_order(feeder, 0, false);
    }
    if (fine) return feeder;
    feeder_free(feeder);
    return NULL;
}

void feeder_free(Feeder *feeder) {
    if (!feeder) return;
    for (uint32_t i = 0; i < feeder->channels.count; i++) {
        signal_free(feeder->channels.items[i].signal);
        free(feeder->channels.items[i].window);
        free(feeder->channels.items[i].values);
    }
    vec_free(&feeder->channels);
    free(feeder->order);
    free(feeder->chosen);
    free(feeder->before);
    free(feeder);
}

// ---- Samples --------------------------------------------------------------------------------------------------------

int64_t feeder_batches(const Feeder *feeder) { return feeder->plan.samples->count / feeder->plan.batch; }

void feeder_order(Feeder *feeder, int64_t epoch, bool shuffle) {
    uint32_t count = (uint32_t)feeder->plan.samples->count;
    RandomStream stream = random_stream(feeder->plan.seed, "order of samples");
    if (shuffle)
        random_permutation(&stream, (uint64_t)epoch, count, feeder->order);
    else
        for (uint32_t i = 0; i < count; i++) feeder->order[i] = i;
}

void feeder_choose(Feeder *feeder, int64_t batch) {
    for (int64_t b = 0; b < feeder->plan.batch; b++) {
        feeder->before[b] = feeder->chosen[b];
        feeder->chosen[b] = feeder->order[batch * feeder->plan.batch + b];
    }
}

static bool are_samples(const Feeder *feeder, const int64_t *samples) {
    bool good = true;
    for (int64_t b = 0; b < feeder->plan.batch; b++)
        good &= samples[b] >= -1 && samples[b] < feeder->plan.samples->count;
    return good;
}

void feeder_keep(Feeder *feeder, const char *prefix, Checkpoint *checkpoint) {
    if (!feeder->plan.samples) return;
    Text name = {0};
    text_addf(&name, "%s samples", prefix);
    checkpoint_counts(checkpoint, text_z(&name), feeder->chosen, feeder->plan.batch);
    text_add(&name, " before");
    checkpoint_counts(checkpoint, text_z(&name), feeder->before, feeder->plan.batch);
    text_free(&name);
    if (!checkpoint_failed(checkpoint) &&
        (!are_samples(feeder, feeder->chosen) || !are_samples(feeder, feeder->before)))
        checkpoint_fail(checkpoint, "presents samples that there are not");
}

int64_t feeder_even_batch(int64_t count, int64_t wanted) {
    if (wanted > count) wanted = count;
    for (int64_t batch = wanted; batch > 0 && batch > wanted / 4; batch--)
        if (count % batch == 0) return batch;
    return wanted;
}

// ---- Steps ----------------------------------------------------------------------------------------------------------

static void one_hot(double *values, int64_t size, double class) {
    memset(values, 0, (size_t)size * sizeof *values);
    if (whole_number_below(class, size)) values[(int64_t) class] = 1;
}

// The values of sample `sample` (-1: none) in step t of its presentation, for one sample of the batch.
static void one_sample(const Feeder *feeder, const Channel *channel, int64_t sample, int64_t t, double *values) {
    const SampleSet *samples = feeder->plan.samples;
    int64_t size = channel->external->size;
    bool class = channel->feed.kind == FEED_CLASS, label = channel->external->kind == EXTERNAL_LABEL;
    if (sample < 0) {
        memset(values, 0, (size_t)size * sizeof *values);
    } else if (class && label) {
        one_hot(values, size, samples->classes[sample]);
    } else if (class) {
        for (int64_t i = 0; i < size; i++) values[i] = samples->classes[sample];
    } else {
        int64_t element = channel->feed.kind == FEED_SAMPLE_AT ? t / channel->feed.hold * size : 0;
        memcpy(values, samples->values + sample * samples->width + element, (size_t)size * sizeof *values);
    }
}

// True when there is something new to set in step t of a presentation. What comes late still shows the one before.
static bool sample_values(const Feeder *feeder, Channel *channel, int64_t t) {
    const Feed *feed = &channel->feed;
    bool changes = feed->kind == FEED_SAMPLE_AT || t == feed->delay;
    if (t > 0 && !changes) return false; // held
    if (feed->kind == FEED_CONSTANT) return true;
    bool late = t < feed->delay;
    int64_t own = late ? feeder->plan.steps + t - feed->delay : t - feed->delay;
    for (int64_t b = 0; b < feeder->plan.batch; b++)
        one_sample(feeder, channel, late ? feeder->before[b] : feeder->chosen[b], own,
                   channel->values + b * channel->external->size);
    return true;
}

// Windows begin at multiples of their length, wherever a run goes on from: other windows could round the time
// otherwise.
static bool refill(const Feeder *feeder, Channel *channel, int64_t n, Text *error) {
    int64_t first = n - n % WINDOW, left = feeder->plan.steps - first;
    channel->window_first = first;
    channel->window_count = left < WINDOW ? left : WINDOW;
    return signal_window(channel->signal, first, channel->window_count, channel->window, error);
}

// A signal of classes, one a sample, as one-hot vectors.
static bool class_values(const Feeder *feeder, Channel *channel, int64_t n, const double *classes, Text *error) {
    const External *external = channel->external;
    for (int64_t b = 0; b < feeder->plan.batch; b++) {
        if (!whole_number_below(classes[b], external->size)) {
            Text sentence = {0};
            text_addf(&sentence, "step %lld of `%s` has the class %g, but `%s[%u]` takes 0 to %u", (long long)n,
                      feeder->experiment->data.items[channel->feed.data].name, classes[b], external->name,
                      external->size, external->size - 1);
            feed_fails(feeder, &channel->feed, error, text_z(&sentence));
            text_free(&sentence);
            return false;
        }
        one_hot(channel->values + b * external->size, external->size, classes[b]);
    }
    return true;
}

static bool signal_values(const Feeder *feeder, Channel *channel, int64_t n, Text *error) {
    int64_t size = channel->external->size, given = signal_channels(channel->signal), batch = feeder->plan.batch;
    if (n < channel->window_first || n >= channel->window_first + channel->window_count)
        if (!refill(feeder, channel, n, error)) return false;
    const double *from = channel->window + (n - channel->window_first) * batch * given;
    bool label = channel->external->kind == EXTERNAL_LABEL;
    if (given != size || (label && size == 1)) return class_values(feeder, channel, n, from, error);
    memcpy(channel->values, from, (size_t)(batch * size) * sizeof *from); // labels are written as one-hot vectors
    return true;
}

bool feeder_step(Feeder *feeder, Instance *instance, int64_t n, Text *error) {
    for (uint32_t i = 0; i < feeder->channels.count; i++) {
        Channel *channel = &feeder->channels.items[i];
        if (!channel->active) continue;
        if (feeder->plan.samples) {
            if (!sample_values(feeder, channel, n)) continue;
        } else if (channel->feed.kind != FEED_CONSTANT && !signal_values(feeder, channel, n, error)) {
            return false;
        }
        instance_set(instance, channel->array, channel->values);
    }
    return true;
}

// ---- Stretches ------------------------------------------------------------------------------------------------------

// What a channel presents is new in every step, or held.
static bool streams(const Feeder *feeder, const Channel *channel) {
    return channel->feed.kind == FEED_SAMPLE_AT || (!feeder->plan.samples && channel->feed.kind != FEED_CONSTANT);
}

int64_t feeder_plan(Feeder *feeder, Stretch *stretch, int64_t n) {
    int64_t steps = feeder->plan.samples ? INT64_MAX : WINDOW - n % WINDOW;
    for (uint32_t i = 0; i < feeder->channels.count; i++) {
        Channel *channel = &feeder->channels.items[i];
        if (!channel->active) continue;
        int64_t delay = channel->feed.delay;
        if (streams(feeder, channel))
            channel->rows = stretch_feed(stretch, channel->array);
        else if (feeder->plan.samples && n < delay && delay - n < steps)
            steps = delay - n;
    }
    return steps;
}

// How many steps of a channel could be set.
static int64_t fill_channel(Feeder *feeder, Channel *channel, Stretch *stretch, int64_t n, int64_t steps, Text *error) {
    Text later = {0}; // what is wrong in a later step is told when it comes
    for (int64_t k = 0; k < steps; k++) {
        if (feeder->plan.samples)
            sample_values(feeder, channel, n + k);
        else if (!signal_values(feeder, channel, n + k, k ? &later : error))
            steps = k;
        if (k < steps) stretch_set(stretch, channel->rows, k, channel->values);
    }
    text_free(&later);
    return steps;
}

int64_t feeder_fill(Feeder *feeder, Stretch *stretch, Instance *instance, int64_t n, int64_t steps, Text *error) {
    for (uint32_t i = 0; i < feeder->channels.count; i++) {
        Channel *channel = &feeder->channels.items[i];
        if (!channel->active) continue;
        if (streams(feeder, channel))
            steps = fill_channel(feeder, channel, stretch, n, steps, error);
        else if (!feeder->plan.samples || sample_values(feeder, channel, n))
            instance_set(instance, channel->array, channel->values);
    }
    return steps;
}
