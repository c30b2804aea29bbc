// SPDX-License-Identifier: Apache-2.0
#include "ollama.hpp"

#include <cctype>
#include <utility>

#include "answer.hpp"

namespace fine_tuning {
namespace sdk = cofounder::sdk;
namespace {

using sdk::Json;

constexpr const char* provider = "Ollama";

sdk::Task<sdk::Result<void>> put_blob(sdk::Context ctx, std::shared_ptr<const Settings> settings,
                                      Adapter adapter) {
  const std::string url = settings->ollama_url + "/api/blobs/sha256:" + adapter.sha256;
  sdk::HttpRequest is_there{"HEAD", url};
  is_there.total_timeout = settings->quick_timeout;
  auto seen = co_await ctx.http().send(is_there);
  if (!seen) co_return seen.failure();
  if (seen->ok()) co_return sdk::Result<void>();
  if (seen->status != 404) co_return failure_of(Refusal{provider, *seen});
  const auto file = ctx.open(adapter.file);
  if (!file) co_return file.failure();
  const auto size = file->size();
  if (!size) co_return size.failure();
  sdk::HttpRequest request{"POST", url};
  request.header("Content-Type", "application/octet-stream");
  request.parts.emplace_back(*file, 0, *size);
  request.idempotent = true;  // the digest is the name
  request.idle_timeout = settings->idle_timeout;
  auto sent = co_await ctx.http().send(request);
  if (!sent) co_return sent.failure();
  if (!sent->ok()) co_return failure_of(Refusal{provider, *sent});
  co_return sdk::Result<void>();
}

// A line of /api/create: true at the end, false before it.
sdk::Result<bool> read_status(sdk::Context ctx, const std::string& line) {
  const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return bad_answer(provider, "a line", "is no JSON object");
  if (json.contains("error")) {
    return sdk::Failure{COF_EFAILED, "create_failed", "Ollama did not create the model: " + words_of(line)};
  }
  const std::string status = say(json, "status");
  if (status.empty()) return bad_answer(provider, "status", "is missing or no text");
  const auto completed = count_in(json, "completed");
  const auto total = count_in(json, "total");
  const bool known = completed && total && *total > 0 && *completed <= *total;
  ctx.progress(known ? static_cast<double>(*completed) / static_cast<double>(*total) : -1, status);
  return status == "success";
}

sdk::Task<sdk::Result<void>> create(sdk::Context ctx, std::shared_ptr<const Settings> settings,
                                    Adapter adapter) {
  sdk::HttpRequest request{"POST", settings->ollama_url + "/api/create"};
  request.json({{"model", adapter.model},
                {"from", adapter.base_model},
                {"adapters", {{"adapter.gguf", "sha256:" + adapter.sha256}}},
                {"stream", true}});
  request.idempotent = true;  // the same model from the same parts
  request.idle_timeout = settings->create_idle_timeout;
  auto stream = co_await ctx.http().stream(request, sdk::Framing::lines);
  if (!stream) co_return stream.failure();
  if (!stream->ok()) co_return failure_of(Refusal{provider, *stream});
  for (;;) {
    auto line = co_await stream->next();
    if (!line) co_return line.failure();
    if (!*line) break;
    if ((*line)->body.empty()) continue;
    auto is_over = read_status(ctx, (*line)->body);
    if (!is_over) co_return is_over.failure();
    if (*is_over) co_return sdk::Result<void>();
  }
  co_return sdk::Failure(COF_EUNAVAILABLE, "create_incomplete",
                         "Ollama's answer ended without success: whether the model is there is unknown");
}

}  // namespace

bool is_model_name(std::string_view name) {
  if (name.empty() || name.size() > 200 || std::isalnum(static_cast<unsigned char>(name[0])) == 0) return false;
  for (const char c : name) {
    const bool is_right = std::isalnum(static_cast<unsigned char>(c)) != 0 ||
                          std::string_view{"._-/:"}.find(c) != std::string_view::npos;
    if (!is_right) return false;
  }
  return name.find("..") == std::string_view::npos && name.find("//") == std::string_view::npos;
}

sdk::Task<sdk::Result<Json>> show_in_ollama(sdk::Context ctx, std::shared_ptr<const Settings> settings,
                                            std::string model) {
  sdk::HttpRequest request{"POST", settings->ollama_url + "/api/show"};
  request.json({{"model", model}});
  request.idempotent = true;
  request.total_timeout = settings->quick_timeout;
  co_return co_await ask(ctx, provider, std::move(request));
}

sdk::Task<sdk::Result<void>> create_in_ollama(sdk::Context ctx, std::shared_ptr<const Settings> settings,
                                              Adapter adapter, bool again) {
  if (again) {
    auto shown = co_await show_in_ollama(ctx, settings, adapter.model);
    // The model file names the adapter by its digest.
    if (shown && shown->contains("modelfile") && shown->at("modelfile").is_string() &&
        shown->at("modelfile").get<std::string>().find(adapter.sha256) != std::string::npos) {
      co_return sdk::Result<void>();
    }
  }
  auto put = co_await put_blob(ctx, settings, adapter);
  if (!put) co_return put.failure();
  co_return co_await create(ctx, settings, std::move(adapter));
}

}  // namespace fine_tuning
