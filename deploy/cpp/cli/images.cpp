#include "images.hpp"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <fstream>
#include <opencv2/imgcodecs.hpp>

#include "orientation.hpp"
#include "picodet/picodet.hpp"

namespace cli {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t kMaxBytes = std::uintmax_t{1} << 30;

std::string lower_suffix(const fs::path& file) {
  std::string suffix = file.extension().string();
  std::transform(suffix.begin(), suffix.end(), suffix.begin(), [](unsigned char letter) { return std::tolower(letter); });
  return suffix;
}

bool is_one_of(const std::string& suffix, const std::vector<std::string>& suffixes) {
  return std::find(suffixes.begin(), suffixes.end(), suffix) != suffixes.end();
}

// Whether a JPEG has its end marker; decoders fill in what is missing. Thumbnails before the scan have their own.
bool is_cut_short(const std::vector<unsigned char>& data) {
  if (data.size() < 4 || data[0] != 0xFF || data[1] != 0xD8) return false;
  std::size_t at = 2;
  while (at + 4 <= data.size() && data[at] == 0xFF && data[at + 1] != 0xDA) {
    at += 2 + (static_cast<std::size_t>(data[at + 2]) << 8) + data[at + 3];
  }
  static constexpr unsigned char kEnd[] = {0xFF, 0xD9};
  return at >= data.size() ||
         std::find_end(data.begin() + static_cast<std::ptrdiff_t>(at), data.end(), kEnd, kEnd + 2) == data.end();
}

std::vector<unsigned char> read_bytes(const fs::path& file) {
  std::error_code problem;
  const fs::file_status status = fs::status(file, problem);
  if (!fs::exists(status)) throw picodet::Error(file.string() + ": there is no such file; check the name");
  if (!fs::is_regular_file(status)) {  // a pipe may never end
    throw picodet::Error(file.string() + ": no regular file; expected an image file; check the name");
  }
  const std::uintmax_t size = fs::file_size(file, problem);
  if (size > kMaxBytes) {
    throw picodet::Error(file.string() + ": has " + std::to_string(size) + " bytes; at most " + std::to_string(kMaxBytes) +
                         " are read; make the image smaller");
  }
  if (size == 0) throw picodet::Error(file.string() + ": the file is empty; fetch it again or leave it out");
  std::vector<unsigned char> data(size);
  std::ifstream stream(file, std::ios::binary);
  if (!stream.read(reinterpret_cast<char*>(data.data()), static_cast<std::streamsize>(size))) {
    throw picodet::Error(file.string() + ": cannot be read (" + std::strerror(errno) + "); check the file's rights");
  }
  return data;
}

}  // namespace

std::vector<fs::path> list_images(const fs::path& folder) {
  static const std::vector<std::string> suffixes = {".jpg",  ".jpeg", ".png", ".bmp", ".webp",
                                                    ".tif", ".tiff", ".ppm", ".pgm"};
  std::error_code problem;
  if (!fs::exists(folder, problem)) {
    throw picodet::Error(folder.string() + ": there is no such file or folder; give an image or a folder of images");
  }
  if (!fs::is_directory(folder)) return {folder};
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const bool is_hidden = entry.path().filename().string().front() == '.';
    if (!is_hidden && is_one_of(lower_suffix(entry.path()), suffixes) && !entry.is_directory()) files.push_back(entry.path());
  }
  if (files.empty()) throw picodet::Error(folder.string() + ": holds no images (.jpg, .png, …)");
  std::sort(files.begin(), files.end());
  return files;
}

cv::Mat read_image(const fs::path& file) {
  const std::vector<unsigned char> data = read_bytes(file);
  const int orientation = webp_orientation(data);
  cv::Mat image;
  try {
    image = cv::imdecode(data, orientation == 0 ? cv::IMREAD_COLOR : cv::IMREAD_COLOR | cv::IMREAD_IGNORE_ORIENTATION);
  } catch (const cv::Exception&) {  // some broken headers, and images that are too large; most give no image
  }
  if (image.empty()) {
    throw picodet::Error(file.string() + ": not an image that can be decoded; fetch it again or leave it out");
  }
  if (is_cut_short(data)) {
    throw picodet::Error(file.string() + ": the JPEG is cut short; fetch it again or leave it out");
  }
  make_upright(image, orientation);
  return image;
}

const std::vector<std::string>& writable_images() {
  static const std::vector<std::string> suffixes = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"};
  return suffixes;
}

fs::path result_path(const fs::path& folder, const fs::path& source, const std::vector<std::string>& suffixes,
                     const std::string& other) {
  const std::string name = source.filename().string();
  fs::path path = folder / (is_one_of(lower_suffix(source), suffixes) ? name : name + other);
  std::error_code problem;
  if (fs::equivalent(path, source, problem) && !problem) {
    throw picodet::Error("--output_dir: " + path.string() +
                         " is the input itself and would be replaced; choose another folder");
  }
  return path;
}

void write_image(const fs::path& file, const cv::Mat& image) {
  std::vector<unsigned char> data;
  bool is_encoded = false;
  try {
    is_encoded = cv::imencode(lower_suffix(file), image, data);
  } catch (const cv::Exception&) {  // some formats return false
  }
  if (!is_encoded) throw picodet::Error(file.string() + ": cannot be written in this format; convert the image to PNG");
  write_whole(file, [&data](const std::string& temporary) {
    std::ofstream stream(temporary, std::ios::binary);
    stream.write(reinterpret_cast<const char*>(data.data()), static_cast<std::streamsize>(data.size()));
    stream.close();
    if (!stream) throw std::system_error(errno, std::generic_category());
  });
}

void write_whole(const fs::path& file, const std::function<void(const std::string&)>& write) {
  fs::path temporary;
  std::error_code ignored;
  try {
    if (file.has_parent_path()) fs::create_directories(file.parent_path());
    const fs::path target = fs::exists(file) ? fs::canonical(file) : file;  // a symbolic link keeps pointing where it did
    const std::string name = "." + target.stem().string() + "." + std::to_string(getpid()) + ".tmp";
    temporary = target.parent_path() / (name + target.extension().string());
    write(temporary.string());
    fs::rename(temporary, target);
  } catch (const std::system_error& error) {
    fs::remove(temporary, ignored);
    throw picodet::Error(file.string() + ": cannot be written (" + error.code().message() +
                         "); check the folder and the free space");
  } catch (...) {
    fs::remove(temporary, ignored);
    throw;
  }
}

std::string printable(const std::string& text) {
  std::string line;
  for (const char letter : text) {
    const auto code = static_cast<unsigned char>(letter);
    if (letter == '\n') {
      line += ' ';
    } else if (code < 0x20 || code == 0x7F) {
      line += "\\x" + std::string(1, "0123456789abcdef"[code >> 4]) + "0123456789abcdef"[code & 15];
    } else {
      line += letter;
    }
  }
  return line;
}

}  // namespace cli
