// The command line: the flags of deploy/python/infer.py.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace cli {

struct Arguments {
  std::string model, image, image_dir, video_file;
  std::optional<int> camera_id;
  std::string output_dir = "output";
  std::optional<float> threshold;  // none: the model's
  std::string backend = "auto";
  int threads = 0;  // 0: one for each core
  int batch_size = 1;
  bool slice_infer = false;
  int slice_width = 640, slice_height = 640;
  double overlap_ratio = 0.25;
  bool save_images = true, save_results = false, benchmark = false;
  std::vector<std::string> without_effect;  // flags that were given, and ask for something else than what is done
};

// Throws picodet::Error if the options do not fit. Nothing: the help was printed.
std::optional<Arguments> parse_arguments(int count, char** values);

}  // namespace cli
