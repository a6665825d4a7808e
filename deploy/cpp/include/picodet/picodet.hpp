// Detects objects with an exported PicoDet:
//
//   picodet::Detector detector("output_inference/picodet_xs_320_coco_lcnet/model.onnx");
//   for (const auto& found : detector.detect({pixels, width, height}))
//     std::cout << detector.labels()[found.class_id] << ' ' << found.score << '\n';
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#if defined(_WIN32)
#define PICODET_API
#else
#define PICODET_API __attribute__((visibility("default")))
#endif

namespace picodet {

// A mistake that the user can correct. The message is one line: what it is about, what was found, what to do.
class PICODET_API Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

enum class PixelFormat { bgr, rgb, bgra, rgba, gray };

// An image of 8-bit pixels that the caller owns. OpenCV: {mat.data, mat.cols, mat.rows, PixelFormat::bgr, mat.step}.
struct Image {
  const std::uint8_t* data = nullptr;
  int width = 0;
  int height = 0;
  PixelFormat format = PixelFormat::bgr;
  std::size_t stride = 0;  // bytes from one row to the next; 0: rows follow each other
};

// An object. Corners are in pixels of the original image and may reach a little beyond its edges.
struct Detection {
  float x1 = 0, y1 = 0, x2 = 0, y2 = 0;
  float score = 0;   // 0..1
  int class_id = 0;  // index in Detector::labels()
};

using Detections = std::vector<Detection>;  // of one image, the most confident first

struct Options {
  std::string backend = "auto";    // openvino, onnxruntime or ncnn; auto: the first that was built in and has a file
  int threads = 0;                 // that compute the network; 0: one for each processor core
  std::optional<float> threshold;  // lowest score; none: the model's, one for each class if it has them, else 0.5
  int batch_size = 8;              // images of a list that are computed together, if the model takes any number
};

struct SliceOptions {
  int height = 640, width = 640;  // of a tile, pixels
  double overlap = 0.25;          // share of their sides that neighboring tiles have in common, 0 to 0.9
  bool whole = true;              // whether to detect in the image as a whole too
};

// Seconds that the stages of a call took.
struct Timings {
  double preprocess = 0, network = 0, post = 0;
};

// An exported model, loaded once, with all that has to happen before and after it.
//
// Threads may share a Detector: each call takes a free request of the runtime from a pool, which grows to the number
// of calls at a time. After the first call with images of a size, calls that are given `found` allocate nothing
// outside of the runtime. Constructors and methods throw Error, or std::bad_alloc if memory runs out.
class PICODET_API Detector {
 public:
  // model: the folder of an export, or a file of it: .onnx, .xml or .param.
  explicit Detector(const std::string& model, const Options& options = {});
  ~Detector();
  Detector(Detector&&) noexcept;
  Detector& operator=(Detector&&) noexcept;

  [[nodiscard]] Detections detect(const Image& image) const;
  [[nodiscard]] std::vector<Detections> detect(const std::vector<Image>& images) const;

  // Replaces the contents of `found`, [count], whose memory is used again.
  void detect(const Image* images, std::size_t count, Detections* found, Timings* timings = nullptr) const;

  // Detects small objects of one large image, in tiles.
  [[nodiscard]] Detections detect_sliced(const Image& image, const SliceOptions& options = {}) const;

  [[nodiscard]] const std::vector<std::string>& labels() const;
  [[nodiscard]] const std::string& backend() const;            // its name
  [[nodiscard]] const std::string& file() const;               // the model's
  [[nodiscard]] int threads() const;                           // that compute the network
  [[nodiscard]] std::size_t max_batch_size() const;            // 0: any number
  [[nodiscard]] const std::vector<float>& thresholds() const;  // the lowest score of each class

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// The names of the back ends that were built in, the preferred first.
PICODET_API std::vector<std::string> backends();

PICODET_API const char* version();

}  // namespace picodet
