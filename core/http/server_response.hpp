// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/http/server.hpp"

#include <string>
#include <string_view>

namespace cofounder::http {

// What decides how an answer is framed.
struct ResponseFrame {
  bool keep_alive = true;
  bool is_chunked = false;  // a stream to an HTTP/1.1 client
  bool is_stream = false;   // no Content-Length
  std::string_view date;    // "Mon, 23 Nov 2026 17:01:20 GMT"
  std::string_view server_name;
};

// 204, 304 and 1xx have no body.
bool may_have_body(int status) noexcept;

// Appends status line and headers.  Headers of `response` that are about framing, or could break
// out of their line, are left away.
void append_head(std::string& out, const ServerResponse& response, const ResponseFrame& frame);

// As HTTP wants it (RFC 9110, 5.6.7).
std::string http_date(Time time);

}  // namespace cofounder::http
