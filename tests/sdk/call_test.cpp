// SPDX-License-Identifier: Apache-2.0
// How functions of a plugin become calls that end, and how they fail.
#include <cofounder/plugin.hpp>
#include <cofounder/testkit.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <stdexcept>

namespace {

namespace sdk = cofounder::sdk;
namespace testkit = cofounder::testkit;
using namespace std::chrono_literals;
using sdk::Context;
using sdk::Failed;
using sdk::Failure;
using sdk::Json;
using sdk::Result;
using sdk::Task;

class Calls : public sdk::Plugin {
 public:
  explicit Calls(sdk::Host host) : Plugin{host} {
    host.log("made");
    operation("echo", &Calls::echo);
    operation("result", &Calls::result);
    operation("nothing", &Calls::nothing);
    operation("about", &Calls::about);
    operation("throws", &Calls::throws);
    operation("throws_later", &Calls::throws_later);
    operation("later", &Calls::later);
    operation("ugly", &Calls::ugly);
  }

  void check(Context ctx, const Json& config) override {
    if (config.contains("bad")) throw Failed{"bad_config", "The key bad is not good."};
    const auto level = ctx.config("/level");
    if (level) ctx.log("level " + level->dump());
  }
  void apply(Context, const Json& config) override { applied = config.value("level", 0); }
  Task<void> probe(Context) override {
    if (applied == 13) throw Failed{Failure{COF_EUNAVAILABLE, "unlucky", "Not with 13."}};
    co_return;
  }

  int applied = 0;

 private:
  Json echo(const Json& args) { return args; }
  Result<Json> result(const Json& args) const {
    if (args.contains("value")) return args.at("value");
    return Failure{"no_value", "There is no value."}.retry_in(1500ms);
  }
  void nothing(Context ctx) { ctx.progress(1.0, "done"); }
  Json about(Context ctx) {
    return Json::object({{"name", ctx.name()},
                         {"attempt", ctx.attempt()},
                         {"attempts_max", ctx.attempts_max()},
                         {"task", ctx.task_id()},
                         {"saved", ctx.saved()},
                         {"left_ms", ctx.time_left() / 1ms}});
  }
  Json throws(const Json& args) {
    const std::string what = args.at("what");
    if (what == "std") throw std::runtime_error{"the roof is on fire"};
    if (what == "int") throw 42;
    if (what == "value") Result<int>{Failure{COF_EDENIED, "not_you", "No."}}.value();
    throw Failed{Failure{COF_ELIMIT, "too_fast", "Slow down."}.retry(false)};
  }
  Task<Json> throws_later(Context ctx, Json args) {
    auto slept = co_await ctx.sleep(1s);
    slept.value();
    co_return throws(args);
  }
  Task<Json> later(Context ctx, Json args) {
    auto slept = co_await ctx.sleep(1s);
    slept.value();
    co_return args;
  }
  Json ugly() { throw Failed{"Not A Code", "broken \xFF text"}; }
};

class CallTest : public testing::Test {
 protected:
  testkit::Host host{sdk::plugin_table<Calls>()};
  void SetUp() override { host.start(R"({"level": 7})"); }
  void TearDown() override {
    host.stop();
    EXPECT_EQ(host.violations, std::vector<std::string>{});
    EXPECT_EQ(host.open_tags(), 0u);
  }
};

TEST_F(CallTest, ReturnsTheResultFromTheEntry) {
  const auto& call = host.operation("echo", R"({"a": [1, "ü"]})");
  ASSERT_TRUE(call.ended);
  EXPECT_TRUE(call.ended->in_entry);
  EXPECT_EQ(Json::parse(call.ended->result), Json::parse(R"({"a": [1, "ü"]})"));
}

TEST_F(CallTest, EndsAPendingCallByComplete) {
  const auto& call = host.operation("later", R"({"a": 1})");
  host.run();
  EXPECT_FALSE(call.ended);

  host.advance(1'000'000'000);

  ASSERT_TRUE(call.ended);
  EXPECT_FALSE(call.ended->in_entry);
  EXPECT_EQ(call.ended->result, R"({"a":1})");
  EXPECT_EQ(host.late_completions, 0);
}

TEST_F(CallTest, ReturnsValuesAndFailuresOfAResult) {
  EXPECT_EQ(host.operation("result", R"({"value": 3})").ended->result, "3");

  const auto& failed = host.operation("result", "{}");
  EXPECT_EQ(failed.ended->status, COF_EFAILED);
  EXPECT_EQ(failed.ended->error_code, "no_value");
  EXPECT_EQ(failed.ended->retryable, 1);
  EXPECT_EQ(failed.ended->retry_after_ms, 1500);
}

TEST_F(CallTest, TakesFunctionsWithoutArgumentsAndWithoutResult) {
  const auto& call = host.operation("nothing", "{}");
  EXPECT_EQ(call.ended->status, COF_OK);
  EXPECT_EQ(call.progress.back().second, "done");
}

TEST_F(CallTest, TellsAboutTheAttempt) {
  const auto& call = host.operation("about", "{}",
                                    {.attempt = 2,
                                     .attempts_max = 5,
                                     .task_id = "T",
                                     .checkpoint = "half",
                                     .timeout_ns = 3'000'000'000});
  EXPECT_EQ(Json::parse(call.ended->result),
            Json::parse(R"({"name": "about", "attempt": 2, "attempts_max": 5, "task": "T",
                            "saved": "half", "left_ms": 3000})"));
}

TEST_F(CallTest, TurnsEveryExceptionIntoAStatusWithAReason) {
  const auto& standard = *host.operation("throws", R"({"what": "std"})").ended;
  EXPECT_EQ(standard.status, COF_EINTERNAL);
  EXPECT_EQ(standard.error_code, "exception");
  EXPECT_EQ(standard.error_message, "the roof is on fire");

  EXPECT_EQ(host.operation("throws", R"({"what": "int"})").ended->error_code, "exception");
  EXPECT_EQ(host.operation("throws", "{}").ended->status, COF_EINTERNAL) << "args.at() throws";

  const auto& failed = *host.operation("throws", R"({"what": "failed"})").ended;
  EXPECT_EQ(failed.status, COF_ELIMIT);
  EXPECT_EQ(failed.error_code, "too_fast");
  EXPECT_EQ(failed.retryable, 2);

  EXPECT_EQ(host.operation("throws", R"({"what": "value"})").ended->error_code, "not_you");
}

TEST_F(CallTest, TurnsExceptionsOfACoroutineIntoTheOutcome) {
  const auto& standard = host.operation("throws_later", R"({"what": "std"})");
  const auto& failed = host.operation("throws_later", R"({"what": "failed"})");
  host.advance(1'000'000'000);
  EXPECT_EQ(standard.ended->status, COF_EINTERNAL);
  EXPECT_EQ(standard.ended->error_message, "the roof is on fire");
  EXPECT_EQ(failed.ended->status, COF_ELIMIT);
  EXPECT_EQ(failed.ended->retryable, 2);
}

TEST_F(CallTest, PresentsAFailureThatTheHostWouldRefuse) {
  const auto& ended = *host.operation("ugly", "{}").ended;
  EXPECT_EQ(ended.status, COF_EFAILED);
  EXPECT_EQ(ended.error_code, "");
  EXPECT_EQ(ended.error_message, "broken \xEF\xBF\xBD text");
}

TEST_F(CallTest, RefusesWhatItDoesNotKnow) {
  EXPECT_EQ(host.operation("unheard", "{}").ended->error_code, "unknown_operation");
  EXPECT_EQ(host.operation("unheard", "{}").ended->status, COF_EUNSUPPORTED);
  EXPECT_EQ(host.route("unheard", R"({"method": "GET", "path": "/"})").ended->error_code,
            "unknown_route");
}

TEST_F(CallTest, ChecksAConfigurationWithoutUsingIt) {
  EXPECT_TRUE(host.logged("level 7"));
  const auto& call = host.configure(COF_CONFIGURE_CHECK, R"({"bad": true})");
  EXPECT_EQ(call.ended->error_code, "bad_config");
  EXPECT_EQ(host.configure(3, "{}").ended->status, COF_EUNSUPPORTED);
}

TEST_F(CallTest, ProbesAndDrains) {
  EXPECT_EQ(host.hook(COF_CALL_PROBE).ended->status, COF_OK);
  host.configure(COF_CONFIGURE_APPLY, R"({"level": 13})");
  const auto& probe = host.hook(COF_CALL_PROBE);
  EXPECT_EQ(probe.ended->status, COF_EUNAVAILABLE);
  EXPECT_EQ(probe.ended->error_code, "unlucky");
  EXPECT_EQ(host.hook(COF_CALL_DRAIN).ended->status, COF_OK);
}

struct ThrowsWhenMade : sdk::Plugin {
  ThrowsWhenMade() { throw std::runtime_error{"no"}; }
};

TEST(CreateTest, AThrowingConstructorIsAStatus) {
  testkit::Host host{sdk::plugin_table<ThrowsWhenMade>()};
  const auto& call = host.create();
  EXPECT_EQ(call.ended->status, COF_EINTERNAL);
  EXPECT_EQ(call.ended->error_message, "no");
}

TEST(CreateTest, SaysWhichInterfacesTheManifestMustRequire) {
  testkit::Host host{sdk::plugin_table<Calls>(), {.without = {COF_CALL_IID}}};
  const auto& call = host.create();
  EXPECT_EQ(call.ended->status, COF_EUNSUPPORTED);
  EXPECT_EQ(call.ended->error_code, "manifest_incomplete");
}

}  // namespace
