// SPDX-License-Identifier: Apache-2.0
#include "tests/host/host_world.hpp"

#include <gmock/gmock.h>

#include <sys/stat.h>

namespace cofounder {
namespace {

using test::HostWorld;
using testing::AllOf;
using testing::HasSubstr;
using Kind = Outcome::Kind;
using namespace std::chrono_literals;

// The deadlines of hooks that are meant to hang.
void hurry(PluginConfig& plugin) {
  plugin.deadlines.create = 30ms;
  plugin.deadlines.configure = 2s;  // also for loading, which takes its time
  plugin.deadlines.start = plugin.deadlines.drain = plugin.deadlines.stop = 30ms;
  plugin.deadlines.grace = 30ms;
}

// What the recorders said, those of it with `word`.
std::string hooks_of(const HostWorld& world, const std::string& word = {}) {
  std::string found;
  for (const std::string& event : world.events) {
    const auto quote = event.find('"');
    if (event.find(word) != std::string::npos) found += event.substr(quote + 1, event.size() - quote - 2) + ", ";
  }
  return found;
}

TEST(Quarantine, APluginThatDoesNotReturnIsGivenUpAndOthersGoOn) {
  HostWorld world;
  world.add("stuck");
  world.add("echo");
  world.plugin("stuck").deadlines.grace = 50ms;
  world.plugin("stuck").restart_failures_max = 1;  // also an isolated one does not come back
  ASSERT_EQ(world.start(), std::nullopt);
  const auto hanging = world.begin("stuck.hang");
  const auto behind = world.begin("stuck.say");
  world.until([&] { return world.info("stuck").calls == 2; });
  EXPECT_EQ(world.run("echo.say").kind, Kind::succeeded);
  // That is how the fixture tells that it is inside.
  world.until([&] { return world.info("stuck").late_completions == 1; });

  const Outcome outcome = world.cancel(hanging, CancelReason::deadline);
  EXPECT_EQ(outcome.kind, Kind::timed_out);
  const Outcome other = world.end_of(behind);
  EXPECT_EQ(other.kind, Kind::failed);
  EXPECT_EQ(other.error.code, world.given_up_code());
  EXPECT_TRUE(other.error.retryable);

  world.until([&] { return world.info("stuck").state == PluginState::quarantined; });
  EXPECT_FALSE(world.host->capacity().contains("stuck"));
  EXPECT_EQ(world.run("stuck.say").error.code, "plugin_quarantined");
  EXPECT_THAT(world.host->why("stuck").value_or(PluginWhy{}).what,
              HasSubstr("did not return from its operation \"hang\""));
  EXPECT_EQ(world.run("echo.say").kind, Kind::succeeded);
  std::optional<std::optional<Error>> again;
  world.host->start_plugin("stuck", [&](std::optional<Error> error) { again = std::move(error); });
  world.until([&] { return again.has_value(); });
  if (world.isolated()) {  // nothing of it is left
    EXPECT_EQ(*again, std::nullopt);
    EXPECT_EQ(world.run("stuck.say").kind, Kind::succeeded);
  } else {
    EXPECT_EQ(again->value_or(Error{}).code, "plugin_quarantined");
  }
  EXPECT_EQ(world.stop(), world.isolated()) << "a thread is stuck";
  EXPECT_EQ(world.info("echo").state, PluginState::stopped);
}

TEST(Quarantine, APendingCallThatIgnoresItsCancel) {
  HostWorld world;
  world.add("slow");
  world.plugin("slow").deadlines.grace = 50ms;
  world.plugin("slow").restart_failures_max = 1;
  ASSERT_EQ(world.start(), std::nullopt);
  const auto deaf = world.begin("slow.deaf");
  EXPECT_EQ(world.run("slow.replies").kind, Kind::succeeded);  // so the other one is pending
  EXPECT_EQ(world.cancel(deaf, CancelReason::requested).kind, Kind::cancelled);
  world.until([&] { return world.info("slow").state == PluginState::quarantined; });
  world.until([&] { return world.stop(); });  // its thread is free and ends
}

TEST(Quarantine, AnEntryThatHangsAfterItsCallIsOver) {
  HostWorld world;
  world.add("stuck");
  hurry(world.plugin("stuck"));
  world.plugin("stuck").deadlines.probe = 50ms;
  ASSERT_EQ(world.start(), std::nullopt);
  EXPECT_EQ(world.run("stuck.complete-and-hang").result, "\"done\"");
  EXPECT_EQ(world.run("stuck.say").error.code, world.given_up_code());
  EXPECT_EQ(world.stop(), world.isolated());
}

TEST(Quarantine, StopDoesNotWaitForAHangingEntry) {
  HostWorld world;
  world.add("stuck");
  hurry(world.plugin("stuck"));
  ASSERT_EQ(world.start(), std::nullopt);
  EXPECT_EQ(world.run("stuck.complete-and-hang").result, "\"done\"");
  EXPECT_EQ(world.stop(), world.isolated());
}

class Hook : public testing::TestWithParam<const char*> {};

TEST_P(Hook, ThatFailsAtTheStart) {
  HostWorld world;
  world.add("stuck");
  world.add("echo");
  world.plugin("stuck").settings = std::string{R"({"fail_in":")"} + GetParam() + "\"}";
  world.plugin("stuck").on_start_error = "fail";
  const std::optional<Error> error = world.start();
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, "unavailable");
  EXPECT_THAT(error->message, HasSubstr("\"stuck\""));
  EXPECT_EQ(world.info("stuck").state, PluginState::failed);
  EXPECT_EQ(world.info("echo").state, PluginState::ready);
  EXPECT_EQ(world.run("stuck.say").error.code, "plugin_unavailable");
  EXPECT_TRUE(world.stop());
}

TEST_P(Hook, ThatHangsAtTheStart) {
  HostWorld world;
  world.add("stuck");
  world.add("echo");
  hurry(world.plugin("stuck"));
  world.plugin("stuck").deadlines.configure = 300ms;
  world.plugin("stuck").settings = std::string{R"({"hang_in":")"} + GetParam() + "\"}";
  world.plugin("stuck").on_start_error = "ignore";
  EXPECT_EQ(world.start(), std::nullopt);
  const PluginInfo info = world.info("stuck");
  EXPECT_EQ(info.state, world.given_up_state());
  EXPECT_THAT(info.last_error.value().message,
              AllOf(HasSubstr("did not return"), HasSubstr(GetParam())));
  EXPECT_EQ(world.run("echo.say").kind, Kind::succeeded);
  EXPECT_EQ(world.stop(), world.isolated());
}
INSTANTIATE_TEST_SUITE_P(AtStart, Hook, testing::Values("check", "apply", "start"));

class LateHook : public testing::TestWithParam<const char*> {};

TEST_P(LateHook, ThatHangsAtTheStop) {
  HostWorld world;
  world.add("stuck");
  world.add("echo");
  hurry(world.plugin("stuck"));
  world.plugin("stuck").settings = std::string{R"({"hang_in":")"} + GetParam() + "\"}";
  ASSERT_EQ(world.start(), std::nullopt);
  EXPECT_EQ(world.stop(), world.isolated());
  EXPECT_EQ(world.info("stuck").state, world.given_up_state());
  EXPECT_EQ(world.info("echo").state, PluginState::stopped);
}
INSTANTIATE_TEST_SUITE_P(AtStop, LateHook, testing::Values("drain", "stop", "destroy"));

TEST(Start, ACreateThatHangs) {
  HostWorld world;
  world.add("hanging-create");
  world.add("echo");
  hurry(world.plugin("hanging-create"));
  const std::optional<Error> error = world.start();
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, world.given_up_code());
  EXPECT_THAT(error->message, HasSubstr("create"));
  EXPECT_EQ(world.info("echo").state, PluginState::ready);
  EXPECT_EQ(world.stop(), world.isolated());
}

TEST(Start, TriesAgainWhenToldSo) {
  HostWorld world;
  world.add("stuck");
  world.plugin("stuck").settings = R"({"fail_in":"start"})";
  world.plugin("stuck").on_start_error = "retry";
  EXPECT_EQ(world.start(), std::nullopt);
  EXPECT_EQ(world.info("stuck").state, PluginState::failed);
  world.until([&] { return world.info("stuck").restarts == 1; });
  world.until([&] { return world.info("stuck").state == PluginState::failed; });
  world.plugin("stuck").settings = "{}";
  EXPECT_EQ(world.reconfigure(), std::nullopt);
  EXPECT_EQ(world.run("stuck.say").kind, Kind::succeeded);
}

TEST(Start, InTheOrderOfRequirementsAndStopsInReverse) {
  HostWorld world;
  for (const char* id : {"order-a", "order-b", "order-c"}) world.add(id);
  ASSERT_EQ(world.start(), std::nullopt);
  const std::string started = hooks_of(world);
  EXPECT_LT(started.rfind("check"), started.find("apply")) << "CHECK of all comes first";
  EXPECT_LT(started.find("order-c start"), started.find("order-b apply"));
  std::optional<Error> refused;
  world.host->stop_plugin("order-c", [&](std::optional<Error> error) { refused = std::move(error); });
  EXPECT_EQ(refused.value().code, "plugin_required");
  EXPECT_TRUE(world.stop());
  const std::string all = hooks_of(world);
  ASSERT_TRUE(all.starts_with(started));
  const std::string stopped = all.substr(started.size());
  EXPECT_LT(stopped.rfind("drain"), stopped.find("stop")) << "all are drained first";
  EXPECT_LT(stopped.find("order-b destroy"), stopped.find("order-c stop"));
  EXPECT_EQ(hooks_of(world, "order-a"), "order-a check, order-a apply, order-a start, "
                                        "order-a drain, order-a stop, order-a destroy, ");
}

TEST(Start, OneAgainAfterItWasStopped) {
  HostWorld world;
  world.add("echo");
  ASSERT_EQ(world.start(), std::nullopt);
  bool done = false;
  const auto finish = [&](std::optional<Error> error) {
    EXPECT_EQ(error, std::nullopt);
    done = true;
  };
  world.host->stop_plugin("echo", finish);
  world.until([&] { return done; });
  EXPECT_EQ(world.info("echo").state, PluginState::stopped);
  EXPECT_EQ(world.run("echo.say").error.code, "plugin_unavailable");
  done = false;
  world.host->start_plugin("echo", finish);
  world.until([&] { return done; });
  EXPECT_EQ(world.run("echo.say").kind, Kind::succeeded);
  EXPECT_EQ(world.info("echo").restarts, 1);
  EXPECT_TRUE(world.stop());
}

TEST(Stop, CancelsWhatRunsWhenTheDrainTimeIsOver) {
  HostWorld world;
  world.add("slow");
  world.plugin("slow").deadlines.drain = 50ms;
  ASSERT_EQ(world.start(), std::nullopt);
  const auto attempt = world.begin("slow.wait");
  EXPECT_TRUE(world.stop());
  EXPECT_EQ(world.end_of(attempt).kind, Kind::stopped);
}

TEST(Start, RefusesFilesThatAreNoGoodPlugins) {
  HostWorld world;
  world.add("newer-abi");
  world.add("missing-interface");
  world.add("cycle-a");
  world.add("cycle-b");
  world.add("echo", "echo-one");
  world.add("echo", "echo-two");
  world.add("slow");
  ::chmod((world.folder / "plugins/slow.so").c_str(), 0666);
  world.add("stuck");
  std::filesystem::create_symlink(world.folder / "plugins/stuck.so",
                                  world.folder / "plugins/link.so");
  std::ofstream{world.folder / "plugins/text.so"} << "no library";
  ASSERT_EQ(::mkfifo((world.folder / "plugins/pipe.so").c_str(), 0600), 0);
  world.plugin("nowhere").enabled = true;
  world.plugin("text").on_start_error = "fail";
  ASSERT_TRUE(world.start());

  const auto error = [&](const std::string& id) {
    EXPECT_EQ(world.info(id).state, PluginState::failed) << id;
    return world.info(id).last_error.value_or(Error{});
  };
  EXPECT_EQ(error("newer-abi").code, "abi_mismatch");
  EXPECT_EQ(error("newer-abi").message, "plugin \"newer-abi\" 1.4.0 needs ABI 1.9; this is "
                                        "cofounderd 0.1.0 with ABI 1.0");
  EXPECT_EQ(error("missing-interface").code, "interface_missing");
  EXPECT_THAT(error("cycle-a").message, HasSubstr("cycle-a -> cycle-b -> cycle-a"));
  EXPECT_EQ(error("cycle-b").code, "requirement_cycle");
  EXPECT_EQ(error("echo").code, "plugin_twice");
  EXPECT_THAT(error("echo").message, AllOf(HasSubstr("echo-one.so"), HasSubstr("echo-two.so")));
  EXPECT_EQ(error("slow").code, "plugin_file_unsafe");
  EXPECT_THAT(error("link").message, HasSubstr("link"));
  EXPECT_EQ(error("text").code, "not_elf");
  EXPECT_EQ(error("pipe").code, "unreadable");
  EXPECT_EQ(error("nowhere").code, "plugin_not_found");
  EXPECT_EQ(world.run("stuck.say").kind, Kind::succeeded);
  EXPECT_TRUE(world.stop());
}

TEST(Start, RefusesSettingsThatBreakTheSchema) {
  HostWorld world;
  world.add("echo");
  world.plugin("echo").settings = R"({"greting":"hi"})";
  world.plugin("echo").where = "test.toml:7";
  const std::optional<Error> error = world.start();
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, "invalid_config");
  EXPECT_THAT(error->message, AllOf(HasSubstr("test.toml:7"), HasSubstr("greting")));
}

TEST(Reconfigure, ChangesNothingWhenOneCheckFails) {
  HostWorld world;
  for (const char* id : {"order-a", "order-b", "order-c"}) world.add(id);
  ASSERT_EQ(world.start(), std::nullopt);
  EXPECT_EQ(world.run("order-a.word").result, "\"first first\"");

  world.plugin("order-a").settings = R"({"word":"second"})";
  world.plugin("order-c").settings = R"({"word":"forbidden"})";
  const std::optional<Error> error = world.reconfigure();
  ASSERT_TRUE(error);
  EXPECT_EQ(error->plugin, "order-c");
  EXPECT_EQ(world.run("order-a.word").result, "\"first first\"");
  EXPECT_EQ(world.run("order-c.word").result, "\"first first\"");

  world.plugin("order-c").settings = R"({"word":"third"})";
  world.plugin("order-b").enabled = false;
  EXPECT_EQ(world.reconfigure(), std::nullopt);
  EXPECT_EQ(world.run("order-a.word").result, "\"second second\"");
  EXPECT_EQ(world.run("order-c.word").result, "\"third third\"");
  EXPECT_EQ(world.info("order-b").state, PluginState::stopped);

  world.plugin("order-b").enabled = true;
  EXPECT_EQ(world.reconfigure(), std::nullopt);
  EXPECT_EQ(world.run("order-b.word").result, "\"first first\"");
  EXPECT_TRUE(world.stop());
}

}  // namespace
}  // namespace cofounder
