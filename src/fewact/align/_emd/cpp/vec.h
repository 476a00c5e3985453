// Vectors of doubles with the width of the instruction set, by vector extensions of GCC and Clang;
// other compilers get vectors of one. All differences between instruction sets are in this file.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>

#if defined(__GNUC__) && !defined(FEWACT_SCALAR)
#define FEWACT_VECTORS
#if defined(__SSE2__)
#include <immintrin.h>
#endif
#endif

namespace ISA {

constexpr double INF = std::numeric_limits<double>::infinity();

#if defined(FEWACT_VECTORS)

#if defined(__AVX512F__)
constexpr int LANES = 8;
#elif defined(__AVX2__)
constexpr int LANES = 4;
#else
constexpr int LANES = 2;  // SSE2, NEON
#endif
typedef double Vec __attribute__((vector_size(8 * LANES), may_alias));
typedef int64_t Ints __attribute__((vector_size(8 * LANES)));
static inline double lane(Vec x, int k) { return x[k]; }
static inline int64_t lane(Ints x, int k) { return x[k]; }

#else

constexpr int LANES = 1;
typedef double Vec;
typedef int64_t Ints;
static inline double lane(Vec x, int) { return x; }
static inline int64_t lane(Ints x, int) { return x; }

#endif

static inline Vec splat(double x) { return Vec{} + x; }
static inline Vec lesser(Vec x, Vec y) { return x < y ? x : y; }
static inline Vec greater(Vec x, Vec y) { return x > y ? x : y; }

// The vectors of an array whose address and length are multiples of 64 bytes.
static inline Vec* vecs(double* x) { return reinterpret_cast<Vec*>(x); }
static inline const Vec* vecs(const double* x) { return reinterpret_cast<const Vec*>(x); }

static inline double sum(Vec x) {
  double total = 0;
  for (int k = 0; k < LANES; ++k) total += lane(x, k);
  return total;
}

// The smallest lane, by comparing halves. Compilers turn these lists into shuffles.
static inline double least(Vec x) {
#if !defined(FEWACT_VECTORS)
  return x;
#elif defined(__AVX512F__)
  x = lesser(x, Vec{x[4], x[5], x[6], x[7], x[0], x[1], x[2], x[3]});
  x = lesser(x, Vec{x[2], x[3], x[0], x[1], x[6], x[7], x[4], x[5]});
  return lesser(x, Vec{x[1], x[0], x[3], x[2], x[5], x[4], x[7], x[6]})[0];
#elif defined(__AVX2__)
  x = lesser(x, Vec{x[2], x[3], x[0], x[1]});
  return lesser(x, Vec{x[1], x[0], x[3], x[2]})[0];
#else
  return lesser(x, Vec{x[1], x[0]})[0];
#endif
}

// x in the lanes whose bits are set, y in the others.
static inline Vec by_bits(uint64_t bits, Vec x, Vec y) {
#if !defined(FEWACT_VECTORS)
  return bits & 1 ? x : y;
#elif defined(__SSE2__) && !defined(__AVX2__)
  // SSE2 cannot compare 64-bit integers.
  alignas(16) static const int64_t MASKS[4][2] = {{0, 0}, {-1, 0}, {0, -1}, {-1, -1}};
  const __m128d mask = *reinterpret_cast<const __m128d*>(MASKS[bits & 3]);
  return (Vec)_mm_or_pd(_mm_and_pd(mask, (__m128d)x), _mm_andnot_pd(mask, (__m128d)y));
#else
  Ints bit_of_lane;
  for (int k = 0; k < LANES; ++k) bit_of_lane[k] = int64_t{1} << k;
  return ((Ints{} + static_cast<int64_t>(bits)) & bit_of_lane) != 0 ? x : y;
#endif
}

// Bits of the lanes that equal a number.
static inline uint64_t equal_bits(Vec x, double wanted) {
#if defined(FEWACT_VECTORS) && defined(__AVX512F__)
  return _mm512_cmpeq_pd_mask((__m512d)x, _mm512_set1_pd(wanted));
#elif defined(FEWACT_VECTORS) && defined(__AVX2__)
  return _mm256_movemask_pd(_mm256_cmp_pd((__m256d)x, _mm256_set1_pd(wanted), _CMP_EQ_OQ));
#elif defined(FEWACT_VECTORS) && defined(__SSE2__)
  return _mm_movemask_pd(_mm_cmpeq_pd((__m128d)x, _mm_set1_pd(wanted)));
#else
  uint64_t bits = 0;
  for (int k = 0; k < LANES; ++k) bits |= uint64_t{lane(x, k) == wanted} << k;
  return bits;
#endif
}

// Index of the lowest set bit.
static inline int lowest(uint64_t bits) {
#if defined(__GNUC__)
  return __builtin_ctzll(bits);
#else
  int place = 0;
  for (; !(bits & 1); bits >>= 1) ++place;
  return place;
#endif
}

// The first count numbers at an address, padded with zeros.
template <class Real>
static inline Vec load_some(const Real* from, int count) {
  double x[LANES] = {};
  for (int k = 0; k < count; ++k) x[k] = from[k];
  Vec loaded;
  std::memcpy(&loaded, x, sizeof loaded);
  return loaded;
}
#if defined(FEWACT_VECTORS) && defined(__AVX512F__)
static inline Vec load_some(const double* from, int count) {
  return (Vec)_mm512_maskz_loadu_pd(static_cast<__mmask8>((1u << count) - 1), from);
}
static inline Vec load_some(const float* from, int count) {
  const __mmask8 mask = static_cast<__mmask8>((1u << count) - 1);
  return (Vec)_mm512_maskz_cvtps_pd(mask, _mm256_maskz_loadu_ps(mask, from));
}
#endif

struct Least {
  double value;
  int at;
};

// The smallest of count numbers whose bits are set, at least one; count is a multiple of 8.
static inline Least find_least(const double* x, const uint64_t* bits, int count) {
  Vec all = splat(INF);
  for (int k = 0; k < count; k += LANES)
    all = lesser(by_bits(bits[k / 64] >> k % 64, vecs(x)[k / LANES], splat(INF)), all);
  const double value = least(all);
  for (int first = 0;; first += 64) {
    // 64 at a time without a branch: the position of the minimum is unpredictable.
    uint64_t equal = 0;
    for (int k = first; k < count && k < first + 64; k += LANES)
      equal |= equal_bits(vecs(x)[k / LANES], value) << k % 64;
    equal &= bits[first / 64];
    if (equal != 0) return {value, first + lowest(equal)};
  }
}

}  // namespace ISA
