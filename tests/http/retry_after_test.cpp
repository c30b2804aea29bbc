// SPDX-License-Identifier: Apache-2.0
#include "core/http/retry_after.hpp"

#include <gtest/gtest.h>

#include <array>

namespace cofounder::http {
namespace {

using namespace std::chrono_literals;

constexpr Time now{Milliseconds{784'111'777'000}};  // Sun, 06 Nov 1994 08:49:37 GMT

struct Case {
  int status;
  Headers headers;
  std::optional<Milliseconds> wait;
};

TEST(AskedWait, ReadsEveryHeaderThatAsksToWait) {
  const std::array cases = {
      Case{503, {}, std::nullopt},
      Case{503, {{"retry-after", "7"}}, 7s},
      Case{503, {{"retry-after", " 0 "}}, 0ms},
      Case{503, {{"retry-after", "1.5"}}, 1500ms},
      Case{503, {{"retry-after", "Sun, 06 Nov 1994 08:49:40 GMT"}}, 3s},
      Case{503, {{"retry-after", "Sun, 06 Nov 1994 08:00:00 GMT"}}, 0ms},
      Case{503, {{"retry-after", "soon"}}, std::nullopt},
      Case{503, {{"retry-after", "-5"}}, std::nullopt},
      Case{503, {{"retry-after", "1e3"}}, std::nullopt},
      Case{503, {{"retry-after", ""}}, std::nullopt},
      Case{503, {{"retry-after", "99999999999999999999"}}, 365 * 24h},
      Case{429, {{"retry-after", "9"}, {"retry-after-ms", "250"}}, 250ms},
      Case{429, {{"retry-after-ms", "x"}, {"retry-after", "9"}}, 9s},
      Case{429, {{"ratelimit", "\"api\";r=0;t=55"}}, 55s},
      Case{429, {{"ratelimit", "\"api\";r=9;t=300, \"pages\";r=0;t=12"}}, 12s},
      Case{429, {{"ratelimit", "\"api\";r=9;t=30"}}, 30s},
      Case{429, {{"ratelimit", "limit=100, remaining=0, reset=50"}}, 50s},
      Case{429, {{"ratelimit", ";;,=,t=,t=x"}}, std::nullopt},
      Case{429, {{"x-ratelimit-reset", "20"}}, 20s},
      Case{420, {{"x-featureratelimit-reset", "Sun, 06 Nov 1994 09:00:00 GMT"}}, 10min + 23s},
      Case{500, {{"x-ratelimit-reset", "20"}, {"ratelimit", "\"api\";r=0;t=55"}}, std::nullopt},
  };
  for (const Case& item : cases) {
    SCOPED_TRACE(item.headers.empty() ? "" : item.headers.front().second);
    EXPECT_EQ(asked_wait(item.status, item.headers, now), item.wait);
  }
}

TEST(AskedWait, TellsATimeFromSecondsToGo) {
  const Time today{Milliseconds{1'790'000'000'000}};
  EXPECT_EQ(asked_wait(429, {{"x-ratelimit-reset", "1790000030"}}, today), 30s);
  EXPECT_EQ(asked_wait(429, {{"x-ratelimit-reset", "1790000030500"}}, today), 30500ms);
  EXPECT_EQ(asked_wait(429, {{"x-ratelimit-reset", "1789999990"}}, today), 0s);
}

TEST(HttpDate, ReadsItsThreeFormatsAndNothingElse) {
  for (const auto* text : {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
                           "Sun Nov  6 08:49:37 1994"}) {
    EXPECT_EQ(parse_http_date(text), now) << text;
  }
  for (const auto* text :
       {"", "Sun", "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 PST", "Sun, 06 Foo 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49 GMT", "Sun, 06 Nov 1994 08:49:37 GMT x",
        "Sun, 06 Nov 99999 08:49:37 GMT", "Sun, xx Nov 1994 08:49:37 GMT"}) {
    EXPECT_EQ(parse_http_date(text), std::nullopt) << text;
  }
}

TEST(RetryableStatus, IsOneOfTheListOrOfTheRequest) {
  for (const int status : {408, 425, 429, 500, 502, 503, 504, 529}) {
    EXPECT_TRUE(is_retryable_status(status, {})) << status;
  }
  for (const int status : {200, 301, 400, 401, 402, 403, 404, 409, 410, 413, 420, 422, 423, 501}) {
    EXPECT_FALSE(is_retryable_status(status, {})) << status;
  }
  const std::array more = {420, 423};
  EXPECT_TRUE(is_retryable_status(420, more));
  EXPECT_TRUE(is_retryable_status(423, more));
  EXPECT_FALSE(is_retryable_status(409, more));
}

TEST(Failure, OfLibcurlSaysWhatMayBeSentAgain) {
  for (const int code : {6, 7, 35}) EXPECT_EQ(classify_curl(code, false), Failure::never_sent);
  for (const int code : {60, 77}) EXPECT_EQ(classify_curl(code, false), Failure::tls_identity);
  for (const int code : {16, 18, 28, 52, 55, 56, 92}) {
    EXPECT_EQ(classify_curl(code, true), Failure::maybe_processed) << code;
    EXPECT_EQ(classify_curl(code, false), Failure::never_sent) << code;
  }
  EXPECT_EQ(classify_curl(63, true), Failure::too_big);
  for (const int code : {1, 3, 8, 47}) EXPECT_EQ(classify_curl(code, true), Failure::protocol);

  EXPECT_TRUE(may_try_again(Failure::never_sent, false));
  EXPECT_TRUE(may_try_again(Failure::maybe_processed, true));
  EXPECT_FALSE(may_try_again(Failure::maybe_processed, false));
  for (const auto failure :
       {Failure::tls_identity, Failure::too_big, Failure::protocol, Failure::local}) {
    EXPECT_FALSE(may_try_again(failure, true));
  }
}

TEST(Backoff, DoublesUpToEightSecondsWithFullJitter) {
  EXPECT_EQ(backoff(1, 0.0), 0ms);
  EXPECT_EQ(backoff(1, 0.999), 499ms);
  EXPECT_EQ(backoff(2, 0.5), 500ms);
  EXPECT_EQ(backoff(3, 0.5), 1000ms);
  EXPECT_EQ(backoff(5, 0.5), 4000ms);
  EXPECT_EQ(backoff(100, 0.5), 4000ms);
}

TEST(RetryBudget, EndsABurstAndRefillsWithTimeAndSuccess) {
  RetryBudget budget;
  Mono time{1h};
  int taken = 0;
  while (budget.take(time)) ++taken;
  EXPECT_EQ(taken, 256);
  EXPECT_FALSE(budget.is_full(time));

  time += 1s;
  taken = 0;
  while (budget.take(time)) ++taken;
  EXPECT_EQ(taken, 4);

  for (int i = 0; i < 8; ++i) budget.succeeded();
  EXPECT_TRUE(budget.take(time));
  EXPECT_TRUE(budget.take(time));
  EXPECT_FALSE(budget.take(time));
  EXPECT_TRUE(budget.is_full(time + 64s));
}

}  // namespace
}  // namespace cofounder::http
