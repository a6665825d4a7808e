#include "options.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <map>

#include "picodet/picodet.hpp"

namespace cli {
namespace {

const char* const kHelp = R"(usage: picodet --model PATH (--image FILE | --image_dir DIR | --video_file FILE | --camera_id N) [options]

Detects objects in images, videos or a camera's pictures. Status 0: all done; 1: some images could not be read or
written; 2: an option, the model or all of the input is wrong; 130: Ctrl-C.

  --model, --model_dir PATH         the folder of an export, or a file of it (.onnx, .xml, .param)
  --image, --image_file FILE        one image
  --image_dir DIR                   all images of a folder
  --video_file FILE                 a video, or the address of a stream, as rtsp://camera/stream
  --camera_id N                     the pictures of a camera, until Ctrl-C
  --output_dir DIR                  default: output
  --threshold SCORE|model           lowest score that counts; model: the model's thresholds (default)
  --backend NAME                    openvino, onnxruntime, ncnn, or auto (default): the first that fits
  --threads, --cpu_threads N        default: one for each processor core
  --batch_size N                    images of --image_dir that are computed together (default: 1)
  --slice_infer                     detect in tiles, for small objects in large images
  --slice_size PIXELS [PIXELS]      width and height of the tiles (default: 640)
  --overlap_ratio SHARE [SHARE]     share of their sides that neighboring tiles have in common (default: 0.25)
  --save_images true|false          write the images with their boxes (default: true)
  --save_results                    also write bbox.json, in COCO's results layout
  --benchmark, --run_benchmark      only measure the time of each stage on the images
  --help

PaddleDetection's other options are accepted and named as having no effect here: everything runs on the CPU.
)";

// PaddleDetection's flags that do nothing here, each with the value that asks for what is done anyway.
const std::map<std::string, std::string> kNoEffect = {
    {"device", "cpu"},           {"run_mode", "paddle"},
    {"use_gpu", "false"},        {"enable_mkldnn", "true"},
    {"trt_min_shape", ""},       {"enable_mkldnn_bfloat16", "false"},
    {"trt_max_shape", ""},       {"trt_opt_shape", ""},
    {"trt_calib_mode", "false"}, {"collect_trt_shape_info", "false"},
    {"match_metric", ""},        {"tuned_trt_shape_file", ""},
    {"match_threshold", ""},     {"combine_method", "nms"}};

using Values = std::vector<std::string>;

[[noreturn]] void fail(const std::string& flag, const Values& found, const std::string& expected) {
  throw picodet::Error("--" + flag + ": found " + (found.empty() ? "nothing" : found.back()) + "; expected " + expected);
}

std::string path(const std::string& flag, const Values& values) {
  if (values.size() != 1 || values[0].empty()) fail(flag, values, "a path");
  const char* home = std::getenv("HOME");
  const bool is_home = home != nullptr && values[0].compare(0, 2, "~/") == 0;
  return is_home ? home + values[0].substr(1) : values[0];
}

double number(const std::string& flag, const Values& values, std::size_t i) {
  char* end = nullptr;
  const double value = values.size() > i ? std::strtod(values[i].c_str(), &end) : 0;
  if (end == nullptr || *end != '\0' || values[i].empty()) fail(flag, values, "a number");
  return value;
}

int whole(const std::string& flag, const Values& values, std::size_t i, int low) {
  int value = 0;
  if (values.size() <= i) fail(flag, values, "a whole number");
  const char* end = values[i].data() + values[i].size();
  const auto [stop, problem] = std::from_chars(values[i].data(), end, value);
  if (problem != std::errc() || stop != end || value < low) {
    fail(flag, values, "a whole number, " + std::to_string(low) + " or more");
  }
  return value;
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char letter) { return std::tolower(letter); });
  return text;
}

bool truth(const std::string& flag, const Values& values) {
  const std::string text = values.empty() ? "true" : lower(values[0]);
  if (values.size() > 1 || (text != "true" && text != "false")) fail(flag, values, "true or false");
  return text == "true";
}

using Setter = std::function<void(const std::string& flag, const Values& values)>;

std::map<std::string, Setter> setters(Arguments& a) {
  const auto set_path = [](std::string& target) {
    return [&target](const std::string& flag, const Values& values) { target = path(flag, values); };
  };
  const auto set_truth = [](bool& target) {
    return [&target](const std::string& flag, const Values& values) { target = truth(flag, values); };
  };
  std::map<std::string, Setter> all = {
      {"model", set_path(a.model)},
      {"image", set_path(a.image)},
      {"image_dir", set_path(a.image_dir)},
      {"video_file", set_path(a.video_file)},
      {"output_dir", set_path(a.output_dir)},
      {"backend", set_path(a.backend)},
      {"camera_id", [&a](auto& flag, auto& values) { a.camera_id = whole(flag, values, 0, 0); }},
      {"threads", [&a](auto& flag, auto& values) { a.threads = whole(flag, values, 0, 1); }},
      {"batch_size", [&a](auto& flag, auto& values) { a.batch_size = whole(flag, values, 0, 1); }},
      {"threshold",
       [&a](auto& flag, auto& values) {
         if (values != Values{"model"}) a.threshold = static_cast<float>(number(flag, values, 0));
       }},
      {"slice_size",
       [&a](auto& flag, auto& values) {
         a.slice_width = whole(flag, values, 0, 1);
         a.slice_height = whole(flag, values, values.size() - 1, 1);
       }},
      {"overlap_ratio",
       [&a](auto& flag, auto& values) {
         a.overlap_ratio = number(flag, values, 0);
         for (std::size_t i = 1; i < values.size(); ++i) a.overlap_ratio = std::max(a.overlap_ratio, number(flag, values, i));
       }},
      {"slice_infer", set_truth(a.slice_infer)},
      {"save_images", set_truth(a.save_images)},
      {"save_results", set_truth(a.save_results)},
      {"benchmark", set_truth(a.benchmark)}};
  const std::map<std::string, std::string> other_names = {{"model_dir", "model"},     {"image_file", "image"},
                                                          {"cpu_threads", "threads"}, {"run_benchmark", "benchmark"}};
  for (const auto& [other, name] : other_names) all[other] = all[name];
  for (const auto& [name, harmless] : kNoEffect) {
    all[name] = [&a, harmless = harmless](const std::string& flag, const Values& values) {
      const std::string value = values.empty() ? "true" : lower(values[0]);
      if (value != harmless) a.without_effect.push_back(std::string("--").append(flag).append(" ").append(value));
    };
  }
  return all;
}

void check(const Arguments& a) {
  if (a.model.empty()) throw picodet::Error("--model: missing; expected the folder of an export, or a file of it");
  const int sources = static_cast<int>(!a.image.empty()) + static_cast<int>(!a.image_dir.empty()) +
                      static_cast<int>(!a.video_file.empty()) + static_cast<int>(a.camera_id.has_value());
  if (sources != 1) {
    throw picodet::Error("input: found " + std::to_string(sources) +
                         " sources; expected one of --image, --image_dir, --video_file, --camera_id");
  }
  for (const auto& [option, value] : {std::pair{"--image", a.image}, std::pair{"--image_dir", a.image_dir}}) {
    if (value.find("://") == std::string::npos) continue;
    throw picodet::Error(std::string(option) + ": found the address " + value + "; expected a path; fetch it first");
  }
  if (a.benchmark && a.slice_infer) {
    throw picodet::Error("--slice_infer: --benchmark measures whole images; leave one of them out");
  }
  if (a.benchmark && (!a.video_file.empty() || a.camera_id)) {
    throw picodet::Error("--benchmark: measures images; use --image or --image_dir");
  }
}

}  // namespace

std::optional<Arguments> parse_arguments(int count, char** values) {
  Arguments arguments;
  const std::map<std::string, Setter> known = setters(arguments);
  for (int i = 1; i < count;) {
    std::string flag = values[i++];
    if (flag == "--help" || flag == "-h") {
      std::cout << kHelp;
      return std::nullopt;
    }
    Values given;
    if (const std::size_t equals = flag.find('='); equals != std::string::npos) {
      given.push_back(flag.substr(equals + 1));
      flag.erase(equals);
    }
    while (given.size() < 2 && i < count && std::string(values[i]).compare(0, 2, "--") != 0) given.emplace_back(values[i++]);
    const auto setter = flag.compare(0, 2, "--") == 0 ? known.find(flag.substr(2)) : known.end();
    if (setter == known.end()) throw picodet::Error(flag + ": no such option; --help lists all");
    if (given.size() > 1 && flag != "--slice_size" && flag != "--overlap_ratio") {
      fail(setter->first, given, "one value; the second belongs to no option");
    }
    setter->second(setter->first, given);
  }
  check(arguments);
  return arguments;
}

}  // namespace cli
