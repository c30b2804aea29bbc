// SPDX-License-Identifier: Apache-2.0
// ollama_simulator: an Ollama server on loopback.
//   ollama_simulator [--port N] [--port-file FILE] [interval_ms=0]
#include <cstdlib>
#include <memory>

#include "tests/simulators/ollama.hpp"

int main(int argc, char** argv) {
  return simulator::run_simulator(argc, argv, [](std::map<std::string, std::string> words) {
    simulator::OllamaOptions options;
    if (words.contains("interval_ms")) options.interval_ms = std::atoi(words["interval_ms"].c_str());
    auto provider = std::make_shared<simulator::Ollama>(options);
    return [provider](const simulator::Request& request) { return provider->handle(request); };
  });
}
