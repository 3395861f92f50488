// Growable arrays on the heap: `Vec(int) v = {0}; vec_push(&v, 3); v.items[0]; vec_free(&v);`
#ifndef LEQUEL_VEC_H
#define LEQUEL_VEC_H

#include "arena.h"
#include <stdlib.h>

#define Vec(type)                                                                                                      \
    struct {                                                                                                           \
        type *items;                                                                                                   \
        uint32_t count, capacity;                                                                                      \
    }

#define vec_push(v, ...)                                                                                               \
    do {                                                                                                               \
        if ((v)->count == (v)->capacity) {                                                                             \
            (v)->capacity = (v)->capacity ? 2 * (v)->capacity : 8;                                                     \
            (v)->items = memory_resize((v)->items, (v)->capacity, sizeof *(v)->items);                                 \
        }                                                                                                              \
        (v)->items[(v)->count++] = (__VA_ARGS__);                                                                      \
    } while (0)

#define vec_free(v) (free((v)->items), (v)->items = NULL, (v)->count = (v)->capacity = 0)

#endif
