// Functions of one number in emitted code: helpers around bits and comparisons, and the transcendental functions,
// written from the very operations that machine code has for them.
#include "parts.h"
#include "writer.h"
#include <string.h>

// ---- Helpers --------------------------------------------------------------------------------------------------------

// What differs between the element types: $R number, $U and $S integers of the same width, $f suffix, $M the mask of a
// magnitude, $C what narrows a double.
void text_of_type(LoopReal real, const char *part, Text *out) {
    bool single = real == LOOP_F32;
    for (const char *c = part; *c;) {
        size_t plain = strcspn(c, "$");
        text_add_bytes(out, c, plain);
        c += plain;
        if (!*c) return;
        switch (c[1]) {
        case 'R': text_add(out, single ? "float" : "double"); break;
        case 'U': text_add(out, single ? "uint32_t" : "uint64_t"); break;
        case 'S': text_add(out, single ? "int32_t" : "int64_t"); break;
        case 'f': text_add(out, single ? "f" : ""); break;
        case 'M': text_add(out, single ? "UINT32_C(0x7fffffff)" : "UINT64_C(0x7fffffffffffffff)"); break;
        case 'C': text_add(out, single ? "(float)" : ""); break;
        default: break;
        }
        c += 2;
    }
}

static const char *const helpers[HELPER_COUNT] = {
    [HELPER_TO_BITS] = "static inline $U lequel_to_bits$f($R x)\n{\n    $U bits;\n    memcpy(&bits, &x, sizeof bits);\n"
                       "    return bits;\n}\n\n",
    [HELPER_FROM_BITS] =
        "static inline $R lequel_from_bits$f($U bits)\n{\n    $R x;\n    memcpy(&x, &bits, sizeof x);\n"
        "    return x;\n}\n\n",
    [HELPER_ABS] =
        "static inline $R lequel_abs$f($R x)\n{\n    return lequel_from_bits$f(lequel_to_bits$f(x) & $M);\n}\n\n",
    [HELPER_COPYSIGN] =
        "/* The magnitude of x with the sign of y. */\nstatic inline $R lequel_copysign$f($R x, $R y)\n{\n"
        "    return lequel_from_bits$f((lequel_to_bits$f(x) & $M) | (lequel_to_bits$f(y) & ~$M));\n}\n\n",
    [HELPER_MIN] =
        "/* b where the comparison fails, so a NaN in b is kept. */\nstatic inline $R lequel_min$f($R a, $R b)\n{\n"
        "    return a < b ? a : b;\n}\n\n",
    [HELPER_MAX] =
        "/* b where the comparison fails, so a NaN in b is kept. */\nstatic inline $R lequel_max$f($R a, $R b)\n{\n"
        "    return a > b ? a : b;\n}\n\n",
    [HELPER_SQRT] = "static inline $R lequel_sqrt$f($R x)\n{\n#if LEQUEL_LIBM\n    return sqrt$f(x);\n#else\n"
                    "    return $Clequel_sqrt_exact(x);\n#endif\n}\n\n",
    [HELPER_LARGER] =
        "/* A maximum keeps a NaN once it has met one. */\nstatic inline $R lequel_larger$f($R a, $R b)\n{\n"
        "    return a > b || a != a ? a : b;\n}\n\n",
    [HELPER_SUM] =
        "/* The sixteen lanes of a sum, added in halves: the same bits on every machine. */\n"
        "static inline $R lequel_sum$f($R lane[16])\n{\n    for (int half = 8; half > 0; half /= 2)\n"
        "        for (int i = 0; i < half; i++) lane[i] = lane[i] + lane[i + half];\n    return lane[0];\n}\n\n",
    [HELPER_LARGEST] =
        "/* The largest of sixteen lanes, in the same order on every machine. */\n"
        "static inline $R lequel_largest$f($R lane[16])\n{\n    for (int half = 8; half > 0; half /= 2)\n"
        "        for (int i = 0; i < half; i++) lane[i] = lequel_larger$f(lane[i], lane[i + half]);\n"
        "    return lane[0];\n}\n\n",
};

// ---- Transcendental functions ---------------------------------------------------------------------------------------

static const char *const function_comments[] = {
    [MATH_EXP] = "The exponential of x.",
    [MATH_EXPM1] = "exp(x) - 1 without cancellation.",
    [MATH_LOG] = "The natural logarithm of x.",
    [MATH_LOG1P] = "log(1 + x) without cancellation.",
    [MATH_TANH] = "The hyperbolic tangent of x.",
    [MATH_SIN] = "The sine of x.",
    [MATH_COS] = "The cosine of x.",
    [MATH_SIGMOID] = "1 / (1 + exp(-x)), right for large x of either sign.",
    [MATH_SOFTPLUS] = "log(1 + exp(x)) without overflow.",
    [MATH_POWER] = "x to the power y, for x >= 0.",
};

static void function_write(Writer *w, LoopReal real, MathFunction function, bool lanes, Text *out) {
    bool two = function == MATH_POWER; // whose accuracy must not depend on whether the compiler fuses
    LoopBody ops = {.real = real, .deterministic = w->program->deterministic || two};
    uint32_t x = loop_op(&ops, LOOP_LOAD, 0, 0, 0), y = two ? loop_op(&ops, LOOP_LOAD, 1, 0, 0) : 0;
    uint32_t result = two ? maths_power(&ops, x, y) : maths_emit(&ops, function, x);
    const CAccess accesses[] = {{.text = "x", .member = "x"}, {.text = "y", .member = "y"}};
    NameSet names = {.arena = w->arena};
    Body body = {.w = w,
                 .real = real,
                 .ops = ops.ops.items,
                 .count = ops.ops.count,
                 .accesses = accesses,
                 .results = &result,
                 .result_count = 1,
                 .numbers = 1,
                 .indent = "    ",
                 .names = &names};
    static const bool both[] = {true, true};
    if (lanes) body.moves = both, body.vectors = true;
    const char *type = lanes ? arena_format(w->arena, "lequel_v%s", real_suffix(real)) : real_type(real), *value;
    text_addf(out, "/* %s */\n%s %s lequel_%s%s%s(%s x", function_comments[function],
              lanes ? "LEQUEL_INLINE" : "static inline", type, maths_name(function), real_suffix(real),
              lanes ? "_v" : "", type);
    text_addf(out, two ? ", %s y)\n{\n" : ")\n{\n", type);
    body_write(&body, out, &value);
    text_addf(out, "    return %s;\n}\n\n", value);
    name_set_free(&names);
    loop_body_free(&ops);
}

void helpers_write(Writer *w, Text *out) {
    Text functions = {0};
    for (int real = 0; real < 2; real++)
        for (int f = 0; f <= MATH_POWER; f++) {
            if (w->functions[real][f]) function_write(w, (LoopReal)real, (MathFunction)f, false, &functions);
            if (w->lane_functions[real][f]) function_write(w, (LoopReal)real, (MathFunction)f, true, &functions);
        }
    if (in_vectors(w)) need(w, w->program->real, HELPER_SQRT);
    for (int real = 0; real < 2; real++)
        for (int helper = 0; helper < HELPER_COUNT; helper++)
            if (w->helpers[real][helper]) text_of_type((LoopReal)real, helpers[helper], out);
    if (in_vectors(w)) lanes_write(w, out);
    text_add(out, text_z(&functions));
    text_free(&functions);
}
