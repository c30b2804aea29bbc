// SPDX-License-Identifier: Apache-2.0
#include "core/ctl/connection.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace cofounder::ctl {
namespace {

std::string reason(int number) { return std::generic_category().message(number); }

Error unreachable(const std::filesystem::path& socket, std::string_view why) {
  Error error = make_error(
      "unreachable", "cannot reach the daemon at " + socket.native() + ": " + std::string{why});
  error.hint =
      "is it running (systemctl status cofounderd)? --socket or COFOUNDERD_SOCKET names "
      "another socket";
  return error;
}

Error denied(const std::filesystem::path& socket) {
  Error error = make_error("denied", "you may not connect to " + socket.native());
  error.hint = "its group may: add yourself to it (usermod -aG cofounderd NAME) and log in again";
  return error;
}

Error no_answer(Milliseconds silence_max) {
  return make_error("no_answer", "the daemon did not answer within " +
                                     std::to_string(silence_max.count()) + " ms");
}

// Waits for `events`; false when the time is over first.
bool wait_for(int descriptor, short events, Milliseconds time) {
  pollfd poller{descriptor, events, 0};
  const int milliseconds = static_cast<int>(std::min<std::int64_t>(time.count(), 1 << 30));
  int ready = 0;
  do {
    ready = ::poll(&poller, 1, milliseconds);
  } while (ready < 0 && errno == EINTR);
  return ready != 0;
}

}  // namespace

Error bad_answer(std::string_view why) {
  Error error = make_error("bad_answer", "the answer makes no sense: " + std::string{why});
  error.hint = "is it cofounderd that listens on this socket?";
  return error;
}

Connection::~Connection() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<Connection> Connection::open(const std::filesystem::path& socket) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string& path = socket.native();
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return unreachable(socket, "the path of a socket has 1 to 107 bytes");
  }
  std::memcpy(address.sun_path, path.data(), path.size());

  Connection connection{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  if (connection.descriptor_ < 0) return unreachable(socket, reason(errno));
  // A full backlog would hold connect() for ever.
  const timeval most{10, 0};
  ::setsockopt(connection.descriptor_, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof most);
  // The C interface of sockets wants this cast.
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  if (::connect(connection.descriptor_, generic, sizeof address) != 0) {
    if (errno == EACCES || errno == EPERM) return denied(socket);
    return unreachable(socket, errno == EAGAIN ? "it is too busy to answer" : reason(errno));
  }
  return connection;
}

Result<bool> Connection::send(std::string_view bytes, Milliseconds silence_max) {
  while (!bytes.empty()) {
    const ssize_t sent =
        ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN) {
      if (!wait_for(descriptor_, POLLOUT, silence_max)) return no_answer(silence_max);
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

Result<bool> Connection::fill(Milliseconds silence_max) {
  for (;;) {
    if (!wait_for(descriptor_, POLLIN, silence_max)) return no_answer(silence_max);
    char piece[65536];
    const ssize_t got = ::recv(descriptor_, piece, sizeof piece, MSG_DONTWAIT);
    if (got > 0) {
      buffer_.append(piece, static_cast<std::size_t>(got));
      return true;
    }
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    return false;  // closed, or broken off: what is missing will be missed
  }
}

}  // namespace cofounder::ctl
