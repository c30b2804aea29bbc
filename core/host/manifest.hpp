// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/clock.hpp"
#include "core/base/error.hpp"
#include "core/base/json_schema.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cofounder {

// What a plugin says of itself before any of its code runs (fields: cof-plugin(3)).
struct Manifest {
  struct Operation {
    std::string name;  // without the plugin's id
    std::string summary;
    std::optional<json::Schema> args;
    std::string args_json = "{}";    // the schema's text, for OpenAPI
    std::string result_json = "{}";
    bool retry_on_timeout = false;
    std::optional<Milliseconds> timeout;
    std::optional<int> attempts_max;
  };
  struct Route {
    std::string id;
    std::string method;
    std::string path;  // "/oauth/{provider}/login"
    std::string access;  // "public", "read", "submit", "operate", "admin"
    std::string summary;
    std::uint64_t request_bytes_max = 1u << 20;
    bool login = false;  // only for somebody who is logged in, see cofounder/services/identity.h
    std::string role;    // only for somebody with that role
  };

  std::string id;
  std::string version;
  std::string summary;
  int abi_major = 1;
  int abi_minor = 0;
  bool parallel = false;                 // "threads": "serial" | "parallel"
  std::vector<std::string> required;     // "interfaces": {"required": [...], "optional": [...]}
  std::vector<std::string> optional;
  bool provides_identity = false;        // "provides": ["cof.identity/1"]
  std::vector<std::string> requires_plugins;  // "requires": ids that must have started before
  struct {
    std::vector<std::string> http;       // host names, "*.example.org", "setting:base_url", with "*"
                                         // for any one part: "setting:*.base_url"
    std::vector<std::string> secrets;    // dotted paths of the configuration: "*.client_secret"
    std::vector<std::string> events;     // topics it may subscribe to: "task.*"
    std::vector<std::string> tasks;      // foreign operations it may submit: "cloudinary.upload"
    std::vector<std::string> programs;   // names, absolute paths, "*": what the operator allows
    bool metrics = false;
    bool stats = false;
    bool files = false;
  } permissions;
  std::optional<json::Schema> config;
  std::string config_json = "{}";
  std::vector<Operation> operations;
  std::vector<Route> routes;

  const Operation* find_operation(std::string_view name) const noexcept;
};

// The manifest's JSON.  Code "invalid_manifest"; the message names the field.
Result<Manifest> parse_manifest(std::string_view json);

// The text of the manifest note of an ELF file, without running any of it.  Bounded: reads headers
// and the note only.  Codes "not_elf", "wrong_machine", "truncated", "no_manifest",
// "invalid_manifest", "unreadable"; the message says what to do.
Result<std::string> read_manifest_note(int descriptor);
Result<std::string> read_manifest_note(std::span<const std::byte> image);  // for tests and fuzzing

// Both, for a path: what `cofounderctl plugin inspect` shows.
Result<Manifest> load_manifest(const std::filesystem::path& file);

}  // namespace cofounder
