// The front end: trees and byte ranges, print-and-parse round trips, errors and how the parser goes on after them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "assert_close.h"
#include "grammar/ast.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const models[] = {"lagline.leq", "mnist1d.leq", "microcircuit_bars.leq", "elise.leq",
                                     "constructs.leq"};
enum { MODEL_COUNT = sizeof models / sizeof *models };

static Text read_model(const char *name) {
    char path[1024];
    snprintf(path, sizeof path, "%s/tests/data/%s", LEQUEL_SOURCE_DIR, name);
    FILE *file = fopen(path, "rb");
    if (!file) fail_msg("cannot open %s", path);
    Text text = {0};
    char buffer[4096];
    for (size_t count; (count = fread(buffer, 1, sizeof buffer, file)) > 0;) text_add_bytes(&text, buffer, count);
    fclose(file);
    return text;
}

typedef struct Parsed {
    Arena *arena;
    Diagnostics *diags;
    Ast *file;
} Parsed;

static Parsed parse_bytes(const char *text, size_t length) {
    Parsed parsed = {.arena = arena_new()};
    parsed.diags = diag_new(parsed.arena);
    uint32_t source = diag_add_source(parsed.diags, "test.leq", text, length);
    parsed.file = ast_parse(parsed.arena, parsed.diags, source, text, length);
    assert_non_null(parsed.file);
    assert_int_equal(parsed.file->kind, AST_FILE);
    return parsed;
}

static Parsed parse(const char *text) { return parse_bytes(text, strlen(text)); }

static Parsed parse_good(const char *text, size_t length) {
    Parsed parsed = parse_bytes(text, length);
    if (diag_error_count(parsed.diags)) {
        Text out = {0};
        diag_print(parsed.diags, DIAG_PLAIN, &out);
        print_error("%s\n", text_z(&out));
        text_free(&out);
        fail_msg("this should be free of errors:\n%s", text);
    }
    return parsed;
}

static void done(Parsed *parsed) { arena_free(parsed->arena); }

// What is reported about `text`, as printed.
static char *messages(const char *text) {
    static char result[1 << 16];
    Parsed parsed = parse(text);
    Text out = {0};
    diag_print(parsed.diags, DIAG_PLAIN, &out);
    snprintf(result, sizeof result, "%s", text_z(&out));
    text_free(&out);
    done(&parsed);
    return result;
}

static void assert_mentions(const char *text, const char *part) {
    const char *printed = messages(text);
    if (!strstr(printed, part)) fail_msg("for\n%s\nexpected to read: %s\nbut it says\n%s", text, part, printed);
}

static uint32_t errors_in(const char *text) {
    Parsed parsed = parse(text);
    uint32_t count = diag_error_count(parsed.diags);
    done(&parsed);
    return count;
}

static void assert_errors(const char *text, uint32_t count) {
    if (errors_in(text) != count)
        fail_msg("%u errors instead of %u in\n%s\n%s", errors_in(text), count, text, messages(text));
}

// ---- Trees

static bool same_atom(Atom a, Atom b) { return (!a && !b) || (a && b && strcmp(a, b) == 0); }

static bool same_tree(const Ast *a, const Ast *b) {
    if (!a || !b) return a == b;
    bool same = a->kind == b->kind && a->flags == b->flags && a->count == b->count && a->number == b->number &&
                same_atom(a->name, b->name) && same_atom(a->text, b->text);
    for (uint32_t i = 0; same && i < a->count; i++) same = same_tree(a->child[i], b->child[i]);
    return same;
}

static void assert_round_trip(const char *text, size_t length) {
    Parsed first = parse_good(text, length);
    Text formatted = {0}, again = {0};
    ast_format(first.file, text, length, &formatted);
    Parsed second = parse_good(text_z(&formatted), formatted.length);
    if (!same_tree(first.file, second.file)) fail_msg("formatting changes the tree of\n%s\n%s", text, formatted.bytes);
    ast_format(second.file, text_z(&formatted), formatted.length, &again);
    assert_string_equal(text_z(&again), text_z(&formatted));
    done(&first);
    done(&second);
    text_free(&formatted);
    text_free(&again);
}

static void models_survive_printing(void **state) {
    (void)state;
    for (int i = 0; i < MODEL_COUNT; i++) {
        Text text = read_model(models[i]);
        assert_round_trip(text_z(&text), text.length);
        text_free(&text);
    }
}

static uint32_t count_char(const char *text, char c) {
    uint32_t count = 0;
    for (; *text; text++) count += *text == c;
    return count;
}

static void comments_are_kept(void **state) {
    (void)state;
    for (int i = 0; i < MODEL_COUNT; i++) {
        Text text = read_model(models[i]), formatted = {0};
        Parsed parsed = parse_good(text_z(&text), text.length);
        ast_format(parsed.file, text_z(&text), text.length, &formatted);
        assert_int_equal(count_char(text_z(&text), '#'), count_char(text_z(&formatted), '#'));
        done(&parsed);
        text_free(&text);
        text_free(&formatted);
    }
}

static void assert_formats_to(const char *text, const char *expected) {
    Parsed parsed = parse_good(text, strlen(text));
    Text formatted = {0};
    ast_format(parsed.file, text, strlen(text), &formatted);
    assert_string_equal(text_z(&formatted), expected);
    done(&parsed);
    text_free(&formatted);
    assert_round_trip(text, strlen(text));
}

static void format_is_canonical(void **state) {
    (void)state;
    assert_formats_to("", "");
    assert_formats_to("\n\n# only a comment   \n\n", "# only a comment\n");
    assert_formats_to("import   \"a.leq\" ;import \"b.leq\"", "import \"a.leq\"\nimport \"b.leq\"\n");
    assert_formats_to("function f ( x,y )=x+ y*- ( 2-x ) ^ 2", "function f(x, y) = x + y*-(2-x)^2\n");
    assert_formats_to("function f(x) = not ( x< -1 or x>=2 )", "function f(x) = not (x < -1 or x >= 2)\n");
    assert_formats_to("function f(x) = [ 1,x ] [ 0 ]  @  x", "function f(x) = [1, x][0] @ x\n");
    assert_formats_to("neuron N {\n\n\n  state u=0\n\n\n\n  input I\n\n}",
                      "neuron N {\n  state u = 0\n\n  input I\n}\n");
    assert_formats_to("neuron N { state u=0;input I }", "neuron N { state u = 0; input I }\n");
    assert_formats_to("neuron N\n{ }", "neuron N {}\n");
    assert_formats_to("neuron N {\nnoise ( s ) # why\n# own line\n}",
                      "neuron N {\n  noise(s)  # why\n  # own line\n}\n");
    assert_formats_to("function f(x) = g(\nx, # one\n2\n)", "function f(x) = g(\n    x,  # one\n    2\n)\n");
    assert_formats_to("function f(x) = x +\n\n2", "function f(x) = x +\n    2\n");
}

// A blank decides what belongs to a unit; printing must not move it.
static void format_keeps_units(void **state) {
    (void)state;
    assert_formats_to("function f(x) = 5ms + 0.3   /mV + 1/s + 1 / s",
                      "function f(x) = 5 ms + 0.3 /mV + 1/s + 1 / s\n");
    assert_formats_to("function f(x) = 5 ms ^2 + 5 ms^2 + 8 mV*ms + 8 mV * ms + 8 mV *ms",
                      "function f(x) = 5 ms ^ 2 + 5 ms^2 + 8 mV*ms + 8 mV * ms + 8 mV * ms\n");
    assert_formats_to("function f(x) = 3 /s(2) + 3 /h[1] + 2 h", "function f(x) = 3 / s(2) + 3 / h[1] + 2 h\n");
}

static const Ast *only_item(const Parsed *parsed) {
    assert_int_equal(parsed->file->count, 1);
    const Ast *block = parsed->file->child[0];
    return block->child[block->count - 1];
}

static void assert_dump(const char *text, const char *expected) {
    Parsed parsed = parse_good(text, strlen(text));
    Text out = {0};
    ast_dump(only_item(&parsed), &out);
    assert_string_equal(text_z(&out), expected);
    text_free(&out);
    done(&parsed);
}

static void spans_are_exact(void **state) {
    (void)state;
    assert_dump("network N { learn a[0].W by adam(r) from step 5, clamp 1 .. x }", "learn [12, 61)\n"
                                                                                   "  list [18, 24)\n"
                                                                                   "    member W [18, 24)\n"
                                                                                   "      index [18, 22)\n"
                                                                                   "        name a [18, 19)\n"
                                                                                   "        number 0 [20, 21)\n"
                                                                                   "  call [28, 35)\n"
                                                                                   "    name adam [28, 32)\n"
                                                                                   "    name r [33, 34)\n"
                                                                                   "  from step [36, 47)\n"
                                                                                   "    number 5 [46, 47)\n"
                                                                                   "  clamp [49, 61)\n"
                                                                                   "    number 1 [55, 56)\n"
                                                                                   "    name x [60, 61)\n");
    assert_dump("neuron N { output r = (a + b)*c initially -5 mV  # note\n}", "output r [11, 47)\n"
                                                                              "  binary * [22, 31)\n"
                                                                              "    binary + [23, 28)\n"
                                                                              "      name a [23, 24)\n"
                                                                              "      name b [27, 28)\n"
                                                                              "    name c [30, 31)\n"
                                                                              "  unary - [42, 47)\n"
                                                                              "    number 5 mV [43, 47)\n");
    assert_dump("neuron N { d(u) = 1, exponential }", "equation exponential [11, 32)\n"
                                                      "  call [11, 15)\n"
                                                      "    name d [11, 12)\n"
                                                      "    name u [13, 14)\n"
                                                      "  number 1 [18, 19)\n");
    Parsed parsed = parse("# é\nnetwork N {\n  connect w[k]: a -> b by D() for k in 0..4\n}\n");
    const Ast *connect = only_item(&parsed);
    assert_int_equal(connect->name_span.begin, 27);
    assert_int_equal(connect->name_span.end, 28);
    assert_int_equal(connect->count, 5);
    assert_int_equal(connect->child[4]->kind, AST_FOR);
    const char *file;
    uint32_t line, column;
    diag_position(parsed.diags, connect->span, &file, &line, &column);
    assert_string_equal(file, "test.leq");
    assert_int_equal(line, 3);
    assert_int_equal(column, 3);
    done(&parsed);
}

static const Ast *value_of(const Parsed *parsed) { return only_item(parsed); }

static void assert_value(const char *expression, const char *expected) {
    char text[256];
    snprintf(text, sizeof text, "function f(x) = %s", expression);
    Parsed parsed = parse_good(text, strlen(text));
    Text out = {0};
    ast_dump(value_of(&parsed), &out);
    char flat[1024];
    size_t length = 0;
    for (const char *c = text_z(&out); *c && length + 1 < sizeof flat; c++) { // names, kinds and depth only
        if (*c == '[')
            c = strchr(c, ')');
        else
            flat[length++] = *c == '\n' ? '|' : *c;
    }
    flat[length] = 0;
    text_free(&out);
    done(&parsed);
    if (strcmp(flat, expected) != 0) fail_msg("%s\n reads %s\n   not %s", expression, flat, expected);
}

static void operators_bind(void **state) {
    (void)state;
    assert_value("a - b - c", "binary - |  binary - |    name a |    name b |  name c |");
    assert_value("a ^ b ^ c", "binary ^ |  name a |  binary ^ |    name b |    name c |");
    assert_value("-a ^ 2", "unary - |  binary ^ |    name a |    number 2 |");
    assert_value("-a * b", "binary * |  unary - |    name a |  name b |");
    assert_value("2 ^ -x", "binary ^ |  number 2 |  unary - |    name x |");
    assert_value("a + b * c", "binary + |  name a |  binary * |    name b |    name c |");
    assert_value("not a == b and c", "binary and |  unary not |    binary == |      name a |      name b |  name c |");
    assert_value("a or b and c", "binary or |  name a |  binary and |    name b |    name c |");
    assert_value("a < b + 1", "binary < |  name a |  binary + |    name b |    number 1 |");
}

static void reductions_and_calls(void **state) {
    (void)state;
    assert_value("sum(i, j: W[i, j])",
                 "reduction sum |  name i |  name j |  index |    name W |    name i |    name j |");
    assert_value("sum(a, j)", "call |  name sum |  name a |  name j |");
    assert_value("f(a = 1, b ~ g(), c)",
                 "call |  name f |  argument a |    number 1 |  argument b draw |    call |      name g |  name c |");
    assert_value("sum(a.r over epoch)", "call |  name sum |  over epoch |    member r |      name a |");
}

static void assert_literal(const char *text, double number, const char *unit) {
    char whole[256];
    snprintf(whole, sizeof whole, "function f(x) = %s", text);
    Parsed parsed = parse_good(whole, strlen(whole));
    const Ast *value = value_of(&parsed);
    assert_int_equal(value->kind, AST_NUMBER);
    assert_ulp(value->number, number, 0);
    if (!same_atom(value->text, unit)) fail_msg("%s has the unit %s", text, value->text ? value->text : "none");
    done(&parsed);
}

static void numbers_and_units(void **state) {
    (void)state;
    assert_literal("5", 5, NULL);
    assert_literal("0.25", 0.25, NULL);
    assert_literal("1e-3", 1e-3, NULL);
    assert_literal("5 ms", 5, "ms");
    assert_literal("5ms", 5, "ms");
    assert_literal("0.3 /mV", 0.3, "/mV");
    assert_literal("8 mV*ms", 8, "mV*ms");
    assert_literal("2 mV^-1", 2, "mV^-1");
    assert_literal("3 nS/pF", 3, "nS/pF");
    assert_literal("360 steps", 360, "steps");
    assert_literal("1 epoch", 1, "epoch");
    assert_literal("50 %", 50, "%");
    assert_literal("1e308", 1e308, NULL);
    assert_literal("0e999", 0, NULL);
    assert_value("7 * dt", "binary * |  number 7 |  name dt |");
    assert_value("1/s", "binary / |  number 1 |  name s |");
    assert_value("1 / s", "binary / |  number 1 |  name s |");
    assert_value("2 ms * s", "binary * |  number 2 ms |  name s |");
}

// Words with a meaning of their own somewhere are free as names elsewhere.
static void keywords_are_contextual(void **state) {
    (void)state;
    static const char *const words[] = {
        "rate",  "step",   "steps",   "class",        "sample", "t",     "all",   "loss",   "signal", "train",
        "test",  "order",  "batch",   "presentation", "noise",  "count", "epoch", "epochs", "clamp",  "shuffle",
        "state", "input",  "output",  "weight",       "data",   "by",    "with",  "for",    "in",     "from",
        "until", "every",  "over",    "initially",    "gamma",  "end",   "of",    "neuron", "import", "exponential",
        "d",     "energy", "current", "label",        "target", "cost",  "phase", "score",  "record", "duration"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        char text[512];
        const char *w = words[i];
        snprintf(text, sizeof text,
                 "function f(%s) = %s + 2 * %s(%s, %s = 1).%s[%s]\n"
                 "neuron N(a, %s) {\n  state %s = 0\n  %s <- %s + 1\n  let %s = (%s)\n}\n",
                 w, w, w, w, w, w, w, w, w, w, w, w, w);
        Parsed parsed = parse_good(text, strlen(text));
        assert_int_equal(parsed.file->count, 2);
        done(&parsed);
    }
}

static void newlines_end_statements(void **state) {
    (void)state;
    assert_errors("function f(x) = x +\n  2 *\n\n  # why\n  3\nfunction g(x) = (\n x\n)\n", 0);
    assert_errors("function f(x) = x\n  + 2\n", 1);
    assert_errors("network N { let a = 1; let b = 2; }\n", 0);
    assert_errors("network N { let a = 1 let b = 2 }\n", 1);
    assert_errors("network N {\r\n  let a = 1\r\n}\r\n", 0);
    assert_errors("\xEF\xBB\xBFnetwork N {}", 0);
}

// ---- Errors

static void three_errors_in_one_file(void **state) {
    (void)state;
    const char *text = "neuron Slow(tau) {\n"
                       "  state u == 0\n"
                       "  input I\n"
                       "  energy 1/2 * (u - I^2\n"
                       "  output r = u\n"
                       "}\n"
                       "network M {\n"
                       "  popultion h = Slow[3](tau = 1)\n"
                       "  dt = 0.1\n"
                       "}\n";
    assert_errors(text, 3);
    assert_mentions(text, "error[E0102]: unexpected `==`\n  --> test.leq:2:11\n");
    assert_mentions(text, "error[E0107]: missing `)`\n  --> test.leq:4:24\n");
    assert_mentions(text, "note: the `(` was opened here\n  --> test.leq:4:16\n");
    assert_mentions(text, "error[E0103]: unknown statement `popultion`\n  --> test.leq:8:3\n");
    assert_mentions(text, "= help: did you mean `population`?\n");
    Parsed parsed = parse(text);
    assert_int_equal(parsed.file->count, 2);
    assert_int_equal(parsed.file->child[0]->count, 4); // parameters and what could be read
    assert_int_equal(parsed.file->child[1]->count, 3);
    done(&parsed);
}

static void expected_words_are_listed(void **state) {
    (void)state;
    assert_mentions("network M { connect a: b -> c }", "= expected: `by`, `[` or `.`\n");
    assert_mentions("neuron N { output r = 1 initialy 2 }",
                    "= expected: `initially`, the end of the line or an operator\n");
    assert_mentions("neuron N { on end of day { } }", "= expected: `presentation` or `epoch`\n");
    assert_mentions("function f(x) = ", "= expected: an expression\n");
    assert_mentions("function f(x) = ", "unexpected end of the file\n");
    assert_mentions("experiment E { evaluate test, bach 1 }",
                    "= expected: `batch`\n   = help: did you mean `batch`?\n");
    assert_mentions("neuron N { cost 1 }", "= expected: a statement such as `state`, `input`, `output` or `let`\n");
    assert_mentions("neuron N { cost 1 }", "= help: `cost` belongs in a network\n");
    assert_mentions("let a = 1", "= expected: a declaration such as `import`, `function`, `neuron` or `synapse`\n");
    assert_mentions("network N { order 5 }", "unexpected number `5`\n");
}

static void suggestions_are_made(void **state) {
    (void)state;
    assert_mentions("nueron N {}", "did you mean `neuron`?");
    assert_mentions("optimizer sgd(rate) {}", "did you mean `optimiser`?");
    assert_mentions("function f(x) == x", "a value is given with `=`");
    assert_mentions("function f(x) = x = 2", "`==` compares");
    assert_mentions("function f(x) = x ** 2", "a power is written `^`");
    assert_mentions("function f(x) = x // two", "a comment begins with `#`");
    assert_mentions("function f(x) = 2 x", "write `*` between factors");
    assert_mentions("function f(x) = g(x y)", "separate arguments with `,`");
    assert_mentions("function f(x) = x && x", "write `and`");
    assert_mentions("function f(x) = a < b < c", "comparisons do not chain");
    assert_mentions("function f(x) = x\n  + 2", "broken after an operator, not before it");
    assert_mentions("neuron N {\n  u = 5\n}", "write `let u = …`");
    assert_mentions("neuron N { state u = 0 input I }", "begin a new line before `input`");
    assert_mentions("network N { learn all by adam() clamp 0 .. 1 }", "write a `,` before `clamp`");
    assert_mentions("function f(x) = 3 × x", "write `*`");
}

static void brackets_are_balanced(void **state) {
    (void)state;
    const char *unclosed = "network M {\n  let a = [1, 2\n  let b = 3\n}\n";
    assert_errors(unclosed, 1);
    assert_mentions(unclosed, "missing `]`\n  --> test.leq:2:16\n");
    assert_mentions(unclosed, "the `[` was opened here\n  --> test.leq:2:11\n");
    assert_errors("function f(x) = (x]\n", 1);
    assert_errors("function f(x) = x)\nfunction g(x) = x\n", 1);
    assert_errors("function f(x) = )\nfunction g(x) = x\n", 1);
    assert_errors("network M {\n  let a = 1\nnetwork N {\n  let a = 1\n}\n", 1);
    assert_errors("network M {\n  let a = 1\n}\n}\nnetwork N {}\n", 1);
    assert_errors("network M {\n  let a = (1\n}\nnetwork N {}\n", 1);
    assert_errors("network M {\n  neuron X { state u = 0 }\n  let a = 1\n}\n", 1);
    assert_errors("neuron (a) { state u = }\nneuron B {}\n", 2);
    assert_errors("thing T {\n  state u = 0\n  input I\n}\nneuron N {}\n", 1);
}

static void lexical_errors(void **state) {
    (void)state;
    assert_mentions("function f(x) = 1e999", "E0105");
    assert_mentions("function f(x) = 1e-999", "E0105");
    assert_mentions("function f(x) = .5", "write a digit before the point: `0.5`");
    assert_mentions("function f(x) = 5.", "write a digit after the point: `5.0`");
    assert_mentions("function f(x) = 1e + x", "digits follow the `e`");
    assert_mentions("function f(x) = 0x10", "numbers are written in decimal");
    assert_mentions("function f(x) = 5mv", "did you mean the unit `mV`?");
    assert_mentions("function f(x) = 1_000", "without separators");
    assert_mentions("import \"a.leq\nimport \"b.leq\"", "E0109");
    assert_mentions("function f(τ) = 1", "write `tau`");
    assert_mentions("function f(x) = x \x01", "control character 0x01");
    assert_mentions("function f(x) = sum(1: x)", "an index must be a name");
    assert_mentions("function f(x) = g(i: x)", "`sum`, `mean`, `max` or `min`");
    Text digits = {0};
    text_add(&digits, "function f(x) = 1");
    for (int i = 0; i < 2000; i++) text_add(&digits, "1");
    assert_mentions(text_z(&digits), "E0105");
    text_free(&digits);
}

static void bytes_that_are_no_text(void **state) {
    (void)state;
    static const char zero[] = "network N {\0}\n";
    Parsed parsed = parse_bytes(zero, sizeof zero - 1);
    assert_int_equal(diag_error_count(parsed.diags), 1);
    done(&parsed);
    static const char *const wrong[] = {"# \xFF\n",         "# \xC0\x80\n",         "# \xE2\x82\n",
                                        "# \xED\xA0\x80\n", "# \xF4\x90\x80\x80\n", "\x80"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) assert_mentions(wrong[i], "E0005");
    assert_errors("# é 漢 🙂\nimport \"é.leq\"\n", 0);
}

static Text repeated(const char *before, const char *what, uint32_t count, const char *after) {
    Text text = {0};
    text_add(&text, before);
    while (count--) text_add(&text, what);
    text_add(&text, after);
    return text;
}

static void assert_too_deep(const char *before, const char *what, uint32_t count, const char *after) {
    Text text = repeated(before, what, count, after);
    Parsed parsed = parse_bytes(text.bytes, text.length);
    assert_int_equal(diag_error_count(parsed.diags), 1);
    Text out = {0};
    diag_print(parsed.diags, DIAG_PLAIN, &out);
    assert_non_null(strstr(text_z(&out), "E0106"));
    text_free(&out);
    ast_dump(parsed.file, &out);
    ast_format(parsed.file, text.bytes, text.length, &out);
    text_free(&out);
    done(&parsed);
    text_free(&text);
}

static void nesting_is_limited(void **state) {
    (void)state;
    assert_too_deep("function f(x) = ", "(", 100000, "x");
    assert_too_deep("function f(x) = ", "f(a, [", 5000, "x");
    assert_too_deep("neuron N {\n", "compartment c {\n", 1000, "state u = 0");
    assert_too_deep("function f(x) = x", " + x", 100000, "");
    assert_too_deep("function f(x) = x", ".x", 100000, "");
    assert_too_deep("function f(x) = ", "-", 100000, "x");
    assert_too_deep("function f(x) = ", "not ", 5000, "x");
    assert_too_deep("function f(x) = x", "^x", 100000, "");
    Text fine = repeated("function f(x) = ", "(", 200, "x");
    for (int i = 0; i < 200; i++) text_add(&fine, ")");
    assert_errors(text_z(&fine), 0);
    text_free(&fine);
    Text sum = repeated("function f(x) = x", " + x", 900, "");
    assert_round_trip(sum.bytes, sum.length);
    text_free(&sum);
}

static void size_is_limited(void **state) {
    (void)state;
    size_t length = 100u << 20;
    char *text = memory_resize(NULL, length, 1);
    memset(text, 'a', length);
    Parsed parsed = parse_bytes(text, length);
    assert_int_equal(diag_error_count(parsed.diags), 1);
    done(&parsed);
    length = 4u << 20;
    for (size_t i = 0; i < length; i++) text[i] = "a (\n"[i % 4]; // an error in every line
    parsed = parse_bytes(text, length);
    assert_true(diag_error_count(parsed.diags) > 0);
    done(&parsed);
    free(text);
    Text lines = repeated("network N {\n", "let (\n", 1u << 20, "}\n"); // as many unclosed brackets
    parsed = parse_bytes(lines.bytes, lines.length);
    assert_true(diag_error_count(parsed.diags) >= 100);
    done(&parsed);
    text_free(&lines);
}

// ---- Anything at all

static uint64_t next_random(uint64_t *state) { // xorshift
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void mutate(char *text, size_t *length, uint64_t *random) {
    static const char alphabet[] = "(){}[]\n\n;,.:=~<->+*/@^#\"0159 aestuW_\t\\\x80\xC3\xFF";
    static const char *const words[] = {"state ", "neuron N ", "{\n",    "}\n", " by ",
                                        " from ", "d(u) = ",   " over ", "->",  ".."};
    uint64_t r = next_random(random);
    size_t at = (size_t)(next_random(random) % *length);
    switch (r % 4) {
    case 0: text[at] = alphabet[(r >> 8) % (sizeof alphabet)]; break; // a zero byte, too
    case 1: memmove(text + at, text + at + 1, --*length - at); break;
    case 2: {
        size_t other = (size_t)((r >> 8) % *length);
        size_t count = (size_t)((r >> 40) % 40);
        for (size_t i = 0; i < count && at + i < *length && other + i < *length; i++) text[at + i] = text[other + i];
        break;
    }
    default: {
        const char *word = words[(r >> 8) % (sizeof words / sizeof *words)];
        for (size_t i = 0; word[i] && at + i < *length; i++) text[at + i] = word[i];
    }
    }
}

static void mutated_models_never_crash(void **state) {
    (void)state;
    uint64_t random = 0x9E3779B97F4A7C15u;
    uint32_t sound = 0;
    for (int round = 0; round < 4000; round++) {
        Text text = read_model(models[round % MODEL_COUNT]);
        char *copy = memory_resize(NULL, text.length, 1); // without a final zero, so that overruns are seen
        size_t length = text.length;
        memcpy(copy, text.bytes, length);
        for (uint64_t count = 1 + next_random(&random) % 8; count > 0 && length > 1; count--)
            mutate(copy, &length, &random);
        copy = memory_resize(copy, length, 1);
        Parsed parsed = parse_bytes(copy, length);
        Text out = {0};
        diag_print(parsed.diags, round % 2 ? DIAG_JSON : DIAG_COLOUR, &out);
        ast_dump(parsed.file, &out);
        text_free(&out);
        if (!diag_error_count(parsed.diags)) {
            assert_round_trip(copy, length);
            sound++;
        }
        done(&parsed);
        free(copy);
        text_free(&text);
    }
    assert_true(sound > 100); // some mutations are in comments and names
}

static void kinds_have_names(void **state) {
    (void)state;
    assert_string_equal(ast_kind_name(AST_NUMBER), "number");
    assert_string_equal(ast_kind_name(AST_POPULATION), "population");
    assert_string_equal(ast_kind_name(AST_RECORD), "record");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(models_survive_printing),
        cmocka_unit_test(comments_are_kept),
        cmocka_unit_test(format_is_canonical),
        cmocka_unit_test(format_keeps_units),
        cmocka_unit_test(spans_are_exact),
        cmocka_unit_test(operators_bind),
        cmocka_unit_test(reductions_and_calls),
        cmocka_unit_test(numbers_and_units),
        cmocka_unit_test(keywords_are_contextual),
        cmocka_unit_test(newlines_end_statements),
        cmocka_unit_test(three_errors_in_one_file),
        cmocka_unit_test(expected_words_are_listed),
        cmocka_unit_test(suggestions_are_made),
        cmocka_unit_test(brackets_are_balanced),
        cmocka_unit_test(lexical_errors),
        cmocka_unit_test(bytes_that_are_no_text),
        cmocka_unit_test(nesting_is_limited),
        cmocka_unit_test(size_is_limited),
        cmocka_unit_test(mutated_models_never_crash),
        cmocka_unit_test(kinds_have_names),
    };
    return cmocka_run_group_tests_name("parser", tests, NULL, NULL);
}
