// SPDX-License-Identifier: Apache-2.0
// huggingface_simulator: Hugging Face's router and hub on loopback.
//   huggingface_simulator [--port N] [--port-file FILE] [token=hf_test] [organization=acme]
//                         [tokens=8] [interval_ms=0] [stamps=1] [hold_file=FILE]
//                         [server=one_thread]
#include <cstdlib>
#include <memory>

#include "tests/simulators/huggingface.hpp"

int main(int argc, char** argv) {
  return simulator::run_simulator(argc, argv, [](std::map<std::string, std::string> words) {
    simulator::HuggingFaceOptions options;
    const auto number = [&](const char* name, int fallback) {
      return words.contains(name) ? std::atoi(words[name].c_str()) : fallback;
    };
    if (words.contains("token")) options.token = words["token"];
    if (words.contains("organization")) options.organization = words["organization"];
    options.tokens = number("tokens", options.tokens);
    options.interval_ms = number("interval_ms", options.interval_ms);
    options.stamps = number("stamps", 0) != 0;
    if (words.contains("hold_file")) options.hold_file = words["hold_file"];
    auto provider = std::make_shared<simulator::HuggingFace>(options);
    return [provider](const simulator::Request& request) { return provider->handle(request); };
  });
}
