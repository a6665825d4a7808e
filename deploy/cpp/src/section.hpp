// Typed access to the values of infer_cfg; messages name a wrong value by its dotted key.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "picodet/picodet.hpp"

namespace picodet::detail {

using Json = nlohmann::json;

// A mapping. A key that is missing or null has the default; without a default it is required.
class Section {
 public:
  Section(const Json& values, std::string source, std::string path = "");

  [[nodiscard]] Error error(const std::string& key, const std::string& found, const std::string& expected) const;
  [[nodiscard]] const Json* find(const std::string& key) const;  // null: missing
  [[nodiscard]] const Json& need(const std::string& key, const std::string& expected) const;
  [[nodiscard]] const Json& values() const { return *values_; }

  [[nodiscard]] Section section(const std::string& key) const;
  [[nodiscard]] std::vector<Section> sections(const std::string& key) const;
  [[nodiscard]] double number(const std::string& key, double low, double high, std::optional<double> fallback = {}) const;
  [[nodiscard]] std::vector<double> numbers(const std::string& key, std::size_t count, double low, double high) const;
  [[nodiscard]] int whole(const std::string& key, int low, int high, std::optional<int> fallback = {}) const;
  [[nodiscard]] std::vector<int> wholes(const std::string& key, int low, int high) const;
  [[nodiscard]] bool truth(const std::string& key, bool fallback) const;
  [[nodiscard]] std::string text(const std::string& key, const std::vector<std::string>& choices,
                                 const std::string& fallback) const;

 private:
  [[nodiscard]] double number_of(const std::string& key, const Json& value, double low, double high) const;
  [[nodiscard]] int whole_of(const std::string& key, const Json& value, int low, int high) const;

  const Json* values_;
  std::string source_, path_;
};

// A value as a short text.
std::string shown(const Json& value);

}  // namespace picodet::detail
