// SPDX-License-Identifier: Apache-2.0
#include "core/host/files.hpp"
#include "core/host/services/scratch_folder.hpp"
#include "core/host/services/service.hpp"

#include <cofounder/services/scratch.h>

namespace cofounder::host {

std::int32_t scratch_folder(Instance& instance, std::uint64_t call_id, std::int32_t kind,
                            bool for_more, std::filesystem::path& folder) {
  if (kind != COF_SCRATCH_ATTEMPT && kind != COF_SCRATCH_TASK) return COF_EUNSUPPORTED;
  const auto call = entered_call(instance, call_id);
  if (call == nullptr) return COF_EGONE;
  if (call->kind != COF_CALL_OPERATION) return COF_EINVALID;
  if (for_more && !instance.services().scratch.look(instance)) return COF_ELIMIT;
  Files& files = instance.world().files;
  const auto [task, attempt] = call->attempt;
  auto made = kind == COF_SCRATCH_ATTEMPT ? files.attempt_folder(task, attempt, instance.id())
                                          : files.task_folder(task, instance.id());
  // When the call ended meanwhile, its folder was removed before it was there.
  if (kind == COF_SCRATCH_ATTEMPT && call->over) {
    files.attempt_over(task, attempt);
    return COF_EGONE;
  }
  if (!made) return made.error().code == "attempt_over" ? COF_EGONE : COF_EUNAVAILABLE;
  folder = std::move(*made);
  return COF_OK;
}

namespace {

int32_t path(const cof_host* host, uint64_t call_id, int32_t kind, const cof_sink* out) noexcept {
  return serve(host, [&](Instance& instance) -> std::int32_t {
    std::filesystem::path folder;
    const auto status = scratch_folder(instance, call_id, kind, true, folder);
    return status == COF_OK ? give(out, folder.native()) : status;
  });
}

}  // namespace

const void* scratch_table() noexcept {
  static const cof_scratch_service table{sizeof(cof_scratch_service), 0, path};
  return &table;
}

}  // namespace cofounder::host
