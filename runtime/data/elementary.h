// Exponential, logarithm, sine and cosine made of plain double multiplications and additions, so that generated data
// does not depend on the version of a C library, on the compiler, or on fused multiply-add.
#ifndef LEQUEL_ELEMENTARY_H
#define LEQUEL_ELEMENTARY_H

// Method: argument reduction by constants split into a short and a long part, then the Taylor series; no table, no
// state. Besides + - * / only operations that IEEE 754 or the C standard make exact or correctly rounded are used
// (sqrt, floor, frexp, ldexp, fmod). The error against the true value is below 2 units in the last place on the ranges
// below; arguments and results are plain numbers (angles in radians unless the name says turns). The build turns off
// the contraction of a*b+c, which would round differently where the processor can fuse it.

double elementary_exp(double x); // +inf above 709.78, 0 below -745.2, NaN for NaN
double elementary_log(double x); // x > 0; -inf at 0, NaN below 0

// |x| up to 1e6 rad: error below 2e-16 absolute. Beyond that x is first reduced by the double nearest to 2 pi, which is
// still the same on every machine but off by up to 4e-17 |x|. NaN for infinities.
double elementary_sin(double x);

// sin(2 pi u) and cos(2 pi u), exact in the reduction: no error grows with u. |u| up to 2^50.
double elementary_sin_turns(double u);
double elementary_cos_turns(double u);

#endif
