// Results as text: bbox.json, and the table of a benchmark.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "picodet/picodet.hpp"

namespace cli {

// One entry per box in COCO's results layout; category_id is the class's index.
void add_entries(nlohmann::ordered_json& entries, std::size_t image_id, const std::string& file_name,
                 const picodet::Detections& found, const std::vector<std::string>& labels);

// Measures the stages on the images, in batches, and prints median and 90th percentile in milliseconds per image.
void benchmark(const picodet::Detector& detector, const std::vector<std::filesystem::path>& files, int batch_size);

}  // namespace cli
