// SPDX-License-Identifier: Apache-2.0
// Tuning jobs of Gemini models on Vertex; datasets go to Cloud Storage first.
#include <cctype>
#include <utility>

#include "answer.hpp"
#include "crypto.hpp"
#include "remote.hpp"

namespace fine_tuning {
namespace sdk = cofounder::sdk;
namespace {

using sdk::Json;
using View = JobView;

constexpr const char* provider = "Vertex";
constexpr int pages_max = 100;
constexpr std::int64_t assertion_seconds = 3600;

// RFC 7523: what a service account says of itself, signed with its key.
sdk::Result<std::string> assertion(const std::string& key_text, const std::string& audience, std::int64_t now) {
  const Json key = Json::parse(key_text, nullptr, /*allow_exceptions=*/false);
  const bool is_key = key.is_object() && key.contains("client_email") && key.at("client_email").is_string() &&
                      key.contains("private_key") && key.at("private_key").is_string();
  if (!is_key) return not_configured("vertex_key", "is no JSON of a service account's key");
  Json header{{"alg", "RS256"}, {"typ", "JWT"}};
  if (key.contains("private_key_id")) header["kid"] = key.at("private_key_id");
  const Json claims{{"iss", key.at("client_email")},
                    {"scope", "https://www.googleapis.com/auth/cloud-platform"},
                    {"aud", audience},
                    {"iat", now},
                    {"exp", now + assertion_seconds}};
  const std::string text = base64url(sdk::to_text(header)) + "." + base64url(sdk::to_text(claims));
  const auto signature = sign_rs256(key.at("private_key").get<std::string>(), text);
  if (!signature) return not_configured("vertex_key", "has no RSA key in it");
  return text + "." + base64url(*signature);
}

// "projects/1/locations/us-central1/tuningJobs/123": it becomes a part of URLs.
bool is_job_name(const std::string& name) {
  for (const char c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '/' && c != '-' && c != '_') return false;
  }
  return name.starts_with("projects/") && name.find("/tuningJobs/") != std::string::npos;
}

View read_view(const Json& answer, const std::string& id) {
  View view;
  view.id = id;
  view.text = say(answer, "state");
  if (view.text == "JOB_STATE_SUCCEEDED" || view.text == "JOB_STATE_PARTIALLY_SUCCEEDED") view.state = View::State::succeeded;
  if (view.text == "JOB_STATE_FAILED" || view.text == "JOB_STATE_EXPIRED") view.state = View::State::failed;
  if (view.text == "JOB_STATE_CANCELLED") view.state = View::State::cancelled;
  if (answer.contains("error")) view.reason = say(answer.at("error"), "message");
  if (view.reason.empty()) view.reason = "no reason was given";
  if (answer.contains("tunedModel")) {
    view.model = say(answer.at("tunedModel"), "endpoint");
    view.more["tuned_model"] = say(answer.at("tunedModel"), "model");
    if (view.model.empty()) view.model = say(answer.at("tunedModel"), "model");
  }
  return view;
}

class Vertex : public Remote {
 public:
  explicit Vertex(std::shared_ptr<const Settings> settings) : settings_{std::move(settings)} {}

  Format format(const Json&) const override { return Format::vertex; }

  sdk::Result<void> check(sdk::Context ctx, const Json& args) const override {
    if (args.value("format", "vertex") != "vertex") {
      return sdk::Failure{COF_EINVALID, "invalid_format", "args.format: Vertex takes vertex"};
    }
    if (settings_->vertex_project.empty()) return not_configured("vertex_project", "is not set");
    const bool is_there = args.at("dataset").get<std::string>().starts_with("gs://");
    if (!is_there && settings_->vertex_gcs_uri.empty()) return not_configured("vertex_gcs_uri", "is not set");
    auto key = ctx.secret("vertex_key");
    if (!key) return not_configured("vertex_key", "is not set");
    const auto made = assertion(*key, settings_->vertex_token_url, 0);
    if (!made) return made.failure();
    return {};
  }

  sdk::Task<sdk::Result<void>> upload(sdk::Context ctx, Job* job) override {
    for (const char* argument : {"dataset", "validation_dataset"}) {
      if (!job->at("args").contains(argument)) continue;
      if (job->at("state").value(argument, Json::object()).value("there", false)) continue;
      const std::string source = job->at("args").at(argument).get<std::string>();
      if (source.starts_with("gs://")) {
        (*job)["state"][argument] = {{"uri", source}, {"there", true}};
        continue;
      }
      const std::string uri = settings_->vertex_gcs_uri + "/" + "cofounderd-" +
                              job->at("task").get<std::string>() + "-" + argument + ".jsonl";
      (*job)["state"][argument] = {{"uri", uri}, {"ours", true}};
      auto saved = co_await save(ctx, job, settings_);
      if (!saved) co_return saved.failure();
      auto put = co_await put_object(ctx, source, uri);
      if (!put) co_return put.failure();
      (*job)["state"][argument]["there"] = true;
    }
    co_return sdk::Result<void>();
  }

  // Jobs carry their task's id at the end of their name for people.
  sdk::Task<sdk::Result<std::optional<std::string>>> find(sdk::Context ctx, Job* job) override {
    std::optional<std::string> none;
    if (!job->value("creating", false)) co_return none;
    const std::string wanted = display_name(*job);
    std::string token;
    for (int pages = 0; pages < pages_max; ++pages) {
      std::string url = settings_->vertex_url + "/v1/" + parent() + "/tuningJobs?pageSize=100";
      if (!token.empty()) url += "&pageToken=" + percent_encode(token);
      sdk::HttpRequest request{"GET", std::move(url)};
      auto page = co_await call(ctx, std::move(request));
      if (!page) co_return page.failure();
      const Json jobs = page->value("tuningJobs", Json::array());
      for (const Json& one : jobs) {
        if (say(one, "tunedModelDisplayName") != wanted || !is_job_name(say(one, "name"))) continue;
        co_return std::optional{say(one, "name")};
      }
      token = say(*page, "nextPageToken");
      if (token.empty()) break;
    }
    co_return none;
  }

  sdk::Task<sdk::Result<std::string>> create(sdk::Context ctx, Job* job) override {
    (*job)["creating"] = true;
    auto saved = co_await save(ctx, job, settings_);
    if (!saved) co_return saved.failure();
    sdk::HttpRequest request{"POST", settings_->vertex_url + "/v1/" + parent() + "/tuningJobs"};
    request.json(creation(*job));
    auto answer = co_await call(ctx, std::move(request));
    if (!answer) co_return answer.failure();
    const auto name = text_in(provider, *answer, "name");
    if (!name) co_return name.failure();
    if (!is_job_name(*name)) co_return bad_answer(provider, "name", "is no name of a tuning job");
    co_return *name;
  }

  sdk::Task<sdk::Result<View>> look(sdk::Context ctx, Job* job) override {
    const std::string name = job->at("provider_job_id").get<std::string>();
    sdk::HttpRequest request{"GET", settings_->vertex_url + "/v1/" + name};
    auto answer = co_await call(ctx, std::move(request));
    if (!answer) co_return answer.failure();
    const auto state = text_in(provider, *answer, "state");
    if (!state) co_return state.failure();
    View view = read_view(*answer, name);
    if (view.state == View::State::succeeded && view.model.empty()) {
      co_return bad_answer(provider, "tunedModel", "is missing");
    }
    co_return view;
  }

  sdk::Task<sdk::Result<void>> cancel(sdk::Context ctx, Job* job) override {
    const std::string name = job->at("provider_job_id").get<std::string>();
    sdk::HttpRequest request{"POST", settings_->vertex_url + "/v1/" + name + ":cancel"};
    request.json(Json::object());
    request.idempotent = true;
    auto answer = co_await call(ctx, std::move(request));
    if (!answer) co_return answer.failure();
    co_return sdk::Result<void>();
  }

  sdk::Task<sdk::Result<void>> clean(sdk::Context ctx, Job* job) override {
    sdk::Result<void> outcome;
    for (const char* argument : {"dataset", "validation_dataset"}) {
      if (!job->at("state").contains(argument)) continue;
      const Json known = job->at("state").at(argument);
      ObjectName object;
      if (!known.value("ours", false) || !read_object_uri("gs://", known.value("uri", ""), object)) continue;
      sdk::HttpRequest request{"DELETE", settings_->storage_url + "/storage/v1/b/" + object.bucket + "/o/" +
                                             percent_encode(object.key)};
      request.idempotent = true;
      auto answer = co_await call(ctx, std::move(request));
      const bool is_gone = !answer && answer.failure().code == "not_found";
      if (!answer && !is_gone) {
        outcome = answer.failure();
      } else {
        (*job)["state"].erase(argument);
      }
    }
    co_return outcome;
  }

 private:
  std::string parent() const {
    return "projects/" + settings_->vertex_project + "/locations/" + settings_->vertex_location;
  }
  static std::string display_name(const Job& job) {
    return job.at("args").value("suffix", "cofounderd") + "-" + job.at("task").get<std::string>();
  }

  // A token for this call of the plugin; it is fetched once.
  sdk::Task<sdk::Result<std::string>> token(sdk::Context ctx) {
    if (!token_.empty()) co_return token_;
    auto key = ctx.secret("vertex_key");
    if (!key) co_return not_configured("vertex_key", "is not set");
    const auto now = ctx.host().wall().time_since_epoch().count() / 1000;
    const auto made = assertion(*key, settings_->vertex_token_url, now);
    if (!made) co_return made.failure();
    sdk::HttpRequest request{"POST", settings_->vertex_token_url};
    request.body("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=" + *made,
                 "application/x-www-form-urlencoded");
    request.total_timeout = settings_->quick_timeout;
    request.idempotent = true;
    auto answer = co_await ask(ctx, "Google's token endpoint", std::move(request));
    if (!answer) co_return answer.failure();
    auto text = text_in("Google's token endpoint", *answer, "access_token");
    if (text) token_ = *text;
    co_return text;
  }

  sdk::Task<sdk::Result<Json>> call(sdk::Context ctx, sdk::HttpRequest request) {
    auto known = co_await token(ctx);
    if (!known) co_return known.failure();
    request.header("Authorization", "Bearer " + *known);
    if (request.idle_timeout.count() == 0) request.total_timeout = settings_->quick_timeout;
    co_return co_await ask(ctx, provider, std::move(request));
  }

  sdk::Task<sdk::Result<void>> put_object(sdk::Context ctx, std::string source, std::string uri) {
    ObjectName object;
    read_object_uri("gs://", uri, object);
    const auto file = ctx.open(source);
    if (!file) co_return file.failure();
    const auto size = file->size();
    if (!size) co_return size.failure();
    sdk::HttpRequest request{"POST", settings_->storage_url + "/upload/storage/v1/b/" + object.bucket +
                                         "/o?uploadType=media&name=" + percent_encode(object.key)};
    request.header("Content-Type", "application/jsonl");
    request.parts.emplace_back(*file, 0, *size);
    request.idle_timeout = settings_->idle_timeout;
    request.idempotent = true;
    auto answer = co_await call(ctx, std::move(request));
    if (!answer) co_return answer.failure();
    const auto name = text_in("Cloud Storage", *answer, "name");
    if (!name) co_return name.failure();
    co_return sdk::Result<void>();
  }

  static Json creation(const Job& job) {
    const Json& args = job.at("args");
    Json spec{{"trainingDatasetUri", job.at("state").at("dataset").at("uri")}};
    if (job.at("state").contains("validation_dataset")) {
      spec["validationDatasetUri"] = job.at("state").at("validation_dataset").at("uri");
    }
    if (args.contains("hyperparameters")) spec["hyperParameters"] = args.at("hyperparameters");
    return Json{{"baseModel", args.at("base_model")},
                {"supervisedTuningSpec", std::move(spec)},
                {"tunedModelDisplayName", display_name(job)}};
  }

  std::shared_ptr<const Settings> settings_;
  std::string token_;
};

}  // namespace

std::shared_ptr<Remote> make_vertex(std::shared_ptr<const Settings> settings) {
  return std::make_shared<Vertex>(std::move(settings));
}

}  // namespace fine_tuning
