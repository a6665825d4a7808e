// What each runtime has to offer. A back end is shared by threads; a request is used by one at a time.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace picodet::detail {

enum class Type { float32, uint8, int32, int64, other };

using Shape = std::array<std::int64_t, 4>;

struct Port {  // an input of a model; -1 in `shape`: any size
  std::string name;
  int rank = 0;
  Shape shape{};
  Type type = Type::float32;
};

struct Tensor {  // memory that somebody else owns
  void* data = nullptr;
  int rank = 0;
  Shape shape{};
  Type type = Type::float32;

  [[nodiscard]] std::int64_t size() const {
    std::int64_t count = 1;
    for (int i = 0; i < rank; ++i) count *= shape[static_cast<std::size_t>(i)];
    return count;
  }
};

class Request {
 public:
  virtual ~Request() = default;
  // Sets `outputs`, which are lent until the next call. The inputs are in the order of Backend::inputs.
  virtual void run(const std::vector<Tensor>& inputs, std::vector<Tensor>& outputs) = 0;
};

class Backend {
 public:
  virtual ~Backend() = default;
  [[nodiscard]] virtual const std::vector<Port>& inputs() const = 0;
  [[nodiscard]] virtual std::unique_ptr<Request> make_request() = 0;  // threads may call it
};

struct Runtime {
  const char* name;
  std::vector<std::string> suffixes;  // files that it runs, the preferred first
  // threads: that compute a call; calls: how many of them the processor cores compute at the same time.
  std::unique_ptr<Backend> (*load)(const std::string& file, int threads, int calls);
};

// The runtimes that were built in, the preferred first.
const std::vector<Runtime>& runtimes();

struct Choice {
  const Runtime* runtime = nullptr;
  std::string file;
};

// The wanted runtime, or the first one that has a file, and the file. `model`: a folder or a file.
Choice choose(const std::string& model, const std::string& backend);

// Calls that may throw what they like become Errors whose message is `prefix (first line of theirs)suffix`.
[[noreturn]] void rethrow_as_error(const std::string& prefix, const std::string& remedy);

}  // namespace picodet::detail
