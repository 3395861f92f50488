// Numbers separated by commas, semicolons or tabs, with an optional line of names and `#` comments.
#include "../../compiler/support/arena.h"
#include "readers.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Field {
    const char *begin, *end; // without spaces around and without the outer quotes
    bool quoted;
} Field;

typedef struct Csv {
    const Source *source;
    const char *at, *end;
    char separator; // 0 before the first line
    size_t line;    // number of the line in work, from 1
    Field *fields;  // of that line
    size_t field_count, field_room;
    double *values; // of all rows, one after the other
    size_t value_count, value_room;
    size_t *ends; // for each row, the number of values up to its end
    size_t rows, row_room;
    size_t width, width_line; // fields of the first line, and where that is
    char **names;
    size_t name_count;
} Csv;

static void *room_for_one(void *block, size_t count, size_t *room, size_t size) {
    if (count < *room) return block;
    *room = *room ? 2 * *room : 16;
    return memory_resize(block, *room, size);
}

// --- lines and fields ----------------------------------------------------------------------------------------------

// The end of the line at csv->at, and where its comment begins if it has one.
static const char *line_end(const Csv *csv, const char **content_end) {
    bool quoted = false;
    const char *comment = NULL, *c = csv->at;
    for (; c < csv->end && *c != '\n' && *c != '\r'; c++) {
        if (*c == '"') quoted = !quoted;
        if (*c == '#' && !quoted && !comment) comment = c;
    }
    *content_end = comment ? comment : c;
    return c;
}

static bool blank(const char *begin, const char *end) {
    while (begin < end && (*begin == ' ' || *begin == '\t')) begin++;
    return begin == end;
}

// The first of tab, semicolon, comma that stands outside of quotes in the line; comma when none does.
static char find_separator(const char *begin, const char *end) {
    bool tab = false, semicolon = false, quoted = false;
    for (const char *c = begin; c < end; c++) {
        if (*c == '"') quoted = !quoted;
        tab |= !quoted && *c == '\t';
        semicolon |= !quoted && *c == ';';
    }
    return tab ? '\t' : semicolon ? ';' : ',';
}

static bool is_space(const Csv *csv, char c) { return c == ' ' || (c == '\t' && csv->separator != '\t'); }

// Reads one field at `c` and returns where it stopped, at a separator or the end; NULL when a quote is not closed or
// something follows it.
static const char *split_field(Csv *csv, const char *c, const char *end) {
    while (c < end && is_space(csv, *c)) c++;
    Field field = {c, c, c < end && *c == '"'};
    if (field.quoted) {
        field.begin = ++c;
        while (c < end && (*c != '"' || (c + 1 < end && c[1] == '"'))) c += *c == '"' ? 2 : 1;
        if (c >= end) return NULL;
        field.end = c++;
        while (c < end && is_space(csv, *c)) c++;
        if (c < end && *c != csv->separator) return NULL;
    } else {
        while (c < end && *c != csv->separator) c++;
        field.end = c;
        while (field.end > field.begin && is_space(csv, field.end[-1])) field.end--;
    }
    csv->fields = room_for_one(csv->fields, csv->field_count, &csv->field_room, sizeof *csv->fields);
    csv->fields[csv->field_count++] = field;
    return c;
}

static bool split_line(Csv *csv, const char *begin, const char *end) {
    csv->field_count = 0;
    for (const char *c = begin;; c++) {
        c = split_field(csv, c, end);
        if (!c)
            return read_fails(csv->source, "line %zu, column %zu: expected a closing quote followed by a separator",
                              csv->line, csv->field_count + 1);
        if (c == end) return true;
    }
}

// --- numbers -------------------------------------------------------------------------------------------------------

static bool matches(const Field *field, const char *lower) { // a word, whatever its case
    const char *c = field->begin;
    for (; c < field->end && *lower; c++, lower++)
        if ((*c >= 'A' && *c <= 'Z' ? *c + 32 : *c) != *lower) return false;
    return c == field->end && !*lower;
}

// A word for a value that is no finite number.
static bool nonfinite_word(const Field *field, double *value) {
    Field word = *field;
    bool minus = word.begin < word.end && *word.begin == '-';
    if (minus || (word.begin < word.end && *word.begin == '+')) word.begin++;
    bool infinite = matches(&word, "inf") || matches(&word, "infinity");
    *value = infinite ? (minus ? -HUGE_VAL : HUGE_VAL) : NAN;
    return infinite || matches(&word, "nan") || matches(field, "na");
}

// A decimal number; also true for one too large for a double, whose value is then infinite.
static bool decimal(const Field *field, double *value) {
    const char *begin = field->begin;
    for (const char *c = begin; c < field->end; c++)
        if ((*c < '0' || *c > '9') && (!*c || !strchr("+-.eE", *c))) return false; // no hexadecimal, no spaces
    return number_parse(begin, field->end, value);
}

static bool field_fails(const Csv *csv, size_t column, const char *wanted) {
    const Field *field = &csv->fields[column];
    char found[41];
    size_t length = (size_t)(field->end - field->begin);
    if (length > sizeof found - 1) length = sizeof found - 1;
    for (size_t i = 0; i < length; i++) found[i] = (unsigned char)field->begin[i] < 32 ? '?' : field->begin[i];
    found[length] = 0;
    const char *name = column < csv->name_count ? csv->names[column] : "";
    return read_fails(csv->source, "line %zu, column %zu%s%.60s%s: expected %s, found `%s`", csv->line, column + 1,
                      *name ? " (" : "", name, *name ? ")" : "", wanted, found);
}

static bool read_value(const Csv *csv, size_t column, double *value) {
    const Field *field = &csv->fields[column];
    bool allowed = csv->source->options.allow_nonfinite;
    if (field->begin == field->end) {
        *value = NAN;
        return allowed || field_fails(csv, column, "a number");
    }
    if (nonfinite_word(field, value)) return allowed || field_fails(csv, column, "a finite number");
    if (!decimal(field, value)) return field_fails(csv, column, "a number");
    return allowed || isfinite(*value) || field_fails(csv, column, "a number within the range of doubles");
}

// --- rows ----------------------------------------------------------------------------------------------------------

// Names, if some field is a word and none a bare number, or if all are quoted.
static bool is_header(const Csv *csv) {
    size_t names = 0, numbers = 0, quoted = 0;
    for (size_t i = 0; i < csv->field_count; i++) {
        double value;
        const Field *field = &csv->fields[i];
        bool number = decimal(field, &value) || nonfinite_word(field, &value);
        numbers += number && !field->quoted;
        names += (!number || field->quoted) && field->begin < field->end;
        quoted += field->quoted;
    }
    return quoted == csv->field_count || (names && !numbers);
}

static char *copy_name(const Field *field) {
    char *name = memory_resize(NULL, (size_t)(field->end - field->begin) + 1, 1), *to = name;
    for (const char *c = field->begin; c < field->end; c++) {
        if (field->quoted && *c == '"') c++; // a doubled quote stands for one
        if (*c) *to++ = *c;
    }
    *to = 0;
    return name;
}

static void take_names(Csv *csv) {
    csv->names = memory_resize(NULL, csv->field_count, sizeof *csv->names);
    for (size_t i = 0; i < csv->field_count; i++) csv->names[i] = copy_name(&csv->fields[i]);
    csv->name_count = csv->field_count;
}

static bool take_row(Csv *csv) {
    for (size_t i = 0; i < csv->field_count; i++) {
        csv->values = room_for_one(csv->values, csv->value_count, &csv->value_room, sizeof *csv->values);
        if (!read_value(csv, i, &csv->values[csv->value_count])) return false;
        csv->value_count++;
    }
    csv->ends = room_for_one(csv->ends, csv->rows, &csv->row_room, sizeof *csv->ends);
    csv->ends[csv->rows++] = csv->value_count;
    return true;
}

static bool take_line(Csv *csv, const char *begin, const char *end) {
    bool first = !csv->separator;
    if (first) csv->separator = find_separator(begin, end);
    if (!split_line(csv, begin, end)) return false;
    if (first) csv->width_line = csv->line;
    if (!first && csv->field_count != csv->width && !csv->source->options.allow_ragged)
        return read_fails(csv->source, "line %zu: expected %zu columns as in line %zu, found %zu", csv->line,
                          csv->width, csv->width_line, csv->field_count);
    if (csv->field_count > csv->width) csv->width = csv->field_count;
    if (!first || !is_header(csv)) return take_row(csv);
    take_names(csv);
    return true;
}

static bool take_lines(Csv *csv) {
    if (csv->end - csv->at >= 3 && memcmp(csv->at, "\xEF\xBB\xBF", 3) == 0) csv->at += 3; // byte order mark
    while (csv->at < csv->end) {
        csv->line++;
        const char *content_end, *end = line_end(csv, &content_end);
        if (!blank(csv->at, content_end) && !take_line(csv, csv->at, content_end)) return false;
        csv->at = end + (end < csv->end) + (end + 1 < csv->end && end[0] == '\r' && end[1] == '\n');
    }
    return csv->separator || read_fails(csv->source, "holds no numbers");
}

// --- the table -----------------------------------------------------------------------------------------------------

static void give_names(Csv *csv, Table *table) {
    if (!csv->names) return;
    table->columns = memory_resize(csv->names, csv->width, sizeof *csv->names);
    for (size_t i = csv->name_count; i < csv->width; i++) {
        table->columns[i] = memory_resize(NULL, 1, 1);
        table->columns[i][0] = 0;
    }
    csv->names = NULL;
    csv->name_count = 0;
}

static bool make_table(Csv *csv, Table *table) {
    int64_t shape[2] = {(int64_t)csv->rows, (int64_t)csv->width}, count;
    // One long row among many short ones must not ask for memory that the file does not account for.
    if (!table_count_of(2, shape, &count) || (uint64_t)count / 64 > csv->source->size)
        return read_fails(csv->source, "is too ragged: %zu rows, the longest of %zu numbers, the others mostly short",
                          csv->rows, csv->width);
    *table = table_new(2, shape);
    for (size_t row = 0; row < csv->rows; row++) {
        size_t begin = row ? csv->ends[row - 1] : 0, length = csv->ends[row] - begin;
        for (size_t i = 0; i < csv->width; i++)
            table->data[row * csv->width + i] = i < length ? csv->values[begin + i] : (double)NAN;
    }
    give_names(csv, table);
    return true;
}

bool read_csv(const Source *source, Table *table) {
    Csv csv = {.source = source, .at = (const char *)source->bytes, .end = (const char *)source->bytes + source->size};
    bool fine = take_lines(&csv) && make_table(&csv, table);
    for (size_t i = 0; i < csv.name_count; i++) free(csv.names[i]);
    free(csv.names);
    free(csv.fields);
    free(csv.values);
    free(csv.ends);
    return fine;
}
