/* LagLine on a Cortex-M3 without an operating system, and the same trace on the host: the bits of what is learned. */
#include "model.h"
#include <stdio.h>
#include <string.h>

static Model model;

static void print(const char *name, double value) {
    unsigned char bytes[8];
    memcpy(bytes, &value, sizeof value);
    printf(" %s", name);
    for (int i = 7; i >= 0; i--) printf("%02x", bytes[i]);
}

static int trace(void) {
    model_init(&model, 3);
    for (long n = 0; n < 5200; n++) {
        model.x[0] = (double)(n / 20 % 7) / 4 - 0.75;
        model_step(&model);
        if (n % 400 != 399) continue;
        print("u", model.s1_u[0]);
        print("error", model.s0_error[0]);
        print("W", model.w0_W[0][0]);
        print("tau", model.s1_tau_m[0]);
        print("cost", model_cost(&model));
        printf("\n");
    }
    return 0;
}

#ifdef __arm__
extern unsigned char data_from[], data_begin[], data_end[], bss_begin[], bss_end[], stack_top[];
void initialise_monitor_handles(void);
void _exit(int);
void reset(void);

void reset(void) {
    memcpy(data_begin, data_from, (size_t)(data_end - data_begin));
    memset(bss_begin, 0, (size_t)(bss_end - bss_begin));
    initialise_monitor_handles(); /* semihosting: standard output is the host's */
    int status = trace();
    fflush(stdout);
    _exit(status);
}

__attribute__((section(".vectors"), used)) static void *const vectors[] = {stack_top, (void *)reset};
#else
int main(void) { return trace(); }
#endif
