// A team of threads that run one function together, again and again: for steps of tens of microseconds and more.
#ifndef LEQUEL_TEAM_H
#define LEQUEL_TEAM_H

#include "../compiler/loops/loops.h"

typedef struct Team Team;

Team *team_new(uint32_t threads); // this one included; NULL when the system gives no more
void team_free(Team *team);
uint32_t team_size(const Team *team);
// Calls `function` in every thread, with `arguments` but for `part`, `wait` and `team`; returns when all are done.
void team_run(Team *team, LoopFunction *function, void *const *arrays, const LoopArguments *arguments);

#endif
