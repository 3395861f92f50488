// Reads run.json: how a run was started, and whether it could be repeated.
#include "files.h"
#include "identity.h"
#include "json.h"
#include "lequel.h"
#include "lequel_version.h"
#include "manifest.h"
#include <stdlib.h>
#include <string.h>

struct LequelManifest {
    Arena *arena;
    const Json *root;
    Vec(const char *) arguments;
    Text elsewhere;
};

static bool read_manifest(LequelManifest *manifest, const char *folder, Text *error) {
    Text path = {0}, bytes = {0}, sentence = {0};
    text_addf(&path, "%s/run.json", folder);
    bool fine = file_read(text_z(&path), &bytes, error);
    if (fine) {
        manifest->root = json_parse(manifest->arena, text_z(&bytes), bytes.length, &sentence);
        fine = manifest->root && json_string(manifest->root, "status");
        if (!fine)
            text_addf(error, "%s: is no manifest of a run%s%s", text_z(&path), sentence.length ? ": " : "",
                      text_z(&sentence));
    }
    text_free(&path);
    text_free(&bytes);
    text_free(&sentence);
    return fine;
}

static void note_difference(LequelManifest *manifest, const char *key, const char *here) {
    const char *there = json_string(manifest->root, key);
    if (there && here && strcmp(there, here) != 0)
        text_addf(&manifest->elsewhere, "note: %s was `%s`, here it is `%s`\n", key, there, here);
}

static void take_arguments(LequelManifest *manifest) {
    const Json *list = json_member(manifest->root, "arguments");
    for (const Json *word = list && list->kind == JSON_ARRAY ? list->first : NULL; word; word = word->next)
        if (word->kind == JSON_STRING) vec_push(&manifest->arguments, word->text);
}

LequelManifest *lequel_manifest_open(const char *folder, char **error) {
    LequelManifest *manifest = memory_resize(NULL, 1, sizeof *manifest);
    *manifest = (LequelManifest){.arena = arena_new()};
    Text sentence = {0}, cpu = {0};
    if (error) *error = NULL;
    if (read_manifest(manifest, folder, &sentence)) {
        machine_cpu(&cpu);
        take_arguments(manifest);
        note_difference(manifest, "version", LEQUEL_VERSION);
        note_difference(manifest, "cpu", cpu.length ? text_z(&cpu) : NULL);
        text_free(&cpu);
        return manifest;
    }
    if (error)
        *error = sentence.bytes;
    else
        text_free(&sentence);
    lequel_manifest_free(manifest);
    return NULL;
}

void lequel_manifest_free(LequelManifest *manifest) {
    if (!manifest) return;
    vec_free(&manifest->arguments);
    text_free(&manifest->elsewhere);
    arena_free(manifest->arena);
    free(manifest);
}

const char *lequel_manifest_status(const LequelManifest *manifest) { return json_string(manifest->root, "status"); }
const char *lequel_manifest_folder(const LequelManifest *manifest) { return json_string(manifest->root, "folder"); }
uint32_t lequel_manifest_argument_count(const LequelManifest *manifest) { return manifest->arguments.count; }
const char *lequel_manifest_argument(const LequelManifest *manifest, uint32_t argument) {
    return manifest->arguments.items[argument];
}
const char *lequel_manifest_elsewhere(const LequelManifest *manifest) { return text_z(&manifest->elsewhere); }

static void check_files(const Json *list, Text *out) {
    if (!list || list->kind != JSON_ARRAY) return;
    for (const Json *file = list->first; file && !out->length; file = file->next) {
        const char *path = json_string(file, "path"), *was = json_string(file, "sha256");
        char is[65];
        Text nowhere = {0};
        if (!path || !was) continue;
        if (!identity_of_file(path, is, &nowhere))
            text_addf(out, "`%s` cannot be read", path);
        else if (strcmp(was, is) != 0)
            text_addf(out, "`%s` is not what it was then", path);
        text_free(&nowhere);
    }
}

char *lequel_manifest_changed(const LequelManifest *manifest) {
    Text out = {0};
    check_files(json_member(manifest->root, "sources"), &out);
    check_files(json_member(manifest->root, "data"), &out);
    if (!out.bytes) text_add(&out, " "), out.bytes[0] = 0;
    return out.bytes;
}
