// Values of images between their pixels: the compiled form of sample() in registration.py.
#pragma once

#include <cstdint>

// Images (t height width colours) of floats.
struct Planes {
  int64_t t, height, width, colours;
  const float* data;
};

// Writes the values (t n colours) of each image at n positions, whose x and y (t n) are from -1 at
// the left and upper border to 1 at the right and lower one. A position outside, or one that is no
// number, gets the value of a border pixel.
void sample(const Planes& images, int64_t n, const float* x, const float* y, float* values);
