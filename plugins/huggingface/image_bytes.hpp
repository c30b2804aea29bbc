// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cofounder/plugin.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace huggingface {

// "image/png" and its kin by the first bytes; empty for what is no picture.
std::string_view image_type(std::string_view first_bytes);

// Nothing for what is no base64.
std::optional<std::string> decode_base64(std::string_view text);

// The picture in {"data": [{"b64_json": "..."}]}.  A URL in its place is refused: the plugin may
// speak to the configured hosts only.
cofounder::sdk::Result<std::string> image_in_json(std::string_view text);

// What open() takes for args.output: "scratch:task/NAME", NAME alone for the same, or a path.
// Code "invalid_output".
cofounder::sdk::Result<std::string> output_name(const std::string& output);

}  // namespace huggingface
