// SPDX-License-Identifier: Apache-2.0
#include "image_bytes.hpp"

#include "answer.hpp"

namespace huggingface {
namespace sdk = cofounder::sdk;
using sdk::Json;

std::string_view image_type(std::string_view first_bytes) {
  if (first_bytes.starts_with("\x89PNG\r\n\x1a\n")) return "image/png";
  if (first_bytes.starts_with("\xff\xd8\xff")) return "image/jpeg";
  if (first_bytes.starts_with("GIF8")) return "image/gif";
  if (first_bytes.size() < 12) return {};
  if (first_bytes.starts_with("RIFF") && first_bytes.substr(8).starts_with("WEBP")) return "image/webp";
  if (first_bytes.substr(4).starts_with("ftypavif")) return "image/avif";
  return {};
}

std::optional<std::string> decode_base64(std::string_view text) {
  constexpr std::string_view letters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  while (text.ends_with('=')) text.remove_suffix(1);
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3 + 3);
  unsigned bits = 0;
  int count = 0;
  for (const char c : text) {
    const auto value = letters.find(c);
    if (value == std::string_view::npos) return std::nullopt;
    bits = bits << 6 | static_cast<unsigned>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes += static_cast<char>(bits >> count & 0xFF);
  }
  return bytes;
}

sdk::Result<std::string> image_in_json(std::string_view text) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return bad_answer("the body", "is no JSON object");
  if (json.contains("error")) {
    return sdk::Failure{COF_EUNAVAILABLE, "provider_error",
                        "Hugging Face sent an error in its answer: " + words_of(json)};
  }
  if (json.contains("output") || json.contains("images")) {
    return sdk::Failure{COF_EUNSUPPORTED, "image_elsewhere",
                        "args.model: its provider answers with the address of the picture, and the "
                        "plugin may ask no other host for it"};
  }
  const Json none;
  const Json data = json.value("data", none);
  if (!data.is_array() || data.empty() || !data[0].is_object()) {
    return bad_answer("data[0]", "is no object");
  }
  const Json picture = data[0].value("b64_json", none);
  if (!picture.is_string()) return bad_answer("data[0].b64_json", "is no string");
  auto bytes = decode_base64(picture.get_ref<const std::string&>());
  if (!bytes) return bad_answer("data[0].b64_json", "is no base64");
  return std::move(*bytes);
}

sdk::Result<std::string> output_name(const std::string& output) {
  const sdk::Failure wrong{COF_EINVALID, "invalid_output",
                           "args.output: the name of a file, \"scratch:task/NAME\" or an absolute path is wanted"};
  for (const char c : output) {
    if (static_cast<unsigned char>(c) < ' ') return wrong;
  }
  if (output.empty() || output.ends_with('/') || output.find("..") != std::string::npos) return wrong;
  if (output.starts_with('/') || output.starts_with("scratch:")) return output;
  if (output.find_first_of("/:") != std::string::npos) return wrong;
  return "scratch:task/" + output;
}

}  // namespace huggingface
