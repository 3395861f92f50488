#define _GNU_SOURCE
// corrupt CHECKPOINT NPY COUNT: changes single bytes at random places, COUNT times each, in memory. A changed
// checkpoint must be refused. A changed .npy must be refused or, where the byte belongs to a number, give the same
// table but for that number; a change of the type's letters or of the byte order makes another valid file, which
// nothing can tell.
#include "../../compiler/support/arena.h"
#include "../../runtime/checkpoint.h"
#include "../../runtime/data/random.h"
#include "../../runtime/data/table.h"
#include "../../runtime/files.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Change {
    size_t place;
    char was;
} Change;

static Change change(const RandomStream *stream, int64_t number, Text *bytes) {
    Change made = {.place = (size_t)random_below(stream, 2 * (uint64_t)number, bytes->length)};
    made.was = bytes->bytes[made.place];
    bytes->bytes[made.place] ^= (char)(1 + random_below(stream, 2 * (uint64_t)number + 1, 255));
    return made;
}

static int64_t corrupt_checkpoint(Text *bytes, int64_t count) {
    RandomStream stream = random_stream(1, "checkpoint");
    int64_t wrong = 0;
    for (int64_t i = 0; i < count; i++) {
        Change made = change(&stream, i, bytes);
        Text error = {0};
        Checkpoint *checkpoint = checkpoint_parse("changed", bytes->bytes, bytes->length, &error);
        if (checkpoint || !error.length) {
            printf("a change of byte %zu was not noticed\n", made.place);
            wrong++;
        }
        checkpoint_abandon(checkpoint);
        text_free(&error);
        bytes->bytes[made.place] = made.was;
    }
    return wrong;
}

static bool same_shape(const Table *a, const Table *b) {
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (a->shape[i] != b->shape[i]) return false;
    return true;
}

static int64_t differing(const Table *a, const Table *b) {
    int64_t count = 0;
    for (int64_t i = 0; i < table_count(a); i++) count += memcmp(&a->data[i], &b->data[i], sizeof(double)) != 0;
    return count;
}

// Within the quotes of 'descr': '<f8'.
static bool is_type(const Text *bytes, size_t place) {
    const char *type = memmem(bytes->bytes, bytes->length, "'<f8'", 5);
    return type && place > (size_t)(type - bytes->bytes) && place < (size_t)(type - bytes->bytes) + 4;
}

static int64_t corrupt_npy(Text *bytes, int64_t count) {
    RandomStream stream = random_stream(1, "npy");
    Table whole;
    Text error = {0};
    int64_t wrong = 0, loaded = 0;
    if (!table_parse("whole.npy", NULL, bytes->bytes, bytes->length, (TableOptions){0}, &whole, &error)) return 1;
    size_t header = bytes->length - (size_t)table_count(&whole) * sizeof(double);
    for (int64_t i = 0; i < count; i++) {
        // Every second change is in the header, which is small.
        Text part = i % 2 ? *bytes : (Text){bytes->bytes, header, 0};
        Table table;
        bool type = false;
        Change made = change(&stream, i, &part);
        error.length = 0;
        bool fine = table_parse("changed.npy", NULL, bytes->bytes, bytes->length, (TableOptions){0}, &table, &error);
        bool value = made.place >= header;
        bytes->bytes[made.place] = made.was;
        if (fine) type = is_type(bytes, made.place);
        loaded += fine;
        int64_t others = fine && same_shape(&whole, &table) ? differing(&whole, &table) : -1;
        if (fine ? others < 0 || (others != value && !type) : !error.length) {
            printf("a change of byte %zu was not noticed\n", made.place);
            wrong++;
        }
        table_free(&table);
    }
    printf("%lld of %lld changed .npy files were loaded\n", (long long)loaded, (long long)count);
    table_free(&whole);
    text_free(&error);
    return wrong;
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    Text checkpoint = {0}, npy = {0}, error = {0};
    int64_t count = atoll(argv[3]), wrong;
    if (!file_read(argv[1], &checkpoint, &error) || !file_read(argv[2], &npy, &error)) {
        fprintf(stderr, "%s\n", text_z(&error));
        return 1;
    }
    wrong = corrupt_checkpoint(&checkpoint, count) + corrupt_npy(&npy, count);
    text_free(&checkpoint);
    text_free(&npy);
    return wrong != 0;
}
