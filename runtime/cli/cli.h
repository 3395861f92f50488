// What the commands of the command line share. They use lequel.h and nothing else of Lequel.
#ifndef LEQUEL_CLI_H
#define LEQUEL_CLI_H

#include "../lequel.h"

enum { CLI_DONE = 0, CLI_MISTAKE = 1, CLI_USAGE = 2, CLI_INTERRUPTED = 130 }; // exit statuses
enum { CLI_MOST = 256 }; // options and arguments of one command line

typedef struct CliOption {
    const char *name;  // without the dashes
    char letter;       // 0: none
    const char *value; // what its value is called; NULL: a switch
    const char *help;
} CliOption;

typedef struct CliArguments CliArguments;

typedef struct CliCommand {
    const char *name, *arguments, *summary, *example;
    int least, most;          // of plain arguments
    const CliOption *options; // ends with a NULL name
    int (*run)(const CliArguments *arguments);
} CliCommand;

struct CliArguments {
    const CliCommand *command;
    double started; // lequel_seconds() when the process began
    int argc;
    char **argv;
    int plain_count;
    const char *plain[CLI_MOST];
    int given_count;
    struct {
        const CliOption *option;
        const char *value;
    } given[CLI_MOST];
};

// The commands; main.c lists them in the order of the help.
extern const CliCommand cli_check;
extern const CliCommand cli_fmt;
extern const CliCommand cli_derive;
extern const CliCommand cli_analyze;
extern const CliCommand cli_gradcheck;
extern const CliCommand cli_inspect;
extern const CliCommand cli_run;
extern const CliCommand cli_rerun;
extern const CliCommand cli_sweep;
extern const CliCommand cli_emit;
extern const CliCommand cli_plot;
extern const CliCommand cli_cache_command;
extern const CliCommand cli_explain;

// Sorts argv[2…] into options and plain arguments. False after a message on stderr.
bool cli_parse(CliArguments *arguments);
bool cli_has(const CliArguments *arguments, const char *option);
const char *cli_value(const CliArguments *arguments, const char *option); // the last one given; NULL if none was
int cli_values(const CliArguments *arguments, const char *option,
               const char **values); // all, in order; returns how many

// A command line that is made, to be run by one of our own commands.
typedef struct CliWords {
    char *items[2 * CLI_MOST + 4];
    int count;
} CliWords;
void cli_add_word(CliWords *words, const char *before, const char *word, const char *after);
void cli_free_words(CliWords *words);

// Values of options; false after a message. `otherwise` is taken when the option was not given.
bool cli_whole(const CliArguments *arguments, const char *option, int64_t least, int64_t otherwise, int64_t *value);
bool cli_one_of(const CliArguments *arguments, const char *option, const char *const *words, const char **value);

void cli_error(const char *format, ...) __attribute__((format(printf, 1, 2))); // "lequel: …" on stderr
int cli_usage(const CliArguments *arguments, const char *format, ...)
    __attribute__((format(printf, 2, 3))); // CLI_USAGE
LequelStyle cli_style(void);               // for stderr: colour on terminals unless NO_COLOR is set

// Opens a model with the -D, --network, --experiment and --dynamics of the command line. NULL after its errors were
// printed; warnings are printed, too.
LequelModel *cli_open_model(const CliArguments *arguments, const char *path);
void cli_print_diagnostics(const LequelModel *model);
const char *cli_cache(const CliArguments *arguments); // --cache and --no-cache, for LequelProgramOptions.cache
// What the time from the start to the end of the first step went into, on standard error.
void cli_print_times(const LequelProgram *program, const LequelRunReport *report, bool json);
int cli_compare(const char *left, const char *right,
                bool quiet); // two folders of results; CLI_MISTAKE when they differ
// A model that failed later on: its diagnostics, or `error`, which is freed. The model may be NULL.
int cli_failed(const LequelModel *model, char *error);

#endif
