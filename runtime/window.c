// The data of a window, and gradients by a program's own principle.
#include "window.h"
#include "data/random.h"
#include "feed.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

// ---- Data -----------------------------------------------------------------------------------------------------------

static int64_t external_array(const Program *program, uint32_t external) {
    const Model *model = program_model(program);
    return program_find(program, symbol_info(model->store, model->externals.items[external].symbol)->name);
}

static void read_inputs(const Program *program, const Instance *instance, double *values) {
    for (uint32_t e = 0; e < program_model(program)->externals.count; e++) {
        uint32_t array = (uint32_t)external_array(program, e);
        instance_get(instance, array, values);
        values += instance_length(instance, array);
    }
}

static bool feed_signals(const Program *program, Instance *instance, WindowData *data, Text *error) {
    int64_t total = data->plan.settle + data->plan.steps;
    FeederPlan plan = {.program = program, .seed = data->plan.seed, .batch = data->plan.batch, .steps = total};
    Feeder *feeder = feeder_new(&plan, error);
    bool good = feeder != NULL;
    for (int64_t n = 0; good && n < total; n++) {
        good = feeder_step(feeder, instance, n, error);
        read_inputs(program, instance, data->values + n * data->width);
    }
    feeder_free(feeder);
    return good;
}

static bool feed_samples(const Program *program, Instance *instance, WindowData *data, Text *error) {
    const Model *model = program_model(program);
    const Experiment *experiment = model->experiment;
    int64_t total = data->plan.settle + data->plan.steps, each = experiment->present_steps;
    SourceCache cache = {0};
    SampleSet samples = {0};
    Feeder *feeder = NULL;
    bool good = experiment->train_data >= 0;
    if (!good) text_add(error, "the experiment has samples to present but no data to take them from");
    if (good)
        good = samples_open(model, experiment->data.items[experiment->train_data].source, &cache, &samples, error);
    if (good && samples.count < data->plan.batch) {
        text_addf(error, "a batch of %lld, but there are only %lld samples", (long long)data->plan.batch,
                  (long long)samples.count);
        good = false;
    }
    FeederPlan plan = {program, data->plan.seed, data->plan.batch, each, &samples};
    if (good) good = (feeder = feeder_new(&plan, error)) != NULL;
    if (good) feeder_order(feeder, 0, experiment->shuffle);
    for (int64_t n = 0; good && n < total; n++) {
        if (n % each == 0) feeder_choose(feeder, n / each % feeder_batches(feeder));
        good = feeder_step(feeder, instance, n % each, error);
        read_inputs(program, instance, data->values + n * data->width);
    }
    feeder_free(feeder);
    samples_close(&samples);
    source_cache_free(&cache);
    return good;
}

// Without an experiment: sums of three sines with periods of 20 to 200 steps; labels change every 100 steps.
static void feed_smooth(const Model *model, WindowData *data) {
    int64_t batch = data->plan.batch, at = 0;
    for (uint32_t e = 0; e < model->externals.count; e++) {
        const External *external = &model->externals.items[e];
        RandomStream stream = random_stream(data->plan.seed, symbol_info(model->store, external->symbol)->name);
        int64_t count = batch * external->size;
        for (int64_t n = 0; n < data->plan.settle + data->plan.steps; n++)
            for (int64_t i = 0; i < count; i++) {
                double value = 0;
                for (uint64_t k = 0; k < 3 && external->kind != EXTERNAL_LABEL; k++) {
                    uint64_t draw = (uint64_t)(6 * i) + 2 * k;
                    double period = 20 * pow(10, random_uniform(&stream, draw));
                    value += 0.6 * sin(6.283185307179586 * ((double)n / period + random_uniform(&stream, draw + 1)));
                }
                if (external->kind == EXTERNAL_LABEL) {
                    uint64_t class =
                        random_below(&stream, (uint64_t)(n / 100 * batch + i / external->size), external->size);
                    value = (int64_t) class == i % external->size;
                }
                data->values[n * data->width + at + i] = value;
            }
        at += count;
    }
}

bool window_data_open(const Program *program, const WindowPlan *plan, WindowData *data, Text *error) {
    const Model *model = program_model(program);
    *data = (WindowData){.plan = *plan};
    for (uint32_t e = 0; e < model->externals.count; e++) data->width += plan->batch * model->externals.items[e].size;
    Instance *instance = instance_new(program, plan->batch, plan->seed, NULL, error);
    if (!instance) return false;
    size_t count = (size_t)((plan->settle + plan->steps) * data->width);
    data->values = memory_resize(NULL, count + 1, sizeof(double));
    memset(data->values, 0, count * sizeof(double));
    bool good = true;
    if (!model->experiment)
        feed_smooth(model, data);
    else if (model->experiment->present_steps)
        good = feed_samples(program, instance, data, error);
    else
        good = feed_signals(program, instance, data, error);
    instance_free(instance);
    return good;
}

void window_data_close(WindowData *data) {
    free(data->values);
    data->values = NULL;
}

void window_feed(const WindowData *data, Instance *instance, int64_t n) {
    const Program *program = instance_program(instance);
    const double *values = data->values + n * data->width;
    for (uint32_t e = 0; e < program_model(program)->externals.count; e++) {
        uint32_t array = (uint32_t)external_array(program, e);
        instance_set(instance, array, values);
        values += instance_length(instance, array);
    }
}

// ---- Gradients ------------------------------------------------------------------------------------------------------

static void make_room(const Program *program, const Instance *instance, Gradients *gradients) {
    const Model *model = program_model(program);
    *gradients = (Gradients){0};
    for (uint32_t r = 0; r < model->learn.count; r++) gradients->count += model->learn.items[r].targets.count;
    gradients->names = memory_resize(NULL, gradients->count + 1, sizeof *gradients->names);
    gradients->lengths = memory_resize(NULL, gradients->count + 1, sizeof *gradients->lengths);
    gradients->values = memory_resize(NULL, gradients->count + 1, sizeof *gradients->values);
    uint32_t count = 0;
    for (uint32_t r = 0; r < model->learn.count; r++)
        for (uint32_t t = 0; t < model->learn.items[r].targets.count; t++, count++) {
            gradients->names[count] = symbol_info(model->store, model->learn.items[r].targets.items[t])->name;
            int64_t length = instance_length(instance, (uint32_t)program_find(program, gradients->names[count]));
            gradients->lengths[count] = length;
            gradients->values[count] = memory_resize(NULL, (size_t)length + 1, sizeof(double));
            memset(gradients->values[count], 0, (size_t)length * sizeof(double));
        }
}

// Adds what the arrays of gradients hold now.
static void add_now(const Program *program, const Instance *instance, Gradients *gradients, double *scratch) {
    const Model *model = program_model(program);
    uint32_t count = 0;
    for (uint32_t r = 0; r < model->learn.count; r++)
        for (uint32_t t = 0; t < model->learn.items[r].gradients.count; t++, count++) {
            const char *name = symbol_info(model->store, model->learn.items[r].gradients.items[t])->name;
            instance_get(instance, (uint32_t)program_find(program, name), scratch);
            for (int64_t i = 0; i < gradients->lengths[count]; i++) gradients->values[count][i] += scratch[i];
        }
}

bool window_gradients(const Program *program, const WindowData *data, Gradients *gradients, Text *error) {
    Instance *instance = instance_new(program, data->plan.batch, data->plan.seed, NULL, error);
    if (!instance) return false;
    make_room(program, instance, gradients);
    int64_t longest = 0, n = 0;
    for (uint32_t i = 0; i < gradients->count; i++)
        if (gradients->lengths[i] > longest) longest = gradients->lengths[i];
    double *scratch = memory_resize(NULL, (size_t)longest + 1, sizeof *scratch);
    bool offline = program_is_offline(program);
    for (; n < data->plan.settle; n++) {
        window_feed(data, instance, n);
        instance_step(instance, offline ? ENTRY_EVALUATE : ENTRY_TRAIN, false);
    }
    for (; n < data->plan.settle + data->plan.steps; n++) {
        window_feed(data, instance, n);
        instance_step(instance, ENTRY_TRAIN, false);
        if (!offline) add_now(program, instance, gradients, scratch);
    }
    instance_end_window(instance, false);
    if (offline) add_now(program, instance, gradients, scratch);
    free(scratch);
    instance_free(instance);
    return true;
}

void gradients_free(Gradients *gradients) {
    for (uint32_t i = 0; i < gradients->count; i++) free(gradients->values[i]);
    free(gradients->values);
    free(gradients->names);
    free(gradients->lengths);
    *gradients = (Gradients){0};
}
