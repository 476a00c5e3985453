#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "warp.h"

namespace {

constexpr int COLOURS = 3;

uint8_t rounded(float value) { return static_cast<uint8_t>(std::lrint(value)); }

}  // namespace

void warp_frames(const Frames& frames, const float* linear, const float* shift, uint8_t* warped) {
  const int64_t height = frames.height, width = frames.width, cells = height * width;
  std::vector<float> sums(COLOURS * cells), covers(cells);
  std::vector<uint8_t> inside(frames.t * cells, 1);
  const float across = 2 / (frames.pixel * width), down = 2.0 / height;
  const float right = 1 - (1 - 1e-3) / width, bottom = 1 - (1 - 1e-3) / height;
  bool outside = false;
  for (int64_t i = 0; i < frames.t; ++i) {
    const float a = linear[2 * i], b = linear[2 * i + 1], u = shift[2 * i], v = shift[2 * i + 1];
    const uint8_t* from = frames.data + COLOURS * i * cells;
    uint8_t* to = warped + COLOURS * i * cells;
    const bool moved = !(a == 1 && b == 0 && u == 0 && v == 0);
    if (!moved) {
      std::memcpy(to, from, COLOURS * cells);
      for (int64_t k = 0; k < COLOURS * cells; ++k) sums[k] += from[k];
      for (int64_t k = 0; k < cells; ++k) covers[k] += 1;
      continue;
    }
    for (int64_t k = 0, row = 0; row < height; ++row) {
      const float y = row - (height - 1) / 2.0f;
      for (int64_t column = 0; column < width; ++column, ++k) {
        const float x = (column - (width - 1) / 2.0f) * static_cast<float>(frames.pixel);
        const float gx = (a * x - b * y + u) * across, gy = (a * y + b * x + v) * down;
        if (!(std::fabs(gx) <= right && std::fabs(gy) <= bottom)) {
          inside[i * cells + k] = 0;
          outside = true;
          continue;
        }
        const float at_column = std::min(std::max(0.0f, ((gx + 1) * width - 1) / 2), width - 1.0f);
        const float at_row = std::min(std::max(0.0f, ((gy + 1) * height - 1) / 2), height - 1.0f);
        const int64_t left = at_column, top = at_row;
        const float dx = at_column - left, dy = at_row - top;
        const uint8_t* upper = from + COLOURS * (top * width + left);
        const uint8_t* lower = upper + (top + 1 < height) * COLOURS * width;
        const int64_t next = (left + 1 < width) * COLOURS;
        const float nw = (1 - dx) * (1 - dy), ne = dx * (1 - dy), sw = (1 - dx) * dy, se = dx * dy;
        for (int c = 0; c < COLOURS; ++c) {
          const float value =
              upper[c] * nw + upper[next + c] * ne + lower[c] * sw + lower[next + c] * se;
          sums[COLOURS * k + c] += value;
          to[COLOURS * k + c] = rounded(value);
        }
        covers[k] += 1;
      }
    }
  }
  if (!outside) return;
  for (int64_t i = 0; i < frames.t; ++i)
    for (int64_t k = 0; k < cells; ++k)
      if (!inside[i * cells + k])
        for (int c = 0; c < COLOURS; ++c)
          warped[COLOURS * (i * cells + k) + c] =
              covers[k] > 0 ? rounded(sums[COLOURS * k + c] / covers[k]) : 0;
}
