// SPDX-License-Identifier: Apache-2.0
#include "core/control/plugin_proxy.hpp"

#include "core/base/json.hpp"
#include "core/control/routes.hpp"

#include <utility>

namespace cofounder {

namespace {

// A plugin's answer on its way to the client.  One that is complete within the same turn of the
// loop goes out with its length, any other one as a stream.  Shared by the sink that the host holds
// and by what the responder calls.
class Answer {
 public:
  Answer(ControlContext& context, http::Responder responder, std::string plugin)
      : context_{context}, responder_{std::move(responder)}, plugin_{std::move(plugin)} {}

  static void start(const std::shared_ptr<Answer>& self, RouteCall call) {
    RouteSink sink;
    sink.head = [self](int status, std::vector<std::pair<std::string, std::string>> headers) {
      self->head(status, std::move(headers));
    };
    sink.piece = [self](std::string_view piece) { return self->piece(self, piece); };
    sink.end = [self](std::optional<Error> error) { self->end(std::move(error)); };
    self->responder_.on_gone([self] {
      if (!self->is_over_) self->context_.ports.plugins.cancel_route(self->call_);
    });
    self->call_ = self->context_.ports.plugins.call_route(std::move(call), std::move(sink));
  }

 private:
  void head(int status, std::vector<std::pair<std::string, std::string>> headers) {
    response_.status = status;
    for (auto& [name, value] : headers) {
      if (is_content_type(name)) {
        response_.content_type = std::move(value);
      } else {
        response_.headers.emplace_back(std::move(name), std::move(value));
      }
    }
    has_head_ = true;
  }

  bool piece(const std::shared_ptr<Answer>& self, std::string_view piece) {
    if (is_over_) return true;
    if (is_stream_) return responder_.write(piece);
    response_.body += piece;
    if (!std::exchange(is_posted_, true)) {
      context_.ports.loop.post([self] {
        if (!self->is_over_ && !self->is_stream_) self->begin_stream(self);
      });
    }
    return response_.body.size() <= (256u << 10);
  }

  void begin_stream(const std::shared_ptr<Answer>& self) {
    is_stream_ = true;
    const std::string first = std::exchange(response_.body, {});
    responder_.begin_stream(std::move(response_));
    responder_.on_drain([self] { self->context_.ports.plugins.route_drained(self->call_); });
    if (responder_.write(first) && first.size() > (256u << 10)) {
      context_.ports.plugins.route_drained(call_);
    }
  }

  void end(std::optional<Error> error) {
    if (std::exchange(is_over_, true)) return;
    if (is_stream_) {
      if (error) {
        responder_.abort_stream();
      } else {
        responder_.end_stream();
      }
    } else if (error && !has_head_) {
      if (error->plugin.empty()) error->plugin = plugin_;
      send_error(responder_, std::move(*error));
    } else if (error) {
      // The plugin chose the status; the reason is ours to add when it said nothing else.
      if (response_.body.empty()) response_.body = "{\"error\":" + json::to_json(*error) + "}";
      responder_.send(std::move(response_));
    } else {
      responder_.send(std::move(response_));
    }
  }

  static bool is_content_type(std::string_view name) noexcept {
    constexpr std::string_view wanted = "content-type";
    if (name.size() != wanted.size()) return false;
    for (std::size_t i = 0; i < name.size(); ++i) {
      if ((name[i] | 0x20) != wanted[i] && name[i] != wanted[i]) return false;
    }
    return true;
  }

  ControlContext& context_;
  http::Responder responder_;
  std::string plugin_;
  http::ServerResponse response_;
  std::uint64_t call_ = 0;
  bool has_head_ = false;
  bool is_stream_ = false;
  bool is_posted_ = false;
  bool is_over_ = false;
};

void write_pairs(json::Writer& out, std::string_view key,
                 const std::vector<std::pair<std::string, std::string>>& pairs) {
  out.key(key).begin_array();
  for (const auto& [name, value] : pairs) {
    out.begin_array().string(name).string(value).end_array();
  }
  out.end_array();
}

}  // namespace

PluginRouteMatch find_plugin_route(const PluginHost& plugins, std::string_view method,
                                   std::string_view path) {
  PluginRouteMatch match;
  if (method == "HEAD") method = "GET";
  const auto segments = split_path(path);
  for (const PluginInfo& plugin : plugins.list()) {
    const Manifest* manifest = plugins.manifest(plugin.id);
    if (manifest == nullptr) continue;
    for (const Manifest::Route& route : manifest->routes) {
      const PathPattern pattern{route.path};
      if (!pattern.matches(segments)) continue;
      if (route.method != method) {
        match.allowed += (match.allowed.empty() ? "" : ", ") + route.method;
        continue;
      }
      PluginRoute found;
      found.plugin = plugin.id;
      found.route = &route;
      // An unknown class is nobody's but the admin's; manifests with one are refused anyway.
      found.access = parse_access(route.access).value_or(Access::admin);
      found.is_ready = plugin.state == PluginState::ready;
      const auto values = pattern.params(segments);
      for (std::size_t i = 0; i < values.size(); ++i) {
        found.params.emplace_back(pattern.names()[i], values[i]);
      }
      match.found = std::move(found);
      return match;
    }
  }
  return match;
}

std::string route_head_json(const http::ServerRequest& request, const PluginRoute& route,
                            std::string_view base_url, std::string_view identity_json) {
  json::Writer out;
  out.begin_object().member("method", request.method).member("path", request.path);
  out.key("params").begin_object();
  for (const auto& [name, value] : route.params) out.member(name, value);
  out.end_object();
  write_pairs(out, "query", request.query);
  write_pairs(out, "headers", request.headers);
  out.member("base_url", base_url).key("peer").begin_object();
  if (request.peer.is_local) {
    out.member("uid", std::int64_t{request.peer.uid});
  } else {
    out.member("address", request.peer.address);
  }
  out.end_object();
  if (!identity_json.empty()) out.member_raw("identity", identity_json);
  out.end_object();
  return out.take();
}

namespace {

bool has_role(std::string_view identity_json, std::string_view role) {
  if (role.empty()) return true;
  const auto document = json::parse(identity_json);
  const json::View roles = document ? document->root().find("roles") : json::View{};
  for (std::size_t i = 0; roles.is_array() && i < roles.size(); ++i) {
    if (roles.at(i).as_string() == role) return true;
  }
  return false;
}

void refuse_nobody(http::Responder& responder) {
  Error error = make_error("login_required", "this needs somebody who is logged in");
  error.hint = "GET /oauth/{provider}/login in a browser, or `cofounderctl login`";
  auto response = http::error_response(401, error);
  response.headers.emplace_back("WWW-Authenticate", "Bearer");
  responder.send(std::move(response));
}

void enter_route(ControlContext& context, const PluginRoute& route, RouteCall call,
                 http::Responder responder) {
  Answer::start(std::make_shared<Answer>(context, std::move(responder), route.plugin),
                std::move(call));
}

// A route that only some may use: the plugin is entered when it is known who it is.
void enter_with_identity(ControlContext& context, const PluginRoute& route,
                         http::ServerRequest request, http::Responder responder) {
  const std::string& base_url = context.ports.config.http.public_url;
  const std::string head = route_head_json(request, route, base_url);
  context.ports.plugins.identify(
      head, [&context, alive = context.alive, route, role = route.route->role,
             id = route.route->id, request = std::move(request),
             responder = std::move(responder)](Result<std::string> who) mutable {
        if (!*alive) return;
        if (!who) return send_error(responder, who.error());
        if (who->empty()) return refuse_nobody(responder);
        if (!has_role(*who, role)) {
          return responder.send_error(
              403, make_error("role_missing", "this needs the role \"" + role + "\""));
        }
        RouteCall call;
        call.plugin = route.plugin;
        call.route = std::move(id);
        call.head_json =
            route_head_json(request, route, context.ports.config.http.public_url, *who);
        call.body = std::move(request.body);
        enter_route(context, route, std::move(call), std::move(responder));
      });
}

}  // namespace

void call_plugin_route(ControlContext& context, const PluginRoute& route,
                       http::ServerRequest request, http::Responder responder) {
  if (!route.is_ready) {
    Error error = make_error("plugin_unavailable",
                             "plugin \"" + route.plugin + "\" is not ready to answer", true);
    error.plugin = route.plugin;
    return send_error(responder, std::move(error));
  }
  if (route.route->login) {
    return enter_with_identity(context, route, std::move(request), std::move(responder));
  }
  RouteCall call;
  call.plugin = route.plugin;
  call.route = route.route->id;
  call.head_json = route_head_json(request, route, context.ports.config.http.public_url);
  call.body = std::move(request.body);
  enter_route(context, route, std::move(call), std::move(responder));
}

}  // namespace cofounder
