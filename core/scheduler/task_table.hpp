// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/ids.hpp"

#include <cstddef>
#include <utility>
#include <vector>

namespace cofounder {

// A hash table from TaskId to a small value, flat in memory: half a million waiting tasks have to
// fit beside the program.  Open addressing with backward shifting, so that nothing is left behind
// by removals.  Pointers are valid until the next insert or erase.
template <class Value>
class TaskTable {
 public:
  Value* find(TaskId task) noexcept {
    if (slots_.empty() || task == 0) return nullptr;
    for (std::size_t i = home(task);; i = next(i)) {
      if (slots_[i].task == task) return &slots_[i].value;
      if (slots_[i].task == 0) return nullptr;
    }
  }
  const Value* find(TaskId task) const noexcept { return const_cast<TaskTable*>(this)->find(task); }

  // The task must not be there.
  void insert(TaskId task, const Value& value) {
    if ((size_ + 1) * 4 > slots_.size() * 3) grow();
    place(task, value);
    ++size_;
  }

  void erase(TaskId task) noexcept {
    if (slots_.empty() || task == 0) return;
    std::size_t hole = home(task);
    while (slots_[hole].task != task) {
      if (slots_[hole].task == 0) return;
      hole = next(hole);
    }
    for (std::size_t i = next(hole); slots_[i].task != 0; i = next(i)) {
      // It may move into the hole unless its home lies cyclically behind the hole.
      const std::size_t from_home = (i - home(slots_[i].task)) & mask();
      if (from_home < ((i - hole) & mask())) continue;
      slots_[hole] = slots_[i];
      hole = i;
    }
    slots_[hole].task = 0;
    --size_;
  }

  std::size_t size() const noexcept { return size_; }

 private:
  struct Slot {
    TaskId task = 0;  // 0: free
    Value value{};
  };

  std::size_t mask() const noexcept { return slots_.size() - 1; }
  std::size_t next(std::size_t i) const noexcept { return (i + 1) & mask(); }
  std::size_t home(TaskId task) const noexcept {
    return static_cast<std::size_t>((task * 0x9e3779b97f4a7c15ULL) >> 20U) & mask();
  }
  void place(TaskId task, const Value& value) noexcept {
    std::size_t i = home(task);
    while (slots_[i].task != 0) i = next(i);
    slots_[i] = Slot{task, value};
  }
  void grow() {
    std::vector<Slot> old(slots_.empty() ? 64 : slots_.size() * 2);
    std::swap(old, slots_);
    for (const Slot& slot : old) {
      if (slot.task != 0) place(slot.task, slot.value);
    }
  }

  std::vector<Slot> slots_;
  std::size_t size_ = 0;
};

}  // namespace cofounder
