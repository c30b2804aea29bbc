// SPDX-License-Identifier: Apache-2.0
// A host of 1.0 with a plugin of a later version, and the promise that headers only grow.
#include "tests/abi/load.hpp"

#include <cofounder/testkit.hpp>

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <string>

namespace {

namespace testkit = cofounder::testkit;

TEST(OldHostTest, LetsANewerPluginDoWithoutWhatItLacks) {
  testkit::Host host{load_plugin("abi/abi_new_plugin.so")};
  host.start();
  const auto& call = host.operation("look", "{}");
  ASSERT_TRUE(call.ended);
  EXPECT_EQ(call.ended->result, R"({"minor":0,"prewarm":-11,"submitted_ms":0,"boot_ms":-1})");
  EXPECT_EQ(host.violations, std::vector<std::string>{});
}

TEST(OldHostTest, RunsAPluginOfItsOwnVersion) {
  testkit::Host host{load_plugin("abi/abi_old_plugin.so")};
  host.start();
  host.answer(testkit::HttpAnswer::broken(COF_ETIMEDOUT));
  const auto& call = host.operation("work", "{}");
  host.run();
  EXPECT_EQ(call.ended->status, COF_ETIMEDOUT);
}

// ---- The text of the headers -------------------------------------------------------------------
// Sizes and offsets do not see a slot whose arguments changed.

std::string code_of(const std::filesystem::path& file) {
  std::ifstream stream{file};
  std::string text{std::istreambuf_iterator<char>{stream}, {}};
  if (text.empty()) throw std::runtime_error{"cannot read " + file.string()};
  for (std::size_t at = text.find("/*"); at != std::string::npos; at = text.find("/*")) {
    text.erase(at, text.find("*/", at) + 2 - at);
  }
  return text;
}

std::string without_spaces(std::string text) {
  return std::regex_replace(text, std::regex{"\\s+"}, "");
}

struct Header {
  std::map<std::string, std::string> structs;  // name -> members without spaces and comments
  std::set<std::string> values;                // "COF_X=1"
  std::set<std::string> interfaces;            // "COF_X_IID"cof.x/1""
};

Header read_header(const std::filesystem::path& file) {
  const std::string code = code_of(file);
  Header header;
  for (std::size_t at = code.find("struct cof_"); at != std::string::npos;
       at = code.find("struct cof_", at + 1)) {
    const std::size_t open = code.find_first_of("{;", at);
    if (open == std::string::npos || code[open] == ';') continue;
    const std::string name = without_spaces(code.substr(at + 7, open - at - 7));
    if (name.starts_with("cof_manifest_note_")) continue;  // stays within the library
    header.structs[name] = without_spaces(code.substr(open + 1, code.find("\n}", open) - open - 1));
  }
  const std::regex value{"(COF_[A-Z0-9_]+) *= *(-?[0-9]+)"};
  for (std::sregex_iterator it{code.begin(), code.end(), value}, end; it != end; ++it) {
    header.values.insert((*it)[1].str() + "=" + (*it)[2].str());
  }
  const std::regex interface{"#define (COF_[A-Z]+_IID) (\"[^\"]+\")"};
  for (std::sregex_iterator it{code.begin(), code.end(), interface}, end; it != end; ++it) {
    header.interfaces.insert((*it)[1].str() + (*it)[2].str());
  }
  return header;
}

// What `later` broke of `frozen`; empty when it only added.
std::vector<std::string> broken_by(const Header& frozen, const Header& later) {
  std::vector<std::string> broken;
  for (const auto& [name, members] : frozen.structs) {
    const auto now = later.structs.find(name);
    if (now == later.structs.end() || !now->second.starts_with(members)) broken.push_back(name);
    const bool may_grow = name != "cof_str" && name != "cof_bytes" && name != "cof_sink";
    if (!may_grow && now != later.structs.end() && now->second != members) broken.push_back(name);
  }
  for (const std::string& value : frozen.values) {
    if (!later.values.contains(value)) broken.push_back(value);
  }
  for (const std::string& interface : frozen.interfaces) {
    if (!later.interfaces.contains(interface)) broken.push_back(interface);
  }
  return broken;
}

TEST(HeaderTest, LaterVersionsOnlyAppend) {
  const std::filesystem::path frozen =
      COFOUNDER_SOURCE_DIR "/tests/abi/1.0-draft/include/cofounder";
  std::size_t structs = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator{frozen}) {
    if (entry.path().extension() != ".h" || entry.path().filename() == "plugin.h") continue;
    const auto name = std::filesystem::relative(entry.path(), frozen);
    const Header before = read_header(entry.path());
    structs += before.structs.size();
    for (const char* later : {COFOUNDER_SOURCE_DIR "/sdk/include/cofounder",
                              COFOUNDER_BINARY_DIR "/abi/next/cofounder"}) {
      EXPECT_EQ(broken_by(before, read_header(later / name)), std::vector<std::string>{})
          << later << "/" << name;
    }
  }
  EXPECT_EQ(structs, 37u);
}

TEST(HeaderTest, SeesWhatBreaksThePromise) {
  const Header frozen{{{"cof_x", "int32_ta;int32_tb;"}, {"cof_str", "int32_ta;"}},
                      {"COF_A=1"},
                      {"COF_X_IID\"cof.x/1\""}};
  Header later = frozen;
  later.structs["cof_x"] += "int64_tc;";
  EXPECT_TRUE(broken_by(frozen, later).empty());
  later.structs["cof_x"] = "int32_ta;int64_tb;";
  later.structs["cof_str"] += "int32_tb;";
  later.values = {"COF_A=2"};
  later.interfaces.clear();
  EXPECT_EQ(broken_by(frozen, later).size(), 4u);
}

}  // namespace
