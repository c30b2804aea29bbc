// SPDX-License-Identifier: Apache-2.0
#include "core/host/proxy.hpp"

#include "core/base/log.hpp"
#include "core/host/border.hpp"
#include "core/host/proxy_entries.hpp"
#include "core/base/text.hpp"
#include "core/wire/trampolines.hpp"

#include <algorithm>
#include <csignal>
#include <cstring>
#include <utility>

#include <sys/mman.h>
#include <unistd.h>

namespace cofounder::host {
namespace {

// Entries that the child has and did not end: so much lies in its memory and in the socket.
constexpr std::size_t sent_entries_max = 256;
constexpr std::size_t sent_bytes_max = 4u << 20;
// Over this the child is ended: it asks and asks and never takes what it asked for.
constexpr std::size_t waiting_entries_most = 100'000;
constexpr std::size_t waiting_bytes_most = 256u << 20;

std::string text_of(const ChildEnd& how) {
  if (how.signal != 0) {
    return "was killed by signal " + std::to_string(how.signal) + " (" + ::strsignal(how.signal) + ")";
  }
  if (how.code == wire::thread_ended) {
    return "ended the thread that it was entered on, so its process ended";
  }
  return "ended its process with status " + std::to_string(how.code);
}

}  // namespace

Proxy::Proxy(Instance& instance) : instance_{instance} {}

Proxy::~Proxy() {
  *alive_ = false;
  if (pulse_ != nullptr) ::munmap(pulse_, wire::pulse_bytes);
}

Error Proxy::make_why(const char* code, const std::string& what) const {
  Error why = make_error(code, "plugin \"" + instance_.id() + "\" " + what, true);
  why.plugin = instance_.id();
  why.hint = "cofounderctl plugin start " + instance_.id();
  return why;
}

// ---- The child's life ----------------------------------------------------------------------------

void Proxy::watch() {
  watch_->start(
      *pulse_,
      [this] {
        return ChildWatch::Asked{!pending_.empty() || instance_.calls().size() != 0, last_sequence_};
      },
      [this](const char* code, const std::string& what) { end(make_why(code, what)); });
}

void Proxy::on_exit(const ChildEnd& how) {
  if (!finished_) link_->drain();  // what it said before it ended counts
  process_ = nullptr;
  std::string what = text_of(how);
  const std::optional<CrashReport> report = read_crash_report(crash_.get());
  const bool out_of_memory = how.out_of_memory || (report && report->is_out_of_memory());
  if (out_of_memory) {
    what += ": it needed more than limits.memory_bytes_max = " +
            std::to_string(instance_.config()->limits.memory_bytes_max);
  }
  const bool out_of_time = !out_of_memory && how.signal == SIGXCPU && watch_ != nullptr;
  if (out_of_time) {
    const PluginConfig::Limits& limits = instance_.config()->limits;
    what += watch_->life_is_limit()
                ? ": it used more than limits.cpu_seconds_max = " + std::to_string(limits.cpu_seconds_max)
                : ": it used more than limits.idle_cpu_max = " + to_string(limits.idle_cpu_max);
  }
  // Unless it was ended.
  const char* const code = out_of_memory ? "memory_limit" : out_of_time ? "cpu_limit" : "plugin_crashed";
  lost(make_why(code, what), how.signal);
  if (on_gone) std::exchange(on_gone, nullptr)(how.signal, report);
  crash_ = {};
  link_ = nullptr;
  for (UniqueFunction<void()>& action : std::exchange(gone_waiters_, {})) action();
}

void Proxy::when_gone(UniqueFunction<void()> action) {
  if (process_ == nullptr) return action();
  gone_waiters_.push_back(std::move(action));
}

void Proxy::end(Error why, bool politely) {
  if (process_ != nullptr && politely) process_->terminate();
  if (process_ != nullptr && !politely) process_->kill();
  lost(std::move(why));
}

void Proxy::broken(wire::Broken why) {
  end(make_why("plugin_broke_protocol",
               std::string{"sent the daemon "} + wire::to_text(why) + ", so it was ended"));
}

void Proxy::lost(Error why, int signal) {
  if (std::exchange(finished_, true)) return;
  watch_ = nullptr;
  if (link_ != nullptr) link_->close();
  waiting_.clear();
  pending_.clear();
  loaded_ = nullptr;
  if (on_lost) on_lost(why, signal);
}

void Proxy::finish() {
  if (std::exchange(finished_, true)) return;
  on_gone = nullptr;
  watch_ = nullptr;
  if (link_ != nullptr) link_->close();
  pending_.clear();
  waiting_.clear();
  if (process_ == nullptr) return;
  instance_.loop().clock().call_after(Milliseconds{2'000}, [this, alive = alive_] {
    if (*alive && process_ != nullptr) process_->kill();
  });
}

void Proxy::close() {
  finish();
  on_gone = nullptr;
  gone_waiters_.clear();
  link_ = nullptr;
  process_ = nullptr;
}

int Proxy::pid() const noexcept { return process_ == nullptr ? 0 : process_->pid(); }

std::int64_t Proxy::inside_since(const Call& call) const noexcept {
  if (pulse_ == nullptr || finished_) return 0;
  for (const wire::Pulse::Thread& thread : pulse_->threads) {
    const std::uint64_t sequence = thread.sequence.load(std::memory_order_acquire);
    if (sequence == 0) continue;
    const auto it = pending_.find(sequence);
    if (it != pending_.end() && it->second.entered.call.get() == &call) {
      return std::max<std::int64_t>(thread.since_ns.load(std::memory_order_relaxed), 1);
    }
  }
  return 0;
}

// ---- Entries -------------------------------------------------------------------------------------

void Proxy::make_api(std::uint32_t entries) {
  api_ = all_entry_stubs();
  api_.struct_size = sizeof api_;
  api_.abi_major = COF_ABI_MAJOR;
  api_.abi_minor = COF_ABI_MINOR;
  std::uint32_t bit = 1;
  [&]<class... S>(wire::Slots<S...>) {
    ((api_.*S::member = (entries & bit) != 0 ? api_.*S::member : nullptr, bit <<= 1), ...);
  }(wire::EntrySlots{});
}

bool Proxy::has_room(std::size_t bytes) const noexcept {
  if (held_ != 0) return false;
  if (sent_entries_ == 0) return true;
  return sent_entries_ < sent_entries_max && sent_bytes_ + bytes <= sent_bytes_max;
}

std::int32_t Proxy::send_entry(wire::Entry entry, std::string arguments) {
  if (finished_ || entering_ == nullptr) return COF_ECRASHED;
  if (arguments.size() > wire::frame_bytes_max) return COF_ETOOBIG;
  const std::size_t bytes = arguments.size();
  const std::uint64_t sequence = ++last_sequence_;
  if (waiting_.empty() && has_room(bytes)) {
    wire::Header header;
    header.kind = wire::Kind::entry;
    header.slot = static_cast<std::uint8_t>(entry);
    header.sequence = sequence;
    if (!link_->send(header, arguments)) return COF_EUNAVAILABLE;
    ++sent_entries_;
    sent_bytes_ += bytes;
  } else {
    waiting_.push_back({sequence, entry, std::move(arguments)});
    waiting_bytes_ += bytes;
  }
  pending_.emplace(sequence, Pending{std::move(*entering_), entry, bytes});
  sent_ = true;
  if (waiting_.size() > waiting_entries_most || waiting_bytes_ > waiting_bytes_most) {
    instance_.loop().post([this, alive = alive_] {
      if (*alive && !finished_) broken(wire::Broken::too_many_waiting);
    });
  }
  return COF_PENDING;
}

void Proxy::send_waiting() {
  while (!waiting_.empty() && has_room(waiting_.front().arguments.size())) {
    Waiting& next = waiting_.front();
    wire::Header header;
    header.kind = wire::Kind::entry;
    header.slot = static_cast<std::uint8_t>(next.entry);
    header.sequence = next.sequence;
    if (!link_->send(header, next.arguments)) {
      return end(make_why("child_not_reachable", "could not be sent an entry: no memory"));
    }
    ++sent_entries_;
    sent_bytes_ += next.arguments.size();
    waiting_bytes_ -= next.arguments.size();
    waiting_.pop_front();
  }
}

void Proxy::on_returned(const wire::Frame& frame) {
  const auto it = pending_.find(frame.header.sequence);
  // The front of those that wait is the oldest that the child cannot know.
  const bool unsent = !waiting_.empty() && frame.header.sequence >= waiting_.front().sequence;
  if (it == pending_.end() || unsent) return broken(wire::Broken::bad_sequence);
  const auto returned = wire::decode_returned(frame.arguments);
  if (!returned) return broken(wire::Broken::bad_argument);
  Pending pending = std::move(it->second);
  pending_.erase(it);
  --sent_entries_;
  sent_bytes_ -= pending.bytes;
  Entered& entered = pending.entered;
  if (pending.entry == wire::Entry::reply) {
    instance_.reply_returned(entered.operation, entered.last, std::move(entered.delivered));
  } else if (pending.entry == wire::Entry::cancel) {
    entered.call->cancel_delivered = true;
  } else {
    end_entry(std::move(entered.call), *returned);
  }
  if (!finished_) send_waiting();
}

void Proxy::end_entry(std::shared_ptr<Call> call, const wire::Returned& returned) {
  if (returned.result.size() <= loop_bytes_max) {
    return instance_.entry_returned(call, returned.status, std::string{returned.result},
                                    returned.too_big);
  }
  const auto strand = std::make_shared<Workers::Strand>();
  instance_.workers().post(*strand, [this, strand, call = std::move(call), status = returned.status,
                                     result = std::string{returned.result}]() mutable {
    instance_.entry_returned(call, status, std::move(result), false);
  });
}

// ---- What the child sends ------------------------------------------------------------------------

void Proxy::on_frame(wire::Incoming& incoming) {
  if (finished_) return;
  const wire::Frame& frame = incoming.frame;
  if ((frame.header.kind == wire::Kind::loaded) == is_loaded_) {
    return broken(wire::Broken::out_of_turn);
  }
  // Requests are checked when they are decoded to be made.
  if (frame.header.kind == wire::Kind::request) return on_request(incoming);
  const wire::Broken why = wire::check_arguments(frame.header, frame.arguments);
  if (why != wire::Broken::no) return broken(why);
  if (frame.header.kind == wire::Kind::loaded) return on_loaded(frame);
  on_returned(frame);
}

void Proxy::on_loaded(const wire::Frame& frame) {
  const auto loaded = wire::decode_loaded(frame.arguments);
  if (!loaded) return broken(wire::Broken::bad_argument);
  is_loaded_ = true;
  Loaded done = std::exchange(loaded_, nullptr);
  if (loaded->status != COF_OK) {
    const bool known = is_error_code(loaded->code) && is_utf8(loaded->text);
    Error error = make_error(known ? std::string{loaded->code} : "plugin_not_loaded",
                             known ? std::string{cut_text(loaded->text, 4'096)}
                                   : "plugin \"" + instance_.id() + "\" could not be loaded");
    finish();  // it said all, and ends
    return done(std::move(error));
  }
  watch();
  make_api(loaded->entries);
  if (api_.create == nullptr || api_.destroy == nullptr) return broken(wire::Broken::bad_argument);
  done(std::nullopt);
}

}  // namespace cofounder::host
