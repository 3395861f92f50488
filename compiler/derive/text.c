// Sets a page as plain text, ASCII or Unicode: equations aligned at their signs, long sums broken, places at the right.
#include "page.h"
#include <string.h>

enum { INDENT = 4, PLACE_COLUMN = 88, WIDEST_LEFT = 40 };

// Columns of a UTF-8 text; combining accents take none.
static uint32_t width(const char *text, size_t bytes) {
    uint32_t columns = 0;
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)text[i];
        columns += (c & 0xC0) != 0x80 && c != 0xCC && c != 0xCD;
    }
    return columns;
}

static void blanks(Text *out, uint32_t count) {
    while (count--) text_add(out, " ");
}

// Where a sum may go on in the next line: the last sign outside of brackets that lies within `room` columns.
static size_t break_of(const char *text, uint32_t room) {
    int depth = 0;
    size_t found = 0;
    for (size_t i = 0; text[i]; i++) {
        depth += (text[i] == '(' || text[i] == '[') - (text[i] == ')' || text[i] == ']');
        bool sign = text[i] == ' ' && (strncmp(text + i, " + ", 3) == 0 || strncmp(text + i, " - ", 3) == 0 ||
                                       strncmp(text + i, " − ", 5) == 0);
        if (i && depth == 0 && sign && (!found || width(text, i) <= room)) found = i;
        if (width(text, i) > room && found) break;
    }
    return found;
}

static void set_place(const PageItem *item, uint32_t column, Text *out) {
    if (!*item->range && !*item->place) return;
    blanks(out, column < PLACE_COLUMN ? PLACE_COLUMN - column : 2);
    text_addf(out, "%s%s%s", item->range, *item->range && *item->place ? "; " : "", item->place);
}

static void set_equation(const PageItem *item, uint32_t left, Text *out) {
    uint32_t own = width(item->text, strlen(item->text)), begin = INDENT + (own > left ? own : left) + 3;
    blanks(out, INDENT);
    text_add(out, item->text);
    blanks(out, own < left ? left - own : 0);
    text_addf(out, " %s ", item->sign);
    const char *rest = item->right;
    uint32_t room = PLACE_COLUMN - 2 > begin + 30 ? PLACE_COLUMN - 2 - begin : 30;
    for (bool placed = false;; placed = true) {
        size_t cut = width(rest, strlen(rest)) > room ? break_of(rest, room) : 0, taken = cut ? cut : strlen(rest);
        text_add_bytes(out, rest, taken);
        if (!placed) set_place(item, begin + width(rest, taken), out);
        text_add(out, "\n");
        if (!cut) return;
        rest += taken + 1;
        blanks(out, begin);
    }
}

// The width of the left sides of the equations that stand together.
static uint32_t left_width(const Page *page, uint32_t first) {
    uint32_t widest = 0;
    for (uint32_t i = first; i < page->items.count && page->items.items[i].kind == PAGE_EQUATION; i++) {
        uint32_t own = width(page->items.items[i].text, strlen(page->items.items[i].text));
        if (own > widest && own <= WIDEST_LEFT) widest = own;
    }
    return widest;
}

static void underline(const char *text, const char *with, Text *out) {
    text_addf(out, "%s\n", text);
    for (uint32_t i = width(text, strlen(text)); i > 0; i--) text_add(out, with);
    text_add(out, "\n");
}

// Sentences are set in lines of at most 96 columns.
static void set_sentence(const char *text, Text *out) {
    uint32_t column = 2;
    blanks(out, 2);
    for (const char *word = text; *word;) {
        size_t length = strcspn(word, " ");
        uint32_t columns = width(word, length);
        if (column + columns > 96) {
            text_add(out, "\n  ");
            column = 2;
        }
        text_add_bytes(out, word, length);
        word += length;
        column += columns + 1;
        if (*word) text_add(out, word++ && column + strcspn(word, " ") <= 96 ? " " : "");
    }
    text_add(out, "\n");
}

void page_set_text(const Page *page, Text *out) {
    bool unicode = page->style == EXPR_UNICODE;
    uint32_t left = 0;
    for (uint32_t i = 0; i < page->items.count; i++) {
        const PageItem *item = &page->items.items[i];
        PageKind before = i ? page->items.items[i - 1].kind : PAGE_EQUATION;
        if (item->kind == PAGE_EQUATION && before != PAGE_EQUATION) left = left_width(page, i);
        if (i && (item->kind == PAGE_STEP || item->kind == PAGE_BESIDE || item->kind == PAGE_HEAD ||
                  (item->kind == PAGE_SAY && before == PAGE_EQUATION)))
            text_add(out, "\n");
        switch (item->kind) {
        case PAGE_TITLE: underline(item->text, unicode ? "═" : "=", out); break;
        case PAGE_BESIDE:
        case PAGE_STEP: underline(item->text, unicode ? "─" : "-", out); break;
        case PAGE_HEAD: text_addf(out, "  %s\n", item->text); break;
        case PAGE_SAY: set_sentence(item->text, out); break;
        case PAGE_EQUATION: set_equation(item, left, out); break;
        }
    }
}
