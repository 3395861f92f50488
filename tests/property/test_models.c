// Random models, compiled in every way and simulated by hand.
//   random_models       code generator, interpreter of the loops form and reference evaluator agree in every array and
//                       every step, with each other and with a plain simulator written from the semantics; so does
//                       float, loosely; what is recorded changes nothing
//   repeats_its_bits    one seed, one trajectory
//   shares_weights      a second instance with another batch reads the weights of the first and leaves its states alone
//   descends_the_cost   errors of a settled network give the gradient of its cost
//   filters_are_inverse the error neuron undoes the neuron, and the other way round
//   matched_is_instant  with equal time constants no time constant and no time step matters
// The seed is fixed, so a failure repeats; it prints the model. LEQUEL_LLVM_MODULE names the code generator; without
// it the interpreter takes its place.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "random_numbers.h"
#include "runtime/program.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MODELS = 160, STEPS = 40, EVALUATED = 6 };
enum { LAYERS = 4, LINKS = 12, INPUTS = 2, WIDEST = 20, LARGEST_BATCH = 17, RULES = 2 };

// ---- Random numbers -------------------------------------------------------------------------------------------------

// Element `i` of what is fed to external `external` at step `n`: the same numbers for every program of a model.
static double signal_at(uint64_t seed, int64_t n, int external, int i) {
    uint64_t place = ((uint64_t)n * 8 + (uint64_t)external) * 4096 + (uint64_t)i;
    return 2 * unit_real(mix(mix(seed) + place * 0x9e3779b97f4a7c15u)) - 1;
}

// ---- Activations ----------------------------------------------------------------------------------------------------

typedef enum Phi {
    LINEAR,
    SIGMOID,
    TANH,
    SOFTPLUS,
    SOFTRELU,
    SWISH,
    RELU,
    LEAKY_RELU,
    HARD_SIGMOID,
    HARD_TANH,
    ELU,
    PHI_COUNT
} Phi;

#define SMOOTH RELU // activations before this one have a continuous derivative

static const char *const phi_name[PHI_COUNT] = {"linear",       "sigmoid",   "tanh", "softplus",
                                                "softrelu",     "swish",     "relu", "leaky_relu",
                                                "hard_sigmoid", "hard_tanh", "elu"};

static double logistic(double x) { return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x)); }
static double log1pexp(double x) { return fmax(x, 0) + log1p(exp(-fabs(x))); }

static double phi_value(Phi phi, double x) {
    switch (phi) {
    case LINEAR: return x;
    case SIGMOID: return logistic(x);
    case TANH: return tanh(x);
    case SOFTPLUS: return x > 20 ? x : log1pexp(x);
    case SOFTRELU: return x >= 15 ? x : x <= -15 ? 0 : log1pexp(x);
    case SWISH: return x * logistic(x);
    case RELU: return x > 0 ? x : 0;
    case LEAKY_RELU: return x > 0 ? x : 0.01 * x;
    case HARD_SIGMOID: return x < 0 ? 0 : x > 1 ? 1 : x;
    case HARD_TANH: return x < -1 ? -1 : x > 1 ? 1 : x;
    case ELU: return x > 0 ? x : expm1(x);
    case PHI_COUNT: break;
    }
    return NAN;
}

static double phi_slope(Phi phi, double x) {
    switch (phi) {
    case LINEAR: return 1;
    case SIGMOID: return logistic(x) * logistic(-x);
    case TANH: return 1 - tanh(x) * tanh(x);
    case SOFTPLUS: return logistic(x);
    case SOFTRELU: return x >= 15 ? 1 : x <= -15 ? 0 : logistic(x);
    case SWISH: return logistic(x) + x * logistic(x) * logistic(-x);
    case RELU: return x > 0;
    case LEAKY_RELU: return x > 0 ? 1 : 0.01;
    case HARD_SIGMOID: return x >= 0 && x <= 1;
    case HARD_TANH: return x >= -1 && x <= 1;
    case ELU: return x > 0 ? 1 : exp(x);
    case PHI_COUNT: break;
    }
    return NAN;
}

// ---- Specifications -------------------------------------------------------------------------------------------------
// A model as data: its text is made from it, and the simulator reads it.

typedef enum CostKind { NO_COST, MSE, MEAN_SQUARE, CROSS_ENTROPY } CostKind;
typedef enum LinkKind { DENSE, LINEAR_LINK, IDENTITY, LATE } LinkKind;
typedef enum Target { WEIGHT_W, WEIGHT_B, TAU_M, TAU_R, TARGET_COUNT } Target;

typedef struct Layer {
    int size;
    Phi phi;
    double tau_m[WIDEST], tau_r[WIDEST];
    bool one_tau; // written as one number
    bool has_gamma;
    double gamma;
    CostKind cost;
    double beta;
} Layer;

typedef struct Link {
    int from, to; // from: a layer, or -1 - input
    LinkKind kind;
    Phi phi; // of LATE
    bool has_bias;
} Link;

typedef struct Rule {
    bool used, all, adam, momentum_given, clamped, from_time;
    double rate, momentum, low, high;
    int from, until; // steps; until 0: no end
} Rule;

typedef struct Spec {
    uint64_t seed;
    double dt;
    int batch, layers, links, inputs;
    int input_size[INPUTS];
    PrincipleKind principle;
    OrderKind order;
    double gamma;
    bool started; // states and registers start at random values
    Layer layer[LAYERS];
    Link link[LINKS];
    Rule rule[RULES];
    int8_t learner[TARGET_COUNT][LINKS]; // 0: not learned, else the rule + 1; by link or layer
} Spec;

static const char *const principle_word[] = {"instant", "le", "gle"};
static const char *const order_word[] = {"parallel", "le", "sequential"};
static const char *const cost_word[] = {"", "mse", "mean_square", "cross_entropy"};

static int link_width(const Spec *spec, const Link *link) {
    return link->from < 0 ? spec->input_size[-1 - link->from] : spec->layer[link->from].size;
}

static bool has_weights(const Link *link) { return link->kind != IDENTITY; }

// Names: of a layer, a link, an array that can be learned.
static const char *layer_name(const Spec *spec, int layer) {
    static const char *const names[] = {"h0", "h1", "h2", "out"};
    return layer == spec->layers - 1 ? "out" : names[layer];
}

static void array_name(char name[32], const Spec *spec, Target target, int of) {
    static const char *const members[] = {"W", "b", "tau_m", "tau_r"};
    if (target <= WEIGHT_B)
        snprintf(name, 32, "w%d.%s", of, members[target]);
    else
        snprintf(name, 32, "%s.%s", layer_name(spec, of), members[target]);
}

// ---- Random specifications ------------------------------------------------------------------------------------------

static int random_width(void) { return chance(75) ? 1 + below(7) : 1 + below(WIDEST); }

static void random_taus(Spec *spec, Layer *layer) {
    bool matched = spec->principle == PRINCIPLE_LE || chance(30);
    layer->one_tau = chance(25);
    for (int i = 0; i < layer->size; i++) {
        layer->tau_m[i] = spec->dt * exp(between(0, log(20)));
        bool equal = matched || chance(30);
        layer->tau_r[i] = equal ? layer->tau_m[i] : fmax(spec->dt, layer->tau_m[i] * between(0.15, 1.3));
        if (layer->one_tau) layer->tau_m[i] = layer->tau_m[0], layer->tau_r[i] = layer->tau_r[0];
    }
}

static void add_link(Spec *spec, int from, int to) {
    if (spec->links == LINKS) return;
    Link link = {.from = from, .to = to, .phi = (Phi)below(PHI_COUNT)};
    bool square = link_width(spec, &link) == spec->layer[to].size;
    int kind = below(10);
    link.kind = kind < 4 ? DENSE : kind < 6 ? LINEAR_LINK : kind < 8 && square ? IDENTITY : LATE;
    link.has_bias = link.kind == DENSE;
    spec->link[spec->links++] = link;
}

// The first connection into a population. With it the drive is never 0 but for a silent source: the lookahead of no
// drive is 0 but for rounding, and a kink there would make the comparison a matter of luck.
static void add_first_link(Spec *spec, int from, int to) {
    add_link(spec, from, to);
    Link *link = &spec->link[spec->links - 1];
    if (from >= 0 && spec->layer[from].phi >= SMOOTH) link->kind = DENSE, link->has_bias = true;
    link->phi = (Phi)((int)link->phi % SMOOTH);
}

static void random_layers(Spec *spec) {
    for (int i = 0; i < spec->inputs; i++) spec->input_size[i] = random_width();
    for (int k = 0; k < spec->layers; k++) {
        Layer *layer = &spec->layer[k];
        layer->size = k && chance(30) ? spec->layer[k - 1].size : random_width();
        layer->phi = (Phi)below(PHI_COUNT);
        random_taus(spec, layer);
        layer->has_gamma = spec->order != ORDER_SEQUENTIAL && chance(40);
        layer->gamma = layer->has_gamma ? (chance(30) ? 0 : between(-0.2, 0.2)) : spec->gamma;
        bool last = k == spec->layers - 1;
        if (!last && !chance(20)) continue;
        layer->cost = (CostKind)(1 + below(layer->size > 1 ? 3 : 2));
        layer->beta = between(0.05, 1);
    }
}

static void random_links(Spec *spec) {
    for (int k = 0; k < spec->layers; k++) {
        add_first_link(spec, k ? k - 1 : -1, k);
        if (chance(30)) add_link(spec, k ? k - 1 : -1, k);           // two between the same populations
        if (k > 1 && chance(40)) add_link(spec, below(k - 1), k);    // skips a population
        if (chance(25)) add_link(spec, -1 - below(spec->inputs), k); // from an input
        bool recurrent = spec->order == ORDER_PARALLEL && chance(25);
        if (recurrent) add_link(spec, k + below(spec->layers - k), k); // from itself or from above
    }
    if (spec->inputs > 1) add_link(spec, -2, below(spec->layers));
}

static void random_rule(Spec *spec, Rule *rule, bool times) {
    rule->used = true;
    rule->adam = chance(50);
    rule->rate = rule->adam ? between(0.001, 0.01) : between(0.005, 0.05);
    if (times) rule->rate *= spec->dt;
    rule->momentum_given = chance(50);
    rule->momentum = rule->momentum_given ? between(0, 0.9) : 0;
    rule->from = chance(50) ? below(15) : 0;
    rule->until = chance(30) ? rule->from + 1 + below(25) : 0;
    rule->from_time = chance(50);
    rule->clamped = times || chance(30);
    rule->low = times ? spec->dt : -between(0.1, 1);
    rule->high = times ? 25 * spec->dt : between(0.1, 1);
}

static void random_learning(Spec *spec) {
    int kind = below(10);
    if (kind == 0) return;
    random_rule(spec, &spec->rule[0], false);
    spec->rule[0].all = kind < 4;
    for (int k = 0; k < spec->links; k++) {
        if (!has_weights(&spec->link[k])) continue;
        for (int t = WEIGHT_W; t <= (spec->link[k].has_bias ? WEIGHT_B : WEIGHT_W); t++)
            spec->learner[t][k] = spec->rule[0].all || chance(70);
    }
    if (spec->principle != PRINCIPLE_LE && chance(60)) {
        random_rule(spec, &spec->rule[1], true);
        for (int k = 0; k < spec->layers; k++)
            for (int t = TAU_M; t <= TAU_R; t++) spec->learner[t][k] = chance(50) ? 2 : 0;
    }
    for (int r = 0; r < RULES; r++) { // a rule needs a target
        bool used = false;
        for (int t = 0; t < TARGET_COUNT; t++)
            for (int k = 0; k < LINKS; k++) used |= spec->learner[t][k] == r + 1;
        spec->rule[r].used = used;
    }
}

static Spec random_spec(uint64_t seed) {
    static const double steps[] = {0.1, 0.05, 0.25, 1};
    static const int batches[] = {1, 3, 3, 17};
    random_state = seed;
    Spec spec = {.seed = seed};
    spec.dt = steps[below(4)];
    spec.batch = batches[below(4)];
    spec.layers = 1 + below(LAYERS);
    spec.inputs = 1 + below(INPUTS);
    spec.principle = (PrincipleKind)below(PRINCIPLE_GLE + 1); // those that the simulator knows
    spec.order = (OrderKind)below(ORDER_COUNT);
    double gamma = between(0, 0.2);
    spec.gamma = spec.order == ORDER_SEQUENTIAL || chance(40) ? 0 : gamma;
    spec.started = chance(60);
    random_layers(&spec);
    random_links(&spec);
    random_learning(&spec);
    return spec;
}

// ---- Model text -----------------------------------------------------------------------------------------------------

static void write_taus(Text *out, const char *name, const Layer *layer, const double *tau) {
    text_addf(out, "%s = ", name);
    if (!layer->one_tau) text_add(out, "[");
    for (int i = 0; i < (layer->one_tau ? 1 : layer->size); i++) {
        if (i) text_add(out, ", ");
        text_add_number(out, tau[i]);
    }
    if (!layer->one_tau) text_add(out, "]");
}

static void write_layer(Text *out, const Spec *spec, int k) {
    const Layer *layer = &spec->layer[k];
    text_addf(out, "  population %s = Leaky[%d](", layer_name(spec, k), layer->size);
    write_taus(out, "tau_m", layer, layer->tau_m);
    write_taus(out, ", tau_r", layer, layer->tau_r);
    text_addf(out, ", phi = %s)", phi_name[layer->phi]);
    if (layer->has_gamma) text_add(out, " with gamma = "), text_add_number(out, layer->gamma);
    text_add(out, "\n");
}

static void write_link(Text *out, const Spec *spec, int k) {
    const Link *link = &spec->link[k];
    text_addf(out, "  connect w%d: ", k);
    if (link->from < 0)
        text_addf(out, "x%d", -1 - link->from);
    else
        text_add(out, layer_name(spec, link->from));
    text_addf(out, " -> %s by ", layer_name(spec, link->to));
    if (link->kind == DENSE)
        text_add(out, "Dense()");
    else if (link->kind == LINEAR_LINK)
        text_add(out, "Linear(w0 ~ uniform(-0.4, 0.4))");
    else if (link->kind == IDENTITY)
        text_add(out, "Identity()");
    else
        text_addf(out, "Late(phi = %s)", phi_name[link->phi]);
    text_add(out, "\n");
}

static void write_rule(Text *out, const Spec *spec, int r) {
    const Rule *rule = &spec->rule[r];
    const char *before = "  learn ";
    if (rule->all) text_add(out, "  learn all");
    for (int t = 0; t < TARGET_COUNT && !rule->all; t++)
        for (int k = 0; k < LINKS; k++) {
            char name[32];
            if (spec->learner[t][k] != r + 1) continue;
            array_name(name, spec, (Target)t, k);
            text_addf(out, "%s%s", before, name);
            before = ", ";
        }
    text_addf(out, " by %s(rate = ", rule->adam ? "adam" : "sgd");
    text_add_number(out, rule->rate);
    if (rule->momentum_given) {
        text_addf(out, ", %s = ", rule->adam ? "beta1" : "momentum");
        text_add_number(out, rule->momentum);
    }
    text_addf(out, "%s)", rule->adam ? ", epsilon = 1e-5" : ""); // the usual 1e-8 magnifies rounding
    if (rule->from && rule->from_time)
        text_addf(out, " from %d * dt", rule->from);
    else if (rule->from)
        text_addf(out, " from step %d", rule->from);
    if (rule->until && rule->from_time)
        text_addf(out, " until %d * dt", rule->until);
    else if (rule->until)
        text_addf(out, " until step %d", rule->until);
    if (rule->clamped) {
        text_add(out, ", clamp ");
        text_add_number(out, rule->low);
        text_add(out, " .. ");
        text_add_number(out, rule->high);
    }
    text_add(out, "\n");
}

static Text write_model(const Spec *spec) {
    Text out = {0};
    // Steep on both sides of 0, so smooth there: the derivative of this form is 1, whichever side is taken.
    text_add(&out, "function elu(x) = where(x > 0, x, expm1(where(x > 0, 0, x)))\n\n");
    text_add(&out, "synapse Late(phi) {\n  weight W[post, pre] ~ uniform(-1/sqrt(size(pre)), 1/sqrt(size(pre)))\n"
                   "  current W @ phi(pre.r)\n}\n\nnetwork Random {\n  dt = ");
    text_add_number(&out, spec->dt);
    text_add(&out, "\n");
    for (int i = 0; i < spec->inputs; i++) text_addf(&out, "  input x%d[%d]\n", i, spec->input_size[i]);
    for (int k = 0; k < spec->layers; k++)
        if (spec->layer[k].cost) text_addf(&out, "  target y%d[%d]\n", k, spec->layer[k].size);
    for (int k = 0; k < spec->layers; k++) write_layer(&out, spec, k);
    for (int k = 0; k < spec->links; k++) write_link(&out, spec, k);
    for (int k = 0; k < spec->layers; k++) {
        if (!spec->layer[k].cost) continue;
        text_add(&out, "  cost ");
        text_add_number(&out, spec->layer[k].beta);
        text_addf(&out, " * %s(%s.r, y%d)\n", cost_word[spec->layer[k].cost], layer_name(spec, k), k);
    }
    text_addf(&out, "  dynamics %s(gamma = ", principle_word[spec->principle]);
    text_add_number(&out, spec->gamma);
    text_addf(&out, ")\n  order %s\n", order_word[spec->order]);
    for (int r = 0; r < RULES; r++)
        if (spec->rule[r].used) write_rule(&out, spec, r);
    text_add(&out, "}\n");
    return out;
}

// ---- Machines: a compiled model and an instance of it ---------------------------------------------------------------

typedef struct Machine {
    Arena *arena;
    Diagnostics *diags;
    Model *model;
    Program *program;
    Instance *instance;
} Machine;

static ProgramBackend generated; // PROGRAM_JIT, or PROGRAM_LOOPS in a build without the code generator
static char model_path[] = "/tmp/lequel-models-XXXXXX";

static void save_model(const Text *text) {
    FILE *file = fopen(model_path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text->bytes, 1, text->length, file), text->length);
    assert_int_equal(fclose(file), 0);
}

static void refuse(const Text *text, const char *problem) {
    fprintf(stderr, "%s\n%s\n", text_z(text), problem); // cmocka cuts long messages
    fail();
}

// Compiles a model. `like` NULL: nothing is recorded; else everything that this other machine's program has a name for.
static Machine machine_open(const Text *text, ProgramBackend backend, LoopReal real, const Machine *like) {
    Machine m = {.arena = arena_new()};
    Text problem = {0};
    save_model(text);
    m.diags = diag_new(m.arena);
    m.model = model_load(m.arena, m.diags, &(ModelOptions){.path = model_path}, NULL);
    uint32_t count = like ? program_array_count(like->program) : 0;
    Atom *names = arena_new_array(m.arena, Atom, count + 1);
    for (uint32_t i = 0; i < count; i++) names[i] = arena_atom_z(m.arena, program_array(like->program, i)->name);
    ProgramOptions options = {.real = real, .backend = backend, .level = 1, .recorded = names, .recorded_count = count};
    if (m.model) m.program = program_new(m.model, &options, NULL, &problem);
    if (!m.program) {
        diag_print(m.diags, DIAG_PLAIN, &problem);
        refuse(text, text_z(&problem));
    }
    text_free(&problem);
    return m;
}

static void machine_start(Machine *m, int64_t batch, uint64_t seed, Instance *weights) {
    Text problem = {0};
    m->instance = instance_new(m->program, batch, seed, weights, &problem);
    if (!m->instance) fail_msg("%s", text_z(&problem));
    text_free(&problem);
}

static void machine_close(Machine *m) {
    instance_free(m->instance);
    program_free(m->program);
    if (m->model) model_free(m->model);
    arena_free(m->arena);
    *m = (Machine){0};
}

static bool machine_holds(const Machine *m, const char *name) {
    int64_t array = program_find(m->program, name);
    return array >= 0 && program_array(m->program, (uint32_t)array)->stored;
}

static uint32_t machine_find(const Machine *m, const char *name) {
    if (!machine_holds(m, name)) fail_msg("the program holds no `%s`", name);
    return (uint32_t)program_find(m->program, name);
}

static int64_t machine_length(const Machine *m, const char *name) {
    return instance_length(m->instance, machine_find(m, name));
}

static void machine_get(const Machine *m, const char *name, double *values) {
    instance_get(m->instance, machine_find(m, name), values);
}

static void machine_set(const Machine *m, const char *name, const double *values) {
    instance_set(m->instance, machine_find(m, name), values);
}

// Gives `to` all values of `from`.
static void machine_copy(const Machine *to, const Machine *from) {
    for (uint32_t i = 0; i < program_array_count(from->program); i++) {
        const ProgramArray *array = program_array(from->program, i);
        if (!array->stored || !machine_holds(to, array->name)) continue;
        double *values = memory_resize(NULL, (size_t)instance_length(from->instance, i), sizeof *values);
        instance_get(from->instance, i, values);
        machine_set(to, array->name, values);
        free(values);
    }
}

static void set_random(const Machine *m, const char *name, double low, double high) {
    double values[LARGEST_BATCH * WIDEST];
    int64_t count = machine_length(m, name);
    for (int64_t i = 0; i < count; i++) values[i] = between(low, high);
    machine_set(m, name, values);
}

static const char *member(const Spec *spec, int layer, const char *name) {
    static char full[48];
    snprintf(full, sizeof full, "%s.%s", layer_name(spec, layer), name);
    return full;
}

static const char *of_link(int link, const char *name) {
    static char full[48];
    snprintf(full, sizeof full, "w%d.%s", link, name);
    return full;
}

// Random states and messages, in an instance that keeps all of them.
static void randomise(const Machine *m, const Spec *spec) {
    for (int k = 0; k < spec->layers; k++) {
        static const char *const members[] = {"u", "r", "r_gate", "u_rate"};
        for (size_t i = 0; i < sizeof members / sizeof *members; i++) set_random(m, member(spec, k, members[i]), -1, 1);
        if (spec->principle == PRINCIPLE_GLE) set_random(m, member(spec, k, "error_state"), -0.3, 0.3);
        if (spec->order == ORDER_LE) set_random(m, member(spec, k, "error"), -0.3, 0.3);
    }
    for (int k = 0; k < spec->links && spec->order == ORDER_PARALLEL; k++)
        if (spec->link[k].from >= 0) set_random(m, of_link(k, "error_down"), -0.3, 0.3);
}

static void feed(const Machine *m, const Spec *spec, int64_t n) {
    double values[LARGEST_BATCH * WIDEST];
    char name[16];
    int batch = (int)instance_batch(m->instance);
    for (int i = 0; i < spec->inputs; i++) {
        for (int j = 0; j < batch * spec->input_size[i]; j++) values[j] = signal_at(spec->seed, n, i, j);
        snprintf(name, sizeof name, "x%d", i);
        machine_set(m, name, values);
    }
    for (int k = 0; k < spec->layers; k++) {
        if (!spec->layer[k].cost) continue;
        for (int j = 0; j < batch * spec->layer[k].size; j++) values[j] = signal_at(spec->seed, n, INPUTS + k, j);
        snprintf(name, sizeof name, "y%d", k);
        machine_set(m, name, values);
    }
}

// ---- Comparison -----------------------------------------------------------------------------------------------------

typedef struct Place { // where a comparison happens, for the message
    const Text *text;
    const char *what;
    int64_t step;
} Place;

#define CANCELLED 1e-15 // what may be left of numbers near 1 that cancel

// Within `relative` of the largest element.
static void compare(const Place *place, const char *name, const double *values, const double *expected, int64_t count,
                    double relative) {
    double scale = 0, floor = relative > 0 ? CANCELLED : 0;
    for (int64_t i = 0; i < count; i++) scale = fmax(scale, fabs(expected[i]));
    for (int64_t i = 0; i < count; i++) {
        double apart = fabs(values[i] - expected[i]);
        if (apart <= relative * scale + floor || (isnan(values[i]) && isnan(expected[i]))) continue;
        fprintf(stderr, "%s\n%s: `%s`[%lld] after step %lld is %.17g; expected %.17g, differs by %g\n",
                text_z(place->text), place->what, name, (long long)i, (long long)place->step, values[i], expected[i],
                values[i] - expected[i]);
        fail();
    }
}

// What a step leaves to the next one. Messages are not among it: in a program that does not record them, one that only
// learning reads is not made in a step in which nothing learns.
static bool lasts(const ProgramArray *array) {
    return array->role == ROLE_STATE || array->role == ROLE_WEIGHT || array->role == ROLE_PARAMETER ||
           array->role == ROLE_OPTIMISER || array->role == ROLE_SCALAR || strcmp(array->name, "cost") == 0;
}

// All arrays that both hold, or those among them that last; `relative` 0 compares bits.
static int compare_machines(const Place *place, const Machine *a, const Machine *b, bool lasting, double relative) {
    int compared = 0;
    for (uint32_t i = 0; i < program_array_count(b->program); i++) {
        const ProgramArray *array = program_array(b->program, i);
        if (!array->stored || !machine_holds(a, array->name) || (lasting && !lasts(array))) continue;
        int64_t count = instance_length(b->instance, i);
        double *expected = memory_resize(NULL, (size_t)count, sizeof *expected);
        double *values = memory_resize(NULL, (size_t)count, sizeof *values);
        instance_get(b->instance, i, expected);
        machine_get(a, array->name, values);
        if (relative > 0 || memcmp(values, expected, (size_t)count * sizeof *values) != 0)
            compare(place, array->name, values, expected, count, relative);
        if (!(relative > 0)) assert_memory_equal(values, expected, (size_t)count * sizeof *values);
        free(expected);
        free(values);
        compared++;
    }
    return compared;
}

// ---- The simulator --------------------------------------------------------------------------------------------------
// Values are [sample][neuron], weights [post][pre]. What ends in `_old` is the message or state before the step.

typedef double Field[LARGEST_BATCH * WIDEST];

typedef struct Parameter {
    int count;
    double value[WIDEST * WIDEST], gradient[WIDEST * WIDEST], m[WIDEST * WIDEST], q[WIDEST * WIDEST];
} Parameter;

typedef struct SimLayer {
    Field u, v, r, gate, e, rate; // before the step, then after it
    Field r_old, gate_old, e_old, rate_old;
    Field drive, incoming, g, ahead_m, ahead_r; // of this step
} SimLayer;

typedef struct Sim {
    const Spec *spec;
    int batch;
    int64_t n;
    double taken[RULES]; // steps of each optimiser
    SimLayer layer[LAYERS];
    Parameter parameter[TARGET_COUNT][LINKS];
    Field down[LINKS], down_old[LINKS];
    double cost[LARGEST_BATCH];
} Sim;

static double tau_m(const Sim *sim, int layer, int i) { return sim->parameter[TAU_M][layer].value[i]; }
static double tau_r(const Sim *sim, int layer, int i) { return sim->parameter[TAU_R][layer].value[i]; }

// The rate that a connection reads, before the synapse does anything to it.
static double message(const Sim *sim, const Link *link, int b, int j) {
    int width = link_width(sim->spec, link);
    if (link->from < 0) return signal_at(sim->spec->seed, sim->n, -1 - link->from, b * width + j);
    const SimLayer *source = &sim->layer[link->from];
    return (sim->spec->order == ORDER_SEQUENTIAL ? source->r : source->r_old)[b * width + j];
}

static double arriving(const Sim *sim, const Link *link, int b, int j) {
    double x = message(sim, link, b, j);
    return link->kind == LATE ? phi_value(link->phi, x) : x;
}

static void sim_drive(Sim *sim, int k) {
    const Spec *spec = sim->spec;
    int size = spec->layer[k].size;
    double *drive = sim->layer[k].drive;
    for (int i = 0; i < sim->batch * size; i++) drive[i] = 0;
    for (int c = 0; c < spec->links; c++) {
        const Link *link = &spec->link[c];
        int width = link_width(spec, link);
        if (link->to != k) continue;
        for (int b = 0; b < sim->batch; b++)
            for (int i = 0; i < size; i++) {
                double current = link->has_bias ? sim->parameter[WEIGHT_B][c].value[i] : 0;
                if (link->kind == IDENTITY) current = arriving(sim, link, b, i);
                for (int j = 0; j < width && link->kind != IDENTITY; j++)
                    current += sim->parameter[WEIGHT_W][c].value[i * width + j] * arriving(sim, link, b, j);
                drive[b * size + i] += current;
            }
    }
}

static void sim_membrane(Sim *sim, int k, bool errors) {
    const Spec *spec = sim->spec;
    const Layer *layer = &spec->layer[k];
    SimLayer *s = &sim->layer[k];
    for (int i = 0; i < sim->batch * layer->size; i++) {
        double tm = tau_m(sim, k, i % layer->size), tr = tau_r(sim, k, i % layer->size);
        double felt = spec->order == ORDER_PARALLEL ? s->e[i] : spec->order == ORDER_LE ? s->e_old[i] : 0;
        double p = s->drive[i] + (errors ? layer->gamma * felt : 0);
        double rate = (p - s->u[i]) / tm;
        s->ahead_m[i] = p;
        s->ahead_r[i] = (1 - tr / tm) * s->u[i] + tr / tm * p; // cancels exactly where it has to: kinks are at 0
        s->u[i] += spec->dt * rate;
        s->rate[i] = rate;
        s->r[i] = phi_value(layer->phi, s->ahead_r[i]);
        s->gate[i] = phi_slope(layer->phi, s->ahead_r[i]);
    }
}

// The cost of one population and one sample; its negative derivative is added to `incoming`.
static double sim_cost(const Layer *layer, const double *r, const double *y, double *incoming) {
    double total = 0, top = r[0], cost = 0;
    int n = layer->size;
    for (int i = 0; i < n; i++) top = fmax(top, r[i]);
    for (int i = 0; i < n; i++) total += exp(r[i] - top);
    for (int i = 0; i < n; i++) {
        double apart = y[i] - r[i];
        switch (layer->cost) {
        case NO_COST: break;
        case MSE: cost += apart * apart / 2, incoming[i] += layer->beta * apart; break;
        case MEAN_SQUARE: cost += apart * apart / n, incoming[i] += layer->beta * 2 * apart / n; break;
        case CROSS_ENTROPY:
            cost -= y[i] * r[i];
            incoming[i] += layer->beta * (y[i] - exp(r[i] - top) / total);
            break;
        }
    }
    if (layer->cost == CROSS_ENTROPY) cost += log(total) + top;
    return layer->beta * cost;
}

// W^T e of one connection, taken at the message that the current read.
static void sim_down(Sim *sim, int c, bool registered) {
    const Link *link = &sim->spec->link[c];
    int width = link_width(sim->spec, link), size = sim->spec->layer[link->to].size;
    const double *e = registered ? sim->layer[link->to].e_old : sim->layer[link->to].e;
    if (link->from < 0) return;
    for (int b = 0; b < sim->batch; b++)
        for (int j = 0; j < width; j++) {
            double down = link->kind == IDENTITY ? e[b * size + j] : 0;
            for (int i = 0; i < size && link->kind != IDENTITY; i++)
                down += sim->parameter[WEIGHT_W][c].value[i * width + j] * e[b * size + i];
            if (link->kind == LATE) down *= phi_slope(link->phi, message(sim, link, b, j));
            sim->down[c][b * width + j] = down;
        }
}

// What arrives at a population's rate: the cost and the errors of those that read it; then the error itself.
static void sim_error(Sim *sim, int k) {
    const Spec *spec = sim->spec;
    const Layer *layer = &spec->layer[k];
    SimLayer *s = &sim->layer[k];
    bool within = spec->order == ORDER_SEQUENTIAL;
    int count = sim->batch * layer->size;
    for (int i = 0; i < count; i++) s->incoming[i] = 0;
    for (int b = 0; b < sim->batch && layer->cost; b++) {
        double y[WIDEST];
        int first = b * layer->size;
        for (int i = 0; i < layer->size; i++) y[i] = signal_at(spec->seed, sim->n, INPUTS + k, first + i);
        sim->cost[b] += sim_cost(layer, (within ? s->r : s->r_old) + first, y, s->incoming + first);
    }
    for (int c = 0; c < spec->links; c++) {
        const double *down = spec->order == ORDER_PARALLEL ? sim->down_old[c] : sim->down[c];
        for (int i = 0; i < count && spec->link[c].from == k; i++) s->incoming[i] += down[i];
    }
    for (int i = 0; i < count; i++) {
        double tm = tau_m(sim, k, i % layer->size), tr = tau_r(sim, k, i % layer->size);
        s->g[i] = s->e[i] = (within ? s->gate : s->gate_old)[i] * s->incoming[i];
        if (spec->principle != PRINCIPLE_GLE) continue;
        double rate = (s->g[i] - s->v[i]) / tr;
        s->e[i] = s->v[i] + tm * rate;
        s->v[i] += spec->dt * rate;
    }
}

static void sim_gradients(Sim *sim) {
    const Spec *spec = sim->spec;
    for (int c = 0; c < spec->links; c++) {
        const Link *link = &spec->link[c];
        int width = link_width(spec, link), size = spec->layer[link->to].size;
        const double *e = sim->layer[link->to].e;
        for (int i = 0; i < size && has_weights(link); i++) {
            double *to_w = sim->parameter[WEIGHT_W][c].gradient + i * width;
            for (int j = 0; j < width; j++) {
                double total = 0;
                for (int b = 0; b < sim->batch; b++) total += e[b * size + i] * arriving(sim, link, b, j);
                to_w[j] = -total / sim->batch;
            }
            double total = 0;
            for (int b = 0; b < sim->batch; b++) total += e[b * size + i];
            sim->parameter[WEIGHT_B][c].gradient[i] = -total / sim->batch;
        }
    }
    for (int k = 0; k < spec->layers; k++) {
        const SimLayer *s = &sim->layer[k];
        const double *judged = spec->order == ORDER_SEQUENTIAL ? s->rate : s->rate_old; // made the rate that g judges
        int size = spec->layer[k].size;
        for (int i = 0; i < size; i++) {
            double m = 0, r = 0;
            for (int b = i; b < sim->batch * size; b += size) m += s->e[b] * s->rate[b], r -= s->g[b] * judged[b];
            sim->parameter[TAU_M][k].gradient[i] = m / sim->batch;
            sim->parameter[TAU_R][k].gradient[i] = r / sim->batch;
        }
    }
}

static void sim_learn(const Rule *rule, Parameter *p, double taken, bool active) {
    double beta1 = rule->momentum_given ? rule->momentum : 0.9, beta2 = 0.999;
    for (int i = 0; i < p->count; i++) {
        double gradient = p->gradient[i];
        if (active && rule->adam) {
            p->m[i] = beta1 * p->m[i] + (1 - beta1) * gradient;
            p->q[i] = beta2 * p->q[i] + (1 - beta2) * gradient * gradient;
            p->value[i] -=
                rule->rate / (1 - pow(beta1, taken)) * p->m[i] / (sqrt(p->q[i]) / sqrt(1 - pow(beta2, taken)) + 1e-5);
        } else if (active) {
            p->m[i] = rule->momentum * p->m[i] + gradient;
            p->value[i] -= rule->rate * p->m[i];
        }
        if (rule->clamped) p->value[i] = fmin(fmax(p->value[i], rule->low), rule->high);
    }
}

static void sim_learn_all(Sim *sim, bool learning) {
    const Spec *spec = sim->spec;
    for (int r = 0; r < RULES; r++) {
        const Rule *rule = &spec->rule[r];
        bool active = learning && rule->from <= sim->n && (!rule->until || sim->n < rule->until);
        if (!rule->used) continue;
        if (active) sim->taken[r]++;
        for (int t = 0; t < TARGET_COUNT; t++)
            for (int k = 0; k < LINKS; k++)
                if (spec->learner[t][k] == r + 1) sim_learn(rule, &sim->parameter[t][k], sim->taken[r], active);
    }
}

static void sim_step(Sim *sim, bool learning, bool errors) {
    const Spec *spec = sim->spec;
    memset(sim->cost, 0, sizeof sim->cost);
    memcpy(sim->down_old, sim->down, sizeof sim->down);
    for (int k = 0; k < spec->layers; k++) {
        SimLayer *s = &sim->layer[k];
        memcpy(s->r_old, s->r, sizeof s->r);
        memcpy(s->gate_old, s->gate, sizeof s->gate);
        memcpy(s->e_old, s->e, sizeof s->e);
        memcpy(s->rate_old, s->rate, sizeof s->rate);
    }
    if (spec->order == ORDER_SEQUENTIAL) {
        for (int k = 0; k < spec->layers; k++) {
            sim_drive(sim, k);
            sim_membrane(sim, k, errors);
        }
        for (int k = spec->layers - 1; k >= 0; k--) {
            sim_error(sim, k);
            for (int c = 0; c < spec->links; c++)
                if (spec->link[c].to == k) sim_down(sim, c, false);
        }
    } else {
        bool registered = spec->order == ORDER_LE;
        for (int c = 0; c < spec->links && registered; c++) sim_down(sim, c, true);
        for (int k = 0; k < spec->layers; k++) {
            sim_drive(sim, k);
            sim_error(sim, k);
        }
        for (int k = 0; k < spec->layers; k++) sim_membrane(sim, k, errors);
        for (int c = 0; c < spec->links && !registered; c++) sim_down(sim, c, false);
    }
    if (errors) {
        sim_gradients(sim);
        sim_learn_all(sim, learning);
    }
    sim->n++;
}

// The state of an instance, taken over.
static void sim_take(Sim *sim, const Spec *spec, const Machine *m) {
    *sim = (Sim){.spec = spec, .batch = (int)instance_batch(m->instance)};
    for (int k = 0; k < spec->layers; k++) {
        SimLayer *s = &sim->layer[k];
        machine_get(m, member(spec, k, "u"), s->u);
        machine_get(m, member(spec, k, "r"), s->r);
        machine_get(m, member(spec, k, "r_gate"), s->gate);
        machine_get(m, member(spec, k, "u_rate"), s->rate);
        if (spec->principle == PRINCIPLE_GLE) machine_get(m, member(spec, k, "error_state"), s->v);
        if (spec->order == ORDER_LE) machine_get(m, member(spec, k, "error"), s->e);
    }
    for (int c = 0; c < spec->links && spec->order == ORDER_PARALLEL; c++)
        if (spec->link[c].from >= 0) machine_get(m, of_link(c, "error_down"), sim->down[c]);
    for (int t = 0; t < TARGET_COUNT; t++)
        for (int k = 0; k < (t <= WEIGHT_B ? spec->links : spec->layers); k++) {
            Parameter *p = &sim->parameter[t][k];
            char name[32];
            if (t <= WEIGHT_B && (!has_weights(&spec->link[k]) || (t == WEIGHT_B && !spec->link[k].has_bias))) continue;
            array_name(name, spec, (Target)t, k);
            p->count = (int)machine_length(m, name);
            machine_get(m, name, p->value);
        }
}

static void check(const Place *place, const Machine *m, const char *name, const double *expected) {
    double values[WIDEST * WIDEST];
    int64_t count = machine_length(m, name);
    assert_true(count <= WIDEST * WIDEST);
    machine_get(m, name, values);
    compare(place, name, values, expected, count, 1e-9);
}

static void check_learned(const Place *place, const Machine *m, const Sim *sim, Target target, int k) {
    const Parameter *p = &sim->parameter[target][k];
    int rule = sim->spec->learner[target][k];
    char name[32], full[64];
    if (!p->count) return;
    array_name(name, sim->spec, target, k);
    check(place, m, name, p->value);
    if (!rule) return;
    bool adam = sim->spec->rule[rule - 1].adam;
    char *dot = strchr(name, '.');
    snprintf(full, sizeof full, "%.*s.grad_%s", (int)(dot - name), name, dot + 1);
    check(place, m, full, p->gradient);
    snprintf(full, sizeof full, "%s.%s.m", name, adam ? "adam" : "sgd");
    check(place, m, full, p->m);
    snprintf(full, sizeof full, "%s.adam.q", name);
    if (adam) check(place, m, full, p->q);
}

static void check_simulated(const Place *place, const Machine *m, const Sim *sim, bool errors) {
    const Spec *spec = sim->spec;
    check(place, m, "cost", sim->cost);
    for (int k = 0; k < spec->layers; k++) {
        const SimLayer *s = &sim->layer[k];
        check(place, m, member(spec, k, "I"), s->drive);
        check(place, m, member(spec, k, "u"), s->u);
        check(place, m, member(spec, k, "u_ahead.tau_m"), s->ahead_m);
        check(place, m, member(spec, k, "u_ahead.tau_r"), s->ahead_r);
        check(place, m, member(spec, k, "r"), s->r);
        if (!errors) continue;
        check(place, m, member(spec, k, "u_rate"), s->rate);
        check(place, m, member(spec, k, "r_gate"), s->gate);
        check(place, m, member(spec, k, "r_error"), s->incoming);
        check(place, m, member(spec, k, "error_in"), s->g);
        check(place, m, member(spec, k, "error"), s->e);
        if (spec->principle == PRINCIPLE_GLE) check(place, m, member(spec, k, "error_state"), s->v);
    }
    for (int c = 0; c < spec->links && errors; c++)
        if (spec->link[c].from >= 0) check(place, m, of_link(c, "error_down"), sim->down[c]);
    for (int t = 0; t < TARGET_COUNT && errors; t++)
        for (int k = 0; k < LINKS; k++) check_learned(place, m, sim, (Target)t, k);
}

// ---- 1. Random models -----------------------------------------------------------------------------------------------

static void check_float(const Place *place, const Spec *spec, const Machine *single, const Machine *m) {
    static const char *const members[] = {"u", "r", "error"};
    bool smooth = true;
    for (int k = 0; k < spec->layers; k++) smooth &= spec->layer[k].phi < SMOOTH;
    for (int c = 0; c < spec->links; c++) smooth &= spec->link[c].kind != LATE || spec->link[c].phi < SMOOTH;
    for (int k = 0; k < spec->layers; k++)
        for (int i = 0; i < (smooth ? 3 : 2); i++) { // a kink may be passed on the other side
            double values[LARGEST_BATCH * WIDEST], expected[LARGEST_BATCH * WIDEST];
            const char *name = member(spec, k, members[i]);
            int64_t count = machine_length(m, name);
            machine_get(single, name, values);
            machine_get(m, name, expected);
            for (int64_t j = 0; j < count; j++)
                if (fabs(expected[j]) > 100) return; // a recurrent network that runs away multiplies rounding
            compare(place, name, values, expected, count, smooth ? 1e-3 : 1e-2);
        }
}

enum { PLAIN, LOOPED, REFERENCE, SINGLE, OTHERS };

static void run_model(uint64_t seed, Sim *sim) {
    static const ProgramBackend backends[OTHERS] = {PROGRAM_JIT, PROGRAM_LOOPS, PROGRAM_REFERENCE, PROGRAM_JIT};
    static const char *const whats[OTHERS] = {"nothing recorded against all", "interpreter against code",
                                              "reference against code", "float against double"};
    Spec spec = random_spec(seed);
    Text text = write_model(&spec);
    Machine names = machine_open(&text, PROGRAM_LOOPS, LOOP_F64, NULL), other[OTHERS];
    Machine m = machine_open(&text, generated, LOOP_F64, &names);
    machine_start(&m, spec.batch, seed, NULL);
    if (spec.started) randomise(&m, &spec);
    sim_take(sim, &spec, &m);
    for (int i = 0; i < OTHERS; i++) {
        // Compiling takes most of the time: the interpreter takes turns.
        bool turn = (i == PLAIN) == (seed % 2 == 0);
        ProgramBackend backend = backends[i] == PROGRAM_JIT ? (turn ? generated : PROGRAM_LOOPS) : backends[i];
        other[i] = machine_open(&text, backend, i == SINGLE ? LOOP_F32 : LOOP_F64, i == PLAIN ? NULL : &names);
        machine_start(&other[i], spec.batch, seed + 1, NULL);
        machine_copy(&other[i], &m);
    }
    for (int n = 0; n < STEPS; n++) {
        bool learning = n % 11 != 10;
        feed(&m, &spec, n);
        instance_step(m.instance, ENTRY_TRAIN, learning);
        sim_step(sim, learning, true);
        check_simulated(&(Place){&text, "code against simulator", n}, &m, sim, true);
        for (int i = 0; i < OTHERS; i++) {
            feed(&other[i], &spec, n);
            instance_step(other[i].instance, ENTRY_TRAIN, learning);
            Place place = {&text, whats[i], n};
            if (i == SINGLE)
                check_float(&place, &spec, &other[i], &m);
            else
                assert_true(compare_machines(&place, &other[i], &m, i == PLAIN, 1e-9) > 5);
        }
    }
    // A test set on instances of their own.
    Instance *trained[OTHERS], *code = m.instance;
    int batch = 1 + below(LARGEST_BATCH);
    machine_start(&m, batch, seed, code);
    for (int i = 0; i < SINGLE; i++) {
        trained[i] = other[i].instance;
        machine_start(&other[i], batch, seed, trained[i]);
    }
    sim_take(sim, &spec, &m);
    for (int n = 0; n < EVALUATED; n++) {
        feed(&m, &spec, n);
        instance_step(m.instance, ENTRY_EVALUATE, false);
        sim_step(sim, false, false);
        check_simulated(&(Place){&text, "evaluating code against simulator", n}, &m, sim, false);
        for (int i = 0; i < SINGLE; i++) {
            feed(&other[i], &spec, n);
            instance_step(other[i].instance, ENTRY_EVALUATE, false);
            compare_machines(&(Place){&text, whats[i], n}, &other[i], &m, i == PLAIN, 1e-9);
        }
    }
    for (int i = 0; i < OTHERS; i++) {
        machine_close(&other[i]);
        if (i < SINGLE) instance_free(trained[i]);
    }
    machine_close(&m);
    instance_free(code);
    machine_close(&names);
    text_free(&text);
}

static void random_models(void **state) {
    (void)state;
    Sim *sim = memory_resize(NULL, 1, sizeof *sim);
    for (int i = 0; i < MODELS; i++) run_model(1000 + (uint64_t)i, sim);
    free(sim);
}

// ---- 2. Bits --------------------------------------------------------------------------------------------------------

// All numbers of an instance, to see whether they change.
static Text snapshot(const Machine *m) {
    Text all = {0};
    for (uint32_t i = 0; i < program_array_count(m->program); i++) {
        if (!program_array(m->program, i)->stored) continue;
        size_t count = (size_t)instance_length(m->instance, i);
        double *values = memory_resize(NULL, count, sizeof *values);
        instance_get(m->instance, i, values);
        text_add_bytes(&all, (const char *)values, count * sizeof *values);
        free(values);
    }
    return all;
}

static void run_steps(const Machine *m, const Spec *spec, int64_t from, int64_t until, ProgramEntry entry) {
    for (int64_t n = from; n < until; n++) {
        feed(m, spec, n);
        instance_step(m->instance, entry, true);
    }
}

// Two instances of one program, and one of the same model compiled again.
static void repeats_its_bits(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 24; seed++) {
        LoopReal real = seed % 2 ? LOOP_F32 : LOOP_F64;
        Spec spec = random_spec(seed);
        Text text = write_model(&spec);
        Machine names = machine_open(&text, PROGRAM_LOOPS, real, NULL);
        Machine a = machine_open(&text, generated, real, &names), again = machine_open(&text, generated, real, &names);
        Machine b = a;
        machine_start(&a, spec.batch, seed, NULL);
        machine_start(&b, spec.batch, seed, NULL);
        machine_start(&again, spec.batch, seed, NULL);
        for (int n = 0; n < 100; n += 10) {
            Place place = {&text, "the same seed", n + 9};
            run_steps(&a, &spec, n, n + 10, ENTRY_TRAIN);
            run_steps(&b, &spec, n, n + 10, ENTRY_TRAIN);
            run_steps(&again, &spec, n, n + 10, ENTRY_TRAIN);
            assert_true(compare_machines(&place, &b, &a, false, 0) > 5);
            compare_machines(&place, &again, &a, false, 0);
        }
        instance_free(b.instance);
        machine_close(&a);
        machine_close(&again);
        machine_close(&names);
        text_free(&text);
    }
}

static void assert_same_weights(const Spec *spec, const Machine *a, const Machine *b) {
    double left[WIDEST * WIDEST], right[WIDEST * WIDEST];
    for (int t = 0; t < TARGET_COUNT; t++)
        for (int k = 0; k < LINKS; k++) {
            char name[32];
            if (!spec->learner[t][k]) continue;
            array_name(name, spec, (Target)t, k);
            machine_get(a, name, left);
            machine_get(b, name, right);
            assert_memory_equal(left, right, (size_t)machine_length(a, name) * sizeof *left);
        }
}

static void share_weights(uint64_t seed, ProgramBackend backend) {
    Spec spec = random_spec(seed);
    Text text = write_model(&spec);
    Machine names = machine_open(&text, PROGRAM_LOOPS, LOOP_F64, NULL);
    Machine trained = machine_open(&text, backend, LOOP_F64, &names), test = trained, one = trained;
    machine_start(&trained, spec.batch, seed, NULL);
    run_steps(&trained, &spec, 0, 20, ENTRY_TRAIN);
    Text before = snapshot(&trained);
    machine_start(&test, 7, seed, trained.instance);
    machine_start(&one, 1, seed, trained.instance);
    run_steps(&test, &spec, 0, 10, ENTRY_EVALUATE);
    run_steps(&one, &spec, 0, 10, ENTRY_EVALUATE);
    Text after = snapshot(&trained);
    assert_int_equal(after.length, before.length);
    assert_memory_equal(after.bytes, before.bytes, before.length);
    assert_int_equal(instance_steps(trained.instance), 20);
    for (int k = 0; k < spec.layers; k++) { // a sample knows nothing of the others
        double of_seven[7 * WIDEST], alone[WIDEST];
        machine_get(&test, member(&spec, k, "r"), of_seven);
        machine_get(&one, member(&spec, k, "r"), alone);
        compare(&(Place){&text, "first of seven against alone", 9}, "r", of_seven, alone, spec.layer[k].size, 1e-12);
    }
    run_steps(&trained, &spec, 20, 25, ENTRY_TRAIN);
    assert_same_weights(&spec, &trained, &test);
    run_steps(&test, &spec, 10, 40, ENTRY_TRAIN); // now the other one learns
    assert_same_weights(&spec, &trained, &test);
    assert_same_weights(&spec, &trained, &one);
    instance_free(one.instance);
    instance_free(test.instance);
    machine_close(&trained);
    machine_close(&names);
    text_free(&before);
    text_free(&after);
    text_free(&text);
}

static void shares_weights(void **state) {
    (void)state;
    for (uint64_t seed = 100; seed < 115; seed++) {
        share_weights(seed, generated);
        share_weights(seed, seed % 2 ? PROGRAM_REFERENCE : PROGRAM_LOOPS);
    }
}

// ---- 3. What the principles promise ---------------------------------------------------------------------------------

// A network without loops and kinks, in which no error reaches the membrane and all weights have gradients.
static Spec static_spec(uint64_t seed, bool matched) {
    Spec spec = random_spec(seed);
    int links = 0;
    for (int c = 0; c < spec.links; c++) {
        Link link = spec.link[c];
        link.phi = (Phi)((int)link.phi % SMOOTH);
        if (link.from < link.to) spec.link[links++] = link;
    }
    spec.links = links;
    spec.principle = matched ? PRINCIPLE_LE : PRINCIPLE_GLE;
    spec.gamma = 0;
    spec.batch = spec.batch > 3 ? 3 : spec.batch;
    memset(spec.rule, 0, sizeof spec.rule);
    memset(spec.learner, 0, sizeof spec.learner);
    spec.rule[0] = (Rule){.used = true, .all = true, .rate = 0.01};
    for (int k = 0; k < spec.layers; k++) {
        Layer *layer = &spec.layer[k];
        layer->phi = (Phi)((int)layer->phi % SMOOTH);
        layer->has_gamma = false;
        if (matched) memcpy(layer->tau_r, layer->tau_m, sizeof layer->tau_r);
    }
    for (int c = 0; c < spec.links; c++) {
        spec.learner[WEIGHT_W][c] = has_weights(&spec.link[c]);
        spec.learner[WEIGHT_B][c] = spec.link[c].has_bias;
    }
    return spec;
}

// The cost of a settled network with one element of a parameter moved: matched neurons, one after the other.
static double settled_cost(Sim *sim, double *element, double by) {
    double before = *element, total = 0;
    *element += by;
    sim->n = 0;
    sim_step(sim, false, false);
    *element = before;
    for (int b = 0; b < sim->batch; b++) total += sim->cost[b] / sim->batch;
    return total;
}

static double finite_difference(Sim *sim, double *element) {
    double h = 1e-3;
    return (8 * (settled_cost(sim, element, h) - settled_cost(sim, element, -h)) -
            (settled_cost(sim, element, 2 * h) - settled_cost(sim, element, -2 * h))) /
           (12 * h);
}

// The inputs stand still; the gradients after `steps` steps are those of the cost.
static void check_descent(uint64_t seed, bool matched, int steps, Sim *sim) {
    Spec spec = static_spec(seed, matched), settled = spec;
    Text text = write_model(&spec);
    Machine names = machine_open(&text, PROGRAM_LOOPS, LOOP_F64, NULL);
    Machine m = machine_open(&text, generated, LOOP_F64, &names);
    machine_start(&m, spec.batch, seed, NULL);
    if (spec.started) randomise(&m, &spec);
    feed(&m, &spec, 0);
    for (int n = 0; n < steps; n++) instance_step(m.instance, ENTRY_TRAIN, false);
    sim_take(sim, &spec, &m);
    sim->spec = &settled;
    settled.order = ORDER_SEQUENTIAL;
    for (int k = 0; k < spec.layers; k++)
        memcpy(sim->parameter[TAU_R][k].value, sim->parameter[TAU_M][k].value, sizeof sim->parameter[TAU_R][k].value);
    for (int t = WEIGHT_W; t <= WEIGHT_B; t++)
        for (int c = 0; c < spec.links; c++) {
            Parameter *p = &sim->parameter[t][c];
            double gradient[WIDEST * WIDEST], looked_at[8], expected[8];
            char name[32];
            if (!p->count) continue;
            snprintf(name, sizeof name, "w%d.grad_%s", c, t == WEIGHT_W ? "W" : "b");
            machine_get(&m, name, gradient);
            for (int i = 0; i < 8; i++) {
                int element = below(p->count);
                looked_at[i] = gradient[element];
                expected[i] = finite_difference(sim, &p->value[element]);
            }
            // Rounding leaves 1e-13 of the cost in a difference.
            for (int i = 0; i < 8; i++)
                if (fabs(looked_at[i] - expected[i]) < 1e-11) looked_at[i] = expected[i];
            compare(&(Place){&text, "gradient of the cost", steps}, name, looked_at, expected, 8, 1e-6);
        }
    machine_close(&m);
    machine_close(&names);
    text_free(&text);
}

static void descends_the_cost(void **state) {
    (void)state;
    Sim *sim = memory_resize(NULL, 1, sizeof *sim);
    for (uint64_t seed = 500; seed < 520; seed++) {
        check_descent(seed, true, 2 * LAYERS + 2, sim);           // a step for every message on the way up and down
        if (seed % 4 == 0) check_descent(seed, false, 1500, sim); // filters settle at their own pace
    }
    free(sim);
}

static void filters_are_inverse(void **state) {
    (void)state;
    enum { N = 6, LENGTH = 300 };
    Text text = {0}, tau_r_list = {0};
    random_state = 77;
    text_addf(&text,
              "network Filters {\n  dt = 0.05\n  input x[%d]\n  target y[%d]\n"
              "  population a = Leaky[%d](tau_m = [",
              N, N, N);
    for (int i = 0; i < N; i++) {
        double tau = between(0.2, 3), ratio = i ? between(0.1, 1.5) : 1;
        text_add(&text, i ? ", " : "");
        text_add(&tau_r_list, i ? ", " : "");
        text_add_number(&text, tau);
        text_add_number(&tau_r_list, fmax(0.05, tau * ratio));
    }
    text_addf(&text,
              "], tau_r = [%s])\n  connect w: x -> a by Identity()\n  cost -sum(y * a.r)\n"
              "  dynamics gle(gamma = 0)\n}\n",
              text_z(&tau_r_list));
    Machine names = machine_open(&text, PROGRAM_LOOPS, LOOP_F64, NULL);
    Machine m = machine_open(&text, generated, LOOP_F64, &names);
    for (int errors_first = 0; errors_first < 2; errors_first++) {
        double noise[N], read[N], before[N] = {0}, filtered[N] = {0};
        machine_start(&m, 1, 0, NULL);
        for (int n = 0; n < LENGTH; n++) {
            for (int i = 0; i < N; i++) noise[i] = between(-1, 1);
            machine_set(&m, errors_first ? "y" : "x", noise);
            machine_set(&m, errors_first ? "x" : "y", filtered); // of the step before
            instance_step(m.instance, ENTRY_TRAIN, true);
            machine_get(&m, errors_first ? "a.u_ahead.tau_r" : "a.error", read);
            compare(&(Place){&text, "through both filters", n}, errors_first ? "a.u_ahead.tau_r" : "a.error", read,
                    before, N, 1e-12);
            machine_get(&m, errors_first ? "a.error_in" : "a.I", before);
            machine_get(&m, errors_first ? "a.error" : "a.u_ahead.tau_r", filtered);
        }
        instance_free(m.instance);
        m.instance = NULL;
    }
    machine_close(&m);
    machine_close(&names);
    text_free(&tau_r_list);
    text_free(&text);
}

// What may differ between networks that do the same at different speeds.
static bool has_pace(const char *name) {
    const char *dot = strrchr(name, '.');
    return !dot || strcmp(dot, ".u") == 0 || strcmp(dot, ".u_rate") == 0 || strcmp(dot, ".error_state") == 0 ||
           ((strcmp(dot, ".tau_m") == 0 || strcmp(dot, ".tau_r") == 0) && !strstr(name, "_ahead"));
}

static void matched_is_instant(void **state) {
    (void)state;
    for (uint64_t seed = 700; seed < 712; seed++) {
        Machine paces[3];
        Text text[3];
        Spec spec[3];
        double values[WIDEST * WIDEST], expected[WIDEST * WIDEST];
        for (int i = 0; i < 3; i++) {
            spec[i] = random_spec(seed);
            spec[i].principle = i == 0 ? PRINCIPLE_LE : i == 1 ? PRINCIPLE_GLE : PRINCIPLE_INSTANT;
            spec[i].dt *= 1 + 0.7 * i;
            memset(&spec[i].rule[1], 0, sizeof spec[i].rule[1]); // of time constants
            random_state = seed * 3 + (uint64_t)i;
            for (int k = 0; k < spec[i].layers; k++) {
                Layer *layer = &spec[i].layer[k];
                for (int j = 0; j < layer->size; j++) layer->tau_r[j] = layer->tau_m[j] = spec[i].dt * between(1, 30);
            }
            text[i] = write_model(&spec[i]);
            Machine names = machine_open(&text[i], PROGRAM_LOOPS, LOOP_F64, NULL);
            paces[i] = machine_open(&text[i], generated, LOOP_F64, &names);
            machine_close(&names);
            machine_start(&paces[i], spec[i].batch, seed, NULL);
            for (int k = 0; k < spec[i].layers; k++) set_random(&paces[i], member(&spec[i], k, "u"), -1, 1);
        }
        for (int n = 0; n < STEPS; n++)
            for (int i = 0; i < 3; i++) {
                feed(&paces[i], &spec[i], n);
                instance_step(paces[i].instance, ENTRY_TRAIN, true);
                for (uint32_t a = 0; i && a < program_array_count(paces[0].program); a++) {
                    const char *name = program_array(paces[0].program, a)->name;
                    if (has_pace(name) || !machine_holds(&paces[0], name)) continue;
                    instance_get(paces[0].instance, a, expected);
                    machine_get(&paces[i], name, values);
                    compare(&(Place){&text[i], "another pace", n}, name, values, expected,
                            machine_length(&paces[0], name), 1e-10);
                }
            }
        for (int i = 0; i < 3; i++) machine_close(&paces[i]), text_free(&text[i]);
    }
}

static int make_file(void **state) {
    (void)state;
    int file = mkstemp(model_path);
    const char *module = getenv("LEQUEL_LLVM_MODULE");
    generated = module && access(module, R_OK) == 0 ? PROGRAM_JIT : PROGRAM_LOOPS;
    if (generated == PROGRAM_LOOPS) print_message("LEQUEL_LLVM_MODULE names no code generator: it is not tested\n");
    return file < 0 ? -1 : close(file);
}

static int remove_file(void **state) {
    (void)state;
    return remove(model_path);
}

// With a seed as argument, prints that random model: tests/emit compares emitted C on them.
int main(int argc, char **argv) {
    if (argc > 1) {
        Spec spec = random_spec(strtoull(argv[1], NULL, 10));
        Text text = write_model(&spec);
        printf("# batch %d\n%s", spec.batch, text_z(&text));
        text_free(&text);
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_models),       cmocka_unit_test(repeats_its_bits),
        cmocka_unit_test(shares_weights),      cmocka_unit_test(descends_the_cost),
        cmocka_unit_test(filters_are_inverse), cmocka_unit_test(matched_is_instant),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
