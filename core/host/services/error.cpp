// SPDX-License-Identifier: Apache-2.0
#include "core/host/services/service.hpp"

#include <cofounder/services/error.h>

namespace cofounder::host {
namespace {

constexpr std::size_t message_bytes_max = 4'096;

std::int32_t take_failure(const cof_failure* given, CallEnd& end) {
  cof_failure failure;
  std::string_view code;
  std::string_view message;
  if (const auto status = take_struct(given, failure); status != COF_OK) return status;
  if (failure.retryable < 0 || failure.retryable > 2) return COF_EUNSUPPORTED;
  if (const auto status = first_of({take_text(failure.code, code),
                                    take_text(failure.message, message)});
      status != COF_OK) {
    return status;
  }
  if ((!code.empty() && !is_error_code(code)) || failure.retry_after_ms < 0) return COF_EINVALID;
  end.code = code;
  end.message = cut_text(message, message_bytes_max);
  end.retryable = failure.retryable;
  end.retry_after = Milliseconds{failure.retry_after_ms};
  return COF_OK;
}

int32_t set(const cof_host* host, uint64_t call_id, const cof_failure* given) noexcept {
  return serve(host, [&](Instance& instance) -> std::int32_t {
    CallEnd failure;
    if (const auto status = take_failure(given, failure); status != COF_OK) return status;
    const auto call = entered_call(instance, call_id);
    if (call == nullptr) return COF_EGONE;
    const std::lock_guard guard{call->mutex};
    call->failure = std::move(failure);
    return COF_OK;
  });
}

}  // namespace

const void* error_table() noexcept {
  static const cof_error_service table{sizeof(cof_error_service), 0, set};
  return &table;
}

}  // namespace cofounder::host
