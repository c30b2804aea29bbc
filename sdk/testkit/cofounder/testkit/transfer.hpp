// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../testkit.hpp"

// The inside of testkit.hpp: how scripted answers reach the plugin.
namespace cofounder::testkit {

inline void Host::finish_transfer(Transfer& transfer, std::int32_t status) {
  const bool succeeded = transfer.answer.status >= 200 && transfer.answer.status < 300;
  QueuedReply end{.tag = transfer.tag, .call_id = transfer.call_id, .status = status};
  end.kind = COF_HTTP_END;
  if (status == COF_OK) {
    end.value = transfer.answer.status;
    end.retry_after_ms = transfer.answer.retry_after_ms;
    std::string body;
    for (const HttpItem& item : transfer.answer.items) body += item.body;
    end.value2 = static_cast<std::int64_t>(body.size());
    if (transfer.framing == COF_HTTP_FILE && succeeded) {
      open_files[transfer.response_file].content = body;
    } else if (transfer.framing == COF_HTTP_WHOLE || !succeeded) {
      end.body = std::move(body);
    }
  } else {
    end.error_message = "scripted failure of the transport";
  }
  queue(std::move(end));
  transfers.erase(transfer.handle);
}

inline void Host::pump(Transfer& transfer) {
  const HttpAnswer& answer = transfer.answer;
  if (answer.silent) return;
  if (!transfer.head_sent && !(answer.transport < 0 && answer.items.empty())) {
    transfer.head_sent = true;
    queue(QueuedReply{.tag = transfer.tag,
                      .call_id = transfer.call_id,
                      .flags = 0,
                      .kind = COF_HTTP_HEAD,
                      .value = answer.status,
                      .body = answer.headers});
  }
  const bool pieces = transfer.framing == COF_HTTP_CHUNKS || transfer.framing == COF_HTTP_LINES ||
                      transfer.framing == COF_HTTP_SSE;
  if (pieces && answer.status >= 200 && answer.status < 300) {
    while (transfer.next_item < answer.items.size()) {
      if (transfer.pulled && transfer.credit <= 0) return;
      const HttpItem& item = answer.items[transfer.next_item++];
      transfer.credit -= static_cast<std::int64_t>(item.body.size());
      queue(QueuedReply{.tag = transfer.tag,
                        .call_id = transfer.call_id,
                        .flags = 0,
                        .kind = COF_HTTP_BODY,
                        .value = answer.together && transfer.next_item < answer.items.size() &&
                                         (!transfer.pulled || transfer.credit > 0)
                                     ? 1
                                     : 0,
                        .body = item.body,
                        .name = item.event,
                        .id = item.id});
    }
  }
  finish_transfer(transfer, answer.transport);
}

}  // namespace cofounder::testkit
