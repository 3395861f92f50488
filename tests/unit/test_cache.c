// The cache of compiled code: keys, files that were tampered with, folders that must not be trusted, many processes at
// once, room; and the linker of images.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../runtime/cache.h"
#include "../../runtime/files.h"
#include "../../runtime/lequel.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char model_text[] = "network Two(rate = 1e-2, tau = 1, n = 3) {\n"
                                 "  dt = 0.1\n"
                                 "  input x[2]\n"
                                 "  target y[1]\n"
                                 "  population h = Leaky[n](tau_m = tau, tau_r = 0.5, phi = tanh)\n"
                                 "  population out = Leaky[1](tau_m = 1, tau_r = 0.5)\n"
                                 "  connect w: x -> h by Dense()\n"
                                 "  connect v: h -> out by Dense()\n"
                                 "  cost 1/2 * (y[0] - out.r[0])^2\n"
                                 "  dynamics gle(gamma = 0)\n"
                                 "  learn all by adam(rate)\n"
                                 "}\n";

typedef struct Place {
    char folder[64], cache[80], model[80];
} Place;

static int make_place(void **state) {
    Place *place = calloc(1, sizeof *place);
    if (!place) return -1;
    strcpy(place->folder, "/tmp/lequel-cache-XXXXXX");
    if (!mkdtemp(place->folder)) return -1;
    snprintf(place->cache, sizeof place->cache, "%s/cache", place->folder);
    snprintf(place->model, sizeof place->model, "%s/two.leq", place->folder);
    Text error = {0};
    bool good = file_replace(place->model, model_text, sizeof model_text - 1, &error);
    text_free(&error);
    *state = place;
    return good ? 0 : -1;
}

static int remove_place(void **state) {
    Place *place = *state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", place->folder);
    int status = system(command);
    free(place);
    return status;
}

static bool has_generator(void) {
    const char *module = getenv("LEQUEL_LLVM_MODULE");
    return module && access(module, R_OK) == 0;
}

static void require_generator(void) {
    if (!has_generator()) skip();
}

// ---- Programs -------------------------------------------------------------------------------------------------------

typedef struct Result {
    bool cached;
    uint32_t count;
    double values[256];
} Result;

// Five steps, and all that is stored after them.
static Result run_model(const Place *place, const char *cache, const char *define, uint64_t seed) {
    Result result = {0};
    char *error = NULL;
    LequelModelOptions model_options = {.defines = &define, .define_count = define ? 1 : 0};
    LequelModel *model = lequel_model_open(place->model, &model_options);
    if (!lequel_model_good(model)) fail_msg("%s", lequel_model_diagnostics(model, LEQUEL_PLAIN));
    LequelProgram *program = lequel_program_new(model, &(LequelProgramOptions){.cache = cache}, &error);
    if (!program) fail_msg("%s", error);
    LequelInstance *instance = lequel_instance_new(program, 2, seed, NULL, &error);
    if (!instance) fail_msg("%s", error);
    double inputs[] = {1, -0.5, 0.25, 2};
    lequel_instance_set(instance, (uint32_t)lequel_program_find(program, "x"), inputs);
    lequel_instance_set(instance, (uint32_t)lequel_program_find(program, "y"), inputs);
    for (int step = 0; step < 5; step++) lequel_instance_step(instance, true);
    for (uint32_t i = 0; i < lequel_program_array_count(program); i++) {
        if (!lequel_program_array(program, i).stored) continue;
        double values[64];
        int64_t length = lequel_instance_length(instance, i);
        assert_true(length <= 64 && result.count + length <= 256);
        lequel_instance_get(instance, i, values);
        memcpy(result.values + result.count, values, (size_t)length * sizeof *values);
        result.count += (uint32_t)length;
    }
    result.cached = lequel_program_cached(program);
    lequel_instance_free(instance);
    lequel_program_free(program);
    lequel_model_free(model);
    return result;
}

static void assert_same(const Result *a, const Result *b) {
    assert_int_equal(a->count, b->count);
    assert_memory_equal(a->values, b->values, a->count * sizeof *a->values);
}

static void a_program_is_compiled_once(void **state) {
    require_generator();
    const Place *place = *state;
    Result none = run_model(place, "", NULL, 1), first = run_model(place, place->cache, NULL, 1);
    Result second = run_model(place, place->cache, NULL, 1), other = run_model(place, place->cache, NULL, 2);
    assert_false(none.cached || first.cached);
    assert_true(second.cached && other.cached);
    assert_same(&none, &first);
    assert_same(&first, &second);
    assert_true(memcmp(first.values, other.values, first.count * sizeof *first.values) != 0);
    // A time constant is a number in memory, a rate that is not annealed and a size are part of the code.
    assert_true(run_model(place, place->cache, "tau=2", 1).cached);
    assert_false(run_model(place, place->cache, "rate=1e-3", 1).cached);
    assert_false(run_model(place, place->cache, "n=5", 1).cached);
    assert_true(run_model(place, place->cache, "n=5", 1).cached);
}

// ---- Entries --------------------------------------------------------------------------------------------------------

static const char some_key[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

// Bytes that are no code; nothing here executes them.
static CacheEntry some_entry(const Place *place, unsigned char content, uint32_t length) {
    uint32_t page = (uint32_t)sysconf(_SC_PAGESIZE);
    CacheEntry entry = {.generator = "none"};
    assert_true(cache_file_look(place->model, &entry.library));
    entry.image = (Image){.length = page + length, .code_length = page, .entry_count = 2, .entry = {0, 64}};
    entry.image.bytes = memory_resize(NULL, entry.image.length, 1);
    memset(entry.image.bytes, content, entry.image.length);
    return entry;
}

static Cache open_cache(const char *folder) {
    Cache cache;
    Text why = {0};
    if (!cache_open(&cache, folder, &why)) fail_msg("%s", text_z(&why));
    return cache;
}

static bool refuses(const char *folder) {
    Cache cache;
    Text why = {0};
    bool opened = cache_open(&cache, folder, &why);
    if (opened) cache_close(&cache);
    assert_true(opened == !why.length);
    text_free(&why);
    return !opened;
}

static void entry_path(const Place *place, const char *key, char path[256]) {
    snprintf(path, 256, "%s/%s.code", place->cache, key);
}

// Stores an entry and says whether it can be loaded after something was done to its file.
static bool loads(const Cache *cache, const char *key) {
    CacheEntry entry;
    if (!cache_load(cache, key, &entry)) return false;
    cache_entry_free(&entry);
    return true;
}

static void entries_are_read_as_they_were_written(void **state) {
    const Place *place = *state;
    CacheEntry entry = some_entry(place, 0x5a, 100), again;
    Text bytes = {0}, twice = {0};
    cache_print(&entry, some_key, &bytes);
    assert_true(cache_parse(bytes.bytes, bytes.length, some_key, &again));
    assert_int_equal(again.image.length, entry.image.length);
    assert_memory_equal(again.image.bytes, entry.image.bytes, entry.image.length);
    assert_memory_equal(again.image.entry, entry.image.entry, sizeof entry.image.entry);
    assert_string_equal(again.generator, "none");
    assert_string_equal(again.library.path, place->model);
    assert_true(cache_file_same(&again.library));
    cache_print(&again, some_key, &twice);
    assert_int_equal(bytes.length, twice.length);
    assert_memory_equal(bytes.bytes, twice.bytes, bytes.length);
    cache_entry_free(&again);
    char other[sizeof some_key];
    memcpy(other, some_key, sizeof other);
    other[63] = '0';
    assert_false(cache_parse(bytes.bytes, bytes.length, other, &again));
    cache_entry_free(&entry);
    text_free(&bytes);
    text_free(&twice);
}

static uint64_t random_bits(void) { // xorshift, Marsaglia 2003
    static uint64_t x = 88172645463325252u;
    x ^= x << 13;
    x ^= x >> 7;
    return x ^= x << 17;
}

// A real file: 10,000 changes of one byte, and every kind of cut.
static void no_changed_byte_is_accepted(void **state) {
    require_generator();
    const Place *place = *state;
    Result right = run_model(place, place->cache, NULL, 1);
    char command[256], name[256] = "", path[512], key[CACHE_KEY + 1];
    snprintf(command, sizeof command, "ls %s", place->cache);
    FILE *list = popen(command, "r");
    assert_non_null(fgets(name, sizeof name, list));
    pclose(list);
    snprintf(key, sizeof key, "%.64s", name);
    snprintf(path, sizeof path, "%s/%s.code", place->cache, key);
    Text bytes = {0}, error = {0};
    assert_true(file_read(path, &bytes, &error));
    CacheEntry entry;
    assert_true(cache_parse(bytes.bytes, bytes.length, key, &entry));
    cache_entry_free(&entry);
    Cache cache = open_cache(place->cache);
    for (int i = 0; i < 10000; i++) {
        // The header is where most can go wrong, so half of the changes are there.
        size_t at = random_bits() % (i % 2 ? bytes.length : 400);
        char before = bytes.bytes[at];
        bytes.bytes[at] = (char)(before ^ (char)(1 + random_bits() % 255));
        if (cache_parse(bytes.bytes, bytes.length, key, &entry)) fail_msg("byte %zu", at);
        assert_null(entry.image.bytes);
        if (i % 100 == 0) { // the same through the file, which is removed then
            assert_true(file_replace(path, bytes.bytes, bytes.length, &error));
            assert_int_equal(chmod(path, 0600), 0);
            assert_false(loads(&cache, key));
            assert_int_equal(access(path, F_OK), -1);
        }
        if (i % 2500 == 0) { // and through a whole program, which is compiled then
            assert_true(file_replace(path, bytes.bytes, bytes.length, &error));
            assert_int_equal(chmod(path, 0600), 0);
            Result again = run_model(place, place->cache, NULL, 1);
            assert_false(again.cached);
            assert_same(&right, &again);
            assert_true(loads(&cache, key));
        }
        bytes.bytes[at] = before;
    }
    for (size_t length = 0; length < bytes.length; length += length < 600 ? 1 : 97)
        assert_false(cache_parse(bytes.bytes, length, key, &entry));
    text_add_bytes(&bytes, "", 1);
    assert_false(cache_parse(bytes.bytes, bytes.length, key, &entry));
    cache_close(&cache);
    text_free(&bytes);
    text_free(&error);
}

// ---- Who may have written a file ------------------------------------------------------------------------------------

static void put_entry(const Place *place, const Cache *cache, char path[256]) {
    CacheEntry entry = some_entry(place, 1, 10);
    assert_true(cache_store(cache, some_key, &entry));
    cache_entry_free(&entry);
    entry_path(place, some_key, path);
    assert_true(loads(cache, some_key));
}

static void only_plain_files_of_ours_are_used(void **state) {
    const Place *place = *state;
    char path[256], other[256];
    Cache cache = open_cache(place->cache);
    struct stat about;
    snprintf(other, sizeof other, "%s/other", place->folder);

    put_entry(place, &cache, path);
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
    assert_int_equal(stat(place->cache, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0700);

    static const mode_t writable[] = {0620, 0602, 0666};
    for (size_t i = 0; i < 3; i++) { // others can write to it
        put_entry(place, &cache, path);
        assert_int_equal(chmod(path, writable[i]), 0);
        assert_false(loads(&cache, some_key));
        assert_int_equal(lstat(path, &about), -1);
    }
    put_entry(place, &cache, path); // a symbolic link to a right file: the link goes, the file stays
    assert_int_equal(rename(path, other), 0);
    assert_int_equal(symlink(other, path), 0);
    assert_false(loads(&cache, some_key));
    assert_int_equal(lstat(path, &about), -1);
    assert_int_equal(access(other, F_OK), 0);
    assert_int_equal(link(other, path), 0); // a second name of a file
    assert_false(loads(&cache, some_key));
    assert_int_equal(mkfifo(path, 0600), 0); // must not wait
    assert_false(loads(&cache, some_key));
    assert_int_equal(mkdir(path, 0700), 0);
    assert_false(loads(&cache, some_key));
    assert_int_equal(rmdir(path), 0);
    if (geteuid() == 0) { // a file of someone else is left where it is
        put_entry(place, &cache, path);
        assert_int_equal(chown(path, 12345, 12345), 0);
        assert_false(loads(&cache, some_key));
        assert_int_equal(access(path, F_OK), 0);
        put_entry(place, &cache, path); // and replaced when there is something better
        assert_int_equal(stat(path, &about), 0);
        assert_int_equal(about.st_uid, 0);
    }
    cache_close(&cache);
}

static void code_of_another_library_is_dropped(void **state) {
    const Place *place = *state;
    char path[256];
    Cache cache = open_cache(place->cache);
    put_entry(place, &cache, path);
    Text error = {0};
    assert_true(file_replace(place->model, "renewed", 7, &error)); // stands for the library in these tests
    assert_false(loads(&cache, some_key));
    assert_int_equal(access(path, F_OK), -1);
    cache_close(&cache);
}

static void folders_that_others_can_change_are_not_used(void **state) {
    const Place *place = *state;
    assert_int_equal(mkdir(place->cache, 0700), 0);
    assert_false(refuses(place->cache));
    static const mode_t writable[] = {0770, 0702, 0777, 01777};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(chmod(place->cache, writable[i]), 0);
        assert_true(refuses(place->cache));
    }
    assert_int_equal(chmod(place->cache, 0755), 0);
    assert_false(refuses(place->cache));
    if (geteuid() == 0) {
        assert_int_equal(chown(place->cache, 12345, 12345), 0);
        assert_true(refuses(place->cache));
    }
    assert_true(refuses(""));
    assert_true(refuses(place->model));
    assert_true(refuses("/dev/null/cache"));
    assert_true(refuses("/proc/lequel/cache"));
}

static void a_cache_that_cannot_be_written_fails_nothing(void **state) {
    require_generator();
    const Place *place = *state;
    Result right = run_model(place, "", NULL, 1);
    static const char *const folders[] = {"/dev/null/cache", "/proc/lequel", "relative/\x01/never"};
    for (size_t i = 0; i < 2; i++) {
        Result result = run_model(place, folders[i], NULL, 1);
        assert_same(&right, &result);
    }
    Cache cache = open_cache(place->cache);
    struct rlimit before, small; // a disk that is full, for files
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 1000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    Result result = run_model(place, place->cache, NULL, 1);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_same(&right, &result);
    assert_int_equal(cache_measure(&cache).files, 0);
    if (geteuid() != 0) {
        assert_int_equal(chmod(place->cache, 0500), 0);
        result = run_model(place, place->cache, NULL, 1);
        assert_same(&right, &result);
        assert_int_equal(chmod(place->cache, 0700), 0);
    }
    cache_close(&cache);
}

// ---- Many at once, and room -----------------------------------------------------------------------------------------

// Stores and loads entries of all writers; what is loaded must be whole.
static int write_and_read(const Place *place, unsigned writer) {
    Cache cache = open_cache(place->cache);
    int status = 0;
    for (unsigned i = 0; i < 60 && !status; i++) {
        char key[sizeof some_key];
        CacheEntry mine = some_entry(place, (unsigned char)writer, 5000 * (writer % 3)), found;
        memcpy(key, some_key, sizeof key);
        key[0] = (char)('0' + i % 3);
        if (!cache_store(&cache, key, &mine)) status = 1;
        if (cache_load(&cache, key, &found)) { // a file that someone replaces right now may be missed
            for (uint32_t b = 1; b < found.image.length; b++)
                if (found.image.bytes[b] != found.image.bytes[0]) status = 2;
            cache_entry_free(&found);
        }
        cache_entry_free(&mine);
    }
    cache_close(&cache);
    return status;
}

static void many_processes_share_a_folder(void **state) {
    const Place *place = *state;
    enum { WRITERS = 6 };
    pid_t children[WRITERS];
    for (unsigned w = 0; w < WRITERS; w++) {
        children[w] = fork();
        if (!children[w]) _exit(write_and_read(place, w + 1));
        assert_true(children[w] > 0);
    }
    for (unsigned w = 0; w < WRITERS; w++) {
        int status;
        assert_int_equal(waitpid(children[w], &status, 0), children[w]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    Cache cache = open_cache(place->cache);
    assert_int_equal(cache_measure(&cache).files, 3);
    cache_close(&cache);
    char command[256];
    snprintf(command, sizeof command, "test $(ls -A '%s' | wc -l) -eq 3", place->cache); // nothing half written
    assert_int_equal(system(command), 0);
}

static void who_comes_second_waits_for_the_first(void **state) {
    const Place *place = *state;
    Cache first = open_cache(place->cache), second = open_cache(place->cache);
    assert_false(cache_claim(&first, some_key));
    assert_true(first.claim >= 0);
    pid_t child = fork();
    if (!child) {
        bool waited = cache_claim(&second, some_key);
        int status = !waited ? 1 : !loads(&second, some_key) ? 2 : 0;
        cache_close(&second);
        _exit(status);
    }
    char path[256];
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    put_entry(place, &first, path);
    cache_close(&first);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_false(cache_claim(&second, some_key)); // it is free again
    cache_close(&second);
    char command[256];
    snprintf(command, sizeof command, "test $(ls -A '%s' | wc -l) -eq 1", place->cache);
    assert_int_equal(system(command), 0);
}

static void the_least_recently_used_goes_first(void **state) {
    const Place *place = *state;
    Cache cache = open_cache(place->cache);
    assert_int_equal(setenv("LEQUEL_CACHE_LIMIT", "0.1", 1), 0); // MB
    char key[sizeof some_key], path[256];
    memcpy(key, some_key, sizeof key);
    for (int i = 0; i < 8; i++) { // of about 20 kB each, used one second after the other, but the first one last
        CacheEntry entry = some_entry(place, 1, 15000);
        key[0] = (char)('0' + i);
        assert_true(cache_store(&cache, key, &entry));
        cache_entry_free(&entry);
        entry_path(place, key, path);
        struct timespec used[2] = {{.tv_sec = 1000 + i}, {.tv_sec = i ? 1000 + i : 5000}};
        assert_int_equal(utimensat(AT_FDCWD, path, used, 0), 0);
    }
    CacheSize size = cache_measure(&cache);
    assert_true(size.bytes <= 100000 && size.files >= 3);
    key[0] = '0';
    assert_true(loads(&cache, key));
    key[0] = '1';
    assert_false(loads(&cache, key));
    key[0] = '7';
    assert_true(loads(&cache, key));
    CacheEntry large = some_entry(place, 1, 200000);
    assert_false(cache_store(&cache, some_key, &large));
    cache_entry_free(&large);
    assert_int_equal(unsetenv("LEQUEL_CACHE_LIMIT"), 0);
    CacheSize removed = cache_clear(&cache);
    assert_true(removed.files >= 3);
    assert_int_equal(cache_measure(&cache).files, 0);
    cache_close(&cache);
}

static void what_killed_processes_left_is_removed(void **state) {
    const Place *place = *state;
    char path[256], part[256], strange[256];
    Cache cache = open_cache(place->cache);
    Text error = {0};
    snprintf(part, sizeof part, "%s/.%s.77-0.part", place->cache, some_key);
    snprintf(strange, sizeof strange, "%s/notes.txt", place->cache);
    assert_true(file_replace(part, "x", 1, &error) && file_replace(strange, "x", 1, &error));
    put_entry(place, &cache, path);
    assert_int_equal(access(part, F_OK), 0); // someone may be writing it
    struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    assert_int_equal(utimensat(AT_FDCWD, part, old, 0), 0);
    put_entry(place, &cache, path);
    assert_int_equal(access(part, F_OK), -1);
    cache_clear(&cache);
    assert_int_equal(access(strange, F_OK), 0); // not ours to remove
    cache_close(&cache);
}

// ---- Keys -----------------------------------------------------------------------------------------------------------

typedef struct KeyWorld {
    LoopProgram program;
    uint32_t argument, arrays[2];
    LoopSize stride[2 * LOOP_MAX_AXES], offset[2];
} KeyWorld;

static void make_world(KeyWorld *w) {
    *w = (KeyWorld){.program = {.real = LOOP_F32}, .arrays = {0, 1}};
    for (int i = 0; i < 2; i++)
        vec_push(&w->program.arrays, (LoopArray){.name = "a", .real = LOOP_F32, .rank = 2, .extent = {3, 4}});
    LoopKernel kernel = {.kind = LOOP_MAP, .real = LOOP_F32, .axes = 2, .outer = 1};
    vec_push(&kernel.ops, (LoopOp){.kind = LOOP_LOAD});
    vec_push(&kernel.ops, (LoopOp){.kind = LOOP_CONST, .value = 0.5});
    vec_push(&kernel.ops, (LoopOp){.kind = LOOP_FMA, .a = 0, .b = 1, .c = 1});
    vec_push(&kernel.accesses, (LoopAccess){.argument = 0, .vector = LOOP_UNIT});
    vec_push(&kernel.accesses, (LoopAccess){.argument = 1, .vector = LOOP_UNIT});
    vec_push(&kernel.stores, (LoopStore){1, 2});
    vec_push(&w->program.kernels, kernel);
    LoopEntry entry = {.name = "train"};
    LoopCall call = {.axis = {{.extent = 3}, {.extent = 4}},
                     .array = w->arrays,
                     .array_count = 2,
                     .stride = w->stride,
                     .offset = w->offset};
    vec_push(&entry.calls, call);
    vec_push(&w->program.entries, entry);
}

static void free_world(KeyWorld *w) {
    LoopKernel *kernel = &w->program.kernels.items[0];
    vec_free(&kernel->ops);
    vec_free(&kernel->accesses);
    vec_free(&kernel->stores);
    vec_free(&w->program.kernels);
    vec_free(&w->program.arrays);
    vec_free(&w->program.entries.items[0].calls);
    vec_free(&w->program.entries);
}

static const char *key_of(const KeyWorld *w, int level, const char *generator) {
    static char key[CACHE_KEY + 1];
    if (!cache_key(&w->program, level, generator, key)) fail();
    return key;
}

static void keys_know_all_that_the_code_depends_on(void **state) {
    const Place *place = *state;
    KeyWorld w;
    make_world(&w);
    char first[CACHE_KEY + 1];
    strcpy(first, key_of(&w, 1, place->model));
    assert_string_equal(first, key_of(&w, 1, place->model));
#define CHANGES(place_in, other)                                                                                       \
    do {                                                                                                               \
        __typeof__(place_in) before_ = (place_in);                                                                     \
        (place_in) = (other);                                                                                          \
        if (strcmp(first, key_of(&w, 1, place->model)) == 0) fail_msg("%s", #place_in);                                \
        (place_in) = before_;                                                                                          \
    } while (0)
    LoopKernel *kernel = &w.program.kernels.items[0];
    LoopCall *call = &w.program.entries.items[0].calls.items[0];
    CHANGES(w.program.real, LOOP_F64);
    CHANGES(w.program.deterministic, true);
    CHANGES(w.program.calls, true);
    CHANGES(w.program.arrays.items[1].real, LOOP_F64);
    CHANGES(w.program.arrays.items[1].rank, 1);
    CHANGES(w.program.arrays.items[1].extent[1], 5);
    CHANGES(w.program.arrays.items[0].batched, true);
    CHANGES(w.program.arrays.count, 1);
    CHANGES(kernel->kind, LOOP_REDUCE);
    CHANGES(kernel->real, LOOP_F64);
    CHANGES(kernel->axes, 1);
    CHANGES(kernel->outer, 0);
    CHANGES(kernel->maximum, true);
    CHANGES(kernel->ops.items[2].kind, LOOP_MUL);
    CHANGES(kernel->ops.items[2].a, 1);
    CHANGES(kernel->ops.items[2].b, 0);
    CHANGES(kernel->ops.items[2].c, 0);
    CHANGES(kernel->ops.items[1].value, 0.25);
    CHANGES(kernel->ops.items[1].value, -0.5);
    CHANGES(kernel->ops.items[0].bits, 1);
    CHANGES(kernel->accesses.items[0].argument, 1);
    CHANGES(kernel->accesses.items[0].scalar_f64, true);
    CHANGES(kernel->accesses.items[0].vector, LOOP_SPLAT);
    CHANGES(kernel->stores.items[0].access, 0);
    CHANGES(kernel->stores.items[0].value, 1);
    CHANGES(call->guard, 1);
    CHANGES(call->axis[0].extent, 2);
    CHANGES(call->axis[1].batch, true);
    CHANGES(w.arrays[1], 0);
    CHANGES(w.stride[1].fixed, 7);
    CHANGES(w.stride[LOOP_MAX_AXES].padded, 7);
    CHANGES(w.offset[1].fixed, 7);
    CHANGES(w.offset[0].padded, 7);
#undef CHANGES
    assert_string_not_equal(first, key_of(&w, 2, place->model));
    w.program.arrays.items[0].name = "b"; // names and places are not part of the code
    call->span = (Span){1, 2, 3};
    w.stride[2].fixed = 9; // beyond the axes
    assert_string_equal(first, key_of(&w, 1, place->model));
    Text error = {0};
    assert_true(file_replace(place->model, "another generator", 17, &error));
    assert_string_not_equal(first, key_of(&w, 1, place->model));
    char key[CACHE_KEY + 1];
    assert_false(cache_key(&w.program, 1, "/no/such/generator", key));
    free_world(&w);
}

// ---- The linker -----------------------------------------------------------------------------------------------------

// An object file of a model at the highest level of optimisation.
static char *object_of(const char *path, size_t *length) {
    LequelModel *model = lequel_model_open(path, NULL);
    LequelProgram *program = lequel_program_new(model, &(LequelProgramOptions){.backend = "loops"}, NULL);
    char *object = lequel_program_code(program, "obj", NULL, length, NULL);
    assert_non_null(object);
    lequel_program_free(program);
    lequel_model_free(model);
    return object;
}

static void what_needs_a_library_is_linked_by_the_generator(void **state) {
    require_generator();
    const Place *place = *state;
    size_t length;
    char *object = object_of(place->model, &length), *error = NULL;
    Text why = {0};
    Image image;
    if (image_link(object, length, 2, &image, &why)) { // nothing of it was made a call of memset
        image_free(&image);
        skip();
    }
    assert_string_equal(text_z(&why), "it refers to something outside");
    LequelModel *model = lequel_model_open(place->model, NULL);
    for (int i = 0; i < 2; i++) {
        LequelProgramOptions options = {.cache = place->cache, .level = 3};
        LequelProgram *program = lequel_program_new(model, &options, &error);
        if (!program) fail_msg("%s", error);
        assert_false(lequel_program_cached(program));
        LequelInstance *instance = lequel_instance_new(program, 1, 0, NULL, NULL);
        lequel_instance_step(instance, true);
        assert_int_equal(lequel_instance_steps(instance), 1);
        lequel_instance_free(instance);
        lequel_program_free(program);
    }
    lequel_model_free(model);
    lequel_text_free(object);
    text_free(&why);
}

static void damaged_objects_are_refused(void **state) {
    (void)state;
    require_generator();
    static const char *const models[] = {"lagline", "oja", "lagnet"}; // some of them need no library
    size_t length = 0;
    char *object = NULL;
    Text why = {0};
    Image image = {0};
    for (size_t i = 0; i < 3 && !image.bytes; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/models/%s.leq", LEQUEL_SOURCE_DIR, models[i]);
        lequel_text_free(object);
        object = object_of(path, &length);
        image_link(object, length, 2, &image, &why);
    }
    assert_true(image_is_sound(&image) && image.entry[0] != image.entry[1]);
    image_free(&image);
    assert_false(image_link(object, length, 3, &image, &why)); // there is no third entry
    assert_false(image_link(object, length / 2, 2, &image, &why));
    for (int i = 0; i < 5000; i++) { // must not crash: one or two bytes, of the header and the tables at the end mostly
        size_t at[2];
        char before[2];
        for (int k = 0; k < 2; k++) {
            uint64_t r = random_bits();
            at[k] = i % 3 == 0 ? r % length : i % 3 == 1 ? r % 64 : length - 1 - r % (9 * 64 + 2000);
            before[k] = object[at[k]];
            object[at[k]] = (char)random_bits();
        }
        why.length = 0;
        if (image_link(object, length, 2, &image, &why)) {
            assert_true(image_is_sound(&image));
            image_free(&image);
        } else {
            assert_true(why.length > 0);
        }
        for (int k = 2; k-- > 0;) object[at[k]] = before[k];
    }
    assert_true(image_link(object, length, 2, &image, &why));
    image_free(&image);
    text_free(&why);
    lequel_text_free(object);
}

static void folders_are_found_by_the_environment(void **state) {
    (void)state;
    char *saved = getenv("LEQUEL_CACHE") ? strdup(getenv("LEQUEL_CACHE")) : NULL;
#define FOLDER_IS(expected)                                                                                            \
    do {                                                                                                               \
        char *folder = lequel_cache_folder();                                                                          \
        assert_string_equal(folder, expected);                                                                         \
        lequel_text_free(folder);                                                                                      \
    } while (0)
    setenv("LEQUEL_CACHE", "/some/where", 1);
    setenv("XDG_CACHE_HOME", "/xdg", 1);
    setenv("HOME", "/home/one", 1);
    FOLDER_IS("/some/where");
    setenv("LEQUEL_CACHE", "never", 1);
    FOLDER_IS("");
    unsetenv("LEQUEL_CACHE");
    FOLDER_IS("/xdg/lequel");
    setenv("XDG_CACHE_HOME", "relative", 1); // to be ignored, says the XDG Base Directory Specification
    FOLDER_IS("/home/one/.cache/lequel");
    unsetenv("HOME");
    FOLDER_IS("");
#undef FOLDER_IS
    if (saved) setenv("LEQUEL_CACHE", saved, 1);
    free(saved);
}

int main(void) {
#define IN_PLACE(test) cmocka_unit_test_setup_teardown(test, make_place, remove_place)
    const struct CMUnitTest tests[] = {
        IN_PLACE(a_program_is_compiled_once),
        IN_PLACE(entries_are_read_as_they_were_written),
        IN_PLACE(no_changed_byte_is_accepted),
        IN_PLACE(only_plain_files_of_ours_are_used),
        IN_PLACE(code_of_another_library_is_dropped),
        IN_PLACE(folders_that_others_can_change_are_not_used),
        IN_PLACE(a_cache_that_cannot_be_written_fails_nothing),
        IN_PLACE(many_processes_share_a_folder),
        IN_PLACE(who_comes_second_waits_for_the_first),
        IN_PLACE(the_least_recently_used_goes_first),
        IN_PLACE(what_killed_processes_left_is_removed),
        IN_PLACE(keys_know_all_that_the_code_depends_on),
        IN_PLACE(what_needs_a_library_is_linked_by_the_generator),
        cmocka_unit_test(damaged_objects_are_refused),
        cmocka_unit_test(folders_are_found_by_the_environment),
    };
#undef IN_PLACE
    return cmocka_run_group_tests_name("cache", tests, NULL, NULL);
}
