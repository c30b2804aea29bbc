// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/error.hpp"
#include "core/base/function.hpp"
#include "core/base/loop.hpp"

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cofounder::http {

// Who is at the other end.
struct Peer {
  bool is_local = false;        // Unix socket: the fields below hold
  uid_t uid = static_cast<uid_t>(-1);
  std::vector<gid_t> groups;    // all of them (SO_PEERCRED and SO_PEERGROUPS)
  std::string address;          // TCP: without the port
};

struct ServerRequest {
  std::string method;
  std::string path;             // percent-decoded, without the query
  std::vector<std::pair<std::string, std::string>> query;  // decoded, in order
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;             // empty when it went to a body sink
  Peer peer;
  std::shared_ptr<void> attachment;  // what ServerHandler::plan left for handle

  std::string_view header(std::string_view lower_case_name) const noexcept;
  std::optional<std::string_view> query_value(std::string_view name) const noexcept;
};

struct ServerResponse {
  int status = 200;
  std::string body{};
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers{};
};

// {"error": {...}}, with Retry-After when the error says how long.
ServerResponse error_response(int status, const Error& error);

// The right and the duty to answer one request, once.  Movable; on the loop only.  When it is
// destroyed without an answer the client gets 500.  After the client went away everything is a
// no-op.
class Responder {
 public:
  struct Exchange;
  explicit Responder(std::shared_ptr<Exchange> exchange) noexcept;
  Responder(Responder&&) noexcept;
  Responder& operator=(Responder&&) noexcept;
  ~Responder();

  void send(ServerResponse response);
  void send_error(int status, const Error& error);

  // A streamed answer (chunked): head first, then pieces.  `write` says whether the client keeps up
  // (at most 256 KiB wait for it; what is written beyond that is still queued up to 1 MiB, then the
  // connection is closed).  on_drain is called when it may go on.
  void begin_stream(ServerResponse head);
  bool write(std::string_view piece);
  void on_drain(UniqueFunction<void()> action);
  void end_stream();
  // Ends a stream so that the client sees that it is not whole: closes the connection.
  void abort_stream();

  // Calls `action` once when the client goes away before the answer is complete.
  void on_gone(UniqueFunction<void()> action);
  bool is_gone() const noexcept;
  // Calls `action` once with the status when the answer begins, also when the client is gone.
  void on_answer(UniqueFunction<void(int status)> action);

 private:
  std::shared_ptr<Exchange> exchange_;
};

// Takes a large body piece by piece instead of ServerRequest::body.
struct BodySink {
  std::uint64_t bytes_max = 0;
  // An error ends the request with it (status 413, 507 or 500 by its code).
  UniqueFunction<std::optional<Error>(std::string_view piece)> write;
};

struct ServerHandler {
  // Before the body is read: nothing -> at most body_bytes_max into ServerRequest::body.  May also
  // refuse: an error and a status.
  struct Plan {
    std::optional<BodySink> sink;
    std::optional<std::pair<int, Error>> refusal;
    std::uint64_t body_bytes_max = 0;  // 0: the server's default
    std::shared_ptr<void> attachment{};
  };
  UniqueFunction<Plan(const ServerRequest& head)> plan;
  UniqueFunction<void(ServerRequest, Responder)> handle;
};

// HTTP/1.1 over Unix and TCP sockets.  On the loop only.
class Server {
 public:
  struct Options {
    std::uint64_t header_bytes_max = 32u << 10;   // over it: 431
    std::uint64_t body_bytes_max = 8u << 20;      // over it: 413
    Milliseconds header_timeout{10'000};          // from the first byte
    Milliseconds body_timeout{60'000};            // longest silence in a body or while sending
    Milliseconds idle_timeout{75'000};            // between requests
    int connections_max = 1024;                   // over it: 503 and closed
    std::string server_name{};                    // header "Server"; empty: none
  };

  Server(Loop& loop, Options options, ServerHandler handler);
  ~Server();

  // Each throws std::system_error.  The Unix socket's file is made with `mode`, and belongs to
  // `group` when that is not -1; an old socket file that nobody listens on is replaced, a live one
  // is an error.
  void listen_unix(const std::filesystem::path& path, mode_t mode, gid_t group);
  void listen_descriptor(int descriptor);  // from systemd: Unix or TCP; taken over
  // "127.0.0.1:8470", "[::1]:0"; returns the port.
  std::uint16_t listen_tcp(std::string_view address);

  // No new connections or requests; `done` when those in flight are answered or `grace` is over.
  void stop(Milliseconds grace, UniqueFunction<void()> done);

  int connections() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cofounder::http
