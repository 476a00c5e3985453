// Random problems for the compiled parts of the camera, run under the sanitizers: usage COUNT.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <random>
#include <vector>

#include "components.h"
#include "registration.h"
#include "resize.h"
#include "sample.h"
#include "totals.h"
#include "warp.h"

namespace {

std::mt19937 draw(0);

int64_t whole(int64_t least, int64_t most) {
  return std::uniform_int_distribution<int64_t>(least, most)(draw);
}

// Numbers of one type: ordinary, equal, huge, or with some that are not finite.
std::vector<float> numbers(int64_t count, int64_t type) {
  std::normal_distribution<float> normal(0, type == 2 ? 1e20f : 1);
  std::vector<float> found(count);
  for (float& one : found) one = type == 1 ? 1 : normal(draw);
  if (type == 3 && count)
    found[whole(0, count - 1)] = whole(0, 1) ? std::numeric_limits<float>::quiet_NaN() : INFINITY;
  return found;
}

void keypoints() {
  const int64_t p = whole(1, 3), m = whole(1, 60), height = whole(1, 20), width = whole(1, 20);
  const int64_t type = whole(0, 3);
  auto at = numbers(2 * p * m, whole(0, 3)), value = numbers(p * m, type);
  auto jacobian = numbers(6 * p * m, type), gradient = numbers(p * m, 0);
  auto data = numbers(p * height * width, type), linear = numbers(2 * p, whole(0, 3));
  auto shift = numbers(2 * p, whole(0, 3));
  std::vector<uint8_t> valid(p * m);
  for (uint8_t& one : valid) one = whole(0, 3) > 0;
  for (float& one : at) one *= 8;
  const Keypoints reference{p,  whole(0, 1) ? 1 : p, m, at.data(), value.data(), jacobian.data(), gradient.data(),
                            valid.data()};
  const Images images{data.data(), height, width, 1.5};
  const Limits limits{1.6, 0.35, 0.45, 0.02, 0.02};
  std::vector<float> off(p * m);
  find_residuals(reference, images, limits, linear.data(), shift.data(), off.data());
  register_images(reference, images, limits, 6, linear.data(), shift.data());
}

void detection() {
  const int64_t p = whole(1, 3), height = whole(1, 20), width = whole(1, 20);
  const Blocks blocks{whole(1, height), whole(1, width)};
  const int64_t m = p * blocks.rows * blocks.columns;
  const auto data = numbers(p * height * width, whole(0, 3));
  std::vector<float> at(2 * m), value(m), jacobian(6 * m), gradient(m);
  std::vector<uint8_t> valid(m);
  detect({data.data(), height, width, 0.7}, p, blocks, {1.6, 0.35, 0.45, 0.02, 0.02}, at.data(),
         value.data(), jacobian.data(), gradient.data(), valid.data());
}

void warp() {
  const int64_t t = whole(1, 4), height = whole(1, 20), width = whole(1, 20);
  std::vector<uint8_t> data(3 * t * height * width), warped(data.size());
  for (uint8_t& one : data) one = whole(0, 255);
  const auto linear = numbers(2 * t, whole(0, 3)), shift = numbers(2 * t, whole(0, 3));
  warp_frames({t, height, width, data.data(), 1.5}, linear.data(), shift.data(), warped.data());
}

// An axis with random weights, whose sums of bytes fit into 32 bits.
struct Weighted {
  Weighted(int64_t from, int64_t to) : first(to) {
    axis = {from, to, whole(1, from), nullptr, nullptr, whole(1, 22)};
    for (int32_t& one : first) one = static_cast<int32_t>(whole(0, from - axis.taps));
    const int64_t most = std::min<int64_t>(32767, (int64_t{1} << 22) / axis.taps);
    weights.resize(to * axis.taps);
    for (int16_t& one : weights) one = static_cast<int16_t>(whole(-most, most));
    axis.first = first.data(), axis.weights = weights.data();
  }

  Axis axis;
  std::vector<int32_t> first;
  std::vector<int16_t> weights;
};

void resizing() {
  const int64_t t = whole(1, 3), height = whole(1, 40), width = whole(1, 40);
  const Weighted rows(height, whole(0, 3) ? whole(1, 40) : height);
  const Weighted columns(width, whole(0, 3) ? whole(1, 40) : width);
  std::vector<uint8_t> data(3 * t * height * width);
  for (uint8_t& one : data) one = whole(0, 255);
  std::vector<uint8_t> resized(3 * t * rows.axis.to * columns.axis.to), expected(resized.size());
  resize(data.data(), t, rows.axis, columns.axis, resized.data());
  resize_portably(data.data(), t, rows.axis, columns.axis, expected.data());
  if (resized != expected) std::puts("processors resize differently"), std::exit(1);
}

void resizing_planes() {
  const int64_t t = whole(1, 3);
  RealAxis axes[2];
  std::vector<int32_t> firsts[2];
  std::vector<float> weights[2];
  for (int i = 0; i < 2; ++i) {
    axes[i] = {whole(1, 30), whole(1, 30), 0, nullptr, nullptr};
    axes[i].taps = whole(1, axes[i].from);
    firsts[i].resize(axes[i].to);
    for (int32_t& one : firsts[i])
      one = static_cast<int32_t>(whole(0, axes[i].from - axes[i].taps));
    weights[i] = numbers(axes[i].to * axes[i].taps, whole(0, 3));
    axes[i].first = firsts[i].data(), axes[i].weights = weights[i].data();
  }
  const auto data = numbers(t * axes[0].from * axes[1].from, whole(0, 3));
  std::vector<float> resized(t * axes[0].to * axes[1].to);
  resize_planes(data.data(), t, axes[0], axes[1], resized.data());
}

void summing() {
  const int64_t rows = whole(1, 3), n = whole(1, 3000);
  const auto data = numbers(rows * n, whole(0, 3));
  std::vector<float> sums(rows);
  sum_rows(data.data(), rows, n, sums.data());
}

void sampling() {
  const int64_t t = whole(1, 3), n = whole(1, 50), colours = whole(1, 4);
  const int64_t height = whole(1, 20), width = whole(1, 20);
  const auto data = numbers(t * height * width * colours, whole(0, 3));
  const auto x = numbers(t * n, whole(0, 3)), y = numbers(t * n, whole(0, 3));
  std::vector<float> values(t * n * colours);
  sample({t, height, width, colours, data.data()}, n, x.data(), y.data(), values.data());
}

void labelling() {
  const int64_t rows = whole(1, 20), columns = whole(1, 20), density = whole(0, 4);
  std::vector<uint8_t> cells(rows * columns);
  for (uint8_t& one : cells) one = whole(0, 4) < density;
  std::vector<int32_t> labels(cells.size());
  label(cells.data(), rows, columns, whole(1, 3), labels.data());
}

}  // namespace

int main(int, char** arguments) {
  for (int left = std::atoi(arguments[1]); left > 0; --left) {
    keypoints(), detection(), warp();
    resizing(), resizing_planes(), summing(), sampling(), labelling();
  }
  std::puts("done");
}
