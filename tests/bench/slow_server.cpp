// SPDX-License-Identifier: Apache-2.0
// slow_server: answers every HTTP request on 127.0.0.1 after a fixed time, for very many connections
// at once on one thread.
//
//   slow_server MILLISECONDS       prints the port, serves until it is killed
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <string_view>
#include <utility>

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view answer =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";

int listen_on_loopback() {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener, 65'535) != 0) {
    std::perror("slow_server");
    std::exit(1);
  }
  socklen_t size = sizeof address;
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  std::printf("%u\n", ntohs(address.sin_port));
  std::fflush(stdout);
  return listener;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 64;
  const std::chrono::milliseconds wait{std::atoi(argv[1])};
  rlimit files{65'536, 65'536};
  setrlimit(RLIMIT_NOFILE, &files);
  const int listener = listen_on_loopback();
  const int poller = ::epoll_create1(EPOLL_CLOEXEC);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = listener;
  ::epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
  std::deque<std::pair<Clock::time_point, int>> waiting;  // in the order in which they are due
  std::array<epoll_event, 512> events;
  std::array<char, 16'384> buffer;
  for (;;) {
    const int timeout = waiting.empty() ? -1 : 1;
    const int count = ::epoll_wait(poller, events.data(), static_cast<int>(events.size()), timeout);
    for (int i = 0; i < count; ++i) {
      const int descriptor = events[static_cast<std::size_t>(i)].data.fd;
      if (descriptor == listener) {
        for (int client; (client = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0;) {
          event.data.fd = client;
          ::epoll_ctl(poller, EPOLL_CTL_ADD, client, &event);
        }
        continue;
      }
      const ssize_t got = ::recv(descriptor, buffer.data(), buffer.size(), 0);
      if (got <= 0) {
        ::close(descriptor);
      } else if (std::string_view{buffer.data(), static_cast<std::size_t>(got)}.ends_with("\r\n\r\n")) {
        waiting.emplace_back(Clock::now() + wait, descriptor);
      }
    }
    while (!waiting.empty() && waiting.front().first <= Clock::now()) {
      ::send(waiting.front().second, answer.data(), answer.size(), MSG_NOSIGNAL);
      waiting.pop_front();
    }
  }
}
