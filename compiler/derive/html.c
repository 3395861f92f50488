// Sets a page as one HTML file that needs no other: equations as MathML, the model's text beside them, links from each
// equation to its line and back. No script, no address outside of the file; well-formed XML as well. Sentences and
// equations come as markup; titles, names and the model's text are escaped here.
#include "page.h"
#include <string.h>

// Where an equation came from: lines of sources.
typedef struct Origin {
    uint32_t equation, source, line;
} Origin;

typedef struct Setter {
    const Page *page;
    Text *out;
    Vec(Origin) origins;
} Setter;

static const char style_sheet[] =
    ":root{color-scheme:light dark;--ink:#1b1d21;--soft:#5c6370;--paper:#fff;--line:#d9dce1;--link:#0b57a4;"
    "--mark:#fff3bf}\n"
    "@media (prefers-color-scheme:dark){:root{--ink:#e4e6ea;--soft:#9aa1ad;--paper:#16181c;--line:#33373f;"
    "--link:#7db8f5;--mark:#4a3f10}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}\n"
    "a{color:var(--link);text-decoration:none}a:hover{text-decoration:underline}\n"
    ".columns{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,34rem)}\n"
    "main{padding:1.5rem 2rem}\n"
    ".beside{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(26rem,100%),1fr));gap:0 2rem}\n"
    "aside{border-left:1px solid var(--line);padding:1.5rem 1rem;position:sticky;top:0;height:100vh;overflow:auto}\n"
    "h1{font-size:1.6rem;margin:0 0 1rem}\n"
    "h2{font-size:1.2rem;margin:2.2rem 0 .6rem;border-bottom:1px solid var(--line)}\n"
    "h3{font-size:1rem;margin:1.2rem 0 .3rem}\n"
    "p{margin:.4rem 0;max-width:46rem}\n"
    "table{border-collapse:collapse;width:100%}\n"
    "td{padding:.25rem .3rem;vertical-align:baseline}\n"
    "td.left{text-align:right;white-space:nowrap}\n"
    "td.sign{width:1.2rem;text-align:center}\n"
    "td.right{width:100%}\n"
    "td.place,td.number{white-space:nowrap;font-size:.8rem;color:var(--soft);text-align:right}\n"
    "math{font-size:1.05em}\n"
    "code,pre{font:13px/1.5 ui-monospace,monospace}\n"
    "pre{margin:0 0 1.5rem}\n"
    "pre span.line{display:block;white-space:pre-wrap;padding-left:3.2rem;text-indent:-3.2rem}\n"
    "pre span.n{display:inline-block;width:2.6rem;margin-right:.6rem;text-indent:0;text-align:right;"
    "color:var(--soft);user-select:none}\n"
    "pre span.used span.n{color:var(--link);font-weight:bold}\n"
    "pre span.back{font-size:.85em;color:var(--soft)}\n"
    ":target{background:var(--mark)}\n"
    "@media (max-width:90rem){.columns{display:block}aside{position:static;height:auto;border-left:0;"
    "border-top:1px solid var(--line)}}\n"
    "@media print{:root{--ink:#000;--soft:#444;--paper:#fff;--line:#bbb;--link:#000;--mark:transparent}"
    "body{font-size:10pt}.columns{display:block}aside{position:static;height:auto;border:0;overflow:visible}"
    "tr,h2,h3,pre span.line{break-inside:avoid}h2,h3{break-after:avoid}}\n";

// XML allows no control characters but tabs and line ends.
static void escaped(const char *text, size_t length, Text *out) {
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        switch (c) {
        case '<': text_add(out, "&lt;"); break;
        case '>': text_add(out, "&gt;"); break;
        case '&': text_add(out, "&amp;"); break;
        case '"': text_add(out, "&quot;"); break;
        default:
            if ((c < ' ' && c != '\t' && c != '\n') || c == 0x7F)
                text_add(out, "\xEF\xBF\xBD");
            else
                text_add_bytes(out, text + i, 1);
        }
    }
}

static void element(const char *name, const char *text, Text *out) {
    text_addf(out, "<%s>", name);
    escaped(text, strlen(text), out);
    text_addf(out, "</%s>\n", name);
}

// ---- Equations ------------------------------------------------------------------------------------------------------

// The next + or - of a sum that stands outside of all elements, from the second byte on; the end if there is none.
static size_t next_term(const char *markup) {
    int depth = 0;
    for (size_t i = 0; markup[i]; i++) {
        if (markup[i] != '<') continue;
        if (i && depth == 0 && strncmp(markup + i, "<mo form=\"infix\">", 17) == 0) return i;
        depth += markup[i + 1] == '/' ? -1 : 1;
    }
    return strlen(markup);
}

// A sum is a row of formulas, one for each term: browsers break lines between formulas, not within them.
static void set_terms(const char *markup, Text *out) {
    while (*markup) {
        size_t length = next_term(markup);
        text_add(out, "<math>");
        text_add_bytes(out, markup, length);
        text_add(out, "</math> ");
        markup += length;
    }
}

static void set_place(Setter *s, uint32_t equation, const char *place, size_t length) {
    const Diagnostics *diags = s->page->diags;
    size_t name = length;
    while (name && place[name - 1] != ':') name--;
    for (uint32_t source = 1; name && source <= diag_source_count(diags); source++) {
        const char *known = page_source_name(diags, source);
        if (strlen(known) != name - 1 || memcmp(known, place, name - 1) != 0) continue;
        Origin origin = {equation, source, (uint32_t)strtoul(place + name, NULL, 10)};
        vec_push(&s->origins, origin);
        text_addf(s->out, "<a href=\"#s%u-%u\">", origin.source, origin.line);
        escaped(place, length, s->out);
        text_add(s->out, "</a>");
        return;
    }
    escaped(place, length, s->out);
}

// "a.leq:8, a.leq:12"
static void set_places(Setter *s, uint32_t equation, const char *places) {
    while (*places) {
        const char *end = strstr(places, ", ");
        size_t length = end ? (size_t)(end - places) : strlen(places);
        set_place(s, equation, places, length);
        if (end) text_add(s->out, ", ");
        places += length + (end ? 2 : 0);
    }
}

static void set_equation(Setter *s, uint32_t number, const PageItem *item) {
    Text *out = s->out;
    text_addf(out, "<tr id=\"e%u\"><td class=\"left\">", number);
    if (*item->text) text_addf(out, "<math>%s</math>", item->text);
    text_addf(out, "</td><td class=\"sign\"><math><mo>%s</mo></math></td><td class=\"right\">", item->sign);
    set_terms(item->right, out);
    text_add(out, "</td><td class=\"place\">");
    escaped(item->range, strlen(item->range), out);
    text_add(out, *item->range ? "<br/>" : "");
    set_places(s, number, item->place);
    text_addf(out, "</td><td class=\"number\">(%u)</td></tr>\n", number);
}

static void set_items(Setter *s) {
    uint32_t number = 0;
    bool beside = false;
    const Page *page = s->page;
    for (uint32_t i = 0; i < page->items.count; i++) {
        const PageItem *item = &page->items.items[i];
        bool first = !i || page->items.items[i - 1].kind != PAGE_EQUATION;
        bool last = i + 1 == page->items.count || page->items.items[i + 1].kind != PAGE_EQUATION;
        if (beside && (item->kind == PAGE_TITLE || item->kind == PAGE_STEP)) {
            text_add(s->out, "</section>\n</div>\n");
            beside = false;
        }
        switch (item->kind) {
        case PAGE_TITLE: element("h1", item->text, s->out); break;
        case PAGE_STEP: element("h2", item->text, s->out); break;
        case PAGE_BESIDE:
            text_add(s->out, beside ? "</section>\n<section>\n" : "<div class=\"beside\">\n<section>\n");
            element("h2", item->text, s->out);
            beside = true;
            break;
        case PAGE_HEAD: element("h3", item->text, s->out); break;
        case PAGE_SAY: text_addf(s->out, "<p>%s</p>\n", item->text); break;
        case PAGE_EQUATION:
            if (first) text_add(s->out, "<table>\n");
            set_equation(s, ++number, item);
            if (last) text_add(s->out, "</table>\n");
        }
    }
    if (beside) text_add(s->out, "</section>\n</div>\n");
}

// ---- The model's text -----------------------------------------------------------------------------------------------

static void set_line(Setter *s, uint32_t source, uint32_t number, const char *line, size_t length) {
    Text *out = s->out;
    Text back = {0};
    for (uint32_t i = 0; i < s->origins.count; i++) {
        const Origin *o = &s->origins.items[i];
        if (o->source == source && o->line == number)
            text_addf(&back, " <a href=\"#e%u\">(%u)</a>", o->equation, o->equation);
    }
    text_addf(out, "<span class=\"line%s\" id=\"s%u-%u\"><span class=\"n\">%u</span>", back.length ? " used" : "",
              source, number, number);
    escaped(line, length, out);
    if (back.length) text_addf(out, " <span class=\"back\">%s</span>", text_z(&back) + 1);
    text_add(out, "</span>");
    text_free(&back);
}

static void set_source(Setter *s, uint32_t source) {
    const char *text;
    size_t length;
    diag_source(s->page->diags, source, &text, &length);
    element("h2", page_source_name(s->page->diags, source), s->out);
    text_add(s->out, "<pre>");
    uint32_t number = 1;
    for (size_t at = 0; at < length; number++) {
        const char *end = memchr(text + at, '\n', length - at);
        size_t line = end ? (size_t)(end - text) - at : length - at;
        bool carriage = line && text[at + line - 1] == '\r';
        set_line(s, source, number, text + at, line - carriage);
        at += line + 1;
    }
    text_add(s->out, "</pre>\n");
}

// Sources that no equation came from are left out; the user's come before the prelude, which is the first.
static void set_sources(Setter *s) {
    uint32_t count = diag_source_count(s->page->diags);
    for (uint32_t k = 1; k <= count; k++) {
        uint32_t source = k % count + 1;
        bool used = false;
        for (uint32_t i = 0; i < s->origins.count; i++) used |= s->origins.items[i].source == source;
        if (used) set_source(s, source);
    }
}

void page_set_html(const Page *page, Text *out) {
    Setter s = {.page = page, .out = out};
    text_add(out, "<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\">\n<head>\n"
                  "<meta charset=\"utf-8\"/>\n"
                  "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n");
    element("title", page->items.count ? page->items.items[0].text : "", out);
    text_addf(out, "<style>\n%s</style>\n</head>\n<body>\n<div class=\"columns\">\n<main>\n", style_sheet);
    set_items(&s);
    text_add(out, "</main>\n<aside>\n");
    set_sources(&s);
    text_add(out, "</aside>\n</div>\n</body>\n</html>\n");
    vec_free(&s.origins);
}
