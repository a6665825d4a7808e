// infer_cfg: the settings of a model besides its graph, as `ppdet export` writes them into the model's file.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "kernels.hpp"
#include "resize.hpp"

namespace picodet::detail {

enum class BoxUnits { unknown, image, input, normalized };

struct Config {
  std::string source;  // where it was read, for messages
  Size size;           // that images are resized to
  bool keep_ratio = false;
  Interpolation interpolation = Interpolation::linear;
  bool normalizes = false;  // else the model takes pixels
  Affine affine[3] = {{1, 0}, {1, 0}, {1, 0}};  // of the channels RGB
  int pad_stride = 1;
  std::vector<std::string> labels;
  BoxUnits boxes = BoxUnits::unknown;
  std::vector<int> strides;  // of the levels, for raw outputs
  float cell_offset = 0.5F;  // position of a grid point in its cell, for raw outputs
  float iou_threshold = 0.5F;
  int per_class = -1, per_image = -1;  // most boxes before and after NMS; -1: all
  bool needs_nms = true;               // whether an object has several boxes if NMS is not in the graph
  std::vector<float> thresholds;       // of the classes
  std::string checksum;                // of the model's files; empty: not known
};

// Checks the text of infer_cfg. Throws an Error that begins with `source` and the dotted key at fault.
Config parse_config(const std::string& json, const std::string& source);

}  // namespace picodet::detail
