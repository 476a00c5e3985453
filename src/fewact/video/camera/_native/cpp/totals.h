// Sums of rows of floats: the compiled form of totals() in fewact/video/pooling.py.
#pragma once

#include <cstdint>

// Writes the sum of each of the rows of n values. Blocks of rows of LANES values are summed up,
// then blocks of blocks: always in the same order, so that the last bit is the same everywhere.
void sum_rows(const float* values, int64_t rows, int64_t n, float* sums);
