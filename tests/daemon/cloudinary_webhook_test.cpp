// SPDX-License-Identifier: Apache-2.0
// An asynchronous upload at the real daemon: the provider's notification comes over TCP, as from the
// internet; forged and old ones do too; a kill -9 in between does not matter.
#include <gtest/gtest.h>

#include <atomic>
#include <ctime>
#include <memory>
#include <nlohmann/json.hpp>
#include <regex>

#include "tests/simulators/cloudinary.hpp"
#include "tests/support/real_daemon.hpp"
#include "tests/support/tiny_client.hpp"

namespace cofounder::test {
namespace {

using Json = nlohmann::json;

class Webhook : public testing::Test {
 protected:
  simulator::Cloudinary cloudinary{{}};
  std::atomic<int> uploads{0};
  std::unique_ptr<simulator::HttpServer> server = std::make_unique<simulator::HttpServer>(
      std::uint16_t{0}, [this](const simulator::Request& request) {
        ++uploads;
        return cloudinary.handle(request);
      });
  RealDaemon daemon{{"plugins/cloudinary.so", "plugins/metrics.so"}};
  int port = 0;

  void SetUp() override {
    daemon.set_environment("CLOUDINARY_TEST_SECRET", "abcd");
    daemon.configure(R"(
[http]
listen = ["127.0.0.1:0"]
[scheduler]
retry_first = "100ms"
[plugin.cloudinary]
cloud_name = "demo"
api_key = "1234"
api_secret = { env = "CLOUDINARY_TEST_SECRET" }
notification_url = "https://example.org/cloudinary/notifications"
base_url = "http://127.0.0.1:)" + std::to_string(server->port()) + "\"\n");
    start();
  }
  void start() {
    ASSERT_TRUE(daemon.start()) << daemon.log();
    port = daemon.http_port();
    ASSERT_NE(port, 0) << daemon.log();
  }
  TcpAnswer notify(const std::string& task, std::int64_t sent_s, const std::string& secret = "abcd") {
    const std::string body = Json{{"notification_type", "upload"}, {"public_id", "report"}, {"version", 7},
                                  {"secure_url", "https://res.cloudinary.com/demo/raw/upload/v7/report"}}.dump();
    const std::string time = std::to_string(sent_s);
    return tcp_call(port, "POST", "/cloudinary/notifications?task=" + task, body,
                    "X-Cld-Timestamp: " + time + "\r\nX-Cld-Signature: " +
                        simulator::hex_digest("SHA1", body + time + secret) + "\r\n");
  }
  bool counts(const std::string& outcome, int count) {
    const std::string line = "cofounderd_cloudinary_notifications_total{outcome=\"" + outcome + "\"} " +
                             std::to_string(count) + "\n";
    return wait_until([&] { return tcp_call(port, "GET", "/metrics").body.find(line) != std::string::npos; });
  }
  // Its checkpoint says that it waits.
  bool waits() {
    static const std::regex checkpoint{"async/1[0-9]{12}"};
    return wait_until([&] {
      const std::string bytes =
          read_file(daemon.database()) + read_file(daemon.database().string() + "-wal");
      return std::regex_search(bytes, checkpoint);
    });
  }
};

TEST_F(Webhook, CompletesTheTaskAlsoAfterAKill) {
  const std::string id = daemon.submit(
      R"({"op": "cloudinary.upload", "args": {"file": "data:text/plain;base64,aGVsbG8=",)"
      R"( "public_id": "report", "resource_type": "raw", "async": true}})");
  ASSERT_FALSE(id.empty());
  ASSERT_TRUE(waits()) << daemon.show(id).root().text() << daemon.log();
  const std::int64_t now_s = std::time(nullptr);
  EXPECT_EQ(notify(id, now_s, "guessed").status, 401);
  EXPECT_EQ(notify(id, now_s - 7300).status, 401);
  EXPECT_EQ(notify(id, now_s + 3600).status, 401);
  EXPECT_TRUE(counts("forged", 1));
  EXPECT_TRUE(counts("stale", 2));
  EXPECT_NE(daemon.state_of(id), "succeeded");

  daemon.kill();
  ASSERT_NO_FATAL_FAILURE(start());
  const auto answer = notify(id, std::time(nullptr) + 1);
  EXPECT_EQ(answer.status, 200) << answer.body;
  EXPECT_NE(answer.body.find("accepted"), std::string::npos) << answer.body;
  EXPECT_TRUE(daemon.wait_for_state(id, "succeeded")) << daemon.show(id).root().text() << daemon.log();
  EXPECT_EQ(daemon.show(id).root().at_pointer("/result/version").as_integer(), 7);
  EXPECT_EQ(uploads, 1) << "it was not sent again";
  EXPECT_EQ(daemon.stop(), 0);
}

}  // namespace
}  // namespace cofounder::test
