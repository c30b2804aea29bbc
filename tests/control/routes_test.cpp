// SPDX-License-Identifier: Apache-2.0
#include "core/control/routes.hpp"
#include "tests/control/control_fixture.hpp"

#include <set>

namespace cofounder::test {
namespace {

TEST(RouteTableTest, FindsByMethodAndPattern) {
  const RouteTable table;
  EXPECT_EQ(table.find("GET", "/v1/tasks").route->pattern, "/v1/tasks");
  const auto cancel = table.find("POST", "/v1/tasks/abc/cancel");
  EXPECT_EQ(cancel.route->pattern, "/v1/tasks/{id}/cancel");
  EXPECT_EQ(cancel.params, std::vector<std::string>{"abc"});
  EXPECT_EQ(table.find("HEAD", "/v1/status").route->pattern, "/v1/status");
  EXPECT_EQ(table.find("PATCH", "/v1/tasks").allowed, "POST, GET");
  for (const char* path : {"/", "", "*", "/v1", "/v1/tasks/", "/v1/tasks/a/b/c", "/v2/tasks",
                           "/v1/tasks//cancel", "/v1//tasks"}) {
    EXPECT_EQ(table.find("POST", path).route, nullptr) << path;
    EXPECT_EQ(table.find("POST", path).allowed, "") << path;
  }
}

TEST(RouteTableTest, EveryRouteIsReachableAndDescribed) {
  const RouteTable table;
  std::set<std::pair<std::string_view, std::string_view>> seen;
  for (const ControlRoute& route : control_routes()) {
    EXPECT_TRUE(seen.emplace(route.method, route.pattern).second) << route.pattern;
    EXPECT_EQ(table.find(route.method, route.pattern).route, &route) << route.pattern;
    EXPECT_NE(route.access, Access::none) << route.pattern;
    EXPECT_FALSE(route.summary.empty());
  }
}

TEST_F(ControlTest, UnknownPathsAndMethods) {
  start();
  const auto missing = ask("GET", "/v1/nothing");
  EXPECT_EQ(missing.status, 404);
  EXPECT_EQ(code(missing), "not_found");
  const auto method = ask("DELETE", "/v1/tasks");
  EXPECT_EQ(method.status, 405);
  EXPECT_EQ(method.headers.at("allow"), "POST, GET");
  EXPECT_EQ(ask("HEAD", "/v1/status").status, 200);
  EXPECT_EQ(ask("GET", "/v1/status").status, 200);  // the connection is still in step
  EXPECT_EQ(ask("POST", "/v1/nothing", "{}").status, 404);
}

TEST_F(ControlTest, AccessClassesAreKept) {
  start();
  const std::string me = config_.control.access[Access::admin][0];
  const auto become = [&](Access access) {
    on_loop([&] {
      config_.control.access = {{access, {me}}};
      control_->access_changed();
    });
  };
  const std::pair<const char*, const char*> examples[] = {
      {"GET", "/v1/status"}, {"POST", "/v1/tasks"}, {"POST", "/v1/drain"}, {"GET", "/v1/config"}};
  const Access classes[] = {Access::read, Access::submit, Access::operate, Access::admin};
  for (const Access has : classes) {
    become(has);
    for (std::size_t i = 0; i < 4; ++i) {
      const auto response = ask(examples[i].first, examples[i].second);
      EXPECT_EQ(response.status == 403, has < classes[i])
          << to_string(has) << " " << examples[i].second << " " << response.status;
    }
  }
  become(Access::read);
  const auto denied = ask("POST", "/v1/drain");
  EXPECT_EQ(code(denied), "access_denied");
  EXPECT_NE(member(denied, "/error/message").find("\"operate\""), std::string::npos);
  EXPECT_NE(member(denied, "/error/message").find(me), std::string::npos);
  HttpPeer refused_early{path_};  // before its body came
  refused_early.send("POST /v1/files HTTP/1.1\r\nHost: x\r\nContent-Length: 999999\r\n\r\n");
  EXPECT_EQ(refused_early.response().status, 403);
  on_loop([&] {
    config_.control.access = {};
    control_->access_changed();
  });
  EXPECT_EQ(ask("GET", "/v1/status").status, 403);
}

TEST_F(ControlTest, OpenApiDescribesEveryRoute) {
  start();
  on_loop([] {
    auto& fake = fake_plugins();
    fake.add_route(fake.plugins["hello"], "page", "GET", "/hello/{name}/page", "public");
  });
  const auto response = ask("GET", "/v1/openapi.json");
  EXPECT_EQ(response.status, 200);
  const auto document = parsed(response);
  const auto paths = document.root().find("paths");
  for (const ControlRoute& route : control_routes()) {
    std::string method{route.method};
    for (char& c : method) c = static_cast<char>(std::tolower(c));
    const auto operation = paths.find(route.pattern).find(method);
    ASSERT_TRUE(operation) << route.pattern;
    EXPECT_EQ(operation.string_or("x-access", ""), to_string(route.access));
  }
  const auto retry = paths.find("/v1/tasks/{id}/retry").find("post").find("responses").find("409");
  EXPECT_NE(retry.string_or("description", "").find("unique_key_in_use"), std::string::npos);
  const auto page = paths.find("/hello/{name}/page").find("get");
  EXPECT_EQ(page.string_or("x-plugin", ""), "hello");
  EXPECT_EQ(page.find("parameters").at(0).string_or("name", ""), "name");
  EXPECT_TRUE(
      document.root().find("x-operations").find("hello.greet").find("args").find("required"));
  // Every reference leads somewhere.
  const auto schemas = document.root().find("components").find("schemas");
  constexpr std::string_view prefix = "\"#/components/schemas/";
  const std::string& text = response.body;
  int references = 0;
  for (std::size_t at = text.find(prefix); at != std::string::npos;
       at = text.find(prefix, at + 1)) {
    const std::size_t begin = at + prefix.size();
    const auto name = text.substr(begin, text.find('"', begin) - begin);
    EXPECT_TRUE(schemas.find(name)) << name;
    ++references;
  }
  EXPECT_GT(references, 50);
}

}  // namespace
}  // namespace cofounder::test
