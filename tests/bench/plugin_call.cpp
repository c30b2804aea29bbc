// SPDX-License-Identifier: Apache-2.0
// What a call into a plugin costs, in both modes, each beside its floor: a bare hop to another thread
// and back, and a bare ping-pong with another process.  Prints one line of JSON.
#include "tests/host/host_world.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <string>
#include <thread>

namespace cofounder {
namespace {

using Clock = std::chrono::steady_clock;

double microseconds(Clock::duration time) {
  return std::chrono::duration<double, std::micro>(time).count();
}

double median(std::vector<double> all) {
  std::nth_element(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2), all.end());
  return all[all.size() / 2];
}

// The floor: two threads that wake each other by a mutex and a condition.
double bare_hop(int rounds) {
  std::mutex mutex;
  std::condition_variable changed;
  int turn = 0;  // 0: ours, 1: the other's, 2: the end
  std::thread other{[&] {
    std::unique_lock lock{mutex};
    for (;;) {
      changed.wait(lock, [&] { return turn != 0; });
      if (turn == 2) return;
      turn = 0;
      changed.notify_one();
    }
  }};
  std::vector<double> took;
  for (int i = 0; i < rounds; ++i) {
    const auto begin = Clock::now();
    std::unique_lock lock{mutex};
    turn = 1;
    changed.notify_one();
    changed.wait(lock, [&] { return turn == 0; });
    took.push_back(microseconds(Clock::now() - begin));
  }
  {
    const std::lock_guard lock{mutex};
    turn = 2;
  }
  changed.notify_one();
  other.join();
  return median(std::move(took));
}

// The floor of isolated calls: two processes that wake each other by a pair of sockets.
double bare_ping_pong(int rounds) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) != 0) std::abort();
  const pid_t other = ::fork();
  if (other < 0) std::abort();
  char packet[64] = {};
  if (other == 0) {
    ::close(ends[0]);
    while (::recv(ends[1], packet, sizeof packet, 0) > 0) {
      if (::send(ends[1], packet, sizeof packet, 0) < 0) break;
    }
    ::_exit(0);
  }
  ::close(ends[1]);
  std::vector<double> took;
  for (int i = 0; i < rounds; ++i) {
    const auto begin = Clock::now();
    if (::send(ends[0], packet, sizeof packet, 0) < 0) std::abort();
    if (::recv(ends[0], packet, sizeof packet, 0) <= 0) std::abort();
    took.push_back(microseconds(Clock::now() - begin));
  }
  ::close(ends[0]);
  return median(std::move(took));
}

// Keeps `in_flight` calls running until there were `calls` of them.
class Pump {
 public:
  Pump(test::HostWorld& world, int in_flight, int calls)
      : world_{world}, in_flight_{in_flight}, left_{calls} {}

  // Microseconds for a call: the median of one after the other, else the mean.
  double run() {
    const auto begin = Clock::now();
    const int calls = left_;
    for (int i = 0; i < in_flight_; ++i) next();
    world_.until([&] { return running_ == 0; });
    const double mean = microseconds(Clock::now() - begin) / calls;
    return in_flight_ == 1 ? median(std::move(took_)) : mean;
  }

 private:
  void next() {
    if (left_ == 0) return;
    --left_;
    ++running_;
    ClaimedTask task;
    task.key = {world_.ids.next(world_.loop.clock().now()), 1};
    task.op = "echo.say";
    task.args = "{}";
    const auto begin = Clock::now();
    world_.host->start(std::move(task), Mono::max(), [this, begin](Outcome outcome) {
      if (outcome.kind != Outcome::Kind::succeeded) std::abort();
      if (in_flight_ == 1) took_.push_back(microseconds(Clock::now() - begin));
      --running_;
      next();
    });
  }

  test::HostWorld& world_;
  int in_flight_;
  int left_;
  int running_ = 0;
  std::vector<double> took_;
};

// Adds what it measured to `json`.
bool run(bool isolated, std::string& json) {
  const double ping_pong = isolated ? bare_ping_pong(20'000) : 0;
  test::HostWorld world;
  world.add("echo");
  world.plugin("echo").isolation = isolated ? "process" : "in-process";
  if (world.start()) return false;
  const double floor = isolated ? ping_pong : bare_hop(20'000);
  const double one = Pump{world, 1, 20'000}.run();
  const double many = Pump{world, 64, 200'000}.run();
  char text[160];
  std::snprintf(text, sizeof text, "\"%s\": {\"floor_us\": %.3f, \"one_us\": %.3f, \"many_us\": %.3f}",
                isolated ? "isolated" : "in_process", floor, one, many);
  json += text;
  return world.stop();
}

}  // namespace
}  // namespace cofounder

int main() {
  std::string json = "{";
  if (!cofounder::run(false, json)) return 1;
  json += ", ";
  if (!cofounder::run(true, json)) return 1;
  std::printf("%s}\n", json.c_str());
  return 0;
}
