// The way from loops to functions that can be called. With a hit in the cache the code generator is not even opened,
// which would take longer than all the rest.
#define _POSIX_C_SOURCE 200809L
#include "code.h"
#include "cache.h"
#include "module.h"
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// The cache as one program sees it.
typedef struct Lookup {
    Cache cache;
    bool open;
    char key[CACHE_KEY + 1];
} Lookup;

double code_lap(double *since) {
    struct timespec t;
    double then = *since;
    clock_gettime(CLOCK_MONOTONIC, &t);
    *since = (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
    return *since - then;
}

static bool load_image(Code *code, const Image *image, Text *error) {
    if (!image_load(image, &code->image, error)) return false;
    for (uint32_t e = 0; e < image->entry_count; e++) {
        const unsigned char *address = code->image.base + image->entry[e];
        memcpy(&code->entry[e], &address, sizeof address); // ISO C has no cast from object to function pointers
    }
    return true;
}

static void open_cache(Lookup *lookup, const LoopProgram *program, const CodeOptions *options) {
    char generator[PATH_MAX];
    Text ignored = {0};
    bool wanted = options->cache && *options->cache && !options->want_ir && !options->want_assembly && !options->locate;
    *lookup = (Lookup){.cache = {.folder = -1, .claim = -1}};
    lookup->open = wanted && module_find(generator, sizeof generator) &&
                   cache_key(program, options->level, generator, lookup->key) &&
                   cache_open(&lookup->cache, options->cache, &ignored);
    text_free(&ignored);
}

static bool load_cached(Code *code, const Lookup *lookup, const LoopProgram *program) {
    CacheEntry entry;
    Text ignored = {0};
    if (!lookup->open || !cache_load(&lookup->cache, lookup->key, &entry)) return false;
    code->cached = entry.image.entry_count == program->entries.count && load_image(code, &entry.image, &ignored);
    if (code->cached) memcpy(code->generator, entry.generator, sizeof code->generator);
    text_free(&ignored);
    cache_entry_free(&entry);
    return code->cached;
}

static void store(const Code *code, const Lookup *lookup, Image *image) {
    const char *library = code->backend->library();
    CacheEntry entry = {0};
    if (!lookup->open || !library || !cache_file_look(library, &entry.library)) return;
    entry.image = *image; // still the caller's
    memcpy(entry.generator, code->generator, sizeof entry.generator);
    cache_store(&lookup->cache, lookup->key, &entry);
    cache_file_free(&entry.library);
}

// What a debugger is to know, and objects that are more than code and constants, go to the code generator's own linker,
// and not into the cache.
static bool link_code(Code *code, const Lookup *lookup, const CodeOptions *options, BackendCode *compiled,
                      uint32_t entries, Text *error) {
    Image image;
    Text why = {0};
    size_t length;
    const char *object = code->backend->object(compiled, &length);
    bool flat = !options->locate && image_link(object, length, entries, &image, &why), good;
    text_free(&why);
    if (flat) {
        good = load_image(code, &image, error);
        if (good) store(code, lookup, &image);
        image_free(&image);
    } else {
        good = code->backend->link(compiled, error);
        for (uint32_t e = 0; good && e < entries; e++) code->entry[e] = code->backend->entry(compiled, e);
    }
    if (good && !flat)
        code->linked = compiled;
    else
        code->backend->dispose(compiled);
    return good;
}

static bool compile(Code *code, const LoopProgram *program, const CodeOptions *options, const Lookup *lookup,
                    Text *text, Text *error) {
    double since = 0;
    code_lap(&since);
    code->backend = module_open(error);
    code->times.open = code_lap(&since);
    if (!code->backend) return false;
    snprintf(code->generator, sizeof code->generator, "%s", code->backend->name);
    BackendOptions backend = {.level = options->level,
                              .source_name = options->source_name,
                              .want_ir = options->want_ir,
                              .want_assembly = options->want_assembly,
                              .locate = options->locate,
                              .locate_context = options->locate_context,
                              .want_object = true};
    BackendCode *compiled = code->backend->compile(program, &backend, error);
    if (!compiled) return false;
    if (options->want_ir) text_add(text, code->backend->text(compiled, false));
    if (options->want_assembly) text_add(text, code->backend->text(compiled, true));
    BackendTimes times = code->backend->times(compiled);
    code->times.open += times.setup;
    code->times.build = times.build;
    code->times.passes = times.passes;
    code->times.codegen = times.codegen;
    code_lap(&since);
    bool good = link_code(code, lookup, options, compiled, program->entries.count, error);
    code->times.link = code_lap(&since);
    return good;
}

// ---- In the background ----------------------------------------------------------------------------------------------

struct CodeMaking {
    pthread_t thread;
    Code made;
    const LoopProgram *program;
    CodeOptions options;
    Lookup lookup;
    Text error;
    bool good;
};

static void *make_aside(void *context) {
    CodeMaking *making = context;
    making->good = compile(&making->made, making->program, &making->options, &making->lookup, NULL, &making->error);
    if (making->lookup.open) cache_close(&making->lookup.cache);
    return NULL;
}

// False when there is no thread to be had, or something is already wrong that the caller wants to know at once.
static bool begin_aside(Code *code, const LoopProgram *program, const CodeOptions *options, const Lookup *lookup) {
    char generator[PATH_MAX];
    if (!options->background || options->want_ir || options->want_assembly || options->locate) return false;
    if (!module_find(generator, sizeof generator)) return false;
    CodeMaking *making = memory_resize(NULL, 1, sizeof *making);
    *making = (CodeMaking){.program = program, .options = *options, .lookup = *lookup};
    code->making = making;
    if (pthread_create(&making->thread, NULL, make_aside, making) == 0) return true;
    free(making);
    code->making = NULL;
    return false;
}

bool code_wait(Code *code, Text *error) {
    CodeMaking *making = code->making;
    double since = 0, cache = code->times.cache;
    if (!making) return true;
    code_lap(&since);
    pthread_join(making->thread, NULL);
    bool good = making->good;
    *code = good ? making->made : (Code){0};
    code->times.waited = code_lap(&since);
    code->times.cache = cache;
    code->times.background = true;
    text_add_bytes(error, making->error.bytes, making->error.length);
    text_free(&making->error);
    free(making);
    return good;
}

bool code_make(Code *code, const LoopProgram *program, const CodeOptions *options, Text *text, Text *error) {
    Lookup lookup;
    double since = 0;
    *code = (Code){0};
    code_lap(&since);
    open_cache(&lookup, program, options);
    bool good = load_cached(code, &lookup, program);
    // Of several processes that begin at once, as in a sweep, one compiles.
    if (!good && lookup.open && cache_claim(&lookup.cache, lookup.key)) good = load_cached(code, &lookup, program);
    code->times.cache = code_lap(&since);
    if (!good && begin_aside(code, program, options, &lookup)) return true; // the lookup is its own
    if (!good) good = compile(code, program, options, &lookup, text, error);
    if (lookup.open) cache_close(&lookup.cache);
    if (!good) *code = (Code){0};
    return good;
}

void code_free(Code *code) {
    Text ignored = {0};
    code_wait(code, &ignored);
    text_free(&ignored);
    image_unload(&code->image);
    if (code->linked) code->backend->dispose(code->linked);
    *code = (Code){0};
}
