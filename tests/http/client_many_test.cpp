// SPDX-License-Identifier: Apache-2.0
#include "tests/http/client_fixture.hpp"

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <utility>
#include <vector>

namespace cofounder::test {
namespace {

// A process of its own (two have twice the descriptors) that answers the first request at once, and
// `wanted` more one second after the last of them came, so that all are in flight together.
class SlowServer {
 public:
  explicit SlowServer(std::size_t wanted) : wanted_{wanted} {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener_, 65535), 0);
    EXPECT_EQ(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port = ntohs(address.sin_port);
    child_ = ::fork();
    if (child_ == 0) serve();
    ::close(listener_);
  }
  ~SlowServer() {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }

  std::uint16_t port = 0;

 private:
  [[noreturn]] void serve() const {
    using Clock = std::chrono::steady_clock;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    constexpr std::string_view answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    const int set = ::epoll_create1(0);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = listener_;
    ::epoll_ctl(set, EPOLL_CTL_ADD, listener_, &event);
    std::vector<int> waiting;
    bool is_first = true;
    Clock::time_point due = Clock::time_point::max();
    const auto reply = [&](int descriptor) {
      if (::send(descriptor, answer.data(), answer.size(), MSG_NOSIGNAL) < 0) _exit(1);
    };
    std::array<epoll_event, 256> events;
    std::array<char, 4096> buffer;
    for (;;) {
      const int count =
          ::epoll_wait(set, events.data(), 256, due == Clock::time_point::max() ? 1000 : 1);
      for (int i = 0; i < count; ++i) {
        const int descriptor = events[static_cast<std::size_t>(i)].data.fd;
        if (descriptor == listener_) {
          event.data.fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK);
          if (event.data.fd >= 0) ::epoll_ctl(set, EPOLL_CTL_ADD, event.data.fd, &event);
        } else if (::recv(descriptor, buffer.data(), buffer.size(), 0) > 0) {
          if (std::exchange(is_first, false)) {
            reply(descriptor);
          } else {
            waiting.push_back(descriptor);
            if (waiting.size() == wanted_) due = Clock::now() + 1s;
          }
        } else {
          ::close(descriptor);
        }
      }
      if (due > Clock::now()) continue;
      for (const int descriptor : waiting) reply(descriptor);
      waiting.clear();
      due = Clock::time_point::max();
    }
  }

  const std::size_t wanted_;
  int listener_ = -1;
  pid_t child_ = -1;
};

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

class ManyTest : public ClientTest {};

TEST_F(ManyTest, TenThousandAreInFlightOnOneThread) {
  constexpr int wanted = 10'000;
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < static_cast<rlim_t>(wanted) + 500)
    GTEST_SKIP() << "too few descriptors allowed";
  const SlowServer server{wanted};
  options.clock = nullptr;
  options.connections_per_host_max = wanted;
  options.connections_max = wanted;
  const std::string url = "http://127.0.0.1:" + std::to_string(server.port) + "/";
  ASSERT_EQ(ask(get(url))->code(), "");  // libcurl is in memory now
  const long before = resident_kib();

  int ok = 0;
  int over = 0;
  int in_flight_most = 0;
  long memory_most = 0;
  auto longest = std::chrono::nanoseconds{0};
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < wanted; ++i) {
    auto request = get(url);
    request.connect_timeout = 10s;
    request.tries_max = 1;
    http::ResponseHandler handler;
    handler.on_body = [&ok](std::string_view body) {
      ok += body == "ok";
      return true;
    };
    handler.on_end = [&over](std::optional<Error>) { ++over; };
    client().start(std::move(request), std::move(handler));
  }
  auto last = begin;
  ASSERT_TRUE(wait(
      [&] {
        const auto now = std::chrono::steady_clock::now();
        if (now - begin < 900ms) longest = std::max<std::chrono::nanoseconds>(longest, now - last);
        last = now;
        const int open = client().open_connections();
        if (open > in_flight_most || over % 1000 == 1) {
          in_flight_most = std::max(in_flight_most, open);
          if (open % 500 == 0) memory_most = std::max(memory_most, resident_kib());
        }
        return over == wanted;
      },
      60s));
  const auto took = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  memory_most = std::max(memory_most, resident_kib());
  const double each_kib = static_cast<double>(memory_most - before) / wanted;
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  std::printf(
      "10,000 in flight: %.2f s, %.1f KiB each, longest turn %.1f ms, %d connections; "
      "processor time %.2f s user, %.2f s system\n",
      took, each_kib, static_cast<double>(longest.count()) / 1e6, in_flight_most,
      seconds(used.ru_utime), seconds(used.ru_stime));

  EXPECT_EQ(ok, wanted);
  EXPECT_EQ(in_flight_most, wanted);
#ifdef COFOUNDER_IS_RELEASE
  EXPECT_LT(each_kib, 60.0);
  // How long it takes client_speed_test.cpp says.
#endif
  EXPECT_EQ(client().close(), wanted);
}

}  // namespace
}  // namespace cofounder::test
