// dlopen of the code generator, with the places where it may be.
#include "module.h"
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const Backend *try_open(const char *path, Text *error) {
    if (access(path, R_OK) != 0) return NULL;
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

static const Backend *try_folder(const char *folder, const char *relative, Text *error) {
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "%s/%s%s" LEQUEL_MODULE_NAME, folder, relative, *relative ? "/" : "");
    return length > 0 && (size_t)length < sizeof path ? try_open(path, error) : NULL;
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

const Backend *module_open(Text *error) {
    const char *named = getenv("LEQUEL_LLVM_MODULE");
    char folder[PATH_MAX];
    const Backend *backend = NULL;
    if (named && *named) {
        backend = try_open(named, error);
        if (!backend && !error->length) text_addf(error, "LEQUEL_LLVM_MODULE names `%s`, which cannot be read", named);
        return backend;
    }
    if (executable_folder(folder)) {
        backend = try_folder(folder, "", error);
        if (!backend && !error->length) backend = try_folder(folder, LEQUEL_MODULE_DIR_FROM_BINARY, error);
    }
    if (!backend && !error->length) backend = try_folder(LEQUEL_BUILD_MODULE_DIR, "", error);
    if (!backend && !error->length) backend = try_folder(LEQUEL_MODULE_DIR, "", error);
    if (!backend && !error->length)
        text_add(error, "the code generator (" LEQUEL_MODULE_NAME
                        ") was not found; build with LLVM 19, or use --backend=reference");
    return backend;
}
