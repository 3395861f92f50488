// Writes run.json.
#define _POSIX_C_SOURCE 200809L
#include "manifest.h"
#include "files.h"
#include "json.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static void add_key(Text *out, const char *key) {
    text_add(out, out->length > 1 ? ",\n  " : "\n  ");
    json_add_string(out, key);
    text_add(out, ": ");
}

static void add_text_field(Text *out, const char *key, const char *value) {
    add_key(out, key);
    if (value)
        json_add_string(out, value);
    else
        text_add(out, "null");
}

static void add_number_field(Text *out, const char *key, double value) {
    add_key(out, key);
    text_add_json_number(out, value);
}

static void add_whole_field(Text *out, const char *key, long long value) {
    add_key(out, key);
    text_addf(out, "%lld", value);
}

static void add_words(Text *out, const char *key, const char *const *words, uint32_t count) {
    add_key(out, key);
    text_add(out, "[");
    for (uint32_t i = 0; i < count; i++) {
        if (i) text_add(out, ", ");
        json_add_string(out, words[i]);
    }
    text_add(out, "]");
}

static void add_files(Text *out, const char *key, const InputFile *files, uint32_t count) {
    add_key(out, key);
    text_add(out, "[");
    for (uint32_t i = 0; i < count; i++) {
        text_add(out, i ? ",\n    {\"path\": " : "\n    {\"path\": ");
        json_add_string(out, files[i].path);
        text_addf(out, ", \"sha256\": \"%s\"}", files[i].sha256);
    }
    text_add(out, "]");
}

void machine_cpu(Text *name) {
    Text cpu = {0}, nowhere = {0};
    if (file_read("/proc/cpuinfo", &cpu, &nowhere)) {
        const char *line = strstr(text_z(&cpu), "model name"), *model = line ? strchr(line, ':') : NULL;
        if (model && model[1] == ' ') text_add_bytes(name, model + 2, strcspn(model + 2, "\n"));
    }
    text_free(&cpu);
    text_free(&nowhere);
}

static void add_machine(Text *out) {
    Text cpu = {0};
    struct utsname machine;
    if (uname(&machine) == 0) add_text_field(out, "machine", machine.machine);
    machine_cpu(&cpu);
    if (cpu.length) add_text_field(out, "cpu", text_z(&cpu));
    text_free(&cpu);
}

// What `lequel rerun` repeats.
static void add_command(Text *out, const RunOptions *options) {
    char folder[4096];
    add_text_field(out, "command", options->command);
    add_words(out, "arguments", options->arguments, options->argument_count);
    add_text_field(out, "folder", getcwd(folder, sizeof folder));
}

static void add_scores(Text *out, const Manifest *manifest) {
    add_key(out, "scores");
    text_add(out, "{");
    for (uint32_t i = 0; i < manifest->score_count; i++) {
        if (i) text_add(out, ", ");
        json_add_string(out, manifest->scores[i].name);
        text_add(out, ": ");
        text_add_json_number(out, manifest->scores[i].value);
    }
    text_add(out, "}");
}

static void add_model(Text *out, const Manifest *manifest) {
    const RunOptions *options = manifest->options;
    const Model *model = program_model(manifest->program);
    add_text_field(out, "model", options->model_path);
    add_text_field(out, "network", model->name);
    add_text_field(out, "experiment", model->experiment->name);
    Text dynamics = {0};
    dynamics_print(model, &dynamics);
    add_text_field(out, "dynamics", text_z(&dynamics));
    text_free(&dynamics);
    add_text_field(out, "order", order_name(model->order));
    add_number_field(out, "dt", model->dt);
    if (!unit_is_none(model->time_unit)) add_text_field(out, "unit_of_time", "ms");
    add_words(out, "parameters", options->defines, options->define_count);
    add_files(out, "sources", manifest->identity->sources.items, manifest->identity->sources.count);
    add_files(out, "data", manifest->identity->data.items, manifest->identity->data.count);
}

bool manifest_write(const Manifest *manifest, Text *error) {
    const RunOptions *options = manifest->options;
    Text out = {0}, path = {0};
    text_add(&out, "{");
    add_command(&out, options);
    add_text_field(&out, "version", options->version);
    add_text_field(&out, "identity", manifest->identity->sha256);
    add_text_field(&out, "status", manifest->status);
    if (manifest->reason) add_text_field(&out, "reason", manifest->reason);
    add_model(&out, manifest);
    add_whole_field(&out, "seed", (long long)options->seed);
    add_whole_field(&out, "batch", manifest->batch);
    add_text_field(&out, "precision", options->precision);
    add_text_field(&out, "backend", options->backend);
    add_text_field(&out, "code_generator", program_generator(manifest->program));
    add_machine(&out);
    add_whole_field(&out, "epochs", manifest->epochs_done);
    add_whole_field(&out, "steps", manifest->report->steps);
    add_whole_field(&out, "steps_planned", manifest->steps_planned);
    if (manifest->state_steps >= 0) add_whole_field(&out, "states_after_steps", manifest->state_steps);
    add_number_field(&out, "wall_seconds", manifest->report->seconds);
    add_number_field(&out, "first_step_seconds", manifest->report->first_step);
    add_scores(&out, manifest);
    text_add(&out, "\n}\n");
    text_addf(&path, "%s/run.json", options->out);
    bool fine = file_replace(text_z(&path), out.bytes, out.length, error);
    text_free(&path);
    text_free(&out);
    return fine;
}

// NULL when there is none that can be read.
static const Json *read_manifest(const char *folder, Arena *arena) {
    Text path = {0}, bytes = {0}, nowhere = {0};
    text_addf(&path, "%s/run.json", folder);
    const Json *root =
        file_read(text_z(&path), &bytes, &nowhere) ? json_parse(arena, text_z(&bytes), bytes.length, &nowhere) : NULL;
    text_free(&path);
    text_free(&bytes);
    text_free(&nowhere);
    return root;
}

bool manifest_complete(const RunOptions *options, const char *identity) {
    Arena *arena = arena_new();
    const Json *root = read_manifest(options->out, arena);
    const char *status = json_string(root, "status"), *was = json_string(root, "identity");
    bool complete = status && was && strcmp(status, "complete") == 0 && strcmp(was, identity) == 0;
    arena_free(arena);
    return complete;
}

int64_t manifest_state_steps(const char *folder) {
    Arena *arena = arena_new();
    const Json *root = read_manifest(folder, arena), *steps = root ? json_member(root, "states_after_steps") : NULL;
    double number = steps && steps->kind == JSON_NUMBER ? strtod(steps->text, NULL) : -1;
    arena_free(arena);
    return number >= 0 && number < 9e15 ? (int64_t)number : -1;
}
