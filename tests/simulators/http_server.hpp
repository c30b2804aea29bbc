// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// What provider simulators stand on: a plain HTTP/1.1 server on loopback that reads requests
// strictly and can misbehave on demand.  A thread for each connection; made for tests, not for the
// world.
namespace simulator {

struct Request {
  std::string method;
  std::string path;   // as sent, still percent-encoded, without the query
  std::string query;  // as sent
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;

  std::string_view header(std::string_view lower_case_name) const;  // empty: absent
};

struct Response {
  int status = 200;
  std::string body;
  std::string content_type = "application/json; charset=utf-8";
  std::vector<std::pair<std::string, std::string>> headers;
  // A streamed answer instead of `body`: called until it returns nothing; each piece is sent at once,
  // after an empty one it is asked again.
  std::function<std::optional<std::string>()> stream;
  int interval_ms = 0;   // between two of its pieces; 0: as fast as they are taken
  bool is_head = false;  // of HEAD: the body's length, without the body
};

// One misbehaviour, for one request.
struct Fault {
  enum class Kind {
    latency,     // answers rightly, after `milliseconds`
    status,      // answers `status` with `headers` and `body` instead
    reset,       // reads the request, then resets the connection
    truncate,    // sends half of the right answer's body, then closes
    silence,     // reads the request and never answers, until the client goes away
    drip,        // sends the right answer byte by byte, `milliseconds` between two
    huge,        // sends a body without end, as `content_type`
    content_type,  // sends the right answer as `content_type`
    stream_end,    // of a streamed answer sends `pieces`, then `body`, and ends it properly
    stream_break   // of a streamed answer sends `pieces`, then closes the connection
  } kind = Kind::latency;
  int milliseconds = 0;
  int status = 500;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::string content_type = "application/json";
  int pieces = 0;
  std::string path_contains;  // only requests whose path contains it; empty: any
  int count = 1;              // for so many requests; negative: for ever
};

// Server.  POST /_faults with {"faults": [{"kind": "status", "status": 429, "headers": {...},
// "body": "...", "count": 2, "path": "/destroy"}]} replaces the list of faults; GET /_requests gives
// the log of requests [{"method", "path", "query", "status", "fault", "bytes"}]; DELETE /_requests
// empties it; GET /_connections gives {"open", "accepted"}.
class HttpServer {
 public:
  using Handler = std::function<Response(const Request&)>;

  // Listens on 127.0.0.1:`port` (0: any).  Throws std::system_error.
  HttpServer(std::uint16_t port, Handler handler);
  ~HttpServer();

  std::uint16_t port() const;
  // Serves until stop(), or SIGTERM when it is called from run_simulator().
  void stop();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// The main of a simulator program: parses --port N, --port-file FILE and NAME=VALUE options, serves
// until SIGTERM or SIGINT.  With server=one_thread it is an EventServer that serves: for load.
int run_simulator(int argc, char** argv,
                  const std::function<HttpServer::Handler(std::map<std::string, std::string>)>& make);

// "POST /path HTTP/1.1" and the fields below it, each line with its end; false for what is none.
bool parse_request_head(std::string_view head, Request& request);
// Status line and header fields, with the empty line.
std::string response_head(const Response& response, std::size_t body_bytes, bool keep_alive);

// application/x-www-form-urlencoded and percent-decoding; nothing for malformed input.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space = false);
std::optional<std::vector<std::pair<std::string, std::string>>> parse_form(std::string_view text);

// multipart/form-data; nothing for malformed input.
struct FormPart {
  std::string name;
  std::optional<std::string> file_name;
  std::string content_type;
  std::string body;
};
std::optional<std::vector<FormPart>> parse_multipart(std::string_view content_type,
                                                     std::string_view body);

}  // namespace simulator
