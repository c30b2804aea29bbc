// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/ctl/command.hpp"

#include <filesystem>
#include <optional>
#include <string>

// Who is logged in: what `cofounderctl login` leaves for the other commands.
namespace cofounder::ctl {

struct Login {
  std::string socket;   // the daemon that gave the token: no other one gets it
  std::string token;
  std::string subject;  // "github:583231"
};

// $XDG_CONFIG_HOME/cofounderd/session, or below ~/.config.  A Failure when there is neither.
std::filesystem::path login_file();

// The login at this session's daemon; none without a file, or when it is of another daemon.  A
// Failure for a file that others may read, or that makes no sense.
std::optional<Login> find_login(const Session& session);

// By rename, so that nobody ever reads half of it; for the user only (0600).
void keep_login(const Session& session, Login login);
void forget_login();

}  // namespace cofounder::ctl
