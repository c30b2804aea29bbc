// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "settings.hpp"

namespace fine_tuning {

// An adapter that goes to Ollama as a model of its own.
struct Adapter {
  std::string file;    // as Context::open() takes it
  std::string sha256;  // hexadecimal
  std::string model;   // the new one
  std::string base_model;
};

// Uploads the adapter unless it is there, and creates the model unless that was done; both may be
// repeated.  `again`: an earlier attempt may have come through.
cofounder::sdk::Task<cofounder::sdk::Result<void>> create_in_ollama(
    cofounder::sdk::Context ctx, std::shared_ptr<const Settings> settings, Adapter adapter, bool again);

// "mistral", "org/name:tag" and the like.
bool is_model_name(std::string_view name);

// COF_OK when Ollama has it; code "not_found" when it has not.
cofounder::sdk::Task<cofounder::sdk::Result<cofounder::sdk::Json>> show_in_ollama(
    cofounder::sdk::Context ctx, std::shared_ptr<const Settings> settings, std::string model);

}  // namespace fine_tuning
