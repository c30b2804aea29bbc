// SPDX-License-Identifier: Apache-2.0
#include "core/control/handlers.hpp"
#include "core/host/files.hpp"

namespace cofounder {

namespace {

// What plan_upload() leaves for post_file(): the body's sink writes into it.
struct IncomingFile {
  std::unique_ptr<Files::Upload> upload;
};

}  // namespace

http::ServerHandler::Plan plan_upload(ControlContext& context) {
  http::ServerHandler::Plan plan;
  auto upload = context.ports.plugins.files().begin_upload();
  if (!upload) {
    plan.refusal.emplace(status_of(upload.error()), upload.error());
    return plan;
  }
  auto incoming = std::make_shared<IncomingFile>();
  incoming->upload = std::move(*upload);
  http::BodySink sink;
  sink.bytes_max = context.ports.config.files.upload_bytes_max;
  sink.write = [incoming](std::string_view piece) { return incoming->upload->write(piece); };
  plan.sink = std::move(sink);
  plan.attachment = std::move(incoming);
  return plan;
}

void post_file(ControlContext&, RequestCall call) {
  const auto incoming = std::static_pointer_cast<IncomingFile>(call.request.attachment);
  auto done = incoming->upload->finish();
  if (!done) return send_error(call.responder, done.error());
  json::Writer out;
  out.begin_object().member("id", done->id).member("bytes", done->bytes);
  out.member("sha256", done->sha256).end_object();
  send_json(call.responder, 201, out.take());
}

}  // namespace cofounder
