// Input and output of the products of each instruction set. Plain data and declarations only: code
// in a shared header would be compiled for AVX-512 too, and the linker might use that copy for all.
#pragma once

#include <cstdint>

// Videos of blocks: rows of a bank of nodes.
struct Videos {
  const float* bank;     // (videos nodes width)
  const int64_t* rows;   // (blocks count) videos of each block
  int64_t count, nodes;  // videos of a block, nodes of a video
};

// Products of each video of a block with each other one.
struct Blocks {
  int64_t blocks, width;  // width: length of a node
  Videos first, second;
  float* products;  // (blocks first.count second.count first.nodes second.nodes)
};

#define FEWACT_DECLARE(isa)     \
  namespace isa {               \
  bool multiply(const Blocks&); \
  }
FEWACT_DECLARE(baseline)
FEWACT_DECLARE(avx2)
FEWACT_DECLARE(avx512)
#undef FEWACT_DECLARE
