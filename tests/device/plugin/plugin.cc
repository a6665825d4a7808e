// A plug-in for Paddle on machines without a card. Its devices are memory that only the plug-in itself can reach.
//
// It shows whether code gets along with a device that is neither a CPU nor CUDA, and what that device is asked to do.
// Code that reads or writes a device tensor other than through Paddle dies of SIGSEGV (memory.h). Operators without a
// kernel (kernels.h) run on the CPU, between copies that Paddle makes. Processes talk through shared memory
// (collectives.h). All of it is counted (traffic.h). It does not show speed, asynchronous streams, float16, memory
// limits, the numbers of real kernels, or several machines.
//
// Environment: GUARDED_TYPE (iluvatar_gpu), GUARDED_COUNT (2), and GUARDED_IN_PLACE=0: no kernel writes into memory that
// its output had before.
#include "collectives.h"
#include "kernels.h"

namespace {

thread_local int current_device = 0;

C_Status SetDevice(const C_Device device) {
  if (device->id < 0 || static_cast<size_t>(device->id) >= kDevices) return Refuse("no such device");
  current_device = device->id;
  return C_SUCCESS;
}

template <typename... Arguments>
C_Status Nothing(Arguments...) {
  return C_SUCCESS;
}

// Streams and events are names only: everything is done when a call returns.
template <typename Handle>
C_Status Name(const C_Device, Handle* handle) {
  *handle = reinterpret_cast<Handle>(1);
  return C_SUCCESS;
}

}  // namespace

// For tests: what was counted since the last reset, as JSON.
extern "C" const char* guarded_traffic() { return traffic.Json(); }
extern "C" void guarded_reset() { traffic.Reset(); }

extern "C" void InitPlugin(CustomRuntimeParams* params) {
  PADDLE_CUSTOM_RUNTIME_CHECK_VERSION(params);
  params->device_type = const_cast<char*>(kType.c_str());
  params->sub_device_type = const_cast<char*>("guarded");
  C_DeviceInterface* device = params->interface;
  std::memset(device, 0, sizeof(C_DeviceInterface));
  device->initialize = device->finalize = Nothing;
  device->init_device = device->set_device = SetDevice;
  device->get_device = [](const C_Device wanted) { return Put(&wanted->id, current_device); };
  device->deinit_device = Nothing;
  device->get_device_count = [](size_t* count) { return Put(count, kDevices); };
  device->get_device_list = [](size_t* devices) {
    for (size_t i = 0; i < kDevices; ++i) devices[i] = i;
    return C_SUCCESS;
  };

  device->create_stream = Name;
  device->create_event = Name;
  device->destroy_stream = device->query_stream = Nothing;
  device->destroy_event = device->query_event = Nothing;
  device->record_event = Nothing;
  device->stream_wait_event = [](const C_Device, C_Stream, C_Event) {
    traffic.AddPlain("stream_waits_for_event", 0);
    return C_SUCCESS;
  };
  device->synchronize_device = [](const C_Device) {
    traffic.Add("wait_for_device", 0, true);
    return C_SUCCESS;
  };
  device->synchronize_stream = [](const C_Device, C_Stream) {
    traffic.Add("wait_for_stream", 0, true);
    return C_SUCCESS;
  };
  device->synchronize_event = [](const C_Device, C_Event) {
    traffic.Add("wait_for_event", 0, true);
    return C_SUCCESS;
  };

  device->device_memory_allocate = Allocate;
  device->device_memory_deallocate = Free;
  device->device_memory_stats = MemoryStats;
  device->host_memory_allocate = AllocateHost;
  device->host_memory_deallocate = FreeHost;
  device->memory_copy_h2d = HostToDevice<true>;
  device->memory_copy_d2h = DeviceToHost<true>;
  device->memory_copy_d2d = DeviceToDevice<true>;
  device->async_memory_copy_h2d = OnStream<HostToDevice<false>>;
  device->async_memory_copy_d2h = OnStream<DeviceToHost<false>>;
  device->async_memory_copy_d2d = OnStream<DeviceToDevice<false>>;
  device->device_min_chunk_size = [](const C_Device, size_t* size) { return Put(size, size_t{256}); };

  device->xccl_get_unique_id_size = [](size_t* size) { return Put(size, kNameSize); };
  device->xccl_get_unique_id = NameGroup;
  device->xccl_comm_init_rank = JoinGroup;
  device->xccl_destroy_comm = Nothing;
  device->xccl_all_reduce = AllReduce;
  device->xccl_broadcast = Broadcast;
  device->xccl_all_gather = AllGather;
  device->xccl_group_start = device->xccl_group_end = Nothing;
  kernels::RegisterAll();
}
