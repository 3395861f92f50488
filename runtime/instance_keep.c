// An instance into a checkpoint and back: every array at its own precision, real elements only, sample last.
#include "program_internal.h"
#include <stdlib.h>
#include <string.h>

// Moves an array's real elements into, or out of, a dense block [extent…][batch]. Samples of an element are contiguous.
static void move_elements(const Instance *in, uint32_t number, char *dense, bool restore) {
    const LoopArray *array = &in->form->fused->program.arrays.items[number];
    size_t width = array->real == LOOP_F32 ? sizeof(float) : sizeof(double);
    int64_t elements = loop_array_count(array, 1), samples = array->batched ? in->batch : 1;
    for (int64_t e = 0; e < elements; e++) {
        char *own = (char *)in->arrays[number] + (size_t)loop_array_position(array, in->padded, e) * width;
        char *place = dense + (size_t)(e * samples) * width;
        memcpy(restore ? own : place, restore ? place : own, (size_t)samples * width);
    }
}

static void keep_array(Instance *in, uint32_t number, const char *name, Checkpoint *checkpoint) {
    const LoopArray *array = &in->form->fused->program.arrays.items[number];
    int64_t count = loop_array_count(array, in->batch);
    if (in->current) { // the reference back end's own arrays are dense
        checkpoint_reals(checkpoint, name, in->current[number], count);
        return;
    }
    bool restores = checkpoint_restores(checkpoint), single = array->real == LOOP_F32;
    char *dense = memory_resize(NULL, (size_t)count, sizeof(double));
    if (!restores) move_elements(in, number, dense, false);
    if (single)
        checkpoint_singles(checkpoint, name, (float *)(void *)dense, count);
    else
        checkpoint_reals(checkpoint, name, (double *)(void *)dense, count);
    if (restores && !checkpoint_failed(checkpoint)) move_elements(in, number, dense, true);
    free(dense);
}

void instance_keep(Instance *in, const char *prefix, Checkpoint *checkpoint) {
    const LoopProgram *loops = &in->form->fused->program;
    Text name = {0};
    text_addf(&name, "%s steps", prefix);
    checkpoint_counts(checkpoint, text_z(&name), &in->steps, 1);
    for (uint32_t i = 0; i < loops->arrays.count; i++) {
        if (instance_shares(in, i)) continue;
        name.length = 0;
        text_addf(&name, "%s.%s", prefix, loops->arrays.items[i].name);
        keep_array(in, i, text_z(&name), checkpoint);
    }
    text_free(&name);
}
