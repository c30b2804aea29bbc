// SPDX-License-Identifier: Apache-2.0
#include "core/config/config.hpp"
#include "core/config/regular_file.hpp"

#include <sys/stat.h>

#include <cstdlib>

namespace cofounder {
namespace {

constexpr std::size_t secret_bytes_max = 1u << 20;  // systemd's own limit for a credential

Error missing(std::string message, std::string hint) {
  Error error = make_error("secret_missing", std::move(message));
  error.hint = std::move(hint);
  return error;
}

Result<std::string> read_file(const std::filesystem::path& file, const std::string& what,
                              const std::string& hint) {
  auto content = config::read_regular_file(file, secret_bytes_max);
  if (!content) {
    if (content.error().code == "missing")
      return missing(what + ": " + content.error().message, hint);
    return make_error("secret_unreadable", what + ": " + content.error().message);
  }
  if ((content->mode & (S_IROTH | S_IWOTH)) != 0) {
    Error error = make_error("secret_unreadable",
                             what + ": " + file.native() + " may be read or written by everyone");
    error.hint = "chmod o= " + file.native();
    return error;
  }
  std::string text = std::move(content->text);
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
  if (text.empty()) return missing(what + ": " + file.native() + " is empty", hint);
  return text;
}

Result<std::string> read_credential(const std::string& name) {
  const std::string what = "credential \"" + name + "\"";
  const std::string hint = "add LoadCredential=" + name + ":PATH to the unit, see systemd.exec(5)";
  if (name.empty() || name.find('/') != std::string::npos || name == "." || name == "..") {
    return make_error("secret_unreadable", what + ": the name of a credential is a file name");
  }
  const char* directory = std::getenv("CREDENTIALS_DIRECTORY");
  if (directory == nullptr || *directory == '\0') {
    return missing(what + ": systemd passed no credentials", hint);
  }
  return read_file(std::filesystem::path{directory} / name, what, hint);
}

}  // namespace

Result<std::string> read_secret(const SecretSource& source) {
  switch (source.kind) {
    case SecretSource::Kind::credential:
      return read_credential(source.name);
    case SecretSource::Kind::environment: {
      const char* value = std::getenv(source.name.c_str());
      if (value == nullptr || *value == '\0') {
        return missing("environment variable \"" + source.name + "\" is not set",
                       "set it for the daemon, for instance with Environment= in a drop-in");
      }
      return std::string{value};
    }
    case SecretSource::Kind::file:
      return read_file(source.name, "secret file", "make the file, readable by the daemon only");
    case SecretSource::Kind::plain:
      return source.name;
  }
  return make_error("secret_unreadable", "a secret of unknown kind");
}

}  // namespace cofounder
