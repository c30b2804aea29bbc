// SPDX-License-Identifier: Apache-2.0
#include "core/host/border.hpp"

#include <array>
#include <utility>

namespace cofounder::host {

namespace {

// How many bytes the character at `at` has, 0 when it is broken.
std::size_t character_size(std::string_view text, std::size_t at) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(at);
  if (first < 0x80) return 1;
  std::size_t size = 0;
  unsigned char low = 0x80;
  unsigned char high = 0xbf;
  if (first >= 0xc2 && first <= 0xdf) {
    size = 2;
  } else if (first >= 0xe0 && first <= 0xef) {
    size = 3;
    if (first == 0xe0) low = 0xa0;
    if (first == 0xed) high = 0x9f;  // surrogates
  } else if (first >= 0xf0 && first <= 0xf4) {
    size = 4;
    if (first == 0xf0) low = 0x90;
    if (first == 0xf4) high = 0x8f;
  } else {
    return 0;
  }
  if (text.size() - at < size || byte(at + 1) < low || byte(at + 1) > high) return 0;
  for (std::size_t i = 2; i < size; ++i) {
    if ((byte(at + i) & 0xc0U) != 0x80) return 0;
  }
  return size;
}

struct StatusName {
  std::int32_t status;
  const char* code;
};
constexpr std::array<StatusName, 15> status_names{{{COF_EFAILED, "failed"},
                                                   {COF_EINVALID, "invalid"},
                                                   {COF_ENOTFOUND, "not_found"},
                                                   {COF_EEXISTS, "exists"},
                                                   {COF_EDENIED, "denied"},
                                                   {COF_ELIMIT, "limit_reached"},
                                                   {COF_ECANCELLED, "cancelled"},
                                                   {COF_ETIMEDOUT, "timed_out"},
                                                   {COF_EUNAVAILABLE, "unavailable"},
                                                   {COF_ECONFLICT, "conflict"},
                                                   {COF_EUNSUPPORTED, "unsupported"},
                                                   {COF_EGONE, "gone"},
                                                   {COF_ETOOBIG, "too_big"},
                                                   {COF_EINTERNAL, "internal"},
                                                   {COF_ECRASHED, "crashed"}}};

}  // namespace

bool is_utf8(std::string_view text) noexcept {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = character_size(text, at);
    if (size == 0) return false;
    at += size;
  }
  return true;
}

std::string_view cut_text(std::string_view text, std::size_t bytes_max) noexcept {
  if (text.size() <= bytes_max) return text;
  std::size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80) --end;
  return text.substr(0, end);
}

std::int32_t take_bytes(cof_bytes given, std::string_view& out, std::size_t bytes_max) noexcept {
  out = {};
  if (given.size == 0) return COF_OK;
  if (given.data == nullptr) return COF_EINVALID;
  if (given.size > bytes_max) return COF_ETOOBIG;
  out = {static_cast<const char*>(given.data), static_cast<std::size_t>(given.size)};
  return COF_OK;
}

std::int32_t take_text(cof_str given, std::string_view& out, std::size_t bytes_max) noexcept {
  const std::int32_t status = take_bytes({given.data, given.size}, out, bytes_max);
  if (status != COF_OK) return status;
  if (!is_utf8(out)) {
    out = {};
    return COF_EINVALID;
  }
  return COF_OK;
}

std::int32_t give(const cof_sink* sink, std::string_view bytes) noexcept {
  if (sink == nullptr || sink->write == nullptr) return COF_EINVALID;
  const std::int32_t status = sink->write(sink->context, bytes.data(), bytes.size());
  return status < 0 ? status : COF_OK;
}

bool is_error_code(std::string_view text) noexcept {
  if (text.empty() || text.size() > 64) return false;
  for (const char c : text) {
    if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_') return false;
  }
  return true;
}

std::string code_of_status(std::int32_t status) {
  for (const StatusName& name : status_names) {
    if (name.status == status) return name.code;
  }
  if (status <= -1000) return "status_" + std::to_string(-static_cast<std::int64_t>(status));
  // A newer header's status, or a positive one where none may be.
  return status > 0 ? "internal" : "failed";
}

bool is_retryable(std::int32_t status) noexcept {
  return status == COF_ELIMIT || status == COF_ETIMEDOUT || status == COF_EUNAVAILABLE ||
         status == COF_ECRASHED;
}

std::int32_t status_of_error(const Error& error) noexcept {
  for (const StatusName& name : status_names) {
    if (error.code == name.code) return name.status;
  }
  constexpr std::array<StatusName, 15> of_the_core{{{COF_EUNAVAILABLE, "store_unavailable"},
                                                    {COF_ETOOBIG, "response_too_big"},
                                                    {COF_ETOOBIG, "file_too_big"},
                                                    {COF_ETOOBIG, "result_too_big"},
                                                    {COF_EDENIED, "file_denied"},
                                                    {COF_ENOTFOUND, "file_not_found"},
                                                    {COF_EINVALID, "file_not_regular"},
                                                    {COF_EUNAVAILABLE, "file_unreadable"},
                                                    {COF_EUNAVAILABLE, "disk_full"},
                                                    {COF_EUNAVAILABLE, "connect_failed"},
                                                    {COF_EUNAVAILABLE, "connection_lost"},
                                                    {COF_EINVALID, "invalid_url"},
                                                    {COF_EINVALID, "invalid_args"},
                                                    {COF_EINVALID, "unknown_op"},
                                                    {COF_EUNAVAILABLE, "plugin_unavailable"}}};
  for (const StatusName& name : of_the_core) {
    if (error.code == name.code) return name.status;
  }
  return error.retryable ? COF_EUNAVAILABLE : COF_EFAILED;
}

}  // namespace cofounder::host
