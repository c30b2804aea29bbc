// SPDX-License-Identifier: Apache-2.0
// A host of the version that does not exist, with plugins of 1.0 and of its own version.
#include "tests/abi/load.hpp"

#include <cofounder/testkit.hpp>

#include <gtest/gtest.h>

namespace {

namespace testkit = cofounder::testkit;

static_assert(COF_ABI_MINOR == 1 && sizeof(cof_invocation) == 104);

std::int32_t prewarm(const cof_host*, cof_str origin) {
  return testkit::view(origin) == "https://example.org" ? COF_OK : COF_EINVALID;
}
std::int64_t boot_ms(const cof_host*) { return 77; }
constexpr cof_boot_service boot_table{sizeof(cof_boot_service), 0, &boot_ms};

// Gives everything that 1.1 added.
struct NewHost : testkit::Host {
  explicit NewHost(const std::string& file) : Host{load_plugin(file)} {
    http_table.minor = 1;
    http_table.prewarm = &prewarm;
    tables[COF_BOOT_IID] = &boot_table;
    before_invoke = [](cof_invocation& invocation) { invocation.submitted_ms = 99; };
  }
};

TEST(NewHostTest, RunsAPluginOf10ThatUsesItsServices) {
  NewHost host{"abi/abi_old_plugin.so"};
  host.start();
  host.answer(testkit::HttpAnswer::text(200, "12345"));
  const auto& call = host.operation("work", "{}", {.task_id = "T1"});
  host.run();
  ASSERT_TRUE(call.ended);
  EXPECT_EQ(call.ended->status, COF_OK);
  EXPECT_EQ(call.ended->result, "5");
  EXPECT_EQ(host.values.at("task").value, "T1");
  host.stop();
  EXPECT_EQ(host.violations, std::vector<std::string>{});
}

TEST(NewHostTest, RunsHelloBuiltWithTheFrozenHeaders) {
  NewHost host{"abi/abi_old_hello.so"};
  host.start();
  EXPECT_EQ(host.operation("greet", R"({"name": "Ada"})").ended->result,
            R"({"greeting":"Hello, Ada!"})");
}

TEST(NewHostTest, RunsHelloOfTheCppLayerOf10) {
  NewHost host{"plugins/hello.so"};
  host.start();
  EXPECT_EQ(host.operation("greet", R"({"name": "Ada"})").ended->result,
            R"({"greeting":"Hello, Ada!"})");
}

TEST(NewHostTest, GivesItsOwnPluginsAllThatIsNew) {
  NewHost host{"abi/abi_new_plugin.so"};
  host.start();
  EXPECT_EQ(host.operation("look", "{}").ended->result,
            R"({"minor":1,"prewarm":0,"submitted_ms":99,"boot_ms":77})");
}

}  // namespace
