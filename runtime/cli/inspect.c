// lequel inspect: the arrays of a compiled model, with the names that recordings and --init use.
#include "cli.h"
#include <string.h>

static const char *const precisions[] = {"float", "double", NULL};

typedef struct Totals {
    int64_t learned, parameters; // numbers in weights and parameters
    int real_bytes;
} Totals;

static int64_t element_count(const LequelArray *array, int64_t batch) {
    int64_t count = array->batched ? batch : 1;
    for (uint32_t i = 0; i < array->rank; i++) count *= array->extent[i];
    return count;
}

static void print_shape(const LequelArray *array, int64_t batch, char *text, size_t size) {
    int used = snprintf(text, size, "[");
    const char *between = "";
    if (array->batched) {
        used += snprintf(text + used, size - (size_t)used, "%lld", (long long)batch);
        between = ", ";
    }
    for (uint32_t i = 0; i < array->rank; i++, between = ", ")
        used += snprintf(text + used, size - (size_t)used, "%s%lld", between, (long long)array->extent[i]);
    snprintf(text + used, size - (size_t)used, "]");
}

static void print_array(const LequelArray *array, int64_t batch, int name_width, Totals *totals) {
    char shape[96], bytes[32] = "-";
    int64_t count = element_count(array, batch);
    bool scalar = strcmp(array->role, "scalar") == 0;
    print_shape(array, batch, shape, sizeof shape);
    if (array->stored) snprintf(bytes, sizeof bytes, "%lld", (long long)count * (scalar ? 8 : totals->real_bytes));
    printf("%-*s  %-18s  %-8s  %-10s  %10s%s\n", name_width, array->name, shape, array->unit, array->role, bytes,
           array->learned ? "  learned" : "");
    if (strcmp(array->role, "weight") == 0 || strcmp(array->role, "parameter") == 0) totals->parameters += count;
    if (array->learned) totals->learned += count;
}

static void print_table(const LequelProgram *program, int64_t batch, bool single) {
    uint32_t count = lequel_program_array_count(program);
    int name_width = 5;
    for (uint32_t i = 0; i < count; i++) {
        int length = (int)strlen(lequel_program_array(program, i).name);
        if (length > name_width) name_width = length;
    }
    Totals totals = {.real_bytes = single ? 4 : 8};
    printf("%-*s  %-18s  %-8s  %-10s  %10s\n", name_width, "array", "shape", "unit", "role", "bytes");
    for (uint32_t i = 0; i < count; i++) {
        LequelArray array = lequel_program_array(program, i);
        print_array(&array, batch, name_width, &totals);
    }
    printf("\nparameters: %lld, of which learned: %lld\n", (long long)totals.parameters, (long long)totals.learned);
    printf("memory: %lld bytes with a batch of %lld\n", (long long)lequel_program_bytes(program, batch),
           (long long)batch);
    printf("`-`: computed on the way; kept when it is recorded\n");
}

static int run_inspect(const CliArguments *arguments) {
    int64_t batch;
    const char *precision;
    if (!cli_whole(arguments, "batch", 1, 1, &batch)) return CLI_USAGE;
    if (!cli_one_of(arguments, "precision", precisions, &precision)) return CLI_USAGE;
    LequelModel *model = cli_open_model(arguments, arguments->plain[0]);
    if (!model) return CLI_MISTAKE;
    bool single = !precision || strcmp(precision, "float") == 0;
    LequelProgramOptions options = {.single = single, .backend = "loops"}; // works without a code generator
    char *error;
    LequelProgram *program = lequel_program_new(model, &options, &error);
    int status = program ? CLI_DONE : cli_failed(model, error);
    if (program) print_table(program, batch, single);
    lequel_program_free(program);
    lequel_model_free(model);
    return status;
}

static const CliOption options[] = {
    {"batch", 0, "N", "samples that are computed together (1)"},
    {"precision", 0, "float|double", "of the arrays (float)"},
    {"define", 'D', "NAME=VALUE", "another value for a parameter of the network"},
    {"network", 0, "NAME", "this network; otherwise the last one of the file"},
    {"experiment", 0, "NAME", "this experiment; otherwise the last one"},
    {"dynamics", 0, "PRINCIPLE", "another principle than the file's, as in \"vle(gain = power, average = 9)\""},
    {0},
};

const CliCommand cli_inspect = {"inspect",
                                "FILE",
                                "list the arrays of a model, their shapes, units and sizes",
                                "lequel inspect models/mnist1d.leq --batch 100",
                                1,
                                1,
                                options,
                                run_inspect};
