// What the scanner, the parser and their error messages share. Private to grammar/; others include ast.h.
//
// Layers: lexer.l cuts the text into raw tokens; tokens.c applies the newline rule, keeps the brackets balanced
// and tells keywords from names by their place; parser.y sees only well-formed brackets and ends of statements.
#ifndef LEQUEL_SYNTAX_H
#define LEQUEL_SYNTAX_H

#include "ast.h"

enum {
    NESTING_LIMIT = 200,      // brackets and blocks inside one another
    SYNTAX_ERROR_LIMIT = 100, // beyond them nothing more is read
    TREE_DEPTH_LIMIT = 1000   // levels of the tree: long chains of operators nest, too
};

// ---- Characters

static inline bool is_digit(char c) { return c >= '0' && c <= '9'; }
static inline bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
static inline bool is_word(char c) { return is_letter(c) || is_digit(c); }
static inline bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

// Source bytes with an end: 0 beyond it. Zero bytes inside were refused before.
static inline char byte_at(const char *text, uint32_t length, uint32_t at) { return at < length ? text[at] : 0; }

// ---- Raw tokens

// Kinds of raw tokens that the grammar never sees; all others have the grammar's own numbers.
enum { SCAN_NEWLINE = 10000, SCAN_COMMENT, SCAN_BAD_NUMBER, SCAN_OPEN_STRING, SCAN_STRAY };

typedef struct Token {
    int kind; // 0 at the end
    uint32_t begin, end;
} Token;

typedef struct Scanner {
    const char *text;
    uint32_t length, offset;
    void *flex;
} Scanner;

void scanner_open(Scanner *scanner, const char *text, uint32_t length);
Token scanner_next(Scanner *scanner);
void scanner_close(Scanner *scanner);

// Literals (literals.c). Length of the decimal number at `text[begin]`, without its unit; 0 when there is none.
uint32_t literal_number_length(const char *text, uint32_t length, uint32_t begin);
// Length of a number together with its unit, if one follows: `5 ms`, `0.3 /mV`, `2 mV^-1*ms`.
uint32_t literal_length(const char *text, uint32_t length, uint32_t begin);

// ---- The parser's state

typedef struct Name {
    Atom atom;
    Span span;
} Name;

typedef struct AstList {
    Ast **items;
    uint32_t count, capacity;
} AstList;

typedef struct Literal {
    double number;
    Atom unit; // or NULL
} Literal;

typedef struct Amount { // a length of time, or a count of steps
    Ast *value;
    uint32_t flags; // AST_STEP when written in steps
} Amount;

typedef struct Bracket {
    int kind;      // the token that opened it
    uint32_t at;   // its place
    int statement; // first token of the statement that it belongs to
} Bracket;

typedef struct Parser {
    Arena *arena;
    Diagnostics *diags;
    uint32_t source;
    const char *text;
    uint32_t length;
    Scanner scanner;
    Token raw;                     // the token to come, comments and newlines skipped
    bool newline, semicolon;       // what stood between the last token and this one
    int previous, before_previous; // kinds of the last two tokens
    uint32_t previous_end;
    int statement; // first token of the running statement
    Bracket open[NESTING_LIMIT];
    uint32_t open_count;
    bool recovering;        // an error was reported; tokens are skipped to the end of the statement
    bool too_deep;          // reported once
    bool given_up;          // the rest of the file is not read
    uint32_t syntax_errors; // reported by the grammar
    Ast *file;
} Parser;

Span parser_span(const Parser *parser, uint32_t begin, uint32_t end);

// ---- Tokens for the grammar (tokens.c)

void tokens_start(Parser *parser);          // text and length are set
void tokens_begin_recovery(Parser *parser); // the grammar has refused the last token
// The innermost bracket that is open and was opened before `at`, or NULL.
const Bracket *open_bracket_before(const Parser *parser, uint32_t at);
int block_opener(const Parser *parser); // first token of the statement whose block is open, 0 for the file
bool token_is_operator(int kind);
bool token_ends_operand(int kind);

// ---- Keywords (keywords.c); `opener` is the token of the statement whose block it is, 0 for the file

// The token that a statement's keyword is; 0 when the word is none.
int statement_keyword(const char *word, size_t length);
// All keywords that may begin a statement of the block opened by `opener` (0: the file). Returns their number.
uint32_t block_keywords(Parser *parser, int opener, Atom *words, uint32_t room);
// "a network" for `cost`: where a statement belongs that one kind of block has, else NULL.
const char *home_of_keyword(const char *word, size_t length);
bool keyword_stands_in(int kind, int opener);
// Words that follow something complete, open an option after a comma, or name a period; 0 for others.
int infix_keyword(const char *word, size_t length);
int option_keyword(const char *word, size_t length);
int period_keyword(const char *word, size_t length);

// ---- Nodes (ast.c)

AstList *ast_list_new(Parser *parser);
AstList *ast_list_of(Parser *parser, Ast *item);
AstList *ast_list_add(Parser *parser, AstList *list, Ast *item); // item may be NULL; returns the list
AstList *ast_list_join(Parser *parser, AstList *list, const AstList *more);

extern const Name NO_NAME;

// A node with `count` children that follow, each an Ast pointer or NULL, and then those of `rest`, which may be NULL.
Ast *ast_build(Parser *parser, AstKind kind, Span span, Name name, const AstList *rest, uint32_t count, ...);
Ast *ast_with_flags(Ast *node, uint32_t flags);
Ast *ast_with_span(Ast *node, Span span);
Ast *ast_number(Parser *parser, Span span, Literal literal);
Ast *ast_string(Parser *parser, AstKind kind, Span span, Atom text);
Ast *ast_reduction(Parser *parser, Span span, Ast *callee, const AstList *indices, Ast *body);
Ast *ast_sizes(Parser *parser, Span span, AstList *sizes); // the size itself when there is one, else a LIST

// ---- Errors (syntax_errors.c)

typedef struct Expected {
    const char *const *names; // of tokens, as parser.y calls them
    int count;
} Expected;

void report_unexpected(Parser *parser, Span span, int token, Expected expected);
void report_open_bracket(Parser *parser, uint32_t at);
void report_character(Parser *parser, Token token);
void report_number(Parser *parser, Token token);

#endif
