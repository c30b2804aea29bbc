// SPDX-License-Identifier: Apache-2.0
// huggingface: models of many providers by Hugging Face's router.
#include <cofounder/plugin.hpp>

#include <memory>
#include <string>
#include <utility>

#include "model.hpp"
#include "models.hpp"
#include "operations.hpp"
#include "world.hpp"

namespace sdk = cofounder::sdk;
namespace hf = huggingface;

namespace {

using sdk::Json;

class HuggingFace : public sdk::Plugin {
 public:
  HuggingFace() {
    operation("chat", &HuggingFace::chat);
    operation("generate", &HuggingFace::generate);
    operation("embed", &HuggingFace::embed);
    operation("image", &HuggingFace::image);
    operation("models", &HuggingFace::models);
    operation("whoami", &HuggingFace::whoami);
  }

  void check(sdk::Context, const Json& config) override { hf::read_account(config); }
  void apply(sdk::Context, const Json& config) override {
    world_.account = std::make_shared<const hf::Account>(hf::read_account(config));
  }

 private:
  sdk::Task<sdk::Result<Json>> chat(sdk::Context ctx, Json args) {
    co_return co_await hf::complete(ctx, &world_, hf::Kind::chat, std::move(args));
  }
  sdk::Task<sdk::Result<Json>> generate(sdk::Context ctx, Json args) {
    co_return co_await hf::complete(ctx, &world_, hf::Kind::text, std::move(args));
  }
  sdk::Task<sdk::Result<Json>> embed(sdk::Context ctx, Json args) {
    co_return co_await hf::embed(ctx, &world_, std::move(args));
  }
  sdk::Task<sdk::Result<Json>> image(sdk::Context ctx, Json args) {
    co_return co_await hf::image(ctx, &world_, std::move(args));
  }

  sdk::Task<sdk::Result<Json>> models(sdk::Context ctx, Json args) {
    const auto account = world_.account;
    std::string id = args.value("id", "");
    if (args.contains("id")) {
      const auto model = hf::read_model(id);
      if (!model || !model->selection.empty()) {
        co_return sdk::Failure(COF_EINVALID, "invalid_model", "args.id: \"org/name\" is wanted");
      }
    }
    auto token = hf::read_token(ctx);
    if (!token) co_return token.failure();
    auto models = co_await hf::ask_models(ctx, account, std::move(*token), std::move(id));
    if (!models) co_return models.failure();
    Json result{{"models", std::move(*models)}};
    co_return result;
  }

  sdk::Task<sdk::Result<Json>> whoami(sdk::Context ctx, Json) {
    const auto account = world_.account;
    auto token = hf::read_token(ctx);
    if (!token) co_return token.failure();
    co_return co_await hf::ask_whoami(ctx, account, std::move(*token));
  }

  hf::World world_;
};

}  // namespace

COF_EXPORT_PLUGIN(HuggingFace, R"json({
  "id": "huggingface", "version": "1.0.0", "abi": "1.0",
  "summary": "Chat, text, embeddings and images from models at Hugging Face's providers, with what they cost.",
  "interfaces": {"required": ["cof.call/1.0", "cof.error/1.0", "cof.http/1.0", "cof.secret/1.0",
                              "cof.file/1.0", "cof.scratch/1.0", "cof.task/1.0", "cof.timer/1.0",
                              "cof.usage/1.0", "cof.log/1.0"]},
  "permissions": {"http": ["setting:router_url", "setting:hub_url"], "secrets": ["token"], "files": true},
  "config": {"type": "object", "additionalProperties": false, "properties": {
    "router_url": {"type": "string", "default": "https://router.huggingface.co"},
    "hub_url": {"type": "string", "default": "https://huggingface.co"},
    "token": {"type": "object"},
    "bill_to": {"type": "string", "maxLength": 100,
                "description": "the organization that pays, instead of the token's owner"},
    "wait_max_seconds": {"type": "number", "minimum": 0, "maximum": 3600, "default": 30,
      "description": "how long an attempt waits for a model that is being loaded, or for a rate limit; what takes longer is left to the next attempt"},
    "requests_per_provider_max": {"type": "integer", "minimum": 1, "maximum": 100000, "default": 64},
    "queue_wait_max_seconds": {"type": "number", "minimum": 0, "maximum": 3600, "default": 10,
      "description": "how long a call waits for one of these places before its task is put off"},
    "answer_timeout_seconds": {"type": "number", "minimum": 0.1, "maximum": 86400, "default": 300},
    "idle_timeout_seconds": {"type": "number", "minimum": 0.1, "maximum": 86400, "default": 60},
    "quick_timeout_seconds": {"type": "number", "minimum": 0.1, "maximum": 3600, "default": 10},
    "prices_kept_seconds": {"type": "number", "minimum": 0, "maximum": 86400, "default": 600},
    "image_bytes_max": {"type": "integer", "minimum": 1, "maximum": 1073741824, "default": 67108864}}},
  "operations": [
    {"name": "chat", "summary": "The next message of a conversation.",
     "args": {"type": "object", "required": ["model", "messages"], "additionalProperties": false,
       "properties": {
       "model": {"type": "string", "minLength": 1, "maxLength": 200,
                 "description": "org/name, perhaps with :fastest, :cheapest, :preferred or :<provider>"},
       "messages": {"type": "array", "minItems": 1, "maxItems": 10000, "items": {"type": "object"}},
       "max_tokens": {"type": "integer", "minimum": 1, "maximum": 10000000},
       "temperature": {"type": "number", "minimum": 0, "maximum": 2},
       "top_p": {"type": "number", "minimum": 0, "maximum": 1},
       "stop": {"type": ["string", "array"]},
       "seed": {"type": "integer"},
       "presence_penalty": {"type": "number", "minimum": -2, "maximum": 2},
       "frequency_penalty": {"type": "number", "minimum": -2, "maximum": 2},
       "tools": {"type": "array", "maxItems": 1000, "items": {"type": "object"}},
       "tool_choice": {"type": ["string", "object"]},
       "response_format": {"type": "object"},
       "stream": {"type": "boolean", "default": false},
       "wait_max_seconds": {"type": "number", "minimum": 0, "maximum": 3600}}}},
    {"name": "generate", "summary": "How a text goes on.",
     "args": {"type": "object", "required": ["model", "prompt"], "additionalProperties": false,
       "properties": {
       "model": {"type": "string", "minLength": 1, "maxLength": 200},
       "prompt": {"type": "string", "minLength": 1},
       "max_tokens": {"type": "integer", "minimum": 1, "maximum": 10000000},
       "temperature": {"type": "number", "minimum": 0, "maximum": 2},
       "top_p": {"type": "number", "minimum": 0, "maximum": 1},
       "stop": {"type": ["string", "array"]},
       "seed": {"type": "integer"},
       "stream": {"type": "boolean", "default": false},
       "wait_max_seconds": {"type": "number", "minimum": 0, "maximum": 3600}}}},
    {"name": "embed", "summary": "A vector for each text.",
     "args": {"type": "object", "required": ["model", "inputs"], "additionalProperties": false,
       "properties": {
       "model": {"type": "string", "minLength": 1, "maxLength": 200},
       "inputs": {"type": "array", "minItems": 1, "maxItems": 256,
                  "items": {"type": "string", "minLength": 1}},
       "normalize": {"type": "boolean"},
       "wait_max_seconds": {"type": "number", "minimum": 0, "maximum": 3600}}}},
    {"name": "image", "summary": "A picture of what is described, into a file.",
     "args": {"type": "object", "required": ["model", "prompt", "output"],
       "additionalProperties": false, "properties": {
       "model": {"type": "string", "minLength": 1, "maxLength": 200},
       "prompt": {"type": "string", "minLength": 1},
       "negative_prompt": {"type": "string"},
       "width": {"type": "integer", "minimum": 1, "maximum": 8192},
       "height": {"type": "integer", "minimum": 1, "maximum": 8192},
       "seed": {"type": "integer"},
       "guidance_scale": {"type": "number", "minimum": 0, "maximum": 100},
       "num_inference_steps": {"type": "integer", "minimum": 1, "maximum": 1000},
       "output": {"type": "string", "minLength": 1, "maxLength": 4096,
                  "description": "a path below files.write, or NAME in the task's scratch folder"},
       "wait_max_seconds": {"type": "number", "minimum": 0, "maximum": 3600}}}},
    {"name": "models", "summary": "The models with their providers, prices and states.",
     "args": {"type": "object", "additionalProperties": false, "properties": {
       "id": {"type": "string", "minLength": 1, "maxLength": 200}}}},
    {"name": "whoami", "summary": "Whose the token is.",
     "args": {"type": "object", "additionalProperties": false, "properties": {}}}
  ]
})json");
