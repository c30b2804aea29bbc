// SPDX-License-Identifier: Apache-2.0
#include "core/control/openapi.hpp"

#include "core/control/routes.hpp"

#include <algorithm>
#include <map>

namespace cofounder {

namespace {

// One operation of the document, wherever it comes from.
struct Described {
  std::string method;  // lower case
  std::string access;
  std::string summary;
  std::string plugin;
  std::string query;
  std::string request;
  std::string response;
  int status = 200;
  std::string conflicts{};  // codes of its 409 errors, by spaces
};

using Paths = std::map<std::string, std::vector<Described>>;

std::string lower(std::string_view text) {
  std::string out{text};
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return out;
}

void write_parameter(json::Writer& out, std::string_view name, bool is_path) {
  out.begin_object().member("name", name).member("in", is_path ? "path" : "query");
  if (is_path) out.member("required", true);
  out.key("schema").begin_object().member("type", "string").end_object().end_object();
}

// "File" is a schema of ours, "text/plain" a media type.
void write_content(json::Writer& out, const std::string& what) {
  const bool is_media_type = what.find('/') != std::string::npos;
  out.key("content").begin_object();
  out.key(is_media_type ? what : "application/json").begin_object();
  out.key("schema").begin_object();
  if (is_media_type) {
    if (what != "application/json") out.member("type", "string");
  } else {
    out.member("$ref", "#/components/schemas/" + what);
  }
  out.end_object().end_object().end_object();
}

void write_parameters(json::Writer& out, const std::string& path, std::string_view query) {
  out.key("parameters").begin_array();
  const PathPattern pattern{path};
  for (const std::string& name : pattern.names()) write_parameter(out, name, true);
  while (!query.empty()) {
    const std::string_view name = query.substr(0, query.find(' '));
    write_parameter(out, name, false);
    query.remove_prefix(std::min(query.size(), name.size() + 1));
  }
  out.end_array();
}

void write_operation(json::Writer& out, const std::string& path, const Described& route) {
  out.key(route.method).begin_object().member("summary", route.summary);
  out.member("x-access", route.access);
  if (!route.plugin.empty()) out.member("x-plugin", route.plugin);
  write_parameters(out, path, route.query);
  if (!route.request.empty()) {
    out.key("requestBody").begin_object().member("required", true);
    write_content(out, route.request);
    out.end_object();
  }
  out.key("responses").begin_object();
  out.key(std::to_string(route.status)).begin_object().member("description", route.summary);
  if (!route.response.empty()) write_content(out, route.response);
  out.end_object();
  if (!route.conflicts.empty()) {
    out.key("409").begin_object();
    out.member("description", "An error with one of the codes: " + route.conflicts);
    write_content(out, "Error");
    out.end_object();
  }
  out.key("default").begin_object().member("description", "An error");
  write_content(out, "Error");
  out.end_object().end_object().end_object();
}

Paths collect(const PluginHost& plugins) {
  Paths paths;
  for (const ControlRoute& route : control_routes()) {
    paths[std::string{route.pattern}].push_back({lower(route.method),
                                                 std::string{to_string(route.access)},
                                                 std::string{route.summary},
                                                 {},
                                                 std::string{route.query},
                                                 std::string{route.request},
                                                 std::string{route.response},
                                                 route.status,
                                                 std::string{route.conflicts}});
  }
  for (const PluginInfo& plugin : plugins.list()) {
    const Manifest* manifest = plugins.manifest(plugin.id);
    if (manifest == nullptr) continue;
    for (const auto& route : manifest->routes) {
      auto& described = paths[route.path];
      const std::string method = lower(route.method);
      const bool is_taken = std::any_of(described.begin(), described.end(),
                                        [&](const Described& d) { return d.method == method; });
      if (is_taken) continue;  // dispatch takes the first as well
      described.push_back({method, route.access, route.summary, plugin.id, {}, {}, {}, 200, {}});
    }
  }
  return paths;
}

void write_operations(json::Writer& out, const PluginHost& plugins) {
  out.key("x-operations").begin_object();
  for (const PluginInfo& plugin : plugins.list()) {
    const Manifest* manifest = plugins.manifest(plugin.id);
    if (manifest == nullptr) continue;
    for (const auto& operation : manifest->operations) {
      out.key(plugin.id + "." + operation.name).begin_object();
      out.member("summary", operation.summary).member_raw("args", operation.args_json);
      out.member_raw("result", operation.result_json).end_object();
    }
  }
  out.end_object();
}

}  // namespace

std::string openapi_json(const PluginHost& plugins, std::string_view version) {
  json::Writer out;
  out.begin_object().member("openapi", "3.1.0");
  out.key("info").begin_object().member("title", "cofounderd").member("version", version);
  out.end_object().key("paths").begin_object();
  for (const auto& [path, routes] : collect(plugins)) {
    out.key(path).begin_object();
    for (const Described& route : routes) write_operation(out, path, route);
    out.end_object();
  }
  out.end_object();
  out.key("components").begin_object().member_raw("schemas", openapi_schemas()).end_object();
  write_operations(out, plugins);
  out.end_object();
  return out.take();
}

}  // namespace cofounder
