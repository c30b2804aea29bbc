// SPDX-License-Identifier: Apache-2.0
// Runs the plugin in a fake host: no daemon, no network, no waiting.
#include <cofounder/testkit.hpp>

#include <cstdio>
#include <string>

namespace testkit = cofounder::testkit;

static int failures = 0;

static void expect_equal(const std::string& is, const std::string& should) {
  if (is == should) return;
  std::fprintf(stderr, "is %s, should be %s\n", is.c_str(), should.c_str());
  ++failures;
}

int main() {
  testkit::Host host{*cof_plugin_entry_v1()};
  host.start(R"({"mark": "?"})");

  const auto& shout = host.operation("shout", R"({"text": "hello"})");
  expect_equal(shout.ended->result, R"({"text":"hello?"})");

  host.answer(testkit::HttpAnswer::text(204, ""));
  const auto& ping = host.operation("ping", R"({"url": "https://example.org/"})");
  host.run();
  expect_equal(ping.ended->result, R"({"status":204})");

  host.stop();
  for (const std::string& violation : host.violations) expect_equal(violation, "");
  return failures == 0 ? 0 : 1;
}
