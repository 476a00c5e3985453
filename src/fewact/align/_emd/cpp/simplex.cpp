// The transport problem by the primal network simplex, for one instruction set: ISA.
//
//   read     the problem into float64, checked                                 (read.h)
//   Start    a greedy, strongly feasible tree on the doubly centred cost       (start.h)
//   Pricing  a cell of negative reduced cost, or proof of optimality           (pricing.h)
//   Tree     its pivot into the tree                                           (tree.h)
//   write    value, flow and duals
#include "batch.h"
#include "pricing.h"
#include "read.h"
#include "start.h"
#include "tree.h"
#include "vec.h"
#include "workspace.h"

namespace ISA {

// Nodes of zero weight are left out: their cells would have a flow of zero, which a strongly
// feasible tree does not allow for columns.
static void switch_off_empty(Arrays& w) {
  for (int i = 0; i < w.n; ++i)
    if (w.weight[i] == 0)
      for (int j = 0; j < w.m; ++j) w.cost_row(i)[j] = INF;
  for (int j = 0; j < w.m; ++j)
    if (w.weight[w.rows + j] == 0)
      for (int i = 0; i < w.n; ++i) w.cost_row(i)[j] = INF;
}

static Status optimise(Arrays& w, int64_t pivot_limit) {
  switch_off_empty(w);
  Tree tree(w);
  Start(w, tree).build();
  Pricing pricing(w);
  Candidate cell;
  for (int64_t pivots = 0; pricing.find(cell); ++pivots) {
    if (pivots == pivot_limit) return PIVOT_LIMIT;
    // Through rounding, a cell of the tree itself may be slightly below zero: the pivot then only
    // corrects the potentials below it.
    tree.pivot(cell.row, w.rows + cell.column, cell.reduced_cost);
  }
  return SOLVED;
}

// Returns the value, and writes the flow to plan unless it is null.
template <class Real>
static double write_flow(const Arrays& w, Real* plan) {
  if (plan != nullptr)
    for (size_t k = 0; k < static_cast<size_t>(w.n) * w.m; ++k) plan[k] = 0;
  double value = 0;
  for (int x = 0; x < w.nodes; ++x) {
    if (w.parent[x] < 0) continue;
    const int i = x < w.rows ? x : w.parent[x], j = (x < w.rows ? w.parent[x] : x) - w.rows;
    value += w.flow[x] * w.cost_row(i)[j];
    if (plan != nullptr) plan[static_cast<size_t>(i) * w.m + j] = static_cast<Real>(w.flow[x]);
  }
  return value;
}

// The largest feasible duals of the nodes of zero weight.
template <class Real>
static void set_empty_duals(const Real* cost, const Arrays& w) {
  double *const u = w.potential, *const minus_v = w.potential + w.rows;
  for (int j = 0; j < w.m; ++j) {
    if (w.weight[w.rows + j] > 0) continue;
    double most = INF;
    for (int i = 0; i < w.n; ++i) {
      const double here = static_cast<double>(cost[static_cast<size_t>(i) * w.m + j]) - u[i];
      if (w.weight[i] > 0 && here < most) most = here;
    }
    minus_v[j] = -most;
  }
  for (int i = 0; i < w.n; ++i) {
    if (w.weight[i] > 0) continue;
    double most = INF;
    for (int j = 0; j < w.m; ++j) {
      const double here = static_cast<double>(cost[static_cast<size_t>(i) * w.m + j]) + minus_v[j];
      if (here < most) most = here;
    }
    u[i] = most;
  }
}

template <class Real>
static void write_duals(const Arrays& w, const Real* cost, Real* u, Real* v) {
  set_empty_duals(cost, w);
  for (int i = 0; i < w.n; ++i) u[i] = static_cast<Real>(w.potential[i]);
  for (int j = 0; j < w.m; ++j) v[j] = static_cast<Real>(-w.potential[w.rows + j]);
}

template <class Real>
static void solve_all(const Problems<Real>& problems, const Solutions<Real>& to, Queue& queue) {
  Workspace workspace(problems.n, problems.m);
  Arrays& w = workspace.arrays;
  const int64_t cells = problems.n * problems.m;
  int64_t first, last;
  while (queue.take(first, last)) {
    for (int64_t k = first; k < last; ++k) {
      Status status = NO_MEMORY;
      if (workspace.ok()) status = read(problems, k, w);
      if (status == SOLVED) status = optimise(w, problems.pivot_limit);
      to.status[k] = status;
      if (status != SOLVED) continue;
      to.value[k] = write_flow(w, to.plan == nullptr ? nullptr : to.plan + k * cells);
      write_duals(w, problems.cost + k * cells, to.u + k * problems.n, to.v + k * problems.m);
    }
  }
}

void solve(const Problems<float>& problems, const Solutions<float>& to, Queue& queue) {
  solve_all(problems, to, queue);
}
void solve(const Problems<double>& problems, const Solutions<double>& to, Queue& queue) {
  solve_all(problems, to, queue);
}
}  // namespace ISA
