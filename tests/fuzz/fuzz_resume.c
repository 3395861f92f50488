// A run that is resumed from a checkpoint in which bytes were changed and all checksums made right again: whatever
// stands in it, the run is refused or goes on within its memory. The input is a list of changes, three bytes each:
// place, value.
#include "../../runtime/lequel.h"
#include "checkpoint_sums.h"
#include "fuzz.h"
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

static char folder[64], saved[80], out[80];
static unsigned char *whole; // the checkpoint that is changed
static size_t whole_size;

static void write_file(const char *name, const void *bytes, size_t size) {
    char path[160];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(bytes, 1, size, file) != size || fclose(file) != 0) abort();
}

static void run(const char *to, int64_t checkpoint_steps) {
    char path[160], *error = NULL;
    snprintf(path, sizeof path, "%s/small.leq", folder);
    LequelModel *model = lequel_model_open(path, NULL);
    LequelProgramOptions options = {.backend = "loops"};
    LequelProgram *program = lequel_program_new(model, &options, &error);
    LequelRunOptions run_options = LEQUEL_RUN_INIT;
    run_options.out = to;
    run_options.resume = true;
    run_options.checkpoint_steps = checkpoint_steps;
    run_options.checkpoint_seconds = checkpoint_steps ? 1 : -1;
    if (!program) abort();
    if (!lequel_run(program, &run_options, NULL, &error) && !(error && *error)) abort();
    lequel_text_free(error);
    lequel_program_free(program);
    lequel_model_free(model);
}

static void copy_results(const char *from, const char *to) {
    char command[256];
    snprintf(command, sizeof command, "rm -rf '%s'; cp -r '%s' '%s'", to, from, to);
    if (system(command) != 0) abort();
}

// A run that is killed once it has made its first checkpoint.
static void prepare(void) {
    static const char x[] = "1,0\n0,1\n1,0.1\n0.1,1\n0.9,0\n0,0.9\n1,0.2\n", y[] = "0\n1\n0\n1\n0\n1\n0\n";
    snprintf(folder, sizeof folder, "%s/lequel-fuzz-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(folder)) abort();
    snprintf(saved, sizeof saved, "%s/saved", folder);
    snprintf(out, sizeof out, "%s/out", folder);
    write_file("small.leq", model_text, sizeof model_text - 1);
    write_file("x.csv", x, sizeof x - 1);
    write_file("y.csv", y, sizeof y - 1);
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
    FILE *file = fopen(path, "rb");
    struct stat status;
    if (!file || fstat(fileno(file), &status) != 0) abort();
    whole_size = (size_t)status.st_size;
    whole = malloc(whole_size);
    if (!whole || fread(whole, 1, whole_size, file) != whole_size) abort();
    fclose(file);
}

static void clean_up(void) {
    char command[96];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (system(command) != 0) return;
    free(whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    if (!*folder) {
        prepare();
        atexit(clean_up);
    }
    unsigned char *changed = malloc(whole_size);
    if (!changed) return 0;
    memcpy(changed, whole, whole_size);
    for (size_t i = 0; i + 3 <= size; i += 3)
        changed[((size_t)bytes[i] << 8 | bytes[i + 1]) % whole_size] = bytes[i + 2];
    mend_sums(changed, whole_size);
    copy_results(saved, out);
    write_file("out/checkpoint", changed, whole_size);
    free(changed);
    run(out, 0);
    return 0;
}
