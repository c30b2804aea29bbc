// SPDX-License-Identifier: Apache-2.0
#include "train.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "answer.hpp"

namespace fine_tuning {
namespace sdk = cofounder::sdk;
namespace {

using sdk::Json;
using View = JobView;

constexpr int misses_max = 300;  // looks that fail one after the other: about a day

DatasetLimits limits_for(const Settings& settings, Format format) {
  DatasetLimits limits = settings.dataset;
  const bool is_openai = format == Format::openai_chat || format == Format::openai_dpo;
  if (is_openai) limits.examples_min = settings.openai_examples_min;
  return limits;
}

sdk::Result<void> check_base_model(const Json& args) {
  if (is_word(args.at("base_model").get<std::string>())) return {};
  return sdk::Failure{COF_EINVALID, "invalid_model", "args.base_model: it is no name of a model"};
}

sdk::Milliseconds wait_before_look(const Settings& settings, int looks) {
  const double grown = static_cast<double>(settings.poll_first.count()) * std::pow(1.5, std::min(looks, 60));
  const double most = static_cast<double>(settings.poll_most.count());
  return sdk::Milliseconds{static_cast<std::int64_t>(std::min(grown, most))};
}

sdk::Failure look_later(sdk::Context ctx, const Settings& settings, Job& job) {
  const int looks = job.value("looks", 0);
  job["looks"] = looks + 1;
  return ctx.defer(ctx.host().wall() + wait_before_look(settings, looks), sdk::to_text(job));
}

// What is left there of a job that is over.
sdk::Task<void> tidy(sdk::Context ctx, std::shared_ptr<const Settings> settings,
                     std::shared_ptr<Remote> remote, Job* job, std::string status) {
  auto cleaned = co_await remote->clean(ctx, job);
  if (!cleaned) {
    ctx.log(sdk::LogLevel::warning, "the uploaded files are still there: " + cleaned.failure().message);
  }
  (*job)["status"] = std::move(status);
  auto kept = co_await keep(ctx, job, settings);
  if (!kept) ctx.log(sdk::LogLevel::warning, "the job's end was not kept: " + kept.failure().message);
}

sdk::Task<sdk::Result<void>> find_or_create(sdk::Context ctx, std::shared_ptr<const Settings> settings,
                                            std::shared_ptr<Remote> remote, Job* job) {
  auto uploaded = co_await remote->upload(ctx, job);
  if (!uploaded) co_return uploaded.failure();
  auto found = co_await remote->find(ctx, job);
  if (!found) co_return found.failure();
  std::string id = found->value_or("");
  if (id.empty()) {
    auto created = co_await remote->create(ctx, job);
    if (!created) co_return created.failure();
    id = *created;
  }
  (*job)["provider_job_id"] = id;
  auto saved = co_await save(ctx, job, settings);
  if (!saved) co_return saved.failure();
  co_return sdk::Result<void>();
}

sdk::Task<sdk::Result<Json>> finish(sdk::Context ctx, std::shared_ptr<const Settings> settings,
                                    std::shared_ptr<Remote> remote, Job* job, View view) {
  const bool is_good = view.state == View::State::succeeded;
  const bool is_cancelled = view.state == View::State::cancelled;
  if (is_good) (*job)["model"] = view.model;
  if (!is_good) (*job)["reason"] = view.reason;
  if (view.trained_tokens) {
    sdk::UsageRecord usage{job->at("provider").get<std::string>(),
                           job->at("base_model").get<std::string>(), "fine-tuning.train"};
    usage.failed = !is_good;
    usage.input_tokens = view.trained_tokens;
    auto recorded = co_await ctx.usage(usage);
    if (!recorded) ctx.log(sdk::LogLevel::warning, "usage: " + recorded.failure().message);
  }
  std::string status = is_good ? "succeeded" : is_cancelled ? "cancelled" : "failed";
  co_await tidy(ctx, settings, remote, job, std::move(status));
  if (is_cancelled) {
    co_return sdk::Failure(COF_EFAILED, "cancelled_at_provider",
                           "The job " + view.id + " was cancelled at the provider. " + view.reason);
  }
  if (!is_good) {
    co_return sdk::Failure(COF_EFAILED, "job_failed", "The job " + view.id + " failed: " + view.reason);
  }
  Json result = view.more;
  result["provider_job_id"] = view.id;
  result["model"] = view.model;
  if (view.trained_tokens) result["trained_tokens"] = *view.trained_tokens;
  co_return result;
}

// A row of `jobs` that can be read, or null.
Job read_job(const std::string& text) {
  Job job = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  const bool is_right = job.is_object() && job.contains("task") && job.contains("provider") &&
                        job.contains("status") && job.contains("args") && job.contains("state");
  return is_right ? job : Job{};
}

bool is_over(const Json& task) {
  const std::string state = task.value("state", "");
  return state != "ready" && state != "running" && state != "scheduled";
}

sdk::Task<void> settle_job(sdk::Context ctx, std::shared_ptr<const Settings> settings, Job job) {
  const auto remote = make_remote(job.at("provider").get<std::string>(), settings);
  if (!remote) {
    job["status"] = "ended";
    auto kept = co_await keep(ctx, &job, settings);
    (void)kept;
    co_return;
  }
  // It may have been created without anybody being told.
  if (!job.contains("provider_job_id") && job.value("creating", false)) {
    auto found = co_await remote->find(ctx, &job);
    if (found && *found) job["provider_job_id"] = **found;
  }
  if (job.contains("provider_job_id")) {
    auto cancelled = co_await remote->cancel(ctx, &job);
    if (!cancelled) {
      ctx.log(sdk::LogLevel::warning, "the job is not cancelled there: " + cancelled.failure().message);
      // At the next start it is tried again, unless there is nothing to be cancelled.
      if (cancelled.failure().is_retryable()) co_return;
    }
  }
  co_await tidy(ctx, settings, remote, &job, "cancelled");
}

}  // namespace

sdk::Task<sdk::Result<void>> keep(sdk::Context ctx, Job* job, std::shared_ptr<const Settings> settings) {
  const sdk::Milliseconds kept = settings->jobs_kept;
  (*job)["kept_until_ms"] = ctx.host().wall().time_since_epoch().count() + kept.count();
  const std::string key = "job/" + job->at("task").get<std::string>();
  const std::string text = sdk::to_text(*job);
  auto stored = co_await ctx.kv().put(key, text, sdk::Kv::any, kept);
  if (!stored) co_return stored.failure();
  if (settings->figures) settings->figures->note(*job, ctx.host().wall());
  co_return sdk::Result<void>();
}

sdk::Task<sdk::Result<void>> save(sdk::Context ctx, Job* job, std::shared_ptr<const Settings> settings) {
  auto stored = co_await keep(ctx, job, settings);
  if (!stored) co_return stored.failure();
  const std::string text = sdk::to_text(*job);
  auto saved = co_await ctx.checkpoint(text);
  if (!saved) co_return saved.failure();
  co_return sdk::Result<void>();
}

std::shared_ptr<Remote> make_remote(const std::string& provider, std::shared_ptr<const Settings> settings) {
  if (provider == "openai") return make_openai(std::move(settings));
  if (provider == "bedrock") return make_bedrock(std::move(settings));
  if (provider == "gemini") return make_vertex(std::move(settings));
  return nullptr;
}

Job open_job(sdk::Context ctx, const Json& args) {
  if (Job saved = read_job(std::string{ctx.saved()}); saved.is_object()) return saved;
  return Job{{"task", ctx.task_id()},
             {"provider", args.at("provider")},
             {"base_model", args.at("base_model")},
             {"status", "running"},
             {"created_at_ms", ctx.host().wall().time_since_epoch().count()},
             {"args", args},
             {"state", Json::object()}};
}

sdk::Task<sdk::Result<std::uint64_t>> check_datasets(sdk::Context ctx,
                                                     std::shared_ptr<const Settings> settings, Json args,
                                                     Format format) {
  DatasetLimits limits = limits_for(*settings, format);
  const bool has_validation = args.contains("validation_dataset");
  DatasetCheck training{format, limits};
  if (has_validation) training.keep_rows();
  std::string name = args.at("dataset").get<std::string>();
  auto report = co_await check_dataset(ctx, name, &training);
  if (!report) co_return report.failure();
  if (!report->problems.empty()) co_return invalid_dataset("dataset", *report);
  if (has_validation) {
    limits.examples_min = 1;
    DatasetCheck validation{format, limits};
    validation.compare_with(&report->rows);
    name = args.at("validation_dataset").get<std::string>();
    auto other = co_await check_dataset(ctx, name, &validation);
    if (!other) co_return other.failure();
    if (!other->problems.empty()) co_return invalid_dataset("validation_dataset", *other);
  }
  co_return report->examples;
}

sdk::Task<sdk::Result<Json>> train_there(sdk::Context ctx, std::shared_ptr<const Settings> settings,
                                         std::shared_ptr<Remote> remote, Json args) {
  Job job = open_job(ctx, args);
  if (!job.contains("provider_job_id")) {
    const auto named = check_base_model(args);
    if (!named) co_return named.failure();
    const auto right = remote->check(ctx, args);
    if (!right) co_return right.failure();
    // What is at the provider already is the provider's to judge.
    const bool is_there = args.at("dataset").get<std::string>().find("://") != std::string::npos;
    if (!is_there && !job.value("checked", false)) {
      const Format format = remote->format(args);
      auto examples = co_await check_datasets(ctx, settings, args, format);
      if (!examples) co_return examples.failure();
      job["checked"] = true;
    }
    auto saved = co_await save(ctx, &job, settings);
    if (!saved) co_return saved.failure();
    auto made = co_await find_or_create(ctx, settings, remote, &job);
    if (!made) {
      // What can be tried again is; what cannot leaves nothing there.
      if (!made.failure().is_retryable() && !made.failure().is_cancelled()) {
        job["reason"] = made.failure().message;
        co_await tidy(ctx, settings, remote, &job, "failed");
      }
      co_return made.failure();
    }
  }
  auto view = co_await remote->look(ctx, &job);
  if (!view) {
    if (!view.failure().is_retryable() || view.failure().is_cancelled()) co_return view.failure();
    // The job goes on meanwhile: that nobody can see it ends neither it nor the task.
    const int misses = job.value("misses", 0) + 1;
    if (misses > misses_max) co_return view.failure();
    job["misses"] = misses;
    co_return look_later(ctx, *settings, job);
  }
  job.erase("misses");
  ctx.progress(view->fraction, view->text);
  if (view->state == View::State::running) {
    job["text"] = view->text;
    auto kept = co_await keep(ctx, &job, settings);
    if (!kept) co_return kept.failure();
    co_return look_later(ctx, *settings, job);
  }
  co_return co_await finish(ctx, settings, remote, &job, std::move(*view));
}

sdk::Task<void> settle(sdk::Context ctx, std::shared_ptr<const Settings> settings, std::string task) {
  const std::string prefix = "job/" + task;
  std::string after;
  for (bool more = true; more;) {
    auto page = co_await ctx.kv().scan(prefix, after);
    if (!page) {
      ctx.log(sdk::LogLevel::warning, "the jobs cannot be read: " + page.failure().message);
      co_return;
    }
    more = page->more && !page->entries.empty();
    for (const sdk::KvEntry& entry : page->entries) {
      after = entry.key;
      Job job = read_job(entry.value);
      if (!job.is_object()) continue;
      if (settings->figures) settings->figures->note(job, ctx.host().wall());
      if (job.at("status") != "running") continue;
      const std::string id = job.at("task").get<std::string>();
      auto state = co_await ctx.task(id);
      const bool is_gone = !state && state.failure().status == COF_ENOTFOUND;
      if (!is_gone && (!state || !is_over(*state))) continue;
      co_await settle_job(ctx, settings, std::move(job));
    }
  }
}

sdk::Task<sdk::Result<Json>> list_jobs(sdk::Context ctx, std::string provider) {
  Json jobs = Json::array();
  std::string after;
  for (bool more = true; more;) {
    auto page = co_await ctx.kv().scan("job/", after);
    if (!page) co_return page.failure();
    more = page->more && !page->entries.empty();
    for (const sdk::KvEntry& entry : page->entries) {
      after = entry.key;
      Job job = read_job(entry.value);
      if (!job.is_object() || (!provider.empty() && job.at("provider") != provider)) continue;
      for (const char* inside : {"args", "state", "looks", "misses", "checked", "creating",
                                 "kept_until_ms"}) job.erase(inside);
      jobs.insert(jobs.begin(), std::move(job));  // task ids sort by time
    }
  }
  Json result{{"jobs", std::move(jobs)}};
  co_return result;
}

}  // namespace fine_tuning
