#include <cmath>
#include <vector>

#include "ranges.h"
#include "registration.h"

namespace {

// Horizontal and vertical derivatives of one image; the border is repeated.
struct Gradient {
  const float* image;
  int64_t height, width;
  float two_pixels;

  float across(int64_t y, int64_t x) const {
    const float* row = image + y * width;
    return (row[x + 1 < width ? x + 1 : x] - row[x ? x - 1 : x]) / two_pixels;
  }
  float down(int64_t y, int64_t x) const {
    const float* column = image + x;
    return (column[(y + 1 < height ? y + 1 : y) * width] - column[(y ? y - 1 : y) * width]) / 2;
  }
};

}  // namespace

void detect(const Images& images, int64_t p, const Blocks& blocks, const Limits& limits, float* at,
            float* value, float* jacobian, float* gradient, uint8_t* valid) {
  const int64_t height = images.height, width = images.width;
  const float pixel = images.pixel, reach = height / 2.0f;
  std::vector<float> lengths(height * width, -1.0f);  // the border stays at −1
  int64_t k = 0;
  for (int64_t i = 0; i < p; ++i) {
    const Gradient of{images.data + i * height * width, height, width, 2 * pixel};
    for (int64_t y = 1; y + 1 < height; ++y) {
      const float* row = of.image + y * width;
      for (int64_t x = 1; x + 1 < width; ++x) {
        const float across = (row[x + 1] - row[x - 1]) / of.two_pixels;
        const float down = (row[x + width] - row[x - width]) / 2;
        lengths[y * width + x] = std::sqrt(across * across + down * down);
      }
    }
    for (int64_t r = 0; r < blocks.rows; ++r) {
      const Range rows = part(height, blocks.rows, r);
      for (int64_t c = 0; c < blocks.columns; ++c, ++k) {
        const Range columns = part(width, blocks.columns, c);
        int64_t top = rows.begin, left = columns.begin;
        for (int64_t y = rows.begin; y < rows.end; ++y)
          for (int64_t x = columns.begin; x < columns.end; ++x)
            if (lengths[y * width + x] > lengths[top * width + left]) top = y, left = x;
        const float across = of.across(top, left), down = of.down(top, left);
        const float x = (left - (width - 1) / 2.0f) * pixel, y = top - (height - 1) / 2.0f;
        const float one = of.image[top * width + left];
        const float columns_of[] = {(across * x + down * y) / reach,
                                    (down * x - across * y) / reach, across, down, one, 1};
        for (int j = 0; j < 6; ++j) jacobian[6 * k + j] = columns_of[j];
        at[2 * k] = x, at[2 * k + 1] = y;
        value[k] = one;
        gradient[k] = std::sqrt(across * across + down * down);
        valid[k] = gradient[k] > static_cast<float>(limits.flat);
      }
    }
  }
}
