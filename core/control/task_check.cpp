// SPDX-License-Identifier: Apache-2.0
#include "core/control/task_check.hpp"

#include "core/base/text.hpp"
#include "core/scheduler/task_json.hpp"

#include <algorithm>
#include <array>

namespace cofounder {

namespace {

constexpr Milliseconds delay_max{3650LL * 24 * 3'600'000LL};
constexpr std::size_t unique_key_bytes_max = 255;
constexpr int attempts_max_max = 1000;

Error invalid(std::string_view field, std::string_view wanted) {
  return make_error("invalid_task", std::string{field} + " " + std::string{wanted});
}

Result<Milliseconds> duration_of(json::View value, std::string_view field, Milliseconds least,
                                 Milliseconds most) {
  const auto text = value.as_string();
  if (!text) return invalid(field, "must be a duration like \"30s\"");
  auto duration = parse_duration(*text);
  if (!duration)
    return invalid(field, "must be a duration like \"30s\": " + duration.error().message);
  if (*duration < least || *duration > most) {
    return invalid(field, "must be between " + to_string(least) + " and " + to_string(most));
  }
  return *duration;
}

std::optional<Error> read_times(json::View value, std::string_view key, NewTask& task, Time now) {
  if (key == "run_at") {
    const auto text = value.as_string();
    const auto time = text ? parse_rfc3339(*text) : std::nullopt;
    if (!time) return invalid(key, "must be an RFC 3339 time like \"2026-11-23T17:00:00Z\"");
    task.run_at = *time;
    return std::nullopt;
  }
  const bool is_delay = key == "delay";
  const auto duration =
      duration_of(value, key, Milliseconds{is_delay ? 0 : 1}, is_delay ? delay_max : timeout_max);
  if (!duration) return duration.error();
  if (is_delay) {
    task.run_at = now + *duration;
  } else {
    task.timeout = *duration;
  }
  return std::nullopt;
}

std::optional<Error> read_number(json::View value, std::string_view key, int least, int most,
                                 int& number) {
  const auto integer = value.as_integer();
  if (!integer || *integer < least || *integer > most) {
    return invalid(key, "must be a whole number between " + std::to_string(least) + " and " +
                            std::to_string(most));
  }
  number = static_cast<int>(*integer);
  return std::nullopt;
}

// One member besides "op" and "args".
std::optional<Error> read_member(json::View value, std::string_view key, NewTask& task, Time now) {
  if (value.is_null()) return std::nullopt;  // as if it were not there
  if (key == "run_at" || key == "delay" || key == "timeout") {
    return read_times(value, key, task, now);
  }
  if (key == "priority") return read_number(value, key, -100, 100, task.priority);
  if (key == "attempts_max") return read_number(value, key, 1, attempts_max_max, task.attempts_max);
  const auto text = value.as_string();
  if (key == "queue") {
    if (!text || !is_name(*text)) {
      return invalid(key, "must be a name of lower-case letters, digits, '.', '_' and '-'");
    }
    task.queue = *text;
    return std::nullopt;
  }
  if (key == "unique_key") {
    if (!text || text->empty() || text->size() > unique_key_bytes_max) {
      return invalid(key, "must be a string of 1 to 255 bytes");
    }
    task.unique_key = *text;
    return std::nullopt;
  }
  return invalid(key, "is not a field of a task");
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

std::string joined(const std::vector<std::string>& words, std::size_t most) {
  std::string text;
  for (std::size_t i = 0; i < words.size() && i < most; ++i) {
    text += (i == 0 ? "" : ", ") + words[i];
  }
  if (words.size() > most) text += ", ...";
  return text;
}

void collect_uploads(json::View value, std::vector<std::string>& found) {
  constexpr std::string_view prefix = "upload:";
  if (const auto text = value.as_string()) {
    if (text->starts_with(prefix)) found.emplace_back(*text);
    return;
  }
  if (!value.is_array() && !value.is_object()) return;
  for (std::size_t i = 0; i < value.size(); ++i) collect_uploads(value.at(i), found);
}

}  // namespace

bool is_name(std::string_view text) noexcept {
  const auto is_plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !text.empty() && text.size() <= 64 && is_plain(text[0]) &&
         std::all_of(text.begin(), text.end(),
                     [&](char c) { return is_plain(c) || c == '.' || c == '_' || c == '-'; });
}

Result<NewTask> parse_task(json::View task, Time now) {
  if (!task.is_object()) {
    return make_error("invalid_task", "a task must be an object {\"op\": ..., \"args\": {...}}");
  }
  NewTask fresh;
  const auto op = task.find("op").as_string();
  if (!op || op->empty() || op->size() > 128) {
    return invalid("op", "must be the name of an operation, like \"hello.greet\"");
  }
  fresh.op = *op;
  if (task.find("run_at") && task.find("delay")) {
    return invalid("delay", "cannot be given together with run_at");
  }
  for (std::size_t i = 0; i < task.size(); ++i) {
    const std::string_view key = task.key_at(i);
    if (key == "op" || key == "args") continue;
    if (auto error = read_member(task.at(i), key, fresh, now)) return *std::move(error);
  }
  return fresh;
}

Result<NewTask> complete_task(NewTask task, json::View args, const OperationSource& operations,
                              const Config& config) {
  const Manifest::Operation* operation = operations.find(task.op);
  if (operation == nullptr) {
    Error error = make_error("unknown_op", "there is no operation \"" + task.op + "\"");
    error.hint = hint_for_op(task.op, operations.all());
    return error;
  }
  if (args && !args.is_object()) return make_error("invalid_args", "args must be an object");
  if (operation->args) {
    static const auto empty = json::parse("{}");
    const json::View value = args ? args : empty->root();
    if (auto error = operation->args->check(value)) {
      error->plugin = plugin_of(task.op);
      return *std::move(error);
    }
    task.args = operation->args->with_defaults(value);
  } else {
    task.args = args ? args.text() : "{}";
  }
  task.retry_on_timeout = operation->retry_on_timeout;
  if (task.timeout.count() == 0) {
    task.timeout = operation->timeout.value_or(config.scheduler.task_timeout);
  }
  if (task.attempts_max == 0) {
    task.attempts_max = operation->attempts_max.value_or(config.scheduler.attempts_max);
  }
  return task;
}

Result<NewTask> complete_task(NewTask task, const OperationSource& operations,
                              const Config& config) {
  const auto args = json::parse(task.args.empty() ? "{}" : task.args);
  if (!args) return make_error("invalid_args", "args is not JSON: " + args.error().message);
  return complete_task(std::move(task), args->root(), operations, config);
}

std::string hint_for_op(std::string_view op, const std::vector<std::string>& all) {
  std::vector<std::string> near;
  std::vector<std::string> siblings;
  std::vector<std::string> namesakes;
  for (const std::string& other : all) {
    if (edit_distance(op, other) <= std::max<std::size_t>(2, op.size() / 4)) near.push_back(other);
    if (plugin_of(other) == plugin_of(op)) siblings.push_back(other);
    if (op.find('.') == std::string_view::npos && other.ends_with("." + std::string{op})) {
      namesakes.push_back(other);
    }
  }
  if (!namesakes.empty()) return "did you mean " + joined(namesakes, 3) + "?";
  if (!near.empty()) return "did you mean " + joined(near, 3) + "?";
  const std::string plugin{plugin_of(op)};
  if (!siblings.empty()) return "plugin \"" + plugin + "\" offers " + joined(siblings, 10);
  if (all.empty()) return "no plugin offers any operation; see GET /v1/plugins";
  return "there is no plugin \"" + plugin + "\" with operations; there are " + joined(all, 10);
}

std::vector<std::string> uploads_in(std::string_view args) {
  std::vector<std::string> found;
  if (args.find("\"upload:") == std::string_view::npos) return found;
  if (const auto document = json::parse(args)) collect_uploads(document->root(), found);
  return found;
}

}  // namespace cofounder
