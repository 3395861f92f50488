// The command line: options, their values, and what is said when they are wrong.
#define _POSIX_C_SOURCE 200809L
#include "cli.h"
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

LequelStyle cli_style(void) {
    const char *no_colour = getenv("NO_COLOR"), *terminal = getenv("TERM");
    bool colour = isatty(STDERR_FILENO) && !(no_colour && *no_colour) && !(terminal && strcmp(terminal, "dumb") == 0);
    return colour ? LEQUEL_COLOUR : LEQUEL_PLAIN;
}

__attribute__((format(printf, 1, 0))) static void print_error(const char *format, va_list args) {
    bool colour = cli_style() == LEQUEL_COLOUR;
    fputs(colour ? "\033[1;31mlequel:\033[0m " : "lequel: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
}

void cli_error(const char *format, ...) {
    va_list args;
    va_start(args, format);
    print_error(format, args);
    va_end(args);
}

int cli_usage(const CliArguments *arguments, const char *format, ...) {
    va_list args;
    va_start(args, format);
    print_error(format, args);
    va_end(args);
    fprintf(stderr, "`lequel %s --help` shows how it is used.\n", arguments->command->name);
    return CLI_USAGE;
}

// ---- Parsing --------------------------------------------------------------------------------------------------------

static void unknown_option(const CliArguments *arguments, const char *name) {
    const char *names[CLI_MOST] = {"help"};
    int count = 1;
    for (const CliOption *option = arguments->command->options; option->name; option++) names[count++] = option->name;
    names[count] = NULL;
    const char *nearest = lequel_nearest(name, names);
    if (nearest)
        cli_usage(arguments, "`lequel %s` has no option `--%s`; did you mean `--%s`?", arguments->command->name, name,
                  nearest);
    else
        cli_usage(arguments, "`lequel %s` has no option `--%s`", arguments->command->name, name);
}

static const CliOption *find_option(const CliCommand *command, const char *name, size_t length) {
    for (const CliOption *option = command->options; option->name; option++)
        if (strlen(option->name) == length && memcmp(option->name, name, length) == 0) return option;
    return NULL;
}

static const CliOption *find_letter(const CliCommand *command, char letter) {
    for (const CliOption *option = command->options; option->name; option++)
        if (option->letter == letter) return option;
    return NULL;
}

static bool add_given(CliArguments *arguments, const CliOption *option, const char *value) {
    if (arguments->given_count == CLI_MOST) return cli_usage(arguments, "too many options"), false;
    arguments->given[arguments->given_count].option = option;
    arguments->given[arguments->given_count++].value = value;
    return true;
}

// `place` is moved on when the value is the next argument.
static bool take_option(CliArguments *arguments, const CliOption *option, const char *attached, const char *written,
                        int *place) {
    if (!option->value) {
        if (!attached) return add_given(arguments, option, "");
        return cli_usage(arguments, "`%s` takes no value", written), false;
    }
    if (!attached && *place + 1 < arguments->argc) attached = arguments->argv[++*place];
    if (attached) return add_given(arguments, option, attached);
    return cli_usage(arguments, "`%s` needs a value: %s", written, option->value), false;
}

static bool parse_long(CliArguments *arguments, int *place) {
    const char *written = arguments->argv[*place], *name = written + 2, *equals = strchr(name, '=');
    size_t length = equals ? (size_t)(equals - name) : strlen(name);
    const CliOption *option = find_option(arguments->command, name, length);
    if (option) return take_option(arguments, option, equals ? equals + 1 : NULL, written, place);
    char *plain = strndup(name, length);
    if (plain) unknown_option(arguments, plain);
    free(plain);
    return false;
}

static bool parse_short(CliArguments *arguments, int *place) {
    const char *written = arguments->argv[*place];
    const CliOption *option = find_letter(arguments->command, written[1]);
    if (option) return take_option(arguments, option, written[2] ? written + 2 : NULL, written, place);
    return cli_usage(arguments, "`lequel %s` has no option `%s`", arguments->command->name, written), false;
}

bool cli_parse(CliArguments *arguments) {
    const CliCommand *command = arguments->command;
    bool options = true;
    for (int i = 2; i < arguments->argc; i++) {
        const char *word = arguments->argv[i];
        if (options && strcmp(word, "--") == 0) {
            options = false;
        } else if (options && word[0] == '-' && word[1] == '-') {
            if (!parse_long(arguments, &i)) return false;
        } else if (options && word[0] == '-' && word[1]) {
            if (!parse_short(arguments, &i)) return false;
        } else if (arguments->plain_count < CLI_MOST) {
            arguments->plain[arguments->plain_count++] = word;
        }
    }
    if (arguments->plain_count < command->least)
        return cli_usage(arguments, "`lequel %s` needs %s", command->name, command->arguments), false;
    if (arguments->plain_count > command->most)
        return cli_usage(arguments, "`%s` is one argument too many for `lequel %s %s`", arguments->plain[command->most],
                         command->name, command->arguments),
               false;
    return true;
}

// ---- Values ---------------------------------------------------------------------------------------------------------

bool cli_has(const CliArguments *arguments, const char *option) { return cli_value(arguments, option) != NULL; }

const char *cli_value(const CliArguments *arguments, const char *option) {
    for (int i = arguments->given_count; i-- > 0;)
        if (strcmp(arguments->given[i].option->name, option) == 0) return arguments->given[i].value;
    return NULL;
}

int cli_values(const CliArguments *arguments, const char *option, const char **values) {
    int count = 0;
    for (int i = 0; i < arguments->given_count; i++)
        if (strcmp(arguments->given[i].option->name, option) == 0) values[count++] = arguments->given[i].value;
    return count;
}

bool cli_whole(const CliArguments *arguments, const char *option, int64_t least, int64_t otherwise, int64_t *value) {
    const char *text = cli_value(arguments, option);
    *value = otherwise;
    if (!text) return true;
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (strcmp(end, " steps") == 0 || strcmp(end, "steps") == 0) end += strlen(end);
    if (end == text || *end || errno || number < least)
        return cli_usage(arguments, "`--%s %s`: expected a whole number from %lld on", option, text, (long long)least),
               false;
    *value = number;
    return true;
}

bool cli_one_of(const CliArguments *arguments, const char *option, const char *const *words, const char **value) {
    *value = cli_value(arguments, option);
    for (int i = 0; *value && words[i]; i++)
        if (strcmp(words[i], *value) == 0) return true;
    if (!*value) return true;
    char list[256] = "";
    for (int i = 0; words[i]; i++)
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", i ? ", " : "", words[i]);
    return cli_usage(arguments, "`--%s=%s`: expected one of %s", option, *value, list), false;
}

const char *cli_cache(const CliArguments *arguments) {
    return cli_has(arguments, "no-cache") ? "" : cli_value(arguments, "cache");
}

// ---- Command lines that are made ------------------------------------------------------------------------------------

void cli_add_word(CliWords *words, const char *before, const char *word, const char *after) {
    size_t size = strlen(before) + strlen(word) + strlen(after) + 1;
    char *joined = words->count < 2 * CLI_MOST + 3 ? malloc(size) : NULL;
    if (!joined) return;
    snprintf(joined, size, "%s%s%s", before, word, after);
    words->items[words->count++] = joined;
}

void cli_free_words(CliWords *words) {
    for (int i = 0; i < words->count; i++) free(words->items[i]);
}

// ---- Models ---------------------------------------------------------------------------------------------------------

void cli_print_diagnostics(const LequelModel *model) {
    char *text = lequel_model_diagnostics(model, cli_style());
    fputs(text, stderr);
    lequel_text_free(text);
}

LequelModel *cli_open_model(const CliArguments *arguments, const char *path) {
    const char *defines[CLI_MOST];
    LequelModelOptions options = {.network = cli_value(arguments, "network"),
                                  .experiment = cli_value(arguments, "experiment"),
                                  .defines = defines,
                                  .dynamics = cli_value(arguments, "dynamics"),
                                  .define_count = (uint32_t)cli_values(arguments, "define", defines)};
    LequelModel *model = lequel_model_open(path, &options);
    cli_print_diagnostics(model);
    if (lequel_model_good(model)) return model;
    lequel_model_free(model);
    return NULL;
}

int cli_failed(const LequelModel *model, char *error) {
    if (model && lequel_model_error_count(model))
        cli_print_diagnostics(model);
    else
        cli_error("%s", error && *error ? error : "it failed without a reason, which is a compiler bug");
    lequel_text_free(error);
    return CLI_MISTAKE;
}
