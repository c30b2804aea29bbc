// SPDX-License-Identifier: Apache-2.0
#include "core/host/identity.hpp"

#include "core/base/json.hpp"

#include <memory>
#include <utility>

namespace cofounder::host {

namespace {

constexpr std::size_t answer_bytes_max = 64u << 10;

struct Taking {
  std::string plugin;
  UniqueFunction<void(Result<std::string>)> done;
  int status = 0;
  std::string body;
};

Error unavailable(const Taking& taking, const std::string& why) {
  Error error = make_error("identity_unavailable",
                           "who is logged in cannot be known now: " + why, /*retryable=*/true);
  error.plugin = taking.plugin;
  return error;
}

Result<std::string> read_answer(Taking& taking, const std::optional<Error>& failed) {
  if (failed) return unavailable(taking, failed->message);
  std::string who;
  if (taking.status == 204) return Result<std::string>{boost::system::in_place_value, who};
  if (taking.status != 200) {
    return unavailable(taking, "the plugin answered status " + std::to_string(taking.status));
  }
  const auto document = json::parse(taking.body);
  const bool good = document && document->root().is_object();
  const auto subject = good ? document->root().find("subject").as_string() : std::nullopt;
  if (taking.body.size() > answer_bytes_max || !subject || subject->empty()) {
    return unavailable(taking, "the plugin's answer is no identity");
  }
  return Result<std::string>{boost::system::in_place_value, std::move(taking.body)};
}

}  // namespace

std::string identity_head(std::string_view head_json) {
  json::Writer out;
  out.begin_object();
  const auto document = json::parse(head_json);
  const json::View head = document ? document->root() : json::View{};
  for (const char* name : {"method", "path", "base_url", "peer"}) {
    if (const json::View value = head.find(name)) out.member_raw(name, value.text());
  }
  out.key("params").begin_object().end_object();
  out.key("query").begin_array().end_array().key("headers").begin_array();
  const json::View headers = head.find("headers");
  for (std::size_t i = 0; headers.is_array() && i < headers.size(); ++i) {
    const auto name = headers.at(i).at(0).as_string();
    if (name == "cookie" || name == "authorization") out.raw(headers.at(i).text());
  }
  return out.end_array().end_object().take();
}

RouteSink identity_sink(std::string plugin, UniqueFunction<void(Result<std::string>)> done) {
  auto taking = std::make_shared<Taking>();
  taking->plugin = std::move(plugin);
  taking->done = std::move(done);
  RouteSink sink;
  sink.head = [taking](int status, const auto&) { taking->status = status; };
  sink.piece = [taking](std::string_view piece) {
    if (taking->body.size() <= answer_bytes_max) taking->body += piece;
    return true;
  };
  sink.end = [taking](const std::optional<Error>& failed) {
    if (taking->done) std::exchange(taking->done, nullptr)(read_answer(*taking, failed));
  };
  return sink;
}

}  // namespace cofounder::host
