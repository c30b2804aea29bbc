// SPDX-License-Identifier: Apache-2.0
#include "core/scheduler/scheduler.hpp"

#include <algorithm>
#include <random>
#include <unordered_map>
#include <utility>

#include "core/base/log.hpp"
#include "core/scheduler/attempt_end.hpp"
#include "core/scheduler/progress.hpp"
#include "core/scheduler/retention.hpp"
#include "core/scheduler/task_waiters.hpp"

namespace cofounder {
namespace {

using namespace std::chrono_literals;

constexpr Milliseconds save_again_after{1'000};
constexpr Milliseconds look_again_after{24 * 3'600'000};  // for due tasks, at the latest

}  // namespace

struct Scheduler::State {
  State(TaskStore& store_, Runner& runner_, Clock& clock_, Options options_)
      : store{store_}, runner{runner_}, clock{clock_}, options{std::move(options_)} {}

  struct Attempt {
    ClaimedTask task;  // without its args: the runner has them
    Running shown;
    TimerId deadline_timer = 0;
  };
  TaskStore& store;
  Runner& runner;
  Clock& clock;
  Options options;
  std::vector<Observer> observers;

  std::unordered_map<TaskId, Attempt> running;
  TaskWaiters waiters{store, clock};
  Retention retention{store, clock, options.retention};

  std::vector<Verdict> ended;  // to be written in this turn of the loop
  TimerId flush_timer = 0;
  Progress owed;

  TimerId due_timer = 0;
  bool opened = false;
  bool draining = false;
  bool stopping = false;
  std::optional<Error> store_problem;
  std::vector<UniqueFunction<void()>> on_idle;
  std::minstd_rand random{std::random_device{}()};

  void tell(const Event& event) {
    for (auto& observer : observers) observer(event);
  }
  void tell_of(const Attempt& attempt, Event::Kind kind, double fraction, std::string text) {
    tell({.kind = kind,
          .task = attempt.task.key.task,
          .op = attempt.task.op,
          .attempt = attempt.task.counted_attempt(),
          .state = TaskState::running,
          .fraction = fraction,
          .text = std::move(text),
          .waited = std::max(Milliseconds{0}, attempt.task.started_at - attempt.task.run_at)});
  }

  // ---- claiming ---------------------------------------------------------------------------

  void send_limits() {
    if (!opened) return;
    ClaimLimits limits;
    if (!draining && !stopping) {
      limits.running_max = options.running_max;
      limits.queue_max = options.queue_max;
      limits.queue_shared_max = options.queue_shared_max;
      limits.plugin_max = runner.capacity();
    }
    store.set_limits(std::move(limits));
  }

  void arm_due(Time when) {
    clock.cancel(std::exchange(due_timer, 0));
    if (when == Time::max()) return;
    // Looks again before it is due, if need be: centuries do not fit into nanoseconds.
    const auto wait = std::clamp(when - clock.now(), Milliseconds{0}, look_again_after);
    due_timer = clock.call_after(wait, [this] {
      due_timer = 0;
      claim_due();
    });
  }

  void claim_due() {
    if (!owed.looking) owed.looking = clock.mono();
    store.claim_due(clock.now());
  }

  // ---- running ----------------------------------------------------------------------------

  void begin(ClaimedTask task) {
    const AttemptKey key = task.key;
    const Mono now = clock.mono();
    const Mono deadline = now + task.timeout;
    Attempt& attempt = running[key.task];
    attempt.shown = {key, task.op, task.queue, now, deadline, -1, {}, std::nullopt};
    attempt.deadline_timer = clock.call_at(deadline, [this, key] { overdue(key); });
    attempt.task.key = key;
    attempt.task.op = task.op;
    attempt.task.queue = task.queue;
    attempt.task.uncounted = task.uncounted;
    attempt.task.timeout = task.timeout;
    attempt.task.attempts_max = task.attempts_max;
    attempt.task.retry_on_timeout = task.retry_on_timeout;

    tell_of(attempt, Event::Kind::started, -1, {});
    runner.start(std::move(task), deadline,
                 [this, key](Outcome outcome) { end(key, std::move(outcome)); });
    if (stopping) cancel_attempt(key, CancelReason::stopping);
  }
  void overdue(AttemptKey key) {
    if (Attempt* attempt = find(key)) {
      attempt->deadline_timer = 0;
      cancel_attempt(key, CancelReason::deadline);
    }
  }

  void cancel_attempt(AttemptKey key, CancelReason reason) {
    Attempt* attempt = find(key);
    if (attempt == nullptr) return;
    // The deadline overrules a wish that has not been followed; a wish overrules nothing.
    if (attempt->shown.cancelled && reason != CancelReason::deadline) return;
    attempt->shown.cancelled = reason;
    runner.cancel(key, reason);
  }

  Attempt* find(AttemptKey key) {
    const auto it = running.find(key.task);
    return it != running.end() && it->second.shown.key == key ? &it->second : nullptr;
  }

  // ---- ending -----------------------------------------------------------------------------

  void end(AttemptKey key, Outcome outcome) {
    const auto it = running.find(key.task);
    if (it == running.end() || it->second.shown.key != key) return;
    Attempt& attempt = it->second;
    clock.cancel(attempt.deadline_timer);
    const Mono now = clock.mono();
    const double chance = std::uniform_real_distribution<>{0, 1}(random);
    ended.push_back(decide(
        options.retry, attempt.task,
        with_reason(std::move(outcome), attempt.shown.cancelled, attempt.task.timeout),
        clock.now(), std::chrono::floor<Milliseconds>(now - attempt.shown.started), chance));
    // Everything that ends in this turn of the loop is written together.
    if (flush_timer == 0) {
      flush_timer = clock.call_after(Nanoseconds{0}, [this] {
        flush_timer = 0;
        flush();
      });
    }
  }

  void flush() {
    if (ended.empty()) return;
    auto batch = std::make_shared<std::vector<Verdict>>(std::exchange(ended, {}));
    owed.writing.push_back(clock.mono());
    store.finish(*batch, [this, batch](Result<std::vector<bool>> saved) {
      owed.writing.pop_front();
      if (!saved) {
        save_later(std::move(*batch));
      } else {
        for (std::size_t i = 0; i < batch->size(); ++i) ended_for_good((*batch)[i], (*saved)[i]);
      }
      check_idle();
    });
  }

  // The store is away.  What ended stays here, still counted as running, until it is back.
  void save_later(std::vector<Verdict> verdicts) {
    for (auto& verdict : verdicts) ended.push_back(std::move(verdict));
    if (flush_timer == 0) {
      flush_timer = clock.call_after(save_again_after, [this] {
        flush_timer = 0;
        flush();
      });
    }
  }

  void ended_for_good(const Verdict& verdict, bool was_ours) {
    const auto it = running.find(verdict.key.task);
    if (it == running.end() || it->second.shown.key != verdict.key) return;
    const Attempt attempt = std::move(it->second);
    running.erase(it);
    if (!was_ours) {
      log::warning("an attempt ended after its lease was lost, ignoring",
                   {{"COF_TASK", to_string(verdict.key.task)}});
      return;
    }
    tell({.kind = is_over(verdict.state) ? Event::Kind::ended : Event::Kind::retrying,
          .task = verdict.key.task,
          .op = attempt.task.op,
          .attempt = attempt.task.counted_attempt(),
          .state = verdict.state,
          .verdict = &verdict});
    if (is_over(verdict.state)) waiters.task_over(verdict.key.task);
  }

  void check_idle() {
    if (!running.empty() || !owed.writing.empty()) return;
    for (auto& action : std::exchange(on_idle, {})) action();
  }

  bool is_stuck(Mono now) const noexcept {
    return owed.is_stuck(now, /*owes_claims=*/!store_problem && !stopping);
  }
};

Scheduler::Scheduler(TaskStore& store, Runner& runner, Clock& clock, Options options)
    : state_{std::make_unique<State>(store, runner, clock, std::move(options))} {}
Scheduler::~Scheduler() = default;

void Scheduler::start(TaskStore::Done<TaskStore::Opened> done) {
  State& state = *state_;
  TaskStore::Listener listener;
  listener.on_claimed = [&state](std::vector<ClaimedTask> tasks) {
    state.owed.looking.reset();
    for (auto& task : tasks) state.begin(std::move(task));
  };
  listener.on_next_due = [&state](Time when) {
    state.owed.looking.reset();
    state.arm_due(when);
  };
  listener.on_availability = [&state](bool available, const Error& why) {
    state.owed.looking.reset();
    if (available) {
      state.store_problem.reset();
      log::info("the task store is back");
      state.flush();
      state.claim_due();
    } else {
      state.store_problem = why;
      log::error("the task store is away: " + why.message);
    }
  };
  listener.on_lost = [&state](const std::vector<AttemptKey>& keys) {
    for (const AttemptKey key : keys) state.cancel_attempt(key, CancelReason::lease_lost);
  };
  listener.on_cancelled = [&state](const std::vector<AttemptKey>& keys) {
    for (const AttemptKey key : keys) state.cancel_attempt(key, CancelReason::requested);
  };
  state.clock.on_wall_jump([&state] {
    if (state.opened && !state.stopping) state.claim_due();
  });
  state.store.open(std::move(listener), [&state, done = std::move(done)](auto opened) mutable {
    if (opened) {
      state.opened = true;
      state.send_limits();
      state.claim_due();
      state.retention.begin();
    }
    done(std::move(opened));
  });
}

void Scheduler::submit(std::vector<NewTask> tasks, TaskStore::Done<std::vector<Submitted>> done) {
  State& state = *state_;
  std::vector<std::string> ops;
  ops.reserve(tasks.size());
  for (const NewTask& task : tasks) ops.push_back(task.op);
  state.store.submit(std::move(tasks), state.clock.now(),
                     [&state, ops = std::move(ops), done = std::move(done)](auto answer) mutable {
                       for (std::size_t i = 0; answer && i < answer->size(); ++i) {
                         if (!(*answer)[i].is_new) continue;
                         state.tell({.kind = Event::Kind::submitted,
                                     .task = (*answer)[i].id,
                                     .op = std::move(ops[i]),
                                     .state = (*answer)[i].state});
                       }
                       done(std::move(answer));
                     });
}

void Scheduler::cancel(TaskId task, TaskStore::Done<CancelResult> done) {
  State& state = *state_;
  state.store.cancel(
      task, state.clock.now(), [&state, task, done = std::move(done)](auto answer) mutable {
        if (answer && *answer == CancelResult::running) {
          const auto it = state.running.find(task);
          if (it != state.running.end()) {
            state.cancel_attempt(it->second.shown.key, CancelReason::requested);
          }
        }
        if (!answer || *answer != CancelResult::cancelled) return done(std::move(answer));
        // It was in the store only, and who listens asks for the operation's name.
        state.store.get(task, [&state, task, answer = std::move(answer),
                               done = std::move(done)](auto record) mutable {
          state.tell({.kind = Event::Kind::ended,
                      .task = task,
                      .op = record && *record ? (*record)->op : std::string{},
                      .state = TaskState::cancelled});
          state.waiters.task_over(task);
          done(std::move(answer));
        });
      });
}

void Scheduler::retry(TaskId task, TaskStore::Done<RetryResult> done) {
  state_->store.retry(task, state_->clock.now(), std::move(done));
}

TaskWait Scheduler::wait(TaskId task, Mono until, TaskWaiters::Done done) {
  return state_->waiters.wait(task, until, std::move(done));
}

void Scheduler::forget(const TaskWait& wait) noexcept { state_->waiters.forget(wait); }
std::size_t Scheduler::waiting_count() const noexcept { return state_->waiters.size(); }

void Scheduler::progress(AttemptKey attempt, double fraction, std::string text) {
  State::Attempt* found = state_->find(attempt);
  if (found == nullptr) return;
  found->shown.fraction = fraction;
  found->shown.progress = text;
  state_->tell_of(*found, Event::Kind::progress, fraction, std::move(text));
}

void Scheduler::output(AttemptKey attempt, std::string text) {
  State::Attempt* found = state_->find(attempt);
  if (found == nullptr) return;
  state_->tell_of(*found, Event::Kind::output, -1, std::move(text));
}

void Scheduler::capacity_changed() { state_->send_limits(); }

void Scheduler::drain(UniqueFunction<void()> done) {
  state_->draining = true;
  state_->send_limits();
  state_->on_idle.push_back(std::move(done));
  state_->check_idle();
}

void Scheduler::resume() {
  state_->draining = false;
  state_->send_limits();
}

void Scheduler::stop(UniqueFunction<void()> done) {
  State& state = *state_;
  state.stopping = true;
  state.send_limits();
  state.retention.end();
  state.clock.cancel(std::exchange(state.due_timer, 0));
  for (const Running& one : running()) state.cancel_attempt(one.key, CancelReason::stopping);
  state.on_idle.push_back([&state, done = std::move(done)]() mutable {
    state.store.close(std::move(done));
  });
  state.check_idle();
}

void Scheduler::set_options(Options options) {
  state_->options = std::move(options);
  state_->send_limits();
}

void Scheduler::observe(Observer observer) { state_->observers.push_back(std::move(observer)); }

std::optional<Scheduler::Running> Scheduler::find_running(TaskId task) const {
  const auto it = state_->running.find(task);
  return it == state_->running.end() ? std::nullopt : std::optional{it->second.shown};
}

std::vector<Scheduler::Running> Scheduler::running() const {
  std::vector<Running> all;
  all.reserve(state_->running.size());
  for (const auto& [task, attempt] : state_->running) all.push_back(attempt.shown);
  std::ranges::sort(all, {}, &Running::key);
  return all;
}

std::size_t Scheduler::running_count() const noexcept { return state_->running.size(); }
bool Scheduler::is_draining() const noexcept { return state_->draining; }
const std::optional<Error>& Scheduler::store_problem() const noexcept {
  return state_->store_problem;
}

void Scheduler::heartbeat(UniqueFunction<void()> done) {
  State& state = *state_;
  state.owed.beating.push_back(state.clock.mono());
  // To end nothing is the cheapest question: it goes the way of every write and changes nothing.
  state.store.finish({}, [&state, done = std::move(done)](const auto&) mutable {
    state.owed.beating.pop_front();
    if (!state.is_stuck(state.clock.mono())) done();
  });
}

bool Scheduler::is_stuck(Mono now) const noexcept { return state_->is_stuck(now); }

}  // namespace cofounder
