// All readers of data files, chosen by the first byte and by the bytes themselves.
#include "../../runtime/data/table.h"
#include "fuzz.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static const char *const names[] = {"a.npy", "a.npz",     "a.csv", "a.csv.gz", "train-images-idx3-ubyte",
                                        "a",     "a.npy.part"};
    if (!size) return 0;
    TableOptions options = {.allow_nonfinite = bytes[0] & 64, .allow_ragged = bytes[0] & 128};
    const char *name = names[bytes[0] % (sizeof names / sizeof *names)], *member = bytes[0] & 32 ? "a" : NULL;
    Table table;
    Text error = {0};
    bool good = table_parse(name, member, bytes + 1, size - 1, options, &table, &error);
    if (good ? !table.data || error.length : !error.length || table.data) abort();
    double sum = 0;
    for (int64_t i = 0, count = table_count(&table); i < count; i++) sum += table.data[i];
    if (sum == 0.123456789) abort(); // all numbers were read
    table_free(&table);
    text_free(&error);
    return 0;
}
