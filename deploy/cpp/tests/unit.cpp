// Tests that need no model and no runtime: kinds of outputs, NMS, checksums, memory. Each check prints its line if it fails.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <new>

#include "config.hpp"
#include "cores.hpp"
#include "engine.hpp"
#include "sha256.hpp"
#include "tiles.hpp"

namespace {

bool counts_allocations = false;
long allocations = 0;
long most_allocations = -1;  // memory runs out after these; -1: never

}  // namespace

[[gnu::noinline]] void* operator new(std::size_t size) {
  if (counts_allocations) ++allocations;
  if (most_allocations >= 0 && most_allocations-- == 0) throw std::bad_alloc();
  void* memory = std::malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t& /*tag*/) noexcept {
  if (counts_allocations) ++allocations;
  return std::malloc(size);
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t /*size*/) noexcept { std::free(memory); }

namespace {

using namespace picodet;
using namespace picodet::detail;

int failures = 0;

#define CHECK(condition) \
  if (!(condition)) std::printf("%s:%d: %s\n", __FILE__, __LINE__, #condition), ++failures

// The message of the Error that `work` throws.
std::string message(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

Config config_of(const std::string& more = "") {
  return parse_config(R"({"Preprocess": [{"type": "Resize", "interp": 2, "target_size": [32, 32], "keep_ratio": false}],
                          "label_list": ["cat", "dog"], "boxes": "input", "fpn_stride": [8, 16])" +
                          more + "}",
                      "test");
}

Tensor tensor(std::vector<float>& values, std::vector<std::int64_t> shape) {
  Tensor result;
  result.data = values.data();
  result.rank = static_cast<int>(shape.size());
  std::copy(shape.begin(), shape.end(), result.shape.begin());
  return result;
}

Detections found_in(const Config& config, const std::vector<Tensor>& outputs, bool takes_factor = false) {
  Detections found;
  const ScaleFactor factor = {0.5F, 0.25F};
  Postprocessor(config, takes_factor)(outputs, {32, 32}, &factor, 1, &found);
  return found;
}

void test_sha256() {
  Sha256 digest;
  digest.update("abc");
  CHECK(digest.hex_digest() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Sha256 longer;
  for (int i = 0; i < 1000; ++i) longer.update("0123456789");
  CHECK(longer.hex_digest() == "4c207598af7a20db0e3334dd044399a40e467cb81b37f7ba05a4f76dcbd8fd59");
}

void test_rows_of_nms() {
  std::vector<float> rows = {1, 0.6F, 4, 8, 12, 16, 0, 0.9F, 0, 0, 8, 8, 0, 0.1F, 0, 0, 8, 8, -1, 0, 0, 0, 0, 0};
  std::vector<float> counts = {4};
  const Detections found = found_in(config_of(), {tensor(rows, {4, 6}), tensor(counts, {1})});
  CHECK(found.size() == 2);
  CHECK(found[0].class_id == 0 && found[0].score == 0.9F && found[1].class_id == 1);
  CHECK(found[1].x1 == 16 && found[1].y1 == 16 && found[1].x2 == 48 && found[1].y2 == 32);  // by the factors
  const Config unknown = parse_config(R"({"Preprocess": [{"type": "Resize", "target_size": 32}], "label_list": ["a", "b"]})", "t");
  CHECK(found_in(unknown, {tensor(rows, {4, 6})}, true)[1].x1 == 4);  // PaddleDetection scales for NMS
  std::vector<float> nothing(6, -1);  // as multi-class NMS of Paddle gives it
  CHECK(found_in(config_of(), {tensor(nothing, {1, 6})}).empty());
  rows[0] = 2;
  CHECK(has(message([&] { found_in(config_of(), {tensor(rows, {4, 6})}); }), "a class of number 2"));
  rows[0] = NAN;
  CHECK(has(message([&] { found_in(config_of(), {tensor(rows, {4, 6})}); }), "damaged"));
  CHECK(has(message([&] { found_in(config_of(), {tensor(rows, {6, 4})}); }), "[6, 4]"));
  std::vector<float> empty;
  CHECK(found_in(config_of(), {tensor(empty, {0, 6})}).empty());
  for (const float count : {NAN, -1.0F, 2e9F}) {
    counts = {count, 0};
    CHECK(has(message([&] { found_in(config_of(), {tensor(rows, {4, 6}), tensor(counts, {2})}); }), "[4, 6], [2]"));
  }
}

void test_other_outputs() {
  std::vector<float> boxes = {0, 0, 8, 8, 4, 4, 12, 12};
  std::vector<float> scores = {0.6F, 0.7F};
  std::vector<std::int32_t> classes = {1, 0};
  Tensor numbers = tensor(scores, {1, 2});
  numbers.data = classes.data();
  numbers.type = Type::int32;
  for (const bool is_swapped : {false, true}) {
    const Tensor second = tensor(scores, {1, 2});
    const Detections found = found_in(config_of(), {tensor(boxes, {1, 2, 4}), is_swapped ? numbers : second,
                                                    is_swapped ? second : numbers});
    CHECK(found.size() == 2 && found[0].score == 0.7F && found[0].class_id == 0 && found[1].class_id == 1);
  }
  std::vector<float> rows = {0, 0, 8, 8, 0.9F, 1, 0, 0, 8, 8, 0.8F, -1};
  CHECK(found_in(config_of(), {tensor(rows, {1, 2, 6})}).size() == 1);
}

void test_decoded_outputs_and_nms() {
  std::vector<float> boxes = {0, 0, 10, 10, 0, 0, 10, 9, 0, 20, 10, 30};
  std::vector<float> scores = {0.9F, 0.8F, 0.7F, 0, 0.6F, 0};  // of the cats, then of the dogs
  const std::vector<Tensor> outputs = {tensor(boxes, {1, 3, 4}), tensor(scores, {1, 2, 3})};
  const Detections found = found_in(config_of(), outputs);
  CHECK(found.size() == 3);  // the second cat overlaps the first, the dog does not count
  CHECK(found[0].score == 0.9F && found[1].score == 0.7F && found[2].score == 0.6F && found[2].class_id == 1);
  CHECK(found[0].x2 == 40 && found[0].y2 == 20);
  CHECK(found_in(config_of(R"(, "needs_nms": false)"), outputs).size() == 4);
  CHECK(found_in(config_of(R"(, "NMS": {"nms_threshold": 0.95})"), outputs).size() == 4);
  CHECK(found_in(config_of(R"(, "NMS": {"nms_top_k": 1})"), outputs).size() == 2);
  CHECK(found_in(config_of(R"(, "NMS": {"keep_top_k": 1})"), outputs).size() == 1);
  CHECK(found_in(config_of(R"(, "thresholds": [0.85, 0.65])"), outputs).size() == 1);
  scores[1] = 1.5F;
  CHECK(has(message([&] { found_in(config_of(), outputs); }), "damaged"));
  CHECK(has(message([&] { found_in(config_of(), {tensor(boxes, {1, 3, 4}), tensor(scores, {1, 3, 2})}); }), "[1, 3, 2]"));
}

// Levels of 4 x 4 and 2 x 2 cells, 8 bins a side; flat or with the axes of an image.
void test_raw_outputs() {
  for (const bool is_flat : {true, false}) {
    std::vector<float> scores(32), few(8), bins(static_cast<std::size_t>(16 * 32)), few_bins(static_cast<std::size_t>(4 * 32));
    const int point = 6;  // x 2, y 1
    scores[is_flat ? point * 2 + 1 : 16 + point] = 0.75F;
    for (int side = 0; side < 4; ++side) {  // a distance of 1, 2, 3, 4 bins
      const int bin = side * 8 + side + 1;
      bins[static_cast<std::size_t>(is_flat ? point * 32 + bin : bin * 16 + point)] = 100;
    }
    const auto shape = [&](std::int64_t channels, std::int64_t side) {
      return is_flat ? std::vector<std::int64_t>{1, side * side, channels} : std::vector<std::int64_t>{1, channels, side, side};
    };
    const Detections found = found_in(config_of(R"(, "draw_threshold": 0.5)"),
                                      {tensor(scores, shape(2, 4)), tensor(few, shape(2, 2)), tensor(bins, shape(32, 4)),
                                       tensor(few_bins, shape(32, 2))});
    CHECK(found.size() == 1 && found[0].class_id == 1 && found[0].score == 0.75F);
    // center (20, 12), distances 8, 16, 24, 32, factors 0.25 and 0.5
    CHECK(found[0].x1 == 48 && found[0].y1 == -8 && found[0].x2 == 176 && found[0].y2 == 88);
  }
}

void test_wrong_infer_cfg() {
  const std::string deep = std::string(100000, '[') + std::string(100000, ']');
  CHECK(has(message([&] { config_of(", \"arch\": " + deep); }), "test: is nested more than 16 times"));
  CHECK(has(message([] { config_of(R"(, "arch": "\xff")"); }), "no JSON"));
  CHECK(has(message([] { config_of(R"(, "cell_offset": 1e999)"); }), "test: "));
}

void test_an_upright_image_fits_into_a_wide_input() {
  const Config wide = parse_config(
      R"({"Preprocess": [{"type": "Resize", "target_size": [32, 64], "keep_ratio": true}], "label_list": ["a"]})", "t");
  CHECK(resize_factors({64, 32}, wide, {}).y == 1 && resize_factors({64, 32}, wide, {32, 64}).y == 0.5);
  CHECK(resize_factors({64, 32}, wide, {32, 64}).x == 0.5 && resize_factors({16, 16}, wide, {32, 64}).x == 2);
}

void test_inputs_and_sizes() {
  const auto said = [](const Shape& shape) {
    return message([&] { plan_inputs({{"image", 4, shape, Type::float32}}, config_of(), "file"); });
  };
  CHECK(said({1, 3, 32, 32}).empty() && said({-1, 3, -1, -1}).empty());
  const Port bytes = {"image", 4, {1, 3, 32, 32}, Type::uint8};
  const std::string norm = R"({"Preprocess": [{"type": "Resize", "target_size": 32, "keep_ratio": false},
                                              {"type": "NormalizeImage", "norm_type": "none"}], "label_list": ["a"]})";
  CHECK(message([&] { plan_inputs({bytes}, config_of(), "file"); }).empty());
  CHECK(has(message([&] { plan_inputs({bytes}, parse_config(norm, "t"), "file"); }), "takes bytes, but its infer_cfg normal"));
  CHECK(has(said({std::int64_t{1} << 62, 3, 32, 32}), "expected at most 8192"));
  CHECK(has(said({1, 3, (std::int64_t{1} << 32) + 32, 32}), "expected at most 8192"));
  const std::uint8_t pixel = 0;
  for (const Image& image : {Image{&pixel, 1 << 28, 1}, Image{&pixel, 1, 1 << 28}, Image{&pixel, 2, 1, PixelFormat::bgr, 5},
                             Image{&pixel, -1, 1}, Image{nullptr, 1, 1}}) {
    CHECK(has(message([&] { check_image(image); }), "expected pixels, sides of at most"));
  }
}

void test_a_resizer_goes_on_after_memory_ran_out() {
  const std::vector<std::uint8_t> pixels(static_cast<std::size_t>(60 * 40 * 3), 7);
  std::vector<float> out(static_cast<std::size_t>(20 * 30));
  Planes planes;
  planes.size = {20, 30};
  planes.stride = 30;
  for (float*& each : planes.floats) each = out.data();
  Resizer resizer;
  const auto resize = [&] {
    resizer.plan({40, 60}, {0.5, 0.5}, Interpolation::cubic);
    resizer.run({pixels.data(), 60, 40}, planes);
  };
  bool is_done = false;
  for (long most = 0; !is_done; ++most) {
    most_allocations = most;
    try {
      resize();
      is_done = true;
    } catch (const std::bad_alloc&) {  // expected
    }
    most_allocations = -1;
  }
  CHECK(out[0] == 7 && out.back() == 7);
}

void test_cores() {
  namespace fs = std::filesystem;
  char name[] = "/tmp/picodet_XXXXXX";
  const fs::path root = mkdtemp(name);
  const auto write = [&root](const std::string& file, const std::string& text) {
    fs::create_directories((root / file).parent_path());
    std::ofstream(root / file) << text;
  };
  const int all = allowed_cores(root);
  CHECK(all >= 1);
  write("proc/self/cgroup", "0::/a/b\n");
  write("sys/fs/cgroup/cpu.max", "max 100000\n");
  CHECK(allowed_cores(root) == all);
  write("sys/fs/cgroup/a/cpu.max", "150000 100000\n");
  CHECK(allowed_cores(root) == 1);
  write("proc/self/cgroup", "4:cpu,cpuacct:/host\n1:name=systemd:/\n");
  CHECK(allowed_cores(root) == all);
  write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "50000\n");
  write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  CHECK(allowed_cores(root) == 1);
  fs::remove_all(root);
}

void test_tiles() {
  const std::vector<Window> parts = windows({100, 250}, {64, 100, 0.25, true});
  CHECK(parts.size() == 6 && parts[0].x1 == 0 && parts[2].x2 == 250 && parts[5].y2 == 100);
  CHECK(has(message([] { windows({100, 100}, {8, 100, 0.25, true}); }), "expected 32 or more"));
  CHECK(windows({640, 1152}, {640, 640, 0.2, true}).size() == 2);  // 0.2 in single precision would need a third
  const std::vector<TileDetection> boxes = {
      {{0, 0, 10, 10, 0.5F, 0}, 0, false}, {{0, 0, 10, 9, 0.9F, 0}, 1, true}, {{0, 0, 10, 9, 0.4F, 1}, 1, false}};
  const Detections found = merge(boxes, 0.5F);
  CHECK(found.size() == 2 && found[0].score == 0.5F && found[1].class_id == 1);
}

class FixedRequest : public Request {
 public:
  FixedRequest() : boxes_(static_cast<std::size_t>(4 * 200)), scores_(400, 0.6F) {
    for (std::size_t i = 0; i < boxes_.size(); ++i) boxes_[i] = static_cast<float>(i % 4 / 2 * 8 + i / 40);
  }
  void run(const std::vector<Tensor>& /*inputs*/, std::vector<Tensor>& outputs) override {
    outputs = outputs_;
  }

 private:
  std::vector<float> boxes_, scores_;
  std::vector<Tensor> outputs_ = {tensor(boxes_, {1, 200, 4}), tensor(scores_, {1, 2, 200})};
};

void test_nothing_is_allocated_after_the_first_image() {
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(640 * 480 * 4), 100);
  const Config config = config_of();
  InputPlan plan;
  plan.image = 0;
  plan.fixed = {32, 32};
  for (const bool bytes : {false, true}) {
    plan.bytes = bytes;
    Engine engine(config, plan, std::make_unique<FixedRequest>());
    Detections found;
    for (int round = 0; round < 5; ++round) {
      const Image image = {pixels.data(), 640, 480};
      allocations = 0;
      counts_allocations = round > 0;
      engine.prepare(&image, 1);
      engine.run();
      engine.finish(&found);
      counts_allocations = false;
      CHECK(allocations == 0);
      CHECK(!found.empty());
    }
  }
}

}  // namespace

int main() {
  test_sha256();
  test_rows_of_nms();
  test_other_outputs();
  test_decoded_outputs_and_nms();
  test_raw_outputs();
  test_wrong_infer_cfg();
  test_an_upright_image_fits_into_a_wide_input();
  test_inputs_and_sizes();
  test_a_resizer_goes_on_after_memory_ran_out();
  test_cores();
  test_tiles();
  test_nothing_is_allocated_after_the_first_image();
  std::printf("%d failures\n", failures);
  return failures == 0 ? 0 : 1;
}
