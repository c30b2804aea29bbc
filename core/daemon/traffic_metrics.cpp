// SPDX-License-Identifier: Apache-2.0
#include "core/daemon/traffic_metrics.hpp"

#include <array>
#include <charconv>
#include <optional>

namespace cofounder {

using metrics::begin_family;
using metrics::end_family;
using metrics::write_sample;

namespace {

double seconds(Nanoseconds duration) { return static_cast<double>(duration.count()) / 1e9; }

std::string_view known_method(std::string_view method) {
  for (const std::string_view known : {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}) {
    if (method == known) return known;
  }
  return "other";
}

// A whole number at the beginning of a header's value.
std::optional<double> number_in(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end == text.data()) return std::nullopt;
  return static_cast<double>(number);
}

// The parameter `name` of a structured header: RateLimit: "api";r=50;t=30.
std::optional<double> parameter(std::string_view text, std::string_view name) {
  const auto at = text.find(std::string{";"}.append(name).append("="));
  if (at == std::string_view::npos) return std::nullopt;
  return number_in(text.substr(at + 2 + name.size()));
}

}  // namespace

std::string outcome_word(int status, std::string_view error_code) {
  if (!error_code.empty()) return std::string{error_code};
  if (status == 420 || status == 429) return "rate_limited";
  if (status >= 500) return "server_error";
  if (status >= 400) return "client_error";
  return status >= 300 ? "redirected" : "ok";
}

void TrafficMetrics::answered(std::string_view method, std::string_view route, int status,
                              Nanoseconds took) {
  const std::string shown{known_method(method)};
  ++served_[{shown, std::string{route}, std::to_string(status)}];
  served_durations_[{shown, std::string{route}}].observe(seconds(took));
}

void TrafficMetrics::observe(const http::Client::Seen& seen) {
  using Kind = http::Client::Seen::Kind;
  const std::string& operation = seen.request.operation;
  switch (seen.kind) {
    case Kind::head:
      note_rate_limit(seen);
      return;
    case Kind::retried:
      ++retries_[{seen.request.owner, std::string{seen.status > 0
                                                      ? outcome_word(seen.status, {})
                                                      : std::string{seen.error_code}}}];
      return;
    case Kind::ended:
      ++requests_[{seen.request.owner, operation, outcome_word(seen.status, seen.error_code)}];
      durations_[{seen.request.owner, operation}].observe(seconds(seen.took));
      return;
  }
}

void TrafficMetrics::note_rate_limit(const http::Client::Seen& seen) {
  struct Names {
    std::string_view resource, remaining;
  };
  static constexpr std::array<Names, 5> names{{{"requests", "x-ratelimit-remaining"},
                                               {"requests", "x-ratelimit-remaining-requests"},
                                               {"tokens", "x-ratelimit-remaining-tokens"},
                                               {"requests", "x-featureratelimit-remaining"},
                                               {"requests", "ratelimit-remaining"}}};
  // When the answer says how long to wait, that is when the limit is lifted.
  const double now = static_cast<double>(seen.at.time_since_epoch().count()) / 1000;
  const double wait = static_cast<double>(seen.head->retry_after.count()) / 1000;
  const auto note = [&](std::string_view resource, double remaining, double resets_in) {
    RateLimit& limit = rate_limits_[{seen.request.owner, std::string{resource}}];
    limit.remaining = remaining;
    limit.resets_at = resets_in > 0 ? now + resets_in : 0;
  };
  for (const auto& [resource, header] : names) {
    if (const auto left = number_in(seen.head->find(header))) note(resource, *left, wait);
  }
  const std::string_view structured = seen.head->find("ratelimit");
  if (const auto left = parameter(structured, "r")) {
    note("requests", *left, parameter(structured, "t").value_or(wait));
  }
}

void TrafficMetrics::write(json::Writer& out) const {
  write_server(out);
  begin_family(out, "cofounderd_provider_requests", "counter",
               "HTTP requests to a plugin's provider, by the operation that made them.");
  for (const auto& [key, count] : requests_) {
    const auto& [provider, operation, outcome] = key;
    write_sample(out, {{"provider", provider}, {"operation", operation}, {"outcome", outcome}},
                 static_cast<double>(count));
  }
  end_family(out);
  begin_family(out, "cofounderd_provider_request_duration_seconds", "histogram",
               "How long requests to providers took, with all their tries.", "seconds");
  for (const auto& [key, durations] : durations_) {
    metrics::write_histogram(out, {{"provider", key.first}, {"operation", key.second}}, durations);
  }
  end_family(out);
  begin_family(out, "cofounderd_provider_retries", "counter",
               "Tries after which a request to a provider was sent again.");
  for (const auto& [key, count] : retries_) {
    write_sample(out, {{"provider", key.first}, {"reason", key.second}}, static_cast<double>(count));
  }
  end_family(out);
  write_rate_limits(out);
}

void TrafficMetrics::write_server(json::Writer& out) const {
  begin_family(out, "cofounderd_http_requests", "counter",
               "HTTP requests that were answered, by the template of their route.");
  for (const auto& [key, count] : served_) {
    const auto& [method, route, code] = key;
    write_sample(out, {{"method", method}, {"route", route}, {"code", code}},
                 static_cast<double>(count));
  }
  end_family(out);
  begin_family(out, "cofounderd_http_request_duration_seconds", "histogram",
               "How long requests waited for the head of their answer.", "seconds");
  for (const auto& [key, durations] : served_durations_) {
    metrics::write_histogram(out, {{"method", key.first}, {"route", key.second}}, durations);
  }
  end_family(out);
}

void TrafficMetrics::write_rate_limits(json::Writer& out) const {
  begin_family(out, "cofounderd_provider_rate_limit_remaining", "gauge",
               "What the provider's last answer said is left of its rate limit.");
  for (const auto& [key, limit] : rate_limits_) {
    write_sample(out, {{"provider", key.first}, {"resource", key.second}}, limit.remaining);
  }
  end_family(out);
  begin_family(out, "cofounderd_provider_rate_limit_reset_timestamp_seconds", "gauge",
               "When the provider lifts its rate limit, Unix time.", "seconds");
  for (const auto& [key, limit] : rate_limits_) {
    if (limit.resets_at <= 0) continue;
    write_sample(out, {{"provider", key.first}, {"resource", key.second}}, limit.resets_at);
  }
  end_family(out);
}

}  // namespace cofounder
