// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/scheduler/task_store.hpp"
#include "core/store/postgres_connection.hpp"
#include "core/store/postgres_dialect.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace cofounder {

// What a write needs to know of where it happens.
struct PostgresPlace {
  const PostgresDialect& dialect;
  const std::string& node;
  IdSource& ids;
  std::optional<Time> now;   // a test's; nothing: the database's
  Milliseconds ahead{0};     // of the database's clock against ours, when it is worth mentioning

  Time to_database(Time ours) const { return ours == Time::max() ? ours : ours + ahead; }
};

// What somebody asked for, until its round is committed.  May be sent several times, when a
// transaction collided or a connection broke; only the last answer counts.
class PostgresWrite {
 public:
  // Those of one kind go to the server as one statement, in this order.
  enum class Kind { checkpoint, finish, submit, other };

  explicit PostgresWrite(Kind the_kind) noexcept : kind{the_kind} {}
  virtual ~PostgresWrite() = default;
  virtual void deliver() = 0;                 // after the commit
  virtual void fail(const Error& error) = 0;  // instead of it

  const Kind kind;
  std::size_t rows = 1;
  std::size_t bytes = 0;
};

template <class T>
class PostgresWriteWith : public PostgresWrite {
 public:
  PostgresWriteWith(Kind the_kind, TaskStore::Done<T> done)
      : PostgresWrite{the_kind}, done_{std::move(done)} {}
  void deliver() override {
    if (done_) done_(std::move(*result));
  }
  void fail(const Error& error) override {
    if (done_) done_(error);
  }

  std::optional<Result<T>> result;

 private:
  TaskStore::Done<T> done_;
};

struct PostgresCheckpoint final : PostgresWriteWith<bool> {
  PostgresCheckpoint(AttemptKey key_, std::string state_, TaskStore::Done<bool> done)
      : PostgresWriteWith{Kind::checkpoint, std::move(done)}, key{key_}, state{std::move(state_)} {
    bytes = state.size();
  }
  AttemptKey key;
  std::string state;
};

struct PostgresFinish final : PostgresWriteWith<std::vector<bool>> {
  PostgresFinish(std::vector<Verdict> verdicts_, TaskStore::Done<std::vector<bool>> done);
  std::vector<Verdict> verdicts;
  std::string ran_on;  // empty: on this node
};

struct PostgresSubmit final : PostgresWriteWith<std::vector<Submitted>> {
  PostgresSubmit(std::vector<NewTask> tasks_, Time now_,
                 TaskStore::Done<std::vector<Submitted>> done);
  std::vector<NewTask> tasks;
  std::vector<TaskId> ids;  // given when it is sent first
  Time now;                 // by our clock
};

// Anything else: statements of its own.
class PostgresOther : public PostgresWrite {
 public:
  PostgresOther() noexcept : PostgresWrite{Kind::other} {}
  virtual void ask(PostgresTrip& trip, const PostgresPlace& place) = 0;
  virtual void take(std::span<const PostgresRows> answers) = 0;  // one for each statement asked
};

template <class T, class Ask, class Take>
class PostgresOtherOf final : public PostgresOther {
 public:
  PostgresOtherOf(TaskStore::Done<T> done, Ask ask, Take take)
      : done_{std::move(done)}, ask_{std::move(ask)}, take_{std::move(take)} {}
  void ask(PostgresTrip& trip, const PostgresPlace& place) override { ask_(trip, place); }
  void take(std::span<const PostgresRows> answers) override { result_.emplace(take_(answers)); }
  void deliver() override {
    if (done_) done_(std::move(*result_));
  }
  void fail(const Error& error) override {
    if (done_) done_(error);
  }

 private:
  TaskStore::Done<T> done_;
  Ask ask_;
  Take take_;
  std::optional<Result<T>> result_;
};

template <class T, class Ask, class Take>
std::unique_ptr<PostgresWrite> make_postgres_write(TaskStore::Done<T> done, Ask ask, Take take) {
  return std::make_unique<PostgresOtherOf<T, Ask, Take>>(std::move(done), std::move(ask),
                                                         std::move(take));
}

// The writes of one transaction, as statements.
class PostgresBatch {
 public:
  std::vector<std::unique_ptr<PostgresWrite>> writes;  // in the order in which they were asked for

  // The attempts that end in it.
  std::vector<AttemptKey> ending() const;
  // Adds all statements.
  void ask(PostgresTrip& trip, const PostgresPlace& place);
  // Reads their answers from `rows`, which begin with the first of them.  False: the transaction saw
  // something that has changed since; repeat it.
  bool take(std::span<const PostgresRows> rows);
  std::size_t statements() const noexcept { return statements_; }
  std::int64_t submitted() const noexcept { return submitted_; }  // new tasks
  std::int64_t given_back() const noexcept { return given_back_; }

 private:
  template <class Write>
  std::vector<Write*> all(PostgresWrite::Kind kind) const;
  void ask_checkpoints(PostgresTrip& trip, const PostgresPlace& place);
  void ask_finishes(PostgresTrip& trip, const PostgresPlace& place);
  void ask_submits(PostgresTrip& trip, const PostgresPlace& place);
  void take_checkpoints(const PostgresRows& rows);
  void take_finishes(const PostgresRows* rows);
  bool take_submits(const PostgresRows& made, const PostgresRows* taken);

  bool has_verdicts_ = false;
  bool has_keys_ = false;
  Milliseconds ahead_{0};
  std::size_t statements_ = 0;
  std::int64_t submitted_ = 0;
  std::int64_t given_back_ = 0;
  std::vector<std::size_t> others_;  // how many statements each of the others asked
};

// The parameters of a task in `fire`, as `submit` has them.
void add_task(PostgresParams& params, const NewTask& task, TaskId id, Time run_at);

// When a task is due by the database's clock; a time that has come means its "now".
Time due_time(const NewTask& task, Time now, const PostgresPlace& place);

}  // namespace cofounder
