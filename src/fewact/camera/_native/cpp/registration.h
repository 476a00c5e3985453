// Registration of images by similarity transforms, and the residuals of keypoints: the compiled
// form of register() and residuals() in fewact/camera/registration.py.
#pragma once

#include <cstdint>

// Keypoints of p images, m each; positions are pairs of real and imaginary part.
struct Keypoints {
  int64_t p, m;
  const float* at;        // (p m 2)
  const float* value;     // (p m)
  const float* jacobian;  // (p m 6)
  const float* gradient;  // (p m)
  const uint8_t* valid;   // (p m)
};

// Images (p height width); pixel is the width of a pixel over its height.
struct Images {
  const float* data;
  int64_t height, width;
  double pixel;
};

struct Limits {
  double zoom, roll, shift;  // largest plausible motion; the shift in image heights
  double flat, spread;       // smallest gradient, smallest robust standard deviation
};

// Replaces each of the p transforms: linear (p 2), shift (p 2).
void register_images(const Keypoints& reference, const Images& images, const Limits& limits,
                     int64_t steps, float* linear, float* shift);

// Writes the residual of each keypoint (p m); NaN for one that is invalid or outside.
void find_residuals(const Keypoints& reference, const Images& images, const Limits& limits,
                    const float* linear, const float* shift, float* off);
