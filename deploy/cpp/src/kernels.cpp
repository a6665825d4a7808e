// Compiled once for each PICODET_ISA: no inline function of the standard library may be used here, because the linker
// could keep the copy that other processors cannot run.
#include "kernels.hpp"

#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__ARM_NEON) && defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace picodet::detail::PICODET_ISA {
namespace {

constexpr float kRound = 12582912.0F;  // 1.5 * 2^23: adding and subtracting it rounds to the nearest even whole number

inline float clamped(float value) {
  value = value > 0.0F ? value : 0.0F;
  return value < 255.0F ? value : 255.0F;
}

// a * b + c, rounded once if the processor has the instruction, as the resizing of cv2 does on such processors.
inline float fused(float a, float b, float c) {
#if defined(__FMA__) || defined(__aarch64__)
  return __builtin_fmaf(a, b, c);
#else
  return a * b + c;
#endif
}

#if defined(__AVX2__) && defined(__FMA__)

// Positions of a tap's three channels, each of which becomes a number of 32 bits; the same in both halves.
template <int kBytes>
inline __m256i channels_of(int tap) {
  const auto at = [tap](int channel) { return static_cast<char>(tap * kBytes + channel); };
  return _mm256_setr_epi8(at(0), -1, -1, -1, at(1), -1, -1, -1, at(2), -1, -1, -1, -1, -1, -1, -1,  //
                          at(0), -1, -1, -1, at(1), -1, -1, -1, at(2), -1, -1, -1, -1, -1, -1, -1);
}

template <int kBytes>
inline __m256 tap(__m256i bytes, int number) {
  return _mm256_cvtepi32_ps(_mm256_shuffle_epi8(bytes, channels_of<kBytes>(number)));
}

// The sums of pixel x in the lower half and of pixel x + 1 in the upper one.
template <int kBytes>
inline __m256 two_sums(const std::uint8_t* row, const Columns& c, int x) {
  const auto load = [&](int i) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(row + c.offset[i])); };
  const __m256i bytes = _mm256_inserti128_si256(_mm256_castsi128_si256(load(x)), load(x + 1), 1);
  const __m256 weights = _mm256_loadu_ps(c.weight + 4 * static_cast<std::int64_t>(x));
  __m256 sums = _mm256_mul_ps(tap<kBytes>(bytes, 0), _mm256_permute_ps(weights, 0x00));
  sums = _mm256_fmadd_ps(tap<kBytes>(bytes, 1), _mm256_permute_ps(weights, 0x55), sums);
  sums = _mm256_fmadd_ps(tap<kBytes>(bytes, 2), _mm256_permute_ps(weights, 0xAA), sums);
  return _mm256_fmadd_ps(tap<kBytes>(bytes, 3), _mm256_permute_ps(weights, 0xFF), sums);
}

template <int kBytes>
int vector_columns(const std::uint8_t* row, const Columns& c, float* const sums[3]) {
  int x = c.first;
  for (; x + 4 <= c.last; x += 4) {
    const __m256 ab = two_sums<kBytes>(row, c, x);
    const __m256 de = two_sums<kBytes>(row, c, x + 2);
    __m128 a = _mm256_castps256_ps128(ab);
    __m128 b = _mm256_extractf128_ps(ab, 1);
    __m128 d = _mm256_castps256_ps128(de);
    __m128 e = _mm256_extractf128_ps(de, 1);
    _MM_TRANSPOSE4_PS(a, b, d, e);
    _mm_storeu_ps(sums[0] + x, a);
    _mm_storeu_ps(sums[1] + x, b);
    _mm_storeu_ps(sums[2] + x, d);
  }
  return x;
}

#elif defined(__ARM_NEON) && defined(__aarch64__)

template <int kBytes>
int vector_columns(const std::uint8_t* row, const Columns& c, float* const sums[3]) {
  constexpr std::uint8_t kNone = 255;
  uint8x16_t channels_of[4];
  for (std::uint8_t tap = 0; tap < 4; ++tap) {
    std::uint8_t positions[16];
    for (std::uint8_t i = 0; i < 16; ++i) positions[i] = i % 4 == 0 && i < 12 ? tap * kBytes + i / 4 : kNone;
    channels_of[tap] = vld1q_u8(positions);
  }
  for (int x = c.first; x < c.last; ++x) {
    const uint8x16_t bytes = vld1q_u8(row + c.offset[x]);
    const float* weight = c.weight + 4 * static_cast<std::int64_t>(x);
    const auto tap = [&](int k) { return vcvtq_f32_u32(vreinterpretq_u32_u8(vqtbl1q_u8(bytes, channels_of[k]))); };
    float32x4_t sum = vmulq_n_f32(tap(0), weight[0]);
    for (int k = 1; k < 4; ++k) sum = vfmaq_n_f32(sum, tap(k), weight[k]);
    sums[0][x] = vgetq_lane_f32(sum, 0);
    sums[1][x] = vgetq_lane_f32(sum, 1);
    sums[2][x] = vgetq_lane_f32(sum, 2);
  }
  return c.last;
}

#else

template <int kBytes>
int vector_columns(const std::uint8_t* /*row*/, const Columns& c, float* const* /*sums*/) {
  return c.first;
}

#endif

template <int kBytes>
void columns_of(const std::uint8_t* row, const Columns& c, float* const sums[3]) {
  for (int x = vector_columns<kBytes>(row, c, sums); x < c.last; ++x) {
    const std::uint8_t* tap = row + c.offset[x];
    const float* weight = c.weight + 4 * static_cast<std::int64_t>(x);
    for (int channel = 0; channel < 3; ++channel, ++tap) {
      const auto value = [tap](std::int64_t k) { return static_cast<float>(tap[k * kBytes]); };
      float sum = value(0) * weight[0];
      for (int k = 1; k < 4; ++k) sum = fused(value(k), weight[k], sum);
      sums[channel][x] = sum;
    }
  }
}

void columns(const std::uint8_t* row, const Columns& c, float* const sums[3]) {
  c.bytes_per_pixel == 3 ? columns_of<3>(row, c, sums) : columns_of<4>(row, c, sums);
}

void cubic(const float* const* rows, const float* weights, int n, Affine affine, float* out) {
  const float *r0 = rows[0], *r1 = rows[1], *r2 = rows[2], *r3 = rows[3];
  const float w0 = weights[0], w1 = weights[1], w2 = weights[2], w3 = weights[3];
  for (int x = 0; x < n; ++x) {
    const float sum = fused(r0[x], w0, r1[x] * w1) + fused(r2[x], w2, r3[x] * w3);
    const float pixel = clamped((sum + kRound) - kRound);
    out[x] = pixel * affine.scale + affine.shift;
  }
}

void linear(const float* const* rows, const float* weights, int n, Affine affine, float* out) {
  const float *r0 = rows[0], *r1 = rows[1];
  const auto w0 = static_cast<std::int32_t>(weights[0]);
  const auto w1 = static_cast<std::int32_t>(weights[1]);
  for (int x = 0; x < n; ++x) {
    const std::int32_t upper = ((static_cast<std::int32_t>(r0[x]) >> 4) * w0) >> 16;
    const std::int32_t lower = ((static_cast<std::int32_t>(r1[x]) >> 4) * w1) >> 16;
    out[x] = static_cast<float>((upper + lower + 2) >> 2) * affine.scale + affine.shift;
  }
}

Scan scan(const float* values, int n, float low, float high, float lowest) {
  int in_range = 1;
  int any = 0;
  for (int i = 0; i < n; ++i) {  // without a branch, so that the compiler takes several at a time
    in_range &= static_cast<int>(values[i] >= low) & static_cast<int>(values[i] <= high);
    any |= static_cast<int>(values[i] >= lowest);
  }
  return {in_range != 0, any != 0};
}

}  // namespace

const Kernels table = {columns, cubic, linear, scan};

}  // namespace picodet::detail::PICODET_ISA
