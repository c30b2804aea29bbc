// SPDX-License-Identifier: Apache-2.0
#include "tests/store/fault_proxy.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace cofounder::test {
namespace {

constexpr const char* socket_name = ".s.PGSQL.5432";

sockaddr_un address_of(const std::string& file) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (file.size() >= sizeof address.sun_path) throw std::runtime_error{"a path is too long"};
  std::memcpy(address.sun_path, file.data(), file.size());
  return address;
}

bool send_all(int to, const char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t sent = ::send(to, data, size, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    data += sent;
    size -= static_cast<std::size_t>(sent);
  }
  return true;
}

}  // namespace

FaultProxy::FaultProxy(std::filesystem::path folder, std::string server_folder)
    : file_{std::move(folder) / socket_name}, server_file_{server_folder + "/" + socket_name} {
  listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_un address = address_of(file_.string());
  if (::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener_, 64) != 0) {
    throw std::runtime_error{"the proxy cannot listen"};
  }
  thread_ = std::thread{[this] { run(); }};
}

FaultProxy::~FaultProxy() {
  stop_ = true;
  thread_.join();
  ::close(listener_);
}

void FaultProxy::run() {
  constexpr int look_every_ms = 5;
  while (!stop_) {
    std::vector<pollfd> waits{{listener_, POLLIN, 0}};
    for (const Pair& pair : pairs_) {
      waits.push_back({pair.client, POLLIN, 0});
      waits.push_back({pair.server, POLLIN, 0});
    }
    ::poll(waits.data(), waits.size(), look_every_ms);
    const std::size_t known = pairs_.size();
    for (std::size_t i = 0; i < known; ++i) {
      if (waits[1 + 2 * i].revents != 0) from_client(pairs_[i]);
      if (!pairs_[i].over && waits[2 + 2 * i].revents != 0) from_server(pairs_[i]);
    }
    if (waits[0].revents != 0) accept();
    const bool drop = drop_.exchange(false);
    for (Pair& pair : pairs_) {
      answer(pair, Steady::now());
      if (!pair.over && !drop) continue;
      ::close(pair.client);
      ::close(pair.server);
      pair.over = true;
    }
    std::erase_if(pairs_, [](const Pair& pair) { return pair.over; });
  }
  for (const Pair& pair : pairs_) {
    ::close(pair.client);
    ::close(pair.server);
  }
}

void FaultProxy::accept() {
  Pair pair;
  pair.client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  if (pair.client < 0) return;
  pair.server = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_un address = address_of(server_file_);
  if (away_ || ::connect(pair.server, reinterpret_cast<const sockaddr*>(&address),
                         sizeof address) != 0) {
    ::close(pair.client);
    ::close(pair.server);
    return;
  }
  ++accepted_;
  pairs_.push_back(std::move(pair));
}

void FaultProxy::from_client(Pair& pair) {
  std::array<char, 65536> buffer{};
  const ssize_t size = ::recv(pair.client, buffer.data(), buffer.size(), 0);
  if (size <= 0) {
    pair.over = true;
    return;
  }
  const std::string_view bytes{buffer.data(), static_cast<std::size_t>(size)};
  // Without prepared statements each commit says so in plain text.
  if (at_commit_ != AtCommit::pass && bytes.find("COMMIT") != std::string_view::npos) {
    const AtCommit what = at_commit_;
    if (what == AtCommit::lose_request) {
      pair.over = true;
      at_commit_ = AtCommit::pass;
      return;
    }
    pair.deaf = true;
  }
  if (!send_all(pair.server, buffer.data(), static_cast<std::size_t>(size))) pair.over = true;
}

void FaultProxy::from_server(Pair& pair) {
  std::array<char, 65536> buffer{};
  const ssize_t size = ::recv(pair.server, buffer.data(), buffer.size(), 0);
  if (size <= 0 || pair.deaf) {
    // That it answers means that it has committed.
    if (pair.deaf) {
      if (at_commit_ == AtCommit::leave) away_ = true;
      at_commit_ = AtCommit::pass;
    }
    pair.over = true;
    return;
  }
  pair.answers.push_back(
      {Steady::now() + delay_.load(), std::string{buffer.data(), static_cast<std::size_t>(size)}});
}

void FaultProxy::answer(Pair& pair, Steady::time_point now) {
  while (!pair.over && !pair.answers.empty() && pair.answers.front().when <= now) {
    const std::string bytes = std::move(pair.answers.front().bytes);
    pair.answers.erase(pair.answers.begin());
    if (!send_all(pair.client, bytes.data(), bytes.size())) pair.over = true;
  }
}

}  // namespace cofounder::test
