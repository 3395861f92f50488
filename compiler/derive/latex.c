// Sets a page as a LaTeX document that needs nothing but amsmath. Titles and names are escaped here; sentences and
// equations come as LaTeX.
#include "page.h"
#include <string.h>

enum { WIDEST = 70 }; // of an equation, in letters; longer sums are broken

static void escaped(const char *text, Text *out) {
    for (const char *c = text; *c; c++) {
        if (strncmp(c, "…", 3) == 0) {
            text_add(out, "\\ldots{}");
            c += 2;
        } else if (strchr("_#$%&{}", *c)) {
            text_addf(out, "\\%c", *c);
        } else if (strchr("\\^~", *c)) {
            text_addf(out, "\\char`\\%c{}", *c);
        } else {
            text_add_bytes(out, c, 1);
        }
    }
}

// About how many letters wide a piece of LaTeX is set: commands are one sign or none, marks that structure are none.
static uint32_t letters(const char *text, size_t bytes) {
    static const char *const silent[] = {"left", "right", "mathrm", "frac", "begin", "end", "dot", "prime", NULL};
    uint32_t count = 0;
    for (size_t i = 0; i < bytes;) {
        if (text[i] != '\\') {
            count += strchr("{}_^ &", text[i]) == NULL;
            i++;
            continue;
        }
        size_t length = strspn(text + i + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
        bool sign = length > 0;
        for (const char *const *word = silent; *word; word++)
            sign &= strlen(*word) != length || memcmp(*word, text + i + 1, length) != 0;
        count += sign;
        i += length ? length + 1 : 2;
    }
    return count;
}

// The last sign of a sum, outside of all brackets, that lies within `room` letters; the first one if none does.
static size_t break_of(const char *text, uint32_t room) {
    int depth = 0;
    size_t found = 0;
    for (size_t i = 0; text[i]; i++) {
        depth +=
            (text[i] == '{' || text[i] == '(' || text[i] == '[') - (text[i] == '}' || text[i] == ')' || text[i] == ']');
        bool sign = strncmp(text + i, " + ", 3) == 0 || strncmp(text + i, " - ", 3) == 0;
        if (!i || depth || !sign) continue;
        if (found && letters(text, i) > room) break;
        found = i;
    }
    return found;
}

static void set_equation(const PageItem *item, Text *out) {
    bool goes_on = !*item->text;
    text_addf(out, goes_on ? "&\\quad {}%s " : "%s &%s ", goes_on ? item->sign : item->text, item->sign);
    const char *rest = item->right;
    for (;;) {
        size_t cut = letters(rest, strlen(rest)) > WIDEST ? break_of(rest, WIDEST) : 0;
        text_add_bytes(out, rest, cut ? cut : strlen(rest));
        if (!cut) break;
        text_add(out, " \\notag\\\\\n&\\quad {}");
        rest += cut + 1;
    }
    if (*item->range) text_addf(out, " \\qquad (%s)", item->range);
    if (!*item->place) {
        text_add(out, " \\notag");
        return;
    }
    text_add(out, " \\tag*{\\footnotesize\\texttt{");
    escaped(item->place, out);
    text_add(out, "}}");
}

static void set_head(const char *command, const char *text, Text *out) {
    text_addf(out, "\n\\%s{", command);
    escaped(text, out);
    text_add(out, "}\n");
}

static void open_document(Text *out) {
    text_add(out, "\\documentclass[10pt,fleqn]{article}\n\\usepackage{amsmath}\n"
                  "\\addtolength{\\textwidth}{8em}\\addtolength{\\oddsidemargin}{-4em}\n"
                  "\\allowdisplaybreaks\n\\sloppy\n\\setlength{\\parindent}{0pt}\n\\begin{document}\n");
}

void page_set_latex(const Page *page, Text *out) {
    open_document(out);
    for (uint32_t i = 0; i < page->items.count; i++) {
        const PageItem *item = &page->items.items[i];
        bool first = !i || page->items.items[i - 1].kind != PAGE_EQUATION;
        bool last = i + 1 == page->items.count || page->items.items[i + 1].kind != PAGE_EQUATION;
        switch (item->kind) {
        case PAGE_TITLE: set_head("section*", item->text, out); break;
        case PAGE_BESIDE:
        case PAGE_STEP: set_head("subsection*", item->text, out); break;
        case PAGE_HEAD: set_head("paragraph", item->text, out); break;
        case PAGE_SAY: text_addf(out, "%s\n", item->text); break;
        case PAGE_EQUATION:
            if (first) text_add(out, "\\begin{align}\n");
            set_equation(item, out);
            text_add(out, last ? "\n\\end{align}\n" : "\\\\\n");
        }
    }
    text_add(out, "\n\\end{document}\n");
}
