// SPDX-License-Identifier: Apache-2.0
#include "core/http/client_parts.hpp"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>

#include <memory>

namespace cofounder::http {
namespace {

constexpr std::size_t url_bytes_max = 16 << 10;

struct UrlCleanup {
  void operator()(CURLU* url) const noexcept { curl_url_cleanup(url); }
};

std::string part(CURLU* url, CURLUPart what, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, what, &text, flags) != CURLUE_OK) return {};
  std::string value = text;
  curl_free(text);
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

Result<Target> parse_target(const std::string& text) {
  const auto invalid = [](std::string why) { return make_error("invalid_url", std::move(why)); };
  if (text.size() > url_bytes_max || text.find('\0') != std::string::npos) {
    return invalid("the URL is longer than 16 KiB or holds a zero byte");
  }
  const std::unique_ptr<CURLU, UrlCleanup> url{curl_url()};
  if (!url ||
      curl_url_set(url.get(), CURLUPART_URL, text.c_str(), CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK) {
    return invalid("not a URL");
  }
  Target target;
  target.scheme = part(url.get(), CURLUPART_SCHEME);
  target.host = part(url.get(), CURLUPART_HOST);
  for (char& letter : target.host) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  }
  if (target.host.empty()) return invalid("the URL names no host");
  if (!part(url.get(), CURLUPART_USER).empty() || !part(url.get(), CURLUPART_PASSWORD).empty()) {
    return invalid("a URL must not hold a user or a password: send a header");
  }
  if (target.scheme == "http") {
    if (!is_loopback(target.host)) {
      return invalid("http is allowed to loopback addresses only: use https");
    }
  } else if (target.scheme != "https") {
    return invalid("only https URLs, and http to loopback addresses");
  }
  target.key = target.scheme + "://" + target.host + ":" +
               part(url.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT);
  return target;
}

}  // namespace cofounder::http
