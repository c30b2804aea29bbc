// SPDX-License-Identifier: Apache-2.0
#include "core/host/services/service.hpp"

#include <cofounder/services/stats.h>

#include <array>

namespace cofounder::host {
namespace {

constexpr std::array states = {TaskState::scheduled, TaskState::ready,     TaskState::running,
                               TaskState::succeeded, TaskState::failed,    TaskState::cancelled,
                               TaskState::timed_out};

std::string counts_json(const TaskCounts& counts) {
  const auto count_of = [&](TaskState state) {
    const auto found = counts.by_state.find(state);
    return found == counts.by_state.end() ? std::int64_t{0} : found->second;
  };
  json::Writer out;
  std::int64_t total = 0;
  out.begin_object().key("tasks").begin_object();
  for (const auto state : states) {
    out.member(to_string(state), count_of(state));
    total += count_of(state);
  }
  out.end_object()
      .member("total", total)
      .member("succeeded", count_of(TaskState::succeeded))
      .member("failed", count_of(TaskState::failed) + count_of(TaskState::timed_out))
      .member("waiting", count_of(TaskState::scheduled) + count_of(TaskState::ready));
  std::int64_t ended = 0;
  double seconds = 0;
  for (const auto& by_op : counts.ended) {
    ended += by_op.count;
    seconds += by_op.seconds;
  }
  out.key("average_seconds");
  if (ended > 0) {
    out.number(seconds / static_cast<double>(ended));
  } else {
    out.null();
  }
  out.key("by_op").begin_array();
  for (const auto& by_op : counts.ended) {
    out.begin_object()
        .member("op", by_op.op)
        .member("outcome", to_string(by_op.state))
        .member("count", by_op.count)
        .member("seconds", by_op.seconds)
        .end_object();
  }
  return out.end_array().end_object().take();
}

int32_t tasks(const cof_host* host, uint64_t call_id, int64_t since_ms, uint64_t tag) noexcept {
  return serve(host, [&](Instance& instance) -> std::int32_t {
    if (!instance.manifest().permissions.stats) return COF_EDENIED;
    if (tag == 0 || since_ms < 0) return COF_EINVALID;
    return start_operation(
        instance, call_id, tag, Ends::with_cancel,
        [since_ms](Instance& at, const std::shared_ptr<Answer>& answer) {
          at.ports().tasks.counts(Time{Milliseconds{since_ms}},
                                  [answer](Result<TaskCounts> counts) {
                                    Reply reply;
                                    if (counts) {
                                      reply.body = counts_json(*counts);
                                    } else {
                                      reply = Reply::failure(counts.error());
                                      reply.status = COF_EUNAVAILABLE;
                                    }
                                    answer->give(std::move(reply));
                                  });
        });
  });
}

}  // namespace

const void* stats_table() noexcept {
  static const cof_stats_service table{sizeof(cof_stats_service), 0, tasks};
  return &table;
}

}  // namespace cofounder::host
