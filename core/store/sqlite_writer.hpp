// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/loop.hpp"
#include "core/store/sqlite_engine.hpp"
#include "core/store/sqlite_operation.hpp"
#include "core/store/sqlite_reader.hpp"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <variant>
#include <vector>

namespace cofounder {

using SqliteWrite = std::unique_ptr<SqliteOperation<SqliteEngine>>;

// The thread that writes.  Whatever was asked for while it waited for the disk rides in its next
// commit, together with the claims that this makes possible, and all is told in one message.
class SqliteWriter {
 public:
  SqliteWriter(Loop& loop, SqliteOptions options);
  ~SqliteWriter();  // what was not done is dropped, handlers included

  // All of these: on the loop.
  void open(TaskStore::Listener listener, Time now, TaskStore::Done<TaskStore::Opened> done);
  void write(SqliteWrite operation);
  void read(SqliteRead operation);  // sees what was written before
  void set_limits(ClaimLimits limits, Time now);
  void claim_due(Time now);
  void close(UniqueFunction<void()> done);

 private:
  struct Opening {
    Time now{};
    TaskStore::Done<TaskStore::Opened> done;
  };
  struct Closing {
    UniqueFunction<void()> done;
  };
  using Entry = std::variant<SqliteWrite, SqliteRead, Opening, Closing>;
  // What the loop has of the store: gone with it, so that late messages find nobody.
  struct Front {
    TaskStore::Listener listener;
  };
  // What the loop is told after a commit or its failure.
  struct Message {
    std::vector<SqliteWrite> done;
    std::vector<SqliteRead> unread;
    std::optional<Error> error;  // why those were not done
    std::optional<bool> available;
    std::vector<ClaimedTask> claims;
    std::optional<Time> next_due;
  };

  void run();
  void enqueue(Entry entry);
  // Entries for one round; empty when only the clock or free slots woke it.
  std::vector<Entry> take();
  bool is_due_for_work() const;
  void round(std::vector<Entry> entries);
  void commit(std::vector<SqliteWrite> writes, std::vector<SqliteRead> reads);
  void refuse(std::vector<SqliteWrite> writes, std::vector<SqliteRead> reads, Error why,
              std::optional<bool> available);
  void open_now(Opening opening);
  void close_now(Closing closing);
  void try_again();
  void look(Time now, bool tell_always);
  void take_limits();
  void tell_due(Message& message, bool always);
  void post(Message message);

  Loop& loop_;
  const SqliteOptions options_;
  std::shared_ptr<Front> front_ = std::make_shared<Front>();
  const std::weak_ptr<Front> weak_front_ = front_;  // for the thread

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Entry> waiting_;
  bool busy_ = false;      // the thread has entries that it did not answer yet
  bool readable_ = false;  // open, and no Closing among the entries
  bool closing_ = false;   // claim nothing more
  bool stopping_ = false;
  std::optional<ClaimLimits> new_limits_;

  // The thread's own.
  SqliteEngine engine_;
  std::unique_ptr<SqliteReader> reader_;
  Error refusal_;  // while nothing can be written
  bool available_ = false;
  Time now_{};  // when the newest operation was asked for
  Time told_due_ = Time::max();
  bool tell_due_always_ = false;  // claim_due() was called: its caller waits for a word
  bool may_claim_more_ = false;   // the last round was full
  std::chrono::steady_clock::time_point try_at_{};
  std::chrono::milliseconds try_after_{};

  std::thread thread_;
};

}  // namespace cofounder
