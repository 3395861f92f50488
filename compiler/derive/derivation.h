// `lequel derive`: what was derived, for readers. Nothing is derived here; every formula is an expression of the
// Equations or of the Step.
#ifndef LEQUEL_DERIVATION_H
#define LEQUEL_DERIVATION_H

#include "../step/step.h"

// From the energy to one step of time, each term with the line of the model that it came from. EXPR_MATHML gives an
// HTML page of its own with the model's text beside the equations, EXPR_LATEX a document. `step` is the one for
// training.
void derivation_print(const Equations *equations, const Step *step, const Step *backward, ExprStyle style, Text *out);

typedef struct DerivationVariant {
    const char *name;           // of the principle
    const Equations *equations; // NULL when the model admits no derivation under it
    const Step *step, *backward;
    const char *refusal; // then, why
} DerivationVariant;

// The same model under several principles: what all have in common, then what each has of its own.
void derivation_compare(const Model *model, const DerivationVariant *variants, uint32_t count, ExprStyle style,
                        Text *out);

// Which signals each learned parameter's update and each error uses, and whether each is at the synapse or the neuron
// (science.md section 4, step 7): as a table, in text or Unicode, or as JSON.
void locality_print(const Equations *equations, ExprStyle style, bool json, Text *out);

#endif
