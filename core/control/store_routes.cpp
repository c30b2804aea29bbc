// SPDX-License-Identifier: Apache-2.0
#include "core/control/handlers.hpp"

namespace cofounder {

namespace {

Error has_own_tools() {
  Error error = make_error("store_has_own_tools",
                           "this daemon's store is on a server, which has tools of its own for that");
  error.hint = "pg_dump makes a backup, pg_amcheck checks it";
  return error;
}

// Sends a copy as fast as the client takes it.
class BackupStream : public std::enable_shared_from_this<BackupStream> {
 public:
  BackupStream(std::unique_ptr<StoreCopy> copy, http::Responder responder)
      : copy_{std::move(copy)}, responder_{std::move(responder)} {}

  void begin() {
    http::ServerResponse head;
    head.content_type = "application/vnd.sqlite3";
    head.headers = {{"Cache-Control", "no-store"}, {"X-Bytes", std::to_string(copy_->size())}};
    responder_.begin_stream(std::move(head));
    responder_.on_gone([self = shared_from_this()] { self->copy_.reset(); });
    responder_.on_drain([self = shared_from_this()] { self->next(); });
    next();
  }

 private:
  void next() {
    if (!copy_) return;
    copy_->read([self = shared_from_this()](Result<std::string> piece) { self->send(piece); });
  }

  void send(const Result<std::string>& piece) {
    if (!copy_) return;
    if (piece && !piece->empty()) {
      if (responder_.write(*piece)) next();
      return;
    }
    responder_.on_gone(nullptr);
    responder_.on_drain(nullptr);
    copy_.reset();
    if (piece) {
      responder_.end_stream();
    } else {
      responder_.abort_stream();  // the client sees that it has not all
    }
  }

  std::unique_ptr<StoreCopy> copy_;
  http::Responder responder_;
};

}  // namespace

void get_store_backup(ControlContext& context, RequestCall call) {
  StoreUpkeep* const upkeep = context.ports.upkeep;
  if (upkeep == nullptr) return send_error(call.responder, has_own_tools());
  upkeep->copy([responder = std::move(call.responder)](auto copy) mutable {
    if (responder.is_gone()) return;
    if (!copy) return send_error(responder, copy.error());
    std::make_shared<BackupStream>(std::move(*copy), std::move(responder))->begin();
  });
}

void get_store_check(ControlContext& context, RequestCall call) {
  StoreUpkeep* const upkeep = context.ports.upkeep;
  if (upkeep == nullptr) return send_error(call.responder, has_own_tools());
  upkeep->check([responder = std::move(call.responder)](auto problems) mutable {
    if (!problems) return send_error(responder, problems.error());
    json::Writer out;
    out.begin_object().member("ok", problems->empty()).key("problems").begin_array();
    for (const std::string& problem : *problems) out.string(problem);
    out.end_array().end_object();
    send_json(responder, 200, out.take());
  });
}

}  // namespace cofounder
