// The sizes of instances, and the limit.
#define _DEFAULT_SOURCE
#include "memory.h"
#include "program_internal.h"
#include <unistd.h>

double instance_bytes(const Program *program, int64_t batch, bool borrows) {
    const LoopProgram *loops = &program->form[FORM_BATCH].fused->program; // that for one sample needs no more
    double padded = (double)batch + 2 * LOOP_PAD, bytes = 0;
    for (uint32_t i = 0; i < loops->arrays.count; i++) {
        const LoopArray *array = &loops->arrays.items[i];
        if (borrows && !array->per_sample) continue;
        LoopSize size = loop_array_size(array);
        double own = ((double)size.fixed + (double)size.padded * padded) * (array->real == LOOP_F32 ? 4 : 8);
        double copies = 2.0 * (double)loop_array_count(array, 1) * (array->batched ? (double)batch : 1) * 8;
        bytes += own + (program->kind == PROGRAM_REFERENCE ? copies : 0);
    }
    return bytes;
}

double memory_of_machine(void) {
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? (double)pages * (double)size : 0;
}

void memory_print(double bytes, Text *out) {
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    int unit = 0;
    for (; bytes >= 1024 && unit < 6; unit++) bytes /= 1024;
    text_addf(out, unit ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
}

bool memory_allows(const MemoryNeed *need, double limit, Text *error) {
    double total = need->training + need->evaluation + need->data, allowed = limit > 0 ? limit : memory_of_machine();
    if (allowed <= 0 || total <= allowed) return true;
    text_add(error, "this run needs ");
    memory_print(total, error);
    text_add(error, " of memory: ");
    memory_print(need->training, error);
    text_addf(error, " to train with a batch of %lld", (long long)need->batch);
    if (need->evaluation > 0) {
        text_add(error, ", ");
        memory_print(need->evaluation, error);
        text_addf(error, " to evaluate with a batch of %lld", (long long)need->evaluation_batch);
    }
    if (need->data > 0) {
        text_add(error, ", ");
        memory_print(need->data, error);
        text_add(error, " for data");
    }
    text_add(error, limit > 0 ? "; --memory-limit allows " : "; this machine has ");
    memory_print(allowed, error);
    text_add(error, "; a smaller batch needs less");
    return false;
}
