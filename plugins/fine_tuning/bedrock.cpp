// SPDX-License-Identifier: Apache-2.0
// Model customization jobs of Amazon Bedrock; datasets go to S3 first.
#include <utility>

#include "answer.hpp"
#include "crypto.hpp"
#include "remote.hpp"
#include "sigv4.hpp"

namespace fine_tuning {
namespace sdk = cofounder::sdk;
namespace {

using sdk::Json;
using View = JobView;

constexpr const char* provider = "Bedrock";
constexpr std::size_t piece_bytes = 256 * 1024;

std::string host_of(std::string_view url) {
  url.remove_prefix(url.find("://") + 3);
  return std::string{url.substr(0, url.find('/'))};
}

sdk::Task<sdk::Result<std::string>> hash_file(sdk::Context ctx, const sdk::File* file) {
  Sha256 digest;
  std::string buffer(piece_bytes, '\0');
  for (std::uint64_t offset = 0;;) {
    const auto count = file->read(offset, buffer.data(), buffer.size());
    if (!count) co_return count.failure();
    if (*count == 0) break;
    digest.add(std::string_view{buffer}.substr(0, *count));
    offset += *count;
    auto turn = co_await ctx.yield();
    if (!turn) co_return turn.failure();
  }
  co_return hexadecimal(digest.take());
}

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
  explicit Bedrock(std::shared_ptr<const Settings> settings) : settings_{std::move(settings)} {}

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
    const auto known = credentials(ctx);
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
      (*job)["state"][argument] = {{"uri", settings_->bedrock_s3_uri + "/" + key}, {"ours", true}};
      auto saved = co_await save(ctx, job, settings_->jobs_kept);
      if (!saved) co_return saved.failure();
      std::string uri = settings_->bedrock_s3_uri + "/" + key;
      auto put = co_await put_object(ctx, source, std::move(uri));
      if (!put) co_return put.failure();
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
    auto saved = co_await save(ctx, job, settings_->jobs_kept);
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
      ObjectName name;
      if (!known.value("ours", false) || !read_object_uri("s3://", known.value("uri", ""), name)) continue;
      auto request = object_request(ctx, "DELETE", name, hexadecimal(sha256("")));
      if (!request) co_return request.failure();
      auto answer = co_await ctx.http().send(*request);
      if (!answer) {
        outcome = answer.failure();
      } else if (!answer->ok() && answer->status != 404) {
        outcome = failure_of(Refusal{"S3", *answer});
      } else {
        (*job)["state"].erase(argument);
      }
    }
    co_return outcome;
  }

 private:
  static std::string name_of(const Job& job) { return "cofounderd-" + job.at("task").get<std::string>(); }

  sdk::Result<AwsCredentials> credentials(sdk::Context ctx) const {
    AwsCredentials known;
    known.access_key_id = settings_->bedrock_access_key_id;
    auto secret = read_secret(ctx, "bedrock_secret_access_key");
    if (!secret) return secret.failure();
    known.secret_access_key = std::move(*secret);
    if (auto token = ctx.secret("bedrock_session_token"); token) known.session_token = std::move(*token);
    return known;
  }

  sdk::Result<sdk::HttpRequest> signed_request(sdk::Context ctx, AwsRequest request, const std::string& url) const {
    const auto known = credentials(ctx);
    if (!known) return known.failure();
    request.region = settings_->bedrock_region;
    request.headers["host"] = host_of(url);
    request.date = aws_date(ctx.host().wall().time_since_epoch().count() / 1000);
    sign_aws(*known, request);
    sdk::HttpRequest out{request.method, url + request.path + aws_query(request.query)};
    for (const auto& [name, value] : request.headers) {
      if (name != "host") out.header(name, value);
    }
    out.idempotent = true;  // by the job's name and token, or by the object's name
    return out;
  }

  sdk::Result<sdk::HttpRequest> object_request(sdk::Context ctx, std::string method, const ObjectName& name,
                                               std::string digest) const {
    AwsRequest request;
    request.method = std::move(method);
    request.service = "s3";
    request.path = "/" + name.bucket + "/" + percent_encode(name.key, /*keeps_slash=*/true);
    request.payload_sha256 = std::move(digest);
    auto made = signed_request(ctx, std::move(request), settings_->s3_url);
    if (made) made->idle_timeout = settings_->idle_timeout;
    return made;
  }

  sdk::Task<sdk::Result<void>> put_object(sdk::Context ctx, std::string source, std::string uri) {
    ObjectName name;
    read_object_uri("s3://", uri, name);
    const auto file = ctx.open(source);
    if (!file) co_return file.failure();
    const auto size = file->size();
    if (!size) co_return size.failure();
    auto digest = co_await hash_file(ctx, &*file);
    if (!digest) co_return digest.failure();
    auto request = object_request(ctx, "PUT", name, std::move(*digest));
    if (!request) co_return request.failure();
    request->parts.emplace_back(*file, 0, *size);
    auto answer = co_await ctx.http().send(*request);
    if (!answer) co_return answer.failure();
    if (!answer->ok()) co_return failure_of(Refusal{"S3", *answer});
    co_return sdk::Result<void>();
  }

  sdk::Task<sdk::Result<Json>> call(sdk::Context ctx, std::string method, std::string path, std::string body) {
    AwsRequest request;
    request.method = std::move(method);
    request.service = "bedrock";
    request.path = std::move(path);
    request.payload_sha256 = hexadecimal(sha256(body));
    if (!body.empty()) request.headers["content-type"] = "application/json";
    auto made = signed_request(ctx, std::move(request), settings_->bedrock_url);
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
};

}  // namespace

std::shared_ptr<Remote> make_bedrock(std::shared_ptr<const Settings> settings) {
  return std::make_shared<Bedrock>(std::move(settings));
}

}  // namespace fine_tuning
