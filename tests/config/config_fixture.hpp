// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace cofounder {

// A folder of its own with a cofounderd.toml in it.
class ConfigTest : public testing::Test {
 protected:
  ConfigTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "cof-config-XXXXXX").native();
    folder = ::mkdtemp(pattern.data());
    file = folder / "cofounderd.toml";
  }
  ~ConfigTest() override { std::filesystem::remove_all(folder); }

  void write(const std::filesystem::path& path, std::string_view text) {
    std::filesystem::create_directories(path.parent_path());
    std::ofstream{path, std::ios::binary} << text;
  }
  std::optional<Config> load(std::string_view text) {
    write(file, text);
    return reload();
  }
  std::optional<Config> reload() {
    errors = {};
    return load_config(file, errors);
  }
  // What is wrong with `text`, when that is one thing; without the path before the line.
  std::string problem(std::string_view text) {
    if (load(text)) return "no error";
    if (errors.lines.size() != 1) return testing::PrintToString(errors.lines);
    const std::string prefix = folder.native() + "/";
    const std::string& line = errors.lines.front();
    return line.starts_with(prefix) ? line.substr(prefix.size()) : line;
  }

  std::filesystem::path folder;
  std::filesystem::path file;
  ConfigErrors errors;
};

}  // namespace cofounder
