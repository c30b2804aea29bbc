// SPDX-License-Identifier: Apache-2.0
// cloudinary: images and files to Cloudinary, and what can be asked about them.
#include <cofounder/plugin.hpp>

#include <string>
#include <utility>

#include "account.hpp"
#include "answer.hpp"
#include "delivery_url.hpp"
#include "transformation.hpp"
#include "upload.hpp"
#include "upload_params.hpp"
#include "waiting.hpp"

namespace sdk = cofounder::sdk;
namespace cl = cloudinary;

namespace {

using sdk::Json;

std::string form_encode(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
        c == '_' || c == '.' || c == '~') {
      out += c;
    } else {
      out += '%';
      out += digits[static_cast<unsigned char>(c) >> 4];
      out += digits[static_cast<unsigned char>(c) & 15];
    }
  }
  return out;
}

class Cloudinary : public sdk::Plugin {
 public:
  Cloudinary() {
    operation("upload", &Cloudinary::upload);
    operation("delete", &Cloudinary::remove);
    operation("usage", &Cloudinary::usage);
    operation("url", &Cloudinary::url);
    route("notifications", &Cloudinary::notifications);
  }

  void check(sdk::Context, const Json& config) override { cl::read_account(config); }
  void apply(sdk::Context, const Json& config) override {
    account_ = cl::read_account(config);
    waiting_.apply(host());
  }

 private:
  sdk::Task<sdk::Result<Json>> upload(sdk::Context ctx, Json args) {
    co_return co_await cl::upload(ctx, account_, std::move(args), &waiting_);
  }

  sdk::Task<sdk::RouteResponse> notifications(sdk::Context ctx, sdk::RouteRequest request) {
    return waiting_.notify(ctx, account_, std::move(request));
  }

  sdk::Task<sdk::Result<Json>> remove(sdk::Context ctx, Json args) {
    const cl::Account account = account_;
    const auto known = cl::credentials(ctx, account);
    if (!known) co_return known.failure();
    const auto id = args.at("public_id").get<std::string>();
    if (auto good = cl::check_public_id(id); !good) co_return good.failure();
    cl::Params params{{"public_id", id}};
    if (args.value("invalidate", true)) params["invalidate"] = "true";
    cl::authenticate(params, ctx.host().wall().time_since_epoch().count() / 1000, known->api_key,
                     known->secret, account.algorithm, account.signature_version);
    std::string form;
    for (const auto& [name, value] : params) {
      form += (form.empty() ? "" : "&") + name + "=" + form_encode(value);
    }
    // POST: the API has no DELETE for this.
    const std::string path = args.value("resource_type", "image") + "/destroy";
    sdk::HttpRequest request{"POST", account.api(path)};
    request.body(std::move(form), "application/x-www-form-urlencoded");
    request.idempotent = true;
    request.total_timeout = account.delete_timeout;
    request.retry_statuses = "420,423";
    auto response = co_await ctx.http().send(request);
    if (!response) co_return response.failure();
    const auto json = cl::read_answer(*response);
    if (!json) co_return json.failure();
    const Json result = json->contains("result") ? json->at("result") : Json{};
    // "not found" comes with status 200; it is an answer, not a deletion.
    if (result == "ok") co_return Json{{"result", "deleted"}};
    if (result == "not found") co_return Json{{"result", "not_found"}};
    auto failure = sdk::Failure{COF_EFAILED, "bad_answer",
                                "Cloudinary's answer to a deletion is neither ok nor not found"};
    co_return failure.retry();
  }

  sdk::Task<sdk::Result<Json>> usage(sdk::Context ctx, Json args) {
    const cl::Account account = account_;
    const auto known = cl::credentials(ctx, account);
    if (!known) co_return known.failure();
    const std::string date = args.value("date", "");
    const std::string path = date.empty() ? std::string{"usage"} : "usage/" + date;
    sdk::HttpRequest request{"GET", account.api(path)};
    request.header("Authorization", "Basic " + cl::base64(known->api_key + ":" + known->secret));
    request.total_timeout = account.usage_timeout;
    request.retry_statuses = "420,423";
    auto response = co_await ctx.http().send(request);
    if (!response) co_return response.failure();
    co_return cl::read_answer(*response);
  }

  sdk::Result<Json> url(sdk::Context ctx, const Json& args) {
    cl::Delivery delivery;
    delivery.base = account_.delivery_url;
    delivery.cloud_name = account_.cloud_name;
    if (delivery.cloud_name.empty()) {
      return sdk::Failure{COF_EINVALID, "not_configured", "[plugin.cloudinary] cloud_name is not set"};
    }
    delivery.public_id = args.at("public_id").get<std::string>();
    delivery.resource_type = args.value("resource_type", delivery.resource_type);
    delivery.type = args.value("type", delivery.type);
    delivery.format = args.value("format", "");
    delivery.algorithm = account_.algorithm;
    if (args.contains("version")) delivery.version = args.at("version").get<std::int64_t>();
    if (args.contains("transformation")) {
      auto text = cl::transformation_text(args.at("transformation"));
      if (!text) return text.failure();
      delivery.transformation = std::move(*text);
    }
    delivery.sign = args.value("sign", false);
    if (delivery.sign) {
      auto known = cl::credentials(ctx, account_);
      if (!known) return known.failure();
      delivery.secret = std::move(known->secret);
    }
    return Json{{"url", cl::delivery_url(delivery)}};
  }

  cl::Account account_;
  cl::Waiting waiting_;
};

}  // namespace

COF_EXPORT_PLUGIN(Cloudinary, R"json({
  "id": "cloudinary", "version": "1.0.0", "abi": "1.0",
  "summary": "Uploads to Cloudinary, deletes there, and tells usage and delivery URLs.",
  "interfaces": {"required": ["cof.call/1.0", "cof.error/1.0", "cof.http/1.0", "cof.secret/1.0",
                              "cof.file/1.0", "cof.task/1.0", "cof.timer/1.0", "cof.log/1.0",
                              "cof.kv/1.0", "cof.metric/1.0", "cof.route/1.0"]},
  "permissions": {"http": ["setting:base_url"], "secrets": ["api_secret"], "files": true},
  "config": {"type": "object", "additionalProperties": false, "properties": {
    "cloud_name": {"type": "string"},
    "api_key": {"type": "string"},
    "api_secret": {"type": "object"},
    "base_url": {"type": "string", "default": "https://api.cloudinary.com"},
    "delivery_url": {"type": "string", "default": "https://res.cloudinary.com"},
    "signature_algorithm": {"enum": ["sha1", "sha256"], "default": "sha1"},
    "signature_version": {"enum": [1, 2], "default": 2},
    "chunk_bytes": {"type": "integer", "minimum": 5000000, "default": 20000000},
    "notification_url": {"type": "string"},
    "notification_age_seconds": {"type": "integer", "minimum": 1, "default": 7200},
    "notification_wait_seconds": {"type": "number", "minimum": 0.1, "default": 3600},
    "upload_timeout_seconds": {"type": "number", "minimum": 0.1, "default": 30},
    "delete_timeout_seconds": {"type": "number", "minimum": 0.1, "default": 10},
    "usage_timeout_seconds": {"type": "number", "minimum": 0.1, "default": 10}}},
  "routes": [
    {"id": "notifications", "method": "POST", "path": "/cloudinary/notifications",
     "access": "public", "request_bytes_max": 262144,
     "summary": "Signed notifications of Cloudinary about asynchronous uploads."}
  ],
  "operations": [
    {"name": "upload", "summary": "Uploads a file, a URL or a data: URI.",
     "args": {"type": "object", "required": ["file"], "additionalProperties": false, "properties": {
       "file": {"type": "string", "minLength": 1,
                "description": "a path below files.read, upload:ID, an http(s) URL or a data: URI"},
       "public_id": {"type": "string", "minLength": 1, "maxLength": 255},
       "folder": {"type": "string", "maxLength": 255},
       "tags": {"type": "array", "items": {"type": "string", "minLength": 1}, "maxItems": 1000},
       "context": {"type": "object"},
       "transformation": {"type": ["string", "object", "array"]},
       "eager": {"type": "array", "items": {"type": ["string", "object"]}, "maxItems": 20},
       "overwrite": {"type": "boolean"},
       "async": {"type": "boolean", "default": false,
                 "description": "the task is done when the provider's notification comes"},
       "resource_type": {"enum": ["image", "video", "raw", "auto"], "default": "auto"},
       "signature_algorithm": {"enum": ["sha1", "sha256"]}}}},
    {"name": "delete", "summary": "Deletes an asset.",
     "args": {"type": "object", "required": ["public_id"], "additionalProperties": false,
       "properties": {
       "public_id": {"type": "string", "minLength": 1, "maxLength": 255},
       "resource_type": {"enum": ["image", "video", "raw"], "default": "image"},
       "invalidate": {"type": "boolean", "default": true}}}},
    {"name": "usage", "summary": "The account's usage, as the provider tells it.",
     "args": {"type": "object", "additionalProperties": false, "properties": {
       "date": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}}}},
    {"name": "url", "summary": "The delivery URL of an asset.",
     "args": {"type": "object", "required": ["public_id"], "additionalProperties": false,
       "properties": {
       "public_id": {"type": "string", "minLength": 1},
       "transformation": {"type": ["string", "object", "array"]},
       "format": {"type": "string", "pattern": "^[a-z0-9]{1,10}$"},
       "version": {"type": "integer", "minimum": 0},
       "resource_type": {"enum": ["image", "video", "raw"], "default": "image"},
       "type": {"enum": ["upload", "private", "authenticated", "fetch"], "default": "upload"},
       "sign": {"type": "boolean", "default": false}}}}
  ]
})json");
