// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/control/access.hpp"
#include "core/control/control.hpp"
#include "core/control/counts_cache.hpp"
#include "core/control/events.hpp"
#include "core/control/task_check.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace cofounder {

// What the handlers of routes work with.  Lives as long as the control does, which is longer than
// any connection.
struct ControlContext {
  explicit ControlContext(ControlPorts p);

  Time now() const noexcept { return ports.loop.clock().now(); }

  ControlPorts ports;
  AccessRules access;
  EventStream events;
  CountsCache counts;
  OperationSource operations;
  Time started_at;
  Mono started;

  // Begins to drain, once; calls on_drained when nothing runs any more.
  void drain();
  std::vector<std::function<void()>> on_drained;

  // False once this is gone, for timers and for the scheduler, which may call later.
  std::shared_ptr<bool> alive = std::make_shared<bool>(true);
  ~ControlContext() { *alive = false; }
};

// One request on its way through a handler.
struct RequestCall {
  http::ServerRequest request;
  http::Responder responder;
  std::vector<std::string> params;  // of the pattern, in order
};

using ControlHandler = void (*)(ControlContext&, RequestCall);

// The HTTP status for an error by its code; 500 for one that nobody foresaw.
int status_of(const Error& error) noexcept;
// Answers with it, with a Retry-After where the status asks for one.
void send_error(http::Responder& responder, Error error);
void send_json(http::Responder& responder, int status, std::string body);

// The request's body as JSON.  Nothing: it was not, and the client knows.
std::optional<json::Document> read_json(RequestCall& call);

// Ends the waits when the client goes away before its answer; fill the list after.
using TaskWaits = std::shared_ptr<std::vector<TaskWait>>;
TaskWaits forget_when_gone(ControlContext& context, http::Responder& responder);

// ?wait=30s as a point in time: nothing without it.  The outer one is empty when it was wrong and
// the client knows.
std::optional<std::optional<Mono>> read_wait(ControlContext& context, RequestCall& call);

}  // namespace cofounder
