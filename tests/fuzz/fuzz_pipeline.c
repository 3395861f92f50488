// All passes down to loops, and a few steps by the interpreter: what the passes' own checks call a bug of the compiler
// is one.
#include "../../runtime/lequel.h"
#include "fuzz.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t most_bytes = 1 << 20; // larger models only take longer

static void step(const LequelProgram *program) {
    LequelInstance *instance = lequel_instance_new(program, 3, 1, NULL, NULL);
    for (int n = 0; instance && n < 3; n++) lequel_instance_step(instance, n < 2);
    lequel_instance_free(instance);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    LequelModel *model = lequel_model_open(fuzz_file(bytes, size, ".leq"), NULL);
    LequelProgramOptions options = {.single = size % 2, .backend = "loops", .dump = "loops"};
    char *error = NULL;
    LequelProgram *program = lequel_model_good(model) ? lequel_program_new(model, &options, &error) : NULL;
    if (error && strstr(error, "compiler bug")) {
        fprintf(stderr, "%s\n", error);
        abort();
    }
    if (program && lequel_program_bytes(program, 3) <= most_bytes) step(program);
    lequel_text_free(error);
    lequel_program_free(program);
    lequel_model_free(model);
    return 0;
}
