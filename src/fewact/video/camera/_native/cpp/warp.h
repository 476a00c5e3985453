// Warped frames of a clip: the compiled form of the warp in fewact/video/camera/motion.py.
#pragma once

#include <cstdint>

// Frames (t height width 3) of bytes.
struct Frames {
  int64_t t, height, width;
  const uint8_t* data;
  double pixel;  // width of a pixel over its height
};

// Warps the frames whose transform is not the identity, bilinearly, into a clip of the same size.
// Pixels outside a frame get the mean over the frames that cover them, 0 where none does.
void warp_frames(const Frames& frames, const float* linear, const float* shift, uint8_t* warped);
