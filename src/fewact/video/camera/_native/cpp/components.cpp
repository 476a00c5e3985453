#include "components.h"

#include <algorithm>
#include <vector>

void label(const uint8_t* cells, int64_t rows, int64_t columns, int64_t reach, int32_t* labels) {
  std::fill_n(labels, rows * columns, 0);
  std::vector<int64_t> waiting;
  int32_t number = 0;
  for (int64_t first = 0; first < rows * columns; ++first) {
    if (!cells[first] || labels[first]) continue;
    labels[first] = ++number;
    waiting.push_back(first);
    while (!waiting.empty()) {
      const int64_t row = waiting.back() / columns, column = waiting.back() % columns;
      waiting.pop_back();
      const int64_t bottom = std::min(row + reach, rows - 1);
      const int64_t right = std::min(column + reach, columns - 1);
      for (int64_t y = std::max<int64_t>(row - reach, 0); y <= bottom; ++y)
        for (int64_t x = std::max<int64_t>(column - reach, 0); x <= right; ++x) {
          const int64_t cell = y * columns + x;
          if (!cells[cell] || labels[cell]) continue;
          labels[cell] = number;
          waiting.push_back(cell);
        }
    }
  }
}
