/* Lequel in a program of one's own: compiles a model from a string, steps it, reads an array.
 *
 *   cc embed.c $(pkg-config --cflags --libs lequel) -o embed
 */
#include <lequel.h>

static const char model_text[] = "network Follower(rate = 0.05) {\n"
                                 "  dt = 0.1\n"
                                 "  input x[1]\n"
                                 "  target y[1]\n"
                                 "  population h = Leaky[8](tau_m = 1, tau_r = 1, phi = tanh)\n"
                                 "  population out = Leaky[1](tau_m = 1, tau_r = 1)\n"
                                 "  connect w1: x -> h by Dense()\n"
                                 "  connect w2: h -> out by Dense()\n"
                                 "  cost mse(out.r, y)\n"
                                 "  dynamics gle(gamma = 0)\n"
                                 "  learn all by sgd(rate)\n"
                                 "}\n";

static int failed(const char *what, char *why) {
    fprintf(stderr, "%s: %s\n", what, why ? why : "");
    lequel_text_free(why);
    return 1;
}

int main(void) {
    LequelModelOptions open = {.text = model_text};
    LequelModel *model = lequel_model_open("follower.leq", &open);
    if (!lequel_model_good(model)) return failed("model", lequel_model_diagnostics(model, LEQUEL_PLAIN));

    char *error;
    LequelProgramOptions compile = {.single = true};
    LequelProgram *program = lequel_program_new(model, &compile, &error);
    if (!program) return failed("program", error);
    LequelInstance *instance = lequel_instance_new(program, 1, 0, NULL, &error);
    if (!instance) return failed("instance", error);

    uint32_t x = (uint32_t)lequel_program_find(program, "x"), y = (uint32_t)lequel_program_find(program, "y");
    uint32_t out = (uint32_t)lequel_program_find(program, "out.r");
    for (int step = 0; step <= 3000; step++) { /* the target is minus half the input */
        double input = (step / 10) % 2 ? 1 : -1, target = -0.5 * input, answer;
        lequel_instance_set(instance, x, &input);
        lequel_instance_set(instance, y, &target);
        lequel_instance_step(instance, true);
        lequel_instance_get(instance, out, &answer);
        if (step % 1000 == 9)
            printf("step %4d: out.r %6.3f, target %4.1f, cost %.5f\n", step, answer, target,
                   lequel_instance_cost(instance));
    }
    lequel_instance_free(instance);
    lequel_program_free(program);
    lequel_model_free(model);
    return 0;
}
