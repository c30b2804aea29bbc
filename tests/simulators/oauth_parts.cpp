// SPDX-License-Identifier: Apache-2.0
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "tests/simulators/github_oauth.hpp"

namespace simulator {

using Json = nlohmann::json;

namespace {

using Map = std::map<std::string, std::string>;

std::optional<Map> to_map(const std::optional<std::vector<std::pair<std::string, std::string>>>& form) {
  if (!form) return std::nullopt;
  Map fields;
  for (const auto& [name, value] : *form) {
    if (!fields.emplace(name, value).second) return std::nullopt;
  }
  return fields;
}

bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.' || c == '~';
}

std::string percent_encode(const std::string& text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    if (is_unreserved(c)) {
      out += c;
      continue;
    }
    out += '%';
    out += digits[static_cast<unsigned char>(c) >> 4];
    out += digits[static_cast<unsigned char>(c) & 15];
  }
  return out;
}

std::optional<std::string> from_base64(std::string_view text) {
  if (text.empty() || text.size() % 4 != 0) return std::nullopt;
  std::string bytes(text.size(), '\0');
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                   reinterpret_cast<const unsigned char*>(text.data()),
                                   static_cast<int>(text.size()));
  if (size < 0) return std::nullopt;
  bytes.resize(static_cast<std::size_t>(size) - (text.ends_with("==") ? 2u : text.ends_with("=") ? 1u : 0u));
  return bytes;
}

}  // namespace

std::string random_word(const std::string& prefix, std::size_t hex_digits) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string bytes(hex_digits, '\0');
  RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  for (char& c : bytes) c = digits[static_cast<unsigned char>(c) & 15];
  return prefix + bytes;
}

std::string base64url_of(std::string_view bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  while (text.ends_with('=')) text.pop_back();
  for (char& c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return text;
}

std::string challenge_of(std::string_view verifier) {
  std::string digest(32, '\0');
  unsigned size = 0;
  EVP_Digest(verifier.data(), verifier.size(), reinterpret_cast<unsigned char*>(digest.data()), &size,
             EVP_sha256(), nullptr);
  return base64url_of(digest);
}

bool is_pkce_text(std::string_view text) {
  return text.size() >= 43 && text.size() <= 128 &&
         std::all_of(text.begin(), text.end(), &is_unreserved);
}

std::optional<Map> body_fields(const Request& request) {
  const std::string_view type = request.header("content-type");
  if (type.starts_with("application/x-www-form-urlencoded")) return to_map(parse_form(request.body));
  if (!type.starts_with("application/json")) return std::nullopt;
  const Json json = Json::parse(request.body, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return std::nullopt;
  Map fields;
  for (const auto& [name, value] : json.items()) {
    if (!value.is_string()) return std::nullopt;
    fields[name] = value.get<std::string>();
  }
  return fields;
}

std::optional<Map> query_fields(const Request& request) { return to_map(parse_form(request.query)); }

std::optional<std::pair<std::string, std::string>> basic_credentials(const Request& request) {
  const std::string_view header = request.header("authorization");
  if (!header.starts_with("Basic ") && !header.starts_with("basic ")) return std::nullopt;
  const auto text = from_base64(header.substr(6));
  const auto colon = text ? text->find(':') : std::string::npos;
  if (!text || colon == std::string::npos) return std::nullopt;
  return std::pair{text->substr(0, colon), text->substr(colon + 1)};
}

std::string encode_form(const Map& fields) {
  std::string text;
  for (const auto& [name, value] : fields) {
    text += (text.empty() ? "" : "&") + percent_encode(name) + "=" + percent_encode(value);
  }
  return text;
}

Response redirect_to(const std::string& url, const Map& fields) {
  Response response;
  response.status = 302;
  response.content_type = "text/html";
  const std::string query = encode_form(fields);
  response.headers = {{"Location", url + (url.find('?') == std::string::npos ? "?" : "&") + query}};
  return response;
}

std::int64_t seconds_now() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace simulator
