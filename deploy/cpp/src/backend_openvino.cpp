#include <mutex>
#include <openvino/openvino.hpp>

#if defined(__linux__)
#include <csignal>
#endif

#include "backend.hpp"

namespace picodet::detail {
namespace {

Type type_of(const ov::element::Type& type) {
  if (type == ov::element::f32) return Type::float32;
  if (type == ov::element::u8) return Type::uint8;
  if (type == ov::element::i32) return Type::int32;
  return type == ov::element::i64 ? Type::int64 : Type::other;
}

Port port_of(const ov::Output<const ov::Node>& input) {
  Port port;
  const ov::PartialShape& shape = input.get_partial_shape();
  port.name = input.get_any_name();
  port.rank = shape.rank().is_static() && shape.rank().get_length() <= 4 ? static_cast<int>(shape.rank().get_length()) : -1;
  for (int i = 0; i < port.rank; ++i) {
    port.shape[static_cast<std::size_t>(i)] = shape[i].is_static() ? shape[i].get_length() : -1;
  }
  port.type = type_of(input.get_element_type());
  return port;
}

class OpenVinoRequest : public Request {
 public:
  OpenVinoRequest(ov::CompiledModel model, std::size_t outputs)
      : request_(model.create_infer_request()), outputs_(outputs) {}

  void run(const std::vector<Tensor>& inputs, std::vector<Tensor>& outputs) override {
    given_.resize(inputs.size());
    for (std::size_t i = 0; i < inputs.size(); ++i) set_input(i, inputs[i]);
    request_.infer();
    outputs.resize(outputs_);
    for (std::size_t i = 0; i < outputs_; ++i) outputs[i] = view(request_.get_output_tensor(i));
  }

 private:
  // A tensor of the runtime around the caller's memory is made again only if that changes.
  void set_input(std::size_t i, const Tensor& input) {
    if (given_[i].data == input.data && given_[i].shape == input.shape) return;
    const ov::Shape shape(input.shape.begin(), input.shape.begin() + input.rank);
    const ov::element::Type type = input.type == Type::uint8 ? ov::element::u8 : ov::element::f32;
    request_.set_input_tensor(i, ov::Tensor(type, shape, input.data));
    given_[i] = input;
  }

  static Tensor view(const ov::Tensor& tensor) {
    Tensor output;
    output.data = const_cast<void*>(tensor.data());  // only read
    output.type = type_of(tensor.get_element_type());
    const ov::Shape& shape = tensor.get_shape();
    output.rank = shape.size() <= 4 ? static_cast<int>(shape.size()) : -1;
    for (int i = 0; i < output.rank; ++i) {
      output.shape[static_cast<std::size_t>(i)] = static_cast<std::int64_t>(shape[i]);
    }
    return output;
  }

  ov::InferRequest request_;
  std::size_t outputs_;
  std::vector<Tensor> given_;
};

// OpenVINO gives the thread that compiles a model a stack for signal handlers, and frees it with the model. Keeping the
// thread's own avoids that its next signal meets a freed one.
class KeepSignalStack {
#if defined(__linux__)
 public:
  KeepSignalStack() { sigaltstack(nullptr, &before_); }
  ~KeepSignalStack() { sigaltstack(&before_, nullptr); }
  KeepSignalStack(const KeepSignalStack&) = delete;
  KeepSignalStack& operator=(const KeepSignalStack&) = delete;

 private:
  stack_t before_{};
#endif
};

// The same model, compiled once for each call that is computed at the same time, since calls of one wait for each other.
class OpenVino : public Backend {
 public:
  OpenVino(const std::string& file, int threads, int calls) : calls_(static_cast<std::size_t>(calls)) {
    // f32, because processors that have bfloat16 would otherwise compute in it, and the scores would differ. Not pinned,
    // because all models would be pinned to the same cores.
    settings_ = {ov::inference_num_threads(threads), ov::hint::performance_mode(ov::hint::PerformanceMode::LATENCY),
                 ov::hint::enable_cpu_pinning(false), ov::hint::inference_precision(ov::element::f32)};
    [[maybe_unused]] const KeepSignalStack keep;
    source_ = core_.read_model(file);
    compiled_.push_back(core_.compile_model(source_, "CPU", settings_));
    for (const auto& input : compiled_[0].inputs()) inputs_.push_back(port_of(input));
  }

  [[nodiscard]] const std::vector<Port>& inputs() const override { return inputs_; }
  [[nodiscard]] std::unique_ptr<Request> make_request() override {
    const std::lock_guard<std::mutex> lock(mutex_);
    const std::size_t number = requests_++ % calls_;
    [[maybe_unused]] const KeepSignalStack keep;
    if (number >= compiled_.size()) compiled_.push_back(core_.compile_model(source_, "CPU", settings_));
    return std::make_unique<OpenVinoRequest>(compiled_[number], compiled_[number].outputs().size());
  }

 private:
  ov::Core core_;
  ov::AnyMap settings_;
  std::shared_ptr<ov::Model> source_;
  std::vector<ov::CompiledModel> compiled_;
  std::vector<Port> inputs_;
  std::mutex mutex_;
  std::size_t requests_ = 0, calls_;
};

}  // namespace

std::unique_ptr<Backend> load_openvino(const std::string& file, int threads, int calls) {
  return std::make_unique<OpenVino>(file, threads, calls);
}

}  // namespace picodet::detail
