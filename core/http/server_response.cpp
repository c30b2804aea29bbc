// SPDX-License-Identifier: Apache-2.0
#include "core/http/server_response.hpp"

#include "core/base/json.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>

namespace cofounder::http {

namespace {

std::string_view reason_of(int status) noexcept {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    case 507:
      return "Insufficient Storage";
    default:
      return "Answer";
  }
}

void append_number(std::string& out, std::uint64_t number) {
  std::array<char, 20> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  out.append(digits.data(), end);
}

bool is_clean(std::string_view text) noexcept {
  return std::none_of(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
  });
}

bool equals_ignoring_case(std::string_view a, std::string_view b) noexcept {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    return lower(x) == lower(y);
  });
}

bool is_framing(std::string_view name) noexcept {
  for (const std::string_view own :
       {"content-length", "transfer-encoding", "connection", "date", "content-type", "server"}) {
    if (equals_ignoring_case(name, own)) return true;
  }
  return false;
}

}  // namespace

bool may_have_body(int status) noexcept { return status >= 200 && status != 204 && status != 304; }

void append_head(std::string& out, const ServerResponse& response, const ResponseFrame& frame) {
  out += "HTTP/1.1 ";
  append_number(out, static_cast<std::uint64_t>(response.status));
  out += ' ';
  out += reason_of(response.status);
  out += "\r\nDate: ";
  out += frame.date;
  if (!frame.server_name.empty()) {
    out += "\r\nServer: ";
    out += frame.server_name;
  }
  if (may_have_body(response.status)) {
    if (!response.content_type.empty() && is_clean(response.content_type)) {
      out += "\r\nContent-Type: ";
      out += response.content_type;
    }
    if (frame.is_chunked) {
      out += "\r\nTransfer-Encoding: chunked";
    } else if (!frame.is_stream) {
      out += "\r\nContent-Length: ";
      append_number(out, response.body.size());
    }
  }
  for (const auto& [name, value] : response.headers) {
    if (name.empty() || is_framing(name) || !is_clean(name) || !is_clean(value)) continue;
    out += "\r\n";
    out += name;
    out += ": ";
    out += value;
  }
  if (!frame.keep_alive) out += "\r\nConnection: close";
  out += "\r\n\r\n";
}

std::string http_date(Time time) {
  static constexpr std::array<const char*, 7> days = {"Sun", "Mon", "Tue", "Wed",
                                                      "Thu", "Fri", "Sat"};
  static constexpr std::array<const char*, 12> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{std::chrono::floor<std::chrono::seconds>(time - day)};
  std::array<char, 64> text;
  const int length = std::snprintf(
      text.data(), text.size(), "%s, %02u %s %04d %02d:%02d:%02d GMT",
      days[std::chrono::weekday{day}.c_encoding()], static_cast<unsigned>(date.day()),
      months[static_cast<unsigned>(date.month()) - 1], static_cast<int>(date.year()),
      static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
      static_cast<int>(clock.seconds().count()));
  return {text.data(), static_cast<std::size_t>(length)};
}

ServerResponse error_response(int status, const Error& error) {
  ServerResponse response;
  response.status = status;
  response.body = "{\"error\":" + json::to_json(error) + "}";
  if (error.retry_after.count() > 0) {
    const auto seconds = (error.retry_after.count() + 999) / 1000;
    response.headers.emplace_back("Retry-After", std::to_string(seconds));
  }
  return response;
}

}  // namespace cofounder::http
