// Numbers with their units as one literal: where they end, and which words are units.
#include "syntax.h"
#include <string.h>

static uint32_t skip_digits(const char *text, uint32_t length, uint32_t at) {
    while (is_digit(byte_at(text, length, at))) at++;
    return at;
}

uint32_t literal_number_length(const char *text, uint32_t length, uint32_t begin) {
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

static bool word_is_unit(const char *word, size_t length) {
    static const char *const units[] = {
        "s",    "ms", "us",  "ns",   "min",   "h",     "V",      "mV",           "uV",
        "A",    "mA", "uA",  "nA",   "pA",    "S",     "mS",     "uS",           "nS",
        "pS",   "F",  "mF",  "uF",   "nF",    "pF",    "Ohm",    "kOhm",         "MOhm",
        "GOhm", "Hz", "kHz", "step", "steps", "epoch", "epochs", "presentation", "presentations"};
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
    uint32_t number = literal_number_length(text, length, begin), at = begin + number;
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
