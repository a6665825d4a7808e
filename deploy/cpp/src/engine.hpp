// One request of a model with its memory: prepares images, runs the network, reads its outputs.
#pragma once

#include <memory>
#include <vector>

#include "backend.hpp"
#include "config.hpp"
#include "postprocess.hpp"
#include "resize.hpp"

namespace picodet::detail {

// The inputs of a PicoDet among those of a model, and what they ask for.
struct InputPlan {
  int image = -1, scale_factor = -1, im_shape = -1;  // positions; -1: the model has none
  Size fixed;                                        // of the network's input; 0: any
  bool bytes = false;                                // takes uint8
  std::size_t batch = 0;                             // fixed number of images; 0: any

  [[nodiscard]] bool is_fixed() const { return fixed.height > 0; }
};

InputPlan plan_inputs(const std::vector<Port>& ports, const Config& config, const std::string& file);

// Throws an Error if an image has no pixels, or rows that do not hold them.
void check_image(const Image& image);

// The factors that bring `size` to the size of the config, and into the network's input if that is `fixed`.
Factors resize_factors(Size size, const Config& config, Size fixed);

class Engine {
 public:
  Engine(const Config& config, const InputPlan& plan, std::unique_ptr<Request> request);

  // The stages of detection, one after the other. At most as many images as the model takes at a time.
  void prepare(const Image* images, std::size_t count);
  void run();
  void finish(Detections* found);

  [[nodiscard]] const Tensor& input() const { return inputs_[static_cast<std::size_t>(plan_.image)]; }

 private:
  void write_image(const Image& image, Factors factors, std::size_t index);
  void repeat_images();

  Config config_;
  InputPlan plan_;
  std::unique_ptr<Request> request_;
  Postprocessor postprocess_;
  Resizer resizer_;
  std::vector<Tensor> inputs_, outputs_;
  std::vector<float> floats_;
  std::vector<std::uint8_t> bytes_;
  std::vector<ScaleFactor> factors_;
  std::vector<float> shapes_;  // [B, 2] (height, width) in the network's input, without padding
  Size size_;                  // of the network's input
  std::size_t count_ = 0;
};

}  // namespace picodet::detail
