// Ctrl-C and SIGTERM as a question asked between steps.
#ifndef LEQUEL_INTERRUPT_H
#define LEQUEL_INTERRUPT_H

#include <stdbool.h>

// From now on the first signal only sets the flag; a second one ends the process as usual.
void interrupt_catch(void);
void interrupt_release(void); // the former reactions again
bool interrupt_pending(void);

#endif
