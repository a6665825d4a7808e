#include "model_file.hpp"

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string_view>

#include "picodet/picodet.hpp"
#include "sha256.hpp"

namespace picodet::detail {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMetadata = 14;  // number of metadata_props in ONNX's ModelProto
constexpr std::string_view kKey = "infer_cfg";

std::string read_bytes(const fs::path& file) {
  if (!fs::is_regular_file(file)) throw Error(file.string() + ": there is no such file");
  std::ifstream stream(file, std::ios::binary);
  std::string content(static_cast<std::size_t>(fs::file_size(file)), '\0');
  if (!stream.read(content.data(), static_cast<std::streamsize>(content.size()))) {
    throw Error(file.string() + ": cannot be read (" + std::strerror(errno) + "); check the file's rights");
  }
  return content;
}

// The content of a file that belongs to `model`.
std::string read_beside(const fs::path& model, const fs::path& file) {
  if (fs::is_regular_file(file)) return read_bytes(file);
  throw Error(model.string() + ": " + file.filename().string() + " is not beside it; copy all files of the export");
}

// A number in protobuf's encoding (seven bits a byte, the lowest first), which is removed from the start of `data`.
std::uint64_t take_varint(std::string_view& data) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; !data.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(data.front());
    data.remove_prefix(1);
    if (shift < 64) value |= static_cast<std::uint64_t>(byte & 127U) << shift;
    if (byte < 128) break;
  }
  return value;
}

struct Field {
  std::uint64_t number = 0;
  std::string_view content;  // of a field of bytes
  std::string_view encoded;  // the whole field
};

// The first field of an encoded message, which is removed from `data`. Ends with the data if they are damaged.
Field take_field(std::string_view& data) {
  const std::string_view start = data;
  const std::uint64_t tag = take_varint(data);
  Field field;
  field.number = tag >> 3;
  std::uint64_t length = (tag & 7) == 1 ? 8 : 4;
  if ((tag & 7) == 2) {
    length = take_varint(data);
    field.content = data.substr(0, std::min<std::uint64_t>(length, data.size()));
  } else if ((tag & 7) == 0) {
    take_varint(data);
    length = 0;
  }
  data.remove_prefix(std::min<std::uint64_t>(length, data.size()));
  field.encoded = start.substr(0, start.size() - data.size());
  return field;
}

ModelFile read_onnx(const std::string& content) {
  ModelFile result;
  Sha256 digest;
  for (std::string_view rest = content; !rest.empty();) {
    const Field field = take_field(rest);
    if (field.number != kMetadata) {
      digest.update(field.encoded);
      continue;
    }
    std::string_view entry = field.content;
    std::string_view parts[2];  // key, value
    while (!entry.empty()) {
      const Field part = take_field(entry);
      if (part.number == 1 || part.number == 2) parts[part.number - 1] = part.content;
    }
    if (parts[0] == kKey) result.infer_cfg = parts[1];
  }
  result.checksum = digest.hex_digest();
  return result;
}

// The text of an XML attribute.
std::string unescaped(std::string_view text) {
  static constexpr struct {
    std::string_view name, value;
  } kEntities[] = {{"&quot;", "\""}, {"&amp;", "&"}, {"&lt;", "<"}, {"&gt;", ">"}, {"&apos;", "'"}, {"&#10;", "\n"}};
  std::string result;
  while (!text.empty()) {
    std::size_t length = 1;
    std::string_view value = text.substr(0, 1);
    for (const auto& entity : kEntities) {
      if (text.substr(0, entity.name.size()) == entity.name) length = entity.name.size(), value = entity.value;
    }
    result += value;
    text.remove_prefix(length);
  }
  return result;
}

ModelFile read_xml(const std::string& content, const std::string& weights) {
  static constexpr std::string_view kBefore = "<infer_cfg value=\"";
  ModelFile result;
  Sha256 digest;
  std::string_view rest = content;
  for (std::size_t at = rest.find(kBefore); at != std::string_view::npos; at = rest.find(kBefore)) {
    const std::size_t end = rest.find('"', at + kBefore.size());
    if (end == std::string_view::npos) break;
    result.infer_cfg = unescaped(rest.substr(at + kBefore.size(), end - at - kBefore.size()));
    digest.update(rest.substr(0, at));
    rest.remove_prefix(end + 1);
  }
  digest.update(rest);
  digest.update(weights);
  result.checksum = digest.hex_digest();
  return result;
}

}  // namespace

ModelFile read_model_file(const std::string& file) {
  const fs::path path(file);
  ModelFile result;
  if (path.extension() == ".xml") {
    result = read_xml(read_bytes(path), read_beside(path, fs::path(path).replace_extension(".bin")));
  } else if (path.extension() == ".param") {
    Sha256 digest;
    digest.update(read_bytes(path));
    digest.update(read_beside(path, fs::path(path).replace_extension(".bin")));
    result = {read_beside(path, fs::path(path) += ".json"), digest.hex_digest()};
  } else {
    result = read_onnx(read_bytes(path));
  }
  if (result.infer_cfg.empty()) throw Error(file + ": carries no infer_cfg; export the model with `ppdet export`");
  return result;
}

}  // namespace picodet::detail
