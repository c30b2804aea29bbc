// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/host/services/service_fixture.hpp"
#include "tests/process/process_helpers.hpp"

#include <list>

namespace cofounder::host::test {

using cofounder::test::is_locked;
using cofounder::test::pids_in;
using cofounder::test::program_path;
using cofounder::test::Watched;

class ProcessServiceTest : public ServiceTest {
 protected:
  ProcessServiceTest() {
    manifest.permissions.programs = {"*"};
    plugin_config.programs = {program_path(), "/bin/true", "no-such-program-anywhere"};
  }

  // A request for the test program; what it points to lives as long as the test.
  cof_process_request request(const std::vector<std::string>& args,
                              const std::string& program = program_path()) {
    auto& texts = kept_.emplace_back();
    texts.program = program;
    for (const std::string& arg : args) texts.args.append(arg).push_back('\0');
    texts.environment = "LOCK=" + lock() + '\0';
    cof_process_request request{};
    request.struct_size = sizeof request;
    request.program = text(texts.program);
    request.args = bytes(texts.args);
    request.environment = bytes(texts.environment);
    request.grace_ms = 100;
    return request;
  }
  std::string lock() const { return (top / "lock").string(); }

  std::int32_t start(const cof_process_request& wanted, std::uint64_t tag, std::uint64_t call = 0) {
    return process->start(host, call, &wanted, tag, &handle);
  }
  std::vector<Got> run(const cof_process_request& wanted, std::uint64_t tag = 1) {
    EXPECT_EQ(start(wanted, tag), COF_OK);
    last(tag);
    return replies(tag);
  }
  // All that it has written so far, lines as lines.
  std::string output(std::uint64_t tag = 1) {
    std::string all;
    for (const Got& got : replies(tag)) {
      if (got.kind == COF_PROCESS_OUTPUT) all += got.body + "\n";
    }
    return all;
  }
  void wait_for_output(std::string_view part) {
    wait_for([&] { return output().find(part) != std::string::npos; });
  }
  std::vector<pid_t> start_tree(std::uint64_t call = 0) {
    auto wanted = request({"tree"});
    wanted.output = COF_PROCESS_LINES;
    EXPECT_EQ(start(wanted, 1, call), COF_OK);
    wait_for_output("program ");
    return pids_in(output());
  }
  static std::int64_t figure(const Got& end, std::string_view name) {
    const auto report = json::parse(end.name);
    EXPECT_FALSE(report.has_error()) << end.name;
    return report->root().find(name).as_integer().value_or(-1);
  }

  std::uint64_t handle = 0;
  const cof_process_service* process = table<cof_process_service>(COF_PROCESS_IID);

 private:
  struct Texts {
    std::string program, args, environment;
  };
  std::list<Texts> kept_;
};

}  // namespace cofounder::host::test
