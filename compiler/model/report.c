// How resolve says what is wrong: at the user's own lines, with the nearest name.
#include "resolve.h"
#include <stdarg.h>
#include <stdio.h>

enum { PRELUDE = 1 }; // the first source that is loaded

// Mistakes that come from what a declaration was given, not from the declaration itself.
static bool depends_on_use(DiagCode code) {
    return code == DIAG_E0202 || code == DIAG_E0205 || code == DIAG_E0206 || code == DIAG_E0207 || code == DIAG_E0208;
}

static bool within(Span inner, Span outer) {
    return inner.source == outer.source && inner.begin >= outer.begin && inner.end <= outer.end;
}

void report(Resolver *r, DiagCode code, Span span, const char *format, ...) {
    char message[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    bool moved = span.source == PRELUDE && r->use.source;
    diag_report(r->diags, code, moved ? r->use : span, "%s", message);
    if (moved)
        diag_note(r->diags, span, "it arises here, in the prelude");
    else if (r->use.source && depends_on_use(code) && !within(span, r->use))
        diag_note(r->diags, r->use, "in this use of it");
}

Span enter_use(Resolver *r, Span use) {
    Span before = r->use;
    if (use.source != PRELUDE) r->use = use;
    return before;
}

void leave_use(Resolver *r, Span before) { r->use = before; }

bool suggest(Resolver *r, Atom name, const Atom *names, uint32_t count) {
    Atom nearest = diag_nearest(name, names, count);
    bool found = nearest && nearest != name;
    if (found) diag_help(r->diags, "did you mean `%s`?", nearest);
    return found;
}

void report_twice(Resolver *r, Atom name, Span span, Span first, const char *where) {
    report(r, DIAG_E0203, span, "`%s` is declared twice in %s", name, where);
    if (first.source) diag_note(r->diags, first, "it was introduced here");
}
