#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace picodet::detail {

// SHA-256 (FIPS 180-4) of data that come in parts.
class Sha256 {
 public:
  void update(std::string_view data);
  [[nodiscard]] std::string hex_digest();  // ends it

 private:
  void compress(const std::uint8_t* block);

  std::array<std::uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<std::uint8_t, 64> block_{};
  std::uint64_t length_ = 0;
};

}  // namespace picodet::detail
