// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "context.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace cofounder::sdk::inline v1 {

// An HTTP request for a route of the plugin.
struct RouteRequest {
  std::string route;  // the route's id in the manifest
  std::string method;
  std::string path;
  std::map<std::string, std::string> params;  // of the path: "/oauth/{provider}/login"
  std::vector<std::pair<std::string, std::string>> query;
  HttpHeaders headers;  // names in lower case
  std::string base_url;
  Json peer;      // {"uid": 0} or {"address": "..."}
  Json identity;  // of a route with "login" or "role", see identity.hpp; else null
  std::string body;

  RouteRequest() = default;
  // From the request head (services/route.h).
  RouteRequest(std::string_view id, std::string_view head, std::string_view content)
      : route{id}, body{content} {
    const Json json = Json::parse(head);
    json.at("method").get_to(method);
    json.at("path").get_to(path);
    params = json.value("params", params);
    query = json.value("query", query);
    headers = json.value("headers", headers);
    base_url = json.value("base_url", base_url);
    peer = json.value("peer", Json::object());
    identity = json.value("identity", Json{});
  }

  std::string_view header(std::string_view name) const noexcept {
    return detail::find_header(headers, name);
  }
  // The first query parameter of that name.
  std::optional<std::string> param(std::string_view name) const {
    for (const auto& [key, value] : query) {
      if (key == name) return value;
    }
    return std::nullopt;
  }
};

// What a route answers.  Not an aggregate on purpose: see task.hpp.
class RouteResponse {
 public:
  RouteResponse(std::string content, std::string type) : body{std::move(content)} {
    headers.emplace_back("Content-Type", std::move(type));
  }
  RouteResponse(const Json& json) : RouteResponse{to_text(json), "application/json"} {}
  explicit RouteResponse(int code) : status{code} {}

  static RouteResponse redirect(std::string location) {
    RouteResponse response{303};
    response.header("Location", std::move(location));
    return response;
  }

  RouteResponse& header(std::string name, std::string value) & {
    headers.emplace_back(std::move(name), std::move(value));
    return *this;
  }
  RouteResponse&& with_status(int code) && {
    status = code;
    return std::move(*this);
  }

  int status = 200;
  HttpHeaders headers;
  std::string body;
};

// A streamed answer.  Make one, send pieces, then return RouteStream::end():
//   RouteStream stream{ctx, 200, headers};
//   auto sent = co_await stream.send("data: 1\n\n");
//   if (!sent) co_return sent.failure();   // the client went away
//   co_return RouteStream::end();
class RouteStream {
 public:
  RouteStream(Context ctx, int status, const HttpHeaders& headers) : ctx_{ctx} {
    const std::string lines = detail::header_lines(headers);
    checked(ctx.tables()(ctx.tables().route, &cof_route_service::respond, ctx.id(),
                         std::int32_t{status}, to_c(lines)),
            "respond")
        .value();
  }

  // Answers when there is room for the next piece; COF_EGONE when the client is away.
  Future<void> send(std::string_view piece) const {
    const auto start = [&](std::uint64_t tag) {
      return ctx_.tables()(ctx_.tables().route, &cof_route_service::send, ctx_.id(),
                           to_bytes(piece), tag);
    };
    return detail::ask<void>("send a piece", start, &detail::read_nothing);
  }

  // The response of a route that has streamed all of it: head and body are already out.
  static RouteResponse end() { return RouteResponse{0}; }

 private:
  Context ctx_;
};

}  // namespace cofounder::sdk::inline v1
