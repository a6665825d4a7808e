// Overlapping tiles of a large image, and merging what was detected in them.
#pragma once

#include <vector>

#include "picodet/picodet.hpp"
#include "resize.hpp"

namespace picodet::detail {

struct Window {
  int x1, y1, x2, y2;
};

// Tiles that cover an image; all have the full size if the image is large enough.
std::vector<Window> windows(Size image, const SliceOptions& options);

struct TileDetection {
  Detection box;  // pixels of the image
  std::size_t tile = 0;
  bool is_cut = false;  // reaches an edge of its tile inside the image
};

bool is_cut(const Detection& box, const Window& window, Size image);

// NMS across tiles, after NMS in each. Whole boxes are better than cut ones; among equals the score decides. A cut box
// also goes if most of it lies in a better box, because the IoU of a part and its whole may be small.
Detections merge(std::vector<TileDetection> boxes, float iou_threshold);

}  // namespace picodet::detail
