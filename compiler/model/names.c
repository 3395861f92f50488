// Declarations that nothing uses are never worked out, but their names are checked, so that a misspelt one is found
// before it is used for the first time.
#include "resolve.h"

typedef struct Check {
    Resolver *r;
    const Ast *declaration;
    Vec(Atom) known; // parameters and what the declaration itself introduces
} Check;

void check_parameters(Resolver *r, const Ast *declaration) {
    if (declaration->kind == AST_EXPERIMENT || declaration->kind == AST_IMPORT) return;
    const Ast *parameters = declaration->child[0];
    for (uint32_t i = 0; i < parameters->count; i++)
        for (uint32_t k = 0; k < i; k++) {
            if (parameters->child[k]->name != parameters->child[i]->name) continue;
            diag_report(r->diags, DIAG_E0203, parameters->child[i]->span, "`%s` has two parameters `%s`",
                        declaration->name, parameters->child[i]->name);
            diag_note(r->diags, parameters->child[k]->span, "the first one is here");
        }
}

static bool is_known(const Check *check, Atom name) {
    for (uint32_t i = 0; i < check->known.count; i++)
        if (check->known.items[i] == name) return true;
    return builtin_find(name) || find_declaration(check->r, AST_FUNCTION, name);
}

static void report_name(Check *check, const Ast *name) {
    Resolver *r = check->r;
    diag_report(r->diags, DIAG_E0201, name->span, "unknown name `%s`", name->name);
    diag_expected(r->diags, "a name known in %s `%s`", ast_kind_name(check->declaration->kind),
                  check->declaration->name);
    Vec(Atom) names = {0};
    for (uint32_t i = 0; i < check->known.count; i++) vec_push(&names, check->known.items[i]);
    for (const char *const *b = builtin_names(); *b; b++) vec_push(&names, arena_atom_z(r->arena, *b));
    for (uint32_t i = 0; i < r->declarations.count; i++)
        if (r->declarations.items[i]->kind == AST_FUNCTION) vec_push(&names, r->declarations.items[i]->name);
    suggest(r, name->name, names.items, names.count);
    vec_free(&names);
}

static void check_names(Check *check, const Ast *ast) {
    if (!ast || ast->kind == AST_OPTION) return; // options of weights are words
    if (ast->kind == AST_NAME && !is_known(check, ast->name)) report_name(check, ast);
    uint32_t before = check->known.count, indices = ast->kind == AST_REDUCE ? ast->count - 1 : 0;
    for (uint32_t i = 0; i < indices; i++) vec_push(&check->known, ast->child[i]->name);
    uint32_t first = ast->kind == AST_ASSIGN || ast->kind == AST_EQUATION
                         ? 1
                         : indices; // what may be assigned is checked where it is used
    for (uint32_t i = first; i < ast->count; i++) check_names(check, ast->child[i]);
    check->known.count = before;
}

// The names of states, inputs, weights, …, and of those in compartments.
static void learn_items(Check *check, const Ast *block) {
    for (uint32_t i = 0; i < block->count; i++) {
        const Ast *item = block->child[i];
        if (!item) continue;
        if (item->name) vec_push(&check->known, item->name);
        if (item->kind == AST_COMPARTMENT) learn_items(check, item);
    }
}

static void learn_names(Check *check) {
    static const char *const implied[] = {"dt", "pre", "post", "i", "j", "gradient", "parameter"};
    const Ast *declaration = check->declaration;
    for (size_t i = 0; i < sizeof implied / sizeof *implied; i++)
        vec_push(&check->known, arena_atom_z(check->r->arena, implied[i]));
    for (uint32_t i = 0; i < declaration->child[0]->count; i++)
        vec_push(&check->known, declaration->child[0]->child[i]->name);
    if (declaration->kind != AST_FUNCTION) learn_items(check, declaration);
}

void check_unused_declarations(Resolver *r) {
    for (uint32_t i = 0; i < r->declarations.count; i++) {
        const Ast *declaration = r->declarations.items[i];
        bool expands = declaration->kind == AST_FUNCTION || declaration->kind == AST_NEURON ||
                       declaration->kind == AST_SYNAPSE || declaration->kind == AST_OPTIMISER;
        if (!expands) continue;
        Check check = {.r = r, .declaration = declaration};
        learn_names(&check);
        for (uint32_t k = 0; k < declaration->count; k++) check_names(&check, declaration->child[k]);
        vec_free(&check.known);
    }
}
