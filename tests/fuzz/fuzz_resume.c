// A run that is resumed from a checkpoint in which bytes were changed and all checksums made right again: whatever
// stands in it, the run is refused or goes on within its memory. The input is a list of changes, three bytes each:
// place, value.
#define _XOPEN_SOURCE 700
#include "../../runtime/lequel.h"
#include "checkpoint_sums.h"
#include "fuzz.h"
#include <dirent.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char model_text[] = "network Small(rate = 1e-2) {\n"
                                 "  dt = 0.5\n"
                                 "  input x[2]\n"
                                 "  label y[2]\n"
                                 "  population out = Leaky[2](tau_m = 1, tau_r = 1)\n"
                                 "  connect w: x -> out by Dense()\n"
                                 "  cost cross_entropy(out.r, y)\n"
                                 "  dynamics gle(gamma = 0)\n"
                                 "  learn all by adam(rate)\n"
                                 "}\n"
                                 "experiment classes {\n"
                                 "  data train = samples(\"x.csv\", \"y.csv\")\n"
                                 "  data test = samples(\"x.csv\", \"y.csv\")\n"
                                 "  present x = sample, y = class for 4 steps\n"
                                 "  batch 3, shuffle\n"
                                 "  epochs 3\n"
                                 "  score right = argmax(sum(out.r over presentation)) == y\n"
                                 "  evaluate test every 2 epochs, batch 4\n"
                                 "  anneal rate by plateau(test.loss, patience = 0, factor = 0.5)\n"
                                 "  record loss, right\n"
                                 "  record out.u, cost every 2 steps\n"
                                 "}\n";

enum { MOST_FILES = 32 };

typedef struct File {
    char name[96];
    unsigned char *bytes;
    size_t size;
} File;

static char folder[64], saved[80], out[80];
static File files[MOST_FILES]; // what the killed run has left
static size_t file_count;
static const File *checkpoint; // the one that is changed
static LequelModel *model;
static LequelProgram *program; // compiled once: the search is for what resuming does

static void write_file(const char *where, const char *name, const void *bytes, size_t size) {
    char path[224];
    snprintf(path, sizeof path, "%s/%s", where, name);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(bytes, 1, size, file) != size || fclose(file) != 0) abort();
}

static void run(const char *to, int64_t checkpoint_steps) {
    char *error = NULL;
    LequelRunOptions run_options = LEQUEL_RUN_INIT;
    run_options.out = to;
    run_options.resume = true;
    run_options.checkpoint_steps = checkpoint_steps;
    run_options.checkpoint_seconds = checkpoint_steps ? 1 : -1;
    if (!lequel_run(program, &run_options, NULL, &error) && !(error && *error)) abort();
    lequel_text_free(error);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place) {
    (void)status, (void)kind, (void)place;
    return remove(path);
}

static void remove_all(const char *path) { nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS); }

static void read_files(void) {
    DIR *entries = opendir(saved);
    if (!entries) abort();
    for (const struct dirent *entry; (entry = readdir(entries)) && file_count < MOST_FILES;) {
        char path[512];
        struct stat status;
        File *file = &files[file_count];
        snprintf(path, sizeof path, "%s/%s", saved, entry->d_name);
        if (stat(path, &status) != 0 || !S_ISREG(status.st_mode) || strlen(entry->d_name) >= sizeof file->name)
            continue;
        strcpy(file->name, entry->d_name);
        file->size = (size_t)status.st_size;
        file->bytes = malloc(file->size + 1);
        FILE *in = fopen(path, "rb");
        if (!in || !file->bytes || fread(file->bytes, 1, file->size, in) != file->size) abort();
        fclose(in);
        if (strcmp(file->name, "checkpoint") == 0) checkpoint = file;
        file_count++;
    }
    closedir(entries);
    if (!checkpoint) abort();
}

static void compile(void) {
    static const char x[] = "1,0\n0,1\n1,0.1\n0.1,1\n0.9,0\n0,0.9\n1,0.2\n", y[] = "0\n1\n0\n1\n0\n1\n0\n";
    char path[96], *error = NULL;
    write_file(folder, "small.leq", model_text, sizeof model_text - 1);
    write_file(folder, "x.csv", x, sizeof x - 1);
    write_file(folder, "y.csv", y, sizeof y - 1);
    snprintf(path, sizeof path, "%s/small.leq", folder);
    model = lequel_model_open(path, NULL);
    LequelProgramOptions options = {.backend = "loops"};
    program = lequel_program_new(model, &options, &error);
    if (!program) abort();
}

// A run that is killed once it has made its first checkpoint.
static void prepare(void) {
    snprintf(folder, sizeof folder, "%s/lequel-fuzz-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(folder)) abort();
    snprintf(saved, sizeof saved, "%s/saved", folder);
    snprintf(out, sizeof out, "%s/out", folder);
    compile();
    char path[160];
    snprintf(path, sizeof path, "%s/checkpoint", saved);
    for (int attempt = 0; attempt < 1000 && access(path, F_OK) != 0; attempt++) {
        pid_t child = fork();
        if (child == 0) {
            run(saved, 5);
            _exit(0);
        }
        for (int wait = 0; wait < 10000 && access(path, F_OK) != 0 && waitpid(child, NULL, WNOHANG) == 0; wait++)
            usleep(50);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    read_files();
}

static void clean_up(void) {
    remove_all(folder);
    lequel_program_free(program);
    lequel_model_free(model);
    for (size_t i = 0; i < file_count; i++) free(files[i].bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    if (!*folder) {
        prepare();
        atexit(clean_up);
    }
    unsigned char *changed = malloc(checkpoint->size);
    if (!changed) return 0;
    memcpy(changed, checkpoint->bytes, checkpoint->size);
    for (size_t i = 0; i + 3 <= size; i += 3)
        changed[((size_t)bytes[i] << 8 | bytes[i + 1]) % checkpoint->size] = bytes[i + 2];
    mend_sums(changed, checkpoint->size);
    remove_all(out);
    if (mkdir(out, 0777) != 0) abort();
    for (size_t i = 0; i < file_count; i++)
        write_file(out, files[i].name, &files[i] == checkpoint ? changed : files[i].bytes, files[i].size);
    free(changed);
    run(out, 0);
    return 0;
}
