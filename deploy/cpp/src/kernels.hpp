// The inner loops of resizing, compiled once for each instruction set that is chosen at run time.
#pragma once

#include <cstdint>

namespace picodet::detail {

// Four taps along a row.
struct Columns {
  const std::int32_t* offset;  // [n] byte of the first tap in the row
  const float* weight;         // [n, 4]
  int bytes_per_pixel;         // 3 or 4
  int first, last;             // pixels of the result to compute; 16 bytes from the first tap of each are in the image
};

struct Affine {  // value * scale + shift, rounded after each step as NumPy does it
  float scale, shift;
};

struct Scan {
  bool in_range;  // whether all numbers are
  bool any;       // whether one is at least the lowest that counts
};

struct Kernels {
  // Writes the weighted sums of the columns [first, last) for each channel.
  void (*columns)(const std::uint8_t* row, const Columns& columns, float* const sums[3]);
  // Sums of four rows by their weights, rounded to 0..255, then scaled.
  void (*cubic)(const float* const* rows, const float* weights, int n, Affine affine, float* out);
  // Sums of two rows of whole numbers by weights in units of 1 / 2048, in cv2's fixed-point steps, then scaled.
  void (*linear)(const float* const* rows, const float* weights, int n, Affine affine, float* out);
  // Looks at n numbers, which should be in low..high; NaN is not.
  Scan (*scan)(const float* values, int n, float low, float high, float lowest);
};

// The loops for this processor.
const Kernels& kernels();

namespace baseline {
extern const Kernels table;
}
namespace avx2 {
extern const Kernels table;
}

}  // namespace picodet::detail
