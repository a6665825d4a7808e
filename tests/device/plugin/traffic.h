// Counts what crosses the border between host and device: copies, waits, allocations, launches, collectives.
//
// Where the plug-in has no kernel, Paddle copies the inputs to the host, runs its CPU kernel and copies the outputs back.
// A device with kernels does none of that, so those copies and waits are counted apart ("fallback"). They are recognized
// by Paddle's functions on the call stack, which also tell the operator's name.
#pragma once
#include <dlfcn.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <unwind.h>

#include <cstdint>
#include <cstring>
#include <map>
#include <mutex>
#include <sstream>

#include "common.h"

struct Count {
  size_t count = 0, bytes = 0;
};

// The part of the call stack that counts: the operator that fell back to the CPU, and the address of its frame.
struct Caller {
  std::string fallback;
  uintptr_t frame = 0;
};

class Traffic {
 public:
  // A call that moves `bytes`; `waits`: the host waits for the device in it.
  void Add(const char* kind, size_t bytes, bool waits) {
    const Caller caller = FindCaller();
    const bool falls_back = !caller.fallback.empty();
    std::lock_guard<std::mutex> guard(lock_);
    Note((falls_back ? fallback_ : own_)[kind], bytes);
    if (waits && !falls_back && syscall(SYS_gettid) == getpid()) Note(own_["main_thread_waits"], bytes);
    if (falls_back) NoteFallback(caller, kind);
  }
  // A call that neither waits nor has to do with operators.
  void AddPlain(const char* kind, size_t bytes) {
    std::lock_guard<std::mutex> guard(lock_);
    Note(own_[kind], bytes);
  }
  void AddLaunch(const char* kernel) {
    std::lock_guard<std::mutex> guard(lock_);
    ++launches_[kernel];
  }
  void Reset() {
    std::lock_guard<std::mutex> guard(lock_);
    own_.clear(), fallback_.clear(), launches_.clear();
    last_ = {};
  }
  const char* Json() {
    std::lock_guard<std::mutex> guard(lock_);
    std::ostringstream text;
    text << "{\"own\": ";
    Write(text, own_);
    text << ", \"fallback\": ";
    Write(text, fallback_);
    text << ", \"launches\": {";
    const char* comma = "";
    for (auto& [name, count] : launches_) text << comma << '"' << name << "\": " << count, comma = ", ";
    text << "}}";
    json_ = text.str();
    return json_.c_str();
  }

 private:
  static void Note(Count& count, size_t bytes) {
    ++count.count;
    count.bytes += bytes;
  }

  // An operator copies its inputs to the host, if it has any, then its outputs to the device.
  void NoteFallback(const Caller& caller, const char* kind) {
    const bool to_device = !std::strcmp(kind, "host_to_device"), to_host = !std::strcmp(kind, "device_to_host");
    if (!to_device && !to_host) return;
    const bool same = caller.fallback == last_.fallback && caller.frame == last_.frame;
    if (!same || (to_host && returned_) || (to_device && !had_inputs_)) {
      ++launches_[caller.fallback];
      had_inputs_ = to_host;
    }
    returned_ = to_device;
    last_ = caller;
  }

  static const char* Symbol(void* address) {
    static auto& known = *new std::map<void*, const char*>;  // a look-up takes a millisecond
    static auto& lock = *new std::mutex;
    std::lock_guard<std::mutex> guard(lock);
    auto [at, is_new] = known.emplace(address, nullptr);
    Dl_info info;
    if (is_new && dladdr(address, &info)) at->second = info.dli_sname;
    return at->second;
  }

  struct Walk {
    Caller caller;
    bool in_transfer = false;
    int left = 20;
  };

  static _Unwind_Reason_Code Visit(_Unwind_Context* context, void* argument) {
    auto& walk = *static_cast<Walk*>(argument);
    const char* symbol = Symbol(reinterpret_cast<void*>(_Unwind_GetIP(context) - 1));
    const char* const space = "_ZN6paddle12experimental";
    if (symbol && !std::strncmp(symbol, space, std::strlen(space))) {
      char* name;
      const size_t length = std::strtoul(symbol + std::strlen(space), &name, 10);
      const std::string function(name, std::min(length, std::strlen(name)));
      const bool helper = function.rfind("TransData", 0) == 0 || function == "TransformData" || function == "PrepareData";
      walk.in_transfer |= helper;
      if (helper) return _URC_NO_REASON;
      if (walk.in_transfer) walk.caller = {function, _Unwind_GetCFA(context)};
      return _URC_END_OF_STACK;
    }
    return --walk.left ? _URC_NO_REASON : _URC_END_OF_STACK;
  }

  static Caller FindCaller() {
    Walk walk;
    _Unwind_Backtrace(Visit, &walk);
    return walk.caller;
  }

  static void Write(std::ostream& text, const std::map<std::string, Count>& counts) {
    const char* comma = "{";
    if (counts.empty()) text << comma;
    for (auto& [name, each] : counts) {
      text << comma << '"' << name << "\": {\"count\": " << each.count << ", \"bytes\": " << each.bytes << '}';
      comma = ", ";
    }
    text << '}';
  }

  std::mutex lock_;
  std::map<std::string, Count> own_, fallback_;
  std::map<std::string, size_t> launches_;
  Caller last_;
  bool returned_ = false, had_inputs_ = false;
  std::string json_;
};

inline Traffic& traffic = *new Traffic;
