// lequel COMMAND …: finds the command, parses its options, runs it.
#define _POSIX_C_SOURCE 200809L
#include "cli.h"
#include <signal.h>
#include <string.h>

// clang-format off
static const CliCommand *const commands[] = {
    &cli_check,
    &cli_fmt,
    &cli_derive,
    &cli_analyze,
    &cli_gradcheck,
    &cli_inspect,
    &cli_run,
    &cli_rerun,
    &cli_sweep,
    &cli_emit,
    &cli_plot,
    &cli_cache_command,
    &cli_explain,
    NULL,
};
// clang-format on

static const CliCommand *find_command(const char *name) {
    for (int i = 0; commands[i]; i++)
        if (strcmp(commands[i]->name, name) == 0) return commands[i];
    return NULL;
}

static void print_overview(FILE *file) {
    fputs("Lequel compiles neural models that are described by an energy.\n\nusage: lequel COMMAND …\n\n", file);
    for (int i = 0; commands[i]; i++) fprintf(file, "  %-9s  %s\n", commands[i]->name, commands[i]->summary);
    fputs("\n  lequel COMMAND --help   the options of a command, with an example\n"
          "  lequel --version        the version\n\n"
          "exit status: 0 done, 1 a mistake in the model or the data, 2 a wrong command line, 130 interrupted\n",
          file);
}

static void print_option(const CliOption *option) {
    char left[64], letter[8] = "    ";
    if (option->letter) snprintf(letter, sizeof letter, "-%c, ", option->letter);
    snprintf(left, sizeof left, "%s--%s%s%s", letter, option->name, option->value ? " " : "",
             option->value ? option->value : "");
    printf("  %-28s %s\n", left, option->help);
}

static void print_help(const CliCommand *command) {
    printf("lequel %s: %s\n\nusage: lequel %s %s%s\n\n", command->name, command->summary, command->name,
           command->options[0].name ? "[OPTION…] " : "", command->arguments);
    for (const CliOption *option = command->options; option->name; option++) print_option(option);
    print_option(&(CliOption){"help", 'h', NULL, "this text"});
    printf("\nexample: %s\n", command->example);
}

static bool wants_help(int argc, char **argv) {
    for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) return true;
    return false;
}

static int unknown_command(const char *name) {
    const char *names[sizeof commands / sizeof *commands + 1] = {"help"};
    for (int i = 0; commands[i]; i++) names[i + 1] = commands[i]->name;
    const char *nearest = lequel_nearest(name, names);
    size_t length = strlen(name);
    if (length > 4 && strcmp(name + length - 4, ".leq") == 0)
        cli_error("there is no command `%s`; a model is run by `lequel run %s`", name, name);
    else if (nearest)
        cli_error("there is no command `%s`; did you mean `%s`?", name, nearest);
    else
        cli_error("there is no command `%s`; `lequel --help` lists them", name);
    return CLI_USAGE;
}

int main(int argc, char **argv) {
    double started = lequel_seconds();
    signal(SIGXFSZ, SIG_IGN); // a file at its limit is a write that fails, and said so
    const char *word = argc > 1 ? argv[1] : "";
    if (strcmp(word, "--version") == 0) return printf("lequel %s\n", lequel_version()) < 0;
    if (strcmp(word, "help") == 0 && argc > 2) {
        const CliCommand *command = find_command(argv[2]);
        return command ? print_help(command), CLI_DONE : unknown_command(argv[2]);
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0)
        return print_overview(stdout), CLI_DONE;
    if (!*word) return print_overview(stderr), CLI_USAGE;
    const CliCommand *command = find_command(word);
    if (!command) return unknown_command(word);
    if (wants_help(argc, argv)) return print_help(command), CLI_DONE;
    CliArguments arguments = {.command = command, .started = started, .argc = argc, .argv = argv};
    if (!cli_parse(&arguments)) return CLI_USAGE;
    int status = command->run(&arguments);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        cli_error("standard output cannot be written");
        return CLI_MISTAKE;
    }
    return status;
}
