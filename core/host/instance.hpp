// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/loop.hpp"
#include "core/config/config.hpp"
#include "core/host/call_table.hpp"
#include "core/host/files.hpp"
#include "core/host/manifest.hpp"
#include "core/host/plugin_host.hpp"
#include "core/host/plugin_why.hpp"
#include "core/host/services/services.hpp"
#include "core/host/workers.hpp"

#include <cofounder/abi.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

namespace cofounder {
class MetricRegistry;
class Programs;
}

namespace cofounder::host {

// What an answer of a host service says: a cof_reply that owns its texts.
struct Reply {
  std::int32_t status = COF_OK;
  bool last = true;
  std::int32_t kind = 0;
  std::int64_t value = 0;
  std::int64_t value2 = 0;
  std::string body;
  std::string name;
  std::string id;
  std::string error_code;     // empty for a failure: the one of the status
  std::string error_message;
  std::int32_t retryable = -1;  // -1: as the status says
  Milliseconds retry_after{0};
  // On the loop, after reply() returned; never when the plugin is given up before.  This is how a
  // transfer learns that there is room again: count the bytes that were posted and not delivered.
  UniqueFunction<void()> delivered;

  static Reply failure(const Error& error);
  static Reply failure(std::int32_t status) {
    Reply reply;
    reply.status = status;
    return reply;
  }
};

// Something that a host service does for a call and answers with replies.  It is made by
// Instance::begin() in the plugin's thread, and lives until its last reply is delivered.
class Operation {
 public:
  const std::uint64_t tag;            // 0: no reply is wanted
  const std::shared_ptr<Call> call;   // never null; id 0: the plugin's own
  const bool after_cancel;            // begun when the call was cancelled already

  Operation(class Instance& instance, std::shared_ptr<Call> for_call, std::uint64_t reply_tag);
  ~Operation();

 private:
  friend class Instance;
  Instance& instance_;
  UniqueFunction<void()> cancel_;     // loop
  std::atomic<bool> attached_{false};
  std::atomic<bool> replied_{false};  // the last reply was posted
  std::atomic<bool> owed_;            // it was not delivered
};

// One loaded plugin, as the services and the lifecycle see it.  It is never freed: a plugin may
// hold its cof_host until the process ends.  When gone() it answers, and touches nothing else.
class Instance {
 public:
  // What all instances of one host share; outlives them until they are gone.
  struct World {
    Loop& loop;
    HostPorts& ports;
    Files& files;
    MetricRegistry& metrics;
    std::string version;      // of the daemon
    std::string public_url;
    Clock* clock = nullptr;       // null: the loop's; tests give their own
    Programs* programs = nullptr;  // null: cof.process/1 is COF_EUNAVAILABLE
    // Loop: who sent the request with this head, see PluginHost::identify().
    std::function<void(std::string head_json, UniqueFunction<void(Result<std::string>)>)> identify =
        {};
    class ChildStarter* children = nullptr;  // of isolated plugins; null: there are none
  };
  // Counters that services add to, from any thread.
  struct Counters {
    std::atomic<std::uint64_t> calls{0};
    std::atomic<std::uint64_t> failures{0};
    std::atomic<std::uint64_t> late_completions{0};
    std::atomic<std::uint64_t> refused_posts{0};   // [post] functions whose argument was wrong later
    std::atomic<std::uint64_t> log_lines_dropped{0};
    std::atomic<std::uint64_t> events_dropped{0};
  };

  // Where the plugin's code runs: on workers of this process, or in a process of its own, to which
  // a Proxy speaks.  Then entries are begun on the loop, and workers only wait for the disk.
  enum class Isolation { in_process, process };
  Instance(World& world, Manifest manifest, std::shared_ptr<const PluginConfig> config,
           Isolation isolation = Isolation::in_process);
  ~Instance();
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  // ---- From any thread: what services build on ------------------------------------------------

  // Of a cof_host that this process made; COF_EINVALID is the caller's answer to a null one.
  static Instance& of(const cof_host* host) noexcept;
  const cof_host* border() const noexcept { return &border_; }

  const Manifest& manifest() const noexcept { return manifest_; }
  const std::string& id() const noexcept { return manifest_.id; }
  // Whether the manifest names the interface ("cof.http/1"); query() asks it.
  bool names(std::string_view iid) const noexcept;
  // The configuration that was applied last; for a configure call the one it is about.
  // `settings` has the schema's defaults filled in.
  std::shared_ptr<const PluginConfig> config() const;
  std::shared_ptr<const PluginConfig> config_for(std::uint64_t call_id) const;

  // True after destroy(), and when the plugin was given up: everything answers COF_EGONE.
  bool gone() const noexcept { return gone_.load(std::memory_order_acquire); }

  // A call that is not over; for 0 the plugin's own, which is over when the plugin is stopped.
  std::shared_ptr<Call> find_call(std::uint64_t id) const;

  // Begins an operation for `call_id`.  Null: answer COF_EGONE.  Whoever gets one owes a last
  // reply when `tag` is not 0 (or drops it before the function returned an error).
  std::shared_ptr<Operation> begin(std::uint64_t call_id, std::uint64_t tag);

  // Enters reply() on a worker, in order with the call's other entries.  After the last one the
  // operation is over and on_cancel() void.  With tag 0 nothing is entered.
  void reply(const std::shared_ptr<Operation>& operation, Reply reply);
  // The same for several at once, none of them the last.
  void reply_all(const std::shared_ptr<Operation>& operation, std::vector<Reply> replies);

  // Ends a call by the plugin's word: COF_OK, COF_EGONE (counted).
  std::int32_t complete(std::uint64_t call_id, CallEnd end);

  // Runs `action` on the loop, in the order of this thread's posts; dropped when gone.
  void post(UniqueFunction<void()> action);

  // Event topics; deliver_event() looks here.  false: too many (64).
  bool subscribe(std::string_view topic);
  void unsubscribe(std::string_view topic);
  bool subscribes(std::string_view topic) const;

  Counters& counters() noexcept { return counters_; }
  // What it wrote to its log last.
  LogTail& log_tail() noexcept { return log_tail_; }
  // What the services keep for this plugin; see services.hpp.
  ServiceState& services() noexcept { return *services_; }

  // ---- On the loop: for services ---------------------------------------------------------------

  World& world() noexcept { return world_; }
  Files& files() const noexcept { return world_.files; }
  Loop& loop() noexcept { return world_.loop; }
  HostPorts& ports() noexcept { return world_.ports; }

  // `cancel` runs at most once, on the loop: when the call is cancelled (unless the operation was
  // begun after that) or over.  It may run at once, inside.  It leads to the last reply, with
  // COF_ECANCELLED, soon.
  void on_cancel(const std::shared_ptr<Operation>& operation, UniqueFunction<void()> cancel);

  // ---- On the loop: for Caller and Lifecycle ----------------------------------------------------

  // What the plugin's file gave; before it only load jobs run on the workers.
  void adopt(const cof_plugin& api) noexcept { api_ = api; }
  const cof_plugin& api() const noexcept { return api_; }
  Workers& workers() noexcept { return workers_; }
  // Null for a plugin in this process.
  class Proxy* proxy() const noexcept { return proxy_.get(); }
  // Has `job` enter the plugin, in the strand's order.
  void run(Workers::Strand& strand, Workers::Job job, Workers::Order order = Workers::Order::usual);
  // Since when the plugin has been inside an entry of the call, 0: it is not.
  std::int64_t inside_since(const Call& call) const noexcept;
  CallTable& calls() noexcept { return calls_; }
  int operations_open() const noexcept { return operations_open_; }

  void apply_config(std::shared_ptr<const PluginConfig> config);
  // Ends `call` unless it is over; its done() follows on the loop.  From any thread.
  bool end_call(const std::shared_ptr<Call>& call, CallEnd end);
  // Cancels what services do for it.
  void cancel_operations(Call& call);
  // Whether a worker has been, since before then, inside an entry that no call's deadline watches:
  // of the plugin itself, or of a call that is over.
  bool unwatched_since_before(std::int64_t mono_ns);
  // The plugin's own call is over: its timers and requests end.
  void end_own_call();
  // From now on everything answers COF_EGONE.
  void set_gone() noexcept { gone_ = true; }
  // The world goes away: nothing is posted any more, and what was posted does nothing.
  void detach() noexcept;

  // Called for each call that is over, before its done().
  UniqueFunction<void(Call&, const CallEnd&)> on_over;
  // Called when the last operation got its last reply.
  UniqueFunction<void()> on_no_operations;

  // ---- Of an isolated plugin, on the loop: its entries returned ---------------------------------

  void entry_returned(const std::shared_ptr<Call>& call, std::int32_t status, std::string result,
                      bool too_big);
  void reply_returned(const std::shared_ptr<Operation>& operation, bool last,
                      UniqueFunction<void()> delivered);

  // ---- On a worker: the entries -----------------------------------------------------------------

  // Enters invoke(), or with `hook` what that does.
  using Hook = UniqueFunction<std::int32_t(const cof_call& call)>;
  void enter_invoke(const std::shared_ptr<Call>& call);
  void enter_hook(const std::shared_ptr<Call>& call, Nanoseconds deadline, Hook& hook);
  void enter_cancel(const std::shared_ptr<Call>& call, std::int64_t grace_ns);
  void* self = nullptr;  // the plugin's state; create() sets it, on a worker

 private:
  friend class Operation;

  // As post(), without a second allocation.
  template <class F>
  void to_loop(F action) {
    ++posting_;
    if (!detached_) {
      world_.loop.post([this, action = std::move(action)]() mutable {
        if (!detached_) action();
      });
    }
    --posting_;
  }
  static const void* query(const cof_host* host, cof_str iid) noexcept;
  std::int32_t threw(const std::shared_ptr<Call>& call, const char* entry, const char* thrown);
  template <class Entry>
  void enter_void(const std::shared_ptr<Call>& call, const char* name, Entry entry);
  bool reply_remotely(const std::shared_ptr<Operation>& operation, Reply& reply,
                      const cof_reply& border);
  void check_result(const Call& call, CallEnd& end) const;
  void enter_reply(const std::shared_ptr<Operation>& operation, Reply& reply);
  using Attached = decltype(Call::attached);
  void cancel_attached(const std::shared_ptr<Attached>& attached);
  void close_operation(Operation& operation) noexcept;
  void forget_operation(const std::shared_ptr<Operation>& operation);
  void finish(const std::shared_ptr<Call>& call, CallEnd end);

  World& world_;
  const Manifest manifest_;
  std::set<std::string, std::less<>> granted_;  // interfaces: "cof.http/1"
  cof_host border_{};
  cof_plugin api_{};
  mutable std::mutex mutex_;  // for config_ and topics_
  std::shared_ptr<const PluginConfig> config_;
  std::set<std::string, std::less<>> topics_;
  std::atomic<bool> gone_{false};
  std::atomic<bool> detached_{false};
  std::atomic<int> posting_{0};
  std::atomic<int> operations_open_{0};
  Counters counters_;
  LogTail log_tail_;
  CallTable calls_;
  std::shared_ptr<Call> own_;
  std::vector<std::shared_ptr<Call>> lingering_;  // loop: over, but still entered or to be
  Workers workers_;
  ServiceStatePtr services_;
  std::unique_ptr<class Proxy> proxy_;
};

}  // namespace cofounder::host
