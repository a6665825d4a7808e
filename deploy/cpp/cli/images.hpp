// Files: listing, reading and writing images; nothing is ever left half-written.
#pragma once

#include <filesystem>
#include <functional>
#include <opencv2/core.hpp>
#include <string>
#include <vector>

namespace cli {

// The images of a folder, sorted, without hidden ones. Throws picodet::Error if there is none.
std::vector<std::filesystem::path> list_images(const std::filesystem::path& folder);

// [h, w, 3] BGR, turned upright. Throws picodet::Error if the file is missing, cut short, too large or no image.
cv::Mat read_image(const std::filesystem::path& file);

// Where the result of `source` goes: its own name, plus `other` if its suffix is not one of `suffixes`.
std::filesystem::path result_path(const std::filesystem::path& folder, const std::filesystem::path& source,
                                  const std::vector<std::string>& suffixes, const std::string& other);

const std::vector<std::string>& writable_images();

void write_image(const std::filesystem::path& file, const cv::Mat& image);

// Calls `write` with a temporary path beside `file`, which takes its name afterwards.
void write_whole(const std::filesystem::path& file, const std::function<void(const std::string&)>& write);

// `text` on one line, without what a terminal could take for a command.
std::string printable(const std::string& text);

}  // namespace cli
