// Between scanner and grammar: numbers with their units, the newline rule, brackets kept balanced, and keywords told
// from names by their place, so that `rate`, `step` or `count` stay free for the author's use.
#include "syntax.h"
#include "parser.h"
#include <math.h>
#include <string.h>

// ---- Numbers and units

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
static bool is_word(char c) { return is_letter(c) || is_digit(c); }
static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

// Source bytes with an end: 0 beyond it. Zero bytes inside were refused before.
static char byte_at(const char *text, uint32_t length, uint32_t at) { return at < length ? text[at] : 0; }

static uint32_t skip_digits(const char *text, uint32_t length, uint32_t at) {
    while (is_digit(byte_at(text, length, at))) at++;
    return at;
}

uint32_t number_length(const char *text, uint32_t length, uint32_t begin) {
    uint32_t at = skip_digits(text, length, begin);
    if (at == begin) return 0;
    if (byte_at(text, length, at) == '.' && is_digit(byte_at(text, length, at + 1)))
        at = skip_digits(text, length, at + 1);
    if (byte_at(text, length, at) == 'e' || byte_at(text, length, at) == 'E') {
        char sign = byte_at(text, length, at + 1);
        uint32_t digits = at + 1 + (sign == '+' || sign == '-');
        if (is_digit(byte_at(text, length, digits))) at = skip_digits(text, length, digits);
    }
    return at - begin;
}

bool word_is_unit(const char *word, size_t length) {
    static const char *const units[] = {"s",  "ms",  "us",   "ns",   "min",  "h",  "V",   "mV",    "uV",   "A",     "mA",
                                        "uA", "nA",  "pA",   "S",    "mS",   "uS", "nS",  "pS",    "F",    "mF",    "uF",
                                        "nF", "pF",  "Ohm",  "kOhm", "MOhm", "GOhm", "Hz", "kHz",  "step", "steps", "epoch",
                                        "epochs"};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strlen(units[i]) == length && memcmp(units[i], word, length) == 0) return true;
    return false;
}

// End of a unit word with its power at `at`, or `at` when there is none.
static uint32_t unit_end(const char *text, uint32_t length, uint32_t at) {
    uint32_t end = at;
    while (is_word(byte_at(text, length, end))) end++;
    if (end == at || !word_is_unit(text + at, end - at)) return at;
    if (byte_at(text, length, end) == '^') {
        uint32_t digits = end + 1 + (byte_at(text, length, end + 1) == '-');
        uint32_t stop = skip_digits(text, length, digits);
        if (stop > digits && !is_letter(byte_at(text, length, stop))) end = stop;
    }
    return end;
}

// A word that is called, indexed or a whole whose part is taken is a name, not a unit.
static bool name_goes_on(const char *text, uint32_t length, uint32_t end) {
    char next = byte_at(text, length, end);
    return next == '(' || next == '[' || (next == '.' && is_letter(byte_at(text, length, end + 1)));
}

uint32_t literal_length(const char *text, uint32_t length, uint32_t begin) {
    uint32_t number = number_length(text, length, begin), at = begin + number;
    while (is_blank(byte_at(text, length, at))) at++;
    if (byte_at(text, length, at) == '%') return at + 1 - begin;
    bool per = byte_at(text, length, at) == '/' && at > begin + number; // `0.3 /mV`, but `1/s` divides by s
    uint32_t unit = at + per, end = unit_end(text, length, unit);
    if (end == unit || name_goes_on(text, length, end)) return number;
    for (;;) { // further units, written tight
        char sign = byte_at(text, length, end);
        if (sign != '*' && sign != '/') break;
        uint32_t next = unit_end(text, length, end + 1);
        if (next == end + 1 || name_goes_on(text, length, next)) break;
        end = next;
    }
    return end - begin;
}

// ---- Keywords

typedef struct Keyword {
    const char *word;
    int kind;
} Keyword;

static int find_keyword(const Keyword *table, size_t count, const char *word, size_t length) {
    for (size_t i = 0; i < count; i++)
        if (strlen(table[i].word) == length && memcmp(table[i].word, word, length) == 0) return table[i].kind;
    return 0;
}
#define FIND(table, word, length) find_keyword(table, sizeof(table) / sizeof *(table), word, length)

enum { IN_FILE = 1, IN_NEURON = 2, IN_SYNAPSE = 4, IN_OPTIMISER = 8, IN_NETWORK = 16, IN_PHASE = 32, IN_EXPERIMENT = 64 };

typedef struct Statement {
    Keyword keyword;
    int blocks; // where it may stand
} Statement;

static const Statement statements[] = {
    {{"import", TOK_IMPORT}, IN_FILE},
    {{"function", TOK_FUNCTION}, IN_FILE},
    {{"neuron", TOK_NEURON}, IN_FILE},
    {{"synapse", TOK_SYNAPSE}, IN_FILE},
    {{"network", TOK_NETWORK}, IN_FILE},
    {{"optimiser", TOK_OPTIMISER}, IN_FILE},
    {{"experiment", TOK_EXPERIMENT}, IN_FILE},
    {{"param", TOK_PARAM}, IN_NEURON | IN_SYNAPSE | IN_NETWORK | IN_PHASE},
    {{"state", TOK_STATE}, IN_NEURON | IN_SYNAPSE | IN_OPTIMISER},
    {{"input", TOK_INPUT}, IN_NEURON | IN_NETWORK},
    {{"output", TOK_OUTPUT}, IN_NEURON},
    {{"let", TOK_LET}, IN_NEURON | IN_SYNAPSE | IN_OPTIMISER | IN_NETWORK | IN_PHASE | IN_EXPERIMENT},
    {{"energy", TOK_ENERGY}, IN_NEURON | IN_SYNAPSE | IN_PHASE},
    {{"compartment", TOK_COMPARTMENT}, IN_NEURON},
    {{"couple", TOK_COUPLE}, IN_NEURON},
    {{"noise", TOK_NOISE}, IN_NEURON},
    {{"weight", TOK_WEIGHT}, IN_SYNAPSE},
    {{"current", TOK_CURRENT}, IN_SYNAPSE},
    {{"plasticity", TOK_PLASTICITY}, IN_SYNAPSE},
    {{"count", TOK_COUNT}, IN_OPTIMISER},
    {{"target", TOK_TARGET}, IN_NETWORK},
    {{"label", TOK_LABEL}, IN_NETWORK},
    {{"population", TOK_POPULATION}, IN_NETWORK | IN_PHASE},
    {{"connect", TOK_CONNECT}, IN_NETWORK | IN_PHASE},
    {{"cost", TOK_COST}, IN_NETWORK | IN_PHASE},
    {{"dynamics", TOK_DYNAMICS}, IN_NETWORK | IN_PHASE},
    {{"learn", TOK_LEARN}, IN_NETWORK | IN_PHASE},
    {{"order", TOK_ORDER}, IN_NETWORK | IN_PHASE},
    {{"phase", TOK_PHASE}, IN_NETWORK},
    {{"on", TOK_ON}, IN_NEURON | IN_SYNAPSE | IN_NETWORK | IN_PHASE},
    {{"data", TOK_DATA}, IN_EXPERIMENT},
    {{"present", TOK_PRESENT}, IN_EXPERIMENT},
    {{"batch", TOK_BATCH_SIZE}, IN_EXPERIMENT},
    {{"epochs", TOK_EPOCHS}, IN_EXPERIMENT},
    {{"duration", TOK_DURATION}, IN_EXPERIMENT},
    {{"settle", TOK_SETTLE}, IN_EXPERIMENT},
    {{"score", TOK_SCORE}, IN_EXPERIMENT},
    {{"evaluate", TOK_EVALUATE}, IN_EXPERIMENT},
    {{"anneal", TOK_ANNEAL}, IN_EXPERIMENT},
    {{"record", TOK_RECORD}, IN_EXPERIMENT},
};
enum { STATEMENT_COUNT = sizeof statements / sizeof *statements };

static int block_of(int opener) {
    switch (opener) {
    case TOK_NEURON:
    case TOK_COMPARTMENT: return IN_NEURON;
    case TOK_SYNAPSE: return IN_SYNAPSE;
    case TOK_OPTIMISER: return IN_OPTIMISER;
    case TOK_NETWORK: return IN_NETWORK;
    case TOK_PHASE: return IN_PHASE;
    case TOK_EXPERIMENT: return IN_EXPERIMENT;
    case 0: return IN_FILE;
    default: return 0;
    }
}

int statement_keyword(const char *word, size_t length) {
    for (int i = 0; i < STATEMENT_COUNT; i++) {
        const Keyword *keyword = &statements[i].keyword;
        if (strlen(keyword->word) == length && memcmp(keyword->word, word, length) == 0) return keyword->kind;
    }
    return 0;
}

uint32_t block_keywords(Parser *parser, int opener, Atom *words, uint32_t room) {
    uint32_t count = 0;
    for (int i = 0; i < STATEMENT_COUNT && count < room; i++)
        if (statements[i].blocks & block_of(opener))
            words[count++] = arena_atom_z(parser->arena, statements[i].keyword.word);
    return count;
}

const char *home_of_keyword(const char *word, size_t length) {
    int kind = statement_keyword(word, length);
    for (int i = 0; i < STATEMENT_COUNT; i++) {
        if (statements[i].keyword.kind != kind) continue;
        switch (statements[i].blocks & ~IN_PHASE) {
        case IN_FILE: return "the file itself, outside of all blocks";
        case IN_NEURON: return "a neuron";
        case IN_SYNAPSE: return "a synapse";
        case IN_OPTIMISER: return "an optimiser";
        case IN_NETWORK: return "a network";
        case IN_EXPERIMENT: return "an experiment";
        default: return NULL;
        }
    }
    return NULL;
}

// Words that follow something complete: `u over epoch`, `a and b`.
static const Keyword infix_keywords[] = {
    {"and", TOK_AND},     {"or", TOK_OR},     {"over", TOK_OVER},   {"initially", TOK_INITIALLY},
    {"by", TOK_BY},       {"with", TOK_WITH}, {"for", TOK_FOR},     {"in", TOK_IN},
    {"from", TOK_FROM},   {"until", TOK_UNTIL}, {"every", TOK_EVERY}, {"steps", TOK_STEPS},
    {"epochs", TOK_EPOCH_COUNT},
};

// Words that open an option after a comma outside of brackets.
static const Keyword option_keywords[] = {
    {"clamp", TOK_CLAMP}, {"batch", TOK_BATCH}, {"shuffle", TOK_SHUFFLE}, {"exponential", TOK_EXPONENTIAL}};

static const Keyword period_keywords[] = {{"presentation", TOK_PRESENTATION}, {"epoch", TOK_EPOCH}};

bool ends_operand(int kind) {
    switch (kind) {
    case TOK_NAME:
    case TOK_NUMBER:
    case TOK_STRING:
    case TOK_CLAMP:
    case TOK_BATCH:
    case TOK_SHUFFLE:
    case TOK_EXPONENTIAL:
    case TOK_PRESENTATION:
    case TOK_EPOCH:
    case TOK_ALL:
    case TOK_STEPS:
    case TOK_EPOCH_COUNT:
    case ')':
    case ']': return true;
    default: return false;
    }
}

// After these a line may be broken.
bool is_operator(int kind) {
    switch (kind) {
    case TOK_ARROW:
    case TOK_ASSIGN:
    case TOK_DOTS:
    case TOK_EQUAL:
    case TOK_DIFFERENT:
    case TOK_AT_MOST:
    case TOK_AT_LEAST:
    case TOK_AND:
    case TOK_OR:
    case TOK_NOT: return true;
    default: return kind > 0 && kind < 128 && strchr("+-*/@^<>=~,:.", kind) != NULL;
    }
}

// ---- The text around a token

static uint32_t skip_blanks(const Parser *p, uint32_t at) {
    while (at < p->length && is_blank(p->text[at])) at++;
    return at;
}

static uint32_t word_end(const Parser *p, uint32_t at) {
    while (at < p->length && is_word(p->text[at])) at++;
    return at;
}

static size_t raw_length(const Parser *p) { return p->raw.end - p->raw.begin; }

static bool raw_is(const Parser *p, const char *word) {
    return raw_length(p) == strlen(word) && memcmp(p->text + p->raw.begin, word, raw_length(p)) == 0;
}

// Does a name, a number or a text follow on the line after the word that ends at `end`? No expression allows it.
static bool operand_after(const Parser *p, uint32_t end) {
    uint32_t at = skip_blanks(p, end);
    if (at >= p->length || at == end) return false;
    if (!is_word(p->text[at]) && p->text[at] != '"') return false;
    return !FIND(infix_keywords, p->text + at, word_end(p, at) - at);
}

static bool operand_follows(const Parser *p) { return operand_after(p, p->raw.end); }

// `state <- …` and `input.x <- …` use a name that happens to be a keyword.
static bool used_as_name(const Parser *p) {
    uint32_t at = skip_blanks(p, p->raw.end);
    char next = byte_at(p->text, p->length, at), after = byte_at(p->text, p->length, at + 1);
    return (next == '<' && after == '-') || (next == '.' && is_letter(after));
}

static bool line_begins_at(const Parser *p, uint32_t at) { return at == 0 || p->text[at - 1] == '\n'; }

// Does a statement clearly begin here, even inside of an open bracket?
static bool statement_at(const Parser *p, uint32_t at) {
    uint32_t end = word_end(p, at);
    int kind = statement_keyword(p->text + at, end - at);
    if (!kind) return false;
    bool nameless = kind >= TOK_NEURON && kind <= TOK_EXPERIMENT && line_begins_at(p, at); // `neuron (tau) {`
    char next = byte_at(p->text, p->length, skip_blanks(p, end));
    return operand_after(p, end) || (nameless && (next == '(' || next == '{'));
}

static bool begins_statement(const Parser *p) { return p->raw.kind == TOK_NAME && statement_at(p, p->raw.begin); }

static const Statement *raw_statement(const Parser *p) {
    int kind = p->raw.kind == TOK_NAME ? statement_keyword(p->text + p->raw.begin, raw_length(p)) : 0;
    for (int i = 0; kind && i < STATEMENT_COUNT; i++)
        if (statements[i].keyword.kind == kind) return &statements[i];
    return NULL;
}

// A declaration at the very left begins outside of all blocks, even if one has not been closed.
static bool begins_declaration(const Parser *p) {
    const Statement *statement = raw_statement(p);
    return statement && statement->blocks == IN_FILE && line_begins_at(p, p->raw.begin) && begins_statement(p);
}

// ---- Brackets

static const Bracket *innermost(const Parser *p) { return p->open_count ? &p->open[p->open_count - 1] : NULL; }

static bool inside_expression(const Parser *p) { return p->open_count && innermost(p)->kind != '{'; }

static bool inside_block(const Parser *p) {
    for (uint32_t i = p->open_count; i-- > 0;)
        if (p->open[i].kind == '{') return true;
    return false;
}

static int closer_of(int kind) { return kind == '(' ? ')' : kind == '[' ? ']' : '}'; }

int block_opener(const Parser *p) {
    for (uint32_t i = p->open_count; i-- > 0;)
        if (p->open[i].kind == '{') return p->open[i].statement;
    return 0;
}

const Bracket *open_bracket_before(const Parser *p, uint32_t at) {
    for (uint32_t i = p->open_count; i-- > 0;)
        if (p->open[i].at < at) return &p->open[i];
    return NULL;
}

static bool open_bracket(Parser *p) {
    if (p->open_count == NESTING_LIMIT) {
        diag_report(p->diags, DIAG_E0106, parser_span(p, p->raw.begin, p->raw.end), "brackets nest too deeply");
        diag_expected(p->diags, "at most %d levels", NESTING_LIMIT);
        return false;
    }
    p->open[p->open_count++] = (Bracket){p->raw.kind, p->raw.begin, p->statement};
    return true;
}

// ---- Tokens for the grammar

static void read_raw(Parser *p) {
    p->newline = p->semicolon = false;
    for (;;) {
        p->raw = scanner_next(&p->scanner);
        if (p->raw.kind == SCAN_NEWLINE) p->newline = true;
        else if (p->raw.kind == ';') p->semicolon = true;
        else if (p->raw.kind != SCAN_COMMENT) return;
    }
}

static int give(Parser *p, int kind, uint32_t begin, uint32_t end, Span *span) {
    *span = parser_span(p, begin, end);
    if (p->previous == TOK_SEPARATOR || p->previous == '{') p->statement = kind;
    p->before_previous = p->previous;
    p->previous = kind;
    p->previous_end = end;
    if (kind == TOK_SEPARATOR) p->recovering = false;
    return kind;
}

static int give_missing(Parser *p, int kind, Span *span) { return give(p, kind, p->previous_end, p->previous_end, span); }

static int take(Parser *p, int kind, Span *span) {
    give(p, kind, p->raw.begin, p->raw.end, span);
    read_raw(p);
    return kind;
}

// A misspelt keyword at the head of a statement is reported and then taken for what was meant.
static int corrected_keyword(Parser *p) {
    Atom words[STATEMENT_COUNT];
    if (inside_block(p) && !operand_follows(p)) return TOK_NAME;
    uint32_t count = block_keywords(p, block_opener(p), words, STATEMENT_COUNT);
    Atom word = arena_atom(p->arena, p->text + p->raw.begin, raw_length(p));
    Atom nearest = diag_nearest(word, words, count);
    if (!nearest) return TOK_NAME;
    diag_report(p->diags, DIAG_E0103, parser_span(p, p->raw.begin, p->raw.end), "unknown statement `%s`", word);
    diag_help(p->diags, "did you mean `%s`?", nearest);
    return statement_keyword(nearest, strlen(nearest));
}

static bool derivative_follows(const Parser *p) {
    return raw_is(p, "d") && byte_at(p->text, p->length, skip_blanks(p, p->raw.end)) == '(';
}

static int head_word(Parser *p) {
    if (used_as_name(p)) return TOK_NAME;
    if (inside_block(p) && derivative_follows(p)) return TOK_DERIVATIVE;
    int kind = statement_keyword(p->text + p->raw.begin, raw_length(p));
    return kind ? kind : corrected_keyword(p);
}

// `from step 51`: the word counts as one when something follows that it could count.
static bool counts_steps(const Parser *p) { return raw_is(p, "step") && operand_follows(p); }

static int word_kind(Parser *p) {
    const char *word = p->text + p->raw.begin;
    int kind = 0;
    switch (p->previous) {
    case TOK_SEPARATOR:
    case '{': return head_word(p);
    case TOK_OVER:
    case TOK_OF: kind = FIND(period_keywords, word, raw_length(p)); break;
    case TOK_ON: kind = raw_is(p, "end") ? TOK_AT_END : 0; break;
    case TOK_AT_END: kind = raw_is(p, "of") ? TOK_OF : 0; break;
    case TOK_WITH: kind = raw_is(p, "gamma") ? TOK_GAMMA : 0; break;
    case TOK_FROM:
    case TOK_UNTIL: kind = counts_steps(p) ? TOK_STEP : 0; break;
    case TOK_LEARN: kind = raw_is(p, "all") && !used_as_name(p) ? TOK_ALL : 0; break;
    case TOK_PLASTICITY: kind = derivative_follows(p) ? TOK_DERIVATIVE : 0; break;
    case ',': kind = inside_expression(p) ? 0 : FIND(option_keywords, word, raw_length(p)); break;
    default: break;
    }
    if (kind) return kind;
    if (ends_operand(p->previous)) kind = FIND(infix_keywords, word, raw_length(p));
    else if (raw_is(p, "not")) kind = TOK_NOT;
    return kind ? kind : TOK_NAME;
}

static int take_word(Parser *p, LEQ_STYPE *value, Span *span) {
    Span place = parser_span(p, p->raw.begin, p->raw.end);
    value->name = (Name){arena_atom(p->arena, p->text + p->raw.begin, raw_length(p)), place};
    return take(p, word_kind(p), span);
}

static int take_number(Parser *p, LEQ_STYPE *value, Span *span) {
    uint32_t begin = p->raw.begin, unit = begin + number_length(p->text, p->length, begin);
    double number = 0;
    bool zero = true;
    for (uint32_t i = begin; i < unit && p->text[i] != 'e' && p->text[i] != 'E'; i++)
        zero = zero && (p->text[i] == '0' || p->text[i] == '.');
    if (!number_parse(p->text + begin, p->text + unit, &number) || isinf(number) || (number == 0 && !zero)) {
        diag_report(p->diags, DIAG_E0105, parser_span(p, begin, unit), "this number is out of range");
        diag_expected(p->diags, "a number between about 1e-308 and 1e308, of at most 500 characters");
        number = 1;
    }
    while (unit < p->raw.end && is_blank(p->text[unit])) unit++;
    value->literal = (Literal){number, NULL};
    if (unit < p->raw.end) value->literal.unit = arena_atom(p->arena, p->text + unit, p->raw.end - unit);
    return take(p, TOK_NUMBER, span);
}

// Gives up the statement at a token that was reported here.
static int refuse(Parser *p, Span *span) {
    p->recovering = true;
    take(p, TOK_LEQ_error, span);
    return TOK_LEQ_error;
}

// What the scanner could not read is reported here; the rest of the statement is skipped.
static int take_wrong(Parser *p, LEQ_STYPE *value, Span *span) {
    if (p->raw.kind == SCAN_BAD_NUMBER) {
        report_number(p, p->raw);
        value->literal = (Literal){1, NULL};
        return take(p, TOK_NUMBER, span);
    }
    if (p->raw.kind == SCAN_OPEN_STRING) {
        diag_report(p->diags, DIAG_E0109, parser_span(p, p->raw.begin, p->raw.end), "this text is not closed");
        diag_expected(p->diags, "`\"` before the end of the line");
        value->text = arena_atom_z(p->arena, "");
        return take(p, TOK_STRING, span);
    }
    if (!p->recovering) report_character(p, p->raw);
    return refuse(p, span);
}

static int take_closer(Parser *p, Span *span) {
    int open = innermost(p)->kind, closer = closer_of(open);
    bool wrong = p->raw.kind != closer;
    bool empty_call = p->previous == open && ends_operand(p->before_previous);
    bool complete = ends_operand(p->previous) || empty_call;
    if (wrong && !p->recovering) report_open_bracket(p, p->raw.begin);
    p->open_count--;
    return wrong && !complete ? refuse(p, span) : take(p, closer, span); // a wrong one is taken for the right one
}

// A bracket is open where a statement must end: it is closed here, or the statement given up.
static int close_missing(Parser *p, Span *span) {
    bool complete = ends_operand(p->previous);
    if (!p->recovering) report_open_bracket(p, p->previous_end);
    int kind = closer_of(innermost(p)->kind);
    if (complete && !p->recovering) {
        p->open_count--;
        return give_missing(p, kind, span);
    }
    while (inside_expression(p)) p->open_count--;
    if (p->recovering) return give_missing(p, kind, span);
    p->recovering = true;
    give_missing(p, kind, span);
    return TOK_LEQ_error;
}

// The closing brace of a block that another declaration, or the end of the file, has cut short.
static int close_block(Parser *p, Span *span) {
    if (!p->given_up) {
        report_open_bracket(p, p->raw.kind ? p->raw.begin : p->length);
        diag_help(p->diags, "close the block with `}` before this place");
    }
    p->open_count--;
    return give_missing(p, '}', span);
}

static bool statement_ended(const Parser *p) {
    if (p->previous == TOK_SEPARATOR || p->previous == '{' || p->raw.kind == '{') return false;
    if (p->semicolon || !p->raw.kind || p->raw.kind == '}') return true;
    return p->newline && (!is_operator(p->previous) || begins_statement(p));
}

// Skips to the end of a block that belongs to no statement, from inside of `depth` of its braces.
static void skip_block(Parser *p, uint32_t depth) {
    do {
        if (p->raw.kind == '{') depth++;
        if (p->raw.kind == '}') depth--;
        if (p->raw.kind) read_raw(p);
    } while (depth && p->raw.kind);
}

// Has the running statement a block, in the place where it stands?
static bool statement_has_block(const Parser *p) {
    switch (p->statement) {
    case TOK_NEURON:
    case TOK_SYNAPSE:
    case TOK_NETWORK:
    case TOK_OPTIMISER:
    case TOK_EXPERIMENT: return !inside_block(p);
    case TOK_COMPARTMENT:
    case TOK_PHASE:
    case TOK_ON: break;
    default: return false;
    }
    for (int i = 0; i < STATEMENT_COUNT; i++)
        if (statements[i].keyword.kind == p->statement) return statements[i].blocks & block_of(block_opener(p));
    return false;
}

// Outside of all blocks only a declaration makes sense: what comes before the next one is one mistake.
static void skip_to_declaration(Parser *p) {
    while (p->raw.kind && !(p->newline && begins_declaration(p))) {
        if (p->raw.kind == '{') skip_block(p, 0);
        else read_raw(p);
    }
}

// Beyond the limit of nesting nothing more is read; open blocks are closed without further complaint.
static int give_up(Parser *p, Span *span) {
    p->raw = (Token){0, p->length, p->length};
    p->given_up = p->recovering = true;
    while (inside_expression(p)) p->open_count--;
    *span = parser_span(p, p->previous_end, p->previous_end);
    if (p->previous == '{') p->previous = TOK_NAME; // so that the statement is ended
    return TOK_LEQ_error;
}

static int take_opener(Parser *p, Span *span) {
    int kind = p->raw.kind;
    if (!open_bracket(p)) return give_up(p, span);
    if (kind == '{') p->recovering = false;
    return take(p, kind, span);
}

// A closing bracket without a partner is left out where the statement is complete without it.
static bool drop_closer(Parser *p) {
    Span place = parser_span(p, p->raw.begin, p->raw.end);
    if (!p->recovering) diag_report(p->diags, DIAG_E0108, place, "`%c` was never opened", p->raw.kind);
    if (!ends_operand(p->previous) && p->raw.kind != '}' && !p->recovering) return false;
    bool newline = p->newline, semicolon = p->semicolon;
    read_raw(p);
    p->newline |= newline;
    p->semicolon |= semicolon;
    return true;
}

// Are the open brackets of this expression closed before the statement must have ended?
static bool brackets_close(const Parser *p) {
    uint32_t depth = 0;
    for (uint32_t i = p->open_count; i-- > 0 && p->open[i].kind != '{';) depth++;
    for (uint32_t at = p->previous_end; at < p->length; at++) {
        char c = p->text[at];
        if (c == '#' || c == '"') { // to the end of the line, or to the closing quote
            at++;
            while (at < p->length && p->text[at] != '\n' && (c == '#' || p->text[at] != '"')) at++;
            if (at >= p->length) return false;
            c = p->text[at];
        }
        if (c == '{' || c == '}' || c == ';') return false;
        if (c == '(' || c == '[') depth++;
        if ((c == ')' || c == ']') && --depth == 0) return true;
        if (c == '\n' && statement_at(p, skip_blanks(p, at + 1))) return false;
    }
    return false;
}

static bool declares(int kind) { return kind == TOK_IMPORT || (kind >= TOK_FUNCTION && kind <= TOK_EXPERIMENT); }

// Called when the grammar has refused the last token: what follows is skipped up to the end of the statement.
void begin_recovery(Parser *p) {
    if (p->previous == TOK_SEPARATOR) return; // it ends here already
    if (p->previous == '{') {
        p->open_count--;
        bool owned = statement_has_block(p); // then it is read all the same
        p->open_count++;
        if (owned) return;
        p->open_count--;
        skip_block(p, 1);
        p->previous = '}';
    }
    p->recovering = true;
    if (inside_expression(p) && !brackets_close(p))
        while (inside_expression(p)) p->open_count--;
    if (!p->open_count && !declares(p->statement)) skip_to_declaration(p);
}

static bool expression_cut_short(const Parser *p) {
    return p->semicolon || !p->raw.kind || p->raw.kind == '{' || p->raw.kind == '}' ||
           (p->newline && begins_statement(p));
}

// Ends of statements, and whatever is missing at them; 0 when the next token is to be read.
static int leq_boundary(Parser *p, Span *span) {
    if (inside_expression(p)) return expression_cut_short(p) ? close_missing(p, span) : 0;
    if (statement_ended(p)) return give_missing(p, TOK_SEPARATOR, span);
    if (p->open_count && (!p->raw.kind || begins_declaration(p))) return close_block(p, span);
    return 0;
}

void start_tokens(Parser *p) {
    scanner_open(&p->scanner, p->text, p->length);
    if (p->length >= 3 && memcmp(p->text, "\xEF\xBB\xBF", 3) == 0) scanner_next(&p->scanner); // a byte order mark
    p->previous = p->before_previous = TOK_SEPARATOR;
    read_raw(p);
}

int leq_lex(LEQ_STYPE *value, Span *span, Parser *p) {
    for (;;) {
        int kind = leq_boundary(p, span);
        if (kind) return kind;
        switch (p->raw.kind) {
        case 0: return give(p, 0, p->length, p->length, span);
        case '(':
        case '[': return take_opener(p, span);
        case '{':
            if (!p->recovering || statement_has_block(p)) return take_opener(p, span);
            skip_block(p, 0);
            break;
        case '}':
        case ')':
        case ']':
            if (p->open_count && (inside_expression(p) || p->raw.kind == '}')) return take_closer(p, span);
            if (!drop_closer(p)) return refuse(p, span);
            break;
        case TOK_NAME: return take_word(p, value, span);
        case TOK_NUMBER: return take_number(p, value, span);
        case TOK_STRING:
            value->text = arena_atom(p->arena, p->text + p->raw.begin + 1, raw_length(p) - 2);
            return take(p, TOK_STRING, span);
        case SCAN_BAD_NUMBER:
        case SCAN_OPEN_STRING:
        case SCAN_STRAY: return take_wrong(p, value, span);
        default: return take(p, p->raw.kind, span);
        }
    }
}
