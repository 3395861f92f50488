// Identifiers of C from names of a model: letters, digits and single underscores, no reserved word of C or C++, no
// macro that a hosted compiler defines, nothing that the emitted code declares itself, and no two alike.
#include "writer.h"
#include <ctype.h>
#include <string.h>

static const char *const reserved[] = {
    // C and C++
    "alignas", "alignof", "and", "and_eq", "asm", "auto", "bitand", "bitor", "bool", "break", "case", "catch", "char",
    "char8_t", "char16_t", "char32_t", "class", "co_await", "co_return", "co_yield", "compl", "concept", "const",
    "consteval", "constexpr", "constinit", "const_cast", "continue", "decltype", "default", "delete", "do", "double",
    "dynamic_cast", "else", "enum", "explicit", "export", "extern", "false", "final", "float", "for", "friend", "goto",
    "if", "import", "inline", "int", "long", "module", "mutable", "namespace", "new", "noexcept", "not", "not_eq",
    "nullptr", "operator", "or", "or_eq", "override", "private", "protected", "public", "register", "reinterpret_cast",
    "requires", "restrict", "return", "short", "signed", "sizeof", "static", "static_assert", "static_cast", "struct",
    "switch", "template", "this", "thread_local", "throw", "true", "try", "typedef", "typeid", "typename", "typeof",
    "union", "unsigned", "using", "virtual", "void", "volatile", "wchar_t", "while", "xor", "xor_eq",
    // macros of compilers and of the headers that are included
    "NULL", "EOF", "BUFSIZ", "NAN", "INFINITY", "HUGE_VAL", "errno", "stdin", "stdout", "stderr", "assert", "linux",
    "unix", "i386", "vax", "sun", "mips", "sparc", "arm", "hpux", "NDEBUG", "math_errhandling", "offsetof", "isnan",
    "isinf", "signbit", "near", "far", "min", "max", "small", "interface",
    // members, locals and functions of the emitted code
    "m", "i", "j", "k", "l", "n", "q", "b", "sum", "lane", "steps", "seed", "value", "rule", "bytes", "at", "main",
    "memset", "memcpy", "sqrt", "sqrtf", "size_t", "learns"};

static bool is_reserved(const char *name) {
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (strcmp(reserved[i], name) == 0) return true;
    return false;
}

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool emit_is_identifier(const char *text) {
    if (!is_letter(*text) || is_reserved(text) || strlen(text) > 32) return false;
    for (const char *c = text; *c; c++)
        if (!is_letter(*c) && !is_digit(*c) && *c != '_') return false;
    return true;
}

static bool is_taken(const NameSet *set, const char *name) {
    for (uint32_t i = 0; i < set->taken.count; i++)
        if (strcmp(set->taken.items[i], name) == 0) return true;
    return false;
}

// h[2].tau_m becomes h_2_tau_m.
static void spell(const char *text, Text *out) {
    for (const char *c = text; *c; c++) {
        bool plain = is_letter(*c) || is_digit(*c);
        if (plain && !out->length && is_digit(*c)) text_add(out, "n");
        if (plain)
            text_add_bytes(out, c, 1);
        else if (out->length && out->bytes[out->length - 1] != '_')
            text_add(out, "_");
    }
    while (out->length && out->bytes[out->length - 1] == '_') out->bytes[--out->length] = 0;
    if (!out->length) text_add(out, "unnamed");
}

const char *name_make(NameSet *set, const char *text) {
    Text spelled = {0};
    spell(text, &spelled);
    if (is_reserved(text_z(&spelled))) text_add(&spelled, "_");
    const char *name = arena_atom_z(set->arena, text_z(&spelled));
    for (int number = 2; is_taken(set, name); number++)
        name = arena_format(set->arena, "%s_%d", text_z(&spelled), number);
    text_free(&spelled);
    vec_push(&set->taken, name);
    return name;
}

void name_set_free(NameSet *set) { vec_free(&set->taken); }

const char *name_upper(Arena *arena, const char *text) {
    Text upper = {0};
    for (const char *c = text; *c; c++) {
        char letter = (char)toupper((unsigned char)*c);
        text_add_bytes(&upper, &letter, 1);
    }
    const char *name = arena_atom_z(arena, text_z(&upper));
    text_free(&upper);
    return name;
}
