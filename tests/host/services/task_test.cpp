// SPDX-License-Identifier: Apache-2.0
#include "tests/host/services/service_fixture.hpp"

namespace cofounder::host::test {
namespace {

class TaskServiceTest : public ServiceTest {
 protected:
  static cof_task_request request(std::string_view op) {
    cof_task_request request{};
    request.struct_size = sizeof request;
    request.op = text(op);
    return request;
  }
  std::int32_t submit(const cof_task_request& wanted, std::uint64_t tag = 1,
                      std::uint64_t call = 0) {
    return tasks->submit(host, call, &wanted, tag);
  }
  // A task in the store, as somebody else submitted it.
  TaskId stored(std::string op, std::string submitter) {
    NewTask task;
    task.op = std::move(op);
    task.args = "{}";
    task.attempts_max = 1;
    task.submitter = std::move(submitter);
    TaskId id = 0;
    stores.tasks.submit({task}, clock.now(), [&](Result<std::vector<Submitted>> done) {
      id = done.value().front().id;
    });
    wait_for([&] { return id != 0; });
    return id;
  }
  const cof_task_service* tasks = table<cof_task_service>(COF_TASK_IID);
};

TEST_F(TaskServiceTest, SubmitsItsOwnOperations) {
  load();
  auto wanted = request("x.work");
  wanted.args = text("{\"n\":1}");
  wanted.queue = text("slow");
  wanted.unique_key = text("key");
  wanted.priority = 5;
  wanted.run_at_ms = 1'790'000'001'000;
  wanted.timeout_ms = 30'000;
  wanted.attempts_max = 3;
  EXPECT_EQ(submit(wanted), COF_OK);
  EXPECT_EQ(last(1).status, COF_OK);
  EXPECT_EQ(last(1).body, to_string(TaskId{5}));
  EXPECT_EQ(last(1).value, 1);
  ASSERT_EQ(submitted.size(), 1u);
  EXPECT_EQ(submitted[0].op, "x.work");
  EXPECT_EQ(submitted[0].args, "{\"n\":1}");
  EXPECT_EQ(submitted[0].queue, "slow");
  EXPECT_EQ(submitted[0].unique_key, "key");
  EXPECT_EQ(submitted[0].priority, 5);
  EXPECT_EQ(submitted[0].run_at, Time{Milliseconds{1'790'000'001'000}});
  EXPECT_EQ(submitted[0].timeout, Milliseconds{30'000});
  EXPECT_EQ(submitted[0].attempts_max, 3);
  EXPECT_EQ(submitted[0].submitter, "plugin:x");

  submit_answer = Submitted{.id = 6, .is_new = false, .submitted_at = {}};
  EXPECT_EQ(submit(request("x.work"), 2), COF_OK);
  EXPECT_EQ(last(2).value, 0);
  EXPECT_EQ(submitted[1].args, "{}");
  EXPECT_EQ(submitted[1].queue, "default");
  submit_answer = make_error("store_unavailable", "the disk is gone", true);
  EXPECT_EQ(submit(request("x.work"), 3), COF_OK);
  EXPECT_EQ(last(3).status, COF_EUNAVAILABLE);
  EXPECT_EQ(last(3).code, "store_unavailable");
  EXPECT_TRUE(last(3).retryable);
}

TEST_F(TaskServiceTest, SubmitsForeignOperationsOnlyWhenTheManifestListsThem) {
  manifest.permissions.tasks = {"other.upload"};
  load();
  EXPECT_EQ(submit(request("other.upload")), COF_OK);
  EXPECT_EQ(submit(request("other.delete")), COF_EDENIED);
  EXPECT_EQ(submit(request("xx.work")), COF_EDENIED);
}

TEST_F(TaskServiceTest, RefusesWhatIsNoTask) {
  load();
  const auto with = [&](auto change) {
    auto wanted = request("x.work");
    change(wanted);
    return submit(wanted);
  };
  EXPECT_EQ(with([](auto& r) { r.op = text("x"); }), COF_EINVALID);
  EXPECT_EQ(with([](auto& r) { r.op = text("x."); }), COF_EINVALID);
  EXPECT_EQ(with([](auto& r) { r.op = text(""); }), COF_EINVALID);
  EXPECT_EQ(with([](auto& r) { r.op = broken_text; }), COF_EINVALID);
  EXPECT_EQ(with([](auto& r) { r.args = text("[]"); }), COF_EINVALID);
  EXPECT_EQ(with([](auto& r) { r.args = text("{"); }), COF_EINVALID);
  EXPECT_EQ(with([](auto& r) { r.priority = 101; }), COF_EINVALID);
  EXPECT_EQ(with([](auto& r) { r.priority = -101; }), COF_EINVALID);
  EXPECT_EQ(with([](auto& r) { r.run_at_ms = -1; }), COF_EINVALID);
  EXPECT_EQ(with([](auto& r) { r.run_at_ms = 253'402'300'800'000; }), COF_EINVALID);
  EXPECT_EQ(with([](auto& r) { r.run_at_ms = INT64_MAX; }), COF_EINVALID);
  EXPECT_EQ(with([](auto& r) { r.timeout_ms = -1; }), COF_EINVALID);
  EXPECT_EQ(with([](auto& r) { r.timeout_ms = 7 * 24 * 3'600'000LL + 1; }), COF_EINVALID);
  EXPECT_EQ(with([](auto& r) { r.attempts_max = -1; }), COF_EINVALID);
  EXPECT_EQ(with([](auto& r) { r.reserved = 1; }), COF_EUNSUPPORTED);
  EXPECT_EQ(submit(request("x.work"), 0), COF_EINVALID);
  EXPECT_EQ(submit(request("x.work"), 1, no_call), COF_EGONE);
  EXPECT_EQ(tasks->submit(host, 0, nullptr, 1), COF_EINVALID);
  loop.poll();
  EXPECT_TRUE(submitted.empty());
}

TEST_F(TaskServiceTest, SubmitsHaveARateLimit) {
  plugin_config.limits.tasks_per_second_max = 10;
  load();
  int taken = 0;
  while (submit(request("x.work")) == COF_OK && taken < 100) ++taken;
  EXPECT_EQ(taken, 10);
  EXPECT_EQ(submit(request("x.work")), COF_ELIMIT);
  advance(Milliseconds{500});
  taken = 0;
  while (submit(request("x.work")) == COF_OK && taken < 100) ++taken;
  EXPECT_EQ(taken, 5);
}

TEST_F(TaskServiceTest, CheckpointsAreForAttempts) {
  load();
  const auto call = add_call(COF_CALL_OPERATION);
  EXPECT_EQ(tasks->checkpoint(host, call->id, bytes("state"), 1), COF_OK);
  EXPECT_EQ(last(1).status, COF_EGONE) << "the store does not know this attempt";
  EXPECT_EQ(tasks->checkpoint(host, call->id, bytes(std::string(1'048'577, 'x')), 2), COF_ETOOBIG);
  EXPECT_EQ(tasks->checkpoint(host, call->id, {nullptr, 3}, 2), COF_EINVALID);
  EXPECT_EQ(tasks->checkpoint(host, call->id, bytes("state"), 0), COF_EINVALID);
  EXPECT_EQ(tasks->checkpoint(host, no_call, bytes("state"), 2), COF_EGONE);
  EXPECT_EQ(tasks->checkpoint(host, 0, bytes("state"), 2), COF_EGONE);
  EXPECT_EQ(tasks->checkpoint(host, add_call(COF_CALL_EVENT)->id, bytes("state"), 2),
            COF_EINVALID);
}

TEST_F(TaskServiceTest, DeferWaitsInTheCall) {
  load();
  const auto call = add_call(COF_CALL_OPERATION);
  EXPECT_EQ(tasks->defer(host, call->id, 1'790'000'009'000, bytes("later")), COF_OK);
  ASSERT_TRUE(call->deferral);
  EXPECT_EQ(call->deferral->run_at, Time{Milliseconds{1'790'000'009'000}});
  EXPECT_EQ(call->deferral->checkpoint, "later");
  EXPECT_EQ(tasks->defer(host, call->id, -1, bytes("")), COF_EINVALID);
  EXPECT_EQ(tasks->defer(host, call->id, 0, bytes(std::string(1'048'577, 'x'))), COF_ETOOBIG);
  EXPECT_EQ(tasks->defer(host, add_call(COF_CALL_ROUTE)->id, 0, bytes("")), COF_EINVALID);
  end(call);
  EXPECT_EQ(tasks->defer(host, call->id, 0, bytes("")), COF_EGONE);
}

TEST_F(TaskServiceTest, SeesAndCancelsWhatIsItsOwn) {
  load();
  const auto own = to_string(stored("other.upload", "plugin:x"));
  const auto here = to_string(stored("x.work", "uid:1000"));
  const auto foreign = to_string(stored("other.upload", "uid:1000"));
  auto get = [&, tag = std::uint64_t{10}](std::string_view id) mutable {
    ++tag;
    EXPECT_EQ(tasks->get(host, 0, text(id), tag), COF_OK);
    return last(tag);
  };
  const auto record = json::parse(get(own).body).value();
  EXPECT_EQ(record.root().string_or("id", ""), own);
  EXPECT_EQ(record.root().string_or("op", ""), "other.upload");
  EXPECT_EQ(record.root().string_or("submitted_at", ""), "2026-09-21T14:13:20.000Z");
  EXPECT_EQ(get(here).status, COF_OK);
  EXPECT_EQ(get(foreign).status, COF_ENOTFOUND);
  EXPECT_EQ(get("nonsense").status, COF_ENOTFOUND);
  EXPECT_EQ(get(to_string(TaskId{12345})).status, COF_ENOTFOUND);
  EXPECT_EQ(tasks->get(host, 0, broken_text, 1), COF_EINVALID);
  EXPECT_EQ(tasks->get(host, 0, text(own), 0), COF_EINVALID);
  EXPECT_EQ(tasks->get(host, no_call, text(own), 1), COF_EGONE);

  auto cancel_task = [&, tag = std::uint64_t{20}](std::string_view id) mutable {
    ++tag;
    EXPECT_EQ(tasks->cancel(host, 0, text(id), tag), COF_OK);
    return last(tag).status;
  };
  EXPECT_EQ(cancel_task(own), COF_OK);
  EXPECT_EQ(cancel_task(here), COF_ENOTFOUND) << "it did not submit that one";
  EXPECT_EQ(cancel_task(foreign), COF_ENOTFOUND);
  EXPECT_EQ(cancel_task("nonsense"), COF_ENOTFOUND);
  EXPECT_EQ(cancelled, std::vector<TaskId>{*parse_task_id(own)});
  EXPECT_EQ(tasks->cancel(host, 0, text(own), 0), COF_EINVALID);
  EXPECT_EQ(tasks->cancel(host, no_call, text(own), 1), COF_EGONE);
}

TEST_F(TaskServiceTest, ACancelEndsQuestionsButNotWrites) {
  load();
  const auto call = add_call(COF_CALL_OPERATION);
  EXPECT_EQ(tasks->get(host, call->id, text(to_string(TaskId{5})), 1), COF_OK);
  EXPECT_EQ(submit(request("x.work"), 2, call->id), COF_OK);
  cancel(*call);
  EXPECT_EQ(last(1).status, COF_ECANCELLED);
  EXPECT_EQ(last(2).status, COF_OK);
}

TEST_F(TaskServiceTest, StatsNeedAPermissionAndTellFigures) {
  manifest.permissions.stats = true;
  load();
  stored("x.work", "uid:0");
  const auto* stats = table<cof_stats_service>(COF_STATS_IID);
  EXPECT_EQ(stats->tasks(host, 0, 0, 1), COF_OK);
  const auto figures = json::parse(last(1).body).value();
  EXPECT_EQ(figures.root().find("total").as_integer(), 1);
  EXPECT_EQ(figures.root().find("waiting").as_integer(), 1);
  EXPECT_EQ(figures.root().find("succeeded").as_integer(), 0);
  EXPECT_EQ(figures.root().find("failed").as_integer(), 0);
  EXPECT_TRUE(figures.root().find("average_seconds").is_null());
  EXPECT_EQ(figures.root().find("tasks").size(), 7u);
  EXPECT_TRUE(figures.root().find("by_op").is_array());
  EXPECT_EQ(stats->tasks(host, 0, -1, 2), COF_EINVALID);
  EXPECT_EQ(stats->tasks(host, 0, 0, 0), COF_EINVALID);
  EXPECT_EQ(stats->tasks(host, no_call, 0, 2), COF_EGONE);
}

TEST_F(TaskServiceTest, StatsAreDeniedWithoutPermission) {
  load();
  const auto* stats = table<cof_stats_service>(COF_STATS_IID);
  EXPECT_EQ(stats->tasks(host, 0, 0, 1), COF_EDENIED);
}

}  // namespace
}  // namespace cofounder::host::test
