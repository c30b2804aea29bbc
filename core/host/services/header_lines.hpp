// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cofounder::host {

using HeaderLines = std::vector<std::pair<std::string, std::string>>;

// Lines "Name: value", each ended by '\n', as plugins give them: COF_OK; COF_EINVALID for what is no
// header and for one that only the host may set (lengths, connections).
std::int32_t take_header_lines(std::string_view text, HeaderLines& headers);
std::string header_lines(const HeaderLines& headers);

}  // namespace cofounder::host
