#include "draw.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <opencv2/imgproc.hpp>

namespace cli {
namespace {

constexpr int kFont = cv::FONT_HERSHEY_SIMPLEX;
constexpr float kGoldenRatio = 0.618034F;  // steps of this much hue keep neighboring classes apart

// A bright color, the same for a class in every picture.
cv::Scalar class_color(int class_id) {
  const float hue = std::fmod(0.02F + static_cast<float>(class_id) * kGoldenRatio, 1.0F) * 360;
  const float saturation = class_id % 2 == 0 ? 0.95F : 0.7F;
  const float value = class_id / 2 % 2 == 0 ? 1.0F : 0.85F;
  const auto part = [&](int n) {
    const float k = std::fmod(static_cast<float>(n) + hue / 60, 6.0F);
    return std::round(255 * value * (1 - saturation * std::clamp(std::min(k, 4 - k), 0.0F, 1.0F)));
  };
  return {part(1), part(3), part(5)};
}

// The class name, or its number if OpenCV would draw question marks.
std::string label(const picodet::Detection& box, const std::vector<std::string>& labels) {
  const std::string& name = labels[static_cast<std::size_t>(box.class_id)];
  const bool is_drawable = std::all_of(name.begin(), name.end(), [](char letter) { return letter >= 32 && letter < 127; });
  char score[8];
  static_cast<void>(std::snprintf(score, sizeof score, " %.2f", box.score));
  return (is_drawable ? name : "class " + std::to_string(box.class_id)) + score;
}

cv::Rect corners(const picodet::Detection& box) {
  const auto whole = [](float value) { return static_cast<int>(std::lrint(std::clamp(value, -1e4F, 1e4F))); };
  return {cv::Point(whole(box.x1), whole(box.y1)), cv::Point(whole(box.x2) + 1, whole(box.y2) + 1)};
}

// Writes `text` on a filled field at the box's upper left corner that is moved to lie in the image.
void draw_label(cv::Mat& image, const std::string& text, const cv::Rect& box, const cv::Scalar& color, int line) {
  const double scale = 0.36 + 0.1 * line;
  const int stroke = std::max(1, line - 1);
  int baseline = 0;
  const cv::Size size = cv::getTextSize(text, kFont, scale, stroke, &baseline);
  const cv::Size field(size.width + 4, size.height + baseline + 2);
  const int above = box.y - field.height;
  const int x = std::max(0, std::min(box.x - line / 2, image.cols - field.width));
  const int y = std::max(0, std::min(above >= 0 ? above : box.y, image.rows - field.height));
  cv::rectangle(image, cv::Rect(cv::Point(x, y), field), color, cv::FILLED);
  const double luminance = 0.114 * color[0] + 0.587 * color[1] + 0.299 * color[2];
  const cv::Scalar ink = luminance > 128 ? cv::Scalar(0, 0, 0) : cv::Scalar(255, 255, 255);
  cv::putText(image, text, {x + 2, y + size.height + 1}, kFont, scale, ink, stroke, cv::LINE_AA);
}

}  // namespace

void draw(cv::Mat& image, const picodet::Detections& found, const std::vector<std::string>& labels) {
  const int width = std::max(1, static_cast<int>(std::lrint(std::max(image.rows, image.cols) / 320.0)));
  // The most confident last, on top; labels after all boxes, so that no line crosses one.
  for (auto box = found.rbegin(); box != found.rend(); ++box) {
    cv::rectangle(image, corners(*box), class_color(box->class_id), width);
  }
  for (auto box = found.rbegin(); box != found.rend(); ++box) {
    draw_label(image, label(*box, labels), corners(*box), class_color(box->class_id), width);
  }
}

}  // namespace cli
