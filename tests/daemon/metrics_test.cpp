// SPDX-License-Identifier: Apache-2.0
// Figures of the real daemon, scraped over TCP without a login, while its database is there, away
// and back.
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/real_daemon.hpp"
#include "tests/support/tiny_client.hpp"

namespace cofounder::test {
namespace {

class Figures : public testing::Test {
 protected:
  RealDaemon daemon{{"plugins/hello.so", "plugins/metrics.so"}};
  int port = 0;

  void SetUp() override {
    daemon.configure(R"(
[http]
listen = ["127.0.0.1:0"]
[plugin.metrics]
prices = [{ provider = "p", model = "*", input_usd_per_million = 1.5, output_usd_per_million = 2 }]
[plugin.metrics.budget]
month = 20
)");
    ASSERT_TRUE(daemon.start()) << daemon.log();
    port = daemon.http_port();
    ASSERT_NE(port, 0) << daemon.log();
  }
  std::string scrape() const {
    const auto answer = tcp_call(port, "GET", "/metrics");
    EXPECT_EQ(answer.status, 200) << answer.body;
    return answer.body;
  }
  bool shows(const std::string& line) const {
    return wait_until([&] { return scrape().find(line) != std::string::npos; });
  }
  void expect_null(const std::string& route, const std::string& figure) const {
    const auto answer = daemon.get(route);
    EXPECT_EQ(answer.status, 200) << route << answer.body;
    const json::Document json = parse(answer.body);
    const json::View value = json.root().find(figure);
    EXPECT_TRUE(value && value.is_null()) << route << answer.body;
    EXPECT_EQ(json.root().at_pointer("/unavailable/0/code").as_string().value_or(""), "store_unavailable")
        << route << answer.body;
  }
};

// The origin's row: metrics with the database down; the providers' facts, row 19: "zeros on DB failure".
TEST_F(Figures, VanishWithTheDatabaseAndReturnWithIt) {
  const std::string id = daemon.submit(R"({"op":"hello.greet","args":{"name":"x"}})");
  ASSERT_TRUE(daemon.wait_for_state(id, "succeeded"));
  ASSERT_TRUE(shows("cofounderd_store_tasks{status=\"succeeded\"} 1\n"));
  EXPECT_TRUE(shows("cofounderd_spend_usd{window=\"month\"} 0\n")) << "nothing was spent, which is known";
  EXPECT_TRUE(shows("cofounderd_budget_usd{window=\"month\"} 20\n"));
  EXPECT_TRUE(shows("cofounderd_metrics_refresh_errors_total{phase=\"tasks\"} 0\n"));
  const json::Document before = parse(daemon.get("/v1/metrics/budget").body);
  EXPECT_EQ(before.root().string_or("status", ""), "healthy");

  const std::filesystem::path away = daemon.folder() / "away";
  std::filesystem::rename(daemon.folder() / "state", away);
  EXPECT_TRUE(wait_until([&] {
    daemon.submit(R"({"op":"hello.greet","args":{"name":"x"}})");
    return scrape().find("cofounderd_store_tasks{") == std::string::npos;
  }));
  const std::string text = scrape();
  EXPECT_EQ(text.find("cofounderd_spend_usd{"), std::string::npos) << text;
  EXPECT_EQ(text.find("cofounderd_metrics_last_refresh_timestamp_seconds{"), std::string::npos);
  EXPECT_EQ(text.find("cofounderd_metrics_refresh_errors_total{phase=\"tasks\"} 0\n"), std::string::npos);
  EXPECT_NE(text.find("cofounderd_budget_usd{window=\"month\"} 20\n"), std::string::npos) << "not from the store";
  EXPECT_NE(text.find("cofounderd_tasks_total{type=\"hello.greet\",outcome=\"succeeded\"} "), std::string::npos);
  EXPECT_TRUE(shows("cofounderd_store_up 0\n"));
  expect_null("/v1/metrics/summary", "total_tasks");
  expect_null("/v1/metrics/costs", "rows");
  expect_null("/v1/metrics/costs", "total_cost_usd");
  expect_null("/v1/metrics/budget", "spend_usd");
  expect_null("/v1/metrics/budget", "status");
  const auto listed = daemon.get("/v1/tasks");
  EXPECT_EQ(listed.status, 503) << listed.body;
  EXPECT_EQ(error_code(listed), "store_unavailable");

  std::filesystem::rename(away, daemon.folder() / "state");
  EXPECT_TRUE(shows("cofounderd_store_tasks{status=\"succeeded\"} "));
  EXPECT_TRUE(shows("cofounderd_spend_usd{window=\"month\"} 0\n"));
  EXPECT_EQ(parse(daemon.get("/v1/metrics/budget").body).root().string_or("status", ""), "healthy");
  EXPECT_EQ(daemon.stop(), 0);
}

TEST_F(Figures, AreNotForTheInternetBesidesMetrics) {
  EXPECT_EQ(tcp_call(port, "GET", "/metrics").status, 200);
  for (const char* route : {"/v1/metrics/summary", "/v1/metrics/costs", "/v1/metrics/budget"}) {
    EXPECT_EQ(tcp_call(port, "GET", route).status, 404) << route;
  }
  EXPECT_TRUE(shows("cofounderd_http_requests_total{method=\"GET\",route=\"/metrics\",code=\"200\"}"));
  EXPECT_TRUE(shows("cofounderd_http_requests_total{method=\"GET\",route=\"unmatched\",code=\"404\"} 3\n"));
}

}  // namespace
}  // namespace cofounder::test
