// SPDX-License-Identifier: Apache-2.0
#include "core/host/services/process_run.hpp"

#include <signal.h>

#include <algorithm>
#include <array>

namespace cofounder::host {
namespace {

constexpr std::array<std::int32_t, 6> signals = {SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGTERM};

int32_t start(const cof_host* host, uint64_t call_id, const cof_process_request* given,
              uint64_t tag, uint64_t* handle) noexcept {
  return serve(host, [&](Instance& instance) -> std::int32_t {
    ProgramRequest request;
    if (tag == 0) return COF_EINVALID;
    if (instance.find_call(call_id) == nullptr) return COF_EGONE;
    if (instance.world().programs == nullptr) return COF_EUNAVAILABLE;
    if (const auto status = take_process_request(instance, call_id, given, request);
        status != COF_OK) {
      return status;
    }
    auto operation = instance.begin(call_id, tag);
    if (operation == nullptr) return COF_EGONE;
    const int processes_max = std::max(0, instance.config()->limits.processes_max);
    const std::uint64_t started = next_handle();
    const auto run = std::make_shared<ProgramRun>(instance, started, std::move(request),
                                                  std::move(operation));
    if (!instance.services().programs.add(started, run, static_cast<std::size_t>(processes_max))) {
      return COF_ELIMIT;
    }
    if (handle != nullptr) *handle = started;
    instance.post([run] { run->start(); });
    return COF_OK;
  });
}

int32_t signal_program(const cof_host* host, uint64_t handle, int32_t number) noexcept {
  return serve(host, [&](Instance& instance) -> std::int32_t {
    const auto run = instance.services().programs.find(handle);
    if (run == nullptr) return COF_EGONE;
    if (std::find(signals.begin(), signals.end(), number) == signals.end()) return COF_EINVALID;
    instance.post([run, number] { run->signal(number); });
    return COF_OK;
  });
}

int32_t cancel(const cof_host* host, uint64_t handle) noexcept {
  return serve(host, [&](Instance& instance) -> std::int32_t {
    const auto run = instance.services().programs.find(handle);
    if (run == nullptr) return COF_EGONE;
    instance.post([run] { run->cancel(); });
    return COF_OK;
  });
}

int32_t pull(const cof_host* host, uint64_t handle, uint64_t bytes) noexcept {
  return serve(host, [&](Instance& instance) -> std::int32_t {
    const auto run = instance.services().programs.find(handle);
    if (run == nullptr) return COF_EGONE;
    if (!run->pulls()) return COF_EINVALID;
    instance.post([run, bytes] { run->pull(bytes); });
    return COF_OK;
  });
}

}  // namespace

const void* process_table() noexcept {
  static const cof_process_service table{sizeof(cof_process_service), 0, start, signal_program,
                                         cancel, pull};
  return &table;
}

}  // namespace cofounder::host
