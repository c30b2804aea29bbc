// SPDX-License-Identifier: Apache-2.0
#include "tests/simulators/openai_finetune.hpp"

#include <algorithm>

namespace simulator {
namespace {

using Json = nlohmann::json;
using Wrong = OpenAiWrong;

constexpr std::int64_t now = 1'795'000'000;

Response found(const Json& json) {
  Response response;
  response.body = json.dump();
  return response;
}
Response not_found(const std::string& what) { return openai_error({"No such " + what, "id", 404}); }
Response wrong_method(const Request& request) {
  return openai_error({"Not allowed to " + request.method + " on " + request.path, "", 405});
}

// Null for what is no JSON, or is not said to be.
Json json_in(const Request& request) {
  if (!request.header("content-type").starts_with("application/json")) return nullptr;
  return Json::parse(request.body, nullptr, false);
}

bool is_purpose(const std::string& text) {
  for (const char* known : {"assistants", "batch", "evals", "fine-tune", "user_data", "vision"}) {
    if (text == known) return true;
  }
  return false;
}

// A page of `all`, behind the object with the id `after`.
Response page(const std::vector<Json>& all, const std::map<std::string, std::string>& query) {
  std::size_t limit = 20;
  if (query.contains("limit")) {
    const std::string& text = query.at("limit");
    if (text.empty() || text.size() > 5 || text.find_first_not_of("0123456789") != std::string::npos || std::stoul(text) == 0) {
      return openai_error({"Invalid value for 'limit'.", "limit"});
    }
    limit = std::stoul(text);
  }
  std::size_t at = 0;
  if (query.contains("after")) {
    while (at < all.size() && all[at].at("id") != query.at("after")) ++at;
    if (at == all.size()) return openai_error({"Invalid 'after': no such object.", "after"});
    ++at;
  }
  Json data = Json::array();
  for (; at < all.size() && data.size() < limit; ++at) data.push_back(all[at]);
  return found({{"object", "list"}, {"first_id", data.empty() ? Json("") : data.front().at("id")},
                {"last_id", data.empty() ? Json("") : data.back().at("id")}, {"data", data}, {"has_more", at < all.size()}});
}

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> words;
  while (!path.empty()) {
    path.remove_prefix(1);
    const auto word = path.substr(0, path.find('/'));
    words.push_back(percent_decode(word).value_or(""));
    path.remove_prefix(word.size());
  }
  return words;
}

}  // namespace

std::string OpenAiFineTuning::status_of_last_job() const {
  return jobs_.empty() ? std::string{} : jobs_.back().at("status").get<std::string>();
}

Response OpenAiFineTuning::handle(const Request& request) {
  const std::lock_guard lock{mutex_};
  if (request.header("authorization") != "Bearer " + options_.key) {
    return openai_error({"Incorrect API key provided: sk-****. You can find your API key at "
                         "https://platform.openai.com/account/api-keys.", "", 401, "invalid_api_key"});
  }
  const auto form = parse_form(request.query);
  if (!form) return openai_error({"Invalid query.", ""});
  Query query;
  for (const auto& [name, value] : *form) query[name] = value;
  auto words = split(request.path);
  if (words.size() < 2 || words[0] != "v1") return openai_error({"Invalid URL (" + request.path + ")", "", 404});
  words.erase(words.begin());
  return route(request, words, query);
}

Response OpenAiFineTuning::route(const Request& request, const std::vector<std::string>& words, const Query& query) {
  if (words[0] == "files") return files_route(request, words, query);
  if (words[0] == "uploads") return uploads_route(request, words);
  if (words[0] == "fine_tuning" && words.size() > 1 && words[1] == "jobs") return jobs_route(request, words, query);
  return openai_error({"Invalid URL (" + request.path + ")", "", 404});
}

Json OpenAiFineTuning::add_file(std::string name, std::string content, const std::string& purpose) {
  const std::string id = "file-" + std::to_string(++next_);
  Json object{{"object", "file"}, {"id", id}, {"bytes", content.size()}, {"created_at", now},
              {"filename", std::move(name)}, {"purpose", purpose}, {"status", "processed"}};
  files_[id] = {object, std::move(content)};
  return object;
}

Response OpenAiFineTuning::create_file(const Request& request) {
  const auto parts = parse_multipart(request.header("content-type"), request.body);
  if (!parts) return openai_error({"Could not parse multipart form", ""});
  std::string purpose;
  const FormPart* file = nullptr;
  for (const FormPart& part : *parts) {
    if (part.name == "purpose") {
      purpose = part.body;
    } else if (part.name == "file") {
      file = &part;
    } else if (!part.name.starts_with("expires_after")) {
      return openai_error({"Unknown parameter: '" + part.name + "'.", part.name});
    }
  }
  if (purpose.empty()) return openai_error({"'purpose' is a required property", "purpose"});
  if (!is_purpose(purpose)) return openai_error({"'" + purpose + "' is not one of ['assistants', 'batch', 'evals', 'fine-tune', 'user_data', 'vision']", "purpose"});
  if (file == nullptr || !file->file_name) return openai_error({"'file' is a required property", "file"});
  if (file->body.empty()) return openai_error({"The file is empty.", "file"});
  const bool wants_lines = purpose == "fine-tune" || purpose == "batch" || purpose == "evals";
  if (wants_lines && !file->file_name->ends_with(".jsonl")) return openai_error({"Invalid extension. Supported formats: ['jsonl']", "file"});
  return found(add_file(*file->file_name, file->body, purpose));
}

Response OpenAiFineTuning::files_route(const Request& request, const std::vector<std::string>& words, const Query& query) {
  if (words.size() == 1 && request.method == "POST") return create_file(request);
  if (words.size() == 1 && request.method == "GET") {
    std::vector<Json> all;
    for (const auto& [id, file] : files_) {
      if (!query.contains("purpose") || query.at("purpose") == file.object.at("purpose").get<std::string>()) all.push_back(file.object);
    }
    return page(all, query);
  }
  if (words.size() == 1) return wrong_method(request);
  const auto file = files_.find(words[1]);
  if (file == files_.end()) return not_found("File object: " + words[1]);
  if (words.size() == 3 && words[2] == "content") {
    if (request.method != "GET") return wrong_method(request);
    Response response;
    response.body = file->second.content;
    response.content_type = "application/octet-stream";
    return response;
  }
  if (words.size() != 2) return openai_error({"Invalid URL (" + request.path + ")", "", 404});
  if (request.method == "GET") return found(file->second.object);
  if (request.method != "DELETE") return wrong_method(request);
  files_.erase(file);
  return found({{"object", "file"}, {"id", words[1]}, {"deleted", true}});
}

Response OpenAiFineTuning::uploads_route(const Request& request, const std::vector<std::string>& words) {
  if (request.method != "POST") return wrong_method(request);
  if (words.size() == 1) {
    const Json body = json_in(request);
    if (auto wrong = check_upload(body)) return openai_error(*wrong);
    const std::string id = "upload_" + std::to_string(++next_);
    Json object = body;
    object.update({{"id", id}, {"object", "upload"}, {"status", "pending"}, {"created_at", now}, {"expires_at", now + 3600}});
    uploads_[id] = {object, {}};
    return found(object);
  }
  const auto upload = uploads_.find(words[1]);
  if (upload == uploads_.end()) return not_found("Upload: " + words[1]);
  if (words.size() != 3) return openai_error({"Invalid URL (" + request.path + ")", "", 404});
  if (upload->second.object.at("status") != "pending") return openai_error({"The upload is over.", ""});
  if (words[2] == "cancel") {
    upload->second.object["status"] = "cancelled";
    return found(upload->second.object);
  }
  if (words[2] == "complete") return complete(upload->second, json_in(request));
  if (words[2] != "parts") return openai_error({"Invalid URL (" + request.path + ")", "", 404});
  const auto parts = parse_multipart(request.header("content-type"), request.body);
  if (!parts) return openai_error({"Could not parse multipart form", ""});
  if (parts->size() != 1 || parts->front().name != "data" || !parts->front().file_name) {
    return openai_error({"'data' is a required property", "data"});
  }
  if (parts->front().body.empty() || parts->front().body.size() > 64u << 20) return openai_error({"Invalid part size.", "data"});
  const std::string id = "part_" + std::to_string(++next_);
  upload->second.parts[id] = parts->front().body;
  return found({{"id", id}, {"object", "upload.part"}, {"created_at", now}, {"upload_id", words[1]}});
}

Response OpenAiFineTuning::complete(Upload& upload, const Json& body) {
  if (!body.is_object() || !body.contains("part_ids") || !body.at("part_ids").is_array()) {
    return openai_error({"Missing required parameter: 'part_ids'.", "part_ids"});
  }
  std::string content;
  for (const Json& id : body.at("part_ids")) {
    const auto part = id.is_string() ? upload.parts.find(id) : upload.parts.end();
    if (part == upload.parts.end()) return openai_error({"Unknown part.", "part_ids"});
    content += part->second;
  }
  if (upload.object.at("bytes") != content.size()) {
    return openai_error({"The number of bytes uploaded does not match the declared one.", "part_ids"});
  }
  upload.object["status"] = "completed";
  upload.object["file"] = add_file(upload.object.at("filename"), content, upload.object.at("purpose"));
  return found(upload.object);
}

void OpenAiFineTuning::tell(const std::string& job, const std::string& message, Json data) {
  const bool is_metrics = !data.empty();
  Json event{{"object", "fine_tuning.job.event"}, {"id", "ftevent-" + std::to_string(++next_)},
             {"created_at", now}, {"level", "info"}, {"message", message}, {"data", std::move(data)},
             {"type", is_metrics ? "metrics" : "message"}};
  events_[job].insert(events_[job].begin(), std::move(event));
}

Response OpenAiFineTuning::create_job(const Json& body) {
  if (auto wrong = check_job(body)) return openai_error(*wrong);
  if (options_.closed) {
    return openai_error({"Fine-tuning is not available for this organization.", "", 403});
  }
  for (const char* name : {"training_file", "validation_file"}) {
    if (!body.contains(name) || body.at(name).is_null()) continue;
    const auto file = files_.find(body.at(name));
    if (file == files_.end()) return openai_error({"invalid " + std::string{name} + ": no such file", name});
    if (file->second.object.at("purpose") != "fine-tune") {
      return openai_error({"File '" + file->first + "' has the wrong purpose: 'fine-tune' is expected.", name});
    }
  }
  const std::string id = "ftjob-" + std::to_string(++next_);
  Json job{{"object", "fine_tuning.job"}, {"id", id}, {"model", body.at("model")}, {"created_at", now},
           {"finished_at", nullptr}, {"fine_tuned_model", nullptr}, {"organization_id", "org-1"},
           {"result_files", Json::array()}, {"status", "validating_files"},
           {"validation_file", body.value("validation_file", Json{})}, {"training_file", body.at("training_file")},
           {"trained_tokens", nullptr}, {"error", nullptr}, {"seed", body.value("seed", 42)},
           {"estimated_finish", nullptr}, {"metadata", body.value("metadata", Json{})}};
  job["user_provided_suffix"] = body.value("suffix", Json{});
  job["method"] = body.value("method", Json{{"type", "supervised"}});
  const std::string type = job.at("method").at("type");
  job["hyperparameters"] = {{"n_epochs", "auto"}, {"batch_size", "auto"}, {"learning_rate_multiplier", "auto"}};
  job["hyperparameters"].update(job.at("method").value(Json::json_pointer{"/" + type + "/hyperparameters"}, Json::object()));
  jobs_.push_back(job);
  tell(id, "Created fine-tuning job: " + id, Json::object());
  return found(job);
}

void OpenAiFineTuning::move_on(Json& job) {
  const std::string id = job.at("id");
  const std::string status = job.at("status");
  if (status == "succeeded" || status == "failed" || status == "cancelled") return;
  const int looks = ++looks_[id];
  if (looks < options_.looks) {
    job["status"] = "running";
    tell(id, "Step " + std::to_string(looks) + "/" + std::to_string(options_.looks) + ": training loss=0.5",
         {{"step", looks}, {"total_steps", options_.looks}, {"train_loss", 0.5}});
    return;
  }
  job["finished_at"] = now + 60;
  const std::string& content = files_[job.at("training_file")].content;
  const auto lines = std::count(content.begin(), content.end(), '\n') + (content.ends_with('\n') ? 0 : 1);
  if (options_.failing || lines < 10) {
    job["status"] = "failed";
    job["error"] = {{"code", "invalid_training_file"}, {"param", "training_file"},
                    {"message", "The job failed due to an invalid training file."}};
    return;
  }
  const Json suffix = job.at("user_provided_suffix");
  job["status"] = "succeeded";
  job["trained_tokens"] = 1234;
  job["fine_tuned_model"] = "ft:" + job.at("model").get<std::string>() + ":org::" +
                            (suffix.is_string() ? suffix.get<std::string>() : "abc");
  tell(id, "The job has successfully completed", Json::object());
}

Response OpenAiFineTuning::jobs_route(const Request& request, const std::vector<std::string>& words, const Query& query) {
  if (words.size() > 2) return job_route(request, words, query);
  if (request.method == "POST") return create_job(json_in(request));
  if (request.method != "GET") return wrong_method(request);
  std::vector<Json> all;
  for (auto job = jobs_.rbegin(); job != jobs_.rend(); ++job) {
    bool is_wanted = true;
    for (const auto& [name, value] : query) {
      if (!name.starts_with("metadata[") || !name.ends_with("]")) continue;
      const Json& metadata = job->at("metadata");
      const std::string key = name.substr(9, name.size() - 10);
      is_wanted = is_wanted && metadata.is_object() && metadata.value(key, "") == value;
    }
    if (is_wanted) all.push_back(*job);
  }
  return page(all, query);
}

Response OpenAiFineTuning::job_route(const Request& request, const std::vector<std::string>& words, const Query& query) {
  const auto job = std::find_if(jobs_.begin(), jobs_.end(), [&](const Json& one) { return one.at("id") == words[2]; });
  if (job == jobs_.end()) return not_found("fine-tuning job: " + words[2]);
  if (words.size() == 3) {
    if (request.method != "GET") return wrong_method(request);
    move_on(*job);
    return found(*job);
  }
  if (words.size() != 4) return openai_error({"Invalid URL (" + request.path + ")", "", 404});
  if (words[3] == "cancel") {
    if (request.method != "POST") return wrong_method(request);
    const std::string status = job->at("status");
    if (status == "succeeded" || status == "failed" || status == "cancelled") {
      return openai_error({"Job has already completed: " + words[2], ""});
    }
    (*job)["status"] = "cancelled";
    return found(*job);
  }
  if (words[3] != "events" && words[3] != "checkpoints") return openai_error({"Invalid URL (" + request.path + ")", "", 404});
  if (request.method != "GET") return wrong_method(request);
  if (words[3] == "events") return page(events_[words[2]], query);
  std::vector<Json> checkpoints;
  if (job->at("status") == "succeeded") {
    checkpoints.push_back({{"object", "fine_tuning.job.checkpoint"}, {"id", "ftckpt_1"}, {"created_at", now},
                           {"fine_tuned_model_checkpoint", job->at("fine_tuned_model").get<std::string>() + ":ckpt-step-88"},
                           {"fine_tuning_job_id", words[2]}, {"metrics", {{"step", 88}, {"train_loss", 0.478}}},
                           {"step_number", 88}});
  }
  return page(checkpoints, query);
}

}  // namespace simulator
