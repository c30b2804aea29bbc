// SPDX-License-Identifier: Apache-2.0
#include "tests/simulators/ollama.hpp"

#include <openssl/evp.h>

#include <array>
#include <cctype>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>

namespace simulator {
namespace {

using Json = nlohmann::json;

Response error(int status, const std::string& message) {
  Response response;
  response.status = status;
  response.body = Json{{"error", message}}.dump();
  return response;
}

Response answer(int status, std::string body, std::string type = "application/json; charset=utf-8") {
  Response response;
  response.status = status;
  response.body = std::move(body);
  response.content_type = std::move(type);
  return response;
}

std::string sha256_hex(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr);
  std::string out;
  for (unsigned i = 0; i < size; ++i) {
    out += "0123456789abcdef"[digest[i] >> 4];
    out += "0123456789abcdef"[digest[i] & 15];
  }
  return out;
}

bool is_digest(std::string_view text) {
  if (!text.starts_with("sha256:") || text.size() != 71) return false;
  return text.substr(7).find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool is_name(std::string_view name) {
  if (name.empty() || name.size() > 200 || std::isalnum(static_cast<unsigned char>(name[0])) == 0) return false;
  for (const char c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && std::string_view{"._-/:"}.find(c) == std::string_view::npos) {
      return false;
    }
  }
  return name.find("..") == std::string_view::npos;
}

std::string without_tag(std::string name) {
  if (name.ends_with(":latest")) name.resize(name.size() - 7);
  return name;
}

// Reads a GGUF file's head.
struct Reader {
  std::string_view bytes;
  bool good = true;

  template <class T>
  T number() {
    T value{};
    if (bytes.size() < sizeof value) {
      good = false;
      return value;
    }
    std::memcpy(&value, bytes.data(), sizeof value);
    bytes.remove_prefix(sizeof value);
    return value;
  }
  std::string text() {
    const auto size = number<std::uint64_t>();
    if (!good || size > bytes.size()) return good = false, std::string{};
    std::string out{bytes.substr(0, size)};
    bytes.remove_prefix(size);
    return out;
  }
  void skip(std::uint64_t count) {
    if (count > bytes.size()) good = false;
    if (good) bytes.remove_prefix(count);
  }
  // A value of a type, as text when it is one.
  std::string value(std::uint32_t type) {
    static constexpr std::array<std::uint64_t, 13> sizes{1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    if (type == 8) return text();
    if (type == 9) {
      const auto of = number<std::uint32_t>();
      const auto count = number<std::uint64_t>();
      for (std::uint64_t i = 0; good && i < count; ++i) value(of);
      return {};
    }
    if (type >= sizes.size()) good = false;
    if (good) skip(sizes[type]);
    return {};
  }
};

}  // namespace

std::string check_gguf_adapter(std::string_view bytes) {
  Reader in{bytes};
  if (in.number<std::uint32_t>() != 0x46554747) return "invalid file magic";
  const auto version = in.number<std::uint32_t>();
  if (version != 2 && version != 3) return "unsupported gguf version";
  const auto tensors = in.number<std::uint64_t>();
  const auto pairs = in.number<std::uint64_t>();
  std::string type;
  for (std::uint64_t i = 0; in.good && i < pairs; ++i) {
    const std::string key = in.text();
    const std::string value = in.value(in.number<std::uint32_t>());
    if (key == "general.type") type = value;
  }
  for (std::uint64_t i = 0; in.good && i < tensors; ++i) {
    in.text();
    const auto dimensions = in.number<std::uint32_t>();
    if (dimensions > 4) in.good = false;
    in.skip(8ull * dimensions + 4 + 8);
  }
  if (!in.good) return "unexpected EOF";
  if (type != "adapter") return "not an adapter";
  if (tensors == 0) return "no tensors";
  return {};
}

bool Ollama::has_model(const std::string& name) const {
  return options_.models.contains(without_tag(name)) || created_.contains(without_tag(name));
}

Response Ollama::handle(const Request& request) {
  const std::lock_guard lock{mutex_};
  const std::string& path = request.path;
  if (path.starts_with("/api/blobs/")) return blob(request, percent_decode(path.substr(11)).value_or(""));
  const auto is = [&](const char* method, const char* at) { return request.method == method && path == at; };
  if (is("POST", "/api/create")) return create(request);
  if (is("POST", "/api/show")) return show(request);
  if (is("DELETE", "/api/delete")) return remove(request);
  if (is("GET", "/api/tags")) return list();
  if (is("GET", "/api/version")) return answer(200, R"({"version":"0.12.6"})");
  if (is("GET", "/")) return answer(200, "Ollama is running", "text/plain; charset=utf-8");
  for (const char* known : {"/api/create", "/api/show", "/api/delete", "/api/tags", "/api/version", "/"}) {
    if (path == known) return answer(405, "405 method not allowed", "text/plain");
  }
  return answer(404, "404 page not found", "text/plain");
}

Response Ollama::blob(const Request& request, const std::string& digest) {
  if (!is_digest(digest)) return error(400, "invalid digest format");
  const bool is_there = blobs_.contains(digest);
  if (request.method == "HEAD") return answer(is_there ? 200 : 404, "");
  if (request.method != "POST") return answer(405, "405 method not allowed", "text/plain");
  if (is_there) return answer(200, "");
  if (sha256_hex(request.body) != digest.substr(7)) {
    return error(400, "digest mismatch, expected \"" + digest + "\", got \"sha256:" + sha256_hex(request.body) + "\"");
  }
  blobs_[digest] = request.body;
  return answer(201, "");
}

Response Ollama::create(const Request& request) {
  if (request.body.empty()) return error(400, "missing request body");
  const Json body = Json::parse(request.body, nullptr, false);
  if (!body.is_object()) return error(400, "invalid character 'x' looking for beginning of value");
  for (const auto& [name, value] : body.items()) {
    const bool wants_text = name == "model" || name == "from" || name == "template" || name == "quantize";
    if (wants_text && !value.is_string()) return error(400, "json: cannot unmarshal into Go struct field CreateRequest." + name);
    const bool wants_map = name == "adapters" || name == "files" || name == "parameters";
    if (wants_map && !value.is_object()) return error(400, "json: cannot unmarshal into Go struct field CreateRequest." + name);
    if (name == "stream" && !value.is_boolean()) return error(400, "json: cannot unmarshal into Go struct field CreateRequest.stream");
  }
  if (!is_name(body.value("model", ""))) return error(400, "invalid model name");
  for (const char* map : {"files", "adapters"}) {
    const Json given = body.value(map, Json::object());
    for (const auto& [name, digest] : given.items()) {
      if (!digest.is_string() || !is_digest(digest.get<std::string>())) return error(400, "invalid digest format");
      if (name.starts_with('/') || name.find("..") != std::string::npos) return error(400, "filepath must be relative");
    }
  }
  if (body.value("from", "").empty() && body.value("files", Json::object()).empty()) {
    return error(400, "neither 'from' or 'files' was specified");
  }
  static const std::set<std::string> parameters{"temperature", "top_p", "top_k", "num_ctx", "seed", "stop", "num_predict"};
  const Json given = body.value("parameters", Json::object());
  for (const auto& [name, value] : given.items()) {
    if (!parameters.contains(name)) return error(400, "unknown parameter '" + name + "'");
  }
  auto lines = std::make_shared<std::vector<std::string>>(make(body));
  Response response;
  if (!body.value("stream", true)) {
    const bool failed = lines->back().find("\"error\"") != std::string::npos;
    response.status = failed ? 500 : 200;
    response.body = lines->back();
    return response;
  }
  response.content_type = "application/x-ndjson";
  response.interval_ms = options_.interval_ms;
  response.stream = [lines, next = std::size_t{0}]() mutable -> std::optional<std::string> {
    if (next == lines->size()) return std::nullopt;
    return (*lines)[next++] + "\n";
  };
  return response;
}

std::vector<std::string> Ollama::make(const Json& body) {
  std::vector<std::string> lines;
  const auto status = [&](const std::string& text) { lines.push_back(Json{{"status", text}}.dump()); };
  const auto fail = [&](const std::string& text) {
    lines.push_back(Json{{"error", text}}.dump());
    return lines;
  };
  const std::string from = body.value("from", "");
  if (!has_model(from)) {
    status("pulling manifest");
    return fail("pull model manifest: file does not exist");
  }
  std::string file = "# Modelfile generated by \"ollama show\"\nFROM " + from + "\n";
  const Json adapters = body.value("adapters", Json::object());
  if (adapters.size() > 1) return fail("only one adapter is currently supported");
  for (const auto& [name, digest] : adapters.items()) {
    const auto found = blobs_.find(digest.get<std::string>());
    if (found == blobs_.end()) return fail("blob " + digest.get<std::string>() + " does not exist");
    status("parsing GGUF");
    if (const auto wrong = check_gguf_adapter(found->second); !wrong.empty()) return fail(wrong);
    status("using existing layer " + digest.get<std::string>());
    file += "ADAPTER /root/.ollama/models/blobs/sha256-" + digest.get<std::string>().substr(7) + "\n";
  }
  status("writing manifest");
  created_[without_tag(body.at("model").get<std::string>())] = file;
  status("success");
  return lines;
}

Response Ollama::show(const Request& request) {
  const Json body = Json::parse(request.body, nullptr, false);
  if (!body.is_object()) return error(400, "missing request body");
  const Json name = body.value("model", body.value("name", Json{}));
  if (!name.is_string() || name.get<std::string>().empty()) return error(400, "model is required");
  if (!is_name(name.get<std::string>())) return error(400, "invalid model name");
  if (!has_model(name)) return error(404, "model '" + name.get<std::string>() + "' not found");
  const auto made = created_.find(without_tag(name));
  const std::string file = made == created_.end() ? "FROM " + name.get<std::string>() + "\n" : made->second;
  const Json shown{{"modelfile", file}, {"details", {{"format", "gguf"}, {"family", "llama"}}},
                   {"model_info", Json::object()}, {"capabilities", {"completion"}}};
  return answer(200, shown.dump());
}

Response Ollama::remove(const Request& request) {
  const Json body = Json::parse(request.body, nullptr, false);
  if (!body.is_object()) return error(400, "missing request body");
  const Json name = body.value("model", body.value("name", Json{}));
  if (!name.is_string() || !is_name(name.get<std::string>())) return error(400, "name is invalid");
  if (created_.erase(without_tag(name)) == 0) return error(404, "model '" + name.get<std::string>() + "' not found");
  return answer(200, "");
}

Response Ollama::list() const {
  Json models = Json::array();
  const auto add = [&](const std::string& name) {
    models.push_back({{"name", name + ":latest"}, {"model", name + ":latest"}, {"size", 1}});
  };
  for (const auto& name : options_.models) add(name);
  for (const auto& [name, file] : created_) add(name);
  return answer(200, Json{{"models", models}}.dump());
}

}  // namespace simulator
