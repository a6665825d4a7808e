#pragma once

#include <opencv2/core.hpp>
#include <string>
#include <vector>

#include "picodet/picodet.hpp"

namespace cli {

// Draws boxes, class names and scores on a BGR image.
void draw(cv::Mat& image, const picodet::Detections& found, const std::vector<std::string>& labels);

}  // namespace cli
