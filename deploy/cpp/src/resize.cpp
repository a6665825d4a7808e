#include "resize.hpp"

#include <algorithm>
#include <cfloat>
#include <cmath>

namespace picodet::detail {
namespace {

constexpr float kOne = 2048;      // the weight 1 of linear interpolation
constexpr int kVectorBytes = 16;  // that kernels read at each pixel

// The weights of cubic interpolation at a distance of `t` after the second tap, which is rounded to multiples of 2^-23.
void set_cubic(double distance, float* weight) {
  const double t = (1.0F + static_cast<float>(distance)) - 1.0F;
  weight[0] = static_cast<float>(((-0.75 * t + 1.5) * t - 0.75) * t);
  weight[1] = static_cast<float>((1.25 * t - 2.25) * t * t + 1);
  weight[2] = static_cast<float>(((-1.25 * t + 1.5) * t + 0.75) * t);
  weight[3] = static_cast<float>((0.75 * t - 0.75) * t * t);
}

bool is_two(double factor) { return std::abs(1.0 / factor - 2.0) < DBL_EPSILON; }

bool same(Size a, Size b) { return a.height == b.height && a.width == b.width; }

// Sets one number of a result.
void set_pixel(const Planes& planes, int channel, int y, int x, int value) {
  const std::ptrdiff_t at = static_cast<std::ptrdiff_t>(y) * planes.stride + x;
  const Affine affine = planes.affine[channel];
  if (planes.bytes[channel] != nullptr) {
    planes.bytes[channel][at] = static_cast<std::uint8_t>(value);
  } else {
    planes.floats[channel][at] = static_cast<float>(value) * affine.scale + affine.shift;
  }
}

const std::uint8_t* row_of(const Image& image, int y, int bytes) {
  const std::size_t stride = image.stride != 0 ? image.stride : static_cast<std::size_t>(image.width) * bytes;
  return image.data + stride * static_cast<std::size_t>(y);
}

}  // namespace

int bytes_per_pixel(PixelFormat format) {
  switch (format) {
    case PixelFormat::gray:
      return 1;
    case PixelFormat::bgr:
    case PixelFormat::rgb:
      return 3;
    default:
      return 4;
  }
}

void Resizer::plan(Size from, Factors factors, Interpolation interpolation) {
  std::fill(std::begin(row_of_), std::end(row_of_), -1);
  if (same(from, from_) && factors.x == factors_.x && factors.y == factors_.y && interpolation == interpolation_) return;
  from_ = {};  // of no image, should memory run out below
  const Factors given = factors;
  interpolation_ = interpolation;
  // As cv2 does it: the size is rounded, but pixels are sampled by the exact factor.
  to_ = {static_cast<int>(std::lrint(from.height * factors.y)), static_cast<int>(std::lrint(from.width * factors.x))};
  if (same(from, to_)) {
    interpolation_ = Interpolation::nearest;
    factors = {1, 1};
  }
  vertical_ = interpolation_ == Interpolation::linear ? Vertical::linear : Vertical::cubic;
  if (vertical_ == Vertical::linear && is_two(factors.x) && is_two(factors.y)) vertical_ = Vertical::half;
  set_axis(x_, from.width, to_.width, factors.x);
  set_axis(y_, from.height, to_.height, factors.y);
  interpolation_ = interpolation;
  offset_bytes_ = 0;
  const auto width = static_cast<std::size_t>(to_.width);
  sums_.resize(12 * width);
  line_.resize(width);
  for (std::size_t i = 0; i < 12; ++i) planes_of_[i / 3][i % 3] = sums_.data() + i * width;
  from_ = from, factors_ = given;
}

void Resizer::set_axis(Axis& axis, int from, int to, double factor) const {
  axis.first.assign(static_cast<std::size_t>(to), 0);
  axis.weight.assign(4 * static_cast<std::size_t>(to), 0);
  // cv2 samples by the factor, and by the sizes if they fit it.
  const bool fits = std::abs(static_cast<double>(to) / from - factor) < 1e-10 * factor;
  const double step = fits && interpolation_ == Interpolation::cubic ? static_cast<double>(from) / to : 1.0 / factor;
  for (int i = 0; i < to; ++i) {
    float* weight = &axis.weight[4 * static_cast<std::size_t>(i)];
    std::int32_t& first = axis.first[static_cast<std::size_t>(i)];
    if (interpolation_ == Interpolation::nearest) {
      first = std::min(static_cast<int>(std::floor(i * step)), from - 1);
      weight[0] = 1;
    } else if (interpolation_ == Interpolation::linear) {
      const auto at = static_cast<float>((i + 0.5) * step - 0.5);
      first = static_cast<int>(std::floor(at));
      const float t = at - static_cast<float>(first);
      weight[0] = std::rint((1.0F - t) * kOne);
      weight[1] = std::rint(t * kOne);
    } else {
      const double at = (i + 0.5) * step - 0.5;
      first = static_cast<int>(std::floor(at)) - 1;
      set_cubic(at - std::floor(at), weight);
    }
  }
}

void Resizer::run(const Image& image, const Planes& planes) {
  if (vertical_ == Vertical::half) return run_half(image, planes);
  const int bytes = bytes_per_pixel(image.format);
  if (bytes != offset_bytes_) {
    offset_bytes_ = bytes;
    offset_.resize(x_.first.size());
    std::transform(x_.first.begin(), x_.first.end(), offset_.begin(), [bytes](int first) { return first * bytes; });
    // The offsets grow, so the columns that kernels may read whole are one range.
    const auto begin = std::lower_bound(offset_.begin(), offset_.end(), 0);
    const auto end = std::upper_bound(begin, offset_.end(), from_.width * bytes - kVectorBytes);
    safe_first_ = static_cast<int>(begin - offset_.begin());
    safe_last_ = bytes == 1 ? safe_first_ : static_cast<int>(end - offset_.begin());
  }
  for (int y = 0; y < planes.size.height; ++y) {
    const float* rows[4][3];
    for (int k = 0; k < 4; ++k) {
      const int row = std::clamp(y_.first[static_cast<std::size_t>(y)] + k, 0, from_.height - 1);
      const bool is_used = vertical_ == Vertical::cubic || k < 2;
      const float* const* sums = is_used ? sums_of_row(image, row, bytes) : rows[0];
      std::copy(sums, sums + 3, rows[k]);
    }
    write_row(planes, y, rows);
  }
}

const float* const* Resizer::sums_of_row(const Image& image, int row, int bytes) {
  const int slot = row & 3;  // rows of a result need four neighbors at most
  if (row_of_[slot] == row) return planes_of_[slot];
  row_of_[slot] = row;
  float* const start = sums_.data() + static_cast<std::size_t>(3 * slot) * static_cast<std::size_t>(to_.width);
  float* const sums[3] = {start, start + to_.width, start + 2 * static_cast<std::ptrdiff_t>(to_.width)};
  const std::uint8_t* pixels = row_of(image, row, bytes);
  const Columns columns = {offset_.data(), x_.weight.data(), bytes, safe_first_, safe_last_};
  if (safe_first_ < safe_last_) kernels().columns(pixels, columns, sums);
  sum_columns(pixels, bytes, 0, safe_first_, sums);
  sum_columns(pixels, bytes, std::max(safe_first_, safe_last_), to_.width, sums);
  return planes_of_[slot];
}

// Columns whose taps may lie outside of the row, where its first and last pixel are repeated.
void Resizer::sum_columns(const std::uint8_t* row, int bytes, int first, int last, float* const sums[3]) const {
  const std::int32_t offset = 0;
  for (int x = first; x < last; ++x) {
    std::uint8_t taps[kVectorBytes] = {};
    for (int k = 0; k < 4; ++k) {
      const int column = std::clamp(x_.first[static_cast<std::size_t>(x)] + k, 0, from_.width - 1);
      for (int channel = 0; channel < 3; ++channel) taps[3 * k + channel] = row[column * bytes + (bytes == 1 ? 0 : channel)];
    }
    float* const here[3] = {sums[0] + x, sums[1] + x, sums[2] + x};
    kernels().columns(taps, {&offset, &x_.weight[4 * static_cast<std::size_t>(x)], 3, 0, 1}, here);
  }
}

void Resizer::write_row(const Planes& planes, int y, const float* const rows[4][3]) {
  const std::ptrdiff_t start = static_cast<std::ptrdiff_t>(y) * planes.stride;
  const int width = planes.size.width;
  for (int channel = 0; channel < 3; ++channel) {
    const float* const all[4] = {rows[0][channel], rows[1][channel], rows[2][channel], rows[3][channel]};
    std::uint8_t* const bytes = planes.bytes[channel];
    blend(all, y, width, planes.affine[channel], bytes == nullptr ? planes.floats[channel] + start : line_.data());
    if (bytes == nullptr) continue;
    std::transform(line_.begin(), line_.begin() + width, bytes + start,
                   [](float value) { return static_cast<std::uint8_t>(value); });
  }
}

// Sums rows by the weights of row y of the result.
void Resizer::blend(const float* const rows[4], int y, int width, Affine affine, float* out) const {
  const float* weight = &y_.weight[4 * static_cast<std::size_t>(y)];
  const auto sum = vertical_ == Vertical::linear ? kernels().linear : kernels().cubic;
  sum(rows, weight, width, affine, out);
}

// Half the size: cv2 takes the mean of two by two pixels, or of those that are there at an edge.
void Resizer::run_half(const Image& image, const Planes& planes) const {
  const int bytes = bytes_per_pixel(image.format);
  for (int y = 0; y < planes.size.height; ++y) {
    const int rows = std::min(2, from_.height - 2 * y);
    for (int x = 0; x < planes.size.width; ++x) {
      const int columns = std::min(2, from_.width - 2 * x);
      for (int channel = 0; channel < 3; ++channel) {
        int sum = 0;
        for (int i = 0; i < rows * columns; ++i) {
          const std::uint8_t* row = row_of(image, 2 * y + i / columns, bytes);
          sum += row[(2 * x + i % columns) * bytes + (bytes == 1 ? 0 : channel)];
        }
        const int count = rows * columns;
        const int mean = count == 4 ? (sum + 2) >> 2 : static_cast<int>(std::lrint(static_cast<float>(sum) / static_cast<float>(count)));
        set_pixel(planes, channel, y, x, mean);
      }
    }
  }
}

}  // namespace picodet::detail
