// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <cofounder/plugin.h>
#include <cofounder/testkit.hpp>

#include <algorithm>
#include <cctype>
#include <ctime>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "tests/simulators/github_oauth.hpp"
#include "tests/simulators/oidc.hpp"

// The whole oauth plugin in the loop-back host, and browsers; the providers are simulators, which are
// as strict as the real ones, without a network between them.
class OauthTest : public testing::Test {
 protected:
  using Json = nlohmann::json;
  using HttpAnswer = cofounder::testkit::HttpAnswer;

  std::unique_ptr<cofounder::testkit::Host> owned =
      std::make_unique<cofounder::testkit::Host>(*cof_plugin_entry_v1());
  simulator::GithubOauth github{{.redirect_uri = "https://app.example/oauth/github/callback"}};
  simulator::Oidc op{{.issuer = "https://op.example",
                      .redirect_uri = "https://app.example/oauth/op/callback"}};
  std::function<std::unique_ptr<HttpAnswer>(const cofounder::testkit::HttpSent&)> instead;
  Json config{
      {"github",
       {{"client_id", "Iv1.0123456789abcdef"}, {"client_secret", {{"secret", "github.client_secret"}}}}},
      {"op",
       {{"kind", "oidc"},
        {"issuer", "https://op.example"},
        {"client_id", "client-1"},
        {"client_secret", {{"secret", "op.client_secret"}}}}}};

  cofounder::testkit::Host& host() { return *owned; }

  void SetUp() override { prepare(); }
  void prepare() {
    host().secrets["github.client_secret"] = "github-secret";
    host().secrets["op.client_secret"] = "s/cret +&=%";
    host().wall_ms = 1000 * static_cast<std::int64_t>(std::time(nullptr));
    host().on_request = [this](const auto& sent) { return ask(sent); };
  }
  void start() { host().start(config.dump()); }
  // The daemon ends and starts anew: only what was in the store is still there.
  void restart() {
    auto kept = host().values;
    const auto now = host().wall_ms;
    finish();
    owned = std::make_unique<cofounder::testkit::Host>(*cof_plugin_entry_v1());
    prepare();
    host().values = std::move(kept);
    host().wall_ms = now;
    start();
  }
  void finish() {
    host().stop();
    EXPECT_EQ(host().violations, std::vector<std::string>{});
    EXPECT_EQ(host().open_tags(), 0u);
    EXPECT_TRUE(host().transfers.empty());
    for (const auto& line : host().logs) {
      for (const char* secret : {"github-secret", "s/cret", "gho_", "ghu_", "ghr_"}) {
        EXPECT_EQ(line.text.find(secret), std::string::npos) << line.text;
      }
    }
  }
  void TearDown() override { finish(); }

  HttpAnswer ask(const cofounder::testkit::HttpSent& sent) {
    if (instead) {
      if (auto answer = instead(sent)) return std::move(*answer);
    }
    simulator::Request request;
    request.method = sent.method;
    const auto path = sent.url.find('/', 8);
    const auto query = sent.url.find('?');
    request.path = sent.url.substr(path, query - path);
    if (query != std::string::npos) request.query = sent.url.substr(query + 1);
    std::string_view lines = sent.headers;
    while (!lines.empty()) {
      const auto line = lines.substr(0, lines.find('\n'));
      lines.remove_prefix(line.size() + 1);
      std::string name{line.substr(0, line.find(": "))};
      for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      request.headers.emplace_back(name, line.substr(line.find(": ") + 2));
    }
    request.body = sent.body;
    const bool is_github = sent.url.find("github.com") != std::string::npos;
    const auto response = is_github ? github.handle(request) : op.handle(request);
    auto answer = HttpAnswer::text(response.status, response.body);
    answer.headers = "content-type: " + response.content_type + "\n";
    return answer;
  }

  struct Reply {
    int status = 0;
    std::map<std::string, std::string> headers;
    std::map<std::string, std::string> cookies;
    std::string body;
    Json json;
    std::string code() const {
      return json.is_object() && json.contains("error") ? json["error"].value("code", "") : "";
    }
    std::string message() const {
      return json.is_object() && json.contains("error") ? json["error"].value("message", "") : "";
    }
  };
  using Query = std::vector<std::pair<std::string, std::string>>;

  struct Browser {
    std::map<std::string, std::string> cookies;
  };

  std::string base_url = "https://app.example";
  Reply call(const std::string& route, const std::string& method, Json params, const Query& query,
             Browser* browser, Query headers = {}, const std::string& body = {}) {
    if (browser != nullptr && !browser->cookies.empty()) {
      std::string cookies;
      for (const auto& [name, value] : browser->cookies) cookies += "; " + name + "=" + value;
      headers.emplace_back("cookie", cookies.substr(2));
    }
    const Json head{{"method", method}, {"path", "/oauth"},   {"params", std::move(params)},
                    {"query", query},   {"headers", headers}, {"base_url", base_url},
                    {"peer", {{"address", "127.0.0.1"}}}};
    auto& made = host().route(route, head.dump(), body);
    host().run();
    return read(made, browser);
  }
  Reply read(cofounder::testkit::Call& made, Browser* browser) {
    Reply reply;
    EXPECT_TRUE(made.ended.has_value());
    if (!made.ended) return reply;
    EXPECT_TRUE(made.ended->ok()) << made.ended->error_code << ": " << made.ended->error_message;
    reply.status = made.http_status;
    reply.body = made.ended->result;
    reply.json = Json::parse(reply.body, nullptr, false);
    std::string_view lines = made.http_headers;
    while (!lines.empty()) {
      const auto line = lines.substr(0, lines.find('\n'));
      lines.remove_prefix(line.size() + 1);
      const std::string name{line.substr(0, line.find(": "))}, value{line.substr(line.find(": ") + 2)};
      reply.headers[name] = value;
      if (name != "Set-Cookie") continue;
      const auto equals = value.find('=');
      const std::string cookie = value.substr(0, equals);
      reply.cookies[cookie] = value;
      if (browser == nullptr) continue;
      browser->cookies[cookie] = value.substr(equals + 1, value.find(';') - equals - 1);
      if (value.find("Max-Age=0") != std::string::npos) browser->cookies.erase(cookie);
    }
    return reply;
  }

  static std::map<std::string, std::string> query_of(const std::string& url) {
    simulator::Request request;
    request.query = url.substr(std::min(url.size(), url.find('?') + 1));
    return simulator::query_fields(request).value_or(std::map<std::string, std::string>{});
  }

  // The browser goes to the provider, agrees, and is sent back: the callback's query.
  Reply begin(const std::string& provider, Browser* browser, const std::string& return_to = {}) {
    Query query;
    if (!return_to.empty()) query.emplace_back("return_to", return_to);
    return call("login", "GET", {{"provider", provider}}, query, browser);
  }
  std::map<std::string, std::string> agree(const std::string& provider, const std::string& url) {
    simulator::Request request;
    request.method = "GET";
    const auto path = url.find('/', 8);
    request.path = url.substr(path, url.find('?') - path);
    request.query = url.substr(url.find('?') + 1);
    const auto response = provider == "github" ? github.handle(request) : op.handle(request);
    EXPECT_EQ(response.status, 302) << response.body;
    return response.headers.empty() ? std::map<std::string, std::string>{}
                                    : query_of(response.headers[0].second);
  }
  Reply come_back(const std::string& provider, const std::map<std::string, std::string>& fields,
                  Browser* browser) {
    return call("callback", "GET", {{"provider", provider}}, Query(fields.begin(), fields.end()),
                browser);
  }
  Reply log_in(const std::string& provider, Browser* browser) {
    const auto began = begin(provider, browser);
    EXPECT_EQ(began.status, 303) << began.body;
    if (began.status != 303) return began;
    return come_back(provider, agree(provider, began.headers.at("Location")), browser);
  }
  Reply me(Browser* browser) { return call("me", "GET", Json::object(), {}, browser); }

  std::size_t rows(const std::string& prefix) {
    return static_cast<std::size_t>(
        std::count_if(host().values.begin(), host().values.end(),
                      [&](const auto& row) { return row.first.starts_with(prefix); }));
  }
  std::size_t requests_to(const std::string& part) {
    return static_cast<std::size_t>(
        std::count_if(host().requests.begin(), host().requests.end(),
                      [&](const auto& sent) { return sent.url.find(part) != std::string::npos; }));
  }
};
