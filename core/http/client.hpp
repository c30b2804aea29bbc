// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/error.hpp"
#include "core/base/function.hpp"
#include "core/base/loop.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace cofounder::http {

using Headers =
    std::vector<std::pair<std::string, std::string>>;  // names in lower case when received

// A piece of a request body: bytes, or a range of an open file (not owned, must stay open until the
// request ends).
struct FileRange {
  int descriptor = -1;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};
using BodyPart = std::variant<std::string, FileRange>;

struct ClientRequest {
  std::string method = "GET";
  std::string url;
  Headers headers;
  std::vector<BodyPart> body;
  Milliseconds connect_timeout{5'000};
  Milliseconds total_timeout{0};                // of one try; 0: none
  Milliseconds idle_timeout{60'000};            // longest silence
  std::uint64_t response_bytes_max = 8u << 20;  // over it: code "response_too_big"
  bool idempotent = false;                      // GET, HEAD, PUT and DELETE always are
  int tries_max = 3;                            // 1: no retry
  std::vector<int> retry_statuses;              // besides those that always are tried again
  Milliseconds retry_wait_max{0};               // as Options::wait_max; 0: that
  int connections_per_host_max = 0;             // of the owner, from now on; 0: as the client's
  std::string owner;                            // plugin id: for counters, limits and logs
  std::string operation;                        // what it is sent for, for counters
};

struct ResponseHead {
  int status = 0;
  Headers headers;
  Milliseconds retry_after{0};  // the answer asked to wait so long; 0: it did not
  std::string_view find(std::string_view lower_case_name) const noexcept;  // empty: absent
};

// What a request calls, on the loop.  on_head comes once, before the body, for the last try only:
// while another try may follow it waits for the first byte of the body or its end.  on_body returns
// false to pause: resume() goes on (with the same rules); paused time is not silence, and an answer
// that ends while paused still ends.  on_end comes exactly once, last, unless the client was
// destroyed: an answer that came whole (of whatever status) has no error.  Each may be empty.
// They may call the client, but only on_end may destroy it.
struct ResponseHandler {
  UniqueFunction<void(const ResponseHead&)> on_head;
  UniqueFunction<bool(std::string_view bytes)> on_body;
  UniqueFunction<void(std::optional<Error>)> on_end;
};

// Where a URL points to, as the client reads it: for those who allow some hosts only.  Code
// "invalid_url" for what is no http or https URL with a host.
struct Origin {
  std::string scheme;  // "http" or "https"
  std::string host;    // lower case; IPv6 in brackets
  bool is_loopback = false;
};
Result<Origin> origin_of(const std::string& url);

// HTTP requests on the loop by libcurl's multi interface: thousands at once on one thread,
// connections re-used, HTTP/2 where the server speaks it.
//
// Only https, and http to loopback addresses; redirects are not followed.  What fails is classified
// as docs say (never sent, maybe processed, ...), tried again with backoff where that is safe, and
// told with codes "connect_failed", "tls_failed", "timed_out", "connection_lost",
// "response_too_big", "invalid_url", "invalid_request", "protocol_error", "limit_reached",
// "body_unreadable", "http_unavailable" (no libcurl), "cancelled".  An error is retryable when to send the request again is safe.
// Authorization, keys, paths, queries and bodies never reach a log or an error.
//
// At most connections_per_host_max requests of one owner to one host are on the wire (where the host
// speaks HTTP/2: 100 of all owners, on one connection), and connections_max in all.  The others
// wait, which is no error and which no time limit counts; owners and hosts take turns.  libcurl and
// TLS are loaded into memory with the first request (or origin_of()); connections not used for half a minute are
// closed.  On the loop only; the loop must outlive it.
class Client {
 public:
  // What befell a request, for those who count.  Valid during the call.
  struct Seen {
    enum class Kind { head, retried, ended } kind = Kind::ended;
    const ClientRequest& request;
    const ResponseHead* head = nullptr;  // kind head: of each try
    int status = 0;                      // of the last answer; 0: there was none
    std::string_view error_code{};       // retried and ended: why there was no whole answer
    Nanoseconds took{0};                 // ended: since start()
    Time at{};
  };
  struct Options {
    int connections_per_host_max = 64;     // of each owner whose requests do not say
    int connections_max = 4096;
    int transfers_per_owner_max = 16'384;  // over it: "limit_reached", retryable
    std::string ca_file;                   // empty: the system's
    std::string user_agent;
    Milliseconds wait_max{60'000};  // who asks for a longer wait gives the answer: no more tries
    Clock* clock = nullptr;         // of time limits and waits; nullptr: the loop's
    std::function<void(const Seen&)> observe;  // for figures; must not call the client
  };
  struct Counters {
    std::uint64_t started = 0;
    std::uint64_t succeeded = 0;  // an answer came whole
    std::uint64_t failed = 0;
    std::uint64_t retries = 0;
    std::uint64_t bytes_sent = 0;
    std::uint64_t bytes_received = 0;
    int active = 0;
  };
  using Handle = std::uint64_t;  // 0 is never one

  Client(Loop& loop, Options options);
  ~Client();

  // Refusals (bad URL, limit) come by on_end, too, never before start() returned.
  Handle start(ClientRequest request, ResponseHandler handler);
  // Ends it; on_end comes with code "cancelled", soon.  Over ones are ignored.
  void cancel(Handle request) noexcept;
  void resume(Handle request) noexcept;

  // Cancels everything and closes every connection; how many were open.  Later start()s are
  // refused.
  int close() noexcept;

  std::map<std::string, Counters> counters() const;  // by owner
  int open_connections() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cofounder::http
