// What a model's file says before a runtime loads it.
#pragma once

#include <string>

namespace picodet::detail {

struct ModelFile {
  std::string infer_cfg;  // JSON
  std::string checksum;   // SHA-256 of the file and the weights beside it, without an infer_cfg inside
};

// Reads .onnx, .xml with .bin, or .param with .bin and the infer_cfg in <file>.json. Throws an Error if a file cannot be read or carries no infer_cfg.
ModelFile read_model_file(const std::string& file);

}  // namespace picodet::detail
