// Converts one problem to float64 and checks it.
#pragma once

#include "batch.h"
#include "vec.h"
#include "workspace.h"

namespace ISA {

static bool finite(double x) { return x - x == 0; }

// Largest difference of the totals, relative to the larger one: TOTALS_TOLERANCE of problem.py.
static double tolerance(const float*) { return 1e-5; }
static double tolerance(const double*) { return 1e-9; }

// Reads weights, padded with zeros; returns their total.
template <class Real>
static double read_weights(const Real* from, int count, int rounded, double* to) {
  double total = 0;
  for (int k = 0; k < count; ++k) {
    to[k] = from[k];
    total += to[k];
  }
  for (int k = count; k < rounded; ++k) to[k] = 0;
  return total;
}

static bool any_negative(const double* x, int count) {
  bool any = false;
  for (int k = 0; k < count; ++k) any |= x[k] < 0;
  return any;
}

// Reads the cost in rows padded to full vectors, with row and column sums and max |cost|; returns
// whether all costs are finite and small enough to be summed along the tree.
template <class Real>
static bool read_cost(const Real* from, Arrays& w) {
  const int width = w.columns / LANES;
  Vec* const column_sum = vecs(w.column_sum);
  for (int k = 0; k < width; ++k) column_sum[k] = Vec{};
  Vec largest{};
  bool all_finite = true;
  for (int i = 0; i < w.n; ++i) {
    const Real* const given = from + static_cast<size_t>(i) * w.m;
    double* const row = w.cost_row(i);
    Vec row_sum{};
    for (int k = 0; k < width; ++k) {
      const int left = w.m - k * LANES;
      const Vec x = load_some(given + k * LANES, left < 0 ? 0 : left < LANES ? left : LANES);
      vecs(row)[k] = x;
      row_sum += x;
      column_sum[k] += x;
      largest = greater(greater(x, -x), largest);
    }
    w.row_sum[i] = sum(row_sum);
    all_finite &= finite(w.row_sum[i]);  // false if a term is NaN or infinite
    for (int j = w.m; j < w.columns; ++j) row[j] = INF;
  }
  for (int i = w.n; i < w.rows; ++i)
    for (int j = 0; j < w.columns; ++j) w.cost_row(i)[j] = INF;
  w.max_cost = -least(-largest);
  return all_finite && finite(8 * w.max_cost * w.n * w.m);
}

// Returns SOLVED if the problem is valid.
template <class Real>
static Status read(const Problems<Real>& from, int64_t index, Arrays& w) {
  double* const columns = w.weight + w.rows;
  w.total = read_weights(from.a + index * w.n, w.n, w.rows, w.weight);
  const double total_b = read_weights(from.b + index * w.m, w.m, w.columns, columns);
  if (!read_cost(from.cost + index * w.n * w.m, w) || !finite(w.total + total_b)) return NOT_FINITE;
  if (any_negative(w.weight, w.nodes)) return NEGATIVE_WEIGHT;
  if (w.total == 0 || total_b == 0) return ZERO_TOTAL;
  const double more = w.total > total_b ? w.total : total_b;
  const double less = w.total > total_b ? total_b : w.total;
  if (more - less > tolerance(from.cost) * more) return TOTALS_DIFFER;
  for (int j = 0; j < w.m; ++j) columns[j] *= w.total / total_b;
  return SOLVED;
}

}  // namespace ISA
