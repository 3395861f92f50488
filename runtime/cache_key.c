// The key of compiled code. What the code generator reads of a program goes into it member by member, names and places
// in the source excepted, so that models that differ in these alone share their code.
#include "cache.h"
#include "lequel_version.h"
#include "processor.h"
#include "sha256.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// A new member of one of these must be hashed below, or named as one that the code does not depend on.
#if UINTPTR_MAX == UINT64_MAX
_Static_assert(sizeof(LoopProgram) == 56, "does the key hold all of LoopProgram?"); // names of arrays, entries: no
_Static_assert(sizeof(LoopArray) == 72, "does the key hold all of LoopArray?");     // name, per_sample: no
_Static_assert(sizeof(LoopKernel) == 96, "does the key hold all of LoopKernel?");   // key: it repeats the others
_Static_assert(sizeof(LoopOp) == 32, "does the key hold all of LoopOp?");
_Static_assert(sizeof(LoopAccess) == 16, "does the key hold all of LoopAccess?");
_Static_assert(sizeof(LoopStore) == 8, "does the key hold all of LoopStore?");
_Static_assert(sizeof(LoopSum) == 12, "does the key hold all of LoopSum?");
_Static_assert(sizeof(LoopEntry) == 32, "does the key hold all of LoopEntry?"); // name: no
_Static_assert(sizeof(LoopCall) == 160, "does the key hold all of LoopCall?");  // span: no
#endif

static void add_number(Sha256 *hash, uint64_t number) {
    unsigned char bytes[8];
    for (int i = 0; i < 8; i++) bytes[i] = (unsigned char)(number >> 8 * i);
    sha256_add(hash, bytes, sizeof bytes);
}

static void add_text(Sha256 *hash, const char *text) {
    add_number(hash, strlen(text));
    sha256_add(hash, text, strlen(text));
}

static void add_real(Sha256 *hash, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    add_number(hash, bits);
}

static void add_sizes(Sha256 *hash, const LoopSize *sizes, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        add_number(hash, (uint64_t)sizes[i].fixed);
        add_number(hash, (uint64_t)sizes[i].padded);
    }
}

static void add_array(Sha256 *hash, const LoopArray *array) {
    add_number(hash, array->real);
    add_number(hash, array->rank);
    add_number(hash, array->batched);
    for (uint32_t k = 0; k < array->rank; k++) add_number(hash, (uint64_t)array->extent[k]);
}

static void add_ops(Sha256 *hash, const LoopKernel *kernel) {
    add_number(hash, kernel->ops.count);
    for (uint32_t i = 0; i < kernel->ops.count; i++) {
        const LoopOp *op = &kernel->ops.items[i];
        add_number(hash, op->kind);
        add_number(hash, (uint64_t)op->a << 32 | op->b);
        add_number(hash, op->c);
        add_real(hash, op->value);
        add_number(hash, op->bits);
    }
}

static void add_kernel(Sha256 *hash, const LoopKernel *kernel) {
    add_number(hash, kernel->kind);
    add_number(hash, kernel->real);
    add_number(hash, kernel->axes);
    add_number(hash, kernel->outer);
    add_number(hash, kernel->maximum);
    add_ops(hash, kernel);
    add_number(hash, kernel->accesses.count);
    for (uint32_t i = 0; i < kernel->accesses.count; i++) {
        const LoopAccess *access = &kernel->accesses.items[i];
        add_number(hash, access->argument);
        add_number(hash, access->scalar_f64);
        add_number(hash, (uint64_t)access->slot << 32 | access->vector);
    }
    add_number(hash, kernel->stores.count);
    for (uint32_t i = 0; i < kernel->stores.count; i++)
        add_number(hash, (uint64_t)kernel->stores.items[i].access << 32 | kernel->stores.items[i].value);
    add_number(hash, kernel->sums.count);
    for (uint32_t i = 0; i < kernel->sums.count; i++) {
        add_number(hash, (uint64_t)kernel->sums.items[i].access << 32 | kernel->sums.items[i].value);
        add_number(hash, kernel->sums.items[i].down);
    }
}

static void add_call(Sha256 *hash, const LoopProgram *program, const LoopCall *call) {
    const LoopKernel *kernel = &program->kernels.items[call->kernel];
    bool nest = loop_kernel_is_nest(kernel);
    add_number(hash, call->kernel);
    add_number(hash, (uint64_t)call->guard << 1 | call->unless);
    add_number(hash, (uint64_t)call->level << 32 | call->part);
    for (uint32_t k = 0; k < (nest ? kernel->axes : 2); k++)
        add_number(hash, call->axis[k].batch ? UINT64_MAX : (uint64_t)call->axis[k].extent);
    add_number(hash, call->array_count);
    for (uint32_t i = 0; i < call->array_count; i++) add_number(hash, call->array[i]);
    for (uint32_t i = 0; nest && i < kernel->accesses.count; i++) {
        add_sizes(hash, &call->stride[i * LOOP_MAX_AXES], kernel->axes); // further ones were never set
        add_sizes(hash, &call->offset[i], 1);
    }
    if (!nest) add_sizes(hash, call->stride, kernel->kind == LOOP_PRODUCT ? 2 : 1);
    if (!nest) add_sizes(hash, call->offset, 2);
}

static void add_program(Sha256 *hash, const LoopProgram *program) {
    add_number(hash, program->real);
    add_number(hash, (uint64_t)program->deterministic << 1 | program->calls);
    add_number(hash, program->arrays.count);
    for (uint32_t i = 0; i < program->arrays.count; i++) add_array(hash, &program->arrays.items[i]);
    add_number(hash, program->kernels.count);
    for (uint32_t i = 0; i < program->kernels.count; i++) add_kernel(hash, &program->kernels.items[i]);
    add_number(hash, program->entries.count);
    for (uint32_t i = 0; i < program->entries.count; i++) {
        const LoopEntry *entry = &program->entries.items[i];
        add_number(hash, entry->parts);
        add_number(hash, entry->calls.count);
        for (uint32_t c = 0; c < entry->calls.count; c++) add_call(hash, program, &entry->calls.items[c]);
    }
}

bool cache_key(const LoopProgram *program, int level, const char *generator_path, char key[CACHE_KEY + 1]) {
    CacheFile generator;
    Text processor = {0};
    bool known = processor_describe(&processor) && cache_file_look(generator_path, &generator);
    if (known) {
        Sha256 hash;
        sha256_begin(&hash);
        add_text(&hash, "Lequel " LEQUEL_VERSION);
        add_text(&hash, text_z(&processor));
        add_text(&hash, generator.path);
        add_number(&hash, (uint64_t)generator.size);
        add_number(&hash, (uint64_t)generator.seconds);
        add_number(&hash, (uint64_t)generator.nanoseconds);
        add_number(&hash, generator.number);
        add_number(&hash, (uint64_t)sysconf(_SC_PAGESIZE)); // of an image
        add_number(&hash, (uint64_t)level);
        add_program(&hash, program);
        sha256_end(&hash, key);
        cache_file_free(&generator);
    }
    text_free(&processor);
    return known;
}
