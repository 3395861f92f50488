// Makes the n-th file-system call fail that concerns a given folder. Preloaded by tests/trust/failures.sh:
//   FAIL_UNDER   the folder, as an absolute path
//   FAIL_CALL    which call fails, from 1; 0: none
//   FAIL_FROM    1: all later ones fail as well, as on a full disk
//   FAIL_ERRNO   with which number
//   FAIL_LOG     a file that gets a line for each call (may be unset)
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEXT(function) ((__typeof__(&function))dlsym(RTLD_NEXT, #function))

static long calls;
static bool logging;

static void log_call(const char *what, const char *path, bool fails) {
    const char *name = getenv("FAIL_LOG");
    if (!name) return;
    logging = true; // the log's own calls are not counted
    FILE *log = fopen(name, "a");
    if (log) {
        fprintf(log, "%ld %s %s%s\n", calls, what, path, fails ? " FAILS" : "");
        fclose(log);
    }
    logging = false;
}

static bool fails_path(const char *what, const char *path) {
    const char *under = getenv("FAIL_UNDER"), *call = getenv("FAIL_CALL"), *from = getenv("FAIL_FROM");
    char full[2 * PATH_MAX], folder[PATH_MAX];
    int before = errno;
    if (!under || !call || !path || logging) return false;
    if (path[0] == '/' || !getcwd(folder, sizeof folder))
        snprintf(full, sizeof full, "%s", path);
    else
        snprintf(full, sizeof full, "%s/%s", folder, path);
    size_t length = strlen(under);
    if (strncmp(full, under, length) != 0 || (full[length] && full[length] != '/')) {
        errno = before;
        return false;
    }
    calls++;
    bool fails = calls == atol(call) || (from && *from == '1' && atol(call) > 0 && calls > atol(call));
    log_call(what, full, fails);
    errno = fails && getenv("FAIL_ERRNO") ? atoi(getenv("FAIL_ERRNO")) : fails ? EIO : before;
    return fails;
}

static bool fails_file(const char *what, int file) {
    char link[64], path[PATH_MAX];
    int before = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = before;
    if (length <= 0) return false;
    path[length] = 0;
    return fails_path(what, path);
}

int open(const char *path, int flags, ...) {
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    return fails_path("open", path) ? -1 : NEXT(open)(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    return fails_path("open", path) ? -1 : NEXT(open64)(path, flags, mode);
}

FILE *fopen(const char *path, const char *mode) { return fails_path("fopen", path) ? NULL : NEXT(fopen)(path, mode); }
FILE *fopen64(const char *path, const char *mode) {
    return fails_path("fopen", path) ? NULL : NEXT(fopen64)(path, mode);
}
DIR *opendir(const char *path) { return fails_path("opendir", path) ? NULL : NEXT(opendir)(path); }

// A write that fails half done, like on a disk that is full now.
static ssize_t half(int file, const void *bytes, size_t size, off64_t at) {
    int reason = errno;
    ssize_t wrote = size > 1 && calls % 2 ? NEXT(pwrite64)(file, bytes, size / 2, at) : 0;
    errno = reason;
    return wrote > 0 ? wrote : -1;
}

ssize_t write(int file, const void *bytes, size_t size) {
    return fails_file("write", file) ? -1 : NEXT(write)(file, bytes, size);
}
ssize_t pwrite(int file, const void *bytes, size_t size, off_t at) {
    return fails_file("pwrite", file) ? half(file, bytes, size, at) : NEXT(pwrite)(file, bytes, size, at);
}
ssize_t pwrite64(int file, const void *bytes, size_t size, off64_t at) {
    return fails_file("pwrite", file) ? half(file, bytes, size, at) : NEXT(pwrite64)(file, bytes, size, at);
}
int fsync(int file) { return fails_file("fsync", file) ? -1 : NEXT(fsync)(file); }
int ftruncate(int file, off_t size) { return fails_file("ftruncate", file) ? -1 : NEXT(ftruncate)(file, size); }
int ftruncate64(int file, off64_t size) { return fails_file("ftruncate", file) ? -1 : NEXT(ftruncate64)(file, size); }
int rename(const char *from, const char *to) { return fails_path("rename", from) ? -1 : NEXT(rename)(from, to); }
int unlink(const char *path) { return fails_path("unlink", path) ? -1 : NEXT(unlink)(path); }
int mkdir(const char *path, mode_t mode) { return fails_path("mkdir", path) ? -1 : NEXT(mkdir)(path, mode); }

// A close that fails has closed nevertheless, as on Linux.
int close(int file) {
    bool fails = fails_file("close", file);
    int reason = errno, status = NEXT(close)(file);
    if (!fails) return status;
    errno = reason;
    return -1;
}
