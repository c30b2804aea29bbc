// SPDX-License-Identifier: Apache-2.0
// Model customization jobs of Amazon Bedrock; datasets go to S3 first.
#include <utility>

#include "answer.hpp"
#include "aws.hpp"
#include "crypto.hpp"
#include "remote.hpp"
#include "s3.hpp"

namespace fine_tuning {
namespace sdk = cofounder::sdk;
namespace {

using sdk::Json;
using View = JobView;

constexpr const char* provider = "Bedrock";

View read_view(const Json& answer, const std::string& id) {
  View view;
  view.id = id;
  view.text = say(answer, "status");
  view.reason = say(answer, "failureMessage");
  if (view.reason.empty()) view.reason = "no reason was given";
  if (view.text == "Completed") view.state = View::State::succeeded;
  if (view.text == "Failed") view.state = View::State::failed;
  if (view.text == "Stopped") view.state = View::State::cancelled;
  view.model = say(answer, "outputModelArn");
  if (answer.contains("trainingMetrics")) view.more["metrics"] = answer.at("trainingMetrics");
  return view;
}

class Bedrock : public Remote {
 public:
  explicit Bedrock(std::shared_ptr<const Settings> settings)
      : settings_{std::move(settings)}, objects_{settings_} {}

  Format format(const Json&) const override { return Format::bedrock_claude; }

  sdk::Result<void> check(sdk::Context ctx, const Json& args) const override {
    if (args.value("format", "bedrock-claude") != "bedrock-claude") {
      return sdk::Failure{COF_EINVALID, "invalid_format", "args.format: Bedrock takes bedrock-claude"};
    }
    const Json given = args.value("hyperparameters", Json::object());
    for (const auto& [name, value] : given.items()) {
      if (!value.is_number() && !value.is_string()) {
        return sdk::Failure{COF_EINVALID, "invalid_hyperparameters",
                            "args.hyperparameters." + name.substr(0, 100) + ": a number is wanted"};
      }
    }
    if (settings_->bedrock_access_key_id.empty()) return not_configured("bedrock_access_key_id", "is not set");
    if (settings_->bedrock_role_arn.empty()) return not_configured("bedrock_role_arn", "is not set");
    if (settings_->bedrock_s3_uri.empty()) return not_configured("bedrock_s3_uri", "is not set");
    const auto known = aws_credentials(ctx, *settings_);
    if (!known) return known.failure();
    return {};
  }

  sdk::Task<sdk::Result<void>> upload(sdk::Context ctx, Job* job) override {
    for (const char* argument : {"dataset", "validation_dataset"}) {
      if (!job->at("args").contains(argument)) continue;
      if (job->at("state").value(argument, Json::object()).value("there", false)) continue;
      const std::string source = job->at("args").at(argument).get<std::string>();
      if (source.starts_with("s3://")) {
        (*job)["state"][argument] = {{"uri", source}, {"there", true}};
        continue;
      }
      std::string key = name_of(*job) + "-" + argument + ".jsonl";
      // Known before it is there, so that it is deleted in any case.
      if (!job->at("state").contains(argument)) {
        (*job)["state"][argument] = {{"uri", settings_->bedrock_s3_uri + "/" + key}, {"ours", true}};
      }
      std::string name = argument;
      auto uploaded = co_await objects_.upload(ctx, job, std::move(name));
      if (!uploaded) co_return uploaded.failure();
      (*job)["state"][argument]["there"] = true;
    }
    co_return sdk::Result<void>();
  }

  sdk::Task<sdk::Result<std::optional<std::string>>> find(sdk::Context ctx, Job* job) override {
    std::optional<std::string> none;
    if (!job->value("creating", false)) co_return none;
    auto answer = co_await call(ctx, "GET", "/model-customization-jobs/" + name_of(*job), "");
    if (!answer && answer.failure().code == "not_found") co_return none;
    if (!answer) co_return answer.failure();
    const auto arn = text_in(provider, *answer, "jobArn");
    if (!arn) co_return arn.failure();
    co_return std::optional{*arn};
  }

  sdk::Task<sdk::Result<std::string>> create(sdk::Context ctx, Job* job) override {
    (*job)["creating"] = true;
    auto saved = co_await save(ctx, job, settings_);
    if (!saved) co_return saved.failure();
    std::string body = sdk::to_text(creation(*job));
    auto answer = co_await call(ctx, "POST", "/model-customization-jobs", std::move(body));
    if (!answer) co_return answer.failure();
    co_return text_in(provider, *answer, "jobArn");
  }

  sdk::Task<sdk::Result<View>> look(sdk::Context ctx, Job* job) override {
    auto answer = co_await call(ctx, "GET", "/model-customization-jobs/" + name_of(*job), "");
    if (!answer) co_return answer.failure();
    const auto status = text_in(provider, *answer, "status");
    if (!status) co_return status.failure();
    View view = read_view(*answer, job->at("provider_job_id").get<std::string>());
    if (view.state == View::State::succeeded && view.model.empty()) {
      co_return bad_answer(provider, "outputModelArn", "is missing or no text");
    }
    co_return view;
  }

  sdk::Task<sdk::Result<void>> cancel(sdk::Context ctx, Job* job) override {
    auto answer = co_await call(ctx, "POST", "/model-customization-jobs/" + name_of(*job) + "/stop", "");
    if (!answer) co_return answer.failure();
    co_return sdk::Result<void>();
  }

  sdk::Task<sdk::Result<void>> clean(sdk::Context ctx, Job* job) override {
    sdk::Result<void> outcome;
    for (const char* argument : {"dataset", "validation_dataset"}) {
      if (!job->at("state").contains(argument)) continue;
      const Json known = job->at("state").at(argument);
      if (!known.value("ours", false)) continue;
      std::string name = argument;
      auto removed = co_await objects_.remove(ctx, job, std::move(name));
      if (!removed) outcome = removed;
    }
    co_return outcome;
  }

 private:
  static std::string name_of(const Job& job) { return "cofounderd-" + job.at("task").get<std::string>(); }

  sdk::Task<sdk::Result<Json>> call(sdk::Context ctx, std::string method, std::string path, std::string body) {
    AwsRequest request;
    request.method = std::move(method);
    request.service = "bedrock";
    request.path = std::move(path);
    request.payload_sha256 = hexadecimal(sha256(body));
    if (!body.empty()) request.headers["content-type"] = "application/json";
    auto made = aws_request(ctx, *settings_, std::move(request), settings_->bedrock_url);
    if (!made) co_return made.failure();
    if (!body.empty()) made->parts.emplace_back(std::move(body));
    made->total_timeout = settings_->quick_timeout;
    co_return co_await ask(ctx, provider, std::move(*made));
  }

  Json creation(const Job& job) const {
    const Json& args = job.at("args");
    Json hyperparameters = Json::object();  // a map of texts
    const Json given = args.value("hyperparameters", Json::object());
    for (const auto& [name, value] : given.items()) {
      hyperparameters[name] = value.is_string() ? value : Json(value.dump());
    }
    Json body{{"jobName", name_of(job)},
              {"customModelName", args.value("suffix", name_of(job))},
              {"roleArn", settings_->bedrock_role_arn},
              {"clientRequestToken", name_of(job)},
              {"baseModelIdentifier", args.at("base_model")},
              {"customizationType", "FINE_TUNING"},
              {"trainingDataConfig", {{"s3Uri", job.at("state").at("dataset").at("uri")}}},
              {"outputDataConfig", {{"s3Uri", settings_->bedrock_s3_uri + "/" + name_of(job) + "/"}}},
              {"hyperParameters", std::move(hyperparameters)}};
    if (job.at("state").contains("validation_dataset")) {
      const Json uri = job.at("state").at("validation_dataset").at("uri");
      body["validationDataConfig"] = {{"validators", Json::array({Json{{"s3Uri", uri}}})}};
    }
    return body;
  }

  std::shared_ptr<const Settings> settings_;
  S3 objects_;
};

}  // namespace

std::shared_ptr<Remote> make_bedrock(std::shared_ptr<const Settings> settings) {
  return std::make_shared<Bedrock>(std::move(settings));
}

}  // namespace fine_tuning
