/* Vectors of `real` at the width of this CPU level, in the compiler's vector extensions.
 *
 * A level file defines REAL_BITS (32 or 64) and includes kernels.h once; everything below and in the
 * headers beside it is static, so that each (level, dtype) pair is a translation unit of its own.
 */
#ifndef VG_VEC_H
#define VG_VEC_H

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX2__)
#include <immintrin.h> /* masked loads and stores, which the vector extensions lack */
#endif

#include "leaf.h"

#if REAL_BITS == 32
typedef float real;
typedef int32_t whole; /* the integer as wide as a real */
#define REAL_SQRT sqrtf
#define REAL_MIN FLT_MIN
#else
typedef double real;
typedef int64_t whole;
#define REAL_SQRT sqrt
#define REAL_MIN DBL_MIN
#endif

#if defined(__AVX512F__)
#define VEC_BYTES 64
#elif defined(__AVX2__)
#define VEC_BYTES 32
#else
#define VEC_BYTES 16
#endif
#define LANES ((ptrdiff_t)(VEC_BYTES / sizeof(real)))

typedef real vec __attribute__((vector_size(VEC_BYTES)));
typedef whole mask __attribute__((vector_size(VEC_BYTES))); /* a lane is all ones or all zeros */
typedef real vec_at __attribute__((vector_size(VEC_BYTES), aligned(sizeof(real)), may_alias));

#define INLINE static inline __attribute__((always_inline))

INLINE vec load(const real *p) { return *(const vec_at *)p; }
INLINE void store(real *p, vec v) { *(vec_at *)p = v; }
INLINE vec all(real x) { return x - (vec){0}; }

INLINE vec choose(mask m, vec yes, vec no) { return (vec)(((mask)yes & m) | ((mask)no & ~m)); }
INLINE vec keep(mask m, vec v) { return (vec)((mask)v & m); } /* v where m, else 0 */
#if VEC_BYTES == 64 && REAL_BITS == 32
#define X86(operation) (vec)_mm512_##operation##_ps
typedef __m512 x86_vec;
#elif VEC_BYTES == 64
#define X86(operation) (vec)_mm512_##operation##_pd
typedef __m512d x86_vec;
#elif VEC_BYTES == 32 && REAL_BITS == 32
#define X86(operation) (vec)_mm256_##operation##_ps
typedef __m256 x86_vec;
#elif VEC_BYTES == 32
#define X86(operation) (vec)_mm256_##operation##_pd
typedef __m256d x86_vec;
#endif

/* Bounds that NaN passes, as it does not pass fmax: of two that are unordered x86 takes the second. */
#ifdef X86
INLINE vec at_least(vec v, vec least) { return X86(max)((x86_vec)least, (x86_vec)v); }
INLINE vec at_most(vec v, vec most) { return X86(min)((x86_vec)most, (x86_vec)v); }
#else
INLINE vec at_least(vec v, vec least) { return choose(v < least, least, v); }
INLINE vec at_most(vec v, vec most) { return choose(v > most, most, v); }
#endif
INLINE double no_less(double x, double least) { return x < least ? least : x; }
INLINE vec magnitude(vec v) { return (vec)((mask)v & ~(mask)all((real)-0.0)); }
INLINE vec with_sign_of(vec v, vec sign) {
    return (vec)((mask)v | ((mask)sign & (mask)all((real)-0.0)));
}

#if defined(__AVX512F__) || defined(__aarch64__)
#define VECTOR_REGISTERS 32
#else
#define VECTOR_REGISTERS 16
#endif

#if defined(__x86_64__)
#define VECTOR_REGISTER "+x"
#elif defined(__aarch64__)
#define VECTOR_REGISTER "+w"
#elif defined(__wasm_simd128__)
#define VECTOR_REGISTER "+r"
#else
#define VECTOR_REGISTER "+m"
#endif

/* v as it is when stored: what follows may not fuse with the multiplication that made it, so that the same
 * expression has the same bits wherever it is compiled. */
INLINE vec rounded(vec v) {
    __asm__("" : VECTOR_REGISTER(v));
    return v;
}

/* Where a or b is NaN. */
INLINE mask unordered(vec a, vec b) {
#if defined(__AVX512F__) || !defined(__AVX2__)
    return (a != a) | (b != b);
#elif REAL_BITS == 32
    return (mask)_mm256_cmp_ps((__m256)a, (__m256)b, _CMP_UNORD_Q);
#else
    return (mask)_mm256_cmp_pd((__m256d)a, (__m256d)b, _CMP_UNORD_Q);
#endif
}

/* Whether m is true of any lane. */
INLINE int any_lane(mask m) {
#if defined(__AVX512F__)
    return _mm512_test_epi32_mask((__m512i)m, (__m512i)m) != 0;
#elif defined(__AVX2__)
    return !_mm256_testz_si256((__m256i)m, (__m256i)m);
#else
    whole joined = 0;
    for (int i = 0; i < LANES; i++) joined |= m[i];
    return joined != 0;
#endif
}

/* A bit for each lane, the lowest for the first. */
INLINE unsigned lane_bits(mask m) {
#if defined(__AVX512F__) && REAL_BITS == 32
    return _mm512_movepi32_mask((__m512i)m);
#elif defined(__AVX512F__)
    return _mm512_movepi64_mask((__m512i)m);
#elif defined(__AVX2__) && REAL_BITS == 32
    return (unsigned)_mm256_movemask_ps((__m256)m);
#elif defined(__AVX2__)
    return (unsigned)_mm256_movemask_pd((__m256d)m);
#else
    unsigned bits = 0;
    for (int i = 0; i < LANES; i++) bits |= (unsigned)(m[i] & 1) << i;
    return bits;
#endif
}

/* Lanes 0 .. n-1. */
INLINE mask first(ptrdiff_t n) {
    mask lane;
    for (int i = 0; i < LANES; i++) lane[i] = i;
    return lane < (whole)n;
}

/* The first n reals at p, at most LANES, and zeros behind them; nothing past p + n is read or written. */
INLINE vec load_first(const real *p, ptrdiff_t n) {
    if (n >= LANES) return load(p);
#if defined(__AVX512F__) && REAL_BITS == 32
    return (vec)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#elif defined(__AVX512F__)
    return (vec)_mm512_maskz_loadu_pd((__mmask8)((1u << n) - 1), p);
#elif defined(__AVX2__) && REAL_BITS == 32
    return (vec)_mm256_maskload_ps(p, (__m256i)first(n));
#elif defined(__AVX2__)
    return (vec)_mm256_maskload_pd(p, (__m256i)first(n));
#else
    vec v = {0};
    for (ptrdiff_t i = 0; i < n; i++) v[i] = p[i];
    return v;
#endif
}

/* The reals at p where m, and zeros elsewhere; nothing else is read. */
INLINE vec load_where(mask m, const real *p) {
#if defined(__AVX512F__) && REAL_BITS == 32
    return (vec)_mm512_maskz_loadu_ps(_mm512_movepi32_mask((__m512i)m), p);
#elif defined(__AVX512F__)
    return (vec)_mm512_maskz_loadu_pd(_mm512_movepi64_mask((__m512i)m), p);
#elif defined(__AVX2__) && REAL_BITS == 32
    return (vec)_mm256_maskload_ps(p, (__m256i)m);
#elif defined(__AVX2__)
    return (vec)_mm256_maskload_pd(p, (__m256i)m);
#else
    vec v = {0};
    for (int i = 0; i < LANES; i++)
        if (m[i]) v[i] = p[i];
    return v;
#endif
}

INLINE void store_first(real *p, vec v, ptrdiff_t n) {
    if (n >= LANES) {
        store(p, v);
        return;
    }
#if defined(__AVX512F__) && REAL_BITS == 32
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
#elif defined(__AVX512F__)
    _mm512_mask_storeu_pd(p, (__mmask8)((1u << n) - 1), (__m512d)v);
#elif defined(__AVX2__) && REAL_BITS == 32
    _mm256_maskstore_ps(p, (__m256i)first(n), (__m256)v);
#elif defined(__AVX2__)
    _mm256_maskstore_pd(p, (__m256i)first(n), (__m256d)v);
#else
    for (ptrdiff_t i = 0; i < n; i++) p[i] = v[i];
#endif
}

INLINE real *element(vg_matrix m, ptrdiff_t row, ptrdiff_t col) { return (real *)m.data + row * m.ld + col; }

/* Behind the last of a thread's rows at timestep t. */
INLINE ptrdiff_t rows_end(const vg_rows *rows, ptrdiff_t t) { return rows->ends ? rows->ends[t] : rows->end; }

/* For each row r of `rows`, timestep by timestep. */
#define FOR_ROWS(r, rows)                                                                                \
    for (ptrdiff_t t_ = 0; t_ < (rows)->times; t_++)                                                     \
        for (ptrdiff_t r = t_ * (rows)->stride + (rows)->begin,                                          \
                       end_ = t_ * (rows)->stride + rows_end(rows, t_);                                  \
             r < end_; r++)

INLINE vec square_root(vec v) {
    for (int i = 0; i < LANES; i++) v[i] = REAL_SQRT(v[i]);
    return v;
}

#endif
