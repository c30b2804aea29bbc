// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "signature.hpp"

namespace cloudinary {

// Where an asset is delivered from.
struct Delivery {
  std::string base = "https://res.cloudinary.com";
  std::string cloud_name;
  std::string resource_type = "image";
  std::string type = "upload";         // "upload", "authenticated", "fetch", ...
  std::string public_id;
  std::string transformation;          // as text, or empty
  std::string format;                  // without a dot, or empty
  std::optional<std::int64_t> version;
  bool sign = false;
  std::string secret;                  // when it is to be signed
  Algorithm algorithm = Algorithm::sha1;
};

// {base}/{cloud}/{resource type}/{type}[/s--SIGNATURE--][/transformation][/vN]/{public id}[.format]
std::string delivery_url(const Delivery& delivery);

}  // namespace cloudinary
