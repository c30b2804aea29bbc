// SPDX-License-Identifier: Apache-2.0
#include "core/http/client_request.hpp"

#include "core/base/text.hpp"

#include <algorithm>
#include <array>

namespace cofounder::http {
namespace {

constexpr std::size_t discarded_body_bytes_max = 64 << 10;
constexpr std::size_t header_bytes_max = 64 << 10;

bool is_token(std::string_view text) noexcept {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view{"!#$%&'*+-.^_`|~"}.find(c) != std::string_view::npos;
  });
}

bool equals_ignoring_case(std::string_view a, std::string_view lower_case) noexcept {
  return std::equal(a.begin(), a.end(), lower_case.begin(), lower_case.end(), [](char x, char y) {
    return (x >= 'A' && x <= 'Z' ? static_cast<char>(x - 'A' + 'a') : x) == y;
  });
}

bool is_always_idempotent(std::string_view method) noexcept {
  return method == "GET" || method == "HEAD" || method == "PUT" || method == "DELETE";
}

double unit(std::mt19937& random) { return std::uniform_real_distribution<double>{0, 1}(random); }

}  // namespace

std::optional<Error> check_request(const ClientRequest& request) {
  const auto invalid = [](std::string why) {
    return make_error("invalid_request", std::move(why));
  };
  const bool is_method = is_token(request.method) && request.method.size() <= 32 &&
                         request.method != "CONNECT" && request.method != "TRACE";
  if (!is_method) return invalid("not a method that can be sent");
  std::size_t size = 0;
  for (const auto& [name, value] : request.headers) {
    if (!is_token(name)) return invalid("a header's name holds what no name may hold");
    // What would make two requests of one, or send this one elsewhere.
    for (const std::string_view ours :
         {"host", "content-length", "transfer-encoding", "connection", "te", "upgrade"}) {
      if (equals_ignoring_case(name, ours)) {
        return invalid("the header " + std::string{ours} + " is set by the client itself");
      }
    }
    const bool is_clean = std::none_of(value.begin(), value.end(), [](char c) {
      return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7F;
    });
    if (!is_clean) return invalid("the value of header " + name + " holds control characters");
    size += name.size() + value.size();
  }
  if (size > header_bytes_max) return invalid("the headers are longer than 64 KiB");
  return std::nullopt;
}

Request::Request(Surroundings around, Client::Handle the_id, ClientRequest the_spec,
                 ResponseHandler the_handler, Target the_target, Client::Counters& the_counters)
    : id{the_id},
      spec{std::move(the_spec)},
      handler{std::move(the_handler)},
      target{std::move(the_target)},
      counters{the_counters},
      idempotent{spec.idempotent || is_always_idempotent(spec.method)},
      around_{around},
      started_{around.clock.mono()} {}

void Request::tell(Client::Seen::Kind kind, const ResponseHead* head,
                   std::string_view error_code) const {
  if (!around_.options.observe) return;
  around_.options.observe({kind, spec, head, error_code.empty() ? last_status : 0, error_code,
                           around_.clock.mono() - started_, around_.clock.now()});
}

void Request::begin() {
  ++tries;
  retry_wait.reset();
  head_.reset();
  body_bytes_ = 0;
  is_too_big_ = false;
  begun_ = around_.clock.mono();
}

void Request::request_goes_out() {
  if (std::exchange(host->is_probed, true)) return;
  around_.wake();  // those that waited to see whether they can share this connection
}

void Request::head_came(ResponseHead head) {
  if (cancelled) return;
  const auto asked = asked_wait(head.status, head.headers, around_.clock.now());
  head.retry_after = asked.value_or(Milliseconds{0});
  last_status = head.status;
  tell(Client::Seen::Kind::head, &head, {});
  const Milliseconds wait_max =
      spec.retry_wait_max.count() > 0 ? spec.retry_wait_max : around_.options.wait_max;
  if (tries < spec.tries_max && head.retry_after <= wait_max &&
      is_retryable_status(head.status, spec.retry_statuses) &&
      host->budget.take(around_.clock.mono())) {
    // Many were told the same time: they should not come back in the same moment.
    const double random = unit(around_.random);
    const Milliseconds spread{static_cast<std::int64_t>(
        random * std::min(1000.0, static_cast<double>(head.retry_after.count()) / 10))};
    retry_wait = head.retry_after.count() > 0 ? head.retry_after + spread : backoff(tries, random);
    return;
  }
  head_ = std::move(head);
  if (!idempotent || tries >= spec.tries_max) give_head();
}

void Request::give_head() {
  if (!head_ || head_given) return;
  head_given = true;
  const ResponseHead head = std::move(*head_);
  head_.reset();
  if (!handler.on_head) return;
  is_calling = true;
  handler.on_head(head);
  is_calling = false;
}

Transfer::Take Request::body_came(std::string_view bytes) {
  if (cancelled) return Transfer::Take::stop;
  body_bytes_ += bytes.size();
  if (retry_wait) {
    // To the end when it is short: then the connection can be used again.
    return body_bytes_ > discarded_body_bytes_max ? Transfer::Take::stop : Transfer::Take::more;
  }
  if (body_bytes_ > spec.response_bytes_max) {
    is_too_big_ = true;
    return Transfer::Take::stop;
  }
  give_head();
  if (cancelled) return Transfer::Take::stop;
  if (!handler.on_body) return Transfer::Take::more;
  is_calling = true;
  const bool more = handler.on_body(bytes);
  is_calling = false;
  if (cancelled) return Transfer::Take::stop;
  return more ? Transfer::Take::more : Transfer::Take::pause;
}

std::optional<Mono> Request::next_limit(Mono now) const {
  std::optional<Mono> next;
  const auto consider = [&next](Mono when) { next = next ? std::min(*next, when) : when; };
  if (spec.total_timeout.count() > 0) consider(begun_ + spec.total_timeout);
  if (!transfer->is_sent()) {
    if (spec.connect_timeout.count() > 0) consider(begun_ + spec.connect_timeout);
  } else if (spec.idle_timeout.count() > 0) {
    consider((transfer->is_paused() ? now : transfer->last_activity()) + spec.idle_timeout);
  }
  return next;
}

std::optional<Error> Request::check_limits(Mono now) const {
  const auto over = [this](std::string_view what, Milliseconds limit) {
    return make_error("timed_out", std::string{what} + to_string(limit) + " (" + target.host + ")");
  };
  if (spec.total_timeout.count() > 0 && now >= begun_ + spec.total_timeout) {
    return over("no whole answer within ", spec.total_timeout);
  }
  if (!transfer->is_sent()) {
    if (spec.connect_timeout.count() > 0 && now >= begun_ + spec.connect_timeout) {
      return over("no connection within ", spec.connect_timeout);
    }
  } else if (spec.idle_timeout.count() > 0 && !transfer->is_paused() &&
             now >= transfer->last_activity() + spec.idle_timeout) {
    return over("silence for ", spec.idle_timeout);
  }
  return std::nullopt;
}

std::optional<std::pair<Error, Failure>> Request::stop_error() const {
  const std::string to = " (" + target.host + ")";
  switch (transfer->stop()) {
    case Transfer::Stop::none:
      return std::nullopt;
    case Transfer::Stop::sink:
      if (!is_too_big_) return std::nullopt;
      return std::pair{make_error("response_too_big", "the answer is longer than " +
                                                          std::to_string(spec.response_bytes_max) +
                                                          " bytes" + to),
                       Failure::too_big};
    case Transfer::Stop::head_too_big:
      return std::pair{make_error("response_too_big", "the answer's head is too big" + to),
                       Failure::too_big};
    case Transfer::Stop::body_unreadable:
      return std::pair{make_error("body_unreadable",
                                  "a file of the request's body cannot be read to its end" + to),
                       Failure::local};
    case Transfer::Stop::sent_twice:
      return std::pair{
          make_error("connection_lost", "the connection was lost while the request was sent" + to),
          Failure::maybe_processed};
    case Transfer::Stop::not_loopback:
      return std::pair{
          make_error("invalid_url", "http went to an address that is not loopback" + to),
          Failure::local};
  }
  return std::nullopt;
}

}  // namespace cofounder::http
