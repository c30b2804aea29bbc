// SPDX-License-Identifier: Apache-2.0
// cloudinary_simulator: Cloudinary on loopback.
//   cloudinary_simulator [--port N] [--port-file FILE] [cloud=demo] [key=1234] [secret=abcd]
//                        [algorithm=sha1] [delay_ms=0]
//                        [chunk_bytes_min=5000000] [bytes_max=100000000]
#include <cstdlib>
#include <memory>

#include "tests/simulators/cloudinary.hpp"

int main(int argc, char** argv) {
  return simulator::run_simulator(argc, argv, [](std::map<std::string, std::string> words) {
    simulator::CloudinaryOptions options;
    const auto number = [&](const char* name, std::uint64_t fallback) {
      return words.contains(name) ? std::strtoull(words[name].c_str(), nullptr, 10) : fallback;
    };
    if (words.contains("cloud")) options.cloud = words["cloud"];
    if (words.contains("key")) options.key = words["key"];
    if (words.contains("secret")) options.secret = words["secret"];
    options.signs_with_sha256 = words["algorithm"] == "sha256";
    options.delay_ms = static_cast<int>(number("delay_ms", 0));
    options.chunk_bytes_min = number("chunk_bytes_min", options.chunk_bytes_min);
    options.bytes_max = number("bytes_max", options.bytes_max);
    auto cloudinary = std::make_shared<simulator::Cloudinary>(options);
    return [cloudinary](const simulator::Request& request) { return cloudinary->handle(request); };
  });
}
