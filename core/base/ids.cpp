// SPDX-License-Identifier: Apache-2.0
#include "core/base/ids.hpp"

#include <sys/random.h>

#include <array>
#include <cstddef>
#include <system_error>
#include <vector>

namespace cofounder {
namespace {

constexpr Time epoch{std::chrono::sys_days{std::chrono::year{2024} / 1 / 1}};
constexpr unsigned sequence_bits = 13;
constexpr unsigned node_bits = 9;
constexpr std::uint64_t sequence_mask = (1ULL << sequence_bits) - 1;
constexpr std::string_view digits = "0123456789abcdefghjkmnpqrstvwxyz";
constexpr std::size_t text_size = 13;

std::uint64_t milliseconds_of(Time time) noexcept {
  const auto since = (time - epoch).count();
  return since < 1 ? 1 : static_cast<std::uint64_t>(since);
}

// `ordered` is milliseconds << 13 | sequence; the node stands between the two in an id.
TaskId with_node(std::uint64_t ordered, std::uint64_t node) noexcept {
  return (ordered >> sequence_bits) << (node_bits + sequence_bits) | node << sequence_bits |
         (ordered & sequence_mask);
}

}  // namespace

TaskId IdSource::next(Time now) noexcept {
  const std::uint64_t earliest = milliseconds_of(now) << sequence_bits;
  last_ = earliest > last_ ? earliest : last_ + 1;
  return with_node(last_, node_);
}

void IdSource::after(TaskId id) noexcept {
  const std::uint64_t ordered =
      (id >> (node_bits + sequence_bits)) << sequence_bits | (id & sequence_mask);
  if (ordered > last_) last_ = ordered;
}

std::string to_string(TaskId id) {
  std::string text(text_size, '0');
  for (std::size_t i = text_size; i-- > 0; id >>= 5) text[i] = digits[id & 31];
  return text;
}

std::optional<TaskId> parse_task_id(std::string_view text) noexcept {
  if (text.size() != text_size) return std::nullopt;
  TaskId id = 0;
  for (const char c : text) {
    const auto digit = digits.find(c);
    if (digit == std::string_view::npos || id >> 58 != 0) return std::nullopt;
    id = id << 5 | digit;
  }
  if (id == 0) return std::nullopt;
  return id;
}

TaskId first_task_id(Time time) noexcept {
  return milliseconds_of(time) << (node_bits + sequence_bits);
}

std::string random_hex(std::size_t bytes) {
  std::vector<unsigned char> raw(bytes);
  for (std::size_t done = 0; done < bytes;) {
    const ssize_t got = getrandom(raw.data() + done, bytes - done, 0);
    if (got < 0) {
      if (errno == EINTR) continue;
      throw std::system_error{errno, std::generic_category(), "getrandom"};
    }
    done += static_cast<std::size_t>(got);
  }
  constexpr std::string_view hex = "0123456789abcdef";
  std::string text;
  text.reserve(bytes * 2);
  for (const unsigned char byte : raw) {
    text += hex[byte >> 4];
    text += hex[byte & 15];
  }
  return text;
}

}  // namespace cofounder
