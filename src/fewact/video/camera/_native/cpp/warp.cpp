#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "warp.h"

namespace {

constexpr int COLOURS = 3;

// Red, green, blue and nothing. A vector of GCC and Clang; elsewhere a struct that computes alike.
#if defined(__GNUC__)
typedef float Colour __attribute__((vector_size(16)));
inline Colour all(float value) { return Colour{value, value, value, value}; }
#else
struct Colour {
  float part[4];
};
inline Colour all(float value) { return {{value, value, value, value}}; }
inline Colour operator+(Colour a, Colour b) {
  for (int c = 0; c < 4; ++c) a.part[c] += b.part[c];
  return a;
}
inline Colour operator*(Colour a, Colour b) {
  for (int c = 0; c < 4; ++c) a.part[c] *= b.part[c];
  return a;
}
inline Colour operator/(Colour a, Colour b) {
  for (int c = 0; c < 4; ++c) a.part[c] /= b.part[c];
  return a;
}
#endif

inline Colour load(const uint8_t* from) {
  return Colour{static_cast<float>(from[0]), static_cast<float>(from[1]),
                static_cast<float>(from[2]), 0.0f};
}

// A frame as floats, from which a colour is read at once.
void unpack(const uint8_t* from, int64_t cells, Colour* to) {
  for (int64_t k = 0; k < cells; ++k) to[k] = load(from + COLOURS * k);
}

// Stores a colour of 0 to 255, each part rounded to the nearest, of two to the even one.
inline void store(Colour colour, uint8_t* to) {
  // At 1.5 · 2^23 floats are one apart: the sum is rounded, and its lowest byte is the level.
  const Colour sum = colour + all(12582912.0f);
  uint32_t bits[4];
  std::memcpy(bits, &sum, sizeof bits);
  for (int c = 0; c < COLOURS; ++c) to[c] = static_cast<uint8_t>(bits[c]);
}

// Positions in a frame of the pixels of one row.
struct Row {
  explicit Row(int64_t width) : column(width), row(width), inside(width) {}

  std::vector<float> column, row;
  std::vector<uint8_t> inside;
};

// Where the pixels of row `index` of the middle frame are in the frame of a transform.
class Positions {
 public:
  Positions(const Frames& frames, const float* linear, const float* shift)
      : frames(frames), a(linear[0]), b(linear[1]), u(shift[0]), v(shift[1]) {}

  bool moved() const { return !(a == 1 && b == 0 && u == 0 && v == 0); }

  void find(int64_t index, Row& found) const {
    const float height = frames.height, width = frames.width;
    const float across = 2 / (frames.pixel * frames.width), down = 2.0 / frames.height;
    const float right = 1 - (1 - 1e-3) / width, bottom = 1 - (1 - 1e-3) / height;
    const float pixel = static_cast<float>(frames.pixel), y = index - (height - 1) / 2.0f;
    for (int column = 0; column < static_cast<int>(frames.width); ++column) {
      const float x = (column - (width - 1) / 2.0f) * pixel;
      const float gx = (a * x - b * y + u) * across, gy = (a * y + b * x + v) * down;
      found.inside[column] = (std::fabs(gx) <= right) & (std::fabs(gy) <= bottom);
      found.column[column] = std::min(std::max(0.0f, ((gx + 1) * width - 1) / 2), width - 1.0f);
      found.row[column] = std::min(std::max(0.0f, ((gy + 1) * height - 1) / 2), height - 1.0f);
    }
  }

 private:
  const Frames& frames;
  const float a, b, u, v;
};

}  // namespace

void warp_frames(const Frames& frames, const float* linear, const float* shift, uint8_t* warped) {
  const int64_t height = frames.height, width = frames.width, cells = height * width;
  std::vector<Colour> sums(cells, all(0)), colours(cells);
  std::vector<float> covers(cells);
  std::vector<uint8_t> inside(frames.t * cells, 1);
  Row at(width);
  bool outside = false;
  for (int64_t i = 0; i < frames.t; ++i) {
    const Positions positions(frames, linear + 2 * i, shift + 2 * i);
    const uint8_t* from = frames.data + COLOURS * i * cells;
    uint8_t* to = warped + COLOURS * i * cells;
    if (!positions.moved()) {
      std::memcpy(to, from, COLOURS * cells);
      for (int64_t k = 0; k < cells; ++k) sums[k] = sums[k] + load(from + COLOURS * k);
      for (int64_t k = 0; k < cells; ++k) covers[k] += 1;
      continue;
    }
    unpack(from, cells, colours.data());
    for (int64_t row = 0; row < height; ++row) {
      positions.find(row, at);
      std::memcpy(&inside[i * cells + row * width], at.inside.data(), width);
      for (int64_t column = 0, k = row * width; column < width; ++column, ++k) {
        if (!at.inside[column]) {
          outside = true;
          continue;
        }
        const int64_t left = static_cast<int>(at.column[column]);
        const int64_t top = static_cast<int>(at.row[column]);
        const float dx = at.column[column] - left, dy = at.row[column] - top;
        const Colour* upper = &colours[top * width + left];
        const Colour* lower = upper + (top + 1 < height) * width;
        const int64_t next = left + 1 < width;
        const Colour value = upper[0] * all((1 - dx) * (1 - dy)) +
                             upper[next] * all(dx * (1 - dy)) + lower[0] * all((1 - dx) * dy) +
                             lower[next] * all(dx * dy);
        sums[k] = sums[k] + value;
        store(value, to + COLOURS * k);
        covers[k] += 1;
      }
    }
  }
  if (!outside) return;
  for (int64_t i = 0; i < frames.t; ++i)
    for (int64_t k = 0; k < cells; ++k)
      if (!inside[i * cells + k])
        store(covers[k] > 0 ? sums[k] / all(covers[k]) : all(0),
              warped + COLOURS * (i * cells + k));
}
