// NumPy's .npz: a zip archive of .npy members, stored or deflated, with or without the 64-bit extension.
// Source: PKWARE, APPNOTE.TXT, .ZIP File Format Specification, sections 4.3 to 4.5.
#include "../../compiler/support/arena.h"
#include "readers.h"
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum {
    LOCAL_SIZE = 30,
    CENTRAL_SIZE = 46,
    END_SIZE = 22,
    END64_SIZE = 56,
    LOCATOR_SIZE = 20,
    STORED = 0,
    DEFLATED = 8
};

typedef struct Member {
    const char *name; // not terminated; without ".npy"
    size_t name_length;
    int method;
    bool encrypted;
    uint32_t checksum;
    uint64_t packed_size, size, offset; // offset of the local header
} Member;

bool is_npz(const unsigned char *bytes, size_t size) {
    return size >= 4 && (memcmp(bytes, "PK\3\4", 4) == 0 || memcmp(bytes, "PK\5\6", 4) == 0);
}

static uint64_t number_at(const unsigned char *bytes, int width) { // little-endian
    uint64_t value = 0;
    for (int i = width - 1; i >= 0; i--) value = value << 8 | bytes[i];
    return value;
}

// The directory's place stands in a record at the very end, before a comment of up to 65535 bytes.
static bool find_directory(const Source *source, uint64_t *offset, uint64_t *count) {
    const unsigned char *bytes = source->bytes;
    if (source->size < END_SIZE) return false;
    size_t end = source->size - END_SIZE, first = end > 65535 ? end - 65535 : 0;
    while (memcmp(bytes + end, "PK\5\6", 4) != 0)
        if (end-- == first) return false;
    *count = number_at(bytes + end + 10, 2);
    *offset = number_at(bytes + end + 16, 4);
    if (*count != 0xFFFF && *offset != 0xFFFFFFFFu) return true;
    if (end < LOCATOR_SIZE || memcmp(bytes + end - LOCATOR_SIZE, "PK\6\7", 4) != 0) return true;
    uint64_t record = number_at(bytes + end - LOCATOR_SIZE + 8, 8);
    if (source->size < END64_SIZE || record > source->size - END64_SIZE || memcmp(bytes + record, "PK\6\6", 4) != 0)
        return false;
    *count = number_at(bytes + record + 32, 8);
    *offset = number_at(bytes + record + 48, 8);
    return true;
}

// Sizes that do not fit 32 bits are all ones there and stand, in this order, in the extra field number 1.
static void read_zip64(const unsigned char *extra, size_t size, Member *member) {
    uint64_t *const fields[] = {&member->size, &member->packed_size, &member->offset};
    for (size_t at = 0; at + 4 <= size;) {
        size_t id = (size_t)number_at(extra + at, 2), length = (size_t)number_at(extra + at + 2, 2), next = at + 4;
        if (length > size - next) return;
        for (int i = 0; id == 1 && i < 3; i++) {
            if (*fields[i] != 0xFFFFFFFFu || next + 8 > at + 4 + length) continue;
            *fields[i] = number_at(extra + next, 8);
            next += 8;
        }
        at += 4 + length;
    }
}

// Reads the directory's entry at *at and moves there to the next; false when it does not fit.
static bool read_member(const Source *source, uint64_t *at, Member *member) {
    if (source->size < CENTRAL_SIZE || *at > source->size - CENTRAL_SIZE) return false;
    const unsigned char *entry = source->bytes + *at;
    if (memcmp(entry, "PK\1\2", 4) != 0) return false;
    size_t name = (size_t)number_at(entry + 28, 2), extra = (size_t)number_at(entry + 30, 2),
           comment = (size_t)number_at(entry + 32, 2);
    if (name + extra + comment > source->size - CENTRAL_SIZE - *at) return false;
    *member = (Member){.name = (const char *)entry + CENTRAL_SIZE, .name_length = name};
    if (name >= 4 && memcmp(member->name + name - 4, ".npy", 4) == 0) member->name_length -= 4;
    member->encrypted = entry[8] & 1;
    member->method = (int)number_at(entry + 10, 2);
    member->checksum = (uint32_t)number_at(entry + 16, 4);
    member->packed_size = number_at(entry + 20, 4);
    member->size = number_at(entry + 24, 4);
    member->offset = number_at(entry + 42, 4);
    read_zip64(entry + CENTRAL_SIZE + name, extra, member);
    *at += CENTRAL_SIZE + name + extra + comment;
    return true;
}

static bool same_name(const Member *member, const char *name) {
    size_t length = strlen(name);
    if (length > 4 && strcmp(name + length - 4, ".npy") == 0) length -= 4;
    return length == member->name_length && memcmp(member->name, name, length) == 0;
}

// Finds the wanted member, or the only one. `names` collects a few names for the message.
static bool find_member(const Source *source, const char *wanted, Member *found, Text *names) {
    uint64_t at, count, matches = 0;
    if (!find_directory(source, &at, &count))
        return read_fails(source, "has no directory at its end; the file is cut short or no .npz");
    for (uint64_t i = 0; i < count; i++) {
        Member member;
        if (!read_member(source, &at, &member))
            return read_fails(source, "byte %llu: expected entry %llu of its directory", (unsigned long long)at,
                              (unsigned long long)i + 1);
        if (i < 8) {
            text_add(names, i ? ", " : "");
            text_add_bytes(names, member.name, member.name_length < 64 ? member.name_length : 64);
        }
        if (wanted && !same_name(&member, wanted)) continue;
        if (!matches++) *found = member;
    }
    if (count > 8) text_add(names, ", ...");
    if (matches == 1 || (matches && wanted)) return true;
    if (!count) return read_fails(source, "holds no arrays");
    return wanted ? read_fails(source, "has no member `%.64s`; it has %s", wanted, text_z(names))
                  : read_fails(source, "holds %llu arrays; say which one by `%s:NAME`: %s", (unsigned long long)count,
                               source->name, text_z(names));
}

// The member's packed bytes; the local header repeats the name and has extra fields of its own.
static const unsigned char *packed_bytes(const Source *source, const Member *member) {
    if (source->size < LOCAL_SIZE || member->offset > source->size - LOCAL_SIZE) return NULL;
    const unsigned char *local = source->bytes + member->offset;
    if (memcmp(local, "PK\3\4", 4) != 0) return NULL;
    uint64_t start = member->offset + LOCAL_SIZE + number_at(local + 26, 2) + number_at(local + 28, 2);
    if (start > source->size || member->packed_size > source->size - start) return NULL;
    return source->bytes + start;
}

static bool sound(const Member *member, const unsigned char *bytes, size_t size) {
    return crc32_z(crc32_z(0, NULL, 0), bytes, size) == member->checksum;
}

// `inside` has the member's name; its bytes are set here.
static bool unpack(const Source *source, const Member *member, Source *inside, Table *table) {
    const unsigned char *packed = packed_bytes(source, member);
    if (member->encrypted) return read_fails(inside, "is encrypted");
    if (!packed)
        return read_fails(inside, "expected its data at byte %llu; the file is damaged",
                          (unsigned long long)member->offset);
    if (member->method != STORED && member->method != DEFLATED)
        return read_fails(inside, "is packed by method %d; expected stored (0) or deflated (8)", member->method);
    unsigned char *plain = NULL;
    inside->bytes = packed;
    inside->size = (size_t)member->packed_size;
    if (member->method == DEFLATED) {
        int64_t size = member->size > INT64_MAX ? INT64_MAX : (int64_t)member->size;
        if (!inflate_bytes(packed, inside->size, -15, size, &plain, &inside->size))
            return read_fails(inside, "its compressed data is damaged");
        inside->bytes = plain;
    }
    bool fine = member->size == inside->size && sound(member, inside->bytes, inside->size)
                    ? read_npy(inside, table)
                    : read_fails(inside, "its size or checksum is not the one in the directory; the file is damaged");
    free(plain);
    return fine;
}

bool read_npz(const Source *source, const char *wanted, Table *table) {
    Member member = {0};
    Text names = {0}, name = {0};
    bool fine = find_member(source, wanted, &member, &names);
    if (fine) {
        text_addf(&name, "%s:", source->name);
        text_add_bytes(&name, member.name, member.name_length < 256 ? member.name_length : 256);
        Source inside = *source;
        inside.name = text_z(&name);
        fine = unpack(source, &member, &inside, table);
    }
    text_free(&names);
    text_free(&name);
    return fine;
}
