#include "sample.h"

#include <algorithm>

namespace {

// The pixels before and after a position along a side, and the weight of the latter.
struct Between {
  Between(float position, int64_t length) {
    const float last = length - 1;
    const float pixel = std::min(std::max(0.0f, ((position + 1) * length - 1) / 2), last);
    before = static_cast<int64_t>(pixel);
    after = before + (before + 1 < length);
    weight = pixel - before;
  }

  int64_t before, after;
  float weight;
};

}  // namespace

void sample(const Planes& images, int64_t n, const float* x, const float* y, float* values) {
  const int64_t colours = images.colours, row = images.width * colours;
  for (int64_t i = 0; i < images.t; ++i, x += n, y += n) {
    const float* image = images.data + i * images.height * row;
    for (int64_t k = 0; k < n; ++k) {
      const Between across(x[k], images.width), down(y[k], images.height);
      const float* upper = image + down.before * row;
      const float* lower = image + down.after * row;
      const int64_t left = across.before * colours, right = across.after * colours;
      const float dx = across.weight, dy = down.weight;
      for (int64_t c = 0; c < colours; ++c)
        *values++ = upper[left + c] * ((1 - dx) * (1 - dy)) + upper[right + c] * (dx * (1 - dy)) +
                    lower[left + c] * ((1 - dx) * dy) + lower[right + c] * (dx * dy);
    }
  }
}
