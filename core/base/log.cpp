// SPDX-License-Identifier: Apache-2.0
#include "core/base/log.hpp"

#include <poll.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "core/base/text.hpp"

namespace cofounder::log {
namespace {

constexpr std::size_t line_bytes_max = 8192;

struct Line {
  Level level;
  Time at;
  std::string text;
  std::vector<std::pair<std::string, std::string>> fields;
};

std::string escape(std::string_view text) {
  std::string out;
  out.reserve(std::min(text.size(), line_bytes_max));
  for (const char c : text.substr(0, line_bytes_max)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7f) {
      out += c;
    } else {
      constexpr std::string_view hex = "0123456789abcdef";
      out += "\\x";
      out += hex[byte >> 4];
      out += hex[byte & 15];
    }
  }
  if (text.size() > line_bytes_max) out += "...";
  return out;
}

std::string_view name_of(Level level) {
  constexpr std::array<std::string_view, 5> names{"", "debug", "info", "warning", "error"};
  return names[static_cast<std::size_t>(level)];
}

// "2026-11-23T17:01:20.123Z info [plugin=hello task=01...] text"
std::string readable(const Line& line) {
  std::string out = to_rfc3339(line.at);
  out += ' ';
  out += name_of(line.level);
  for (std::size_t i = 0; i < line.fields.size(); ++i) {
    out += i == 0 ? " [" : " ";
    std::string_view name = line.fields[i].first;
    if (name.starts_with("COF_")) name.remove_prefix(4);
    for (const char c : name) out += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    out += '=';
    out += line.fields[i].second;
    if (i + 1 == line.fields.size()) out += ']';
  }
  out += ' ';
  out += line.text;
  out += '\n';
  return out;
}

// A full pipe makes us drop what does not fit, never wait.  O_NONBLOCK is not set on stderr itself:
// it may be shared with other programs.
bool write_if_room(std::string_view text) noexcept {
  pollfd target{STDERR_FILENO, POLLOUT, 0};
  if (::poll(&target, 1, 0) != 1 || (target.revents & POLLOUT) == 0) return false;
  // A pipe that poll() calls writable takes PIPE_BUF bytes without waiting.
  std::string_view piece = text.substr(0, 4096);
  return ::write(STDERR_FILENO, piece.data(), piece.size()) >= 0;
}

bool is_stderr_the_journal() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat info{};
  if (stream == nullptr || fstat(STDERR_FILENO, &info) != 0) return false;
  return std::string{stream} == std::to_string(info.st_dev) + ":" + std::to_string(info.st_ino);
}

class Writer {
 public:
  void open(const Options& options) {
    const std::lock_guard lock{mutex_};
    options_ = options;
    to_journal_ = options.target == Options::Target::journal ||
                  (options.target == Options::Target::automatic && is_stderr_the_journal());
    stopping_ = false;
    if (!thread_.joinable()) thread_ = std::thread{[this] { run(); }};
    open_ = true;
  }

  void close() noexcept {
    {
      std::unique_lock lock{mutex_};
      if (!open_) return;
      open_ = false;
      stopping_ = true;
      changed_.notify_all();
      // A journal or pipe that does not take anything must not hold up the end of the daemon.
      if (!changed_.wait_for(lock, std::chrono::seconds{1}, [this] { return finished_; })) {
        thread_.detach();
        return;
      }
    }
    thread_.join();
    finished_ = false;
  }

  void put(Line line) noexcept {
    std::unique_lock lock{mutex_};
    if (!open_) {
      lock.unlock();
      if (options_.target != Options::Target::nowhere) write_if_room(readable(line));
      return;
    }
    if (lines_.size() >= options_.lines_max) {
      dropped_.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    const bool wake = lines_.empty();
    lines_.push_back(std::move(line));
    if (wake) changed_.notify_all();
  }

  std::atomic<int> level_{static_cast<int>(Level::info)};
  std::atomic<std::uint64_t> dropped_{0};

 private:
  void run() {
    std::unique_lock lock{mutex_};
    std::uint64_t told = 0;
    for (;;) {
      changed_.wait(lock, [this] { return stopping_ || !lines_.empty(); });
      if (lines_.empty()) break;
      std::deque<Line> batch;
      batch.swap(lines_);
      lock.unlock();
      for (const Line& line : batch) emit(line);
      const std::uint64_t dropped = dropped_.load(std::memory_order_relaxed);
      if (dropped != told) {
        emit({Level::warning, std::chrono::floor<Milliseconds>(std::chrono::system_clock::now()),
              std::to_string(dropped - told) + " log lines were dropped: the log is too slow", {}});
        told = dropped;
      }
      lock.lock();
    }
    finished_ = true;
    changed_.notify_all();
  }

  void emit(const Line& line) {
    if (options_.target == Options::Target::nowhere) return;
    if (!to_journal_) {
      // The thread may wait for a slow reader: the queue before it is bounded.  At the end of the
      // daemon close() waits for a second only.
      const std::string text = readable(line);
      for (std::size_t done = 0; done < text.size();) {
        const ssize_t wrote = ::write(STDERR_FILENO, text.data() + done, text.size() - done);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0 && errno == EAGAIN) {
          pollfd target{STDERR_FILENO, POLLOUT, 0};
          ::poll(&target, 1, -1);
          continue;
        }
        if (wrote <= 0) return;
        done += static_cast<std::size_t>(wrote);
      }
      return;
    }
    constexpr std::array priorities{7, 7, 6, 4, 3};
    std::vector<std::string> texts{
        "MESSAGE=" + line.text,
        "PRIORITY=" + std::to_string(priorities[static_cast<std::size_t>(line.level)]),
        "SYSLOG_IDENTIFIER=cofounderd"};
    for (const auto& [name, value] : line.fields) texts.push_back(name + "=" + value);
    std::vector<iovec> parts;
    parts.reserve(texts.size());
    for (std::string& text : texts) parts.push_back({text.data(), text.size()});
    sd_journal_sendv(parts.data(), static_cast<int>(parts.size()));
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Line> lines_;
  Options options_;
  std::thread thread_;
  bool to_journal_ = false;
  bool open_ = false;
  bool stopping_ = false;
  bool finished_ = false;
};

// Lives for ever: threads that the daemon could not end may still log while it exits.
Writer& writer() {
  static Writer* const instance = new Writer;
  return *instance;
}

}  // namespace

void open(const Options& options) {
  set_level(options.level);
  writer().open(options);
}

void close() noexcept { writer().close(); }

void set_level(Level level) noexcept { writer().level_ = static_cast<int>(level); }

bool enabled(Level level) noexcept {
  return static_cast<int>(level) >= writer().level_.load(std::memory_order_relaxed);
}

void write(Level level, std::string_view text, std::initializer_list<Field> fields) noexcept {
  if (!enabled(level)) return;
  Line line{level, std::chrono::floor<Milliseconds>(std::chrono::system_clock::now()),
            escape(text),
            {}};
  for (const Field& field : fields) {
    if (!field.value.empty()) line.fields.emplace_back(field.name, escape(field.value));
  }
  writer().put(std::move(line));
}

std::uint64_t dropped() noexcept { return writer().dropped_.load(std::memory_order_relaxed); }

}  // namespace cofounder::log
