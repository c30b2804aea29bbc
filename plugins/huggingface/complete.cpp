// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <utility>

#include "answer.hpp"
#include "arguments.hpp"
#include "ledger.hpp"
#include "operations.hpp"
#include "sending.hpp"
#include "teller.hpp"

namespace huggingface {
namespace sdk = cofounder::sdk;
namespace {

using sdk::Json;

constexpr std::uint64_t stream_bytes_max = 64u << 20;

// How a completion came out; the usage is known of some that failed, too.
struct Outcome {
  Outcome(sdk::Result<Completion> its_completion, std::optional<Usage> its_usage)
      : completion{std::move(its_completion)}, usage{its_usage} {}
  sdk::Result<Completion> completion;
  std::optional<Usage> usage;
};

Outcome read_whole(Kind kind, const sdk::HttpResponse& response) {
  const auto json = read_json(response);
  if (!json) return {json.failure(), std::nullopt};
  auto completion = read_completion(kind, *json);
  std::optional<Usage> usage;
  if (json->is_object()) {
    if (auto read = read_usage(*json)) usage = *read;
  }
  return {std::move(completion), usage};
}

// Reads a stream to its end and shows what comes.
sdk::Task<Outcome> read_stream(sdk::Context ctx, Kind kind, sdk::HttpStream* stream) {
  const std::string_view type = stream->header("content-type");
  if (!type.starts_with("text/event-stream")) {
    auto failure = bad_answer("content-type", "is no text/event-stream");
    co_return Outcome{std::move(failure), std::nullopt};
  }
  CompletionStream parts{kind};
  Teller teller{ctx};
  while (!parts.is_done()) {
    auto item = co_await stream->next();
    if (!item) {
      teller.tell();
      // The message is there; only the end of the transfer is not.
      if (parts.is_finished()) break;
      co_return Outcome{item.failure(), parts.usage()};
    }
    if (!*item) break;
    auto fresh = parts.take((*item)->body);
    if (!fresh) {
      teller.tell();
      co_return Outcome{fresh.failure(), parts.usage()};
    }
    teller.add(*fresh);
    if (!stream->has_next()) teller.tell();
  }
  teller.finish();
  co_return Outcome{parts.finish(), parts.usage()};
}

Json result_of(Kind kind, Completion completion, const std::optional<std::int64_t>& micros,
               const Ledger& ledger) {
  Json result{{"finish_reason", std::move(completion.finish_reason)},
              {"usage", usage_json(completion.usage, micros)}};
  if (kind == Kind::chat) {
    result["message"] = std::move(completion.message);
  } else {
    result["text"] = std::move(completion.text);
  }
  if (!completion.model.empty()) result["model"] = completion.model;
  if (!ledger.provider().empty()) result["provider"] = ledger.provider();
  return result;
}

// The provider whose places a request takes.
std::string lane_of(Kind kind, const Model& model) {
  if (kind == Kind::text) return "hf-inference";
  return model.provider().empty() ? "auto" : std::string{model.provider()};
}

std::string url_of(Kind kind, const Account& account, const Model& model) {
  if (kind == Kind::chat) return account.router_url + "/v1/chat/completions";
  return account.router_url + "/hf-inference/models/" + model.id + "/v1/completions";
}

}  // namespace

sdk::Task<sdk::Result<Json>> complete(sdk::Context ctx, World* world, Kind kind, Json args) {
  const auto account = world->account;
  const std::string name = args.at("model").get<std::string>();
  const auto model = kind == Kind::chat ? read_model(name) : read_hf_inference_model(name);
  if (!model) co_return model.failure();
  const auto body = completion_body(kind, *model, args);
  if (!body) co_return body.failure();
  const auto token = read_token(ctx);
  if (!token) co_return token.failure();
  sdk::HttpRequest request = make_request(*account, *token, "POST", url_of(kind, *account, *model));
  request.json(*body);
  request.idle_timeout = account->idle_timeout;
  Ledger ledger{ctx, world, *token, *model};
  Route route{account, &world->lanes, lane_of(kind, *model), wait_max(*account, args)};
  Outcome outcome{bad_answer("the body", "is missing"), std::nullopt};
  if (body->contains("stream")) {
    request.header("Accept", "text/event-stream");
    request.response_bytes_max = stream_bytes_max;
    auto opened = co_await open_stream(ctx, std::move(route), std::move(request), sdk::Framing::sse);
    if (!opened) co_return opened.failure();
    ledger.served_by(opened->stream.header("x-inference-provider"));
    auto read = co_await read_stream(ctx, kind, &opened->stream);
    outcome = std::move(read);
  } else {
    request.total_timeout = account->answer_timeout;
    request.idle_timeout = account->answer_timeout;  // nothing comes until all of it does
    auto response = co_await send(ctx, std::move(route), std::move(request));
    if (!response) co_return response.failure();
    ledger.served_by(response->header("x-inference-provider"));
    outcome = read_whole(kind, *response);
  }
  const bool failed = !outcome.completion;
  auto micros = co_await ledger.record(outcome.usage, failed);
  if (failed) co_return outcome.completion.failure();
  co_return result_of(kind, std::move(*outcome.completion), micros, ledger);
}

}  // namespace huggingface
