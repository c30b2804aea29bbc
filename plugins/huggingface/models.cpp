// SPDX-License-Identifier: Apache-2.0
#include "models.hpp"

#include <utility>

#include "answer.hpp"
#include "usage.hpp"

namespace huggingface {
namespace sdk = cofounder::sdk;
namespace {

using sdk::Json;

std::optional<sdk::Failure> check_provider(const Json& one, const std::string& field) {
  if (!one.is_object()) return bad_answer(field, "is no object");
  if (!one.contains("provider") || !one.at("provider").is_string()) {
    return bad_answer(field + ".provider", "is no string");
  }
  if (one.contains("status") && !one.at("status").is_string()) {
    return bad_answer(field + ".status", "is no string");
  }
  if (!one.contains("pricing") || one.at("pricing").is_null()) return std::nullopt;
  const Json& pricing = one.at("pricing");
  if (!pricing.is_object()) return bad_answer(field + ".pricing", "is no object");
  for (const char* name : {"input", "output"}) {
    if (!pricing.contains(name) || pricing.at(name).is_null()) continue;
    if (!read_price(pricing.at(name))) {
      return bad_answer(field + ".pricing." + name, "is no price");
    }
  }
  return std::nullopt;
}

std::optional<sdk::Failure> check_model(const Json& model, const std::string& field) {
  if (!model.is_object()) return bad_answer(field, "is no object");
  if (!model.contains("id") || !model.at("id").is_string()) {
    return bad_answer(field + ".id", "is no string");
  }
  if (!model.contains("providers")) return std::nullopt;
  const Json& providers = model.at("providers");
  if (!providers.is_array()) return bad_answer(field + ".providers", "is no array");
  for (std::size_t i = 0; i < providers.size(); ++i) {
    const std::string at = field + ".providers[" + std::to_string(i) + "]";
    if (auto wrong = check_provider(providers[i], at)) return wrong;
  }
  return std::nullopt;
}

// Without the token and what else may come in "auth".
sdk::Result<Json> read_whoami(const Json& answer) {
  if (!answer.is_object()) return bad_answer("the body", "is no JSON object");
  if (!answer.contains("name") || !answer.at("name").is_string()) {
    return bad_answer("name", "is no string");
  }
  Json who = Json::object();
  for (const char* name : {"type", "id", "name", "fullname", "email", "emailVerified", "isPro",
                           "canPay", "orgs"}) {
    if (answer.contains(name)) who[name] = answer.at(name);
  }
  const Json none;
  const Json auth = answer.value("auth", none);
  if (auth.is_object() && auth.contains("accessToken") && auth.at("accessToken").is_object()) {
    who["role"] = auth.at("accessToken").value("role", none);
  }
  return who;
}

}  // namespace

sdk::Result<Json> read_models(const Json& answer) {
  if (!answer.is_object()) return bad_answer("the body", "is no JSON object");
  // All of them come as an array; a single one may come alone, or without "data" around it.
  Json models = answer.contains("data") ? answer.at("data") : Json::array({answer});
  if (models.is_object()) models = Json::array({models});
  if (!models.is_array()) return bad_answer("data", "is no array");
  for (std::size_t i = 0; i < models.size(); ++i) {
    if (auto wrong = check_model(models[i], "data[" + std::to_string(i) + "]")) return *wrong;
  }
  return models;
}

sdk::Task<sdk::Result<Json>> ask_models(sdk::Context ctx, std::shared_ptr<const Account> account,
                                        std::string token, std::string id) {
  const std::string url = account->router_url + "/v1/models" + (id.empty() ? "" : "/" + id);
  sdk::HttpRequest request = make_request(*account, token, "GET", url);
  request.total_timeout = account->quick_timeout;
  request.retry_wait_max = account->quick_timeout;
  auto response = co_await ctx.http().send(request);
  if (!response) co_return response.failure();
  const auto json = read_json(*response);
  if (!json) co_return json.failure();
  co_return read_models(*json);
}

sdk::Task<sdk::Result<Json>> ask_whoami(sdk::Context ctx, std::shared_ptr<const Account> account,
                                        std::string token) {
  sdk::HttpRequest request =
      make_request(*account, token, "GET", account->hub_url + "/api/whoami-v2");
  request.total_timeout = account->quick_timeout;
  request.retry_wait_max = account->quick_timeout;
  auto response = co_await ctx.http().send(request);
  if (!response) co_return response.failure();
  const auto json = read_json(*response);
  if (!json) co_return json.failure();
  co_return read_whoami(*json);
}

}  // namespace huggingface
