// SPDX-License-Identifier: Apache-2.0
#include "core/process/landlock.hpp"

#include "core/base/descriptor.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstdint>

namespace cofounder {
namespace {

// From the kernel's <linux/landlock.h>; Debian 12's is older than the kernels it may run on.
// What a version does not know it must not be asked for.
constexpr long sys_create_ruleset = 444;
constexpr long sys_add_rule = 445;
constexpr long sys_restrict_self = 446;
constexpr int rule_path_beneath = 1;

struct RulesetAttributes {
  std::uint64_t files;
  std::uint64_t network;  // version 4
  std::uint64_t scoped;   // version 6
};
struct __attribute__((packed)) PathAttributes {
  std::uint64_t allowed;
  std::int32_t folder;
};

constexpr std::uint64_t fs_execute = 1U << 0;
constexpr std::uint64_t fs_write_file = 1U << 1;
constexpr std::uint64_t fs_read_file = 1U << 2;
constexpr std::uint64_t fs_read_dir = 1U << 3;
constexpr std::uint64_t fs_remove_dir = 1U << 4;
constexpr std::uint64_t fs_remove_file = 1U << 5;
constexpr std::uint64_t fs_make_dir = 1U << 7;
constexpr std::uint64_t fs_make_regular = 1U << 8;
constexpr std::uint64_t fs_version_1 = (1U << 13) - 1;
constexpr std::uint64_t fs_refer = 1U << 13;     // version 2
constexpr std::uint64_t fs_truncate = 1U << 14;  // version 3
constexpr std::uint64_t fs_ioctl_dev = 1U << 15; // version 5
constexpr std::uint64_t net_bind_tcp = 1U << 0;
constexpr std::uint64_t net_connect_tcp = 1U << 1;
constexpr std::uint64_t scope_abstract_sockets = 1U << 0;
constexpr std::uint64_t scope_signals = 1U << 1;

// No links, no devices, no FIFOs: what is in scratch is read by the daemon, too.
constexpr std::uint64_t scratch_rights = fs_read_file | fs_read_dir | fs_write_file |
                                         fs_remove_dir | fs_remove_file | fs_make_dir |
                                         fs_make_regular | fs_refer | fs_truncate;
constexpr std::uint64_t library_rights = fs_read_file | fs_read_dir | fs_execute;
constexpr std::uint64_t rights_of_files = fs_execute | fs_write_file | fs_read_file | fs_truncate;

// Returns errno, 0 when all is well.
int allow(int ruleset, const std::string& path, std::uint64_t rights) {
  const Descriptor opened{::open(path.c_str(), O_PATH | O_CLOEXEC)};
  if (!opened) return errno;
  struct stat status{};
  if (::fstat(opened.get(), &status) != 0) return errno;
  if (!S_ISDIR(status.st_mode)) rights &= rights_of_files;
  const PathAttributes rule{rights, opened.get()};
  return ::syscall(sys_add_rule, ruleset, rule_path_beneath, &rule, 0) == 0 ? 0 : errno;
}

}  // namespace

int landlock_version() noexcept {
  constexpr std::uint32_t ask_version = 1;
  const long version = ::syscall(sys_create_ruleset, nullptr, 0, ask_version);
  return version > 0 ? static_cast<int>(version) : 0;
}

SandboxRefusal enter_landlock(const SandboxRules& rules) {
  const int version = landlock_version();
  if (version < 1) return {"landlock", "landlock_create_ruleset", errno};

  RulesetAttributes attributes{fs_version_1, 0, 0};
  std::size_t attributes_bytes = sizeof attributes.files;
  if (version >= 2) attributes.files |= fs_refer;
  if (version >= 3) attributes.files |= fs_truncate;
  if (version >= 4) {
    attributes.network = net_bind_tcp | net_connect_tcp;
    attributes_bytes += sizeof attributes.network;
  }
  if (version >= 5) attributes.files |= fs_ioctl_dev;
  if (version >= 6) {
    attributes.scoped = scope_abstract_sockets | scope_signals;
    attributes_bytes += sizeof attributes.scoped;
  }

  const Descriptor ruleset{
      static_cast<int>(::syscall(sys_create_ruleset, &attributes, attributes_bytes, 0))};
  if (!ruleset) return {"landlock", "landlock_create_ruleset", errno};
  for (const std::string& path : rules.read_execute) {
    const int error = allow(ruleset.get(), path, library_rights & attributes.files);
    if (error != 0 && error != ENOENT) return {"landlock", path.c_str(), error};
  }
  for (const std::string& path : rules.read_write) {
    const int error = allow(ruleset.get(), path, scratch_rights & attributes.files);
    if (error != 0) return {"landlock", path.c_str(), error};
  }
  if (::syscall(sys_restrict_self, ruleset.get(), 0) != 0) {
    return {"landlock", "landlock_restrict_self", errno};
  }
  return {};
}

}  // namespace cofounder
