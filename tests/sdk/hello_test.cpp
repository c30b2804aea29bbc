// SPDX-License-Identifier: Apache-2.0
// The two smallest plugins, as built libraries, in the loop-back host.
#include <cofounder/testkit.hpp>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <dlfcn.h>

#include <fstream>
#include <iterator>
#include <string>

namespace {

namespace testkit = cofounder::testkit;
using Json = nlohmann::json;

class HelloTest : public testing::TestWithParam<const char*> {
 protected:
  // Never closed: a library stays until the process ends.
  const cof_plugin& load() {
    const std::string path = std::string{COFOUNDER_BINARY_DIR "/plugins/"} + GetParam() + ".so";
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) throw std::runtime_error{dlerror()};
    const auto entry =
        reinterpret_cast<decltype(&cof_plugin_entry_v1)>(dlsym(library, "cof_plugin_entry_v1"));
    return *entry();
  }
  std::string greet(testkit::Host& host, const std::string& name) {
    const Json args = Json::object({{"name", name}});
    const auto& call = host.operation("greet", args.dump());
    if (!call.ended || !call.ended->ok()) return "failed";
    return Json::parse(call.ended->result).at("greeting");
  }
};

TEST_P(HelloTest, Greets) {
  testkit::Host host{load()};
  host.start();
  EXPECT_EQ(greet(host, "Ada"), "Hello, Ada!");
  EXPECT_EQ(greet(host, "\"\\\n\x01 üß😀"), "Hello, \"\\\n\x01 üß😀!");
  host.stop();
  EXPECT_EQ(host.violations, std::vector<std::string>{});
}

TEST_P(HelloTest, FailsPolitely) {
  testkit::Host host{load()};
  host.start();
  EXPECT_LT(host.operation("greet", "{}").ended->status, 0);
  EXPECT_EQ(host.operation("gree", R"({"name": "Ada"})").ended->status, COF_EUNSUPPORTED);
  EXPECT_EQ(host.operation("greeting", R"({"name": "Ada"})").ended->status, COF_EUNSUPPORTED);
  EXPECT_LT(host.event("greet", R"({"name": "Ada"})").ended->status, 0);
}

TEST_P(HelloTest, IsRefusedByAHostWithoutTheInterfacesItNeeds) {
  testkit::Host host{load(), {.without = {COF_CALL_IID}}};
  EXPECT_EQ(host.create().ended->status, COF_EUNSUPPORTED);
}

INSTANTIATE_TEST_SUITE_P(Both, HelloTest, testing::Values("hello", "hello-c"),
                         [](const auto& name) {
                           return std::string{name.param} == "hello" ? "cpp" : "c";
                         });

TEST(HelloSourceTest, HasLessThan25Lines) {
  std::ifstream source{COFOUNDER_SOURCE_DIR "/plugins/hello/hello.cpp"};
  const std::string text{std::istreambuf_iterator<char>{source}, {}};
  ASSERT_NE(text.find("COF_EXPORT_PLUGIN"), std::string::npos);
  EXPECT_LT(std::count(text.begin(), text.end(), '\n'), 25);
}

}  // namespace
