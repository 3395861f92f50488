// The folder of compiled code, and what its files look like.
#define _GNU_SOURCE
#include "cache.h"
#include "../compiler/support/vec.h"
#include "files.h"
#include "lequel_version.h"
#include "sha256.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char ending[] = ".code";
enum { ENDING = sizeof ending - 1, DEFAULT_LIMIT_MB = 100, STALE_SECONDS = 3600 };

// ---- Files that code depends on -------------------------------------------------------------------------------------

static bool look(const char *path, CacheFile *file) {
    struct stat about;
    if (stat(path, &about) != 0 || !S_ISREG(about.st_mode)) return false;
    file->size = about.st_size;
    file->seconds = about.st_mtim.tv_sec;
    file->nanoseconds = about.st_mtim.tv_nsec;
    file->number = about.st_ino;
    return true;
}

bool cache_file_look(const char *path, CacheFile *file) {
    *file = (CacheFile){0};
    if (!look(path, file)) return false;
    size_t size = strlen(path) + 1;
    file->path = memcpy(memory_resize(NULL, size, 1), path, size);
    return true;
}

bool cache_file_same(const CacheFile *file) {
    CacheFile now = {0};
    return look(file->path, &now) && now.size == file->size && now.seconds == file->seconds &&
           now.nanoseconds == file->nanoseconds && now.number == file->number;
}

void cache_file_free(CacheFile *file) {
    free(file->path);
    *file = (CacheFile){0};
}

void cache_entry_free(CacheEntry *entry) {
    image_free(&entry->image);
    cache_file_free(&entry->library);
}

// ---- Bytes ----------------------------------------------------------------------------------------------------------

// What a file begins with; the path of the library and the image follow. Numbers are as this machine has them: code is
// for this machine only. The checksum is over the whole file with zeros in its own place.
typedef struct CacheHeader {
    char magic[8], version[24], checksum[CACHE_KEY], key[CACHE_KEY], generator[64];
    int64_t library_size, library_seconds, library_nanoseconds;
    uint64_t library_number, length; // of the whole file
    uint32_t path_length, image_length, code_length, entry_count, entry[IMAGE_MOST_ENTRIES];
} CacheHeader;
_Static_assert(sizeof(CacheHeader) == 8 + 24 + 3 * 64 + 5 * 8 + 12 * 4, "no gaps, whose bytes would be undetermined");

static const char magic[8] = "leqcode1";

static void checksum_of(const CacheHeader *header, const char *rest, size_t length, char sum[CACHE_KEY + 1]) {
    CacheHeader copy = *header;
    Sha256 hash;
    memset(copy.checksum, 0, sizeof copy.checksum);
    sha256_begin(&hash);
    sha256_add(&hash, &copy, sizeof copy);
    sha256_add(&hash, rest, length);
    sha256_end(&hash, sum);
}

void cache_print(const CacheEntry *entry, const char *key, Text *out) {
    CacheHeader header = {.library_size = entry->library.size,
                          .library_seconds = entry->library.seconds,
                          .library_nanoseconds = entry->library.nanoseconds,
                          .library_number = entry->library.number,
                          .path_length = (uint32_t)strlen(entry->library.path),
                          .image_length = entry->image.length,
                          .code_length = entry->image.code_length,
                          .entry_count = entry->image.entry_count};
    char sum[CACHE_KEY + 1];
    Text rest = {0};
    text_add(&rest, entry->library.path);
    text_add_bytes(&rest, (const char *)entry->image.bytes, entry->image.length);
    memcpy(header.magic, magic, sizeof magic);
    snprintf(header.version, sizeof header.version, "%s", LEQUEL_VERSION);
    snprintf(header.generator, sizeof header.generator, "%s", entry->generator);
    memcpy(header.key, key, CACHE_KEY);
    memcpy(header.entry, entry->image.entry, sizeof header.entry);
    header.length = sizeof header + rest.length;
    checksum_of(&header, rest.bytes, rest.length, sum);
    memcpy(header.checksum, sum, CACHE_KEY);
    text_add_bytes(out, (const char *)&header, sizeof header);
    text_add_bytes(out, rest.bytes, rest.length);
    text_free(&rest);
}

static bool read_header(const char *bytes, size_t length, const char *key, CacheHeader *header) {
    char version[sizeof header->version] = LEQUEL_VERSION, sum[CACHE_KEY + 1];
    if (length < sizeof *header) return false;
    memcpy(header, bytes, sizeof *header);
    if (memcmp(header->magic, magic, sizeof magic) != 0 || memcmp(header->version, version, sizeof version) != 0 ||
        memcmp(header->key, key, CACHE_KEY) != 0 || header->length != length)
        return false;
    size_t rest = length - sizeof *header;
    if (header->path_length > rest || header->image_length != rest - header->path_length) return false;
    checksum_of(header, bytes + sizeof *header, rest, sum);
    return memcmp(header->checksum, sum, CACHE_KEY) == 0 && !header->generator[sizeof header->generator - 1];
}

bool cache_parse(const char *bytes, size_t length, const char *key, CacheEntry *entry) {
    CacheHeader header;
    *entry = (CacheEntry){0};
    if (!read_header(bytes, length, key, &header)) return false;
    const char *path = bytes + sizeof header;
    Image image = {.length = header.image_length, .code_length = header.code_length, .entry_count = header.entry_count};
    memcpy(image.entry, header.entry, sizeof image.entry);
    if (!image_is_sound(&image)) return false;
    image.bytes = memory_resize(NULL, image.length, 1);
    memcpy(image.bytes, path + header.path_length, image.length);
    entry->image = image;
    memcpy(entry->generator, header.generator, sizeof entry->generator);
    entry->library = (CacheFile){.size = header.library_size,
                                 .seconds = header.library_seconds,
                                 .nanoseconds = header.library_nanoseconds,
                                 .number = header.library_number};
    entry->library.path = memory_resize(NULL, (size_t)header.path_length + 1, 1);
    memcpy(entry->library.path, path, header.path_length);
    entry->library.path[header.path_length] = 0;
    return true;
}

// ---- The folder -----------------------------------------------------------------------------------------------------

char *cache_default_folder(void) {
    const char *named = getenv("LEQUEL_CACHE"), *caches = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    Text path = {0};
    if (named && *named)
        text_add(&path, strcmp(named, "never") == 0 ? "" : named);
    else if (caches && caches[0] == '/')
        text_addf(&path, "%s/lequel", caches);
    else if (home && home[0] == '/')
        text_addf(&path, "%s/.cache/lequel", home);
    if (!path.length) text_add_bytes(&path, "", 0);
    return path.bytes ? path.bytes : strdup("");
}

// Ours, and no one else can write to it.
static bool is_private(const struct stat *about) {
    return about->st_uid == geteuid() && !(about->st_mode & (S_IWGRP | S_IWOTH));
}

static bool make_private_folder(const char *folder, Text *why) {
    struct stat about;
    if (stat(folder, &about) == 0) return true;
    Text parent = {0};
    const char *slash = strrchr(folder, '/');
    bool good = true;
    if (slash && slash > folder) {
        text_add_bytes(&parent, folder, (size_t)(slash - folder));
        good = folder_make(text_z(&parent), why);
    }
    text_free(&parent);
    if (good && mkdir(folder, 0700) != 0 && errno != EEXIST) {
        text_addf(why, "%s: cannot be made: %s", folder, strerror(errno));
        good = false;
    }
    return good;
}

bool cache_open(Cache *cache, const char *folder, Text *why) {
    struct stat about;
    *cache = (Cache){.folder = -1, .claim = -1};
    if (!*folder) return text_add(why, "there is no folder for compiled code"), false;
    if (!make_private_folder(folder, why)) return false;
    int file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file < 0 || fstat(file, &about) != 0) {
        text_addf(why, "%s: cannot be opened: %s", folder, strerror(errno));
        if (file >= 0) close(file);
        return false;
    }
    if (!is_private(&about)) {
        text_addf(why, "%s: belongs to someone else, or others can write to it", folder);
        close(file);
        return false;
    }
    cache->folder = file;
    return true;
}

void cache_close(Cache *cache) {
    if (cache->claim >= 0) {
        unlinkat(cache->folder, cache->name, 0); // before the lock ends with the descriptor
        close(cache->claim);
    }
    if (cache->folder >= 0) close(cache->folder);
    *cache = (Cache){.folder = -1, .claim = -1};
}

static void file_name(const char *key, char name[CACHE_KEY + ENDING + 1]) {
    memcpy(name, key, CACHE_KEY);
    memcpy(name + CACHE_KEY, ending, sizeof ending);
}

// Waits by looking again and again, so that one that hangs holds up nobody for long. Someone who opened the file just
// before it was removed may get a lock that protects nothing: then two compile the same, which does no harm.
bool cache_claim(Cache *cache, const char *key) {
    enum { TRIES = 1000, PAUSE = 5000000 }; // of 5 ms
    snprintf(cache->name, sizeof cache->name, ".%.*s.claim.part", CACHE_KEY, key);
    int file = openat(cache->folder, cache->name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
    bool waited = false, mine = false;
    for (int i = 0; file >= 0 && i < TRIES && !mine; i++) {
        mine = flock(file, LOCK_EX | LOCK_NB) == 0;
        if (mine || errno != EWOULDBLOCK) break;
        nanosleep(&(struct timespec){.tv_nsec = PAUSE}, NULL);
        waited = true;
    }
    if (mine)
        cache->claim = file;
    else if (file >= 0)
        close(file);
    return waited;
}

// ---- Loading --------------------------------------------------------------------------------------------------------

static bool read_all(int file, size_t size, char *bytes) {
    while (size) {
        ssize_t got = read(file, bytes, size);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        bytes += got;
        size -= (size_t)got;
    }
    return true;
}

typedef enum Found { FOUND, MISSING, WRONG } Found;

// The bytes of a file that only we can have written. O_NONBLOCK: a pipe of that name must not stop us.
static Found read_file(const Cache *cache, const char *name, char **bytes, size_t *length) {
    struct stat about;
    int file = openat(cache->folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (file < 0) return errno == ENOENT ? MISSING : WRONG;
    bool good = fstat(file, &about) == 0 && S_ISREG(about.st_mode) && is_private(&about) && about.st_nlink == 1 &&
                about.st_size > 0 && about.st_size <= IMAGE_MOST_BYTES;
    *bytes = good ? memory_resize(NULL, (size_t)about.st_size, 1) : NULL;
    *length = good ? (size_t)about.st_size : 0;
    if (good) good = read_all(file, *length, *bytes);
    if (good) futimens(file, (struct timespec[]){{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_NOW}}); // it was of use
    close(file);
    return good ? FOUND : WRONG;
}

// Directories and files of others are left alone; links are not followed.
static bool remove_ours(const Cache *cache, const char *name) {
    struct stat about;
    if (fstatat(cache->folder, name, &about, AT_SYMLINK_NOFOLLOW) != 0 || about.st_uid != geteuid()) return false;
    return !S_ISDIR(about.st_mode) && unlinkat(cache->folder, name, 0) == 0;
}

bool cache_load(const Cache *cache, const char *key, CacheEntry *entry) {
    char name[CACHE_KEY + ENDING + 1], *bytes = NULL;
    size_t length = 0;
    file_name(key, name);
    *entry = (CacheEntry){0};
    Found found = read_file(cache, name, &bytes, &length);
    bool good = found == FOUND && cache_parse(bytes, length, key, entry);
    free(bytes);
    if (good && cache_file_same(&entry->library)) return true;
    if (found != MISSING) remove_ours(cache, name);
    cache_entry_free(entry);
    return false;
}

// ---- Room -----------------------------------------------------------------------------------------------------------

typedef struct Stored {
    char name[CACHE_KEY + ENDING + 1];
    struct timespec used;
    int64_t bytes;
} Stored;
typedef Vec(Stored) StoredList;

static bool is_entry(const char *name) {
    return strlen(name) == CACHE_KEY + ENDING && strspn(name, "0123456789abcdef") == CACHE_KEY &&
           strcmp(name + CACHE_KEY, ending) == 0;
}

// What a process that was killed while it stored something has left.
static bool is_part(const char *name) {
    size_t length = strlen(name);
    return name[0] == '.' && length > CACHE_KEY + 5 && strcmp(name + length - 5, ".part") == 0;
}

// Our files in the folder. Parts that nobody can be writing any more are removed on the way; with `all`, every part.
static void list_files(const Cache *cache, StoredList *list, bool all) {
    int copy = openat(cache->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = copy >= 0 ? fdopendir(copy) : NULL;
    if (!folder) {
        if (copy >= 0) close(copy);
        return;
    }
    for (struct dirent *entry; (entry = readdir(folder));) {
        struct stat about;
        if (!is_entry(entry->d_name) && !is_part(entry->d_name)) continue;
        if (fstatat(cache->folder, entry->d_name, &about, AT_SYMLINK_NOFOLLOW) != 0 || about.st_uid != geteuid() ||
            S_ISDIR(about.st_mode))
            continue;
        if (is_part(entry->d_name)) {
            if (all || time(NULL) - about.st_mtime > STALE_SECONDS) unlinkat(cache->folder, entry->d_name, 0);
            continue;
        }
        Stored stored = {.used = about.st_mtim, .bytes = about.st_size};
        memcpy(stored.name, entry->d_name, sizeof stored.name);
        vec_push(list, stored);
    }
    closedir(folder);
}

static int by_use(const void *left, const void *right) {
    const Stored *a = left, *b = right;
    if (a->used.tv_sec != b->used.tv_sec) return a->used.tv_sec < b->used.tv_sec ? -1 : 1;
    if (a->used.tv_nsec != b->used.tv_nsec) return a->used.tv_nsec < b->used.tv_nsec ? -1 : 1;
    return strcmp(a->name, b->name);
}

int64_t cache_limit(void) {
    const char *text = getenv("LEQUEL_CACHE_LIMIT");
    char *end;
    double megabytes = text ? strtod(text, &end) : 0;
    bool given = text && end > text && !*end && megabytes >= 0 && megabytes < 1e9;
    return (int64_t)(1e6 * (given ? megabytes : DEFAULT_LIMIT_MB));
}

// Removes what was used least recently until a tenth of the limit is free, so that this is not done at every store.
static void make_room(const Cache *cache) {
    StoredList list = {0};
    int64_t bytes = 0, limit = cache_limit();
    list_files(cache, &list, false);
    for (uint32_t i = 0; i < list.count; i++) bytes += list.items[i].bytes;
    if (list.count && bytes > limit) {
        qsort(list.items, list.count, sizeof *list.items, by_use);
        for (uint32_t i = 0; i < list.count && bytes > limit - limit / 10; i++)
            if (remove_ours(cache, list.items[i].name)) bytes -= list.items[i].bytes;
    }
    vec_free(&list);
}

CacheSize cache_measure(const Cache *cache) {
    StoredList list = {0};
    list_files(cache, &list, false);
    CacheSize size = {.files = list.count};
    for (uint32_t i = 0; i < list.count; i++) size.bytes += list.items[i].bytes;
    vec_free(&list);
    return size;
}

CacheSize cache_clear(const Cache *cache) {
    StoredList list = {0};
    CacheSize removed = {0};
    list_files(cache, &list, true);
    for (uint32_t i = 0; i < list.count; i++) {
        if (!remove_ours(cache, list.items[i].name)) continue;
        removed.files++;
        removed.bytes += list.items[i].bytes;
    }
    vec_free(&list);
    return removed;
}

// ---- Storing --------------------------------------------------------------------------------------------------------

static bool write_all(int file, const char *bytes, size_t size) {
    while (size) {
        ssize_t put = write(file, bytes, size);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return false;
        bytes += put;
        size -= (size_t)put;
    }
    return true;
}

// A file that may not grow so far would end a process that does not ignore SIGXFSZ.
static bool may_write(size_t size) {
    struct rlimit limit;
    return getrlimit(RLIMIT_FSIZE, &limit) == 0 && (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= size);
}

// Under a name of its own first, so that whoever looks sees a whole file or none. Nothing is synchronised: a file that
// did not survive a crash fails its checksum.
static bool write_file(const Cache *cache, const char *name, const Text *bytes) {
    static atomic_uint counter;
    char part[CACHE_KEY + 64];
    if (!may_write(bytes->length)) return false;
    snprintf(part, sizeof part, ".%.*s.%ld-%u.part", CACHE_KEY, name, (long)getpid(), atomic_fetch_add(&counter, 1));
    int file = openat(cache->folder, part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file < 0) return false;
    bool good = write_all(file, bytes->bytes, bytes->length);
    good = close(file) == 0 && good;
    good = good && renameat(cache->folder, part, cache->folder, name) == 0;
    if (!good) unlinkat(cache->folder, part, 0);
    return good;
}

bool cache_store(const Cache *cache, const char *key, const CacheEntry *entry) {
    char name[CACHE_KEY + ENDING + 1];
    Text bytes = {0};
    file_name(key, name);
    cache_print(entry, key, &bytes);
    bool good = (int64_t)bytes.length <= cache_limit() && write_file(cache, name, &bytes);
    text_free(&bytes);
    if (good) make_room(cache);
    return good;
}
