// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "tests/simulators/github_oauth.hpp"

// Requests that are each wrong in one place, for login servers that have to refuse them.
namespace simulator {

using Json = nlohmann::json;
using Fields = std::map<std::string, std::string>;

inline const std::string verifier(43, 'v');

inline Request post(const std::string& path, const Fields& fields) {
  Request request;
  request.method = "POST";
  request.path = path;
  request.headers = {{"content-type", "application/x-www-form-urlencoded"},
                     {"accept", "application/json"},
                     {"user-agent", "test"}};
  request.body = encode_form(fields);
  return request;
}

inline Request get(const std::string& path, const Fields& fields) {
  Request request;
  request.method = "GET";
  request.path = path;
  request.query = encode_form(fields);
  request.headers = {{"user-agent", "test"}, {"host", "127.0.0.1:1"}};
  return request;
}

// The redirect's query, or {"status": ...} of what is no redirect.
inline Fields answer_of(const Response& response) {
  if (response.status != 302) return {{"status", std::to_string(response.status)}};
  Request request;
  const std::string& url = response.headers.at(0).second;
  request.query = url.substr(url.find('?') + 1);
  return *query_fields(request);
}
inline std::string error_of(const Response& response) {
  const Json json = Json::parse(response.body, nullptr, false);
  if (response.status == 302) return answer_of(response)["error"];
  return json.is_object() && json.contains("error") ? json.value("error", "")
                                                    : std::to_string(response.status);
}

using Change = std::pair<std::function<void(Fields&)>, std::string>;
inline Change set(const char* name, std::string value, const char* error) {
  return {[=](Fields& fields) { fields[name] = value; }, error};
}
inline Change drop(const char* name, const char* error) {
  return {[=](Fields& fields) { fields.erase(name); }, error};
}

// A request that is wrong in one place, and what the provider says to it.
struct Wrong {
  const char* what;
  std::function<void(Request&)> change;
  std::string error;
};
inline void put_header(Request& request, const std::string& name, const std::string& value) {
  std::erase_if(request.headers, [&](const auto& header) { return header.first == name; });
  if (!value.empty()) request.headers.emplace_back(name, value);
}
inline std::function<void(Request&)> header(const char* name, std::string value) {
  return [=](Request& request) { put_header(request, name, value); };
}
inline std::function<void(Request&)> body(std::string text) {
  return [=](Request& request) { request.body = text; };
}
inline std::function<void(Request&)> method(const char* name) {
  return [=](Request& request) { request.method = name; };
}
inline std::function<void(Request&)> path(const char* text) {
  return [=](Request& request) { request.path = text; };
}
inline std::function<void(Request&)> query(std::string text) {
  return [=](Request& request) { request.query = text; };
}
inline std::function<void(Request&)> both(std::function<void(Request&)> a, std::function<void(Request&)> b) {
  return [=](Request& request) {
    a(request);
    b(request);
  };
}

// GitHub's API has no error's code: its status is what counts.
template <class Server>
inline void expect_refused(Server& server, const std::function<Request()>& good, const std::vector<Wrong>& all) {
  EXPECT_GE(all.size(), 10u);
  for (const Wrong& one : all) {
    Request request = good();
    one.change(request);
    EXPECT_EQ(error_of(server.handle(request)), one.error) << one.what;
  }
  const auto response = server.handle(good());
  EXPECT_LT(response.status, 300) << "and the right one is taken: " << response.body;
}

}  // namespace simulator
