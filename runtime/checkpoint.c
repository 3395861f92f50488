// Checkpoints as bytes: a mark, sections, an end. See docs/checkpoints.md.
#include "checkpoint.h"
#include "../compiler/support/arena.h"
#include "../compiler/support/vec.h"
#include "files.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static const char mark[8] = {'\x89', 'L', 'E', 'Q', 'C', 'K', '\r', '\n'};

enum { START = 16, HEAD = 16, TAIL = 8, PIECE = 1 << 15 };

typedef enum SectionType { SECTION_END, SECTION_TEXT, SECTION_WHOLE, SECTION_SINGLE, SECTION_REAL } SectionType;

static const char *const type_name[] = {"an end", "text", "whole numbers", "floats", "doubles"};
static size_t size_of(uint32_t type) { return type == SECTION_TEXT ? 1 : type == SECTION_SINGLE ? 4 : 8; }

typedef struct Section { // of an opened checkpoint
    const unsigned char *name, *data;
    uint32_t name_length, type;
    uint64_t count;
    bool used;
} Section;

struct Checkpoint {
    bool restores;
    StagedFile out;
    uint32_t whole, part; // checksums of all bytes so far, and of the present section
    uint64_t count;       // sections written
    char *name;           // of the file, for messages
    Text bytes;           // of an opened file, when they are ours
    Vec(Section) sections;
    Text problem; // the first failure
};

// ---- Bytes ----------------------------------------------------------------------------------------------------------

static void put_word(unsigned char *to, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; i++) to[i] = (unsigned char)(value >> 8 * i);
}

static uint64_t get_word(const unsigned char *from, int bytes) {
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++) value |= (uint64_t)from[i] << 8 * i;
    return value;
}

static bool host_is_little_endian(void) {
    const uint16_t probe = 1;
    unsigned char first;
    memcpy(&first, &probe, 1);
    return first;
}

// Between the host's order and little-endian, which is the same work in both directions.
static void reorder(unsigned char *to, const unsigned char *from, size_t count, size_t size) {
    if (host_is_little_endian() || size == 1) {
        if (count) memcpy(to, from, count * size);
        return;
    }
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < size; k++) to[i * size + k] = from[i * size + size - 1 - k];
}

// Sections begin at multiples of 8.
static size_t padding(uint64_t length) { return (size_t)(-length & 7); }

// ---- Failures -------------------------------------------------------------------------------------------------------

static const char *problem(Checkpoint *c) { return text_z(&c->problem); }

void checkpoint_fail(Checkpoint *c, const char *format, ...) {
    if (c->problem.length) return;
    char sentence[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    text_addf(&c->problem, "%s: %s", c->name, sentence);
}

void checkpoint_pass_on(Checkpoint *c, const Text *sentence) {
    if (!c->problem.length) text_add(&c->problem, text_z(sentence));
}

bool checkpoint_failed(const Checkpoint *c) { return c->problem.length > 0; }
bool checkpoint_restores(const Checkpoint *c) { return c->restores; }

static Checkpoint *checkpoint_begin(const char *name, bool restores) {
    Checkpoint *c = memory_resize(NULL, 1, sizeof *c);
    size_t length = strlen(name) + 1;
    *c = (Checkpoint){.restores = restores, .out = {.file = -1}};
    c->name = memcpy(memory_resize(NULL, length, 1), name, length);
    c->whole = c->part = (uint32_t)crc32_z(0, NULL, 0);
    return c;
}

static void checkpoint_free(Checkpoint *c) {
    vec_free(&c->sections);
    text_free(&c->bytes);
    text_free(&c->problem);
    free(c->name);
    free(c);
}

// ---- Writing --------------------------------------------------------------------------------------------------------

static void put(Checkpoint *c, const void *bytes, size_t length) {
    if (c->problem.length || !staged_write(&c->out, bytes, length, &c->problem)) return;
    c->whole = (uint32_t)crc32_z(c->whole, bytes, length);
    c->part = (uint32_t)crc32_z(c->part, bytes, length);
}

static void put_zeros(Checkpoint *c, size_t length) {
    static const unsigned char zeros[8];
    put(c, zeros, length);
}

static void begin_section(Checkpoint *c, SectionType type, const char *name, uint64_t count) {
    unsigned char head[HEAD];
    size_t length = strlen(name);
    if (length > CHECKPOINT_NAME_MAX) checkpoint_fail(c, "the name `%s` is too long for a section", name);
    c->part = (uint32_t)crc32_z(0, NULL, 0);
    put_word(head, type, 4);
    put_word(head + 4, length, 4);
    put_word(head + 8, count, 8);
    put(c, head, HEAD);
    put(c, name, length);
    put_zeros(c, padding(length));
}

static void end_section(Checkpoint *c, uint64_t data_length) {
    put_zeros(c, padding(data_length));
    unsigned char tail[TAIL] = {0};
    put_word(tail, c->part, 4);
    put(c, tail, TAIL);
    c->count++;
}

static void put_section(Checkpoint *c, SectionType type, const char *name, const void *values, uint64_t count) {
    unsigned char piece[PIECE];
    size_t size = size_of(type);
    begin_section(c, type, name, count);
    for (uint64_t i = 0; i < count && !c->problem.length;) {
        size_t take = count - i < PIECE / size ? (size_t)(count - i) : PIECE / size;
        reorder(piece, (const unsigned char *)values + i * size, take, size);
        put(c, piece, take * size);
        i += take;
    }
    end_section(c, count * size);
}

Checkpoint *checkpoint_new(const char *path, Text *error) {
    Checkpoint *c = checkpoint_begin(path, false);
    unsigned char version[8] = {0};
    put_word(version, CHECKPOINT_VERSION, 4);
    if (staged_open(&c->out, path, error)) {
        put(c, mark, sizeof mark);
        put(c, version, sizeof version);
        return c;
    }
    checkpoint_free(c);
    return NULL;
}

// The end's checksum is that of all bytes before it.
static bool finish(Checkpoint *c, Text *error) {
    uint64_t sections = c->count;
    begin_section(c, SECTION_END, "", sections);
    unsigned char tail[TAIL] = {0};
    put_word(tail, c->whole, 4);
    put(c, tail, TAIL);
    if (!c->problem.length) return staged_close(&c->out, error);
    staged_abandon(&c->out);
    text_add(error, problem(c));
    return false;
}

// ---- Reading --------------------------------------------------------------------------------------------------------

// The section at `at`, whose size is returned; 0 when it does not fit or its checksum is wrong.
static size_t read_section(Checkpoint *c, const unsigned char *bytes, size_t size, size_t at, Section *section) {
    size_t left = size - at;
    if (left < HEAD + TAIL) return 0;
    const unsigned char *head = bytes + at;
    section->type = (uint32_t)get_word(head, 4);
    section->name_length = (uint32_t)get_word(head + 4, 4);
    section->count = get_word(head + 8, 8);
    if (section->type > SECTION_REAL || section->name_length > CHECKPOINT_NAME_MAX) return 0;
    size_t name = section->name_length + padding(section->name_length), width = size_of(section->type);
    if (section->type == SECTION_END) return name ? 0 : HEAD + TAIL;
    if (name > left - HEAD - TAIL || section->count > (left - HEAD - TAIL - name) / width) return 0;
    size_t data = (size_t)section->count * width, whole = HEAD + name + data + padding(data);
    if (whole > left - TAIL) return 0;
    section->name = head + HEAD;
    section->data = section->name + name;
    if (get_word(head + whole, TAIL) == crc32_z(crc32_z(0, NULL, 0), head, whole)) return whole + TAIL;
    checkpoint_fail(c, "is damaged: the checksum of section `%.*s` is wrong", (int)section->name_length,
                    (const char *)section->name);
    return 0;
}

static void read_sections(Checkpoint *c, const unsigned char *bytes, size_t size) {
    for (size_t at = START;;) {
        Section section = {0};
        size_t length = read_section(c, bytes, size, at, &section);
        if (!length) {
            checkpoint_fail(c, "is damaged or cut short: no section can be read at byte %zu of %zu", at, size);
            return;
        }
        if (section.type == SECTION_END) {
            if (at + length != size || section.count != c->sections.count ||
                get_word(bytes + size - TAIL, TAIL) != crc32_z(crc32_z(0, NULL, 0), bytes, size - TAIL))
                checkpoint_fail(c, "is damaged: the checksum of the whole file is wrong");
            return;
        }
        vec_push(&c->sections, section);
        at += length;
    }
}

Checkpoint *checkpoint_parse(const char *name, const void *data, size_t size, Text *error) {
    const unsigned char *bytes = data;
    Checkpoint *c = checkpoint_begin(name, true);
    if (size < START || memcmp(bytes, mark, sizeof mark) != 0)
        checkpoint_fail(c, "is no checkpoint: its first bytes are not those of one");
    else if (get_word(bytes + 8, 8) != CHECKPOINT_VERSION)
        checkpoint_fail(c, "is damaged, or a checkpoint of version %llu; this build reads version %d",
                        (unsigned long long)get_word(bytes + 8, 8), CHECKPOINT_VERSION);
    else
        read_sections(c, bytes, size);
    if (!c->problem.length) return c;
    text_add(error, problem(c));
    checkpoint_free(c);
    return NULL;
}

Checkpoint *checkpoint_open(const char *path, Text *error) {
    Text bytes = {0};
    Checkpoint *c = file_read(path, &bytes, error) ? checkpoint_parse(path, text_z(&bytes), bytes.length, error) : NULL;
    if (c)
        c->bytes = bytes;
    else
        text_free(&bytes);
    return c;
}

// ---- Sections -------------------------------------------------------------------------------------------------------

static Section *find_section(const Checkpoint *c, const char *name) {
    size_t length = strlen(name);
    for (uint32_t i = 0; i < c->sections.count; i++) {
        Section *section = &c->sections.items[i];
        if (section->name_length == length && memcmp(section->name, name, length) == 0) return section;
    }
    return NULL;
}

static const unsigned char *take_section(Checkpoint *c, SectionType type, const char *name, uint64_t *count) {
    if (c->problem.length) return NULL;
    Section *section = find_section(c, name);
    if (!section) {
        checkpoint_fail(c, "belongs to another model: it has no section `%s`", name);
    } else if (section->type != type) {
        checkpoint_fail(c, "belongs to another model: `%s` holds %s instead of %s", name, type_name[section->type],
                        type_name[type]);
    } else {
        section->used = true;
        *count = section->count;
        return section->data;
    }
    return NULL;
}

static void numbers(Checkpoint *c, SectionType type, const char *name, void *values, int64_t count) {
    if (!c->restores) {
        put_section(c, type, name, values, (uint64_t)count);
        return;
    }
    uint64_t found;
    const unsigned char *data = take_section(c, type, name, &found);
    if (!data) return;
    if (found == (uint64_t)count)
        reorder(values, data, (size_t)count, size_of(type));
    else
        checkpoint_fail(c, "belongs to another model: `%s` has %llu numbers instead of %lld", name,
                        (unsigned long long)found, (long long)count);
}

void checkpoint_reals(Checkpoint *c, const char *name, double *values, int64_t count) {
    numbers(c, SECTION_REAL, name, values, count);
}

void checkpoint_singles(Checkpoint *c, const char *name, float *values, int64_t count) {
    numbers(c, SECTION_SINGLE, name, values, count);
}

void checkpoint_wholes(Checkpoint *c, const char *name, int64_t *values, int64_t count) {
    numbers(c, SECTION_WHOLE, name, values, count);
}

void checkpoint_counts(Checkpoint *c, const char *name, int64_t *values, int64_t count) {
    const int64_t most = (int64_t)1 << 59;
    checkpoint_wholes(c, name, values, count);
    for (int64_t i = 0; c->restores && i < count && !c->problem.length; i++)
        if (values[i] > most || values[i] < -most)
            checkpoint_fail(c, "`%s` holds %lld, and no run counts so far", name, (long long)values[i]);
}

void checkpoint_text(Checkpoint *c, const char *name, Text *text) {
    if (!c->restores) {
        put_section(c, SECTION_TEXT, name, text_z(text), text->length);
        return;
    }
    uint64_t length;
    const unsigned char *data = take_section(c, SECTION_TEXT, name, &length);
    if (!data) return;
    text_free(text);
    text_add_bytes(text, (const char *)data, (size_t)length);
}

int64_t checkpoint_count(const Checkpoint *c, const char *name) {
    const Section *section = find_section(c, name);
    return section ? (int64_t)section->count : -1;
}

// ---- The end --------------------------------------------------------------------------------------------------------

bool checkpoint_close(Checkpoint *c, Text *error) {
    bool fine;
    if (c->restores) {
        for (uint32_t i = 0; i < c->sections.count; i++)
            if (!c->sections.items[i].used)
                checkpoint_fail(c, "belongs to another model: nothing here uses its section `%.*s`",
                                (int)c->sections.items[i].name_length, (const char *)c->sections.items[i].name);
        fine = !c->problem.length;
        text_add(error, problem(c));
    } else {
        fine = finish(c, error);
    }
    checkpoint_free(c);
    return fine;
}

void checkpoint_abandon(Checkpoint *c) {
    if (!c) return;
    if (!c->restores) staged_abandon(&c->out);
    checkpoint_free(c);
}
