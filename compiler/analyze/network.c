// What populations do to each other: loops of connections and how strongly a turn of them acts, the longest way of the
// error, and the feedback of errors through the output (science of GLE: a nudged membrane moves the very output that
// made the error). Weights are the initial ones; the slope of an activation is replaced by its largest one.
#include "matrix.h"
#include "parts.h"
#include <math.h>
#include <string.h>

enum { SLOPE_SAMPLES = 400 };
static const double SLOPE_RANGE = 20; // lookaheads between -20 and 20 are tried

// ---- Slopes ---------------------------------------------------------------------------------------------------------

// The largest |d output/d lookahead|. Infinite when it keeps growing, NaN when it depends on something else.
static double largest_slope(Work *w, const NeuronEquations *n, const Population *p, const Gate *gate, int64_t unit) {
    if (gate->trivial) return 1;
    double largest = 0, inner = 0;
    Reader *r = &w->reader;
    r->met_signal = false;
    r->probe = n->leaves.items[gate->leaf].symbol;
    for (int i = 0; i <= SLOPE_SAMPLES; i++) {
        r->probe_value = SLOPE_RANGE * (2.0 * i / SLOPE_SAMPLES - 1);
        double slope = fabs(reader_evaluate(r, gate->value, p->own, unit, 0, 0));
        largest = fmax(largest, slope);
        if (fabs(r->probe_value) <= SLOPE_RANGE / 2) inner = fmax(inner, slope);
    }
    r->probe = 0;
    return r->met_signal ? (double)NAN : largest > 1.05 * inner ? INFINITY : largest;
}

static bool reads_parameter(const ExprStore *store, Expr expr, void *context) {
    ExprNode node = expr_node(store, expr);
    if (node.kind == EXPR_ACCESS && symbol_info(store, node.symbol)->role == ROLE_PARAMETER) *(bool *)context = true;
    return true;
}

// How much of an input a lookahead shows within the same step; of several inputs the largest.
static double feed_through(const AnalyzePopulation *p, uint32_t leaf, int64_t unit) {
    double largest = NAN;
    for (uint32_t k = 0; k < p->kind_count; k++)
        for (uint32_t u = 0; u < p->kinds[k].count; u++)
            for (uint32_t i = 0; p->kinds[k].units[u] == unit && i < p->path_count; i++)
                if (!p->paths[i].is_error && p->paths[i].leaf == leaf && p->kinds[k].transfers[i].has_step)
                    largest = fmax(largest, fabs(p->kinds[k].transfers[i].step.d));
    return largest;
}

// Per unit: how much an output follows its lookaheads at most; with `instant`, its input within the same step.
static void output_slopes(Work *w, uint32_t number, uint32_t output, bool instant, double *slopes) {
    const AnalyzePopulation *out = &w->analysis->populations.items[number];
    const NeuronEquations *n = population_equations(w->analysis, number);
    const Population *p = &w->analysis->model->populations.items[out->number];
    memset(slopes, 0, p->size * sizeof *slopes);
    for (uint32_t g = 0; g < n->gates.count; g++) {
        const Gate *gate = &n->gates.items[g];
        bool differs = false;
        if (gate->inside || gate->output != output) continue;
        expr_visit(w->reader.store, gate->value, reads_parameter, &differs);
        double slope = largest_slope(w, n, p, gate, 0);
        for (uint32_t u = 0; u < p->size; u++) {
            if (differs && u) slope = largest_slope(w, n, p, gate, u);
            slopes[u] += slope * (instant ? feed_through(out, gate->leaf, u) : 1);
        }
    }
}

// ---- Connections as matrices ----------------------------------------------------------------------------------------

// How strongly something acts does not depend on when.
static Expr at_once(ExprStore *store, Expr node, void *context) {
    ExprNode n = expr_node(store, node);
    (void)context;
    return n.kind == EXPR_DELAY ? n.argument[0] : node;
}

// d current / d message at the initial weights.
static void add_message(Work *w, const Connection *c, uint32_t message, const double *slopes, Matrix *m) {
    ExprStore *s = w->reader.store;
    const Population *target = &w->analysis->model->populations.items[c->target];
    Index column = index_new(s, arena_atom_z(w->analysis->model->arena, "pre"), m->columns);
    Expr at = expr_index(s, column);
    Expr current = expr_rewrite(s, c->current, at_once, NULL);
    Expr by = expr_derivative(s, current, c->messages.items[message], &at, 1);
    w->reader.met_signal = false;
    for (uint32_t i = 0; m->at && i < m->rows; i++)
        for (uint32_t j = 0; m->at && j < m->columns; j++) {
            double value = reader_evaluate(&w->reader, by, target->own, i, column, j) * slopes[j];
            double *sum = &m->at[(size_t)i * m->columns + j];
            *sum = c->messages.count > 1 ? *sum + fabs(value) : value; // of several outputs: they may all agree
            if (w->reader.met_signal)
                matrix_forget(m, "a current depends on its message in a way that changes");
            else if (!isfinite(value))
                matrix_forget(m, "the slope of an activation has no bound");
        }
}

static uint32_t output_number(const Population *p, Symbol symbol) {
    uint32_t number = 0;
    while (number < p->outputs.count && p->outputs.items[number].symbol != symbol) number++;
    return number;
}

// A connection as a matrix [post, pre] from the source's lookaheads; with `instant`, from its inputs of the same step.
static Matrix connection_matrix(Work *w, const Connection *c, bool instant) {
    const Population *source = &w->analysis->model->populations.items[c->source];
    const Population *target = &w->analysis->model->populations.items[c->target];
    Matrix m = matrix_new(target->size, source->size);
    int64_t number = population_of(w->analysis, c->source);
    if (number < 0) matrix_forget(&m, "a population has no equations");
    double *slopes = memory_resize(NULL, source->size, sizeof *slopes);
    for (uint32_t i = 0; m.at && i < c->messages.count; i++) {
        uint32_t output = output_number(source, c->messages.items[i]);
        output_slopes(w, (uint32_t)number, output, instant, slopes);
        add_message(w, c, i, slopes, &m);
    }
    free(slopes);
    return m;
}

// ---- Loops of connections -------------------------------------------------------------------------------------------

// reach[a * n + b]: a sends to b, over any number of connections.
static bool *reachable(const Analysis *a) {
    uint32_t n = a->populations.count;
    bool *reach = memory_resize(NULL, (size_t)n * n + 1, sizeof *reach);
    memset(reach, 0, (size_t)n * n + 1);
    for (uint32_t c = 0; c < a->model->connections.count; c++) {
        const Connection *connection = &a->model->connections.items[c];
        if (connection->from_external || !connection->messages.count) continue;
        int64_t source = population_of(a, connection->source), target = population_of(a, connection->target);
        if (source >= 0 && target >= 0) reach[source * n + target] = true;
    }
    for (uint32_t k = 0; k < n; k++)
        for (uint32_t i = 0; i < n; i++)
            for (uint32_t j = 0; reach[i * n + k] && j < n; j++) reach[i * n + j] |= reach[k * n + j];
    return reach;
}

static uint32_t member_offset(const Analysis *a, const AnalyzeLoop *loop, int64_t number) {
    uint32_t offset = 0;
    for (uint32_t i = 0; i < loop->members.count; i++) {
        if (loop->members.items[i] == number) return offset;
        offset += a->populations.items[loop->members.items[i]].size;
    }
    return UINT32_MAX;
}

// One turn: all connections within the loop as one matrix, each lookahead by how much of its input it shows at once.
static void bound_loop(Work *w, AnalyzeLoop *loop) {
    const Analysis *a = w->analysis;
    Vec(Block) blocks = {0};
    uint32_t size = 0;
    for (uint32_t i = 0; i < loop->members.count; i++) size += a->populations.items[loop->members.items[i]].size;
    loop->known = ANALYZE_KNOWN;
    for (uint32_t c = 0; c < a->model->connections.count; c++) {
        const Connection *connection = &a->model->connections.items[c];
        if (connection->from_external || !connection->messages.count) continue;
        uint32_t column = member_offset(a, loop, population_of(a, connection->source));
        uint32_t row = member_offset(a, loop, population_of(a, connection->target));
        if (column == UINT32_MAX || row == UINT32_MAX) continue;
        Block block = {connection_matrix(w, connection, true), row, column};
        if (!block.matrix.at) {
            loop->known = ANALYZE_UNKNOWN;
            loop->why = block.matrix.why;
        }
        vec_push(&blocks, block);
    }
    if (loop->known == ANALYZE_KNOWN) loop->bound = blocks_norm(&(Blocks){blocks.items, blocks.count, size, size});
    for (uint32_t b = 0; b < blocks.count; b++) free(blocks.items[b].matrix.at);
    vec_free(&blocks);
}

static void find_loops(Work *w, const bool *reach) {
    Analysis *a = w->analysis;
    uint32_t n = a->populations.count;
    for (uint32_t i = 0; i < n; i++) {
        bool first = reach[i * n + i];
        for (uint32_t k = 0; k < i; k++) first &= !(reach[i * n + k] && reach[k * n + i]);
        if (!first) continue;
        AnalyzeLoop loop = {0};
        for (uint32_t k = i; k < n; k++)
            if (reach[i * n + k] && reach[k * n + i]) vec_push(&loop.members, k);
        bound_loop(w, &loop);
        vec_push(&a->loops, loop);
    }
}

// ---- The longest way of the error -----------------------------------------------------------------------------------

typedef struct Way {
    uint32_t depth;
    double noise;
    int64_t next;
    bool done, open;
} Way;

// The longest way down from a population, of equally long ones the noisiest; a loop is passed once.
static void longest_way(const Analysis *a, Way *ways, uint32_t number) {
    Way *way = &ways[number], best = {.noise = 1, .next = -1};
    way->open = true;
    for (uint32_t c = 0; c < a->equations->connections.count; c++) {
        const ConnectionEquations *ce = &a->equations->connections.items[c];
        const Connection *connection = &a->model->connections.items[ce->connection];
        if (!ce->carries_error || connection->target != a->populations.items[number].number) continue;
        int64_t source = population_of(a, connection->source);
        if (source < 0 || !a->populations.items[source].has_error || ways[source].open) continue;
        if (!ways[source].done) longest_way(a, ways, (uint32_t)source);
        const Way *below = &ways[source];
        if (below->depth > best.depth || (below->depth == best.depth && below->noise > best.noise))
            best = (Way){.depth = below->depth, .noise = below->noise, .next = source};
    }
    *way = (Way){best.depth + 1, best.noise * a->populations.items[number].noise, best.next, true, false};
}

static bool makes_errors(const Analysis *a, uint32_t number) {
    const NeuronEquations *n = population_equations(a, number);
    bool makes = false;
    for (uint32_t e = 0; e < n->output_errors.count; e++) makes |= n->output_errors.items[e].cost != 0;
    for (uint32_t e = 0; e < n->errors.count; e++) makes |= n->errors.items[e].own != 0;
    return makes && n->has_error;
}

static void find_deepest(Analysis *a) {
    uint32_t n = a->populations.count;
    Way *ways = memory_resize(NULL, n + 1, sizeof *ways);
    memset(ways, 0, (n + 1) * sizeof *ways);
    int64_t best = -1;
    for (uint32_t i = 0; i < n; i++) {
        if (!makes_errors(a, i)) continue;
        if (!ways[i].done) longest_way(a, ways, i);
        bool deeper = best < 0 || ways[i].depth > ways[best].depth;
        if (deeper || (ways[i].depth == ways[best].depth && ways[i].noise > ways[best].noise)) best = i;
    }
    a->deepest_noise = a->deepest_noise_rms = 1;
    for (int64_t i = best; i >= 0; i = ways[i].next) {
        vec_push(&a->deepest, (uint32_t)i);
        a->deepest_noise *= a->populations.items[i].noise;
        a->deepest_noise_rms *= a->populations.items[i].noise_rms;
    }
    free(ways);
}

typedef struct OldRead {
    Symbol symbol;
    bool found;
} OldRead;

static bool find_old_read(const ExprStore *store, Expr expr, void *context) {
    OldRead *read = context;
    ExprNode node = expr_node(store, expr);
    read->found |= node.kind == EXPR_ACCESS && node.symbol == read->symbol && node.version == VERSION_OLD;
    return !read->found;
}

// Whether what is assigned to one signal reads another one's value of the step before.
static bool waits(const Work *w, Symbol reader, Symbol symbol) {
    OldRead read = {.symbol = symbol};
    for (uint32_t i = 0; i < w->step->assigns.count; i++)
        if (w->step->assigns.items[i].symbol == reader)
            expr_visit(w->reader.store, w->step->assigns.items[i].value, find_old_read, &read);
    return read.found;
}

// A connection along the error's way: rates go up from source to target, errors down.
static void add_waits(Work *w, uint32_t above, uint32_t below) {
    Analysis *a = w->analysis;
    const NeuronEquations *target = population_equations(a, above), *source = population_equations(a, below);
    for (uint32_t c = 0; c < a->equations->connections.count; c++) {
        const ConnectionEquations *ce = &a->equations->connections.items[c];
        const Connection *connection = &a->model->connections.items[ce->connection];
        if (!ce->downward.count || connection->source != source->population) continue;
        if (connection->target != target->population) continue;
        const Population *p = &a->model->populations.items[connection->target];
        a->waits_up += waits(w, p->ports.items[connection->port].symbol, connection->messages.items[0]);
        a->waits_down += waits(w, ce->downward.items[0], target->error);
        bool down = false;
        for (uint32_t e = 0; e < source->output_errors.count; e++)
            down |= waits(w, source->output_errors.items[e].symbol, ce->downward.items[0]);
        a->waits_down += down;
        return;
    }
}

// The cost waits for the output, and so do all that it sends errors to.
static void count_waits(Work *w) {
    Analysis *a = w->analysis;
    if (principle_find(a->model->dynamics.principle)->course != COURSE_ONLINE)
        return; // errors wait for the window's end
    for (uint32_t i = 0; i + 1 < a->deepest.count; i++) add_waits(w, a->deepest.items[i], a->deepest.items[i + 1]);
    if (!a->deepest.count) return;
    const NeuronEquations *top = population_equations(a, a->deepest.items[0]);
    const Population *p = &a->model->populations.items[top->population];
    bool up = false;
    for (uint32_t e = 0; e < top->output_errors.count; e++)
        up |= top->output_errors.items[e].cost &&
              waits(w, top->output_errors.items[e].symbol, p->outputs.items[top->output_errors.items[e].output].symbol);
    a->waits_up += up;
}

// ---- Feedback of errors through the output --------------------------------------------------------------------------

static void feedback_unknown(Work *w, AnalyzeKnown known, const char *why) {
    AnalyzeFeedback *f = &w->analysis->feedback;
    if (f->known == ANALYZE_UNKNOWN) return;
    f->known = known;
    f->why = arena_atom_z(w->analysis->arena, why);
}

// d2 C / d output_i d output_j as a matrix: its largest eigenvalue is beta.
static Matrix cost_curvature(Work *w, const Population *p, const OutputError *error) {
    ExprStore *s = w->reader.store;
    Index column = index_new(s, arena_atom_z(w->analysis->model->arena, "other"), p->size);
    Expr at = expr_index(s, column);
    Expr second = expr_derivative(s, error->cost, p->outputs.items[error->output].symbol, &at, 1);
    Matrix m = matrix_new(p->size, p->size);
    w->reader.met_signal = false;
    for (uint32_t i = 0; m.at && i < p->size; i++)
        for (uint32_t j = 0; m.at && j < p->size; j++) {
            m.at[(size_t)i * p->size + j] = reader_evaluate(&w->reader, second, p->own, i, column, j);
            if (w->reader.met_signal) matrix_forget(&m, "the second derivative of the cost is not constant");
        }
    return m;
}

typedef struct Jacobians { // of one output's lookaheads by the drives of all populations
    Work *work;
    const bool *reach;
    uint32_t output;
    Matrix *j;
    bool *done;
} Jacobians;

static bool leads_on(const Jacobians *js, uint32_t number) {
    return number == js->output || js->reach[number * js->work->analysis->populations.count + js->output];
}

// After all populations that it sends to: the sum over them of J[target] * W.
static void jacobian_of(Jacobians *js, uint32_t source) {
    const Analysis *a = js->work->analysis;
    if (js->done[source]) return;
    js->done[source] = true;
    Matrix *own = &js->j[source];
    *own = matrix_new(js->j[js->output].rows, a->populations.items[source].size);
    for (uint32_t c = 0; c < a->model->connections.count; c++) {
        const Connection *connection = &a->model->connections.items[c];
        if (connection->from_external || population_of(a, connection->source) != source) continue;
        int64_t target = population_of(a, connection->target);
        if (target < 0 || !connection->messages.count || !leads_on(js, (uint32_t)target)) continue;
        jacobian_of(js, (uint32_t)target);
        const Matrix *above = &js->j[target];
        Matrix m = connection_matrix(js->work, connection, false);
        if (!m.at || !above->at) matrix_forget(own, m.at ? above->why : m.why);
        for (uint32_t o = 0; own->at && o < own->rows; o++)
            matrix_add_product(&m, true, above->at + (size_t)o * m.rows, own->at + (size_t)o * m.columns);
        free(m.at);
    }
}

// J = d lookaheads of the output / d drives, at the largest slopes; own.at and own.why NULL where there is no way.
static Matrix *jacobians(Work *w, uint32_t output, Matrix own, const bool *reach) {
    uint32_t n = w->analysis->populations.count;
    Jacobians js = {.work = w, .reach = reach, .output = output};
    js.j = memory_resize(NULL, n, sizeof *js.j);
    js.done = memory_resize(NULL, n, sizeof *js.done);
    memset(js.j, 0, n * sizeof *js.j);
    memset(js.done, 0, n * sizeof *js.done);
    js.j[output] = own;
    js.done[output] = true;
    for (uint32_t i = 0; i < n; i++)
        if (leads_on(&js, i)) jacobian_of(&js, i);
    free(js.done);
    return js.j;
}

static Matrix slopes_matrix(Work *w, uint32_t number, uint32_t output) {
    uint32_t size = w->analysis->populations.items[number].size;
    Matrix m = matrix_new(size, size);
    double *slopes = memory_resize(NULL, size, sizeof *slopes);
    output_slopes(w, number, output, false, slopes);
    for (uint32_t i = 0; m.at && i < size; i++) {
        m.at[(size_t)i * size + i] = slopes[i];
        if (!isfinite(slopes[i])) matrix_forget(&m, "the slope of an activation has no bound");
    }
    free(slopes);
    return m;
}

// beta * sum over l of gamma_l |J_l|^2 for the errors that one cost makes at one output.
static void add_feedback(Work *w, uint32_t number, const OutputError *error, const bool *reach) {
    Analysis *a = w->analysis;
    uint32_t n = a->populations.count;
    const Population *p = &a->model->populations.items[a->populations.items[number].number];
    Matrix curvature = cost_curvature(w, p, error);
    if (!curvature.at) {
        feedback_unknown(w, ANALYZE_UNKNOWN, curvature.why);
        return;
    }
    double beta = matrix_norm(&curvature);
    free(curvature.at);
    Matrix *j = jacobians(w, number, slopes_matrix(w, number, error->output), reach);
    for (uint32_t l = 0; l < n; l++) {
        const AnalyzePopulation *layer = &a->populations.items[l];
        if (!layer->has_error || layer->gamma == 0 || !(j[l].at || j[l].why)) continue;
        if (!j[l].at) {
            feedback_unknown(w, ANALYZE_UNKNOWN, j[l].why);
            continue;
        }
        double norm = matrix_norm(&j[l]);
        a->feedback.strength += beta * fabs(layer->gamma) * norm * norm;
    }
    a->feedback.beta = fmax(a->feedback.beta, beta);
    for (uint32_t l = 0; l < n; l++) free(j[l].at);
    free(j);
}

static void measure_feedback(Work *w, const bool *reach) {
    Analysis *a = w->analysis;
    bool nudged = false;
    a->feedback.known = ANALYZE_KNOWN;
    for (uint32_t i = 0; i < a->populations.count; i++)
        nudged |= a->populations.items[i].has_error && a->populations.items[i].gamma != 0;
    if (!nudged) {
        feedback_unknown(w, ANALYZE_ABSENT, "no error acts on a membrane (gamma is 0)");
        return;
    }
    if (a->loops.count) {
        feedback_unknown(w, ANALYZE_UNKNOWN, "the network is recurrent");
        return;
    }
    for (uint32_t i = 0; i < a->populations.count; i++) {
        const NeuronEquations *n = population_equations(a, i);
        for (uint32_t e = 0; n->has_error && e < n->output_errors.count; e++)
            if (n->output_errors.items[e].cost) add_feedback(w, i, &n->output_errors.items[e], reach);
        for (uint32_t e = 0; n->has_error && e < n->errors.count; e++)
            if (n->errors.items[e].own) feedback_unknown(w, ANALYZE_UNKNOWN, "a neuron's own energy makes errors");
    }
}

void network_analyze(Work *w) {
    bool *reach = reachable(w->analysis);
    find_loops(w, reach);
    find_deepest(w->analysis);
    count_waits(w);
    measure_feedback(w, reach);
    free(reach);
}
