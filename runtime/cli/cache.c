// lequel cache: what is kept of compiled code.
#include "cli.h"
#include <string.h>

static int run_cache(const CliArguments *arguments) {
    const char *named = cli_value(arguments, "cache");
    bool clear = cli_has(arguments, "clear");
    char *own = named ? NULL : lequel_cache_folder(), *error;
    const char *folder = named ? named : own;
    LequelCacheSize size;
    int status = CLI_DONE;
    if (!*folder)
        printf("no compiled code is kept: LEQUEL_CACHE is \"never\", or there is no home\n");
    else if (!lequel_cache_size(folder, clear, &size, &error))
        status = cli_failed(NULL, error);
    else if (clear)
        printf("%s: removed %lld programs, %.1f MB\n", folder, (long long)size.files, 1e-6 * (double)size.bytes);
    else
        printf("%s: %lld programs, %.1f of %.1f MB\n", folder, (long long)size.files, 1e-6 * (double)size.bytes,
               1e-6 * (double)size.limit);
    lequel_text_free(own);
    return status;
}

static const CliOption options[] = {
    {"cache", 0, "FOLDER", "this one; otherwise LEQUEL_CACHE, or lequel in the user's cache"},
    {"clear", 0, NULL, "remove all of it"},
    {0},
};

const CliCommand cli_cache_command = {
    "cache", "", "show or clear what is kept of compiled code", "lequel cache --clear", 0, 0, options, run_cache};
