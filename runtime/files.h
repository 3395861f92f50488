// Whole files and folders: read at once, replaced at once, made with their parents.
#ifndef LEQUEL_FILES_H
#define LEQUEL_FILES_H

#include "../compiler/support/text.h"

// Adds the content of a file to `text`; path "-" is standard input. False with a sentence in `error`.
bool file_read(const char *path, Text *text, Text *error);

// Replaces or creates a file: either complete or, on failure, left as it was. An existing file keeps its permissions,
// and a symbolic link keeps pointing to it.
bool file_replace(const char *path, const char *bytes, size_t length, Text *error);

bool file_exists(const char *path);
bool folder_make(const char *path, Text *error); // with its parents; one that exists is fine

#endif
