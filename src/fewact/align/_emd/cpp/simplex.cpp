// The transport problem by the primal network simplex, for one instruction set: ISA.
//
//   read     the problem into float64, checked                                 (read.h)
//   Start    a greedy, strongly feasible tree on the doubly centred cost       (start.h)
//   Pricing  a cell of negative reduced cost, or proof of optimality           (pricing.h)
//   Tree     its pivot into the tree                                           (tree.h)
//   write    value, flow and duals
#include "batch.h"
#include "bound.h"
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

// The class of the smallest value among problems [first, first + classes). Classes are solved in
// the order of their bounds, until the next bound is above the best value.
template <class Real>
static int64_t nearest_of_group(const Problems<Real>& problems, int64_t first, const Nearest& to,
                                Arrays& w) {
  // Bounds have rounding errors: a class is excluded only if its bound is clearly above.
  constexpr double MARGIN = 1e-9;
  double* const bound = to.scratch + first;  // infinite for classes that are solved
  int32_t* const status = to.status + first;
  for (int64_t k = 0; k < to.classes; ++k) {
    status[k] = read(problems, first + k, w);
    if (status[k] != SOLVED) return 0;
    bound[k] = lower_bound(w) - MARGIN * w.max_cost * w.total;
  }
  double best = INF;
  int64_t nearest = 0;
  for (;;) {
    int64_t next = 0;
    for (int64_t k = 1; k < to.classes; ++k)
      if (bound[k] < bound[next]) next = k;
    if (bound[next] == INF || bound[next] > best) return nearest;
    bound[next] = INF;
    read(problems, first + next, w);
    status[next] = optimise(w, problems.pivot_limit);
    if (status[next] != SOLVED) return 0;
    const double value = write_flow<Real>(w, nullptr);
    if (value < best || (value == best && next < nearest)) best = value, nearest = next;
  }
}

template <class Real>
static void find_nearest_in_all(const Problems<Real>& problems, const Nearest& to, Queue& queue) {
  Workspace workspace(problems.n, problems.m);
  int64_t first, last;
  while (queue.take(first, last)) {
    for (int64_t group = first; group < last; ++group) {
      const int64_t start = group * to.classes;
      for (int64_t k = 0; k < to.classes; ++k)
        to.status[start + k] = workspace.ok() ? SOLVED : NO_MEMORY;
      if (workspace.ok()) to.index[group] = nearest_of_group(problems, start, to, workspace.arrays);
    }
  }
}

void solve(const Problems<float>& problems, const Solutions<float>& to, Queue& queue) {
  solve_all(problems, to, queue);
}
void solve(const Problems<double>& problems, const Solutions<double>& to, Queue& queue) {
  solve_all(problems, to, queue);
}
void find_nearest(const Problems<float>& problems, const Nearest& to, Queue& queue) {
  find_nearest_in_all(problems, to, queue);
}
void find_nearest(const Problems<double>& problems, const Nearest& to, Queue& queue) {
  find_nearest_in_all(problems, to, queue);
}

}  // namespace ISA
