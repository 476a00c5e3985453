// The C interface. Instruction sets have the numbers of those of the transport solver.
#include "products.h"

// Incremented with the signature of the function below; native.py has the same number.
extern "C" __attribute__((visibility("default"))) int fewact_products_version() { return 1; }

// Returns 0, or 1 if there is not enough memory.
extern "C" __attribute__((visibility("default"))) int fewact_products(
    [[maybe_unused]] int isa, int64_t blocks, int64_t width, const float* first,
    const int64_t* first_rows, int64_t first_count, int64_t first_nodes, const float* second,
    const int64_t* second_rows, int64_t second_count, int64_t second_nodes, float* products) {
  const Blocks of{blocks,
                  width,
                  {first, first_rows, first_count, first_nodes},
                  {second, second_rows, second_count, second_nodes},
                  products};
#if defined(FEWACT_X86)
  if (isa == 2) return avx512::multiply(of) ? 0 : 1;
  if (isa == 1) return avx2::multiply(of) ? 0 : 1;
#endif
  return baseline::multiply(of) ? 0 : 1;
}
