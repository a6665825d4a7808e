// Turns images upright that OpenCV leaves as they are.
#pragma once

#include <opencv2/core.hpp>
#include <vector>

namespace cli {

// The EXIF orientation of a WebP file, 1 to 8, which not every version of OpenCV applies; 0: it is no WebP.
int webp_orientation(const std::vector<unsigned char>& data);

// Turns an image by its EXIF orientation.
void make_upright(cv::Mat& image, int orientation);

}  // namespace cli
