// Between scanner and grammar: the newline rule, brackets kept balanced, and keywords told from names by their place,
// so that `rate`, `step` or `count` stay free for the author's use.
#include "parser.h"
#include "syntax.h"
#include <math.h>
#include <string.h>

bool token_ends_operand(int kind) {
    switch (kind) {
    case TOK_NAME:
    case TOK_NUMBER:
    case TOK_STRING:
    case TOK_CLAMP:
    case TOK_BATCH:
    case TOK_SHUFFLE:
    case TOK_EXPONENTIAL:
    case TOK_RESET:
    case TOK_PRESENTATION:
    case TOK_EPOCH:
    case TOK_ALL:
    case TOK_STEPS:
    case TOK_EPOCH_COUNT:
    case TOK_PRESENTATION_COUNT:
    case ')':
    case ']': return true;
    default: return false;
    }
}

// After these a line may be broken.
bool token_is_operator(int kind) {
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
    return !infix_keyword(p->text + at, word_end(p, at) - at);
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

// A declaration at the very left begins outside of all blocks, even if one has not been closed.
static bool begins_declaration(const Parser *p) {
    if (!begins_statement(p) || !line_begins_at(p, p->raw.begin)) return false;
    return keyword_stands_in(statement_keyword(p->text + p->raw.begin, raw_length(p)), 0);
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
        if (p->raw.kind == SCAN_NEWLINE)
            p->newline = true;
        else if (p->raw.kind == ';')
            p->semicolon = true;
        else if (p->raw.kind != SCAN_COMMENT)
            return;
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

static int give_missing(Parser *p, int kind, Span *span) {
    return give(p, kind, p->previous_end, p->previous_end, span);
}

static int take(Parser *p, int kind, Span *span) {
    give(p, kind, p->raw.begin, p->raw.end, span);
    read_raw(p);
    return kind;
}

// A misspelt keyword at the head of a statement is reported and then taken for what was meant.
static int corrected_keyword(Parser *p) {
    Atom words[64];
    if (inside_block(p) && !operand_follows(p)) return TOK_NAME;
    uint32_t count = block_keywords(p, block_opener(p), words, sizeof words / sizeof *words);
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
    case TOK_OVER: kind = raw_is(p, "all") ? TOK_ALL : period_keyword(word, raw_length(p)); break;
    case TOK_DISTURB: kind = infix_keyword(word, raw_length(p)); break; // from, until, every
    case TOK_EVALUATE: kind = raw_is(p, "for") && operand_follows(p) ? TOK_FOR : 0; break;
    case TOK_OF: kind = period_keyword(word, raw_length(p)); break;
    case TOK_ON: kind = raw_is(p, "end") ? TOK_AT_END : 0; break;
    case TOK_AT_END: kind = raw_is(p, "of") ? TOK_OF : 0; break;
    case TOK_WITH: kind = raw_is(p, "gamma") ? TOK_GAMMA : 0; break;
    case TOK_FROM:
    case TOK_UNTIL: kind = counts_steps(p) ? TOK_STEP : 0; break;
    case TOK_LEARN: kind = raw_is(p, "all") && !used_as_name(p) ? TOK_ALL : 0; break;
    case TOK_PLASTICITY: kind = derivative_follows(p) ? TOK_DERIVATIVE : 0; break;
    case ',': kind = inside_expression(p) ? 0 : option_keyword(word, raw_length(p)); break;
    default: break;
    }
    if (kind) return kind;
    if (token_ends_operand(p->previous))
        kind = infix_keyword(word, raw_length(p));
    else if (raw_is(p, "not"))
        kind = TOK_NOT;
    return kind ? kind : TOK_NAME;
}

static int take_word(Parser *p, LEQ_STYPE *value, Span *span) {
    Span place = parser_span(p, p->raw.begin, p->raw.end);
    value->name = (Name){arena_atom(p->arena, p->text + p->raw.begin, raw_length(p)), place};
    return take(p, word_kind(p), span);
}

static int take_number(Parser *p, LEQ_STYPE *value, Span *span) {
    uint32_t begin = p->raw.begin, unit = begin + literal_number_length(p->text, p->length, begin);
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
    bool empty_call = p->previous == open && token_ends_operand(p->before_previous);
    bool complete = token_ends_operand(p->previous) || empty_call;
    if (wrong && !p->recovering) report_open_bracket(p, p->raw.begin);
    p->open_count--;
    return wrong && !complete ? refuse(p, span) : take(p, closer, span); // a wrong one is taken for the right one
}

// A bracket is open where a statement must end: it is closed here, or the statement given up.
static int close_missing(Parser *p, Span *span) {
    bool complete = token_ends_operand(p->previous);
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
    return p->newline && (!token_is_operator(p->previous) || begins_statement(p));
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
    case TOK_EXPERIMENT:
    case TOK_COMPARTMENT:
    case TOK_PHASE:
    case TOK_STAGE:
    case TOK_DISTURB:
    case TOK_ON: return keyword_stands_in(p->statement, block_opener(p));
    default: return false;
    }
}

// Outside of all blocks only a declaration makes sense: what comes before the next one is one mistake.
static void skip_to_declaration(Parser *p) {
    while (p->raw.kind && !(p->newline && begins_declaration(p))) {
        if (p->raw.kind == '{')
            skip_block(p, 0);
        else
            read_raw(p);
    }
}

// Nothing more is read; open blocks are closed without further complaint.
static void stop_reading(Parser *p) {
    p->raw = (Token){0, p->length, p->length};
    p->given_up = p->recovering = true;
    while (inside_expression(p)) p->open_count--;
}

static int give_up(Parser *p, Span *span) {
    stop_reading(p);
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
    if (!token_ends_operand(p->previous) && p->raw.kind != '}' && !p->recovering) return false;
    bool newline = p->newline, semicolon = p->semicolon;
    read_raw(p);
    p->newline |= newline;
    p->semicolon |= semicolon;
    return true;
}

enum { SEARCH_LIMIT = 1 << 16 }; // bytes in which an expression's brackets are looked for

// Are the open brackets of this expression closed before the statement must have ended?
static bool brackets_close(const Parser *p) {
    uint32_t stop = p->length - p->previous_end > SEARCH_LIMIT ? p->previous_end + SEARCH_LIMIT : p->length;
    uint32_t depth = 0;
    for (uint32_t i = p->open_count; i-- > 0 && p->open[i].kind != '{';) depth++;
    for (uint32_t at = p->previous_end; at < stop; at++) {
        char c = p->text[at];
        if (c == '#' || c == '"') { // to the end of the line, or to the closing quote
            at++;
            while (at < stop && p->text[at] != '\n' && (c == '#' || p->text[at] != '"')) at++;
            if (at >= stop) return false;
            c = p->text[at];
        }
        if (c == '{' || c == '}' || c == ';') return false;
        if (c == '(' || c == '[') depth++;
        if ((c == ')' || c == ']') && --depth == 0) return true;
        if (c == '\n' && statement_at(p, skip_blanks(p, at + 1))) return false;
    }
    return false;
}

// Called when the grammar has refused the last token: what follows is skipped up to the end of the statement. Behind a
// colon at the end of a line a block was meant by its indentation, and nothing would be understood.
void tokens_begin_recovery(Parser *p) {
    bool indented = p->previous == ':' && p->newline && !inside_expression(p);
    if (indented || p->syntax_errors > SYNTAX_ERROR_LIMIT) {
        stop_reading(p);
        return;
    }
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
    if (!p->open_count && !keyword_stands_in(p->statement, 0)) skip_to_declaration(p);
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

void tokens_start(Parser *p) {
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
