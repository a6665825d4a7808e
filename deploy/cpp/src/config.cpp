#include "config.hpp"

#include <map>

#include "section.hpp"

namespace picodet::detail {
namespace {

constexpr std::size_t kMaxBytes = 1 << 19;  // a model with thousands of class names has a tenth of that
constexpr int kLargestSide = 8192;
constexpr int kDeepest = 16;  // nested lists and mappings; messages about thousands would need as many calls
const char* const kRemedy = "export the model again";

// The options of each known step; those that change nothing here have one value that is accepted.
const std::map<std::string, std::map<std::string, std::optional<bool>>>& known_options() {
  static const std::map<std::string, std::map<std::string, std::optional<bool>>> options = {
      {"Decode", {}},
      {"Resize", {{"target_size", {}}, {"keep_ratio", {}}, {"interp", {}}}},
      {"NormalizeImage", {{"mean", {}}, {"std", {}}, {"is_scale", {}}, {"norm_type", {}}, {"is_channel_first", false}}},
      {"Permute", {{"to_bgr", false}, {"channel_first", true}}},
      {"PadStride", {{"stride", {}}}},
      {"PadBatch", {{"pad_to_stride", {}}}},
  };
  return options;
}

void check_options(const Section& step, const std::string& name) {
  for (const auto& [key, value] : step.values().items()) {
    if (key == "type") continue;
    const auto& options = known_options().at(name);
    const auto option = options.find(key);
    if (option == options.end()) throw step.error(key, name + " has no such option here", "one of its options");
    if (option->second && !value.is_null() && value != Json(*option->second)) {
      throw step.error(key, "found " + shown(value), *option->second ? "true" : "false");
    }
  }
}

// The preprocessing steps by type.
std::map<std::string, Section> read_steps(const Section& cfg) {
  std::map<std::string, Section> steps;
  for (const Section& step : cfg.sections("Preprocess")) {
    const Json& type = step.need("type", "the name of a step");
    const std::string name = type.is_string() ? type.get<std::string>() : "";
    if (known_options().count(name) == 0) {
      throw step.error("type", shown(type) + " is not known here", "a step that `ppdet export` writes");
    }
    check_options(step, name);
    if (!steps.emplace(name, step).second) throw step.error("type", name + " is there twice", "one of each type");
  }
  if (steps.count("Resize") == 0) {
    throw cfg.error("Preprocess", "no Resize", "one, which says the size of the network's input");
  }
  return steps;
}

Size read_size(const Section& resize) {
  if (resize.need("target_size", "height and width").is_number()) {
    const int side = resize.whole("target_size", 1, kLargestSide);
    return {side, side};
  }
  const std::vector<int> size = resize.wholes("target_size", 1, kLargestSide);
  if (size.size() != 2) throw resize.error("target_size", "found " + shown(*resize.find("target_size")), "height and width");
  return {size[0], size[1]};
}

// Scale and shift of (pixel / 255 - mean) / std, computed as for evaluation, so that the results are equal.
void read_normalization(const Section& step, Config& config) {
  const double divisor = step.truth("is_scale", true) ? 255.0 : 1.0;
  config.normalizes = true;
  if (step.text("norm_type", {"mean_std", "none"}, "mean_std") == "none") {
    for (auto& affine : config.affine) affine = {static_cast<float>(1.0 / divisor), 0.0F};
    return;
  }
  const std::vector<double> mean = step.numbers("mean", 3, -1e6, 1e6);
  const std::vector<double> std = step.numbers("std", 3, 1e-6, 1e6);
  for (std::size_t i = 0; i < 3; ++i) {
    config.affine[i] = {static_cast<float>(1.0 / (std[i] * divisor)), static_cast<float>(-mean[i] / std[i])};
  }
}

int read_pad_stride(const std::map<std::string, Section>& steps) {
  const auto stride = steps.find("PadStride");
  if (stride != steps.end()) return std::max(1, stride->second.whole("stride", -1, 1024, 1));
  const auto batch = steps.find("PadBatch");
  return batch == steps.end() ? 1 : std::max(1, batch->second.whole("pad_to_stride", -1, 1024, 1));
}

std::vector<std::string> read_labels(const Section& cfg) {
  const Json& list = cfg.need("label_list", "a list of the class names");
  if (!list.is_array() || list.empty()) throw cfg.error("label_list", "found " + shown(list), "a list of the class names");
  std::vector<std::string> labels;
  for (const Json& label : list) {
    if (!label.is_string() && !label.is_number()) {
      throw cfg.error("label_list[" + std::to_string(labels.size()) + "]", "found " + shown(label), "a name");
    }
    labels.push_back(label.is_string() ? label.get<std::string>() : label.dump());
  }
  const int count = cfg.whole("num_classes", 1, 1000000, static_cast<int>(labels.size()));
  if (static_cast<std::size_t>(count) != labels.size()) {
    throw cfg.error("label_list", "found " + std::to_string(labels.size()) + " names",
                    std::to_string(count) + ", which is num_classes");
  }
  return labels;
}

Interpolation read_interpolation(const Section& resize) {
  const int number = resize.whole("interp", 0, 6, 1);
  if (number > 2) {
    throw resize.error("interp", "found " + std::to_string(number), "0 (nearest), 1 (linear) or 2 (cubic) in this library");
  }
  return static_cast<Interpolation>(number);
}

int read_most(const Section& nms, const std::string& key, int fallback) {
  const int count = nms.whole(key, -1, 1000000000, fallback);
  if (count == 0) throw nms.error(key, "found 0", "-1 (all) or a number of boxes");
  return count;
}

BoxUnits read_units(const Section& cfg) {
  const std::string units = cfg.text("boxes", {"image", "input", "normalized"}, "");
  if (units.empty()) return BoxUnits::unknown;
  return units == "image" ? BoxUnits::image : units == "input" ? BoxUnits::input : BoxUnits::normalized;
}

std::vector<float> read_thresholds(const Section& cfg, std::size_t classes) {
  const double threshold = cfg.number("draw_threshold", 0, 1, 0.5);
  const Json* own = cfg.find("thresholds");
  if (own == nullptr) return std::vector<float>(classes, static_cast<float>(threshold));
  const std::vector<double> values = cfg.numbers("thresholds", classes, 0, 1);
  return {values.begin(), values.end()};
}

std::string read_checksum(const Section& cfg) {
  const Json* value = cfg.find("checksum");
  if (value == nullptr) return "";
  std::string text = value->is_string() ? value->get<std::string>() : "?";
  if (!text.empty() && text.size() != 64) {
    throw cfg.error("checksum", "found something else", "64 hexadecimal digits; or remove the key");
  }
  return text;
}

}  // namespace

Config parse_config(const std::string& json, const std::string& source) {
  if (json.size() > kMaxBytes) {
    throw Error(source + ": has " + std::to_string(json.size()) + " bytes; expected at most " + std::to_string(kMaxBytes) +
                "; " + kRemedy);
  }
  const auto check_depth = [&source](int depth, Json::parse_event_t /*event*/, const Json& /*value*/) {
    if (depth > kDeepest) throw Error(source + ": is nested more than " + std::to_string(kDeepest) + " times; " + kRemedy);
    return true;
  };
  const Json parsed = Json::parse(json, check_depth, false);
  if (parsed.is_discarded()) throw Error(source + ": cannot be read, it is no JSON; " + kRemedy);
  const Section cfg(parsed, source);
  static_cast<void>(cfg.text("arch", {"PicoDet", "GFL"}, "PicoDet"));  // GFL: PaddleDetection, if the graph decodes boxes
  const std::map<std::string, Section> steps = read_steps(cfg);
  const Section& resize = steps.at("Resize");
  const Section nms = cfg.section("NMS");
  Config config;
  config.source = source;
  config.size = read_size(resize);
  config.keep_ratio = resize.truth("keep_ratio", !parsed.contains("boxes"));
  config.interpolation = read_interpolation(resize);
  if (const auto step = steps.find("NormalizeImage"); step != steps.end()) read_normalization(step->second, config);
  config.pad_stride = read_pad_stride(steps);
  config.labels = read_labels(cfg);
  config.boxes = read_units(cfg);
  config.strides = cfg.wholes("fpn_stride", 1, 1024);
  config.cell_offset = static_cast<float>(cfg.number("cell_offset", 0, 1, 0.5));
  config.iou_threshold = static_cast<float>(nms.number("nms_threshold", 0, 1, 0.5));
  config.per_class = read_most(nms, "nms_top_k", 1000);
  config.per_image = read_most(nms, "keep_top_k", 100);
  config.needs_nms = cfg.truth("needs_nms", true);
  config.thresholds = read_thresholds(cfg, config.labels.size());
  config.checksum = read_checksum(cfg);
  return config;
}

}  // namespace picodet::detail
