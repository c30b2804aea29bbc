// SPDX-License-Identifier: Apache-2.0
// What reaches journald.  Its socket has a fixed place, so each test has a /run of its own: in a
// mount namespace, which root may always make and others mostly.
#include "core/base/log.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>

namespace cofounder {
namespace {

// The other end of sd_journal_sendv(); -1 when there can be none, with the reason in errno.
int make_journal_socket() {
  if (::unshare(CLONE_NEWNS) != 0 && ::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return -1;
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return -1;
  if (::mount("none", "/run", "tmpfs", 0, nullptr) != 0) return -1;
  ::mkdir("/run/systemd", 0755);
  ::mkdir("/run/systemd/journal", 0755);
  const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, "/run/systemd/journal/socket");
  if (::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return -1;
  return socket;
}

// One entry as journald gets it: NAME=value lines, or NAME, the length and the bytes.
std::map<std::string, std::string> receive_entry(int socket) {
  std::string entry(256 << 10, '\0');
  timeval patience{10, 0};
  ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  const ssize_t got = ::recv(socket, entry.data(), entry.size(), 0);
  if (got < 0) throw std::runtime_error{std::string{"no entry came: "} + std::strerror(errno)};
  entry.resize(static_cast<std::size_t>(got));
  std::map<std::string, std::string> fields;
  for (std::size_t at = 0; at < entry.size();) {
    const std::size_t line = entry.find('\n', at);
    const std::size_t equals = entry.find('=', at);
    if (equals < line) {
      fields.emplace(entry.substr(at, equals - at), entry.substr(equals + 1, line - equals - 1));
      at = line + 1;
    } else {
      std::uint64_t size = 0;
      std::memcpy(&size, entry.data() + line + 1, sizeof size);
      fields.emplace(entry.substr(at, line - at), entry.substr(line + 9, size));
      at = line + 9 + size + 1;
    }
  }
  return fields;
}

// Runs `test` in a child with a journal socket of its own.  What it throws is the failure.
void with_journal(const std::function<void(int socket)>& test) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    std::string said;
    int code = 0;
    const int socket = make_journal_socket();
    if (socket < 0) {
      said = std::strerror(errno);
      code = 77;
    } else {
      try {
        test(socket);
      } catch (const std::exception& error) {
        said = error.what();
        code = 1;
      }
    }
    static_cast<void>(!::write(ends[1], said.data(), said.size()));
    ::_exit(code);
  }
  ::close(ends[1]);
  std::string said;
  char buffer[512];
  for (ssize_t got; (got = ::read(ends[0], buffer, sizeof buffer)) > 0;) {
    said.append(buffer, static_cast<std::size_t>(got));
  }
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
    GTEST_SKIP() << "no mount namespace can be made here: " << said;
  }
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << said << " (status " << status << ")";
}

void expect(bool is_true, const std::string& what) {
  if (!is_true) throw std::runtime_error{what};
}

log::Options to_journal(std::size_t lines_max) {
  log::Options options;
  options.target = log::Options::Target::journal;
  options.lines_max = lines_max;
  return options;
}

TEST(Journal, GetsPluginTaskAndCallAsFields) {
  with_journal([](int socket) {
    log::open(to_journal(100));
    log::warning("it is slow", {{"COF_PLUGIN", "hello"},
                                {"COF_TASK", "01abc"},
                                {"COF_CALL", "42"},
                                {"COF_ATTEMPT", "2"}});
    auto entry = receive_entry(socket);
    expect(entry["MESSAGE"] == "it is slow", "MESSAGE is " + entry["MESSAGE"]);
    expect(entry["PRIORITY"] == "4", "PRIORITY is " + entry["PRIORITY"]);
    expect(entry["SYSLOG_IDENTIFIER"] == "cofounderd", "no SYSLOG_IDENTIFIER");
    expect(entry["COF_PLUGIN"] == "hello", "COF_PLUGIN is " + entry["COF_PLUGIN"]);
    expect(entry["COF_TASK"] == "01abc", "COF_TASK is " + entry["COF_TASK"]);
    expect(entry["COF_CALL"] == "42", "COF_CALL is " + entry["COF_CALL"]);
    expect(entry["COF_ATTEMPT"] == "2", "COF_ATTEMPT is " + entry["COF_ATTEMPT"]);
    // A value cannot become a field of its own.
    log::error("first\nPRIORITY=7", {{"COF_PLUGIN", "x\nCOF_TASK=forged"}});
    entry = receive_entry(socket);
    expect(entry["PRIORITY"] == "3", "PRIORITY is " + entry["PRIORITY"]);
    expect(!entry.contains("COF_TASK"), "a field was forged");
    log::close();
  });
}

TEST(Journal, ThatTakesNothingBlocksNobody) {
  with_journal([](int socket) {
    log::open(to_journal(100));
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < 20'000; ++i) log::info("line " + std::to_string(i));
    const auto took = std::chrono::steady_clock::now() - begin;
    expect(took < std::chrono::seconds{2}, "logging waited for the journal");
    const auto dropped = log::dropped();
    // What the socket holds, and what waits: the rest is dropped, and counted.
    expect(dropped > 10'000, "only " + std::to_string(dropped) + " were dropped");
    expect(receive_entry(socket)["MESSAGE"] == "line 0", "the first line is lost");
    // The end does not wait for it either.
    const auto closing = std::chrono::steady_clock::now();
    log::close();
    expect(std::chrono::steady_clock::now() - closing < std::chrono::seconds{5}, "close() hangs");
  });
}

}  // namespace
}  // namespace cofounder
