// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <string>
#include <utility>

#include "answer.hpp"
#include "arguments.hpp"
#include "ledger.hpp"
#include "operations.hpp"
#include "sending.hpp"

namespace huggingface {
namespace sdk = cofounder::sdk;
namespace {

using sdk::Json;

bool is_vector(const Json& value) {
  if (!value.is_array() || value.empty()) return false;
  for (const Json& number : value) {
    if (!number.is_number() || !std::isfinite(number.get<double>())) return false;
  }
  return true;
}

// {embeddings}: one vector for each of `count` texts.
sdk::Result<Json> read_embeddings(Json answer, std::size_t count) {
  // A single text's vector may come without the array around it.
  if (count == 1 && is_vector(answer)) answer = Json::array({answer});
  if (!answer.is_array()) return bad_answer("the body", "is no JSON array");
  if (answer.size() != count) {
    return bad_answer("the body", "has " + std::to_string(answer.size()) + " vectors for " +
                                      std::to_string(count) + " texts");
  }
  for (std::size_t i = 0; i < count; ++i) {
    const std::string field = "[" + std::to_string(i) + "]";
    const Json& one = answer[i];
    if (one.is_array() && !one.empty() && one[0].is_array()) {
      return sdk::Failure{COF_EUNSUPPORTED, "token_embeddings",
                          "args.model: it gives a vector for each token, not for each text"};
    }
    if (!is_vector(one)) return bad_answer(field, "is no array of numbers");
    if (one.size() != answer[0].size()) return bad_answer(field, "has another length than [0]");
  }
  Json result;
  result["embeddings"] = std::move(answer);
  return result;
}

}  // namespace

sdk::Task<sdk::Result<Json>> embed(sdk::Context ctx, World* world, Json args) {
  const auto account = world->account;
  const auto model = read_hf_inference_model(args.at("model").get<std::string>());
  if (!model) co_return model.failure();
  const auto body = embed_body(args);
  if (!body) co_return body.failure();
  const auto token = read_token(ctx);
  if (!token) co_return token.failure();
  sdk::HttpRequest request =
      make_request(*account, *token, "POST",
                   account->router_url + "/hf-inference/models/" + model->id +
                       "/pipeline/feature-extraction");
  request.json(*body);
  request.total_timeout = account->answer_timeout;
  Ledger ledger{ctx, world, *token, *model};
  Route route{account, &world->lanes, "hf-inference", wait_max(*account, args)};
  auto response = co_await send(ctx, std::move(route), std::move(request));
  if (!response) co_return response.failure();
  auto json = read_json(*response);
  if (json) json = read_embeddings(std::move(*json), args.at("inputs").size());
  // It does not tell what it took.
  const bool failed = !json;
  std::optional<Usage> unknown;
  auto cost = co_await ledger.record(std::move(unknown), failed);
  (void)cost;
  co_return json;
}

}  // namespace huggingface
