// Operations as expressions of C. What is used once is written where it is used, as long as the line stays readable;
// everything else gets a local with a name. The order of operations, and so every bit, is that of the loops form.
#include "writer.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

// How tightly an expression binds.
typedef enum Binding {
    BIND_CHOICE,
    BIND_LOGIC,
    BIND_COMPARE,
    BIND_BITS,
    BIND_SUM,
    BIND_PRODUCT,
    BIND_SIGN,
    BIND_ATOM
} Binding;

enum { LONGEST = 64 }; // of an expression that is written inside another

typedef struct Piece {
    const char *text; // NULL until the operation was written
    Binding binding;
    uint32_t uses;
    bool lanes;
} Piece;

typedef struct Standing { // of an operation among the loops that body_write opens
    uint32_t level;       // how many it is inside of
    bool reads;           // depends on an access
    bool leaves;          // is used further inside
} Standing;

typedef struct Writing {
    const Body *body;
    const char *indent;
    Piece *pieces;
    Standing *standing;
    Text *out;
    NameSet *names;
    const char **locals; // per access: the local it was read into
} Writing;

const char *real_type(LoopReal real) { return real == LOOP_F32 ? "float" : "double"; }
const char *real_suffix(LoopReal real) { return real == LOOP_F32 ? "f" : ""; }
const char *number_type(const Writer *w, LoopReal real) { return w->options->fraction ? "int32_t" : real_type(real); }
static const char *int_type(LoopReal real) { return real == LOOP_F32 ? "uint32_t" : "uint64_t"; }

void need(Writer *w, LoopReal real, CHelper helper) {
    w->helpers[real][helper] = true;
    if (helper == HELPER_ABS || helper == HELPER_COPYSIGN)
        w->helpers[real][HELPER_TO_BITS] = w->helpers[real][HELPER_FROM_BITS] = true;
    if (helper == HELPER_LARGEST) w->helpers[real][HELPER_LARGER] = true;
}

const char *helper_name(CHelper helper, LoopReal real, Arena *arena) {
    static const char *const names[] = {"to_bits", "from_bits", "abs",    "copysign", "min",
                                        "max",     "sqrt",      "larger", "sum",      "largest"};
    return arena_format(arena, "lequel_%s%s", names[helper], real_suffix(real));
}

// ---- Numbers --------------------------------------------------------------------------------------------------------

static const char *special_literal(Writer *w, LoopReal real, double value) {
    need(w, real, HELPER_FROM_BITS);
    const char *bits = real == LOOP_F32 ? (isnan(value) ? "UINT32_C(0x7fc00000)"
                                           : value > 0  ? "UINT32_C(0x7f800000)"
                                                        : "UINT32_C(0xff800000)")
                                        : (isnan(value) ? "UINT64_C(0x7ff8000000000000)"
                                           : value > 0  ? "UINT64_C(0x7ff0000000000000)"
                                                        : "UINT64_C(0xfff0000000000000)");
    return arena_format(w->arena, "%s(%s)", helper_name(HELPER_FROM_BITS, real, w->arena), bits);
}

// The shortest decimal that a compiler reads back to the same number.
const char *real_literal(Writer *w, LoopReal real, double value) {
    if (w->options->fraction) {
        char decimal[48];
        if (isinf(value) || isnan(value)) return value < 0 ? "INT32_MIN" : value > 0 ? "INT32_MAX" : "0";
        number_format(decimal, value);
        return arena_format(w->arena, strpbrk(decimal, ".e") ? "LEQUEL_Q(%s)" : "LEQUEL_Q(%s.0)", decimal);
    }
    if (isnan(value) || isinf(value)) return special_literal(w, real, value);
    char text[48];
    if (real == LOOP_F32) {
        value = (double)(float)value;
        for (int digits = 1; digits <= 9; digits++) {
            snprintf(text, sizeof text, "%.*g", digits, value);
            char *end = text + strlen(text);
            double back;
            if (number_parse(text, end, &back) && (float)back == (float)value) break;
        }
    } else {
        number_format(text, value);
    }
    if (!strpbrk(text, ".e")) strcat(text, ".0");
    return arena_format(w->arena, "%s%s", text, real_suffix(real));
}

// ---- Operations -----------------------------------------------------------------------------------------------------

static Arena *arena_of(const Writing *g) { return g->body->w->arena; }

// An operand in a place where at least `needed` must bind.
static const char *operand(const Writing *g, uint32_t op, Binding needed) {
    const Piece *piece = &g->pieces[op];
    return piece->binding >= needed ? piece->text : arena_format(arena_of(g), "(%s)", piece->text);
}

static bool are_lanes(const Writing *g, const LoopOp *op) {
    uint32_t numbers[3], operands = loop_op_operands(op, numbers);
    if (op->kind == LOOP_LOAD) return g->body->moves && g->body->moves[op->a];
    for (uint32_t k = 0; k < operands; k++)
        if (g->pieces[numbers[k]].lanes) return true;
    return false;
}

static const char *lane_suffix(const Writing *g, const LoopOp *op) { return are_lanes(g, op) ? "_v" : ""; }

// An operand of an operation that takes vectors only.
static const char *vector(const Writing *g, const LoopOp *op, uint32_t number, Binding needed) {
    if (!are_lanes(g, op) || g->pieces[number].lanes) return operand(g, number, needed);
    const char *f = real_suffix(g->body->real);
    if (loop_op_type(g->body->ops, number) == LOOP_BOOL)
        return arena_format(arena_of(g), "lequel_mask%s(%s)", f, operand(g, number, BIND_CHOICE));
    return arena_format(arena_of(g), "lequel_splat%s(%s)", f, operand(g, number, BIND_CHOICE));
}

static const char *binary(const Writing *g, const LoopOp *op, const char *sign, Binding binding, Binding right) {
    return arena_format(arena_of(g), "%s %s %s", operand(g, op->a, binding), sign, operand(g, op->b, right));
}

static const char *applied(const Writing *g, const LoopOp *op, CHelper helper, uint32_t count) {
    if (!are_lanes(g, op)) need(g->body->w, g->body->real, helper);
    const char *name =
        arena_format(arena_of(g), "%s%s", helper_name(helper, g->body->real, arena_of(g)), lane_suffix(g, op));
    if (count == 1) return arena_format(arena_of(g), "%s(%s)", name, operand(g, op->a, BIND_CHOICE));
    return arena_format(arena_of(g), "%s(%s, %s)", name, vector(g, op, op->a, BIND_CHOICE),
                        vector(g, op, op->b, BIND_CHOICE));
}

// Whether an operation is a negation that can be written as a subtraction by its only user.
static bool is_negated(const Writing *g, uint32_t op) {
    return g->body->ops[op].kind == LOOP_NEG && g->pieces[op].uses == 1 && g->pieces[op].binding == BIND_SIGN;
}

// a + -b as a - b: the same number.
static const char *added(const Writing *g, const LoopOp *op) {
    const LoopOp *ops = g->body->ops;
    bool second = is_negated(g, op->b), first = !second && is_negated(g, op->a);
    if (!first && !second) return binary(g, op, "+", BIND_SUM, BIND_PRODUCT);
    uint32_t plus = first ? op->b : op->a, minus = ops[first ? op->a : op->b].a;
    return arena_format(arena_of(g), "%s - %s", operand(g, plus, BIND_SUM), operand(g, minus, BIND_PRODUCT));
}

// a*b + c, with -a*b + c as c - a*b: the same number, and easier to read.
static const char *multiply_add(const Writing *g, const LoopOp *op) {
    const LoopOp *ops = g->body->ops;
    for (int side = 0; side < 2; side++) {
        uint32_t negated = side ? op->b : op->a, other = side ? op->a : op->b;
        if (!is_negated(g, negated)) continue;
        const char *first = operand(g, ops[negated].a, BIND_PRODUCT), *second = operand(g, other, BIND_SIGN);
        return arena_format(arena_of(g), "%s - %s * %s", operand(g, op->c, BIND_SUM), first, second);
    }
    return arena_format(arena_of(g), "%s + %s * %s", operand(g, op->c, BIND_SUM), operand(g, op->a, BIND_PRODUCT),
                        operand(g, op->b, BIND_SIGN));
}

static const char *called(const Writing *g, const LoopOp *op) {
    Writer *w = g->body->w;
    bool lanes = are_lanes(g, op);
    (lanes ? w->lane_functions : w->functions)[g->body->real][op->bits] = true;
    const char *name = arena_format(w->arena, "lequel_%s%s%s", maths_name((MathFunction)op->bits),
                                    real_suffix(g->body->real), lane_suffix(g, op));
    if (op->bits != MATH_POWER) return arena_format(w->arena, "%s(%s)", name, operand(g, op->a, BIND_CHOICE));
    return arena_format(w->arena, "%s(%s, %s)", name, vector(g, op, op->a, BIND_CHOICE),
                        vector(g, op, op->b, BIND_CHOICE));
}

static Piece shifted(const Writing *g, const LoopOp *op) {
    LoopReal real = g->body->real;
    if (op->kind != LOOP_IASR)
        return (Piece){arena_format(arena_of(g), "%s %s %" PRIu64, operand(g, op->a, BIND_ATOM),
                                    op->kind == LOOP_ISHL ? "<<" : ">>", op->bits),
                       BIND_BITS, 0, false};
    const char *is_signed = real == LOOP_F32 ? "int32_t" : "int64_t";
    return (Piece){arena_format(arena_of(g), "(%s)((%s)%s >> %" PRIu64 ")", int_type(real), is_signed,
                                operand(g, op->a, BIND_ATOM), op->bits),
                   BIND_SIGN, 0, false};
}

const char *slot_text(Arena *arena, const char *text, const char *slot) {
    const char *mark = strstr(text, SLOT_MARK);
    if (!mark) return text;
    return arena_format(arena, "%.*s(int)%s%s", (int)(mark - text), text, slot, mark + strlen(SLOT_MARK));
}

// The text of an access: an element, or a vector from there on.
static const char *loaded(const Writing *g, uint32_t access) {
    const char *text = g->body->accesses[access].text;
    uint32_t slot = g->body->accesses[access].slot;
    if (slot) text = slot_text(arena_of(g), text, operand(g, slot - 1, BIND_ATOM));
    bool lanes = g->body->moves && g->body->moves[access] && !g->body->vectors;
    return lanes ? arena_format(arena_of(g), "lequel_load%s(&%s)", real_suffix(g->body->real), text) : text;
}

// What vectors of GNU C have other spellings for.
static bool piece_of_lanes(const Writing *g, const LoopOp *op, Piece *piece) {
    static const char *const comparison[LOOP_OP_COUNT] = {[LOOP_LT] = "<", [LOOP_LE] = "<=", [LOOP_EQ] = "=="};
    Arena *arena = arena_of(g);
    const char *f = real_suffix(g->body->real);
    switch (op->kind) {
    case LOOP_LT:
    case LOOP_LE:
    case LOOP_EQ:
        piece->text = arena_format(arena, "(lequel_m%s)(%s %s %s)", f, vector(g, op, op->a, BIND_SUM),
                                   comparison[op->kind], vector(g, op, op->b, BIND_SUM));
        piece->binding = BIND_SIGN;
        return true;
    case LOOP_AND:
    case LOOP_OR:
        piece->text = arena_format(arena, "%s %s %s", vector(g, op, op->a, BIND_ATOM), op->kind == LOOP_AND ? "&" : "|",
                                   vector(g, op, op->b, BIND_ATOM));
        piece->binding = BIND_BITS;
        return true;
    case LOOP_NOT:
        piece->text = arena_format(arena, "~%s", operand(g, op->a, BIND_ATOM));
        piece->binding = BIND_SIGN;
        return true;
    case LOOP_SELECT:
        if (!g->pieces[op->a].lanes) {
            // The two may differ in how they are aligned, which is part of a type: both are cast.
            const char *type = arena_format(arena, "(lequel_v%s)", f);
            piece->text = arena_format(arena, "%s ? %s%s : %s%s", operand(g, op->a, BIND_LOGIC), type,
                                       vector(g, op, op->b, BIND_ATOM), type, vector(g, op, op->c, BIND_ATOM));
            piece->binding = BIND_CHOICE;
            return true;
        }
        if (loop_op_type(g->body->ops, op->b) != LOOP_REAL)
            text_add(g->body->w->error, "compiler bug: lanes that are no numbers are chosen");
        piece->text = arena_format(arena, "lequel_select%s(%s, %s, %s)", f, operand(g, op->a, BIND_CHOICE),
                                   vector(g, op, op->b, BIND_CHOICE), vector(g, op, op->c, BIND_CHOICE));
        piece->binding = BIND_ATOM;
        return true;
    default: return false;
    }
}

static Piece piece_of_number(const Writing *g, const LoopOp *op) {
    LoopReal real = g->body->real;
    if (op->kind == LOOP_LOAD) {
        const char *local = g->locals[op->a];
        const char *text = local ? local : loaded(g, op->a);
        return (Piece){text, *text == '(' ? BIND_SIGN : BIND_ATOM, 0, are_lanes(g, op)};
    }
    if (op->kind == LOOP_ICONST)
        return (Piece){
            arena_format(arena_of(g), "%s(0x%" PRIx64 ")", real == LOOP_F32 ? "UINT32_C" : "UINT64_C", op->bits),
            BIND_ATOM, 0, false};
    const char *text = real_literal(g->body->w, real, op->value);
    return (Piece){text, *text == '-' ? BIND_SIGN : BIND_ATOM, 0, false};
}

// Fixed-point arithmetic is calls of functions that round and saturate.
static bool piece_of_fixed(const Writing *g, const LoopOp *op, Piece *piece) {
    static const char *const names[LOOP_OP_COUNT] = {
        [LOOP_ADD] = "add", [LOOP_SUB] = "sub", [LOOP_MUL] = "mul", [LOOP_DIV] = "div",           [LOOP_NEG] = "neg",
        [LOOP_ABS] = "abs", [LOOP_MIN] = "min", [LOOP_MAX] = "max", [LOOP_COPYSIGN] = "copysign", [LOOP_SQRT] = "sqrt"};
    Arena *arena = arena_of(g);
    piece->binding = BIND_ATOM;
    if (op->kind == LOOP_FMA) {
        piece->text = arena_format(arena, "lequel_add(%s, lequel_mul(%s, %s))", operand(g, op->c, BIND_CHOICE),
                                   operand(g, op->a, BIND_CHOICE), operand(g, op->b, BIND_CHOICE));
        return true;
    }
    uint32_t numbers[3], operands = loop_op_operands(op, numbers);
    const char *name = op->kind == LOOP_CALL ? maths_name((MathFunction)op->bits) : names[op->kind];
    if (!name) return false;
    piece->text = operands == 1 ? arena_format(arena, "lequel_%s(%s)", name, operand(g, op->a, BIND_CHOICE))
                                : arena_format(arena, "lequel_%s(%s, %s)", name, operand(g, op->a, BIND_CHOICE),
                                               operand(g, op->b, BIND_CHOICE));
    return true;
}

static bool piece_of_helper(const Writing *g, const LoopOp *op, Piece *piece) {
    switch (op->kind) {
    case LOOP_ABS: piece->text = applied(g, op, HELPER_ABS, 1); break;
    case LOOP_SQRT: piece->text = applied(g, op, HELPER_SQRT, 1); break;
    case LOOP_MIN: piece->text = applied(g, op, HELPER_MIN, 2); break;
    case LOOP_MAX: piece->text = applied(g, op, HELPER_MAX, 2); break;
    case LOOP_COPYSIGN: piece->text = applied(g, op, HELPER_COPYSIGN, 2); break;
    case LOOP_TO_BITS: piece->text = applied(g, op, HELPER_TO_BITS, 1); break;
    case LOOP_FROM_BITS: piece->text = applied(g, op, HELPER_FROM_BITS, 1); break;
    default: return false;
    }
    piece->binding = BIND_ATOM;
    return true;
}

static Piece piece_of(const Writing *g, uint32_t number) {
    const LoopOp *op = &g->body->ops[number];
    Piece special = {0};
    if (g->body->w->options->fraction && piece_of_fixed(g, op, &special)) return special;
    if (are_lanes(g, op) && piece_of_lanes(g, op, &special)) return special;
    if (piece_of_helper(g, op, &special)) return special;
    switch (op->kind) {
    case LOOP_CONST:
    case LOOP_ICONST:
    case LOOP_LOAD: return piece_of_number(g, op);
    case LOOP_ADD: return (Piece){added(g, op), BIND_SUM, 0, false};
    case LOOP_IADD: return (Piece){binary(g, op, "+", BIND_SUM, BIND_PRODUCT), BIND_SUM, 0, false};
    case LOOP_SUB:
    case LOOP_ISUB: return (Piece){binary(g, op, "-", BIND_SUM, BIND_PRODUCT), BIND_SUM, 0, false};
    case LOOP_MUL: return (Piece){binary(g, op, "*", BIND_PRODUCT, BIND_SIGN), BIND_PRODUCT, 0, false};
    case LOOP_DIV: return (Piece){binary(g, op, "/", BIND_PRODUCT, BIND_SIGN), BIND_PRODUCT, 0, false};
    case LOOP_FMA: return (Piece){multiply_add(g, op), BIND_SUM, 0, false};
    case LOOP_NEG: return (Piece){arena_format(arena_of(g), "-%s", operand(g, op->a, BIND_ATOM)), BIND_SIGN, 0, false};
    case LOOP_LT: return (Piece){binary(g, op, "<", BIND_SUM, BIND_SUM), BIND_COMPARE, 0, false};
    case LOOP_LE: return (Piece){binary(g, op, "<=", BIND_SUM, BIND_SUM), BIND_COMPARE, 0, false};
    case LOOP_EQ: return (Piece){binary(g, op, "==", BIND_SUM, BIND_SUM), BIND_COMPARE, 0, false};
    case LOOP_AND: return (Piece){binary(g, op, "&&", BIND_COMPARE, BIND_COMPARE), BIND_LOGIC, 0, false};
    case LOOP_OR: return (Piece){binary(g, op, "||", BIND_COMPARE, BIND_COMPARE), BIND_LOGIC, 0, false};
    case LOOP_NOT: return (Piece){arena_format(arena_of(g), "!%s", operand(g, op->a, BIND_ATOM)), BIND_SIGN, 0, false};
    case LOOP_SELECT:
        return (Piece){arena_format(arena_of(g), "%s ? %s : %s", operand(g, op->a, BIND_LOGIC),
                                    operand(g, op->b, BIND_LOGIC), operand(g, op->c, BIND_LOGIC)),
                       BIND_CHOICE, 0, false};
    case LOOP_IAND: return (Piece){binary(g, op, "&", BIND_ATOM, BIND_ATOM), BIND_BITS, 0, false};
    case LOOP_IOR: return (Piece){binary(g, op, "|", BIND_ATOM, BIND_ATOM), BIND_BITS, 0, false};
    case LOOP_IXOR: return (Piece){binary(g, op, "^", BIND_ATOM, BIND_ATOM), BIND_BITS, 0, false};
    case LOOP_ISHL:
    case LOOP_ISHR:
    case LOOP_IASR: return shifted(g, op);
    case LOOP_CALL: return (Piece){called(g, op), BIND_ATOM, 0, false};
    default: break; // maths.c does without rounding and conversions
    }
    text_addf(g->body->w->error, "compiler bug: operation %d has no form in C", (int)op->kind);
    return (Piece){"0", BIND_ATOM, 0, false};
}

// ---- Locals ---------------------------------------------------------------------------------------------------------

static const char *type_of(const Writing *g, uint32_t op) {
    const char *f = real_suffix(g->body->real);
    LoopValueType type = loop_op_type(g->body->ops, op);
    if (g->pieces[op].lanes)
        return arena_format(arena_of(g), "lequel_%c%s", type == LOOP_INT ? 'b' : type == LOOP_BOOL ? 'm' : 'v', f);
    switch (type) {
    case LOOP_INT: return int_type(g->body->real);
    case LOOP_BOOL: return "int";
    default: return number_type(g->body->w, g->body->real);
    }
}

static void count_uses(const Writing *g) {
    for (uint32_t i = g->body->count; i-- > 0;) { // what nobody uses does not count as a user
        uint32_t numbers[3], operands = loop_op_operands(&g->body->ops[i], numbers);
        for (uint32_t r = 0; r < g->body->result_count; r++) g->pieces[i].uses += g->body->results[r] == i;
        for (uint32_t k = 0; k < operands && g->pieces[i].uses; k++) g->pieces[numbers[k]].uses++;
        const LoopOp *op = &g->body->ops[i];
        uint32_t slot = op->kind == LOOP_LOAD ? g->body->accesses[op->a].slot : 0;
        if (slot && g->pieces[i].uses) g->pieces[slot - 1].uses++;
    }
}

static bool is_result(const Body *body, uint32_t op) {
    for (uint32_t r = 0; r < body->result_count; r++)
        if (body->results[r] == op) return true;
    return false;
}

// Numbers and elements are written again wherever they are used; a value that has a name of its own is named unless
// it only goes to its array.
static bool wants_local(const Writing *g, uint32_t op) {
    const Body *body = g->body;
    LoopOpKind kind = body->ops[op].kind;
    if (kind == LOOP_CONST || kind == LOOP_ICONST) return false;
    if (kind == LOOP_LOAD) return body->row_arrays && g->standing[op].leaves; // not to be read again in each loop
    if (kind == LOOP_NEG && g->pieces[op].uses == 1 && !g->standing[op].leaves) return false;
    if (g->pieces[op].uses > 1 || g->standing[op].leaves) return true;
    if (is_result(body, op)) return false;
    return (body->wanted && body->wanted[op]) || strlen(g->pieces[op].text) > LONGEST;
}

static void bind_accesses(const Writing *g) {
    for (uint32_t i = 0; i < g->body->count; i++) {
        const LoopOp *op = &g->body->ops[i];
        if (op->kind != LOOP_LOAD || !g->pieces[i].uses || !g->body->bound || !g->body->bound[op->a]) continue;
        if (g->locals[op->a]) continue;
        const CAccess *access = &g->body->accesses[op->a];
        const char *name = name_make(g->names, arena_format(arena_of(g), "old_%s", access->member));
        const char *type = number_type(g->body->w, g->body->real);
        if (g->body->moves && g->body->moves[op->a])
            type = arena_format(arena_of(g), "lequel_v%s", real_suffix(g->body->real));
        text_addf(g->out, "%sconst %s %s = %s;\n", g->indent, type, name, loaded(g, op->a));
        g->locals[op->a] = name;
    }
}

static void find_levels(const Writing *g) {
    const Body *body = g->body;
    for (uint32_t i = 0; body->loops && i < body->count; i++) {
        Standing *here = &g->standing[i];
        uint32_t numbers[3], operands = loop_op_operands(&body->ops[i], numbers);
        uint32_t slot = body->ops[i].kind == LOOP_LOAD ? body->accesses[body->ops[i].a].slot : 0;
        if (slot) numbers[operands++] = slot - 1;
        here->reads = body->ops[i].kind == LOOP_LOAD;
        here->level = here->reads ? body->level[body->ops[i].a] : 0;
        for (uint32_t k = 0; k < operands; k++) {
            const Standing *operand = &g->standing[numbers[k]];
            here->reads |= operand->reads;
            if (body->row_arrays) here->level |= operand->level;
            if (operand->level > here->level) here->level = operand->level;
        }
        for (uint32_t k = 0; k < operands && g->pieces[i].uses; k++) {
            Standing *operand = &g->standing[numbers[k]];
            operand->leaves |= operand->reads && operand->level < here->level;
        }
        here->leaves |= here->reads && here->level < body->loops && is_result(body, i);
    }
}

static void write_piece(const Writing *g, uint32_t number) {
    const Body *body = g->body;
    Arena *arena = arena_of(g);
    Piece *piece = &g->pieces[number];
    uint32_t uses = piece->uses;
    *piece = piece_of(g, number);
    piece->uses = uses;
    piece->lanes = are_lanes(g, &body->ops[number]);
    if (!wants_local(g, number)) return;
    bool named = body->wanted && body->wanted[number];
    const char *name = named ? body->wanted[number] : arena_format(arena, "v%" PRIu32, number);
    if (!named && body->ops[number].kind == LOOP_LOAD) name = body->accesses[body->ops[number].a].member;
    name = name_make(body->names, name);
    if (body->row_arrays && g->standing[number].level == SWEEP_ROWS) {
        text_addf(body->row_arrays, "    %s %s[LEQUEL_ROWS];\n", type_of(g, number), name);
        name = arena_format(arena, "%s[row]", name);
        text_addf(g->out, "%s%s = %s;\n", g->indent, name, piece->text);
    } else {
        text_addf(g->out, "%sconst %s %s = %s;\n", g->indent, type_of(g, number), name, piece->text);
    }
    piece->text = name;
    piece->binding = BIND_ATOM;
}

void body_write(const Body *body, Text *out, const char **values) {
    Arena *arena = body->w->arena;
    uint32_t accesses = 0;
    for (uint32_t i = 0; i < body->count; i++)
        if (body->ops[i].kind == LOOP_LOAD && body->ops[i].a >= accesses) accesses = body->ops[i].a + 1;
    Writing g = {.body = body, .indent = body->indent, .out = out, .names = body->names};
    g.pieces = arena_new_array(arena, Piece, body->count + 1);
    g.standing = arena_new_array(arena, Standing, body->count + 1);
    g.locals = arena_new_array(arena, const char *, accesses + 1);
    count_uses(&g);
    find_levels(&g);
    for (uint32_t level = 0; level <= body->loops; level++) {
        if (level) g.indent = body->enter(body->nest, level - 1);
        if (level == body->loops) bind_accesses(&g);
        for (uint32_t i = 0; i < body->count; i++)
            if (g.pieces[i].uses && g.standing[i].level == level) write_piece(&g, i);
    }
    for (uint32_t r = 0; r < body->result_count; r++) {
        const Piece *piece = &g.pieces[body->results[r]];
        values[r] = piece->text;
        if (body->moves && !piece->lanes && r < body->numbers)
            values[r] = arena_format(arena, "lequel_splat%s(%s)", real_suffix(body->real), piece->text);
    }
}
