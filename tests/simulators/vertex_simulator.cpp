// SPDX-License-Identifier: Apache-2.0
// vertex_simulator: Vertex' tuning jobs, Cloud Storage and Google's token endpoint on loopback.
//   vertex_simulator [--port N] [--port-file FILE] [project=p1] [location=us-central1] [bucket=bucket]
//                    [looks=3] [failing=1]
#include <cstdlib>
#include <memory>

#include "tests/simulators/vertex.hpp"

int main(int argc, char** argv) {
  return simulator::run_simulator(argc, argv, [](std::map<std::string, std::string> words) {
    simulator::VertexOptions options;
    if (words.contains("project")) options.project = words["project"];
    if (words.contains("location")) options.location = words["location"];
    if (words.contains("bucket")) options.bucket = words["bucket"];
    if (words.contains("looks")) options.looks = std::atoi(words["looks"].c_str());
    options.failing = words["failing"] == "1";
    auto provider = std::make_shared<simulator::Vertex>(options);
    return [provider](const simulator::Request& request) { return provider->handle(request); };
  });
}
