// What the files of the symbolic core share. Only compiler/expr includes this.
#ifndef LEQUEL_EXPR_STORE_H
#define LEQUEL_EXPR_STORE_H

#include "../support/vec.h"
#include "expr.h"

typedef Vec(Expr) ExprList;

// The handle of a node, made when it is new. No rule is applied: constructors (construct.c) do that before.
Expr expr_intern(ExprStore *store, ExprNode node);
Expr expr_intern_kind(ExprStore *store, ExprKind kind, const Expr *arguments, uint32_t count);

// The order in which terms and factors stand: by content, the same on every machine and with every compiler.
bool expr_before(const ExprStore *store, Expr a, Expr b);

#endif
