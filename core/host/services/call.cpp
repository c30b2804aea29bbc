// SPDX-License-Identifier: Apache-2.0
#include "core/host/services/service.hpp"

#include <cofounder/services/call.h>

#include <cmath>

namespace cofounder::host {
namespace {

constexpr std::size_t message_bytes_max = 4'096;
constexpr std::int64_t output_bytes_max = 256 * 1024;  // of a call, on their way to the loop
constexpr Nanoseconds progress_interval{50'000'000};

std::int32_t take_outcome(const Instance& instance, const cof_outcome* given, CallEnd& end) {
  cof_outcome outcome;
  std::string_view result, code, message;
  if (const auto status = take_struct(given, outcome); status != COF_OK) return status;
  if (outcome.reserved != 0 || outcome.retryable < 0 || outcome.retryable > 2) {
    return COF_EUNSUPPORTED;
  }
  if (const auto status =
          first_of({take_bytes(outcome.result, result), take_text(outcome.error_code, code),
                    take_text(outcome.error_message, message)});
      status != COF_OK) {
    return status;
  }
  if (outcome.status == COF_PENDING || (!code.empty() && !is_error_code(code)) ||
      outcome.retry_after_ms < 0) {
    return COF_EINVALID;
  }
  if (outcome.status > COF_OK && outcome.status != COF_DEFERRED) {
    end.status = COF_EINTERNAL;
    end.message = "the plugin ended the call with status " + std::to_string(outcome.status);
    return COF_OK;
  }
  end.status = outcome.status;
  if (outcome.status == COF_OK) {
    const std::uint64_t bytes_max = instance.config()->limits.result_bytes_max;
    if (result.size() > bytes_max) {
      end.status = COF_ETOOBIG;
      end.code = "result_too_big";
      end.message = "the result has more than " + std::to_string(bytes_max) +
                    " bytes (result_bytes_max)";
    } else {
      end.result = result;
    }
    return COF_OK;
  }
  end.code = code;
  end.message = cut_text(message, message_bytes_max);
  end.retryable = outcome.retryable;
  end.retry_after = Milliseconds{outcome.retry_after_ms};
  return COF_OK;
}

int32_t complete(const cof_host* host, uint64_t call_id, const cof_outcome* given) noexcept {
  return serve(host, [&](Instance& instance) -> std::int32_t {
    CallEnd end;
    if (const auto status = take_outcome(instance, given, end); status != COF_OK) return status;
    if (call_id == 0) return COF_EGONE;
    return instance.complete(call_id, std::move(end));
  });
}

int32_t cancel_reason(const cof_host* host, uint64_t call_id) noexcept {
  return serve(host, [&](Instance& instance) -> std::int32_t {
    const auto call = instance.find_call(call_id);
    return call == nullptr ? COF_EGONE : call->cancel_reason.load();
  });
}

// Loop: shows the newest progress, at most every 50 ms.
void show_progress(Instance& instance, const std::shared_ptr<Call>& call,
                   const std::shared_ptr<CallSide>& side) {
  if (call->over) return;
  Clock& clock = clock_of(instance);
  const Mono now = clock.mono();
  if (side->shown_at && now < *side->shown_at + progress_interval) {
    side->timer = clock.call_at(*side->shown_at + progress_interval, [&instance, call, side] {
      side->timer = 0;
      show_progress(instance, call, side);
    });
    return;
  }
  std::optional<CallSide::Progress> newest;
  {
    const std::lock_guard guard{side->mutex};
    newest = std::exchange(side->waiting, std::nullopt);
    side->posted = false;
  }
  if (!newest) return;
  side->shown_at = now;
  instance.ports().progress(call->attempt, newest->fraction, std::move(newest->text));
}

// COF_OK, the call and its side when it is an operation.
std::int32_t find_operation(Instance& instance, std::uint64_t call_id, std::shared_ptr<Call>& call,
                            std::shared_ptr<CallSide>& side) {
  call = entered_call(instance, call_id);
  if (call == nullptr) return COF_EGONE;
  if (call->kind != COF_CALL_OPERATION) return COF_EINVALID;
  side = instance.services().side_of(call);
  return side == nullptr ? COF_EGONE : COF_OK;
}

int32_t progress(const cof_host* host, uint64_t call_id, double fraction, cof_str given) noexcept {
  return serve(host, [&](Instance& instance) -> std::int32_t {
    std::string_view text;
    std::shared_ptr<Call> call;
    std::shared_ptr<CallSide> side;
    if (std::isnan(fraction) || fraction > 1) return COF_EINVALID;
    if (const auto status =
            first_of({take_text(given, text), find_operation(instance, call_id, call, side)});
        status != COF_OK) {
      return status;
    }
    {
      const std::lock_guard guard{side->mutex};
      side->waiting = {.fraction = fraction < 0 ? -1 : fraction,
                       .text = std::string{cut_text(text, message_bytes_max)}};
      if (std::exchange(side->posted, true)) return COF_OK;
    }
    instance.post([&instance, call, side] { show_progress(instance, call, side); });
    return COF_OK;
  });
}

int32_t emit(const cof_host* host, uint64_t call_id, cof_str given, uint64_t tag) noexcept {
  return serve(host, [&](Instance& instance) -> std::int32_t {
    std::string_view text;
    std::shared_ptr<Call> call;
    std::shared_ptr<CallSide> side;
    if (const auto status =
            first_of({take_text(given, text), find_operation(instance, call_id, call, side)});
        status != COF_OK) {
      return status;
    }
    if (!json::parse(text)) return COF_EINVALID;
    if (side->output_bytes.load() >= output_bytes_max) return COF_ELIMIT;
    const auto size = static_cast<std::int64_t>(text.size());
    side->output_bytes += size;
    const auto status = start_operation(
        instance, call_id, tag, Ends::as_it_does,
        [text = std::string{text}, call, side, size](
            Instance& at, const std::shared_ptr<Answer>& answer) mutable {
          at.ports().output(call->attempt, std::move(text));
          side->output_bytes -= size;
          answer->give(Reply{});
        });
    if (status != COF_OK) side->output_bytes -= size;
    return status;
  });
}

int32_t argument(const cof_host* host, uint64_t call_id, cof_str given,
                 const cof_sink* out) noexcept {
  return serve(host, [&](Instance& instance) -> std::int32_t {
    std::string_view pointer;
    if (const auto status = take_text(given, pointer); status != COF_OK) return status;
    const auto call = entered_call(instance, call_id);
    const auto side = call == nullptr ? nullptr : instance.services().side_of(call);
    if (side == nullptr) return COF_EGONE;
    const auto value = side->args ? side->args->root().at_pointer(pointer) : json::View{};
    if (!value) return COF_ENOTFOUND;
    if (const auto text = value.as_string()) return give(out, *text);
    return give(out, value.text());
  });
}

int32_t post(const cof_host* host, uint64_t call_id, uint64_t tag) noexcept {
  return serve(host, [&](Instance& instance) -> std::int32_t {
    if (tag == 0) return COF_EINVALID;
    const auto operation = instance.begin(call_id, tag);
    if (operation == nullptr) return COF_EGONE;
    instance.reply(operation, Reply{});
    return COF_OK;
  });
}

}  // namespace

const void* call_table() noexcept {
  static const cof_call_service table{
      sizeof(cof_call_service), 0, complete, cancel_reason, progress, emit, argument, post};
  return &table;
}

}  // namespace cofounder::host
