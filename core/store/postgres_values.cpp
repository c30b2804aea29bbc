// SPDX-License-Identifier: Apache-2.0
#include "core/store/postgres_values.hpp"

#include "core/store/store_errors.hpp"

#include <utility>

namespace cofounder {
namespace {

std::int64_t to_row(TaskId id) { return static_cast<std::int64_t>(id); }

// The least text that is greater than all that begin with `prefix`; nothing: there is none.
std::optional<std::string> after_all(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\xff') prefix.pop_back();
  if (prefix.empty()) return std::nullopt;
  prefix.back() = static_cast<char>(static_cast<unsigned char>(prefix.back()) + 1);
  return prefix;
}

PostgresParams::Bytes bytes_of(const std::string& text) { return {text}; }

// Who changes values of a space holds its row: its size is right, and its writers come one by one.
void lock_space(PostgresTrip& trip, const PostgresPlace& place, const std::string& space) {
  trip.add(place.dialect.kv_lock_space, PostgresParams{}.add(space));
}

}  // namespace

void ask_cancel(PostgresTrip& trip, const PostgresPlace& place, TaskId task) {
  trip.add(place.dialect.cancel, PostgresParams{}.add(place.now).add(to_row(task)).add(place.node));
  trip.add(place.dialect.find_finished, PostgresParams{}.add(to_row(task)));
}

CancelResult take_cancel(std::span<const PostgresRows> rows) {
  if (!rows[0].empty()) {
    return rows[0].integer(0, 0) == static_cast<int>(TaskState::running) ? CancelResult::running
                                                                         : CancelResult::cancelled;
  }
  return rows[1].empty() ? CancelResult::not_found : CancelResult::over;
}

void ask_retry(PostgresTrip& trip, const PostgresPlace& place, TaskId task) {
  trip.add(place.dialect.retry, PostgresParams{}.add(place.now).add(to_row(task)));
  trip.add(place.dialect.find_alive, PostgresParams{}.add(to_row(task)));
  trip.add(place.dialect.find_key_holder, PostgresParams{}.add(to_row(task)));
}

Result<RetryResult> take_retry(std::span<const PostgresRows> rows) {
  if (!rows[0].empty()) return RetryResult::scheduled;
  if (!rows[1].empty()) return RetryResult::not_over;
  if (!rows[2].empty()) return unique_key_in_use(rows[2].id(0, 0));
  return RetryResult::not_found;
}

void ask_fire(PostgresTrip& trip, const PostgresPlace& place, const std::string& name, Time due,
              const NewTask& task, bool skip_if_alive, Time now) {
  // First the lock: what follows sees what the node that had it before has done.
  trip.add(place.dialect.lock_schedule, PostgresParams{}.add(name));
  PostgresParams params;
  params.add(place.now).add(name).add(due).add(skip_if_alive);
  add_task(params, task, place.ids.next(now + place.ahead), due_time(task, now, place));
  params.add(task.args);
  trip.add(place.dialect.fire, std::move(params));
}

void ask_put_schedule(PostgresTrip& trip, const PostgresPlace& place, const Schedule& schedule) {
  trip.add(place.dialect.lock_schedule, PostgresParams{}.add(schedule.name));
  PostgresParams params;
  params.add(schedule.name).add(schedule.op).add(schedule.args).add(schedule.language);
  params.add(schedule.text).add(schedule.timezone).add(static_cast<int>(schedule.missed));
  params.add(static_cast<int>(schedule.overlap)).add(schedule.queue).add(schedule.priority);
  params.add(schedule.timeout).add(schedule.attempts_max).add(schedule.created_at);
  params.add(schedule.last_fired).add(to_row(schedule.last_task));
  trip.add(place.dialect.put_schedule, std::move(params));
}

std::vector<Schedule> read_schedules(const PostgresRows& rows) {
  std::vector<Schedule> all;
  for (int i = 0; i < rows.size(); ++i) {
    Schedule& schedule = all.emplace_back();
    schedule.name = rows.text(i, 0);
    schedule.op = rows.text(i, 1);
    schedule.args = rows.text(i, 2);
    schedule.language = rows.text(i, 3);
    schedule.text = rows.text(i, 4);
    schedule.timezone = rows.text(i, 5);
    schedule.missed = static_cast<Schedule::Missed>(rows.integer(i, 6));
    schedule.overlap = static_cast<Schedule::Overlap>(rows.integer(i, 7));
    schedule.queue = rows.text(i, 8);
    schedule.priority = rows.small(i, 9);
    schedule.timeout = Milliseconds{rows.integer(i, 10)};
    schedule.attempts_max = rows.small(i, 11);
    schedule.created_at = rows.time(i, 12);
    schedule.last_fired = rows.optional_time(i, 13);
    schedule.last_task = rows.id(i, 14);
  }
  return all;
}

void ask_put(PostgresTrip& trip, const PostgresPlace& place, const PostgresValue& value) {
  trip.add(place.dialect.kv_make_space, PostgresParams{}.add(value.space));
  lock_space(trip, place, value.space);
  trip.add(place.dialect.kv_expire, PostgresParams{}.add(place.now).add(value.space));
  PostgresParams params;
  params.add(value.space).add(bytes_of(value.key)).add(bytes_of(value.bytes)).add(value.expected);
  params.add(value.expires == Time::max() ? std::optional<Time>{}
                                          : std::optional{place.to_database(value.expires)});
  params.add(value.space_bytes_max);
  trip.add(place.dialect.kv_put, std::move(params));
}

Result<KeyValueStore::Written> take_put(std::span<const PostgresRows> rows,
                                        const PostgresValue& value) {
  const PostgresRows& said = rows[3];
  const std::int64_t there = said.integer(0, 2);
  if (!said.boolean(0, 0)) return KeyValueStore::Written{false, there};
  if (!said.boolean(0, 1)) return space_is_full(value.space, value.space_bytes_max);
  return KeyValueStore::Written{true, said.integer(0, 3)};
}

void ask_remove(PostgresTrip& trip, const PostgresPlace& place, const PostgresValue& value) {
  lock_space(trip, place, value.space);
  PostgresParams params;
  params.add(place.now).add(value.space).add(bytes_of(value.key)).add(value.expected);
  trip.add(place.dialect.kv_remove, std::move(params));
}

KeyValueStore::Written take_remove(std::span<const PostgresRows> rows) {
  if (rows[1].boolean(0, 1)) return {true, 0};
  return {false, rows[1].is_null(0, 0) ? 0 : rows[1].integer(0, 0)};
}

void ask_take(PostgresTrip& trip, const PostgresPlace& place, const PostgresValue& value) {
  lock_space(trip, place, value.space);
  PostgresParams params;
  params.add(place.now).add(value.space).add(bytes_of(value.key));
  trip.add(place.dialect.kv_take, std::move(params));
}

std::optional<KeyValueStore::Value> read_value(const PostgresRows& rows) {
  if (rows.empty()) return std::nullopt;
  return KeyValueStore::Value{rows.string(0, 0), rows.integer(0, 1)};
}

PostgresTrip scan_of(const PostgresPlace& place, const std::string& space,
                     const std::string& prefix, const std::string& after, int count) {
  PostgresParams params;
  params.add(place.now).add(space).add(bytes_of(prefix));
  if (const auto below = after_all(prefix)) {
    params.add(bytes_of(*below));
  } else {
    params.add_null_bytes();
  }
  params.add(bytes_of(after)).add(count + 1);
  PostgresTrip trip;
  trip.add(place.dialect.kv_scan, std::move(params));
  return trip;
}

KeyValueStore::Page read_page(const PostgresRows& rows, int count) {
  KeyValueStore::Page page;
  page.more = rows.size() > count;
  for (int i = 0; i < rows.size() && i < count; ++i) {
    page.entries.push_back({rows.string(i, 0), {rows.string(i, 1), rows.integer(i, 2)}});
  }
  return page;
}

void ask_record(PostgresTrip& trip, const PostgresPlace& place, const UsageStore::Record& record) {
  PostgresParams params;
  params.add(record.at + place.ahead).add(record.plugin).add(record.provider).add(record.model);
  params.add(record.operation).add(to_row(record.task)).add(record.succeeded);
  params.add(record.input_tokens).add(record.output_tokens).add(record.cached_tokens);
  params.add(record.cost_micros).add(record.took);
  trip.add(place.dialect.record_usage, std::move(params));
}

PostgresTrip sum_of(const PostgresPlace& place, UsageStore::By by, Time from, Time to) {
  const std::string* sql = &place.dialect.usage_by_model;
  if (by == UsageStore::By::provider) sql = &place.dialect.usage_by_provider;
  if (by == UsageStore::By::op) sql = &place.dialect.usage_by_op;
  if (by == UsageStore::By::day) sql = &place.dialect.usage_by_day;
  PostgresTrip trip;
  trip.add(*sql, PostgresParams{}.add(from).add(to));
  return trip;
}

std::vector<NodeStore::Node> read_nodes(const PostgresRows& rows) {
  std::vector<NodeStore::Node> nodes;
  for (int i = 0; i < rows.size(); ++i) {
    NodeStore::Node& node = nodes.emplace_back();
    node.name = rows.text(i, 0);
    node.version = rows.text(i, 1);
    node.state = static_cast<NodeStore::Node::State>(rows.integer(i, 2));
    node.started_at = rows.time(i, 3);
    node.seen_at = rows.time(i, 4);
    node.running = rows.integer(i, 5);
  }
  return nodes;
}

std::vector<UsageStore::Sum> read_sums(const PostgresRows& rows) {
  std::vector<UsageStore::Sum> sums;
  for (int i = 0; i < rows.size(); ++i) {
    UsageStore::Sum& sum = sums.emplace_back();
    sum.key = rows.text(i, 0);
    sum.calls = rows.integer(i, 1);
    sum.failed = rows.integer(i, 2);
    sum.input_tokens = rows.integer(i, 3);
    sum.output_tokens = rows.integer(i, 4);
    sum.cost_micros = rows.integer(i, 5);
    sum.unpriced = rows.integer(i, 6);
  }
  return sums;
}

}  // namespace cofounder
