// SPDX-License-Identifier: Apache-2.0
#include "core/host/manifest.hpp"

#include "core/base/text.hpp"
#include "core/host/interface.hpp"

#include <cofounder/abi.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fcntl.h>
#include <set>
#include <unistd.h>

namespace cofounder {

namespace {

constexpr std::size_t entries_max = 256;  // of each list in a manifest

Error invalid(std::string message) {
  Error error = make_error("invalid_manifest", "manifest: " + std::move(message));
  error.hint = "see cof-plugin(3) for the fields";
  return error;
}

// Reads the fields and keeps the first mistake, so that the code below reads as a list of fields.
class Reader {
 public:
  std::optional<Error> mistake;

  void fail(const std::string& message) {
    if (!mistake) mistake = invalid(message);
  }

  std::string text(json::View from, std::string_view key, const std::string& where, bool needed,
                   std::size_t bytes_max = 4096) {
    const json::View value = from.find(key);
    const std::string name = where + std::string{key};
    if (!value) {
      if (needed) fail(name + " is missing");
      return {};
    }
    const auto string = value.as_string();
    if (!string) {
      fail(name + " must be a string");
      return {};
    }
    if (string->size() > bytes_max) {
      fail(name + " is longer than " + std::to_string(bytes_max) + " bytes");
      return {};
    }
    if (needed && string->empty()) fail(name + " is empty");
    return std::string{*string};
  }

  std::vector<std::string> list(json::View from, std::string_view key, const std::string& where) {
    const json::View value = from.find(key);
    std::vector<std::string> all;
    if (!value) return all;
    const std::string name = where + std::string{key};
    if (!value.is_array() || value.size() > entries_max) {
      fail(name + " must be an array of at most " + std::to_string(entries_max) + " strings");
      return all;
    }
    for (std::size_t i = 0; i < value.size(); ++i) {
      const auto string = value.at(i).as_string();
      if (!string || string->empty() || string->size() > 512) {
        fail(name + "[" + std::to_string(i) + "] must be a string of 1 to 512 bytes");
        return all;
      }
      all.emplace_back(*string);
    }
    return all;
  }

  bool boolean(json::View from, std::string_view key, const std::string& where) {
    const json::View value = from.find(key);
    if (!value) return false;
    if (!value.as_bool()) fail(where + std::string{key} + " must be true or false");
    return value.as_bool().value_or(false);
  }

  std::optional<json::Schema> schema(json::View from, std::string_view key,
                                     const std::string& where, std::string* source) {
    const json::View value = from.find(key);
    if (!value) return std::nullopt;
    Result<json::Schema> compiled = json::Schema::compile(value);
    if (compiled.has_error()) {
      fail(where + std::string{key} + ": " + compiled.error().message);
      return std::nullopt;
    }
    *source = value.text();
    return *compiled;
  }

  json::View object(json::View from, std::string_view key) {
    const json::View value = from.find(key);
    if (value && !value.is_object()) fail(std::string{key} + " must be an object");
    return value.is_object() ? value : json::View{};
  }
};

bool is_operation_name(std::string_view name) noexcept {
  if (name.empty() || name.size() > 64 || name.front() < 'a' || name.front() > 'z') return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

bool is_program_name(std::string_view text) noexcept {
  return text.front() == '/' || text.find('/') == std::string_view::npos;
}

bool is_route_path(std::string_view path) noexcept {
  return path.size() >= 2 && path.size() <= 512 && path.front() == '/' &&
         std::all_of(path.begin(), path.end(), [](char c) { return c > ' ' && c < 127; }) &&
         path.find_first_of("?#%\\") == std::string_view::npos;
}

void read_abi(Reader& reader, json::View root, Manifest& manifest) {
  const std::string text = reader.text(root, "abi", "", true, 16);
  if (reader.mistake) return;
  const char* const end = text.data() + text.size();
  const auto major = std::from_chars(text.data(), end, manifest.abi_major);
  const bool good =
      major.ec == std::errc{} && major.ptr != end && *major.ptr == '.' && manifest.abi_major >= 0;
  const auto minor = good ? std::from_chars(major.ptr + 1, end, manifest.abi_minor) : major;
  if (!good || minor.ec != std::errc{} || minor.ptr != end || manifest.abi_minor < 0) {
    reader.fail("abi must be MAJOR.MINOR, such as \"1.0\"");
  }
}

void read_interfaces(Reader& reader, json::View root, Manifest& manifest) {
  const json::View interfaces = reader.object(root, "interfaces");
  manifest.required = reader.list(interfaces, "required", "interfaces.");
  manifest.optional = reader.list(interfaces, "optional", "interfaces.");
  std::set<std::string> names;
  for (const auto* list : {&manifest.required, &manifest.optional}) {
    for (const std::string& text : *list) {
      const auto interface = host::parse_interface(text);
      if (!interface) {
        reader.fail("interfaces: \"" + text + "\" is not NAME/REVISION.MINOR, such as \"cof.http/1.0\"");
      } else if (!names.insert(interface->iid()).second) {
        reader.fail("interfaces: " + interface->iid() + " is named twice");
      }
    }
  }
}

void read_permissions(Reader& reader, json::View root, Manifest& manifest) {
  const json::View from = reader.object(root, "permissions");
  const std::string where = "permissions.";
  manifest.permissions.http = reader.list(from, "http", where);
  manifest.permissions.secrets = reader.list(from, "secrets", where);
  manifest.permissions.events = reader.list(from, "events", where);
  manifest.permissions.tasks = reader.list(from, "tasks", where);
  manifest.permissions.programs = reader.list(from, "programs", where);
  for (const std::string& program : manifest.permissions.programs) {
    if (!is_program_name(program)) {
      reader.fail("permissions.programs: \"" + program +
                  "\" must be a name without '/', an absolute path, or \"*\"");
    }
  }
  manifest.permissions.metrics = reader.boolean(from, "metrics", where);
  manifest.permissions.stats = reader.boolean(from, "stats", where);
  manifest.permissions.files = reader.boolean(from, "files", where);
}

Manifest::Operation read_operation(Reader& reader, json::View from, const std::string& where) {
  Manifest::Operation operation;
  operation.name = reader.text(from, "name", where, true, 64);
  if (!reader.mistake && !is_operation_name(operation.name)) {
    reader.fail(where + "name must be lower-case letters, digits, '_' and '-'");
  }
  operation.summary = reader.text(from, "summary", where, false);
  operation.args = reader.schema(from, "args", where, &operation.args_json);
  const json::View result = from.find("result");
  if (result && !result.is_object()) reader.fail(where + "result must be a schema");
  if (result) operation.result_json = result.text();
  operation.retry_on_timeout = reader.boolean(from, "retry_on_timeout", where);
  const std::string timeout = reader.text(from, "timeout", where, false, 32);
  if (!timeout.empty()) {
    const Result<Milliseconds> duration = parse_duration(timeout);
    if (duration.has_error() || duration->count() <= 0) {
      reader.fail(where + "timeout must be a duration such as \"30s\"");
    } else {
      operation.timeout = *duration;
    }
  }
  if (const json::View attempts = from.find("attempts_max")) {
    const auto number = attempts.as_integer();
    if (!number || *number < 1 || *number > 1'000'000) {
      reader.fail(where + "attempts_max must be a whole number from 1");
    } else {
      operation.attempts_max = static_cast<int>(*number);
    }
  }
  return operation;
}

Manifest::Route read_route(Reader& reader, json::View from, const std::string& where) {
  constexpr std::array<std::string_view, 7> methods{"GET",   "HEAD",   "POST",   "PUT",
                                                    "PATCH", "DELETE", "OPTIONS"};
  constexpr std::array<std::string_view, 5> classes{"public", "read", "submit", "operate", "admin"};
  Manifest::Route route;
  route.id = reader.text(from, "id", where, true, 64);
  route.method = reader.text(from, "method", where, true, 16);
  route.path = reader.text(from, "path", where, true, 512);
  route.access = reader.text(from, "access", where, true, 16);
  route.summary = reader.text(from, "summary", where, false);
  route.login = reader.boolean(from, "login", where);
  route.role = reader.text(from, "role", where, false, 64);
  if (reader.mistake) return route;
  if (!route.role.empty()) {
    route.login = true;
    if (!is_operation_name(route.role)) {
      reader.fail(where + "role must be lower-case letters, digits, '_' and '-'");
    }
  }
  if (!is_operation_name(route.id)) {
    reader.fail(where + "id must be lower-case letters, digits, '_' and '-'");
  }
  if (std::find(methods.begin(), methods.end(), route.method) == methods.end()) {
    reader.fail(where + "method \"" + route.method + "\" is unknown");
  }
  if (!is_route_path(route.path)) reader.fail(where + "path must be an absolute path");
  if (std::find(classes.begin(), classes.end(), route.access) == classes.end()) {
    reader.fail(where + "access must be public, read, submit, operate or admin");
  }
  if (const json::View bytes = from.find("request_bytes_max")) {
    const auto number = bytes.as_integer();
    if (!number || *number < 0 || *number > (1LL << 30)) {
      reader.fail(where + "request_bytes_max must be a number of bytes");
    } else {
      route.request_bytes_max = static_cast<std::uint64_t>(*number);
    }
  }
  return route;
}

// Calls `read` with each object of the array `key`.
template <class Read>
void each_object(Reader& reader, json::View root, std::string_view key, Read read) {
  const json::View list = root.find(key);
  if (!list) return;
  if (!list.is_array() || list.size() > entries_max) {
    reader.fail(std::string{key} + " must be an array of at most " + std::to_string(entries_max));
    return;
  }
  for (std::size_t i = 0; i < list.size() && !reader.mistake; ++i) {
    const std::string name = std::string{key} + "[" + std::to_string(i) + "]";
    if (!list.at(i).is_object()) {
      reader.fail(name + " must be an object");
    } else {
      read(list.at(i), name + ".");
    }
  }
}

void read_lists(Reader& reader, json::View root, Manifest& manifest) {
  std::set<std::string> names;
  each_object(reader, root, "operations", [&](json::View from, const std::string& where) {
    manifest.operations.push_back(read_operation(reader, from, where));
    if (!names.insert(manifest.operations.back().name).second) {
      reader.fail(where + "name is there twice");
    }
  });
  std::set<std::string> ids;
  each_object(reader, root, "routes", [&](json::View from, const std::string& where) {
    manifest.routes.push_back(read_route(reader, from, where));
    if (!ids.insert(manifest.routes.back().id).second) reader.fail(where + "id is there twice");
  });
}

}  // namespace

const Manifest::Operation* Manifest::find_operation(std::string_view name) const noexcept {
  for (const Operation& operation : operations) {
    if (operation.name == name) return &operation;
  }
  return nullptr;
}

Result<Manifest> parse_manifest(std::string_view text) {
  if (text.size() > COF_MANIFEST_BYTES_MAX) return invalid("it is too large");
  const Result<json::Document> document = json::parse(text);
  if (document.has_error()) return invalid(document.error().message);
  const json::View root = document->root();
  if (!root.is_object()) return invalid("it must be a JSON object");

  Manifest manifest;
  Reader reader;
  manifest.id = reader.text(root, "id", "", true, 64);
  if (!reader.mistake && !is_plugin_id(manifest.id)) {
    reader.fail("id must be [a-z][a-z0-9-]{0,31}");
  }
  manifest.version = reader.text(root, "version", "", true, 64);
  manifest.summary = reader.text(root, "summary", "", false);
  read_abi(reader, root, manifest);
  const std::string threads = reader.text(root, "threads", "", false, 16);
  if (!threads.empty() && threads != "serial" && threads != "parallel") {
    reader.fail("threads must be \"serial\" or \"parallel\"");
  }
  manifest.parallel = threads == "parallel";
  read_interfaces(reader, root, manifest);
  for (const std::string& what : reader.list(root, "provides", "")) {
    if (what != "cof.identity/1") reader.fail("provides: \"" + what + "\" is unknown");
    manifest.provides_identity = true;
  }
  manifest.requires_plugins = reader.list(root, "requires", "");
  for (const std::string& id : manifest.requires_plugins) {
    if (!is_plugin_id(id)) reader.fail("requires: \"" + id + "\" is no plugin id");
  }
  read_permissions(reader, root, manifest);
  manifest.config = reader.schema(root, "config", "", &manifest.config_json);
  read_lists(reader, root, manifest);
  if (reader.mistake) return *reader.mistake;
  return manifest;
}

Result<Manifest> load_manifest(const std::filesystem::path& file) {
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (descriptor < 0) {
    return make_error("unreadable", file.string() + ": " + std::strerror(errno));
  }
  Result<std::string> text = read_manifest_note(descriptor);
  ::close(descriptor);
  if (text.has_value()) {
    Result<Manifest> manifest = parse_manifest(*text);
    if (manifest.has_value()) return manifest;
    text = manifest.error();
  }
  Error error = text.error();
  error.message = file.string() + ": " + error.message;
  return error;
}

}  // namespace cofounder
