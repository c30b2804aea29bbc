// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <cofounder/plugin.h>
#include <cofounder/testkit.hpp>

#include <cctype>
#include <ctime>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/simulators/cloudinary.hpp"

// The whole cloudinary plugin in the loop-back host; what it sends is answered by the simulator,
// which is as strict as the provider, without a network between them.
class CloudinaryPluginTest : public testing::Test {
 protected:
  using Json = nlohmann::json;
  static constexpr std::size_t chunk_bytes = 5'000'000;

  cofounder::testkit::Host host{*cof_plugin_entry_v1()};
  simulator::CloudinaryOptions options;
  std::unique_ptr<simulator::Cloudinary> provider;
  std::optional<cofounder::testkit::HttpAnswer> scripted;  // instead of the provider's next answer

  static Json account() {
    return {{"cloud_name", "demo"},
            {"api_key", "1234"},
            {"api_secret", {{"secret", "cloudinary"}}},
            {"chunk_bytes", chunk_bytes}};
  }

  void SetUp() override {
    host.secrets["api_secret"] = "abcd";
    host.secrets["cloudinary"] = "abcd";
    host.wall_ms = 1000 * static_cast<std::int64_t>(std::time(nullptr));
    host.files["/data/small.png"] = picture(1000);
    host.files["/data/large.png"] = picture(2 * chunk_bytes + 1000);
    use_provider();
  }
  void use_provider() {
    provider = std::make_unique<simulator::Cloudinary>(options);
    host.on_request = [this](const auto& sent) { return ask(sent); };
  }
  void TearDown() override {
    host.stop();
    EXPECT_EQ(host.violations, std::vector<std::string>{});
    EXPECT_EQ(host.open_tags(), 0u);
    EXPECT_TRUE(host.transfers.empty());
    EXPECT_TRUE(host.open_files.empty());
    // Of all that was said, nothing had the secret in it.
    for (const auto& line : host.logs) EXPECT_EQ(line.text.find("abcd"), std::string::npos);
  }

  static std::string picture(std::size_t bytes) {
    std::string png{"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\x2c\0\0\0\xc8", 24};
    std::uint32_t noise = 1;
    while (png.size() < bytes) png += static_cast<char>((noise = noise * 1103515245 + 12345) >> 16);
    return png;
  }

  cofounder::testkit::HttpAnswer ask(const cofounder::testkit::HttpSent& sent) {
    if (scripted) return *std::exchange(scripted, std::nullopt);
    simulator::Request request;
    request.method = sent.method;
    const auto path = sent.url.find('/', 8);
    request.path = sent.url.substr(path);
    std::string_view lines = sent.headers;
    while (!lines.empty()) {
      const auto line = lines.substr(0, lines.find('\n'));
      lines.remove_prefix(line.size() + 1);
      std::string name{line.substr(0, line.find(": "))};
      for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      request.headers.emplace_back(name, line.substr(line.find(": ") + 2));
    }
    request.body = sent.body;
    const auto response = provider->handle(request);
    auto answer = cofounder::testkit::HttpAnswer::text(response.status, response.body);
    answer.headers = "content-type: " + response.content_type + "\n";
    return answer;
  }

  // The provider's etag of a file that arrived as it is.
  std::string md5_of(const std::string& path) const {
    return simulator::hex_digest("MD5", host.files.at(path));
  }

  using Options = cofounder::testkit::Host::OperationOptions;
  const cofounder::testkit::Call& run(std::string_view op, const Json& args,
                                      const Options& how = Options{}) {
    auto& call = host.operation(op, args.dump(), how);
    host.run();
    EXPECT_TRUE(call.ended.has_value());
    EXPECT_EQ(call.ended->error_message.find("abcd"), std::string::npos);
    return call;
  }
  Json result(std::string_view op, const Json& args) {
    const auto& call = run(op, args);
    EXPECT_TRUE(call.ended->ok()) << call.ended->error_code << ": " << call.ended->error_message;
    return call.ended->ok() ? Json::parse(call.ended->result) : Json{};
  }
  std::string code(std::string_view op, const Json& args) {
    const auto& call = run(op, args);
    EXPECT_LT(call.ended->status, 0) << call.ended->result;
    return call.ended->error_code;
  }
  // What the next request gets instead of the provider's answer.
  void answer_once(cofounder::testkit::HttpAnswer answer) { scripted = std::move(answer); }
};
