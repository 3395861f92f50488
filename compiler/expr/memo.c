// Open addressing with linear search; at most half of the table is in use.
#include "memo.h"
#include <stdlib.h>
#include <string.h>

// Where a key is, or the free place for it. Multiplicative hashing: Knuth, The Art of Computer Programming 3, 6.4.
static uint32_t place_of(const ExprMemo *memo, Expr key) {
    uint32_t mask = memo->capacity - 1, at = key * UINT32_C(2654435769) >> 7 & mask;
    while (memo->keys[at] && memo->keys[at] != key) at = (at + 1) & mask;
    return at;
}

uint32_t expr_memo_get(const ExprMemo *memo, Expr key) {
    return memo->capacity ? memo->values[place_of(memo, key)] : 0;
}

static void grow(ExprMemo *memo) {
    ExprMemo larger = {.capacity = memo->capacity ? 2 * memo->capacity : 64, .count = memo->count};
    larger.keys = memory_resize(NULL, larger.capacity, sizeof *larger.keys);
    larger.values = memory_resize(NULL, larger.capacity, sizeof *larger.values);
    memset(larger.keys, 0, larger.capacity * sizeof *larger.keys);
    memset(larger.values, 0, larger.capacity * sizeof *larger.values);
    for (uint32_t i = 0; i < memo->capacity; i++) {
        if (!memo->keys[i]) continue;
        uint32_t at = place_of(&larger, memo->keys[i]);
        larger.keys[at] = memo->keys[i];
        larger.values[at] = memo->values[i];
    }
    expr_memo_free(memo);
    *memo = larger;
}

void expr_memo_set(ExprMemo *memo, Expr key, uint32_t value) {
    if (2 * memo->count >= memo->capacity) grow(memo);
    uint32_t at = place_of(memo, key);
    if (!memo->keys[at]) memo->count++;
    memo->keys[at] = key;
    memo->values[at] = value;
}

void expr_memo_free(ExprMemo *memo) {
    free(memo->keys);
    free(memo->values);
    *memo = (ExprMemo){0};
}
