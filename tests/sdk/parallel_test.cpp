// SPDX-License-Identifier: Apache-2.0
// A parallel plugin: calls on several workers, each of them on one at a time.
#include <cofounder/plugin.hpp>
#include <cofounder/testkit.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace {

namespace sdk = cofounder::sdk;
namespace testkit = cofounder::testkit;
using sdk::Context;
using sdk::Json;
using sdk::Task;

class Parallel : public sdk::Plugin {
 public:
  Parallel() { operation("work", &Parallel::work); }
  std::atomic<int> spawned{0};

 private:
  Task<Json> work(Context ctx, Json args) {
    int here = 0;  // belongs to one call: needs no lock
    spawn(aside(background()));
    for (int i = 0; i < 20; ++i) {
      auto yielded = co_await ctx.yield();
      yielded.value();
      auto other = ctx.kv().put("k", "v");  // answered while another thing is awaited
      auto slept = co_await ctx.sleep(sdk::Nanoseconds{0});
      slept.value();
      auto version = co_await other;
      version.value();
      ++here;
    }
    co_return here + args.at("n").get<int>();
  }
  Task<void> aside(Context ctx) {
    ctx.kv().put("aside", "v").ignore();
    auto slept = co_await ctx.sleep(sdk::Nanoseconds{0});
    if (slept) ++spawned;
  }
};

TEST(ParallelTest, RunsManyCallsOnManyWorkers) {
  testkit::Host host{sdk::plugin_table<Parallel>()};
  host.start();
  constexpr int workers = 4;
  constexpr int calls_each = 50;
  std::vector<const testkit::Call*> calls(workers * calls_each);
  std::vector<std::thread> threads;
  for (int w = 0; w < workers; ++w) {
    threads.emplace_back([&, w] {
      for (int i = 0; i < calls_each; ++i) {
        const int n = w * calls_each + i;
        calls.at(static_cast<std::size_t>(n)) =
            &host.operation("work", "{\"n\": " + std::to_string(n) + "}");
        host.run();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  host.run();

  for (std::size_t n = 0; n < calls.size(); ++n) {
    ASSERT_TRUE(calls[n]->ended);
    EXPECT_EQ(calls[n]->ended->result, std::to_string(n + 20));
  }
  host.stop();
  EXPECT_EQ(host.violations, std::vector<std::string>{});
  EXPECT_EQ(host.open_tags(), 0u);
  EXPECT_EQ(host.late_completions, 0);
}

}  // namespace
