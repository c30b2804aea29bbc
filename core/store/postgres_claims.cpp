// SPDX-License-Identifier: Apache-2.0
#include "core/store/postgres_claims.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace cofounder {

std::string plugin_of(const std::string& op) { return op.substr(0, op.find('.')); }

void PostgresClaims::begun(const ClaimedTask& task) {
  running_[task.key.task] = Running{task.key.attempt, plugin_of(task.op), task.queue};
}

void PostgresClaims::ended(const AttemptKey& attempt) {
  const auto found = running_.find(attempt.task);
  if (found == running_.end() || found->second.attempt != attempt.attempt) return;
  running_.erase(found);
}

std::vector<std::int64_t> PostgresClaims::running() const {
  std::vector<std::int64_t> ids;
  ids.reserve(running_.size());
  for (const auto& [id, running] : running_) ids.push_back(static_cast<std::int64_t>(id));
  return ids;
}

std::vector<AttemptKey> PostgresClaims::attempts() const {
  std::vector<AttemptKey> keys;
  keys.reserve(running_.size());
  for (const auto& [id, running] : running_) keys.push_back({id, running.attempt});
  return keys;
}

bool PostgresClaims::free_shared(const std::vector<AttemptKey>& ending) const {
  if (limits_.queue_shared_max.empty()) return false;
  return std::any_of(ending.begin(), ending.end(), [this](const AttemptKey& key) {
    const auto found = running_.find(key.task);
    return found != running_.end() && limits_.queue_shared_max.contains(found->second.queue);
  });
}

PostgresClaims::Room PostgresClaims::room(const std::vector<AttemptKey>& ending) const {
  Room room;
  room.total_ = limits_.running_max - static_cast<int>(running_.size());
  room.plugins_ = limits_.plugin_max;
  room.queues_ = limits_.queue_max;
  room.shared_ = limits_.queue_shared_max;
  const auto use = [&room](const std::string& plugin, const std::string& queue, int by) {
    if (const auto at = room.plugins_.find(plugin); at != room.plugins_.end()) at->second -= by;
    if (const auto at = room.queues_.find(queue); at != room.queues_.end()) at->second -= by;
  };
  for (const auto& [id, running] : running_) use(running.plugin, running.queue, 1);
  std::set<TaskId> once;
  for (const AttemptKey& key : ending) {
    const auto found = running_.find(key.task);
    if (found == running_.end() || found->second.attempt != key.attempt) continue;
    if (!once.insert(key.task).second) continue;
    ++room.total_;
    use(found->second.plugin, found->second.queue, -1);
  }
  return room;
}

bool PostgresClaims::Room::is_full() const {
  return total_ <= 0 || std::none_of(plugins_.begin(), plugins_.end(),
                                     [](const auto& plugin) { return plugin.second > 0; });
}

bool PostgresClaims::Room::is_open(const std::string& plugin, const std::string& queue) const {
  const auto of_plugin = plugins_.find(plugin);
  if (total_ <= 0 || of_plugin == plugins_.end() || of_plugin->second <= 0) return false;
  const auto of_queue = queues_.find(queue);
  return of_queue == queues_.end() || of_queue->second > 0;
}

void PostgresClaims::Room::hold(PostgresTrip& trip, const PostgresDialect& dialect,
                                const std::string& schema) const {
  std::vector<std::string> queues;
  queues.reserve(shared_.size());
  for (const auto& [queue, most] : shared_) queues.push_back(queue);
  PostgresParams params;
  params.add(schema).add(queues);
  trip.add(dialect.hold_queues, std::move(params));
}

void PostgresClaims::Room::ask(PostgresTrip& trip, const PostgresDialect& dialect,
                               const std::optional<Time>& now, const std::string& node,
                               int rows_max) const {
  std::vector<std::string> plugins;
  std::vector<std::int64_t> of_plugin;
  for (const auto& [plugin, free] : plugins_) {
    if (free <= 0) continue;
    plugins.push_back(plugin);
    of_plugin.push_back(free);
  }
  std::vector<std::string> queues;
  std::vector<std::int64_t> of_queue;
  for (const auto& [queue, free] : queues_) {
    queues.push_back(queue);
    of_queue.push_back(std::max(free, 0));
  }
  PostgresParams params;
  params.add(now).add(node).add(std::min(total_, rows_max));
  params.add(plugins).add(of_plugin).add(queues).add(of_queue);
  queues.clear();
  of_queue.clear();
  for (const auto& [queue, most] : shared_) {
    queues.push_back(queue);
    of_queue.push_back(most);
  }
  params.add(queues).add(of_queue);
  trip.add(dialect.claim, std::move(params));
}

PostgresClaims::Taken PostgresClaims::Room::take(const PostgresRows& rows) {
  Taken taken;
  taken.rows.reserve(static_cast<std::size_t>(rows.size()));
  for (int i = 0; i < rows.size(); ++i) {
    Row& row = taken.rows.emplace_back();
    ClaimedTask& task = row.task;
    task.key = AttemptKey{rows.id(i, 0), rows.small(i, 1)};
    task.uncounted = rows.small(i, 2);
    task.op = rows.text(i, 3);
    task.queue = rows.text(i, 4);
    task.timeout = Milliseconds{rows.integer(i, 5)};
    task.attempts_max = rows.small(i, 6);
    task.retry_on_timeout = rows.boolean(i, 7);
    task.submitted_at = rows.time(i, 8);
    task.run_at = rows.time(i, 9);
    task.started_at = rows.time(i, 10);
    row.priority = rows.small(i, 11);
    row.has_args = !rows.is_null(i, 12);
    task.args = rows.text(i, 12);
    task.checkpoint = rows.text(i, 13);
    --total_;
    if (const auto at = plugins_.find(plugin_of(task.op)); at != plugins_.end()) --at->second;
    if (const auto at = queues_.find(task.queue); at != queues_.end()) --at->second;
  }
  taken.may_be_more = !rows.empty() && rows.integer(0, 14) > rows.size() && !is_full();
  return taken;
}

Time PostgresClaims::Room::next_due(const PostgresRows& rows) const {
  constexpr std::int64_t looked_at = 100;  // as the statement says
  Time due = Time::max();
  for (int i = 0; i < rows.size(); ++i) {
    if (is_open(/*plugin=*/rows.string(i, 1), /*queue=*/rows.string(i, 0))) {
      due = std::min(due, rows.time(i, 2));
    }
  }
  // There are more behind them: come back when these are due.
  if (due == Time::max() && total_ > 0 && !rows.empty() && rows.integer(0, 3) >= looked_at) {
    due = rows.time(0, 4);
  }
  return due;
}

}  // namespace cofounder
