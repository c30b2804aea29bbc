// SPDX-License-Identifier: Apache-2.0
#include <openssl/evp.h>

#include <array>
#include <charconv>
#include <ctime>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "tests/simulators/cloudinary.hpp"

namespace simulator {
namespace {

// What the Upload API takes besides file, api_key, signature and signature_algorithm.
const std::set<std::string_view> upload_fields{
    "access_mode", "allowed_formats", "asset_folder", "async", "auto_tagging", "backup",
    "categorization", "colors", "context", "custom_coordinates", "detection", "discard_original_filename",
    "display_name", "eager", "eager_async", "eager_notification_url", "face_coordinates", "faces",
    "filename_override", "folder", "format", "headers", "image_metadata", "invalidate", "media_metadata",
    "metadata", "moderation", "notification_url", "overwrite", "phash", "proxy", "public_id",
    "public_id_prefix", "quality_analysis", "raw_convert", "responsive_breakpoints", "return_delete_token",
    "tags", "timestamp", "transformation", "type", "unique_filename", "upload_preset", "use_filename",
    "use_asset_folder_as_public_id_prefix", "use_filename_as_display_name"};
const std::set<std::string_view> destroy_fields{"public_id", "type", "invalidate", "timestamp",
                                                "notification_url"};
const std::set<std::string_view> booleans{
    "async", "backup", "colors", "eager_async", "faces", "image_metadata", "invalidate", "overwrite",
    "unique_filename", "use_filename", "return_delete_token", "discard_original_filename"};

std::string check_public_id(const std::string& id) {
  if (id.size() > 255) return "public_id is too long";
  if (id.empty() || id.front() == '/' || id.back() == '/' || id.front() == ' ' || id.back() == ' ') {
    return "public_id (" + id + ") is invalid";
  }
  for (const char c : id) {
    if (static_cast<unsigned char>(c) < 0x20 || std::string_view{"?&#\\%<>+"}.find(c) != std::string_view::npos) {
      return "public_id (" + id + ") is invalid";
    }
  }
  if (id.find("..") != std::string::npos || id.find("//") != std::string::npos) {
    return "public_id (" + id + ") is invalid";
  }
  return {};
}

std::string check_common(const std::map<std::string, std::string>& values,
                         const std::set<std::string_view>& known) {
  for (const auto& [name, value] : values) {
    if (name == "api_key" || name == "signature" || name == "signature_algorithm" || name == "file") {
      continue;
    }
    if (!known.contains(name)) return "Invalid parameter " + name;
    if (booleans.contains(name) && value != "0" && value != "1" && value != "true" && value != "false") {
      return "Invalid value " + value + " for parameter " + name;
    }
  }
  return {};
}

}  // namespace

Response cloudinary_error(int status, const std::string& message) {
  Response response;
  response.status = status;
  response.body = nlohmann::json{{"error", {{"message", message}}}}.dump();
  response.headers = {{"X-Cld-Error", message}, {"X-Request-Id", "simulated"}};
  return response;
}

std::string hex_digest(const char* algorithm, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_get_digestbyname(algorithm), nullptr);
  std::string out;
  for (unsigned i = 0; i < size; ++i) {
    out += "0123456789abcdef"[digest[i] >> 4];
    out += "0123456789abcdef"[digest[i] & 15];
  }
  return out;
}

std::string cloudinary_signature(const std::map<std::string, std::string>& params,
                                 const std::string& secret, const char* algorithm, int version) {
  std::string text;
  for (const auto& [name, value] : params) {
    if (value.empty()) continue;
    std::string pair = name + "=" + value;
    for (std::size_t at = 0; version == 2 && (at = pair.find('&', at)) != std::string::npos;) {
      pair.replace(at, 1, "%26");
    }
    text += (text.empty() ? "" : "&") + pair;
  }
  return hex_digest(algorithm, text + secret);
}

std::optional<std::map<std::string, std::string>> parse_context(std::string_view text) {
  std::map<std::string, std::string> pairs;
  std::string key, value;
  bool in_value = false;
  const auto end_pair = [&] {
    if (!in_value) return false;
    pairs[std::exchange(key, {})] = std::exchange(value, {});
    in_value = false;
    return true;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '|') {
      if (!end_pair()) return std::nullopt;
      continue;
    }
    if (c == '=') {
      if (in_value || key.empty()) return std::nullopt;
      in_value = true;
      continue;
    }
    if (c == '\\') {
      if (++i == text.size()) return std::nullopt;
      if (text[i] != '=' && text[i] != '|') (in_value ? value : key) += c;
      c = text[i];
    }
    (in_value ? value : key) += c;
  }
  if (!end_pair()) return std::nullopt;
  return pairs;
}

std::string check_upload_fields(const std::map<std::string, std::string>& values) {
  if (auto wrong = check_common(values, upload_fields); !wrong.empty()) return wrong;
  const auto find = [&](const char* name) {
    const auto it = values.find(name);
    return it == values.end() ? nullptr : &it->second;
  };
  if (const auto* id = find("public_id")) {
    if (auto wrong = check_public_id(*id); !wrong.empty()) return wrong;
  }
  if (const auto* folder = find("folder"); folder != nullptr && folder->find("..") != std::string::npos) {
    return "folder (" + *folder + ") is invalid";
  }
  if (const auto* context = find("context"); context != nullptr && !parse_context(*context)) {
    return "Invalid context: " + *context;
  }
  if (const auto* tags = find("tags"); tags != nullptr && tags->find("|") != std::string::npos) {
    return "Invalid tags: " + *tags;
  }
  for (const char* name : {"eager", "transformation"}) {
    const auto* text = find(name);
    if (text == nullptr) continue;
    for (const char c : *text) {
      if (static_cast<unsigned char>(c) <= 0x20) return "Invalid transformation: " + *text;
    }
  }
  if (const auto* url = find("notification_url"); url != nullptr && !url->starts_with("http")) {
    return "Invalid notification_url: " + *url;
  }
  return {};
}

std::string check_destroy_fields(const std::map<std::string, std::string>& values) {
  if (auto wrong = check_common(values, destroy_fields); !wrong.empty()) return wrong;
  const auto id = values.find("public_id");
  if (id == values.end() || id->second.empty()) return "Missing required parameter - public_id";
  const auto type = values.find("type");
  if (type != values.end() && type->second != "upload" && type->second != "private" &&
      type->second != "authenticated") {
    return "Invalid type " + type->second;
  }
  return check_public_id(id->second);
}

std::optional<ContentRange> parse_content_range(std::string_view text) {
  if (!text.starts_with("bytes ")) return std::nullopt;
  text.remove_prefix(6);
  const auto dash = text.find('-');
  const auto slash = text.find('/');
  if (dash == std::string_view::npos || slash == std::string_view::npos || slash < dash) {
    return std::nullopt;
  }
  const auto number = [](std::string_view digits, std::uint64_t& value) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return error == std::errc{} && end == digits.data() + digits.size();
  };
  ContentRange range;
  std::uint64_t total = 0;
  if (!number(text.substr(0, dash), range.first) ||
      !number(text.substr(dash + 1, slash - dash - 1), range.last) || range.last < range.first) {
    return std::nullopt;
  }
  if (text.substr(slash + 1) != "-1") {
    if (!number(text.substr(slash + 1), total) || total <= range.last) return std::nullopt;
    range.total = total;
  }
  return range;
}

bool is_past_date(std::string_view text) {
  std::tm parts{};
  const std::string date{text};
  const char* end = ::strptime(date.c_str(), "%Y-%m-%d", &parts);
  if (date.size() != 10 || end != date.c_str() + date.size()) return false;
  const std::tm wanted = parts;
  const std::time_t day = ::timegm(&parts);  // normalises a 31st of February
  return parts.tm_mday == wanted.tm_mday && parts.tm_mon == wanted.tm_mon && day <= std::time(nullptr);
}

std::optional<std::string> decode_base64(std::string_view text) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (text.size() % 4 != 0) return std::nullopt;
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const auto digit = digits.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(digit);
    if ((count += 6) >= 8) out += static_cast<char>(bits >> (count -= 8) & 0xff);
  }
  return out;
}

std::optional<std::string> decode_data_uri(std::string_view uri) {
  const auto comma = uri.find(";base64,");
  if (!uri.starts_with("data:") || comma == std::string_view::npos) return std::nullopt;
  return decode_base64(uri.substr(comma + 8));
}

}  // namespace simulator
