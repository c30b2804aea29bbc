// SPDX-License-Identifier: Apache-2.0
#include "tests/host/services/service_fixture.hpp"

namespace cofounder::host::test {
namespace {

class EventServiceTest : public ServiceTest {
 protected:
  const cof_event_service* service = table<cof_event_service>(COF_EVENT_IID);
};

TEST_F(EventServiceTest, PublishesUnderThePluginsName) {
  load();
  EXPECT_EQ(service->publish(host, text("login"), text("{\"a\":1}")), COF_OK);
  wait_for([&] { return !events.empty(); });
  EXPECT_EQ(events[0], (std::pair<std::string, std::string>{"x.login", "{\"a\":1}"}));
  EXPECT_EQ(service->publish(host, text(""), text("1")), COF_EINVALID);
  EXPECT_EQ(service->publish(host, text("a..b"), text("1")), COF_EINVALID);
  EXPECT_EQ(service->publish(host, text("A"), text("1")), COF_EINVALID);
  EXPECT_EQ(service->publish(host, text("a"), text("{")), COF_EINVALID);
  EXPECT_EQ(service->publish(host, text("a"), broken_text), COF_EINVALID);
  EXPECT_EQ(service->publish(host, text("a"), text("\"" + std::string(65'536, 'x') + "\"")),
            COF_ETOOBIG);
}

TEST_F(EventServiceTest, PublishHasALimitOnWhatWaits) {
  load();
  const std::string event = "\"" + std::string(60'000, 'x') + "\"";
  std::size_t taken = 0;
  while (service->publish(host, text("a"), text(event)) == COF_OK && taken < 1'000) ++taken;
  EXPECT_EQ(service->publish(host, text("a"), text(event)), COF_ELIMIT);
  EXPECT_LT(taken, 100u);
  wait_for([&] { return events.size() == taken; });
  EXPECT_EQ(service->publish(host, text("a"), text(event)), COF_OK);
}

// Each costs memory and a turn of the loop, however little it says.
TEST_F(EventServiceTest, PublishHasALimitOnSmallOnesThatWait) {
  load();
  std::size_t taken = 0;
  while (service->publish(host, text("a"), text("1")) == COF_OK && taken < 100'000) ++taken;
  EXPECT_EQ(service->publish(host, text("a"), text("1")), COF_ELIMIT);
  EXPECT_GT(taken, 1'000u);
  EXPECT_LT(taken, 20'000u);
  wait_for([&] { return events.size() == taken; });
  EXPECT_EQ(service->publish(host, text("a"), text("1")), COF_OK);
}

TEST_F(EventServiceTest, SubscribesToWhatTheManifestLists) {
  manifest.permissions.events = {"task.*", "oauth.login"};
  load();
  EXPECT_EQ(service->subscribe(host, text("task.succeeded")), COF_OK);
  EXPECT_EQ(service->subscribe(host, text("task.*")), COF_OK);
  EXPECT_EQ(service->subscribe(host, text("oauth.login")), COF_OK);
  EXPECT_EQ(service->subscribe(host, text("oauth.*")), COF_EDENIED);
  EXPECT_EQ(service->subscribe(host, text("oauth")), COF_EDENIED);
  EXPECT_EQ(service->subscribe(host, text("taskforce")), COF_EDENIED);
  EXPECT_EQ(service->subscribe(host, text("*")), COF_EINVALID);
  EXPECT_EQ(service->subscribe(host, text("")), COF_EINVALID);
  EXPECT_EQ(service->subscribe(host, broken_text), COF_EINVALID);
  EXPECT_TRUE(instance->subscribes("task.failed"));
  EXPECT_EQ(service->unsubscribe(host, text("task.*")), COF_OK);
  EXPECT_FALSE(instance->subscribes("task.failed"));
  EXPECT_TRUE(instance->subscribes("task.succeeded"));
  EXPECT_EQ(service->unsubscribe(host, text("?")), COF_EINVALID);
  int taken = 0;
  while (service->subscribe(host, text("task.t" + std::to_string(taken))) == COF_OK && taken < 100) {
    ++taken;
  }
  EXPECT_EQ(service->subscribe(host, text("task.more")), COF_ELIMIT);
}

}  // namespace
}  // namespace cofounder::host::test
