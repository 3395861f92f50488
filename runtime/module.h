// Opens the code generator's module on demand, so that commands that compile nothing start in milliseconds.
#ifndef LEQUEL_MODULE_H
#define LEQUEL_MODULE_H

#include "../compiler/loops/backend.h"

// The backend of the module found at LEQUEL_LLVM_MODULE (environment), beside the executable, or where it was built or
// installed. NULL with a sentence in `error` when there is none. The module stays open until the process ends.
const Backend *module_open(Text *error);

// The file that module_open would open; false when there is none. Nothing is opened.
bool module_find(char *path, size_t size);

#endif
