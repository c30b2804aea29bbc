// SPDX-License-Identifier: Apache-2.0
#include "core/host/services/http_transfer.hpp"

#include <algorithm>

namespace cofounder::host {
namespace {

int32_t start(const cof_host* host, uint64_t call_id, const cof_http_request* given, uint64_t tag,
              uint64_t* handle) noexcept {
  return serve(host, [&](Instance& instance) -> std::int32_t {
    HttpRequest request;
    if (tag == 0) return COF_EINVALID;
    const auto call = instance.find_call(call_id);
    if (call == nullptr) return COF_EGONE;
    if (const auto status = take_http_request(instance, call_id, given, request);
        status != COF_OK) {
      return status;
    }
    request.request.operation = call->name.empty() ? "background" : call->name;
    auto operation = instance.begin(call_id, tag);
    if (operation == nullptr) return COF_EGONE;
    const int transfers_max = std::max(0, instance.config()->limits.http_transfers_max);
    const std::uint64_t started = next_handle();
    const auto transfer = std::make_shared<Transfer>(instance, started, std::move(request),
                                                     std::move(operation));
    if (!instance.services().transfers.add(started, transfer,
                                           static_cast<std::size_t>(transfers_max))) {
      return COF_ELIMIT;
    }
    if (handle != nullptr) *handle = started;
    instance.post([transfer] { transfer->start(); });
    return COF_OK;
  });
}

int32_t cancel(const cof_host* host, uint64_t handle) noexcept {
  return serve(host, [&](Instance& instance) -> std::int32_t {
    const auto transfer = instance.services().transfers.find(handle);
    if (transfer == nullptr) return COF_EGONE;
    instance.post([transfer] { transfer->cancel(); });
    return COF_OK;
  });
}

int32_t pull(const cof_host* host, uint64_t handle, uint64_t bytes) noexcept {
  return serve(host, [&](Instance& instance) -> std::int32_t {
    const auto transfer = instance.services().transfers.find(handle);
    if (transfer == nullptr) return COF_EGONE;
    if (!transfer->pulls()) return COF_EINVALID;
    instance.post([transfer, bytes] { transfer->pull(bytes); });
    return COF_OK;
  });
}

}  // namespace

const void* http_table() noexcept {
  static const cof_http_service table{sizeof(cof_http_service), 0, start, cancel, pull};
  return &table;
}

}  // namespace cofounder::host
