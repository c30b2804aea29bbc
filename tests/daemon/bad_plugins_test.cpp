// SPDX-License-Identifier: Apache-2.0
// Plugin files that are none, or that this daemon cannot use: named, and never the end of it.
#include <elf.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "tests/support/real_daemon.hpp"

namespace cofounder::test {
namespace {

namespace fs = std::filesystem;

class PluginFiles : public testing::Test {
 protected:
  void add(const std::string& name, std::string_view bytes) {
    write_file(daemon.plugins() / name, bytes);
  }
  static void expect_named(const std::string& log, const std::string& name,
                           const std::string& word) {
    EXPECT_NE(log.find(name), std::string::npos) << log;
    EXPECT_NE(log.find(word), std::string::npos) << word << " is missing in:\n" << log;
  }
  RealDaemon daemon{{"plugins/hello.so"}};
};

TEST_F(PluginFiles, ThatAreNoPluginsAreNamedAndDoAsOnStartErrorSays) {
  const std::string hello = read_file(daemon.plugins() / "hello.so");
  std::string foreign = hello;
  foreign[18] = '\xb7';  // e_machine: AArch64
  add("text.so", "this is no library");
  add("empty.so", "");
  add("foreign.so", foreign);
  fs::copy_file("/bin/true", daemon.plugins() / "program.so");
  const auto ended = daemon.run();
  EXPECT_EQ(ended.code, 1) << "the default of on_start_error is \"fail\"";
  expect_named(ended.output, "text.so", "cannot start");

  std::string toml;
  const auto names = {"text", "empty", "foreign", "program"};
  for (const std::string name : names)
    toml += "[plugin." + name + "]\non_start_error = \"ignore\"\n";
  daemon.configure(toml);
  ASSERT_TRUE(daemon.start()) << daemon.log();
  EXPECT_TRUE(daemon.wait_for_state(daemon.submit(R"({"op":"hello.greet","args":{"name":"x"}})"),
                                    "succeeded"));
  for (const std::string name : names) {
    EXPECT_NE(daemon.log().find(name + ".so: "), std::string::npos) << name << "\n" << daemon.log();
    const auto shown = parse(daemon.get("/v1/plugins/" + name).body);
    EXPECT_EQ(shown.root().string_or("state", ""), "failed") << name;
  }
  EXPECT_EQ(daemon.stop(), 0);
}

// Where the part ends that is loaded; debug information comes after it.
std::size_t loaded_bytes(const std::string& library) {
  Elf64_Ehdr head;
  std::memcpy(&head, library.data(), sizeof head);
  std::size_t end = 0;
  for (std::size_t i = 0; i < head.e_phnum; ++i) {
    Elf64_Phdr part;
    std::memcpy(&part, library.data() + head.e_phoff + i * sizeof part, sizeof part);
    if (part.p_type == PT_LOAD) end = std::max<std::size_t>(end, part.p_offset + part.p_filesz);
  }
  return end;
}

// The loader of libc maps what the headers promise and dies of SIGBUS when it is not there.
TEST_F(PluginFiles, ThatAreTruncatedAreRefusedBeforeTheyAreLoaded) {
  const std::string metrics = read_file(COFOUNDER_BINARY_DIR "/plugins/metrics.so");
  const std::size_t end = loaded_bytes(metrics);
  ASSERT_GT(end, 10'000u);
  daemon.configure("[plugin.metrics]\non_start_error = \"ignore\"\n");
  for (const std::size_t bytes : {std::size_t{100}, end / 8, end / 2, end - 1}) {
    add("metrics.so", std::string_view{metrics}.substr(0, bytes));
    ASSERT_TRUE(daemon.start()) << bytes << " of " << end << " bytes\n" << daemon.log();
    const auto shown = parse(daemon.get("/v1/plugins/metrics").body);
    EXPECT_EQ(shown.root().string_or("state", ""), "failed") << bytes << " of " << end << " bytes";
    EXPECT_NE(daemon.log().find("metrics.so: "), std::string::npos) << daemon.log();
    EXPECT_EQ(daemon.stop(), 0);
  }
}

TEST_F(PluginFiles, OfANewerAbiOrWithAnUnknownInterfaceDoAsOnStartErrorSays) {
  for (const char* id : {"newer-abi", "missing-interface"}) {
    daemon.add_plugin(std::string{"fixtures/"} + id + ".so");
    const std::string table = std::string{"[plugin."} + id + "]\non_start_error = ";
    daemon.configure(table + "\"ignore\"\n");
    ASSERT_TRUE(daemon.start()) << daemon.log();
    const json::Document plugin = parse(daemon.get(std::string{"/v1/plugins/"} + id).body);
    EXPECT_EQ(plugin.root().string_or("state", ""), "failed") << plugin.root().text();
    EXPECT_FALSE(plugin.root().find("last_error").string_or("message", "").empty());
    EXPECT_EQ(daemon.get("/v1/plugins/hello").status, 200);
    EXPECT_EQ(daemon.stop(), 0);
    daemon.configure(table + "\"fail\"\n");
    const auto ended = daemon.run();
    EXPECT_EQ(ended.code, 1) << ended.output;
    expect_named(ended.output, id, "cannot start");
    fs::remove(daemon.plugins() / (std::string{id} + ".so"));
  }
}

TEST_F(PluginFiles, ThatOthersCouldHaveMadeAreRefused) {
  fs::create_directory(daemon.folder() / "elsewhere");
  const fs::path from = COFOUNDER_BINARY_DIR "/plugins/metrics.so";
  fs::copy_file(from, daemon.folder() / "elsewhere/metrics.so");
  const fs::path plugin = daemon.plugins() / "metrics.so";
  const auto refused = [&](const char* words) {
    // Nothing of it is read, so that its file's name is the best that there is.
    daemon.configure("[plugin.metrics]\non_start_error = \"ignore\"\n");
    ASSERT_TRUE(daemon.start()) << daemon.log();
    const std::string shown = daemon.get("/v1/plugins/metrics").body;
    EXPECT_EQ(parse(shown).root().string_or("state", ""), "failed") << shown;
    EXPECT_NE(shown.find(words), std::string::npos) << words << " is not in " << shown;
    EXPECT_TRUE(daemon.wait_for_state(daemon.submit(R"({"op":"hello.greet","args":{"name":"x"}})"),
                                      "succeeded"));
    EXPECT_EQ(daemon.stop(), 0);
    fs::remove(plugin);
  };
  fs::create_symlink(daemon.folder() / "elsewhere/metrics.so", plugin);
  refused("it is a link");
  fs::copy_file(from, plugin);
  fs::permissions(plugin, fs::perms{0666});
  refused("may write it");
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  fs::copy_file(from, plugin);
  ASSERT_EQ(::chown(plugin.c_str(), 65534, 65534), 0);
  refused("owner 65534");
}

TEST_F(PluginFiles, TwoWithOneIdAreNamedBoth) {
  fs::copy_file(daemon.plugins() / "hello.so", daemon.plugins() / "zzz.so");
  daemon.spawn();
  const bool runs = daemon.wait_ready();
  expect_named(daemon.log(), "zzz.so", "hello.so");
  if (runs) {
    EXPECT_TRUE(daemon.wait_for_state(daemon.submit(R"({"op":"hello.greet","args":{"name":"x"}})"),
                                      "succeeded"));
    EXPECT_EQ(daemon.stop(), 0);
  } else {
    EXPECT_EQ(daemon.child().wait(), 1);
  }
}

}  // namespace
}  // namespace cofounder::test
