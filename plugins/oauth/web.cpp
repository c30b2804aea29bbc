// SPDX-License-Identifier: Apache-2.0
#include "web.hpp"

#include <algorithm>

namespace oauth {
namespace sdk = cofounder::sdk;

namespace {

constexpr std::size_t url_bytes_max = 2048;

bool is_letter_or_digit(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// Visible ASCII without what browsers repair: a backslash is a slash to them.
bool is_plain_url_text(std::string_view text) noexcept {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 127; }) &&
         text.find_first_of("\\\"<>^`{|}") == std::string_view::npos;
}

std::string lower(std::string_view text) {
  std::string out{text};
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

// The path of a URL, or of a path: without query and fragment.
std::string_view path_of(std::string_view target) {
  return target.substr(0, target.find_first_of("?#"));
}

// A path that no browser and no proxy reads in two ways.
bool is_unambiguous_path(std::string_view path) {
  const std::string small = lower(path);
  for (const char* part : {"//", "/..", "/.%2e", "/%2e", "%2f", "%5c", "%00", "%0a", "%0d", "%09"}) {
    if (small.find(part) != std::string::npos) return false;
  }
  return true;
}

}  // namespace

std::string form_encode(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    if (is_letter_or_digit(c) || c == '-' || c == '_' || c == '.' || c == '~') {
      out += c;
    } else {
      out += '%';
      out += digits[static_cast<unsigned char>(c) >> 4];
      out += digits[static_cast<unsigned char>(c) & 15];
    }
  }
  return out;
}

std::string form(const Fields& fields) {
  std::string text;
  for (const auto& [name, value] : fields) {
    if (value.empty()) continue;
    if (!text.empty()) text += '&';
    text += form_encode(name) + "=" + form_encode(value);
  }
  return text;
}

std::string with_query(std::string url, const Fields& fields) {
  url += url.find('?') == std::string::npos ? '?' : '&';
  return url + form(fields);
}

std::optional<std::string> origin_of(std::string_view url) {
  if (url.size() > url_bytes_max || !is_plain_url_text(url)) return std::nullopt;
  const std::string small = lower(url.substr(0, 8));
  const std::string scheme = small.starts_with("https://")  ? "https://"
                             : small.starts_with("http://") ? "http://"
                                                            : "";
  if (scheme.empty()) return std::nullopt;
  std::string_view authority = url.substr(scheme.size());
  authority = authority.substr(0, authority.find_first_of("/?#"));
  std::string host = lower(authority);
  std::string port;
  const auto colon = host.rfind(':');
  if (colon != std::string::npos && host.find(']', colon) == std::string::npos) {
    port = host.substr(colon + 1);
    host.resize(colon);
    if (port.empty() || port.size() > 5 ||
        port.find_first_not_of("0123456789") != std::string::npos) {
      return std::nullopt;
    }
  }
  const bool is_v6 = host.size() > 2 && host.front() == '[' && host.back() == ']' &&
                     host.find_first_not_of("0123456789abcdef:.", 1) == host.size() - 1;
  const bool is_name = !host.empty() && host.front() != '.' && host.front() != '-' &&
                       std::all_of(host.begin(), host.end(), [](char c) {
                         return is_letter_or_digit(c) || c == '.' || c == '-';
                       });
  if (!is_v6 && !is_name) return std::nullopt;
  if (port == (scheme == "https://" ? "443" : "80")) port.clear();
  return scheme + host + (port.empty() ? "" : ":" + port);
}

bool is_loopback_origin(std::string_view origin) noexcept {
  if (!origin.starts_with("http://")) return false;
  origin.remove_prefix(7);
  for (const std::string_view host : {"127.0.0.1", "[::1]", "localhost"}) {
    if (origin == host) return true;
    if (origin.starts_with(host) && origin[host.size()] == ':') return true;
  }
  return false;
}

bool is_endpoint_url(std::string_view url) {
  const auto origin = origin_of(url);
  return origin && url.find('#') == std::string_view::npos &&
         (origin->starts_with("https://") || is_loopback_origin(*origin));
}

bool is_return_to(std::string_view target, std::string_view own_origin,
                  const std::vector<std::string>& allowed) {
  if (target.empty() || target.size() > url_bytes_max || !is_plain_url_text(target)) return false;
  if (target.front() == '/') return is_unambiguous_path(path_of(target));
  const auto origin = origin_of(target);
  if (!origin) return false;
  const auto begin = target.find_first_of("/?#", target.find("://") + 3);
  if (begin != std::string_view::npos && target[begin] != '/') return false;
  const std::string path{begin == std::string_view::npos ? "/" : path_of(target.substr(begin))};
  if (!is_unambiguous_path(path)) return false;
  if (*origin == own_origin) return true;
  return std::any_of(allowed.begin(), allowed.end(), [&](const std::string& place) {
    const auto its_origin = origin_of(place);
    if (!its_origin || *its_origin != *origin) return false;
    const auto at = place.find('/', place.find("://") + 3);
    const std::string below = at == std::string::npos ? "/" : place.substr(at);
    if (path == below || (below.ends_with('/') && path.starts_with(below))) return true;
    return path.starts_with(below + "/");
  });
}

std::optional<std::string> cookie_of(const sdk::RouteRequest& request, std::string_view name) {
  std::optional<std::string> value;
  for (const auto& [header, text] : request.headers) {
    if (header != "cookie") continue;
    std::string_view rest = text;
    while (!rest.empty()) {
      std::string_view one = rest.substr(0, rest.find(';'));
      rest.remove_prefix(std::min(rest.size(), one.size() + 1));
      while (one.starts_with(' ')) one.remove_prefix(1);
      const auto equals = one.find('=');
      if (equals == std::string_view::npos || one.substr(0, equals) != name) continue;
      if (value) return std::nullopt;  // somebody planted a second one
      value = one.substr(equals + 1);
    }
  }
  return value;
}

std::string Site::set_cookie(std::string_view name, std::string_view value,
                             std::int64_t age_s) const {
  return cookie_name(name) + "=" + std::string{value} + "; Path=/; Max-Age=" +
         std::to_string(age_s) + "; HttpOnly; SameSite=Lax" + (is_secure() ? "; Secure" : "");
}

std::optional<std::string> bearer_of(const sdk::RouteRequest& request) {
  const std::string_view text = request.header("authorization");
  if (lower(text.substr(0, 7)) != "bearer ") return std::nullopt;
  return std::string{text.substr(7)};
}

bool is_token(std::string_view text) noexcept {
  return text.size() == 43 && std::all_of(text.begin(), text.end(), [](char c) {
           return is_letter_or_digit(c) || c == '-' || c == '_';
         });
}

std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 300)) out += c >= ' ' && c < 127 ? c : '?';
  return out;
}

}  // namespace oauth
