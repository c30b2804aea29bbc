// SPDX-License-Identifier: Apache-2.0
#include "upload.hpp"

#include <algorithm>
#include <charconv>
#include <string>
#include <utility>

#include "answer.hpp"
#include "upload_params.hpp"

namespace cloudinary {
namespace sdk = cofounder::sdk;
namespace {

using sdk::Json;

constexpr std::size_t data_uri_bytes_max = 60'000'000;

// What is the same in all requests of one upload.
struct Plan {
  Account account;
  Credentials credentials;
  Algorithm algorithm = Algorithm::sha1;
  std::string url;
  Params params;         // without timestamp and signature
  std::string upload_id; // of a chunked one; the same over all attempts
};

std::string extension_of(const std::string& name) {
  const auto dot = name.rfind('.');
  return dot == std::string::npos || dot == 0 ? std::string{} : name.substr(dot);
}

sdk::Multipart signed_form(sdk::Context ctx, const Plan& plan) {
  Params params = plan.params;
  const auto now_s = ctx.host().wall().time_since_epoch().count() / 1000;
  authenticate(params, now_s, plan.credentials.api_key, plan.credentials.secret, plan.algorithm,
               plan.account.signature_version);
  sdk::Multipart form;
  for (const auto& [name, value] : params) {
    if (!value.empty()) form.field(name, value);
  }
  return form;
}

sdk::HttpRequest request_for(const Plan& plan, sdk::Multipart form) {
  sdk::HttpRequest request{"POST", plan.url};
  request.multipart(std::move(form));
  request.idempotent = true;  // the public id is explicit
  request.idle_timeout = plan.account.upload_timeout;
  request.retry_statuses = "420,423";
  return request;
}

// The answer has to be the provider's: it signs public id and version.
sdk::Result<Json> check_asset(const Plan& plan, Json json) {
  if (json.value("status", "") == "pending") return json;
  const auto id = json.find("public_id");
  const auto version = json.find("version");
  const auto signature = json.find("signature");
  const auto url = json.find("secure_url");
  if (id == json.end() || !id->is_string() || version == json.end() || !version->is_number_integer() ||
      signature == json.end() || !signature->is_string() || url == json.end() || !url->is_string()) {
    return sdk::Failure{COF_EFAILED, "bad_answer",
                        "Cloudinary's answer lacks public_id, version, signature or secure_url"}
        .retry();
  }
  const Params signed_params{{"public_id", id->get<std::string>()}, {"version", version->dump()}};
  const std::string wanted =
      sign(signed_params, plan.credentials.secret, plan.account.algorithm, /*version=*/1);
  if (!equal_in_constant_time(wanted, signature->get<std::string>())) {
    return sdk::Failure{COF_EFAILED, "bad_response_signature",
                        "the signature of the answer is not Cloudinary's"};
  }
  json.erase("signature");
  json.erase("api_key");
  if (!json.contains("eager")) json["eager"] = Json::array();
  return json;
}

sdk::Task<sdk::Result<Json>> send(sdk::Context ctx, const Plan* plan, sdk::HttpRequest request) {
  auto response = co_await ctx.http().send(request);
  if (!response) co_return response.failure();
  auto json = read_answer(*response);
  if (!json) co_return json.failure();
  co_return check_asset(*plan, std::move(*json));
}

sdk::Task<sdk::Result<Json>> upload_source(sdk::Context ctx, const Plan* plan, std::string source) {
  sdk::Multipart form = signed_form(ctx, *plan);
  form.field("file", source);
  co_return co_await send(ctx, plan, request_for(*plan, std::move(form)));
}

sdk::Task<sdk::Result<Json>> upload_whole(sdk::Context ctx, const Plan* plan, const sdk::File* file,
                                          std::uint64_t size) {
  sdk::Multipart form = signed_form(ctx, *plan);
  const std::string name = file->name();
  form.file("file", name, *file, 0, size);
  co_return co_await send(ctx, plan, request_for(*plan, std::move(form)));
}

// How far an earlier attempt came with this file; 0 when that is not known.
std::uint64_t saved_offset(sdk::Context ctx, std::uint64_t size, std::uint64_t chunk) {
  const std::string_view saved = ctx.saved();
  std::uint64_t offset = 0, of_size = 0;
  const auto comma = saved.find('/');
  if (comma == std::string_view::npos) return 0;
  std::from_chars(saved.data(), saved.data() + comma, offset);
  std::from_chars(saved.data() + comma + 1, saved.data() + saved.size(), of_size);
  return of_size == size && offset < size && offset % chunk == 0 ? offset : 0;
}

sdk::Task<sdk::Result<Json>> upload_chunks(sdk::Context ctx, const Plan* plan, const sdk::File* file,
                                           std::uint64_t size) {
  const std::uint64_t chunk = plan->account.chunk_bytes;
  const std::string name = file->name();
  for (std::uint64_t first = saved_offset(ctx, size, chunk); first < size; first += chunk) {
    const std::uint64_t count = std::min(chunk, size - first);
    const bool is_last = first + count == size;
    sdk::Multipart form = signed_form(ctx, *plan);
    form.file("file", name, *file, first, count);
    sdk::HttpRequest request = request_for(*plan, std::move(form));
    request.header("X-Unique-Upload-Id", plan->upload_id);
    request.header("Content-Range", "bytes " + std::to_string(first) + "-" +
                                        std::to_string(first + count - 1) + "/" +
                                        std::to_string(size));
    auto response = co_await ctx.http().send(request);
    if (!response) co_return response.failure();
    auto json = read_answer(*response);
    if (!json) co_return json.failure();
    ctx.progress(static_cast<double>(first + count) / static_cast<double>(size));
    if (is_last) co_return check_asset(*plan, std::move(*json));
    const std::string state = std::to_string(first + count) + "/" + std::to_string(size);
    auto saved = co_await ctx.checkpoint(state);
    if (!saved) co_return saved.failure();
  }
  co_return sdk::Failure(COF_EINTERNAL, "internal", "the upload had no last chunk");
}

sdk::Result<Plan> make_plan(sdk::Context ctx, Account account, const Json& args) {
  auto known = credentials(ctx, account);
  if (!known) return known.failure();
  auto params = upload_params(args);
  if (!params) return params.failure();
  Plan plan;
  plan.url = account.api(args.value("resource_type", "auto") + "/upload");
  plan.algorithm = account.algorithm;
  if (args.contains("signature_algorithm")) {
    plan.algorithm = args.at("signature_algorithm") == "sha256" ? Algorithm::sha256 : Algorithm::sha1;
  }
  plan.account = std::move(account);
  plan.credentials = std::move(*known);
  plan.params = std::move(*params);
  plan.upload_id = "cofounderd-" + std::string{ctx.task_id()};
  if (!plan.params.contains("public_id")) {
    plan.params["public_id"] = std::string{ctx.task_id()};
    if (args.value("resource_type", "auto") == "raw") {
      plan.params["public_id"] += extension_of(args.at("file").get<std::string>());
    }
  }
  return plan;
}

bool is_url(std::string_view source) {
  return source.starts_with("https://") || source.starts_with("http://");
}

}  // namespace

sdk::Task<sdk::Result<Json>> upload(sdk::Context ctx, Account account, Json args) {
  const auto plan = make_plan(ctx, std::move(account), args);
  if (!plan) co_return plan.failure();
  std::string source = args.at("file").get<std::string>();
  if (source.starts_with("data:") && source.size() > data_uri_bytes_max) {
    co_return sdk::Failure(COF_ETOOBIG, "file_too_big",
                           "args.file: a data: URI may have at most 60 MB; send a file instead");
  }
  if (is_url(source) || source.starts_with("data:")) {
    co_return co_await upload_source(ctx, &*plan, std::move(source));
  }
  const auto file = ctx.open(source);
  if (!file) co_return file.failure();
  const auto size = file->size();
  if (!size) co_return size.failure();
  if (*size == 0) {
    co_return sdk::Failure(COF_EINVALID, "empty_file", "args.file: the file is empty");
  }
  if (*size > plan->account.chunk_bytes) {
    co_return co_await upload_chunks(ctx, &*plan, &*file, *size);
  }
  co_return co_await upload_whole(ctx, &*plan, &*file, *size);
}

}  // namespace cloudinary
