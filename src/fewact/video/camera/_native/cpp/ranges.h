// Parts of an axis, as torch's adaptive pooling has them.
#pragma once

#include <cstdint>

struct Range {
  int64_t begin, end;
};

// Part i of the parts of an axis of n pixels; parts of a size that is not whole overlap.
inline Range part(int64_t n, int64_t parts, int64_t i) {
  return {i * n / parts, ((i + 1) * n + parts - 1) / parts};
}
