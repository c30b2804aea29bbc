// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../abi.h"

#include <nlohmann/json.hpp>

#include <cassert>
#include <chrono>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace cofounder::sdk::inline v1 {

using Json = nlohmann::json;
using Milliseconds = std::chrono::milliseconds;
using Nanoseconds = std::chrono::nanoseconds;
// Wall time; the clock's epoch is 1970-01-01 UTC.
using WallTime = std::chrono::sys_time<Milliseconds>;

// The word for a status, used as a failure's code when nobody gave a better one.
inline const char* status_name(std::int32_t status) noexcept {
  switch (status) {
    case COF_OK:
      return "ok";
    case COF_PENDING:
      return "pending";
    case COF_DEFERRED:
      return "deferred";
    case COF_EINVALID:
      return "invalid";
    case COF_ENOTFOUND:
      return "not_found";
    case COF_EEXISTS:
      return "exists";
    case COF_EDENIED:
      return "denied";
    case COF_ELIMIT:
      return "limit_reached";
    case COF_ECANCELLED:
      return "cancelled";
    case COF_ETIMEDOUT:
      return "timed_out";
    case COF_EUNAVAILABLE:
      return "unavailable";
    case COF_ECONFLICT:
      return "conflict";
    case COF_EUNSUPPORTED:
      return "unsupported";
    case COF_EGONE:
      return "gone";
    case COF_ETOOBIG:
      return "too_big";
    case COF_EINTERNAL:
      return "internal";
    case COF_ECRASHED:
      return "crashed";
    default:
      return "failed";
  }
}

// What the status alone says about trying again (see cof_outcome.retryable).
inline bool status_is_retryable(std::int32_t status) noexcept {
  return status == COF_ELIMIT || status == COF_ETIMEDOUT || status == COF_EUNAVAILABLE ||
         status == COF_ECRASHED;
}

// Why something did not work.  Made by the layer from a host's answer, or by a plugin:
//   return Failure{"quota_exceeded", "The account has no credit left."};
//   return Failure{COF_EUNAVAILABLE, "provider_down", text}.retry_in(30s);
// It has constructors, so that it may stand in a co_await expression (see task.hpp).
class Failure {
 public:
  // Status COF_EFAILED: not retryable unless retry() says so.
  Failure(std::string its_code, std::string its_message)
      : Failure{COF_EFAILED, std::move(its_code), std::move(its_message)} {}
  Failure(std::int32_t its_status, std::string its_code, std::string its_message)
      : status{its_status}, code{std::move(its_code)}, message{std::move(its_message)} {}

  // Whether trying again may help: what was said, else what the status says.
  bool is_retryable() const noexcept { return retryable.value_or(status_is_retryable(status)); }
  bool is_cancelled() const noexcept { return status == COF_ECANCELLED; }

  Failure& retry(bool yes = true) & noexcept {
    retryable = yes;
    return *this;
  }
  Failure&& retry(bool yes = true) && noexcept { return std::move(retry(yes)); }
  // Retryable, but not earlier than after `wait`.
  Failure& retry_in(Milliseconds wait) & noexcept {
    retry_after = wait;
    return retry();
  }
  Failure&& retry_in(Milliseconds wait) && noexcept { return std::move(retry_in(wait)); }

  std::int32_t status;            // COF_E..., or COF_DEFERRED (see Context::defer)
  std::string code;               // [a-z0-9_]{1,64}; empty: the name of the status
  std::string message;            // for people, without secrets
  std::optional<bool> retryable;  // empty: as the status says
  Milliseconds retry_after{0};    // 0: the retry policy decides
  std::int64_t value = 0;         // cof_reply.value, for instance the version at a kv conflict
};

// A Failure as an exception.  Whoever throws it in an operation, hook or route ends the call with
// that failure; Result::value() throws it, too.
class Failed : public std::exception {
 public:
  explicit Failed(Failure failure) : failure_{std::move(failure)} {}
  Failed(std::string code, std::string message) : failure_{std::move(code), std::move(message)} {}

  const char* what() const noexcept override { return failure_.message.c_str(); }
  const Failure& failure() const noexcept { return failure_; }

 private:
  Failure failure_;
};

// A value or the reason why there is none.
template <class T>
class [[nodiscard]] Result {
 public:
  using Value = T;

  Result(T value) : state_{std::in_place_index<0>, std::move(value)} {}
  Result(Failure failure) : state_{std::in_place_index<1>, std::move(failure)} {}

  bool has_value() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }

  // The value; throws Failed when there is none.
  T& value() & {
    require();
    return *std::get_if<0>(&state_);
  }
  const T& value() const& {
    require();
    return *std::get_if<0>(&state_);
  }
  T&& value() && {
    require();
    return std::move(*std::get_if<0>(&state_));
  }

  // To be used after a test only.
  T& operator*() noexcept { return checked(); }
  const T& operator*() const noexcept { return const_cast<Result*>(this)->checked(); }
  T* operator->() noexcept { return &checked(); }
  const T* operator->() const noexcept { return &const_cast<Result*>(this)->checked(); }

  const Failure& failure() const noexcept {
    const Failure* failure = std::get_if<1>(&state_);
    assert(failure != nullptr && "failure() of a Result that has a value");
    return *failure;
  }

 private:
  void require() const {
    if (const Failure* failure = std::get_if<1>(&state_)) throw Failed{*failure};
  }
  T& checked() noexcept {
    T* value = std::get_if<0>(&state_);
    assert(value != nullptr && "value of a Result that failed");
    return *value;
  }

  std::variant<T, Failure> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using Value = void;

  Result() = default;
  Result(Failure failure) : failure_{std::move(failure)} {}

  bool has_value() const noexcept { return !failure_; }
  explicit operator bool() const noexcept { return has_value(); }
  void value() const {
    if (failure_) throw Failed{*failure_};
  }
  const Failure& failure() const noexcept {
    assert(failure_ && "failure() of a Result that has a value");
    return *failure_;
  }

 private:
  std::optional<Failure> failure_;
};

// ---- Between the C and the C++ form of text and bytes
// --------------------------------------------

inline cof_str to_c(std::string_view text) noexcept { return {text.data(), text.size()}; }
inline cof_bytes to_bytes(std::string_view text) noexcept { return {text.data(), text.size()}; }
inline std::string_view view(cof_str text) noexcept {
  return text.data == nullptr ? std::string_view{} : std::string_view{text.data, text.size};
}
inline std::string_view view(cof_bytes bytes) noexcept {
  if (bytes.data == nullptr) return {};
  return {static_cast<const char*>(bytes.data), bytes.size};
}

// What `json` looks like as text.  Never throws for text that is not UTF-8: it is replaced.
inline std::string to_text(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// A sink that fills a string.
class StringSink {
 public:
  const cof_sink* get() const noexcept { return &sink_; }
  std::string take() noexcept { return std::move(text_); }

  StringSink() noexcept : sink_{&text_, &append} {}
  StringSink(const StringSink&) = delete;
  StringSink& operator=(const StringSink&) = delete;

 private:
  static std::int32_t append(void* context, const void* data, std::uint64_t size) noexcept {
    try {
      static_cast<std::string*>(context)->append(static_cast<const char*>(data), size);
      return COF_OK;
    } catch (...) {
      return COF_ETOOBIG;
    }
  }

  std::string text_;
  cof_sink sink_;
};

// COF_OK or a failure that says what did not work.
inline Result<void> checked(std::int32_t status, std::string_view what) {
  if (status >= 0) return {};
  const std::string name = status_name(status);
  return Failure{status, name, std::string{what} + ": " + name};
}

// A host's struct as this plugin knows it: what a shorter one lacks reads as zero.
template <class Struct>
Struct copy_struct(const Struct* given) noexcept {
  Struct copy{};
  const std::size_t size =
      given->struct_size < sizeof(Struct) ? given->struct_size : sizeof(Struct);
  __builtin_memcpy(&copy, given, size);
  return copy;
}

}  // namespace cofounder::sdk::inline v1
