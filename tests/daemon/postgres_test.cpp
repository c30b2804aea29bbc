// SPDX-License-Identifier: Apache-2.0
// The daemon on PostgreSQL, as a user runs it: work, a server that goes away, secrets, and all that
// can be wrong when it starts.
#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/private_postgres.hpp"

namespace cofounder::test {
namespace {

using namespace std::chrono_literals;

constexpr const char* greet = R"({"op":"hello.greet","args":{"name":"Ada"}})";

class PostgresDaemon : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!server.runs()) GTEST_SKIP() << server.why();
  }
  // The output of a daemon that does not start.
  static std::string refused(const std::string& store) {
    RealDaemon daemon{{"plugins/hello.so"}};
    daemon.configure(store);
    const auto ended = daemon.run();
    EXPECT_EQ(ended.code, 1) << ended.output;
    EXPECT_NE(ended.output.find("cannot start: "), std::string::npos) << ended.output;
    return ended.output;
  }
  static void expect_in(const std::string& text, std::string_view part) {
    EXPECT_NE(text.find(part), std::string::npos) << part << " is not in:\n" << text;
  }

  PrivatePostgres server;
};

TEST_F(PostgresDaemon, SubmitsRunsTriesAgainAndSchedules) {
  RealDaemon daemon{{"plugins/hello.so", "plugins/metrics.so", "fixtures/echo.so"}};
  daemon.configure(server.store("a") + "[scheduler]\nretry_first = \"1ms\"\n");
  ASSERT_TRUE(daemon.start()) << daemon.log();
  const json::Document status = parse(daemon.get("/v1/status").body);
  EXPECT_EQ(status.root().string_or("node", ""), "a");
  EXPECT_EQ(status.root().at_pointer("/store/kind").as_string().value_or(""), "postgres");

  const auto waited = daemon.call("POST", "/v1/tasks?wait=30s", greet);
  EXPECT_EQ(waited.status, 201) << waited.body;
  EXPECT_EQ(parse(waited.body).root().string_or("state", ""), "succeeded") << waited.body;
  for (const std::string& id : daemon.submit_many(greet, 500)) {
    ASSERT_TRUE(daemon.wait_for_state(id, "succeeded")) << daemon.log();
  }
  const std::string failing = daemon.submit(R"({"op":"echo.fail","args":{},"attempts_max":2})");
  ASSERT_TRUE(daemon.wait_for_state(failing, "failed")) << daemon.log();
  const json::Document failed = daemon.show(failing);
  EXPECT_EQ(failed.root().find("attempts").size(), 2U);
  EXPECT_EQ(failed.root().at_pointer("/error/code").as_string().value_or(""), "no_luck");

  const auto made = daemon.call("PUT", "/v1/schedules/often",
                                R"({"op":"hello.greet","args":{"name":"Eve"},"every":"1s"})");
  EXPECT_EQ(made.status, 201) << made.body;
  const auto of_schedule = [&] {
    return server.hand().run("SELECT count(*) FROM cofounder.finished WHERE schedule = 'often'");
  };
  EXPECT_TRUE(wait_until([&] { return std::stoi(of_schedule()) >= 2; }));
  EXPECT_EQ(daemon.stop(), 0) << daemon.log();

  // What it kept is there for the next one.
  ASSERT_TRUE(daemon.start()) << daemon.log();
  EXPECT_EQ(daemon.state_of(failing), "failed");
  EXPECT_GE(daemon.count({"succeeded"}), 502);
  EXPECT_EQ(daemon.get("/v1/schedules/often").status, 200);
}

TEST_F(PostgresDaemon, AServerThatGoesAwayIsSaidAndServiceResumesByItself) {
  RealDaemon daemon{{"plugins/hello.so", "plugins/metrics.so"}};
  daemon.configure(server.store("a"));
  ASSERT_TRUE(daemon.start()) << daemon.log();
  std::vector<std::string> ids = daemon.submit_many(greet, 20);

  ASSERT_TRUE(server.halt());
  const auto refused = daemon.call("POST", "/v1/tasks", greet);
  EXPECT_EQ(refused.status, 503) << refused.body;
  EXPECT_EQ(error_code(refused), "store_unavailable") << refused.body;
  EXPECT_TRUE(parse(refused.body).root().find("error").bool_or("retryable", false));
  EXPECT_EQ(daemon.get("/v1/health").status, 503);
  EXPECT_EQ(daemon.get("/v1/status").status, 200);
  const auto summary = daemon.get("/v1/metrics/summary");
  ASSERT_EQ(summary.status, 200) << summary.body;
  const json::Document figures = parse(summary.body);
  for (const char* figure : {"total_tasks", "completed_tasks", "failed_tasks", "pending_tasks"}) {
    EXPECT_TRUE(figures.root().find(figure).is_null()) << figure << ": " << summary.body;
  }
  const json::View why = figures.root().find("unavailable").at(0);
  EXPECT_EQ(why.string_or("code", ""), "store_unavailable") << summary.body;
  EXPECT_FALSE(why.string_or("reason", "").empty());
  EXPECT_EQ(daemon.get("/v1/nodes").status, 503);

  ASSERT_TRUE(server.resume());
  std::string later;
  ASSERT_TRUE(wait_until([&] { return !(later = daemon.submit(greet)).empty(); })) << daemon.log();
  ids.push_back(later);
  for (const std::string& id : ids) {
    ASSERT_TRUE(daemon.wait_for_state(id, "succeeded")) << daemon.show(id).root().text();
  }
  EXPECT_EQ(daemon.get("/v1/health").status, 200);
  EXPECT_TRUE(wait_until([&] {
    const json::Document now = parse(daemon.get("/v1/metrics/summary").body);
    return now.root().integer_or("completed_tasks", -1) == 21;
  }));
  EXPECT_EQ(daemon.stop(), 0) << daemon.log();
}

TEST_F(PostgresDaemon, ThePasswordIsNeverShown) {
  RealDaemon daemon{{"plugins/hello.so"}};
  write_file(daemon.folder() / "database_password", "correct horse\n");
  std::filesystem::permissions(daemon.folder() / "database_password",
                               std::filesystem::perms{0600});
  daemon.set_environment("CREDENTIALS_DIRECTORY", daemon.folder());
  const std::string secret = "password_credential = \"database_password\"\n";
  daemon.configure(PrivatePostgres::store_of(server.dsn("somebody", "locked"), secret));
  ASSERT_TRUE(daemon.start()) << daemon.log();
  ASSERT_TRUE(daemon.wait_for_state(daemon.submit(greet), "succeeded")) << daemon.log();
  const std::string process = "/proc/" + std::to_string(daemon.child().pid());
  std::string all = read_file(process + "/cmdline") + daemon.get("/v1/status").body +
                    daemon.get("/v1/config").body + daemon.get("/v1/nodes").body;
  // A password that becomes wrong while it runs: the errors do not have it either.
  write_file(daemon.folder() / "database_password", "wrong horse\n");
  server.hand().run("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                    " WHERE usename = 'somebody'");
  EXPECT_TRUE(wait_until([&] { return daemon.get("/v1/health").status == 503; }));
  const auto refused = daemon.call("POST", "/v1/tasks", greet);
  EXPECT_EQ(refused.status, 503);
  all += refused.body + daemon.get("/v1/health").body + daemon.log();
  expect_in(all, "password");
  EXPECT_EQ(all.find("horse"), std::string::npos) << all;
  write_file(daemon.folder() / "database_password", "correct horse\n");
  EXPECT_TRUE(wait_until([&] { return daemon.get("/v1/health").status == 200; })) << daemon.log();
  EXPECT_EQ(daemon.stop(), 0);
}

TEST_F(PostgresDaemon, EveryWrongSetupIsSaidWithACure) {
  const auto store_of = &PrivatePostgres::store_of;
  std::string said = refused(store_of("host=/nowhere user=postgres", ""));
  expect_in(said, "cannot be reached");
  said = refused(store_of("host=name.invalid user=postgres", ""));
  expect_in(said, "name.invalid is not known");
  said = refused(store_of("host=/tmp =", ""));
  expect_in(said, "connection string of the store cannot be read");
  said = refused(store_of(server.dsn("postgres", "absent"), ""));
  expect_in(said, "createdb");
  said = refused(store_of(server.dsn("nobody_of_ours"), ""));
  expect_in(said, "createuser");
  said = refused(store_of(server.dsn("somebody", "locked"), ""));
  expect_in(said, "[store] password_credential");
  said = refused(store_of(server.dsn("postgres", "latin"), ""));
  expect_in(said, "LATIN1");
  server.hand().run("CREATE ROLE reader LOGIN");
  said = refused(store_of(server.dsn("reader"), ""));
  expect_in(said, "GRANT CREATE");
  server.hand().run("ALTER ROLE reader SET default_transaction_read_only = on");
  said = refused(store_of(server.dsn("reader"), ""));
  expect_in(said, "read-only");

  // A password in the connection string is a mistake of the configuration.
  RealDaemon daemon{{"plugins/hello.so"}};
  daemon.configure(store_of(server.dsn() + " password=horse", ""));
  const auto ended = daemon.run();
  EXPECT_EQ(ended.code, 78) << ended.output;
  EXPECT_EQ(ended.output.find("horse"), std::string::npos) << ended.output;
}

TEST_F(PostgresDaemon, ASchemaThatIsNotItsOwnIsRefused) {
  RealDaemon daemon{{"plugins/hello.so"}};
  daemon.configure(server.store("a"));
  ASSERT_TRUE(daemon.start()) << daemon.log();
  expect_in(refused(server.store("a")), "A daemon called a uses the store since");
  EXPECT_EQ(daemon.get("/v1/health").status, 200) << "the first one is not disturbed";
  // Two clusters on one database.
  RealDaemon other{{"plugins/hello.so"}};
  other.configure(server.store("a", "schema = \"other\"\n"));
  ASSERT_TRUE(other.start()) << other.log();
  const std::string id = other.submit(greet);
  EXPECT_TRUE(other.wait_for_state(id, "succeeded"));
  EXPECT_EQ(daemon.get("/v1/tasks/" + id).status, 404);
  EXPECT_EQ(daemon.stop(), 0);
  EXPECT_EQ(other.stop(), 0);
  server.hand().run("UPDATE cofounder.meta SET value = 99");
  expect_in(refused(server.store("a")), "version 99");
  server.hand().run("UPDATE other.meta SET value = value");
  server.hand().run("ALTER TABLE other.tasks DROP COLUMN priority");
  expect_in(refused(server.store("a", "schema = \"other\"\n")), "not as the daemon made it");
}

}  // namespace
}  // namespace cofounder::test
