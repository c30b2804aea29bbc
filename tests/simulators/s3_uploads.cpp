// SPDX-License-Identifier: Apache-2.0
// S3's uploads in parts.
#include <algorithm>
#include <cstdlib>

#include "tests/simulators/bedrock.hpp"

namespace simulator {
namespace {

Response no_upload(const Request& request) {
  return s3_error(request, 404, "NoSuchUpload",
                  "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.");
}

Response xml(const std::string& body) {
  Response response;
  response.content_type = "application/xml";
  response.body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" + body;
  return response;
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') out += "&amp;";
    else if (c == '<') out += "&lt;";
    else if (c == '"') out += "&quot;";
    else out += c;
  }
  return out;
}

// Of names, which may lack a value, and values; nothing for malformed ones.
std::optional<std::map<std::string, std::string>> parse_query(std::string text) {
  std::map<std::string, std::string> query;
  while (!text.empty()) {
    const auto end = std::min(text.find('&'), text.size());
    const std::string one = text.substr(0, end);
    text.erase(0, end + 1);
    const auto equals = std::min(one.find('='), one.size());
    const auto name = percent_decode(one.substr(0, equals));
    const auto value = percent_decode(equals == one.size() ? "" : one.substr(equals + 1));
    if (!name || !value) return std::nullopt;
    query[*name] = *value;
  }
  return query;
}

// The whole text as a number from 1; 0 for none.
int number_of(const std::string& text) {
  if (text.empty() || text.size() > 5 || text.find_first_not_of("0123456789") != std::string::npos) return 0;
  return std::atoi(text.c_str());
}

// What stands between <tag> and </tag> at the beginning, which is taken away.
std::optional<std::string> take_element(std::string& text, const std::string& tag) {
  text.erase(0, std::min(text.find_first_not_of(" \n\r\t"), text.size()));
  const std::string open = "<" + tag + ">", close = "</" + tag + ">";
  const auto end = text.find(close);
  if (!text.starts_with(open) || end == std::string::npos) return std::nullopt;
  std::string inside = text.substr(open.size(), end - open.size());
  text.erase(0, end + close.size());
  return inside;
}

std::string unescaped(std::string text) {
  for (std::size_t at = 0; (at = text.find("&quot;", at)) != std::string::npos;) text.replace(at, 6, "\"");
  return text;
}

}  // namespace

Response s3_error(const Request& request, int status, const std::string& code, const std::string& message) {
  Response response;
  response.status = status;
  response.content_type = "application/xml";
  response.headers = {{"x-amz-request-id", "0000000000000000"}};
  response.body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>" + code + "</Code><Message>" + message +
                  "</Message><RequestId>0000000000000000</RequestId></Error>";
  if (request.method == "HEAD") response.body.clear();
  return response;
}

std::string s3_etag(const std::string& object) { return "\"" + sha256_hex(object).substr(0, 32) + "\""; }

std::optional<std::vector<std::pair<int, std::string>>> parse_parts(const std::string& body) {
  std::string text = body;
  if (text.starts_with("<?xml")) text.erase(0, std::min(text.find("?>") + 2, text.size()));
  const std::string open = "<CompleteMultipartUpload", close = "</CompleteMultipartUpload>";
  text.erase(0, std::min(text.find_first_not_of(" \n\r\t"), text.size()));
  const auto inner = text.find('>');
  const auto end = text.find(close);
  if (!text.starts_with(open) || inner == std::string::npos || end == std::string::npos || end < inner) return std::nullopt;
  if (text.find_first_not_of(" \n\r\t", end + close.size()) != std::string::npos) return std::nullopt;
  text = text.substr(inner + 1, end - inner - 1);
  std::vector<std::pair<int, std::string>> parts;
  while (text.find_first_not_of(" \n\r\t") != std::string::npos) {
    auto part = take_element(text, "Part");
    if (!part) return std::nullopt;
    // The two in either order.
    auto etag = take_element(*part, "ETag");
    const auto number = take_element(*part, "PartNumber");
    if (!etag) etag = take_element(*part, "ETag");
    if (!etag || !number || number_of(*number) == 0 || !part->empty()) return std::nullopt;
    parts.emplace_back(number_of(*number), unescaped(*etag));
  }
  if (parts.empty()) return std::nullopt;
  return parts;
}

// GET of a bucket: the uploads that are not over.
Response Bedrock::bucket_route(const Request& request, const std::string& bucket) const {
  auto query = parse_query(request.query);
  if (!query || !query->contains("uploads")) return s3_error(request, 405, "MethodNotAllowed", "The specified method is not allowed against this resource.");
  const std::string prefix = (*query)["prefix"];
  std::string rows;
  for (const auto& [id, upload] : uploads_) {
    const std::string key = upload.name.substr(bucket.size() + 1);
    if (!upload.name.starts_with(bucket + "/") || !key.starts_with(prefix)) continue;
    rows += "<Upload><Key>" + escaped(key) + "</Key><UploadId>" + id + "</UploadId><Initiated>2026-11-23T12:00:00.000Z</Initiated></Upload>";
  }
  return xml("<ListMultipartUploadsResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Bucket>" + bucket + "</Bucket><Prefix>" +
             escaped(prefix) + "</Prefix><MaxUploads>1000</MaxUploads><IsTruncated>false</IsTruncated>" + rows + "</ListMultipartUploadsResult>");
}

Response Bedrock::upload_route(const Request& request, const std::string& name) {
  const auto parsed = parse_query(request.query);
  if (!parsed) return s3_error(request, 400, "InvalidURI", "Couldn't parse the specified URI.");
  std::map<std::string, std::string> query = *parsed;
  if (query.contains("uploads")) {
    if (request.method != "POST") return s3_error(request, 405, "MethodNotAllowed", "The specified method is not allowed against this resource.");
    const std::string id = "upload-" + std::to_string(++uploads_begun_) + "-" + sha256_hex(name).substr(0, 40);
    uploads_[id].name = name;
    const auto slash = name.find('/');
    return xml("<InitiateMultipartUploadResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Bucket>" + name.substr(0, slash) +
               "</Bucket><Key>" + escaped(name.substr(slash + 1)) + "</Key><UploadId>" + id + "</UploadId></InitiateMultipartUploadResult>");
  }
  const std::string id = query["uploadId"];
  const auto upload = uploads_.find(id);
  if (upload == uploads_.end() || upload->second.name != name) return no_upload(request);
  if (request.method == "POST") return complete(request, name, id);
  Response response;
  response.content_type = {};
  if (request.method == "DELETE") {
    uploads_.erase(upload);
    response.status = 204;
    return response;
  }
  if (request.method != "PUT") return s3_error(request, 405, "MethodNotAllowed", "The specified method is not allowed against this resource.");
  const int number = number_of(query["partNumber"]);
  if (number < 1 || number > 10'000) return s3_error(request, 400, "InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive");
  if (request.header("content-length").empty()) {
    return s3_error(request, 411, "MissingContentLength", "You must provide the Content-Length HTTP header.");
  }
  upload->second.parts[number] = request.body;
  response.headers = {{"ETag", s3_etag(request.body)}};
  return response;
}

Response Bedrock::complete(const Request& request, const std::string& name, const std::string& id) {
  const auto wanted = parse_parts(request.body);
  if (!wanted) return s3_error(request, 400, "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema");
  const auto& parts = uploads_[id].parts;
  std::string object;
  int last = 0;
  for (const auto& [number, etag] : *wanted) {
    if (number <= last) return s3_error(request, 400, "InvalidPartOrder", "The list of parts was not in ascending order.");
    last = number;
    const auto part = parts.find(number);
    const bool is_right = part != parts.end() && (etag == s3_etag(part->second) || "\"" + etag + "\"" == s3_etag(part->second));
    if (!is_right) return s3_error(request, 400, "InvalidPart", "One or more of the specified parts could not be found.");
    if (number != wanted->back().first && part->second.size() < options_.part_bytes_min) {
      return s3_error(request, 400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size");
    }
    object += part->second;
  }
  const std::string etag = "\"" + sha256_hex(object).substr(0, 32) + "-" + std::to_string(wanted->size()) + "\"";
  objects_[name] = std::move(object);
  uploads_.erase(id);
  const auto slash = name.find('/');
  return xml("<CompleteMultipartUploadResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Location>http://127.0.0.1/" + escaped(name) +
             "</Location><Bucket>" + name.substr(0, slash) + "</Bucket><Key>" + escaped(name.substr(slash + 1)) + "</Key><ETag>" + escaped(etag) +
             "</ETag></CompleteMultipartUploadResult>");
}

}  // namespace simulator
