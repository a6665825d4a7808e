// Kernels: those that Paddle does not replace by its CPU kernels, or replaces by handing them device addresses, and those
// that write in place on every real device. Where Paddle passes references these take pointers: the calls are the same.
#pragma once
#include <cmath>

#include "memory.h"
#include "paddle/phi/capi/include/c_kernel_registry.h"

namespace kernels {

using Context = const PD_DeviceContext*;
using Tensors = std::vector<PD_Tensor*>;

struct View {
  char* bytes;
  std::vector<int64_t> dims, strides;
  int64_t count;
  C_DataType type;

  float* floats() const { return reinterpret_cast<float*>(bytes); }
};

inline thread_local PD_Status status;  // errors are exceptions

inline C_DataType TypeOf(const PD_Tensor* tensor) { return PD_TensorGetPDDataType(tensor, &status); }

inline View Of(const PD_Tensor* tensor) {
  View view{nullptr, {}, {}, PD_TensorGetElementCount(tensor, &status), TypeOf(tensor)};
  for (int64_t i = 0; i < PD_TensorGetNumDims(tensor, &status); ++i) {
    view.dims.push_back(PD_TensorGetDim(tensor, i, &status));
    view.strides.push_back(PD_TensorGetStride(tensor, i, &status));
  }
  if (view.count) view.bytes = Bytes(PD_TensorGetDataPointer(tensor, &status));
  return view;
}

// Memory of the context's device, the host's without a context; what the tensor has already if that is enough.
inline View Allocated(Context context, PD_Tensor* tensor, C_DataType type) {
  PD_DeviceContextAllocateTensor(context, tensor, 0, type, &status);
  return Of(tensor);
}

// Calls with the place of every element, in elements, in two tensors of the same dimensions.
template <typename Call>
void ForEach(const std::vector<int64_t>& dims, const std::vector<int64_t>& a, const std::vector<int64_t>& b, Call call) {
  int64_t count = 1;
  for (int64_t dim : dims) count *= dim;
  std::vector<int64_t> index(dims.size(), 0);
  for (int64_t i = 0; i < count; ++i) {
    int64_t in_a = 0, in_b = 0;
    for (size_t d = 0; d < dims.size(); ++d) in_a += index[d] * a[d], in_b += index[d] * b[d];
    call(i, in_a, in_b);
    for (size_t d = dims.size(); d-- > 0 && ++index[d] == dims[d];) index[d] = 0;
  }
}

inline void CopyElements(const View& from, const View& to) {
  const size_t size = SizeOf(from.type);
  ForEach(from.dims, from.strides, to.strides, [&](int64_t, int64_t in_from, int64_t in_to) {
    std::memcpy(to.bytes + in_to * size, from.bytes + in_from * size, size);
  });
}

inline void Contiguous(Context context, const PD_Tensor* in, PD_Tensor* out) {
  const View from = Of(in);
  std::vector<int64_t> strides(from.dims.size(), 1);
  for (size_t i = strides.size(); i-- > 1;) strides[i - 1] = strides[i] * from.dims[i];
  if (!from.count) strides = from.dims;  // what Paddle calls dense: it would call this kernel for ever
  PD_TensorSetStrides(out, strides.size(), strides.data(), &status);
  PD_TensorSetOffset(out, 0, &status);
  CopyElements(from, Allocated(context, out, from.type));
}

inline void StridedCopy(Context, const PD_Tensor* in, const std::vector<int64_t>* dims,
                        const std::vector<int64_t>* strides, int64_t offset, PD_Tensor* out) {
  PD_TensorSetDims(out, dims->size(), dims->data(), &status);
  PD_TensorSetStrides(out, strides->size(), strides->data(), &status);
  PD_TensorSetOffset(out, offset, &status);
  CopyElements(Of(in), Of(out));
}

inline void Assign(Context context, const PD_Tensor* in, PD_Tensor* out) {
  CopyElements(Of(in), Allocated(context, out, TypeOf(in)));
}

inline void Fill(Context context, const PD_Tensor*, PD_Scalar* value, PD_Tensor* out) {
  const View to = Allocated(context, out, TypeOf(out));
  const double number = PD_ScalarGetFloat64Data(value);
  if (to.type == FLOAT32) std::fill_n(to.floats(), to.count, number);
  if (to.type == INT32) std::fill_n(reinterpret_cast<int32_t*>(to.bytes), to.count, number);
  if (to.type == INT64) std::fill_n(reinterpret_cast<int64_t*>(to.bytes), to.count, number);
  if (SizeOf(to.type) == 1) std::fill_n(to.bytes, to.count, number);
}

inline void Full(Context context, PD_IntArray* shape, PD_Scalar* value, int, PD_Tensor* out) {
  const PD_List dims = PD_IntArrayGetDataPointer(shape);
  PD_TensorSetDims(out, dims.size, static_cast<int64_t*>(dims.data), &status);
  Fill(context, nullptr, value, out);
}

inline void Add(Context context, const PD_Tensor* x, const PD_Tensor* y, PD_Tensor* out) {
  View a = Of(x), b = Of(y);  // before the sum gets its memory, which may be theirs
  const View to = Allocated(context, out, FLOAT32);
  for (View* part : {&a, &b}) {  // spread over the sum's dimensions
    for (size_t d = 0; d < part->dims.size(); ++d)
      if (part->dims[d] == 1) part->strides[d] = 0;
    part->strides.insert(part->strides.begin(), to.dims.size() - part->dims.size(), 0);
  }
  ForEach(to.dims, a.strides, b.strides,
          [&](int64_t i, int64_t in_a, int64_t in_b) { to.floats()[i] = a.floats()[in_a] + b.floats()[in_b]; });
}

inline void CopyToHost(Context, const PD_Tensor* in, int, PD_Tensor* out) {
  const View from = Of(in);
  void* to = PD_DeviceContextAllocateTensor(nullptr, out, 0, from.type, &status);
  if (from.count) std::memcpy(to, from.bytes, from.count * SizeOf(from.type));
}

inline void CopyToDevice(Context context, const PD_Tensor* in, int, PD_Tensor* out) {
  const View to = Allocated(context, out, TypeOf(in));
  if (to.count) std::memcpy(to.bytes, PD_TensorGetDataPointer(in, &status), to.count * SizeOf(to.type));
}

// The same bytes as another type. Paddle 3 has it for every plug-in, Paddle 2.6 for none.
inline void ViewAs(Context, const PD_Tensor* in, int paddles_number, PD_Tensor* out) {
  View view = Of(in);
  const C_DataType type = PD_DatatTypeAttr(&paddles_number);
  if (!view.dims.empty()) view.dims.back() = view.dims.back() * SizeOf(view.type) / SizeOf(type);
  PD_TensorShareDataWith(out, in, &status);
  PD_TensorSetDataType(out, type, &status);
  PD_TensorSetDims(out, view.dims.size(), view.dims.data(), &status);
}

struct Norm {
  float mean = 0, variance = 0;
};

inline Norm Measure(const View& x, int64_t channel) {
  const int64_t images = x.dims[0], channels = x.dims[1], pixels = x.count / images / channels;
  double sum = 0, squares = 0;
  for (int64_t image = 0; image < images; ++image)
    for (int64_t i = 0; i < pixels; ++i) sum += x.floats()[(image * channels + channel) * pixels + i];
  const double mean = sum / (images * pixels);
  for (int64_t image = 0; image < images; ++image)
    for (int64_t i = 0; i < pixels; ++i) {
      const double distance = x.floats()[(image * channels + channel) * pixels + i] - mean;
      squares += distance * distance;
    }
  return {static_cast<float>(mean), static_cast<float>(squares / (images * pixels))};
}

// Of [N, C, ...]; the running statistics are updated in place.
inline void BatchNorm(Context context, const PD_Tensor* in, const PD_Tensor* mean, const PD_Tensor* variance,
                      PD_Tensor* scale, PD_Tensor* bias, bool is_test, float momentum, float epsilon, const std::string*,
                      bool use_global, bool, PD_Tensor* out, PD_Tensor* mean_out, PD_Tensor* variance_out,
                      PD_Tensor* saved_mean, PD_Tensor* saved_variance, PD_Tensor*) {
  const View x = Of(in), y = Allocated(context, out, FLOAT32);
  const View old_mean = Of(mean), old_variance = Of(variance);
  const View running_mean = Allocated(context, mean_out, FLOAT32);
  const View running_variance = Allocated(context, variance_out, FLOAT32);
  const View batch_mean = Allocated(context, saved_mean, FLOAT32);
  const View batch_inverse = Allocated(context, saved_variance, FLOAT32);
  const View factor = Of(PD_OptionalTensorGetPointer(scale)), shift = Of(PD_OptionalTensorGetPointer(bias));
  const int64_t images = x.dims[0], channels = x.dims[1], pixels = x.count / images / channels;
  for (int64_t c = 0; c < channels; ++c) {
    Norm norm{old_mean.floats()[c], old_variance.floats()[c]};
    if (!is_test && !use_global) {
      const Norm own = Measure(x, c);
      running_mean.floats()[c] = norm.mean * momentum + own.mean * (1 - momentum);
      running_variance.floats()[c] = norm.variance * momentum + own.variance * (1 - momentum);
      norm = own;
    }
    const float inverse = 1 / std::sqrt(norm.variance + epsilon);
    batch_mean.floats()[c] = norm.mean;
    batch_inverse.floats()[c] = inverse;
    for (int64_t image = 0; image < images; ++image)
      for (int64_t i = (image * channels + c) * pixels, end = i + pixels; i < end; ++i)
        y.floats()[i] = (x.floats()[i] - norm.mean) * inverse * factor.floats()[c] + shift.floats()[c];
  }
}

inline void MergedMomentum(Context, const Tensors* weights, const Tensors* gradients, const Tensors* velocities,
                           const Tensors* rates, const void*, float momentum, bool nesterov,
                           const std::vector<std::string>* decays, const std::vector<float>* factors, bool, float rescale,
                           Tensors*, Tensors*, Tensors*) {
  for (size_t at = 0; at < weights->size(); ++at) {
    const View weight = Of((*weights)[at]), gradient = Of((*gradients)[at]), velocity = Of((*velocities)[at]);
    const float rate = *Of((*rates)[rates->size() > 1 ? at : 0]).floats();
    const float decay = !decays->empty() && (*decays)[at] == "l2_decay" ? (*factors)[at] : 0;
    for (int64_t i = 0; i < weight.count; ++i) {
      const float g = gradient.floats()[i] * rescale + decay * weight.floats()[i];
      const float v = velocity.floats()[i] = momentum * velocity.floats()[i] + g;
      weight.floats()[i] -= rate * (nesterov ? g + momentum * v : v);
    }
  }
}

// ---- Registration

// Calls `kernel` after counting it under the name that `name_of` holds.
template <auto kernel>
struct Counted;
template <typename... Arguments, void (*kernel)(Arguments...)>
struct Counted<kernel> {
  inline static const char* name = "";
  static void Call(Arguments... arguments) {
    traffic.AddLaunch(name);
    kernel(arguments...);
  }
};

using Kinds = std::vector<PD_KernelArgumentType>;
using InGraph = void (*)(PD_KernelContext*);
inline const std::vector<C_DataType> kAll{BOOL,  UINT8,   INT8,     INT16,   INT32,
                                          INT64, FLOAT16, BFLOAT16, FLOAT32, FLOAT64};
inline const std::vector<C_DataType> kFilled{BOOL, UINT8, INT8, INT32, INT64, FLOAT32};

template <auto kernel>
void Register(const char* name, const std::vector<C_DataType>& types, Kinds inputs, Kinds attributes,
              InGraph in_graph = nullptr, Kinds outputs = {PD_ARG_TYPE_TENSOR}) {
  Counted<kernel>::name = name;
  for (C_DataType type : types)
    PD_RegisterPhiKernel(name, kType.c_str(), type, ALL_LAYOUT, inputs.size(), inputs.data(), attributes.size(),
                         attributes.data(), outputs.size(), outputs.data(), [](const PD_KernelKey*, PD_Kernel*) {},
                         in_graph, reinterpret_cast<void*>(Counted<kernel>::Call));
}

inline Context ContextOf(PD_KernelContext* c) { return PD_KernelContextGetDeviceContext(c); }
inline PD_Tensor* In(PD_KernelContext* c, size_t i = 0) { return PD_KernelContextInputAt(c, i); }
inline PD_Tensor* Out(PD_KernelContext* c) { return PD_KernelContextOutputAt(c, 0); }

inline void RegisterAll() {
  const auto tensor = PD_ARG_TYPE_TENSOR, list = PD_ARG_TYPE_LIST_TENSOR;
  const auto flag = PD_ARG_TYPE_BOOL, number = PD_ARG_TYPE_FLOAT32;
  Register<Contiguous>("contiguous", kAll, {tensor}, {},
                       [](PD_KernelContext* c) { Contiguous(ContextOf(c), In(c), Out(c)); });
  Register<StridedCopy>("strided_copy", kAll, {tensor},
                        {PD_ARG_TYPE_LIST_INT64, PD_ARG_TYPE_LIST_INT64, PD_ARG_TYPE_INT64});
  Register<Fill>("fill", kFilled, {tensor}, {PD_ARG_TYPE_SCALAR});
  Register<Full>("full", kFilled, {}, {PD_ARG_TYPE_INT_ARRAY, PD_ARG_TYPE_SCALAR, PD_ARG_TYPE_DATA_TYPE},
                 [](PD_KernelContext* c) {
                   Full(ContextOf(c), PD_KernelContextIntArrayAttrAt(c, 0), PD_KernelContextScalarAttrAt(c, 1), 0, Out(c));
                 });
  Register<Add>("add", {FLOAT32}, {tensor, tensor}, {},
                [](PD_KernelContext* c) { Add(ContextOf(c), In(c), In(c, 1), Out(c)); });
  Register<CopyToHost>("memcpy_d2h", kAll, {tensor}, {PD_ARG_TYPE_INT32},
                       [](PD_KernelContext* c) { CopyToHost(ContextOf(c), In(c), 0, Out(c)); });
  Register<CopyToDevice>("memcpy_h2d", kAll, {tensor}, {PD_ARG_TYPE_INT32},
                         [](PD_KernelContext* c) { CopyToDevice(ContextOf(c), In(c), 0, Out(c)); });
  if (PADDLE_MAJOR < 3) Register<ViewAs>("view_dtype", kAll, {tensor}, {PD_ARG_TYPE_DATA_TYPE});
  if (Setting("GUARDED_IN_PLACE", "1") != "1") return;
  Register<Assign>("assign", kAll, {tensor}, {}, [](PD_KernelContext* c) { Assign(ContextOf(c), In(c), Out(c)); });
  Register<BatchNorm>("batch_norm", {FLOAT32},
                      {tensor, tensor, tensor, PD_ARG_TYPE_OPTIONAL_TENSOR, PD_ARG_TYPE_OPTIONAL_TENSOR},
                      {flag, number, number, PD_ARG_TYPE_STRING, flag, flag}, nullptr, Kinds(6, tensor));
  Register<MergedMomentum>("merged_momentum", {FLOAT32}, {list, list, list, list, PD_ARG_TYPE_OPTIONAL_MULTI_TENSOR},
                           {number, flag, PD_ARG_TYPE_LIST_STRING, PD_ARG_TYPE_LIST_FLOAT32, flag, number}, nullptr,
                           Kinds(3, list));
}

}  // namespace kernels
