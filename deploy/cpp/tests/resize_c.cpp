// The resizer as a C function, for tests that compare it with cv2.
#include "resize.hpp"

using namespace picodet;

// out: [3, height, width] of the image's own order of colors, height and width as cv2 rounds them.
extern "C" __attribute__((visibility("default"))) void resize_planes(const std::uint8_t* pixels, int height, int width,
                                                                     int format, double fy, double fx, int interpolation,
                                                                     const float* scale, const float* shift,
                                                                     float* floats, std::uint8_t* bytes) {
  detail::Resizer resizer;
  resizer.plan({height, width}, {fy, fx}, static_cast<detail::Interpolation>(interpolation));
  detail::Planes planes;
  planes.size = resizer.result();
  planes.stride = planes.size.width;
  const std::ptrdiff_t area = static_cast<std::ptrdiff_t>(planes.size.height) * planes.size.width;
  for (int i = 0; i < 3; ++i) {
    if (floats != nullptr) {
      planes.floats[i] = floats + i * area;
      planes.affine[i] = {scale[i], shift[i]};
    } else {
      planes.bytes[i] = bytes + i * area;
    }
  }
  resizer.run({pixels, width, height, static_cast<PixelFormat>(format)}, planes);
}
