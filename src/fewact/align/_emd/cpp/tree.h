// The basis: a spanning tree of rows and columns; its edges are the cells that carry flow.
//
// Every node but the root has a parent on the other side; the cell between them is the node's.
// The tree is kept strongly feasible (Cunningham 1976): every node can send more flow towards the
// root, so no column's cell has a flow of zero. A row's cell may have a flow of zero.
//
// Each node stores its subtree, itself included, as bits. So two walks upward find the cycle that a
// new cell closes, and a pivot needs no traversal of the subtree that it moves: cutting, attaching
// and shifting its potentials are operations on words and vectors.
#pragma once

#include <cstring>

#include "vec.h"
#include "workspace.h"

namespace ISA {

class Tree {
 public:
  explicit Tree(const Arrays& w) : w(w) {}

  // Starts with isolated nodes.
  void clear() {
    std::memset(w.below, 0, sizeof(uint64_t) * w.nodes * w.words);
    for (int x = 0; x < w.nodes; ++x) {
      below(x)[x / 64] = uint64_t{1} << x % 64;
      w.parent[x] = -1;
      w.flow[x] = 0;
      w.potential[x] = 0;
    }
  }

  // Attaches a node, with its subtree, to a parent.
  void hang(int x, int parent, double flow) {
    w.parent[x] = parent;
    w.flow[x] = flow;
    add(below(parent), below(x));
  }

  // Lets the cell of row i and column node j enter the tree.
  void pivot(int i, int j, double reduced_cost) {
    // The cycle: from the apex down to i, over the new cell to j, and up to the apex.
    int* const from_i = w.from_row;
    int* const from_j = w.from_column;
    int length_i = 0, length_j = 0, apex = i;
    for (; !is_below(j, apex); apex = w.parent[apex]) from_i[length_i++] = apex;
    for (int x = j; x != apex; x = w.parent[x]) from_j[length_j++] = x;

    // The leaving cell is the last empty one along the cycle; this choice keeps the tree strongly
    // feasible, so that no sequence of pivots returns to the same tree.
    double delta = INF;
    int leaves = 0;
    bool on_j = false;
    for (int k = 0; k < length_i; ++k) {
      const int x = from_i[k];
      if (is_row(x) && w.flow[x] < delta) delta = w.flow[x], leaves = k;
    }
    for (int k = 0; k < length_j; ++k) {
      const int x = from_j[k];
      if (!is_row(x) && w.flow[x] <= delta) delta = w.flow[x], leaves = k, on_j = true;
    }

    if (delta > 0) {
      for (int k = 0; k < length_i; ++k) w.flow[from_i[k]] += is_row(from_i[k]) ? -delta : delta;
      for (int k = 0; k < length_j; ++k) w.flow[from_j[k]] += is_row(from_j[k]) ? delta : -delta;
    }

    if (on_j)
      rehang(from_j, leaves, length_j, from_i, length_i, i, delta, -reduced_cost);
    else
      rehang(from_i, leaves, length_i, from_j, length_j, j, delta, reduced_cost);
  }

 private:
  bool is_row(int x) const { return x < w.rows; }
  uint64_t* below(int x) const { return w.below + static_cast<size_t>(x) * w.words; }
  bool is_below(int x, int top) const { return below(top)[x / 64] >> x % 64 & 1; }
  void copy(uint64_t* to, const uint64_t* set) const {
    for (int q = 0; q < w.words; ++q) to[q] = set[q];
  }
  void add(uint64_t* to, const uint64_t* set) const {
    for (int q = 0; q < w.words; ++q) to[q] |= set[q];
  }
  void remove(uint64_t* from, const uint64_t* set) const {
    for (int q = 0; q < w.words; ++q) from[q] &= ~set[q];
  }

  // Cuts off the subtree of path[cut], and attaches it by path[0] to a new parent.
  //
  // path leads from one end of the new cell up to the apex, other_path from its other end, which is
  // the new parent. The new cell carries flow, and the subtree's potentials rise by shift.
  void rehang(const int* path, int cut, int length, const int* other_path, int other_length,
              int new_parent, double flow, double shift) {
    uint64_t* const moved = w.moved;
    copy(moved, below(path[cut]));
    for (int k = cut + 1; k < length; ++k) remove(below(path[k]), moved);
    for (int k = 0; k < other_length; ++k) add(below(other_path[k]), moved);
    for (int k = cut; k > 0; --k) {
      const int x = path[k], child = path[k - 1];
      for (int q = 0; q < w.words; ++q) below(x)[q] = moved[q] & ~below(child)[q];
      w.parent[x] = child;
      w.flow[x] = w.flow[child];
    }
    copy(below(path[0]), moved);
    w.parent[path[0]] = new_parent;
    w.flow[path[0]] = flow;
    shift_potentials(shift);
  }

  // Raises the potentials of the moved nodes.
  void shift_potentials(double shift) {
    const Vec by = splat(shift);
    for (int x = 0; x < w.nodes; x += LANES)
      vecs(w.potential)[x / LANES] += by_bits(w.moved[x / 64] >> x % 64, by, Vec{});
  }

  const Arrays w;  // a copy, so that the compiler knows the pointers to be constant
};

}  // namespace ISA
