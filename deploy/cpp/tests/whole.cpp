// Tests of the library with a model and its runtime:  picodet_whole MODEL BACKEND  fails if `detect` allocates outside of the
// runtime, if a decimal comma changes something, or if rows that do not hold their pixels are read in tiles.
#include <dlfcn.h>
#include <execinfo.h>

#include <atomic>
#include <clocale>
#include <cstdio>
#include <cstring>
#include <locale>

#include "picodet/picodet.h"
#include "picodet/picodet.hpp"

extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* memory, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);
}

namespace {

std::atomic<bool> counts{false};
std::atomic<long> ours{0}, others{0};

const void* base_of(void* address) {
  Dl_info info;
  return dladdr(address, &info) != 0 ? info.dli_fbase : nullptr;
}

// An allocation belongs to the innermost caller's library, if that is not this program or the standard library's.
void count() {
  thread_local bool is_counting = false;
  if (!counts || is_counting) return;
  is_counting = true;
  static const void* const self = base_of(reinterpret_cast<void*>(&count));
  void* frames[64];
  const int depth = backtrace(frames, 64);
  for (int i = 0; i < depth; ++i) {
    Dl_info info;
    if (dladdr(frames[i], &info) == 0 || info.dli_fbase == self || std::strstr(info.dli_fname, "/libstdc++.") != nullptr ||
        std::strstr(info.dli_fname, "/libc.") != nullptr) {
      continue;
    }
    ++(std::strstr(info.dli_fname, "/libpicodet.") != nullptr ? ours : others);
    break;
  }
  is_counting = false;
}

int failures = 0;

#define CHECK(condition) \
  if (!(condition)) std::printf("%s:%d: %s\n", __FILE__, __LINE__, #condition), ++failures

bool is_equal(const picodet::Detections& a, const picodet::Detections& b) {
  bool equal = a.size() == b.size();
  for (std::size_t i = 0; equal && i < a.size(); ++i) {
    equal = a[i].x1 == b[i].x1 && a[i].y2 == b[i].y2 && a[i].score == b[i].score && a[i].class_id == b[i].class_id;
  }
  return equal;
}

// Calls `work` to warm up, then counts what more calls allocate.
template <typename Work>
void count_allocations(const char* name, Work work) {
  constexpr int kCalls = 20;
  for (int i = 0; i < 3; ++i) work();
  ours = others = 0;
  counts = true;
  for (int i = 0; i < kCalls; ++i) work();
  counts = false;
  std::printf("%s: %ld allocations in %d calls, and %ld of the runtime\n", name, ours.load(), kCalls, others.load());
  CHECK(ours == 0);
}

class Comma : public std::numpunct<char> {
 protected:
  char do_decimal_point() const override { return ','; }
  char do_thousands_sep() const override { return '.'; }
  std::string do_grouping() const override { return "\3"; }
};

}  // namespace

void* malloc(std::size_t size) { return count(), __libc_malloc(size); }
void* calloc(std::size_t number, std::size_t size) { return count(), __libc_calloc(number, size); }
void* realloc(void* memory, std::size_t size) { return count(), __libc_realloc(memory, size); }
void* memalign(std::size_t alignment, std::size_t size) { return count(), __libc_memalign(alignment, size); }
void* aligned_alloc(std::size_t alignment, std::size_t size) { return count(), __libc_memalign(alignment, size); }
int posix_memalign(void** memory, std::size_t alignment, std::size_t size) {
  count();
  *memory = __libc_memalign(alignment, size);
  return *memory == nullptr ? 12 : 0;  // ENOMEM
}

int main(int argument_count, char** values) {
  if (argument_count < 3) return 2;
  constexpr int kWidth = 640, kHeight = 480;
  const std::vector<std::uint8_t> pixels(static_cast<std::size_t>(kWidth * kHeight * 3), 200);
  const picodet::Image image = {pixels.data(), kWidth, kHeight};
  picodet::Options options;
  options.backend = values[2];
  options.threads = 1;
  options.threshold = 0.05F;
  const picodet::Detector detector(values[1], options);
  picodet::Detections found;
  count_allocations("C++", [&] { detector.detect(&image, 1, &found); });

  char error[200] = "";
  picodet_detector* handle = picodet_create(values[1], values[2], 1, 0.05F, error, sizeof error);
  CHECK(handle != nullptr);
  const picodet_image same = {pixels.data(), kWidth, kHeight, PICODET_BGR, 0};
  picodet_detection first[1];
  count_allocations("C", [&] { picodet_detect(handle, &same, first, 1, error, sizeof error); });
  picodet_destroy(handle);

  picodet::Image short_rows = image;
  short_rows.stride = static_cast<std::size_t>(kWidth);
  picodet::SliceOptions tiles;
  tiles.height = tiles.width = 200;
  tiles.whole = false;
  try {
    static_cast<void>(detector.detect_sliced(short_rows, tiles));
    CHECK(!"rows that do not hold their pixels");
  } catch (const picodet::Error&) {  // expected
  }

  std::locale::global(std::locale(std::locale(), new Comma));
  std::setlocale(LC_NUMERIC, "de_DE.UTF-8");
  CHECK(is_equal(picodet::Detector(values[1], options).detect(image), found));
  std::printf("%d failures\n", failures);
  return failures == 0 ? 0 : 1;
}
