// Machine code that may lie anywhere: an object file of the code generator, linked once into one block of bytes in
// which every reference is relative to the place where it stands. Loading it is copying it; nothing is adjusted.
#ifndef LEQUEL_IMAGE_H
#define LEQUEL_IMAGE_H

#include "../compiler/support/text.h"

enum { IMAGE_MOST_ENTRIES = 8, IMAGE_MOST_BYTES = 1 << 26 };

typedef struct Image {
    unsigned char *bytes; // code, then constants. Owned
    uint32_t length;
    uint32_t code_length; // a multiple of the page; what follows is only read
    uint32_t entry_count;
    uint32_t entry[IMAGE_MOST_ENTRIES]; // offset in the code of lequel_entry_0, lequel_entry_1, …
} Image;

// Links a relocatable ELF object for this kind of machine (x86-64 or aarch64). False with the reason in `why` when that
// cannot be done here, as with an object that calls a function of a library: a full linker must do it then. Nothing of
// the object is trusted. Source: System V ABI, AMD64 supplement, 4.4; ELF for the Arm 64-bit Architecture, 5.7.
bool image_link(const void *object, size_t length, uint32_t entries, Image *image, Text *why);
bool image_is_sound(const Image *image); // every number is in range
void image_free(Image *image);

typedef struct LoadedImage {
    unsigned char *base; // NULL: nothing is loaded
    size_t length;
} LoadedImage;

// Copies an image to memory of its own: code that can be executed and not written, constants that can only be read.
bool image_load(const Image *image, LoadedImage *loaded, Text *error);
void image_unload(LoadedImage *loaded);

#endif
