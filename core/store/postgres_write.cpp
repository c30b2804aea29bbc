// SPDX-License-Identifier: Apache-2.0
#include "core/store/postgres_write.hpp"

#include "core/base/json.hpp"
#include "core/store/store_errors.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <unordered_map>

namespace cofounder {
namespace {

std::int64_t to_row(TaskId id) { return static_cast<std::int64_t>(id); }

}  // namespace

PostgresFinish::PostgresFinish(std::vector<Verdict> verdicts_,
                               TaskStore::Done<std::vector<bool>> done)
    : PostgresWriteWith{Kind::finish, std::move(done)}, verdicts{std::move(verdicts_)} {
  rows = verdicts.size();
  for (const Verdict& verdict : verdicts) {
    bytes += verdict.outcome.result.size() + verdict.outcome.checkpoint.size();
  }
}

PostgresSubmit::PostgresSubmit(std::vector<NewTask> tasks_, Time now_,
                               TaskStore::Done<std::vector<Submitted>> done)
    : PostgresWriteWith{Kind::submit, std::move(done)}, tasks{std::move(tasks_)}, now{now_} {
  rows = tasks.size();
  for (const NewTask& task : tasks) bytes += task.args.size();
}

Time due_time(const NewTask& task, Time now, const PostgresPlace& place) {
  return task.run_at <= now ? Time{} : place.to_database(task.run_at);
}

void add_task(PostgresParams& params, const NewTask& task, TaskId id, Time run_at) {
  params.add(to_row(id)).add(task.priority).add(run_at).add(task.attempts_max).add(task.timeout);
  params.add(task.retry_on_timeout ? 1 : 0).add(task.op).add(task.queue);
  params.add_text_or_null(task.unique_key).add_text_or_null(task.schedule).add(task.submitter);
}

template <class Write>
std::vector<Write*> PostgresBatch::all(PostgresWrite::Kind kind) const {
  std::vector<Write*> found;
  for (const auto& write : writes) {
    if (write->kind == kind) found.push_back(static_cast<Write*>(write.get()));
  }
  return found;
}

std::vector<AttemptKey> PostgresBatch::ending() const {
  std::vector<AttemptKey> keys;
  for (const PostgresFinish* finish : all<PostgresFinish>(PostgresWrite::Kind::finish)) {
    for (const Verdict& verdict : finish->verdicts) keys.push_back(verdict.key);
  }
  return keys;
}

void PostgresBatch::ask(PostgresTrip& trip, const PostgresPlace& place) {
  const std::size_t before = trip.size();
  submitted_ = 0;
  ask_checkpoints(trip, place);
  ask_finishes(trip, place);
  ask_submits(trip, place);
  others_.clear();
  for (PostgresOther* other : all<PostgresOther>(PostgresWrite::Kind::other)) {
    const std::size_t first = trip.size();
    other->ask(trip, place);
    others_.push_back(trip.size() - first);
  }
  statements_ = trip.size() - before;
}

bool PostgresBatch::take(std::span<const PostgresRows> rows) {
  std::size_t at = 0;
  using Kind = PostgresWrite::Kind;
  if (!all<PostgresCheckpoint>(Kind::checkpoint).empty()) take_checkpoints(rows[at++]);
  take_finishes(has_verdicts_ ? &rows[at++] : nullptr);
  if (!all<PostgresSubmit>(Kind::submit).empty()) {
    const PostgresRows& made = rows[at++];
    if (!take_submits(made, has_keys_ ? &rows[at++] : nullptr)) return false;
  }
  std::size_t i = 0;
  for (PostgresOther* other : all<PostgresOther>(Kind::other)) {
    other->take(rows.subspan(at, others_[i]));
    at += others_[i++];
  }
  return true;
}

// Of several for one attempt the last counts.
void PostgresBatch::ask_checkpoints(PostgresTrip& trip, const PostgresPlace& place) {
  const auto checkpoints = all<PostgresCheckpoint>(PostgresWrite::Kind::checkpoint);
  if (checkpoints.empty()) return;
  std::map<AttemptKey, const std::string*> newest;
  for (const PostgresCheckpoint* one : checkpoints) newest[one->key] = &one->state;
  std::vector<std::int64_t> ids;
  std::vector<std::int64_t> attempts;
  std::vector<std::string> states;
  for (const auto& [key, state] : newest) {
    ids.push_back(to_row(key.task));
    attempts.push_back(key.attempt);
    states.push_back(*state);
  }
  PostgresParams params;
  params.add(ids).add(attempts).add_bytes(states).add(place.node);
  trip.add(place.dialect.checkpoint, std::move(params));
}

void PostgresBatch::take_checkpoints(const PostgresRows& rows) {
  std::set<AttemptKey> done;
  for (int i = 0; i < rows.size(); ++i) done.insert({rows.id(i, 0), rows.small(i, 1)});
  for (PostgresCheckpoint* one : all<PostgresCheckpoint>(PostgresWrite::Kind::checkpoint)) {
    one->result.emplace(done.contains(one->key));
  }
}

// Of several verdicts on one attempt the first counts: the fence refuses the others.
void PostgresBatch::ask_finishes(PostgresTrip& trip, const PostgresPlace& place) {
  const auto finishes = all<PostgresFinish>(PostgresWrite::Kind::finish);
  has_verdicts_ = !ending().empty();
  if (!has_verdicts_) return;
  std::vector<std::int64_t> ids, attempts, kinds, states, ended, took, run_at, uncounted;
  std::vector<std::string> errors, results, checkpoints, nodes;
  std::set<AttemptKey> once;
  for (const PostgresFinish* finish : finishes) {
    for (const Verdict& verdict : finish->verdicts) {
      if (!once.insert(verdict.key).second) continue;
      const Outcome& outcome = verdict.outcome;
      ids.push_back(to_row(verdict.key.task));
      attempts.push_back(verdict.key.attempt);
      kinds.push_back(static_cast<std::int64_t>(outcome.kind));
      states.push_back(static_cast<std::int64_t>(verdict.state));
      errors.push_back(outcome.error.code.empty() ? "" : json::to_json(outcome.error));
      ended.push_back(place.to_database(verdict.ended_at).time_since_epoch().count());
      took.push_back(verdict.took.count());
      results.push_back(outcome.result);
      const Time run = std::max(place.to_database(verdict.run_at), Time{});
      run_at.push_back(run.time_since_epoch().count());
      uncounted.push_back(verdict.counts ? 0 : 1);
      checkpoints.push_back(outcome.checkpoint);
      nodes.push_back(finish->ran_on.empty() ? place.node : finish->ran_on);
    }
  }
  PostgresParams params;
  params.add(place.now).add(ids).add(attempts).add(kinds).add(states).add_texts_or_null(errors);
  params.add(ended).add(took).add_texts_or_null(results).add(run_at).add(uncounted);
  params.add_bytes(checkpoints).add(place.node);
  params.add(static_cast<int>(Outcome::Kind::deferred)).add(nodes);
  trip.add(place.dialect.finish, std::move(params));
}

void PostgresBatch::take_finishes(const PostgresRows* rows) {
  std::set<AttemptKey> done;
  for (int i = 0; rows != nullptr && i < rows->size(); ++i) {
    done.insert({rows->id(i, 0), rows->small(i, 1)});
  }
  given_back_ = 0;
  for (PostgresFinish* finish : all<PostgresFinish>(PostgresWrite::Kind::finish)) {
    std::vector<bool> applied;
    applied.reserve(finish->verdicts.size());
    for (const Verdict& verdict : finish->verdicts) {
      applied.push_back(done.erase(verdict.key) == 1);
      if (applied.back() && verdict.outcome.kind == Outcome::Kind::stopped) ++given_back_;
    }
    finish->result.emplace(std::move(applied));
  }
}

void PostgresBatch::ask_submits(PostgresTrip& trip, const PostgresPlace& place) {
  const auto submits = all<PostgresSubmit>(PostgresWrite::Kind::submit);
  has_keys_ = false;
  ahead_ = place.ahead;
  if (submits.empty()) return;
  std::vector<std::int64_t> ids, priorities, run_at, attempts_max, timeouts, retries;
  std::vector<std::string> ops, queues, keys, schedules, submitters, args;
  for (PostgresSubmit* submit : submits) {
    while (submit->ids.size() < submit->tasks.size()) {
      submit->ids.push_back(place.ids.next(submit->now + place.ahead));
    }
    for (std::size_t i = 0; i < submit->tasks.size(); ++i) {
      const NewTask& task = submit->tasks[i];
      ids.push_back(to_row(submit->ids[i]));
      priorities.push_back(task.priority);
      run_at.push_back(due_time(task, submit->now, place).time_since_epoch().count());
      attempts_max.push_back(task.attempts_max);
      timeouts.push_back(task.timeout.count());
      retries.push_back(task.retry_on_timeout ? 1 : 0);
      ops.push_back(task.op);
      queues.push_back(task.queue);
      keys.push_back(task.unique_key);
      schedules.push_back(task.schedule);
      submitters.push_back(task.submitter);
      args.push_back(task.args);
      has_keys_ = has_keys_ || !task.unique_key.empty();
    }
  }
  PostgresParams params;
  params.add(place.now).add(ids).add(priorities).add(run_at).add(attempts_max).add(timeouts);
  params.add(retries).add(ops).add(queues).add_texts_or_null(keys).add_texts_or_null(schedules);
  params.add(submitters).add(args);
  trip.add(place.dialect.submit, std::move(params));
  if (!has_keys_) return;
  // A statement of its own: it sees what was committed while the insert waited for it.
  std::erase(keys, std::string{});
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  PostgresParams look;
  look.add(place.now).add(keys);
  trip.add(place.dialect.find_unique, std::move(look));
}

bool PostgresBatch::take_submits(const PostgresRows& made, const PostgresRows* taken) {
  std::set<TaskId> is_made;
  Time now{};
  for (int i = 0; i < made.size(); ++i) {
    is_made.insert(made.id(i, 0));
    now = made.time(i, 1);
  }
  submitted_ = made.size();
  std::unordered_map<std::string, Submitted> by_key;
  for (int i = 0; taken != nullptr && i < taken->size(); ++i) {
    now = taken->time(i, 0);
    const auto state = static_cast<TaskState>(taken->integer(i, 3));
    by_key[taken->string(i, 1)] = {
        taken->id(i, 2), false,
        waiting_state(state, taken->time(i, 4), now), taken->time(i, 5)};
  }
  for (PostgresSubmit* submit : all<PostgresSubmit>(PostgresWrite::Kind::submit)) {
    std::vector<Submitted> answer;
    answer.reserve(submit->tasks.size());
    for (std::size_t i = 0; i < submit->tasks.size(); ++i) {
      const NewTask& task = submit->tasks[i];
      if (is_made.contains(submit->ids[i])) {
        const Time run_at = task.run_at <= submit->now ? now : task.run_at + ahead_;
        answer.push_back({submit->ids[i], true,
                          waiting_state(TaskState::scheduled, run_at, now), now});
        continue;
      }
      // The one that was in the way ended in this very moment.
      const auto found = by_key.find(task.unique_key);
      if (found == by_key.end()) return false;
      answer.push_back(found->second);
    }
    submit->result.emplace(std::move(answer));
  }
  return true;
}

}  // namespace cofounder
