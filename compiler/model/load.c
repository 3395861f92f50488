// From a path to a checked model: reads the file, its imports and the prelude, parses them, resolves the network.
#include "network.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

extern const char lequel_prelude_text[]; // models/prelude.leq, embedded when building
extern const unsigned long lequel_prelude_length;

enum { MAX_IMPORT_DEPTH = 32 };
static const size_t max_source_bytes = (size_t)64 << 20;

typedef struct Loading {
    Resolver *r;
    const char *text; // of the first file, or NULL
    Vec(Atom) paths;  // read already
    uint32_t depth;
    Atom open[MAX_IMPORT_DEPTH + 1]; // files that are being read, the outermost first
} Loading;

static double now(void) {
    struct timespec t;
    timespec_get(&t, TIME_UTC);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

bool source_read(Resolver *r, Atom path, Span where, DiagCode code, char **text, size_t *length) {
    FILE *file = fopen(path, "rb");
    const char *problem = NULL;
    char *bytes = NULL;
    size_t used = 0, size = 0;
    if (!file) problem = strerror(errno);
    while (file && !problem) {
        if (used == size) {
            size = size ? 2 * size : 1 << 14;
            bytes = memory_resize(bytes, size, 1);
        }
        size_t got = fread(bytes + used, 1, size - used, file);
        used += got;
        if (!got) break;
        if (used > max_source_bytes) problem = "larger than 64 MiB";
    }
    if (file && !problem && ferror(file)) problem = strerror(errno);
    if (file) fclose(file);
    if (problem) {
        diag_report(r->diags, where.source ? code : DIAG_E0001, where, "cannot read `%s`: %s", path, problem);
        free(bytes);
        return false;
    }
    *text = arena_alloc(r->arena, used + 1);
    if (used) memcpy(*text, bytes, used);
    *length = used;
    free(bytes);
    return true;
}

// Drops `./` and `folder/../`, so that one file has one name.
static Atom plain_path(Resolver *r, Atom path) {
    char *plain = arena_alloc(r->arena, strlen(path) + 1), *end = plain;
    if (*path == '/') *end++ = '/';
    for (const char *part = path; *part;) {
        size_t length = strcspn(part, "/");
        char *last = end; // where the last part that is kept begins
        while (last > plain && last[-1] == '/') last--;
        while (last > plain && last[-1] != '/') last--;
        bool up = length == 2 && memcmp(part, "..", 2) == 0, kept_up = strncmp(last, "../", 3) == 0;
        if (up && end > last && !kept_up) {
            end = last;
        } else if (length && !(length == 1 && *part == '.')) {
            memcpy(end, part, length);
            end += length;
            if (part[length]) *end++ = '/';
        }
        part += length + (part[length] == '/');
    }
    *end = 0;
    return arena_atom_z(r->arena, plain);
}

static Atom beside(Resolver *r, Atom path, Atom import) {
    const char *slash = strrchr(path, '/');
    if (!slash || import[0] == '/') return plain_path(r, import);
    return plain_path(r, arena_format(r->arena, "%.*s%s", (int)(slash - path + 1), path, import));
}

static bool imports_itself(Loading *l, Atom path, const Ast *import) {
    for (uint32_t i = 0; i <= l->depth; i++) {
        if (l->open[i] != path) continue;
        diag_report(l->r->diags, DIAG_E0215, import->span,
                    i == l->depth ? "`%s` imports itself" : "`%s` is imported by a file that it imports", path);
        diag_help(l->r->diags, i == l->depth ? "remove this line" : "move what both files need into a third one");
        return true;
    }
    return false;
}

static void take_declarations(Loading *l, Atom path, const Ast *file);

static Ast *load_file(Loading *l, Atom path, Span where) {
    for (uint32_t i = 0; i < l->paths.count; i++)
        if (l->paths.items[i] == path) return NULL; // once is enough; cycles end here too
    vec_push(&l->paths, path);
    char *text;
    size_t length;
    if (l->text && l->paths.count == 1) {
        length = strlen(l->text);
        text = arena_alloc(l->r->arena, length + 1); // zeroed
        memcpy(text, l->text, length);
    } else if (!source_read(l->r, path, where, DIAG_E0215, &text, &length)) {
        return NULL;
    }
    l->open[l->depth] = plain_path(l->r, path);
    uint32_t source = diag_add_source(l->r->diags, path, text, length);
    Ast *file = ast_parse(l->r->arena, l->r->diags, source, text, length);
    take_declarations(l, path, file);
    return file;
}

static void check_redeclared(Resolver *r, const Ast *declaration) {
    for (uint32_t i = 0; i < r->declarations.count; i++) {
        const Ast *other = r->declarations.items[i];
        if (other->kind != declaration->kind || other->name != declaration->name || other->span.source == r->prelude)
            continue;
        diag_report(r->diags, DIAG_E0203, declaration->name_span, "%s `%s` is declared twice",
                    ast_kind_name(declaration->kind), declaration->name);
        diag_note(r->diags, other->name_span, "it was introduced here");
        return;
    }
}

static void take_import(Loading *l, Atom path, const Ast *import) {
    Resolver *r = l->r;
    Atom target = beside(r, path, import->text);
    if (!*import->text && diag_error_count(r->diags)) return; // a text without its end
    if (imports_itself(l, target, import)) return;
    if (l->depth == MAX_IMPORT_DEPTH) {
        diag_report(r->diags, DIAG_E0215, import->span, "imports nested more than %d deep", MAX_IMPORT_DEPTH);
        return;
    }
    l->depth++;
    load_file(l, target, import->span);
    l->depth--;
}

static void take_declarations(Loading *l, Atom path, const Ast *file) {
    Resolver *r = l->r;
    for (uint32_t i = 0; i < file->count; i++) {
        const Ast *declaration = file->child[i];
        if (declaration->kind == AST_IMPORT) {
            take_import(l, path, declaration);
        } else {
            check_redeclared(r, declaration);
            check_parameters(r, declaration);
            vec_push(&r->declarations, declaration);
        }
    }
}

static void load_prelude(Loading *l) {
    Resolver *r = l->r;
    uint32_t source = diag_add_source(r->diags, "prelude.leq", lequel_prelude_text, lequel_prelude_length);
    r->prelude = source;
    Ast *file = ast_parse(r->arena, r->diags, source, lequel_prelude_text, lequel_prelude_length);
    take_declarations(l, arena_atom_z(r->arena, "prelude.leq"), file);
}

// The last declaration of a kind in the user's files, or the one that is asked for.
static const Ast *choose(Resolver *r, AstKind kind, const char *name, const Ast *file) {
    const Ast *found = NULL;
    for (uint32_t i = 0; i < r->declarations.count; i++) {
        const Ast *d = r->declarations.items[i];
        if (d->kind == kind && (!name || strcmp(d->name, name) == 0)) found = d;
    }
    if (found || (!name && kind == AST_EXPERIMENT)) return found;
    if (name) {
        Vec(Atom) names = {0};
        for (uint32_t i = 0; i < r->declarations.count; i++)
            if (r->declarations.items[i]->kind == kind) vec_push(&names, r->declarations.items[i]->name);
        diag_report(r->diags, DIAG_E0002, (Span){0}, "there is no %s `%s` in this file", ast_kind_name(kind), name);
        if (names.count)
            diag_expected(r->diags, "`%s`%s", names.items[names.count - 1],
                          names.count > 1 ? " or another one that it declares" : "");
        suggest(r, arena_atom_z(r->arena, name), names.items, names.count);
        vec_free(&names);
    } else {
        diag_report(r->diags, DIAG_E0211, (Span){file->span.source, file->span.begin, file->span.begin},
                    "this file declares no network");
        diag_expected(r->diags, "`network NAME { … }`");
    }
    return NULL;
}

static void read_defines(Resolver *r, const ModelOptions *options) {
    for (uint32_t i = 0; i < options->define_count; i++) {
        const char *text = options->defines[i], *equals = strchr(text, '=');
        Definition d = {0};
        const char *end = equals ? equals + 1 : NULL;
        while (end && *end && strchr("0123456789.eE+-", *end)) end++;
        double factor, divisor;
        if (equals && end > equals + 1 && end[-1] != ' ' && number_parse(equals + 1, end, &d.value) &&
            unit_parse(end, &d.unit, &factor, &divisor, NULL) && isfinite(d.value)) {
            d.name = arena_atom(r->arena, text, (size_t)(equals - text));
            d.value = d.value * factor / divisor;
            vec_push(&r->defines, d);
        } else {
            diag_report(r->diags, DIAG_E0213, (Span){0}, "`-D %s` defines nothing", text);
            diag_expected(r->diags, "a name, `=` and a number, as in `-D tau=1.2`");
        }
    }
}

// Network parameters that the experiment anneals must stay variable.
static void find_annealed(Resolver *r) {
    for (uint32_t i = 0; r->experiment && i < r->experiment->count; i++)
        if (r->experiment->child[i] && r->experiment->child[i]->kind == AST_ANNEAL)
            vec_push(&r->annealed, r->experiment->child[i]->name);
}

Model *model_load(Arena *arena, Diagnostics *diags, const ModelOptions *options, Ast **file) {
    Model *model = arena_new_object(arena, Model);
    *model = (Model){.arena = arena, .diags = diags, .store = expr_store_new(arena)};
    Resolver r = {.arena = arena,
                  .diags = diags,
                  .store = model->store,
                  .model = model,
                  .beside = options->beside,
                  .global = {.description = "this file"}};
    Loading l = {.r = &r, .text = options->text};
    double start = now();
    load_prelude(&l);
    Ast *tree = load_file(&l, arena_atom_z(arena, options->path), (Span){0});
    if (file) *file = tree;
    model->parse_seconds = now() - start;
    read_defines(&r, options);
    if (options->dynamics) r.dynamics_override = parse_dynamics(&r, options->dynamics);
    if (tree && !diag_error_count(diags)) {
        r.experiment = choose(&r, AST_EXPERIMENT, options->experiment, tree);
        find_annealed(&r);
        find_set_parameters(&r);
        const Ast *network = choose(&r, AST_NETWORK, options->network, tree);
        if (network) resolve_network(&r, network);
        check_unused_declarations(&r);
    }
    vec_free(&l.paths);
    vec_free(&r.declarations);
    vec_free(&r.defines);
    vec_free(&r.annealed);
    scope_free(&r.global);
    if (!diag_error_count(diags)) return model;
    model_free(model);
    return NULL;
}
