// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "tests/simulators/http_server.hpp"

// An Ollama server, as strict as the real one, which makes models of adapters and runs none.
// Sources: ollama/ollama server/routes.go, server/create.go and docs/api.md, as of 2026-08-21.
namespace simulator {

struct OllamaOptions {
  std::set<std::string> models{"mistral", "llama3.2"};
  int interval_ms = 0;  // between two lines of /api/create
};

class Ollama {
 public:
  explicit Ollama(OllamaOptions options) : options_{std::move(options)} {}
  Response handle(const Request& request);

 private:
  Response blob(const Request& request, const std::string& digest);
  Response create(const Request& request);
  Response show(const Request& request);
  Response remove(const Request& request);
  Response list() const;
  // The lines of its answer.
  std::vector<std::string> make(const nlohmann::json& body);
  bool has_model(const std::string& name) const;

  OllamaOptions options_;
  std::mutex mutex_;  // for the two below
  std::map<std::string, std::string> blobs_;   // by digest
  std::map<std::string, std::string> created_;  // model file by name
};

// What is wrong with an adapter in GGUF, in the server's words; empty: nothing.
std::string check_gguf_adapter(std::string_view bytes);

}  // namespace simulator
