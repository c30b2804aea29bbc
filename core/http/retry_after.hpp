// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/clock.hpp"
#include "core/http/client.hpp"

#include <optional>
#include <span>
#include <string_view>

// When an HTTP request is tried again, and after how long.  Plain functions of their arguments.
namespace cofounder::http {

// What a failed try means for the next one.
enum class Failure {
  never_sent,       // any method may be sent again
  tls_identity,     // the server is not who it should be, or our CA file is unusable: never
  maybe_processed,  // only what may be done twice
  too_big,          // never
  protocol,         // never
  local             // our side could not (a file that cannot be read): never
};

// For codes of libcurl (CURLE_...).  `sent`: the request was begun to be sent on a connection.
Failure classify_curl(int code, bool sent) noexcept;

constexpr bool may_try_again(Failure failure, bool idempotent) noexcept {
  return failure == Failure::never_sent || (failure == Failure::maybe_processed && idempotent);
}

// 408, 425, 429, 500, 502, 503, 504, 529 and those in `more`.
bool is_retryable_status(int status, std::span<const int> more) noexcept;

// How long the answer asks to wait: retry-after-ms, Retry-After (seconds or a date); and where the
// status says that a limit was hit (420, 429) also RateLimit (t=), x-ratelimit-reset (seconds to go
// or a time) and X-FeatureRateLimit-Reset.  At most a year; a time that is over is 0.
std::optional<Milliseconds> asked_wait(int status, const Headers& headers, Time now) noexcept;

// The three date formats of RFC 9110.
std::optional<Time> parse_http_date(std::string_view text) noexcept;

// Full jitter: `random` in [0, 1) of 0.5 s, 1 s, 2 s, 4 s, then 8 s, after 1, 2, 3, ... tries.
Milliseconds backoff(int tries, double random) noexcept;

// What may be spent on trying again at one host, so that an outage there is not made worse by us:
// a burst, then a rate, and a share of what succeeds.
class RetryBudget {
 public:
  static constexpr double burst = 256;
  static constexpr double per_second = 4;
  static constexpr double per_success = 0.25;

  bool take(Mono now) noexcept;
  void succeeded() noexcept;
  bool is_full(Mono now) noexcept;

 private:
  void refill(Mono now) noexcept;
  double tokens_ = burst;
  Mono refilled_{};
};

}  // namespace cofounder::http
