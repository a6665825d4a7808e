// Collectives between the processes of one machine, through shared memory: every rank puts a piece into its slot, all
// wait, every rank takes what it needs, all wait. Not in float64, as on Iluvatar's cards.
#pragma once
#include <fcntl.h>
#include <sys/mman.h>

#include <atomic>

#include "memory.h"

constexpr size_t kSlot = 1 << 20, kNameSize = 64;

struct Shared {
  std::atomic<uint32_t> waiting, round;  // new shared memory is zero
  char slots[];
};

struct C_CCLComm_st {
  Shared* shared;
  size_t rank, ranks;

  void Wait() {
    const uint32_t round = shared->round;
    if (++shared->waiting == ranks) {
      shared->waiting = 0;
      ++shared->round;
    }
    while (shared->round == round) usleep(50);
  }

  char* Slot(size_t of) { return shared->slots + of * kSlot; }

  template <typename Take>
  C_Status Exchange(const char* kind, const char* own, size_t bytes, Take take) {
    traffic.AddPlain(kind, bytes);
    for (size_t offset = 0; offset < bytes; offset += kSlot) {
      const size_t size = std::min(kSlot, bytes - offset);
      std::memcpy(Slot(rank), own + offset, size);
      Wait();
      take(offset, size);
      Wait();
    }
    return C_SUCCESS;
  }
};

// The group's name is a file in memory of the process that names it; it is gone with the last process that has it open.
inline C_Status NameGroup(C_CCLRootId* id) {
  const int file = memfd_create("guarded-device", 0);
  if (file < 0) return Refuse("no shared memory for a group");
  std::snprintf(static_cast<char*>(id->data), kNameSize, "/proc/%d/fd/%d", getpid(), file);
  return C_SUCCESS;
}

inline C_Status JoinGroup(size_t ranks, C_CCLRootId* id, size_t rank, C_CCLComm* comm) {
  const size_t size = sizeof(Shared) + ranks * kSlot;
  const int file = open(static_cast<const char*>(id->data), O_RDWR);
  void* memory = MAP_FAILED;
  if (file >= 0 && !ftruncate(file, size)) memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (memory == MAP_FAILED) return Refuse("no shared memory for a group");
  *comm = new C_CCLComm_st{static_cast<Shared*>(memory), rank, ranks};
  (*comm)->Wait();
  return C_SUCCESS;
}

template <typename T>
void Combine(C_CCLReduceOp op, char* into, const char* from, size_t bytes) {
  auto a = reinterpret_cast<T*>(into);
  auto b = reinterpret_cast<const T*>(from);
  for (size_t i = 0; i < bytes / sizeof(T); ++i)
    a[i] = op == MAX ? std::max(a[i], b[i]) : op == MIN ? std::min(a[i], b[i]) : op == PRODUCT ? a[i] * b[i] : a[i] + b[i];
}

using Combiner = void (*)(C_CCLReduceOp, char*, const char*, size_t);

inline Combiner CombinerOf(C_DataType type) {
  switch (type) {
    case FLOAT32: return Combine<float>;
    case INT32: return Combine<int32_t>;
    case INT64: return Combine<int64_t>;
    default: return nullptr;
  }
}

inline C_Status AllReduce(void* send, void* receive, size_t count, C_DataType type, C_CCLReduceOp op, C_CCLComm comm,
                          C_Stream) {
  const Combiner combine = CombinerOf(type);
  char *from = Bytes(send), *to = Bytes(receive);
  if (!combine || op == AVG || !from || !to) return Refuse("all_reduce of this type, or of host memory");
  return comm->Exchange("all_reduce", from, count * SizeOf(type), [=](size_t offset, size_t size) {
    std::memcpy(to + offset, comm->Slot(0), size);
    for (size_t rank = 1; rank < comm->ranks; ++rank) combine(op, to + offset, comm->Slot(rank), size);
  });
}

inline C_Status Broadcast(void* buffer, size_t count, C_DataType type, size_t root, C_CCLComm comm, C_Stream) {
  char* bytes = Bytes(buffer);
  if (type == FLOAT64 || !bytes) return Refuse("broadcast of float64, or of host memory");
  return comm->Exchange("broadcast", bytes, count * SizeOf(type), [=](size_t offset, size_t size) {
    std::memcpy(bytes + offset, comm->Slot(root), size);
  });
}

inline C_Status AllGather(void* send, void* receive, size_t count, C_DataType type, C_CCLComm comm, C_Stream) {
  char *from = Bytes(send), *to = Bytes(receive);
  if (type == FLOAT64 || !from || !to) return Refuse("all_gather of float64, or of host memory");
  const size_t bytes = count * SizeOf(type);
  return comm->Exchange("all_gather", from, bytes, [=](size_t offset, size_t size) {
    for (size_t rank = 0; rank < comm->ranks; ++rank) std::memcpy(to + rank * bytes + offset, comm->Slot(rank), size);
  });
}
