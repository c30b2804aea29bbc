// SPDX-License-Identifier: Apache-2.0
#include "core/control/handlers.hpp"
#include "core/control/plugin_json.hpp"

namespace cofounder {

namespace {

Error unknown_plugin(std::string_view id) {
  return make_error("unknown_plugin", "there is no plugin \"" + std::string{id} + "\"");
}

void send_plugin(const ControlContext& context, http::Responder& responder, std::string_view id) {
  const auto plugin = context.ports.plugins.find(id);
  if (!plugin) return send_error(responder, unknown_plugin(id));
  json::Writer out;
  write_plugin(out, *plugin, context.ports.plugins.manifest(id));
  send_json(responder, 200, out.take());
}

// What a start or stop came to.
UniqueFunction<void(std::optional<Error>)> answer_with_plugin(ControlContext& context,
                                                              http::Responder responder,
                                                              std::string id) {
  return [&context, responder = std::move(responder),
          id = std::move(id)](std::optional<Error> error) mutable {
    if (error) {
      if (error->plugin.empty()) error->plugin = id;
      return send_error(responder, std::move(*error));
    }
    send_plugin(context, responder, id);
  };
}

bool is_known(const ControlContext& context, RequestCall& call) {
  if (context.ports.plugins.find(call.params[0])) return true;
  send_error(call.responder, unknown_plugin(call.params[0]));
  return false;
}

}  // namespace

void get_plugins(ControlContext& context, RequestCall call) {
  json::Writer out;
  out.begin_object().key("plugins").begin_array();
  for (const PluginInfo& plugin : context.ports.plugins.list()) {
    write_plugin(out, plugin, context.ports.plugins.manifest(plugin.id));
  }
  out.end_array().end_object();
  send_json(call.responder, 200, out.take());
}

void get_plugin(ControlContext& context, RequestCall call) {
  send_plugin(context, call.responder, call.params[0]);
}

void get_plugin_why(ControlContext& context, RequestCall call) {
  const auto plugin = context.ports.plugins.find(call.params[0]);
  if (!plugin) return send_error(call.responder, unknown_plugin(call.params[0]));
  json::Writer out;
  write_plugin_why(out, *plugin, context.ports.plugins.why(call.params[0]));
  send_json(call.responder, 200, out.take());
}

void start_plugin(ControlContext& context, RequestCall call) {
  if (!is_known(context, call)) return;
  const std::string id = call.params[0];
  context.ports.plugins.start_plugin(id,
                                     answer_with_plugin(context, std::move(call.responder), id));
}

void stop_plugin(ControlContext& context, RequestCall call) {
  if (!is_known(context, call)) return;
  const std::string id = call.params[0];
  context.ports.plugins.stop_plugin(id, answer_with_plugin(context, std::move(call.responder), id));
}

void restart_plugin(ControlContext& context, RequestCall call) {
  if (!is_known(context, call)) return;
  const std::string id = call.params[0];
  context.ports.plugins.stop_plugin(
      id, [&context, id, done = answer_with_plugin(context, std::move(call.responder), id)](
              std::optional<Error> error) mutable {
        if (error) return done(std::move(error));
        context.ports.plugins.start_plugin(id, std::move(done));
      });
}

void reload_plugin(ControlContext& context, RequestCall call) {
  if (!is_known(context, call)) return;
  const std::string id = call.params[0];
  context.ports.plugins.reload_plugin(
      id, answer_with_plugin(context, std::move(call.responder), id));
}

}  // namespace cofounder
