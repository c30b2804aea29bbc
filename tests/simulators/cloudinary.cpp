// SPDX-License-Identifier: Apache-2.0
#include "tests/simulators/cloudinary.hpp"

#include <poll.h>

#include <chrono>
#include <ctime>
#include <nlohmann/json.hpp>

namespace simulator {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t timestamp_age_max_s = 3600;

std::int64_t now_s() { return std::time(nullptr); }

std::string http_date(std::time_t time) {
  std::tm parts{};
  gmtime_r(&time, &parts);
  char text[64];
  std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return text;
}

std::string iso_time(std::time_t time) {
  std::tm parts{};
  gmtime_r(&time, &parts);
  char text[64];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

std::uint32_t big_endian(std::string_view bytes) {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[static_cast<std::size_t>(i)]);
  return value;
}

// Format and size of what was uploaded; an empty format for what is no picture.
void look_at(const std::string& content, Cloudinary::Asset& asset) {
  if (content.starts_with("\x89PNG\r\n\x1a\n") && content.size() >= 24) {
    asset.format = "png";
    asset.width = static_cast<int>(big_endian(std::string_view{content}.substr(16)));
    asset.height = static_cast<int>(big_endian(std::string_view{content}.substr(20)));
  } else if (content.starts_with("\xff\xd8\xff")) {
    asset.format = "jpg";
  } else if (content.starts_with("GIF8")) {
    asset.format = "gif";
  }
}

Response json_response(const Json& json, int status = 200) {
  Response response;
  response.status = status;
  response.body = json.dump();
  response.headers = {{"X-Request-Id", "simulated"}};
  return response;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

}  // namespace

Response Cloudinary::handle(const Request& request) {
  const std::string prefix = "/v1_1/" + options_.cloud + "/";
  if (!request.path.starts_with("/v1_1/")) {
    // A wrong path is answered by the web site, in HTML.
    Response response;
    response.status = 404;
    response.content_type = "text/html";
    response.body = "<!DOCTYPE html><html><body>The page you were looking for doesn't exist</body></html>";
    return response;
  }
  if (!request.path.starts_with(prefix)) return cloudinary_error(401, "cloud_name mismatch");
  const std::string_view rest = std::string_view{request.path}.substr(prefix.size());
  const auto words = split(rest, '/');
  if (words.size() == 2 && (words[1] == "upload" || words[1] == "destroy")) {
    if (words[0] != "image" && words[0] != "video" && words[0] != "raw" && words[0] != "auto") {
      return cloudinary_error(400, "Invalid resource type " + std::string{words[0]});
    }
    if (request.method != "POST") return cloudinary_error(404, "Resource not found");
    if (options_.delay_ms > 0) ::poll(nullptr, 0, options_.delay_ms);
    const std::string type{words[0]};
    return words[1] == "upload" ? upload(request, type) : destroy(request, type);
  }
  return admin(request, rest);
}

std::optional<Cloudinary::Fields> Cloudinary::read_fields(const Request& request) const {
  Fields fields;
  const std::string_view type = request.header("content-type");
  if (type.starts_with("application/x-www-form-urlencoded")) {
    const auto form = parse_form(request.body);
    if (!form) return std::nullopt;
    for (const auto& [name, value] : *form) {
      if (!fields.values.emplace(name, value).second) return std::nullopt;
    }
    return fields;
  }
  const auto parts = parse_multipart(type, request.body);
  if (!parts) return std::nullopt;
  for (const FormPart& part : *parts) {
    if (part.name == "file" && part.file_name) {
      if (fields.file) return std::nullopt;
      fields.file = part;
    } else if (!fields.values.emplace(part.name, part.body).second) {
      return std::nullopt;  // the same field twice
    }
  }
  return fields;
}

bool Cloudinary::has_basic_credentials(const Request& request) const {
  const std::string_view authorization = request.header("authorization");
  if (!authorization.starts_with("Basic ")) return false;
  return decode_base64(authorization.substr(6)) == options_.key + ":" + options_.secret;
}

std::optional<Response> Cloudinary::check_authority(const Request& request,
                                                    const Fields& fields) const {
  if (!request.header("authorization").empty()) {
    if (has_basic_credentials(request)) return std::nullopt;
    return cloudinary_error(401, "Invalid credentials");
  }
  const auto find = [&](const char* name) {
    const auto it = fields.values.find(name);
    return it == fields.values.end() ? std::string{} : it->second;
  };
  if (find("api_key").empty()) return cloudinary_error(401, "Must supply api_key");
  if (find("api_key") != options_.key) {
    return cloudinary_error(401, "unknown api_key");
  }
  const std::string timestamp = find("timestamp");
  if (timestamp.empty() || timestamp.find_first_not_of("0123456789") != std::string::npos) {
    return cloudinary_error(400, "Missing required parameter - timestamp");
  }
  const std::int64_t age = now_s() - std::strtoll(timestamp.c_str(), nullptr, 10);
  if (age > timestamp_age_max_s || age < -timestamp_age_max_s) {
    return cloudinary_error(400, "Stale request - reported time is " + timestamp +
                                     " which is more than 1 hour ago");
  }
  auto signed_fields = fields.values;
  for (const char* name : {"file", "cloud_name", "resource_type", "api_key", "signature",
                           "signature_algorithm"}) {
    signed_fields.erase(name);
  }
  const std::string given = find("signature");
  if (given.empty()) return cloudinary_error(400, "Upload preset must be specified when using unsigned upload");
  for (const char* algorithm : {"SHA1", "SHA256"}) {
    for (const int version : {1, 2}) {
      if (cloudinary_signature(signed_fields, options_.secret, algorithm, version) == given) {
        return std::nullopt;
      }
    }
  }
  return cloudinary_error(401, "Invalid Signature " + given);
}

Response Cloudinary::upload(const Request& request, const std::string& resource_type) {
  auto fields = read_fields(request);
  if (!fields) return cloudinary_error(400, "Malformed form");
  if (auto denied = check_authority(request, *fields)) return *denied;
  if (auto wrong = check_upload_fields(fields->values); !wrong.empty()) {
    return cloudinary_error(400, wrong);
  }
  const bool has_field = fields->values.contains("file");
  if (fields->file.has_value() == has_field) {
    return cloudinary_error(400, "Missing required parameter - file");
  }
  const bool has_id = !request.header("x-unique-upload-id").empty();
  if (has_id != !request.header("content-range").empty()) {
    return cloudinary_error(400, "X-Unique-Upload-Id and Content-Range go together");
  }
  if (has_id) return upload_chunk(request, resource_type, std::move(*fields));
  if (has_field) {
    const std::string& source = fields->values["file"];
    if (source.starts_with("data:")) {
      auto content = decode_data_uri(source);
      if (!content) return cloudinary_error(400, "Invalid data URI");
      return store(resource_type, *fields, std::move(*content), "file");
    }
    if (!source.starts_with("http://") && !source.starts_with("https://")) {
      return cloudinary_error(400, "Unsupported source URL: " + source);
    }
    // The provider would fetch it; what it would get is made up from the URL.
    return store(resource_type, *fields, "fetched from " + source, source.substr(source.rfind('/') + 1));
  }
  if (fields->file->body.size() > options_.bytes_max) {
    return cloudinary_error(400, "File size too large. Got " + std::to_string(fields->file->body.size()) +
                                     ". Maximum is " + std::to_string(options_.bytes_max) +
                                     ". Upgrade your plan to enjoy higher limits");
  }
  const std::string name = *fields->file->file_name;
  return store(resource_type, *fields, std::move(fields->file->body), name);
}

Response Cloudinary::upload_chunk(const Request& request, const std::string& resource_type,
                                  Fields fields) {
  const auto range = parse_content_range(request.header("content-range"));
  if (!range || !fields.file) return cloudinary_error(400, "Invalid Content-Range");
  std::string chunk = std::move(fields.file->body);
  if (chunk.size() != range->last - range->first + 1) {
    return cloudinary_error(400, "Content-Range and the size of the chunk differ");
  }
  const bool is_last = range->total && range->last + 1 == *range->total;
  if (!is_last && chunk.size() < options_.chunk_bytes_min) {
    return cloudinary_error(400, "All parts except EOF-chunk must be larger than 5mb");
  }
  const std::string id{request.header("x-unique-upload-id")};
  const std::string public_id = fields.values.contains("public_id") ? fields.values["public_id"] : "";
  std::string content;
  {
    const std::lock_guard lock{mutex_};
    PartialUpload& partial = partial_[id];
    if (range->first == 0) partial.public_id = public_id;
    if (range->first > partial.content.size()) {
      return cloudinary_error(400, "Chunks must come in order: expected byte " +
                                       std::to_string(partial.content.size()));
    }
    if (partial.public_id != public_id) return cloudinary_error(400, "public_id changed between chunks");
    if (range->total && partial.total && partial.total != range->total) {
      return cloudinary_error(400, "Total size changed between chunks");
    }
    if (range->total) partial.total = range->total;
    // A chunk that is sent again replaces itself.
    partial.content.replace(range->first, chunk.size(), chunk);
    if (!is_last) {
      return json_response({{"done", false},
                            {"bytes", partial.content.size()},
                            {"kind", "upload"},
                            {"resource_type", resource_type == "auto" ? "image" : resource_type},
                            {"public_id", public_id}});
    }
    if (partial.content.size() != *range->total) {
      return cloudinary_error(400, "Chunks are missing");
    }
    content = std::move(partial.content);
    partial_.erase(id);
  }
  return store(resource_type, fields, std::move(content), *fields.file->file_name);
}

Response Cloudinary::store(const std::string& resource_type, const Fields& fields,
                           std::string content, const std::string& file_name) {
  if (content.empty()) return cloudinary_error(400, "Empty file");
  const auto find = [&](const char* name) {
    const auto it = fields.values.find(name);
    return it == fields.values.end() ? std::string{} : it->second;
  };
  Asset asset;
  look_at(content, asset);
  const bool is_fetched = content.starts_with("fetched from ");
  asset.resource_type = resource_type != "auto"                   ? resource_type
                        : !asset.format.empty() || is_fetched ? "image"
                                                                  : "raw";
  if (asset.resource_type == "image" && asset.format.empty() && !is_fetched) {
    return cloudinary_error(400, "Invalid image file");
  }
  asset.etag = hex_digest("MD5", content);
  asset.public_id = find("public_id").empty() ? asset.etag.substr(0, 20) : find("public_id");
  if (!find("folder").empty()) asset.public_id = find("folder") + "/" + asset.public_id;
  if (asset.resource_type == "raw" && find("public_id").empty()) {
    const auto dot = file_name.rfind('.');
    if (dot != std::string::npos) asset.public_id += file_name.substr(dot);
  }
  asset.bytes = content.size();
  asset.version = now_s();
  if (find("async") == "1" || find("async") == "true") {
    return json_response({{"status", "pending"},
                          {"resource_type", asset.resource_type},
                          {"type", "upload"},
                          {"public_id", asset.public_id},
                          {"batch_id", asset.etag}});
  }
  const std::lock_guard lock{mutex_};
  const std::string key = asset.resource_type + "/" + asset.public_id;
  const bool keep = find("overwrite") == "0" || find("overwrite") == "false";
  if (const auto old = assets_.find(key); keep && old != assets_.end()) {
    return describe(old->second, fields, true);
  }
  assets_[key] = asset;
  return describe(asset, fields, false);
}

Response Cloudinary::describe(const Asset& asset, const Fields& fields, bool existing) const {
  const auto find = [&](const char* name) {
    const auto it = fields.values.find(name);
    return it == fields.values.end() ? std::string{} : it->second;
  };
  const std::string path = "/" + options_.cloud + "/" + asset.resource_type + "/upload/";
  const std::string file = "v" + std::to_string(asset.version) + "/" + asset.public_id +
                           (asset.format.empty() ? "" : "." + asset.format);
  Json json{{"asset_id", asset.etag},
            {"public_id", asset.public_id},
            {"version", asset.version},
            {"version_id", asset.etag},
            {"signature", cloudinary_signature({{"public_id", asset.public_id},
                                                {"version", std::to_string(asset.version)}},
                                               options_.secret,
                                               options_.signs_with_sha256 ? "SHA256" : "SHA1", 1)},
            {"resource_type", asset.resource_type},
            {"created_at", iso_time(asset.version)},
            {"tags", Json::array()},
            {"bytes", asset.bytes},
            {"type", "upload"},
            {"etag", asset.etag},
            {"placeholder", false},
            {"url", "http://res.cloudinary.com" + path + file},
            {"secure_url", "https://res.cloudinary.com" + path + file},
            {"api_key", options_.key}};
  if (asset.width > 0) json.update({{"width", asset.width}, {"height", asset.height}});
  if (!asset.format.empty()) json["format"] = asset.format;
  if (existing) json["existing"] = true;
  if (const auto tags = find("tags"); !tags.empty()) {
    for (const auto tag : split(tags, ',')) json["tags"].push_back(tag);
  }
  if (const auto context = parse_context(find("context"))) json["context"] = {{"custom", *context}};
  if (const auto eager = find("eager"); !eager.empty()) {
    json["eager"] = Json::array();
    for (const auto step : split(eager, '|')) {
      const auto slash = step.rfind('/');
      const bool has_format = slash != std::string_view::npos && step.find('_', slash) == std::string_view::npos;
      const std::string transformation{has_format ? step.substr(0, slash) : step};
      const std::string format{has_format ? step.substr(slash + 1) : std::string_view{asset.format}};
      const std::string url = path + transformation + "/v" + std::to_string(asset.version) + "/" +
                              asset.public_id + "." + format;
      json["eager"].push_back({{"transformation", transformation},
                               {"width", 300},
                               {"height", 200},
                               {"bytes", 1000},
                               {"format", format},
                               {"url", "http://res.cloudinary.com" + url},
                               {"secure_url", "https://res.cloudinary.com" + url}});
    }
  }
  return json_response(json);
}

Response Cloudinary::destroy(const Request& request, const std::string& resource_type) {
  const auto fields = read_fields(request);
  if (!fields) return cloudinary_error(400, "Malformed form");
  if (auto denied = check_authority(request, *fields)) return *denied;
  if (resource_type == "auto") return cloudinary_error(400, "Invalid resource type auto");
  if (auto wrong = check_destroy_fields(fields->values); !wrong.empty()) {
    return cloudinary_error(400, wrong);
  }
  const std::lock_guard lock{mutex_};
  const bool found = assets_.erase(resource_type + "/" + fields->values.at("public_id")) > 0;
  return json_response({{"result", found ? "ok" : "not found"}});
}

Response Cloudinary::admin(const Request& request, std::string_view path) {
  if (!has_basic_credentials(request)) return cloudinary_error(401, "Invalid credentials");
  if (request.method != "GET") return cloudinary_error(404, "Resource not found");
  Response response;
  if (path == "ping") {
    response = json_response({{"status", "ok"}});
  } else if (path == "usage" || path.starts_with("usage/")) {
    const std::string_view date = path == "usage" ? std::string_view{} : path.substr(6);
    if (path != "usage" && !is_past_date(date)) return cloudinary_error(400, "Invalid date");
    const std::lock_guard lock{mutex_};
    std::uint64_t bytes = 0;
    for (const auto& [key, asset] : assets_) bytes += asset.bytes;
    response = json_response({{"plan", "Free"},
                              {"last_updated", "2026-11-22"},
                              {"date_requested", date.empty() ? "2026-11-23" : std::string{date}},
                              {"objects", {{"usage", assets_.size()}}},
                              {"storage", {{"usage", bytes}, {"credits_usage", 0.01}}},
                              {"credits", {{"usage", 0.12}, {"limit", 25.0}, {"used_percent", 0.48}}},
                              {"requests", 7},
                              {"resources", assets_.size()},
                              {"derived_resources", 0},
                              {"new_field_of_tomorrow", {{"usage", 1}}}});
  } else {
    return cloudinary_error(404, "Resource not found");
  }
  response.headers.push_back({"X-FeatureRateLimit-Limit", "500"});
  response.headers.push_back({"X-FeatureRateLimit-Remaining", "499"});
  response.headers.push_back({"X-FeatureRateLimit-Reset", http_date(now_s() / 3600 * 3600 + 3600)});
  return response;
}

}  // namespace simulator
