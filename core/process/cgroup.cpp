// SPDX-License-Identifier: Apache-2.0
#include "core/process/cgroup.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <system_error>
#include <vector>

namespace cofounder {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t file_bytes_max = 65'536;

Error unusable(const fs::path& file, int error) {
  return make_error("cgroup_unusable",
                    file.string() + ": " + std::generic_category().message(error),
                    error == EBUSY || error == EAGAIN || error == ENOTEMPTY);
}

// Returns errno, 0 when all is well.  Never makes a file: in a cgroup the kernel does.
int write_text(const fs::path& file, std::string_view text) {
  const Descriptor opened{::open(file.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW)};
  if (!opened) return errno;
  const ssize_t wrote = ::write(opened.get(), text.data(), text.size());
  if (wrote < 0) return errno;
  return static_cast<std::size_t>(wrote) == text.size() ? 0 : EIO;
}

std::optional<std::string> read_text(const fs::path& file) {
  const Descriptor opened{::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
  if (!opened) return std::nullopt;
  std::string text(file_bytes_max, '\0');
  std::size_t length = 0;
  while (length < text.size()) {
    const ssize_t got = ::read(opened.get(), text.data() + length, text.size() - length);
    if (got < 0) return std::nullopt;
    if (got == 0) break;
    length += static_cast<std::size_t>(got);
  }
  text.resize(length);
  return text;
}

std::vector<std::string_view> words(std::string_view text) {
  std::vector<std::string_view> found;
  while (!text.empty()) {
    const auto begin = text.find_first_not_of(" \n");
    if (begin == std::string_view::npos) break;
    text.remove_prefix(begin);
    const auto end = std::min(text.find_first_of(" \n"), text.size());
    found.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return found;
}

bool has_word(std::string_view text, std::string_view word) {
  const auto all = words(text);
  return std::find(all.begin(), all.end(), word) != all.end();
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end == text.data()) return std::nullopt;
  return value;
}

// The number in the file, or the one behind `key` ("oom_kill 3").
std::optional<std::uint64_t> read_number(const fs::path& file, std::string_view key = {}) {
  const auto text = read_text(file);
  if (!text) return std::nullopt;
  const auto all = words(*text);
  if (key.empty()) return all.empty() ? std::nullopt : number(all.front());
  for (std::size_t i = 0; i + 1 < all.size(); i += 2) {
    if (all[i] == key) return number(all[i + 1]);
  }
  return std::nullopt;
}

bool is_name(std::string_view name) noexcept {
  return !name.empty() && name.size() <= 64 && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_' || c == '.';
         });
}

void add_reason(std::string& reason, const std::string& more) {
  if (!reason.empty()) reason += "; ";
  reason += more;
}

}  // namespace

Result<Descriptor> Cgroup::processes_file() const {
  const fs::path file = folder_ / "cgroup.procs";
  Descriptor opened{::open(file.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW)};
  if (!opened) return unusable(file, errno);
  return opened;
}

CgroupUsage Cgroup::usage() const {
  CgroupUsage usage;
  usage.memory_bytes = read_number(folder_ / "memory.current");
  usage.processes = read_number(folder_ / "pids.current");
  usage.oom_kills = read_number(folder_ / "memory.events", "oom_kill");
  if (const auto used = read_number(folder_ / "cpu.stat", "usage_usec")) {
    usage.cpu = std::chrono::microseconds{*used};
  }
  return usage;
}

std::optional<bool> Cgroup::is_populated() const {
  const auto populated = read_number(folder_ / "cgroup.events", "populated");
  if (!populated) return std::nullopt;
  return *populated != 0;
}

std::optional<Error> Cgroup::kill() const {
  const fs::path file = folder_ / "cgroup.kill";
  if (const int error = write_text(file, "1"); error != 0) return unusable(file, error);
  return std::nullopt;
}

std::optional<Error> Cgroup::remove() const {
  if (::rmdir(folder_.c_str()) != 0 && errno != ENOENT) return unusable(folder_, errno);
  return std::nullopt;
}

bool CgroupTree::hand_down(std::string_view controller, std::string_view delegated) {
  if (!has_word(delegated, controller)) {
    add_reason(status_.reason, "no " + std::string{controller} + " controller in " +
                                   (root_ / "cgroup.controllers").string());
    return false;
  }
  const fs::path file = root_ / "cgroup.subtree_control";
  const auto now = read_text(file);
  if (now && has_word(*now, controller)) return true;
  if (const int error = write_text(file, "+" + std::string{controller}); error != 0) {
    add_reason(status_.reason, unusable(file, error).message + " (+" + std::string{controller} + ")");
    return false;
  }
  return true;
}

// False with a reason.
bool CgroupTree::leave_root() {
  const auto not_ours = [this](const fs::path& file, int error) {
    status_.reason = unusable(file, error).message + "; not delegated?";
    return false;
  };
  const auto inside = read_text(root_ / "cgroup.procs");
  const auto processes = words(inside ? *inside : std::string_view{});
  const std::string self = std::to_string(self_);
  const auto mine = std::count(processes.begin(), processes.end(), self);
  const auto others = static_cast<std::ptrdiff_t>(processes.size()) - mine;
  if (others > 0) {
    status_.reason = root_.string() + " has " + std::to_string(others) +
                     " processes besides the daemon, so it was not delegated to it";
    return false;
  }
  if (mine == 0) return ::access(root_.c_str(), W_OK) == 0 || not_ours(root_, errno);
  const fs::path leaf = root_ / "daemon";
  if (::mkdir(leaf.c_str(), 0755) != 0 && errno != EEXIST) return not_ours(leaf, errno);
  const int error = write_text(leaf / "cgroup.procs", self);
  return error == 0 || not_ours(leaf / "cgroup.procs", error);
}

CgroupStatus CgroupTree::open() {
  status_ = {};
  const auto delegated = read_text(root_ / "cgroup.controllers");
  if (!delegated) {
    status_.reason = root_.string() + " is no cgroup v2 folder";
    return status_;
  }
  if (!leave_root()) return status_;
  status_.usable = true;
  status_.memory = hand_down("memory", *delegated);
  status_.processes = hand_down("pids", *delegated);
  status_.cpu = hand_down("cpu", *delegated);
  return status_;
}

std::vector<Cgroup> CgroupTree::groups(std::string_view prefix) const {
  std::vector<Cgroup> found;
  std::error_code error;
  for (fs::directory_iterator it{root_, error}, end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    std::error_code ignored;
    if (name.starts_with(prefix) && it->is_directory(ignored)) found.emplace_back(it->path());
  }
  return found;
}

Result<Cgroup> CgroupTree::make(std::string_view name, const CgroupLimits& limits) const {
  if (!status_.usable) return make_error("cgroup_unusable", status_.reason);
  if (!is_name(name)) return make_error("cgroup_unusable", "not a name for a group");
  const fs::path folder = root_ / name;
  if (::mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) return unusable(folder, errno);

  const auto text = [](const std::optional<std::uint64_t>& limit) {
    return limit ? std::to_string(*limit) : std::string{"max"};
  };
  std::vector<std::pair<const char*, std::string>> files;
  if (status_.memory) {
    files.emplace_back("memory.max", text(limits.memory_bytes));
    // One process more or less of a plugin is of no use to anyone.
    files.emplace_back("memory.oom.group", "1");
  }
  if (status_.processes) files.emplace_back("pids.max", text(limits.processes));
  if (status_.cpu) {
    constexpr std::uint64_t period_us = 100'000;
    files.emplace_back("cpu.max", (limits.cpu_percent
                                       ? std::to_string(*limits.cpu_percent * period_us / 100)
                                       : std::string{"max"}) +
                                      " " + std::to_string(period_us));
  }
  for (const auto& [file, value] : files) {
    if (const int error = write_text(folder / file, value); error != 0) {
      ::rmdir(folder.c_str());
      return unusable(folder / file, error);
    }
  }
  // Else what is over the limit would go to swap; a kernel without swap has no such file.
  if (status_.memory && limits.memory_bytes) {
    const int error = write_text(folder / "memory.swap.max", "0");
    if (error != 0 && error != ENOENT) return unusable(folder / "memory.swap.max", error);
  }
  return Cgroup{folder};
}

std::optional<std::filesystem::path> own_cgroup(std::string_view proc_self_cgroup,
                                                const std::filesystem::path& mounted) {
  while (!proc_self_cgroup.empty()) {
    const auto end = std::min(proc_self_cgroup.find('\n'), proc_self_cgroup.size());
    std::string_view line = proc_self_cgroup.substr(0, end);
    proc_self_cgroup.remove_prefix(std::min(end + 1, proc_self_cgroup.size()));
    if (!line.starts_with("0::/")) continue;
    line.remove_prefix(4);
    return line.empty() ? mounted : mounted / line;
  }
  return std::nullopt;
}

namespace {

struct Mount {
  std::string_view group;  // that is seen as its root
  fs::path folder;
};

// "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw", in a container perhaps of a part only.
std::optional<Mount> mount_of_cgroup2(std::string_view mountinfo) {
  while (!mountinfo.empty()) {
    const auto end = std::min(mountinfo.find('\n'), mountinfo.size());
    const auto fields = words(mountinfo.substr(0, end));
    mountinfo.remove_prefix(std::min(end + 1, mountinfo.size()));
    const auto dash = std::find(fields.begin(), fields.end(), "-");
    if (fields.end() - dash < 2 || dash - fields.begin() < 5) continue;
    if (*(dash + 1) == "cgroup2") return Mount{fields[3], fs::path{fields[4]}};
  }
  return std::nullopt;
}

}  // namespace

Result<std::filesystem::path> delegated_root(std::string_view proc_self_cgroup,
                                             std::string_view mountinfo) {
  const auto mounted = mount_of_cgroup2(mountinfo);
  if (!mounted) return make_error("cgroup_unusable", "no cgroup2 file system is mounted");
  const auto own = own_cgroup(proc_self_cgroup, "/");
  if (!own) return make_error("cgroup_unusable", "the daemon is in no control group of version 2");
  const auto below = own->lexically_relative(mounted->group);
  if (below.empty() || *below.begin() == "..") {
    return make_error("cgroup_unusable", "the daemon's control group is not below " +
                                             mounted->folder.string());
  }
  if (below == ".") return mounted->folder;
  fs::path root = mounted->folder / below;
  return root.filename() == "daemon" ? root.parent_path() : root;
}

Result<std::filesystem::path> find_delegated_root() {
  const auto cgroup = read_text("/proc/self/cgroup");
  const auto mounts = read_text("/proc/self/mountinfo");
  return delegated_root(cgroup.value_or(""), mounts.value_or(""));
}

}  // namespace cofounder
