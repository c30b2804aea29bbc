// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "context.hpp"
#include "route.hpp"
#include "task.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

// The inside of plugin_class.hpp: how functions of a plugin become calls that end in one way.
namespace cofounder::sdk::inline v1::detail {

// How a call ended: with a body or with a failure.
struct Outcome {
  std::string body;
  std::optional<Failure> failure;
};

inline Outcome to_outcome(Context, const Json& result) { return {to_text(result), {}}; }

inline Outcome to_outcome(Context ctx, RouteResponse response) {
  if (response.status == 0) return {};  // a RouteStream has sent all of it
  const std::string lines = header_lines(response.headers);
  const auto status = ctx.tables()(ctx.tables().route, &cof_route_service::respond, ctx.id(),
                                   std::int32_t{response.status}, to_c(lines));
  if (status < 0) return {{}, checked(status, "respond").failure()};
  return {std::move(response.body), {}};
}

inline Outcome to_outcome(Context, Result<void> result) {
  if (!result) return {{}, result.failure()};
  return {};
}

template <class T>
Outcome to_outcome(Context ctx, Result<T> result) {
  if (!result) return {{}, result.failure()};
  return to_outcome(ctx, std::move(*result));
}

// The exception that is being handled, as an outcome.
inline Outcome exception_outcome() {
  try {
    throw;
  } catch (const Failed& failed) {
    return {{}, failed.failure()};
  } catch (const std::exception& error) {
    return {{}, Failure{COF_EINTERNAL, "exception", error.what()}};
  } catch (...) {
    return {{},
            Failure{COF_EINTERNAL, "exception", "It threw something that is no std::exception."}};
  }
}

template <class T>
Task<Outcome> await_outcome(Context ctx, Task<T> task) {
  if constexpr (std::is_void_v<T>) {
    co_await task;
    co_return Outcome{};
  } else {
    T value = co_await task;
    co_return to_outcome(ctx, std::move(value));
  }
}

// ---- Functions of a plugin
// ------------------------------------------------------------------------

template <class Function>
struct Signature;
template <class C, class R, class... A>
struct Signature<R (C::*)(A...)> {
  using Class = C;
  using Return = R;
  static constexpr std::size_t count = sizeof...(A);
  static constexpr bool by_value = !(std::is_reference_v<A> || ...);
  template <class T>
  static constexpr bool takes = (std::is_same_v<std::remove_cvref_t<A>, T> || ...);
};
template <class C, class R, class... A>
struct Signature<R (C::*)(A...) const> : Signature<R (C::*)(A...)> {};
template <class C, class R, class... A>
struct Signature<R (C::*)(A...) noexcept> : Signature<R (C::*)(A...)> {};
template <class C, class R, class... A>
struct Signature<R (C::*)(A...) const noexcept> : Signature<R (C::*)(A...)> {};

// An operation, route or event handler.  Exactly one of the two functions is set.
template <class Input>
struct Endpoint {
  std::string name;
  std::function<Outcome(Context, Input)> now;
  std::function<Task<Outcome>(Context, Input)> later;
};

template <class Input, class C, class Method>
decltype(auto) enter(C* self, Method method, Context ctx, Input input) {
  using S = Signature<Method>;
  constexpr bool wants_context = S::template takes<Context>;
  constexpr bool wants_input = S::template takes<Input>;
  static_assert(S::count == (wants_context ? 1 : 0) + (wants_input ? 1 : 0),
                "An operation or event handler takes (Context, Json), a route (Context, "
                "RouteRequest), each of them or none.");
  if constexpr (wants_context && wants_input) {
    return (self->*method)(ctx, std::move(input));
  } else if constexpr (wants_input) {
    return (self->*method)(std::move(input));
  } else if constexpr (wants_context) {
    return (self->*method)(ctx);
  } else {
    return (self->*method)();
  }
}

template <class Input, class C, class Method>
Endpoint<Input> make_endpoint(std::string name, C* self, Method method) {
  using Return = typename Signature<Method>::Return;
  Endpoint<Input> endpoint;
  endpoint.name = std::move(name);
  if constexpr (IsTask<Return>::value) {
    static_assert(Signature<Method>::by_value,
                  "A coroutine takes its parameters by value: references would dangle.");
    endpoint.later = [self, method](Context ctx, Input input) {
      return await_outcome(ctx, enter(self, method, ctx, std::move(input)));
    };
  } else {
    endpoint.now = [self, method](Context ctx, Input input) {
      if constexpr (std::is_void_v<Return>) {
        enter(self, method, ctx, std::move(input));
        return Outcome{};
      } else {
        return to_outcome(ctx, enter(self, method, ctx, std::move(input)));
      }
    };
  }
  return endpoint;
}

// ---- Ending a call
// --------------------------------------------------------------------------------

// What the host would refuse must not keep a call from ending.
inline void make_presentable(Failure& failure) {
  const auto is_fine = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  };
  bool fine = failure.code.size() <= 64;
  for (const char c : failure.code) fine = fine && is_fine(c);
  if (!fine) failure.code.clear();
  // Not every text that a provider or an exception brings is UTF-8.
  failure.message = Json::parse(to_text(Json(failure.message))).get<std::string>();
  if (failure.status >= 0 && failure.status != COF_DEFERRED) failure.status = COF_EINTERNAL;
  if (failure.retry_after < Milliseconds{0}) failure.retry_after = Milliseconds{0};
}

inline std::int32_t retryable_field(const Failure& failure) noexcept {
  if (!failure.retryable) return 0;
  return *failure.retryable ? 1 : 2;
}

// Ends the call by the entry's return.
inline std::int32_t end_now(const Call& call, Outcome outcome, const cof_sink* sink) {
  if (!outcome.failure) {
    if (sink == nullptr || outcome.body.empty()) return COF_OK;
    return sink->write(sink->context, outcome.body.data(), outcome.body.size());
  }
  Failure& reason = *outcome.failure;
  make_presentable(reason);
  if (reason.status == COF_DEFERRED) return COF_DEFERRED;
  cof_failure failure{};
  failure.struct_size = sizeof failure;
  failure.retryable = retryable_field(reason);
  failure.code = to_c(reason.code);
  failure.message = to_c(reason.message);
  failure.retry_after_ms = reason.retry_after.count();
  (*call.tables)(call.tables->error, &cof_error_service::set, call.id,
                 static_cast<const cof_failure*>(&failure));
  return reason.status;
}

// Ends a pending call.
inline void end_later(const Call& call, Outcome outcome) {
  cof_outcome given{};
  given.struct_size = sizeof given;
  given.result = to_bytes(outcome.body);
  if (outcome.failure) {
    Failure& reason = *outcome.failure;
    make_presentable(reason);
    given.status = reason.status;
    given.result = {};
    if (reason.status != COF_DEFERRED) {
      given.error_code = to_c(reason.code);
      given.error_message = to_c(reason.message);
      given.retryable = retryable_field(reason);
      given.retry_after_ms = reason.retry_after.count();
    }
  }
  (*call.tables)(call.tables->call, &cof_call_service::complete, call.id,
                 static_cast<const cof_outcome*>(&given));
}

// ---- Running a coroutine as a call
// ----------------------------------------------------------------

// While the entry runs that began the call, its end goes there; later, to complete().  Nothing here
// is atomic: the host never enters one call twice at a time.
struct RunningCall : Call {
  using Call::Call;
  std::optional<Outcome>* entry = nullptr;
};

inline Detached drive(std::unique_ptr<RunningCall> call, Task<Outcome> task) {
  Outcome outcome;
  try {
    // Moved, so that the coroutine's own objects are gone before the call ends.
    Task<Outcome> running = std::move(task);
    Outcome ended = co_await running;
    outcome = std::move(ended);
  } catch (...) {
    outcome = exception_outcome();
  }
  if (call->entry != nullptr) {
    *call->entry = std::move(outcome);
  } else {
    end_later(*call, std::move(outcome));
  }
}

inline std::int32_t run(std::unique_ptr<RunningCall> call, Task<Outcome> task,
                        const cof_sink* sink) {
  std::optional<Outcome> outcome;
  const Call copy{*call->tables, cof_call{sizeof(cof_call), 0, call->id, call->deadline_ns}};
  RunningCall* running = call.get();
  running->entry = &outcome;
  drive(std::move(call), std::move(task));
  if (outcome) return end_now(copy, std::move(*outcome), sink);
  running->entry = nullptr;
  return COF_PENDING;
}

}  // namespace cofounder::sdk::inline v1::detail
