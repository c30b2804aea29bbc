// SPDX-License-Identifier: Apache-2.0
#include "upload_params.hpp"

#include <string_view>

#include "transformation.hpp"

namespace cloudinary {
namespace sdk = cofounder::sdk;
namespace {

using sdk::Json;

// "=" and "|" separate keys and values in a context, so they are escaped inside.
std::string escape_context(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '=' || c == '|') out += '\\';
    out += c;
  }
  return out;
}

sdk::Result<std::string> context_text(const Json& context) {
  std::string out;
  for (const auto& [key, value] : context.items()) {
    if (value.is_null()) continue;
    if (key.empty()) {
      return sdk::Failure{COF_EINVALID, "invalid_context", "args.context has an empty key"};
    }
    const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
    out += (out.empty() ? "" : "|") + escape_context(key) + "=" + escape_context(text);
  }
  return out;
}

sdk::Result<std::string> tags_text(const Json& tags) {
  std::string out;
  for (const Json& tag : tags) {
    const auto text = tag.get<std::string>();
    if (text.empty() || text.find_first_of(",|") != std::string::npos) {
      return sdk::Failure{COF_EINVALID, "invalid_tag",
                          "args.tags: \"" + text + "\" is empty or has a comma or a bar in it"};
    }
    out += (out.empty() ? "" : ",") + text;
  }
  return out;
}

}  // namespace

sdk::Result<void> check_public_id(const std::string& id) {
  const auto invalid = [&](const char* why) {
    return sdk::Failure{COF_EINVALID, "invalid_public_id",
                        std::string{"args.public_id must not "} + why};
  };
  if (id.empty() || id.size() > 255) return invalid("be empty or longer than 255 bytes");
  if (id.front() == '/' || id.back() == '/' || id.front() == ' ' || id.back() == ' ') {
    return invalid("begin or end with a slash or a space");
  }
  if (("/" + id + "/").find("/../") != std::string::npos || id.find("..") != std::string::npos ||
      id.find("//") != std::string::npos) {
    return invalid("have \"..\" or \"//\" in it");
  }
  for (const char c : id) {
    if (static_cast<unsigned char>(c) < 0x20 ||
        std::string_view{"?&#\\%<>+"}.find(c) != std::string_view::npos) {
      return invalid("have any of ? & # \\ % < > + or a control character in it");
    }
  }
  return {};
}

sdk::Result<Params> upload_params(const Json& args) {
  Params params;
  if (args.contains("public_id")) {
    const auto id = args.at("public_id").get<std::string>();
    if (auto good = check_public_id(id); !good) return good.failure();
    params["public_id"] = id;
  }
  if (args.contains("folder")) {
    const auto folder = args.at("folder").get<std::string>();
    if (!folder.empty()) {
      if (auto good = check_public_id(folder); !good) {
        return sdk::Failure{COF_EINVALID, "invalid_folder",
                            "args.folder is no folder that the provider takes"};
      }
      params["folder"] = folder;
    }
  }
  if (args.contains("overwrite")) params["overwrite"] = args.at("overwrite").get<bool>() ? "1" : "0";
  const auto add = [&](const char* name, auto text_of) -> sdk::Result<void> {
    if (!args.contains(name)) return {};
    auto text = text_of(args.at(name));
    if (!text) return text.failure();
    if (!text->empty()) params[name] = *text;
    return {};
  };
  if (auto good = add("tags", tags_text); !good) return good.failure();
  if (auto good = add("context", context_text); !good) return good.failure();
  if (auto good = add("transformation", transformation_text); !good) return good.failure();
  if (auto good = add("eager", eager_text); !good) return good.failure();
  return params;
}

void authenticate(Params& params, std::int64_t now_s, const std::string& api_key,
                  const std::string& secret, Algorithm algorithm, int version) {
  for (const char* name : {"signature", "api_key"}) params.erase(name);
  params["timestamp"] = std::to_string(now_s);
  params["signature"] = sign(params, secret, algorithm, version);
  params["api_key"] = api_key;
}

}  // namespace cloudinary
