// The C interface of the library.
#include <new>

#include "components.h"
#include "registration.h"
#include "resize.h"
#include "sample.h"
#include "totals.h"
#include "warp.h"

#if defined(_WIN32)
#define EXPORT extern "C" __declspec(dllexport)
#else
#define EXPORT extern "C" __attribute__((visibility("default")))
#endif

namespace {

// 0, or 1 if there is not enough memory.
template <class Work>
int guarded(const Work& work) {
  try {
    work();
    return 0;
  } catch (const std::bad_alloc&) {
    return 1;
  }
}

}  // namespace

// Incremented with the signatures of the functions below; _native/__init__.py has the same number.
EXPORT int fewact_camera_version() { return 5; }

EXPORT int fewact_camera_detect(const Images* images, int64_t p, const Blocks* blocks,
                                const Limits* limits, float* at, float* value, float* jacobian,
                                float* gradient, uint8_t* valid) {
  return guarded(
      [&] { detect(*images, p, *blocks, *limits, at, value, jacobian, gradient, valid); });
}

EXPORT int fewact_camera_register(const Keypoints* reference, const Images* images,
                                  const Limits* limits, int64_t steps, float* linear,
                                  float* shift) {
  return guarded([&] { register_images(*reference, *images, *limits, steps, linear, shift); });
}

EXPORT int fewact_camera_residuals(const Keypoints* reference, const Images* images,
                                   const Limits* limits, const float* linear, const float* shift,
                                   float* off) {
  return guarded([&] { find_residuals(*reference, *images, *limits, linear, shift, off); });
}

EXPORT int fewact_camera_warp(const Frames* frames, const float* linear, const float* shift,
                              uint8_t* warped) {
  return guarded([&] { warp_frames(*frames, linear, shift, warped); });
}

EXPORT int fewact_camera_resize(const uint8_t* images, int64_t t, const Axis* rows,
                                const Axis* columns, uint8_t* resized) {
  return guarded([&] { resize(images, t, *rows, *columns, resized); });
}

EXPORT int fewact_camera_resize_planes(const float* images, int64_t t, const RealAxis* rows,
                                       const RealAxis* columns, float* resized) {
  return guarded([&] { resize_planes(images, t, *rows, *columns, resized); });
}

EXPORT int fewact_camera_sample(const Planes* images, int64_t n, const float* x, const float* y,
                                float* values) {
  return guarded([&] { sample(*images, n, x, y, values); });
}

EXPORT int fewact_camera_label(const uint8_t* cells, int64_t rows, int64_t columns, int64_t reach,
                               int32_t* labels) {
  return guarded([&] { label(cells, rows, columns, reach, labels); });
}

EXPORT int fewact_camera_total(const float* values, int64_t rows, int64_t n, float* sums) {
  return guarded([&] { sum_rows(values, rows, n, sums); });
}
