#include "report.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "images.hpp"

namespace cli {
namespace {

constexpr int kRepeats = 100, kWarmUp = 3;

using Clock = std::chrono::steady_clock;

// The value below which `share` of the values lie.
double percentile(std::vector<double> values, double share) {
  const double at = share * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  std::sort(values.begin(), values.end());
  const double next = values[std::min(below + 1, values.size() - 1)];
  return values[below] + (at - static_cast<double>(below)) * (next - values[below]);
}

}  // namespace

void add_entries(nlohmann::ordered_json& entries, std::size_t image_id, const std::string& file_name,
                 const picodet::Detections& found, const std::vector<std::string>& labels) {
  for (const picodet::Detection& box : found) {
    const double x1 = box.x1;
    const double y1 = box.y1;
    entries.push_back({{"image_id", image_id},
                       {"file_name", file_name},
                       {"category_id", box.class_id},
                       {"category", labels[static_cast<std::size_t>(box.class_id)]},
                       {"bbox", {x1, y1, box.x2 - x1, box.y2 - y1}},
                       {"score", static_cast<double>(box.score)}});
  }
}

void benchmark(const picodet::Detector& detector, const std::vector<std::filesystem::path>& files, int batch_size) {
  const auto batch = static_cast<std::size_t>(batch_size);
  std::vector<picodet::Detections> found(batch);
  std::vector<double> stages[5];
  for (int repeat = -kWarmUp; repeat < kRepeats; ++repeat) {
    std::vector<cv::Mat> mats;
    std::vector<picodet::Image> images;
    const auto start = Clock::now();
    for (std::size_t i = 0; i < batch; ++i) {
      const std::size_t turn = static_cast<std::size_t>(repeat + kWarmUp) * batch + i;
      mats.push_back(read_image(files[turn % files.size()]));
      images.push_back({mats[i].data, mats[i].cols, mats[i].rows, picodet::PixelFormat::bgr, mats[i].step});
    }
    const double decode = std::chrono::duration<double>(Clock::now() - start).count();
    picodet::Timings timings;
    detector.detect(images.data(), images.size(), found.data(), &timings);
    const double total = std::chrono::duration<double>(Clock::now() - start).count();
    const double seconds[5] = {decode, timings.preprocess, timings.network, timings.post, total};
    if (repeat < 0) continue;
    for (std::size_t i = 0; i < 5; ++i) stages[i].push_back(1000 * seconds[i] / static_cast<double>(batch));
  }
  std::printf("backend      threads  batch  decode         preprocess     network        post           total\n");
  std::printf("%-11s  %7d  %5d", detector.backend().c_str(), detector.threads(), batch_size);
  for (const auto& stage : stages) std::printf("  %5.2f (%5.2f)", percentile(stage, 0.5), percentile(stage, 0.9));
  std::printf("\n");
}

}  // namespace cli
