// SPDX-License-Identifier: Apache-2.0
// SIGTERM, SIGHUP, what systemd is told, the command line, and a log that nobody reads.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <regex>

#include "tests/support/real_daemon.hpp"

namespace cofounder::test {
namespace {

using namespace std::chrono_literals;

// ---- SIGTERM ------------------------------------------------------------------------------

TEST(Terminate, BurnsNoAttemptAndTheTasksGoOnAfterTheNextStart) {
  RealDaemon daemon{{"plugins/hello.so", "fixtures/worker.so"}};
  // The tasks are longer than the daemon's patience, half of this time, so that they are put back; the
  // other half is for all that follows, also on a machine that is busy otherwise.
  daemon.configure("stop_timeout = \"4s\"\n");
  ASSERT_TRUE(daemon.start()) << daemon.log();
  const auto ids =
      daemon.submit_many(R"({"op":"worker.work","args":{"ms":3000},"attempts_max":1})", 30);
  ASSERT_TRUE(wait_until([&] { return daemon.list("state=running").size() == 30; }));
  const auto asked = std::chrono::steady_clock::now();
  EXPECT_EQ(daemon.stop(), 0) << daemon.log();
  EXPECT_LT(std::chrono::steady_clock::now() - asked, 5s);
  ASSERT_TRUE(daemon.start()) << daemon.log();
  for (const std::string& id : ids) {
    ASSERT_TRUE(daemon.wait_for_state(id, "succeeded")) << daemon.get("/v1/tasks/" + id).body;
  }
}

TEST(Terminate, LetsShortTasksEnd) {
  RealDaemon daemon{{"fixtures/worker.so"}};
  ASSERT_TRUE(daemon.start()) << daemon.log();
  const auto ids =
      daemon.submit_many(R"({"op":"worker.work","args":{"ms":400},"attempts_max":1})", 30);
  ASSERT_TRUE(wait_until([&] { return daemon.list("state=running").size() == 30; }));
  EXPECT_EQ(daemon.stop(), 0) << daemon.log();
  ASSERT_TRUE(daemon.start()) << daemon.log();
  for (const std::string& id : ids) EXPECT_EQ(daemon.state_of(id), "succeeded");
}

// ---- SIGHUP -------------------------------------------------------------------------------

std::string word(const RealDaemon& daemon) {
  const std::string id = daemon.submit(R"({"op":"order-a.word"})");
  daemon.wait_for_state(id, "succeeded");
  return daemon.show(id).root().string_or("result", "");
}

TEST(Reload, TakesAGoodConfigurationWholeAndABadOneNotAtAll) {
  RealDaemon daemon{{"plugins/hello.so", "fixtures/order-a.so"}};
  ASSERT_TRUE(daemon.start()) << daemon.log();
  EXPECT_EQ(word(daemon), "first first");
  const auto reload = [&](const char* toml) {
    const std::size_t before = daemon.log().size();
    daemon.configure(toml);
    daemon.child().signal(SIGHUP);
    wait_until([&] { return daemon.log().find("reload", before) != std::string::npos; });
    return daemon.log().substr(before);
  };
  const auto running_max = [&] {
    return parse(daemon.get("/v1/status").body).root().integer_or("running_max", 0);
  };
  EXPECT_NE(reload("[scheduler]\nrunning_max = 7\n[plugin.order-a]\nword = \"second\"\n")
                .find("was reloaded"),
            std::string::npos);
  EXPECT_EQ(word(daemon), "second second");
  EXPECT_EQ(running_max(), 7);

  std::string log = reload("[scheduler]\nrunning_max = 8\nrunning_maximum = 9\n");
  EXPECT_NE(log.find("conf.d/test.toml:3"), std::string::npos) << log;
  EXPECT_EQ(running_max(), 7);
  // The plugin refuses: nothing of the rest is taken either.
  log = reload("[scheduler]\nrunning_max = 8\n[plugin.order-a]\nword = \"forbidden\"\n");
  EXPECT_NE(log.find("order-a"), std::string::npos) << log;
  EXPECT_EQ(running_max(), 7);
  EXPECT_EQ(word(daemon), "second second");
  // By the socket, the same error is the answer.
  const auto answer = daemon.call("POST", "/v1/config/reload");
  EXPECT_EQ(answer.status / 100, 4) << answer.status << answer.body;
  EXPECT_EQ(daemon.stop(), 0);
}

// ---- systemd ------------------------------------------------------------------------------

// What systemd is: a datagram socket that reads messages.
class NotifySocket {
 public:
  explicit NotifySocket(std::string path) : path_{std::move(path)} {
    descriptor_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
    if (::bind(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      ADD_FAILURE() << "cannot bind " << path_;
    }
  }
  ~NotifySocket() { ::close(descriptor_); }
  NotifySocket(const NotifySocket&) = delete;
  NotifySocket& operator=(const NotifySocket&) = delete;

  // Reads until a message has `text`.
  bool receive(const std::string& text, std::chrono::milliseconds most = 10s) {
    return wait_until(
        [&] {
          char buffer[4096];
          for (;;) {
            const ssize_t size = ::recv(descriptor_, buffer, sizeof buffer, MSG_DONTWAIT);
            if (size < 0) return false;
            all_ += std::string(buffer, static_cast<std::size_t>(size)) + "\n--\n";
            if (std::string_view(buffer, static_cast<std::size_t>(size)).find(text) !=
                std::string_view::npos) {
              return true;
            }
          }
        },
        most);
  }
  void forget() {
    char buffer[4096];
    while (::recv(descriptor_, buffer, sizeof buffer, MSG_DONTWAIT) >= 0) {
    }
  }
  const std::string& all() const { return all_; }

 private:
  std::string path_;
  int descriptor_ = -1;
  std::string all_;
};

TEST(Systemd, IsToldWhatTheDaemonDoes) {
  RealDaemon daemon{{"plugins/hello.so"}};
  NotifySocket systemd{(daemon.folder() / "notify").string()};
  daemon.set_environment("NOTIFY_SOCKET", daemon.folder() / "notify");
  daemon.set_environment("WATCHDOG_USEC", "200000");
  ASSERT_TRUE(daemon.start()) << daemon.log();
  EXPECT_TRUE(systemd.receive("READY=1"));
  EXPECT_NE(systemd.all().find("STATUS=1/1 plugins ready"), std::string::npos) << systemd.all();
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(systemd.receive("WATCHDOG=1"));
  daemon.child().signal(SIGHUP);
  EXPECT_TRUE(systemd.receive("RELOADING=1\nMONOTONIC_USEC="));
  EXPECT_TRUE(systemd.receive("READY=1")) << "a reload ends with READY";
  daemon.child().signal(SIGTERM);
  EXPECT_TRUE(systemd.receive("STOPPING=1"));
  EXPECT_EQ(daemon.child().wait(), 0);
}

TEST(Systemd, AStopThatTakesTimeIsNotKilledByTheWatchdog) {
  RealDaemon daemon{{"fixtures/worker.so"}};
  NotifySocket systemd{(daemon.folder() / "notify").string()};
  daemon.set_environment("NOTIFY_SOCKET", daemon.folder() / "notify");
  daemon.set_environment("WATCHDOG_USEC", "200000");
  ASSERT_TRUE(daemon.start()) << daemon.log();
  const std::string id = daemon.submit(R"({"op":"worker.work","args":{"ms":800}})");
  ASSERT_TRUE(daemon.wait_for_state(id, "running"));
  daemon.child().signal(SIGTERM);
  EXPECT_TRUE(systemd.receive("STOPPING=1"));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(systemd.receive("WATCHDOG=1")) << systemd.all();
  EXPECT_EQ(daemon.child().wait(), 0);
}

// One thread of another process, stopped while this lives.
class StoppedThread {
 public:
  StoppedThread(pid_t process, const std::string& name) {
    const std::filesystem::path threads = "/proc/" + std::to_string(process) + "/task";
    for (const auto& entry : std::filesystem::directory_iterator{threads}) {
      if (read_file(entry.path() / "comm") != name + "\n") continue;
      const pid_t thread = std::stoi(entry.path().filename());
      if (::ptrace(PTRACE_SEIZE, thread, nullptr, nullptr) != 0) {
        why_ = std::strerror(errno);
        return;
      }
      thread_ = thread;
      ::ptrace(PTRACE_INTERRUPT, thread, nullptr, nullptr);
      int status = 0;
      ::waitpid(thread, &status, __WALL);
      return;
    }
    why_ = "there is no thread " + name;
  }
  ~StoppedThread() {
    if (thread_ != 0) ::ptrace(PTRACE_DETACH, thread_, nullptr, nullptr);
  }
  StoppedThread(const StoppedThread&) = delete;
  StoppedThread& operator=(const StoppedThread&) = delete;
  const std::string& why() const { return why_; }

 private:
  pid_t thread_ = 0;
  std::string why_;
};

TEST(Systemd, TheWatchdogStarvesWhileTheStoreHangs) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root may stop a thread of a process without dumps";
  RealDaemon daemon{{"plugins/hello.so"}};
  NotifySocket systemd{(daemon.folder() / "notify").string()};
  daemon.set_environment("NOTIFY_SOCKET", daemon.folder() / "notify");
  daemon.set_environment("WATCHDOG_USEC", "400000");
  ASSERT_TRUE(daemon.start()) << daemon.log();
  EXPECT_TRUE(systemd.receive("WATCHDOG=1"));
  {
    const StoppedThread store{daemon.child().pid(), "store-writer"};
    ASSERT_EQ(store.why(), "");
    EXPECT_EQ(daemon.get("/v1/plugins").status, 200) << "the loop is well, and what came is done";
    systemd.forget();
    EXPECT_FALSE(systemd.receive("WATCHDOG=1", 2s)) << "fed, though no task could be begun";
    EXPECT_EQ(daemon.get("/v1/plugins").status, 200);
  }
  EXPECT_TRUE(systemd.receive("WATCHDOG=1")) << "the store is back";
  daemon.child().signal(SIGTERM);
  EXPECT_EQ(daemon.child().wait(), 0);
}

// ---- a log that nobody reads --------------------------------------------------------------

TEST(Log, WarnsOnceOfAGroupThatIsMissing) {
  RealDaemon daemon{{"plugins/hello.so"}};
  daemon.configure(
      "[control]\ngroup = \"nobody-here\"\n[control.access]\nread = [\"@nobody-there\"]\n");
  ASSERT_TRUE(daemon.start()) << daemon.log();
  EXPECT_EQ(daemon.stop(), 0);
  const std::string log = daemon.log();
  for (const char* name : {"nobody-here", "nobody-there"}) {
    const auto first = log.find(name);
    ASSERT_NE(first, std::string::npos) << log;
    EXPECT_EQ(log.find(name, first + 1), std::string::npos) << log;
  }
}

TEST(Log, AFullPipeOnStandardErrorBlocksNothing) {
  RealDaemon daemon{{"plugins/hello.so", "fixtures/worker.so"}};
  daemon.configure(
      "[log]\nlevel = \"debug\"\n[plugin.worker.limits]\nlog_lines_per_second_max = 100000\n");
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  ::fcntl(ends[1], F_SETPIPE_SZ, 4096);
  daemon.set_output(ends[1]);
  ASSERT_TRUE(daemon.start());
  daemon.submit_many(R"({"op":"worker.work","args":{"ms":0,"log":true}})", 1000);
  ASSERT_TRUE(wait_until([&] { return daemon.count({"succeeded"}) == 1000; }));
  pollfd full{ends[1], POLLOUT, 0};
  EXPECT_EQ(::poll(&full, 1, 0), 0) << "the pipe is not full: this test shows nothing";
  EXPECT_EQ(daemon.get("/v1/health").status, 200);
  daemon.child().signal(SIGTERM);
  EXPECT_EQ(daemon.child().wait(20s), 0);
  ::close(ends[0]);
  ::close(ends[1]);
}

// ---- the command line ---------------------------------------------------------------------

TEST(CommandLine, SaysWhatIsWrongByItsExitCode) {
  RealDaemon daemon{{"plugins/hello.so"}};
  auto ended = daemon.run({"--version"});
  EXPECT_EQ(ended.code, 0);
  EXPECT_TRUE(std::regex_match(ended.output, std::regex{"cofounderd \\d+\\.\\d+\\.\\d+\n"}))
      << ended.output;
  ended = daemon.run({"--help"});
  EXPECT_EQ(ended.code, 0);
  EXPECT_NE(ended.output.find("--check-config"), std::string::npos);
  ended = daemon.run({"--chekc-config"});
  EXPECT_EQ(ended.code, 64);
  EXPECT_NE(ended.output.find("--chekc-config"), std::string::npos) << ended.output;
  EXPECT_EQ(daemon.run({"--check-config"}).code, 0);

  daemon.configure("stop_timeout = \"17s\"\n[plugin.hello]\nenabled = false\n");
  ended = daemon.run({"--print-config"});
  EXPECT_EQ(ended.code, 0);
  EXPECT_NE(ended.output.find("stop_timeout = \"17s\""), std::string::npos) << ended.output;
  // What it prints is a configuration that prints the same.
  RealDaemon other{{}};
  write_file(other.config(), ended.output);
  EXPECT_EQ(other.run({"--print-config"}).output, ended.output);

  daemon.configure("[scheduler]\nrunning_max = \"many\"\n[nonsense]\nkey = 1\n");
  for (const char* word : {"--check-config", "--print-config"}) {
    ended = daemon.run({word});
    EXPECT_EQ(ended.code, 78);
    EXPECT_NE(ended.output.find("test.toml:2"), std::string::npos) << ended.output;
    EXPECT_NE(ended.output.find("nonsense"), std::string::npos)
        << "all errors at once: " << ended.output;
  }
  EXPECT_EQ(daemon.run().code, 78);
  EXPECT_EQ(daemon.run({"--config", "/nonexistent/cofounderd.toml"}).code, 78);
}

TEST(CommandLine, SecretsAreNeitherPrintedNorTakenInPlain) {
  RealDaemon daemon{{"plugins/hello.so"}};
  daemon.configure("[plugin.cloudinary]\napi_secret = { file = \"/somewhere/secret\" }\n");
  const auto ended = daemon.run({"--print-config"});
  EXPECT_EQ(ended.code, 0) << ended.output;
  EXPECT_NE(ended.output.find("/somewhere/secret"), std::string::npos) << ended.output;
  daemon.add_plugin("plugins/cloudinary.so");
  daemon.configure(
      "[plugin.cloudinary]\ncloud_name = \"demo\"\napi_key = \"1234\"\n"
      "api_secret = \"hush-hush\"\n");
  const auto started = daemon.run();
  EXPECT_NE(started.code, 0);
  EXPECT_NE(started.output.find("api_secret"), std::string::npos) << started.output;
  EXPECT_EQ(started.output.find("hush-hush"), std::string::npos) << "a secret is in the log";
}

}  // namespace
}  // namespace cofounder::test
