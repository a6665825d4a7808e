#include "kernels.hpp"

namespace picodet::detail {

const Kernels& kernels() {
#if defined(PICODET_HAS_AVX2)
  static const bool has_avx2 = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
  if (has_avx2) return avx2::table;
#endif
  return baseline::table;
}

}  // namespace picodet::detail
