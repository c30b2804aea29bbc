// SPDX-License-Identifier: Apache-2.0
#include "core/store/memory_answer.hpp"
#include "core/store/store_errors.hpp"

#include <utility>

namespace cofounder {

TaskRecord MemoryStore::shown(const Task& task, Time now) const {
  TaskRecord record = task.record;
  record.state = waiting_state(record.state, record.run_at, now);
  return record;
}

void MemoryStore::get(TaskId id, Done<std::optional<TaskRecord>> done) {
  const Time now = clock_.now();
  if (!is_open_) return answer<std::optional<TaskRecord>>(std::move(done), store_closed(), now);
  std::optional<TaskRecord> record;
  const auto found = tasks_.find(id);
  if (found != tasks_.end()) record = shown(found->second, now);
  answer<std::optional<TaskRecord>>(std::move(done), std::move(record), now);
}

void MemoryStore::list(TaskQuery query, Done<TaskPage> done) {
  const Time now = clock_.now();
  if (!is_open_) return answer<TaskPage>(std::move(done), store_closed(), now);
  TaskPage page;
  for (auto it = tasks_.rbegin(); it != tasks_.rend(); ++it) {
    if (query.after != 0 && it->first >= query.after) continue;
    TaskRecord record = shown(it->second, now);
    if (query.state && record.state != *query.state) continue;
    if (!query.op.empty() && record.op != query.op) continue;
    if (!query.queue.empty() && record.queue != query.queue) continue;
    if (page.tasks.size() == static_cast<std::size_t>(query.limit)) {
      page.next = page.tasks.back().id;
      break;
    }
    record.args.clear();
    record.result.clear();
    record.attempts.clear();
    page.tasks.push_back(std::move(record));
  }
  answer<TaskPage>(std::move(done), std::move(page), now);
}

void MemoryStore::counts(Time since, Done<TaskCounts> done) {
  const Time now = clock_.now();
  if (!is_open_) return answer<TaskCounts>(std::move(done), store_closed(), now);
  TaskCounts counts;
  std::map<std::pair<std::string, TaskState>, std::pair<std::int64_t, std::int64_t>> ended;
  for (const auto& [id, task] : tasks_) {
    if (task.record.submitted_at < since) continue;
    const TaskState state = waiting_state(task.record.state, task.record.run_at, now);
    ++counts.by_state[state];
    if (state < TaskState::running) ++counts.waiting_by_queue[task.record.queue];
    if (!is_over(state)) continue;
    auto& [count, milliseconds] = ended[{task.record.op, state}];
    ++count;
    milliseconds += task.took.count();
  }
  for (const auto& [key, sum] : ended) {
    counts.ended.push_back(
        {key.first, key.second, sum.first, static_cast<double>(sum.second) / 1000.0});
  }
  answer<TaskCounts>(std::move(done), std::move(counts), now);
}

}  // namespace cofounder
