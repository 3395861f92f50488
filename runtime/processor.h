// What of this processor decides which machine code is made for it.
#ifndef LEQUEL_PROCESSOR_H
#define LEQUEL_PROCESSOR_H

#include "../compiler/support/text.h"

// Adds everything that the processor tells about its model and its instructions, and nothing that changes from one core
// or one start to the next. False when this kind of machine does not tell.
bool processor_describe(Text *out);

#endif
