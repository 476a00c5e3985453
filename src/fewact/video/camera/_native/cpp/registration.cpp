#include <algorithm>
#include <cmath>
#include <complex>
#include <limits>
#include <vector>

#include "registration.h"

namespace {

using Complex = std::complex<double>;

constexpr int PARAMETERS = 6;  // zoom, roll, two shifts, contrast, brightness
constexpr int LANES = 16;      // sums of a lane each, which a compiler makes vectors of

float dot(const float* a, const float* b, int64_t m) {
  float sums[LANES] = {};
  int64_t k = 0;
  for (; k + LANES <= m; k += LANES)
    for (int lane = 0; lane < LANES; ++lane) sums[lane] += a[k + lane] * b[k + lane];
  double sum = 0;
  for (; k < m; ++k) sum += static_cast<double>(a[k]) * b[k];
  for (float lane : sums) sum += lane;
  return static_cast<float>(sum);
}

// Solves the symmetric positive definite system of n equations, in place, by Cholesky.
template <int N>
void solve(double (&normal)[N][N], double (&target)[N]) {
  for (int j = 0; j < N; ++j) {
    for (int k = 0; k < j; ++k) normal[j][j] -= normal[j][k] * normal[j][k];
    normal[j][j] = std::sqrt(std::max(normal[j][j], 1e-12));  // rounding may make it negative
    for (int i = j + 1; i < N; ++i) {
      for (int k = 0; k < j; ++k) normal[i][j] -= normal[i][k] * normal[j][k];
      normal[i][j] /= normal[j][j];
    }
  }
  for (int i = 0; i < N; ++i) {
    for (int k = 0; k < i; ++k) target[i] -= normal[i][k] * target[k];
    target[i] /= normal[i][i];
  }
  for (int i = N - 1; i >= 0; --i) {
    for (int k = i + 1; k < N; ++k) target[i] -= normal[k][i] * target[k];
    target[i] /= normal[i][i];
  }
}

// Keypoints of one image, in an array for each quantity, and what is computed of them.
class Points {
 public:
  Points(const Keypoints& all, const Images& images, const Limits& limits)
      : limits(limits), m(all.m), images(images) {
    for (auto* part : {&x, &y, &value, &apart, &rest, &weight, &weighted, &magnitude})
      part->resize(m);
    for (auto& column : jacobian) column.resize(m);
    inside.resize(m);
  }

  // Takes image i, and its keypoints.
  void load(const Keypoints& all, int64_t i) {
    image = images.data + i * images.height * images.width;
    if (i && all.sets == 1) return;
    const float* at = all.at + 2 * i * m;
    const float* columns = all.jacobian + PARAMETERS * i * m;
    for (int64_t k = 0; k < m; ++k) {
      x[k] = at[2 * k];
      y[k] = at[2 * k + 1];
      for (int c = 0; c < PARAMETERS; ++c) jacobian[c][k] = columns[PARAMETERS * k + c];
    }
    std::copy_n(all.value + i * m, m, value.begin());
    valid = all.valid + i * m;
  }

  // Differences of the image from the keypoints' values under a transform.
  void compare(Complex linear, Complex shift) {
    const float height = images.height, width = images.width;
    const float a = linear.real(), b = linear.imag(), u = shift.real(), v = shift.imag();
    const float across = 2 / (images.pixel * images.width), down = 2.0 / images.height;
    const float right = 1 - (1 - 1e-3) / images.width, bottom = 1 - (1 - 1e-3) / images.height;
    for (int64_t k = 0; k < m; ++k) {
      const float gx = (a * x[k] - b * y[k] + u) * across;
      const float gy = (a * y[k] + b * x[k] + v) * down;
      inside[k] = valid[k] && std::fabs(gx) <= right && std::fabs(gy) <= bottom;
      // Positions outside are those of the border; so are those that are no number.
      const float column = std::min(std::max(0.0f, ((gx + 1) * width - 1) / 2), width - 1);
      const float row = std::min(std::max(0.0f, ((gy + 1) * height - 1) / 2), height - 1);
      apart[k] = bilinear(column, row) - value[k];
    }
  }

  // Robust weights of the residuals, as wide as some robust standard deviations.
  void weigh(float width) {
    size_t count = 0;
    for (int64_t k = 0; k < m; ++k) {
      magnitude[count] = std::fabs(rest[k]);
      count += inside[k] && std::isfinite(rest[k]);
    }
    float spread = 1;
    if (count) {
      const auto middle = magnitude.begin() + (count - 1) / 2;
      std::nth_element(magnitude.begin(), middle, magnitude.begin() + count);
      spread = 1.4826f * *middle;
    }
    const float scale = 1 / (width * std::max(spread, static_cast<float>(limits.spread)));
    for (int64_t k = 0; k < m; ++k) {
      const float ratio = rest[k] * scale, one = 1 + ratio * ratio;
      weight[k] = inside[k] / (one * one);
    }
  }

  // Weighted least squares of the differences by the columns of the Jacobian from FIRST on.
  template <int FIRST>
  void fit(double (&solved)[PARAMETERS - FIRST]) {
    constexpr int N = PARAMETERS - FIRST;
    double normal[N][N], trace = 0;
    for (int i = 0; i < N; ++i) {
      const float* column = jacobian[FIRST + i].data();
      for (int64_t k = 0; k < m; ++k) weighted[k] = column[k] * weight[k];
      for (int j = 0; j <= i; ++j)
        normal[i][j] = dot(weighted.data(), jacobian[FIRST + j].data(), m);
      solved[i] = dot(weighted.data(), apart.data(), m);
      trace += normal[i][i];
    }
    for (int i = 0; i < N; ++i) normal[i][i] += 1e-6 * trace / N + 1e-12;
    solve(normal, solved);
  }

  // What contrast and brightness do not explain of the differences.
  void subtract_light(double contrast, double brightness) {
    const float* column = jacobian[4].data();
    const float c = contrast, b = brightness;
    for (int64_t k = 0; k < m; ++k) rest[k] = apart[k] - (column[k] * c + b);
  }

  const Limits& limits;
  const int64_t m;
  std::vector<float> rest;
  std::vector<uint8_t> inside;  // valid, and inside of the image

 private:
  float bilinear(float column, float row) const {
    const int64_t left = column, top = row;
    const int64_t right = left + (left + 1 < images.width);
    const int64_t bottom = top + (top + 1 < images.height);
    const float dx = column - left, dy = row - top;
    const float* upper = image + top * images.width;
    const float* lower = image + bottom * images.width;
    return (upper[left] * (1 - dx) + upper[right] * dx) * (1 - dy) +
           (lower[left] * (1 - dx) + lower[right] * dx) * dy;
  }

  const Images& images;
  const float* image = nullptr;
  const uint8_t* valid = nullptr;
  std::vector<float> x, y, value, apart, weight, weighted, magnitude;
  std::vector<float> jacobian[PARAMETERS];
};

bool plausible(Complex linear, Complex shift, const Limits& limits, double height) {
  const double zoom = std::abs(linear);
  return zoom < limits.zoom && zoom > 1 / limits.zoom &&
         std::fabs(std::arg(linear)) < limits.roll && std::abs(shift) < limits.shift * height;
}

}  // namespace

void register_images(const Keypoints& reference, const Images& images, const Limits& limits,
                     int64_t steps, float* linear, float* shift) {
  const double reach = images.height / 2.0;
  Points points(reference, images, limits);
  for (int64_t i = 0; i < reference.p; ++i) {
    points.load(reference, i);
    const Complex first_linear(linear[2 * i], linear[2 * i + 1]);
    const Complex first_shift(shift[2 * i], shift[2 * i + 1]);
    Complex z = first_linear, s = first_shift;
    double contrast = 0, brightness = 0;
    for (int64_t step = 0; step < steps; ++step) {
      points.compare(z, s);
      points.subtract_light(contrast, brightness);
      points.weigh(step < 2 ? 4.0f : 2.5f);
      double solved[PARAMETERS];
      points.fit<0>(solved);
      contrast = solved[4];
      brightness = solved[5];
      // The transform after the inverse of the step.
      const Complex step_linear = 1.0 + Complex(solved[0], solved[1]) / reach;
      const Complex step_shift(solved[2], solved[3]);
      s = s - z * step_shift / step_linear;
      z = z / step_linear;
      if (!plausible(z, s, limits, 2 * reach)) z = first_linear, s = first_shift;
    }
    linear[2 * i] = z.real(), linear[2 * i + 1] = z.imag();
    shift[2 * i] = s.real(), shift[2 * i + 1] = s.imag();
  }
}

void find_residuals(const Keypoints& reference, const Images& images, const Limits& limits,
                    const float* linear, const float* shift, float* off) {
  const int64_t m = reference.m;
  Points points(reference, images, limits);
  for (int64_t i = 0; i < reference.p; ++i) {
    points.load(reference, i);
    points.compare({linear[2 * i], linear[2 * i + 1]}, {shift[2 * i], shift[2 * i + 1]});
    points.subtract_light(0, 0);
    for (int turn = 0; turn < 3; ++turn) {
      double solved[2];
      points.weigh(2.5f);
      points.fit<4>(solved);
      points.subtract_light(solved[0], solved[1]);
    }
    for (int64_t k = 0; k < m; ++k) {
      const int64_t at = reference.sets == 1 ? k : i * m + k;
      const float gradient = std::max(reference.gradient[at], static_cast<float>(limits.flat));
      off[i * m + k] = points.inside[k] ? std::fabs(points.rest[k]) / gradient
                                        : std::numeric_limits<float>::quiet_NaN();
    }
  }
}
