// SPDX-License-Identifier: Apache-2.0
// What ten thousand requests at once cost the client: the server is a program of its own
// (tests/bench/slow_server.cpp) that answers each one a second after it came.
#include "tests/http/client_fixture.hpp"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>

namespace cofounder::test {
namespace {

constexpr int wanted = 10'000;

class SlowServer {
 public:
  SlowServer() {
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    child_ = ::fork();
    if (child_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::dup2(ends[1], STDOUT_FILENO);
      ::close(ends[0]);
      ::close(ends[1]);
      ::execl(COFOUNDER_BINARY_DIR "/bin/bench_slow_server", "bench_slow_server", "1000", nullptr);
      ::_exit(127);
    }
    ::close(ends[1]);
    std::FILE* const said = ::fdopen(ends[0], "r");
    EXPECT_EQ(std::fscanf(said, "%d", &port), 1);
    std::fclose(said);
  }
  ~SlowServer() {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }
  int port = 0;

 private:
  pid_t child_ = -1;
};

class SpeedTest : public ClientTest {
 protected:
  struct Round {
    double seconds = 0;
    double cpu_seconds = 0;
    double kib_each = 0;
    int ok = 0;
    int open_most = 0;
  };

  static double cpu_seconds() {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    const auto seconds = [](const timeval& time) {
      return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    return seconds(used.ru_utime) + seconds(used.ru_stime);
  }

  Round run(const std::string& url) {
    Round round;
    int over = 0;
    const long memory_before = resident_kib();
    long memory_most = 0;
    const double cpu_before = cpu_seconds();
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < wanted; ++i) {
      auto request = get(url);
      request.tries_max = 1;
      http::ResponseHandler handler;
      handler.on_body = [&round](std::string_view body) {
        round.ok += body == "{}";
        return true;
      };
      handler.on_end = [&over](std::optional<Error>) { ++over; };
      client().start(std::move(request), std::move(handler));
    }
    int looks = 0;
    EXPECT_TRUE(wait(
        [&] {
          round.open_most = std::max(round.open_most, client().open_connections());
          if (++looks % 500 == 0) memory_most = std::max(memory_most, resident_kib());
          return over == wanted;
        },
        60s));
    round.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    round.cpu_seconds = cpu_seconds() - cpu_before;
    memory_most = std::max(memory_most, resident_kib());
    round.kib_each = static_cast<double>(memory_most - memory_before) / wanted;
    std::printf("10,000 against a server that takes 1 s: %.2f s, %.2f s of processor time, %.1f KiB "
                "each, %d connections\n",
                round.seconds, round.cpu_seconds, round.kib_each, round.open_most);
    return round;
  }
};

// The best of three rounds: what else the machine does can make one slow, the client all of them.
TEST_F(SpeedTest, TenThousandEndWithinThreeSecondsAndSixtyKilobytesEach) {
#ifndef COFOUNDER_IS_RELEASE
  GTEST_SKIP() << "only an optimized build without sanitizers says how fast it is";
#endif
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < static_cast<rlim_t>(wanted) + 500)
    GTEST_SKIP() << "too few descriptors allowed";
  options.clock = nullptr;
  options.connections_per_host_max = wanted;
  options.connections_max = wanted;
  const SlowServer server;
  ASSERT_GT(server.port, 0);
  const std::string url = "http://127.0.0.1:" + std::to_string(server.port) + "/";
  ASSERT_EQ(ask(get(url))->code(), "");  // libcurl is in memory now
  double fastest = 1e9;
  for (int i = 0; i < 3 && fastest >= 3.0; ++i) {
    client().close();
    destroy_client();
    const Round round = run(url);
    EXPECT_EQ(round.ok, wanted);
    // The first is the honest one: later rounds find memory that the first one took.
    if (i == 0) {
      EXPECT_LT(round.kib_each, 60.0 * 1000 / 1024);
    }
    fastest = std::min(fastest, round.seconds);
  }
  EXPECT_LT(fastest, 3.0);
}

}  // namespace
}  // namespace cofounder::test
