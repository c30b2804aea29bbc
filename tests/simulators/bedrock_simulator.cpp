// SPDX-License-Identifier: Apache-2.0
// bedrock_simulator: Amazon Bedrock's customization jobs and S3 on loopback, by one port.
//   bedrock_simulator [--port N] [--port-file FILE] [key=AKIDEXAMPLE] [secret=...] [region=us-west-2]
//                     [bucket=bucket] [looks=3] [failing=1] [part_bytes_min=5242880]
#include <cstdlib>
#include <memory>

#include "tests/simulators/bedrock.hpp"

int main(int argc, char** argv) {
  return simulator::run_simulator(argc, argv, [](std::map<std::string, std::string> words) {
    simulator::BedrockOptions options;
    if (words.contains("key")) options.account.key_id = words["key"];
    if (words.contains("secret")) options.account.secret = words["secret"];
    if (words.contains("region")) options.account.region = words["region"];
    if (words.contains("bucket")) options.buckets = {words["bucket"]};
    if (words.contains("looks")) options.looks = std::atoi(words["looks"].c_str());
    if (words.contains("part_bytes_min")) options.part_bytes_min = std::strtoull(words["part_bytes_min"].c_str(), nullptr, 10);
    options.failing = words["failing"] == "1";
    auto provider = std::make_shared<simulator::Bedrock>(options);
    return [provider](const simulator::Request& request) { return provider->handle(request); };
  });
}
