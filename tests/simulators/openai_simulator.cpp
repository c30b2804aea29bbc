// SPDX-License-Identifier: Apache-2.0
// openai_simulator: OpenAI's files, uploads and fine-tuning jobs on loopback.
//   openai_simulator [--port N] [--port-file FILE] [key=sk-test] [looks=3] [closed=1] [failing=1]
#include <cstdlib>
#include <memory>

#include "tests/simulators/openai_finetune.hpp"

int main(int argc, char** argv) {
  return simulator::run_simulator(argc, argv, [](std::map<std::string, std::string> words) {
    simulator::OpenAiOptions options;
    if (words.contains("key")) options.key = words["key"];
    if (words.contains("looks")) options.looks = std::atoi(words["looks"].c_str());
    options.closed = words["closed"] == "1";
    options.failing = words["failing"] == "1";
    auto provider = std::make_shared<simulator::OpenAiFineTuning>(options);
    return [provider](const simulator::Request& request) { return provider->handle(request); };
  });
}
