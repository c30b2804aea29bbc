// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/control/context.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cofounder {

// One route of the daemon itself.  The table of them is the only place that knows them: requests
// are dispatched by it, and GET /v1/openapi.json is written from it.
struct ControlRoute {
  std::string_view method;
  std::string_view pattern;  // "/v1/tasks/{id}/cancel"
  Access access;
  std::string_view summary;
  std::string_view query;     // names of its query parameters, by spaces
  std::string_view request;   // name of the body's schema; empty: no body
  std::string_view response;  // name of the answer's schema, or a media type
  ControlHandler handle;
  int status = 200;  // of the normal answer
  std::string_view conflicts = {};  // codes of its 409 errors, by spaces
};

std::span<const ControlRoute> control_routes() noexcept;

// A path pattern, cut at the slashes.  Parameters match one segment that is not empty.
class PathPattern {
 public:
  explicit PathPattern(std::string_view pattern);

  // The parameters in order, or nothing.
  bool matches(std::span<const std::string_view> segments) const noexcept;
  std::vector<std::string> params(std::span<const std::string_view> segments) const;
  const std::vector<std::string>& names() const noexcept { return names_; }

 private:
  struct Segment {
    std::string text;
    bool is_param = false;
  };
  std::vector<Segment> segments_;
  std::vector<std::string> names_;
};

std::vector<std::string_view> split_path(std::string_view path);

// The daemon's own routes, ready to be looked up.
class RouteTable {
 public:
  struct Match {
    const ControlRoute* route = nullptr;  // null: none
    std::vector<std::string> params;
    std::string allowed;  // the path is known, but with these methods: "GET, POST"
  };

  RouteTable();
  Match find(std::string_view method, std::string_view path) const;

 private:
  struct Entry {
    const ControlRoute* route;
    PathPattern pattern;
  };
  std::vector<Entry> entries_;
};

}  // namespace cofounder
