// From a text to checked and derived equations, in all notations, with all diagnostics.
#include "../../runtime/lequel.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    LequelModel *model = lequel_model_open(fuzz_file(bytes, size, ".leq"), NULL);
    if (lequel_model_check(model))
        for (int notation = LEQUEL_TEXT; notation <= LEQUEL_LATEX; notation++)
            lequel_text_free(lequel_model_derive(model, (LequelNotation)notation));
    for (int style = LEQUEL_PLAIN; style <= LEQUEL_JSON; style++)
        lequel_text_free(lequel_model_diagnostics(model, (LequelStyle)style));
    lequel_text_free(lequel_model_dump(model, "ast"));
    lequel_text_free(lequel_model_dump(model, "model"));
    lequel_model_free(model);
    return 0;
}
