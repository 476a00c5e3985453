// Random products of nodes against plain sums, run under the sanitizers: usage COUNT ISA.
//
// Banks and results have exactly the memory that they need, so that a read or write outside of them
// is found.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

#include "products.h"

extern "C" int fewact_products(int isa, int64_t blocks, int64_t width, const float* first,
                               const int64_t* first_rows, int64_t first_count, int64_t first_nodes,
                               const float* second, const int64_t* second_rows,
                               int64_t second_count, int64_t second_nodes, float* products);

namespace {

std::mt19937 draw(0);

int64_t whole(int64_t least, int64_t most) {
  return std::uniform_int_distribution<int64_t>(least, most)(draw);
}

struct Side {
  int64_t count, nodes;
  std::vector<float> bank;
  std::vector<int64_t> rows;

  Side(int64_t blocks, int64_t width) : count(whole(1, 9)), nodes(whole(1, 20)) {
    const int64_t videos = whole(1, 5);
    std::normal_distribution<float> normal;
    bank.resize(videos * nodes * width);
    for (float& one : bank) one = normal(draw);
    rows.resize(blocks * count);
    for (int64_t& one : rows) one = whole(0, videos - 1);
  }

  const float* node(int64_t block, int64_t video, int64_t number, int64_t width) const {
    return bank.data() + (rows[block * count + video] * nodes + number) * width;
  }
};

bool right(int isa) {
  const int64_t blocks = whole(1, 3), width = whole(0, 3) ? whole(1, 70) : whole(1000, 2100);
  const Side x(blocks, width), y(blocks, width);
  std::vector<float> products(blocks * x.count * y.count * x.nodes * y.nodes);
  if (fewact_products(isa, blocks, width, x.bank.data(), x.rows.data(), x.count, x.nodes,
                      y.bank.data(), y.rows.data(), y.count, y.nodes, products.data()))
    return false;
  const float* got = products.data();
  for (int64_t b = 0; b < blocks; ++b)
    for (int64_t i = 0; i < x.count; ++i)
      for (int64_t j = 0; j < y.count; ++j)
        for (int64_t m = 0; m < x.nodes; ++m)
          for (int64_t u = 0; u < y.nodes; ++u, ++got) {
            const float *left = x.node(b, i, m, width), *other = y.node(b, j, u, width);
            double sum = 0;
            for (int64_t k = 0; k < width; ++k) sum += double(left[k]) * other[k];
            if (std::abs(*got - sum) > 1e-5 * std::sqrt(double(width)) * 4) return false;
          }
  return true;
}

}  // namespace

int main(int, char** arguments) {
  for (int left = std::atoi(arguments[1]); left > 0; --left)
    if (!right(std::atoi(arguments[2]))) return std::puts("a product is wrong"), 1;
  return std::puts("done"), 0;
}
