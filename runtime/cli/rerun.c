// lequel rerun: repeats a run from its manifest and compares all files.
#define _XOPEN_SOURCE 700
#include "cli.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Options that say where a run goes or comes from, not what it computes.
static bool is_about_place(const char *option) {
    static const char *const names[] = {"out", "resume", "checkpoint-every", "deterministic-check", "quiet"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], option) == 0) return true;
    return false;
}

// The arguments of the manifest's run, with another folder.
static bool new_command(const LequelManifest *manifest, const char *out, bool quiet, CliWords *words) {
    CliWords old = {0};
    cli_add_word(&old, "", "lequel", "");
    for (uint32_t i = 0; i < lequel_manifest_argument_count(manifest); i++)
        cli_add_word(&old, "", lequel_manifest_argument(manifest, i), "");
    CliArguments parsed = {.command = &cli_run, .argc = old.count, .argv = old.items};
    bool fine = old.count > 2 && strcmp(old.items[1], "run") == 0 && cli_parse(&parsed);
    cli_add_word(words, "", "lequel", "");
    cli_add_word(words, "", "run", "");
    for (int i = 0; fine && i < parsed.given_count; i++) {
        const CliOption *option = parsed.given[i].option;
        char name[64];
        if (is_about_place(option->name)) continue;
        snprintf(name, sizeof name, "--%s%s", option->name, option->value ? "=" : "");
        cli_add_word(words, name, parsed.given[i].value, "");
    }
    cli_add_word(words, "--out=", out, "");
    if (quiet) cli_add_word(words, "", "--quiet", "");
    cli_add_word(words, "", "--", "");
    for (int i = 0; fine && i < parsed.plain_count; i++) cli_add_word(words, "", parsed.plain[i], "");
    cli_free_words(&old);
    if (!fine) cli_error("the manifest does not say how the run was started");
    return fine;
}

int cli_compare(const char *left, const char *right, bool quiet) {
    char *report, *error;
    uint32_t files, different;
    bool fine = lequel_compare(left, right, &report, &files, &different, &error);
    if (!fine) {
        cli_error("%s", error);
    } else if (different) {
        fputs(report, stderr);
        cli_error("%u of %u files differ between %s and %s", different, files, left, right);
    } else if (!quiet) {
        printf("all %u files are the same, bit for bit\n", files);
    }
    lequel_text_free(report);
    lequel_text_free(error);
    return fine && !different ? CLI_DONE : CLI_MISTAKE;
}

static int run_again(const LequelManifest *manifest, const char *folder, const char *out, bool quiet) {
    CliWords words = {0};
    CliArguments again = {.command = &cli_run, .started = lequel_seconds(), .argv = words.items};
    int status = CLI_MISTAKE;
    if (new_command(manifest, out, quiet, &words)) {
        again.argc = words.count;
        status = cli_parse(&again) ? cli_run.run(&again) : CLI_MISTAKE;
        if (status == CLI_DONE) status = cli_compare(folder, out, quiet);
        const char *other = lequel_manifest_elsewhere(manifest);
        if (status == CLI_MISTAKE && *other) fprintf(stderr, "%s", other);
    }
    cli_free_words(&words);
    return status;
}

// Names in a manifest are relative to where the run was started.
static bool go_there(const LequelManifest *manifest) {
    const char *folder = lequel_manifest_folder(manifest);
    char *changed = lequel_manifest_changed(manifest);
    bool here = !*changed;
    lequel_text_free(changed);
    if (here || !folder || chdir(folder) != 0) return here;
    changed = lequel_manifest_changed(manifest);
    here = !*changed;
    lequel_text_free(changed);
    return here;
}

static int rerun(const CliArguments *arguments, const LequelManifest *manifest, const char *folder, const char *out) {
    const char *status = lequel_manifest_status(manifest);
    if (strcmp(status, "complete") != 0) {
        cli_error("%s: the run there is not complete (%s), so there is nothing to compare with", folder, status);
        return CLI_MISTAKE;
    }
    if (!go_there(manifest)) {
        char *changed = lequel_manifest_changed(manifest);
        cli_error("%s cannot be repeated: %s", folder, changed);
        lequel_text_free(changed);
        return CLI_MISTAKE;
    }
    return run_again(manifest, folder, out, cli_has(arguments, "quiet"));
}

static int run_rerun(const CliArguments *arguments) {
    char *error, *folder = realpath(arguments->plain[0], NULL), out[PATH_MAX + 16], here[PATH_MAX];
    const char *given = cli_value(arguments, "out");
    LequelManifest *manifest = lequel_manifest_open(arguments->plain[0], &error);
    int status = CLI_MISTAKE;
    if (!folder || !manifest || !getcwd(here, sizeof here)) {
        cli_error("%s", error ? error : "the folder cannot be read");
    } else {
        if (!given)
            snprintf(out, sizeof out, "%s.rerun", folder);
        else
            snprintf(out, sizeof out, "%s%s%s", given[0] == '/' ? "" : here, given[0] == '/' ? "" : "/", given);
        status = rerun(arguments, manifest, folder, out);
    }
    lequel_text_free(error);
    lequel_manifest_free(manifest);
    free(folder);
    return status;
}

static const CliOption options[] = {
    {"out", 'o', "FOLDER", "for the new results (FOLDER.rerun)"},
    {"quiet", 'q', NULL, "say nothing but errors"},
    {0},
};

const CliCommand cli_rerun = {
    "rerun", "FOLDER", "repeat a run from its run.json and compare all files", "lequel rerun lequel-out/lagline", 1, 1,
    options, run_rerun};
