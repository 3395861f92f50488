// lequel fmt: brings model files into the canonical form.
#include "cli.h"
#include <string.h>

typedef enum FormatResult { FORMAT_SAME, FORMAT_CHANGED, FORMAT_FAILED } FormatResult;

static FormatResult store(const char *path, const char *formatted, bool check, bool changed) {
    if (strcmp(path, "-") == 0 && !check) {
        fputs(formatted, stdout);
        return FORMAT_SAME;
    }
    if (!changed) return FORMAT_SAME;
    if (check) {
        printf("%s: not in canonical form\n", path);
        return FORMAT_CHANGED;
    }
    char *error;
    if (lequel_file_replace(path, formatted, strlen(formatted), &error)) return FORMAT_CHANGED;
    cli_error("%s", error);
    lequel_text_free(error);
    return FORMAT_FAILED;
}

static FormatResult format_file(const char *path, bool check) {
    char *error;
    size_t length;
    char *text = lequel_file_read(path, &length, &error);
    if (!text) {
        cli_error("%s", error);
        lequel_text_free(error);
        return FORMAT_FAILED;
    }
    const char *name = strcmp(path, "-") == 0 ? "standard input" : path;
    char *formatted = lequel_format(name, text, length, cli_style(), &error);
    FormatResult result = FORMAT_FAILED;
    if (formatted)
        result = store(path, formatted, check, strlen(formatted) != length || memcmp(formatted, text, length) != 0);
    else
        fputs(error, stderr);
    lequel_text_free(error);
    lequel_text_free(formatted);
    lequel_text_free(text);
    return result;
}

static int run_fmt(const CliArguments *arguments) {
    bool check = cli_has(arguments, "check");
    int status = CLI_DONE;
    for (int i = 0; i < arguments->plain_count; i++) {
        FormatResult result = format_file(arguments->plain[i], check);
        if (result == FORMAT_FAILED || (check && result == FORMAT_CHANGED)) status = CLI_MISTAKE;
    }
    return status;
}

static const CliOption options[] = {
    {"check", 0, NULL, "change nothing; exit status 1 when a file is not in canonical form"},
    {0},
};

const CliCommand cli_fmt = {"fmt",
                            "FILE…",
                            "bring model files into the canonical form (`-`: standard input to output)",
                            "lequel fmt --check models/*.leq",
                            1,
                            CLI_MOST,
                            options,
                            run_fmt};
