// SPDX-License-Identifier: Apache-2.0
#include "core/base/log.hpp"

#include "core/host/services/service.hpp"

#include <cofounder/services/log.h>

#include <string>

namespace cofounder::host {
namespace {

constexpr std::size_t line_bytes_max = 8'192;

bool is_level(std::int32_t level) noexcept {
  return level >= COF_LOG_DEBUG && level <= COF_LOG_ERROR;
}

void write_line(Instance& instance, const Call* call, log::Level level, std::string_view text) {
  const std::string& plugin = instance.id();
  if (call == nullptr || call->id == 0) {
    log::write(level, text, {{"COF_PLUGIN", plugin}});
    return;
  }
  const std::string id = std::to_string(call->id);
  if (call->task_id.empty()) {
    log::write(level, text, {{"COF_PLUGIN", plugin}, {"COF_CALL", id}});
    return;
  }
  const std::string attempt = std::to_string(call->attempt_number);
  log::write(level, text,
             {{"COF_PLUGIN", plugin},
              {"COF_TASK", call->task_id},
              {"COF_ATTEMPT", attempt},
              {"COF_CALL", id}});
}

std::int32_t write_checked(Instance& instance, std::uint64_t call_id, std::int32_t level,
                           cof_str given) {
  std::string_view text;
  if (!is_level(level) || take_text(given, text) != COF_OK) {
    ++instance.counters().refused_posts;
    return COF_EINVALID;
  }
  const auto as = static_cast<log::Level>(level);
  if (!log::enabled(as)) return COF_OK;
  ServiceState& state = instance.services();
  const int per_second = instance.config()->limits.log_lines_per_second_max;
  if (!state.log_lines.take(clock_of(instance).mono(), per_second)) {
    ++instance.counters().log_lines_dropped;
    ++state.log_lines_dropped;
    return COF_ELIMIT;
  }
  if (const auto dropped = state.log_lines_dropped.exchange(0); dropped > 0) {
    write_line(instance, nullptr, log::Level::warning,
               std::to_string(dropped) + " lines were dropped: more than " +
                   std::to_string(per_second) + " in a second (log_lines_per_second_max)");
  }
  const auto call = entered_call(instance, call_id);
  instance.log_tail().add(text);
  write_line(instance, call.get(), as, cut_text(text, line_bytes_max));
  return COF_OK;
}

void write(const cof_host* host, uint64_t call_id, int32_t level, cof_str text) noexcept {
  serve(host, [&](Instance& instance) { return write_checked(instance, call_id, level, text); });
}

int32_t enabled(const cof_host* host, int32_t level) noexcept {
  if (host == nullptr || Instance::of(host).gone() || !is_level(level)) return 0;
  return log::enabled(static_cast<log::Level>(level)) ? 1 : 0;
}

}  // namespace

const void* log_table() noexcept {
  static const cof_log_service table{sizeof(cof_log_service), 0, write, enabled};
  return &table;
}

}  // namespace cofounder::host
