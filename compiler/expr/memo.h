// What a walk over an expression has found for each part: a hash table by handle. A walk costs what the expression is
// large, not what all expressions of a model together are.
#ifndef LEQUEL_EXPR_MEMO_H
#define LEQUEL_EXPR_MEMO_H

#include "expr.h"

typedef struct ExprMemo { // zeroed: empty
    Expr *keys;
    uint32_t *values;
    uint32_t capacity, count; // capacity: 0 or a power of two
} ExprMemo;

uint32_t expr_memo_get(const ExprMemo *memo, Expr key); // 0: nothing was found yet
void expr_memo_set(ExprMemo *memo, Expr key, uint32_t value);
void expr_memo_free(ExprMemo *memo);

#endif
