// Links and loads an object made of object.c by runtime/image.c, calls its entries, and compares with the same code
// linked in the usual way.
#include "object.c"
#include "runtime/image.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef void Entry(void *const *arrays, const void *arguments);

static Entry *entry_of(const LoadedImage *loaded, const Image *image, uint32_t number) {
    Entry *entry;
    const unsigned char *address = loaded->base + image->entry[number];
    memcpy(&entry, &address, sizeof entry);
    return entry;
}

static int compare(const LoadedImage *loaded, const Image *image) {
    Entry *const expected[] = {lequel_entry_0, lequel_entry_1};
    for (uint32_t e = 0; e < 2; e++)
        for (long i = 0; i < 6; i++) {
            double got = 0, right = 0;
            entry_of(loaded, image, e)((void *[]){&got}, &i);
            expected[e]((void *[]){&right}, &i);
            if (got != right) return printf("entry %u of %ld: %g, expected %g\n", e, i, got, right), 1;
        }
    return 0;
}

int main(int argc, char **argv) {
    FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    static char object[1 << 20];
    size_t length = file ? fread(object, 1, sizeof object, file) : 0;
    if (file) fclose(file);
    Text why = {0};
    Image image;
    LoadedImage loaded;
    if (!image_link(object, length, 2, &image, &why) || !image_load(&image, &loaded, &why))
        return printf("%s\n", text_z(&why)), 1;
    int status = compare(&loaded, &image);
    image_unload(&loaded);
    image_free(&image);
    return status;
}
