// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

// The sandbox of an isolated plugin.  A process enters it by itself, before it loads the plugin.
//
// Whom we defend: the daemon, its files and secrets, the other plugins and the machine.  Against
// whom: a plugin that is wrong, or taken over by what it reads; also its constructors, so the walls
// stand before dlopen.  It has all memory of its process: what is there (its secrets, the bytes of
// its own calls) it can have.  What it cannot do, by the kernel's word:
//   files     Landlock: only libraries (to read), its own copy, and its scratch folder if it has one
//   network   seccomp: no sockets at all; Landlock: no TCP, no abstract sockets where it can say so
//   processes seccomp: no fork, no exec, no ptrace, no signal, no priority or limit of others
//   kernel    an allow-list of plain calls: no bpf, io_uring, keys, namespaces, mounts, perf
//   memory, CPU, descriptors: limits of its start (child_spec.hpp), and cgroups where delegated
// What is left: names and sizes of files that its user may stat, timing, and the frames of its
// socket, which the daemon treats as hostile.  Why so: docs/decisions/0006-sandbox.md.
//
// For the child: no Boost, no thread, little memory.
namespace cofounder {

struct SandboxRules {
  std::vector<std::string> read_execute;  // files or folders; what does not exist is left out
  std::vector<std::string> read_write;    // folders that must exist; nothing runs from there
};

// Why there is no sandbox.  The process must not go on.
struct SandboxRefusal {
  static constexpr const char* code = "sandbox_unavailable";

  const char* layer = nullptr;  // "threads", "privileges", "landlock" or "seccomp"; null: it stands
  const char* step = "";        // what was refused: "landlock_restrict_self", or a path of the rules
  int error = 0;                // errno

  explicit operator bool() const noexcept { return layer != nullptr; }
  std::string message() const;  // "landlock: landlock_create_ruleset: Operation not permitted"
};

// Puts this process into the sandbox, for good: until exit, and for every thread that it makes from
// now on.  Call it while there is one thread.  Also: no capabilities, no core dump, nobody of the
// same user may look into it.
//
//   if (const SandboxRefusal refusal = enter_sandbox(rules)) ...  tell the daemon and exit
//
// After a refusal the process is in an undefined, but never a freer state.  The texts of a refusal
// live as long as `rules`.
[[nodiscard]] SandboxRefusal enter_sandbox(const SandboxRules& rules);

// The version of Landlock that this kernel has on, 0 for none, with errno.
int landlock_version() noexcept;

}  // namespace cofounder
