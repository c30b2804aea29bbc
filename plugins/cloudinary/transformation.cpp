// SPDX-License-Identifier: Apache-2.0
#include "transformation.hpp"

#include <algorithm>
#include <map>
#include <string_view>
#include <vector>

namespace cloudinary {
namespace sdk = cofounder::sdk;
namespace {

using sdk::Json;

// The options of the official SDKs and their short names in URLs.
const std::map<std::string_view, std::string_view> short_names{
    {"angle", "a"},        {"aspect_ratio", "ar"}, {"background", "b"},   {"border", "bo"},
    {"color", "co"},       {"color_space", "cs"},  {"crop", "c"},         {"default_image", "d"},
    {"delay", "dl"},       {"density", "dn"},      {"dpr", "dpr"},        {"duration", "du"},
    {"effect", "e"},       {"end_offset", "eo"},   {"fetch_format", "f"}, {"flags", "fl"},
    {"gravity", "g"},      {"height", "h"},        {"keyframe_interval", "ki"}, {"opacity", "o"},
    {"overlay", "l"},      {"page", "pg"},         {"prefix", "p"},       {"quality", "q"},
    {"radius", "r"},       {"start_offset", "so"}, {"streaming_profile", "sp"}, {"underlay", "u"},
    {"video_codec", "vc"}, {"video_sampling", "vs"}, {"width", "w"},      {"x", "x"},
    {"y", "y"},            {"zoom", "z"}};

sdk::Failure invalid(const std::string& why) {
  return sdk::Failure{COF_EINVALID, "invalid_transformation", "args.transformation: " + why};
}

// Nothing that would end a component or a URL.
bool is_plain(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) > 0x20 && c != '?' && c != '#' && c != '%';
  });
}

std::optional<std::string> scalar(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number() || value.is_boolean()) return value.dump();
  return std::nullopt;
}

sdk::Result<std::string> step_text(const Json& step, bool with_format) {
  if (step.is_string()) {
    const auto text = step.get<std::string>();
    if (!is_plain(text)) return invalid("\"" + text + "\" is no transformation");
    return text;
  }
  if (!step.is_object()) return invalid("a step must be a text or an object");
  std::vector<std::string> components;
  std::string format;
  for (const auto& [key, value] : step.items()) {
    const auto text = scalar(value);
    if (!text || !is_plain(*text) || text->find(',') != std::string::npos ||
        (text->find('/') != std::string::npos && key != "overlay" && key != "underlay")) {
      return invalid(key + " has a value that is not allowed");
    }
    if (key == "format" && with_format) {
      format = "/" + *text;
    } else if (key == "raw_transformation") {
      components.push_back(*text);
    } else if (const auto found = short_names.find(key); found != short_names.end()) {
      components.push_back(std::string{found->second} + "_" + *text);
    } else {
      return invalid("\"" + key + "\" is not known");
    }
  }
  std::sort(components.begin(), components.end());
  std::string out;
  for (const auto& component : components) out += (out.empty() ? "" : ",") + component;
  return out + format;
}

bool is_list_of_words(const Json& value) {
  return value.is_array() && !value.empty() &&
         std::all_of(value.begin(), value.end(), [](const Json& item) {
           return item.is_string() &&
                  item.get<std::string>().find_first_of("_,/ ") == std::string::npos;
         });
}

}  // namespace

sdk::Result<std::string> transformation_text(const Json& value) {
  if (!value.is_array()) return step_text(value, false);
  std::string out;
  // The SDKs let a list of names stand for named transformations of one step.
  const bool named = is_list_of_words(value);
  for (const Json& item : value) {
    auto step = step_text(item, false);
    if (!step) return step.failure();
    out += out.empty() ? (named ? "t_" : "") : (named ? "." : "/");
    out += *step;
  }
  return out;
}

sdk::Result<std::string> eager_text(const Json& value) {
  std::string out;
  for (const Json& item : value) {
    auto step = step_text(item, true);
    if (!step) return step.failure();
    out += (out.empty() ? "" : "|") + *step;
  }
  return out;
}

}  // namespace cloudinary
