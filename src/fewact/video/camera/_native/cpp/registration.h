// Keypoints of images, their registration by similarity transforms, and their residuals: the compiled
// form of detect_keypoints(), register() and residuals() in fewact/video/camera/registration.py.
#pragma once

#include <cstdint>

// Keypoints of p images, m each, or of one image that is the reference of all p (sets is 1);
// positions are pairs of real and imaginary part.
struct Keypoints {
  int64_t p, sets, m;
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

// Blocks of an image, of which each has a keypoint.
struct Blocks {
  int64_t rows, columns;
};

// Finds the keypoint of each block of each image, border pixels excluded, and writes all about it.
void detect(const Images& images, int64_t p, const Blocks& blocks, const Limits& limits, float* at,
            float* value, float* jacobian, float* gradient, uint8_t* valid);

// Replaces each of the p transforms: linear (p 2), shift (p 2).
void register_images(const Keypoints& reference, const Images& images, const Limits& limits,
                     int64_t steps, float* linear, float* shift);

// Writes the residual of each keypoint (p m); NaN for one that is invalid or outside.
void find_residuals(const Keypoints& reference, const Images& images, const Limits& limits,
                    const float* linear, const float* shift, float* off);
