// Arguments of data sources, files beside the model, and sets of samples.
#include "source.h"
#include "files.h"
#include "source_arguments.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

// ---- Arguments ------------------------------------------------------------------------------------------------------

const Argument *argument_find(const DataSource *source, const char *name) {
    for (uint32_t i = 0; i < source->arguments.count; i++)
        if (strcmp(source->arguments.items[i].name, name) == 0) return &source->arguments.items[i];
    return NULL;
}

double argument_number(const DataSource *source, const char *name, double otherwise) {
    const Argument *argument = argument_find(source, name);
    return argument ? argument->number : otherwise;
}

double argument_time(const Model *model, const DataSource *source, const char *name, double otherwise) {
    const Argument *argument = argument_find(source, name);
    if (!argument) return otherwise;
    return argument->unit.steps ? argument->number * model->dt : argument->number;
}

bool argument_word_is(const Argument *argument, const char *word) {
    return argument && argument->word && strcmp(argument->word, word) == 0;
}

bool source_fails(const Model *model, const DataSource *source, Text *error, const char *sentence) {
    const char *file;
    uint32_t line, column;
    if (source->span.source) {
        diag_position(model->diags, source->span, &file, &line, &column);
        text_addf(error, "%s:%u:%u: ", file, line, column);
    }
    text_addf(error, "%s: %s", source->name ? source->name : "data", sentence);
    return false;
}

void source_path(const Model *model, const DataSource *source, const char *path, Text *full) {
    const char *file = NULL;
    uint32_t line, column;
    if (source->span.source) diag_position(model->diags, source->span, &file, &line, &column);
    const char *slash = file && path[0] != '/' ? strrchr(file, '/') : NULL;
    if (slash) text_add_bytes(full, file, (size_t)(slash + 1 - file));
    text_add(full, path);
    const char *colon = strchr(path, ':'); // file.npz:member
    Text plain = {0};
    text_add_bytes(&plain, text_z(full), full->length - (colon ? strlen(colon) : 0));
    if (slash && !file_exists(text_z(&plain))) {
        text_free(full);
        text_add(full, path);
    }
    text_free(&plain);
}

bool source_load(const Model *model, const DataSource *source, const char *path, Table *table, Text *error) {
    Text full = {0};
    source_path(model, source, path, &full);
    bool fine = table_load(text_z(&full), table, error) && table_finite(table, text_z(&full), error);
    if (!fine) table_free(table);
    text_free(&full);
    return fine;
}

// ---- Sets of samples ------------------------------------------------------------------------------------------------

void source_cache_free(SourceCache *cache) {
    if (cache->has_mnist1d) mnist1d_free(&cache->mnist1d);
    *cache = (SourceCache){0};
}

static void samples_from_tables(SampleSet *set, const Table *x, const Table *y) {
    set->count = x->rank > 0 ? x->shape[0] : 1;
    set->width = set->count ? table_count(x) / set->count : 0;
    set->values = x->data;
    set->classes = y->data;
}

// The word of an argument; one that is also the name of a data set was taken for that data set.
static const char *word_of(const Model *model, const Argument *argument) {
    const Experiment *experiment = model->experiment;
    if (!argument || !argument->source) return argument && argument->word ? argument->word : "";
    for (uint32_t i = 0; i < experiment->data.count; i++)
        if (experiment->data.items[i].source == argument->source) return experiment->data.items[i].name;
    return "";
}

// One generation makes both splits, so it is kept for the other one. The default seed is fixed: a data set does not
// change with the seed of a run.
static bool open_mnist1d(const Model *model, const DataSource *source, SourceCache *cache, SampleSet *set,
                         Text *error) {
    double length = argument_number(source, "length", 40), seed = argument_number(source, "seed", 42);
    const char *split = word_of(model, argument_find(source, "split"));
    bool train = strcmp(split, "train") == 0;
    if (!train && strcmp(split, "test") != 0)
        return source_fails(model, source, error, "expected split = train or split = test");
    if (!(length >= 2 && length <= 1000000) || length != floor(length))
        return source_fails(model, source, error, "expected a length of 2 to 1000000");
    if (!(seed >= 0 && seed <= 9007199254740992.0) || seed != floor(seed)) // 2^53: no number between is left out
        return source_fails(model, source, error, "expected a seed that is a whole number from 0 to 2^53");
    if (!cache->has_mnist1d || cache->length != (int64_t)length || cache->seed != (uint64_t)seed) {
        if (cache->has_mnist1d) return source_fails(model, source, error, "train and test differ in length or seed");
        if (!generate_mnist1d((int)length, (uint64_t)seed, &cache->mnist1d, error)) return false;
        *cache = (SourceCache){true, (int64_t)length, (uint64_t)seed, cache->mnist1d};
    }
    const Mnist1d *data = &cache->mnist1d;
    samples_from_tables(set, train ? &data->train_x : &data->test_x, train ? &data->train_y : &data->test_y);
    return true;
}

static bool open_classes(const Model *model, const DataSource *source, SampleSet *set, Text *error) {
    const Argument *classes = argument_find(source, "labels");
    if (!classes || !classes->word) return true;
    if (!source_load(model, source, classes->word, &set->own_classes, error)) return false;
    if (table_count(&set->own_classes) == set->own_values.shape[0]) return true;
    Text sentence = {0};
    text_addf(&sentence, "%lld samples in `%s`, but %lld classes in `%s`", (long long)set->own_values.shape[0],
              argument_find(source, "values")->word, (long long)table_count(&set->own_classes), classes->word);
    source_fails(model, source, error, text_z(&sentence));
    text_free(&sentence);
    return false;
}

static bool open_files(const Model *model, const DataSource *source, SampleSet *set, Text *error) {
    const Argument *path = argument_find(source, "values");
    if (!path || !path->word) return source_fails(model, source, error, "expected the name of a file in quotes");
    if (!source_load(model, source, path->word, &set->own_values, error)) return false;
    if (set->own_values.rank < 1) return source_fails(model, source, error, "the file holds one number and no samples");
    if (!open_classes(model, source, set, error)) return false;
    double scale = argument_number(source, "scale", 1);
    for (int64_t i = 0, n = table_count(&set->own_values); scale != 1 && i < n; i++) set->own_values.data[i] *= scale;
    samples_from_tables(set, &set->own_values, &set->own_classes);
    return true;
}

bool samples_open(const Model *model, const DataSource *source, SourceCache *cache, SampleSet *set, Text *error) {
    *set = (SampleSet){0};
    bool fine;
    switch (source->kind) {
    case DATA_MNIST1D: fine = open_mnist1d(model, source, cache, set, error); break;
    case DATA_IDX: fine = open_files(model, source, set, error); break;
    default: fine = source_fails(model, source, error, "a signal over time where a set of samples is needed"); break;
    }
    if (!fine) samples_close(set);
    return fine;
}

void samples_close(SampleSet *set) {
    table_free(&set->own_values);
    table_free(&set->own_classes);
    *set = (SampleSet){0};
}
