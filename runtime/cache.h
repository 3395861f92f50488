// Compiled code on the disk: what was compiled once for a program, a processor and a code generator is not compiled
// again. A cache never fails a run: whatever is wrong with it, the program is compiled instead.
//
// A file is used only if it is a plain file of this user in a folder of this user, neither of which others can write
// to, and its bytes are those that were stored under its key. One that fails a check is removed if it is ours. Checks
// protect from damage, mix-ups and other users; not from programs that run as the same user, which need no cache to do
// as they please (docs/trust.md).
#ifndef LEQUEL_CACHE_H
#define LEQUEL_CACHE_H

#include "../compiler/loops/loops.h"
#include "image.h"

enum { CACHE_KEY = 64 }; // hexadecimal digits

// A file that compiled code depends on. It counts as the same while it was not replaced or written.
typedef struct CacheFile {
    char *path; // owned
    int64_t size, seconds, nanoseconds;
    uint64_t number; // inode
} CacheFile;
bool cache_file_look(const char *path, CacheFile *file); // false when it cannot be looked at
bool cache_file_same(const CacheFile *file);             // as it is now
void cache_file_free(CacheFile *file);

typedef struct CacheEntry {
    Image image;
    char generator[64]; // "LLVM 19.1.7"
    CacheFile library;  // which the code generator uses; it may be renewed without the code generator
} CacheEntry;
void cache_entry_free(CacheEntry *entry);

// Everything that decides the machine code: the program, level, the processor, the code generator, our version. False
// when this kind of machine cannot be told from others, or the code generator cannot be looked at.
bool cache_key(const LoopProgram *program, int level, const char *generator_path, char key[CACHE_KEY + 1]);

// An entry as the bytes of a file, and back. False for bytes that are not exactly what was printed for this key.
void cache_print(const CacheEntry *entry, const char *key, Text *out);
bool cache_parse(const char *bytes, size_t length, const char *key, CacheEntry *entry);

typedef struct Cache {
    int folder;     // descriptor; -1: not open
    int claim;      // descriptor of a file that others wait for; -1: none
    char name[128]; // of that file
} Cache;

// The folder LEQUEL_CACHE, else lequel in XDG_CACHE_HOME or ~/.cache; "" when LEQUEL_CACHE is "never" or there is no
// home. The caller frees it.
char *cache_default_folder(void);
// Opens a folder, which is made if it is missing. False with a sentence in `why`; nothing is to be closed then.
bool cache_open(Cache *cache, const char *folder, Text *why);
void cache_close(Cache *cache);
bool cache_load(const Cache *cache, const char *key, CacheEntry *entry);
// Says that this process will now compile for the key, until the cache is closed. When another one is at it already,
// its end is waited for, some seconds at most; true then: it is worth looking again.
bool cache_claim(Cache *cache, const char *key);
// Replaces what is stored under the key, and removes what was used least recently when there is too much. In vain is
// fine: false then.
bool cache_store(const Cache *cache, const char *key, const CacheEntry *entry);

typedef struct CacheSize {
    int64_t files, bytes;
} CacheSize;
CacheSize cache_measure(const Cache *cache);
CacheSize cache_clear(const Cache *cache); // returns what was removed
int64_t cache_limit(void);                 // bytes: LEQUEL_CACHE_LIMIT in MB, else 100 MB

#endif
