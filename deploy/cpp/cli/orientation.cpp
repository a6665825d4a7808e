#include "orientation.hpp"

#include <string_view>

namespace cli {
namespace {

constexpr std::size_t kOrientation = 0x112;  // number of the tag

// An unsigned number of `length` bytes; 0 beyond the end.
std::size_t number(std::string_view data, std::size_t at, std::size_t length, bool is_little) {
  std::size_t value = 0;
  if (at > data.size() || data.size() - at < length) return 0;
  for (std::size_t i = 0; i < length; ++i) {
    value = value << 8 | static_cast<unsigned char>(data[is_little ? at + length - 1 - i : at + i]);
  }
  return value;
}

// The orientation in an EXIF block; 1 if it has none.
int exif_orientation(std::string_view block) {
  if (block.substr(0, 6) == std::string_view("Exif\0\0", 6)) block.remove_prefix(6);
  const bool is_little = block.substr(0, 2) == "II";
  if (number(block, 2, 2, is_little) != 42) return 1;
  const std::size_t start = number(block, 4, 4, is_little);
  const std::size_t count = number(block, start, 2, is_little);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t entry = start + 2 + 12 * i;
    if (number(block, entry, 2, is_little) != kOrientation) continue;
    const std::size_t value = number(block, entry + 8, 2, is_little);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

}  // namespace

int webp_orientation(const std::vector<unsigned char>& data) {
  const std::string_view file(reinterpret_cast<const char*>(data.data()), data.size());
  if (file.substr(0, 4) != "RIFF" || file.size() < 12 || file.substr(8, 4) != "WEBP") return 0;
  if (file.substr(12, 4) != "VP8X") return 1;
  for (std::size_t at = 12; at + 8 <= file.size();) {  // chunks: name, length, content up to an even length
    const std::size_t length = number(file, at + 4, 4, true);
    if (file.substr(at, 4) == "EXIF") return exif_orientation(file.substr(at + 8, length));
    at += 8 + length + length % 2;
  }
  return 1;
}

void make_upright(cv::Mat& image, int orientation) {
  static constexpr int kNone = 2;
  static constexpr int kFlips[9] = {kNone, kNone, 1, -1, 0, kNone, 1, -1, 0};  // of cv::flip
  if (orientation >= 5) cv::transpose(image, image);
  if (kFlips[orientation] != kNone) cv::flip(image, image, kFlips[orientation]);
}

}  // namespace cli
