// PRODUCT and OUTER: one register-tiled microkernel for both. A panel is a strip of the result, a few vectors wide and
// as long as the result: for each tile of rows, sums of broadcasts of A times vectors of X stay in registers. OUTER
// turns blocks of samples round first, so that its second operand is read like a PRODUCT's.
#include "emit.h"

enum { DEPTH = 256 };   // inner indices per pass over a panel, so that its part of X stays in the first-level cache
enum { SAMPLES = 128 }; // samples that OUTER turns round at a time

typedef struct Panel { // arguments of a panel function: out[i, v] (+)= sum over k of a[i, k] * x[k, v]
    LLVMValueRef out, out_stride, a, a_row, a_step, x, x_stride, rows, depth, more;
} Panel;

typedef struct Tile {
    unsigned rows, vectors;
} Tile;

// Tiles use all registers: rows * vectors sums, the vectors of X and a broadcast; and enough sums to hide the latency.
static Tile tile_of(const Emitter *e, unsigned vectors) {
    if (e->target->registers >= 32) return (Tile){8, vectors};
    if (!e->target->fma && vectors == 3) return (Tile){2, vectors}; // a product needs a register of its own
    return (Tile){vectors == 1 ? 8 : 4, vectors};
}

static unsigned panel_width(const Emitter *e) { return e->target->registers >= 32 ? 2 : 3; }

// One step of the inner index: `sums` += column of A times row of X.
static void emit_tile_step(Emitter *e, const Panel *p, Tile tile, LLVMValueRef a, LLVMValueRef k, LLVMValueRef *sums) {
    LLVMTypeRef element = emit_real_type(e, e->real, 1), vector = emit_real_type(e, e->real, emit_lanes(e, e->real));
    unsigned lanes = emit_lanes(e, e->real), alignment = emit_alignment(e->real);
    LLVMValueRef x[PANEL_MAX], row = emit_address(e, element, p->x, emit_mul(e, k, p->x_stride));
    for (unsigned v = 0; v < tile.vectors; v++)
        x[v] = emit_load(e, vector, emit_address(e, element, row, emit_int(e, (int64_t)v * lanes)), alignment);
    LLVMValueRef column = emit_address(e, element, a, emit_mul(e, k, p->a_step));
    for (unsigned r = 0; r < tile.rows; r++) {
        LLVMValueRef at = emit_address(e, element, column, emit_mul(e, emit_int(e, r), p->a_row));
        LLVMValueRef factor = emit_splat(e, emit_load(e, element, at, alignment), lanes);
        for (unsigned v = 0; v < tile.vectors; v++)
            sums[r * tile.vectors + v] = emit_fma(e, factor, x[v], sums[r * tile.vectors + v]);
    }
}

static void store_tile(Emitter *e, const Panel *p, Tile tile, LLVMValueRef out, const LLVMValueRef *sums, bool add) {
    LLVMTypeRef element = emit_real_type(e, e->real, 1), vector = emit_real_type(e, e->real, emit_lanes(e, e->real));
    unsigned lanes = emit_lanes(e, e->real), alignment = emit_alignment(e->real);
    for (unsigned r = 0; r < tile.rows; r++) {
        LLVMValueRef row = emit_address(e, element, out, emit_mul(e, emit_int(e, r), p->out_stride));
        for (unsigned v = 0; v < tile.vectors; v++) {
            LLVMValueRef at = emit_address(e, element, row, emit_int(e, (int64_t)v * lanes));
            LLVMValueRef value = sums[r * tile.vectors + v];
            if (add) value = LLVMBuildFAdd(e->builder, emit_load(e, vector, at, alignment), value, "");
            emit_store(e, value, at, alignment);
        }
    }
}

static void emit_tile(Emitter *e, const Panel *p, Tile tile, LLVMValueRef row) {
    LLVMTypeRef element = emit_real_type(e, e->real, 1);
    LLVMValueRef sums[TILE_MAX], zero = LLVMConstNull(emit_real_type(e, e->real, emit_lanes(e, e->real)));
    unsigned count = tile.rows * tile.vectors;
    LLVMValueRef a = emit_address(e, element, p->a, emit_mul(e, row, p->a_row));
    LLVMValueRef out = emit_address(e, element, p->out, emit_mul(e, row, p->out_stride));
    for (unsigned i = 0; i < count; i++) sums[i] = zero;
    ForLoop loop = emit_for(e, p->depth, 1, sums, count);
    emit_tile_step(e, p, tile, a, loop.index, sums);
    emit_end(e, &loop, sums);

    LLVMBasicBlockRef add = emit_block(e, "add"), set = emit_block(e, "set"), done = emit_block(e, "done");
    LLVMBuildCondBr(e->builder, p->more, add, set);
    LLVMPositionBuilderAtEnd(e->builder, add);
    store_tile(e, p, tile, out, sums, true);
    LLVMBuildBr(e->builder, done);
    LLVMPositionBuilderAtEnd(e->builder, set);
    store_tile(e, p, tile, out, sums, false);
    LLVMBuildBr(e->builder, done);
    LLVMPositionBuilderAtEnd(e->builder, done);
}

// Whole tiles of rows, the last one partly in the padding, except that a single left row goes alone: results with one
// row have no padding.
static void emit_panel_body(Emitter *e, const Panel *p, Tile tile) {
    int64_t rows = tile.rows;
    LLVMValueRef rest = LLVMBuildAnd(e->builder, p->rows, emit_int(e, rows - 1), "");
    LLVMValueRef alone = LLVMBuildICmp(e->builder, LLVMIntEQ, rest, emit_int(e, 1), "");
    alone = LLVMBuildZExt(e->builder, alone, e->int64, "");
    ForLoop loop = emit_for(e, LLVMBuildSub(e->builder, p->rows, alone, ""), rows, NULL, 0);
    emit_tile(e, p, tile, loop.index);
    emit_end(e, &loop, NULL);
    ForLoop last = emit_for(e, alone, 1, NULL, 0); // at most once
    emit_tile(e, p, (Tile){1, tile.vectors}, LLVMBuildSub(e->builder, p->rows, emit_int(e, 1), ""));
    emit_end(e, &last, NULL);
}

typedef struct Place { // where the builder stands, to come back to
    LLVMBasicBlockRef block;
    LLVMValueRef function;
} Place;

static Place leave(const Emitter *e) { return (Place){LLVMGetInsertBlock(e->builder), e->function}; }

static void come_back(Emitter *e, Place place) {
    e->function = place.function;
    LLVMPositionBuilderAtEnd(e->builder, place.block);
}

static LLVMTypeRef panel_type(const Emitter *e) {
    LLVMTypeRef p = e->pointer, i = e->int64;
    LLVMTypeRef types[] = {p, i, p, i, i, p, i, i, i, LLVMInt1TypeInContext(e->context)};
    return LLVMFunctionType(e->no_value, types, sizeof types / sizeof *types, 0);
}

static LLVMValueRef panel_function(Emitter *e, unsigned vectors) {
    LLVMValueRef *function = &e->panels[e->real][vectors];
    if (*function) return *function;
    Place place = leave(e);
    const char *name = e->real == LOOP_F32 ? "panel_f32" : "panel_f64";
    *function = emit_function(e, name, panel_type(e), true);
    Panel p = {emit_argument(e, 0), emit_argument(e, 1), emit_argument(e, 2), emit_argument(e, 3), emit_argument(e, 4),
               emit_argument(e, 5), emit_argument(e, 6), emit_argument(e, 7), emit_argument(e, 8), emit_argument(e, 9)};
    emit_panel_body(e, &p, tile_of(e, vectors));
    LLVMBuildRetVoid(e->builder);
    come_back(e, place);
    return *function;
}

static void call_panel(Emitter *e, unsigned vectors, const Panel *p) {
    LLVMValueRef function = panel_function(e, vectors);
    LLVMValueRef arguments[] = {p->out, p->out_stride, p->a,     p->a_row, p->a_step,
                                p->x,   p->x_stride,   p->rows,  p->depth, p->more};
    LLVMBuildCall2(e->builder, panel_type(e), function, arguments, sizeof arguments / sizeof *arguments, "");
}

// Strips the columns of the result: as wide as possible, but never leaving a single vector over, since one vector
// alone keeps the multipliers half busy. `strip` emits the work on one strip of a width.
typedef void StripEmitter(Emitter *e, void *context, LLVMValueRef column, unsigned vectors);

static void emit_strip_case(Emitter *e, StripEmitter *strip, void *context, LLVMValueRef column, LLVMValueRef chosen,
                            unsigned width, LLVMBasicBlockRef next) {
    LLVMBasicBlockRef yes = emit_block(e, "strip"), no = emit_block(e, "narrower");
    LLVMValueRef this = LLVMBuildICmp(e->builder, LLVMIntEQ, chosen, emit_int(e, width), "");
    LLVMBuildCondBr(e->builder, this, yes, no);
    LLVMPositionBuilderAtEnd(e->builder, yes);
    strip(e, context, column, width);
    LLVMBuildBr(e->builder, next);
    LLVMPositionBuilderAtEnd(e->builder, no);
}

static LLVMValueRef strip_width(Emitter *e, LLVMValueRef left) { // left: vectors still to do
    int64_t most = panel_width(e);
    LLVMValueRef width = emit_min(e, left, emit_int(e, most));
    if (most < 3) return width;
    LLVMValueRef four = LLVMBuildICmp(e->builder, LLVMIntEQ, left, emit_int(e, 4), "");
    return LLVMBuildSelect(e->builder, four, emit_int(e, 2), width, "");
}

static void emit_strips(Emitter *e, LLVMValueRef columns, StripEmitter *strip, void *context) {
    int64_t lanes = emit_lanes(e, e->real);
    LLVMValueRef vectors = LLVMBuildSDiv(e->builder, emit_round_up(e, columns, (unsigned)lanes), emit_int(e, lanes), "");
    // A loop of varying step: the number of vectors left is what is carried round.
    LLVMValueRef left = vectors;
    LLVMBasicBlockRef before = LLVMGetInsertBlock(e->builder), body = emit_block(e, "strips");
    LLVMBasicBlockRef next = emit_block(e, "next"), after = emit_block(e, "after");
    LLVMBuildCondBr(e->builder, LLVMBuildICmp(e->builder, LLVMIntSGT, vectors, emit_int(e, 0), ""), body, after);
    LLVMPositionBuilderAtEnd(e->builder, body);
    LLVMValueRef phi = LLVMBuildPhi(e->builder, e->int64, "left");
    LLVMAddIncoming(phi, &left, &before, 1);
    LLVMValueRef width = strip_width(e, phi);
    LLVMValueRef column = LLVMBuildNSWSub(e->builder, vectors, phi, "");
    column = emit_mul(e, column, emit_int(e, lanes));
    for (unsigned v = panel_width(e); v > 1; v--) emit_strip_case(e, strip, context, column, width, v, next);
    strip(e, context, column, 1);
    LLVMBuildBr(e->builder, next);
    LLVMPositionBuilderAtEnd(e->builder, next);
    left = LLVMBuildNSWSub(e->builder, phi, width, "");
    LLVMAddIncoming(phi, &left, &next, 1);
    LLVMValueRef more = LLVMBuildICmp(e->builder, LLVMIntSGT, left, emit_int(e, 0), "");
    LLVMBuildCondBr(e->builder, more, body, after);
    LLVMPositionBuilderAtEnd(e->builder, after);
}

// Number of passes of `size` over `count`, at least one: a sum of nothing is still written.
static LLVMValueRef pass_end(Emitter *e, LLVMValueRef count) {
    LLVMValueRef any = LLVMBuildICmp(e->builder, LLVMIntSGT, count, emit_int(e, 1), "");
    return LLVMBuildSelect(e->builder, any, count, emit_int(e, 1), "");
}

typedef struct Product {
    LLVMValueRef out, a, x, rows, depth, a_row, a_step;
} Product;

static void product_strip(Emitter *e, void *context, LLVMValueRef column, unsigned vectors) {
    const Product *p = context;
    LLVMTypeRef element = emit_real_type(e, e->real, 1);
    LLVMValueRef out = emit_address(e, element, p->out, column), x = emit_address(e, element, p->x, column);
    ForLoop pass = emit_for(e, pass_end(e, p->depth), DEPTH, NULL, 0);
    LLVMValueRef left = LLVMBuildSub(e->builder, p->depth, pass.index, "");
    Panel panel = {.out = out, .out_stride = e->batch_padded, .a_row = p->a_row, .a_step = p->a_step};
    panel.a = emit_address(e, element, p->a, emit_mul(e, pass.index, p->a_step));
    panel.x = emit_address(e, element, x, emit_mul(e, pass.index, e->batch_padded));
    panel.x_stride = e->batch_padded;
    panel.rows = p->rows;
    panel.depth = emit_min(e, left, emit_int(e, DEPTH));
    panel.more = LLVMBuildICmp(e->builder, LLVMIntSGT, pass.index, emit_int(e, 0), "");
    call_panel(e, vectors, &panel);
    emit_end(e, &pass, NULL);
}

void emit_product_kernel(Emitter *e, const LoopKernel *kernel) {
    (void)kernel;
    Product p = {.out = emit_array(e, 0), .a = emit_array(e, 1), .x = emit_array(e, 2)};
    p.rows = emit_extent(e, 0);
    p.depth = emit_extent(e, 1);
    p.a_row = emit_stride(e, 0);
    p.a_step = emit_stride(e, 1);
    emit_strips(e, e->batch, product_strip, &p);
}

// --- OUTER ----------------------------------------------------------------------------------------------------------

// Turns a square of lanes x lanes round: in stage d, blocks of d x d elements off the diagonal change places.
static void emit_turn(Emitter *e, LLVMValueRef *rows, unsigned lanes) {
    for (unsigned d = 1; d < lanes; d *= 2) {
        unsigned low[64], high[64];
        for (unsigned i = 0; i < lanes; i++) {
            low[i] = i & d ? lanes + i - d : i;
            high[i] = i & d ? lanes + i : i + d;
        }
        for (unsigned r = 0; r < lanes; r++) {
            if (r & d) continue;
            LLVMValueRef a = rows[r], b = rows[r + d];
            rows[r] = emit_shuffle(e, a, b, low, lanes);
            rows[r + d] = emit_shuffle(e, a, b, high, lanes);
        }
    }
}

// void turn(from, from_stride, first row, last row, to, to_stride, samples): `lanes` rows from `first` on become one
// vector per sample; rows beyond the last stand for padding of the result and repeat the last.
static LLVMTypeRef turn_type(const Emitter *e) {
    LLVMTypeRef p = e->pointer, i = e->int64, types[] = {p, i, i, i, p, i, i};
    return LLVMFunctionType(e->no_value, types, 7, 0);
}

static LLVMValueRef turn_function(Emitter *e) {
    LLVMValueRef *function = &e->transpose[e->real], address[64], rows[64];
    if (*function) return *function;
    Place place = leave(e);
    unsigned lanes = emit_lanes(e, e->real), alignment = emit_alignment(e->real);
    LLVMTypeRef element = emit_real_type(e, e->real, 1), vector = emit_real_type(e, e->real, lanes);
    *function = emit_function(e, e->real == LOOP_F32 ? "turn_f32" : "turn_f64", turn_type(e), true);
    for (unsigned r = 0; r < lanes; r++) {
        LLVMValueRef row = emit_min(e, emit_add(e, emit_argument(e, 2), emit_int(e, r)), emit_argument(e, 3));
        address[r] = emit_address(e, element, emit_argument(e, 0), emit_mul(e, row, emit_argument(e, 1)));
    }
    ForLoop loop = emit_for(e, emit_argument(e, 6), lanes, NULL, 0);
    for (unsigned r = 0; r < lanes; r++)
        rows[r] = emit_load(e, vector, emit_address(e, element, address[r], loop.index), alignment);
    emit_turn(e, rows, lanes);
    for (unsigned r = 0; r < lanes; r++) {
        LLVMValueRef sample = emit_mul(e, emit_add(e, loop.index, emit_int(e, r)), emit_argument(e, 5));
        emit_store(e, rows[r], emit_address(e, element, emit_argument(e, 4), sample), alignment);
    }
    emit_end(e, &loop, NULL);
    LLVMBuildRetVoid(e->builder);
    come_back(e, place);
    return *function;
}

typedef struct Outer {
    LLVMValueRef out, left, right, rows, last_column, out_stride, scratch;
} Outer;

static void outer_strip(Emitter *e, void *context, LLVMValueRef column, unsigned vectors) {
    const Outer *p = context;
    LLVMTypeRef element = emit_real_type(e, e->real, 1);
    unsigned lanes = emit_lanes(e, e->real);
    ForLoop pass = emit_for(e, pass_end(e, e->batch), SAMPLES, NULL, 0);
    LLVMValueRef from = emit_address(e, element, p->right, pass.index), width = emit_int(e, vectors * lanes);
    LLVMValueRef left = LLVMBuildSub(e->builder, e->batch, pass.index, "");
    LLVMValueRef samples = emit_min(e, left, emit_int(e, SAMPLES)), turn = turn_function(e);
    for (unsigned v = 0; v < vectors; v++) {
        LLVMValueRef first = emit_add(e, column, emit_int(e, v * lanes));
        LLVMValueRef to = emit_address(e, element, p->scratch, emit_int(e, v * lanes));
        LLVMValueRef arguments[] = {from, e->batch_padded, first, p->last_column, to, width, samples};
        LLVMBuildCall2(e->builder, turn_type(e), turn, arguments, 7, "");
    }
    Panel panel = {.out_stride = p->out_stride, .a_row = e->batch_padded, .a_step = emit_int(e, 1)};
    panel.out = emit_address(e, element, p->out, column);
    panel.a = emit_address(e, element, p->left, pass.index);
    panel.x = p->scratch;
    panel.x_stride = width;
    panel.rows = p->rows;
    panel.depth = samples;
    panel.more = LLVMBuildICmp(e->builder, LLVMIntSGT, pass.index, emit_int(e, 0), "");
    call_panel(e, vectors, &panel);
    emit_end(e, &pass, NULL);
}

void emit_outer_kernel(Emitter *e, const LoopKernel *kernel) {
    (void)kernel;
    LLVMTypeRef block = LLVMArrayType2(emit_real_type(e, e->real, PANEL_MAX * emit_lanes(e, e->real)), SAMPLES);
    Outer p = {.scratch = LLVMBuildAlloca(e->builder, block, "scratch")};
    LLVMSetAlignment(p.scratch, 64);
    p.out = emit_array(e, 0);
    p.left = emit_array(e, 1);
    p.right = emit_array(e, 2);
    p.rows = emit_extent(e, 0);
    LLVMValueRef columns = emit_extent(e, 1);
    p.last_column = LLVMBuildSub(e->builder, columns, emit_int(e, 1), "");
    p.out_stride = emit_stride(e, 0);
    emit_strips(e, columns, outer_strip, &p);
}
