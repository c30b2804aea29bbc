// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "result.hpp"
#include "task.hpp"

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <string>
#include <utility>

// How answers of asynchronous host services come back to the code that waits for them.
namespace cofounder::sdk::inline v1 {

// A cof_reply that outlives the entry that brought it.
struct Reply {
  std::int32_t status = COF_OK;
  std::int32_t kind = 0;
  std::int64_t value = 0;
  std::int64_t value2 = 0;
  std::string body;
  std::string name;
  std::string id;
  std::string error_code;
  std::string error_message;
  bool retryable = false;
  Milliseconds retry_after{0};

  explicit Reply(const cof_reply& reply)
      : status{reply.status},
        kind{reply.kind},
        value{reply.value},
        value2{reply.value2},
        body{view(reply.body)},
        name{view(reply.name)},
        id{view(reply.id)},
        error_code{view(reply.error_code)},
        error_message{view(reply.error_message)},
        retryable{reply.retryable == 1},
        retry_after{reply.retry_after_ms} {}
  Reply() = default;

  Failure failure() const {
    Failure failure{status, error_code.empty() ? status_name(status) : error_code, error_message};
    failure.retryable = retryable || status_is_retryable(status);
    failure.retry_after = retry_after;
    failure.value = value;
    return failure;
  }
};

namespace detail {

// One question to the host that has not been answered for good.
//
// Its address is the tag.  Two sides hold it: the host until the last reply, and the Future until
// that is dropped; whoever lets go last frees it.  Waiter and done are atomic because a question
// that belongs to no call may be answered on another worker of a parallel plugin before the asker
// has suspended.
class Pending {
 public:
  Pending() = default;
  Pending(const Pending&) = delete;
  Pending& operator=(const Pending&) = delete;
  virtual ~Pending() = default;

  std::uint64_t tag() const noexcept { return reinterpret_cast<std::uintptr_t>(this); }
  static void enter(const cof_reply& reply) noexcept {
    reinterpret_cast<Pending*>(static_cast<std::uintptr_t>(reply.tag))->deliver(reply);
  }

  void retain() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  void release() noexcept {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  // To be called with what the service function returned.
  void started(std::int32_t status, const char* what) {
    if (status >= 0) return;
    last.status = status;
    last.error_code = status_name(status);
    last.error_message = std::string{what} + ": " + status_name(status);
    last.retryable = status_is_retryable(status);
    done_.store(true, std::memory_order_release);
    release();
  }

  bool done() const noexcept { return done_.load(std::memory_order_acquire); }
  // Forgets that something came, because the caller is about to look.
  void looked() noexcept {
    void* expected = signal();
    waiter_.compare_exchange_strong(expected, nullptr, std::memory_order_acq_rel);
  }
  // False when something came meanwhile, so that nobody needs to wait.
  bool wait(std::coroutine_handle<> waiter) noexcept {
    void* expected = nullptr;
    if (waiter_.compare_exchange_strong(expected, waiter.address(), std::memory_order_acq_rel)) {
      return true;
    }
    waiter_.store(nullptr, std::memory_order_release);
    return false;
  }

  // Nobody wants the answer any more.
  virtual void abandon() noexcept {}

  Reply last;  // the last reply, once done()

 protected:
  // Takes a reply that is not the last.  False: it wakes nobody.
  virtual bool accept(const cof_reply&) { return false; }

 private:
  void* signal() noexcept { return &waiter_; }

  void deliver(const cof_reply& reply) noexcept {
    const bool is_last = (reply.flags & COF_REPLY_LAST) != 0;
    bool wakes = true;
    try {
      if (is_last) {
        last = Reply{reply};
      } else {
        wakes = accept(reply);
      }
    } catch (...) {
      broken_ = true;  // out of memory: the answer is incomplete, and so it must not be a success
    }
    if (is_last) {
      if (broken_ && last.status >= 0) last.status = COF_EINTERNAL;
      done_.store(true, std::memory_order_release);
    }
    if (wakes) wake();
    if (is_last) release();
  }

  void wake() noexcept {
    void* waiter = waiter_.exchange(signal(), std::memory_order_acq_rel);
    if (waiter == nullptr || waiter == signal()) return;
    waiter_.store(nullptr, std::memory_order_release);
    std::coroutine_handle<>::from_address(waiter).resume();
  }

  std::atomic<int> references_{2};
  std::atomic<void*> waiter_{nullptr};
  std::atomic<bool> done_{false};
  bool broken_ = false;
};

// Holds a Pending and lets go of it.
template <class P>
class Ref {
 public:
  explicit Ref(P* pending) noexcept : pending_{pending} {}
  Ref(Ref&& other) noexcept : pending_{std::exchange(other.pending_, nullptr)} {}
  Ref& operator=(Ref&& other) noexcept {
    std::swap(pending_, other.pending_);
    return *this;
  }
  ~Ref() {
    if (pending_ == nullptr) return;
    if (!pending_->done()) pending_->abandon();
    pending_->release();
  }
  P* operator->() const noexcept { return pending_; }
  P* get() const noexcept { return pending_; }
  P* take() noexcept { return std::exchange(pending_, nullptr); }

 private:
  P* pending_;
};

// Lets go of a Pending that was awaited.
struct Answered {
  explicit Answered(Pending* given) noexcept : pending{given} {}
  Answered(const Answered&) = delete;
  Answered& operator=(const Answered&) = delete;
  ~Answered() { pending->release(); }
  Pending* pending;
};

}  // namespace detail

// The answer that a host service will give.  The service was asked when the Future was made, so
// that several may be under way at once:
//   auto first = ctx.http().get(a);
//   auto second = ctx.http().get(b);
//   auto one = co_await first;
//   auto two = co_await second;
// Await it at most once, in the call that it was made in.  A Future that is dropped before its
// answer: an HTTP request is cancelled, everything else is done all the same.
template <class T>
class [[nodiscard]] Future {
 public:
  using Read = Result<T> (*)(detail::Pending& answered);

  Future(detail::Pending* pending, Read read) noexcept : pending_{pending}, read_{read} {}

  bool await_ready() const noexcept { return pending_->done(); }
  bool await_suspend(std::coroutine_handle<> waiter) noexcept { return pending_->wait(waiter); }
  Result<T> await_resume() {
    // What was read may live on without this Future (a stream does), so nothing is abandoned.
    const detail::Answered answered{pending_.take()};
    return read_(*answered.pending);
  }

  // Lets the answer come or not: nobody looks at it.
  void ignore() && noexcept {}

 private:
  detail::Ref<detail::Pending> pending_;
  Read read_;
};

namespace detail {

// A Future whose service was asked by `ask(tag)`; `what` names it in failures.
template <class T, class Ask>
Future<T> ask(const char* what, Ask&& ask, Result<T> (*read)(Pending&)) {
  auto* pending = new Pending;
  Future<T> future{pending, read};
  pending->started(ask(pending->tag()), what);
  return future;
}

inline Result<void> read_nothing(Pending& answered) {
  if (answered.last.status < 0) return answered.last.failure();
  return {};
}
inline Result<std::string> read_body(Pending& answered) {
  if (answered.last.status < 0) return answered.last.failure();
  return std::move(answered.last.body);
}
inline Result<Json> read_json(Pending& answered) {
  if (answered.last.status < 0) return answered.last.failure();
  return Json::parse(answered.last.body);
}

}  // namespace detail
}  // namespace cofounder::sdk::inline v1
