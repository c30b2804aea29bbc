// SPDX-License-Identifier: Apache-2.0
#include "tests/control/control_fixture.hpp"

namespace cofounder::test {
namespace {

TEST_F(ControlTest, Status) {
  start();
  ask("POST", "/v1/tasks", R"({"op":"hello.hold","delay":"1h","queue":"later"})");
  ask("POST", "/v1/tasks", R"({"op":"hello.hold"})");
  const auto status = ask("GET", "/v1/status");
  EXPECT_EQ(status.status, 200);
  EXPECT_EQ(member(status, "/node"), "here");
  EXPECT_EQ(member(status, "/version"), "1.0");
  EXPECT_EQ(member(status, "/store/kind"), "memory");
  EXPECT_EQ(member(status, "/store/available"), "true");
  EXPECT_EQ(member(status, "/running"), "1");
  EXPECT_EQ(member(status, "/tasks/running"), "1");
  EXPECT_EQ(member(status, "/tasks/scheduled"), "1");
  EXPECT_EQ(member(status, "/queues/0/name"), "default");
  EXPECT_EQ(member(status, "/queues/0/running"), "1");
  EXPECT_EQ(member(status, "/queues/1/name"), "later");
  EXPECT_EQ(member(status, "/queues/1/waiting"), "1");
  EXPECT_EQ(member(status, "/queues/2/running_max"), "1");
  EXPECT_EQ(member(status, "/control_groups/usable"), "true");
  EXPECT_EQ(member(status, "/control_groups/memory"), "true");
  EXPECT_EQ(member(status, "/control_groups/processes"), "false");
  EXPECT_EQ(member(status, "/control_groups/cpu"), "false");
  EXPECT_EQ(member(status, "/control_groups/reason"), "no pids controller");
  EXPECT_EQ(member(status, "/plugins/1/id"), "hello");
  EXPECT_EQ(member(status, "/plugins/1/state"), "ready");
}

// Of a store that is a daemon's alone.
TEST_F(ControlTest, TheOnlyNodeIsItself) {
  start();
  ask("POST", "/v1/tasks", R"({"op":"hello.hold"})");
  const auto nodes = ask("GET", "/v1/nodes");
  EXPECT_EQ(nodes.status, 200);
  EXPECT_EQ(member(nodes, "/nodes/0/name"), "here");
  EXPECT_EQ(member(nodes, "/nodes/0/state"), "up");
  EXPECT_EQ(member(nodes, "/nodes/0/self"), "true");
  EXPECT_EQ(member(nodes, "/nodes/0/running"), "1");
  EXPECT_EQ(member(nodes, "/nodes/0/version"), "1.0");
  EXPECT_EQ(member(nodes, "/nodes/1"), "absent");
}

TEST_F(ControlTest, HealthSaysWhy) {
  start();
  const auto fine = ask("GET", "/v1/health");
  EXPECT_EQ(fine.status, 200);
  EXPECT_EQ(member(fine, "/status"), "ok");
  on_loop([&] { fake_plugins().plugins["hello"].info.state = PluginState::quarantined; });
  const auto degraded = ask("GET", "/v1/health");
  EXPECT_EQ(degraded.status, 200);
  EXPECT_EQ(member(degraded, "/reasons/0/code"), "plugin_quarantined");
  EXPECT_EQ(member(degraded, "/reasons/0/plugin"), "hello");
  on_loop([&] { store_problem_ = make_error("store_unavailable", "the disk is full", true); });
  const auto away = ask("GET", "/v1/health");
  EXPECT_EQ(away.status, 503);
  EXPECT_EQ(member(away, "/reasons/0/code"), "store_unavailable");
  EXPECT_EQ(member(ask("GET", "/v1/status"), "/store/error/message"), "the disk is full");
}

TEST_F(ControlTest, DrainWaitsForWhatRuns) {
  start();
  const std::string id = member(ask("POST", "/v1/tasks", R"({"op":"hello.hold"})"), "/id");
  ASSERT_TRUE(becomes([&] { return fake_plugins().held.size() == 1; }));
  const auto begun = ask("POST", "/v1/drain");
  EXPECT_EQ(begun.status, 202);
  EXPECT_EQ(member(begun, "/running"), "1");
  EXPECT_EQ(ask("POST", "/v1/drain?wait=20ms").status, 202);
  EXPECT_EQ(ask("GET", "/v1/health").status, 503);
  const std::string next = member(ask("POST", "/v1/tasks", R"({"op":"hello.hold"})"), "/id");
  EXPECT_NE(member(ask("GET", "/v1/tasks/" + next + "/why"), "/text").find("draining"),
            std::string::npos);
  HttpPeer waiting{path_};
  waiting.send("POST /v1/drain?wait=20s HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
  ASSERT_TRUE(becomes([&] { return server_->connections() == 2; }));
  on_loop([&] { fake_plugins().succeed(*parse_task_id(id)); });
  const auto drained = waiting.response();
  EXPECT_EQ(drained.status, 200);
  EXPECT_EQ(member(drained, "/running"), "0");
  EXPECT_EQ(member(ask("DELETE", "/v1/drain"), "/draining"), "false");
  EXPECT_TRUE(becomes([&] { return fake_plugins().held.size() == 1; }));
}

TEST_F(ControlTest, ConfigIsShownAndReloaded) {
  start();
  EXPECT_EQ(member(ask("GET", "/v1/config"), "/control/tasks_per_request_max"), "10");
  EXPECT_EQ(ask("POST", "/v1/config/reload").body, "{\"reloaded\":true}");
  on_loop([&] { reload_error_ = make_error("invalid_config", "cofounderd.toml:3: unknown key"); });
  const auto bad = ask("POST", "/v1/config/reload");
  EXPECT_EQ(bad.status, 422);
  EXPECT_EQ(code(bad), "invalid_config");
}

TEST_F(ControlTest, AStoreWithToolsOfItsOwnIsNotCopiedHere) {
  start();
  for (const char* route : {"/v1/store/backup", "/v1/store/check"}) {
    const auto answer = ask("GET", route);
    EXPECT_EQ(answer.status, 409) << answer.body;
    EXPECT_EQ(member(answer, "/error/code"), "store_has_own_tools");
    EXPECT_NE(member(answer, "/error/hint"), "");
  }
}

TEST_F(ControlTest, StoreAwayIs503WithRetryAfter) {
  start();
  std::promise<void> closed;
  on_loop([&] { stores_.tasks.close([&] { closed.set_value(); }); });
  closed.get_future().get();
  const auto refused = ask("POST", "/v1/tasks", R"({"op":"hello.hold"})");
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(code(refused), "store_unavailable");
  EXPECT_EQ(refused.headers.at("retry-after"), "1");
  EXPECT_EQ(ask("GET", "/v1/tasks").status, 503);
  const auto status = ask("GET", "/v1/status");
  EXPECT_EQ(status.status, 200);
  EXPECT_EQ(member(status, "/tasks"), "null");
}

}  // namespace
}  // namespace cofounder::test
