// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/system/result.hpp>

#include <chrono>
#include <stdexcept>
#include <string>
#include <utility>

namespace cofounder {

// Why something failed, in the one shape that clients, logs and plugins see:
// {code, message, retryable, plugin?, hint?}.
//
// Its constructors keep it from being an aggregate: as one it could be made from a text alone, and a
// Result<std::string> could not tell which of the two a text is.
struct Error {
  Error() = default;
  Error(std::string the_code, std::string the_message, bool is_retryable = false)
      : code{std::move(the_code)}, message{std::move(the_message)}, retryable{is_retryable} {}

  std::string code;                             // stable, machine-readable: "unknown_op"
  std::string message;                          // a sentence for people; never a secret
  bool retryable = false;                       // the same may succeed later
  std::string plugin;                           // id, when a plugin is the reason
  std::string hint;                             // what to do about it
  std::chrono::milliseconds retry_after{0};     // the other side asked to wait so long; 0 unknown

  bool operator==(const Error&) const = default;
};

// A value, or an Error that depends on the input or is a normal answer.  A broken world (store
// away, disk full) is an Error with retryable = true where it crosses a module's border.
template <class T>
using Result = boost::system::result<T, Error>;

// Thrown by Result::value() when there is none: a bug of the caller unless it says otherwise.
class ErrorException : public std::runtime_error {
 public:
  explicit ErrorException(const Error& error)
      : std::runtime_error{error.code + ": " + error.message}, error_{error} {}
  const Error& error() const noexcept { return error_; }

 private:
  Error error_;
};

[[noreturn]] inline void throw_exception_from_error(const Error& error,
                                                    const boost::source_location&) {
  throw ErrorException{error};
}

inline Error make_error(std::string code, std::string message, bool retryable = false) {
  return Error{std::move(code), std::move(message), retryable};
}

}  // namespace cofounder
