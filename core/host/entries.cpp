// SPDX-License-Identifier: Apache-2.0
#include "core/base/json.hpp"
#include "core/base/log.hpp"
#include "core/host/border.hpp"
#include "core/host/instance.hpp"
#include "core/host/outcome.hpp"
#include "core/host/proxy.hpp"

#include <chrono>
#include <cxxabi.h>
#include <exception>
#include <utility>

// The worker's side of an Instance: the only code that enters a plugin.
namespace cofounder::host {

namespace {

std::int64_t mono_ns() noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// Says, as long as it lives, that a worker is inside an entry of the call.
class Inside {
 public:
  explicit Inside(Call& call) noexcept : call_{call} { call_.inside_since_ns = mono_ns(); }
  ~Inside() { call_.inside_since_ns = 0; }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

 private:
  Call& call_;
};

// What the plugin writes its result to.
struct ResultSink {
  std::string bytes;
  std::size_t bytes_max = 0;
  bool too_big = false;

  static std::int32_t write(void* context, const void* data, std::uint64_t size) noexcept {
    auto& sink = *static_cast<ResultSink*>(context);
    if (size == 0) return COF_OK;
    if (data == nullptr) return COF_EINVALID;
    if (size > sink.bytes_max - sink.bytes.size()) {
      sink.too_big = true;
      return COF_ETOOBIG;
    }
    sink.bytes.append(static_cast<const char*>(data), static_cast<std::size_t>(size));
    return COF_OK;
  }
};

// True for the worker that may enter the call.
bool enter(Call& call) noexcept {
  int expected = Call::waiting;
  return call.stage.compare_exchange_strong(expected, Call::entered) && !call.over;
}

CallEnd too_big_end(std::uint64_t bytes_max) {
  CallEnd end;
  end.status = COF_ETOOBIG;
  end.code = "result_too_big";
  end.message = "the result is larger than result_bytes_max (" + std::to_string(bytes_max) + ")";
  return end;
}

cof_call border_call(const Call& call) noexcept {
  cof_call border{};
  border.struct_size = sizeof border;
  border.kind = call.kind;
  border.id = call.id;
  border.deadline_ns = call.deadline_ns;
  return border;
}

// Enters the plugin; `threw` gets what comes out of it, and its answer is the entry's status.
template <class Entry, class Threw>
std::int32_t guarded(Entry&& entry, Threw&& threw) {
  try {
    return entry();
  } catch (const abi::__forced_unwind&) {
    throw;  // the thread ends: nobody can stop that
  } catch (const std::exception& thrown) {
    return threw(thrown.what());
  } catch (...) {
    return threw("something that is no std::exception");
  }
}

}  // namespace

// Nothing may throw across the border, so this is a bug of the plugin: the call fails, and says so.
std::int32_t Instance::threw(const std::shared_ptr<Call>& call, const char* entry,
                             const char* thrown) {
  std::string message = "plugin \"" + id() + "\" threw an exception out of its " + entry + ": ";
  const std::string_view text = cut_text(thrown == nullptr ? "" : thrown, 1024);
  message += is_utf8(text) ? text : "a text that is no UTF-8";
  log::error(message, {{"COF_PLUGIN", id()}});
  const std::lock_guard lock{call->mutex};
  call->failure.emplace();
  call->failure->code = "plugin_threw";
  call->failure->message = std::move(message);
  return COF_EINTERNAL;
}

void Instance::enter_invoke(const std::shared_ptr<Call>& call) {
  if (!enter(*call)) return;
  const cof_call border = border_call(*call);
  cof_invocation invocation{};
  invocation.struct_size = sizeof invocation;
  invocation.attempt = call->attempt_number;
  invocation.attempts_max = call->attempts_max;
  invocation.name = to_cof(call->name);
  invocation.args = to_cof(call->args);
  invocation.body = to_cof_bytes(call->body);
  invocation.task_id = to_cof(call->task_id);
  invocation.checkpoint = to_cof_bytes(call->checkpoint);

  if (proxy_ != nullptr) {
    Proxy::Entered entered;
    entered.call = call;
    entered.result_max = config()->limits.result_bytes_max;
    const std::int32_t sent = proxy_->enter(
        entered, [&] { return api_.invoke(self, &border, &invocation, nullptr); });
    if (sent != COF_PENDING) entry_returned(call, sent, {}, false);
    return;
  }
  ResultSink result;
  result.bytes_max = config()->limits.result_bytes_max;
  const cof_sink sink{&result, &ResultSink::write};
  std::int32_t status = COF_OK;
  {
    const Inside inside{*call};
    status = guarded([&] { return api_.invoke(self, &border, &invocation, &sink); },
                     [&](const char* thrown) { return threw(call, "invoke", thrown); });
  }
  entry_returned(call, status, std::move(result.bytes), result.too_big);
}

void Instance::enter_hook(const std::shared_ptr<Call>& call, Nanoseconds deadline, Hook& hook) {
  // Before stage says that it is entered: the loop reads it after that.
  call->deadline_ns = mono_ns() + deadline.count();
  if (!enter(*call)) return;
  const cof_call border = border_call(*call);
  if (proxy_ != nullptr) {
    Proxy::Entered entered;
    entered.call = call;
    const std::int32_t sent = proxy_->enter(entered, [&] { return hook(border); });
    if (sent != COF_PENDING) entry_returned(call, sent, {}, false);
    return;
  }
  std::int32_t status = COF_OK;
  {
    const Inside inside{*call};
    status = guarded([&] { return hook(border); }, [&](const char* thrown) {
      return threw(call, call->name.c_str(), thrown);
    });
  }
  entry_returned(call, status, {}, false);
}

// An entry without a status: one that throws ends its call.
template <class Entry>
void Instance::enter_void(const std::shared_ptr<Call>& call, const char* name, Entry entry) {
  const auto returns = [&] {
    entry();
    return std::int32_t{COF_OK};
  };
  const std::int32_t status =
      guarded(returns, [&](const char* thrown) { return threw(call, name, thrown); });
  if (status != COF_OK && call->id != 0) entry_returned(call, status, {}, false);
}

void Instance::enter_cancel(const std::shared_ptr<Call>& call, std::int64_t grace_ns) {
  if (!call->over && api_.cancel != nullptr && !gone()) {
    cof_cancel cancel{};
    cancel.struct_size = sizeof cancel;
    cancel.reason = call->cancel_reason;
    cancel.call_id = call->id;
    cancel.grace_ns = grace_ns;
    if (proxy_ != nullptr) {
      Proxy::Entered entered;
      entered.call = call;
      const std::int32_t sent = proxy_->enter(entered, [&] {
        api_.cancel(self, &cancel);
        return COF_OK;
      });
      if (sent == COF_PENDING) return;  // delivered when it returned
    } else {
      const Inside inside{*call};
      enter_void(call, "cancel", [&] { api_.cancel(self, &cancel); });
    }
  }
  call->cancel_delivered = true;
}

void Instance::enter_reply(const std::shared_ptr<Operation>& operation, Reply& reply) {
  if (api_.reply != nullptr && !gone()) {
    cof_reply border{};
    border.struct_size = sizeof border;
    border.status = reply.status;
    border.tag = operation->tag;
    border.call_id = operation->call->id;
    border.flags = reply.last ? COF_REPLY_LAST : 0;
    border.kind = reply.kind;
    border.value = reply.value;
    border.value2 = reply.value2;
    border.body = to_cof_bytes(reply.body);
    border.name = to_cof(reply.name);
    border.id = to_cof(reply.id);
    if (reply.status < 0 && reply.error_code.empty()) {
      reply.error_code = code_of_status(reply.status);
    }
    border.error_code = to_cof(reply.error_code);
    border.error_message = to_cof(reply.error_message);
    border.retryable = reply.retryable >= 0 ? reply.retryable : (is_retryable(reply.status) ? 1 : 0);
    border.retry_after_ms = reply.retry_after.count();
    if (proxy_ != nullptr) {
      if (reply_remotely(operation, reply, border)) return;
    } else {
      const Inside inside{*operation->call};
      enter_void(operation->call, "reply", [&] { api_.reply(self, &border); });
    }
  }
  reply_returned(operation, reply.last, std::move(reply.delivered));
}

// A reply counts as delivered when the child says that reply() returned, so that a slow child slows
// down who sends to it, as a slow worker does.
bool Instance::reply_remotely(const std::shared_ptr<Operation>& operation, Reply& reply,
                              const cof_reply& border) {
  Proxy::Entered entered;
  entered.call = operation->call;
  entered.operation = operation;
  entered.delivered = std::move(reply.delivered);
  entered.last = reply.last;
  const std::int32_t sent = proxy_->enter(entered, [&] {
    api_.reply(self, &border);
    return COF_OK;
  });
  if (sent == COF_PENDING) return true;
  reply.delivered = std::move(entered.delivered);
  return false;
}

void Instance::reply_returned(const std::shared_ptr<Operation>& operation, bool last,
                              UniqueFunction<void()> delivered) {
  if (delivered) post(std::move(delivered));
  if (last) close_operation(*operation);
}

void Instance::entry_returned(const std::shared_ptr<Call>& call, std::int32_t status,
                              std::string result, bool too_big) {
  if (status == COF_PENDING && call->kind != COF_CALL_CREATE) return;
  CallEnd end;
  end.status = status;
  {
    const std::lock_guard lock{call->mutex};
    if (status < 0 && call->failure) {
      end = std::move(*call->failure);
      end.status = status;
    }
  }
  if (status == COF_OK) {
    end.result = std::move(result);
    if (too_big) end = too_big_end(config()->limits.result_bytes_max);
  }
  check_result(*call, end);
  end_call(call, std::move(end));
}

void Instance::check_result(const Call& call, CallEnd& end) const {
  const auto bug = [&](std::string code, std::string message) {
    end = CallEnd{};
    end.status = COF_EINTERNAL;
    end.code = std::move(code);
    end.message = std::move(message);
  };
  const bool operation = call.kind == COF_CALL_OPERATION;
  if (end.status == COF_DEFERRED && operation) {
    const std::lock_guard lock{call.mutex};
    if (!call.deferral) bug("", "the operation returned COF_DEFERRED without defer()");
    return;
  }
  if (end.status > 0) {
    bug("", "the plugin returned the unknown status " + std::to_string(end.status));
    return;
  }
  if (end.status < 0) {
    end.result.clear();
    end.message = cut_text(end.message, 4096);
    return;
  }
  const std::uint64_t bytes_max = config()->limits.result_bytes_max;
  if (end.result.size() > bytes_max) {
    end = too_big_end(bytes_max);
  } else if (operation && end.result.empty()) {
    end.result = "null";
  } else if (operation) {
    const Result<json::Document> parsed = json::parse(end.result);
    if (parsed.has_error()) {
      bug("result_invalid", "the result is no JSON: " + parsed.error().message);
    }
  }
}

}  // namespace cofounder::host
