#pragma once

#include <functional>
#include <opencv2/core.hpp>

#include "options.hpp"

namespace cli {

// Writes a video of the frames of the file, stream or camera of `arguments`, each passed through `draw`; returns the
// exit status. Ctrl-C ends it and keeps what is written, unless that would replace an earlier result.
int draw_video(const Arguments& arguments, const std::function<void(cv::Mat&)>& draw);

}  // namespace cli
