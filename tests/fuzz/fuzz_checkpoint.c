// The reader of checkpoints, with the checksums as they are and with checksums made right, so that what lies behind
// them is reached as well.
#include "../../runtime/checkpoint.h"
#include "checkpoint_sums.h"
#include "fuzz.h"
#include <stdlib.h>
#include <string.h>

static void use(const unsigned char *bytes, size_t size) {
    Text error = {0}, text = {0};
    Checkpoint *checkpoint = checkpoint_parse("c", bytes, size, &error);
    if (checkpoint) {
        double reals[4] = {0};
        float singles[4] = {0};
        int64_t wholes[4] = {0};
        checkpoint_reals(checkpoint, "r", reals, 4);
        checkpoint_singles(checkpoint, "s", singles, 4);
        checkpoint_wholes(checkpoint, "w", wholes, 4);
        checkpoint_text(checkpoint, "t", &text);
        checkpoint_close(checkpoint, &error);
    } else if (!error.length) {
        abort();
    }
    text_free(&error);
    text_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    unsigned char *copy = malloc(size ? size : 1);
    if (!copy) return 0;
    if (size) memcpy(copy, bytes, size);
    use(copy, size);
    mend_sums(copy, size);
    use(copy, size);
    free(copy);
    return 0;
}
