/* A driver: reads inputs and targets, steps the model, writes what is recorded. Compile it and @p@.c with
 * -D@P@_TABLE; the Makefile does.
 *
 *   ./@p@ --input x=inputs.csv --input y=targets.npy --steps 1000 --record cost --out results
 *
 * An input is a table with a row per step: .csv (with or without a line of column names; where there is one, the
 * columns NAME, NAME.0, NAME[0] ... are taken when any is there, else all) or .npy. `-` is a .csv on standard input.
 * A row has the values of all samples, one sample after the other, or those of one sample, which then serve all; for
 * a label it may have classes, counted from 0, one for each sample.
 * Recordings go to FOLDER/NAME.npy, or as .csv to standard output. With --report, a fixed-point model is stepped beside
 * the same model in double, and what each array's values are and how far off they come is printed.
 */
#include "@p@.h"
#ifdef @P@_REFERENCE /* to report what fixed point costs: build this and the reference with their tables */
#include @P@_REFERENCE
#include <math.h>
#endif
#ifdef @P@_INFERENCE /* there is nothing else to do */
#define @p@_step @p@_evaluate
#ifdef @P@_REFERENCE
#define @r@_step @r@_evaluate
#endif
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Table { /* of numbers */
    double *values;
    long rows, columns;
} Table;

typedef struct Input {
    const @T@Array *array;
    Table table;
    int classes; /* the table has class numbers, not values */
} Input;

typedef struct Record {
    const @T@Array *array;
    double *values; /* [rows][samples][elements] */
    long rows, room;
} Record;

enum { MOST = 64 };

static @T@ model;
static Input inputs[MOST];
static Record records[MOST];
static int input_count, record_count;

static void fail(const char *what, const char *name)
{
    fprintf(stderr, "@p@: %s: %s\n", what, name);
    exit(1);
}

static void *allocate(void *old, size_t count)
{
    void *block = realloc(old, (count ? count : 1) * sizeof(double));
    if (!block) fail("out of memory", "a table");
    return block;
}

/* ---- Arrays ----------------------------------------------------------------------------------------------------- */

static const @T@Array *find_array(const char *name, size_t length)
{
    for (int i = 0; i < @p@_array_count; i++)
        if (strlen(@p@_arrays[i].name) == length && memcmp(@p@_arrays[i].name, name, length) == 0)
            return &@p@_arrays[i];
    fprintf(stderr, "@p@: there is no array %.*s; there are", (int)length, name);
    for (int i = 0; i < @p@_array_count; i++) fprintf(stderr, " %s", @p@_arrays[i].name);
    fputs("\n", stderr);
    exit(1);
}

static long elements_of(const @T@Array *array) /* of one sample */
{
    long count = 1;
    for (int k = 0; k < array->rank; k++) count *= array->extent[k];
    return count;
}

static long samples_of(const @T@Array *array) { return array->batched ? @P@_BATCH : 1; }

static void *element_at(const @T@Array *array, long element, long sample)
{
    long place = sample, rest = element;
    for (int k = array->rank; k-- > 0; rest /= array->extent[k]) place += rest % array->extent[k] * array->stride[k];
    return (char *)&model + array->place + place * array->bytes;
}

static double get(const @T@Array *array, long element, long sample)
{
    const void *at = element_at(array, element, sample);
    if (array->fraction) return (double)*(const int32_t *)at / (double)((int64_t)1 << array->fraction);
    return array->bytes == 4 ? (double)*(const float *)at : *(const double *)at;
}

static void set(const @T@Array *array, long element, long sample, double value)
{
    void *at = element_at(array, element, sample);
    if (array->fraction) { /* rounded and saturated */
        const double scaled = value * (double)((int64_t)1 << array->fraction);
        *(int32_t *)at = scaled >= INT32_MAX   ? INT32_MAX
                         : scaled <= INT32_MIN ? INT32_MIN
                                               : (int32_t)(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
        return;
    }
    if (array->bytes == 4)
        *(float *)at = (float)value;
    else
        *(double *)at = value;
}

/* ---- Reading ---------------------------------------------------------------------------------------------------- */

static char *read_file(const char *path, size_t *length)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    char *bytes = NULL;
    size_t room = 0;
    *length = 0;
    if (!file) fail("cannot be read", path);
    for (;;) {
        if (*length + 65536 > room) {
            room = 2 * room + 65536;
            bytes = (char *)realloc(bytes, room + 1);
            if (!bytes) fail("out of memory", path);
        }
        size_t got = fread(bytes + *length, 1, 65536, file);
        *length += got;
        if (got == 0) break;
    }
    if (ferror(file)) fail("cannot be read", path);
    if (file != stdin) fclose(file);
    bytes[*length] = 0;
    return bytes;
}

/* Whether a column is called NAME, NAME.0 or NAME[0]. */
static int is_column_of(const char *column, size_t length, const char *name)
{
    size_t own = strlen(name);
    return length >= own && memcmp(column, name, own) == 0 &&
           (length == own || column[own] == '.' || column[own] == '[');
}

static Table read_csv(const char *path, char *text, const char *name)
{
    Table table = {NULL, 0, 0};
    long room = 0, count = 0;
    static char wanted[65536];
    int named = 0, first = 1;
    memset(wanted, 1, sizeof wanted);
    for (char *line = text; *line;) {
        char *end = line + strcspn(line, "\n");
        char *next = *end ? end + 1 : end;
        long column = 0, taken = 0;
        if (end > line && end[-1] == '\r') end[-1] = 0;
        *end = 0;
        if (*line && first) {
            char *stop;
            (void)strtod(line, &stop);
            if (stop == line) { /* column names */
                for (char *c = line; *c; column++) {
                    size_t length = strcspn(c, ",");
                    if (column < (long)sizeof wanted) wanted[column] = (char)is_column_of(c, length, name);
                    named |= column < (long)sizeof wanted && wanted[column];
                    c += length;
                    if (*c) c++;
                }
                if (!named) memset(wanted, 1, sizeof wanted);
                first = 0;
                line = next;
                continue;
            }
        }
        first = 0;
        for (char *c = line; *c; column++) {
            char *stop;
            double value = strtod(c, &stop);
            if (stop == c) fail("not a number", path);
            if (column >= (long)sizeof wanted) fail("too many columns", path);
            if (wanted[column]) {
                if (count == room) table.values = (double *)allocate(table.values, (size_t)(room = 2 * room + 1024));
                table.values[count++] = value;
                taken++;
            }
            c = stop + strspn(stop, " ,\t");
        }
        if (taken) {
            if (table.rows && taken != table.columns) fail("rows of different lengths", path);
            table.columns = taken;
            table.rows++;
        }
        line = next;
    }
    return table;
}

static double number_of_npy(const char *bytes, int width)
{
    float narrow;
    double wide;
    if (width == 4) return memcpy(&narrow, bytes, 4), (double)narrow;
    return memcpy(&wide, bytes, 8), wide;
}

/* Little-endian float32 and float64 in C order: what numpy.save writes. The first axis is that of the steps. */
static Table read_npy(const char *path, const char *bytes, size_t length)
{
    Table table = {NULL, 0, 0};
    if (length < 12 || memcmp(bytes, "\x93NUMPY", 6) != 0) fail("no .npy file", path);
    int wide = bytes[6] > 1;
    size_t header = (unsigned char)bytes[8] + 256 * (size_t)(unsigned char)bytes[9], begin = wide ? 12 : 10;
    if (begin + header > length) fail("a truncated .npy file", path);
    char text[512];
    snprintf(text, sizeof text, "%.*s", (int)header, bytes + begin);
    int width = strstr(text, "'<f8'") ? 8 : strstr(text, "'<f4'") ? 4 : 0;
    const char *shape = strchr(text, '(');
    if (!width || !shape || strstr(text, "'fortran_order': True")) fail("expected float32 or float64 in C order", path);
    char *stop;
    table.rows = strtol(shape + 1, &stop, 10);
    long total = (long)((length - begin - header) / (size_t)width);
    table.columns = table.rows > 0 ? total / table.rows : 0;
    table.values = (double *)allocate(NULL, (size_t)total);
    for (long i = 0; i < total; i++)
        table.values[i] = number_of_npy(bytes + begin + header + (size_t)i * (size_t)width, width);
    return table;
}

static void add_input(const char *option)
{
    const char *equals = strchr(option, '=');
    if (!equals || input_count == MOST) fail("expected NAME=FILE", option);
    Input *input = &inputs[input_count++];
    input->array = find_array(option, (size_t)(equals - option));
    size_t length, name = strlen(equals + 1);
    char *bytes = read_file(equals + 1, &length);
    if (name > 4 && strcmp(equals + name - 3, ".npy") == 0)
        input->table = read_npy(equals + 1, bytes, length);
    else
        input->table = read_csv(equals + 1, bytes, input->array->name);
    free(bytes);
    long elements = elements_of(input->array), columns = input->table.columns;
    input->classes =
        input->array->label && columns != elements && (columns == 1 || columns == samples_of(input->array));
    if (!input->classes && columns != elements && columns != elements * samples_of(input->array)) {
        fprintf(stderr, "@p@: %s: %ld numbers a row, but %s has %ld\n", equals + 1, columns, input->array->name,
                elements);
        exit(1);
    }
}

static void present(long step)
{
    for (int i = 0; i < input_count; i++) {
        const Input *input = &inputs[i];
        long elements = elements_of(input->array);
        if (step >= input->table.rows) continue; /* the last values are held */
        const double *row = input->table.values + step * input->table.columns;
        for (long b = 0; b < samples_of(input->array); b++)
            for (long e = 0; e < elements; e++)
                set(input->array, e, b,
                    input->classes ? row[input->table.columns == 1 ? 0 : b] == (double)e
                                   : row[input->table.columns == elements ? e : b * elements + e]);
    }
}

/* ---- Recording -------------------------------------------------------------------------------------------------- */

static void add_records(const char *names)
{
    while (*names) {
        size_t length = strcspn(names, ",");
        if (record_count == MOST) fail("too many recordings", names);
        records[record_count++].array = find_array(names, length);
        names += length;
        if (*names) names++;
    }
}

static void record(void)
{
    for (int i = 0; i < record_count; i++) {
        Record *r = &records[i];
        long elements = elements_of(r->array), samples = samples_of(r->array), row = elements * samples;
        if (r->rows == r->room) r->values = (double *)allocate(r->values, (size_t)((r->room = 2 * r->room + 64) * row));
        for (long b = 0; b < samples; b++)
            for (long e = 0; e < elements; e++) r->values[r->rows * row + b * elements + e] = get(r->array, e, b);
        r->rows++;
    }
}

static void write_npy(const char *folder, const char *name, const double *values, long rows, const @T@Array *array)
{
    char path[1024], header[256];
    size_t used = 0;
    long count = rows;
    snprintf(path, sizeof path, "%s/%s.npy", folder, name);
    FILE *file = fopen(path, "wb");
    if (!file) fail("cannot be written", path);
    used += (size_t)snprintf(header + used, sizeof header - used,
                             "{'descr': '<f8', 'fortran_order': False, 'shape': (%ld,", rows);
    if (array && array->batched)
        used += (size_t)snprintf(header + used, sizeof header - used, " %ld,", samples_of(array));
    for (int k = 0; array && k < array->rank; k++)
        used += (size_t)snprintf(header + used, sizeof header - used, " %d,", array->extent[k]);
    used += (size_t)snprintf(header + used, sizeof header - used, "), }");
    while ((used + 11) % 64) header[used++] = ' ';
    header[used++] = '\n';
    fwrite("\x93NUMPY\x01\x00", 1, 8, file);
    fputc((int)(used & 255), file);
    fputc((int)(used >> 8), file);
    fwrite(header, 1, used, file);
    if (array) count *= elements_of(array) * samples_of(array);
    fwrite(values, sizeof(double), (size_t)count, file);
    if (fclose(file) != 0) fail("cannot be written", path);
}

static void write_csv(const double *steps)
{
    printf("step");
    for (int i = 0; i < record_count; i++) {
        long elements = elements_of(records[i].array), samples = samples_of(records[i].array);
        for (long b = 0; b < samples; b++)
            for (long e = 0; e < elements; e++) {
                printf(",%s", records[i].array->name);
                if (samples > 1) printf(".%ld", b);
                if (elements > 1) printf(".%ld", e);
            }
    }
    printf("\n");
    for (long row = 0; record_count && row < records[0].rows; row++) {
        printf("%.0f", steps[row]);
        for (int i = 0; i < record_count; i++) {
            long width = elements_of(records[i].array) * samples_of(records[i].array);
            for (long k = 0; k < width; k++) printf(",%.17g", records[i].values[row * width + k]);
        }
        printf("\n");
    }
}

/* ---- The state -------------------------------------------------------------------------------------------------- */

static unsigned char state[@P@_STATE_BYTES];

static void load_state(const char *path)
{
    size_t length;
    char *bytes = read_file(path, &length);
    if (@p@_load(&model, (const unsigned char *)bytes, length) != 0) fail("no state of this model", path);
    free(bytes);
}

static void save_state(const char *path)
{
    FILE *file = fopen(path, "wb");
    size_t length = @p@_save(&model, state);
    if (!file || fwrite(state, 1, length, file) != length || fclose(file) != 0) fail("cannot be written", path);
}

/* ---- The report -------------------------------------------------------------------------------------------------- */

#ifdef @P@_REFERENCE
typedef struct Range {                /* of an array, over all steps */
    double low, high, error, squares; /* of the reference; deviations from it */
    double count;
    long saturated;
} Range;

static @R@ reference;
static Range *ranges;

static void present_reference(void) /* the same inputs, as fixed point has them */
{
    for (int i = 0; i < input_count; i++)
        for (int a = 0; a < @r@_array_count; a++) {
            const @R@Array *array = &@r@_arrays[a];
            if (strcmp(array->name, inputs[i].array->name) != 0) continue;
            for (long e = 0; e < elements_of(inputs[i].array); e++)
                for (long b = 0; b < samples_of(inputs[i].array); b++)
                    *(double *)((char *)&reference + array->place +
                                (size_t)(e * samples_of(inputs[i].array) + b) * sizeof(double)) =
                        get(inputs[i].array, e, b);
        }
}

static void compare_reference(void)
{
    for (int a = 0; a < @p@_array_count && a < @r@_array_count; a++) {
        const @T@Array *array = &@p@_arrays[a];
        Range *range = &ranges[a];
        for (long e = 0; e < elements_of(array); e++)
            for (long b = 0; b < samples_of(array); b++) {
                const double ours = get(array, e, b);
                const double theirs = *(const double *)((const char *)&reference + @r@_arrays[a].place +
                                                        (size_t)(e * samples_of(array) + b) * sizeof(double));
                const int32_t bits = *(const int32_t *)element_at(array, e, b);
                const double error = fabs(ours - theirs);
                if (range->count == 0 || theirs < range->low) range->low = theirs;
                if (range->count == 0 || theirs > range->high) range->high = theirs;
                if (error > range->error) range->error = error;
                range->squares += error * error;
                range->count++;
                range->saturated += bits == INT32_MAX || bits == INT32_MIN;
            }
    }
}

static void print_report(void)
{
    printf("%-28s %13s %13s %13s %13s %10s\n", "array", "least", "greatest", "error", "mean error", "saturated");
    for (int a = 0; a < @p@_array_count; a++)
        printf("%-28s %13.6g %13.6g %13.3g %13.3g %10ld\n", @p@_arrays[a].name, ranges[a].low, ranges[a].high,
               ranges[a].error, ranges[a].count > 0 ? sqrt(ranges[a].squares / ranges[a].count) : 0.0,
               ranges[a].saturated);
}
#endif

/* ---- The command line ------------------------------------------------------------------------------------------- */

static const char usage[] =
    "usage: @p@ [--input NAME=FILE]... [--record NAMES] [--steps N] [--seed N] [--every N] [--evaluate]\n"
    "           [--load STATE] [--save STATE] [--out FOLDER] [--report]\n";

typedef struct {
    long steps, every;
    const char *out, *load, *save;
    int evaluate, report;
    uint64_t seed;
} Options;

static void wrong_usage(void)
{
    fputs(usage, stderr);
    exit(2);
}

static void read_option(Options *o, const char *option, const char *value)
{
    if (strcmp(option, "--input") == 0)
        add_input(value);
    else if (strcmp(option, "--record") == 0)
        add_records(value);
    else if (strcmp(option, "--steps") == 0)
        o->steps = atol(value);
    else if (strcmp(option, "--every") == 0)
        o->every = atol(value) > 0 ? atol(value) : 1;
    else if (strcmp(option, "--seed") == 0)
        o->seed = (uint64_t)strtoull(value, NULL, 10);
    else if (strcmp(option, "--out") == 0)
        o->out = value;
    else if (strcmp(option, "--load") == 0)
        o->load = value;
    else if (strcmp(option, "--save") == 0)
        o->save = value;
    else
        wrong_usage();
}

static Options read_options(int argc, char **argv)
{
    Options o = {-1, 1, NULL, NULL, NULL, 0, 0, 0};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--evaluate") == 0)
            o.evaluate = 1;
        else if (strcmp(argv[i], "--report") == 0)
            o.report = 1;
        else if (strncmp(argv[i], "--", 2) != 0 || i + 1 == argc)
            wrong_usage();
        else {
            read_option(&o, argv[i], argv[i + 1]);
            i++;
        }
    }
    for (int i = 0; i < input_count && o.steps < 0; i++) o.steps = inputs[i].table.rows;
    return o;
}

static void one_step(const Options *o, long n)
{
    present(n);
    if (o->evaluate)
        @p@_evaluate(&model);
    else
        @p@_step(&model);
#ifdef @P@_REFERENCE
    if (!o->report) return;
    present_reference();
    if (o->evaluate)
        @r@_evaluate(&reference);
    else
        @r@_step(&reference);
    compare_reference();
#endif
}

int main(int argc, char **argv)
{
    const Options o = read_options(argc, argv);
    @p@_init(&model, o.seed);
#ifdef @P@_REFERENCE
    @r@_init(&reference, o.seed);
    ranges = (Range *)calloc((size_t)@p@_array_count, sizeof *ranges);
    if (!ranges) fail("out of memory", "the report");
#else
    if (o.report) fail("only fixed-point models are reported on", "--report");
#endif
    if (o.load) load_state(o.load);
    double *numbers = (double *)allocate(NULL, (size_t)(o.steps > 0 ? o.steps / o.every + 1 : 1));
    long rows = 0;
    for (long n = 0; n < o.steps; n++) {
        one_step(&o, n);
        if (n % o.every != 0) continue;
        numbers[rows++] = (double)n;
        record();
    }
    if (o.save) save_state(o.save);
#ifdef @P@_REFERENCE
    if (o.report) print_report();
    free(ranges);
#endif
    for (int i = 0; o.out && i < record_count; i++)
        write_npy(o.out, records[i].array->name, records[i].values, records[i].rows, records[i].array);
    if (o.out)
        write_npy(o.out, "steps", numbers, rows, NULL);
    else if (record_count)
        write_csv(numbers);
    free(numbers);
    return 0;
}
