// A stretch of a model's own data with everything held still but one parameter: what gradients are compared on.
//
// J is the sum over the window's steps of the mean over the batch of the cost and the neurons' own energies, as a
// function of one learned parameter, from fixed states at the start of the window. Nothing learns, and no error acts on
// a membrane.
#ifndef LEQUEL_WINDOW_H
#define LEQUEL_WINDOW_H

#include "program.h"

typedef struct WindowPlan {
    int64_t settle, steps; // steps before the window, and in it
    int64_t batch;
    uint64_t seed;
} WindowPlan;

// Inputs and targets of all steps, as the model's experiment presents them; smooth random ones without an experiment.
typedef struct WindowData {
    WindowPlan plan;
    int64_t width;  // numbers of one step: all externals, one after the other
    double *values; // [settle + steps][width]
} WindowData;

bool window_data_open(const Program *program, const WindowPlan *plan, WindowData *data, Text *error);
void window_data_close(WindowData *data);
// Sets the inputs of step n of an instance of any program of the same model file.
void window_feed(const WindowData *data, Instance *instance, int64_t n);

// dJ/d(parameter), one list of values per learned parameter, in the order of the model's learn rules.
typedef struct Gradients {
    uint32_t count;
    Atom *names;      // w0.W
    int64_t *lengths; // elements
    double **values;
} Gradients;

// By the program's own principle: summed over the window's steps, or found backward in time.
bool window_gradients(const Program *program, const WindowData *data, Gradients *gradients, Text *error);
void gradients_free(Gradients *gradients);

// J'(0) along a direction in one parameter: J(theta + t*direction).
typedef struct Slopes Slopes;
// `program` is offline and in double. Complex steps, if they take less than about `work` evaluations of a formula each;
// else central differences of fourth order.
Slopes *slopes_new(const Program *program, const WindowData *data, double work, Text *error);
void slopes_free(Slopes *slopes);
bool slopes_are_complex(const Slopes *slopes);
double slopes_along(Slopes *slopes, const char *parameter, const double *direction);

#endif
