// SPDX-License-Identifier: Apache-2.0
#include "completion.hpp"

#include <utility>

#include "answer.hpp"

namespace huggingface {
namespace sdk = cofounder::sdk;
namespace {

using sdk::Json;

constexpr std::size_t text_bytes_max = 3u << 20;  // as JSON it has to fit into a result
constexpr std::int64_t tool_calls_max = 128;

sdk::Failure error_in(const Json& json) {
  std::string words = words_of(json);
  std::string message = "Hugging Face sent an error in its answer";
  if (!words.empty()) message += ": " + words;
  return sdk::Failure{COF_EUNAVAILABLE, "provider_error", std::move(message)};
}

bool has_error(const Json& json) { return json.contains("error") && !json.at("error").is_null(); }

// A string, absent or null; what else it is, is wrong.
std::optional<sdk::Failure> take_string(const Json& object, const char* name,
                                        const std::string& field, std::string& out) {
  const auto found = object.find(name);
  if (found == object.end() || found->is_null()) return std::nullopt;
  if (!found->is_string()) return bad_answer(field, "is no string");
  out = found->get<std::string>();
  return std::nullopt;
}

std::optional<sdk::Failure> check_tool_calls(const Json& calls, const std::string& field) {
  if (!calls.is_array()) return bad_answer(field, "is no array");
  if (calls.size() > static_cast<std::size_t>(tool_calls_max)) return bad_answer(field, "has too many entries");
  for (std::size_t i = 0; i < calls.size(); ++i) {
    const Json& call = calls[i];
    const std::string at = field + "[" + std::to_string(i) + "]";
    if (!call.is_object() || !call.contains("function") || !call.at("function").is_object()) {
      return bad_answer(at + ".function", "is no object");
    }
    for (const char* name : {"name", "arguments"}) {
      const Json& function = call.at("function");
      if (!function.contains(name) || !function.at(name).is_string()) {
        return bad_answer(at + ".function." + name, "is no string");
      }
    }
  }
  return std::nullopt;
}

sdk::Result<Json> read_message(const Json& choice) {
  const std::string field = "choices[0].message";
  if (!choice.contains("message") || !choice.at("message").is_object()) {
    return bad_answer(field, "is no object");
  }
  const Json& given = choice.at("message");
  std::string role = "assistant", content, reasoning;
  for (auto [name, out] : {std::pair{"role", &role}, std::pair{"content", &content},
                           std::pair{"reasoning_content", &reasoning}}) {
    if (auto wrong = take_string(given, name, field + "." + name, *out)) return *wrong;
  }
  Json message{{"role", role}, {"content", content}};
  if (!reasoning.empty()) message["reasoning_content"] = reasoning;
  if (given.contains("tool_calls") && !given.at("tool_calls").is_null()) {
    if (auto wrong = check_tool_calls(given.at("tool_calls"), field + ".tool_calls")) return *wrong;
    if (!given.at("tool_calls").empty()) message["tool_calls"] = given.at("tool_calls");
  }
  if (!given.contains("content") && !message.contains("tool_calls")) {
    return bad_answer(field + ".content", "is missing");
  }
  if (message.contains("tool_calls") && content.empty()) message["content"] = nullptr;
  return message;
}

}  // namespace

sdk::Result<Completion> read_completion(Kind kind, const Json& answer) {
  if (!answer.is_object()) return bad_answer("the body", "is no JSON object");
  if (has_error(answer)) return error_in(answer);
  if (!answer.contains("choices") || !answer.at("choices").is_array() ||
      answer.at("choices").empty() || !answer.at("choices").at(0).is_object()) {
    return bad_answer("choices[0]", "is no object");
  }
  const Json& choice = answer.at("choices").at(0);
  Completion completion;
  if (kind == Kind::chat) {
    auto message = read_message(choice);
    if (!message) return message.failure();
    completion.message = std::move(*message);
  } else {
    if (!choice.contains("text") || !choice.at("text").is_string()) {
      return bad_answer("choices[0].text", "is no string");
    }
    completion.text = choice.at("text").get<std::string>();
  }
  std::string reason;
  if (auto wrong = take_string(choice, "finish_reason", "choices[0].finish_reason", reason)) return *wrong;
  if (!reason.empty()) completion.finish_reason = reason;
  if (auto wrong = take_string(answer, "model", "model", completion.model)) return *wrong;
  auto usage = read_usage(answer);
  if (!usage) return usage.failure();
  completion.usage = *usage;
  return completion;
}

sdk::Result<std::string> CompletionStream::take(std::string_view data) {
  if (done_ || data.empty()) return std::string{};
  if (data == "[DONE]") {
    done_ = true;
    return std::string{};
  }
  const Json chunk = Json::parse(data, nullptr, /*allow_exceptions=*/false);
  if (!chunk.is_object()) return bad_answer("an event", "is no JSON object");
  if (has_error(chunk)) return error_in(chunk);
  if (auto wrong = take_string(chunk, "model", "model", model_)) return *wrong;
  auto usage = read_usage(chunk);
  if (!usage) return usage.failure();
  if (*usage) usage_ = *usage;
  const auto choices = chunk.find("choices");
  if (choices == chunk.end() || choices->is_null()) {
    if (*usage) return std::string{};
    return bad_answer("choices", "is missing");
  }
  if (!choices->is_array()) return bad_answer("choices", "is no array");
  std::string fresh;
  for (const Json& choice : *choices) {
    if (!choice.is_object()) return bad_answer("choices[0]", "is no object");
    // One was asked for.
    if (choice.contains("index") && choice.at("index") != 0) continue;
    auto taken = take_choice(choice);
    if (!taken) return taken.failure();
    fresh += *taken;
  }
  if (text_.size() + reasoning_.size() + tool_bytes_ > text_bytes_max) {
    return sdk::Failure{COF_ETOOBIG, "answer_too_big", "Hugging Face's answer does not end: it has more than " +
                                                           std::to_string(text_bytes_max) + " bytes"};
  }
  return fresh;
}

sdk::Result<std::string> CompletionStream::take_choice(const Json& choice) {
  has_choice_ = true;
  std::string reason;
  if (auto wrong = take_string(choice, "finish_reason", "choices[0].finish_reason", reason)) return *wrong;
  std::string fresh;
  if (kind_ == Kind::text) {
    if (auto wrong = take_string(choice, "text", "choices[0].text", fresh)) return *wrong;
    text_ += fresh;
  } else if (choice.contains("delta") && !choice.at("delta").is_null()) {
    auto taken = take_delta(choice.at("delta"));
    if (!taken) return taken.failure();
    fresh = std::move(*taken);
  }
  if (!reason.empty()) finish_reason_ = reason;
  return fresh;
}

sdk::Result<std::string> CompletionStream::take_delta(const Json& delta) {
  if (!delta.is_object()) return bad_answer("choices[0].delta", "is no object");
  std::string fresh, thought;
  if (auto wrong = take_string(delta, "role", "choices[0].delta.role", role_)) return *wrong;
  if (auto wrong = take_string(delta, "content", "choices[0].delta.content", fresh)) return *wrong;
  if (auto wrong = take_string(delta, "reasoning_content", "choices[0].delta.reasoning_content",
                               thought)) {
    return *wrong;
  }
  if (delta.contains("tool_calls") && !delta.at("tool_calls").is_null()) {
    if (auto wrong = take_tool_calls(delta.at("tool_calls"))) return *wrong;
  }
  text_ += fresh;
  reasoning_ += thought;
  return fresh;
}

std::optional<sdk::Failure> CompletionStream::take_tool_calls(const Json& calls) {
  const std::string field = "choices[0].delta.tool_calls";
  if (!calls.is_array()) return bad_answer(field, "is no array");
  for (const Json& piece : calls) {
    if (!piece.is_object()) return bad_answer(field, "has an entry that is no object");
    const auto index = piece.find("index");
    if (index != piece.end() && !index->is_number_integer()) {
      return bad_answer(field + ".index", "is no whole number");
    }
    const auto at = index == piece.end() ? std::int64_t{0} : index->get<std::int64_t>();
    if (at < 0 || at >= tool_calls_max) return bad_answer(field + ".index", "is out of range");
    ToolCall& call = tool_calls_[at];
    if (auto wrong = take_string(piece, "id", field + ".id", call.id)) return wrong;
    if (auto wrong = take_string(piece, "type", field + ".type", call.type)) return wrong;
    const auto function = piece.find("function");
    if (function == piece.end() || function->is_null()) continue;
    if (!function->is_object()) return bad_answer(field + ".function", "is no object");
    std::string arguments;
    if (auto wrong = take_string(*function, "name", field + ".function.name", call.name)) return wrong;
    if (auto wrong = take_string(*function, "arguments", field + ".function.arguments", arguments)) {
      return wrong;
    }
    call.arguments += arguments;
    tool_bytes_ += arguments.size();
  }
  return std::nullopt;
}

sdk::Result<Completion> CompletionStream::finish() const {
  if (!is_finished()) {
    auto cut = sdk::Failure{COF_EUNAVAILABLE, "stream_cut",
                            "Hugging Face's stream ended before a finish reason or [DONE]"};
    return std::move(cut).retry();
  }
  if (!has_choice_) return bad_answer("choices", "came in no event");
  Completion completion;
  completion.finish_reason = finish_reason_;
  completion.usage = usage_;
  completion.model = model_;
  if (kind_ == Kind::text) {
    completion.text = text_;
    return completion;
  }
  completion.message = Json{{"role", role_}, {"content", text_}};
  if (!reasoning_.empty()) completion.message["reasoning_content"] = reasoning_;
  for (const auto& [index, call] : tool_calls_) {
    completion.message["tool_calls"].push_back(
        {{"id", call.id},
         {"type", call.type.empty() ? "function" : call.type},
         {"function", {{"name", call.name}, {"arguments", call.arguments}}}});
  }
  if (!tool_calls_.empty() && text_.empty()) completion.message["content"] = nullptr;
  return completion;
}

}  // namespace huggingface
