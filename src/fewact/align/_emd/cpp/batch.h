// Input and output of the solver of each instruction set. Plain data and declarations only: code in
// a shared header would be compiled for AVX-512 too, and the linker might use that copy for all.
#pragma once

#include <cstdint>

// The numbers of Status in problem.py.
enum Status : int32_t {
  SOLVED = 0,
  NOT_FINITE = 1,
  NEGATIVE_WEIGHT = 2,
  ZERO_TOTAL = 3,
  TOTALS_DIFFER = 4,
  PIVOT_LIMIT = 5,
  NO_MEMORY = 6,
};

// Problems of n rows and m columns, one after another, row by row.
template <class Real>
struct Problems {
  int64_t count, n, m;
  const Real *cost, *a, *b;
  int64_t pivot_limit;  // for each problem
};

// Results for each problem; plan may be null.
template <class Real>
struct Solutions {
  double* value;
  Real *plan, *u, *v;
  int32_t* status;
};

// Distributes ranges [first, last) of a batch over the threads that request them.
class Queue {
 public:
  virtual bool take(int64_t& first, int64_t& last) = 0;
};

// Solvers of all instruction sets of this build; a solver runs in every thread.
#define FEWACT_DECLARE(isa)                                              \
  namespace isa {                                                        \
  void solve(const Problems<float>&, const Solutions<float>&, Queue&);   \
  void solve(const Problems<double>&, const Solutions<double>&, Queue&); \
  }
FEWACT_DECLARE(baseline)
FEWACT_DECLARE(avx2)
FEWACT_DECLARE(avx512)
#undef FEWACT_DECLARE
