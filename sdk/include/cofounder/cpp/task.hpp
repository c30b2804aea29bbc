// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "result.hpp"

#include <atomic>
#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

// Task<T>: a coroutine of a plugin.
//
//   Task<Json> upload(Context ctx, Json args) {
//     auto response = co_await ctx.http().get(url);
//     if (!response) throw Failed{response.failure()};
//     co_return Json{{"status", response->status}};
//   }
//
// It starts when it is awaited (or given to the layer), and ends with co_return or an exception.
// Take parameters by value: a reference would outlive what it refers to.
//
// THE RULE FOR g++ 12: "Name it, then await it; await it, then test it."  g++ 12.2 compiles some
// forms of co_await into double frees, so that co_await appears only as a statement, as the
// initializer of a named variable, or after co_return; and its arguments are names, moves, or
// temporaries of classes that have constructors.
//   wrong                                        right
//   if (!co_await stream.next()) ...             auto item = co_await stream.next(); if (!item) ...
//   while (co_await more()) ...                  for (;;) { const bool more = co_await ...; }
//   co_await run([x] {...})                      auto job = [x] {...}; co_await
//   run(std::move(job)); co_await send({.url = u})                    HttpRequest request{...};
//   co_await send(request); co_await emit(Json::object({{"a", 1}}))      name the Json first (a
//   braced list in a co_await
//                                                expression does not compile)
// For the same reason no class of this layer that one would write inside a co_await expression is
// an aggregate.
namespace cofounder::sdk::inline v1 {

template <class T>
class Task;

namespace detail {

// Who goes on when a task ends.
//
// A task that ends before it ever waited must not resume its awaiter from its own final suspension:
// a loop over such tasks would grow the stack without end where the compiler makes no tail call
// (-O0, sanitizers).  So both sides come to `met`, and the second one carries on.  It is atomic
// because a task that waits may end on another worker while its awaiter is still suspending.
struct Meeting {
  std::coroutine_handle<> awaiter;
  std::atomic<bool> met{false};

  bool second() noexcept { return met.exchange(true, std::memory_order_acq_rel); }
};

struct FinalAwaiter {
  bool await_ready() const noexcept { return false; }
  template <class Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> ended) const noexcept {
    Meeting& meeting = ended.promise().meeting;
    const std::coroutine_handle<> awaiter = meeting.awaiter;
    if (meeting.second()) return awaiter;
    return std::noop_coroutine();
  }
  void await_resume() const noexcept {}
};

template <class T>
struct PromiseBase {
  std::suspend_always initial_suspend() const noexcept { return {}; }
  FinalAwaiter final_suspend() const noexcept { return {}; }
  void unhandled_exception() noexcept { exception = std::current_exception(); }

  Meeting meeting;
  std::exception_ptr exception;
};

template <class T>
struct Promise : PromiseBase<T> {
  Task<T> get_return_object() noexcept;
  void return_value(T given) { value.emplace(std::move(given)); }
  T take() {
    if (this->exception) std::rethrow_exception(std::move(this->exception));
    return std::move(*value);
  }

  std::optional<T> value;
};

template <>
struct Promise<void> : PromiseBase<void> {
  Task<void> get_return_object() noexcept;
  void return_void() const noexcept {}
  void take() {
    if (exception) std::rethrow_exception(std::move(exception));
  }
};

}  // namespace detail

template <class T = void>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::Promise<T>;
  using Handle = std::coroutine_handle<promise_type>;
  using Value = T;

  explicit Task(Handle handle) noexcept : handle_{handle} {}
  Task(Task&& other) noexcept : handle_{std::exchange(other.handle_, nullptr)} {}
  Task& operator=(Task&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Task() {
    if (handle_) handle_.destroy();
  }

  // Awaiting starts it.  At most once.
  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> awaiter) {
    detail::Meeting& meeting = handle_.promise().meeting;
    meeting.awaiter = awaiter;
    handle_.resume();
    return !meeting.second();
  }
  // The value, or throws what the task threw.
  T await_resume() { return handle_.promise().take(); }

 private:
  Handle handle_;
};

template <class T>
Task<T> detail::Promise<T>::get_return_object() noexcept {
  return Task<T>{std::coroutine_handle<Promise<T>>::from_promise(*this)};
}
inline Task<void> detail::Promise<void>::get_return_object() noexcept {
  return Task<void>{std::coroutine_handle<Promise<void>>::from_promise(*this)};
}

namespace detail {

// A coroutine that belongs to nobody: it starts at once and frees itself at its end.
struct Detached {
  struct promise_type {
    Detached get_return_object() const noexcept { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }
  };
};

template <class T>
struct IsTask : std::false_type {};
template <class T>
struct IsTask<Task<T>> : std::true_type {};

}  // namespace detail
}  // namespace cofounder::sdk::inline v1
