// A recursive reader of JSON with a limit of depth.
#include "json.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { DEEPEST = 64 };

typedef struct Reader {
    Arena *arena;
    const char *start, *at, *end;
    Text *error;
} Reader;

static Json *read_value(Reader *reader, int depth);

static Json *fails(Reader *reader, const char *expected) {
    if (!reader->error->length)
        text_addf(reader->error, "byte %zu: expected %s", (size_t)(reader->at - reader->start), expected);
    return NULL;
}

static char peek(Reader *reader) {
    while (reader->at < reader->end && strchr(" \t\r\n", *reader->at) && *reader->at) reader->at++;
    return reader->at < reader->end ? *reader->at : 0;
}

static bool accept(Reader *reader, char c) {
    if (peek(reader) != c || !c) return false;
    reader->at++;
    return true;
}

static Json *node(Reader *reader, JsonKind kind) {
    Json *value = arena_new_object(reader->arena, Json);
    value->kind = kind;
    return value;
}

static void add_character(Text *out, uint32_t c) {
    char bytes[4];
    size_t length = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = length; i-- > 1; c >>= 6) bytes[i] = (char)(0x80 | (c & 0x3F));
    bytes[0] = (char)(lead[length] | c);
    text_add_bytes(out, bytes, length);
}

static bool read_unit(Reader *reader, uint32_t *unit) {
    *unit = 0;
    for (int i = 0; i < 4; i++, reader->at++) {
        static const char digits[] = "0123456789abcdefABCDEF";
        const char *digit = reader->at < reader->end && *reader->at ? strchr(digits, *reader->at) : NULL;
        if (!digit) return fails(reader, "four hexadecimal digits"), false;
        uint32_t value = (uint32_t)(digit - digits);
        *unit = 16 * *unit + (value > 15 ? value - 6 : value);
    }
    return true;
}

static bool read_escape(Reader *reader, Text *out) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char c = reader->at < reader->end ? *reader->at++ : 0;
    const char *found = c ? strchr(from, c) : NULL;
    if (found) return text_add_bytes(out, to + (found - from), 1), true;
    uint32_t unit, low;
    if (c != 'u') return fails(reader, "an escape that JSON knows"), false;
    if (!read_unit(reader, &unit)) return false;
    if (unit >= 0xD800 && unit < 0xDC00 && reader->end - reader->at >= 6 && memcmp(reader->at, "\\u", 2) == 0) {
        reader->at += 2;
        if (!read_unit(reader, &low)) return false;
        unit = low >= 0xDC00 && low < 0xE000 ? 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00) : 0xFFFD;
    }
    add_character(out, unit >= 0xD800 && unit < 0xE000 ? 0xFFFD : unit);
    return true;
}

// A string without its opening quote, which was accepted. A zero character would cut it short and is refused.
static const char *read_string(Reader *reader) {
    Text out = {0};
    bool fine = true;
    while (fine && reader->at < reader->end && *reader->at != '"') {
        char c = *reader->at++;
        if ((unsigned char)c < 0x20)
            fine = fails(reader, "no control character in a string") != NULL;
        else if (c == '\\')
            fine = read_escape(reader, &out);
        else
            text_add_bytes(&out, &c, 1);
    }
    if (fine && reader->at == reader->end) fine = fails(reader, "a closing quote") != NULL;
    if (fine) reader->at++;
    const char *string = fine ? arena_atom(reader->arena, text_z(&out), out.length) : NULL;
    text_free(&out);
    return string;
}

static Json *read_number(Reader *reader) {
    size_t length = 0;
    while (reader->at + length < reader->end && reader->at[length] && strchr("+-.0123456789eE", reader->at[length]))
        length++;
    double value;
    if (!length || !number_parse(reader->at, reader->at + length, &value)) return fails(reader, "a value");
    Json *number = node(reader, JSON_NUMBER);
    number->text = arena_atom(reader->arena, reader->at, length);
    reader->at += length;
    return number;
}

static Json *read_word(Reader *reader) {
    static const struct {
        const char *word;
        JsonKind kind;
    } words[] = {{"null", JSON_NULL}, {"true", JSON_TRUE}, {"false", JSON_FALSE}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t length = strlen(words[i].word);
        if ((size_t)(reader->end - reader->at) < length || memcmp(reader->at, words[i].word, length) != 0) continue;
        reader->at += length;
        return node(reader, words[i].kind);
    }
    return read_number(reader);
}

static Json *read_list(Reader *reader, JsonKind kind, char close, int depth) {
    Json *list = node(reader, kind), **last = &list->first;
    if (depth == DEEPEST) return fails(reader, "fewer values inside of each other");
    if (accept(reader, close)) return list;
    do {
        const char *key = NULL;
        if (kind == JSON_OBJECT) {
            if (!accept(reader, '"')) return fails(reader, "a name in quotes");
            if (!(key = read_string(reader))) return NULL;
            if (!accept(reader, ':')) return fails(reader, "`:`");
        }
        Json *value = read_value(reader, depth + 1);
        if (!value) return NULL;
        value->key = key;
        *last = value;
        last = &value->next;
    } while (accept(reader, ','));
    return accept(reader, close) ? list : fails(reader, kind == JSON_OBJECT ? "`,` or `}`" : "`,` or `]`");
}

static Json *read_value(Reader *reader, int depth) {
    if (accept(reader, '{')) return read_list(reader, JSON_OBJECT, '}', depth);
    if (accept(reader, '[')) return read_list(reader, JSON_ARRAY, ']', depth);
    if (!accept(reader, '"')) return read_word(reader);
    const char *text = read_string(reader);
    if (!text) return NULL;
    Json *string = node(reader, JSON_STRING);
    string->text = text;
    return string;
}

const Json *json_parse(Arena *arena, const char *bytes, size_t length, Text *error) {
    Text own = {0};
    Reader reader = {arena, bytes, bytes, bytes + length, &own};
    const Json *value = read_value(&reader, 0);
    if (value && (peek(&reader) || reader.at < reader.end)) value = fails(&reader, "nothing after the value");
    if (!value) text_add(error, text_z(&own));
    text_free(&own);
    return value;
}

const Json *json_member(const Json *object, const char *key) {
    if (!object || object->kind != JSON_OBJECT) return NULL;
    for (const Json *member = object->first; member; member = member->next)
        if (strcmp(member->key, key) == 0) return member;
    return NULL;
}

const char *json_string(const Json *object, const char *key) {
    const Json *member = json_member(object, key);
    return member && member->kind == JSON_STRING ? member->text : NULL;
}

void json_add_string(Text *out, const char *string) {
    text_add(out, "\"");
    for (const char *c = string, *end = string + strlen(string); c < end;) {
        unsigned char first = (unsigned char)*c;
        uint32_t length = text_character(c, (size_t)(end - c));
        if (first == '"' || first == '\\')
            text_addf(out, "\\%c", first);
        else if (first < 0x20 || !length)
            text_addf(out, "\\u%04x", length ? first : 0xFFFDu);
        else
            text_add_bytes(out, c, length);
        c += length ? length : 1;
    }
    text_add(out, "\"");
}
