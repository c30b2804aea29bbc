// SPDX-License-Identifier: Apache-2.0
#include "openai_files.hpp"

#include <algorithm>
#include <utility>

#include "answer.hpp"

namespace fine_tuning {
namespace sdk = cofounder::sdk;
namespace {

using sdk::Json;

constexpr const char* provider = "OpenAI";
constexpr int pages_max = 100;

}  // namespace

sdk::Result<sdk::HttpRequest> openai_request(sdk::Context ctx, const Settings& settings,
                                             std::string method, const std::string& path) {
  const auto key = read_secret(ctx, "openai_key");
  if (!key) return key.failure();
  sdk::HttpRequest request{std::move(method), settings.openai_url + path};
  request.header("Authorization", "Bearer " + *key);
  if (!settings.openai_organization.empty()) request.header("OpenAI-Organization", settings.openai_organization);
  if (!settings.openai_project.empty()) request.header("OpenAI-Project", settings.openai_project);
  request.retry_statuses = "409";
  return request;
}

sdk::Task<sdk::Result<void>> OpenAiFiles::upload(sdk::Context ctx, Job* job, std::string argument) {
  Json known = job->at("state").value(argument, Json::object());
  if (known.contains("id")) co_return sdk::Result<void>();
  const auto file = ctx.open(job->at("args").at(argument).get<std::string>());
  if (!file) co_return file.failure();
  const auto size = file->size();
  if (!size) co_return size.failure();
  const std::string name =
      "cofounderd-" + job->at("task").get<std::string>() + "-" + argument + ".jsonl";
  std::string id;
  if (known.contains("name")) {
    // An earlier attempt sent it, and may have come through.
    auto found = co_await find(ctx, name);
    if (!found) co_return found.failure();
    id = *found;
  } else {
    (*job)["state"][argument] = {{"name", name}};
    auto saved = co_await save(ctx, job, settings_);
    if (!saved) co_return saved.failure();
  }
  if (id.empty() && *size > settings_->openai_file_bytes_max) {
    auto sent = co_await send_parts(ctx, job, argument, &*file, *size);
    if (!sent) co_return sent.failure();
    id = *sent;
  } else if (id.empty()) {
    auto sent = co_await send_whole(ctx, name, &*file, *size);
    if (!sent) co_return sent.failure();
    id = *sent;
  }
  (*job)["state"][argument] = {{"name", name}, {"id", id}};
  co_return co_await save(ctx, job, settings_);
}

// The file of that name, or "".
sdk::Task<sdk::Result<std::string>> OpenAiFiles::find(sdk::Context ctx, std::string name) {
  std::string after;
  for (int pages = 0; pages < pages_max; ++pages) {
    std::string path = "/files?purpose=fine-tune&limit=1000&order=desc";
    if (!after.empty()) path += "&after=" + percent_encode(after);
    auto request = openai_request(ctx, *settings_, "GET", path);
    if (!request) co_return request.failure();
    request->total_timeout = settings_->quick_timeout;
    auto page = co_await ask(ctx, provider, std::move(*request));
    if (!page) co_return page.failure();
    if (!page->contains("data") || !page->at("data").is_array()) co_return bad_answer(provider, "data", "is no list");
    for (const Json& one : page->at("data")) {
      after = say(one, "id");
      if (say(one, "filename") == name && !after.empty()) co_return after;
    }
    if (!page->contains("has_more") || page->at("has_more") != true || after.empty()) break;
  }
  co_return std::string{};
}

sdk::Task<sdk::Result<std::string>> OpenAiFiles::send_whole(sdk::Context ctx, std::string name,
                                                            const sdk::File* file, std::uint64_t size) {
  auto request = openai_request(ctx, *settings_, "POST", "/files");
  if (!request) co_return request.failure();
  sdk::Multipart form;
  form.field("purpose", "fine-tune");
  form.file("file", name, *file, 0, size, "application/jsonl");
  request->multipart(std::move(form));
  request->idle_timeout = settings_->idle_timeout;
  auto answer = co_await ask(ctx, provider, std::move(*request));
  if (!answer) co_return answer.failure();
  co_return text_in(provider, *answer, "id");
}

sdk::Task<sdk::Result<Json>> OpenAiFiles::post(sdk::Context ctx, std::string path, Json body) {
  auto request = openai_request(ctx, *settings_, "POST", path);
  if (!request) co_return request.failure();
  request->json(body);
  request->total_timeout = settings_->quick_timeout;
  co_return co_await ask(ctx, provider, std::move(*request));
}

sdk::Task<sdk::Result<std::string>> OpenAiFiles::send_parts(sdk::Context ctx, Job* job,
                                                            std::string argument, const sdk::File* file,
                                                            std::uint64_t size) {
  Json known = job->at("state").at(argument);
  if (!known.contains("upload")) {
    Json body{{"filename", known.at("name")}, {"purpose", "fine-tune"}, {"bytes", size},
              {"mime_type", "text/jsonl"}};
    auto opened = co_await post(ctx, "/uploads", std::move(body));
    if (!opened) co_return opened.failure();
    const auto upload_id = text_in(provider, *opened, "id");
    if (!upload_id) co_return upload_id.failure();
    known["upload"] = *upload_id;
    known["parts"] = Json::array();
  }
  const std::string path = "/uploads/" + percent_encode(known.at("upload").get<std::string>());
  const std::uint64_t part = settings_->openai_part_bytes;
  for (std::uint64_t offset = known.at("parts").size() * part; offset < size; offset += part) {
    (*job)["state"][argument] = known;
    auto saved = co_await save(ctx, job, settings_);
    if (!saved) co_return saved.failure();
    auto request = openai_request(ctx, *settings_, "POST", path + "/parts");
    if (!request) co_return request.failure();
    sdk::Multipart form;
    form.file("data", "part", *file, offset, std::min(part, size - offset));
    request->multipart(std::move(form));
    request->idempotent = true;  // only the parts that are named in the end count
    request->idle_timeout = settings_->idle_timeout;
    auto sent = co_await ask(ctx, provider, std::move(*request));
    if (!sent) co_return sent.failure();
    const auto part_id = text_in(provider, *sent, "id");
    if (!part_id) co_return part_id.failure();
    known["parts"].push_back(*part_id);
    ctx.progress(static_cast<double>(std::min(offset + part, size)) / static_cast<double>(size), "uploading");
  }
  (*job)["state"][argument] = known;
  auto saved = co_await save(ctx, job, settings_);
  if (!saved) co_return saved.failure();
  Json body{{"part_ids", known.at("parts")}};
  auto completed = co_await post(ctx, path + "/complete", std::move(body));
  if (!completed) co_return completed.failure();
  if (!completed->contains("file") || !completed->at("file").is_object()) {
    co_return bad_answer(provider, "file", "is missing or no object");
  }
  co_return text_in(provider, completed->at("file"), "id");
}

sdk::Task<sdk::Result<void>> OpenAiFiles::remove(sdk::Context ctx, std::string method, std::string path) {
  auto request = openai_request(ctx, *settings_, std::move(method), path);
  if (!request) co_return request.failure();
  request->total_timeout = settings_->quick_timeout;
  request->idempotent = true;
  auto answer = co_await ask(ctx, provider, std::move(*request));
  const bool is_gone = !answer && answer.failure().code == "not_found";
  if (!answer && !is_gone) co_return answer.failure();
  co_return sdk::Result<void>();
}

sdk::Task<sdk::Result<void>> OpenAiFiles::remove_all(sdk::Context ctx, Job* job) {
  sdk::Result<void> outcome;
  for (const char* argument : {"dataset", "validation_dataset"}) {
    if (!job->at("state").contains(argument)) continue;
    const Json known = job->at("state").at(argument);
    std::string id = say(known, "id");
    if (id.empty() && known.contains("name")) {
      std::string name = say(known, "name");
      auto found = co_await find(ctx, std::move(name));
      if (found) id = *found;
    }
    if (id.empty() && known.contains("upload")) {
      auto cancelled = co_await remove(ctx, "POST", "/uploads/" + percent_encode(say(known, "upload")) + "/cancel");
      if (!cancelled && cancelled.failure().code != "bad_request") outcome = cancelled;
    }
    if (id.empty()) continue;
    auto removed = co_await remove(ctx, "DELETE", "/files/" + percent_encode(id));
    if (!removed) outcome = removed;
    if (removed) (*job)["state"].erase(argument);
  }
  co_return outcome;
}

}  // namespace fine_tuning
