// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/scheduler/schedule.hpp"
#include "core/scheduler/side_stores.hpp"
#include "core/store/postgres_write.hpp"

#include <span>
#include <string>
#include <vector>

// What the statements for tasks, schedules, values and usage say and give, as the daemon's types.
namespace cofounder {

void ask_cancel(PostgresTrip& trip, const PostgresPlace& place, TaskId task);
CancelResult take_cancel(std::span<const PostgresRows> rows);
void ask_retry(PostgresTrip& trip, const PostgresPlace& place, TaskId task);
Result<RetryResult> take_retry(std::span<const PostgresRows> rows);
void ask_fire(PostgresTrip& trip, const PostgresPlace& place, const std::string& name, Time due,
              const NewTask& task, bool skip_if_alive, Time now);

void ask_put_schedule(PostgresTrip& trip, const PostgresPlace& place, const Schedule& schedule);
std::vector<Schedule> read_schedules(const PostgresRows& rows);

struct PostgresValue {
  std::string space;
  std::string key;
  std::string bytes;
  std::int64_t expected = KeyValueStore::any_version;
  Time expires = Time::max();
  std::int64_t space_bytes_max = 0;
};
void ask_put(PostgresTrip& trip, const PostgresPlace& place, const PostgresValue& value);
Result<KeyValueStore::Written> take_put(std::span<const PostgresRows> rows,
                                        const PostgresValue& value);
void ask_remove(PostgresTrip& trip, const PostgresPlace& place, const PostgresValue& value);
KeyValueStore::Written take_remove(std::span<const PostgresRows> rows);
void ask_take(PostgresTrip& trip, const PostgresPlace& place, const PostgresValue& value);
std::optional<KeyValueStore::Value> read_value(const PostgresRows& rows);
PostgresTrip scan_of(const PostgresPlace& place, const std::string& space,
                     const std::string& prefix, const std::string& after, int count);
KeyValueStore::Page read_page(const PostgresRows& rows, int count);

void ask_record(PostgresTrip& trip, const PostgresPlace& place, const UsageStore::Record& record);
PostgresTrip sum_of(const PostgresPlace& place, UsageStore::By by, Time from, Time to);
std::vector<UsageStore::Sum> read_sums(const PostgresRows& rows);

std::vector<NodeStore::Node> read_nodes(const PostgresRows& rows);

PostgresTrip get_of(const PostgresPlace& place, TaskId task);
std::optional<TaskRecord> read_record(const std::vector<PostgresRows>& rows);
PostgresTrip list_of(const PostgresPlace& place, const TaskQuery& query);
TaskPage read_list(const PostgresRows& rows, int limit);
PostgresTrip counts_of(const PostgresPlace& place, Time since);
TaskCounts read_counts(const std::vector<PostgresRows>& rows);

}  // namespace cofounder
