// SPDX-License-Identifier: Apache-2.0
// fine-tuning: trains models at providers and by programs of the operator's.
#include <cofounder/plugin.hpp>

#include <memory>
#include <string>
#include <utility>

#include "answer.hpp"
#include "ollama.hpp"
#include "train.hpp"

namespace sdk = cofounder::sdk;
namespace ft = fine_tuning;

namespace {

using sdk::Json;

sdk::Failure claude_does_not_train() {
  return sdk::Failure{COF_EUNSUPPORTED, "unsupported_by_provider",
                      "Anthropic's own API has no fine-tuning. Claude 3 Haiku can be customized by Amazon "
                      "Bedrock: use provider \"bedrock\""};
}

class FineTuning : public sdk::Plugin {
 public:
  FineTuning() {
    operation("validate", &FineTuning::validate);
    operation("train", &FineTuning::train);
    operation("jobs", &FineTuning::jobs);
    operation("deploy", &FineTuning::deploy);
    operation("aliases", &FineTuning::aliases);
    for (const char* topic : {"task.cancelled", "task.failed", "task.timed_out"}) {
      on_event(topic, &FineTuning::task_ended);
    }
  }

  void check(sdk::Context, const Json& config) override { ft::read_settings(config); }
  void apply(sdk::Context ctx, const Json& config) override {
    ft::Settings settings = ft::read_settings(config);
    if (!figures_) figures_ = std::make_shared<ft::JobFigures>(ctx.host());
    settings.figures = figures_;
    settings_ = std::make_shared<const ft::Settings>(std::move(settings));
  }
  // Tasks may have ended while the plugin was not there.
  sdk::Task<void> start(sdk::Context) override {
    spawn(ft::settle(background(), settings_, ""));
    co_return;
  }

 private:
  sdk::Task<sdk::Result<Json>> validate(sdk::Context ctx, Json args) {
    const auto settings = settings_;
    const auto format = ft::read_format(args.at("format").get<std::string>());
    if (!format) co_return sdk::Failure(COF_EINVALID, "invalid_format", "args.format is unknown");
    ft::DatasetLimits limits = settings->dataset;
    const bool is_openai = *format == ft::Format::openai_chat || *format == ft::Format::openai_dpo;
    if (is_openai) limits.examples_min = settings->openai_examples_min;
    ft::DatasetCheck check{*format, limits};
    std::string name = args.at("dataset").get<std::string>();
    auto report = co_await ft::check_dataset(ctx, std::move(name), &check);
    if (!report) co_return report.failure();
    co_return report->json();
  }

  sdk::Task<sdk::Result<Json>> train(sdk::Context ctx, Json args) {
    const auto settings = settings_;
    const std::string provider = args.at("provider").get<std::string>();
    if (provider == "claude") co_return claude_does_not_train();
    if (provider == "local" || provider == "ollama") {
      co_return co_await ft::train_here(ctx, settings, std::move(args));
    }
    const auto remote = ft::make_remote(provider, settings);
    if (!remote) co_return sdk::Failure(COF_EINVALID, "invalid_provider", "args.provider is unknown");
    if (!args.contains("dataset")) {
      co_return sdk::Failure(COF_EINVALID, "no_dataset", "args.dataset is missing");
    }
    co_return co_await ft::train_there(ctx, settings, remote, std::move(args));
  }

  sdk::Task<sdk::Result<Json>> jobs(sdk::Context ctx, Json args) {
    std::string provider = args.value("provider", "");
    co_return co_await ft::list_jobs(ctx, std::move(provider));
  }

  sdk::Task<sdk::Result<Json>> deploy(sdk::Context ctx, Json args) {
    const auto settings = settings_;
    const std::string model = args.at("model").get<std::string>();
    const std::string provider = args.at("provider").get<std::string>();
    const std::string alias = args.value("alias", "default");
    const bool is_here = provider == "ollama" || provider == "local";
    if (!(is_here ? ft::is_model_name(model) : ft::is_word(model))) {
      co_return sdk::Failure(COF_EINVALID, "invalid_model", "args.model: it is no name of a model");
    }
    if (is_here) {
      auto shown = co_await ft::show_in_ollama(ctx, settings, model);
      if (!shown) co_return shown.failure();
    }
    const std::string key = "alias/" + alias;
    Json active{{"alias", alias},
                {"model", model},
                {"provider", provider},
                {"since_ms", ctx.host().wall().time_since_epoch().count()}};
    const std::string text = sdk::to_text(active);
    auto stored = co_await ctx.kv().put(key, text);
    if (!stored) co_return stored.failure();
    Json result{{"active", std::move(active)}};
    co_return result;
  }

  sdk::Task<sdk::Result<Json>> aliases(sdk::Context ctx, Json) {
    auto page = co_await ctx.kv().scan("alias/");
    if (!page) co_return page.failure();
    Json list = Json::array();
    for (const sdk::KvEntry& entry : page->entries) list.push_back(Json::parse(entry.value));
    Json result{{"aliases", std::move(list)}};
    co_return result;
  }

  sdk::Task<void> task_ended(sdk::Context ctx, Json event) {
    // A task that was cancelled while it waited is told without its operation: settle() knows ours.
    const std::string op = event.value("op", "");
    const bool is_other = !op.empty() && op != "fine-tuning.train";
    if (is_other || !event.contains("task")) co_return;
    std::string task = event.at("task").get<std::string>();
    co_await ft::settle(ctx, settings_, std::move(task));
  }

  std::shared_ptr<ft::JobFigures> figures_;
  std::shared_ptr<const ft::Settings> settings_ = std::make_shared<const ft::Settings>();
};

}  // namespace

COF_EXPORT_PLUGIN(FineTuning, R"json({
  "id": "fine-tuning", "version": "1.0.0", "abi": "1.0",
  "summary": "Trains models at OpenAI, Bedrock and Vertex, or by a program of yours for Ollama.",
  "interfaces": {"required": ["cof.call/1.0", "cof.error/1.0", "cof.http/1.0", "cof.secret/1.0",
                              "cof.file/1.0", "cof.scratch/1.0", "cof.task/1.0", "cof.timer/1.0",
                              "cof.kv/1.0", "cof.usage/1.0", "cof.event/1.0", "cof.log/1.0",
                              "cof.metric/1.0"],
                 "optional": ["cof.process/1.0"]},
  "permissions": {"http": ["setting:openai_url", "setting:ollama_url", "setting:bedrock_url",
                           "setting:s3_url", "setting:vertex_url", "setting:vertex_token_url",
                           "setting:storage_url"],
                  "secrets": ["openai_key", "bedrock_secret_access_key", "bedrock_session_token",
                              "vertex_key"],
                  "events": ["task.cancelled", "task.failed", "task.timed_out"],
                  "programs": ["*"], "files": true},
  "config": {"type": "object", "additionalProperties": false, "properties": {
    "openai_url": {"type": "string", "default": "https://api.openai.com/v1"},
    "openai_key": {"type": "object"},
    "openai_organization": {"type": "string", "maxLength": 100},
    "openai_project": {"type": "string", "maxLength": 100},
    "openai_file_bytes_max": {"type": "integer", "minimum": 1, "default": 536870912,
      "description": "larger datasets go up in parts"},
    "openai_part_bytes": {"type": "integer", "minimum": 1, "maximum": 67108864, "default": 67108864},
    "openai_examples_min": {"type": "integer", "minimum": 1, "default": 10},
    "ollama_url": {"type": "string", "default": "http://127.0.0.1:11434"},
    "bedrock_url": {"type": "string", "default": "https://bedrock.us-west-2.amazonaws.com"},
    "s3_url": {"type": "string", "default": "https://s3.us-west-2.amazonaws.com"},
    "bedrock_region": {"type": "string", "default": "us-west-2"},
    "bedrock_access_key_id": {"type": "string"},
    "bedrock_secret_access_key": {"type": "object"},
    "bedrock_session_token": {"type": "object"},
    "bedrock_role_arn": {"type": "string"},
    "bedrock_s3_uri": {"type": "string", "description": "s3://bucket/folder for datasets and results"},
    "s3_put_bytes_max": {"type": "integer", "minimum": 1, "maximum": 5368709120, "default": 104857600,
      "description": "larger datasets go up in parts"},
    "s3_part_bytes": {"type": "integer", "minimum": 5242880, "maximum": 5368709120, "default": 67108864},
    "vertex_url": {"type": "string", "default": "https://us-central1-aiplatform.googleapis.com"},
    "vertex_token_url": {"type": "string", "default": "https://oauth2.googleapis.com/token"},
    "storage_url": {"type": "string", "default": "https://storage.googleapis.com"},
    "vertex_project": {"type": "string"},
    "vertex_location": {"type": "string", "default": "us-central1"},
    "vertex_gcs_uri": {"type": "string", "description": "gs://bucket/folder for datasets"},
    "vertex_key": {"type": "object", "description": "the JSON of a service account's key"},
    "local": {"type": "object", "additionalProperties": false, "properties": {
      "command": {"type": "array", "maxItems": 100, "items": {"type": "string", "minLength": 1},
        "description": "a trainer and its arguments, with {dataset}, {validation}, {base_model}, {output}, {hyperparameters}, {suffix} and {task}"},
      "environment": {"type": "object"},
      "timeout_seconds": {"type": "number", "minimum": 0},
      "grace_seconds": {"type": "number", "minimum": 0, "maximum": 60, "default": 10},
      "memory_bytes_max": {"type": "integer", "minimum": 0}}},
    "poll_first_seconds": {"type": "number", "minimum": 0.01, "maximum": 86400, "default": 10},
    "poll_most_seconds": {"type": "number", "minimum": 0.01, "maximum": 86400, "default": 300},
    "quick_timeout_seconds": {"type": "number", "minimum": 0.1, "maximum": 3600, "default": 30},
    "idle_timeout_seconds": {"type": "number", "minimum": 0.1, "maximum": 86400, "default": 60},
    "create_idle_timeout_seconds": {"type": "number", "minimum": 0.1, "maximum": 86400, "default": 600},
    "jobs_kept_seconds": {"type": "number", "minimum": 1, "maximum": 31536000, "default": 2592000},
    "line_bytes_max": {"type": "integer", "minimum": 1, "maximum": 1073741824, "default": 8388608},
    "examples_max": {"type": "integer", "minimum": 1, "maximum": 100000000, "default": 10000000}}},
  "operations": [
    {"name": "validate", "summary": "What is wrong with a dataset, line by line.",
     "args": {"type": "object", "required": ["dataset", "format"], "additionalProperties": false,
       "properties": {
       "dataset": {"type": "string", "minLength": 1, "maxLength": 4096},
       "format": {"enum": ["openai-chat", "openai-dpo", "bedrock-claude", "vertex"]}}}},
    {"name": "train", "summary": "Trains a model; the task is over when the model is there.",
     "args": {"type": "object", "required": ["provider", "base_model"], "additionalProperties": false,
       "properties": {
       "provider": {"enum": ["ollama", "openai", "claude", "bedrock", "gemini", "local"]},
       "dataset": {"type": "string", "minLength": 1, "maxLength": 4096},
       "validation_dataset": {"type": "string", "minLength": 1, "maxLength": 4096},
       "format": {"enum": ["openai-chat", "openai-dpo", "bedrock-claude", "vertex"],
                  "description": "of the datasets; each provider has its own"},
       "base_model": {"type": "string", "minLength": 1, "maxLength": 200},
       "suffix": {"type": "string", "minLength": 1, "maxLength": 64},
       "hyperparameters": {"type": "object"},
       "seed": {"type": "integer", "minimum": 0, "maximum": 2147483647},
       "adapter": {"type": "string", "minLength": 1, "maxLength": 4096,
                   "description": "of Ollama: a GGUF adapter that is there already"},
       "output": {"type": "string", "minLength": 1, "maxLength": 4096,
                  "description": "of local: where the adapter is kept, too"}}}},
    {"name": "jobs", "summary": "The trainings and what became of them.",
     "args": {"type": "object", "additionalProperties": false, "properties": {
       "provider": {"enum": ["ollama", "openai", "bedrock", "gemini", "local"]}}}},
    {"name": "deploy", "summary": "Makes a model the one that an alias stands for.",
     "args": {"type": "object", "required": ["model", "provider"], "additionalProperties": false,
       "properties": {
       "model": {"type": "string", "minLength": 1, "maxLength": 1000},
       "provider": {"enum": ["ollama", "openai", "bedrock", "gemini", "local"]},
       "alias": {"type": "string", "pattern": "^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$", "default": "default"}}}},
    {"name": "aliases", "summary": "Which model each alias stands for.",
     "args": {"type": "object", "additionalProperties": false, "properties": {}}}
  ]
})json");
