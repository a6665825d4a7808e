#include "backend.hpp"

#include <algorithm>
#include <exception>
#include <filesystem>

#include "picodet/picodet.hpp"

namespace picodet::detail {

#if defined(PICODET_WITH_OPENVINO)
std::unique_ptr<Backend> load_openvino(const std::string& file, int threads, int calls);
#endif
#if defined(PICODET_WITH_ONNXRUNTIME)
std::unique_ptr<Backend> load_onnxruntime(const std::string& file, int threads, int calls);
#endif
#if defined(PICODET_WITH_NCNN)
std::unique_ptr<Backend> load_ncnn(const std::string& file, int threads, int calls);
#endif

const std::vector<Runtime>& runtimes() {
  static const std::vector<Runtime> all = {
#if defined(PICODET_WITH_OPENVINO)
      {"openvino", {".xml", ".onnx"}, load_openvino},
#endif
#if defined(PICODET_WITH_ONNXRUNTIME)
      {"onnxruntime", {".onnx"}, load_onnxruntime},
#endif
#if defined(PICODET_WITH_NCNN)
      {"ncnn", {".param"}, load_ncnn},
#endif
  };
  return all;
}

namespace {

namespace fs = std::filesystem;

std::string joined(const std::vector<std::string>& parts) {
  std::string all;
  for (const auto& part : parts) all += (all.empty() ? "" : ", ") + part;
  return all;
}

std::vector<std::string> suffixes_of(const std::string& backend) {
  std::vector<std::string> all;
  for (const auto& runtime : runtimes()) {
    if (backend != "auto" && backend != runtime.name) continue;
    for (const auto& suffix : runtime.suffixes) {
      if (std::find(all.begin(), all.end(), suffix) == all.end()) all.push_back(suffix);
    }
  }
  return all;
}

bool is_int8(const fs::path& file) {
  const std::string name = file.filename().string();
  const std::string stem = name.substr(0, name.find('.'));  // model_int8.ncnn.param
  return stem.size() >= 5 && stem.compare(stem.size() - 5, 5, "_int8") == 0;
}

// The files of a folder with a suffix, sorted.
std::vector<fs::path> files_of(const fs::path& folder, const std::string& suffix) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == suffix) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

// `model` if it is a file that fits; in a folder model.*, or else the only one that is not INT8. Empty: there is none.
std::string file_for(const fs::path& model, const std::vector<std::string>& suffixes) {
  if (!fs::is_directory(model)) {
    const bool fits = std::find(suffixes.begin(), suffixes.end(), model.extension().string()) != suffixes.end();
    return fits ? model.string() : "";
  }
  for (const auto& suffix : suffixes) {
    if (const auto file = model / ("model" + suffix); fs::is_regular_file(file)) return file.string();
  }
  for (const auto& suffix : suffixes) {
    std::vector<fs::path> found = files_of(model, suffix);
    found.erase(std::remove_if(found.begin(), found.end(), is_int8), found.end());
    if (found.size() == 1) return found[0].string();
    if (found.empty()) continue;
    std::vector<std::string> names;
    names.reserve(found.size());
    for (const auto& file : found) names.push_back(file.filename().string());
    throw Error(model.string() + ": has several models (" + joined(names) + "); name the file");
  }
  return "";
}

}  // namespace

Choice choose(const std::string& model, const std::string& backend) {
  std::vector<std::string> names;
  for (const auto& runtime : runtimes()) names.emplace_back(runtime.name);
  if (backend != "auto" && std::find(names.begin(), names.end(), backend) == names.end()) {
    throw Error("backend: found " + backend + "; built in are auto, " + joined(names));
  }
  std::error_code problem;
  if (!fs::exists(model, problem)) {
    throw Error(model + ": there is no such file or folder; `ppdet export` writes it");
  }
  for (const auto& runtime : runtimes()) {
    if (backend != "auto" && backend != runtime.name) continue;
    if (const std::string file = file_for(model, runtime.suffixes); !file.empty()) return {&runtime, file};
  }
  const std::string wanted = joined(suffixes_of(backend));
  if (!fs::is_directory(model, problem)) {
    throw Error(model + ": not a model file of " + joined(backend == "auto" ? names : std::vector{backend}) +
                "; expected " + wanted + " or the folder of an export");
  }
  for (const auto& suffix : suffixes_of(backend)) {
    if (!files_of(model, suffix).empty()) throw Error(model + ": has only INT8 models; name the file");
  }
  throw Error(model + ": nothing that " + backend + " runs (" + wanted + "); export in that format");
}

void rethrow_as_error(const std::string& prefix, const std::string& remedy) {
  std::string said;
  try {
    throw;
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    said = error.what();
  } catch (...) {
    said = "unknown error";
  }
  // Some runtimes write the place in their source first, on a line that ends with a colon.
  std::string line;
  for (std::size_t at = 0; at < said.size();) {
    const std::size_t end = std::min(said.find('\n', at), said.size());
    line = said.substr(at, end - at);
    const bool is_empty = line.find_first_not_of(" \t\r") == std::string::npos;
    if (!is_empty && line.back() != ':') break;
    at = end + 1;
  }
  throw Error(prefix + " (" + line.substr(0, 200) + "); " + remedy);
}

}  // namespace picodet::detail
