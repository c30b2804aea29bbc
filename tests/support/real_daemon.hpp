// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/json.hpp"
#include "core/ctl/http_unix.hpp"

// Runs the real cofounderd in a folder of its own, as a user would, and looks at it from outside.
namespace cofounder::test {

// Asks until `is_true` or the time is over; what it answered last.  For states of other processes,
// which cannot call back.
bool wait_until(const std::function<bool()>& is_true,
                std::chrono::milliseconds most = std::chrono::seconds{30});

std::string read_file(const std::filesystem::path& file);
void write_file(const std::filesystem::path& file, std::string_view text);

// A new folder that goes with its owner.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
};

// A child that is killed and reaped when its owner goes, and when this process dies.
class Child {
 public:
  struct Options {
    std::vector<std::string> words;                                // [0] is the program's path
    std::vector<std::pair<std::string, std::string>> environment;  // besides the inherited one
    int output = -1;  // stdout and stderr; -1: /dev/null
  };
  explicit Child(const Options& options);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t pid() const noexcept { return pid_; }
  void signal(int number) const;
  // The exit code, or 128 + signal; nothing when it still runs after that time (it is then killed).
  std::optional<int> wait(std::chrono::milliseconds most = std::chrono::seconds{60});
  bool runs();

 private:
  pid_t pid_ = -1;
  std::optional<int> code_;
};

class RealDaemon {
 public:
  // Plugins by file name below the build folder: "plugins/hello.so", "fixtures/stuck.so".
  explicit RealDaemon(const std::vector<std::string>& plugins);

  const std::filesystem::path& folder() const noexcept { return folder_.path(); }
  std::filesystem::path socket() const { return folder() / "control.sock"; }
  std::filesystem::path scratch() const { return folder() / "scratch"; }
  std::filesystem::path database() const { return folder() / "state/cofounderd.db"; }
  std::filesystem::path config() const { return folder() / "cofounderd.toml"; }
  std::filesystem::path plugins() const { return folder() / "plugins"; }

  void add_plugin(const std::string& file);
  // TOML that overrides the base configuration, as conf.d/test.toml.
  void configure(std::string_view toml) const;
  void set_environment(std::string name, std::string value);
  // Runs it by another program: its words, and then those of the daemon.
  void set_wrapper(std::vector<std::string> words) { wrapper_ = std::move(words); }
  void set_output(int descriptor) { output_ = descriptor; }  // instead of daemon.log
  // As root: runs it as "nobody", as a service does, with programs and folders that it can reach.
  void drop_root();
  // Whether plugins have a process of their own unless the test says otherwise.
  static bool isolates();

  // Starts it; spawn() does not wait.  False when it is not healthy in time or ended.
  bool start(std::vector<std::string> more_words = {});
  void spawn(std::vector<std::string> more_words = {});
  bool wait_ready(std::chrono::milliseconds most = std::chrono::seconds{30});
  // Runs it to its end.
  struct Ended {
    std::optional<int> code;
    std::string output;  // of this run
  };
  Ended run(std::vector<std::string> more_words = {});

  void kill();                // SIGKILL; returns when it is gone
  std::optional<int> stop();  // SIGTERM; the exit code
  Child& child() { return *child_; }
  const Child& child() const { return *child_; }

  ctl::UnixHttp http() const { return ctl::UnixHttp{socket()}; }
  // Status 0 and the reason as body when nobody answered.
  ctl::Answer call(const std::string& method, const std::string& target,
                   const std::string& body = {}) const;
  ctl::Answer get(const std::string& target) const { return call("GET", target); }
  // The id of a task submitted as JSON; empty when it was not taken.
  std::string submit(const std::string& task) const;
  // That many equal ones, in arrays.
  std::vector<std::string> submit_many(const std::string& task, int count) const;
  // A member of the task as text; "" when it cannot be asked.
  std::string state_of(const std::string& id) const;
  json::Document show(const std::string& id) const;
  bool wait_for_state(const std::string& id, std::string_view state,
                      std::chrono::milliseconds most = std::chrono::seconds{30}) const;
  // From GET /v1/status: tasks in these states together; -1 when it is not known.
  std::int64_t count(const std::vector<std::string>& states) const;
  // GET /v1/tasks, all pages.
  struct Row {
    std::string id, state, op;
    std::int64_t attempt = 0;
  };
  std::vector<Row> list(const std::string& query = {}) const;

  // Where it listens for HTTP, from its log since the newest start(); 0: it said nothing in time.
  int http_port() const;
  std::string log() const { return read_file(folder() / "daemon.log"); }
  std::int64_t rss_kib() const;
  int descriptors() const;  // -1 when they cannot be seen

 private:
  TempFolder folder_;
  std::vector<std::pair<std::string, std::string>> environment_;
  std::vector<std::string> wrapper_;
  std::filesystem::path programs_;
  int output_ = -1;
  std::size_t log_before_ = 0;  // its size at the newest start()
  std::optional<Child> child_;
};

json::Document parse(const std::string& text);  // null when it is not JSON
std::string error_code(const ctl::Answer& answer);

}  // namespace cofounder::test
