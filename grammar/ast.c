// Nodes of the syntax tree: constructors for the grammar's actions, and the dump.
#include "syntax.h"
#include <stdarg.h>
#include <string.h>

const Name NO_NAME = {0};

// Every node carries its depth, unseen by others, so that no later recursion over the tree can be too deep.
typedef struct Node {
    Ast ast; // first: a pointer to it is a pointer to the node
    uint32_t depth;
} Node;

Span parser_span(const Parser *parser, uint32_t begin, uint32_t end) { return (Span){parser->source, begin, end}; }

// ---- Lists

AstList *ast_list_new(Parser *parser) { return arena_new_object(parser->arena, AstList); }

AstList *ast_list_add(Parser *parser, AstList *list, Ast *item) {
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? 2 * list->capacity : 4;
        Ast **items = arena_new_array(parser->arena, Ast *, list->capacity);
        if (list->count) memcpy(items, list->items, list->count * sizeof *items);
        list->items = items;
    }
    list->items[list->count++] = item;
    return list;
}

AstList *ast_list_of(Parser *parser, Ast *item) { return ast_list_add(parser, ast_list_new(parser), item); }

// Items that could not be read are NULL and left out.
AstList *ast_list_join(Parser *parser, AstList *list, const AstList *more) {
    for (uint32_t i = 0; i < more->count; i++)
        if (more->items[i]) ast_list_add(parser, list, more->items[i]);
    return list;
}

// ---- Nodes

static void adopt(Node *node, Ast *child) {
    node->ast.child[node->ast.count++] = child;
    if (child && ((Node *)child)->depth >= node->depth) node->depth = ((Node *)child)->depth + 1;
}

// The tree is cut where it gets too deep; the error stops the compilation before anyone misses the children.
static void limit_depth(Parser *parser, Node *node) {
    if (node->depth <= TREE_DEPTH_LIMIT) return;
    if (!parser->too_deep) {
        parser->too_deep = true;
        diag_report(parser->diags, DIAG_E0106, node->ast.span, "this expression is too deeply nested");
        diag_expected(parser->diags, "at most %d levels of operators", TREE_DEPTH_LIMIT);
        diag_help(parser->diags, "name parts of it with `let`, or write it over an index: `sum(j: …)`");
    }
    node->ast.kind = AST_NUMBER;
    node->ast.count = 0;
    node->depth = 1;
}

Ast *ast_build(Parser *parser, AstKind kind, Span span, Name name, const AstList *rest, uint32_t count, ...) {
    Node *node = arena_new_object(parser->arena, Node);
    node->ast = (Ast){.kind = kind, .span = span, .name = name.atom, .name_span = name.span};
    node->depth = 1;
    uint32_t total = count + (rest ? rest->count : 0);
    if (total) node->ast.child = arena_new_array(parser->arena, Ast *, total);
    va_list children;
    va_start(children, count);
    for (uint32_t i = 0; i < count; i++) adopt(node, va_arg(children, Ast *));
    va_end(children);
    for (uint32_t i = 0; rest && i < rest->count; i++) adopt(node, rest->items[i]);
    limit_depth(parser, node);
    return &node->ast;
}

Ast *ast_with_flags(Ast *node, uint32_t flags) {
    node->flags |= flags;
    return node;
}

Ast *ast_with_span(Ast *node, Span span) {
    node->span = span;
    return node;
}

Ast *ast_number(Parser *parser, Span span, Literal literal) {
    Ast *node = ast_build(parser, AST_NUMBER, span, NO_NAME, NULL, 0);
    node->number = literal.number;
    node->text = literal.unit;
    return node;
}

Ast *ast_string(Parser *parser, AstKind kind, Span span, Atom text) {
    Ast *node = ast_build(parser, kind, span, NO_NAME, NULL, 0);
    node->text = text;
    return node;
}

Ast *ast_sizes(Parser *parser, Span span, AstList *sizes) {
    return sizes->count == 1 ? sizes->items[0] : ast_build(parser, AST_LIST, span, NO_NAME, sizes, 0);
}

static bool is_reduction(Atom name) {
    static const char *const names[] = {"sum", "mean", "max", "min"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (name && strcmp(name, names[i]) == 0) return true;
    return false;
}

// `sum(j: body)`. The grammar reads indices as any arguments, since the colon comes after them; they are checked here.
Ast *ast_reduction(Parser *parser, Span span, Ast *callee, const AstList *indices, Ast *body) {
    if (callee->kind != AST_NAME || !is_reduction(callee->name)) {
        diag_report(parser->diags, DIAG_E0110, callee->span, "only reductions take indices before a colon");
        diag_expected(parser->diags, "`sum`, `mean`, `max` or `min`");
    }
    for (uint32_t i = 0; i < indices->count; i++) {
        if (indices->items[i]->kind == AST_NAME) continue;
        diag_report(parser->diags, DIAG_E0110, indices->items[i]->span, "an index must be a name");
        diag_expected(parser->diags, "names before the colon, as in `sum(i, j: W[i, j] * x[j])`");
    }
    AstList *children = ast_list_join(parser, ast_list_new(parser), indices);
    ast_list_add(parser, children, body);
    return ast_build(parser, AST_REDUCE, span, (Name){callee->name, callee->span}, children, 0);
}

uint32_t ast_counted(const Ast *ast) {
    static const struct {
        const char *word;
        uint32_t flag;
    } counts[] = {{"step", AST_STEP},
                  {"steps", AST_STEP},
                  {"epoch", AST_EPOCH_COUNT},
                  {"epochs", AST_EPOCH_COUNT},
                  {"presentation", AST_PRESENTATION_COUNT},
                  {"presentations", AST_PRESENTATION_COUNT}};
    if (!ast || ast->kind != AST_NUMBER || !ast->text) return 0;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        if (strcmp(ast->text, counts[i].word) == 0) return counts[i].flag;
    return 0;
}

// ---- Dump

const char *ast_kind_name(AstKind kind) {
    static const char *const names[] = {
        "number",  "string",     "name",    "member",    "index",       "call",         "argument",   "reduction",
        "unary",   "binary",     "range",   "list",      "over",        "file",         "import",     "function",
        "neuron",  "synapse",    "network", "optimiser", "experiment",  "parameters",   "parameter",  "state",
        "input",   "output",     "let",     "energy",    "compartment", "equation",     "assignment", "couple",
        "noise",   "weight",     "option",  "current",   "plasticity",  "count",        "setting",    "target",
        "label",   "population", "connect", "for",       "cost",        "dynamics",     "learn",      "from",
        "until",   "clamp",      "order",   "phase",     "on",          "data",         "present",    "batch",
        "epochs",  "duration",   "settle",  "score",     "evaluate",    "evaluate for", "anneal",     "record",
        "setting", "stage",      "disturb"};
    _Static_assert(sizeof names / sizeof *names == AST_KIND_COUNT, "one name for each kind");
    return kind < AST_KIND_COUNT ? names[kind] : "?";
}

static void dump_flags(uint32_t flags, Text *out) {
    if (flags & AST_DRAW) text_add(out, " draw");
    if (flags & AST_STEP) text_add(out, " step");
    if (flags & AST_SHUFFLE) text_add(out, " shuffle");
    if (flags & AST_ALL) text_add(out, " all");
    if (flags & AST_RESET) text_add(out, " reset");
    if (flags & AST_FIXED) text_add(out, " fixed");
}

static void dump_node(const Ast *node, uint32_t depth, Text *out) {
    for (uint32_t i = 0; i < depth; i++) text_add(out, "  ");
    if (!node) {
        text_add(out, "-\n");
        return;
    }
    text_add(out, ast_kind_name(node->kind));
    if (node->name) text_addf(out, " %s", node->name);
    if (node->kind == AST_NUMBER) {
        text_add(out, " ");
        text_add_number(out, node->number);
        if (node->text) text_addf(out, " %s", node->text);
    } else if (node->text) {
        text_addf(out, " \"%s\"", node->text);
    }
    dump_flags(node->flags, out);
    text_addf(out, " [%u, %u)\n", node->span.begin, node->span.end);
    for (uint32_t i = 0; i < node->count; i++) dump_node(node->child[i], depth + 1, out); // TREE_DEPTH_LIMIT
}

void ast_dump(const Ast *node, Text *out) { dump_node(node, 0, out); }
