// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cofounder/plugin.hpp>

#include <string>
#include <string_view>

namespace huggingface {

// "org/name", and who shall serve it: "org/name:fastest", ":cheapest", ":preferred" or
// ":<provider>".
struct Model {
  std::string id;
  std::string selection;  // what follows the colon; empty: the router's default

  std::string full() const { return selection.empty() ? id : id + ":" + selection; }
  // The provider when the name says it; empty when the router decides.
  std::string_view provider() const;
};

// From args.model.  Code "invalid_model".
cofounder::sdk::Result<Model> read_model(std::string_view text);

// For what only hf-inference serves: code "unsupported_provider" for a model at another one.
cofounder::sdk::Result<Model> read_hf_inference_model(std::string_view text);

}  // namespace huggingface
