// SPDX-License-Identifier: Apache-2.0
// Notifications of Cloudinary, and uploads that wait for them.
#include <fstream>

#include "plugins/cloudinary/notification.hpp"
#include "tests/plugins/cloudinary_fixture.hpp"

namespace {

using Json = nlohmann::json;
using cloudinary::Algorithm;
using cloudinary::check_notification;
using cloudinary::Genuine;

Json vectors() {
  std::ifstream file{COFOUNDER_SOURCE_DIR "/tests/vectors/cloudinary_notifications.json"};
  return Json::parse(file);
}

// Signed by the official SDK.
TEST(CloudinaryNotification, TakesWhatTheProviderSignedAndNothingElse) {
  int count = 0;
  const Json all = vectors();
  for (const Json& one : all.at("notifications")) {
    SCOPED_TRACE(one.at("name").get<std::string>());
    const auto body = one.at("body").get<std::string>();
    const auto sent_s = one.at("timestamp").get<std::int64_t>();
    const auto time = std::to_string(sent_s);
    auto signature = one.at("signature").get<std::string>();
    const auto secret = one.at("api_secret").get<std::string>();
    const auto algorithm = one.at("algo") == "sha256" ? Algorithm::sha256 : Algorithm::sha1;
    const auto check = [&](std::string_view text, std::string_view at, std::string_view by) {
      return check_notification(text, at, by, secret, algorithm, sent_s + 1, 7200);
    };
    EXPECT_EQ(check(body, time, signature), Genuine::yes);
    EXPECT_EQ(check(body + " ", time, signature), Genuine::forged);
    EXPECT_EQ(check(body, std::to_string(sent_s + 1), signature), Genuine::forged);
    EXPECT_EQ(check(body, time, signature.substr(1)), Genuine::forged);
    EXPECT_EQ(check(body, time, ""), Genuine::malformed);
    EXPECT_EQ(check(body, "", signature), Genuine::malformed);
    EXPECT_EQ(check(body, time + "x", signature), Genuine::malformed);
    EXPECT_EQ(check(body, "-1", signature), Genuine::malformed);
    for (char& c : signature) {
      const char old = std::exchange(c, c == '0' ? '1' : '0');
      EXPECT_EQ(check(body, time, signature), Genuine::forged);
      c = old;
    }
    ++count;
  }
  EXPECT_GE(count, 5);
}

// As the SDK, but bounded in the future, too, where the SDK takes any time.
TEST(CloudinaryNotification, IsNeitherOldNorFromTheFuture) {
  const auto check = [](std::int64_t age_s) {
    const std::string signature = cloudinary::notification_signature("{}", "1000000", "abcd", Algorithm::sha1);
    return check_notification("{}", "1000000", signature, "abcd", Algorithm::sha1, 1000000 + age_s, 7200);
  };
  const Json all = vectors();
  for (const Json& one : all.at("age_boundaries")) {
    const auto age_s = one.at("age_s").get<std::int64_t>();
    const bool good = one.at("accepted").get<bool>() && age_s >= -300;
    EXPECT_EQ(check(age_s), good ? Genuine::yes : Genuine::stale) << age_s;
  }
  EXPECT_EQ(check(7200), Genuine::yes);
  EXPECT_EQ(check(7201), Genuine::stale);
  EXPECT_EQ(check(-300), Genuine::yes);
  EXPECT_EQ(check(-301), Genuine::stale);
}

class AsyncUpload : public CloudinaryPluginTest {
 protected:
  static constexpr std::int64_t second = 1'000'000'000;

  void begin(double wait_s = 3600) {
    Json config = account();
    config["notification_url"] = "https://example.org/cloudinary/notifications";
    config["notification_wait_seconds"] = wait_s;
    host.start(config.dump());
  }
  static Json args() {
    return {{"file", "/data/small.png"}, {"public_id", "a"}, {"async", true}};
  }
  cofounder::testkit::Call& upload(const Options& how = Options{}) {
    auto& call = host.operation("upload", args().dump(), how);
    host.run();
    return call;
  }
  static std::string body(const std::string& id = "a") {
    return Json{{"notification_type", "upload"}, {"public_id", id}, {"version", 7},
                {"secure_url", "https://res.cloudinary.com/demo/image/upload/v7/a.png"},
                {"notification_context", {{"triggered_at", "2026"}}}}.dump();
  }
  std::pair<int, std::string> notify(const std::string& text, std::int64_t sent_s,
                                     const std::string& secret = "abcd",
                                     const std::string& task = "task-1") {
    const std::string time = std::to_string(sent_s);
    const Json head{{"method", "POST"}, {"path", "/cloudinary/notifications"},
                    {"query", Json::array({Json::array({"task", task})})},
                    {"headers", Json::array({Json::array({"x-cld-timestamp", time}),
                                             Json::array({"x-cld-signature",
                                                          cloudinary::notification_signature(
                                                              text, time, secret, Algorithm::sha1)})})}};
    auto& call = host.route("notifications", head.dump(), text);
    host.run();
    EXPECT_TRUE(call.ended && call.ended->ok());
    return {call.http_status, Json::parse(call.ended->result).at("outcome").get<std::string>()};
  }
  using Answer = std::pair<int, std::string>;
  std::int64_t now_s() const { return host.wall_ms / 1000; }
  double counted(const std::string& outcome) {
    double all = 0;
    for (const double one : host.metrics["cloudinary_notifications"].values[{outcome}]) all += one;
    return all;
  }
};

TEST_F(AsyncUpload, IsDoneWhenTheNotificationComes) {
  begin();
  auto& call = upload();
  ASSERT_FALSE(call.ended) << call.ended->error_message;
  ASSERT_EQ(host.requests.size(), 1u);
  EXPECT_NE(host.requests[0].body.find("https://example.org/cloudinary/notifications?task=task-1"),
            std::string::npos);
  EXPECT_EQ(notify(body(), now_s()), (Answer{200, "accepted"}));
  ASSERT_TRUE(call.ended) << "the notification wakes it, without any time passing";
  ASSERT_TRUE(call.ended->ok()) << call.ended->error_message;
  const Json asset = Json::parse(call.ended->result);
  EXPECT_EQ(asset.at("version"), 7);
  EXPECT_EQ(asset.at("eager"), Json::array());
  EXPECT_FALSE(asset.contains("notification_context"));
  EXPECT_TRUE(host.values.empty()) << "nothing is left of it";
  EXPECT_EQ(notify(body(), now_s()), (Answer{200, "unknown"}));
}

TEST_F(AsyncUpload, ForgedAndOldNotificationsChangeNothingAndAreCounted) {
  begin();
  auto& call = upload();
  host.advance(second);
  EXPECT_EQ(notify(body(), now_s(), "guessed"), (Answer{401, "forged"}));
  EXPECT_EQ(notify(body(), now_s() - 7201), (Answer{401, "stale"}));
  EXPECT_EQ(notify(body(), now_s() + 301), (Answer{401, "stale"}));
  // Genuine, and young enough, but of an earlier upload with the same id.
  EXPECT_EQ(notify(body(), now_s() - 60), (Answer{401, "stale"}));
  EXPECT_EQ(notify(body("other"), now_s()), (Answer{200, "unknown"}));
  EXPECT_EQ(notify(body(), now_s(), "abcd", "task-2"), (Answer{200, "unknown"}));
  EXPECT_EQ(notify("[]", now_s()), (Answer{400, "malformed"}));
  EXPECT_EQ(notify(R"({"notification_type":"upload","public_id":"a"})", now_s()), (Answer{400, "malformed"}));
  EXPECT_EQ(notify(R"({"notification_type":"eager","public_id":"a"})", now_s()), (Answer{200, "ignored"}));
  EXPECT_FALSE(call.ended);
  EXPECT_EQ(counted("forged"), 1);
  EXPECT_EQ(counted("stale"), 3);
  EXPECT_EQ(counted("unknown"), 2);
  EXPECT_EQ(counted("accepted"), 0);
  EXPECT_EQ(notify(body(), now_s()), (Answer{200, "accepted"}));
  EXPECT_TRUE(call.ended);
}

TEST_F(AsyncUpload, GivesItsSlotBackAndGoesOnInALaterAttempt) {
  begin();
  auto& first = upload();
  host.advance(30 * second);
  ASSERT_TRUE(first.ended);
  EXPECT_EQ(first.ended->status, COF_DEFERRED);
  ASSERT_TRUE(first.deferred_to_ms);
  // While nobody waits, which might be while the daemon is started again.
  EXPECT_EQ(notify(body(), now_s()), (Answer{200, "accepted"}));
  EXPECT_EQ(notify(body(), now_s()), (Answer{200, "duplicate"}));
  Options later;
  later.checkpoint = first.checkpoint;
  auto& second_one = upload(later);
  ASSERT_TRUE(second_one.ended);
  EXPECT_TRUE(second_one.ended->ok()) << second_one.ended->error_message;
  EXPECT_EQ(host.requests.size(), 1u) << "it was not sent again";
}

TEST_F(AsyncUpload, AFailureIsToldAndAMissingNotificationTooAfterItsTime) {
  begin(60);
  auto& failed = upload();
  EXPECT_EQ(notify(R"({"notification_type":"error","public_id":"a","error":{"message":"no image"}})", now_s()),
            (Answer{200, "accepted"}));
  ASSERT_TRUE(failed.ended);
  EXPECT_EQ(failed.ended->error_code, "upload_failed");
  EXPECT_EQ(failed.ended->error_message, "no image");
  Options late;
  auto& waits = upload(late);
  host.advance(25 * second);
  late.checkpoint = waits.checkpoint;
  host.advance(40 * second);
  auto& missing = upload(late);
  ASSERT_TRUE(missing.ended);
  EXPECT_EQ(missing.ended->error_code, "notification_missing");
}

TEST_F(AsyncUpload, NeedsAUrlForTheNotification) {
  host.start(account().dump());
  EXPECT_EQ(code("upload", args()), "not_configured");
  EXPECT_TRUE(host.requests.empty());
}

}  // namespace
