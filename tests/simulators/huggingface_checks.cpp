// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/simulators/huggingface.hpp"

namespace simulator {
namespace {

using Json = nlohmann::json;
using Kind = Json::value_t;

std::optional<Wrong> unknown_key(const Json& body, const std::set<std::string>& known) {
  for (const auto& [name, value] : body.items()) {
    if (!known.contains(name)) return Wrong{"Unrecognized request argument supplied: " + name, name};
  }
  return std::nullopt;
}

std::optional<Wrong> check_number(const Json& body, const char* name, double min, double max) {
  if (!body.contains(name)) return std::nullopt;
  const Json& value = body.at(name);
  if (!value.is_number() || value.get<double>() < min || value.get<double>() > max) {
    return Wrong{std::string{"'"} + name + "' must be a number between " + std::to_string(min) +
                     " and " + std::to_string(max),
                 name};
  }
  return std::nullopt;
}

std::optional<Wrong> check_integer(const Json& body, const char* name, std::int64_t min) {
  if (!body.contains(name)) return std::nullopt;
  const Json& value = body.at(name);
  if (!value.is_number_integer() || value.get<std::int64_t>() < min) {
    return Wrong{std::string{"'"} + name + "' must be an integer of at least " + std::to_string(min), name};
  }
  return std::nullopt;
}

std::optional<Wrong> check_boolean(const Json& body, const char* name) {
  if (!body.contains(name) || body.at(name).is_boolean()) return std::nullopt;
  return Wrong{std::string{"'"} + name + "' must be a boolean", name};
}

std::optional<Wrong> check_sampling(const Json& body) {
  if (auto wrong = check_integer(body, "max_tokens", 1)) return wrong;
  if (auto wrong = check_integer(body, "seed", INT64_MIN)) return wrong;
  if (auto wrong = check_number(body, "temperature", 0, 2)) return wrong;
  if (auto wrong = check_number(body, "top_p", 0, 1)) return wrong;
  if (auto wrong = check_boolean(body, "stream")) return wrong;
  if (!body.contains("stream_options")) return std::nullopt;
  if (!body.value("stream", false)) {
    return Wrong{"The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options"};
  }
  const Json& options = body.at("stream_options");
  if (!options.is_object()) return Wrong{"'stream_options' must be an object", "stream_options"};
  return check_boolean(options, "include_usage");
}

std::optional<Wrong> check_message(const Json& message, const std::string& at) {
  const std::set<std::string> roles{"system", "developer", "user", "assistant", "tool"};
  if (!message.is_object()) return Wrong{"Invalid type for '" + at + "': expected an object.", at};
  if (!message.contains("role") || !message.at("role").is_string() ||
      !roles.contains(message.at("role").get<std::string>())) {
    return Wrong{"Invalid value for '" + at + ".role'.", at + ".role"};
  }
  const bool calls = message.contains("tool_calls");
  const Json content = message.value("content", Json());
  if (content.is_null() && calls) return std::nullopt;
  if (!content.is_string() && !content.is_array()) {
    return Wrong{"Invalid type for '" + at + ".content': expected a string or an array.", at + ".content"};
  }
  if (message.at("role") == "tool" && !message.contains("tool_call_id")) {
    return Wrong{"Missing parameter '" + at + ".tool_call_id'.", at + ".tool_call_id"};
  }
  return std::nullopt;
}

std::optional<Wrong> check_tools(const Json& tools) {
  if (!tools.is_array() || tools.empty()) return Wrong{"'tools' must be an array that is not empty", "tools"};
  for (std::size_t i = 0; i < tools.size(); ++i) {
    const std::string at = "tools[" + std::to_string(i) + "]";
    if (!tools[i].is_object() || tools[i].value("type", Json()) != "function") {
      return Wrong{"Missing required parameter: '" + at + ".type'.", at + ".type"};
    }
    const Json function = tools[i].value("function", Json());
    if (!function.is_object() || !function.value("name", Json()).is_string()) {
      return Wrong{"Missing required parameter: '" + at + ".function.name'.", at + ".function.name"};
    }
  }
  return std::nullopt;
}

}  // namespace

const std::map<std::string, std::vector<ModelProvider>>& chat_models() {
  static const std::map<std::string, std::vector<ModelProvider>> models{
      {"openai/gpt-oss-120b",
       {{"groq", "live", 0.15, 0.75, 480, false},
        {"cerebras", "live", 0.25, 0.69, 1500, false},
        {"fireworks-ai", "error", 0.1, 0.5, 9000, false}}},
      {"org/one-price", {{"novita", "live", 0.1, 0.3, 50, false}, {"together", "live", 0.1, 0.3, 60, false}}},
      {"org/free", {{"hf-inference", "live", std::nullopt, std::nullopt, 10, true}}},
      {"org/unpriced", {{"nebius", "live", std::nullopt, std::nullopt, 10, false}}},
      {"org/asleep", {{"sambanova", "error", 1, 2, 10, false}}}};
  return models;
}

const ModelProvider* choose_provider(const std::vector<ModelProvider>& providers,
                                     std::string_view selection) {
  const ModelProvider* best = nullptr;
  for (const ModelProvider& one : providers) {
    if (one.status != "live") continue;
    const bool by_rule = selection.empty() || selection == "preferred" || selection == "fastest" ||
                         selection == "cheapest";
    if (!by_rule && one.name != selection) continue;
    if (best == nullptr || (selection == "fastest" && one.throughput > best->throughput) ||
        (selection == "cheapest" && one.output < best->output)) {
      best = &one;
    }
  }
  return best;
}

const std::map<std::string, std::string>& inference_models() {
  static const std::map<std::string, std::string> models{{"org/model", "feature-extraction"},
                                                         {"org/lm", "text-generation"},
                                                         {"org/t2i", "text-to-image"}};
  return models;
}

std::optional<Wrong> check_chat(const Json& body) {
  if (auto wrong = unknown_key(
          body, {"model", "messages", "max_tokens", "temperature", "top_p", "stop", "seed", "stream",
                 "stream_options", "tools", "tool_choice", "response_format", "presence_penalty",
                 "frequency_penalty", "n", "user", "logprobs"})) {
    return wrong;
  }
  if (!body.contains("model") || !body.at("model").is_string()) {
    return Wrong{"Missing required parameter: 'model'.", "model"};
  }
  if (!body.contains("messages") || !body.at("messages").is_array() || body.at("messages").empty()) {
    return Wrong{"Missing required parameter: 'messages'.", "messages"};
  }
  for (std::size_t i = 0; i < body.at("messages").size(); ++i) {
    if (auto wrong = check_message(body.at("messages")[i], "messages[" + std::to_string(i) + "]")) return wrong;
  }
  if (body.contains("tools")) {
    if (auto wrong = check_tools(body.at("tools"))) return wrong;
  } else if (body.contains("tool_choice")) {
    return Wrong{"'tool_choice' is only allowed when 'tools' are specified.", "tool_choice"};
  }
  if (auto wrong = check_number(body, "presence_penalty", -2, 2)) return wrong;
  if (auto wrong = check_number(body, "frequency_penalty", -2, 2)) return wrong;
  return check_sampling(body);
}

std::optional<Wrong> check_completion(const Json& body) {
  if (auto wrong = unknown_key(body, {"model", "prompt", "max_tokens", "temperature", "top_p", "stop",
                                      "seed", "stream", "stream_options", "return_full_text"})) {
    return wrong;
  }
  for (const char* name : {"model", "prompt"}) {
    if (!body.contains(name) || !body.at(name).is_string() || body.at(name).get<std::string>().empty()) {
      return Wrong{std::string{"missing field `"} + name + "`", name};
    }
  }
  return check_sampling(body);
}

std::optional<Wrong> check_features(const Json& body) {
  if (auto wrong = unknown_key(body, {"inputs", "normalize", "prompt_name", "truncate",
                                      "truncation_direction", "parameters"})) {
    return wrong;
  }
  const Json inputs = body.value("inputs", Json());
  const auto is_text = [](const Json& text) { return text.is_string() && !text.get<std::string>().empty(); };
  const bool fine = is_text(inputs) || (inputs.is_array() && !inputs.empty() &&
                                        std::all_of(inputs.begin(), inputs.end(), is_text));
  if (!fine) return Wrong{"`inputs` must be a string or an array of strings, none empty", "inputs"};
  if (auto wrong = check_boolean(body, "normalize")) return wrong;
  return check_boolean(body, "truncate");
}

std::optional<Wrong> check_picture(const Json& body) {
  if (auto wrong = unknown_key(body, {"inputs", "parameters"})) return wrong;
  if (!body.contains("inputs") || !body.at("inputs").is_string() ||
      body.at("inputs").get<std::string>().empty()) {
    return Wrong{"`inputs` must be a string", "inputs"};
  }
  const Json parameters = body.value("parameters", Json::object());
  if (!parameters.is_object()) return Wrong{"`parameters` must be an object", "parameters"};
  if (auto wrong = unknown_key(parameters, {"width", "height", "seed", "guidance_scale",
                                            "num_inference_steps", "negative_prompt", "scheduler"})) {
    return wrong;
  }
  for (const char* name : {"width", "height"}) {
    if (auto wrong = check_integer(parameters, name, 64)) return wrong;
    if (parameters.contains(name) && parameters.at(name).get<std::int64_t>() % 8 != 0) {
      return Wrong{"`height` and `width` have to be divisible by 8", name};
    }
  }
  if (auto wrong = check_integer(parameters, "seed", INT64_MIN)) return wrong;
  if (auto wrong = check_integer(parameters, "num_inference_steps", 1)) return wrong;
  return check_number(parameters, "guidance_scale", 0, 100);
}

std::string make_png(std::uint32_t width, std::uint32_t height) {
  std::string png{"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 16};
  for (const std::uint32_t number : {width, height}) {
    for (int shift = 24; shift >= 0; shift -= 8) png += static_cast<char>(number >> shift & 0xFF);
  }
  std::uint32_t noise = 1;
  while (png.size() < 5000) png += static_cast<char>((noise = noise * 1103515245 + 12345) >> 16);
  return png;
}

}  // namespace simulator
