// Images of bytes in another size: the compiled form of fewact/video/resizing.py.
#pragma once

#include <cstdint>

// Pixels of one axis in another number: a new pixel is a weighted sum of neighbours.
struct Axis {
  int64_t from, to, taps;  // pixels before and after, neighbours of a new pixel
  const int32_t* first;    // (to) first neighbour of each; all of them are inside
  const int16_t* weights;  // (to taps) in units of 2^-precision
  int64_t precision;       // 1 to 22
};

// Resizes t images (rows columns 3), first along their rows; both results are rounded to bytes.
void resize(const uint8_t* images, int64_t t, const Axis& rows, const Axis& columns,
            uint8_t* resized);

// The same without the instructions of newer processors.
void resize_portably(const uint8_t* images, int64_t t, const Axis& rows, const Axis& columns,
                     uint8_t* resized);

// The same with weights that are not rounded.
struct RealAxis {
  int64_t from, to, taps;
  const int32_t* first;  // (to)
  const float* weights;  // (to taps)
};

// Resizes t images (rows columns), first along their rows; each sum is rounded once a neighbour.
void resize_planes(const float* images, int64_t t, const RealAxis& rows, const RealAxis& columns,
                   float* resized);
