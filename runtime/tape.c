// Snapshots are taken at a stride that doubles whenever there are too many of them, since nobody says beforehand how
// long a window will be. Going back, the steps between two snapshots are computed again, from snapshots at the
// distances of the binomial schedule, which takes the fewest steps that the memory allows. No more steps are done again
// than that schedule takes when it knows the length of the window from the start.
#include "tape.h"
#include "program_internal.h"
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_LIMIT = 1 << 30 };

typedef Vec(uint32_t) ArrayNumbers;

typedef struct Snapshot {
    int64_t at; // before this step, counted from the start of the window
    char *bytes;
} Snapshot;

struct Tape {
    Instance *instance;
    ArrayNumbers carried, inputs, own, adjoints; // adjoints: what the backward step carries
    int64_t snapshot_bytes, input_bytes, most;   // snapshots at a time
    char *log;                                   // of inputs
    int64_t length, room, stride, recomputed;
    Vec(Snapshot) stack; // in order of time
    Vec(char *) spare;
};

// ---- Arrays as bytes ------------------------------------------------------------------------------------------------

static void *block_of(const Instance *in, uint32_t number, int64_t *bytes) {
    const LoopArray *array = &in->form->fused->program.arrays.items[number];
    if (!in->current) {
        *bytes = program_array_bytes(array, in->padded);
        return in->arrays[number];
    }
    int64_t count = array->batched ? in->batch : 1;
    for (uint32_t k = 0; k < array->rank; k++) count *= array->extent[k];
    *bytes = count * (int64_t)sizeof(double);
    return in->current[number];
}

static int64_t bytes_of(const Instance *in, const ArrayNumbers *arrays) {
    int64_t total = 0, bytes = 0;
    for (uint32_t i = 0; i < arrays->count; i++) {
        block_of(in, arrays->items[i], &bytes);
        total += bytes;
    }
    return total;
}

static void save(const Instance *in, const ArrayNumbers *arrays, char *to) {
    int64_t bytes = 0;
    for (uint32_t i = 0; i < arrays->count; i++, to += bytes) {
        const void *block = block_of(in, arrays->items[i], &bytes);
        memcpy(to, block, (size_t)bytes);
    }
}

static void restore(const Instance *in, const ArrayNumbers *arrays, const char *from) {
    int64_t bytes = 0;
    for (uint32_t i = 0; i < arrays->count; i++, from += bytes) {
        void *block = block_of(in, arrays->items[i], &bytes);
        memcpy(block, from, (size_t)bytes);
    }
}

static void clear(const Instance *in, const ArrayNumbers *arrays) {
    int64_t bytes = 0;
    for (uint32_t i = 0; i < arrays->count; i++) {
        void *block = block_of(in, arrays->items[i], &bytes);
        memset(block, 0, (size_t)bytes);
    }
}

// ---- Making one -----------------------------------------------------------------------------------------------------

static void add_stored(const Fused *fused, Symbol symbol, ArrayNumbers *arrays) {
    if (symbol < fused->array_of.count && fused->array_of.items[symbol])
        vec_push(arrays, fused->array_of.items[symbol] - 1);
}

static bool is_gradient(const Program *p, Symbol symbol) {
    for (uint32_t i = 0; i < p->equations->gradients.count; i++)
        if (p->equations->gradients.items[i].symbol == symbol) return true;
    return false;
}

Tape *tape_new(Instance *instance) {
    const Program *p = instance->program;
    const Fused *fused = instance->form->fused;
    if (!p->step[ENTRY_BACKWARD]) return NULL;
    Tape *tape = memory_resize(NULL, 1, sizeof *tape);
    *tape = (Tape){.instance = instance, .stride = 1};
    uint32_t count;
    Symbol *carried = step_carried(p->step[ENTRY_EVALUATE], &count);
    for (uint32_t i = 0; i < count; i++) add_stored(fused, carried[i], &tape->carried);
    free(carried);
    carried = step_carried(p->step[ENTRY_BACKWARD], &count);
    for (uint32_t i = 0; i < count; i++)
        if (!is_gradient(p, carried[i])) add_stored(fused, carried[i], &tape->adjoints);
    free(carried);
    for (uint32_t i = 0; i < p->model->externals.count; i++)
        add_stored(fused, p->model->externals.items[i].symbol, &tape->inputs);
    for (uint32_t i = 0; i < p->model->noises.count; i++) add_stored(fused, p->model->noises.items[i], &tape->inputs);
    for (uint32_t i = 0; i < fused->program.arrays.count; i++)
        if (fused->program.arrays.items[i].per_sample) vec_push(&tape->own, i);
    tape->snapshot_bytes = bytes_of(instance, &tape->carried);
    tape->input_bytes = bytes_of(instance, &tape->inputs);
    tape_limit(tape, DEFAULT_LIMIT);
    return tape;
}

void tape_free(Tape *tape) {
    if (!tape) return;
    for (uint32_t i = 0; i < tape->stack.count; i++) free(tape->stack.items[i].bytes);
    for (uint32_t i = 0; i < tape->spare.count; i++) free(tape->spare.items[i]);
    vec_free(&tape->stack);
    vec_free(&tape->spare);
    vec_free(&tape->carried);
    vec_free(&tape->inputs);
    vec_free(&tape->own);
    vec_free(&tape->adjoints);
    free(tape->log);
    free(tape);
}

void tape_limit(Tape *tape, int64_t bytes) {
    tape->most = tape->snapshot_bytes ? bytes / tape->snapshot_bytes : INT64_MAX;
    if (tape->most < 3) tape->most = 3; // the start, one on the way, and where the forward run is
}

int64_t tape_length(const Tape *tape) { return tape->length; }
int64_t tape_input_bytes(const Tape *tape) { return tape->input_bytes; }
int64_t tape_snapshot_bytes(const Tape *tape) { return tape->snapshot_bytes; }
int64_t tape_recomputed(const Tape *tape) { return tape->recomputed; }

// ---- Forward --------------------------------------------------------------------------------------------------------

static void push(Tape *tape, int64_t at) {
    char *bytes = tape->spare.count ? tape->spare.items[--tape->spare.count]
                                    : memory_resize(NULL, (size_t)tape->snapshot_bytes + 1, 1);
    save(tape->instance, &tape->carried, bytes);
    vec_push(&tape->stack, (Snapshot){at, bytes});
}

static void pop(Tape *tape) { vec_push(&tape->spare, tape->stack.items[--tape->stack.count].bytes); }

// Every second snapshot goes.
static void thin(Tape *tape) {
    uint32_t kept = 0;
    tape->stride *= 2;
    for (uint32_t i = 0; i < tape->stack.count; i++) {
        Snapshot snapshot = tape->stack.items[i];
        if (snapshot.at % tape->stride == 0)
            tape->stack.items[kept++] = snapshot;
        else
            vec_push(&tape->spare, snapshot.bytes);
    }
    tape->stack.count = kept;
}

void tape_note(Tape *tape) {
    if (tape->length == tape->room) {
        tape->room = tape->room ? 2 * tape->room : 64;
        tape->log = memory_resize(tape->log, (size_t)(tape->room * tape->input_bytes) + 1, 1);
    }
    save(tape->instance, &tape->inputs, tape->log + tape->length * tape->input_bytes);
    if (tape->length % tape->stride == 0 && tape->stack.count == tape->most) thin(tape);
    if (tape->length % tape->stride == 0) push(tape, tape->length);
    tape->length++;
}

// ---- Backward -------------------------------------------------------------------------------------------------------

static void set_inputs(Tape *tape, int64_t at) {
    restore(tape->instance, &tape->inputs, tape->log + at * tape->input_bytes);
}

// The steps from..to again; the arrays hold what step `from` starts with.
static void advance(Tape *tape, int64_t from, int64_t to) {
    for (int64_t at = from; at < to; at++) {
        set_inputs(tape, at);
        instance_run_entry(tape->instance, ENTRY_EVALUATE, 0);
    }
    tape->recomputed += to - from;
}

// How many steps `snapshots` of them can reverse when each step is computed at most `times` again: (s + t choose s).
static int64_t reach(int64_t snapshots, int64_t times) {
    double value = 1;
    for (int64_t k = 1; k <= times; k++) {
        value = value * (double)(snapshots + k) / (double)k;
        if (value > 1e15) return INT64_MAX;
    }
    return (int64_t)(value + 0.5);
}

// Where, of `length` steps of which the first has a snapshot, the next snapshot belongs when `free` more fit.
static int64_t next_snapshot(int64_t length, int64_t free) {
    int64_t times = 1;
    while (reach(free + 1, times) < length) times++;
    int64_t right = reach(free, times), left = reach(free + 1, times - 1), at = length - right;
    int64_t least = reach(free + 1, times - 2); // fewer than that on the left would waste its snapshots
    if (at < least) at = least;
    if (at > left) at = left;
    return at < length ? at : length - 1;
}

// Forward steps that reversing `length` of them takes, with `snapshots` of which one is at its start.
static double steps_again(int64_t length, int64_t snapshots) {
    int64_t times = 0;
    if (length <= 1) return 0;
    while (reach(snapshots, times) < length) times++;
    return (double)times * (double)length - (double)reach(snapshots + 1, times - 1);
}

static double steps_again_at(const Tape *tape, int64_t stride) {
    double total = 0;
    for (int64_t at = 0, i = 0; at < tape->length; at += stride, i++) {
        int64_t left = tape->length - at;
        total += steps_again(left < stride ? left : stride, tape->most - i);
    }
    return total;
}

// Snapshots along the whole window leave none free for its end, where it begins. With every second, fourth, … of them,
// at last with the first alone, there is the memory that the binomial schedule counts on.
static void make_room(Tape *tape) {
    int64_t best = tape->stride;
    double least = steps_again_at(tape, best);
    for (int64_t stride = 2 * best; stride < 2 * tape->length; stride *= 2) {
        double steps = steps_again_at(tape, stride);
        if (steps >= least) continue;
        least = steps;
        best = stride;
    }
    while (tape->stride < best) thin(tape);
}

static void reverse_steps(Tape *tape) {
    for (int64_t end = tape->length; end > 0; end--) {
        while (tape->stack.items[tape->stack.count - 1].at >= end) pop(tape);
        Snapshot top = tape->stack.items[tape->stack.count - 1];
        restore(tape->instance, &tape->carried, top.bytes);
        int64_t at = top.at;
        while (end - at > 1 && tape->stack.count < tape->most) {
            int64_t next = at + next_snapshot(end - at, tape->most - tape->stack.count);
            advance(tape, at, next);
            push(tape, at = next);
        }
        advance(tape, at, end - 1);
        set_inputs(tape, end - 1);
        instance_run_entry(tape->instance, ENTRY_BACKWARD, 0);
    }
}

void tape_rewind(Tape *tape) {
    if (!tape->length) return;
    char *after = memory_resize(NULL, (size_t)bytes_of(tape->instance, &tape->own) + 1, 1);
    clear(tape->instance, &tape->adjoints);
    save(tape->instance, &tape->own, after);
    make_room(tape);
    reverse_steps(tape);
    restore(tape->instance, &tape->own, after);
    free(after);
    while (tape->stack.count) pop(tape);
    tape->length = 0;
    tape->stride = 1;
}
