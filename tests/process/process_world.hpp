// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/loop.hpp"
#include "core/process/launcher.hpp"
#include "core/process/sandbox_rules.hpp"

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace cofounder::test {

// What a probe said, and how it ended.
struct ProbeResult {
  std::string answer;
  ChildExit exit;
  std::string crash;  // the text of its crash report, when one was asked for
};

// A loop, a launcher, and a folder with the probe in it that an unprivileged user can reach.
class ProcessWorld {
 public:
  explicit ProcessWorld(bool with_launcher = true);
  ~ProcessWorld();

  // Runs the loop until `done`; false after 30 s.
  bool run_until(const std::function<bool()>& done);

  // A spec for the probe with the usual rules; as root it becomes nobody.
  ChildSpec probe(const std::string& act, const std::string& argument = "") const;
  // The spec that was made, with its answer's pipe; the reading end goes to `answer`.
  static void add_answer(ChildSpec& spec, Descriptor& answer);

  Result<Child> start(ChildSpec spec);
  ChildExit wait(Child& child);
  ProbeResult run(ChildSpec spec, bool with_crash_report = false);

  SandboxRules rules(const std::string& library) const;

  const std::filesystem::path& folder() const noexcept { return folder_; }
  std::filesystem::path scratch() const { return folder_ / "scratch"; }
  std::string program() const { return folder_ / "sandbox_probe"; }

  Loop loop;
  std::optional<Launcher> launcher;

 private:
  std::filesystem::path folder_;
};

// The rest of a pipe, as far as it was written.
std::string read_all(int descriptor);

// For tests that limits cannot run under: the address sanitizer reserves terabytes.
bool has_address_sanitizer() noexcept;
bool has_any_sanitizer() noexcept;

}  // namespace cofounder::test
