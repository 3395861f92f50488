// Strings that grow, and locale-free numbers.
#define _GNU_SOURCE
#include "text.h"
#include "arena.h"
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void reserve(Text *text, size_t more) {
    if (text->length + more + 1 <= text->capacity) return;
    size_t capacity = 2 * text->capacity > text->length + more + 1 ? 2 * text->capacity : text->length + more + 64;
    text->bytes = memory_resize(text->bytes, capacity, 1);
    text->capacity = capacity;
}

void text_add_bytes(Text *text, const char *bytes, size_t length) {
    if (!length) return;
    reserve(text, length);
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
    text->bytes[text->length] = 0;
}

void text_add(Text *text, const char *string) { text_add_bytes(text, string, strlen(string)); }

void text_addf(Text *text, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length > 0) {
        reserve(text, (size_t)length);
        vsnprintf(text->bytes + text->length, (size_t)length + 1, format, again);
        text->length += (size_t)length;
    }
    va_end(again);
}

void text_add_number(Text *text, double value) {
    char buffer[32];
    text_add(text, number_format(buffer, value));
}

void text_free(Text *text) {
    free(text->bytes);
    *text = (Text){0};
}

const char *text_z(const Text *text) { return text->bytes ? text->bytes : ""; }

static locale_t c_locale(void) {
    static locale_t locale; // made once; the C locale never changes
    if (!locale) locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    return locale;
}

bool number_parse(const char *begin, const char *end, double *value) {
    char buffer[512];
    size_t length = (size_t)(end - begin);
    if (!length || length >= sizeof buffer) return false;
    memcpy(buffer, begin, length);
    buffer[length] = 0;
    char *stop;
    *value = strtod_l(buffer, &stop, c_locale());
    bool foreign = strpbrk(buffer, "xX") || buffer[0] == ' ' || (buffer[0] >= '\t' && buffer[0] <= '\r');
    return stop == buffer + length && !foreign; // strtod also takes blanks and hexadecimal numbers
}

char *number_format(char buffer[32], double value) {
    if (isnan(value)) return strcpy(buffer, "nan");
    if (isinf(value)) return strcpy(buffer, value > 0 ? "inf" : "-inf");
    if (value > -1e15 && value < 1e15 && value == (double)(long long)value) { // 360, not 3.6e+02
        snprintf(buffer, 32, "%lld", (long long)value);
        return value == 0 && signbit(value) ? strcpy(buffer, "-0") : buffer;
    }
    // 15 digits mostly suffice; fewer are found by trying, since the shortest form is wanted.
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(buffer, 32, "%.*g", digits, value);
        for (char *c = buffer; *c; c++)
            if (*c == ',') *c = '.'; // a host program may have set a locale
        double back;
        if (number_parse(buffer, buffer + strlen(buffer), &back) && back == value) break;
    }
    return buffer;
}

// Length of the UTF-8 character at `bytes`, or 0 when it is none.
uint32_t text_character(const char *bytes, size_t room) {
    const unsigned char *b = (const unsigned char *)bytes;
    uint32_t length = b[0] < 0x80 ? 1 : b[0] < 0xC2 ? 0 : b[0] < 0xE0 ? 2 : b[0] < 0xF0 ? 3 : b[0] < 0xF5 ? 4 : 0;
    if (!length || length > room) return 0;
    for (uint32_t i = 1; i < length; i++)
        if ((b[i] & 0xC0) != 0x80) return 0;
    if ((b[0] == 0xE0 && b[1] < 0xA0) || (b[0] == 0xED && b[1] > 0x9F)) return 0; // overlong, surrogate
    if ((b[0] == 0xF0 && b[1] < 0x90) || (b[0] == 0xF4 && b[1] > 0x8F)) return 0; // overlong, beyond Unicode
    return length;
}

void text_add_json(Text *out, const char *string) {
    size_t length = strlen(string);
    text_add(out, "\"");
    for (size_t i = 0; i < length;) {
        unsigned char c = (unsigned char)string[i];
        uint32_t width = text_character(string + i, length - i);
        if (c == '"' || c == '\\')
            text_addf(out, "\\%c", c);
        else if (c == '\n')
            text_add(out, "\\n");
        else if (c == '\t')
            text_add(out, "\\t");
        else if (c < 0x20 || c == 0x7F)
            text_addf(out, "\\u%04x", c);
        else if (!width)
            text_add(out, "\\ufffd");
        else
            text_add_bytes(out, string + i, width);
        i += width ? width : 1;
    }
    text_add(out, "\"");
}

void text_add_json_number(Text *out, double value) {
    if (isfinite(value))
        text_add_number(out, value);
    else
        text_add(out, "null");
}
