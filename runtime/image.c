// A small linker for what the code generator makes: sections of code and of constants, references relative to the place
// where they stand, no data that is written, no libraries.
#define _DEFAULT_SOURCE
#include "image.h"
#include "../compiler/support/vec.h"
#include <elf.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined __x86_64__
enum { HOST_MACHINE = EM_X86_64 };
#elif defined __aarch64__ && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
enum { HOST_MACHINE = EM_AARCH64 };
#else
enum { HOST_MACHINE = EM_NONE };
#endif

enum { NOWHERE = UINT32_MAX };

typedef struct Linker {
    const unsigned char *object;
    size_t length;
    uint32_t section_count;
    uint32_t *place; // of each section in the image; NOWHERE for those that are not part of it
    Image *image;
    Text *why;
} Linker;

__attribute__((format(printf, 2, 3))) static bool refuse(Linker *l, const char *format, ...) {
    char text[160];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    text_add(l->why, text);
    return false;
}

// ---- Reading the object ---------------------------------------------------------------------------------------------

static bool inside(size_t whole, uint64_t start, uint64_t length) { return start <= whole && length <= whole - start; }

static bool read_object(const Linker *l, uint64_t at, void *to, size_t size) {
    if (!inside(l->length, at, size)) return false;
    memcpy(to, l->object + at, size);
    return true;
}

static bool read_header(Linker *l, Elf64_Ehdr *header) {
    if (!read_object(l, 0, header, sizeof *header) || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
        return refuse(l, "it is no ELF file");
    if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB || header->e_type != ET_REL)
        return refuse(l, "it is no relocatable object of 64 bits");
    if (HOST_MACHINE == EM_NONE || header->e_machine != HOST_MACHINE)
        return refuse(l, "it is for machine %u", header->e_machine);
    if (header->e_shentsize != sizeof(Elf64_Shdr) ||
        !inside(l->length, header->e_shoff, (uint64_t)header->e_shnum * sizeof(Elf64_Shdr)))
        return refuse(l, "its table of sections is damaged");
    l->section_count = header->e_shnum;
    return true;
}

static Elf64_Shdr section_of(const Linker *l, const Elf64_Ehdr *header, uint32_t number) {
    Elf64_Shdr section;
    memcpy(&section, l->object + header->e_shoff + (uint64_t)number * sizeof section, sizeof section);
    return section;
}

// ---- Layout ---------------------------------------------------------------------------------------------------------

static uint64_t round_up(uint64_t value, uint64_t step) { return (value + step - 1) / step * step; }

// One past the last byte of all sections that are code, or of all that are not; 0 after a refusal.
static uint64_t place_sections(Linker *l, const Elf64_Ehdr *header, bool code, uint64_t end) {
    for (uint32_t i = 0; i < l->section_count; i++) {
        Elf64_Shdr section = section_of(l, header, i);
        bool executable = section.sh_flags & SHF_EXECINSTR;
        if (!(section.sh_flags & SHF_ALLOC) || executable != code || !section.sh_size) continue;
        if (section.sh_flags & (SHF_WRITE | SHF_TLS)) return refuse(l, "it has data that is written"), 0;
        if (section.sh_type == SHT_NOBITS || !inside(l->length, section.sh_offset, section.sh_size))
            return refuse(l, "section %u is damaged", i), 0;
        if (section.sh_addralign > 4096 || section.sh_size > IMAGE_MOST_BYTES)
            return refuse(l, "section %u is too large", i), 0;
        end = round_up(end, section.sh_addralign ? section.sh_addralign : 1);
        if (end + section.sh_size > IMAGE_MOST_BYTES) return refuse(l, "it is too large"), 0;
        l->place[i] = (uint32_t)end;
        end += section.sh_size;
    }
    return end;
}

static bool lay_out(Linker *l, const Elf64_Ehdr *header) {
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), code = place_sections(l, header, true, 0), end;
    if (!code) return l->why->length ? false : refuse(l, "it has no code");
    code = round_up(code, page);
    end = place_sections(l, header, false, code);
    if (!end) return false;
    Image *image = l->image;
    image->code_length = (uint32_t)code;
    image->length = (uint32_t)end;
    image->bytes = memory_resize(NULL, end, 1);
    memset(image->bytes, 0, end);
    for (uint32_t i = 0; i < l->section_count; i++) {
        Elf64_Shdr section = section_of(l, header, i);
        if (l->place[i] != NOWHERE) memcpy(image->bytes + l->place[i], l->object + section.sh_offset, section.sh_size);
    }
    return true;
}

// ---- References -----------------------------------------------------------------------------------------------------

static uint32_t get32(const unsigned char *at) {
    uint32_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

static void put32(unsigned char *at, uint32_t word) { memcpy(at, &word, sizeof word); }

static bool fits(int64_t value, int bits) {
    int64_t half = INT64_C(1) << (bits - 1);
    return value >= -half && value < half;
}

typedef enum Outcome { APPLIED, UNKNOWN, TOO_FAR } Outcome;

static Outcome put_relative(unsigned char *at, int64_t distance, bool wide) {
    if (wide) return memcpy(at, &distance, sizeof distance), APPLIED;
    if (!fits(distance, 32)) return TOO_FAR;
    return put32(at, (uint32_t)distance), APPLIED;
}

// Where the field of a relocation stands and what it refers to, as offsets in the image.
static Outcome apply_x86(uint32_t type, unsigned char *at, int64_t place, int64_t target) {
    switch (type) {
    case R_X86_64_NONE: return APPLIED;
    case R_X86_64_PC32:
    case R_X86_64_PLT32: return put_relative(at, target - place, false);
    case R_X86_64_PC64: return put_relative(at, target - place, true);
    default: return UNKNOWN;
    }
}

// Instructions take 4 bytes; images start on a page, so offsets have the low 12 bits of addresses.
static Outcome apply_arm(uint32_t type, unsigned char *at, int64_t place, int64_t target) {
    int64_t distance = target - place, pages = (target >> 12) - (place >> 12);
    uint32_t low = (uint32_t)target & 0xfff, shift = 0;
    switch (type) {
    case R_AARCH64_NONE: return APPLIED;
    case R_AARCH64_PREL32: return put_relative(at, distance, false);
    case R_AARCH64_PREL64: return put_relative(at, distance, true);
    case R_AARCH64_CALL26:
    case R_AARCH64_JUMP26:
        if (!fits(distance, 28) || distance % 4) return TOO_FAR;
        return put32(at, (get32(at) & 0xfc000000) | ((uint32_t)(distance >> 2) & 0x03ffffff)), APPLIED;
    case R_AARCH64_ADR_PREL_PG_HI21:
    case R_AARCH64_ADR_PREL_PG_HI21_NC: distance = pages; // fall through
    case R_AARCH64_ADR_PREL_LO21:
        if (!fits(distance, 21)) return TOO_FAR;
        return put32(at, (get32(at) & 0x9f00001f) | ((uint32_t)distance & 3) << 29 |
                             ((uint32_t)(distance >> 2) & 0x7ffff) << 5),
               APPLIED;
    case R_AARCH64_LDST128_ABS_LO12_NC: shift++; // fall through
    case R_AARCH64_LDST64_ABS_LO12_NC: shift++;  // fall through
    case R_AARCH64_LDST32_ABS_LO12_NC: shift++;  // fall through
    case R_AARCH64_LDST16_ABS_LO12_NC: shift++;  // fall through
    case R_AARCH64_LDST8_ABS_LO12_NC:
    case R_AARCH64_ADD_ABS_LO12_NC:
        if (low & ((1U << shift) - 1)) return TOO_FAR;
        return put32(at, (get32(at) & 0xffc003ff) | low >> shift << 10), APPLIED;
    default: return UNKNOWN;
    }
}

static bool read_symbol(Linker *l, const Elf64_Shdr *table, uint64_t number, Elf64_Sym *symbol) {
    if (table->sh_type != SHT_SYMTAB || !inside(l->length, table->sh_offset, table->sh_size) ||
        number >= table->sh_size / sizeof *symbol)
        return refuse(l, "symbol %llu is damaged", (unsigned long long)number);
    return read_object(l, table->sh_offset + number * sizeof *symbol, symbol, sizeof *symbol);
}

// Where a symbol is in the image.
static bool find_symbol(Linker *l, const Elf64_Sym *symbol, int64_t *place) {
    uint32_t section = symbol->st_shndx;
    if (section == SHN_UNDEF || section >= l->section_count || l->place[section] == NOWHERE)
        return refuse(l, "it refers to something outside");
    if (symbol->st_value > l->image->length) return refuse(l, "a symbol is damaged");
    *place = (int64_t)l->place[section] + (int64_t)symbol->st_value;
    return true;
}

static bool relocate(Linker *l, const Elf64_Rela *entry, const Elf64_Shdr *symbols, uint32_t base, uint64_t size) {
    enum { WIDEST = 8 };
    Elf64_Sym symbol = {0};
    int64_t target = 0;
    uint32_t type = (uint32_t)ELF64_R_TYPE(entry->r_info);
    bool wide = HOST_MACHINE == EM_X86_64 ? type == R_X86_64_PC64 : type == R_AARCH64_PREL64;
    if (!inside(size, entry->r_offset, wide ? WIDEST : 4)) return refuse(l, "a relocation is damaged");
    if (!read_symbol(l, symbols, ELF64_R_SYM(entry->r_info), &symbol) || !find_symbol(l, &symbol, &target))
        return false;
    if (!fits(entry->r_addend, 32)) return refuse(l, "a relocation is damaged");
    int64_t place = (int64_t)base + (int64_t)entry->r_offset;
    target += entry->r_addend;
    unsigned char *at = l->image->bytes + place;
    Outcome outcome =
        HOST_MACHINE == EM_X86_64 ? apply_x86(type, at, place, target) : apply_arm(type, at, place, target);
    if (outcome == UNKNOWN) return refuse(l, "it has a relocation of type %u", type);
    return outcome == APPLIED || refuse(l, "a relocation of type %u does not reach", type);
}

static bool relocate_all(Linker *l, const Elf64_Ehdr *header) {
    for (uint32_t i = 0; i < l->section_count; i++) {
        Elf64_Shdr table = section_of(l, header, i);
        bool concerns = table.sh_info < l->section_count && l->place[table.sh_info] != NOWHERE;
        if ((table.sh_type != SHT_RELA && table.sh_type != SHT_REL) || !concerns) continue;
        if (table.sh_type == SHT_REL || table.sh_link >= l->section_count ||
            !inside(l->length, table.sh_offset, table.sh_size))
            return refuse(l, "its relocations are damaged");
        Elf64_Shdr target = section_of(l, header, table.sh_info), symbols = section_of(l, header, table.sh_link);
        for (uint64_t k = 0; k < table.sh_size / sizeof(Elf64_Rela); k++) {
            Elf64_Rela entry = {0};
            read_object(l, table.sh_offset + k * sizeof entry, &entry, sizeof entry);
            if (!relocate(l, &entry, &symbols, l->place[table.sh_info], target.sh_size)) return false;
        }
    }
    return true;
}

// ---- Entries --------------------------------------------------------------------------------------------------------

static bool has_name(const Linker *l, const Elf64_Shdr *names, const Elf64_Sym *symbol, const char *name) {
    size_t size = strlen(name) + 1;
    return inside(l->length, names->sh_offset, names->sh_size) && inside(names->sh_size, symbol->st_name, size) &&
           memcmp(l->object + names->sh_offset + symbol->st_name, name, size) == 0;
}

static bool find_entry(Linker *l, const Elf64_Shdr *symbols, const Elf64_Shdr *names, uint32_t number) {
    char name[32];
    snprintf(name, sizeof name, "lequel_entry_%u", (unsigned)number);
    for (uint64_t i = 0; i < symbols->sh_size / sizeof(Elf64_Sym); i++) {
        Elf64_Sym symbol = {0};
        int64_t place = 0;
        if (!read_symbol(l, symbols, i, &symbol)) return false;
        if (!has_name(l, names, &symbol, name)) continue;
        if (!find_symbol(l, &symbol, &place)) return false;
        l->image->entry[number] = (uint32_t)place;
        return true;
    }
    return refuse(l, "it has no `%s`", name);
}

static bool find_entries(Linker *l, const Elf64_Ehdr *header, uint32_t entries) {
    for (uint32_t i = 0; i < l->section_count; i++) {
        Elf64_Shdr symbols = section_of(l, header, i);
        if (symbols.sh_type != SHT_SYMTAB || symbols.sh_link >= l->section_count) continue;
        Elf64_Shdr names = section_of(l, header, symbols.sh_link);
        l->image->entry_count = entries;
        for (uint32_t e = 0; e < entries; e++)
            if (!find_entry(l, &symbols, &names, e)) return false;
        return image_is_sound(l->image) || refuse(l, "an entry is outside of the code");
    }
    return refuse(l, "it has no symbols");
}

bool image_link(const void *object, size_t length, uint32_t entries, Image *image, Text *why) {
    *image = (Image){0};
    Linker l = {.object = object, .length = length, .image = image, .why = why};
    Elf64_Ehdr header = {0};
    if (entries > IMAGE_MOST_ENTRIES) return refuse(&l, "it has too many entries");
    if (!read_header(&l, &header)) return false;
    l.place = memory_resize(NULL, (size_t)l.section_count + 1, sizeof *l.place);
    for (uint32_t i = 0; i < l.section_count; i++) l.place[i] = NOWHERE;
    bool good = lay_out(&l, &header) && relocate_all(&l, &header) && find_entries(&l, &header, entries);
    free(l.place);
    if (!good) image_free(image);
    return good;
}

bool image_is_sound(const Image *image) {
    uint32_t page = (uint32_t)sysconf(_SC_PAGESIZE);
    if (!image->length || image->length > IMAGE_MOST_BYTES || !image->code_length ||
        image->code_length > image->length || image->code_length % page)
        return false;
    if (!image->entry_count || image->entry_count > IMAGE_MOST_ENTRIES) return false;
    for (uint32_t e = 0; e < image->entry_count; e++)
        if (image->entry[e] >= image->code_length) return false;
    return true;
}

void image_free(Image *image) {
    free(image->bytes);
    *image = (Image){0};
}

// ---- Loading --------------------------------------------------------------------------------------------------------

bool image_load(const Image *image, LoadedImage *loaded, Text *error) {
    size_t length = (size_t)round_up(image->length, (uint64_t)sysconf(_SC_PAGESIZE));
    size_t code = image->code_length, rest = length - code;
    unsigned char *base = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *loaded = (LoadedImage){0};
    if (base == MAP_FAILED) return text_add(error, "there is no memory for compiled code"), false;
    memcpy(base, image->bytes, image->length);
    __builtin___clear_cache((char *)base, (char *)base + length);
    if (mprotect(base, code, PROT_READ | PROT_EXEC) != 0 || (rest && mprotect(base + code, rest, PROT_READ) != 0)) {
        munmap(base, length);
        return text_add(error, "this system lets no program execute code that it has made"), false;
    }
    *loaded = (LoadedImage){base, length};
    return true;
}

void image_unload(LoadedImage *loaded) {
    if (loaded->base) munmap(loaded->base, loaded->length);
    *loaded = (LoadedImage){0};
}
