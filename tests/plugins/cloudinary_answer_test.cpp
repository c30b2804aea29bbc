// SPDX-License-Identifier: Apache-2.0
// What the cloudinary plugin makes of the provider's answers.
#include <gtest/gtest.h>

#include <cofounder/plugin.hpp>

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "plugins/cloudinary/answer.hpp"

namespace {

namespace sdk = cofounder::sdk;
using namespace std::chrono_literals;
using cloudinary::read_answer;
using Json = nlohmann::json;

sdk::HttpResponse response_of(int status, std::string body,
                              std::string type = "application/json; charset=utf-8") {
  sdk::HttpResponse response;
  response.status = status;
  response.body = std::move(body);
  response.headers = {{"content-type", std::move(type)}};
  return response;
}

struct Case {
  int status;
  const char* code;
  std::int32_t outcome;
  bool retryable;
};

// The providers' facts, row 9: "failure = None".
class CloudinaryErrorTest : public testing::TestWithParam<Case> {};

TEST_P(CloudinaryErrorTest, HasACodeOfItsOwn) {
  const Case& wanted = GetParam();
  auto response = response_of(wanted.status, R"({"error": {"message": "what it says"}})");
  response.retry_after = 7s;
  const auto answer = read_answer(response);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.failure().code, wanted.code);
  EXPECT_EQ(answer.failure().status, wanted.outcome);
  EXPECT_EQ(answer.failure().is_retryable(), wanted.retryable);
  EXPECT_EQ(answer.failure().retry_after, wanted.retryable ? 7s : 0s);
  EXPECT_NE(answer.failure().message.find("(what it says)"), std::string::npos);
  EXPECT_NE(answer.failure().message.find(std::to_string(wanted.status)), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(All, CloudinaryErrorTest,
                         testing::Values(Case{400, "bad_request", COF_EINVALID, false},
                                         Case{401, "unauthorized", COF_EDENIED, false},
                                         Case{403, "forbidden", COF_EDENIED, false},
                                         Case{404, "not_found", COF_ENOTFOUND, false},
                                         Case{409, "conflict", COF_ECONFLICT, false},
                                         Case{418, "unexpected_status", COF_EFAILED, false},
                                         Case{420, "rate_limited", COF_ELIMIT, true},
                                         Case{423, "processing", COF_EUNAVAILABLE, true},
                                         Case{429, "rate_limited", COF_ELIMIT, true},
                                         Case{500, "provider_error", COF_EUNAVAILABLE, true},
                                         Case{502, "provider_error", COF_EUNAVAILABLE, true},
                                         Case{503, "provider_error", COF_EUNAVAILABLE, true}),
                         [](const auto& item) { return std::to_string(item.param.status); });

TEST(CloudinaryAnswerTest, HtmlMeansAWrongPathOrWrongCredentials) {
  const auto answer = read_answer(response_of(404, "<!DOCTYPE html><html></html>", "text/html"));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.failure().code, "wrong_path_or_credentials");
  EXPECT_FALSE(answer.failure().is_retryable());
  // The provider's gateway says 5xx in HTML, too; that is no question of the path.
  const auto down = read_answer(response_of(502, "<html>Bad Gateway</html>", "text/html"));
  EXPECT_EQ(down.failure().code, "provider_error");
  EXPECT_TRUE(down.failure().is_retryable());
}

TEST(CloudinaryAnswerTest, WithoutAReasonInTheBodyTheHeaderCounts) {
  for (const char* body : {"", "no JSON", "[]", "7", R"({"error": null})", R"({"error": "x"})",
                           R"({"error": {}})", R"({"error": {"message": 7}})", "{\"error\""}) {
    SCOPED_TRACE(body);
    auto response = response_of(400, body);
    response.headers.emplace_back("x-cld-error", "Missing required parameter - file");
    const auto answer = read_answer(response);
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.failure().code, "bad_request");
    EXPECT_NE(answer.failure().message.find("Missing required parameter - file"),
              std::string::npos);
  }
}

TEST(CloudinaryAnswerTest, NoObjectIsNoAnswer) {
  for (const char* body : {"", "OK", "[]", "7", "null", "\"text\"", "{\"a\": 1", "<html></html>"}) {
    SCOPED_TRACE(body);
    const auto answer = read_answer(response_of(200, body));
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.failure().code, "bad_answer");
    EXPECT_TRUE(answer.failure().is_retryable());
  }
  EXPECT_EQ(*read_answer(response_of(200, R"({"a": 1})")), (Json{{"a", 1}}));
}

TEST(CloudinaryAnswerTest, WhatWasSignedIsNotRepeated) {
  const auto answer = read_answer(response_of(
      401,
      R"({"error": {"message": "Invalid Signature ab. String to sign - 'context=secret'."}})"));
  ASSERT_FALSE(answer);
  EXPECT_NE(answer.failure().message.find("Invalid Signature ab."), std::string::npos);
  EXPECT_EQ(answer.failure().message.find("secret'"), std::string::npos);
}

TEST(CloudinaryAnswerTest, ReasonsAreBounded) {
  const std::string text(100'000, 'x');
  const auto answer = read_answer(response_of(400, Json{{"error", {{"message", text}}}}.dump()));
  EXPECT_GT(answer.failure().message.size(), 500u);
  EXPECT_LT(answer.failure().message.size(), 600u);
}

}  // namespace
