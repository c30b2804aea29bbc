// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/text.hpp"
#include "core/host/border.hpp"
#include "core/host/instance.hpp"
#include "core/host/services/services.hpp"
#include "core/host/services/state.hpp"

#include <cofounder/abi.h>

#include <atomic>
#include <new>
#include <stdexcept>

// What every service table is built with, for core/host/services/*.cpp only.
namespace cofounder::host {

// The body of a table's function: checks the host, and keeps "out of memory" on this side of the
// border.
template <class Function>
auto serve(const cof_host* host, Function function) noexcept -> decltype(function(
    std::declval<Instance&>())) {
  using Status = decltype(function(std::declval<Instance&>()));
  if (host == nullptr) return Status{COF_EINVALID};
  Instance& instance = Instance::of(host);
  if (instance.gone()) return Status{COF_EGONE};
  try {
    return function(instance);
  } catch (const std::bad_alloc&) {
    return Status{COF_EUNAVAILABLE};
  } catch (const std::length_error&) {
    return Status{COF_ETOOBIG};
  }
}

// A call that was entered, by its id: null when it is over, unknown, or no call at all (0).
inline std::shared_ptr<Call> entered_call(const Instance& instance, std::uint64_t id) {
  return id == 0 ? nullptr : instance.find_call(id);
}

// The first failed check of several: `if (auto s = first_of({...}); s != COF_OK) return s;`
inline std::int32_t first_of(std::initializer_list<std::int32_t> statuses) noexcept {
  for (const auto status : statuses) {
    if (status != COF_OK) return status;
  }
  return COF_OK;
}

// Gives an operation one last reply, from whoever comes first: the answer or the cancel.
class Answer {
 public:
  Answer(Instance& instance, std::shared_ptr<Operation> operation)
      : instance_{instance}, operation_{std::move(operation)} {}

  // False: it has one already.
  bool give(Reply reply) {
    if (given_.exchange(true)) return false;
    instance_.reply(operation_, std::move(reply));
    return true;
  }
  bool given() const noexcept { return given_; }
  const std::shared_ptr<Operation>& operation() const noexcept { return operation_; }

  // Loop: a cancel answers with COF_ECANCELLED, for questions that change nothing.
  static void cancellable(const std::shared_ptr<Answer>& answer) {
    answer->instance_.on_cancel(answer->operation_, [answer] {
      answer->give(Reply::failure(COF_ECANCELLED));
    });
  }

 private:
  Instance& instance_;
  const std::shared_ptr<Operation> operation_;
  std::atomic<bool> given_{false};
};

// Begins an operation and runs `action(Answer)` on the loop.  The action's question can be cancelled
// when `cancellable`: what is on its way to the disk ends as it does.
enum class Ends { as_it_does, with_cancel };
template <class Action>
std::int32_t start_operation(Instance& instance, std::uint64_t call_id, std::uint64_t tag, Ends ends,
                             Action action) {
  auto operation = instance.begin(call_id, tag);
  if (operation == nullptr) return COF_EGONE;
  auto answer = std::make_shared<Answer>(instance, std::move(operation));
  instance.post([answer, ends, &instance, action = std::move(action)]() mutable {
    if (ends == Ends::with_cancel) Answer::cancellable(answer);
    if (!answer->given()) action(instance, answer);
  });
  return COF_OK;
}

const void* log_table() noexcept;
const void* error_table() noexcept;
const void* config_table() noexcept;
const void* secret_table() noexcept;
const void* http_table() noexcept;
const void* timer_table() noexcept;
const void* task_table() noexcept;
const void* kv_table() noexcept;
const void* metric_table() noexcept;
const void* stats_table() noexcept;
const void* usage_table() noexcept;
const void* process_table() noexcept;
const void* route_table() noexcept;
const void* event_table() noexcept;
const void* call_table() noexcept;
const void* scratch_table() noexcept;
const void* file_table() noexcept;
const void* identity_table() noexcept;

}  // namespace cofounder::host
