// The first tree: greedy on the doubly centred cost, cheapest cell first.
#pragma once

#include "tree.h"
#include "vec.h"
#include "workspace.h"

namespace ISA {

class Start {
 public:
  Start(const Arrays& w, Tree& tree) : w(w), tree(tree) {}

  // A cell ships the smaller remaining weight of its row and column. The one that becomes empty is
  // struck out and becomes, with its subtree, a child of the other: the row if it has less weight,
  // otherwise the column. So no column's cell has a flow of zero, which makes the tree strongly
  // feasible.
  void build() {
    tree.clear();
    std::memcpy(w.left, w.weight, sizeof(double) * w.nodes);
    int rows_left = open(w.open_rows, w.weight, w.rows);
    int columns_left = open(w.open_columns, w.weight + w.rows, w.columns);
    int struck = 0;
    subtract_means();
    std::memset(w.cheapest_in, 0, sizeof(uint64_t) * w.columns * w.words);
    for (int i = 0; i < w.n; ++i)
      if (w.weight[i] > 0) find_cheapest_cell(i);
    while (rows_left > 0) {
      const int i = find_least(w.cheapest_key, w.open_rows, w.rows).at, j = w.cheapest[i];
      double &row = w.left[i], &column = w.left[w.rows + j];
      if (columns_left > 1 && (rows_left == 1 || column <= row)) {
        hang(w.rows + j, i, column, struck++);
        row = column < row ? row - column : 0;
        close_column(j);
        --columns_left;
      } else {
        hang(i, w.rows + j, row, struck++);
        column = row < column ? column - row : 0;
        close(w.open_rows, i);
        --rows_left;
      }
    }
    set_potentials(struck);
  }

 private:
  // Opens the rows or columns with positive weight; returns their number.
  static int open(uint64_t* bits, const double* weight, int count) {
    int opened = 0;
    for (int k = 0; k < count; k += 64) bits[k / 64] = 0;
    for (int k = 0; k < count; ++k) {
      const bool has_weight = weight[k] > 0;
      bits[k / 64] |= uint64_t{has_weight} << k % 64;
      opened += has_weight;
    }
    return opened;
  }
  static void close(uint64_t* bits, int k) { bits[k / 64] &= ~(uint64_t{1} << k % 64); }

  // key = cost − mean of the row − mean of the column. It halves the pivots: the mean cost of a row
  // does not determine which of its cells carries flow.
  void subtract_means() {
    const int width = w.columns / LANES;
    Vec* const column_mean = vecs(w.column_sum);
    for (int k = 0; k < width; ++k) column_mean[k] *= splat(1.0 / w.n);
    for (int i = 0; i < w.n; ++i) {
      const Vec* const cost = vecs(w.cost_row(i));
      Vec* const key = vecs(w.key_row(i));
      const Vec row_mean = splat(w.row_sum[i] / w.m);
      for (int k = 0; k < width; ++k) key[k] = cost[k] - column_mean[k] - row_mean;
    }
  }

  // The cheapest cell of a row in the open columns.
  void find_cheapest_cell(int i) {
    const Least cell = find_least(w.key_row(i), w.open_columns, w.columns);
    w.cheapest[i] = cell.at;
    cheapest_in(cell.at)[i / 64] |= uint64_t{1} << i % 64;
    // Written as a full vector: reading one right after a partial write would stall.
    Vec& keys = vecs(w.cheapest_key)[i / LANES];
    keys = by_bits(uint64_t{1} << i % LANES, splat(cell.value), keys);
  }

  // Closes a column, and searches those rows again whose cheapest cell was in it.
  void close_column(int j) {
    close(w.open_columns, j);
    for (int i = 0; i < w.rows; i += 64) {
      uint64_t rows = cheapest_in(j)[i / 64] & w.open_rows[i / 64];
      for (; rows != 0; rows &= rows - 1) find_cheapest_cell(i + lowest(rows));
    }
  }

  // Bits of the rows whose cheapest cell is or was in a column.
  uint64_t* cheapest_in(int j) const { return w.cheapest_in + static_cast<size_t>(j) * w.words; }

  void hang(int x, int parent, double flow, int when) {
    tree.hang(x, parent, flow);
    w.order[when] = x;
  }

  // From the root downward; cells of the tree have a reduced cost of zero.
  void set_potentials(int struck) {
    for (int k = struck - 1; k >= 0; --k) {
      const int x = w.order[k], parent = w.parent[x];
      const bool is_row = x < w.rows;
      const int i = is_row ? x : parent, j = (is_row ? parent : x) - w.rows;
      const double cost = w.cost_row(i)[j];
      w.potential[x] = w.potential[parent] + (is_row ? cost : -cost);
    }
  }

  const Arrays w;
  Tree& tree;
};

}  // namespace ISA
