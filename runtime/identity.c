// Collects what a run depends on, with fingerprints of all files.
#include "identity.h"
#include "files.h"
#include "sha256.h"
#include "source.h"
#include <stdlib.h>
#include <string.h>

static void fingerprint(const void *bytes, size_t length, char text[65]) {
    Sha256 hash;
    sha256_begin(&hash);
    sha256_add(&hash, bytes, length);
    sha256_end(&hash, text);
}

static InputFile input_file(const char *path, const void *bytes, size_t length) {
    InputFile file;
    size_t size = strlen(path) + 1;
    file.path = memcpy(memory_resize(NULL, size, 1), path, size);
    fingerprint(bytes, length, file.sha256);
    return file;
}

extern const char lequel_prelude_text[];
extern const unsigned long lequel_prelude_length;

bool identity_of_file(const char *path, char sha256[65], Text *error) {
    Text bytes = {0};
    bool prelude = strcmp(path, "prelude.leq") == 0, fine = prelude || file_read(path, &bytes, error);
    if (fine && prelude)
        fingerprint(lequel_prelude_text, lequel_prelude_length, sha256);
    else if (fine)
        fingerprint(text_z(&bytes), bytes.length, sha256);
    text_free(&bytes);
    return fine;
}

static void add_sources(Identity *identity, const Diagnostics *diags) {
    for (uint32_t i = 1; i <= diag_source_count(diags); i++) {
        const char *text;
        size_t length;
        const char *name = diag_source(diags, i, &text, &length);
        vec_push(&identity->sources, input_file(name, text, length));
    }
}

// file.npz:member is the file; a file is listed once.
static bool add_data(Identity *identity, const char *path, Text *error) {
    Text plain = {0}, bytes = {0};
    const char *colon = file_exists(path) ? NULL : strrchr(path, ':');
    text_add_bytes(&plain, path, colon ? (size_t)(colon - path) : strlen(path));
    bool known = false;
    for (uint32_t i = 0; i < identity->data.count && !known; i++)
        known = strcmp(identity->data.items[i].path, text_z(&plain)) == 0;
    bool fine = known || file_read(text_z(&plain), &bytes, error);
    if (fine && !known) vec_push(&identity->data, input_file(text_z(&plain), text_z(&bytes), bytes.length));
    text_free(&plain);
    text_free(&bytes);
    return fine;
}

static bool add_data_sources(Identity *identity, const Model *model, Text *error) {
    static const char *const arguments[] = {"path", "values", "labels"};
    bool fine = true;
    for (uint32_t i = 0; i < model->experiment->sources.count; i++) {
        const DataSource *source = model->experiment->sources.items[i];
        if (source->kind != DATA_FILE && source->kind != DATA_IDX && source->kind != DATA_PATTERN) continue;
        for (size_t k = 0; k < sizeof arguments / sizeof *arguments && fine; k++) {
            const char *word = NULL;
            for (uint32_t a = 0; a < source->arguments.count; a++)
                if (strcmp(source->arguments.items[a].name, arguments[k]) == 0) word = source->arguments.items[a].word;
            if (!word) continue;
            Text path = {0};
            source_path(model, source, word, &path);
            fine = add_data(identity, text_z(&path), error);
            text_free(&path);
        }
    }
    return fine;
}

static bool add_first_values(Identity *identity, const Model *model, const RunOptions *options, Text *error) {
    bool fine = true;
    for (uint32_t i = 0; i < model->arrays.count && fine; i++) {
        const Initial *initial = &model->arrays.items[i].initial;
        if (initial->kind != INITIAL_FILE) continue;
        Text path = {0};
        initial_path(model, initial, &path);
        fine = add_data(identity, text_z(&path), error);
        text_free(&path);
    }
    for (uint32_t i = 0; i < options->init_count && fine; i++) {
        const char *equals = strchr(options->inits[i], '=');
        if (equals) fine = add_data(identity, equals + 1, error);
    }
    return fine;
}

static void add_list(Text *text, const char *what, const char *const *values, uint32_t count) {
    text_addf(text, "%s:", what);
    for (uint32_t i = 0; i < count; i++) text_addf(text, " %s", values[i]);
    text_add(text, "\n");
}

static void add_files(Text *text, const char *what, const InputFile *files, uint32_t count) {
    text_addf(text, "%s:", what);
    for (uint32_t i = 0; i < count; i++) text_addf(text, " %s", files[i].sha256);
    text_add(text, "\n");
}

static void describe(Identity *identity, const Program *program, const RunOptions *options) {
    const Model *model = program_model(program);
    Text *text = &identity->text;
    text_addf(text, "version: %s\n", options->version ? options->version : "");
    add_files(text, "model files", identity->sources.items, identity->sources.count);
    add_files(text, "data files", identity->data.items, identity->data.count);
    text_addf(text, "network: %s\nexperiment: %s\n", model->name, model->experiment->name);
    text_add(text, "dynamics: ");
    dynamics_print(model, text);
    text_addf(text, "\norder: %s\n", order_name(model->order));
    add_list(text, "parameters", options->defines, options->define_count);
    add_list(text, "first values", options->inits, options->init_count);
    text_addf(text, "seed: %llu\n", (unsigned long long)options->seed);
    text_addf(text, "epochs: %lld\nsteps: %lld\n", (long long)options->epochs, (long long)options->steps);
    add_list(text, "records", options->records, options->record_count);
    text_addf(text, "every: %lld\n", (long long)options->every);
    text_addf(text, "precision: %s\nback end: %s\n", options->precision ? options->precision : "",
              options->backend ? options->backend : "");
    if (program_is_deterministic(program)) text_add(text, "deterministic\n");
    if (options->save_states) text_add(text, "states are saved\n");
}

bool identity_open(Identity *identity, const Program *program, const RunOptions *options, Text *error) {
    const Model *model = program_model(program);
    *identity = (Identity){0};
    add_sources(identity, model->diags);
    if (!add_first_values(identity, model, options, error) || !add_data_sources(identity, model, error)) return false;
    describe(identity, program, options);
    fingerprint(text_z(&identity->text), identity->text.length, identity->sha256);
    return true;
}

void identity_close(Identity *identity) {
    for (uint32_t i = 0; i < identity->sources.count; i++) free(identity->sources.items[i].path);
    for (uint32_t i = 0; i < identity->data.count; i++) free(identity->data.items[i].path);
    vec_free(&identity->sources);
    vec_free(&identity->data);
    text_free(&identity->text);
}

void identity_difference(const char *was, const char *is, Text *out) {
    while (*was && *is) {
        size_t left = strcspn(was, "\n"), right = strcspn(is, "\n"), name = strcspn(was, ":\n");
        if (left != right || memcmp(was, is, left) != 0) {
            bool files = name > 6 && memcmp(was + name - 5, "files", 5) == 0;
            if (files)
                text_addf(out, "the %.*s have changed", (int)name, was);
            else
                text_addf(out, "it has `%.*s`, this run `%.*s`", (int)left, was, (int)right, is);
            return;
        }
        was += left + (was[left] == '\n');
        is += right + (is[right] == '\n');
    }
    text_add(out, "they differ in length");
}
