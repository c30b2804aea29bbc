// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cofounder/plugin.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// URLs, forms and cookies.
namespace oauth {

// application/x-www-form-urlencoded, with %20 for a space, so that it also does for a query.
std::string form_encode(std::string_view text);
using Fields = std::vector<std::pair<std::string, std::string>>;  // empty values are left out
std::string form(const Fields& fields);
std::string with_query(std::string url, const Fields& fields);

// "https://a.example:8443", in lower case and without a default port; nothing for what is no
// http(s) URL, or has a user name in it.
std::optional<std::string> origin_of(std::string_view url);
bool is_loopback_origin(std::string_view origin) noexcept;
// An https URL, or http to loopback; no user name, no fragment, no space.
bool is_endpoint_url(std::string_view url);

// Whether a browser may be sent there after a login: a path of this site ("/start?x=1"), or a URL
// of `own_origin`, or below one of `allowed`.  Whatever a browser could read as another site is not.
bool is_return_to(std::string_view target, std::string_view own_origin,
                  const std::vector<std::string>& allowed);

// The value of a cookie of the request; nothing when it is absent or there twice.
std::optional<std::string> cookie_of(const cofounder::sdk::RouteRequest& request,
                                     std::string_view name);
// With "; Secure" and the prefix "__Host-" when the site is https.
struct Site {
  std::string origin;  // "https://example.org"
  bool is_secure() const noexcept { return origin.starts_with("https://"); }
  std::string cookie_name(std::string_view name) const {
    return (is_secure() ? "__Host-" : "") + std::string{name};
  }
  std::string set_cookie(std::string_view name, std::string_view value,
                         std::int64_t age_s) const;
};

// "Bearer TOKEN" of the request, or nothing.
std::optional<std::string> bearer_of(const cofounder::sdk::RouteRequest& request);
// 43 characters of base64url: what random_token() makes.
bool is_token(std::string_view text) noexcept;

// What another party wrote, fit to be shown: printable ASCII, at most 300 characters.
std::string printable(std::string_view text);

}  // namespace oauth
