// SPDX-License-Identifier: Apache-2.0
#include "core/base/json.hpp"
#include "core/base/log.hpp"
#include "core/store/sqlite_session.hpp"
#include "core/store/store_errors.hpp"

#include <algorithm>
#include <utility>

namespace cofounder {

Submitted SqliteEngine::submit(NewTask task, Time now) {
  begin();
  SqliteStatements& sql = session_->statements;
  if (!task.unique_key.empty()) {
    if (auto rows = sql.find_unique.query(task.unique_key); rows.next()) {
      const auto state = static_cast<TaskState>(rows.integer(1));
      return {to_id(rows.integer(0)), false, waiting_state(state, rows.time(2), now), rows.time(3)};
    }
  }
  const TaskId id = ids_.next(now);
  const Time run_at = std::max(task.run_at, now);
  sql.insert_task.run(to_row(id), task.priority, run_at, task.attempts_max, task.timeout,
                      task.retry_on_timeout, now, task.op, task.queue, TextOrNull{task.unique_key},
                      TextOrNull{task.schedule}, task.submitter);
  sql.insert_payload.run(to_row(id), task.args);
  index_.add(task.queue, task.op, {id, run_at, static_cast<std::int16_t>(task.priority)});
  return {id, true, waiting_state(TaskState::scheduled, run_at, now), now};
}

bool SqliteEngine::read_claim(TaskId task, ClaimedTask& claim, bool* has_args) {
  auto rows = session_->statements.find_task.query(to_row(task));
  if (!rows.next()) return false;
  if (has_args != nullptr) *has_args = !rows.is_null(11);
  claim.key = AttemptKey{task, rows.small(0)};
  claim.uncounted = rows.small(1);
  claim.op = rows.text(2);
  claim.queue = rows.text(3);
  claim.timeout = Milliseconds{rows.integer(4)};
  claim.attempts_max = rows.small(5);
  claim.retry_on_timeout = rows.integer(6) != 0;
  claim.submitted_at = rows.time(7);
  claim.run_at = rows.time(8);
  claim.started_at = rows.time(9);
  claim.args = rows.text(11);
  claim.checkpoint = rows.text(12);
  return true;
}

std::vector<ClaimedTask> SqliteEngine::claim(Time now, std::size_t count_max) {
  std::vector<ClaimedTask> claims;
  const std::vector<TaskId> tasks = index_.claim(now, count_max);
  if (tasks.empty()) return claims;
  begin();
  claims.reserve(tasks.size());
  for (const TaskId task : tasks) {
    ClaimedTask& claim = claims.emplace_back();
    bool has_args = true;
    if (!read_claim(task, claim, &has_args)) {
      log::warning("store: a waiting task vanished from the file, ignoring: " + to_string(task));
      index_.ended(task);
      claims.pop_back();
      continue;
    }
    if (!has_args) {
      index_.ended(task);
      fail_unreadable({task, claim.op, "its args are missing"}, now, /*is_logged=*/true);
      claims.pop_back();
      continue;
    }
    ++claim.key.attempt;
    claim.started_at = now;
    session_->statements.mark_claimed.run(to_row(task), claim.key.attempt, now);
    Running running;
    running.attempt = claim.key.attempt;
    running.op = number_of(claim.op);
    running.started_at = now;
    running.has_checkpoint = !claim.checkpoint.empty();
    running_.emplace(task, running);
    begun_.push_back(task);
  }
  return claims;
}

bool SqliteEngine::finish(Verdict& verdict) {
  const TaskId task = verdict.key.task;
  const auto found = running_.find(task);
  if (found == running_.end() || found->second.attempt != verdict.key.attempt) return false;
  begin();
  SqliteStatements& sql = session_->statements;
  const Running running = found->second;
  ended_.emplace_back(task, running);
  running_.erase(found);
  index_.ended(task);
  const Outcome& outcome = verdict.outcome;
  const std::string error = outcome.error.code.empty() ? "" : json::to_json(outcome.error);
  sql.insert_attempt.run(to_row(task), running.attempt, options_.node, running.started_at,
                         verdict.ended_at, static_cast<int>(outcome.kind), TextOrNull{error});
  if (is_over(verdict.state)) {
    move_to_finished(task, verdict.state, error, verdict.ended_at, verdict.took, outcome.result,
                     running.op);
    if (running.has_checkpoint) sql.set_checkpoint.run(to_row(task), std::nullopt);
    return true;
  }
  sql.wait_again.run(to_row(task), verdict.run_at, verdict.counts ? 0 : 1, TextOrNull{error});
  if (outcome.kind == Outcome::Kind::deferred) {
    sql.set_checkpoint.run(to_row(task), Blob{outcome.checkpoint});
  }
  auto rows = sql.find_task.query(to_row(task));
  if (rows.next()) {
    index_.add(rows.text(3), rows.text(2),
               {task, verdict.run_at, static_cast<std::int16_t>(rows.integer(10))});
  }
  return true;
}

void SqliteEngine::move_to_finished(TaskId task, TaskState state, std::string_view error,
                                    Time ended_at, Milliseconds took, std::string_view result,
                                    std::uint32_t op) {
  SqliteStatements& sql = session_->statements;
  sql.move_to_finished.run(to_row(task), static_cast<int>(state), TextOrNull{error}, ended_at, took,
                           TextOrNull{result});
  sql.delete_task.run(to_row(task));
  count_finished(op, state, 1, took);
}

bool SqliteEngine::checkpoint(AttemptKey attempt, std::string_view state) {
  const auto found = running_.find(attempt.task);
  if (found == running_.end() || found->second.attempt != attempt.attempt) return false;
  begin();
  session_->statements.set_checkpoint.run(to_row(attempt.task), Blob{state});
  found->second.has_checkpoint = true;
  return true;
}

CancelResult SqliteEngine::cancel(TaskId task, Time now) {
  if (running_.contains(task)) return CancelResult::running;
  SqliteStatements& sql = session_->statements;
  if (!index_.contains(task)) {
    auto rows = sql.find_finished.query(to_row(task));
    return rows.next() ? CancelResult::over : CancelResult::not_found;
  }
  begin();
  ClaimedTask claim;
  read_claim(task, claim);
  index_.remove(task);
  move_to_finished(task, TaskState::cancelled, {}, now, Milliseconds{0}, {}, number_of(claim.op));
  if (!claim.checkpoint.empty()) sql.set_checkpoint.run(to_row(task), std::nullopt);
  return CancelResult::cancelled;
}

Result<RetryResult> SqliteEngine::retry(TaskId task, Time now) {
  if (is_alive(task)) return RetryResult::not_over;
  begin();
  SqliteStatements& sql = session_->statements;
  auto rows = sql.find_finished.query(to_row(task));
  if (!rows.next()) return RetryResult::not_found;
  if (!rows.is_null(4)) {
    auto others = sql.find_unique.query(rows.text(4));
    if (others.next()) return unique_key_in_use(to_id(others.integer(0)));
  }
  sql.revive.run(to_row(task), now);
  index_.add(rows.text(2), rows.text(1), {task, now, static_cast<std::int16_t>(rows.integer(3))});
  count_finished(number_of(rows.text(1)), static_cast<TaskState>(rows.integer(0)), -1,
                 Milliseconds{rows.integer(5)});
  sql.delete_finished.run(to_row(task));
  return RetryResult::scheduled;
}

std::int64_t SqliteEngine::purge(Time before, int rows_max) {
  SqliteStatements& sql = session_->statements;
  std::vector<TaskId> tasks;
  // A younger id cannot have ended before.  The second is for ids that ran ahead of the clock.
  const TaskId bound = first_task_id(before + std::chrono::seconds{1});
  for (auto rows = sql.find_purgeable.query(to_row(bound), before, rows_max); rows.next();) {
    tasks.push_back(to_id(rows.integer(0)));
    count_finished(number_of(rows.text(2)), static_cast<TaskState>(rows.integer(1)), -1,
                   Milliseconds{rows.integer(3)});
  }
  if (tasks.empty()) return 0;
  begin();
  for (const TaskId task : tasks) {
    sql.delete_finished.run(to_row(task));
    sql.delete_payload.run(to_row(task));
    sql.delete_attempts.run(to_row(task));
  }
  return static_cast<std::int64_t>(tasks.size());
}

TaskId SqliteEngine::fire(const std::string& name, Time due, NewTask task, bool skip_if_alive,
                          Time now) {
  const std::optional<SqliteSide::Fired> fired = side().fired(name);
  if (!fired || (fired->last && *fired->last >= due)) return 0;
  begin();
  if (skip_if_alive && is_alive(fired->last_task)) {
    side().mark_fired(name, due, fired->last_task);
    return 0;
  }
  const Submitted submitted = submit(std::move(task), now);
  side().mark_fired(name, due, submitted.is_new ? submitted.id : fired->last_task);
  return submitted.is_new ? submitted.id : 0;
}

void SqliteEngine::count_finished(std::uint32_t op, TaskState state, std::int64_t by,
                                  Milliseconds took) {
  const std::uint64_t key = (std::uint64_t{op} << 8U) | static_cast<std::uint64_t>(state);
  FinishedCount& count = finished_[key];
  count.count += by;
  count.took += by * took.count();
  if (!std::exchange(count.is_dirty, true)) dirty_.push_back(key);
}

void SqliteEngine::write_counts() {
  for (const std::uint64_t key : dirty_) {
    FinishedCount& count = finished_[key];
    count.is_dirty = false;
    const std::string& op = ops_[key >> 8U];
    if (count.count == 0) {
      session_->statements.delete_count.run(op, key & 0xffU);
    } else {
      session_->statements.set_count.run(op, key & 0xffU, count.count, count.took);
    }
  }
  dirty_.clear();
}

TaskCounts SqliteEngine::counts(Time now) {
  TaskCounts counts;
  const auto put = [&](TaskState state, std::int64_t count) {
    if (count > 0) counts.by_state[state] += count;
  };
  const auto ready = static_cast<std::int64_t>(index_.ready(now));
  put(TaskState::ready, ready);
  put(TaskState::scheduled, static_cast<std::int64_t>(index_.waiting()) - ready);
  put(TaskState::running, static_cast<std::int64_t>(running_.size()));
  counts.waiting_by_queue = index_.waiting_by_queue();
  for (const auto& [key, count] : finished_) {
    if (count.count == 0) continue;
    const auto state = static_cast<TaskState>(key & 0xffU);
    put(state, count.count);
    counts.ended.push_back(
        {ops_[key >> 8U], state, count.count, static_cast<double>(count.took) / 1000.0});
  }
  std::sort(counts.ended.begin(), counts.ended.end(), [](const auto& a, const auto& b) {
    return std::pair{std::string_view{a.op}, a.state} < std::pair{std::string_view{b.op}, b.state};
  });
  return counts;
}

}  // namespace cofounder
