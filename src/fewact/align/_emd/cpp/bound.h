// A lower bound of a problem's value, much cheaper than its solution.
#pragma once

#include "vec.h"
#include "workspace.h"

namespace ISA {

static double weighted_sum(const Arrays& w, const double* rows, const double* columns) {
  double total = 0;
  for (int i = 0; i < w.n; ++i) total += w.weight[i] * rows[i];
  for (int j = 0; j < w.m; ++j) total += w.weight[w.rows + j] * columns[j];
  return total;
}

// Any feasible duals bound the value from below. Two pairs are computed: the minima of the cost
// for one side, and the minima of the rest for the other.
static double lower_bound(const Arrays& w) {
  const int width = w.columns / LANES;
  // By node, in memory that the start and the tree do not use yet.
  double* const least_cost = w.left;
  double* const least_left = w.potential;
  Vec* const column_cost = vecs(least_cost + w.rows);
  Vec* const column_left = vecs(least_left + w.rows);

  for (int k = 0; k < width; ++k) column_cost[k] = column_left[k] = splat(INF);
  for (int i = 0; i < w.n; ++i) {
    Vec least_of_row = splat(INF);
    for (int k = 0; k < width; ++k) {
      const Vec cost = vecs(w.cost_row(i))[k];
      least_of_row = lesser(cost, least_of_row);
      column_cost[k] = lesser(cost, column_cost[k]);
    }
    least_cost[i] = least(least_of_row);
  }
  for (int j = w.m; j < w.columns; ++j) least_cost[w.rows + j] = 0;  // no cells there
  for (int i = 0; i < w.n; ++i) {
    Vec least_of_row = splat(INF);
    for (int k = 0; k < width; ++k) {
      const Vec cost = vecs(w.cost_row(i))[k];
      least_of_row = lesser(cost - column_cost[k], least_of_row);
      column_left[k] = lesser(cost - splat(least_cost[i]), column_left[k]);
    }
    least_left[i] = least(least_of_row);
  }
  const double rows_first = weighted_sum(w, least_cost, least_left + w.rows);
  const double columns_first = weighted_sum(w, least_left, least_cost + w.rows);
  return rows_first > columns_first ? rows_first : columns_first;
}

}  // namespace ISA
