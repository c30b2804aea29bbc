// SPDX-License-Identifier: Apache-2.0
#include "core/base/log.hpp"
#include "tests/host/services/service_fixture.hpp"

#include <cmath>
#include <cstring>
#include <set>

namespace cofounder::host::test {
namespace {

TEST_F(ServiceTest, EveryInterfaceHasATableWithEverySlot) {
  std::set<std::string_view> seen;
  for (const auto& [iid, minor] : services()) {
    const auto* found = static_cast<const char*>(find_service(iid));
    ASSERT_NE(found, nullptr) << iid;
    std::uint32_t size = 0;
    std::memcpy(&size, found, sizeof size);
    EXPECT_EQ(minor, 0u);
    for (std::size_t at = 8; at < size; at += sizeof(void*)) {
      const void* slot = nullptr;
      std::memcpy(&slot, found + at, sizeof slot);
      EXPECT_NE(slot, nullptr) << iid << " at " << at;
    }
    seen.insert(iid);
  }
  EXPECT_EQ(seen.size(), 18u);
  EXPECT_EQ(find_service("cof.http/2"), nullptr);
  EXPECT_EQ(find_service(""), nullptr);
}

TEST_F(ServiceTest, ANullHostIsRefusedAndAGoneOneDoesNothing) {
  load();
  const auto* timer = table<cof_timer_service>(COF_TIMER_IID);
  const auto* log = table<cof_log_service>(COF_LOG_IID);
  const auto* config_table = table<cof_config_service>(COF_CONFIG_IID);
  const auto* file = table<cof_file_service>(COF_FILE_IID);
  EXPECT_EQ(timer->after(nullptr, 0, 0, 1, nullptr), COF_EINVALID);
  EXPECT_EQ(timer->now_ns(nullptr), COF_EINVALID);
  log->write(nullptr, 0, COF_LOG_INFO, text("x"));
  EXPECT_EQ(log->enabled(nullptr, COF_LOG_ERROR), 0);

  instance->set_gone();
  Sink out;
  EXPECT_EQ(timer->after(host, 0, 0, 1, nullptr), COF_EGONE);
  EXPECT_EQ(timer->now_ns(host), COF_EGONE);
  EXPECT_EQ(config_table->get(host, 0, text(""), out), COF_EGONE);
  EXPECT_EQ(file->size(host, 1), COF_EGONE);
  log->write(host, 0, COF_LOG_INFO, text("x"));
  EXPECT_EQ(log->enabled(host, COF_LOG_ERROR), 0);
}

TEST_F(ServiceTest, ErrorSaysWhyACallFails) {
  load();
  const auto* error = table<cof_error_service>(COF_ERROR_IID);
  const auto call = add_call(COF_CALL_OPERATION);
  const std::string long_message(5'000, 'm');
  cof_failure failure{sizeof failure, 1, text("no_quota"), text(long_message), 1'500};

  EXPECT_EQ(error->set(host, call->id, &failure), COF_OK);
  ASSERT_TRUE(call->failure);
  EXPECT_EQ(call->failure->code, "no_quota");
  EXPECT_EQ(call->failure->message.size(), 4'096u);
  EXPECT_EQ(call->failure->retryable, 1);
  EXPECT_EQ(call->failure->retry_after, Milliseconds{1'500});
  failure.code = text("");
  EXPECT_EQ(error->set(host, call->id, &failure), COF_OK);
  EXPECT_EQ(call->failure->code, "") << "a second one replaces the first";
  failure.code = text("Not-A-Code");
  EXPECT_EQ(error->set(host, call->id, &failure), COF_EINVALID);
  failure.code = broken_text;
  EXPECT_EQ(error->set(host, call->id, &failure), COF_EINVALID);
  failure.code = text("ok");
  failure.message = null_text;
  EXPECT_EQ(error->set(host, call->id, &failure), COF_EINVALID);
  failure.message = text("m");
  failure.retry_after_ms = -1;
  EXPECT_EQ(error->set(host, call->id, &failure), COF_EINVALID);
  failure.retry_after_ms = 0;
  failure.retryable = 3;
  EXPECT_EQ(error->set(host, call->id, &failure), COF_EUNSUPPORTED);
  failure.retryable = 0;
  EXPECT_EQ(error->set(host, no_call, &failure), COF_EGONE);
  EXPECT_EQ(error->set(host, 0, &failure), COF_EGONE);
  EXPECT_EQ(error->set(host, call->id, nullptr), COF_EINVALID);
  end(call);
  EXPECT_EQ(error->set(host, call->id, &failure), COF_EGONE);
}

TEST_F(ServiceTest, StructsGrowByTheRuleOfTheAbi) {
  load();
  const auto* error = table<cof_error_service>(COF_ERROR_IID);
  const auto call = add_call(COF_CALL_OPERATION);
  struct {
    cof_failure known;
    std::uint64_t appended;
  } newer{};
  newer.known = {sizeof newer, 1, text("c"), text("m"), 0};
  EXPECT_EQ(error->set(host, call->id, &newer.known), COF_OK) << "unknown, but zero";
  newer.appended = 1;
  EXPECT_EQ(error->set(host, call->id, &newer.known), COF_EUNSUPPORTED);

  cof_failure older{offsetof(cof_failure, message), 2, text("c"), null_text, -5};
  EXPECT_EQ(error->set(host, call->id, &older), COF_OK) << "beyond its size nothing is read";
  EXPECT_EQ(call->failure->message, "");
  older.struct_size = 0;
  EXPECT_EQ(error->set(host, call->id, &older), COF_EINVALID);
}

TEST_F(ServiceTest, ConfigGivesTheValueAtAPointer) {
  plugin_config.settings = R"({"a":{"b/c":[1,"two"]},"s":"text"})";
  load();
  const auto* service = table<cof_config_service>(COF_CONFIG_IID);
  const auto get = [&](std::string_view pointer, std::uint64_t call = 0) {
    Sink out;
    const auto status = service->get(host, call, text(pointer), out);
    return status == COF_OK ? out.written : std::to_string(status);
  };
  EXPECT_EQ(get(""), plugin_config.settings);
  EXPECT_EQ(get("/a/b~1c/1"), "\"two\"");
  EXPECT_EQ(get("/s"), "\"text\"");
  EXPECT_EQ(get("/none"), std::to_string(COF_ENOTFOUND));
  EXPECT_EQ(get("a"), std::to_string(COF_EINVALID));
  EXPECT_EQ(get("/a~2"), std::to_string(COF_EINVALID));
  EXPECT_EQ(get("/a~"), std::to_string(COF_EINVALID));
  EXPECT_EQ(service->get(host, 0, broken_text, Sink{}), COF_EINVALID);
  EXPECT_EQ(service->get(host, 0, text(""), nullptr), COF_EINVALID);
  Sink full;
  full.answer = COF_ETOOBIG;
  EXPECT_EQ(service->get(host, 0, text(""), full), COF_ETOOBIG) << "the sink's word";

  const auto configure = add_call(COF_CALL_CONFIGURE);
  auto candidate = std::make_shared<PluginConfig>();
  candidate->settings = R"({"s":"new"})";
  configure->candidate = candidate;
  EXPECT_EQ(get("/s", configure->id), "\"new\"");
  EXPECT_EQ(get("/s"), "\"text\"");
}

TEST_F(ServiceTest, SecretsAreGivenWhenManifestAndOperatorAgree) {
  manifest.permissions.secrets = {"api_key", "absent", "broken"};
  plugin_config.secrets["api_key"] = {SecretSource::Kind::plain, "hunter2"};
  plugin_config.secrets["other"] = {SecretSource::Kind::plain, "x"};
  plugin_config.secrets["broken"] = {SecretSource::Kind::file, "/nonexistent/file"};
  load();
  const auto* service = table<cof_secret_service>(COF_SECRET_IID);
  Sink out;
  EXPECT_EQ(service->get(host, 0, text("api_key"), out), COF_OK);
  EXPECT_EQ(out.written, "hunter2");
  EXPECT_EQ(service->get(host, 0, text("absent"), out), COF_ENOTFOUND);
  EXPECT_EQ(service->get(host, 0, text("other"), out), COF_EDENIED);
  EXPECT_EQ(service->get(host, 0, text("broken"), out), COF_EUNAVAILABLE);
  EXPECT_EQ(service->get(host, 0, broken_text, out), COF_EINVALID);

  const auto configure = add_call(COF_CALL_CONFIGURE);
  auto candidate = std::make_shared<PluginConfig>();
  candidate->secrets["api_key"] = {SecretSource::Kind::plain, "new"};
  configure->candidate = candidate;
  Sink newer;
  EXPECT_EQ(service->get(host, configure->id, text("api_key"), newer), COF_OK);
  EXPECT_EQ(newer.written, "new");
}

TEST_F(ServiceTest, LogLinesHaveARateLimitAndDropsAreCounted) {
  plugin_config.limits.log_lines_per_second_max = 3;
  log::open({.target = log::Options::Target::nowhere, .level = log::Level::info});
  load();
  const auto* service = table<cof_log_service>(COF_LOG_IID);
  const auto& counters = instance->counters();
  EXPECT_EQ(service->enabled(host, COF_LOG_DEBUG), 0);
  EXPECT_EQ(service->enabled(host, COF_LOG_INFO), 1);
  EXPECT_EQ(service->enabled(host, 9), 0);
  for (int i = 0; i < 10; ++i) service->write(host, 0, COF_LOG_DEBUG, text("not wanted"));
  for (int i = 0; i < 5; ++i) service->write(host, 0, COF_LOG_INFO, text("line"));
  EXPECT_EQ(counters.log_lines_dropped, 2u);
  advance(std::chrono::seconds{1});
  service->write(host, add_call(COF_CALL_OPERATION)->id, COF_LOG_ERROR, text("line"));
  EXPECT_EQ(counters.log_lines_dropped, 2u);
  EXPECT_EQ(counters.refused_posts, 0u);
  service->write(host, 0, 0, text("no level"));
  service->write(host, 0, COF_LOG_INFO, broken_text);
  EXPECT_EQ(counters.refused_posts, 2u);
  log::close();
}

TEST_F(ServiceTest, CompleteEndsACallOnce) {
  plugin_config.limits.result_bytes_max = 10;
  load();
  const auto* service = table<cof_call_service>(COF_CALL_IID);
  std::optional<CallEnd> ended;
  const auto begin = [&] {
    ended.reset();
    auto call = add_call(COF_CALL_OPERATION);
    call->done = [&](CallEnd end) { ended = std::move(end); };
    return call;
  };
  cof_outcome outcome{};
  outcome.struct_size = sizeof outcome;

  auto call = begin();
  outcome.result = bytes("{\"a\":1}");
  EXPECT_EQ(service->complete(host, call->id, &outcome), COF_OK);
  EXPECT_EQ(service->complete(host, call->id, &outcome), COF_EGONE);
  EXPECT_EQ(instance->counters().late_completions, 1u);
  wait_for([&] { return ended.has_value(); });
  EXPECT_EQ(ended->status, COF_OK);
  EXPECT_EQ(ended->result, "{\"a\":1}");

  call = begin();
  outcome.result = bytes("{\"a\":12345}");
  EXPECT_EQ(service->complete(host, call->id, &outcome), COF_OK);
  wait_for([&] { return ended.has_value(); });
  EXPECT_EQ(ended->status, COF_ETOOBIG);
  EXPECT_EQ(ended->code, "result_too_big");

  call = begin();
  outcome = {};
  outcome.struct_size = sizeof outcome;
  outcome.status = -1'005;
  outcome.error_code = text("busy");
  outcome.error_message = text("come back");
  outcome.retryable = 1;
  outcome.retry_after_ms = 20;
  EXPECT_EQ(service->complete(host, call->id, &outcome), COF_OK);
  wait_for([&] { return ended.has_value(); });
  EXPECT_EQ(ended->status, -1'005);
  EXPECT_EQ(ended->code, "busy");
  EXPECT_EQ(ended->message, "come back");
  EXPECT_EQ(ended->retryable, 1);
  EXPECT_EQ(ended->retry_after, Milliseconds{20});

  call = begin();
  outcome.status = 17;
  EXPECT_EQ(service->complete(host, call->id, &outcome), COF_OK);
  wait_for([&] { return ended.has_value(); });
  EXPECT_EQ(ended->status, COF_EINTERNAL) << "no positive status but those that are named";
}

TEST_F(ServiceTest, CompleteRefusesWhatIsNoOutcome) {
  load();
  const auto* service = table<cof_call_service>(COF_CALL_IID);
  const auto call = add_call(COF_CALL_OPERATION);
  const auto with = [&](auto change) {
    cof_outcome outcome{};
    outcome.struct_size = sizeof outcome;
    outcome.status = COF_EFAILED;
    change(outcome);
    return service->complete(host, call->id, &outcome);
  };
  EXPECT_EQ(with([](auto& o) { o.status = COF_PENDING; }), COF_EINVALID);
  EXPECT_EQ(with([](auto& o) { o.error_code = text("No Code"); }), COF_EINVALID);
  EXPECT_EQ(with([](auto& o) { o.error_message = broken_text; }), COF_EINVALID);
  EXPECT_EQ(with([](auto& o) { o.retry_after_ms = -1; }), COF_EINVALID);
  EXPECT_EQ(with([](auto& o) { o.retryable = 7; }), COF_EUNSUPPORTED);
  EXPECT_EQ(with([](auto& o) { o.reserved = 1; }), COF_EUNSUPPORTED);
  EXPECT_EQ(with([](auto& o) { o.struct_size = 1; }), COF_EINVALID);
  EXPECT_EQ(service->complete(host, call->id, nullptr), COF_EINVALID);
  cof_outcome fine{};
  fine.struct_size = sizeof fine;
  EXPECT_EQ(service->complete(host, 0, &fine), COF_EGONE);
  EXPECT_EQ(service->complete(host, no_call, &fine), COF_EGONE);
  EXPECT_FALSE(call->over) << "what was refused did nothing";
}

TEST_F(ServiceTest, ACallLearnsThatItIsToEnd) {
  load();
  const auto* service = table<cof_call_service>(COF_CALL_IID);
  const auto call = add_call(COF_CALL_OPERATION);
  EXPECT_EQ(service->cancel_reason(host, call->id), 0);
  cancel(*call, COF_CANCEL_DEADLINE);
  EXPECT_EQ(service->cancel_reason(host, call->id), COF_CANCEL_DEADLINE);
  end(call);
  EXPECT_EQ(service->cancel_reason(host, call->id), COF_EGONE);
}

TEST_F(ServiceTest, ArgumentsAreFoundByPointer) {
  load();
  const auto* service = table<cof_call_service>(COF_CALL_IID);
  const auto call = add_call(COF_CALL_OPERATION, R"({"name":"A\n\"B\"","n":[1,2],"x":null})");
  const auto get = [&](std::string_view pointer) {
    Sink out;
    const auto status = service->argument(host, call->id, text(pointer), out);
    return status == COF_OK ? out.written : std::to_string(status);
  };
  EXPECT_EQ(get("/name"), "A\n\"B\"");
  EXPECT_EQ(get("/n"), "[1,2]");
  EXPECT_EQ(get("/n/1"), "2");
  EXPECT_EQ(get("/x"), "null");
  EXPECT_EQ(get("/none"), std::to_string(COF_ENOTFOUND));
  EXPECT_EQ(service->argument(host, call->id, broken_text, Sink{}), COF_EINVALID);
  EXPECT_EQ(service->argument(host, no_call, text("/n"), Sink{}), COF_EGONE);
  end(call);
  EXPECT_EQ(get("/n"), std::to_string(COF_EGONE));
}

TEST_F(ServiceTest, OfManyProgressesWithin50MillisecondsTheNewestIsShown) {
  load();
  const auto* service = table<cof_call_service>(COF_CALL_IID);
  const auto call = add_call(COF_CALL_OPERATION);
  EXPECT_EQ(service->progress(host, call->id, 0.1, text("first")), COF_OK);
  wait_for([&] { return progress.size() == 1; });
  for (int i = 0; i < 10; ++i) service->progress(host, call->id, 0.2, text("between"));
  EXPECT_EQ(service->progress(host, call->id, -3, text(std::string(5'000, 'x'))), COF_OK);
  advance(Milliseconds{49});
  EXPECT_EQ(progress.size(), 1u);
  advance(Milliseconds{1});
  ASSERT_EQ(progress.size(), 2u);
  EXPECT_EQ(progress[0].text, "first");
  EXPECT_EQ(progress[0].key, (AttemptKey{77, 1}));
  EXPECT_EQ(progress[1].fraction, -1);
  EXPECT_EQ(progress[1].text.size(), 4'096u);

  EXPECT_EQ(service->progress(host, call->id, 2, text("")), COF_EINVALID);
  EXPECT_EQ(service->progress(host, call->id, std::nan(""), text("")), COF_EINVALID);
  EXPECT_EQ(service->progress(host, call->id, 0, broken_text), COF_EINVALID);
  EXPECT_EQ(service->progress(host, add_call(COF_CALL_PROBE)->id, 0, text("")), COF_EINVALID);
  EXPECT_EQ(service->progress(host, no_call, 0, text("")), COF_EGONE);
  EXPECT_EQ(service->progress(host, call->id, 0.5, text("late")), COF_OK);
  end(call);
  advance(Milliseconds{100});
  EXPECT_EQ(service->progress(host, call->id, 1, text("")), COF_EGONE);
}

TEST_F(ServiceTest, EveryEmitIsDeliveredInOrderUntilThereIsNoRoom) {
  load();
  const auto* service = table<cof_call_service>(COF_CALL_IID);
  const auto call = add_call(COF_CALL_OPERATION);
  const std::string piece = "\"" + std::string(1'000, 'x') + "\"";
  std::size_t taken = 0;
  while (service->emit(host, call->id, text(piece), 0) == COF_OK && taken < 10'000) ++taken;
  EXPECT_GT(taken, 200u);
  EXPECT_LT(taken, 400u);
  EXPECT_EQ(service->emit(host, call->id, text(piece), 9), COF_ELIMIT);
  wait_for([&] { return output.size() == taken; });
  EXPECT_EQ(service->emit(host, call->id, text("1"), 1), COF_OK);
  EXPECT_EQ(service->emit(host, call->id, text("2"), 2), COF_OK);
  EXPECT_EQ(last(1).status, COF_OK);
  EXPECT_EQ(last(2).status, COF_OK);
  EXPECT_EQ(output.back(), "2");
  EXPECT_TRUE(replies(9).empty()) << "not taken: no reply";
  EXPECT_EQ(service->emit(host, call->id, text("{"), 0), COF_EINVALID);
  EXPECT_EQ(service->emit(host, no_call, text("1"), 0), COF_EGONE);
  EXPECT_EQ(service->emit(host, add_call(COF_CALL_ROUTE)->id, text("1"), 0), COF_EINVALID);
}

TEST_F(ServiceTest, PostComesBackAlsoForACancelledCall) {
  load();
  const auto* service = table<cof_call_service>(COF_CALL_IID);
  const auto call = add_call(COF_CALL_OPERATION);
  EXPECT_EQ(service->post(host, call->id, 1), COF_OK);
  EXPECT_EQ(last(1).status, COF_OK);
  EXPECT_EQ(last(1).call_id, call->id);
  cancel(*call);
  EXPECT_EQ(service->post(host, call->id, 2), COF_OK);
  EXPECT_EQ(last(2).status, COF_OK);
  EXPECT_EQ(service->post(host, 0, 3), COF_OK);
  EXPECT_EQ(last(3).call_id, 0u);
  EXPECT_EQ(service->post(host, call->id, 0), COF_EINVALID);
  EXPECT_EQ(service->post(host, no_call, 4), COF_EGONE);
}

}  // namespace
}  // namespace cofounder::host::test
