/* Vectors of numbers, and the functions of them that generated code calls.
 *
 * Written with the vector types of GCC and Clang, so that one text serves every processor. `real`
 * is float or double; DOUBLE says which. No function here relies on the order of additions being
 * free, so -ffast-math must stay off: it would break the rounding in v_exp.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>
#if defined(__AVX512F__)
#include <immintrin.h>
#define VECTOR_BYTES 64
#define ACCUMULATORS 24 /* of 32 registers; the rest hold weights and inputs */
#elif defined(__AVX__)
#define VECTOR_BYTES 32
#define ACCUMULATORS 12
#else
#define VECTOR_BYTES 16
#define ACCUMULATORS 12
#endif

#if DOUBLE
typedef double real;
typedef int64_t whole;
#define EXPONENT_BITS 52
#define EXPONENT_BIAS 1023
#define ROUNDER 6755399441055744.0 /* 1.5 * 2^52: adding it rounds to a whole number */
#define EXP_MAX 709.0
#define LN2_HIGH 0.693147180369123816490
#define LN2_LOW 1.90821492927058770002e-10
#else
typedef float real;
typedef int32_t whole;
#define EXPONENT_BITS 23
#define EXPONENT_BIAS 127
#define ROUNDER 12582912.0f /* 1.5 * 2^23 */
#define EXP_MAX 88.0f
#define LN2_HIGH 0.693359375f
#define LN2_LOW -2.12194440e-4f
#endif
#define LANES ((long)(VECTOR_BYTES / sizeof(real)))

typedef real vec __attribute__((vector_size(VECTOR_BYTES)));
typedef whole ivec __attribute__((vector_size(VECTOR_BYTES)));
typedef vec vec_at __attribute__((aligned(sizeof(real)), may_alias)); /* anywhere in memory */

#define INLINE static inline __attribute__((always_inline))

INLINE vec load(const real *at) { return *(const vec_at *)at; }
INLINE void store(real *at, vec x) { *(vec_at *)at = x; }
INLINE vec splat(real x) { return x - (vec){}; } /* x + 0 would cost an addition, for -0.0 + 0 is 0 */

/* What the compiler does not make of the plain text below: one instruction instead of several. */
#if defined(__AVX512F__) && DOUBLE
#define NATIVE(name) _mm512_##name##_pd
#define NATIVE_MASK(a, relation, b) _mm512_cmp_pd_mask((__m512d)(a), (__m512d)(b), relation)
#define NATIVE_CAST(x) ((__m512d)(x))
#elif defined(__AVX512F__)
#define NATIVE(name) _mm512_##name##_ps
#define NATIVE_MASK(a, relation, b) _mm512_cmp_ps_mask((__m512)(a), (__m512)(b), relation)
#define NATIVE_CAST(x) ((__m512)(x))
#endif

INLINE vec v_select(ivec mask, vec yes, vec no) { return (vec)((mask & (ivec)yes) | (~mask & (ivec)no)); }
/* The larger and the smaller where neither is NaN; x where x is NaN. */
#ifdef NATIVE
INLINE vec v_at_least(vec x, vec low) { return (vec)NATIVE(max)(NATIVE_CAST(low), NATIVE_CAST(x)); }
INLINE vec v_at_most(vec x, vec high) { return (vec)NATIVE(min)(NATIVE_CAST(high), NATIVE_CAST(x)); }
#else
INLINE vec v_at_least(vec x, vec low) { return v_select(x < low, low, x); }
INLINE vec v_at_most(vec x, vec high) { return v_select(x > high, high, x); }
#endif
INLINE vec v_bool(ivec mask) { return v_select(mask, splat(1), splat(0)); }
INLINE vec v_where(vec condition, vec yes, vec no) { return v_select(condition != splat(0), yes, no); }
INLINE vec v_max(vec a, vec b) { return v_select((a > b) | (a != a), a, b); } /* NaN in either gives NaN */
INLINE vec v_min(vec a, vec b) { return v_select((a < b) | (a != a), a, b); }
#define SIGN_BIT ((ivec){} + (whole)((whole)1 << (8 * sizeof(real) - 1)))
INLINE vec v_abs(vec x) { return (vec)((ivec)x & ~SIGN_BIT); }
INLINE vec v_signed_as(vec x, vec sign) { return (vec)((ivec)x | ((ivec)sign & SIGN_BIT)); } /* x >= 0 */
INLINE vec v_sign(vec x) { return v_bool(x > splat(0)) - v_bool(x < splat(0)); }

INLINE real v_total(vec x) {
#ifdef NATIVE
  return NATIVE(reduce_add)(NATIVE_CAST(x));
#else
  real total = 0;
  for (long lane = 0; lane < LANES; lane++) total += x[lane];
  return total;
#endif
}

/* x in the lanes before `count`, 0 in the others: what lies past the last unit must not be counted. */
INLINE vec v_first(vec x, long count) {
  ivec lane;
  for (long i = 0; i < LANES; i++) lane[i] = (whole)i;
  return v_select(lane < ((ivec){} + (whole)count), x, splat(0));
}

#define EACH_LANE(name, function)                                    \
  static __attribute__((noinline)) vec name(vec x) {                 \
    for (long lane = 0; lane < LANES; lane++) x[lane] = function(x[lane]); \
    return x;                                                        \
  }
#if DOUBLE
EACH_LANE(v_sqrt, sqrt)
EACH_LANE(v_floor, floor)
EACH_LANE(v_log, log)
EACH_LANE(v_log1p, log1p)
EACH_LANE(v_sin, sin)
EACH_LANE(v_cos, cos)
EACH_LANE(v_erf, erf)
#define POWER pow
#else
EACH_LANE(v_sqrt, sqrtf)
EACH_LANE(v_floor, floorf)
EACH_LANE(v_log, logf)
EACH_LANE(v_log1p, log1pf)
EACH_LANE(v_sin, sinf)
EACH_LANE(v_cos, cosf)
EACH_LANE(v_erf, erff)
#define POWER powf
#endif
static __attribute__((noinline)) vec v_pow(vec x, vec y) {
  for (long lane = 0; lane < LANES; lane++) x[lane] = POWER(x[lane], y[lane]);
  return x;
}

/* 1 / x for x of at least 1: an estimate and one step of Newton's where there is such an instruction. */
INLINE vec v_reciprocal(vec x) {
#if defined(__AVX512F__) && !DOUBLE
  vec y = (vec)_mm512_rcp14_ps((__m512)x);
  return y + y * (splat(1) - x * y);
#else
  return splat(1) / x;
#endif
}

/* e^x - 1 = 2^n (p + 1) - 1 with x = n ln 2 + rest, p = e^rest - 1 by its Taylor series: at
 * |rest| <= ln(2) / 2 six terms leave 1.2e-7 of e^rest, less where rest is small; thirteen leave 4e-18. */
INLINE vec v_exp_parts(vec x, vec *n) {
#if DOUBLE
  static const real terms[] = {1.0 / 6227020800, 1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880,
                               1.0 / 40320, 1.0 / 5040, 1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 0.5};
#else
  static const real terms[] = {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f};
#endif
  *n = x * splat((real)1.44269504088896340736) + splat(ROUNDER) - splat(ROUNDER);
  vec rest = x - *n * splat((real)LN2_HIGH) - *n * splat((real)LN2_LOW), p = splat(terms[0]);
#pragma GCC unroll 16
  for (unsigned long i = 1; i < sizeof(terms) / sizeof(real); i++) p = p * rest + splat(terms[i]);
  return p * rest * rest + rest;
}

/* x 2^n for whole n within the range of exponents. */
INLINE vec v_scale(vec x, vec n) {
#ifdef NATIVE
  return (vec)NATIVE(scalef)(NATIVE_CAST(x), NATIVE_CAST(n));
#else
  ivec exponent = ((ivec)(n + splat(ROUNDER)) - (ivec)splat(ROUNDER)) + (whole)EXPONENT_BIAS;
  return x * (vec)(exponent << EXPONENT_BITS);
#endif
}
INLINE vec v_in_range(vec x) { return v_at_most(v_at_least(x, splat(1 - EXP_MAX)), splat(EXP_MAX)); }

INLINE vec v_exp(vec x) {
  vec n, p = v_exp_parts(v_in_range(x), &n), y = v_scale(p + splat(1), n);
  y = v_select(x > splat(EXP_MAX), splat((real)INFINITY), y);
  return v_select(x < splat(1 - EXP_MAX), splat(0), y);
}

INLINE vec v_expm1(vec x) {
  vec n, p = v_exp_parts(v_in_range(x), &n), y = v_scale(p, n) + (v_scale(splat(1), n) - splat(1));
  return v_select(x > splat(EXP_MAX), splat((real)INFINITY), y);
}

INLINE vec v_sigmoid(vec x) {
  vec n, p = v_exp_parts(v_in_range(-x), &n);
  return v_reciprocal(v_scale(p + splat(1), n) + splat(1));
}

/* -(e^(-2|x|) - 1) / (e^(-2|x|) + 1), with the sign of x: exact also where x is small. */
INLINE vec v_tanh(vec x) {
  vec n, p = v_exp_parts(v_at_least(v_abs(x) * splat(-2), splat(1 - EXP_MAX)), &n);
  vec below = v_scale(p, n) + (v_scale(splat(1), n) - splat(1));
  return v_signed_as(-below * v_reciprocal(below + splat(2)), x);
}

INLINE vec v_softplus(vec x) { return v_max(x, splat(0)) + v_log1p(v_exp(-v_abs(x))); }
