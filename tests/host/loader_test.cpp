// SPDX-License-Identifier: Apache-2.0
#include "tests/host/host_world.hpp"

namespace cofounder {
namespace {

using namespace std::chrono_literals;

// In a program of its own: the loader's lock is never free again afterwards.
TEST(Loader, AConstructorThatHangs) {
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
  EXPECT_EQ(world.info("hanging-constructor").state, PluginState::quarantined);
  // What would be loaded after it is not entered at all, and says why.
  EXPECT_EQ(world.info("slow").state, PluginState::failed);
  EXPECT_EQ(world.info("slow").last_error.value().code, "loader_blocked");
  EXPECT_EQ(world.run("echo.say").kind, Outcome::Kind::succeeded);
  EXPECT_FALSE(world.stop());
}

}  // namespace
}  // namespace cofounder
