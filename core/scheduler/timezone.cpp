// SPDX-License-Identifier: Apache-2.0
#include "core/scheduler/timezone.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>

namespace cofounder {
namespace {

using std::chrono::hours;
using std::chrono::local_seconds;
using std::chrono::seconds;
using std::chrono::sys_seconds;

constexpr std::string_view zoneinfo = "/usr/share/zoneinfo/";
constexpr std::size_t name_bytes_max = 100;
constexpr std::size_t file_bytes_max = 262'144;  // the largest of tzdata has 4 KiB
// No clock is farther from UTC; RFC 9636 asks for offsets between -25 and 26 hours.
constexpr hours offset_max{26};

bool is_zone_name(std::string_view name) noexcept {
  if (name.empty() || name.size() > name_bytes_max || name.front() == '/') return false;
  if (name.find("..") != std::string_view::npos) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' ||
           c == '_' || c == '-' || c == '+';
  });
}

// Nothing when it is no regular file that can be read whole.
std::optional<std::string> load_file(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (file < 0) return std::nullopt;
  std::string bytes;
  struct stat status{};
  bool good = ::fstat(file, &status) == 0 && S_ISREG(status.st_mode) && status.st_size >= 0 &&
              static_cast<std::size_t>(status.st_size) <= file_bytes_max;
  if (good) {
    bytes.resize(static_cast<std::size_t>(status.st_size));
    std::size_t have = 0;
    while (have < bytes.size()) {
      const ssize_t count = ::read(file, bytes.data() + have, bytes.size() - have);
      if (count <= 0) break;
      have += static_cast<std::size_t>(count);
    }
    good = have == bytes.size();
  }
  ::close(file);
  if (!good) return std::nullopt;
  return bytes;
}

std::int64_t big_endian(std::string_view bytes) noexcept {
  std::uint64_t value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
  if (bytes.size() == 4) return static_cast<std::int32_t>(value);
  return static_cast<std::int64_t>(value);
}

// The header of a data block and where its parts are.
struct Block {
  static constexpr std::size_t header_bytes = 44;

  char version = 0;
  std::size_t is_ut_count = 0;
  std::size_t is_standard_count = 0;
  std::size_t leap_count = 0;
  std::size_t time_count = 0;
  std::size_t type_count = 0;
  std::size_t char_count = 0;

  static std::optional<Block> parse(std::string_view text) noexcept {
    if (text.size() < header_bytes || text.substr(0, 4) != "TZif") return std::nullopt;
    Block block;
    block.version = text[4];
    std::size_t* const counts[] = {&block.is_ut_count, &block.is_standard_count, &block.leap_count,
                                   &block.time_count,  &block.type_count,        &block.char_count};
    std::size_t at = 20;
    for (std::size_t* count : counts) {
      const std::int64_t value = big_endian(text.substr(at, 4));
      if (value < 0 || static_cast<std::size_t>(value) > file_bytes_max) return std::nullopt;
      *count = static_cast<std::size_t>(value);
      at += 4;
    }
    return block;
  }

  // After the header, with times of `time_bytes`.
  std::size_t bytes(std::size_t time_bytes) const noexcept {
    return time_count * (time_bytes + 1) + type_count * 6 + char_count +
           leap_count * (time_bytes + 4) + is_standard_count + is_ut_count;
  }
};

Error broken(const char* why) {
  return make_error("invalid_timezone", std::string{"not a usable zoneinfo file: "} + why);
}

Error unknown(std::string_view name) {
  std::string shown;
  for (const char c : name.substr(0, name_bytes_max)) shown += c > ' ' && c < '\x7f' ? c : '?';
  return make_error("unknown_timezone", "timezone: \"" + shown +
                                            "\" is not in the system's zoneinfo; use a name such "
                                            "as \"Europe/Berlin\" or \"UTC\"");
}

}  // namespace

Result<std::shared_ptr<const TimeZone>> TimeZone::load(std::string_view name) {
  if (name.empty() || name == "UTC") return std::make_shared<const TimeZone>();
  if (!is_zone_name(name)) return unknown(name);
  const auto file = load_file(std::string{zoneinfo} + std::string{name});
  if (!file) return unknown(name);
  auto zone = parse(*file);
  if (!zone) {
    Error error = unknown(name);
    error.message += " (" + zone.error().message + ")";
    return error;
  }
  return std::make_shared<const TimeZone>(std::move(zone).value());
}

Result<TimeZone> TimeZone::parse(std::string_view file) {
  const auto old = Block::parse(file);
  if (!old) return broken("no header");
  if (old->version < '2') return broken("its version is older than 2");
  // The first block has 32-bit times, for programs of the last century.
  const std::size_t skip = Block::header_bytes + old->bytes(4);
  if (skip >= file.size()) return broken("it is cut off");
  file.remove_prefix(skip);
  const auto block = Block::parse(file);
  if (!block) return broken("no second header");
  file.remove_prefix(Block::header_bytes);
  if (file.size() < block->bytes(8)) return broken("it is cut off");
  if (block->leap_count != 0) return broken("it counts leap seconds");
  if (block->type_count == 0) return broken("it has no types");

  const std::string_view times = file.substr(0, block->time_count * 8);
  const std::string_view indexes = file.substr(times.size(), block->time_count);
  const std::string_view types = file.substr(times.size() + indexes.size(), block->type_count * 6);
  std::vector<seconds> offsets;
  for (std::size_t i = 0; i < block->type_count; ++i) {
    const seconds offset{big_endian(types.substr(i * 6, 4))};
    if (offset > offset_max || offset < -offset_max) return broken("an offset is too large");
    offsets.push_back(offset);
  }

  TimeZone zone;
  zone.first_offset_ = offsets.front();
  zone.changes_.reserve(block->time_count);
  for (std::size_t i = 0; i < block->time_count; ++i) {
    const sys_seconds at{seconds{big_endian(times.substr(i * 8, 8))}};
    const auto type = static_cast<unsigned char>(indexes[i]);
    if (type >= offsets.size()) return broken("a type is missing");
    if (!zone.changes_.empty() && at <= zone.changes_.back().at)
      return broken("its times are not in order");
    if (at <= since_ever) {
      zone.first_offset_ = offsets[type];
    } else if (at < for_ever) {
      zone.changes_.push_back({at, offsets[type]});
    }
  }

  std::string_view footer = file.substr(block->bytes(8));
  if (footer.size() < 2 || footer.front() != '\n') return broken("no footer");
  footer.remove_prefix(1);
  const std::size_t end = footer.find('\n');
  if (end == std::string_view::npos) return broken("no end of the footer");
  if (end > 0) {
    zone.rule_ = PosixZone::parse(footer.substr(0, end));
    if (!zone.rule_) return broken("its rule for the future is malformed");
  }
  return zone;
}

TimeZone::Span TimeZone::span_at(sys_seconds time) const noexcept {
  const auto next = std::upper_bound(changes_.begin(), changes_.end(), time,
                                     [](sys_seconds t, const Change& c) { return t < c.at; });
  if (next == changes_.end() && rule_) return span_by_rule(time);
  Span span{since_ever, for_ever, first_offset_};
  if (next != changes_.begin()) {
    span.begin = std::prev(next)->at;
    span.offset = std::prev(next)->offset;
  }
  if (next != changes_.end()) span.end = next->at;
  return span;
}

// `time` is not before the last change of the table.
TimeZone::Span TimeZone::span_by_rule(sys_seconds time) const noexcept {
  Span span{since_ever, for_ever, rule_->standard()};
  if (!changes_.empty()) span = {changes_.back().at, for_ever, changes_.back().offset};
  if (!rule_->has_daylight()) return span;

  const std::chrono::year_month_day date{
      std::chrono::floor<std::chrono::days>(std::clamp(time, since_ever, for_ever))};
  for (int year = -1; year <= 1; ++year) {
    for (const Change& change : rule_->changes(date.year() + std::chrono::years{year})) {
      if (change.at < span.begin) continue;
      if (change.at > time) {
        span.end = change.at;
        return span;
      }
      span.begin = change.at;
      span.offset = change.offset;
    }
  }
  return span;
}

TimeZone::Span TimeZone::span_of(local_seconds local) const noexcept {
  const sys_seconds as_utc{local.time_since_epoch()};
  Span span = span_at(as_utc - offset_max);
  // Ends because the last span does; in practice after at most three steps.
  while (span.end < for_ever && as_utc - span.offset >= span.end) {
    span = span_at(span.end);
  }
  return span;
}

}  // namespace cofounder
