// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

// sandbox_probe: a child that enters the sandbox and then tries one thing.
//
//   sandbox_probe ACT [r:PATH|w:PATH|x:TEXT]...
//
// r and w are the sandbox' rules, x an argument of the act.  What came of it is written to
// descriptor `probe_answer`: "ok", the name of an errno, or text.
namespace cofounder::test {

constexpr int probe_answer = 3;
constexpr int probe_socket = 4;  // one end of a SOCK_SEQPACKET pair, when the test gives one
constexpr int probe_crash = 5;   // where the crash handler reports, when the test gives it

struct ProbeCall {
  std::string argument;   // of x:
  std::string scratch;    // of w:
};

std::string errno_name(int error);  // "ok" for 0

// "" when there is no such act.
std::string try_forbidden(std::string_view act, const ProbeCall& call);
std::string try_allowed(std::string_view act, const ProbeCall& call);
std::string try_start(std::string_view act, const ProbeCall& call);

}  // namespace cofounder::test
