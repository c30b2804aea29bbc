// SPDX-License-Identifier: Apache-2.0
#include "core/store/sqlite_upkeep.hpp"

#include "core/base/descriptor.hpp"
#include "core/store/sqlite_check.hpp"
#include "core/store/sqlite_connection.hpp"
#include "core/store/store_errors.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace cofounder {
namespace {

constexpr int pages_at_once = 512;
constexpr std::size_t piece_bytes = 128U << 10U;
// What a copy leaves of the disk at least: tasks go on being written beside it.
constexpr std::uint64_t spare_bytes = 8U << 20U;
constexpr int steps_between_looks = 10'000;  // of SQLite's machine, at whether we are to stop

Error upkeep_error(const std::filesystem::path& file, const SqliteError& error) {
  if (error.code() == SQLITE_FULL) {
    return make_error("disk_full", "There is no room for a copy beside " + file.string() + ".");
  }
  if (error.is_corrupt()) {
    Error damaged = make_error("store_damaged", file.string() + " cannot be read: " + error.what() + ".");
    damaged.hint = "cofounderctl store check says more.";
    return damaged;
  }
  return make_error("store_unavailable", std::string{"The store cannot be read: "} + error.what() + ".",
                    true);
}

// The other end of a copy: a new file that nobody else uses, so it needs neither log nor sync.
class Target {
 public:
  Target(const std::filesystem::path& file, const char* vfs, SqliteConnection& source) {
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    const int code = sqlite3_open_v2(file.c_str(), &connection_, flags, vfs);
    if (code != SQLITE_OK) fail(code);
    sqlite3_exec(connection_, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF", nullptr, nullptr,
                 nullptr);
    backup_ = sqlite3_backup_init(connection_, "main", source.get(), "main");
    if (backup_ == nullptr) fail(sqlite3_extended_errcode(connection_));
  }
  ~Target() { close(); }
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;

  // Whether there is more to do.
  bool step() {
    const int code = sqlite3_backup_step(backup_, pages_at_once);
    if (code == SQLITE_OK) return true;
    if (code != SQLITE_DONE) fail(code);
    const int ended = sqlite3_backup_finish(std::exchange(backup_, nullptr));
    if (ended != SQLITE_OK) fail(ended);
    return false;
  }

 private:
  [[noreturn]] void fail(int code) {
    close();
    throw SqliteError{code, sqlite3_errstr(code)};
  }
  void close() noexcept {
    sqlite3_backup_finish(std::exchange(backup_, nullptr));
    sqlite3_close_v2(std::exchange(connection_, nullptr));
  }

  sqlite3* connection_ = nullptr;
  sqlite3_backup* backup_ = nullptr;
};

std::uint64_t bytes_of(SqliteConnection& connection) {
  return static_cast<std::uint64_t>(connection.integer("PRAGMA page_count") *
                                    connection.integer("PRAGMA page_size"));
}

std::optional<Error> missing_room(const std::filesystem::path& file, std::uint64_t bytes) {
  struct statvfs disk{};
  if (::statvfs(file.parent_path().c_str(), &disk) != 0) return std::nullopt;  // writing will tell
  const std::uint64_t room = std::uint64_t{disk.f_bavail} * disk.f_frsize;
  if (room >= bytes + spare_bytes) return std::nullopt;
  Error error = make_error(
      "disk_full", "A backup needs " + std::to_string(bytes + spare_bytes) + " free bytes beside " +
                       file.string() + ", and there are " + std::to_string(room) + ".");
  error.hint = "Make room there, or purge finished tasks with a shorter retention.";
  return error;
}

}  // namespace

std::filesystem::path copy_file_of(const std::filesystem::path& file) {
  return file.string() + ".copy";
}

struct SqliteUpkeep::Made {
  Descriptor file;
  std::uint64_t size = 0;
};

class SqliteUpkeep::Copy final : public StoreCopy {
 public:
  Copy(SqliteUpkeep& upkeep, std::shared_ptr<Made> made)
      : upkeep_{upkeep}, alive_{upkeep.alive_}, made_{std::move(made)} {}

  std::uint64_t size() const noexcept override { return made_->size; }

  void read(UniqueFunction<void(Result<std::string>)> done) override {
    if (alive_.expired()) return done(store_closed());
    upkeep_.answer<std::string>(std::move(done), [made = made_, at = at_]() -> Result<std::string> {
      std::string piece(piece_bytes, '\0');
      const ssize_t got =
          ::pread(made->file.get(), piece.data(), piece.size(), static_cast<off_t>(at));
      if (got < 0) {
        return make_error("store_unavailable", "The copy cannot be read: " +
                                                   std::generic_category().message(errno) + ".");
      }
      piece.resize(static_cast<std::size_t>(got));
      return piece;
    });
    at_ += piece_bytes;
  }

 private:
  SqliteUpkeep& upkeep_;
  std::weak_ptr<int> alive_;
  std::shared_ptr<Made> made_;
  std::uint64_t at_ = 0;
};

SqliteUpkeep::SqliteUpkeep(Loop& loop, const SqliteOptions& options)
    : loop_{loop}, file_{options.file}, vfs_{options.vfs} {}

SqliteUpkeep::~SqliteUpkeep() {
  alive_.reset();
  {
    const std::lock_guard lock{mutex_};
    stopping_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void SqliteUpkeep::run(Job job) {
  if (!thread_.joinable()) thread_ = std::thread{[this] { work(); }};
  {
    const std::lock_guard lock{mutex_};
    waiting_.push_back(std::move(job));
  }
  changed_.notify_one();
}

void SqliteUpkeep::work() {
  pthread_setname_np(pthread_self(), "store-upkeep");
  for (;;) {
    Job job;
    {
      std::unique_lock lock{mutex_};
      changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
      if (stopping_) return;
      job = std::move(waiting_.front());
      waiting_.pop_front();
    }
    job();
  }
}

// Has the thread do `work`, and the loop what is to be done with its answer.
template <class T, class F>
void SqliteUpkeep::answer(UniqueFunction<void(Result<T>)> done, F work) {
  run([this, alive = std::weak_ptr<int>{alive_}, done = std::move(done),
       work = std::move(work)]() mutable {
    loop_.post([alive, done = std::move(done), result = Result<T>{work()}]() mutable {
      if (!alive.expired()) done(std::move(result));
    });
  });
}

void SqliteUpkeep::copy(Done<std::unique_ptr<StoreCopy>> done) {
  if (!current_.expired()) {
    return loop_.post([done = std::move(done)]() mutable {
      done(make_error("busy", "A backup is being made already.", true));
    });
  }
  const auto token = std::make_shared<int>(0);
  current_ = token;
  answer<std::shared_ptr<Made>>(
      [this, token, done = std::move(done)](Result<std::shared_ptr<Made>> made) mutable {
        if (!made) return done(made.error());
        current_ = *made;
        done(std::make_unique<Copy>(*this, std::move(*made)));
      },
      [this] { return make_copy(); });
}

Result<std::shared_ptr<SqliteUpkeep::Made>> SqliteUpkeep::make_copy() {
  const std::filesystem::path name = copy_file_of(file_);
  try {
    SqliteConnection source{file_, vfs_};
    // From here on it sees one state of the file, so that commits do not make the copy start anew.
    source.execute("BEGIN");
    if (auto error = missing_room(file_, bytes_of(source))) return std::move(*error);
    auto made = std::make_shared<Made>();
    ::unlink(name.c_str());
    made->file.reset(::open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!made->file) {
      return make_error("store_unavailable",
                        name.string() + " cannot be made: " + std::generic_category().message(errno) + ".",
                        true);
    }
    // Once it is open it needs no name, and nothing is left of it whatever happens.
    struct Unlink {
      const std::filesystem::path& name;
      ~Unlink() { ::unlink(name.c_str()); }
    } const unlink_at_end{name};
    Target target{name, vfs_, source};
    while (target.step()) {
      if (stopping_) return store_closed();
    }
    made->size = static_cast<std::uint64_t>(::lseek(made->file.get(), 0, SEEK_END));
    return made;
  } catch (const SqliteError& error) {
    return upkeep_error(file_, error);
  }
}

void SqliteUpkeep::check(Done<std::vector<std::string>> done) {
  answer<std::vector<std::string>>(std::move(done), [this] { return make_check(); });
}

Result<std::vector<std::string>> SqliteUpkeep::make_check() {
  try {
    SqliteConnection connection{file_, vfs_};
    const auto is_to_stop = [](void* stopping) {
      return static_cast<std::atomic<bool>*>(stopping)->load() ? 1 : 0;
    };
    sqlite3_progress_handler(connection.get(), steps_between_looks, is_to_stop, &stopping_);
    return check_sqlite(connection);
  } catch (const SqliteError& error) {
    // That it is damaged is what was asked for.
    if (error.is_corrupt()) return std::vector<std::string>{std::string{error.what()} + "."};
    return upkeep_error(file_, error);
  }
}

Result<std::vector<std::string>> check_sqlite_file(const std::filesystem::path& file) {
  try {
    SqliteConnection connection{file, nullptr, SqliteConnection::Mode::read_only};
    return check_sqlite(connection);
  } catch (const SqliteError& error) {
    if (error.is_corrupt()) return std::vector<std::string>{std::string{error.what()} + "."};
    return make_error("store_unusable", file.string() + " cannot be read: " + error.what() + ".");
  }
}

}  // namespace cofounder
