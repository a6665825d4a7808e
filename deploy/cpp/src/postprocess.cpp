#include "postprocess.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>

namespace picodet::detail {
namespace {

constexpr float kNoScore = 1e-6F;  // so that a threshold of 0 does not give every class of every point
constexpr float kRounding = 0.01F;  // how far scores may leave 0..1
constexpr std::int64_t kBlock = 256;  // numbers that are looked at together

std::string shapes(const std::vector<Tensor>& outputs) {
  std::ostringstream text;
  for (const Tensor& output : outputs) {
    text << (&output == outputs.data() ? "[" : ", [");
    for (int i = 0; i < output.rank; ++i) text << (i == 0 ? "" : ", ") << output.shape[static_cast<std::size_t>(i)];
    text << "]";
  }
  return text.str();
}

Error unknown(const std::vector<Tensor>& outputs) {
  return Error("model: gives outputs of shapes " + shapes(outputs) +
               "; expected those of a PicoDet that was exported with `ppdet export`");
}

Error misfit(const Config& config, const std::string& classes) {
  return Error(config.source + ": label_list: found " + std::to_string(config.labels.size()) + " names, and the model has " +
               classes + "; expected a name for each class; correct it, or export the model again");
}

Error diverged(const Config& config) {
  return Error(config.source + ": the model gives scores or boxes that are none; expected scores of 0 to 1, and finite "
               "boxes: its weights are damaged or have diverged; export it again from others");
}

const float* floats(const Tensor& tensor) { return static_cast<const float*>(tensor.data); }

std::int64_t dim(const Tensor& tensor, int axis) { return tensor.shape[static_cast<std::size_t>(axis)]; }

bool is_rank(const std::vector<Tensor>& outputs, std::initializer_list<int> ranks) {
  return std::equal(outputs.begin(), outputs.end(), ranks.begin(), ranks.end(),
                    [](const Tensor& output, int rank) { return output.rank == rank; });
}

bool is_whole(const Tensor& tensor) { return tensor.type == Type::int32 || tensor.type == Type::int64; }

// A number of a tensor of any type that is known here.
double value(const Tensor& tensor, std::int64_t i) {
  if (tensor.type == Type::int32) return static_cast<const std::int32_t*>(tensor.data)[i];
  if (tensor.type == Type::int64) return static_cast<double>(static_cast<const std::int64_t*>(tensor.data)[i]);
  return floats(tensor)[i];
}

bool is_score(float value) { return value >= -kRounding && value <= 1 + kRounding; }

bool are_finite(const float* values, std::int64_t count) {
  constexpr float kMost = std::numeric_limits<float>::max();
  bool all = true;
  for (std::int64_t start = 0; start < count; start += kBlock) {
    const auto n = static_cast<int>(std::min<std::int64_t>(kBlock, count - start));
    all = all && kernels().scan(values + start, n, -kMost, kMost, kMost).in_range;
  }
  return all;
}

// Calls `take(i)` for each of `count` numbers that is at least `lowest`. Returns false if one is no score.
template <typename Take>
bool for_each_above(const float* values, std::int64_t count, float lowest, Take take) {
  for (std::int64_t start = 0; start < count; start += kBlock) {
    const auto n = static_cast<int>(std::min<std::int64_t>(kBlock, count - start));
    const Scan scan = kernels().scan(values + start, n, -kRounding, 1 + kRounding, lowest);
    if (!scan.in_range) return false;
    for (std::int64_t i = start; scan.any && i < start + n; ++i) {
      if (values[i] >= lowest) take(i);
    }
  }
  return true;
}

// The mean of a distribution over 0, 1, 2, … whose logits lie `step` apart.
float expectation(const float* logits, std::int64_t bins, std::int64_t step) {
  float most = logits[0];
  for (std::int64_t i = 1; i < bins; ++i) most = std::max(most, logits[i * step]);
  float sum = 0;
  float weighted = 0;
  for (std::int64_t i = 0; i < bins; ++i) {
    const float weight = std::exp(logits[i * step] - most);
    sum += weight;
    weighted += weight * static_cast<float>(i);
  }
  return weighted / sum;
}

bool is_better(const Candidate& a, const Candidate& b) {
  return a.box.score != b.box.score ? a.box.score > b.box.score : a.order < b.order;
}

}  // namespace

float area(const Detection& box) { return std::max(box.x2 - box.x1, 0.0F) * std::max(box.y2 - box.y1, 0.0F); }

float shared_area(const Detection& a, const Detection& b) {
  const float width = std::min(a.x2, b.x2) - std::max(a.x1, b.x1);
  const float height = std::min(a.y2, b.y2) - std::max(a.y1, b.y1);
  return std::max(width, 0.0F) * std::max(height, 0.0F);
}

void Postprocessor::operator()(const std::vector<Tensor>& outputs, Size input, const ScaleFactor* factors,
                               std::size_t count, Detections* found) {
  for (std::size_t i = 0; i < count; ++i) found[i].clear();
  for (const Tensor& output : outputs) {
    if (output.rank < 1 || (output.type != Type::float32 && !is_whole(output))) throw unknown(outputs);
  }
  const bool is_nms = is_rank(outputs, {2, 1}) || is_rank(outputs, {2}) || is_rank(outputs, {3});
  if (is_nms) {
    read_rows(outputs, count, found);
  } else if (is_rank(outputs, {3, 2, 2}) || is_rank(outputs, {2, 1, 1})) {
    read_triple(outputs, count, found);
  } else if (is_rank(outputs, {3, 3})) {
    read_decoded(outputs, count, found);
  } else {
    read_raw(outputs, input, count, found);
  }
  for (std::size_t i = 0; i < count; ++i) restore(input, factors[i], is_nms || outputs.size() == 3, found[i]);
}

// Brings boxes to original pixels, and rows of NMS into the order that they have in most exports.
void Postprocessor::restore(Size input, ScaleFactor factor, bool has_rows, Detections& found) const {
  const auto is_above = [](const Detection& a, const Detection& b) { return a.score > b.score; };
  if (!std::is_sorted(found.begin(), found.end(), is_above)) std::stable_sort(found.begin(), found.end(), is_above);
  BoxUnits units = config_.boxes;
  if (units == BoxUnits::unknown) units = has_rows && takes_scale_factor_ ? BoxUnits::image : BoxUnits::input;
  if (units == BoxUnits::image) return;
  const float x = (units == BoxUnits::normalized ? static_cast<float>(input.width) : 1.0F) / factor.x;
  const float y = (units == BoxUnits::normalized ? static_cast<float>(input.height) : 1.0F) / factor.y;
  for (Detection& box : found) box.x1 *= x, box.x2 *= x, box.y1 *= y, box.y2 *= y;
}

void Postprocessor::add_row(Detections& found, const float* row) const {
  if (row[0] == -1) return;  // a row that stands for "none", whatever else it holds
  if (!std::isfinite(row[0]) || !is_score(row[1]) || !are_finite(row + 2, 4)) throw diverged(config_);
  if (row[0] < 0) throw misfit(config_, "negative class numbers");
  if (row[0] >= static_cast<float>(config_.labels.size())) {
    throw misfit(config_, "a class of number " + std::to_string(static_cast<std::int64_t>(row[0])));
  }
  const int class_id = static_cast<int>(row[0]);
  if (row[1] < config_.thresholds[static_cast<std::size_t>(class_id)]) return;
  found.push_back({row[2], row[3], row[4], row[5], row[1], class_id});
}

// bbox [M, 6] (class, score, x1, y1, x2, y2) and bbox_num [B]; or rows [B, N, 6] (x1, y1, x2, y2, score, class).
void Postprocessor::read_rows(const std::vector<Tensor>& outputs, std::size_t count, Detections* found) const {
  const Tensor& rows = outputs[0];
  if (rows.type != Type::float32) throw unknown(outputs);
  if (rows.rank == 3) {
    if (dim(rows, 2) != 6 || dim(rows, 0) < static_cast<std::int64_t>(count)) throw unknown(outputs);
    for (std::int64_t i = 0; i < static_cast<std::int64_t>(count) * dim(rows, 1); ++i) {
      const float* row = floats(rows) + 6 * i;
      const float ours[6] = {std::max(row[5], -1.0F), row[4], row[0], row[1], row[2], row[3]};
      add_row(found[i / dim(rows, 1)], ours);
    }
    return;
  }
  const std::int64_t capacity = rows.size() / 6;
  const bool has_counts = outputs.size() > 1;
  const std::int64_t images = has_counts ? dim(outputs[1], 0) : 1;
  if (images < static_cast<std::int64_t>(count)) throw unknown(outputs);
  std::int64_t used = 0;
  for (std::size_t i = 0; i < count; ++i) {
    std::int64_t number = dim(rows, 0);
    if (has_counts) {
      const double count_of_image = value(outputs[1], static_cast<std::int64_t>(i));
      if (!(count_of_image >= 0 && count_of_image <= 1e9)) throw unknown(outputs);  // NaN as well
      number = static_cast<std::int64_t>(count_of_image);
    }
    if (images == 1) number = std::min(number, capacity);  // the number of points, in some files of paddle2onnx
    if (used + number > capacity || (number > 0 && dim(rows, 1) != 6)) throw unknown(outputs);
    for (; number > 0; --number, ++used) add_row(found[i], floats(rows) + 6 * used);
  }
}

// boxes [B, N, 4], scores [B, N] and classes [B, N]; without the axis B for one image. The last two may change places.
void Postprocessor::read_triple(const std::vector<Tensor>& outputs, std::size_t count, Detections* found) const {
  const bool is_swapped = is_whole(outputs[1]);
  const Tensor& boxes = outputs[0];
  const Tensor& scores = outputs[is_swapped ? 2 : 1];
  const Tensor& classes = outputs[is_swapped ? 1 : 2];
  const std::int64_t images = boxes.rank == 3 ? dim(boxes, 0) : 1;
  const std::int64_t each = dim(boxes, boxes.rank - 2);
  const bool fits = boxes.type == Type::float32 && dim(boxes, boxes.rank - 1) == 4 && scores.size() == images * each &&
                    classes.size() == images * each && images >= static_cast<std::int64_t>(count);
  if (!fits) throw unknown(outputs);
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(count) * each; ++i) {
    const float* box = floats(boxes) + 4 * i;
    const float class_id = std::max(static_cast<float>(value(classes, i)), -1.0F);
    const float row[6] = {class_id, static_cast<float>(value(scores, i)), box[0], box[1], box[2], box[3]};
    add_row(found[i / each], row);
  }
}

// boxes [B, L, 4] xyxy and scores [B, C, L].
void Postprocessor::read_decoded(const std::vector<Tensor>& outputs, std::size_t count, Detections* found) {
  const Tensor& boxes = outputs[0];
  const Tensor& scores = outputs[1];
  const std::int64_t points = dim(scores, 2);
  const std::int64_t classes = dim(scores, 1);
  const auto images = static_cast<std::int64_t>(count);
  if (dim(boxes, 2) != 4 || dim(boxes, 1) != points || dim(boxes, 0) < images || dim(scores, 0) < images ||
      boxes.type != Type::float32 || scores.type != Type::float32) {
    throw unknown(outputs);
  }
  if (classes != static_cast<std::int64_t>(config_.labels.size())) throw misfit(config_, std::to_string(classes) + " classes");
  if (!are_finite(floats(boxes), boxes.size())) throw diverged(config_);
  for (std::int64_t image = 0; image < images; ++image) {
    candidates_.clear();
    for (std::int64_t c = 0; c < classes; ++c) {
      const float* row = floats(scores) + (image * classes + c) * points;
      const float lowest = std::max(config_.thresholds[static_cast<std::size_t>(c)], kNoScore);
      const bool are_scores = for_each_above(row, points, lowest, [&](std::int64_t i) {
        const float* box = floats(boxes) + (image * points + i) * 4;
        candidates_.push_back({{box[0], box[1], box[2], box[3], row[i], static_cast<int>(c)}, c * points + i});
      });
      if (!are_scores) throw diverged(config_);
    }
    choose(found[image]);
  }
}

// scores [B, h * w, C] or [B, C, h, w] of each level, the finest first, then its box distributions (logits),
// [B, h * w, 4 * bins] or [B, 4 * bins, h, w].
void Postprocessor::read_raw(const std::vector<Tensor>& outputs, Size input, std::size_t count, Detections* found) {
  const std::size_t levels = config_.strides.size();
  if (levels == 0 || outputs.size() != 2 * levels) throw unknown(outputs);
  const auto classes = static_cast<std::int64_t>(config_.labels.size());
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const Tensor& output = outputs[i];
    const int stride = config_.strides[i % levels];
    const std::int64_t height = (input.height + stride - 1) / stride;
    const std::int64_t width = (input.width + stride - 1) / stride;
    const bool is_flat = output.rank == 3;
    if ((!is_flat && output.rank != 4) || output.type != Type::float32 ||
        dim(output, 0) < static_cast<std::int64_t>(count) ||
        (is_flat ? dim(output, 1) : dim(output, 2) * dim(output, 3)) != height * width) {
      throw unknown(outputs);
    }
    const std::int64_t channels = dim(output, is_flat ? 2 : 1);
    if (i >= levels && (channels == 0 || channels % 4 != 0)) throw unknown(outputs);
    if (i < levels && channels != classes) throw misfit(config_, std::to_string(channels) + " classes");
    if (i >= levels && !are_finite(floats(output), output.size())) throw diverged(config_);
  }
  for (std::size_t image = 0; image < count; ++image) {
    candidates_.clear();
    std::int64_t before = 0;
    for (std::size_t level = 0; level < levels; ++level) {
      const int stride = config_.strides[level];
      const Size grid = {(input.height + stride - 1) / stride, (input.width + stride - 1) / stride};
      read_level(outputs[level], outputs[levels + level], image, static_cast<int>(level), grid, before);
      before += static_cast<std::int64_t>(grid.height) * grid.width;
    }
    choose(found[image]);
  }
}

// Adds candidates of one level; only the distributions of points that score enough are decoded.
void Postprocessor::read_level(const Tensor& scores, const Tensor& bins, std::size_t image, int level, Size grid,
                               std::int64_t before) {
  const auto classes = static_cast<std::int64_t>(config_.labels.size());
  const std::int64_t points = static_cast<std::int64_t>(grid.height) * grid.width;
  const std::int64_t channels = dim(bins, bins.rank == 3 ? 2 : 1);
  const float* const logits = floats(bins) + static_cast<std::int64_t>(image) * points * channels;
  const float* const values = floats(scores) + static_cast<std::int64_t>(image) * points * classes;
  const bool is_flat = scores.rank == 3;
  const float lowest = *std::min_element(config_.thresholds.begin(), config_.thresholds.end());
  const auto stride = static_cast<float>(config_.strides[static_cast<std::size_t>(level)]);
  const bool are_scores = for_each_above(values, points * classes, std::max(lowest, kNoScore), [&](std::int64_t at) {
    const std::int64_t point = is_flat ? at / classes : at % points;
    const std::int64_t c = is_flat ? at % classes : at / points;
    if (values[at] < config_.thresholds[static_cast<std::size_t>(c)]) return;
    const std::int64_t step = bins.rank == 3 ? 1 : points;  // between the bins of a point
    const float* const start = logits + (bins.rank == 3 ? point * channels : point);
    float sides[4];
    for (int k = 0; k < 4; ++k) sides[k] = expectation(start + k * (channels / 4) * step, channels / 4, step) * stride;
    const float x = (static_cast<float>(point % grid.width) + config_.cell_offset) * stride;
    const std::int64_t row = point / grid.width;
    const float y = (static_cast<float>(row) + config_.cell_offset) * stride;
    const Detection box = {x - sides[0], y - sides[1], x + sides[2], y + sides[3], values[at], static_cast<int>(c)};
    candidates_.push_back({box, (c << 40) + before + point});
  });
  if (!are_scores) throw diverged(config_);
}

// Adds the detections among the candidates to `found`, by descending score: NMS within each class if the model needs it.
void Postprocessor::choose(Detections& found) {
  std::sort(candidates_.begin(), candidates_.end(), is_better);
  counts_.assign(config_.labels.size(), 0);
  dropped_.assign(candidates_.size(), 0);
  if (config_.needs_nms && config_.per_class >= 0) {
    for (std::size_t i = 0; i < candidates_.size(); ++i) {
      dropped_[i] = counts_[static_cast<std::size_t>(candidates_[i].box.class_id)]++ >= config_.per_class ? 1 : 0;
    }
  }
  const std::size_t most = config_.per_image < 0 ? candidates_.size() : static_cast<std::size_t>(config_.per_image);
  for (std::size_t i = 0; i < candidates_.size() && found.size() < most; ++i) {
    if (dropped_[i] != 0) continue;
    const Detection& box = candidates_[i].box;
    found.push_back(box);
    if (!config_.needs_nms) continue;
    const float own = area(box);
    for (std::size_t k = i + 1; k < candidates_.size(); ++k) {
      const Detection& other = candidates_[k].box;
      if (other.class_id != box.class_id || dropped_[k] != 0) continue;
      const float shared = shared_area(box, other);
      if (shared > config_.iou_threshold * (own + area(other) - shared)) dropped_[k] = 1;
    }
  }
}

}  // namespace picodet::detail
