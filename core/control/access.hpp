// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/config.hpp"
#include "core/http/server.hpp"

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cofounder {

std::string_view to_string(Access access) noexcept;
std::optional<Access> parse_access(std::string_view text) noexcept;  // "public" is Access::none

// Who may do what: the names of [control.access] as numbers.  A name that the system does not know
// is a warning in the log and gives nobody anything.
class AccessRules {
 public:
  void load(const std::map<Access, std::vector<std::string>>& lists);

  // The highest class that lists the peer's user or one of its groups; none for remote peers.
  Access of(const http::Peer& peer) const noexcept;

 private:
  std::map<uid_t, Access> users_;
  std::map<gid_t, Access> groups_;
};

// "alice (uid 1000)", for messages and NewTask::submitter ("uid:1000").
std::string name_of(const http::Peer& peer);
std::string submitter_of(const http::Peer& peer);

}  // namespace cofounder
