// SPDX-License-Identifier: Apache-2.0
#include "core/store/memory_store.hpp"

#include "core/store/memory_answer.hpp"
#include "core/store/store_errors.hpp"

#include <algorithm>
#include <utility>

namespace cofounder {

MemoryStore::MemoryStore(Loop& loop, const Clock& clock, std::string node, RetryPolicy retry)
    : loop_{loop}, clock_{clock}, node_{std::move(node)}, policy_{retry} {}

void MemoryStore::settle(Time now, UniqueFunction<void()> first) {
  std::vector<ClaimedTask> claims;
  if (is_open_) {
    for (const TaskId id : index_.claim(now, index_.waiting())) {
      Task& task = tasks_.at(id);
      task.record.state = TaskState::running;
      ++task.record.attempt;
      task.record.started_at = now;
      AttemptRecord attempt;
      attempt.attempt = task.record.attempt;
      attempt.node = node_;
      attempt.started_at = now;
      attempt.outcome = "running";
      task.record.attempts.push_back(std::move(attempt));
      claims.push_back(claimed(task));
    }
  }
  const Time due = is_open_ ? index_.next_due(now) : told_due_;
  const bool tell = std::exchange(tell_due_, false) || due != told_due_;
  told_due_ = due;
  loop_.post([shared = std::weak_ptr<Shared>{shared_}, first = std::move(first),
              claims = std::move(claims), due, tell]() mutable {
    if (!shared.lock()) return;
    if (first) first();
    // Each handler may destroy the store.
    if (const auto store = shared.lock(); store && !claims.empty()) {
      store->listener.on_claimed(std::move(claims));
    }
    if (const auto store = shared.lock(); store && tell) store->listener.on_next_due(due);
  });
}

ClaimedTask MemoryStore::claimed(const Task& task) const {
  const TaskRecord& record = task.record;
  ClaimedTask claim;
  claim.key = AttemptKey{record.id, record.attempt};
  claim.uncounted = task.uncounted;
  claim.op = record.op;
  claim.args = record.args;
  claim.queue = record.queue;
  claim.timeout = record.timeout;
  claim.attempts_max = record.attempts_max;
  claim.retry_on_timeout = task.retry_on_timeout;
  claim.submitted_at = record.submitted_at;
  claim.run_at = record.run_at;
  claim.started_at = record.started_at.value_or(Time{});
  claim.checkpoint = task.checkpoint;
  return claim;
}

void MemoryStore::open(Listener listener, Done<Opened> done) {
  shared_->listener = std::move(listener);
  is_open_ = true;
  const Time now = clock_.now();
  Opened opened;
  index_ = ReadyIndex{};
  for (auto& [id, task] : tasks_) {
    if (is_over(task.record.state)) continue;
    if (task.record.state != TaskState::running) {
      index_.add(task.record.queue, task.record.op,
                 {id, task.record.run_at, static_cast<std::int16_t>(task.record.priority)});
      continue;
    }
    ++opened.recovered;
    Outcome lost;
    lost.kind = Outcome::Kind::lost;
    index_.add_running(task.record.queue, task.record.op, id);
    const double random = std::uniform_real_distribution<>{}(random_);
    apply(decide(policy_, claimed(task), std::move(lost), now, Milliseconds{0}, random));
  }
  index_.set_limits(limits_);
  opened.waiting = static_cast<std::int64_t>(index_.waiting());
  answer<Opened>(std::move(done), opened, now);
}

Submitted MemoryStore::submit_one(NewTask task, Time now) {
  if (!task.unique_key.empty()) {
    const auto found = by_unique_key_.find(task.unique_key);
    if (found != by_unique_key_.end()) {
      const TaskRecord& record = tasks_.at(found->second).record;
      return {record.id, false, waiting_state(record.state, record.run_at, now),
              record.submitted_at};
    }
  }
  Task made;
  TaskRecord& record = made.record;
  record.id = ids_.next(now);
  record.op = std::move(task.op);
  record.args = std::move(task.args);
  record.queue = std::move(task.queue);
  record.priority = task.priority;
  record.timeout = task.timeout;
  record.attempts_max = task.attempts_max;
  record.unique_key = std::move(task.unique_key);
  record.schedule = std::move(task.schedule);
  record.submitter = std::move(task.submitter);
  record.submitted_at = now;
  record.run_at = std::max(task.run_at, now);
  made.retry_on_timeout = task.retry_on_timeout;
  const Submitted submitted{record.id, true, waiting_state(record.state, record.run_at, now), now};
  if (!record.unique_key.empty()) by_unique_key_[record.unique_key] = record.id;
  index_.add(record.queue, record.op,
             {record.id, record.run_at, static_cast<std::int16_t>(record.priority)});
  tasks_.emplace(record.id, std::move(made));
  return submitted;
}

void MemoryStore::submit(std::vector<NewTask> tasks, Time now, Done<std::vector<Submitted>> done) {
  if (!is_open_) return answer<std::vector<Submitted>>(std::move(done), store_closed(), now);
  std::vector<Submitted> submitted;
  submitted.reserve(tasks.size());
  for (NewTask& task : tasks) submitted.push_back(submit_one(std::move(task), now));
  answer<std::vector<Submitted>>(std::move(done), std::move(submitted), now);
}

void MemoryStore::set_limits(ClaimLimits limits) {
  limits_ = std::move(limits);
  index_.set_limits(limits_);
  settle(clock_.now(), nullptr);
}

void MemoryStore::claim_due(Time now) {
  tell_due_ = true;
  settle(now, nullptr);
}

bool MemoryStore::apply(Verdict verdict) {
  const auto found = tasks_.find(verdict.key.task);
  if (found == tasks_.end()) return false;
  Task& task = found->second;
  TaskRecord& record = task.record;
  if (record.state != TaskState::running || record.attempt != verdict.key.attempt) return false;
  AttemptRecord& attempt = record.attempts.back();
  attempt.outcome = to_string(verdict.outcome.kind);
  attempt.ended_at = verdict.ended_at;
  if (!verdict.outcome.error.code.empty()) {
    attempt.error = verdict.outcome.error;
    record.error = std::move(verdict.outcome.error);
  }
  if (!verdict.counts) ++task.uncounted;
  index_.ended(record.id);
  if (!is_over(verdict.state)) {
    if (verdict.outcome.kind == Outcome::Kind::deferred) {
      task.checkpoint = std::move(verdict.outcome.checkpoint);
    }
    wait_again(task, verdict.run_at);
    return true;
  }
  record.state = verdict.state;
  record.ended_at = verdict.ended_at;
  if (verdict.state == TaskState::succeeded) record.error.reset();
  record.result = std::move(verdict.outcome.result);
  task.took = verdict.took;
  task.checkpoint.clear();
  if (!record.unique_key.empty()) by_unique_key_.erase(record.unique_key);
  return true;
}

void MemoryStore::wait_again(Task& task, Time run_at) {
  task.record.state = TaskState::scheduled;
  task.record.run_at = run_at;
  index_.add(task.record.queue, task.record.op,
             {task.record.id, run_at, static_cast<std::int16_t>(task.record.priority)});
}

void MemoryStore::finish(std::vector<Verdict> verdicts, Done<std::vector<bool>> done) {
  const Time now = clock_.now();
  if (!is_open_) return answer<std::vector<bool>>(std::move(done), store_closed(), now);
  std::vector<bool> applied;
  applied.reserve(verdicts.size());
  for (Verdict& verdict : verdicts) applied.push_back(apply(std::move(verdict)));
  answer<std::vector<bool>>(std::move(done), std::move(applied), now);
}

void MemoryStore::checkpoint(AttemptKey attempt, std::string state, Done<bool> done) {
  const Time now = clock_.now();
  if (!is_open_) return answer<bool>(std::move(done), store_closed(), now);
  const auto found = tasks_.find(attempt.task);
  const bool holds = found != tasks_.end() && found->second.record.state == TaskState::running &&
                     found->second.record.attempt == attempt.attempt;
  if (holds) found->second.checkpoint = std::move(state);
  answer<bool>(std::move(done), holds, now);
}

void MemoryStore::cancel(TaskId id, Time now, Done<CancelResult> done) {
  if (!is_open_) return answer<CancelResult>(std::move(done), store_closed(), now);
  const auto found = tasks_.find(id);
  CancelResult result = CancelResult::cancelled;
  if (found == tasks_.end()) {
    result = CancelResult::not_found;
  } else if (is_over(found->second.record.state)) {
    result = CancelResult::over;
  } else if (found->second.record.state == TaskState::running) {
    result = CancelResult::running;
  } else {
    TaskRecord& record = found->second.record;
    index_.remove(id);
    record.state = TaskState::cancelled;
    record.ended_at = now;
    found->second.took = Milliseconds{0};
    if (!record.unique_key.empty()) by_unique_key_.erase(record.unique_key);
  }
  answer<CancelResult>(std::move(done), result, now);
}

void MemoryStore::retry(TaskId id, Time now, Done<RetryResult> done) {
  if (!is_open_) return answer<RetryResult>(std::move(done), store_closed(), now);
  const auto found = tasks_.find(id);
  if (found == tasks_.end()) {
    return answer<RetryResult>(std::move(done), RetryResult::not_found, now);
  }
  Task& task = found->second;
  TaskRecord& record = task.record;
  if (!is_over(record.state)) {
    return answer<RetryResult>(std::move(done), RetryResult::not_over, now);
  }
  if (!record.unique_key.empty()) {
    const auto [other, is_free] = by_unique_key_.emplace(record.unique_key, id);
    if (!is_free) {
      return answer<RetryResult>(std::move(done), unique_key_in_use(other->second), now);
    }
  }
  task.uncounted = record.attempt;
  task.checkpoint.clear();
  record.ended_at.reset();
  record.result.clear();
  wait_again(task, now);
  answer<RetryResult>(std::move(done), RetryResult::scheduled, now);
}

void MemoryStore::purge(Time before, int rows_max, Done<std::int64_t> done) {
  const Time now = clock_.now();
  if (!is_open_) return answer<std::int64_t>(std::move(done), store_closed(), now);
  std::int64_t purged = 0;
  for (auto it = tasks_.begin(); it != tasks_.end() && purged < rows_max;) {
    const TaskRecord& record = it->second.record;
    if (is_over(record.state) && record.ended_at < before) {
      it = tasks_.erase(it);
      ++purged;
    } else {
      ++it;
    }
  }
  answer<std::int64_t>(std::move(done), purged, now);
}

void MemoryStore::close(UniqueFunction<void()> done) {
  is_open_ = false;
  limits_ = ClaimLimits{};  // the next daemon sets its own
  settle(clock_.now(), std::move(done));
}

Stores make_memory_store(Loop& loop, const Clock& clock, std::string node, RetryPolicy retry) {
  auto store = std::make_unique<MemoryStore>(loop, clock, std::move(node), retry);
  MemoryStore& all = *store;
  return Stores{std::move(store), all, all, all, all};
}

}  // namespace cofounder
