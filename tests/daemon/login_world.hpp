// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "tests/simulators/github_oauth.hpp"
#include "tests/support/real_daemon.hpp"

namespace cofounder::test {
using Json = nlohmann::json;

struct Reply {
  int status = 0;
  std::string location;
  std::string body;
  Json json() const { return Json::parse(body, nullptr, false); }
  std::string code() const {
    const Json all = json();
    return all.is_object() && all.contains("error") ? all["error"].value("code", "") : "";
  }
};

inline std::uint16_t free_port() {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ::bind(descriptor, reinterpret_cast<sockaddr*>(&address), size);
  ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(descriptor);
  return ntohs(address.sin_port);
}

// One request, one connection; cookies are kept.
struct Browser {
  std::map<std::string, std::string> cookies;

  Reply go(const std::string& method, const std::string& url, const std::string& more = {}) {
    const auto slash = url.find('/', 7);
    const std::string host = url.substr(7, slash - 7);
    const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const timeval most{20, 0};
    ::setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(host.substr(host.find(':') + 1))));
    std::string text;
    if (::connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
      std::string request = method + " " + url.substr(slash) + " HTTP/1.1\r\nHost: " + host +
                            "\r\nConnection: close\r\n" + more;
      if (!cookies.empty()) {
        request += "Cookie: ";
        for (const auto& [name, value] : cookies) request += name + "=" + value + "; ";
        request.resize(request.size() - 2);
        request += "\r\n";
      }
      if (method == "POST") request += "Content-Length: 0\r\n";
      request += "\r\n";
      ::send(descriptor, request.data(), request.size(), MSG_NOSIGNAL);
      char bytes[4096];
      for (ssize_t n = 0; (n = ::recv(descriptor, bytes, sizeof bytes, 0)) > 0;) {
        text.append(bytes, static_cast<std::size_t>(n));
      }
    }
    ::close(descriptor);
    return read(text);
  }

 private:
  Reply read(const std::string& text) {
    Reply reply;
    if (text.size() < 12) return reply;
    reply.status = std::stoi(text.substr(9, 3));
    const auto end = text.find("\r\n\r\n");
    reply.body = text.substr(end + 4);
    for (auto at = text.find("\r\n"); at < end;) {
      const auto next = text.find("\r\n", at + 2);
      const std::string line = text.substr(at + 2, next - at - 2);
      at = next;
      const auto colon = line.find(": ");
      std::string name = line.substr(0, colon);
      for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      if (name == "location") reply.location = line.substr(colon + 2);
      if (name != "set-cookie") continue;
      const std::string value = line.substr(colon + 2);
      const auto equals = value.find('=');
      cookies[value.substr(0, equals)] = value.substr(equals + 1, value.find(';') - equals - 1);
    }
    return reply;
  }
};

class Login : public testing::Test {
 protected:
  simulator::GithubOauth github{{}};
  std::atomic<int> token_requests = 0;
  std::unique_ptr<simulator::HttpServer> server = std::make_unique<simulator::HttpServer>(
      std::uint16_t{0}, [this](const simulator::Request& request) {
        if (request.path == "/login/oauth/access_token") ++token_requests;
        return github.handle(request);
      });
  RealDaemon daemon{{"plugins/oauth.so", "fixtures/guarded.so"}};
  std::string site;

  void configure(const std::string& more = {}) {
    if (site.empty()) site = "http://127.0.0.1:" + std::to_string(free_port());
    const std::string at = "http://127.0.0.1:" + std::to_string(server->port());
    daemon.configure("allow_plain_secrets = true\n[http]\nlisten = [\"" + site.substr(7) +
                     "\"]\npublic_url = \"" + site + "\"\n[plugin.oauth]\n" + more +
                     "\n[plugin.oauth.github]\nclient_id = \"" + github.options().client_id +
                     "\"\nclient_secret = \"github-secret\"\nbase_url = \"" + at + "\"\napi_url = \"" +
                     at + "\"\n[plugin.oauth.roles.staff]\nallowed_orgs = [\"github\"]\n");
  }
  // To the provider and back, but not into the callback.
  std::string agree(Browser& browser, const std::string& query = {}) {
    const Reply began = browser.go("GET", site + "/oauth/github/login" + query);
    EXPECT_EQ(began.status, 303) << began.body;
    Browser elsewhere;  // the provider's cookies are its own
    return elsewhere.go("GET", began.location).location;
  }
};

}  // namespace cofounder::test
