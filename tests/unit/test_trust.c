// Fingerprints, manifests as JSON, checkpoints as bytes.
#include "../../runtime/checkpoint.h"
#include "../../runtime/files.h"
#include "../../runtime/json.h"
#include "../../runtime/sha256.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void assert_hash(const char *bytes, size_t length, size_t piece, const char *expected) {
    Sha256 hash;
    char text[65];
    sha256_begin(&hash);
    for (size_t i = 0; i < length; i += piece) sha256_add(&hash, bytes + i, length - i < piece ? length - i : piece);
    sha256_end(&hash, text);
    assert_string_equal(text, expected);
}

// The examples of FIPS 180-4 and of its test vectors.
static void fingerprints_are_those_of_the_standard(void **state) {
    (void)state;
    assert_hash("", 0, 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_hash("abc", 3, 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_hash("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56, 9,
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    char *million = malloc(1000000);
    memset(million, 'a', 1000000);
    assert_hash(million, 1000000, 977, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    free(million);
}

static void json_is_read_and_written(void **state) {
    (void)state;
    static const char text[] = "{\"a\": [1, -2.5e3, true, null, {}], \"b\\n\": \"\\u00e4\\ud83d\\ude00 \\\"q\\\"\"}";
    Arena *arena = arena_new();
    Text error = {0}, out = {0};
    const Json *root = json_parse(arena, text, strlen(text), &error);
    assert_non_null(root);
    assert_string_equal(json_string(root, "b\n"), "\xC3\xA4\xF0\x9F\x98\x80 \"q\"");
    assert_null(json_string(root, "a"));
    assert_string_equal(json_member(root, "a")->first->next->text, "-2.5e3");
    json_add_string(&out, "a\"\\\n\xC3\xA4\xFF");
    assert_string_equal(text_z(&out), "\"a\\\"\\\\\\u000a\xC3\xA4\\ufffd\"");
    text_free(&out);
    arena_free(arena);
}

static void wrong_json_is_refused(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "",           "{",         "{\"a\"}", "[1,]", "[1 2]", "\"",     "\"\\x\"",
        "{\"a\":1}x", "\"\\u12\"", "nul",     "-",    "{1:2}", "\"\n\"", "\"\\ud83d\\u12\""};
    Arena *arena = arena_new();
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        Text error = {0};
        if (json_parse(arena, wrong[i], strlen(wrong[i]), &error)) fail_msg("accepted: %s", wrong[i]);
        assert_true(error.length > 0);
        text_free(&error);
    }
    Text deep = {0}, error = {0};
    for (int i = 0; i < 100000; i++) text_add(&deep, "[");
    assert_null(json_parse(arena, deep.bytes, deep.length, &error));
    text_free(&deep);
    text_free(&error);
    arena_free(arena);
}

typedef struct Content {
    double reals[3];
    float singles[5];
    int64_t wholes[2];
    Text text;
} Content;

static void describe(Content *content, Checkpoint *checkpoint) {
    checkpoint_reals(checkpoint, "reals", content->reals, 3);
    checkpoint_singles(checkpoint, "singles", content->singles, 5);
    checkpoint_wholes(checkpoint, "wholes", content->wholes, 2);
    checkpoint_text(checkpoint, "text", &content->text);
    checkpoint_reals(checkpoint, "nothing", NULL, 0);
}

static void write_content(const char *path) {
    Content content = {{0.1, -0.0, 1e308}, {1, 2, 3, 4, -5}, {INT64_MIN, 42}, {0}};
    Text error = {0};
    text_add(&content.text, "a text");
    Checkpoint *checkpoint = checkpoint_new(path, &error);
    assert_non_null(checkpoint);
    assert_false(checkpoint_restores(checkpoint));
    describe(&content, checkpoint);
    assert_true(checkpoint_close(checkpoint, &error));
    text_free(&content.text);
}

static Checkpoint *open_written(void) {
    write_content("c");
    Text error = {0};
    Checkpoint *checkpoint = checkpoint_open("c", &error);
    assert_non_null(checkpoint);
    return checkpoint;
}

static void a_checkpoint_gives_back_what_it_got(void **state) {
    (void)state;
    Text error = {0};
    Content content = {0};
    Checkpoint *checkpoint = open_written();
    assert_int_equal(checkpoint_count(checkpoint, "singles"), 5);
    assert_int_equal(checkpoint_count(checkpoint, "other"), -1);
    describe(&content, checkpoint);
    assert_true(checkpoint_close(checkpoint, &error));
    assert_true(content.reals[0] == 0.1 && content.reals[2] == 1e308 && content.singles[4] == -5);
    assert_true(content.wholes[0] == INT64_MIN && content.wholes[1] == 42);
    assert_string_equal(text_z(&content.text), "a text");
    text_free(&content.text);
    unlink("c");
}

// A file with right checksums may have been made up: what is counted on from must not overflow.
static void a_count_without_end_is_refused(void **state) {
    (void)state;
    Text error = {0};
    Content content = {0};
    Checkpoint *checkpoint = open_written();
    checkpoint_counts(checkpoint, "wholes", content.wholes, 2); // holds INT64_MIN
    assert_true(checkpoint_failed(checkpoint));
    assert_false(checkpoint_close(checkpoint, &error));
    assert_non_null(strstr(text_z(&error), "`wholes` holds -9223372036854775808, and no run counts so far"));
    text_free(&error);
    unlink("c");
}

// The bytes are those of docs/checkpoints.md.
static void its_bytes_are_documented(void **state) {
    (void)state;
    write_content("c");
    Text bytes = {0}, error = {0};
    assert_true(file_read("c", &bytes, &error));
    static const unsigned char start[] = {0x89, 'L', 'E', 'Q', 'C', 'K', '\r', '\n', 1,   0,   0,  0, 0,
                                          0,    0,   0,   4,   0,   0,   0,    5,    0,   0,   0,  3, 0,
                                          0,    0,   0,   0,   0,   0,   'r',  'e',  'a', 'l', 's'};
    assert_memory_equal(bytes.bytes, start, sizeof start);
    // reals 16+8+24+8, singles 16+8+24+8, wholes 16+8+16+8, text 16+8+8+8, nothing 16+8+0+8, end 24
    assert_int_equal(bytes.length, 16 + 56 + 56 + 48 + 40 + 32 + 24);
    text_free(&bytes);
    unlink("c");
}

static void refuse(const char *what, void (*use)(Checkpoint *)) {
    Text error = {0};
    Checkpoint *checkpoint = checkpoint_open("c", &error);
    assert_non_null(checkpoint);
    use(checkpoint);
    assert_false(checkpoint_close(checkpoint, &error));
    if (!strstr(text_z(&error), what)) fail_msg("%s", text_z(&error));
    text_free(&error);
}

static void use_missing(Checkpoint *c) {
    double x;
    checkpoint_reals(c, "unreal", &x, 1);
}
static void use_other_count(Checkpoint *c) {
    double x[2];
    checkpoint_reals(c, "reals", x, 2);
}
static void use_other_type(Checkpoint *c) {
    float x[3];
    checkpoint_singles(c, "reals", x, 3);
}
static void use_some(Checkpoint *c) {
    double x[3];
    checkpoint_reals(c, "reals", x, 3);
}

static void what_does_not_fit_is_named(void **state) {
    (void)state;
    write_content("c");
    refuse("c: belongs to another model: it has no section `unreal`", use_missing);
    refuse("`reals` has 3 numbers instead of 2", use_other_count);
    refuse("`reals` holds doubles instead of floats", use_other_type);
    refuse("nothing here uses its section `singles`", use_some);
    unlink("c");
}

static void what_is_cut_short_or_changed_is_refused(void **state) {
    (void)state;
    write_content("c");
    Text bytes = {0}, error = {0};
    assert_true(file_read("c", &bytes, &error));
    for (size_t length = 0; length < bytes.length; length++) {
        char *copy = malloc(length + 1); // so that a read behind the end is noticed
        memcpy(copy, bytes.bytes, length);
        if (checkpoint_parse("cut", copy, length, &error)) fail_msg("accepted with %zu bytes", length);
        free(copy);
    }
    for (size_t at = 0; at < bytes.length; at++)
        for (int bit = 0; bit < 8; bit++) {
            bytes.bytes[at] ^= (char)(1 << bit);
            if (checkpoint_parse("changed", bytes.bytes, bytes.length, &error)) fail_msg("bit %d of byte %zu", bit, at);
            bytes.bytes[at] ^= (char)(1 << bit);
        }
    text_free(&bytes);
    text_free(&error);
    unlink("c");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fingerprints_are_those_of_the_standard),
        cmocka_unit_test(json_is_read_and_written),
        cmocka_unit_test(wrong_json_is_refused),
        cmocka_unit_test(a_checkpoint_gives_back_what_it_got),
        cmocka_unit_test(a_count_without_end_is_refused),
        cmocka_unit_test(its_bytes_are_documented),
        cmocka_unit_test(what_does_not_fit_is_named),
        cmocka_unit_test(what_is_cut_short_or_changed_is_refused),
    };
    char folder[] = "/tmp/lequel-test-XXXXXX";
    if (!mkdtemp(folder) || chdir(folder) != 0) return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(folder);
    return failed;
}
