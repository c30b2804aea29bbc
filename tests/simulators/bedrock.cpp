// SPDX-License-Identifier: Apache-2.0
#include "tests/simulators/bedrock.hpp"

#include <algorithm>
#include <ctime>

namespace simulator {
namespace {

using Json = nlohmann::json;

constexpr const char* jobs_path = "/model-customization-jobs";
constexpr const char* now_text = "2026-11-23T12:00:00Z";

Response error(int status, const std::string& type, const std::string& message) {
  Response response;
  response.status = status;
  response.content_type = "application/json";
  response.headers = {{"x-amzn-ErrorType", type}, {"x-amzn-RequestId", "00000000-0000-0000-0000-000000000000"}};
  response.body = Json{{"message", message}}.dump();
  return response;
}
Response found(const Json& json, int status = 200) {
  Response response;
  response.status = status;
  response.content_type = "application/json";
  response.body = json.dump();
  return response;
}
bool is_over(const Json& job) { return job.at("status") != "InProgress"; }

// Each line is an object with messages.
bool is_dataset(const std::string& text) {
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    const Json line = Json::parse(text.substr(at, end - at), nullptr, false);
    if (!line.is_object() || !line.contains("messages")) return false;
    at = end + 1;
  }
  return !text.empty();
}

std::string object_of(const Json& place) { return place.at("s3Uri").get<std::string>().substr(5); }

}  // namespace

Response Bedrock::handle(const Request& request) {
  const std::lock_guard lock{mutex_};
  const bool is_job = request.path.starts_with(jobs_path);
  if (auto wrong = check_aws_signature(request, options_.account, is_job ? "bedrock" : "s3", std::time(nullptr))) {
    return is_job ? error(wrong->status, wrong->code, wrong->message) : s3_error(request, wrong->status, wrong->code, wrong->message);
  }
  return is_job ? jobs_route(request) : object_route(request);
}

Response Bedrock::object_route(const Request& request) {
  const auto path = percent_decode(request.path);
  const auto slash = path ? path->find('/', 1) : std::string::npos;
  if (!path || path->size() < 2) return s3_error(request, 405, "MethodNotAllowed", "The specified method is not allowed against this resource.");
  if (!options_.buckets.contains(path->substr(1, slash == std::string::npos ? slash : slash - 1))) {
    return s3_error(request, 404, "NoSuchBucket", "The specified bucket does not exist");
  }
  const bool has_key = slash != std::string::npos && slash + 1 < path->size();
  const std::string name = path->substr(1);
  if (!has_key && request.method == "GET") return bucket_route(request, path->substr(1, slash == std::string::npos ? slash : slash - 1));
  if (!has_key) return s3_error(request, 405, "MethodNotAllowed", "The specified method is not allowed against this resource.");
  if (name.size() - slash > 1024) return s3_error(request, 400, "KeyTooLongError", "Your key is too long");
  if (request.query.find("upload") != std::string::npos) return upload_route(request, name);
  if (request.method == "PUT") return put_object(request, name);
  Response response;
  response.content_type = {};
  if (request.method == "DELETE") {
    objects_.erase(name);  // there or not
    response.status = 204;
    return response;
  }
  if (request.method != "GET" && request.method != "HEAD") {
    return s3_error(request, 405, "MethodNotAllowed", "The specified method is not allowed against this resource.");
  }
  const auto object = objects_.find(name);
  if (object == objects_.end()) return s3_error(request, 404, "NoSuchKey", "The specified key does not exist.");
  response.content_type = "binary/octet-stream";
  response.headers = {{"ETag", s3_etag(object->second)}};
  response.body = object->second;
  response.is_head = request.method == "HEAD";
  return response;
}

Response Bedrock::put_object(const Request& request, const std::string& name) {
  if (request.header("content-length").empty()) {
    return s3_error(request, 411, "MissingContentLength", "You must provide the Content-Length HTTP header.");
  }
  objects_[name] = request.body;
  Response response;
  response.content_type = {};
  response.headers = {{"ETag", s3_etag(request.body)}};
  return response;
}

Json* Bedrock::find(const std::string& identifier) {
  for (Json& job : jobs_) {
    if (job.at("jobName") == identifier || job.at("jobArn") == identifier) return &job;
  }
  return nullptr;
}

Response Bedrock::jobs_route(const Request& request) {
  const std::string rest = request.path.substr(std::string_view{jobs_path}.size());
  if (rest.empty()) {
    if (request.method == "GET") return list(request);
    if (request.method != "POST") return error(405, "MethodNotAllowedException", "The method is not allowed.");
    if (!request.header("content-type").starts_with("application/json")) return error(415, "UnsupportedMediaTypeException", "application/json is expected");
    return create(Json::parse(request.body, nullptr, false));
  }
  // The identifier may be an ARN, whose slashes are encoded.
  const auto slash = rest.find('/', 1);
  const auto identifier = percent_decode(rest.substr(1, slash == std::string::npos ? slash : slash - 1));
  const std::string action = slash == std::string::npos ? "" : rest.substr(slash);
  if (rest[0] != '/' || (!action.empty() && action != "/stop")) return error(404, "UnknownOperationException", "");
  const char* wanted = action.empty() ? "GET" : "POST";
  if (request.method != wanted) return error(405, "MethodNotAllowedException", "The method is not allowed.");
  const bool is_odd = !identifier || identifier->empty() || identifier->find_first_of(" \n\t?#") != std::string::npos;
  if (is_odd) return error(400, "ValidationException", "The provided job identifier is invalid.");
  Json* job = find(*identifier);
  if (job == nullptr) return error(404, "ResourceNotFoundException", "The provided job does not exist");
  if (!action.empty()) {
    if (is_over(*job)) return error(400, "ConflictException", "The job is " + job->at("status").get<std::string>() + " and cannot be stopped.");
    (*job)["status"] = "Stopped";
    (*job)["endTime"] = now_text;
    Response response;
    response.content_type = "application/json";
    return response;
  }
  move_on(*job);
  return found(*job);
}

// What the role would have to read.
std::optional<std::string> Bedrock::check_sources(const Json& body) const {
  std::vector<std::string> names{object_of(body.at("trainingDataConfig"))};
  for (const Json& one : body.value("/validationDataConfig/validators"_json_pointer, Json::array())) names.push_back(object_of(one));
  for (const std::string& name : names) {
    if (!objects_.contains(name)) return "Could not validate GetObject permissions to access Amazon S3: " + name;
  }
  if (!options_.buckets.contains(object_of(body.at("outputDataConfig")).substr(0, object_of(body.at("outputDataConfig")).find('/')))) {
    return std::string{"Could not validate PutObject permissions to access Amazon S3 for the output."};
  }
  return std::nullopt;
}

Response Bedrock::create(const Json& body) {
  if (auto wrong = check_customization(body)) return error(400, wrong->type, wrong->message);
  // The same token again is the same job, whatever became of the first answer.
  for (const Json& job : jobs_) {
    if (body.contains("clientRequestToken") && job.value("clientRequestToken", Json{}) == body.at("clientRequestToken")) {
      if (job.at("jobName") == body.at("jobName")) return found({{"jobArn", job.at("jobArn")}}, 201);
      return error(400, "ConflictException", "The client request token was used for another job.");
    }
    if (job.at("jobName") == body.at("jobName")) return error(400, "ConflictException", "The provided job name is currently in use.");
  }
  if (auto wrong = check_sources(body)) return error(400, "ValidationException", *wrong);
  Json job = body;
  const std::string id = sha256_hex(body.at("jobName").get<std::string>()).substr(0, 12);
  const std::string arn = "arn:aws:bedrock:" + options_.account.region + ":123456789012:";
  job["jobArn"] = arn + "model-customization-job/anthropic.claude-3-haiku-20240307-v1:0:200k/" + id;
  job["baseModelArn"] = "arn:aws:bedrock:" + options_.account.region + "::foundation-model/" + body.at("baseModelIdentifier").get<std::string>();
  job["outputModelName"] = body.at("customModelName");
  job.update({{"status", "InProgress"}, {"creationTime", now_text}, {"lastModifiedTime", now_text}});
  if (!job.contains("customizationType")) job["customizationType"] = "FINE_TUNING";
  if (!job.contains("hyperParameters")) job["hyperParameters"] = Json::object();
  if (!job.contains("validationDataConfig")) job["validationDataConfig"] = {{"validators", Json::array()}};
  jobs_.push_back(job);
  return found({{"jobArn", job.at("jobArn")}}, 201);
}

void Bedrock::move_on(Json& job) {
  if (is_over(job)) return;
  if (++looks_[job.at("jobArn")] < options_.looks) return;
  job["endTime"] = now_text;
  if (options_.failing || !is_dataset(objects_[object_of(job.at("trainingDataConfig"))])) {
    job["status"] = "Failed";
    job["failureMessage"] = "The training dataset is not in the format that the model expects.";
    return;
  }
  job["status"] = "Completed";
  const std::string arn = job.at("jobArn");
  job["outputModelArn"] = arn.substr(0, arn.find(":model-customization-job")) + ":custom-model" + arn.substr(arn.find('/'));
  job["trainingMetrics"] = {{"trainingLoss", 0.478}};
}

Response Bedrock::list(const Request& request) const {
  std::map<std::string, std::string> query;
  const auto form = parse_form(request.query);
  if (!form) return error(400, "ValidationException", "The query is malformed.");
  for (const auto& [name, value] : *form) query[name] = value;
  static const std::set<std::string> states{"InProgress", "Completed", "Failed", "Stopping", "Stopped"};
  if (query.contains("statusEquals") && !states.contains(query["statusEquals"])) return error(400, "ValidationException", "Value at 'statusEquals' is unknown");
  std::size_t limit = 100;
  if (query.contains("maxResults")) {
    const std::string text = query["maxResults"];
    const bool is_number = !text.empty() && text.size() < 5 && text.find_first_not_of("0123456789") == std::string::npos;
    limit = is_number ? std::stoul(text) : 0;
    if (limit < 1 || limit > 1000) return error(400, "ValidationException", "Value at 'maxResults' must be between 1 and 1000");
  }
  std::size_t at = 0;
  if (query.contains("nextToken")) {
    while (at < jobs_.size() && jobs_[at].at("jobArn") != query["nextToken"]) ++at;
    if (at == jobs_.size()) return error(400, "ValidationException", "The next token is invalid.");
  }
  Json rows = Json::array();
  for (; at < jobs_.size() && rows.size() < limit; ++at) {
    const Json& job = jobs_[at];
    if (query.contains("statusEquals") && job.at("status") != query["statusEquals"]) continue;
    if (job.at("jobName").get<std::string>().find(query["nameContains"]) == std::string::npos) continue;
    rows.push_back({{"jobArn", job.at("jobArn")}, {"jobName", job.at("jobName")}, {"baseModelArn", job.at("baseModelArn")},
                    {"status", job.at("status")}, {"creationTime", now_text}});
  }
  Json page{{"modelCustomizationJobSummaries", rows}};
  if (at < jobs_.size()) page["nextToken"] = jobs_[at].at("jobArn");
  return found(page);
}

}  // namespace simulator
