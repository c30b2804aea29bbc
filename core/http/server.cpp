// SPDX-License-Identifier: Apache-2.0
#include "core/http/server.hpp"

#include "core/base/log.hpp"
#include "core/http/server_connection.hpp"
#include "core/http/server_socket.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>

namespace cofounder::http {

namespace asio = boost::asio;

std::string_view ServerRequest::header(std::string_view lower_case_name) const noexcept {
  for (const auto& [name, value] : headers) {
    if (name == lower_case_name) return value;
  }
  return {};
}

std::optional<std::string_view> ServerRequest::query_value(std::string_view name) const noexcept {
  for (const auto& [key, value] : query) {
    if (key == name) return value;
  }
  return std::nullopt;
}

// --- Responder

Responder::Responder(std::shared_ptr<Exchange> exchange) noexcept
    : exchange_{std::move(exchange)} {}
Responder::Responder(Responder&&) noexcept = default;

Responder& Responder::operator=(Responder&& other) noexcept {
  if (this != &other) {
    Responder old{std::move(*this)};
    exchange_ = std::move(other.exchange_);
  }
  return *this;
}

Responder::~Responder() {
  if (exchange_ == nullptr || exchange_->connection == nullptr) return;
  if (!exchange_->is_answered) {
    send_error(500, make_error("internal_error", "the request was not answered"));
  } else if (exchange_->is_streaming) {
    end_stream();
  }
}

void Responder::on_answer(UniqueFunction<void(int status)> action) {
  if (exchange_ != nullptr) exchange_->on_answer = std::move(action);
}

void Responder::send(ServerResponse response) {
  assert(exchange_ != nullptr && !exchange_->is_answered);
  exchange_->is_answered = true;
  if (auto action = std::exchange(exchange_->on_answer, {})) action(response.status);
  const auto connection = exchange_->connection;
  if (connection != nullptr) connection->send(connection, std::move(response));
}

void Responder::send_error(int status, const Error& error) { send(error_response(status, error)); }

void Responder::begin_stream(ServerResponse head) {
  assert(exchange_ != nullptr && !exchange_->is_answered);
  exchange_->is_answered = true;
  exchange_->is_streaming = true;
  if (auto action = std::exchange(exchange_->on_answer, {})) action(head.status);
  const auto connection = exchange_->connection;
  if (connection == nullptr) return;
  connection->begin_stream(std::move(head));
  connection->write(connection, {});  // the head goes out at once
}

bool Responder::write(std::string_view piece) {
  assert(exchange_ != nullptr && exchange_->is_streaming);
  const auto connection = exchange_->connection;
  return connection == nullptr || connection->write(connection, piece);
}

void Responder::on_drain(UniqueFunction<void()> action) {
  if (exchange_->connection != nullptr) exchange_->on_drain = std::move(action);
}

void Responder::end_stream() {
  assert(exchange_ != nullptr && exchange_->is_streaming);
  const auto connection = exchange_->connection;
  if (connection != nullptr) connection->end_stream(connection);
}

void Responder::abort_stream() {
  assert(exchange_ != nullptr && exchange_->is_streaming);
  const auto connection = exchange_->connection;
  if (connection != nullptr) connection->close();
}

void Responder::on_gone(UniqueFunction<void()> action) {
  if (exchange_->connection != nullptr) exchange_->on_gone = std::move(action);
}

bool Responder::is_gone() const noexcept { return exchange_ == nullptr || exchange_->is_gone; }

// --- ServerCore

void ServerCore::arm(Mono deadline) {
  if (deadline >= sweep_at_) return;
  if (timer_ != 0) loop.clock().cancel(timer_);
  sweep_at_ = deadline;
  timer_ = loop.clock().call_at(deadline, [this] { sweep(); });
}

void ServerCore::sweep() {
  timer_ = 0;
  sweep_at_ = Mono::max();
  const Mono now = loop.clock().mono();
  Mono next = Mono::max();
  const auto all = connections;  // a connection that ends leaves the list
  for (const auto& connection : all) {
    connection->on_sweep(now, connection);
    next = std::min(next, connection->deadline());
  }
  if (!connections.empty() && next != Mono::max()) arm(std::max(next, now + Milliseconds{1}));
}

std::string_view ServerCore::date() {
  const Time now = loop.clock().now();
  const auto second = std::chrono::floor<std::chrono::seconds>(now);
  if (second != date_at_ || date_.empty()) {
    date_at_ = second;
    date_ = http_date(now);
  }
  return date_;
}

void ServerCore::remove(Connection& connection) {
  const std::size_t index = connection.index_;
  assert(index < connections.size() && connections[index].get() == &connection);
  if (index + 1 != connections.size()) {
    std::swap(connections[index], connections.back());
    connections[index]->index_ = index;
  }
  // What stands on the stack above may still use it.
  loop.post([last = std::move(connections.back())] {});
  connections.pop_back();
  if (is_stopping && connections.empty() && on_empty) on_empty();
}

// --- Server

struct Server::State {
  struct Listener {
    explicit Listener(asio::io_context& context, int descriptor) : socket{context, descriptor} {}
    asio::posix::stream_descriptor socket;
    std::filesystem::path file;  // removed at the end
    ino_t inode = 0;
    TimerId pause = 0;
  };

  State(Loop& l, Options options, ServerHandler handler)
      : loop{l}, core{l, std::move(options), std::move(handler)} {}

  void add(int descriptor, std::filesystem::path file);
  void wait(const std::shared_ptr<Listener>& listener);
  void accept_all(const std::shared_ptr<Listener>& listener);
  void take(int descriptor);
  void close_listeners();
  void finish_stop();

  Loop& loop;
  ServerCore core;
  // Shared with the wait in flight, which may end after the server.
  std::vector<std::shared_ptr<Listener>> listeners;
  UniqueFunction<void()> on_stopped;
  TimerId grace = 0;
};

void Server::State::add(int descriptor, std::filesystem::path file) {
  auto listener = std::make_shared<Listener>(loop.context(), descriptor);
  struct stat status{};
  if (!file.empty() && ::stat(file.c_str(), &status) == 0) {
    listener->inode = status.st_ino;
    listener->file = std::move(file);
  }
  listeners.push_back(listener);
  wait(listener);
}

void Server::State::wait(const std::shared_ptr<Listener>& listener) {
  listener->socket.async_wait(asio::posix::stream_descriptor::wait_read,
                              [this, listener](const boost::system::error_code& error) {
                                if (!error && listener->socket.is_open()) accept_all(listener);
                              });
}

void Server::State::accept_all(const std::shared_ptr<Listener>& listener) {
  for (;;) {
    const int descriptor =
        ::accept4(listener->socket.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (descriptor >= 0) {
      take(descriptor);
      continue;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) break;
    if (errno == EINTR || errno == ECONNABORTED) continue;
    // Out of descriptors or memory: clients wait in the backlog until some come back.
    log::warning(std::string{"accepting a client: "} + std::strerror(errno) + "; pausing");
    listener->pause = loop.clock().call_after(Milliseconds{200}, [this, listener] {
      listener->pause = 0;
      accept_all(listener);
    });
    return;
  }
  wait(listener);
}

void Server::State::take(int descriptor) {
  if (core.connections.size() >= static_cast<std::size_t>(core.options.connections_max)) {
    Error error = make_error("too_many_connections", "too many clients are connected", true);
    error.retry_after = Milliseconds{1'000};
    const auto response = error_response(503, error);
    ResponseFrame frame;
    frame.keep_alive = false;
    frame.date = core.date();
    std::string busy;
    append_head(busy, response, frame);
    busy += response.body;
    [[maybe_unused]] const auto sent =
        ::send(descriptor, busy.data(), busy.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    ::shutdown(descriptor, SHUT_WR);
    ::close(descriptor);
    return;
  }
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size);
  if (address.ss_family != AF_UNIX) {
    const int on = 1;
    ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  Peer peer = peer_of(descriptor);
  asio::generic::stream_protocol::socket socket{
      loop.context(), asio::generic::stream_protocol{address.ss_family, 0}, descriptor};
  Connection::start(std::make_shared<Connection>(core, std::move(socket), std::move(peer)));
}

void Server::State::close_listeners() {
  for (const auto& listener : listeners) {
    if (listener->pause != 0) loop.clock().cancel(listener->pause);
    boost::system::error_code ignored;
    listener->socket.close(ignored);
    struct stat status{};
    if (!listener->file.empty() && ::stat(listener->file.c_str(), &status) == 0 &&
        status.st_ino == listener->inode) {
      ::unlink(listener->file.c_str());
    }
  }
  listeners.clear();
}

void Server::State::finish_stop() {
  if (grace != 0) loop.clock().cancel(std::exchange(grace, 0));
  core.on_empty = nullptr;
  if (on_stopped) loop.post(std::move(on_stopped));
}

Server::Server(Loop& loop, Options options, ServerHandler handler)
    : state_{std::make_unique<State>(loop, std::move(options), std::move(handler))} {}

Server::~Server() {
  state_->close_listeners();
  if (state_->grace != 0) state_->loop.clock().cancel(state_->grace);
  state_->core.on_empty = nullptr;
  const auto all = state_->core.connections;
  for (const auto& connection : all) connection->close(false);
  if (state_->core.timer_ != 0) state_->loop.clock().cancel(state_->core.timer_);
}

void Server::listen_unix(const std::filesystem::path& path, mode_t mode, gid_t group) {
  state_->add(open_unix_listener(path, mode, group), path);
}

void Server::listen_descriptor(int descriptor) {
  adopt_listener(descriptor);
  state_->add(descriptor, {});
}

std::uint16_t Server::listen_tcp(std::string_view address) {
  std::uint16_t port = 0;
  state_->add(open_tcp_listener(address, port), {});
  return port;
}

void Server::stop(Milliseconds grace, UniqueFunction<void()> done) {
  State& state = *state_;
  state.close_listeners();
  state.core.is_stopping = true;
  state.on_stopped = std::move(done);
  state.core.on_empty = [&state] { state.finish_stop(); };
  const auto all = state.core.connections;
  for (const auto& connection : all) connection->stop_if_idle();
  if (!state.on_stopped) return;
  if (state.core.connections.empty()) return state.finish_stop();
  state.grace = state.loop.clock().call_after(grace, [&state] {
    state.grace = 0;
    const auto rest = state.core.connections;
    for (const auto& connection : rest) connection->close();
  });
}

int Server::connections() const noexcept {
  return static_cast<int>(state_->core.connections.size());
}

}  // namespace cofounder::http
