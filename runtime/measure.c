// Sizes of emitted C: runs a compiler and reads the section table of the object file that it makes.
#define _POSIX_C_SOURCE 200809L
#include "measure.h"
#include "files.h"
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

// ---- Object files ---------------------------------------------------------------------------------------------------

typedef struct ElfFile {
    const unsigned char *bytes;
    uint64_t length;
    bool wide; // the form of 64 bits
    uint64_t table, count, entry_bytes;
} ElfFile;

typedef struct ElfSection {
    uint64_t type, flags, place, size;
} ElfSection;

enum { SECTION_EMPTY = 8, FLAG_WRITABLE = 1, FLAG_ALLOCATED = 2 }; // SHT_NOBITS, SHF_WRITE, SHF_ALLOC

// The caller has seen that the bytes are there.
static uint64_t number_at(const ElfFile *elf, uint64_t at, unsigned width) {
    uint64_t value = 0;
    for (unsigned i = width; i-- > 0;) value = value << 8 | elf->bytes[at + i];
    return value;
}

static bool is_inside(const ElfFile *elf, uint64_t at, uint64_t size) {
    return at <= elf->length && size <= elf->length - at;
}

static ElfSection section_at(const ElfFile *elf, uint64_t number) {
    uint64_t at = elf->table + number * elf->entry_bytes;
    unsigned word = elf->wide ? 8 : 4;
    return (ElfSection){.type = number_at(elf, at + 4, 4),
                        .flags = number_at(elf, at + 8, word),
                        .place = number_at(elf, at + 8 + 2 * word, word),
                        .size = number_at(elf, at + 8 + 3 * word, word)};
}

// The header and the whole section table are inside the file then.
static bool find_sections(ElfFile *elf) {
    static const unsigned char magic[] = {0x7f, 'E', 'L', 'F'};
    enum { NARROW = 1, WIDE = 2, LITTLE_ENDIAN_NUMBERS = 1 };
    if (elf->length < 16 || memcmp(elf->bytes, magic, sizeof magic) != 0) return false;
    if (elf->bytes[4] != NARROW && elf->bytes[4] != WIDE) return false;
    if (elf->bytes[5] != LITTLE_ENDIAN_NUMBERS) return false;
    elf->wide = elf->bytes[4] == WIDE;
    if (!is_inside(elf, 0, elf->wide ? 64 : 52)) return false;
    elf->table = elf->wide ? number_at(elf, 40, 8) : number_at(elf, 32, 4);
    elf->entry_bytes = number_at(elf, elf->wide ? 58 : 46, 2);
    elf->count = number_at(elf, elf->wide ? 60 : 48, 2);
    if (!elf->table || elf->entry_bytes < (elf->wide ? 64 : 40) || !is_inside(elf, elf->table, elf->entry_bytes))
        return false;
    if (!elf->count) elf->count = section_at(elf, 0).size; // more than fit into the header
    return elf->count <= (elf->length - elf->table) / elf->entry_bytes;
}

bool measure_object(const unsigned char *bytes, size_t length, int64_t *flash, int64_t *memory, Text *error) {
    const uint64_t most = (uint64_t)1 << 62;
    ElfFile elf = {.bytes = bytes, .length = length};
    bool good = find_sections(&elf);
    uint64_t sums[2] = {0};
    for (uint64_t i = 1; good && i < elf.count; i++) {
        ElfSection section = section_at(&elf, i);
        if (!(section.flags & FLAG_ALLOCATED)) continue;
        uint64_t *sum = &sums[section.flags & FLAG_WRITABLE];
        good = section.type == SECTION_EMPTY ? section.size <= most - *sum
                                             : is_inside(&elf, section.place, section.size) && *sum <= most / 2;
        if (good) *sum += section.size;
    }
    *flash = (int64_t)sums[0];
    *memory = (int64_t)sums[1];
    if (!good) text_add(error, "what the compiler has made is no complete ELF object of little-endian numbers");
    return good;
}

// ---- The compiler ---------------------------------------------------------------------------------------------------

// The shell splits the command; the paths are arguments of it, whatever characters they have.
static bool compile(const char *compiler, char *source, char *object, Text *error) {
    Text line = {0};
    pid_t child;
    int status = 0;
    text_addf(&line, "%s -std=c99 -ffp-contract=off -c \"$1\" -o \"$2\"", compiler);
    char shell[] = "sh", option[] = "-c", *words[] = {shell, option, line.bytes, shell, source, object, NULL};
    int problem = posix_spawn(&child, "/bin/sh", NULL, NULL, words, environ);
    while (!problem && waitpid(child, &status, 0) < 0)
        if (errno != EINTR) problem = errno;
    text_free(&line);
    if (problem)
        text_addf(error, "cannot start `%s`: %s", compiler, strerror(problem));
    else if (WIFSIGNALED(status))
        text_addf(error, "`%s` was ended by signal %d", compiler, WTERMSIG(status));
    else if (WEXITSTATUS(status) != 0)
        text_addf(error, "`%s` failed on %s, with exit status %d", compiler, source, WEXITSTATUS(status));
    return !problem && status == 0;
}

static bool sizes_fit(const char *compiler, int64_t flash, int64_t memory, Text *error) {
    if (memory)
        text_addf(error,
                  "the object of `%s` has %lld bytes of writable memory, which no emitted model has; expected options "
                  "that add none, as `--coverage` would",
                  compiler, (long long)memory);
    else if (!flash)
        text_addf(error, "the object of `%s` has no code; expected options without `-flto`", compiler);
    return !memory && flash;
}

bool measure_source(const char *compiler, const char *folder, const char *prefix, int64_t *flash, Text *error) {
    Text source = {0}, object = {0}, bytes = {0}, nowhere = {0};
    int64_t memory = 0;
    *flash = 0;
    text_addf(&source, "%s/%s.c", folder, prefix);
    text_addf(&object, "%s/%s.%ld.o", folder, prefix, (long)getpid());
    bool good = compile(compiler, source.bytes, object.bytes, error) && file_read(text_z(&object), &bytes, error) &&
                measure_object((const unsigned char *)text_z(&bytes), bytes.length, flash, &memory, error) &&
                sizes_fit(compiler, *flash, memory, error);
    file_remove(text_z(&object), &nowhere);
    text_free(&source);
    text_free(&object);
    text_free(&bytes);
    text_free(&nowhere);
    return good;
}
