// SPDX-License-Identifier: Apache-2.0
#include "core/config/options.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace cofounder::config {
namespace {

constexpr std::int64_t day_ms = 24 * 3'600'000LL;
constexpr std::int64_t many = 1'000'000;

bool one_of(std::string_view text, std::initializer_list<std::string_view> all) {
  return std::find(all.begin(), all.end(), text) != all.end();
}

bool is_store_kind(std::string_view text) { return one_of(text, {"sqlite", "postgres"}); }
bool is_prepare(std::string_view text) { return one_of(text, {"auto", "on", "off"}); }
bool is_isolation(std::string_view text) { return one_of(text, {"", "in-process", "process"}); }
bool is_on_start_error(std::string_view text) { return one_of(text, {"fail", "retry", "ignore"}); }
bool is_level(std::string_view text) { return one_of(text, {"debug", "info", "warning", "error"}); }
bool is_target(std::string_view text) { return one_of(text, {"automatic", "journal", "stderr"}); }

bool is_mode(std::string_view text) {
  return (text.size() == 3 || (text.size() == 4 && text[0] == '0')) &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '7'; });
}

bool is_absolute(std::string_view text) { return text.starts_with('/'); }
bool is_absolute_or_empty(std::string_view text) { return text.empty() || is_absolute(text); }
// The kernel takes 107 bytes as the path of a socket.
bool is_socket_path(std::string_view text) { return is_absolute(text) && text.size() <= 107; }

bool is_url(std::string_view text) {
  return text.empty() || text.starts_with("https://") || text.starts_with("http://");
}

bool is_listen_address(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  const std::string_view host = text.substr(0, colon);
  const bool bracketed = host.starts_with('[') && host.ends_with(']') && host.size() > 2;
  if (!bracketed && host.find_first_of(":[]") != std::string_view::npos) return false;
  const std::string_view port = text.substr(colon + 1);
  unsigned number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  return error == std::errc{} && end == port.data() + port.size() && number <= 65535;
}

// libpq takes `password = x` and `scheme://user:x@host`.
bool is_dsn(std::string_view text) {
  if (text.find("password") != std::string_view::npos) {
    const auto rest = text.substr(text.find("password") + 8);
    const auto next = rest.find_first_not_of(" \t");
    if (next != std::string_view::npos && rest[next] == '=') return false;
  }
  const auto scheme = text.find("://");
  if (scheme == std::string_view::npos) return true;
  const auto authority = text.substr(scheme + 3, text.find('/', scheme + 3) - (scheme + 3));
  const auto at = authority.rfind('@');
  return at == std::string_view::npos ||
         authority.substr(0, at).find(':') == std::string_view::npos;
}

bool is_credential_or_empty(std::string_view text) {
  return text.find('/') == std::string_view::npos && text != "." && text != "..";
}

// As PostgreSQL takes it without quotes, with room for what is added to it.
bool is_schema(std::string_view text) {
  return !text.empty() && text.size() <= 48 && (text[0] < '0' || text[0] > '9') &&
         !text.starts_with("pg_") && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
         });
}

bool is_node(std::string_view text) {
  return text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '_' || c == '-';
         });
}

bool is_program(std::string_view text) noexcept {
  return !text.empty() && text.size() < 4096 && text.find('\0') == std::string_view::npos &&
         (text.front() == '/' || text.find('/') == std::string_view::npos);
}

constexpr std::string_view path_wanted = "an absolute path";

}  // namespace

std::vector<Option> options_of(Config& c) {
  constexpr std::int64_t any = std::numeric_limits<std::int64_t>::max();
  return {
      {"allow_plain_secrets", &c.allow_plain_secrets},
      {"stop_timeout", &c.stop_timeout, 100, day_ms},
      {"paths.state", &c.paths.state, 0, any, is_absolute, path_wanted},
      {"paths.scratch", &c.paths.scratch, 0, any, is_absolute, path_wanted},
      {"files.read", &c.files.read, 0, any, is_absolute, path_wanted},
      {"files.write", &c.files.write, 0, any, is_absolute, path_wanted},
      {"files.file_bytes_max", &c.files.file_bytes_max},
      {"files.upload_bytes_max", &c.files.upload_bytes_max},
      {"files.upload_kept", &c.files.upload_kept, 1'000, 365 * day_ms},
      {"store.kind", &c.store.kind, 0, any, is_store_kind, "\"sqlite\" or \"postgres\""},
      {"store.path", &c.store.path, 0, any, is_absolute_or_empty, path_wanted},
      {"store.dsn", &c.store.dsn, 0, any, is_dsn,
       "a connection string without a password (name a file in it: passfile=PATH)"},
      {"store.password_credential", &c.store.password_credential, 0, any, is_credential_or_empty,
       "the name of a credential, without \"/\""},
      {"store.schema", &c.store.schema, 0, any, is_schema,
       "a name of at most 48 of a-z, 0-9 and _, that begins with neither a digit nor pg_"},
      {"store.node", &c.store.node, 0, any, is_node,
       "a name of at most 64 letters, digits, \".\", \"_\" and \"-\""},
      {"store.prepare", &c.store.prepare, 0, any, is_prepare, "\"auto\", \"on\" or \"off\""},
      {"store.connections_max", &c.store.connections_max, 3, 100},
      {"scheduler.running_max", &c.scheduler.running_max, 1, many},
      {"scheduler.task_timeout", &c.scheduler.task_timeout, 1, 365 * day_ms},
      {"scheduler.attempts_max", &c.scheduler.attempts_max, 1, 1000},
      {"scheduler.retention", &c.scheduler.retention, 0, 36'500 * day_ms},
      {"scheduler.retry_first", &c.scheduler.retry_first, 0, day_ms},
      {"scheduler.retry_most", &c.scheduler.retry_most, 0, 365 * day_ms},
      {"control.socket", &c.control.socket, 0, any, is_socket_path,
       "an absolute path of at most 107 bytes"},
      {"control.mode", &c.control.mode, 0, any, is_mode, "an octal mode such as \"0660\""},
      {"control.group", &c.control.group},
      {"control.body_bytes_max", &c.control.body_bytes_max, 1'024},
      {"control.connections_max", &c.control.connections_max, 1, many},
      {"control.tasks_per_request_max", &c.control.tasks_per_request_max, 1, many},
      {"http.listen", &c.http.listen, 0, any, is_listen_address,
       "an address and port such as \"127.0.0.1:8470\" or \"[::1]:8470\""},
      {"http.public_url", &c.http.public_url, 0, any, is_url, "a URL with https:// or http://"},
      {"http.identity", &c.http.identity},
      {"http.ca_file", &c.http.ca_file, 0, any, is_absolute_or_empty, path_wanted},
      {"plugins.directories", &c.plugins.directories, 0, any, is_absolute, path_wanted},
      {"plugins.isolation", &c.plugins.isolation, 0, any, is_isolation,
       "\"in-process\" or \"process\""},
      {"plugins.load_unconfigured", &c.plugins.load_unconfigured},
      {"log.level", &c.log.level, 0, any, is_level,
       "\"debug\", \"info\", \"warning\" or \"error\""},
      {"log.target", &c.log.target, 0, any, is_target, "\"automatic\", \"journal\" or \"stderr\""},
  };
}

std::vector<Option> options_of(PluginConfig& p) {
  constexpr std::int64_t any = std::numeric_limits<std::int64_t>::max();
  auto& l = p.limits;
  auto& d = p.deadlines;
  return {
      {"enabled", &p.enabled},
      {"isolation", &p.isolation, 0, any, is_isolation, "\"in-process\" or \"process\""},
      {"on_start_error", &p.on_start_error, 0, any, is_on_start_error,
       "\"fail\", \"retry\" or \"ignore\""},
      {"programs", &p.programs, 0, any, is_program, "a name without \"/\", or an absolute path"},
      {"restart_failures_max", &p.restart_failures_max, 1, 1000},
      {"restart_window", &p.restart_window, 1, day_ms},
      {"limits.calls_max", &l.calls_max, 1, many},
      {"limits.calls_queued_max", &l.calls_queued_max, 0, many},
      {"limits.threads", &l.threads, 1, 1024},
      {"limits.http_transfers_max", &l.http_transfers_max, 0, many},
      {"limits.http_connections_per_host_max", &l.http_connections_per_host_max, 1, many},
      {"limits.response_bytes_max", &l.response_bytes_max},
      {"limits.result_bytes_max", &l.result_bytes_max},
      {"limits.scratch_bytes_max", &l.scratch_bytes_max},
      {"limits.kv_bytes_max", &l.kv_bytes_max},
      {"limits.log_lines_per_second_max", &l.log_lines_per_second_max, 0, many},
      {"limits.tasks_per_second_max", &l.tasks_per_second_max, 0, many},
      {"limits.memory_bytes_max", &l.memory_bytes_max, 64 << 20},
      {"limits.threads_max", &l.threads_max, 0, many},
      {"limits.cpu_percent_max", &l.cpu_percent_max, 0, 100'000},
      {"limits.cpu_seconds_max", &l.cpu_seconds_max, 0, many},
      {"limits.idle_cpu_max", &l.idle_cpu_max, 1'000, day_ms},
      {"limits.processes_max", &l.processes_max, 0, many},
      {"limits.process_output_bytes_max", &l.process_output_bytes_max, 1'024},
      {"deadlines.create", &d.create, 1, day_ms},
      {"deadlines.configure", &d.configure, 1, day_ms},
      {"deadlines.start", &d.start, 1, day_ms},
      {"deadlines.drain", &d.drain, 1, day_ms},
      {"deadlines.stop", &d.stop, 1, day_ms},
      {"deadlines.probe", &d.probe, 1, day_ms},
      {"deadlines.route", &d.route, 1, day_ms},
      {"deadlines.grace", &d.grace, 1, day_ms},
  };
}

namespace {
struct Unit {
  std::string_view name;
  int shift;
};
constexpr std::array<Unit, 5> units = {
    {{"TiB", 40}, {"GiB", 30}, {"MiB", 20}, {"KiB", 10}, {"B", 0}}};
}  // namespace

std::optional<std::uint64_t> parse_size(std::string_view text) noexcept {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return std::nullopt;
  const std::string_view rest = text.substr(static_cast<std::size_t>(end - text.data()));
  for (const Unit& unit : units) {
    if (rest != unit.name) continue;
    // What does not fit TOML's 64-bit integers is refused.
    const auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (number > (most >> unit.shift)) return std::nullopt;
    return number << unit.shift;
  }
  return std::nullopt;
}

std::string size_text(std::uint64_t bytes) {
  for (const Unit& unit : units) {
    const std::uint64_t whole = bytes >> unit.shift;
    if (whole != 0 && whole << unit.shift == bytes) {
      return std::to_string(whole) + std::string{unit.name};
    }
  }
  return "0B";
}

std::string_view to_string(Access access) noexcept {
  switch (access) {
    case Access::none:
      return "none";
    case Access::read:
      return "read";
    case Access::submit:
      return "submit";
    case Access::operate:
      return "operate";
    case Access::admin:
      return "admin";
  }
  return "none";
}

std::optional<Access> parse_access(std::string_view text) noexcept {
  for (const Access access : {Access::read, Access::submit, Access::operate, Access::admin}) {
    if (text == to_string(access)) return access;
  }
  return std::nullopt;
}

namespace {
// How many letters have to change, appear, go or swap places.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t cost = a[i - 1] == b[j - 1] ? 0 : 1;
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + cost});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    }
  }
  return d[a.size()][b.size()];
}
}  // namespace

std::string_view nearest(std::string_view word, const std::vector<std::string_view>& candidates) {
  if (word.size() > 64) return {};
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const std::string_view candidate : candidates) {
    const std::size_t d = distance(word, candidate);
    if (d < best_distance) {
      best = candidate;
      best_distance = d;
    }
  }
  return best;
}

}  // namespace cofounder::config
