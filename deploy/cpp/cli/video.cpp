#include "video.hpp"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <opencv2/imgproc.hpp>
#include <opencv2/videoio.hpp>
#include <regex>

#include "images.hpp"
#include "picodet/picodet.hpp"

namespace cli {
namespace {

namespace fs = std::filesystem;

constexpr double kUsualRate = 30, kHighestRate = 1000;  // some streams give the ticks of their clock as the rate
constexpr double kEnough = 0.99;  // share of the frames that the header announces; some containers only estimate it

volatile std::sig_atomic_t interrupted = 0;

// An address without its user and password.
std::string shown_source(const Arguments& arguments) {
  if (arguments.camera_id) return "camera " + std::to_string(*arguments.camera_id);
  return std::regex_replace(arguments.video_file, std::regex("://[^/]*@"), "://");
}

bool is_address(const Arguments& arguments) { return arguments.video_file.find("://") != std::string::npos; }

fs::path target_path(const Arguments& arguments) {
  const fs::path folder = arguments.output_dir;
  if (arguments.camera_id) return folder / ("camera_" + std::to_string(*arguments.camera_id) + ".mp4");
  if (!is_address(arguments)) return result_path(folder, arguments.video_file, {".mp4"}, ".mp4");
  std::string name = shown_source(arguments);
  name = name.substr(name.find("://") + 3);
  name = std::regex_replace(name.substr(0, name.find('?')), std::regex("[^A-Za-z0-9_.-]+"), "_");
  name = std::regex_replace(name, std::regex("^[_.]+|[_.]+$"), "");
  return folder / ((name.empty() ? "stream" : name) + ".mp4");
}

cv::VideoCapture open(const Arguments& arguments) {
  const bool is_file = !arguments.camera_id && !is_address(arguments);
  if (is_file && !fs::is_regular_file(arguments.video_file)) {
    throw picodet::Error(arguments.video_file + ": there is no such file");
  }
  return arguments.camera_id ? cv::VideoCapture(*arguments.camera_id) : cv::VideoCapture(arguments.video_file);
}

// Copies all frames; returns their number.
int copy(cv::VideoCapture& capture, cv::Mat frame, const std::string& path, const std::function<void(cv::Mat&)>& draw) {
  const double found = capture.get(cv::CAP_PROP_FPS);
  const double rate = found > 0 && found <= kHighestRate ? found : kUsualRate;
  const cv::Size size = frame.size();
  cv::VideoWriter writer(path, cv::VideoWriter::fourcc('m', 'p', '4', 'v'), rate, size);
  if (!writer.isOpened()) throw picodet::Error(path + ": this OpenCV cannot write .mp4 videos there; check the folder");
  int count = 0;
  for (bool ok = true; ok && interrupted == 0; ok = capture.read(frame)) {
    if (frame.size() != size) cv::resize(frame, frame, size);  // the writer would drop it silently
    draw(frame);
    writer.write(frame);
    ++count;
  }
  return count;
}

}  // namespace

int draw_video(const Arguments& arguments, const std::function<void(cv::Mat&)>& draw) {
  const std::string name = shown_source(arguments);
  const bool is_file = !arguments.camera_id && !is_address(arguments);
  const fs::path target = target_path(arguments);
  cv::VideoCapture capture = open(arguments);
  cv::Mat frame;
  if (!capture.read(frame)) throw picodet::Error(name + ": no frame can be read; check it, or convert it");
  const double announced = is_file ? std::max(0.0, capture.get(cv::CAP_PROP_FRAME_COUNT)) : 0;
  static_cast<void>(std::signal(SIGINT, [](int) { interrupted = 1; }));
  const auto start = std::chrono::steady_clock::now();
  int count = 0;
  write_whole(target, [&](const std::string& temporary) {
    count = copy(capture, frame, temporary, draw);
    if (interrupted != 0 && is_file && fs::exists(target)) {
      throw picodet::Error(name + ": interrupted after " + std::to_string(count) + " frames, which are not kept; " +
                           target.string() + " is as it was");
    }
  });
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  static_cast<void>(std::fprintf(stderr, "%s: %d frames, %.1f per second\n", printable(name).c_str(), count,
                                 count / std::max(seconds, 1e-6)));
  if (interrupted == 0 && count < kEnough * announced) {
    throw picodet::Error(name + ": ends after " + std::to_string(count) + " of " +
                         std::to_string(static_cast<int>(announced)) + " frames; those are in " + target.string() +
                         "; fetch it again");
  }
  std::printf("%s: %d frames\n", printable(target.string()).c_str(), count);
  return interrupted != 0 ? 130 : 0;
}

}  // namespace cli
