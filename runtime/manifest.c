// Writes run.json.
#include "manifest.h"
#include "files.h"
#include <math.h>

static void add_string(Text *out, const char *string) {
    text_add(out, "\"");
    for (const unsigned char *c = (const unsigned char *)string; *c; c++) {
        if (*c == '"' || *c == '\\')
            text_addf(out, "\\%c", *c);
        else if (*c < 0x20)
            text_addf(out, "\\u%04x", *c);
        else
            text_add_bytes(out, (const char *)c, 1);
    }
    text_add(out, "\"");
}

static void add_key(Text *out, const char *key) {
    text_add(out, out->length > 1 ? ",\n  " : "\n  ");
    add_string(out, key);
    text_add(out, ": ");
}

static void add_text_field(Text *out, const char *key, const char *value) {
    add_key(out, key);
    if (value)
        add_string(out, value);
    else
        text_add(out, "null");
}

static void add_value(Text *out, double value) {
    if (isfinite(value))
        text_add_number(out, value);
    else
        text_add(out, "null"); // JSON has no NaN
}

static void add_number_field(Text *out, const char *key, double value) {
    add_key(out, key);
    add_value(out, value);
}

static void add_whole_field(Text *out, const char *key, long long value) {
    add_key(out, key);
    text_addf(out, "%lld", value);
}

static void add_scores(Text *out, const Manifest *manifest) {
    add_key(out, "scores");
    text_add(out, "{");
    for (uint32_t i = 0; i < manifest->score_count; i++) {
        if (i) text_add(out, ", ");
        add_string(out, manifest->scores[i].name);
        text_add(out, ": ");
        add_value(out, manifest->scores[i].value);
    }
    text_add(out, "}");
}

static void add_model(Text *out, const Manifest *manifest) {
    const RunOptions *options = manifest->options;
    const Model *model = program_model(manifest->program);
    add_text_field(out, "model", options->model_path);
    add_text_field(out, "network", model->name);
    add_text_field(out, "experiment", model->experiment->name);
    add_text_field(out, "dynamics", principle_name(model->dynamics.principle));
    add_text_field(out, "order", order_name(model->order));
    add_number_field(out, "dt", model->dt);
    add_key(out, "parameters");
    text_add(out, "[");
    for (uint32_t i = 0; i < options->define_count; i++) {
        if (i) text_add(out, ", ");
        add_string(out, options->defines[i]);
    }
    text_add(out, "]");
}

bool manifest_write(const Manifest *manifest, Text *error) {
    const RunOptions *options = manifest->options;
    Text out = {0}, path = {0};
    text_add(&out, "{");
    add_text_field(&out, "command", options->command);
    add_text_field(&out, "version", options->version);
    add_text_field(&out, "status", manifest->status);
    add_model(&out, manifest);
    add_whole_field(&out, "seed", (long long)options->seed);
    add_whole_field(&out, "batch", manifest->batch);
    add_text_field(&out, "precision", options->precision);
    add_text_field(&out, "backend", options->backend);
    add_whole_field(&out, "epochs", manifest->epochs_done);
    add_whole_field(&out, "steps", manifest->report->steps);
    add_whole_field(&out, "steps_planned", manifest->steps_planned);
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
