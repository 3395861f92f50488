// A growing string, and numbers as text: shortest decimals that read back to the same value, never the locale's.
#ifndef LEQUEL_TEXT_H
#define LEQUEL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Text {
    char *bytes; // NUL-terminated once anything was added; NULL before
    size_t length, capacity;
} Text;

void text_add(Text *text, const char *string);
void text_add_json(Text *text, const char *string);  // as a string of JSON, in quotes; what is no UTF-8 becomes U+FFFD
void text_add_json_number(Text *text, double value); // null for what JSON has no number for
void text_add_bytes(Text *text, const char *bytes, size_t length);
void text_addf(Text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_add_number(Text *text, double value); // shortest round-trip form: 0.1, 1e-08, 53
void text_free(Text *text);
const char *text_z(const Text *text); // "" when empty

// Reads a decimal number spanning exactly [begin, end); false when it is none.
bool number_parse(const char *begin, const char *end, double *value);
// Writes the shortest decimal that reads back to `value` into a buffer of at least 32 bytes; returns the buffer.
char *number_format(char buffer[32], double value);

// The bytes of the UTF-8 character that a text begins with; 0 when it begins with none.
uint32_t text_character(const char *text, size_t length);

#endif
