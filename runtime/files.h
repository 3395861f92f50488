// Whole files and folders: read at once, replaced at once, made with their parents; and files that appear at once.
#ifndef LEQUEL_FILES_H
#define LEQUEL_FILES_H

#include "../compiler/support/text.h"
#include <stdint.h>

// Adds the content of a file to `text`; path "-" is standard input. False with a sentence in `error`.
bool file_read(const char *path, Text *text, Text *error);

// Replaces or creates a file: either complete or, on failure, left as it was. An existing file keeps its permissions,
// and a symbolic link keeps pointing to it.
bool file_replace(const char *path, const char *bytes, size_t length, Text *error);

bool file_exists(const char *path);
bool file_remove(const char *path, Text *error); // one that does not exist is fine
bool folder_make(const char *path, Text *error); // with its parents; one that exists is fine
bool folder_sync(const char *path, Text *error); // what was created or renamed in it reaches the disk
// Removes what a killed run left half written: temporaries (X.PID-N.part) and, if wanted, recordings (X.npy.part).
void folder_sweep(const char *path, bool recordings);
// Takes a folder for this process until the descriptor is closed; -1 with a sentence when another process has it.
int folder_lock(const char *path, Text *error);

// ---- Files that appear at once --------------------------------------------------------------------------------------

// Bytes go to a temporary file beside `path`, which takes its place when it is closed: `path` is as it was before, or
// complete. On failure functions return false with a sentence in `error`; the temporary is removed by abandon, or by
// the close that failed, unless `keep` is set.
typedef struct StagedFile {
    int file; // -1: not open
    bool failed, keep;
    char *path, *temporary; // equal when a file that was complete grows further
    char *held;             // bytes that were not handed over yet
    size_t held_length;
    int64_t size; // with what is held
} StagedFile;

bool staged_open(StagedFile *out, const char *path, Text *error);       // path.PID-N.part
bool staged_open_known(StagedFile *out, const char *path, Text *error); // path.part, emptied if it exists
// Goes on writing path.part or, without one, `path` itself, after the first `size` bytes; the rest is cut off by
// staged_cut.
bool staged_continue(StagedFile *out, const char *path, int64_t size, Text *error);
bool staged_cut(StagedFile *out, Text *error);
bool staged_write(StagedFile *out, const void *bytes, size_t size, Text *error);
bool staged_write_at(StagedFile *out, int64_t at, const void *bytes, size_t size, Text *error); // over what is there
bool staged_flush(StagedFile *out, Text *error);                                                // to the system
bool staged_sync(StagedFile *out, Text *error);                                                 // to the disk
bool staged_close(StagedFile *out, Text *error);                                                // also to its place
void staged_abandon(StagedFile *out);

#endif
