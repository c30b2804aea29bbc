// SPDX-License-Identifier: Apache-2.0
// oidc_simulator: an OpenID provider on loopback.
//   oidc_simulator [--port N] [--port-file FILE] [client_id=...] [client_secret=...]
//                  [redirect_uri=...] [expires_in=SECONDS] [interval=5]
#include <cstdlib>
#include <memory>

#include "tests/simulators/oidc.hpp"

int main(int argc, char** argv) {
  return simulator::run_simulator(argc, argv, [](std::map<std::string, std::string> words) {
    simulator::OidcOptions options;
    for (const auto& [name, to] : {std::pair{"client_id", &options.client_id},
                                   std::pair{"client_secret", &options.client_secret},
                                   std::pair{"redirect_uri", &options.redirect_uri}}) {
      if (words.contains(name)) *to = words[name];
    }
    if (words.contains("expires_in")) options.expires_in_s = std::atoll(words["expires_in"].c_str());
    if (words.contains("interval")) options.device_interval_s = std::atoi(words["interval"].c_str());
    auto provider = std::make_shared<simulator::Oidc>(options);
    return [provider](const simulator::Request& request) { return provider->handle(request); };
  });
}
