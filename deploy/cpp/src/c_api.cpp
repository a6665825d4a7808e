#include <algorithm>
#include <cstring>
#include <mutex>
#include <utility>

#include "picodet/picodet.h"
#include "picodet/picodet.hpp"

struct picodet_detector {
  picodet::Detector detector;
  std::mutex mutex;
  std::vector<picodet::Detections> spare;  // memory of earlier calls
};

namespace {

void write_message(const char* message, char* error, size_t size) {
  if (error == nullptr || size == 0) return;
  size_t length = std::min(std::strlen(message), size - 1);
  while (length > 0 && (static_cast<unsigned char>(message[length]) & 0xC0U) == 0x80U) --length;  // whole letters of UTF-8
  std::memcpy(error, message, length);
  error[length] = '\0';
}

// The result of `work`, or `failed` after an exception, whose message is written to `error`.
template <typename Work, typename Result>
Result guarded(Work work, Result failed, char* error, size_t size) noexcept {
  try {
    return work();
  } catch (const std::exception& problem) {
    write_message(problem.what(), error, size);
  } catch (...) {
    write_message("unknown error", error, size);
  }
  return failed;
}

picodet::Image image_of(const picodet_image& image) {
  if (image.format < PICODET_BGR || image.format > PICODET_GRAY) {
    throw picodet::Error("image: found format " + std::to_string(image.format) + "; expected one of picodet.h");
  }
  return {image.data, image.width, image.height, static_cast<picodet::PixelFormat>(image.format), image.stride};
}

int64_t detect(picodet_detector& handle, const picodet_image& image, picodet_detection* found, size_t capacity) {
  picodet::Detections boxes;
  {
    const std::lock_guard<std::mutex> lock(handle.mutex);
    if (!handle.spare.empty()) {
      boxes = std::move(handle.spare.back());
      handle.spare.pop_back();
    }
  }
  const picodet::Image pixels = image_of(image);
  handle.detector.detect(&pixels, 1, &boxes);
  for (size_t i = 0; i < std::min(boxes.size(), capacity); ++i) {
    const picodet::Detection& box = boxes[i];
    found[i] = {box.x1, box.y1, box.x2, box.y2, box.score, box.class_id};
  }
  const auto count = static_cast<int64_t>(boxes.size());
  const std::lock_guard<std::mutex> lock(handle.mutex);
  handle.spare.push_back(std::move(boxes));
  return count;
}

}  // namespace

picodet_detector* picodet_create(const char* model, const char* backend, int32_t threads, float threshold, char* error,
                                 size_t error_size) {
  const auto work = [&]() -> picodet_detector* {
    if (model == nullptr) throw picodet::Error("model: found NULL; expected a path");
    picodet::Options options;
    if (backend != nullptr) options.backend = backend;
    options.threads = threads;
    if (!(threshold < 0)) options.threshold = threshold;
    return new picodet_detector{picodet::Detector(model, options), {}, {}};
  };
  return guarded(work, static_cast<picodet_detector*>(nullptr), error, error_size);
}

void picodet_destroy(picodet_detector* detector) { delete detector; }

int64_t picodet_detect(picodet_detector* detector, const picodet_image* image, picodet_detection* found, size_t capacity,
                       char* error, size_t error_size) {
  const auto work = [&]() -> int64_t {
    if (detector == nullptr || image == nullptr || (found == nullptr && capacity > 0)) {
      throw picodet::Error("picodet_detect: found NULL; expected a detector, an image and memory for objects");
    }
    return detect(*detector, *image, found, capacity);
  };
  return guarded(work, int64_t{-1}, error, error_size);
}

int32_t picodet_num_classes(const picodet_detector* detector) {
  return detector == nullptr ? 0 : static_cast<int32_t>(detector->detector.labels().size());
}

const char* picodet_label(const picodet_detector* detector, int32_t class_id) {
  if (class_id < 0 || class_id >= picodet_num_classes(detector)) return nullptr;
  return detector->detector.labels()[static_cast<size_t>(class_id)].c_str();
}

const char* picodet_backend(const picodet_detector* detector) {
  return detector == nullptr ? nullptr : detector->detector.backend().c_str();
}

const char* picodet_version(void) { return picodet::version(); }
