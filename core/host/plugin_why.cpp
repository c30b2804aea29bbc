// SPDX-License-Identifier: Apache-2.0
#include "core/host/plugin_why.hpp"

#include "core/host/border.hpp"

namespace cofounder {

void LogTail::add(std::string_view line) {
  std::string kept{host::cut_text(line, line_bytes_max)};
  const std::lock_guard lock{mutex_};
  if (lines_.size() >= lines_max) lines_.pop_front();
  lines_.push_back(std::move(kept));
}

std::vector<std::string> LogTail::lines() const {
  const std::lock_guard lock{mutex_};
  return {lines_.begin(), lines_.end()};
}

}  // namespace cofounder
