// The walk of evaluate.c, included once for each kind of number, with NUMBER, ELEMENT, NAME, REAL_PART and EVALUATE
// defined. No include guard: it is meant to be read more than once.

typedef struct NAME(Walk) {
    const ExprStore *store;
    ELEMENT *element;
    void *context;
    const int64_t *index_values;
    int64_t batch;
    uint64_t stamps; // given out so far
    struct {
        Expr expr;
        uint64_t stamp;
        NUMBER value;
    } remembered[REMEMBERED];
} NAME(Walk);

static NUMBER NAME(value)(NAME(Walk) * walk, const Frame *frame, Expr expr);

static double NAME(real)(NAME(Walk) * walk, const Frame *frame, Expr expr) {
    return REAL_PART(NAME(value)(walk, frame, expr));
}

static int64_t NAME(index)(NAME(Walk) * walk, const Frame *frame, Index index) {
    for (; frame; frame = frame->outer)
        if (frame->index == index) return frame->value;
    assert(walk->index_values && "a free index variable has no value");
    return walk->index_values[index];
}

static int64_t NAME(position)(NAME(Walk) * walk, const Frame *frame, Expr expr) {
    return (int64_t)llround(NAME(real)(walk, frame, expr));
}

static NUMBER NAME(access)(NAME(Walk) * walk, const Frame *frame, const ExprNode *node) {
    int64_t position[MAX_POSITIONS];
    assert(node->count <= MAX_POSITIONS);
    for (uint32_t i = 0; i < node->count; i++) position[i] = NAME(position)(walk, frame, node->argument[i]);
    ExprVersion version = frame->previous ? VERSION_OLD : node->version;
    return walk->element(walk->context, node->symbol, version, position, node->count);
}

// A sum or a maximum. A NaN stays the maximum; of equal terms the first one does.
static NUMBER NAME(reduce)(NAME(Walk) * walk, const Frame *frame, const ExprNode *node) {
    bool maximum = node->kind == EXPR_MAXIMUM;
    NUMBER result = maximum ? -INFINITY : 0;
    int64_t extent = node->index == INDEX_BATCH ? walk->batch : index_info(walk->store, node->index)->extent;
    for (int64_t i = 0; i < extent; i++) {
        Frame inner = {frame, ++walk->stamps, node->index, i, frame->previous};
        NUMBER term = NAME(value)(walk, &inner, node->argument[0]);
        if (!maximum) {
            result += term;
        } else if (REAL_PART(term) > REAL_PART(result) || isnan(REAL_PART(term))) {
            result = term;
        }
    }
    return result;
}

static NUMBER NAME(previous)(NAME(Walk) * walk, const Frame *frame, Expr expr) {
    Frame inner = {frame, ++walk->stamps, 0, 0, true};
    return NAME(value)(walk, &inner, expr);
}

static NUMBER NAME(fold)(NAME(Walk) * walk, const Frame *frame, const ExprNode *node) {
    NUMBER result = NAME(value)(walk, frame, node->argument[0]);
    for (uint32_t i = 1; i < node->count; i++) {
        NUMBER next = NAME(value)(walk, frame, node->argument[i]);
        result = node->kind == EXPR_ADD ? result + next : NAME(product)(result, next);
    }
    return result;
}

// min(a, b) and max(a, b) are b where the comparison fails: ties follow b, and a NaN in b is kept.
static NUMBER NAME(choose)(NAME(Walk) * walk, const Frame *frame, const ExprNode *node) {
    NUMBER a = NAME(value)(walk, frame, node->argument[0]), b = NAME(value)(walk, frame, node->argument[1]);
    double x = REAL_PART(a), y = REAL_PART(b);
    return (node->kind == EXPR_MIN ? x < y : x > y) ? a : b;
}

static bool NAME(truth)(NAME(Walk) * walk, const Frame *frame, const ExprNode *node) {
    const Expr *argument = node->argument;
    double a = NAME(real)(walk, frame, argument[0]);
    switch (node->kind) {
    case EXPR_NOT: return a == 0;
    case EXPR_AND: return a != 0 && NAME(real)(walk, frame, argument[1]) != 0;
    case EXPR_OR: return a != 0 || NAME(real)(walk, frame, argument[1]) != 0;
    case EXPR_LESS: return a < NAME(real)(walk, frame, argument[1]);
    case EXPR_LESS_EQUAL: return a <= NAME(real)(walk, frame, argument[1]);
    default: return a == NAME(real)(walk, frame, argument[1]); // EXPR_EQUAL
    }
}

static NUMBER NAME(compute)(NAME(Walk) * walk, const Frame *frame, const ExprNode *node) {
    const Expr *argument = node->argument;
    switch (node->kind) {
    case EXPR_CONST: return node->value;
    case EXPR_INDEX: return (double)NAME(index)(walk, frame, node->index);
    case EXPR_ACCESS: return NAME(access)(walk, frame, node);
    case EXPR_ADD:
    case EXPR_MUL: return NAME(fold)(walk, frame, node);
    case EXPR_POWER: return NAME(power)(NAME(value)(walk, frame, argument[0]), NAME(value)(walk, frame, argument[1]));
    case EXPR_CALL: return NAME(call)(node->function, NAME(value)(walk, frame, argument[0]));
    case EXPR_MIN:
    case EXPR_MAX: return NAME(choose)(walk, frame, node);
    case EXPR_SELECT:
        return NAME(value)(walk, frame, NAME(real)(walk, frame, argument[0]) != 0 ? argument[1] : argument[2]);
    case EXPR_LESS:
    case EXPR_LESS_EQUAL:
    case EXPR_EQUAL:
    case EXPR_AND:
    case EXPR_OR:
    case EXPR_NOT: return NAME(truth)(walk, frame, node);
    case EXPR_SUM:
    case EXPR_MAXIMUM: return NAME(reduce)(walk, frame, node);
    case EXPR_DELTA: return NAME(position)(walk, frame, argument[0]) == NAME(position)(walk, frame, argument[1]);
    case EXPR_PREVIOUS: return NAME(previous)(walk, frame, argument[0]);
    case EXPR_STOP: return NAME(real)(walk, frame, argument[0]); // no derivative passes
    case EXPR_AHEAD:
    case EXPR_LOWPASS:
    case EXPR_DELAY:
    case EXPR_RATE:
    case EXPR_KIND_COUNT: break;
    }
    assert(false && "operators on signals have no value before discretisation");
    return NAN;
}

static NUMBER NAME(value)(NAME(Walk) * walk, const Frame *frame, Expr expr) {
    ExprNode node = expr_node(walk->store, expr);
    // Leaves cost less than a look into the table.
    if (node.count == 0 || node.kind == EXPR_ACCESS) return NAME(compute)(walk, frame, &node);
    uint32_t place = expr % REMEMBERED;
    if (walk->remembered[place].expr != expr || walk->remembered[place].stamp != frame->stamp) {
        NUMBER value = NAME(compute)(walk, frame, &node);
        walk->remembered[place].expr = expr;
        walk->remembered[place].stamp = frame->stamp;
        walk->remembered[place].value = value;
    }
    return walk->remembered[place].value;
}

NUMBER EVALUATE(const ExprStore *store, Expr expr, ELEMENT *element, void *context, const int64_t *index_values,
                int64_t batch) {
    NAME(Walk)
    walk = {.store = store, .element = element, .context = context, .index_values = index_values, .batch = batch};
    const Frame outermost = {.stamp = 0};
    return NAME(value)(&walk, &outermost, expr);
}

#undef NUMBER
#undef ELEMENT
#undef NAME
#undef REAL_PART
#undef EVALUATE
