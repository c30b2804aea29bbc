// SPDX-License-Identifier: Apache-2.0
#include "core/host/call_table.hpp"

namespace cofounder::host {

namespace {
std::atomic<std::uint64_t> last_call_id{0};
}

void RouteSide::send_head(int fallback_status, const char* fallback_type) {
  if (head_sent) return;
  head_sent = true;
  int code = 0;
  std::vector<std::pair<std::string, std::string>> lines;
  {
    const std::lock_guard lock{mutex};
    code = status;
    lines = std::move(headers);
  }
  if (code == 0) {
    code = fallback_status;
    lines.assign(1, {"content-type", fallback_type});
  }
  if (sink.head) sink.head(code, std::move(lines));
}

void CallTable::add(const std::shared_ptr<Call>& call) {
  call->id = ++last_call_id;
  const std::lock_guard lock{mutex_};
  calls_.emplace(call->id, call);
}

std::shared_ptr<Call> CallTable::find(std::uint64_t id) const {
  const std::lock_guard lock{mutex_};
  const auto it = calls_.find(id);
  return it == calls_.end() || it->second->over ? nullptr : it->second;
}

bool CallTable::end(Call& call) {
  if (call.over.exchange(true)) return false;
  // Whoever ends a call holds it, so that erase() never frees it under the lock.
  const std::lock_guard lock{mutex_};
  calls_.erase(call.id);
  return true;
}

std::vector<std::shared_ptr<Call>> CallTable::all() const {
  const std::lock_guard lock{mutex_};
  std::vector<std::shared_ptr<Call>> calls;
  calls.reserve(calls_.size());
  for (const auto& [id, call] : calls_) calls.push_back(call);
  return calls;
}

std::size_t CallTable::size() const {
  const std::lock_guard lock{mutex_};
  return calls_.size();
}

}  // namespace cofounder::host
