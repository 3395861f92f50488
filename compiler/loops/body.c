// Collects the operations of a kernel's body and numbers values: an operation equal to an earlier one is that earlier
// one, so that shared subexpressions are computed once. Source of the method: Cocke and Schwartz, "Programming
// languages and their compilers" (1970), value numbering over straight-line code.
#include "maths.h"
#include <string.h>

void loop_body_free(LoopBody *body) {
    vec_free(&body->ops);
    vec_free(&body->table);
}

static uint64_t bits_of(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

// Constants compare by their bits: -0 and 0 are different values, and a NaN equals itself.
static bool op_equal(const LoopOp *x, const LoopOp *y) {
    return x->kind == y->kind && x->a == y->a && x->b == y->b && x->c == y->c && x->bits == y->bits &&
           bits_of(x->value) == bits_of(y->value);
}

// Multiply and fold, field by field (the structure has padding, so its bytes cannot be hashed as they are). The factor
// is 2^64 / golden ratio, Knuth's multiplicative hashing (The Art of Computer Programming 3, section 6.4).
static uint32_t op_hash(const LoopOp *op) {
    const uint64_t fields[] = {(uint64_t)op->kind, op->a, op->b, op->c, op->bits, bits_of(op->value)};
    uint64_t hash = 0;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        hash = (hash ^ fields[i]) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 32;
    }
    return (uint32_t)hash;
}

// The slot that holds the operation, or the free one where it belongs. The table's size is a power of two.
static uint32_t *find_slot(LoopBody *body, const LoopOp *op) {
    uint32_t mask = body->table.count - 1;
    uint32_t slot = op_hash(op) & mask;
    while (body->table.items[slot] && !op_equal(&body->ops.items[body->table.items[slot] - 1], op))
        slot = (slot + 1) & mask;
    return &body->table.items[slot];
}

// Keeps at least half of the slots free. Operations are entered again from the list, the table itself holds no data.
static void make_room(LoopBody *body) {
    if (2 * (body->ops.count + 1) <= body->table.count) return;
    uint32_t slots = body->table.count ? 2 * body->table.count : 64;
    while (slots < 2 * (body->ops.count + 1)) slots *= 2;
    vec_free(&body->table);
    while (body->table.count < slots) vec_push(&body->table, 0);
    for (uint32_t i = 0; i < body->ops.count; i++) *find_slot(body, &body->ops.items[i]) = i + 1;
}

// Whether a and b may change places: exactly the operations for which the result is the same to the last bit.
static bool is_commutative(LoopOpKind kind) {
    switch (kind) {
    case LOOP_ADD:
    case LOOP_MUL:
    case LOOP_FMA: // the factors
    case LOOP_EQ:
    case LOOP_AND:
    case LOOP_OR:
    case LOOP_IADD:
    case LOOP_IAND:
    case LOOP_IOR:
    case LOOP_IXOR: return true;
    default: return false; // LOOP_MIN and LOOP_MAX treat a NaN in a and in b differently
    }
}

static uint32_t add_op(LoopBody *body, LoopOp op) {
    if (is_commutative(op.kind) && op.a > op.b) {
        uint32_t a = op.a;
        op.a = op.b;
        op.b = a;
    }
    make_room(body);
    uint32_t *slot = find_slot(body, &op);
    if (*slot) return *slot - 1;
    uint32_t number = body->ops.count;
    vec_push(&body->ops, op);
    *slot = number + 1;
    return number;
}

uint32_t loop_op(LoopBody *body, LoopOpKind kind, uint32_t a, uint32_t b, uint32_t c) {
    return add_op(body, (LoopOp){.kind = kind, .a = a, .b = b, .c = c});
}

// Constants are narrowed to the element type at once, so that two spellings of one f32 constant are one value.
uint32_t loop_const(LoopBody *body, double value) {
    if (body->real == LOOP_F32) value = (double)(float)value;
    return add_op(body, (LoopOp){.kind = LOOP_CONST, .value = value});
}

uint32_t loop_iconst(LoopBody *body, uint64_t bits) {
    if (body->real == LOOP_F32) bits &= UINT32_MAX;
    return add_op(body, (LoopOp){.kind = LOOP_ICONST, .bits = bits});
}

uint32_t loop_shift(LoopBody *body, LoopOpKind kind, uint32_t a, uint32_t by) {
    return add_op(body, (LoopOp){.kind = kind, .a = a, .bits = by});
}

uint32_t loop_call(LoopBody *body, MathFunction function, uint32_t a, uint32_t b) {
    return add_op(body, (LoopOp){.kind = LOOP_CALL, .a = a, .b = b, .bits = (uint64_t)function});
}
