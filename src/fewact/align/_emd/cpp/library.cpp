// The C interface: the available instruction sets, and batches distributed over threads.
#include <atomic>
#include <exception>
#include <thread>
#include <vector>

#include "batch.h"

#if defined(_WIN32)
#define EXPORT extern "C" __declspec(dllexport)
#else
#define EXPORT extern "C" __attribute__((visibility("default")))
#endif

namespace {

#if defined(__aarch64__)
const char* const BASELINE = "neon";
#else
const char* const BASELINE = "baseline";
#endif

#if defined(FEWACT_X86)
const char* const NAMES[] = {BASELINE, "avx2", "avx512"};
bool runs(int isa) {
  __builtin_cpu_init();
  if (isa == 1) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (isa == 2)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma");
  return true;
}
#else
const char* const NAMES[] = {BASELINE};
bool runs(int) { return true; }
#endif
constexpr int ISAS = sizeof NAMES / sizeof *NAMES;

class SharedQueue : public Queue {
 public:
  SharedQueue(int64_t count, int64_t span) : count(count), span(span) {}
  bool take(int64_t& first, int64_t& last) override {
    first = next.fetch_add(span, std::memory_order_relaxed);
    last = first + span < count ? first + span : count;
    return first < count;
  }

 private:
  const int64_t count, span;
  std::atomic<int64_t> next{0};
};

// Runs work for the range [0, count) of a batch, in the calling thread and in others; cells is the
// total number of costs.
template <class Work>
void in_threads(int threads, int64_t count, int64_t cells, const Work& work) {
  // A thread is started for at least about half a millisecond of work.
  const int64_t worth = 1 + cells / 32768;
  if (worth < threads) threads = static_cast<int>(worth);
  const int64_t share = count / (4 * threads);
  SharedQueue queue(count, share < 1 ? 1 : share > 64 ? 64 : share);
  std::vector<std::thread> others;
  try {
    for (int k = 1; k < threads; ++k) others.emplace_back([&] { work(queue); });
  } catch (const std::exception&) {  // no more threads available: the started ones do the work
  }
  work(queue);
  for (std::thread& other : others) other.join();
}

template <class Real>
void solve([[maybe_unused]] int isa, int threads, const Problems<Real>& problems,
           const Solutions<Real>& to) {
  const int64_t cells = problems.count * problems.n * problems.m;
  in_threads(threads, problems.count, cells, [&](Queue& queue) {
#if defined(FEWACT_X86)
    if (isa == 2) return avx512::solve(problems, to, queue);
    if (isa == 1) return avx2::solve(problems, to, queue);
#endif
    return baseline::solve(problems, to, queue);
  });
}

}  // namespace

// Incremented with the signatures of the functions below; native.py has the same number.
EXPORT int fewact_emd_version() { return 1; }

// The name of an instruction set; "" if this machine does not support it; null beyond the last.
// Higher numbers are faster.
EXPORT const char* fewact_emd_isa(int isa) {
  if (isa < 0 || isa >= ISAS) return nullptr;
  return runs(isa) ? NAMES[isa] : "";
}

// The functions for one type of number; batch.h describes their input.
#define FEWACT_EXPORT(suffix, Real)                                                                \
  EXPORT void fewact_emd_solve_##suffix(int isa, int threads, int64_t count, int64_t n, int64_t m, \
                                        const Real* cost, const Real* a, const Real* b,            \
                                        int64_t pivot_limit, double* value, Real* plan, Real* u,   \
                                        Real* v, int32_t* status) {                                \
    solve<Real>(isa, threads, {count, n, m, cost, a, b, pivot_limit},                              \
                {value, plan, u, v, status});                                                      \
  }
FEWACT_EXPORT(f32, float)
FEWACT_EXPORT(f64, double)
