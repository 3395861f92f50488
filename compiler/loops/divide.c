// Entries for several threads. Calls that take long are cut into panels of rows; a call's level is one more than the
// highest of those that it has to wait for; within a level, each thread takes a run of neighbours of about equal cost,
// so that the same rows mostly stay with the same thread.
#include "loops.h"
#include <stdlib.h>
#include <string.h>

enum { PANEL_ROWS = 16 };         // panels begin at multiples: neither tiles nor vectors reach into the next
static const double enough = 4e4; // operations that are worth a panel of their own

typedef struct Range { // of an array's elements, touched by a call of some level
    uint32_t array, level;
    int64_t low, high;
    bool written;
} Range;

typedef struct Division {
    const LoopProgram *program;
    uint32_t parts;
    int64_t batch;
    Vec(LoopCall) calls;
    Vec(Range) ranges;
} Division;

// ---- What a call costs and touches ----------------------------------------------------------------------------------

static double cost_of(const Division *d, const LoopCall *call) {
    const LoopKernel *kernel = &d->program->kernels.items[call->kernel];
    bool nest = loop_kernel_is_nest(kernel);
    double cost = nest ? (double)(kernel->ops.count + kernel->accesses.count) : 2.0 * (double)d->batch;
    for (uint32_t axis = 0; axis < (nest ? kernel->axes : 2); axis++)
        cost *= (double)(call->axis[axis].batch ? d->batch : call->axis[axis].extent);
    return cost;
}

static int64_t size_at(const Division *d, LoopSize size) {
    return size.fixed + size.padded * loop_pad(d->batch, LOOP_PAD);
}

static void add_range(const Division *d, const LoopCall *call, uint32_t array, LoopSize offset, const LoopSize *stride,
                      uint32_t axes, bool written, Range *range) {
    *range = (Range){.array = array, .low = size_at(d, offset), .written = written};
    range->high = range->low;
    for (uint32_t axis = 0; axis < axes; axis++) {
        int64_t extent = call->axis[axis].batch ? d->batch : call->axis[axis].extent;
        range->high += (extent - 1) * size_at(d, stride[axis]);
    }
}

static bool writes(const LoopKernel *kernel, uint32_t access) {
    for (uint32_t s = 0; s < kernel->stores.count; s++)
        if (kernel->stores.items[s].access == access) return true;
    for (uint32_t s = 0; s < kernel->sums.count; s++)
        if (kernel->sums.items[s].access == access) return true;
    return false;
}

// Up to one range per access, or three. Strides are never negative.
static uint32_t ranges_of(const Division *d, const LoopCall *call, Range *ranges) {
    const LoopKernel *kernel = &d->program->kernels.items[call->kernel];
    if (loop_kernel_is_nest(kernel)) {
        for (uint32_t a = 0; a < kernel->accesses.count; a++) {
            uint32_t number = call->array[kernel->accesses.items[a].argument];
            const LoopArray *array = &d->program->arrays.items[number];
            add_range(d, call, number, call->offset[a], &call->stride[a * LOOP_MAX_AXES], kernel->axes,
                      writes(kernel, a), &ranges[a]);
            if (kernel->accesses.items[a].slot) // any of them
                ranges[a].high += (array->extent[1] - 1) * size_at(d, loop_array_stride(array, 1));
        }
        return kernel->accesses.count;
    }
    for (uint32_t i = 0; i < 3; i++) { // whole arrays, but for the rows of the result
        LoopSize size = loop_array_size(&d->program->arrays.items[call->array[i]]);
        ranges[i] = (Range){.array = call->array[i], .high = size_at(d, size) - 1, .written = i == 0};
    }
    LoopSize row = kernel->kind == LOOP_PRODUCT ? (LoopSize){.padded = 1} : call->stride[0];
    ranges[0].low = size_at(d, call->offset[0]);
    ranges[0].high = ranges[0].low + call->axis[0].extent * size_at(d, row) - 1;
    return 3;
}

static bool collide(const Range *a, const Range *b) {
    return a->array == b->array && (a->written || b->written) && a->low <= b->high && b->low <= a->high;
}

// ---- Panels ---------------------------------------------------------------------------------------------------------

// Whether a call's first axis may be cut: all elements of different rows are computed apart.
static bool can_be_cut(const LoopKernel *kernel, const LoopCall *call) {
    if (kernel->kind == LOOP_SWEEP) return false; // comes in panels
    if (loop_kernel_is_nest(kernel) && (!kernel->axes || (kernel->kind == LOOP_REDUCE && !kernel->outer))) return false;
    return !call->axis[0].batch;
}

static void shift(LoopSize *offset, LoopSize stride, int64_t rows) {
    offset->fixed += rows * stride.fixed;
    offset->padded += rows * stride.padded;
}

static LoopCall panel_of(const Division *d, const LoopCall *call, int64_t first, int64_t rows) {
    const LoopKernel *kernel = &d->program->kernels.items[call->kernel];
    LoopCall panel = loop_call_copy(d->program, call);
    panel.axis[0].extent = rows;
    if (loop_kernel_is_nest(kernel)) {
        for (uint32_t a = 0; a < kernel->accesses.count; a++)
            shift(&panel.offset[a], call->stride[a * LOOP_MAX_AXES], first);
        return panel;
    }
    const LoopSize batch = {.padded = 1};
    bool product = kernel->kind == LOOP_PRODUCT;
    shift(&panel.offset[0], product ? batch : call->stride[0], first);
    shift(&panel.offset[1], product ? call->stride[0] : batch, first);
    return panel;
}

static void add_panels(Division *d, const LoopCall *call) {
    int64_t rows = call->axis[0].extent, panels = (int64_t)(cost_of(d, call) / enough), panel = rows;
    if (panels > d->parts) panels = d->parts;
    if (panels > 1 && can_be_cut(&d->program->kernels.items[call->kernel], call))
        panel = loop_pad((rows + panels - 1) / panels, PANEL_ROWS);
    if (panel >= rows) {
        vec_push(&d->calls, loop_call_copy(d->program, call));
        return;
    }
    for (int64_t first = 0; first < rows; first += panel)
        vec_push(&d->calls, panel_of(d, call, first, rows - first < panel ? rows - first : panel));
}

// ---- Levels and parts -----------------------------------------------------------------------------------------------

static void find_level(Division *d, LoopCall *call) {
    const LoopKernel *kernel = &d->program->kernels.items[call->kernel];
    Range *ranges = memory_resize(NULL, kernel->accesses.count + 3, sizeof *ranges);
    uint32_t count = ranges_of(d, call, ranges);
    call->level = 0;
    for (uint32_t r = 0; r < count; r++)
        for (uint32_t i = 0; i < d->ranges.count; i++)
            if (d->ranges.items[i].level >= call->level && collide(&ranges[r], &d->ranges.items[i]))
                call->level = d->ranges.items[i].level + 1;
    for (uint32_t r = 0; r < count; r++) {
        ranges[r].level = call->level;
        vec_push(&d->ranges, ranges[r]);
    }
    free(ranges);
}

static void add_level(Division *d, uint32_t level, LoopEntry *entry) {
    double total = 0, done = 0;
    for (uint32_t c = 0; c < d->calls.count; c++)
        if (d->calls.items[c].level == level) total += cost_of(d, &d->calls.items[c]);
    for (uint32_t c = 0; c < d->calls.count; c++) {
        LoopCall *call = &d->calls.items[c];
        if (call->level != level) continue;
        double cost = cost_of(d, call);
        call->part = total > 0 ? (uint32_t)((done + cost / 2) / total * d->parts) : 0;
        if (call->part >= d->parts) call->part = d->parts - 1;
        done += cost;
        vec_push(&entry->calls, *call);
    }
}

static LoopEntry divide(Division *d, const LoopEntry *entry) {
    LoopEntry divided = {.name = entry->name, .parts = d->parts};
    uint32_t levels = 0;
    d->calls.count = d->ranges.count = 0;
    for (uint32_t c = 0; c < entry->calls.count; c++) add_panels(d, &entry->calls.items[c]);
    for (uint32_t c = 0; c < d->calls.count; c++) {
        find_level(d, &d->calls.items[c]);
        if (d->calls.items[c].level >= levels) levels = d->calls.items[c].level + 1;
    }
    for (uint32_t level = 0; level < levels; level++) add_level(d, level, &divided);
    return divided;
}

void loop_program_divide(LoopProgram *program, uint32_t parts, int64_t batch) {
    Division d = {.program = program, .parts = parts, .batch = batch};
    for (uint32_t e = 0, entries = program->entries.count; e < entries; e++) {
        LoopEntry divided = divide(&d, &program->entries.items[e]);
        vec_push(&program->entries, divided);
    }
    vec_free(&d.calls);
    vec_free(&d.ranges);
}

double loop_program_operations(const LoopProgram *program, int64_t batch) {
    Division d = {.program = program, .batch = batch};
    double operations = 0;
    for (uint32_t c = 0; program->entries.count && c < program->entries.items[0].calls.count; c++)
        operations += cost_of(&d, &program->entries.items[0].calls.items[c]);
    return operations;
}
