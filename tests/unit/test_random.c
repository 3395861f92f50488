// Random numbers: published vectors, frozen values, moments, independence of streams, and the elementary functions.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "assert_close.h"
#include "runtime/data/elementary.h"
#include "runtime/data/random.h"
#include <stdlib.h>

// The known-answer vectors for philox4x32-10 published with Random123.
static void philox_gives_the_published_vectors(void **state) {
    (void)state;
    static const uint32_t VECTORS[3][10] = {
        {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
        {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x408f276d, 0x41c83b0e, 0xa20bc7c6,
         0x6d5451fd},
        {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09, 0x94fdcceb, 0x5001e420,
         0x24126ea1},
    };
    for (int i = 0; i < 3; i++) {
        uint32_t result[4];
        random_philox(VECTORS[i], VECTORS[i] + 4, result);
        assert_memory_equal(result, VECTORS[i] + 6, sizeof result);
    }
}

// The numbers of a stream are a promise: models that were run before must give the same results again.
static void draws_stay_what_they_were(void **state) {
    (void)state;
    RandomStream stream = random_stream(1, "x"), child = random_child(&stream, 7);
    assert_true(random_uniform(&stream, 0) == 0.50926637779303596);
    assert_true(random_normal(&stream, 0) == -1.025710053247106);
    assert_true(random_normal(&stream, 1) == 0.54542370155975572);
    assert_true(random_uniform(&child, 3) == 0.24315365561696334);
    uint32_t order[8];
    static const uint32_t EXPECTED[8] = {3, 0, 1, 5, 2, 6, 4, 7};
    random_permutation(&stream, 2, 8, order);
    assert_memory_equal(order, EXPECTED, sizeof order);
}

static void uniforms_fill_the_unit_interval(void **state) {
    (void)state;
    enum { COUNT = 200000, BINS = 100 };
    RandomStream stream = random_stream(3, "uniform");
    int bins[BINS] = {0};
    double chi = 0, lag = 0, sum = 0;
    for (uint64_t i = 0; i < COUNT; i++) {
        double u = random_uniform(&stream, i);
        assert_true(u >= 0 && u < 1);
        bins[(int)(BINS * u)]++;
        sum += u;
        lag += (u - 0.5) * (random_uniform(&stream, i + 1) - 0.5);
    }
    for (int i = 0; i < BINS; i++) chi += (bins[i] - COUNT / BINS) * (double)(bins[i] - COUNT / BINS) / (COUNT / BINS);
    assert_close(sum / COUNT, 0.5, 5 * 0.29 / sqrt(COUNT));
    assert_close(lag / COUNT, 0, 5 * 0.084 / sqrt(COUNT));
    assert_close(chi, BINS - 1, 5 * sqrt(2 * (BINS - 1)));
}

static void normals_have_their_moments(void **state) {
    (void)state;
    enum { COUNT = 400000 };
    RandomStream stream = random_stream(4, "normal");
    double power[5] = {0}, within = 0, neighbours = 0;
    for (uint64_t i = 0; i < COUNT; i++) {
        double x = random_normal(&stream, i), product = 1;
        for (int k = 1; k <= 4; k++) power[k] += product *= x;
        within += fabs(x) < 1.959963984540054;
        neighbours += x * random_normal(&stream, i ^ 1);
    }
    double error = 5 / sqrt(COUNT); // five standard errors
    assert_close(power[1] / COUNT, 0, error);
    assert_close(power[2] / COUNT, 1, error * sqrt(2));
    assert_close(power[3] / COUNT, 0, error * sqrt(15));
    assert_close(power[4] / COUNT, 3, error * sqrt(96));
    assert_close(within / COUNT, 0.95, error * sqrt(0.95 * 0.05));
    assert_close(neighbours / COUNT, 0, error * sqrt(2));
}

static void streams_differ_by_seed_name_and_number(void **state) {
    (void)state;
    RandomStream streams[6] = {random_stream(1, "a"), random_stream(2, "a"), random_stream(1, "b"),
                               random_stream(1ull << 32, "a")};
    streams[4] = random_child(&streams[0], 0);
    streams[5] = random_child(&streams[0], 1);
    for (int i = 0; i < 6; i++)
        for (int j = 0; j < i; j++) {
            double correlation = 0;
            for (uint64_t k = 0; k < 2000; k++) {
                assert_true(random_bits(&streams[i], k) != random_bits(&streams[j], k));
                correlation += random_normal(&streams[i], k) * random_normal(&streams[j], k) / 2000;
            }
            assert_close(correlation, 0, 5 / sqrt(2000));
        }
}

static void below_is_even_and_in_range(void **state) {
    (void)state;
    RandomStream stream = random_stream(5, "below");
    int counts[6] = {0};
    for (uint64_t i = 0; i < 60000; i++) counts[random_below(&stream, i, 6)]++;
    for (int i = 0; i < 6; i++) assert_close(counts[i], 10000, 5 * sqrt(10000));
    assert_int_equal(random_below(&stream, 0, 0), 0);
    assert_int_equal(random_below(&stream, 0, 1), 0);
    uint64_t bits = random_bits(&stream, 9);
    assert_int_equal(random_below(&stream, 9, 1ull << 63), bits >> 1);
    assert_int_equal(random_below(&stream, 9, 1ull << 40), bits >> 24);
    assert_int_equal(random_below(&stream, 9, UINT64_MAX), bits - 1); // bits * (2^64 - 1) / 2^64, rounded down
}

static void permutations_hold_every_number_once(void **state) {
    (void)state;
    enum { COUNT = 1000 };
    RandomStream stream = random_stream(6, "order");
    uint32_t first[COUNT], second[COUNT];
    unsigned char seen[COUNT] = {0};
    random_permutation(&stream, 0, COUNT, first);
    random_permutation(&stream, 1, COUNT, second);
    for (int i = 0; i < COUNT; i++) {
        assert_true(first[i] < COUNT && !seen[first[i]]);
        seen[first[i]] = 1;
    }
    assert_memory_not_equal(first, second, sizeof first);
    random_permutation(&stream, 1, COUNT, first);
    assert_memory_equal(first, second, sizeof first);
    random_permutation(&stream, 0, 0, first);
    int places[4][4] = {{0}};
    for (uint64_t epoch = 0; epoch < 8000; epoch++) {
        random_permutation(&stream, epoch, 4, first);
        for (int i = 0; i < 4; i++) places[i][first[i]]++;
    }
    for (int i = 0; i < 16; i++) assert_close(places[i / 4][i % 4], 2000, 5 * sqrt(2000));
}

static void elementary_functions_agree_with_the_library(void **state) {
    (void)state;
    RandomStream stream = random_stream(7, "elementary");
    for (uint64_t i = 0; i < 100000; i++) {
        double u = random_uniform(&stream, i);
        assert_ulp(elementary_exp(1400 * (u - 0.5)), exp(1400 * (u - 0.5)), 3);
        assert_ulp(elementary_exp(u - 0.5), exp(u - 0.5), 3);
        assert_ulp(elementary_log(u), log(u), 3);
        assert_ulp(elementary_log(0.7 + 0.7 * u), log(0.7 + 0.7 * u), 3);
        assert_close(elementary_sin(2e6 * (u - 0.5)), sin(2e6 * (u - 0.5)), 3e-16);
        assert_close(elementary_sin_turns(u), sin(6.283185307179586 * u), 1.5e-15); // 2 pi u itself is rounded
        assert_close(elementary_cos_turns(u), cos(6.283185307179586 * u), 1.5e-15);
    }
}

static void elementary_functions_keep_their_special_values(void **state) {
    (void)state;
    assert_true(elementary_exp(0) == 1 && elementary_exp(-1000) == 0 && isinf(elementary_exp(1000)) &&
                isnan(elementary_exp(NAN)));
    assert_true(elementary_exp(-745) > 0 && !isinf(elementary_exp(709.7)) && elementary_exp(-HUGE_VAL) == 0);
    assert_true(elementary_log(1) == 0 && isinf(elementary_log(0)) && isnan(elementary_log(-1)) &&
                isinf(elementary_log(HUGE_VAL)));
    assert_ulp(elementary_log(0x1p-1074), log(0x1p-1074), 1);
    assert_true(elementary_sin(0) == 0 && isnan(elementary_sin(HUGE_VAL)) && isnan(elementary_sin(NAN)));
    assert_true(elementary_cos_turns(0) == 1 && elementary_sin_turns(0.25) == 1 && elementary_cos_turns(0.25) == 0);
    assert_true(elementary_sin_turns(-0.25) == -1 && elementary_cos_turns(0x1p50) == 1);
    assert_close(elementary_sin(1e9), sin(1e9), 4e-8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_the_published_vectors),
        cmocka_unit_test(draws_stay_what_they_were),
        cmocka_unit_test(uniforms_fill_the_unit_interval),
        cmocka_unit_test(normals_have_their_moments),
        cmocka_unit_test(streams_differ_by_seed_name_and_number),
        cmocka_unit_test(below_is_even_and_in_range),
        cmocka_unit_test(permutations_hold_every_number_once),
        cmocka_unit_test(elementary_functions_agree_with_the_library),
        cmocka_unit_test(elementary_functions_keep_their_special_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
