// What emitted C takes on a processor, by the compiler for that processor.
#ifndef LEQUEL_MEASURE_H
#define LEQUEL_MEASURE_H

#include "../compiler/support/text.h"
#include <stdint.h>

// Compiles FOLDER/PREFIX.c with a compiler and its options, as a shell reads them, into a file beside it that does not
// stay, and adds up its code and constants in bytes. The compiler's own words go to standard error. False with a
// sentence in `error`: when it fails, when it makes no ELF object of little-endian numbers, when there is nothing in
// it, or when it has writable memory, which no emitted model has.
bool measure_source(const char *compiler, const char *folder, const char *prefix, int64_t *flash, Text *error);

// The same sums of an object file in memory: allocated sections that are not writable, and those that are.
// Source: Tool Interface Standard, Executable and Linking Format 1.2; System V ABI for the form of 64 bits.
bool measure_object(const unsigned char *bytes, size_t length, int64_t *flash, int64_t *memory, Text *error);

#endif
