// `lequel derive --principles`: the same energy under every principle. What the pages of all principles have in common
// is put once, then what each has of its own: its condition, its error neurons, the step that they become.
#include "derivation.h"
#include "page.h"
#include "wire.h"
#include <string.h>

typedef struct Entry {
    const char *section, *head; // "" before the first head
    PageItem item;
} Entry;

typedef struct Entries {
    Vec(Entry) list;
} Entries;

// The equations of the sections about the principle and about the step, which are those that differ.
static Entries entries_of(const Page *page) {
    Entries entries = {0};
    const char *section = "", *head = "";
    for (uint32_t i = 0; i < page->items.count; i++) {
        const PageItem *item = &page->items.items[i];
        bool opens = item->kind == PAGE_TITLE || item->kind == PAGE_STEP;
        if (opens)
            section = item->text[0] == '4'   ? "The equations"
                      : item->text[0] == '6' ? "The step"
                      : item->text[0] == '7' ? "Backward in time"
                                             : "";
        if (opens) head = "";
        if (item->kind == PAGE_HEAD) head = item->text;
        if (item->kind == PAGE_EQUATION && *section) vec_push(&entries.list, (Entry){section, head, *item});
    }
    return entries;
}

// The neurons that a head names; a principle may set their gamma.
static bool same_head(const char *a, const char *b) {
    const char *gamma = strstr(a, ", gamma = "), *other = strstr(b, ", gamma = ");
    size_t length = gamma ? (size_t)(gamma - a) : strlen(a), end = other ? (size_t)(other - b) : strlen(b);
    return (length == end && memcmp(a, b, length) == 0) || strncmp(a, "Then, ", 6) == 0;
}

static bool same_entry(const Entry *a, const Entry *b) {
    return strcmp(a->section, b->section) == 0 && strcmp(a->item.text, b->item.text) == 0 &&
           strcmp(a->item.right, b->item.right) == 0 && strcmp(a->item.range, b->item.range) == 0 &&
           same_head(a->head, b->head);
}

static bool is_in(const Entries *entries, const Entry *entry) {
    for (uint32_t i = 0; i < entries->list.count; i++)
        if (same_entry(&entries->list.items[i], entry)) return true;
    return false;
}

// Whether errors travel beside the network: the step computes them.
static bool computes_errors(const DerivationVariant *variant) {
    if (!variant->equations) return false;
    for (uint32_t n = 0; n < variant->equations->neurons.count; n++)
        for (uint32_t i = 0; i < variant->step->assigns.count; i++)
            if (variant->step->assigns.items[i].symbol == variant->equations->neurons.items[n].error) return true;
    return false;
}

// In all whose step computes errors; what has none would leave little in common. With only one, nothing is common.
static bool is_common(const Entries *all, const DerivationVariant *variants, uint32_t count, const Entry *entry) {
    uint32_t compared = 0;
    for (uint32_t v = 0; v < count; v++) {
        if (!computes_errors(&variants[v])) continue;
        compared++;
        if (!is_in(&all[v], entry)) return false;
    }
    return compared > 1;
}

static void put(Page *page, PageKind kind, const char *text) {
    vec_push(&page->items, (PageItem){.kind = kind, .text = text, .sign = "", .right = "", .range = "", .place = ""});
}

typedef struct Choice {
    const Entries *all;
    const DerivationVariant *variants;
    uint32_t count;
    bool common; // put what is common, or what is not
} Choice;

static void put_entries(Page *page, const Entries *entries, const Choice *choice) {
    const char *section = "", *head = "";
    for (uint32_t i = 0; i < entries->list.count; i++) {
        const Entry *entry = &entries->list.items[i];
        if (is_common(choice->all, choice->variants, choice->count, entry) != choice->common) continue;
        bool elsewhere = strcmp(section, entry->section) != 0;
        if (elsewhere || strcmp(head, entry->head) != 0)
            put(page, PAGE_HEAD,
                *entry->head ? arena_format(page->arena, "%s. %s", entry->section, entry->head) : entry->section);
        section = entry->section;
        head = entry->head;
        vec_push(&page->items, entry->item);
    }
}

static void put_variant(Page *page, const DerivationVariant *variant, const Entries *entries, const Choice *choice) {
    put(page, PAGE_BESIDE, arena_format(page->arena, "The principle %s", variant->name));
    if (!variant->equations) {
        put(page, PAGE_HEAD, arena_format(page->arena, "Not for this model: %s", variant->refusal));
        return;
    }
    uint32_t before = page->items.count;
    if (!computes_errors(variant) && !variant->backward)
        put(page, PAGE_HEAD, "This step computes no errors: only the forward equations hold.");
    put_entries(page, entries, choice);
    if (page->items.count == before) put(page, PAGE_HEAD, "Nothing of its own: the equations above are all.");
}

void derivation_compare(const Model *model, const DerivationVariant *variants, uint32_t count, ExprStyle style,
                        Text *out) {
    Page page = {.style = style, .arena = model->arena, .diags = model->diags};
    Page *pages = arena_new_array(model->arena, Page, count + 1);
    Entries *all = arena_new_array(model->arena, Entries, count + 1);
    uint32_t first = count;
    for (uint32_t v = count; v-- > 0;) {
        if (!variants[v].equations) continue;
        pages[v] = derivation_page(variants[v].equations, variants[v].step, variants[v].backward, style);
        all[v] = entries_of(&pages[v]);
        if (computes_errors(&variants[v])) first = v;
    }
    Choice choice = {all, variants, count, true};
    put(&page, PAGE_TITLE, arena_format(page.arena, "%s: one energy under every principle", model->name));
    put(&page, PAGE_STEP, "Whatever the principle");
    if (first < count) put_entries(&page, &all[first], &choice);
    choice.common = false;
    for (uint32_t v = 0; v < count; v++) put_variant(&page, &variants[v], &all[v], &choice);
    page_set(&page, out);
    for (uint32_t v = 0; v < count; v++) {
        vec_free(&pages[v].items);
        vec_free(&all[v].list);
    }
    vec_free(&page.items);
}
