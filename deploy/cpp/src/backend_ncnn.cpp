#include <net.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <stdexcept>

#include "backend.hpp"

namespace picodet::detail {
namespace {

// Throws if ncnn says that something failed; it writes the reason to the standard error stream itself.
void check(int status, const char* work) {
  if (status != 0) throw std::runtime_error(std::string("ncnn cannot ") + work + ", status " + std::to_string(status));
}

class NcnnRequest : public Request {
 public:
  explicit NcnnRequest(const ncnn::Net& net) : net_(net), values_(net.output_indexes().size()) {}

  void run(const std::vector<Tensor>& inputs, std::vector<Tensor>& outputs) override {
    ncnn::Extractor extractor = net_.create_extractor();
    set_input(inputs[0]);
    check(extractor.input(net_.input_indexes()[0], input_), "take the image");
    outputs.resize(values_.size());
    for (std::size_t i = 0; i < values_.size(); ++i) {
      ncnn::Mat found;
      check(extractor.extract(net_.output_indexes()[i], found), "compute an output");
      outputs[i] = copied(found, values_[i]);
    }
  }

 private:
  // Channels of ncnn begin at multiples of 16 bytes, and a network may only write to memory that it counts.
  void set_input(const Tensor& image) {
    const auto height = static_cast<int>(image.shape[2]);
    const auto width = static_cast<int>(image.shape[3]);
    input_.create(width, height, 3);
    if (input_.empty()) throw std::bad_alloc();
    const std::size_t area = static_cast<std::size_t>(height) * static_cast<std::size_t>(width);
    for (int i = 0; i < 3; ++i) {
      std::memcpy(input_.channel(i), static_cast<const float*>(image.data) + area * static_cast<std::size_t>(i),
                  area * sizeof(float));
    }
  }

  static Tensor copied(const ncnn::Mat& found, std::vector<float>& values) {
    Tensor output;
    output.type = found.elemsize == sizeof(float) && found.elempack == 1 ? Type::float32 : Type::other;
    output.rank = found.dims <= 3 ? found.dims + 1 : -1;
    output.shape = {1};
    const int sides[3] = {found.c, found.h, found.w};
    for (int i = 1; i < output.rank; ++i) output.shape[static_cast<std::size_t>(i)] = sides[3 - output.rank + i];
    if (output.rank < 1 || output.type != Type::float32) return output;
    const std::size_t area = static_cast<std::size_t>(found.h) * static_cast<std::size_t>(found.w);
    values.resize(static_cast<std::size_t>(output.size()));
    for (int i = 0; i < found.c; ++i) {
      const float* const channel = found.channel(i);
      std::copy(channel, channel + area, values.data() + area * static_cast<std::size_t>(i));
    }
    output.data = values.data();
    return output;
  }

  const ncnn::Net& net_;
  ncnn::Mat input_;
  std::vector<std::vector<float>> values_;  // of the outputs
};

class Ncnn : public Backend {
 public:
  Ncnn(const std::string& file, int threads) {
    ncnn::Option& options = net_.opt;
    options.num_threads = threads;
    options.use_vulkan_compute = false;
    options.use_fp16_packed = options.use_fp16_storage = options.use_fp16_arithmetic = options.use_bf16_storage = false;
    const std::filesystem::path path(file);
    check(net_.load_param(path.c_str()), "read the layers; its message stands above");
    check(net_.load_model(std::filesystem::path(path).replace_extension(".bin").c_str()),
          "read the weights; its message stands above");
    for (const char* name : net_.input_names()) inputs_.push_back({name, 4, {1, 3, -1, -1}, Type::float32});
  }

  [[nodiscard]] const std::vector<Port>& inputs() const override { return inputs_; }
  [[nodiscard]] std::unique_ptr<Request> make_request() override { return std::make_unique<NcnnRequest>(net_); }

 private:
  ncnn::Net net_;
  std::vector<Port> inputs_;
};

}  // namespace

std::unique_ptr<Backend> load_ncnn(const std::string& file, int threads, int /*calls*/) {
  return std::make_unique<Ncnn>(file, threads);
}

}  // namespace picodet::detail
