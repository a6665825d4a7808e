// Device memory: a range of addresses that nobody may touch, and the real bytes elsewhere, known to the plug-in alone.
#pragma once
#include <sys/mman.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <vector>

#include "common.h"
#include "traffic.h"

constexpr size_t kPage = 4096, kDeviceBytes = size_t{4} << 30;

struct Block {
  char* bytes;  // where they really are
  size_t size;
  int device;
};

inline auto& blocks = *new std::map<uintptr_t, Block>;  // by device address
inline auto& used = *new std::vector<size_t>(kDevices);
inline auto& memory_lock = *new std::mutex;

inline C_Status Allocate(const C_Device device, void** address, size_t size) {
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  size = (size + kPage - 1) / kPage * kPage;
  std::lock_guard<std::mutex> guard(memory_lock);
  if (used[device->id] + size > kDeviceBytes) return C_FAILED;
  void* bytes = mmap(nullptr, size, PROT_READ | PROT_WRITE, flags, -1, 0);
  *address = mmap(nullptr, size, PROT_NONE, flags, -1, 0);
  if (bytes == MAP_FAILED || *address == MAP_FAILED) return C_FAILED;
  blocks[reinterpret_cast<uintptr_t>(*address)] = {static_cast<char*>(bytes), size, device->id};
  used[device->id] += size;
  traffic.AddPlain("allocation", size);
  return C_SUCCESS;
}

inline C_Status Free(const C_Device, void* address, size_t) {
  std::lock_guard<std::mutex> guard(memory_lock);
  auto found = blocks.find(reinterpret_cast<uintptr_t>(address));
  if (found == blocks.end()) return Refuse("free of an address that is not its own");
  munmap(found->second.bytes, found->second.size);
  munmap(address, found->second.size);
  used[found->second.device] -= found->second.size;
  blocks.erase(found);
  return C_SUCCESS;
}

inline C_Status MemoryStats(const C_Device device, size_t* total, size_t* free) {
  std::lock_guard<std::mutex> guard(memory_lock);
  *total = kDeviceBytes;
  *free = kDeviceBytes - used[device->id];
  return C_SUCCESS;
}

inline C_Status AllocateHost(const C_Device, void** address, size_t size) {
  return (*address = std::malloc(size)) ? C_SUCCESS : C_FAILED;
}

inline C_Status FreeHost(const C_Device, void* address, size_t) {
  std::free(address);
  return C_SUCCESS;
}

// The `size` bytes of a device address. nullptr: they are the host's, or another device's than `device`, or not all there.
inline char* Bytes(const void* address, const int* device = nullptr, size_t size = 1) {
  std::lock_guard<std::mutex> guard(memory_lock);
  const auto at = reinterpret_cast<uintptr_t>(address);
  auto next = blocks.upper_bound(at);
  if (next == blocks.begin()) return nullptr;
  auto& [start, block] = *std::prev(next);
  if (at - start + size > block.size || (device && block.device != *device)) return nullptr;
  return block.bytes + (at - start);
}

inline C_Status Copy(void* to, const void* from, size_t size) {
  if (!to || !from) return Refuse("copy with an address of the other side, of another device, or beyond its end");
  std::memmove(to, from, size);
  return C_SUCCESS;
}

// Copies are done when the call returns. Those that get a stream count as calls that a real device would not wait in.
template <bool waits>
C_Status HostToDevice(const C_Device device, void* to, const void* from, size_t size) {
  traffic.Add("host_to_device", size, waits);
  return size ? Copy(Bytes(to, &device->id, size), Bytes(from) ? nullptr : from, size) : C_SUCCESS;
}

template <bool waits>
C_Status DeviceToHost(const C_Device device, void* to, const void* from, size_t size) {
  traffic.Add("device_to_host", size, waits);
  if (!size && waits) return Refuse("copy of 0 bytes to the host");  // as Iluvatar's
  return size ? Copy(Bytes(to) ? nullptr : to, Bytes(from, &device->id, size), size) : C_SUCCESS;
}

template <bool waits>
C_Status DeviceToDevice(const C_Device device, void* to, const void* from, size_t size) {
  traffic.Add("device_to_device", size, false);
  return size ? Copy(Bytes(to, &device->id, size), Bytes(from, &device->id, size), size) : C_SUCCESS;
}

template <C_Status (*copy)(const C_Device, void*, const void*, size_t)>
C_Status OnStream(const C_Device device, C_Stream, void* to, const void* from, size_t size) {
  return copy(device, to, from, size);
}
