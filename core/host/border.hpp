// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/error.hpp"

#include <cofounder/abi.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

// Small tools for what crosses the border to a plugin; the rules are those of abi.h.
namespace cofounder::host {

bool is_utf8(std::string_view text) noexcept;
// `text` cut to at most `bytes_max`, never inside a character.
std::string_view cut_text(std::string_view text, std::size_t bytes_max) noexcept;

inline cof_str to_cof(std::string_view text) noexcept { return {text.data(), text.size()}; }
inline cof_bytes to_cof_bytes(std::string_view bytes) noexcept {
  return {bytes.data(), bytes.size()};
}

// What a plugin handed over: COF_OK and `out`, or COF_EINVALID (NULL with a size, broken UTF-8) or
// COF_ETOOBIG.
std::int32_t take_text(cof_str given, std::string_view& out,
                       std::size_t bytes_max = COF_TEXT_BYTES_MAX) noexcept;
std::int32_t take_bytes(cof_bytes given, std::string_view& out,
                        std::size_t bytes_max = COF_BYTES_BYTES_MAX) noexcept;

// Writes to a plugin's sink; what the sink answers when it is negative.
std::int32_t give(const cof_sink* sink, std::string_view bytes) noexcept;

// Copies a struct of a plugin into a zeroed `local` by the rule of growth: COF_EINVALID for NULL or
// a size that makes no sense, COF_EUNSUPPORTED when bytes beyond what this host knows are set.
// Reserved fields and enumerators are left to the caller.
template <class T>
std::int32_t take_struct(const T* given, T& local) noexcept {
  std::memset(&local, 0, sizeof(T));
  if (given == nullptr || given->struct_size < sizeof(std::uint32_t)) return COF_EINVALID;
  constexpr std::size_t size_max = 65'536;
  const std::size_t size = given->struct_size;
  if (size > size_max) return COF_EINVALID;
  std::memcpy(&local, given, std::min(size, sizeof(T)));
  const auto* bytes = reinterpret_cast<const unsigned char*>(given);
  for (std::size_t at = sizeof(T); at < size; ++at) {
    if (bytes[at] != 0) return COF_EUNSUPPORTED;
  }
  return COF_OK;
}

// [a-z0-9_]{1,64}
bool is_error_code(std::string_view text) noexcept;

// "limit_reached" for COF_ELIMIT and so on; "status_1000" for a plugin's own.
std::string code_of_status(std::int32_t status);
bool is_retryable(std::int32_t status) noexcept;
// The status that tells a plugin about an error of the core, for replies.
std::int32_t status_of_error(const Error& error) noexcept;

}  // namespace cofounder::host
