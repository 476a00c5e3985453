// Pricing: selects the entering cell, which lowers the cost most per unit.
#pragma once

#include "vec.h"
#include "workspace.h"

namespace ISA {

struct Candidate {
  int row = 0, column = 0;
  double reduced_cost = INF;
};

class Pricing {
 public:
  explicit Pricing(const Arrays& w) : w(w) {
    // Up to SMALL cells, all are compared; beyond, the best cell of the next block is taken.
    const int64_t cells = static_cast<int64_t>(w.n) * w.columns;
    const int block = BLOCK / w.columns / GROUP * GROUP;
    rows_at_once = cells <= SMALL ? w.rows : block < GROUP ? GROUP : block;
    // Reduced costs this close to zero are rounding errors.
    threshold = -4e-15 * w.max_cost;
  }

  // Whether a cell has a reduced cost below zero, and a good one of these cells.
  bool find(Candidate& found) {
    for (int seen = 0; seen < w.rows;) {
      const int last = next + rows_at_once < w.rows ? next + rows_at_once : w.rows;
      best_of_rows(next, last, found);
      seen += last - next;
      next = last == w.rows ? 0 : last;
      if (found.reduced_cost < threshold) return true;
    }
    return false;
  }

 private:
  static constexpr int SMALL = 512, BLOCK = 1024, GROUP = 4;

  // The smallest reduced cost c_ij − u_i − v_j of rows [first, last), a multiple of GROUP rows.
  void best_of_rows(int first, int last, Candidate& found) const {
    // Four rows side by side, so that four chains of comparisons run at once. Potentials hold −v.
    const int width = w.columns / LANES;
    const Vec* const minus_v = vecs(w.potential + w.rows);
    Vec best[GROUP];
    Ints where[GROUP];  // counts vectors in the order of the loop
    for (int r = 0; r < GROUP; ++r) best[r] = splat(INF), where[r] = Ints{};
    Ints now{};
    for (int i = first; i < last; i += GROUP) {
      const Vec* const cost = vecs(w.cost_row(i));
      const double* const u = w.potential + i;
      for (int k = 0; k < width; ++k) {
        for (int r = 0; r < GROUP; ++r) {
          const Vec reduced = cost[r * width + k] + minus_v[k] - splat(u[r]);
          where[r] = reduced < best[r] ? now : where[r];
          best[r] = lesser(reduced, best[r]);
        }
        now += 1;
      }
    }
    found.reduced_cost = least(lesser(lesser(best[0], best[1]), lesser(best[2], best[3])));
    uint64_t equal = 0;
    for (int r = 0; r < GROUP; ++r) equal |= equal_bits(best[r], found.reduced_cost) << r * LANES;
    const int at = lowest(equal), r = at / LANES, k = at % LANES;
    const int seen = static_cast<int>(lane(where[r], k));
    found.row = first + seen / width * GROUP + r;
    found.column = seen % width * LANES + k;
  }

  const Arrays w;
  int next = 0, rows_at_once;
  double threshold;
};

}  // namespace ISA
