// SPDX-License-Identifier: Apache-2.0
// @NAME@: says here what it is good for.
#include <cofounder/plugin.hpp>

#include <chrono>
#include <string>

namespace sdk = cofounder::sdk;

class Plugin : public sdk::Plugin {
 public:
  Plugin() {
    operation("shout", &Plugin::shout);
    operation("ping", &Plugin::ping);
  }

  // Comes at start and at every reload, after the daemon checked it against the manifest's
  // "config".
  void apply(sdk::Context, const sdk::Json& config) override {
    mark_ = config.value("mark", std::string{"!"});
  }

 private:
  // An operation that needs nobody.
  sdk::Json shout(const sdk::Json& args) {
    return sdk::Json::object({{"text", args.at("text").get<std::string>() + mark_}});
  }

  // An operation that waits: a coroutine.  Read the rule for g++ 12 in cofounder/cpp/task.hpp.
  sdk::Task<sdk::Result<sdk::Json>> ping(sdk::Context ctx, sdk::Json args) {
    auto response = co_await ctx.http().get(args.at("url").get<std::string>());
    if (!response) co_return response.failure();
    co_return sdk::Json::object({{"status", response->status}});
  }

  std::string mark_ = "!";
};

COF_EXPORT_PLUGIN(Plugin, R"({
  "id": "@NAME@", "version": "0.1.0", "abi": "1.0", "summary": "Says here what it is good for.",
  "interfaces": {"required": ["cof.call/1.0", "cof.error/1.0", "cof.http/1.0"]},
  "permissions": {"http": ["example.org"]},
  "config": {"type": "object", "properties": {"mark": {"type": "string", "default": "!"}},
             "additionalProperties": false},
  "operations": [
    {"name": "shout", "summary": "Adds the mark.", "args":
      {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"],
       "additionalProperties": false}},
    {"name": "ping", "summary": "Gets a URL of example.org.", "args":
      {"type": "object", "properties": {"url": {"type": "string"}}, "required": ["url"],
       "additionalProperties": false}}]
})");
