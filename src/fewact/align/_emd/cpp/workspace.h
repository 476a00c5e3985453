// Memory of one thread for problems of one size.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>

namespace ISA {

// Full vectors of any instruction set, and full groups of rows for pricing.
static inline int round_up(int64_t count) { return static_cast<int>((count + 7) / 8 * 8); }

// Nodes are numbered rows first, then columns, both counts rounded up.
struct Arrays {
  Arrays(int64_t n, int64_t m)
      : n(static_cast<int>(n)),
        m(static_cast<int>(m)),
        rows(round_up(n)),
        columns(round_up(m)),
        nodes(rows + columns),
        words((nodes + 63) / 64) {}

  int n, m;  // as in the problem
  int rows, columns;  // rounded up
  int nodes;
  int words;  // length of a set of nodes, as bits

  // The problem in float64; see read.h.
  double* cost;  // (rows columns), infinite where there is no cell
  double max_cost;  // max |cost|
  double total;  // total weight of a side
  double* row_sum;  // of the cost
  double* column_sum;
  double* weight;  // (nodes)

  // The start; see start.h.
  double* left;  // (nodes) remaining weight
  double* key;  // (rows columns)
  double* cheapest_key;  // of each row
  int* cheapest;  // and its column
  uint64_t* cheapest_in;  // (columns words) rows by that column
  uint64_t *open_rows, *open_columns;  // bits of those that are not struck out
  int* order;  // nodes in the order of striking out

  // The tree; see tree.h.
  int* parent;
  double* flow;  // of the cell between a node and its parent
  double* potential;  // u of a row, −v of a column
  uint64_t* below;  // (nodes words) the subtree of each node
  uint64_t* moved;
  int *from_row, *from_column;

  double* cost_row(int i) const { return cost + static_cast<size_t>(i) * columns; }
  double* key_row(int i) const { return key + static_cast<size_t>(i) * columns; }
};

class Workspace {
 public:
  Workspace(int64_t n, int64_t m) : arrays(n, m) {
    carve();
    memory = static_cast<char*>(std::malloc(used + LINE));
    if (memory == nullptr) return;
    base = memory + (LINE - reinterpret_cast<uintptr_t>(memory) % LINE) % LINE;
    carve();
  }
  ~Workspace() { std::free(memory); }
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  bool ok() const { return memory != nullptr; }

  Arrays arrays;

 private:
  static constexpr size_t LINE = 64;

  template <class T>
  void take(T*& part, size_t count) {
    part = base == nullptr ? nullptr : reinterpret_cast<T*>(base + used);
    used += (count * sizeof(T) + LINE - 1) / LINE * LINE;
  }

  // Lays out the arrays one after another: the first pass counts, the second assigns.
  void carve() {
    Arrays& w = arrays;
    const size_t rows = w.rows, columns = w.columns, nodes = w.nodes, words = w.words;
    used = 0;
    take(w.cost, rows * columns);
    take(w.row_sum, rows);
    take(w.column_sum, columns);
    take(w.weight, nodes);
    take(w.left, nodes);
    take(w.key, rows * columns);
    take(w.cheapest_key, rows);
    take(w.cheapest, rows);
    take(w.cheapest_in, columns * words);
    take(w.open_rows, words);
    take(w.open_columns, words);
    take(w.order, nodes);
    take(w.parent, nodes);
    take(w.flow, nodes);
    take(w.potential, nodes);
    take(w.below, nodes * words);
    take(w.moved, words);
    take(w.from_row, nodes);
    take(w.from_column, nodes);
  }

  char *memory = nullptr, *base = nullptr;
  size_t used = 0;
};

}  // namespace ISA
