// A file per process for targets that open files by name.
#define _GNU_SOURCE
#include "fuzz.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64], file[96];

static void remove_folder(void) {
    unlink(file);
    rmdir(folder);
}

const char *fuzz_file(const uint8_t *bytes, size_t size, const char *ending) {
    if (!*folder) {
        snprintf(folder, sizeof folder, "%s/lequel-fuzz-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        if (!mkdtemp(folder)) abort();
        snprintf(file, sizeof file, "%s/input%s", folder, ending);
        atexit(remove_folder);
    }
    int out = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (out < 0) abort();
    for (size_t done = 0; done < size;) {
        ssize_t wrote = write(out, bytes + done, size - done);
        if (wrote <= 0) abort();
        done += (size_t)wrote;
    }
    close(out);
    return file;
}
