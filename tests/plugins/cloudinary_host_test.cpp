// SPDX-License-Identifier: Apache-2.0
// The cloudinary plugin in the loop-back host: configuration, delete, usage, url.
#include "tests/plugins/cloudinary_fixture.hpp"

namespace {

using cofounder::testkit::HttpAnswer;
using Json = nlohmann::json;

TEST_F(CloudinaryPluginTest, SaysWhatIsNotConfigured) {
  const auto missing = [&](Json config, const char* key) {
    SCOPED_TRACE(key);
    cofounder::testkit::Host fresh{*cof_plugin_entry_v1()};
    fresh.start(config.dump());
    for (const auto& [op, args] : std::map<std::string, Json>{{"upload", {{"file", "data:,x"}}},
                                                              {"delete", {{"public_id", "a"}}},
                                                              {"usage", Json::object()}}) {
      auto& call = fresh.operation(op, args.dump());
      fresh.run();
      ASSERT_TRUE(call.ended);
      EXPECT_EQ(call.ended->error_code, "not_configured");
      EXPECT_EQ(call.ended->status, COF_EINVALID);
      EXPECT_NE(call.ended->error_message.find(key), std::string::npos)
          << call.ended->error_message;
    }
    EXPECT_TRUE(fresh.requests.empty());
  };
  missing(Json::object(), "cloud_name");
  missing({{"cloud_name", "demo"}}, "api_key");
  missing({{"cloud_name", "demo"}, {"api_key", "1234"}}, "api_secret");
  host.start();
  EXPECT_EQ(code("url", {{"public_id", "a"}}), "not_configured");
}

TEST_F(CloudinaryPluginTest, ABadConfigurationIsRefusedAndTheOldOneStays) {
  host.start(account().dump());
  Json bad = account();
  bad["chunk_bytes"] = 1;
  const auto& call = host.configure(COF_CONFIGURE_CHECK, bad.dump());
  host.run();
  ASSERT_TRUE(call.ended);
  EXPECT_LT(call.ended->status, 0);
  EXPECT_EQ(call.ended->error_code, "invalid_config");
  EXPECT_EQ(result("url", {{"public_id", "a"}}).at("url"),
            "https://res.cloudinary.com/demo/image/upload/a");
}

// The providers' facts, row 7: "DELETE /image/destroy".
TEST_F(CloudinaryPluginTest, Deletes) {
  host.start(account().dump());
  result(
      "upload",
      {{"file", "/data/small.png"}, {"public_id", "folder/Größe 1"}, {"resource_type", "image"}});
  EXPECT_EQ(result("delete", {{"public_id", "folder/Größe 1"}}), (Json{{"result", "deleted"}}));
  EXPECT_EQ(result("delete", {{"public_id", "folder/Größe 1"}}), (Json{{"result", "not_found"}}));
  EXPECT_EQ(result("delete", {{"public_id", "x"}, {"resource_type", "raw"}, {"invalidate", false}}),
            (Json{{"result", "not_found"}}));
  const auto& requests = host.requests;
  ASSERT_EQ(requests.size(), 4u);
  EXPECT_EQ(requests[1].method, "POST");
  EXPECT_EQ(requests[1].url, "https://api.cloudinary.com/v1_1/demo/image/destroy");
  EXPECT_NE(requests[1].body.find("invalidate=true"), std::string::npos);
  EXPECT_EQ(requests[1].total_timeout_ms, 10'000);
  EXPECT_EQ(requests[1].retry_statuses, "420,423");
  EXPECT_NE(requests[1].flags, 0u) << "a deletion may be sent again";
  EXPECT_EQ(requests[3].url, "https://api.cloudinary.com/v1_1/demo/raw/destroy");
  EXPECT_EQ(requests[3].body.find("invalidate"), std::string::npos);
}

TEST_F(CloudinaryPluginTest, DeletesNothingWithABadId) {
  host.start(account().dump());
  for (const char* id : {"../a", "a/../b", "a?b", "/a", "a&b=c"}) {
    EXPECT_EQ(code("delete", {{"public_id", id}}), "invalid_public_id") << id;
  }
  EXPECT_TRUE(host.requests.empty());
}

TEST_F(CloudinaryPluginTest, AnUnknownAnswerToADeletionIsTriedAgain) {
  host.start(account().dump());
  for (const char* body :
       {"{}", R"({"result": "maybe"})", R"({"result": 7})", R"({"result": null})", "[]"}) {
    SCOPED_TRACE(body);
    answer_once(HttpAnswer::text(200, body));
    const auto& call = run("delete", {{"public_id", "a"}});
    EXPECT_EQ(call.ended->error_code, "bad_answer");
    EXPECT_EQ(call.ended->retryable, 1);
  }
}

TEST_F(CloudinaryPluginTest, Usage) {
  host.start(account().dump());
  const Json usage = result("usage", Json::object());
  EXPECT_EQ(usage.at("plan"), "Free");
  EXPECT_TRUE(usage.contains("new_field_of_tomorrow"));  // passed on as it comes
  EXPECT_EQ(result("usage", {{"date", "2026-11-01"}}).at("date_requested"), "2026-11-01");
  ASSERT_EQ(host.requests.size(), 2u);
  EXPECT_EQ(host.requests[0].method, "GET");
  EXPECT_EQ(host.requests[0].url, "https://api.cloudinary.com/v1_1/demo/usage");
  EXPECT_EQ(host.requests[1].url, "https://api.cloudinary.com/v1_1/demo/usage/2026-11-01");
  EXPECT_NE(host.requests[0].headers.find("Basic MTIzNDphYmNk"), std::string::npos);
  EXPECT_EQ(host.requests[0].total_timeout_ms, 10'000);
}

TEST_F(CloudinaryPluginTest, WrongSecretsAreDenied) {
  host.secrets["api_secret"] = host.secrets["cloudinary"] = "wrong";
  host.start(account().dump());
  EXPECT_EQ(code("usage", Json::object()), "unauthorized");
  EXPECT_EQ(code("delete", {{"public_id", "a"}}), "unauthorized");
  EXPECT_EQ(code("upload", {{"file", "/data/small.png"}}), "unauthorized");
}

TEST_F(CloudinaryPluginTest, AWrongBaseUrlIsNamed) {
  Json config = account();
  config["base_url"] = "https://api.cloudinary.com/api";
  host.start(config.dump());
  const auto& call = run("usage", Json::object());
  EXPECT_EQ(call.ended->error_code, "wrong_path_or_credentials");
  EXPECT_NE(call.ended->retryable, 1);
}

// The providers' facts, row 9: "failure = None".
TEST_F(CloudinaryPluginTest, RateLimitsSayWhenToTryAgain) {
  host.start(account().dump());
  for (const int status : {420, 429}) {
    HttpAnswer limited =
        HttpAnswer::text(status, R"({"error": {"message": "Rate Limit Exceeded"}})");
    limited.retry_after_ms = 1'234'000;
    for (const auto& [op, args] :
         std::map<std::string, Json>{{"upload", {{"file", "/data/small.png"}}},
                                     {"delete", {{"public_id", "a"}}},
                                     {"usage", Json::object()}}) {
      answer_once(limited);
      const auto& call = run(op, args);
      EXPECT_EQ(call.ended->error_code, "rate_limited");
      EXPECT_EQ(call.ended->status, COF_ELIMIT);
      EXPECT_EQ(call.ended->retryable, 1);
      EXPECT_EQ(call.ended->retry_after_ms, 1'234'000);
    }
  }
}

TEST_F(CloudinaryPluginTest, ReasonsInAnotherEncodingArrive) {
  host.start(account().dump());
  HttpAnswer wrong = HttpAnswer::text(400, "");
  std::string umlauts = "x";
  for (int i = 0; i < 400; ++i) umlauts += "ü";
  wrong.items[0].body = Json{{"error", {{"message", umlauts}}}}.dump();  // is cut inside of one
  answer_once(wrong);
  const auto& call = run("usage", Json::object());
  EXPECT_EQ(call.ended->error_code, "bad_request");
  EXPECT_NE(call.ended->error_message.find("xüü"), std::string::npos);
}

TEST_F(CloudinaryPluginTest, TheTransportsFailureIsTheCalls) {
  host.start(account().dump());
  for (const std::int32_t status : {COF_EUNAVAILABLE, COF_ETIMEDOUT, COF_ELIMIT}) {
    answer_once(HttpAnswer::broken(status));
    EXPECT_EQ(run("usage", Json::object()).ended->status, status);
    answer_once(HttpAnswer::broken(status));
    EXPECT_EQ(run("delete", {{"public_id", "a"}}).ended->status, status);
    answer_once(HttpAnswer::broken(status));
    EXPECT_EQ(run("upload", {{"file", "/data/small.png"}}).ended->status, status);
  }
}

TEST_F(CloudinaryPluginTest, Urls) {
  host.start(account().dump());
  const auto url = [&](const Json& args) {
    return result("url", args).at("url").get<std::string>();
  };
  EXPECT_EQ(url({{"public_id", "folder/a"}, {"version", 42}, {"format", "jpg"}}),
            "https://res.cloudinary.com/demo/image/upload/v42/folder/a.jpg");
  EXPECT_EQ(url({{"public_id", "sample"}, {"sign", true}}),
            "https://res.cloudinary.com/demo/image/upload/s--y-tjJGJv--/sample");
  EXPECT_EQ(url({{"public_id", "sample"},
                 {"transformation", {{{"width", 400}, {"crop", "limit"}}, {{"effect", "sepia"}}}}}),
            "https://res.cloudinary.com/demo/image/upload/c_limit,w_400/e_sepia/sample");
  EXPECT_EQ(code("url", {{"public_id", "a"}, {"transformation", {{"widht", 1}}}}),
            "invalid_transformation");
  EXPECT_TRUE(host.requests.empty());
}

}  // namespace
