// SPDX-License-Identifier: Apache-2.0
#include <set>

#include "tests/simulators/vertex.hpp"

namespace simulator {
namespace {

using Json = nlohmann::json;
using Wrong = std::optional<std::string>;

Wrong unknown(const Json& body, const std::set<std::string>& known, const std::string& at) {
  for (const auto& [name, value] : body.items()) {
    if (!known.contains(name)) return "Invalid JSON payload received. Unknown name \"" + name + "\"" + at + ": Cannot find field.";
  }
  return std::nullopt;
}

bool is_text(const Json& body, const char* name) {
  return body.contains(name) && body.at(name).is_string() && !body.at(name).get<std::string>().empty();
}

// Whole numbers may come as texts, as in all JSON of Google's.
bool is_whole(const Json& value, std::int64_t least, std::int64_t most) {
  if (value.is_string()) {
    const std::string text = value;
    if (text.empty() || text.size() > 9 || text.find_first_not_of("0123456789") != std::string::npos) return false;
    return std::stoll(text) >= least && std::stoll(text) <= most;
  }
  return value.is_number_integer() && value >= least && value <= most;
}

Wrong check_hyperparameters(const Json& given) {
  if (!given.is_object()) return "Invalid value at 'tuning_job.supervised_tuning_spec.hyper_parameters'";
  if (auto wrong = unknown(given, {"epochCount", "learningRateMultiplier", "learningRate", "adapterSize"},
                           " at 'tuning_job.supervised_tuning_spec.hyper_parameters'")) {
    return wrong;
  }
  if (given.contains("epochCount") && !is_whole(given.at("epochCount"), 1, 100)) return "epoch_count must be between 1 and 100";
  if (given.contains("learningRateMultiplier")) {
    const Json& rate = given.at("learningRateMultiplier");
    if (!rate.is_number() || rate <= 0 || rate > 10) return "learning_rate_multiplier is out of its range";
  }
  static const std::set<std::string> sizes{"ADAPTER_SIZE_ONE", "ADAPTER_SIZE_TWO", "ADAPTER_SIZE_FOUR", "ADAPTER_SIZE_EIGHT",
                                           "ADAPTER_SIZE_SIXTEEN", "ADAPTER_SIZE_THIRTY_TWO"};
  if (given.contains("adapterSize") && (!given.at("adapterSize").is_string() || !sizes.contains(given.at("adapterSize")))) {
    return "Invalid value at 'adapter_size'";
  }
  return std::nullopt;
}

}  // namespace

Response google_error(int status, const std::string& message) {
  static const std::map<int, std::string> names{{400, "INVALID_ARGUMENT"}, {401, "UNAUTHENTICATED"}, {403, "PERMISSION_DENIED"},
                                                {404, "NOT_FOUND"}, {405, "UNIMPLEMENTED"}, {409, "ALREADY_EXISTS"}};
  Response response;
  response.status = status;
  response.body = Json{{"error", {{"code", status}, {"message", message}, {"status", names.at(status)}}}}.dump();
  return response;
}

std::optional<std::string> check_tuning_job(const Json& body) {
  if (!body.is_object()) return "Invalid JSON payload received. Unexpected end of string.";
  if (auto wrong = unknown(body, {"baseModel", "supervisedTuningSpec", "tunedModelDisplayName", "description", "labels",
                                  "encryptionSpec", "serviceAccount"}, " at 'tuning_job'")) {
    return wrong;
  }
  static const std::set<std::string> models{"gemini-2.5-flash", "gemini-2.5-flash-lite", "gemini-2.5-pro", "gemini-2.0-flash-001"};
  if (!is_text(body, "baseModel") || !models.contains(body.at("baseModel"))) return "Base model is not supported.";
  if (body.contains("tunedModelDisplayName")) {
    if (!is_text(body, "tunedModelDisplayName") || body.at("tunedModelDisplayName").get<std::string>().size() > 128) {
      return "tuned_model_display_name must have at most 128 characters";
    }
  }
  if (!body.contains("supervisedTuningSpec") || !body.at("supervisedTuningSpec").is_object()) return "A tuning spec is required.";
  const Json& spec = body.at("supervisedTuningSpec");
  if (auto wrong = unknown(spec, {"trainingDatasetUri", "validationDatasetUri", "hyperParameters", "exportLastCheckpointOnly"},
                           " at 'tuning_job.supervised_tuning_spec'")) {
    return wrong;
  }
  for (const char* name : {"trainingDatasetUri", "validationDatasetUri"}) {
    const bool is_wanted = std::string_view{name} == "trainingDatasetUri" || spec.contains(name);
    if (is_wanted && (!is_text(spec, name) || !spec.at(name).get<std::string>().starts_with("gs://"))) {
      return std::string{name} + " must be a Cloud Storage URI";
    }
  }
  if (spec.contains("hyperParameters")) return check_hyperparameters(spec.at("hyperParameters"));
  return std::nullopt;
}

}  // namespace simulator
