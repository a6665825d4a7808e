#include <algorithm>
#include <chrono>
#include <mutex>

#include "cores.hpp"
#include "engine.hpp"
#include "model_file.hpp"
#include "picodet/picodet.hpp"
#include "tiles.hpp"

namespace picodet {

using namespace detail;

namespace {

using Clock = std::chrono::steady_clock;

double seconds(Clock::time_point from, Clock::time_point to) { return std::chrono::duration<double>(to - from).count(); }

void check_options(const Options& options) {
  if (options.threads < 0) throw Error("threads: found " + std::to_string(options.threads) + "; expected 1 or more, or 0");
  if (options.batch_size < 1) throw Error("batch_size: found " + std::to_string(options.batch_size) + "; expected 1 or more");
  if (options.threshold && !(*options.threshold >= 0 && *options.threshold <= 1)) {
    throw Error("threshold: found " + std::to_string(*options.threshold) + "; expected a score between 0 and 1");
  }
}

Config read_config(const std::string& file, const Options& options) {
  const ModelFile model = read_model_file(file);
  Config config = parse_config(model.infer_cfg, file + ": infer_cfg");
  std::transform(config.checksum.begin(), config.checksum.end(), config.checksum.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  if (!config.checksum.empty() && config.checksum != model.checksum) {
    throw Error(file + ": it or its weights are not as they were exported: damaged, or changed by a tool; copy or export "
                "them again, or remove `checksum` from its infer_cfg to use them");
  }
  if (options.threshold) std::fill(config.thresholds.begin(), config.thresholds.end(), *options.threshold);
  return config;
}

}  // namespace

class Detector::Impl {
 public:
  Impl(const std::string& model, const Options& options) : options_(options) {
    check_options(options);
    const int cores = allowed_cores();
    threads_ = options.threads != 0 ? options.threads : cores;
    Choice choice;
    try {
      choice = choose(model, options.backend);
      runtime_ = choice.runtime->name;
      file_ = choice.file;
      config_ = read_config(file_, options);
    } catch (...) {  // of the file system
      rethrow_as_error(model + ": cannot be read", "check the rights of the folder and its files");
    }
    try {
      backend_ = choice.runtime->load(file_, threads_, std::max(1, cores / threads_));
    } catch (...) {
      rethrow_as_error(file_ + ": " + runtime_ + " cannot load it", "is it a model file, and whole?");
    }
    plan_ = plan_inputs(backend_->inputs(), config_, file_);
  }

  void detect(const Image* images, std::size_t count, Detections* found, Timings* timings) {
    const std::size_t most = max_batch() != 0 ? max_batch() : static_cast<std::size_t>(options_.batch_size);
    Lease lease(*this);
    for (std::size_t start = 0; start < count; start += most) {
      run(*lease.engine, images + start, std::min(most, count - start), found + start, timings);
    }
  }

  [[nodiscard]] std::size_t max_batch() const {
    const bool is_uniform = plan_.is_fixed() || !config_.keep_ratio;
    return is_uniform ? plan_.batch : 1;
  }

  [[nodiscard]] const Config& config() const { return config_; }

  std::string runtime_, file_;
  int threads_ = 0;

 private:
  // An engine that no other thread uses until the end of the scope.
  struct Lease {
    explicit Lease(Impl& owner) : owner(owner) {
      {
        const std::lock_guard<std::mutex> lock(owner.mutex_);
        if (!owner.free_.empty()) {
          engine = std::move(owner.free_.back());
          owner.free_.pop_back();
        }
      }
      if (engine == nullptr) engine = owner.make_engine();
    }
    ~Lease() {
      const std::lock_guard<std::mutex> lock(owner.mutex_);
      owner.free_.push_back(std::move(engine));  // has room: see make_engine
    }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;

    Impl& owner;
    std::unique_ptr<Engine> engine;
  };

  std::unique_ptr<Engine> make_engine() {
    try {
      auto engine = std::make_unique<Engine>(config_, plan_, backend_->make_request());
      const std::lock_guard<std::mutex> lock(mutex_);
      free_.reserve(++engines_);
      return engine;
    } catch (...) {
      rethrow_as_error(file_ + ": " + runtime_ + " cannot prepare it", "free memory");
    }
  }

  void run(Engine& engine, const Image* images, std::size_t count, Detections* found, Timings* timings) const {
    const auto start = Clock::now();
    engine.prepare(images, count);
    const auto prepared = Clock::now();
    try {
      engine.run();
    } catch (...) {
      rethrow_as_error(file_ + ": " + runtime_ + " cannot run it", "export the model again");
    }
    const auto computed = Clock::now();
    engine.finish(found);
    if (timings == nullptr) return;
    timings->preprocess += seconds(start, prepared);
    timings->network += seconds(prepared, computed);
    timings->post += seconds(computed, Clock::now());
  }

  Options options_;
  Config config_;
  std::unique_ptr<Backend> backend_;
  InputPlan plan_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Engine>> free_;
  std::size_t engines_ = 0;
};

Detector::Detector(const std::string& model, const Options& options) : impl_(std::make_unique<Impl>(model, options)) {}
Detector::~Detector() = default;
Detector::Detector(Detector&&) noexcept = default;
Detector& Detector::operator=(Detector&&) noexcept = default;

Detections Detector::detect(const Image& image) const {
  Detections found;
  detect(&image, 1, &found);
  return found;
}

std::vector<Detections> Detector::detect(const std::vector<Image>& images) const {
  std::vector<Detections> found(images.size());
  detect(images.data(), images.size(), found.data());
  return found;
}

void Detector::detect(const Image* images, std::size_t count, Detections* found, Timings* timings) const {
  impl_->detect(images, count, found, timings);
}

Detections Detector::detect_sliced(const Image& image, const SliceOptions& options) const {
  check_image(image);
  const Size size = {image.height, image.width};
  std::vector<Window> parts = windows(size, options);
  if (options.whole && parts.size() > 1) parts.push_back({0, 0, image.width, image.height});
  const auto bytes = static_cast<std::size_t>(bytes_per_pixel(image.format));
  const std::size_t stride = image.stride != 0 ? image.stride : static_cast<std::size_t>(image.width) * bytes;
  std::vector<Image> crops;
  for (const Window& part : parts) {
    const std::size_t start = static_cast<std::size_t>(part.y1) * stride + static_cast<std::size_t>(part.x1) * bytes;
    crops.push_back({image.data + start, part.x2 - part.x1, part.y2 - part.y1, image.format, stride});
  }
  const std::vector<Detections> found = detect(crops);
  std::vector<TileDetection> boxes;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto x = static_cast<float>(parts[i].x1);
    const auto y = static_cast<float>(parts[i].y1);
    for (Detection box : found[i]) {
      box.x1 += x, box.x2 += x, box.y1 += y, box.y2 += y;
      boxes.push_back({box, i, is_cut(box, parts[i], size)});
    }
  }
  return merge(std::move(boxes), impl_->config().iou_threshold);
}

const std::vector<std::string>& Detector::labels() const { return impl_->config().labels; }
const std::string& Detector::backend() const { return impl_->runtime_; }
const std::string& Detector::file() const { return impl_->file_; }
int Detector::threads() const { return impl_->threads_; }
std::size_t Detector::max_batch_size() const { return impl_->max_batch(); }
const std::vector<float>& Detector::thresholds() const { return impl_->config().thresholds; }

std::vector<std::string> backends() {
  std::vector<std::string> names;
  for (const auto& runtime : runtimes()) names.emplace_back(runtime.name);
  return names;
}

const char* version() { return PICODET_VERSION; }

}  // namespace picodet
