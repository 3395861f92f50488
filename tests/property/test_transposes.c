// The dot-product test: a step linearised forward, y' = A x, and the step that goes backward in time, which has to be
// its transpose: <A x, y> = <x, A^T y> for random x (states and registers before the step, learned parameters) and
// random y (states and registers after it; the cost has the weight 1/batch, as in a gradient).
//   operators   one small model for each operator that a model can hold, under each order of updates. A x is found by a
//               complex step through the forward walk, A^T y by one walk of the backward step
//   filters     the same for the operator that acts in time: over a sequence, the filter of a lookahead and the one
//   that
//               an error passes backward in time (`adjoint`)
//   seen_to_fail   a backward step of which one assignment is lost is noticed
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "compiled.h"
#include "random_numbers.h"

enum { BATCH = 3 };

typedef struct Row {
    const char *what, *output, *energy, *current, *cost; // NULL: the plain one
} Row;

static const Row rows[] = {
    {"dense product", NULL, NULL, NULL, NULL},
    {"index form", NULL, NULL, "sum(j: W[i, j] * pre.r[j]) + b", NULL},
    {"transposed product", NULL, NULL, "transpose(T) @ pre.r", NULL},
    {"product of two weights", NULL, NULL, "W @ (K @ pre.r)", NULL},
    {"outer product", NULL, NULL, "outer(b, g) @ pre.r", NULL},
    {"diagonal", NULL, NULL, "sum(j: W[i, j] * K[j, j] * pre.r[j])", NULL},
    {"trace", NULL, NULL, "b * sum(j: K[j, j])", NULL},
    {"fixed indices", NULL, NULL, "W[1, 2] * pre.r[0] + W[i, 0] * pre.r[2] + b[1]", NULL},
    {"sum of squares of weights", NULL, NULL, "sum(j: W[i, j]^2 * pre.r[j]^3)", NULL},
    {"double sum", NULL, NULL, "b * sum(j, k: K[j, k] * pre.r[j] * pre.r[k])", NULL},
    {"mean over an index", NULL, NULL, "mean(j: W[i, j] * pre.r[j]) + mean(pre.r) * b", NULL},
    {"maximum over an index", NULL, NULL, "max(j: W[i, j] * pre.r[j]) + max(pre.r) * b", NULL},
    {"least, by the maximum", NULL, NULL, "W @ pre.r - max(-pre.r)", NULL},
    {"activation in the synapse", NULL, NULL, "W @ tanh(pre.r) + b", NULL},
    {"two outputs", NULL, NULL, "W @ (pre.r * pre.s) + b * sum(pre.s)", NULL},
    {"exponentials", "expm1(q) + exp(-q)", NULL, NULL, NULL},
    {"logarithms", "log(2 + q^2) + log1p(q^4)", NULL, NULL, NULL},
    {"waves", "sin(q) * cos(2*q)", NULL, NULL, NULL},
    {"sigmoids", "tanh(q) + logistic(3*q) + log1pexp(q)", NULL, NULL, NULL},
    {"roots", "sqrt(1 + q^2) + abs(q) + sign(q)*q", NULL, NULL, NULL},
    {"powers", "(1 + q^2)^0.3 + 2^q + q^3 + 1/(2 + q^2)", NULL, NULL, NULL},
    {"quotients", "q / (1 + q^2) - 3/(4 + tanh(q))", NULL, NULL, NULL},
    {"selection", "where(q > 0.1, q^2, where(q < -0.3, 3*q, -q))", NULL, NULL, NULL},
    {"logic", "where(q > 0 and not q > 0.5 or q < -0.4, q^2, 2*q)", NULL, NULL, NULL},
    {"least and greatest of two", "max(q, 0.1) * min(q, 0.3) + clamp(q, -0.2, 0.4)", NULL, NULL, NULL},
    {"held constant", "q * constant(q) + softplus(q)", NULL, NULL, NULL},
    {"two lookaheads in an output", "tanh(q) * ahead(u, tau_s)", NULL, NULL, NULL},
    {"three lookaheads", "tanh(q) + ahead(u, tau_s) * ahead(u, tau_m)", NULL, NULL, NULL},
    {"a plain state", "u + u^2 * q", NULL, NULL, NULL},
    {"parameters in an output", "tanh(kappa * q) + kappa^2", NULL, NULL, NULL},
    {"a precision", NULL, "kappa/2 * (ahead(u, tau_m) - I)^2", NULL, NULL},
    {"energies of a neuron's own", NULL, "1/2 * (ahead(u, tau_m) - I)^2 + kappa * tanh(q)^2 + 0.1 * u^2", NULL, NULL},
    {"a scaled lookahead", NULL, "1/2 * (3 * ahead(u, tau_m) - I)^2", NULL, NULL},
    {"a composed time constant", "tanh(ahead(u, tau_s + tau_r))", NULL, NULL, NULL},
    {"mean square", NULL, NULL, NULL, "mean_square(o.r, y)"},
    {"cross entropy", NULL, NULL, NULL, "cross_entropy(o.r, c)"},
    {"binary cross entropy", NULL, NULL, NULL, "binary_cross_entropy(sigmoid(o.r), sigmoid(y))"},
    {"costs of weights and times", NULL, NULL, NULL, "mse(o.r, y) + 0.1 * sum(w.W^2) + sum(a.tau_m * a.kappa)"},
    {"costs of several outputs", NULL, NULL, NULL, "sum(a.r^2) * sum(o.r) + max(a.s) + o.r[1] * a.r[2]"},
    {"costs through a product", NULL, NULL, NULL, "sum((w.W @ a.r - o.r)^2) + sum(transpose(w.W) @ o.r)"},
};
enum { ROWS = sizeof rows / sizeof *rows };

static const char *given(const char *text, const char *otherwise) { return text ? text : otherwise; }

static void write_model(Text *out, const Row *row, const char *order) {
    text_addf(out,
              "neuron Tried(tau_m, tau_r, tau_s, kappa) {\n  state u = 0\n  input I\n  let q = ahead(u, tau_r)\n"
              "  output r = %s\n  output s = q^2\n  energy %s\n}\n",
              given(row->output, "tanh(q)"), given(row->energy, "1/2 * (ahead(u, tau_m) - I)^2"));
    text_addf(out,
              "synapse Tried() {\n  weight W[post, pre] ~ uniform(-1, 1)\n  weight T[pre, post] ~ uniform(-1, 1)\n"
              "  weight K[pre, pre] ~ uniform(-1, 1)\n  weight b[post] ~ uniform(-1, 1)\n"
              "  weight g[pre] ~ uniform(-1, 1)\n  current %s\n}\n",
              given(row->current, "W @ pre.r + b"));
    text_addf(out,
              "network Transposes {\n  dt = 0.3\n  input x[2]\n  target y[2]\n  label c[2]\n"
              "  population a = Tried[3](tau_m = [2, 1, 3], tau_r = [0.5, 1, 4], tau_s = 0.7, kappa = [1, 2, 0.5])\n"
              "  population o = Leaky[2](tau_m = [1, 2], tau_r = [0.3, 2], phi = tanh)\n"
              "  connect v: x -> a by Dense()\n  connect w: a -> o by Tried()\n");
    if (strcmp(order, "sequential") != 0) text_add(out, "  connect back: o -> a by Dense()\n");
    text_addf(out,
              "  cost %s\n  dynamics bptt\n  order %s\n"
              "  learn v.W, v.b, a.tau_m, o.tau_m%s%s%s%s%s by sgd(1), clamp dt .. 9\n}\n",
              given(row->cost, "mse(o.r, y)"), order, !row->current || strstr(row->current, "W") ? ", w.W" : "",
              !row->current || strstr(row->current, "b") ? ", w.b" : "",
              row->current && strstr(row->current, "K") ? ", w.K" : "",
              row->current && strstr(row->current, "T") ? ", w.T" : "",
              (row->output && strstr(row->output, "kappa")) || (row->energy && strstr(row->energy, "kappa *"))
                  ? ", a.kappa"
                  : "");
}

// ---- Walks ----------------------------------------------------------------------------------------------------------

typedef struct Walk {
    const Compiled *compiled;
    Equations *equations;
    Step *forward, *backward;
    Symbol *carried;
    uint32_t carried_count, symbols;
    double **values;       // where a step starts, per symbol; dense, the batch last
    double complex **then; // the same with a direction in the imaginary part, and after the step
    double complex **after;
    double **old, **now; // of the backward step
} Walk;

static int64_t count_of(const Walk *w, Symbol symbol) {
    const SymbolInfo *info = symbol_info(w->compiled->model->store, symbol);
    int64_t count = info->batched ? BATCH : 1;
    for (uint32_t k = 0; k < info->rank; k++) count *= info->extent[k];
    return count;
}

static Symbol beside(const Walk *w, Symbol symbol, const char *suffix) {
    char name[96];
    const ExprStore *store = w->compiled->model->store;
    snprintf(name, sizeof name, "%s#%s", symbol_info(store, symbol)->name, suffix);
    for (Symbol s = 1; s <= symbol_count(store); s++)
        if (strcmp(symbol_info(store, s)->name, name) == 0) return s;
    fail_msg("there is no `%s`", name);
    return 0;
}

// Random values, but for constants that the compiler made and the size of the batch.
static void fill(Walk *w, Symbol symbol) {
    const Model *model = w->compiled->model;
    const SymbolInfo *info = symbol_info(model->store, symbol);
    const Array *array = model_array(model, symbol);
    bool constant = info->hidden && array && array->initial.kind == INITIAL_CONSTANT;
    for (int64_t i = 0; i < count_of(w, symbol); i++) {
        double value = between(-1, 1);
        if (info->role == ROLE_PARAMETER) value = between(0.4, 3);
        if (symbol == w->forward->batch_size) value = BATCH;
        if (constant) value = array->initial.values[array->initial.count > 1 ? i : 0];
        w->values[symbol][i] = value;
    }
}

static Walk walk_new(const Compiled *c) {
    Walk w = {.compiled = c, .equations = equations_derive(c->model)};
    assert_non_null(w.equations);
    w.backward = step_backward(w.equations);
    w.forward = step_discretise(w.equations, STEP_FORWARD);
    assert_true(w.forward && w.backward);
    w.carried = step_carried(w.forward, &w.carried_count);
    w.symbols = symbol_count(c->model->store) + 1;
    w.values = calloc(w.symbols, sizeof *w.values);
    w.then = calloc(w.symbols, sizeof *w.then);
    w.after = calloc(w.symbols, sizeof *w.after);
    w.old = calloc(w.symbols, sizeof *w.old);
    w.now = calloc(w.symbols, sizeof *w.now);
    for (Symbol s = 1; s < w.symbols; s++) {
        size_t count = (size_t)count_of(&w, s);
        w.values[s] = calloc(count, sizeof(double));
        w.then[s] = calloc(count, sizeof(double complex));
        w.after[s] = calloc(count, sizeof(double complex));
        w.old[s] = calloc(count, sizeof(double));
        w.now[s] = calloc(count, sizeof(double));
        fill(&w, s);
    }
    return w;
}

static void walk_free(Walk *w) {
    for (Symbol s = 1; s < w->symbols; s++) {
        free(w->values[s]);
        free(w->then[s]);
        free(w->after[s]);
        free(w->old[s]);
        free(w->now[s]);
    }
    free(w->values);
    free(w->then);
    free(w->after);
    free(w->old);
    free(w->now);
    free(w->carried);
    step_free(w->forward);
    step_free(w->backward);
    equations_free(w->equations);
}

// ---- The two products -----------------------------------------------------------------------------------------------

typedef struct Products {
    double forward, backward, scale;
} Products;

static double direction_of(Walk *w, Symbol symbol, int64_t i) { return cimag(w->then[symbol][i]) * 1e100; }

static void aim(Walk *w, Symbol symbol) {
    for (int64_t i = 0; i < count_of(w, symbol); i++)
        ((double *)&w->then[symbol][i])[1] = 1e-100 * between(-1, 1); // the imaginary part, by the layout of C
}

static Products products(Walk *w) {
    Products p = {0};
    for (Symbol s = 1; s < w->symbols; s++)
        for (int64_t i = 0; i < count_of(w, s); i++) w->then[s][i] = w->values[s][i];
    for (uint32_t k = 0; k < w->carried_count; k++) aim(w, w->carried[k]);
    for (uint32_t k = 0; k < w->equations->gradients.count; k++) aim(w, w->equations->gradients.items[k].parameter);
    for (Symbol s = 1; s < w->symbols; s++) {
        memcpy(w->after[s], w->then[s], (size_t)count_of(w, s) * sizeof(double complex));
        memcpy(w->old[s], w->values[s], (size_t)count_of(w, s) * sizeof(double));
        memcpy(w->now[s], w->values[s], (size_t)count_of(w, s) * sizeof(double));
    }
    step_reference_complex(w->forward, w->then, w->after, BATCH, 0);
    for (int b = 0; b < BATCH; b++) p.forward += cimag(w->after[w->forward->objective][b]) * 1e100 / BATCH;
    for (uint32_t k = 0; k < w->carried_count; k++) {
        Symbol adjoint = beside(w, w->carried[k], "adjoint");
        for (int64_t i = 0; i < count_of(w, adjoint); i++) {
            double y = w->old[adjoint][i]; // random, as everything
            w->now[adjoint][i] = y;
            p.forward += cimag(w->after[w->carried[k]][i]) * 1e100 * y;
            p.scale += fabs(cimag(w->after[w->carried[k]][i]) * 1e100 * y);
        }
    }
    for (uint32_t k = 0; k < w->equations->gradients.count; k++) {
        Symbol g = w->equations->gradients.items[k].symbol;
        memset(w->old[g], 0, (size_t)count_of(w, g) * sizeof(double));
        memset(w->now[g], 0, (size_t)count_of(w, g) * sizeof(double));
    }
    step_reference(w->backward, w->old, w->now, BATCH, 0);
    for (uint32_t k = 0; k < w->carried_count; k++) {
        Symbol adjoint = beside(w, w->carried[k], "adjoint");
        for (int64_t i = 0; i < count_of(w, adjoint); i++)
            p.backward += direction_of(w, w->carried[k], i) * w->now[adjoint][i];
    }
    for (uint32_t k = 0; k < w->equations->gradients.count; k++) {
        const Gradient *g = &w->equations->gradients.items[k];
        for (int64_t i = 0; i < count_of(w, g->parameter); i++)
            p.backward += direction_of(w, g->parameter, i) * w->now[g->symbol][i];
    }
    p.scale += fabs(p.forward);
    return p;
}

static Compiled open_row(const Row *row, const char *order, Text *text) {
    write_model(text, row, order);
    return compile_text(text_z(text), NULL, PROGRAM_REFERENCE, NULL);
}

static void operators(void **state) {
    (void)state;
    static const char *const orders[] = {"parallel", "le", "sequential"};
    double worst = 0;
    for (int r = 0; r < ROWS; r++)
        for (int o = 0; o < 3; o++) {
            Text text = {0};
            Compiled c = open_row(&rows[r], orders[o], &text);
            random_state = mix(3 * (uint64_t)r + (uint64_t)o);
            for (int again = 0; again < 3; again++) {
                Walk w = walk_new(&c);
                Products p = products(&w);
                double apart = fabs(p.forward - p.backward) / p.scale;
                worst = fmax(worst, apart);
                if (!(apart <= 1e-13)) {
                    fprintf(stderr, "%s\n%s, order %s: <A x, y> = %.17g, <x, A' y> = %.17g\n", text_z(&text),
                            rows[r].what, orders[o], p.forward, p.backward);
                    fail();
                }
                walk_free(&w);
            }
            compiled_close(&c);
            text_free(&text);
        }
    print_message("%d operators: largest difference between <A x, y> and <x, A' y> %.1e\n", ROWS, worst);
}

static void seen_to_fail(void **state) {
    (void)state;
    Text text = {0};
    Compiled c = open_row(&rows[0], "parallel", &text);
    int noticed = 0, tried = 0;
    Walk w = walk_new(&c);
    for (uint32_t i = 0; i < w.backward->assigns.count; i++) {
        StepAssign kept = w.backward->assigns.items[i];
        if (!strstr(symbol_info(c.model->store, kept.symbol)->name, "#adjoint")) continue;
        if (symbol_info(c.model->store, kept.symbol)->role != ROLE_STATE) continue; // then others read it
        w.backward->assigns.items[i].value = expr_const(c.model->store, 0);
        Products p = products(&w);
        noticed += fabs(p.forward - p.backward) / p.scale > 1e-6;
        tried++;
        w.backward->assigns.items[i] = kept;
    }
    assert_true(tried > 3);
    assert_int_equal(noticed, tried);
    walk_free(&w);
    compiled_close(&c);
    text_free(&text);
}

// ---- Over time ------------------------------------------------------------------------------------------------------

static Symbol named(const Walk *w, const char *name) {
    const ExprStore *store = w->compiled->model->store;
    for (Symbol s = 1; s <= symbol_count(store); s++)
        if (strcmp(symbol_info(store, s)->name, name) == 0) return s;
    fail_msg("there is no `%s`", name);
    return 0;
}

static void walk_step(Walk *w, const Step *step) {
    for (Symbol s = 1; s < w->symbols; s++) memcpy(w->old[s], w->now[s], (size_t)count_of(w, s) * sizeof(double));
    step_reference(step, w->old, w->now, BATCH, 0);
}

static void silence(Walk *w, const Compiled *c) {
    for (Symbol s = 1; s < w->symbols; s++) {
        const SymbolInfo *info = symbol_info(c->model->store, s);
        const Array *array = model_array(c->model, s);
        for (int64_t i = 0; i < count_of(w, s); i++)
            w->now[s][i] = info->role == ROLE_PARAMETER  ? array->initial.values[array->initial.count > 1 ? i : 0]
                           : s == w->forward->batch_size ? BATCH
                                                         : 0;
    }
}

// q = F x forward; a cost -<y, q> sends y back, and what arrives at the membrane has to be F' y.
static void filters(void **state) {
    (void)state;
    enum { N = 5, LENGTH = 200 };
    static double x[LENGTH][N * BATCH], y[LENGTH][N * BATCH];
    static const char text[] = "network Filters {\n  dt = 0.1\n  input x[5]\n  target y[5]\n"
                               "  population a = Leaky[5](tau_m = [0.1, 0.5, 1, 3, 2], tau_r = [1, 0.1, 1, 0.4, 5])\n"
                               "  connect w: x -> a by Identity()\n  cost -sum(y * a.r)\n  dynamics adjoint\n"
                               "  order sequential\n}\n";
    Compiled c = compile_text(text, NULL, PROGRAM_REFERENCE, NULL);
    random_state = 5;
    Walk w = walk_new(&c);
    Symbol x_now = named(&w, "x"), y_now = named(&w, "y"), q = named(&w, "a.u_ahead.tau_r"), e = named(&w, "a.error");
    double left[N] = {0}, right[N] = {0}, scale[N] = {0};
    silence(&w, &c);
    for (int n = 0; n < LENGTH; n++) {
        for (int i = 0; i < N * BATCH; i++) {
            w.now[x_now][i] = x[n][i] = between(-1, 1);
            y[n][i] = between(-1, 1);
        }
        walk_step(&w, w.forward);
        for (int i = 0; i < N * BATCH; i++) {
            left[i / BATCH] += y[n][i] * w.now[q][i];
            scale[i / BATCH] += fabs(y[n][i] * w.now[q][i]);
        }
    }
    silence(&w, &c);
    for (int n = LENGTH; n-- > 0;) {
        memcpy(w.now[y_now], y[n], sizeof y[n]);
        walk_step(&w, w.backward);
        for (int i = 0; i < N * BATCH; i++) right[i / BATCH] += x[n][i] * w.now[e][i];
    }
    for (int i = 0; i < N; i++)
        if (!(fabs(left[i] - right[i]) <= 1e-13 * scale[i]))
            fail_msg("neuron %d: <F x, y> = %.17g, <x, F' y> = %.17g", i, left[i], right[i]);
    walk_free(&w);
    compiled_close(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operators),
        cmocka_unit_test(filters),
        cmocka_unit_test(seen_to_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
