// SPDX-License-Identifier: Apache-2.0
#include "core/http/client_curl.hpp"
#include "core/http/client_parts.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cassert>
#include <cerrno>
#include <utility>

namespace cofounder::http {
namespace {

namespace asio = boost::asio;

constexpr int events_per_turn = 64;            // then others have their turn on the loop
constexpr long idle_connections_max = 256;     // kept open for re-use
constexpr std::chrono::seconds idle_keep{30};  // then all are closed

}  // namespace

// libcurl's sockets are watched by an epoll set of their own, and the loop watches that one
// descriptor: level-triggered, no allocation for each event, no state for each socket.
struct Multi::State : std::enable_shared_from_this<Multi::State> {
  State(Loop& the_loop, int the_connections_max, OnDone done)
      : loop{the_loop},
        connections_max{the_connections_max},
        on_done{std::move(done)},
        epoll{the_loop.context()},
        timer{the_loop.context()},
        idle_timer{the_loop.context()} {}

  bool open();
  int close() noexcept;
  void wait_events();
  void take_events();
  void act(int descriptor, int events);
  void collect();
  void set_timer(long timeout_ms);
  void watch(int descriptor, int what, bool is_new);
  void set_idle_max() noexcept;
  void close_when_idle();

  Loop& loop;
  const int connections_max;
  OnDone on_done;
  CURLM* multi = nullptr;
  CURLSH* share = nullptr;
  asio::posix::stream_descriptor epoll;
  asio::steady_timer timer;
  asio::steady_timer idle_timer;
  bool fires_at_once = false;  // the timer is set to now
  bool over = false;           // Multi was destroyed
  int depth = 0;               // calls into libcurl on the stack
  int running = 0;
  int connections = 0;
  long idle_max = 0;
};

namespace {

struct Inside {
  explicit Inside(int& the_depth) noexcept : depth{the_depth} { ++depth; }
  ~Inside() { --depth; }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;
  int& depth;
};

}  // namespace

// False: out of memory or descriptors.
bool Multi::State::open() {
  const int descriptor = load_curl() ? epoll_create1(EPOLL_CLOEXEC) : -1;
  if (descriptor < 0) return false;
  epoll.assign(descriptor);
  multi = curl().multi_init();
  share = curl().share_init();
  if (multi == nullptr || share == nullptr) {
    close();
    return false;
  }
  curl().share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
  curl().share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);

  curl().multi_setopt(multi, CURLMOPT_SOCKETDATA, this);
  curl().multi_setopt(
      multi, CURLMOPT_SOCKETFUNCTION,
      +[](CURL*, curl_socket_t socket, int what, void* self, void* known) {
        static_cast<State*>(self)->watch(socket, what, known == nullptr);
        return 0;
      });
  curl().multi_setopt(multi, CURLMOPT_TIMERDATA, this);
  curl().multi_setopt(
      multi, CURLMOPT_TIMERFUNCTION, +[](CURLM*, long timeout_ms, void* self) {
        static_cast<State*>(self)->set_timer(timeout_ms);
        return 0;
      });
  curl().multi_setopt(multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
  // How many go to a host is the client's to count: libcurl does not know whose they are.
  curl().multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, static_cast<long>(connections_max));
  idle_max = 0;
  set_idle_max();
  wait_events();
  return true;
}

// Asio's cancel() and the memory for a timer could fail in theory: that ends the process.
// NOLINTNEXTLINE(bugprone-exception-escape)
int Multi::State::close() noexcept {
  const int count = connections;
  timer.cancel();
  idle_timer.cancel();
  fires_at_once = false;
  if (!epoll.is_open()) return count;
  {
    const Inside inside{depth};
    curl().multi_cleanup(std::exchange(multi, nullptr));
    curl().share_cleanup(std::exchange(share, nullptr));
  }
  boost::system::error_code ignored;
  epoll.close(ignored);
  return count;
}

void Multi::State::wait_events() {
  epoll.async_wait(asio::posix::stream_descriptor::wait_read,
                   [self = shared_from_this()](const boost::system::error_code& error) {
                     if (error || self->over || self->multi == nullptr) return;
                     self->take_events();
                     if (self->multi != nullptr) self->wait_events();
                   });
}

void Multi::State::take_events() {
  std::array<epoll_event, events_per_turn> events;
  const int count = epoll_wait(epoll.native_handle(), events.data(), events_per_turn, 0);
  for (int i = 0; i < count && multi != nullptr; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    int what = 0;
    if ((event.events & (EPOLLIN | EPOLLRDHUP)) != 0) what |= CURL_CSELECT_IN;
    if ((event.events & EPOLLOUT) != 0) what |= CURL_CSELECT_OUT;
    if ((event.events & (EPOLLERR | EPOLLHUP)) != 0) what |= CURL_CSELECT_ERR;
    // One that an earlier event of this turn closed is unknown to libcurl, or new and not ready:
    // both do no harm.
    act(event.data.fd, what);
  }
  collect();
}

void Multi::State::act(int descriptor, int events) {
  const Inside inside{depth};
  int still_running = 0;
  curl().multi_socket_action(multi, descriptor, events, &still_running);
}

void Multi::State::collect() {
  const auto keep = shared_from_this();
  while (multi != nullptr) {
    int left = 0;
    const CURLMsg* message = curl().multi_info_read(multi, &left);
    if (message == nullptr) return;
    if (message->msg == CURLMSG_DONE) on_done(message->easy_handle, message->data.result);
  }
}

void Multi::State::set_timer(long timeout_ms) {
  if (timeout_ms == 0 && fires_at_once) return;
  fires_at_once = timeout_ms == 0;
  if (timeout_ms < 0) {
    timer.cancel();
    return;
  }
  timer.expires_after(Milliseconds{timeout_ms});
  timer.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    if (error || self->over || self->multi == nullptr) return;
    self->fires_at_once = false;
    self->act(CURL_SOCKET_TIMEOUT, 0);
    self->collect();
  });
}

void Multi::State::watch(int descriptor, int what, bool is_new) {
  const int set = epoll.native_handle();
  if (what == CURL_POLL_REMOVE) {
    epoll_ctl(set, EPOLL_CTL_DEL, descriptor, nullptr);
    return;
  }
  epoll_event event{};
  event.data.fd = descriptor;
  if ((what & CURL_POLL_IN) != 0) event.events |= EPOLLIN;
  if ((what & CURL_POLL_OUT) != 0) event.events |= EPOLLOUT;
  if (is_new) {
    static char known;  // any address that is not null
    curl().multi_assign(multi, descriptor, &known);
    if (epoll_ctl(set, EPOLL_CTL_ADD, descriptor, &event) == 0 || errno != EEXIST) return;
  }
  epoll_ctl(set, EPOLL_CTL_MOD, descriptor, &event);
}

// libcurl looks through all connections for the oldest idle one as soon as there are more than
// this; with ten thousand in use that search would be most of the work.
void Multi::State::set_idle_max() noexcept {
  long wanted = idle_connections_max;
  while (wanted < running + idle_connections_max) wanted *= 2;
  if (wanted != idle_max) curl().multi_setopt(multi, CURLMOPT_MAXCONNECTS, idle_max = wanted);
}

void Multi::State::close_when_idle() {
  idle_timer.expires_after(idle_keep);
  idle_timer.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    if (!error && !self->over && self->running == 0) self->close();
  });
}

Multi::Multi(Loop& loop, int connections_max, OnDone on_done)
    : state_{std::make_shared<State>(loop, connections_max, std::move(on_done))} {}

Multi::~Multi() {
  assert(!is_inside());
  state_->close();
  state_->over = true;
}

bool Multi::prepare(EasyHandle easy, bool is_fresh) {
  State& state = *state_;
  if (state.multi == nullptr && !state.open()) return false;
  bool ok = true;
  const auto set = [&](CURLoption option, auto value) {
    ok = ok && curl().easy_setopt(easy, option, value) == CURLE_OK;
  };
  set(CURLOPT_SHARE, state.share);
  set(CURLOPT_FRESH_CONNECT, is_fresh ? 1L : 0L);
  set(CURLOPT_OPENSOCKETDATA, static_cast<void*>(&state.connections));
  set(
      CURLOPT_OPENSOCKETFUNCTION,
      +[](void* connections, curlsocktype, curl_sockaddr* address) -> curl_socket_t {
        const int socket = ::socket(
            address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, address->protocol);
        if (socket < 0) return CURL_SOCKET_BAD;
        ++*static_cast<int*>(connections);
        return socket;
      });
  set(CURLOPT_CLOSESOCKETDATA, static_cast<void*>(&state.connections));
  set(
      CURLOPT_CLOSESOCKETFUNCTION, +[](void* connections, curl_socket_t socket) {
        --*static_cast<int*>(connections);
        return ::close(socket);
      });
  return ok;
}

bool Multi::add(EasyHandle easy) {
  State& state = *state_;
  if (++state.running == 1) state.idle_timer.cancel();
  state.set_idle_max();
  const Inside inside{state.depth};
  if (curl().multi_add_handle(state.multi, easy) == CURLM_OK) return true;
  --state.running;
  return false;
}

// NOLINTNEXTLINE(bugprone-exception-escape): as close()
void Multi::remove(EasyHandle easy) noexcept {
  State& state = *state_;
  assert(state.depth == 0);
  {
    const Inside inside{state.depth};
    curl().multi_remove_handle(state.multi, easy);
    curl().easy_setopt(easy, CURLOPT_SHARE, static_cast<CURLSH*>(nullptr));
  }
  if (--state.running == 0) {
    state.set_idle_max();
    state.close_when_idle();
  }
}

void Multi::unpause(EasyHandle easy) noexcept {
  const auto state = state_;
  {
    const Inside inside{state->depth};
    curl().easy_pause(easy, CURLPAUSE_CONT);
  }
}

bool Multi::is_inside() const noexcept { return state_->depth > 0; }
int Multi::open_connections() const noexcept { return state_->connections; }
int Multi::close() noexcept { return state_->close(); }

}  // namespace cofounder::http
