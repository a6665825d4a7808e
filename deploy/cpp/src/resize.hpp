// Resizes, splits and normalizes an image in one pass. The values equal those of cv2.resize and NumPy bit for bit: of
// the Intel primitives in OpenCV's builds for x86 if cubic.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels.hpp"
#include "picodet/picodet.hpp"

namespace picodet::detail {

enum class Interpolation { nearest = 0, linear = 1, cubic = 2 };  // OpenCV's numbers

struct Size {
  int height = 0, width = 0;
};

struct Factors {
  double y = 1, x = 1;
};

// The planes of a result, in the order of the image's colors. One of `floats` and `bytes` is used.
struct Planes {
  float* floats[3] = {};
  std::uint8_t* bytes[3] = {};
  int stride = 0;   // numbers from one row to the next
  Size size;        // part of the resized image to write, from its top left
  Affine affine[3] = {{1, 0}, {1, 0}, {1, 0}};
};

class Resizer {
 public:
  // Sets the sizes that `run` maps; allocates only if they or the interpolation change.
  void plan(Size from, Factors factors, Interpolation interpolation);

  [[nodiscard]] Size result() const { return to_; }

  // The image has the size of the plan.
  void run(const Image& image, const Planes& planes);

 private:
  struct Axis {
    std::vector<std::int32_t> first;  // index of the first of four taps; may be outside of the image
    std::vector<float> weight;        // [n, 4]; linear: in units of 1 / 2048
  };
  enum class Vertical { cubic, linear, half };

  void set_axis(Axis& axis, int from, int to, double factor) const;
  const float* const* sums_of_row(const Image& image, int row, int bytes_per_pixel);
  void sum_columns(const std::uint8_t* row, int bytes_per_pixel, int first, int last, float* const sums[3]) const;
  void write_row(const Planes& planes, int y, const float* const rows[4][3]);
  void blend(const float* const rows[4], int y, int width, Affine affine, float* out) const;
  void run_half(const Image& image, const Planes& planes) const;

  Size from_, to_;
  Factors factors_;
  Interpolation interpolation_ = Interpolation::linear;
  Vertical vertical_ = Vertical::linear;
  Axis x_, y_;
  std::vector<std::int32_t> offset_;  // x_.first in bytes
  int offset_bytes_ = 0;              // bytes per pixel of `offset_`
  int safe_first_ = 0, safe_last_ = 0;
  std::vector<float> sums_;           // [4 rows, 3 channels, width], a row at its number modulo 4
  std::vector<float> line_;           // [width], for results of bytes
  const float* planes_of_[4][3] = {};
  int row_of_[4] = {-1, -1, -1, -1};
};

// The bytes of one pixel of a format.
int bytes_per_pixel(PixelFormat format);

}  // namespace picodet::detail
