#include "totals.h"

#include <algorithm>

namespace {

constexpr int LANES = 32;   // sums that grow side by side
constexpr int WIDTH = 8;    // of them, those that are left in the end
constexpr int LEVELS = 4;   // of blocks in blocks
constexpr int LEAST_POWER = 4;

template <int N>
void add(float* to, const float* from) {
  for (int lane = 0; lane < N; ++lane) to[lane] += from[lane];
}

float total(const float* values, int64_t n) {
  const int64_t count = n / LANES;
  int power = 0;
  while ((int64_t{1} << power) < count) ++power;
  power = std::max(LEAST_POWER, power / LEVELS);
  const int64_t step = int64_t{1} << power;
  float sums[LEVELS][LANES] = {};
  int64_t i = 0;
  while (i + step <= count) {
    for (int64_t end = i + step; i < end; ++i) add<LANES>(sums[0], values + i * LANES);
    for (int level = 1; level < LEVELS; ++level) {
      add<LANES>(sums[level], sums[level - 1]);
      std::fill_n(sums[level - 1], LANES, 0.0f);
      if (i & ((step - 1) << (level * power))) break;
    }
  }
  for (; i < count; ++i) add<LANES>(sums[0], values + i * LANES);
  for (int level = 1; level < LEVELS; ++level) add<LANES>(sums[0], sums[level]);
  int64_t k = count * LANES;
  for (; k + WIDTH <= n; k += WIDTH) add<WIDTH>(sums[0], values + k);
  for (int lane = WIDTH; lane < LANES; lane += WIDTH) add<WIDTH>(sums[0], sums[0] + lane);
  float sum = 0;
  for (; k < n; ++k) sum += values[k];
  for (int lane = 0; lane < WIDTH; ++lane) sum += sums[0][lane];
  return sum;
}

}  // namespace

void sum_rows(const float* values, int64_t rows, int64_t n, float* sums) {
  for (int64_t i = 0; i < rows; ++i) sums[i] = total(values + i * n, n);
}
