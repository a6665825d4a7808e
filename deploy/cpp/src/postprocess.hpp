// Turns a model's outputs into detections.
#pragma once

#include <utility>
#include <vector>

#include "backend.hpp"
#include "config.hpp"
#include "picodet/picodet.hpp"

namespace picodet::detail {

struct Candidate {
  Detection box;
  std::int64_t order = 0;  // decides between equal scores
};

struct ScaleFactor {  // size in the network's input / original size
  float y = 1, x = 1;
};

class Postprocessor {
 public:
  // Whether boxes are in original pixels already if infer_cfg does not say so depends on the model's inputs.
  Postprocessor(Config config, bool takes_scale_factor)
      : config_(std::move(config)), takes_scale_factor_(takes_scale_factor) {}

  // Replaces found[i] by the detections of image i of `count`, in original pixels. `input`: size of the network's.
  // Throws an Error if the outputs are of no kind that Python's Detector takes, or not those of the model's classes.
  void operator()(const std::vector<Tensor>& outputs, Size input, const ScaleFactor* factors, std::size_t count,
                  Detections* found);

 private:
  void restore(Size input, ScaleFactor factor, bool has_rows, Detections& found) const;
  void read_rows(const std::vector<Tensor>& outputs, std::size_t count, Detections* found) const;
  void read_triple(const std::vector<Tensor>& outputs, std::size_t count, Detections* found) const;
  void add_row(Detections& found, const float* row) const;
  void read_decoded(const std::vector<Tensor>& outputs, std::size_t count, Detections* found);
  void read_raw(const std::vector<Tensor>& outputs, Size input, std::size_t count, Detections* found);
  void read_level(const Tensor& scores, const Tensor& bins, std::size_t image, int level, Size grid, std::int64_t before);
  void choose(Detections& found);

  Config config_;
  bool takes_scale_factor_;
  std::vector<Candidate> candidates_;
  std::vector<int> counts_;    // of each class
  std::vector<char> dropped_;  // of each candidate
};

// The area that both boxes cover, and that of one.
float shared_area(const Detection& a, const Detection& b);
float area(const Detection& box);

}  // namespace picodet::detail
