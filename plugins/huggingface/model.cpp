// SPDX-License-Identifier: Apache-2.0
#include "model.hpp"

#include <utility>

namespace huggingface {
namespace sdk = cofounder::sdk;
namespace {

constexpr std::size_t name_bytes_max = 200;

bool is_word(std::string_view text) {
  if (text.empty() || text.front() == '.' || text.front() == '-') return false;
  if (text.find("..") != std::string_view::npos) return false;
  for (const char c : text) {
    const bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '.' || c == '_' || c == '-';
    if (!fine) return false;
  }
  return true;
}

}  // namespace

std::string_view Model::provider() const {
  if (selection == "fastest" || selection == "cheapest" || selection == "preferred") return {};
  return selection;
}

sdk::Result<Model> read_model(std::string_view text) {
  const sdk::Failure wrong{COF_EINVALID, "invalid_model",
                           "args.model: \"org/name\", perhaps with \":fastest\", \":cheapest\", "
                           "\":preferred\" or \":<provider>\", is wanted"};
  if (text.size() > name_bytes_max) return wrong;
  const auto colon = text.find(':');
  const std::string_view id = text.substr(0, colon);
  Model model{std::string{id}, {}};
  if (colon != std::string_view::npos) {
    model.selection = text.substr(colon + 1);
    if (!is_word(model.selection)) return wrong;
  }
  const auto slash = id.find('/');
  if (!is_word(id.substr(0, slash))) return wrong;
  if (slash != std::string_view::npos && !is_word(id.substr(slash + 1))) return wrong;
  return model;
}

sdk::Result<Model> read_hf_inference_model(std::string_view text) {
  auto model = read_model(text);
  if (!model) return model.failure();
  if (model->selection.empty() || model->selection == "hf-inference") return model;
  return sdk::Failure{COF_EUNSUPPORTED, "unsupported_provider",
                      "args.model: only chat can be served by \"" + model->selection +
                          "\"; this operation goes to hf-inference"};
}

}  // namespace huggingface
