// SPDX-License-Identifier: Apache-2.0
#include "tests/support/neighbour.hpp"

#include <poll.h>

#include <algorithm>
#include <fstream>

namespace cofounder::test {

namespace {

using Steady = std::chrono::steady_clock;
using namespace std::chrono_literals;

std::int64_t to_ns(Steady::time_point time) { return time.time_since_epoch() / 1ns; }

// How long a thread could have run, and other threads did: the kernel's count, in nanoseconds.
std::int64_t waited_for_processor(const std::string& thread) {
  std::ifstream in{"/proc/" + thread + "/schedstat"};
  std::int64_t ran = 0, waited = 0;
  in >> ran >> waited;
  return waited;
}

constexpr const char* greetings =
    R"([{"op":"hello.greet","args":{"name":"a"}},{"op":"hello.greet","args":{"name":"b"}}])";

}  // namespace

MachineStalls::MachineStalls() {
  due_ns_ = to_ns(Steady::now() + 2ms);
  thread_ = std::thread{[this] {
    while (!over_) {
      due_ns_ = to_ns(Steady::now() + 2ms);
      ::poll(nullptr, 0, 1);
      lost_ns_ += std::max<std::int64_t>(0, to_ns(Steady::now()) - due_ns_);
    }
  }};
}

MachineStalls::~MachineStalls() {
  over_ = true;
  thread_.join();
}

std::chrono::nanoseconds MachineStalls::sum() const {
  const std::int64_t now_late = to_ns(Steady::now()) - due_ns_;
  return std::chrono::nanoseconds{lost_ns_ + std::max<std::int64_t>(0, now_late)};
}

Neighbour::Neighbour(const RealDaemon& daemon) : daemon_{daemon} {
  asking_ = std::thread{[this] { ask(); }};
  working_ = std::thread{[this] { work(); }};
}

Neighbour::~Neighbour() {
  if (asking_.joinable()) finish();
}

void Neighbour::ask() {
  const MachineStalls stalls;
  const auto ms = [](auto time) { return std::chrono::duration<double, std::milli>(time).count(); };
  // The loop is the daemon's first thread; it and this one are all that an answer needs.
  const auto waited = [loop = std::to_string(daemon_.child().pid())] {
    return std::chrono::nanoseconds{waited_for_processor(loop) + waited_for_processor("thread-self")};
  };
  for (int asked = 0; !over_ || asked < answers_min; ++asked) {
    const auto lost = stalls.sum();
    const auto waited_before = waited();
    const auto began = Steady::now();
    const ctl::Answer answer = daemon_.get("/v1/status");
    const double took = ms(Steady::now() - began);
    const double stalled = std::max(ms(stalls.sum() - lost), ms(waited() - waited_before));
    if (answer.status == 200) {
      ++report_.answers;
    } else {
      ++report_.unanswered;
      report_.unanswered_why = answer.body;
    }
    report_.slowest_raw_ms = std::max(report_.slowest_raw_ms, took);
    report_.slowest_ms = std::max(report_.slowest_ms, took - stalled);
    ::poll(nullptr, 0, 5);
  }
}

void Neighbour::work() {
  for (bool first = true; !over_ || first; first = false) {
    const ctl::Answer answer = daemon_.call("POST", "/v1/tasks", greetings);
    ++(answer.is_success() ? report_.submitted : report_.refused);
    ::poll(nullptr, 0, 10);
  }
  report_.submitted *= 2;
}

Neighbour::Report Neighbour::finish() {
  over_ = true;
  asking_.join();
  working_.join();
  wait_until([&] {
    const auto rows = daemon_.list("op=hello.greet&state=succeeded");
    report_.succeeded = static_cast<int>(rows.size());
    report_.tried_again = static_cast<int>(
        std::count_if(rows.begin(), rows.end(), [](const auto& row) { return row.attempt > 1; }));
    return report_.succeeded >= report_.submitted;
  });
  return report_;
}

}  // namespace cofounder::test
