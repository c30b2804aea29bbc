// SPDX-License-Identifier: Apache-2.0
#include "upload.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <utility>

#include "answer.hpp"
#include "upload_params.hpp"

namespace cloudinary {
namespace sdk = cofounder::sdk;
namespace {

using sdk::Json;

constexpr std::uint64_t restarts_max = 3;  // of one chunked upload, over all attempts

// What is the same in all requests of one upload.
struct Plan {
  Account account;
  Credentials credentials;
  Algorithm algorithm = Algorithm::sha1;
  std::string url;
  Params params;          // without timestamp and signature
  std::string upload_id;  // of a chunked one; the same over all attempts
  bool is_async = false;
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
  if (const auto status = json.find("status"); status != json.end() && *status == "pending")
    return json;
  const auto id = json.find("public_id");
  const auto version = json.find("version");
  const auto signature = json.find("signature");
  const auto url = json.find("secure_url");
  if (id == json.end() || !id->is_string() || version == json.end() ||
      !version->is_number_integer() || signature == json.end() || !signature->is_string() ||
      url == json.end() || !url->is_string()) {
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

// How far a chunked upload came: "OFFSET/SIZE", and "/RESTARTS" when it was begun anew.
struct Progress {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  std::uint64_t restarts = 0;

  std::string text() const {
    return std::to_string(offset) + "/" + std::to_string(size) + "/" + std::to_string(restarts);
  }
};

std::optional<std::uint64_t> take_number(std::string_view& text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (text.starts_with('/')) text.remove_prefix(1);
  return number;
}

// What an earlier attempt saved of this file; the beginning when that is not known.
Progress saved_progress(sdk::Context ctx, std::uint64_t size, std::uint64_t chunk) {
  std::string_view saved = ctx.saved();
  const auto offset = take_number(saved);
  const auto of_size = take_number(saved);
  const auto restarts = take_number(saved);
  Progress progress{0, size, restarts.value_or(0)};
  if (offset && of_size == size && *offset < size && *offset % chunk == 0)
    progress.offset = *offset;
  return progress;
}

sdk::HttpRequest chunk_request(sdk::Context ctx, const Plan& plan, const sdk::File& file,
                               const Progress& at, std::uint64_t count) {
  sdk::Multipart form = signed_form(ctx, plan);
  form.file("file", file.name(), file, at.offset, count);
  sdk::HttpRequest request = request_for(plan, std::move(form));
  std::string id = plan.upload_id;
  if (at.restarts > 0) id += "-" + std::to_string(at.restarts);
  request.header("X-Unique-Upload-Id", std::move(id));
  request.header("Content-Range", "bytes " + std::to_string(at.offset) + "-" +
                                      std::to_string(at.offset + count - 1) + "/" +
                                      std::to_string(at.size));
  return request;
}

sdk::Task<sdk::Result<Json>> upload_chunks(sdk::Context ctx, const Plan* plan,
                                           const sdk::File* file, std::uint64_t size) {
  const std::uint64_t chunk = plan->account.chunk_bytes;
  Progress at = saved_progress(ctx, size, chunk);
  bool may_restart = at.restarts < restarts_max;
  while (at.offset < size) {
    const std::uint64_t count = std::min(chunk, size - at.offset);
    const auto request = chunk_request(ctx, *plan, *file, at, count);
    auto response = co_await ctx.http().send(request);
    if (!response) co_return response.failure();
    if (response->status == 400 && at.offset > 0 && may_restart) {
      // It may know nothing of the chunks before: they are too old, or the asset was finished and
      // only the answer got lost.  The same public id is written again, so nothing is doubled.
      may_restart = false;
      at.offset = 0;
      ++at.restarts;
      continue;
    }
    auto json = read_answer(*response);
    if (!json) co_return json.failure();
    at.offset += count;
    ctx.progress(static_cast<double>(at.offset) / static_cast<double>(size));
    if (at.offset == size) co_return check_asset(*plan, std::move(*json));
    const std::string state = at.text();
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
    plan.algorithm =
        args.at("signature_algorithm") == "sha256" ? Algorithm::sha256 : Algorithm::sha1;
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
  plan.is_async = args.value("async", false);
  if (plan.is_async) {
    if (plan.account.notification_url.empty()) {
      return sdk::Failure{COF_EINVALID, "not_configured",
                          "[plugin.cloudinary] notification_url is not set: without it nobody "
                          "would hear that an asynchronous upload is done"};
    }
    plan.params["async"] = "1";
    plan.params["notification_url"] =
        plan.account.notification_url + "?task=" + std::string{ctx.task_id()};
  }
  return plan;
}

// The id by which the provider will call it.
std::string full_id(const Plan& plan) {
  const auto folder = plan.params.find("folder");
  const std::string& id = plan.params.at("public_id");
  return folder == plan.params.end() || folder->second.empty() ? id : folder->second + "/" + id;
}

bool is_pending(const Json& answer) {
  const auto status = answer.find("status");
  return status != answer.end() && *status == "pending";
}

bool is_url(std::string_view source) {
  return source.starts_with("https://") || source.starts_with("http://");
}

sdk::Task<sdk::Result<Json>> send_all(sdk::Context ctx, const Plan* plan, Json args) {
  std::string source = args.at("file").get<std::string>();
  if (is_url(source) || source.starts_with("data:")) {
    co_return co_await upload_source(ctx, plan, std::move(source));
  }
  const auto file = ctx.open(source);
  if (!file) co_return file.failure();
  const auto size = file->size();
  if (!size) co_return size.failure();
  if (*size == 0) {
    co_return sdk::Failure(COF_EINVALID, "empty_file", "args.file: the file is empty");
  }
  if (*size > plan->account.chunk_bytes) {
    co_return co_await upload_chunks(ctx, plan, &*file, *size);
  }
  co_return co_await upload_whole(ctx, plan, &*file, *size);
}

}  // namespace

sdk::Task<sdk::Result<Json>> upload(sdk::Context ctx, Account account, Json args,
                                    Waiting* waiting) {
  const auto plan = make_plan(ctx, std::move(account), args);
  if (!plan) co_return plan.failure();
  if (!plan->is_async) co_return co_await send_all(ctx, &*plan, std::move(args));
  // It was sent by an earlier attempt, which may have been another daemon's.
  if (const auto until = Waiting::saved_deadline(ctx)) {
    co_return co_await waiting->wait(ctx, *until);
  }
  // Before it is sent: the notification may overtake the answer.
  std::string id = full_id(*plan);
  auto expected = co_await waiting->expect(ctx, std::move(id), plan->account.notification_wait);
  if (!expected) co_return expected.failure();
  auto answer = co_await send_all(ctx, &*plan, std::move(args));
  if (!answer || !is_pending(*answer)) {
    waiting->forget(ctx);
    co_return answer;
  }
  const auto until = ctx.host().wall() + plan->account.notification_wait;
  const std::string state = Waiting::state(until);
  auto saved = co_await ctx.checkpoint(state);
  if (!saved) co_return saved.failure();
  co_return co_await waiting->wait(ctx, until);
}

}  // namespace cloudinary
