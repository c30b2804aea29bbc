// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "tests/simulators/http_server.hpp"

// What shows that a simulator is strict: a right request, and ways to spoil it.
namespace simulator {

struct Mutation {
  std::string what;
  std::function<void(Request&, nlohmann::json&)> change;
  int status = 400;
};

inline auto set(const std::string& name, nlohmann::json value) {
  return [name, value](Request&, nlohmann::json& body) { body[name] = value; };
}
// By JSON pointer, also where nothing is yet.
inline auto put(const std::string& pointer, nlohmann::json value) {
  return [pointer, value](Request&, nlohmann::json& body) { body[nlohmann::json::json_pointer{pointer}] = value; };
}
inline auto drop(const std::string& name) {
  return [name](Request&, nlohmann::json& body) { body.erase(name); };
}
inline auto method(const std::string& name) {
  return [name](Request& request, nlohmann::json&) { request.method = name; };
}
inline auto path(const std::string& name) {
  return [name](Request& request, nlohmann::json&) { request.path = name; };
}
inline auto query(const std::string& text) {
  return [text](Request& request, nlohmann::json&) { request.query = text; };
}
inline auto content(const std::string& text) {
  return [text](Request& request, nlohmann::json& body) { request.body = text, body = nullptr; };
}
// Replaces a header field; an empty value takes it away.
inline void set_header(Request& request, const std::string& name, const std::string& value) {
  std::erase_if(request.headers, [&](const auto& field) { return field.first == name; });
  if (!value.empty()) request.headers.emplace_back(name, value);
}
inline auto header(const std::string& name, const std::string& value) {
  return [name, value](Request& request, nlohmann::json&) { set_header(request, name, value); };
}

inline Request make_request(const std::string& name, const std::string& at, const std::string& text = {}) {
  Request request;
  request.method = name;
  request.path = at;
  request.body = text;
  return request;
}

using Answers = std::function<Response(const Request&)>;
using IsRefusal = std::function<bool(const Response&)>;

// Right as it is, and each of at least ten mutations is refused in the provider's way.
inline void check_strict(const Answers& provider, const Request& right, const nlohmann::json& body,
                         const std::vector<Mutation>& mutations, const IsRefusal& is_refusal) {
  const auto ask = [&](Request request, const nlohmann::json& json) {
    if (!json.is_null()) request.body = json.dump();
    return provider(request);
  };
  EXPECT_GE(mutations.size(), 10u);
  for (const Mutation& mutation : mutations) {
    SCOPED_TRACE(right.method + " " + right.path + ": " + mutation.what);
    Request request = right;
    nlohmann::json changed = body;
    mutation.change(request, changed);
    const Response response = ask(request, changed);
    EXPECT_EQ(response.status, mutation.status) << response.body;
    EXPECT_TRUE(is_refusal(response)) << response.body;
  }
  // At the end, for it may take away what the others are about.
  const Response response = ask(right, body);
  EXPECT_EQ(response.status / 100, 2) << right.method << ' ' << right.path << ": " << response.body;
}

inline std::vector<Mutation> operator+(std::vector<Mutation> all, const std::vector<Mutation>& more) {
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

}  // namespace simulator
