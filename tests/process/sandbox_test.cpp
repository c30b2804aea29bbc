// SPDX-License-Identifier: Apache-2.0
#include "core/process/sandbox.hpp"

#include "core/process/sandbox_rules.hpp"
#include "tests/process/process_world.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include <fstream>

namespace cofounder::test {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

// One thing that a child tries in the sandbox, and what it must get.
struct Row {
  const char* act;
  const char* answer;
};
std::ostream& operator<<(std::ostream& out, const Row& row) { return out << row.act; }

class Forbidden : public testing::TestWithParam<Row> {};

TEST_P(Forbidden, IsRefused) {
  ProcessWorld world;
  auto spec = world.probe(GetParam().act, world.folder() / "secret");
  // "secret" must not be in the rules of these: it is what they try to reach.
  std::erase(spec.arguments, "r:" + (world.folder() / "secret").string());
  const auto result = world.run(std::move(spec));

  EXPECT_EQ(result.answer, GetParam().answer);
  EXPECT_EQ(result.exit.signal, 0);
  EXPECT_FALSE(std::filesystem::exists("/tmp/cofounder-probe"));
}

constexpr Row refused_with_eperm[] = {
    {"socket_unix", "EPERM"}, {"socket_inet", "EPERM"}, {"socket_inet6", "EPERM"},
    {"socket_netlink", "EPERM"}, {"socketpair", "EPERM"}, {"connect", "EPERM"},
    {"bind", "EPERM"}, {"listen", "EPERM"}, {"accept4", "EPERM"}, {"setsockopt", "EPERM"},
    {"sendto_address", "EPERM"}, {"socket_in_thread", "EPERM"},
#ifdef __x86_64__
    {"raw_fork", "EPERM"}, {"raw_vfork", "EPERM"},
#endif
    {"fork", "EPERM"}, {"clone", "EPERM"}, {"clone_vm", "EPERM"}, {"posix_spawn", "EPERM"},
    {"execve", "EPERM"}, {"execveat", "EPERM"}, {"ptrace_me", "EPERM"}, {"unshare", "EPERM"},
    {"setns", "EPERM"}, {"setsid", "EPERM"}, {"setuid", "EPERM"}, {"kill_all", "EPERM"},
    {"kill_group", "EPERM"}, {"kill_parent", "EPERM"}, {"tgkill_parent", "EPERM"},
    {"tkill_parent", "EPERM"}, {"queue_parent", "EPERM"}, {"pidfd_parent", "EPERM"},
    {"ptrace_parent", "EPERM"}, {"read_parent", "EPERM"}, {"write_parent", "EPERM"},
    {"limit_itself", "EPERM"}, {"limit_parent", "EPERM"}, {"affinity_parent", "EPERM"},
    {"priority_parent", "EPERM"},
    {"kcmp_parent", "EPERM"}, {"own_parent", "EPERM"},
    {"symlink", "EPERM"}, {"link", "EPERM"}, {"fifo", "EPERM"}, {"truncate", "EPERM"},
    {"chmod", "EPERM"}, {"chown", "EPERM"}, {"utime", "EPERM"}, {"setxattr", "EPERM"},
    {"inotify", "EPERM"}, {"chroot", "EPERM"}, {"open_by_handle", "EPERM"},
    {"mount", "EPERM"}, {"umount", "EPERM"}, {"fsopen", "EPERM"}, {"bpf", "EPERM"},
    {"keyctl", "EPERM"}, {"add_key", "EPERM"}, {"userfaultfd", "EPERM"},
    {"io_uring_setup", "EPERM"}, {"io_uring_enter", "EPERM"}, {"io_uring_register", "EPERM"},
    {"perf_event_open", "EPERM"}, {"init_module", "EPERM"}, {"reboot", "EPERM"},
    {"clock_settime", "EPERM"}, {"personality", "EPERM"}, {"seccomp", "EPERM"},
    {"shmget", "EPERM"}, {"dumpable", "EPERM"}, {"pdeathsig", "EPERM"}, {"subreaper", "EPERM"},
    {"terminal_input", "EPERM"},
};
constexpr Row refused_otherwise[] = {
    {"clone3", "ENOSYS"},  // so that glibc falls back to clone, which can be looked into
    {"unknown_call", "ENOSYS"},
    {"set_user_id", "ENOSYS"},
    {"read_passwd", "EACCES"}, {"read_environ", "EACCES"}, {"read_memory", "EACCES"},
    {"list_root", "EACCES"}, {"write_outside", "EACCES"}, {"write_argument", "EACCES"},
    {"read_argument", "EACCES"}, {"climb_out", "EACCES"},
};
INSTANTIATE_TEST_SUITE_P(Eperm, Forbidden, testing::ValuesIn(refused_with_eperm),
                         [](const auto& row) { return std::string{row.param.act}; });
INSTANTIATE_TEST_SUITE_P(Other, Forbidden, testing::ValuesIn(refused_otherwise),
                         [](const auto& row) { return std::string{row.param.act}; });

class Allowed : public testing::TestWithParam<Row> {};

TEST_P(Allowed, Works) {
  ProcessWorld world;
  EXPECT_EQ(world.run(world.probe(GetParam().act)).answer, GetParam().answer);
}

constexpr Row works[] = {{"enter", "ok"},   {"threads", "ok"}, {"memfd", "ok"},
                         {"kernel", "ok"},  {"scratch", "ok"}, {"signal_itself", "2"}};
INSTANTIATE_TEST_SUITE_P(Daily, Allowed, testing::ValuesIn(works),
                         [](const auto& row) { return std::string{row.param.act}; });

// The parent is root's in some runs, and then the kernel refuses by itself.
TEST(Sandbox, NoSignalReachesAnotherProcessOfTheSameUser) {
  ProcessWorld world;
  Descriptor answer;
  auto spec = world.probe("wait");
  ProcessWorld::add_answer(spec, answer);
  auto other = world.start(std::move(spec));
  ASSERT_TRUE(other) << other.error().message;
  for (const char* act :
       {"kill_other", "tkill_other", "tgkill_other", "queue_other", "queue_other_thread"}) {
    auto from = world.probe(act);
    std::erase(from.arguments, "x:");
    from.arguments.push_back("x:" + std::to_string(other->pid()));
    EXPECT_EQ(world.run(std::move(from)).answer, "EPERM") << act;
  }
  other->terminate();
  EXPECT_EQ(world.wait(*other).signal, SIGTERM) << "nobody else killed it";
}

#ifdef __x86_64__
TEST(Sandbox, CallsOfAnotherAbiEndTheChild) {
  ProcessWorld world;
  EXPECT_EQ(world.run(world.probe("call_32_bit")).exit.signal, SIGSYS);
  EXPECT_EQ(world.run(world.probe("call_x32")).exit.signal, SIGSYS);
}
#endif

TEST(Sandbox, AChildSpeaksAndPassesDescriptorsOverItsOneSocket) {
  ProcessWorld world;
  int pair[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
  const Descriptor ours{pair[0]};
  auto spec = world.probe("socket");
  spec.descriptors.push_back({Descriptor{pair[1]}, 4});
  Descriptor answer;
  ProcessWorld::add_answer(spec, answer);
  auto child = world.start(std::move(spec));
  ASSERT_TRUE(child) << child.error().message;

  // Its message goes back as it is, the descriptor with it.
  char byte = 0;
  iovec part{&byte, 1};
  alignas(cmsghdr) char control[64] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ASSERT_EQ(::recvmsg(ours.get(), &message, MSG_CMSG_CLOEXEC), 1);
  ASSERT_EQ(::sendmsg(ours.get(), &message, MSG_NOSIGNAL), 1);
  EXPECT_EQ(world.wait(*child).code, 0);
  EXPECT_EQ(read_all(answer.get()), "ok");
}

TEST(Sandbox, TheRealPluginsLoadBehindIt) {
  ProcessWorld world;
  for (const std::string name : {"hello", "cloudinary", "metrics"}) {
    const auto copy = world.folder() / (name + "-copy.so");
    std::filesystem::copy_file(COFOUNDER_BINARY_DIR "/plugins/" + name + ".so", copy);
    std::filesystem::permissions(copy, std::filesystem::perms{0755});
    EXPECT_EQ(world.run(world.probe("load", copy)).answer, "ok") << name;
  }
}

TEST(Sandbox, OnlyThePrivateCopyCanBeLoaded) {
  ProcessWorld world;
  const auto copy = world.folder() / "other.so";
  std::filesystem::copy_file(COFOUNDER_BINARY_DIR "/plugins/hello.so", copy);
  auto spec = world.probe("load", copy);
  std::erase(spec.arguments, "r:" + copy.string());
  EXPECT_THAT(world.run(std::move(spec)).answer, HasSubstr("Permission denied"));
}

TEST(Sandbox, WithoutAScratchFolderNothingCanBeWritten) {
  ProcessWorld world;
  auto spec = world.probe("write_argument", world.scratch() / "x");
  std::erase(spec.arguments, "w:" + world.scratch().string());
  std::ofstream{world.scratch() / "x"} << "x";
  std::filesystem::permissions(world.scratch() / "x", std::filesystem::perms{0666});
  EXPECT_EQ(world.run(std::move(spec)).answer, "EACCES");
}

TEST(Sandbox, SomethingThatMustBeThereAndIsNotIsARefusal) {
  ProcessWorld world;
  auto spec = world.probe("enter");
  spec.arguments.push_back("w:/no/such/folder");
  const auto result = world.run(std::move(spec));
  EXPECT_EQ(result.answer,
            "sandbox_unavailable: landlock: /no/such/folder: No such file or directory");
  EXPECT_EQ(result.exit.code, 3);
}

struct Refusal {
  const char* act;
  const char* message;
};
std::ostream& operator<<(std::ostream& out, const Refusal& row) { return out << row.act; }

class Refused : public testing::TestWithParam<Refusal> {};

TEST_P(Refused, LayerIsNamedAndNothingRuns) {
  ProcessWorld world;
  const auto result = world.run(world.probe(GetParam().act));
  EXPECT_EQ(result.answer, GetParam().message);
  EXPECT_EQ(result.exit.code, 3);
}

constexpr Refusal refusals[] = {
    {"refused_landlock",
     "sandbox_unavailable: landlock: landlock_create_ruleset: Operation not permitted"},
    {"missing_landlock",
     "sandbox_unavailable: landlock: landlock_create_ruleset: Function not implemented"},
    {"refused_landlock_self",
     "sandbox_unavailable: landlock: landlock_restrict_self: Operation not permitted"},
    {"refused_capset", "sandbox_unavailable: privileges: capset: Operation not permitted"},
    {"refused_prctl",
     "sandbox_unavailable: privileges: PR_SET_DUMPABLE: Operation not permitted"},
    {"refused_seccomp", "sandbox_unavailable: seccomp: seccomp: Operation not permitted"},
#if !defined(__SANITIZE_THREAD__)
    {"second_thread",
     "sandbox_unavailable: threads: there is a second thread already: Invalid argument"},
#endif
};
INSTANTIATE_TEST_SUITE_P(Kernel, Refused, testing::ValuesIn(refusals),
                         [](const auto& row) { return std::string{row.param.act}; });

TEST(Sandbox, AnIdleChildHasLittleMemoryOfItsOwn) {
  if (has_any_sanitizer()) GTEST_SKIP() << "sanitizers have memory of their own";
  if (::geteuid() != 0) GTEST_SKIP() << "only root may look into a child: it is not dumpable";
  ProcessWorld world;
  auto spec = world.probe("wait");
  Descriptor answer;
  ProcessWorld::add_answer(spec, answer);
  spec.descriptors.push_back({Descriptor{::open("/dev/null", O_WRONLY | O_CLOEXEC)}, 5});
  auto child = world.start(std::move(spec));
  ASSERT_TRUE(child) << child.error().message;
  pollfd ready{answer.get(), POLLIN, 0};
  ASSERT_EQ(::poll(&ready, 1, 20'000), 1);
  ASSERT_EQ(read_all(answer.get()), "ready");
  std::ifstream file{"/proc/" + std::to_string(child->pid()) + "/smaps_rollup"};
  std::uint64_t dirty_kib = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("Private_Dirty:")) dirty_kib = std::stoull(line.substr(14));
  }
  RecordProperty("private_dirty_kib", std::to_string(dirty_kib));
  EXPECT_GT(dirty_kib, 0U);
  EXPECT_LT(dirty_kib, 2'048U);
}

// -- limits, which hold without cgroups --

TEST(Limits, MemoryBeyondTheAddressSpaceIsNotGiven) {
  if (has_any_sanitizer()) GTEST_SKIP() << "sanitizers reserve terabytes of addresses";
  ProcessWorld world;
  auto spec = world.probe("eat_memory");
  spec.limits.address_space_bytes = 256U << 20;
  EXPECT_EQ(world.run(std::move(spec)).answer, "ENOMEM ENOMEM");
}

TEST(Limits, DataHasItsOwnLimit) {
  if (has_any_sanitizer()) GTEST_SKIP() << "sanitizers reserve terabytes of addresses";
  ProcessWorld world;
  auto spec = world.probe("eat_memory");
  spec.limits.data_bytes = 256U << 20;
  EXPECT_EQ(world.run(std::move(spec)).answer, "ENOMEM ENOMEM");
}

TEST(Limits, DescriptorsEnd) {
  ProcessWorld world;
  auto spec = world.probe("eat_descriptors");
  spec.limits.descriptors = 32;
  EXPECT_EQ(world.run(std::move(spec)).answer, "EMFILE");
}

TEST(Limits, FilesHaveALargestSize) {
  ProcessWorld world;
  auto spec = world.probe("fill_file");
  spec.limits.file_bytes = 1U << 20;
  EXPECT_EQ(world.run(std::move(spec)).answer, "EFBIG");
  EXPECT_LE(std::filesystem::file_size(world.scratch() / "big"), 1U << 20);
}

TEST(Limits, ASpinningChildIsOutOfProcessorTime) {
  ProcessWorld world;
  auto spec = world.probe("crash", "spin");
  spec.limits.cpu_seconds = 1;
  const auto exit = world.run(std::move(spec)).exit;
  EXPECT_EQ(exit.signal, SIGXCPU);
  EXPECT_GE(exit.cpu, std::chrono::milliseconds{300}) << "what it used is told";
}

// -- rules --

TEST(SandboxRules, HaveLibrariesAndThePrivateCopyOnly) {
  SandboxNeeds needs;
  needs.interfaces = {"cof.http/1", "cof.log/1"};
  needs.library = "/var/cache/cofounderd/abc.so";
  needs.scratch = {"/var/lib/cofounderd/scratch/hello"};
  const auto rules = make_sandbox_rules(needs);
  EXPECT_THAT(rules.read_execute, Contains("/var/cache/cofounderd/abc.so"));
  EXPECT_THAT(rules.read_execute, Contains("/usr/lib"));
  EXPECT_THAT(rules.read_execute, Contains("/etc/ld.so.cache"));
  EXPECT_EQ(rules.read_execute.size(), 7U);
  EXPECT_THAT(rules.read_write, IsEmpty()) << "it did not ask for scratch";
}

TEST(SandboxRules, GiveScratchToThoseWhoseManifestNeedsIt) {
  SandboxNeeds needs;
  needs.scratch = {"/scratch/hello"};
  for (const char* interface : {"cof.scratch", "cof.scratch/1", "cof.scratch/1.2"}) {
    needs.interfaces = {"cof.log/1", interface};
    EXPECT_THAT(make_sandbox_rules(needs).read_write, testing::ElementsAre("/scratch/hello"));
  }
  needs.interfaces = {"cof.scratchy/1"};
  EXPECT_THAT(make_sandbox_rules(needs).read_write, IsEmpty());
  needs.files = true;
  EXPECT_THAT(make_sandbox_rules(needs).read_write, testing::ElementsAre("/scratch/hello"));
  needs.scratch.clear();
  EXPECT_THAT(make_sandbox_rules(needs).read_write, IsEmpty());
}

}  // namespace
}  // namespace cofounder::test
