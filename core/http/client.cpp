// SPDX-License-Identifier: Apache-2.0
#include "core/http/client.hpp"

#include "core/base/log.hpp"
#include "core/base/text.hpp"
#include "core/http/client_request.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace cofounder::http {
namespace {

constexpr int starts_per_turn = 32;  // a burst of requests does not hold up the loop
// What libcurl puts on one connection; for each one more it would open a connection.
constexpr int http2_streams_per_host_max = 100;
constexpr std::size_t idle_hosts_max = 1024;

}  // namespace

std::string_view ResponseHead::find(std::string_view lower_case_name) const noexcept {
  for (const auto& [name, value] : headers) {
    if (name == lower_case_name) return value;
  }
  return {};
}

Client::State::State(Loop& the_loop, Client::Options the_options)
    : loop{the_loop},
      options{std::move(the_options)},
      clock{options.clock != nullptr ? *options.clock : the_loop.clock()},
      multi{the_loop,
            options.connections_max,
            [this](EasyHandle easy, int code) {
              const auto it = on_wire.find(easy);
              if (it != on_wire.end()) end_try(*it->second, code);
            }},
      random{std::random_device{}()} {}

Client::State::~State() {
  for (auto& [id, request] : requests) {
    clock.cancel(request->timer);
    if (request->phase == Phase::running) multi.remove(request->transfer->easy());
  }
}

// Runs `action` in a later turn of the loop, if the client is still there.
void Client::State::post(UniqueFunction<void()> action) {
  loop.post([weak = std::weak_ptr<int>{alive}, action = std::move(action)]() mutable {
    if (!weak.expired()) action();
  });
}

void Client::State::post_end(ResponseHandler handler, std::optional<Error> error) {
  if (!handler.on_end) return;
  loop.post([weak = std::weak_ptr<int>{alive}, end = std::move(handler.on_end),
             error = std::move(error)]() mutable {
    if (!weak.expired()) end(std::move(error));
  });
}

Request* Client::State::find(Handle id) noexcept {
  const auto it = requests.find(id);
  return it == requests.end() ? nullptr : it->second.get();
}

Host& Client::State::host_of(const Target& target) {
  if (hosts.size() > idle_hosts_max) {
    const Mono now = clock.mono();
    for (auto it = hosts.begin(); it != hosts.end();) {
      Host& host = it->second;
      const bool is_idle = host.users == 0 && host.listed == 0 && host.budget.is_full(now);
      it = is_idle ? hosts.erase(it) : std::next(it);
    }
  }
  return hosts[target.key];
}

Lane& Client::State::lane_of(Host& host, const ClientRequest& spec) {
  Lane& lane = host.lanes[spec.owner];
  lane.host = &host;
  lane.running_max = spec.connections_per_host_max > 0 ? spec.connections_per_host_max
                                                       : options.connections_per_host_max;
  return lane;
}

Client::Handle Client::State::start(ClientRequest spec, ResponseHandler handler) {
  const Handle id = ++last_id;
  Counters& counter = counters[spec.owner];
  ++counter.started;
  auto refuse = [&](Error error) {
    ++counter.failed;
    post_end(std::move(handler), std::move(error));
    return id;
  };
  if (closed) return refuse(make_error("cancelled", "the HTTP client is closed"));
  if (counter.active >= options.transfers_per_owner_max) {
    return refuse(make_error(
        "limit_reached",
        "more than " + std::to_string(options.transfers_per_owner_max) + " HTTP requests at once",
        /*retryable=*/true));
  }
  if (auto error = check_request(spec)) return refuse(std::move(*error));
  auto target = parse_target(spec.url);
  if (!target) return refuse(target.error());

  auto request =
      std::make_unique<Request>(Request::Surroundings{options, clock, random, wake_later}, id,
                                std::move(spec), std::move(handler), std::move(*target), counter);
  request->host = &host_of(request->target);
  request->lane = &lane_of(*request->host, request->spec);
  if (request->target.scheme == "http") request->host->is_probed = true;  // never HTTP/2
  ++request->host->users;
  ++counter.active;
  enqueue(*request);
  requests.emplace(id, std::move(request));
  return id;
}

void Client::State::enqueue(Request& request) {
  request.phase = Phase::waiting;
  Lane& lane = *request.lane;
  lane.waiting.push_back(request.id);
  if (!lane.is_listed) {
    lane.is_listed = true;
    ++lane.host->listed;
    ready_lanes.push_back(&lane);
  }
  wake();
}

void Client::State::wake() {
  if (std::exchange(start_posted, true)) return;
  post([this] { start_waiting(); });
}

// Whether one more request of `lane` may be on the wire.
bool Client::State::has_room(const Lane& lane) const noexcept {
  const Host& host = *lane.host;
  // One goes first: libcurl 7.88 would open a connection for each request that meets one which is
  // past TLS but not yet HTTP/2.
  if (!host.is_probed && host.running > 0) return false;
  if (host.is_http2) return host.running < http2_streams_per_host_max;
  return lane.running < lane.running_max && running < options.connections_max;
}

// Takes the lanes in turn, one request of each, so that none waits for another one's crowd.
void Client::State::start_waiting() {
  start_posted = false;
  int started = 0;
  std::size_t full_lanes = 0;
  while (!ready_lanes.empty() && full_lanes < ready_lanes.size()) {
    if (started == starts_per_turn) return wake();
    Lane& lane = *ready_lanes.front();
    ready_lanes.pop_front();
    Request* request = nullptr;
    while (request == nullptr && !lane.waiting.empty() && has_room(lane)) {
      request = find(lane.waiting.front());  // null: cancelled
      lane.waiting.pop_front();
    }
    if (request != nullptr) {
      ++started;
      full_lanes = 0;
      begin_try(*request);
    } else if (!lane.waiting.empty()) {
      ++full_lanes;
    }
    lane.is_listed = !lane.waiting.empty();
    if (lane.is_listed) {
      ready_lanes.push_back(&lane);
    } else {
      --lane.host->listed;
    }
  }
}

void Client::State::begin_try(Request& request) {
  request.begin();
  if (!request.transfer) {
    request.transfer = std::make_unique<Transfer>(request.spec, request.target, options,
                                                  request.idempotent, clock, request);
  }
  Transfer& transfer = *request.transfer;
  transfer.rewind();
  // When every connection is in use libcurl would look at all of them for nothing; with thousands
  // that is most of its work.  (One connection carries many requests with HTTP/2: not there.)
  const bool is_fresh = request.target.scheme == "http" && multi.open_connections() <= running;
  if (!transfer.is_ready() || !multi.prepare(transfer.easy(), is_fresh) ||
      !multi.add(transfer.easy())) {
    return finish(request, make_error("limit_reached", "no memory or descriptors for a request",
                                      /*retryable=*/true));
  }
  request.phase = Phase::running;
  on_wire.emplace(transfer.easy(), &request);
  ++request.host->running;
  ++request.lane->running;
  ++running;
  arm(request);
}

// One timer for all limits of a try, looked at again when it fires: activity costs nothing.
void Client::State::arm(Request& request) {
  const auto limit = request.next_limit(clock.mono());
  if (!limit) return;
  request.timer = clock.call_at(*limit, [this, id = request.id] {
    Request* const found = find(id);
    if (found == nullptr || found->phase != Phase::running) return;
    found->timer = 0;
    if (auto error = found->check_limits(clock.mono())) {
      fail_try(*found, std::move(*error),
               found->transfer->is_sent() ? Failure::maybe_processed : Failure::never_sent);
    } else {
      arm(*found);
    }
  });
}

// Off the wire; the connection stays open for others when it can.
void Client::State::leave_wire(Request& request) {
  assert(request.phase == Phase::running);
  clock.cancel(std::exchange(request.timer, 0));
  Transfer& transfer = *request.transfer;
  const auto numbers = transfer.numbers();
  request.counters.bytes_sent += numbers.sent;
  request.counters.bytes_received += numbers.received;
  if (numbers.is_http2) request.host->is_http2 = true;
  on_wire.erase(transfer.easy());
  Host& host = *request.host;
  --host.running;
  --request.lane->running;
  --running;
  // Where not even a connection is made the others need not wait for one another.
  if (!transfer.is_sent()) host.is_probed = true;
  if (host.running == 0 && host.listed == 0) host.is_probed = false;
  request.phase = Phase::over;
  multi.remove(transfer.easy());
  if (!ready_lanes.empty()) wake();
}

// libcurl says how a try ended.
void Client::State::end_try(Request& request, int code) {
  if (request.cancelled) return end_cancelled(request);
  if (request.retry_wait) return try_again(request, *request.retry_wait, {});
  if (auto stopped = request.stop_error()) {
    return fail_try(request, std::move(stopped->first), stopped->second);
  }
  if (code != 0) {
    const Failure failure = classify_curl(code, request.transfer->is_sent());
    return fail_try(request,
                    make_curl_error(code, failure, request.target, request.transfer->error_text()),
                    failure);
  }
  if (!request.has_head()) {
    // libcurl takes the end of the connection in the middle of a head for an empty answer.
    return fail_try(
        request,
        make_error("connection_lost", "the answer ended in its head (" + request.target.host + ")"),
        Failure::maybe_processed);
  }
  leave_wire(request);
  request.host->budget.succeeded();
  request.give_head();
  // on_head may have cancelled it.
  if (!request.cancelled) finish(request, std::nullopt);
}

void Client::State::fail_try(Request& request, Error error, Failure failure) {
  error.retryable = may_try_again(failure, request.idempotent);
  log::debug("HTTP try " + std::to_string(request.tries) + " to " + request.target.host +
                 " failed: " + error.code,
             {{"COF_PLUGIN", request.spec.owner}});
  if (request.retry_wait) return try_again(request, *request.retry_wait, {});
  if (error.retryable && request.tries < request.spec.tries_max && !request.head_given &&
      request.host->budget.take(clock.mono())) {
    return try_again(request, backoff(request.tries, jitter()), error.code);
  }
  leave_wire(request);
  finish(request, std::move(error));
}

double Client::State::jitter() { return std::uniform_real_distribution<double>{0, 1}(random); }

void Client::State::try_again(Request& request, Milliseconds wait, std::string_view error_code) {
  leave_wire(request);
  ++request.counters.retries;
  request.tell(Seen::Kind::retried, nullptr, error_code);
  request.phase = Phase::sleeping;
  log::debug("HTTP request to " + request.target.host + " waits " + to_string(wait) +
                 " to be tried again after " +
                 (error_code.empty() ? "its status" : "a failure"),
             {{"COF_PLUGIN", request.spec.owner}});
  request.timer = clock.call_after(wait, [this, id = request.id] {
    Request* const found = find(id);
    if (found == nullptr) return;
    found->timer = 0;
    enqueue(*found);
  });
}

// Takes it out of the books; on_end comes in a later turn.
void Client::State::finish(Request& request, std::optional<Error> error) {
  assert(request.phase != Phase::running);
  clock.cancel(request.timer);
  --request.counters.active;
  ++(error ? request.counters.failed : request.counters.succeeded);
  request.tell(Seen::Kind::ended, nullptr, error ? std::string_view{error->code} : std::string_view{});
  --request.host->users;
  post_end(std::move(request.handler), std::move(error));
  requests.erase(request.id);
}

void Client::State::cancel(Handle id) noexcept {
  Request* const request = find(id);
  if (request == nullptr || request->cancelled) return;
  request->cancelled = true;
  if (request->is_calling || (multi.is_inside() && request->phase == Phase::running)) {
    // Its own handler is on the stack and must outlive this; and libcurl lets nobody take a
    // handle away from inside a callback.
    post([this, id] {
      if (Request* const found = find(id)) end_cancelled(*found);
    });
    return;
  }
  end_cancelled(*request);
}

void Client::State::end_cancelled(Request& request) {
  if (request.phase == Phase::running) leave_wire(request);
  finish(request, make_error("cancelled", "the request was cancelled"));
}

void Client::State::resume(Handle id) {
  Request* const request = find(id);
  if (request == nullptr) return;
  // Later, so that on_body never comes from inside resume().
  post([this, id] {
    Request* const found = find(id);
    if (found == nullptr || found->phase != Phase::running || !found->transfer->is_paused()) return;
    found->transfer->set_paused(false);
    multi.unpause(found->transfer->easy());
  });
}

int Client::State::close() noexcept {
  closed = true;
  const int connections = multi.open_connections();
  std::vector<Handle> ids;
  for (const auto& [id, request] : requests) ids.push_back(id);
  for (const Handle id : ids) cancel(id);
  if (multi.is_inside()) {
    post([this] { close(); });
  } else {
    multi.close();
  }
  return connections;
}

Client::Client(Loop& loop, Options options)
    : state_{std::make_unique<State>(loop, std::move(options))} {}
Client::~Client() = default;

Client::Handle Client::start(ClientRequest request, ResponseHandler handler) {
  return state_->start(std::move(request), std::move(handler));
}
void Client::cancel(Handle request) noexcept { state_->cancel(request); }
void Client::resume(Handle request) noexcept { state_->resume(request); }
int Client::close() noexcept { return state_->close(); }
std::map<std::string, Client::Counters> Client::counters() const { return state_->counters; }
int Client::open_connections() const noexcept { return state_->multi.open_connections(); }

}  // namespace cofounder::http
