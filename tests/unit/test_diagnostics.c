// Diagnostics: the table, places with UTF-8 and tabs, the renderings, order, limits, and suggestions.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "grammar/ast.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

typedef struct Desk {
    Arena *arena;
    Diagnostics *diags;
    uint32_t source;
    Text out;
} Desk;

static Desk open_desk(const char *name, const char *text) {
    Desk desk = {.arena = arena_new()};
    desk.diags = diag_new(desk.arena);
    desk.source = diag_add_source(desk.diags, name, text, strlen(text));
    return desk;
}

static void close_desk(Desk *desk) {
    text_free(&desk->out);
    arena_free(desk->arena);
}

static Span at(const Desk *desk, uint32_t begin, uint32_t end) { return (Span){desk->source, begin, end}; }

static void assert_prints(Desk *desk, DiagStyle style, const char *expected) {
    desk->out.length = 0;
    diag_print(desk->diags, style, &desk->out);
    assert_string_equal(text_z(&desk->out), expected);
}

static uint32_t offset_of(const char *text, const char *part) { return (uint32_t)(strstr(text, part) - text); }

// ---- The table

static void every_code_is_explained(void **state) {
    (void)state;
    for (int i = 0; i < DIAG_COUNT; i++) {
        const DiagEntry *entry = diag_entry((DiagCode)i);
        assert_int_equal(strlen(entry->code), 5);
        assert_true(entry->code[0] == 'E' || entry->code[0] == 'W');
        assert_true(*entry->title && !isupper((unsigned char)*entry->title));
        assert_true(entry->title[strlen(entry->title) - 1] != '.');
        assert_true(*entry->cause && *entry->remedy);
        assert_non_null(entry->example);
        assert_ptr_equal(diag_find(entry->code), entry);
    }
    assert_ptr_equal(diag_find("e0102"), diag_entry(DIAG_E0102));
    assert_null(diag_find("E9999"));
    assert_null(diag_find(""));
}

// The examples of the grammar's codes produce just that code.
static void examples_produce_their_code(void **state) {
    (void)state;
    for (int i = 0; i < DIAG_COUNT; i++) {
        const DiagEntry *entry = diag_entry((DiagCode)i);
        if (strncmp(entry->code, "E01", 3) != 0 || !*entry->example) continue;
        Desk desk = open_desk("example.leq", entry->example);
        ast_parse(desk.arena, desk.diags, desk.source, entry->example, strlen(entry->example));
        assert_int_equal(diag_error_count(desk.diags), 1);
        diag_print(desk.diags, DIAG_PLAIN, &desk.out);
        assert_non_null(strstr(text_z(&desk.out), entry->code));
        close_desk(&desk);
    }
}

// ---- Places

static void assert_position(const Desk *desk, uint32_t offset, uint32_t line, uint32_t column) {
    const char *file;
    uint32_t found_line, found_column;
    diag_position(desk->diags, at(desk, offset, offset), &file, &found_line, &found_column);
    assert_string_equal(file, "a.leq");
    assert_int_equal(found_line, line);
    assert_int_equal(found_column, column);
}

static void positions_count_characters(void **state) {
    (void)state;
    const char *text = "ab\n\té漢🙂x\r\n\nend";
    Desk desk = open_desk("a.leq", text);
    assert_position(&desk, 0, 1, 1);
    assert_position(&desk, 2, 1, 3); // the newline itself
    assert_position(&desk, 3, 2, 1);
    assert_position(&desk, 4, 2, 2); // a tab is one character
    assert_position(&desk, offset_of(text, "x"), 2, 5);
    assert_position(&desk, offset_of(text, "end"), 4, 1);
    assert_position(&desk, (uint32_t)strlen(text), 4, 4);
    assert_position(&desk, 1000, 4, 4); // beyond the end
    const char *file = "";
    uint32_t line = 1, column = 1;
    diag_position(desk.diags, (Span){0}, &file, &line, &column);
    assert_null(file);
    assert_int_equal(line, 0);
    assert_int_equal(column, 0);
    close_desk(&desk);
}

// ---- Text

static void a_report_reads_well(void **state) {
    (void)state;
    const char *text = "neuron Slow {\n  energy 1/2 * (ahead(u, tua_m) - I)^2\n}\n";
    Desk desk = open_desk("slow.leq", text);
    uint32_t begin = offset_of(text, "tua_m");
    diag_report(desk.diags, DIAG_E0102, at(&desk, begin, begin + 5), "unknown name `%s`", "tua_m");
    diag_expected(desk.diags, "a state of neuron `%s`", "Slow");
    diag_help(desk.diags, "did you mean `%s`?", "tau_m");
    diag_note(desk.diags, at(&desk, 7, 11), "in neuron `%s`", "Slow");
    diag_note(desk.diags, (Span){0}, "%d states were searched", 3);
    assert_prints(&desk, DIAG_PLAIN,
                  "error[E0102]: unknown name `tua_m`\n"
                  "  --> slow.leq:2:26\n"
                  "   |\n"
                  " 2 |   energy 1/2 * (ahead(u, tua_m) - I)^2\n"
                  "   |                          ^^^^^\n"
                  "   = expected: a state of neuron `Slow`\n"
                  "   = help: did you mean `tau_m`?\n"
                  " note: in neuron `Slow`\n"
                  "  --> slow.leq:1:8\n"
                  "   |\n"
                  " 1 | neuron Slow {\n"
                  "   |        ^^^^\n"
                  "   = note: 3 states were searched\n"
                  "\n");
    desk.out.length = 0;
    diag_print(desk.diags, DIAG_COLOUR, &desk.out);
    assert_non_null(strstr(text_z(&desk.out), "\x1b[1;31merror[E0102]\x1b[0m\x1b[1m: unknown name `tua_m`\x1b[0m\n"));
    close_desk(&desk);
}

static void tabs_and_wide_text_keep_the_caret(void **state) {
    (void)state;
    const char *text = "\tlet é\t= wrong # ✓";
    Desk desk = open_desk("a.leq", text);
    uint32_t begin = offset_of(text, "wrong");
    diag_report(desk.diags, DIAG_E0102, at(&desk, begin, begin + 5), "wrong");
    assert_prints(&desk, DIAG_PLAIN,
                  "error[E0102]: wrong\n"
                  "  --> a.leq:1:10\n"
                  "   |\n"
                  " 1 |     let é   = wrong # ✓\n"
                  "   |               ^^^^^\n"
                  "\n");
    close_desk(&desk);
}

static void the_end_of_the_file_has_a_place(void **state) {
    (void)state;
    Desk desk = open_desk("a.leq", "let");
    diag_report(desk.diags, DIAG_E0102, at(&desk, 3, 3), "the end");
    assert_prints(&desk, DIAG_PLAIN, "error[E0102]: the end\n  --> a.leq:1:4\n   |\n 1 | let\n   |    ^\n\n");
    close_desk(&desk);
    desk = open_desk("a.leq", "let\n");
    diag_report(desk.diags, DIAG_E0102, at(&desk, 4, 4), "the end");
    assert_prints(&desk, DIAG_PLAIN, "error[E0102]: the end\n  --> a.leq:2:1\n   |\n 2 |\n   | ^\n\n");
    close_desk(&desk);
    desk = open_desk("empty.leq", "");
    diag_report(desk.diags, DIAG_E0102, at(&desk, 0, 0), "nothing");
    assert_prints(&desk, DIAG_PLAIN, "error[E0102]: nothing\n  --> empty.leq:1:1\n   |\n 1 |\n   | ^\n\n");
    close_desk(&desk);
}

static void spans_over_lines_show_both_ends(void **state) {
    (void)state;
    const char *text = "a = (1,\n  2,\n  3)\n";
    Desk desk = open_desk("a.leq", text);
    diag_report(desk.diags, DIAG_E0102, at(&desk, 4, offset_of(text, ")") + 1), "long");
    assert_prints(&desk, DIAG_PLAIN,
                  "error[E0102]: long\n"
                  "  --> a.leq:1:5\n"
                  "   |\n"
                  " 1 | a = (1,\n"
                  "   |     ^^^\n"
                  "...\n"
                  " 3 |   3)\n"
                  "   |   ^^\n"
                  "\n");
    close_desk(&desk);
}

static void long_lines_are_clipped(void **state) {
    (void)state;
    Arena *arena = arena_new();
    Diagnostics *diags = diag_new(arena);
    Text text = {0}, out = {0};
    for (int i = 0; i < 100000; i++) text_add(&text, "é");
    text_add(&text, "WRONG");
    for (int i = 0; i < 100000; i++) text_add(&text, "b");
    uint32_t source = diag_add_source(diags, "a.leq", text.bytes, text.length);
    diag_report(diags, DIAG_E0102, (Span){source, 200000, 200005}, "far out");
    diag_report(diags, DIAG_E0103, (Span){source, 0, 300005}, "all of it");
    diag_print(diags, DIAG_PLAIN, &out);
    assert_true(out.length < 2000);
    const char *line = strstr(out.bytes, "far out"), *word = strstr(line, "WRONG"), *caret = strstr(line, "^^^^^\n");
    assert_non_null(word);
    assert_non_null(caret);
    uint32_t word_column = 0, caret_column = 0;
    for (const char *c = word; *c != '\n'; c--) word_column += ((unsigned char)*c & 0xC0) != 0x80;
    for (const char *c = caret; *c != '\n'; c--) caret_column++;
    assert_int_equal(word_column, caret_column);
    text_free(&text);
    text_free(&out);
    arena_free(arena);
}

// Neither the source nor a file's name can send commands to the terminal.
static void control_characters_are_not_printed(void **state) {
    (void)state;
    Desk desk = open_desk("a\x1b[2J.leq", "x \x1b[31m \xFF y");
    diag_report(desk.diags, DIAG_E0101, at(&desk, 2, 3), "bad \x1b[0m %s", "\x07");
    diag_print(desk.diags, DIAG_PLAIN, &desk.out);
    for (size_t i = 0; i < desk.out.length; i++)
        assert_true(desk.out.bytes[i] == '\n' || (unsigned char)desk.out.bytes[i] >= ' ');
    close_desk(&desk);
}

// ---- JSON

static void json_is_escaped(void **state) {
    (void)state;
    const char *text = "é \"x\"\n";
    Desk desk = open_desk("a\"b\\c.leq", text);
    diag_report(desk.diags, DIAG_E0102, at(&desk, 3, 6), "quote \" backslash \\ tab \t line\nbell \x07 wrong \xFF é");
    diag_expected(desk.diags, "this");
    diag_help(desk.diags, "first");
    diag_help(desk.diags, "second");
    diag_note(desk.diags, at(&desk, 0, 2), "here");
    diag_note(desk.diags, (Span){0}, "nowhere");
    assert_prints(&desk, DIAG_JSON,
                  "{\"severity\":\"error\",\"code\":\"E0102\",\"message\":\"quote \\\" backslash \\\\ tab \\t "
                  "line\\nbell \\u0007 wrong \\ufffd é\",\"file\":\"a\\\"b\\\\c.leq\",\"line\":1,\"column\":3,"
                  "\"end_line\":1,\"end_column\":6,\"begin\":3,\"end\":6,\"expected\":\"this\","
                  "\"help\":[\"first\",\"second\"],\"notes\":[{\"message\":\"here\",\"file\":\"a\\\"b\\\\c.leq\","
                  "\"line\":1,\"column\":1,\"end_line\":1,\"end_column\":2,\"begin\":0,\"end\":2},"
                  "{\"message\":\"nowhere\"}]}\n");
    close_desk(&desk);
    desk = open_desk("a.leq", "");
    diag_report(desk.diags, DIAG_E0002, (Span){0}, "no place");
    assert_prints(&desk, DIAG_JSON,
                  "{\"severity\":\"error\",\"code\":\"E0002\",\"message\":\"no place\",\"help\":[],\"notes\":[]}\n");
    assert_prints(&desk, DIAG_PLAIN, "error[E0002]: no place\n\n");
    close_desk(&desk);
}

// ---- Collecting

static void reports_are_printed_in_source_order(void **state) {
    (void)state;
    Desk desk = open_desk("a.leq", "one two\n");
    uint32_t other = diag_add_source(desk.diags, "b.leq", "x", 1);
    diag_report(desk.diags, DIAG_E0102, (Span){other, 0, 1}, "fourth");
    diag_report(desk.diags, DIAG_E0102, at(&desk, 4, 7), "third");
    diag_report(desk.diags, DIAG_E0102, at(&desk, 0, 3), "first");
    diag_report(desk.diags, DIAG_E0103, at(&desk, 0, 3), "second");
    diag_print(desk.diags, DIAG_PLAIN, &desk.out);
    const char *last = text_z(&desk.out);
    static const char *const order[] = {"first", "second", "third", "fourth"};
    for (int i = 0; i < 4; i++) {
        last = strstr(last, order[i]);
        assert_non_null(last);
    }
    close_desk(&desk);
}

static void repetitions_are_dropped(void **state) {
    (void)state;
    Desk desk = open_desk("a.leq", "one two\n");
    diag_report(desk.diags, DIAG_E0102, at(&desk, 0, 3), "kept");
    diag_report(desk.diags, DIAG_E0102, at(&desk, 0, 1), "dropped");
    diag_help(desk.diags, "dropped, too");
    diag_expected(desk.diags, "dropped, too");
    diag_note(desk.diags, (Span){0}, "dropped, too");
    assert_int_equal(diag_error_count(desk.diags), 1);
    assert_int_equal(diag_count(desk.diags), 1);
    diag_print(desk.diags, DIAG_PLAIN, &desk.out);
    assert_null(strstr(text_z(&desk.out), "dropped"));
    close_desk(&desk);
}

static void at_most_100_are_kept(void **state) {
    (void)state;
    Desk desk = open_desk("a.leq", "x\n");
    for (uint32_t i = 0; i < 250; i++) {
        diag_report(desk.diags, DIAG_E0001, (Span){0}, "number %u", i);
        diag_help(desk.diags, "help %u", i);
    }
    assert_int_equal(diag_error_count(desk.diags), 250);
    diag_print(desk.diags, DIAG_PLAIN, &desk.out);
    assert_non_null(strstr(text_z(&desk.out), "number 99\n"));
    assert_null(strstr(text_z(&desk.out), "number 100\n"));
    assert_non_null(strstr(text_z(&desk.out), "error: 150 more\n"));
    close_desk(&desk);
}

// ---- Suggestions

static void nearest_names(void **state) {
    (void)state;
    static const Atom names[] = {"tau_m", "tau_r", "u", "phi", "population", "input"};
    const uint32_t count = sizeof names / sizeof *names;
    assert_string_equal(diag_nearest("tua_m", names, count), "tau_m");
    assert_string_equal(diag_nearest("taur", names, count), "tau_r");
    assert_string_equal(diag_nearest("TAU_R", names, count), "tau_r");
    assert_string_equal(diag_nearest("ph", names, count) ? "some" : "none", "none");
    assert_string_equal(diag_nearest("phy", names, count), "phi");
    assert_string_equal(diag_nearest("U", names, count), "u");
    assert_string_equal(diag_nearest("popluatoin", names, count), "population");
    assert_null(diag_nearest("x", names, count));
    assert_null(diag_nearest("conductance", names, count));
    assert_null(diag_nearest("", names, count));
    assert_null(diag_nearest("tau_m", names, 0));
    char long_name[400];
    memset(long_name, 'a', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = 0;
    assert_null(diag_nearest(long_name, names, count));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_is_explained),
        cmocka_unit_test(examples_produce_their_code),
        cmocka_unit_test(positions_count_characters),
        cmocka_unit_test(a_report_reads_well),
        cmocka_unit_test(tabs_and_wide_text_keep_the_caret),
        cmocka_unit_test(the_end_of_the_file_has_a_place),
        cmocka_unit_test(spans_over_lines_show_both_ends),
        cmocka_unit_test(long_lines_are_clipped),
        cmocka_unit_test(control_characters_are_not_printed),
        cmocka_unit_test(json_is_escaped),
        cmocka_unit_test(reports_are_printed_in_source_order),
        cmocka_unit_test(repetitions_are_dropped),
        cmocka_unit_test(at_most_100_are_kept),
        cmocka_unit_test(nearest_names),
    };
    return cmocka_run_group_tests_name("diagnostics", tests, NULL, NULL);
}
