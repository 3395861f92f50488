// dlopen of the code generator, with the places where it may be.
#include "module.h"
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const Backend *open_file(const char *path, Text *error) {
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!module) {
        text_addf(error, "cannot open the code generator `%s`: %s", path, dlerror());
        return NULL;
    }
    BackendGetter *getter;
    void *symbol = dlsym(module, LEQUEL_BACKEND_SYMBOL);
    if (!symbol) {
        text_addf(error, "`%s` is no code generator of Lequel", path);
        return NULL;
    }
    memcpy(&getter, &symbol, sizeof getter); // ISO C has no cast from object to function pointers
    return getter();
}

static bool executable_folder(char folder[PATH_MAX]) {
    ssize_t length = readlink("/proc/self/exe", folder, PATH_MAX - 1);
    if (length <= 0) return false;
    folder[length] = 0;
    char *slash = strrchr(folder, '/');
    if (!slash) return false;
    *slash = 0;
    return true;
}

static bool is_in(const char *folder, const char *relative, char *path, size_t size) {
    int length = snprintf(path, size, "%s/%s%s" LEQUEL_MODULE_NAME, folder, relative, *relative ? "/" : "");
    return length > 0 && (size_t)length < size && access(path, R_OK) == 0;
}

bool module_find(char *path, size_t size) {
    const char *named = getenv("LEQUEL_LLVM_MODULE");
    char folder[PATH_MAX];
    if (named && *named) {
        int length = snprintf(path, size, "%s", named);
        return length > 0 && (size_t)length < size && access(path, R_OK) == 0;
    }
    if (executable_folder(folder) &&
        (is_in(folder, "", path, size) || is_in(folder, LEQUEL_MODULE_DIR_FROM_BINARY, path, size)))
        return true;
    return is_in(LEQUEL_BUILD_MODULE_DIR, "", path, size) || is_in(LEQUEL_MODULE_DIR, "", path, size);
}

const Backend *module_open(Text *error) {
    const char *named = getenv("LEQUEL_LLVM_MODULE");
    char path[PATH_MAX];
    if (module_find(path, sizeof path)) return open_file(path, error);
    if (named && *named)
        text_addf(error, "LEQUEL_LLVM_MODULE names `%s`, which cannot be read", named);
    else
        text_add(error, "the code generator (" LEQUEL_MODULE_NAME
                        ") was not found; build with LLVM 19, or use --backend=reference");
    return NULL;
}
