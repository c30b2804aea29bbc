// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/http/server.hpp"

#include <filesystem>
#include <string_view>

// The sockets behind http::Server, as plain descriptors.  All throw std::system_error.
namespace cofounder::http {

// See Server::listen_unix.
int open_unix_listener(const std::filesystem::path& path, mode_t mode, gid_t group);
// See Server::listen_tcp.
int open_tcp_listener(std::string_view address, std::uint16_t& port);
// Checks that it is a listening stream socket; makes it non-blocking and close-on-exec.
void adopt_listener(int descriptor);

// Who is at the other end of an accepted socket.  One whose credentials cannot be read has no
// groups and no user, so no rights.
Peer peer_of(int descriptor);

// The other end closed its whole socket (not only its writing half), or the connection broke.
bool is_hung_up(int descriptor) noexcept;

}  // namespace cofounder::http
