// The signal flag: the only global variables of Lequel.
#define _POSIX_C_SOURCE 200809L
#include "interrupt.h"
#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t pending;
static struct sigaction former[2];
static const int signals[2] = {SIGINT, SIGTERM};

static void on_signal(int number) {
    (void)number;
    pending = 1;
}

void interrupt_catch(void) {
    pending = 0;
    for (int i = 0; i < 2; i++) {
        struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)(SA_RESETHAND | SA_RESTART)};
        sigemptyset(&action.sa_mask);
        sigaction(signals[i], NULL, &former[i]);
        if (former[i].sa_handler != SIG_IGN) sigaction(signals[i], &action, NULL); // nohup and & stay as they are
    }
}

void interrupt_release(void) {
    for (int i = 0; i < 2; i++) sigaction(signals[i], &former[i], NULL);
}

bool interrupt_pending(void) { return pending != 0; }
