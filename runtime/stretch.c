// Rows of a stretch lie in one block of memory, array by array.
#include "stretch.h"
#include "program_internal.h"
#include <stdlib.h>
#include <string.h>

enum { CACHED = 1 << 18 }; // bytes of rows that stay in a cache near the processor until they are read

typedef struct Rows { // of one array
    uint32_t number;  // in the loops form
    bool fed;
    StretchMoment moment; // of what is seen
    int64_t wait, every;  // the first step that has a row, and how far others are apart
    int64_t bytes;        // of a row
    char *block;
} Rows;

struct Stretch {
    Instance *instance;
    ProgramEntry entry;
    bool learning;
    Vec(Rows) rows; // those that are fed first: what is seen before a step is seen with its inputs
    uint32_t noises, feeds;
    int64_t first; // the instance's number of its first step
    char *memory;
    int64_t memory_bytes;
    Vec(LoopMove) moves;
    const void **shown; // by number of the array
};

Stretch *stretch_new(Instance *in) {
    if (in->program->kind == PROGRAM_REFERENCE) return NULL;
    uint32_t arrays = in->form->fused->program.arrays.count;
    Stretch *s = memory_resize(NULL, 1, sizeof *s);
    *s = (Stretch){.instance = in, .shown = memory_resize(NULL, arrays, sizeof *s->shown)};
    memset(s->shown, 0, arrays * sizeof *s->shown);
    return s;
}

void stretch_free(Stretch *s) {
    if (!s) return;
    vec_free(&s->rows);
    vec_free(&s->moves);
    free(s->memory);
    free(s->shown);
    free(s);
}

int64_t stretch_calm(const Stretch *s, ProgramEntry entry, bool learning) {
    return instance_calm(s->instance, entry, learning);
}

// ---- What moves -----------------------------------------------------------------------------------------------------

// Up to the end of the last real row: padding behind it stays as it is.
static int64_t row_bytes(const Instance *in, uint32_t number) {
    const LoopArray *array = &in->form->fused->program.arrays.items[number];
    int64_t last = loop_array_position(array, in->padded, loop_array_count(array, 1) - 1);
    int64_t elements = last + (array->batched ? in->padded : 1);
    return loop_pad(elements * (array->real == LOOP_F32 ? 4 : 8), LOOP_MOVE_UNIT);
}

static void add_rows(Stretch *s, uint32_t number, bool fed, StretchMoment moment, int64_t wait, int64_t every) {
    Rows rows = {number, fed, moment, wait, every, row_bytes(s->instance, number), NULL};
    vec_push(&s->rows, rows);
}

static bool find_symbol(const Stretch *s, Symbol symbol, uint32_t *number) {
    uint32_t stored = symbol ? s->instance->form->fused->array_of.items[symbol] : 0;
    *number = stored - 1;
    return stored != 0;
}

static bool find_array(const Stretch *s, uint32_t array, uint32_t *number) {
    const ProgramArray *a = program_array(s->instance->program, array);
    return a->stored && find_symbol(s, a->symbol, number);
}

void stretch_begin(Stretch *s, ProgramEntry entry, bool learning) {
    const Model *model = s->instance->program->model;
    uint32_t number;
    s->entry = entry;
    s->learning = learning;
    s->first = s->instance->steps;
    s->rows.count = 0;
    for (uint32_t i = 0; i < model->noises.count; i++)
        if (find_symbol(s, model->noises.items[i], &number)) add_rows(s, number, true, STRETCH_BEFORE, 0, 1);
    s->noises = s->feeds = s->rows.count;
    if (find_symbol(s, s->instance->program->step[ENTRY_TRAIN]->cost, &number))
        add_rows(s, number, false, STRETCH_AFTER, 0, 1);
}

uint32_t stretch_feed(Stretch *s, uint32_t array) {
    uint32_t number, at = s->feeds;
    if (!find_array(s, array, &number)) return UINT32_MAX;
    add_rows(s, number, true, STRETCH_BEFORE, 0, 1);
    Rows rows = s->rows.items[s->rows.count - 1];
    memmove(&s->rows.items[at + 1], &s->rows.items[at], (s->rows.count - 1 - at) * sizeof rows);
    s->rows.items[at] = rows;
    return s->feeds++;
}

void stretch_watch(Stretch *s, uint32_t array, StretchMoment moment, int64_t wait, int64_t every) {
    uint32_t number;
    if (find_array(s, array, &number)) add_rows(s, number, false, moment, wait, every);
}

static int64_t row_count(const Rows *rows, int64_t steps) {
    return steps > rows->wait ? (steps - rows->wait + rows->every - 1) / rows->every : 0;
}

static int64_t bytes_of(const Stretch *s, int64_t steps) {
    int64_t bytes = 0;
    for (uint32_t i = 0; i < s->rows.count; i++) bytes += s->rows.items[i].bytes * row_count(&s->rows.items[i], steps);
    return bytes;
}

static void allocate(Stretch *s, int64_t steps) {
    int64_t bytes = bytes_of(s, steps) + LOOP_MOVE_UNIT;
    if (bytes > s->memory_bytes) {
        s->memory = memory_resize(s->memory, (size_t)bytes, 1);
        s->memory_bytes = bytes;
    }
    char *at = s->memory + (LOOP_MOVE_UNIT - (uintptr_t)s->memory % LOOP_MOVE_UNIT) % LOOP_MOVE_UNIT;
    for (uint32_t i = 0; i < s->rows.count; i++) {
        Rows *rows = &s->rows.items[i];
        rows->block = at;
        at += rows->bytes * row_count(rows, steps);
    }
}

int64_t stretch_room(Stretch *s, int64_t most) {
    while (most > 1 && bytes_of(s, most) > CACHED) most = most * 3 / 4;
    if (most < 1) most = 1;
    allocate(s, most);
    return most;
}

// With zeros as its padding.
static void *new_row(const Rows *rows, int64_t step) {
    return memset(rows->block + step * rows->bytes, 0, (size_t)rows->bytes);
}

void stretch_set(Stretch *s, uint32_t feed, int64_t step, const double *values) {
    if (feed == UINT32_MAX) return;
    const Rows *rows = &s->rows.items[feed];
    instance_lay_out(s->instance, rows->number, values, new_row(rows, step));
}

// ---- The steps ------------------------------------------------------------------------------------------------------

static void draw_noise(Stretch *s, int64_t steps) {
    uint32_t at = 0, number;
    const Model *model = s->instance->program->model;
    for (uint32_t i = 0; i < model->noises.count; i++) {
        if (!find_symbol(s, model->noises.items[i], &number)) continue;
        const Rows *rows = &s->rows.items[at++];
        for (int64_t k = 0; k < steps; k++)
            instance_draw(s->instance, model->noises.items[i], s->first + k, new_row(rows, k));
    }
}

static void add_move(Stretch *s, const Rows *rows) {
    char *array = s->instance->arrays[rows->number];
    LoopMove move = {.bytes = rows->bytes, .wait = rows->wait, .every = rows->every};
    move.from = rows->fed ? rows->block : array;
    move.to = rows->fed ? array : rows->block;
    *(rows->fed ? &move.from_step : &move.to_step) = rows->bytes;
    vec_push(&s->moves, move);
}

void stretch_run(Stretch *s, int64_t steps) {
    draw_noise(s, steps);
    s->moves.count = 0;
    for (uint32_t i = 0; i < s->rows.count; i++)
        if (s->rows.items[i].moment == STRETCH_BEFORE) add_move(s, &s->rows.items[i]);
    int64_t before = s->moves.count;
    for (uint32_t i = 0; i < s->rows.count; i++)
        if (s->rows.items[i].moment == STRETCH_AFTER) add_move(s, &s->rows.items[i]);
    LoopArguments arguments = {.steps = steps,
                               .before = s->moves.items,
                               .before_count = before,
                               .after = s->moves.items + before,
                               .after_count = s->moves.count - before};
    instance_make_steps(s->instance, s->entry, s->learning, &arguments);
}

// ---- Seeing them ----------------------------------------------------------------------------------------------------

void stretch_show(Stretch *s, int64_t step, StretchMoment moment) {
    for (uint32_t i = 0; i < s->rows.count; i++) s->shown[s->rows.items[i].number] = NULL;
    for (uint32_t i = 0; i < s->rows.count; i++) {
        const Rows *rows = &s->rows.items[i];
        int64_t since = step - rows->wait;
        if (rows->fed || rows->moment != moment || since < 0 || (rows->every > 1 && since % rows->every)) continue;
        s->shown[rows->number] = rows->block + since / rows->every * rows->bytes;
    }
    s->instance->shown = s->shown;
    s->instance->steps = s->first + step + (moment == STRETCH_AFTER);
}

void stretch_end(Stretch *s) {
    for (uint32_t i = 0; i < s->rows.count; i++) s->shown[s->rows.items[i].number] = NULL;
    s->instance->shown = NULL;
}

// ---- Nothing but steps ----------------------------------------------------------------------------------------------

// Returns how many were made.
static int64_t advance(Stretch *s, ProgramEntry entry, bool learning, int64_t most) {
    int64_t calm = stretch_calm(s, entry, learning);
    if (calm < most) most = calm;
    if (most < 2) return instance_step(s->instance, entry, learning), 1;
    stretch_begin(s, entry, learning);
    s->rows.count = s->noises; // nobody looks at the cost of each
    most = stretch_room(s, most);
    stretch_run(s, most);
    return most;
}

void stretch_advance(Instance *in, ProgramEntry entry, bool learning, int64_t steps) {
    Stretch *s = stretch_new(in);
    while (steps > 0)
        if (s)
            steps -= advance(s, entry, learning, steps);
        else
            instance_step(in, entry, learning), steps--;
    stretch_free(s);
}
