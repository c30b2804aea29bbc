// SPDX-License-Identifier: Apache-2.0
#include "tests/simulators/event_server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <system_error>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

namespace simulator {
namespace {

constexpr std::size_t wheel_slots = 1024;
constexpr std::size_t head_bytes_max = 64u << 10;
constexpr std::size_t body_bytes_max = 64u << 20;

std::int64_t now_ms() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

void check(bool good, const char* what) {
  if (!good) throw std::system_error{errno, std::generic_category(), what};
}

struct Peer {
  int descriptor = -1;
  std::uint64_t id = 0;  // descriptors are used again, these are not
  std::string in;
  std::string out;
  std::optional<Response> streaming;
  std::int64_t due_ms = 0;
  bool waits_to_write = false;
  bool is_eager = false;  // listed as one
};

}  // namespace

struct EventServer::State {
  HttpServer::Handler handler;
  int listener = -1;
  int wake = -1;
  int poller = -1;
  std::thread thread;
  std::unordered_map<std::uint64_t, Peer> peers;
  std::uint64_t next_id = 2;  // 0: the listener, 1: wake
  std::array<std::vector<std::uint64_t>, wheel_slots> wheel;
  std::size_t waiting = 0;  // on the wheel
  std::vector<std::uint64_t> eager;  // stream without pauses, as long as the socket takes it
  std::int64_t turned_to_ms = now_ms();

  ~State() {
    for (const auto& [id, peer] : peers) ::close(peer.descriptor);
    for (const int descriptor : {listener, wake, poller}) {
      if (descriptor >= 0) ::close(descriptor);
    }
  }

  void watch(int descriptor, std::uint64_t id, std::uint32_t events, int how) const {
    epoll_event event{};
    event.events = events;
    event.data.u64 = id;
    ::epoll_ctl(poller, how, descriptor, &event);
  }

  void run();
  int next_timeout() const;
  void turn();
  void serve_eager();
  void list_eager(Peer& peer);
  void accept_all();
  void drop(std::uint64_t id);
  void readable(std::uint64_t id);
  // false: more is to come, or the peer is busy.
  bool take_request(Peer& peer, Request& request, bool& broken) const;
  void answer(Peer& peer, const Request& request);
  void send_next(Peer& peer);
  bool flush(Peer& peer);
};

void EventServer::State::run() {
  std::array<epoll_event, 256> events{};
  for (;;) {
    const int count = ::epoll_wait(poller, events.data(), static_cast<int>(events.size()), next_timeout());
    for (int i = 0; i < count; ++i) {
      const std::uint64_t id = events[static_cast<std::size_t>(i)].data.u64;
      if (id == 1) return;
      if (id == 0) {
        accept_all();
        continue;
      }
      const auto found = peers.find(id);
      if (found == peers.end()) continue;
      if ((events[static_cast<std::size_t>(i)].events & EPOLLOUT) != 0 && !flush(found->second)) {
        drop(id);
        continue;
      }
      readable(id);
    }
    turn();
    serve_eager();
  }
}

int EventServer::State::next_timeout() const {
  if (!eager.empty()) return 0;
  if (waiting == 0) return -1;
  for (std::int64_t ms = turned_to_ms; ms < turned_to_ms + static_cast<std::int64_t>(wheel_slots); ++ms) {
    if (wheel[static_cast<std::size_t>(ms) % wheel_slots].empty()) continue;
    return static_cast<int>(std::max<std::int64_t>(0, ms - now_ms()));
  }
  return 1;
}

void EventServer::State::turn() {
  const std::int64_t now = now_ms();
  for (; turned_to_ms <= now; ++turned_to_ms) {
    auto& slot = wheel[static_cast<std::size_t>(turned_to_ms) % wheel_slots];
    if (slot.empty()) continue;
    const auto due = std::exchange(slot, {});
    waiting -= due.size();
    for (const std::uint64_t id : due) {
      const auto found = peers.find(id);
      if (found == peers.end()) continue;
      send_next(found->second);
      if (!flush(found->second)) drop(id);
    }
  }
}

// One piece of each that streams without pauses, a write for each piece, as a provider flushes every
// token.  Whom the socket takes no more from comes back when it does.
void EventServer::State::serve_eager() {
  for (const std::uint64_t id : std::exchange(eager, {})) {
    const auto found = peers.find(id);
    if (found == peers.end()) continue;
    found->second.is_eager = false;
    if (found->second.waits_to_write) continue;
    send_next(found->second);
    if (!flush(found->second)) drop(id);
  }
}

void EventServer::State::list_eager(Peer& peer) {
  if (!peer.streaming || peer.streaming->interval_ms > 0 || std::exchange(peer.is_eager, true)) return;
  eager.push_back(peer.id);
}

void EventServer::State::accept_all() {
  for (;;) {
    const int descriptor = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (descriptor < 0) return;
    const int yes = 1;
    ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    const std::uint64_t id = next_id++;
    Peer& peer = peers[id];
    peer.descriptor = descriptor;
    peer.id = id;
    watch(descriptor, id, EPOLLIN, EPOLL_CTL_ADD);
  }
}

void EventServer::State::drop(std::uint64_t id) {
  ::close(peers.at(id).descriptor);
  peers.erase(id);
}

void EventServer::State::readable(std::uint64_t id) {
  Peer& peer = peers.at(id);
  char piece[16384];
  for (;;) {
    const ssize_t got = ::recv(peer.descriptor, piece, sizeof piece, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) break;
    if (got <= 0) return drop(id);
    peer.in.append(piece, static_cast<std::size_t>(got));
  }
  for (;;) {
    Request request;
    bool broken = false;
    const bool taken = take_request(peer, request, broken);
    if (broken) return drop(id);
    if (!taken) return;
    answer(peer, request);
    if (!flush(peer)) return drop(id);
  }
}

bool EventServer::State::take_request(Peer& peer, Request& request, bool& broken) const {
  if (peer.streaming) return false;
  const auto end = peer.in.find("\r\n\r\n");
  if (end == std::string::npos) {
    broken = peer.in.size() > head_bytes_max;
    return false;
  }
  broken = !parse_request_head(std::string_view{peer.in}.substr(0, end + 2), request);
  if (broken) return false;
  const auto length = std::strtoull(std::string{request.header("content-length")}.c_str(), nullptr, 10);
  broken = length > body_bytes_max;
  if (broken || peer.in.size() < end + 4 + length) return false;
  request.body = peer.in.substr(end + 4, length);
  peer.in.erase(0, end + 4 + length);
  return true;
}

void EventServer::State::answer(Peer& peer, const Request& request) {
  Response response = handler(request);
  peer.out += response_head(response, response.body.size(), /*keep_alive=*/true);
  if (!response.stream) {
    peer.out += response.body;
    return;
  }
  peer.due_ms = now_ms();
  peer.streaming = std::move(response);
  send_next(peer);
}

// The next piece, and when the one after it is due: so long after this one was, not after it was
// sent, so that a late one does not delay the others.
void EventServer::State::send_next(Peer& peer) {
  if (!peer.streaming) return;
  const auto piece = peer.streaming->stream();
  if (!piece) {
    peer.out += "0\r\n\r\n";
    peer.streaming.reset();
    return;
  }
  if (!piece->empty()) {
    char size[24];
    std::snprintf(size, sizeof size, "%zx\r\n", piece->size());
    peer.out.append(size).append(*piece).append("\r\n");
    if (peer.streaming->interval_ms == 0) return list_eager(peer);
  }
  const int interval = std::clamp(peer.streaming->interval_ms, 1, static_cast<int>(wheel_slots) - 1);
  peer.due_ms = std::max(peer.due_ms + interval, turned_to_ms + 1);
  wheel[static_cast<std::size_t>(peer.due_ms) % wheel_slots].push_back(peer.id);
  ++waiting;
}

bool EventServer::State::flush(Peer& peer) {
  while (!peer.out.empty()) {
    const ssize_t wrote = ::send(peer.descriptor, peer.out.data(), peer.out.size(), MSG_NOSIGNAL);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0 && errno == EAGAIN) break;
    if (wrote < 0) return false;
    peer.out.erase(0, static_cast<std::size_t>(wrote));
  }
  const bool wants_to_write = !peer.out.empty();
  if (wants_to_write != peer.waits_to_write) {
    peer.waits_to_write = wants_to_write;
    if (!wants_to_write) list_eager(peer);
    watch(peer.descriptor, peer.id, wants_to_write ? EPOLLIN | EPOLLOUT : EPOLLIN, EPOLL_CTL_MOD);
  }
  return true;
}

EventServer::EventServer(std::uint16_t port, HttpServer::Handler handler)
    : state_{std::make_unique<State>()} {
  State& state = *state_;
  state.handler = std::move(handler);
  state.listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  check(state.listener >= 0, "socket");
  const int yes = 1;
  ::setsockopt(state.listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  check(::bind(state.listener, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0, "bind");
  check(::listen(state.listener, 4096) == 0, "listen");
  state.wake = ::eventfd(0, EFD_CLOEXEC);
  state.poller = ::epoll_create1(EPOLL_CLOEXEC);
  check(state.wake >= 0 && state.poller >= 0, "epoll");
  state.watch(state.listener, 0, EPOLLIN, EPOLL_CTL_ADD);
  state.watch(state.wake, 1, EPOLLIN, EPOLL_CTL_ADD);
  state.thread = std::thread{[&state] { state.run(); }};
}

EventServer::~EventServer() { stop(); }

std::uint16_t EventServer::port() const {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  ::getsockname(state_->listener, reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

void EventServer::stop() {
  if (!state_->thread.joinable()) return;
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto ignored = ::write(state_->wake, &one, sizeof one);
  state_->thread.join();
}

}  // namespace simulator
