// What the ways of setting a page share.
#include "page.h"
#include <string.h>

static const char *without_folders(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

const char *page_source_name(const Diagnostics *diags, uint32_t source) {
    const char *path = diag_source(diags, source, NULL, NULL), *name = without_folders(path);
    for (uint32_t other = 1; other <= diag_source_count(diags); other++)
        if (other != source && strcmp(without_folders(diag_source(diags, other, NULL, NULL)), name) == 0) return path;
    return name;
}

void page_set(const Page *page, Text *out) {
    switch (page->style) {
    case EXPR_TEXT:
    case EXPR_UNICODE: page_set_text(page, out); break;
    case EXPR_LATEX: page_set_latex(page, out); break;
    case EXPR_MATHML: page_set_html(page, out); break;
    }
}
