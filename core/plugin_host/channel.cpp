// SPDX-License-Identifier: Apache-2.0
#include "core/plugin_host/channel.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include <poll.h>
#include <unistd.h>

namespace cofounder::plugin_host {
namespace {

enum class Order { usual, begins, exclusive };

Order order_of(const Job& job) noexcept {
  switch (job.entry) {
    case wire::Entry::create:
    case wire::Entry::destroy:
    case wire::Entry::start:
    case wire::Entry::stop:
      return Order::exclusive;
    case wire::Entry::configure: {
      // Behind the call (kind, id, deadline): CHECK may overlap, APPLY may not.
      constexpr std::size_t at = sizeof(std::int32_t) + 2 * sizeof(std::int64_t);
      std::int32_t phase = COF_CONFIGURE_APPLY;
      if (job.arguments.size() >= at + sizeof phase) {
        std::memcpy(&phase, job.arguments.data() + at, sizeof phase);
      }
      return phase == COF_CONFIGURE_CHECK ? Order::begins : Order::exclusive;
    }
    case wire::Entry::reply:
    case wire::Entry::cancel:
      return Order::usual;
    default:
      return Order::begins;
  }
}

std::string_view take_number(std::string_view bytes, std::uint64_t& number) noexcept {
  if (bytes.size() < sizeof number) return {};
  std::memcpy(&number, bytes.data(), sizeof number);
  return bytes.substr(sizeof number);
}

constexpr int ended_well = 0;
constexpr int broken_daemon = 70;  // EX_SOFTWARE
constexpr int no_room_poll_ms = 20;

}  // namespace

// Not exit(): destructors of the plugin could do anything, and nobody waits for them.
void Channel::leave(int code) noexcept { ::_exit(code); }

// ---- Sending -------------------------------------------------------------------------------------

void Channel::post(const wire::Header& header, std::string_view arguments) {
  if (arguments.size() <= wire::inline_bytes_max) {
    wire::Header sized = header;
    sized.size = static_cast<std::uint32_t>(arguments.size());
    const wire::Sent sent = wire::send_inline(socket_, sized, arguments);
    if (sent == wire::Sent::yes) return;
    if (sent == wire::Sent::closed) leave(ended_well);
  }
  const auto outgoing = wire::pack(header, arguments);
  if (!outgoing) throw std::bad_alloc{};
  send(*outgoing);
}

void Channel::send(const wire::Outgoing& outgoing) {
  for (;;) {
    const wire::Sent sent = wire::send(socket_, outgoing);
    if (sent == wire::Sent::yes) return;
    if (sent == wire::Sent::closed) leave(ended_well);
    wait_for_room();
  }
}

// The daemon reads nothing more while it cannot send, so who waits for room must read.
void Channel::wait_for_room() {
  pollfd socket{socket_, POLLOUT, 0};
  Lock lock{mutex_};
  const bool mine = !std::exchange(reading_, true);
  if (mine) {
    socket.events |= POLLIN;
    reader_is_worker_ = false;
  }
  lock.unlock();
  // A reader that stops while this waits does not know of it: so look again soon.
  ::poll(&socket, 1, no_room_poll_ms);
  if (!mine) return;
  lock.lock();
  reading_ = false;
  if ((socket.revents & POLLIN) != 0) read_one(lock, false);
  pass_on();
}

std::string Channel::ask(wire::Header header, std::string_view arguments, std::uint64_t* handle) {
  Sleeper me;
  me.handle = handle;
  {
    const Lock lock{mutex_};
    me.sequence = ++last_sequence_;
    askers_.push_back(&me);
  }
  header.sequence = me.sequence;
  try {
    post(header, arguments);
  } catch (...) {
    const Lock lock{mutex_};
    std::erase(askers_, &me);
    throw;
  }
  Lock lock{mutex_};
  while (!me.answered) wait_turn(lock, me);
  pass_on();
  return std::move(me.answer);
}

// ---- Reading -------------------------------------------------------------------------------------

// Reads a frame, or waits until somebody wakes this.
void Channel::wait_turn(Lock& lock, Sleeper& me) {
  if (!reading_) {
    reader_is_worker_ = me.worker;
    return read_one(lock, true);
  }
  sleepers_.push_back(&me);
  me.wake.wait(lock, [&] { return me.woken; });
  me.woken = false;
}

// With the lock held, and nobody reading.
void Channel::read_one(Lock& lock, bool wait) {
  reading_ = true;
  lock.unlock();
  wire::Incoming incoming = wire::receive(socket_, buffer_.get(), wire::Side::daemon, wait);
  if (incoming.what == wire::Incoming::What::closed) leave(ended_well);
  if (incoming.what == wire::Incoming::What::broken) leave(broken_daemon);
  lock.lock();
  reading_ = false;
  if (incoming.what == wire::Incoming::What::frame) take(incoming);
}

void Channel::take(wire::Incoming& incoming) {
  switch (incoming.frame.header.kind) {
    case wire::Kind::answer:
      return take_answer(incoming.frame);
    case wire::Kind::entry:
      return take_entry(incoming);
    default:
      leave(broken_daemon);
  }
}

void Channel::take_answer(const wire::Frame& frame) {
  const auto it = std::find_if(askers_.begin(), askers_.end(), [&](const Sleeper* one) {
    return one->sequence == frame.header.sequence;
  });
  if (it == askers_.end()) leave(broken_daemon);
  Sleeper& asker = **it;
  askers_.erase(it);
  asker.answer = frame.arguments;
  asker.answered = true;
  constexpr std::size_t handle_at = sizeof(std::int32_t);
  if (asker.handle != nullptr && asker.answer.size() == handle_at + sizeof(std::uint64_t)) {
    std::memcpy(asker.handle, asker.answer.data() + handle_at, sizeof(std::uint64_t));
  }
  if (std::erase(sleepers_, &asker) > 0) {
    asker.woken = true;
    asker.wake.notify_one();
  }
}

void Channel::take_entry(wire::Incoming& incoming) {
  Job job;
  job.entry = static_cast<wire::Entry>(incoming.frame.header.slot);
  job.sequence = incoming.frame.header.sequence;
  std::string_view rest = incoming.frame.arguments;
  rest = take_number(rest, job.call_id);
  rest = take_number(rest, job.result_max);
  if (incoming.frame.header.in_memory == 1) {
    job.memory = std::move(incoming.memory);
    job.arguments = rest;
  } else {
    job.bytes = rest;
  }
  if (job.entry == wire::Entry::cancel) {
    // One that was not entered yet never will be.
    for (Job& waiting : jobs_) {
      if (waiting.call_id == job.call_id && order_of(waiting) == Order::begins) {
        waiting.skipped = true;
      }
    }
  }
  jobs_.push_back(std::move(job));
  // Small strings move with the job: look at them where they stay.
  Job& placed = jobs_.back();
  if (placed.arguments.empty()) placed.arguments = placed.bytes;
  // A worker that reads will do it itself.
  if (!reader_is_worker_ && find_job() < jobs_.size()) wake_one(true);
}

// This thread stops reading and waiting: somebody else does, if there is anybody.
void Channel::pass_on() {
  const bool work = !jobs_.empty() && find_job() < jobs_.size();
  if (work || !reading_) {
    if (!wake_one(true) && !reading_) wake_one(false);
  }
}

bool Channel::wake_one(bool worker) {
  const auto it = std::find_if(sleepers_.rbegin(), sleepers_.rend(),
                               [&](const Sleeper* one) { return one->worker == worker; });
  if (it == sleepers_.rend()) return false;
  Sleeper& sleeper = **it;
  sleepers_.erase(std::next(it).base());
  sleeper.woken = true;
  sleeper.wake.notify_one();
  return true;
}

// ---- Jobs ----------------------------------------------------------------------------------------

// The first job that may run now; jobs_.size() for none.  The order is that of the host's Workers.
std::size_t Channel::find_job() const {
  if (serial_) return busy_.empty() ? 0 : jobs_.size();
  if (alone_) return jobs_.size();
  const bool exclusive_waits = std::any_of(jobs_.begin(), jobs_.end(), [](const Job& job) {
    return order_of(job) == Order::exclusive;
  });
  std::vector<std::uint64_t> before;  // calls that have an earlier job
  for (std::size_t i = 0; i < jobs_.size(); ++i) {
    const Job& job = jobs_[i];
    const Order order = order_of(job);
    const auto has = [&](const auto& list) {
      return std::find(list.begin(), list.end(), job.call_id) != list.end();
    };
    const bool free = !has(busy_) && !has(before);
    before.push_back(job.call_id);
    if (!free) continue;
    if (order == Order::exclusive ? busy_.empty() : order == Order::usual || !exclusive_waits) {
      return i;
    }
  }
  return jobs_.size();
}

bool Channel::pick(Job& job) {
  if (jobs_.empty()) return false;
  const std::size_t at = find_job();
  if (at >= jobs_.size()) return false;
  Job& found = jobs_[at];
  const bool in_memory = !found.memory.bytes().empty();
  job = std::move(found);
  jobs_.erase(jobs_.begin() + static_cast<std::ptrdiff_t>(at));
  if (!in_memory) job.arguments = job.bytes;
  alone_ = order_of(job) == Order::exclusive;
  busy_.push_back(job.call_id);
  return true;
}

Job Channel::next() {
  Sleeper me;
  me.worker = true;
  Job job;
  Lock lock{mutex_};
  // What came while the plugin ran: a cancel may take back what was asked for before it.
  for (int i = 0; i < 64 && !reading_ && serial_; ++i) {
    const std::size_t had = jobs_.size();
    reader_is_worker_ = true;
    read_one(lock, false);
    if (jobs_.size() == had) break;
  }
  while (!pick(job)) wait_turn(lock, me);
  pass_on();
  return job;
}

void Channel::end(const Job& job, std::string_view returned) {
  wire::Header header;
  header.kind = wire::Kind::returned;
  header.sequence = job.sequence;
  post(header, returned);
  const Lock lock{mutex_};
  std::erase(busy_, job.call_id);
  alone_ = false;
}

}  // namespace cofounder::plugin_host
