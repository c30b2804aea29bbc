// SPDX-License-Identifier: Apache-2.0
#include "tests/simulators/huggingface.hpp"

#include <unistd.h>

#include <chrono>
#include <cmath>
#include <ctime>
#include <nlohmann/json.hpp>

namespace simulator {
namespace {

using Json = nlohmann::json;

Response answer(const Json& json, int status = 200) {
  Response response;
  response.status = status;
  response.body = json.dump();
  response.headers = {{"x-request-id", "Root=1-simulated"}};
  return response;
}

// hf-inference and the hub say why in a string, the router as OpenAI does.
Response refuse(int status, const std::string& why) { return answer({{"error", why}}, status); }
Response refuse_chat(int status, const Wrong& wrong, const char* code) {
  return answer({{"error",
                  {{"message", wrong.message},
                   {"type", "invalid_request_error"},
                   {"param", wrong.param},
                   {"code", code}}}},
                status);
}

Response web_page(int status) {
  Response response;
  response.status = status;
  response.content_type = "text/html; charset=utf-8";
  response.body = "<!doctype html><html><body>404: this page could not be found</body></html>";
  return response;
}

// Nothing for what is no JSON object with that content type.
std::optional<Json> json_body(const Request& request) {
  if (!request.header("content-type").starts_with("application/json")) return std::nullopt;
  Json json = Json::parse(request.body, nullptr, false);
  if (!json.is_object()) return std::nullopt;
  return json;
}

int count_words(const std::string& text) {
  int count = 0;
  bool inside = false;
  for (const char c : text) {
    const bool letter = c != ' ' && c != '\n';
    count += letter && !inside ? 1 : 0;
    inside = letter;
  }
  return count;
}

int prompt_tokens(const Json& messages) {
  int count = 0;
  for (const Json& message : messages) {
    const Json content = message.value("content", Json());
    count += count_words(content.is_string() ? content.get<std::string>() : content.dump());
  }
  return count;
}

Json usage_of(int prompt, int completion) {
  return {{"prompt_tokens", prompt}, {"completion_tokens", completion}, {"total_tokens", prompt + completion}};
}

std::string word(std::size_t number) { return (number == 0 ? "w" : " w") + std::to_string(number); }

std::string event(const Json& json) { return "data: " + json.dump() + "\n\n"; }

std::int64_t monotonic_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// A streamed answer: an event for each piece, the last with the end in it.  They are made when they
// are due, for an answer may have very many.
struct Pieces {
  std::size_t count = 0;
  std::function<std::string(std::size_t number)> make;
  std::string end;
};

Response stream_of(Pieces pieces, const HuggingFaceOptions& options) {
  Response response;
  response.content_type = "text/event-stream; charset=utf-8";
  response.interval_ms = options.interval_ms;
  response.headers = {{"x-request-id", "Root=1-simulated"}};
  response.stream = [pieces = std::move(pieces), stamps = options.stamps, hold = options.hold_file,
                     next = std::size_t{0}]() mutable -> std::optional<std::string> {
    if (next >= pieces.count) return std::nullopt;
    const bool is_last = next + 1 == pieces.count;
    if (is_last && !hold.empty() && ::access(hold.c_str(), F_OK) != 0) return std::string{};
    std::string piece = pieces.make(next);
    if (stamps && next == 0) {
      const auto at = piece.find("w0");
      piece.replace(at, 2, "t" + std::to_string(monotonic_ns()) + " ");
    }
    ++next;
    if (is_last) piece += pieces.end;
    return piece;
  };
  return response;
}

// An event of which only a word changes: `chunk` has it as "WORD".
std::function<std::string(std::size_t)> word_events(const Json& chunk) {
  const std::string whole = event(chunk);
  const auto at = whole.find("WORD");
  return [before = whole.substr(0, at), after = whole.substr(at + 4)](std::size_t number) {
    return before + word(number) + after;
  };
}

}  // namespace

Response HuggingFace::handle(const Request& request) {
  const std::string_view path = request.path;
  // The list of models and the providers of one are anybody's.
  const bool is_public = path.starts_with("/v1/models") || path.starts_with("/api/models/");
  const std::string_view authorization = request.header("authorization");
  if (!is_public || !authorization.empty()) {
    if (authorization != "Bearer " + options_.token) return refuse(401, "Invalid username or password.");
  }
  const std::string_view payer = request.header("x-hf-bill-to");
  if (!payer.empty() && payer != options_.organization) {
    return refuse(403, "You are not a member of the organization " + std::string{payer} + ".");
  }
  if (path == "/v1/chat/completions") return chat(request);
  if (path.starts_with("/v1/models")) {
    return request.method == "GET" ? models(path.substr(10)) : refuse(405, "Method Not Allowed");
  }
  if (path.starts_with("/api/")) return hub(request);
  if (path.starts_with("/hf-inference/models/")) return inference(request, path.substr(21));
  return web_page(404);
}

int HuggingFace::tokens_of(const Json& body) const {
  return std::min(options_.tokens, body.value("max_tokens", options_.tokens));
}

std::string HuggingFace::words(int count) const {
  std::string text;
  for (int i = 0; i < count; ++i) text += word(static_cast<std::size_t>(i));
  return text;
}

Response HuggingFace::chat(const Request& request) {
  if (request.method != "POST") return refuse(405, "Method Not Allowed");
  const auto body = json_body(request);
  if (!body) return refuse_chat(400, {"We could not parse the JSON body of your request.", ""}, "invalid_json");
  if (const auto wrong = check_chat(*body)) return refuse_chat(400, *wrong, "invalid_value");
  const std::string name = body->at("model").get<std::string>();
  const auto colon = name.find(':');
  const auto found = chat_models().find(name.substr(0, colon));
  if (found == chat_models().end()) {
    return refuse_chat(404, {"The requested model '" + name + "' does not exist", "model"}, "model_not_found");
  }
  const ModelProvider* provider =
      choose_provider(found->second, colon == std::string::npos ? "" : name.substr(colon + 1));
  if (provider == nullptr) {
    return refuse_chat(400, {"The requested model '" + name + "' is not supported by any provider you have enabled.", "model"},
                       "model_not_supported");
  }
  const int count = tokens_of(*body);
  const bool calls = body->contains("tools") && body->value("tool_choice", Json("auto")) != "none";
  const std::string reason = calls ? "tool_calls" : count < options_.tokens ? "length" : "stop";
  const Json usage = usage_of(prompt_tokens(body->at("messages")), count);
  const std::string id = "chatcmpl-" + std::to_string(next_id_++);
  const Json base{{"id", id}, {"created", std::time(nullptr)}, {"model", found->first}};
  const auto with_provider = [&](Response response) {
    response.headers.emplace_back("x-inference-provider", provider->name);
    return response;
  };
  Json function{{"name", calls ? body->at("tools")[0].at("function").at("name") : Json()},
                {"arguments", R"({"city": "Paris"})"}};
  if (!body->value("stream", false)) {
    Json message{{"role", "assistant"}};
    message["content"] = calls ? Json() : Json(words(count));
    if (calls) message["tool_calls"] = {{{"id", "call_1"}, {"type", "function"}, {"function", function}}};
    Json whole = base;
    whole["object"] = "chat.completion";
    whole["choices"] = {{{"index", 0}, {"message", message}, {"finish_reason", reason}}};
    whole["usage"] = usage;
    return with_provider(answer(whole));
  }
  const auto chunk = [&](const Json& delta, const Json& end) {
    Json json = base;
    json["object"] = "chat.completion.chunk";
    json["choices"] = {{{"index", 0}, {"delta", delta}, {"finish_reason", end}}};
    return json;
  };
  Pieces pieces;
  if (calls) {
    function["arguments"] = R"({"city": )";
    const std::vector<std::string> parts{
        event(chunk({{"role", "assistant"}, {"tool_calls", {{{"index", 0}, {"id", "call_1"}, {"type", "function"}, {"function", function}}}}}, {})),
        event(chunk({{"tool_calls", {{{"index", 0}, {"function", {{"arguments", "\"Paris\"}"}}}}}}}, {}))};
    pieces = {parts.size(), [parts](std::size_t number) { return parts[number]; }, {}};
  } else {
    pieces = {static_cast<std::size_t>(count), word_events(chunk({{"content", "WORD"}}, {})), {}};
  }
  pieces.end = event(chunk(Json::object(), reason));
  if (body->value("stream_options", Json::object()).value("include_usage", false)) {
    Json last = base;
    last["object"] = "chat.completion.chunk";
    last["choices"] = Json::array();
    last["usage"] = usage;
    pieces.end += event(last);
  }
  pieces.end += "data: [DONE]\n\n";
  return with_provider(stream_of(std::move(pieces), options_));
}

Response HuggingFace::inference(const Request& request, std::string_view path) {
  if (request.method != "POST") return refuse(405, "Method Not Allowed");
  std::string wanted = "text-to-image";
  for (const auto& [suffix, task] : {std::pair<std::string_view, const char*>{"/v1/completions", "text-generation"},
                                     {"/pipeline/feature-extraction", "feature-extraction"}}) {
    if (!path.ends_with(suffix)) continue;
    wanted = task;
    path.remove_suffix(suffix.size());
    break;
  }
  const std::string model{path};
  const auto found = inference_models().find(model);
  if (found == inference_models().end()) return refuse(404, "Model " + model + " does not exist");
  if (found->second != wanted) {
    return refuse(400, "Model " + model + " is not supported for task " + wanted + ". Supported task: " + found->second);
  }
  if (!json_body(request)) return refuse(422, "Failed to parse the request body as JSON");
  if (wanted == "text-generation") return completions(request, model);
  return wanted == "text-to-image" ? picture(request) : features(request);
}

Response HuggingFace::completions(const Request& request, const std::string& model) {
  const Json body = *json_body(request);
  if (const auto wrong = check_completion(body)) return refuse(422, wrong->message);
  if (body.at("model") != model) return refuse(400, "`model` is not the model of the address");
  const int count = tokens_of(body);
  const std::string reason = count < options_.tokens ? "length" : "stop";
  const Json usage = usage_of(count_words(body.at("prompt").get<std::string>()), count);
  const Json base{{"id", ""}, {"object", "text_completion"}, {"created", std::time(nullptr)}, {"model", model}};
  const auto chunk = [&](const std::string& text, const Json& end) {
    Json json = base;
    json["choices"] = {{{"index", 0}, {"text", text}, {"finish_reason", end}}};
    return json;
  };
  if (!body.value("stream", false)) {
    Json whole = chunk(words(count), reason);
    whole["usage"] = usage;
    return answer(whole);
  }
  std::string end = event(chunk("", reason));
  if (body.value("stream_options", Json::object()).value("include_usage", false)) {
    Json last = base;
    last["choices"] = Json::array();
    last["usage"] = usage;
    end += event(last);
  }
  return stream_of({static_cast<std::size_t>(count), word_events(chunk("WORD", {})), end + "data: [DONE]\n\n"},
                   options_);
}

// A vector that depends on the text alone.
Response HuggingFace::features(const Request& request) {
  const Json body = *json_body(request);
  if (const auto wrong = check_features(body)) return refuse(400, wrong->message);
  const auto vector_of = [&](const std::string& text) {
    std::vector<double> vector(8, 0.25);
    for (std::size_t i = 0; i < text.size(); ++i) vector[i % 8] += static_cast<unsigned char>(text[i]) / 256.0;
    double sum = 0;
    for (const double x : vector) sum += x * x;
    if (body.value("normalize", false)) {
      for (double& x : vector) x /= std::sqrt(sum);
    }
    return vector;
  };
  Json vectors = Json::array();
  if (body.at("inputs").is_string()) return answer(vector_of(body.at("inputs").get<std::string>()));
  for (const Json& text : body.at("inputs")) vectors.push_back(vector_of(text.get<std::string>()));
  return answer(vectors);
}

Response HuggingFace::picture(const Request& request) {
  const Json body = *json_body(request);
  if (const auto wrong = check_picture(body)) return refuse(400, wrong->message);
  const Json parameters = body.value("parameters", Json::object());
  Response response;
  response.content_type = "image/png";
  response.body = make_png(parameters.value("width", 1024u), parameters.value("height", 1024u));
  return response;
}

Response HuggingFace::models(std::string_view path) const {
  const auto describe = [](const std::string& id, const std::vector<ModelProvider>& providers) {
    Json model{{"id", id}, {"object", "model"}, {"created", 1754000000}, {"owned_by", id.substr(0, id.find('/'))}};
    for (const ModelProvider& one : providers) {
      Json shown{{"provider", one.name}, {"status", one.status}, {"context_length", 131072},
                 {"is_free", one.is_free}, {"supports_tools", true}, {"supports_structured_output", false},
                 {"first_token_latency_ms", 150}, {"throughput", one.throughput}};
      if (one.input) shown["pricing"] = {{"input", *one.input}, {"output", *one.output}};
      model["providers"].push_back(shown);
    }
    return model;
  };
  if (path.empty()) {
    Json list{{"object", "list"}, {"data", Json::array()}};
    for (const auto& [id, providers] : chat_models()) list["data"].push_back(describe(id, providers));
    return answer(list);
  }
  const auto found = chat_models().find(std::string{path.substr(1)});
  if (path[0] != '/' || found == chat_models().end()) {
    return refuse_chat(404, {"The requested model does not exist", "model"}, "model_not_found");
  }
  return answer({{"object", "list"}, {"data", {describe(found->first, found->second)}}});
}

Response HuggingFace::hub(const Request& request) const {
  if (request.method != "GET") return refuse(404, "Sorry, we can't find the page you are looking for.");
  if (request.path == "/api/whoami-v2") {
    return answer({{"type", "user"}, {"id", "64b0"}, {"name", "simone"}, {"fullname", "Simone S."},
                   {"email", "simone@example.com"}, {"emailVerified", true}, {"isPro", false}, {"canPay", false},
                   {"orgs", {{{"name", options_.organization}, {"type", "org"}}}},
                   {"auth", {{"type", "access_token"},
                             {"accessToken", {{"displayName", "t"}, {"role", "fineGrained"}}}}}});
  }
  if (!request.path.starts_with("/api/models/")) return refuse(404, "Sorry, we can't find the page you are looking for.");
  const std::string id = request.path.substr(12);
  const auto query = percent_decode(request.query);
  Json mapping = Json::object();
  if (const auto found = inference_models().find(id); found != inference_models().end()) {
    mapping["hf-inference"] = {{"status", "live"}, {"providerId", id}, {"task", found->second}};
  } else if (const auto chatting = chat_models().find(id); chatting != chat_models().end()) {
    for (const ModelProvider& one : chatting->second) {
      mapping[one.name] = {{"status", one.status}, {"providerId", id}, {"task", "conversational"}};
    }
  } else {
    return refuse(401, "Repository not found");  // as the hub says it of private ones, too
  }
  Json model{{"_id", "64b1"}, {"id", id}};
  if (query == "expand[]=inferenceProviderMapping") model["inferenceProviderMapping"] = mapping;
  return answer(model);
}

}  // namespace simulator
