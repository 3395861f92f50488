// One arena per compilation: everything a compilation allocates lives until it ends and is freed at once.
// Strings are interned here too: two equal strings have one address ("atom"), so names compare by pointer.
#ifndef LEQUEL_ARENA_H
#define LEQUEL_ARENA_H

#include <stddef.h>
#include <stdint.h>

typedef struct Arena Arena;
typedef const char *Atom; // interned by arena_atom; compare with ==

Arena *arena_new(void);
void arena_free(Arena *arena); // NULL is allowed

// Zeroed memory, aligned to 16 bytes. Never NULL: running out of memory ends the process with a message.
void *arena_alloc(Arena *arena, size_t size);
#define arena_new_array(arena, type, count) ((type *)arena_alloc((arena), sizeof(type) * (size_t)(count)))
#define arena_new_object(arena, type) ((type *)arena_alloc((arena), sizeof(type)))

Atom arena_atom(Arena *arena, const char *text, size_t length);
Atom arena_atom_z(Arena *arena, const char *text);                                              // NUL-terminated
Atom arena_format(Arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3))); // interned

// Checked heap allocation for what outlives no compilation: ends the process with a message when memory is out.
void *memory_resize(void *block, size_t count, size_t size);

#endif
