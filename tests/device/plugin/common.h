// What all parts of the plug-in share: settings from the environment, the device's name, refusals.
#pragma once
#include <cstdio>
#include <cstdlib>
#include <string>

#include "paddle/phi/backends/device_ext.h"

inline std::string Setting(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value ? value : otherwise;
}

// Objects of the plug-in are never destroyed: Paddle frees memory after the library's destructors have run.
inline const std::string& kType = *new std::string(Setting("GUARDED_TYPE", "iluvatar_gpu"));
inline const size_t kDevices = std::stoul(Setting("GUARDED_COUNT", "2"));

inline C_Status Refuse(const char* what) {
  std::fprintf(stderr, "error: %s: %s\n", kType.c_str(), what);
  return C_ERROR;
}

template <typename T>
C_Status Put(T* where, T value) {
  *where = value;
  return C_SUCCESS;
}

inline size_t SizeOf(C_DataType type) {
  switch (type) {
    case BOOL: case UINT8: case INT8: return 1;
    case INT16: case UINT16: case FLOAT16: case BFLOAT16: return 2;
    case INT32: case UINT32: case FLOAT32: return 4;
    default: return 8;
  }
}
