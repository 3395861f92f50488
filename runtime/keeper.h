// When checkpoints are made and where they lie: OUT/checkpoint, belonging to one identity. The folder of a run is
// locked, so that no two runs write to it.
#ifndef LEQUEL_KEEPER_H
#define LEQUEL_KEEPER_H

#include "checkpoint.h"
#include "identity.h"

typedef struct Keeper {
    Text path;
    const Identity *identity;
    double seconds; // between checkpoints; negative: none
    int64_t steps;  // the same in steps; 0: the time decides
    double due;
    bool modest;             // by default, checkpoints take one part in twenty of the time at most
    int64_t due_step, asked; // asked: the step of the last look at the clock
    int lock;                // -1: none
    bool stands;             // a checkpoint of this run is in the folder
} Keeper;

// Makes and locks the folder. False with a sentence in `error`; to be closed in any case.
bool keeper_open(Keeper *keeper, const RunOptions *options, const Identity *identity, Text *error);
void keeper_close(Keeper *keeper);

// The checkpoint of this very run, opened; NULL without an error when there is none.
Checkpoint *keeper_find(Keeper *keeper, Text *error);
// Before a new run writes anything: removes the checkpoint of an earlier run and what it left half written.
bool keeper_clear(Keeper *keeper, Text *error);

bool keeper_due(Keeper *keeper, int64_t step);           // asked before each step
int64_t keeper_calm(const Keeper *keeper, int64_t step); // steps before it can be due, as far as steps decide
// A new checkpoint that says whose it is. What it speaks of must be on the disk before it is closed.
Checkpoint *keeper_begin(Keeper *keeper, Text *error);
void keeper_done(Keeper *keeper, int64_t step, double began); // it was closed
bool keeper_finish(Keeper *keeper, Text *error);              // the run is complete and its checkpoint is not needed

#endif
