// SPDX-License-Identifier: Apache-2.0
#include "arguments.hpp"

#include <array>
#include <cmath>
#include <string>
#include <string_view>
#include <utility>

namespace huggingface {
namespace sdk = cofounder::sdk;
namespace {

using sdk::Json;

constexpr std::size_t inputs_max = 256;

sdk::Failure wrong_message(std::size_t index, const char* member, const char* what) {
  return sdk::Failure{COF_EINVALID, "invalid_messages",
                      "args.messages[" + std::to_string(index) + "]" + member + ": " + what};
}

std::optional<sdk::Failure> check_message(const Json& message, std::size_t index) {
  constexpr std::array<std::string_view, 5> roles{"system", "developer", "user", "assistant", "tool"};
  if (!message.is_object()) return wrong_message(index, "", "an object is wanted");
  std::string_view role;
  if (message.contains("role") && message.at("role").is_string()) {
    role = message.at("role").get_ref<const std::string&>();
  }
  bool known = false;
  for (const auto name : roles) known = known || name == role;
  if (!known) {
    return wrong_message(index, ".role", "system, developer, user, assistant or tool is wanted");
  }
  const bool has_calls = message.contains("tool_calls");
  if (has_calls && (role != "assistant" || !message.at("tool_calls").is_array())) {
    return wrong_message(index, ".tool_calls", "an array in a message of the assistant is wanted");
  }
  const Json content = message.contains("content") ? message.at("content") : Json();
  if (content.is_null() && has_calls) return std::nullopt;
  if (!content.is_string() && !(content.is_array() && !content.empty())) {
    return wrong_message(index, ".content", "a string, or an array of parts, is wanted");
  }
  if (role == "tool" && (!message.contains("tool_call_id") || !message.at("tool_call_id").is_string())) {
    return wrong_message(index, ".tool_call_id", "a string is wanted");
  }
  return std::nullopt;
}

}  // namespace

sdk::Result<Json> completion_body(Kind kind, const Model& model, const Json& args) {
  Json body;
  if (kind == Kind::chat) {
    body["model"] = model.full();
    const Json& messages = args.at("messages");
    if (!messages.is_array() || messages.empty()) {
      return sdk::Failure{COF_EINVALID, "invalid_messages", "args.messages: at least one is wanted"};
    }
    for (std::size_t i = 0; i < messages.size(); ++i) {
      if (auto wrong = check_message(messages[i], i)) return *wrong;
    }
    body["messages"] = messages;
    for (const char* name : {"tools", "tool_choice", "response_format", "presence_penalty",
                             "frequency_penalty"}) {
      if (args.contains(name)) body[name] = args.at(name);
    }
  } else {
    body["model"] = model.id;
    body["prompt"] = args.at("prompt");
  }
  for (const char* name : {"max_tokens", "temperature", "top_p", "stop", "seed"}) {
    if (args.contains(name)) body[name] = args.at(name);
  }
  if (args.value("stream", false)) {
    body["stream"] = true;
    body["stream_options"] = {{"include_usage", true}};  // else nobody knows what it cost
  }
  return body;
}

sdk::Result<Json> embed_body(const Json& args) {
  const auto wrong = [](const std::string& where, const char* what) {
    return sdk::Failure{COF_EINVALID, "invalid_inputs", "args.inputs" + where + ": " + what};
  };
  const Json& inputs = args.at("inputs");
  if (!inputs.is_array() || inputs.empty()) return wrong("", "an array of texts is wanted");
  if (inputs.size() > inputs_max) return wrong("", "at most 256 texts are taken at once");
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const std::string where = "[" + std::to_string(i) + "]";
    if (!inputs[i].is_string()) return wrong(where, "a text is wanted");
    if (inputs[i].get_ref<const std::string&>().empty()) return wrong(where, "the text is empty");
  }
  Json body{{"inputs", inputs}};
  if (args.contains("normalize")) body["normalize"] = args.at("normalize");
  return body;
}

Json image_body(const Json& args) {
  Json parameters = Json::object();
  for (const char* name : {"width", "height", "seed", "guidance_scale", "num_inference_steps",
                           "negative_prompt"}) {
    if (args.contains(name)) parameters[name] = args.at(name);
  }
  Json body{{"inputs", args.at("prompt")}};
  if (!parameters.empty()) body["parameters"] = parameters;
  return body;
}

sdk::Milliseconds wait_max(const Account& account, const Json& args) {
  if (!args.contains("wait_max_seconds")) return account.wait_max;
  return sdk::Milliseconds{
      static_cast<std::int64_t>(args.at("wait_max_seconds").get<double>() * 1000)};
}

}  // namespace huggingface
