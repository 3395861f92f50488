// Says in the author's words what the grammar refused: what stands there, what could stand there, and a suggestion.
#include "parser.h"
#include "syntax.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { SHOWN = 60 }; // bytes of the author's text in a message

// ---- Text of the source in a message

static Atom excerpt(Parser *p, uint32_t begin, uint32_t end) {
    bool cut = end - begin > SHOWN;
    if (cut) end = begin + SHOWN;
    while (cut && end > begin && ((unsigned char)p->text[end] & 0xC0) == 0x80) end--; // whole characters only
    Atom text = arena_atom(p->arena, p->text + begin, end - begin);
    return cut ? arena_format(p->arena, "%s…", text) : text;
}

static Atom found_text(Parser *p, Span span, int token) {
    if (token == TOK_SEPARATOR) {
        if (p->semicolon) return "`;`";
        if (!p->raw.kind) return "end of the file";
        return p->raw.kind == '}' && !p->newline ? "`}`" : "end of the line";
    }
    Atom text = excerpt(p, span.begin, span.end);
    switch (token) {
    case 0: return "end of the file";
    case TOK_NAME: return arena_format(p->arena, "name `%s`", text);
    case TOK_NUMBER: return arena_format(p->arena, "number `%s`", text);
    case TOK_STRING: return arena_format(p->arena, "text %s", text);
    default: return arena_format(p->arena, "`%s`", text);
    }
}

// ---- What was expected

typedef struct Set { // a copy of the expected names from which those already said are struck
    const char *names[256];
    int count;
} Set;

static bool has(const Set *set, const char *name) {
    for (int i = 0; i < set->count; i++)
        if (strcmp(set->names[i], name) == 0) return true;
    return false;
}

static void strike(Set *set, const char *const *names) {
    int kept = 0;
    for (int i = 0; i < set->count; i++) {
        bool struck = false;
        for (int j = 0; names[j]; j++) struck = struck || strcmp(set->names[i], names[j]) == 0;
        if (!struck) set->names[kept++] = set->names[i];
    }
    set->count = kept;
}

static bool is_phrase(const char *name) {
    return strncmp(name, "a ", 2) == 0 || strncmp(name, "an ", 3) == 0 || strncmp(name, "the ", 4) == 0;
}

// The word or sign itself out of the parser's name for it: '=' , "over", `clamp`
static Atom bare(Parser *p, const char *name) {
    size_t length = strlen(name);
    if (length > 2 && (name[0] == '\'' || name[0] == '`')) return arena_atom(p->arena, name + 1, length - 2);
    while (length && name[length - 1] == ' ') length--;
    return arena_atom(p->arena, name, length);
}

static Atom shown(Parser *p, const char *name) {
    return is_phrase(name) ? arena_atom_z(p->arena, name) : arena_format(p->arena, "`%s`", bare(p, name));
}

static bool is_statement_name(const char *name) { return statement_keyword(name, strlen(name)) != 0; }

static int count_statements(const Set *set) {
    int count = 0;
    for (int i = 0; i < set->count; i++) count += is_statement_name(set->names[i]);
    return count;
}

// "a statement such as `state`, `input`, `output` or `energy`", struck from the set.
static Atom statement_phrase(Parser *p, Set *set, int opener) {
    const char *first[4];
    int count = 0, kept = 0;
    for (int i = 0; i < set->count; i++) {
        if (!is_statement_name(set->names[i]))
            set->names[kept++] = set->names[i];
        else if (count < 4 && strcmp(set->names[i], "param") != 0)
            first[count++] = set->names[i];
    }
    set->count = kept;
    strike(set, (const char *const[]){"a name", "`clamp`", "`batch`", "`shuffle`", "`exponential`", "`reset`", "d(…)",
                                      "'}'", "the end of the file", NULL});
    if (count < 4) return "a statement";
    return arena_format(p->arena, "a %s such as `%s`, `%s`, `%s` or `%s`", opener ? "statement" : "declaration",
                        first[0], first[1], first[2], first[3]);
}

enum { MOST_SHOWN = 5 };

// "a, b or c"
static Atom join(Parser *p, const Atom *items, int count, bool more) {
    Text text = {0};
    for (int i = 0; i < count; i++) {
        if (i) text_add(&text, i + 1 == count && !more ? " or " : ", ");
        text_add(&text, items[i]);
    }
    if (more) text_add(&text, ", …");
    Atom result = arena_atom_z(p->arena, text_z(&text));
    text_free(&text);
    return result;
}

// The likelier, the smaller: closing signs and words come first, rare signs are left out when there are too many.
static int rank(const char *name) {
    static const char *const first[] = {"')'", "']'", "'{'", "'}'", "','", "'='"};
    static const char *const last[] = {"'~'", "':'", ".."};
    for (size_t i = 0; i < sizeof first / sizeof *first; i++)
        if (strcmp(name, first[i]) == 0) return 0;
    for (size_t i = 0; i < sizeof last / sizeof *last; i++)
        if (strcmp(name, last[i]) == 0) return 2;
    return is_phrase(name) ? 3 : 1;
}

static const char *const operand_names[] = {
    "a name",  "a number", "a text in quotes", "'('",           "'['",     "'-'", "not",
    "`clamp`", "`batch`",  "`shuffle`",        "`exponential`", "`reset`", NULL};
static const char *const contextual_names[] = {"`clamp`", "`batch`", "`shuffle`", "`exponential`", "`reset`", NULL};
static const char *const operator_names[] = {"'+'", "'-'", "'*'", "'/'", "'@'", "'^'", "'<'", "'>'", "==",
                                             "!=",  "<=",  ">=",  "and", "or",  "'.'", "'['", "'('", NULL};

static Atom expected_text(Parser *p, Expected expected) {
    Set set = {.count = 0};
    for (int i = 0; i < expected.count && i < 256; i++) set.names[set.count++] = expected.names[i];
    Atom items[260];
    const char *categories[4];
    int count = 0, category_count = 0;
    bool compares = has(&set, "'<'");
    if (count_statements(&set) > 3) categories[category_count++] = statement_phrase(p, &set, block_opener(p));
    if (has(&set, "'*'") && has(&set, "'+'")) {
        strike(&set, operator_names);
        if (set.count > 2) strike(&set, (const char *const[]){"over", NULL});
        categories[category_count++] = compares ? "an operator" : "an operator of arithmetic";
    }
    if (has(&set, "a number") && has(&set, "'('")) {
        strike(&set, operand_names);
        categories[category_count++] = "an expression";
    }
    if (has(&set, "a name")) strike(&set, contextual_names);
    int room = MOST_SHOWN - category_count, left = set.count;
    for (int level = 0; level < 4; level++)
        for (int i = 0; i < set.count && count < room; i++)
            if (rank(set.names[i]) == level) items[count++] = shown(p, set.names[i]), left--;
    for (int i = 0; i < category_count; i++) items[count++] = categories[i];
    return count ? join(p, items, count, left > 0) : NULL;
}

// ---- Suggestions

static Atom nearest_unit(Parser *p, const char *text, size_t length) {
    static const char *const units[] = {"ms",   "us",   "ns",   "mV", "uV",  "mA",    "uA",     "nA",           "pA",
                                        "mS",   "uS",   "nS",   "pS", "mF",  "uF",    "nF",     "pF",           "Ohm",
                                        "kOhm", "MOhm", "GOhm", "Hz", "kHz", "steps", "epochs", "presentations"};
    Atom words[sizeof units / sizeof *units];
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) words[i] = arena_atom_z(p->arena, units[i]);
    return diag_nearest(arena_atom(p->arena, text, length), words, sizeof units / sizeof *units);
}

static bool expects(Expected expected, const char *name) {
    for (int i = 0; i < expected.count; i++)
        if (strcmp(expected.names[i], name) == 0) return true;
    return false;
}

static bool is_plain_word(const char *word) {
    if (!*word) return false;
    for (; *word; word++)
        if (*word < 'a' || *word > 'z') return false;
    return true;
}

// The expected word that is spelt most like what was found.
static Atom nearest_word(Parser *p, Atom found, Expected expected) {
    Atom words[256];
    uint32_t count = 0;
    for (int i = 0; i < expected.count && count < 255; i++) {
        if (is_phrase(expected.names[i])) continue;
        Atom word = bare(p, expected.names[i]);
        if (!is_plain_word(word)) continue;
        words[count++] = word;
        if (strcmp(word, "steps") == 0) words[count++] = "step"; // one token, two spellings
        if (strcmp(word, "epochs") == 0) words[count++] = "epoch";
        if (strcmp(word, "presentations") == 0) words[count++] = "presentation";
    }
    return diag_nearest(found, words, count);
}

static bool help_with_word(Parser *p, Span span, Expected expected) {
    size_t length = span.end - span.begin;
    const char *word = p->text + span.begin;
    Atom nearest = nearest_word(p, arena_atom(p->arena, word, length), expected);
    bool after_operand = token_ends_operand(p->before_previous);
    if (nearest)
        diag_help(p->diags, "did you mean `%s`?", nearest);
    else if (option_keyword(word, length) && expects(expected, "','"))
        diag_help(p->diags, "write a `,` before `%.*s`", (int)length, word);
    else if (statement_keyword(word, length) && (after_operand || p->before_previous == '}'))
        diag_help(p->diags, "begin a new line before `%.*s`", (int)length, word);
    else
        return false;
    return true;
}

static bool is_comparison(int token) {
    return token == '<' || token == '>' || token == TOK_AT_MOST || token == TOK_AT_LEAST || token == TOK_EQUAL ||
           token == TOK_DIFFERENT;
}

// The word that ends before `at`, blanks left out; empty where none does.
static Atom word_before(Parser *p, uint32_t at) {
    while (at && (p->text[at - 1] == ' ' || p->text[at - 1] == '\t')) at--;
    uint32_t begin = at;
    while (begin && (isalnum((unsigned char)p->text[begin - 1]) || p->text[begin - 1] == '_')) begin--;
    return arena_atom(p->arena, p->text + begin, at - begin);
}

// Habits of other languages, at the head of a statement: `u += 1`, `du/dt = …`.
static bool help_with_habit(Parser *p, Span span, int token, Expected expected) {
    if (!expects(expected, "<-") || !token_is_operator(token)) return false;
    Atom word = word_before(p, span.begin);
    const char *rest = p->text + span.end;
    if (*rest == '=')
        diag_help(p->diags, "write `%s <- %s %.*s …`", word, word, (int)(span.end - span.begin), p->text + span.begin);
    else if (token == '/' && word[0] == 'd' && word[1] && strncmp(rest, "dt", 2) == 0)
        diag_help(p->diags, "an equation is written `d(%s) = …`", word + 1);
    else
        return false;
    return true;
}

static bool help_with_sign(Parser *p, Span span, int token, Expected expected) {
    const char *help = NULL;
    int before = p->before_previous;
    if (token == TOK_EQUAL && expects(expected, "'='"))
        help = "a value is given with `=`; `==` compares";
    else if (token == '=' && expects(expected, "=="))
        help = "`==` compares; `=` gives a value to a name";
    else if (token == '=' && expects(expected, "<-"))
        help = "write `let u = …` for a value, `state u = …` for a "
               "variable, `u <- …` for an assignment in every step";
    else if (token == '=' && expects(expected, "a number"))
        help = "what belongs here is written without `=`";
    else if (token == TOK_ASSIGN && expects(expected, "'<'"))
        help = "to compare with a negative number, write `< -`";
    else if (token == TOK_ASSIGN && expects(expected, "'='"))
        help = "here a value is given with `=`";
    else if (is_comparison(token) && expects(expected, "'*'"))
        help = "comparisons do not chain: write `a < b and b < c`";
    else if (token == ':' && p->newline)
        help = "blocks stand between `{` and `}`";
    else if (token == TOK_ARROW && expects(expected, "':'"))
        help = "give the connection a name, as in `connect w: x -> h by …`";
    else if (token == '(' && before == ')' && expects(expected, "with"))
        help = "the number of neurons stands in brackets, as in `Leaky[10](…)`";
    else if (token == ',' && before == TOK_NUMBER && isdigit((unsigned char)p->text[span.end]))
        help = "a number is written with a point: `0.5`";
    else if (token == '*' && before == '*')
        help = "a power is written `^`";
    else if (token == '/' && (before == '/' || p->text[span.begin + 1] == '/'))
        help = "a comment begins with `#`";
    else if (token == '>' && before == '-')
        help = "an arrow is written `->`, without a blank";
    else if (token_is_operator(token) && before == TOK_SEPARATOR)
        help = "a line that goes on is broken after an operator, not before it";
    if (help) diag_help(p->diags, "%s", help);
    return help != NULL;
}

static void help_with_juxtaposition(Parser *p, Span span, int token, Expected expected) {
    bool operand = token == TOK_NAME || token == TOK_NUMBER || token == TOK_STRING;
    if (!operand || !token_ends_operand(p->before_previous)) return;
    if (strcmp(word_before(p, span.begin), "if") == 0) {
        diag_help(p->diags, "a choice is written `where(condition, a, b)`");
        return;
    }
    if (token == TOK_NAME && p->before_previous == TOK_NUMBER) {
        Atom unit = nearest_unit(p, p->text + span.begin, span.end - span.begin);
        if (unit)
            diag_help(p->diags, "did you mean the unit `%s`?", unit);
        else
            diag_help(p->diags,
                      "write `*` between factors; units are `ms`, `s`, `mV`, `pA`, `nS`, `pF`, `Hz` and their like");
        return;
    }
    const Bracket *open = open_bracket_before(p, p->previous_end);
    if (expects(expected, "','") && open && open->kind != '{')
        diag_help(p->diags, "separate arguments with `,` and factors with `*`");
    else if (expects(expected, "'*'"))
        diag_help(p->diags, "write `*` between factors, and each statement on its own line");
}

static void help_with_place(Parser *p, Span span, Expected expected) {
    const char *home = home_of_keyword(p->text + span.begin, span.end - span.begin);
    bool at_head = p->before_previous == TOK_SEPARATOR || p->before_previous == '{';
    if (home && at_head && expected.count)
        diag_help(p->diags, "`%.*s` belongs in %s", (int)(span.end - span.begin), p->text + span.begin, home);
}

static void note_open_bracket(Parser *p, Span span, Expected expected) {
    const Bracket *open = open_bracket_before(p, span.begin);
    if (!open || open->kind == '{') return;
    if (expects(expected, open->kind == '(' ? "')'" : "']'"))
        diag_note(p->diags, parser_span(p, open->at, open->at + 1), "the `%c` was opened here", open->kind);
}

void report_unexpected(Parser *p, Span span, int token, Expected expected) {
    if (p->given_up) return;
    diag_report(p->diags, DIAG_E0102, span, "unexpected %s", found_text(p, span, token));
    Atom text = expected_text(p, expected);
    if (text) diag_expected(p->diags, "%s", text);
    bool word = token == TOK_NAME;
    if (!(word && help_with_word(p, span, expected)) && !help_with_habit(p, span, token, expected) &&
        !help_with_sign(p, span, token, expected))
        help_with_juxtaposition(p, span, token, expected);
    if (!word) help_with_place(p, span, expected);
    note_open_bracket(p, span, expected);
}

void report_open_bracket(Parser *p, uint32_t at) {
    const Bracket *open = &p->open[p->open_count - 1];
    int closer = open->kind == '(' ? ')' : open->kind == '[' ? ']' : '}';
    diag_report(p->diags, DIAG_E0107, parser_span(p, at, at), "missing `%c`", closer);
    diag_note(p->diags, parser_span(p, open->at, open->at + 1), "the `%c` was opened here", open->kind);
}

// ---- Characters and numbers

typedef struct Replacement {
    const char *found, *meant;
} Replacement;

static const Replacement replacements[] = {
    {"&", "and"}, {"|", "or"},  {"!", "not"}, {"'", "\""},      {"`", "\""},    {"“", "\""},  {"”", "\""},
    {"„", "\""},  {"×", "*"},   {"·", "*"},   {"∙", "*"},       {"÷", "/"},     {"−", "-"},   {"–", "-"},
    {"—", "-"},   {"≤", "<="},  {"≥", ">="},  {"≠", "!="},      {"→", "->"},    {"←", "<-"},  {"µ", "u"},
    {"μ", "u"},   {"Ω", "Ohm"}, {"τ", "tau"}, {"β", "beta"},    {"γ", "gamma"}, {"φ", "phi"}, {"²", "^2"},
    {"³", "^3"},  {"½", "1/2"}, {"…", ".."},  {"\xC2\xA0", " "}};

static const char *replacement_for(const char *text, size_t length) {
    for (size_t i = 0; i < sizeof replacements / sizeof *replacements; i++)
        if (strlen(replacements[i].found) == length && memcmp(replacements[i].found, text, length) == 0)
            return replacements[i].meant;
    return NULL;
}

void report_character(Parser *p, Token token) {
    const char *text = p->text + token.begin;
    int length = (int)(token.end - token.begin);
    unsigned char first = (unsigned char)*text;
    Span span = parser_span(p, token.begin, token.end);
    if (first < 0x20 || first == 0x7F)
        diag_report(p->diags, DIAG_E0101, span, "control character 0x%02X", first);
    else
        diag_report(p->diags, DIAG_E0101, span, "the character `%.*s` has no meaning here", length, text);
    const char *meant = replacement_for(text, (size_t)length);
    bool prime = *text == '\'' && *word_before(p, token.begin);
    if (prime)
        diag_help(p->diags, "an equation is written `d(%s) = …`", word_before(p, token.begin));
    else if (*text == '?')
        diag_help(p->diags, "a choice is written `where(condition, a, b)`");
    else if (meant && strcmp(meant, " ") == 0)
        diag_help(p->diags, "this is a no-break space: write an ordinary blank");
    else if (meant && *meant == '"')
        diag_help(p->diags, "a text stands between straight double quotes");
    else if (meant)
        diag_help(p->diags, "write `%s`", meant);
    else if (first >= 0x80)
        diag_help(p->diags, "names are written with the letters a to z, digits and `_`");
}

void report_number(Parser *p, Token token) {
    const char *text = p->text + token.begin;
    size_t length = token.end - token.begin;
    diag_report(p->diags, DIAG_E0104, parser_span(p, token.begin, token.end), "`%s` is not a number",
                excerpt(p, token.begin, token.end));
    uint32_t number = literal_number_length(p->text, token.end, token.begin);
    const char *rest = text + number;
    size_t rest_length = length - number;
    Atom unit = rest_length ? nearest_unit(p, rest, rest_length) : NULL;
    if (text[length - 1] == '.')
        diag_help(p->diags, "write a digit after the point: `%.*s.0`", (int)number, text);
    else if (*text == '.')
        diag_help(p->diags, "write a digit before the point: `0%s`", excerpt(p, token.begin, token.end));
    else if (*rest == 'e' || *rest == 'E')
        diag_help(p->diags, "digits follow the `e` of a power of ten: `1e-3`");
    else if (*text == '0' && (*rest == 'x' || *rest == 'X'))
        diag_help(p->diags, "numbers are written in decimal");
    else if (*rest == '_')
        diag_help(p->diags, "digits are written without separators");
    else if (unit)
        diag_help(p->diags, "did you mean the unit `%s`?", unit);
    else
        diag_help(p->diags, "a name begins with a letter; between factors stands `*`");
}
