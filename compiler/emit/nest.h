// A call of the loops form on its way to a function of C. Only compiler/emit includes this.
#ifndef LEQUEL_EMIT_NEST_H
#define LEQUEL_EMIT_NEST_H

#include "writer.h"

typedef struct CNest {
    Writer *w;
    const LoopKernel *kernel;
    const LoopCall *call;
    uint32_t entry, number; // of the call
    Text *out;
    const char *index[LOOP_MAX_AXES]; // the loop variable of an axis; "0" where the only sample is meant
    uint32_t depth;                   // loops that are open
    int vector;                       // the axis whose loop goes by vectors, or -1
    bool rows;                        // the innermost loop goes on into the padding of rows
} CNest;

const char *nest_indent(uint32_t depth);
const char *nest_extent(const CNest *n, uint32_t axis);
const char *nest_access(const CNest *n, uint32_t access);        // the element that an access means
bool nest_stays(const CNest *n, uint32_t access, uint32_t axis); // where it is, all along the axis
CAccess *nest_accesses(const CNest *n);                          // what body_write asks for
const char **nest_names(const CNest *n); // per operation the name that its value has in the model, or NULL

// sweep.c
void sweep_write(CNest *n, Text *before); // before: the function of a block of rows

#endif
