// SPDX-License-Identifier: Apache-2.0
// Training by a program of the operator's, and adapters that are there already.
#include <algorithm>
#include <cctype>
#include <cmath>
#include <filesystem>
#include <utility>

#include "answer.hpp"
#include "crypto.hpp"
#include "ollama.hpp"
#include "train.hpp"

namespace fine_tuning {
namespace sdk = cofounder::sdk;
namespace {

using sdk::Json;
using SettingsPtr = std::shared_ptr<const Settings>;

constexpr std::size_t piece_bytes = 256 * 1024;
constexpr int pieces_between_yields = 16;
constexpr std::size_t errors_told_max = 2000;
constexpr int exit_try_again = 75;  // EX_TEMPFAIL of sysexits.h
constexpr const char* partial_name = "adapter.partial";
constexpr const char* adapter_name = "adapter.gguf";
constexpr const char* adapter_file = "scratch:task/adapter.gguf";

// The SHA-256 of an adapter, which is copied to `copy` when that is not null.
sdk::Task<sdk::Result<std::string>> hash_adapter(sdk::Context ctx, std::string name, sdk::File* copy) {
  const auto file = ctx.open(name);
  if (!file) co_return file.failure();
  Sha256 digest;
  std::string buffer(piece_bytes, '\0');
  std::uint64_t offset = 0;
  for (int pieces = 1;; ++pieces) {
    const auto count = file->read(offset, buffer.data(), buffer.size());
    if (!count) co_return count.failure();
    const std::string_view piece = std::string_view{buffer}.substr(0, *count);
    if (offset == 0 && !piece.starts_with("GGUF")) {
      const char* where = name == adapter_file || name.ends_with(partial_name) ? "" : "args.adapter: ";
      co_return sdk::Failure(COF_EINVALID, "bad_adapter", std::string{where} + "the adapter is no GGUF file: " + name);
    }
    if (piece.empty()) break;
    digest.add(piece);
    if (copy != nullptr) {
      const auto written = copy->write(piece);
      if (!written) co_return written.failure();
    }
    offset += *count;
    if (pieces % pieces_between_yields != 0) continue;
    auto turn = co_await ctx.yield();
    if (!turn) co_return turn.failure();
  }
  co_return hexadecimal(digest.take());
}

sdk::Task<sdk::Result<void>> stage(sdk::Context ctx, DatasetCheck* check, std::string argument,
                                   std::string source, std::string target, DatasetReport* into) {
  auto copy = ctx.create(target);
  if (!copy) co_return copy.failure();
  auto report = co_await check_dataset(ctx, source, check, &*copy);
  if (!report) co_return report.failure();
  if (!report->problems.empty()) co_return invalid_dataset(argument, *report);
  auto committed = copy->commit();
  if (!committed) co_return committed.failure();
  *into = std::move(*report);
  co_return sdk::Result<void>();
}

// The datasets as the trainer gets them: checked, and nobody changes them any more.
sdk::Task<sdk::Result<void>> stage_datasets(sdk::Context ctx, SettingsPtr settings, Json args) {
  const auto format = read_format(args.value("format", "openai-chat"));
  const bool has_validation = args.contains("validation_dataset");
  DatasetCheck training{*format, settings->dataset};
  if (has_validation) training.keep_rows();
  std::string source = args.at("dataset").get<std::string>();
  DatasetReport report;
  auto staged = co_await stage(ctx, &training, "dataset", source, "scratch:task/dataset.jsonl", &report);
  if (!staged) co_return staged.failure();
  if (!has_validation) co_return sdk::Result<void>();
  DatasetCheck validation{*format, settings->dataset};
  validation.compare_with(&report.rows);
  source = args.at("validation_dataset").get<std::string>();
  DatasetReport other;
  auto rest = co_await stage(ctx, &validation, "validation_dataset", source,
                             "scratch:task/validation.jsonl", &other);
  if (!rest) co_return rest.failure();
  co_return sdk::Result<void>();
}

sdk::ProgramRequest trainer(sdk::Context ctx, const Settings& settings, const Json& args,
                            const std::string& folder) {
  const auto words = fill_in(settings.local_command,
                             {{"dataset", folder + "/dataset.jsonl"},
                              {"validation", args.contains("validation_dataset")
                                                 ? folder + "/validation.jsonl" : std::string{}},
                              {"base_model", args.at("base_model").get<std::string>()},
                              {"output", folder + "/" + partial_name},
                              {"hyperparameters", sdk::to_text(args.value("hyperparameters", Json::object()))},
                              {"suffix", args.value("suffix", "")},
                              {"task", std::string{ctx.task_id()}}});
  sdk::ProgramRequest request{words.front(), {words.begin() + 1, words.end()}};
  for (const auto& [name, value] : settings.local_environment) request.env(name, value);
  request.in_task_scratch();
  request.timeout = settings.local_timeout;
  request.grace = settings.local_grace;
  request.memory_bytes_max = settings.local_memory_bytes_max;
  return request;
}

// A line of the trainer: {"progress": 0..1?, "message"?, and figures}; another is its own affair.
void read_line(sdk::Context ctx, const std::string& line, Json& metrics) {
  const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return;
  double fraction = -1;
  std::string text = say(json, "message");
  std::string figures;
  for (const auto& [name, value] : json.items()) {
    if (!value.is_number() || name.size() > 64) continue;
    const double number = value.get<double>();
    if (!std::isfinite(number)) continue;
    if (name == "progress") {
      fraction = std::clamp(number, 0.0, 1.0);
      continue;
    }
    if (metrics.size() < 64 || metrics.contains(name)) metrics[name] = value;
    figures += (figures.empty() ? "" : ", ") + name + " " + value.dump();
  }
  if (text.empty()) text = figures;
  ctx.progress(fraction, text);
}

sdk::Failure trainer_failure(const sdk::ProgramResult& ended) {
  std::string message = "The trainer ended with " +
                        (ended.signal != 0 ? "signal " + std::to_string(ended.signal)
                                           : "code " + std::to_string(ended.code));
  std::string said = ended.errors;
  if (said.size() > errors_told_max) said = "..." + said.substr(said.size() - errors_told_max);
  while (!said.empty() && said.back() == '\n') said.pop_back();
  if (!said.empty()) message += ": " + said;
  // Killed from outside, or by its own word: it may do better another time.
  return sdk::Failure{"trainer_failed", message}.retry(ended.signal == 9 || ended.code == exit_try_again);
}

sdk::Task<sdk::Result<Json>> run_trainer(sdk::Context ctx, SettingsPtr settings, Json args) {
  const auto folder = ctx.task_scratch();
  if (!folder) co_return folder.failure();
  std::error_code none;
  std::filesystem::remove(*folder + "/" + partial_name, none);  // of an attempt that was cut off
  const sdk::ProgramRequest request = trainer(ctx, *settings, args, *folder);
  auto running = co_await ctx.process().stream(request);
  if (!running) {
    const auto& why = running.failure();
    if (why.status != COF_EDENIED && why.status != COF_ENOTFOUND) co_return why;
    co_return sdk::Failure(COF_EINVALID, "trainer_not_allowed",
                           "local.command: " + request.program +
                               " cannot be run: is it there, and is it listed in `programs`?");
  }
  Json metrics = Json::object();
  for (;;) {
    auto line = co_await running->next();
    if (!line) co_return line.failure();
    if (!*line) break;
    read_line(ctx, (*line)->text, metrics);
  }
  const sdk::ProgramResult ended = running->result();
  if (!ended.ok()) co_return trainer_failure(ended);
  if (!std::filesystem::is_regular_file(*folder + "/" + partial_name, none)) {
    co_return sdk::Failure("no_adapter", "The trainer ended well, but left no adapter at {output}");
  }
  co_return metrics;
}

// Trains unless that was done; leaves the adapter in the task's scratch, and its digest in the job.
sdk::Task<sdk::Result<void>> train(sdk::Context ctx, SettingsPtr settings, Job* job) {
  const Json args = job->at("args");
  auto staged = co_await stage_datasets(ctx, settings, args);
  if (!staged) co_return staged.failure();
  auto metrics = co_await run_trainer(ctx, settings, args);
  if (!metrics) co_return metrics.failure();
  std::string name = std::string{"scratch:task/"} + partial_name;
  auto digest = co_await hash_adapter(ctx, std::move(name), nullptr);
  if (!digest) co_return digest.failure();
  const auto folder = ctx.task_scratch();
  if (!folder) co_return folder.failure();
  std::error_code error;
  std::filesystem::rename(*folder + "/" + partial_name, *folder + "/" + adapter_name, error);
  if (error) co_return sdk::Failure(COF_EUNAVAILABLE, "no_adapter", "the adapter: " + error.message());
  (*job)["state"] = {{"sha256", *digest}, {"metrics", *metrics}};
  auto saved = co_await save(ctx, job, settings);
  co_return saved;
}

sdk::Result<void> check_here(const Settings& settings, const Json& args, const std::string& model) {
  if (!is_model_name(args.at("base_model").get<std::string>())) {
    return sdk::Failure{COF_EINVALID, "invalid_model", "args.base_model: it is no name of a model"};
  }
  if (!is_model_name(model)) {
    return sdk::Failure{COF_EINVALID, "invalid_model", "args.suffix: it is no name of a model"};
  }
  if (args.contains("adapter")) return {};
  if (!args.contains("dataset")) {
    return sdk::Failure{COF_EINVALID, "no_dataset", "args.dataset is missing"};
  }
  if (!settings.local_command.empty()) return {};
  if (args.at("provider") == "ollama") {
    return sdk::Failure{COF_EUNSUPPORTED, "unsupported_by_provider",
                        "Ollama does not train: it makes models of adapters. Give args.adapter, or set "
                        "[plugin.fine-tuning.local] command to a trainer"};
  }
  return not_configured("local.command", "is not set");
}

sdk::Task<sdk::Result<void>> keep_adapter(sdk::Context ctx, std::string from, std::string to) {
  auto copy = ctx.create(to);
  if (!copy) co_return copy.failure();
  auto digest = co_await hash_adapter(ctx, std::move(from), &*copy);
  if (!digest) co_return digest.failure();
  co_return copy->commit();
}

}  // namespace

sdk::Task<sdk::Result<Json>> train_here(sdk::Context ctx, SettingsPtr settings, Json args) {
  const std::string model = args.value("suffix", "cofounder-" + std::string{ctx.task_id()});
  const auto right = check_here(*settings, args, model);
  if (!right) co_return right.failure();
  Job job = open_job(ctx, args);
  Adapter adapter{adapter_file, "", model, args.at("base_model").get<std::string>()};
  if (args.contains("adapter")) {
    adapter.file = args.at("adapter").get<std::string>();
    auto digest = co_await hash_adapter(ctx, adapter.file, nullptr);
    if (!digest) co_return digest.failure();
    adapter.sha256 = *digest;
  } else {
    if (!job.at("state").contains("sha256")) {
      auto kept = co_await keep(ctx, &job, settings);
      if (!kept) co_return kept.failure();
      auto trained = co_await train(ctx, settings, &job);
      if (!trained) co_return trained.failure();
    }
    adapter.sha256 = job.at("state").at("sha256").get<std::string>();
  }
  const bool again = job.value("creating", false);
  job["creating"] = true;
  auto saved = co_await save(ctx, &job, settings);
  if (!saved) co_return saved.failure();
  if (args.contains("output")) {
    std::string to = args.at("output").get<std::string>();
    auto stored = co_await keep_adapter(ctx, adapter.file, std::move(to));
    if (!stored) co_return stored.failure();
  }
  auto created = co_await create_in_ollama(ctx, settings, adapter, again);
  if (!created) co_return created.failure();
  job["status"] = "succeeded";
  job["model"] = model;
  auto kept = co_await keep(ctx, &job, settings);
  if (!kept) co_return kept.failure();
  Json result{{"model", model}, {"adapter_sha256", adapter.sha256}};
  if (job.at("state").contains("metrics")) result["metrics"] = job.at("state").at("metrics");
  co_return result;
}

}  // namespace fine_tuning
