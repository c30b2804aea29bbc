// SPDX-License-Identifier: Apache-2.0
#include "tests/simulators/http_server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <system_error>
#include <thread>

#include "tests/simulators/connection.hpp"

namespace simulator {

using Json = nlohmann::json;

std::string_view Request::header(std::string_view lower_case_name) const {
  for (const auto& [name, value] : headers) {
    if (name == lower_case_name) return value;
  }
  return {};
}

struct HttpServer::State {
  Handler handler;
  int listener = -1;
  int stop_pipe[2] = {-1, -1};
  std::thread acceptor;
  std::atomic<int> open{0};
  std::atomic<int> accepted{0};

  std::mutex mutex;  // for the two below
  std::vector<Fault> faults;
  Json log = Json::array();

  ~State() {
    for (const int descriptor : {listener, stop_pipe[0], stop_pipe[1]}) {
      if (descriptor >= 0) ::close(descriptor);
    }
  }

  std::optional<Fault> take_fault(const Request& request) {
    const std::lock_guard lock{mutex};
    for (Fault& fault : faults) {
      if (fault.count == 0 || request.path.find(fault.path_contains) == std::string::npos) continue;
      if (fault.count > 0) --fault.count;
      return fault;
    }
    return std::nullopt;
  }

  void note(const Request& request, const Response* response, const std::optional<Fault>& fault) {
    const std::lock_guard lock{mutex};
    log.push_back({{"method", request.method},
                   {"path", request.path},
                   {"query", request.query},
                   {"bytes", request.body.size()},
                   {"status", response == nullptr ? Json() : Json(response->status)},
                   {"fault", fault ? Json(static_cast<int>(fault->kind)) : Json()}});
  }

  // What tests and scripts ask of the simulator itself; nothing when it is the provider's.
  std::optional<Response> own_route(const Request& request);
  void serve(Connection& connection);
  bool answer(Connection& connection, const Request& request);
  void accept_all(const std::shared_ptr<State>& self);
};

namespace {

Fault::Kind kind_of(const std::string& name) {
  static const std::map<std::string, Fault::Kind> kinds{
      {"latency", Fault::Kind::latency},   {"status", Fault::Kind::status},
      {"reset", Fault::Kind::reset},       {"truncate", Fault::Kind::truncate},
      {"silence", Fault::Kind::silence},   {"drip", Fault::Kind::drip},
      {"huge", Fault::Kind::huge},         {"content_type", Fault::Kind::content_type},
      {"stream_end", Fault::Kind::stream_end}, {"stream_break", Fault::Kind::stream_break}};
  return kinds.at(name);
}

Fault parse_fault(const Json& json) {
  Fault fault;
  fault.kind = kind_of(json.at("kind").get<std::string>());
  fault.milliseconds = json.value("milliseconds", 0);
  fault.status = json.value("status", 500);
  fault.body = json.value("body", "");
  fault.content_type = json.value("content_type", "application/json");
  fault.pieces = json.value("pieces", 0);
  fault.path_contains = json.value("path", "");
  fault.count = json.value("count", 1);
  const Json headers = json.value("headers", Json::object());
  for (const auto& [name, value] : headers.items()) {
    fault.headers.emplace_back(name, value.get<std::string>());
  }
  return fault;
}

// Ends a streamed answer early, with one piece of another kind when `last` is not empty.
void end_early(Response& response, int pieces, const std::string& last) {
  if (!response.stream) return;
  response.stream = [inner = std::move(response.stream), left = pieces, last,
                     over = false]() mutable -> std::optional<std::string> {
    if (left-- > 0) return inner();
    if (std::exchange(over, true) || last.empty()) return std::nullopt;
    return last;
  };
}

}  // namespace

std::optional<Response> HttpServer::State::own_route(const Request& request) {
  Response response;
  const std::lock_guard lock{mutex};
  if (request.path == "/_faults" && request.method == "POST") {
    try {
      std::vector<Fault> fresh;
      const Json json = Json::parse(request.body);
      for (const Json& fault : json.at("faults")) fresh.push_back(parse_fault(fault));
      faults = std::move(fresh);
      response.body = "{}";
    } catch (const std::exception& error) {
      response.status = 400;
      response.body = Json{{"error", error.what()}}.dump();
    }
  } else if (request.path == "/_requests" && request.method == "DELETE") {
    log = Json::array();
    response.body = "{}";
  } else if (request.path == "/_requests") {
    response.body = log.dump();
  } else if (request.path == "/_connections") {
    // Without the one that asks.
    response.body = Json{{"open", open.load() - 1}, {"accepted", accepted.load() - 1}}.dump();
  } else {
    return std::nullopt;
  }
  return response;
}

void HttpServer::State::serve(Connection& connection) {
  for (;;) {
    Request request;
    if (!connection.read_request(request)) return;
    if (auto own = own_route(request)) {
      if (!connection.write_response(*own)) return;
      continue;
    }
    if (!answer(connection, request)) return;
  }
}

// false: the connection is done with.
bool HttpServer::State::answer(Connection& connection, const Request& request) {
  const auto fault = take_fault(request);
  using Kind = Fault::Kind;
  if (fault && fault->kind == Kind::status) {
    Response response;
    response.status = fault->status;
    response.headers = fault->headers;
    response.body = fault->body;
    response.content_type = fault->content_type;
    note(request, &response, fault);
    return connection.write_response(response);
  }
  if (fault && (fault->kind == Kind::reset || fault->kind == Kind::silence)) {
    note(request, nullptr, fault);
    if (fault->kind == Kind::reset) {
      connection.reset();
    } else {
      connection.wait_until_gone();
    }
    return false;
  }
  Response response;
  if (fault && fault->kind == Kind::huge) {
    note(request, nullptr, fault);
    response.content_type = fault->content_type;
    response.stream = [] { return std::string(65536, 'x'); };
    return connection.write_response(response);
  }
  if (fault && fault->milliseconds > 0 && fault->kind == Kind::latency) {
    ::poll(nullptr, 0, fault->milliseconds);
  }
  response = handler(request);
  note(request, &response, fault);
  if (fault && fault->kind == Kind::content_type) response.content_type = fault->content_type;
  if (fault && fault->kind == Kind::stream_end) end_early(response, fault->pieces, fault->body);
  if (fault && fault->kind == Kind::stream_break) {
    end_early(response, fault->pieces, {});
    return connection.write_broken(response);
  }
  if (fault && fault->kind == Kind::truncate) return connection.write_half(response);
  if (fault && fault->kind == Kind::drip) {
    return connection.write_dripping(response, fault->milliseconds);
  }
  return connection.write_response(response);
}

void HttpServer::State::accept_all(const std::shared_ptr<State>& self) {
  pollfd waits[2] = {{listener, POLLIN, 0}, {stop_pipe[0], POLLIN, 0}};
  for (;;) {
    if (::poll(waits, 2, -1) < 0 && errno != EINTR) return;
    if (waits[1].revents != 0) return;
    const int descriptor = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (descriptor < 0) continue;
    ++open;
    ++accepted;
    // The thread keeps what it uses alive; a connection that never ends ends with the program.
    std::thread{[self, descriptor] {
      Connection connection{descriptor};
      self->serve(connection);
      --self->open;
    }}.detach();
  }
}

HttpServer::HttpServer(std::uint16_t port, Handler handler) : state_{std::make_shared<State>()} {
  const auto check = [](bool good, const char* what) {
    if (!good) throw std::system_error{errno, std::generic_category(), what};
  };
  state_->handler = std::move(handler);
  state_->listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  check(state_->listener >= 0, "socket");
  const int yes = 1;
  ::setsockopt(state_->listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  check(::bind(state_->listener, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0,
        "bind");
  check(::listen(state_->listener, 4096) == 0, "listen");
  check(::pipe(state_->stop_pipe) == 0, "pipe");
  state_->acceptor = std::thread{[state = state_] { state->accept_all(state); }};
}

HttpServer::~HttpServer() { stop(); }

std::uint16_t HttpServer::port() const {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  ::getsockname(state_->listener, reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

void HttpServer::stop() {
  if (!state_->acceptor.joinable()) return;
  [[maybe_unused]] const auto ignored = ::write(state_->stop_pipe[1], "x", 1);
  state_->acceptor.join();
}

}  // namespace simulator
