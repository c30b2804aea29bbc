// SPDX-License-Identifier: Apache-2.0
// OpenAI's fine-tuning jobs.
#include <cctype>
#include <map>
#include <utility>

#include "answer.hpp"
#include "openai_files.hpp"
#include "remote.hpp"

namespace fine_tuning {
namespace sdk = cofounder::sdk;
namespace {

using sdk::Json;
using View = JobView;

constexpr const char* provider = "OpenAI";
constexpr int pages_max = 100;

sdk::Result<void> check_suffix(const Json& args) {
  for (const char c : args.value("suffix", "")) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '-' && c != '_') {
      return sdk::Failure{COF_EINVALID, "invalid_suffix", "args.suffix: letters, digits, - and _ are wanted"};
    }
  }
  return {};
}

// An integer of a range, or "auto"; a number greater than 0 when `most` is 0.
bool is_hyperparameter(const Json& value, std::int64_t most) {
  if (value == "auto") return true;
  if (!value.is_number()) return false;
  const double number = value.get<double>();
  if (most == 0) return number > 0;
  return value.is_number_integer() && number >= 1 && number <= static_cast<double>(most);
}

sdk::Result<void> check_hyperparameters(const Json& args) {
  static const std::map<std::string, std::int64_t> known{
      {"n_epochs", 50}, {"batch_size", 256}, {"learning_rate_multiplier", 0}, {"beta", -1}};
  const Json given = args.value("hyperparameters", Json::object());
  for (const auto& [name, value] : given.items()) {
    const std::string at = "args.hyperparameters." + name.substr(0, 100);
    const auto found = known.find(name);
    if (found == known.end()) return sdk::Failure{COF_EINVALID, "invalid_hyperparameters", at + " is unknown"};
    bool is_right = found->second >= 0 && is_hyperparameter(value, found->second);
    if (name == "beta") is_right = value == "auto" || (value.is_number() && value.get<double>() > 0 && value.get<double>() <= 2);
    if (!is_right) return sdk::Failure{COF_EINVALID, "invalid_hyperparameters", at + " is out of its range"};
  }
  return {};
}

// The provider refuses for good: a normal outcome that is explained.
sdk::Failure creation_refused(const sdk::Failure& why) {
  const bool is_refused = why.code == "forbidden" || why.code == "not_found" || why.code == "bad_request" ||
                          why.code == "payment_required";
  if (!is_refused) return why;
  return sdk::Failure{why.status, "creation_refused",
                      why.message + ". OpenAI closes fine-tuning step by step: since 2026-07-02 "
                      "organizations without fine-tuned inference in the last 60 days create no jobs, "
                      "from 2027-01-06 nobody does"};
}

View read_view(const Json& job, std::string id) {
  View view;
  view.id = std::move(id);
  const std::string status = say(job, "status");
  view.text = status;
  view.trained_tokens = count_in(job, "trained_tokens");
  if (status == "succeeded") view.state = View::State::succeeded;
  if (status == "failed") view.state = View::State::failed;
  if (status == "cancelled") view.state = View::State::cancelled;
  if (job.contains("error") && job.at("error").is_object()) {
    view.reason = say(job.at("error"), "message");
    if (const std::string code = say(job.at("error"), "code"); !code.empty()) view.reason += " (" + code + ")";
  }
  if (view.reason.empty()) view.reason = "no reason was given";
  return view;
}

class OpenAi : public Remote {
 public:
  explicit OpenAi(std::shared_ptr<const Settings> settings)
      : settings_{std::move(settings)}, files_{settings_} {}

  Format format(const Json& args) const override {
    return args.value("format", "") == "openai-dpo" ? Format::openai_dpo : Format::openai_chat;
  }

  sdk::Result<void> check(sdk::Context ctx, const Json& args) const override {
    const std::string format = args.value("format", "openai-chat");
    if (format != "openai-chat" && format != "openai-dpo") {
      return sdk::Failure{COF_EINVALID, "invalid_format", "args.format: OpenAI takes openai-chat and openai-dpo"};
    }
    if (auto right = check_suffix(args); !right) return right;
    if (auto right = check_hyperparameters(args); !right) return right;
    const auto key = read_secret(ctx, "openai_key");
    if (!key) return key.failure();
    return {};
  }

  sdk::Task<sdk::Result<void>> upload(sdk::Context ctx, Job* job) override {
    for (const char* argument : {"dataset", "validation_dataset"}) {
      if (!job->at("args").contains(argument)) continue;
      std::string name = argument;
      auto uploaded = co_await files_.upload(ctx, job, std::move(name));
      if (!uploaded) co_return uploaded.failure();
    }
    co_return sdk::Result<void>();
  }

  // Jobs carry their task's id.
  sdk::Task<sdk::Result<std::optional<std::string>>> find(sdk::Context ctx, Job* job) override {
    std::optional<std::string> none;
    if (!job->value("creating", false)) co_return none;
    const std::string task = job->at("task").get<std::string>();
    std::string after;
    for (int pages = 0; pages < pages_max; ++pages) {
      std::string path = "/fine_tuning/jobs?limit=100&metadata%5Bcofounderd_task%5D=" + percent_encode(task);
      if (!after.empty()) path += "&after=" + percent_encode(after);
      auto page = co_await call(ctx, "GET", std::move(path));
      if (!page) co_return page.failure();
      if (!page->contains("data") || !page->at("data").is_array()) co_return bad_answer(provider, "data", "is no list");
      for (const Json& one : page->at("data")) {
        if (!one.is_object()) continue;
        after = say(one, "id");
        const bool is_ours = one.contains("metadata") && one.at("metadata").is_object() &&
                             say(one.at("metadata"), "cofounderd_task") == task;
        if (is_ours && !after.empty()) co_return std::optional{after};
      }
      if (!page->contains("has_more") || page->at("has_more") != true || after.empty()) break;
    }
    co_return none;
  }

  sdk::Task<sdk::Result<std::string>> create(sdk::Context ctx, Job* job) override {
    // Known before it is sent: whoever comes later looks for it first.
    (*job)["creating"] = true;
    auto saved = co_await save(ctx, job, settings_);
    if (!saved) co_return saved.failure();
    auto made = openai_request(ctx, *settings_, "POST", "/fine_tuning/jobs");
    if (!made) co_return made.failure();
    made->json(creation(*job));
    made->total_timeout = settings_->quick_timeout;
    auto answer = co_await ask(ctx, provider, std::move(*made));
    if (!answer) co_return creation_refused(answer.failure());
    co_return text_in(provider, *answer, "id");
  }

  sdk::Task<sdk::Result<View>> look(sdk::Context ctx, Job* job) override {
    const std::string id = job->at("provider_job_id").get<std::string>();
    const std::string path = "/fine_tuning/jobs/" + percent_encode(id);
    auto answer = co_await call(ctx, "GET", path);
    if (!answer) co_return answer.failure();
    const auto status = text_in(provider, *answer, "status");
    if (!status) co_return status.failure();
    View view = read_view(*answer, id);
    auto events = co_await call(ctx, "GET", path + "/events?limit=100");
    if (events) tell_events(ctx, *job, *events, view);
    if (view.state != View::State::succeeded) co_return view;
    const auto model = text_in(provider, *answer, "fine_tuned_model");
    if (!model) co_return model.failure();
    view.model = *model;
    auto checkpoints = co_await call(ctx, "GET", path + "/checkpoints?limit=100");
    if (checkpoints) view.more["checkpoints"] = read_checkpoints(*checkpoints);
    co_return view;
  }

  sdk::Task<sdk::Result<void>> cancel(sdk::Context ctx, Job* job) override {
    const std::string id = job->at("provider_job_id").get<std::string>();
    auto answer = co_await call(ctx, "POST", "/fine_tuning/jobs/" + percent_encode(id) + "/cancel");
    if (!answer) co_return answer.failure();
    co_return sdk::Result<void>();
  }

  sdk::Task<sdk::Result<void>> clean(sdk::Context ctx, Job* job) override {
    co_return co_await files_.remove_all(ctx, job);
  }

 private:
  sdk::Task<sdk::Result<Json>> call(sdk::Context ctx, std::string method, std::string path) {
    auto request = openai_request(ctx, *settings_, std::move(method), path);
    if (!request) co_return request.failure();
    request->total_timeout = settings_->quick_timeout;
    request->idempotent = true;
    co_return co_await ask(ctx, provider, std::move(*request));
  }

  static Json creation(const Job& job) {
    const Json& args = job.at("args");
    const char* type = args.value("format", "") == "openai-dpo" ? "dpo" : "supervised";
    Json body{{"model", args.at("base_model")},
              {"training_file", job.at("state").at("dataset").at("id")},
              {"metadata", {{"cofounderd_task", job.at("task")}}}};
    body["method"] = {{"type", type}};
    if (args.contains("hyperparameters")) {
      body["method"][type] = {{"hyperparameters", args.at("hyperparameters")}};
    }
    if (job.at("state").contains("validation_dataset")) {
      body["validation_file"] = job.at("state").at("validation_dataset").at("id");
    }
    for (const char* name : {"suffix", "seed"}) {
      if (args.contains(name)) body[name] = args.at(name);
    }
    return body;
  }

  // Newest first; those that were not told yet go out in their order.
  static void tell_events(sdk::Context ctx, Job& job, const Json& page, View& view) {
    if (!page.contains("data") || !page.at("data").is_array() || page.at("data").empty()) return;
    const Json& events = page.at("data");
    const std::string last = job.value("last_event", "");
    std::size_t count = 0;
    while (count < events.size() && (last.empty() || say(events[count], "id") != last)) ++count;
    for (std::size_t i = count; i-- > 0;) {
      auto told = ctx.try_emit({{"event", events[i]}});
      if (!told) break;
    }
    job["last_event"] = say(events.front(), "id");
    if (const std::string text = say(events.front(), "message"); !text.empty()) view.text = text;
    for (const Json& event : events) {
      if (!event.is_object() || !event.contains("data") || !event.at("data").is_object()) continue;
      const auto step = count_in(event.at("data"), "step");
      const auto total = count_in(event.at("data"), "total_steps");
      if (!step || !total || *total == 0 || *step > *total) continue;
      view.fraction = static_cast<double>(*step) / static_cast<double>(*total);
      return;
    }
  }

  static Json read_checkpoints(const Json& page) {
    Json list = Json::array();
    if (!page.contains("data") || !page.at("data").is_array()) return list;
    for (const Json& one : page.at("data")) {
      if (!one.is_object()) continue;
      list.push_back({{"step", count_in(one, "step_number").value_or(0)},
                      {"model", say(one, "fine_tuned_model_checkpoint")},
                      {"metrics", one.contains("metrics") ? one.at("metrics") : Json{}}});
    }
    return list;
  }

  std::shared_ptr<const Settings> settings_;
  OpenAiFiles files_;
};

}  // namespace

std::shared_ptr<Remote> make_openai(std::shared_ptr<const Settings> settings) {
  return std::make_shared<OpenAi>(std::move(settings));
}

}  // namespace fine_tuning
