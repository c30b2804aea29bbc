// SPDX-License-Identifier: Apache-2.0
#include "tests/host/host_world.hpp"

#include <unistd.h>

namespace cofounder {
namespace {

using namespace std::chrono_literals;

void load_one_that_hangs() {
  test::HostWorld world;
  world.add("echo");
  world.add("hanging-constructor");
  world.add("slow");
  for (const char* id : {"hanging-constructor", "slow"}) {
    world.plugin(id).deadlines.configure = 200ms;
    world.plugin(id).deadlines.grace = 50ms;
    world.plugin(id).on_start_error = "ignore";
  }
  EXPECT_EQ(world.start(), std::nullopt);
  EXPECT_EQ(world.info("hanging-constructor").state, world.given_up_state());
  if (world.isolated()) {
    EXPECT_EQ(world.info("slow").state, PluginState::ready);
  } else {
    // What would be loaded after it is not entered at all, and says why.
    EXPECT_EQ(world.info("slow").state, PluginState::failed);
    EXPECT_EQ(world.info("slow").last_error.value().code, "loader_blocked");
  }
  EXPECT_EQ(world.run("echo.say").kind, Outcome::Kind::succeeded);
  EXPECT_EQ(world.stop(), world.isolated());
}

// In a process of its own: the loader's lock is never free again.  exit() wants it, too, which is
// why a daemon whose stop was not clean has to end with _exit(), as this does.
TEST(Loader, AConstructorThatHangs) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        load_one_that_hangs();
        ::_exit(testing::Test::HasFailure() ? 1 : 0);
      },
      testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace cofounder
