// SPDX-License-Identifier: Apache-2.0
#include "core/process/child_groups.hpp"

#include "core/base/log.hpp"

#include <algorithm>
#include <utility>

namespace cofounder {
namespace {

constexpr std::string_view prefix = "plugin-";
// A killed process is not gone at once, and as long its group cannot be removed.
constexpr Milliseconds wait_first{20};
constexpr Milliseconds wait_most{5'000};

}  // namespace

ChildGroup::ChildGroup(ChildGroups& groups, Cgroup group)
    : groups_{groups}, group_{std::move(group)}, alive_{groups.alive_} {}

ChildGroup::~ChildGroup() {
  if (!alive_.expired()) groups_.end(std::move(group_));
}

ChildGroups::ChildGroups(Clock& clock, Result<std::filesystem::path> root, pid_t self)
    : clock_{clock} {
  if (root.has_error()) {
    status_.reason = root.error().message;
  } else {
    tree_.emplace(std::move(*root), self);
  }
}

ChildGroups::~ChildGroups() {
  if (timer_ != 0) clock_.cancel(timer_);
  for (const Cgroup& group : ending_) group.remove();
}

const CgroupStatus& ChildGroups::open() {
  if (!tree_) return status_;
  status_ = tree_->open();
  if (!status_.usable) return status_;
  for (Cgroup& group : tree_->groups(prefix)) {
    log::info("an earlier daemon left the control group " + group.folder().string());
    end(std::move(group));
  }
  return status_;
}

std::string ChildGroups::text() const {
  std::string text;
  const auto add = [&](bool is_there, const char* name) {
    if (is_there) text += (text.empty() ? "" : ", ") + std::string{name};
  };
  add(status_.memory, "memory.max");
  add(status_.processes, "pids.max");
  add(status_.cpu, "cpu.max");
  text = text.empty() ? "isolated plugins have only the limits of setrlimit(2)"
                      : "isolated plugins have control groups with " + text;
  return status_.reason.empty() ? text : text + ": " + status_.reason;
}

Result<std::unique_ptr<ChildGroup>> ChildGroups::make(std::string_view plugin,
                                                      const CgroupLimits& limits) {
  if (!tree_ || !status_.usable) return std::unique_ptr<ChildGroup>{};
  std::string name;
  // Not the name of one that is about to be removed.
  const auto is_ending = [&](const Cgroup& group) { return group.folder().filename() == name; };
  do {
    name = std::string{prefix} + std::string{plugin} + "." + std::to_string(++last_);
  } while (std::any_of(ending_.begin(), ending_.end(), is_ending));
  Result<Cgroup> made = tree_->make(name, limits);
  if (made.has_value()) return std::make_unique<ChildGroup>(*this, std::move(*made));
  Error error = std::move(made).error();
  error.retryable = true;
  return error;
}

void ChildGroups::end(Cgroup group) {
  if (const auto error = group.kill()) log::warning(error->message);
  ending_.push_back(std::move(group));
  wait_ = wait_first;
  if (timer_ != 0) clock_.cancel(std::exchange(timer_, 0));
  sweep();
}

void ChildGroups::sweep() {
  std::erase_if(ending_, [](const Cgroup& group) {
    const auto error = group.remove();
    if (error && error->retryable) return false;
    if (error) log::warning(error->message);
    return true;
  });
  if (ending_.empty()) return;
  timer_ = clock_.call_after(wait_, [this] {
    timer_ = 0;
    wait_ = std::min(2 * wait_, wait_most);
    sweep();
  });
}

}  // namespace cofounder
