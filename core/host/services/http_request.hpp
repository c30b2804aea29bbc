// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/host/services/open_file.hpp"
#include "core/http/client.hpp"

#include <cofounder/services/http.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace cofounder::host {

class Instance;

// A cof_http_request, checked and copied.
struct HttpRequest {
  http::ClientRequest request;
  std::vector<std::shared_ptr<OpenFile>> body_files;  // what `request` reads from
  std::shared_ptr<OpenFile> response_file;
  std::int32_t framing = COF_HTTP_WHOLE;
  bool pull = false;
  std::uint64_t response_bytes_max = 0;  // after the host's limits
  std::uint64_t item_bytes_max = 0;
};

// The statuses of cof.http/1 start().
std::int32_t take_http_request(Instance& instance, std::uint64_t call_id,
                               const cof_http_request* given, HttpRequest& out);

}  // namespace cofounder::host
