// Reads and replaces whole files, makes folders, and writes files that appear at once: temporary, sync, rename, sync of
// the folder. Nothing here goes through stdio when it writes, so that every failure has one place and one reason.
#define _XOPEN_SOURCE 700
#define _DEFAULT_SOURCE
#include "files.h"
#include "../compiler/diagnostics.h"
#include "../compiler/support/arena.h"
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HELD = 1 << 16 };

static bool file_fails(const char *path, const char *what, int reason, Text *error) {
    text_addf(error, "%s: %s: %s", path, what, strerror(reason));
    return false;
}

// With the permanent code of what cannot be written.
static bool write_fails(const char *path, const char *what, int reason, Text *error) {
    file_fails(path, what, reason, error);
    text_addf(error, " [%s]", diag_entry(DIAG_E0003)->code);
    return false;
}

bool file_read(const char *path, Text *text, Text *error) {
    bool standard = strcmp(path, "-") == 0;
    FILE *file = standard ? stdin : fopen(path, "rbe");
    if (!file) return file_fails(path, "cannot be read", errno, error);
    struct stat status;
    if (!standard && fstat(fileno(file), &status) == 0 && (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode))) {
        fclose(file);
        text_addf(error, "%s: is a device; expected a file", path);
        return false;
    }
    char buffer[1 << 14];
    for (size_t got; (got = fread(buffer, 1, sizeof buffer, file)) > 0;) text_add_bytes(text, buffer, got);
    int reason = errno;
    bool fine = !ferror(file);
    if (!standard) fclose(file);
    return fine || file_fails(path, "cannot be read", reason, error);
}

bool file_exists(const char *path) { return access(path, F_OK) == 0; }

bool file_remove(const char *path, Text *error) {
    return unlink(path) == 0 || errno == ENOENT || write_fails(path, "cannot be removed", errno, error);
}

// ---- Files that appear at once --------------------------------------------------------------------------------------

static char *copy_of(const char *string) {
    size_t length = strlen(string) + 1;
    return memcpy(memory_resize(NULL, length, 1), string, length);
}

// Exclusive creation with the umask's permissions, which mkstemp would not give.
static int create_beside(const char *path, Text *name) {
    int file = -1;
    for (int attempt = 0; attempt < 100 && file < 0; attempt++) {
        text_free(name);
        text_addf(name, "%s.%ld-%d.part", path, (long)getpid(), attempt);
        file = open(text_z(name), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (file < 0 && errno != EEXIST) break;
    }
    return file;
}

static bool may_be_replaced(const char *path, Text *error) {
    struct stat status;
    if (stat(path, &status) != 0 || S_ISREG(status.st_mode)) return true;
    text_addf(error, "%s: exists and is no regular file, so it cannot be replaced", path);
    return false;
}

static bool staged_begin(StagedFile *out, int file, const char *path, Text *temporary, Text *error) {
    if (file < 0) {
        write_fails(path, "cannot be written", errno, error);
        text_free(temporary);
        return false;
    }
    *out = (StagedFile){.file = file, .path = copy_of(path), .temporary = temporary->bytes};
    out->held = memory_resize(NULL, HELD, 1);
    return true;
}

bool staged_open(StagedFile *out, const char *path, Text *error) {
    *out = (StagedFile){.file = -1};
    if (!may_be_replaced(path, error)) return false;
    Text name = {0};
    int file = create_beside(path, &name);
    return staged_begin(out, file, path, &name, error);
}

bool staged_open_known(StagedFile *out, const char *path, Text *error) {
    *out = (StagedFile){.file = -1};
    if (!may_be_replaced(path, error)) return false;
    Text name = {0};
    text_addf(&name, "%s.part", path);
    int file = open(text_z(&name), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    return staged_begin(out, file, path, &name, error);
}

bool staged_continue(StagedFile *out, const char *path, int64_t size, Text *error) {
    *out = (StagedFile){.file = -1};
    Text name = {0};
    text_addf(&name, "%s.part", path);
    int file = open(text_z(&name), O_RDWR | O_CLOEXEC);
    if (file < 0 && errno == ENOENT) {
        name.length = 0;
        text_add(&name, path);
        file = open(path, O_RDWR | O_CLOEXEC);
    }
    if (!staged_begin(out, file, path, &name, error)) return false;
    out->keep = true; // what the checkpoint speaks of is never removed
    out->size = size;
    struct stat status;
    if (fstat(out->file, &status) != 0) {
        file_fails(out->temporary, "cannot be read", errno, error);
    } else if (status.st_size < size) {
        text_addf(error, "%s: has %lld bytes, but the checkpoint was made when it had %lld", out->temporary,
                  (long long)status.st_size, (long long)size);
    } else {
        return true;
    }
    staged_abandon(out);
    return false;
}

static bool staged_fails(StagedFile *out, const char *what, int reason, Text *error) {
    out->failed = true;
    return write_fails(out->path, what, reason, error);
}

bool staged_cut(StagedFile *out, Text *error) {
    if (ftruncate(out->file, (off_t)out->size) == 0) return true;
    return staged_fails(out, "cannot be cut to its length at the checkpoint", errno, error);
}

static bool put(StagedFile *out, int64_t at, const char *bytes, size_t size, Text *error) {
    if (out->failed) return staged_fails(out, "cannot be written", EIO, error);
    while (size) {
        ssize_t wrote = pwrite(out->file, bytes, size, (off_t)at);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0) return staged_fails(out, "cannot be written", wrote < 0 ? errno : ENOSPC, error);
        at += wrote;
        bytes += wrote;
        size -= (size_t)wrote;
    }
    return true;
}

bool staged_flush(StagedFile *out, Text *error) {
    if (!put(out, out->size - (int64_t)out->held_length, out->held, out->held_length, error)) return false;
    out->held_length = 0;
    return true;
}

bool staged_write(StagedFile *out, const void *bytes, size_t size, Text *error) {
    if (out->failed) return staged_fails(out, "cannot be written", EIO, error);
    if (out->held_length + size > HELD && !staged_flush(out, error)) return false;
    out->size += (int64_t)size;
    if (size > HELD) return put(out, out->size - (int64_t)size, bytes, size, error);
    if (size) memcpy(out->held + out->held_length, bytes, size);
    out->held_length += size;
    return true;
}

bool staged_write_at(StagedFile *out, int64_t at, const void *bytes, size_t size, Text *error) {
    return staged_flush(out, error) && put(out, at, bytes, size, error);
}

// EINVAL: a file system that cannot sync.
bool staged_sync(StagedFile *out, Text *error) {
    if (!staged_flush(out, error)) return false;
    return fsync(out->file) == 0 || errno == EINVAL || staged_fails(out, "cannot be synced", errno, error);
}

static void staged_forget(StagedFile *out) {
    if (out->file >= 0) close(out->file);
    free(out->path);
    free(out->temporary);
    free(out->held);
    *out = (StagedFile){.file = -1};
}

void staged_abandon(StagedFile *out) {
    if (out->temporary && !out->keep) unlink(out->temporary);
    staged_forget(out);
}

static bool folder_of_file_sync(const char *path, Text *error) {
    const char *slash = strrchr(path, '/');
    Text folder = {0};
    text_add_bytes(&folder, slash ? path : ".", slash && slash > path ? (size_t)(slash - path) : 1);
    bool fine = folder_sync(text_z(&folder), error);
    text_free(&folder);
    return fine;
}

bool staged_close(StagedFile *out, Text *error) {
    bool fine = staged_sync(out, error);
    int closed = close(out->file), reason = errno;
    out->file = -1;
    if (fine && closed != 0) fine = staged_fails(out, "cannot be closed", reason, error);
    bool moves = strcmp(out->temporary, out->path) != 0;
    if (fine && moves && rename(out->temporary, out->path) != 0)
        fine = staged_fails(out, "cannot be replaced", errno, error);
    bool placed = fine;
    if (fine && moves) fine = folder_of_file_sync(out->path, error);
    if (!placed && !out->keep) unlink(out->temporary);
    staged_forget(out);
    return fine;
}

// ---- Replacing ------------------------------------------------------------------------------------------------------

static bool replace_plain(const char *path, mode_t mode, const char *bytes, size_t length, Text *error) {
    StagedFile out;
    if (!staged_open(&out, path, error)) return false;
    bool fine = !mode || fchmod(out.file, mode & 07777) == 0 || write_fails(path, "cannot be written", errno, error);
    if (fine && staged_write(&out, bytes, length, error)) return staged_close(&out, error);
    staged_abandon(&out);
    return false;
}

bool file_replace(const char *path, const char *bytes, size_t length, Text *error) {
    struct stat status;
    if (stat(path, &status) != 0) return replace_plain(path, 0, bytes, length, error);
    if (!S_ISREG(status.st_mode)) return write_fails(path, "cannot be replaced", EINVAL, error);
    char *real = realpath(path, NULL);
    if (!real) return write_fails(path, "cannot be written", errno, error);
    bool fine = replace_plain(real, status.st_mode, bytes, length, error);
    free(real);
    return fine;
}

// ---- Folders --------------------------------------------------------------------------------------------------------

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
    return fine || write_fails(path, "the folder cannot be made", reason, error);
}

// A folder that may be written but not read cannot be opened, and some file systems cannot sync one: nothing to be
// done.
bool folder_sync(const char *path, Text *error) {
    int file = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file < 0) return errno == EACCES || write_fails(path, "the folder cannot be synced", errno, error);
    bool fine = fsync(file) == 0 || errno == EINVAL || errno == EBADF || errno == EROFS;
    int reason = errno;
    close(file);
    return fine || write_fails(path, "the folder cannot be synced", reason, error);
}

// X.PID-N.part of a file that was being replaced, X.npy.part of a recording.
static bool is_left_over(const char *name, bool recordings) {
    size_t length = strlen(name);
    if (length < 10 || strcmp(name + length - 5, ".part") != 0) return false;
    if (strcmp(name + length - 9, ".npy.part") == 0) return recordings;
    const char *c = name + length - 6;
    const char *end = c;
    while (c > name && isdigit((unsigned char)*c)) c--;
    if (c == end || *c != '-') return false;
    end = --c;
    while (c > name && isdigit((unsigned char)*c)) c--;
    return c != end && *c == '.' && c > name;
}

void folder_sweep(const char *path, bool recordings) {
    DIR *folder = opendir(path);
    if (!folder) return;
    for (const struct dirent *entry; (entry = readdir(folder));)
        if (is_left_over(entry->d_name, recordings)) unlinkat(dirfd(folder), entry->d_name, 0);
    closedir(folder);
}

int folder_lock(const char *path, Text *error) {
    int file = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file < 0) {
        write_fails(path, "the folder cannot be opened", errno, error);
        return -1;
    }
    if (flock(file, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return file; // some file systems have no locks
    text_addf(error, "%s: another run is writing to this folder", path);
    close(file);
    return -1;
}
