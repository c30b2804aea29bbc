// SPDX-License-Identifier: Apache-2.0
#include "notification.hpp"

#include <algorithm>
#include <charconv>
#include <string>

namespace cloudinary {
namespace sdk = cofounder::sdk;
namespace {

using sdk::Json;

// Clocks differ a little; the provider's SDKs take any future.
constexpr std::int64_t future_max_s = 300;
constexpr std::size_t message_bytes_max = 500;

}  // namespace

Genuine check_notification(std::string_view body, std::string_view timestamp,
                           std::string_view signature, std::string_view secret,
                           Algorithm algorithm, std::int64_t now_s, std::int64_t age_max_s) {
  std::int64_t sent_s = 0;
  const char* end = timestamp.data() + timestamp.size();
  const auto [stopped, error] = std::from_chars(timestamp.data(), end, sent_s);
  if (timestamp.empty() || error != std::errc{} || stopped != end || sent_s < 0 ||
      signature.empty()) {
    return Genuine::malformed;
  }
  const std::string wanted = notification_signature(body, timestamp, secret, algorithm);
  if (!equal_in_constant_time(wanted, signature)) return Genuine::forged;
  if (sent_s > now_s ? sent_s - now_s > future_max_s : now_s - sent_s > age_max_s) {
    return Genuine::stale;
  }
  return Genuine::yes;
}

sdk::Result<Json> read_notification(const Json& notification) {
  if (const auto error = notification.find("error"); error != notification.end()) {
    std::string message = "Cloudinary says that the upload failed";
    if (error->is_object() && error->contains("message") && error->at("message").is_string()) {
      message = error->at("message").get<std::string>();
      message.resize(std::min(message.size(), message_bytes_max));
    }
    return Json{{"error", message}};
  }
  const auto is = [&](const char* name, bool (Json::*kind)() const noexcept) {
    const auto found = notification.find(name);
    return found != notification.end() && ((*found).*kind)();
  };
  if (!is("public_id", &Json::is_string) || !is("secure_url", &Json::is_string) ||
      !is("version", &Json::is_number_integer)) {
    return sdk::Failure{COF_EINVALID, "bad_notification",
                        "the notification lacks public_id, version or secure_url"};
  }
  Json asset = Json::object();
  for (const char* name : {"asset_id", "public_id", "version", "url", "secure_url", "width", "height",
                           "format", "bytes", "etag", "resource_type", "type", "created_at", "tags",
                           "eager"}) {
    if (notification.contains(name)) asset[name] = notification.at(name);
  }
  if (!asset.contains("eager")) asset["eager"] = Json::array();
  return Json{{"result", std::move(asset)}};
}

}  // namespace cloudinary
