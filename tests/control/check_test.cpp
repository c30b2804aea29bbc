// SPDX-License-Identifier: Apache-2.0
#include "core/base/text.hpp"
#include "core/control/schedule_json.hpp"
#include "core/control/task_check.hpp"

#include <gtest/gtest.h>

namespace cofounder {
namespace {

constexpr Time now{Milliseconds{1'790'000'000'000}};

Result<NewTask> parse_text(const std::string& text) {
  const auto document = json::parse(text);
  return parse_task(document.value().root(), now);
}

TEST(TaskCheckTest, AllFields) {
  const auto task = parse_text(
      R"({"op":"a.b","args":{},"delay":"30s","priority":-100,"queue":"q-1","timeout":"1h",
          "attempts_max":3,"unique_key":"k"})");
  ASSERT_TRUE(task) << task.error().message;
  EXPECT_EQ(task->run_at, now + Milliseconds{30'000});
  EXPECT_EQ(task->priority, -100);
  EXPECT_EQ(task->queue, "q-1");
  EXPECT_EQ(task->timeout, Milliseconds{3'600'000});
  EXPECT_EQ(task->attempts_max, 3);
  EXPECT_EQ(task->unique_key, "k");
  EXPECT_EQ(parse_text(R"({"op":"a.b","run_at":"2026-11-23T17:00:00+01:00"})")->run_at,
            parse_rfc3339("2026-11-23T16:00:00Z"));
  EXPECT_EQ(parse_text(R"({"op":"a.b","queue":null})")->queue, "default");
}

TEST(TaskCheckTest, WrongFieldsAreNamed) {
  const std::pair<const char*, const char*> cases[] = {
      {R"([])", "a task"},
      {R"({})", "op"},
      {R"({"op":""})", "op"},
      {R"({"op":1})", "op"},
      {R"({"op":"a.b","run_at":"tomorrow"})", "run_at"},
      {R"({"op":"a.b","run_at":"2026-11-23T17:00:00Z","delay":"1s"})", "delay"},
      {R"({"op":"a.b","delay":5})", "delay"},
      {R"({"op":"a.b","delay":"-1s"})", "delay"},
      {R"({"op":"a.b","timeout":"0s"})", "timeout"},
      {R"({"op":"a.b","timeout":"8d"})", "timeout"},
      {R"({"op":"a.b","priority":101})", "priority"},
      {R"({"op":"a.b","priority":1.5})", "priority"},
      {R"({"op":"a.b","queue":"No Spaces"})", "queue"},
      {R"({"op":"a.b","attempts_max":0})", "attempts_max"},
      {R"({"op":"a.b","unique_key":""})", "unique_key"},
      {R"({"op":"a.b","prioriti":1})", "prioriti"}};
  for (const auto& [text, field] : cases) {
    const auto task = parse_text(text);
    ASSERT_FALSE(task) << text;
    EXPECT_EQ(task.error().code, "invalid_task") << text;
    EXPECT_TRUE(task.error().message.starts_with(field)) << task.error().message;
  }
}

TEST(TaskCheckTest, HintsForUnknownOperations) {
  const std::vector<std::string> all{"hello.greet", "hello.wait", "cloudinary.upload",
                                     "cloudinary.delete"};
  EXPECT_EQ(hint_for_op("helo.greet", all), "did you mean hello.greet?");
  EXPECT_EQ(hint_for_op("greet", all), "did you mean hello.greet?");
  EXPECT_EQ(hint_for_op("cloudinary.transmogrify", all),
            "plugin \"cloudinary\" offers cloudinary.upload, cloudinary.delete");
  EXPECT_NE(hint_for_op("quite-other.thing", all).find("no plugin \"quite-other\""),
            std::string::npos);
  EXPECT_NE(hint_for_op("a.b", {}).find("no plugin offers"), std::string::npos);
}

TEST(TaskCheckTest, UploadsAreFoundAtAnyDepth) {
  EXPECT_EQ(uploads_in(R"({"file":"upload:1","more":[{"x":"upload:2"}],"text":"an upload:3"})"),
            (std::vector<std::string>{"upload:1", "upload:2"}));
  EXPECT_TRUE(uploads_in(R"({"file":"/a"})").empty());
}

TEST(ScheduleCheckTest, AllFieldsAndWrongOnes) {
  const auto read = [](const std::string& text, std::string_view name = "nightly") {
    const auto document = json::parse(text);
    return parse_schedule(name, document.value().root());
  };
  const auto schedule = read(
      R"({"op":"a.b","args":{"x":1},"cron":"0 3 * * *","timezone":"Europe/Berlin","missed":"all",
          "overlap":"allow","queue":"q","priority":5,"timeout":"1min","attempts_max":2})");
  ASSERT_TRUE(schedule) << schedule.error().message;
  EXPECT_EQ(schedule->language, "cron");
  EXPECT_EQ(schedule->text, "0 3 * * *");
  EXPECT_EQ(schedule->missed, Schedule::Missed::all);
  EXPECT_EQ(schedule->overlap, Schedule::Overlap::allow);
  EXPECT_EQ(schedule->timeout, Milliseconds{60'000});
  EXPECT_EQ(schedule->args, R"({"x":1})");
  const std::pair<const char*, const char*> cases[] = {
      {R"({"op":"a.b"})", "cron, calendar or every"},
      {R"({"op":"a.b","cron":"* * * * *","every":"1s"})", "every"},
      {R"({"cron":"* * * * *"})", "op"},
      {R"({"op":"a.b","cron":7})", "cron"},
      {R"({"op":"a.b","cron":"* * * * *","missed":"twice"})", "missed"},
      {R"({"op":"a.b","cron":"* * * * *","overlap":"once"})", "overlap"},
      {R"({"op":"a.b","cron":"* * * * *","args":[]})", "args"},
      {R"({"op":"a.b","cron":"* * * * *","delay":"1s"})", "delay"},
      {R"({"op":"a.b","cron":"* * * * *","priority":1000})", "priority"}};
  for (const auto& [text, field] : cases) {
    const auto wrong = read(text);
    ASSERT_FALSE(wrong) << text;
    EXPECT_EQ(wrong.error().code, "invalid_schedule") << text;
    EXPECT_TRUE(wrong.error().message.starts_with(field)) << wrong.error().message;
  }
  EXPECT_FALSE(read(R"({"op":"a.b","cron":"* * * * *"})", "Not A Name"));
}

}  // namespace
}  // namespace cofounder
