// Physical dimensions and units. Values inside the compiler are in one coherent system in which the usual units of
// electrophysiology multiply without factors: ms, mV, pA, and so nS = pA/mV, pF = pA ms/mV, GOhm = mV/pA, kHz = 1/ms.
#ifndef LEQUEL_UNITS_H
#define LEQUEL_UNITS_H

#include "support/text.h"
#include <stdint.h>

typedef struct Unit {
    int8_t time, voltage, current, steps; // exponents, in halves (noise goes with the root of time)
} Unit;

static const Unit UNIT_NONE = {0};
#define UNIT_TIME ((Unit){.time = 2})
#define UNIT_STEPS ((Unit){.steps = 2}) // a count of simulation steps, written `5 steps`

// Reads a unit as written after a number ("ms", "/mV", "mV*ms^-1"). A value in that unit is value * factor / divisor
// in the coherent system (two factors, so that decimal prefixes convert exactly). False when a word is unknown; then
// `unknown` (may be NULL) is set to the offending word's place in `text`.
bool unit_parse(const char *text, Unit *unit, double *factor, double *divisor, const char **unknown);
extern const char *const unit_words[]; // NULL-terminated, for suggestions

bool unit_equal(Unit a, Unit b);
bool unit_is_none(Unit a);
Unit unit_multiply(Unit a, Unit b);
Unit unit_power(Unit a, double exponent); // exponent a multiple of one half
void unit_print(Unit unit, Text *out);    // "mV/ms"; "1" for none

#endif
