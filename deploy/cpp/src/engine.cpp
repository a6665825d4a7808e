#include "engine.hpp"

#include <algorithm>
#include <cmath>
#include <sstream>

namespace picodet::detail {
namespace {

constexpr int kLongest = 8192;           // of a network's input
constexpr int kLongestImage = 1 << 27;  // so that offsets in a row fit into 32 bits

std::string shown(const std::vector<Port>& ports) {
  std::ostringstream text;
  for (const Port& port : ports) {
    text << (&port == ports.data() ? "" : ", ") << port.name << " [";
    for (int i = 0; i < port.rank; ++i) {
      text << (i == 0 ? "" : ", ");
      const std::int64_t side = port.shape[static_cast<std::size_t>(i)];
      side < 0 ? text << '?' : text << side;
    }
    text << ']';
  }
  return ports.empty() ? "no inputs" : text.str();
}

int padded(int side, double factor, int stride) {
  const int length = static_cast<int>(std::lrint(side * factor));
  return (length + stride - 1) / stride * stride;
}

// The length of an axis that is not fixed, or 0. Throws an Error if it is beyond `most`.
int fixed_length(const Port& port, std::size_t axis, const std::string& file) {
  const std::int64_t length = port.shape[axis];
  if (length <= kLongest) return static_cast<int>(std::max<std::int64_t>(length, 0));
  throw Error(file + ": takes " + shown({port}) + "; expected at most " + std::to_string(kLongest) +
              " images of as many pixels in height and width; export the model again");
}

// The size of an image that has one. Throws an Error if infer_cfg says another one.
Size fixed_size(const Port& image, const Config& config, const std::string& file) {
  const Size size = {fixed_length(image, 2, file), fixed_length(image, 3, file)};
  if (config.keep_ratio || (size.height == config.size.height && size.width == config.size.width)) return size;
  throw Error(file + ": takes " + std::to_string(size.height) + " x " + std::to_string(size.width) +
              " pixels, but its infer_cfg resizes to " + std::to_string(config.size.height) + " x " +
              std::to_string(config.size.width) + "; export the model again");
}

bool takes_bytes(const Port& image, const Config& config, const std::string& file) {
  const bool is_byte = image.type == Type::uint8;
  if (is_byte && config.normalizes) throw Error(file + ": takes bytes, but its infer_cfg normalizes; export the model again");
  return is_byte;
}

}  // namespace

void check_image(const Image& image) {
  const int bytes = bytes_per_pixel(image.format);
  const bool is_wide_enough =
      image.stride == 0 || image.stride >= static_cast<std::size_t>(std::max(image.width, 0)) * static_cast<std::size_t>(bytes);
  const bool is_sound = image.width > 0 && image.height > 0 && std::max(image.width, image.height) <= kLongestImage;
  if (image.data != nullptr && is_sound && is_wide_enough) return;
  throw Error("image: found " + std::string(image.data == nullptr ? "no pixels, " : "") + std::to_string(image.width) +
              " x " + std::to_string(image.height) + " pixels with a stride of " + std::to_string(image.stride) +
              " bytes; expected pixels, sides of at most " + std::to_string(kLongestImage) +
              ", and a stride of 0 or a row's bytes");
}

InputPlan plan_inputs(const std::vector<Port>& ports, const Config& config, const std::string& file) {
  InputPlan plan;
  bool is_known = true;
  for (std::size_t i = 0; i < ports.size(); ++i) {
    const Port& port = ports[i];
    const bool is_image = port.rank == 4 && (port.shape[1] == 3 || port.shape[1] < 0) &&
                          (port.type == Type::float32 || port.type == Type::uint8);
    const bool is_pair = port.rank == 2 && (port.shape[1] == 2 || port.shape[1] < 0) && port.type == Type::float32;
    int& place = is_image ? plan.image : port.name == "im_shape" ? plan.im_shape : plan.scale_factor;
    is_known = is_known && (is_image || is_pair) && place < 0;
    place = static_cast<int>(i);
    if (port.rank <= 0) continue;
    const int batch = fixed_length(port, 0, file);
    if (batch > 0 && plan.batch > 0 && plan.batch != static_cast<std::size_t>(batch)) is_known = false;
    if (batch > 0) plan.batch = static_cast<std::size_t>(batch);
  }
  if (!is_known || plan.image < 0) {
    throw Error(file + ": takes " + shown(ports) +
                "; expected an image [B, 3, H, W] and perhaps scale_factor, im_shape [B, 2]: not a PicoDet");
  }
  const Port& image = ports[static_cast<std::size_t>(plan.image)];
  plan.bytes = takes_bytes(image, config, file);
  if (image.shape[2] > 0 && image.shape[3] > 0) plan.fixed = fixed_size(image, config, file);
  return plan;
}

Factors resize_factors(Size size, const Config& config, Size fixed) {
  const auto [target_height, target_width] = config.size;
  if (!config.keep_ratio) {
    return {static_cast<double>(target_height) / size.height, static_cast<double>(target_width) / size.width};
  }
  const auto [small, large] = std::minmax(size.height, size.width);
  const auto [low, high] = std::minmax(target_height, target_width);
  double factor = std::min(static_cast<double>(low) / small, static_cast<double>(high) / large);
  if (fixed.height > 0) {  // an upright image may be higher than a wide input
    factor = std::min({factor, static_cast<double>(fixed.height) / size.height, static_cast<double>(fixed.width) / size.width});
  }
  return {std::max(factor, 1.0 / size.height), std::max(factor, 1.0 / size.width)};  // something is left of thin images
}

Engine::Engine(const Config& config, const InputPlan& plan, std::unique_ptr<Request> request)
    : config_(config), plan_(plan), request_(std::move(request)), postprocess_(config, plan.scale_factor >= 0) {
  inputs_.resize(1 + (plan.scale_factor >= 0 ? 1 : 0) + (plan.im_shape >= 0 ? 1 : 0));
}

void Engine::prepare(const Image* images, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) check_image(images[i]);
  count_ = count;
  const std::size_t batch = plan_.batch != 0 ? plan_.batch : count;
  size_ = plan_.fixed;
  if (!plan_.is_fixed()) {
    const Factors factors = resize_factors({images[0].height, images[0].width}, config_, {});
    size_ = {padded(images[0].height, factors.y, config_.pad_stride), padded(images[0].width, factors.x, config_.pad_stride)};
  }
  const std::size_t numbers = batch * 3 * static_cast<std::size_t>(size_.height) * static_cast<std::size_t>(size_.width);
  plan_.bytes ? bytes_.resize(numbers) : floats_.resize(numbers);
  factors_.resize(batch);
  shapes_.resize(2 * batch);
  for (std::size_t i = 0; i < count; ++i) {
    const Factors factors = resize_factors({images[i].height, images[i].width}, config_, plan_.fixed);
    factors_[i] = {static_cast<float>(factors.y), static_cast<float>(factors.x)};
    write_image(images[i], factors, i);
  }
  repeat_images();
  const auto rows = static_cast<std::int64_t>(batch);
  void* const data = plan_.bytes ? static_cast<void*>(bytes_.data()) : floats_.data();
  inputs_[static_cast<std::size_t>(plan_.image)] = {
      data, 4, {rows, 3, size_.height, size_.width}, plan_.bytes ? Type::uint8 : Type::float32};
  if (plan_.scale_factor >= 0) inputs_[static_cast<std::size_t>(plan_.scale_factor)] = {factors_.data(), 2, {rows, 2}};
  if (plan_.im_shape >= 0) inputs_[static_cast<std::size_t>(plan_.im_shape)] = {shapes_.data(), 2, {rows, 2}};
}

void Engine::write_image(const Image& image, Factors factors, std::size_t index) {
  resizer_.plan({image.height, image.width}, factors, config_.interpolation);
  const Size result = resizer_.result();
  shapes_[2 * index] = static_cast<float>(result.height);
  shapes_[2 * index + 1] = static_cast<float>(result.width);
  Planes planes;
  planes.stride = size_.width;
  planes.size = {std::min(result.height, size_.height), std::min(result.width, size_.width)};
  const std::size_t area = static_cast<std::size_t>(size_.height) * static_cast<std::size_t>(size_.width);
  const bool is_bgr = image.format == PixelFormat::bgr || image.format == PixelFormat::bgra;
  const bool is_whole = planes.size.height == size_.height && planes.size.width == size_.width;
  for (std::size_t i = 0; i < 3; ++i) {
    const std::size_t channel = is_bgr ? 2 - i : i;
    const std::size_t start = (3 * index + channel) * area;
    planes.affine[i] = config_.affine[channel];
    if (plan_.bytes) {
      planes.bytes[i] = bytes_.data() + start;
      planes.affine[i] = {1, 0};
      if (!is_whole) std::fill_n(planes.bytes[i], area, std::uint8_t{0});
    } else {
      planes.floats[i] = floats_.data() + start;
      if (!is_whole) std::fill_n(planes.floats[i], area, 0.0F);
    }
  }
  resizer_.run(image, planes);
}

// Fills a fixed batch that is not full with its images again.
void Engine::repeat_images() {
  const std::size_t numbers = 3 * static_cast<std::size_t>(size_.height) * static_cast<std::size_t>(size_.width);
  for (std::size_t i = count_; i < factors_.size(); ++i) {
    const std::size_t from = i - count_;
    factors_[i] = factors_[from];
    std::copy_n(&shapes_[2 * from], 2, &shapes_[2 * i]);
    if (plan_.bytes) {
      std::copy_n(bytes_.data() + from * numbers, numbers, bytes_.data() + i * numbers);
    } else {
      std::copy_n(floats_.data() + from * numbers, numbers, floats_.data() + i * numbers);
    }
  }
}

void Engine::run() { request_->run(inputs_, outputs_); }

void Engine::finish(Detections* found) { postprocess_(outputs_, size_, factors_.data(), count_, found); }

}  // namespace picodet::detail
