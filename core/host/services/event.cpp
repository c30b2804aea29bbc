// SPDX-License-Identifier: Apache-2.0
#include "core/host/services/service.hpp"

#include <cofounder/services/event.h>

#include <algorithm>

namespace cofounder::host {
namespace {

constexpr std::size_t event_bytes_max = 64 * 1024;
constexpr std::int64_t waiting_bytes_max = 4 * 1024 * 1024;  // of a plugin, on their way to the loop
// What each needs besides its text, or millions of small ones would wait: in memory, and of the loop.
constexpr std::int64_t overhead_bytes = 256;

// Words of [a-z0-9_-], joined by dots; at most 128 characters.
bool is_topic(std::string_view text) noexcept {
  if (text.empty() || text.size() > 128) return false;
  bool word = false;
  for (const char c : text) {
    const bool fits = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    if (!fits && (c != '.' || !word)) return false;
    word = fits;
  }
  return word;
}

// A topic, or a prefix of some: "task.*".
bool is_pattern(std::string_view text) noexcept {
  return is_topic(text.ends_with(".*") ? text.substr(0, text.size() - 2) : text);
}

// Whether `granted` allows all that `wanted` asks for.
bool covers(std::string_view granted, std::string_view wanted) noexcept {
  if (granted == wanted) return true;
  return granted.ends_with(".*") && wanted.starts_with(granted.substr(0, granted.size() - 1));
}

int32_t publish(const cof_host* host, cof_str given_topic, cof_str given_json) noexcept {
  return serve(host, [&](Instance& instance) -> std::int32_t {
    std::string_view topic, text;
    if (const auto status = first_of(
            {take_text(given_topic, topic), take_text(given_json, text, event_bytes_max)});
        status != COF_OK) {
      return status;
    }
    if (!is_topic(topic) || !json::parse(text)) return COF_EINVALID;
    ServiceState& state = instance.services();
    if (state.event_bytes.load() >= waiting_bytes_max) return COF_ELIMIT;
    const auto size = static_cast<std::int64_t>(topic.size() + text.size()) + overhead_bytes;
    state.event_bytes += size;
    instance.post([&instance, size, topic = instance.id() + "." + std::string{topic},
                   text = std::string{text}]() mutable {
      instance.services().event_bytes -= size;
      instance.ports().publish(std::move(topic), std::move(text));
    });
    return COF_OK;
  });
}

int32_t subscribe(const cof_host* host, cof_str given) noexcept {
  return serve(host, [&](Instance& instance) -> std::int32_t {
    std::string_view topic;
    if (const auto status = take_text(given, topic); status != COF_OK) return status;
    if (!is_pattern(topic)) return COF_EINVALID;
    const auto& granted = instance.manifest().permissions.events;
    const bool allowed = std::any_of(granted.begin(), granted.end(),
                                     [&](const auto& one) { return covers(one, topic); });
    if (!allowed) return COF_EDENIED;
    return instance.subscribe(topic) ? COF_OK : COF_ELIMIT;
  });
}

int32_t unsubscribe(const cof_host* host, cof_str given) noexcept {
  return serve(host, [&](Instance& instance) -> std::int32_t {
    std::string_view topic;
    if (const auto status = take_text(given, topic); status != COF_OK) return status;
    if (!is_pattern(topic)) return COF_EINVALID;
    instance.unsubscribe(topic);
    return COF_OK;
  });
}

}  // namespace

const void* event_table() noexcept {
  static const cof_event_service table{
      sizeof(cof_event_service), 0, publish, subscribe, unsubscribe};
  return &table;
}

}  // namespace cofounder::host
