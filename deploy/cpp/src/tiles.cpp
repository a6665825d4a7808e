#include "tiles.hpp"

#include <algorithm>
#include <string>

#include "postprocess.hpp"

namespace picodet::detail {
namespace {

constexpr float kCutShare = 0.6F;  // a cut box with this share of its area in another box is part of the same object
constexpr float kEdge = 0.01F;     // share of a tile's side: a box that is so near to the edge counts as cut

std::vector<int> starts(int length, int tile, double overlap) {
  if (length <= tile) return {0};
  const int step = std::max(1, static_cast<int>(tile * (1 - overlap)));
  const int count = (length - tile + step - 1) / step + 1;
  std::vector<int> all;
  all.reserve(static_cast<std::size_t>(count));
  const double distance = static_cast<double>(length - tile) / (count - 1);
  for (int i = 0; i < count; ++i) all.push_back(i == count - 1 ? length - tile : static_cast<int>(i * distance));
  return all;
}

}  // namespace

std::vector<Window> windows(Size image, const SliceOptions& options) {
  if (std::min(options.height, options.width) < 32 || !(options.overlap >= 0 && options.overlap <= 0.9)) {
    throw Error("tile, overlap: found " + std::to_string(options.height) + " x " + std::to_string(options.width) + ", " +
                std::to_string(options.overlap) + "; expected 32 or more, and 0 to 0.9");
  }
  std::vector<Window> all;
  for (const int y : starts(image.height, options.height, options.overlap)) {
    for (const int x : starts(image.width, options.width, options.overlap)) {
      all.push_back({x, y, std::min(x + options.width, image.width), std::min(y + options.height, image.height)});
    }
  }
  return all;
}

bool is_cut(const Detection& box, const Window& window, Size image) {
  const float margin_x = kEdge * static_cast<float>(window.x2 - window.x1);
  const float margin_y = kEdge * static_cast<float>(window.y2 - window.y1);
  return (window.x1 > 0 && box.x1 <= static_cast<float>(window.x1) + margin_x) ||
         (window.x2 < image.width && box.x2 >= static_cast<float>(window.x2) - margin_x) ||
         (window.y1 > 0 && box.y1 <= static_cast<float>(window.y1) + margin_y) ||
         (window.y2 < image.height && box.y2 >= static_cast<float>(window.y2) - margin_y);
}

Detections merge(std::vector<TileDetection> boxes, float iou_threshold) {
  std::stable_sort(boxes.begin(), boxes.end(), [](const auto& a, const auto& b) {
    return a.is_cut != b.is_cut ? b.is_cut : a.box.score > b.box.score;
  });
  std::vector<TileDetection> kept;
  for (const TileDetection& each : boxes) {
    const float own = area(each.box);
    const bool is_same = std::any_of(kept.begin(), kept.end(), [&](const TileDetection& other) {
      if (other.tile == each.tile || other.box.class_id != each.box.class_id) return false;
      const float shared = shared_area(each.box, other.box);
      return shared > iou_threshold * (own + area(other.box) - shared) || (each.is_cut && shared > kCutShare * own);
    });
    if (!is_same) kept.push_back(each);
  }
  Detections found;
  for (const TileDetection& each : kept) found.push_back(each.box);
  std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.score > b.score; });
  return found;
}

}  // namespace picodet::detail
