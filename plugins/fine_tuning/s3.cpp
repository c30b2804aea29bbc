// SPDX-License-Identifier: Apache-2.0
#include "s3.hpp"

#include <algorithm>
#include <utility>

#include "answer.hpp"
#include "aws.hpp"
#include "crypto.hpp"

namespace fine_tuning {
namespace sdk = cofounder::sdk;
namespace {

using sdk::Json;

constexpr const char* provider = "S3";
constexpr std::size_t piece_bytes = 256 * 1024;
constexpr std::uint64_t parts_max = 1000;  // S3 takes 10,000; their ETags are kept with the task
constexpr std::size_t names_max = 1000;

std::string path_of(const ObjectName& name) {
  return "/" + name.bucket + "/" + percent_encode(name.key, /*keeps_slash=*/true);
}

std::uint64_t part_bytes(const Settings& settings, std::uint64_t size) {
  return std::max(settings.s3_part_bytes, (size + parts_max - 1) / parts_max);
}

// S3 knows the upload no more: it was finished, or ended by a rule of the bucket's.
bool is_gone(const sdk::HttpResponse& response) {
  return response.status == 404 && in_xml(response.body, "Code") == "NoSuchUpload";
}
sdk::Failure upload_lost() {
  return sdk::Failure{COF_EUNAVAILABLE, "upload_lost", "S3 knows the upload no more: it begins again"};
}

// What goes back into requests: an upload's id, an ETag.
bool is_plain(const std::string& text) {
  return text.size() <= 1024 && is_word(text) && text.find_first_of("<>&") == std::string::npos;
}

sdk::Task<sdk::Result<std::string>> hash_of(sdk::Context ctx, const sdk::File* file, std::uint64_t offset,
                                            std::uint64_t size) {
  Sha256 digest;
  std::string buffer(piece_bytes, '\0');
  while (size > 0) {
    const auto count = file->read(offset, buffer.data(), std::min<std::uint64_t>(size, buffer.size()));
    if (!count) co_return count.failure();
    if (*count == 0) break;
    digest.add(std::string_view{buffer}.substr(0, *count));
    offset += *count;
    size -= *count;
    auto turn = co_await ctx.yield();
    if (!turn) co_return turn.failure();
  }
  co_return hexadecimal(digest.take());
}

}  // namespace

sdk::Task<sdk::Result<void>> S3::upload(sdk::Context ctx, Job* job, std::string argument) {
  const std::string source = job->at("args").at(argument).get<std::string>();
  ObjectName name;
  if (!read_object_uri("s3://", say(job->at("state").at(argument), "uri"), name)) {
    co_return not_configured("bedrock_s3_uri", "is no place in S3");
  }
  auto saved = co_await save(ctx, job, settings_);
  if (!saved) co_return saved.failure();
  const auto file = ctx.open(source);
  if (!file) co_return file.failure();
  const auto size = file->size();
  if (!size) co_return size.failure();
  Piece whole{&*file, 0, *size};
  if (*size > settings_->s3_put_bytes_max) {
    co_return co_await put_parts(ctx, job, std::move(argument), std::move(name), whole);
  }
  Query none;
  auto etag = co_await put(ctx, path_of(name), std::move(none), whole);
  if (!etag) co_return etag.failure();
  co_return sdk::Result<void>();
}

sdk::Task<sdk::Result<void>> S3::remove(sdk::Context ctx, Job* job, std::string argument) {
  const Json known = job->at("state").at(argument);
  ObjectName name;
  if (!read_object_uri("s3://", say(known, "uri"), name)) co_return sdk::Result<void>();
  Query none;
  auto deleted = co_await send(ctx, "DELETE", path_of(name), std::move(none), "");
  if (!deleted) co_return deleted.failure();
  if (!deleted->ok() && deleted->status != 404) co_return failure_of(Refusal{provider, *deleted});
  if (known.contains("size")) {
    auto left = co_await uploads_of(ctx, name);
    if (!left) co_return left.failure();
    for (const std::string& upload : *left) {
      Query query{{"uploadId", upload}};
      auto ended = co_await send(ctx, "DELETE", path_of(name), std::move(query), "");
      if (!ended) co_return ended.failure();
      if (!ended->ok() && !is_gone(*ended)) co_return failure_of(Refusal{provider, *ended});
    }
  }
  (*job)["state"].erase(argument);
  co_return sdk::Result<void>();
}

sdk::Task<sdk::Result<sdk::HttpResponse>> S3::send(sdk::Context ctx, std::string method, std::string path,
                                                   Query query, std::string body) {
  AwsRequest request;
  request.method = std::move(method);
  request.service = "s3";
  request.path = std::move(path);
  request.query = std::move(query);
  request.payload_sha256 = hexadecimal(sha256(body));
  if (!body.empty()) request.headers["content-type"] = "application/xml";
  auto made = aws_request(ctx, *settings_, std::move(request), settings_->s3_url);
  if (!made) co_return made.failure();
  if (!body.empty()) made->parts.emplace_back(std::move(body));
  made->idle_timeout = settings_->idle_timeout;
  co_return co_await ctx.http().send(*made);
}

sdk::Task<sdk::Result<std::string>> S3::put(sdk::Context ctx, std::string path, Query query, Piece piece) {
  auto digest = co_await hash_of(ctx, piece.file, piece.offset, piece.size);
  if (!digest) co_return digest.failure();
  AwsRequest request;
  request.method = "PUT";
  request.service = "s3";
  request.path = std::move(path);
  request.query = std::move(query);
  request.payload_sha256 = std::move(*digest);
  auto made = aws_request(ctx, *settings_, std::move(request), settings_->s3_url);
  if (!made) co_return made.failure();
  made->parts.emplace_back(*piece.file, piece.offset, piece.size);
  made->idle_timeout = settings_->idle_timeout;
  auto answer = co_await ctx.http().send(*made);
  if (!answer) co_return answer.failure();
  if (is_gone(*answer)) co_return upload_lost();
  if (!answer->ok()) co_return failure_of(Refusal{provider, *answer});
  std::string etag{answer->header("etag")};
  if (!is_plain(etag)) co_return bad_answer(provider, "ETag", "is missing or odd");
  co_return etag;
}

sdk::Task<sdk::Result<std::vector<std::string>>> S3::uploads_of(sdk::Context ctx, ObjectName name) {
  Query query{{"prefix", name.key}, {"uploads", ""}};
  auto answer = co_await send(ctx, "GET", "/" + name.bucket, std::move(query), "");
  if (!answer) co_return answer.failure();
  if (!answer->ok()) co_return failure_of(Refusal{provider, *answer});
  if (answer->body.find("<ListMultipartUploadsResult") == std::string::npos) {
    co_return bad_answer(provider, "the list of uploads", "is none");
  }
  std::vector<std::string> found;
  for (std::size_t at = 0; (at = answer->body.find("<Upload>", at)) != std::string::npos; ++at) {
    const std::string_view one = std::string_view{answer->body}.substr(at, answer->body.find("</Upload>", at) - at);
    std::string id = in_xml(one, "UploadId");
    if (in_xml(one, "Key") == name.key && is_plain(id) && found.size() < names_max) found.push_back(std::move(id));
  }
  co_return found;
}

// `again`: an earlier attempt may have begun it, without having been told so.
sdk::Task<sdk::Result<std::string>> S3::begin(sdk::Context ctx, ObjectName name, bool again) {
  if (again) {
    auto known = co_await uploads_of(ctx, name);
    if (!known) co_return known.failure();
    if (!known->empty()) co_return known->back();
  }
  Query query{{"uploads", ""}};
  auto begun = co_await send(ctx, "POST", path_of(name), std::move(query), "");
  if (!begun) co_return begun.failure();
  if (!begun->ok()) co_return failure_of(Refusal{provider, *begun});
  std::string id = in_xml(begun->body, "UploadId");
  if (!is_plain(id)) co_return bad_answer(provider, "UploadId", "is missing or odd");
  co_return id;
}

sdk::Task<sdk::Result<void>> S3::put_parts(sdk::Context ctx, Job* job, std::string argument, ObjectName name,
                                           Piece whole) {
  Json known = job->at("state").at(argument);
  const bool again = known.contains("size");
  // Of another file the parts are others.
  if (!again || known.at("size") != whole.size) known["etags"] = Json::array();
  known["size"] = whole.size;
  (*job)["state"][argument] = known;
  auto saved = co_await save(ctx, job, settings_);
  if (!saved) co_return saved.failure();
  if (!known.contains("upload")) {
    auto id = co_await begin(ctx, name, again);
    if (!id) co_return id.failure();
    known["upload"] = *id;
  }
  const std::uint64_t part = part_bytes(*settings_, whole.size);
  for (std::uint64_t offset = known.at("etags").size() * part; offset < whole.size; offset += part) {
    (*job)["state"][argument] = known;
    saved = co_await save(ctx, job, settings_);
    if (!saved) co_return saved.failure();
    Query query{{"partNumber", std::to_string(known.at("etags").size() + 1)},
                {"uploadId", known.at("upload").get<std::string>()}};
    Piece piece{whole.file, offset, std::min(part, whole.size - offset)};
    auto etag = co_await put(ctx, path_of(name), std::move(query), piece);
    if (!etag && etag.failure().code == "upload_lost") {
      (*job)["state"][argument].erase("upload");
      (*job)["state"][argument]["etags"] = Json::array();
      saved = co_await save(ctx, job, settings_);
    }
    if (!etag) co_return etag.failure();
    known["etags"].push_back(*etag);
    ctx.progress(static_cast<double>(offset + piece.size) / static_cast<double>(whole.size), "uploading");
  }
  (*job)["state"][argument] = known;
  saved = co_await save(ctx, job, settings_);
  if (!saved) co_return saved.failure();
  auto done = co_await complete(ctx, path_of(name), std::move(known));
  if (!done && done.failure().code == "upload_lost") {
    (*job)["state"][argument].erase("upload");
    (*job)["state"][argument]["etags"] = Json::array();
    saved = co_await save(ctx, job, settings_);
  }
  co_return done;
}

sdk::Task<sdk::Result<void>> S3::complete(sdk::Context ctx, std::string path, Json known) {
  std::string body = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
  int number = 0;
  for (const Json& etag : known.at("etags")) {
    body += "<Part><PartNumber>" + std::to_string(++number) + "</PartNumber><ETag>" + etag.get<std::string>() +
            "</ETag></Part>";
  }
  body += "</CompleteMultipartUpload>";
  Query query{{"uploadId", known.at("upload").get<std::string>()}};
  auto answer = co_await send(ctx, "POST", path, std::move(query), std::move(body));
  if (!answer) co_return answer.failure();
  if (is_gone(*answer)) {
    // An earlier attempt finished it, unless the object is not there.
    Query none;
    auto object = co_await send(ctx, "HEAD", path, std::move(none), "");
    if (!object) co_return object.failure();
    const bool is_there = object->ok() && object->header("content-length") == known.at("size").dump();
    if (!is_there) co_return upload_lost();
    co_return sdk::Result<void>();
  }
  if (!answer->ok()) co_return failure_of(Refusal{provider, *answer});
  // Its 200 comes before it is done: the body says what became of it.
  if (answer->body.find("<CompleteMultipartUploadResult") != std::string::npos) co_return sdk::Result<void>();
  if (answer->body.find("<Error>") != std::string::npos) {
    co_return sdk::Failure(COF_EUNAVAILABLE, "provider_error", "S3 did not finish the upload: " + words_of(answer->body));
  }
  co_return bad_answer(provider, "the end of the upload", "says neither that it is done nor why not");
}

}  // namespace fine_tuning
