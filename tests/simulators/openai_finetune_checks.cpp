// SPDX-License-Identifier: Apache-2.0
#include <set>

#include "tests/simulators/openai_finetune.hpp"

namespace simulator {
namespace {

using Json = nlohmann::json;
using Wrong = OpenAiWrong;

std::optional<Wrong> unknown(const Json& body, const std::set<std::string>& known, const std::string& at) {
  for (const auto& [name, value] : body.items()) {
    if (!known.contains(name)) return Wrong{"Unknown parameter: '" + at + name + "'.", at + name};
  }
  return std::nullopt;
}

bool is_text(const Json& body, const char* name) {
  return body.contains(name) && body.at(name).is_string() && !body.at(name).get<std::string>().empty();
}

std::optional<Wrong> check_hyperparameters(const Json& given, const std::string& at, bool is_dpo) {
  if (!given.is_object()) return Wrong{"Invalid type for '" + at + "': expected an object.", at};
  std::set<std::string> known{"n_epochs", "batch_size", "learning_rate_multiplier"};
  if (is_dpo) known.insert("beta");
  if (auto wrong = unknown(given, known, at + ".")) return wrong;
  for (const auto& [name, value] : given.items()) {
    if (value == "auto") continue;
    const std::string field = at + "." + name;
    if (!value.is_number()) return Wrong{"Invalid type for '" + field + "': expected 'auto' or a number.", field};
    const double number = value.get<double>();
    const bool is_whole = name == "n_epochs" || name == "batch_size";
    const double most = name == "n_epochs" ? 50 : name == "batch_size" ? 256 : name == "beta" ? 2 : 1e9;
    if ((is_whole && !value.is_number_integer()) || number <= 0 || number > most) {
      return Wrong{"Invalid value for '" + field + "'.", field};
    }
  }
  return std::nullopt;
}

std::optional<Wrong> check_method(const Json& method) {
  if (!method.is_object()) return Wrong{"Invalid type for 'method': expected an object.", "method"};
  if (auto wrong = unknown(method, {"type", "supervised", "dpo", "reinforcement"}, "method.")) return wrong;
  static const std::set<std::string> types{"supervised", "dpo", "reinforcement"};
  if (!is_text(method, "type") || !types.contains(method.at("type"))) {
    return Wrong{"Invalid value for 'method.type'.", "method.type"};
  }
  const std::string type = method.at("type");
  for (const auto& other : types) {
    if (other != type && method.contains(other)) return Wrong{"Unexpected 'method." + other + "'.", "method." + other};
  }
  if (!method.contains(type)) return std::nullopt;
  if (!method.at(type).is_object()) return Wrong{"Invalid type for 'method." + type + "'.", "method." + type};
  if (!method.at(type).contains("hyperparameters")) return std::nullopt;
  return check_hyperparameters(method.at(type).at("hyperparameters"), "method." + type + ".hyperparameters", type == "dpo");
}

std::optional<Wrong> check_metadata(const Json& metadata) {
  if (!metadata.is_object() || metadata.size() > 16) return Wrong{"Invalid 'metadata'.", "metadata"};
  for (const auto& [name, value] : metadata.items()) {
    if (name.size() > 64 || !value.is_string() || value.get<std::string>().size() > 512) {
      return Wrong{"Invalid 'metadata." + name + "'.", "metadata"};
    }
  }
  return std::nullopt;
}

}  // namespace

Response openai_error(const OpenAiWrong& wrong) {
  Response response;
  response.status = wrong.status;
  Json error{{"message", wrong.message}, {"type", "invalid_request_error"}, {"param", nullptr}, {"code", nullptr}};
  if (!wrong.param.empty()) error["param"] = wrong.param;
  if (!wrong.code.empty()) error["code"] = wrong.code;
  response.body = Json{{"error", error}}.dump();
  response.headers = {{"x-request-id", "req_simulated"}};
  return response;
}

std::optional<OpenAiWrong> check_job(const Json& body) {
  if (!body.is_object()) return Wrong{"We could not parse the JSON body of your request.", ""};
  if (auto wrong = unknown(body, {"model", "training_file", "validation_file", "suffix", "seed", "method", "metadata",
                                  "integrations", "hyperparameters"}, "")) {
    return wrong;
  }
  for (const char* name : {"model", "training_file"}) {
    if (!is_text(body, name)) return Wrong{std::string{"Missing required parameter: '"} + name + "'.", name};
  }
  static const std::set<std::string> models{"gpt-4.1-mini-2025-04-14", "gpt-4.1-2025-04-14", "gpt-4o-mini-2024-07-18"};
  if (!models.contains(body.at("model"))) {
    return Wrong{"The model `" + body.at("model").get<std::string>() + "` is not available for fine-tuning.", "model"};
  }
  if (body.contains("validation_file") && !body.at("validation_file").is_null() && !is_text(body, "validation_file")) {
    return Wrong{"Invalid type for 'validation_file'.", "validation_file"};
  }
  if (body.contains("suffix") && (!is_text(body, "suffix") || body.at("suffix").get<std::string>().size() > 64)) {
    return Wrong{"Invalid 'suffix': a string of at most 64 characters is expected.", "suffix"};
  }
  if (body.contains("seed")) {
    const Json& seed = body.at("seed");
    if (!seed.is_number_integer() || seed < 0 || seed > 2147483647) return Wrong{"Invalid value for 'seed'.", "seed"};
  }
  if (body.contains("method")) {
    if (auto wrong = check_method(body.at("method"))) return wrong;
  }
  if (body.contains("metadata")) return check_metadata(body.at("metadata"));
  return std::nullopt;
}

std::optional<OpenAiWrong> check_upload(const Json& body) {
  if (!body.is_object()) return Wrong{"We could not parse the JSON body of your request.", ""};
  if (auto wrong = unknown(body, {"filename", "purpose", "bytes", "mime_type", "expires_after"}, "")) return wrong;
  for (const char* name : {"filename", "purpose", "mime_type"}) {
    if (!is_text(body, name)) return Wrong{std::string{"Missing required parameter: '"} + name + "'.", name};
  }
  if (body.at("purpose") != "fine-tune") return Wrong{"Invalid value for 'purpose'.", "purpose"};
  if (body.at("mime_type") != "text/jsonl") return Wrong{"Invalid 'mime_type' for this purpose.", "mime_type"};
  const Json bytes = body.value("bytes", Json{});
  if (!bytes.is_number_integer() || bytes <= 0 || bytes > 8589934592) return Wrong{"Invalid value for 'bytes'.", "bytes"};
  return std::nullopt;
}

}  // namespace simulator
