// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/host/child_link.hpp"
#include "core/host/child_starter.hpp"
#include "core/host/child_watch.hpp"
#include "core/host/instance.hpp"
#include "core/host/library.hpp"
#include "core/process/crash_report.hpp"
#include "core/process/sandbox.hpp"
#include "core/wire/messages.hpp"

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

namespace cofounder::host {

// An isolated plugin, as its Instance sees it: a cof_plugin whose functions send frames, and what
// the child asks of the host services, made on the very tables that a plugin in this process has.
// So limits, permissions and quotas exist once.  Whatever the child sends is checked first; the
// first broken frame ends it.  On the loop only.
class Proxy {
 public:
  explicit Proxy(Instance& instance);
  ~Proxy();
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;

  // Starts the child, has it enter the sandbox and load the library.  `done` once, on the loop,
  // unless the child ended before: then on_lost is called.
  using Loaded = UniqueFunction<void(std::optional<Error>)>;
  void load(ChildStarter& starter, std::string program, LibraryCopy copy, SandboxRules rules,
            Loaded done);
  // Its functions send frames and return COF_PENDING, or a reason why nothing was sent.  Those that
  // the plugin does not have are null.  For after load().
  const cof_plugin& api() const noexcept { return api_; }

  // What the next entry is for; its function has to be called between these two.  An entry that was
  // sent is over when the child says so, or is gone.
  struct Entered {
    std::shared_ptr<Call> call;
    std::shared_ptr<Operation> operation;   // reply(): of whom
    UniqueFunction<void()> delivered;       // reply()
    bool last = false;                      // reply(): the operation is over then
    std::uint64_t result_max = 0;           // invoke()
  };
  // The status of `entry`: COF_PENDING when it was sent.  Otherwise `entered` is as it was.
  template <class Enter>
  std::int32_t enter(Entered& entered, Enter entry) {
    entering_ = &entered;
    const std::int32_t status = entry();
    entering_ = nullptr;
    return std::exchange(sent_, false) ? std::int32_t{COF_PENDING} : status;
  }

  // Since when a thread of the child has been inside an entry of the call, by its own word; 0: none.
  std::int64_t inside_since(const Call& call) const noexcept;
  int pid() const noexcept;

  // The child ended, by `signal` if that is not 0, or is being ended, other than by finish(): once.
  UniqueFunction<void(const Error& why, int signal)> on_lost;
  // After that, once, when its process is gone.
  UniqueFunction<void(int signal, std::optional<CrashReport> report)> on_gone;
  // Ends it with a reason: `politely` with SIGTERM and two seconds of time, else at once.
  void end(Error why, bool politely = false);
  // Calls `action` when there is no process, at once when that is so.
  void when_gone(UniqueFunction<void()> action);
  // Ends it in peace: nothing is to be said any more.
  void finish();
  // The loop goes away: what is left of the process is killed.
  void close();

 private:
  // What is larger takes a worker's time (checking UTF-8, parsing JSON), not the loop's.
  static constexpr std::size_t loop_bytes_max = 64 * 1024;

  struct Pending {
    Entered entered;
    wire::Entry entry;
    std::size_t bytes;
  };
  struct Waiting {
    std::uint64_t sequence;
    wire::Entry entry;
    std::string arguments;
  };
  template <wire::Entry entry, class Pointer>
  friend struct EntryStub;

  void make_api(std::uint32_t entries);
  std::int32_t send_entry(wire::Entry entry, std::string arguments);
  void send_waiting();
  bool has_room(std::size_t bytes) const noexcept;
  void on_started(const LibraryCopy& copy, SandboxRules rules,
                  Result<std::unique_ptr<ChildProcess>> started);
  void watch();
  void on_frame(wire::Incoming& incoming);
  void on_loaded(const wire::Frame& frame);
  void on_returned(const wire::Frame& frame);
  void on_request(wire::Incoming& incoming);
  void end_entry(std::shared_ptr<Call> call, const wire::Returned& returned);
  void serve_on_worker(wire::Incoming& incoming, const void* table);
  void served(const wire::Header& header, std::string& answer_bytes);
  void answer(std::uint64_t sequence, std::string_view bytes);
  void answer_status(std::uint64_t sequence, std::int32_t status);
  void broken(wire::Broken why);
  void on_exit(const ChildEnd& how);
  void lost(Error why, int signal = 0);
  Error make_why(const char* code, const std::string& what) const;

  Instance& instance_;
  cof_plugin api_{};
  std::unique_ptr<ChildLink> link_;
  std::unique_ptr<ChildProcess> process_;
  wire::Pulse* pulse_ = nullptr;
  wire::Descriptor crash_;                // where the child says how it crashed
  std::unique_ptr<ChildWatch> watch_;     // from its start until it is lost
  std::vector<UniqueFunction<void()>> gone_waiters_;
  Loaded loaded_;                         // until it said so
  bool is_loaded_ = false;
  bool finished_ = false;                 // lost or in peace
  Entered* entering_ = nullptr;
  bool sent_ = false;
  std::uint64_t last_sequence_ = 0;
  std::unordered_map<std::uint64_t, Pending> pending_;  // entries that have not returned
  std::deque<Waiting> waiting_;           // of those, the ones that were not sent
  std::size_t sent_entries_ = 0;          // not returned, without those that wait
  std::size_t sent_bytes_ = 0;
  std::size_t waiting_bytes_ = 0;
  std::size_t works_ = 0;                 // requests on workers
  std::size_t work_bytes_ = 0;
  std::size_t held_ = 0;                  // of those, the ones whose answer must come before any entry
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace cofounder::host
