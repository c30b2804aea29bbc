// SPDX-License-Identifier: Apache-2.0
#include "core/http/client_curl.hpp"
#include "core/http/client_parts.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <memory>

namespace cofounder::http {
namespace {

constexpr std::size_t url_bytes_max = 16 << 10;

struct UrlCleanup {
  void operator()(CURLU* url) const noexcept { curl().url_cleanup(url); }
};

std::string part(CURLU* url, CURLUPart what, unsigned flags = 0) {
  char* text = nullptr;
  if (curl().url_get(url, what, &text, flags) != CURLUE_OK) return {};
  std::string value = text;
  curl().free(text);
  return value;
}

// Literal addresses and "localhost", which libcurl itself takes for the loopback addresses without
// asking anybody.
bool is_loopback(const std::string& host) noexcept {
  if (host == "localhost") return true;
  in_addr v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  if (host.size() < 3 || host.front() != '[') return false;
  in6_addr v6{};
  return inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &v6) == 1 &&
         IN6_IS_ADDR_LOOPBACK(&v6);
}

}  // namespace

namespace {

Error invalid_url(std::string why) { return make_error("invalid_url", std::move(why)); }

using Url = std::unique_ptr<CURLU, UrlCleanup>;

Result<Origin> parse_origin(const std::string& text, Url& url) {
  if (const auto& loaded = load_curl(); !loaded) return loaded.error();
  if (text.size() > url_bytes_max || text.find('\0') != std::string::npos) {
    return invalid_url("the URL is longer than 16 KiB or holds a zero byte");
  }
  url.reset(curl().url());
  if (!url ||
      curl().url_set(url.get(), CURLUPART_URL, text.c_str(), CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK) {
    return invalid_url("not a URL");
  }
  Origin origin;
  origin.scheme = part(url.get(), CURLUPART_SCHEME);
  origin.host = part(url.get(), CURLUPART_HOST);
  for (char& letter : origin.host) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  }
  if (origin.host.empty()) return invalid_url("the URL names no host");
  if (origin.scheme != "http" && origin.scheme != "https") {
    return invalid_url("only https URLs, and http to loopback addresses");
  }
  origin.is_loopback = is_loopback(origin.host);
  return origin;
}

}  // namespace

Result<Origin> origin_of(const std::string& url) {
  Url parsed;
  return parse_origin(url, parsed);
}

Result<Target> parse_target(const std::string& text) {
  Url url;
  auto origin = parse_origin(text, url);
  if (!origin) return origin.error();
  if (!part(url.get(), CURLUPART_USER).empty() || !part(url.get(), CURLUPART_PASSWORD).empty()) {
    return invalid_url("a URL must not hold a user or a password: send a header");
  }
  if (origin->scheme == "http" && !origin->is_loopback) {
    return invalid_url("http is allowed to loopback addresses only: use https");
  }
  Target target;
  target.scheme = std::move(origin->scheme);
  target.host = std::move(origin->host);
  target.key = target.scheme + "://" + target.host + ":" +
               part(url.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT);
  return target;
}

}  // namespace cofounder::http
