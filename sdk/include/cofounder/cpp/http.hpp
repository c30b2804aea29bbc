// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "file.hpp"
#include "host.hpp"
#include "reply.hpp"

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cofounder::sdk::inline v1 {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

namespace detail {

inline std::string header_lines(const HttpHeaders& headers) {
  std::string lines;
  for (const auto& [name, value] : headers)
    lines.append(name).append(": ").append(value).append("\n");
  return lines;
}

inline HttpHeaders parse_header_lines(std::string_view lines) {
  HttpHeaders headers;
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(lines.size(), line.size() + 1));
    const std::size_t colon = line.find(": ");
    if (colon == std::string_view::npos) continue;
    headers.emplace_back(line.substr(0, colon), line.substr(colon + 2));
  }
  return headers;
}

inline std::string_view find_header(const HttpHeaders& headers, std::string_view name) noexcept {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return {};
}

}  // namespace detail

// A piece of a request's body: bytes, or a range of an open file.
class HttpPart {
 public:
  HttpPart(std::string content) : bytes{std::move(content)} {}
  HttpPart(const File& open_file, std::uint64_t from, std::uint64_t count)
      : file{open_file.handle()}, offset{from}, size{count} {}

  std::string bytes;
  std::uint64_t file = 0;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

// A multipart/form-data body.  Files are not read here, but while the request is sent.
class Multipart {
 public:
  Multipart();
  // For tests that need the same bytes every time.
  explicit Multipart(std::string boundary) : boundary_{std::move(boundary)} {}

  Multipart& field(std::string_view name, std::string_view value);
  Multipart& file(std::string_view name, std::string_view file_name, const File& file,
                  std::uint64_t offset, std::uint64_t size,
                  std::string_view type = "application/octet-stream");
  Multipart& bytes(std::string_view name, std::string_view file_name, std::string_view content,
                   std::string_view type = "application/octet-stream");

  std::string content_type() const { return "multipart/form-data; boundary=" + boundary_; }
  // Ends the body; use the builder no more.
  std::vector<HttpPart> finish();

 private:
  void open(std::string_view name, std::string_view file_name, std::string_view type);

  std::string boundary_;
  std::string text_;
  std::vector<HttpPart> parts_;
};

// A request.  Not an aggregate on purpose: see task.hpp.
class HttpRequest {
 public:
  HttpRequest(std::string its_method, std::string its_url)
      : method{std::move(its_method)}, url{std::move(its_url)} {}

  HttpRequest& header(std::string name, std::string value) {
    headers.emplace_back(std::move(name), std::move(value));
    return *this;
  }
  HttpRequest& body(std::string bytes, std::string type) {
    parts.clear();
    parts.emplace_back(std::move(bytes));
    return header("Content-Type", std::move(type));
  }
  HttpRequest& json(const Json& value) { return body(to_text(value), "application/json"); }
  HttpRequest& multipart(Multipart form) {
    header("Content-Type", form.content_type());
    parts = form.finish();
    return *this;
  }

  std::string method;
  std::string url;
  HttpHeaders headers;
  std::vector<HttpPart> parts;
  bool idempotent = false;               // the same request twice does no harm
  Milliseconds connect_timeout{0};       // 0: 5 s
  Milliseconds total_timeout{0};         // of one try; 0: the call's deadline only
  Milliseconds idle_timeout{0};          // 0: 60 s
  Milliseconds retry_wait_max{0};        // a longer Retry-After is not waited for; 0: 60 s
  std::uint64_t response_bytes_max = 0;  // 0: 8 MiB for a whole answer, no limit else
  std::uint64_t item_bytes_max = 0;      // longest line or event; 0: 1 MiB
  std::int32_t tries_max = 0;            // 0: 3; 1: none is tried again
  std::string retry_statuses;            // tried again besides the usual ones: "420,423"
};

// An answer that came completely, of whatever status code.
struct HttpResponse {
  int status = 0;
  HttpHeaders headers;  // names in lower case
  std::string body;
  std::uint64_t received_bytes = 0;
  Milliseconds retry_after{0};  // what the answer asked for; 0: nothing

  bool ok() const noexcept { return status >= 200 && status < 300; }
  // The first header of that lower-case name, or "".
  std::string_view header(std::string_view name) const noexcept {
    return detail::find_header(headers, name);
  }
};

// A chunk, line or server-sent event of a streamed answer.
struct HttpItem {
  std::string body;
  std::string event;  // server-sent events: "event:"
  std::string id;     // server-sent events: "id:"
};

enum class Framing : std::int32_t {
  chunks = COF_HTTP_CHUNKS,
  lines = COF_HTTP_LINES,
  sse = COF_HTTP_SSE
};

class HttpStream;

// HTTP for one call; got from Context::http().
class Http {
 public:
  Http(const detail::HostTables& tables, std::uint64_t call_id) noexcept
      : tables_{&tables}, call_id_{call_id} {}

  Future<HttpResponse> get(std::string url) const {
    return send(HttpRequest{"GET", std::move(url)});
  }
  // The whole answer.
  Future<HttpResponse> send(const HttpRequest& request) const;
  // The body of a 2xx goes into `into`, opened for writing; commit() it afterwards.
  Future<HttpResponse> download(const HttpRequest& request, const File& into) const;
  // Answers as soon as the head of a 2xx is there; another answer comes whole, as error_body().
  Future<HttpStream> stream(const HttpRequest& request, Framing framing = Framing::chunks) const;

 private:
  const detail::HostTables* tables_;
  std::uint64_t call_id_;
};

}  // namespace cofounder::sdk::inline v1

#include "http_exchange.hpp"
