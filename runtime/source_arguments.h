// Reading the arguments of a data source; shared by source.c and signal.c.
#ifndef LEQUEL_SOURCE_ARGUMENTS_H
#define LEQUEL_SOURCE_ARGUMENTS_H

#include "source.h"

// NULL when it was not given. Every argument has a name: resolve has named the positional ones.
const Argument *argument_find(const DataSource *source, const char *name);
double argument_number(const DataSource *source, const char *name, double otherwise);
// A time in the unit of dt, whether it was written as a time or in steps.
double argument_time(const Model *model, const DataSource *source, const char *name, double otherwise);
bool argument_word_is(const Argument *argument, const char *word);

// Adds "file:line:column: generator: sentence"; returns false.
bool source_fails(const Model *model, const DataSource *source, Text *error, const char *sentence);
bool source_load(const Model *model, const DataSource *source, const char *path, Table *table, Text *error);

#endif
