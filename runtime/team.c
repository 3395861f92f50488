// Threads wait for each other by looking at a counter for a while, then by sleeping: a step's levels are microseconds
// apart, but on a machine that is busy with other things nobody may stand in the way of those who have work to do.
#include "team.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

enum { LOOKS = 4000 }; // before sleeping; some tens of microseconds

typedef struct Gate { // opens once a round, for all who wait for it
    atomic_uint round, sleepers;
    pthread_mutex_t mutex;
    pthread_cond_t opened;
} Gate;

struct Team {
    uint32_t threads;
    pthread_t *others;
    Gate start, level;
    atomic_uint arrived;
    bool stop;
    LoopFunction *function;
    void *const *arrays;
    LoopArguments arguments;
};

typedef struct Member {
    Team *team;
    uint32_t number;
} Member;

// ---- Gates ----------------------------------------------------------------------------------------------------------

static void gate_open(Gate *gate) {
    atomic_fetch_add(&gate->round, 1);
    if (!atomic_load(&gate->sleepers)) return;
    pthread_mutex_lock(&gate->mutex);
    pthread_cond_broadcast(&gate->opened);
    pthread_mutex_unlock(&gate->mutex);
}

static void rest_a_little(void) {
#ifdef __x86_64__
    _mm_pause();
#endif
}

// Waits until the round is no longer `round`. Who opens the gate counts first and then looks for sleepers, who in turn
// announce themselves first and then look at the count: one of the two sees the other.
static void gate_wait(Gate *gate, unsigned round) {
    for (int look = 0; look < LOOKS; look++) {
        if (atomic_load(&gate->round) != round) return;
        rest_a_little();
    }
    pthread_mutex_lock(&gate->mutex);
    atomic_fetch_add(&gate->sleepers, 1);
    while (atomic_load(&gate->round) == round) pthread_cond_wait(&gate->opened, &gate->mutex);
    atomic_fetch_sub(&gate->sleepers, 1);
    pthread_mutex_unlock(&gate->mutex);
}

static void gate_init(Gate *gate) {
    atomic_init(&gate->round, 0);
    atomic_init(&gate->sleepers, 0);
    pthread_mutex_init(&gate->mutex, NULL);
    pthread_cond_init(&gate->opened, NULL);
}

static void gate_destroy(Gate *gate) {
    pthread_mutex_destroy(&gate->mutex);
    pthread_cond_destroy(&gate->opened);
}

// ---- Running --------------------------------------------------------------------------------------------------------

// The last to arrive lets all others on.
static void wait_for_all(void *context) {
    Team *team = context;
    unsigned round = atomic_load(&team->level.round);
    if (atomic_fetch_add(&team->arrived, 1) + 1 < team->threads) {
        gate_wait(&team->level, round);
        return;
    }
    atomic_store(&team->arrived, 0);
    gate_open(&team->level);
}

static void run_part(Team *team, uint32_t part) {
    LoopArguments arguments = team->arguments;
    arguments.part = part;
    arguments.wait = wait_for_all;
    arguments.team = team;
    team->function(team->arrays, &arguments);
    wait_for_all(team);
}

static void *work(void *context) {
    Member member = *(Member *)context;
    free(context);
    for (unsigned round = 0;; round++) {
        gate_wait(&member.team->start, round);
        if (member.team->stop) return NULL;
        run_part(member.team, member.number);
    }
}

void team_run(Team *team, LoopFunction *function, void *const *arrays, const LoopArguments *arguments) {
    team->function = function;
    team->arrays = arrays;
    team->arguments = *arguments;
    gate_open(&team->start);
    run_part(team, 0);
}

// ---- Making one -----------------------------------------------------------------------------------------------------

static bool add_member(Team *team) {
    Member *member = memory_resize(NULL, 1, sizeof *member);
    *member = (Member){team, team->threads};
    if (pthread_create(&team->others[team->threads - 1], NULL, work, member) != 0) return free(member), false;
    team->threads++;
    return true;
}

Team *team_new(uint32_t threads) {
    Team *team = memory_resize(NULL, 1, sizeof *team);
    *team = (Team){.threads = 1, .others = memory_resize(NULL, threads, sizeof *team->others)};
    gate_init(&team->start);
    gate_init(&team->level);
    atomic_init(&team->arrived, 0);
    while (team->threads < threads && add_member(team)) continue;
    if (team->threads == threads) return team;
    team_free(team);
    return NULL;
}

void team_free(Team *team) {
    if (!team) return;
    team->stop = true;
    gate_open(&team->start);
    for (uint32_t i = 0; i + 1 < team->threads; i++) pthread_join(team->others[i], NULL);
    gate_destroy(&team->start);
    gate_destroy(&team->level);
    free(team->others);
    free(team);
}

uint32_t team_size(const Team *team) { return team->threads; }
