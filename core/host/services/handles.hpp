// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace cofounder::host {

// One counter for the process: a handle is never used twice, and another plugin's is unknown.
inline std::uint64_t next_handle() noexcept {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

// Things of one plugin by handle.  From any thread.
template <class T>
class HandleTable {
 public:
  // False: there are `size_max` already.
  bool add(std::uint64_t handle, std::shared_ptr<T> thing, std::size_t size_max) {
    const std::lock_guard guard{mutex_};
    if (things_.size() >= size_max) return false;
    things_.emplace(handle, std::move(thing));
    return true;
  }
  std::shared_ptr<T> find(std::uint64_t handle) const {
    const std::lock_guard guard{mutex_};
    const auto found = things_.find(handle);
    return found == things_.end() ? nullptr : found->second;
  }
  // What was there; the caller destroys it without the lock.
  std::shared_ptr<T> remove(std::uint64_t handle) {
    const std::lock_guard guard{mutex_};
    const auto found = things_.find(handle);
    if (found == things_.end()) return nullptr;
    auto thing = std::move(found->second);
    things_.erase(found);
    return thing;
  }
  template <class Predicate>
  std::vector<std::shared_ptr<T>> remove_if(Predicate matches) {
    std::vector<std::shared_ptr<T>> removed;
    const std::lock_guard guard{mutex_};
    for (auto at = things_.begin(); at != things_.end();) {
      if (matches(*at->second)) {
        removed.push_back(std::move(at->second));
        at = things_.erase(at);
      } else {
        ++at;
      }
    }
    return removed;
  }
  std::size_t size() const {
    const std::lock_guard guard{mutex_};
    return things_.size();
  }

 private:
  mutable std::mutex mutex_;
  std::unordered_map<std::uint64_t, std::shared_ptr<T>> things_;
};

}  // namespace cofounder::host
