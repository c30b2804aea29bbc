// SPDX-License-Identifier: Apache-2.0
#include "tests/control/control_fixture.hpp"

namespace cofounder::test {
namespace {

TEST_F(ControlTest, SchedulesLifeOverHttp) {
  start();
  const auto made = ask("PUT", "/v1/schedules/nightly",
                        R"({"op":"hello.greet","args":{"name":"x"},"cron":"0 3 * * *"})");
  EXPECT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(member(made, "/cron"), "0 3 * * *");
  EXPECT_EQ(parsed(made).root().find("next").size(), 5U);
  EXPECT_NE(member(made, "/next/0").find("T03:00:00.000Z"), std::string::npos);
  const auto changed = ask("PUT", "/v1/schedules/nightly",
                           R"({"op":"hello.greet","args":{"name":"y"},"cron":"0 3 * * *"})");
  EXPECT_EQ(changed.status, 200);
  EXPECT_EQ(member(changed, "/args/name"), "y");
  EXPECT_EQ(member(changed, "/created_at"), member(made, "/created_at"));
  EXPECT_EQ(member(ask("GET", "/v1/schedules"), "/schedules/0/name"), "nightly");
  EXPECT_EQ(ask("GET", "/v1/schedules/nightly").body, changed.body);
  const auto run = ask("POST", "/v1/schedules/nightly/run");
  EXPECT_EQ(run.status, 201) << run.body;
  EXPECT_EQ(member(run, "/schedule"), "nightly");
  EXPECT_EQ(member(ask("GET", "/v1/tasks/" + member(run, "/id") + "?wait=20s"), "/state"),
            "succeeded");
  EXPECT_EQ(ask("DELETE", "/v1/schedules/nightly").status, 204);
  EXPECT_EQ(code(ask("DELETE", "/v1/schedules/nightly")), "unknown_schedule");
  EXPECT_EQ(ask("GET", "/v1/schedules/nightly").status, 404);
  EXPECT_EQ(ask("POST", "/v1/schedules/nightly/run").status, 404);
}

TEST_F(ControlTest, BadSchedules) {
  start();
  const std::pair<const char*, const char*> cases[] = {
      {R"({"op":"hello.greet","args":{"name":"x"},"cron":"61 * * * *"})", "invalid_cron"},
      {R"({"op":"hello.greet","args":{"name":"x"},"cron":"0 0 30 2 *"})", "never_due"},
      {R"({"op":"hello.greet","args":{},"cron":"0 3 * * *"})", "invalid_args"},
      {R"({"op":"none.at-all","cron":"0 3 * * *"})", "unknown_op"},
      {R"({"op":"hello.hold"})", "invalid_schedule"},
      {R"({"op":"hello.hold","every":"often"})", "invalid_duration"}};
  for (const auto& [body, expected] : cases) {
    const auto response = ask("PUT", "/v1/schedules/bad", body);
    EXPECT_EQ(response.status, 422) << body;
    EXPECT_EQ(code(response), expected) << response.body;
  }
  EXPECT_EQ(ask("GET", "/v1/schedules").body, R"({"schedules":[]})");
}

}  // namespace
}  // namespace cofounder::test
