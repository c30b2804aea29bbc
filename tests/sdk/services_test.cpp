// SPDX-License-Identifier: Apache-2.0
// Every other service through the layer and the loop-back host.
#include <cofounder/plugin.hpp>
#include <cofounder/testkit.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>

namespace {

namespace sdk = cofounder::sdk;
namespace testkit = cofounder::testkit;
using namespace std::chrono_literals;
using sdk::Context;
using sdk::Json;
using sdk::Kv;
using sdk::Result;
using sdk::Task;

class Uses : public sdk::Plugin {
 public:
  Uses() {
    operation("kv", &Uses::kv);
    operation("scan", &Uses::scan);
    operation("take", &Uses::take);
    operation("submit", &Uses::submit);
    operation("tell", &Uses::tell);
    operation("flood", &Uses::flood);
    operation("spend", &Uses::spend);
    operation("figures", &Uses::figures);
    operation("files", &Uses::files);
    operation("secret", &Uses::secret);
  }
  void apply(Context, const Json&) override {
    calls_ = host().counter("calls", "Calls.", "kind,outcome");
    depth_ = host().gauge("depth_bytes", "Depth.", "", "bytes");
    seconds_ = host().histogram("wait_seconds", "Waits.", {0.1, 1, 10}, "", "seconds");
  }

 private:
  Task<Result<Json>> kv(Context ctx) {
    auto first = co_await ctx.kv().put("a", "one", Kv::absent);
    auto lost = co_await ctx.kv().put("a", "two", Kv::absent);
    auto next = co_await ctx.kv().put("a", "two", first.value(), 60s);
    auto entry = co_await ctx.kv().get("a");
    if (!entry) co_return entry.failure();
    auto removed = co_await ctx.kv().remove("a", next.value());
    auto gone = co_await ctx.kv().get("a");
    co_return Json::object({{"lost", lost.failure().status == COF_ECONFLICT},
                            {"there", lost.failure().value == first.value()},
                            {"value", entry->value},
                            {"version", entry->version == next.value()},
                            {"removed", removed.has_value()},
                            {"gone", gone.failure().code}});
  }
  Task<Json> scan(Context ctx, Json args) {
    auto page = co_await ctx.kv().scan("k", "", args.at("count").get<int>());
    Json keys = Json::array();
    for (const auto& entry : page.value().entries) keys.push_back(entry.key + "=" + entry.value);
    co_return Json::object({{"keys", keys}, {"more", page->more}});
  }
  Task<Json> take(Context ctx) {
    auto first = ctx.kv().take("token");
    auto second = ctx.kv().take("token");
    auto one = co_await first;
    auto two = co_await second;
    co_return Json::array({one.has_value(), two.has_value()});
  }
  Task<Json> submit(Context ctx) {
    sdk::TaskRequest request{"other.work", Json::object({{"n", 1}})};
    request.unique_key = "once";
    request.queue = "slow";
    request.priority = -5;
    request.run_at = ctx.host().wall() + 1min;
    request.timeout = 5s;
    request.attempts_max = 2;
    auto one = co_await ctx.submit(request);
    auto two = co_await ctx.submit(request);
    auto state = co_await ctx.task(one.value().id);
    auto cancelled = co_await ctx.cancel_task(one->id);
    auto unknown = co_await ctx.cancel_task("nothing");
    co_return Json::object({{"same", one->id == two.value().id},
                            {"new", Json::array({one->is_new, two->is_new})},
                            {"state", state.value()},
                            {"cancelled", cancelled.has_value()},
                            {"unknown", unknown.failure().code}});
  }
  Task<Json> tell(Context ctx) {
    ctx.log(sdk::LogLevel::warning, "careful");
    ctx.progress(0.5, "half");
    const Json token = Json::object({{"token", "a"}});
    auto room = co_await ctx.emit(token);
    room.value();
    ctx.try_emit("b").value();
    ctx.host().publish("told", Json::object({{"n", 1}})).value();
    auto saved = co_await ctx.checkpoint("state 1");
    saved.value();
    auto yielded = co_await ctx.yield();
    yielded.value();
    calls_.add(1, "a", std::string{"ok"});
    calls_.add(2, "a", "ok");
    depth_.set(4);
    seconds_.observe(0.5);
    seconds_.observe(5);
    co_return true;
  }
  Task<Json> flood(Context ctx) {
    auto room = co_await ctx.emit("x");
    co_return room.failure().code;
  }
  Task<Json> spend(Context ctx) {
    sdk::UsageRecord record{"huggingface", "org/name", "chat"};
    record.input_tokens = 10;
    record.cost_micros = 0;
    record.duration = 1500ms;
    auto recorded = co_await ctx.usage(record);
    recorded.value();
    auto sum = co_await ctx.usage_sum("model", sdk::WallTime{}, ctx.host().wall());
    auto wrong = co_await ctx.usage_sum("colour", sdk::WallTime{}, ctx.host().wall());
    co_return Json::object({{"sum", sum.value()}, {"wrong", wrong.failure().code}});
  }
  Task<Json> figures(Context ctx) {
    auto stats = co_await ctx.stats();
    auto families = ctx.host().metrics_snapshot();
    co_return Json::object({{"stats", stats ? stats.value() : Json(stats.failure().code)},
                            {"metrics", Json::parse(families.value())}});
  }
  Json files(Context ctx, const Json& args) {
    auto in = ctx.open(args.at("in").get<std::string>());
    auto out = ctx.create(args.at("out").get<std::string>());
    const auto content = in.value().read_all();
    out.value().write(content.value()).value();
    out->write("!").value();
    out->commit().value();
    const auto too_big = in->read_all(2);
    const auto denied = ctx.open("/etc/shadow");
    return Json::object({{"name", in->name()},
                         {"too_big", too_big.failure().code},
                         {"denied", denied.failure().code},
                         {"scratch", ctx.scratch().value()},
                         {"task_scratch", ctx.task_scratch().value()}});
  }
  Json secret(Context ctx) {
    const auto missing = ctx.secret("other");
    return Json::array({ctx.secret("api_key").value(), missing.failure().code});
  }

  sdk::Metric calls_;
  sdk::Metric depth_;
  sdk::Metric seconds_;
};

class ServicesTest : public testing::Test {
 protected:
  testkit::Host host{sdk::plugin_table<Uses>()};
  void SetUp() override { host.start(); }
  void TearDown() override {
    host.stop();
    EXPECT_EQ(host.violations, std::vector<std::string>{});
    EXPECT_EQ(host.open_tags(), 0u);
    EXPECT_TRUE(host.open_files.empty());
  }
  Json run(std::string_view op, std::string_view args = "{}") {
    auto& call = host.operation(op, args);
    host.run();
    EXPECT_EQ(call.ended.value().status, COF_OK) << call.ended->error_message;
    return call.ended->ok() ? Json::parse(call.ended->result) : Json{};
  }
};

TEST_F(ServicesTest, KeepsValues) {
  EXPECT_EQ(run("kv"), Json::parse(R"({"lost": true, "there": true, "value": "two",
                                       "version": true, "removed": true, "gone": "not_found"})"));
}

TEST_F(ServicesTest, ScansValuesInPages) {
  host.values = {{"j", {"0", 1}}, {"k1", {"1", 2}}, {"k2", {"2", 3}}, {"k3", {"3", 4}}};
  EXPECT_EQ(run("scan", R"({"count": 2})"),
            Json::parse(R"({"keys": ["k1=1", "k2=2"], "more": true})"));
  EXPECT_EQ(run("scan", R"({"count": 9})").at("more"), false);
}

TEST_F(ServicesTest, GivesATokenToOneTakerOnly) {
  host.values = {{"token", {"x", 1}}};
  EXPECT_EQ(run("take"), Json::parse("[true, false]"));
}

TEST_F(ServicesTest, FailsWithTheReasonWhenTheStoreIsAway) {
  host.kv_status = COF_EUNAVAILABLE;
  auto& call = host.operation("scan", R"({"count": 2})");
  host.run();
  EXPECT_EQ(call.ended->status, COF_EUNAVAILABLE);
}

TEST_F(ServicesTest, SubmitsTasks) {
  host.task_states["submitted-1"] = R"({"state": "waiting"})";
  EXPECT_EQ(run("submit"),
            Json::parse(R"({"same": true, "new": [true, false], "state": {"state": "waiting"},
                            "cancelled": true, "unknown": "not_found"})"));
  const testkit::SubmittedTask& task = host.tasks.at(0);
  EXPECT_EQ(task.op, "other.work");
  EXPECT_EQ(task.args, R"({"n":1})");
  EXPECT_EQ(task.queue, "slow");
  EXPECT_EQ(task.priority, -5);
  EXPECT_EQ(task.run_at_ms, host.wall_ms + 60'000);
  EXPECT_EQ(task.timeout_ms, 5'000);
  EXPECT_EQ(task.attempts_max, 2);
}

TEST_F(ServicesTest, TellsOthers) {
  run("tell");
  const testkit::Call& call = host.calls.back();
  EXPECT_EQ(call.emitted, (std::vector<std::string>{R"({"token":"a"})", R"("b")"}));
  EXPECT_EQ(call.progress.at(0).first, 0.5);
  EXPECT_EQ(call.checkpoint, "state 1");
  EXPECT_EQ(host.published.at(0).first, "told");
  EXPECT_EQ(host.logs.back().level, COF_LOG_WARNING);
  EXPECT_EQ(host.logs.back().call_id, call.id);
  EXPECT_EQ(host.metrics.at("calls").values.at({"a", "ok"}), std::vector<double>{3});
  EXPECT_EQ(host.metrics.at("depth_bytes").values.at({}), std::vector<double>{4});
  EXPECT_EQ(host.metrics.at("wait_seconds").values.at({}), (std::vector<double>{0.5, 5}));
  EXPECT_EQ(host.metrics.at("wait_seconds").bounds, (std::vector<double>{0.1, 1, 10}));
}

TEST_F(ServicesTest, AsksNothingOfATableThatIsTooOldForIt) {
  host.values = {{"token", {"x", 1}}};
  host.kv_table.struct_size = offsetof(cof_kv_service, take);
  auto& call = host.operation("take", "{}");
  host.run();
  EXPECT_EQ(call.ended->result, "[false,false]");
  EXPECT_TRUE(host.values.contains("token"));
}

TEST_F(ServicesTest, SeesThatThereIsNoRoom) {
  host.room = false;
  EXPECT_EQ(run("flood"), "limit_reached");
}

TEST_F(ServicesTest, RecordsOnlyTheFiguresThatAreKnown) {
  EXPECT_EQ(run("spend"), Json::parse(R"({"sum": {"rows": []}, "wrong": "invalid"})"));
  const testkit::UsageSeen& seen = host.usages.at(0);
  EXPECT_EQ(seen.known,
            std::uint32_t{COF_USAGE_INPUT_TOKENS | COF_USAGE_COST | COF_USAGE_DURATION});
  EXPECT_EQ(seen.input_tokens, 10);
  EXPECT_EQ(seen.duration_ms, 1500);
}

TEST_F(ServicesTest, ReadsFigures) {
  EXPECT_EQ(run("figures").at("stats"), "store_unavailable");
  host.stats_json = R"({"total": 3})";
  EXPECT_EQ(run("figures"), Json::parse(R"({"stats": {"total": 3}, "metrics": {"families": []}})"));
}

TEST_F(ServicesTest, ReadsAndWritesFilesThatTheClientNamed) {
  host.files["/in/a.txt"] = "content";
  const Json result = run("files", R"({"in": "/in/a.txt", "out": "/out/b.txt"})");
  EXPECT_EQ(host.files.at("/out/b.txt"), "content!");
  EXPECT_EQ(result.at("name"), "a.txt");
  EXPECT_EQ(result.at("too_big"), "file_too_big");
  EXPECT_EQ(result.at("denied"), "file_denied");
  EXPECT_NE(result.at("scratch"), result.at("task_scratch"));
  EXPECT_TRUE(std::filesystem::is_directory(result.at("scratch").get<std::string>()));
}

TEST_F(ServicesTest, ReadsSecrets) {
  host.secrets["api_key"] = "s3cret";
  EXPECT_EQ(run("secret"), Json::parse(R"(["s3cret", "not_found"])"));
}

}  // namespace
