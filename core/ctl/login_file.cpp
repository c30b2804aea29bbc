// SPDX-License-Identifier: Apache-2.0
#include "core/ctl/login_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string_view>
#include <system_error>

namespace cofounder::ctl {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t file_bytes_max = 16u << 10;
constexpr std::size_t token_bytes_max = 4096;

struct Descriptor {
  int number;
  explicit Descriptor(int n) noexcept : number{n} {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number >= 0) ::close(number);
  }
};

[[noreturn]] void fail_with(const char* code, const fs::path& file, const std::string& why) {
  fail(exit_code::failed, code, file.native() + " " + why,
       "remove it and log in again: cofounderctl login");
}

std::string reason() { return std::generic_category().message(errno); }

// A daemon is known by its socket's path.
std::string daemon_of(const Session& session) {
  std::error_code error;
  const fs::path path = fs::absolute(session.http.socket(), error);
  return (error ? session.http.socket() : path.lexically_normal()).native();
}

// What may stand in a header after "Bearer " (RFC 6750).
bool is_token(std::string_view text) noexcept {
  constexpr std::string_view others = "-._~+/=";
  if (text.empty() || text.size() > token_bytes_max) return false;
  for (const char c : text) {
    const bool is_word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!is_word && others.find(c) == std::string_view::npos) return false;
  }
  return true;
}

// Nothing when there is no file.
std::optional<std::string> read_file(const fs::path& path) {
  // Not through a link, and without waiting for a FIFO's other end.
  const Descriptor file{
      ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)};
  if (file.number < 0 && (errno == ENOENT || errno == ENOTDIR)) return std::nullopt;
  if (file.number < 0) fail_with("session_unreadable", path, "cannot be read: " + reason());
  struct stat status{};
  if (::fstat(file.number, &status) != 0 || !S_ISREG(status.st_mode)) {
    fail_with("session_unreadable", path, "is not a regular file");
  }
  if (status.st_uid != ::geteuid() || (status.st_mode & 077) != 0) {
    fail_with("session_exposed", path, "is not for you alone (chmod 600)");
  }
  std::string text(file_bytes_max, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = ::read(file.number, text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail_with("session_unreadable", path, "cannot be read: " + reason());
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  text.resize(size);
  return text;
}

bool write_all(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t put = ::write(file, text.data(), text.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(put));
  }
  return ::fsync(file) == 0;
}

}  // namespace

fs::path login_file() {
  // Relative ones are to be ignored, says the XDG specification.
  const char* config = std::getenv("XDG_CONFIG_HOME");
  if (config != nullptr && *config == '/') return fs::path{config} / "cofounderd" / "session";
  const char* home = std::getenv("HOME");
  if (home != nullptr && *home == '/') return fs::path{home} / ".config" / "cofounderd" / "session";
  fail(exit_code::failed, "no_home", "neither XDG_CONFIG_HOME nor HOME says where your files are",
       "--print prints the session instead of keeping it");
}

std::optional<Login> find_login(const Session& session) {
  const fs::path path = login_file();
  const auto text = read_file(path);
  if (!text) return std::nullopt;
  const auto document = json::parse(*text);
  const json::View root = document ? document->root() : json::View{};
  Login login{root.string_or("socket", ""), root.string_or("token", ""),
              root.string_or("subject", "")};
  if (login.socket.empty() || !is_token(login.token)) {
    fail_with("session_unreadable", path, "holds no session");
  }
  if (login.socket != daemon_of(session)) return std::nullopt;
  return login;
}

void keep_login(const Session& session, Login login) {
  if (!is_token(login.token)) {
    fail(exit_code::failed, "bad_answer", "what the daemon gave is no session");
  }
  login.socket = daemon_of(session);
  const fs::path path = login_file();
  std::error_code error;
  fs::create_directories(path.parent_path().parent_path(), error);
  ::mkdir(path.parent_path().c_str(), 0700);  // what is wrong with it is seen below
  json::Writer out;
  out.begin_object().member("socket", login.socket).member("token", login.token);
  out.member("subject", login.subject).end_object();
  std::string fresh = path.native() + ".XXXXXX";
  const Descriptor file{::mkostemp(fresh.data(), O_CLOEXEC)};  // 0600
  if (file.number < 0 || !write_all(file.number, out.text() + "\n") ||
      ::rename(fresh.c_str(), path.c_str()) != 0) {
    const std::string why = reason();
    if (file.number >= 0) ::unlink(fresh.c_str());
    fail(exit_code::failed, "io_error", path.native() + " cannot be written: " + why,
         "--print prints the session instead of keeping it");
  }
}

void forget_login() {
  const fs::path path = login_file();
  if (::unlink(path.c_str()) != 0 && errno != ENOENT && errno != ENOTDIR) {
    fail_with("io_error", path, "cannot be removed: " + reason());
  }
}

}  // namespace cofounder::ctl
