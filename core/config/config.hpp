// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/clock.hpp"
#include "core/base/error.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// The configuration as plain values.  A default stands here and nowhere else;
// etc/cofounderd.toml repeats each in a comment, and a test holds the two together.
namespace cofounder {

// Where a secret comes from.  Its value is read when it is needed and never kept in a Config.
struct SecretSource {
  enum class Kind { credential, environment, file, plain } kind = Kind::credential;
  std::string name;  // credential or variable name, path, or (plain) the value itself
};

enum class Access { none, read, submit, operate, admin };

struct PluginConfig {
  bool enabled = true;
  bool allow_plain_secrets = false;        // the top-level option, for the host's check
  std::string isolation;                // "in-process", "process" or empty: the default
  std::string on_start_error = "fail";  // "fail", "retry", "ignore"
  int restart_failures_max = 5;         // of an isolated one within restart_window: no restart more
  Milliseconds restart_window{600'000};
  std::string settings = "{}";          // every other key, as JSON; secrets are {"secret": PATH}
  std::vector<std::string> programs;    // that it may run: names, or absolute paths
  std::map<std::string, SecretSource> secrets;  // by dotted path: "api_key", "github.client_secret"
  std::string where;                            // "FILE:LINE" of its table, for errors
  std::map<std::string, std::string> lines;     // the same for each setting, by dotted path
  struct Limits {                               // [plugin.ID.limits]
    int calls_max = 64;                         // in flight
    int calls_queued_max = 1024;
    int threads = 4;  // of a parallel plugin
    int http_transfers_max = 10'000;
    int http_connections_per_host_max = 64;
    std::uint64_t response_bytes_max = 64u << 20;
    std::uint64_t result_bytes_max = 4u << 20;
    std::uint64_t scratch_bytes_max = 4ull << 30;
    std::uint64_t kv_bytes_max = 64u << 20;
    int log_lines_per_second_max = 200;
    int tasks_per_second_max = 1000;
    std::uint64_t memory_bytes_max = 1u << 30;  // of an isolated plugin's process
    int threads_max = 512;    // of an isolated plugin, besides `threads`; where there are cgroups
    int cpu_percent_max = 0;  // of an isolated plugin, 0: no limit; where there are cgroups
    int cpu_seconds_max = 0;  // of an isolated plugin's process in all its life, 0: no limit
    Milliseconds idle_cpu_max{60'000};           // of that process, while nothing is asked of it
    int processes_max = 16;  // programs that run
    std::uint64_t process_output_bytes_max = 16u << 20;  // kept of each, until the plugin takes it
  } limits;
  struct Deadlines {  // [plugin.ID.deadlines]
    Milliseconds create{100};
    Milliseconds configure{5'000};
    Milliseconds start{30'000};
    Milliseconds drain{20'000};
    Milliseconds stop{5'000};
    Milliseconds probe{10'000};
    Milliseconds route{30'000};
    Milliseconds grace{2'000};  // between cancel and kill or quarantine
  } deadlines;
};

struct Config {
  bool allow_plain_secrets = false;
  struct {
    std::filesystem::path state = "/var/lib/cofounderd";
    std::filesystem::path scratch = "/var/cache/cofounderd/scratch";
  } paths;
  struct {
    std::vector<std::filesystem::path> read;
    std::vector<std::filesystem::path> write;
    std::uint64_t file_bytes_max = 8ull << 30;    // a larger one is refused
    std::uint64_t upload_bytes_max = 1ull << 30;  // POST /v1/files
    Milliseconds upload_kept{3'600'000};          // an upload that no task uses
  } files;
  struct {
    std::string kind = "sqlite";
    std::filesystem::path path;  // empty: cofounderd.db below paths.state
    std::string dsn;
    std::string password_credential;  // empty: no password, or in the passfile that dsn names
    std::string schema = "cofounder";
    std::string node;  // empty: the name of the machine
    std::string prepare = "auto";
    int connections_max = 4;
  } store;
  struct {
    int running_max = 256;
    Milliseconds task_timeout{15 * 60'000};
    int attempts_max = 5;
    Milliseconds retention{7 * 24 * 3'600'000LL};
    Milliseconds retry_first{1'000};
    Milliseconds retry_most{600'000};
    std::map<std::string, int> queues;  // [scheduler.queues] name = tasks running at once
    std::map<std::string, int> cluster_queues;  // the same on all nodes together
  } scheduler;
  struct {
    std::filesystem::path socket = "/run/cofounderd/control.sock";
    std::string mode = "0660";
    std::string group = "cofounderd";
    // class -> user names and "@group" names
    std::map<Access, std::vector<std::string>> access = {{Access::admin, {"root"}},
                                                         {Access::operate, {"@cofounderd"}}};
    std::uint64_t body_bytes_max = 8u << 20;
    int connections_max = 1024;
    int tasks_per_request_max = 1000;
  } control;
  struct {
    std::vector<std::string> listen;
    std::string public_url;
    std::string identity = "oauth";  // the plugin that knows who is logged in
    std::string ca_file;  // empty: the system's
  } http;
  struct {
    std::vector<std::filesystem::path> directories = {"/usr/lib/cofounderd/plugins",
                                                      "/usr/local/lib/cofounderd/plugins"};
    std::string isolation;  // empty: as interface.md says, until isolation exists in-process
    // Also load plugins without a table in the configuration (they must be in a directory).
    bool load_unconfigured = true;
  } plugins;
  struct {
    std::string level = "info";
    std::string target = "automatic";  // "journal", "stderr"
  } log;
  Milliseconds stop_timeout{30'000};
  std::map<std::string, PluginConfig> plugin;  // by id
};

// Reads FILE and then each *.toml in conf.d beside it, in name order; later ones override key by
// key.  Unknown keys, wrong types and bad values are errors that say file and line and what is
// wanted; all of them are reported, not only the first.
struct ConfigErrors {
  std::vector<std::string> lines;  // "/etc/cofounderd/cofounderd.toml:12: ..."
  std::vector<std::string> warnings;
};
std::optional<Config> load_config(const std::filesystem::path& file, ConfigErrors& errors);

// As TOML with every value spelled out, secrets as their source only (plain ones as "***").
std::string print_config(const Config& config);
// The same as JSON, for GET /v1/config.
std::string config_json(const Config& config);

// The value behind a source.  Codes "secret_missing", "secret_unreadable".  Credentials are looked
// up in $CREDENTIALS_DIRECTORY; a trailing newline of a file is not part of the secret; a file that
// others may read is refused.
Result<std::string> read_secret(const SecretSource& source);

// "FILE:LINE" of a setting, or of the nearest table around it.
std::string where_of(const PluginConfig& plugin, std::string_view path);

// Only a plugin's manifest says which settings are secrets (permissions.secrets: dotted paths; "*"
// is any one part).  When one of them stands in the file as a plain string: the line to show.
// Does not matter when allow_plain_secrets is set; take_plain_secrets() then moves them from the
// settings to PluginConfig::secrets, so that they are handled like all others.
// "*.client_secret" matches "github.client_secret".
bool secret_path_matches(std::string_view pattern, std::string_view path);
std::optional<std::string> plain_secret_problem(const PluginConfig& plugin,
                                                const std::vector<std::string>& secrets);
void take_plain_secrets(PluginConfig& plugin, const std::vector<std::string>& secrets);

}  // namespace cofounder
