// SPDX-License-Identifier: Apache-2.0
// A daemon on a kernel without one of the sandbox' layers: isolated plugins do not start, and say so;
// the others run.
#include <gtest/gtest.h>

#include <cerrno>

#include <fcntl.h>

#include "core/process/sandbox_build.hpp"
#include "tests/support/real_daemon.hpp"

namespace cofounder::test {
namespace {

struct Refusal {
  const char* call;
  int error;
  const char* reason;
};
std::ostream& operator<<(std::ostream& out, const Refusal& row) { return out << row.call; }

class SandboxRefused : public testing::TestWithParam<Refusal> {};

std::string why(const RealDaemon& daemon, const std::string& plugin) {
  const auto file = daemon.folder() / "why";
  const int output = ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  Child::Options options;
  options.words = {COFOUNDER_BINARY_DIR "/bin/cofounderctl", "--socket", daemon.socket(), "plugin",
                   "why", plugin};
  options.output = output;
  EXPECT_EQ(Child{options}.wait(), 0);
  ::close(output);
  return read_file(file);
}

TEST_P(SandboxRefused, OnlyIsolatedPluginsDoNotStart) {
  if (!has_sandbox) GTEST_SKIP() << "this build has no sandbox";
  RealDaemon daemon{{"plugins/hello.so", "fixtures/echo.so"}};
  daemon.configure(
      "[plugin.hello]\nisolation = \"in-process\"\n"
      "[plugin.echo]\nisolation = \"process\"\non_start_error = \"ignore\"\n");
  daemon.set_wrapper({COFOUNDER_BINARY_DIR "/bin/refuse_call", GetParam().call,
                      std::to_string(GetParam().error)});
  ASSERT_TRUE(daemon.start()) << daemon.log();
  const auto echo = parse(daemon.get("/v1/plugins/echo").body);
  EXPECT_EQ(echo.root().string_or("state", ""), "failed");
  EXPECT_EQ(echo.root().find("last_error").string_or("code", ""), "sandbox_unavailable");
  const std::string told = why(daemon, "echo");
  EXPECT_NE(told.find("code    sandbox_unavailable\n"), std::string::npos) << told;
  EXPECT_NE(told.find(GetParam().reason), std::string::npos) << told;
  // It is not loaded in any other way, and its neighbour works.
  const std::string task = daemon.submit(R"({"op":"hello.greet","args":{"name":"x"}})");
  EXPECT_TRUE(daemon.wait_for_state(task, "succeeded"));
  EXPECT_EQ(error_code(daemon.call("POST", "/v1/plugins/echo/start")), "sandbox_unavailable");
  EXPECT_EQ(daemon.stop(), 0);
}

constexpr Refusal refusals[] = {
    {"landlock_create_ruleset", ENOSYS, "landlock: landlock_create_ruleset: Function not implemented"},
    {"landlock_restrict_self", EPERM, "landlock: landlock_restrict_self: Operation not permitted"},
    {"seccomp", EINVAL, "seccomp: seccomp: Invalid argument"},
};
INSTANTIATE_TEST_SUITE_P(Kernel, SandboxRefused, testing::ValuesIn(refusals),
                         [](const auto& row) { return std::string{row.param.call}; });

}  // namespace
}  // namespace cofounder::test
