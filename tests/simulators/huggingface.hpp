// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/simulators/http_server.hpp"

// Hugging Face's router and hub, as strict as the real ones.  Sources: the official client
// @huggingface/inference 4.13.30 (recorded requests), hub-docs, as of 2026-11-23.
namespace simulator {

struct HuggingFaceOptions {
  std::string token = "hf_test";
  std::string organization = "acme";  // whom X-HF-Bill-To may name
  int tokens = 8;                     // of an answer, when max_tokens does not say less
  int interval_ms = 0;                // between two of a stream; 0: as fast as they are taken
  bool stamps = false;  // a stream's first token is the time of its sending, CLOCK_MONOTONIC in ns
  std::string hold_file;  // not empty: the last token is sent when there is such a file
};

class HuggingFace {
 public:
  explicit HuggingFace(HuggingFaceOptions options) : options_{std::move(options)} {}
  // The router's paths, and the hub's: below /api/.
  Response handle(const Request& request);

 private:
  Response chat(const Request& request);
  Response inference(const Request& request, std::string_view path);
  Response completions(const Request& request, const std::string& model);
  Response features(const Request& request);
  Response picture(const Request& request);
  Response models(std::string_view path) const;
  Response hub(const Request& request) const;
  int tokens_of(const nlohmann::json& body) const;
  std::string words(int count) const;

  HuggingFaceOptions options_;
  std::atomic<std::uint64_t> next_id_{1};
};

// ---- huggingface_checks.cpp

// One provider of a model, as GET /v1/models tells it.
struct ModelProvider {
  std::string name;
  std::string status = "live";
  std::optional<double> input, output;  // USD per million tokens
  double throughput = 1;
  bool is_free = false;
};
// Chat models by id.
const std::map<std::string, std::vector<ModelProvider>>& chat_models();
// The one whom "org/name:selection" means; nothing when there is none that lives.
const ModelProvider* choose_provider(const std::vector<ModelProvider>& providers,
                                     std::string_view selection);
// Models of hf-inference and what they are for.
const std::map<std::string, std::string>& inference_models();

// What is wrong, in the provider's words: {message, param}; nothing when it is right.
struct Wrong {
  std::string message;
  std::string param;
};
std::optional<Wrong> check_chat(const nlohmann::json& body);
std::optional<Wrong> check_completion(const nlohmann::json& body);
std::optional<Wrong> check_features(const nlohmann::json& body);
std::optional<Wrong> check_picture(const nlohmann::json& body);

// A PNG's head of that size, and some noise.
std::string make_png(std::uint32_t width, std::uint32_t height);

}  // namespace simulator
