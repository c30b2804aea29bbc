// SPDX-License-Identifier: Apache-2.0
#include "delivery_url.hpp"

namespace cloudinary {
namespace {

bool is_url(std::string_view text) {
  return text.starts_with("http://") || text.starts_with("https://");
}

// As the SDK: what is not listed is percent-encoded, byte by byte.  In ids it keeps more than in
// URLs, and a signature counts on it.
std::string escape(std::string_view text) {
  const std::string_view kept = is_url(text) ? "_.-/:" : "_.-/:!~*'()";
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       kept.find(c) != std::string_view::npos;
    if (plain) {
      out += c;
    } else {
      out += '%';
      out += digits[static_cast<unsigned char>(c) >> 4];
      out += digits[static_cast<unsigned char>(c) & 15];
    }
  }
  return out;
}

// A version that stands in the public id already ("v1234/name").
bool begins_with_version(std::string_view id) {
  return id.size() > 2 && id[0] == 'v' && id[1] >= '0' && id[1] <= '9' &&
         id.find('/') != std::string_view::npos;
}

}  // namespace

std::string delivery_url(const Delivery& delivery) {
  std::string source = escape(delivery.public_id);
  if (!delivery.format.empty()) source += "." + escape(delivery.format);

  std::string version;
  if (delivery.version) {
    version = "v" + std::to_string(*delivery.version);
  } else if (delivery.public_id.find('/') != std::string::npos && !is_url(delivery.public_id) &&
             !begins_with_version(delivery.public_id)) {
    version = "v1";  // so that folders are not taken for transformations
  }

  std::string url = delivery.base + "/" + delivery.cloud_name + "/" + delivery.resource_type + "/" +
                    delivery.type;
  if (delivery.sign) {
    const std::string text =
        delivery.transformation.empty() ? source : delivery.transformation + "/" + source;
    url += "/" + url_signature(text, delivery.secret, delivery.algorithm);
  }
  for (const std::string_view part : {std::string_view{delivery.transformation},
                                      std::string_view{version}, std::string_view{source}}) {
    if (!part.empty()) url.append("/").append(part);
  }
  return url;
}

}  // namespace cloudinary
