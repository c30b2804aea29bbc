// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cofounder/plugin.hpp>

#include <string>

namespace cloudinary {

// A transformation as Cloudinary writes it: "c_fill,h_200,w_300/e_sepia".  `value` is that text, one
// step {"width": 300, "crop": "fill"}, or a list of steps; a list of words names transformations
// ("t_blip.jpg_small").  Code "invalid_transformation" for an unknown key or a broken value.
cofounder::sdk::Result<std::string> transformation_text(const cofounder::sdk::Json& value);

// A list of eager transformations, joined by "|"; a step's "format" becomes "/FORMAT" behind it.
cofounder::sdk::Result<std::string> eager_text(const cofounder::sdk::Json& value);

}  // namespace cloudinary
