// SPDX-License-Identifier: Apache-2.0
#include "tests/ctl/fake_daemon.hpp"

#include "core/base/json.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cassert>
#include <cstdlib>
#include <cstring>

namespace cofounder::test {

FakeDaemon::FakeDaemon(Script script) : script_{std::move(script)} {
  std::string pattern = (std::filesystem::temp_directory_path() / "cof-ctl-XXXXXX").native();
  folder_ = ::mkdtemp(pattern.data());
  socket_ = folder_ / "control.sock";
  listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  assert(socket_.native().size() < sizeof address.sun_path);
  std::memcpy(address.sun_path, socket_.c_str(), socket_.native().size());
  const int bound = ::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const int listening = ::listen(listener_, 16);
  assert(bound == 0 && listening == 0);
  stop_ = ::eventfd(0, EFD_CLOEXEC);
  acceptor_ = std::thread{[this] { accept_all(); }};
}

FakeDaemon::~FakeDaemon() {
  ::eventfd_write(stop_, 1);
  acceptor_.join();
  {
    const std::lock_guard lock{mutex_};
    for (const int descriptor : open_) ::shutdown(descriptor, SHUT_RDWR);
  }
  for (std::thread& connection : connections_) connection.join();
  ::close(listener_);
  ::close(stop_);
  std::filesystem::remove_all(folder_);
}

void FakeDaemon::refuse_bodies(std::string answer) {
  const std::lock_guard lock{mutex_};
  refusal_ = std::move(answer);
}

std::vector<SeenRequest> FakeDaemon::seen() const {
  const std::lock_guard lock{mutex_};
  return seen_;
}

void FakeDaemon::accept_all() {
  for (;;) {
    pollfd both[] = {{listener_, POLLIN, 0}, {stop_, POLLIN, 0}};
    ::poll(both, 2, -1);
    if (both[1].revents != 0) return;
    const int descriptor = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (descriptor < 0) continue;
    const std::lock_guard lock{mutex_};
    open_.push_back(descriptor);
    connections_.emplace_back([this, descriptor] { serve(descriptor); });
  }
}

namespace {

bool read_more(int descriptor, std::string& text) {
  char piece[65536];
  const ssize_t got = ::recv(descriptor, piece, sizeof piece, 0);
  if (got > 0) text.append(piece, static_cast<std::size_t>(got));
  return got > 0;
}

void send_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

}  // namespace

void FakeDaemon::serve(int descriptor) {
  std::string text;
  std::size_t end = 0;
  while ((end = text.find("\r\n\r\n")) == std::string::npos && read_more(descriptor, text)) {
  }
  std::optional<std::string> answer;
  if (end != std::string::npos) {
    SeenRequest request;
    request.head = text.substr(0, end + 2);
    request.method = text.substr(0, text.find(' '));
    const auto target = request.method.size() + 1;
    request.target = text.substr(target, text.find(' ', target) - target);
    {
      const std::lock_guard lock{mutex_};
      if (request.method == "POST") answer = refusal_;
    }
    if (!answer) {
      std::size_t length = 0;
      const auto header = request.head.find("Content-Length: ");
      if (header != std::string::npos) length = std::stoul(request.head.substr(header + 16));
      while (text.size() < end + 4 + length && read_more(descriptor, text)) {
      }
      request.body = text.substr(end + 4);
      {
        const std::lock_guard lock{mutex_};
        seen_.push_back(request);
      }
      const std::lock_guard lock{script_mutex_};
      answer = script_(request);
    }
  }
  if (answer) {
    send_all(descriptor, *answer);
    ::shutdown(descriptor, SHUT_WR);
  }
  // Until the client has gone, so that it is never reset while it reads.
  while (read_more(descriptor, text)) text.clear();
  const std::lock_guard lock{mutex_};
  std::erase(open_, descriptor);
  ::close(descriptor);
}

std::string http_answer(int status, std::string_view body, std::string_view content_type) {
  return "HTTP/1.1 " + std::to_string(status) +
         " Status\r\nContent-Type: " + std::string{content_type} +
         "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string{body};
}

std::string error_answer(int status, std::string_view code, std::string_view message,
                         std::string_view hint) {
  Error error = make_error(std::string{code}, std::string{message});
  error.hint = hint;
  return http_answer(status, "{\"error\":" + json::to_json(error) + "}");
}

}  // namespace cofounder::test
