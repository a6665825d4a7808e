#include "section.hpp"

#include <algorithm>
#include <cmath>
#include <sstream>

namespace picodet::detail {
namespace {

std::string brief(double number) {
  std::ostringstream text;
  text << number;
  return text.str();
}

std::string range(const std::string& kind, double low, double high) {
  return kind + " of " + brief(low) + " to " + brief(high);
}

const Json& empty_mapping() {
  static const Json empty = Json::object();
  return empty;
}

}  // namespace

std::string shown(const Json& value) {
  const std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
  return text.size() <= 60 ? text : text.substr(0, 60) + " ...";
}

Section::Section(const Json& values, std::string source, std::string path)
    : values_(&values), source_(std::move(source)), path_(std::move(path)) {
  if (!values.is_object()) {
    throw Error(source_ + ":" + (path_.empty() ? "" : " " + path_ + ":") + " found " + shown(values) +
                "; expected keys and values");
  }
}

Error Section::error(const std::string& key, const std::string& found, const std::string& expected) const {
  return Error(source_ + ": " + (path_.empty() ? key : path_ + "." + key) + ": " + found + "; expected " + expected);
}

const Json* Section::find(const std::string& key) const {
  const auto found = values_->find(key);
  return found == values_->end() || found->is_null() ? nullptr : &*found;
}

const Json& Section::need(const std::string& key, const std::string& expected) const {
  const Json* value = find(key);
  if (value == nullptr) throw error(key, "missing", expected);
  return *value;
}

Section Section::section(const std::string& key) const {
  const Json* value = find(key);
  return {value == nullptr ? empty_mapping() : *value, source_, path_.empty() ? key : path_ + "." + key};
}

std::vector<Section> Section::sections(const std::string& key) const {
  const Json& list = need(key, "a list of mappings");
  if (!list.is_array()) throw error(key, "found " + shown(list), "a list of mappings");
  std::vector<Section> all;
  const std::string path = path_.empty() ? key : path_ + "." + key;
  for (const Json& each : list) all.emplace_back(each, source_, path + "[" + std::to_string(all.size()) + "]");
  return all;
}

double Section::number(const std::string& key, double low, double high, std::optional<double> fallback) const {
  if (fallback && find(key) == nullptr) return *fallback;
  return number_of(key, need(key, range("a number", low, high)), low, high);
}

std::vector<double> Section::numbers(const std::string& key, std::size_t count, double low, double high) const {
  const std::string expected = std::to_string(count) + " numbers";
  const Json& list = need(key, expected);
  if (!list.is_array() || list.size() != count) throw error(key, "found " + shown(list), expected);
  std::vector<double> all;
  for (const Json& each : list) all.push_back(number_of(key + "[" + std::to_string(all.size()) + "]", each, low, high));
  return all;
}

int Section::whole(const std::string& key, int low, int high, std::optional<int> fallback) const {
  if (fallback && find(key) == nullptr) return *fallback;
  return whole_of(key, need(key, range("a whole number", low, high)), low, high);
}

std::vector<int> Section::wholes(const std::string& key, int low, int high) const {
  const Json* list = find(key);
  if (list == nullptr) return {};
  if (!list->is_array()) throw error(key, "found " + shown(*list), range("a list of whole numbers", low, high));
  std::vector<int> all;
  for (const Json& each : *list) all.push_back(whole_of(key + "[" + std::to_string(all.size()) + "]", each, low, high));
  return all;
}

bool Section::truth(const std::string& key, bool fallback) const {
  const Json* value = find(key);
  if (value == nullptr) return fallback;
  if (!value->is_boolean()) throw error(key, "found " + shown(*value), "true or false");
  return value->get<bool>();
}

std::string Section::text(const std::string& key, const std::vector<std::string>& choices,
                          const std::string& fallback) const {
  const Json* value = find(key);
  if (value == nullptr) return fallback;
  if (value->is_string() && std::count(choices.begin(), choices.end(), value->get<std::string>()) != 0) {
    return value->get<std::string>();
  }
  std::string expected;
  for (const auto& choice : choices) expected += (expected.empty() ? "" : " or ") + choice;
  throw error(key, "found " + shown(*value), expected);
}

double Section::number_of(const std::string& key, const Json& value, double low, double high) const {
  if (!value.is_number() || !(value.get<double>() >= low && value.get<double>() <= high)) {
    throw error(key, "found " + shown(value), range("a number", low, high));
  }
  return value.get<double>();
}

int Section::whole_of(const std::string& key, const Json& value, int low, int high) const {
  // Compared as a double: a number beyond 64 bits is one already.
  if (!value.is_number_integer() || !(value.get<double>() >= low && value.get<double>() <= high)) {
    throw error(key, "found " + shown(value), range("a whole number", low, high));
  }
  return value.get<int>();
}

}  // namespace picodet::detail
