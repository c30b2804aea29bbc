// SPDX-License-Identifier: Apache-2.0
#include "core/host/services/http_request.hpp"

#include "core/host/services/header_lines.hpp"
#include "core/host/services/service.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

namespace cofounder::host {
namespace {

constexpr std::uint64_t parts_max = 16'384;
constexpr std::uint64_t whole_bytes_default = 8u << 20;
constexpr std::uint64_t item_bytes_default = 1u << 20;
constexpr std::uint64_t item_bytes_most = 64u << 20;
constexpr std::uint64_t no_limit = std::numeric_limits<std::uint64_t>::max();
constexpr std::size_t retry_statuses_max = 64;

// "base_url", "github.base_url" or "*.base_url" of the settings: the hosts of the URLs, or host names,
// there.
void add_hosts_of_setting(json::View value, std::string_view path,
                          std::vector<std::string>& hosts) {
  if (!path.empty()) {
    const auto dot = path.find('.');
    const std::string_view key = path.substr(0, dot);
    path = dot == std::string_view::npos ? std::string_view{} : path.substr(dot + 1);
    if (key != "*") return add_hosts_of_setting(value.find(key), path, hosts);
    for (std::size_t i = 0; value.is_object() && i < value.size(); ++i) {
      add_hosts_of_setting(value.at(i), path, hosts);
    }
    return;
  }
  const auto add = [&](json::View one) {
    const auto text = one.as_string();
    if (!text || text->empty()) return;
    const bool is_url = text->find("://") != std::string_view::npos;
    const auto origin = http::origin_of(is_url ? std::string{*text} : "https://" + std::string{*text});
    if (origin) hosts.push_back(origin->host);
  };
  add(value);
  for (std::size_t i = 0; value.is_array() && i < value.size(); ++i) add(value.at(i));
}

bool is_granted(Instance& instance, std::uint64_t call_id, std::string_view host) {
  constexpr std::string_view setting = "setting:";
  const auto fits = [&](std::string_view granted) {
    if (granted.starts_with("*.")) return host.ends_with(granted.substr(1));
    return host == granted;
  };
  for (const std::string& granted : instance.manifest().permissions.http) {
    if (!granted.starts_with(setting)) {
      if (fits(granted)) return true;
      continue;
    }
    const auto config = instance.config_for(call_id);
    const auto settings = json::parse(config == nullptr ? "{}" : config->settings);
    if (!settings) continue;
    std::vector<std::string> hosts;
    add_hosts_of_setting(settings->root(), std::string_view{granted}.substr(setting.size()), hosts);
    if (std::find(hosts.begin(), hosts.end(), host) != hosts.end()) return true;
  }
  return false;
}

std::int32_t check_url(Instance& instance, std::uint64_t call_id, const std::string& url) {
  const auto origin = http::origin_of(url);
  if (!origin) return COF_EINVALID;
  if (origin->scheme == "http" && !origin->is_loopback) return COF_EDENIED;
  return is_granted(instance, call_id, origin->host) ? COF_OK : COF_EDENIED;
}

bool is_method(std::string_view text) noexcept {
  return !text.empty() && text.size() <= 32 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

// "420,423"
bool take_statuses(std::string_view text, std::vector<int>& statuses) {
  while (!text.empty()) {
    const auto comma = std::min(text.find(','), text.size());
    int status = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + comma, status);
    if (error != std::errc{} || end != text.data() + comma || status < 100 || status > 599 ||
        statuses.size() >= retry_statuses_max) {
      return false;
    }
    statuses.push_back(status);
    if (comma == text.size()) return true;
    text.remove_prefix(comma + 1);
    if (text.empty()) return false;
  }
  return true;
}

std::int32_t take_part(Instance& instance, const cof_http_part* given, HttpRequest& out) {
  cof_http_part part;
  std::string_view bytes;
  if (const auto status = take_struct(given, part); status != COF_OK) return status;
  if (part.reserved != 0) return COF_EUNSUPPORTED;
  if (const auto status = take_bytes(part.bytes, bytes); status != COF_OK) return status;
  if (part.file == 0) {
    if (part.offset != 0 || part.size != 0) return COF_EINVALID;
    out.request.body.emplace_back(std::string{bytes});
    return COF_OK;
  }
  const auto file = instance.services().files.find(part.file);
  if (file == nullptr) return COF_EGONE;
  if (!bytes.empty() || file->is_output() || part.offset > file->size ||
      part.size > file->size - part.offset) {
    return COF_EINVALID;
  }
  out.request.body.emplace_back(http::FileRange{
      .descriptor = file->input.get(), .offset = part.offset, .size = part.size});
  out.body_files.push_back(file);
  return COF_OK;
}

std::int32_t take_body(Instance& instance, const cof_http_request& request, HttpRequest& out) {
  if (request.part_count > parts_max || (request.part_count > 0 && request.parts == nullptr)) {
    return COF_EINVALID;
  }
  for (std::uint64_t i = 0; i < request.part_count; ++i) {
    if (const auto status = take_part(instance, request.parts[i], out); status != COF_OK) {
      return status;
    }
  }
  return COF_OK;
}

std::int32_t take_framing(Instance& instance, const cof_http_request& request, HttpRequest& out) {
  if ((request.flags & ~(std::uint32_t{COF_HTTP_IDEMPOTENT} | COF_HTTP_PULL)) != 0 ||
      request.framing < COF_HTTP_WHOLE || request.framing > COF_HTTP_FILE) {
    return COF_EUNSUPPORTED;
  }
  out.framing = request.framing;
  out.pull = (request.flags & COF_HTTP_PULL) != 0;
  out.item_bytes_max = request.item_bytes_max == 0
                           ? item_bytes_default
                           : std::min(request.item_bytes_max, item_bytes_most);
  out.response_bytes_max = request.response_bytes_max;
  if (request.framing == COF_HTTP_WHOLE) {
    const std::uint64_t wanted =
        request.response_bytes_max == 0 ? whole_bytes_default : request.response_bytes_max;
    out.response_bytes_max = std::min(wanted, instance.config()->limits.response_bytes_max);
  } else if (request.response_bytes_max == 0) {
    out.response_bytes_max = no_limit;
  }
  if ((request.framing == COF_HTTP_FILE) != (request.response_file != 0)) return COF_EINVALID;
  if (request.response_file == 0) return COF_OK;
  out.response_file = instance.services().files.find(request.response_file);
  if (out.response_file == nullptr) return COF_EGONE;
  return out.response_file->is_output() ? COF_OK : COF_EINVALID;
}

// Time limits and tries.
std::int32_t take_patience(const cof_http_request& request, http::ClientRequest& out) {
  if (request.connect_timeout_ms < 0 || request.total_timeout_ms < 0 ||
      request.idle_timeout_ms < 0 || request.retry_wait_max_ms < 0 || request.tries_max < 0) {
    return COF_EINVALID;
  }
  if (request.connect_timeout_ms > 0) out.connect_timeout = Milliseconds{request.connect_timeout_ms};
  if (request.idle_timeout_ms > 0) out.idle_timeout = Milliseconds{request.idle_timeout_ms};
  out.total_timeout = Milliseconds{request.total_timeout_ms};
  out.retry_wait_max = Milliseconds{request.retry_wait_max_ms};
  if (request.tries_max > 0) out.tries_max = request.tries_max;
  out.idempotent = (request.flags & COF_HTTP_IDEMPOTENT) != 0;
  return COF_OK;
}

}  // namespace

std::int32_t take_http_request(Instance& instance, std::uint64_t call_id,
                               const cof_http_request* given, HttpRequest& out) {
  cof_http_request request;
  std::string_view method, url, headers, retry_statuses;
  if (const auto status = take_struct(given, request); status != COF_OK) return status;
  if (const auto status =
          first_of({take_text(request.method, method), take_text(request.url, url, 16'384),
                    take_text(request.headers, headers),
                    take_text(request.retry_statuses, retry_statuses)});
      status != COF_OK) {
    return status;
  }
  out.request.method = method;
  out.request.url = url;
  out.request.owner = instance.id();
  out.request.connections_per_host_max =
      std::max(1, instance.config()->limits.http_connections_per_host_max);
  // The client counts what comes; what is too much is decided here, where the framing is known.
  out.request.response_bytes_max = no_limit;
  if (!is_method(method) || !take_statuses(retry_statuses, out.request.retry_statuses)) {
    return COF_EINVALID;
  }
  // One after the other, so that a refused request touches no file.
  if (auto status = take_patience(request, out.request); status != COF_OK) return status;
  if (auto status = take_header_lines(headers, out.request.headers); status != COF_OK) return status;
  if (auto status = take_framing(instance, request, out); status != COF_OK) return status;
  if (auto status = check_url(instance, call_id, out.request.url); status != COF_OK) return status;
  return take_body(instance, request, out);
}

}  // namespace cofounder::host
