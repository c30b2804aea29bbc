// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/ctl/command.hpp"
#include "tests/ctl/fake_daemon.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <deque>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace cofounder::ctl {

// A daemon that answers as the test says, and cofounderctl run inside the test.
class CtlTest : public testing::Test {
 protected:
  CtlTest() : daemon{[this](const test::SeenRequest& request) { return answer(request); }} {
    ::unsetenv("COFOUNDERD_SOCKET");
    ::setenv("XDG_CONFIG_HOME", config_home().c_str(), 1);
  }

  // What the daemon says to "GET /v1/status"; said more than once: one after the other, the last
  // one for ever.  Say all before run().
  void on(const std::string& method_and_path, std::string bytes) {
    answers[method_and_path].push_back(std::move(bytes));
  }

  int run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--socket", daemon.socket().native()});
    return run_bare(std::move(arguments));
  }
  int run_bare(const std::vector<std::string>& arguments) {
    std::ostringstream out_stream;
    std::ostringstream err_stream;
    std::istringstream in_stream{input};
    Session session{UnixHttp{{}},
                    false,
                    out_stream,
                    err_stream,
                    in_stream,
                    /*out_is_terminal=*/false,
                    /*err_is_terminal=*/is_terminal,
                    [this](Milliseconds time) {
                      pauses.push_back(time.count() / 1000);
                      if (on_pause) on_pause();
                    }};
    const int code = run_ctl(arguments, session);
    out = out_stream.str();
    err = err_stream.str();
    return code;
  }
  std::vector<std::string> targets() const {
    std::vector<std::string> all;
    for (const auto& request : daemon.seen()) all.push_back(request.method + " " + request.target);
    return all;
  }

  std::filesystem::path config_home() const { return daemon.socket().parent_path() / "config"; }

  std::string input;
  bool is_terminal = false;
  std::vector<std::int64_t> pauses;  // in seconds; nobody really waits
  std::function<void()> on_pause;
  std::string out;
  std::string err;
  std::map<std::string, std::deque<std::string>> answers;
  test::FakeDaemon daemon;  // last: its threads use the answers

 private:
  std::optional<std::string> answer(const test::SeenRequest& request) {
    const std::string path = request.target.substr(0, request.target.find('?'));
    const auto found = answers.find(request.method + " " + path);
    if (found == answers.end()) {
      return test::error_answer(404, "not_found", "nothing at " + request.method + " " + path);
    }
    const std::string bytes = found->second.front();
    if (found->second.size() > 1) found->second.pop_front();
    return bytes;
  }
};

}  // namespace cofounder::ctl
