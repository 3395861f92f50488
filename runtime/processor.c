// x86-64 tells by the instruction CPUID, aarch64 through the system's list of processors.
#include "processor.h"
#include <stdio.h>
#include <string.h>

#if defined __x86_64__
#include <cpuid.h>

enum { STATE_SAVING = 1 << 27 }; // leaf 1, ECX: the system has enabled XGETBV

// Which register states the system saves: without them wide vectors must not be used.
static uint32_t saved_states(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

// Leaves of "Intel 64 and IA-32 Architectures Software Developer's Manual", volume 2A, CPUID, and "AMD64 Architecture
// Programmer's Manual", volume 3, appendix E. What is masked out: the number of the core (leaf 1 EBX), sizes that
// depend on it (leaf 13 EBX, ECX).
bool processor_describe(Text *out) {
    static const struct {
        uint32_t leaf, part, eax, ebx, ecx, edx;
    } leaves[] = {
        {0, 0, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX}, // vendor
        {1, 0, UINT32_MAX, 0, UINT32_MAX, UINT32_MAX},          // family, model, instructions
        {7, 0, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX}, // instructions
        {7, 1, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX}, // the same
        {13, 1, UINT32_MAX, 0, 0, 0},                           // XSAVE
        {0x14, 0, 0, UINT32_MAX, 0, 0},                         // PTWRITE
        {0x19, 0, 0, UINT32_MAX, 0, 0},                         // key locker
        {0x24, 0, 0, UINT32_MAX, 0, 0},                         // AVX10
        {0x80000001, 0, UINT32_MAX, 0, UINT32_MAX, UINT32_MAX}, // instructions
        {0x80000008, 0, 0, UINT32_MAX, 0, 0},                   // instructions
    };
    uint32_t a, b, c, d;
    text_add(out, "x86-64");
    for (size_t i = 0; i < sizeof leaves / sizeof *leaves; i++) {
        if (!__get_cpuid_count(leaves[i].leaf, leaves[i].part, &a, &b, &c, &d)) a = b = c = d = 0;
        text_addf(out, " %x:%x:%x:%x", a & leaves[i].eax, b & leaves[i].ebx, c & leaves[i].ecx, d & leaves[i].edx);
        if (leaves[i].leaf == 1 && (c & STATE_SAVING)) text_addf(out, " saves %x", saved_states());
    }
    return true;
}

#elif defined __aarch64__

// All cores, since they need not be equal. The order in which the system lists them is fixed.
bool processor_describe(Text *out) {
    char line[1024];
    FILE *file = fopen("/proc/cpuinfo", "r");
    if (!file) return false;
    text_add(out, "aarch64 ");
    size_t before = out->length;
    while (fgets(line, sizeof line, file))
        if (strncmp(line, "CPU ", 4) == 0 || strncmp(line, "Features", 8) == 0) text_add(out, line);
    fclose(file);
    return out->length > before;
}

#else

bool processor_describe(Text *out) {
    (void)out;
    return false;
}

#endif
