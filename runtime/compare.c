// Compares the files of two runs.
#define _DEFAULT_SOURCE
#include "compare.h"
#include "../compiler/support/vec.h"
#include "data/table.h"
#include "files.h"
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef Vec(char *) Names;

static bool ends_with(const char *name, const char *ending) {
    size_t length = strlen(name), tail = strlen(ending);
    return length >= tail && strcmp(name + length - tail, ending) == 0;
}

static bool is_result(const char *name) {
    static const char *const others[] = {"run.json", "times.csv", "checkpoint"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcmp(name, others[i]) == 0) return false;
    return name[0] != '.' && (ends_with(name, ".npy") || ends_with(name, ".csv"));
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static bool list_folder(const char *folder, const char *prefix, Names *names, bool may_miss, Text *error) {
    Text path = {0};
    text_addf(&path, "%s/%s", folder, prefix);
    DIR *dir = opendir(text_z(&path));
    if (!dir && !(may_miss && errno == ENOENT))
        text_addf(error, "cannot read the folder %s: %s", folder, strerror(errno));
    bool fine = dir || (may_miss && errno == ENOENT);
    for (const struct dirent *entry; dir && (entry = readdir(dir));) {
        if (!is_result(entry->d_name)) continue;
        Text name = {0};
        text_addf(&name, "%s%s", prefix, entry->d_name);
        vec_push(names, name.bytes);
    }
    if (dir) closedir(dir);
    text_free(&path);
    return fine;
}

static bool list_results(const char *folder, Names *names, Text *error) {
    bool fine = list_folder(folder, "", names, false, error) && list_folder(folder, "final/", names, true, error);
    if (names->count) qsort(names->items, names->count, sizeof *names->items, by_name);
    return fine;
}

static void names_free(Names *names) {
    for (uint32_t i = 0; i < names->count; i++) free(names->items[i]);
    vec_free(names);
}

static void describe_place(const Table *table, int64_t at, Text *report) {
    int64_t size = table_count(table);
    text_add(report, "[");
    for (int i = 0; i < table->rank; i++) {
        size /= table->shape[i];
        text_addf(report, i ? ", %lld" : "%lld", (long long)(at / size % table->shape[i]));
    }
    text_add(report, "]");
}

// Both tables have the same shape.
static void describe_numbers(const Table *left, const Table *right, Text *report) {
    int64_t count = table_count(left), different = 0, first = 0;
    double largest = 0;
    for (int64_t i = count; i-- > 0;)
        if (memcmp(&left->data[i], &right->data[i], sizeof(double)) != 0) {
            double by = fabs(left->data[i] - right->data[i]);
            different++;
            first = i;
            if (by > largest) largest = by;
        }
    text_addf(report, "%lld of %lld numbers differ, by %.3g at most; the first at ", (long long)different,
              (long long)count, largest);
    describe_place(left, first, report);
    if (different) text_addf(report, ": %.17g and %.17g", left->data[first], right->data[first]);
}

static void describe_difference(const char *left, const char *right, Text *report) {
    Table a = {0}, b = {0};
    Text nowhere = {0};
    TableOptions options = {.allow_nonfinite = true};
    bool both = table_load_with(left, options, &a, &nowhere) && table_load_with(right, options, &b, &nowhere);
    bool shaped = both && a.rank == b.rank && memcmp(a.shape, b.shape, (size_t)a.rank * sizeof *a.shape) == 0;
    if (shaped)
        describe_numbers(&a, &b, report);
    else
        text_add(report, both ? "the shapes differ" : "the bytes differ");
    text_add(report, "\n");
    text_free(&nowhere);
    table_free(&a);
    table_free(&b);
}

static bool compare_file(const char *left, const char *right, const char *name, Text *report, bool *same, Text *error) {
    Text a_path = {0}, b_path = {0}, a = {0}, b = {0};
    text_addf(&a_path, "%s/%s", left, name);
    text_addf(&b_path, "%s/%s", right, name);
    bool fine = file_read(text_z(&a_path), &a, error) && file_read(text_z(&b_path), &b, error);
    *same = fine && a.length == b.length && memcmp(text_z(&a), text_z(&b), a.length) == 0;
    if (fine && !*same) {
        text_addf(report, "%s: ", name);
        describe_difference(text_z(&a_path), text_z(&b_path), report);
    }
    Text *const all[] = {&a_path, &b_path, &a, &b};
    for (int i = 0; i < 4; i++) text_free(all[i]);
    return fine;
}

bool folders_compare(const char *left, const char *right, Text *report, uint32_t *files, uint32_t *different,
                     Text *error) {
    Names a = {0}, b = {0};
    *files = *different = 0;
    bool fine = list_results(left, &a, error) && list_results(right, &b, error);
    for (uint32_t i = 0, k = 0; fine && (i < a.count || k < b.count); ++*files) {
        int order = i == a.count ? 1 : k == b.count ? -1 : strcmp(a.items[i], b.items[k]);
        bool same = false;
        if (order == 0)
            fine = compare_file(left, right, a.items[i], report, &same, error);
        else
            text_addf(report, "%s: only in %s\n", order < 0 ? a.items[i] : b.items[k], order < 0 ? left : right);
        *different += fine && !same;
        i += order <= 0;
        k += order >= 0;
    }
    names_free(&a);
    names_free(&b);
    return fine;
}

static void remove_files(const char *folder) {
    DIR *dir = opendir(folder);
    if (!dir) return;
    for (const struct dirent *entry; (entry = readdir(dir));)
        if (is_result(entry->d_name) || strcmp(entry->d_name, "run.json") == 0 ||
            strcmp(entry->d_name, "times.csv") == 0)
            unlinkat(dirfd(dir), entry->d_name, 0);
    closedir(dir);
    rmdir(folder);
}

void results_remove(const char *folder) {
    Text final = {0};
    text_addf(&final, "%s/final", folder);
    remove_files(text_z(&final));
    remove_files(folder);
    text_free(&final);
}
