// SPDX-License-Identifier: Apache-2.0
#include "core/store/sqlite_writer.hpp"

#include "core/base/log.hpp"
#include "core/store/store_errors.hpp"

#include <pthread.h>

#include <algorithm>
#include <string>
#include <utility>

namespace cofounder {
namespace {

constexpr std::size_t bytes_max = 16U << 20U;  // of one commit
constexpr std::chrono::milliseconds first_try{50};
constexpr std::chrono::milliseconds longest_try{2'000};

Error unavailable(const std::string& why) {
  Error error = make_error("store_unavailable", "The store cannot be written: " + why + ".", true);
  error.hint = "Look at the disk's space and health; the store goes on by itself.";
  return error;
}

}  // namespace

SqliteWriter::SqliteWriter(Loop& loop, SqliteOptions options)
    : loop_{loop}, options_{std::move(options)}, engine_{options_}, refusal_{store_closed()} {
  thread_ = std::thread{[this] { run(); }};
}

SqliteWriter::~SqliteWriter() {
  front_.reset();
  {
    const std::lock_guard lock{mutex_};
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void SqliteWriter::enqueue(Entry entry) {
  {
    const std::lock_guard lock{mutex_};
    waiting_.push_back(std::move(entry));
  }
  changed_.notify_one();
}

void SqliteWriter::open(TaskStore::Listener listener, Time now,
                        TaskStore::Done<TaskStore::Opened> done) {
  front_->listener = std::move(listener);
  {
    const std::lock_guard lock{mutex_};
    closing_ = false;
  }
  enqueue(Opening{now, std::move(done)});
}

void SqliteWriter::write(SqliteWrite operation) { enqueue(std::move(operation)); }

void SqliteWriter::read(SqliteRead operation) {
  {
    const std::lock_guard lock{mutex_};
    // With nothing to be written before it, it need not pass through the writer.
    if (readable_ && !busy_ && waiting_.empty()) {
      reader_->read(std::move(operation));
      return;
    }
    waiting_.emplace_back(std::move(operation));
  }
  changed_.notify_one();
}

void SqliteWriter::set_limits(ClaimLimits limits, Time now) {
  {
    // Not an operation: it must not get lost while the store is away.
    const std::lock_guard lock{mutex_};
    new_limits_ = std::move(limits);
  }
  look(now, false);
}

void SqliteWriter::claim_due(Time now) { look(now, true); }

// Has the thread make a round, if only to claim.
void SqliteWriter::look(Time now, bool tell_always) {
  enqueue(
      make_sqlite_operation<SqliteEngine, bool>(now, nullptr, [this, tell_always](SqliteEngine&) {
        if (tell_always) tell_due_always_ = true;
        return true;
      }));
}

void SqliteWriter::take_limits() {
  std::optional<ClaimLimits> limits;
  {
    const std::lock_guard lock{mutex_};
    limits.swap(new_limits_);
  }
  if (limits) engine_.set_limits(*limits);
}

void SqliteWriter::close(UniqueFunction<void()> done) {
  {
    const std::lock_guard lock{mutex_};
    closing_ = true;
    readable_ = false;
    waiting_.emplace_back(Closing{std::move(done)});
  }
  changed_.notify_one();
}

bool SqliteWriter::is_due_for_work() const {
  return stopping_ || !waiting_.empty() || (available_ && may_claim_more_);
}

std::vector<SqliteWriter::Entry> SqliteWriter::take() {
  std::unique_lock lock{mutex_};
  busy_ = false;
  if (engine_.is_open() && !available_) {
    changed_.wait_until(lock, try_at_, [this] { return is_due_for_work(); });
  } else {
    changed_.wait(lock, [this] { return is_due_for_work(); });
  }
  busy_ = true;
  std::vector<Entry> entries;
  std::size_t rows = 0;
  std::size_t bytes = 0;
  while (!waiting_.empty() && !stopping_) {
    const auto* write = std::get_if<SqliteWrite>(&waiting_.front());
    if (write != nullptr) {
      rows += (*write)->rows;
      bytes += (*write)->bytes;
      const bool is_full = rows > static_cast<std::size_t>(options_.rows_max) || bytes > bytes_max;
      if (is_full && !entries.empty()) break;
    }
    entries.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
    // Opening and closing are rounds of their own.
    if (entries.back().index() >= 2) break;
    if (!waiting_.empty() && waiting_.front().index() >= 2) break;
  }
  return entries;
}

void SqliteWriter::run() {
  pthread_setname_np(pthread_self(), "store-writer");  // for top and debuggers
  for (;;) {
    std::vector<Entry> entries = take();
    {
      const std::lock_guard lock{mutex_};
      if (stopping_) break;
    }
    round(std::move(entries));
  }
  reader_.reset();
  engine_.close();
}

void SqliteWriter::round(std::vector<Entry> entries) {
  take_limits();
  if (entries.size() == 1) {
    if (auto* opening = std::get_if<Opening>(&entries.front())) {
      return open_now(std::move(*opening));
    }
    if (auto* closing = std::get_if<Closing>(&entries.front())) {
      return close_now(std::move(*closing));
    }
  }
  std::vector<SqliteWrite> writes;
  std::vector<SqliteRead> reads;
  writes.reserve(entries.size());
  for (Entry& entry : entries) {
    if (auto* write = std::get_if<SqliteWrite>(&entry)) {
      now_ = (*write)->now;
      writes.push_back(std::move(*write));
    } else if (auto* read = std::get_if<SqliteRead>(&entry)) {
      reads.push_back(std::move(*read));
    }
  }
  if (!available_ && engine_.is_open() && std::chrono::steady_clock::now() >= try_at_) try_again();
  if (available_) {
    commit(std::move(writes), std::move(reads));
  } else if (!writes.empty() || !reads.empty()) {
    refuse(std::move(writes), std::move(reads), refusal_, std::nullopt);
  }
}

void SqliteWriter::commit(std::vector<SqliteWrite> writes, std::vector<SqliteRead> reads) {
  bool claims_wanted = false;
  {
    const std::lock_guard lock{mutex_};
    claims_wanted = !closing_;
  }
  may_claim_more_ = false;
  Message message;
  try {
    for (const SqliteWrite& write : writes) write->apply(engine_);
    if (claims_wanted) {
      message.claims = engine_.claim(now_, static_cast<std::size_t>(options_.rows_max));
    }
    if (engine_.is_in_transaction()) engine_.commit();
  } catch (const SqliteError& error) {
    engine_.rollback();
    log::error(std::string{"store: nothing can be written: "} + error.what());
    try_after_ = first_try;
    try_at_ = std::chrono::steady_clock::now() + try_after_;
    available_ = false;
    refusal_ = unavailable(error.what());
    return refuse(std::move(writes), std::move(reads), refusal_, false);
  }
  message.done = std::move(writes);
  // The answers first: they are on their way while this thread looks for what is due next.
  post(std::move(message));
  if (claims_wanted) {
    Message due;
    tell_due(due, std::exchange(tell_due_always_, false));
    post(std::move(due));
  }
  for (SqliteRead& read : reads) reader_->read(std::move(read));
  engine_.checkpoint_if_due();
}

void SqliteWriter::tell_due(Message& message, bool always) {
  const Time due = engine_.next_due(now_);
  may_claim_more_ = due == Time::min();
  if (may_claim_more_ || (due == told_due_ && !always)) return;
  told_due_ = due;
  message.next_due = due;
}

void SqliteWriter::refuse(std::vector<SqliteWrite> writes, std::vector<SqliteRead> reads, Error why,
                          std::optional<bool> available) {
  Message message;
  message.done = std::move(writes);
  message.unread = std::move(reads);
  message.error = std::move(why);
  message.available = available;
  post(std::move(message));
}

void SqliteWriter::try_again() {
  Message message;
  try {
    engine_.reopen(now_);
  } catch (const SqliteError& error) {
    refusal_ = unavailable(error.what());
    try_after_ = std::min(2 * try_after_, longest_try);
    try_at_ = std::chrono::steady_clock::now() + try_after_;
    return;
  }
  log::info("store: it can be written again");
  available_ = true;
  message.available = true;
  tell_due(message, true);
  may_claim_more_ = true;
  post(std::move(message));
}

void SqliteWriter::open_now(Opening opening) {
  now_ = opening.now;
  Result<TaskStore::Opened> opened = make_error("store_unusable", "The store is open already.");
  if (!engine_.is_open()) {
    opened = engine_.open(now_);
    if (opened) {
      reader_ = std::make_unique<SqliteReader>(loop_, options_, weak_front_);
      available_ = true;
      told_due_ = Time::max();
      const std::lock_guard lock{mutex_};
      // A close() may be waiting behind this already.
      readable_ = !closing_;
    }
  }
  Message message;
  if (opened) tell_due(message, false);
  auto done = make_sqlite_operation<SqliteEngine, TaskStore::Opened>(
      now_, std::move(opening.done),
      [opened = std::move(opened)](SqliteEngine&) mutable { return std::move(opened); });
  done->apply(engine_);
  message.done.push_back(std::move(done));
  post(std::move(message));
}

void SqliteWriter::close_now(Closing closing) {
  reader_.reset();  // answers first
  engine_.close();
  available_ = false;
  refusal_ = store_closed();
  loop_.post([front = weak_front_, done = std::move(closing.done)]() mutable {
    if (!front.expired() && done) done();
  });
}

void SqliteWriter::post(Message message) {
  if (message.done.empty() && message.unread.empty() && message.claims.empty() &&
      !message.available && !message.next_due) {
    return;
  }
  loop_.post([weak = weak_front_, message = std::move(message)]() mutable {
    // Any of these handlers may destroy the store.
    const auto front = [&weak] { return weak.lock(); };
    if (const auto f = front(); f && message.available == false) {
      f->listener.on_availability(false, *message.error);
    }
    for (const SqliteWrite& write : message.done) {
      if (!front()) return;
      if (message.error) {
        write->fail(*message.error);
      } else {
        write->deliver();
      }
    }
    for (const SqliteRead& read : message.unread) {
      if (!front()) return;
      read->fail(*message.error);
    }
    if (const auto f = front(); f && message.available == true) {
      f->listener.on_availability(true, Error{});
    }
    if (const auto f = front(); f && !message.claims.empty()) {
      f->listener.on_claimed(std::move(message.claims));
    }
    if (const auto f = front(); f && message.next_due) f->listener.on_next_due(*message.next_due);
  });
}

}  // namespace cofounder
