// What can only be checked once the equations are there: names that an experiment records or watches; and that its data
// suit what is done with them.
#include "experiment.h"
#include <string.h>

static void suggest(const Model *model, Atom name, const Atom *candidates, uint32_t count) {
    Atom nearest = diag_nearest(name, candidates, count);
    if (nearest) diag_help(model->diags, "did you mean `%s`?", nearest);
}

static bool is_score(const Experiment *experiment, const char *name) {
    for (uint32_t i = 0; i < experiment->scores.count; i++)
        if (strcmp(experiment->scores.items[i].name, name) == 0) return true;
    return strcmp(name, "cost") == 0 || strcmp(name, "loss") == 0;
}

static void recordable_names(const Model *model, NameList *names) {
    for (Symbol symbol = 1; symbol <= symbol_count(model->store); symbol++)
        vec_push(names, symbol_info(model->store, symbol)->name);
    vec_push(names, "cost");
    vec_push(names, "loss");
    for (uint32_t i = 0; i < model->experiment->scores.count; i++)
        vec_push(names, model->experiment->scores.items[i].name);
}

// All wrong names of one statement in one report: they share its place.
static void report_recording(const Model *model, const NameList *wrong, Span span) {
    NameList names = {0};
    Text list = {0};
    recordable_names(model, &names);
    for (uint32_t i = 0; i < wrong->count; i++) text_addf(&list, "%s`%s`", i ? ", " : "", wrong->items[i]);
    diag_report(model->diags, DIAG_E0201, span, "there is no %s to record", text_z(&list));
    diag_expected(model->diags, "arrays that `lequel inspect` lists, `cost`, `loss` or a score");
    for (uint32_t i = 0; i < wrong->count; i++) {
        Atom nearest = diag_nearest(wrong->items[i], names.items, names.count);
        if (nearest && wrong->count > 1) diag_help(model->diags, "`%s`: did you mean `%s`?", wrong->items[i], nearest);
        if (nearest && wrong->count == 1) diag_help(model->diags, "did you mean `%s`?", nearest);
    }
    vec_free(&names);
    text_free(&list);
}

static void check_recordings(const Model *model) {
    const Experiment *experiment = model->experiment;
    for (uint32_t i = 0; i < experiment->recordings.count; i++) {
        const Recording *recording = &experiment->recordings.items[i];
        NameList wrong = {0};
        for (uint32_t k = 0; k < recording->names.count; k++) {
            Atom name = recording->names.items[k];
            if (!is_score(experiment, name) && !symbol_find(model->store, name)) vec_push(&wrong, name);
        }
        if (wrong.count) report_recording(model, &wrong, recording->span);
        vec_free(&wrong);
    }
}

// Annealing may watch what stands in scores.csv: train.loss, train.accuracy, test.loss, …
static void check_annealing(const Model *model) {
    const Experiment *experiment = model->experiment;
    if (!experiment->anneal || experiment->anneal_rule != ANNEAL_PLATEAU || !experiment->anneal_score) return;
    NameList names = {0};
    Text list = {0};
    bool found = false;
    for (int test = 0; test < 1 + (experiment->test_data >= 0); test++)
        for (uint32_t i = 0; i <= experiment->scores.count; i++) {
            const char *score = i ? experiment->scores.items[i - 1].name : "loss";
            Atom name = arena_format(model->arena, "%s.%s", test ? "test" : "train", score);
            text_addf(&list, "%s`%s`", names.count ? ", " : "", name);
            vec_push(&names, name);
            found |= strcmp(name, experiment->anneal_score) == 0;
        }
    if (!found) {
        diag_report(model->diags, DIAG_E0201, experiment->span, "annealing watches `%s`, which is no score",
                    experiment->anneal_score);
        diag_expected(model->diags, "%s", text_z(&list));
        suggest(model, experiment->anneal_score, names.items, names.count);
    }
    vec_free(&names);
    text_free(&list);
}

// mnist1d(split = …): the one argument that is a word of a fixed set.
static void check_split(const Model *model, const DataSource *source) {
    static const Atom splits[] = {"train", "test"};
    for (uint32_t i = 0; source->kind == DATA_MNIST1D && i < source->arguments.count; i++) {
        const Argument *argument = &source->arguments.items[i];
        Atom word = argument->word;
        if (strcmp(argument->name, "split") != 0 || !word || strcmp(word, "train") == 0 || strcmp(word, "test") == 0)
            continue;
        diag_report(model->diags, DIAG_E0201, argument->span, "`%s` has no split `%s`", source->name, word);
        diag_expected(model->diags, "`train` or `test`");
        suggest(model, word, splits, 2);
    }
}

static void check_data(const Model *model) {
    const Experiment *experiment = model->experiment;
    for (uint32_t i = 0; i < experiment->data.count; i++) check_split(model, experiment->data.items[i].source);
    if (experiment->test_data < 0) return;
    const DataSet *test = &experiment->data.items[experiment->test_data];
    if (test->source->is_signal) {
        diag_report(model->diags, DIAG_E0202, test->span, "`%s` is a signal, but `evaluate` needs a set of samples",
                    test->name);
        diag_expected(model->diags, "data such as `mnist1d(split = test)` or `samples(\"x.npy\", \"y.npy\")`");
    } else if (!experiment->present_steps) {
        diag_report(model->diags, DIAG_E0401, experiment->span, "there are no epochs after which to evaluate");
        diag_expected(model->diags, "a presentation of samples: `present x = sample for 100 steps`");
    }
}

bool experiment_check(const Model *model, bool epochs_given) {
    const Experiment *experiment = model->experiment;
    if (!experiment) return true;
    uint32_t before = diag_error_count(model->diags);
    check_recordings(model);
    check_annealing(model);
    check_data(model);
    if (experiment->present_steps && !experiment->epochs && !epochs_given && !experiment->stages.count) {
        diag_report(model->diags, DIAG_E0401, experiment->span, "nothing says how often all samples are presented");
        diag_help(model->diags, "write `epochs 10`");
    }
    return diag_error_count(model->diags) == before;
}
