// The table of units and the arithmetic of dimensions.
#include "units.h"
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct UnitWord {
    const char *word;
    Unit unit;
    double factor, divisor;
} UnitWord;

// Exponents are in halves: 2 is the first power.
static const UnitWord words[] = {
    {"s", {.time = 2}, 1e3, 1},
    {"ms", {.time = 2}, 1, 1},
    {"us", {.time = 2}, 1, 1e3},
    {"ns", {.time = 2}, 1, 1e6},
    {"min", {.time = 2}, 6e4, 1},
    {"h", {.time = 2}, 3.6e6, 1},
    {"V", {.voltage = 2}, 1e3, 1},
    {"mV", {.voltage = 2}, 1, 1},
    {"uV", {.voltage = 2}, 1, 1e3},
    {"A", {.current = 2}, 1e12, 1},
    {"mA", {.current = 2}, 1e9, 1},
    {"uA", {.current = 2}, 1e6, 1},
    {"nA", {.current = 2}, 1e3, 1},
    {"pA", {.current = 2}, 1, 1},
    {"S", {.current = 2, .voltage = -2}, 1e9, 1},
    {"mS", {.current = 2, .voltage = -2}, 1e6, 1},
    {"uS", {.current = 2, .voltage = -2}, 1e3, 1},
    {"nS", {.current = 2, .voltage = -2}, 1, 1},
    {"pS", {.current = 2, .voltage = -2}, 1, 1e3},
    {"F", {.time = 2, .current = 2, .voltage = -2}, 1e12, 1},
    {"mF", {.time = 2, .current = 2, .voltage = -2}, 1e9, 1},
    {"uF", {.time = 2, .current = 2, .voltage = -2}, 1e6, 1},
    {"nF", {.time = 2, .current = 2, .voltage = -2}, 1e3, 1},
    {"pF", {.time = 2, .current = 2, .voltage = -2}, 1, 1},
    {"Ohm", {.voltage = 2, .current = -2}, 1, 1e9},
    {"kOhm", {.voltage = 2, .current = -2}, 1, 1e6},
    {"MOhm", {.voltage = 2, .current = -2}, 1, 1e3},
    {"GOhm", {.voltage = 2, .current = -2}, 1, 1},
    {"Hz", {.time = -2}, 1, 1e3},
    {"kHz", {.time = -2}, 1, 1},
    {"step", {.steps = 2}, 1, 1},
    {"steps", {.steps = 2}, 1, 1},
    {"epoch", {0}, 1, 1},
    {"epochs", {0}, 1, 1},
    {"presentation", {0}, 1, 1},
    {"presentations", {0}, 1, 1},
    {"%", {0}, 1, 100},
};

const char *const unit_words[] = {
    "s",   "ms",   "us",   "ns",   "min", "h",   "V",    "mV",    "uV",    "A",      "mA",           "uA",
    "nA",  "pA",   "S",    "mS",   "uS",  "nS",  "pS",   "F",     "mF",    "uF",     "nF",           "pF",
    "Ohm", "kOhm", "MOhm", "GOhm", "Hz",  "kHz", "step", "steps", "epoch", "epochs", "presentation", "presentations",
    NULL};

bool unit_equal(Unit a, Unit b) {
    return a.time == b.time && a.voltage == b.voltage && a.current == b.current && a.steps == b.steps;
}

bool unit_is_none(Unit a) { return unit_equal(a, UNIT_NONE); }

static int8_t saturate(double value) { return (int8_t)fmax(-120, fmin(120, value)); }

Unit unit_multiply(Unit a, Unit b) {
    return (Unit){saturate(a.time + b.time), saturate(a.voltage + b.voltage), saturate(a.current + b.current),
                  saturate(a.steps + b.steps)};
}

Unit unit_power(Unit a, double exponent) {
    return (Unit){saturate(a.time * exponent), saturate(a.voltage * exponent), saturate(a.current * exponent),
                  saturate(a.steps * exponent)};
}

static const UnitWord *find_word(const char *begin, size_t length) {
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i].word) == length && memcmp(words[i].word, begin, length) == 0) return &words[i];
    return NULL;
}

bool unit_parse(const char *text, Unit *unit, double *factor, double *divisor, const char **unknown) {
    *unit = UNIT_NONE;
    *factor = *divisor = 1;
    int sign = 1;
    for (const char *c = text; *c;) {
        if (*c == ' ' || *c == '\t' || *c == '*') {
            c++;
        } else if (*c == '/') {
            sign = -1;
            c++;
        } else {
            const char *begin = c;
            while (isalpha((unsigned char)*c) || *c == '%') c++;
            const UnitWord *word = c > begin ? find_word(begin, (size_t)(c - begin)) : NULL;
            if (!word) {
                if (unknown) *unknown = begin;
                return false;
            }
            long exponent = 1;
            if (*c == '^') {
                char *end;
                exponent = strtol(c + 1, &end, 10);
                if (end == c + 1 || labs(exponent) > 9) {
                    if (unknown) *unknown = begin;
                    return false;
                }
                c = end;
            }
            exponent *= sign;
            sign = 1;
            *unit = unit_multiply(*unit, unit_power(word->unit, (double)exponent));
            for (long k = labs(exponent); k > 0; k--) {
                *factor *= exponent > 0 ? word->factor : word->divisor;
                *divisor *= exponent > 0 ? word->divisor : word->factor;
            }
        }
    }
    return true;
}

static void print_factor(Text *out, const char *word, int halves, bool *first) {
    if (!halves) return;
    if (!*first) text_add(out, " ");
    *first = false;
    text_add(out, word);
    if (halves == 2) return;
    text_addf(out, halves % 2 ? "^(%d/2)" : "^%d", halves % 2 ? halves : halves / 2);
}

void unit_print(Unit unit, Text *out) {
    // Composite units that have a name of their own read better than their factors.
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (words[i].factor == 1 && words[i].divisor == 1 && !unit_is_none(words[i].unit) &&
            unit_equal(words[i].unit, unit)) {
            text_add(out, words[i].word);
            return;
        }
    if (unit_is_none(unit)) {
        text_add(out, "1");
        return;
    }
    bool first = true;
    print_factor(out, "mV", unit.voltage, &first);
    print_factor(out, "pA", unit.current, &first);
    print_factor(out, "ms", unit.time, &first);
    print_factor(out, "steps", unit.steps, &first);
}
