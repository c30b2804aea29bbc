// SPDX-License-Identifier: Apache-2.0
#include "core/process/crash_handler.hpp"
#include "core/process/sandbox.hpp"
#include "tests/process/probe.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

namespace cofounder::test {

std::string errno_name(int error) {
  if (error == 0) return "ok";
  const char* const name = ::strerrorname_np(error);
  return name != nullptr ? name : std::to_string(error);
}

namespace {

void answer(const std::string& text) {
  [[maybe_unused]] const auto ignored = ::write(probe_answer, text.data(), text.size());
}

// A kernel, or a container, that refuses one of the layers.
void refuse(int error, std::initializer_list<const char*> names) {
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  const auto filter = seccomp_init(SCMP_ACT_ALLOW);
  const auto action = SCMP_ACT_ERRNO(static_cast<unsigned>(error));
  for (const char* name : names) {
    seccomp_rule_add(filter, action, seccomp_syscall_resolve_name(name), 0);
  }
  if (seccomp_load(filter) != 0) answer("the test's own filter was refused;");
  seccomp_release(filter);
}

void prepare(std::string_view act) {
  if (act == "refused_landlock") refuse(EPERM, {"landlock_create_ruleset"});
  if (act == "missing_landlock") refuse(ENOSYS, {"landlock_create_ruleset"});
  if (act == "refused_landlock_self") refuse(EPERM, {"landlock_restrict_self"});
  if (act == "refused_prctl") refuse(EPERM, {"prctl"});
  if (act == "refused_seccomp") refuse(EPERM, {"seccomp"});
  if (act == "refused_capset") refuse(EPERM, {"capset", "capget"});
  if (act == "second_thread") {
    std::thread{[] {
      for (;;) ::pause();
    }}.detach();
  }
}

int run(int count, char** arguments) {
  const std::string_view act = count > 1 ? arguments[1] : "";
  SandboxRules rules;
  ProbeCall call;
  for (int i = 2; i < count; ++i) {
    const std::string text = arguments[i] + 2;
    if (arguments[i][0] == 'r') rules.read_execute.push_back(text);
    if (arguments[i][0] == 'w') rules.read_write.push_back(call.scratch = text);
    if (arguments[i][0] == 'x') call.argument = text;
  }
  std::string result = try_start(act, call);  // those need no sandbox
  if (result.empty()) {
    if (::fcntl(probe_crash, F_GETFD) >= 0 && !install_crash_handler(probe_crash)) {
      answer("no crash handler: " + errno_name(errno));
      return 1;
    }
    prepare(act);
    if (const SandboxRefusal refusal = enter_sandbox(rules)) {
      answer(std::string{SandboxRefusal::code} + ": " + refusal.message());
      return 3;
    }
    result = try_forbidden(act, call);
    if (result.empty()) result = try_allowed(act, call);
  }
  answer(result.empty() ? "no such act" : result);
  return 0;
}

}  // namespace
}  // namespace cofounder::test

int main(int count, char** arguments) {
  const int code = cofounder::test::run(count, arguments);
  // Without what sanitizers do at exit: they would fork.
  ::_exit(code);
}
