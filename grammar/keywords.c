// The words of the language and the places where they have a meaning; everywhere else they are names.
#include "parser.h"
#include "syntax.h"
#include <string.h>

typedef struct Keyword {
    const char *word;
    int kind;
} Keyword;

static int find_keyword(const Keyword *table, size_t count, const char *word, size_t length) {
    for (size_t i = 0; i < count; i++)
        if (strlen(table[i].word) == length && memcmp(table[i].word, word, length) == 0) return table[i].kind;
    return 0;
}
#define FIND(table) find_keyword(table, sizeof(table) / sizeof *(table), word, length)

enum {
    IN_FILE = 1,
    IN_NEURON = 2,
    IN_SYNAPSE = 4,
    IN_OPTIMISER = 8,
    IN_NETWORK = 16,
    IN_PHASE = 32,
    IN_EXPERIMENT = 64
};

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
    {{"learn", TOK_LEARN}, IN_NETWORK | IN_PHASE | IN_EXPERIMENT},
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
    {{"stage", TOK_STAGE}, IN_EXPERIMENT},
    {{"disturb", TOK_DISTURB}, IN_EXPERIMENT},
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
    case TOK_EXPERIMENT:
    case TOK_STAGE:
    case TOK_DISTURB: return IN_EXPERIMENT;
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

bool keyword_stands_in(int kind, int opener) {
    for (int i = 0; i < STATEMENT_COUNT; i++)
        if (statements[i].keyword.kind == kind) return statements[i].blocks & block_of(opener);
    return false;
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
    {"and", TOK_AND},
    {"or", TOK_OR},
    {"over", TOK_OVER},
    {"initially", TOK_INITIALLY},
    {"by", TOK_BY},
    {"with", TOK_WITH},
    {"for", TOK_FOR},
    {"in", TOK_IN},
    {"from", TOK_FROM},
    {"until", TOK_UNTIL},
    {"every", TOK_EVERY},
    {"steps", TOK_STEPS},
    {"epochs", TOK_EPOCH_COUNT},
    {"presentations", TOK_PRESENTATION_COUNT},
};

// Words that open an option after a comma outside of brackets.
static const Keyword option_keywords[] = {{"clamp", TOK_CLAMP},
                                          {"batch", TOK_BATCH},
                                          {"shuffle", TOK_SHUFFLE},
                                          {"exponential", TOK_EXPONENTIAL},
                                          {"reset", TOK_RESET}};

static const Keyword period_keywords[] = {{"presentation", TOK_PRESENTATION}, {"epoch", TOK_EPOCH}};

int infix_keyword(const char *word, size_t length) { return FIND(infix_keywords); }

int option_keyword(const char *word, size_t length) { return FIND(option_keywords); }

int period_keyword(const char *word, size_t length) { return FIND(period_keywords); }
