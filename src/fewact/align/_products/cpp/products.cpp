// Inner products of the nodes of videos, for one instruction set: ISA.
//
// A matrix library needs the nodes of a block in one matrix: copying them costs a quarter of the
// product, and packing them again most of another. Here nodes stay where they are. A tile of
// TILE_X × TILE_Y products is summed in registers, lane by lane along the nodes; tiles of a panel
// go along the nodes in steps that fit into the cache. Every product is summed in the same order,
// so that it does not depend on the other videos of its block.
#include "products.h"

#include <cstdlib>
#include <cstring>

namespace ISA {

#if defined(__AVX512F__)
constexpr int LANES = 16, TILE_X = 5, TILE_Y = 5;
#elif defined(__AVX2__)
constexpr int LANES = 8, TILE_X = 3, TILE_Y = 4;
#else
constexpr int LANES = 4, TILE_X = 3, TILE_Y = 4;  // SSE2, NEON
#endif
typedef float Vec __attribute__((vector_size(4 * LANES), may_alias));
typedef float Unaligned __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

constexpr int STEP = 1024;  // numbers of a node that a tile takes at once
constexpr int PANEL_X = 75 / TILE_X * TILE_X, PANEL_Y = 75 / TILE_Y * TILE_Y;  // nodes of a panel
constexpr int TILES_X = PANEL_X / TILE_X, TILES_Y = PANEL_Y / TILE_Y;

struct Tile {
  Vec sums[TILE_X][TILE_Y];
};

static inline Vec load(const float* from) { return *reinterpret_cast<const Unaligned*>(from); }

static inline float sum(Vec x) {
  float part[LANES];
  std::memcpy(part, &x, sizeof part);
  for (int width = LANES / 2; width > 0; width /= 2)
    for (int k = 0; k < width; ++k) part[k] += part[k + width];
  return part[0];
}

// Adds count products of numbers, a multiple of LANES, to the sums; the node ahead is fetched into
// the cache meanwhile, for the next step.
static void add(const float* const* x, const float* const* y, int count, const float* ahead,
                Tile& tile) {
  Vec sums[TILE_X][TILE_Y];
  std::memcpy(sums, tile.sums, sizeof sums);
  for (int k = 0; k < count; k += LANES) {
    __builtin_prefetch(ahead + k, 0, 2);
    Vec left[TILE_X];
#pragma GCC unroll 8
    for (int i = 0; i < TILE_X; ++i) left[i] = load(x[i] + k);
#pragma GCC unroll 8
    for (int j = 0; j < TILE_Y; ++j) {
      const Vec right = load(y[j] + k);
#pragma GCC unroll 8
      for (int i = 0; i < TILE_X; ++i) sums[i][j] += left[i] * right;
    }
  }
  std::memcpy(tile.sums, sums, sizeof sums);
}

// Adds the last numbers of a node, from whole to count, fewer than LANES: they are padded with zeros.
static void add_rest(const float* const* x, const float* const* y, int whole, int count,
                     Tile& tile) {
  float left[TILE_X][LANES] = {}, right[TILE_Y][LANES] = {};
  const float *at_left[TILE_X], *at_right[TILE_Y];
  for (int i = 0; i < TILE_X; ++i) {
    std::memcpy(left[i], x[i] + whole, (count - whole) * sizeof(float));
    at_left[i] = left[i];
  }
  for (int j = 0; j < TILE_Y; ++j) {
    std::memcpy(right[j], y[j] + whole, (count - whole) * sizeof(float));
    at_right[j] = right[j];
  }
  add(at_left, at_right, LANES, left[0], tile);
}

// A panel's nodes of one side. The last node is repeated up to a full tile.
template <int SIZE>
struct Panel {
  const float* nodes[SIZE];
  int64_t first;  // node of the block
  int count;

  Panel(const Videos& videos, int64_t block, int64_t first, int64_t width) : first(first) {
    const int64_t all = videos.count * videos.nodes;
    count = static_cast<int>(all - first < SIZE ? all - first : SIZE);
    for (int k = 0; k < SIZE; ++k) {
      const int64_t node = first + (k < count ? k : count - 1);
      const int64_t video = videos.rows[block * videos.count + node / videos.nodes];
      nodes[k] = videos.bank + (video * videos.nodes + node % videos.nodes) * width;
    }
  }
};

class Product {
 public:
  explicit Product(const Blocks& of) : of(of) {
    memory = std::malloc(TILES_X * TILES_Y * sizeof(Tile) + alignof(Tile));
    const uintptr_t at = reinterpret_cast<uintptr_t>(memory);
    tiles = reinterpret_cast<Tile*>((at + alignof(Tile) - 1) / alignof(Tile) * alignof(Tile));
  }
  ~Product() { std::free(memory); }
  Product(const Product&) = delete;
  Product& operator=(const Product&) = delete;
  bool ok() const { return memory != nullptr; }

  void block(int64_t number) {
    const int64_t x = of.first.count * of.first.nodes, y = of.second.count * of.second.nodes;
    for (int64_t i = 0; i < x; i += PANEL_X) {
      const Panel<PANEL_X> left(of.first, number, i, of.width);
      for (int64_t j = 0; j < y; j += PANEL_Y) {
        const Panel<PANEL_Y> right(of.second, number, j, of.width);
        multiply(left, right);
        write(left, right, number);
      }
    }
  }

 private:
  void multiply(const Panel<PANEL_X>& left, const Panel<PANEL_Y>& right) {
    std::memset(static_cast<void*>(tiles), 0, TILES_X * TILES_Y * sizeof(Tile));
    for (int64_t from = 0; from < of.width; from += STEP) {
      const int count = static_cast<int>(of.width - from < STEP ? of.width - from : STEP);
      const int whole = count / LANES * LANES;
      int turn = 0;  // each tile fetches another node
      for (int i = 0; i < left.count; i += TILE_X) {
        const float* x[TILE_X];
        for (int k = 0; k < TILE_X; ++k) x[k] = left.nodes[i + k] + from;
        for (int j = 0; j < right.count; j += TILE_Y, ++turn) {
          const float* y[TILE_Y];
          for (int k = 0; k < TILE_Y; ++k) y[k] = right.nodes[j + k] + from;
          Tile& tile = tiles[i / TILE_X * TILES_Y + j / TILE_Y];
          add(x, y, whole, ahead(left, right, turn) + from + STEP, tile);
          if (whole < count) add_rest(x, y, whole, count, tile);
        }
      }
    }
  }

  static const float* ahead(const Panel<PANEL_X>& left, const Panel<PANEL_Y>& right, int turn) {
    if (turn < left.count) return left.nodes[turn];
    turn -= left.count;
    return right.nodes[turn < right.count ? turn : right.count - 1];
  }

  void write(const Panel<PANEL_X>& left, const Panel<PANEL_Y>& right, int64_t number) const {
    const int64_t n = of.first.nodes, m = of.second.nodes;
    float* const to = of.products + number * of.first.count * of.second.count * n * m;
    for (int i = 0; i < left.count; ++i) {
      const int64_t x = left.first + i;
      for (int j = 0; j < right.count; ++j) {
        const int64_t y = right.first + j;
        const Tile& tile = tiles[i / TILE_X * TILES_Y + j / TILE_Y];
        to[((x / n * of.second.count + y / m) * n + x % n) * m + y % m] =
            sum(tile.sums[i % TILE_X][j % TILE_Y]);
      }
    }
  }

  const Blocks& of;
  void* memory;
  Tile* tiles;
};

bool multiply(const Blocks& of) {
  Product product(of);
  if (!product.ok()) return false;
  for (int64_t number = 0; number < of.blocks; ++number) product.block(number);
  return true;
}

}  // namespace ISA
