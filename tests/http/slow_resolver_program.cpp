// SPDX-License-Identifier: Apache-2.0
// Run by client_resolver_test with a preloaded getaddrinfo() that takes four seconds: starts 100
// requests to names, cancels half of them, lets the others time out, and prints the longest time
// in milliseconds for which the loop did not turn.
#include "core/base/loop.hpp"
#include "core/http/client.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

using namespace cofounder;
using namespace std::chrono_literals;

int main() {
  Loop loop;
  http::Client client{loop, {}};
  int cancelled = 0;
  int timed_out = 0;
  int local = 0;
  int others = 0;
  std::vector<http::Client::Handle> handles;
  const auto stop_when_over = [&] {
    if (cancelled + timed_out + local + others == 101) loop.stop();
  };
  for (int i = 0; i < 100; ++i) {
    http::ClientRequest request;
    request.url = "https://host-" + std::to_string(i) + ".example.invalid/";
    request.connect_timeout = i % 2 == 0 ? 60'000ms : 700ms;
    request.tries_max = 1;
    http::ResponseHandler handler;
    handler.on_end = [&](std::optional<Error> error) {
      const std::string code = error ? error->code : "";
      if (code == "cancelled") {
        ++cancelled;
      } else if (code == "timed_out") {
        ++timed_out;
      } else {
        ++others;
      }
      stop_when_over();
    };
    const auto handle = client.start(std::move(request), std::move(handler));
    if (i % 2 == 0) handles.push_back(handle);
  }
  // Nobody is asked for localhost: it fails at once, for nothing listens there.
  http::ClientRequest request;
  request.url = "http://localhost:1/";
  request.tries_max = 1;
  http::ResponseHandler handler;
  handler.on_end = [&](std::optional<Error> error) {
    ++(error && error->code == "connect_failed" ? local : others);
    stop_when_over();
  };
  client.start(std::move(request), std::move(handler));

  loop.clock().call_after(500ms, [&] {
    for (const auto handle : handles) client.cancel(handle);
  });
  boost::asio::steady_timer ticker{loop.context()};
  auto last = std::chrono::steady_clock::now();
  auto longest = 0ns;
  std::function<void()> tick = [&] {
    const auto now = std::chrono::steady_clock::now();
    longest = std::max<std::chrono::nanoseconds>(longest, now - last);
    last = now;
    ticker.expires_after(1ms);
    ticker.async_wait([&](const boost::system::error_code&) { tick(); });
  };
  tick();
  const auto begin = std::chrono::steady_clock::now();
  loop.run();
  const auto closing = std::chrono::steady_clock::now();
  client.close();
  const auto end = std::chrono::steady_clock::now();
  longest = std::max<std::chrono::nanoseconds>(longest, end - closing);

  const auto in_ms = [](auto time) {
    return static_cast<long>(std::chrono::duration_cast<std::chrono::milliseconds>(time).count());
  };
  std::printf("cancelled=%d timed_out=%d local=%d others=%d gap_ms=%ld total_ms=%ld\n", cancelled,
              timed_out, local, others, in_ms(longest), in_ms(end - begin));
  std::fflush(stdout);
  std::_Exit(0);  // resolver threads are still asleep
}
