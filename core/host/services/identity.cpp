// SPDX-License-Identifier: Apache-2.0
#include "core/host/services/service.hpp"

#include <cofounder/services/identity.h>

namespace cofounder::host {
namespace {

void ask(Instance& instance, const std::string& head, const std::shared_ptr<Answer>& answer) {
  instance.world().identify(head, [answer](Result<std::string> who) {
    Reply reply;
    if (!who) {
      reply = Reply::failure(who.error());
      reply.status = COF_EUNAVAILABLE;
    } else if (who->empty()) {
      reply = Reply::failure(COF_ENOTFOUND);
    } else {
      reply.body = std::move(*who);
    }
    answer->give(std::move(reply));
  });
}

int32_t who(const cof_host* host, uint64_t call_id, uint64_t tag) noexcept {
  return serve(host, [&](Instance& instance) -> std::int32_t {
    if (tag == 0) return COF_EINVALID;
    const auto call = entered_call(instance, call_id);
    if (call == nullptr) return COF_EGONE;
    if (call->route == nullptr) return COF_EINVALID;
    return start_operation(instance, call_id, tag, Ends::with_cancel,
                           [head = call->args](Instance& at, const std::shared_ptr<Answer>& answer) {
                             ask(at, head, answer);
                           });
  });
}

}  // namespace

const void* identity_table() noexcept {
  static const cof_identity_service table{sizeof(cof_identity_service), 0, who};
  return &table;
}

}  // namespace cofounder::host
