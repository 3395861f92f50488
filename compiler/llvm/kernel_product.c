// PRODUCT and OUTER: one register-tiled microkernel for both. A panel is a strip of the result, a few vectors wide and
// as long as the result: for each tile of rows, sums of broadcasts of A times vectors of X stay in registers. OUTER
// turns blocks of samples round first, so that its second operand is read like a PRODUCT's.
#include "emit.h"

enum {
    DEPTH = 256,  // inner indices per pass over a panel, so that its part of X stays in the first-level cache
    ROWS = 128,   // of a matrix per block, DEPTH elements each: a part of the second-level cache
    TURNED = 64,  // inner indices of a transposed one: each is in a page of its own, and a processor knows few at once
    COLUMNS = 256 // of those, and so rows of the result, per block
};
enum { LARGE = 1 << 14 }; // elements of a matrix that will hardly be in the second-level cache still
enum { SAMPLES = 128 };   // samples that OUTER turns round at a time

typedef struct Panel { // arguments of a panel function: out[i, v] = start[i, v] + sum over k of a[i, k] * x[k, v]
    LLVMValueRef out, out_row, start, start_row, a, a_row, a_step, fetches, x, x_step, rows, depth;
} Panel;
enum { PANEL_ARGUMENTS = 12 };

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

static LLVMTypeRef element_type(const Emitter *e) { return emit_real_type(e, e->real, 1); }
static LLVMTypeRef vector_type(const Emitter *e) { return emit_real_type(e, e->real, emit_lanes(e, e->real)); }

// Address of vector `v` of row `r` of a tile whose first element is at `first`.
static LLVMValueRef tile_address(const Emitter *e, LLVMValueRef first, LLVMValueRef row, unsigned r, unsigned v) {
    LLVMValueRef at = emit_address(e, element_type(e), first, emit_mul(e, emit_int(e, r), row));
    return emit_address(e, element_type(e), at, emit_int(e, (int64_t)v * emit_lanes(e, e->real)));
}

// One step of the inner index: `sums` += column of A times row of X.
static void emit_tile_step(Emitter *e, const Panel *p, Tile tile, LLVMValueRef k, LLVMValueRef *sums) {
    unsigned lanes = emit_lanes(e, e->real), alignment = emit_alignment(e->real);
    LLVMValueRef x[PANEL_MAX], row = emit_address(e, element_type(e), p->x, emit_mul(e, k, p->x_step));
    for (unsigned v = 0; v < tile.vectors; v++)
        x[v] = emit_load(e, vector_type(e), tile_address(e, row, p->x_step, 0, v), alignment);
    LLVMValueRef column = emit_address(e, element_type(e), p->a, emit_mul(e, k, p->a_step));
    for (unsigned r = 0; r < tile.rows; r++) {
        LLVMValueRef factor = emit_load(e, element_type(e), tile_address(e, column, p->a_row, r, 0), alignment);
        factor = emit_splat(e, factor, lanes);
        for (unsigned v = 0; v < tile.vectors; v++)
            sums[r * tile.vectors + v] = emit_fma(e, factor, x[v], sums[r * tile.vectors + v]);
    }
}

static void emit_prefetch(const Emitter *e, LLVMValueRef address) {
    LLVMValueRef read = LLVMConstInt(e->int32, 0, 0), keep = LLVMConstInt(e->int32, 3, 0);
    LLVMValueRef data = LLVMConstInt(e->int32, 1, 0);
    emit_intrinsic(e, "llvm.prefetch", e->pointer, (LLVMValueRef[]){address, read, keep, data}, 4);
}

// A line of a cache holds one row of a transposed matrix for several tiles. Each of them asks for its share of the
// lines that come next, which the processor does not foresee, as they are far apart.
static void emit_fetches(Emitter *e, const Panel *p, Tile tile, LLVMValueRef row) {
    enum { AT_ONCE = 4 };
    int64_t line = e->real == LOOP_F32 ? 16 : 8, shares = line > tile.rows ? line / tile.rows : 1;
    LLVMValueRef count = LLVMBuildUDiv(e->builder, p->fetches, emit_int(e, shares), "");
    LLVMValueRef share = LLVMBuildUDiv(e->builder, row, emit_int(e, tile.rows), "");
    share = emit_mul(e, LLVMBuildAnd(e->builder, share, emit_int(e, shares - 1), ""), count);
    LLVMValueRef from = emit_address(e, element_type(e), p->a, emit_int(e, line));
    ForLoop loop = emit_for(e, count, AT_ONCE, NULL, 0);
    LLVMValueRef first = emit_mul(e, emit_add(e, share, loop.index), p->a_step);
    first = emit_address(e, element_type(e), from, first);
    for (unsigned i = 0; i < AT_ONCE; i++)
        emit_prefetch(e, emit_address(e, element_type(e), first, emit_mul(e, emit_int(e, i), p->a_step)));
    emit_end(e, &loop, NULL);
}

static void emit_tile(Emitter *e, const Panel *p, Tile tile) {
    LLVMValueRef sums[TILE_MAX];
    unsigned count = tile.rows * tile.vectors, alignment = emit_alignment(e->real);
    for (unsigned i = 0; i < count; i++) {
        LLVMValueRef from = tile_address(e, p->start, p->start_row, i / tile.vectors, i % tile.vectors);
        sums[i] = emit_load(e, vector_type(e), from, alignment);
    }
    ForLoop loop = emit_for(e, p->depth, 1, sums, count);
    emit_tile_step(e, p, tile, loop.index, sums);
    emit_end(e, &loop, sums);
    for (unsigned i = 0; i < count; i++)
        emit_store(e, sums[i], tile_address(e, p->out, p->out_row, i / tile.vectors, i % tile.vectors), alignment);
}

// The panel from a row on. A single row that is left goes with all row strides 0, so that the whole tile computes that
// row: results with one row have no padding to spill into. More rows than one spill into the padding.
static Panel panel_from(const Emitter *e, const Panel *p, LLVMValueRef row) {
    LLVMValueRef left = LLVMBuildSub(e->builder, p->rows, row, ""), zero = emit_int(e, 0);
    LLVMValueRef alone = LLVMBuildICmp(e->builder, LLVMIntEQ, left, emit_int(e, 1), "");
    Panel from = *p;
    from.out = emit_address(e, element_type(e), p->out, emit_mul(e, row, p->out_row));
    from.start = emit_address(e, element_type(e), p->start, emit_mul(e, row, p->start_row));
    from.a = emit_address(e, element_type(e), p->a, emit_mul(e, row, p->a_row));
    from.out_row = LLVMBuildSelect(e->builder, alone, zero, p->out_row, "");
    from.start_row = LLVMBuildSelect(e->builder, alone, zero, p->start_row, "");
    from.a_row = LLVMBuildSelect(e->builder, alone, zero, p->a_row, "");
    return from;
}

static LLVMTypeRef panel_type(const Emitter *e) {
    LLVMTypeRef p = e->pointer, i = e->int64, types[PANEL_ARGUMENTS] = {p, i, p, i, p, i, i, i, p, i, i, i};
    return LLVMFunctionType(e->no_value, types, PANEL_ARGUMENTS, 0);
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

static LLVMValueRef panel_function(Emitter *e, unsigned vectors) {
    LLVMValueRef *function = &e->panels[e->real][vectors], a[PANEL_ARGUMENTS];
    if (*function) return *function;
    Place place = leave(e);
    *function = emit_function(e, e->real == LOOP_F32 ? "panel_f32" : "panel_f64", panel_type(e), true);
    for (unsigned i = 0; i < PANEL_ARGUMENTS; i++) a[i] = emit_argument(e, i);
    Panel p = {a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9], a[10], a[11]};
    Tile tile = tile_of(e, vectors);
    ForLoop loop = emit_for(e, p.rows, tile.rows, NULL, 0);
    Panel from = panel_from(e, &p, loop.index);
    emit_fetches(e, &from, tile, loop.index);
    emit_tile(e, &from, tile);
    emit_end(e, &loop, NULL);
    LLVMBuildRetVoid(e->builder);
    come_back(e, place);
    return *function;
}

// A strip of the result's columns, one panel wide.
typedef struct Strip {
    LLVMValueRef column, width, panel; // first column, number of vectors, the panel function for that number
} Strip;
typedef void StripEmitter(Emitter *e, const void *context, const Strip *strip);

static void call_panel(Emitter *e, const Strip *strip, const Panel *p) {
    LLVMValueRef arguments[PANEL_ARGUMENTS] = {p->out,    p->out_row, p->start, p->start_row, p->a,    p->a_row,
                                               p->a_step, p->fetches, p->x,     p->x_step,    p->rows, p->depth};
    LLVMBuildCall2(e->builder, panel_type(e), strip->panel, arguments, PANEL_ARGUMENTS, "");
}

// As wide as possible, but 2 + 2 instead of 3 + 1: one vector alone keeps the multipliers half busy.
static LLVMValueRef strip_width(Emitter *e, LLVMValueRef left) { // left: vectors still to do
    int64_t most = panel_width(e);
    LLVMValueRef width = emit_min(e, left, emit_int(e, most));
    if (most < 3) return width;
    LLVMValueRef four = LLVMBuildICmp(e->builder, LLVMIntEQ, left, emit_int(e, 4), "");
    return LLVMBuildSelect(e->builder, four, emit_int(e, 2), width, "");
}

static LLVMValueRef choose_panel(Emitter *e, LLVMValueRef width) {
    LLVMValueRef panel = panel_function(e, 1);
    for (unsigned v = 2; v <= panel_width(e); v++) {
        LLVMValueRef this = LLVMBuildICmp(e->builder, LLVMIntEQ, width, emit_int(e, v), "");
        panel = LLVMBuildSelect(e->builder, this, panel_function(e, v), panel, "");
    }
    return panel;
}

// A loop over strips: the step varies, so it is the number of vectors left that is carried round.
static void emit_strips(Emitter *e, LLVMValueRef columns, StripEmitter *emit_strip, const void *context) {
    int64_t lanes = emit_lanes(e, e->real);
    LLVMValueRef vectors = emit_round_up(e, columns, (unsigned)lanes), zero = emit_int(e, 0);
    vectors = LLVMBuildExactSDiv(e->builder, vectors, emit_int(e, lanes), "");
    LLVMBasicBlockRef before = LLVMGetInsertBlock(e->builder), body = emit_block(e, "strips");
    LLVMBasicBlockRef after = emit_block(e, "after");
    LLVMBuildCondBr(e->builder, LLVMBuildICmp(e->builder, LLVMIntSGT, vectors, zero, ""), body, after);
    LLVMPositionBuilderAtEnd(e->builder, body);
    LLVMValueRef left = LLVMBuildPhi(e->builder, e->int64, "left");
    LLVMAddIncoming(left, &vectors, &before, 1);
    Strip strip = {.width = strip_width(e, left)};
    strip.column = LLVMBuildNSWSub(e->builder, vectors, left, "");
    strip.column = emit_mul(e, strip.column, emit_int(e, lanes));
    strip.panel = choose_panel(e, strip.width);
    emit_strip(e, context, &strip);
    LLVMValueRef rest = LLVMBuildNSWSub(e->builder, left, strip.width, "");
    LLVMBasicBlockRef last = LLVMGetInsertBlock(e->builder);
    LLVMAddIncoming(left, &rest, &last, 1);
    LLVMBuildCondBr(e->builder, LLVMBuildICmp(e->builder, LLVMIntSGT, rest, zero, ""), body, after);
    LLVMMoveBasicBlockAfter(after, last);
    LLVMPositionBuilderAtEnd(e->builder, after);
}

// What sums start from: what earlier passes left in `out`, or zeros, the same for all rows.
static void set_start(Emitter *e, Panel *panel, LLVMValueRef pass) {
    LLVMTypeRef zeros = LLVMArrayType2(vector_type(e), PANEL_MAX);
    LLVMValueRef *global = &e->zeros[e->real];
    if (!*global) {
        *global = LLVMAddGlobal(e->module, zeros, "zeros");
        LLVMSetLinkage(*global, LLVMPrivateLinkage);
        LLVMSetGlobalConstant(*global, 1);
        LLVMSetInitializer(*global, LLVMConstNull(zeros));
    }
    LLVMValueRef first = LLVMBuildICmp(e->builder, LLVMIntEQ, pass, emit_int(e, 0), "");
    panel->start = LLVMBuildSelect(e->builder, first, *global, panel->out, "");
    panel->start_row = LLVMBuildSelect(e->builder, first, emit_int(e, 0), panel->out_row, "");
}

// A loop over passes of `size` over a sum of `count` terms; at least one, since a sum of nothing is written too.
static ForLoop emit_passes(Emitter *e, LLVMValueRef count, int64_t size) {
    LLVMValueRef several = LLVMBuildICmp(e->builder, LLVMIntSGT, count, emit_int(e, 1), "");
    return emit_for(e, LLVMBuildSelect(e->builder, several, count, emit_int(e, 1), ""), size, NULL, 0);
}

static LLVMValueRef pass_length(Emitter *e, const ForLoop *pass, LLVMValueRef count, int64_t size) {
    return emit_min(e, LLVMBuildSub(e->builder, count, pass->index, ""), emit_int(e, size));
}

// A loop over blocks of `size`, the last one shorter; at least one, since a sum of nothing is written too.
typedef struct Blocks {
    ForLoop loop;
    LLVMValueRef first, count; // of the block
} Blocks;

static Blocks emit_blocks(Emitter *e, LLVMValueRef end, LLVMValueRef size) {
    LLVMValueRef several = LLVMBuildICmp(e->builder, LLVMIntSGT, end, emit_int(e, 1), "");
    LLVMValueRef some = LLVMBuildSelect(e->builder, several, end, emit_int(e, 1), "");
    some = LLVMBuildNSWSub(e->builder, emit_add(e, some, size), emit_int(e, 1), "");
    Blocks blocks = {.loop = emit_for(e, LLVMBuildUDiv(e->builder, some, size, ""), 1, NULL, 0)};
    blocks.first = emit_mul(e, blocks.loop.index, size);
    blocks.count = emit_min(e, LLVMBuildSub(e->builder, end, blocks.first, ""), size);
    return blocks;
}

typedef struct Product {
    LLVMValueRef out, a, x, a_row, a_step;
    LLVMValueRef row, rows, first, depth,
        fetches; // of the block at work: rows from `row` on, inner indices from `first` on
} Product;

static void product_strip(Emitter *e, const void *context, const Strip *strip) {
    const Product *p = context;
    Panel panel = {.out_row = e->batch_padded, .a_row = p->a_row, .a_step = p->a_step, .x_step = e->batch_padded};
    panel.out = emit_address(e, element_type(e), p->out, emit_mul(e, p->row, e->batch_padded));
    panel.out = emit_address(e, element_type(e), panel.out, strip->column);
    set_start(e, &panel, p->first);
    panel.a = emit_address(e, element_type(e), p->a, emit_mul(e, p->row, p->a_row));
    panel.a = emit_address(e, element_type(e), panel.a, emit_mul(e, p->first, p->a_step));
    panel.x = emit_address(e, element_type(e), p->x, emit_mul(e, p->first, e->batch_padded));
    panel.x = emit_address(e, element_type(e), panel.x, strip->column);
    panel.rows = p->rows;
    panel.depth = p->depth;
    panel.fetches = p->fetches;
    call_panel(e, strip, &panel);
}

static LLVMValueRef emit_operand(Emitter *e, uint32_t argument) {
    return emit_address(e, element_type(e), emit_array(e, argument), emit_offset(e, argument));
}

// A block of the matrix serves all strips while it is in a cache. A transposed one is walked down its columns, each row
// in a page of its own.
void emit_product_kernel(Emitter *e) {
    Product p = {.out = emit_operand(e, 0), .a = emit_operand(e, 1), .x = emit_array(e, 2)};
    LLVMValueRef rows = emit_extent(e, 0), depth = emit_extent(e, 1);
    p.a_row = emit_stride(e, 0);
    p.a_step = emit_stride(e, 1);
    LLVMValueRef straight = LLVMBuildICmp(e->builder, LLVMIntEQ, p.a_step, emit_int(e, 1), "");
    LLVMValueRef height = LLVMBuildSelect(e->builder, straight, emit_int(e, ROWS), emit_int(e, COLUMNS), "");
    LLVMValueRef length = LLVMBuildSelect(e->builder, straight, emit_int(e, DEPTH), emit_int(e, TURNED), "");
    Blocks blocks = emit_blocks(e, rows, height);
    p.row = blocks.first;
    p.rows = blocks.count;
    Blocks passes = emit_blocks(e, depth, length);
    p.first = passes.first;
    p.depth = passes.count;
    LLVMValueRef large = LLVMBuildICmp(e->builder, LLVMIntSGE, emit_mul(e, rows, depth), emit_int(e, LARGE), "");
    large = LLVMBuildAnd(e->builder, large, LLVMBuildNot(e->builder, straight, ""), "");
    p.fetches = LLVMBuildSelect(e->builder, large, p.depth, emit_int(e, 0), "");
    emit_strips(e, e->batch, product_strip, &p);
    emit_end(e, &passes.loop, NULL);
    emit_end(e, &blocks.loop, NULL);
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
    LLVMValueRef *function = &e->turns[e->real], address[64], rows[64];
    if (*function) return *function;
    Place place = leave(e);
    unsigned lanes = emit_lanes(e, e->real), alignment = emit_alignment(e->real);
    *function = emit_function(e, e->real == LOOP_F32 ? "turn_f32" : "turn_f64", turn_type(e), true);
    for (unsigned r = 0; r < lanes; r++) {
        LLVMValueRef row = emit_min(e, emit_add(e, emit_argument(e, 2), emit_int(e, r)), emit_argument(e, 3));
        address[r] = emit_address(e, element_type(e), emit_argument(e, 0), emit_mul(e, row, emit_argument(e, 1)));
    }
    ForLoop loop = emit_for(e, emit_argument(e, 6), lanes, NULL, 0);
    for (unsigned r = 0; r < lanes; r++)
        rows[r] = emit_load(e, vector_type(e), emit_address(e, element_type(e), address[r], loop.index), alignment);
    emit_turn(e, rows, lanes);
    for (unsigned r = 0; r < lanes; r++) {
        LLVMValueRef sample = emit_mul(e, emit_add(e, loop.index, emit_int(e, r)), emit_argument(e, 5));
        emit_store(e, rows[r], emit_address(e, element_type(e), emit_argument(e, 4), sample), alignment);
    }
    emit_end(e, &loop, NULL);
    LLVMBuildRetVoid(e->builder);
    come_back(e, place);
    return *function;
}

typedef struct Outer {
    LLVMValueRef out, left, right, rows, last_column, out_row, scratch;
} Outer;

static void outer_strip(Emitter *e, const void *context, const Strip *strip) {
    const Outer *p = context;
    LLVMValueRef lanes = emit_int(e, emit_lanes(e, e->real)), turn = turn_function(e);
    ForLoop pass = emit_passes(e, e->batch, SAMPLES);
    Panel panel = {.out_row = p->out_row,
                   .a_row = e->batch_padded,
                   .a_step = emit_int(e, 1),
                   .fetches = emit_int(e, 0),
                   .x = p->scratch};
    panel.out = emit_address(e, element_type(e), p->out, strip->column);
    set_start(e, &panel, pass.index);
    panel.a = emit_address(e, element_type(e), p->left, pass.index);
    panel.x_step = emit_mul(e, strip->width, lanes);
    panel.rows = p->rows;
    panel.depth = pass_length(e, &pass, e->batch, SAMPLES);
    ForLoop part = emit_for(e, strip->width, 1, NULL, 0);
    LLVMValueRef from = emit_address(e, element_type(e), p->right, pass.index), skip = emit_mul(e, part.index, lanes);
    LLVMValueRef to = emit_address(e, element_type(e), p->scratch, skip);
    LLVMValueRef first = emit_add(e, strip->column, skip);
    LLVMValueRef arguments[] = {from, e->batch_padded, first, p->last_column, to, panel.x_step, panel.depth};
    LLVMBuildCall2(e->builder, turn_type(e), turn, arguments, 7, "");
    emit_end(e, &part, NULL);
    call_panel(e, strip, &panel);
    emit_end(e, &pass, NULL);
}

void emit_outer_kernel(Emitter *e) {
    LLVMTypeRef block = LLVMArrayType2(vector_type(e), PANEL_MAX * SAMPLES);
    Outer p = {.scratch = LLVMBuildAlloca(e->builder, block, "scratch")};
    LLVMSetAlignment(p.scratch, 64);
    p.out = emit_operand(e, 0);
    p.left = emit_operand(e, 1);
    p.right = emit_array(e, 2);
    p.rows = emit_extent(e, 0);
    LLVMValueRef columns = emit_extent(e, 1);
    p.last_column = LLVMBuildSub(e->builder, columns, emit_int(e, 1), "");
    p.out_row = emit_stride(e, 0);
    emit_strips(e, columns, outer_strip, &p);
}
