// SPDX-License-Identifier: Apache-2.0
#include "settings.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace fine_tuning {
namespace sdk = cofounder::sdk;
namespace {

using sdk::Json;

const std::set<std::string, std::less<>> placeholders{"dataset", "validation", "base_model", "output",
                                                      "hyperparameters", "suffix", "task"};

sdk::Failed invalid(std::string what) { return sdk::Failed{"invalid_config", std::move(what)}; }

void read_seconds(const Json& from, const char* name, sdk::Milliseconds& value) {
  if (!from.contains(name)) return;
  value = sdk::Milliseconds{static_cast<std::int64_t>(from.at(name).get<double>() * 1000)};
}

void read_url(const Json& config, const char* name, std::string& url) {
  url = config.value(name, url);
  while (!url.empty() && url.back() == '/') url.pop_back();
  if (!url.starts_with("http://") && !url.starts_with("https://")) {
    throw invalid(std::string{name} + " is no http(s) URL");
  }
}

void read_word(const Json& config, const char* name, std::string& word) {
  word = config.value(name, word);
  if (!word.empty() && !is_word(word)) throw invalid(std::string{name} + " has an odd character in it");
}

// {name} is replaced; what is in braces and no known name is a mistake.
void check_command(const std::vector<std::string>& command) {
  if (command.empty()) return;
  bool has_dataset = false;
  bool has_output = false;
  for (const std::string& word : command) {
    for (std::size_t at = 0; (at = word.find('{', at)) != std::string::npos; ++at) {
      const auto end = word.find('}', at);
      if (end == std::string::npos) throw invalid("local.command: a brace is not closed in " + word);
      const std::string name = word.substr(at + 1, end - at - 1);
      if (!placeholders.contains(name)) throw invalid("local.command: {" + name + "} is unknown");
      has_dataset |= name == "dataset";
      has_output |= name == "output";
    }
  }
  if (!has_dataset || !has_output) throw invalid("local.command: {dataset} and {output} are wanted");
}

void read_local(const Json& local, Settings& settings) {
  settings.local_command = local.value("command", std::vector<std::string>{});
  check_command(settings.local_command);
  if (local.contains("environment")) {
    for (const auto& [name, value] : local.at("environment").items()) {
      if (!value.is_string()) throw invalid("local.environment: " + name + " is no text");
      settings.local_environment[name] = value.get<std::string>();
    }
  }
  read_seconds(local, "timeout_seconds", settings.local_timeout);
  read_seconds(local, "grace_seconds", settings.local_grace);
  settings.local_memory_bytes_max = local.value("memory_bytes_max", std::uint64_t{0});
}

void read_folder(const Json& config, const char* name, std::string_view scheme, std::string& uri) {
  read_word(config, name, uri);
  while (!uri.empty() && uri.back() == '/') uri.pop_back();
  ObjectName parts;
  if (!uri.empty() && !read_object_uri(scheme, uri + "/x", parts)) {
    throw invalid(std::string{name} + ": " + std::string{scheme} + "BUCKET/FOLDER is wanted");
  }
}

}  // namespace

Settings read_settings(const Json& config) {
  Settings settings;
  read_url(config, "openai_url", settings.openai_url);
  read_word(config, "openai_organization", settings.openai_organization);
  read_word(config, "openai_project", settings.openai_project);
  settings.openai_file_bytes_max = config.value("openai_file_bytes_max", settings.openai_file_bytes_max);
  settings.openai_part_bytes = config.value("openai_part_bytes", settings.openai_part_bytes);
  if (settings.openai_part_bytes == 0) throw invalid("openai_part_bytes must be at least 1");
  read_url(config, "ollama_url", settings.ollama_url);
  read_url(config, "bedrock_url", settings.bedrock_url);
  read_url(config, "s3_url", settings.s3_url);
  read_word(config, "bedrock_region", settings.bedrock_region);
  read_word(config, "bedrock_access_key_id", settings.bedrock_access_key_id);
  read_word(config, "bedrock_role_arn", settings.bedrock_role_arn);
  read_folder(config, "bedrock_s3_uri", "s3://", settings.bedrock_s3_uri);
  read_url(config, "vertex_url", settings.vertex_url);
  read_url(config, "vertex_token_url", settings.vertex_token_url);
  read_url(config, "storage_url", settings.storage_url);
  read_word(config, "vertex_project", settings.vertex_project);
  read_word(config, "vertex_location", settings.vertex_location);
  read_folder(config, "vertex_gcs_uri", "gs://", settings.vertex_gcs_uri);
  settings.s3_put_bytes_max = config.value("s3_put_bytes_max", settings.s3_put_bytes_max);
  settings.s3_part_bytes = config.value("s3_part_bytes", settings.s3_part_bytes);
  if (config.contains("local")) read_local(config.at("local"), settings);
  read_seconds(config, "poll_first_seconds", settings.poll_first);
  read_seconds(config, "poll_most_seconds", settings.poll_most);
  read_seconds(config, "quick_timeout_seconds", settings.quick_timeout);
  read_seconds(config, "idle_timeout_seconds", settings.idle_timeout);
  read_seconds(config, "create_idle_timeout_seconds", settings.create_idle_timeout);
  read_seconds(config, "jobs_kept_seconds", settings.jobs_kept);
  settings.dataset.line_bytes_max = config.value("line_bytes_max", settings.dataset.line_bytes_max);
  settings.dataset.examples_max = config.value("examples_max", settings.dataset.examples_max);
  settings.openai_examples_min = config.value("openai_examples_min", settings.openai_examples_min);
  return settings;
}

bool is_word(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

sdk::Failure not_configured(std::string_view setting, std::string_view why) {
  return sdk::Failure{COF_EINVALID, "not_configured",
                      "[plugin.fine-tuning] " + std::string{setting} + " " + std::string{why} +
                          ": set it in the configuration and reload"};
}

sdk::Result<std::string> read_secret(sdk::Context ctx, const std::string& name) {
  auto secret = ctx.secret(name);
  if (!secret) {
    return secret.failure().status == COF_ENOTFOUND ? not_configured(name, "is not set")
                                                    : secret.failure();
  }
  if (secret->empty()) return not_configured(name, "is empty");
  // A line end would be the end of the header.
  if (!is_word(*secret)) return not_configured(name, "has an odd character in it");
  return secret;
}

std::vector<std::string> fill_in(const std::vector<std::string>& command,
                                 const std::map<std::string, std::string>& values) {
  std::vector<std::string> words;
  for (const std::string& word : command) {
    std::string filled;
    std::size_t from = 0;
    for (std::size_t at = 0; (at = word.find('{', from)) != std::string::npos;) {
      const auto end = word.find('}', at);
      filled += word.substr(from, at - from);
      if (const auto value = values.find(word.substr(at + 1, end - at - 1)); value != values.end()) {
        filled += value->second;
      }
      from = end + 1;
    }
    words.push_back(filled + word.substr(from));
  }
  return words;
}

bool read_object_uri(std::string_view scheme, std::string_view uri, ObjectName& name) {
  if (!uri.starts_with(scheme)) return false;
  uri.remove_prefix(scheme.size());
  const auto slash = uri.find('/');
  if (slash == std::string_view::npos || slash == 0 || slash + 1 == uri.size()) return false;
  if (!is_word(uri)) return false;
  name.bucket = uri.substr(0, slash);
  name.key = uri.substr(slash + 1);
  return name.bucket.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-_") == std::string::npos;
}

}  // namespace fine_tuning
