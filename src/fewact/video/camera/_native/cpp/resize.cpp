#include "resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#if defined(__x86_64__) && defined(__GNUC__)
#define AVX2 __attribute__((target("avx2")))
#define FMA __attribute__((target("avx2,fma")))
#include <immintrin.h>
#endif
#if defined(__GNUC__)
#define INLINE inline __attribute__((always_inline))
#else
#define INLINE inline
#endif

namespace {

constexpr int64_t COLOURS = 3;

inline uint8_t byte_of(int32_t sum, int64_t precision) {
  return static_cast<uint8_t>(std::min(std::max(sum >> precision, 0), 255));
}

struct Portable {
  explicit Portable(const Axis& rows, const Axis& columns)
      : rows(rows), columns(columns), bytes(COLOURS * columns.to), sums(bytes) {}

  // Resizes rows of an image to rows of `bytes` bytes.
  void across(const uint8_t* image, int64_t count, uint8_t* to) {
    for (int64_t y = 0; y < count; ++y, image += COLOURS * columns.from)
      for (int64_t i = 0; i < columns.to; ++i, to += COLOURS) {
        const uint8_t* from = image + COLOURS * columns.first[i];
        const int16_t* weights = columns.weights + i * columns.taps;
        int32_t red = 1 << (columns.precision - 1), green = red, blue = red;
        for (int64_t k = 0; k < columns.taps; ++k, from += COLOURS) {
          red += weights[k] * from[0];
          green += weights[k] * from[1];
          blue += weights[k] * from[2];
        }
        to[0] = byte_of(red, columns.precision);
        to[1] = byte_of(green, columns.precision);
        to[2] = byte_of(blue, columns.precision);
      }
  }

  // Sums up rows of `bytes` bytes to row y.
  void down(const uint8_t* from, int64_t y, uint8_t* to) {
    const int16_t* weights = rows.weights + y * rows.taps;
    from += rows.first[y] * bytes;
    std::fill(sums.begin(), sums.end(), 1 << (rows.precision - 1));
    for (int64_t k = 0; k < rows.taps; ++k, from += bytes)
      for (int64_t x = 0; x < bytes; ++x) sums[x] += weights[k] * from[x];
    for (int64_t x = 0; x < bytes; ++x) to[x] = byte_of(sums[x], rows.precision);
  }

  const Axis &rows, &columns;
  const int64_t bytes;
  std::vector<int32_t> sums;
};

#if defined(AVX2)

constexpr int64_t BLOCK = 16;    // bytes that are loaded at once
constexpr int64_t UNROLLED = 4;  // neighbours that are summed at once
constexpr int64_t TOGETHER = 4;  // rows that are resized at once

inline const __m128i* at(const void* bytes) { return static_cast<const __m128i*>(bytes); }

class Avx2 {
 public:
  explicit Avx2(const Axis& rows, const Axis& columns)
      : portable(rows, columns),
        taps((columns.taps + UNROLLED - 1) / UNROLLED * UNROLLED),
        weights(columns.to * taps),
        length(COLOURS * (columns.from + UNROLLED) + BLOCK),
        copies(TOGETHER * length),
        pairs(rows.taps / 2 + 1) {
    for (int64_t i = 0; i < columns.to; ++i)
      std::copy_n(columns.weights + i * columns.taps, columns.taps, weights.begin() + i * taps);
  }

  void across(const uint8_t* image, int64_t count, uint8_t* to) {
    const int64_t stored = COLOURS * portable.columns.from, bytes = portable.bytes;
    for (int64_t y = 0; y < count; y += TOGETHER) {
      y = std::max<int64_t>(0, std::min(y, count - TOGETHER));
      // Copies have room for what is loaded beyond a row; fewer rows than that are repeated.
      uint8_t* targets[TOGETHER];
      for (int64_t r = 0; r < TOGETHER; ++r) {
        const int64_t row = std::min(y + r, count - 1);
        std::memcpy(&copies[r * length], image + row * stored, stored);
        targets[r] = to + row * bytes;
      }
      across_together(targets);
    }
  }

  AVX2 void down(const uint8_t* from, int64_t y, uint8_t* to) {
    const Axis& rows = portable.rows;
    const int64_t bytes = portable.bytes;
    if (bytes < BLOCK) return portable.down(from, y, to);
    const int16_t* factors = rows.weights + y * rows.taps;
    from += rows.first[y] * bytes;
    for (int64_t k = 0; k < rows.taps; k += 2) {
      const int32_t second = k + 1 < rows.taps ? factors[k + 1] : 0;
      pairs[k / 2] = static_cast<uint16_t>(factors[k]) | static_cast<uint32_t>(second) << 16;
    }
    const __m256i half = _mm256_set1_epi32(1 << (rows.precision - 1));
    const __m128i shift = _mm_cvtsi64_si128(rows.precision);
    for (int64_t x = 0; x < bytes; x += BLOCK) {
      x = std::min(x, bytes - BLOCK);  // the last block overlaps the one before
      __m256i left = half, right = half;
      const uint8_t* upper = from + x;
      for (int64_t k = 0; k < rows.taps; k += 2, upper += 2 * bytes) {
        const uint8_t* lower = k + 1 < rows.taps ? upper + bytes : upper;
        const __m128i one = _mm_loadu_si128(at(upper)), two = _mm_loadu_si128(at(lower));
        const __m256i pair = _mm256_set1_epi32(static_cast<int32_t>(pairs[k / 2]));
        const __m256i first = _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(one, two));
        const __m256i second = _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(one, two));
        left = _mm256_add_epi32(left, _mm256_madd_epi16(first, pair));
        right = _mm256_add_epi32(right, _mm256_madd_epi16(second, pair));
      }
      left = _mm256_sra_epi32(left, shift), right = _mm256_sra_epi32(right, shift);
      const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(left, right), 0xD8);
      const __m128i block =
          _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to + x), block);
    }
  }

 private:
  AVX2 void across_together(uint8_t* (&targets)[TOGETHER]) {
    const Axis& columns = portable.columns;
    // The same colour of two neighbours side by side: of the first two, and of the next two.
    const __m256i pairs_of_colours =
        _mm256_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1,  //
                         6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
    const __m256i spread = _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1);
    const __m128i half = _mm_set1_epi32(1 << (columns.precision - 1));
    const __m128i shift = _mm_cvtsi64_si128(columns.precision);
    for (int64_t i = 0; i < columns.to; ++i) {
      const uint8_t* from = &copies[COLOURS * columns.first[i]];
      const int16_t* factors = &weights[i * taps];
      __m256i sums[TOGETHER] = {};
      for (int64_t k = 0; k < taps; k += UNROLLED, from += UNROLLED * COLOURS) {
        const __m128i four = _mm_loadl_epi64(at(factors + k));
        const __m256i factor = _mm256_permutevar8x32_epi32(_mm256_castsi128_si256(four), spread);
        for (int64_t r = 0; r < TOGETHER; ++r) {
          const __m128i stored = _mm_loadu_si128(at(from + r * length));
          const __m256i levels =
              _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(stored), pairs_of_colours);
          sums[r] = _mm256_add_epi32(sums[r], _mm256_madd_epi16(levels, factor));
        }
      }
      __m128i sum[TOGETHER];
      for (int64_t r = 0; r < TOGETHER; ++r) {
        sum[r] = _mm_add_epi32(_mm256_castsi256_si128(sums[r]),
                               _mm256_extracti128_si256(sums[r], 1));
        sum[r] = _mm_sra_epi32(_mm_add_epi32(sum[r], half), shift);
      }
      uint32_t colour[TOGETHER];
      _mm_storeu_si128(reinterpret_cast<__m128i*>(colour),
                       _mm_packus_epi16(_mm_packs_epi32(sum[0], sum[1]),
                                        _mm_packs_epi32(sum[2], sum[3])));
      for (int64_t r = 0; r < TOGETHER; ++r)
        std::memcpy(targets[r] + COLOURS * i, &colour[r], COLOURS);
    }
  }

  Portable portable;
  const int64_t taps;            // of a new pixel, with some of weight 0
  std::vector<int16_t> weights;  // of these
  const int64_t length;          // of a copied row
  std::vector<uint8_t> copies;
  std::vector<uint32_t> pairs;  // weights of two rows each
};

#endif

template <class Code>
void resize_by(const uint8_t* images, int64_t t, const Axis& rows, const Axis& columns,
               uint8_t* resized) {
  Code code(rows, columns);
  const int64_t stored = COLOURS * columns.from, bytes = COLOURS * columns.to;
  const bool narrows = columns.from != columns.to, lowers = rows.from != rows.to;
  std::vector<uint8_t> narrow(narrows && lowers ? rows.from * bytes : 0);
  for (int64_t i = 0; i < t; ++i, images += rows.from * stored, resized += rows.to * bytes) {
    if (narrows) code.across(images, rows.from, lowers ? narrow.data() : resized);
    if (!lowers) continue;
    const uint8_t* from = narrows ? narrow.data() : images;
    for (int64_t y = 0; y < rows.to; ++y) code.down(from, y, resized + y * bytes);
  }
}

// Compiled for the instructions of the function that it becomes a part of.
INLINE void resize_plane(const float* image, const RealAxis& rows, const RealAxis& columns,
                         float* narrow, float* resized) {
  const int64_t width = columns.to;
  for (int64_t y = 0; y < rows.from; ++y, image += columns.from)
    for (int64_t i = 0; i < width; ++i) {
      const float* from = image + columns.first[i];
      const float* weights = columns.weights + i * columns.taps;
      float sum = 0;
      for (int64_t k = 0; k < columns.taps; ++k) sum = std::fma(from[k], weights[k], sum);
      narrow[y * width + i] = sum;
    }
  for (int64_t y = 0; y < rows.to; ++y, resized += width) {
    const float* from = narrow + rows.first[y] * width;
    const float* weights = rows.weights + y * rows.taps;
    std::fill_n(resized, width, 0.0f);
    for (int64_t k = 0; k < rows.taps; ++k, from += width)
      for (int64_t x = 0; x < width; ++x) resized[x] = std::fma(from[x], weights[k], resized[x]);
  }
}

void resize_plane_portably(const float* image, const RealAxis& rows, const RealAxis& columns,
                           float* narrow, float* resized) {
  resize_plane(image, rows, columns, narrow, resized);
}

#if defined(FMA)
FMA void resize_plane_by_fma(const float* image, const RealAxis& rows, const RealAxis& columns,
                             float* narrow, float* resized) {
  resize_plane(image, rows, columns, narrow, resized);
}
#endif

}  // namespace

void resize_planes(const float* images, int64_t t, const RealAxis& rows, const RealAxis& columns,
                   float* resized) {
  auto resize_plane = resize_plane_portably;
#if defined(FMA)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    resize_plane = resize_plane_by_fma;
#endif
  std::vector<float> narrow(rows.from * columns.to);
  for (int64_t i = 0; i < t; ++i) {
    resize_plane(images, rows, columns, narrow.data(), resized);
    images += rows.from * columns.from;
    resized += rows.to * columns.to;
  }
}

void resize_portably(const uint8_t* images, int64_t t, const Axis& rows, const Axis& columns,
                     uint8_t* resized) {
  resize_by<Portable>(images, t, rows, columns, resized);
}

void resize(const uint8_t* images, int64_t t, const Axis& rows, const Axis& columns,
            uint8_t* resized) {
#if defined(AVX2)
  if (__builtin_cpu_supports("avx2")) return resize_by<Avx2>(images, t, rows, columns, resized);
#endif
  resize_portably(images, t, rows, columns, resized);
}
