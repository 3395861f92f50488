// Reads and replaces whole files; makes folders.
#define _XOPEN_SOURCE 700
#include "files.h"
#include "../compiler/support/arena.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool file_fails(const char *path, const char *what, int reason, Text *error) {
    text_addf(error, "%s: %s: %s", path, what, strerror(reason));
    return false;
}

bool file_read(const char *path, Text *text, Text *error) {
    bool standard = strcmp(path, "-") == 0;
    FILE *file = standard ? stdin : fopen(path, "rbe");
    if (!file) return file_fails(path, "cannot be read", errno, error);
    char buffer[1 << 14];
    for (size_t got; (got = fread(buffer, 1, sizeof buffer, file)) > 0;) text_add_bytes(text, buffer, got);
    int reason = errno;
    bool fine = !ferror(file);
    if (!standard) fclose(file);
    return fine || file_fails(path, "cannot be read", reason, error);
}

// Writes all bytes and syncs them; the descriptor is closed in any case.
static bool write_all(int file, const char *bytes, size_t length) {
    bool fine = true;
    for (size_t done = 0; fine && done < length;) {
        ssize_t wrote = write(file, bytes + done, length - done);
        if (wrote > 0) done += (size_t)wrote;
        fine = wrote >= 0 || errno == EINTR;
    }
    if (fine) fine = fsync(file) == 0 || errno == EINVAL;
    int reason = errno;
    if (close(file) != 0 && fine) return false;
    errno = reason;
    return fine;
}

// Writes a temporary beside `path` and renames it.
static bool replace_plain(const char *path, mode_t mode, const char *bytes, size_t length, Text *error) {
    Text name = {0};
    int file = -1;
    for (int attempt = 0; attempt < 100 && file < 0; attempt++) {
        text_free(&name);
        text_addf(&name, "%s.%ld-%d.part", path, (long)getpid(), attempt);
        file = open(text_z(&name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (file < 0 && errno != EEXIST) break;
    }
    bool fine = file >= 0;
    if (fine && mode) fine = fchmod(file, mode & 07777) == 0;
    if (fine)
        fine = write_all(file, bytes, length);
    else if (file >= 0)
        close(file);
    if (fine) fine = rename(text_z(&name), path) == 0;
    if (!fine) {
        file_fails(path, "cannot be written", errno, error);
        if (file >= 0) unlink(text_z(&name));
    }
    text_free(&name);
    return fine;
}

bool file_replace(const char *path, const char *bytes, size_t length, Text *error) {
    struct stat status;
    if (stat(path, &status) != 0) return replace_plain(path, 0, bytes, length, error);
    if (!S_ISREG(status.st_mode)) return file_fails(path, "cannot be replaced", EINVAL, error);
    char *real = realpath(path, NULL);
    if (!real) return file_fails(path, "cannot be written", errno, error);
    bool fine = replace_plain(real, status.st_mode, bytes, length, error);
    free(real);
    return fine;
}

bool file_exists(const char *path) { return access(path, F_OK) == 0; }

bool folder_make(const char *path, Text *error) {
    size_t length = strlen(path);
    char *part = memory_resize(NULL, length + 1, 1);
    bool fine = true;
    for (size_t i = 1; i <= length && fine; i++) {
        if (path[i] != '/' && path[i] != 0) continue;
        memcpy(part, path, i);
        part[i] = 0;
        fine = mkdir(part, 0777) == 0 || errno == EEXIST || errno == EISDIR || (errno == EROFS && file_exists(part));
    }
    struct stat status;
    int reason = errno;
    if (fine && (stat(path, &status) != 0 || !S_ISDIR(status.st_mode))) fine = false, reason = ENOTDIR;
    free(part);
    return fine || file_fails(path, "the folder cannot be made", reason, error);
}
