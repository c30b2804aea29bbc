// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>

#include "core/base/json.hpp"
#include "core/daemon/family_writer.hpp"
#include "core/http/client.hpp"

namespace cofounder {

// Requests that came in, and requests that plugins sent to providers.  No label comes from outside:
// routes are templates, operations and plugins stand in manifests.  On the loop only.
class TrafficMetrics {
 public:
  // A request was answered; `route` is its template, or "unmatched".
  void answered(std::string_view method, std::string_view route, int status, Nanoseconds took);
  void observe(const http::Client::Seen& seen);

  void write(json::Writer& out) const;

 private:
  using Two = std::pair<std::string, std::string>;
  using Three = std::tuple<std::string, std::string, std::string>;
  void note_rate_limit(const http::Client::Seen& seen);
  void write_server(json::Writer& out) const;
  void write_rate_limits(json::Writer& out) const;

  std::map<Three, std::uint64_t> served_;  // method, route, status
  std::map<Two, Durations> served_durations_;
  std::map<Three, std::uint64_t> requests_;  // provider, operation, outcome
  std::map<Two, Durations> durations_;
  std::map<Two, std::uint64_t> retries_;  // provider, reason
  struct RateLimit {
    double remaining = 0;
    double resets_at = 0;  // Unix time; 0: it did not say
  };
  std::map<Two, RateLimit> rate_limits_;  // provider, resource
};

// How a request to a provider ended, in one word: "ok", "redirected", "client_error",
// "rate_limited", "server_error", or the code of the error that kept it from an answer.
std::string outcome_word(int status, std::string_view error_code);

}  // namespace cofounder
