// SPDX-License-Identifier: Apache-2.0
#include <regex>

#include "tests/simulators/bedrock.hpp"

namespace simulator {
namespace {

using Json = nlohmann::json;
using Wrong = std::optional<BedrockWrong>;

Wrong invalid(const std::string& at, const std::string& what) {
  return BedrockWrong{"ValidationException", "1 validation error detected: Value at '" + at + "' failed to satisfy constraint: " + what};
}

Wrong check_text(const Json& body, const std::string& name, const char* pattern, std::size_t most, bool is_wanted = true) {
  if (!body.contains(name) || body.at(name).is_null()) {
    return is_wanted ? invalid(name, "Member must not be null") : std::nullopt;
  }
  if (!body.at(name).is_string()) return BedrockWrong{"SerializationException", name + " can not be converted to a String"};
  const std::string text = body.at(name);
  if (text.empty() || text.size() > most) return invalid(name, "Member must have length less than or equal to " + std::to_string(most));
  if (!std::regex_match(text, std::regex{pattern})) return invalid(name, std::string{"Member must satisfy regular expression pattern: "} + pattern);
  return std::nullopt;
}

Wrong check_place(const Json& body, const std::string& name) {
  if (!body.contains(name) || body.at(name).is_null()) return invalid(name, "Member must not be null");
  if (!body.at(name).is_object()) return BedrockWrong{"SerializationException", name + " is no structure"};
  return check_text(body.at(name), "s3Uri", "s3://[a-z0-9][-.a-z0-9]{1,61}(/.*)?", 1024);
}

Wrong check_hyperparameters(const Json& given) {
  if (!given.is_object()) return BedrockWrong{"SerializationException", "hyperParameters is no map"};
  static const std::map<std::string, std::pair<double, double>> known{
      {"epochCount", {1, 10}}, {"batchSize", {4, 256}}, {"learningRateMultiplier", {0.1, 2}},
      {"earlyStoppingThreshold", {0, 0.1}}, {"earlyStoppingPatience", {1, 10}}};
  for (const auto& [name, value] : given.items()) {
    if (!value.is_string()) return BedrockWrong{"SerializationException", "NUMBER_VALUE can not be converted to a String"};
    const auto range = known.find(name);
    if (range == known.end()) return BedrockWrong{"ValidationException", "The hyperparameter " + name + " is not supported for this model."};
    const std::string text = value;
    char* end = nullptr;
    const double number = std::strtod(text.c_str(), &end);
    const bool is_whole = name.ends_with("Count") || name.ends_with("Size") || name.ends_with("Patience");
    const bool is_right = !text.empty() && *end == '\0' && number >= range->second.first && number <= range->second.second &&
                          (!is_whole || text.find_first_not_of("0123456789") == std::string::npos);
    if (!is_right) return BedrockWrong{"ValidationException", "The hyperparameter " + name + " has an invalid value."};
  }
  return std::nullopt;
}

}  // namespace

std::optional<BedrockWrong> check_customization(const Json& body) {
  if (!body.is_object()) return BedrockWrong{"SerializationException", "Unexpected token: the body is no JSON object"};
  const char* name = "[a-zA-Z0-9](-*[a-zA-Z0-9+\\-.])*";
  if (auto wrong = check_text(body, "jobName", name, 63)) return wrong;
  if (auto wrong = check_text(body, "customModelName", "([0-9a-zA-Z][_-]?)+", 63)) return wrong;
  if (auto wrong = check_text(body, "roleArn", "arn:aws(-[^:]+)?:iam::([0-9]{12})?:role/.+", 2048)) return wrong;
  if (auto wrong = check_text(body, "clientRequestToken", "[a-zA-Z0-9](-*[a-zA-Z0-9])*", 256, false)) return wrong;
  if (auto wrong = check_text(body, "baseModelIdentifier", "[^\\s]+", 2048)) return wrong;
  if (body.at("baseModelIdentifier").get<std::string>().find("anthropic.claude-3-haiku-20240307-v1:0:200k") == std::string::npos) {
    return BedrockWrong{"ValidationException", "The provided model identifier is invalid or does not support customization."};
  }
  if (auto wrong = check_text(body, "customizationType", "FINE_TUNING|CONTINUED_PRE_TRAINING|DISTILLATION|REINFORCEMENT_FINE_TUNING|IMPORTED", 100, false)) return wrong;
  for (const char* place : {"trainingDataConfig", "outputDataConfig"}) {
    if (auto wrong = check_place(body, place)) return wrong;
  }
  if (body.contains("validationDataConfig")) {
    const Json& validation = body.at("validationDataConfig");
    const bool is_list = validation.is_object() && validation.contains("validators") && validation.at("validators").is_array();
    if (!is_list || validation.at("validators").empty() || validation.at("validators").size() > 10) {
      return invalid("validationDataConfig.validators", "Member must have length between 1 and 10");
    }
    for (const Json& one : validation.at("validators")) {
      if (auto wrong = check_place(Json{{"validators", one}}, "validators")) return wrong;
    }
  }
  if (body.contains("hyperParameters")) return check_hyperparameters(body.at("hyperParameters"));
  return std::nullopt;
}

}  // namespace simulator
