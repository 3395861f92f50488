// Files of numbers: every format and number type, damaged and hostile files, and writers that never leave half a file.
#define _POSIX_C_SOURCE 200809L
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "assert_close.h"
#include "runtime/data/random.h"
#include "runtime/data/table.h"
#include <dirent.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

// --- helpers -------------------------------------------------------------------------------------------------------

static bool parse(const char *name, const char *member, const Text *bytes, Table *table, Text *error) {
    error->length = 0;
    // A copy of exactly that size lets the address sanitizer see any read beyond it.
    void *copy = malloc(bytes->length ? bytes->length : 1);
    if (bytes->length) memcpy(copy, bytes->bytes, bytes->length);
    bool fine = table_parse(name, member, copy, bytes->length, (TableOptions){0}, table, error);
    free(copy);
    return fine;
}

static void assert_table(const Table *table, int rank, const int64_t *shape, const double *values) {
    assert_int_equal(table->rank, rank);
    for (int i = 0; i < rank; i++) assert_int_equal(table->shape[i], shape[i]);
    for (int64_t i = 0; i < table_count(table); i++) assert_close(table->data[i], values[i], 0);
}

// Parses and compares, then frees.
static void assert_parses(const char *name, const Text *bytes, int rank, const int64_t *shape, const double *values) {
    Table table;
    Text error = {0};
    if (!parse(name, NULL, bytes, &table, &error)) fail_msg("%s", text_z(&error));
    assert_table(&table, rank, shape, values);
    table_free(&table);
    text_free(&error);
}

static void assert_refused(const char *name, const char *member, const Text *bytes, const char *sentence) {
    Table table;
    Text error = {0};
    if (parse(name, member, bytes, &table, &error)) fail_msg("accepted; expected: %s", sentence);
    assert_null(table.data);
    assert_string_equal(text_z(&error), sentence);
    text_free(&error);
}

static Text text_of(const char *string) {
    Text text = {0};
    text_add(&text, string);
    return text;
}

static void add_integer(Text *text, uint64_t bits, int bytes, bool big_endian) {
    for (int i = 0; i < bytes; i++) {
        char byte = (char)(bits >> 8 * (big_endian ? bytes - 1 - i : i) & 255);
        text_add_bytes(text, &byte, 1);
    }
}

static void add_number(Text *text, double value, char kind, int bytes, bool big_endian) {
    uint64_t bits = 0;
    float narrow = (float)value;
    if (kind == 'f' && bytes == 8) memcpy(&bits, &value, 8);
    if (kind == 'f' && bytes == 4) {
        uint32_t word;
        memcpy(&word, &narrow, 4);
        bits = word;
    }
    if (kind != 'f') bits = (uint64_t)(int64_t)value;
    add_integer(text, bits, bytes, big_endian);
}

static Text npy_of(int version, const char *dictionary) {
    Text npy = {0};
    text_add_bytes(&npy, "\x93NUMPY", 6);
    add_integer(&npy, (uint64_t)version, 1, false);
    add_integer(&npy, 0, 1, false);
    add_integer(&npy, strlen(dictionary) + 1, version == 1 ? 2 : 4, false);
    text_add(&npy, dictionary);
    text_add(&npy, "\n");
    return npy;
}

static Text small_npy(void) { // [[1, 2, 3], [4, 5, 6]]
    Text npy = npy_of(1, "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }");
    for (int i = 1; i <= 6; i++) add_number(&npy, i, 'f', 8, false);
    return npy;
}

typedef struct ZipMember {
    const char *name;
    Text content;
    bool deflated, large; // large: sizes and offset stand in a 64-bit extra field of the directory
} ZipMember;

static Text deflate_raw(const Text *content) {
    Text packed = {0};
    z_stream stream = {0};
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    Bytef room[4096];
    stream.next_in = (Bytef *)content->bytes;
    stream.avail_in = (uInt)content->length;
    stream.next_out = room;
    stream.avail_out = sizeof room;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    text_add_bytes(&packed, (char *)room, sizeof room - stream.avail_out);
    deflateEnd(&stream);
    return packed;
}

// The 26 bytes that local and central entries share.
static void add_zip_entry(Text *zip, const ZipMember *member, size_t packed_size, bool large) {
    const int widths[] = {2, 2, 2, 2, 2, 4, 4, 4, 2, 2};
    const uint64_t values[] = {20,
                               0,
                               member->deflated ? 8 : 0,
                               0,
                               33,
                               crc32(0, (const Bytef *)member->content.bytes, (uInt)member->content.length),
                               large ? UINT32_MAX : packed_size,
                               large ? UINT32_MAX : member->content.length,
                               strlen(member->name),
                               large ? 28 : 0};
    for (int i = 0; i < 10; i++) add_integer(zip, values[i], widths[i], false);
}

static void add_large_sizes(Text *directory, size_t size, size_t packed_size, size_t offset) {
    add_integer(directory, 1, 2, false);
    add_integer(directory, 24, 2, false);
    add_integer(directory, size, 8, false);
    add_integer(directory, packed_size, 8, false);
    add_integer(directory, offset, 8, false);
}

// The 64-bit end record and the pointer to it.
static void add_large_end(Text *zip, int count, size_t directory_size, size_t start) {
    size_t record = zip->length;
    text_add_bytes(zip, "PK\6\6\54\0\0\0\0\0\0\0\55\0\55\0\0\0\0\0\0\0\0\0", 24);
    add_integer(zip, (uint64_t)count, 8, false);
    add_integer(zip, (uint64_t)count, 8, false);
    add_integer(zip, directory_size, 8, false);
    add_integer(zip, start, 8, false);
    text_add_bytes(zip, "PK\6\7\0\0\0\0", 8);
    add_integer(zip, record, 8, false);
    add_integer(zip, 1, 4, false);
}

static Text zip_of(ZipMember *members, int count) { // frees the contents
    Text zip = {0}, directory = {0};
    bool large = count && members[0].large;
    for (int i = 0; i < count; i++) {
        Text packed = members[i].deflated ? deflate_raw(&members[i].content) : members[i].content;
        size_t offset = zip.length;
        text_add_bytes(&zip, "PK\3\4", 4);
        add_zip_entry(&zip, &members[i], packed.length, false);
        text_add(&zip, members[i].name);
        text_add_bytes(&zip, packed.bytes, packed.length);
        text_add_bytes(&directory, "PK\1\2\24\0", 6);
        add_zip_entry(&directory, &members[i], packed.length, members[i].large);
        text_add_bytes(&directory, "\0\0\0\0\0\0\0\0\0", 10); // comment, disk, attributes
        add_integer(&directory, members[i].large ? UINT32_MAX : offset, 4, false);
        text_add(&directory, members[i].name);
        if (members[i].large) add_large_sizes(&directory, members[i].content.length, packed.length, offset);
        if (members[i].deflated) text_free(&packed);
        text_free(&members[i].content);
    }
    size_t start = zip.length;
    if (count) text_add_bytes(&zip, directory.bytes, directory.length);
    if (large) add_large_end(&zip, count, directory.length, start);
    text_add_bytes(&zip, "PK\5\6\0\0\0\0", 8);
    add_integer(&zip, large ? UINT16_MAX : (uint64_t)count, 2, false);
    add_integer(&zip, large ? UINT16_MAX : (uint64_t)count, 2, false);
    add_integer(&zip, directory.length, 4, false);
    add_integer(&zip, large ? UINT32_MAX : start, 4, false);
    add_integer(&zip, 0, 2, false);
    text_free(&directory);
    return zip;
}

static Text small_npz(bool deflated, bool second) {
    ZipMember members[2] = {{"a.npy", small_npy(), deflated, false}, {"b.npy", {0}, !deflated, false}};
    if (second) members[1].content = npy_of(2, "{'descr': '|b1', 'fortran_order': False, 'shape': (0,), }");
    return zip_of(members, second ? 2 : 1);
}

static Text large_npz(void) { return zip_of(&(ZipMember){"a.npy", small_npy(), true, true}, 1); }

static Text gzip_of(const Text *content) {
    Text packed = deflate_raw(content), gzip = {0};
    text_add_bytes(&gzip, "\x1F\x8B\10\0\0\0\0\0\0\3", 10);
    text_add_bytes(&gzip, packed.bytes, packed.length);
    add_integer(&gzip, crc32(0, (const Bytef *)content->bytes, (uInt)content->length), 4, false);
    add_integer(&gzip, content->length, 4, false);
    text_free(&packed);
    return gzip;
}

// --- .npy ----------------------------------------------------------------------------------------------------------

static void npy_holds_every_number_type_in_both_byte_orders(void **state) {
    (void)state;
    static const struct {
        const char *type;
        double low, high;
    } TYPES[] = {{"i1", -128, 127},
                 {"i2", -32768, 32767},
                 {"i4", -2147483648.0, 2147483647},
                 {"i8", -9007199254740992.0, 9007199254740992.0},
                 {"u1", 0, 255},
                 {"u2", 0, 65535},
                 {"u4", 0, 4294967295.0},
                 {"u8", 0, 9007199254740992.0},
                 {"f4", -0.15625, 3e38f},
                 {"f8", -1e-310, 0.1}};
    for (size_t i = 0; i < sizeof TYPES / sizeof *TYPES; i++)
        for (int big = 0; big < 2; big++) {
            char dictionary[100];
            snprintf(dictionary, sizeof dictionary, "{'descr': '%c%s', 'fortran_order': False, 'shape': (3,), }",
                     "<>"[big], TYPES[i].type);
            Text npy = npy_of(1 + (int)i % 3, dictionary);
            double values[3] = {TYPES[i].low, 5, TYPES[i].high};
            for (int k = 0; k < 3; k++) add_number(&npy, values[k], TYPES[i].type[0], TYPES[i].type[1] - '0', big);
            assert_parses("x", &npy, 1, (int64_t[]){3}, values);
            text_free(&npy);
        }
}

static void npy_holds_half_precision_and_truth_values(void **state) {
    (void)state;
    static const uint16_t BITS[] = {0x3C00, 0xC000, 0x7BFF, 0x0001, 0x0400, 0x3555, 0x7C00, 0xFC00, 0x7E00, 0x8000};
    static const double VALUES[] = {1, -2, 65504, 0x1p-24, 0x1p-14, 0x1.554p-2, HUGE_VAL, -HUGE_VAL, (double)NAN, 0};
    Text half = npy_of(1, "{'descr': '>f2', 'fortran_order': False, 'shape': (10,), }");
    for (int i = 0; i < 10; i++) add_integer(&half, BITS[i], 2, true);
    assert_parses("x.npy", &half, 1, (int64_t[]){10}, VALUES);
    text_free(&half);
    Text truth = npy_of(1, "{'descr': '|b1', 'fortran_order': True, 'shape': (1, 3)}");
    text_add_bytes(&truth, "\0\1\5", 3);
    assert_parses("x.npy", &truth, 2, (int64_t[]){1, 3}, (double[]){0, 1, 1});
    text_free(&truth);
}

static void npy_in_fortran_order_is_turned(void **state) {
    (void)state;
    Text npy = npy_of(1, "{'descr': '<i2', 'fortran_order': True, 'shape': (2, 3, 2), }");
    double values[12];
    for (int k = 0; k < 2; k++)
        for (int j = 0; j < 3; j++)
            for (int i = 0; i < 2; i++) {
                values[(i * 3 + j) * 2 + k] = 100 * i + 10 * j + k;
                add_number(&npy, 100 * i + 10 * j + k, 'i', 2, false);
            }
    assert_parses("x.npy", &npy, 3, (int64_t[]){2, 3, 2}, values);
    text_free(&npy);
}

static void npy_headers_may_look_different(void **state) {
    (void)state;
    static const char *const HEADERS[] = {
        "{\"shape\": (3L,), \"descr\": \"<i1\", \"fortran_order\": True}",
        "{'shape':(3),'fortran_order':False,'descr':'=i1'}",
        "  { 'descr' : 'i1' , 'fortran_order' : False , 'shape' : ( 3 , ) , }      \n   ",
    };
    for (int i = 0; i < 3; i++) {
        Text npy = npy_of(3, HEADERS[i]);
        text_add(&npy, "\1\2\3");
        assert_parses("x.npy", &npy, 1, (int64_t[]){3}, (double[]){1, 2, 3});
        text_free(&npy);
    }
    Text scalar = npy_of(1, "{'descr': '|u1', 'fortran_order': False, 'shape': ()}");
    text_add(&scalar, "\7");
    assert_parses("x.npy", &scalar, 0, NULL, (double[]){7});
    text_free(&scalar);
    Text empty = npy_of(1, "{'descr': '<f8', 'fortran_order': True, 'shape': (0, 4)}");
    assert_parses("x.npy", &empty, 2, (int64_t[]){0, 4}, NULL);
    text_free(&empty);
}

static void npy_errors_name_the_place(void **state) {
    (void)state;
#define HEAD "{'descr': '<f8', 'fortran_order': False, 'shape': "
    static const struct {
        const char *header, *sentence;
    } CASES[] = {
        {HEAD "(2,)}", "x.npy: has 8 bytes of numbers from byte 66 on, but its header promises 2 numbers of 8 bytes"},
        {HEAD "()}", NULL},
        {HEAD "(0,)}", "x.npy: has 8 bytes of numbers from byte 66 on, but its header promises 0 numbers of 8 bytes"},
        {HEAD "(99999999999, 99999999999)}", "x.npy: its header gives a shape that is too large"},
        {HEAD "(0, 99999999999, 99999999999)}", "x.npy: its header gives a shape that is too large"},
        {HEAD "(99999999999999999999,)}", "x.npy: byte 79: the size of an axis is too large"},
        {HEAD "(1, 1, 1, 1, 1, 1, 1, 1, 1)}", "x.npy: byte 85: a table has at most 8 axes"},
        {HEAD "(-1,)}", "x.npy: byte 61: expected the size of an axis in the header"},
        {HEAD "(1 1)}", "x.npy: byte 63: expected `,` or `)` in the header"},
        {HEAD "(1,)", "x.npy: byte 65: expected `,` or `}` in the header"},
        {HEAD "(1,)} junk", "x.npy: byte 66: expected nothing after `}` in the header"},
        {HEAD "(1,), 'shape': (1,)}",
         "x.npy: byte 66: expected each of the keys descr, fortran_order, shape once in the header"},
        {"{'descr': '<f8', 'fortran_order': False}",
         "x.npy: byte 50: expected the keys descr, fortran_order and shape in the header"},
        {"{'descr': '<f8', 'fortran_order': 0}", "x.npy: byte 44: expected True or False in the header"},
        {"{'descr': '<c8'}",
         "x.npy: byte 20: cannot read numbers of the type `<c8`; expected f2 f4 f8, i1 to i8, u1 to u8 or b1"},
        {"{'descr': '<f16'}",
         "x.npy: byte 20: cannot read numbers of the type `<f16`; expected f2 f4 f8, i1 to i8, u1 to u8 or b1"},
        {"{'descr': [('a', '<f8')]}", "x.npy: byte 20: holds records; only arrays of plain numbers can be read"},
        {"{'descr': f8}", "x.npy: byte 20: expected a quoted type in the header"},
        {"{'descr': ''}",
         "x.npy: byte 20: cannot read numbers of the type ``; expected f2 f4 f8, i1 to i8, u1 to u8 or b1"},
        {"", "x.npy: byte 11: expected `{` in the header"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        Text npy = npy_of(1, CASES[i].header);
        add_number(&npy, 1, 'f', 8, false);
        if (CASES[i].sentence)
            assert_refused("x.npy", NULL, &npy, CASES[i].sentence);
        else
            assert_parses("x.npy", &npy, 0, NULL, (double[]){1});
        text_free(&npy);
    }
}

static void mislabelled_files_are_refused(void **state) {
    (void)state;
    Text text = text_of("1,2\n"), zeros = {0}, npy = small_npy();
    text_add_bytes(&zeros, "\0\0\0\0\0\0\0\0", 8);
    assert_refused("x.npy", NULL, &text, "x.npy: byte 0: expected the mark \\x93NUMPY that a .npy file starts with");
    assert_refused("x.npz", NULL, &text, "x.npz: byte 0: expected the mark PK that a .npz file starts with");
    assert_refused("train-idx1-ubyte", NULL, &text,
                   "train-idx1-ubyte: byte 0: expected two zero bytes, a type and a rank, as an IDX file starts");
    assert_refused("x.csv", NULL, &zeros, "x.csv: byte 0: expected the start of a .npy, .npz, .csv or IDX file");
    assert_refused("x.csv", "a", &text, "x.csv: has no members, so `:a` names nothing; only .npz files have them");
    assert_parses("x.csv", &npy, 2, (int64_t[]){2, 3}, (double[]){1, 2, 3, 4, 5, 6}); // the content decides
    zeros.length = 0;
    assert_refused("x.csv", NULL, &zeros, "x.csv: is empty; expected a .npy, .npz, .csv or IDX file");
    text_free(&text);
    text_free(&zeros);
    text_free(&npy);
}

// --- .npz ----------------------------------------------------------------------------------------------------------

static void npz_members_are_found_and_unpacked(void **state) {
    (void)state;
    for (int deflated = 0; deflated < 2; deflated++) {
        Text one = small_npz(deflated, false), two = small_npz(deflated, true), error = {0};
        assert_parses("x.npz", &one, 2, (int64_t[]){2, 3}, (double[]){1, 2, 3, 4, 5, 6});
        Table table;
        assert_true(parse("x.npz", "a", &two, &table, &error));
        assert_table(&table, 2, (int64_t[]){2, 3}, (double[]){1, 2, 3, 4, 5, 6});
        table_free(&table);
        assert_true(parse("x.npz", "b.npy", &two, &table, &error));
        assert_table(&table, 1, (int64_t[]){0}, NULL);
        table_free(&table);
        assert_refused("x.npz", NULL, &two, "x.npz: holds 2 arrays; say which one by `x.npz:NAME`: a, b");
        assert_refused("x.npz", "c", &two, "x.npz: has no member `c`; it has a, b");
        text_free(&one);
        text_free(&two);
        text_free(&error);
    }
    Text large = large_npz();
    assert_parses("x.npz", &large, 2, (int64_t[]){2, 3}, (double[]){1, 2, 3, 4, 5, 6});
    text_free(&large);
    Text none = zip_of(NULL, 0);
    assert_refused("x.npz", NULL, &none, "x.npz: holds no arrays");
    text_free(&none);
}

static void npz_sizes_may_be_lies(void **state) {
    (void)state;
    Text npz = small_npz(true, false);
    size_t directory =
        (size_t)(unsigned char)npz.bytes[npz.length - 6] | (size_t)(unsigned char)npz.bytes[npz.length - 5] << 8;
    memcpy(npz.bytes + directory + 24, "\xFE\xFF\xFF\xFF", 4); // nearly 4 GiB from a few bytes
    assert_refused("x.npz", NULL, &npz, "x.npz:a: its compressed data is damaged");
    npz.bytes[directory + 10] = 12;
    assert_refused("x.npz", NULL, &npz, "x.npz:a: is packed by method 12; expected stored (0) or deflated (8)");
    npz.bytes[directory + 8] = 1;
    assert_refused("x.npz", NULL, &npz, "x.npz:a: is encrypted");
    npz.length -= 22;
    assert_refused("x.npz", NULL, &npz, "x.npz: has no directory at its end; the file is cut short or no .npz");
    text_free(&npz);
}

// --- IDX and gzip --------------------------------------------------------------------------------------------------

static Text small_idx(void) {
    Text idx = {0};
    text_add_bytes(&idx, "\0\0\x0B\2\0\0\0\2\0\0\0\2", 12);
    for (int i = 0; i < 4; i++) add_number(&idx, 100 * i - 150, 'i', 2, true);
    return idx;
}

static void idx_holds_every_number_type(void **state) {
    (void)state;
    static const char KINDS[] = "ui\0iiff", WIDTHS[] = {1, 1, 0, 2, 4, 4, 8};
    for (int code = 8; code <= 14; code++) {
        Text idx = {0};
        if (!WIDTHS[code - 8]) continue;
        add_integer(&idx, (uint64_t)code << 8 | 1, 4, true);
        add_integer(&idx, 3, 4, true);
        double values[3] = {1, code == 8 ? 200 : -3, 7};
        for (int i = 0; i < 3; i++) add_number(&idx, values[i], KINDS[code - 8], WIDTHS[code - 8], true);
        assert_parses("x", &idx, 1, (int64_t[]){3}, values);
        text_free(&idx);
    }
}

static void idx_errors_name_the_place(void **state) {
    (void)state;
    Text idx = small_idx();
    idx.length--;
    assert_refused("x", NULL, &idx,
                   "x: has 7 bytes of numbers from byte 12 on, but its header promises 4 numbers of 2 bytes");
    idx.length = 9;
    assert_refused("x", NULL, &idx, "x: ends at byte 9, within the sizes of its 2 axes");
    idx.bytes[3] = 9;
    assert_refused("x", NULL, &idx, "x: byte 3: rank 9, but a table has at most 8 axes");
    idx.length = 0;
    text_add_bytes(&idx, "\0\0\x08\4\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 20);
    assert_refused("x", NULL, &idx, "x: byte 4: the sizes of its axes are too large");
    text_free(&idx);
}

static void gzip_is_seen_through(void **state) {
    (void)state;
    Text idx = small_idx(), csv = text_of("a\n1\n2\n"), packed_idx = gzip_of(&idx), packed_csv = gzip_of(&csv);
    assert_parses("x-ubyte.gz", &packed_idx, 2, (int64_t[]){2, 2}, (double[]){-150, -50, 50, 150});
    assert_parses("x.csv.gz", &packed_csv, 2, (int64_t[]){2, 1}, (double[]){1, 2});
    packed_idx.bytes[packed_idx.length - 1] ^= 1;
    assert_refused("x.gz", NULL, &packed_idx, "x.gz: is a damaged gzip file");
    packed_csv.length -= 9;
    assert_refused("x.gz", NULL, &packed_csv, "x.gz: is a damaged gzip file");
    text_free(&idx);
    text_free(&csv);
    text_free(&packed_idx);
    text_free(&packed_csv);
}

// --- CSV -----------------------------------------------------------------------------------------------------------

static void csv_has_many_dialects(void **state) {
    (void)state;
    static const char *const FILES[] = {
        "1,2,3\n4,5,6\n",
        "1;2;3\r\n4;5;6",
        "1\t2\t3\r4\t5\t6\r",
        "\xEF\xBB\xBF# made by hand\n\n a , b , c # names\n +1 , 2e0 , 3.\n  # between\n4.0,.5e1,6\n   \n",
        "\"x, y\";\"\"\"q\"\"\";\"1\"\n1;\"2\";3\n4;5;6\n",
        "\"1\",\"2\",\"3\"\n1,2,3\n4,5,6\n",
    };
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++) {
        Text csv = text_of(FILES[i]);
        assert_parses("x.csv", &csv, 2, (int64_t[]){2, 3}, (double[]){1, 2, 3, 4, 5, 6});
        text_free(&csv);
    }
    setlocale(LC_ALL, "de_DE.UTF-8"); // whether or not it is installed
    Text point = text_of("0.5");
    assert_parses("x.csv", &point, 2, (int64_t[]){1, 1}, (double[]){0.5});
    setlocale(LC_ALL, "C");
    text_free(&point);
}

static void csv_names_are_kept(void **state) {
    (void)state;
    Text csv = text_of("\"x, y\";\"a \"\"q\"\"\";\"1\";b#c\n1;2;3;4\n"), error = {0};
    Table table;
    assert_true(parse("x.csv", NULL, &csv, &table, &error));
    assert_string_equal(table.columns[0], "x, y");
    assert_string_equal(table.columns[1], "a \"q\"");
    assert_int_equal(table_column(&table, "1"), 2);
    assert_int_equal(table_column(&table, "b"), 3);
    assert_int_equal(table_column(&table, "none"), -1);
    table_free(&table);
    csv.length = 0;
    text_add(&csv, "only,names\n");
    assert_true(parse("x.csv", NULL, &csv, &table, &error));
    assert_table(&table, 2, (int64_t[]){0, 2}, NULL);
    table_free(&table);
    text_free(&csv);
    text_free(&error);
}

static void csv_errors_name_row_and_column(void **state) {
    (void)state;
    static const struct {
        const char *csv, *sentence;
    } CASES[] = {
        {"a,b\n1,2\n3,x1\n", "x.csv: line 3, column 2 (b): expected a number, found `x1`"},
        {"1,2\n3,0x10\n", "x.csv: line 2, column 2: expected a number, found `0x10`"},
        {"1,two\n", "x.csv: line 1, column 2: expected a number, found `two`"},
        {"a,b\n# c\n1,2,3\n", "x.csv: line 3: expected 2 columns as in line 1, found 3"},
        {"\n1,2\n3\n", "x.csv: line 3: expected 2 columns as in line 2, found 1"},
        {"1,2\n3,\n", "x.csv: line 2, column 2: expected a number, found ``"},
        {"1,2\n3,NaN\n", "x.csv: line 2, column 2: expected a finite number, found `NaN`"},
        {"1,2\n-inf,4\n", "x.csv: line 2, column 1: expected a finite number, found `-inf`"},
        {"1e999\n", "x.csv: line 1, column 1: expected a number within the range of doubles, found `1e999`"},
        {"1,\"2\n", "x.csv: line 1, column 2: expected a closing quote followed by a separator"},
        {"1,\"2\"3\n", "x.csv: line 1, column 2: expected a closing quote followed by a separator"},
        {"1;2,5\n", "x.csv: line 1, column 2: expected a number, found `2,5`"},
        {"0\n1 2\n", "x.csv: line 2, column 1: expected a number, found `1 2`"},
        {"# nothing\n\n", "x.csv: holds no numbers"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        Text csv = text_of(CASES[i].csv);
        assert_refused("x.csv", NULL, &csv, CASES[i].sentence);
        text_free(&csv);
    }
}

static void csv_may_be_ragged_and_missing_when_allowed(void **state) {
    (void)state;
    Text csv = text_of("a,b\n1\n2,nan,\n-inf,NA,4\n"), error = {0};
    Table table;
    TableOptions options = {.allow_nonfinite = true, .allow_ragged = true};
    assert_true(table_parse("x.csv", NULL, csv.bytes, csv.length, options, &table, &error));
    double gap = (double)NAN;
    assert_table(&table, 2, (int64_t[]){3, 3}, (double[]){1, gap, gap, 2, gap, gap, -HUGE_VAL, gap, 4});
    assert_string_equal(table.columns[1], "b");
    assert_string_equal(table.columns[2], "");
    table_free(&table);
    csv.length = 0; // a bomb: one long row, many short ones
    for (int i = 0; i < 5000; i++) text_add(&csv, "1,");
    for (int i = 0; i < 5000; i++) text_add(&csv, "1\n");
    assert_false(table_parse("x.csv", NULL, csv.bytes, csv.length, options, &table, &error));
    assert_string_equal(text_z(&error),
                        "x.csv: is too ragged: 5000 rows, the longest of 5001 numbers, the others mostly short");
    text_free(&csv);
    text_free(&error);
}

// --- damage --------------------------------------------------------------------------------------------------------

// Every single-byte change and every truncation gives an error or a table, and nothing worse.
static void survive_damage(const char *name, Text *bytes) {
    Table table;
    Text error = {0};
    for (size_t i = 0; i < bytes->length; i++) {
        char kept = bytes->bytes[i];
        for (int value = 0; value < 256; value++) {
            bytes->bytes[i] = (char)value;
            bool fine = parse(name, NULL, bytes, &table, &error);
            assert_int_equal(fine, error.length == 0);
            assert_true(fine == (table.data != NULL));
            table_free(&table);
        }
        bytes->bytes[i] = kept;
    }
    size_t length = bytes->length;
    for (bytes->length = 0; bytes->length < length; bytes->length++) {
        parse(name, NULL, bytes, &table, &error);
        table_free(&table);
    }
    text_free(&error);
}

static void damaged_files_give_an_error_or_a_value(void **state) {
    (void)state;
    Text csv = text_of("\"a\",b\n1,2\n# c\n-3e1,\"4\"\n");
    Text files[] = {small_npy(),  small_npz(false, false), small_npz(true, false), large_npz(), small_idx(), csv,
                    gzip_of(&csv)};
    static const char *const NAMES[] = {"x.npy", "x.npz", "x.npz", "x.npz", "x-ubyte", "x.csv", "x.csv.gz"};
    for (int i = 0; i < 7; i++) {
        survive_damage(NAMES[i], &files[i]);
        text_free(&files[i]);
    }
}

static void random_bytes_give_an_error_or_a_value(void **state) {
    (void)state;
    static const char *const STARTS[] = {"\x93NUMPY\1", "PK\3\4", "", "1,"};
    RandomStream stream = random_stream(1, "bytes");
    for (uint64_t i = 0; i < 20000; i++) {
        Text bytes = text_of(STARTS[i % 4]), error = {0};
        for (uint64_t k = 0; k < i % 61; k++) add_integer(&bytes, random_bits(&stream, 100 * i + k), 1, false);
        Table table;
        parse("x", NULL, &bytes, &table, &error);
        table_free(&table);
        text_free(&bytes);
        text_free(&error);
    }
}

// --- files ---------------------------------------------------------------------------------------------------------

static int enter_folder(void **state) {
    char folder[] = "/tmp/lequel-table-XXXXXX";
    if (!mkdtemp(folder) || chdir(folder) != 0) return -1;
    *state = strdup(folder);
    return 0;
}

static int entries(const char *folder) {
    DIR *directory = opendir(folder);
    int count = -2; // . and ..
    while (readdir(directory)) count++;
    closedir(directory);
    return count;
}

static int leave_folder(void **state) {
    int left = entries(".");
    if (chdir("/") != 0 || rmdir(*state) != 0) print_error("%s: %d files left\n", (char *)*state, left);
    free(*state);
    return left;
}

static void assert_loads(const char *path, int rank, const int64_t *shape, const double *values) {
    Table table;
    Text error = {0};
    if (!table_load(path, &table, &error)) fail_msg("%s", text_z(&error));
    assert_table(&table, rank, shape, values);
    table_free(&table);
    text_free(&error);
}

static void assert_load_fails(const char *path, const char *sentence) {
    Table table;
    Text error = {0};
    assert_false(table_load(path, &table, &error));
    assert_string_equal(text_z(&error), sentence);
    text_free(&error);
}

static void put_file(const char *path, const Text *bytes) {
    FILE *file = fopen(path, "wb");
    assert_int_equal(fwrite(bytes->bytes, 1, bytes->length, file), bytes->length);
    fclose(file);
}

static void files_are_loaded_by_path_and_member(void **state) {
    (void)state;
    Text two = small_npz(true, true), one = small_npz(false, false);
    put_file("two.npz", &two);
    put_file("odd.npz:a", &one);
    assert_loads("two.npz:a", 2, (int64_t[]){2, 3}, (double[]){1, 2, 3, 4, 5, 6});
    assert_loads("two.npz:b", 1, (int64_t[]){0}, NULL);
    assert_loads("odd.npz:a", 2, (int64_t[]){2, 3}, (double[]){1, 2, 3, 4, 5, 6});
    assert_load_fails("two.npz:c", "two.npz: has no member `c`; it has a, b");
    assert_load_fails("none.npy", "none.npy: cannot be opened: No such file or directory");
    assert_load_fails(".", ".: is a folder; expected a .npy, .npz, .csv or IDX file");
    unlink("two.npz");
    unlink("odd.npz:a");
    text_free(&two);
    text_free(&one);
}

static void saved_npy_files_load_again(void **state) {
    (void)state;
    Text error = {0};
    const double values[6] = {0.1, -0.0, 1e300, 5e-324, HUGE_VAL, 3};
    const float narrow[3] = {0.1f, 2, -3};
    assert_true(table_save_npy("d.npy", NUMBER_DOUBLE, values, 3, (int64_t[]){1, 3, 2}, &error));
    assert_loads("d.npy", 3, (int64_t[]){1, 3, 2}, values);
    assert_true(table_save_npy("d.npy", NUMBER_FLOAT, narrow, 1, (int64_t[]){3}, &error)); // replaces
    assert_loads("d.npy", 1, (int64_t[]){3}, (double[]){0.1f, 2, -3});
    assert_true(table_save_npy("d.npy", NUMBER_DOUBLE, values, 0, NULL, &error));
    assert_loads("d.npy", 0, NULL, values);
    assert_true(table_save_npy("d.npy", NUMBER_DOUBLE, values, 2, (int64_t[]){0, 5}, &error));
    assert_loads("d.npy", 2, (int64_t[]){0, 5}, NULL);
    struct stat status;
    assert_int_equal(stat("d.npy", &status), 0);
    assert_int_equal(status.st_size % 64, 0); // the header alone, aligned
    assert_int_equal(error.length, 0);
    unlink("d.npy");
}

static void saved_csv_files_load_to_the_same_bits(void **state) {
    (void)state;
    enum { ROWS = 500, COLUMNS = 4 };
    static double values[ROWS * COLUMNS];
    const char *names[COLUMNS] = {"time", "a \"b\", c", "1", "nan"};
    RandomStream stream = random_stream(2, "bits");
    for (uint64_t i = 0; i < ROWS * COLUMNS; i++) {
        uint64_t bits = random_bits(&stream, i);
        memcpy(&values[i], &bits, sizeof bits);
        if (!isfinite(values[i])) values[i] = 0.1;
    }
    Text error = {0};
    Table table;
    assert_true(table_save_csv("v.csv", values, ROWS, COLUMNS, names, &error));
    assert_true(table_load("v.csv", &table, &error));
    assert_int_equal(table.shape[0], ROWS);
    assert_memory_equal(table.data, values, sizeof values);
    for (int i = 0; i < COLUMNS; i++) assert_string_equal(table.columns[i], names[i]);
    table_free(&table);
    assert_true(table_save_csv("v.csv", values, 1, 2, NULL, &error));
    assert_loads("v.csv", 2, (int64_t[]){1, 2}, values);
    assert_false(table_save_csv("v.csv", values, 1, 1, (const char *[]){"a\nb"}, &error));
    assert_string_equal(text_z(&error), "v.csv: cannot be written: the name of a column has a line break");
    text_free(&error);
    unlink("v.csv");
}

static void recordings_grow_row_by_row(void **state) {
    (void)state;
    Text error = {0};
    double rows[3 * 6];
    for (int i = 0; i < 18; i++) rows[i] = i / 7.0;
    NpyWriter *npy = npy_writer_open("r.npy", 2, (int64_t[]){2, 3}, &error);
    CsvWriter *csv = csv_writer_open("r.csv", 6, NULL, &error);
    assert_true(npy_writer_append(npy, rows, 1, &error) && npy_writer_flush(npy, &error));
    assert_true(csv_writer_append(csv, rows, 1, &error) && csv_writer_flush(csv, &error));
    assert_int_equal(access("r.npy", F_OK), -1); // not before it is complete
    char partial[64];
    snprintf(partial, sizeof partial, "r.npy.%ld-0.part", (long)getpid());
    assert_loads(partial, 3, (int64_t[]){1, 2, 3}, rows);
    assert_true(npy_writer_append(npy, rows + 6, 2, &error) && npy_writer_close(npy, &error));
    assert_true(csv_writer_append(csv, rows + 6, 2, &error) && csv_writer_close(csv, &error));
    assert_loads("r.npy", 3, (int64_t[]){3, 2, 3}, rows);
    assert_loads("r.csv", 2, (int64_t[]){3, 6}, rows);
    npy = npy_writer_open("r.npy", 0, NULL, &error); // rows of one number, none written; the old file gives way
    assert_true(npy_writer_close(npy, &error));
    assert_loads("r.npy", 1, (int64_t[]){0}, NULL);
    assert_int_equal(entries("."), 2);
    unlink("r.npy");
    unlink("r.csv");
}

static void abandoned_files_leave_the_old_one(void **state) {
    (void)state;
    Text error = {0};
    double value = 1;
    assert_true(table_save_csv("k.csv", &value, 1, 1, NULL, &error));
    CsvWriter *csv = csv_writer_open("k.csv", 1, NULL, &error);
    NpyWriter *npy = npy_writer_open("k.npy", 0, NULL, &error);
    csv_writer_abandon(csv);
    npy_writer_abandon(npy);
    npy_writer_abandon(NULL);
    csv_writer_abandon(NULL);
    assert_true(npy_writer_close(NULL, &error) && csv_writer_close(NULL, &error));
    assert_loads("k.csv", 2, (int64_t[]){1, 1}, &value);
    unlink("k.csv");
}

static void places_that_cannot_be_written_are_named(void **state) {
    (void)state;
    Text error = {0};
    double value = 1;
    assert_false(table_save_npy("none/x.npy", NUMBER_DOUBLE, &value, 0, NULL, &error));
    assert_string_equal(text_z(&error), "none/x.npy: cannot be written: No such file or directory [E0003]");
    error.length = 0;
    assert_false(table_save_csv(".", &value, 1, 1, NULL, &error));
    assert_string_equal(text_z(&error), ".: exists and is no regular file, so it cannot be replaced");
    error.length = 0;
    assert_null(npy_writer_open("/dev/null", 0, NULL, &error));
    assert_string_equal(text_z(&error), "/dev/null: exists and is no regular file, so it cannot be replaced");
    error.length = 0;
    assert_null(npy_writer_open("x.npy", 8, (int64_t[]){1, 1, 1, 1, 1, 1, 1, 1}, &error));
    assert_null(npy_writer_open("x.npy", 1, (int64_t[]){-1}, &error));
    assert_null(csv_writer_open("x.csv", 0, NULL, &error));
    text_free(&error);
}

// A limit on the size of files stands for a full disk.
static void a_full_disk_leaves_the_old_file(void **state) {
    (void)state;
    static double rows[5000];
    Text error = {0};
    double value = 7;
    struct rlimit old, small;
    assert_true(table_save_npy("f.npy", NUMBER_DOUBLE, &value, 0, NULL, &error));
    getrlimit(RLIMIT_FSIZE, &old);
    small = (struct rlimit){8192, old.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    bool saved = table_save_npy("f.npy", NUMBER_DOUBLE, rows, 1, (int64_t[]){4000}, &error);
    NpyWriter *npy = npy_writer_open("f.npy", 0, NULL, &error);
    bool appended = npy_writer_append(npy, rows, 4000, &error), flushed = npy_writer_flush(npy, &error);
    bool closed = npy_writer_close(npy, &error);
    bool listed = table_save_csv("f.npy", rows, 5000, 1, NULL, &error); // two bytes a row
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, SIG_DFL);
    assert_true(!saved && !(appended && flushed) && !closed && !listed);
    assert_int_equal(strncmp(text_z(&error), "f.npy: cannot be written: File too large", 40), 0);
    text_free(&error);
    assert_int_equal(entries("."), 1);
    unlink("f.npy");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(npy_holds_every_number_type_in_both_byte_orders),
        cmocka_unit_test(npy_holds_half_precision_and_truth_values),
        cmocka_unit_test(npy_in_fortran_order_is_turned),
        cmocka_unit_test(npy_headers_may_look_different),
        cmocka_unit_test(npy_errors_name_the_place),
        cmocka_unit_test(mislabelled_files_are_refused),
        cmocka_unit_test(npz_members_are_found_and_unpacked),
        cmocka_unit_test(npz_sizes_may_be_lies),
        cmocka_unit_test(idx_holds_every_number_type),
        cmocka_unit_test(idx_errors_name_the_place),
        cmocka_unit_test(gzip_is_seen_through),
        cmocka_unit_test(csv_has_many_dialects),
        cmocka_unit_test(csv_names_are_kept),
        cmocka_unit_test(csv_errors_name_row_and_column),
        cmocka_unit_test(csv_may_be_ragged_and_missing_when_allowed),
        cmocka_unit_test(damaged_files_give_an_error_or_a_value),
        cmocka_unit_test(random_bytes_give_an_error_or_a_value),
        cmocka_unit_test(files_are_loaded_by_path_and_member),
        cmocka_unit_test(saved_npy_files_load_again),
        cmocka_unit_test(saved_csv_files_load_to_the_same_bits),
        cmocka_unit_test(recordings_grow_row_by_row),
        cmocka_unit_test(abandoned_files_leave_the_old_one),
        cmocka_unit_test(places_that_cannot_be_written_are_named),
        cmocka_unit_test(a_full_disk_leaves_the_old_file),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
