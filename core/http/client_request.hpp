// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/http/client_parts.hpp"

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

// The books of the client.  Only client*.cpp include it.
namespace cofounder::http {

struct Host;

// One owner's requests to one host.
struct Lane {
  Host* host = nullptr;
  std::deque<Client::Handle> waiting;  // also cancelled ones, which nobody finds any more
  int running = 0;
  int running_max = 0;     // where the host does not speak HTTP/2
  bool is_listed = false;  // in State::ready_lanes
};

struct Host {
  std::map<std::string, Lane> lanes;  // by owner
  int running = 0;
  int listed = 0;  // lanes that are
  int users = 0;   // requests that point here
  bool is_http2 = false;
  bool is_probed = false;  // a connection was made, so libcurl knows what the host speaks
  RetryBudget budget;
};

enum class Phase { waiting, running, sleeping, over };

// One request through all its tries.
class Request final : public Transfer::Sink {
 public:
  struct Surroundings {
    const Client::Options& options;
    Clock& clock;
    std::mt19937& random;
    UniqueFunction<void()>& wake;
  };
  Request(Surroundings around, Client::Handle id, ClientRequest spec, ResponseHandler handler,
          Target target, Client::Counters& counters);

  void begin();  // a try
  void request_goes_out() override;
  void head_came(ResponseHead head) override;
  Transfer::Take body_came(std::string_view bytes) override;

  bool has_head() const noexcept { return head_given || head_.has_value(); }
  void give_head();

  // When to look at the limits of this try next, and what is over by then.
  std::optional<Mono> next_limit(Mono now) const;
  std::optional<Error> check_limits(Mono now) const;
  // Why it ended its own transfer, if it did.
  std::optional<std::pair<Error, Failure>> stop_error() const;

  const Client::Handle id;
  ClientRequest spec;
  ResponseHandler handler;
  const Target target;
  Client::Counters& counters;
  const bool idempotent;
  Host* host = nullptr;
  Lane* lane = nullptr;
  Phase phase = Phase::waiting;
  int tries = 0;
  bool cancelled = false;
  bool is_calling = false;  // a handler of it is on the stack
  bool head_given = false;
  int last_status = 0;    // of the newest answer
  TimerId timer = 0;  // of the try's limits, or of the wait before the next one
  std::optional<Milliseconds> retry_wait;  // the answer's status wants another try
  std::unique_ptr<Transfer> transfer;

  // Tells the observer, if there is one.
  void tell(Client::Seen::Kind kind, const ResponseHead* head, std::string_view error_code) const;

 private:
  Surroundings around_;
  const Mono started_;
  Mono begun_{};
  std::optional<ResponseHead> head_;  // came, but not given yet
  std::uint64_t body_bytes_ = 0;
  bool is_too_big_ = false;
};

// Code "invalid_request": a method or header that must not be sent.
std::optional<Error> check_request(const ClientRequest& request);

struct Client::State {
  State(Loop& the_loop, Client::Options the_options);
  ~State();

  Handle start(ClientRequest spec, ResponseHandler handler);
  void cancel(Handle id) noexcept;
  void resume(Handle id);
  int close() noexcept;

  void post(UniqueFunction<void()> action);
  void post_end(ResponseHandler handler, std::optional<Error> error);
  Request* find(Handle id) noexcept;
  Host& host_of(const Target& target);
  Lane& lane_of(Host& host, const ClientRequest& spec);

  void enqueue(Request& request);
  void wake();
  bool has_room(const Lane& lane) const noexcept;
  void start_waiting();
  void begin_try(Request& request);
  void arm(Request& request);
  void leave_wire(Request& request);
  void end_try(Request& request, int code);
  void fail_try(Request& request, Error error, Failure failure);
  double jitter();
  void try_again(Request& request, Milliseconds wait, std::string_view error_code);
  void finish(Request& request, std::optional<Error> error);
  void end_cancelled(Request& request);

  Loop& loop;
  const Client::Options options;
  Clock& clock;
  std::map<std::string, Counters> counters;
  std::map<std::string, Host> hosts;
  std::deque<Lane*> ready_lanes;  // with somebody waiting; served in turn
  Multi multi;
  std::unordered_map<Handle, std::unique_ptr<Request>> requests;
  std::unordered_map<EasyHandle, Request*> on_wire;
  std::mt19937 random;
  UniqueFunction<void()> wake_later{[this] { wake(); }};
  Handle last_id = 0;
  int running = 0;
  bool start_posted = false;
  bool closed = false;
  std::shared_ptr<int> alive = std::make_shared<int>(0);  // gone with this
};

}  // namespace cofounder::http
