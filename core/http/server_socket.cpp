// SPDX-License-Identifier: Apache-2.0
#include "core/http/server_socket.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <system_error>

namespace cofounder::http {

namespace {

constexpr int backlog = 1024;

[[noreturn]] void fail(int error, const std::string& what) {
  throw std::system_error{error, std::generic_category(), what};
}

class Descriptor {
 public:
  explicit Descriptor(int value) noexcept : value_{value} {}
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const noexcept { return value_; }
  int release() noexcept { return std::exchange(value_, -1); }

 private:
  int value_;
};

int open_socket(int family) {
  const int descriptor = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) fail(errno, "socket");
  return descriptor;
}

template <class Address>
const sockaddr* plain(const Address& address) noexcept {
  return reinterpret_cast<const sockaddr*>(&address);
}

// Takes a socket file away that nobody listens on.
void remove_stale(const std::filesystem::path& path, const sockaddr_un& address) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return;
    fail(errno, path.string());
  }
  if (!S_ISSOCK(status.st_mode)) fail(EEXIST, path.string() + " is there and is no socket");
  const Descriptor probe{open_socket(AF_UNIX)};
  const int result = ::connect(probe.get(), plain(address), sizeof address);
  if (result == 0 || errno != ECONNREFUSED) {
    fail(EADDRINUSE, path.string() + ": another daemon listens there");
  }
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) fail(errno, path.string());
}

struct TcpAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

TcpAddress parse_tcp_address(std::string_view text) {
  const std::string whole{text};
  const std::size_t colon = whole.rfind(':');
  if (colon == std::string::npos) fail(EINVAL, whole + " is not ADDRESS:PORT");
  std::uint16_t port = 0;
  const char* const end = whole.data() + whole.size();
  const auto parsed = std::from_chars(whole.data() + colon + 1, end, port);
  if (parsed.ec != std::errc{} || parsed.ptr != end) fail(EINVAL, whole + " has no valid port");
  std::string host = whole.substr(0, colon);
  TcpAddress address;
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
    auto& v6 = reinterpret_cast<sockaddr_in6&>(address.storage);
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    address.size = sizeof v6;
    if (::inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1) return address;
  } else {
    auto& v4 = reinterpret_cast<sockaddr_in&>(address.storage);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    address.size = sizeof v4;
    if (::inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) return address;
  }
  fail(EINVAL, whole + ": " + host + " is no IP address");
}

std::vector<gid_t> groups_of(int descriptor, gid_t primary) {
  std::vector<gid_t> groups(32);
  for (;;) {
    auto size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    if (::getsockopt(descriptor, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) == 0) {
      groups.resize(size / sizeof(gid_t));
      break;
    }
    if (errno != ERANGE) {
      groups.clear();
      break;
    }
    groups.resize(size / sizeof(gid_t));
  }
  // The supplementary groups do not always name the primary one.
  groups.push_back(primary);
  groups.shrink_to_fit();
  return groups;
}

}  // namespace

int open_unix_listener(const std::filesystem::path& path, mode_t mode, gid_t group) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string text = path.string();
  if (text.empty() || text.size() >= sizeof address.sun_path) {
    fail(ENAMETOOLONG, text + ": a socket's path has 1 to 107 bytes");
  }
  std::memcpy(address.sun_path, text.data(), text.size());
  remove_stale(path, address);
  Descriptor listener{open_socket(AF_UNIX)};
  if (::bind(listener.get(), plain(address), sizeof address) != 0) fail(errno, text);
  // Nobody can connect before listen(), so the rights are in place before the first client.
  if (group != static_cast<gid_t>(-1) &&
      ::lchown(text.c_str(), static_cast<uid_t>(-1), group) != 0) {
    fail(errno, text + ": setting the group");
  }
  if (::chmod(text.c_str(), mode) != 0) fail(errno, text + ": setting the mode");
  if (::listen(listener.get(), backlog) != 0) fail(errno, text);
  return listener.release();
}

int open_tcp_listener(std::string_view text, std::uint16_t& port) {
  TcpAddress address = parse_tcp_address(text);
  Descriptor listener{open_socket(address.storage.ss_family)};
  const int on = 1;
  ::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(listener.get(), plain(address.storage), address.size) != 0 ||
      ::listen(listener.get(), backlog) != 0) {
    fail(errno, std::string{text});
  }
  socklen_t size = sizeof address.storage;
  if (::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address.storage), &size) != 0) {
    fail(errno, std::string{text});
  }
  port = ntohs(address.storage.ss_family == AF_INET6
                   ? reinterpret_cast<sockaddr_in6&>(address.storage).sin6_port
                   : reinterpret_cast<sockaddr_in&>(address.storage).sin_port);
  return listener.release();
}

void adopt_listener(int descriptor) {
  int listens = 0;
  socklen_t size = sizeof listens;
  if (::getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0) {
    fail(errno, "the descriptor from the service manager");
  }
  if (listens == 0) fail(EINVAL, "the descriptor from the service manager does not listen");
  ::fcntl(descriptor, F_SETFL, ::fcntl(descriptor, F_GETFL) | O_NONBLOCK);
  ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
}

Peer peer_of(int descriptor) {
  Peer peer;
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getpeername(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0) return peer;
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET) {
    ::inet_ntop(AF_INET, &reinterpret_cast<sockaddr_in&>(address).sin_addr, text, sizeof text);
    peer.address = text;
  } else if (address.ss_family == AF_INET6) {
    ::inet_ntop(AF_INET6, &reinterpret_cast<sockaddr_in6&>(address).sin6_addr, text, sizeof text);
    peer.address = text;
  } else if (address.ss_family == AF_UNIX) {
    peer.is_local = true;
    ucred credentials{};
    size = sizeof credentials;
    if (::getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return peer;
    peer.uid = credentials.uid;
    peer.groups = groups_of(descriptor, credentials.gid);
  }
  return peer;
}

bool is_hung_up(int descriptor) noexcept {
  pollfd poll{descriptor, 0, 0};
  return ::poll(&poll, 1, 0) == 1 && (poll.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
}

}  // namespace cofounder::http
