// Detects objects in images, videos or a camera's pictures; --help lists the options.
#include <cstdlib>
#include <iostream>
#include <fstream>
#include <opencv2/core.hpp>

#include "draw.hpp"
#include "images.hpp"
#include "options.hpp"
#include "picodet/picodet.hpp"
#include "report.hpp"
#include "video.hpp"

namespace {

using cli::Arguments;
using picodet::Detections;

void say(const std::string& text) { std::cout << cli::printable(text) << std::endl; }
void warn(const std::string& text) { std::cerr << cli::printable(text) << std::endl; }

picodet::Image image_of(const cv::Mat& mat) {
  return {mat.data, mat.cols, mat.rows, picodet::PixelFormat::bgr, mat.step};
}

std::vector<Detections> detect(const Arguments& arguments, const picodet::Detector& detector,
                               const std::vector<cv::Mat>& mats) {
  std::vector<Detections> found;
  std::vector<picodet::Image> images;
  images.reserve(mats.size());
  found.reserve(mats.size());
  for (const cv::Mat& mat : mats) images.push_back(image_of(mat));
  if (!arguments.slice_infer) return detector.detect(images);
  const picodet::SliceOptions tiles = {arguments.slice_height, arguments.slice_width, arguments.overlap_ratio};
  for (const auto& image : images) found.push_back(detector.detect_sliced(image, tiles));
  return found;
}

// The images of one batch that could be read, and their positions.
struct Loaded {
  std::vector<std::size_t> numbers;
  std::vector<cv::Mat> mats;
};

class ImageRun {
 public:
  ImageRun(const Arguments& arguments, const picodet::Detector& detector, std::vector<std::filesystem::path> files)
      : arguments_(arguments), detector_(detector), files_(std::move(files)) {
    for (const auto& file : files_) {
      targets_.push_back(cli::result_path(arguments.output_dir, file, cli::writable_images(), ".png"));
    }
  }

  int run() {
    const auto batch = static_cast<std::size_t>(arguments_.batch_size);
    for (std::size_t start = 0; start < files_.size(); start += batch) {
      const Loaded loaded = load(start, std::min(start + batch, files_.size()));
      const std::vector<Detections> found = detect(arguments_, detector_, loaded.mats);
      for (std::size_t i = 0; i < found.size(); ++i) finish(loaded.numbers[i], loaded.mats[i], found[i]);
    }
    if (arguments_.save_results) save_entries();
    const std::size_t failed = unread_ + unwritten_;
    if (files_.size() > 1 && unread_ > 0) warn(count_of(unread_) + " could not be read");
    if (files_.size() > 1 && unwritten_ > 0) warn(count_of(unwritten_) + " could not be written");
    return failed == 0 ? 0 : failed < files_.size() ? 1 : 2;
  }

 private:
  Loaded load(std::size_t start, std::size_t end) {
    Loaded loaded;
    for (std::size_t i = start; i < end; ++i) {
      try {
        loaded.mats.push_back(cli::read_image(files_[i]));
        loaded.numbers.push_back(i);
      } catch (const picodet::Error& error) {
        warn(std::string("error: ") + error.what());
        ++unread_;
      }
    }
    return loaded;
  }

  void finish(std::size_t i, cv::Mat image, const Detections& found) {
    cli::add_entries(entries_, i, files_[i].filename().string(), found, detector_.labels());
    if (arguments_.save_images) {
      try {
        cli::draw(image, found, detector_.labels());
        cli::write_image(targets_[i], image);
      } catch (const picodet::Error& error) {
        warn(std::string("error: ") + error.what());
        ++unwritten_;
        return;
      }
    }
    const auto& shown = arguments_.save_images ? targets_[i] : files_[i];
    say(shown.string() + ": " + std::to_string(found.size()) + " boxes");
  }

  void save_entries() {
    const std::string text = entries_.dump(-1, ' ', true, nlohmann::ordered_json::error_handler_t::replace);
    cli::write_whole(std::filesystem::path(arguments_.output_dir) / "bbox.json", [&text](const std::string& temporary) {
      std::ofstream stream(temporary);
      stream << text;
      stream.close();
      if (!stream) throw std::system_error(errno, std::generic_category());
    });
  }

  [[nodiscard]] std::string count_of(std::size_t count) const {
    return "error: " + std::to_string(count) + " of " + std::to_string(files_.size()) + " images";
  }

  const Arguments& arguments_;
  const picodet::Detector& detector_;
  std::vector<std::filesystem::path> files_, targets_;
  nlohmann::ordered_json entries_ = nlohmann::ordered_json::array();
  std::size_t unread_ = 0, unwritten_ = 0;
};

std::string describe(const picodet::Detector& detector) {
  const auto [low, high] = std::minmax_element(detector.thresholds().begin(), detector.thresholds().end());
  char text[80];
  if (*low == *high) {
    static_cast<void>(std::snprintf(text, sizeof text, "threshold %.2f", *low));
  } else {
    static_cast<void>(std::snprintf(text, sizeof text, "thresholds of the classes %.2f to %.2f", *low, *high));
  }
  return detector.file() + ": " + detector.backend() + ", " + std::to_string(detector.threads()) + " threads, " + text;
}

int run(const Arguments& arguments) {
  std::string unused;
  for (const auto& flag : arguments.without_effect) unused += (unused.empty() ? "" : ", ") + flag;
  if (!unused.empty()) warn("notice: no effect here: " + unused + "; it runs on the CPU");
  picodet::Options options;
  options.backend = arguments.backend;
  options.threads = arguments.threads;
  options.threshold = arguments.threshold;
  options.batch_size = arguments.batch_size;
  const picodet::Detector detector(arguments.model, options);
  say(describe(detector));
  cv::setNumThreads(detector.threads());
  if (!arguments.video_file.empty() || arguments.camera_id) {
    return cli::draw_video(arguments, [&](cv::Mat& frame) {
      cli::draw(frame, detect(arguments, detector, {frame})[0], detector.labels());
    });
  }
  const auto files = cli::list_images(arguments.image.empty() ? arguments.image_dir : arguments.image);
  if (!arguments.benchmark) return ImageRun(arguments, detector, files).run();
  if (detector.max_batch_size() != 0 && static_cast<std::size_t>(arguments.batch_size) > detector.max_batch_size()) {
    throw picodet::Error("--batch_size: found " + std::to_string(arguments.batch_size) + "; " + detector.file() +
                         " takes at most " + std::to_string(detector.max_batch_size()) + " at a time; give that");
  }
  cli::benchmark(detector, files, arguments.batch_size);
  return 0;
}

}  // namespace

int main(int count, char** values) {
  setenv("OPENCV_IO_MAX_IMAGE_PIXELS", "180000000", 0);  // 540 MB decoded; larger than any camera's pictures
  setenv("OPENCV_LOG_LEVEL", "SILENT", 0);
  try {
    const auto arguments = cli::parse_arguments(count, values);
    return arguments ? run(*arguments) : 0;
  } catch (const std::exception& error) {
    warn(std::string("error: ") + error.what());
    return 2;
  }
}
