// SPDX-License-Identifier: Apache-2.0
#include "tests/simulators/vertex.hpp"

#include <algorithm>
#include <ctime>

namespace simulator {
namespace {

using Json = nlohmann::json;

constexpr const char* now_text = "2026-11-23T12:00:00.000000Z";
constexpr std::string_view storage = "/storage/v1/b/";
constexpr std::string_view storage_upload = "/upload/storage/v1/b/";

Response found(const Json& json) {
  Response response;
  response.body = json.dump();
  return response;
}

Json json_in(const Request& request) {
  if (!request.header("content-type").starts_with("application/json")) return nullptr;
  return Json::parse(request.body, nullptr, false);
}

// The second part of multipart/related: the object, behind what is to be known about it.
std::optional<std::string> related_content(std::string_view type, std::string_view body) {
  const auto at = type.find("boundary=");
  if (!type.starts_with("multipart/related") || at == std::string_view::npos) return std::nullopt;
  std::string boundary{type.substr(at + 9)};
  std::erase(boundary, '"');
  const std::string mark = "\r\n--" + boundary;
  const auto second = body.find(mark);
  if (!body.starts_with("--" + boundary) || second == std::string_view::npos) return std::nullopt;
  const auto from = body.find("\r\n\r\n", second);
  const auto to = body.find(mark + "--", second);
  if (from == std::string_view::npos || to == std::string_view::npos || to < from + 4) return std::nullopt;
  return std::string{body.substr(from + 4, to - from - 4)};
}

// Each line is an object with contents.
bool is_dataset(const std::string& text) {
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    const Json line = Json::parse(text.substr(at, end - at), nullptr, false);
    if (!line.is_object() || !line.contains("contents")) return false;
    at = end + 1;
  }
  return !text.empty();
}

bool is_over(const Json& job) {
  const std::string state = job.at("state");
  return state == "JOB_STATE_SUCCEEDED" || state == "JOB_STATE_FAILED" || state == "JOB_STATE_CANCELLED";
}

}  // namespace

Response Vertex::handle(const Request& request) {
  const std::lock_guard lock{mutex_};
  const std::int64_t now = std::time(nullptr);
  if (request.path == "/token") return account_.token(request, now);
  if (request.path == "/_key") return found(account_.key_file("http://" + std::string{request.header("host")} + "/token"));
  const std::string_view authorization = request.header("authorization");
  if (!authorization.starts_with("Bearer ") || !account_.knows(authorization.substr(7), now)) {
    return google_error(401, "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or "
                             "other valid authentication credential.");
  }
  const auto form = parse_form(request.query);
  if (!form) return google_error(400, "Malformed query.");
  Query query;
  for (const auto& [name, value] : *form) query[name] = value;
  if (request.path.starts_with(storage) || request.path.starts_with(storage_upload)) return storage_route(request, query);
  for (const char* version : {"/v1/", "/v1beta1/"}) {
    const std::string parent = version + ("projects/" + options_.project + "/locations/" + options_.location) + "/tuningJobs";
    if (request.path.starts_with(parent)) return jobs_route(request, request.path.substr(parent.size()), query);
    if (request.path.starts_with(std::string{version} + "projects/") && request.path.find("/tuningJobs") != std::string::npos) {
      return google_error(403, "Permission denied on resource project or location.");
    }
  }
  return google_error(404, "The requested URL " + request.path + " was not found on this server.");
}

Response Vertex::storage_route(const Request& request, const Query& query) {
  const bool is_upload = request.path.starts_with(storage_upload);
  const std::string rest = request.path.substr((is_upload ? storage_upload : storage).size());
  const auto slash = rest.find('/');
  if (rest.substr(0, slash) != options_.bucket) return google_error(404, "The specified bucket does not exist.");
  const std::string below = slash == std::string::npos ? "" : rest.substr(slash);
  if (is_upload) return below == "/o" ? upload(request, query) : google_error(404, "Not Found");
  if (!below.starts_with("/o/") || below.find('/', 3) != std::string::npos) return google_error(404, "Not Found");
  const auto name = percent_decode(below.substr(3));
  if (request.method != "GET" && request.method != "DELETE") return google_error(405, "The method is not allowed.");
  if (!name || !objects_.contains(*name)) return google_error(404, "No such object: " + options_.bucket + "/" + name.value_or(""));
  Response response;
  if (request.method == "DELETE") {
    objects_.erase(*name);
    response.status = 204;
    response.content_type = {};
    return response;
  }
  if (query.contains("alt") && query.at("alt") == "media") {
    response.content_type = "application/octet-stream";
    response.body = objects_[*name];
    return response;
  }
  return found({{"kind", "storage#object"}, {"bucket", options_.bucket}, {"name", *name}, {"size", std::to_string(objects_[*name].size())}});
}

Response Vertex::upload(const Request& request, const Query& query) {
  if (request.method != "POST") return google_error(405, "The method is not allowed.");
  if (!query.contains("name") || query.at("name").empty() || query.at("name").size() > 1024) return google_error(400, "Required parameter: name");
  const std::string type = query.contains("uploadType") ? query.at("uploadType") : "";
  std::optional<std::string> content;
  if (type == "media") content = request.body;
  if (type == "multipart") content = related_content(request.header("content-type"), request.body);
  if (type != "media" && type != "multipart") return google_error(400, "Invalid upload type.");
  if (!content) return google_error(400, "Bad multipart body.");
  objects_[query.at("name")] = *content;
  return found({{"kind", "storage#object"}, {"bucket", options_.bucket}, {"name", query.at("name")}, {"size", std::to_string(content->size())}});
}

Response Vertex::jobs_route(const Request& request, const std::string& rest, const Query& query) {
  if (rest.empty()) {
    if (request.method == "GET") return list(query);
    if (request.method != "POST") return google_error(405, "The method is not allowed.");
    return create(request);
  }
  const bool is_cancel = rest.ends_with(":cancel");
  const std::string id = rest[0] == '/' ? rest.substr(1, rest.size() - 1 - (is_cancel ? 7 : 0)) : "";
  if (id.empty() || id.find_first_not_of("0123456789") != std::string::npos) return google_error(404, "Not found: tuning job.");
  const auto job = std::find_if(jobs_.begin(), jobs_.end(), [&](const Json& one) { return one.at("name").get<std::string>().ends_with("/" + id); });
  if (request.method != (is_cancel ? "POST" : "GET")) return google_error(405, "The method is not allowed.");
  if (job == jobs_.end()) return google_error(404, "TuningJob not found: " + id);
  if (!is_cancel) {
    move_on(*job);
    return found(*job);
  }
  if (!request.body.empty() && !json_in(request).is_object()) return google_error(400, "Invalid JSON payload received.");
  if (is_over(*job)) return google_error(400, "The tuning job is over and cannot be cancelled.");
  (*job)["state"] = "JOB_STATE_CANCELLED";
  return found(Json::object());
}

Response Vertex::create(const Request& request) {
  const Json body = json_in(request);
  if (auto wrong = check_tuning_job(body)) return google_error(400, *wrong);
  const std::string start = "gs://" + options_.bucket + "/";
  for (const char* name : {"trainingDatasetUri", "validationDatasetUri"}) {
    if (!body.at("supervisedTuningSpec").contains(name)) continue;
    const std::string uri = body.at("supervisedTuningSpec").at(name);
    if (!uri.starts_with(start) || !objects_.contains(uri.substr(start.size()))) return google_error(400, "Dataset not found: " + uri);
  }
  Json job = body;
  const std::string id = std::to_string(7'000'000'000 + jobs_.size());
  job.update({{"name", "projects/" + options_.project + "/locations/" + options_.location + "/tuningJobs/" + id},
              {"state", "JOB_STATE_PENDING"}, {"createTime", now_text}, {"updateTime", now_text}});
  jobs_.push_back(job);
  return found(job);
}

void Vertex::move_on(Json& job) {
  if (is_over(job)) return;
  if (++looks_[job.at("name")] < options_.looks) {
    job["state"] = "JOB_STATE_RUNNING";
    return;
  }
  job["endTime"] = now_text;
  const std::string uri = job.at("supervisedTuningSpec").at("trainingDatasetUri");
  if (options_.failing || !is_dataset(objects_[uri.substr(6 + options_.bucket.size())])) {
    job["state"] = "JOB_STATE_FAILED";
    job["error"] = {{"code", 3}, {"message", "The training dataset is invalid."}};
    return;
  }
  job["state"] = "JOB_STATE_SUCCEEDED";
  const std::string parent = "projects/" + options_.project + "/locations/" + options_.location;
  job["tunedModel"] = {{"model", parent + "/models/9@1"}, {"endpoint", parent + "/endpoints/8"}};
}

Response Vertex::list(const Query& query) const {
  std::size_t limit = 100;
  if (query.contains("pageSize")) {
    const std::string& text = query.at("pageSize");
    if (text.empty() || text.size() > 6 || text.find_first_not_of("0123456789") != std::string::npos) return google_error(400, "Invalid page_size.");
    limit = std::clamp<std::size_t>(std::stoul(text), 1, 100);
  }
  // Newest first.
  std::vector<Json> all{jobs_.rbegin(), jobs_.rend()};
  std::size_t at = 0;
  if (query.contains("pageToken")) {
    while (at < all.size() && all[at].at("name") != query.at("pageToken")) ++at;
    if (at == all.size()) return google_error(400, "Invalid page token.");
  }
  Json page{{"tuningJobs", Json::array()}};
  for (; at < all.size() && page["tuningJobs"].size() < limit; ++at) page["tuningJobs"].push_back(all[at]);
  if (at < all.size()) page["nextPageToken"] = all[at].at("name");
  return found(page);
}

}  // namespace simulator
