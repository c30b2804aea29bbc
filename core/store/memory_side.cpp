// SPDX-License-Identifier: Apache-2.0
#include "core/base/text.hpp"
#include "core/store/memory_answer.hpp"
#include "core/store/store_errors.hpp"

#include <utility>

namespace cofounder {

void MemoryStore::put_schedule(Schedule schedule, Done<bool> done) {
  const Time now = clock_.now();
  if (!is_open_) return answer<bool>(std::move(done), store_closed(), now);
  std::string name = schedule.name;
  const bool is_new = schedules_.insert_or_assign(std::move(name), std::move(schedule)).second;
  answer<bool>(std::move(done), is_new, now);
}

void MemoryStore::remove_schedule(std::string name, Done<bool> done) {
  const Time now = clock_.now();
  if (!is_open_) return answer<bool>(std::move(done), store_closed(), now);
  answer<bool>(std::move(done), schedules_.erase(name) == 1, now);
}

void MemoryStore::load_schedules(Done<std::vector<Schedule>> done) {
  const Time now = clock_.now();
  if (!is_open_) return answer<std::vector<Schedule>>(std::move(done), store_closed(), now);
  std::vector<Schedule> all;
  all.reserve(schedules_.size());
  for (const auto& [name, schedule] : schedules_) all.push_back(schedule);
  answer<std::vector<Schedule>>(std::move(done), std::move(all), now);
}

void MemoryStore::fire(std::string name, Time due, NewTask task, bool skip_if_alive, Time now,
                       Done<TaskId> done) {
  if (!is_open_) return answer<TaskId>(std::move(done), store_closed(), now);
  const auto found = schedules_.find(name);
  if (found == schedules_.end() || found->second.last_fired >= due) {
    return answer<TaskId>(std::move(done), TaskId{0}, now);
  }
  Schedule& schedule = found->second;
  schedule.last_fired = due;
  const auto last = tasks_.find(schedule.last_task);
  if (skip_if_alive && last != tasks_.end() && !is_over(last->second.record.state)) {
    return answer<TaskId>(std::move(done), TaskId{0}, now);
  }
  const Submitted submitted = submit_one(std::move(task), now);
  if (submitted.is_new) schedule.last_task = submitted.id;
  answer<TaskId>(std::move(done), submitted.is_new ? submitted.id : TaskId{0}, now);
}

MemoryStore::Values::iterator MemoryStore::find_value(const std::string& space,
                                                      const std::string& key, Time now) {
  const auto found = values_.find({space, key});
  if (found == values_.end() || found->second.expires > now) return found;
  values_.erase(found);
  return values_.end();
}

void MemoryStore::kv_get(std::string space, std::string key, Time now,
                         Done<std::optional<Value>> done) {
  if (!is_open_) return answer<std::optional<Value>>(std::move(done), store_closed(), now);
  std::optional<Value> value;
  const auto found = find_value(space, key, now);
  if (found != values_.end()) value = found->second.value;
  answer<std::optional<Value>>(std::move(done), std::move(value), now);
}

void MemoryStore::kv_put(std::string space, std::string key, std::string bytes,
                         std::int64_t expected, Time expires, Time now,
                         std::int64_t space_bytes_max, Done<Written> done) {
  if (!is_open_) return answer<Written>(std::move(done), store_closed(), now);
  const auto found = find_value(space, key, now);
  const std::int64_t version = found == values_.end() ? 0 : found->second.value.version;
  if (expected != any_version && expected != version) {
    return answer<Written>(std::move(done), Written{false, version}, now);
  }
  std::size_t sum = key.size() + bytes.size();
  for (const auto& [name, kept] : values_) {
    if (name.first == space && name.second != key && kept.expires > now) {
      sum += name.second.size() + kept.value.bytes.size();
    }
  }
  if (sum > static_cast<std::size_t>(space_bytes_max)) {
    return answer<Written>(std::move(done), space_is_full(space, space_bytes_max), now);
  }
  values_[{space, key}] = Kept{Value{std::move(bytes), ++kv_version_}, expires};
  answer<Written>(std::move(done), Written{true, kv_version_}, now);
}

void MemoryStore::kv_remove(std::string space, std::string key, std::int64_t expected, Time now,
                            Done<Written> done) {
  if (!is_open_) return answer<Written>(std::move(done), store_closed(), now);
  const auto found = find_value(space, key, now);
  const std::int64_t version = found == values_.end() ? 0 : found->second.value.version;
  if (version == 0 || (expected != any_version && expected != version)) {
    return answer<Written>(std::move(done), Written{false, version}, now);
  }
  values_.erase(found);
  answer<Written>(std::move(done), Written{true, 0}, now);
}

void MemoryStore::kv_take(std::string space, std::string key, Time now,
                          Done<std::optional<Value>> done) {
  if (!is_open_) return answer<std::optional<Value>>(std::move(done), store_closed(), now);
  std::optional<Value> value;
  const auto found = find_value(space, key, now);
  if (found != values_.end()) {
    value = std::move(found->second.value);
    values_.erase(found);
  }
  answer<std::optional<Value>>(std::move(done), std::move(value), now);
}

void MemoryStore::kv_scan(std::string space, std::string prefix, std::string after, int count,
                          Time now, Done<Page> done) {
  if (!is_open_) return answer<Page>(std::move(done), store_closed(), now);
  Page page;
  for (const auto& [name, kept] : values_) {
    if (name.first != space || !name.second.starts_with(prefix) || kept.expires <= now) continue;
    if (!after.empty() && name.second <= after) continue;
    if (page.entries.size() == static_cast<std::size_t>(count)) {
      page.more = true;
      break;
    }
    page.entries.push_back(Entry{name.second, kept.value});
  }
  answer<Page>(std::move(done), std::move(page), now);
}

void MemoryStore::usage_record(Record record, Done<bool> done) {
  const Time now = clock_.now();
  if (!is_open_) return answer<bool>(std::move(done), store_closed(), now);
  usage_.push_back(std::move(record));
  answer<bool>(std::move(done), true, now);
}

void MemoryStore::usage_sum(By by, Time from, Time to, Done<std::vector<Sum>> done) {
  const Time now = clock_.now();
  if (!is_open_) return answer<std::vector<Sum>>(std::move(done), store_closed(), now);
  std::map<std::string, Sum> sums;
  for (const Record& record : usage_) {
    if (record.at < from || record.at >= to) continue;
    std::string key;
    if (by == By::model) key = record.model;
    if (by == By::provider) key = record.provider;
    if (by == By::op) key = record.plugin + "." + record.operation;
    if (by == By::day) key = to_rfc3339(record.at).substr(0, 10);
    Sum& sum = sums[key];
    sum.key = key;
    ++sum.calls;
    if (!record.succeeded) ++sum.failed;
    sum.input_tokens += record.input_tokens.value_or(0);
    sum.output_tokens += record.output_tokens.value_or(0);
    sum.cost_micros += record.cost_micros.value_or(0);
    if (!record.cost_micros) ++sum.unpriced;
  }
  std::vector<Sum> all;
  all.reserve(sums.size());
  for (auto& [key, sum] : sums) all.push_back(std::move(sum));
  answer<std::vector<Sum>>(std::move(done), std::move(all), now);
}

}  // namespace cofounder
