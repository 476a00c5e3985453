// Connected cells: the compiled form of labels() in fewact/video/regions.py.
#pragma once

#include <cstdint>

// Numbers the components of the cells (rows columns) that are not 0, from 1 in the order of their
// first cells. Two cells at most `reach` rows and columns apart are connected.
void label(const uint8_t* cells, int64_t rows, int64_t columns, int64_t reach, int32_t* labels);
