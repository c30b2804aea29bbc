// SPDX-License-Identifier: Apache-2.0
// How fast it is for those who wait: many uploads at once, and others beside a plugin that hangs.
//
// The bounds are those of a release build on two cores.  ASan and TSan make everything three to
// twenty times slower, and an unoptimized build is several times slower, too: there the bounds only
// say that uploads run beside each other (one after the other they would take 100 s) and that the
// loop is not blocked by them (for the 500 ms that one takes).
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <iostream>
#include <thread>

#include "tests/support/real_daemon.hpp"

namespace cofounder::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using Steady = std::chrono::steady_clock;

#ifdef COFOUNDER_IS_RELEASE
constexpr bool is_release = true;
#else
constexpr bool is_release = false;
#endif
// Other programs of the machine can spoil a round, not three: the best one counts.
constexpr int rounds_most = 3;

double milliseconds(Steady::duration duration) {
  return std::chrono::duration<double, std::milli>{duration}.count();
}

// ---- uploads ------------------------------------------------------------------------------

class Uploads : public testing::Test {
 protected:
  static constexpr int uploads = 200;

  Uploads() {
    EXPECT_TRUE(wait_until([&] { return !(port = read_file(daemon.folder() / "port")).empty(); }));
    port.erase(port.find_last_not_of('\n') + 1);
    write_file(daemon.folder() / "secret", "abcd");
    fs::permissions(daemon.folder() / "secret", fs::perms{0600});
    configure(256);
    // The simulator looks at the head of a PNG only.
    std::string png{"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x8\2\0\0\0", 29};
    png += std::string(20'000, 'p');
    write_file(daemon.folder() / "files/photo.png", png);
  }

  void configure(int calls) {
    daemon.configure(
        "[plugin.cloudinary]\ncloud_name = \"demo\"\napi_key = \"1234\"\n"
        "api_secret = { file = \"" +
        (daemon.folder() / "secret").string() +
        "\" }\n"
        "base_url = \"http://127.0.0.1:" +
        port +
        "\"\n"
        "[plugin.cloudinary.limits]\nhttp_connections_per_host_max = 256\ncalls_max = " +
        std::to_string(calls) + "\n");
  }

  struct Round {
    double took_ms = 0;
    double p99_ms = 0;
  };
  // 200 uploads, while somebody asks for the status all the time.
  Round run(int number) {
    std::atomic<bool> over = false;
    std::vector<double> waits;
    std::thread asking{[&] {
      while (!over) {
        const auto asked = Steady::now();
        if (daemon.get("/v1/status").status == 200)
          waits.push_back(milliseconds(Steady::now() - asked));
      }
    }};
    const auto begin = Steady::now();
    std::string tasks = "[";
    for (int i = 0; i < uploads; ++i) {
      tasks += std::string{i == 0 ? "" : ","} +
               R"({"op":"cloudinary.upload","attempts_max":1,"args":{"file":")" +
               (daemon.folder() / "files/photo.png").string() + R"(","public_id":"p)" +
               std::to_string(number * uploads + i) + "\"}}";
    }
    const auto answer = daemon.call("POST", "/v1/tasks", tasks + "]");
    EXPECT_EQ(answer.status, 201) << answer.body;
    const auto in_state = [&](const char* state) {
      return daemon.list(std::string{"state="} + state).size();
    };
    const bool done = wait_until([&] {
      return in_state("ready") + in_state("scheduled") + in_state("running") == 0;
    });
    const double took = milliseconds(Steady::now() - begin);
    over = true;
    asking.join();
    EXPECT_TRUE(done) << daemon.log();
    EXPECT_EQ(in_state("succeeded"), static_cast<std::size_t>(uploads * (number + 1)))
        << daemon.get("/v1/tasks?limit=1").body << daemon.log();
    EXPECT_GT(waits.size(), 10u);
    if (waits.empty()) return {};
    std::sort(waits.begin(), waits.end());
    const double p99 = waits[waits.size() * 99 / 100];
    std::cout << uploads << " uploads in " << took << " ms; GET /v1/status " << waits.size()
              << " times, p50 " << waits[waits.size() / 2] << " ms, p99 " << p99 << " ms\n";
    return {took, p99};
  }

  RealDaemon daemon{{"plugins/cloudinary.so", "plugins/hello.so"}};
  Child simulator{{{COFOUNDER_BINARY_DIR "/bin/cloudinary_simulator", "--port-file",
                    (daemon.folder() / "port").string(), "delay_ms=500"},
                   {},
                   -1}};
  std::string port;
};

TEST_F(Uploads, TwoHundredAtOnceTakeLittleMoreThanOneAndStatusStaysFast) {
  ASSERT_TRUE(daemon.start()) << daemon.log();
  const double took_most = is_release ? 2000 : 10'000;
  const double p99_most = is_release ? 5 : 200;
  Round best{1e9, 1e9};
  for (int i = 0; i < rounds_most && (best.took_ms >= took_most || best.p99_ms >= p99_most); ++i) {
    const Round round = run(i);
    if (HasFailure()) break;
    // Both have to hold in the same round.
    if (std::max(round.took_ms / took_most, round.p99_ms / p99_most) <
        std::max(best.took_ms / took_most, best.p99_ms / p99_most)) {
      best = round;
    }
  }
  EXPECT_LT(best.took_ms, took_most);
  EXPECT_LT(best.p99_ms, p99_most);
  EXPECT_EQ(daemon.stop(), 0);
}

// The providers' facts, row 7: "DELETE /image/destroy": twice, and the second time it is not there.
// The origin's row: upload and delete while everything else keeps answering.  One after the other, they
// take five seconds; others are through long before.
TEST_F(Uploads, AndDeletesLeaveEverythingElseAnswering) {
  constexpr int count = 10;
  configure(1);
  ASSERT_TRUE(daemon.start()) << daemon.log();
  const auto all = [&](const std::string& op, const std::string& more) {
    std::vector<std::string> ids;
    for (int i = 0; i < count; ++i) {
      ids.push_back(daemon.submit(R"({"op":"cloudinary.)" + op + R"(","attempts_max":1,"args":{"public_id":"d)" +
                                  std::to_string(i) + "\"" + more + "}}"));
    }
    int answers = 0;
    do {
      const std::string other = daemon.submit(R"({"op":"hello.greet","args":{"name":"you"}})");
      EXPECT_TRUE(daemon.wait_for_state(other, "succeeded")) << daemon.log();
      EXPECT_EQ(daemon.get("/v1/health").status, 200);
      if (daemon.state_of(ids.back()) != "succeeded") ++answers;
    } while (answers < 3 && daemon.state_of(ids.back()) != "succeeded");
    EXPECT_EQ(answers, 3) << "others had to wait for " << op;
    for (const std::string& id : ids) {
      EXPECT_TRUE(daemon.wait_for_state(id, "succeeded")) << daemon.show(id).root().text();
    }
    return std::string{daemon.show(ids.back()).root().at_pointer("/result/result").as_string().value_or("")};
  };
  all("upload", R"(,"file":")" + (daemon.folder() / "files/photo.png").string() + "\"");
  EXPECT_EQ(all("delete", ""), "deleted");
  EXPECT_EQ(all("delete", ""), "not_found");
  EXPECT_EQ(daemon.stop(), 0);
}

// ---- beside a plugin that hangs --------------------------------------------------------------

class Throughput {
 public:
  Throughput() {
    daemon.configure("stop_timeout = \"2s\"\n[plugin.stuck.deadlines]\ngrace = \"300ms\"\n");
  }

  // Tasks per second of one burst of hello.
  double burst(int count) {
    const auto begin = Steady::now();
    const auto ids = daemon.submit_many(R"({"op":"hello.greet","args":{"name":"world"}})", count);
    EXPECT_EQ(ids.size(), static_cast<std::size_t>(count));
    // hello is serial: they end in the order in which they came.
    EXPECT_TRUE(daemon.wait_for_state(ids.back(), "succeeded", 60s));
    return count / (milliseconds(Steady::now() - begin) / 1000);
  }

  RealDaemon daemon{{"plugins/hello.so", "fixtures/stuck.so"}};
};

double median(std::vector<double> figures) {
  std::sort(figures.begin(), figures.end());
  return figures[figures.size() / 2];
}

// Two daemons side by side, one of them with a plugin that sleeps for ever, measured in turn: what
// else the machine does hits both.
TEST(BesideAStuckPlugin, OthersAreAsFastAsWithoutIt) {
  if (!is_release) GTEST_SKIP() << "ten percent are less than what this build's overhead varies by";
  Throughput beside;
  Throughput without;
  ASSERT_TRUE(beside.daemon.start()) << beside.daemon.log();
  ASSERT_TRUE(without.daemon.start()) << without.daemon.log();
  const std::string stuck =
      beside.daemon.submit(R"({"op":"stuck.hang","timeout":"10min","attempts_max":1})");
  ASSERT_TRUE(beside.daemon.wait_for_state(stuck, "running"));
  constexpr int tasks = 5000;
  beside.burst(tasks);
  without.burst(tasks);
  double ratio = 0;
  for (int series = 0; series < rounds_most && ratio < 0.9; ++series) {
    std::vector<double> with_it;
    std::vector<double> without_it;
    for (int i = 0; i < 7; ++i) {
      for (const bool first : {i % 2 == 0, i % 2 != 0}) {
        (first ? with_it : without_it).push_back((first ? beside : without).burst(tasks));
      }
    }
    ratio = median(with_it) / median(without_it);
    std::cout << "tasks/s beside a stuck plugin: " << median(with_it)
              << ", without it: " << median(without_it) << ", ratio " << ratio << "\n";
  }
  EXPECT_GE(ratio, 0.9);
  EXPECT_EQ(beside.daemon.state_of(stuck), "running") << "it was stuck all the time";
  beside.daemon.kill();
}

}  // namespace
}  // namespace cofounder::test
