// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../testkit.hpp"

#include <algorithm>

// The inside of testkit.hpp: how the fake host enters the plugin.
namespace cofounder::testkit {

namespace detail {

inline std::int32_t append(void* context, const void* data, std::uint64_t size) noexcept {
  static_cast<std::string*>(context)->append(static_cast<const char*>(data), size);
  return COF_OK;
}

// Only these positive statuses mean something; the rest is a plugin's bug.
inline std::int32_t entry_status(std::int32_t status) noexcept {
  if (status <= 0 || status == COF_PENDING || status == COF_DEFERRED) return status;
  return COF_EINTERNAL;
}

}  // namespace detail

inline Host::~Host() {
  if (self_ != nullptr) stop();
  for (const auto& [key, folder] : scratch_paths_) {
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }
}

inline Call& Host::new_call(std::int32_t kind, std::string_view name, std::int64_t timeout_ns) {
  const std::lock_guard lock{mutex_};
  Call& call = calls.emplace_back();
  call.id = ++next_call_;
  call.kind = kind;
  call.name = name;
  if (timeout_ns > 0) call.deadline_ns = now_ns + timeout_ns;
  return call;
}

// Runs `entry(cof_call, sink)` for the call, which nobody else enters meanwhile.
template <class Enter>
void Host::enter(Call& call, std::string* result, Enter&& entry) {
  {
    const std::lock_guard lock{mutex_};
    busy_.insert(call.id);
  }
  cof_call given{};
  given.struct_size = sizeof given;
  given.kind = call.kind;
  given.id = call.id;
  given.deadline_ns = call.deadline_ns;
  std::string written;
  std::int32_t status;
  {
    Wire lent;
    const cof_sink sink{&written, &detail::append};
    status = detail::entry_status(entry(lent(&given), &sink));
  }
  const std::lock_guard lock{mutex_};
  busy_.erase(call.id);
  idle_.notify_all();
  if (status == COF_PENDING || call.ended) return;
  Ended ended = call.failure && status < 0 ? *call.failure : Ended{};
  ended.status = status;
  ended.in_entry = true;
  if (status >= 0) {
    Wire lent;
    ended.result = view(lent(bytes(written)));
    if (result != nullptr) *result = ended.result;
  }
  end(call, std::move(ended));
}

inline Call& Host::create() {
  Call& call = new_call(COF_CALL_CREATE, "create", 0);
  enter(call, nullptr, [&](const cof_call* given, const cof_sink*) {
    return plugin_->create(&host, given, &self_);
  });
  if (!call.ended || !call.ended->ok()) self_ = nullptr;
  return call;
}

inline Call& Host::configure(std::int32_t phase, std::string_view config) {
  Call& call = new_call(COF_CALL_CONFIGURE, "configure", 0);
  {
    const std::lock_guard lock{mutex_};
    new_config_ = config;
  }
  enter(call, nullptr, [&](const cof_call* given, const cof_sink*) -> std::int32_t {
    if (plugin_->configure == nullptr) return COF_OK;
    cof_configuration configuration{};
    configuration.struct_size = sizeof configuration;
    configuration.phase = phase;
    configuration.json = text(config);
    Wire lent;
    return plugin_->configure(self_, given, lent(&configuration));
  });
  const std::lock_guard lock{mutex_};
  if (phase == COF_CONFIGURE_APPLY && call.ended && call.ended->ok()) config_ = config;
  return call;
}

inline Call& Host::hook(std::int32_t kind) {
  Call& call = new_call(kind, "hook", 0);
  const auto slot = kind == COF_CALL_START   ? plugin_->start
                    : kind == COF_CALL_DRAIN ? plugin_->drain
                    : kind == COF_CALL_PROBE ? plugin_->probe
                                             : plugin_->stop;
  enter(call, nullptr, [&](const cof_call* given, const cof_sink*) -> std::int32_t {
    return slot == nullptr ? COF_OK : slot(self_, given);
  });
  return call;
}

inline void Host::start(std::string_view config) {
  const auto need = [this](Call& call, const char* what) {
    run();
    if (call.ended && call.ended->ok()) return;
    const std::string why = call.ended ? call.ended->error_message : "it has not ended";
    throw std::runtime_error{std::string{what} + " failed: " + why};
  };
  need(create(), "create");
  need(configure(COF_CONFIGURE_CHECK, config), "configure CHECK");
  need(configure(COF_CONFIGURE_APPLY, config), "configure APPLY");
  need(hook(COF_CALL_START), "start");
}

inline void Host::stop() {
  if (self_ == nullptr) return;
  for (Call& call : calls) {
    if (!call.ended) cancel(call, COF_CANCEL_STOPPING);
  }
  run();
  hook(COF_CALL_STOP);
  run();
  {
    const std::lock_guard lock{mutex_};
    end_waiting(0);
  }
  run();
  for (const Call& call : calls) {
    if (!call.ended)
      complain("call " + std::to_string(call.id) + " (" + call.name + ") never ended");
  }
  plugin_->destroy(std::exchange(self_, nullptr));
}

inline Call& Host::invoke(Call& call, cof_invocation invocation) {
  invocation.struct_size = sizeof invocation;
  invocation.name = text(call.name);
  invocation.args = text(call.args);
  invocation.task_id = text(call.task_id);
  enter(call, nullptr, [&](const cof_call* given, const cof_sink* sink) -> std::int32_t {
    if (plugin_->invoke == nullptr) return COF_EUNSUPPORTED;
    Wire lent;
    const cof_invocation* copy = lent(&invocation);
    if (before_invoke) before_invoke(*const_cast<cof_invocation*>(copy));
    return plugin_->invoke(self_, given, copy, sink);
  });
  return call;
}

inline Call& Host::operation(std::string_view name, std::string_view args,
                             const OperationOptions& options) {
  Call& call = new_call(COF_CALL_OPERATION, name, options.timeout_ns);
  call.args = args;
  call.task_id = options.task_id;
  call.checkpoint = options.checkpoint;
  cof_invocation invocation{};
  invocation.attempt = options.attempt;
  invocation.attempts_max = options.attempts_max;
  invocation.checkpoint = bytes(options.checkpoint);
  return invoke(call, invocation);
}

inline Call& Host::route(std::string_view id, std::string_view head, std::string_view body) {
  Call& call = new_call(COF_CALL_ROUTE, id, 0);
  call.args = head;
  cof_invocation invocation{};
  invocation.body = bytes(body);
  return invoke(call, invocation);
}

inline Call& Host::event(std::string_view topic, std::string_view json) {
  Call& call = new_call(COF_CALL_EVENT, topic, 0);
  call.args = json;
  return invoke(call, cof_invocation{});
}

inline void Host::end(Call& call, Ended ended) {
  call.ended = std::move(ended);
  call.failure.reset();
  end_waiting(call.id);
  std::erase_if(open_files, [&](const auto& file) { return file.second.call_id == call.id; });
}

inline void Host::end_waiting(std::uint64_t call_id) {
  std::vector<Timer> cancelled;
  std::erase_if(timers_, [&](const Timer& timer) {
    if (timer.call_id == call_id) cancelled.push_back(timer);
    return timer.call_id == call_id;
  });
  for (const Timer& timer : cancelled) {
    queue(QueuedReply{.tag = timer.tag, .call_id = call_id, .status = COF_ECANCELLED});
  }
  std::vector<std::uint64_t> handles;
  for (const auto& [handle, transfer] : transfers) {
    if (transfer.call_id == call_id) handles.push_back(handle);
  }
  for (const std::uint64_t handle : handles) finish_transfer(transfers.at(handle), COF_ECANCELLED);
  handles.clear();
  for (const auto& [handle, process] : processes) {
    if (process.call_id == call_id) handles.push_back(handle);
  }
  for (const std::uint64_t handle : handles) finish_program(processes.at(handle), COF_ECANCELLED);
}

inline void Host::cancel(Call& call, std::int32_t reason) {
  std::unique_lock lock{mutex_};
  if (call.ended || call.cancel_reason != 0) return;
  call.cancel_reason = reason;
  end_waiting(call.id);
  if (plugin_->cancel == nullptr) return;
  idle_.wait(lock, [&] { return !busy_.contains(call.id); });
  busy_.insert(call.id);
  lock.unlock();
  {
    cof_cancel given{};
    given.struct_size = sizeof given;
    given.reason = reason;
    given.call_id = call.id;
    given.grace_ns = now_ns + 5'000'000'000;
    Wire lent;
    plugin_->cancel(self_, lent(&given));
  }
  lock.lock();
  busy_.erase(call.id);
  idle_.notify_all();
}

inline void Host::deliver(const QueuedReply& queued) {
  cof_reply reply{};
  reply.struct_size = sizeof reply;
  reply.status = queued.status;
  reply.tag = queued.tag;
  reply.call_id = queued.call_id;
  reply.flags = queued.flags;
  reply.kind = queued.kind;
  reply.value = queued.value;
  reply.value2 = queued.value2;
  reply.body = bytes(queued.body);
  reply.name = text(queued.name);
  reply.id = text(queued.id);
  reply.error_code = text(queued.error_code);
  reply.error_message = text(queued.error_message);
  reply.retry_after_ms = queued.retry_after_ms;
  Wire lent;
  plugin_->reply(self_, lent(&reply));
}

inline bool Host::deliver_one() {
  std::unique_lock lock{mutex_};
  const auto next = std::find_if(replies_.begin(), replies_.end(), [&](const QueuedReply& reply) {
    return !busy_.contains(reply.call_id);
  });
  if (next == replies_.end()) return false;
  const QueuedReply reply = std::move(*next);
  replies_.erase(next);
  if (const auto open = open_tags_.find(reply.tag);
      reply.flags == COF_REPLY_LAST && open != open_tags_.end()) {
    open_tags_.erase(open);
  }
  busy_.insert(reply.call_id);
  ++replies_delivered;
  lock.unlock();
  deliver(reply);
  lock.lock();
  busy_.erase(reply.call_id);
  idle_.notify_all();
  return true;
}

inline bool Host::fire_timer(std::int64_t until_ns) {
  const std::lock_guard lock{mutex_};
  const auto next =
      std::min_element(timers_.begin(), timers_.end(),
                       [](const Timer& a, const Timer& b) { return a.due_ns < b.due_ns; });
  if (next == timers_.end() || next->due_ns > until_ns) return false;
  const Timer timer = *next;
  timers_.erase(next);
  if (timer.due_ns > now_ns) {
    wall_ms += (timer.due_ns - now_ns) / 1'000'000;
    now_ns = timer.due_ns;
  }
  queue(QueuedReply{.tag = timer.tag, .call_id = timer.call_id});
  return true;
}

inline void Host::run() {
  while (deliver_one() || fire_timer(now_ns)) {
  }
}

// Moves the time to `until_ns`, timer by timer.
inline void Host::move_to(std::int64_t until_ns) {
  while (fire_timer(until_ns)) run();
  const std::lock_guard lock{mutex_};
  wall_ms += (until_ns - now_ns) / 1'000'000;
  now_ns = until_ns;
}

inline void Host::advance(std::int64_t ns) {
  const std::int64_t until = now_ns + ns;
  run();
  for (;;) {
    Call* next = nullptr;  // whose deadline is the first to pass
    for (Call& call : calls) {
      if (call.ended || call.cancel_reason != 0 || call.deadline_ns > until) continue;
      if (next == nullptr || call.deadline_ns < next->deadline_ns) next = &call;
    }
    if (next == nullptr) break;
    move_to(std::max(next->deadline_ns, now_ns));
    cancel(*next, COF_CANCEL_DEADLINE);
    run();
  }
  move_to(until);
  run();
}

inline bool Host::logged(std::string_view part) const {
  const std::lock_guard lock{mutex_};
  return std::any_of(logs.begin(), logs.end(),
                     [&](const Logged& line) { return line.text.find(part) != std::string::npos; });
}

inline Call* Host::find_running(std::uint64_t id) {
  for (Call& call : calls) {
    if (call.id == id) return call.ended ? nullptr : &call;
  }
  return nullptr;
}

inline void Host::accept_tag(std::uint64_t tag) { open_tags_.insert(tag); }
inline void Host::queue(QueuedReply reply) { replies_.push_back(std::move(reply)); }

}  // namespace cofounder::testkit
