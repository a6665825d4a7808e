#include <onnxruntime_c_api.h>

#include <filesystem>
#include <stdexcept>

#include "backend.hpp"

namespace picodet::detail {
namespace {

const OrtApi& api() {
  static const OrtApi* const table = OrtGetApiBase()->GetApi(ORT_API_VERSION);
  if (table == nullptr) {
    throw std::runtime_error(std::string("ONNX Runtime ") + OrtGetApiBase()->GetVersionString() +
                             " is older than the headers that this library was built with");
  }
  return *table;
}

void check(OrtStatus* status) {
  if (status == nullptr) return;
  const std::string message = api().GetErrorMessage(status);
  api().ReleaseStatus(status);
  throw std::runtime_error(message);
}

#define PICODET_ORT_DELETER(Name) \
  struct Delete##Name {           \
    void operator()(Ort##Name* object) const { api().Release##Name(object); } \
  };                              \
  using Name##Ptr = std::unique_ptr<Ort##Name, Delete##Name>;

PICODET_ORT_DELETER(Env)
PICODET_ORT_DELETER(Session)
PICODET_ORT_DELETER(SessionOptions)
PICODET_ORT_DELETER(MemoryInfo)
PICODET_ORT_DELETER(Value)
PICODET_ORT_DELETER(TypeInfo)
PICODET_ORT_DELETER(TensorTypeAndShapeInfo)
#undef PICODET_ORT_DELETER

Type type_of(ONNXTensorElementDataType type) {
  switch (type) {
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT:
      return Type::float32;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8:
      return Type::uint8;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32:
      return Type::int32;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64:
      return Type::int64;
    default:
      return Type::other;
  }
}

// Sets type, rank and shape of a Port or a Tensor; a rank beyond 4 becomes -1.
template <typename T>
void set_shape(T& target, const OrtTensorTypeAndShapeInfo* info) {
  ONNXTensorElementDataType type = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
  std::size_t rank = 0;
  check(api().GetTensorElementType(info, &type));
  check(api().GetDimensionsCount(info, &rank));
  target.type = type_of(type);
  target.rank = rank <= 4 ? static_cast<int>(rank) : -1;
  if (target.rank > 0) check(api().GetDimensions(info, target.shape.data(), rank));
}

class OnnxRuntime;

class OnnxRuntimeRequest : public Request {
 public:
  explicit OnnxRuntimeRequest(const OnnxRuntime& model);
  void run(const std::vector<Tensor>& inputs, std::vector<Tensor>& outputs) override;

 private:
  void set_input(std::size_t i, const Tensor& input);
  static Tensor view(OrtValue* value);

  const OnnxRuntime& model_;
  MemoryInfoPtr memory_;
  std::vector<Tensor> given_;
  std::vector<ValuePtr> inputs_;
  std::vector<const OrtValue*> raw_inputs_;
  std::vector<OrtValue*> raw_outputs_;
  std::vector<ValuePtr> outputs_;
};

class OnnxRuntime : public Backend {
 public:
  OnnxRuntime(const std::string& file, int threads) {
    OrtEnv* env = nullptr;
    check(api().CreateEnv(ORT_LOGGING_LEVEL_ERROR, "picodet", &env));
    env_.reset(env);
    OrtSessionOptions* options = nullptr;
    check(api().CreateSessionOptions(&options));
    const SessionOptionsPtr owned(options);
    check(api().SetIntraOpNumThreads(options, threads));
    check(api().SetInterOpNumThreads(options, 1));
    check(api().SetSessionLogSeverityLevel(options, ORT_LOGGING_LEVEL_ERROR));
    OrtSession* session = nullptr;
    check(api().CreateSession(env, std::filesystem::path(file).c_str(), options, &session));
    session_.reset(session);
    read_ports();
  }

  [[nodiscard]] const std::vector<Port>& inputs() const override { return inputs_; }
  [[nodiscard]] std::unique_ptr<Request> make_request() override {
    return std::make_unique<OnnxRuntimeRequest>(*this);
  }

  [[nodiscard]] OrtSession* session() const { return session_.get(); }
  [[nodiscard]] const std::vector<const char*>& input_names() const { return raw_input_names_; }
  [[nodiscard]] const std::vector<const char*>& output_names() const { return raw_output_names_; }

 private:
  void read_ports() {
    OrtAllocator* allocator = nullptr;
    check(api().GetAllocatorWithDefaultOptions(&allocator));
    const auto take = [allocator](char* text) {
      std::string name = text;
      check(api().AllocatorFree(allocator, text));
      return name;
    };
    std::size_t count = 0;
    char* text = nullptr;
    check(api().SessionGetInputCount(session_.get(), &count));
    for (std::size_t i = 0; i < count; ++i) {
      check(api().SessionGetInputName(session_.get(), i, allocator, &text));
      inputs_.push_back(port(i, take(text)));
    }
    check(api().SessionGetOutputCount(session_.get(), &count));
    for (std::size_t i = 0; i < count; ++i) {
      check(api().SessionGetOutputName(session_.get(), i, allocator, &text));
      output_names_.push_back(take(text));
    }
    for (const Port& each : inputs_) raw_input_names_.push_back(each.name.c_str());
    for (const std::string& name : output_names_) raw_output_names_.push_back(name.c_str());
  }

  [[nodiscard]] Port port(std::size_t i, std::string name) const {
    Port port;
    port.name = std::move(name);
    OrtTypeInfo* type = nullptr;
    check(api().SessionGetInputTypeInfo(session_.get(), i, &type));
    const TypeInfoPtr owned(type);
    const OrtTensorTypeAndShapeInfo* info = nullptr;
    check(api().CastTypeInfoToTensorInfo(type, &info));
    if (info != nullptr) set_shape(port, info);
    return port;
  }

  EnvPtr env_;
  SessionPtr session_;
  std::vector<Port> inputs_;
  std::vector<std::string> output_names_;
  std::vector<const char*> raw_input_names_, raw_output_names_;
};

OnnxRuntimeRequest::OnnxRuntimeRequest(const OnnxRuntime& model) : model_(model) {
  OrtMemoryInfo* memory = nullptr;
  check(api().CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory));
  memory_.reset(memory);
  const std::size_t inputs = model.inputs().size();
  const std::size_t outputs = model.output_names().size();
  given_.resize(inputs), inputs_.resize(inputs), raw_inputs_.resize(inputs);
  outputs_.resize(outputs), raw_outputs_.resize(outputs);
}

void OnnxRuntimeRequest::run(const std::vector<Tensor>& inputs, std::vector<Tensor>& outputs) {
  for (std::size_t i = 0; i < inputs.size(); ++i) set_input(i, inputs[i]);
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    outputs_[i].reset();
    raw_outputs_[i] = nullptr;
  }
  check(api().Run(model_.session(), nullptr, model_.input_names().data(), raw_inputs_.data(), raw_inputs_.size(),
                  model_.output_names().data(), raw_outputs_.size(), raw_outputs_.data()));
  for (std::size_t i = 0; i < outputs_.size(); ++i) outputs_[i].reset(raw_outputs_[i]);
  outputs.resize(outputs_.size());
  for (std::size_t i = 0; i < outputs_.size(); ++i) outputs[i] = view(raw_outputs_[i]);
}

// A value of the runtime around the caller's memory is made again only if that changes.
void OnnxRuntimeRequest::set_input(std::size_t i, const Tensor& input) {
  if (given_[i].data == input.data && given_[i].shape == input.shape) return;
  const bool is_bytes = input.type == Type::uint8;
  const std::size_t bytes = static_cast<std::size_t>(input.size()) * (is_bytes ? 1 : sizeof(float));
  OrtValue* value = nullptr;
  check(api().CreateTensorWithDataAsOrtValue(
      memory_.get(), input.data, bytes, input.shape.data(), static_cast<std::size_t>(input.rank),
      is_bytes ? ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8 : ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, &value));
  inputs_[i].reset(value);
  raw_inputs_[i] = value;
  given_[i] = input;
}

Tensor OnnxRuntimeRequest::view(OrtValue* value) {
  int is_tensor = 0;
  check(api().IsTensor(value, &is_tensor));
  if (is_tensor == 0) throw std::runtime_error("an output is no tensor");
  Tensor output;
  OrtTensorTypeAndShapeInfo* info = nullptr;
  check(api().GetTensorTypeAndShape(value, &info));
  const TensorTypeAndShapeInfoPtr owned(info);
  set_shape(output, info);
  check(api().GetTensorMutableData(value, &output.data));
  return output;
}

}  // namespace

std::unique_ptr<Backend> load_onnxruntime(const std::string& file, int threads, int /*calls*/) {
  return std::make_unique<OnnxRuntime>(file, threads);
}

}  // namespace picodet::detail
