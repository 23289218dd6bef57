/* Elementary functions of vectors.
 *
 * exp and tanh are within 2 ulp of the exact value over the whole range, subnormal results included, exact
 * at 0, and take infinities and NaN as IEEE 754 would. Sigmoid is so within 2.5 ulp, and 0 where it is not normal.
 */
#ifndef VG_VMATH_H
#define VG_VMATH_H

#include "vec.h"

#define LN2 ((real)0.69314718055994530942)
#if REAL_BITS == 32
#define MANTISSA 23
#define EXPONENT_BIAS 127
#define LN2_HIGH 0.693359375f /* few enough bits that n * LN2_HIGH is exact */
#define LN2_LOW -2.12194440e-4f
#define EXP_OVERFLOW 89.0f   /* exp is infinite from here on */
#define EXP_UNDERFLOW -104.0f /* exp is 0 up to here */
#define TANH_ONE 10.0f        /* tanh is 1 from here on */
#define LOG1P_TERMS 8
#define LOG_TERMS 4
#define SIN_TERMS 6
#define ERFC_TERMS 13
#define ERF_TERMS 8
#define TRIG_TERMS 5
#define TRIG_LIMIT 1024.0f
#define HALF_PI_1 0x1.9200000000000p+0f
#define HALF_PI_2 0x1.fb40000000000p-12f
#define HALF_PI_3 0x1.4440000000000p-24f
#define HALF_PI_4 0x1.68c234c4c6629p-39f
#define REAL_MAX FLT_MAX
#define REAL_POW powf
#define REAL_SIN sinf
#define REAL_COS cosf
#else
#define MANTISSA 52
#define EXPONENT_BIAS 1023
#define LN2_HIGH 6.93147180369123816490e-01
#define LN2_LOW 1.90821492927058770002e-10
#define EXP_OVERFLOW 710.0
#define EXP_UNDERFLOW -746.0
#define TANH_ONE 20.0
#define LOG1P_TERMS 17
#define LOG_TERMS 9
#define SIN_TERMS 11
#define ERFC_TERMS 27
#define ERF_TERMS 14
#define TRIG_TERMS 8
#define TRIG_LIMIT 1048576.0
#define HALF_PI_1 0x1.921fb54400000p+0
#define HALF_PI_2 0x1.0b4611a600000p-34
#define HALF_PI_3 0x1.3198a2e000000p-69
#define HALF_PI_4 0x1.b839a252049c1p-104
#define REAL_MAX DBL_MAX
#define REAL_POW pow
#define REAL_SIN sin
#define REAL_COS cos
#endif

/* (e^r - 1 - r) / r^2 for -0.5 ln 2 <= r <= 0.7 ln 2, minimax: e^r - 1 is within 2^-29.9 and 2^-64.6 of its value. */
static const real EXPM1[] = {
#if REAL_BITS == 32
    0.500000006161f, 0.166666747687f, 0.0416663231487f, 0.00833125960652f, 0.00139412604161f, 0.000210361456772f,
#else
    0.5000000000000000003,     0.16666666666666665637,    0.04166666666666660669,    0.008333333333334374603,
    0.0013888888888915303677,  0.00019841269837732893972, 0.000024801587265037925824, 2.755732463698656462e-6,
    2.7557322911058110626e-7,  2.5048240042707735978e-8,  2.0900315179685072934e-9,  1.7119556390001007088e-10,
#endif
};
#define EXPM1_TERMS ((int)(sizeof EXPM1 / sizeof *EXPM1))

/* Adding it to n leaves no fraction bits, and in the last bits the exponent of 2^n. */
#define EXPONENT_ROUND ((real)1.5 * ((whole)1 << MANTISSA) + EXPONENT_BIAS)

/* times x = n ln 2 + times r for times 1 or 2, n = 0 for times r up to `upper` ln 2: r, and in the last bits of *power
 * 2^n's exponent. */
INLINE vec reduce_by_ln2(vec x, const int times, const real upper, mask *power) {
    const real scale = (real)1.44269504088896340736 * times;
    const vec sum = (upper == (real)0.5 ? x * scale : x * scale + ((real)0.5 - upper)) + EXPONENT_ROUND;
    const vec n = sum - EXPONENT_ROUND;
    *power = (mask)sum;
    return (x - n * ((real)LN2_HIGH / times)) - n * ((real)LN2_LOW / times);
}

INLINE vec power_of_two(mask power) { return (vec)(power << MANTISSA); }

/* (e^(times r) - 1) / times for r of reduce_by_ln2. */
INLINE vec expm1_reduced(vec r, const int times) {
#define TERM(k) (EXPM1[k] * (times == 1 ? 1 : (real)(2ll << (k))))
    const vec square = r * r;
    vec sum = TERM(EXPM1_TERMS - 2) + r * TERM(EXPM1_TERMS - 1);
#pragma GCC unroll 16
    for (int k = EXPM1_TERMS - 4; k >= 0; k -= 2) sum = sum * square + (TERM(k) + r * TERM(k + 1));
#undef TERM
    return sum * square + r;
}

INLINE vec vexp(vec x) {
    mask power;
    const vec r = reduce_by_ln2(at_least(at_most(x, all(EXP_OVERFLOW)), all(EXP_UNDERFLOW)), 1, (real)0.5, &power);
    const mask n = power - (mask)all(EXPONENT_ROUND), half = n >> 1; /* neither factor over- or underflows */
    return (expm1_reduced(r, 1) + 1) * power_of_two(half + EXPONENT_BIAS) * power_of_two(n - half + EXPONENT_BIAS);
}

/* e^x, but 0 and infinite where 2^n of reduce_by_ln2 is. */
INLINE vec vexp_normal(vec x) {
    const vec near = at_least(at_most(x, all((EXPONENT_BIAS + 1) * LN2)), all(-EXPONENT_BIAS * LN2));
    mask power;
    const vec r = reduce_by_ln2(near, 1, (real)0.5, &power);
    return (expm1_reduced(r, 1) + 1) * power_of_two(power);
}

/* (e^(times x) - 1) / times for |times x| <= EXPM1_LIMIT; at -EXPM1_LIMIT it is -1 / times. */
#define EXPM1_LIMIT (2 * TANH_ONE)
INLINE vec vexpm1(vec x, const int times) {
    mask power;
    /* where n is 1, what follows cancels least */
    const vec r = reduce_by_ln2(x, times, (real)0.7, &power), scale = power_of_two(power);
    const real part = (real)1 / times;
    return scale * expm1_reduced(r, times) + (scale * part - part);
}

/* tanh |x| = m / (m + 1) = m - m m / (m + 1) with m = (e^(2|x|) - 1) / 2: the second form spares small results
 * two roundings. */
INLINE vec vtanh(vec x) {
    const vec m = vexpm1(at_most(magnitude(x), all(TANH_ONE)), 2), quotient = m / (m + 1);
    return with_sign_of(choose(m < all((real)0.5), m - m * quotient, quotient), x);
}

INLINE vec vsigmoid(vec x) { return 1 / (1 + vexp_normal(-x)); }

/* log(1 + t) for 0 <= t <= 1: 2 artanh(s) with s = t / (t + 2), s^2 <= 1/9. */
INLINE vec vlog1p_unit(vec t) {
    const vec s = t / (t + 2), square = s * s;
    vec sum = all((real)1 / (2 * LOG1P_TERMS + 1));
#pragma GCC unroll 32
    for (int k = LOG1P_TERMS - 1; k >= 0; k--) sum = sum * square + (real)1 / (2 * k + 1);
    return 2 * s * sum;
}

/* log(1 + e^x) */
INLINE vec vsoftplus(vec x) { return at_least(x, all(0)) + vlog1p_unit(vexp(-magnitude(x))); }

/* log x for normal x > 0: x = m 2^n with sqrt(1/2) <= m < sqrt 2, log m = 2 artanh(s), |s| <= 0.172. */
INLINE vec vlog_normal(vec x) {
    const mask root_half = (mask)all((real)0.70710678118654752440);
    const mask n = ((mask)x - root_half) >> MANTISSA;
    const vec m = (vec)((mask)x - (n << MANTISSA));
    const vec s = (m - 1) / (m + 1), square = s * s;
    vec sum = all((real)1 / (2 * LOG_TERMS + 1));
#pragma GCC unroll 16
    for (int k = LOG_TERMS - 1; k >= 0; k--) sum = sum * square + (real)1 / (2 * k + 1);
    const vec count = __builtin_convertvector(n, vec);
    return count * (real)LN2_HIGH + (count * (real)LN2_LOW + 2 * s * sum);
}

static const real TRIG_SINE[] = {
    -1.0 / 6, 1.0 / 120, -1.0 / 5040, 1.0 / 362880, -1.0 / 39916800, 1.0 / 6227020800.0, -1.0 / 1307674368000.0,
    1.0 / 355687428096000.0,
};
static const real TRIG_COSINE[] = {
    -1.0 / 2, 1.0 / 24, -1.0 / 720, 1.0 / 40320, -1.0 / 3628800, 1.0 / 479001600, -1.0 / 87178291200.0,
    1.0 / 20922789888000.0,
};

/* log x of any x: -infinity at 0, NaN below; infinity and NaN are themselves. */
INLINE vec vlog(vec x) {
    const mask tiny = x < all(REAL_MIN);
    const vec lifted = choose(tiny, x * (real)((whole)1 << MANTISSA), x);
    const vec normal = vlog_normal(lifted) - keep(tiny, all(MANTISSA * LN2));
    const vec edge = choose(x == all(0), all(-INFINITY), choose(x < all(0), all(NAN), x));
    return choose((lifted >= all(REAL_MIN)) & (x < all(INFINITY)), normal, edge);
}

/* log(1 + x), from log of the sum as it is rounded (Kahan; Goldberg 1991, theorem 4). */
INLINE vec vlog1p(vec x) {
    const vec sum = rounded(1 + x), added = sum - 1;
    return choose(added == all(0), x, choose(x < all(REAL_MAX), vlog(sum) * (x / added), vlog(sum)));
}

INLINE vec vpow(vec x, vec y) {
    for (int i = 0; i < LANES; i++) x[i] = REAL_POW(x[i], y[i]);
    return x;
}

/* Sine of x + quadrants pi / 2. For |x| <= TRIG_LIMIT it is taken of x less a multiple of pi / 2, whose parts are
 * short enough for their products with it to be exact. */
INLINE vec vsin_shifted(vec x, whole quadrants) {
    const vec near = at_least(at_most(x, all(TRIG_LIMIT)), all(-TRIG_LIMIT));
    const vec round = all((real)1.5 * ((whole)1 << MANTISSA));
    const vec count = (near * (real)0.63661977236758134308 + round) - round;
    const vec r = ((near - count * HALF_PI_1) - count * HALF_PI_2) - count * HALF_PI_3 - count * HALF_PI_4;
    const mask quadrant = __builtin_convertvector(choose(count == count, count, all(0)), mask) + quadrants;
    const vec square = r * r;
    vec sine = all(TRIG_SINE[TRIG_TERMS - 1]), cosine = all(TRIG_COSINE[TRIG_TERMS - 1]);
#pragma GCC unroll 16
    for (int k = TRIG_TERMS - 2; k >= 0; k--) {
        sine = sine * square + TRIG_SINE[k];
        cosine = cosine * square + TRIG_COSINE[k];
    }
    const vec size = choose((quadrant & 1) == 0, r + r * (square * sine), 1 + square * cosine);
    vec v = choose((quadrant & 2) == 0, size, -size);
    const mask far = ~(magnitude(x) <= all(TRIG_LIMIT));
    if (any_lane(far))
        for (int i = 0; i < LANES; i++)
            if (far[i]) v[i] = quadrants ? REAL_COS(x[i]) : REAL_SIN(x[i]);
    return v;
}
INLINE vec vsin(vec x) { return vsin_shifted(x, 0); }
INLINE vec vcos(vec x) { return vsin_shifted(x, 1); }

/* sin(pi x) for |x| <= 1/2. */
INLINE vec vsin_pi(vec x) {
    const vec r = x * (real)3.14159265358979323846, square = r * r;
    vec sum = all(1);
#pragma GCC unroll 16
    for (int k = SIN_TERMS; k >= 1; k--) sum = 1 - sum * square * ((real)1 / (2 * k * (2 * k + 1)));
    return r * sum;
}

/* Chebyshev coefficients in u = 2 t - 1 of log(erfc(x) e^(x^2) / t), t = 2 / (2 + x), x >= 0. */
static const real ERFC_COEFFICIENT[] = {
    -1.3026537197817094342 / 2, 0.6419697923564902603,    0.019476473204185836312,
    -0.0095615147868086316419,  -0.0009465953444820368663, 0.00036683949785276145187,
    4.2523324806907771645e-5,   -2.0278578112534243154e-5, -1.6242900046470255135e-6,
    1.3036558355805232018e-6,   1.5626441722066143178e-8,  -8.5238095914926542525e-8,
    6.5290544390988514964e-9,   5.0593434955514689418e-9,  -9.9136415649303308674e-10,
    -2.2736512229318358557e-10, 9.646791102015526802e-11,  2.3940380830391147447e-12,
    -6.8860275264975533984e-12, 8.9448792730907257167e-13, 3.1309213993429580783e-13,
    -1.1270822361367252366e-13, 3.8109052551892320552e-16, 7.1060976136092369878e-15,
    -1.5230282014571043043e-15, -9.4574945712912340005e-17, 1.2102371892242789923e-16,
};

/* The standard normal distribution function, 0.5 erfc(-z / sqrt 2): relative accuracy in both tails. */
INLINE vec vnormal_cdf(vec z) {
    const vec x = magnitude(z) * (real)0.70710678118654752440;
    const vec t = 2 / (2 + x), u2 = 4 * t - 2;
    vec b1 = all(0), b2 = all(0); /* Clenshaw's recurrence */
#pragma GCC unroll 32
    for (int k = ERFC_TERMS - 1; k >= 1; k--) {
        const vec b = u2 * b1 - b2 + ERFC_COEFFICIENT[k];
        b2 = b1;
        b1 = b;
    }
    const vec exponent = u2 * (real)0.5 * b1 - b2 + ERFC_COEFFICIENT[0];
    const vec tail = (real)0.5 * t * vexp(exponent - x * x);
    return choose(z < all(0), tail, 1 - tail);
}

/* 2 / sqrt(pi) (-1)^k / (k! (2 k + 1)) */
static const real ERF_COEFFICIENT[] = {
    1.1283791670955125739, -0.37612638903183752463, 0.11283791670955125739,
    -0.026866170645131251759, 0.0052239776254421878421, -0.00085483270234508528325,
    0.00012055332981789664251, -0.000014925650358406250977, 1.6462114365889247402e-6,
    -1.6365844691234924317e-7, 1.480719281587921724e-8, -1.2290555301717927353e-9,
    9.4227590646504109706e-11, -6.7113668551641103779e-12,
};

/* erf x: Taylor's polynomial up to 1/2, behind it 1 - erfc. */
INLINE vec verf(vec x) {
    const vec size = magnitude(x), square = x * x;
    vec sum = all(ERF_COEFFICIENT[ERF_TERMS - 1]);
#pragma GCC unroll 16
    for (int k = ERF_TERMS - 2; k >= 0; k--) sum = sum * square + ERF_COEFFICIENT[k];
    const vec far = 1 - 2 * vnormal_cdf(-size * (real)1.41421356237309504880);
    return choose(size <= all((real)0.5), x * sum, with_sign_of(far, x));
}

#endif
