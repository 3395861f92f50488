// What the fuzz targets share.
#ifndef LEQUEL_FUZZ_H
#define LEQUEL_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

// Writes the bytes to a file of this process in memory and returns its name. Imports of it can name no other file.
const char *fuzz_file(const uint8_t *bytes, size_t size, const char *ending);

#endif
