// The reference walk of a step, compared with the same step written as plain loops.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "assert_close.h"
#include "compiler/step/step.h"
#include <string.h>

enum { BATCH = 3, IN = 3, OUT = 2, SYMBOLS = 8 };

// u' = u + 0.1 (W x - u) per sample; W' = W + mean over samples of u' x, where the guard holds; k' = k + 1.
typedef struct World {
    Arena *arena;
    Model model;
    Step step;
    Symbol x, u, w, k, size;
} World;

static Symbol add_symbol(World *world, const char *name, SymbolRole role, bool batched, uint32_t rank, uint32_t e0,
                         uint32_t e1) {
    SymbolInfo info = {
        .name = arena_atom_z(world->arena, name), .role = role, .batched = batched, .rank = rank, .extent = {e0, e1}};
    return symbol_new(world->model.store, info);
}

static Expr at(World *world, Symbol symbol, ExprVersion version, Index i, Index j) {
    ExprStore *store = world->model.store;
    Expr index[2] = {i ? expr_index(store, i) : 0, j ? expr_index(store, j) : 0};
    return expr_access(store, symbol, version, index, (uint32_t)(i != 0) + (j != 0));
}

static World *world_new(void) {
    World *world = memory_resize(NULL, 1, sizeof *world);
    *world = (World){.arena = arena_new()};
    ExprStore *store = world->model.store = expr_store_new(world->arena);
    world->step.model = &world->model;
    world->x = add_symbol(world, "x", ROLE_INPUT, true, 1, IN, 0);
    world->u = add_symbol(world, "u", ROLE_STATE, true, 1, OUT, 0);
    world->w = add_symbol(world, "w.W", ROLE_WEIGHT, false, 2, OUT, IN);
    world->k = add_symbol(world, "k", ROLE_SCALAR, false, 0, 0, 0);
    world->size = add_symbol(world, "batch.size", ROLE_SCALAR, false, 0, 0, 0);

    Index i, row[2], inner = index_new(store, arena_atom_z(world->arena, "s"), IN);
    model_axes(store, world->u, &i);
    model_axes(store, world->w, row);
    Expr u = at(world, world->u, VERSION_OLD, i, INDEX_BATCH);
    Expr drive = expr_sum(store, inner,
                          expr_mul(store, at(world, world->w, VERSION_OLD, i, inner),
                                   at(world, world->x, VERSION_OLD, inner, INDEX_BATCH)));
    Expr moved = expr_add(store, u, expr_mul(store, expr_const(store, 0.1), expr_sub(store, drive, u)));
    vec_push(&world->step.assigns, (StepAssign){.symbol = world->u, .value = moved});
    Expr product = expr_mul(store, at(world, world->u, VERSION_NEW, row[0], INDEX_BATCH),
                            at(world, world->x, VERSION_OLD, row[1], INDEX_BATCH));
    Expr mean = expr_div(store, expr_sum(store, INDEX_BATCH, product), at(world, world->size, VERSION_OLD, 0, 0));
    Expr learned = expr_add(store, at(world, world->w, VERSION_OLD, row[0], row[1]), mean);
    vec_push(&world->step.assigns, (StepAssign){.symbol = world->w, .value = learned, .guard = 2});
    Expr counted = expr_add(store, at(world, world->k, VERSION_OLD, 0, 0), expr_const(store, 1));
    vec_push(&world->step.assigns, (StepAssign){.symbol = world->k, .value = counted});
    return world;
}

static void world_free(World *world) {
    vec_free(&world->step.assigns);
    expr_store_free(world->model.store);
    arena_free(world->arena);
    free(world);
}

static void steps(void **state) {
    (void)state;
    World *world = world_new();
    double x[IN * BATCH], u[OUT * BATCH], w[OUT * IN], k = 4, size = BATCH, new_u[OUT * BATCH], new_w[OUT * IN], new_k;
    for (int n = 0; n < IN * BATCH; n++) x[n] = 0.3 * n - 1;
    for (int n = 0; n < OUT * BATCH; n++) u[n] = 1 - 0.2 * n;
    for (int n = 0; n < OUT * IN; n++) w[n] = 0.1 * (n + 1);
    double *old[SYMBOLS] = {0}, *now[SYMBOLS] = {0};
    old[world->x] = x, old[world->u] = u, old[world->w] = w, old[world->k] = &k, old[world->size] = &size;
    now[world->x] = x, now[world->u] = new_u, now[world->w] = new_w, now[world->k] = &new_k, now[world->size] = &size;
    for (uint64_t active = 0; active < 4; active++) {
        memcpy(new_u, u, sizeof u);
        memcpy(new_w, w, sizeof w);
        new_k = k;
        step_reference(&world->step, old, now, BATCH, active);
        for (int i = 0; i < OUT; i++)
            for (int b = 0; b < BATCH; b++) {
                double drive = 0;
                for (int j = 0; j < IN; j++) drive += w[i * IN + j] * x[j * BATCH + b];
                assert_close(new_u[i * BATCH + b], u[i * BATCH + b] + 0.1 * (drive - u[i * BATCH + b]), 1e-15);
            }
        for (int i = 0; i < OUT; i++)
            for (int j = 0; j < IN; j++) {
                double mean = 0;
                for (int b = 0; b < BATCH; b++) mean += new_u[i * BATCH + b] * x[j * BATCH + b] / BATCH;
                assert_close(new_w[i * IN + j], w[i * IN + j] + (active & 2 ? mean : 0), 1e-15);
            }
        assert_close(new_k, 5, 0);
    }
    world_free(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(steps)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
