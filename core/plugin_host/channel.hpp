// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/wire/messages.hpp"
#include "core/wire/socket.hpp"

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace cofounder::plugin_host {

// An entry of the plugin that the daemon asked for.
struct Job {
  wire::Entry entry{};
  std::uint64_t sequence = 0;
  std::uint64_t call_id = 0;     // entries of one call never overlap
  std::uint64_t result_max = 0;
  std::string bytes;             // the arguments, or
  wire::Memory memory;           // where they lie, at
  std::string_view arguments;
  bool skipped = false;          // cancelled before it was entered
};

// The socket to the daemon, and the threads that share it.
//
// No thread does nothing but read: whoever has nothing to do, or waits for an answer, reads when
// nobody else does (leader and followers).  So a call of a serial plugin that does nothing else
// wakes one thread here, once.  A thread that runs the plugin's code does not read; then what the
// daemon sends stays in the socket, and the daemon sees to it that this is bounded.
//
// When the daemon closes its end the process ends.
class Channel {
 public:
  // `serial`: jobs run in the order in which they came; else as Workers of the host does it.
  Channel(int socket, bool serial) : socket_{socket}, serial_{serial} {}
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // From any thread.  Sends and does not wait for more than room in the socket.
  void post(const wire::Header& header, std::string_view arguments);
  // Sends a request and waits for its answer.  `handle`, when not null, is written as soon as the
  // answer comes, before anything that came after it is looked at.
  std::string ask(wire::Header header, std::string_view arguments, std::uint64_t* handle);

  // For workers: the next job, which is over with end().
  Job next();
  void end(const Job& job, std::string_view returned);

 private:
  // A thread that waits, for its answer or (workers) for a job.
  struct Sleeper {
    std::condition_variable wake;
    bool woken = false;
    bool worker = false;
    std::uint64_t sequence = 0;  // of its request
    std::uint64_t* handle = nullptr;
    std::string answer;
    bool answered = false;
  };
  using Lock = std::unique_lock<std::mutex>;

  void wait_turn(Lock& lock, Sleeper& me);
  void read_one(Lock& lock, bool wait);
  void take(wire::Incoming& incoming);
  void take_answer(const wire::Frame& frame);
  void take_entry(wire::Incoming& incoming);
  void send(const wire::Outgoing& outgoing);
  void wait_for_room();
  void pass_on();
  bool wake_one(bool worker);
  bool pick(Job& job);
  std::size_t find_job() const;
  [[noreturn]] static void leave(int code) noexcept;

  const int socket_;
  const bool serial_;
  std::mutex mutex_;
  bool reading_ = false;                // a thread reads the socket
  bool reader_is_worker_ = false;
  std::vector<Sleeper*> sleepers_;      // those that neither read nor run
  std::vector<Sleeper*> askers_;        // those that wait for an answer
  std::uint64_t last_sequence_ = 0;
  std::deque<Job> jobs_;
  std::vector<std::uint64_t> busy_;     // calls that a worker is inside
  bool alone_ = false;                  // an exclusive job runs
  std::unique_ptr<char[]> buffer_{new char[wire::packet_bytes_max]};
};

}  // namespace cofounder::plugin_host
