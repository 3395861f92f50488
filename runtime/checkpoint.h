// A file with everything that a run needs to go on: named sections of numbers, each with a checksum, and one over all.
// docs/checkpoints.md describes the bytes.
//
// Whatever has state describes it once, for saving and for restoring: `checkpoint_reals(c, "plateau.best", &best, 1)`
// writes the number into a checkpoint that is being made, and sets it from one that was opened. The first failure is
// kept; after it nothing is read or written any more, so only the end of it needs to be asked.
#ifndef LEQUEL_CHECKPOINT_H
#define LEQUEL_CHECKPOINT_H

#include "../compiler/support/text.h"
#include <stdint.h>

enum { CHECKPOINT_VERSION = 1, CHECKPOINT_NAME_MAX = 255 };

typedef struct Checkpoint Checkpoint;

// A new one, in a temporary file beside `path`. NULL with a sentence in `error`.
Checkpoint *checkpoint_new(const char *path, Text *error);
// One that was made before: nothing of it is used before all checksums were found right. NULL with a sentence in
// `error`, for a file that is damaged, cut short, of another version, or none.
Checkpoint *checkpoint_open(const char *path, Text *error);
// The same for bytes in memory, which must stay as they are; `name` stands for the path in messages.
Checkpoint *checkpoint_parse(const char *name, const void *bytes, size_t size, Text *error);
bool checkpoint_restores(const Checkpoint *checkpoint); // it was opened; false: it is being made
// Ends it and frees it. A new one is synced and put in its place. Of an opened one every section must have been used.
// False with a sentence in `error` when anything failed since it was made or opened.
bool checkpoint_close(Checkpoint *checkpoint, Text *error);
void checkpoint_abandon(Checkpoint *checkpoint); // NULL is allowed

// Sections. `count` numbers, which an opened checkpoint must have as well; little-endian in the file.
void checkpoint_reals(Checkpoint *checkpoint, const char *name, double *values, int64_t count);
void checkpoint_singles(Checkpoint *checkpoint, const char *name, float *values, int64_t count);
void checkpoint_wholes(Checkpoint *checkpoint, const char *name, int64_t *values, int64_t count);
// Wholes that something counts on from: beyond 2^59 either way they fit no run, which then need not fear an overflow.
void checkpoint_counts(Checkpoint *checkpoint, const char *name, int64_t *values, int64_t count);
// Of any length. The text is replaced when a checkpoint was opened.
void checkpoint_text(Checkpoint *checkpoint, const char *name, Text *text);
// How many numbers a section has; -1 when it does not exist or the checkpoint is a new one.
int64_t checkpoint_count(const Checkpoint *checkpoint, const char *name);
// A sentence about what does not fit, for what a checkpoint cannot know by itself.
void checkpoint_fail(Checkpoint *checkpoint, const char *format, ...) __attribute__((format(printf, 2, 3)));
void checkpoint_pass_on(Checkpoint *checkpoint, const Text *sentence); // the same, about another file
bool checkpoint_failed(const Checkpoint *checkpoint);

#endif
