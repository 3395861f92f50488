// `lequel derive --locality`: which signals each learned parameter's update and each error uses, and where these are:
// at the synapse, at the neuron, at another neuron, or everywhere. Read off the expressions: an array of the pre- or
// postsynaptic population counts as present where it is read at the index of the weight's own row or column.
#include "derivation.h"
#include "page.h"
#include "wire.h"
#include <string.h>

typedef Derivation D;

// clang-format off
typedef enum Where {
    AT_SYNAPSE,   // the connection's own array, at the synapse's own place
    AT_PRE,
    AT_POST,
    AT_NEURON,
    AT_CURRENT,   // what a neuron's synapses sum up
    AT_ARRIVING,  // an error that a connection brings
    AT_TARGET,    // an external value or another population, element by element with the neuron
    AT_ACROSS,    // at the neuron at the other end of the synapse that the error comes from
    AT_TRANSPORT, // the weight of a forward synapse, used on the way back
    AT_EVERYWHERE,
    AT_ELSEWHERE,
    WHERE_COUNT
} Where;
// clang-format on

static const struct {
    const char *word, *text; // in JSON; for readers
} wheres[WHERE_COUNT] = {
    [AT_SYNAPSE] = {"synapse", "at the synapse"},
    [AT_PRE] = {"presynaptic", "presynaptic neuron"},
    [AT_POST] = {"postsynaptic", "postsynaptic neuron"},
    [AT_NEURON] = {"neuron", "at the neuron"},
    [AT_CURRENT] = {"current", "summed by the neuron's synapses"},
    [AT_ARRIVING] = {"arriving", "brought by the connection"},
    [AT_TARGET] = {"target", "given to the neuron, one to one"},
    [AT_ACROSS] = {"across", "other end of the synapse"},
    [AT_TRANSPORT] = {"weight_transport", "weight of the forward synapse: weight transport"},
    [AT_EVERYWHERE] = {"global", "global"},
    [AT_ELSEWHERE] = {"elsewhere", "at another neuron: not local"},
};

typedef struct Use {
    Expr access; // 0: `text` says what it is
    const char *text;
    Where where;
    Span span; // of the term that reads it
} Use;

typedef enum Subject { SUBJECT_UPDATE, SUBJECT_ERROR } Subject;

typedef struct Account {
    Subject subject;
    Symbol symbol;
    Expr element; // symbol[i, j]
    Span span;
    Vec(Use) uses;
    Vec(Expr) letters; // its index variables: first its own axes, then those that are summed over
} Account;

// Where an expression is computed. Index variables are those of the expression; 0: there is none.
typedef struct Site {
    D *d;
    Account *account;
    const Connection *connection; // NULL at a neuron
    uint32_t population;          // the postsynaptic one, or the neuron's own
    Expr post, pre;               // of the synapse; at a neuron its own index is `post`
    bool rule;                    // a rule of the synapse's own: its states and all its weights are at hand
    bool downward;                // an error on its way to the presynaptic neuron
    Expr across;                  // the neurons that it comes from
    bool summed;                  // over these
    Expr own[EXPR_MAX_RANK];      // the axes of what is computed
    uint32_t rank;
    Vec(Expr) feeding; // indices of sums over the synapses of a neuron
    Vec(Expr) equal;   // pairs: what a Kronecker delta makes equal to an axis, and the axis
} Site;

// ---- Owners and axes ------------------------------------------------------------------------------------------------

static bool belongs_to(Atom symbol, Atom owner) {
    size_t length = strlen(owner);
    return strncmp(symbol, owner, length) == 0 && (symbol[length] == '.' || symbol[length] == 0);
}

static int64_t population_owning(const D *d, Atom symbol) {
    for (uint32_t i = 0; i < d->model->populations.count; i++)
        if (belongs_to(symbol, d->model->populations.items[i].name)) return i;
    return -1;
}

static const Connection *connection_owning(const D *d, Atom symbol) {
    for (uint32_t i = 0; i < d->model->connections.count; i++)
        if (belongs_to(symbol, d->model->connections.items[i].name)) return &d->model->connections.items[i];
    return NULL;
}

static bool is_source(const D *d, const Connection *c, Symbol symbol) {
    if (c->from_external) return d->model->externals.items[c->source].symbol == symbol;
    return population_owning(d, d->names.documented[symbol]) == (int64_t)c->source;
}

typedef struct AxisSearch {
    const D *d;
    const Connection *connection;
    Symbol weight;
    Expr own;      // of the postsynaptic neuron
    Vec(Expr) pre; // indices at which the source is read
    int32_t post_axis, pre_axis;
    bool second; // first the source is looked at, then the weight
} AxisSearch;

static bool has(const Expr *list, uint32_t count, Expr expr) {
    for (uint32_t i = 0; i < count; i++)
        if (list[i] == expr) return true;
    return false;
}

static bool search_axes(const ExprStore *store, Expr expr, void *context) {
    AxisSearch *search = context;
    ExprNode node = expr_node(store, expr);
    if (node.kind != EXPR_ACCESS) return true;
    if (!search->second && is_source(search->d, search->connection, node.symbol) && node.count)
        vec_push(&search->pre, node.argument[0]);
    for (uint32_t k = 0; search->second && node.symbol == search->weight && k < node.count; k++) {
        if (node.argument[k] == search->own) search->post_axis = (int32_t)k;
        if (has(search->pre.items, search->pre.count, node.argument[k])) search->pre_axis = (int32_t)k;
    }
    return true;
}

// The current into one neuron, whose index is a variable that no sum uses too.
static Expr current_into(const D *d, const Connection *c, Expr *own) {
    const Population *target = &d->model->populations.items[c->target];
    *own = expr_index(d->store, index_new(d->store, index_info(d->store, target->own)->name, target->size));
    return expr_substitute_index(d->store, c->current, expr_index(d->store, target->own), *own);
}

// Which axes of a weight belong to the ends of its synapse: the current reads it at the index of the postsynaptic
// neuron, and at the index at which it reads the source. -1: none.
static void axes_of(const D *d, const Connection *c, Symbol weight, int32_t *post, int32_t *pre) {
    AxisSearch search = {.d = d, .connection = c, .weight = weight, .post_axis = -1, .pre_axis = -1};
    Expr current = current_into(d, c, &search.own);
    expr_visit(d->store, current, search_axes, &search);
    search.second = true;
    expr_visit(d->store, current, search_axes, &search);
    *post = search.post_axis;
    *pre = search.pre_axis;
    vec_free(&search.pre);
}

// ---- Where one array is read ----------------------------------------------------------------------------------------

static bool is_feeding(const Site *s, Expr index) { return has(s->feeding.items, s->feeding.count, index); }

static bool at_own_axes(const Site *s, const ExprNode *node) {
    if (node->count != s->rank) return false;
    for (uint32_t k = 0; k < node->count; k++)
        if (node->argument[k] != s->own[k]) return false;
    return true;
}

static Where where_is_population(const Site *s, uint32_t population, Expr at) {
    const Connection *c = s->connection;
    if (population == s->population && at == s->post) return c ? AT_POST : AT_NEURON;
    if (c && !c->from_external && population == c->source && at == s->pre) return s->downward ? AT_NEURON : AT_PRE;
    if (s->across && population == s->population && at == s->across) return AT_ACROSS;
    if (is_feeding(s, at)) return AT_CURRENT;
    return !c && at == s->post ? AT_TARGET : AT_ELSEWHERE;
}

static Where where_is_weight(const Site *s, const Connection *c, const ExprNode *node) {
    int32_t post_axis, pre_axis;
    if (s->connection ? c != s->connection : c->target != s->population) return AT_ELSEWHERE;
    if (!expr_reads(s->d->store, c->current, node->symbol)) { // a weight of the way back only
        bool here = has(node->argument, node->count, s->across) && has(node->argument, node->count, s->pre);
        return here || at_own_axes(s, node) ? AT_SYNAPSE : AT_ELSEWHERE;
    }
    axes_of(s->d, c, node->symbol, &post_axis, &pre_axis);
    Expr post = post_axis < 0 ? 0 : node->argument[post_axis], pre = pre_axis < 0 ? 0 : node->argument[pre_axis];
    if (!post && !pre) return s->downward ? AT_TRANSPORT : AT_EVERYWHERE; // one number for all synapses
    if (at_own_axes(s, node) && s->connection && !s->downward) return AT_SYNAPSE;
    if (post && s->across && post == s->across) return !pre ? AT_ACROSS : pre == s->pre ? AT_TRANSPORT : AT_CURRENT;
    if (post && post == s->post)
        return !s->connection || is_feeding(s, pre) ? AT_CURRENT : !pre || pre == s->pre ? AT_SYNAPSE : AT_ELSEWHERE;
    return AT_ELSEWHERE;
}

static Where where_is_external(const Site *s, const ExprNode *node) {
    const Connection *c = s->connection;
    if (c && is_source(s->d, c, node->symbol) && node->argument[0] == s->pre) return AT_PRE;
    if (is_feeding(s, node->argument[0])) return AT_CURRENT;
    return node->argument[0] == s->post ? AT_TARGET : AT_ELSEWHERE;
}

// What is there for a rule that is written out: everything of the synapse's own, and single values from outside, which
// all synapses are told.
static Where where_in_rule(const Site *s, const ExprNode *node, Where found) {
    const D *d = s->d;
    bool own = true, constant = true;
    for (uint32_t k = 0; k < node->count; k++) {
        own = own && has(s->own, s->rank, node->argument[k]);
        constant = constant && expr_node(d->store, node->argument[k]).kind == EXPR_CONST;
    }
    const Connection *c = connection_owning(d, d->names.documented[node->symbol]);
    if (c == s->connection && c && own) return AT_SYNAPSE;
    bool outside = !c && population_owning(d, d->names.documented[node->symbol]) < 0;
    return outside && constant ? AT_EVERYWHERE : found;
}

// A parameter of a synapse, such as its delay, is there for what passes it either way.
static Where where_is_parameter(const Site *s, const Connection *c, const ExprNode *node) {
    if (!s->connection) return c->target == s->population ? AT_CURRENT : AT_ELSEWHERE;
    for (uint32_t k = 0; k < node->count; k++) {
        Expr at = node->argument[k];
        if (at != s->post && at != s->pre && at != s->across && !has(s->own, s->rank, at)) return AT_ELSEWHERE;
    }
    return c == s->connection ? AT_SYNAPSE : AT_ELSEWHERE;
}

static Where where_of_access(const Site *s, const ExprNode *node) {
    const D *d = s->d;
    Atom name = d->names.documented[node->symbol];
    SymbolRole role = symbol_info(d->store, node->symbol)->role;
    if (!node->count) return AT_EVERYWHERE;
    if (role == ROLE_OPTIMISER) return !at_own_axes(s, node) ? AT_ELSEWHERE : s->connection ? AT_SYNAPSE : AT_NEURON;
    int64_t population = population_owning(d, name);
    if (population >= 0) return where_is_population(s, (uint32_t)population, node->argument[0]);
    const Connection *c = connection_owning(d, name);
    if (!c) return where_is_external(s, node);
    if (role == ROLE_WEIGHT) return where_is_weight(s, c, node);
    if (role == ROLE_PARAMETER) return where_is_parameter(s, c, node);
    bool from_here = !c->from_external && c->source == s->population && node->argument[0] == s->post;
    return from_here ? AT_ARRIVING : AT_ELSEWHERE;
}

static Where where_is(const Site *s, const ExprNode *node) {
    Where found = where_of_access(s, node);
    return s->rule && found == AT_ELSEWHERE ? where_in_rule(s, node, found) : found;
}

// ---- All that an expression reads -----------------------------------------------------------------------------------

// The same elements, whatever variable is summed over.
static bool reads_the_same(const Site *s, Expr a, Expr b) {
    ExprNode one = expr_node(s->d->store, a), other = expr_node(s->d->store, b);
    if (one.symbol != other.symbol) return false;
    for (uint32_t k = 0; k < one.count; k++) {
        bool own = has(s->own, s->rank, one.argument[k]) || has(s->own, s->rank, other.argument[k]);
        if (own && one.argument[k] != other.argument[k]) return false;
    }
    return true;
}

static void add_use(Site *s, Expr access, Where where, Span span) {
    for (uint32_t i = 0; i < s->account->uses.count; i++) {
        Use *known = &s->account->uses.items[i];
        if (known->where == where && known->access && reads_the_same(s, known->access, access)) return;
    }
    ExprNode node = expr_node(s->d->store, access);
    for (uint32_t k = 0; k < node.count; k++)
        if (!has(s->account->letters.items, s->account->letters.count, node.argument[k]))
            vec_push(&s->account->letters, node.argument[k]);
    vec_push(&s->account->uses, (Use){access, NULL, where, span});
}

typedef struct WeightSearch {
    const Site *site;
    Expr index; // summed over
    bool crosses, feeds;
} WeightSearch;

// Is the sum over the synapses of the neuron at hand, or over the neurons that an error comes from?
static bool search_weight(const ExprStore *store, Expr expr, void *context) {
    WeightSearch *search = context;
    const Site *s = search->site;
    const D *d = s->d;
    ExprNode node = expr_node(store, expr);
    if (node.kind != EXPR_ACCESS || !node.count) return true;
    Atom name = d->names.documented[node.symbol];
    bool reads = has(node.argument, node.count, search->index);
    const Connection *c = connection_owning(d, name);
    bool own_weight = c && symbol_info(store, node.symbol)->role == ROLE_WEIGHT &&
                      (s->connection ? c == s->connection : c->target == s->population);
    Expr here = s->across ? s->across : s->post;
    search->feeds |= reads && own_weight && here && has(node.argument, node.count, here);
    if (s->downward && !s->summed) search->crosses |= reads && population_owning(d, name) == (int64_t)s->population;
    return true;
}

static void read_expression(Site *s, Expr expr, Span span);

// The sum's own index may be the very one of an axis outside of it: it gets a variable of its own.
static void read_sum(Site *s, Expr sum, const ExprNode *node, Span span) {
    ExprStore *store = s->d->store;
    IndexInfo info = *index_info(store, node->index);
    Expr index = expr_index(store, index_new(store, info.name, info.extent));
    Site before = *s;
    Expr body = expr_substitute_index(store, node->argument[0], expr_index(store, node->index), index);
    WeightSearch search = {.site = s, .index = index};
    search.feeds = s->connection && expr_contains(store, s->connection->current, sum); // as in `sum(pre.r)`
    expr_visit(store, body, search_weight, &search);
    if (search.crosses) {
        s->across = index;
        s->summed = true;
    } else if (search.feeds) {
        vec_push(&s->feeding, index);
    }
    read_expression(s, body, span);
    s->across = before.across;
    s->summed = before.summed;
    s->feeding.count = before.feeding.count;
}

static void read_access(Site *s, ExprNode node, Span span) {
    Expr at[EXPR_MAX_RANK + 1];
    if (symbol_info(s->d->store, node.symbol)->hidden) return;
    for (uint32_t k = 0; k < node.count; k++) {
        at[k] = node.argument[k];
        for (uint32_t i = 0; i < s->equal.count; i += 2)
            if (at[k] == s->equal.items[i]) at[k] = s->equal.items[i + 1];
    }
    node.argument = at;
    add_use(s, expr_access(s->d->store, node.symbol, VERSION_OLD, at, node.count), where_is(s, &node), span);
}

// delta(i, 0)*r[0] reads r[i], at the only i that matters.
static void note_deltas(Site *s, const ExprNode *product) {
    for (uint32_t i = 0; i < product->count; i++) {
        ExprNode factor = expr_node(s->d->store, product->argument[i]);
        for (uint32_t side = 0; factor.kind == EXPR_DELTA && side < 2; side++) {
            if (!has(s->own, s->rank, factor.argument[side])) continue;
            vec_push(&s->equal, factor.argument[1 - side]);
            vec_push(&s->equal, factor.argument[side]);
            break;
        }
    }
}

static void read_all(Site *s, Expr expr, Span span, bool *seen) {
    ExprNode node = expr_node(s->d->store, expr);
    Span own = expr_span(s->d->store, expr);
    uint32_t equal = s->equal.count;
    if (seen[expr]) return;
    seen[expr] = true;
    if (own.source) span = own;
    if (node.kind == EXPR_SUM || node.kind == EXPR_MAXIMUM) {
        read_sum(s, expr, &node, span);
        return;
    }
    if (node.kind == EXPR_ACCESS) {
        read_access(s, node, span);
        return;
    }
    if (node.kind == EXPR_MUL) note_deltas(s, &node);
    bool knows_more = s->equal.count > equal; // what was read without the delta is not what it is with it
    for (uint32_t i = 0; i < node.count; i++) {
        if (knows_more)
            read_expression(s, node.argument[i], span);
        else
            read_all(s, node.argument[i], span, seen);
    }
    s->equal.count = equal;
}

static void read_expression(Site *s, Expr expr, Span span) {
    if (!expr) return;
    size_t most = (size_t)expr_count(s->d->store) + 1;
    bool *seen = memory_resize(NULL, most, sizeof *seen);
    memset(seen, 0, most);
    read_all(s, expr, span, seen);
    free(seen);
}

// ---- Accounts -------------------------------------------------------------------------------------------------------

typedef struct Report {
    D *d;
    Vec(Account) accounts;
} Report;

static Site site_of(D *d, Account *account) {
    Site site = {.d = d, .account = account};
    ExprNode node = expr_node(d->store, account->element);
    site.rank = node.count;
    for (uint32_t k = 0; k < node.count; k++) {
        site.own[k] = node.argument[k];
        vec_push(&account->letters, node.argument[k]);
    }
    site.post = site.rank ? site.own[0] : 0;
    return site;
}

static void site_free(Site *site) {
    vec_free(&site->feeding);
    vec_free(&site->equal);
}

static Account account_of(const D *d, Subject subject, Symbol symbol, Span span) {
    return (Account){
        .subject = subject, .symbol = symbol, .element = model_element(d->store, symbol, VERSION_OLD), .span = span};
}

// What the optimiser reads beside the gradient.
static void read_rule(Site *s, const LearnRule *rule, uint32_t target) {
    const D *d = s->d;
    Atom parameter = d->names.documented[rule->targets.items[target]];
    Expr gradient = model_element(d->store, rule->gradients.items[target], VERSION_NEW), zero = expr_const(d->store, 0);
    for (uint32_t k = 0; k < rule->assignments.count; k++) {
        const Assignment *a = &rule->assignments.items[k];
        if (a->symbol == rule->count || !belongs_to(d->names.documented[a->symbol], parameter)) continue;
        read_expression(s, expr_replace(d->store, a->value, gradient, zero), a->span);
    }
}

static void account_for_update(Report *report, const Gradient *g) {
    D *d = report->d;
    const Model *m = d->model;
    Account account = account_of(d, SUBJECT_UPDATE, g->parameter, g->span);
    Site site = site_of(d, &account);
    Atom name = d->names.documented[g->parameter];
    site.connection = connection_owning(d, name);
    if (site.connection) {
        int32_t post, pre;
        axes_of(d, site.connection, g->parameter, &post, &pre);
        site.population = site.connection->target;
        site.post = post < 0 ? 0 : site.own[post];
        site.pre = pre < 0 ? 0 : site.own[pre];
    } else {
        site.population = (uint32_t)population_owning(d, name);
    }
    read_expression(&site, g->value, g->span);
    vec_push(&account.uses, (Use){0, "mean over the batch", AT_EVERYWHERE, g->span});
    for (uint32_t r = 0; r < m->learn.count; r++)
        for (uint32_t t = 0; t < m->learn.items[r].gradients.count; t++)
            if (m->learn.items[r].targets.items[t] == g->parameter) read_rule(&site, &m->learn.items[r], t);
    site_free(&site);
    vec_push(&report->accounts, account);
}

// ---- Rules that are written out

typedef struct EndSearch {
    const D *d;
    const Connection *connection;
    Expr at;
    bool source, target; // an array of it is read at this index
} EndSearch;

static bool search_end(const ExprStore *store, Expr expr, void *context) {
    EndSearch *search = context;
    ExprNode node = expr_node(store, expr);
    if (node.kind != EXPR_ACCESS || !node.count || node.argument[0] != search->at) return true;
    search->source |= is_source(search->d, search->connection, node.symbol);
    search->target |=
        population_owning(search->d, search->d->names.documented[node.symbol]) == (int64_t)search->connection->target;
    return true;
}

static uint32_t source_size(const D *d, const Connection *c) {
    return c->from_external ? d->model->externals.items[c->source].size : d->model->populations.items[c->source].size;
}

// Which axes of an array of a synapse belong to its ends: as the current says. One that no current reads has its axes
// in the order of a weight; where it has only one that may be of either end, what the rule reads there decides.
static void ends_of(const D *d, Site *site, const Connection *c, Symbol symbol, const Expr *values, uint32_t count) {
    int32_t post = -1, pre = -1;
    const SymbolInfo *info = symbol_info(d->store, symbol);
    uint32_t target = d->model->populations.items[c->target].size, source = source_size(d, c);
    if (expr_reads(d->store, c->current, symbol)) {
        axes_of(d, c, symbol, &post, &pre);
    } else if (info->rank > 1) {
        post = info->extent[0] == target ? 0 : -1;
        pre = info->extent[1] == source ? 1 : -1;
    } else if (info->rank == 1) {
        EndSearch search = {.d = d, .connection = c, .at = site->own[0]};
        for (uint32_t i = 0; i < count; i++) expr_visit(d->store, values[i], search_end, &search);
        bool at_source = info->extent[0] == source && (info->extent[0] != target || (search.source && !search.target));
        post = at_source ? -1 : 0;
        pre = at_source ? 0 : -1;
    }
    site->post = post < 0 ? 0 : site->own[post];
    site->pre = pre < 0 ? 0 : site->own[pre];
}

// What the plasticity of a weight or the equation of a synapse's state reads.
static void account_for_rule(Report *report, const Connection *c, Symbol symbol, const Expr *values, uint32_t count,
                             bool averaged, Span span) {
    D *d = report->d;
    Account account = account_of(d, SUBJECT_UPDATE, symbol, span);
    Site site = site_of(d, &account);
    site.connection = c;
    site.population = c->target;
    site.rule = true;
    ends_of(d, &site, c, symbol, values, count);
    for (uint32_t i = 0; i < count; i++) read_expression(&site, values[i], span);
    if (averaged) vec_push(&account.uses, (Use){0, "mean over the batch", AT_EVERYWHERE, span});
    site_free(&site);
    vec_push(&report->accounts, account);
}

// A weight changes through a rate or a mean of the rule's own (`w.rate_W`), which are read in their place.
static void account_for_plasticity(Report *report, const LearnRule *rule, Symbol target) {
    D *d = report->d;
    const Connection *c = connection_owning(d, d->names.documented[target]);
    Vec(Expr) values = {0};
    bool averaged = false;
    Span span = rule->span;
    for (uint32_t k = 0; k < rule->assignments.count; k++) {
        const Assignment *a = &rule->assignments.items[k];
        if (a->symbol != target) continue;
        Expr value = a->value;
        span = a->span;
        for (uint32_t i = 0; i < rule->assignments.count; i++) { // the rate stands before what it changes
            const Assignment *beside = &rule->assignments.items[i];
            if (beside->symbol == target || !expr_reads(d->store, value, beside->symbol)) continue;
            value = expr_replace(d->store, value, model_element(d->store, beside->symbol, VERSION_NEW),
                                 expr_const(d->store, 0));
            vec_push(&values, beside->value);
            averaged = true;
        }
        vec_push(&values, value);
    }
    if (c) account_for_rule(report, c, target, values.items, values.count, averaged, span);
    vec_free(&values);
}

static void account_for_written(Report *report) {
    const Model *m = report->d->model;
    for (uint32_t r = 0; r < m->learn.count; r++)
        for (uint32_t t = 0; m->learn.items[r].written_out && t < m->learn.items[r].targets.count; t++)
            account_for_plasticity(report, &m->learn.items[r], m->learn.items[r].targets.items[t]);
    for (uint32_t c = 0; c < m->connections.count; c++)
        for (uint32_t k = 0; k < m->connections.items[c].motions.count; k++) {
            const Motion *motion = &m->connections.items[c].motions.items[k];
            account_for_rule(report, &m->connections.items[c], motion->state, &motion->value, 1, false, motion->span);
        }
}

// ---- Errors

// The error of a neuron: what its filters, gates and own forces read, and what arrives at its outputs.
static void account_for_error(Report *report, const NeuronEquations *n) {
    D *d = report->d;
    const Population *p = derivation_population(d, n);
    Account account = account_of(d, SUBJECT_ERROR, n->error, p->span);
    Site site = site_of(d, &account);
    site.population = n->population;
    for (uint32_t k = 0; k < n->output_errors.count; k++) {
        const OutputError *error = &n->output_errors.items[k];
        read_expression(&site, error->cost, d->model->cost_span);
        for (uint32_t i = 0; i < d->equations->connections.count; i++) {
            const ConnectionEquations *ce = &d->equations->connections.items[i];
            const Connection *c = &d->model->connections.items[ce->connection];
            for (uint32_t m = 0; m < ce->downward.count; m++)
                if (c->messages.items[m] == p->outputs.items[error->output].symbol)
                    read_expression(&site, model_element(d->store, ce->downward.items[m], VERSION_OLD), c->span);
        }
    }
    for (uint32_t g = 0; g < n->gates.count; g++)
        read_expression(&site, n->gates.items[g].value, gate_place(p, &n->gates.items[g]));
    for (uint32_t k = 0; k < n->errors.count; k++) {
        read_expression(&site, n->errors.items[k].own, p->energy_span);
        read_expression(&site, n->errors.items[k].filtered, d->model->dynamics.span);
        read_expression(&site, n->errors.items[k].gain.value, d->model->dynamics.span);
        for (uint32_t i = 0; i < n->errors.items[k].gain.averages; i++)
            read_expression(&site, n->errors.items[k].gain.average[i].of, d->model->dynamics.span);
        if (n->errors.items[k].state)
            read_expression(&site, model_element(d->store, n->errors.items[k].state, VERSION_OLD),
                            d->model->dynamics.span);
    }
    site_free(&site);
    vec_push(&report->accounts, account);
}

static bool is_one_to_one(const D *d, const Connection *c) {
    Expr own, current = current_into(d, c, &own);
    for (uint32_t m = 0; m < c->messages.count; m++)
        if (expr_contains(d->store, current, expr_access(d->store, c->messages.items[m], VERSION_OLD, &own, 1)))
            return true;
    return false;
}

// The error that a connection sends down, at the index of the source's neuron.
static void account_for_downward(Report *report, const ConnectionEquations *ce) {
    D *d = report->d;
    const Connection *c = &d->model->connections.items[ce->connection];
    for (uint32_t k = 0; k < ce->downward.count; k++) {
        Account account = account_of(d, SUBJECT_ERROR, ce->downward.items[k], c->span);
        Site site = site_of(d, &account);
        site.connection = c;
        site.population = c->target;
        site.pre = site.post;
        site.post = 0;
        site.downward = true;
        if (is_one_to_one(d, c)) site.across = site.pre;
        read_expression(&site, ce->downward_value.items[k], c->span);
        site_free(&site);
        vec_push(&report->accounts, account);
    }
}

static Where worst_of(const Account *account) {
    Where worst = AT_SYNAPSE;
    for (uint32_t i = 0; i < account->uses.count; i++) {
        Where where = account->uses.items[i].where;
        if (where == AT_ELSEWHERE || (where == AT_TRANSPORT && worst != AT_ELSEWHERE)) worst = where;
    }
    return worst;
}

// ---- As text --------------------------------------------------------------------------------------------------------

// An access at letters that mean the same throughout the account: i and j are its own axes.
static const char *show_access(const D *d, const Account *account, Expr access) {
    ExprNode node = expr_node(d->store, access);
    Expr at[EXPR_MAX_RANK];
    for (uint32_t k = 0; k < node.count; k++) {
        ExprNode index = expr_node(d->store, node.argument[k]);
        uint32_t letter = 0;
        while (letter < account->letters.count && account->letters.items[letter] != node.argument[k]) letter++;
        at[k] = node.argument[k];
        if (index.kind != EXPR_INDEX) continue;
        Atom name = arena_format(d->page.arena, "%c", "ijklmnpq"[letter % 8]);
        at[k] = expr_index(d->store, index_new(d->store, name, index_info(d->store, index.index)->extent));
    }
    return derivation_show(d, expr_access(d->store, node.symbol, VERSION_OLD, at, node.count));
}

static const char *show_use(const D *d, const Account *account, const Use *use) {
    return use->access ? show_access(d, account, use->access) : use->text;
}

static const char *verdict_text(Where worst) {
    return worst == AT_ELSEWHERE ? "not local" : worst == AT_TRANSPORT ? "local, with weight transport" : "local";
}

static void add_padded(Text *out, const char *text, uint32_t width) {
    uint32_t columns = 0;
    text_add(out, text);
    for (const char *c = text; *c; c++) columns += ((unsigned char)*c & 0xC0) != 0x80;
    do text_add(out, " ");
    while (++columns < width);
}

// Under the names lent now. `range` is "" or that of k.
static void print_account(const D *d, const Account *account, const char *range, Text *out) {
    Text head = {0};
    text_addf(&head, "  %s %s: %s", account->subject == SUBJECT_UPDATE ? "update of" : "error",
              show_access(d, account, account->element), verdict_text(worst_of(account)));
    add_padded(out, text_z(&head), 78);
    text_addf(out, "%s%s%s\n", range, *range ? "; " : "", derivation_place(d, account->span));
    text_free(&head);
    for (uint32_t i = 0; i < account->uses.count; i++) {
        const Use *use = &account->uses.items[i];
        bool named = use->where == AT_ELSEWHERE || use->where == AT_TRANSPORT;
        text_add(out, "    ");
        add_padded(out, show_use(d, account, use), 30);
        if (named)
            add_padded(out, wheres[use->where].text, 48);
        else
            text_add(out, wheres[use->where].text);
        text_addf(out, "%s\n", named ? derivation_place(d, use->span) : "");
    }
}

static const char *printed(const D *d, const Account *account) {
    Text text = {0};
    print_account(d, account, "", &text);
    const char *atom = arena_atom_z(d->page.arena, text_z(&text));
    text_free(&text);
    return atom;
}

// The last of the accounts that say the same for the numbers of an array that follow.
static int64_t end_of_run(Report *report, uint32_t first, bool *done) {
    D *d = report->d;
    size_t length, other;
    const char *member, *rest;
    const Account *account = &report->accounts.items[first];
    int64_t last = name_number(d->names.documented[account->symbol], &length, &member);
    if (last < 0) return -1;
    names_relative(&d->names, last);
    const char *key = printed(d, account);
    for (uint32_t k = first + 1; k < report->accounts.count; k++) {
        Atom name = d->names.documented[report->accounts.items[k].symbol];
        if (done[k] || name_number(name, &other, &rest) != last + 1 || other != length || strcmp(rest, member) != 0 ||
            strncmp(name, d->names.documented[account->symbol], length) != 0)
            continue;
        names_relative(&d->names, last + 1);
        if (printed(d, &report->accounts.items[k]) != key) break;
        done[k] = true;
        last++;
    }
    return last;
}

static void print_accounts(Report *report, Subject subject, Text *out) {
    D *d = report->d;
    bool *done = arena_new_array(d->page.arena, bool, report->accounts.count + 1);
    for (uint32_t i = 0; i < report->accounts.count; i++) {
        const Account *account = &report->accounts.items[i];
        size_t length;
        const char *member;
        if (done[i] || account->subject != subject) continue;
        int64_t first = name_number(d->names.documented[account->symbol], &length, &member);
        int64_t last = end_of_run(report, i, done);
        names_relative(&d->names, last > first ? first : -1);
        text_add(out, "\n");
        print_account(d, account, last > first ? wire_range(d, first, last) : "", out);
    }
}

// ---- The whole ------------------------------------------------------------------------------------------------------

static void count_verdicts(const Report *report, Text *out) {
    uint32_t all[2] = {0}, local[2] = {0}, transport[2] = {0};
    static const char *const nouns[] = {"update", "error"};
    for (uint32_t i = 0; i < report->accounts.count; i++) {
        const Account *account = &report->accounts.items[i];
        Where worst = worst_of(account);
        all[account->subject]++;
        local[account->subject] += worst != AT_ELSEWHERE && worst != AT_TRANSPORT;
        transport[account->subject] += worst == AT_TRANSPORT;
    }
    text_add(out, "\n");
    for (int s = SUBJECT_UPDATE; s <= SUBJECT_ERROR; s++)
        text_addf(out, "%u %s%s: %u local, %u local with weight transport, %u not local.\n", all[s], nouns[s],
                  all[s] == 1 ? "" : "s", local[s], transport[s], all[s] - local[s] - transport[s]);
}

static void print_text(Report *report, Text *out) {
    D *d = report->d;
    const char *title = arena_format(d->page.arena, "%s: what each update and each error uses%s%s", d->model->name,
                                     d->equations->neurons.count ? ", under " : "",
                                     d->equations->neurons.count ? d->principle->name : "");
    text_addf(out, "%s\n", title);
    for (size_t i = 0; i < strlen(title); i++) text_add(out, "=");
    text_add(out, "\n");
    print_accounts(report, SUBJECT_UPDATE, out);
    print_accounts(report, SUBJECT_ERROR, out);
    count_verdicts(report, out);
}

static void add_json_place(const D *d, Span span, Text *out) {
    const char *file;
    uint32_t line, column;
    if (!span.source) {
        text_add(out, "\"file\": null, \"line\": null");
        return;
    }
    diag_position(d->model->diags, span, &file, &line, &column);
    text_add(out, "\"file\": ");
    text_add_json(out, file);
    text_addf(out, ", \"line\": %u", line);
}

static void print_json_account(const D *d, const Account *account, Text *out) {
    Where worst = worst_of(account);
    text_add(out, "  {\"name\": ");
    text_add_json(out, d->names.documented[account->symbol]);
    text_add(out, ", \"element\": ");
    text_add_json(out, show_access(d, account, account->element));
    text_addf(out, ", \"kind\": \"%s\", \"verdict\": \"%s\", ", account->subject == SUBJECT_UPDATE ? "update" : "error",
              worst == AT_ELSEWHERE   ? "not_local"
              : worst == AT_TRANSPORT ? "weight_transport"
                                      : "local");
    add_json_place(d, account->span, out);
    text_add(out, ", \"signals\": [");
    for (uint32_t i = 0; i < account->uses.count; i++) {
        const Use *use = &account->uses.items[i];
        text_addf(out, "%s\n    {\"signal\": ", i ? "," : "");
        text_add_json(out, show_use(d, account, use));
        text_addf(out, ", \"where\": \"%s\", \"local\": %s, ", wheres[use->where].word,
                  use->where == AT_ELSEWHERE ? "false" : "true");
        add_json_place(d, use->span, out);
        text_add(out, "}");
    }
    text_add(out, "]}");
}

static void print_json(const Report *report, Text *out) {
    const D *d = report->d;
    text_add(out, "{\"network\": ");
    text_add_json(out, d->model->name);
    text_addf(out, ", \"dynamics\": \"%s\", \"entries\": [", d->principle->name);
    for (uint32_t i = 0; i < report->accounts.count; i++) {
        text_add(out, i ? ",\n" : "\n");
        print_json_account(d, &report->accounts.items[i], out);
    }
    text_add(out, "\n]}\n");
}

void locality_print(const Equations *equations, ExprStyle style, bool json, Text *out) {
    Model *m = equations->model;
    D d = {.equations = equations,
           .model = m,
           .store = m->store,
           .principle = principle_find(m->dynamics.principle),
           .page = {.style = style, .arena = m->arena, .diags = m->diags}};
    Report report = {.d = &d};
    names_open(&d.names, equations, style);
    names_keep_documented(&d.names);
    names_relative(&d.names, -1);
    for (uint32_t i = 0; i < equations->gradients.count; i++)
        account_for_update(&report, &equations->gradients.items[i]);
    account_for_written(&report);
    for (uint32_t i = 0; i < equations->neurons.count; i++)
        if (equations->neurons.items[i].has_error) account_for_error(&report, &equations->neurons.items[i]);
    for (uint32_t i = 0; i < equations->connections.count; i++)
        account_for_downward(&report, &equations->connections.items[i]);
    if (json)
        print_json(&report, out);
    else
        print_text(&report, out);
    names_close(&d.names);
    for (uint32_t i = 0; i < report.accounts.count; i++) {
        vec_free(&report.accounts.items[i].uses);
        vec_free(&report.accounts.items[i].letters);
    }
    vec_free(&report.accounts);
}
