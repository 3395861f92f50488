// Two folders of results, file by file; and whether what a manifest was made from is still the same.
#ifndef LEQUEL_COMPARE_H
#define LEQUEL_COMPARE_H

#include "../compiler/support/text.h"
#include <stdint.h>

// Adds a line to `report` for each file that is missing on one side or has other bytes; for arrays it says where and by
// how much. run.json, times.csv, checkpoints and drawings are not compared. False with a sentence in `error` when a
// folder cannot be read. *files counts the files compared, *different those that differ.
bool folders_compare(const char *left, const char *right, Text *report, uint32_t *files, uint32_t *different,
                     Text *error);
// Removes a folder of results: its files, those of final/, and itself if nothing else is in it.
void results_remove(const char *folder);

#endif
