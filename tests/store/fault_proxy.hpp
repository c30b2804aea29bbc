// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

namespace cofounder::test {

// Stands between a client and a PostgreSQL and does what networks do.  A thread of its own; all of it
// may be asked for from any other.
class FaultProxy {
 public:
  // Listens in `folder` as a server of the default port would.
  FaultProxy(std::filesystem::path folder, std::string server_folder);
  ~FaultProxy();
  FaultProxy(const FaultProxy&) = delete;
  FaultProxy& operator=(const FaultProxy&) = delete;

  enum class AtCommit {
    pass,
    lose_request,  // the connection breaks before the server hears of the commit
    lose_answer,   // the server commits, and nobody hears of it
    leave          // the same, and then nobody reaches the server any more
  };
  // Once, at the next COMMIT of a client.
  void at_next_commit(AtCommit what) { at_commit_ = what; }
  bool is_commit_faulted() const { return at_commit_ == AtCommit::pass; }
  void drop_all() { drop_ = true; }
  // New connections are refused, the present ones dropped.
  void set_away(bool away) {
    away_ = away;
    drop_ = drop_ || away;
  }
  void delay_answers(std::chrono::milliseconds by) { delay_ = by; }
  std::size_t connections() const { return accepted_; }

 private:
  using Steady = std::chrono::steady_clock;
  struct Chunk {
    Steady::time_point when;
    std::string bytes;
  };
  struct Pair {
    int client = -1;
    int server = -1;
    std::vector<Chunk> answers;  // on their way back
    bool deaf = false;           // the answers are swallowed
    bool over = false;
  };

  void run();
  void accept();
  void from_client(Pair& pair);
  void from_server(Pair& pair);
  void answer(Pair& pair, Steady::time_point now);

  std::filesystem::path file_;
  std::string server_file_;
  int listener_ = -1;
  std::vector<Pair> pairs_;
  std::atomic<AtCommit> at_commit_{AtCommit::pass};
  std::atomic<bool> drop_{false};
  std::atomic<bool> away_{false};
  std::atomic<bool> stop_{false};
  std::atomic<std::chrono::milliseconds> delay_{std::chrono::milliseconds{0}};
  std::atomic<std::size_t> accepted_{0};
  std::thread thread_;
};

}  // namespace cofounder::test
