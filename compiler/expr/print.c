// Prints expressions as text (the language's own notation), as Unicode mathematics, as LaTeX and as MathML.
//
// Text has as few parentheses as precedence allows, `a - b` for a + -1*b, and one denominator for all negative powers.
// Factors print in the order constants, scalars, parameters, weights, anything else, sums; terms with a positive one
// first. Two index variables that share a name are told apart by renaming the inner one.
//
// A name `h[2].tau_m` is made of an owner `h[2]` and a member `tau_m`, which is made of a base `tau` and subscripts.
// Unicode turns Greek bases into letters and short subscripts into subscript characters: h[2].τₘ[i]. LaTeX prints the
// base, all subscripts and then the indices below, and the owner in parentheses above: \tau^{(h_{2})}_{m,i}. It needs
// no package. MathML does the same with elements of MathML Core; it is a sequence of elements, to be put into a <math>.
// New versions carry a prime.
#include "../support/vec.h"
#include "expr.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// From loosest to tightest binding.
typedef enum Level {
    LEVEL_LOOSE,
    LEVEL_OR,
    LEVEL_AND,
    LEVEL_NOT,
    LEVEL_COMPARE,
    LEVEL_SUM,
    LEVEL_PRODUCT, // and anything with a leading minus
    LEVEL_POWER,
    LEVEL_ATOM,
} Level;

typedef struct IndexName {
    Index index;
    char name[24];
} IndexName;

typedef struct Printer {
    const ExprStore *store;
    ExprStyle style;
    Text *out;
    Vec(IndexName) names; // of index variables in scope, outermost first
} Printer;

typedef Vec(Index) IndexList;

static void print(Printer *p, Expr expr, Level needed);

// The spelling of the printer's style.
static void add(Printer *p, const char *text, const char *unicode, const char *latex, const char *mathml) {
    const char *const spelling[] = {
        [EXPR_TEXT] = text, [EXPR_UNICODE] = unicode, [EXPR_LATEX] = latex, [EXPR_MATHML] = mathml};
    text_add(p->out, spelling[p->style]);
}

// LaTeX and MathML set fractions, exponents and indices in two dimensions.
static bool is_set(const Printer *p) { return p->style == EXPR_LATEX || p->style == EXPR_MATHML; }

static void open_bracket(Printer *p) { add(p, "(", "(", "\\left(", "<mrow><mo>(</mo>"); }
static void close_bracket(Printer *p) { add(p, ")", ")", "\\right)", "<mo>)</mo></mrow>"); }

// ---- Names ----------------------------------------------------------------------------------------------------------

typedef struct Word {
    const char *begin;
    size_t length;
} Word;

typedef struct Greek {
    const char *name, *letter, *latex;
} Greek;

static const Greek greek_letters[] = {
    {"alpha", "α", "\\alpha"},
    {"beta", "β", "\\beta"},
    {"gamma", "γ", "\\gamma"},
    {"delta", "δ", "\\delta"},
    {"epsilon", "ε", "\\varepsilon"},
    {"zeta", "ζ", "\\zeta"},
    {"eta", "η", "\\eta"},
    {"theta", "θ", "\\theta"},
    {"iota", "ι", "\\iota"},
    {"kappa", "κ", "\\kappa"},
    {"lambda", "λ", "\\lambda"},
    {"mu", "μ", "\\mu"},
    {"nu", "ν", "\\nu"},
    {"xi", "ξ", "\\xi"},
    {"pi", "π", "\\pi"},
    {"rho", "ρ", "\\rho"},
    {"sigma", "σ", "\\sigma"},
    {"tau", "τ", "\\tau"},
    {"upsilon", "υ", "\\upsilon"},
    {"phi", "φ", "\\varphi"},
    {"chi", "χ", "\\chi"},
    {"psi", "ψ", "\\psi"},
    {"omega", "ω", "\\omega"},
    {"Gamma", "Γ", "\\Gamma"},
    {"Delta", "Δ", "\\Delta"},
    {"Theta", "Θ", "\\Theta"},
    {"Lambda", "Λ", "\\Lambda"},
    {"Xi", "Ξ", "\\Xi"},
    {"Pi", "Π", "\\Pi"},
    {"Sigma", "Σ", "\\Sigma"},
    {"Phi", "Φ", "\\Phi"},
    {"Psi", "Ψ", "\\Psi"},
    {"Omega", "Ω", "\\Omega"},
};

static bool word_is(Word word, const char *text) {
    return strlen(text) == word.length && memcmp(text, word.begin, word.length) == 0;
}

static const Greek *find_greek(Word word) {
    for (size_t i = 0; i < sizeof greek_letters / sizeof *greek_letters; i++)
        if (word_is(word, greek_letters[i].name) || word_is(word, greek_letters[i].letter)) return &greek_letters[i];
    return NULL;
}

// Letters without a subscript form are missing from Unicode: b, c, d, f, g, q, w, y, z.
static const char *subscript_of(char c) {
    static const char *const digits[] = {"₀", "₁", "₂", "₃", "₄", "₅", "₆", "₇", "₈", "₉"};
    static const char *const letters[26] = {['a' - 'a'] = "ₐ", ['e' - 'a'] = "ₑ", ['h' - 'a'] = "ₕ", ['i' - 'a'] = "ᵢ",
                                            ['j' - 'a'] = "ⱼ", ['k' - 'a'] = "ₖ", ['l' - 'a'] = "ₗ", ['m' - 'a'] = "ₘ",
                                            ['n' - 'a'] = "ₙ", ['o' - 'a'] = "ₒ", ['p' - 'a'] = "ₚ", ['r' - 'a'] = "ᵣ",
                                            ['s' - 'a'] = "ₛ", ['t' - 'a'] = "ₜ", ['u' - 'a'] = "ᵤ", ['v' - 'a'] = "ᵥ",
                                            ['x' - 'a'] = "ₓ"};
    if (c >= '0' && c <= '9') return digits[c - '0'];
    return c >= 'a' && c <= 'z' ? letters[c - 'a'] : NULL;
}

static bool add_subscript(Text *out, Word word) {
    for (size_t i = 0; i < word.length; i++)
        if (!subscript_of(word.begin[i])) return false;
    for (size_t i = 0; i < word.length; i++) text_add(out, subscript_of(word.begin[i]));
    return true;
}

static size_t digits_at_end(Word word) {
    size_t count = 0;
    while (count < word.length && isdigit((unsigned char)word.begin[word.length - 1 - count])) count++;
    return count;
}

// Splits "h[2].tau_m" at the last dot outside brackets. An owner of length 0: there is none.
static void split_owner(Atom name, Word *owner, Word *member) {
    const char *dot = NULL;
    int depth = 0;
    for (const char *c = name; *c; c++) {
        depth += (*c == '[') - (*c == ']');
        if (*c == '.' && depth == 0) dot = c;
    }
    *owner = (Word){name, dot ? (size_t)(dot - name) : 0};
    *member = (Word){dot ? dot + 1 : name, strlen(dot ? dot + 1 : name)};
}

// The base of a component: what stands before its first underscore, bracket, or the digits after a letter.
static Word base_of(Word component) {
    Word base = {component.begin, 0};
    while (base.length < component.length && !strchr("_[", component.begin[base.length])) base.length++;
    if (!base.length) return component; // a leading underscore belongs to the name
    Word letters = {base.begin, base.length - digits_at_end(base)};
    return letters.length == 1 || find_greek(letters) ? letters : base;
}

static bool is_one_letter(Word word) { return word.length == 1 || find_greek(word); }

// The accent of a time derivative follows the letter that it stands on.
static void add_unicode_name(Text *out, Atom name, bool dotted) {
    Word owner, member;
    split_owner(name, &owner, &member);
    text_add_bytes(out, name, (size_t)(member.begin - name));
    Word base = base_of(member), rest = {member.begin + base.length, member.length - base.length};
    const Greek *greek = find_greek(base);
    if (greek) {
        text_add(out, greek->letter);
    } else {
        text_add_bytes(out, base.begin, base.length);
    }
    if (dotted) text_add(out, "\u0307");
    bool underscore = rest.length && rest.begin[0] == '_';
    Word low = {rest.begin + underscore, rest.length - underscore};
    bool is_short = is_one_letter(base) && low.length >= 1 && low.length <= 2 && (underscore || greek);
    if (!is_short || !add_subscript(out, low)) text_add_bytes(out, rest.begin, rest.length);
}

static void add_latex_escaped(Text *out, Word word) {
    for (size_t i = 0; i < word.length; i++) {
        char c = word.begin[i];
        if (strchr("_#$%&{}", c)) text_add(out, "\\");
        if (c == '\\' || c == '^' || c == '~') {
            text_add(out, c == '\\' ? "\\backslash " : c == '^' ? "\\hat{}" : "\\sim ");
        } else {
            text_add_bytes(out, &c, 1);
        }
    }
}

static bool is_number(Word word) { return word.length && digits_at_end(word) == word.length; }

static void add_latex_word(Text *out, Word word) {
    const Greek *greek = find_greek(word);
    bool upright = !greek && word.length > 1 && !is_number(word);
    if (upright) text_add(out, "\\mathrm{");
    if (greek) {
        text_add(out, greek->latex);
    } else {
        add_latex_escaped(out, word);
    }
    if (upright) text_add(out, "}");
}

static void add_escaped(Text *out, Word word) {
    for (size_t i = 0; i < word.length; i++) {
        char c = word.begin[i];
        if (c == '<' || c == '>' || c == '&') {
            text_add(out, c == '<' ? "&lt;" : c == '>' ? "&gt;" : "&amp;");
        } else {
            text_add_bytes(out, &c, 1);
        }
    }
}

static void add_mathml_word(Text *out, Word word) {
    const Greek *greek = find_greek(word);
    const char *element = is_number(word) ? "mn" : "mi";
    text_addf(out, "<%s>", element);
    add_escaped(out, greek ? (Word){greek->letter, strlen(greek->letter)} : word);
    text_addf(out, "</%s>", element);
}

static void add_word(Text *out, ExprStyle style, Word word) {
    if (style == EXPR_MATHML) {
        add_mathml_word(out, word);
    } else {
        add_latex_word(out, word);
    }
}

static const char *comma_of(ExprStyle style) { return style == EXPR_MATHML ? "<mo separator=\"true\">,</mo>" : ","; }

// The subscripts of a component: words between underscores, brackets and commas, separated by commas.
static bool add_subscripts(Text *out, ExprStyle style, Word rest) {
    bool any = false;
    for (size_t i = 0; i < rest.length;) {
        Word word = {rest.begin + i, 0};
        while (i + word.length < rest.length && !strchr("_[], ", word.begin[word.length])) word.length++;
        if (word.length && any) text_add(out, comma_of(style));
        if (word.length) add_word(out, style, word);
        any |= word.length > 0;
        i += word.length ? word.length : 1;
    }
    return any;
}

static void add_component(Text *out, ExprStyle style, Word component) {
    Word base = base_of(component);
    bool plain = base.length == component.length, latex = style == EXPR_LATEX;
    if (!plain && !latex) text_add(out, "<msub>");
    add_word(out, style, base);
    if (plain) return;
    text_add(out, latex ? "_{" : "<mrow>");
    add_subscripts(out, style, (Word){component.begin + base.length, component.length - base.length});
    text_add(out, latex ? "}" : "</mrow></msub>");
}

static void add_owner(Text *out, ExprStyle style, Word owner) {
    bool latex = style == EXPR_LATEX;
    text_add(out, latex ? "(" : "<mo stretchy=\"false\">(</mo>");
    size_t begin = 0;
    int depth = 0;
    for (size_t i = 0; i <= owner.length; i++) {
        if (i < owner.length) depth += (owner.begin[i] == '[') - (owner.begin[i] == ']');
        if (i < owner.length && (owner.begin[i] != '.' || depth != 0)) continue;
        if (begin) text_add(out, latex ? "." : "<mo>.</mo>");
        add_component(out, style, (Word){owner.begin + begin, i - begin});
        begin = i + 1;
    }
    text_add(out, latex ? ")" : "<mo stretchy=\"false\">)</mo>");
}

// ---- Index variables ------------------------------------------------------------------------------------------------

static void add_once(IndexList *list, Index index) {
    for (uint32_t i = 0; i < list->count; i++)
        if (list->items[i] == index) return;
    vec_push(list, index);
}

static void collect_free(const ExprStore *store, Expr expr, IndexList *bound, IndexList *free_list) {
    ExprNode node = expr_node(store, expr);
    bool binds = node.kind == EXPR_SUM || node.kind == EXPR_MAXIMUM;
    if (node.kind == EXPR_INDEX) {
        for (uint32_t i = 0; i < bound->count; i++)
            if (bound->items[i] == node.index) return;
        add_once(free_list, node.index);
    }
    if (binds) vec_push(bound, node.index);
    for (uint32_t i = 0; i < node.count; i++) collect_free(store, node.argument[i], bound, free_list);
    if (binds) bound->count--;
}

static const char *index_name(const Printer *p, Index index) {
    for (uint32_t i = p->names.count; i-- > 0;)
        if (p->names.items[i].index == index) return p->names.items[i].name;
    return index_info(p->store, index)->name;
}

static bool name_taken(const Printer *p, const char *name, Index but) {
    for (uint32_t i = 0; i < p->names.count; i++)
        if (p->names.items[i].index != but && strcmp(p->names.items[i].name, name) == 0) return true;
    return false;
}

// Brings an index variable into scope under its own name, or under the next letter when that is taken.
static void enter_index(Printer *p, Index index) {
    static const char letters[] = "ijklmnpq";
    IndexName entry = {.index = index};
    snprintf(entry.name, sizeof entry.name, "%s", index_info(p->store, index)->name);
    for (unsigned n = 0; name_taken(p, entry.name, index); n++) {
        unsigned round = n / 8;
        if (round) {
            snprintf(entry.name, sizeof entry.name, "%c%u", letters[n % 8], round + 1);
        } else {
            snprintf(entry.name, sizeof entry.name, "%c", letters[n]);
        }
    }
    vec_push(&p->names, entry);
}

static void enter_free_indices(Printer *p, Expr expr) {
    IndexList bound = {0}, list = {0};
    collect_free(p->store, expr, &bound, &list);
    for (uint32_t done = 0; done < list.count; done++) { // in the order of their making
        uint32_t first = done;
        for (uint32_t i = done; i < list.count; i++)
            if (list.items[i] < list.items[first]) first = i;
        Index index = list.items[first];
        list.items[first] = list.items[done];
        enter_index(p, index);
    }
    vec_free(&bound);
    vec_free(&list);
}

static void add_index_name(Printer *p, Index index) {
    const char *name = index_name(p, index);
    if (is_set(p)) {
        add_component(p->out, p->style, (Word){name, strlen(name)});
    } else {
        text_add(p->out, name);
    }
}

// ---- Numbers and accesses -------------------------------------------------------------------------------------------

static void add_minus(Printer *p) { add(p, "-", "−", "-", "<mo form=\"prefix\">−</mo>"); }

// 1e-08 is 10^{-8} in LaTeX.
static void add_latex_number(Text *out, const char *digits) {
    const char *e = strchr(digits, 'e');
    if (!e) {
        text_add(out, digits);
        return;
    }
    if (e - digits != 1 || digits[0] != '1') {
        text_add_bytes(out, digits, (size_t)(e - digits));
        text_add(out, " \\cdot ");
    }
    text_addf(out, "10^{%ld}", strtol(e + 1, NULL, 10));
}

static void add_mathml_number(Text *out, const char *digits) {
    const char *e = strchr(digits, 'e');
    if (!e) {
        text_addf(out, "<mn>%s</mn>", digits);
        return;
    }
    if (e - digits != 1 || digits[0] != '1') text_addf(out, "<mn>%.*s</mn><mo>⋅</mo>", (int)(e - digits), digits);
    long power = strtol(e + 1, NULL, 10);
    text_addf(out, "<msup><mn>10</mn><mrow>%s<mn>%ld</mn></mrow></msup>", power < 0 ? "<mo>−</mo>" : "", labs(power));
}

static void add_magnitude(Printer *p, double value) {
    char buffer[32];
    if (isinf(value)) {
        add(p, "inf", "∞", "\\infty", "<mi>∞</mi>");
    } else if (isnan(value)) {
        add(p, "nan", "nan", "\\mathrm{nan}", "<mi>nan</mi>");
    } else if (p->style == EXPR_MATHML) {
        add_mathml_number(p->out, number_format(buffer, fabs(value)));
    } else if (p->style == EXPR_LATEX) {
        add_latex_number(p->out, number_format(buffer, fabs(value)));
    } else {
        text_add(p->out, number_format(buffer, fabs(value)));
    }
}

static void add_number(Printer *p, double value) {
    if (value < 0) add_minus(p);
    add_magnitude(p, value);
}

static void print_list(Printer *p, const Expr *expr, uint32_t count, const char *separator) {
    for (uint32_t i = 0; i < count; i++) {
        if (i) text_add(p->out, p->style == EXPR_MATHML ? comma_of(p->style) : separator);
        print(p, expr[i], LEVEL_LOOSE);
    }
}

static void print_mathml_access(Printer *p, const ExprNode *node, bool dotted) {
    Word owner, member;
    split_owner(symbol_info(p->store, node->symbol)->name, &owner, &member);
    Word base = base_of(member), rest = {member.begin + base.length, member.length - base.length};
    bool is_new = node->version == VERSION_NEW, above = owner.length || is_new, below = rest.length || node->count;
    const char *element = above && below ? "msubsup" : above ? "msup" : below ? "msub" : "mrow";
    text_addf(p->out, "<%s>", element);
    if (dotted) text_add(p->out, "<mover accent=\"true\">");
    add_mathml_word(p->out, base);
    if (dotted) text_add(p->out, "<mo>˙</mo></mover>");
    if (below) {
        text_add(p->out, "<mrow>");
        if (add_subscripts(p->out, p->style, rest) && node->count) text_add(p->out, comma_of(p->style));
        print_list(p, node->argument, node->count, ",");
        text_add(p->out, "</mrow>");
    }
    if (above) {
        text_add(p->out, "<mrow>");
        if (owner.length) add_owner(p->out, p->style, owner);
        if (is_new) text_add(p->out, "<mo>′</mo>");
        text_add(p->out, "</mrow>");
    }
    text_addf(p->out, "</%s>", element);
}

static void print_latex_access(Printer *p, const ExprNode *node, bool dotted) {
    Word owner, member;
    split_owner(symbol_info(p->store, node->symbol)->name, &owner, &member);
    Word base = base_of(member), rest = {member.begin + base.length, member.length - base.length};
    bool is_new = node->version == VERSION_NEW;
    if (dotted) text_add(p->out, "\\dot{");
    add_latex_word(p->out, base);
    if (dotted) text_add(p->out, "}");
    if (owner.length || is_new) {
        text_add(p->out, "^{");
        if (owner.length) add_owner(p->out, p->style, owner);
        if (is_new) text_add(p->out, "\\prime");
        text_add(p->out, "}");
    }
    if (!rest.length && !node->count) return;
    text_add(p->out, "_{");
    if (add_subscripts(p->out, p->style, rest) && node->count) text_add(p->out, ",");
    print_list(p, node->argument, node->count, ",");
    text_add(p->out, "}");
}

static void print_access(Printer *p, const ExprNode *node, bool dotted) {
    if (is_set(p)) {
        (p->style == EXPR_LATEX ? print_latex_access : print_mathml_access)(p, node, dotted);
        return;
    }
    Atom name = symbol_info(p->store, node->symbol)->name;
    if (p->style == EXPR_UNICODE) {
        add_unicode_name(p->out, name, dotted);
    } else {
        text_add(p->out, name);
    }
    if (node->version == VERSION_NEW) add(p, "'", "′", "", "");
    if (!node->count) return;
    text_add(p->out, "[");
    print_list(p, node->argument, node->count, ", ");
    text_add(p->out, "]");
}

// ---- Products -------------------------------------------------------------------------------------------------------

typedef struct Factor {
    Expr base, exponent; // exponent 0 (no expression): a number
    double power;
    int rank; // where it prints
} Factor;

typedef struct Product {
    double constant; // its magnitude; the sign stands in `negative`
    bool negative;
    double divisor; // of a constant that reads better as 1/n
    Vec(Factor) above, below;
} Product;

static int factor_rank(const Printer *p, Expr base) {
    ExprNode node = expr_node(p->store, base);
    if (node.kind == EXPR_SUM) return 5;
    if (node.kind != EXPR_ACCESS) return 4;
    const SymbolInfo *info = symbol_info(p->store, node.symbol);
    if (node.count == 0) return 1;
    return info->role == ROLE_PARAMETER ? 2 : info->role == ROLE_WEIGHT ? 3 : 4;
}

static void add_factor(Printer *p, Product *product, Expr expr) {
    ExprNode node = expr_node(p->store, expr);
    Factor factor = {expr, 0, 1, 0};
    if (node.kind == EXPR_POWER) {
        factor.base = node.argument[0];
        if (!expr_get_const(p->store, node.argument[1], &factor.power)) factor.exponent = node.argument[1];
    }
    factor.rank = factor_rank(p, factor.base);
    bool below = factor.power < 0;
    factor.power = fabs(factor.power);
    if (below) {
        vec_push(&product->below, factor);
    } else {
        vec_push(&product->above, factor);
    }
}

// Stable: factors of one rank keep the stored order.
static void sort_factors(Factor *factor, uint32_t count) {
    for (uint32_t i = 1; i < count; i++) {
        Factor moving = factor[i];
        uint32_t k = i;
        for (; k > 0 && factor[k - 1].rank > moving.rank; k--) factor[k] = factor[k - 1];
        factor[k] = moving;
    }
}

// A constant such as 0.3333333333333333, whose inverse is a small whole number, prints as a division.
static double whole_inverse(double constant) {
    char buffer[32];
    double inverse = rint(1 / constant);
    bool is_long = strlen(number_format(buffer, constant)) > 10;
    return is_long && inverse >= 2 && inverse <= 1e6 && 1 / inverse == constant ? inverse : 1;
}

static Product product_of(Printer *p, Expr expr) {
    ExprNode node = expr_node(p->store, expr);
    Product product = {.constant = 1, .divisor = 1};
    if (node.kind != EXPR_MUL) {
        add_factor(p, &product, expr);
        return product;
    }
    for (uint32_t i = 0; i < node.count; i++) {
        double value;
        if (i == 0 && expr_get_const(p->store, node.argument[i], &value)) {
            product.negative = value < 0;
            product.constant = fabs(value);
        } else {
            add_factor(p, &product, node.argument[i]);
        }
    }
    product.divisor = whole_inverse(product.constant);
    if (product.divisor != 1) product.constant = 1;
    sort_factors(product.above.items, product.above.count);
    sort_factors(product.below.items, product.below.count);
    return product;
}

// A base that already carries something above it needs a bracket before it is raised.
static bool has_superscript(const Printer *p, Expr base) {
    ExprNode node = expr_node(p->store, base);
    if (node.kind == EXPR_RATE) node = expr_node(p->store, node.argument[0]); // a dotted letter
    if (!is_set(p) || node.kind != EXPR_ACCESS) return false;
    Word owner, member;
    split_owner(symbol_info(p->store, node.symbol)->name, &owner, &member);
    return owner.length || node.version == VERSION_NEW;
}

static void print_base(Printer *p, Expr base) {
    bool bracket = has_superscript(p, base);
    if (bracket) open_bracket(p);
    print(p, base, LEVEL_ATOM);
    if (bracket) close_bracket(p);
}

static void print_root(Printer *p, Expr base) {
    add(p, "sqrt(", "√", "\\sqrt{", "<msqrt>");
    print(p, base, p->style == EXPR_UNICODE ? LEVEL_ATOM : LEVEL_LOOSE);
    add(p, ")", "", "}", "</msqrt>");
}

static bool add_superscript(Printer *p, double power) {
    static const char *const digits[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
    if (p->style != EXPR_UNICODE || power != trunc(power) || power < 0 || power > 99) return false;
    int value = (int)power;
    if (value > 9) text_add(p->out, digits[value / 10]);
    text_add(p->out, digits[value % 10]);
    return true;
}

static void print_factor(Printer *p, Factor factor, Level needed) {
    if (!factor.exponent && factor.power == 1) {
        print(p, factor.base, needed);
        return;
    }
    if (!factor.exponent && factor.power == 0.5) {
        print_root(p, factor.base);
        return;
    }
    add(p, "", "", "", "<msup><mrow>");
    print_base(p, factor.base);
    if (!factor.exponent && add_superscript(p, factor.power)) return;
    add(p, "^", "^", "^{", "</mrow><mrow>");
    if (factor.exponent) {
        print(p, factor.exponent, is_set(p) ? LEVEL_LOOSE : LEVEL_POWER);
    } else {
        add_number(p, factor.power);
    }
    add(p, "", "", "}", "</mrow></msup>");
}

static void add_times(Printer *p, const Factor *next) {
    bool number = next && expr_node(p->store, next->base).kind == EXPR_CONST; // 2\,3^{x} would read 23
    add(p, "*", "·", number ? " \\cdot " : "\\,", number ? "<mo>⋅</mo>" : "<mo>&#x2062;</mo>");
}

// One side of a fraction. Alone in a LaTeX fraction nothing needs a bracket.
static void print_factors(Printer *p, double constant, const Factor *factor, uint32_t count, bool fraction) {
    bool number = constant != 1 || !count, alone = !number && count == 1;
    if (number) add_magnitude(p, constant);
    for (uint32_t i = 0; i < count; i++) {
        if (i || number) add_times(p, &factor[i]);
        bool last = i + 1 == count;
        Level needed = LEVEL_POWER;
        if (is_set(p) && fraction && alone) needed = LEVEL_LOOSE;
        // A sum sign reaches to the end of the product, so it may end one.
        if (last && factor[i].rank == 5 && (is_set(p) || !fraction)) needed = LEVEL_PRODUCT;
        print_factor(p, factor[i], needed);
    }
}

static void print_fraction(Printer *p, const Product *product) {
    bool several = product->below.count + (product->divisor != 1) > 1;
    add(p, "", "", "\\frac{", "<mfrac><mrow>");
    print_factors(p, product->constant, product->above.items, product->above.count, true);
    add(p, several ? "/(" : "/", several ? "/(" : "/", "}{", "</mrow><mrow>");
    print_factors(p, product->divisor, product->below.items, product->below.count, true);
    add(p, several ? ")" : "", several ? ")" : "", "}", "</mrow></mfrac>");
}

static void print_product(Printer *p, Expr expr, bool with_sign) {
    Product product = product_of(p, expr);
    if (product.negative && with_sign) add_minus(p);
    if (product.below.count || product.divisor != 1) {
        print_fraction(p, &product);
    } else {
        print_factors(p, product.constant, product.above.items, product.above.count, false);
    }
    vec_free(&product.above);
    vec_free(&product.below);
}

// ---- Sums of terms --------------------------------------------------------------------------------------------------

static bool is_negative(const Printer *p, Expr term) {
    ExprNode node = expr_node(p->store, term);
    double value;
    if (node.kind == EXPR_MUL) return expr_get_const(p->store, node.argument[0], &value) && value < 0;
    return node.kind == EXPR_CONST && node.value < 0;
}

static void print_term(Printer *p, Expr term, bool first) {
    bool negative = is_negative(p, term);
    if (!first)
        add(p, negative ? " - " : " + ", negative ? " − " : " + ", negative ? " - " : " + ",
            negative ? "<mo form=\"infix\">−</mo>" : "<mo form=\"infix\">+</mo>");
    if (first && negative) add_minus(p);
    ExprNode node = expr_node(p->store, term);
    if (node.kind == EXPR_CONST) {
        add_magnitude(p, node.value);
    } else if (node.kind == EXPR_MUL) {
        print_product(p, term, false);
    } else {
        print(p, term, LEVEL_PRODUCT);
    }
}

// A positive term leads where there is one, a negative number comes last: x - 1, not -1 + x.
static void print_terms(Printer *p, const ExprNode *node) {
    uint32_t first_term = 0, lead;
    if (expr_node(p->store, node->argument[0]).kind == EXPR_CONST && is_negative(p, node->argument[0])) first_term = 1;
    for (lead = first_term; lead < node->count && is_negative(p, node->argument[lead]);) lead++;
    if (lead == node->count) lead = first_term;
    print_term(p, node->argument[lead], true);
    for (uint32_t i = first_term; i < node->count; i++)
        if (i != lead) print_term(p, node->argument[i], false);
    if (first_term) print_term(p, node->argument[0], false);
}

// ---- Reductions, functions, operators -------------------------------------------------------------------------------

// An index variable that is bound here must not look like one that is free in the body or bound around it.
static void print_reduction(Printer *p, const ExprNode *node) {
    bool is_sum = node->kind == EXPR_SUM;
    enter_index(p, node->index);
    add(p, is_sum ? "sum(" : "max(", is_sum ? "Σ" : "max", is_sum ? "\\sum_{" : "\\max_{",
        is_sum ? "<mrow><munder><mo>∑</mo>" : "<mrow><munder><mi>max</mi>");
    if (p->style == EXPR_UNICODE) {
        const char *name = index_name(p, node->index);
        if (!add_subscript(p->out, (Word){name, strlen(name)})) text_addf(p->out, "_%s", name);
    } else {
        add_index_name(p, node->index);
    }
    add(p, ": ", is_sum ? " " : "(", is_sum ? "} " : "} \\left(", is_sum ? "</munder>" : "</munder><mrow><mo>(</mo>");
    print(p, node->argument[0], p->style == EXPR_TEXT || !is_sum ? LEVEL_LOOSE : LEVEL_PRODUCT);
    add(p, ")", is_sum ? "" : ")", is_sum ? "" : "\\right)", is_sum ? "</mrow>" : "<mo>)</mo></mrow></mrow>");
    p->names.count--;
}

static void print_function(Printer *p, const char *name, const char *latex, const Expr *argument, uint32_t count) {
    if (p->style == EXPR_MATHML) {
        text_addf(p->out, "<mi>%s</mi><mo>&#x2061;</mo>", name);
    } else if (p->style != EXPR_LATEX) {
        text_add(p->out, name);
    } else if (latex) {
        text_add(p->out, latex);
    } else {
        text_addf(p->out, "\\mathrm{%s}", name);
    }
    open_bracket(p);
    print_list(p, argument, count, ", ");
    close_bracket(p);
}

static void print_call(Printer *p, const ExprNode *node) {
    static const char *const latex[FUNCTION_COUNT] = {
        [FUNCTION_EXP] = "\\exp", [FUNCTION_LOG] = "\\log", [FUNCTION_TANH] = "\\tanh",
        [FUNCTION_SIN] = "\\sin", [FUNCTION_COS] = "\\cos",
    };
    if (node->function == FUNCTION_SQRT) {
        print_root(p, node->argument[0]);
    } else if (node->function == FUNCTION_ABS && p->style != EXPR_TEXT) {
        add(p, "", "|", "\\left|", "<mrow><mo>|</mo>");
        print(p, node->argument[0], LEVEL_LOOSE);
        add(p, "", "|", "\\right|", "<mo>|</mo></mrow>");
    } else {
        print_function(p, expr_function_name(node->function), latex[node->function], node->argument, node->count);
    }
}

static void print_select(Printer *p, const ExprNode *node) {
    if (!is_set(p)) {
        print_function(p, "select", NULL, node->argument, node->count);
        return;
    }
    add(p, "", "", "\\left\\{\\begin{array}{ll} ", "<mrow><mo>{</mo><mtable><mtr><mtd>");
    print(p, node->argument[1], LEVEL_LOOSE);
    add(p, "", "", " & \\mbox{if } ", "</mtd><mtd><mtext>if&#xA0;</mtext>");
    print(p, node->argument[0], LEVEL_LOOSE);
    add(p, "", "", " \\\\ ", "</mtd></mtr><mtr><mtd>");
    print(p, node->argument[2], LEVEL_LOOSE);
    add(p, "", "", " & \\mbox{otherwise} \\end{array}\\right.",
        "</mtd><mtd><mtext>otherwise</mtext></mtd></mtr></mtable></mrow>");
}

static void print_delta(Printer *p, const ExprNode *node) {
    add(p, "delta(", "δ(", "\\delta_{", "<msub><mi>δ</mi><mrow>");
    print_list(p, node->argument, node->count, p->style == EXPR_LATEX ? "," : ", ");
    add(p, ")", ")", "}", "</mrow></msub>");
}

// A dot stands on one letter only; anything longer is differentiated in words.
static bool is_dotted(const Printer *p, Expr x) {
    ExprNode node = expr_node(p->store, x);
    if (p->style == EXPR_TEXT || node.kind != EXPR_ACCESS) return false;
    Word owner, member;
    split_owner(symbol_info(p->store, node.symbol)->name, &owner, &member);
    return is_set(p) || is_one_letter(base_of(member));
}

#define MATHML_D_DT                                                                                                    \
    "<mfrac><mi mathvariant=\"normal\">d</mi><mrow><mi mathvariant=\"normal\">d</mi><mi>t</mi></mrow></mfrac>"

static void print_rate(Printer *p, Expr x) {
    if (is_dotted(p, x)) {
        ExprNode node = expr_node(p->store, x);
        print_access(p, &node, true);
        return;
    }
    add(p, "d(", "d/dt(", "\\frac{\\mathrm{d}}{\\mathrm{d}t}\\left(", MATHML_D_DT "<mrow><mo>(</mo>");
    print(p, x, LEVEL_LOOSE);
    close_bracket(p);
}

// In LaTeX and MathML the lookahead is the operator 1 + tau d/dt, the low-pass its inverse.
static void print_filter(Printer *p, const ExprNode *node) {
    bool inverse = node->kind == EXPR_LOWPASS;
    if (!is_set(p)) {
        print_function(p, node->kind == EXPR_AHEAD ? "ahead" : "lowpass", NULL, node->argument, 2);
        return;
    }
    if (inverse) add(p, "", "", "", "<msup>");
    add(p, "", "", "\\left(1 + ", "<mrow><mo>(</mo><mn>1</mn><mo>+</mo>");
    print(p, node->argument[1], LEVEL_POWER);
    add(p, "", "", "\\,\\frac{\\mathrm{d}}{\\mathrm{d}t}\\right)", "<mo>&#x2062;</mo>" MATHML_D_DT "<mo>)</mo></mrow>");
    add(p, "", "", inverse ? "^{-1} " : " ", inverse ? "<mrow><mo>−</mo><mn>1</mn></mrow></msup>" : "");
    print(p, node->argument[0], LEVEL_POWER);
}

static void print_delay(Printer *p, const ExprNode *node) {
    if (p->style == EXPR_TEXT || expr_node(p->store, node->argument[0]).kind != EXPR_ACCESS) {
        print_function(p, "delay", NULL, node->argument, 2); // how its error returns is told where it does
        return;
    }
    print(p, node->argument[0], LEVEL_ATOM);
    add(p, "", "(t − ", "(t - ", "<mrow><mo>(</mo><mi>t</mi><mo>−</mo>");
    print(p, node->argument[1], LEVEL_PRODUCT);
    add(p, ")", ")", ")", "<mo>)</mo></mrow>");
}

static void print_infix(Printer *p, const ExprNode *node, Level level) {
    bool chains = node->kind == EXPR_AND || node->kind == EXPR_OR;
    print(p, node->argument[0], chains ? level : level + 1);
    switch (node->kind) {
    case EXPR_LESS: add(p, " < ", " < ", " < ", "<mo>&lt;</mo>"); break;
    case EXPR_LESS_EQUAL: add(p, " <= ", " ≤ ", " \\le ", "<mo>≤</mo>"); break;
    case EXPR_EQUAL: add(p, " == ", " = ", " = ", "<mo>=</mo>"); break;
    case EXPR_AND: add(p, " and ", " ∧ ", " \\wedge ", "<mo>∧</mo>"); break;
    default: add(p, " or ", " ∨ ", " \\vee ", "<mo>∨</mo>"); break;
    }
    print(p, node->argument[1], level + 1);
}

static void print_not(Printer *p, const ExprNode *node) {
    add(p, "not ", "¬", "\\neg ", "<mo>¬</mo>");
    print(p, node->argument[0], LEVEL_SUM);
}

// ---- All kinds ------------------------------------------------------------------------------------------------------

static Level level_of_number(const Printer *p, double value) {
    char buffer[32];
    if (value < 0) return LEVEL_PRODUCT;
    return is_set(p) && strchr(number_format(buffer, value), 'e') ? LEVEL_PRODUCT : LEVEL_ATOM;
}

static Level level_of_power(const Printer *p, const ExprNode *node) {
    double power;
    if (!expr_get_const(p->store, node->argument[1], &power)) return LEVEL_POWER;
    if (power < 0) return LEVEL_PRODUCT;
    return power == 0.5 && p->style == EXPR_TEXT ? LEVEL_ATOM : LEVEL_POWER;
}

static Level level_of(const Printer *p, const ExprNode *node) {
    switch (node->kind) {
    case EXPR_CONST: return level_of_number(p, node->value);
    case EXPR_ADD: return LEVEL_SUM;
    case EXPR_MUL: return LEVEL_PRODUCT;
    case EXPR_POWER: return level_of_power(p, node);
    case EXPR_SUM: return p->style == EXPR_TEXT ? LEVEL_ATOM : LEVEL_PRODUCT;
    case EXPR_LESS:
    case EXPR_LESS_EQUAL:
    case EXPR_EQUAL: return LEVEL_COMPARE;
    case EXPR_AND: return LEVEL_AND;
    case EXPR_OR: return LEVEL_OR;
    case EXPR_NOT: return LEVEL_NOT;
    case EXPR_AHEAD:
    case EXPR_LOWPASS: return is_set(p) ? LEVEL_PRODUCT : LEVEL_ATOM;
    case EXPR_RATE: return p->style == EXPR_TEXT || is_dotted(p, node->argument[0]) ? LEVEL_ATOM : LEVEL_PRODUCT;
    case EXPR_DELAY: return p->style == EXPR_TEXT ? LEVEL_ATOM : LEVEL_POWER;
    case EXPR_SELECT: return is_set(p) ? LEVEL_LOOSE : LEVEL_ATOM;
    default: return LEVEL_ATOM;
    }
}

static void print_node(Printer *p, Expr expr, const ExprNode *node) {
    switch (node->kind) {
    case EXPR_CONST: add_number(p, node->value); break;
    case EXPR_INDEX: add_index_name(p, node->index); break;
    case EXPR_ACCESS: print_access(p, node, false); break;
    case EXPR_ADD: print_terms(p, node); break;
    case EXPR_MUL:
    case EXPR_POWER: print_product(p, expr, true); break;
    case EXPR_CALL: print_call(p, node); break;
    case EXPR_MIN: print_function(p, "min", "\\min", node->argument, 2); break;
    case EXPR_MAX: print_function(p, "max", "\\max", node->argument, 2); break;
    case EXPR_SELECT: print_select(p, node); break;
    case EXPR_LESS:
    case EXPR_LESS_EQUAL:
    case EXPR_EQUAL:
    case EXPR_AND:
    case EXPR_OR: print_infix(p, node, level_of(p, node)); break;
    case EXPR_NOT: print_not(p, node); break;
    case EXPR_SUM:
    case EXPR_MAXIMUM: print_reduction(p, node); break;
    case EXPR_DELTA: print_delta(p, node); break;
    case EXPR_AHEAD:
    case EXPR_LOWPASS: print_filter(p, node); break;
    case EXPR_DELAY: print_delay(p, node); break;
    case EXPR_RATE: print_rate(p, node->argument[0]); break;
    case EXPR_PREVIOUS: print_function(p, "previous", NULL, node->argument, 1); break;
    case EXPR_STOP: print_function(p, "constant", NULL, node->argument, 1); break;
    case EXPR_KIND_COUNT: break;
    }
}

static void print(Printer *p, Expr expr, Level needed) {
    ExprNode node = expr_node(p->store, expr);
    bool bracket = level_of(p, &node) < needed;
    if (bracket) open_bracket(p);
    print_node(p, expr, &node);
    if (bracket) close_bracket(p);
}

void expr_print(const ExprStore *store, Expr expr, ExprStyle style, Text *out) {
    Printer printer = {.store = store, .style = style, .out = out};
    enter_free_indices(&printer, expr);
    print(&printer, expr, LEVEL_LOOSE);
    vec_free(&printer.names);
}

const char *expr_function_name(ExprFunction function) {
    static const char *const names[FUNCTION_COUNT] = {
        [FUNCTION_EXP] = "exp",     [FUNCTION_EXPM1] = "expm1",       [FUNCTION_LOG] = "log",
        [FUNCTION_LOG1P] = "log1p", [FUNCTION_TANH] = "tanh",         [FUNCTION_SIN] = "sin",
        [FUNCTION_COS] = "cos",     [FUNCTION_LOGISTIC] = "logistic", [FUNCTION_LOG1PEXP] = "log1pexp",
        [FUNCTION_SQRT] = "sqrt",   [FUNCTION_ABS] = "abs",           [FUNCTION_SIGN] = "sign",
    };
    return names[function];
}
