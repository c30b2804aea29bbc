// SPDX-License-Identifier: Apache-2.0
#include "core/process/launcher.hpp"

#include "core/process/spawn.hpp"
#include "tests/process/process_world.hpp"
#include "tests/support/fake_clock.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <fstream>
#include <thread>

namespace cofounder::test {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

bool is_process(pid_t pid) { return ::kill(pid, 0) == 0; }

TEST(Launcher, AChildHasOnlyWhatWasGiven) {
  // What it would inherit from a careless daemon.
  ::setenv("COFOUNDER_TEST_SECRET", "hunter2", 1);
  const Descriptor careless{::open("/dev/zero", O_RDONLY)};
  ::signal(SIGUSR2, SIG_IGN);
  sigset_t some;
  sigemptyset(&some);
  sigaddset(&some, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &some, nullptr);
  ProcessWorld world;

  EXPECT_EQ(world.run(world.probe("environment")).answer, "empty");
  EXPECT_EQ(world.run(world.probe("descriptors")).answer, "0 1 2 3 ");
  EXPECT_EQ(world.run(world.probe("folder")).answer, "/");
  EXPECT_EQ(world.run(world.probe("death")).answer, std::to_string(SIGKILL));
  const auto status = world.run(world.probe("status")).answer;
  EXPECT_THAT(status, HasSubstr("NoNewPrivs: 1|"));
  EXPECT_THAT(status, HasSubstr("SigBlk: 0000000000000000|"));
  EXPECT_THAT(status, HasSubstr("SigIgn: 0000000000000000|"));
  EXPECT_THAT(status, HasSubstr("CapAmb: 0000000000000000|"));
  if (::geteuid() == 0) {
    EXPECT_THAT(status, HasSubstr("CapEff: 0000000000000000|"));
    EXPECT_THAT(status, HasSubstr("Groups:  |"));
  }
  const auto identity = world.run(world.probe("identity")).answer;
  EXPECT_THAT(identity, HasSubstr("umask 77 session 1 group 1"));
  if (::geteuid() == 0) {
    EXPECT_THAT(identity, StartsWith("65534 65534 65534 "));
  }

  ::pthread_sigmask(SIG_UNBLOCK, &some, nullptr);
  ::signal(SIGUSR2, SIG_DFL);
  ::unsetenv("COFOUNDER_TEST_SECRET");
}

TEST(Launcher, GivesTheEnvironmentFolderAndLimitsOfTheSpec) {
  ProcessWorld world;
  auto spec = world.probe("environment");
  spec.environment = {"A=1", "B=2"};
  EXPECT_EQ(world.run(std::move(spec)).answer, "A=1|B=2|");
  spec = world.probe("folder");
  spec.folder = world.scratch();
  EXPECT_EQ(world.run(std::move(spec)).answer, world.scratch().string());
  spec = world.probe("limits");
  spec.limits.cpu_seconds = 5;
  spec.limits.descriptors = 20;
  EXPECT_EQ(world.run(std::move(spec)).answer, "0/0 5/6 20/20");
}

TEST(Launcher, GivesDescriptorsUnderTheirNumbersAlsoWhenTheyCross) {
  ProcessWorld world;
  const auto file = [](const char* text) {
    Descriptor made{::memfd_create("x", MFD_CLOEXEC)};
    EXPECT_EQ(::write(made.get(), text, 1), 1);
    return made;
  };
  // Ours are 57 and 59, and the child's the other way round.
  ASSERT_EQ(::dup3(file("a").get(), 57, O_CLOEXEC), 57);
  ASSERT_EQ(::dup3(file("b").get(), 59, O_CLOEXEC), 59);
  auto spec = world.probe("read_given");
  spec.descriptors.push_back({Descriptor{57}, 59});
  spec.descriptors.push_back({Descriptor{59}, 57});
  EXPECT_EQ(world.run(std::move(spec)).answer, "ba");
}

TEST(Launcher, TellsHowAChildEnded) {
  ProcessWorld world;
  EXPECT_EQ(world.run(world.probe("exit", "42")).exit.code, 42);
  auto child = world.start(world.probe("wait"));
  ASSERT_TRUE(child);
  child->kill();
  const auto exit = world.wait(*child);
  EXPECT_EQ(exit.signal, SIGKILL);
  EXPECT_EQ(exit.code, 0);
  EXPECT_GT(exit.memory_max_bytes, 100'000U);
  EXPECT_FALSE(child->running());
  child->terminate();  // nobody is hit
  child->kill();
}

TEST(Launcher, AnEndBeforeAnybodyAsksIsNotLost) {
  ProcessWorld world;
  Descriptor answer;
  auto spec = world.probe("exit", "7");
  ProcessWorld::add_answer(spec, answer);
  auto child = world.start(std::move(spec));
  ASSERT_TRUE(child);
  pollfd ended{answer.get(), 0, 0};
  ASSERT_EQ(::poll(&ended, 1, 20'000), 1);  // the other end is closed: it is over
  EXPECT_EQ(world.wait(*child).code, 7);
}

TEST(Launcher, SaysWhichStepOfAStartFailedAndWhy) {
  ProcessWorld world;
  ChildSpec spec;
  spec.program = "/no/such/program";
  spec.arguments = {"x"};
  auto child = world.start(std::move(spec));
  ASSERT_TRUE(child.has_error());
  EXPECT_EQ(child.error().code, "child_not_started");
  EXPECT_EQ(child.error().message,
            "execve /no/such/program: No such file or directory (errno 2)");
  EXPECT_FALSE(child.error().retryable);

  spec = world.probe("exit", "0");
  spec.folder = "/no/such/folder";
  child = world.start(std::move(spec));
  ASSERT_TRUE(child.has_error());
  EXPECT_THAT(child.error().message, StartsWith("chdir "));

  spec = world.probe("exit", "0");
  spec.descriptors.push_back({Descriptor{::dup(0)}, 5});
  spec.descriptors.push_back({Descriptor{::dup(0)}, 5});
  child = world.start(std::move(spec));
  ASSERT_TRUE(child.has_error()) << "two descriptors with one number";

  spec = world.probe("exit", "0");
  spec.program = world.folder() / "secret";  // not executable
  child = world.start(std::move(spec));
  ASSERT_TRUE(child.has_error());
  EXPECT_THAT(child.error().message, StartsWith("execve "));
  EXPECT_THAT(child.error().message, HasSubstr("errno 13"));
}

TEST(Launcher, AChildThatCannotJoinItsGroupRunsNothing) {
  ProcessWorld world;
  auto spec = world.probe("exit", "0");
  spec.cgroup = Descriptor{::open("/dev/full", O_WRONLY | O_CLOEXEC)};
  const auto child = world.start(std::move(spec));
  ASSERT_TRUE(child.has_error());
  EXPECT_EQ(child.error().message, "cgroup.procs " + world.program() +
                                       ": No space left on device (errno 28)");
}

TEST(Launcher, AFailedStartLeavesNoZombie) {
  ProcessWorld world;
  ChildSpec spec;
  spec.program = "/no/such/program";
  ASSERT_TRUE(world.start(std::move(spec)).has_error());
  siginfo_t info{};
  EXPECT_EQ(::waitid(P_ALL, 0, &info, WEXITED | WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST(Launcher, TerminateAsksFirst) {
  ProcessWorld world;
  Descriptor answer;
  auto spec = world.probe("wait");
  ProcessWorld::add_answer(spec, answer);
  auto child = world.start(std::move(spec));
  ASSERT_TRUE(child);
  child->terminate();
  EXPECT_EQ(world.wait(*child).signal, SIGTERM);
}

TEST(Launcher, WhoDoesNotListenIsKilledTwoSecondsLater) {
  ProcessWorld world;
  FakeClock clock;
  Launcher launcher{world.loop, clock};
  auto spec = world.probe("wait_stubbornly");
  Descriptor answer;
  ProcessWorld::add_answer(spec, answer);
  std::optional<Result<Child>> started;
  launcher.start(std::move(spec), [&](Result<Child> child) { started = std::move(child); });
  ASSERT_TRUE(world.run_until([&] { return started.has_value(); }));
  ASSERT_TRUE(*started);
  Child child = std::move(**started);
  pollfd ready{answer.get(), POLLIN, 0};
  ASSERT_EQ(::poll(&ready, 1, 20'000), 1);
  std::optional<ChildExit> exit;
  child.on_exit([&](const ChildExit& how) { exit = how; });

  child.terminate();
  child.terminate();  // again: nothing, nor a later end
  clock.advance(std::chrono::milliseconds{1'999}, [&] { world.loop.poll(); });
  // A process that was killed cannot be stopped any more.
  ASSERT_EQ(::kill(child.pid(), SIGSTOP), 0);
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child.pid()), &info, WSTOPPED | WEXITED | WNOWAIT), 0);
  EXPECT_EQ(info.si_code, CLD_STOPPED) << "it was killed before its time";
  EXPECT_FALSE(exit);
  clock.advance(std::chrono::milliseconds{1});
  ASSERT_TRUE(world.run_until([&] { return exit.has_value(); }));
  EXPECT_EQ(exit->signal, SIGKILL);
}

TEST(Launcher, AnActionMayDestroyItsChild) {
  ProcessWorld world;
  auto started = world.start(world.probe("exit", "0"));
  ASSERT_TRUE(started);
  auto child = std::make_unique<Child>(std::move(*started));
  bool ended = false;
  child->on_exit([&](const ChildExit&) {
    child.reset();
    ended = true;
  });
  EXPECT_TRUE(world.run_until([&] { return ended; }));
}

TEST(Launcher, AChildThatIsDestroyedIsKilledAndReaped) {
  ProcessWorld world;
  auto child = world.start(world.probe("wait"));
  ASSERT_TRUE(child);
  const pid_t pid = child->pid();
  ASSERT_TRUE(is_process(pid));
  *child = Child{};
  // The number is free again only when somebody has waited for it.
  EXPECT_TRUE(world.run_until([&] {
    world.loop.post([] {});
    return !is_process(pid);
  }));
}

TEST(Launcher, ChildrenEndWithIt) {
  ProcessWorld world;
  auto child = world.start(world.probe("wait_stubbornly"));
  ASSERT_TRUE(child);
  world.launcher.reset();
  EXPECT_EQ(world.wait(*child).signal, SIGKILL);
}

TEST(Launcher, ADaemonThatIsKilledLeavesNoChildren) {
  ProcessWorld world{/*with_launcher=*/false};
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const Descriptor from_child{ends[0]};
  Descriptor to_us{ends[1]};

  // A daemon of its own, with a launcher and one child.
  const pid_t daemon = ::fork();
  ASSERT_GE(daemon, 0);
  if (daemon == 0) {
    Loop loop;
    Launcher launcher{loop, loop.clock()};
    std::optional<Result<Child>> kept;
    auto spec = world.probe("wait_stubbornly");
    spec.descriptors.push_back({Descriptor{to_us.release()}, 3});
    launcher.start(std::move(spec), [&](Result<Child> child) { kept = std::move(child); });
    loop.run();
  }
  to_us.reset();
  char ready[5] = {};
  ASSERT_EQ(::read(from_child.get(), ready, 5), 5);
  ::kill(daemon, SIGKILL);
  ASSERT_EQ(::waitpid(daemon, nullptr, 0), daemon);
  // The pipe ends when its last holder, the child, is gone.
  pollfd ended{from_child.get(), POLLIN, 0};
  ASSERT_EQ(::poll(&ended, 1, 20'000), 1);
  EXPECT_EQ(::read(from_child.get(), ready, 1), 0);
}

TEST(Launcher, StartsInUnderFiveMilliseconds) {
  if (has_any_sanitizer()) GTEST_SKIP() << "sanitizers are slow; the release build counts";
  ProcessWorld world;
  // A daemon with memory in use: its size must not matter.
  std::vector<char> ballast(256U << 20, 'x');
  std::vector<std::chrono::nanoseconds> took;
  for (int i = 0; i < 21; ++i) {
    auto spec = world.probe("exit", "0");
    spec.user.reset();
    spec.folder = world.folder();
    const auto begin = std::chrono::steady_clock::now();
    auto child = world.start(std::move(spec));
    took.push_back(std::chrono::steady_clock::now() - begin);
    ASSERT_TRUE(child);
    world.wait(*child);
  }
  std::sort(took.begin(), took.end());
  RecordProperty("median_us", std::to_string(took[10].count() / 1'000));
  EXPECT_LT(took[10], std::chrono::milliseconds{5});
  EXPECT_EQ(ballast.back(), 'x');
}

TEST(Launcher, IsFreeOfTheDaemonsArgumentsAndSecrets) {
  ProcessWorld world;
  Descriptor answer;
  auto spec = world.probe("wait");
  ProcessWorld::add_answer(spec, answer);
  auto child = world.start(std::move(spec));
  ASSERT_TRUE(child);
  pollfd ready{answer.get(), POLLIN, 0};
  ASSERT_EQ(::poll(&ready, 1, 20'000), 1);
  std::ifstream file{"/proc/" + std::to_string(child->pid()) + "/cmdline"};
  const std::string line{std::istreambuf_iterator<char>{file}, {}};
  EXPECT_THAT(line, StartsWith("sandbox_probe"));
  EXPECT_THAT(line, Not(HasSubstr("gtest")));
}

}  // namespace
}  // namespace cofounder::test
