// Feeds mutated files:  picodet_fuzz FILE COUNT SEED  changes some bytes of FILE at a time. The model of its folder is loaded and
// run; an image is decoded and detected in by the model of a fourth argument. Crashes, hangs and what sanitizers find end
// the process.
#include <dlfcn.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "images.hpp"
#include "picodet/picodet.hpp"

namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<char>;

constexpr unsigned kSeconds = 60;  // for one file

Bytes read(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

// Changes bytes, cuts the end off, or repeats a part.
Bytes mutated(Bytes data, std::mt19937& random) {
  const auto below = [&random](std::size_t most) { return std::uniform_int_distribution<std::size_t>(0, most - 1)(random); };
  const std::size_t kind = below(4);
  if (kind == 0) data.resize(below(data.size()));
  if (kind == 1) {
    const std::size_t from = below(data.size());
    const Bytes part(data.begin() + static_cast<std::ptrdiff_t>(from),
                     data.begin() + static_cast<std::ptrdiff_t>(std::min(data.size(), from + below(1000))));
    data.insert(data.begin() + static_cast<std::ptrdiff_t>(below(data.size())), part.begin(), part.end());
  }
  const std::size_t start = kind == 2 ? below(data.size()) : 0;  // all over the file, or near each other
  const std::size_t range = kind == 2 ? std::min<std::size_t>(data.size() - start, 200) : data.size();
  for (std::size_t i = below(20) + 1; i > 0 && range > 0; --i) data[start + below(range)] = static_cast<char>(below(256));
  return data;
}

void detect_with(const std::string& model, const std::string& backend) {
  picodet::Options options;
  options.backend = backend;
  options.threads = 1;
  const picodet::Detector detector(model, options);
  const std::vector<std::uint8_t> pixels(static_cast<std::size_t>(64 * 48 * 3), 90);
  static_cast<void>(detector.detect({pixels.data(), 64, 48}));
}

}  // namespace

// OpenVINO's thread library asks for RTLD_DEEPBIND, with which AddressSanitizer ends the process.
extern "C" __attribute__((visibility("default"))) void* dlopen(const char* file, int mode) {
  using Open = void* (*)(const char*, int);
  static const auto open = reinterpret_cast<Open>(dlsym(RTLD_NEXT, "dlopen"));
  return open(file, mode & ~RTLD_DEEPBIND);
}

int main(int count, char** values) {
  if (count < 4) return 2;
  const fs::path file = values[1];
  std::mt19937 random(static_cast<unsigned>(std::stoul(values[3])));
  std::optional<picodet::Detector> detector;
  if (count > 4) detector.emplace(values[4]);
  const fs::path folder = fs::temp_directory_path() / ("picodet_fuzz_" + std::to_string(getpid()));
  fs::create_directory(folder);
  const fs::path target = folder / file.filename();
  const Bytes original = read(file);
  if (!detector) fs::copy(file.parent_path(), folder);
  const std::vector<std::string> backends = detector ? std::vector<std::string>{"auto"} : picodet::backends();
  int accepted = 0;
  for (int i = std::stoi(values[2]); i > 0; --i) {
    const Bytes data = mutated(original, random);
    std::ofstream(target, std::ios::binary).write(data.data(), static_cast<std::streamsize>(data.size()));
    for (const auto& backend : backends) {
      alarm(kSeconds);
      try {
        if (detector) {
          const cv::Mat image = cli::read_image(target);
          static_cast<void>(detector->detect({image.data, image.cols, image.rows, picodet::PixelFormat::bgr, image.step}));
        } else {
          detect_with(folder.string(), backend);
        }
        ++accepted;
      } catch (const picodet::Error&) {  // expected
      } catch (const std::bad_alloc&) {  // a model may ask for more than there is
      }
    }
  }
  fs::remove_all(folder);
  std::printf("%d accepted\n", accepted);
  return 0;
}
