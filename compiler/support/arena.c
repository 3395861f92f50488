// Bump allocation in chunks, and the table of interned strings.
#include "arena.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_SIZE = 1 << 16, ALIGNMENT = 16 };

typedef struct Chunk {
    struct Chunk *next;
    size_t used, size;
    _Alignas(ALIGNMENT) unsigned char bytes[];
} Chunk;

struct Arena {
    Chunk *chunks;
    const char **atoms; // open addressing, a power of two of slots
    size_t atom_count, atom_slots;
};

_Noreturn static void out_of_memory(void) {
    fputs("lequel: out of memory\n", stderr);
    exit(1);
}

void *memory_resize(void *block, size_t count, size_t size) {
    if (size && count > SIZE_MAX / size) out_of_memory();
    void *result = realloc(block, count * size > 0 ? count * size : 1);
    if (!result) out_of_memory();
    return result;
}

Arena *arena_new(void) {
    Arena *arena = memory_resize(NULL, 1, sizeof *arena);
    *arena = (Arena){0};
    return arena;
}

void arena_free(Arena *arena) {
    if (!arena) return;
    for (Chunk *chunk = arena->chunks, *next; chunk; chunk = next) {
        next = chunk->next;
        free(chunk);
    }
    free(arena->atoms);
    free(arena);
}

void *arena_alloc(Arena *arena, size_t size) {
    if (size > SIZE_MAX - 2 * ALIGNMENT - sizeof(Chunk)) out_of_memory();
    size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    Chunk *chunk = arena->chunks;
    if (!chunk || chunk->size - chunk->used < size) {
        size_t room = size > CHUNK_SIZE ? size : CHUNK_SIZE;
        chunk = memory_resize(NULL, 1, sizeof *chunk + room);
        *chunk = (Chunk){.next = arena->chunks, .size = room};
        arena->chunks = chunk;
    }
    void *result = chunk->bytes + chunk->used;
    chunk->used += size;
    return memset(result, 0, size);
}

static uint64_t hash_bytes(const char *text, size_t length) { // FNV-1a
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < length; i++) hash = (hash ^ (unsigned char)text[i]) * 1099511628211u;
    return hash;
}

static const char **atom_slot(const char **atoms, size_t slots, const char *text, size_t length) {
    size_t slot = hash_bytes(text, length) & (slots - 1);
    while (atoms[slot] && (strlen(atoms[slot]) != length || memcmp(atoms[slot], text, length) != 0))
        slot = (slot + 1) & (slots - 1);
    return &atoms[slot];
}

static void grow_atoms(Arena *arena) {
    size_t slots = arena->atom_slots ? 2 * arena->atom_slots : 256;
    const char **atoms = memory_resize(NULL, slots, sizeof *atoms);
    memset(atoms, 0, slots * sizeof *atoms);
    for (size_t i = 0; i < arena->atom_slots; i++)
        if (arena->atoms[i]) *atom_slot(atoms, slots, arena->atoms[i], strlen(arena->atoms[i])) = arena->atoms[i];
    free(arena->atoms);
    arena->atoms = atoms;
    arena->atom_slots = slots;
}

Atom arena_atom(Arena *arena, const char *text, size_t length) {
    if (2 * arena->atom_count >= arena->atom_slots) grow_atoms(arena);
    const char **slot = atom_slot(arena->atoms, arena->atom_slots, text, length);
    if (!*slot) {
        char *copy = arena_alloc(arena, length + 1);
        memcpy(copy, text, length);
        *slot = copy;
        arena->atom_count++;
    }
    return *slot;
}

Atom arena_atom_z(Arena *arena, const char *text) { return arena_atom(arena, text, strlen(text)); }

Atom arena_format(Arena *arena, const char *format, ...) {
    char small[256];
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    Atom result;
    if (length >= 0 && (size_t)length < sizeof small) {
        result = arena_atom(arena, small, (size_t)length);
    } else {
        char *large = memory_resize(NULL, (size_t)length + 1, 1);
        vsnprintf(large, (size_t)length + 1, format, again);
        result = arena_atom(arena, large, (size_t)length);
        free(large);
    }
    va_end(again);
    return result;
}
