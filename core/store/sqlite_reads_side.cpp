// SPDX-License-Identifier: Apache-2.0
#include "core/store/sqlite_reads.hpp"

#include <utility>

namespace cofounder {

std::vector<Schedule> SqliteReads::schedules() {
  std::vector<Schedule> all;
  auto rows = prepared(
                  "SELECT name, op, args, language, text, timezone, missed, overlap, queue,"
                  " priority, timeout, attempts_max, created_at, last_fired, last_task"
                  " FROM schedules ORDER BY name")
                  .query();
  while (rows.next()) {
    Schedule schedule;
    schedule.name = rows.text(0);
    schedule.op = rows.text(1);
    schedule.args = rows.text(2);
    schedule.language = rows.text(3);
    schedule.text = rows.text(4);
    schedule.timezone = rows.text(5);
    schedule.missed = static_cast<Schedule::Missed>(rows.integer(6));
    schedule.overlap = static_cast<Schedule::Overlap>(rows.integer(7));
    schedule.queue = rows.text(8);
    schedule.priority = rows.small(9);
    schedule.timeout = Milliseconds{rows.integer(10)};
    schedule.attempts_max = rows.small(11);
    schedule.created_at = rows.time(12);
    schedule.last_fired = rows.optional_time(13);
    schedule.last_task = static_cast<TaskId>(rows.integer(14));
    all.push_back(std::move(schedule));
  }
  return all;
}

std::optional<KeyValueStore::Value> SqliteReads::value(const std::string& space,
                                                       const std::string& key, Time now) {
  auto rows = prepared(
                  "SELECT value, version FROM kv WHERE space = ?1 AND key = ?2"
                  " AND (expires IS NULL OR expires > ?3)")
                  .query(space, key, now);
  if (!rows.next()) return std::nullopt;
  return KeyValueStore::Value{rows.string(0), rows.integer(1)};
}

KeyValueStore::Page SqliteReads::scan(const std::string& space, const std::string& prefix,
                                      const std::string& after, int count, Time now) {
  KeyValueStore::Page page;
  // No key begins with the prefix any more once one that does not was seen: they are in order.
  auto rows = prepared(
                  "SELECT key, value, version FROM kv WHERE space = ?1 AND key >= ?2"
                  " AND (?3 = '' OR key > ?3) AND (expires IS NULL OR expires > ?4)"
                  " ORDER BY key")
                  .query(space, prefix > after ? prefix : after, after, now);
  while (rows.next() && rows.text(0).starts_with(prefix)) {
    if (page.entries.size() == static_cast<std::size_t>(count)) {
      page.more = true;
      break;
    }
    page.entries.push_back({rows.string(0), {rows.string(1), rows.integer(2)}});
  }
  return page;
}

std::vector<UsageStore::Sum> SqliteReads::usage_sum(UsageStore::By by, Time from, Time to) {
  const char* key = "";
  switch (by) {
    case UsageStore::By::model:
      key = "model";
      break;
    case UsageStore::By::provider:
      key = "provider";
      break;
    case UsageStore::By::op:
      key = "plugin || '.' || operation";
      break;
    case UsageStore::By::day:
      key = "strftime('%Y-%m-%d', at / 1000, 'unixepoch')";
      break;
  }
  std::vector<UsageStore::Sum> sums;
  auto rows = prepared(std::string{"SELECT "} + key +
                       " AS k, count(*), sum(succeeded = 0), coalesce(sum(input_tokens), 0),"
                       " coalesce(sum(output_tokens), 0), coalesce(sum(cost_micros), 0),"
                       " sum(cost_micros IS NULL)"
                       " FROM task_costs WHERE at >= ?1 AND at < ?2 GROUP BY k ORDER BY k")
                  .query(from, to);
  while (rows.next()) {
    UsageStore::Sum sum;
    sum.key = rows.text(0);
    sum.calls = rows.integer(1);
    sum.failed = rows.integer(2);
    sum.input_tokens = rows.integer(3);
    sum.output_tokens = rows.integer(4);
    sum.cost_micros = rows.integer(5);
    sum.unpriced = rows.integer(6);
    sums.push_back(std::move(sum));
  }
  return sums;
}

}  // namespace cofounder
