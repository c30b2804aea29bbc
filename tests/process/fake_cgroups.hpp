// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>

namespace cofounder::test {

// A folder that looks like a cgroup v2 tree.  The kernel's files appear with a group; here they are
// made before.
class FakeCgroups {
 public:
  FakeCgroups() {
    std::string name =
        (std::filesystem::temp_directory_path() / "cofounder-cgroup-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error{"no temporary folder"};
    root = name;
    put("cgroup.controllers", "cpuset cpu io memory pids\n");
    put("cgroup.subtree_control", "");
    put("cgroup.procs", "");
  }
  ~FakeCgroups() {
    std::error_code ignored;
    std::filesystem::remove_all(root, ignored);
  }
  FakeCgroups(const FakeCgroups&) = delete;
  FakeCgroups& operator=(const FakeCgroups&) = delete;

  void put(const std::filesystem::path& file, std::string_view text) {
    std::filesystem::create_directories((root / file).parent_path());
    std::ofstream{root / file} << text;
  }
  std::string at(const std::filesystem::path& file) {
    std::ifstream in{root / file};
    return {std::istreambuf_iterator<char>{in}, {}};
  }
  void put_group(const std::filesystem::path& name) {
    for (const char* file : {"memory.max", "memory.oom.group", "memory.swap.max", "pids.max",
                             "cpu.max", "cgroup.procs", "cgroup.kill"}) {
      put(name / file, "");
    }
  }
  bool has(const std::filesystem::path& name) const { return std::filesystem::exists(root / name); }
  // As the kernel does when a group's folder is removed.
  void drop_files(const std::filesystem::path& name) {
    std::filesystem::remove_all(root / name);
    std::filesystem::create_directory(root / name);
  }

  std::filesystem::path root;
};

}  // namespace cofounder::test
