// Files of the cache of compiled code, with the checksum as it is and with one made right, so that what lies behind it
// is reached as well; and object files for the linker. Nothing is executed.
#include "../../runtime/cache.h"
#include "../../runtime/sha256.h"
#include "fuzz.h"
#include <stdlib.h>
#include <string.h>

enum { SUM_AT = 32, KEY_AT = SUM_AT + CACHE_KEY }; // in a file; see CacheHeader

static void mend_sum(char *bytes, size_t size) {
    Sha256 hash;
    char sum[CACHE_KEY + 1];
    if (size < KEY_AT) return;
    memset(bytes + SUM_AT, 0, CACHE_KEY);
    sha256_begin(&hash);
    sha256_add(&hash, bytes, size);
    sha256_end(&hash, sum);
    memcpy(bytes + SUM_AT, sum, CACHE_KEY);
}

// What is accepted must be sound and say the same when it is written again.
static void parse(const char *bytes, size_t size) {
    char key[CACHE_KEY + 1] = "";
    CacheEntry entry;
    if (size >= KEY_AT + CACHE_KEY) memcpy(key, bytes + KEY_AT, CACHE_KEY);
    if (!cache_parse(bytes, size, key, &entry)) return;
    CacheEntry second;
    Text again = {0};
    if (!image_is_sound(&entry.image)) abort();
    cache_print(&entry, key, &again);
    if (!cache_parse(again.bytes, again.length, key, &second)) abort();
    cache_entry_free(&second);
    text_free(&again);
    cache_entry_free(&entry);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    Text why = {0};
    Image image;
    char *copy = malloc(size ? size : 1);
    if (!copy) return 0;
    if (size) memcpy(copy, bytes, size);
    if (image_link(copy, size, 1, &image, &why)) {
        if (!image_is_sound(&image)) abort();
        image_free(&image);
    } else if (!why.length) {
        abort();
    }
    parse(copy, size);
    mend_sum(copy, size);
    parse(copy, size);
    text_free(&why);
    free(copy);
    return 0;
}
